"""Pictures of a city: one ray in plan per column meets buildings in order of distance, rows then decide heights.

The camera has no roll and its pitch is a shift of the lens, so each column of samples is one vertical plane. A uniform
grid of cells lists the parts of buildings, streets and things near every place; everything is seen by the same rule:
junctions, side streets, corners, gaps between houses, landmarks. Light is computed linearly and developed as a camera
does: exposure by the picture's own mean, a tone curve, noise. Compiled by numba, parallel over pictures.
"""

import math
from typing import NamedTuple

import numba
import numpy as np
from numba import njit, prange

from geonb import checks
from simcities import day, facades, fields, things
from simcities.facades import compiled, cover, lattice, noise

# numba's OpenMP would set torch's threads to all cores: two pages at a time then train ten times as long
numba.config.THREADING_LAYER = "workqueue"

LEAST_PX = 16  # of a picture's side: below nothing could be seen
CELL_M = 20.0
VERGE_M = 1.6  # the widest strip of lawn between kerb and pavement, where greenery is high
STRETCH_M = 70.0  # of a road with one surface
SIGHT_M = 260.0  # walls beyond are left to the haze
NEAR_M = 110.0  # things beyond are left out
MOST_HITS, MOST_NODES, MOST_THINGS, MOST_SEEN, MOST_DRAWN = 28, 12, 512, 40, 48
# columns of a hit: distances along the ray, the side that it enters, place along it, the side's width, the part,
# how many nodes its roofline has, how squarely the ray meets the side, light of the sun on it, height of the shadow
T_IN, T_OUT, SIDE, ALONG, WIDTH, PART, NODES, SQUARE, FACING, SHADOW = range(10)
# columns of a pose
EAST, NORTH, HEADING, EYE, FOCAL, PITCH, SCENE, STREET, ALONG_M, FORWARD = range(10)
# columns of a street
START_E, START_N, DIR_E, DIR_N, LENGTH, HALF, ROAD, KEY = range(8)


# into the caller's loop: to hand a Scene over costs more than most of what is done with it
inlined = njit(cache=True, error_model="numpy", inline="always")


GROUND = ("paving", "stone", "greenery")  # fields that the ground shows at every point


class Scene(NamedTuple):
    """A city as plain arrays: what there is, and for each cell of the grid where its entries of a list begin."""

    parts: np.ndarray
    looks: np.ndarray
    part_first: np.ndarray
    part_ids: np.ndarray
    body_first: np.ndarray
    body_ids: np.ndarray
    things: np.ndarray
    thing_first: np.ndarray
    thing_ids: np.ndarray
    streets: np.ndarray
    street_first: np.ndarray
    street_ids: np.ndarray
    grounds: np.ndarray
    paving: np.ndarray
    stone: np.ndarray
    greenery: np.ndarray
    half_m: float
    cells: int
    tallest_m: float


class Light(NamedTuple):
    """Sun and sky of one photo: unit vector to the sun, irradiances, and what the air and the ground are like."""

    east: float
    up: float
    north: float
    plan_east: float
    plan_north: float
    fall: float
    sun_red: float
    sun_green: float
    sun_blue: float
    sky_red: float
    sky_green: float
    sky_blue: float
    clear: float
    cloud: float
    haze: float
    season: float
    wet: float
    salt: int


def render(city, photos, nuisances, picture_px, style=None):
    """Pictures (n, picture_px, picture_px, 3) uint8 of a table of photos (n rows) and its nuisance table (n, 12).

    2x2 anti-aliased. A picture depends on the city and its own row alone: the same in any batch. style 1 has another
    palette, lens and grammar of facades; None: the city's own. ValueError for a size below 16 px or no multiple of it,
    for another style, for tables of different lengths, an unknown scene or street, and for numbers that are missing.
    """
    if picture_px < LEAST_PX or picture_px % LEAST_PX:
        raise ValueError(f"picture_px {picture_px} must be a multiple of {LEAST_PX}, such as 64 or 96")
    style = city.style if style is None else style
    if style not in (0, 1):
        raise ValueError(f"style {style} is neither 0 (default) nor 1 (shifted)")
    if len(photos) != len(nuisances):
        raise ValueError(f"{len(photos)} photos but {len(nuisances)} rows of nuisances: draw one row for each photo")
    seen, nuisances = poses(photos), np.ascontiguousarray(nuisances, dtype=float)
    check_tables(city, seen, nuisances)
    return render_all(int(picture_px), scene_of(city, style), seen, nuisances, style)


def check_tables(city, seen, nuisances):
    """Nothing, or a ValueError: what is compiled reads beyond an array without a word."""
    if nuisances.ndim != 2 or nuisances.shape[1] != len(day.NAMES):
        raise ValueError(f"nuisances must be {len(day.NAMES)} columns for each photo, they are {nuisances.shape}")
    checks.finite("photos", seen)
    checks.finite("nuisances", nuisances)
    there = (seen[:, STREET] >= 0) & (seen[:, STREET] < len(city.length_m))
    if not there.all():
        wrong = int(seen[~there, STREET][0])
        raise ValueError(f"street {wrong} is none of the city's, they are 0 to {len(city.length_m) - 1}")


def poses(photos):
    """Poses (n, 10) of a table of photos. ValueError for an unknown scene."""
    table = np.empty((len(photos), 10))
    names = ("east_m", "north_m", "heading_rad", "eye_m", "focal", "pitch")
    for column, name in enumerate(names):
        table[:, column] = photos[name].to_numpy(float)
    unknown = set(photos.scene) - set(things.SCENES)
    if unknown:
        raise ValueError(f"scenes {sorted(unknown)} are none of {things.SCENES}")
    table[:, SCENE] = [things.SCENES.index(name) for name in photos.scene]
    for column, name in ((STREET, "street"), (ALONG_M, "along_m"), (FORWARD, "forward")):
        table[:, column] = photos[name].to_numpy(float)
    return table


def scene_of(city, style):
    """The Scene of a city; a few milliseconds, so that nothing needs to be kept between calls."""
    half_m = city.half_side_m + 2 * CELL_M
    cells = int(np.ceil(2 * half_m / CELL_M))
    looks = facades.looks_of(city.buildings, style)
    parts = facades.parts_of(city.buildings, looks, style)
    keys = city.index * 1000.0 + np.arange(len(city.length_m))
    streets = np.column_stack(
        [city.start_m, city.direction, city.length_m, city.half_width_m, city.road_half_m, keys]
    ).astype(float)  # fmt: skip
    middle = city.start_m + city.direction * city.length_m[:, None] / 2
    strips = np.column_stack([middle, city.direction, city.length_m / 2 + city.half_width_m, city.half_width_m + 4])
    east, north = city.things[:, things.EAST], city.things[:, things.NORTH]
    cell = cell_of(north, half_m, cells) * cells + cell_of(east, half_m, cells)
    boxes = np.ascontiguousarray(parts[:, :6])
    bodies = np.flatnonzero((parts[:, facades.BASE] == 0) & (parts[:, facades.TOP] > 2.4))
    body_first, body_ids = lists_of(boxes[bodies], half_m, cells)
    return Scene(
        parts, looks, *lists_of(boxes, half_m, cells), body_first, bodies[body_ids],
        np.ascontiguousarray(city.things, dtype=float),
        np.searchsorted(np.sort(cell), np.arange(cells * cells + 1)), np.argsort(cell, kind="stable"),
        streets, *lists_of(strips, half_m, cells), np.ascontiguousarray(city.grounds, dtype=float),
        *(np.ascontiguousarray(city.fields[fields.FIELDS.index(name)], dtype=float) for name in GROUND),
        half_m, cells, facades.tallest_m(parts),
    )  # fmt: skip


