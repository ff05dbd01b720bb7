"""A folder of one's own photos: the position comes from the GPS in their EXIF, else from a sidecar of Google Takeout.

Pillow reads the EXIF, and the XMP through defusedxml, which refuses entities.
"""

import functools
import json
import os
import re
import warnings
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from PIL.ExifTags import GPS, IFD, Base

from geonb.photos import catalogue as photos
from geonb.photos.catalogue import Unreadable
from geonb.photos.sources import scan

SIGNS = {"N": 1, "S": -1, "E": 1, "W": -1}
# Datums as cameras write them, capitals and digits alone: WGS 84 itself, and those within metres of it
WGS_84 = ("WGS84", "WGS1984", "WORLDGEODETICSYSTEM1984")
NEAR_WGS_84 = ("JGD2000", "JGD2011", "ETRS89", "NAD83", "PZ90", "GDA94", "GDA2020", "CGCS2000", "NZGD2000")
MOST_DOP = 50.0  # a dilution of precision above it means a position that may lie kilometres away
GPS_BEGAN = datetime(1980, 1, 6, tzinfo=UTC)  # and the date of receivers that have received none
ROLLOVER = timedelta(weeks=1024)  # GPS counts its weeks in ten bits
CLOCKS_APART = timedelta(days=1)  # at most, of a camera in any time zone and the GPS
CLOCKS = (
    (Base.DateTimeOriginal, (Base.OffsetTimeOriginal, Base.OffsetTime, Base.OffsetTimeDigitized)),
    (Base.DateTimeDigitized, (Base.OffsetTimeDigitized, Base.OffsetTime)),
)
SIDECAR = ".supplemental-metadata"  # Google Takeout puts it between a photo's name and .json, cut to LONGEST together
LONGEST = 46
LARGEST_BYTES = 1_000_000  # of a sidecar; Takeout's have about 1 kB
YEARS = range(1826, 9999)  # from the first photo to the last year that an offset cannot lead out of
# What a sidecar may mend: nothing that the EXIF says is overruled, also not that a fix is void or of another datum
NO_FIX = ("no position", "position 0,0", "broken position", "latitude out of range", "longitude out of range")


def read(
    *,
    folder: str,
    city: str = "",
    country: str = "",
    licence: str = "unknown",
    author: str = "",
    city_link_m: float = 10_000.0,
    workers: int = 0,
):
    """(rows, left_out) of all files below a folder: each file ends in one of the two, but for sidecars.

    A photo is kept when its EXIF holds a position that needs no guess, or when it holds none that can be read and the
    JSON that Google Takeout put beside the photo does. Such a JSON is told with its photo; one that belongs to no file
    is left out. ``city`` is that of all photos; without it, photos linked by steps of ``city_link_m`` metres share one.
    Time: that of the GPS (see captured_at); else DateTimeOriginal or DateTimeDigitized with its offset, taken as UTC
    where no offset stands; else the sidecar's, if it gave the position. Heading: GPSImgDirection, true or magnetic as
    the camera wrote it, else GPano:PoseHeadingDegrees of a panorama. Linked folders are not entered, and links to files
    outside the folder not followed. ``workers``: processes that read, 0 for one per core; a file that did not change is
    not read again (see scan.scanned). FileNotFoundError where the folder is not there.
    """
    root = photos.picture_path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"folder {folder!r} is not a folder on this machine: {root}")
    given = {"city": city, "country": country, "licence": licence, "author": author, "source": "folder"}
    names = entries(root)
    beside = sidecars(root, names)
    there, left_out = readable(root, sorted(set(names) - set(beside.values())), folder)
    rows, told = [], scan.scanned(list(there.values()), seen, where=root, workers=workers)
    for (name, path), found in zip(there.items(), told, strict=True):
        try:
            rows.append({"path": path} | given | photo(root, name, found, beside.get(name)))
        except Unreadable as why:
            left_out.append({"path": path, "reason": why.reason, "detail": why.detail})
    return photos.collected(rows, left_out, city_link_m=city_link_m)


