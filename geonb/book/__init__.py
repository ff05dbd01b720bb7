"""What a page of the book is, how it runs, what it leaves, and how the book is built of it."""

import warnings

# esda and huggingface_hub import tqdm.auto, which asks for ipywidgets: a page needs no bars that move
warnings.filterwarnings("ignore", "IProgress not found")


def page(name, namespace):
    """See pages.page; imported when it is called, since Snakemake asks this package for less at every start."""
    from geonb.book import pages

    return pages.page(name, namespace)
