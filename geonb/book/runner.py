"""Run one page of the book: python -m geonb.book.runner 06_train/sw_clip --study smoke -p bandwidth_m 200

The tables and the executed copy are of record only when every cell has succeeded; manifest.json is written last."""

import argparse
import base64
import json
import logging
import os
import shutil
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import yaml
from filelock import FileLock, Timeout

from geonb import files
from geonb.book.studies import (
    DEFAULT,
    TEMPLATES,
    build_folder,
    cells,
    checked,
    code,
    defaults,
    flat,
    injected,
    notebooks_folder,
    page_folder,
    parameters,
    plain_name,
    replace_folder,
    unfinished_folder,
)

IPYTHON = files.ROOT / "build" / ".ipython"
KERNEL = """\
c.IPKernelApp.log_level = 40  # no warning about TCP at every start
c.HistoryManager.enabled = False
c.InlineBackend.figure_formats = {"png", "svg"}
c.InlineBackend.rc = {"svg.hashsalt": "geonb"}  # the same figure is the same file
c.InlineBackend.print_figure_kwargs = {"bbox_inches": "tight", "metadata": {"Date": None}}
"""


def run(page, study, by_hand=(), of_record=True):
    """Execute a page with the values of a study, changed by hand where asked; a failing cell exits with a message.

    of_record: whether the pipeline asked for it, so that it knows with which values and code the tables were made.
    """
    page = page_of(page, by_hand)
    values = injected(page, study) | chosen_by_hand(page, study, by_hand)
    running = executed_copy(page, study).with_suffix(".running.ipynb")
    with kept_apart(page, study) as started:
        execute(page, values, running)
        finish(page, study, running, time.monotonic() - started, of_record=of_record and not by_hand)


@contextmanager
def kept_apart(page, study):
    """Within it a page runs alone and writes its tables aside, so that a run that fails leaves the finished ones.

    Gives the time of its start. ValueError where the page is running already; no kill leaves a lock behind.
    """
    lock = FileLock(build_folder(study) / "locks" / f"{flat(page)}.lock")
    Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
    try:
        with lock.acquire(timeout=0):
            fresh(unfinished_folder(page, study))
            os.environ["GEONB_RUNS"] = page  # results.save_table writes aside
            yield time.monotonic()
    except Timeout:
        raise ValueError(f"{page} of study {study} is running already: wait for that run, or end it") from None
    finally:
        os.environ.pop("GEONB_RUNS", None)


def page_of(page, by_hand):
    """The page that is meant: '06_train' alone is its page of the method chosen by hand, or of the notebook's own."""
    notebook, *choice = page.split("/")
    if choice and (notebook not in TEMPLATES or len(choice) > 1):
        raise ValueError(f"there is no page {page!r}: its page is {notebook}")
    for name in choice:
        plain_name(name, page)
    if page not in TEMPLATES:
        return page
    parameter = TEMPLATES[page]
    return f"{page}/{dict(by_hand).get(parameter, defaults(page)[parameter])}"


def chosen_by_hand(page, study, by_hand):
    """{name: value} from pairs of words, as YAML reads the values; unknown names and wrong types are refused."""
    known = parameters(page, study)
    try:
        chosen = checked({name: yaml.safe_load(word) for name, word in by_hand}, known, page)
    except yaml.YAMLError:
        words = ", ".join(f"{name} {word!r}" for name, word in by_hand)
        raise ValueError(f"-p {words} is not valid YAML: a list is '[a, b]', a text with brackets '\"[a\"'") from None
    for name in {"study", TEMPLATES.get(page.split("/")[0])} & set(chosen):
        if chosen[name] != known[name]:
            raise ValueError(
                f"{page} of study {known['study']} cannot have {name} = {chosen[name]!r}: name another page"
            )
    return chosen


