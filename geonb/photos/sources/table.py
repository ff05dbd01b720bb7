"""A table of one's own, CSV, (Geo)Parquet, GeoJSON or GeoPackage: one row per photo, with its position."""

import re
import warnings
from contextlib import suppress
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from geonb.earth import sphere
from geonb.photos.catalogue import collected
from geonb.photos.left_out import Unreadable, kept_and_left_out
from geonb.photos.pictures import picture_path
from geonb.photos.sources.cached_reading import examiner
from geonb.photos.sources.photo_fields import FIELDS, number, photo, required_number, text, to_degrees, within

PARQUET, POINTS = (".parquet", ".geoparquet", ".pq"), (".geojson", ".gpkg", ".shp", ".fgb")
# Names of columns, their letters and digits alone, that an option may mean; those of GRIDS are often in metres.
LIKELY = {
    "path_column": ("path", "filepath", "imagepath", "file", "filename", "image", "img", "photo", "picture"),
    "lat_column": ("lat", "latitude", "latdeg", "latitudedeg", "decimallatitude", "gpslatitude", "y", "north",
                   "northing"),
    "lon_column": ("lon", "long", "lng", "longitude", "londeg", "longitudedeg", "decimallongitude", "gpslongitude", "x",
                   "east", "easting"),
}  # fmt: skip
GRIDS = ("x", "y", "north", "northing", "east", "easting")
APART_M = 1.0  # between a row's point and its columns: the same place, rounded otherwise
SLIPS = 0.01  # share of the rows that may have a longitude above 180 degrees by mistake
SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # a first line that spreadsheets write and read
THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+")


def read(
    *, table: str, folder: str = "", path_column: str = "path", lat_column: str = "lat", lon_column: str = "lon",
    crs: str = "", layer: str = "", swap_lat_lon: bool = False, lon_0_to_360: bool = False, columns: dict | None = None,
    city: str = "", country: str = "", licence: str = "unknown", author: str = "", city_link_m: float = 10_000.0,
    workers: int = 0,
):  # fmt: skip
    """(rows, left_out) of a table: each of its rows ends in one of the two.

    ``folder`` is where its paths begin, without it the folder of the table. ``columns`` maps fields of the catalogue to
    columns of the table; a column with the name of a field is taken without being named, unless the field is mapped to
    ''. ``city``, ``country``, ``licence``, ``author`` hold where a row has none of its own; photos still without a city
    share one when steps of ``city_link_m`` metres link them. Latitude and longitude: decimal degrees, WGS 84, or north
    and east in the coordinate system ``crs``, as EPSG:27700 (British National Grid) or EPSG:32633 (UTM zone 33 N), in
    its own unit; a table of points without these columns gives its points, and one with both must have them within
    APART_M. ``swap_lat_lon``: the two are exchanged; ``lon_0_to_360``: longitudes above 180 count from the east, 286
    is -74. ``layer``: of a file with several. Times are ISO 8601, in UTC where they have no offset. Row 1 is the first
    below the header. ``workers``: processes that read pictures, 0 for one per core; a picture that did not change is
    not read again (cached_reading). FileNotFoundError without the file; ValueError for one that cannot be read or has
    no rows, for columns, a layer or a ``crs`` that do not exist, and for coordinates that only make sense with an
    option that was not set.
    """
    if crs and lon_0_to_360:
        raise ValueError(f"lon_0_to_360 is of degrees: leave it out beside crs {crs!r}")
    given = {"city": city, "country": country, "licence": licence, "author": author, "source": "table"}
    at = (lon_column, lat_column) if swap_lat_lon else (lat_column, lon_column)
    frame = load(table, layer)
    placed = on_grid(crs, frame, *at) if crs else dict
    has_points = hasattr(frame, "geom_type")
    points = _points(frame, swap_lat_lon) if has_points and not set(at) & set(frame) else {}
    told = told_by(frame, path_column, at, columns or {}, points)
    if not crs:
        told = plausible(told, ("latitude", "longitude") if points else at, bool(points), lon_0_to_360)
    entries = told.to_dict("records")
    if has_points and not points:
        refuse_apart(frame, entries, placed, ", ".join(at))
    paths = [_joined(folder or str(PurePosixPath(table).parent), entry["path"]) for entry in entries]
    examine = examiner(paths, picture_path(table), workers)

    def row(path, entry):
        if not path:
            raise Unreadable("no path", "the row names no file")
        return photo(path, placed(entry), given, examine)

    numbered = [(path, f"row {n}: ", entry) for n, (path, entry) in enumerate(zip(paths, entries, strict=True), 1)]
    return collected(*kept_and_left_out(numbered, row), city_link_m=city_link_m)


