"""The catalogue of photos: one validated table that every source yields, and the list of what was left out and why.

Paths in it stay as portable as the study wrote them; ``picture_path`` finds the file on this machine.
"""

import functools
import hashlib
import math
import os
import re
import warnings
from collections import Counter
from contextlib import contextmanager
from numbers import Real

import numpy as np
import pandas as pd
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from geonb import checks, files
from geonb.earth import sphere

COLUMNS = {
    "photo_id": "identifier, unique in the catalogue [text]",
    "path": "file of the picture: from $NAME, from ~, or from the root of the repository [text]",
    "geometry": "where the camera stood: longitude, latitude on WGS 84 [degree]",
    "city": "city or cluster of photos that the photo belongs to [text]",
    "country": "country, '' where unknown [text]",
    "district": "part of the city, '' where unknown [text]",
    "street": "street, '' where unknown [text]",
    "heading_deg": "direction of view, clockwise from north, missing where unknown [degree, 0 to below 360]",
    "captured_at": "when the photo was taken, missing where unknown [UTC]",
    "sequence_id": "drive or walk that the photo belongs to, '' where unknown [text]",
    "given_part": "train, validation or test where the data set itself says so, else '' [text]",
    "source": "where the photo comes from [text]",
    "licence": "licence of the photo [text]",
    "author": "who took the photo, '' where unknown [text]",
    "caption": "words about the photo, '' where there are none [text]",
    "width_px": "width of the upright picture [pixel]",
    "height_px": "height of the upright picture [pixel]",
    "sha256": "SHA-256 of the file [64 hexadecimal digits]",
}
UNKNOWN = {"country": "", "district": "", "street": "", "heading_deg": np.nan, "captured_at": pd.NaT} | dict.fromkeys(
    ("sequence_id", "given_part", "author", "caption"), ""
)
TEXTS = [name for name in COLUMNS if name not in ("geometry", "heading_deg", "captured_at", "width_px", "height_px")]
LEFT_OUT_COLUMNS = {
    "path": "file that was left out, '' where a row names none [text]",
    "reason": "why, one of the reasons of geonb.photos.REASONS [text]",
    "detail": "the value that was met, and the way out [text]",
}
REASONS = {
    "no position": "nothing tells where the photo was taken",
    "position 0,0": "latitude and longitude are both zero: a receiver without a fix",
    "broken position": "there is a position, but it cannot be read without guessing",
    "void fix": "the receiver itself says that its position does not hold",
    "other datum": "the position does not refer to WGS 84, and cannot be transformed",
    "latitude out of range": "latitude beyond 90 degrees",
    "longitude out of range": "longitude beyond 180 degrees",
    "heading out of range": "heading beyond 360 degrees",
    "not a number": "text where a number belongs",
    "not a time": "text where a time in ISO 8601 belongs",
    "no path": "a row without a file",
    "missing table": "a folder of a data set without the table that would tell its positions",
    "missing file": "a row or a link whose file is not there",
    "unreadable": "the system does not let the file be read",
    "not a picture": "the content is no picture",
    "empty file": "the file has no content",
    "truncated": "the picture ends too early",
    "broken picture": "the picture cannot be decoded",
    "no range": "all grey values are equal, or none is finite: nothing tells which is dark and which is bright",
    "camera raw": "raw data of a camera's sensor: only a preview could be shown, often beside a JPEG of the photo",
    "too many pixels": "so large that decoding it could exhaust the memory",
    "HEIC": "the picture is in HEIC/HEIF, which has to be converted first",
    "panorama": "a panorama of all directions",
    "full box": "a server answers for so small a box with as many photos as it can: some may lack",
    "night": "the data set says that it was taken at night",
    "hidden": "a hidden picture, often a thumbnail or a deleted photo",
    "link": "a symbolic link that leads out of the folder, to a folder, or in a circle",
    "duplicate": "the same content as a photo that was kept",
    "near-duplicate": "looks like a photo of the same place and second that was kept, and has no more pixels",
}
# Only what cameras and editors write: Pillow would start Ghostscript to decode an EPS file.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "JPEG2000", "BMP", "GIF")
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8")
TIFFS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Camera raw files that are no TIFF, by their first bytes: Olympus, Panasonic, Fujifilm, Sigma, Minolta, Canon's CRW.
RAWS = (b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILM", b"FOVb", b"\0MRM", b"II\x1a\0\0\0HEAPCCDR")
RAW_ENDINGS = (
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".gpr", ".iiq", ".k25", ".kdc", ".mef",
    ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".ptx", ".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
)  # fmt: skip
SUBFILE, PHOTOMETRIC, SUB_PICTURES, SAMPLE_FORMAT, DNG_VERSION = 254, 262, 330, 339, 50706  # tags of a TIFF
PIXELS = (273, 324)  # where they are, by strips or by tiles
REDUCED = (1, 3)  # types of a subfile: smaller than another picture in the file, also as a page of several
SENSOR = (32803, 34892)  # photometric interpretations: a mosaic of colour filters, and a sensor's linear values
PIXELS_AT_ONCE = 4_000_000  # as floats of 8 bytes
SAME_PLACE_M = 1.0
SAME_LOOK_BITS = 32  # of 256: copies, smaller or compressed again, differ in fewer, other pictures in 50 and more
SAME_HEADING_DEG = 1.0
MARGIN_DEG = 1.0  # around the area for which a coordinate system is made
HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"}


class Unreadable(Exception):
    """A photo that cannot be used: ``reason`` is one of REASONS, ``detail`` names the value and the way out."""

    def __init__(self, reason, detail):
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


# ---- the table -------------------------------------------------------------------------------------------------------
def catalogue(rows):
    """The catalogue: a GeoDataFrame in EPSG:4326 with the columns of COLUMNS, in the order of the paths.

    ``rows`` has ``lat_deg`` and ``lon_deg`` instead of a geometry. What is in UNKNOWN may be missing, and photo_id too:
    it then is the first 16 digits of sha256. ValueError names the first column or value that is wrong.
    """
    import geopandas

    allowed = [name for name in COLUMNS if name != "geometry"] + ["lat_deg", "lon_deg"]
    missing = [name for name in allowed if name not in rows and name not in UNKNOWN and name != "photo_id"]
    unknown = [name for name in rows if name not in allowed]
    if missing or unknown:
        raise ValueError(f"the catalogue needs columns {missing} and has no columns {unknown}; it has {allowed}")
    positions = sphere.check_lat_lon_deg(rows[["lat_deg", "lon_deg"]])
    filled = _typed(rows.assign(**{name: value for name, value in UNKNOWN.items() if name not in rows}))
    _validate(filled.drop(columns=["lat_deg", "lon_deg"]))
    points = geopandas.points_from_xy(positions[:, 1], positions[:, 0], crs="EPSG:4326")
    table = geopandas.GeoDataFrame(filled.drop(columns=["lat_deg", "lon_deg"]), geometry=points)
    return table[list(COLUMNS)].sort_values("path", kind="stable", ignore_index=True)


def _typed(rows):
    """The rows with the types of the catalogue; missing text becomes ''."""
    if "photo_id" not in rows:
        rows = rows.assign(photo_id=rows["sha256"].str[:16])
    texts = {name: rows[name].astype(object).where(rows[name].notna(), "").astype(str) for name in TEXTS}
    times = pd.to_datetime(rows["captured_at"], utc=True).astype("datetime64[us, UTC]")
    numbers = {"heading_deg": "float64", "width_px": "int64", "height_px": "int64"}
    return rows.assign(captured_at=times, **texts).astype(numbers)


@functools.cache
def _schema():
    import pandera.pandas as pa

    some = pa.Check.str_length(min_value=1)
    checks = {
        "photo_id": pa.Column(str, some, unique=True),
        "path": pa.Column(str, some, unique=True),
        "heading_deg": pa.Column(float, pa.Check.in_range(0, 360, include_max=False), nullable=True),
        "captured_at": pa.Column(pd.DatetimeTZDtype("us", "UTC"), nullable=True),
        "width_px": pa.Column(int, pa.Check.gt(0)),
        "height_px": pa.Column(int, pa.Check.gt(0)),
        "sha256": pa.Column(str, pa.Check.str_matches("^[0-9a-f]{64}$")),
    } | {name: pa.Column(str, some) for name in ("city", "source", "licence")}
    others = {name: pa.Column(str) for name in TEXTS if name not in checks}
    return pa.DataFrameSchema(checks | others, strict=True)


def _validate(rows):
    """Nothing, or a ValueError that names the first value outside the schema."""
    import pandera.errors

    try:
        _schema().validate(rows, lazy=True)
    except pandera.errors.SchemaErrors as error:
        first = error.failure_cases.iloc[0]
        value = getattr(first["failure_case"], "item", lambda: first["failure_case"])()
        where = f"column {first['column']}: {value!r} fails {first['check']}"
        raise ValueError(f"{len(error.failure_cases)} values do not fit the catalogue, the first: {where}") from None


def lat_lon_deg(catalogue):
    """Positions (n, 2) of the photos, float64: latitude, longitude in degrees."""
    return np.column_stack([catalogue.geometry.y, catalogue.geometry.x]).astype(np.float64)


def collected(rows, left_out, *, city_link_m):
    """(rows, left_out) as tables from lists of dicts: copies are left out, photos without a city are given one."""
    if not rows:
        return pd.DataFrame(columns=["path"]), left_out_table(left_out)
    kept, again = without_duplicates(pd.DataFrame(rows))
    kept, near = without_near_duplicates(kept)
    return assign_cities(kept, city_link_m), left_out_table(left_out + again + near)


def left_out_table(left_out):
    """What was left out, in the order of the paths; a reason that REASONS does not name is refused."""
    table = pd.DataFrame(left_out, columns=list(LEFT_OUT_COLUMNS)).astype(str)
    unnamed = sorted(set(table["reason"]) - set(REASONS))
    if unnamed:
        raise ValueError(f"photos.REASONS does not name {unnamed}; it has {', '.join(REASONS)}")
    return table.sort_values("path", kind="stable", ignore_index=True)


def without_duplicates(rows):
    """(rows, left out as dicts): of photos with the same content the first by path stays."""
    rows = rows.sort_values("path", kind="stable", ignore_index=True)
    kept = rows.groupby("sha256")[["path", "lat_deg", "lon_deg"]].transform("first")
    apart_m = sphere.distance_m(rows[["lat_deg", "lon_deg"]], kept[["lat_deg", "lon_deg"]])
    again = rows.duplicated("sha256").to_numpy()
    left_out = [
        {"path": path, "reason": "duplicate", "detail": f"same content as {first}, positions {metres:.0f} m apart"}
        for path, first, metres in zip(rows["path"][again], kept["path"][again], apart_m[again], strict=True)
    ]
    return rows[~again].reset_index(drop=True), left_out


# ---- near-duplicates -------------------------------------------------------------------------------------------------
def without_near_duplicates(rows):
    """(rows without their difference_hash, left out as dicts): of copies of one photo the one with most pixels stays.

    Copies are photos of one second, at most SAME_PLACE_M apart, whose difference hashes differ in SAME_LOOK_BITS at
    most and whose headings, where both are known, agree. Photos without a time are no copies, nor are pictures of one
    colour. Of equal sizes the first by path stays.
    """
    looks = np.frombuffer(bytes.fromhex("".join(rows["difference_hash"])), np.uint8).reshape(len(rows), -1)
    rows, group = rows.drop(columns="difference_hash"), one_place_and_second(rows)
    some = np.flatnonzero((group >= 0) & looks.any(axis=1))
    first = np.arange(len(rows))
    first[some] = some[_originals(rows.iloc[some], group[some], looks[some])]
    again, paths = first != np.arange(len(rows)), rows["path"].tolist()
    sizes = [f"{wide} x {high} pixels" for wide, high in zip(rows["width_px"], rows["height_px"], strict=True)]
    words = "looks like {} of the same place and second, which has {}, this one {}"
    details = {n: words.format(paths[first[n]], sizes[first[n]], sizes[n]) for n in np.flatnonzero(again)}
    left_out = [{"path": paths[n], "reason": "near-duplicate", "detail": detail} for n, detail in details.items()]
    return rows[~again].reset_index(drop=True), left_out


def one_place_and_second(rows):
    """Number (n,) of each photo's group, those of one second that steps of SAME_PLACE_M link; -1 without a time."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    second = pd.to_datetime(rows["captured_at"], utc=True).dt.floor("s")
    some, group = (second.notna() & second.duplicated(keep=False)).to_numpy(), np.full(len(rows), -1)
    if not some.any():
        return group
    xyz_m = sphere.unit_xyz(rows.loc[some, ["lat_deg", "lon_deg"]]) * sphere.EARTH_RADIUS_M
    apart = 2 * SAME_PLACE_M * pd.factorize(second[some])[0]  # photos of other seconds are farther apart than the limit
    points, point = np.unique(np.column_stack([xyz_m, apart]), axis=0, return_inverse=True)
    ends = cKDTree(points).query_pairs(SAME_PLACE_M, output_type="ndarray").T
    graph = coo_array((np.ones(ends.shape[1]), (ends[0], ends[1])), shape=(len(points), len(points)))
    group[some] = connected_components(graph, directed=False)[1][point.ravel()]
    return group


def _originals(rows, group, looks):
    """Index (n,) of the photo that each is a copy of, its own where it is none.

    Not every pair is compared, which for n photos of one place would grow with n^2: copies share most bytes of their
    hashes, so that each photo is compared with the largest of its group that shares a byte, or two in a row.
    """
    order = np.lexsort([np.arange(len(rows)), -(rows["width_px"] * rows["height_px"]).to_numpy()])
    rank = pd.Series(np.argsort(order))
    heading_deg, first = rows["heading_deg"].to_numpy(float), np.arange(len(rows))

    def alike(other):
        turn_deg = np.abs((heading_deg - heading_deg[other] + 180) % 360 - 180)
        bits = np.bitwise_count(looks ^ looks[other]).sum(axis=1)
        return (bits <= SAME_LOOK_BITS) & ~(turn_deg > SAME_HEADING_DEG)

    for part in [*looks.T, *looks.view(np.uint16).T]:
        largest = order[rank.groupby([group, part]).transform("min").to_numpy()]
        first = np.where(alike(largest) & (rank[largest].to_numpy() < rank[first].to_numpy()), largest, first)
    while (first[first] != first).any():  # a copy of a copy
        first = first[first]
    return np.where(alike(first), first, np.arange(len(rows)))


# ---- cities ----------------------------------------------------------------------------------------------------------
def assign_cities(rows, link_m=10_000.0):
    """The rows, those without a city named after the middle of their cluster, such as 'near 50.94N 6.96E'.

    Single linkage on the sphere: photos belong together when steps of at most ``link_m`` metres lead from one to the
    other. The names do not depend on the order of the rows.
    """
    checks.number("city_link_m", link_m, above=0)
    cities = rows["city"].to_numpy(dtype=object, copy=True)
    homeless = np.flatnonzero(cities == "")
    if not len(homeless):
        return rows
    positions = rows[["lat_deg", "lon_deg"]].to_numpy(np.float64)[homeless]
    order = np.lexsort(positions.T)  # a mean that is summed in one order is rounded in one way
    cluster = linked(positions[order], link_m)
    groups = pd.DataFrame(positions[order]).groupby(cluster)
    centres = [tuple(sphere.centre(group.to_numpy()).tolist()) for _, group in groups]
    names = _unique_names(centres, taken=set(cities))
    cities[homeless[order]] = [names[k] for k in cluster]
    return rows.assign(city=cities)


def linked(lat_lon_deg, link_m):
    """Cluster (n,) of each position (n, 2) under single linkage: numbers from 0.

    As DBSCAN with one point per core, but without a list of all near pairs, which for one dense city grows with n^2:
    cubes smaller than the link hold only photos that are linked, so only pairs of cubes are compared.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    chord = 2 * np.sin(min(link_m / (2 * sphere.EARTH_RADIUS_M), np.pi / 2))
    xyz = sphere.unit_xyz(lat_lon_deg)
    cubes, cube = np.unique(np.floor(xyz / (chord / 2)), axis=0, return_inverse=True)  # diagonal: 0.87 of the chord
    members = np.split(np.argsort(cube.ravel(), kind="stable"), np.cumsum(np.bincount(cube.ravel()))[:-1])
    trees = [cKDTree(xyz[own]) for own in members]
    near = cKDTree(cubes).query_pairs(3.5)  # two cubes along each axis: farther ones are more than a chord away
    pairs = [pair for pair in sorted(near) if trees[pair[0]].count_neighbors(trees[pair[1]], chord)]
    ends = np.array(pairs, dtype=int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(pairs)), (ends[0], ends[1])), shape=(len(cubes), len(cubes)))
    return connected_components(graph, directed=False)[1][cube.ravel()]


