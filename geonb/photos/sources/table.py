"""A table of one's own, CSV, (Geo)Parquet, GeoJSON or GeoPackage: one row per photo, with its position."""

import re
import warnings
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from geonb.earth import sphere
from geonb.photos.catalogue import collected
from geonb.photos.left_out import Unreadable, kept_and_left_out
from geonb.photos.pictures import picture_path
from geonb.photos.sources import text_tables
from geonb.photos.sources.cached_reading import examiner
from geonb.photos.sources.photo_fields import FIELDS, number, photo, required_number, text, to_degrees, within

PARQUET, POINTS = (".parquet", ".geoparquet", ".pq"), (".geojson", ".gpkg", ".shp", ".fgb")
THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+")
SLIPS = 0.01  # share of the rows that may have a longitude above 180 degrees by mistake
APART_M = 1.0  # between a row's point and its columns: the same place, rounded otherwise
LIKELY = {  # names of columns, their letters alone, that an option may mean; the last of each are often in metres
    "path_column": "path filepath imagepath file filename image img photo picture",
    "lat_column": "lat latitude latdeg latitudedeg decimallatitude gpslatitude y north northing",
    "lon_column": "lon long lng longitude londeg longitudedeg decimallongitude gpslongitude x east easting",
}
SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # a first line that spreadsheets write and read


def read(
    *, table: str, folder: str = "", path_column: str = "path", lat_column: str = "lat", lon_column: str = "lon",
    crs: str = "", layer: str = "", swap_lat_lon: bool = False, lon_0_to_360: bool = False, columns: dict | None = None,
    city: str = "", country: str = "", licence: str = "unknown", author: str = "", city_link_m: float = 10_000.0,
    workers: int = 0,
):  # fmt: skip
    """(rows, left_out) of a table: each of its rows ends in one of the two; row 1 is the first below the header.

    folder: where its paths begin, without it the folder of the table. columns: {field of the catalogue: column}; a
    column with the name of a field is taken without being named, unless the field is mapped to ''. city, country,
    licence, author hold where a row has none of its own. Latitude and longitude: decimal degrees, WGS 84, or north and
    east in the coordinate system crs, in its own unit; a table of points gives its points, which columns of these names
    must repeat within APART_M. swap_lat_lon: the two are
    exchanged; lon_0_to_360: longitude 286 is -74. layer: of a file with several. Times are ISO 8601, in UTC where they
    have no offset. FileNotFoundError without the file; ValueError for one that cannot be read, for options that do not
    fit it, and for coordinates that only make sense with an option that was not set.
    """
    given = {"city": city, "country": country, "licence": licence, "author": author, "source": "table"}
    at = (lon_column, lat_column) if swap_lat_lon else (lat_column, lon_column)
    frame = load(table, layer)
    points = hasattr(frame, "geom_type")
    if crs and (points or lon_0_to_360):
        raise ValueError(f"crs {crs!r} is of columns in its unit: leave it out beside lon_0_to_360 and points")
    drawn = _points(frame, swap_lat_lon) if points else None
    if points and set(at) <= set(frame):
        refuse_apart(frame, at, drawn)
    told = told_by(frame, path_column, at, columns or {}, drawn)
    if not crs:
        told = plausible(told, lon_0_to_360)
    placed, entries = on_grid(crs, *at) if crs else dict, told.to_dict("records")
    paths = [_joined(folder or str(PurePosixPath(table).parent), entry["path"]) for entry in entries]
    examine = examiner(paths, picture_path(table), workers)

    def row(path, entry):
        if not path:
            raise Unreadable("no path", "the row names no file")
        return photo(path, placed(entry), given, examine)

    numbered = [(path, f"row {n}: ", entry) for n, (path, entry) in enumerate(zip(paths, entries, strict=True), 1)]
    return collected(*kept_and_left_out(numbered, row), city_link_m=city_link_m)


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
    """A file of points, in degrees, or a Parquet file with or without them; geopandas refuses one without a system."""
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
    return frame.to_crs(4326) if hasattr(frame, "geom_type") else frame


def _csv(path):
    """All cells as text, of whatever separator stands most often in the header, or is named above it."""
    with text_tables.named(path), warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # pandas would drop surplus cells
        with path.open(encoding="utf-8-sig") as lines:
            header = lines.readline()
        told = SEPARATOR.fullmatch(header)
        how = {"sep": told[1] if told else max(",;\t", key=header.count), "skiprows": 1 if told else 0}
        names = pd.read_csv(path, nrows=1, header=None, **how, **text_tables.AS_TEXT).iloc[0].str.strip()
        frame = pd.read_csv(path, index_col=False, **how, **text_tables.AS_TEXT)
    if (twice := names[names.duplicated() & (names != "")]).any():  # pandas would call the second one lat.1
        raise ValueError(f"{path.name} has several columns {twice.iloc[0]!r}: rename them")
    return frame.set_axis(list(names), axis=1)


def told_by(frame, path_column, at, columns, points):
    """A table of path, lat_deg, lon_deg and fields of the catalogue, as written; ValueError for what is not there.

    at: the columns of latitude and longitude, or of north and east; points: what stands in their place, if anything.
    """
    if unknown := [name for name in columns if name not in FIELDS]:
        raise ValueError(f"columns: the catalogue has no field {unknown}; these can be mapped: {', '.join(FIELDS)}")
    names = {name: name for name in FIELDS if name in frame} | columns
    names = {"path": path_column} | {name: column for name, column in names.items() if column}
    names |= {"lat_deg": at[0], "lon_deg": at[1]} if points is None else {}
    if missing := [name for name, column in names.items() if column not in list(frame)]:
        options = {"path": "path_column", "lat_deg": "lat_column", "lon_deg": "lon_column"}
        meant = likely(frame, [options[name] for name in missing if name in options])
        there = ", ".join(map(str, frame.columns))
        missing = ", ".join(f"{names[name]!r} for {name}" for name in missing)
        raise ValueError(f"the table has no column {missing}; it has {there}{meant}")
    told = {name: frame[column] for name, column in names.items()} | (points or {})
    return pd.DataFrame(told).astype(object).reset_index(drop=True)


