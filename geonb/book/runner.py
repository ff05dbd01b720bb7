"""Run one page of the book: python -m geonb.book.runner 06_train/sw_clip --study smoke -p bandwidth_m 200

The pipeline runs a page in two steps: --compute makes its tables, of record when every cell has succeeded
(manifest.json is written last); --show makes the executed copy that the book shows. All else is a run by hand.
"""

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
from geonb.book.page_dependencies import (
    DEFAULT,
    TEMPLATES,
    build_folder,
    by_hand_folder,
    cells,
    checked,
    computing_code,
    defaults,
    flat,
    injected,
    notebooks_folder,
    page_folder,
    parameters,
    plain_name,
    replace_folder,
    showing_code,
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


def compute(page, study):
    """Execute a page of the pipeline: its tables are of record once every cell has succeeded."""
    running = copy_of(page, study, "computed").with_suffix(".running.ipynb")
    with kept_apart(page, study) as started:
        fresh(unfinished_folder(page, study))
        execute(page, injected(page, study), running, mode="compute")
        finish(page, study, running, time.monotonic() - started)


def show(page, study, published=False):
    """Put the executed copy of a page in its place: the one that its computation left, if that shows what would be
    shown now, else a new one from the finished tables; published: from the published tables alone."""
    computed, shown = copy_of(page, study, "computed"), copy_of(page, study, "executed")
    shown.parent.mkdir(parents=True, exist_ok=True)
    if computed.exists() and not published and shown_of(computed) == showing_key(page, study):
        computed.replace(shown)
    else:
        running = shown.with_suffix(".running.ipynb")
        with kept_apart(page, study):
            execute(page, injected(page, study), running, mode="published" if published else "show")
            running.replace(shown)
    keep_figures(shown, fresh(build_folder(study) / "figures" / flat(page)))


def by_hand(page, study, chosen):
    """Execute a page with values chosen by hand; what it makes lies apart from the tables of the study."""
    page = page_of(page, chosen)
    values = injected(page, study) | chosen_by_hand(page, study, chosen)
    copy = by_hand_folder(page, study) / f"{flat(page)}.ipynb"
    with kept_apart(page, study) as started:
        execute(page, values, copy)
        keep_figures(copy, fresh(by_hand_folder(page, study) / "figures"))
        print(
            f"{page}: {time.monotonic() - started:.1f} s by hand, see {copy.relative_to(files.ROOT).parent.as_posix()}/"
        )


@contextmanager
def kept_apart(page, study):
    """Within it a page runs alone; gives the time of its start.

    ValueError where the page is running already; no kill leaves a lock behind.
    """
    lock = FileLock(build_folder(study) / "locks" / f"{flat(page)}.lock")
    Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
    try:
        with lock.acquire(timeout=0):
            yield time.monotonic()
    except Timeout:
        raise ValueError(f"{page} of study {study} is running already: wait for that run, or end it") from None


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


def copy_of(page, study, folder):
    """Where the executed notebook of a page lies: 'computed' as its computation left it, 'executed' for the book."""
    return build_folder(study) / folder / f"{flat(page)}.ipynb"


def showing_key(page, study):
    """What an executed copy depends on, as a text: the values, all of the code, and the finished tables."""
    manifest = page_folder(page, study) / "manifest.json"
    tables = json.loads(manifest.read_text(encoding="utf-8"))["tables"] if manifest.exists() else {}
    return json.dumps([parameters(page, study), showing_code(page.split("/")[0]), tables], sort_keys=True)


def shown_of(copy):
    """The showing_key with which an executed copy was made."""
    return json.loads(copy.read_text(encoding="utf-8"))["metadata"].get("geonb", "")


def execute(page, values, running, mode=None):
    """papermill with a progress log, kernels on sockets of their own, and a message that says where it failed.

    mode: see geonb.book.pages; None by hand.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError

    running.parent.mkdir(parents=True, exist_ok=True)
    prepare_kernels()
    os.environ.pop("GEONB_MODE", None)
    os.environ |= {"GEONB_MODE": mode} if mode else {}
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
    os.environ["GEONB_MODE"] = "compute"
    prepared = copy_of(page, study, "prepared")
    prepared.parent.mkdir(parents=True, exist_ok=True)
    fresh(unfinished_folder(page, study))
    source = notebooks_folder() / f"{page.split('/')[0]}.ipynb"
    papermill.execute_notebook(unformatted(source), unformatted(prepared), injected(page, study), prepare_only=True)
    return prepared


def finish(page, study, executed, seconds):
    """Put the tables of a computed page in their place, its manifest among them, and beside them its executed copy."""
    note_time(page, study, seconds)
    write_manifest(page, study, unfinished_folder(page, study))
    replace_folder(unfinished_folder(page, study), page_folder(page, study))
    notebook = json.loads(executed.read_text(encoding="utf-8"))
    notebook["metadata"]["geonb"] = showing_key(page, study)
    executed.write_text(json.dumps(notebook, indent=1, ensure_ascii=False), encoding="utf-8")
    copy_of(page, study, "computed").parent.mkdir(parents=True, exist_ok=True)
    executed.replace(copy_of(page, study, "computed"))


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
    content = {"parameters": parameters(page, study), "code": computing_code(page.split("/")[0]), "tables": digests}
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    files.write_whole(tables / "manifest.json", lambda partial: partial.write_text(text, encoding="utf-8"))


def note_time(page, study, seconds):
    """One small file per page (pages run at the same time); the book gathers them into run.json."""
    text = json.dumps({"page": page, "seconds": round(seconds, 1)})
    file = build_folder(study) / "times" / f"{flat(page)}.json"
    files.write_whole(file, lambda partial: partial.write_text(text, encoding="utf-8"))
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
    ask.add_argument("--compute", action="store_true", help="make the tables of record, as the pipeline does")
    ask.add_argument("--show", action="store_true", help="make the executed copy from the finished tables")
    ask.add_argument("--published", action="store_true", help="the same from the published tables")
    ask.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="a value by hand")
    got = ask.parse_args()
    if got.reads is not None:
        os.environ["GEONB_READS"] = " ".join([got.page, *got.reads])
    if "GEONB_SNAKEMAKE_PID" in os.environ:
        end_with(int(os.environ["GEONB_SNAKEMAKE_PID"]))
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        if got.compute:
            compute(got.page, got.study)
        elif got.show or got.published:
            show(got.page, got.study, got.published)
        else:
            by_hand(got.page, got.study, got.p)
    except (ValueError, OSError) as error:
        sys.exit(f"geonb.book.runner: {error}")
    except KeyboardInterrupt:
        print(f"geonb.book.runner: {got.page} was interrupted, its finished tables are as they were", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
