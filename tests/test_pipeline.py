"""What reruns after which change, and what a kill leaves behind: asked of Snakemake itself, on copies of the project.

A slice of study smoke - pages 01 to 04 and the trainings of two methods - is run, and its trainings once more with a
kill in the middle of one; everything else is asked of the first run.
"""

import csv
import functools
import io
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import nbformat
import pandas as pd
import psutil
import pytest
import yaml
from filelock import FileLock
from nbformat.v4 import new_code_cell, new_markdown_cell

from geonb.book.page_dependencies import all_pages, cells, is_tagged
from geonb.files import ROOT
from tests import projects
from tests.conftest import write_notebook
from tests.projects import command, copy_of_the_project, environment

pytestmark = pytest.mark.slow

TRAININGS = {"06_train/clip", "06_train/sw_clip"}
PAGES = ["01_photos", "02_embeddings", "03_semivariograms", "04_splits", *sorted(TRAININGS)]
COURSE = {"steps": 2000, "batch_size": 32, "evaluate_every": 500, "checkpoint_every": 100}
snakemake = functools.partial(projects.snakemake, study="smoke")
LONGER = {"splits": ["other_drive"], "seed_count": 1, "course": COURSE}


def clone_with_a_longer_training(folder):
    """A clone in which a training can be killed in the middle."""
    copy_of_the_project(folder)
    change_study(folder, "04_splits", {"splits": ["other_drive"]})
    change_study(folder, "06_train", LONGER)
    change_study(folder, "07_compare", {"methods": ["clip", "sw_clip"]})
    commit = ["-c", "user.name=t", "-c", "user.email=t", "commit", "-qm", "all"]
    for arguments in (["init", "-q"], ["add", "-A"], commit):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return folder


def change_study(folder, notebook, values):
    path = folder / "notebooks" / "studies" / "smoke.yml"
    study = yaml.safe_load(path.read_text())
    study[notebook] = study.get(notebook, {}) | values
    path.write_text(yaml.safe_dump(study))


def manifest(page):
    return f"build/smoke/tables/{page}/manifest.json"


def copy_of(page):
    return f"build/smoke/executed/{page.replace('/', '-')}.ipynb"


def planned(folder):
    """(pages of the slice whose tables would be made, pages whose executed copies would be), as two sets."""
    text = snakemake(folder, *map(manifest, PAGES), *map(copy_of, PAGES), "--summary")
    rows = csv.DictReader(io.StringIO(text[text.index("output_file") :]), delimiter="\t")
    plans = {row["output_file"]: row["plan"] for row in rows}
    return tuple({page for page in PAGES if plans[name_of(page)] != "no update"} for name_of in (manifest, copy_of))


def tables(folder):
    """The sha256 of every table of the slice."""
    return {page: json.loads((folder / manifest(page)).read_text())["tables"] for page in PAGES}