def fresh(folder):
    """The folder, empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def executed_copy(page, study):
    """Where the executed notebook of a page lies once every cell has succeeded."""
    return build_folder(study) / "executed" / f"{flat(page)}.ipynb"


def execute(page, values, running):
    """papermill with a progress log, kernels on sockets of their own, and a message that says where it failed."""
    import papermill
    from nbclient.exceptions import DeadKernelError

    running.parent.mkdir(parents=True, exist_ok=True)
    prepare_kernels()
    with tempfile.TemporaryDirectory(prefix="geonb-") as sockets:
        try:
            papermill.execute_notebook(
                unformatted(notebooks_folder() / f"{page.split('/')[0]}.ipynb"), unformatted(running), values,
                cwd=notebooks_folder(), progress_bar=False, log_output=True, config=own_sockets(sockets),
                start_timeout=600,
            )  # fmt: skip
        except papermill.PapermillExecutionError as error:
            sys.exit(failure(page, error, running))
        except DeadKernelError as error:
            sys.exit(f"FAILED {page}: its kernel died, most often for want of memory ({error})")


def unformatted(path):
    """A path as papermill wants it: it fills what stands in braces, so that a folder of that name needs two of them."""
    return str(path).replace("{", "{{").replace("}", "}}")


def prepare(page, study):
    """The notebook of a page with the values of a study set in, not run: for pytest --nbmake. Returns its path."""
    import papermill

    prepare_kernels()
    prepared = build_folder(study) / "prepared" / f"{flat(page)}.ipynb"
    prepared.parent.mkdir(parents=True, exist_ok=True)
    source = notebooks_folder() / f"{page.split('/')[0]}.ipynb"
    papermill.execute_notebook(unformatted(source), unformatted(prepared), injected(page, study), prepare_only=True)
    return prepared


def finish(page, study, executed, seconds, of_record=True):
    """Put the executed notebook of a page and its figures in their places and, if of record, write its manifest."""
    keep_figures(executed, fresh(build_folder(study) / "figures" / flat(page)))
    executed_copy(page, study).parent.mkdir(parents=True, exist_ok=True)
    executed.replace(executed_copy(page, study))
    note_time(page, study, seconds)
    made = unfinished_folder(page, study)
    if of_record:
        write_manifest(page, study, made)
    replace_folder(made, page_folder(page, study))
    if not of_record:
        print(f"{page}: run by hand, its tables are not of record: `make book STUDY={study}` will run it again")


def keep_figures(executed, folder):
    """Write the pictures of an executed notebook as SVG and PNG into a folder; the notebook keeps the PNG alone.

    A picture has the name of its cell's figure, or that of its cell.
    """
    import nbformat

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
    settings = IPYTHON / "profile_default" / "ipython_kernel_config.py"
    settings.parent.mkdir(parents=True, exist_ok=True)
    if not settings.exists() or settings.read_text(encoding="utf-8") != KERNEL:
        settings.write_text(KERNEL, encoding="utf-8")
    os.environ["IPYTHONDIR"] = str(IPYTHON)
    if not os.access(os.path.expanduser("~"), os.W_OK):  # Matplotlib would warn on every page
        for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
            os.environ.setdefault(name, str(files.ROOT / "build" / ".home"))
    os.environ["PYTHONPATH"] = str(files.ROOT)
    # esda and huggingface_hub import tqdm.auto, which asks there for ipywidgets: a log needs no bars that move
    os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"


def own_sockets(folder):
    """Kernels that start at the same moment can be given the same TCP port; sockets in a folder of one's own cannot."""
    from traitlets.config import Config

    return Config() if os.name == "nt" else Config(KernelManager={"transport": "ipc", "ip": f"{folder}/kernel"})


def failure(page, error, running):
    """The traceback, then one line that names notebook, heading and error."""
    before = cells(page.split("/")[0])[: error.cell_index]
    headings = [
        line.lstrip("# ")
        for cell in before
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if line.startswith("#")
    ]
    under = repr(headings[-1]) if headings else "the top"
    return "\n".join([
        *error.traceback, "",
        f"FAILED {page}, cell [{error.exec_count}] under {under}: {error.ename}: {error.evalue}",
        f"Open {running.relative_to(files.ROOT)} to see it as it stands.",
    ])  # fmt: skip


def write_manifest(page, study, tables):
    """manifest.json of a page: what it ran with and what it made. Its presence says that the page is finished."""
    digests = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))["sha256"] for path in sorted(tables.glob("*.json"))
    }
    content = {"parameters": parameters(page, study), "code": code(page.split("/")[0]), "tables": digests}
    partial = tables / "manifest.partial"
    partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(tables / "manifest.json")


def note_time(page, study, seconds):
    """One small file per page (pages run at the same time); the book gathers them into run.json."""
    times = build_folder(study) / "times"
    times.mkdir(parents=True, exist_ok=True)
    (times / f"{flat(page)}.json").write_text(
        json.dumps({"page": page, "seconds": round(seconds, 1)}), encoding="utf-8"
    )
    print(f"{page}: {seconds:.1f} s")


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
    ask.add_argument("--study", default=DEFAULT)
    ask.add_argument("--reads", nargs="*", help="the pages whose tables it may read")
    ask.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="a value by hand")
    got = ask.parse_args()
    if got.reads is not None:
        os.environ["GEONB_READS"] = " ".join(got.reads)
    if "GEONB_SNAKEMAKE_PID" in os.environ:
        end_with(int(os.environ["GEONB_SNAKEMAKE_PID"]))
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        run(got.page, got.study, got.p, of_record="GEONB_SNAKEMAKE_PID" in os.environ)
    except (ValueError, OSError) as error:
        sys.exit(f"geonb.book.runner: {error}")
    except KeyboardInterrupt:
        print(f"geonb.book.runner: {got.page} was interrupted, its finished tables are as they were", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
