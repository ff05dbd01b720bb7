"""A folder of photos beyond its GPS tags: XMP of panoramas, clocks, sidecars of Google Takeout, what is read again."""

import json
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from PIL import Image
from PIL.ExifTags import GPS, Base

from geonb.earth import sphere
from geonb.files import ROOT
from geonb.photos import catalogue as photos
from geonb.photos import pictures
from geonb.photos.sources import exif, folder, scan, table
from tests.photos.test_table import cologne, left_out_of, picture, rationals, text

HANGS_S = 1800  # no busy machine comes near it
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:GPano="http://ns.google.com/photos/1.0/panorama/"%s</rdf:Description></rdf:RDF></x:xmpmeta>'
)
ATTRIBUTE = XMP % b' GPano:ProjectionType="equirectangular" GPano:PoseHeadingDegrees="213.5">'
ELEMENT = XMP % b"><GPano:PoseHeadingDegrees>213.5</GPano:PoseHeadingDegrees>"
LAUGHS = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "213.5"><!ENTITY b "&a;&a;">]>' + ELEMENT.replace(
    b"213.5", b"&b;"
)


def with_xmp(file, tags, xmp):
    """A picture with EXIF and an XMP packet."""
    picture(file, tags)
    with Image.open(file) as plain:
        plain.save(file, "JPEG", exif=plain.info["exif"], xmp=xmp)


def takeout(file, *, exif=(0.0, 0.0), shown=(50.94, 6.96), timestamp="1716196342"):
    """A sidecar as Google Takeout writes it beside a photo."""
    content = {
        "title": file.name.partition(".jpg")[0] + ".jpg",
        "photoTakenTime": {"timestamp": timestamp, "formatted": "20.05.2024, 09:12:22 UTC"},
        "geoData": {"latitude": shown[0], "longitude": shown[1], "altitude": 0.0, "latitudeSpan": 0.0},
        "geoDataExif": {"latitude": exif[0], "longitude": exif[1], "altitude": 0.0},
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), encoding="utf-8")


def names(table):
    return [Path(path).name for path in table["path"]]


# ---- XMP -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("xmp", [ATTRIBUTE, ELEMENT])
def test_a_panorama_tells_its_heading_in_xmp(tmp_path, xmp):
    with_xmp(tmp_path / "pano.jpg", cologne(), xmp)
    rows, _ = folder.read(folder=str(tmp_path))
    assert list(rows["heading_deg"]) == [213.5]


def test_the_heading_of_the_gps_goes_before_that_of_xmp(tmp_path):
    with_xmp(tmp_path / "pano.jpg", cologne(GPSImgDirection=rationals(10)), ATTRIBUTE)
    assert list(folder.read(folder=str(tmp_path))[0]["heading_deg"]) == [10]


@pytest.mark.parametrize(
    "xmp",
    [LAUGHS, b"<x", XMP % b' GPano:PoseHeadingDegrees="north">', XMP % b' GPano:PoseHeadingDegrees="400">', XMP % b">"],
)
def test_an_xmp_that_tells_no_heading_takes_nothing_from_the_photo(tmp_path, xmp):
    with_xmp(tmp_path / "pano.jpg", cologne(), xmp)
    rows, _ = folder.read(folder=str(tmp_path))
    assert rows["heading_deg"].isna().tolist() == [True]


# ---- clocks ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("shot", "time"),
    [
        ({"DateTimeOriginal": "2022:08:14 14:12:31", "OffsetTime": "+03:00"}, "2022-08-14 11:12:31"),
        ({"DateTimeOriginal": "2022:08:14 14:12:31", "OffsetTimeOriginal": "-02:00", "OffsetTime": "+03:00"},
         "2022-08-14 16:12:31"),
        ({"DateTimeDigitized": "2022:08:14 14:12:31", "OffsetTimeDigitized": "+03:00"}, "2022-08-14 11:12:31"),
        ({"DateTimeOriginal": "0000:00:00 00:00:00", "DateTimeDigitized": "2022:08:14 14:12:31"},
         "2022-08-14 14:12:31"),
        ({"DateTimeOriginal": "0001:01:01 00:00:00", "OffsetTimeOriginal": "+03:00"}, None),
    ],
)  # fmt: skip
def test_a_camera_s_clock_counts_with_the_offset_that_stands(shot, time):
    found = exif.captured_at({Base[name]: value for name, value in shot.items()}, {})
    assert found == (pd.Timestamp(time, tz="UTC") if time else None)