def readable(root, names, folder):
    """({name: path for the catalogue} of the files that may be opened, the others as rows of what was left out)."""
    there, left_out = {}, []
    for name in names:
        path = f"{folder.rstrip('/')}/{name}"
        try:
            refuse_by_name(root, name)
            there[name] = path
        except Unreadable as why:
            left_out.append({"path": _printable(path), "reason": why.reason, "detail": why.detail})
    return there, left_out


def entries(root):
    """Names below the folder, sorted: every file, every link, and folders that cannot be listed."""
    found, refused = [], []
    for folder, subfolders, files in os.walk(root, onerror=refused.append):
        found += [Path(folder, name) for name in files]
        found += [Path(folder, name) for name in subfolders if Path(folder, name).is_symlink()]
    found += [Path(error.filename) for error in refused]
    return sorted(path.relative_to(root).as_posix() for path in found)


def pictures(root, endings):
    """Names below the folder, sorted, with one of the endings, and those of folders that are not entered."""
    return [name for name in entries(root) if name.lower().endswith(endings) or os.path.isdir(root / name)]


def seen(path):
    """What a picture tells by itself: width_px, height_px, sha256, heading_deg, captured_at, lat_deg and lon_deg.

    Times are ISO 8601, '' where unknown. ``reason`` and ``detail`` stand for the position where there is none, and for
    everything where it is no picture.
    """
    try:
        told = photos.examine(path)
    except Unreadable as why:
        return {"reason": why.reason, "detail": why.detail}
    shot, gps, xmp, damage = exif(path)
    taken = captured_at(shot, gps)
    told |= {"heading_deg": heading_deg(gps, xmp), "captured_at": taken.isoformat() if taken else ""}
    try:
        lat, lon = position(gps, damage)
    except Unreadable as why:
        return told | {"reason": why.reason, "detail": why.detail}
    return told | {"lat_deg": lat, "lon_deg": lon}


def photo(root, name, told, sidecar=None):
    """The row of the catalogue of what ``seen`` told and of a sidecar's name; Unreadable tells why there is none."""
    if "sha256" in told and any(part.startswith(".") for part in PurePosixPath(name).parts):
        raise Unreadable("hidden", "rename it without the leading dot if it belongs to the photos")
    if sidecar and told.get("reason") in NO_FIX:
        told = mended(told, root / sidecar)
    if "reason" in told:
        raise Unreadable(told["reason"], told["detail"])
    taken = datetime.fromisoformat(told["captured_at"]) if told["captured_at"] else None
    return told | {"photo_id": told["sha256"][:16], "captured_at": taken}


def refuse_by_name(root, name):
    """Nothing, or Unreadable for a link that is not followed, a folder without permission, an undecodable name."""
    file = root / name
    if name != _printable(name):
        raise Unreadable("unreadable", "the name of the file is not UTF-8: rename it")
    if os.path.islink(file):  # unlike Path.is_symlink it raises nothing where the folder lets nothing be looked up
        _refuse_link(file, root)
    elif os.path.isdir(file):
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


# ---- sidecars of Google Takeout --------------------------------------------------------------------------------------
def sidecars(root, names):
    """{file: its sidecar} of the files among the names, without a JSON that two files could claim, or that is a link.

    The sidecar of a.jpg is a.jpg.json or a.jpg.supplemental-metadata.json, that of a(1).jpg a.jpg(1).json and so on;
    Takeout cuts what stands before .json, at times within the file's own name.
    """
    there = {name for name in names if name.endswith(".json") and not (root / name).is_symlink()}
    if not there:
        return {}
    claims = {name: there.intersection(_sidecar_names(name)) for name in names if name not in there}
    claimed = Counter(sidecar for some in claims.values() for sidecar in some)
    mine = {name: sorted(sidecar for sidecar in some if claimed[sidecar] == 1) for name, some in claims.items()}
    return {name: some[0] for name, some in mine.items() if some}


