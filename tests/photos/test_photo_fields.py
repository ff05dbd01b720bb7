"""What the cells of any source tell: numbers, times, positions, boxes; and the tables of data sets."""

import math

import pandas as pd
import pytest

from geonb.photos.left_out import Unreadable
from geonb.photos.sources import photo_fields, text_tables


@pytest.mark.parametrize(
    ("cell", "number"),
    [("50.94", 50.94), (" 50,94 ", 50.94), ("-.5", -0.5), ("1e3", 1000), (7, 7), (2.5, 2.5), ("inf", math.inf),
     ("", math.nan), (None, math.nan), ("1_0", math.nan), ("0x10", math.nan), ("1,234.5", math.nan), ("nan", math.nan),
     ("1,2,3", math.nan), ("50°", math.nan), (True, math.nan)],
)  # fmt: skip
def test_a_number_is_read_with_a_point_or_a_comma_and_nothing_else(cell, number):
    assert photo_fields.number(cell) == pytest.approx(number, nan_ok=True)


@pytest.mark.parametrize(
    ("cell", "time"),
    [
        ("2024-07-09 03:25:24.045+02:00", "2024-07-09 01:25:24.045"),
        ("2024-07-09T03:25:24Z", "2024-07-09 03:25:24"),
        ("2024-07-09 3:25", "2024-07-09 03:25"),
        ("20240709", "2024-07-09"),
        ("2024", "2024-01-01"),
        (pd.Timestamp("2024-07-09 03:25", tz="Europe/Berlin"), "2024-07-09 01:25"),
        (pd.Timestamp("2024-07-09 03:25"), "2024-07-09 03:25"),
        ("", None),
        (pd.NaT, None),
    ],
)
def test_a_time_is_read_in_every_form_of_iso_8601_in_utc_without_an_offset(cell, time):
    found = photo_fields.time(cell)
    assert pd.isna(found) if time is None else found == pd.Timestamp(time, tz="UTC")


@pytest.mark.parametrize("cell", ["yesterday", "2024-13-01", "09.07.2024", "0001-01-01T00:00+03:00"])
def test_what_is_no_time_is_told(cell):
    with pytest.raises(Unreadable, match=r"not a time: captured_at is .*, not ISO 8601"):
        photo_fields.time(cell)


@pytest.mark.parametrize("taken", [10**18, 10**30, -5, "1e18", "1e15", "9" * 30, "-5", "soon", "", None])
def test_milliseconds_that_cannot_be_a_time_are_none(taken):
    assert photo_fields.of_milliseconds(taken) == ""
    assert photo_fields.of_milliseconds("1577836800000") == pd.Timestamp("2020-01-01", tz="UTC")


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ([1, 2, 3], r"box \[1, 2, 3\] must be \[south, west, north, east\]"),
        ([52.0, 4.0, 51.0, 4.1], r"box \[52.0, 4.0, 51.0, 4.1\] must be"),
        ([52.0, 179.0, 53.0, -179.0], "cut it at the date line"),
        ([4.0, 52.0, 4.1, 51.0], "must be"),
        ([-122.5, 37.7, -122.3, 37.8], r"west, south, east, north it is \[37.7, -122.5, 37.8, -122.3\]"),
        ([52.0, 4.0, float("nan"), 4.1], "must be"),
        ([float("nan"), 170, 12, 180], r"box \[nan, 170, 12, 180\] must be"),
        ([10, 170, 12, 1e9], "must be"),
        ([52.0, "4", 52.1, 4.1], "must be"),
        ([172, 10.5, 180, 12.5], r"west, south, east, north it is \[10.5, 172, 12.5, 180\]"),
    ],
)
def test_a_box_that_cannot_be_meant_is_refused(box, words):
    with pytest.raises(ValueError, match=words):
        photo_fields.box_sides(box)


def test_a_box_may_lie_across_the_date_line_where_its_source_says_so():
    assert photo_fields.box_sides([-18, 177, -16, -179], across=True) == [-18, 177, -16, -179]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", r"t\.csv is no CSV in UTF-8 .*: save it as CSV UTF-8"),
        (b"id,lat\n1,\xff\n", r"t\.csv is no CSV in UTF-8"),
        (b'id,lat\n"1,2\n', r"t\.csv is no CSV in UTF-8"),
        (b"id,lon\n1,2\n", r"t\.csv has no column lat; it has id, lon"),
    ],
)
def test_a_csv_that_is_none_or_lacks_a_column_is_told_by_its_name(tmp_path, content, words):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        text_tables.rows_of(tmp_path / "t.csv", ("id", "lat"))


def test_wanted_rows_and_columns_of_a_csv_are_read_as_text_some_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(text_tables, "ROWS_AT_ONCE", 2)
    (tmp_path / "t.csv").write_text("id,lat,country,more\n" + "".join(f"00{n},5{n}.0,NA,x\n" for n in range(7)))
    rows = text_tables.rows_of(
        tmp_path / "t.csv", ("id",), more=("country", "gone"), keep=lambda some: some[some.id > "003"]
    )
    assert rows.to_dict("list") == {"id": ["004", "005", "006"], "country": ["NA"] * 3}
    with pytest.raises(FileNotFoundError, match=r"none\.csv is not in .*: the folder must be that of the data set"):
        text_tables.columns_of(tmp_path / "none.csv")
