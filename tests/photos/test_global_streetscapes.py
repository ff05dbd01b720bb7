"""Global Streetscapes, its layout written here from the published headers: tables by uuid, pictures in city folders."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyproj import Geod

from geonb.photos.sources import gather
from tests.photos.made import by_name, cannot_list, picture, write_csv

REAL = os.environ.get("GEONB_REAL_DATA")
COMMON = [
    "uuid", "source", "orig_id", "lat", "lon", "datetime_local", "year", "month", "day", "hour", "width", "height",
    "heading", "projection_type", "hFoV", "vFoV", "sequence_index", "sequence_id", "sequence_img_count",
]  # fmt: skip
CITIES = [
    "uuid", "source", "orig_id", "city", "city_ascii", "city_id", "city_lat", "city_lon", "country", "iso2", "iso3",
    "admin_name", "capital", "population", "continent",
]  # fmt: skip
CONTEXT = [
    "uuid", "source", "orig_id", "glare", "lighting_condition", "pano_status", "platform", "quality", "reflection",
    "view_direction", "weather",
]  # fmt: skip


def uuid(number):
    return f"d39b5e69-6291-46fc-a2f8-{number:012x}"


def common(number, **changed):
    return {
        "uuid": uuid(number), "source": "Mapillary", "orig_id": str(900 + number), "lat": str(48.77 + number / 1000),
        "lon": "9.17", "datetime_local": f"2024-07-09 03:24:{10 + number}.913000+02:00", "heading": str(29.5 + number),
        "projection_type": "perspective", "sequence_id": f"s{number // 3}",
    } | changed  # fmt: skip


@pytest.fixture
def tree(tmp_path):
    """Pictures 0 to 6 in folders of cities, one in capitals, one of another name; tables with rows 0 to 5 and 9."""
    for number in range(7):
        name = uuid(number).upper() if number == 1 else uuid(number)
        picture(tmp_path / "images" / ("Köln" if number < 3 else "Bonn/1_50") / f"{name}.jpeg", seed=number)
    picture(tmp_path / "images" / "holiday.jpg", seed=99)
    (tmp_path / "images" / "img_paths.csv").write_text("uuid,path\n")
    changed = {3: {"projection_type": "spherical"}, 5: {"lat": "95"},
               2: {"heading": "", "datetime_local": "", "source": "KartaView"}}  # fmt: skip
    rows = [common(n, **changed.get(n, {})) for n in (9, *range(6))]
    write_csv(tmp_path / "data" / "metadata_common_attributes.csv", COMMON, rows)
    place = {"admin_name": "Nordrhein-Westfalen", "country": "Germany", "iso3": "DEU"}
    names = [("Köln", "Koln") if n < 3 else ("Bonn", "Bonn") for n in range(6)]
    rows = [{"uuid": uuid(n), "city": city, "city_ascii": plain} | place for n, (city, plain) in enumerate(names)]
    write_csv(tmp_path / "data" / "simplemaps.csv", CITIES, rows)
    light = [{"uuid": uuid(n), "lighting_condition": "night" if n == 4 else "day"} for n in range(6)]
    write_csv(tmp_path / "data" / "contextual.csv", CONTEXT, light)
    return tmp_path


def read(tree, **options):
    """The catalogue by the last digit of the uuid, and {last letter of the name of a file: reason}."""
    found, left_out = gather("global_streetscapes", {"folder": f"{tree}/images", "tables": f"{tree}/data"} | options)
    reasons = {Path(path).stem[-1]: reason for path, reason in zip(left_out.path, left_out.reason, strict=True)}
    return by_name(found).rename(index=lambda name: name[-1]), reasons


def test_every_picture_ends_as_a_photo_with_what_the_tables_say_or_with_its_reason(tree):
    found, reasons = read(tree)
    assert sorted(found.index) == ["0", "1", "2"]
    assert reasons == {
        "3": "panorama", "4": "night", "5": "latitude out of range", "6": "no position", "y": "no position",
    }  # fmt: skip
    photo = found.loc["1"]
    assert (photo.geometry.y, photo.geometry.x, photo.heading_deg) == (48.771, 9.17, 30.5)
    assert photo.captured_at == pd.Timestamp("2024-07-09 01:24:11.913", tz="UTC")
    assert (photo.city, photo.country) == ("Köln, Nordrhein-Westfalen, Germany", "Germany")
    assert (photo.sequence_id, photo.licence, photo.source) == ("s0", "CC BY-SA 4.0", "global_streetscapes")
    assert photo.author == "a user of Mapillary, photo 901"
    assert found.loc["2", ["heading_deg", "captured_at"]].isna().all()


def test_panoramas_and_nights_are_kept_when_asked_for(tree):
    assert sorted(read(tree, panoramas=True, night=True)[0].index) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("city", ["Köln", "Koln"])
def test_one_city_is_read_by_either_of_its_names(tree, city):
    found, reasons = read(tree, city=city)
    assert (sorted(found.index), reasons) == (["0", "1", "2"], {})
    with pytest.raises(ValueError, match=r"city 'Cologne'; simplemaps\.csv names Bonn, Koln, Köln"):
        read(tree, city="Cologne")


def test_without_the_other_tables_cities_are_linked_by_distance(tree):
    for name in ("simplemaps.csv", "contextual.csv"):
        (tree / "data" / name).unlink()
    found, _ = read(tree)
    assert sorted(found.index) == ["0", "1", "2", "4"]
    assert set(found.city) == {"near 48.77N 9.17E"}


def test_the_tables_may_lie_beside_the_pictures_and_carry_a_number(tree):
    for file in (tree / "data").iterdir():
        file.rename(tree / "images" / f"02_{file.name}")
    assert len(gather("global_streetscapes", {"folder": f"{tree}/images"})[0]) == 3


def test_tables_that_are_not_there_or_of_other_columns_are_told(tree):
    with pytest.raises(FileNotFoundError, match=r"metadata_common_attributes\.csv is not below .*Köln: option tables"):
        read(tree, tables=f"{tree}/images/Köln")
    write_csv(tree / "data" / "metadata_common_attributes.csv", ["uuid", "lat"], [])
    with pytest.raises(ValueError, match="has no column lon, source, orig_id; it has uuid, lat"):
        read(tree)


@pytest.mark.parametrize("name", ["metadata_common_attributes.csv", "simplemaps.csv", "contextual.csv"])
@pytest.mark.parametrize("content", [b"", b"uuid,lat,lon,source,orig_id,lighting_condition\n\xff,1,2,3,4,5\n"])
def test_a_csv_that_is_none_is_told_by_its_name(tree, name, content):
    (tree / "data" / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} is no CSV in UTF-8"):
        read(tree)


def test_folders_that_cannot_be_listed_are_told(tree, monkeypatch):
    cannot_list(monkeypatch, f"{tree}/images/Köln")
    assert read(tree, night=True)[1]["n"] == "unreadable"


@pytest.mark.skipif(not REAL, reason="GEONB_REAL_DATA is not set: no real photos to read")
@pytest.mark.parametrize("tables", ["published", "downloaded"])
def test_real_photos_stand_where_and_when_their_manifest_says(tmp_path, tables):
    sample, positions = Path(REAL) / "global_streetscapes_sample", sorted((Path(REAL) / "positions").glob("gs_*.csv"))
    manifest = pd.read_csv(sample / "manifest.csv", dtype=str)
    manifest["uuid"] = manifest["file"].map(lambda name: Path(name).stem)
    downloaded = pd.concat(pd.read_csv(file, dtype=str) for file in positions)
    more = downloaded.drop(columns=["lat", "lon", "heading"])
    told = manifest.drop(columns="source").merge(more, on="uuid", validate="1:1")
    assert len(told) == len(manifest) == 25
    if tables == "published":
        kinds = told["mly_is_pano"].map({"True": "spherical", "False": "perspective"})
        rows = told.rename(columns={"datetime": "datetime_local", "mly_sequence_id": "sequence_id"})
        rows.assign(projection_type=kinds).to_csv(tmp_path / "metadata_common_attributes.csv", index=False)
    else:
        for file in positions:
            shutil.copy(file, tmp_path)
    options = {"folder": str(sample / "images"), "tables": str(tmp_path)}
    found, left_out = gather("global_streetscapes", options | {"panoramas": True})
    both = found.assign(uuid=found.path.map(lambda path: Path(path).stem)).merge(
        told, on="uuid", suffixes=("", "_told")
    )
    assert (len(found), len(left_out), len(both)) == (25, 0, 25)
    lat_lon = both[["lat", "lon"]].astype(float)
    apart = Geod(ellps="WGS84").inv(found.geometry.x, found.geometry.y, lat_lon.lon, lat_lon.lat)[2]
    assert np.max(apart) < 1
    np.testing.assert_allclose(both.heading_deg, both.heading.astype(float) % 360)
    late = both.captured_at - pd.to_datetime(both.datetime, utc=True, format="ISO8601")
    assert late.abs().max() < pd.Timedelta("1s")
    assert (both.sequence_id == both.mly_sequence_id).all()
    assert len(gather("global_streetscapes", options)[0]) == (told["mly_is_pano"] == "False").sum() == 16
