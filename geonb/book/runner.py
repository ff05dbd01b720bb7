"""Run one page of the book: python -m geonb.book.runner 06_train/sw_clip --study smoke -p bandwidth_m 200

The pipeline runs a page in two steps: --mode compute makes its tables, of record when every cell has succeeded
(manifest.json is written last); --mode show makes the executed copy that the book shows. All else is a run by hand.
"""

import argparse
import base64
import json
import logging
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from contextlib import contextmanager

import yaml
from filelock import FileLock, Timeout

from geonb import files
from geonb.book import page_dependencies as deps

KERNEL = """\
c.IPKernelApp.log_level = 40  # no warning about TCP at every start
c.HistoryManager.enabled = False
c.InlineBackend.figure_formats = {"png", "svg"}
c.InlineBackend.rc = {"svg.hashsalt": "geonb"}  # the same figure is the same file
c.InlineBackend.print_figure_kwargs = {"bbox_inches": "tight", "metadata": {"Date": None}}
"""


def compute(page, study):
    """Execute a page of the pipeline: its tables are of record once every cell has succeeded."""
    with computing(page, study) as running:
        execute(page, study, running, mode="compute")


@contextmanager
def computing(page, study):
    """Within it a page is executed, to the path that it gives; without an error its tables are finished at the end.

    build/<study>/computed/ then holds its executed copy, with a key that says what that shows.
    """
    computed, unfinished = copy_of(page, study, "computed"), deps.build_folder(study, "unfinished", page)
    running = computed.with_suffix(".running.ipynb")
    started = time.monotonic()
    print(deps.introduced(page, study), flush=True)
    with alone(page, study):
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        yield running
        seconds = round(time.monotonic() - started, 1)
        print(f"{page}: {seconds} s")
        files.write_json(copy_of(page, study, "times", ".json"), seconds)
        tables = {path.stem: json.loads(path.read_text(encoding="utf-8"))["sha256"]
                  for path in sorted(unfinished.glob("*.json"))}  # fmt: skip
        ran = {"parameters": deps.parameters(page, study), "code": deps.code_of(page.split("/")[0]), "tables": tables}
        files.write_json(unfinished / "manifest.json", ran)
        running.replace(computed)
        computed.with_suffix(".key").write_text(showing_key(page, study))
        deps.replace_folder(unfinished, deps.page_folder(page, study))


@contextmanager
def alone(page, study):
    """Within it a page runs alone; ValueError where it is running already. No kill leaves it locked."""
    try:
        with FileLock(copy_of(page, study, "locks", ".lock"), timeout=0):
            yield
    except Timeout:
        raise ValueError(f"{page} of study {study} is running already: wait for that run, or end it") from None


def show(page, study, mode="show"):
    """Put the executed copy of a page in its place: the one that its computation left, if nothing changed since, else a
    new one from the finished tables; mode 'published': from the published tables alone."""
    computed, shown = copy_of(page, study, "computed"), copy_of(page, study, "executed")
    key, running = computed.with_suffix(".key"), shown.with_suffix(".running.ipynb")
    shown.parent.mkdir(parents=True, exist_ok=True)
    if mode == "show" and computed.exists() and key.exists() and key.read_text() == showing_key(page, study):
        computed.replace(shown)
    else:
        execute(page, study, running, mode)
        running.replace(shown)
    keep_figures(shown, deps.build_folder(study, "figures", deps.flat(page)))


def by_hand(page, study, chosen):
    """Execute a page with values chosen by hand; what it makes lies apart, in a folder for these values."""
    from geonb.book import results  # the pipeline does without

    os.environ.pop("GEONB_MODE", None)
    page = page_of(page, chosen)
    values = chosen_by_hand(page, study, chosen)
    folder = results.folder_by_hand(page, study, deps.parameters(page, study) | values)
    copy = folder / f"{deps.flat(page)}.ipynb"
    with alone(page, study):
        execute(page, study, copy, chosen=values)
        keep_figures(copy, folder / "figures")
    print(f"{page} by hand: see {folder.relative_to(files.ROOT).as_posix()}/")


def page_of(page, by_hand):
    """The page that is meant: '06_train' alone is its page of the method chosen by hand, or of the notebook's own."""
    notebook, *choice = page.split("/")
    if len(choice) > (notebook in deps.TEMPLATES):
        raise ValueError(f"there is no page {page!r}: its page is {notebook}")
    if notebook in deps.TEMPLATES and not choice:
        parameter = deps.TEMPLATES[notebook]
        choice = [dict(by_hand).get(parameter, deps.defaults(notebook)[parameter])]
    return "/".join([notebook, *(deps.plain_name(name, page) for name in choice)])


def chosen_by_hand(page, study, by_hand):
    """{name: value} from pairs of words, as YAML reads the values; unknown names and wrong types are refused."""
    known = deps.parameters(page, study)
    try:
        chosen = deps.checked({name: yaml.safe_load(word) for name, word in by_hand}, known, page)
    except yaml.YAMLError:
        words = ", ".join(f"{name} {word!r}" for name, word in by_hand)
        raise ValueError(f"-p {words} is not valid YAML: a list is '[a, b]', a text with brackets '\"[a\"'") from None
    for name in {"study", deps.TEMPLATES.get(page.split("/")[0])} & set(chosen):
        if chosen[name] != known[name]:
            raise ValueError(f"{page} of study {study} cannot have {name} = {chosen[name]!r}: name another page")
    return chosen


