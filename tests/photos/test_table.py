import os
import re
import struct
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base
from pyproj import CRS

from geonb.earth import sphere
from geonb.files import ROOT
from geonb.photos import catalogue as photos
from geonb.photos import pictures, reasons
from geonb.photos.sources import check_options, exif, fields, folder, gather, listing, table, takes_options

REAL = os.environ.get("GEONB_REAL_DATA")
needs_real_data = pytest.mark.skipif(not REAL, reason="GEONB_REAL_DATA is not set: no real photos to read")


def rationals(*numbers):
    """Unsigned EXIF rationals: (5, count, bytes); a pair is numerator and denominator as they are."""
    pairs = [number if isinstance(number, tuple) else (round(number * 1000), 1000) for number in numbers]
    return 5, len(pairs), b"".join(struct.pack("<II", *pair) for pair in pairs)


def text(content):
    return 2, len(content), content


def gps_exif(tags):
    """EXIF bytes with only a GPS block, each tag as (type, count, bytes): also what Pillow would not write."""
    start = 8 + 2 + 12 + 4
    table, beyond = struct.pack("<H", len(tags)), b""
    for tag, (kind, count, content) in sorted(tags.items()):
        place = content.ljust(4, b"\0")
        if len(content) > 4:
            place = struct.pack("<I", start + 2 + 12 * len(tags) + 4 + len(beyond))
            beyond += content
        table += struct.pack("<HHI", tag, kind, count) + place
    pointer = struct.pack("<HHHII", 1, IFD.GPSInfo, 4, 1, start) + b"\0" * 4
    return b"Exif\0\0II*\0\x08\0\0\0" + pointer + table + b"\0" * 4 + beyond


def cologne(**changes):
    """GPS tags of a photo in Cologne; None takes a tag away."""
    tags = {
        "GPSLatitudeRef": text(b"N\0"),
        "GPSLatitude": rationals(50, 56, 29),
        "GPSLongitudeRef": text(b"E\0"),
        "GPSLongitude": rationals(6, 57, 30),
    } | changes
    return {GPS[name]: value for name, value in tags.items() if value is not None}


def picture(file, tags=None, *, exif=None, seed=None, size=(16, 12)):
    """A small JPEG of its own content; with the EXIF of these GPS tags."""
    seed = seed if seed is not None else sum(str(file).encode())
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise).save(file, "JPEG", exif=exif if exif is not None else gps_exif(tags) if tags else b"")


def read_one(tmp_path, tags=None, **more):
    """(rows, left_out) of a folder with one picture."""
    picture(tmp_path / "one.jpg", tags, **more)
    return folder.read(folder=str(tmp_path))


def left_out_of(result, count=1):
    rows, left_out = result
    assert len(rows) == 0
    assert len(left_out) == count
    return left_out.iloc[0]


# ---- a folder: positions ---------------------------------------------------------------------------------------------
def test_a_photo_with_gps_is_kept_with_all_it_tells(tmp_path):
    tags = cologne(
        GPSImgDirectionRef=text(b"T\0"),
        GPSImgDirection=rationals(123.5),
        GPSDateStamp=text(b"2024:05:20\0"),
        GPSTimeStamp=rationals(9, 12, 22.5),
    )
    rows, left_out = read_one(tmp_path, tags)
    row = photos.catalogue(rows).iloc[0]
    assert not len(left_out)
    assert (row.geometry.y, row.geometry.x) == pytest.approx((50 + 56 / 60 + 29 / 3600, 6 + 57 / 60 + 30 / 3600))
    assert row["heading_deg"] == 123.5
    assert row["captured_at"] == pd.Timestamp("2024-05-20 09:12:22.5", tz="UTC")
    assert row["path"] == f"{tmp_path}/one.jpg"
    assert row["photo_id"] == row["sha256"][:16]
    assert row["city"] == "near 50.94N 6.96E"
    assert row["sequence_id"] == ""


@pytest.mark.parametrize(
    ("references", "signs"),
    [
        ((b"S\0", b"W\0"), (-1, -1)),
        ((b"s\0", b"w\0"), (-1, -1)),
        ((b"N", b"E"), (1, 1)),
        ((b"S \0\0", b"E \0\0"), (-1, 1)),
    ],
)
def test_the_hemisphere_gives_the_sign_in_every_spelling(tmp_path, references, signs):
    rows, _ = read_one(tmp_path, cologne(GPSLatitudeRef=text(references[0]), GPSLongitudeRef=text(references[1])))
    assert tuple(np.sign(rows.loc[0, ["lat_deg", "lon_deg"]].astype(float))) == signs


def test_a_hemisphere_in_bytes_is_read(tmp_path):
    rows, _ = read_one(tmp_path, cologne(GPSLatitudeRef=(1, 2, b"S\0")))
    assert rows.loc[0, "lat_deg"] < 0


def test_degrees_and_minutes_may_carry_the_fraction(tmp_path):
    rows, _ = read_one(tmp_path, cologne(GPSLatitude=rationals(50, 56.5, 0), GPSLongitude=rationals(6.75)))
    assert tuple(rows.loc[0, ["lat_deg", "lon_deg"]]) == pytest.approx((50 + 56.5 / 60, 6.75))


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"GPSLatitude": None, "GPSLongitude": None}, "no position", "no GPS position"),
        ({"GPSLatitudeRef": None}, "broken position", "GPSLatitudeRef is '', not N or S"),
        ({"GPSLongitudeRef": text(b"\0\0")}, "broken position", "GPSLongitudeRef is '', not E or W"),
        ({"GPSLongitudeRef": text(b"N\0")}, "broken position", "GPSLongitudeRef is 'N', not E or W"),
        ({"GPSLongitude": None}, "broken position", "GPSLongitude is None"),
        ({"GPSLatitude": rationals((0, 0), (0, 0), (0, 0))}, "broken position", "nan"),
        ({"GPSLatitude": rationals(50, 56, (29, 0))}, "broken position", "not degrees, minutes, seconds"),
        ({"GPSLatitude": rationals(50, 5629, 0)}, "broken position", "5629"),
        ({"GPSLatitude": text(b"50.9413889\0")}, "broken position", "50.9413889"),
        ({"GPSLatitude": rationals(0, 0, 0), "GPSLongitude": rationals(0, 0, 0)}, "position 0,0", "without a fix"),
        ({"GPSLatitude": rationals(91, 0, 0)}, "latitude out of range", "91.0, not within -90..90"),
        ({"GPSLongitude": rationals(180, 0, 1)}, "longitude out of range", "not within -180..180"),
        ({"GPSMapDatum": text(b"TOKYO\0")}, "other datum", "convert the position to WGS 84"),
    ],
)
def test_a_position_is_never_guessed(tmp_path, changes, reason, words):
    row = left_out_of(read_one(tmp_path, cologne(**changes)))
    assert row["reason"] == reason
    assert words in row["detail"]


