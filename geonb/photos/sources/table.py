"""A table of one's own, CSV, (Geo)Parquet, GeoJSON or GeoPackage: one row per photo, with its position."""

import re
import warnings
from contextlib import contextmanager
from datetime import UTC
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from geonb.earth import sphere
from geonb.photos import catalogue as photos
from geonb.photos.catalogue import Unreadable
from geonb.photos.sources import scan

PARQUET, POINTS = (".parquet", ".geoparquet", ".pq"), (".geojson", ".gpkg", ".shp", ".fgb")
REQUIRED = ("photo_id", "path", "geometry", "width_px", "height_px", "sha256")  # measured here, or options of their own
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
LATEST_MS = 4e12  # year 2096: what lies beyond is no time
THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+")
FIELDS = [name for name in photos.COLUMNS if name not in REQUIRED]


def read(
    *,
    table: str,
    folder: str = "",
    path_column: str = "path",
    lat_column: str = "lat",
    lon_column: str = "lon",
    crs: str = "",
    layer: str = "",
    swap_lat_lon: bool = False,
    lon_0_to_360: bool = False,
    columns: dict | None = None,
    city: str = "",
    country: str = "",
    licence: str = "unknown",
    author: str = "",
    city_link_m: float = 10_000.0,
    workers: int = 0,
):
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
    not read again (see scan.scanned). FileNotFoundError without the file; ValueError for one that cannot be read or has
    no rows, for columns, a layer or a ``crs`` that do not exist, and for coordinates that only make sense with an
    option that was not set.
    """
    if crs and lon_0_to_360:
        raise ValueError(f"lon_0_to_360 is of degrees: leave it out beside crs {crs!r}")
    if swap_lat_lon:
        lat_column, lon_column = lon_column, lat_column
    given = {"city": city, "country": country, "licence": licence, "author": author, "source": "table"}
    frame = load(table, layer)
    placed = Grid(crs, frame, lat_column, lon_column).placed if crs else dict
    told = fields(frame, path_column, lat_column, lon_column, columns or {}, grid=bool(crs), swap_points=swap_lat_lon)
    of_points = only_points(frame, lat_column, lon_column)
    if not crs:
        names = ("latitude", "longitude") if of_points else (lat_column, lon_column)
        told = plausible(told, names, of_points=of_points, lon_0_to_360=lon_0_to_360)
    entries = told.to_dict("records")
    if hasattr(frame, "geom_type") and not of_points:
        refuse_apart(frame, entries, placed, f"{lat_column}, {lon_column}")
    start = folder or str(PurePosixPath(table).parent)
    paths = [_joined(start, entry["path"]) for entry in entries]
    seen = look(paths, photos.picture_path(table), workers)
    rows, left_out = [], []
    for number, (path, entry) in enumerate(zip(paths, entries, strict=True), 1):
        try:
            rows.append(photo(path, placed(entry), given, seen))
        except Unreadable as why:
            left_out.append({"path": path, "reason": why.reason, "detail": f"row {number}: {why.detail}"})
    return photos.collected(rows, left_out, city_link_m=city_link_m)


def look(paths, where, workers):
    """A function that stands for photos.examine of any of the paths, each of which is read once, or not again."""
    named = list(dict.fromkeys(path for path in paths if path))
    told = dict(zip(named, scan.scanned(named, scan.examined, where=where, workers=workers), strict=True))

    def examine(path):
        if "reason" in told[path]:
            raise Unreadable(told[path]["reason"], told[path]["detail"])
        return told[path]

    return examine


# ---- the file --------------------------------------------------------------------------------------------------------
def load(table, layer=""):
    """The table as it is: a CSV as text, a file of points as a GeoDataFrame in EPSG:4326. ValueError without a row."""
    path = photos.picture_path(table)
    if not path.is_file():
        raise FileNotFoundError(f"table {table!r} is not a file on this machine: {path}")
    if layer and path.suffix.lower() not in POINTS:
        raise ValueError(f"{path.name} has no layers: leave out the option layer")
    frame = _frame(path, layer)
    if not len(frame):
        raise ValueError(f"{path.name} has columns {', '.join(map(str, frame))} and no rows: one row for each photo")
    return frame


def _frame(path, layer):
    if path.suffix.lower() not in (*PARQUET, *POINTS):
        return _csv(path)
    from pyarrow import ArrowInvalid

    try:
        frame = _with_types(path, layer)
    except (ArrowInvalid, RuntimeError) as error:  # RuntimeError: what GDAL says of a file
        raise ValueError(f"{path.name} cannot be read as what its name says it is: {error}") from error
    if not hasattr(frame, "geom_type"):
        return frame
    if frame.crs is None:
        raise ValueError(f"{path.name} does not say its coordinate system: save it again after `.set_crs(4326)`")
    return frame.to_crs(4326)


def _with_types(path, layer):
    """A file of points, or a Parquet file with or without them, as it is."""
    import geopandas
    import pyarrow.parquet

    if path.suffix.lower() in POINTS:
        return geopandas.read_file(path, layer=layer_of(path, layer))
    points = b"geo" in (pyarrow.parquet.read_schema(path).metadata or {})
    return geopandas.read_parquet(path) if points else pd.read_parquet(path)


def layer_of(path, layer):
    """The layer of a file that is read: the one that is named, or the only one. ValueError lists them."""
    import geopandas

    layers = list(geopandas.list_layers(path).name)
    if layer not in layers and (layer or len(layers) > 1):
        raise ValueError(f"{path.name} has the layers {', '.join(layers)}: name one of them as option layer")
    return layer or layers[0]


def _csv(path):
    """All cells as text, so that nothing is turned into a number, a date or a missing value (NA is Namibia)."""
    try:
        with path.open(encoding="utf-8-sig") as lines:
            header = lines.readline()
        told = SEPARATOR.fullmatch(header)
        separator = told[1] if told else max(",;\t", key=header.count)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # pandas would drop surplus cells
            how = {"sep": separator, "skiprows": 1 if told else 0, "dtype": str, "keep_default_na": False}
            names = pd.read_csv(path, nrows=1, header=None, encoding="utf-8-sig", **how).iloc[0].str.strip()
            frame = pd.read_csv(path, encoding="utf-8-sig", index_col=False, **how)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 ({error}): save it as CSV UTF-8") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path.name} is not a CSV with one header and equally long rows: {error}") from error
    if (twice := names[names.duplicated() & (names != "")]).any():  # pandas would call the second one lat.1
        raise ValueError(
            f"{path.name} has {(names == twice.iloc[0]).sum()} columns {twice.iloc[0]!r}: rename one of them"
        )
    return frame.set_axis(list(names), axis=1)


@contextmanager
def csv_named(file):
    """Any error of reading a CSV becomes a ValueError that names the file."""
    try:
        yield
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{file.name} is no CSV in UTF-8 ({error}): fetch it again, or save it so") from error


# ---- its columns -----------------------------------------------------------------------------------------------------
def fields(frame, path_column, lat_column, lon_column, columns, *, grid=False, swap_points=False):
    """A table with columns named as in the catalogue; a number or a time that cannot be read stays as written.

    grid: latitude and longitude are north and east, and stay as written; swap_points: points are (latitude, longitude).
    """
    names = {name: name for name in FIELDS if name in frame} | columns
    unknown = [name for name in columns if name not in FIELDS]
    if unknown:
        raise ValueError(f"columns: the catalogue has no field {unknown}; these can be mapped: {', '.join(FIELDS)}")
    names = {name: column for name, column in names.items() if column}
    of_points = only_points(frame, lat_column, lon_column)
    named = {"path_column": path_column} | ({} if of_points else {"lat_column": lat_column, "lon_column": lon_column})
    _refuse_columns(frame, named, names)
    chosen = {name: frame[column] for name, column in names.items()}
    points = _points(frame, swap_points) if of_points else {"lat_deg": frame[lat_column], "lon_deg": frame[lon_column]}
    told = pd.DataFrame({"path": frame[path_column]} | points | chosen).astype(object).reset_index(drop=True)
    parsed = {name: parse for name, parse in PARSED.items() if name in told and not (grid and name in points)}
    return told.assign(**{name: _at_once(told[name], parse) for name, parse in parsed.items()})


def only_points(frame, lat_column, lon_column):
    """Whether positions come from the points of a GeoDataFrame: it has neither of the columns."""
    return lat_column not in frame and lon_column not in frame and hasattr(frame, "geom_type")


def _refuse_columns(frame, named, names):
    """Nothing, or a ValueError for a column that is not there or is named twice; named: {option: column}."""
    for name, column in names.items():
        if not isinstance(column, str):
            raise ValueError(f"columns: {name} is {column!r}, not the name of a column")
    if "lat_column" in named and named["lat_column"] == named["lon_column"]:
        raise ValueError(f"lat_column and lon_column are both {named['lat_column']!r}: each needs a column of its own")
    options = [option for option, column in named.items() if column not in frame]
    missing = [named[option] for option in options] + [column for column in names.values() if column not in frame]
    if missing:
        there = ", ".join(map(str, frame.columns))
        raise ValueError(f"the table has no column {missing}; it has {there}{_way_out(frame, options)}")


def _way_out(frame, options):
    """The words that tell which columns these options may mean; '' where there are none."""
    plain = {re.sub(r"[^a-z0-9]", "", str(column).lower()): column for column in reversed(list(frame.columns))}
    meant = {option: next((name for name in LIKELY[option] if name in plain), None) for option in options}
    said = ", ".join(f"{option}: {plain[name]}" for option, name in meant.items() if name)
    metres = ", and crs if they are in metres" if set(meant.values()) & set(GRIDS) else ""
    return f": set {said}{metres}" if said else ""


def _at_once(cells, parse):
    """The cells with what their column parses to, else as they are: one by one, parsing takes most of the time."""
    parsed = parse(cells.map(_text)).astype(object)
    return parsed.where(parsed.notna(), cells)


def _numbers(texts):
    return pd.to_numeric(texts.map(_with_point), errors="coerce")


def _times(texts):
    return pd.to_datetime(texts, utc=True, format="ISO8601", errors="coerce")


PARSED = {"lat_deg": _numbers, "lon_deg": _numbers, "heading_deg": _numbers, "captured_at": _times}


def _points(frame, swap):
    """Latitude and longitude of the points of a GeoDataFrame; rows without a geometry have none."""
    wrong = frame.geom_type[frame.geometry.notna() & (frame.geom_type != "Point")]
    if len(wrong):
        raise ValueError(f"row {list(frame.index).index(wrong.index[0]) + 1} is a {wrong.iloc[0]}, not a Point")
    lat_deg, lon_deg = (frame.geometry.x, frame.geometry.y) if swap else (frame.geometry.y, frame.geometry.x)
    return {"lat_deg": lat_deg, "lon_deg": lon_deg}


# ---- what coordinates seem to be -------------------------------------------------------------------------------------
def plausible(told, names, *, of_points, lon_0_to_360):
    """What a table tells, as from fields, with longitudes up to 360 turned where the option says that they are such.

    names: its columns of latitude and longitude, for the words. ValueError where most rows are in metres, or only make
    sense with latitude and longitude exchanged, or where longitudes run from 0 to 360 without the option.
    """
    lat, lon = (pd.to_numeric(told[name], errors="coerce").astype(float) for name in ("lat_deg", "lon_deg"))
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
    way_out = "name their coordinate system in the option crs, such as EPSG:32633 for UTM zone 33 N"
    if of_points:
        way_out = "the file says that its points are degrees: save it with the system that they are in"
    what, (first, second) = "its points look" if of_points else f"{far.sum()} of {len(far)} rows look", names
    where = f"{first} {lat[far.idxmax()]:.10g}, {second} {lon[far.idxmax()]:.10g}"
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
    told = np.array([_placed_at(placed, entry) for entry in entries])
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


def _placed_at(placed, entry):
    """Latitude and longitude [degree] of a row's columns, NaN where they tell none."""
    try:
        entry = placed(entry)
        return [number_of(entry[name]) for name in ("lat_deg", "lon_deg")]
    except Unreadable:
        return [np.nan, np.nan]


