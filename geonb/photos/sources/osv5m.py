"""OpenStreetView-5M as it is published: train.csv, test.csv, and pictures under images/train/00 to 97 and images/test.

Layout and columns of the data set on the Hugging Face Hub (osv5m/osv5m, CC BY-SA 4.0; Astruc et al. 2024, arXiv
2404.18873). Folders of pictures may still be the zip files they came as: only chosen pictures are taken out of them.
"""

import os
import re
import zipfile
import zlib
from pathlib import PurePosixPath, PureWindowsPath

import numpy as np
import pandas as pd

from geonb import files, random_streams
from geonb.photos.catalogue import collected
from geonb.photos.left_out import Unreadable, kept_and_left_out
from geonb.photos.pictures import picture_path
from geonb.photos.sources import photo_fields, text_tables

HUB, LICENCE = "osv5m/osv5m", "CC BY-SA 4.0"
NEEDED = ("id", "latitude", "longitude", "country", "region", "city", "sequence", "captured_at")
CREATOR = "creator_username"
PARTS = {"train": ["train"], "test": ["test"], "both": ["train", "test"]}
LARGEST_BYTES = 50_000_000  # of a picture in a zip file; those of the data set have about 50 kB


def read(
    *, folder: str, part: str = "train", country: str = "", box: list | None = None, limit: int = 0, seed: int = 0,
    download: list | None = None, city_link_m: float = 10_000.0,
):  # fmt: skip
    """(rows, left_out) of the data set below a folder: each chosen row of a csv ends in one of the two.

    part: train, test or both. country: an ISO code as in the csv; box: [south, west, north, east] in degrees, west
    above east across the date line; limit: at most so many rows of a part, drawn by the seed, 0 for all. Pictures in
    zip files are taken out into build/osv5m/. download: zip files of the Hub, as [train/00, test/00], fetched into the
    folder first, with the csv of their parts; only rows whose picture is at hand are then chosen. FileNotFoundError
    without the csv, ValueError for other columns, ConnectionError for a file that does not come.
    """
    if part not in PARTS:
        raise ValueError(f"part {part!r} must be {', '.join(PARTS)}")
    if box is not None:
        photo_fields.box_sides(box, across=True)
    root, entries = picture_path(folder), []
    if download:
        fetch(root, download)
    for name in PARTS[part]:
        there = pictures(root / "images" / name)
        rows = chosen(root / f"{name}.csv", country, box, limit, seed, there if download else None)
        for row in rows.to_dict("records"):
            found = there.get(row["id"])
            below = f"{folder.rstrip('/')}/images/{name}/{found or row['id'] + '.jpg'}"
            path = f"build/osv5m/{name}/{row['id']}.jpg" if isinstance(found, tuple) else below
            entries.append((path, f"id {row['id']}: ", row | {"given_part": name}, found))
    if not entries:
        raise ValueError(nothing(root / f"{name}.csv", country, box))
    return collected(*kept_and_left_out(entries, photo, progress=True), city_link_m=city_link_m)


def photo(path, row, found):
    """The row of the catalogue of a row of the csv; found: as in pictures. Unreadable tells why there is none."""
    if found is None or not row["id"].isdigit():
        raise Unreadable("missing file", f"no picture of that id below images/{row['given_part']}")
    if isinstance(found, tuple):
        take_out(*found, files.ROOT / path)
    names = [row[level] for level in ("city", "region", "country") if row[level]]
    told = {
        "lat_deg": row["latitude"], "lon_deg": row["longitude"], "country": row["country"],
        "city": ", ".join(names) if row["city"] else "",  # a name alone stands for many cities of the world
        "sequence_id": row["sequence"], "author": row.get(CREATOR, ""), "given_part": row["given_part"],
        "captured_at": photo_fields.of_milliseconds(row["captured_at"]),  # Mapillary's
    }  # fmt: skip
    return photo_fields.photo(path, told, {"licence": LICENCE, "source": "osv5m"})


