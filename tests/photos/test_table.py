"""A table of one's own: every row ends as a photo or with its reason, and no coordinate is guessed."""

import os

import geopandas
import numpy as np
import pandas as pd
import pytest
from shapely import LineString, Point, box

from geonb.earth import sphere
from geonb.photos.catalogue import catalogue, lat_lon_deg
from geonb.photos.pictures import picture_path
from geonb.photos.sources import gather, table
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


# ---- rows ------------------------------------------------------------------------------------------------------------
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


def test_times_and_headings_are_understood_in_their_usual_forms(place):
    content = "path,lat,lon,heading_deg,captured_at\nimages/a.jpg,1,2,-90,2024-07-09 03:25:24.045+02:00\n"
    found = catalogue(place(content + "images/b.jpg,1,2,360,2024-07-09\n")[0])
    assert list(found["heading_deg"]) == [270, 0]
    times = pd.to_datetime(["2024-07-09 01:25:24.045", "2024-07-09"], format="ISO8601", utc=True)
    assert list(found["captured_at"]) == list(times)


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
        ({"lat_column": "latitude"}, r"no column \['latitude'\]; it has path, lat, lon, street, heading"),
        ({"path_column": "file"}, r"no column \['file'\]; it has path, lat, lon, street, heading"),
        ({"columns": {"city": "town"}}, r"no column \['town'\]; it has path, lat, lon, street, heading"),
        ({"columns": {"compass": "heading"}}, r"no field \['compass'\]; these can be mapped: city, country"),
        ({"columns": {"heading_deg": ["heading"]}}, r"heading_deg is \['heading'\], not the name of a column"),
        ({"columns": {"heading_deg": 3}}, "columns: heading_deg is 3, not the name of a column"),
        ({"lon_column": "lat"}, "lat_column and lon_column are both 'lat': each needs a column of its own"),
        ({"layer": "new"}, r"photos\.csv has no layers"),
        ({"crs": "EPSG:1"}, "crs 'EPSG:1' is no coordinate system"),
        ({"crs": "EPSG:27700", "lat_column": "north"}, "crs 'EPSG:27700' is of columns 'north' and 'lon'"),
        ({"crs": "EPSG:4978"}, "is no (grid|coordinate system).*EPSG:27700 is one"),
        ({"crs": "EPSG:5773"}, "is no (grid|coordinate system).*EPSG:27700 is one"),
        ({"crs": 'LOCAL_CS["mine",UNIT["metre",1]]'}, "is no (grid|coordinate system).*EPSG:27700 is one"),
        ({"crs": "EPSG:32633", "lon_0_to_360": True}, "lon_0_to_360 is of degrees: leave it out beside crs"),
    ],
)
def test_options_that_do_not_fit_the_table_are_told(place, options, words):
    with pytest.raises(ValueError, match=words):
        place(GOOD, **options)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("path,LAT,LON", ": set lat_column: LAT, lon_column: LON"),
        ("path,Latitude,Longitude", ": set lat_column: Latitude, lon_column: Longitude"),
        ("path,latitude_deg,longitude_deg", ": set lat_column: latitude_deg, lon_column: longitude_deg"),
        ("path,y,x", ": set lat_column: y, lon_column: x, and crs if they are in metres"),
        ("path,northing,easting", ": set lat_column: northing, lon_column: easting, and crs if they are in metres"),
        ("path,lat,lng", ": set lon_column: lng"),
        ("filename,lat,lon", ": set path_column: filename"),
        ("File,GPSLatitude,GPSLongitude",
         ": set path_column: File, lat_column: GPSLatitude, lon_column: GPSLongitude"),
        ("path,a,b", ""),  # that nobody could mean
    ],
)  # fmt: skip
def test_columns_of_other_names_are_named_with_the_options_that_take_them(place, header, words):
    with pytest.raises(ValueError, match=rf"the table has no column .*; it has {header.replace(',', ', ')}{words}$"):
        place(f"{header}\nimages/a.jpg,50.9,6.9\n")


