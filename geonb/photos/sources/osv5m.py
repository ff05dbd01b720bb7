"""OpenStreetView-5M as it is published: train.csv, test.csv, and pictures under images/train/00 to 97 and images/test.

Layout and columns of the data set on the Hugging Face Hub (osv5m/osv5m, CC BY-SA 4.0; Astruc et al. 2024, arXiv
2404.18873). Folders of pictures may still be the zip files they came as: only chosen pictures are taken out of them.
"""

import os
import re
import zipfile
import zlib
from collections import Counter
from itertools import pairwise
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pandas as pd

from geonb import checks, files, random_streams
from geonb.photos.catalogue import collected
from geonb.photos.left_out import Unreadable, kept_and_left_out
from geonb.photos.pictures import picture_path
from geonb.photos.sources import photo_fields, text_tables

HUB, LICENCE = "osv5m/osv5m", "CC BY-SA 4.0"
NEEDED = ("id", "latitude", "longitude", "country", "region", "city", "sequence", "captured_at")
CREATOR = "creator_username"
PARTS = {"train": ["train"], "test": ["test"], "both": ["train", "test"]}
COMING = ".coming"  # where files of the Hub lie until they are whole
COUNTRIES = 300  # that are named at most
LARGEST_BYTES = 50_000_000  # of a picture in a zip file; those of the data set have about 50 kB


def read(
    *, folder: str, part: str = "train", country: str = "", box: list | None = None, limit: int = 0, seed: int = 0,
    download: list | None = None, city_link_m: float = 10_000.0,
):  # fmt: skip
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
        photo_fields.box_sides(box, across=True)
    root, entries, nothing = picture_path(folder), [], []
    fetch(root, download or [])
    for name in PARTS[part]:
        csv, images = root / f"{name}.csv", root / "images" / name
        rows, why_none = chosen(csv, country, box, limit, seed, set(pictures(images)) if download else None)
        nothing.append(why_none)
        where = pictures(images, set(rows.id))
        for row in rows.to_dict("records"):
            found = where.get(row["id"])
            below = f"{folder.rstrip('/')}/images/{name}/{found or row['id'] + '.jpg'}"
            path = f"build/osv5m/{name}/{row['id']}.jpg" if isinstance(found, tuple) else below
            entries.append((path, f"id {row['id']}: ", row | {"given_part": name}, found))
    if not entries:
        raise ValueError("; ".join(nothing))
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
def chosen(csv, country, box, limit, seed, there=None):
    """(rows of a csv as text, why there are none): those of a country and within a box, at most `limit` of them in the
    csv's order. there: the ids that alone are chosen among, all when None.
    """
    rows, left = filtered(csv, country, box, there)
    if rows.empty:
        return rows, why_none(csv, country, box, there, left)
    if limit and limit < len(rows):
        rows = rows.iloc[np.sort(random_streams.stream(seed, "osv5m").choice(len(rows), limit, replace=False))]
    return rows.reset_index(drop=True), ""


def filtered(csv, country, box, there):
    """(the rows that pass each filter that is asked for, {its words: how many it left of those that came to it})."""
    asked, left = {}, Counter()
    if country:
        asked[f"country {country!r}"] = lambda rows: rows.country == country
    if there is not None:
        asked["having a picture in the folder"] = lambda rows: rows.id.isin(there)
    if box is not None:
        asked[f"box {box} (south, west, north, east)"] = lambda rows: within(rows, box)

    def keep(rows):
        left["all"] += len(rows)
        for words, passes in asked.items():
            rows = rows[passes(rows)]
            left[words] += len(rows)
        return rows

    return text_tables.rows_of(csv, NEEDED, more=(CREATOR,), keep=keep), left


def why_none(csv, country, box, there, left):
    """Which filter left how many of how many, down to the one that left none, and what else could have been meant."""
    if not left["all"]:
        return f"{csv.name} has no rows"
    said = []
    for before, words in pairwise(left):
        said.append(f"{words} leaves {left[words]:,} of {left[before]:,}")
        if not left[words]:
            break
    said[0] += f" rows of {csv.name}"
    if words.startswith("country"):
        names = sorted(set(text_tables.rows_of(csv, ("country",)).country))[:COUNTRIES]
        said[-1] += f", which names the countries {', '.join(names)}"
    if words.startswith("box") and (other := len(filtered(csv, country, photo_fields.exchanged(box), there)[0])):
        said.append(f"{other:,} lies in {photo_fields.exchanged(box)}, as if it read west, south, east, north")
    return ", ".join(said)


def within(rows, box):
    """Mask of the rows inside [south, west, north, east]; rows that name no position are not."""
    south, west, north, east = box
    lat, lon = (pd.to_numeric(rows[name], errors="coerce") for name in ("latitude", "longitude"))
    across = (lon >= west) & (lon <= east) if west <= east else (lon >= west) | (lon <= east)
    return (lat >= south) & (lat <= north) & across


# ---- the pictures ----------------------------------------------------------------------------------------------------
def pictures(images, wanted=None):
    """{id: its name below images/<part>, or (zip file, name in it)} of wanted ids, or all."""
    found = {}
    for below in sorted(images.iterdir()) if images.is_dir() else ():
        if below.is_dir():
            here = {entry.name.removesuffix(".jpg"): f"{below.name}/{entry.name}" for entry in os.scandir(below)}
        elif below.suffix == ".zip":
            try:
                with zipfile.ZipFile(below) as packed:
                    names = packed.namelist()
            except zipfile.BadZipFile as error:
                raise ValueError(f"{below.name} is no whole zip file ({error}): fetch it again") from error
            here = {name.rpartition("/")[2].removesuffix(".jpg"): (below, name) for name in names}
        else:
            here = {below.stem: below.name} if below.suffix == ".jpg" else {}
        here = {id_: place for id_, place in here.items() if wanted is None or id_ in wanted}
        found = here | found if below.suffix == ".zip" else found | here  # what was unpacked goes before
    return found


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
