"""A table of one's own, CSV, (Geo)Parquet, GeoJSON or GeoPackage: one row per photo, with its position."""

import warnings
from datetime import UTC
from pathlib import PurePosixPath

import pandas as pd

from geonb import photos
from geonb.photos import Unreadable
from geonb.sources import scan

PARQUET, POINTS = (".parquet", ".geoparquet", ".pq"), (".geojson", ".gpkg", ".shp", ".fgb")
REQUIRED = ("photo_id", "path", "geometry", "width_px", "height_px", "sha256")  # measured here, or options of their own
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
    its own unit; a table of points without these columns gives its points. ``layer``: of a file with several. Times
    are ISO 8601, in UTC where they have no offset. Row 1 is the first below the header. ``workers``: processes that
    read pictures, 0 for one per core; a picture that did not change is not read again (see scan.scanned).
    FileNotFoundError without the file, ValueError for one that cannot be read, for columns, a layer or a ``crs`` that
    do not exist.
    """
    given = {"city": city, "country": country, "licence": licence, "author": author, "source": "table"}
    frame = load(table, layer)
    placed = Grid(crs, frame, lat_column, lon_column).placed if crs else dict
    entries = fields(frame, path_column, lat_column, lon_column, columns or {})
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
    """The table as it is: a CSV as text, a file of points as a GeoDataFrame in EPSG:4326."""
    path = photos.picture_path(table)
    if not path.is_file():
        raise FileNotFoundError(f"table {table!r} is not a file on this machine: {path}")
    if layer and path.suffix.lower() not in POINTS:
        raise ValueError(f"{path.name} has no layers: leave out the option layer")
    if path.suffix.lower() not in (*PARQUET, *POINTS):
        return _csv(path)
    import geopandas
    import pyarrow.parquet

    if path.suffix.lower() in POINTS:
        frame = geopandas.read_file(path, layer=layer_of(path, layer))
    elif b"geo" not in (pyarrow.parquet.read_schema(path).metadata or {}):
        return pd.read_parquet(path)
    else:
        frame = geopandas.read_parquet(path)
    if frame.crs is None:
        raise ValueError(f"{path.name} does not say its coordinate system: save it again after `.set_crs(4326)`")
    return frame.to_crs(4326)


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
        separator = max(",;\t", key=header.count)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # pandas would drop surplus cells
            return pd.read_csv(
                path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False
            )
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 ({error}): save it as CSV UTF-8") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path.name} is not a CSV with one header and equally long rows: {error}") from error


# ---- its columns -----------------------------------------------------------------------------------------------------
def fields(frame, path_column, lat_column, lon_column, columns):
    """One dict per row, keys named as in the catalogue; a number or a time that cannot be read stays as written."""
    names = {name: name for name in FIELDS if name in frame} | columns
    unknown = [name for name in columns if name not in FIELDS]
    if unknown:
        raise ValueError(f"columns: the catalogue has no field {unknown}; these can be mapped: {', '.join(FIELDS)}")
    names = {name: column for name, column in names.items() if column}
    from_points = lat_column not in frame and lon_column not in frame and hasattr(frame, "geom_type")
    positions = [] if from_points else [lat_column, lon_column]
    missing = [column for column in [path_column, *positions, *names.values()] if column not in frame]
    if missing:
        raise ValueError(f"the table has no column {missing}; it has {', '.join(map(str, frame.columns))}")
    chosen = {name: frame[column] for name, column in names.items()}
    points = _points(frame) if from_points else {"lat_deg": frame[lat_column], "lon_deg": frame[lon_column]}
    told = pd.DataFrame({"path": frame[path_column]} | points | chosen).astype(object)
    told = told.assign(**{name: _at_once(told[name], parse) for name, parse in PARSED.items() if name in told})
    _refuse_swapped(told, lat_column, lon_column)
    return told.to_dict("records")


def _at_once(cells, parse):
    """The cells with what their column parses to, else as they are: one by one, parsing takes most of the time."""
    parsed = parse(cells.map(_text)).astype(object)
    return parsed.where(parsed.notna(), cells)


def _numbers(texts):
    return pd.to_numeric(texts.map(_with_point), errors="coerce")


def _times(texts):
    return pd.to_datetime(texts, utc=True, format="ISO8601", errors="coerce")


PARSED = {"lat_deg": _numbers, "lon_deg": _numbers, "heading_deg": _numbers, "captured_at": _times}


def _points(frame):
    """Latitude and longitude of the points of a GeoDataFrame; rows without a geometry have none."""
    wrong = frame.geom_type[frame.geometry.notna() & (frame.geom_type != "Point")]
    if len(wrong):
        raise ValueError(f"row {list(frame.index).index(wrong.index[0]) + 1} is a {wrong.iloc[0]}, not a Point")
    return {"lat_deg": frame.geometry.y, "lon_deg": frame.geometry.x}


def _refuse_swapped(points, lat_column, lon_column):
    """Nothing, or a ValueError when most rows only make sense with latitude and longitude exchanged."""
    lat, lon = (pd.Series([number_of(value) for value in points[name]], dtype=float) for name in ("lat_deg", "lon_deg"))
    swapped = (lat.abs() > 90) & (lat.abs() <= 180) & (lon.abs() <= 90)
    if swapped.sum() > len(lat.dropna()) / 2:
        row = swapped.idxmax()
        raise ValueError(
            f"latitude and longitude look swapped: row {row + 1} has latitude {lat[row]}, longitude {lon[row]}; "
            f"exchange the options: lat_column: {lon_column}, lon_column: {lat_column}"
        )


# ---- a grid ----------------------------------------------------------------------------------------------------------
class Grid:
    """North and east in a coordinate system, in its own unit. ValueError for an unknown one, or without the columns."""

    def __init__(self, crs, frame, lat_column, lon_column):
        from pyproj import CRS, Transformer
        from pyproj.exceptions import CRSError

        if lat_column not in frame or lon_column not in frame:
            raise ValueError(
                f"crs {crs!r} is that of columns {lat_column!r} and {lon_column!r}, which the table has not"
            )
        try:
            self.system = CRS(crs)
            self.to_degrees = Transformer.from_crs(self.system, "EPSG:4326", always_xy=True)
        except CRSError as error:
            raise ValueError(f"crs {crs!r} is no coordinate system that pyproj knows: EPSG:27700 is one") from error
        unit = self.system.axis_info[0].unit_name
        self.names = f"{lat_column} [{unit}]", f"{lon_column} [{unit}]"

    def placed(self, entry):
        """The entry in degrees; Unreadable where north or east is no number, or outside of the system's own area."""
        told = entry["lat_deg"], entry["lon_deg"]
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
