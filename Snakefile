# The order of the notebooks as a graph. `make book` runs it; `make why` says what would run, and why.
import hashlib
import os
import sys
import time
from pathlib import Path

from filelock import FileLock, Timeout
from geonb.book import gaps
from geonb.book.runner import end_with
from geonb.book.page_dependencies import DEFAULT, READS, TEMPLATES, code_of, data, flat, pages, parameters, took
from geonb.files import code_digest
from snakemake.exceptions import WorkflowError

if unknown := set(config) - {"study", "published"}:
    raise WorkflowError(f"--config knows only study and published, not {', '.join(unknown)}")
STUDY = config.get("study", DEFAULT)
BUILD = f"build/{STUDY}"
TABLES = f"data/results/{STUDY}" if config.get("published") else f"{BUILD}/tables"
THE_LOCK = FileLock(".snakemake/geonb.lock")
STARTED = time.time()

os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
os.environ["GEONB_SNAKEMAKE_PID"] = str(os.getpid())
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two notebooks at a time: more threads are slower
if "GEONB_MAKE_PID" in os.environ:
    end_with(int(os.environ.pop("GEONB_MAKE_PID")))


def all_pages(notebooks):
    return [page for notebook in notebooks for page in pages(notebook, STUDY)]


def manifests(notebooks):
    return [f"{TABLES}/{page}/manifest.json" for page in all_pages(notebooks)]


def executed(notebooks):
    return [f"{BUILD}/executed/{flat(page)}.ipynb" for page in all_pages(notebooks)]


def digests(*patterns):
    paths = sorted(path for pattern in patterns for path in Path().glob(pattern) if path.is_file())
    return [f"{path.as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}" for path in paths]


try:
    all_pages(READS)
except ValueError as error:
    raise WorkflowError(str(error))


onstart:  # the operating system frees this lock even after kill -9; Snakemake's own is off (profiles/default)
    try:
        THE_LOCK.acquire(timeout=0)
    except Timeout:
        raise WorkflowError("a book is being made in this folder already: wait for that run, or end it")
    Path(BUILD, "failed.json").unlink(missing_ok=True)


onerror:  # once more, as the last thing on the screen; `make book` then builds a book without what failed
    for failure in gaps.record(STUDY, STARTED).values():
        print(failure["cause"], f"(the whole of it: {failure['log']})", sep="\n", file=sys.stderr)


rule all:  # names everything: Snakemake does not miss a file that lies between two finished ones
    input: manifests(READS), executed(READS), f"{BUILD}/headline.json", f"{BUILD}/_build/html/index.html"


rule notebooks:
    input: manifests(READS), executed(READS), f"{BUILD}/headline.json"


rule headline:
    input: manifests(READS)
    output: f"{BUILD}/headline.json"
    log: f"{BUILD}/logs/headline.log"
    params: code=code_digest(Path("geonb/book/headline.py").read_text(encoding="utf-8")), pages=all_pages(READS)
    message: "gathering headline.json"
    shell: "python -m geonb.book.headline gather {STUDY:q} > {log:q} 2>&1"


rule book:
    input: manifests(READS), executed(READS)
    output: f"{BUILD}/_build/html/index.html"
    log: f"{BUILD}/logs/book.log"
    params:
        words=digests("book/**/*", "_config.yml", "notebooks/*.ipynb", "geonb/book/build.py", "geonb/book/gaps.py"),
        pages=all_pages(READS),
    message: "building the book, log: {log}"
    shell: "python -m geonb.book.build {STUDY:q} > {log:q} 2>&1"


for notebook in READS:
    page = f"{notebook}/{{{TEMPLATES[notebook]}}}" if notebook in TEMPLATES else notebook

    if TABLES.startswith(BUILD):
        rule:
            name: notebook
            input: manifests(READS[notebook])
            output: f"{TABLES}/{page}/manifest.json",
            log: f"{BUILD}/logs/{flat(page)}.log"
            params:
                values=parameters(notebook, STUDY),  # when one of these changes, the tables are made again, and what reads them
                code=code_of(notebook),
                data=data(notebook, STUDY),
                reads=all_pages(READS[notebook]),
                page=page,
            message: "computing {params.page}" + took(all_pages([notebook]), STUDY) + ", log: {log}"
            shell: "python -m geonb.book.runner {params.page} --mode compute --study {STUDY:q} --reads {params.reads} > {log:q} 2>&1"

    rule:
        name: f"show_{notebook}"
        input: f"{TABLES}/{page}/manifest.json", manifests(READS[notebook])
        output: f"{BUILD}/executed/{flat(page)}.ipynb",
        log: f"{BUILD}/logs/{flat(page)}-show.log"
        params:
            code=code_of(notebook, shown=True),
            reads=all_pages(READS[notebook]),
            page=page,
            mode="show" if TABLES.startswith(BUILD) else "published",
        message: "showing {params.page}, log: {log}"
        shell: "python -m geonb.book.runner {params.page} --mode {params.mode} --study {STUDY:q} --reads {params.reads} > {log:q} 2>&1"
