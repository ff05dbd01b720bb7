"""Data sets of visual place recognition: names with UTM, GSV-Cities and MSLS, written here as they are published."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from geonb import files
from geonb.earth import sphere
from geonb.photos import catalogue as photos
from geonb.photos.sources import gather, listing, vpr

# the CN Tower: a known example of UTM, in zone 17 T
TOWER, EAST, NORTH = (43.642567, -79.387139), "630084.30", "4833438.55"


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    return tmp_path / "d"


def picture(file, number=0):
    file.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "JPEG")


def name(east=EAST, north=NORTH, zone="17", letter="T", lat="", lon="", heading="", time=""):
    return "@".join(["", east, north, zone, letter, lat, lon, "pano", "", heading, "", "", "", time, "", ".jpg"])


def by_file(catalogue):
    return catalogue.set_index(catalogue.path.map(lambda path: Path(path).name))


# ---- names -----------------------------------------------------------------------------------------------------------
def test_utm_is_read_where_a_name_says_no_latitude(root):
    picture(root / "a" / name(heading="-90", time="20151124_1"))
    catalogue, left_out = gather("vpr", {"folder": "d", "city": "Toronto"})
    assert left_out.empty
    assert sphere.distance_m(photos.lat_lon_deg(catalogue), np.array([TOWER]))[0] < 0.5
    assert catalogue.heading_deg[0] == 270
    assert catalogue.captured_at[0] == pd.Timestamp("2015-11-24", tz="UTC")


@pytest.mark.parametrize(("letter", "south"), [("M", True), ("N", False)])
def test_the_letter_of_the_zone_tells_the_hemisphere(letter, south):
    lat_deg, lon_deg = vpr.from_utm("500000", "9000000" if south else "1000000", "31", letter)
    assert (lat_deg < 0) == south
    assert lon_deg == pytest.approx(3.0)  # the middle of zone 31


@pytest.mark.parametrize("utm", [{}, {"east": "", "north": ""}, {"east": "nan"}, {"north": "inf"}, {"zone": ""}])
def test_latitude_and_longitude_count_where_both_are_there(root, utm):
    lat, lon = f"{TOWER[0]:.6f}", f"{TOWER[1]:.6f}"
    picture(root / name(lat=lat, lon=lon, **utm))
    catalogue, _ = gather("vpr", {"folder": "d", "city": "Toronto"})
    assert photos.lat_lon_deg(catalogue)[0] == pytest.approx([float(lat), float(lon)])


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (name(lat="43.7", lon="-79.387"), "broken position"),  # 6 km away from its own UTM
        (name(lat="43.64", lon="-79.387", north="1e30"), "broken position"),  # UTM that is nowhere
        (name(north="inf"), "latitude out of range"),
        (name(zone="", letter=""), "no position"),  # as Nordland, whose UTM is the number of the frame
        (name(zone="61"), "broken position"),
        (name(letter="I"), "broken position"),
        (name(east="east"), "not a number"),
        (name(lat="99", lon="0"), "latitude out of range"),
        ("IMG_1.jpg", "no position"),
    ],
)
def test_a_name_that_tells_no_position_is_left_out_with_its_reason(root, said, reason):
    picture(root / name())
    picture(root / "b" / said, 1)
    catalogue, left_out = gather("vpr", {"folder": "d", "city": "Toronto"})
    assert len(catalogue) == 1
    assert left_out.reason.tolist() == [reason]


def test_a_link_out_of_the_folder_is_not_followed(root, tmp_path):
    picture(root / name())
    picture(tmp_path / "secret.jpg", 1)
    (root / name(heading="10")).symlink_to(tmp_path / "secret.jpg")
    assert gather("vpr", {"folder": "d", "city": "Toronto"})[1].reason.tolist() == ["link"]


# ---- GSV-Cities ------------------------------------------------------------------------------------------------------
GSV = {"place_id": "1300012", "year": "2015", "month": "7", "northdeg": "9", "city_id": "London", "panoid": "aB_-x"}


def test_rows_of_gsv_cities_find_their_pictures_whatever_their_ending(root):
    rows = [GSV | {"lat": "51.5014", "lon": "-0.1419"}, GSV | {"lat": "51.6", "lon": "-0.1", "northdeg": "190"}]
    (root / "Dataframes").mkdir(parents=True)
    pd.DataFrame(rows).to_csv(root / "Dataframes" / "London.csv", index=False)
    picture(root / "Images" / "London" / "London_0000012_2015_07_009_51.5014_-0.1419_aB_-x.jpg")
    catalogue, left_out = gather("vpr", {"folder": "d", "layout": "gsv_cities"})
    assert (catalogue.city[0], catalogue.heading_deg[0]) == ("London", 9)
    assert photos.lat_lon_deg(catalogue)[0] == pytest.approx([51.5014, -0.1419])
    assert left_out.reason.tolist() == ["missing file"]
    assert left_out.path[0].endswith("London_0000012_2015_07_190_51.6_-0.1_aB_-x.JPG")


# ---- MSLS ------------------------------------------------------------------------------------------------------------
def msls(root, pano=False):
    side = root / "train_val" / "cph" / "query"
    for n in range(3):
        picture(side / "images" / f"k{n}.jpg", n)
    raw = {"key": ["k0", "k1", "k2"], "lon": [12.5, 12.51, 12.52], "lat": [55.6, 55.61, 55.62],
           "ca": [30.0, -1.0, 90.0], "captured_at": ["2016-05-01", "1462060800000", ""],
           "pano": [False, False, pano]}  # fmt: skip
    pd.DataFrame(raw).to_csv(side / "raw.csv")  # with the index, as the data set has it
    derived = {"key": raw["key"], "easting": 0.0, "northing": 0.0, "night": [False, False, True]}
    pd.DataFrame(derived).to_csv(side / "postprocessed.csv")
    pd.DataFrame({"key": raw["key"], "sequence_id": ["s", "s", "t"], "frame_number": 1}).to_csv(side / "seq_info.csv")


def test_the_tables_of_msls_are_joined_and_its_nights_left_out(root):
    msls(root)
    catalogue, left_out = gather("vpr", {"folder": "d", "layout": "msls"})
    found = by_file(catalogue)
    assert found.index.tolist() == ["k0.jpg", "k1.jpg"]
    assert set(found.city) == {"cph"}
    assert found.sequence_id.tolist() == ["s", "s"]
    assert found.heading_deg["k0.jpg"] == 30
    assert np.isnan(found.heading_deg["k1.jpg"])
    assert set(found.captured_at.dt.date.astype(str)) == {"2016-05-01"}
    assert left_out.reason.tolist() == ["night"]
    assert len(gather("vpr", {"folder": "d", "layout": "msls", "night": True})[0]) == 3


def test_panoramas_of_msls_are_left_out_unless_asked_for(root):
    msls(root, pano=True)
    asked = {"folder": "d", "layout": "msls", "night": True}
    assert gather("vpr", asked)[1].reason.tolist() == ["panorama"]
    assert len(gather("vpr", asked | {"panoramas": True})[0]) == 3


def test_wrong_layouts_and_folders_are_refused(root):
    with pytest.raises(FileNotFoundError, match="'d' is not a folder"):
        gather("vpr", {"folder": "d"})
    root.mkdir()
    with pytest.raises(ValueError, match="layout 'gsv' must be names, gsv_cities, msls"):
        gather("vpr", {"folder": "d", "layout": "gsv"})
    with pytest.raises(FileNotFoundError, match="no table in"):
        gather("vpr", {"folder": "d", "layout": "gsv_cities"})
    with pytest.raises(FileNotFoundError, match=r"raw\.csv"):
        gather("vpr", {"folder": "d", "layout": "msls"})


# ---- what a data set does not tell -----------------------------------------------------------------------------------
def test_a_city_of_msls_without_its_table_is_listed(root):
    msls(root)
    picture(root / "train_val" / "paris" / "query" / "images" / "k9.jpg", 9)
    picture(root / "train_val" / "cph" / "database" / "images" / "k8.jpg", 8)
    (root / "train_val" / "oslo").mkdir()
    left_out = gather("vpr", {"folder": "d", "layout": "msls", "night": True})[1]
    assert left_out[["path", "reason"]].to_numpy().tolist() == [
        ["d/train_val/cph/database", "missing table"], ["d/train_val/oslo", "missing table"],
        ["d/train_val/paris/query", "missing table"],
    ]  # fmt: skip
    assert "no raw.csv" in left_out.detail[0]


def test_pictures_of_msls_that_its_table_does_not_name_are_listed(root):
    msls(root)
    picture(root / "train_val" / "cph" / "query" / "images" / "extra.jpg", 7)
    left_out = gather("vpr", {"folder": "d", "layout": "msls", "night": True})[1]
    assert left_out[["path", "reason"]].to_numpy().tolist() == [
        ["d/train_val/cph/query/images/extra.jpg", "no position"]
    ]


def gsv(root, **changes):
    """GSV-Cities with one city of two rows; changes: columns of the second."""
    rows = [GSV | {"lat": "51.5014", "lon": "-0.1419"}, GSV | {"lat": "51.6", "lon": "-0.1", "panoid": "b"} | changes]
    (root / "Dataframes").mkdir(parents=True)
    pd.DataFrame(rows).to_csv(root / "Dataframes" / "London.csv", index=False)
    picture(root / "Images" / "London" / "London_0000012_2015_07_009_51.5014_-0.1419_aB_-x.JPG", 1)
    picture(root / "Images" / "London" / "London_0000012_2015_07_009_51.6_-0.1_b.JPG", 2)


def test_whole_numbers_of_gsv_cities_may_be_written_with_a_point(root):
    gsv(root, year="2015.0", month="7.0", northdeg="9.0", place_id="1300012.0")
    catalogue, left_out = gather("vpr", {"folder": "d", "layout": "gsv_cities"})
    assert left_out.empty
    assert catalogue.heading_deg.tolist() == [9, 9]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"northdeg": ""}, "row 2 of London.csv: northdeg is '', not a whole number"),
        ({"year": "twenty"}, "row 2 of London.csv: year is 'twenty', not a whole number"),
        ({"month": "7.5"}, "row 2 of London.csv: month is '7.5', not a whole number"),
        ({"place_id": "inf"}, "row 2 of London.csv: place_id is 'inf', not a whole number"),
    ],
)
def test_a_row_of_gsv_cities_that_names_no_picture_is_left_out(root, changes, words):
    gsv(root, **changes)
    catalogue, left_out = gather("vpr", {"folder": "d", "layout": "gsv_cities"})
    assert len(catalogue) == 1
    found = left_out.set_index("reason")
    assert found.path["not a number"] == "d/Dataframes/London.csv"
    assert words in found.detail["not a number"]
    assert found.path["no position"].endswith("_b.JPG")  # the picture that the row would have named


def test_a_city_of_gsv_cities_without_its_table_and_pictures_without_a_row_are_listed(root):
    gsv(root)
    picture(root / "Images" / "Paris" / "x.jpg", 3)
    picture(root / "Images" / "London" / "extra.jpg", 4)
    left_out = gather("vpr", {"folder": "d", "layout": "gsv_cities"})[1]
    assert left_out[["path", "reason"]].to_numpy().tolist() == [
        ["d/Images/London/extra.jpg", "no position"], ["d/Images/Paris", "missing table"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("layout", "file", "lost"),
    [("gsv_cities", "Dataframes/London.csv", "northdeg"), ("msls", "train_val/cph/query/raw.csv", "lat"),
     ("msls", "train_val/cph/query/seq_info.csv", "key")],
)  # fmt: skip
def test_a_table_without_a_column_is_told_with_those_that_it_has(root, layout, file, lost):
    gsv(root)
    msls(root)
    pd.read_csv(root / file, dtype=str).drop(columns=lost).to_csv(root / file, index=False)
    with pytest.raises(ValueError, match=rf"{Path(file).name} has no column {lost}; it has "):
        gather("vpr", {"folder": "d", "layout": layout})


def test_folders_that_cannot_be_listed_and_linked_ones_are_told(root, tmp_path, monkeypatch):
    picture(root / name())
    (root / "locked").mkdir()
    picture(tmp_path / "elsewhere" / "a.jpg")
    (root / "linked").symlink_to(tmp_path / "elsewhere")

    def walk(there, onerror):
        onerror(PermissionError(13, "Permission denied", str(root / "locked")))
        yield str(there), ["linked", "locked"], [name()]

    monkeypatch.setattr(listing.os, "walk", walk)
    catalogue, left_out = gather("vpr", {"folder": "d", "city": "Toronto"})
    assert len(catalogue) == 1
    assert dict(zip(left_out.path, left_out.reason, strict=True)) == {"d/linked": "link", "d/locked": "unreadable"}


@pytest.mark.parametrize("file", ["raw.csv", "postprocessed.csv", "seq_info.csv"])
@pytest.mark.parametrize("content", [b"", b"key,lat,lon\n\xff,1,2\n"])
def test_a_csv_that_is_none_is_told_by_its_name(root, file, content):
    msls(root)
    (root / "train_val" / "cph" / "query" / file).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{file} is no CSV in UTF-8"):
        gather("vpr", {"folder": "d", "layout": "msls"})


def test_a_time_of_msls_that_cannot_be_is_none(root):
    msls(root)
    file = root / "train_val" / "cph" / "query" / "raw.csv"
    file.write_text(file.read_text().replace("1462060800000", "9" * 30))
    assert by_file(gather("vpr", {"folder": "d", "layout": "msls"})[0]).captured_at.isna()["k1.jpg"]
