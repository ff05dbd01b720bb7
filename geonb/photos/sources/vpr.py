"""Data sets of visual place recognition: positions in file names, or in the tables of GSV-Cities and of MSLS.

Names: @UTM east@UTM north@zone@letter@latitude@longitude@panorama@tile@heading@pitch@roll@height@time@note@.jpg, as
CosPlace, Pittsburgh 250k and the benchmark of Berton et al. (2022, arXiv 2204.03444) write them. GSV-Cities: Ali-bey et
al. (2022, arXiv 2210.10239). MSLS: Warburg et al. (CVPR 2020), its folder train_val; the test cities have no positions.
"""

import functools
from pathlib import Path, PurePosixPath

import numpy as np

from geonb.earth import sphere
from geonb.photos.catalogue import collected
from geonb.photos.left_out import Unreadable, kept_and_left_out
from geonb.photos.sources import folder_contents, photo_fields, text_tables

EAST, LON, TIME, HEADING = 1, 6, 13, 9  # places in a name
APART_M = 100.0  # between the two positions of one name: more and nobody knows which one holds
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
GSV_COLUMNS = ("place_id", "year", "month", "northdeg", "city_id", "lat", "lon", "panoid")
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
    Images) or msls (its folder train_val). night, panoramas: keep photos that MSLS calls so. City, country, licence and
    author as in source table. A name's latitude and longitude count, unless its UTM position lies more than APART_M
    away; without them UTM does, if the zone is there. A month alone is no time. ValueError for another layout,
    FileNotFoundError where its folders are not there.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout {layout!r} must be {', '.join(LAYOUTS)}")
    root, unwanted = folder_contents.root_of(folder), {"night": not night, "panoramas": not panoramas}
    given = {"city": city, "country": country, "licence": licence, "author": author, "source": "vpr"}
    entries = [(f"{folder.rstrip('/')}/{name}", "", *told) for name, *told in LAYOUTS[layout](root)]
    if not entries:
        raise ValueError(f"folder {folder!r} holds no picture ({', '.join(PICTURES)}), or its tables have no rows")

    def photo(path, tell, *what):
        told = tell(*what)
        for option, refused in unwanted.items():
            if refused and told.get(option):
                raise Unreadable(option.removesuffix("s"), f"the data set says so: option {option}: true keeps it")
        return photo_fields.photo(path, told, given)

    return collected(*kept_and_left_out(entries, photo, progress=True), city_link_m=city_link_m)


# Each layout gives (name below the folder, function, *arguments): what the function says of that picture.
def refuse(reason, detail):
    """Raise Unreadable, of a picture of which nothing else is to say."""
    raise Unreadable(reason, detail)


# ---- names -----------------------------------------------------------------------------------------------------------
def names(root):
    """The layout of pictures whose names tell their positions."""
    return [(name, of_name, root, name) for name in folder_contents.pictures_below(root, PICTURES)]


def of_name(root, name):
    """What the name of a picture says."""
    folder_contents.refuse_by_name(root, name)
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
    told = photo_fields.required_number(lat, "lat_deg"), photo_fields.required_number(lon, "lon_deg")
    photo_fields.check_position(*told)
    if not zoned or not np.isfinite([photo_fields.number(east), photo_fields.number(north)]).all():
        return told
    apart_m = float(sphere.distance_m([told], [from_utm(east, north, zone, letter)])[0])
    if not apart_m <= APART_M:
        raise Unreadable("broken position", f"latitude and longitude lie {apart_m:,.0f} m from UTM {east} {north}")
    return told


def from_utm(east, north, zone, letter):
    """(latitude, longitude) of a position in UTM on WGS 84; bands from N on are north of the equator."""
    east, north = photo_fields.required_number(east, "UTM east"), photo_fields.required_number(north, "UTM north")
    if not 1 <= int(zone) <= 60 or letter.strip().upper() not in "CDEFGHJKLMNPQRSTUVWX":
        raise Unreadable("broken position", f"there is no UTM zone {zone}{letter}")
    first = 32600 if letter.strip().upper() >= "N" else 32700
    lon_deg, lat_deg = photo_fields.to_degrees(f"EPSG:{first + int(zone)}").transform(east, north)
    return lat_deg, lon_deg