def test_one_zero_is_a_position_on_the_equator(tmp_path):
    rows, _ = read_one(tmp_path, cologne(GPSLatitude=rationals(0, 0, 0)))
    assert rows.loc[0, "lat_deg"] == 0


def test_a_photo_without_exif_has_no_position(tmp_path):
    assert left_out_of(read_one(tmp_path))["reason"] == "no position"


def test_a_damaged_exif_is_told_as_such(tmp_path):
    whole = gps_exif(cologne())
    assert left_out_of(read_one(tmp_path, exif=whole[:40]))["reason"] == "broken position"
    assert left_out_of(read_one(tmp_path, exif=b"Exif\0\0nonsense"))["reason"] in ("broken position", "no position")


def test_an_exif_of_random_damage_ends_in_a_row(tmp_path):
    rng = np.random.default_rng(0)
    whole = gps_exif(cologne(GPSImgDirection=rationals(3), GPSDateStamp=text(b"2024:05:20\0")))
    for number in range(150):
        broken = bytearray(whole)
        for place in rng.integers(6, len(whole), 3):
            broken[place] = rng.integers(256)
        picture(tmp_path / f"{number}.jpg", exif=bytes(broken), seed=number)
    rows, left_out = folder.read(folder=str(tmp_path))
    assert len(rows) + len(left_out) == 150
    assert not {"broken picture", "truncated"} & set(left_out["reason"])
    photos.catalogue(rows)


# ---- a folder: heading and time --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "heading"), [((360, 1), 0.0), ((0, 1), 0.0), ((35999, 100), 359.99), ((361, 1), np.nan), ((1, 0), np.nan)]
)
def test_a_heading_is_within_the_circle_or_unknown(value, heading):
    tags = {GPS.GPSImgDirection: value[0] / value[1] if value[1] else float("nan")}
    assert exif.heading_deg(tags) == pytest.approx(heading, nan_ok=True)


@pytest.mark.parametrize(
    ("shot", "gps", "time"),
    [
        ({"DateTimeOriginal": "2022:08:14 14:12:31", "OffsetTimeOriginal": "+03:00"}, {}, "2022-08-14 11:12:31"),
        ({"DateTimeOriginal": "2022:08:14 14:12:31", "OffsetTimeOriginal": "   :  "}, {}, "2022-08-14 14:12:31"),
        ({"DateTimeOriginal": "2022:08:14 14:12:31\0"}, {}, "2022-08-14 14:12:31"),
        (
            {"DateTimeOriginal": "2022:08:14 14:12:31"},
            {"GPSDateStamp": "2022:08:13", "GPSTimeStamp": (23.0, 59.0, 60.0)},
            "2022-08-14 00:00:00",
        ),
        (
            {"DateTimeOriginal": "2022:08:14 14:12:31"},
            {"GPSDateStamp": "0000:00:00", "GPSTimeStamp": (23.0, 59.0, 1.0)},
            "2022-08-14 14:12:31",
        ),
        (
            {"DateTimeOriginal": "2022:08:14 14:12:31"},
            {"GPSDateStamp": b"2022:08:13\0", "GPSTimeStamp": (float("nan"), 59.0, 1.0)},
            "2022-08-14 14:12:31",
        ),
        ({"DateTimeOriginal": "0000:00:00 00:00:00"}, {}, None),
        ({}, {}, None),
    ],
)
def test_the_time_is_that_of_the_gps_then_that_of_the_camera(shot, gps, time):
    found = exif.captured_at(
        {Base[name]: value for name, value in shot.items()}, {GPS[name]: value for name, value in gps.items()}
    )
    assert found == (datetime.fromisoformat(time).replace(tzinfo=UTC) if time else None)


# ---- a folder: files -------------------------------------------------------------------------------------------------
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
    assert [Path(path).relative_to(tmp_path).as_posix() for path in rows["path"]] == [
        "a.JPG",
        "b/c/deep.jpeg",
        "b/ä ö.jpg",
    ]
    assert set(rows["city"]) == {"Köln"}
    reasons = {Path(path).name: reason for path, reason in zip(left_out["path"], left_out["reason"], strict=True)}
    assert reasons == {
        "small.jpg": "hidden",
        "copy.jpg": "duplicate",
        "half.jpg": "truncated",
        "phone.jpg": "HEIC",
        "empty.jpg": "empty file",
        "notes.txt": "not a picture",
        "table.csv": "not a picture",
        ".DS_Store": "not a picture",
    }
    assert len(rows) + len(left_out) == sum(path.is_file() for path in tmp_path.rglob("*"))


