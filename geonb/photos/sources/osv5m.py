"""OpenStreetView-5M as it is published: train.csv, test.csv, and pictures under images/train/00 to 97 and images/test.

Layout and columns of the data set on the Hugging Face Hub (osv5m/osv5m, CC BY-SA 4.0; Astruc et al. 2024, arXiv
2404.18873). Folders of pictures may still be the zip files they came as: only chosen pictures are taken out of them.
"""

import os
import re
import sys
import zipfile
import zlib
from collections import Counter
from itertools import pairwise
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pandas as pd
from tqdm import tqdm

from geonb import checks, files
from geonb.earth import seeds
from geonb.photos import catalogue as photos
from geonb.photos.catalogue import Unreadable
from geonb.photos.sources import table

HUB, LICENCE = "osv5m/osv5m", "CC BY-SA 4.0"
NEEDED = ("id", "latitude", "longitude", "country", "region", "city", "sequence", "captured_at")
CREATOR = "creator_username"
PARTS = {"train": ["train"], "test": ["test"], "both": ["train", "test"]}
ROWS_AT_ONCE, COMING = 200_000, ".coming"
COUNTRIES = 300  # that are named at most
LARGEST_BYTES = 50_000_000  # of a picture in a zip file; those of the data set have about 50 kB


def read(
    *,
    folder: str,
    part: str = "train",
    country: str = "",
    box: list | None = None,
    limit: int = 0,
    seed: int = 0,
    download: list | None = None,
    city_link_m: float = 10_000.0,
):
    """(rows, left_out) of the data set below a folder: each chosen row of a csv ends in one of the two.

    part: train, test or both, which split official of page 04 then takes over. country: an ISO code as in the csv;
    box: [south, west, north, east] in degrees, west above east across the date line; limit: at most so many rows of a
    part, drawn by the seed, 0 for all. A city is named with its region and country; photos without one share one when
    steps of city_link_m metres link them. Pictures that lie in zip files are taken out into build/osv5m/.
    download: zip files of the Hub, as [train/00, test/00], fetched into the folder first, with the csv of their parts;
    only rows whose picture is at hand are then chosen. FileNotFoundError without the csv, ValueError for a csv of
    other columns, ConnectionError for a file that does not come whole.
    """
    if part not in PARTS:
        raise ValueError(f"part {part!r} must be {', '.join(PARTS)}")
    checks.count("limit", limit, least=0)
    checks.count("seed", seed, least=0)
    if box is not None:
        photos.sides(box, across=True)
    root, rows, left_out, nothing = photos.picture_path(folder), [], [], []
    fetch(root, download or [])
    for name in PARTS[part]:
        there = set(pictures(root / "images" / name)) if download else None
        entries = chosen(root / f"{name}.csv", country, box, limit, seed, there, nothing)
        there, missing = photos_of(entries, folder, name)
        rows, left_out = rows + there, left_out + missing
    if not rows and not left_out:
        raise ValueError("; ".join(nothing))
    return photos.collected(rows, left_out, city_link_m=city_link_m)


def photos_of(entries, folder, part):
    """(rows, left_out) of the chosen entries of one part."""
    where = pictures(photos.picture_path(folder) / "images" / part, set(entries.id))
    given = {"licence": LICENCE, "source": "osv5m", "given_part": part}
    rows, left_out = [], []
    for entry in tqdm(entries.to_dict("records"), desc=f"photos of {part}", unit="row", file=sys.stdout):
        path = f"{folder.rstrip('/')}/images/{part}/{entry['id']}.jpg"
        try:
            path = place(where, entry["id"], folder, part)
            rows.append(table.photo(path, fields(entry), given))
        except Unreadable as why:
            left_out.append({"path": path, "reason": why.reason, "detail": f"id {entry['id']}: {why.detail}"})
    return rows, left_out


