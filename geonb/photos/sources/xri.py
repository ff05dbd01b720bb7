"""The xRI Alpha Sandbox (CC BY 4.0), street-level pictures of British buildings: the data of SW-CLIP, as far as known.

part-*/<UPRN>/<time>_day or _night/rgb_*.jpeg, in linear RGB. A UPRN is the number of a building; its position comes
from OS Open UPRN (Open Government Licence v3), a csv. **That is where the building stands, not the camera.**
"""

import re
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
from PIL import Image

from geonb import files
from geonb.photos import pictures
from geonb.photos.catalogue import collected
from geonb.photos.left_out import Unreadable, kept_and_left_out
from geonb.photos.sources import folder_contents, photo_fields, text_tables

GAMMA = 0.4545  # from linear RGB to what screens expect, as the data set's repository advises
POSITION = ("LATITUDE", "LONGITUDE")
GRID = ("X_COORDINATE", "Y_COORDINATE")  # British National Grid
PICTURES = re.compile(r"part-[^/]*/[^/]+/[^/]+/rgb_[^/]*\.jpe?g")
TIMES = {14: "%Y%m%d%H%M%S", 12: "%Y%m%d%H%M", 8: "%Y%m%d"}  # by the number of digits


def read(
    *, folder: str, uprn_table: str, linear: bool = True, night: bool = False, city: str = "",
    city_link_m: float = 10_000.0,
):  # fmt: skip
    """(rows, left_out) of all pictures rgb_* below a folder: each ends in one of the two; masks are no pictures.

    uprn_table: a csv with UPRN, and LATITUDE and LONGITUDE or the British National Grid. linear: the pictures are in
    linear RGB, brightened ones are written to build/xri/. night: keep captures at night. FileNotFoundError, ValueError.
    """
    root = folder_contents.root_of(folder)
    there, refused = folder_contents.readable(root, folder, PICTURES.fullmatch)
    there = {PurePosixPath(name): path for name, path in there.items()}
    places = positions(pictures.picture_path(uprn_table), {name.parts[1] for name in there})
    given = {"city": city, "country": "GB", "licence": "CC BY 4.0", "source": "xri"}

    def photo(path, name):
        _, uprn, capture, _ = name.parts
        words, _, light = capture.rpartition("_")
        photo_fields.refuse_unwanted(night=light == "night" and not night)
        if uprn.lstrip("0") not in places:
            raise Unreadable("no position", f"UPRN {uprn} is not in the table of buildings")
        told = dict(zip(("lat_deg", "lon_deg"), places[uprn.lstrip("0")], strict=True))
        told |= {"captured_at": time_of(words), "sequence_id": f"{uprn}/{capture}"}
        return photo_fields.photo(brightened(path, name) if linear else path, told, given)

    rows, left_out = kept_and_left_out([(path, "", name) for name, path in there.items()], photo, progress=True)
    return collected(rows, refused + left_out, city_link_m=city_link_m)


def positions(file, wanted):
    """{UPRN: (latitude, longitude)} of the wanted buildings, from a csv of forty million."""
    there = text_tables.columns_of(file)
    names = next((pair for pair in (POSITION, GRID) if {"UPRN", *pair} <= set(there)), None)
    if names is None:
        raise ValueError(f"{file.name} has not UPRN with {POSITION} or {GRID}; it has {', '.join(there)}")
    wanted = {uprn.lstrip("0") for uprn in wanted}
    rows = text_tables.rows_of(file, ("UPRN", *names), keep=lambda rows: rows[rows.UPRN.str.lstrip("0").isin(wanted)])
    first, second = (pd.to_numeric(rows[name], errors="coerce").to_numpy() for name in names)
    if names == GRID:
        second, first = photo_fields.to_degrees("EPSG:27700").transform(first, second)
    return dict(zip(rows.UPRN.str.lstrip("0"), zip(first, second, strict=True), strict=True))


def time_of(words):
    """The time that a folder's name tells, whatever parts its digits; '' where it is none of TIMES."""
    digits = "".join(re.findall(r"\d", words))
    parsed = pd.to_datetime(digits, format=TIMES.get(len(digits), "%Y"), errors="coerce", utc=True)
    return "" if len(digits) not in TIMES or pd.isna(parsed) else parsed


def brightened(path, name):
    """The path of the same picture for screens, written once: values from 0 to 1 to the power of GAMMA."""
    content = pictures.examine(path)["sha256"][:16]  # Unreadable where it is no picture
    out = "/".join(["build", "xri", *name.parts[:-1], f"{name.stem}-{content}.jpg"])
    if not (files.ROOT / out).exists():
        values = np.arange(256) / 255
        with Image.open(pictures.picture_path(path)) as picture:
            light = picture.convert("RGB").point([round(255 * value**GAMMA) for value in values] * 3)
            how = {"quality": 95, "subsampling": 0, "exif": picture.getexif()}
            files.write_whole(files.ROOT / out, lambda partial: light.save(partial, "JPEG", **how))
    return out
