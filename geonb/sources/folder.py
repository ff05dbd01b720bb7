"""A folder of one's own photos: the position comes from the GPS in their EXIF."""

import os
import sys
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from PIL.ExifTags import GPS, IFD, Base
from tqdm import tqdm

from geonb import photos
from geonb.photos import Unreadable

SIGNS = {"N": 1, "S": -1, "E": 1, "W": -1}
# Datums that lie 70 m and more beside WGS 84 somewhere; anything else that cameras write is WGS 84 or within metres.
OTHER_DATUMS = {"TOKYO", "NAD27", "NAD-27", "ED50", "ED-50", "GCJ02", "GCJ-02", "BD09", "BD-09"}


def read(
    *,
    folder: str,
    city: str = "",
    country: str = "",
    licence: str = "unknown",
    author: str = "",
    city_link_m: float = 10_000.0,
):
    """(rows, left_out) of all files below a folder: each file ends in one of the two.

    A photo is kept when its EXIF holds a position that needs no guess. ``city`` is that of all photos; without it,
    photos linked by steps of ``city_link_m`` metres share one. Time: that of the GPS; else DateTimeOriginal with its
    offset, taken as UTC where no offset stands. Heading: GPSImgDirection, true or magnetic as the camera wrote it.
    Linked folders are not entered, and links to files outside the folder not followed.
    """
    root = photos.picture_path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"folder {folder!r} is not a folder on this machine: {root}")
    given = {"city": city, "country": country, "licence": licence, "author": author, "source": "folder"}
    rows, left_out = [], []
    for name in tqdm(entries(root), desc="photos", unit="file", file=sys.stdout):
        path = f"{folder.rstrip('/')}/{name}"
        try:
            rows.append({"path": path} | given | photo(root, name, path))
        except Unreadable as why:
            left_out.append({"path": _printable(path), "reason": why.reason, "detail": why.detail})
    return photos.collected(rows, left_out, city_link_m=city_link_m)


def entries(root):
    """Names below the folder, sorted: every file, every link, and folders that cannot be listed."""
    found, refused = [], []
    for folder, subfolders, files in os.walk(root, onerror=refused.append):
        found += [Path(folder, name) for name in files]
        found += [Path(folder, name) for name in subfolders if Path(folder, name).is_symlink()]
    found += [Path(error.filename) for error in refused]
    return sorted(path.relative_to(root).as_posix() for path in found)


def photo(root, name, path):
    """What the file tells of its row of the catalogue; Unreadable tells why there is none."""
    refuse_by_name(root, name)
    facts = photos.examine(path)
    if any(part.startswith(".") for part in PurePosixPath(name).parts):
        raise Unreadable("hidden", "rename it without the leading dot if it belongs to the photos")
    shot, gps, damage = exif(path)
    lat, lon = position(gps, damage)
    seen = {"heading_deg": heading_deg(gps), "captured_at": captured_at(shot, gps)}
    return facts | seen | {"photo_id": facts["sha256"][:16], "lat_deg": lat, "lon_deg": lon}


def refuse_by_name(root, name):
    """Nothing, or Unreadable for a link that is not followed, a folder without permission, an undecodable name."""
    file = root / name
    if name != _printable(name):
        raise Unreadable("unreadable", "the name of the file is not UTF-8: rename it")
    if file.is_symlink():
        _refuse_link(file, root)
    elif file.is_dir():
        raise Unreadable("unreadable", "permission denied: the folder cannot be listed")


def _refuse_link(file, root):
    target = os.readlink(file)
    try:
        inside, there = file.resolve(strict=True).is_relative_to(root.resolve()), True
    except (OSError, RuntimeError):  # RuntimeError: Python below 3.13 for a circle of links
        inside = there = False
    if not there and not file.parent.joinpath(target).is_symlink():
        raise Unreadable("missing file", f"a link to {_printable(target)}, which is not there")
    if not inside or file.is_dir():
        raise Unreadable("link", f"leads to {_printable(target)}: copy what is there into the folder")