def cell_of(metres, half_m, cells):
    """Row or column of the grid at positions (n,), those outside in the outermost."""
    return np.clip(np.floor((metres + half_m) / CELL_M), 0, cells - 1).astype(int)


@compiled
def lists_of(boxes, half_m, cells):
    """(first (cells^2 + 1,), ids): for each cell which oriented boxes (n, 6: centre, cos, sin, half sizes) touch it."""
    first = np.zeros(cells * cells + 1, np.int64)
    ids = np.empty(0, np.int64)
    margin = 0.7072 * CELL_M
    for fill in (False, True):
        at = first[:-1].copy()
        for n in range(len(boxes)):
            e, v, cos, sin, wide, deep = boxes[n]
            reach = math.hypot(wide, deep)
            for i in range(
                max(int((v - reach + half_m) / CELL_M), 0), min(int((v + reach + half_m) / CELL_M) + 1, cells)
            ):
                for j in range(
                    max(int((e - reach + half_m) / CELL_M), 0), min(int((e + reach + half_m) / CELL_M) + 1, cells)
                ):
                    x, y = (j + 0.5) * CELL_M - half_m - e, (i + 0.5) * CELL_M - half_m - v
                    if abs(x * cos + y * sin) < wide + margin and abs(y * cos - x * sin) < deep + margin:
                        if fill:
                            ids[at[i * cells + j]] = n
                            at[i * cells + j] += 1
                        else:
                            first[i * cells + j + 1] += 1
        if not fill:
            first = np.cumsum(first)
            ids = np.empty(first[-1], np.int64)
    return first, ids


@njit(parallel=True, cache=True, error_model="numpy")
def render_all(px, scene, poses, nuisances, style):
    """render from plain arrays: one row per photo."""
    pictures = np.empty((len(poses), px, px, 3), np.uint8)
    for n in prange(len(poses)):
        picture(pictures[n], px, scene, poses[n], nuisances[n], style)
    return pictures


# ---- light -----------------------------------------------------------------------------------------------------------
@compiled
def light_of(nuisance):
    """Sun and sky of one row of the nuisance table."""
    azimuth, elevation = nuisance[day.SUN_AZIMUTH], nuisance[day.SUN_ELEVATION]
    cloud = nuisance[day.CLOUD]
    clear = min(max((0.68 - cloud) / 0.3, 0.0), 1.0)
    clear = clear * clear * (3 - 2 * clear)
    warm = min(max((0.75 - elevation) / 0.6, 0.0), 1.0)
    sun = 4.0 * clear
    level = math.cos(elevation)
    return Light(
        math.sin(azimuth) * level, math.sin(elevation), math.cos(azimuth) * level,
        math.sin(azimuth), math.cos(azimuth), math.tan(elevation),
        sun * 1.05, sun * (0.95 - 0.10 * warm), sun * (0.84 - 0.26 * warm),
        0.57 * clear + 1.15 * (1 - clear), 0.66 * clear + 1.19 * (1 - clear), 0.84 * clear + 1.25 * (1 - clear),
        clear, cloud, 0.55 * nuisance[day.HAZE], nuisance[day.SEASON], nuisance[day.WET], int(nuisance[day.SALT]),
    )  # fmt: skip


@compiled
def sky(out, light, de, dh, dn):
    """Fill out[:3] with the sky along a unit direction: a gradient, the sun's glow, clouds of several sizes."""
    up = max(dh, 0.0)
    high = 1 - math.exp(-3.2 * up)
    red, green, blue = 1.05 - 0.83 * high, 1.18 - 0.72 * high, 1.32 - 0.42 * high
    toward = max(de * light.east + dh * light.up + dn * light.north, 0.0)
    glow = light.clear * (0.5 * toward**8 + 1.6 * toward**64 + 12.0 * toward**800)
    x, y = 1.6 * de / (up + 0.16), 1.6 * dn / (up + 0.16)
    layer = light.salt % 65521
    billow = 0.52 * noise(x * 0.7, y * 0.7, layer) + 0.27 * noise(x * 1.6, y * 1.6, layer + 1)
    billow += 0.14 * noise(x * 3.7, y * 3.7, layer + 2) + 0.07 * noise(x * 8.1, y * 8.1, layer + 3)
    whole = max(0.0, (light.cloud - 0.62) / 0.38)
    cover_ = min(max((billow - 0.86 + 0.75 * light.cloud) * 4.5, 0.0), 1.0)
    cover_ = max(cover_, min(1.6 * whole, 1.0))
    cover_ *= min(1.0, 0.35 + 6 * up)
    lit = 1.75 - 0.75 * whole - (0.9 - 0.35 * whole) * max(billow - 0.40, 0.0) * (0.6 + light.cloud)
    out[0] = red * (1 - cover_) + lit * 0.99 * cover_ + glow
    out[1] = green * (1 - cover_) + lit * cover_ + 0.92 * glow
    out[2] = blue * (1 - cover_) + lit * 1.03 * cover_ + 0.75 * glow


@compiled
def far_hills(out, light, azimuth, rise):
    """Lay what stands beyond the city over out[:3]: woods and hills in the haze, along a direction and its slope."""
    hill = 0.012 + 0.05 * noise(azimuth * 3.0, 0.5, 61) ** 2 + 0.012 * noise(azimuth * 40.0, 0.5, 62)
    share = 0.75 * min(max((hill - rise) / 0.006, 0.0), 1.0)
    out[0] += (0.30 * light.sky_red - out[0]) * share
    out[1] += (0.35 * light.sky_green - out[1]) * share
    out[2] += (0.36 * light.sky_blue - out[2]) * share


# ---- rays in plan ----------------------------------------------------------------------------------------------------
@compiled
def chord(parts, p, e, n, de, dn):
    """(t_in, t_out, side, a0, b0, da, db) of a ray in plan through part p; t_in > t_out where it passes by."""
    cos, sin = parts[p, facades.COS], parts[p, facades.SIN]
    x, y = e - parts[p, facades.EAST], n - parts[p, facades.NORTH]
    a0, b0 = x * cos + y * sin, y * cos - x * sin
    da, db = de * cos + dn * sin, dn * cos - de * sin
    wide, deep = parts[p, facades.HALF_WIDTH], parts[p, facades.HALF_DEPTH]
    if parts[p, facades.ROUND] > 0:
        square, q, r = da * da + db * db, a0 * da + b0 * db, a0 * a0 + b0 * b0 - wide * wide
        inside = q * q - square * r
        if inside <= 0:
            return 1.0, 0.0, 0, a0, b0, da, db
        root = math.sqrt(inside)
        return (-q - root) / square, (-q + root) / square, 0, a0, b0, da, db
    if abs(da) < 1e-9:
        da = 1e-9
    if abs(db) < 1e-9:
        db = 1e-9
    a1, a2 = (-wide - a0) / da, (wide - a0) / da
    b1, b2 = (-deep - b0) / db, (deep - b0) / db
    a_in, a_out, b_in, b_out = min(a1, a2), max(a1, a2), min(b1, b2), max(b1, b2)
    if a_in > b_in:
        return a_in, min(a_out, b_out), facades.LEFT if da > 0 else facades.RIGHT, a0, b0, da, db
    return b_in, min(a_out, b_out), facades.BACK if db > 0 else facades.FRONT, a0, b0, da, db


