"""Global Streetscapes: photos of Mapillary and KartaView in 688 cities, their tables joined by uuid.

Tables as on the Hugging Face Hub (NUS-UAL/global-streetscapes, CC BY-SA 4.0; Hou et al. 2024, ISPRS Journal 215): of
the csv files metadata_common_attributes is needed; simplemaps (cities) and contextual (light) are used where they lie.
In place of them, the tables of single cities do that the data set's own code downloads. Pictures are not published with
the tables: that code downloads them, as <uuid>.jpeg in folders of any name.
"""

import re
from pathlib import PurePosixPath

import pandas as pd

from geonb.photos import catalogue as photos
from geonb.photos.catalogue import Unreadable
from geonb.photos.sources import folder as folders
from geonb.photos.sources import table

LICENCE = "CC BY-SA 4.0"
COMMON, PLACES, CONTEXT = "metadata_common_attributes.csv", "simplemaps.csv", "contextual.csv"
NEEDED = ("uuid", "lat", "lon", "source", "orig_id")
ATTRIBUTES = (*NEEDED, "datetime_local", "heading", "projection_type", "sequence_id")
CITY = ("uuid", "city", "city_ascii", "admin_name", "country")
LIGHT = ("uuid", "lighting_condition")
# of a single city's table: milliseconds since 1970 for Mapillary, UTC for KartaView
DOWNLOADED = (
    *NEEDED, "heading", "mly_captured_at", "mly_is_pano", "mly_sequence_id", "kv_shotDate", "kv_projection",
    "kv_sequenceId",
)  # fmt: skip
SEQUENCES = ("sequence_id", "mly_sequence_id", "kv_sequenceId")
ALL_AROUND = {"spherical", "equirectangular", "SPHERE"}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PICTURES = (".jpeg", ".jpg", ".png", ".webp")
ROWS_AT_ONCE = 200_000  # of ten million


def read(
    *,
    folder: str,
    tables: str = "",
    city: str = "",
    panoramas: bool = False,
    night: bool = False,
    city_link_m: float = 10_000.0,
    workers: int = 0,
):
    """(rows, left_out) of the pictures below a folder that are named by a uuid of the data set: each ends in one.

    tables: the folder of the csv files, without it the same folder. city: only photos that simplemaps gives to a city
    of that name, as it writes it or in plain letters; the others are not asked for. Panoramas, and photos that
    contextual calls taken at night, are left out unless asked for. Times have the zone of their city. Photos without a
    city share one when steps of city_link_m metres link them. workers: as in source table. FileNotFoundError where the
    folder or the tables are not there, ValueError for a table of other columns and for a city without a picture.
    """
    root = photos.picture_path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"folder {folder!r} is not a folder on this machine: {root}")
    there, left_out = folders.readable(root, folders.pictures(root, PICTURES), folder)
    if not there and not left_out:
        raise ValueError(f"folder {folder!r} holds no picture ({', '.join(PICTURES)}): option folder is where they lie")
    ids = {path: PurePosixPath(name).stem.lower() for name, path in there.items()}
    told = joined(photos.picture_path(tables or folder), {id_ for id_ in ids.values() if UUID.fullmatch(id_)})
    ids = in_city(city, ids, told) if city else ids
    seen, given = table.look(list(ids), root, workers), {"licence": LICENCE, "source": "global_streetscapes"}
    rows = []
    for path, id_ in ids.items():
        try:
            rows.append(table.photo(path, fields(told.get(id_), panoramas, night), given, seen))
        except Unreadable as why:
            left_out.append({"path": path, "reason": why.reason, "detail": why.detail})
    return photos.collected(rows, left_out, city_link_m=city_link_m)