# ---- the Hub ---------------------------------------------------------------------------------------------------------
def fetch(root, archives):
    """Bring zip files of the Hub, and the csv of their parts, into the folder; what is there stays as it is.

    huggingface_hub goes on where it was interrupted, in a folder beside; a file comes to its place once its content has
    been compared with the digest that the Hub states. ValueError for another name, ConnectionError otherwise.
    """
    if wrong := [name for name in archives if not re.fullmatch(r"(train|test)/\d\d", str(name))]:
        raise ValueError(f"download {wrong}: zip files of the data set are train/00 to train/97 and test/00 to test/04")
    parts = dict.fromkeys(name.partition("/")[0] for name in archives)
    for name in [f"{part}.csv" for part in parts] + [f"images/{name}.zip" for name in archives]:
        if not (root / name).exists():
            fetch_file(root, name)


def fetch_file(root, name):
    """One file of the data set from the Hub; a token, which it does not need, comes from HF_TOKEN alone."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    hub, token = os.environ.get("HF_ENDPOINT", "https://huggingface.co"), os.environ.get("HF_TOKEN") or False
    try:
        url = hf_hub_url(HUB, name, repo_type="dataset", endpoint=hub)
        stated = get_hf_file_metadata(url, endpoint=hub, token=token).etag or ""
        come = Path(hf_hub_download(HUB, name, repo_type="dataset", local_dir=root / COMING, endpoint=hub, token=token))
    except (HfHubHTTPError, OSError) as error:
        raise ConnectionError(f"{name} of {HUB} does not come from {hub}: {type(error).__name__}; try again") from error
    if re.fullmatch("[0-9a-f]{64}", stated) and files.sha256_of(come) != stated:
        come.unlink()
        raise ConnectionError(f"{name} of {HUB} came damaged: its content is not what the Hub states; try again")
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    come.replace(root / name)


# ---- the csv ---------------------------------------------------------------------------------------------------------
def chosen(file, country, box, limit, seed, there=None, nothing=None):
    """The rows of a csv as text, those of a country and within a box, at most `limit` of them in the csv's order.

    there: the ids that alone are chosen among, all when None; nothing: a list to which the reason is added when no row
    is chosen.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file.name} is not in {file.parent}: the folder must be that of the data set")
    with table.csv_named(file):
        header = pd.read_csv(file, nrows=0).columns
    if missing := [name for name in NEEDED if name not in header]:
        raise ValueError(f"{file.name} has no column {', '.join(missing)}; it has {', '.join(header)}")
    kept = [name for name in (*NEEDED, CREATOR) if name in header]
    found, told = [], Told()
    with table.csv_named(file):
        for rows in pd.read_csv(file, dtype=str, keep_default_na=False, usecols=kept, chunksize=ROWS_AT_ONCE):
            found.append(told.kept(rows, country, box, there))
    entries = pd.concat(found, ignore_index=True)
    if not len(entries) and nothing is not None:
        nothing.append(told.words(file.name, box))
    if limit and limit < len(entries):
        drawn = seeds.stream(seed, "osv5m").choice(len(entries), limit, replace=False)
        entries = entries.iloc[np.sort(drawn)]
    return entries.reset_index(drop=True)


class Told:
    """How many rows each filter left of those that the one before had left, and what else could have been meant."""

    def __init__(self):
        self.left, self.countries, self.exchanged = Counter(), set(), 0

    def kept(self, rows, country, box, there):
        """The rows that pass every filter that is asked for; they are counted."""
        self.left["all"] += len(rows)
        self.countries |= set(rows.country)
        if country:
            rows = rows[rows.country == country]
            self.left[f"country {country!r}"] += len(rows)
        if there is not None:
            rows = rows[rows.id.isin(there)]
            self.left["having a picture in the folder"] += len(rows)
        if box is not None:
            self.exchanged += int(within(rows, photos.exchanged(box)).sum())
            rows = rows[within(rows, box)]
            self.left[f"box {box} (south, west, north, east)"] += len(rows)
        return rows

    def words(self, name, box):
        """Which filter of a csv of this name left how many of how many, down to the one that left none."""
        if not self.left["all"]:
            return f"{name} has no rows"
        said, names = [], list(self.left)
        for before, filter_ in pairwise(names):
            said.append(f"{filter_} leaves {self.left[filter_]:,} of {self.left[before]:,}")
            if not self.left[filter_]:
                break
        said[0] += f" rows of {name}"
        if filter_.startswith("country"):
            said[-1] += f", which names the countries {', '.join(sorted(self.countries)[:COUNTRIES])}"
        if filter_.startswith("box") and self.exchanged:
            said.append(f"{self.exchanged:,} lies in {photos.exchanged(box)}, as if it read west, south, east, north")
        return ", ".join(said)