def test_links_that_leave_the_folder_or_run_in_a_circle_are_told(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    picture(inside / "b.jpg", cologne(), seed=1)
    picture(outside / "x.jpg", cologne(), seed=2)
    (inside / "a.jpg").symlink_to(inside / "b.jpg")
    (inside / "leaves.jpg").symlink_to(outside / "x.jpg")
    (inside / "elsewhere").symlink_to(outside)
    (inside / "again").symlink_to(inside)
    (inside / "circle.jpg").symlink_to(inside / "circle.jpg")
    (inside / "nowhere.jpg").symlink_to(inside / "gone.jpg")
    rows, left_out = folder.read(folder=str(inside))
    assert [Path(path).name for path in rows["path"]] == ["a.jpg"]
    assert {Path(path).name: reason for path, reason in zip(left_out["path"], left_out["reason"], strict=True)} == {
        "b.jpg": "duplicate",
        "leaves.jpg": "link",
        "elsewhere": "link",
        "again": "link",
        "circle.jpg": "link",
        "nowhere.jpg": "missing file",
    }


def test_a_folder_may_itself_be_a_link(tmp_path):
    picture(tmp_path / "real" / "a.jpg", cologne())
    (tmp_path / "link").symlink_to(tmp_path / "real")
    rows, _ = folder.read(folder=str(tmp_path / "link"))
    assert list(rows["path"]) == [f"{tmp_path}/link/a.jpg"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux allows file names that are not UTF-8")
def test_a_name_that_is_not_utf8_is_told(tmp_path):
    with open(os.fsencode(tmp_path) + b"/caf\xe9.jpg", "wb") as file:
        file.write(b"words")
    row = left_out_of(folder.read(folder=str(tmp_path)))
    assert row["path"].endswith("caf\\xe9.jpg")
    assert "not UTF-8" in row["detail"]


def test_a_folder_that_cannot_be_listed_is_told(tmp_path, monkeypatch):
    picture(tmp_path / "a.jpg", cologne())
    (tmp_path / "locked").mkdir()

    def walk(root, onerror):
        onerror(PermissionError(13, "Permission denied", str(tmp_path / "locked")))
        yield str(root), ["locked"], ["a.jpg"]

    monkeypatch.setattr(listing.os, "walk", walk)
    rows, left_out = folder.read(folder=str(tmp_path))
    assert len(rows) == 1
    assert list(left_out["reason"]) == ["unreadable"]


def test_paths_stay_as_portable_as_they_were_written(tmp_path, monkeypatch):
    monkeypatch.setenv("GEONB_TEST_PHOTOS", str(tmp_path))
    picture(tmp_path / "köln" / "a.jpg", cologne())
    rows, _ = folder.read(folder="$GEONB_TEST_PHOTOS")
    assert list(rows["path"]) == ["$GEONB_TEST_PHOTOS/köln/a.jpg"]
    assert pictures.open_picture(rows["path"][0]).size == (16, 12)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere' is not a folder"):
        folder.read(folder=str(tmp_path / "nowhere"))


def test_progress_does_not_go_to_stderr(tmp_path, capsys):
    read_one(tmp_path, cologne())
    told = capsys.readouterr()
    assert "photos" in told.out
    assert told.err == ""


# ---- a table ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def place(tmp_path):
    """A folder with three pictures and a function that writes a CSV beside them and reads it."""
    for name in "abc":
        picture(tmp_path / "images" / f"{name}.jpg", seed=ord(name))

    def read(content, encoding="utf-8", **options):
        (tmp_path / "photos.csv").write_text(content, encoding=encoding)
        return table.read(table=str(tmp_path / "photos.csv"), **options)

    read.folder = tmp_path
    return read


GOOD = "path,lat,lon,street,heading\nimages/a.jpg,50.9,6.9,인사동길,10\nimages/b.jpg,50.91,6.9,,350.5\n"


def test_a_row_of_a_table_becomes_a_row_of_the_catalogue(place):
    rows, left_out = place(GOOD, columns={"heading_deg": "heading"}, licence="CC0")
    found = photos.catalogue(rows)
    assert not len(left_out)
    assert list(found["street"]) == ["인사동길", ""]
    assert list(found["heading_deg"]) == [10, 350.5]
    assert np.array_equal(photos.lat_lon_deg(found), [[50.9, 6.9], [50.91, 6.9]])
    assert list(found["path"]) == [f"{place.folder}/images/a.jpg", f"{place.folder}/images/b.jpg"]
    assert set(found["licence"]) == {"CC0"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_semicolons_decimal_commas_and_a_byte_order_mark_are_read(place, encoding):
    rows, _ = place("path;lat;lon\nimages/a.jpg;50,9;6,9\n", encoding=encoding)
    assert (rows.loc[0, "lat_deg"], rows.loc[0, "lon_deg"]) == (50.9, 6.9)


def test_the_value_of_a_row_goes_before_the_option_and_a_field_can_be_switched_off(place):
    content = "path,lat,lon,city,country,author\nimages/a.jpg,1,2,Windhoek,NA,B\nimages/b.jpg,1,2,,,\n"
    rows, _ = place(content, city="Köln", country="Germany", author="A", columns={"author": ""})
    assert list(rows["city"]) == ["Windhoek", "Köln"]
    assert list(rows["country"]) == ["NA", "Germany"]
    assert list(rows["author"]) == ["A", "A"]


@pytest.mark.parametrize(
    ("row", "reason", "words"),
    [
        ("images/b.jpg,fifty,6.9,,", "not a number", "row 2: lat is 'fifty'"),
        ("images/b.jpg,50.9,nan,,", "not a number", "row 2: lon is 'nan'"),
        ("images/b.jpg,,6.9,,", "no position", "row 2: lat is empty"),
        ("images/b.jpg,90.5,6.9,,", "latitude out of range", "row 2: latitude is 90.5"),
        ("images/b.jpg,50.9,inf,,", "longitude out of range", "row 2: longitude is inf"),
        ("images/b.jpg,0,0.0,,", "position 0,0", "row 2"),
        ("images/b.jpg,50.9,6.9,north,", "not a number", "row 2: heading_deg is 'north'"),
        ("images/b.jpg,50.9,6.9,400,", "heading out of range", "row 2: heading_deg is 400"),
        ("images/b.jpg,50.9,6.9,,yesterday", "not a time", "row 2: captured_at is 'yesterday'"),
        ("images/z.jpg,50.9,6.9,,", "missing file", "row 2: there is no file"),
        ("images/a.jpg,50.9,6.9,,", "duplicate", "same content as"),
        ("photos.csv,50.9,6.9,,", "not a picture", "row 2"),
        (",50.9,6.9,,", "no path", "row 2: the row names no file"),
    ],
)
def test_a_row_that_cannot_be_used_is_left_out_with_its_number_and_value(place, row, reason, words):
    rows, left_out = place(f"path,lat,lon,heading_deg,captured_at\nimages/a.jpg,50.9,6.9,,\n{row}\n")
    assert len(rows) == 1
    assert left_out.loc[0, "reason"] == reason
    assert words in left_out.loc[0, "detail"]


def test_numbers_and_times_of_a_column_are_read_one_by_one_where_some_cannot(place):
    content = "path;lat;lon;captured_at\nimages/a.jpg;1_0;7;2024-07-09\nimages/b.jpg;0x10;7;\n"
    content += "images/c.jpg;50,5;7;2024\n"
    rows, left_out = place(content)
    assert left_out["detail"].tolist() == [
        "row 1: lat is '1_0', not decimal degrees", "row 2: lat is '0x10', not decimal degrees",
    ]  # fmt: skip
    assert rows[["lat_deg", "captured_at"]].to_numpy().tolist() == [[50.5, pd.Timestamp("2024-01-01", tz="UTC")]]


def test_times_and_headings_are_understood_in_their_usual_forms(place):
    content = "path,lat,lon,heading_deg,captured_at\nimages/a.jpg,1,2,-90,2024-07-09 03:25:24.045+02:00\n"
    rows, _ = place(content + "images/b.jpg,1,2,360,2024-07-09\n")
    found = photos.catalogue(rows)
    assert list(found["heading_deg"]) == [270, 0]
    times = pd.to_datetime(["2024-07-09 01:25:24.045", "2024-07-09"], format="ISO8601", utc=True)
    assert list(found["captured_at"]) == list(times)


@pytest.mark.parametrize(
    "options", [{"lat_column": "latitude"}, {"path_column": "file"}, {"columns": {"city": "town"}}]
)
def test_a_missing_column_is_told_with_those_that_are_there(place, options):
    name = next(iter(options.values()))
    name = name["city"] if isinstance(name, dict) else name
    with pytest.raises(ValueError, match=f"no column \\['{name}'\\]; it has path, lat, lon, street, heading"):
        place(GOOD, **options)


def test_a_field_that_the_catalogue_does_not_have_is_told(place):
    with pytest.raises(ValueError, match="no field \\['compass'\\]; these can be mapped: city, country"):
        place(GOOD, columns={"compass": "heading"})


def test_swapped_coordinates_are_told_with_the_way_out(place):
    content = "path,lat,lon\nimages/a.jpg,126.98,37.57\nimages/b.jpg,126.99,37.58\nimages/c.jpg,,\n"
    words = "look swapped: row 1 has latitude 126.98, longitude 37.57; set swap_lat_lon: true"
    with pytest.raises(ValueError, match=words):
        place(content)
    for how in ({"swap_lat_lon": True}, {"lat_column": "lon", "lon_column": "lat"}):
        rows, _ = place(content, **how)
        assert list(rows["lat_deg"]) == [37.57, 37.58]


@pytest.mark.parametrize("content", ["", "path,lat,lon\nimages/a.jpg,1,2,3,4\n"])
def test_a_csv_that_is_none_is_told(place, content):
    with pytest.raises(ValueError, match="not a CSV with one header"):
        place(content)


def test_a_csv_in_another_encoding_is_told(place):
    with pytest.raises(ValueError, match=r"is not UTF-8 .*: save it as CSV UTF-8"):
        place("path,lat,lon,city\nimages/a.jpg,50.9,6.9,Köln\n", encoding="latin-1")


def test_paths_may_begin_elsewhere(place, tmp_path):
    rows, _ = place("path,lat,lon\na.jpg,1,2\n../images/b.jpg,1,2\n", folder=f"{tmp_path}/images/")
    assert list(rows["path"]) == [f"{tmp_path}/images/../images/b.jpg", f"{tmp_path}/images/a.jpg"]
    rows, _ = place(f"path,lat,lon\n{tmp_path}/images/a.jpg,1,2\n", folder="elsewhere")
    assert list(rows["path"]) == [f"{tmp_path}/images/a.jpg"]


def test_a_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"photos\.csv' is not a file"):
        table.read(table=str(tmp_path / "photos.csv"))


def test_a_geoparquet_table_gives_its_points_in_any_projection(place):
    times = pd.to_datetime(["2024-07-09 03:25:24+02:00", None], utc=True)
    points = geopandas.points_from_xy([6.9, 6.95], [50.9, 50.95], crs=4326)
    frame = geopandas.GeoDataFrame({"path": ["images/a.jpg", "images/b.jpg"], "captured_at": times}, geometry=points)
    frame.to_crs(25832).to_parquet(place.folder / "photos.parquet")
    rows, left_out = table.read(table=str(place.folder / "photos.parquet"))
    found = photos.catalogue(rows)
    assert not len(left_out)
    assert sphere.distance_m(photos.lat_lon_deg(found), [[50.9, 6.9], [50.95, 6.95]]).max() < 0.001
    assert found["captured_at"][0] == times[0]
    assert found["captured_at"].isna().tolist() == [False, True]


def test_a_geoparquet_table_without_a_point_or_a_projection_is_told(place):
    from shapely import LineString, Point

    paths = {"path": ["images/a.jpg", "images/b.jpg"]}
    file = place.folder / "photos.parquet"
    geopandas.GeoDataFrame(paths, geometry=[Point(6.9, 50.9), None], crs=4326).to_parquet(file)
    assert list(table.read(table=str(file))[1]["reason"]) == ["no position"]
    geopandas.GeoDataFrame(paths, geometry=[None, LineString([(0, 0), (1, 1)])], crs=4326).to_parquet(file)
    with pytest.raises(ValueError, match="row 2 is a LineString, not a Point"):
        table.read(table=str(file))
    geopandas.GeoDataFrame(paths, geometry=[Point(6.9, 50.9), None]).to_parquet(file)
    with pytest.raises(ValueError, match="does not say its coordinate system"):
        table.read(table=str(file))


@pytest.mark.parametrize("name", ["photos.geojson", "photos.gpkg"])
def test_tables_of_points_of_a_gis_are_read(place, name):
    paths = {"path": ["images/a.jpg", "images/b.jpg"], "street": ["x", "y"]}
    points = geopandas.points_from_xy([6.9, 6.91], [50.9, 50.92])
    frame = geopandas.GeoDataFrame(paths, geometry=points, crs=4326)
    (frame if name.endswith("json") else frame.to_crs(25832)).to_file(place.folder / name)
    rows, left_out = table.read(table=str(place.folder / name))
    assert not len(left_out)
    np.testing.assert_allclose(rows[["lat_deg", "lon_deg"]].astype(float), [[50.9, 6.9], [50.92, 6.91]], atol=1e-6)
    assert list(rows["street"]) == ["x", "y"]


@pytest.mark.parametrize(
    ("crs", "north", "east", "expected", "within_m"),
    [
        ("EPSG:27700", "179640", "530268", [51.50072, -0.12463], 25),  # Elizabeth Tower on the British National Grid
        ("EPSG:32617", "4833438.55", "630084,30", [43.642567, -79.387139], 0.5),  # the CN Tower in UTM zone 17 N
    ],
)
def test_north_and_east_of_a_grid_become_degrees(place, crs, north, east, expected, within_m):
    content = f'path,north,east\nimages/a.jpg,{north},"{east}"\nimages/b.jpg,far,1\n'
    rows, left_out = place(content, lat_column="north", lon_column="east", crs=crs)
    at = rows[["lat_deg", "lon_deg"]].to_numpy(float)
    assert sphere.distance_m(at, np.array([expected]))[0] < within_m
    assert left_out[["reason", "detail"]].to_numpy().tolist() == [
        ["not a number", "row 2: north [metre] is 'far', not a number"]
    ]


def test_north_and_east_outside_the_area_of_their_grid_are_left_out(place):
    content = "path,north,east\nimages/a.jpg,179640,530268\nimages/b.jpg,530268000,179640\nimages/c.jpg,5e6,5e6\n"
    rows, left_out = place(content, lat_column="north", lon_column="east", crs="EPSG:27700")
    assert len(rows) == 1
    assert set(left_out["reason"]) == {"broken position"}
    assert "row 2: north [metre] 530268000, east [metre] 179640 lies outside of" in left_out["detail"][0]


@pytest.mark.parametrize(
    ("crs", "lat_deg", "lon_deg", "inside"),
    [
        ("EPSG:27700", 51.5, -0.1, True),
        ("EPSG:27700", 51.5, 2.5, True),  # within the margin
        ("EPSG:27700", 51.5, 9.0, False),
        ("EPSG:3460", -17.0, 179.0, True),  # Fiji, across the date line
        ("EPSG:3460", -17.0, -179.0, True),
        ("EPSG:3460", -17.0, 0.0, False),
        ("EPSG:3857", 10.0, 179.9, True),  # the whole earth
        ("EPSG:3857", float("inf"), float("inf"), False),
    ],
)
def test_the_area_of_a_coordinate_system_has_a_margin(crs, lat_deg, lon_deg, inside):
    assert fields.within(CRS(crs).area_of_use, lat_deg, lon_deg) == inside


def test_a_grid_that_nobody_knows_or_columns_that_are_not_there_are_told(place):
    with pytest.raises(ValueError, match="crs 'EPSG:1' is no coordinate system"):
        place(GOOD, crs="EPSG:1")
    with pytest.raises(ValueError, match="crs 'EPSG:27700' is of columns 'north' and 'lon'"):
        place(GOOD, lat_column="north", crs="EPSG:27700")


def test_of_several_layers_one_is_named(place, capsys):
    file = place.folder / "photos.gpkg"
    for layer, name in (("old", "a"), ("new", "b")):
        points = geopandas.points_from_xy([6.9], [50.9], crs=4326)
        geopandas.GeoDataFrame({"path": [f"images/{name}.jpg"]}, geometry=points).to_file(file, layer=layer)
    with pytest.raises(ValueError, match=r"photos\.gpkg has the layers old, new: name one of them"):
        table.read(table=str(file))
    with pytest.raises(ValueError, match=r"has the layers old, new"):
        table.read(table=str(file), layer="newer")
    assert table.read(table=str(file), layer="new")[0]["path"][0].endswith("b.jpg")
    assert capsys.readouterr().err == ""
    with pytest.raises(ValueError, match=r"photos\.csv has no layers"):
        place(GOOD, layer="new")


def test_a_plain_parquet_table_is_read_by_its_columns(place):
    frame = pd.DataFrame({"path": ["images/a.jpg"], "lat": [50.9], "lon": [6.9], "heading_deg": [None], "city": [None]})
    frame.to_parquet(place.folder / "photos.parquet")
    rows, _ = table.read(table=str(place.folder / "photos.parquet"))
    assert photos.catalogue(rows)["city"][0] == "near 50.90N 6.90E"


# ---- a table whose coordinates are not what they seem ----------------------------------------------------------------
@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("path,LAT,LON", "lat_column: LAT, lon_column: LON"),
        ("path,Latitude,Longitude", "lat_column: Latitude, lon_column: Longitude"),
        ("path,latitude_deg,longitude_deg", "lat_column: latitude_deg, lon_column: longitude_deg"),
        ("path,y,x", "lat_column: y, lon_column: x, and crs if they are in metres"),
        ("path,northing,easting", "lat_column: northing, lon_column: easting, and crs if they are in metres"),
        ("path,lat,lng", "lon_column: lng"),
        ("filename,lat,lon", "path_column: filename"),
        ("File,GPSLatitude,GPSLongitude", "path_column: File, lat_column: GPSLatitude, lon_column: GPSLongitude"),
    ],
)
def test_columns_of_other_names_are_named_with_the_options_that_take_them(place, header, words):
    with pytest.raises(
        ValueError, match=rf"the table has no column .*; it has {header.replace(',', ', ')}: set {words}$"
    ):
        place(f"{header}\nimages/a.jpg,50.9,6.9\n")


