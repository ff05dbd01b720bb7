"""Data sets of visual place recognition: positions in file names, or in the tables of GSV-Cities and of MSLS.

Names: @UTM east@UTM north@zone@letter@latitude@longitude@panorama@tile@heading@pitch@roll@height@time@note@.jpg, as
CosPlace, Pittsburgh 250k and the benchmark of Berton et al. (2022, arXiv 2204.03444) write them. GSV-Cities: Ali-bey et
al. (2022, arXiv 2210.10239). MSLS: Warburg et al. (CVPR 2020), its folder train_val; the test cities have no positions.
"""

import functools
import sys
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from tqdm import tqdm

from geonb.earth import sphere
from geonb.photos import catalogue as photos
from geonb.photos.catalogue import Unreadable
from geonb.photos.sources import folder as folders
from geonb.photos.sources import table

EAST, NORTH, ZONE, LETTER, LAT, LON, TIME, HEADING = 1, 2, 3, 4, 5, 6, 13, 9
APART_M = 100.0  # between the two positions of one name: more and nobody knows which one holds
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
GSV_COLUMNS = ("place_id", "year", "month", "northdeg", "city_id", "lat", "lon", "panoid")


def read(
    *,
    folder: str,
    layout: str = "names",
    city: str = "",
    country: str = "",
    licence: str = "unknown",
    author: str = "",
    night: bool = False,
    panoramas: bool = False,
    city_link_m: float = 10_000.0,
):
    """(rows, left_out) of a data set of place recognition: each of its photos ends in one of the two.

    layout: names (positions in the names of all pictures below the folder), gsv_cities (its folders Dataframes and
    Images) or msls (its folder train_val). night, panoramas: keep photos that MSLS calls so. City, country, licence and
    author as in source table. A name's latitude and longitude count, unless its UTM position lies more than APART_M
    away; without them UTM does, if the zone is there. A month alone is no time. ValueError for another layout,
    FileNotFoundError where its folders are not there.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout {layout!r} must be {', '.join(LAYOUTS)}")
    root = photos.picture_path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"folder {folder!r} is not a folder on this machine: {root}")
    given = {"city": city, "country": country, "licence": licence, "author": author, "source": "vpr"}
    rows, left_out, entries = [], [], LAYOUTS[layout](root)
    if not entries:
        raise ValueError(f"folder {folder!r} holds no picture ({', '.join(PICTURES)}), or its tables have no rows")
    for name, told in tqdm(entries, desc="photos", unit="photo", file=sys.stdout):
        path = f"{folder.rstrip('/')}/{name}"
        try:
            rows.append(table.photo(path, told(night, panoramas), given))
        except Unreadable as why:
            left_out.append({"path": path, "reason": why.reason, "detail": why.detail})
    return photos.collected(rows, left_out, city_link_m=city_link_m)


# ---- names -----------------------------------------------------------------------------------------------------------
def names(root):
    """(name below the folder, (night, panoramas) -> keys of the catalogue) of every picture."""
    return [(name, functools.partial(of_name, name, root)) for name in folders.pictures(root, PICTURES)]


def of_name(name, root, _night, _panoramas):
    """What the name of a picture says."""
    folders.refuse_by_name(root, name)
    said = PurePosixPath(name).name.split("@")
    if len(said) < LON + 2:
        raise Unreadable("no position", f"{said[0] or name} is no name of the form @UTM east@UTM north@zone@letter@...")
    said += [""] * (TIME + 1 - len(said))
    lat_deg, lon_deg = position(*said[EAST : LON + 1])
    day = said[TIME][:8] if said[TIME][:8].isdigit() and len(said[TIME][:8]) == 8 else ""
    return {"lat_deg": lat_deg, "lon_deg": lon_deg, "heading_deg": said[HEADING], "captured_at": day}


def position(east, north, zone, letter, lat, lon):
    """(latitude, longitude) of the fields of a name; those of UTM are checked against them, or stand for them."""
    zoned = zone.strip().isdecimal() and letter.strip()
    if not (lat.strip() and lon.strip()):
        if not zoned:
            raise Unreadable("no position", f"UTM {east} {north} without a zone, and no latitude and longitude")
        return from_utm(east, north, zone, letter)
    told = table.required_number(lat, "lat_deg"), table.required_number(lon, "lon_deg")
    photos.check_position(*told)
    if not zoned or not np.isfinite([table.number_of(east), table.number_of(north)]).all():
        return told
    apart_m = float(sphere.distance_m([told], [from_utm(east, north, zone, letter)])[0])
    if not apart_m <= APART_M:
        raise Unreadable("broken position", f"latitude and longitude lie {apart_m:,.0f} m from UTM {east} {north}")
    return told


def from_utm(east, north, zone, letter):
    """(latitude, longitude) of a position in UTM on WGS 84; bands from N on are north of the equator."""
    east, north = (table.required_number(value, name) for value, name in ((east, "UTM east"), (north, "UTM north")))
    if not 1 <= int(zone) <= 60 or letter.strip().upper() not in "CDEFGHJKLMNPQRSTUVWX":
        raise Unreadable("broken position", f"there is no UTM zone {zone}{letter}")
    lon_deg, lat_deg = transformer(int(zone), letter.strip().upper() >= "N").transform(east, north)
    return lat_deg, lon_deg


@functools.cache
def transformer(zone, northern):
    """From UTM of a zone to longitude and latitude."""
    from pyproj import Transformer

    return Transformer.from_crs(f"EPSG:{(32600 if northern else 32700) + zone}", "EPSG:4326", always_xy=True)


# ---- tables ----------------------------------------------------------------------------------------------------------
def text_table(file, needed):
    """A csv as text; FileNotFoundError where it is not there, ValueError where it lacks a column that is needed."""
    if not file.is_file():
        raise FileNotFoundError(f"{file.name} is not in {file.parent}: the folder must be that of the data set")
    with table.csv_named(file):
        rows = pd.read_csv(file, dtype=str, keep_default_na=False)
    if missing := [name for name in needed if name not in rows]:
        raise ValueError(f"{file.name} has no column {', '.join(missing)}; it has {', '.join(rows.columns)}")
    return rows


def refused(reason, detail):
    """A function in place of one that tells the keys of the catalogue: it raises Unreadable."""

    def told(_night, _panoramas):
        raise Unreadable(reason, detail)

    return told


def gsv_cities(root):
    """(name below the folder, ...) of every row of Dataframes/<city>.csv, and of what lies in Images without a row."""
    files = sorted((root / "Dataframes").glob("*.csv"))
    if not files:
        raise FileNotFoundError(f"there is no table in {root / 'Dataframes'}: the folder must be that of the data set")
    known = {file.stem for file in files}
    others = sorted(path.name for path in (root / "Images").glob("*") if path.is_dir() and path.name not in known)
    without = [(f"Images/{city}", refused("missing table", f"there is no Dataframes/{city}.csv")) for city in others]
    return [entry for file in files for entry in gsv_city(root, file)] + without


def gsv_city(root, file):
    """gsv_cities of one city, whose table is the file."""
    there = {path.stem.lower(): path.name for path in (root / "Images" / file.stem).glob("*")}
    found = []
    for number, row in enumerate(text_table(file, GSV_COLUMNS).to_dict("records"), 1):
        try:
            stem = stem_of(row)
        except Unreadable as why:
            detail = f"row {number} of {file.name}: {why.detail}"
            found.append((f"Dataframes/{file.name}", refused(why.reason, detail)))
            continue
        told = {"lat_deg": row["lat"], "lon_deg": row["lon"], "heading_deg": row["northdeg"], "city": file.stem}
        name = f"Images/{file.stem}/{there.pop(stem.lower(), f'{stem}.JPG')}"
        found.append((name, lambda _night, _panoramas, told=told: told))
    no_row = refused("no position", f"no row of {file.name} names it")
    return found + [(f"Images/{file.stem}/{name}", no_row) for name in sorted(there.values())]


def stem_of(row):
    """The name of a picture of GSV-Cities, short of its ending: the place's number counts within its city."""
    place, year, month, north = (whole(row, name) for name in ("place_id", "year", "month", "northdeg"))
    parts = f"{place % 10**5:07d}", f"{year:04d}", f"{month:02d}", f"{north:03d}"
    return "_".join([row["city_id"], *parts, row["lat"], row["lon"], row["panoid"]])


