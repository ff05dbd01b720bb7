"""Build the book of a study from its executed pages: python -m geonb.book.build --study smoke

Words come from notebooks/ and book/, outputs from the executed copies: a changed sentence costs no training.
Everything is written to build/<study>/: book/ (what is built), _build/html (the book), run.json (device, times).
"""

import argparse
import base64
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import yaml
from PIL import Image

from geonb import files
from geonb.book.page_dependencies import (
    DEFAULT,
    TEMPLATES,
    all_pages,
    build_folder,
    defaults,
    flat,
    is_simulated,
    is_tagged,
    notebook_names,
    notebooks_folder,
)
from geonb.showing.safe_text import safe_html

SIMULATED = (
    "These cities are simulated: they test mechanisms under stated conditions and prove nothing about a real city."
)
# what Jupyter Book adds to every page, twice and so with an error, for running code through a network
THEBE = re.compile(r"<script>const THEBE_JS_URL.*?</script>|<script[^>]*sphinx-thebe\.js[^>]*></script>", re.DOTALL)
CARD_PX = 480
CARD = """:::::{{grid-item-card}} {page}
:img-top: gallery/{file}
:img-alt: {alt}
:link: executed/{name}
:link-type: doc

{caption}
:::::"""


# ---- pages -----------------------------------------------------------------------------------------------------------
def file_names(pages):
    """The name of each page in the book, page -> name: a template's own choice stands for the template itself."""
    names = {page: flat(page) for page in pages}
    for notebook, parameter in TEMPLATES.items():
        chosen = [page for page in pages if page.startswith(f"{notebook}/")]
        own = f"{notebook}/{defaults(notebook)[parameter]}"
        if chosen:
            names[own if own in chosen else chosen[0]] = notebook
    return names


def set_page(page, name, study, seconds, device):
    """A page as the book shows it: the words of its source, the outputs of its executed copy, a line on the run."""
    source = read_source(page)
    executed = nbformat.read(build_folder(study) / "executed" / f"{flat(page)}.ipynb", as_version=4).cells
    source.cells = with_outputs(page, source.cells, executed)
    refuse_stderr(page, source.cells)
    if name != page.split("/")[0]:  # a further page of a template: one label may stand once in a book
        for cell in source.cells:
            cell.metadata.get("mystnb", {}).get("figure", {}).pop("name", None)
    below_title(source.cells[0], page, f"```{{margin}}\n{run_line(page, study, seconds, device)}\n```")
    return source


def read_source(page):
    """The source notebook of a page."""
    return nbformat.read(notebooks_folder() / f"{page.split('/')[0]}.ipynb", as_version=4)


def with_outputs(page, source, executed):
    """The source's cells with the outputs of the executed ones, and the values that a study has set."""
    values = [cell for cell in executed if is_tagged(cell, "injected-parameters")]
    ran = [cell for cell in executed if cell.cell_type == "code" and cell not in values]
    code = [cell for cell in source if cell.cell_type == "code"]
    if len(ran) != len(code):
        raise ValueError(
            f"{page}: its source has {len(code)} cells of code, its executed copy {len(ran)}: run it again"
        )
    for cell, run in zip(code, ran, strict=True):
        cell.outputs, cell.execution_count = run.outputs, run.execution_count
    return [shown for cell in source for shown in ([cell, *values] if is_tagged(cell, "parameters") else [cell])]


def refuse_stderr(page, cells):
    """ValueError names page and text when a cell has written to stderr: warnings are cured, not published."""
    for cell in cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                raise ValueError(f"{page}: a cell wrote to stderr, cure the reason:\n{output.text}\nin\n{cell.source}")


def below_title(cell, page, words):
    """Set words below the title of a page's first cell; a page of a template names its choice in the title."""
    title, _, rest = cell.source.partition("\n")
    if not title.startswith("# "):
        raise ValueError(f"{page}: its first cell must begin with a title, '# ...', it begins with {title!r}")
    choice = "".join(f": `{part}`" for part in page.split("/")[1:])
    cell.source = f"{title}{choice}\n\n{words}\n{rest}"


# ---- the run ---------------------------------------------------------------------------------------------------------
def run_line(page, study, seconds, device):
    """One line on how a page was made, and for simulated cities what they cannot show."""
    line = f"Study `{study}`" + (f" · {seconds:.0f} s on {safe_html(device)}" if seconds is not None else "")
    return f"{line}\n\n{SIMULATED}" if is_simulated(study) else line


