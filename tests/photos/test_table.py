"""A table of one's own: every row ends as a photo or with its reason, and no coordinate is guessed."""

import geopandas
import numpy as np
import pandas as pd
import pytest
from shapely import LineString, Point

from geonb.earth import sphere
from geonb.photos.catalogue import catalogue, lat_lon_deg
from geonb.photos.sources import table
from tests.photos.made import picture


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


@pytest.fixture
def saved(place):
    """A function that writes points beside other columns as a file of any format, and reads it."""

    def read(name, geometry, *, written=4326, crs=4326, options=(), **columns):
        columns = {"path": [f"images/{letter}.jpg" for letter in "abc"[: len(geometry)]]} | columns
        frame = geopandas.GeoDataFrame(columns, geometry=geometry, crs=crs)
        frame = frame.to_crs(written) if crs and not name.endswith("json") else frame
        file = place.folder / name
        frame.to_parquet(file) if file.suffix == ".parquet" else frame.to_file(file)
        return table.read(table=str(file), **dict(options))

    return read


def at(rows):
    """Latitude and longitude of the rows as lists."""
    return rows[["lat_deg", "lon_deg"]].to_numpy().tolist()


GOOD = "path,lat,lon,street,heading\nimages/a.jpg,50.9,6.9,인사동길,10\nimages/b.jpg,50.91,6.9,,350.5\n"
POINTS = geopandas.points_from_xy([6.9, 6.95], [50.9, 50.95])


def test_a_row_of_a_table_becomes_a_row_of_the_catalogue(place):
    rows, left_out = place(GOOD, columns={"heading_deg": "heading"}, licence="CC0")
    found = catalogue(rows)
    assert not len(left_out)
    assert list(found["street"]) == ["인사동길", ""]
    assert list(found["heading_deg"]) == [10, 350.5]
    assert np.array_equal(lat_lon_deg(found), [[50.9, 6.9], [50.91, 6.9]])
    assert list(found["path"]) == [f"{place.folder}/images/a.jpg", f"{place.folder}/images/b.jpg"]
    assert set(found["licence"]) == {"CC0"}


def test_the_value_of_a_row_goes_before_the_option_and_a_field_can_be_switched_off(place):
    content = "path,lat,lon,city,country,author\nimages/a.jpg,1,2,Windhoek,NA,B\nimages/b.jpg,1,2,,,\n"
    rows, _ = place(content, city="Köln", country="Germany", author="A", columns={"author": ""})
    assert list(rows["city"]) == ["Windhoek", "Köln"]
    assert list(rows["country"]) == ["NA", "Germany"]
    assert list(rows["author"]) == ["A", "A"]