def _unique_names(centres, taken):
    """One name per centre; from south to north, names that are taken get a number."""
    names, used = {}, Counter(taken)
    for lat, lon in sorted(centres):
        name = f"near {abs(lat):.2f}{'NS'[lat < 0]} {abs(lon):.2f}{'EW'[lon < 0]}"
        used[name] += 1
        names[lat, lon] = f"{name} ({used[name]})" if used[name] > 1 else name
    return [names[centre] for centre in centres]


def check_position(lat_deg, lon_deg):
    """Nothing, or Unreadable: out of range, or within 10 m of 0, 0, where no street is."""
    for name, value, bound in (("latitude", lat_deg, 90), ("longitude", lon_deg, 180)):
        if not abs(value) <= bound:
            raise Unreadable(f"{name} out of range", f"{name} is {value}, not within -{bound}..{bound} degrees")
    if max(abs(lat_deg), abs(lon_deg)) < 1e-4:
        raise Unreadable("position 0,0", f"latitude {lat_deg}, longitude {lon_deg}: a receiver without a fix")


def sides(box, *, across=False):
    """South, west, north and east of an option box as floats [degree]; ValueError where it is none.

    across: west may lie east of east, across the date line. Sides that only make sense as west, south, east, north are
    refused with the order that is wanted.
    """
    if _is_box(box, across):
        return [float(side) for side in box]
    words = f"box {box} must be [south, west, north, east] in degrees" + ("" if across else "; cut it at the date line")
    if len(box) == 4 and _is_box(other := exchanged(box), across=False):
        words += f"; it reads like west, south, east, north: write {other}"
    raise ValueError(words)


