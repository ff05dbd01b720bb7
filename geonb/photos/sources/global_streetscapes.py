"""Global Streetscapes: photos of Mapillary and KartaView in 688 cities, their tables joined by uuid.

Tables as on the Hugging Face Hub (NUS-UAL/global-streetscapes, CC BY-SA 4.0; Hou et al. 2024, ISPRS Journal 215): of
the csv files metadata_common_attributes is needed; simplemaps (cities) and contextual (light) are used where they lie.
In place of them, the tables of single cities do that the data set's own code downloads. Pictures are not published with
the tables: that code downloads them, as <uuid>.jpeg in folders of any name.
"""

import re
from pathlib import PurePosixPath

from geonb.photos.catalogue import collected
from geonb.photos.left_out import Unreadable, kept_and_left_out
from geonb.photos.pictures import picture_path
from geonb.photos.sources import cached_reading, folder_contents, photo_fields, text_tables

LICENCE = "CC BY-SA 4.0"
COMMON, PLACES, CONTEXT = "metadata_common_attributes.csv", "simplemaps.csv", "contextual.csv"
NEEDED = ("uuid", "lat", "lon", "source", "orig_id")
# name of a table: (columns that it must have, columns that are taken where they are there)
TABLES = {
    COMMON: (NEEDED, ("datetime_local", "heading", "projection_type", "sequence_id")),
    PLACES: (("uuid",), ("city", "city_ascii", "admin_name", "country")),
    CONTEXT: (("uuid", "lighting_condition"), ()),
}
# of a single city's table: milliseconds since 1970 for Mapillary, UTC for KartaView
DOWNLOADED = NEEDED, (
    "heading", "mly_captured_at", "mly_is_pano", "mly_sequence_id", "kv_shotDate", "kv_projection", "kv_sequenceId",
)  # fmt: skip
SEQUENCES = ("sequence_id", "mly_sequence_id", "kv_sequenceId")
ALL_AROUND = {"spherical", "equirectangular", "SPHERE"}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PICTURES = (".jpeg", ".jpg", ".png", ".webp")


def read(
    *, folder: str, tables: str = "", city: str = "", panoramas: bool = False, night: bool = False,
    city_link_m: float = 10_000.0, workers: int = 0,
):  # fmt: skip
    """(rows, left_out) of the pictures below a folder that are named by a uuid of the data set: each ends in one.

    tables: the folder of the csv files, without it the same folder. city: only photos that simplemaps gives to a city
    of that name, as it writes it or in plain letters; the others are not asked for. Panoramas, and photos that
    contextual calls taken at night, are left out unless asked for. Times have the zone of their city. Photos without a
    city share one when steps of city_link_m metres link them. workers: as in source table. FileNotFoundError where the
    folder or the tables are not there, ValueError for a table of other columns and for a city without a picture.
    """
    root = folder_contents.root_of(folder)
    there, refused = folder_contents.readable(root, folder_contents.pictures_below(root, PICTURES), folder)
    if not there and not refused:
        raise ValueError(f"folder {folder!r} holds no picture ({', '.join(PICTURES)}): option folder is where they lie")
    ids = {path: PurePosixPath(name).stem.lower() for name, path in there.items()}
    told = joined(picture_path(tables or folder), {id_ for id_ in ids.values() if UUID.fullmatch(id_)})
    ids = in_city(city, ids, told) if city else ids
    examine, given = (
        cached_reading.examiner(list(ids), root, workers),
        {"licence": LICENCE, "source": "global_streetscapes"},
    )
    rows, left_out = kept_and_left_out(
        [(path, "", told.get(id_)) for path, id_ in ids.items()],
        lambda path, row: photo_fields.photo(path, fields_of(row, panoramas, night), given, examine),
    )
    return collected(rows, refused + left_out, city_link_m=city_link_m)


def joined(root, wanted):
    """{uuid: {column: text}} of the wanted rows of all tables below a folder."""
    told = {}
    for file, (needed, more) in found_in(root):
        rows = text_tables.rows_of(file, needed, more=more, keep=lambda rows: rows[rows.uuid.isin(wanted)])
        for row in rows.drop_duplicates("uuid").to_dict("records"):
            told[row["uuid"]] = row | told.get(row["uuid"], {})
    return told


def found_in(root):
    """[(csv file, its columns that matter)] below a folder; FileNotFoundError names what is not there."""
    there = sorted(root.rglob("*.csv"))
    found = {file: columns for file in there for name, columns in TABLES.items() if file.name.endswith(name)}
    if not any(columns is TABLES[COMMON] for columns in found.values()):
        downloaded = [file for file in there if file not in found and is_downloaded(file)]
        if not downloaded:
            raise FileNotFoundError(f"{COMMON} is not below {root}: option tables is the folder of the csv files")
        found |= dict.fromkeys(downloaded, DOWNLOADED)
    return list(found.items())


def is_downloaded(file):
    """Whether a csv is the table of a city as the data set's code downloads it."""
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        header = lines.readline().strip().split(",")
    return set(NEEDED) <= set(header) and ("mly_captured_at" in header or "kv_shotDate" in header)


def fields_of(row, panoramas, night):
    """The keys of the catalogue of a joined row; Unreadable for what was not asked for, and where there is no row."""
    if row is None or "lat" not in row:
        raise Unreadable("no position", "the tables have no row of that uuid: pictures are named <uuid>.jpeg")
    around = {row.get("projection_type"), row.get("kv_projection")} & ALL_AROUND or row.get("mly_is_pano") == "True"
    if around and not panoramas:
        raise Unreadable("panorama", "option panoramas: true keeps it")
    if not night and row.get("lighting_condition") == "night":
        raise Unreadable("night", f"{CONTEXT} says so: option night: true keeps it")
    names = [row.get(level, "") for level in ("city", "admin_name", "country")]
    taken = photo_fields.of_milliseconds(row.get("mly_captured_at", ""))
    return {
        "lat_deg": row["lat"], "lon_deg": row["lon"], "heading_deg": row.get("heading"), "country": names[2],
        "city": ", ".join(name for name in names if name) if names[0] else "",
        "captured_at": taken or row.get("datetime_local") or row.get("kv_shotDate", ""),  # with its zone
        "sequence_id": next((row[name] for name in SEQUENCES if row.get(name)), ""),
        "author": f"a user of {row['source']}, photo {row['orig_id']}",
    }  # fmt: skip


def in_city(city, ids, told):
    """The part of {path: uuid} in a city, by either of its names; ValueError names the cities that there are."""
    names = {path: {told.get(id_, {}).get(name) for name in ("city", "city_ascii")} for path, id_ in ids.items()}
    if kept := {path: id_ for path, id_ in ids.items() if city in names[path]}:
        return kept
    there = sorted({name for some in names.values() for name in some if name})
    raise ValueError(f"no picture is of city {city!r}; {PLACES} names {', '.join(there[:50]) or 'none of them'}")