# ---- the file --------------------------------------------------------------------------------------------------------
def load(table, layer):
    """The table as it is: a CSV as text, a file of points as a GeoDataFrame in EPSG:4326. ValueError without a row."""
    path = picture_path(table)
    if not path.is_file():
        raise FileNotFoundError(f"table {table!r} is not a file on this machine: {path}")
    if layer and path.suffix.lower() not in POINTS:
        raise ValueError(f"{path.name} has no layers: leave out the option layer")
    frame = _with_types(path, layer) if path.suffix.lower() in (*PARQUET, *POINTS) else _csv(path)
    if not len(frame):
        raise ValueError(f"{path.name} has columns {', '.join(map(str, frame))} and no rows: one row for each photo")
    return frame


def _with_types(path, layer):
    """A file of points, in degrees, or a Parquet file with or without them."""
    import geopandas
    import pyarrow.parquet

    try:
        if path.suffix.lower() in POINTS:
            layers = list(geopandas.list_layers(path).name)
            if layer not in layers and (layer or len(layers) > 1):
                raise ValueError(f"{path.name} has the layers {', '.join(layers)}: name one of them as option layer")
            frame = geopandas.read_file(path, layer=layer or layers[0])
        else:
            points = b"geo" in (pyarrow.parquet.read_schema(path).metadata or {})
            frame = geopandas.read_parquet(path) if points else pd.read_parquet(path)
    except (pyarrow.ArrowInvalid, RuntimeError) as error:  # RuntimeError: what GDAL says of a file
        raise ValueError(f"{path.name} cannot be read as what its name says it is: {error}") from error
    if not hasattr(frame, "geom_type"):
        return frame
    if frame.crs is None:
        raise ValueError(f"{path.name} does not say its coordinate system: save it again after `.set_crs(4326)`")
    return frame.to_crs(4326)


def _csv(path):
    """All cells as text, so that nothing is turned into a number, a date or a missing value (NA is Namibia)."""
    try:
        with path.open(encoding="utf-8-sig") as lines:
            header = lines.readline()
        told = SEPARATOR.fullmatch(header)
        how = {"sep": told[1] if told else max(",;\t", key=header.count), "skiprows": 1 if told else 0}
        how |= {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # pandas would drop surplus cells
            names = pd.read_csv(path, nrows=1, header=None, **how).iloc[0].str.strip()
            frame = pd.read_csv(path, index_col=False, **how)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 ({error}): save it as CSV UTF-8") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path.name} is not a CSV with one header and equally long rows: {error}") from error
    for name, count in names[names != ""].value_counts().items():
        if count > 1:  # pandas would call the second one lat.1
            raise ValueError(f"{path.name} has {count} columns {name!r}: rename one of them")
    return frame.set_axis(list(names), axis=1)


# ---- its columns -----------------------------------------------------------------------------------------------------
def told_by(frame, path_column, at, columns, points):
    """A table of path, lat_deg, lon_deg and fields of the catalogue, as written; ValueError for what is not there.

    at: the columns of latitude and longitude, or of north and east; points: what stands in their place, if anything.
    """
    if unknown := [name for name in columns if name not in FIELDS]:
        raise ValueError(f"columns: the catalogue has no field {unknown}; these can be mapped: {', '.join(FIELDS)}")
    names = {name: name for name in FIELDS if name in frame} | columns
    names = {name: column for name, column in names.items() if column}
    options = {"path_column": path_column} | ({} if points else {"lat_column": at[0], "lon_column": at[1]})
    _refuse_columns(frame, options, names)
    points = points or {"lat_deg": frame[at[0]], "lon_deg": frame[at[1]]}
    told = {"path": frame[path_column]} | points | {name: frame[column] for name, column in names.items()}
    return pd.DataFrame(told).astype(object).reset_index(drop=True)


