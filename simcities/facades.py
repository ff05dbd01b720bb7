"""What houses look like: how a row of the table becomes prisms (parts), and the colours of their walls and roofs.

A part is an upright prism over an oriented rectangle, from BASE to TOP, with a roof that is a function of the plan. A
look holds the amounts in 0..1 of a house's traits, in the order of fields.HOUSES, then its colours as linear albedos.
Each trait changes something of its own: its size, or its colour along a ramp.
"""

import math

import numpy as np

from simcities import buildings as plan
from simcities import fields
from simcities.buildings import GARDEN_M, GROUND_FLOOR_M
from simcities.texture import between, compiled, cover, lattice, mix, noise, ramp

# columns of the parts; lengths and heights in metres, OWNER is the row of the building
EAST, NORTH, COS, SIN, HALF_WIDTH, HALF_DEPTH, BASE, TOP, ROOF, PITCH, CAP, FINISH, OWNER = range(13)
FLAT, RIDGE, GABLE = range(3)  # forms of roof: RIDGE falls to front and back, GABLE shows a triangle to the front
FRONT, BACK, LEFT, RIGHT = range(4)  # sides of a part
HOUSE, POINTED, CANOPY, HEDGE = range(4)  # finishes of a part
MOST_PARTS = 4  # of one building
# columns of the looks: the traits, colours of three columns each, then measures
(WALL_HUE, WALL_LIGHT, COURSES, ROOF_HUE, SHUTTERS, FRAMES, WINDOWS, AWNINGS, CORNICE, BALCONIES, GABLES, ROOF_HEIGHT,
 STOREYS, SETBACK, SHOPS, DOORS) = range(len(fields.HOUSES))  # fmt: skip
WALL, ROOFING, FRAME, DOOR, LEAVES = 16, 19, 22, 25, 28
FLOORS, UPPER_M, EAVES_AT_M, DOOR_AT_M, KEY, LOOKS = range(31, 37)
HEDGE_M, LEAF_HUE = len(fields.HOUSES) + 2, len(fields.HOUSES) + 4  # columns of a house's traits

WALLS = np.array([[0.46, 0.13, 0.07], [0.58, 0.38, 0.16], [0.42, 0.42, 0.41], [0.20, 0.33, 0.52]])
ROOFS = np.array([[0.42, 0.07, 0.03], [0.20, 0.14, 0.11], [0.08, 0.13, 0.28], [0.08, 0.36, 0.26]])
FRAMING = np.array([[0.50, 0.03, 0.03], [0.62, 0.60, 0.55], [0.03, 0.12, 0.55]])
PAINTED = np.array([[0.60, 0.03, 0.02], [0.65, 0.45, 0.02], [0.03, 0.32, 0.08], [0.03, 0.07, 0.50]])
LEAF = np.array([[0.34, 0.34, 0.02], [0.06, 0.22, 0.03], [0.02, 0.16, 0.15]])
STUCCO, SHUTTER, AWNING = (0.66, 0.61, 0.48), (0.26, 0.16, 0.56), (0.55, 0.03, 0.04)
RAIL, BOARD = (0.02, 0.02, 0.022), (0.62, 0.30, 0.01)

DOOR_HALF_M, DOOR_HIGH_M = 1.1, 2.65
COURSE_M = 0.8
SHOP_HIGH_M, SHOP_SHARE = 2.7, 0.62  # of a front, where shops are most
BAY_M, GLASS_SHARE, GLASS_HIGH = 2.7, (0.10, 0.62), (0.26, 0.68)  # a window and the wall beside it; its glass
SHUTTER_M = 0.75
CORNICE_M, AWNING_M, AWNING_OUT_M = (0.08, 1.7), (0.1, 1.1), (0.3, 1.0)
HEDGE_HIGH_M = (0.15, 1.3)
ROOF_RISE_M, ROOF_PITCH = (0.4, 5.6), 2.2
GABLE_SHARE, GABLE_PITCH, NO_CAP_M = 0.97, 1.3, 99.0


@compiled
def amount_of(x):
    """As fields.amounts, of one number."""
    return 1.0 / (1.0 + math.exp(-fields.STEEPNESS * x))