def test_columns_that_nobody_could_mean_are_only_listed(place):
    with pytest.raises(ValueError, match=r"no column \['lat', 'lon'\]; it has path, a, b$"):
        place("path,a,b\nimages/a.jpg,50.9,6.9\n")


def test_one_column_is_not_latitude_and_longitude_at_once(place):
    with pytest.raises(ValueError, match="lat_column and lon_column are both 'lat': each needs a column of its own"):
        place(GOOD, lon_column="lat")


@pytest.mark.parametrize("columns", [{"heading_deg": ["heading"]}, {"heading_deg": 3}])
def test_a_field_is_mapped_to_one_name(place, columns):
    with pytest.raises(ValueError, match=r"columns: heading_deg is (\['heading'\]|3), not the name of a column"):
        place(GOOD, columns=columns)


def test_coordinates_in_metres_are_told_with_the_option_that_names_their_system(place):
    content = "path,north,east\nimages/c.jpg,,\nimages/a.jpg,6610909,530268\nimages/b.jpg,6610950,530270\n"
    content += "images/c.jpg,50.9,6.9\n"
    words = r"row 2 has north 6610909, east 530268: 2 of 3 rows look like metres.*option crs, such as EPSG:32633"
    with pytest.raises(ValueError, match=words):
        place(content, lat_column="north", lon_column="east")


