"""Pictures of a city: one ray in plan per column meets houses in order of distance, rows then decide heights.

Few samples and no shadows cast: what is spent on a picture is spent on what it tells of the traits. Compiled by numba,
parallel over pictures.
"""

import math
from typing import NamedTuple

import numba
import numpy as np
from numba import njit, prange

from geonb import checks
from simcities import bodies, day, daylight, facades, fields, ground, rays, things
from simcities.texture import compiled, lattice, ramp
from simcities.wires import WIRES, hung, strung

# numba's OpenMP would set torch's threads to all cores: two pages at a time then train ten times as long
numba.config.THREADING_LAYER = "workqueue"
# into the caller's loop: to hand a Scene over costs more than most of what is done with it
inlined = njit(cache=True, error_model="numpy", inline="always")

LEAST_PX = 16  # of a picture's side: below nothing could be seen
ACROSS, DOWN = 1, 2  # samples of a pixel
NEAR_M = 60.0  # things beyond are left out
MOST_PARKED = 0.45  # of the places to park, on the day with most traffic
CLEAR_M = 6.5  # cars nearer to a camera would hide all else
# columns of a pose
POSE = ("east_m", "north_m", "heading_rad", "eye_m", "focal", "pitch", "street")
EAST, NORTH, HEADING, EYE, FOCAL, PITCH, STREET = range(len(POSE))


class Scene(NamedTuple):
    """A city as plain arrays: what there is, and for each cell of the grid where its entries of a list begin."""

    parts: np.ndarray
    looks: np.ndarray
    part_first: np.ndarray
    part_ids: np.ndarray
    things: np.ndarray
    thing_first: np.ndarray
    thing_ids: np.ndarray
    streets: np.ndarray
    street_first: np.ndarray
    street_ids: np.ndarray
    layers: np.ndarray
    half_m: float
    cells: int
    tallest_m: float


class Ray(NamedTuple):
    """A column of a picture: where it starts, its way in plan, the length of that, what a sample covers at 1 m."""

    e: float
    n: float
    eye: float
    de: float
    dn: float
    length: float
    grain: float


class Met(NamedTuple):
    """What a column may meet: parts of houses, things."""

    hits: np.ndarray
    node_t: np.ndarray
    node_r: np.ndarray
    near: np.ndarray
    bodies: np.ndarray
    ids: np.ndarray
    entry: np.ndarray
    leave: np.ndarray


def render(city, photos, nuisances, picture_px):
    """Pictures (n, picture_px, picture_px, 3) uint8 of a table of photos (n rows) and its nuisance table (n, 12).

    A picture depends on the city and its own row alone: the same in any batch. ValueError for a size below 16 px or no
    multiple of it, for tables of different lengths, an unknown street, and for numbers that are missing.
    """
    if picture_px < LEAST_PX or picture_px % LEAST_PX:
        raise ValueError(f"picture_px {picture_px} must be a multiple of {LEAST_PX}, such as 96 or 128")
    if len(photos) != len(nuisances):
        raise ValueError(f"{len(photos)} photos but {len(nuisances)} rows of nuisances: draw one row for each photo")
    poses = np.ascontiguousarray(photos[list(POSE)].to_numpy(float))
    nuisances = np.ascontiguousarray(nuisances, dtype=float)
    check_tables(city, poses, nuisances)
    return render_all(int(picture_px), scene_of(city), poses, nuisances)


def check_tables(city, poses, nuisances):
    """Nothing, or a ValueError: what is compiled reads beyond an array without a word."""
    if nuisances.ndim != 2 or nuisances.shape[1] != len(day.NAMES):
        raise ValueError(f"nuisances must be {len(day.NAMES)} columns for each photo, they are {nuisances.shape}")
    checks.finite("photos", poses)
    checks.finite("nuisances", nuisances)
    there = (poses[:, STREET] >= 0) & (poses[:, STREET] < len(city.length_m))
    if not there.all():
        wrong = int(poses[~there, STREET][0])
        raise ValueError(f"street {wrong} is none of the city's, they are 0 to {len(city.length_m) - 1}")


