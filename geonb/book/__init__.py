"""What a page of the book is, how it runs, what it leaves, and how the book is built of it."""

import warnings

# esda and huggingface_hub import tqdm.auto, which asks for ipywidgets: a page needs no bars that move
warnings.filterwarnings("ignore", "IProgress not found")


def page(name, namespace):
    """The Page of a running notebook: page("06_train/clip", globals()). ValueError names a parameter that is wrong."""
    from geonb.book import page_dependencies, pages  # Snakemake asks this package for less at every start

    made = pages.Page(name, page_dependencies.used(name, namespace))
    if made.mode == "by hand":  # in the pipeline the runner says it
        print(page_dependencies.introduced(name, made.study))
    return made