# ---- sidecars of Google Takeout --------------------------------------------------------------------------------------
LONG = "a_photo_whose_name_is_longer_than_forty_six_letters.jpg"


@pytest.mark.parametrize(
    ("name", "sidecar"),
    [
        ("a.jpg", "a.jpg.json"),
        ("a.jpg", "a.jpg.supplemental-metadata.json"),
        ("a.jpg", "a.jpg.supplemental-me.json"),
        ("a.jpg", "a.jpg..json"),
        ("a(1).jpg", "a.jpg(1).json"),
        ("a(1).jpg", "a.jpg.supplemental-metadata(1).json"),
        ("a(1).jpg", "a(1).jpg.json"),
        (LONG, f"{LONG[:46]}.json"),
    ],
)
def test_a_sidecar_gives_position_and_time_under_every_name_of_takeout(tmp_path, name, sidecar):
    picture(tmp_path / "Köln" / name)
    takeout(tmp_path / "Köln" / sidecar)
    rows, left_out = folder.read(folder=str(tmp_path))
    assert not len(left_out)
    assert rows.loc[0, ["lat_deg", "lon_deg"]].tolist() == [50.94, 6.96]
    assert photos.catalogue(rows)["captured_at"][0] == pd.Timestamp("2024-05-20 09:12:22", tz="UTC")


def test_a_position_in_the_exif_goes_before_the_sidecar_and_the_camera_s_before_the_one_shown(tmp_path):
    picture(tmp_path / "a.jpg", cologne())
    takeout(tmp_path / "a.jpg.json", shown=(1, 2))
    picture(tmp_path / "b.jpg", cologne(GPSLatitude=rationals(0), GPSLongitude=rationals(0)))
    takeout(tmp_path / "b.jpg.json", exif=(3, 4), shown=(1, 2))
    rows, left_out = folder.read(folder=str(tmp_path))
    assert rows["lat_deg"].round(2).tolist() == [50.94, 3]
    assert not len(left_out)


@pytest.mark.parametrize(
    ("content", "reason", "words"),
    [
        ('{"geoData": {"latitude": 0.0, "longitude": 0.0}}', "no position", "the EXIF has no GPS position"),
        ("{}", "no position", "the EXIF has no GPS position"),
        ("{", "no position", "and a.jpg.json cannot be read: JSONDecodeError"),
        ("[" * 100_000, "no position", "and a.jpg.json cannot be read: RecursionError"),
        ("[1]", "no position", "and a.jpg.json cannot be read: AttributeError"),
        (" " * 2_000_000, "no position", "more than 1,000,000 bytes"),
        ('{"geoData": {"latitude": "x", "longitude": 0}}', "no position", "and a.jpg.json cannot be read: ValueError"),
        ('{"geoData": {"latitude": NaN, "longitude": 1}}', "latitude out of range", "a.jpg.json: latitude is nan"),
        ('{"geoData": {"latitude": 95, "longitude": 1}}', "latitude out of range", "a.jpg.json: latitude is 95.0"),
    ],
)
def test_a_sidecar_without_a_position_leaves_the_photo_out(tmp_path, content, reason, words):
    picture(tmp_path / "a.jpg")
    (tmp_path / "a.jpg.json").write_text(content)
    row = left_out_of(folder.read(folder=str(tmp_path)))
    assert (Path(row["path"]).name, row["reason"]) == ("a.jpg", reason)
    assert words in row["detail"]


@pytest.mark.parametrize("timestamp", ["soon", "9" * 30, None])
def test_a_sidecar_may_lack_the_time(tmp_path, timestamp):
    picture(tmp_path / "a.jpg")
    takeout(tmp_path / "a.jpg.json", timestamp=timestamp)
    rows, _ = folder.read(folder=str(tmp_path))
    assert photos.catalogue(rows)["captured_at"].isna().tolist() == [True]