# ---- a grid ----------------------------------------------------------------------------------------------------------
class Grid:
    """North and east in a coordinate system, in its own unit. ValueError for an unknown one, or without the columns."""

    def __init__(self, crs, frame, lat_column, lon_column):
        from pyproj import CRS, Transformer
        from pyproj.exceptions import ProjError

        if lat_column not in frame or lon_column not in frame:
            raise ValueError(
                f"crs {crs!r} is that of columns {lat_column!r} and {lon_column!r}, which the table has not"
            )
        try:
            self.system = CRS(crs)
            self.to_degrees = Transformer.from_crs(self.system, "EPSG:4326", always_xy=True)
        except ProjError as error:
            raise ValueError(f"crs {crs!r} is no coordinate system that pyproj knows: EPSG:27700 is one") from error
        if not (self.system.is_projected or self.system.is_geographic):
            raise ValueError(f"crs {crs!r} ({self.system.name}) is no grid of north and east: EPSG:27700 is one")
        unit = self.system.axis_info[0].unit_name
        self.names = f"{lat_column} [{unit}]", f"{lon_column} [{unit}]"

    def placed(self, entry):
        """The entry in degrees; Unreadable where north or east is no number, or outside of the system's own area."""
        told = entry["lat_deg"], entry["lon_deg"]
        for value, name in zip(told, self.names, strict=True):
            if THOUSANDS.fullmatch(_text(value)):
                words = f"{name} is {_text(value)!r}, whose comma may part thousands or decimals: write it without"
                raise Unreadable("not a number", words)
        north, east = (required_number(value, name) for value, name in zip(told, self.names, strict=True))
        lon_deg, lat_deg = self.to_degrees.transform(east, north)
        area = self.system.area_of_use
        if not photos.within(area, lat_deg, lon_deg):
            where = f"{self.names[0]} {north:.10g}, {self.names[1]} {east:.10g}"
            raise Unreadable("broken position", f"{where} lies outside of {area.name} ({self.system.name})")
        return entry | {"lat_deg": lat_deg, "lon_deg": lon_deg}


