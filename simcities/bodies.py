"""What things along the kerbs look like: trees, lamps, bollards, tubs of flowers, parked cars.

A body is a row (RADIUS, TOP, SIN, COS, its colour) of one thing. Rays meet it in closed form (cones, ellipsoids,
boxes), all in metres.
"""

import math

import numpy as np

from simcities.texture import between, compiled, speck
from simcities.things import BOLLARD, CAR, HEADING, KIND, LAMP, PLANTER, SEED, SIZE, TREE

RADIUS, TOP, SIN, COS, COLOUR = range(5)
BODY = 7  # columns
FAR = 1e9  # the distance of what is not hit
NEAR = 0.2  # along the ray: nothing closer is seen
CROWN_M, TRUNK_M, LENGTHY = (0.4, 1.5), 3.2, 1.25  # radii of a crown; below it; its height over its width
LAMP_M, HEAD_M = 3.7, (0.1, 0.66)
BOLLARD_M, FLOWERS_M, TUB_M = (0.1, 1.5), (0.08, 0.85), 0.4
LIT, YELLOW, FLOWER = (1.5, 1.35, 0.85), (0.62, 0.42, 0.01), (0.60, 0.02, 0.30)
# share of all up to this colour, red, green, blue
CARS = np.array(
    [[0.22, 0.88, 0.88, 0.86], [0.41, 0.27, 0.28, 0.30], [0.58, 0.06, 0.06, 0.07], [0.72, 0.58, 0.60, 0.62],
     [0.84, 0.08, 0.17, 0.42], [0.93, 0.60, 0.06, 0.06], [0.96, 0.13, 0.27, 0.17], [0.98, 0.80, 0.58, 0.10],
     [1.00, 0.42, 0.30, 0.20]]
)  # fmt: skip


@compiled
def shape(body, thing):
    """Fill radius, top, heading and colour of a thing's body; a tree's leaves are coloured by the caller."""
    kind, size = thing[KIND], thing[SIZE]
    body[SIN], body[COS] = math.sin(thing[HEADING]), math.cos(thing[HEADING])
    if kind == TREE:
        body[RADIUS] = between(CROWN_M, size)
        body[TOP] = TRUNK_M + 2 * LENGTHY * body[RADIUS]
    elif kind == LAMP:
        body[RADIUS] = between(HEAD_M, size)
        body[TOP] = LAMP_M + 2 * body[RADIUS]
        body[COLOUR], body[COLOUR + 1], body[COLOUR + 2] = LIT
    elif kind == BOLLARD:
        body[RADIUS], body[TOP] = 0.2, between(BOLLARD_M, size)
        body[COLOUR], body[COLOUR + 1], body[COLOUR + 2] = YELLOW
    elif kind == PLANTER:
        body[RADIUS] = max(between(FLOWERS_M, size), 0.32)
        body[TOP] = TUB_M + 2 * between(FLOWERS_M, size)
        body[COLOUR], body[COLOUR + 1], body[COLOUR + 2] = FLOWER
    else:
        body[RADIUS], body[TOP] = 2.2, 1.45
        pick = 0
        while thing[SEED] > CARS[pick, 0]:
            pick += 1
        for c in range(3):
            body[COLOUR + c] = CARS[pick, 1 + c] ** 2.2


@compiled
def lit(out, colour, facing, light):
    """Fill out[:3] with the light that a colour (3,) sends, its face turned to the sun by so much (-1 to 1)."""
    sun, sky = 0.6 * max(facing, 0.0), 0.55 + 0.15 * facing
    out[0] = colour[0] * (sky * light.sky_red + sun * light.sun_red)
    out[1] = colour[1] * (sky * light.sky_green + sun * light.sun_green)
    out[2] = colour[2] * (sky * light.sky_blue + sun * light.sun_blue)


@compiled
def seen(out, thing, body, ray, light):
    """Distance along a ray (a, y, b, da, dy, db), from the thing's foot, at which it is met; FAR when it passes by.

    out: (3,) filled, when met, with the light that comes from there. Axes are east, up and north.
    """
    kind = thing[KIND]
    if kind == CAR:
        return car(out, body, ray, light)
    if kind == TREE:
        middle = TRUNK_M + LENGTHY * body[RADIUS]
        return ball(out, body, ray, light, (middle, body[RADIUS], LENGTHY * body[RADIUS], 0.1))
    if kind == LAMP:
        t = ball(out, body, ray, light, (body[TOP] - body[RADIUS], body[RADIUS], body[RADIUS], 0.07))
        if t < FAR and ray[1] + t * ray[4] > body[TOP] - 2 * body[RADIUS]:
            out[0], out[1], out[2] = LIT
        return t
    if kind == PLANTER:
        high = 0.5 * (body[TOP] - TUB_M)
        return ball(out, body, ray, light, (TUB_M + high, high, high, 0.3))
    t = cone(ray, 0.2, 0.18, body[TOP])
    if t < FAR:
        lit(out, body[COLOUR : COLOUR + 3], 0.3, light)
    return t