@pytest.mark.parametrize(
    ("row", "reason", "words"),
    [
        ("images/b.jpg,fifty,6.9,,", "not a number", "row 2: lat is 'fifty', not decimal degrees"),
        ("images/b.jpg,1_0,6.9,,", "not a number", "row 2: lat is '1_0', not decimal degrees"),
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


def test_paths_may_begin_elsewhere(place, tmp_path):
    rows, _ = place("path,lat,lon\na.jpg,1,2\n../images/b.jpg,1,2\n", folder=f"{tmp_path}/images/")
    assert list(rows["path"]) == [f"{tmp_path}/images/../images/b.jpg", f"{tmp_path}/images/a.jpg"]
    rows, _ = place(f"path,lat,lon\n{tmp_path}/images/a.jpg,1,2\n", folder="elsewhere")
    assert list(rows["path"]) == [f"{tmp_path}/images/a.jpg"]
    with pytest.raises(FileNotFoundError, match=r"none\.csv' is not a file"):
        table.read(table=str(tmp_path / "none.csv"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lat_column": "latitude"}, "no column 'latitude' for lat_deg; it has path, lat, lon, street, heading: set"),
        ({"path_column": "file"}, "no column 'file' for path; it has path, lat, lon, street, heading"),
        ({"columns": {"city": "town"}}, "no column 'town' for city; it has path, lat, lon, street, heading"),
        ({"columns": {"compass": "heading"}}, r"no field \['compass'\]; these can be mapped: city, country"),
        ({"columns": {"heading_deg": ["heading"]}}, r"no column \['heading'\] for heading_deg"),
        ({"layer": "new"}, r"photos\.csv has no layers"),
        ({"crs": "EPSG:1"}, "crs 'EPSG:1' is no coordinate system"),
        ({"crs": "EPSG:27700", "lat_column": "north"}, "no column 'north' for lat_deg"),
        ({"crs": "EPSG:4978"}, "is no (grid|coordinate system).*EPSG:27700 is one"),
        ({"crs": "EPSG:5773"}, "is no (grid|coordinate system).*EPSG:27700 is one"),
        ({"crs": 'LOCAL_CS["mine",UNIT["metre",1]]'}, "is no (grid|coordinate system).*EPSG:27700 is one"),
        ({"crs": "EPSG:32633", "lon_0_to_360": True}, "leave it out beside lon_0_to_360"),
    ],
)
def test_options_that_do_not_fit_the_table_are_told(place, options, words):
    with pytest.raises(ValueError, match=words):
        place(GOOD, **options)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize(
    ("first", "mark"),
    [("", ";"), ("sep=;\n", ";"), ('"sep=;"\n', ";"), ("SEP=,\n", ","), ("sep=\t\n", "\t"), ("sep=|\n", "|")],
)
def test_separators_are_found_or_honoured_with_decimal_commas_and_a_byte_order_mark(place, encoding, first, mark):
    rows = ["path", "lat", "lon"], ["images/a.jpg", '"50,9"', "6.9"], ["images/z.jpg", "50.9", "6.9"]
    rows, left_out = place(first + "\n".join([*(mark.join(row) for row in rows), ""]), encoding=encoding)
    assert at(rows) == [[50.9, 6.9]]
    assert left_out["detail"].tolist() == ["row 2: there is no file"]


@pytest.mark.parametrize(
    ("content", "encoding", "words"),
    [
        ("", "utf-8", "no CSV in UTF-8 with one header"),
        ("path,lat,lon\nimages/a.jpg,1,2,3,4\n", "utf-8", "no CSV in UTF-8 with one header"),
        ("path,lat,lon,city\nimages/a.jpg,50.9,6.9,Köln\n", "latin-1", r"is no CSV in UTF-8 .*: save it as CSV UTF-8"),
        ("path,lat,lat,lon\nimages/a.jpg,50.9,51.9,6.9\n", "utf-8", "csv has several columns 'lat': rename them"),
    ],
)
def test_a_csv_that_is_none_is_told(place, content, encoding, words):
    with pytest.raises(ValueError, match=words):
        place(content, encoding=encoding)


def test_blanks_around_the_names_of_columns_do_not_count(place):
    assert at(place("path, lat , lon\nimages/a.jpg, 50.9, 6.9\n")[0]) == [[50.9, 6.9]]


@pytest.mark.parametrize("name", ["photos.parquet", "photos.geojson", "photos.gpkg"])
def test_a_table_of_points_gives_these_in_any_projection_and_its_times(saved, name):
    times = pd.to_datetime(["2024-07-09 03:25:24+02:00", None], utc=True)
    rows, left_out = saved(name, POINTS, written=25832, captured_at=times)
    found = catalogue(rows)
    assert not len(left_out)
    assert sphere.distance_m(lat_lon_deg(found), [[50.9, 6.9], [50.95, 6.95]]).max() < 0.001
    assert found["captured_at"][0] == times[0]
    assert found["captured_at"].isna().tolist() == [False, True]


def test_a_geoparquet_table_without_a_point_or_a_projection_is_told(saved):
    assert list(saved("p.parquet", [Point(6.9, 50.9), None])[1]["reason"]) == ["no position"]
    with pytest.raises(ValueError, match="Point"):
        saved("p.parquet", [None, LineString([(0, 0), (1, 1)])])
    with pytest.raises(ValueError, match="naive geometries"):
        saved("p.parquet", [Point(6.9, 50.9), None], crs=None)


def test_of_several_layers_one_is_named(place, capsys):
    file = place.folder / "photos.gpkg"
    for layer, name in (("old", "a"), ("new", "b")):
        frame = geopandas.GeoDataFrame({"path": [f"images/{name}.jpg"]}, geometry=[Point(6.9, 50.9)], crs=4326)
        frame.to_file(file, layer=layer)
    for options in ({}, {"layer": "newer"}):
        with pytest.raises(ValueError, match=r"photos\.gpkg has the layers old, new: name one of them"):
            table.read(table=str(file), **options)
    assert table.read(table=str(file), layer="new")[0]["path"][0].endswith("b.jpg")
    assert capsys.readouterr().err == ""


def test_a_table_with_a_header_and_no_rows_is_told(place):
    with pytest.raises(ValueError, match=r"csv has columns path, lat, lon and no rows: one row for each photo"):
        place("path,lat,lon\n")


@pytest.mark.parametrize("name", ["photos.parquet", "photos.gpkg", "photos.geojson"])
def test_points_and_columns_that_disagree_are_refused_with_the_worst_row(saved, name):
    rows, left_out = saved(name, POINTS, written=25832, lat=[50.9, 50.950005], lon=[6.9, 6.95])
    assert rows["lat_deg"].tolist() == pytest.approx([50.9, 50.95])
    assert left_out.empty
    words = (
        r"columns lat, lon and points of the table lie more than 1 m apart in 1 of 2 rows, in row 2 by 111[,.\d]* m: "
        r".*lat_column: '' and lon_column: '' take the points"
    )
    with pytest.raises(ValueError, match=words):
        saved(name, POINTS, lat=[50.9, 51.95], lon=[6.9, 6.95])
    rows, _ = saved(name, POINTS, lat=[50.9, 51.95], lon=[6.9, 6.95], options={"lat_column": "", "lon_column": ""})
    assert rows["lat_deg"].tolist() == pytest.approx([50.9, 50.95])
    with pytest.raises(ValueError, match=r"lie more than 1 m apart in 2 of 2 rows"):
        saved(name, POINTS, lat=[6.9, 6.95], lon=[50.9, 50.95])
