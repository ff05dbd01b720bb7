"""What `make check-data` says of a table of photos before anything long runs."""

import shutil
import sys

import numpy as np
import pytest
import yaml
from PIL import Image

from geonb.book import check_data
from geonb.book import page_dependencies as deps
from tests.projects import write_csv

TEMPLATE = deps.notebooks_folder() / "studies" / "table.yml"


@pytest.fixture
def said(tmp_path, monkeypatch, capsys):
    """said(positions, changes): (exit code, all that is printed) for 60 photos that share so many positions."""
    shutil.copytree(deps.notebooks_folder(), tmp_path / "notebooks")
    monkeypatch.setattr(deps, "notebooks_folder", lambda: tmp_path / "notebooks")
    monkeypatch.setattr(sys, "argv", ["check_data", "mine"])

    def say(positions, changes=()):
        study = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))
        study["01_photos"] = {"source": "table", "options": {"table": str(tmp_path / "photos.csv")}}
        study["02_embeddings"] = {"tower": "imagenet/efficientnet-lite0", "weights": ""}
        study["06_train"] |= {"course": {"steps": 100, "batch_size": 32}}
        for notebook, values in dict(changes).items():
            study[notebook] |= values
        (tmp_path / "notebooks" / "studies" / "mine.yml").write_text(yaml.safe_dump(study))
        rows = []
        for n in range(60):
            Image.fromarray(np.random.default_rng(n).integers(0, 255, (24, 32, 3), np.uint8)).save(
                tmp_path / f"{n}.png"
            )
            at = n % positions
            rows.append({"path": f"{n}.png", "lat": 48 + at // 10 / 300, "lon": 2 + at % 10 / 200})
        write_csv(tmp_path / "photos.csv", [*rows, {"path": "nowhere.png", "lat": 48, "lon": 2}])
        code = 0
        try:
            check_data.main()
        except SystemExit as end:
            code = end.code
        return code, capsys.readouterr().out

    return say


def test_a_study_that_can_work_is_told_its_counts_its_gaps_and_its_minutes(said):
    code, words = said(60)
    assert code == 0, code
    assert "1 x missing file: check the options folder and path_column" in words
    assert "random: works" in words
    assert "with blocks of 400 m (block_size_m)" in words
    assert "60 photos are fewer than 1000" in words
    assert "the tower reads no words" in words
    assert "study mine can work" in words


def test_splits_that_test_at_too_few_positions_are_refused_with_the_remedy(said):
    code, words = said(8)
    assert "study mine cannot work as it is:" in code
    assert "split blocked" in code
    assert "by_place in its place" in code
    assert "study mine can work" not in words


def test_photos_of_one_place_are_refused(said):
    code, _ = said(1)
    assert "the 60 photos stand at 1 positions: a split needs 5 to test and 7 in all" in code


def test_a_batch_larger_than_what_trains_and_a_tower_that_is_not_there_are_refused(said):
    code, _ = said(60, {"06_train": {"course": {"batch_size": 64}}, "02_embeddings": {"tower": "imagenet/big"}})
    assert "06_train: batch_size 64 is larger than" in code
    assert "no tower imagenet/big" in code


def test_a_source_that_cannot_be_read_is_refused_with_its_own_words(said):
    code, _ = said(60, {"01_photos": {"options": {"table": "/nowhere.csv"}}})
    assert code.startswith("study mine cannot work: ")


def test_more_trainings_and_more_photos_take_more_minutes(said):
    said(60)
    before = check_data.minutes("mine", 60)
    assert check_data.minutes("mine", 6000) > before
    said(60, {"06_train": {"seed_count": 50}})
    assert check_data.minutes("mine", 60) > before


def test_simulated_photos_need_no_check(said, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["check_data", "smoke"])
    check_data.main()
    assert "are simulated" in capsys.readouterr().out
