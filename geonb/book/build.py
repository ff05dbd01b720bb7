"""Build the book of a study from its executed pages: python -m geonb.book.build --study smoke

Words come from notebooks/ and book/, outputs from the executed copies: a changed sentence costs no training.
Everything is written to build/<study>/: book/ (what is built), _build/html (the book), run.json (device, times).
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from PIL import Image

from geonb import files
from geonb.book import machine
from geonb.book import page_dependencies as deps
from geonb.showing.safe_text import safe_html

SIMULATED = (
    "These cities are simulated: they test mechanisms under stated conditions and prove nothing about a real city."
)
CARD_PX = 480
GALLERY = """# All figures

Each leads to its page.

::::::{{grid}} 1 2 2 2
:gutter: 3

{}
::::::
"""
CARD = """:::::{{grid-item-card}} {page}
:img-top: gallery/{file}
:img-alt: {alt}
:link: executed/{page}
:link-type: doc

{caption}
:::::"""


def file_names(pages):
    """The name of each page in the book, page -> name: a template's own choice stands for the template itself."""
    names = {page: deps.flat(page) for page in pages}
    for notebook, parameter in deps.TEMPLATES.items():
        chosen = [page for page in pages if page.startswith(f"{notebook}/")]
        own = f"{notebook}/{deps.defaults(notebook)[parameter]}"
        if chosen:
            names[own if own in chosen else chosen[0]] = notebook
    return names


def set_page(page, name, study, seconds, device):
    """A page as the book shows it: the words of its source, the outputs of its executed copy, a line on the run."""
    notebook, *choice = page.split("/")
    source = nbformat.read(deps.notebooks_folder() / f"{notebook}.ipynb", as_version=4)
    executed = nbformat.read(deps.build_folder(study, "executed", f"{deps.flat(page)}.ipynb"), as_version=4).cells
    source.cells = with_outputs(page, source.cells, executed)
    if name != notebook:  # a further page of a template: one label may stand once in a book
        for cell in source.cells:
            cell.metadata.get("mystnb", {}).get("figure", {}).pop("name", None)
    title, _, rest = source.cells[0].source.partition("\n")
    run = f"Study `{study}`" + ("" if seconds is None else f" · {seconds:.0f} s on {safe_html(device)}")
    run += f"\n\n{SIMULATED}" if deps.is_simulated(study) else ""
    title += "".join(f": `{name}`" for name in choice)
    source.cells[0].source = f"{title}\n\n```{{margin}}\n{run}\n```\n{rest}"
    return source


def with_outputs(page, source, executed):
    """The source's cells with the outputs of the executed ones, and the values that a study has set."""
    values = [cell for cell in executed if deps.is_tagged(cell, "injected-parameters")]
    ran = [cell for cell in executed if cell.cell_type == "code" and cell not in values]
    code = [cell for cell in source if cell.cell_type == "code"]
    if len(ran) != len(code):
        raise ValueError(
            f"{page}: its source has {len(code)} cells of code, its executed copy {len(ran)}: run it again"
        )
    for cell, run in zip(code, ran, strict=True):
        cell.outputs, cell.execution_count = run.outputs, run.execution_count
    return [shown for cell in source for shown in ([cell, *values] if deps.is_tagged(cell, "parameters") else [cell])]


def run_record(study, pages):
    """What differs from machine to machine: device, python, seconds of each page that was run."""
    times = [deps.build_folder(study, "times", f"{deps.flat(page)}.json") for page in pages]
    noted = [json.loads(path.read_text(encoding="utf-8")) for path in times if path.exists()]
    seconds = {note["page"]: note["seconds"] for note in noted}
    return {
        "study": study,
        "device": machine.device_name(),
        "cpu_cores": os.cpu_count(),
        "python": platform.python_version(),
        "seconds": round(sum(seconds.values()), 1),
        "seconds_per_page": seconds,
    }


def this_copy(record):
    """The run as a piece of markdown, which how_to_reproduce.md includes."""
    rows = [f"| `{page}` | {seconds:.0f} |" for page, seconds in record["seconds_per_page"].items()]
    return "\n".join([
        f"This copy was made from study `{record['study']}` with Python {record['python']} on "
        f"{safe_html(record['device'])} ({record['cpu_cores']} cores seen). "
        f"Seconds of work per page, {record['seconds'] / 60:.1f} minutes in all:",
        "", "| page | seconds |", "| --- | ---: |", *rows, "",
    ])  # fmt: skip


def cards(study, page, notebook, folder):
    """Cards of the figures of a page as pieces of markdown; small pictures of them go to a folder."""
    found = []
    for about in [cell.metadata.mystnb for cell in deps.cells(notebook) if "figure" in cell.metadata.get("mystnb", {})]:
        figure = about["figure"]
        drawn = deps.build_folder(study, "figures", deps.flat(page), f"{figure['name']}.png")
        if drawn.exists():
            small = Image.open(drawn).convert("RGB")
            small.thumbnail((CARD_PX, CARD_PX))
            small.save(folder / drawn.name, optimize=True)
            alt, caption = about["image"]["alt"], figure["caption"]
            found.append(CARD.format(page=notebook, file=drawn.name, alt=alt, caption=caption))
    return found


def set_book(study):
    """Write everything that Jupyter Book needs to build/<study>/book, and run.json. Returns the folder."""
    folder, pages = deps.build_folder(study, "book"), deps.all_pages(study)
    names, record, figures = file_names(pages), run_record(study, pages), []
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(files.ROOT / "book", folder, ignore=shutil.ignore_patterns("leaflet", "executed"))
    for made in ("executed", "gallery"):
        (folder / made).mkdir()
    for page, name in names.items():
        shown = set_page(page, name, study, record["seconds_per_page"].get(page), record["device"])
        nbformat.write(shown, folder / "executed" / f"{name}.ipynb")
        if name in deps.notebook_names():  # further pages of a template show the same for other methods
            figures += cards(study, page, name, folder / "gallery")
    written = {
        "this_copy.md": this_copy(record),
        "gallery.md": GALLERY.format("\n".join(figures)),
    }
    for file, text in written.items():
        (folder / file).write_text(text, encoding="utf-8")
    files.write_json(deps.build_folder(study, "run.json"), record)
    return folder


def main():
    """Set the book of a study and build its HTML with warnings as errors, as the Snakefile and `make test` do."""
    ask = argparse.ArgumentParser(prog="python -m geonb.book.build", description=__doc__.splitlines()[0])
    ask.add_argument("--study", default=deps.DEFAULT)
    study = ask.parse_args().study
    try:
        folder = set_book(study)
    except (ValueError, OSError) as error:
        sys.exit(f"geonb.book: {error}")
    shutil.rmtree(deps.build_folder(study, "_build"), ignore_errors=True)
    built = subprocess.run(
        [Path(sys.executable).with_name("jupyter-book"), "build", folder, "--config", files.ROOT / "_config.yml",
         "--path-output", deps.build_folder(study), "-W", "--keep-going", "-q"],
        cwd=files.ROOT, env=os.environ | {"NO_COLOR": "1"},
    )  # fmt: skip
    sys.exit(built.returncode)


if __name__ == "__main__":
    main()
