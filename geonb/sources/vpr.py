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

from geonb import photos, sphere
from geonb.photos import Unreadable
from geonb.sources import folder as folders
from geonb.sources import table

EAST, NORTH, ZONE, LETTER, LAT, LON, TIME, HEADING = 1, 2, 3, 4, 5, 6, 13, 9
APART_M = 100.0  # between the two positions of one name: more and nobody knows which one holds
PICTURES = (".jpg", ".jpeg", ".png", ".webp")


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
    rows, left_out = [], []
    for name, told in tqdm(LAYOUTS[layout](root), desc="photos", unit="photo", file=sys.stdout):
        path = f"{folder.rstrip('/')}/{name}"
        try:
            rows.append(table.photo(path, told(night, panoramas), given))
        except Unreadable as why:
            left_out.append({"path": path, "reason": why.reason, "detail": why.detail})
    return photos.collected(rows, left_out, city_link_m=city_link_m)


# ---- names -----------------------------------------------------------------------------------------------------------
def names(root):
    """(name below the folder, (night, panoramas) -> keys of the catalogue) of every picture."""
    found = [name for name in folders.entries(root) if name.lower().endswith(PICTURES)]
    return [(name, functools.partial(of_name, name, root)) for name in found]


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
def text_table(file):
    """A csv as text; FileNotFoundError names it where it is not there."""
    if not file.is_file():
        raise FileNotFoundError(f"{file.name} is not in {file.parent}: the folder must be that of the data set")
    return pd.read_csv(file, dtype=str, keep_default_na=False)


def gsv_cities(root):
    """(name below the folder, ...) of every row of Dataframes/<city>.csv."""
    files = sorted((root / "Dataframes").glob("*.csv"))
    if not files:
        raise FileNotFoundError(f"there is no table in {root / 'Dataframes'}: the folder must be that of the data set")
    found = []
    for file in files:
        there = {path.stem.lower(): path.name for path in (root / "Images" / file.stem).glob("*")}
        for row in text_table(file).to_dict("records"):
            stem = stem_of(row)
            name = f"Images/{file.stem}/{there.get(stem.lower(), f'{stem}.JPG')}"
            told = {"lat_deg": row["lat"], "lon_deg": row["lon"], "heading_deg": row["northdeg"], "city": file.stem}
            found.append((name, lambda _night, _panoramas, told=told: told))
    return found


def stem_of(row):
    """The name of a picture of GSV-Cities, short of its ending: the place's number counts within its city."""
    place = int(row["place_id"]) % 10**5
    parts = f"{place:07d}", f"{int(row['year']):04d}", f"{int(row['month']):02d}", f"{int(row['northdeg']):03d}"
    return "_".join([row["city_id"], *parts, row["lat"], row["lon"], row["panoid"]])


def msls(root):
    """(name below the folder, ...) of every row of train_val/<city>/<query or database>/raw.csv."""
    sides = sorted(path.parent for path in (root / "train_val").glob("*/*/raw.csv"))
    if not sides:
        raise FileNotFoundError(f"there is no train_val/<city>/query/raw.csv in {root}: take the folder that holds it")
    found = []
    for side in sides:
        known = text_table(side / "raw.csv")
        for name in ("postprocessed", "seq_info"):
            known = known.merge(text_table(side / f"{name}.csv").filter(regex="^(?!Unnamed)"), on="key", how="left")
        below = side.relative_to(root).as_posix()
        city = Path(below).parts[1]
        for row in known.fillna("").to_dict("records"):
            found.append((f"{below}/images/{row['key']}.jpg", functools.partial(of_msls, row, city)))
    return found


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
        "captured_at": pd.Timestamp(int(taken), unit="ms", tz="UTC") if taken.isdigit() and len(taken) > 8 else taken,
        "sequence_id": row.get("sequence_id", "") or row.get("sequence_key", ""),
    }  # fmt: skip


LAYOUTS = {"names": names, "gsv_cities": gsv_cities, "msls": msls}