@compiled
def looks_of(buildings):
    """Looks (B, LOOKS) of a table of buildings (B, 9 + K)."""
    looks = np.zeros((len(buildings), LOOKS))
    for b in range(len(buildings)):
        look, row = looks[b], buildings[b]
        for k in range(WALL):
            look[k] = amount_of(row[plan.TRAITS + k])
        ramp(WALLS, look[WALL_HUE], look, WALL)
        luminance = 0.085 * 8.0 ** look[WALL_LIGHT]
        scale = luminance / (0.2126 * look[WALL] + 0.7152 * look[WALL + 1] + 0.0722 * look[WALL + 2])
        pale = 0.03 + 0.12 * look[WALL_LIGHT] ** 2  # a light wall is whitewashed: its colour pales as a pigment does
        for c in range(3):
            look[WALL + c] = min(look[WALL + c] * scale * (1 - pale) + luminance * pale, 0.85)
        ramp(ROOFS, look[ROOF_HUE], look, ROOFING)
        ramp(FRAMING, look[FRAMES], look, FRAME)
        ramp(PAINTED, look[DOORS], look, DOOR)
        ramp(LEAF, amount_of(row[plan.TRAITS + LEAF_HUE]), look, LEAVES)
        key = int(row[plan.SEED] * 1e9)
        look[EAVES_AT_M] = row[plan.STOREY] * row[plan.FLOORS]
        look[FLOORS], look[UPPER_M] = row[plan.FLOORS], (look[EAVES_AT_M] - GROUND_FLOOR_M) / (row[plan.FLOORS] - 1)
        look[DOOR_AT_M] = 1.75 if lattice(key, 10, 0) < 0.5 else 2 * row[plan.HALF_WIDTH] - 1.75
        look[KEY] = key
    return looks


# ---- parts -----------------------------------------------------------------------------------------------------------
@compiled
def put(parts, count, owner, row, form):
    """Append a part with a flat roof in the middle of a house's width; returns the new count.

    form: local depth of its middle, half width, half depth, bottom, top, finish.
    """
    part = parts[count]
    b, half_width, half_depth, bottom, top, finish = form
    part[EAST], part[NORTH] = row[plan.EAST] - b * row[plan.SIN], row[plan.NORTH] + b * row[plan.COS]
    part[COS], part[SIN] = row[plan.COS], row[plan.SIN]
    part[HALF_WIDTH], part[HALF_DEPTH] = half_width, half_depth
    part[BASE], part[TOP], part[FINISH], part[OWNER] = bottom, top, finish, owner
    part[ROOF], part[PITCH], part[CAP] = FLAT, 0.0, 0.0
    return count + 1


@compiled
def roofed(part, roof, pitch, cap):
    """Give a part another roof."""
    part[ROOF], part[PITCH], part[CAP] = roof, pitch, cap


@compiled
def parts_of(buildings, looks):
    """Parts (4 B, 13) of a table of buildings: a house under its roof, a gable over its front, an awning, a hedge."""
    parts = np.empty((len(buildings) * MOST_PARTS, OWNER + 1))
    count = 0
    for b in range(len(buildings)):
        row, look = buildings[b], looks[b]
        wide, deep, eaves_m = row[plan.HALF_WIDTH], row[plan.HALF_DEPTH], look[EAVES_AT_M]
        count = put(parts, count, b, row, (0.0, wide, deep, 0.0, eaves_m, HOUSE))
        roofed(parts[count - 1], RIDGE, ROOF_PITCH, between(ROOF_RISE_M, look[ROOF_HEIGHT]))
        half = wide * GABLE_SHARE * look[GABLES]
        count = put(parts, count, b, row, (deep - 1.2, half, 1.25, eaves_m - 0.01, eaves_m, POINTED))
        roofed(parts[count - 1], GABLE, GABLE_PITCH, NO_CAP_M)
        out, high = 0.5 * between(AWNING_OUT_M, look[AWNINGS]), GROUND_FLOOR_M - 0.1
        low = high - between(AWNING_M, look[AWNINGS])
        count = put(parts, count, b, row, (deep + out, wide - 0.15, out, low, high, CANOPY))
        at = deep + max(between(GARDEN_M, look[SETBACK]) - 0.35, 0.3)
        high = between(HEDGE_HIGH_M, amount_of(row[plan.TRAITS + HEDGE_M]))
        count = put(parts, count, b, row, (at, wide, 0.25, 0.0, high, HEDGE))
    return parts