@compiled
def add_node(node_t, count, t, t_in, t_out):
    """Insert t into a sorted list of distances if it lies between its ends; returns the new count."""
    if not t_in + 1e-6 < t < t_out - 1e-6 or count >= len(node_t):
        return count
    i = count
    while i > 0 and node_t[i - 1] > t:
        node_t[i] = node_t[i - 1]
        i -= 1
    node_t[i] = t
    return count + 1


@compiled
def roofline(part, node_t, node_r, t_in, t_out, a0, b0, da, db):
    """Fill the distances at which the roof along a ray has a kink, and its heights there; returns how many."""
    node_t[0], node_t[1] = t_in, t_out
    count = 2
    form = part[facades.ROOF]
    wide, deep = part[facades.HALF_WIDTH], part[facades.HALF_DEPTH]
    if form >= facades.DOME:
        for i in range(1, 9):
            count = add_node(node_t, count, t_in + (t_out - t_in) * i / 9, t_in, t_out)
    if form == facades.RIDGE or form == facades.HIP:
        count = add_node(node_t, count, -b0 / db, t_in, t_out)
        flat = deep - part[facades.CAP] / part[facades.PITCH]
        if flat > 0:
            count = add_node(node_t, count, (flat - b0) / db, t_in, t_out)
            count = add_node(node_t, count, (-flat - b0) / db, t_in, t_out)
    if form == facades.GABLE or form == facades.HIP:
        count = add_node(node_t, count, -a0 / da, t_in, t_out)
        flat = wide - part[facades.CAP] / part[facades.PITCH]
        if flat > 0:
            count = add_node(node_t, count, (flat - a0) / da, t_in, t_out)
            count = add_node(node_t, count, (-flat - a0) / da, t_in, t_out)
    if form == facades.HIP:
        for sign in (-1.0, 1.0):
            run = da + sign * db
            if abs(run) > 1e-9:
                for rest in (wide - deep, deep - wide):
                    count = add_node(node_t, count, (rest - a0 - sign * b0) / run, t_in, t_out)
    for i in range(count):
        node_r[i] = part[facades.TOP] + facades.roof_over(part, a0 + node_t[i] * da, b0 + node_t[i] * db)
    return count


@compiled
def cast(scene, e, n, eye, de, dn, steepest, hits, node_t, node_r, mark, stamp):
    """Fill hits (MOST_HITS, 10) with the parts along a ray in plan, in order; returns how many.

    The walk ends where a wall hides everything up to the slope `steepest`, or nothing beyond could look over it.
    """
    parts, ids, first = scene.parts, scene.part_ids, scene.part_first
    count = 0
    hidden = -1.0
    i, j = int((n + scene.half_m) / CELL_M), int((e + scene.half_m) / CELL_M)
    step_i, step_j = 1 if dn > 0 else -1, 1 if de > 0 else -1
    next_i = ((i + (dn > 0)) * CELL_M - scene.half_m - n) / dn if abs(dn) > 1e-9 else 1e9
    next_j = ((j + (de > 0)) * CELL_M - scene.half_m - e) / de if abs(de) > 1e-9 else 1e9
    gain_i = CELL_M / abs(dn) if abs(dn) > 1e-9 else 1e9
    gain_j = CELL_M / abs(de) if abs(de) > 1e-9 else 1e9
    entered = 0.0
    while 0 <= i < scene.cells and 0 <= j < scene.cells and entered < SIGHT_M:
        cell = i * scene.cells + j
        for k in range(first[cell], first[cell + 1]):
            p = ids[k]
            if mark[p] == stamp:
                continue
            mark[p] = stamp
            t_in, t_out, side, a0, b0, da, db = chord(parts, p, e, n, de, dn)
            if t_in >= t_out or t_in < 0.05:
                continue
            if count == MOST_HITS:
                if hits[count - 1, T_IN] <= t_in:
                    continue
                count -= 1
            at = count
            while at > 0 and hits[at - 1, T_IN] > t_in:
                hits[at] = hits[at - 1]
                node_t[at], node_r[at] = node_t[at - 1], node_r[at - 1]
                at -= 1
            count += 1
            part = parts[p]
            nodes = roofline(part, node_t[at], node_r[at], t_in, t_out, a0, b0, da, db)
            place_hit(hits[at], part, p, t_in, t_out, side, a0 + t_in * da, b0 + t_in * db, nodes, da, db)
            if part[facades.BASE] == 0:
                hidden = max(hidden, (node_r[at, 0] - eye) / max(t_in, entered))
        entered = min(next_i, next_j)
        if hidden >= steepest or hidden * entered > scene.tallest_m - eye:
            break
        if next_i < next_j:
            i += step_i
            next_i += gain_i
        else:
            j += step_j
            next_j += gain_j
    return count


@compiled
def place_hit(hit, part, p, t_in, t_out, side, a, b, nodes, da, db):
    """Fill one row of hits from where a ray enters a part."""
    hit[T_IN], hit[T_OUT], hit[SIDE], hit[PART], hit[NODES] = t_in, t_out, side, p, nodes
    wide, deep = part[facades.HALF_WIDTH], part[facades.HALF_DEPTH]
    length = math.hypot(da, db)
    if part[facades.ROUND] > 0:
        hit[ALONG] = math.atan2(b, a) * wide + 3.15 * wide
        hit[WIDTH], hit[SQUARE] = 6.3 * wide, max(-(da * a + db * b) / (length * wide), 0.05)
    elif side <= facades.BACK:
        hit[ALONG] = a + wide if side == facades.FRONT else wide - a
        hit[WIDTH], hit[SQUARE] = 2 * wide, max(abs(db) / length, 0.05)
    else:
        hit[ALONG] = b + deep
        hit[WIDTH], hit[SQUARE] = 2 * deep, max(abs(da) / length, 0.05)
    hit[FACING] = -1.0  # not yet known: most hits are never looked at


@compiled
def normal_of(part, side, a, b):
    """(east, north) outward normal of a part's side at local (a, b)."""
    x, y = 0.0, 0.0
    if part[facades.ROUND] > 0:
        x, y = a / part[facades.HALF_WIDTH], b / part[facades.HALF_WIDTH]
    elif side == facades.FRONT:
        y = 1.0
    elif side == facades.BACK:
        y = -1.0
    elif side == facades.LEFT:
        x = -1.0
    else:
        x = 1.0
    return x * part[facades.COS] - y * part[facades.SIN], x * part[facades.SIN] + y * part[facades.COS]


