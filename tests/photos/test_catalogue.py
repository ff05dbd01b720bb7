import contextlib
import io
import os
import struct
import warnings

import geopandas
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.cluster import DBSCAN

from geonb import files
from geonb.earth import sphere
from geonb.photos import catalogue as photos
from geonb.photos import pictures, reasons
from geonb.photos.reasons import Unreadable


def noise(width=32, height=24, seed=0):
    """A picture that does not compress away, so that half of its file is half of its content."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def rows(count=3, **changes):
    table = {
        "path": [f"photos/{number}.jpg" for number in reversed(range(count))],
        "lat_deg": np.linspace(50, 51, count),
        "lon_deg": np.linspace(6, 7, count),
        "city": "Köln",
        "source": "test",
        "licence": "CC0",
        "width_px": 4,
        "height_px": 3,
        "sha256": [f"{number:064x}"[::-1] for number in range(count)],
    }
    return pd.DataFrame(table | changes)


def reason_of(path):
    with pytest.raises(Unreadable) as told:
        pictures.examine(path)
    assert told.value.reason in reasons.REASONS
    return told.value.reason


# ---- the table -------------------------------------------------------------------------------------------------------
def test_a_catalogue_has_every_column_in_order_and_is_sorted_by_path():
    table = photos.catalogue(rows())
    assert list(table.columns) == list(photos.COLUMNS)
    assert table.crs == "EPSG:4326"
    assert list(table["path"]) == ["photos/0.jpg", "photos/1.jpg", "photos/2.jpg"]


def test_what_is_unknown_is_empty_text_or_missing():
    table = photos.catalogue(rows(street=[None, np.nan, "인사동길"]))
    assert list(table["street"]) == ["인사동길", "", ""]
    assert list(table["country"].unique()) == [""]
    assert table["heading_deg"].isna().all()
    assert table["captured_at"].isna().all()
    assert str(table["captured_at"].dtype) == "datetime64[us, UTC]"


def test_times_of_any_zone_come_back_in_utc():
    times = ["2024-07-09 03:25:24+02:00", None, "2024-01-01T00:00:00Z"]
    table = photos.catalogue(rows(captured_at=[pd.Timestamp(time) if time else pd.NaT for time in times]))
    assert table["captured_at"].iloc[2] == pd.Timestamp("2024-07-09 01:25:24", tz="UTC")


def test_latitude_and_longitude_come_back_as_they_went_in():
    given = rows().sort_values("path")
    assert np.array_equal(photos.lat_lon_deg(photos.catalogue(given)), given[["lat_deg", "lon_deg"]].to_numpy())


def test_a_catalogue_survives_geoparquet(tmp_path):
    import geopandas

    table = photos.catalogue(rows(street="Straße", heading_deg=[0, 359.5, np.nan]))
    table.to_parquet(tmp_path / "photos.parquet")
    again = geopandas.read_parquet(tmp_path / "photos.parquet")
    pd.testing.assert_frame_equal(pd.DataFrame(table), pd.DataFrame(again))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"heading_deg": 360.0}, "heading_deg: 360.0"),
        ({"lat_deg": 90.5}, "latitude 90.5"),
        ({"lon_deg": np.nan}, "longitude nan"),
        ({"photo_id": "same"}, "photo_id: 'same'"),
        ({"sha256": ["a" * 63] * 3, "photo_id": list("abc")}, "sha256"),
        ({"width_px": 0}, "width_px: 0"),
        ({"licence": ""}, "licence: ''"),
        ({"compass": 3}, "no columns \\['compass'\\]"),
    ],
)
def test_a_value_outside_the_schema_is_named(changes, words):
    with pytest.raises(ValueError, match=words):
        photos.catalogue(rows(**changes))


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="needs columns \\['sha256'\\]"):
        photos.catalogue(rows().drop(columns="sha256"))


def test_of_equal_photos_the_first_by_path_stays_and_the_other_is_told():
    kept, left_out = photos.without_duplicates(rows(sha256=["a" * 64, "b" * 64, "a" * 64]))
    assert list(kept["path"]) == ["photos/0.jpg", "photos/1.jpg"]
    assert left_out[0]["path"] == "photos/2.jpg"
    assert "same content as photos/0.jpg, positions 131781 m apart" in left_out[0]["detail"]


def test_a_reason_outside_the_fixed_set_is_refused():
    with pytest.raises(ValueError, match="does not name \\['bad mood'\\]"):
        reasons.left_out_table([{"path": "a.jpg", "reason": "bad mood", "detail": ""}])


def test_every_column_has_a_meaning_with_its_unit():
    for meaning in [*photos.COLUMNS.values(), *reasons.LEFT_OUT_COLUMNS.values()]:
        assert meaning.endswith("]")


# ---- cities ----------------------------------------------------------------------------------------------------------
def test_clusters_are_those_of_dbscan_with_one_photo_per_core():
    rng = np.random.default_rng(0)
    middles = np.column_stack([rng.uniform(-60, 60, 12), rng.uniform(-180, 180, 12)])
    positions = np.repeat(middles, 40, axis=0) + rng.normal(0, 0.15, (480, 2))
    link_m = 12_000.0
    slow = DBSCAN(eps=link_m / sphere.EARTH_RADIUS_M, min_samples=1, metric="haversine").fit(np.radians(positions))
    fast = photos.linked(positions, link_m)
    assert len(set(fast)) == len(set(slow.labels_)) == len(set(zip(fast, slow.labels_, strict=True)))
    assert 12 < len(set(fast)) < 300


@pytest.mark.parametrize(("apart_m", "count"), [(9_999, 1), (10_001, 2)])
def test_photos_are_linked_up_to_the_given_length_also_across_the_date_line(apart_m, count):
    start = np.array([10.0, 179.98])
    positions = np.stack([start, sphere.from_local_m([apart_m, 0], start)])
    assert len(set(photos.linked(positions, 10_000.0))) == count


def test_a_link_holds_in_every_direction_wherever_on_the_earth():
    rng = np.random.default_rng(0)
    starts = np.column_stack([rng.uniform(-85, 85, 2000), rng.uniform(-180, 180, 2000)])
    turn = rng.uniform(0, 2 * np.pi, 2000)
    steps = 9_999 * np.column_stack([np.sin(turn), np.cos(turn)])
    ends = np.stack([sphere.from_local_m(step, start) for step, start in zip(steps, starts, strict=True)])
    cluster = photos.linked(np.concatenate([starts, ends]), 10_000.0)
    assert np.array_equal(cluster[:2000], cluster[2000:])


def test_a_chain_of_photos_is_one_city_and_poles_and_antipodes_do_not_break_it():
    chain = np.column_stack([np.full(50, 0.0), np.arange(50) * 0.08])
    assert set(photos.linked(chain, 10_000.0)) == {0}
    assert len(set(photos.linked(np.array([[90.0, 0], [90.0, 170], [-90.0, 0]]), 10_000.0))) == 2
    assert len(set(photos.linked(np.array([[90.0, 0], [0.0, 0], [-90.0, 0]]), 3e7))) == 1


def test_cities_are_named_after_their_middle_whatever_the_order_of_the_rows():
    table = rows(4, lat_deg=[50.94, 50.942, -33.87, 50.947], lon_deg=[6.96, 6.962, 151.21, -0.001], city="")
    named = photos.assign_cities(table, 1e4)
    assert list(named["city"]) == ["near 50.94N 6.96E", "near 50.94N 6.96E", "near 33.87S 151.21E", "near 50.95N 0.00W"]
    mixed = photos.assign_cities(table.sample(frac=1, random_state=1), 1e4).sort_index()
    assert list(mixed["city"]) == list(named["city"])


def test_a_city_that_is_given_stays_and_equal_names_are_numbered():
    table = rows(3, lat_deg=[50.001, 50.002, 50.002], lon_deg=6.0, city=["", "", "Köln"])
    named = photos.assign_cities(table, link_m=50.0)
    assert list(named["city"]) == ["near 50.00N 6.00E", "near 50.00N 6.00E (2)", "Köln"]


def test_a_link_without_length_is_refused():
    with pytest.raises(ValueError, match="city_link_m 0 must be a finite number above 0"):
        photos.assign_cities(rows(), link_m=0)


# ---- pictures --------------------------------------------------------------------------------------------------------
def test_paths_begin_at_a_variable_the_home_or_the_repository(monkeypatch, tmp_path):
    monkeypatch.setenv("GEONB_TEST_PHOTOS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert pictures.picture_path("$GEONB_TEST_PHOTOS/ä/1.jpg") == tmp_path / "ä" / "1.jpg"
    assert pictures.picture_path("${GEONB_TEST_PHOTOS}/1.jpg") == tmp_path / "1.jpg"
    assert pictures.picture_path("~/1.jpg") == tmp_path / "home" / "1.jpg"
    assert pictures.picture_path("build/1.jpg") == files.ROOT / "build" / "1.jpg"
    assert pictures.picture_path("/1.jpg").as_posix() == "/1.jpg"
    assert pictures.picture_path("prices/5$.jpg") == files.ROOT / "prices" / "5$.jpg"


def test_a_variable_that_is_not_set_is_named(monkeypatch):
    monkeypatch.delenv("GEONB_NOWHERE", raising=False)
    with pytest.raises(ValueError, match="begins with \\$GEONB_NOWHERE, which is not set"):
        pictures.picture_path("$GEONB_NOWHERE/1.jpg")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_come_back_upright_and_their_size_is_that_of_the_upright_picture(tmp_path, orientation):
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :16] = 255  # white in the top left corner
    turns = {1: lambda x: x, 2: np.fliplr, 3: lambda x: np.rot90(x, 2), 4: np.flipud}
    turns |= {5: lambda x: x.transpose(1, 0, 2), 6: np.rot90, 8: lambda x: np.rot90(x, -1)}
    turns |= {7: lambda x: np.rot90(x, 2).transpose(1, 0, 2)}
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(turns[orientation](upright))).save(tmp_path / "a.png", exif=exif)
    picture = pictures.open_picture(tmp_path / "a.png")
    assert np.array_equal(np.asarray(picture), upright)
    facts = pictures.examine(tmp_path / "a.png")
    assert (facts["width_px"], facts["height_px"]) == picture.size == (32, 16)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "I;16"])
def test_every_mode_is_opened_as_rgb_without_a_warning(tmp_path, mode):
    picture = noise().convert("L").convert("I;16") if mode == "I;16" else noise().convert(mode)
    more = {"transparency": b"\x00\x80"} if mode == "P" else {}
    file = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    picture.save(file, **more)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pictures.open_picture(file).mode == "RGB"
        pictures.examine(file)


def test_an_exif_that_cannot_be_read_does_not_cost_the_picture(tmp_path):
    noise().save(tmp_path / "a.jpg", exif=b"Exif\0\0this is no TIFF header")
    assert pictures.open_picture(tmp_path / "a.jpg").size == (32, 24)
    assert pictures.examine(tmp_path / "a.jpg")["width_px"] == 32


@pytest.mark.parametrize(("kept", "reason"), [(0.0, "empty file"), (0.02, "truncated"), (0.6, "truncated")])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_picture_that_was_cut_off_is_told(tmp_path, form, kept, reason):
    content = io.BytesIO()
    noise(64, 64).save(content, form)
    (tmp_path / "a.jpg").write_bytes(content.getvalue()[: int(kept * len(content.getvalue()))])
    found = reason_of(tmp_path / "a.jpg")
    assert found == reason or (form == "WEBP" and found in ("truncated", "broken picture"))


@pytest.mark.parametrize(
    "content", [b"<html>404</html>", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\0\0\0\x18ftypmp42" + b"\0" * 40]
)
def test_other_content_is_not_a_picture_whatever_its_name(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    assert reason_of(tmp_path / "a.jpg") == "not a picture"


@pytest.mark.parametrize("brands", [b"heic\0\0\0\0mif1heic", b"mif1\0\0\0\0mif1heic"])
def test_heic_is_told_by_its_content_with_the_way_out(tmp_path, brands):
    (tmp_path / "renamed.jpg").write_bytes(b"\0\0\0\x18ftyp" + brands + b"\0" * 100)
    with pytest.raises(Unreadable, match="HEIC: convert it to JPEG"):
        pictures.examine(tmp_path / "renamed.jpg")


def test_a_picture_that_could_exhaust_the_memory_is_refused_and_a_large_one_is_not(tmp_path, monkeypatch):
    noise().save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 32 * 24 - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pictures.examine(tmp_path / "a.png")["width_px"] == 32
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 32 * 24 // 3)
    assert reason_of(tmp_path / "a.png") == "too many pixels"


def test_files_that_are_not_there_or_not_files_are_told(tmp_path):
    assert reason_of(tmp_path / "nowhere.jpg") == "missing file"
    assert reason_of(tmp_path) == "not a picture"
    os.mkfifo(tmp_path / "pipe.jpg")
    assert reason_of(tmp_path / "pipe.jpg") == "not a picture"
    assert reason_of(tmp_path / ("x" * 300)) in ("missing file", "unreadable")


def test_a_file_without_permission_is_told(tmp_path, monkeypatch):
    noise().save(tmp_path / "a.jpg")

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pictures.Image, "open", forbidden)
    assert reason_of(tmp_path / "a.jpg") == "unreadable"


def test_damaged_pictures_never_end_the_run(tmp_path):
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    for form in ("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP"):
        content = io.BytesIO()
        noise(16, 16).save(content, form, **({"exif": exif} if form not in ("GIF", "BMP") else {}))
        for _ in range(60):
            broken = bytearray(content.getvalue())
            for place in rng.integers(0, min(len(broken), 400), 4):
                broken[place] = rng.integers(256)
            (tmp_path / "a.jpg").write_bytes(broken)
            with contextlib.suppress(Unreadable):
                assert pictures.examine(tmp_path / "a.jpg")["width_px"] > 0


# ---- pictures of more than 8 bits ------------------------------------------------------------------------------------
RAMP = np.linspace(0, 1, 32 * 24).reshape(24, 32)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ((RAMP * 4095).astype(np.uint16), "12_bits_in_16.png"),
        ((30_000 + RAMP * 2000).astype(np.uint16), "16_bits.tif"),
        ((30_000 + RAMP * 2000).astype(">u2"), "16_bits_big_endian.tif"),
        ((RAMP * 60_000).astype(np.uint16), "16_bits.jp2"),
        ((RAMP * 4000 - 2000).astype(np.int16), "16_bits_signed.tif"),
        ((RAMP * 2e9 - 1e9).astype(np.int32), "32_bits.tif"),
        (RAMP.astype(np.float32), "floats_of_one.tif"),
        ((RAMP * 1e6 - 3e8).astype(np.float32), "floats.tif"),
    ],
)
def test_greys_of_more_than_8_bits_are_scaled_by_their_own_range(tmp_path, values, name):
    Image.fromarray(values).save(tmp_path / name)
    shown = np.asarray(pictures.open_picture(tmp_path / name))[..., 0].astype(float)
    low, high = float(values.min()), float(values.max())
    assert np.abs(shown - 255 * (values.astype(float) - low) / (high - low)).max() <= 0.5
    assert pictures.examine(tmp_path / name)["width_px"] == 32


def test_unsigned_values_of_32_bits_are_not_taken_for_negative_ones(tmp_path):
    values = (RAMP * 4e9).astype(np.uint32)
    content = values.astype("<u4").tobytes()
    tags = {256: (4, 32), 257: (4, 24), 258: (3, 32), 259: (3, 1), 262: (3, 1), 277: (3, 1), 278: (4, 24), 339: (3, 1)}
    write_tiff(tmp_path / "a.tif", tags, content)
    shown = np.asarray(pictures.open_picture(tmp_path / "a.tif"))[..., 0].astype(float)
    assert np.abs(shown - 255 * RAMP).max() <= 0.5


def test_what_is_not_finite_in_a_picture_of_floats_is_black(tmp_path):
    values = 5 + RAMP.astype(np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    Image.fromarray(values).save(tmp_path / "a.tif")
    shown = np.asarray(pictures.open_picture(tmp_path / "a.tif"))[..., 0]
    assert shown[0, :3].tolist() == [0, 0, 0]
    assert shown.max() == 255


@pytest.mark.parametrize(
    "values",
    [
        np.full((24, 32), 700, np.uint16), np.full((24, 32), -3, np.int32), np.full((24, 32), 0.5, np.float32),
        np.full((24, 32), np.nan, np.float32), np.full((24, 32), np.inf, np.float32),
    ],
)  # fmt: skip
def test_a_picture_without_a_range_of_greys_is_left_out(tmp_path, values):
    Image.fromarray(values).save(tmp_path / "a.tif")
    assert reason_of(tmp_path / "a.tif") == "no range"


def test_a_flat_picture_of_8_bits_stays(tmp_path):
    Image.new("L", (32, 24), 200).save(tmp_path / "a.tif")
    assert np.asarray(pictures.open_picture(tmp_path / "a.tif")).min() == 200
    pictures.examine(tmp_path / "a.tif")


def test_16_bits_with_an_orientation_are_turned(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray((RAMP * 4095).astype(np.uint16)).save(tmp_path / "a.png", exif=exif)
    assert pictures.open_picture(tmp_path / "a.png").size == (24, 32)


def test_a_tiff_that_pillow_cannot_decode_is_not_called_cut_off(tmp_path):
    content = np.zeros((24, 32, 3), np.float32).tobytes()
    tags = {256: (4, 32), 257: (4, 24), 258: (3, 32), 259: (3, 1), 262: (3, 2), 277: (3, 3), 278: (4, 24), 339: (3, 3)}
    write_tiff(tmp_path / "a.tif", tags, content)
    with pytest.raises(Unreadable, match="broken picture: a TIFF of values that Pillow does not read: save it as RGB"):
        pictures.examine(tmp_path / "a.tif")
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[:40])
    assert reason_of(tmp_path / "cut.tif") == "truncated"


# ---- camera raw ------------------------------------------------------------------------------------------------------
def write_tiff(file, tags, pixels, *, head=b"", more=()):
    """A little-endian TIFF of one strip; tags: {number: (type, value)}; more: tags of a second picture, as a preview's.

    head: what stands between the header and the pixels.
    """
    kinds = {1: "B", 3: "H", 4: "I"}
    start = 8 + len(head)
    first = start + len(pixels)

    def directory(told, at, beyond):
        entries = [struct.pack(f"<HHI{kinds[kind]}", tag, kind, 1, value).ljust(12, b"\0")
                   for tag, (kind, value) in sorted(told.items())]  # fmt: skip
        whole = struct.pack("<H", len(entries)) + b"".join(entries)
        return whole + struct.pack("<I", at + len(whole) + 4 if beyond else 0)

    told = directory(dict(tags) | {273: (4, start), 279: (4, len(pixels))}, first, bool(more))
    rest = directory(dict(more), 0, False) if more else b""
    file.write_bytes(b"II*\0" + struct.pack("<I", first) + head + pixels + told + rest)


THUMBNAIL = {256: (4, 160), 257: (4, 120), 258: (3, 8), 259: (3, 1), 262: (3, 2), 277: (3, 3), 278: (4, 120)}
PREVIEW = THUMBNAIL | {254: (4, 1)}
PIXELS = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8).tobytes()
FULL = {254: (4, 0), 256: (4, 6000), 257: (4, 4000), 262: (3, 32803)}


@pytest.mark.parametrize(
    ("name", "tags", "how"),
    [
        ("DSC_1.NEF", PREVIEW | {330: (4, 8)}, {}),
        ("renamed_nef.tif", PREVIEW | {330: (4, 8)}, {}),  # Nikon: the sensor's picture lies below the preview
        ("renamed_raw.tif", PREVIEW, {"more": FULL}),  # or after it
        ("renamed_dng.tif", THUMBNAIL | {50706: (1, 1)}, {}),
        ("renamed_cr2.tif", THUMBNAIL, {"head": b"CR\2\0\0\0\0\0"}),
        ("mosaic.tif", THUMBNAIL | {262: (3, 32803), 277: (3, 1)}, {}),
        ("linear.tif", THUMBNAIL | {262: (3, 34892)}, {}),
        ("IMGP1.PEF", THUMBNAIL, {}),
        ("photo.srw", THUMBNAIL, {}),
    ],
)
def test_a_camera_raw_file_is_left_out_whose_preview_would_be_a_second_photo(tmp_path, name, tags, how):
    write_tiff(tmp_path / name, tags, PIXELS, **how)
    with pytest.raises(Unreadable, match="camera raw: export it as JPEG"):
        pictures.examine(tmp_path / name)


@pytest.mark.parametrize(
    "start",
    [
        b"FUJIFILMCCD-RAW 0201", b"IIRO\x08\0\0\0", b"IIU\0\x18\0\0\0", b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
        b"II\x1a\0\0\0HEAPCCDR", b"FOVb\0\0\3\0", b"\0MRM\0\0\0\0",
    ],
)  # fmt: skip
def test_raw_files_that_are_no_tiff_are_told_by_their_first_bytes(tmp_path, start):
    (tmp_path / "renamed.jpg").write_bytes(start + b"\0" * 200)
    assert reason_of(tmp_path / "renamed.jpg") == "camera raw"


@pytest.mark.parametrize("ending", ["CR3", "raf", "ORF", "rw2", "arw", "dng"])
def test_a_raw_file_of_any_content_is_told_by_its_ending(tmp_path, ending):
    (tmp_path / f"a.{ending}").write_bytes(b"of a kind that nobody knows" * 10)
    assert reason_of(tmp_path / f"a.{ending}") == "camera raw"


def test_a_jpeg_that_is_called_raw_stays_a_jpeg(tmp_path):
    noise().save(tmp_path / "a.dng", "JPEG")
    assert pictures.examine(tmp_path / "a.dng")["width_px"] == 32


@pytest.mark.parametrize("how", [{}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}, {"big_tiff": True}])
@pytest.mark.parametrize("mode", ["RGB", "L", "I;16"])
def test_an_ordinary_tiff_is_read(tmp_path, mode, how):
    if mode == "I;16" and "compression" in how:
        how = {}
    noise().convert("L").convert(mode).save(tmp_path / "scan.tif", **how)
    assert pictures.examine(tmp_path / "scan.tif")["width_px"] == 32


def test_pages_and_pyramids_of_an_ordinary_tiff_do_not_make_it_raw(tmp_path):
    noise(64, 48).save(tmp_path / "pages.tif", save_all=True, append_images=[noise(32, 24)])
    assert pictures.examine(tmp_path / "pages.tif")["width_px"] == 64
    write_tiff(tmp_path / "pyramid.tif", THUMBNAIL | {254: (4, 0), 330: (4, 8)}, PIXELS, more=PREVIEW)
    assert pictures.examine(tmp_path / "pyramid.tif")["width_px"] == 160
    write_tiff(tmp_path / "alone.tif", PREVIEW, PIXELS)  # calls itself a preview, of nothing that is there
    assert pictures.examine(tmp_path / "alone.tif")["width_px"] == 160


# ---- near-duplicates -------------------------------------------------------------------------------------------------
def scene(seed, width=320, height=240):
    """A picture with structure at every scale, as photos have."""
    rng = np.random.default_rng(seed)
    layers = [rng.uniform(-1, 1, (3 * 2**k, 4 * 2**k, 3)) / 2**k for k in range(5)]
    whole = sum(np.asarray([np.kron(layer[..., c], np.ones((240 // layer.shape[0], 320 // layer.shape[1])))
                            for c in range(3)]) for layer in layers)  # fmt: skip
    whole = 255 * (whole - whole.min()) / (whole.max() - whole.min())
    return Image.fromarray(whole.transpose(1, 2, 0).astype(np.uint8)).resize((width, height))


def taken(folder, name, picture, **changes):
    """A row as sources yield it, of a picture that is written as JPEG."""
    picture.save(folder / name, quality=changes.pop("quality", 90))
    known = {"path": str(folder / name), "lat_deg": 50.94, "lon_deg": 6.96, "city": "Köln", "source": "test",
             "captured_at": pd.Timestamp("2024-07-09 03:25:24.2", tz="UTC"), "heading_deg": np.nan}  # fmt: skip
    return known | {"licence": "CC0"} | changes | pictures.examine(folder / name)


def kept_of(rows):
    """(names of what stays, left out) of rows in any order."""
    kept, left_out = photos.collected(rows[::-1], [], city_link_m=1e4)
    photos.catalogue(kept)
    return [path.rpartition("/")[2] for path in kept.path], left_out


def test_of_copies_at_one_place_and_second_the_one_with_most_pixels_stays(tmp_path):
    whole = scene(0)
    rows = [
        taken(tmp_path, "a_preview.jpg", whole.resize((160, 120)), quality=60),
        taken(tmp_path, "b_whole.jpg", whole),
        taken(tmp_path, "c_again.jpg", whole, quality=50, lat_deg=50.940004),
        taken(tmp_path, "d_grey.jpg", whole.convert("L"), heading_deg=90.0),
        taken(tmp_path, "e_other.jpg", scene(1)),
    ]
    names, left_out = kept_of(rows)
    assert names == ["b_whole.jpg", "e_other.jpg"]
    assert left_out.reason.tolist() == ["near-duplicate"] * 3
    assert "a_preview.jpg" in left_out.path[0]
    assert (
        "b_whole.jpg of the same place and second, which has 320 x 240 pixels, this one 160 x 120 pixels"
        in (left_out.detail[0])
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"captured_at": pd.Timestamp("2024-07-09 03:25:25.2", tz="UTC")}, "another second"),
        ({"captured_at": pd.NaT}, "no time"),
        ({"lat_deg": 50.94002}, "two metres away"),
        ({"heading_deg": 92.0}, "another direction"),
    ],
)
def test_what_looks_the_same_elsewhere_later_or_in_another_direction_stays(tmp_path, changes, why):
    first = taken(tmp_path, "a.jpg", scene(0), heading_deg=90.0)
    assert len(kept_of([first, taken(tmp_path, "b.jpg", scene(0).resize((160, 120)), **changes)])[0]) == 2, why


def test_a_burst_of_different_pictures_and_the_cameras_of_a_rig_stay(tmp_path):
    burst = [taken(tmp_path, f"burst{n}.jpg", scene(n)) for n in range(8)]
    rig = [taken(tmp_path, f"rig{n}.jpg", scene(100), heading_deg=45.0 * n) for n in range(8)]
    sky = [taken(tmp_path, f"sky{n}.png", Image.new("RGB", (64 + n, 48), (90 + n, 120, 200))) for n in range(3)]
    rows = burst + [row | {"sha256": f"{n:064x}"[::-1]} for n, row in enumerate(rig)] + sky
    assert len(kept_of(rows)[0]) == len(rows)


def test_near_duplicates_are_found_across_the_date_line_and_among_thousands_of_one_place(tmp_path):
    one = taken(tmp_path, "a.jpg", scene(0), lat_deg=-17.0, lon_deg=180.0)
    two = taken(tmp_path, "b.jpg", scene(0).resize((160, 120)), lat_deg=-17.0, lon_deg=-179.999999)
    assert kept_of([one, two])[0] == ["a.jpg"]
    looks = np.random.default_rng(0).integers(0, 256, (20_000, 32), dtype=np.uint8)
    rows = [
        one | {"path": f"{n:05d}.jpg", "sha256": f"{n:064x}", "difference_hash": look.tobytes().hex()}
        for n, look in enumerate(looks)
    ]
    copy = rows[12_345] | {"path": "copy.jpg", "sha256": "f" * 64, "width_px": 160, "height_px": 120}
    kept, left_out = photos.collected([*rows, copy], [], city_link_m=1e4)
    assert len(kept) == 20_000
    assert left_out.path.tolist() == ["copy.jpg"]


def test_a_picture_between_two_others_does_not_join_them(tmp_path):
    row, looks = taken(tmp_path, "a.jpg", scene(0)), np.zeros((3, 256), np.uint8)
    looks[:, 100:] = 1
    looks[1, :20] = 1
    looks[2, :40] = 1
    rows = [
        row | {"path": f"{n}.jpg", "sha256": f"{n:064x}", "difference_hash": np.packbits(look).tobytes().hex()}
        for n, look in enumerate(looks)
    ]
    kept, left_out = photos.collected(rows, [], city_link_m=1e4)
    assert kept.path.tolist() == ["0.jpg", "2.jpg"]
    assert left_out.path.tolist() == ["1.jpg"]


def test_a_large_picture_of_16_bits_is_scaled_in_bands_to_what_it_is_at_once(tmp_path, monkeypatch):
    Image.fromarray((1000 + RAMP * 3000).astype(np.uint16)).save(tmp_path / "a.tif")
    at_once = np.asarray(pictures.open_picture(tmp_path / "a.tif"))
    monkeypatch.setattr(pictures, "PIXELS_AT_ONCE", 70)
    assert np.array_equal(at_once, np.asarray(pictures.open_picture(tmp_path / "a.tif")))


def test_a_catalogue_becomes_plain_columns_with_latitude_first():
    table = geopandas.GeoDataFrame(
        {"city": ["a", "b"]}, geometry=geopandas.points_from_xy([7.125, 179.5], [50.5, -10.25]), crs="EPSG:4326"
    )
    plain = photos.with_lat_lon(table)
    assert "geometry" not in plain
    assert plain.lat_deg.tolist() == [50.5, -10.25]
    assert plain.lon_deg.tolist() == [7.125, 179.5]