def _sidecar_names(name):
    """Every name that Takeout may give the sidecar of a file."""
    folder, slash, own = name.rpartition("/")
    numbered = re.fullmatch(r"(.+)(\(\d+\))(\.\w+)", own)
    plain, number = (numbered[1] + numbered[3], numbered[2]) if numbered else (own, "")
    stems = {f"{plain}{SIDECAR[:length]}{number}" for length in range(len(SIDECAR) + 1)} | {own}
    stems |= {own[:LONGEST]} if len(own) > LONGEST else set()
    return {f"{folder}{slash}{stem}.json" for stem in stems}


def mended(told, file):
    """What was told of a photo, with the position of its sidecar, and its time where the EXIF has none.

    The camera's own position (geoDataExif) goes before the one that Google Photos shows; 0, 0 means that there is none.
    """
    try:
        content = json.loads(_content(file))
        found = _takeout_position(content)
        if found is None:
            return told
        taken = told["captured_at"] or _takeout_time(content)
    except Unreadable as why:
        return told | {"reason": why.reason, "detail": f"{file.name}: {why.detail}"}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return told | {"detail": f"{told['detail']}, and {file.name} cannot be read: {type(error).__name__}: {error}"}
    kept = {key: value for key, value in told.items() if key not in ("reason", "detail")}
    return kept | {"lat_deg": found[0], "lon_deg": found[1], "captured_at": taken}


def _content(file):
    with file.open("rb") as stream:
        content = stream.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise ValueError(f"more than {LARGEST_BYTES:,} bytes")
    return content


def _takeout_position(content):
    """(latitude, longitude) of a sidecar, None where it has none; Unreadable where it is impossible."""
    for key in ("geoDataExif", "geoData"):
        at = content.get(key)
        if not at:
            continue
        lat, lon = float(at["latitude"]), float(at["longitude"])
        if (lat, lon) != (0, 0):
            photos.check_position(lat, lon)
            return lat, lon
    return None


def _takeout_time(content):
    """When the sidecar says that the photo was taken, ISO 8601; '' where it says none, or one beyond YEARS."""
    try:
        time = datetime.fromtimestamp(int(content["photoTakenTime"]["timestamp"]), UTC)
        return time.isoformat() if time.year in YEARS else ""
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return ""


