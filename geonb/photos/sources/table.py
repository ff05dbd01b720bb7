"""A table of one's own, CSV, (Geo)Parquet, GeoJSON or GeoPackage: one row per photo, with its position."""

import re
import warnings
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from geonb.earth import sphere
from geonb.photos.catalogue import collected
from geonb.photos.pictures import picture_path
from geonb.photos.reasons import Unreadable, kept_and_left_out
from geonb.photos.sources import fields, scan

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
    not read again (see scan.scanned). FileNotFoundError without the file; ValueError for one that cannot be read or has
    no rows, for columns, a layer or a ``crs`` that do not exist, and for coordinates that only make sense with an
    option that was not set.
    """
    if crs and lon_0_to_360:
        raise ValueError(f"lon_0_to_360 is of degrees: leave it out beside crs {crs!r}")
    given = {"city": city, "country": country, "licence": licence, "author": author, "source": "table"}
    lat_lon = (lon_column, lat_column) if swap_lat_lon else (lat_column, lon_column)
    frame = load(table, layer)
    placed = Grid(crs, frame, *lat_lon).placed if crs else dict
    of_points = hasattr(frame, "geom_type") and not set(lat_lon) & set(frame)  # it has neither of the columns
    at = _points(frame, swap_lat_lon) if of_points else {}
    told = told_by(frame, path_column, lat_lon, columns or {}, at)
    if not crs:
        told = parsed(told, ("lat_deg", "lon_deg"), _numbers)
        told = plausible(told, ("latitude", "longitude") if at else lat_lon, bool(at), lon_0_to_360)
    entries = told.to_dict("records")
    if hasattr(frame, "geom_type") and not at:
        refuse_apart(frame, entries, placed, ", ".join(lat_lon))
    paths = [_joined(folder or str(PurePosixPath(table).parent), entry["path"]) for entry in entries]
    examine = scan.examiner(paths, picture_path(table), workers)

    def photo(path, entry):
        if not path:
            raise Unreadable("no path", "the row names no file")
        return fields.photo(path, placed(entry), given, examine)

    numbered = [(path, f"row {n}: ", entry) for n, (path, entry) in enumerate(zip(paths, entries, strict=True), 1)]
    return collected(*kept_and_left_out(numbered, photo), city_link_m=city_link_m)


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
    """A file of points, or a Parquet file with or without them; points in degrees."""
    import geopandas
    import pyarrow.parquet

    try:
        if path.suffix.lower() in POINTS:
            frame = geopandas.read_file(path, layer=_layer_of(path, layer))
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


def _layer_of(path, layer):
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
    twice = names[names.duplicated() & (names != "")]
    if len(twice):  # pandas would call the second one lat.1
        raise ValueError(
            f"{path.name} has {(names == twice.iloc[0]).sum()} columns {twice.iloc[0]!r}: rename one of them"
        )
    return frame.set_axis(list(names), axis=1)


# ---- its columns -----------------------------------------------------------------------------------------------------
def told_by(frame, path_column, lat_lon, columns, points):
    """A table of path, lat_deg, lon_deg and fields of the catalogue; what cannot be read stays as written.

    lat_lon: names of two columns, whose cells stay as written; points: what stands in their place. ValueError for
    columns that are not there.
    """
    if unknown := [name for name in columns if name not in fields.FIELDS]:
        known = ", ".join(fields.FIELDS)
        raise ValueError(f"columns: the catalogue has no field {unknown}; these can be mapped: {known}")
    names = {name: name for name in fields.FIELDS if name in frame} | columns
    names = {name: column for name, column in names.items() if column}
    named = {"path_column": path_column} | (
        {} if points else dict(zip(("lat_column", "lon_column"), lat_lon, strict=True))
    )
    _refuse_columns(frame, named, names)
    points = points or {name: frame[column] for name, column in zip(("lat_deg", "lon_deg"), lat_lon, strict=True)}
    told = pd.DataFrame({"path": frame[path_column]} | points | {name: frame[column] for name, column in names.items()})
    told = told.astype(object).reset_index(drop=True)
    return parsed(parsed(told, ("heading_deg",), _numbers), ("captured_at",), _times)


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


def parsed(told, names, parse):
    """The table, cells of these columns parsed where they can be: one by one, that takes most of the time."""
    found = {name: parse(told[name].map(fields.text)).astype(object) for name in names if name in told}
    return told.assign(**{name: cells.where(cells.notna(), told[name]) for name, cells in found.items()})


def _numbers(texts):
    return pd.to_numeric(texts.map(fields.with_point), errors="coerce")


def _times(texts):
    return pd.to_datetime(texts, utc=True, format="ISO8601", errors="coerce")


def _points(frame, swap):
    """Latitude and longitude of the points of a GeoDataFrame; rows without a geometry have none."""
    wrong = frame.geom_type[frame.geometry.notna() & (frame.geom_type != "Point")]
    if len(wrong):
        raise ValueError(f"row {list(frame.index).index(wrong.index[0]) + 1} is a {wrong.iloc[0]}, not a Point")
    lat_deg, lon_deg = (frame.geometry.x, frame.geometry.y) if swap else (frame.geometry.y, frame.geometry.x)
    return {"lat_deg": lat_deg, "lon_deg": lon_deg}


def _joined(start, name):
    """The path of a photo; one that begins with /, $ or ~ does not need the folder."""
    name = fields.text(name)
    if not name or name.startswith(("/", "$", "~")) or start in ("", "."):
        return name
    return f"{start.rstrip('/')}/{name}"


# ---- what coordinates seem to be -------------------------------------------------------------------------------------
def plausible(told, names, of_points, lon_0_to_360):
    """What a table tells, with longitudes up to 360 turned where the option says that they are such.

    names: of latitude and longitude, for the words. ValueError where most rows are in metres, or only make sense with
    latitude and longitude exchanged, or where longitudes run from 0 to 360 without the option.
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
    what = f"{far.sum()} of {len(far)} rows look"
    way_out = "name their coordinate system in the option crs, such as EPSG:32633 for UTM zone 33 N"
    if of_points:
        what, way_out = (
            "its points look",
            "the file calls them degrees: save it with the system that they are in",
        )
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
        return [fields.number(entry[name]) for name in ("lat_deg", "lon_deg")]
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
            if THOUSANDS.fullmatch(fields.text(value)):
                words = (
                    f"{name} is {fields.text(value)!r}, whose comma may part thousands or decimals: write it without"
                )
                raise Unreadable("not a number", words)
        north, east = (fields.required_number(value, name) for value, name in zip(told, self.names, strict=True))
        lon_deg, lat_deg = self.to_degrees.transform(east, north)
        area = self.system.area_of_use
        if not fields.within(area, lat_deg, lon_deg):
            where = f"{self.names[0]} {north:.10g}, {self.names[1]} {east:.10g}"
            raise Unreadable("broken position", f"{where} lies outside of {area.name} ({self.system.name})")
        return entry | {"lat_deg": lat_deg, "lon_deg": lon_deg}
