"""The catalogue of photos: one validated table that every source yields, without copies, each photo in a city.

Paths in it stay as portable as the study wrote them; pictures.picture_path finds the file on this machine.
"""

from collections import Counter

import numpy as np
import pandas as pd

from geonb.earth import sphere
from geonb.photos.left_out import left_out_table

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
REQUIRED = ("path", "lat_deg", "lon_deg", "city", "source", "licence", "width_px", "height_px", "sha256")
TEXTS = [name for name in COLUMNS if name not in ("geometry", "heading_deg", "captured_at", "width_px", "height_px")]
SAME_PLACE_M = 1.0
SAME_LOOK_BITS = 32  # of 256: copies, smaller or compressed again, differ in fewer, other pictures in 50 and more
SAME_HEADING_DEG = 1.0


def catalogue(rows):
    """The catalogue: a GeoDataFrame in EPSG:4326 with the columns of COLUMNS, in the order of the paths.

    rows: with lat_deg and lon_deg in place of a geometry; only REQUIRED columns must be there, photo_id else is the
    first 16 digits of sha256. ValueError names the first column or value that is wrong.
    """
    import geopandas

    allowed = [name for name in COLUMNS if name != "geometry"] + ["lat_deg", "lon_deg"]
    missing = [name for name in REQUIRED if name not in rows]
    unknown = [name for name in rows if name not in allowed]
    if missing or unknown:
        raise ValueError(f"the catalogue needs columns {missing} and has no columns {unknown}; it has {allowed}")
    at = sphere.check_lat_lon_deg(rows[["lat_deg", "lon_deg"]])
    filled = _typed(rows.reindex(columns=allowed[:-2]))
    _validate(filled)
    points = geopandas.points_from_xy(at[:, 1], at[:, 0])
    table = geopandas.GeoDataFrame(filled, geometry=points, crs="EPSG:4326")
    return table[list(COLUMNS)].sort_values("path", kind="stable", ignore_index=True)


def _typed(rows):
    """The rows with the types of the catalogue; missing text becomes ''."""
    texts = {name: rows[name].astype(object).where(rows[name].notna(), "").astype(str) for name in TEXTS}
    texts["photo_id"] = texts["photo_id"].mask(texts["photo_id"] == "", texts["sha256"].str[:16])
    times = pd.to_datetime(rows["captured_at"], utc=True).astype("datetime64[us, UTC]")
    numbers = {"heading_deg": "float64", "width_px": "int64", "height_px": "int64"}
    return rows.assign(captured_at=times, **texts).astype(numbers)


def _validate(rows):
    """Nothing, or a ValueError that names the first value outside of what the catalogue holds."""
    import pandera.errors
    import pandera.pandas as pa

    some, texts = pa.Check.str_length(min_value=1), dict.fromkeys(TEXTS, pa.Column(str))
    schema = texts | dict.fromkeys(("city", "source", "licence"), pa.Column(str, some)) | {
        **dict.fromkeys(("photo_id", "path"), pa.Column(str, some, unique=True)),
        **dict.fromkeys(("width_px", "height_px"), pa.Column(int, pa.Check.gt(0))),
        "heading_deg": pa.Column(float, pa.Check.in_range(0, 360, include_max=False), nullable=True),
        "captured_at": pa.Column(pd.DatetimeTZDtype("us", "UTC"), nullable=True),
        "sha256": pa.Column(str, pa.Check.str_matches("^[0-9a-f]{64}$")),
    }  # fmt: skip
    try:
        pa.DataFrameSchema(schema, strict=True).validate(rows, lazy=True)
    except pandera.errors.SchemaErrors as error:
        first = error.failure_cases.iloc[0]
        value = getattr(first["failure_case"], "item", lambda: first["failure_case"])()
        where = f"column {first['column']}: {value!r} fails {first['check']}"
        raise ValueError(f"{len(error.failure_cases)} values do not fit the catalogue, the first: {where}") from None


def lat_lon_deg(catalogue):
    """Positions (n, 2) of the photos, float64: latitude, longitude in degrees."""
    return np.column_stack([catalogue.geometry.y, catalogue.geometry.x]).astype(np.float64)


def with_lat_lon(catalogue):
    """The catalogue with plain columns lat_deg and lon_deg instead of its geometry."""
    lat, lon = lat_lon_deg(catalogue).T
    return catalogue.drop(columns="geometry").assign(lat_deg=lat, lon_deg=lon)


def collected(rows, left_out, *, city_link_m):
    """(rows, left_out) as tables from lists of dicts: copies are left out, photos without a city are given one."""
    if not rows:
        return pd.DataFrame(columns=["path"]), left_out_table(left_out)
    kept, again = without_duplicates(pd.DataFrame(rows))
    kept, near = without_near_duplicates(kept)
    return assign_cities(kept, city_link_m), left_out_table([*left_out, *again, *near])


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