@compiled
def roof_over(part, a, b):
    """Height of the roof above TOP at local (a, b) inside the part."""
    if part[ROOF] == FLAT:
        return 0.0
    if part[ROOF] == RIDGE:
        return min(part[CAP], part[PITCH] * max(part[HALF_DEPTH] - abs(b), 0.0))
    return min(part[CAP], part[PITCH] * max(part[HALF_WIDTH] - abs(a), 0.0))


@compiled
def tallest_m(parts):
    """Height of the highest point of all parts, 0 where there are none."""
    best = 0.0
    for p in range(len(parts)):
        best = max(best, parts[p, TOP] + roof_over(parts[p], 0.0, 0.0))
    return best


# ---- colours ---------------------------------------------------------------------------------------------------------
@compiled
def lay(out, colour, share):
    """Lay a colour (3,) over out[:3] with a share of cover."""
    mix(out, colour[0], colour[1], colour[2], min(share, 1.0))


@compiled
def wall(out, look, part, side, u, width, y, roofline, grain, grain_y):
    """Fill out (5,) for a point of a wall: albedo (3), share that reflects like glass, own warm light.

    u: metres along the wall of `width`, y: height, roofline: where the roof begins above this point, grain, grain_y:
    what a sample covers of the wall, across and up [m].
    """
    out[3] = out[4] = 0.0
    finish = part[FINISH]
    if finish == CANOPY:
        pale = cover(u / 0.9 - math.floor(u / 0.9), 0.0, 0.4, max(grain / 0.9, 0.02))
        out[0], out[1], out[2] = AWNING
        mix(out, 0.68, 0.66, 0.62, min(pale, 1.0))
        return
    if finish == HEDGE:
        leafy(out, look, u, y)
        return
    for c in range(3):
        out[c] = look[WALL + c] * (0.92 + 0.16 * noise(u * 0.9, y * 0.7, int(look[KEY])))
    courses(out, look, y, grain_y)
    if finish == POINTED:
        out[0], out[1], out[2] = STUCCO
        edge = cover(roofline - y, -1.0, 0.3, grain_y)
        lay(out, look[ROOFING : ROOFING + 3], edge)
        return
    if side >= LEFT:
        for c in range(3):
            out[c] *= 0.8
        return
    upper(out, look, u, width, y, grain, grain_y)
    if side == FRONT and y < GROUND_FLOOR_M:
        ground_floor(out, look, u, width, y, grain, grain_y)
    lay(out, STUCCO, cover(look[EAVES_AT_M] - y, 0.0, between(CORNICE_M, look[CORNICE]), grain_y))


@compiled
def leafy(out, look, u, y):
    """Fill out[:3] with a hedge's leaves."""
    tone = 0.6 + 0.8 * noise(u * 3.1, y * 3.7, int(look[KEY]) + 3)
    for c in range(3):
        out[c] = look[LEAVES + c] * tone


@compiled
def courses(out, look, y, grain_y):
    """Make every second course of a wall lighter, the others darker."""
    place = y / (2 * COURSE_M)
    light = cover(place - math.floor(place), 0.0, 0.5, max(grain_y / (2 * COURSE_M), 0.02)) * 2 - 1
    for c in range(3):
        out[c] *= 1 + (0.85 if light > 0 else 0.78) * look[COURSES] * light


@compiled
def upper(out, look, u, width, y, grain, grain_y):
    """Lay the windows of the upper floors over a wall, with their frames, shutters and balconies."""
    if y < GROUND_FLOOR_M or y > look[EAVES_AT_M]:
        return
    storey = look[UPPER_M]
    v = (y - GROUND_FLOOR_M) % storey
    bays = max(1, int(width / BAY_M + 0.5))
    pitch = width / bays
    x = u - (int(min(u / pitch, bays - 0.01)) + 0.5) * pitch
    high = storey * between(GLASS_HIGH, look[WINDOWS])
    window(out, look, x, v - 0.5 * (storey - high) - 0.05, pitch, high, grain, grain_y)
    half = 0.5 * width * (0.05 + 0.93 * look[BALCONIES])
    across = cover(u - 0.5 * width, -half, half, grain)
    bars = 0.45 + 0.55 * cover(u / 0.5 - math.floor(u / 0.5), 0.0, 0.5, max(grain / 0.5, 0.02))
    lay(out, RAIL, across * bars * cover(v, 0.1, 0.95, grain_y))
    lay(out, RAIL, across * cover(v, 0.82, 0.98, grain_y))
    lay(out, STUCCO, across * cover(v, -0.05, 0.12, grain_y))