# ---- GSV-Cities ------------------------------------------------------------------------------------------------------
def gsv_cities(root):
    """The layout of every row of Dataframes/<city>.csv, and of what lies in Images without a row."""
    files = sorted((root / "Dataframes").glob("*.csv"))
    if not files:
        raise FileNotFoundError(f"there is no table in {root / 'Dataframes'}: the folder must be that of the data set")
    cities = {path.name for path in (root / "Images").glob("*") if path.is_dir()} - {file.stem for file in files}
    without = [
        (f"Images/{city}", refuse, "missing table", f"there is no Dataframes/{city}.csv") for city in sorted(cities)
    ]
    return [entry for file in files for entry in gsv_city(root, file)] + without


def gsv_city(root, file):
    """gsv_cities of one city, whose table is the file."""
    there = {path.stem.lower(): path.name for path in (root / "Images" / file.stem).glob("*")}
    found = []
    for number, row in enumerate(text_tables.rows_of(file, GSV_COLUMNS).to_dict("records"), 1):
        try:
            stem = stem_of(row)
        except Unreadable as why:
            detail = f"row {number} of {file.name}: {why.detail}"
            found.append((f"Dataframes/{file.name}", refuse, why.reason, detail))
            continue
        told = {"lat_deg": row["lat"], "lon_deg": row["lon"], "heading_deg": row["northdeg"], "city": file.stem}
        found.append((f"Images/{file.stem}/{there.pop(stem.lower(), f'{stem}.JPG')}", dict, told))
    no_row = refuse, "no position", f"no row of {file.name} names it"
    return found + [(f"Images/{file.stem}/{name}", *no_row) for name in sorted(there.values())]


def stem_of(row):
    """The name of a picture of GSV-Cities, short of its ending: the place's number counts within its city."""
    place, year, month, north = (whole(row, name) for name in ("place_id", "year", "month", "northdeg"))
    parts = f"{place % 10**5:07d}", f"{year:04d}", f"{month:02d}", f"{north:03d}"
    return "_".join([row["city_id"], *parts, row["lat"], row["lon"], row["panoid"]])


def whole(row, name):
    """The whole number in a column of a row, also written as 2017.0; Unreadable where there is none."""
    number = photo_fields.number(row[name])
    if not number.is_integer():  # neither are what is missing and what is infinite
        raise Unreadable("not a number", f"{name} is {row[name]!r}, not a whole number, of which the file name is made")
    return int(number)


# ---- MSLS ------------------------------------------------------------------------------------------------------------
def msls(root):
    """The layout of every row of train_val/<city>/<query or database>/raw.csv, and of what lies there without a row or
    a table.
    """
    if not any((root / "train_val").glob("*/*/raw.csv")):
        raise FileNotFoundError(f"there is no train_val/<city>/query/raw.csv in {root}: take the folder that holds it")
    cities = sorted(path for path in (root / "train_val").iterdir() if path.is_dir())
    sides = [side for city in cities for side in sorted(filter(Path.is_dir, city.iterdir())) or [city]]
    return [entry for side in sides for entry in msls_side(side.relative_to(root).as_posix(), side)]


def msls_side(below, side):
    """msls of one folder, query or database of a city; below: its name below the root."""
    if not (side / "raw.csv").is_file():
        return [(below, refuse, "missing table", "there is no raw.csv, which tells where its photos were taken")]
    tables = [text_tables.rows_of(side / f"{name}.csv", needed, more=more) for name, (needed, more) in MSLS.items()]
    known = functools.reduce(lambda one, other: one.merge(other, on="key", how="left"), tables).fillna("")
    there = {path.stem: path.name for path in (side / "images").glob("*.jpg")}
    city = Path(below).parts[1]
    found = [(f"{below}/images/{row['key']}.jpg", of_msls, row, city) for row in known.to_dict("records")]
    no_row = refuse, "no position", "no row of raw.csv names it"
    return found + [(f"{below}/images/{there[key]}", *no_row) for key in sorted(set(there) - set(known["key"]))]


def of_msls(row, city):
    """The keys of the catalogue of a row of MSLS, whose times are days or milliseconds since 1970."""
    taken, heading = row.get("captured_at", ""), row.get("ca", "")
    return {
        "lat_deg": row["lat"], "lon_deg": row["lon"], "city": city,
        "heading_deg": "" if heading.startswith("-") else heading,
        "captured_at": photo_fields.of_milliseconds(taken) if taken.isdigit() and len(taken) > 8 else taken,
        "sequence_id": row.get("sequence_id", "") or row.get("sequence_key", ""),
        "night": row.get("night", "").lower() in ("true", "1", "night"),
        "panoramas": row.get("pano", "").lower() in ("true", "1"),
    }  # fmt: skip


LAYOUTS = {"names": names, "gsv_cities": gsv_cities, "msls": msls}