@compiled
def shadow_height(scene, light, e, n, enough):
    """Height below which a point of the plan lies in the shadow of buildings [m]; -1 where none falls.

    The search ends at a height of `enough`.
    """
    parts, first, ids, half_m, cells = scene.parts, scene.body_first, scene.body_ids, scene.half_m, scene.cells
    best = -1.0
    de, dn = light.plan_east, light.plan_north
    i, j = int((n + half_m) / CELL_M), int((e + half_m) / CELL_M)
    next_i = ((i + (dn > 0)) * CELL_M - half_m - n) / dn if abs(dn) > 1e-9 else 1e9
    next_j = ((j + (de > 0)) * CELL_M - half_m - e) / de if abs(de) > 1e-9 else 1e9
    entered = 0.0
    while 0 <= i < cells and 0 <= j < cells:
        if scene.tallest_m - entered * light.fall < max(best, 0.0) or entered > 90 or best > enough:
            break
        cell = i * cells + j
        for k in range(first[cell], first[cell + 1]):
            p = ids[k]
            t_in, t_out, _, a0, b0, da, db = chord(parts, p, e, n, de, dn)
            if t_in >= t_out or t_out < 0.1:
                continue
            t_in = max(t_in, 0.0)
            top = parts[p, facades.TOP]
            best = max(best, top - t_in * light.fall)
            if parts[p, facades.ROOF] != facades.FLAT:
                middle = 0.5 * (t_in + t_out)
                over = facades.roof_over(parts[p], a0 + middle * da, b0 + middle * db)
                best = max(best, top + over - middle * light.fall)
        entered = min(next_i, next_j)
        if next_i < next_j:
            i += 1 if dn > 0 else -1
            next_i += CELL_M / abs(dn)
        else:
            j += 1 if de > 0 else -1
            next_j += CELL_M / abs(de)
    return best


# ---- things ----------------------------------------------------------------------------------------------------------
@compiled
def gather(near, scene, drawn, drawn_count, pose, de, dn, spread):
    """Fill near with the things that may be seen or cast a shadow into the picture; returns how many."""
    count = 0
    e, n = pose[EAST], pose[NORTH]
    for k in range(drawn_count):
        near[count] = drawn[k]
        count += 1
    low_i, high_i = max(int((n - NEAR_M + scene.half_m) / CELL_M), 0), int((n + NEAR_M + scene.half_m) / CELL_M)
    low_j, high_j = max(int((e - NEAR_M + scene.half_m) / CELL_M), 0), int((e + NEAR_M + scene.half_m) / CELL_M)
    for i in range(low_i, min(high_i + 1, scene.cells)):
        for j in range(low_j, min(high_j + 1, scene.cells)):
            cell = i * scene.cells + j
            for k in range(scene.thing_first[cell], scene.thing_first[cell + 1]):
                thing = scene.things[scene.thing_ids[k]]
                x, y = thing[things.EAST] - e, thing[things.NORTH] - n
                ahead, aside = x * de + y * dn, abs(x * dn - y * de)
                if -12 < ahead < NEAR_M and aside < max(ahead, 0.0) * spread + 12 and count < MOST_THINGS:
                    near[count] = thing
                    count += 1
    return count


@compiled
def along_ray(ids, entry, leave, near, sizes, count, e, n, de, dn, wall):
    """Fill ids with the things that a ray in plan may meet before `wall`, nearest first; returns how many."""
    found = 0
    square = de * de + dn * dn
    length = math.sqrt(square)
    for k in range(count):
        x, y = near[k, things.EAST] - e, near[k, things.NORTH] - n
        if abs(x * dn - y * de) > sizes[k, 0] * length:
            continue
        t = (x * de + y * dn) / square
        t_in, t_out = t - sizes[k, 0] / length, t + sizes[k, 0] / length
        if t_out < 0.2 or t_in > wall:
            continue
        if found == MOST_SEEN:
            if entry[found - 1] <= t_in:
                continue
            found -= 1
        at = found
        while at > 0 and entry[at - 1] > t_in:
            ids[at], entry[at], leave[at] = ids[at - 1], entry[at - 1], leave[at - 1]
            at -= 1
        ids[at], entry[at], leave[at] = k, t_in, t_out
        found += 1
    return found


@compiled
def shaders(ids, near, sizes, count, light, e, n, de, dn):
    """Fill ids with the things that may darken the ground or a wall along a ray; returns how many."""
    found = 0
    length = math.hypot(de, dn)
    for k in range(count):
        x, y = near[k, things.EAST] - e, near[k, things.NORTH] - n
        run = (sizes[k, 1] + 0.6 * sizes[k, 0]) / light.fall
        here = (x * dn - y * de) / length
        there = ((x - light.plan_east * run) * dn - (y - light.plan_north * run) * de) / length
        reach = sizes[k, 0] + 0.6
        if found < len(ids) and min(here, there) < reach and max(here, there) > -reach:
            ids[found] = k
            found += 1
    return found


@compiled
def inside_box(x, y, sin, cos, half_long, half_wide):
    """Distance from a point of the plan, relative to a box's centre, to the box along (sin, cos); 0 inside."""
    return math.hypot(max(abs(x * sin + y * cos) - half_long, 0.0), max(abs(x * cos - y * sin) - half_wide, 0.0))


@compiled
def footprint(kind, reach):
    """Half length and half width of what touches the ground [m]."""
    if kind == things.CAR or kind == things.VAN:
        return reach * 0.88, reach * 0.36
    if kind == things.HEDGE or kind == things.FENCE:
        return reach * 0.95, 0.25
    if kind == things.TREE:
        return 0.3, 0.3
    return reach * 0.5, reach * 0.35


@compiled
def thing_shade(near, sizes, ids, count, light, e, n, y):
    """(share of the sun, share of the sky) that things let through to a point at height y."""
    sun, open_ = 1.0, 1.0
    for s in range(count):
        k = ids[s]
        thing = near[k]
        kind, reach, top = thing[things.KIND], sizes[k, 0], sizes[k, 1]
        x, z = thing[things.EAST] - e, thing[things.NORTH] - n
        if kind == things.TREE or kind == things.BUSH:
            middle = top - 0.85 * reach if kind == things.TREE else 0.5 * top
            toward = x * light.east + z * light.north + (middle - y) * light.up
            if light.clear > 0 and toward > 0:
                apart = x * x + z * z + (middle - y) ** 2 - toward * toward
                if apart < reach * reach:
                    dense = 0.86 - 0.5 * light.season if kind == things.TREE else 0.8
                    leaf = noise((e + y) * 2.1, n * 2.1, 5)
                    edge = min(max((1.05 - math.sqrt(max(apart, 0.0)) / reach) * 3.0 + 1.6 * (leaf - 0.5), 0.0), 1.0)
                    sun *= 1 - dense * edge * (0.65 + 0.35 * (leaf > 0.36))
            if y < 1 and x * x + z * z < reach * reach:
                open_ *= 1 - 0.25 * (1 - math.hypot(x, z) / reach)
        long, wide = footprint(kind, reach)
        if y < 0.5 and abs(x) < reach + 1 and abs(z) < reach + 1:
            gap = inside_box(-x, -z, sizes[k, 3], sizes[k, 4], long, wide)
            open_ *= (
                0.22 + 0.78 * min(gap / 0.9, 1.0) if kind == things.CAR or kind == things.VAN else min(0.55 + gap, 1.0)
            )
        if light.clear > 0 and kind != things.TREE and kind != things.BUSH and y < top:
            run = (top - y) / light.fall
            hidden = 0.0
            for i in range(4):
                reached = run * (0.1 + 0.27 * i)
                gap = inside_box(
                    light.plan_east * reached - x, light.plan_north * reached - z, sizes[k, 3], sizes[k, 4], long, wide
                )
                hidden = max(hidden, 1 - gap / 0.15)
            sun *= 1 - 0.95 * min(max(hidden, 0.0), 1.0)
    return sun, open_


