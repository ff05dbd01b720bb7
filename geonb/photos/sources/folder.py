"""A folder of one's own photos: positions come from the GPS in their EXIF, else from a sidecar of Google Takeout."""

from datetime import datetime
from pathlib import PurePosixPath

from geonb.photos import pictures
from geonb.photos.catalogue import collected
from geonb.photos.left_out import Unreadable, kept_and_left_out
from geonb.photos.sources import cached_reading, exif, folder_contents, takeout


def read(
    *, folder: str, city: str = "", country: str = "", licence: str = "unknown", author: str = "",
    city_link_m: float = 10_000.0, workers: int = 0,
):  # fmt: skip
    """(rows, left_out) of all files below a folder: each file ends in one of the two, but for sidecars.

    A photo is kept when its EXIF holds a position that needs no guess, or when it holds none that can be read and the
    JSON that Google Takeout put beside the photo does. Time: see exif.captured_at, else the sidecar's, if it gave the
    position. Links are not followed. ``workers``: see cached_reading. FileNotFoundError where the folder is not there.
    """
    root = folder_contents.root_of(folder)
    given = {"city": city, "country": country, "licence": licence, "author": author, "source": "folder"}
    there, refused = folder_contents.readable(root, folder)
    beside = takeout.sidecars(there)
    there = {name: path for name, path in there.items() if name not in set(beside.values())}
    seen = cached_reading.scanned(list(there.values()), look, where=root, workers=workers)
    entries = [(path, "", name, told) for (name, path), told in zip(there.items(), seen, strict=True)]
    rows, left_out = kept_and_left_out(entries, lambda _, name, told: given | photo(root, name, told, beside.get(name)))
    return collected(rows, refused + left_out, city_link_m=city_link_m)


def look(path):
    """What a picture tells: width_px, height_px, sha256, heading_deg, captured_at (ISO 8601), lat_deg, lon_deg.

    reason and detail stand for the position where there is none, and for everything where it is no picture.
    """
    told = {}
    try:
        told = pictures.examine(path)
        shot, gps, damage = exif.tags_of(path)
        taken = exif.captured_at(shot, gps)
        told |= {"heading_deg": exif.heading_deg(gps), "captured_at": taken.isoformat() if taken else ""}
        lat, lon = exif.position(gps, damage)
    except Unreadable as why:
        return told | {"reason": why.reason, "detail": why.detail}
    return told | {"lat_deg": lat, "lon_deg": lon}


def photo(root, name, told, sidecar=None):
    """The row of the catalogue of what ``look`` told and of a sidecar's name; Unreadable tells why there is none."""
    if "sha256" in told and any(part.startswith(".") for part in PurePosixPath(name).parts):
        raise Unreadable("hidden", "rename it without the leading dot if it belongs to the photos")
    if sidecar and told.get("reason") in takeout.NO_FIX:
        told = takeout.mended(told, root / sidecar)
    if "reason" in told:
        raise Unreadable(told["reason"], told["detail"])
    taken = datetime.fromisoformat(told["captured_at"]) if told["captured_at"] else None
    return told | {"photo_id": told["sha256"][:16], "captured_at": taken}