def test_a_json_of_no_photo_or_of_two_is_left_out(tmp_path):
    for end in "xy":
        picture(tmp_path / f"{LONG[:48]}{end}.jpg")
    takeout(tmp_path / f"{LONG[:46]}.json")
    takeout(tmp_path / "metadata.json")
    rows, left_out = folder.read(folder=str(tmp_path))
    assert not len(rows)
    assert left_out["reason"].tolist() == ["not a picture", "no position", "no position", "not a picture"]


def test_a_sidecar_that_leads_elsewhere_is_not_followed(tmp_path):
    picture(tmp_path / "in" / "a.jpg")
    takeout(tmp_path / "out" / "a.jpg.json")
    (tmp_path / "in" / "a.jpg.json").symlink_to(tmp_path / "out" / "a.jpg.json")
    rows, left_out = folder.read(folder=str(tmp_path / "in"))
    assert not len(rows)
    assert left_out["reason"].tolist() == ["no position", "link"]


def test_the_sidecar_of_a_file_that_is_no_picture_is_no_second_line(tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + b"\0" * 80)
    takeout(tmp_path / "film.mp4.json")
    assert names(folder.read(folder=str(tmp_path))[1]) == ["film.mp4"]


def test_a_photo_in_another_form_than_jpeg_tells_its_xmp_too(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.webp", xmp=ATTRIBUTE)
    takeout(tmp_path / "a.webp.json")
    assert list(folder.read(folder=str(tmp_path))[0]["heading_deg"]) == [213.5]


# ---- what is read again ----------------------------------------------------------------------------------------------
@pytest.fixture
def many(tmp_path):
    """A folder with photos of every kind: kept, without a position, no picture, one copy."""
    for number in range(20):
        picture(tmp_path / "many" / f"{number:02d}.jpg", cologne() if number % 3 else None, seed=number)
    (tmp_path / "many" / "notes.txt").write_text("words")
    (tmp_path / "many" / "copy.jpg").write_bytes((tmp_path / "many" / "01.jpg").read_bytes())
    return tmp_path / "many"


def same(one, other):
    for first, second in zip(one, other, strict=True):
        pd.testing.assert_frame_equal(first, second)


def count_reads(monkeypatch):
    """The list of what pictures.examine is asked for from now on."""
    asked, examine = [], pictures.examine
    monkeypatch.setattr(pictures, "examine", lambda path: asked.append(Path(path).name) or examine(path))
    return asked


def test_several_processes_give_what_one_gives(many, scans, monkeypatch):
    alone = folder.read(folder=str(many), workers=1)
    shutil.rmtree(scans)
    monkeypatch.setattr(scan, "FEW", 4)
    same(alone, folder.read(folder=str(many), workers=2))
    assert list(scans.iterdir())


def test_a_second_scan_reads_only_what_changed(many, monkeypatch):
    first = folder.read(folder=str(many))
    asked = count_reads(monkeypatch)
    same(first, folder.read(folder=str(many)))
    assert asked == []
    picture(many / "04.jpg", cologne(), seed=99)
    picture(many / "new.jpg", cologne(), seed=100)
    (many / "05.jpg").unlink()
    rows, _ = folder.read(folder=str(many))
    assert asked == ["04.jpg", "new.jpg"]
    assert "05.jpg" not in names(rows)
    assert (
        rows.set_index("path").loc[f"{many}/04.jpg", "sha256"]
        != first[0].set_index("path").loc[f"{many}/04.jpg", "sha256"]
    )


def test_a_sidecar_that_comes_later_is_seen(tmp_path):
    picture(tmp_path / "a.jpg")
    assert not len(folder.read(folder=str(tmp_path))[0])
    takeout(tmp_path / "a.jpg.json")
    assert len(folder.read(folder=str(tmp_path))[0]) == 1


def test_a_table_reads_each_picture_once(many, monkeypatch):
    asked = count_reads(monkeypatch)
    (many / "t.csv").write_text("path,lat,lon\n" + "01.jpg,50,7\n02.jpg,50,7\n" * 3 + "notes.txt,1,2\n,1,2\n")
    first = table.read(table=str(many / "t.csv"))
    assert asked == ["01.jpg", "02.jpg", "notes.txt"]
    same(first, table.read(table=str(many / "t.csv")))
    assert asked == ["01.jpg", "02.jpg", "notes.txt"]
    assert first[1]["reason"].value_counts().to_dict() == {"duplicate": 4, "not a picture": 1, "no path": 1}


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content.replace(b"50.9", b"51.9", 1),
        lambda content: b"\xff" * 100,
        lambda content: b"{}\n[]",
    ],
)
def test_a_damaged_memory_is_read_anew(many, scans, monkeypatch, damage):
    first = folder.read(folder=str(many))
    (file,) = scans.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert damage(whole) != whole
    asked = count_reads(monkeypatch)
    same(first, folder.read(folder=str(many)))
    assert len(asked) == 22
    assert file.read_bytes() == whole