# ---- ground ----------------------------------------------------------------------------------------------------------
@inlined
def ground(out, scene, light, e, n, grain):
    """Fill out (5,) for a point of the ground: albedo, how much it gleams when wet, how open it lies to the sky."""
    i = min(max(int((n + scene.half_m) / CELL_M), 0), scene.cells - 1)
    j = min(max(int((e + scene.half_m) / CELL_M), 0), scene.cells - 1)
    cell = i * scene.cells + j
    first, second, yard = 1e9, 1e9, 1e9
    street, x, z = -1, 0.0, 0.0
    for k in range(scene.street_first[cell], scene.street_first[cell + 1]):
        s = scene.streets[scene.street_ids[k]]
        p, q = e - s[START_E], n - s[START_N]
        along, aside = p * s[DIR_E] + q * s[DIR_N], p * s[DIR_N] - q * s[DIR_E]
        past = max(-along, along - s[LENGTH])
        edge = max(abs(aside) - s[ROAD], past - s[ROAD])
        yard = min(yard, max(abs(aside) - s[HALF], past - s[HALF]))
        if edge < first:
            first, second, street, x, z = edge, first, scene.street_ids[k], aside, along
        elif edge < second:
            second = edge
    if 0 < first < 3 and second < 3:  # the kerb turns a corner
        first = 3 - math.hypot(3 - first, 3 - second)
    coarse = 0.80 + 0.4 * noise(e * 0.31, n * 0.31, 1)
    fine = 1 + (noise(e * 5.3, n * 5.3, 2) - 0.5) * 0.35 * min(1.0, 0.25 / grain)
    if grain < 0.12:
        fine *= 1 + (noise(e * 19.0, n * 19.0, 3) - 0.5) * 0.45 * min(1.0, 0.03 / grain)
    out[3], out[4] = 0.0, 1.0
    if first < 0:
        roadway(out, scene.streets[street], steep(there(scene.paving, e, n)), x, z, first, second, grain, coarse, fine)
    elif first < 0.16:
        tone = facades.stone(there(scene.stone, e, n)) * fine
        out[0], out[1], out[2], out[3] = tone, 0.98 * tone, 0.94 * tone, 0.5
    elif first < 0.16 + VERGE_M * steep(there(scene.greenery, e, n)) and yard < -1.0:
        grass(out, light, e, n, coarse, fine)
    elif yard < 0:
        key, red = surfaced(scene.streets[street, KEY], z), steep(there(scene.paving, e, n))
        pavement(out, key, red, facades.stone(there(scene.stone, e, n)), x, z, first, grain, coarse, fine)
    else:
        open_ground(out, scene, light, e, n, coarse, fine)
    for k in range(scene.body_first[cell], scene.body_first[cell + 1]):
        part = scene.parts[scene.body_ids[k]]
        p, q = e - part[facades.EAST], n - part[facades.NORTH]
        a = p * part[facades.COS] + q * part[facades.SIN]
        b = q * part[facades.COS] - p * part[facades.SIN]
        gap_a, gap_b = abs(a) - part[facades.HALF_WIDTH], abs(b) - part[facades.HALF_DEPTH]
        if max(gap_a, gap_b) < 1.6:
            gap = math.hypot(max(gap_a, 0.0), max(gap_b, 0.0))
            out[4] = min(out[4], 0.42 + 0.58 * min(gap / 1.6, 1.0))
        look = scene.looks[int(part[facades.OWNER])]
        to_door = a + part[facades.HALF_WIDTH] - look[facades.DOOR_AT_M]
        if yard > 0 and b > part[facades.HALF_DEPTH] and part[facades.FINISH] == facades.HOUSE and abs(to_door) < 0.65:
            tone = 0.26 * fine * coarse
            out[0], out[1], out[2], out[3] = tone, 0.93 * tone, 0.84 * tone, 0.5


@compiled
def surfaced(street_key, z):
    """The key of a stretch of road: each is surfaced anew, since a look of the whole street would give it away."""
    return int(street_key) + 65_537 * math.floor(z / STRETCH_M + 0.37 * (int(street_key) % 7))


@compiled
def there(field, e, n):
    """The value of a field at a place."""
    half_m = 0.5 * len(field) * fields.GRID_STEP_M
    last = len(field) - 1
    i = min(max(int((n + half_m) / fields.GRID_STEP_M), 0), last)
    j = min(max(int((e + half_m) / fields.GRID_STEP_M), 0), last)
    return field[i, j]


@compiled
def steep(x):
    """The logistic function at 1.8 x: with paving 0 is asphalt and 1 bricks, with greenery 0 bare and 1 overgrown."""
    return 1.0 / (1.0 + math.exp(-1.8 * x))


@compiled
def roadway(out, street, red, x, z, edge, other, grain, coarse, fine):
    """Fill out for the road: asphalt or setts, tracks, patches, covers, markings; x across and z along the street."""
    key = surfaced(street[KEY], z)
    dice = lattice(key, 1, 100)
    tone = (0.052 + 0.06 * lattice(key, 2, 100)) * coarse * fine
    out[0], out[1], out[2], out[3] = tone, tone, tone * (1.06 - 0.1 * lattice(key, 3, 100)), 1.0
    laid = coarse * fine * red
    out[0] += 0.15 * laid
    out[1] += 0.045 * laid
    out[2] += 0.015 * laid
    half, bricks = street[ROAD], red + 0.3 * dice > 0.75
    if bricks:
        row = math.floor(z / 0.22)
        odd = lattice(int(row), math.floor(x / 0.22 + 0.5 * (row % 2)), key) - 0.5
        odd *= 0.6 * min(1.0, 0.08 / grain)
        for c in range(3):
            out[c] *= 1.1 + odd
    else:
        lane = abs(abs(x) - 0.5 * half)
        track = 1 - 0.16 * math.exp(-(((lane - 0.8) / 0.35) ** 2)) + 0.10 * math.exp(-((lane / 0.3) ** 2))
        i, j = math.floor(z / 5.3), math.floor(x / 2.1)
        if lattice(i, j, key + 9) < 0.09:
            track *= 0.62 if lattice(i, j, key + 10) < 0.6 else 1.25
        seam = abs(x - half * (lattice(key, 7, 100) - 0.5) - 0.5 * noise(z * 0.4, 0.5, key + 12))
        if seam < 0.05 and noise(z * 0.15, 3.5, key + 13) > 0.5:
            track *= 0.7
        for c in range(3):
            out[c] *= track
    cell = math.floor(z / 17.0)
    cover_at = (0.2 + 0.6 * lattice(int(cell), 7, key)) * 17
    lid = math.hypot(z - cell * 17 - cover_at, x - (lattice(int(cell), 8, key) - 0.5) * half)
    if lid < 0.36 and edge < -0.5:
        tone = 0.035 if lid < 0.3 else 0.09
        out[0], out[1], out[2] = tone, 0.95 * tone, 0.9 * tone
    if edge > -0.35:  # the gutter
        for c in range(3):
            out[c] *= 0.72
    paint = 0.0
    span = max(2 * grain, 0.03)
    if other > 5.2:
        if not bricks and lattice(key, 4, 100) < 0.75 and z / 6 - math.floor(z / 6) < 0.5:
            paint = cover(x, -0.07, 0.07, span)
        if lattice(key, 5, 100) < 0.6 and half > 3.7:
            bay = z / 5.6 - math.floor(z / 5.6)
            line = cover(abs(x), half - 2.15, half - 2.05, span)
            if abs(x) > half - 2.1 and other > 9:
                line = max(line, cover(bay * 5.6, 0.0, 0.1, span))
            paint = max(paint, line)
    elif 1.0 < other < 4.2:
        if lattice(key, 6, 100) < 0.55 and (x + 50) / 1.0 - math.floor(x + 50) < 0.5:
            paint = 1.0
    elif 4.6 < other < 5.0 and x > 0.1:
        paint = 1.0
    if paint > 0:
        paint = min(paint, 1.0) * (0.45 + 0.4 * noise(z * 1.3, x * 2.9, key + 14))
        for c in range(3):
            out[c] += (0.55 - out[c]) * paint


