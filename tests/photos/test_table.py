"""A table of one's own: every row ends as a photo or with its reason, and no coordinate is guessed."""

import geopandas
import numpy as np
import pandas as pd
import pytest
import yaml
from pyproj import CRS
from shapely import LineString, Point

from geonb.earth import sphere
from geonb.files import ROOT
from geonb.photos.catalogue import catalogue, lat_lon_deg
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
@pytest.mark.parametrize("content", [b"PAR1 and nothing", b"", b"{}"])
def test_a_file_that_is_not_what_it_is_called_is_told(place, name, content):
    (place.folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} cannot be read as what its name says"):
        table.read(table=str(place.folder / name))


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
        ("530268000,179640", "broken position", "north 530268000, east 179640 [metre] lies outside of"),
        ("5e6,5e6", "broken position", "lies outside of"),
        ('"179,640","530,268"', "not a number", "the comma of 179,640 may part thousands or decimals: write none"),
    ],
)
def test_north_and_east_that_cannot_be_meant_are_left_out(place, row, reason, words):
    content = f'path,north,east\nimages/a.jpg,"179640,5","530268,25"\nimages/b.jpg,{row}\n'
    rows, left_out = place(content, **BRITISH)
    assert len(rows) == 1
    assert left_out["reason"].tolist() == [reason]
    assert words in left_out["detail"][0]


def test_swapped_coordinates_are_told_with_the_way_out_and_exchanged_when_asked_for(place, saved):
    content = "path,lat,lon\nimages/a.jpg,126.98,37.57\nimages/b.jpg,126.99,37.58\nimages/c.jpg,,\n"
    words = "row 1 has latitude 126.98, longitude 37.57: 2 of 2 rows look like exchanged latitude"
    with pytest.raises(ValueError, match=words):
        place(content)
    for how in ({"swap_lat_lon": True}, {"lat_column": "lon", "lon_column": "lat"}):
        assert at(place(content, **how)[0]) == [[37.57, 126.98], [37.58, 126.99]]
    assert at(saved("p.parquet", [Point(50.94, 6.97)], options={"swap_lat_lon": True})[0]) == [[50.94, 6.97]]


def test_coordinates_in_metres_are_told_with_the_option_that_names_their_system(place, saved):
    content = "path,north,east\nimages/c.jpg,,\nimages/a.jpg,6610909,530268\nimages/b.jpg,6610950,530270\n"
    words = r"row 2 has latitude 6610909, longitude 530268: 2 of 3 rows look like metres.*in the option crs"
    with pytest.raises(ValueError, match=words):
        place(content + "images/c.jpg,50.9,6.9\n", lat_column="north", lon_column="east")
    with pytest.raises(ValueError, match=r"2 of 2 rows look like metres.*must be saved with the system it is in"):
        saved("p.parquet", geopandas.points_from_xy([530268, 530270], [6610909, 6610950]))


def test_longitudes_up_to_360_are_told_and_taken_only_when_asked_for(place):
    around = "path,lat,lon\nimages/a.jpg,40.7,286.0\nimages/b.jpg,50.9,6.9\nimages/c.jpg,40.8,286.1\n"
    with pytest.raises(ValueError, match=r"row 1 has latitude 40\.7, longitude 286: 2 of 3 .*set lon_0_to_360: true"):
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


def test_a_table_of_points_gives_these_whatever_its_columns_say(saved):
    assert at(saved("p.parquet", POINTS, lat=[1, 2], lon=[3, 4])[0]) == [[50.9, 6.9], [50.95, 6.95]]
    with pytest.raises(ValueError, match="leave it out beside lon_0_to_360 and points"):
        saved("p.parquet", POINTS, options={"crs": "EPSG:25832"})


@pytest.mark.parametrize(
    ("crs", "lat_deg", "lon_deg", "inside"),
    [
        ("EPSG:27700", 51.5, 2.5, True),  # within the margin
        ("EPSG:27700", 51.5, 9.0, False),
        ("EPSG:3460", -17.0, -179.0, True),  # Fiji, across the date line
        ("EPSG:3857", float("inf"), float("inf"), False),
    ],
)
def test_the_area_of_a_coordinate_system_has_a_margin(crs, lat_deg, lon_deg, inside):
    assert table.within(CRS(crs).area_of_use, lat_deg, lon_deg) == inside


def test_the_study_of_global_streetscapes_reads_the_table_that_the_book_makes_of_its_files(tmp_path, monkeypatch):
    """The columns of the published files, as far as they are used."""
    uuids = [f"d39b5e69-6291-46fc-a2f8-{number:012x}" for number in range(4)]
    for uuid in uuids[:3]:
        picture(tmp_path / "images" / "Köln" / f"{uuid}.jpeg")
    key = {"uuid": uuids, "source": "Mapillary", "orig_id": range(4)}
    common = {"lat": 50.9, "lon": [6.95, 6.96, 6.97, 6.98], "datetime_local": "2024-07-09 03:24:10.913000+02:00",
              "heading": ["29.5", "", "", ""], "projection_type": ["perspective", "spherical"] + ["perspective"] * 2,
              "sequence_id": "s"}  # fmt: skip
    (tmp_path / "data").mkdir()
    for name, columns in (
        ("metadata_common_attributes", common), ("contextual", {"lighting_condition": ["day", "day", "night", "day"]}),
        ("simplemaps", {"city": "Köln", "city_ascii": "Koln", "admin_name": "NRW", "country": "Germany"}),
    ):  # fmt: skip
        pd.DataFrame(key | columns).to_csv(tmp_path / "data" / f"{name}.csv", index=False)
    book = (ROOT / "book" / "your_own_photos.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    exec(book.partition("## A part of Global Streetscapes")[2].partition("```python\n")[2].partition("```")[0], {})
    study = yaml.safe_load((ROOT / "notebooks" / "studies" / "global_streetscapes.yml").read_text(encoding="utf-8"))
    options = study["01_photos"]["options"] | {"table": str(tmp_path / "photos.csv")}
    found, left_out = gather(study["01_photos"]["source"], options)
    assert left_out.empty
    (photo,) = found.itertuples()
    assert (photo.city, photo.country, photo.source, photo.licence) == ("Köln", "Germany", "Mapillary", "CC BY-SA 4.0")
    assert (photo.geometry.y, photo.geometry.x, photo.heading_deg, photo.sequence_id) == (50.9, 6.95, 29.5, "s")
    assert photo.captured_at == pd.Timestamp("2024-07-09 01:24:10.913", tz="UTC")