def within(rows, box):
    """Mask of the rows inside [south, west, north, east]; rows that name no position are not."""
    south, west, north, east = box
    lat, lon = (pd.to_numeric(rows[name], errors="coerce") for name in ("latitude", "longitude"))
    across = (lon >= west) & (lon <= east) if west <= east else (lon >= west) | (lon <= east)
    return (lat >= south) & (lat <= north) & across


def fields(entry):
    """A row of the csv with the keys of the catalogue; the time of Mapillary is in milliseconds since 1970."""
    names = [entry[level] for level in ("city", "region", "country") if entry[level]]
    city = ", ".join(names) if entry["city"] else ""  # a name alone stands for many cities of the world
    return {
        "lat_deg": entry["latitude"], "lon_deg": entry["longitude"], "city": city, "country": entry["country"],
        "sequence_id": entry["sequence"], "author": entry.get(CREATOR, ""),
        "captured_at": table.of_milliseconds(entry["captured_at"]),
    }  # fmt: skip


# ---- the pictures ----------------------------------------------------------------------------------------------------
def pictures(folder, wanted=None):
    """{id: a folder's name, '' for none, or (zip file, name in it)} of wanted ids, or all, below images/<part>."""
    found = {}
    if not folder.is_dir():
        return found
    for below in sorted(folder.iterdir()):
        if below.is_dir():
            ids = (entry.name.removesuffix(".jpg") for entry in os.scandir(below))
            found |= {id_: below.name for id_ in ids if wanted is None or id_ in wanted}
        elif below.suffix == ".zip":
            ids = ((name.rpartition("/")[2].removesuffix(".jpg"), name) for name in members(below))
            found = {id_: (below, name) for id_, name in ids if wanted is None or id_ in wanted} | found
        elif below.suffix == ".jpg" and (wanted is None or below.stem in wanted):
            found[below.stem] = ""
    return found


def members(archive):
    """Names of what a zip file holds; ValueError where it is cut off, or none."""
    try:
        with zipfile.ZipFile(archive) as packed:
            return packed.namelist()
    except zipfile.BadZipFile as error:
        raise ValueError(f"{archive.name} is no whole zip file ({error}): fetch it again") from error


def place(where, id_, folder, part):
    """The path, for the catalogue, of a picture; taken out of its zip file if it lies in one."""
    if id_ not in where or not id_.isdigit():
        raise Unreadable("missing file", f"no picture of that id below images/{part}")
    found = where[id_]
    if isinstance(found, str):
        return "/".join([folder.rstrip("/"), "images", part, *([found] if found else []), f"{id_}.jpg"])
    archive, member = found
    if leads_out(member):
        raise Unreadable("unreadable", f"{archive.name} calls it {member}, outside of its folder: do not trust it")
    path = f"build/osv5m/{part}/{id_}.jpg"  # named by the id, whatever the archive calls it
    if not (files.ROOT / path).exists():
        take_out(archive, member, files.ROOT / path)
    return path


def leads_out(member):
    """Whether the name of a member of a zip file leads out of the folder that it is unpacked in, on any system."""
    ways = PurePosixPath(member), PureWindowsPath(member)
    return any(way.anchor or ".." in way.parts for way in ways)


def take_out(archive, name, file):
    """Write one member of a zip file, whole or not at all; Unreadable when it is damaged or too large."""
    try:
        with zipfile.ZipFile(archive) as packed:
            if packed.getinfo(name).file_size > LARGEST_BYTES:
                size = f"{packed.getinfo(name).file_size:,} bytes"
                raise Unreadable("broken picture", f"{name} in {archive.name} has {size}")
            content = packed.read(name)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:  # RuntimeError: a password
        raise Unreadable("unreadable", f"{name} in {archive.name} cannot be taken out: {error}") from error
    files.write_whole(file, lambda partial: partial.write_bytes(content))