def test_other_code_reads_anew(many, monkeypatch):
    folder.read(folder=str(many))
    monkeypatch.setattr(scan.PIL, "__version__", "0")
    asked = count_reads(monkeypatch)
    folder.read(folder=str(many))
    assert len(asked) == 22


def test_what_may_pass_is_asked_again(tmp_path):
    (tmp_path / "t.csv").write_text("path,lat,lon\na.jpg,50,7\n")
    assert left_out_of(table.read(table=str(tmp_path / "t.csv")))["reason"] == "missing file"
    picture(tmp_path / "a.jpg")
    assert len(table.read(table=str(tmp_path / "t.csv"))[0]) == 1


def test_an_interrupted_scan_keeps_what_it_read(many, monkeypatch):
    examine = pictures.examine

    def interrupted(path):
        if path.endswith("10.jpg"):
            raise KeyboardInterrupt
        return examine(path)

    with monkeypatch.context() as patch:
        patch.setattr(pictures, "examine", interrupted)
        with pytest.raises(KeyboardInterrupt):
            folder.read(folder=str(many))
    asked = count_reads(monkeypatch)
    folder.read(folder=str(many))
    assert asked[0] == "10.jpg"


def test_fewer_processes_than_none_are_refused(tmp_path):
    picture(tmp_path / "a.jpg", cologne())
    with pytest.raises(ValueError, match="workers -1 must be a whole number of at least 0: 0 is one process per core"):
        folder.read(folder=str(tmp_path), workers=-1)


def test_a_process_that_dies_is_told_with_the_way_out(monkeypatch):
    monkeypatch.setattr(scan, "FEW", 1)
    with pytest.raises(RuntimeError, match="for lack of memory: set the option workers: 1"):
        list(scan.mapped(os._exit, [1, 2], 2))


def test_several_processes_work_in_a_kernel_of_jupyter(many, scans):
    from jupyter_client.manager import run_kernel

    code = f"""
import pathlib
from geonb.photos.sources import folder, scan
scan.FEW, scan.SCANS = 4, pathlib.Path({str(scans)!r})
print(len(folder.read(folder={str(many)!r}, workers=2)[0]))
"""
    here, said = os.environ | {"PYTHONPATH": str(ROOT)}, []
    with run_kernel(kernel_name="python3", env=here, startup_timeout=HANGS_S) as client:
        reply = client.execute_interactive(code, timeout=HANGS_S, output_hook=lambda sent: said.append(sent["content"]))
    assert reply["content"]["status"] == "ok"
    printed = "".join(content["text"] for content in said if content.get("name") == "stdout")
    assert not [content for content in said if content.get("name") == "stderr"]
    assert printed.split()[-1] == "13"


READS_FOR_EVER = """
import os, pathlib, time

def read(folder):
    (pathlib.Path(folder) / str(os.getpid())).touch()
    time.sleep(1_000_000)
"""


def test_processes_end_with_the_one_that_started_them(tmp_path):
    (tmp_path / "reads_for_ever.py").write_text(READS_FOR_EVER)
    (started := tmp_path / "started").mkdir()
    code = (
        "import reads_for_ever; from geonb.photos.sources import scan; scan.FEW = 1; "
        f"list(scan.mapped(reads_for_ever.read, [{str(started)!r}] * 32, 2))"
    )
    here = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    parent = psutil.Popen([sys.executable, "-c", code], env=here, cwd=ROOT)
    hangs = time.monotonic() + HANGS_S
    while len(list(started.iterdir())) < 2:  # both have begun to read, and so they watch
        assert parent.poll() is None
        assert time.monotonic() < hangs
        time.sleep(0.02)
    children = parent.children()
    assert {int(path.name) for path in started.iterdir()} <= {child.pid for child in children}
    parent.kill()
    parent.wait()
    assert psutil.wait_procs(children, timeout=HANGS_S)[1] == []