def exchanged(box):
    """A box whose sides were written in the other order: longitude before latitude."""
    return [box[1], box[0], box[3], box[2]]


def _is_box(box, across):
    if len(box) != 4 or not all(isinstance(side, Real) and math.isfinite(side) for side in box):
        return False
    south, west, north, east = box
    return -90 <= south < north <= 90 and max(abs(west), abs(east)) <= 180 and (west < east or across)


def within(area, lat_deg, lon_deg):
    """Whether a position lies in an area of use of pyproj, or MARGIN_DEG around it; areas may cross the date line."""
    if area is None:
        return True
    width = (area.east - area.west) % 360 or 360
    across = (lon_deg - area.west + MARGIN_DEG) % 360 <= width + 2 * MARGIN_DEG
    return across and area.south - MARGIN_DEG <= lat_deg <= area.north + MARGIN_DEG


# ---- pictures --------------------------------------------------------------------------------------------------------
def picture_path(path):
    """The Path on this machine of a path in the catalogue: $NAME and ~ at its start expanded, others in the repository.

    ValueError names an environment variable that is not set.
    """
    path = str(path)
    variable = re.match(r"\$(?:\{(\w+)\}|(\w+))(?=/|$)", path)
    if variable:
        name = variable[1] or variable[2]
        if not os.environ.get(name):
            raise ValueError(f"{path!r} begins with ${name}, which is not set: `export {name}=/the/folder`")
        path = os.environ[name] + path[variable.end() :]
    return files.ROOT / os.path.expanduser(path)


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
    """The picture of a path in the catalogue, RGB and upright (EXIF orientation applied).

    Grey pictures of 16 or 32 bits or of floats are scaled by their own range; Unreadable where they have none.
    """
    upright = _upright(path)
    if upright.mode == "RGB":  # converting would only copy it
        return upright
    return (upright.convert("RGBA") if upright.has_transparency_data else upright).convert("RGB")