def scene_of(city):
    """The Scene of a city."""
    half_m = city.half_side_m + 2 * rays.CELL_M
    cells = int(np.ceil(2 * half_m / rays.CELL_M))
    looks = facades.looks_of(city.buildings)
    parts = facades.parts_of(city.buildings, looks)
    streets = np.column_stack(
        [city.start_m, city.direction, city.length_m, city.half_width_m, city.road_half_m]
    ).astype(float)
    middle = city.start_m + city.direction * city.length_m[:, None] / 2
    strips = np.column_stack([middle, city.direction, city.length_m / 2 + city.half_width_m, city.half_width_m + 8])
    cell = rays.cell_of(city.things[:, things.NORTH], half_m, cells) * cells
    cell = cell + rays.cell_of(city.things[:, things.EAST], half_m, cells)
    layers = fields.amounts(city.fields[len(fields.HOUSES) :])
    return Scene(
        parts, looks, *rays.lists_of(np.ascontiguousarray(parts[:, :6]), half_m, cells),
        np.ascontiguousarray(city.things, dtype=float),
        np.searchsorted(np.sort(cell), np.arange(cells * cells + 1)), np.argsort(cell, kind="stable"),
        streets, *rays.lists_of(strips, half_m, cells), np.ascontiguousarray(layers), half_m, cells,
        facades.tallest_m(parts),
    )  # fmt: skip


@njit(parallel=True, cache=True, error_model="numpy")
def render_all(px, scene, poses, nuisances):
    """render from plain arrays: one row per photo."""
    pictures = np.empty((len(poses), px, px, 3), np.uint8)
    for n in prange(len(poses)):
        picture(pictures[n], px, scene, poses[n], nuisances[n])
    return pictures