# ---- fixes that do not hold, other datums, clocks that lost weeks ----------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"GPSStatus": text(b"V\0")}, "GPSStatus is V"),
        ({"GPSStatus": (7, 1, b"V")}, "GPSStatus is V"),
        ({"GPSDOP": rationals(99.99)}, "GPSDOP is 99.99, above 50"),
        ({"GPSDOP": rationals(50.001)}, "GPSDOP is 50.001, above 50"),
    ],
)
def test_a_fix_that_the_receiver_calls_void_is_left_out_whatever_a_sidecar_says(tmp_path, changes, words):
    picture(tmp_path / "a.jpg", cologne(**changes))
    takeout(tmp_path / "a.jpg.json")
    row = left_out_of(folder.read(folder=str(tmp_path)))
    assert row["reason"] == "void fix"
    assert words in row["detail"]


@pytest.mark.parametrize(
    "changes",
    [{"GPSStatus": text(b"A\0")}, {"GPSDOP": rationals(50)}, {"GPSDOP": rationals((0, 0))}, {"GPSStatus": text(b"\0")}],
)
def test_a_fix_that_holds_is_kept(tmp_path, changes):
    picture(tmp_path / "a.jpg", cologne(**changes))
    assert len(folder.read(folder=str(tmp_path))[0]) == 1


@pytest.mark.parametrize(
    "datum",
    ["WGS-84", "WGS84", "wgs 84", "WGS-84 (G1762)", "WGS 1984", "WORLD GEODETIC SYSTEM 1984", "", "JGD2000", "JGD2011",
     "ETRS89", "NAD83", "NAD-83", "PZ-90", "PZ-90.11", "GDA94", "CGCS2000"],
)  # fmt: skip
def test_a_datum_within_metres_of_wgs_84_is_taken_as_it(datum):
    tags = {GPS.GPSMapDatum: datum, GPS.GPSLatitude: (35.0,), GPS.GPSLongitude: (135.0,)}
    assert exif.position(tags | {GPS.GPSLatitudeRef: "N", GPS.GPSLongitudeRef: "E"}) == (35.0, 135.0)


@pytest.mark.parametrize(
    ("datum", "told", "expected", "within_m"),
    [
        # the approximation that Japanese map pages publish: 1.1 and 2.7 parts in ten thousand
        ("TOKYO", (35.0, 135.0), (35.003216, 134.997218), 5),
        ("Tokyo ", (35.0, 135.0), (35.003216, 134.997218), 5),
        # Molodensky's formulas worked out apart, with the shifts of NIMA TR8350.2: -8 160 176 m, and -87 -98 -121 m
        ("NAD27", (40.0, -100.0), (40.00001, -100.00042), 10),
        ("ED-50", (50.0, 7.0), (49.99917, 6.99879), 10),
    ],
)
def test_a_known_datum_is_transformed(tmp_path, datum, told, expected, within_m):
    signs = {"GPSLatitudeRef": text(b"N\0"), "GPSLongitudeRef": text(b"E\0" if told[1] > 0 else b"W\0")}
    angles = {"GPSLatitude": rationals(told[0]), "GPSLongitude": rationals(abs(told[1]))}
    picture(tmp_path / "a.jpg", cologne(GPSMapDatum=text(datum.encode() + b"\0"), **signs, **angles))
    rows, left_out = folder.read(folder=str(tmp_path))
    assert left_out.empty
    at = rows[["lat_deg", "lon_deg"]].to_numpy(float)
    assert sphere.distance_m(at, np.array([expected]))[0] < within_m
    assert sphere.distance_m(at, np.array([told]))[0] > 30