def _upright(path):
    """The decoded picture, turned as its EXIF says; an EXIF that cannot be read turns nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # damaged EXIF is reported where positions are read
        with opened(path) as picture:
            signed = getattr(picture, "tag_v2", {}).get(SAMPLE_FORMAT) in (2, (2,))
            return _in_eight_bits(_turned(picture), signed)


def _turned(picture):
    picture.load()
    try:
        picture.getexif()
    except Exception:  # any bytes can stand there, and Pillow's reader fails in many ways
        return picture.copy()
    for name in ("exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp"):
        picture.info.pop(name, None)  # exif_transpose would write it again, and fail on odd tags
    return ImageOps.exif_transpose(picture)


def _in_eight_bits(picture, signed):
    """The picture; greys of more than 8 bits become 0 for the least finite value to 255 for the largest.

    What is not finite becomes black. Pillow would clip them: a 16-bit picture is white then, one of floats black.
    """
    if picture.mode != "F" and not picture.mode.startswith("I"):
        return picture
    values = np.asarray(picture)
    values = values if signed or picture.mode != "I" else values.view(np.uint32)
    bands = np.array_split(values, range(0, len(values), max(1, PIXELS_AT_ONCE // values.shape[1]))[1:])
    ends = [(some.min(), some.max()) for some in (band[np.isfinite(band)] for band in bands) if some.size]
    low, high = (np.float64(of([end[n] for end in ends], default=np.nan)) for n, of in enumerate((min, max)))
    if not low < high:
        raise Unreadable("no range", f"all grey values are {low}: save it with 8 bits if it is a picture")
    return Image.fromarray(np.concatenate([_scaled(band, low, high) for band in bands]))


def _scaled(values, low, high):
    """The values from 0 for low to 255 for high, as bytes; 0 for what is not finite."""
    share = np.where(np.isfinite(values), values - low, 0) / (high - low)
    return (255 * share).round().astype(np.uint8)


def examine(path):
    """width_px, height_px and difference_hash of the upright picture, and the sha256 of its file; decodes all of it.

    Unreadable tells why a file cannot be used: missing, empty, no picture, cut off, HEIC, camera raw, too many pixels.
    """
    file = picture_path(path)
    try:
        _refuse_at_sight(file)
        picture = open_picture(path)
        with file.open("rb") as content:
            return {
                "width_px": picture.width,
                "height_px": picture.height,
                "difference_hash": difference_hash(picture),
                "sha256": hashlib.file_digest(content, "sha256").hexdigest(),
            }
    except (Unreadable, MemoryError):
        raise
    except Exception as error:  # decoders fail in many ways: each is a row of left_out, never the end of the run
        raise _why(error, file) from error


def difference_hash(picture):
    """What a picture looks like, 64 hexadecimal digits: a bit for each of 16 x 16 greys, brighter than its left one."""
    small = picture.reduce((max(1, picture.width // 170), max(1, picture.height // 160)))  # so that the rest is quick
    grey = np.asarray(small.convert("L").resize((17, 16), Image.Resampling.BOX))
    return np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes().hex()


def _refuse_at_sight(file):
    """Nothing, or Unreadable for what the file system and the first bytes tell."""
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
    if _is_raw(file, head):
        raise Unreadable("camera raw", "export it as JPEG, or leave it out where a JPEG of the same photo is there")


def _is_raw(file, head):
    """Whether a file with these first bytes is the raw data of a camera, however it is called.

    A TIFF is raw that says so, or whose first picture is a preview of another one in it. An ending decides only where
    the content is no JPEG, PNG or GIF.
    """
    if head.startswith(RAWS) or head[4:12] == b"ftypcrx ":
        return True
    if file.suffix.lower() in RAW_ENDINGS:
        return not head.startswith(SIGNATURES)
    if not head.startswith(TIFFS) or len(head) < 16:
        return False
    if head[8:10] == b"CR" or head[8:12] == b"IIII":  # Canon's CR2, Phase One's IIQ
        return True
    tags = _tags(file, head)
    preview = tags.get(SUBFILE) in REDUCED and (SUB_PICTURES in tags or tags.next)
    return DNG_VERSION in tags or tags.get(PHOTOMETRIC) in SENSOR or bool(preview)


def _tags(file, head):
    """The tags of the first picture of a TIFF with these first bytes, as Pillow reads them, as far as they go."""
    with file.open("rb") as content, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # tags that end too early
        tags = TiffImagePlugin.ImageFileDirectory_v2(head[: 16 if head[2:4] in (b"+\0", b"\0+") else 8])
        content.seek(tags.next)
        tags.load(content)
    return tags


def _why(error, file):
    """The Unreadable that tells what an error of opening or decoding means."""
    if isinstance(error, PermissionError):
        return Unreadable("unreadable", "permission denied")
    if isinstance(error, Image.DecompressionBombError):
        return Unreadable("too many pixels", f"above {2 * Image.MAX_IMAGE_PIXELS:,} pixels: shrink it first")
    if isinstance(error, UnidentifiedImageError):
        return _unidentified(file)
    words = f"{type(error).__name__}: {error}".replace(str(file), "the file")
    cut = isinstance(error, EOFError) or "truncated" in words.lower()
    if isinstance(error, OSError) and error.errno is not None:
        return Unreadable("unreadable", error.strerror or words)
    return Unreadable("truncated" if cut else "broken picture", words)


def _unidentified(file):
    """The Unreadable of a file that Pillow does not know: no picture, cut off in its header, an odd TIFF."""
    with file.open("rb") as content:
        head = content.read(16)
    if len(head) == 16 and head.startswith(TIFFS) and any(tag in _tags(file, head) for tag in PIXELS):
        return Unreadable("broken picture", "a TIFF of values that Pillow does not read: save it as RGB of 8 bits")
    begun = head.startswith((*SIGNATURES, *TIFFS))
    return Unreadable(*(("truncated", "ends in its header") if begun else ("not a picture", "no known format")))


def thumbnail(path, height_px):
    """A small copy of a picture, upright, height_px high."""
    picture = open_picture(path)
    return picture.resize((max(1, round(picture.width * height_px / picture.height)), height_px))


def with_lat_lon(catalogue):
    """The catalogue with plain columns lat_deg and lon_deg instead of its geometry."""
    lat, lon = lat_lon_deg(catalogue).T
    return catalogue.drop(columns="geometry").assign(lat_deg=lat, lon_deg=lon)
