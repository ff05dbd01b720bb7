"""Pictures of a street: one ray per sample against facades, roofs, ground, trees, cars and people in closed form.

Compiled by numba from plain arrays. Houses are persistent: two photos of one place see the same house. What carries
place follows the fields; season, sky, light, haze, traffic, yaw and noise are drawn for each photo alone.
"""

import math

import numpy as np
from numba import njit, prange

from geonb.cities import fields

LEAST_PX = 16  # of a picture's side: below nothing could be seen
PLOT_M = 9.0  # width of a house
CAMERA_M = 2.3
SIGHT_M = 160.0  # trees beyond are left out
TREE_STEP_M = 13.0
LAMP_STEP_M = 31.0
CARS, PEOPLE = 7, 4
# columns of the nuisance table
SHIFT, YAW, PITCH, EXPOSURE, RED, BLUE, CLOUD, HAZE, SUN, SEASON, NOISE, SALT = range(12)


def nuisance(photo_count, seasons, rng):
    """What carries no place: (n, 12) of shift, yaw, pitch, exposure, tint, cloud, haze, sun, season, noise, salt."""
    table = np.empty((photo_count, 12))
    table[:, SHIFT] = rng.uniform(-2.0, 2.0, photo_count)
    table[:, YAW] = rng.uniform(-0.7, 0.7, photo_count)
    table[:, PITCH] = rng.uniform(0.05, 0.3, photo_count)
    table[:, EXPOSURE] = np.exp(rng.normal(0, 0.12, photo_count))
    table[:, RED] = np.exp(rng.normal(0, 0.04, photo_count))
    table[:, BLUE] = np.exp(rng.normal(0, 0.04, photo_count))
    table[:, CLOUD] = rng.uniform(0, 1, photo_count)
    table[:, HAZE] = rng.uniform(0.0005, 0.008, photo_count)
    table[:, SUN] = rng.uniform(-0.25, 0.25, photo_count)
    table[:, SEASON] = np.clip(seasons + rng.normal(0, 0.1, photo_count), 0, 1)
    table[:, NOISE] = rng.uniform(0.005, 0.03, photo_count)
    table[:, SALT] = rng.integers(0, 2**31, photo_count)
    return table


def render(city, photos, nuisances, picture_px, nugget):
    """Pictures (n, picture_px, picture_px, 3) uint8 of a table of drives and its nuisance table, 2x2 anti-aliased.

    A picture depends on its own row alone: the same in any batch. ValueError for a size below 16 px.
    """
    if picture_px < LEAST_PX:
        raise ValueError(f"picture_px {picture_px} is below {LEAST_PX}: nothing could be seen")
    street = photos.street.to_numpy(np.int64)
    return render_all(
        picture_px, city.index, street, photos.along_m.to_numpy(float), photos.forward.to_numpy(float), nuisances,
        city.start_m, city.direction, city.length_m, city.half_width_m, city.junction_m, city.junction_half_m,
        city.fields, city.half_side_m, math.sqrt(nugget),
    )  # fmt: skip


