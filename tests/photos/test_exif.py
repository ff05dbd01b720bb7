"""Positions, directions and times in the EXIF of a photo: none is guessed."""

from datetime import UTC, datetime

import numpy as np
import pytest
from PIL.ExifTags import GPS, Base

from geonb.earth import sphere
from geonb.photos.sources import exif, folder
from tests.photos.made import cologne, gps_exif, left_out_of, picture, rationals, text


def read_one(tmp_path, tags=None, **more):
    """(rows, left_out) of a folder with one picture."""
    picture(tmp_path / "one.jpg", tags, **more)
    return folder.read(folder=str(tmp_path))


def at_of(result):
    """(latitude, longitude) of the one photo that was read."""
    rows, left_out = result
    assert left_out.empty
    return tuple(rows.loc[0, ["lat_deg", "lon_deg"]].astype(float))


@pytest.mark.parametrize(
    ("changes", "signs"),
    [
        ({"GPSLatitudeRef": text(b"S\0"), "GPSLongitudeRef": text(b"W\0")}, (-1, -1)),
        ({"GPSLatitudeRef": text(b"s\0"), "GPSLongitudeRef": text(b"w\0")}, (-1, -1)),
        ({"GPSLatitudeRef": text(b"N"), "GPSLongitudeRef": text(b"E")}, (1, 1)),
        ({"GPSLatitudeRef": text(b"S \0\0"), "GPSLongitudeRef": text(b"E \0\0")}, (-1, 1)),
        ({"GPSLatitudeRef": (1, 2, b"S\0")}, (-1, 1)),
        ({"GPSLatitude": rationals(0, 0, 0)}, (0, 1)),  # one zero is a position on the equator
    ],
)
def test_the_hemisphere_gives_the_sign_in_every_spelling(tmp_path, changes, signs):
    assert tuple(np.sign(at_of(read_one(tmp_path, cologne(**changes))))) == signs


def test_degrees_and_minutes_may_carry_the_fraction(tmp_path):
    tags = cologne(GPSLatitude=rationals(50, 56.5, 0), GPSLongitude=rationals(6.75))
    assert at_of(read_one(tmp_path, tags)) == pytest.approx((50 + 56.5 / 60, 6.75))


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"GPSLatitude": None, "GPSLongitude": None}, "no position", "no GPS in the EXIF"),
        ({"GPSLatitudeRef": None}, "broken position", "GPSLatitudeRef is '', not N or S"),
        ({"GPSLongitudeRef": text(b"\0\0")}, "broken position", "GPSLongitudeRef is '', not E or W"),
        ({"GPSLongitudeRef": text(b"N\0")}, "broken position", "GPSLongitudeRef is 'N', not E or W"),
        ({"GPSLongitude": None}, "broken position", "GPSLongitude is None"),
        ({"GPSLatitude": rationals((0, 0), (0, 0), (0, 0))}, "broken position", "nan"),
        ({"GPSLatitude": rationals(50, 56, (29, 0))}, "broken position", "not degrees, minutes, seconds"),
        ({"GPSLatitude": rationals(50, 5629, 0)}, "broken position", "5629"),
        ({"GPSLatitude": text(b"50.9413889\0")}, "broken position", "50.9413889"),
        ({"GPSLatitude": rationals(0, 0, 0), "GPSLongitude": rationals(0, 0, 0)}, "position 0,0", "without a fix"),
        ({"GPSLatitude": rationals(91, 0, 0)}, "latitude out of range", "91.0, not within -90..90"),
        ({"GPSLongitude": rationals(180, 0, 1)}, "longitude out of range", "not within -180..180"),
        ({"GPSStatus": text(b"V\0")}, "void fix", "GPSStatus is V"),
        ({"GPSStatus": (7, 1, b"V")}, "void fix", "GPSStatus is V"),
        ({"GPSDOP": rationals(99.99)}, "void fix", "GPSDOP is 99.99, above 50"),
        ({"GPSDOP": rationals(50.001)}, "void fix", "GPSDOP is 50.001, above 50"),
        ({"GPSMapDatum": text(b"GCJ-02\0")}, "other datum", "GPSMapDatum is 'GCJ-02': convert the position to WGS 84"),
        ({"GPSMapDatum": text(b"TOKYO\0")}, "other datum", "convert the position to WGS 84"),
    ],
)
def test_a_position_is_never_guessed(tmp_path, changes, reason, words):
    row = left_out_of(read_one(tmp_path, cologne(**changes)))
    assert row["reason"] == reason
    assert words in row["detail"]


@pytest.mark.parametrize(
    "changes",
    [{"GPSStatus": text(b"A\0")}, {"GPSDOP": rationals(50)}, {"GPSDOP": rationals((0, 0))}, {"GPSStatus": text(b"\0")}],
)
def test_a_fix_that_holds_is_kept(tmp_path, changes):
    assert len(read_one(tmp_path, cologne(**changes))[0]) == 1


@pytest.mark.parametrize("datum", ["WGS-84", "wgs 84", "WGS 1984", "", "JGD2000", "NAD-83", "PZ-90.11"])
def test_a_datum_within_metres_of_wgs_84_is_taken_as_it(datum):
    tags = {GPS.GPSMapDatum: datum, GPS.GPSLatitude: (35.0,), GPS.GPSLongitude: (135.0,)}
    assert exif.position(tags | {GPS.GPSLatitudeRef: "N", GPS.GPSLongitudeRef: "E"}) == (35.0, 135.0)