@compiled
def pavement(out, key, red, albedo, x, z, from_kerb, grain, coarse, fine):
    """Fill out for a pavement: slabs of the local stone, joints, stains."""
    warm = 0.3 * lattice(key, 20, 100) + 2.2 * red
    tone = albedo * (0.94 + 0.12 * lattice(key, 21, 100)) * (0.45 + 0.55 * coarse) * fine
    size = 0.45 + 0.55 * lattice(key, 22, 100)
    row = math.floor(z / size)
    shift = 0.5 * (row % 2)
    column = math.floor(from_kerb / size + shift)
    odd = 1 + (lattice(int(row), int(column), key) - 0.5) * 0.22
    joint = max(
        cover(z / size - row, 0.0, 0.05, max(grain / size, 0.02)),
        cover(from_kerb / size + shift - column, 0.0, 0.05, max(grain / size, 0.02)),
    )
    tone *= odd * (1 - 0.4 * min(joint, 1.0))
    out[0], out[1], out[2] = tone * (1.0 + 0.14 * warm), tone * (0.99 - 0.02 * warm), tone * (0.97 - 0.22 * warm)
    out[3] = 0.6


@compiled
def grass(out, light, e, n, coarse, fine):
    """Fill out for a lawn: fresh in summer, brown in patches in winter."""
    patch = noise(e * 0.12, n * 0.12, 31) * 0.6 + noise(e * 0.9, n * 0.9, 32) * 0.4
    dry = min(max(0.25 + 0.75 * light.season + 1.1 * (patch - 0.6), 0.0), 1.0)
    tone = coarse * fine * fine * (0.6 + 0.5 * patch + 0.3 * noise(e * 2.3, n * 2.3, 34))
    out[0] = (0.058 + 0.060 * dry) * tone
    out[1] = (0.105 - 0.012 * dry) * tone
    out[2] = (0.022 + 0.022 * dry) * tone


@compiled
def open_ground(out, scene, light, e, n, coarse, fine):
    """Fill out behind the building lines: parks with paths, squares of setts, gardens and yards."""
    for g in range(len(scene.grounds)):
        x, y, radius = e - scene.grounds[g, 0], n - scene.grounds[g, 1], scene.grounds[g, 2]
        apart = math.hypot(x, y)
        if apart > radius:
            continue
        if scene.grounds[g, 3] == 0:
            bend = 6 * math.sin(0.06 * x + g)
            if abs(apart - 0.62 * radius) < 1.4 or abs(y - bend) < 1.3 or abs(x - bend) < 1.1:
                tone = 0.30 * coarse * fine
                out[0], out[1], out[2], out[3] = tone, 0.86 * tone, 0.66 * tone, 0.3
            else:
                grass(out, light, e, n, coarse, fine)
        else:
            tone = 0.22 * coarse * fine * (0.85 + 0.3 * lattice(math.floor(e / 0.5), math.floor(n / 0.5), 41))
            ring = 0.75 if apart / 6 - math.floor(apart / 6) < 0.12 else 1.0
            out[0], out[1], out[2], out[3] = tone * ring, 0.95 * tone * ring, 0.86 * tone * ring, 0.6
        return
    bare = noise(e * 0.07, n * 0.07, 33)
    if bare > 0.66:
        tone = 0.17 * coarse * fine
        out[0], out[1], out[2], out[3] = tone, 0.92 * tone, 0.8 * tone, 0.3
    else:
        grass(out, light, e, n, coarse, fine)


# ---- one picture -----------------------------------------------------------------------------------------------------
@compiled
def lens(style, x):
    """(x, stretch of y) of a column at x in -1..1: straight, or wider with a barrel's distortion in style 1."""
    if style == 0:
        return x, 1.0
    bulge = 1.08 + 0.22 * x * x
    return x * bulge, bulge


