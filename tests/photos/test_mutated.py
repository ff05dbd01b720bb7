"""What others, cameras and accidents write into files: it is read as it stands, or left out with its reason."""

import io
import json
import resource
import struct
import subprocess
import sys
import zlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from geonb.files import ROOT
from geonb.photos.catalogue import catalogue
from geonb.photos.sources import folder, table
from tests.photos.made import cologne, gps_exif, noise, picture, rationals, text

CASES = 500  # of each of the four kinds of files


def mutated(content, rng):
    """The bytes with some of them changed, cut off, doubled or replaced by what breaks parsers."""
    broken = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        at, length = rng.integers(len(broken) + 1), int(rng.integers(1, 9))
        kind = rng.integers(5)
        if kind == 0 and len(broken):
            broken[min(at, len(broken) - 1)] = rng.integers(256)
        elif kind == 1:
            broken[at : at + length] = b""
        elif kind == 2:
            broken[at:at] = broken[at : at + length]
        elif kind == 3:
            broken[at : at + length] = [b"\0", b"\xff\xff\xff\xff", b"\xff\xd8", b'"', b"9" * 40][rng.integers(5)]
        elif rng.random() < 0.2:
            broken = broken[:at]
    return bytes(broken)


def whole_pictures():
    """Sound pictures of several forms, with GPS, XMP and a clock where the form has room."""
    exif = gps_exif(cologne(GPSImgDirection=rationals(3), GPSDateStamp=text(b"2024:05:20\0")))
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r P:PoseHeadingDegrees="3" xmlns:P="p"/></x:xmpmeta>'
    for form, more in (("JPEG", {"exif": exif, "xmp": xmp}), ("PNG", {"exif": exif}), ("WEBP", {"exif": exif}),
                       ("TIFF", {"exif": exif}), ("GIF", {}), ("BMP", {})):  # fmt: skip
        content = io.BytesIO()
        noise().save(content, form, **more)
        yield content.getvalue()


READ = """
import re, resource, sys
sys.path.insert(0, {root!r})
from geonb.photos.catalogue import catalogue
from geonb.photos.sources import cached_reading, folder
from pathlib import Path
cached_reading.SCANS = Path({there!r}).parent / "scans"
rows, left_out = folder.read(folder={there!r}, workers=1)
if len(rows):
    catalogue(rows)
status = Path("/proc/self/status")  # ru_maxrss begins, on Linux, with what the process that started this one had
peak_kb = re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1] if status.exists() else (
    resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
)
print(len(rows), len(left_out), int(peak_kb) // 1024)
"""


def read_apart(there):
    """(kept, left out, peak memory in MB) of a folder that a process of its own reads within 4 GB."""
    limit = (4 * 2**30, 4 * 2**30)
    done = subprocess.run(
        [sys.executable, "-c", READ.format(root=str(ROOT), there=str(there))],
        capture_output=True, text=True, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return tuple(map(int, done.stdout.split()[-3:]))


@pytest.mark.slow
def test_mutated_pictures_exif_and_sidecars_end_in_a_row_each(tmp_path):
    rng, there, sound = np.random.default_rng(1), tmp_path / "photos", list(whole_pictures())
    exif = gps_exif(cologne(GPSImgDirection=rationals(3), GPSTimeStamp=rationals(1, 2, 3)))
    at = {"latitude": 50.94, "longitude": 6.96}
    sidecar = json.dumps({"geoData": at, "photoTakenTime": {"timestamp": "1716196342"}}).encode()
    for number in range(CASES):
        picture(there / f"exif{number}.jpg", exif=b"Exif\0\0" + mutated(exif[6:], rng), seed=number)
        picture(there / f"beside{number}.jpg", seed=CASES + number)
        (there / f"beside{number}.jpg.json").write_bytes(mutated(sidecar, rng))
        (there / f"{number}.jpg").write_bytes(mutated(sound[number % len(sound)], rng))
    kept, left_out, peak_mb = read_apart(there)
    assert kept + left_out == 3 * CASES
    assert min(kept, left_out) > 100
    assert peak_mb < 1_500


def rows_of(file):
    """The rows of a table; None where it is refused, which only a ValueError may do."""
    try:
        return table.read(table=str(file))[0]
    except ValueError:
        return None


@pytest.mark.slow
def test_mutated_tables_are_read_or_refused(tmp_path):
    rng, outcomes = np.random.default_rng(3), {"read": 0, "refused": 0}
    for name in "abc":
        picture(tmp_path / f"{name}.jpg", seed=ord(name))
    content = (
        "path,lat,lon,heading_deg,captured_at,city\na.jpg,50.9,6.9,10,2024-07-09 03:25:24.045+02:00,Köln\n"
        'b.jpg,50.91,"6,9",350.5,2024-07-09,"Bonn, am Rhein"\nc.jpg,-33.9,151.2,,,Sydney\n'
    ).encode()
    for _ in range(CASES):
        (tmp_path / "t.csv").write_bytes(mutated(content, rng))
        rows = rows_of(tmp_path / "t.csv")
        outcomes["refused" if rows is None else "read"] += 1
        if rows is not None and len(rows):
            catalogue(rows)
    assert min(outcomes.values()) > 20, outcomes


def claiming(form, side_px):
    """A file of less than 1 kB that claims to hold side_px * side_px pixels."""
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, form)
    written = bytearray(content.getvalue())
    if form == "JPEG":
        start = written.index(b"\xff\xc0") + 5
        written[start : start + 4] = struct.pack(">HH", side_px, side_px)
    elif form == "PNG":
        written[16:24] = struct.pack(">II", side_px, side_px)
        written[29:33] = struct.pack(">I", zlib.crc32(written[12:29]))
    elif form == "BMP":
        written[18:26] = struct.pack("<ii", side_px, side_px)
    else:
        written[6:10] = struct.pack("<HH", side_px, side_px)
    return bytes(written)


@pytest.mark.slow
def test_tiny_files_that_claim_billions_of_pixels_are_refused_before_they_take_memory(tmp_path):
    there = tmp_path / "photos"
    there.mkdir()
    for form in ("JPEG", "PNG", "BMP", "GIF"):
        (there / f"{form}.jpg").write_bytes(claiming(form, 60_000))
        assert (there / f"{form}.jpg").stat().st_size < 1_200
        assert folder.look(there / f"{form}.jpg")["reason"] == "too many pixels"
    kept, left_out, peak_mb = read_apart(there)
    assert (kept, left_out) == (0, 4)
    assert peak_mb < 700


def test_a_table_s_path_with_a_zero_byte_is_no_crash(tmp_path):
    pd.DataFrame({"path": ["a\0.jpg"], "lat": [50.0], "lon": [7.0]}).to_parquet(tmp_path / "t.parquet")
    _, left_out = table.read(table=str(tmp_path / "t.parquet"))
    assert left_out["reason"].tolist() == ["missing file"]