def test_points_in_metres_that_call_themselves_degrees_are_told(place):
    points = geopandas.points_from_xy([530268, 530270], [6610909, 6610950], crs=4326)
    frame = geopandas.GeoDataFrame({"path": ["images/a.jpg", "images/b.jpg"]}, geometry=points)
    frame.to_parquet(place.folder / "photos.parquet")
    with pytest.raises(ValueError, match=r"its points look like metres.*save it with the system that they are in"):
        table.read(table=str(place.folder / "photos.parquet"))


AROUND = "path,lat,lon\nimages/a.jpg,40.7,286.0\nimages/b.jpg,50.9,6.9\nimages/c.jpg,40.8,286.1\n"


def test_longitudes_up_to_360_are_told_and_taken_only_when_asked_for(place):
    with pytest.raises(
        ValueError, match=r"row 1 has longitude 286\.0.*2 of 3.*set lon_0_to_360: true, which takes 286"
    ):
        place(AROUND)
    rows, left_out = place(AROUND, lon_0_to_360=True)
    assert rows["lon_deg"].tolist() == pytest.approx([-74.0, 6.9, -73.9])
    assert left_out.empty
    with pytest.raises(ValueError, match=r"lon_0_to_360 is of degrees: leave it out beside crs"):
        place(AROUND, lon_0_to_360=True, crs="EPSG:32633")


