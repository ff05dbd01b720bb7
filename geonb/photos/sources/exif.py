"""What the EXIF of a photo tells: position, direction of view and time, none of them guessed."""

import functools
import re
import warnings
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from PIL.ExifTags import GPS, IFD, Base

from geonb.photos import pictures
from geonb.photos.left_out import Unreadable
from geonb.photos.sources.photo_fields import check_position, within

# Datums as cameras write them, capitals and digits alone: WGS 84 itself, and those within metres of it
WGS_84 = (
    "WGS84", "WGS1984", "WORLDGEODETICSYSTEM1984", "JGD2000", "JGD2011", "ETRS89", "NAD83", "PZ90", "GDA94", "GDA2020",
    "CGCS2000", "NZGD2000",
)  # fmt: skip
MOST_DOP = 50.0  # a dilution of precision above it means a position that may lie kilometres away
GPS_BEGAN = datetime(1980, 1, 7, tzinfo=UTC)  # the day before is the date of receivers that have received none
ROLLOVER = timedelta(weeks=1024)  # GPS counts its weeks in ten bits
CLOCKS_APART = timedelta(days=1)  # at most, of a camera in any time zone and the GPS
CLOCKS = {Base.DateTimeOriginal: (Base.OffsetTimeOriginal, Base.OffsetTime, Base.OffsetTimeDigitized),
          Base.DateTimeDigitized: (Base.OffsetTimeDigitized, Base.OffsetTime)}  # fmt: skip
YEARS = range(1826, 9999)  # from the first photo to the last year that an offset cannot lead out of


def tags_of(path):
    """(tags of the shot, tags of the GPS, what is damaged): dicts from EXIF tag numbers, and a text."""
    shot, gps, damage = {}, {}, ""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            with pictures.opened(path) as picture:
                tags = picture.getexif()
                shot, gps = dict(tags.get_ifd(IFD.Exif)), dict(tags.get_ifd(IFD.GPSInfo))  # later reads cannot fail
        except Exception as failure:  # any bytes can stand there, and Pillow's reader fails in many ways
            damage = f"{type(failure).__name__}: {failure}"
    return shot, gps, damage or "; ".join(sorted({str(warning.message).strip() for warning in told}))


def position(gps, damage=""):
    """(latitude, longitude) in degrees on WGS 84 from the GPS tags; Unreadable where they are missing, void, broken,
    impossible, or of a datum that nobody can transform.
    """
    if GPS.GPSLatitude not in gps and GPS.GPSLongitude not in gps:
        why = ("broken position", f"the EXIF is damaged: {damage}") if damage else ("no position", "no GPS in the EXIF")
        raise Unreadable(*why)
    if _text(gps.get(GPS.GPSStatus)).upper() == "V":
        raise Unreadable("void fix", "GPSStatus is V, for void, not A: the receiver had lost its satellites")
    dop = _numbers(gps.get(GPS.GPSDOP))
    if dop and dop[0] > MOST_DOP:
        raise Unreadable("void fix", f"GPSDOP is {dop[0]:g}, above {MOST_DOP:g}: the position may be anywhere near")
    lat = _angle_deg(gps, GPS.GPSLatitude, GPS.GPSLatitudeRef, "NS")
    lon = _angle_deg(gps, GPS.GPSLongitude, GPS.GPSLongitudeRef, "EW")
    check_position(lat, lon)
    return in_wgs_84(_text(gps.get(GPS.GPSMapDatum)), lat, lon)


def _angle_deg(gps, tag, reference_tag, letters):
    """Signed degrees of one coordinate. Nothing is guessed: without N, S, E or W the sign is unknown."""
    reference = _text(gps.get(reference_tag)).upper()
    if reference not in tuple(letters):
        wanted = " or ".join(letters)
        raise Unreadable("broken position", f"{reference_tag.name} is {reference!r}, not {wanted}: the sign is unknown")
    parts = _numbers(gps.get(tag))
    if not 1 <= len(parts) <= 3 or not all(part >= 0 for part in parts) or any(part > 60 for part in parts[1:]):
        raise Unreadable("broken position", f"{tag.name} is {gps.get(tag)}, not degrees, minutes, seconds")
    return (1, -1)[letters.index(reference)] * sum(part / 60**power for power, part in enumerate(parts))


