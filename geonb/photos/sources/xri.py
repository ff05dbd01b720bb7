"""The xRI Alpha Sandbox (CC BY 4.0), street-level pictures of British buildings: the data of SW-CLIP, as far as known.

Layout as its repository describes it: part-*/<UPRN>/<time>_day or _night/rgb_*.jpeg, pictures in linear RGB. A UPRN is
the number of a building; its position comes from OS Open UPRN (Open Government Licence v3), a csv. **That is where the
building stands, not the camera.**
"""

import os
import re
import sys

import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from geonb import files
from geonb.photos import catalogue as photos
from geonb.photos.catalogue import Unreadable
from geonb.photos.sources import folder as folders
from geonb.photos.sources import table

LICENCE = "CC BY 4.0"
GAMMA = 0.4545  # from linear RGB to what screens expect, as the data set's repository advises
POSITION = ("LATITUDE", "LONGITUDE")
GRID = ("X_COORDINATE", "Y_COORDINATE")  # British National Grid
PICTURES = "part-*/*/*/rgb_*.jp*g"
ROWS_AT_ONCE = 500_000
CAPTURE = re.compile(r"(?P<time>.+)_(?P<light>day|night)$")
TIMES = {14: "%Y%m%d%H%M%S", 12: "%Y%m%d%H%M", 8: "%Y%m%d"}  # by the number of digits


def read(
    *,
    folder: str,
    uprn_table: str,
    linear: bool = True,
    night: bool = False,
    city: str = "",
    city_link_m: float = 10_000.0,
):
    """(rows, left_out) of all pictures rgb_* below a folder: each ends in one of the two; masks are no pictures.

    uprn_table: the csv of OS Open UPRN, or a part of it: UPRN, and LATITUDE and LONGITUDE or the British National Grid.
    linear: the pictures are in linear RGB, brightened ones are written to build/xri/. night: keep captures at night.
    Pictures of one capture share a sequence, which no split but random parts. FileNotFoundError without folder or csv,
    ValueError for a csv of other columns.
    """
    root = photos.picture_path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"folder {folder!r} is not a folder on this machine: {root}")
    found = sorted(path.relative_to(root) for path in root.glob(PICTURES))
    if not found:
        raise ValueError(f"folder {folder!r} holds no picture {PICTURES}, which is part-*/<UPRN>/<capture>/rgb_*.jp*g")
    places = positions(photos.picture_path(uprn_table), {path.parts[1] for path in found})
    given = {"city": city, "country": "GB", "licence": LICENCE, "source": "xri"}
    closed = [name for name in folders.entries(root) if os.path.isdir(root / name) and not os.path.islink(root / name)]
    rows, left_out = [], folders.readable(root, closed, folder)[1]
    for name in tqdm(found, desc="photos", unit="photo", file=sys.stdout):
        path = f"{folder.rstrip('/')}/{name.as_posix()}"
        try:
            told = fields(name, places, night)
            path = brightened(root / name, path, name) if linear else path
            rows.append(table.photo(path, told, given))
        except Unreadable as why:
            left_out.append({"path": path, "reason": why.reason, "detail": why.detail})
    return photos.collected(rows, left_out, city_link_m=city_link_m)


def positions(file, wanted):
    """{UPRN: (latitude, longitude)} of the wanted buildings, from a csv of forty million."""
    if not file.is_file():
        raise FileNotFoundError(f"{file} is no file: uprn_table is the csv of OS Open UPRN")
    with table.csv_named(file):
        header = pd.read_csv(file, nrows=0).columns
    names = next((pair for pair in (POSITION, GRID) if {"UPRN", *pair} <= set(header)), None)
    if names is None:
        raise ValueError(f"{file.name} has not UPRN with {POSITION} or {GRID}; it has {', '.join(header)}")
    found, wanted = [], {uprn.lstrip("0") for uprn in wanted}
    with table.csv_named(file):
        for rows in pd.read_csv(file, dtype=str, usecols=["UPRN", *names], chunksize=ROWS_AT_ONCE):
            found.append(rows[rows.UPRN.str.lstrip("0").isin(wanted)])
    rows = pd.concat(found)
    first, second = (pd.to_numeric(rows[name], errors="coerce").to_numpy() for name in names)
    if names == GRID:
        from pyproj import Transformer

        second, first = Transformer.from_crs("EPSG:27700", "EPSG:4326", always_xy=True).transform(first, second)
    return dict(zip(rows.UPRN.str.lstrip("0"), zip(first, second, strict=True), strict=True))


def fields(name, places, night):
    """The keys of the catalogue of a picture, from the folders it lies in."""
    _, uprn, capture, _ = name.parts
    said = CAPTURE.match(capture)
    if said and said["light"] == "night" and not night:
        raise Unreadable("night", "the folder says so: option night: true keeps it")
    if uprn.lstrip("0") not in places:
        raise Unreadable("no position", f"UPRN {uprn} is not in the table of buildings")
    lat_deg, lon_deg = places[uprn.lstrip("0")]
    taken = time_of(said["time"]) if said else ""
    return {"lat_deg": lat_deg, "lon_deg": lon_deg, "captured_at": taken, "sequence_id": f"{uprn}/{capture}"}


def time_of(words):
    """The time that a folder's name tells, whatever parts its digits; '' where it is none of TIMES."""
    digits = "".join(re.findall(r"\d", words))
    if len(digits) not in TIMES:
        return ""
    parsed = pd.to_datetime(digits, format=TIMES[len(digits)], errors="coerce", utc=True)
    return "" if pd.isna(parsed) else parsed


def brightened(file, path, name):
    """The path of the same picture for screens, written once: values from 0 to 1 to the power of GAMMA."""
    content = photos.examine(path)["sha256"][:16]  # Unreadable where it is no picture
    out = "/".join(["build", "xri", *name.parts[:-1], f"{name.stem}-{content}.jpg"])
    if not (files.ROOT / out).exists():
        values = np.arange(256) / 255
        with Image.open(file) as picture:
            light = picture.convert("RGB").point([round(255 * value**GAMMA) for value in values] * 3)
            how = {"quality": 95, "subsampling": 0, "exif": picture.getexif()}
            files.write_whole(files.ROOT / out, lambda partial: light.save(partial, "JPEG", **how))
    return out
