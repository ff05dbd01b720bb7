"""One page is run: what is refused, what a failing cell leaves behind, what is of record."""

import json
import sys

import pytest

from geonb import runner


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["geonb.runner", *arguments])
    runner.main()


@pytest.mark.parametrize(
    ("by_hand", "message"),
    [
        (("bandwith_m", "200"), "06_train/soft has no parameter 'bandwith_m'; it has study, method, bandwidth_m"),
        (("bandwidth_m", "wide"), "bandwidth_m = 'wide' is not a float like 200.0"),
        (("study", "other"), "06_train/soft of study toy cannot have study = 'other'"),
        (("method", "hard"), "06_train/soft of study toy cannot have method = 'hard'"),
    ],
)
def test_a_value_by_hand_that_does_not_fit_is_refused_and_nothing_is_touched(toy, monkeypatch, by_hand, message):
    with pytest.raises(SystemExit, match=r"geonb\.runner: ") as refused:
        run(monkeypatch, "06_train/soft", "--study", "toy", "-p", *by_hand)
    assert message in str(refused.value)
    assert not (toy / "build").exists()


def test_a_template_without_a_choice_is_the_page_of_its_method(toy):
    assert runner.page_of("06_train", [("method", "hard")]) == "06_train/hard"
    assert runner.page_of("06_train", [("bandwidth_m", "1")]) == "06_train/soft"
    assert runner.page_of("01_photos", []) == "01_photos"


def test_a_page_that_succeeds_leaves_its_copy_its_time_and_its_manifest(toy, notebook, study):
    study("06_train: {bandwidth_m: 50.0}")
    notebook("06_train", "# Q", "study = 'toy'\nmethod = 'soft'\nbandwidth_m = 200.0", "print(method, bandwidth_m)")
    runner.run("06_train/hard", "toy")
    build = toy / "build" / "toy"
    manifest = json.loads((build / "tables" / "06_train" / "hard" / "manifest.json").read_text())
    assert manifest["parameters"] == {"study": "toy", "method": "hard", "bandwidth_m": 50.0}
    assert "hard 50.0" in (build / "executed" / "06_train-hard.ipynb").read_text()
    assert json.loads((build / "times" / "06_train-hard.json").read_text())["page"] == "06_train/hard"


def test_a_failing_cell_names_notebook_heading_and_error_and_leaves_no_manifest(toy, notebook, study):
    study("01_photos: {photo_count: 3}")  # with values set in, cells move by one
    notebook("01_photos", "# 01 · Q?", "study = 'toy'\nphoto_count = 5", "x = 1", "## Blocks", "1 / 0", "# ## After")
    with pytest.raises(SystemExit) as failed:
        runner.run("01_photos", "toy")
    last, where = str(failed.value).splitlines()[-2:]
    assert last == "FAILED 01_photos, cell [4] under 'Blocks': ZeroDivisionError: division by zero"
    assert (toy / where.split()[1]).exists()
    assert not list((toy / "build" / "toy").rglob("manifest.json"))
    assert not (toy / "build" / "toy" / "executed" / "01_photos.ipynb").exists()


def test_by_hand_is_not_of_record(toy, notebook, capsys):
    notebook("01_photos", "# Q", "study = 'toy'\nphoto_count = 5", "print(photo_count)")
    runner.run("01_photos", "toy", [("photo_count", "7")])
    assert not (toy / "build" / "toy" / "tables" / "01_photos" / "manifest.json").exists()
    assert "not of record" in capsys.readouterr().out


def test_where_nothing_can_be_written_it_says_so(toy, monkeypatch):
    (toy / "build").write_text("a file where the folder should be")  # stands for a missing permission, also for root
    with pytest.raises(SystemExit, match=r"geonb.runner: .*build"):
        run(monkeypatch, "01_photos", "--study", "toy")


def test_kernels_do_not_read_the_settings_of_the_machine(toy, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", "/somewhere/else")
    runner.prepare_kernels()
    assert runner.os.environ["IPYTHONDIR"] == str(toy / "build" / ".ipython")


def test_figures_are_kept_as_files_of_their_names_and_the_notebook_keeps_the_png_alone(toy, notebook):
    draw = "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 1])\nplt.figure()\nplt.plot([0, 1])"
    path = notebook("01_photos", "# Q", "study = 'toy'\nphoto_count = 5", draw, "plt.plot([1, 2]);", "photo_count")
    made = json.loads(path.read_text())
    made["cells"][3]["metadata"]["mystnb"] = {"figure": {"name": "fig-line", "caption": "A line."}}
    path.write_text(json.dumps(made))
    runner.run("01_photos", "toy")
    folder = toy / "build" / "toy" / "figures" / "01_photos"
    names = ("cell-2", "cell-2-2", "fig-line")
    assert sorted(file.name for file in folder.iterdir()) == sorted(
        f"{n}.{kind}" for n in names for kind in ("png", "svg")
    )
    assert "<svg" in (folder / "fig-line.svg").read_text()
    assert (folder / "fig-line.png").read_bytes().startswith(b"\x89PNG")
    executed = (toy / "build" / "toy" / "executed" / "01_photos.ipynb").read_text()
    assert executed.count("image/png") == 3
    assert "image/svg+xml" not in executed
    before = (folder / "fig-line.svg").read_bytes()
    runner.run("01_photos", "toy")
    assert (folder / "fig-line.svg").read_bytes() == before
