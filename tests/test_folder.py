"""A folder of photos beyond its GPS tags: XMP of panoramas, clocks, sidecars of Google Takeout, what is read again."""

import json
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from PIL.ExifTags import Base

from geonb import photos
from geonb.sources import folder
from tests.test_sources import cologne, left_out_of, picture, rationals

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:GPano="http://ns.google.com/photos/1.0/panorama/"%s</rdf:Description></rdf:RDF></x:xmpmeta>'
)
ATTRIBUTE = XMP % b' GPano:ProjectionType="equirectangular" GPano:PoseHeadingDegrees="213.5">'
ELEMENT = XMP % b"><GPano:PoseHeadingDegrees>213.5</GPano:PoseHeadingDegrees>"
LAUGHS = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "213.5"><!ENTITY b "&a;&a;">]>' + ELEMENT.replace(
    b"213.5", b"&b;"
)


def with_xmp(file, tags, xmp):
    """A picture with EXIF and an XMP packet."""
    picture(file, tags)
    with Image.open(file) as plain:
        plain.save(file, "JPEG", exif=plain.info["exif"], xmp=xmp)


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


def names(table):
    return [Path(path).name for path in table["path"]]


# ---- XMP -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("xmp", [ATTRIBUTE, ELEMENT])
def test_a_panorama_tells_its_heading_in_xmp(tmp_path, xmp):
    with_xmp(tmp_path / "pano.jpg", cologne(), xmp)
    rows, _ = folder.read(folder=str(tmp_path))
    assert list(rows["heading_deg"]) == [213.5]


def test_the_heading_of_the_gps_goes_before_that_of_xmp(tmp_path):
    with_xmp(tmp_path / "pano.jpg", cologne(GPSImgDirection=rationals(10)), ATTRIBUTE)
    assert list(folder.read(folder=str(tmp_path))[0]["heading_deg"]) == [10]


@pytest.mark.parametrize(
    "xmp",
    [LAUGHS, b"<x", XMP % b' GPano:PoseHeadingDegrees="north">', XMP % b' GPano:PoseHeadingDegrees="400">', XMP % b">"],
)
def test_an_xmp_that_tells_no_heading_takes_nothing_from_the_photo(tmp_path, xmp):
    with_xmp(tmp_path / "pano.jpg", cologne(), xmp)
    rows, _ = folder.read(folder=str(tmp_path))
    assert rows["heading_deg"].isna().tolist() == [True]


# ---- clocks ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("shot", "time"),
    [
        ({"DateTimeOriginal": "2022:08:14 14:12:31", "OffsetTime": "+03:00"}, "2022-08-14 11:12:31"),
        ({"DateTimeOriginal": "2022:08:14 14:12:31", "OffsetTimeOriginal": "-02:00", "OffsetTime": "+03:00"},
         "2022-08-14 16:12:31"),
        ({"DateTimeDigitized": "2022:08:14 14:12:31", "OffsetTimeDigitized": "+03:00"}, "2022-08-14 11:12:31"),
        ({"DateTimeOriginal": "0000:00:00 00:00:00", "DateTimeDigitized": "2022:08:14 14:12:31"},
         "2022-08-14 14:12:31"),
        ({"DateTimeOriginal": "0001:01:01 00:00:00", "OffsetTimeOriginal": "+03:00"}, None),
    ],
)  # fmt: skip
def test_a_camera_s_clock_counts_with_the_offset_that_stands(shot, time):
    found = folder.captured_at({Base[name]: value for name, value in shot.items()}, {})
    assert found == (pd.Timestamp(time, tz="UTC") if time else None)


# ---- sidecars of Google Takeout --------------------------------------------------------------------------------------
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
    assert photos.catalogue(rows)["captured_at"][0] == pd.Timestamp("2024-05-20 09:12:22", tz="UTC")


def test_a_position_in_the_exif_goes_before_the_sidecar_and_the_camera_s_before_the_one_shown(tmp_path):
    picture(tmp_path / "a.jpg", cologne())
    takeout(tmp_path / "a.jpg.json", shown=(1, 2))
    picture(tmp_path / "b.jpg", cologne(GPSLatitude=rationals(0), GPSLongitude=rationals(0)))
    takeout(tmp_path / "b.jpg.json", exif=(3, 4), shown=(1, 2))
    rows, left_out = folder.read(folder=str(tmp_path))
    assert rows["lat_deg"].round(2).tolist() == [50.94, 3]
    assert not len(left_out)


def test_a_broken_position_in_the_exif_is_not_overruled(tmp_path):
    picture(tmp_path / "a.jpg", cologne(GPSLatitudeRef=None))
    takeout(tmp_path / "a.jpg.json")
    assert left_out_of(folder.read(folder=str(tmp_path)))["reason"] == "broken position"


@pytest.mark.parametrize(
    ("content", "reason", "words"),
    [
        ('{"geoData": {"latitude": 0.0, "longitude": 0.0}}', "no position", "the EXIF has no GPS position"),
        ("{}", "no position", "the EXIF has no GPS position"),
        ("{", "no position", "and a.jpg.json cannot be read: JSONDecodeError"),
        ("[" * 100_000, "no position", "and a.jpg.json cannot be read: RecursionError"),
        ("[1]", "no position", "and a.jpg.json cannot be read: AttributeError"),
        (" " * 2_000_000, "no position", "more than 1,000,000 bytes"),
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
    assert photos.catalogue(rows)["captured_at"].isna().tolist() == [True]


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


def test_the_sidecar_of_a_file_that_is_no_picture_is_no_second_line(tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + b"\0" * 80)
    takeout(tmp_path / "film.mp4.json")
    assert names(folder.read(folder=str(tmp_path))[1]) == ["film.mp4"]


def test_a_photo_in_another_form_than_jpeg_tells_its_xmp_too(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.webp", xmp=ATTRIBUTE)
    takeout(tmp_path / "a.webp.json")
    assert list(folder.read(folder=str(tmp_path))[0]["heading_deg"]) == [213.5]
