"""Data sets of visual place recognition: positions in file names, or in the tables of GSV-Cities and of MSLS.

Names: @UTM east@UTM north@zone@letter@latitude@longitude@panorama@tile@heading@pitch@roll@height@time@note@.jpg, as
CosPlace, Pittsburgh 250k and the benchmark of Berton et al. (2022, arXiv 2204.03444) write them. GSV-Cities: Ali-bey et
al. (2022, arXiv 2210.10239). MSLS: Warburg et al. (CVPR 2020), its folder train_val; the test cities have no positions.
"""

import functools
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from geonb.photos.catalogue import collected
from geonb.photos.left_out import Unreadable, kept_and_left_out
from geonb.photos.sources import folder_contents, photo_fields, text_tables

EAST, LON, TIME, HEADING = 1, 6, 13, 9  # places in a name
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
GSV_NUMBERS = ["place_id", "year", "month", "northdeg"]
GSV_COLUMNS = (*GSV_NUMBERS, "city_id", "lat", "lon", "panoid")
# columns of the tables of MSLS: (those that must be there, those that are taken where they are there)
MSLS = {
    "raw": (("key", "lat", "lon"), ("ca", "captured_at", "pano")),
    "postprocessed": (("key",), ("night",)),
    "seq_info": (("key",), ("sequence_id", "sequence_key")),
}


def read(
    *, folder: str, layout: str = "names", city: str = "", country: str = "", licence: str = "unknown",
    author: str = "", night: bool = False, panoramas: bool = False, city_link_m: float = 10_000.0,
):  # fmt: skip
    """(rows, left_out) of a data set of place recognition: each of its photos ends in one of the two.

    layout: names (positions in the names of all pictures below the folder), gsv_cities (its folders Dataframes and
    Images) or msls (its folder train_val). night, panoramas: keep photos that MSLS calls so. UTM counts in a name
    without latitude and longitude. FileNotFoundError where the layout's folders are not there.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout {layout!r} must be {', '.join(LAYOUTS)}")
    given = {"city": city, "country": country, "licence": licence, "author": author, "source": "vpr"}
    entries, refused = LAYOUTS[layout](folder_contents.root_of(folder), folder)

    def photo(path, tell, *what):
        told = tell(*what)
        unwanted = {"night": not night and told.get("night"), "panorama": not panoramas and told.get("panorama")}
        photo_fields.refuse_unwanted(**unwanted)
        return photo_fields.photo(path, told, given)

    named = [(f"{folder.rstrip('/')}/{name}", "", *told) for name, *told in entries]
    rows, left_out = kept_and_left_out(named, photo, progress=True)
    return collected(rows, refused + left_out, city_link_m=city_link_m)


# Each layout gives ((name below the folder, function, *arguments) that say what is known of a picture, left out).
def refuse(reason, detail):
    """Raise Unreadable, of a picture of which nothing else is to say."""
    raise Unreadable(reason, detail)


def names(root, folder):
    """The layout of pictures whose names tell their positions."""
    there, refused = folder_contents.readable(root, folder, lambda name: name.lower().endswith(PICTURES))
    return [(name, of_name, PurePosixPath(name).name) for name in there], refused


def of_name(name):
    """What the name of a picture says."""
    said = name.split("@")
    if len(said) < LON + 2:
        raise Unreadable("no position", f"{said[0] or name} is no name of the form @UTM east@UTM north@zone@letter@...")
    said += [""] * (TIME + 1 - len(said))
    lat_deg, lon_deg = said[LON - 1 : LON + 1]
    if not (lat_deg.strip() and lon_deg.strip()):
        lat_deg, lon_deg = from_utm(*said[EAST : LON - 1])
    day = said[TIME][:8] if said[TIME][:8].isdigit() and len(said[TIME][:8]) == 8 else ""
    return {"lat_deg": lat_deg, "lon_deg": lon_deg, "heading_deg": said[HEADING], "captured_at": day}


def from_utm(east, north, zone, letter):
    """(latitude, longitude) of a position in UTM on WGS 84; bands from N on are north of the equator."""
    zone, letter = zone.strip(), letter.strip().upper()
    if not (zone.isdecimal() and letter):
        raise Unreadable("no position", f"UTM {east} {north} without a zone, and no latitude and longitude")
    east, north = photo_fields.required_number(east, "UTM east"), photo_fields.required_number(north, "UTM north")
    if not 1 <= int(zone) <= 60 or letter not in "CDEFGHJKLMNPQRSTUVWX":
        raise Unreadable("broken position", f"there is no UTM zone {zone}{letter}")
    first = 32600 if letter >= "N" else 32700
    lon_deg, lat_deg = photo_fields.to_degrees(f"EPSG:{first + int(zone)}").transform(east, north)
    return lat_deg, lon_deg


def gsv_cities(root, _):
    """The layout of every row of Dataframes/<city>.csv, and of what lies in Images without a row."""
    files = sorted((root / "Dataframes").glob("*.csv"))
    if not files:
        raise FileNotFoundError(f"there is no table in {root / 'Dataframes'}: the folder must be that of the data set")
    cities = {path.name for path in (root / "Images").glob("*") if path.is_dir()} - {file.stem for file in files}
    found = [(f"Images/{city}", refuse, "missing table", f"there is no Dataframes/{city}.csv") for city in cities]
    return [entry for file in files for entry in gsv_city(root, file)] + found, []


def gsv_city(root, file):
    """gsv_cities of one city, whose table is the file. A place's number counts within its city."""
    there = {path.stem.lower(): path.name for path in (root / "Images" / file.stem).glob("*")}
    rows = text_tables.rows_of(file, GSV_COLUMNS)
    numbers = rows[GSV_NUMBERS].apply(pd.to_numeric, errors="coerce")
    whole = (numbers % 1 == 0).all(axis=1)  # neither are what is missing and what is infinite
    words = f"{', '.join(GSV_NUMBERS)} are not whole numbers, of which the file name is made"
    found = [(f"Dataframes/{file.name}", refuse, "not a number", f"row {n + 1} of {file.name}: {words}")
             for n in np.flatnonzero(~whole)]  # fmt: skip
    counted = zip(rows[whole].to_dict("records"), numbers[whole].astype(int).to_numpy(), strict=True)
    for row, (place, year, month, north) in counted:
        parts = f"{place % 10**5:07d}", f"{year:04d}", f"{month:02d}", f"{north:03d}"
        stem = "_".join([row["city_id"], *parts, row["lat"], row["lon"], row["panoid"]])
        told = {"lat_deg": row["lat"], "lon_deg": row["lon"], "heading_deg": row["northdeg"], "city": file.stem}
        found.append((f"Images/{file.stem}/{there.pop(stem.lower(), f'{stem}.JPG')}", dict, told))
    no_row = refuse, "no position", f"no row of {file.name} names it"
    return found + [(f"Images/{file.stem}/{name}", *no_row) for name in there.values()]