# ---- the tables ------------------------------------------------------------------------------------------------------
def joined(root, wanted):
    """{uuid: {column: text}} of the wanted rows of all tables below a folder."""
    told = {}
    for file, columns in found_in(root):
        with table.csv_named(file):
            header = pd.read_csv(file, nrows=0).columns
        if missing := [name for name in columns if name in (*NEEDED, *LIGHT) and name not in header]:
            raise ValueError(f"{file.name} has no column {', '.join(missing)}; it has {', '.join(header)}")
        for row in wanted_rows(file, [name for name in columns if name in header], wanted):
            told[row["uuid"]] = row | told.get(row["uuid"], {})
    return told


def found_in(root):
    """[(csv file, its columns that matter)] below a folder; FileNotFoundError names what is not there."""
    files = sorted(root.rglob("*.csv"))
    known = {COMMON: ATTRIBUTES, PLACES: CITY, CONTEXT: LIGHT}
    found = [(file, columns) for file in files for name, columns in known.items() if file.name.endswith(name)]
    if not any(columns is ATTRIBUTES for _, columns in found):
        named = {file for file, _ in found}
        found += [(file, DOWNLOADED) for file in files if file not in named and is_downloaded(file)]
    if not any(columns in (ATTRIBUTES, DOWNLOADED) for _, columns in found):
        raise FileNotFoundError(f"{COMMON} is not below {root}: option tables is the folder of the csv files")
    return found


def is_downloaded(file):
    """Whether a csv is the table of a city as the data set's code downloads it."""
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        header = lines.readline().strip().split(",")
    return set(NEEDED) <= set(header) and ("mly_captured_at" in header or "kv_shotDate" in header)


def wanted_rows(file, columns, wanted):
    """The wanted rows of a csv as dicts of text, each uuid once."""
    found = []
    with table.csv_named(file):
        for rows in pd.read_csv(file, dtype=str, keep_default_na=False, usecols=columns, chunksize=ROWS_AT_ONCE):
            found.append(rows[rows.uuid.isin(wanted)])
    return pd.concat(found).drop_duplicates("uuid").to_dict("records")


# ---- a row -----------------------------------------------------------------------------------------------------------
def fields(row, panoramas, night):
    """The keys of the catalogue of a joined row; Unreadable for what was not asked for, and where there is no row."""
    if row is None or "lat" not in row:
        raise Unreadable("no position", "the tables have no row of that uuid: pictures are named <uuid>.jpeg")
    if not panoramas and (row.get("projection_type") in ALL_AROUND or is_panorama(row)):
        raise Unreadable("panorama", "option panoramas: true keeps it")
    if not night and row.get("lighting_condition") == "night":
        raise Unreadable("night", f"{CONTEXT} says so: option night: true keeps it")
    names = [row.get(level, "") for level in ("city", "admin_name", "country")]
    return {
        "lat_deg": row["lat"], "lon_deg": row["lon"], "heading_deg": row.get("heading"), "country": names[2],
        "city": ", ".join(name for name in names if name) if names[0] else "", "captured_at": captured_at(row),
        "sequence_id": next((row[name] for name in SEQUENCES if row.get(name)), ""),
        "author": f"a user of {row['source']}, photo {row['orig_id']}",
    }  # fmt: skip


def is_panorama(row):
    """Whether a row of a city's own table says that the photo shows all directions."""
    return row.get("mly_is_pano") == "True" or row.get("kv_projection") in ALL_AROUND


def captured_at(row):
    """The time that a row tells, with its zone; '' where it tells none."""
    if time := table.of_milliseconds(row.get("mly_captured_at", "")):
        return time
    return row.get("datetime_local") or row.get("kv_shotDate", "")


def in_city(city, ids, told):
    """The part of {path: uuid} in a city, by either of its names; ValueError names the cities that there are."""
    names = {path: {told.get(id_, {}).get(name) for name in ("city", "city_ascii")} for path, id_ in ids.items()}
    if kept := {path: id_ for path, id_ in ids.items() if city in names[path]}:
        return kept
    there = sorted({name for some in names.values() for name in some if name})
    raise ValueError(f"no picture is of city {city!r}; {PLACES} names {', '.join(there[:50]) or 'none of them'}")