@compiled
def picture(out, px, scene, pose, nuisance, style):
    """Fill one picture (px, px, 3)."""
    light = light_of(nuisance)
    e, n, eye = pose[EAST], pose[NORTH], pose[EYE]
    forward_e, forward_n = math.sin(pose[HEADING]), math.cos(pose[HEADING])
    hits, node_t, node_r = (
        np.empty((MOST_HITS, 10)),
        np.empty((MOST_HITS, MOST_NODES)),
        np.empty((MOST_HITS, MOST_NODES)),
    )
    mark = np.zeros(len(scene.parts), np.int32)
    drawn = np.empty((MOST_DRAWN, 6))
    drawn_count = draw_things(drawn, scene, pose, nuisance, light)
    near, sizes = np.empty((MOST_THINGS, 6)), np.empty((MOST_THINGS, 5))
    spread = 1.3 / pose[FOCAL]
    near_count = gather(near, scene, drawn, drawn_count, pose, forward_e, forward_n, spread)
    for k in range(near_count):
        sizes[k, 0], sizes[k, 1], sizes[k, 2] = things.reach(near[k]), things.top(near[k]), -1.0
        sizes[k, 3], sizes[k, 4] = math.sin(near[k, things.HEADING]), math.cos(near[k, things.HEADING])
        if light.clear > 0:
            sizes[k, 2] = shadow_height(scene, light, near[k, things.EAST], near[k, things.NORTH], 99.0)
    ids, shade_ids = np.empty(MOST_SEEN, np.int64), np.empty(3 * MOST_SEEN, np.int64)
    entry, leave = np.empty(MOST_SEEN), np.empty(MOST_SEEN)
    film = np.zeros((px, px, 3))
    colour = np.empty(5)
    back, seen_colour = np.empty(3), np.empty(3)
    grain = 1.0 / (px * pose[FOCAL])
    for column in range(2 * px):
        x, stretch = lens(style, (column + 0.5) / px - 1)
        de = forward_e + forward_n * x / pose[FOCAL]
        dn = forward_n - forward_e * x / pose[FOCAL]
        steepest = stretch / pose[FOCAL] + pose[PITCH]
        count = cast(scene, e, n, eye, de, dn, steepest, hits, node_t, node_r, mark, column + 1)
        length = math.hypot(de, dn)
        wall = NEAR_M
        for h in range(count):
            if scene.parts[int(hits[h, PART]), facades.BASE] == 0 and node_r[h, 0] > 3.5:
                wall = hits[h, T_OUT]
                break
        found = along_ray(ids, entry, leave, near, sizes, near_count, e, n, de, dn, wall)
        shading = shaders(shade_ids, near, sizes, near_count, light, e, n, de, dn)
        sky(back, light, de / length, 0.06, dn / length)
        for row in range(2 * px):
            slope = stretch * (1 - (row + 0.5) / px) / pose[FOCAL] + pose[PITCH]
            t = sample(
                colour, scene, light, e, n, eye, de, dn, slope, length, grain, hits, node_t, node_r, count, near, sizes,
                ids, entry, leave, found, shade_ids, shading, seen_colour,
            )  # fmt: skip
            clear = math.exp(-light.haze * t * length) if t < 1e8 else 1.0
            for c in range(3):
                film[row // 2, column // 2, c] += 0.25 * (colour[c] * clear + 0.8 * back[c] * (1 - clear))
    develop(out, film, px, nuisance, style)


@compiled
def draw_things(drawn, scene, pose, nuisance, light):
    """Fill drawn with the cars and people of one photo; returns how many."""
    street = scene.streets[int(pose[STREET])]
    return things.place_nuisance(
        drawn, light.salt, nuisance[day.TRAFFIC], light.season, pose[EAST], pose[NORTH], pose[HEADING], street[START_E],
        street[START_N], street[DIR_E], street[DIR_N], street[LENGTH], street[HALF], street[ROAD], int(pose[SCENE]),
    )  # fmt: skip


@inlined
def sample(
    out, scene, light, e, n, eye, de, dn, slope, length, grain, hits, node_t, node_r, count, near, sizes, ids, entry,
    leave, found, shade_ids, shading, seen_colour,
):  # fmt: skip
    """Fill out[:3] with the radiance along one ray; returns the distance along it, 1e9 for the sky."""
    best = eye / -slope if slope < -1e-5 else 1e9
    what, index = 0, -1  # 0 ground or sky, 1 wall, 2 roof, 3 the underside of a part
    for h in range(count):
        t_in = hits[h, T_IN]
        if t_in >= best:
            break
        part = scene.parts[int(hits[h, PART])]
        height = eye + slope * t_in
        base = part[facades.BASE]
        if height < base:
            if slope > 0 and (base - eye) / slope < min(hits[h, T_OUT], best):
                best, what, index = (base - eye) / slope, 3, h
        elif height < node_r[h, 0]:
            best, what, index = t_in, 1, h
            break
        else:
            over = height - node_r[h, 0]
            for i in range(1, int(hits[h, NODES])):
                rest = eye + slope * node_t[h, i] - node_r[h, i]
                if rest < 0:
                    t = node_t[h, i - 1] + (node_t[h, i] - node_t[h, i - 1]) * over / (over - rest)
                    if t < best:
                        best, what, index = t, 2, h
                    break
                over = rest
    thing = -1
    for s in range(found):
        if entry[s] >= best:
            break
        k = ids[s]
        low, high = eye + slope * max(entry[s], 0.0), eye + slope * leave[s]
        if min(low, high) > sizes[k, 1] or max(low, high) < 0:
            continue
        direct = light.clear if eye + slope * 0.5 * (entry[s] + leave[s]) > sizes[k, 2] else 0.0
        t = things.seen(
            seen_colour, near[k], e, eye, n, de, slope, dn, light.season, light.east, light.up, light.north, direct,
            light.salt,
        )  # fmt: skip
        if t < best:
            best, thing = t, k
            out[0], out[1], out[2] = seen_colour[0], seen_colour[1], seen_colour[2]
    if thing >= 0:
        return lit_thing(out, light, best)
    if best > 3000 or (best > 1e8):
        full = math.sqrt(length * length + slope * slope)
        sky(out, light, de / full, slope / full, dn / full)
        if slope < 0.12 * length:
            far_hills(out, light, math.atan2(dn, de), slope / length)
        return 1e9
    if what == 0:
        lit_ground(out, scene, light, e + best * de, n + best * dn, best, grain, slope, length, de, dn, near, sizes,
                   shade_ids, shading)  # fmt: skip
    elif what == 1:
        height = eye + slope * best
        lit_wall(out, scene, light, e, n, de, dn, height, slope, length, grain, hits[index], node_r[index, 0],
                 near, sizes, shade_ids, shading)  # fmt: skip
    elif what == 2:
        lit_roof(out, scene, light, e + best * de, n + best * dn, eye + slope * best, grain * best, hits[index])
    else:
        part = scene.parts[int(hits[index, PART])]
        for c in range(3):
            colour = 0.04 + 0.4 * scene.looks[int(part[facades.OWNER]), facades.TRIM + c]
            if part[facades.FINISH] == facades.CANOPY:  # light comes through the cloth
                colour = 0.06 + 1.2 * scene.looks[int(part[facades.OWNER]), facades.AWNING + c]
            out[c] = colour * (0.28 + 0.1 * light.clear)
    return best


@compiled
def lit_thing(out, light, t):
    """Give a thing, which comes as it looks on a white day, the level and colour of this one, linearly; returns t."""
    out[0] = out[0] ** 1.7 * (0.62 * light.sky_red + 0.38 * light.sun_red)
    out[1] = out[1] ** 1.7 * (0.62 * light.sky_green + 0.38 * light.sun_green)
    out[2] = out[2] ** 1.7 * (0.62 * light.sky_blue + 0.38 * light.sun_blue)
    return t


@inlined
def lit_ground(out, scene, light, e, n, t, grain, slope, length, de, dn, near, sizes, shade_ids, shading):
    """Fill out with the light that the ground sends to the eye."""
    ground(out, scene, light, e, n, grain * t)
    sun, open_ = 0.0, out[4]
    if t < 140:
        through, under = thing_shade(near, sizes, shade_ids, shading, light, e, n, 0.0)
        open_ *= under
        if light.clear > 0:
            open_to_sun = 0.5 - 2.0 * shadow_height(scene, light, e, n, 0.3)
            sun = light.up * through * min(max(open_to_sun, 0.0), 1.0)
    else:
        sun = 0.5 * light.up
    gleam, dark = 0.0, 1.0
    if light.wet > 0:
        pool = min(max(light.wet * (0.7 + 0.9 * (noise(e * 0.35, n * 0.35, 51) - 0.4)), 0.0), 1.0) * out[3]
        dark = 1 - 0.45 * pool
        steep = abs(slope) / math.sqrt(length * length + slope * slope)
        gleam = pool * (0.03 + 0.6 * (1 - steep) ** 4) * open_
    out[0] *= dark * (open_ * light.sky_red * 0.85 + sun * light.sun_red)
    out[1] *= dark * (open_ * light.sky_green * 0.85 + sun * light.sun_green)
    out[2] *= dark * (open_ * light.sky_blue * 0.85 + sun * light.sun_blue)
    out[0] += gleam * 0.75 * light.sky_red
    out[1] += gleam * 0.75 * light.sky_green
    out[2] += gleam * 0.75 * light.sky_blue


@inlined
def lit_wall(
    out, scene, light, e, n, de, dn, height, slope, length, grain, hit, top, near, sizes, shade_ids, shading
):  # fmt: skip
    """Fill out with the light that a wall sends to the eye."""
    part = scene.parts[int(hit[PART])]
    t, side = hit[T_IN], int(hit[SIDE])
    at_e, at_n = e + t * de, n + t * dn
    if hit[FACING] < 0:  # what holds for the whole column of this wall
        x, y = at_e - part[facades.EAST], at_n - part[facades.NORTH]
        a = x * part[facades.COS] + y * part[facades.SIN]
        b = y * part[facades.COS] - x * part[facades.SIN]
        out_e, out_n = normal_of(part, side, a, b)
        hit[FACING] = max(out_e * light.east + out_n * light.north, 0.0)
        hit[SHADOW] = -1.0
        if hit[FACING] > 0 and light.clear > 0:
            hit[SHADOW] = shadow_height(scene, light, at_e + 0.06 * out_e, at_n + 0.06 * out_n, 99.0)
    span = grain * t * length
    look = scene.looks[int(part[facades.OWNER])]
    facades.facade(
        out, look, part[facades.FINISH], side, hit[ALONG], hit[WIDTH], height, part[facades.TOP], top,
        span / hit[SQUARE], span,
    )  # fmt: skip
    sun = 0.0
    if hit[FACING] > 0 and light.clear > 0:
        sun = hit[FACING] * min(max((height - hit[SHADOW]) / 0.12 + 0.5, 0.0), 1.0)
        if sun > 0:
            sun *= thing_shade(near, sizes, shade_ids, shading, light, at_e, at_n, height)[0]
    # less sky deep in the street and right below the eaves, more light from the ground near it
    open_ = (0.42 + 0.28 * min(height / 11, 1.0)) * (1 - 0.45 * math.exp(-max(top - height, 0.0) / 0.35))
    open_ *= 1 - 0.35 * math.exp(-height / 0.5)
    bounce = (0.09 + 0.13 * math.exp(-height / 6)) * light.clear
    gleam = out[3]
    mirror, mirror_up = 0.0, slope / math.sqrt(length * length + slope * slope)
    if gleam > 0:
        # every pane hangs a little differently: some mirror the sky, some the dark houses across the street
        wobble = noise(hit[ALONG] * 0.9, height * 0.7, int(look[facades.KEY])) - 0.5
        mirror = min(max((mirror_up + 0.9 * wobble - 0.22) / 0.16, 0.0), 1.0)
        across = 0.05 + 0.32 * noise(hit[ALONG] * 0.4 + 2.0 * (de + dn), 3.0 * mirror_up, int(look[facades.KEY]) + 1)
        gleam *= 0.16 + 0.7 * (1 - hit[SQUARE]) ** 3
    matt = 1 - gleam
    glow = out[4] * (1.2 - 0.6 * light.clear)
    out[0] = out[0] * matt * (open_ * light.sky_red + sun * light.sun_red + bounce * 1.1) + glow
    out[1] = out[1] * matt * (open_ * light.sky_green + sun * light.sun_green + bounce) + 0.78 * glow
    out[2] = out[2] * matt * (open_ * light.sky_blue + sun * light.sun_blue + bounce * 0.9) + 0.5 * glow
    out[0] += gleam * light.sky_red * (across + (0.9 - across) * mirror)
    out[1] += gleam * light.sky_green * (across + (0.9 - across) * mirror)
    out[2] += gleam * light.sky_blue * (across + (0.9 - across) * mirror)


@compiled
def lit_roof(out, scene, light, e, n, height, grain, hit):
    """Fill out with the light that a roof sends to the eye."""
    part = scene.parts[int(hit[PART])]
    x, y = e - part[facades.EAST], n - part[facades.NORTH]
    a = x * part[facades.COS] + y * part[facades.SIN]
    b = y * part[facades.COS] - x * part[facades.SIN]
    look = scene.looks[int(part[facades.OWNER])]
    form = int(part[facades.ROOF])
    facades.roofing(out, look, part[facades.FINISH], form, a, b, height, grain)
    # the slope's normal from finite differences of the roof's height
    over = facades.roof_over(part, a, b)
    slope_a = (facades.roof_over(part, a + 0.02, b) - over) / 0.02
    slope_b = (facades.roof_over(part, a, b + 0.02) - over) / 0.02
    size = math.sqrt(1 + slope_a**2 + slope_b**2)
    east = -(slope_a * part[facades.COS] - slope_b * part[facades.SIN]) / size
    north = -(slope_a * part[facades.SIN] + slope_b * part[facades.COS]) / size
    sun = max(east * light.east + north * light.north + light.up / size, 0.0)
    open_ = 0.55 + 0.35 / size
    gleam = 0.35 * out[3]
    out[0] = out[0] * (open_ * light.sky_red + sun * light.sun_red) + gleam * light.sky_red
    out[1] = out[1] * (open_ * light.sky_green + sun * light.sun_green) + gleam * light.sky_green
    out[2] = out[2] * (open_ * light.sky_blue + sun * light.sun_blue) + gleam * light.sky_blue


# ---- camera ----------------------------------------------------------------------------------------------------------
@compiled
def develop(out, film, px, nuisance, style):
    """Fill a picture from its linear film: exposure by its own mean, tint, vignette, tone curve, noise."""
    salt = int(nuisance[day.SALT]) % 1000003
    total = 0.0
    for row in range(px):
        for column in range(px):
            weight = 1.0 if row * 3 > px else 0.45  # cameras care more for what is low in the frame
            total += weight * math.log(
                0.02 + 0.3 * film[row, column, 0] + 0.6 * film[row, column, 1] + 0.1 * film[row, column, 2]
            )
    mean = math.exp(total / (px * px * (2 / 3 + 0.45 / 3)))
    gain = nuisance[day.EXPOSURE] * 0.27 * mean**-0.85
    dim = 0.10 + 0.25 * style
    for row in range(px):
        for column in range(px):
            x, y = (column + 0.5) / px * 2 - 1, (row + 0.5) / px * 2 - 1
            fall = 1 - dim * (0.5 * (x * x + y * y)) ** 1.5
            above, below, left, right = (
                max(row - 1, 0),
                min(row + 1, px - 1),
                max(column - 1, 0),
                min(column + 1, px - 1),
            )
            grey = 0.3 * film[row, column, 0] + 0.6 * film[row, column, 1] + 0.1 * film[row, column, 2]
            for c in range(3):
                # no lens is sharper than its sensor: a little of the neighbours' light falls here
                near = film[above, column, c] + film[below, column, c] + film[row, left, c] + film[row, right, c]
                value = 0.8 * film[row, column, c] + 0.05 * near
                tint = nuisance[day.RED] if c == 0 else nuisance[day.BLUE] if c == 2 else 1.0
                value = (0.9 * value + 0.1 * grey) * gain * fall * tint
                value = value * (2.51 * value + 0.03) / (value * (2.43 * value + 0.59) + 0.14)
                value = min(max(value, 0.0), 1.0) ** (1 / 2.2)
                grain = lattice(row, column, salt + c) + lattice(row, column, salt + c + 3) - 1
                grain += 0.7 * (lattice(row, column, salt + 6) + lattice(row, column, salt + 7) - 1)
                value += 1.5 * nuisance[day.NOISE] * grain * (1.15 - value)
                out[row, column, c] = np.uint8(min(max(value, 0.0), 1.0) * 255 + 0.5)
