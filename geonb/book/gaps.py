"""The book of a study that lacks chapters: left out of the study, failed in the last run, or waiting for one that did.

Snakemake goes on with all that a failed page does not hold up, and then leaves build/<study>/failed.json. The book is
built all the same: in the place of what is missing stands why, and what to do.
"""

import json
import re

import yaml

from geonb import files
from geonb.book import page_dependencies as deps
from geonb.showing.safe_text import safe_html

INTERRUPTED = "was interrupted, its finished tables are as they were"  # as geonb.book.runner says it
LINK = re.compile(r"\{doc\}`(?:[^`<]*<)?/?(?:executed/)?(\d\d_\w+)>?`|\[([^\]]+)\]\(executed/(\d\d_\w+)\.ipynb\)")
GLUED = re.compile(r"\{glue:\w+\}`executed/(\d\d_\w+)\.ipynb::")


def record(study, since):
    """Write failed.json, what failed in a run of Snakemake that began at a time [s since 1970]; returns it.

    {page: {"cause": one line, "log": where the whole error is, "computed": whether its tables are there}}. Snakemake
    removes what a failed job was to make.
    """
    found = {}
    for page in deps.all_pages(study):
        name = deps.flat(page)
        manifest = deps.build_folder(study, "tables", page, "manifest.json")
        shown = deps.build_folder(study, "executed", f"{name}.ipynb")
        for log, made in ((f"{name}.log", manifest), (f"{name}-show.log", shown)):
            path = deps.build_folder(study, "logs", log)
            if path.exists() and path.stat().st_mtime > since and not made.exists():
                cause, where = cause_in(path.read_text(encoding="utf-8")), path.relative_to(files.ROOT).as_posix()
                if INTERRUPTED not in cause:
                    found[page] = {"cause": cause, "log": where, "computed": made == shown}
    if found:
        files.write_json(deps.build_folder(study, "failed.json"), found)
    return found


def cause_in(log):
    """The line of a log that says why a page failed."""
    lines = [line for line in log.splitlines() if line.strip()] or ["it ended without a word"]
    return next((line for line in reversed(lines) if line.startswith("FAILED")), lines[-1])


def of(study):
    """{page: its entry of failed.json, or {"waits": the failed pages that it waits for}}, in the order of the book."""
    file = deps.build_folder(study, "failed.json")
    failed, found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}, {}
    for page in deps.all_pages(study) if failed else ():
        read = [other for name in deps.READS[page.split("/")[0]] for other in deps.pages(name, study) if other in found]
        roots = [root for other in read for root in found[other].get("waits", [other])]
        waits = [root for root in dict.fromkeys(roots) if not failed[root]["computed"]]
        if waits:
            found[page] = {"waits": waits}
        elif page in failed:
            found[page] = failed[page]
    return found


def told(missing, study):
    """What the last lines on the screen say of the gaps of a book (of)."""
    failed = {page: gap for page, gap in missing.items() if "cause" in gap}
    causes = [f"{gap['cause']}\n  (the whole of it: {gap['log']})" for gap in failed.values()]
    waiting = [page for page in missing if page not in failed]
    lacking = f"what failed ({', '.join(failed)})" + (
        f" and what waits for it ({', '.join(waiting)})" if waiting else ""
    )
    return "\n".join([*causes, f"the book of {study} is built without {lacking}"])


def stand_in(page, gap, names, study):
    """What stands in the book for a page that is missing; names: page -> its name in the book."""
    from nbformat.v4 import new_markdown_cell, new_notebook  # here: each start of Snakemake loads this file

    notebook, *choice = page.split("/")
    title = "".join([title_of(notebook), *(f": `{name}`" for name in choice)])
    if "waits" in gap:
        links = ", ".join(f"{{doc}}`{names[root]}`" for root in gap["waits"])
        what, words = "This chapter waits", f"It needs the tables of {links}, which failed and says why."
    else:
        what = "This chapter failed"
        words = (
            f"{safe_html(gap['cause'].removeprefix('FAILED '))}\n\n"
            f"The whole of the error is in `{gap['log']}`. Mend what it names, in `notebooks/studies/{study}.yml` or "
            f"in the data, and run `make book STUDY={study}` again: only what is missing is made."
        )
    return new_notebook(
        cells=[new_markdown_cell(f"# {title}\n\n```{{admonition}} {what}\n:class: danger\n{words}\n```")]
    )


def close(folder, gaps, names):
    """Nothing in a book that was set in a folder leads to a chapter which is not there, or shows a number of it."""
    import nbformat

    there = {path.stem for path in (folder / "executed").glob("*.ipynb")}
    answering = there - {names[page] for page in gaps}
    for path in folder.glob("*.md"):
        path.write_text(closed(path.read_text(encoding="utf-8"), there, answering), encoding="utf-8")
    for path in (folder / "executed").glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = closed(cell.source, there, answering)
        nbformat.write(notebook, path)
    toc = folder / "_toc.yml"
    contents = yaml.safe_load(toc.read_text(encoding="utf-8")) or {}
    for part in contents.get("parts", []):  # a glob may find nothing, a file must be there
        part["chapters"] = [chapter for chapter in part["chapters"] if is_there(chapter.get("file", ""), there)]
    toc.write_text(yaml.safe_dump(contents, sort_keys=False), encoding="utf-8")


def is_there(file, there):
    """Whether a file of the contents is in the book; '' is a glob."""
    return not file.startswith("executed/") or file.removeprefix("executed/") in there


def closed(text, there, answering):
    """The text with the titles of chapters that are not there in place of links, and without paragraphs that show
    numbers of chapters which have none."""
    paragraphs = []
    for paragraph in text.split("\n\n"):
        silent = [name for name in GLUED.findall(paragraph) if name not in answering]
        named = f"{{doc}}`executed/{silent[0]}`" if silent else ""
        paragraphs.append(f"No answer here: it needs the numbers of {named}." if silent else paragraph)
    return LINK.sub(lambda match: plain(match, there), "\n\n".join(paragraphs))


def plain(match, there):
    """A link as it is, or the title of a chapter that is not there; the builder refuses a name that no chapter has."""
    name = match[1] or match[3]
    if name in there or name not in deps.notebook_names():
        return match[0]
    return match[2] or f"{title_of(name)} (not in this book)"


def title_of(notebook):
    """The title of a notebook's source."""
    return deps.cells(notebook)[0].source.partition("\n")[0].removeprefix("# ")