def test_one_longitude_beyond_180_beside_negative_ones_is_a_row_that_is_left_out(place):
    rows, left_out = place("path,lat,lon\nimages/a.jpg,40.7,286.0\nimages/b.jpg,50.9,-6.9\nimages/c.jpg,40.8,7\n")
    assert len(rows) == 2
    assert left_out["reason"].tolist() == ["longitude out of range"]
    rows, _ = place("path,lat,lon\nimages/a.jpg,40.7,-74\nimages/b.jpg,50.9,370\n", lon_0_to_360=True)
    assert rows["lon_deg"].tolist() == [-74.0]  # nothing else is turned


def test_latitude_and_longitude_are_exchanged_when_asked_for(place):
    content = "path,lat,lon\nimages/a.jpg,6.97,50.94\nimages/b.jpg,126.98,37.57\n"
    rows, left_out = place(content, swap_lat_lon=True)
    assert rows[["lat_deg", "lon_deg"]].to_numpy().tolist() == [[50.94, 6.97], [37.57, 126.98]]
    assert left_out.empty
    points = geopandas.points_from_xy([50.94], [6.97], crs=4326)
    geopandas.GeoDataFrame({"path": ["images/a.jpg"]}, geometry=points).to_parquet(place.folder / "p.parquet")
    rows, _ = table.read(table=str(place.folder / "p.parquet"), swap_lat_lon=True)
    assert rows[["lat_deg", "lon_deg"]].to_numpy().tolist() == [[50.94, 6.97]]


def test_thousands_in_a_grid_are_not_taken_for_decimals(place):
    content = 'path,north,east\nimages/a.jpg,"179,640","530,268"\nimages/b.jpg,"179640,5","530268,25"\n'
    rows, left_out = place(content, lat_column="north", lon_column="east", crs="EPSG:27700")
    assert len(rows) == 1
    assert left_out["reason"].tolist() == ["not a number"]
    assert "'179,640', whose comma may part thousands or decimals: write it without" in left_out["detail"][0]


# ---- a table whose points and columns disagree -----------------------------------------------------------------------
@pytest.fixture(params=["photos.parquet", "photos.gpkg", "photos.geojson"])
def pointed(place, request):
    """A function that writes points (lon, lat) beside columns lat and lon, and reads the table."""

    def read(points, lat, lon, crs=4326, **options):
        paths = [f"images/{name}.jpg" for name in "abc"[: len(lat)]]
        frame = geopandas.GeoDataFrame({"path": paths, "lat": lat, "lon": lon}, geometry=points, crs=4326)
        frame = frame if request.param.endswith("json") else frame.to_crs(crs)
        file = place.folder / request.param
        frame.to_parquet(file) if file.suffix == ".parquet" else frame.to_file(file)
        return table.read(table=str(file), **options)

    return read


POINTS_OF_TABLE = geopandas.points_from_xy([6.9, 6.95], [50.9, 50.95])


def test_points_that_agree_with_their_columns_are_read_in_any_projection(pointed):
    rows, left_out = pointed(POINTS_OF_TABLE, [50.9, 50.950005], [6.9, 6.95], crs=25832)
    assert rows["lat_deg"].tolist() == [50.9, 50.950005]
    assert left_out.empty


