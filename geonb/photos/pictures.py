"""Pictures: found on this machine, opened upright in RGB, and examined, so that nothing odd ends a run."""

import os
import re
import warnings
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from geonb import files
from geonb.photos.left_out import Unreadable

# Only what cameras and editors write: Pillow would start Ghostscript to decode an EPS file.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "JPEG2000", "BMP", "GIF")
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8")
TIFFS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"}
RAW_ENDINGS = (
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".gpr", ".iiq", ".k25", ".kdc", ".mef",
    ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".ptx", ".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
)  # fmt: skip


def picture_path(path):
    """The Path on this machine of a path of the catalogue: it begins with $NAME or ~, or lies in the repository."""
    path = str(path)
    if variable := re.match(r"\$(?:\{(\w+)\}|(\w+))(?=/|$)", path):
        name = variable[1] or variable[2]
        if not os.environ.get(name):
            raise ValueError(f"{path!r} begins with ${name}, which is not set: `export {name}=/the/folder`")
        path = os.environ[name] + path[variable.end() :]
    return files.ROOT / os.path.expanduser(path)


def is_here(path):
    """Whether the file of a path in the catalogue is on this machine."""
    try:
        return picture_path(path).is_file()
    except ValueError:  # it begins with a variable that is not set
        return False


@contextmanager
def opened(path):
    """The picture as Pillow opens it, not yet decoded; twice Image.MAX_IMAGE_PIXELS and more is refused."""
    with warnings.catch_warnings():
        # Pillow warns from 89 megapixels on, where phones and panoramas lie, and refuses at 179.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        picture = Image.open(picture_path(path), formats=FORMATS)
    with picture:
        yield picture


def open_picture(path):
    """The picture of a path in the catalogue, RGB and upright; Unreadable for deep greys without a range."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # damaged EXIF is reported where positions are read
        with opened(path) as picture:
            upright = _in_eight_bits(_turned(picture))
    if upright.mode == "RGB":  # converting would only copy it
        return upright
    return (upright.convert("RGBA") if upright.has_transparency_data else upright).convert("RGB")


def _turned(picture):
    """The decoded picture, turned as its EXIF says; an EXIF that cannot be read turns nothing."""
    picture.load()
    try:
        picture.getexif()
    except Exception:  # any bytes can stand there, and Pillow's reader fails in many ways
        return picture.copy()
    for name in ("exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp"):
        picture.info.pop(name, None)  # exif_transpose would write it again, and fail on odd tags
    return ImageOps.exif_transpose(picture)


def _in_eight_bits(picture):
    """The picture; greys of more than 8 bits scaled by their own range, which Pillow clips; not finite is black."""
    if picture.mode != "F" and not picture.mode.startswith("I"):
        return picture
    values = np.asarray(picture, np.float64)
    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if len(known) else (np.nan, np.nan)
    if not low < high:
        raise Unreadable("no range", f"all grey values are {low}: save it with 8 bits if it is a picture")
    shares = np.where(np.isfinite(values), values - low, 0) / (high - low)
    return Image.fromarray((255 * shares).round().astype(np.uint8))


def examine(path):
    """width_px, height_px and difference_hash of the upright picture, and the sha256 of its file; decodes all of it.

    Unreadable tells why a file cannot be used: missing, empty, no picture, cut off, HEIC, camera raw, too many pixels.
    """
    file = picture_path(path)
    try:
        _refuse_at_sight(file)
        picture = open_picture(path)
        look = difference_hash(picture)
        sha256 = files.sha256_of(file)
    except (Unreadable, MemoryError):
        raise
    except Exception as error:  # decoders fail in many ways: each is a row of left_out, never the end of the run
        raise _why(error, file) from error
    return {"width_px": picture.width, "height_px": picture.height, "difference_hash": look, "sha256": sha256}


def difference_hash(picture):
    """What a picture looks like, 64 hexadecimal digits: a bit for each of 16 x 16 greys, brighter than its left one."""
    small = picture.reduce((max(1, picture.width // 170), max(1, picture.height // 160)))  # so that the rest is quick
    grey = np.asarray(small.convert("L").resize((17, 16), Image.Resampling.BOX))
    return np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes().hex()


def _refuse_at_sight(file):
    """Nothing, or Unreadable for what the file system, the first bytes and the ending tell."""
    if not file.is_file():
        there = file.exists()
        raise Unreadable(*(("not a picture", "not a regular file") if there else ("missing file", "there is no file")))
    with file.open("rb") as content:
        head = content.read(64)
    if not head:
        raise Unreadable("empty file", "0 bytes")
    brands = {head[start : start + 4] for start in (8, *range(16, min(int.from_bytes(head[:4], "big"), 64), 4))}
    if head[4:8] == b"ftyp" and brands & HEIF_BRANDS and not brands & {b"avif", b"avis"}:
        raise Unreadable("HEIC", "convert it to JPEG, which keeps its EXIF: `magick photo.heic photo.jpg`")
    if file.suffix.lower() in RAW_ENDINGS and not head.startswith(SIGNATURES):  # Pillow would open the preview
        raise Unreadable("camera raw", "export it as JPEG, or leave it out where a JPEG of the same photo is there")


def _why(error, file):
    """The Unreadable that tells what an error of opening or decoding means."""
    if isinstance(error, PermissionError):
        return Unreadable("unreadable", "permission denied")
    if isinstance(error, Image.DecompressionBombError):
        return Unreadable("too many pixels", f"above {2 * Image.MAX_IMAGE_PIXELS:,} pixels: shrink it first")
    if isinstance(error, UnidentifiedImageError):  # no picture, cut off in its header, an odd TIFF
        with file.open("rb") as content:
            head = content.read(16)
        if head.startswith((*SIGNATURES, *TIFFS)):
            return Unreadable("truncated", "ends in its header, or has values that Pillow does not read: save it anew")
        return Unreadable("not a picture", "no known format")
    words = f"{type(error).__name__}: {error}".replace(str(file), "the file")
    if isinstance(error, OSError) and error.errno is not None:
        return Unreadable("unreadable", error.strerror or words)
    cut = isinstance(error, EOFError) or "truncated" in words.lower()
    return Unreadable("truncated" if cut else "broken picture", words)