@compiled
def window(out, look, x, v, pitch, high, grain, grain_y):
    """Lay a window over a wall; x, v: metres from its middle and its sill."""
    half = 0.5 * pitch * between(GLASS_SHARE, look[WINDOWS])
    frame = 0.2
    up = cover(v, 0.0, high, grain_y)
    flap = min(0.5 * pitch - half - frame, SHUTTER_M * look[SHUTTERS])
    lay(out, SHUTTER, up * cover(abs(x), half + frame, half + frame + flap, grain))
    framed = cover(x, -half - frame, half + frame, grain) * cover(v, -frame, high + frame, grain_y)
    lay(out, look[FRAME : FRAME + 3], framed)
    glass = cover(x, -half, half, grain) * up
    bar = cover(x, -0.05, 0.05, max(grain, 0.1))
    mix(out, 0.025, 0.028, 0.032, glass * (1 - 0.6 * bar))
    out[3] = max(out[3], 0.5 * glass)


@compiled
def ground_floor(out, look, u, width, y, grain, grain_y):
    """Lay a shop and the door over the ground floor of a front, and a window where there is room beside them."""
    off = u - look[DOOR_AT_M]
    left = look[DOOR_AT_M] < 0.5 * width  # a shop grows from the corner that is farther from the door
    shop = look[SHOPS] * SHOP_SHARE * width
    from_corner = width - u if left else u
    if shop > 0.3 and from_corner < shop + grain:
        inside = cover(from_corner, 0.0, shop, grain)
        lay(out, BOARD, inside * cover(y, 2.0, SHOP_HIGH_M, grain_y))
        glass = inside * cover(y, 0.3, 2.0, grain_y)
        goods = 0.5 + noise(u * 2.3, y * 2.0, int(look[KEY]) + 7)
        mix(out, 0.10, 0.085, 0.06, glass)
        out[3], out[4] = max(out[3], 0.25 * glass), 0.42 * glass * goods
    around = cover(off, -DOOR_HALF_M - 0.2, DOOR_HALF_M + 0.2, grain) * cover(y, 0.0, DOOR_HIGH_M + 0.2, grain_y)
    lay(out, STUCCO, around)
    leaf = cover(off, -DOOR_HALF_M, DOOR_HALF_M, grain) * cover(y, 0.0, DOOR_HIGH_M, grain_y)
    lay(out, look[DOOR : DOOR + 3], leaf)
    room = width - shop - DOOR_HALF_M - 1.8 - look[DOOR_AT_M] if left else look[DOOR_AT_M] - DOOR_HALF_M - 0.2 - shop
    if room > 1.6:
        middle = look[DOOR_AT_M] + DOOR_HALF_M + 0.2 + 0.5 * room if left else shop + 0.5 * room
        x, half = u - middle, 0.5 * min(room - 0.8, 1.6)
        glass = cover(x, -half, half, grain) * cover(y, 0.9, 2.3, grain_y)
        lay(out, look[FRAME : FRAME + 3], cover(x, -half - 0.15, half + 0.15, grain) * cover(y, 0.75, 2.45, grain_y))
        mix(out, 0.025, 0.028, 0.032, glass)
        out[3] = max(out[3], 0.5 * glass)


@compiled
def roofing(out, look, finish, a, y, grain):
    """Fill out (5,) for a point of a roof at local a and height y: tiles in rows, an awning's cloth, a hedge's top."""
    out[3] = out[4] = 0.0
    if finish == CANOPY:
        out[0], out[1], out[2] = AWNING
        return
    if finish == HEDGE:
        leafy(out, look, a, 5.0)
        return
    row = y / 0.4
    dark = 1 - 0.3 * cover(row - math.floor(row), 0.0, 0.3, max(grain / 0.4, 0.02))
    tone = dark * (0.85 + 0.3 * noise(a * 0.8, y * 1.1, int(look[KEY]) + 21))
    for c in range(3):
        out[c] = look[ROOFING + c] * tone