def _refuse_columns(frame, options, names):
    """Nothing, or a ValueError for a column that is not there or is named twice, with the options that may be meant."""
    for name, column in names.items():
        if not isinstance(column, str):
            raise ValueError(f"columns: {name} is {column!r}, not the name of a column")
    if "lat_column" in options and options["lat_column"] == options["lon_column"]:
        raise ValueError(
            f"lat_column and lon_column are both {options['lat_column']!r}: each needs a column of its own"
        )
    missing = [column for column in (*options.values(), *names.values()) if column not in frame]
    if not missing:
        return
    plain = {re.sub(r"[^a-z0-9]", "", str(column).lower()): column for column in reversed(list(frame.columns))}
    meant = {option: next((name for name in LIKELY[option] if name in plain), None)
             for option, column in options.items() if column in missing}  # fmt: skip
    said = ", ".join(f"{option}: {plain[name]}" for option, name in meant.items() if name)
    metres = ", and crs if they are in metres" if set(meant.values()) & set(GRIDS) else ""
    there = ", ".join(map(str, frame.columns)) + (f": set {said}{metres}" if said else "")
    raise ValueError(f"the table has no column {missing}; it has {there}")


def _points(frame, swap):
    """Latitude and longitude of the points of a GeoDataFrame; rows without a geometry have none."""
    wrong = frame.geom_type[frame.geometry.notna() & (frame.geom_type != "Point")]
    if len(wrong):
        raise ValueError(f"row {list(frame.index).index(wrong.index[0]) + 1} is a {wrong.iloc[0]}, not a Point")
    lat_deg, lon_deg = (frame.geometry.x, frame.geometry.y) if swap else (frame.geometry.y, frame.geometry.x)
    return {"lat_deg": lat_deg, "lon_deg": lon_deg}


def _joined(start, name):
    """The path of a photo; one that begins with /, $ or ~ does not need the folder."""
    name = text(name)
    if not name or name.startswith(("/", "$", "~")) or start in ("", "."):
        return name
    return f"{start.rstrip('/')}/{name}"


# ---- what coordinates seem to be -------------------------------------------------------------------------------------
def plausible(told, names, of_points, lon_0_to_360):
    """What a table tells, with longitudes up to 360 turned where the option says that they are such.

    names: of latitude and longitude, for the words. ValueError where most rows are in metres, or only make sense with
    latitude and longitude exchanged, or where longitudes run from 0 to 360 without the option.
    """
    lat, lon = (told[name].map(number).astype(float) for name in ("lat_deg", "lon_deg"))
    known = np.isfinite(lat) & np.isfinite(lon)
    _refuse_metres(lat[known], lon[known], names, of_points)
    _refuse_swapped(lat[known], lon[known])
    beyond = (lon > 180) & (lon <= 360)
    if lon_0_to_360:
        return told.assign(lon_deg=told["lon_deg"].where(~beyond, lon - 360))
    if beyond.sum() > SLIPS * known.sum() and not (lon < 0).any():
        row, first = beyond.idxmax() + 1, lon[beyond.idxmax()]
        raise ValueError(
            f"row {row} has longitude {first}: {beyond.sum()} of {known.sum()} lie above 180 degrees, none below 0; "
            f"if they run from 0 to 360, set lon_0_to_360: true, which takes {first} as {first - 360:.7g}"
        )
    return told


