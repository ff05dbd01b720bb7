"""One page is run: what is refused, what a failing cell leaves behind, what is of record."""

import json
import os
import subprocess
import sys

import pandas as pd
import papermill
import pytest
from papermill.parameterize import parameterize_path

from geonb import files
from geonb.book import page_dependencies, results, runner

REPOSITORY = files.ROOT
PARAMETERS = "study = 'toy'\nphoto_count = 5"


@pytest.fixture
def build(toy):
    """The folder where study `toy` is made."""
    return page_dependencies.build_folder("toy")


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["geonb.book.runner", *arguments])
    runner.main()


@pytest.mark.parametrize(
    ("by_hand", "message"),
    [
        (("bandwith_m", "200"), "06_train/soft has no parameter 'bandwith_m'; it has study, method, bandwidth_m"),
        (("bandwidth_m", "wide"), "bandwidth_m = 'wide' is not a float like 200.0"),
        (("bandwidth_m", ".nan"), "bandwidth_m = nan is not a finite number"),
        (("bandwidth_m", ".inf"), "bandwidth_m = inf is not a finite number"),
        (("bandwidth_m", "[1"), "-p bandwidth_m '[1' is not valid YAML"),
        (("study", "other"), "06_train/soft of study toy cannot have study = 'other'"),
        (("method", "hard"), "06_train/soft of study toy cannot have method = 'hard'"),
    ],
)
def test_a_value_by_hand_that_does_not_fit_is_refused_and_nothing_is_touched(build, monkeypatch, by_hand, message):
    with pytest.raises(SystemExit, match=r"geonb\.book\.runner: ") as refused:
        run(monkeypatch, "06_train/soft", "--study", "toy", "-p", *by_hand)
    assert message in str(refused.value)
    assert not build.exists()


def test_a_template_without_a_choice_is_the_page_of_its_method(toy):
    assert runner.page_of("06_train", [("method", "hard")]) == "06_train/hard"
    assert runner.page_of("06_train", [("bandwidth_m", "1")]) == "06_train/soft"
    assert runner.page_of("01_photos", []) == "01_photos"


@pytest.mark.parametrize(
    "page", ["01_photos/foo", "06_train/soft/hard", "06_train/../01_photos", "99_none", "06_train/{d}"]
)
def test_a_page_that_is_none_is_refused(build, monkeypatch, page):
    with pytest.raises(SystemExit, match=r"geonb\.book\.runner: (there is no|.* must be of letters)"):
        run(monkeypatch, page, "--study", "toy")
    assert not build.exists()


SAVE = """import pandas as pd
from geonb import book
page = book.page("01_photos", globals())
page.made("counts", lambda: pd.DataFrame({"n": [photo_count]}), {"n": "count"})
"""


@pytest.fixture
def at_home(toy, monkeypatch):
    """Kernels take the toy project for the repository."""
    (toy / "sitecustomize.py").write_text(
        f"from pathlib import Path\nfrom geonb import files\nfiles.ROOT = Path({str(toy)!r})\n"
    )
    prepare = runner.prepare_kernels

    def with_toy():
        prepare()
        monkeypatch.setenv("PYTHONPATH", f"{toy}{os.pathsep}{REPOSITORY}")

    monkeypatch.setattr(runner, "prepare_kernels", with_toy)


@pytest.mark.slow
@pytest.mark.parametrize("end", ["1 / 0", "import os; os._exit(9)"])
def test_a_run_that_fails_leaves_the_finished_tables(build, notebook, at_home, end):
    notebook("01_photos", "# Q", PARAMETERS, SAVE)
    runner.compute("01_photos", "toy")
    folder = build / "tables" / "01_photos"
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert sorted(before) == ["counts.json", "counts.parquet", "manifest.json"]
    notebook("01_photos", "# Q", PARAMETERS.replace("5", "6"), SAVE, end)
    with pytest.raises(SystemExit, match="FAILED 01_photos"):
        runner.compute("01_photos", "toy")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    notebook("01_photos", "# Q", PARAMETERS, SAVE.replace("counts", "numbers"))
    runner.compute("01_photos", "toy")
    assert sorted(file.name for file in folder.iterdir()) == ["manifest.json", "numbers.json", "numbers.parquet"]