def msls(root, _):
    """The layout of every row of train_val/<city>/<query or database>/raw.csv, and of what lies there without one."""
    if not any((root / "train_val").glob("*/*/raw.csv")):
        raise FileNotFoundError(f"there is no train_val/<city>/query/raw.csv in {root}: take the folder that holds it")
    cities = [path for path in (root / "train_val").iterdir() if path.is_dir()]
    sides = [side for city in cities for side in list(filter(Path.is_dir, city.iterdir())) or [city]]
    return [entry for side in sides for entry in msls_side(side.relative_to(root).as_posix(), side)], []


def msls_side(below, side):
    """msls of one folder, query or database of a city; below: its name below the root."""
    if not (side / "raw.csv").is_file():
        return [(below, refuse, "missing table", "there is no raw.csv, which tells where its photos were taken")]
    tables = [text_tables.rows_of(side / f"{name}.csv", needed, more=more) for name, (needed, more) in MSLS.items()]
    known = functools.reduce(lambda one, other: one.merge(other, on="key", how="left"), tables).fillna("")
    city, without = Path(below).parts[1], {path.stem for path in (side / "images").glob("*.jpg")} - set(known["key"])
    found = [(row["key"], of_msls, row, city) for row in known.to_dict("records")]
    found += [(key, refuse, "no position", "no row of raw.csv names it") for key in without]
    return [(f"{below}/images/{key}.jpg", *told) for key, *told in found]


def of_msls(row, city):
    """The keys of the catalogue of a row of MSLS, whose times are days or milliseconds since 1970."""
    taken, heading = row.get("captured_at", ""), row.get("ca", "")
    return {
        "lat_deg": row["lat"], "lon_deg": row["lon"], "city": city,
        "heading_deg": "" if heading.startswith("-") else heading,
        "captured_at": photo_fields.of_milliseconds(taken) if taken.isdigit() and len(taken) > 8 else taken,
        "sequence_id": row.get("sequence_id", "") or row.get("sequence_key", ""),
        "night": row.get("night", "").lower() in ("true", "1", "night"),
        "panorama": row.get("pano", "").lower() in ("true", "1"),
    }  # fmt: skip


LAYOUTS = {"names": names, "gsv_cities": gsv_cities, "msls": msls}