# ---- a row -----------------------------------------------------------------------------------------------------------
def photo(path, entry, given, examine=photos.examine):
    """The row of the catalogue; Unreadable tells why there is none."""
    if not path:
        raise Unreadable("no path", "the row names no file")
    lat, lon = (required_number(entry[name], name) for name in ("lat_deg", "lon_deg"))
    photos.check_position(lat, lon)
    texts = {name: _text(entry.get(name)) or given.get(name, "") for name in FIELDS}
    seen = {"heading_deg": _heading(entry.get("heading_deg")), "captured_at": _time(entry.get("captured_at"))}
    facts = examine(path)
    position = {"lat_deg": lat, "lon_deg": lon, "photo_id": facts["sha256"][:16]}
    return {"path": path} | texts | seen | facts | position


def _joined(start, name):
    """The path of a photo; one that begins with /, $ or ~ does not need the folder."""
    name = _text(name)
    if not name or name.startswith(("/", "$", "~")) or start in ("", "."):
        return name
    return f"{start.rstrip('/')}/{name}"


def _text(value):
    return "" if value is None or pd.isna(value) else str(value).strip()


def number_of(value):
    """The number, also with a decimal comma; not-a-number for anything else."""
    if type(value) is float:
        return value
    words = _with_point(_text(value))
    return float(pd.to_numeric(words, errors="coerce")) if words else float("nan")