def test_points_that_disagree_with_their_columns_are_refused_with_the_worst_row(pointed):
    words = (
        r"columns lat, lon and points of the table lie more than 1 m apart in 1 of 2 rows, in row 2 by 111[,.\d]* m: "
        r"51\.95, 6\.95 beside the point 50\.95\S*, 6\.95.*lat_column: '' and lon_column: '' take the points"
    )
    with pytest.raises(ValueError, match=words):
        pointed(POINTS_OF_TABLE, [50.9, 51.95], [6.9, 6.95])
    rows, _ = pointed(POINTS_OF_TABLE, [50.9, 51.95], [6.9, 6.95], lat_column="", lon_column="")
    assert rows["lat_deg"].tolist() == pytest.approx([50.9, 50.95])


def test_columns_that_are_exchanged_beside_right_points_are_refused(pointed):
    with pytest.raises(ValueError, match=r"lie more than 1 m apart in 2 of 2 rows"):
        pointed(POINTS_OF_TABLE, [6.9, 6.95], [50.9, 50.95])
    assert len(pointed(POINTS_OF_TABLE, [6.9, 6.95], [50.9, 50.95], swap_lat_lon=True)[0]) == 2


def test_columns_of_a_grid_are_compared_with_the_points_too(place):
    paths = {"path": ["images/a.jpg", "images/b.jpg"]}
    frame = geopandas.GeoDataFrame(paths, geometry=POINTS_OF_TABLE, crs=4326).to_crs(25832)
    frame = frame.assign(north=frame.geometry.y, east=frame.geometry.x)
    how = {"lat_column": "north", "lon_column": "east", "crs": "EPSG:25832", "table": str(place.folder / "p.parquet")}
    frame.to_parquet(place.folder / "p.parquet")
    assert len(table.read(**how)[0]) == 2
    frame.assign(north=frame.north + 3).to_parquet(place.folder / "p.parquet")
    with pytest.raises(ValueError, match=r"in 2 of 2 rows, in row \d by 3(\.0)? m"):
        table.read(**how)


def test_rows_without_a_point_or_with_another_shape_keep_their_columns(place):
    from shapely import Point, box

    paths = {"path": [f"images/{name}.jpg" for name in "abc"], "lat": [50.9, 50.91, 50.92], "lon": 6.9}
    shapes = [Point(6.9, 50.9), None, box(0, 0, 1, 1)]
    geopandas.GeoDataFrame(paths, geometry=shapes, crs=4326).to_parquet(place.folder / "p.parquet")
    assert len(table.read(table=str(place.folder / "p.parquet"))[0]) == 3


# ---- a CSV as spreadsheets write it ----------------------------------------------------------------------------------
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize(
    ("first", "mark"), [("sep=;", ";"), ('"sep=;"', ";"), ("SEP=,", ","), ("sep=\t", "\t"), ("sep=|", "|")]
)
def test_a_first_line_that_names_the_separator_is_honoured(place, encoding, first, mark):
    rows = ["path", "lat", "lon"], ["images/a.jpg", "50.9", "6.9"], ["images/z.jpg", "50.9", "6.9"]
    content = "\n".join([first, *(mark.join(row) for row in rows), ""])
    rows, left_out = place(content, encoding=encoding)
    assert rows["lat_deg"].tolist() == [50.9]
    assert left_out["detail"].tolist() == ["row 2: there is no file"]


@pytest.mark.parametrize("name", ["photos.csv", "photos.parquet", "photos.gpkg"])
def test_a_table_with_a_header_and_no_rows_is_told(place, name):
    frame = pd.DataFrame({"path": [], "lat": [], "lon": []})
    file = place.folder / name
    if name.endswith("csv"):
        frame.to_csv(file, index=False)
    elif name.endswith("parquet"):
        frame.to_parquet(file)
    else:
        geopandas.GeoDataFrame(frame.astype({"path": str}), geometry=[], crs=4326).to_file(file)
    with pytest.raises(ValueError, match=rf"{name} has columns path, lat, lon.* and no rows: one row for each photo"):
        table.read(table=str(file))


# ---- files that are not what their name says -------------------------------------------------------------------------
def test_of_two_columns_of_one_name_none_is_chosen(place):
    with pytest.raises(ValueError, match=r"photos\.csv has 2 columns 'lat': rename one of them"):
        place("path,lat,lat,lon\nimages/a.jpg,50.9,51.9,6.9\n")


def test_blanks_around_the_names_of_columns_do_not_count(place):
    rows, _ = place("path, lat , lon\nimages/a.jpg, 50.9, 6.9\n")
    assert rows[["lat_deg", "lon_deg"]].to_numpy().tolist() == [[50.9, 6.9]]


@pytest.mark.parametrize("name", ["photos.parquet", "photos.gpkg", "photos.geojson"])
@pytest.mark.parametrize("content", [b"PAR1 and nothing", b"", b"{}"])
def test_a_file_that_is_not_what_it_is_called_is_told(place, name, content):
    (place.folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} cannot be read as what its name says"):
        table.read(table=str(place.folder / name))


@pytest.mark.parametrize("crs", ["EPSG:4978", "EPSG:5773", 'LOCAL_CS["mine",UNIT["metre",1]]'])
def test_a_crs_without_north_and_east_is_told(place, crs):
    with pytest.raises(ValueError, match=r"is no (grid|coordinate system).*EPSG:27700 is one"):
        place(GOOD, crs=crs)


def test_options_that_are_none_are_told():
    with pytest.raises(ValueError, match="options of source 'folder' must be a list of names and values, not None"):
        gather("folder", None)


# ---- all sources -----------------------------------------------------------------------------------------------------
def test_gather_gives_a_catalogue_and_what_was_left_out(tmp_path):
    picture(tmp_path / "a.jpg", cologne())
    picture(tmp_path / "b.jpg")
    found, left_out = gather("folder", {"folder": str(tmp_path)})
    assert list(found.columns) == list(photos.COLUMNS)
    assert list(left_out.columns) == list(reasons.LEFT_OUT_COLUMNS)
    assert list(left_out["reason"]) == ["no position"]