def test_what_a_kill_moved_away_while_tables_were_replaced_is_put_back(build):
    moved = build / "tables" / "06_train" / "hard.old"
    moved.mkdir(parents=True)
    (moved / "runs.parquet").write_text("old")
    assert (page_dependencies.page_folder("06_train/hard", "toy") / "runs.parquet").read_text() == "old"
    assert not moved.exists()


@pytest.mark.parametrize("mode", [["--mode", "compute"], []], ids=["pipeline", "by hand"])
def test_a_page_that_runs_already_is_refused_and_a_killed_run_leaves_no_lock(build, notebook, monkeypatch, mode):
    notebook("01_photos", "# Q", PARAMETERS, "photo_count")
    hold = (
        "import sys, time\nfrom filelock import FileLock\nlock = FileLock(sys.argv[1])\nlock.acquire()\n"
        "print('held', flush=True)\ntime.sleep(60)"
    )
    lock = build / "locks" / "01_photos.lock"
    lock.parent.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", hold, lock], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(SystemExit, match=r"01_photos of study toy is running already: wait for that run"):
            run(monkeypatch, "01_photos", "--study", "toy", *mode)
        other.kill()
    runner.compute("01_photos", "toy")


@pytest.mark.parametrize("braces", ["{d}", "{study.__class__}", "}{", "{{}}"])
def test_braces_in_the_path_of_the_repository_are_letters(tmp_path, braces):
    text = runner.unformatted(tmp_path / braces / "a.ipynb")
    assert parameterize_path(text, {"study": "toy"}) == str(tmp_path / braces / "a.ipynb")


@pytest.mark.slow
def test_a_page_refuses_by_itself_what_papermill_alone_sets_in(toy, notebook, at_home):
    path = notebook("01_photos", "# Q", PARAMETERS, SAVE)
    runner.prepare_kernels()
    with pytest.raises(papermill.PapermillExecutionError) as refused:
        papermill.execute_notebook(path, toy / "out.ipynb", {"photo_cuont": 3}, progress_bar=False)
    assert refused.value.evalue == "01_photos has no parameter 'photo_cuont'; it has study, photo_count"


@pytest.mark.slow
def test_a_page_that_succeeds_leaves_its_copy_its_time_and_its_manifest(build, notebook, study):
    study("06_train: {bandwidth_m: 50.0}")
    notebook("06_train", "# Q", "study = 'toy'\nmethod = 'soft'\nbandwidth_m = 200.0", "print(method, bandwidth_m)")
    runner.compute("06_train/hard", "toy")
    runner.show("06_train/hard", "toy")
    manifest = json.loads((build / "tables" / "06_train" / "hard" / "manifest.json").read_text())
    assert manifest["parameters"] == {"study": "toy", "method": "hard", "bandwidth_m": 50.0}
    assert "hard 50.0" in (build / "executed" / "06_train-hard.ipynb").read_text()
    assert not (build / "computed" / "06_train-hard.ipynb").exists()  # it was not executed twice
    assert json.loads((build / "times" / "06_train-hard.json").read_text()) > 0


def test_a_failing_cell_names_notebook_heading_and_error_and_leaves_no_manifest(toy, build, notebook, study):
    study("01_photos: {photo_count: 3}")  # with values set in, cells move by one
    notebook("01_photos", "# 01 · Q?", PARAMETERS, "x = 1", "## Blocks", "1 / 0", "# ## After")
    with pytest.raises(SystemExit) as failed:
        runner.compute("01_photos", "toy")
    last, where = str(failed.value).splitlines()[-2:]
    assert last == "FAILED 01_photos, cell [4] under 'Blocks': ZeroDivisionError: division by zero"
    assert (toy / where.split()[1]).exists()
    assert not list(build.rglob("manifest.json"))
    assert not (build / "executed" / "01_photos.ipynb").exists()