def test_a_missing_exif_and_a_damaged_one_are_told_apart(tmp_path):
    whole = gps_exif(cologne())
    assert left_out_of(read_one(tmp_path))["reason"] == "no position"
    assert left_out_of(read_one(tmp_path, exif=whole[:40]))["reason"] == "broken position"
    assert left_out_of(read_one(tmp_path, exif=b"Exif\0\0nonsense"))["reason"] in ("broken position", "no position")


@pytest.mark.parametrize(
    ("value", "heading"), [((360, 1), 0.0), ((0, 1), 0.0), ((35999, 100), 359.99), ((361, 1), np.nan), ((1, 0), np.nan)]
)
def test_a_heading_is_within_the_circle_or_unknown(value, heading):
    tags = {GPS.GPSImgDirection: value[0] / value[1] if value[1] else float("nan")}
    assert exif.heading_deg(tags) == pytest.approx(heading, nan_ok=True)


def taken(shot, gps):
    """What the tags of the shot and of the GPS, by name, tell of the time."""
    shot, gps = ({tags[name]: value for name, value in told.items()} for tags, told in ((Base, shot), (GPS, gps)))
    return exif.captured_at(shot, gps)


NOON = "2022:08:14 14:12:31"


@pytest.mark.parametrize(
    ("shot", "gps", "time"),
    [
        ({"DateTimeOriginal": NOON, "OffsetTimeOriginal": "+03:00"}, {}, "2022-08-14 11:12:31"),
        ({"DateTimeOriginal": NOON, "OffsetTimeOriginal": "   :  "}, {}, "2022-08-14 14:12:31"),
        ({"DateTimeOriginal": f"{NOON}\0"}, {}, "2022-08-14 14:12:31"),
        ({"DateTimeOriginal": NOON, "OffsetTime": "+03:00"}, {}, "2022-08-14 11:12:31"),
        ({"DateTimeOriginal": NOON, "OffsetTimeOriginal": "-02:00", "OffsetTime": "+03:00"}, {}, "2022-08-14 16:12:31"),
        ({"DateTimeDigitized": NOON, "OffsetTimeDigitized": "+03:00"}, {}, "2022-08-14 11:12:31"),
        ({"DateTimeOriginal": "0000:00:00 00:00:00", "DateTimeDigitized": NOON}, {}, "2022-08-14 14:12:31"),
        ({"DateTimeOriginal": "0001:01:01 00:00:00", "OffsetTimeOriginal": "+03:00"}, {}, None),
        ({"DateTimeOriginal": "0000:00:00 00:00:00"}, {}, None),
        ({}, {}, None),
        ({"DateTimeOriginal": NOON}, {"GPSDateStamp": "2022:08:13", "GPSTimeStamp": (23.0, 59.0, 60.0)},
         "2022-08-14 00:00:00"),
        ({"DateTimeOriginal": NOON}, {"GPSDateStamp": "1980:01:06", "GPSTimeStamp": (12.0, 12.0, 31.0)},
         "2022-08-14 14:12:31"),  # the first day of GPS: no date was received
        ({"DateTimeOriginal": NOON}, {"GPSDateStamp": "0000:00:00", "GPSTimeStamp": (23.0, 59.0, 1.0)},
         "2022-08-14 14:12:31"),
        ({"DateTimeOriginal": NOON}, {"GPSDateStamp": b"2022:08:13\0", "GPSTimeStamp": (float("nan"), 59.0, 1.0)},
         "2022-08-14 14:12:31"),
    ],
)  # fmt: skip
def test_the_time_is_that_of_the_gps_then_that_of_the_camera_with_the_offset_that_stands(shot, gps, time):
    assert taken(shot, gps) == (datetime.fromisoformat(time).replace(tzinfo=UTC) if time else None)


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
    at = np.array([at_of(read_one(tmp_path, cologne(GPSMapDatum=text(datum.encode() + b"\0"), **signs, **angles)))])
    assert sphere.distance_m(at, np.array([expected]))[0] < within_m
    assert sphere.distance_m(at, np.array([told]))[0] > 30


@pytest.mark.parametrize(
    ("camera", "day", "time"),
    [
        (NOON, "2002:12:29", "2022-08-14 12:12:31"),  # 1,024 weeks back, the camera two hours ahead
        (NOON, "1983:05:15", "2022-08-14 12:12:31"),  # 2,048 weeks back
        (NOON, "2022:08:14", "2022-08-14 12:12:31"),
        (NOON, "2002:12:22", "2002-12-22 12:12:31"),  # 1,025 weeks back: nobody knows
        ("2002:12:29 14:12:31", "2022:08:14", "2022-08-14 12:12:31"),  # a camera set wrongly
        (NOON, "1980:01:06", "2022-08-14 14:12:31"),  # the first day of GPS: no date was received
        (NOON, "1970:01:01", "2022-08-14 14:12:31"),
        (None, "2002:12:29", "2002-12-29 12:12:31"),
        (None, "1980:01:06", None),
    ],
)
def test_a_gps_clock_that_lost_1024_weeks_is_set_by_the_camera(camera, day, time):
    found = taken(
        {"DateTimeOriginal": camera} if camera else {}, {"GPSDateStamp": day, "GPSTimeStamp": (12.0, 12.0, 31.0)}
    )
    assert found == (datetime.fromisoformat(time).replace(tzinfo=UTC) if time else None)
