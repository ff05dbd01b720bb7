"""Global Streetscapes, its layout written here from the published headers: tables by uuid, pictures in city folders."""

import csv
import io
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from pyproj import Geod

from geonb import files
from geonb.photos.sources import gather, global_streetscapes, listing

REAL = os.environ.get("GEONB_REAL_DATA")
ROOT = files.ROOT
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
METRES_APART = Geod(ellps="WGS84")


def uuid(number):
    return f"d39b5e69-6291-46fc-a2f8-{number:012x}"


def write(file, header, rows):
    """A csv with all columns of the header; what a row does not name is empty."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, header, restval="")
        writer.writeheader()
        writer.writerows(rows)


def common(number, **changed):
    return {
        "uuid": uuid(number), "source": "Mapillary", "orig_id": str(900 + number), "lat": str(48.77 + number / 1000),
        "lon": "9.17", "datetime_local": f"2024-07-09 03:24:{10 + number}.913000+02:00", "heading": str(29.5 + number),
        "projection_type": "perspective", "sequence_id": f"s{number // 3}",
    } | changed  # fmt: skip


def picture(file, number):
    content = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(content, "JPEG")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.getvalue())


@pytest.fixture
def tree(tmp_path):
    """Pictures 0 to 6 in folders of cities, one in capitals, one of another name; tables with rows 0 to 5 and 9."""
    for number in range(7):
        name = uuid(number).upper() if number == 1 else uuid(number)
        picture(tmp_path / "images" / ("Köln" if number < 3 else "Bonn/1_50") / f"{name}.jpeg", number)
    picture(tmp_path / "images" / "holiday.jpg", 99)
    (tmp_path / "images" / "img_paths.csv").write_text("uuid,path\n")
    changed = {
        3: {"projection_type": "spherical"}, 2: {"heading": "", "datetime_local": "", "source": "KartaView"},
        5: {"lat": "95"},
    }  # fmt: skip
    write(
        tmp_path / "data" / "metadata_common_attributes.csv",
        COMMON,
        [common(n, **changed.get(n, {})) for n in (9, *range(6))],
    )
    place = {"admin_name": "Nordrhein-Westfalen", "country": "Germany", "iso3": "DEU"}
    named = [
        {"city": "Köln", "city_ascii": "Koln"} if n < 3 else {"city": "Bonn", "city_ascii": "Bonn"} for n in range(6)
    ]
    write(
        tmp_path / "data" / "simplemaps.csv", CITIES, [{"uuid": uuid(n)} | place | name for n, name in enumerate(named)]
    )
    light = [{"uuid": uuid(n), "lighting_condition": "night" if n == 4 else "day"} for n in range(6)]
    write(tmp_path / "data" / "contextual.csv", CONTEXT, light)
    return tmp_path


def read(tree, **options):
    """The catalogue by the last digit of the uuid, and {name of a file: reason}."""
    found, left_out = gather("global_streetscapes", {"folder": f"{tree}/images", "tables": f"{tree}/data"} | options)
    reasons = {Path(path).stem[-1]: reason for path, reason in zip(left_out.path, left_out.reason, strict=True)}
    return found.set_index(found.path.map(lambda path: Path(path).stem[-1])), reasons


def test_every_picture_ends_as_a_photo_or_with_its_reason(tree):
    found, reasons = read(tree)
    assert sorted(found.index) == ["0", "1", "2"]
    assert reasons == {
        "3": "panorama", "4": "night", "5": "latitude out of range", "6": "no position", "y": "no position",
    }  # fmt: skip


def test_a_photo_knows_what_the_tables_say_of_it(tree):
    photo = read(tree)[0].loc["1"]
    assert (photo.geometry.y, photo.geometry.x, photo.heading_deg) == (48.771, 9.17, 30.5)
    assert photo.captured_at == pd.Timestamp("2024-07-09 01:24:11.913", tz="UTC")
    assert (photo.city, photo.country) == ("Köln, Nordrhein-Westfalen, Germany", "Germany")
    assert (photo.sequence_id, photo.licence, photo.source) == ("s0", "CC BY-SA 4.0", "global_streetscapes")
    assert photo.author == "a user of Mapillary, photo 901"


def test_a_heading_and_a_time_may_be_missing(tree):
    photo = read(tree)[0].loc["2"]
    assert np.isnan(photo.heading_deg)
    assert pd.isna(photo.captured_at)


def test_panoramas_and_nights_are_kept_when_asked_for(tree):
    assert sorted(read(tree, panoramas=True, night=True)[0].index) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("city", ["Köln", "Koln"])
def test_one_city_is_read_by_either_of_its_names(tree, city):
    found, reasons = read(tree, city=city)
    assert (sorted(found.index), reasons) == (["0", "1", "2"], {})


def test_a_city_without_a_picture_is_told_with_those_that_are_there(tree):
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
    found, _ = gather("global_streetscapes", {"folder": f"{tree}/images"})
    assert len(found) == 3


def test_tables_that_are_not_there_or_of_other_columns_are_told(tree):
    with pytest.raises(FileNotFoundError, match=r"metadata_common_attributes\.csv is not below .*Köln: option tables"):
        read(tree, tables=f"{tree}/images/Köln")
    write(tree / "data" / "metadata_common_attributes.csv", ["uuid", "lat"], [])
    with pytest.raises(ValueError, match="has no column lon, source, orig_id; it has uuid, lat"):
        read(tree)
    with pytest.raises(FileNotFoundError, match="nowhere' is not a folder"):
        read(tree, folder=f"{tree}/nowhere")


def test_the_template_only_uses_options_that_exist(tree):
    written = (ROOT / "notebooks" / "studies" / "global_streetscapes.yml").read_text(encoding="utf-8")
    options = yaml.safe_load(re.sub(r"^    # (\w+: )", r"    \1", written, flags=re.MULTILINE))["01_photos"]["options"]
    found, _ = gather("global_streetscapes", options | {"folder": f"{tree}/images", "tables": f"{tree}/data"})
    assert len(found) == 5


# ---- real photos -----------------------------------------------------------------------------------------------------
@pytest.mark.skipif(not REAL, reason="GEONB_REAL_DATA is not set: no real photos to read")
@pytest.mark.parametrize("tables", ["published", "downloaded"])
def test_real_photos_stand_where_and_when_their_manifest_says(tmp_path, tables):
    sample = Path(REAL) / "global_streetscapes_sample"
    manifest = pd.read_csv(sample / "manifest.csv", dtype=str)
    manifest["uuid"] = manifest["file"].map(lambda name: Path(name).stem)
    downloaded = pd.concat(pd.read_csv(file, dtype=str) for file in sorted((Path(REAL) / "positions").glob("gs_*.csv")))
    told = manifest.drop(columns="source").merge(
        downloaded.drop(columns=["lat", "lon", "heading"]), on="uuid", validate="1:1"
    )
    assert len(told) == len(manifest) == 25
    if tables == "published":
        kinds = told["mly_is_pano"].map({"True": "spherical", "False": "perspective"})
        rows = told.rename(columns={"datetime": "datetime_local", "mly_sequence_id": "sequence_id"})
        rows.assign(projection_type=kinds).to_csv(tmp_path / "metadata_common_attributes.csv", index=False)
    else:
        for file in (Path(REAL) / "positions").glob("gs_*.csv"):
            shutil.copy(file, tmp_path)
    options = {"folder": str(sample / "images"), "tables": str(tmp_path)}
    found, left_out = gather("global_streetscapes", options | {"panoramas": True})
    both = found.assign(uuid=found.path.map(lambda path: Path(path).stem)).merge(
        told, on="uuid", suffixes=("", "_told")
    )
    assert (len(found), len(left_out), len(both)) == (25, 0, 25)
    lat_lon = both[["lat", "lon"]].astype(float)
    apart = METRES_APART.inv(found.geometry.x, found.geometry.y, lat_lon.lon, lat_lon.lat)[2]
    assert np.max(apart) < 1
    np.testing.assert_allclose(both.heading_deg, both.heading.astype(float) % 360)
    assert (both.captured_at - pd.to_datetime(both.datetime, utc=True, format="ISO8601")).abs().max() < pd.Timedelta(
        "1s"
    )
    assert (both.sequence_id == both.mly_sequence_id).all()
    assert len(gather("global_streetscapes", options)[0]) == (told["mly_is_pano"] == "False").sum() == 16


def test_folders_that_cannot_be_listed_are_told(tree, monkeypatch):
    locked, walk = f"{tree}/images/Köln", os.walk

    def refused(there, onerror):
        onerror(PermissionError(13, "Permission denied", locked))
        yield from (found for found in walk(there) if found[0] != locked)

    monkeypatch.setattr(listing.os, "walk", refused)
    assert read(tree, night=True)[1]["n"] == "unreadable"


@pytest.mark.parametrize("name", ["metadata_common_attributes.csv", "simplemaps.csv", "contextual.csv"])
@pytest.mark.parametrize("content", [b"", b"uuid,lat,lon,source,orig_id,lighting_condition\n\xff,1,2,3,4,5\n"])
def test_a_csv_that_is_none_is_told_by_its_name(tree, name, content):
    (tree / "data" / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} is no CSV in UTF-8"):
        read(tree)


@pytest.mark.parametrize("taken", ["1e18", "9" * 30, "-5", "soon", ""])
def test_a_time_in_milliseconds_that_cannot_be_is_none(taken):
    assert global_streetscapes.captured_at({"mly_captured_at": taken}) == ""