def likely(frame, missing):
    """In words, which columns may be meant by options of LIKELY; '' where none may."""
    plain = {re.sub(r"[^a-z]", "", str(column).lower()): column for column in frame}
    meant = {option: next((name for name in LIKELY[option].split() if name in plain), "") for option in missing}
    told = ", ".join(f"{option}: {plain[name]}" for option, name in meant.items() if name)
    metres = ", and crs if they are in metres" if set(meant.values()) & {"y", "northing", "north"} else ""
    return f": set {told}{metres}" if told else ""


def refuse_apart(frame, at, drawn):
    """ValueError where columns of latitude and longitude and the points of a table lie more than APART_M apart."""
    written = np.column_stack([frame[name].map(number).astype(float) for name in at])
    points = np.column_stack([drawn["lat_deg"], drawn["lon_deg"]])
    apart_m = np.nan_to_num(sphere.distance_m(written, points))
    if (far := apart_m > APART_M).any():
        row = int(apart_m.argmax())
        raise ValueError(
            f"columns {', '.join(at)} and points of the table lie more than {APART_M:g} m apart in {far.sum()} of "
            f"{len(far)} rows, in row {row + 1} by {apart_m[row]:,.1f} m: {written[row]} beside {points[row]}. Mend "
            "the table, or choose: lat_column: '' and lon_column: '' take the points, a CSV the columns"
        )


def _points(frame, swap):
    """Latitude and longitude of the points of a GeoDataFrame, none where a row has none; ValueError for lines."""
    lat_deg, lon_deg = (frame.geometry.x, frame.geometry.y) if swap else (frame.geometry.y, frame.geometry.x)
    return {"lat_deg": lat_deg, "lon_deg": lon_deg}


def _joined(start, name):
    """The path of a photo; one that begins with /, $ or ~ does not need the folder."""
    name = text(name)
    if not name or name.startswith(("/", "$", "~")) or start in ("", "."):
        return name
    return f"{start.rstrip('/')}/{name}"


def plausible(told, lon_0_to_360):
    """What a table tells, with longitudes above 180 turned where the option says that they run to 360.

    ValueError where most rows are in metres or exchanged, or longitudes run from 0 to 360 without the option.
    """
    lat, lon = (told[name].map(number).astype(float) for name in ("lat_deg", "lon_deg"))
    known = np.isfinite(lat) & np.isfinite(lon)
    beyond = known & (lon > 180) & (lon <= 360)
    metres = known & (np.maximum(lat.abs(), lon.abs()) > 360)
    swapped = known & (lat.abs() > 90) & (lat.abs() <= 180) & (lon.abs() <= 90)
    around = beyond.sum() > SLIPS * known.sum() and not (lon < 0).any() and not lon_0_to_360
    most = known.sum() / 2
    for wrong, rows, words in (
        (metres.sum() > most, metres, "metres: name their system in the option crs, such as EPSG:32633 for UTM zone 33 "
         "N; a file of points must be saved with the system it is in"),
        (swapped.sum() > most, swapped, "exchanged latitude and longitude: set swap_lat_lon: true, or do not"),
        (around, beyond, "longitudes from 0 to 360: if they are, set lon_0_to_360: true"),
    ):  # fmt: skip
        if wrong:
            first = rows.idxmax()
            at = f"row {first + 1} has latitude {lat[first]:.10g}, longitude {lon[first]:.10g}"
            raise ValueError(f"{at}: {rows.sum()} of {known.sum()} rows look like {words}")
    return told.assign(lon_deg=told["lon_deg"].where(~beyond, lon - 360)) if lon_0_to_360 else told


def on_grid(crs, north_column, east_column):
    """A function that places a row, its north and east in a coordinate system, in its own unit, in degrees.

    It raises Unreadable for what is no number or outside of the system's area. ValueError for an unknown system.
    """
    from pyproj import CRS
    from pyproj.exceptions import ProjError

    try:
        system, transformer = CRS(crs), to_degrees(crs)
    except ProjError as error:
        raise ValueError(f"crs {crs!r} is no coordinate system that pyproj knows: EPSG:27700 is one") from error
    if not (system.is_projected or system.is_geographic):
        raise ValueError(f"crs {crs!r} ({system.name}) is no grid of north and east: EPSG:27700 is one")
    unit = system.axis_info[0].unit_name

    def placed(entry):
        if unsure := [text(entry[name]) for name in ("lat_deg", "lon_deg") if THOUSANDS.fullmatch(text(entry[name]))]:
            raise Unreadable("not a number", f"the comma of {unsure[0]} may part thousands or decimals: write none")
        north = required_number(entry["lat_deg"], f"{north_column} [{unit}]")
        east = required_number(entry["lon_deg"], f"{east_column} [{unit}]")
        lon_deg, lat_deg = transformer.transform(east, north)
        if not within(system.area_of_use, lat_deg, lon_deg):
            where = f"north {north:.10g}, east {east:.10g} [{unit}] lies outside of {system.area_of_use.name}"
            raise Unreadable("broken position", f"{where} ({system.name})")
        return entry | {"lat_deg": lat_deg, "lon_deg": lon_deg}

    return placed