@pytest.mark.slow
def test_what_is_made_by_hand_lies_apart_and_is_read_by_hand_alone(build, notebook, at_home, monkeypatch):
    def counts():
        return results.read_table("toy", "01_photos", "counts").n[0]

    notebook("01_photos", "# Q", PARAMETERS, SAVE)
    runner.compute("01_photos", "toy")
    runner.by_hand("01_photos", "toy", [])
    apart = build / "by_hand" / "01_photos"
    assert not list(apart.rglob("counts.parquet"))  # that of the pipeline was made with the same parameters
    for count in ("7", "8"):
        runner.by_hand("01_photos", "toy", [("photo_count", count)])
    for count in (7, 8):  # each choice of values has a folder of its own
        assert pd.read_parquet(apart / f"photo_count-{count}" / "counts.parquet").n.tolist() == [count]
        assert (apart / f"photo_count-{count}" / "01_photos.ipynb").exists()
    assert counts() == 8
    assert results.read_table("toy", "01_photos", "counts", {"study": "toy", "photo_count": 7}).n[0] == 7
    monkeypatch.setenv("GEONB_MODE", "show")
    assert counts() == 5


@pytest.mark.slow
def test_a_page_is_shown_again_from_its_tables_without_computing_them(toy, build, notebook, at_home):
    notebook("01_photos", "# Q", PARAMETERS, SAVE)
    runner.compute("01_photos", "toy")
    made, shown = build / "tables" / "01_photos", build / "executed" / "01_photos.ipynb"
    before = (made / "manifest.json").stat().st_mtime_ns
    never = SAVE.replace("[photo_count]", "[1 / 0]")
    notebook("01_photos", "# Q", PARAMETERS, never, "print('shown', photo_count)")
    runner.show("01_photos", "toy")
    assert "shown 5" in shown.read_text()
    assert (made / "manifest.json").stat().st_mtime_ns == before
    (toy / "data" / "results" / "toy").mkdir(parents=True)
    made.rename(toy / "data" / "results" / "toy" / "01_photos")
    runner.show("01_photos", "toy", "published")
    assert "read data/results/toy/01_photos/counts" in shown.read_text()


def test_where_nothing_can_be_written_it_says_so(toy, monkeypatch):
    (toy / "build").write_text("a file where the folder should be")  # stands for a missing permission, also for root
    with pytest.raises(SystemExit, match=r"geonb.book.runner: .*build"):
        run(monkeypatch, "01_photos", "--study", "toy")


def test_kernels_do_not_read_the_settings_of_the_machine(toy, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", "/somewhere/else")
    runner.prepare_kernels()
    assert os.environ["IPYTHONDIR"] == str(toy / "build" / ".ipython")


@pytest.mark.slow
def test_figures_are_kept_as_files_of_their_names_and_the_notebook_keeps_the_png_alone(build, notebook):
    draw = "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 1])\nplt.figure()\nplt.plot([0, 1])"
    path = notebook("01_photos", "# Q", PARAMETERS, draw, "plt.plot([1, 2]);", "photo_count")
    made = json.loads(path.read_text())
    made["cells"][3]["metadata"]["mystnb"] = {"figure": {"name": "fig-line", "caption": "A line."}}
    path.write_text(json.dumps(made))
    folder, kept = build / "figures" / "01_photos", []
    for _ in range(2):
        runner.compute("01_photos", "toy")
        runner.show("01_photos", "toy")
        kept.append((folder / "fig-line.svg").read_bytes())
    assert kept[0] == kept[1]
    assert b"<svg" in kept[0]
    names = ("cell-2", "cell-2-2", "fig-line")
    made = sorted(file.name for file in folder.iterdir())
    assert made == sorted(f"{n}.{kind}" for n in names for kind in ("png", "svg"))
    assert (folder / "fig-line.png").read_bytes().startswith(b"\x89PNG")
    executed = (build / "executed" / "01_photos.ipynb").read_text()
    assert executed.count("image/png") == 3
    assert "image/svg+xml" not in executed


def test_an_interrupted_run_says_so_in_one_line(toy, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "by_hand", interrupted)
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "01_photos", "--study", "toy")
    assert ended.value.code == 130
    assert (
        capsys.readouterr().err
        == "geonb.book.runner: 01_photos was interrupted, its finished tables are as they were\n"
    )