def _with_point(words):
    return words.replace(",", ".") if words.count(",") == 1 and "." not in words else words


def required_number(value, name):
    """The number; Unreadable where there is none. name: field of the catalogue, for the words."""
    number = number_of(value)
    if number != number:
        what = name.removesuffix("_deg")
        if _text(value):
            unit = "decimal degrees" if what != name else "a number"
            raise Unreadable("not a number", f"{what} is {_text(value)!r}, not {unit}")
        raise Unreadable("no position", f"{what} is empty")
    return number


def _heading(value):
    """Degrees within [0, 360), not-a-number where empty; -180..180 is understood."""
    number = number_of(value)
    if number != number and _text(value):
        raise Unreadable("not a number", f"heading_deg is {_text(value)!r}, not degrees")
    if abs(number) > 360:
        raise Unreadable("heading out of range", f"heading_deg is {number}, not within -360..360")
    return number % 360


def _time(value):
    """The time in UTC, NaT where empty."""
    if isinstance(value, pd.Timestamp) and value.tz is UTC:
        return value
    if not _text(value):
        return pd.NaT
    try:
        return pd.to_datetime(value if hasattr(value, "year") else _text(value), utc=True, format="ISO8601")
    except (ValueError, OverflowError):
        raise Unreadable("not a time", f"captured_at is {_text(value)!r}, not ISO 8601") from None


def of_milliseconds(value):
    """The time that is so many milliseconds after 1970, '' for what is no such number, or lies beyond LATEST_MS."""
    number = pd.to_numeric(str(value), errors="coerce")
    return pd.Timestamp(int(number), unit="ms", tz="UTC") if 0 < number < LATEST_MS else ""
