import contextlib
import io
import os
import warnings

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.cluster import DBSCAN

from geonb import photos, sphere
from geonb.photos import Unreadable


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
        photos.examine(path)
    assert told.value.reason in photos.REASONS
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
        photos.left_out_table([{"path": "a.jpg", "reason": "bad mood", "detail": ""}])


def test_every_column_has_a_meaning_with_its_unit():
    for meaning in [*photos.COLUMNS.values(), *photos.LEFT_OUT_COLUMNS.values()]:
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
    named = photos.assign_cities(table)
    assert list(named["city"]) == ["near 50.94N 6.96E", "near 50.94N 6.96E", "near 33.87S 151.21E", "near 50.95N 0.00W"]
    mixed = photos.assign_cities(table.sample(frac=1, random_state=1)).sort_index()
    assert list(mixed["city"]) == list(named["city"])


def test_a_city_that_is_given_stays_and_equal_names_are_numbered():
    table = rows(3, lat_deg=[50.001, 50.002, 50.002], lon_deg=6.0, city=["", "", "Köln"])
    named = photos.assign_cities(table, link_m=50.0)
    assert list(named["city"]) == ["near 50.00N 6.00E", "near 50.00N 6.00E (2)", "Köln"]


def test_a_link_without_length_is_refused():
    with pytest.raises(ValueError, match="link_m is 0"):
        photos.assign_cities(rows(), link_m=0)


# ---- pictures --------------------------------------------------------------------------------------------------------
def test_paths_begin_at_a_variable_the_home_or_the_repository(monkeypatch, tmp_path):
    monkeypatch.setenv("GEONB_TEST_PHOTOS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert photos.picture_path("$GEONB_TEST_PHOTOS/ä/1.jpg") == tmp_path / "ä" / "1.jpg"
    assert photos.picture_path("${GEONB_TEST_PHOTOS}/1.jpg") == tmp_path / "1.jpg"
    assert photos.picture_path("~/1.jpg") == tmp_path / "home" / "1.jpg"
    assert photos.picture_path("build/1.jpg") == photos.ROOT / "build" / "1.jpg"
    assert photos.picture_path("/1.jpg").as_posix() == "/1.jpg"
    assert photos.picture_path("prices/5$.jpg") == photos.ROOT / "prices" / "5$.jpg"


def test_a_variable_that_is_not_set_is_named(monkeypatch):
    monkeypatch.delenv("GEONB_NOWHERE", raising=False)
    with pytest.raises(ValueError, match="begins with \\$GEONB_NOWHERE, which is not set"):
        photos.picture_path("$GEONB_NOWHERE/1.jpg")


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
    picture = photos.open_picture(tmp_path / "a.png")
    assert np.array_equal(np.asarray(picture), upright)
    facts = photos.examine(tmp_path / "a.png")
    assert (facts["width_px"], facts["height_px"]) == picture.size == (32, 16)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "I;16"])
def test_every_mode_is_opened_as_rgb_without_a_warning(tmp_path, mode):
    picture = noise().convert("L").convert("I;16") if mode == "I;16" else noise().convert(mode)
    more = {"transparency": b"\x00\x80"} if mode == "P" else {}
    file = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    picture.save(file, **more)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert photos.open_picture(file).mode == "RGB"
        photos.examine(file)


def test_an_exif_that_cannot_be_read_does_not_cost_the_picture(tmp_path):
    noise().save(tmp_path / "a.jpg", exif=b"Exif\0\0this is no TIFF header")
    assert photos.open_picture(tmp_path / "a.jpg").size == (32, 24)
    assert photos.examine(tmp_path / "a.jpg")["width_px"] == 32


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
        photos.examine(tmp_path / "renamed.jpg")


def test_a_picture_that_could_exhaust_the_memory_is_refused_and_a_large_one_is_not(tmp_path, monkeypatch):
    noise().save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 32 * 24 - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert photos.examine(tmp_path / "a.png")["width_px"] == 32
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

    monkeypatch.setattr(photos.Image, "open", forbidden)
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
                assert photos.examine(tmp_path / "a.jpg")["width_px"] > 0
