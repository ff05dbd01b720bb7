"""Build the book of a study from its executed pages: python -m geonb.book.build smoke

Words come from notebooks/ and book/, outputs from the executed copies: a changed sentence costs no training.
Everything is written to build/<study>/: book/ (what is built), _build/html (the book), run.json (device, times).
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

from geonb import files
from geonb.book import gaps, wording
from geonb.book import page_dependencies as deps
from geonb.showing.safe_text import safe_html

SIMULATED = (
    "These cities are simulated: they test mechanisms under stated conditions and prove nothing about a real city."
)


def file_names(pages):
    """The name of each page in the book, page -> name: a template's own choice stands for the template itself."""
    names = {page: deps.flat(page) for page in pages}
    for notebook, parameter in deps.TEMPLATES.items():
        own = f"{notebook}/{deps.defaults(notebook)[parameter]}"
        executions = sorted((page for page in pages if page.startswith(f"{notebook}/")), key=lambda page: page != own)
        names |= {page: notebook for page in executions[:1]}
    return names


def set_page(page, name, study, record):
    """A page as the book shows it: the words of its source, the outputs of its executed copy, a line on the run."""
    notebook, *choice = page.split("/")
    source = nbformat.read(deps.notebooks_folder() / f"{notebook}.ipynb", as_version=4)
    executed = nbformat.read(deps.build_folder(study, "executed", f"{deps.flat(page)}.ipynb"), as_version=4).cells
    source.cells = [cell for cell in with_outputs(page, source.cells, executed) if is_asked_for(cell, page, study)]
    for cell in source.cells:
        if cell.cell_type == "markdown":
            cell.source = wording.suited(cell.source, deps.is_simulated(study))
    if name != notebook:  # a further page of a template: one label may stand once in a book
        for cell in source.cells:
            cell.metadata.get("mystnb", {}).get("figure", {}).pop("name", None)
    title, _, rest = source.cells[0].source.partition("\n")
    title += "".join(f": `{name}`" for name in choice)
    seconds = record["seconds_per_page"].get(page)
    run = f"Study `{study}`" + ("" if seconds is None else f" · {seconds:.0f} s on {safe_html(record['device'])}")
    run += f"\n\n{SIMULATED}" if deps.is_simulated(study) else ""
    source.cells[0].source = f"{title}\n\n```{{margin}}\n{run}\n```\n{rest}"
    return source


def with_outputs(page, source, executed):
    """The source's cells with the outputs of the executed ones, and the values that a study has set."""
    values = [cell for cell in executed if deps.is_tagged(cell, "injected-parameters")]
    ran = [cell for cell in executed if cell.cell_type == "code" and cell not in values]
    code = [cell for cell in source if cell.cell_type == "code"]
    if len(ran) != len(code):
        raise ValueError(
            f"{page}: its executed copy has {len(ran)} cells of code, its source {len(code)}: run it again"
        )
    for cell, run in zip(code, ran, strict=True):
        cell.outputs, cell.execution_count = run.outputs, run.execution_count
    return [shown for cell in source for shown in ([cell, *values] if deps.is_tagged(cell, "parameters") else [cell])]


def is_asked_for(cell, page, study):
    """Whether a study asks for a cell: one tagged `if-NAME` is shown where the parameter NAME of its page is true."""
    named = [tag.removeprefix("if-") for tag in cell.metadata.get("tags", []) if tag.startswith("if-")]
    return not named or all(deps.parameters(page, study)[name] for name in named)


def device_name():
    """The GPU that torch would use here, else the processor as the operating system names it."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    cpuinfo = Path("/proc/cpuinfo")
    named = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else None
    return named[1] if named else platform.processor() or platform.machine()


def run_record(study):
    """What differs from machine to machine: device, python, seconds of each page that was run."""
    times = {page: deps.build_folder(study, "times", f"{deps.flat(page)}.json") for page in deps.all_pages(study)}
    seconds = {page: json.loads(path.read_text()) for page, path in times.items() if path.exists()}
    machine = {"device": device_name(), "cpu_cores": os.cpu_count(), "python": platform.python_version()}
    return {"study": study, **machine, "seconds": round(sum(seconds.values()), 1), "seconds_per_page": seconds}


def set_book(study):
    """Write everything that Jupyter Book needs to build/<study>/book, and run.json. Returns the folder."""
    folder, record = deps.build_folder(study, "book"), run_record(study)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(files.ROOT / "book", folder, ignore=shutil.ignore_patterns("leaflet", "executed"))
    for words in folder.glob("*.md"):
        suited = wording.suited(words.read_text(encoding="utf-8"), deps.is_simulated(study))
        words.write_text(suited, encoding="utf-8")
    (folder / "executed").mkdir()
    names, missing = file_names(deps.all_pages(study)), gaps.of(study)
    for page, name in names.items():
        instead = gaps.stand_in(page, missing[page], names, study) if page in missing else None
        nbformat.write(instead or set_page(page, name, study, record), folder / "executed" / f"{name}.ipynb")
    gaps.close(folder, missing, names)
    files.write_json(deps.build_folder(study, "run.json"), record)
    return folder


def main():
    """Set the book of a study and build its HTML with warnings as errors, as the Snakefile and `make test` do.

    sys.exit names the chapters that failed in the last run, when the book is built without them.
    """
    (study,) = sys.argv[1:]
    folder = set_book(study)
    shutil.rmtree(deps.build_folder(study, "_build"), ignore_errors=True)
    built = subprocess.run(
        [Path(sys.executable).with_name("jupyter-book"), "build", folder, "--config", files.ROOT / "_config.yml",
         "--path-output", deps.build_folder(study), "-W", "--keep-going", "-q"],
        cwd=files.ROOT, env=os.environ | {"NO_COLOR": "1"},
    )  # fmt: skip
    if missing := gaps.of(study):
        sys.exit(gaps.told(missing, study))
    sys.exit(built.returncode)


if __name__ == "__main__":
    main()