@njit(cache=True)
def chance(a, b, c, d):
    """A number in [0, 1) that belongs to four integers for ever."""
    h = np.uint64(a) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(b + 7919)
    h = (h ^ (h >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9) ^ np.uint64(c + 104729)
    h = (h ^ (h >> np.uint64(32))) * np.uint64(0x94D049BB133111EB) ^ np.uint64(d + 1299709)
    # two rounds after the last integer: with one, neighbours in d would differ by a constant
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return float((h ^ (h >> np.uint64(31))) >> np.uint64(11)) / 9007199254740992.0


@njit(cache=True)
def field(layers, half_side_m, k, east, north):
    """Bilinear value of layer k."""
    size = layers.shape[1]
    y = min(max((north + half_side_m) / fields.GRID_STEP_M, 0.0), size - 1.001)
    x = min(max((east + half_side_m) / fields.GRID_STEP_M, 0.0), size - 1.001)
    i, j = int(y), int(x)
    a, b = y - i, x - j
    near = layers[k, i, j] * (1 - b) + layers[k, i, j + 1] * b
    far = layers[k, i + 1, j] * (1 - b) + layers[k, i + 1, j + 1] * b
    return near * (1 - a) + far * a


@njit(cache=True)
def squash(x):
    """The logistic function."""
    return 1.0 / (1.0 + math.exp(-x))


@njit(cache=True)
def house(traits, layers, half_side_m, spread, key, side, plot, east, north):
    """Fill the traits (8,) of one house: the fields at its place, and what it differs by from its neighbours."""
    for k in range(8):
        u = chance(key, plot * 2 + (1 if side > 0 else 0), k, 1) + chance(key, plot * 2 + (1 if side > 0 else 0), k, 2)
        # the sum of two uniforms, scaled to unit variance
        traits[k] = field(layers, half_side_m, k, east, north) + spread * (u - 1.0) * 2.449


@njit(cache=True)
def wall_colour(out, traits, key, plot, side):
    """Brick, plaster or stone: hue along one field, lightness along another."""
    hue, light = squash(1.2 * traits[1]), 0.35 + 0.6 * squash(1.1 * traits[2])
    shade = 0.96 + 0.08 * chance(key, plot, 31, 3)
    out[0] = light * (0.98 - 0.30 * hue) * shade
    out[1] = light * (0.62 + 0.26 * hue) * shade
    out[2] = light * (0.45 + 0.52 * hue) * shade


@njit(cache=True)
def facade(out, traits, key, plot, side, u, y, eaves, storey_m):
    """Colour of a point of a facade: u in [0, 1) across the house, y metres above the pavement."""
    wall_colour(out, traits, key, plot, side)
    floor = int(y / storey_m)
    v = y / storey_m - floor
    bays = 2 + int(3.99 * squash(1.3 * traits[3]))
    bay = u * bays
    across = abs(bay - math.floor(bay) - 0.5)
    tall = 0.18 + 0.24 * squash(1.4 * traits[4])
    if floor == 0 and squash(1.6 * traits[5] - 0.3) > chance(key, plot, 5, side + 1):
        if v > 0.74:  # sign board, each of its own colour
            for c in range(3):
                out[c] = 0.15 + 0.8 * chance(key, plot, 40 + c, side + 1)
        elif 0.06 < u < 0.94 and v > 0.08:
            lit = 0.25 + 0.2 * chance(key, plot, 44, side + 1)
            out[0], out[1], out[2] = lit, lit * 1.05, lit * 1.15
            if abs(u * 4 - round(u * 4)) < 0.05:
                out[0], out[1], out[2] = 0.12, 0.12, 0.12
    elif floor == 0 and abs(u - 0.15 - 0.7 * (chance(key, plot, 50, side + 1) > 0.5)) < 0.07 and y < 2.2:
        out[0], out[1], out[2] = (
            0.2 + 0.4 * chance(key, plot, 51, side + 1),
            0.15 + 0.2 * chance(key, plot, 52, side + 1),
            0.15 + 0.3 * chance(key, plot, 53, side + 1),
        )
    elif across < 0.26 and abs(v - 0.52) < tall:
        frame = across > 0.21 or abs(v - 0.52) > tall - 0.04 or across < 0.02
        if frame:
            out[0], out[1], out[2] = 0.85, 0.85, 0.83
        else:
            glint = 0.2 + 0.18 * chance(key, plot * 16 + int(bay), floor, side + 1)
            out[0], out[1], out[2] = glint, glint * 1.1, glint * 1.25
    elif u < 0.015 or u > 0.985 or (eaves - y < 0.25):
        for c in range(3):
            out[c] *= 0.7


@njit(cache=True)
def sky(out, dx, dy, dz, cloud, salt):
    """Blue to overcast, lighter towards the horizon, with soft clouds."""
    up = min(max(dy, 0.0), 1.0)
    wave = (
        math.sin(3.1 * dx / (0.2 + up) + salt % 7)
        + math.sin(2.3 * dz / (0.2 + up) + salt % 11)
        + math.sin(1.7 * (dx + dz) / (0.2 + up) + salt % 5)
    )
    cover = min(max(0.5 * cloud + 0.25 * wave * cloud + 0.6 * (cloud - 0.4), 0.0), 1.0)
    pale = 1 - 0.55 * up
    out[0] = (0.42 + 0.35 * (1 - up)) * (1 - cover) + 0.84 * cover * (0.9 + 0.1 * pale)
    out[1] = (0.62 + 0.22 * (1 - up)) * (1 - cover) + 0.85 * cover * (0.9 + 0.1 * pale)
    out[2] = 0.92 * (1 - cover) + 0.87 * cover * (0.9 + 0.1 * pale)


@njit(cache=True)
def ball(x, y, z, dx, dy, dz, cx, cy, cz, radius, flat):
    """Distance along a ray to an ellipsoid flattened by `flat` in height; 1e9 when it passes by."""
    oy, ey = (y - cy) / flat, dy / flat
    ox, oz = x - cx, z - cz
    a = dx * dx + ey * ey + dz * dz
    b = ox * dx + oy * ey + oz * dz
    c = ox * ox + oy * oy + oz * oz - radius * radius
    inside = b * b - a * c
    if inside < 0:
        return 1e9
    t = (-b - math.sqrt(inside)) / a
    return t if t > 0.3 else 1e9


@njit(cache=True)
def post(x, y, z, dx, dy, dz, cx, cz, radius, top):
    """Distance along a ray to a standing cylinder; 1e9 when it passes by."""
    ox, oz = x - cx, z - cz
    a = dx * dx + dz * dz
    b = ox * dx + oz * dz
    c = ox * ox + oz * oz - radius * radius
    inside = b * b - a * c
    if inside < 0 or a < 1e-12:
        return 1e9
    t = (-b - math.sqrt(inside)) / a
    height = y + t * dy
    return t if t > 0.3 and 0 <= height < top else 1e9


@njit(cache=True)
def box(x, y, z, dx, dy, dz, cx, cz, half_x, half_z, low, high):
    """Distance along a ray to an upright box, and which pair of its faces was hit; 1e9 when it passes by."""
    near, far, face = 0.3, 1e9, 0
    for axis in range(3):
        o, d, lo, hi = x, dx, cx - half_x, cx + half_x
        if axis == 1:
            o, d, lo, hi = y, dy, low, high
        elif axis == 2:
            o, d, lo, hi = z, dz, cz - half_z, cz + half_z
        if abs(d) < 1e-9:
            if o < lo or o > hi:
                return 1e9, 0
            continue
        a, b = (lo - o) / d, (hi - o) / d
        if a > b:
            a, b = b, a
        if a > near:
            near, face = a, axis
        far = min(far, b)
    return (near, face) if near < far else (1e9, 0)


@njit(cache=True)
def things(out, key, salt, x0, z0, half, length, heading, layers, half_side_m, sx, sn, ux, un):
    """Fill a table of what stands in the street: kind, x, z, size, colour seed. Returns how many."""
    count = 0
    for slot in range(int((z0 - SIGHT_M) / TREE_STEP_M), int((z0 + SIGHT_M) / TREE_STEP_M) + 1):
        for side in (-1.0, 1.0):
            z = (slot + 0.5) * TREE_STEP_M + 3 * chance(key, slot, 60, int(side) + 1)
            x = side * (half - 1.9)
            green = squash(1.6 * field(layers, half_side_m, 6, sx + ux * z + un * x, sn + un * z - ux * x) - 0.7)
            if 4 < z < length - 4 and chance(key, slot, 61, int(side) + 1) < green and count < out.shape[0]:
                out[count, 0], out[count, 1], out[count, 2] = 0, x, z
                out[count, 3], out[count, 4] = (
                    1.5 + 1.1 * chance(key, slot, 62, int(side) + 1),
                    chance(key, slot, 63, int(side) + 1),
                )
                count += 1
    for slot in range(int((z0 - SIGHT_M / 2) / LAMP_STEP_M), int((z0 + SIGHT_M / 2) / LAMP_STEP_M) + 1):
        if count < out.shape[0]:
            out[count, 0], out[count, 1], out[count, 2] = 1, (half - 0.8) * (1 if slot % 2 else -1), slot * LAMP_STEP_M
            out[count, 3], out[count, 4] = 0.09, 0.0
            count += 1
    for car in range(CARS):
        if chance(salt, car, 70, 0) < 0.65 and count < out.shape[0]:
            out[count, 0] = 2
            out[count, 1] = (half - 3.4) * (1 if chance(salt, car, 71, 0) < 0.5 else -1)
            out[count, 2] = z0 + heading * (6 + 9 * car + 4 * chance(salt, car, 72, 0))
            out[count, 3], out[count, 4] = 0.85 + 0.3 * chance(salt, car, 74, 0), chance(salt, car, 73, 0)
            count += 1
    for person in range(PEOPLE):
        if chance(salt, person, 80, 0) < 0.4 and count < out.shape[0]:
            out[count, 0] = 3
            out[count, 1] = (half - 1.2) * (1 if chance(salt, person, 81, 0) < 0.5 else -1)
            out[count, 2] = z0 + heading * (5 + 40 * chance(salt, person, 82, 0))
            out[count, 3], out[count, 4] = 0.28, chance(salt, person, 83, 0)
            count += 1
    return count


@njit(cache=True)
def thing_colour(out, kind, seed, height, face, t, season, noise):
    """Colours of a tree's crown and trunk, a lamp, a car, a person."""
    if kind == 0:
        if height > 2.6:
            autumn = season * 0.9
            dapple = 0.75 + 0.5 * noise
            out[0] = (0.16 + 0.1 * seed + 0.22 * autumn) * dapple
            out[1] = (0.36 + 0.1 * seed - 0.1 * autumn) * dapple
            out[2] = (0.12 + 0.05 * autumn) * dapple
        else:
            out[0], out[1], out[2] = 0.28, 0.2, 0.14
    elif kind == 1:
        out[0], out[1], out[2] = 0.25, 0.27, 0.27
    elif kind == 2:
        glass = 0.85 < height < 1.35
        dark = 0.75 if face == 0 else 1.0
        bright = 0.1 + 0.85 * (seed * 7 % 1)
        out[0] = (bright if seed > 0.35 else 0.55 + 0.3 * seed) * dark
        out[1] = bright * (1.0 if seed > 0.35 else 0.25) * dark
        out[2] = bright * (1.0 if seed > 0.2 else 0.4) * dark
        if glass:
            out[0], out[1], out[2] = 0.12, 0.14, 0.17
        elif height < 0.35:
            out[0], out[1], out[2] = 0.06, 0.06, 0.06
    elif height > 1.5:
        skin = seed * 3 % 1
        out[0], out[1], out[2] = 0.75 - 0.4 * skin, 0.58 - 0.3 * skin, 0.48 - 0.28 * skin
    else:
        out[0], out[1], out[2] = 0.15 + 0.7 * seed, 0.15 + 0.6 * (seed * 5 % 1), 0.2 + 0.6 * (seed * 11 % 1)


@njit(cache=True)
def ground(out, x, z, half, length, key, crossing):
    """Road, kerb, pavement, markings; grass beyond the last house."""
    grain = 0.96 + 0.08 * chance(key, int(x * 2 + 500), int(z * 2), 90)
    if z < -8 or z > length + 8:
        out[0], out[1], out[2] = 0.34 * grain, 0.44 * grain, 0.22 * grain
    elif abs(x) > half - 2.6 and not crossing:
        joint = 0.93 if abs(z / 1.2 - math.floor(z / 1.2)) < 0.08 else 1.0
        out[0], out[1], out[2] = 0.58 * grain * joint, 0.56 * grain * joint, 0.53 * grain * joint
    elif abs(abs(x) - (half - 2.6)) < 0.14 and not crossing:
        out[0], out[1], out[2] = 0.7, 0.69, 0.66
    elif abs(x) < 0.09 and z / 5 - math.floor(z / 5) < 0.5 and not crossing:
        out[0], out[1], out[2] = 0.86, 0.86, 0.82
    else:
        out[0], out[1], out[2] = 0.33 * grain, 0.33 * grain, 0.345 * grain


@njit(parallel=True, cache=True)
def render_all(
    px,
    city,
    street,
    along,
    forward,
    nuisances,
    start,
    direction,
    lengths,
    half_widths,
    junction,
    junction_half,
    layers,
    half_side_m,
    spread,
):
    """render from plain arrays: one row per photo, one per street."""
    pictures = np.empty((len(street), px, px, 3), np.uint8)
    for n in prange(len(street)):
        s = street[n]
        picture(
            pictures[n], px, city * 1000 + s, along[n], forward[n], nuisances[n], start[s, 0], start[s, 1],
            direction[s, 0], direction[s, 1], lengths[s], half_widths[s], junction[s], junction_half[s], layers,
            half_side_m, spread,
        )  # fmt: skip
    return pictures


@njit(cache=True)
def picture(
    out,
    px,
    key,
    z0,
    forward,
    nuisance,
    sx,
    sn,
    ux,
    un,
    length,
    half,
    junction,
    junction_half,
    layers,
    half_side_m,
    spread,
):
    """Fill one picture. The street's frame: x to the right of its direction, y up, z along it."""
    salt = int(nuisance[SALT])
    x0 = nuisance[SHIFT]
    yaw = nuisance[YAW] + (0.0 if forward > 0 else math.pi)
    cos_yaw, sin_yaw = math.cos(yaw), math.sin(yaw)
    standing = np.empty((96, 5))
    count = things(standing, key, salt, x0, z0, half, length, forward, layers, half_side_m, sx, sn, ux, un)
    colour, back, traits = np.empty(3), np.empty(3), np.empty(8)
    total = np.empty(3)
    for row in range(px):
        for column in range(px):
            total[:] = 0.0
            for sample in range(4):
                right = ((column + 0.25 + 0.5 * (sample % 2)) / px * 2 - 1) * 0.95
                up = (1 - (row + 0.25 + 0.5 * (sample // 2)) / px * 2) * 0.95 + nuisance[PITCH]
                scale = 1.0 / math.sqrt(right * right + up * up + 1)
                dx, dy, dz = (cos_yaw * right + sin_yaw) * scale, up * scale, (cos_yaw - sin_yaw * right) * scale
                far = shade(
                    colour, traits, standing, count, key, salt, x0, z0, dx, dy, dz, nuisance, sx, sn, ux, un, length,
                    half, junction, junction_half, layers, half_side_m, spread,
                )  # fmt: skip
                sky(back, dx, max(dy, 0.02), dz, nuisance[CLOUD], salt)
                clear = math.exp(-nuisance[HAZE] * far) if far < 1e8 else 1.0
                for c in range(3):
                    total[c] += 0.25 * (colour[c] * clear + back[c] * (1 - clear))
            for c in range(3):
                tint = nuisance[RED] if c == 0 else nuisance[BLUE] if c == 2 else 1.0
                grain = (
                    (chance(salt, row * px + column, c, 99) + chance(salt, row * px + column, c, 98) - 1)
                    * 2.449
                    * nuisance[NOISE]
                )
                value = total[c] * nuisance[EXPOSURE] * tint + grain
                out[row, column, c] = np.uint8(min(max(value, 0.0), 1.0) * 255 + 0.5)


@njit(cache=True)
def shade(
    out,
    traits,
    standing,
    count,
    key,
    salt,
    x0,
    z0,
    dx,
    dy,
    dz,
    nuisance,
    sx,
    sn,
    ux,
    un,
    length,
    half,
    junction,
    junction_half,
    layers,
    half_side_m,
    spread,
):
    """Fill the colour seen along one ray; returns the distance to what is seen."""
    nearest = 1e9
    kind, index, face = -1, -1, 0
    side = 1.0 if dx > 0 else -1.0
    # the facade plane, unless the ray leaves through a junction or beyond the street's ends
    wall = (side * half - x0) / dx if abs(dx) > 1e-9 else 1e9
    z = z0 + wall * dz
    gap = -1
    for j in range(len(junction)):
        if abs(z - junction[j]) < junction_half[j]:
            gap = j
    plot = math.floor(z / PLOT_M)
    eaves, storey_m, height = 0.0, 3.0, CAMERA_M + wall * dy
    if wall < 400 and gap < 0 and 0 <= z <= length:
        middle = (plot + 0.5) * PLOT_M
        house(
            traits,
            layers,
            half_side_m,
            spread,
            key,
            side,
            plot,
            sx + ux * middle + un * side * half,
            sn + un * middle - ux * side * half,
        )
        storey_m = 2.9 + 0.5 * chance(key, plot, 20, int(side) + 1)
        eaves = storey_m * (1 + int(5.99 * squash(1.2 * traits[0] - 0.4)))
        if 0 <= height < eaves:
            nearest, kind = wall, 10
        elif height >= eaves:
            slope = 0.25 + 1.0 * squash(1.3 * traits[7])
            meet = dy - slope * side * dx
            roof = (eaves + slope * (side * x0 - half) - CAMERA_M) / meet if abs(meet) > 1e-9 else -1.0
            top = CAMERA_M + roof * dy
            if roof >= wall and top - eaves < 3.6 * slope + 0.4 and roof < 500:
                nearest, kind = roof, 11
    elif wall < 400 and gap >= 0:
        # the flank of the corner house on the far side of the side street
        flank = (
            (junction[gap] + (junction_half[gap] if dz > 0 else -junction_half[gap]) - z0) / dz
            if abs(dz) > 1e-9
            else 1e9
        )
        corner = math.floor((junction[gap] + (junction_half[gap] + 2 if dz > 0 else -junction_half[gap] - 2)) / PLOT_M)
        middle = (corner + 0.5) * PLOT_M
        house(
            traits,
            layers,
            half_side_m,
            spread,
            key,
            side,
            corner,
            sx + ux * middle + un * side * half,
            sn + un * middle - ux * side * half,
        )
        eaves = 3.1 * (1 + int(5.99 * squash(1.2 * traits[0] - 0.4)))
        height = CAMERA_M + flank * dy
        if wall <= flank < 200 and 0 <= height < eaves:
            nearest, kind, plot = flank, 12, corner
    floor_t = -CAMERA_M / dy if dy < -1e-6 else 1e9
    if floor_t < nearest:
        nearest, kind = floor_t, 13
    for i in range(count):
        what = int(standing[i, 0])
        if what == 0:
            t = ball(x0, CAMERA_M, z0, dx, dy, dz, standing[i, 1], 4.6, standing[i, 2], standing[i, 3], 1.25)
            t = min(t, post(x0, CAMERA_M, z0, dx, dy, dz, standing[i, 1], standing[i, 2], 0.16, 3.4))
        elif what == 1:
            t = post(x0, CAMERA_M, z0, dx, dy, dz, standing[i, 1], standing[i, 2], standing[i, 3], 5.6)
        elif what == 2:
            size = standing[i, 3]
            t, f = box(
                x0, CAMERA_M, z0, dx, dy, dz, standing[i, 1], standing[i, 2], 0.85 * size, 2.1 * size, 0.15, 0.85
            )
            cabin, g = box(
                x0, CAMERA_M, z0, dx, dy, dz, standing[i, 1], standing[i, 2], 0.75 * size, 1.15 * size, 0.85, 1.42
            )
            if cabin < t:
                t, f = cabin, g
            if t < nearest:
                face = f
        else:
            t = post(x0, CAMERA_M, z0, dx, dy, dz, standing[i, 1], standing[i, 2], standing[i, 3], 1.72)
        if t < nearest:
            nearest, kind, index = t, what, i
    height = CAMERA_M + nearest * dy
    if kind < 0:
        sky(out, dx, dy, dz, nuisance[CLOUD], salt)
        if dy < 0.03:  # what lies beyond the last street
            out[0], out[1], out[2] = 0.45, 0.5, 0.42
    elif kind == 10:
        facade(out, traits, key, plot, int(side), z / PLOT_M - plot, height, eaves, storey_m)
    elif kind == 11:
        tile = squash(1.5 * traits[7])
        lines = 0.9 + 0.1 * math.sin(14 * height)
        out[0], out[1], out[2] = (0.55 - 0.3 * tile) * lines, (0.3 - 0.02 * tile) * lines, (0.24 + 0.1 * tile) * lines
    elif kind == 12:
        wall_colour(out, traits, key, plot, int(side))
        for c in range(3):
            out[c] *= 0.82
    elif kind == 13:
        at_x, at_z = x0 + nearest * dx, z0 + nearest * dz
        crossing = False
        for j in range(len(junction)):
            if abs(at_z - junction[j]) < junction_half[j]:
                crossing = True
        ground(out, at_x, at_z, half, length, key, crossing)
        if abs(at_x) > half + 0.01 and not crossing and -8 < at_z < length + 8:
            out[0], out[1], out[2] = 0.38, 0.42, 0.3
    else:
        at_x, at_z = x0 + nearest * dx, z0 + nearest * dz
        dapple = chance(index, int(at_x * 3 + 900), int(height * 3), int(at_z * 3))
        thing_colour(out, kind, standing[index, 4], height, face, nearest, nuisance[SEASON], dapple)
    if 10 <= kind <= 12:
        lit = 1.0 + nuisance[SUN] * side * (1.0 if kind != 12 else -0.5)
        for c in range(3):
            out[c] *= lit
    return nearest