@compiled
def picture(out, px, scene, pose, nuisance):
    """Fill one picture (px, px, 3)."""
    light = daylight.light_of(nuisance)
    forward_e, forward_n = math.sin(pose[HEADING]), math.cos(pose[HEADING])
    met = Met(
        np.empty((rays.MOST_HITS, rays.FACING + 1)), np.empty((rays.MOST_HITS, rays.MOST_NODES)),
        np.empty((rays.MOST_HITS, rays.MOST_NODES)), np.empty((rays.MOST_THINGS, 6)),
        np.empty((rays.MOST_THINGS, bodies.BODY)), np.empty(rays.MOST_SEEN, np.int64), np.empty(rays.MOST_SEEN),
        np.empty(rays.MOST_SEEN),
    )  # fmt: skip
    mark, film = np.zeros(len(scene.parts), np.int32), np.zeros((px, px, 3))
    near_count = gather(met.near, met.bodies, scene, pose, nuisance)
    colour, back, wires = np.empty(5), np.empty(3), np.empty((2 * len(WIRES), 3))
    grain = 1.0 / (px * pose[FOCAL])
    for column in range(ACROSS * px):
        x = 2 * (column + 0.5) / (ACROSS * px) - 1
        de, dn = forward_e + forward_n * x / pose[FOCAL], forward_n - forward_e * x / pose[FOCAL]
        ray = Ray(pose[EAST], pose[NORTH], pose[EYE], de, dn, math.hypot(de, dn), grain)
        steepest = 1 / pose[FOCAL] + pose[PITCH]
        count = rays.cast(
            scene, ray.e, ray.n, ray.eye, de, dn, steepest, met.hits, met.node_t, met.node_r, mark, column + 1
        )  # fmt: skip
        found = rays.along_ray(
            met.ids, met.entry, met.leave, met.near, met.bodies, near_count, ray.e, ray.n, de, dn,
            first_wall(scene, met, count),
        )  # fmt: skip
        strung(wires, scene.layers[ground.WIRES], scene.streets[int(pose[STREET])], ray)
        daylight.sky(back, light, de / ray.length, 0.06, dn / ray.length)
        for row in range(DOWN * px):
            slope = (1 - 2 * (row + 0.5) / (DOWN * px)) / pose[FOCAL] + pose[PITCH]
            t = sample(colour, scene, light, ray, slope, met, count, found)
            clear = math.exp(-light.haze * t * ray.length) if t < 1e8 else 1.0
            dark = hung(wires, slope, t, grain)
            for c in range(3):
                value = colour[c] * clear + 0.8 * back[c] * (1 - clear)
                film[row // DOWN, column // ACROSS, c] += value * (1 - dark) / (ACROSS * DOWN)
    daylight.develop(out, film, px, nuisance)


@compiled
def gather(near, shapes, scene, pose, nuisance):
    """Fill near and their bodies, shapes, with the things that may be seen; returns how many."""
    forward_e, forward_n, salt = math.sin(pose[HEADING]), math.cos(pose[HEADING]), int(nuisance[day.SALT])
    count, e, n, half_m = 0, pose[EAST], pose[NORTH], scene.half_m
    low_i, high_i = max(int((n - NEAR_M + half_m) / rays.CELL_M), 0), int((n + NEAR_M + half_m) / rays.CELL_M)
    low_j, high_j = max(int((e - NEAR_M + half_m) / rays.CELL_M), 0), int((e + NEAR_M + half_m) / rays.CELL_M)
    for i in range(low_i, min(high_i + 1, scene.cells)):
        for j in range(low_j, min(high_j + 1, scene.cells)):
            for k in range(scene.thing_first[i * scene.cells + j], scene.thing_first[i * scene.cells + j + 1]):
                thing = scene.things[scene.thing_ids[k]]
                x, y = thing[things.EAST] - e, thing[things.NORTH] - n
                ahead, aside = x * forward_e + y * forward_n, abs(x * forward_n - y * forward_e)
                seen = -3 < ahead < NEAR_M and aside < max(ahead, 0.0) * 1.2 + 4 and count < len(near)
                if thing[things.KIND] == things.CAR:
                    dice = lattice(int(thing[things.SEED] * 2**20), salt % 65521, 1)
                    seen &= dice < MOST_PARKED * nuisance[day.TRAFFIC] and math.hypot(x, y) > CLEAR_M
                if seen:
                    near[count] = thing
                    bodies.shape(shapes[count], thing)
                    if thing[things.KIND] == things.TREE:
                        hue = ground.amount_at(scene.layers[ground.LEAF_HUE], thing[things.EAST], thing[things.NORTH])
                        ramp(facades.LEAF, hue, shapes[count], bodies.COLOUR)
                    count += 1
    return count


@compiled
def first_wall(scene, met, count):
    """Distance behind which no thing is seen: that of the first house along a ray."""
    for h in range(count):
        if scene.parts[int(met.hits[h, rays.PART]), facades.FINISH] == facades.HOUSE:
            return met.hits[h, rays.T_OUT]
    return NEAR_M


@inlined
def sample(out, scene, light, ray, slope, met, count, found):
    """Fill out[:3] with the radiance along one ray; returns the distance along it, 1e9 for the sky."""
    best = ray.eye / -slope if slope < -1e-5 else 1e9
    what, index = 0, -1  # 0 ground or sky, 1 wall, 2 roof, 3 the underside of a part
    for h in range(count):
        t_in = met.hits[h, rays.T_IN]
        if t_in >= best:
            break
        height, bottom = ray.eye + slope * t_in, scene.parts[int(met.hits[h, rays.PART]), facades.BASE]
        if height < bottom:
            if slope > 0 and (bottom - ray.eye) / slope < min(met.hits[h, rays.T_OUT], best):
                best, what, index = (bottom - ray.eye) / slope, 3, h
        elif height < met.node_r[h, 0]:
            best, what, index = t_in, 1, h
            break
        else:
            over = height - met.node_r[h, 0]
            for i in range(1, int(met.hits[h, rays.NODES])):
                rest = ray.eye + slope * met.node_t[h, i] - met.node_r[h, i]
                if rest < 0:
                    t = met.node_t[h, i - 1] + (met.node_t[h, i] - met.node_t[h, i - 1]) * over / (over - rest)
                    if t < best:
                        best, what, index = t, 2, h
                    break
                over = rest
    thing = nearest_thing(out, light, ray, slope, met, found, best)
    if thing < best:
        return thing
    if best > 3000:
        full = math.hypot(ray.length, slope)
        daylight.sky(out, light, ray.de / full, slope / full, ray.dn / full)
        if slope < 0.12 * ray.length:
            daylight.far_hills(out, light, math.atan2(ray.dn, ray.de), slope / ray.length)
        return 1e9
    if what == 0:
        ground.ground(out, scene, ray.e + best * ray.de, ray.n + best * ray.dn, ray.grain * best)
        lit_ground(out, light)
    elif what == 1:
        lit_wall(out, scene, light, ray, slope, met.hits[index], met.node_r[index, 0])
    elif what == 2:
        lit_roof(out, scene, light, ray, slope, best, met.hits[index])
    else:
        for c in range(3):
            out[c] = 0.12
    return best


@inlined
def nearest_thing(out, light, ray, slope, met, found, best):
    """Distance to the nearest thing before `best`, whose light then fills out; `best` where there is none."""
    colour = np.empty(3)
    for s in range(found):
        if met.entry[s] >= best:
            break
        k = met.ids[s]
        low, high = ray.eye + slope * max(met.entry[s], 0.0), ray.eye + slope * met.leave[s]
        if min(low, high) > met.bodies[k, bodies.TOP] or max(low, high) < 0:
            continue
        near = met.near[k]
        way = (ray.e - near[things.EAST], ray.eye, ray.n - near[things.NORTH], ray.de, slope, ray.dn)
        t = bodies.seen(colour, near, met.bodies[k], way, light)
        if t < best:
            best = t
            out[0], out[1], out[2] = colour[0], colour[1], colour[2]
    return best


@compiled
def lit_ground(out, light):
    """Turn out from the ground's albedo into the light that it sends to the eye."""
    sun, dark = 0.55 * light.up, 1 - 0.35 * light.wet * out[3]
    out[0] *= dark * (0.8 * light.sky_red + sun * light.sun_red)
    out[1] *= dark * (0.8 * light.sky_green + sun * light.sun_green)
    out[2] *= dark * (0.8 * light.sky_blue + sun * light.sun_blue)


@compiled
def lit_wall(out, scene, light, ray, slope, hit, top):
    """Fill out with the light that a wall sends to the eye."""
    part, t, side = scene.parts[int(hit[rays.PART])], hit[rays.T_IN], int(hit[rays.SIDE])
    if hit[rays.FACING] < 0:  # what holds for the whole column of this wall
        out_e, out_n = rays.normal_of(part, side)
        hit[rays.FACING] = max(out_e * light.east + out_n * light.north, 0.0)
    height, span = ray.eye + slope * t, ray.grain * t * ray.length
    look = scene.looks[int(part[facades.OWNER])]
    facades.wall(out, look, part, side, hit[rays.ALONG], hit[rays.WIDTH], height, top, span / hit[rays.SQUARE], span)
    sun, open_ = 0.7 * hit[rays.FACING], 0.62 - 0.12 * math.exp(-height / 1.5)
    matt, gleam = 1 - out[3], 0.22 * out[3]
    out[0] = out[0] * matt * (open_ * light.sky_red + sun * light.sun_red) + gleam * light.sky_red + out[4]
    out[1] = out[1] * matt * (open_ * light.sky_green + sun * light.sun_green) + gleam * light.sky_green + 0.8 * out[4]
    out[2] = out[2] * matt * (open_ * light.sky_blue + sun * light.sun_blue) + gleam * light.sky_blue + 0.5 * out[4]


@compiled
def lit_roof(out, scene, light, ray, slope, t, hit):
    """Fill out with the light that a roof sends to the eye."""
    part = scene.parts[int(hit[rays.PART])]
    x, y = ray.e + t * ray.de - part[facades.EAST], ray.n + t * ray.dn - part[facades.NORTH]
    a, b = x * part[facades.COS] + y * part[facades.SIN], y * part[facades.COS] - x * part[facades.SIN]
    facades.roofing(out, scene.looks[int(part[facades.OWNER])], part[facades.FINISH], a, ray.eye + slope * t,
                    ray.grain * t)  # fmt: skip
    over = facades.roof_over(part, a, b)
    slope_a, slope_b = facades.roof_over(part, a + 0.02, b) - over, facades.roof_over(part, a, b + 0.02) - over
    size = math.sqrt(0.0004 + slope_a**2 + slope_b**2)
    east = -(slope_a * part[facades.COS] - slope_b * part[facades.SIN]) / size
    north = -(slope_a * part[facades.SIN] + slope_b * part[facades.COS]) / size
    sun = 0.7 * max(east * light.east + north * light.north + light.up * 0.02 / size, 0.0)
    out[0] *= 0.75 * light.sky_red + sun * light.sun_red
    out[1] *= 0.75 * light.sky_green + sun * light.sun_green
    out[2] *= 0.75 * light.sky_blue + sun * light.sun_blue