def without_near_duplicates(rows):
    """(rows without their difference_hash, left out as dicts): of copies of one photo the one with most pixels stays.

    Copies are photos of one second, linked by steps of SAME_PLACE_M, whose difference hashes differ in SAME_LOOK_BITS
    at most and whose headings, where both are known, agree. Photos without a time or of one colour are no copies.
    """
    looks = np.frombuffer(bytes.fromhex("".join(rows["difference_hash"])), np.uint64).reshape(len(rows), -1)
    rows = rows.drop(columns="difference_hash")
    second = pd.to_datetime(rows["captured_at"], utc=True).dt.floor("s")
    some = rows[(second.notna() & second.duplicated(keep=False)).to_numpy() & looks.any(axis=1)]
    some = some.iloc[np.argsort(-some["width_px"] * some["height_px"], kind="stable")]
    first = {}
    if len(some):
        group = linked(some[["lat_deg", "lon_deg"]].to_numpy(float), SAME_PLACE_M, pd.factorize(second[some.index])[0])
        for members in some.groupby(group).groups.values():
            first |= _copies(members.to_numpy(), looks, rows["heading_deg"].to_numpy(float))
    sizes = rows["width_px"].astype(str) + " x " + rows["height_px"].astype(str)
    left_out = [
        {"path": rows["path"][copy], "reason": "near-duplicate", "detail": f"looks like {rows['path'][kept]} of the "
         f"same place and second, which has {sizes[kept]} pixels, this one {sizes[copy]} pixels"}
        for copy, kept in sorted(first.items())
    ]  # fmt: skip
    return rows.drop(index=list(first)).reset_index(drop=True), left_out


def _copies(left, looks, heading_deg):
    """{photo: the one that it is a copy of} among photos of one place and second, the largest first."""
    found = {}
    while len(left):
        first, left = left[0], left[1:]
        turn_deg = np.abs((heading_deg[left] - heading_deg[first] + 180) % 360 - 180)
        bits = np.bitwise_count(looks[left] ^ looks[first]).sum(axis=1)
        alike = (bits <= SAME_LOOK_BITS) & ~(turn_deg > SAME_HEADING_DEG)
        found |= dict.fromkeys(left[alike].tolist(), first)
        left = left[~alike]
    return found


def assign_cities(rows, link_m):
    """The rows, those without a city named after the middle of their cluster, such as 'near 50.94N 6.96E'.

    Photos belong together when steps of at most link_m metres lead from one to the other, in whatever order they come.
    """
    cities = rows["city"].to_numpy(dtype=object, copy=True)
    homeless = np.flatnonzero(cities == "")
    if not len(homeless):
        return rows
    positions = rows[["lat_deg", "lon_deg"]].to_numpy(np.float64)[homeless]
    order = np.lexsort(positions.T)  # a mean that is summed in one order is rounded in one way
    cluster = linked(positions[order], link_m)
    groups = pd.DataFrame(positions[order]).groupby(cluster)
    names = _unique_names([tuple(sphere.centre(group.to_numpy()).tolist()) for _, group in groups], taken=cities)
    cities[homeless[order]] = [names[k] for k in cluster]
    return rows.assign(city=cities)


def linked(lat_lon_deg, link_m, kind=0):
    """Cluster (n,) of each position (n, 2) under single linkage on the sphere: numbers from 0.

    kind (n,): a whole number for each, those of other kinds are never linked. Photos in cubes smaller than the link are
    linked, so only pairs of cubes are compared: a list of all near pairs would grow with n^2.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    chord = 2 * np.sin(min(link_m / (2 * sphere.EARTH_RADIUS_M), np.pi / 2))
    points = np.column_stack([sphere.unit_xyz(lat_lon_deg), np.broadcast_to(2 * chord * kind, len(lat_lon_deg))])
    cubes, cube = np.unique(np.floor(points / (chord / 2)), axis=0, return_inverse=True)  # diagonal: 0.87 of the chord
    members = np.split(np.argsort(cube.ravel(), kind="stable"), np.cumsum(np.bincount(cube.ravel()))[:-1])
    near = cKDTree(cubes).query_pairs(3.5)  # two cubes along each axis: farther ones are more than a chord away
    trees = {k: cKDTree(points[members[k]]) for pair in near for k in pair}
    pairs = [pair for pair in sorted(near) if trees[pair[0]].count_neighbors(trees[pair[1]], chord)]
    ends = np.array(pairs, dtype=int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(pairs)), (ends[0], ends[1])), shape=(len(cubes), len(cubes)))
    return connected_components(graph, directed=False)[1][cube.ravel()]


def _unique_names(centres, taken):
    """One name per centre; from south to north, names that are taken get a number."""
    names, used = {}, Counter(set(taken))
    for lat, lon in sorted(centres):
        name = f"near {abs(lat):.2f}{'NS'[lat < 0]} {abs(lon):.2f}{'EW'[lon < 0]}"
        used[name] += 1
        names[lat, lon] = f"{name} ({used[name]})" if used[name] > 1 else name
    return [names[centre] for centre in centres]
