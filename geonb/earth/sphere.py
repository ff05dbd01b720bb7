"""Positions on the Earth: `lat_lon_deg` are float64 arrays (..., 2) in degrees (WGS84); lengths are metres."""

import numpy as np

EARTH_RADIUS_M = 6_371_008.8  # mean radius R1 of the WGS84 ellipsoid (Moritz 2000)


def distance_m(lat_lon_deg_a, lat_lon_deg_b):
    """Great-circle distance (...,) in metres between two stacks (..., 2) that broadcast against each other.

    Haversine form, exact to rounding, near antipodes to a few decimetres; the ellipsoid is ignored (up to 0.56 %).
    """
    a, b = np.radians(np.float64(lat_lon_deg_a)), np.radians(np.float64(lat_lon_deg_b))
    half = np.sin((b - a) / 2) ** 2
    h = half[..., 0] + np.cos(a[..., 0]) * np.cos(b[..., 0]) * half[..., 1]
    return 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.clip(h, 0, 1)))


def pair_distance_m(lat_lon_deg_a, lat_lon_deg_b=None):
    """Great-circle distances (n, m) in metres between every position of (n, 2) and every one of (m, 2)."""
    b = lat_lon_deg_a if lat_lon_deg_b is None else lat_lon_deg_b
    return distance_m(np.asarray(lat_lon_deg_a)[:, None], np.asarray(b)[None])


def unit_xyz(lat_lon_deg):
    """Points (..., 3) on the unit sphere: straight-line neighbours there are great-circle neighbours on the Earth."""
    lat, lon = np.moveaxis(np.radians(np.float64(lat_lon_deg)), -1, 0)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def nearest(lat_lon_deg, places_lat_lon_deg):
    """Index (n,) of the nearest of the places (m, 2) to each position (n, 2), and the distance (n,) to it in metres."""
    from scipy.spatial import cKDTree

    if len(places_lat_lon_deg) == 0:
        raise ValueError("there is no place to be near to: the list of places is empty")
    chosen = cKDTree(unit_xyz(places_lat_lon_deg)).query(unit_xyz(lat_lon_deg))[1]
    return chosen, distance_m(lat_lon_deg, np.asarray(places_lat_lon_deg)[chosen])


def centre(lat_lon_deg):
    """The mean direction (2,) of positions, safe across the date line and at the poles; ValueError for antipodes."""
    mean = unit_xyz(lat_lon_deg).reshape(-1, 3).mean(axis=0)
    if np.linalg.norm(mean) < 1e-9:
        raise ValueError("these positions cancel out, as antipodes do: they have no centre")
    return lat_lon_of(mean)


def lat_lon_of(xyz):
    """Positions (..., 2) in degrees of the directions of points (..., 3) from the Earth's centre, of any length."""
    x, y, z = np.moveaxis(np.float64(xyz), -1, 0)
    return np.stack([np.degrees(np.arctan2(z, np.hypot(x, y))), np.degrees(np.arctan2(y, x))], axis=-1)


def to_local_m(lat_lon_deg, origin_lat_lon_deg):
    """East and north (..., 2) in metres from an origin (2,), or from one for each (..., 2): azimuthal equidistant.

    Distances from the origin are exact on the sphere; between two points 10 km from it wrong by less than 1e-6.
    """
    lat, lon = np.moveaxis(np.radians(np.float64(lat_lon_deg)), -1, 0)
    lat0, lon0 = np.moveaxis(np.radians(np.float64(origin_lat_lon_deg)), -1, 0)
    turn = lon - lon0
    east = np.cos(lat) * np.sin(turn)
    # cos(lat0) sin(lat) - sin(lat0) cos(lat) cos(turn), written so that nothing cancels near the origin
    north = np.sin(lat - lat0) + 2 * np.sin(lat0) * np.cos(lat) * np.sin(turn / 2) ** 2
    sine = np.hypot(east, north)
    angle = distance_m(lat_lon_deg, origin_lat_lon_deg) / EARTH_RADIUS_M
    stretch = np.where(sine > 0, angle / np.where(sine > 0, sine, 1.0), 1.0) * EARTH_RADIUS_M
    return np.stack([east * stretch, north * stretch], axis=-1)


def from_local_m(east_north_m, origin_lat_lon_deg):
    """The positions (..., 2) in degrees whose ``to_local_m`` is east_north_m (..., 2)."""
    east, north = np.moveaxis(np.float64(east_north_m) / EARTH_RADIUS_M, -1, 0)
    lat0, lon0 = np.radians(np.float64(origin_lat_lon_deg))
    angle = np.hypot(east, north)
    shrink = np.sinc(angle / np.pi)  # sin(angle) / angle
    up = np.cos(angle) * np.sin(lat0) + north * shrink * np.cos(lat0)
    across, ahead = east * shrink, np.cos(lat0) * np.cos(angle) - north * shrink * np.sin(lat0)
    # not the arcsine of up: beside a pole it would lose decimetres
    lat, turn = np.arctan2(up, np.hypot(across, ahead)), np.arctan2(across, ahead)
    return np.stack([np.degrees(lat), wrap_lon_deg(np.degrees(lon0 + turn))], axis=-1)


def wrap_lon_deg(lon_deg):
    """Longitude brought into [-180, 180)."""
    return (np.float64(lon_deg) + 180) % 360 - 180


def equal_earth(lat_lon_deg):
    """Equal Earth projection (..., 2): x, y on the unit sphere (Šavrič, Patterson and Jenny 2019)."""
    a1, a2, a3, a4 = 1.340264, -0.081106, 0.000893, 0.003796
    lat, lon = np.moveaxis(np.radians(np.float64(lat_lon_deg)), -1, 0)
    t = np.arcsin(np.sqrt(3) / 2 * np.sin(lat))
    slope = 9 * a4 * t**8 + 7 * a3 * t**6 + 3 * a2 * t**2 + a1
    x = 2 * np.sqrt(3) * lon * np.cos(t) / (3 * slope)
    return np.stack([x, a4 * t**9 + a3 * t**7 + a2 * t**3 + a1 * t], axis=-1)


def check_lat_lon_deg(lat_lon_deg):
    """The same positions as float64; ValueError names the first that is missing or beyond its range."""
    positions = np.asarray(lat_lon_deg, dtype=np.float64)
    for axis, name, bound in ((0, "latitude", 90), (1, "longitude", 180)):
        wrong = np.flatnonzero(~(np.abs(positions[..., axis]).ravel() <= bound))
        if len(wrong):
            value = positions[..., axis].ravel()[wrong[0]]
            raise ValueError(f"{name} {value} of row {wrong[0]} is not within -{bound}..{bound} degrees")
    return positions


def split_xyz_m(lat_lon_deg):
    """Points (n, 3) [m] as two float32 arrays, whole metres and the rest: differences keep their millimetres."""
    xyz_m = unit_xyz(lat_lon_deg) * EARTH_RADIUS_M
    whole = np.floor(xyz_m)
    return whole.astype(np.float32), (xyz_m - whole).astype(np.float32)


def length(metres):
    """A length as text that people read: '56 m', '1.4 km', '392 km'."""
    if metres < 1000:
        return f"{metres:.0f} m"
    return f"{metres / 1000:.1f} km" if metres < 10_000 else f"{metres / 1000:,.0f} km"