@compiled
def ball(out, body, ray, light, form):
    """Distance to an ellipsoid on a stem; form: height of its middle, radius, half its height, radius of the stem."""
    a, y, b, da, dy, db = ray
    middle, wide, high, stem = form
    best = cone(ray, stem, stem, middle)
    t = egg(ray, middle, wide, high)
    if t < best:
        x, up, z = (a + t * da) / wide, (y + t * dy - middle) / high, (b + t * db) / wide
        lit(out, body[COLOUR : COLOUR + 3], x * light.east + up * light.up + z * light.north, light)
        tone = 0.65 + 0.7 * speck(x * wide, up * high, z * wide, 0.22, 7)
        for c in range(3):
            out[c] *= tone
        return t
    if best < FAR:
        lit(out, np.array((0.09, 0.08, 0.07)), 0.2, light)
    return best


@compiled
def car(out, body, ray, light):
    """Distance to a parked car: a body, a cabin of dark glass under a roof, wheels."""
    a, b = ray[0] * body[SIN] + ray[2] * body[COS], ray[0] * body[COS] - ray[2] * body[SIN]
    da, db = ray[3] * body[SIN] + ray[5] * body[COS], ray[3] * body[COS] - ray[5] * body[SIN]
    y, dy = ray[1], ray[4]
    ia, iy, ib = inverse(da), inverse(dy), inverse(db)
    low, axis = box(a, y, b, ia, iy, ib, -1.95, 1.95, 0.18, 0.88, -0.86, 0.86)
    high, cabin = box(a, y, b, ia, iy, ib, -1.45, 0.75, 0.88, 1.42, -0.74, 0.74)
    t = min(low, high)
    if t == FAR:
        return FAR
    up = y + t * dy
    lit(out, body[COLOUR : COLOUR + 3], 0.5 if (axis if low < high else cabin) == 1 else 0.1, light)
    glass = high < low and cabin != 1 and up < 1.34
    wheel = low < high and up < 0.5 and abs(abs(a + t * da) - 1.25) < 0.34
    if glass or wheel:
        for c in range(3):
            out[c] = 0.05 + 0.04 * glass
    return t


# ---- forms -----------------------------------------------------------------------------------------------------------
@compiled
def cone(ray, low_radius, high_radius, high):
    """Distance along a ray (a, y, b, da, dy, db) to an upright cone with a lid, from the ground to a height."""
    a, y, b, da, dy, db = ray
    swell = (high_radius - low_radius) / high
    radius, vr = low_radius + swell * y, swell * dy
    square = da * da + db * db - vr * vr
    half = a * da + b * db - radius * vr
    inside = half * half - square * (a * a + b * b - radius * radius)
    if inside < 0 or square < 1e-9:
        return FAR
    t = (-half - math.sqrt(inside)) / square
    height = y + t * dy
    if t > NEAR and 0.0 <= height <= high:
        return t
    if height > high and dy < 0:
        t = (high - y) / dy
        a, b = a + t * da, b + t * db
        if t > NEAR and a * a + b * b < high_radius * high_radius:
            return t
    return FAR


@compiled
def egg(ray, middle, wide, high):
    """Distance along a ray to an upright ellipsoid: height of its middle, its radius, half its height."""
    a, y, b, da, dy, db = ray
    xa, xy, xb = a / wide, (y - middle) / high, b / wide
    va, vy, vb = da / wide, dy / high, db / wide
    square = va * va + vy * vy + vb * vb
    half = xa * va + xy * vy + xb * vb
    inside = half * half - square * (xa * xa + xy * xy + xb * xb - 1.0)
    if inside < 0:
        return FAR
    t = (-half - math.sqrt(inside)) / square
    return t if t > NEAR else FAR


@compiled
def box(a, y, b, ia, iy, ib, low_a, high_a, low_y, high_y, low_b, high_b):
    """Distance to a box and the axis (0 a, 1 y, 2 b) of the face met; the ray's direction comes inverted."""
    near, far, axis = NEAR, FAR, -1
    first, second = (low_a - a) * ia, (high_a - a) * ia
    far = max(first, second)
    if min(first, second) > near:
        near, axis = min(first, second), 0
    first, second = (low_y - y) * iy, (high_y - y) * iy
    far = min(far, max(first, second))
    if min(first, second) > near:
        near, axis = min(first, second), 1
    first, second = (low_b - b) * ib, (high_b - b) * ib
    far = min(far, max(first, second))
    if min(first, second) > near:
        near, axis = min(first, second), 2
    return (near, axis) if near < far and axis >= 0 else (FAR, 0)


@compiled
def inverse(x):
    """1 / x, large rather than infinite."""
    return 1.0 / x if abs(x) > 1e-9 else 1e9