# ---- files -----------------------------------------------------------------------------------------------------------
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
        ("", "utf-8", "not a CSV with one header"),
        ("path,lat,lon\nimages/a.jpg,1,2,3,4\n", "utf-8", "not a CSV with one header"),
        ("path,lat,lon,city\nimages/a.jpg,50.9,6.9,Köln\n", "latin-1", r"is not UTF-8 .*: save it as CSV UTF-8"),
        ("path,lat,lat,lon\nimages/a.jpg,50.9,51.9,6.9\n", "utf-8", r"csv has 2 columns 'lat': rename one of them"),
    ],
)
def test_a_csv_that_is_none_is_told(place, content, encoding, words):
    with pytest.raises(ValueError, match=words):
        place(content, encoding=encoding)


def test_blanks_around_the_names_of_columns_do_not_count(place):
    assert at(place("path, lat , lon\nimages/a.jpg, 50.9, 6.9\n")[0]) == [[50.9, 6.9]]


def test_a_geoparquet_table_gives_its_points_in_any_projection_and_its_times(saved):
    times = pd.to_datetime(["2024-07-09 03:25:24+02:00", None], utc=True)
    rows, left_out = saved("photos.parquet", POINTS, written=25832, captured_at=times)
    found = catalogue(rows)
    assert not len(left_out)
    assert sphere.distance_m(lat_lon_deg(found), [[50.9, 6.9], [50.95, 6.95]]).max() < 0.001
    assert found["captured_at"][0] == times[0]
    assert found["captured_at"].isna().tolist() == [False, True]


@pytest.mark.parametrize("name", ["photos.geojson", "photos.gpkg"])
def test_tables_of_points_of_a_gis_are_read(saved, name):
    rows, left_out = saved(name, POINTS, written=25832, street=["x", "y"])
    assert not len(left_out)
    np.testing.assert_allclose(np.array(at(rows), float), [[50.9, 6.9], [50.95, 6.95]], atol=1e-6)
    assert list(rows["street"]) == ["x", "y"]


def test_a_geoparquet_table_without_a_point_or_a_projection_is_told(saved):
    assert list(saved("p.parquet", [Point(6.9, 50.9), None])[1]["reason"]) == ["no position"]
    with pytest.raises(ValueError, match="row 2 is a LineString, not a Point"):
        saved("p.parquet", [None, LineString([(0, 0), (1, 1)])])
    with pytest.raises(ValueError, match="does not say its coordinate system"):
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


def test_a_plain_parquet_table_is_read_by_its_columns(place):
    frame = pd.DataFrame({"path": ["images/a.jpg"], "lat": [50.9], "lon": [6.9], "heading_deg": [None], "city": [None]})
    frame.to_parquet(place.folder / "photos.parquet")
    rows, _ = table.read(table=str(place.folder / "photos.parquet"))
    assert catalogue(rows)["city"][0] == "near 50.90N 6.90E"


@pytest.mark.parametrize("name", ["photos.csv", "photos.parquet", "photos.gpkg"])
def test_a_table_with_a_header_and_no_rows_is_told(place, name):
    frame, file = pd.DataFrame({"path": [], "lat": [], "lon": []}), place.folder / name
    if name.endswith("csv"):
        frame.to_csv(file, index=False)
    elif name.endswith("parquet"):
        frame.to_parquet(file)
    else:
        geopandas.GeoDataFrame(frame.astype({"path": str}), geometry=[], crs=4326).to_file(file)
    with pytest.raises(ValueError, match=rf"{name} has columns path, lat, lon.* and no rows: one row for each photo"):
        table.read(table=str(file))


@pytest.mark.parametrize("name", ["photos.parquet", "photos.gpkg", "photos.geojson"])
@pytest.mark.parametrize("content", [b"PAR1 and nothing", b"", b"{}"])
def test_a_file_that_is_not_what_it_is_called_is_told(place, name, content):
    (place.folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} cannot be read as what its name says"):
        table.read(table=str(place.folder / name))


# ---- a grid ----------------------------------------------------------------------------------------------------------
BRITISH = {"lat_column": "north", "lon_column": "east", "crs": "EPSG:27700"}


