"""Pictures, EXIF and tables for the tests of photos, written byte by byte where Pillow would not write them."""

import csv
import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.ExifTags import GPS, IFD


def noise(seed=0, size=(16, 12)):
    """A picture that does not compress away, so that half of its file is half of its content."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def jpeg(seed=0, size=(32, 24)):
    """The bytes of such a picture."""
    content = io.BytesIO()
    noise(seed, size).save(content, "JPEG")
    return content.getvalue()


def picture(file, tags=None, *, exif=None, seed=None):
    """Write a small JPEG of its own content; with the EXIF of these GPS tags."""
    file.parent.mkdir(parents=True, exist_ok=True)
    exif = exif if exif is not None else gps_exif(tags) if tags else b""
    noise(sum(str(file).encode()) if seed is None else seed).save(file, "JPEG", exif=exif)


def rationals(*numbers):
    """Unsigned EXIF rationals: (5, count, bytes); a pair is numerator and denominator as they are."""
    pairs = [number if isinstance(number, tuple) else (round(number * 1000), 1000) for number in numbers]
    return 5, len(pairs), b"".join(struct.pack("<II", *pair) for pair in pairs)


def text(content):
    """An EXIF text as (type, count, bytes)."""
    return 2, len(content), content


def gps_exif(tags):
    """EXIF bytes with only a GPS block, each tag as (type, count, bytes)."""
    start = 8 + 2 + 12 + 4
    table, beyond = struct.pack("<H", len(tags)), b""
    for tag, (kind, count, content) in sorted(tags.items()):
        place = content.ljust(4, b"\0")
        if len(content) > 4:
            place = struct.pack("<I", start + 2 + 12 * len(tags) + 4 + len(beyond))
            beyond += content
        table += struct.pack("<HHI", tag, kind, count) + place
    pointer = struct.pack("<HHHII", 1, IFD.GPSInfo, 4, 1, start) + b"\0" * 4
    return b"Exif\0\0II*\0\x08\0\0\0" + pointer + table + b"\0" * 4 + beyond


def cologne(**changes):
    """GPS tags of a photo in Cologne; None takes a tag away."""
    tags = {"GPSLatitudeRef": text(b"N\0"), "GPSLatitude": rationals(50, 56, 29), "GPSLongitudeRef": text(b"E\0"),
            "GPSLongitude": rationals(6, 57, 30)} | changes  # fmt: skip
    return {GPS[name]: value for name, value in tags.items() if value is not None}


def left_out_of(result, count=1):
    """The first row of what was left out, where nothing else was read."""
    rows, left_out = result
    assert (len(rows), len(left_out)) == (0, count)
    return left_out.iloc[0]


def reasons(left_out):
    """{name of the file: reason} of what was left out."""
    return {Path(path).name: reason for path, reason in zip(left_out.path, left_out.reason, strict=True)}


def by_name(catalogue):
    """The catalogue by the names of its files, short of their endings."""
    return catalogue.set_index(catalogue.path.map(lambda path: Path(path).stem))


def write_csv(file, header, rows):
    """A csv with all columns of the header; what a row does not name is empty."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, header, restval="")
        writer.writeheader()
        writer.writerows(rows)


def cannot_list(monkeypatch, folder):
    """Let the system refuse to list a folder."""
    from geonb.photos.sources import folder_contents

    walk = folder_contents.os.walk

    def refused(root, onerror):
        onerror(PermissionError(13, "Permission denied", str(folder)))
        yield from (found for found in walk(root) if found[0] != str(folder))

    monkeypatch.setattr(folder_contents.os, "walk", refused)