# ---- EXIF ------------------------------------------------------------------------------------------------------------
def exif(path):
    """(tags of the shot, tags of the GPS, XMP, what is damaged): dicts from EXIF tag numbers, a tree, and a text."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        xmp = {}
        try:
            with photos.opened(path) as picture:
                xmp = _xmp(picture)
                tags = picture.getexif()
                # the copies are dicts: later reads cannot fail
                shot, gps, error = dict(tags.get_ifd(IFD.Exif)), dict(tags.get_ifd(IFD.GPSInfo)), ""
        except Exception as failure:  # any bytes can stand there, and Pillow's reader fails in many ways
            shot, gps, error = {}, {}, f"{type(failure).__name__}: {failure}"
    return shot, gps, xmp, error or "; ".join(sorted({str(warning.message).strip() for warning in told}))


def _xmp(picture):
    """The XMP of an opened picture as a tree of dicts and lists; {} where there is none that can be read."""
    try:
        return picture.getxmp()
    except Exception:  # broken XML, entities and what else can stand there: it only ever tells a heading
        return {}


def position(gps, damage=""):
    """(latitude, longitude) in degrees on WGS 84 from the GPS tags; Unreadable where they are missing, void, broken,
    impossible, or of a datum that nobody can transform.
    """
    if GPS.GPSLatitude not in gps and GPS.GPSLongitude not in gps:
        if damage:
            raise Unreadable("broken position", f"the EXIF is damaged: {damage}")
        raise Unreadable("no position", "the EXIF has no GPS position")
    _refuse_void(gps)
    lat = _angle_deg(gps, GPS.GPSLatitude, GPS.GPSLatitudeRef, "NS")
    lon = _angle_deg(gps, GPS.GPSLongitude, GPS.GPSLongitudeRef, "EW")
    photos.check_position(lat, lon)
    return in_wgs_84(_text(gps.get(GPS.GPSMapDatum)), lat, lon)


def _refuse_void(gps):
    """Nothing, or Unreadable for a position that the receiver itself does not vouch for."""
    if _text(gps.get(GPS.GPSStatus)).upper() == "V":
        raise Unreadable("void fix", "GPSStatus is V, for void, not A: the receiver had lost its satellites")
    dop = _numbers(gps.get(GPS.GPSDOP))
    if dop and dop[0] > MOST_DOP:
        raise Unreadable("void fix", f"GPSDOP is {dop[0]:g}, above {MOST_DOP:g}: the position may be anywhere near")


def in_wgs_84(datum, lat_deg, lon_deg):
    """(latitude, longitude) on WGS 84 of a position on a datum as cameras write it, '' for WGS 84.

    A datum within metres of WGS 84 is taken as it; others are transformed by PROJ, to some metres. Unreadable for one
    that PROJ does not know by this name, and for a position outside of the area of its datum.
    """
    name = _plain(datum)
    if not name or name.startswith((*WGS_84, *NEAR_WGS_84)):
        return lat_deg, lon_deg
    said, transformation = f"GPSMapDatum is {datum!r}", _to_wgs_84(name)
    if transformation is None:
        raise Unreadable("other datum", f"{said}, which PROJ cannot transform: convert the position to WGS 84")
    system, transformer = transformation
    if not photos.within(system.area_of_use, lat_deg, lon_deg):
        where = f"latitude {lat_deg:.6g}, longitude {lon_deg:.6g} lies outside of {system.area_of_use.name}"
        raise Unreadable("other datum", f"{said}, but {where}: convert the position to WGS 84")
    east, north = transformer.transform(lon_deg, lat_deg)
    photos.check_position(north, east)
    return north, east


@functools.cache
def _to_wgs_84(name):
    """(coordinate system, transformer to WGS 84) of a datum by its plain name; None where PROJ has none."""
    from pyproj import CRS, Transformer
    from pyproj.database import query_crs_info
    from pyproj.enums import PJType
    from pyproj.exceptions import ProjError

    known = {_plain(info.name): info.code for info in query_crs_info("EPSG", PJType.GEOGRAPHIC_2D_CRS)}
    if name not in known:
        return None
    system = CRS.from_epsg(known[name])
    try:  # without a ballpark PROJ refuses a datum to which it knows no shift, in place of taking it for WGS 84
        return system, Transformer.from_crs(system, "EPSG:4326", always_xy=True, allow_ballpark=False)
    except ProjError:
        return None


def _plain(name):
    """A name's letters, as capitals, and its digits."""
    return re.sub(r"[^A-Z0-9]", "", name.upper())


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


def heading_deg(gps, xmp=None):
    """Direction of view in degrees within [0, 360), not-a-number where none was written.

    gps: its tags; xmp: the tree whose GPano:PoseHeadingDegrees holds where the GPS tells none.
    """
    for parts in (_numbers(gps.get(GPS.GPSImgDirection)), _degrees(found_in(xmp or {}, "PoseHeadingDegrees"))):
        if len(parts) == 1 and 0 <= parts[0] <= 360:
            return parts[0] % 360
    return float("nan")


def found_in(tree, name):
    """The first value with that name in a tree of dicts and lists; None where there is none."""
    waiting = [tree]  # not by recursion: a hostile picture nests deeper than Python calls
    while waiting:
        branch = waiting.pop(0)
        if isinstance(branch, dict) and branch.get(name) is not None:
            return branch[name]
        waiting += branch.values() if isinstance(branch, dict) else branch if isinstance(branch, list) else ()
    return None


def _degrees(words):
    """[the number] that a text tells, [] where it tells none."""
    try:
        return [float(words)] if isinstance(words, str) else []
    except ValueError:
        return []


def captured_at(shot, gps):
    """When the photo was taken, in UTC: by the GPS, else by the camera's clock; None where neither is readable.

    A GPS clock that is once or twice 1,024 weeks behind the camera's has lost them: they are added. One that stands
    before or on the first day of GPS has no date.
    """
    told = (_camera_time(shot, local, offsets) for local, offsets in CLOCKS)
    camera = next((time for time in told if time), None)
    received = _gps_time(gps)
    if received is None or received < GPS_BEGAN + timedelta(days=1):
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