def copy_of(page, study, folder, ending=".ipynb"):
    """Where the executed notebook of a page lies: 'computed' as its computation left it, 'executed' for the book."""
    return deps.build_folder(study, folder, f"{deps.flat(page)}{ending}")


def showing_key(page, study):
    """What an executed copy depends on beside the tables of its page, as a text: the values and all of the code."""
    return json.dumps([deps.parameters(page, study), deps.code_of(page.split("/")[0], shown=True)], sort_keys=True)


def execute(page, study, running, mode=None, chosen=(), prepare_only=False):
    """Execute a page with papermill and a progress log; where it fails, sys.exit says so.

    mode: see geonb.book.pages, None by hand; chosen: values that go before the study's; prepare_only: run nothing.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError
    from traitlets.config import Config

    running.parent.mkdir(parents=True, exist_ok=True)
    prepare_kernels()
    os.environ.pop("GEONB_MODE", None)
    os.environ |= {"GEONB_MODE": mode} if mode else {}
    source, values = deps.notebooks_folder() / f"{page.split('/')[0]}.ipynb", deps.injected(page, study) | dict(chosen)
    with tempfile.TemporaryDirectory(prefix="geonb-") as sockets:
        # kernels that start at the same moment can be given the same TCP port
        apart = Config(KernelManager={"transport": "ipc", "ip": f"{sockets}/kernel"})
        try:
            papermill.execute_notebook(
                unformatted(source), unformatted(running), values, cwd=source.parent, prepare_only=prepare_only,
                progress_bar=False, log_output=True, config=apart, start_timeout=600,
            )  # fmt: skip
        except papermill.PapermillExecutionError as error:
            sys.exit(failure(page, error, running))
        except DeadKernelError as error:
            sys.exit(f"FAILED {page}: its kernel died, most often for want of memory ({error})")


def unformatted(path):
    """A path as papermill wants it: it fills what stands in braces, so that a folder of that name needs two of them."""
    return str(path).replace("{", "{{").replace("}", "}}")


def keep_figures(executed, folder):
    """Write the pictures of an executed notebook as SVG and PNG into a folder; the notebook keeps the PNG alone.

    A picture has the name of its cell's figure, or that of its cell.
    """
    import nbformat

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    notebook = nbformat.read(executed, as_version=4)
    for number, cell in enumerate(notebook.cells):
        name = cell.metadata.get("mystnb", {}).get("figure", {}).get("name", f"cell-{number}")
        shown = [output.data for output in cell.get("outputs", []) if "image/svg+xml" in output.get("data", {})]
        for k, data in enumerate(shown, 1):
            file = folder / (name if k == 1 else f"{name}-{k}")
            file.with_suffix(".png").write_bytes(base64.b64decode(data["image/png"]))
            file.with_suffix(".svg").write_text(data.pop("image/svg+xml"), encoding="utf-8")
    nbformat.write(notebook, executed)


def prepare_kernels():
    """Kernels import geonb from where this file lies, and use no IPython settings of the machine: they change pages."""
    settings = files.ROOT / "build" / ".ipython" / "profile_default" / "ipython_kernel_config.py"
    files.write_whole(settings, lambda partial: partial.write_text(KERNEL, encoding="utf-8"))
    os.environ |= {"IPYTHONDIR": str(settings.parents[1]), "PYTHONPATH": str(files.ROOT)}


def failure(page, error, running):
    """The traceback, then one line that names notebook, heading and error."""
    before = deps.cells(page.split("/")[0])[: error.cell_index]
    words = "\n".join(cell.source for cell in before if cell.cell_type == "markdown")
    headings = ["the top", *re.findall(r"^#+ *(.*)", words, re.MULTILINE)]
    where = f"cell [{error.exec_count}] under {headings[-1]!r}"
    last = f"Open {running.relative_to(files.ROOT)} to see it as it stands."
    return f"{error}\n\nFAILED {page}, {where}: {error.ename}: {error.evalue}\n{last}"


def end_with(pid):
    """End this process when another one ends: a killed make takes Snakemake along, and Snakemake its notebooks."""
    import psutil

    def watch():
        try:
            psutil.Process(pid).wait()
        finally:
            os._exit(1)  # the kernel notices and goes by itself

    threading.Thread(target=watch, daemon=True).start()


def main():
    """Run one page, as the Snakefile does."""
    ask = argparse.ArgumentParser(prog="python -m geonb.book.runner", description=__doc__.splitlines()[0])
    ask.add_argument("page", help="01_photos, or 06_train/sw_clip")
    ask.add_argument("--study", default=deps.DEFAULT)
    ask.add_argument("--reads", nargs="*", help="the pages whose tables it may read")
    ask.add_argument("--mode", choices=["compute", "show", "published"], help="as the pipeline runs it; else by hand")
    ask.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="a value by hand")
    got = ask.parse_args()
    if got.reads is not None:
        os.environ["GEONB_READS"] = " ".join([got.page, *got.reads])
    if "GEONB_SNAKEMAKE_PID" in os.environ:
        end_with(int(os.environ["GEONB_SNAKEMAKE_PID"]))
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        if got.mode == "compute":
            compute(got.page, got.study)
        elif got.mode:
            show(got.page, got.study, got.mode)
        else:
            by_hand(got.page, got.study, got.p)
    except (ValueError, OSError) as error:
        sys.exit(f"geonb.book.runner: {error}")
    except KeyboardInterrupt:
        print(f"geonb.book.runner: {got.page} was interrupted, its finished tables are as they were", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
