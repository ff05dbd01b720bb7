"""A clone of the OldNYC site becomes a table: both forms of its files, positions, years, photos without mounts."""

import importlib.util
import json
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from geonb.files import ROOT

spec = importlib.util.spec_from_file_location("old_new_york", ROOT / "data" / "old_new_york.py")
old_new_york = importlib.util.module_from_spec(spec)
spec.loader.exec_module(old_new_york)
PLACE = "40.617612-74.104584.json"


def scan(path, box=(30, 90, 40, 150), mount=(150, 140, 120)):
    """A picture of 200 x 120 pixels: noise in box (top, bottom, left, right) on a mount."""
    pixels = np.full((120, 200, 3), mount, np.uint8)
    if box:
        top, bottom, left, right = box
        pixels[top:bottom, left:right] = np.random.default_rng(0).integers(0, 90, (bottom - top, right - left, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)
    return path


@pytest.fixture
def clone(tmp_path):
    """clone(content of a file of by-location/, its name): a clone with pictures a, b."""

    def made(content, name=PLACE):
        (tmp_path / "by-location").mkdir(exist_ok=True)
        (tmp_path / "by-location" / name).write_text(json.dumps(content))
        for photo in "ab":
            scan(tmp_path / "rotated-assets" / "600px" / f"{photo}.90.jpg")
        return tmp_path

    return made


@pytest.mark.parametrize("content", [
    [{"id": "a", "date": "1924; 1932", "text": "T", "original_title": "Bronx: A - B"}, {"id": "b", "date": ""}],
    {"a": {"date": "1924-05-01", "text": "T", "original_title": "Bronx: A - B"}, "b": {"date": None}},
])  # fmt: skip
def test_both_forms_of_a_file_are_read(clone, content):
    table, left_out = old_new_york.photos_of(clone(content))
    assert left_out == []
    assert list(table.columns) == list(old_new_york.FIELDS)
    assert table.iloc[0].to_list() == [
        "a", 40.617612, -74.104584, 1924.0, "rotated-assets/600px/a.90.jpg", "Bronx: A - B", "T",
    ]  # fmt: skip
    assert np.isnan(table.year[1])


@pytest.mark.parametrize(("content", "name"), [("x", PLACE), ([1], PLACE), ({"a": 1}, PLACE), ([], "here.json")])
def test_a_file_of_another_form_is_named(clone, content, name):
    with pytest.raises(ValueError, match=name):
        old_new_york.photos_of(clone(content, name))


def test_a_position_that_disagrees_and_a_photo_without_a_picture_are_left_out_with_the_reason(clone):
    at = {"location": {"lat": 40.7, "lng": -74.104584}}
    table, left_out = old_new_york.photos_of(clone([{"id": "a", "geocode": at}, {"id": "b"}, {"id": "c"}]))
    assert list(table.photo_id) == ["b"]
    assert [row["reason"] for row in left_out] == [
        "the file's name says 40.617612, -74.104584, its content 40.7, -74.104584",
        "no picture in rotated-assets/600px/",
    ]  # fmt: skip


def test_a_clone_without_files_or_pictures_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither"):
        old_new_york.photos_of(tmp_path)
    (tmp_path / "by-location").mkdir()
    (tmp_path / "by-location" / PLACE).write_text("[]")
    with pytest.raises(FileNotFoundError, match="has no pictures"):
        old_new_york.photos_of(tmp_path)


@pytest.mark.parametrize("box", [(30, 90, 40, 150), (12, 100, 20, 190), (30, 118, 40, 198)])
def test_the_photo_is_found_on_its_mount(tmp_path, box):
    with Image.open(scan(tmp_path / "x.jpg", box)) as picture:
        found = old_new_york.photo_on_mount(picture)
    assert np.abs(np.subtract(found, box)).max() <= 4


def test_years_that_cannot_be_are_missing_with_a_reason():
    table = pd.DataFrame({"photo_id": ["a", "b", "c"], "year": [1033.0, 1924.0, np.nan]})
    dated, noted = old_new_york.with_years(table)
    assert dated.captured_at.to_list() == ["", "1924-07-01", ""]
    assert noted == [{"photo_id": "a", "reason": "year 1033 cannot be: kept without it"}]


def test_the_command_writes_a_table_and_what_it_left_out(clone, tmp_path, monkeypatch, capsys):
    folder = clone([{"id": "a", "date": "1924", "text": "T"}, {"id": "b"}])
    scan(folder / "rotated-assets" / "600px" / "b.90.jpg", box=None)
    monkeypatch.setattr(old_new_york, "OUT", tmp_path / "out")
    monkeypatch.setattr(sys, "argv", ["old_new_york.py", str(folder)])
    old_new_york.main()
    table = pd.read_csv(tmp_path / "out" / "photos.csv")
    assert table[["photo_id", "captured_at", "caption", "sequence_id"]].to_numpy().tolist() == [
        ["a", "1924-07-01", "T", "40.617612 -74.104584"]
    ]
    assert Image.open(tmp_path / "out" / table.path[0]).size[0] < 120
    assert pd.read_csv(tmp_path / "out" / "left_out.csv").reason.to_list() == ["the picture is all mount"]
    assert "1 photos at 1 places; 1 left out" in capsys.readouterr().out


@pytest.mark.skipif("GEONB_REAL_DATA" not in os.environ, reason="GEONB_REAL_DATA is not set: no photos of New York")
def test_the_real_files_and_the_ready_table_agree():
    folder = Path(os.environ["GEONB_REAL_DATA"]) / "old_new_york"
    ready, _ = old_new_york.photos_of(folder)
    assert (len(ready), ready[["lat", "lon"]].drop_duplicates().shape[0]) == (2111, 1208)
    listed = [
        photo["id"] for place in (folder / "by-location").glob("*.json") for photo in old_new_york.photos_at(place)
    ]
    assert len(set(listed) & set(ready.photo_id)) > 80
