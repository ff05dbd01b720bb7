"""The fields of a photo as sources tell them: texts, numbers, times and positions, read without guessing."""

import functools
import math
import re
from contextlib import suppress
from datetime import UTC, datetime
from numbers import Real

import pandas as pd

from geonb.photos import catalogue, pictures
from geonb.photos.left_out import Unreadable

MEASURED = ("photo_id", "path", "geometry", "width_px", "height_px", "sha256")
FIELDS = [name for name in catalogue.COLUMNS if name not in MEASURED]
NUMBER = re.compile(r"[+-]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)(e[+-]?[0-9]+)?|[+-]?inf", re.IGNORECASE)
MARGIN_DEG = 1.0  # around the area for which a coordinate system is made
LATEST_MS = 4e12  # year 2096: what lies beyond is no time


def photo(path, told, given, examine=pictures.examine):
    """The row of the catalogue of a picture; Unreadable tells why there is none.

    told: what its source says, by fields, lat_deg and lon_deg; given: what holds where it says nothing.
    """
    lat, lon = (required_number(told[name], name) for name in ("lat_deg", "lon_deg"))
    check_position(lat, lon)
    texts = {name: text(told.get(name)) or given.get(name, "") for name in FIELDS}
    read = {"heading_deg": heading(told.get("heading_deg")), "captured_at": time(told.get("captured_at"))}
    seen = examine(path)
    return texts | read | seen | {"path": path, "lat_deg": lat, "lon_deg": lon, "photo_id": seen["sha256"][:16]}


def refuse_unwanted(*, night=False, panorama=False):
    """Nothing, or Unreadable for a photo that its data set calls one of these and that its study does not keep."""
    for kind, option, unwanted in (("night", "night", night), ("panorama", "panoramas", panorama)):
        if unwanted:
            raise Unreadable(kind, f"the data set says so: option {option}: true keeps it")


def text(value):
    """The text of a cell, '' where it is missing."""
    return "" if value is None or pd.isna(value) else str(value).strip()


def number(value):
    """The number, also with a decimal comma; not-a-number for anything else."""
    if isinstance(value, float):
        return float(value)
    words = text(value)
    return float(words.replace(",", ".")) if NUMBER.fullmatch(words) else math.nan


def required_number(value, name):
    """The number; Unreadable where there is none. name: field of the catalogue, for the words."""
    if not math.isnan(found := number(value)):
        return found
    if not text(value):
        raise Unreadable("no position", f"{name.removesuffix('_deg')} is empty")
    unit = "decimal degrees" if name.endswith("_deg") else "a number"
    raise Unreadable("not a number", f"{name.removesuffix('_deg')} is {text(value)!r}, not {unit}")


def heading(value):
    """Degrees within [0, 360), not-a-number where empty; -180..180 is understood."""
    found = number(value)
    if math.isnan(found) and text(value):
        raise Unreadable("not a number", f"heading_deg is {text(value)!r}, not degrees")
    if abs(found) > 360:
        raise Unreadable("heading out of range", f"heading_deg is {found}, not within -360..360")
    return found % 360


def time(value):
    """The time in UTC, NaT where empty."""
    if not (words := text(value)):
        return pd.NaT
    try:
        with suppress(ValueError):  # a hundred times faster than pandas, which reads more forms
            value = value if isinstance(value, datetime) else datetime.fromisoformat(words)
        told = value if isinstance(value, datetime) else pd.to_datetime(words, utc=True, format="ISO8601")
        return pd.Timestamp(told.astimezone(UTC) if told.tzinfo else told.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise Unreadable("not a time", f"captured_at is {words!r}, not ISO 8601") from None


def of_milliseconds(value):
    """The time that is so many milliseconds after 1970, '' for what is no such number, or lies beyond LATEST_MS."""
    found = number(str(value))
    return pd.Timestamp(int(found), unit="ms", tz="UTC") if 0 < found < LATEST_MS else ""


def check_position(lat_deg, lon_deg):
    """Nothing, or Unreadable: out of range, or within 10 m of 0, 0, where no street is."""
    for name, value, bound in (("latitude", lat_deg, 90), ("longitude", lon_deg, 180)):
        if not abs(value) <= bound:
            raise Unreadable(f"{name} out of range", f"{name} is {value}, not within -{bound}..{bound} degrees")
    if max(abs(lat_deg), abs(lon_deg)) < 1e-4:
        raise Unreadable("position 0,0", f"latitude {lat_deg}, longitude {lon_deg}: a receiver without a fix")


def within(area, lat_deg, lon_deg):
    """Whether a position lies in an area of use of pyproj, or MARGIN_DEG around it; areas may cross the date line."""
    if area is None:
        return True
    width = (area.east - area.west) % 360 or 360
    across = (lon_deg - area.west + MARGIN_DEG) % 360 <= width + 2 * MARGIN_DEG
    return across and area.south - MARGIN_DEG <= lat_deg <= area.north + MARGIN_DEG


@functools.cache
def to_degrees(crs):
    """What transforms east and north of a coordinate system to longitude and latitude on WGS 84."""
    from pyproj import Transformer

    return Transformer.from_crs(crs, "EPSG:4326", always_xy=True)


def box_sides(box, *, across=False):
    """South, west, north, east [degree] of an option box; across: west may lie east of east. ValueError for others."""
    numbers = len(box) == 4 and all(isinstance(side, Real) and math.isfinite(side) for side in box)
    south, west, north, east = map(float, box) if numbers else (math.nan,) * 4
    if -90 <= south < north <= 90 and max(abs(west), abs(east)) <= 180 and (west < east or across):
        return [south, west, north, east]
    words = "" if across else "; cut it at the date line"
    words += f"; written as west, south, east, north it is {exchanged(box)}" if len(box) == 4 else ""
    raise ValueError(f"box {box} must be [south, west, north, east] in degrees{words}")


def exchanged(box):
    """A box whose sides were written in the other order: longitude before latitude."""
    return [box[1], box[0], box[3], box[2]]
