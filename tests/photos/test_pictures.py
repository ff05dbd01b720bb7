"""Pictures of every kind and damage: opened upright in RGB, or left out with the reason."""

import io
import os
import warnings

import numpy as np
import pytest
from PIL import Image

from geonb import files
from geonb.photos import pictures
from geonb.photos.left_out import REASONS, Unreadable
from tests.photos.made import noise

SIZE = (32, 24)


def reason_of(path):
    with pytest.raises(Unreadable) as told:
        pictures.examine(path)
    assert told.value.reason in REASONS
    return told.value.reason


def test_paths_begin_at_a_variable_the_home_or_the_repository(monkeypatch, tmp_path):
    monkeypatch.setenv("GEONB_TEST_PHOTOS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("GEONB_NOWHERE", raising=False)
    known = {
        "$GEONB_TEST_PHOTOS/ä/1.jpg": tmp_path / "ä" / "1.jpg", "${GEONB_TEST_PHOTOS}/1.jpg": tmp_path / "1.jpg",
        "~/1.jpg": tmp_path / "home" / "1.jpg", "build/1.jpg": files.ROOT / "build" / "1.jpg",
        "prices/5$.jpg": files.ROOT / "prices" / "5$.jpg",
    }  # fmt: skip
    assert {path: pictures.picture_path(path) for path in known} == known
    assert pictures.picture_path("/1.jpg").as_posix() == "/1.jpg"
    with pytest.raises(ValueError, match="begins with \\$GEONB_NOWHERE, which is not set"):
        pictures.picture_path("$GEONB_NOWHERE/1.jpg")
    assert not pictures.is_here("$GEONB_NOWHERE/1.jpg")


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
    file = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    picture.save(file, **({"transparency": b"\x00\x80"} if mode == "P" else {}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pictures.open_picture(file).mode == "RGB"
        pictures.examine(file)


def test_an_exif_that_cannot_be_read_does_not_cost_the_picture(tmp_path):
    noise(size=SIZE).save(tmp_path / "a.jpg", exif=b"Exif\0\0this is no TIFF header")
    assert pictures.open_picture(tmp_path / "a.jpg").size == SIZE
    assert pictures.examine(tmp_path / "a.jpg")["width_px"] == 32


@pytest.mark.parametrize(("kept", "reason"), [(0.0, "empty file"), (0.02, "truncated"), (0.6, "truncated")])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_picture_that_was_cut_off_is_told(tmp_path, form, kept, reason):
    content = io.BytesIO()
    noise(size=(64, 64)).save(content, form)
    (tmp_path / "a.jpg").write_bytes(content.getvalue()[: int(kept * len(content.getvalue()))])
    found = reason_of(tmp_path / "a.jpg")
    assert found == reason or (form == "WEBP" and found in ("truncated", "broken picture"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>404</html>", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not a picture"),
        (b"\0\0\0\x18ftypmp42" + b"\0" * 40, "not a picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 100, "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + b"\0" * 100, "HEIC"),
    ],
)
def test_other_content_is_told_whatever_its_name(tmp_path, content, reason):
    (tmp_path / "a.jpg").write_bytes(content)
    assert reason_of(tmp_path / "a.jpg") == reason


def test_a_picture_that_could_exhaust_the_memory_is_refused_and_a_large_one_is_not(tmp_path, monkeypatch):
    noise(size=SIZE).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 32 * 24 - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pictures.examine(tmp_path / "a.png")["width_px"] == 32
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 32 * 24 // 3)
    assert reason_of(tmp_path / "a.png") == "too many pixels"


def test_files_that_are_not_there_not_files_or_forbidden_are_told(tmp_path, monkeypatch):
    assert reason_of(tmp_path / "nowhere.jpg") == "missing file"
    assert reason_of(tmp_path) == "not a picture"
    os.mkfifo(tmp_path / "pipe.jpg")
    assert reason_of(tmp_path / "pipe.jpg") == "not a picture"
    assert reason_of(tmp_path / ("x" * 300)) in ("missing file", "unreadable")
    noise().save(tmp_path / "a.jpg")

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pictures.Image, "open", forbidden)
    assert reason_of(tmp_path / "a.jpg") == "unreadable"


RAMP = np.linspace(0, 1, 32 * 24).reshape(24, 32)


def greys(file):
    """The greys of a picture as they are shown."""
    return np.asarray(pictures.open_picture(file))[..., 0].astype(float)


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
    low, high = float(values.min()), float(values.max())
    assert np.abs(greys(tmp_path / name) - 255 * (values.astype(float) - low) / (high - low)).max() <= 0.5
    assert pictures.examine(tmp_path / name)["width_px"] == 32


def test_what_is_not_finite_in_a_picture_of_floats_is_black(tmp_path):
    values = 5 + RAMP.astype(np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    Image.fromarray(values).save(tmp_path / "a.tif")
    assert greys(tmp_path / "a.tif")[0, :3].tolist() == [0, 0, 0]
    assert greys(tmp_path / "a.tif").max() == 255


@pytest.mark.parametrize(("value", "kind"), [(700, "u2"), (-3, "i4"), (0.5, "f4"), (np.nan, "f4"), (np.inf, "f4")])
def test_a_picture_without_a_range_of_greys_is_left_out(tmp_path, value, kind):
    Image.fromarray(np.full((24, 32), value, kind)).save(tmp_path / "a.tif")
    assert reason_of(tmp_path / "a.tif") == "no range"


@pytest.mark.parametrize("end", ["CR3", "NEF", "raf", "ORF", "rw2", "arw", "dng"])
def test_camera_raw_files_are_told_by_their_ending_unless_they_are_a_jpeg(tmp_path, end):
    noise(size=SIZE).save(tmp_path / "preview.tif")
    (tmp_path / f"a.{end}").write_bytes((tmp_path / "preview.tif").read_bytes())
    with pytest.raises(Unreadable, match="camera raw: export it as JPEG"):
        pictures.examine(tmp_path / f"a.{end}")
    noise(size=SIZE).save(tmp_path / f"b.{end}", "JPEG")
    assert pictures.examine(tmp_path / f"b.{end}")["width_px"] == 32


@pytest.mark.parametrize("how", [{}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}, {"big_tiff": True}])
@pytest.mark.parametrize("mode", ["RGB", "L", "I;16"])
def test_an_ordinary_tiff_is_read(tmp_path, mode, how):
    if mode == "I;16" and "compression" in how:
        how = {}
    noise(size=SIZE).convert("L").convert(mode).save(tmp_path / "scan.tif", **how)
    assert pictures.examine(tmp_path / "scan.tif")["width_px"] == 32