def _refuse_metres(lat, lon, names, of_points):
    """Nothing, or a ValueError where most rows are no degrees, not even of longitudes up to 360."""
    far = np.maximum(lat.abs(), lon.abs()) > 360
    if far.sum() <= len(far) / 2:
        return
    what = f"{far.sum()} of {len(far)} rows look"
    way_out = "name their coordinate system in the option crs, such as EPSG:32633 for UTM zone 33 N"
    if of_points:
        what, way_out = ("its points look", "the file calls them degrees: save it with the system that they are in")
    where = f"{names[0]} {lat[far.idxmax()]:.10g}, {names[1]} {lon[far.idxmax()]:.10g}"
    raise ValueError(f"row {far.idxmax() + 1} has {where}: {what} like metres, not degrees; {way_out}")


def _refuse_swapped(lat, lon):
    """Nothing, or a ValueError when most rows only make sense with latitude and longitude exchanged."""
    swapped = (lat.abs() > 90) & (lat.abs() <= 180) & (lon.abs() <= 90)
    if swapped.sum() > len(lat) / 2:
        row = swapped.idxmax()
        raise ValueError(
            f"latitude and longitude look swapped: row {row + 1} has latitude {lat[row]}, longitude {lon[row]}; "
            "set swap_lat_lon: true, or leave it out where it is set"
        )


def refuse_apart(frame, entries, placed, where):
    """Nothing, or a ValueError where the columns of a table and its points lie more than APART_M apart.

    entries: its rows as dicts; placed: what makes degrees of one; where: its columns, for the words. Rows without a
    point, or without a position in their columns, are not compared.
    """
    told = np.full((len(entries), 2), np.nan)
    for n, entry in enumerate(entries):
        with suppress(Unreadable):
            told[n] = [number(placed(entry)[name]) for name in ("lat_deg", "lon_deg")]
    at = frame.geometry.where(frame.geom_type == "Point")
    points = np.column_stack([at.y, at.x])
    apart_m = np.nan_to_num(sphere.distance_m(told, points), nan=0.0)
    if not (far := apart_m > APART_M).any():
        return
    row = int(apart_m.argmax())
    both = [f"{lat:.8g}, {lon:.8g}" for lat, lon in (told[row], points[row])]
    raise ValueError(
        f"columns {where} and points of the table lie more than {APART_M:g} m apart in {far.sum()} of {len(far)} rows, "
        f"in row {row + 1} by {apart_m[row]:,.1f} m: {both[0]} beside the point {both[1]}. Mend the table, or choose: "
        "lat_column: '' and lon_column: '' take the points, a CSV without points the columns"
    )


def on_grid(crs, frame, north_column, east_column):
    """A function that places a row, its north and east in a coordinate system, in its own unit, in degrees.

    It raises Unreadable where these are no numbers, or outside of the system's own area. ValueError for an unknown
    system, or without the columns.
    """
    from pyproj import CRS
    from pyproj.exceptions import ProjError

    if north_column not in frame or east_column not in frame:
        raise ValueError(f"crs {crs!r} is of columns {north_column!r} and {east_column!r}, which the table has not")
    try:
        system, transformer = CRS(crs), to_degrees(crs)
    except ProjError as error:
        raise ValueError(f"crs {crs!r} is no coordinate system that pyproj knows: EPSG:27700 is one") from error
    if not (system.is_projected or system.is_geographic):
        raise ValueError(f"crs {crs!r} ({system.name}) is no grid of north and east: EPSG:27700 is one")
    names = [f"{column} [{system.axis_info[0].unit_name}]" for column in (north_column, east_column)]

    def placed(entry):
        told = dict(zip(names, (entry["lat_deg"], entry["lon_deg"]), strict=True))
        for name, value in told.items():
            if THOUSANDS.fullmatch(text(value)):
                unsure = f"{name} is {text(value)!r}, whose comma may part thousands or decimals"
                raise Unreadable("not a number", f"{unsure}: write it without")
        north, east = (required_number(value, name) for name, value in told.items())
        lon_deg, lat_deg = transformer.transform(east, north)
        if not within(system.area_of_use, lat_deg, lon_deg):
            where = f"{names[0]} {north:.10g}, {names[1]} {east:.10g} lies outside of {system.area_of_use.name}"
            raise Unreadable("broken position", f"{where} ({system.name})")
        return entry | {"lat_deg": lat_deg, "lon_deg": lon_deg}

    return placed