def whole(row, name):
    """The whole number in a column of a row, also written as 2017.0; Unreadable where there is none."""
    number = table.number_of(row[name])
    if not number.is_integer():  # neither are what is missing and what is infinite
        raise Unreadable("not a number", f"{name} is {row[name]!r}, not a whole number, of which the file name is made")
    return int(number)


def msls(root):
    """(name below the folder, ...) of every row of train_val/<city>/<query or database>/raw.csv, and of what lies there
    without a row or a table.
    """
    if not any((root / "train_val").glob("*/*/raw.csv")):
        raise FileNotFoundError(f"there is no train_val/<city>/query/raw.csv in {root}: take the folder that holds it")
    cities = sorted(path for path in (root / "train_val").iterdir() if path.is_dir())
    sides = [side for city in cities for side in sorted(filter(Path.is_dir, city.iterdir())) or [city]]
    return [entry for side in sides for entry in msls_side(side.relative_to(root).as_posix(), side)]


def msls_side(below, side):
    """msls of one folder, query or database of a city; below: its name below the root."""
    if not (side / "raw.csv").is_file():
        return [(below, refused("missing table", "there is no raw.csv, which tells where its photos were taken"))]
    known = text_table(side / "raw.csv", ("key", "lat", "lon"))
    there = {path.stem: path.name for path in (side / "images").glob("*.jpg")}
    for name in ("postprocessed", "seq_info"):
        more = text_table(side / f"{name}.csv", ("key",)).filter(regex="^(?!Unnamed)")
        known = known.merge(more, on="key", how="left")
    city, rows = Path(below).parts[1], known.fillna("").to_dict("records")
    found = [(f"{below}/images/{row['key']}.jpg", functools.partial(of_msls, row, city)) for row in rows]
    no_row = refused("no position", "no row of raw.csv names it")
    return found + [(f"{below}/images/{there[key]}", no_row) for key in sorted(set(there) - set(known["key"]))]


def of_msls(row, city, night, panoramas):
    """The keys of the catalogue of a row of MSLS, whose times are days or milliseconds since 1970."""
    if row.get("night", "").lower() in ("true", "1", "night") and not night:
        raise Unreadable("night", "the data set says so: option night: true keeps it")
    if row.get("pano", "").lower() in ("true", "1") and not panoramas:
        raise Unreadable("panorama", "the data set says so: option panoramas: true keeps it")
    taken = row.get("captured_at", "")
    heading = row.get("ca", "")
    return {
        "lat_deg": row["lat"], "lon_deg": row["lon"], "city": city,
        "heading_deg": "" if heading.startswith("-") else heading,
        "captured_at": table.of_milliseconds(taken) if taken.isdigit() and len(taken) > 8 else taken,
        "sequence_id": row.get("sequence_id", "") or row.get("sequence_key", ""),
    }  # fmt: skip


LAYOUTS = {"names": names, "gsv_cities": gsv_cities, "msls": msls}