def fetch(root, archives):
    """Bring zip files of the Hub, and the csv of their parts, into the folder; what is there stays as it is.

    No token is sent. ValueError for another name, ConnectionError for a file that does not come whole.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    if wrong := [name for name in archives if not re.fullmatch(r"(train|test)/\d\d", str(name))]:
        raise ValueError(f"download {wrong}: zip files of the data set are train/00 to train/97 and test/00 to test/04")
    hub, parts = os.environ.get("HF_ENDPOINT", "https://huggingface.co"), {name[: name.index("/")] for name in archives}
    for name in [f"{part}.csv" for part in sorted(parts)] + [f"images/{name}.zip" for name in archives]:
        try:
            if not (root / name).exists():
                hf_hub_download(HUB, name, repo_type="dataset", local_dir=root, endpoint=hub, token=False)
        except (HfHubHTTPError, OSError) as error:
            why = f"{type(error).__name__}; try again"
            raise ConnectionError(f"{name} of {HUB} does not come from {hub}: {why}") from error


def chosen(csv, country, box, limit, seed, there=None):
    """Rows of a csv as text, in its order: of a country, in a box, of the ids there; limit drawn ones, 0 for all."""

    def keep(rows):
        rows = rows[rows.country == country] if country else rows
        rows = rows if there is None else rows[rows.id.isin(there)]
        return rows if box is None else rows[within(rows, box)]

    rows = text_tables.rows_of(csv, NEEDED, more=(CREATOR,), keep=keep)
    if limit and limit < len(rows):
        rows = rows.iloc[np.sort(random_streams.stream(seed, "osv5m").choice(len(rows), limit, replace=False))]
    return rows.reset_index(drop=True)


def nothing(csv, country, box):
    """Which options leave no row, and what else could have been meant."""
    said = f"{csv.name} has no row"
    if country:
        names = sorted(set(text_tables.rows_of(csv, ("country",)).country))
        said += f" of country {country!r}, of {', '.join(names)}"
    return said + (f" in box {box} (south, west, north, east), meant as {photo_fields.exchanged(box)}?" if box else "")


def within(rows, box):
    """Mask of the rows inside [south, west, north, east]; rows that name no position are not."""
    south, west, north, east = box
    lat, lon = (pd.to_numeric(rows[name], errors="coerce") for name in ("latitude", "longitude"))
    across = (lon >= west) & (lon <= east) if west <= east else (lon >= west) | (lon <= east)
    return (lat >= south) & (lat <= north) & across


def pictures(images):
    """{id: its name below images/<part>, or (zip file, name in it)} of all pictures; unpacked ones go before."""
    packed, found = {}, {}
    for below in sorted(images.iterdir()) if images.is_dir() else ():
        if below.is_dir():
            found |= {entry.name.removesuffix(".jpg"): f"{below.name}/{entry.name}" for entry in os.scandir(below)}
        elif below.suffix == ".jpg":
            found[below.stem] = below.name
        elif below.suffix == ".zip":
            try:
                with zipfile.ZipFile(below) as archive:
                    names = archive.namelist()
            except zipfile.BadZipFile as error:
                raise ValueError(f"{below.name} is no whole zip file ({error}): fetch it again") from error
            packed |= {name.rpartition("/")[2].removesuffix(".jpg"): (below, name) for name in names}
    return packed | found


def take_out(archive, member, file):
    """Write one member of a zip file, if it is not there already, whole or not at all.

    Unreadable where its name leads out of the folder that it is unpacked in, where it is damaged or too large.
    """
    ways = PurePosixPath(member), PureWindowsPath(member)
    if any(way.anchor or ".." in way.parts for way in ways):  # on any system
        raise Unreadable("unreadable", f"{archive.name} calls it {member}, outside of its folder: do not trust it")
    if file.exists():
        return
    try:
        with zipfile.ZipFile(archive) as packed:
            if (size := packed.getinfo(member).file_size) > LARGEST_BYTES:
                raise Unreadable("broken picture", f"{member} in {archive.name} has {size:,} bytes")
            content = packed.read(member)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:  # RuntimeError: a password
        raise Unreadable("unreadable", f"{member} in {archive.name} cannot be taken out: {error}") from error
    files.write_whole(file, lambda partial: partial.write_bytes(content))
