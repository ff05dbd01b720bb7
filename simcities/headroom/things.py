"""Looks of what lines the kerbs: trees, lamps, bollards, tubs of flowers, parked cars. Rays meet them in closed form.

SIZE of a thing is the amount (0..1) of its trait; a body is a row (RADIUS, TOP, SIN, COS, its colour) of one thing.
"""

import math

import numpy as np

from simcities.headroom.ground import between
from simcities.headroom.houses import BOLLARD, CAR, LAMP, PLANTER, TREE
from simcities.things import CARS, FAR, HEADING, KIND, SEED, SIZE, box, compiled, egg, inverse, limb, speck

RADIUS, TOP, SIN, COS, COLOUR = range(5)
BODY = 7  # columns
CROWN_M, TRUNK_M, LENGTHY = (0.4, 1.5), 3.2, 1.25  # radii of a crown; below it; its height over its width
LAMP_M, HEAD_M = 3.7, (0.1, 0.66)
BOLLARD_M, FLOWERS_M, TUB_M = (0.1, 1.5), (0.08, 0.85), 0.4
LIT, YELLOW, FLOWER = (1.5, 1.35, 0.85), (0.62, 0.42, 0.01), (0.60, 0.02, 0.30)


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
    t = limb(ray[0], ray[1], ray[2], ray[3], ray[4], ray[5], 0.0, 0.0, 0.0, 0.0, 0.2, 0.18, 0.0, body[TOP])
    if t < FAR:
        lit(out, body[COLOUR : COLOUR + 3], 0.3, light)
    return t


@compiled
def ball(out, body, ray, light, form):
    """Distance to an ellipsoid on a stem; form: height of its middle, radius, half its height, radius of the stem."""
    a, y, b, da, dy, db = ray
    middle, wide, high, stem = form
    best = limb(a, y, b, da, dy, db, 0.0, 0.0, 0.0, 0.0, stem, stem, 0.0, middle)
    t = egg(a, y, b, da, dy, db, 0.0, middle, 0.0, wide, high, wide)
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