def in_wgs_84(datum, lat_deg, lon_deg):
    """(latitude, longitude) on WGS 84 of a position on a datum as cameras write it, '' for WGS 84.

    A datum within metres of WGS 84 is taken as it; others are transformed by PROJ. Unreadable for one that PROJ does
    not know by this name, and for a position outside of the area of its datum.
    """
    name, why = _plain(datum), f"GPSMapDatum is {datum!r}: convert the position to WGS 84"
    if not name or name.startswith(WGS_84):
        return lat_deg, lon_deg
    system, transformer = _to_wgs_84(name)
    if transformer is None or not within(system.area_of_use, lat_deg, lon_deg):
        raise Unreadable("other datum", why)
    east, north = transformer.transform(lon_deg, lat_deg)
    return north, east


@functools.cache
def _to_wgs_84(name):
    """(coordinate system, transformer to WGS 84) of a datum by its plain name; None, None where PROJ has none."""
    from pyproj import CRS, Transformer
    from pyproj.database import query_crs_info
    from pyproj.enums import PJType
    from pyproj.exceptions import ProjError

    known = {_plain(info.name): info.code for info in query_crs_info("EPSG", PJType.GEOGRAPHIC_2D_CRS)}
    with suppress(KeyError, ProjError):  # without a ballpark PROJ refuses a datum to which it knows no shift
        system = CRS.from_epsg(known[name])
        return system, Transformer.from_crs(system, "EPSG:4326", always_xy=True, allow_ballpark=False)
    return None, None


def _plain(name):
    """A name's letters, as capitals, and its digits."""
    return re.sub(r"[^A-Z0-9]", "", name.upper())


def heading_deg(gps):
    """Direction of view in degrees within [0, 360), not-a-number where none was written."""
    parts = _numbers(gps.get(GPS.GPSImgDirection))
    return parts[0] % 360 if len(parts) == 1 and 0 <= parts[0] <= 360 else float("nan")


def captured_at(shot, gps):
    """When the photo was taken, in UTC: by the GPS, else by the camera's clock; None where neither is readable.

    A GPS clock that is once or twice 1,024 weeks behind the camera's has lost them: they are added.
    """
    camera = next(filter(None, (_camera_time(shot, local, offsets) for local, offsets in CLOCKS.items())), None)
    received = _gps_time(gps)
    if received is None or received < GPS_BEGAN:
        return camera
    lost = [count for count in (1, 2) if camera and abs(camera - received - count * ROLLOVER) <= CLOCKS_APART]
    return received + lost[0] * ROLLOVER if lost else received


def _gps_time(gps):
    """The time of the GPS as it stands there, None where it is not readable."""
    clock = _numbers(gps.get(GPS.GPSTimeStamp))
    day = _time(_text(gps.get(GPS.GPSDateStamp)).replace("-", ":"), "%Y:%m:%d")
    if day and len(clock) == 3 and 0 <= clock[0] < 24 and 0 <= clock[1] < 60 and 0 <= clock[2] <= 60:
        return day.replace(tzinfo=UTC) + timedelta(hours=clock[0], minutes=clock[1], seconds=clock[2])
    return None


def _camera_time(shot, local, offsets):
    """The time of one of the camera's clocks, with the first offset that stands, else as if in UTC."""
    written = _text(shot.get(local))
    aware = (_time(f"{written} {_text(shot.get(offset))}", "%Y:%m:%d %H:%M:%S %z") for offset in offsets)
    naive = _time(written, "%Y:%m:%d %H:%M:%S")
    return next((time.astimezone(UTC) for time in aware if time), naive and naive.replace(tzinfo=UTC))


def _time(text, form):
    """The time; None where the text tells none, or one beyond YEARS, when no photo was taken."""
    try:
        time = datetime.strptime(text, form)
    except ValueError:
        return None
    return time if time.year in YEARS else None


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
