"""A folder of one's own photos: every file ends as a photo or with its reason."""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from geonb.earth import sphere
from geonb.photos.catalogue import catalogue, lat_lon_deg
from geonb.photos.pictures import open_picture, picture_path
from geonb.photos.sources import folder, gather
from tests.photos.made import cannot_list, cologne, left_out_of, picture, rationals, reasons, text

REAL = os.environ.get("GEONB_REAL_DATA")


def test_a_photo_with_gps_is_kept_with_all_it_tells(tmp_path, capsys):
    where = {"GPSImgDirectionRef": text(b"T\0"), "GPSImgDirection": rationals(123.5)}
    when = {"GPSDateStamp": text(b"2024:05:20\0"), "GPSTimeStamp": rationals(9, 12, 22.5)}
    picture(tmp_path / "one.jpg", cologne(**where, **when))
    rows, left_out = folder.read(folder=str(tmp_path))
    row = catalogue(rows).iloc[0]
    assert not len(left_out)
    assert (row.geometry.y, row.geometry.x) == pytest.approx((50 + 56 / 60 + 29 / 3600, 6 + 57 / 60 + 30 / 3600))
    assert row["heading_deg"] == 123.5
    assert row["captured_at"] == pd.Timestamp("2024-05-20 09:12:22.5", tz="UTC")
    assert row["path"] == f"{tmp_path}/one.jpg"
    assert row["photo_id"] == row["sha256"][:16]
    assert (row["city"], row["sequence_id"]) == ("near 50.94N 6.96E", "")
    told = capsys.readouterr()  # of its progress
    assert "photos" in told.out
    assert told.err == ""


def test_every_file_ends_in_a_row_or_is_left_out_with_its_reason(tmp_path):
    for name in ("b/ä ö.jpg", "a.JPG", "b/c/deep.jpeg", ".thumbnails/small.jpg"):
        picture(tmp_path / name, cologne())
    (tmp_path / "copy.jpg").write_bytes((tmp_path / "a.JPG").read_bytes())
    (tmp_path / "b" / "half.jpg").write_bytes((tmp_path / "a.JPG").read_bytes()[:500])
    (tmp_path / "b" / "phone.jpg").write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 80)
    (tmp_path / "empty.jpg").touch()
    for name in ("notes.txt", "table.csv", ".DS_Store"):
        (tmp_path / name).write_text("words")
    rows, left_out = folder.read(folder=f"{tmp_path}/", city="Köln", licence="CC0", author="A")
    names = [Path(path).relative_to(tmp_path).as_posix() for path in rows["path"]]
    assert names == ["a.JPG", "b/c/deep.jpeg", "b/ä ö.jpg"]
    assert set(rows["city"]) == {"Köln"}
    assert reasons(left_out) == {
        "small.jpg": "hidden", "copy.jpg": "duplicate", "half.jpg": "truncated", "phone.jpg": "HEIC",
        "empty.jpg": "empty file", "notes.txt": "not a picture", "table.csv": "not a picture",
        ".DS_Store": "not a picture",
    }  # fmt: skip
    assert len(rows) + len(left_out) == sum(path.is_file() for path in tmp_path.rglob("*"))


def test_links_are_not_followed(tmp_path):
    picture(tmp_path / "in" / "b.jpg", cologne())
    targets = {"a.jpg": "b.jpg", "again": "..", "circle.jpg": "circle.jpg", "nowhere.jpg": "gone.jpg"}
    for name, target in targets.items():
        (tmp_path / "in" / name).symlink_to(tmp_path / "in" / target)
    rows, left_out = folder.read(folder=str(tmp_path / "in"))
    assert [Path(path).name for path in rows["path"]] == ["b.jpg"]
    assert reasons(left_out) == dict.fromkeys(targets, "link")


def test_a_folder_may_itself_be_a_link_or_begin_with_a_variable(tmp_path, monkeypatch):
    picture(tmp_path / "real" / "köln" / "a.jpg", cologne())
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert list(folder.read(folder=str(tmp_path / "link"))[0]["path"]) == [f"{tmp_path}/link/köln/a.jpg"]
    monkeypatch.setenv("GEONB_TEST_PHOTOS", str(tmp_path / "real"))
    rows, _ = folder.read(folder="$GEONB_TEST_PHOTOS")
    assert list(rows["path"]) == ["$GEONB_TEST_PHOTOS/köln/a.jpg"]
    assert open_picture(rows["path"][0]).size == (16, 12)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux allows file names that are not UTF-8")
def test_a_name_that_is_not_utf8_is_told(tmp_path):
    with open(os.fsencode(tmp_path) + b"/caf\xe9.jpg", "wb") as file:
        file.write(b"words")
    row = left_out_of(folder.read(folder=str(tmp_path)))
    assert row["path"].endswith("caf\\xe9.jpg")
    assert "not UTF-8" in row["detail"]


def test_a_folder_that_cannot_be_listed_or_is_not_there_is_told(tmp_path, monkeypatch):
    picture(tmp_path / "a.jpg", cologne())
    (tmp_path / "locked").mkdir()
    with pytest.raises(FileNotFoundError, match="nowhere' is not a folder"):
        folder.read(folder=str(tmp_path / "nowhere"))
    cannot_list(monkeypatch, tmp_path / "locked")
    rows, left_out = folder.read(folder=str(tmp_path))
    assert len(rows) == 1
    assert list(left_out["reason"]) == ["unreadable"]


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="GEONB_REAL_DATA is not set: no real photos to read")
@pytest.mark.parametrize(("name", "count"), [("hund_i_snor", 224), ("exif_cameras", 17)])
def test_real_photos_lie_where_their_manifest_says(name, count):
    below = f"$GEONB_REAL_DATA/{name}"
    found, left_out = gather("folder", {"folder": below})
    manifest = pd.read_csv(picture_path(f"{below}/manifest.csv"), keep_default_na=False)
    both = found.merge(manifest.assign(path=f"{below}/" + manifest["file"]), on="path", how="left", validate="1:1")
    assert len(found) + len(left_out) == sum(path.is_file() for path in picture_path(below).rglob("*"))
    assert set(left_out["reason"]) <= {"not a picture", "duplicate"}
    assert len(found) + (left_out["reason"] == "duplicate").sum() == count
    assert sphere.distance_m(lat_lon_deg(found), both[["lat", "lon"]].to_numpy()).max() < 1.0
    assert np.array_equal(both[["width_px", "height_px"]], both[["width", "height"]])