@pytest.mark.parametrize(
    ("crs", "north", "east", "expected", "within_m"),
    [
        ("EPSG:27700", "179640", "530268", [51.50072, -0.12463], 25),  # Elizabeth Tower on the British National Grid
        ("EPSG:32617", "4833438.55", "630084,30", [43.642567, -79.387139], 0.5),  # the CN Tower in UTM zone 17 N
    ],
)
def test_north_and_east_of_a_grid_become_degrees(place, crs, north, east, expected, within_m):
    content = f'path,north,east\nimages/a.jpg,{north},"{east}"\nimages/b.jpg,far,1\n'
    rows, left_out = place(content, **BRITISH | {"crs": crs})
    assert sphere.distance_m(np.array(at(rows), float), np.array([expected]))[0] < within_m
    assert left_out["detail"].tolist() == ["row 2: north [metre] is 'far', not a number"]


@pytest.mark.parametrize(
    ("row", "reason", "words"),
    [
        ("530268000,179640", "broken position", "north [metre] 530268000, east [metre] 179640 lies outside of"),
        ("5e6,5e6", "broken position", "lies outside of"),
        ('"179,640","530,268"', "not a number", "'179,640', whose comma may part thousands or decimals: write it wit"),
    ],
)
def test_north_and_east_that_cannot_be_meant_are_left_out(place, row, reason, words):
    content = f'path,north,east\nimages/a.jpg,"179640,5","530268,25"\nimages/b.jpg,{row}\n'
    rows, left_out = place(content, **BRITISH)
    assert len(rows) == 1
    assert left_out["reason"].tolist() == [reason]
    assert words in left_out["detail"][0]


# ---- coordinates that are not what they seem -------------------------------------------------------------------------
def test_swapped_coordinates_are_told_with_the_way_out_and_exchanged_when_asked_for(place, saved):
    content = "path,lat,lon\nimages/a.jpg,126.98,37.57\nimages/b.jpg,126.99,37.58\nimages/c.jpg,,\n"
    words = "look swapped: row 1 has latitude 126.98, longitude 37.57; set swap_lat_lon: true"
    with pytest.raises(ValueError, match=words):
        place(content)
    for how in ({"swap_lat_lon": True}, {"lat_column": "lon", "lon_column": "lat"}):
        assert at(place(content, **how)[0]) == [[37.57, 126.98], [37.58, 126.99]]
    assert at(saved("p.parquet", [Point(50.94, 6.97)], options={"swap_lat_lon": True})[0]) == [[50.94, 6.97]]


def test_coordinates_in_metres_are_told_with_the_option_that_names_their_system(place, saved):
    content = "path,north,east\nimages/c.jpg,,\nimages/a.jpg,6610909,530268\nimages/b.jpg,6610950,530270\n"
    words = r"row 2 has north 6610909, east 530268: 2 of 3 rows look like metres.*option crs, such as EPSG:32633"
    with pytest.raises(ValueError, match=words):
        place(content + "images/c.jpg,50.9,6.9\n", lat_column="north", lon_column="east")
    with pytest.raises(ValueError, match=r"its points look like metres.*save it with the system that they are in"):
        saved("p.parquet", geopandas.points_from_xy([530268, 530270], [6610909, 6610950]))


def test_longitudes_up_to_360_are_told_and_taken_only_when_asked_for(place):
    around = "path,lat,lon\nimages/a.jpg,40.7,286.0\nimages/b.jpg,50.9,6.9\nimages/c.jpg,40.8,286.1\n"
    with pytest.raises(
        ValueError, match=r"row 1 has longitude 286\.0.*2 of 3.*set lon_0_to_360: true, which takes 286"
    ):
        place(around)
    rows, left_out = place(around, lon_0_to_360=True)
    assert rows["lon_deg"].tolist() == pytest.approx([-74.0, 6.9, -73.9])
    assert left_out.empty