def test_an_unknown_source_is_refused_with_the_list():
    with pytest.raises(ValueError, match="no source 'flickr'; there are simulated, folder, table"):
        gather("flickr", {})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"folder": "x", "licance": "CC0"}, "no option 'licance'; it has folder, city, country, licence"),
        ({"city": "Köln"}, "needs the option folder"),
        ({"folder": 3}, "folder = 3 is not of type str"),
        ({"folder": "x", "city_link_m": "10 km"}, "city_link_m = '10 km' is not of type float"),
        ({"folder": "x", "city_link_m": True}, "city_link_m = True is not of type float"),
        ({"folder": "x", "city_link_m": float("nan")}, "city_link_m nan must be a finite number above 0"),
        ({"folder": "x", "city_link_m": float("inf")}, "city_link_m inf must be a finite number above 0"),
        ({"folder": "x", "city_link_m": 0}, "city_link_m 0 must be a finite number above 0"),
        ({"folder": "x", "workers": -1}, "workers -1 must be a whole number of at least 0: 0 is one process per core"),
    ],
)
def test_options_are_checked_before_anything_is_read(options, words):
    with pytest.raises(ValueError, match=words):
        gather("folder", options)


def test_a_whole_number_is_a_float_and_a_missing_mapping_is_none():
    check_options(folder.read, {"folder": "x", "city_link_m": 500}, "folder")
    check_options(table.read, {"table": "x", "columns": None}, "table")
    check_options(table.read, {"table": "x", "columns": {}}, "table")


def test_a_source_without_a_usable_photo_tells_how_many_it_saw_why_and_the_way_out(tmp_path):
    for name in "abc":
        picture(tmp_path / f"{name}.jpg", seed=ord(name))
    (tmp_path / "notes.txt").write_text("words")
    words = "none of the 4 entries of .*3 x no position, 1 x not a picture .*use source 'table' with a CSV of positions"
    with pytest.raises(ValueError, match=words):
        gather("folder", {"folder": str(tmp_path)})


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(ValueError, match="found no file in"):
        gather("folder", {"folder": str(tmp_path)})


@pytest.mark.parametrize("source", ["vpr", "global_streetscapes", "xri"])
def test_a_folder_without_a_picture_is_told_with_what_was_looked_for(tmp_path, source):
    (tmp_path / "notes.txt").write_text("words")
    (tmp_path / "metadata_common_attributes.csv").write_text("uuid,lat,lon,source,orig_id\n")
    (tmp_path / "uprn.csv").write_text("UPRN,LATITUDE,LONGITUDE\n")
    more = {"uprn_table": str(tmp_path / "uprn.csv")} if source == "xri" else {}
    with pytest.raises(ValueError, match=r"holds no picture .*(jpg|jpeg|jp\*g)"):
        gather(source, {"folder": str(tmp_path)} | more)


def test_any_option_that_is_no_finite_number_is_refused():
    for name in ("range_scale", "nugget", "city_side_m"):
        with pytest.raises(ValueError, match=f"source 'simulated': {name} = nan must be a finite number"):
            gather("simulated", {name: float("nan")})


def test_naming_the_sources_loads_none_of_them():
    code = (
        "import sys, geonb.photos.sources; sys.exit(any(m in sys.modules for m in ('geopandas', 'numba', 'pandera')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize(("study", "source"), [("photo_folder", "folder"), ("table", "table")])
def test_the_templates_only_use_options_that_exist(study, source):
    written = (ROOT / "notebooks" / "studies" / f"{study}.yml").read_text(encoding="utf-8")
    assert written.count("<--") == 4  # three lines to edit, and the sentence that says so
    for variant in (written, re.sub(r"^    # (\w+: )", r"    \1", written, flags=re.MULTILINE)):
        parameters = yaml.safe_load(variant)["01_photos"]
        assert parameters["source"] == source
        check_options(takes_options(source), parameters["options"], study)


# ---- real photos -----------------------------------------------------------------------------------------------------
def gathered(name):
    found, left_out = gather("folder", {"folder": f"$GEONB_REAL_DATA/{name}"})
    manifest = pd.read_csv(pictures.picture_path(f"$GEONB_REAL_DATA/{name}/manifest.csv"), keep_default_na=False)
    manifest["path"] = f"$GEONB_REAL_DATA/{name}/" + manifest["file"]
    files = [path for path in pictures.picture_path(f"$GEONB_REAL_DATA/{name}").rglob("*") if path.is_file()]
    assert len(found) + len(left_out) == len(files)
    assert set(left_out["reason"]) <= {"not a picture", "duplicate"}
    return found, left_out, found.merge(manifest, on="path", how="left", validate="1:1", suffixes=("", "_listed"))


@needs_real_data
@pytest.mark.parametrize(("name", "count"), [("hund_i_snor", 224), ("exif_cameras", 17)])
def test_real_photos_lie_where_their_manifest_says(name, count):
    found, left_out, both = gathered(name)
    assert len(found) + (left_out["reason"] == "duplicate").sum() == count
    assert sphere.distance_m(photos.lat_lon_deg(found), both[["lat", "lon"]].to_numpy()).max() < 1.0
    assert (both["width_px"] == both["width"]).all()
    assert (both["height_px"] == both["height"]).all()


@needs_real_data
def test_a_table_of_real_photos_keeps_its_korean_streets():
    options = {"table": "$GEONB_REAL_DATA/seoul_jongno/manifest.csv", "path_column": "file"}
    found, left_out = gather("table", options | {"columns": {"heading_deg": "compass"}})
    manifest = pd.read_csv(pictures.picture_path(options["table"]), keep_default_na=False)
    both = found.merge(
        manifest.assign(path="$GEONB_REAL_DATA/seoul_jongno/" + manifest["file"]),
        on="path",
        how="left",
        validate="1:1",
        suffixes=("", "_listed"),
    )
    assert (len(found), len(left_out)) == (38, 0)
    assert (both["street"] == both["street_listed"]).all()
    assert both["street"].str.contains("인사동길").any()
    assert (both["author"] == both["author_listed"]).all()
    assert np.array_equal(photos.lat_lon_deg(found), both[["lat", "lon"]].to_numpy())
    assert len(set(found["city"])) == 1