def device_name():
    """The GPU that torch would use here, else the processor."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else processor_name()


def processor_name():
    """The name of the processor, as the operating system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def run_record(study, pages):
    """What differs from machine to machine: device, python, seconds of each page that was run."""
    times = [build_folder(study) / "times" / f"{flat(page)}.json" for page in pages]
    noted = [json.loads(path.read_text(encoding="utf-8")) for path in times if path.exists()]
    seconds = {note["page"]: note["seconds"] for note in noted}
    return {
        "study": study,
        "device": device_name(),
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


# ---- the gallery -----------------------------------------------------------------------------------------------------
def pictures_of(page, name, cells, folder):
    """Cards of the figures of a page as pieces of markdown; small pictures of them go to folder/gallery/."""
    cards = []
    for cell in cells:
        about, outputs = cell.metadata.get("mystnb", {}), cell.get("outputs", [])
        shown = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
        if not (shown and "figure" in about):
            continue
        small = Image.open(io.BytesIO(base64.b64decode(shown[0]))).convert("RGB")
        small.thumbnail((CARD_PX, CARD_PX))
        file = folder / "gallery" / f"{about['figure']['name']}.png"
        file.parent.mkdir(exist_ok=True)
        small.save(file, optimize=True)
        caption, alt = about["figure"]["caption"], about["image"]["alt"]
        cards.append(CARD.format(page=page, name=name, file=file.name, caption=caption, alt=alt))
    return cards


def gallery(cards):
    """The page of all figures, as a piece of markdown."""
    title, grid = "# All figures\n\n", "::::::{grid} 1 2 2 2\n:gutter: 3\n\n"
    return title + "Each leads to its page.\n\n" + grid + "\n".join(cards) + "\n::::::\n"


# ---- the folder ------------------------------------------------------------------------------------------------------
def copy_frame(folder):
    """A fresh copy of book/ without the pages; MathJax goes to extra/, whose files Sphinx copies and loads but once."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(files.ROOT / "book", folder, ignore=shutil.ignore_patterns("vendor", "executed"))
    mathjax = Path("_static", "vendor", "mathjax")
    shutil.copytree(files.ROOT / "book" / mathjax, folder / "extra" / mathjax)
    (folder / "executed").mkdir()


def write_contents(folder, names):
    """Write the table of contents: pages that the study has, the further ones of a template as sections below it."""
    contents = yaml.safe_load((files.ROOT / "book" / "_toc.yml").read_text(encoding="utf-8"))
    missing = {f"executed/{notebook}" for notebook in notebook_names()} - {
        f"executed/{name}" for name in names.values()
    }
    for part in contents["parts"]:
        part["chapters"] = [chapter for chapter in part["chapters"] if chapter["file"] not in missing]
    contents["parts"] = [part for part in contents["parts"] if part["chapters"]]
    for chapter in [chapter for part in contents["parts"] for chapter in part["chapters"]]:
        notebook = chapter["file"].removeprefix("executed/")
        sections = [name for page, name in names.items() if page.startswith(f"{notebook}/") and name != notebook]
        if sections:
            chapter["sections"] = [{"file": f"executed/{name}"} for name in sections]
    (folder / "_toc.yml").write_text(yaml.safe_dump(contents, sort_keys=False), encoding="utf-8")


def set_book(study):
    """Write everything that Jupyter Book needs to build/<study>/book, and run.json. Returns the folder."""
    folder, pages = build_folder(study) / "book", all_pages(study)
    names, record = file_names(pages), run_record(study, pages)
    copy_frame(folder)
    write_contents(folder, names)
    (folder / "this_copy.md").write_text(this_copy(record), encoding="utf-8")
    cards = []
    for page, name in names.items():
        shown = set_page(page, name, study, record["seconds_per_page"].get(page), record["device"])
        if name == page.split("/")[0]:  # further pages of a template show the same for other methods
            cards += pictures_of(page, name, shown.cells, folder)
        nbformat.write(shown, folder / "executed" / f"{name}.ipynb")
    (folder / "gallery.md").write_text(gallery(cards), encoding="utf-8")
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    (build_folder(study) / "run.json").write_text(text, encoding="utf-8")
    return folder


def build(folder, study):
    """Build the HTML with warnings as errors; returns Jupyter Book's exit code."""
    shutil.rmtree(build_folder(study) / "_build", ignore_errors=True)
    code = subprocess.run(
        [Path(sys.executable).with_name("jupyter-book"), "build", folder, "--config", files.ROOT / "_config.yml",
         "--path-output", build_folder(study), "-W", "--keep-going", "-q"],
        cwd=files.ROOT, env=os.environ | {"NO_COLOR": "1"},
    ).returncode  # fmt: skip
    for page in (build_folder(study) / "_build" / "html").rglob("*.html"):
        page.write_text(THEBE.sub("", page.read_text(encoding="utf-8")), encoding="utf-8")
    return code


def main():
    """Set and build the book of a study, as the Snakefile and `make test` do."""
    ask = argparse.ArgumentParser(prog="python -m geonb.book.build", description=__doc__.splitlines()[0])
    ask.add_argument("--study", default=DEFAULT)
    got = ask.parse_args()
    try:
        folder = set_book(got.study)
    except (ValueError, OSError) as error:
        sys.exit(f"geonb.book: {error}")
    sys.exit(build(folder, got.study))


if __name__ == "__main__":
    main()