def test_one_longitude_beyond_180_beside_negative_ones_is_a_row_that_is_left_out(place):
    rows, left_out = place("path,lat,lon\nimages/a.jpg,40.7,286.0\nimages/b.jpg,50.9,-6.9\nimages/c.jpg,40.8,7\n")
    assert len(rows) == 2
    assert left_out["reason"].tolist() == ["longitude out of range"]
    rows, _ = place("path,lat,lon\nimages/a.jpg,40.7,-74\nimages/b.jpg,50.9,370\n", lon_0_to_360=True)
    assert rows["lon_deg"].tolist() == [-74.0]  # nothing else is turned


@pytest.mark.parametrize("name", ["photos.parquet", "photos.gpkg", "photos.geojson"])
def test_points_and_columns_that_disagree_are_refused_with_the_worst_row(saved, name):
    rows, left_out = saved(name, POINTS, written=25832, lat=[50.9, 50.950005], lon=[6.9, 6.95])
    assert rows["lat_deg"].tolist() == [50.9, 50.950005]
    assert left_out.empty
    words = (
        r"columns lat, lon and points of the table lie more than 1 m apart in 1 of 2 rows, in row 2 by 111[,.\d]* m: "
        r"51\.95, 6\.95 beside the point 50\.95\S*, 6\.95.*lat_column: '' and lon_column: '' take the points"
    )
    with pytest.raises(ValueError, match=words):
        saved(name, POINTS, lat=[50.9, 51.95], lon=[6.9, 6.95])
    columns = {"lat_column": "", "lon_column": ""}
    rows, _ = saved(name, POINTS, lat=[50.9, 51.95], lon=[6.9, 6.95], options=columns)
    assert rows["lat_deg"].tolist() == pytest.approx([50.9, 50.95])
    with pytest.raises(ValueError, match=r"lie more than 1 m apart in 2 of 2 rows"):
        saved(name, POINTS, lat=[6.9, 6.95], lon=[50.9, 50.95])
    assert len(saved(name, POINTS, lat=[6.9, 6.95], lon=[50.9, 50.95], options={"swap_lat_lon": True})[0]) == 2


def test_columns_of_a_grid_are_compared_with_the_points_too_and_rows_without_a_point_are_not(saved):
    grid = geopandas.GeoSeries(POINTS, crs=4326).to_crs(25832)
    how = {"lat_column": "north", "lon_column": "east", "crs": "EPSG:25832"}
    assert len(saved("p.parquet", POINTS, written=25832, north=grid.y, east=grid.x, options=how)[0]) == 2
    with pytest.raises(ValueError, match=r"in 2 of 2 rows, in row \d by 3(\.0)? m"):
        saved("p.parquet", POINTS, written=25832, north=grid.y + 3, east=grid.x, options=how)
    shapes = [Point(6.9, 50.9), None, box(0, 0, 1, 1)]
    assert len(saved("p.parquet", shapes, lat=[50.9, 50.91, 50.92], lon=6.9)[0]) == 3


# ---- real photos -----------------------------------------------------------------------------------------------------
@pytest.mark.skipif("GEONB_REAL_DATA" not in os.environ, reason="GEONB_REAL_DATA is not set: no real photos to read")
def test_a_table_of_real_photos_keeps_its_korean_streets():
    options = {"table": "$GEONB_REAL_DATA/seoul_jongno/manifest.csv", "path_column": "file"}
    found, left_out = gather("table", options | {"columns": {"heading_deg": "compass"}})
    manifest = pd.read_csv(picture_path(options["table"]), keep_default_na=False)
    manifest = manifest.assign(path="$GEONB_REAL_DATA/seoul_jongno/" + manifest["file"])
    both = found.merge(manifest, on="path", how="left", validate="1:1", suffixes=("", "_listed"))
    assert (len(found), len(left_out)) == (38, 0)
    assert (both["street"] == both["street_listed"]).all()
    assert both["street"].str.contains("인사동길").any()
    assert (both["author"] == both["author_listed"]).all()
    np.testing.assert_allclose(lat_lon_deg(found), both[["lat", "lon"]].to_numpy(), rtol=1e-15)
    assert len(set(found["city"])) == 1
