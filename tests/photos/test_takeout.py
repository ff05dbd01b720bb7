"""Sidecars of Google Takeout: under all their names, and whatever stands in them."""

import json
from pathlib import Path

import pandas as pd
import pytest

from geonb.photos.catalogue import catalogue
from geonb.photos.sources import folder
from tests.photos.made import cologne, left_out_of, picture, rationals, text


def takeout(file, *, exif=(0.0, 0.0), shown=(50.94, 6.96), timestamp="1716196342"):
    """A sidecar as Google Takeout writes it beside a photo."""
    content = {
        "title": file.name.partition(".jpg")[0] + ".jpg",
        "photoTakenTime": {"timestamp": timestamp, "formatted": "20.05.2024, 09:12:22 UTC"},
        "geoData": {"latitude": shown[0], "longitude": shown[1], "altitude": 0.0, "latitudeSpan": 0.0},
        "geoDataExif": {"latitude": exif[0], "longitude": exif[1], "altitude": 0.0},
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), encoding="utf-8")


LONG = "a_photo_whose_name_is_longer_than_forty_six_letters.jpg"


@pytest.mark.parametrize(
    ("name", "sidecar"),
    [
        ("a.jpg", "a.jpg.json"),
        ("a.jpg", "a.jpg.supplemental-metadata.json"),
        ("a.jpg", "a.jpg.supplemental-me.json"),
        ("a.jpg", "a.jpg..json"),
        ("a(1).jpg", "a.jpg(1).json"),
        ("a(1).jpg", "a.jpg.supplemental-metadata(1).json"),
        ("a(1).jpg", "a(1).jpg.json"),
        (LONG, f"{LONG[:46]}.json"),
    ],
)
def test_a_sidecar_gives_position_and_time_under_every_name_of_takeout(tmp_path, name, sidecar):
    picture(tmp_path / "Köln" / name)
    takeout(tmp_path / "Köln" / sidecar)
    rows, left_out = folder.read(folder=str(tmp_path))
    assert not len(left_out)
    assert rows.loc[0, ["lat_deg", "lon_deg"]].tolist() == [50.94, 6.96]
    assert catalogue(rows)["captured_at"][0] == pd.Timestamp("2024-05-20 09:12:22", tz="UTC")


def test_a_position_in_the_exif_goes_before_the_sidecar_and_the_camera_s_before_the_one_shown(tmp_path):
    picture(tmp_path / "a.jpg", cologne())
    takeout(tmp_path / "a.jpg.json", shown=(1, 2))
    picture(tmp_path / "b.jpg", cologne(GPSLatitude=rationals(0), GPSLongitude=rationals(0)))
    takeout(tmp_path / "b.jpg.json", exif=(3, 4), shown=(1, 2))
    rows, left_out = folder.read(folder=str(tmp_path))
    assert rows["lat_deg"].round(2).tolist() == [50.94, 3]
    assert not len(left_out)


@pytest.mark.parametrize(
    ("content", "reason", "words"),
    [
        ('{"geoData": {"latitude": 0.0, "longitude": 0.0}}', "no position", "no GPS in the EXIF"),
        ("{}", "no position", "no GPS in the EXIF"),
        ("{", "no position", "and a.jpg.json cannot be read: JSONDecodeError"),
        ("[" * 100_000, "no position", "and a.jpg.json cannot be read: RecursionError"),
        ("[1]", "no position", "and a.jpg.json cannot be read: AttributeError"),
        (" " * 2_000_000 + "{}", "no position", "and a.jpg.json cannot be read: JSONDecodeError"),
        ('{"geoData": {"latitude": "x", "longitude": 0}}', "no position", "and a.jpg.json cannot be read: ValueError"),
        ('{"geoData": {"latitude": NaN, "longitude": 1}}', "latitude out of range", "a.jpg.json: latitude is nan"),
        ('{"geoData": {"latitude": 95, "longitude": 1}}', "latitude out of range", "a.jpg.json: latitude is 95.0"),
    ],
)
def test_a_sidecar_without_a_position_leaves_the_photo_out(tmp_path, content, reason, words):
    picture(tmp_path / "a.jpg")
    (tmp_path / "a.jpg.json").write_text(content)
    row = left_out_of(folder.read(folder=str(tmp_path)))
    assert (Path(row["path"]).name, row["reason"]) == ("a.jpg", reason)
    assert words in row["detail"]


@pytest.mark.parametrize("timestamp", ["soon", "9" * 30, None])
def test_a_sidecar_may_lack_the_time(tmp_path, timestamp):
    picture(tmp_path / "a.jpg")
    takeout(tmp_path / "a.jpg.json", timestamp=timestamp)
    rows, _ = folder.read(folder=str(tmp_path))
    assert catalogue(rows)["captured_at"].isna().tolist() == [True]


@pytest.mark.parametrize("changes", [{"GPSStatus": text(b"V\0")}, {"GPSDOP": rationals(99)}])
def test_a_void_fix_is_left_out_whatever_a_sidecar_says(tmp_path, changes):
    picture(tmp_path / "a.jpg", cologne(**changes))
    takeout(tmp_path / "a.jpg.json")
    assert left_out_of(folder.read(folder=str(tmp_path)))["reason"] == "void fix"


NOTHING = rationals((0, 0), (0, 0), (0, 0))


@pytest.mark.parametrize(
    "changes",
    [
        {"GPSLatitude": NOTHING, "GPSLongitude": NOTHING}, {"GPSLatitudeRef": None}, {"GPSLatitude": rationals(95)},
        {"GPSLongitude": rationals(200)},
    ],
)  # fmt: skip
def test_a_position_that_the_exif_cannot_tell_is_that_of_the_sidecar(tmp_path, changes):
    picture(tmp_path / "a.jpg", cologne(**changes))
    takeout(tmp_path / "a.jpg.json")
    rows, left_out = folder.read(folder=str(tmp_path))
    assert left_out.empty
    assert rows.loc[0, ["lat_deg", "lon_deg"]].tolist() == [50.94, 6.96]
    takeout(tmp_path / "a.jpg.json", shown=(0, 0))
    assert left_out_of(folder.read(folder=str(tmp_path)))["reason"] != "no position"


def test_a_json_of_no_photo_or_of_two_is_left_out(tmp_path):
    for end in "xy":
        picture(tmp_path / f"{LONG[:48]}{end}.jpg")
    takeout(tmp_path / f"{LONG[:46]}.json")
    takeout(tmp_path / "metadata.json")
    rows, left_out = folder.read(folder=str(tmp_path))
    assert not len(rows)
    assert left_out["reason"].tolist() == ["not a picture", "no position", "no position", "not a picture"]


def test_a_sidecar_that_leads_elsewhere_is_not_followed(tmp_path):
    picture(tmp_path / "in" / "a.jpg")
    takeout(tmp_path / "out" / "a.jpg.json")
    (tmp_path / "in" / "a.jpg.json").symlink_to(tmp_path / "out" / "a.jpg.json")
    rows, left_out = folder.read(folder=str(tmp_path / "in"))
    assert not len(rows)
    assert left_out["reason"].tolist() == ["no position", "link"]