@pytest.mark.parametrize(
    ("datum", "words"),
    [
        ("GCJ-02", "GPSMapDatum is 'GCJ-02', which PROJ cannot transform: convert the position to WGS 84"),
        ("BD09", "GPSMapDatum is 'BD09', which PROJ cannot transform"),
        ("UNKNOWN", "GPSMapDatum is 'UNKNOWN', which PROJ cannot transform"),
        ("NAD27", "GPSMapDatum is 'NAD27', but latitude 50.9"),  # Cologne does not lie in North America
    ],
)
def test_an_unknown_datum_and_one_of_elsewhere_are_left_out(tmp_path, datum, words):
    picture(tmp_path / "a.jpg", cologne(GPSMapDatum=text(datum.encode() + b"\0")))
    row = left_out_of(folder.read(folder=str(tmp_path)))
    assert row["reason"] == "other datum"
    assert words in row["detail"]


@pytest.mark.parametrize(
    ("camera", "day", "time"),
    [
        ("2022:08:14 14:12:31", "2002:12:29", "2022-08-14 12:12:31"),  # 1,024 weeks back, the camera two hours ahead
        ("2022:08:14 14:12:31", "1983:05:15", "2022-08-14 12:12:31"),  # 2,048 weeks back
        ("2022:08:14 14:12:31", "2022:08:14", "2022-08-14 12:12:31"),
        ("2022:08:14 14:12:31", "2002:12:22", "2002-12-22 12:12:31"),  # 1,025 weeks back: nobody knows
        ("2002:12:29 14:12:31", "2022:08:14", "2022-08-14 12:12:31"),  # a camera set wrongly
        ("2022:08:14 14:12:31", "1980:01:06", "2022-08-14 14:12:31"),  # the first day of GPS: no date was received
        ("2022:08:14 14:12:31", "1970:01:01", "2022-08-14 14:12:31"),
        (None, "2002:12:29", "2002-12-29 12:12:31"),
        (None, "1980:01:06", None),
    ],
)
def test_a_gps_clock_that_lost_1024_weeks_is_set_by_the_camera(camera, day, time):
    shot = {Base.DateTimeOriginal: camera} if camera else {}
    found = exif.captured_at(shot, {GPS.GPSDateStamp: day, GPS.GPSTimeStamp: (12.0, 12.0, 31.0)})
    assert found == (pd.Timestamp(time, tz="UTC") if time else None)


@pytest.mark.parametrize(
    "changes",
    [
        {"GPSLatitude": rationals((0, 0), (0, 0), (0, 0)), "GPSLongitude": rationals((0, 0), (0, 0), (0, 0))},
        {"GPSLatitudeRef": None},
        {"GPSLatitude": rationals(95)},
        {"GPSLongitude": rationals(200)},
    ],
)
def test_a_position_that_the_exif_cannot_tell_is_that_of_the_sidecar(tmp_path, changes):
    picture(tmp_path / "a.jpg", cologne(**changes))
    takeout(tmp_path / "a.jpg.json")
    rows, left_out = folder.read(folder=str(tmp_path))
    assert left_out.empty
    assert rows.loc[0, ["lat_deg", "lon_deg"]].tolist() == [50.94, 6.96]
    takeout(tmp_path / "a.jpg.json", shown=(0, 0))
    assert left_out_of(folder.read(folder=str(tmp_path)))["reason"] != "no position"


# ---- where nothing can be written ------------------------------------------------------------------------------------
@pytest.mark.parametrize("errno", [28, 13, 30])  # disk full, no permission, read-only
def test_what_was_read_is_kept_where_nothing_can_be_written(many, monkeypatch, capsys, errno):
    expected = folder.read(folder=str(many))
    shutil.rmtree(scan.SCANS)

    def refused(*_, **__):
        raise OSError(errno, os.strerror(errno))

    monkeypatch.setattr(scan.files, "write_whole", refused)
    capsys.readouterr()
    same(expected, folder.read(folder=str(many)))
    told = capsys.readouterr()
    lines = [line for line in told.out.splitlines() if "photos:" not in line and line.strip()]
    assert lines == [
        f"{os.strerror(errno)}: what was read of the photos is not kept in build/scans, the next run reads it again"
    ]
    assert told.err == ""