def _printable(name):
    """The name with bytes that are not UTF-8 written as \\x.., so that it can be stored."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


# ---- EXIF ------------------------------------------------------------------------------------------------------------
def exif(path):
    """(tags of the shot, tags of the GPS, what is damaged): two dicts from EXIF tag numbers, and a text."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            with photos.opened(path) as picture:
                tags = picture.getexif()
                # the copies are dicts: later reads cannot fail
                shot, gps, error = dict(tags.get_ifd(IFD.Exif)), dict(tags.get_ifd(IFD.GPSInfo)), ""
        except Exception as failure:  # any bytes can stand there, and Pillow's reader fails in many ways
            shot, gps, error = {}, {}, f"{type(failure).__name__}: {failure}"
    return shot, gps, error or "; ".join(sorted({str(warning.message).strip() for warning in told}))


def position(gps, damage=""):
    """(latitude, longitude) in degrees from the GPS tags; Unreadable where they are missing, broken or impossible."""
    if GPS.GPSLatitude not in gps and GPS.GPSLongitude not in gps:
        if damage:
            raise Unreadable("broken position", f"the EXIF is damaged: {damage}")
        raise Unreadable("no position", "the EXIF has no GPS position")
    datum = _text(gps.get(GPS.GPSMapDatum)).upper()
    if datum in OTHER_DATUMS:
        raise Unreadable("other datum", f"GPSMapDatum is {datum}: convert the position to WGS 84")
    lat = _angle_deg(gps, GPS.GPSLatitude, GPS.GPSLatitudeRef, "NS")
    lon = _angle_deg(gps, GPS.GPSLongitude, GPS.GPSLongitudeRef, "EW")
    photos.check_position(lat, lon)
    return lat, lon


def _angle_deg(gps, tag, reference_tag, letters):
    """Signed degrees of one coordinate. Nothing is guessed: without N, S, E or W the sign is unknown."""
    reference = _text(gps.get(reference_tag)).upper()
    if reference not in SIGNS or reference not in letters:
        wanted = " or ".join(letters)
        raise Unreadable("broken position", f"{reference_tag.name} is {reference!r}, not {wanted}: the sign is unknown")
    parts = _numbers(gps.get(tag))
    if not 1 <= len(parts) <= 3 or not all(part >= 0 for part in parts) or any(part > 60 for part in parts[1:]):
        raise Unreadable("broken position", f"{tag.name} is {gps.get(tag)}, not degrees, minutes, seconds")
    return SIGNS[reference] * sum(part / 60**power for power, part in enumerate(parts))


def heading_deg(gps):
    """Direction of view in degrees within [0, 360), not-a-number where none was written."""
    parts = _numbers(gps.get(GPS.GPSImgDirection))
    return parts[0] % 360 if len(parts) == 1 and 0 <= parts[0] <= 360 else float("nan")


def captured_at(shot, gps):
    """When the photo was taken, in UTC: by the GPS, else by the camera's clock; None where neither is readable."""
    clock = _numbers(gps.get(GPS.GPSTimeStamp))
    day = _time(_text(gps.get(GPS.GPSDateStamp)).replace("-", ":"), "%Y:%m:%d")
    if day and len(clock) == 3 and 0 <= clock[0] < 24 and 0 <= clock[1] < 60 and 0 <= clock[2] <= 60:
        return day.replace(tzinfo=UTC) + timedelta(hours=clock[0], minutes=clock[1], seconds=clock[2])
    local, offset = _text(shot.get(Base.DateTimeOriginal)), _text(shot.get(Base.OffsetTimeOriginal))
    aware = _time(f"{local} {offset}", "%Y:%m:%d %H:%M:%S %z")
    naive = _time(local, "%Y:%m:%d %H:%M:%S")
    return aware.astimezone(UTC) if aware else naive and naive.replace(tzinfo=UTC)


def _time(text, form):
    try:
        return datetime.strptime(text, form)
    except ValueError:
        return None


def _text(value):
    """Text of an EXIF value: some cameras write bytes, and fill up with zeros or blanks."""
    value = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    return value.strip("\0 \t\r\n") if isinstance(value, str) else ""


def _numbers(value):
    """The numbers of an EXIF value as a list, [] where it is something else; x/0 becomes not-a-number."""
    values = value if isinstance(value, tuple) else (value,)
    if any(isinstance(part, str | bytes) for part in values):
        return []
    try:
        return [float(part) for part in values]
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return []
