"""Data sets of visual place recognition: names with UTM, GSV-Cities and MSLS, written here as they are published."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from geonb.earth import sphere
from geonb.photos.catalogue import lat_lon_deg
from geonb.photos.sources import gather, vpr
from tests.photos.made import by_name, cannot_list, picture

# the CN Tower: a known example of UTM, in zone 17 T
TOWER, EAST, NORTH = (43.642567, -79.387139), "630084.30", "4833438.55"


def read(layout="names", **options):
    return gather("vpr", {"folder": "d", "layout": layout, "city": "Toronto"} | options)


def told(left_out):
    """[path, reason] of what was left out."""
    return left_out[["path", "reason"]].to_numpy().tolist()


def name(east=EAST, north=NORTH, zone="17", letter="T", lat="", lon="", heading="", time=""):
    return "@".join(["", east, north, zone, letter, lat, lon, "pano", "", heading, "", "", "", time, "", ".jpg"])


@pytest.fixture
def data(root):
    return root / "d"


def test_utm_is_read_where_a_name_says_no_latitude(data):
    picture(data / "a" / name(heading="-90", time="20151124_1"))
    catalogue, left_out = read()
    assert left_out.empty
    assert sphere.distance_m(lat_lon_deg(catalogue), np.array([TOWER]))[0] < 0.5
    assert catalogue.heading_deg[0] == 270
    assert catalogue.captured_at[0] == pd.Timestamp("2015-11-24", tz="UTC")


@pytest.mark.parametrize(("letter", "south"), [("M", True), ("N", False)])
def test_the_letter_of_the_zone_tells_the_hemisphere(letter, south):
    lat_deg, lon_deg = vpr.from_utm("500000", "9000000" if south else "1000000", "31", letter)
    assert (lat_deg < 0) == south
    assert lon_deg == pytest.approx(3.0)  # the middle of zone 31


@pytest.mark.parametrize("utm", [{}, {"east": "", "north": ""}, {"east": "nan"}, {"north": "inf"}, {"zone": ""}])
def test_latitude_and_longitude_count_where_both_are_there(data, utm):
    lat, lon = f"{TOWER[0]:.6f}", f"{TOWER[1]:.6f}"
    picture(data / name(lat=lat, lon=lon, **utm))
    assert lat_lon_deg(read()[0])[0] == pytest.approx([float(lat), float(lon)])


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (name(north="inf"), "latitude out of range"),
        (name(zone="", letter=""), "no position"),  # as Nordland, whose UTM is the number of the frame
        (name(zone="61"), "broken position"),
        (name(letter="I"), "broken position"),
        (name(east="east"), "not a number"),
        (name(lat="99", lon="0"), "latitude out of range"),
        ("IMG_1.jpg", "no position"),
    ],
)
def test_a_name_that_tells_no_position_is_left_out_with_its_reason(data, said, reason):
    picture(data / name())
    picture(data / "b" / said, seed=1)
    catalogue, left_out = read()
    assert len(catalogue) == 1
    assert left_out.reason.tolist() == [reason]


def test_folders_that_cannot_be_listed_and_links_out_of_the_folder_are_told(data, root, monkeypatch):
    picture(data / name())
    picture(data / "locked" / name(heading="20"))
    picture(root / "elsewhere" / "a.jpg")
    (data / "linked").symlink_to(root / "elsewhere")
    (data / "x.jpg").symlink_to(root / "elsewhere" / "a.jpg")
    cannot_list(monkeypatch, data / "locked")
    catalogue, left_out = read()
    assert len(catalogue) == 1
    assert told(left_out) == [["d/linked", "link"], ["d/locked", "unreadable"], ["d/x.jpg", "link"]]


def test_wrong_layouts_and_folders_are_refused(data):
    data.mkdir()
    with pytest.raises(ValueError, match="layout 'gsv' must be names, gsv_cities, msls"):
        read("gsv")
    with pytest.raises(FileNotFoundError, match="no table in"):
        read("gsv_cities")
    with pytest.raises(FileNotFoundError, match=r"raw\.csv"):
        read("msls")


def gsv(data, **changes):
    """GSV-Cities with one city of two rows; changes: columns of the second."""
    row = {"place_id": "1300012", "year": "2015", "month": "7", "northdeg": "9", "city_id": "London", "panoid": "aB_-x",
           "lat": "51.5014", "lon": "-0.1419"}  # fmt: skip
    (data / "Dataframes").mkdir(parents=True)
    rows = [row, row | {"lat": "51.6", "lon": "-0.1", "panoid": "b"} | changes]
    pd.DataFrame(rows).to_csv(data / "Dataframes" / "London.csv", index=False)
    picture(data / "Images" / "London" / "London_0000012_2015_07_009_51.5014_-0.1419_aB_-x.jpg", seed=1)
    picture(data / "Images" / "London" / "London_0000012_2015_07_009_51.6_-0.1_b.JPG", seed=2)


def test_rows_of_gsv_cities_find_their_pictures_whatever_their_ending(data):
    gsv(data, northdeg="190")
    catalogue, left_out = read("gsv_cities")
    assert (catalogue.city[0], catalogue.heading_deg[0]) == ("London", 9)
    assert lat_lon_deg(catalogue)[0] == pytest.approx([51.5014, -0.1419])
    below = "d/Images/London/London_0000012_2015_07_"
    assert told(left_out) == [
        [f"{below}009_51.6_-0.1_b.JPG", "no position"], [f"{below}190_51.6_-0.1_b.JPG", "missing file"],
    ]  # fmt: skip


def test_whole_numbers_of_gsv_cities_may_be_written_with_a_point(data):
    gsv(data, year="2015.0", month="7.0", northdeg="9.0", place_id="1300012.0")
    catalogue, left_out = read("gsv_cities")
    assert left_out.empty
    assert catalogue.heading_deg.tolist() == [9, 9]


@pytest.mark.parametrize(
    ("column", "cell"), [("northdeg", ""), ("year", "twenty"), ("month", "7.5"), ("place_id", "inf")]
)
def test_a_row_of_gsv_cities_that_names_no_picture_is_left_out(data, column, cell):
    gsv(data, **{column: cell})
    catalogue, left_out = read("gsv_cities")
    assert len(catalogue) == 1
    found = left_out.set_index("reason")
    assert found.path["not a number"] == "d/Dataframes/London.csv"
    assert "row 2 of London.csv: place_id, year, month, northdeg are not whole numbers" in found.detail["not a number"]
    assert found.path["no position"].endswith("_b.JPG")  # the picture that the row would have named


def test_a_city_of_gsv_cities_without_its_table_and_pictures_without_a_row_are_listed(data):
    gsv(data)
    picture(data / "Images" / "Paris" / "x.jpg", seed=3)
    picture(data / "Images" / "London" / "extra.jpg", seed=4)
    listed = [["d/Images/London/extra.jpg", "no position"], ["d/Images/Paris", "missing table"]]
    assert told(read("gsv_cities")[1]) == listed


def msls(data, pano=False, taken="1462060800000"):
    side = data / "train_val" / "cph" / "query"
    for n in range(3):
        picture(side / "images" / f"k{n}.jpg", seed=n)
    raw = {"key": ["k0", "k1", "k2"], "lon": [12.5, 12.51, 12.52], "lat": [55.6, 55.61, 55.62],
           "ca": [30.0, -1.0, 90.0], "captured_at": ["2016-05-01", taken, ""],
           "pano": [False, False, pano]}  # fmt: skip
    derived = {"key": raw["key"], "easting": 0.0, "northing": 0.0, "night": [False, False, True]}
    drives = {"key": raw["key"], "sequence_id": ["s", "s", "t"], "frame_number": 1}
    for name, columns in (("raw", raw), ("postprocessed", derived), ("seq_info", drives)):
        pd.DataFrame(columns).to_csv(side / f"{name}.csv")  # with the index, as the data set has it


def test_the_tables_of_msls_are_joined_and_its_nights_left_out(data):
    msls(data)
    catalogue, left_out = read("msls")
    found = by_name(catalogue)
    assert found.index.tolist() == ["k0", "k1"]
    assert set(found.city) == {"cph"}
    assert found.sequence_id.tolist() == ["s", "s"]
    assert found.heading_deg["k0"] == 30
    assert np.isnan(found.heading_deg["k1"])
    assert set(found.captured_at.dt.date.astype(str)) == {"2016-05-01"}
    assert left_out.reason.tolist() == ["night"]
    assert len(read("msls", night=True)[0]) == 3


def test_panoramas_of_msls_are_left_out_unless_asked_for_and_a_time_that_cannot_be_is_none(data):
    msls(data, pano=True, taken="9" * 30)
    catalogue, left_out = read("msls", night=True)
    assert left_out.reason.tolist() == ["panorama"]
    assert by_name(catalogue).captured_at.isna()["k1"]
    assert len(read("msls", night=True, panoramas=True)[0]) == 3


def test_what_a_table_of_msls_does_not_name_is_listed(data):
    msls(data)
    for name in ("cph/query/images/extra", "paris/query/images/k9", "cph/database/images/k8"):
        picture(data / "train_val" / f"{name}.jpg")
    (data / "train_val" / "oslo").mkdir()
    left_out = read("msls", night=True)[1]
    assert told(left_out) == [
        ["d/train_val/cph/database", "missing table"], ["d/train_val/cph/query/images/extra.jpg", "no position"],
        ["d/train_val/oslo", "missing table"], ["d/train_val/paris/query", "missing table"],
    ]  # fmt: skip
    assert "no raw.csv" in left_out.detail[0]


@pytest.mark.parametrize(
    ("layout", "file", "lost"),
    [("gsv_cities", "Dataframes/London.csv", "northdeg"), ("msls", "train_val/cph/query/raw.csv", "lat"),
     ("msls", "train_val/cph/query/postprocessed.csv", "key"), ("msls", "train_val/cph/query/seq_info.csv", "key")],
)  # fmt: skip
def test_a_table_without_a_column_or_that_is_none_is_told_by_its_name(data, layout, file, lost):
    gsv(data)
    msls(data)
    pd.read_csv(data / file, dtype=str).drop(columns=lost).to_csv(data / file, index=False)
    with pytest.raises(ValueError, match=rf"{Path(file).name} has no column {lost}; it has "):
        read(layout)