def processes_in(folder):
    """Processes that work in a folder: Snakemake, runners, kernels."""
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def wait_for(condition):
    """Wait as long as it takes: the limit ends a hang, and no busy machine comes near it."""
    end = time.monotonic() + 3600
    while not condition():
        assert time.monotonic() < end, "it hangs"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A copy of the project as it is now, with the slice done, uninterrupted."""
    folder = clone_with_a_longer_training(tmp_path_factory.mktemp("finished") / "geonb")
    snakemake(folder, *map(manifest, PAGES), *map(copy_of, PAGES))
    return folder


@pytest.fixture(scope="module")
def killed(finished, tmp_path_factory):
    """A copy of it without trainings, whose run was killed in the middle of one."""
    folder = shutil.copytree(finished, tmp_path_factory.mktemp("killed") / "geonb", symlinks=True)
    for made in ("tables/06_train", "checkpoints"):
        shutil.rmtree(folder / "build" / "smoke" / made)
    for page in TRAININGS:
        (folder / copy_of(page)).unlink()
    as_make = ["sh", "-c", 'GEONB_MAKE_PID=$$ "$@"; exit $?', "make", *command(*map(manifest, PAGES), study="smoke")]
    with (folder.parent / "first.log").open("w") as log:
        process = subprocess.Popen(
            as_make, cwd=folder, env=environment(folder), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    checkpoints = folder / "build" / "smoke" / "checkpoints"
    wait_for(lambda: process.poll() is not None or list(checkpoints.rglob("checkpoint.safetensors")))
    assert process.poll() is None, (folder.parent / "first.log").read_text()[-5000:]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return folder


def test_a_finished_slice_has_nothing_to_do(finished):
    assert planned(finished) == (set(), set())
    assert "Nothing to be done" in snakemake(finished, *map(manifest, PAGES), *map(copy_of, PAGES))


def test_semivariograms_stand_beside_what_was_planted(finished):
    lags = pd.read_parquet(finished / "build/smoke/tables/03_semivariograms/lags.parquet")
    assert lags.planted.between(0, 1).all()
    assert lags.groupby("city").planted.max().min() > lags.planted.min()


def test_the_clone_stays_clean(finished):
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=finished, stdout=subprocess.PIPE, text=True, check=True
    )
    assert status.stdout == ""


def with_cell(folder, notebook, cell, at=None):
    path = folder / "notebooks" / f"{notebook}.ipynb"
    source = nbformat.read(path, as_version=4)
    source.cells.insert(len(source.cells) if at is None else at, cell)
    nbformat.write(source, path)


def append(folder, file, text):
    path = folder / file
    path.write_text(path.read_text() + text)


def without_consequences(copy):
    change_study(copy, "07_compare", {"replicates": 31})  # a page after the slice
    with_cell(copy, "01_photos", new_markdown_cell("One more sentence."))
    append(copy, "geonb/learning/losses.py", "\n# one more comment\n")
    append(copy, "geonb/measuring/conformal.py", "\nONE_MORE = 1\n")  # a file of later pages
    for pattern in ("notebooks/**/*", "*/**/*.py", "data/towers/**/*"):
        for path in copy.glob(pattern):
            os.utime(path)


SUMS = "data/towers/geonb-tiny/SHA256SUMS"
AFTER_02 = set(PAGES) - {"01_photos", "02_embeddings"}  # the yardstick that splits read may be another
CHANGES = {  # name: what is changed, the pages whose tables are made again, those that are shown again besides
    "a parameter": (lambda copy: change_study(copy, "03_semivariograms", {"lag_count": 9}), AFTER_02, set()),
    "a parameter of a page that others read": (
        lambda copy: change_study(copy, "04_splits", {"gallery_spacing_m": 90.0}), {"04_splits"} | TRAININGS, set(),
    ),
    "a parameter of the template": (
        lambda copy: change_study(copy, "06_train", {"bandwidth_m": 90.0}), TRAININGS, set(),
    ),
    "a parameter of the first page": (lambda copy: change_study(copy, "01_photos", {"seed": 1}), set(PAGES), set()),
    "a statement": (
        lambda copy: with_cell(copy, "03_semivariograms", new_code_cell("one_more = 1")), AFTER_02, set(),
    ),
    "a loss": (lambda copy: append(copy, "geonb/learning/losses.py", "\nONE_MORE = 1\n"), TRAININGS, set()),
    "a colour": (
        lambda copy: append(copy, "geonb/showing/style.py", "\nCOLOURS = COLOURS[::-1]\n"), set(), set(PAGES),
    ),
    "a sentence of the library": (
        lambda copy: append(copy, "geonb/book/wording.py", "\nONE_MORE = 1\n"), set(), set(PAGES),
    ),
    "a file in a folder that a parameter names": (
        lambda copy: append(copy, SUMS, "\n"), set(PAGES) - {"01_photos"}, set(),
    ),
    "a sentence, a comment, new times of old contents": (without_consequences, set(), set()),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_reruns_what_depends_on_it_and_nothing_else(finished, tmp_path, change):
    kept = {name: tmp_path / name for name in ("notebooks", "geonb", "experiments", "simcities", "data")}
    for name, copy in kept.items():
        shutil.copytree(finished / name, copy)
    make, computed, shown = CHANGES[change]
    make(finished)
    try:
        assert planned(finished) == (computed, computed | shown)
    finally:
        for name, copy in kept.items():
            shutil.rmtree(finished / name)
            shutil.copytree(copy, finished / name)


def test_of_published_tables_every_page_is_shown_and_none_computed(finished, tmp_path):
    copy = copy_of_the_project(tmp_path / "geonb")
    change_study(copy, "07_compare", {"methods": ["clip", "sw_clip"]})
    published = copy / "data" / "results" / "smoke"
    shutil.copytree(finished / "build" / "smoke" / "tables", published)
    for page in all_pages("smoke"):  # not in the slice: what they hold does not matter to a plan
        if not (published / page).exists() and (not page.startswith("06") or page in TRAININGS):
            shutil.copytree(published / "04_splits", published / page)
    plan = snakemake(copy, "all", "--dry-run", config=["published=true"])
    assert "computing " not in plan
    assert set(re.findall(r"showing (\d\d_[\w/]+),", plan)) >= set(PAGES) | {"00_start_here", "19_sealed_worlds"}


def test_the_terminal_names_the_notebook_the_heading_and_the_error(finished):
    with_cell(finished, "00_start_here", new_code_cell("raise FileNotFoundError('no tower')"), at=2)
    try:
        said = snakemake(finished, manifest("00_start_here"), code=1)
    finally:
        shutil.copy(ROOT / "notebooks" / "00_start_here.ipynb", finished / "notebooks")
    expected = r"FAILED 00_start_here, cell \[\d\] under '00 .*': FileNotFoundError: no tower"
    assert any(re.fullmatch(expected, line) for line in said.splitlines()[-8:]), said
    assert not (finished / manifest("00_start_here")).exists()


def test_a_second_run_in_the_same_folder_is_refused(finished):
    with FileLock(finished / ".snakemake" / "geonb.lock"):
        assert "a book is being made in this folder already" in snakemake(finished, manifest("00_start_here"), code=1)


def test_an_unknown_study_is_refused_with_the_list(finished):
    said = snakemake(finished, "all", "--dry-run", study="nowhere", code=1)
    assert re.search(r"no study 'nowhere': there are .*smoke", said)


def test_an_unknown_setting_is_refused(finished):
    assert "--config knows only study and published, not stdy" in snakemake(finished, "-n", config=["stdy=1"], code=1)


def test_a_killed_run_leaves_no_ghost_and_goes_on_to_the_same_numbers(finished, killed):
    wait_for(lambda: not processes_in(killed))
    snakemake(killed, *map(manifest, PAGES))
    logs = "".join(
        (killed / "build" / "smoke" / "logs" / f"06_train-{name}.log").read_text() for name in ("clip", "sw_clip")
    )
    resumed = [int(step) for step in re.findall(r"resumed at step (\d+)", logs)]
    assert any(0 < step < COURSE["steps"] for step in resumed), logs
    assert tables(killed) == tables(finished)  # and so: the same seed twice gives the same trainings
    wait_for(lambda: not processes_in(killed))


def short_notebook(folder, name, does):
    """A notebook of the same parameters that only does one thing."""
    parameters = next(cell.source for cell in cells(name) if is_tagged(cell, "parameters"))
    write_notebook(folder / "notebooks" / f"{name}.ipynb", f"# {name[:2]} · A question?", parameters, does)


def test_a_failed_chapter_costs_only_itself_and_the_repair_makes_what_is_missing_alone(tmp_path):
    copy = copy_of_the_project(tmp_path / "geonb")
    kept = ("00_start_here", "01_photos", "02_embeddings")
    for name, does in zip(kept, ("1", "raise ValueError('no *such* <b>photo</b>')", "2"), strict=True):
        short_notebook(copy, name, does)
    study = {path.stem: False for path in copy.glob("notebooks/[0-9]*.ipynb") if path.stem not in kept}
    (copy / "notebooks" / "studies" / "smoke.yml").write_text(yaml.safe_dump(study))
    last = snakemake(copy, "all", code=1).rstrip().splitlines()[-6:]
    assert any(line.startswith("FAILED 01_photos, cell") for line in last), last
    build = [*command(study="smoke")[:2], "geonb.book.build", "smoke"]  # as `make book` does then
    built = subprocess.run(build, cwd=copy, env=environment(copy), text=True, stderr=subprocess.PIPE, check=False)
    assert built.returncode == 1
    assert built.stderr.rstrip().endswith("without what failed (01_photos) and what waits for it (02_embeddings)"), (
        built.stderr
    )
    html = copy / "build" / "smoke" / "_build" / "html"
    said = {page: (html / "executed" / f"{page}.html").read_text() for page in kept}
    assert "ValueError: no *such* &lt;b&gt;photo&lt;/b&gt;" in said["01_photos"]
    assert "build/smoke/logs/01_photos.log" in said["01_photos"]
    assert "This chapter waits" in said["02_embeddings"]
    assert "failed" not in said["00_start_here"]
    assert "No answer here" in (html / "intro.html").read_text()
    short_notebook(copy, "01_photos", "1")
    again = snakemake(copy, "all")
    assert "computing 02_embeddings" in again
    assert "computing 00_start_here" not in again
    assert "failed" not in (html / "executed" / "01_photos.html").read_text()
