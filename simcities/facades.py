"""What buildings look like: how a row of the table becomes prisms (parts), and the colours of their walls and roofs.

A part is an upright prism over an oriented rectangle or a circle, from BASE to TOP, with a roof that is a function of
the plan. Colours are linear albedos. A trait x of a house is squashed to 0..1 before it becomes a length or a colour.
"""

import math

import numpy as np
from numba import njit

from simcities import buildings as plan

# columns of the parts; lengths and heights in metres, OWNER is the row of the building
EAST, NORTH, COS, SIN, HALF_WIDTH, HALF_DEPTH, BASE, TOP, ROOF, PITCH, CAP, ROUND, FINISH, OWNER = range(14)
# forms of roof: RIDGE falls to front and back, GABLE shows a triangle to the front, LEAN falls to the front alone
FLAT, RIDGE, GABLE, HIP, LEAN, DOME, CONE = range(7)
# finishes of a part
HOUSE, ORIEL, STACK, CANOPY, PORCH, BALCONY, DORMER, STONE, SHAFT, COPPER, PILLAR, HANGING_SIGN = range(12)
# sides of a part
FRONT, BACK, LEFT, RIGHT = range(4)
# columns of the looks, one row per building: colours of wall, trim, roof, door, sign, awning take three each
WALL, TRIM, ROOFING, DOOR, SIGN, AWNING = 0, 3, 6, 9, 12, 15
MATERIAL, BAY_M, GLASS_WIDE, GLASS_HIGH, SHOP, STOREY_M, HEIGHT_M, WIDTH_M, DOOR_AT_M, KEY, SASH, SHUTTERS, BANDS = (
    range(18, 31)
)
SURROUND, STRIPES, KIND, SHOP_AT_M, TRADE, PLINTH, LOOKS = 31, 32, 33, 34, 35, 36, 37
BRICK, PLASTER, STONEWORK, PANEL = range(4)
MOST_PARTS = 14  # of one building
NARROWEST_M = 0.9  # no shop is narrower
PLINTH_M = 0.9  # the foot of a house, of the stone of the footways

HUES = np.array([[0.43, 0.14, 0.07], [0.55, 0.36, 0.17], [0.40, 0.39, 0.37], [0.22, 0.32, 0.46]])
HUES_1 = np.array([[0.50, 0.20, 0.16], [0.60, 0.46, 0.16], [0.36, 0.42, 0.33], [0.25, 0.28, 0.48]])
TILES = np.array([[0.33, 0.092, 0.038], [0.18, 0.105, 0.08], [0.06, 0.07, 0.095]])
DOORS = np.array(
    [
        [0.02, 0.05, 0.12],
        [0.16, 0.02, 0.02],
        [0.02, 0.08, 0.04],
        [0.10, 0.05, 0.02],
        [0.03, 0.03, 0.035],
        [0.5, 0.5, 0.47],
    ]
)
# boards and awnings: purer than any wall or door
SIGNS = np.array(
    [[0.60, 0.03, 0.03], [0.02, 0.10, 0.48], [0.02, 0.32, 0.10], [0.75, 0.42, 0.02], [0.70, 0.18, 0.01],
     [0.68, 0.66, 0.60], [0.30, 0.03, 0.12], [0.02, 0.22, 0.25], [0.62, 0.48, 0.06], [0.16, 0.06, 0.24],
     [0.05, 0.05, 0.06]]
)  # fmt: skip
# cloth that has hung in the sun
AWNINGS = np.array(
    [[0.34, 0.06, 0.05], [0.05, 0.11, 0.22], [0.06, 0.17, 0.09], [0.46, 0.30, 0.10], [0.50, 0.48, 0.42],
     [0.20, 0.05, 0.09], [0.10, 0.11, 0.12]]
)  # fmt: skip

# without checks for division by zero, which cost time where a picture's every sample divides
compiled = njit(cache=True, error_model="numpy")


@compiled
def lattice(i, j, k):
    """A number in [0, 1) that belongs to three integers for ever."""
    h = (i * 374761393 + j * 668265263 + k * 2147483647) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 1103515245) & 0xFFFFFFFF
    return float(h ^ (h >> 16)) / 4294967296.0


@compiled
def noise(x, y, k):
    """Smooth noise in [0, 1) over the plane, a layer for every integer k."""
    i, j = math.floor(x), math.floor(y)
    a, b = x - i, y - j
    i, j = int(i), int(j)
    a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
    low = lattice(i, j, k) * (1 - a) + lattice(i + 1, j, k) * a
    high = lattice(i, j + 1, k) * (1 - a) + lattice(i + 1, j + 1, k) * a
    return low * (1 - b) + high * b


@compiled
def squash(x):
    """The logistic function at 1.3 x: -1.5 and 1.5 are told apart, and nothing leaves 0..1."""
    return 1.0 / (1.0 + math.exp(-1.3 * x))


@compiled
def stone(x):
    """Albedo of the local stone: slate at a trait of -2.5, white at 3.5, the same ratio for the same step between."""
    return 0.04 * 16.0 ** (min(max(x + 2.5, 0.0), 6.0) / 6.0)


@compiled
def cover(x, low, high, width):
    """The share of [x - width / 2, x + width / 2] inside [low, high]: an edge that the picture's grain has smoothed."""
    return max(0.0, min(x + 0.5 * width, high) - max(x - 0.5 * width, low)) / width


@compiled
def ramp(colours, x, out, at):
    """Write to out[at : at + 3] the colour at x in [0, 1] of evenly spaced colours (n, 3)."""
    place = min(max(x, 0.0), 0.9999) * (len(colours) - 1)
    i = int(place)
    for c in range(3):
        out[at + c] = colours[i, c] * (1 - place + i) + colours[i + 1, c] * (place - i)


@compiled
def mix(out, red, green, blue, share):
    """Lay a colour over out[:3] with a share of cover, hiding what gleams below it."""
    out[0] += (red - out[0]) * share
    out[1] += (green - out[1]) * share
    out[2] += (blue - out[2]) * share
    out[3] *= 1 - share
    out[4] *= 1 - share


@compiled
def looks_of(buildings, style):
    """Looks (B, LOOKS) of a table of buildings."""
    looks = np.zeros((len(buildings), LOOKS))
    for b in range(len(buildings)):
        look, row = looks[b], buildings[b]
        key = int(row[plan.SEED] * 1e9)
        traits = row[plan.TRAITS :]
        hue = squash(1.5 * traits[1]) + 0.08 * (lattice(key, 1, 0) - 0.5)
        light = squash(1.15 * traits[2])
        luminance = 0.075 * 9.5**light * (0.94 + 0.12 * lattice(key, 2, 0))
        ramp(HUES if style == 0 else HUES_1, hue, look, WALL)
        scale = luminance / (0.2126 * look[0] + 0.7152 * look[1] + 0.0722 * look[2])
        # a light wall is whitewashed: its colour pales as a pigment does
        pale = 0.04 + 0.12 * light**2
        for c in range(3):
            look[WALL + c] = min(look[WALL + c] * scale * (1 - pale) + luminance * pale, 0.85)
        dice = lattice(key, 3, style)
        look[MATERIAL] = BRICK if dice < 0.95 - 1.1 * hue else STONEWORK if dice > 0.8 else PLASTER
        if row[plan.KIND] >= 2:
            look[MATERIAL] = PANEL if dice > 0.35 else look[MATERIAL]
        bright = lattice(key, 4, 0)
        trim = 0.48 + 0.18 * bright if bright > 0.35 else 0.05 + 0.4 * bright
        look[TRIM], look[TRIM + 1], look[TRIM + 2] = trim, trim * 0.97, trim * 0.90
        ramp(TILES, lattice(key, 16, 0), look, ROOFING)
        for c in range(3):
            look[ROOFING + c] *= 0.85 + 0.3 * lattice(key, 5, 0)
            look[DOOR + c] = DOORS[int(lattice(key, 6, style) * 5.999), c]
            look[SIGN + c] = SIGNS[int(lattice(key, 7, style) * 10.999), c]
            look[AWNING + c] = AWNINGS[int(lattice(key, 8, style) * 6.999), c]
        glazed = squash(1.15 * traits[3])
        look[BAY_M] = 4.3 - 2.0 * glazed
        look[GLASS_WIDE] = 0.1 + 0.86 * glazed
        look[GLASS_HIGH] = 0.18 + 0.68 * glazed
        if style == 1:
            look[BAY_M] *= 0.8
            look[GLASS_HIGH] += 0.06
        # every other house has no shop; what it trades is its own and follows no field
        trade = 2.0 * lattice(key, 9, style) - 1.0
        if trade > 0 and row[plan.KIND] != plan.SHED:
            look[SHOP], look[TRADE] = 0.3 + 0.7 * trade, 0.5 * trade
        look[PLINTH] = stone(traits[4])
        look[STOREY_M], look[HEIGHT_M] = row[plan.STOREY], row[plan.STOREY] * row[plan.FLOORS]
        look[WIDTH_M] = 2 * row[plan.HALF_WIDTH]
        look[DOOR_AT_M] = look[WIDTH_M] * (0.18 if lattice(key, 10, 0) < 0.5 else 0.8)
        if look[SHOP] * look[WIDTH_M] < NARROWEST_M:
            look[SHOP] = 0.0
        # a shop grows from the corner that is farther from the house door
        look[SHOP_AT_M] = (1 - look[SHOP]) * look[WIDTH_M] if look[DOOR_AT_M] < 0.5 * look[WIDTH_M] else 0.0
        look[KEY] = key
        look[SASH] = int(lattice(key, 11, style) * 4)
        look[SHUTTERS] = 1.0 if lattice(key, 12, style) < 0.16 + 0.3 * style and glazed < 0.6 else 0.0
        look[BANDS] = 1.0 if lattice(key, 13, style) < 0.4 else 0.0
        look[SURROUND] = 1.0 if lattice(key, 14, style) < 0.45 - 0.3 * style else 0.0
        look[STRIPES] = 1.0 if lattice(key, 15, 0) < 0.4 else 0.0
        look[KIND] = row[plan.KIND]
    return looks


# ---- parts -----------------------------------------------------------------------------------------------------------
@compiled
def put(parts, count, owner, building, a, b, half_width, half_depth, base, top, roof, pitch, cap, finish):
    """Append a part centred at local (a, b) of a building; returns the new count."""
    part = parts[count]
    cos, sin = building[plan.COS], building[plan.SIN]
    part[EAST] = building[plan.EAST] + a * cos - b * sin
    part[NORTH] = building[plan.NORTH] + a * sin + b * cos
    part[COS], part[SIN] = cos, sin
    part[HALF_WIDTH], part[HALF_DEPTH], part[BASE], part[TOP] = half_width, half_depth, base, top
    part[ROOF], part[PITCH], part[CAP], part[FINISH], part[OWNER] = roof, pitch, cap, finish, owner
    part[ROUND] = 1.0 if roof >= DOME or finish == PILLAR else 0.0
    return count + 1


@compiled
def parts_of(buildings, looks, style):
    """Parts (P, 14) of a table of buildings."""
    parts = np.empty((len(buildings) * MOST_PARTS, 14))
    count = 0
    for b in range(len(buildings)):
        if buildings[b, plan.KIND] >= 10:
            count = landmark(parts, count, b, buildings[b])
        elif buildings[b, plan.KIND] >= 2:
            count = block(parts, count, b, buildings[b], looks[b])
        else:
            count = home(parts, count, b, buildings[b], looks[b], style)
    return parts[:count].copy()


@compiled
def home(parts, count, owner, row, look, style):
    """Append a terraced or detached house with its roof, chimney, dormers, oriel, porch, awning, balcony."""
    key = int(look[KEY])
    wide, deep, top = row[plan.HALF_WIDTH], row[plan.HALF_DEPTH], look[HEIGHT_M]
    steep = lattice(key, 17, 0)
    pitch = 0.35 + 0.95 * steep
    dice = lattice(key, 20, style)
    roof, cap = RIDGE, 99.0
    if row[plan.KIND] == 1:
        roof = GABLE if dice < 0.4 else HIP if dice < 0.65 else RIDGE
    elif dice < 0.12 + 0.2 * style:
        roof = GABLE
    elif dice < 0.62:
        pitch, cap = 1.5 + 1.7 * steep, 2.2 + 0.8 * lattice(key, 21, 0)
    if roof == GABLE and wide > 7:
        roof = RIDGE
    count = put(parts, count, owner, row, 0.0, 0.0, wide, deep, 0.0, top, roof, pitch, cap, HOUSE)
    rise = min(cap, pitch * (wide if roof == GABLE else deep if roof == RIDGE else min(wide, deep)))
    side = 1.0 if lattice(key, 22, 0) < 0.5 else -1.0
    if lattice(key, 23, 0) < 0.7:
        at = deep * (0.0 if roof == RIDGE and cap > 50 else 0.3)
        count = put(
            parts, count, owner, row, side * (wide - 0.6), at, 0.35, 0.6, top, top + rise + 0.9, FLAT, 0.0, 0.0, STACK
        )
    if roof == RIDGE and pitch > 0.75 and lattice(key, 24, 0) < 0.65:
        dormers = max(1, int(wide * 2 / 4.2))
        for i in range(min(dormers, 3)):
            a = (i + 0.5) / dormers * 2 * wide - wide
            count = put(parts, count, owner, row, a, deep - 1.5, 0.65, 1.1, top, top + 1.7, GABLE, 0.7, 99.0, DORMER)
    shop = look[SHOP] > 0
    door = look[DOOR_AT_M] - wide
    if not shop and lattice(key, 25, style) < 0.3 and wide > 2.4:
        high = look[STOREY_M] * (1.0 if lattice(key, 26, 0) < 0.5 else row[plan.FLOORS])
        count = put(
            parts, count, owner, row, -np.sign(door) * wide * 0.45, deep + 0.4, min(1.5, 0.4 * wide), 0.4, 0.0,
            min(high, top) - 0.2, HIP, 0.8, 0.5, ORIEL,
        )  # fmt: skip
    if not in_shop(look, look[DOOR_AT_M], 1.0) and lattice(key, 27, style) < 0.55:
        count = put(parts, count, owner, row, door, deep + 0.5, 0.95, 0.5, 2.35, 2.5, LEAN, 0.7, 99.0, PORCH)
    count = awning(parts, count, owner, row, look, style)
    count = hanging_signs(parts, count, owner, row, look, style)
    if lattice(key, 30, style) < 0.2 and row[plan.FLOORS] >= 3:
        count = balconies(parts, count, owner, row, look)
    return count


@compiled
def in_shop(look, u, margin_m):
    """Whether a point u metres along a front lies in its shop or within margin_m of it."""
    return look[SHOP] > 0 and -margin_m < u - look[SHOP_AT_M] < look[SHOP] * look[WIDTH_M] + margin_m


@compiled
def shop_top_m(look):
    """Where the board of a shop ends [m]: at its storey's top, or before the windows above where it trades much."""
    return min(min(look[STOREY_M], 3.6) + 1.7 * look[TRADE] ** 1.5, look[HEIGHT_M] - 0.4)


@compiled
def awning(parts, count, owner, row, look, style):
    """Append the awning of a shop: the more it trades, the more often it has one and the further that reaches."""
    key = int(look[KEY])
    if look[SHOP] == 0 or lattice(key, 28, style) > 0.15 + 1.0 * look[TRADE]:
        return count
    reach = 0.3 + 0.15 * lattice(key, 29, 0) + 0.6 * look[TRADE]
    half = 0.5 * look[SHOP] * look[WIDTH_M]
    middle, deep = look[SHOP_AT_M] + half - row[plan.HALF_WIDTH], row[plan.HALF_DEPTH]
    half = max(half - 0.25, 0.3)
    return put(parts, count, owner, row, middle, deep + reach, half, reach, 2.45, 2.7, LEAN, 0.4, 99.0, CANOPY)


@compiled
def hanging_signs(parts, count, owner, row, look, style):
    """Append up to two signs that hang out over the pavement: the more a shop trades, the oftener and the larger."""
    key = int(look[KEY])
    long = look[SHOP] * look[WIDTH_M]
    for i in range(min(2, 1 + int(long / 9.0))):
        if look[SHOP] > 0 and lattice(key, 31 + i, style) < 0.12 + 1.0 * look[TRADE]:
            at = look[SHOP_AT_M] + (0.3 if i == 0 else 0.6 * long) - row[plan.HALF_WIDTH]
            out, high = 0.2 + 0.4 * look[TRADE], 0.4 + 3.0 * look[TRADE] * (0.7 + 0.3 * lattice(key, 33, 0))
            count = put(
                parts, count, owner, row, at, row[plan.HALF_DEPTH] + 0.1 + out, 0.07, out, 3.0,
                min(3.0 + high, look[HEIGHT_M]), FLAT, 0.0, 0.0, HANGING_SIGN,
            )  # fmt: skip
    return count


@compiled
def balconies(parts, count, owner, row, look):
    """Append balconies on up to four upper floors."""
    half = min(row[plan.HALF_WIDTH] * 0.5, 1.8)
    for floor in range(1, min(int(row[plan.FLOORS]), 5)):
        y = floor * look[STOREY_M]
        count = put(
            parts, count, owner, row, 0.0, row[plan.HALF_DEPTH] + 0.45, half, 0.45, y - 0.1, y + 0.85, FLAT, 0.0, 0.0,
            BALCONY,
        )  # fmt: skip
    return count


@compiled
def block(parts, count, owner, row, look):
    """Append an office or flat block with a penthouse, or a shed."""
    key = int(look[KEY])
    wide, deep, top = row[plan.HALF_WIDTH], row[plan.HALF_DEPTH], look[HEIGHT_M]
    if row[plan.KIND] == 3:
        roof = GABLE if lattice(key, 20, 0) < 0.6 else FLAT
        return put(parts, count, owner, row, 0.0, 0.0, wide, deep, 0.0, top, roof, 0.35, 99.0, HOUSE)
    count = hanging_signs(parts, awning(parts, count, owner, row, look, 0), owner, row, look, 0)
    steep = 0.4 + lattice(key, 17, 0)
    if lattice(key, 20, 0) < 0.6:
        cap = 2.0 + lattice(key, 21, 0)
        count = put(parts, count, owner, row, 0.0, 0.0, wide, deep, 0.0, top, HIP, 2.4 * steep, cap, HOUSE)
    else:
        count = put(parts, count, owner, row, 0.0, 0.0, wide, deep, 0.0, top + 0.7, FLAT, 0.0, 0.0, HOUSE)
        count = put(
            parts, count, owner, row, 0.0, 0.0, wide - 1.0, deep - 1.0, top, top + 1.0, HIP, 2.5 * steep, 2.4, DORMER
        )
    if look[SHOP] < 0.5 and lattice(key, 30, 0) < 0.5:
        count = balconies(parts, count, owner, row, look)
    return count


@compiled
def landmark(parts, count, owner, row):
    """Append a church, a tower, a domed hall, a monument or an arch."""
    kind, key = int(row[plan.KIND]), int(row[plan.SEED] * 1e9)
    wide, deep, top = row[plan.HALF_WIDTH], row[plan.HALF_DEPTH], row[plan.FLOORS] * row[plan.STOREY]
    least = min(wide, deep)
    if kind == 10:
        nave = min(top, 13.0)
        half = least * 0.42
        count = put(parts, count, owner, row, 0.0, -half, wide * 0.8, deep - half, 0.0, nave, GABLE, 1.25, 99.0, STONE)
        tower = max(top, nave + 9)
        count = put(parts, count, owner, row, 0.0, deep - half, half, half, 0.0, tower, FLAT, 0.0, 0.0, SHAFT)
        return put(
            parts, count, owner, row, 0.0, deep - half, half * 0.95, half * 0.95, tower, tower + 0.3, HIP,
            4.0 + 3 * lattice(key, 40, 0), 99.0, COPPER,
        )  # fmt: skip
    if kind == 11:
        tall = max(top, 26.0)
        round_ = lattice(key, 40, 0) < 0.5
        half = min(least, 6.0)
        finish, form = (PILLAR, CONE) if round_ else (SHAFT, HIP)
        count = put(parts, count, owner, row, 0.0, 0.0, half, half, 0.0, tall, FLAT, 0.0, 0.0, finish)
        count = put(
            parts, count, owner, row, 0.0, 0.0, half + 0.8, half + 0.8, tall - 3.5, tall, FLAT, 0.0, 0.0, finish
        )
        return put(parts, count, owner, row, 0.0, 0.0, half, half, tall, tall + 0.2, form, 1.4, 99.0, COPPER)
    if kind == 12:
        body = min(max(top, 9.0), 16.0)
        drum = least * 0.62
        count = put(parts, count, owner, row, 0.0, -2.0, wide, deep - 2.0, 0.0, body, FLAT, 0.0, 0.0, STONE)
        count = put(parts, count, owner, row, 0.0, deep - 2, wide * 0.5, 2.0, 0.0, body - 2, GABLE, 0.4, 99.0, STONE)
        count = put(parts, count, owner, row, 0.0, -2.0, drum, drum, body, body + 4.5, FLAT, 0.0, 0.0, PILLAR)
        count = put(parts, count, owner, row, 0.0, -2.0, drum, drum, body + 4.5, body + 4.6, DOME, 1.0, 99.0, COPPER)
        crown = body + 4.6 + drum
        return put(parts, count, owner, row, 0.0, -2.0, 1.0, 1.0, crown - 1, crown + 2.5, CONE, 2.0, 99.0, STONE)
    if kind == 13:
        tall = max(top, 14.0)
        half = min(least, 2.6)
        count = put(parts, count, owner, row, 0.0, 0.0, half + 1.2, half + 1.2, 0.0, 0.7, FLAT, 0.0, 0.0, STONE)
        count = put(parts, count, owner, row, 0.0, 0.0, half, half, 0.0, 3.6, FLAT, 0.0, 0.0, STONE)
        if lattice(key, 40, 0) < 0.5:
            return put(
                parts, count, owner, row, 0.0, 0.0, half * 0.7, half * 0.7, 0.0, 3.6, HIP, tall / half, 99.0, STONE
            )
        count = put(parts, count, owner, row, 0.0, 0.0, half * 0.55, half * 0.55, 0.0, tall, FLAT, 0.0, 0.0, PILLAR)
        count = put(parts, count, owner, row, 0.0, 0.0, half * 0.8, half * 0.8, tall, tall + 0.8, FLAT, 0.0, 0.0, STONE)
        return put(parts, count, owner, row, 0.0, 0.0, 0.5, 0.5, tall, tall + 2.6, DOME, 1.0, 99.0, COPPER)
    tall = max(top, 12.0)
    pier = wide * 0.3
    count = put(parts, count, owner, row, pier - wide, 0.0, pier, deep, 0.0, tall * 0.62, FLAT, 0.0, 0.0, STONE)
    count = put(parts, count, owner, row, wide - pier, 0.0, pier, deep, 0.0, tall * 0.62, FLAT, 0.0, 0.0, STONE)
    count = put(parts, count, owner, row, 0.0, 0.0, wide, deep, tall * 0.62, tall, FLAT, 0.0, 0.0, STONE)
    return put(parts, count, owner, row, 0.0, 0.0, wide * 0.6, deep * 0.8, tall, tall + 1.6, GABLE, 0.3, 99.0, STONE)


@compiled
def roof_over(part, a, b):
    """Height of the roof above TOP at local (a, b) inside the part."""
    form = part[ROOF]
    if form == FLAT:
        return 0.0
    if form == RIDGE:
        return min(part[CAP], part[PITCH] * max(part[HALF_DEPTH] - abs(b), 0.0))
    if form == GABLE:
        return min(part[CAP], part[PITCH] * max(part[HALF_WIDTH] - abs(a), 0.0))
    if form == HIP:
        return min(part[CAP], part[PITCH] * max(min(part[HALF_DEPTH] - abs(b), part[HALF_WIDTH] - abs(a)), 0.0))
    if form == LEAN:
        return part[PITCH] * max(part[HALF_DEPTH] - b, 0.0)
    if form == DOME:
        return part[PITCH] * math.sqrt(max(part[HALF_WIDTH] ** 2 - a * a - b * b, 0.0))
    return part[PITCH] * max(part[HALF_WIDTH] - math.sqrt(a * a + b * b), 0.0)


@compiled
def tallest_m(parts):
    """Height of the highest point of all parts, 0 where there are none."""
    best = 0.0
    for p in range(len(parts)):
        best = max(best, parts[p, TOP] + roof_over(parts[p], 0.0, 0.0))
    return best


# ---- colours ---------------------------------------------------------------------------------------------------------
@compiled
def masonry(out, look, key, u, y, grain):
    """Fill out[:3] with the bare wall: courses of brick, blocks of stone, stained plaster or panels."""
    stain = 0.74 + 0.24 * noise(u * 0.45, y * 0.16, key) + 0.16 * noise(u * 1.7, y * 1.1, key + 1)
    stain += 0.16 * noise(u * 6.1, y * 4.7, key + 2) * min(1.0, 0.15 / grain)
    material = look[MATERIAL]
    for c in range(3):
        out[c] = look[WALL + c] * stain
    if material == BRICK:
        course = math.floor(y / 0.09)
        brick = math.floor(u / 0.27 + 0.5 * (course % 2))
        rough = min(1.0, 0.12 / grain)
        odd = (lattice(int(brick), int(course), key) - 0.5) * 0.34 * rough
        out[0] *= 1 + odd
        out[1] *= 1 + 0.9 * odd
        out[2] *= 1 + 0.8 * odd
        if grain < 0.08:
            joint = max(cover(y / 0.09 - course, 0.0, 0.14, grain / 0.09 + 1e-6), 0.0)
            mix(out, 0.42, 0.39, 0.34, 0.6 * min(joint, 1.0))
    elif material == STONEWORK:
        course = math.floor(y / 0.42)
        stone = math.floor(u / 0.85 + 0.5 * (course % 2))
        odd = 0.86 + 0.28 * lattice(int(stone), int(course), key)
        joint = 1 - 0.35 * cover(y / 0.42 - course, 0.0, 0.07, max(grain / 0.42, 0.01))
        for c in range(3):
            out[c] *= odd * joint
    elif material == PANEL:
        joint = 1 - 0.3 * cover(u / 1.5 - math.floor(u / 1.5), 0.0, 0.03, max(grain / 1.5, 0.01))
        for c in range(3):
            out[c] *= joint


@compiled
def glass(out, look, key, bay, floor, x, y, half, high, grain):
    """Fill out with a window: frame, bars, curtains, dark panes that reflect; x, y: metres from its middle and sill."""
    dice = lattice(key, bay * 31 + floor, 50)
    dim = 0.012 + 0.03 * dice
    out[0], out[1], out[2] = dim, dim, dim * 1.05
    out[3] = 0.6
    out[4] = 0.0
    if dice < 0.10:
        out[4] = 0.35 * lattice(key, bay * 31 + floor, 51)
    cloth = lattice(key, bay * 31 + floor, 52)
    if cloth < 0.3:  # curtains to the sides
        drawn = cover(abs(x), half * (0.35 + 0.6 * lattice(key, bay * 31 + floor, 53)), half, grain)
        mix(out, 0.36, 0.34, 0.30, 0.75 * drawn)
        out[3] = max(out[3], 0.3)
    elif cloth < 0.5:  # a blind, pulled to somewhere
        drawn = cover(y, high * (0.3 + 0.7 * lattice(key, bay * 31 + floor, 54)), high, grain)
        mix(out, 0.45, 0.43, 0.38, 0.8 * drawn)
        out[3] = max(out[3], 0.3)
    sash = look[SASH]
    bar = 0.05
    frame = 1 - cover(x, -half + 0.07, half - 0.07, grain) * cover(y, 0.07, high - 0.07, grain)
    if sash == 0:
        frame = max(frame, cover(y, 0.5 * high - bar, 0.5 * high + bar, grain))
    elif sash == 1:
        frame = max(frame, cover(x, -bar, bar, grain), cover(y, 0.68 * high - 0.03, 0.68 * high + 0.03, grain))
    elif sash == 2 and half > 0.5:
        frame = max(frame, cover(abs(x), 0.33 * half - 0.03, 0.33 * half + 0.03, grain))
    mix(out, look[TRIM], look[TRIM + 1], look[TRIM + 2], min(frame, 1.0) * 0.95)
    # the shadow of lintel and jamb on what is set back
    shadow = 1 - 0.6 * cover(y, high - 0.16, high, max(grain, 0.12))
    shadow *= 1 - 0.4 * cover(x, -half, 0.12 - half, max(grain, 0.1))
    for c in range(3):
        out[c] *= shadow


@compiled
def shop_front(out, look, key, u, width, y, grain):
    """Fill out with a shop: board with letters, glass with a lit display, stall riser, pillars, door."""
    board, above = min(look[STOREY_M], 3.6) - 0.5 - 0.15 * lattice(key, 59, 0), shop_top_m(look)
    large = max((above - board) / 0.7, 1.0)  # letters grow with their board
    low = 0.45 if lattice(key, 60, 0) < 0.7 else 0.12
    red, green, blue = look[SIGN], look[SIGN + 1], look[SIGN + 2]
    out[3] = out[4] = 0.0
    if y > board:
        out[4] = 0.3 * look[TRADE]  # a board that is lit
        out[0], out[1], out[2] = red, green, blue
        u, y, grain = u / large, board + (y - board) / large, grain / large
        above, width = board + (above - board) / large, width / large
        letter = math.floor(u / 0.3)
        middle = width * (0.3 + 0.4 * lattice(key, 61, 0))
        length = width * (0.18 + 0.2 * lattice(key, 62, 0))
        if abs(u - middle) < length and lattice(int(letter), 63, key) < 0.85:
            ink = cover(y - board, 0.12, 0.12 + 0.2 + 0.15 * lattice(int(letter), 64, key), grain)
            ink *= cover(u / 0.3 - letter, 0.15, 0.85, max(grain / 0.3, 0.01))
            stroke = int((u / 0.3 - letter) * 4.3) * 5 + int((y - board - 0.12) / 0.11)
            ink *= 0.15 if lattice(int(letter), stroke, key + 15) < 0.34 else 1.0
            bright = 0.75 if red + green + blue < 0.7 else 0.03
            mix(out, bright, bright, bright * 0.92, 0.85 * min(ink, 1.0))
        edge = cover(y, above - 0.12, above + 0.1, grain)
        mix(out, look[TRIM], look[TRIM + 1], look[TRIM + 2], 0.7 * edge)
        return
    panes = max(1, int(width / 1.6))
    pane = u / width * panes
    i = int(pane)
    x = (pane - i - 0.5) * width / panes
    half = 0.5 * width / panes
    is_door = i == int(lattice(key, 65, 0) * panes)
    inside = cover(u, 0.25, width - 0.25, grain) * cover(abs(x), -1.0, half - 0.05, grain)
    inside *= cover(y, 0.05 if is_door else low, board - 0.08, grain)
    # the room behind: darker upwards and to the back, goods at the bottom
    out[0], out[1], out[2] = 0.04, 0.038, 0.035
    out[3] = 0.5
    depth = noise(u * 0.9, y * 0.8, key + 7)
    out[4] = (0.01 + 0.7 * look[TRADE] + 0.06 * lattice(key, 66, 0)) * depth * (0.4 + y / board)
    if noise(u * 4.3, y * 9.0, key + 8) > 0.88 and y > 0.75 * board:
        out[4] += 0.3  # lamps
    goods = math.floor(u / (0.2 + 0.5 * lattice(key, 68, 0)))
    trade = lattice(key, 69, 0)
    if is_door:
        out[4] *= 0.5
    elif y < low + 0.2 + 1.1 * trade * lattice(goods, 2, key) and trade > 0.25:
        tone = 0.04 + 0.4 * lattice(goods, int(y / (0.2 + 0.4 * trade)), key + 11)
        hue = 0.7 * (lattice(goods, int(y / 0.6), key + 12) - 0.5) + 0.4 * (trade - 0.6)
        mix(out, tone * (1 + hue), tone * (1 - 0.3 * abs(hue)), tone * (1 - hue), 0.75)
    elif trade < 0.12 and y < 0.75 * board and abs(x) < 0.75 * half:  # a poster fills the pane
        tone = 0.25 + 0.4 * lattice(i, 3, key)
        mix(out, tone, tone * (0.5 + 0.5 * lattice(i, 4, key)), tone * (0.3 + 0.7 * lattice(i, 5, key)), 0.85)
    wood = lattice(key, 67, 0)
    if wood < 0.5:
        mix(out, 0.6 * red, 0.6 * green, 0.6 * blue, 1 - min(inside, 1.0))
    elif wood < 0.75:
        mix(out, 0.05, 0.05, 0.055, 1 - min(inside, 1.0))
    else:
        mix(out, look[TRIM], look[TRIM + 1], look[TRIM + 2], 1 - min(inside, 1.0))


@compiled
def facade(out, look, finish, side, u, width, y, top, roofline, grain, grain_y):
    """Fill out (5,) for a point of a wall: albedo (3), share that reflects like glass, own warm light.

    u: metres along the wall of `width`, y: height, top: of the wall, roofline: where the roof begins above this point,
    grain, grain_y: what a sample covers of the wall, across and up [m].
    """
    key = int(look[KEY])
    out[3] = out[4] = 0.0
    if finish <= ORIEL:
        house_wall(out, look, finish, side, u, width, y, top, grain, grain_y, key)
        eaves = 0.38 if side <= BACK or roofline > top + 0.1 else 0.0
        edge = cover(roofline - y, -1.0, eaves, grain_y)
        mix(out, 0.8 * look[ROOFING], 0.8 * look[ROOFING + 1], 0.8 * look[ROOFING + 2], min(edge, 1.0))
    elif finish == STACK:
        masonry(out, look, key, u, y, grain)
        dark = 0.7 if y < top - 0.3 else 0.5
        for c in range(3):
            out[c] = dark * (0.5 * out[c] + 0.08)
    elif finish == CANOPY:
        cloth(out, look, u)
    elif finish == HANGING_SIGN:
        hung(out, look, u, width, y, top, key)
    elif finish == PORCH:
        out[0], out[1], out[2] = look[TRIM], look[TRIM + 1], look[TRIM + 2]
    elif finish == BALCONY:
        dark = lattice(key, 70, 0)
        rail = 0.05 + 0.03 * dark if dark < 0.6 else 0.5
        out[0], out[1], out[2] = rail, rail, rail * 1.02
        slit = u / 0.14 - math.floor(u / 0.14)
        gap = (1 - cover(slit, 0.0, 0.35, max(grain / 0.14, 0.01))) * cover(y, top - 0.8, top - 0.06, grain_y)
        if dark < 0.6:
            mix(out, 0.6 * look[WALL], 0.6 * look[WALL + 1], 0.6 * look[WALL + 2], 0.8 * min(gap, 1.0))
    elif finish == DORMER:
        out[0], out[1], out[2] = 0.9 * look[ROOFING], 0.9 * look[ROOFING + 1], 0.9 * look[ROOFING + 2]
        if side == FRONT:
            pane = cover(u, 0.2, width - 0.2, grain) * cover(top - y, 0.1, 1.25, grain_y)
            if pane > 0:
                glass(out, look, key, int(u), 7, u - 0.5 * width, y - top + 1.25, 0.5 * width - 0.2, 1.1, grain)
    else:
        monument(out, look, finish, side, u, width, y, top, grain, key)


@compiled
def cloth(out, look, u):
    """Fill out[:3] with an awning's cloth."""
    pale = look[STRIPES] > 0 and u / 0.5 - math.floor(u / 0.5) < 0.5
    for c in range(3):
        out[c] = 0.62 if pale else look[AWNING + c]


@compiled
def hung(out, look, u, width, y, top, key):
    """Fill out with a hanging sign: the board's colour, a pale emblem, light of its own."""
    for c in range(3):
        out[c] = look[SIGN + c]
    out[4] = 0.2 * look[TRADE]
    inside = abs(u - 0.5 * width) < 0.3 * width
    if inside and lattice(int((top - y) / 0.28), 34, key) < 0.6 and (top - y) / 0.28 % 1.0 > 0.3:
        bright = 0.75 if look[SIGN] + look[SIGN + 1] + look[SIGN + 2] < 0.7 else 0.03
        mix(out, bright, bright, 0.92 * bright, 0.8)


@compiled
def plinth(out, look, key, u, y):
    """Lay the stone of the footways over the foot of a wall."""
    if y < PLINTH_M:
        tone = look[PLINTH] * (0.85 + 0.3 * noise(u * 1.7, y * 2.3, key + 5))
        mix(out, tone, 0.98 * tone, 0.94 * tone, 0.9)


@compiled
def house_wall(out, look, finish, side, u, width, y, top, grain, grain_y, key):
    """Fill out for a wall of a house, below its eaves or in its gable."""
    masonry(out, look, key, u, y, max(grain, grain_y))
    storey = look[STOREY_M]
    floor = int(y / storey)
    v = y - floor * storey
    if side >= LEFT and finish == HOUSE:
        blank = lattice(key, 80 + side, 0)
        for c in range(3):  # side walls are of a plainer render
            out[c] *= 0.8 + 0.12 * blank
        plinth(out, look, key, u, y)
        if blank < 0.55 or y > top:
            return
    elif side == FRONT and in_shop(look, u, 0.0) and y < shop_top_m(look):
        shop_front(out, look, key, u - look[SHOP_AT_M], look[SHOP] * width, y, max(grain, grain_y))
        return
    elif floor == 0 and lattice(key, 81, 0) < 0.25 and look[MATERIAL] != BRICK:
        joint = 0.82 if v / 0.4 - math.floor(v / 0.4) < 0.12 else 0.95
        for c in range(3):
            out[c] *= joint
    if look[BANDS] > 0 and floor > 0:
        mix(out, look[TRIM], look[TRIM + 1], look[TRIM + 2], 0.7 * min(cover(v, 0.0, 0.16, grain_y), 1.0))
    plinth(out, look, key, u, y)
    industrial = look[KIND] == 3
    pitch = 5.0 if industrial else look[BAY_M]
    bays = max(1, int(width / pitch))
    pitch = width / bays
    bay = min(int(u / pitch), bays - 1)
    x = u - (bay + 0.5) * pitch
    if floor == 0 and side == FRONT and finish == HOUSE and not in_shop(look, look[DOOR_AT_M], 0.8):
        off = u - look[DOOR_AT_M]
        if abs(off) < 0.9:
            door(out, look, off, y, grain, grain_y)
            return
        if abs((bay + 0.5) * pitch - look[DOOR_AT_M]) < 0.9 + 0.5 * pitch * look[GLASS_WIDE]:
            return
    if floor == 0 and side == FRONT and in_shop(look, (bay + 0.5) * pitch, 0.5 * pitch * look[GLASS_WIDE]):
        return
    if y > top - 0.5 or (finish == HOUSE and y > look[HEIGHT_M]):
        return
    half = 0.5 * pitch * look[GLASS_WIDE]
    high = storey * look[GLASS_HIGH]
    if finish == ORIEL:
        half, high = 0.42 * pitch, max(high, storey * 0.55)
    if industrial:
        high = 0.8
    if look[KIND] == 2 and look[GLASS_WIDE] > 0.5 and lattice(key, 82, 0) < 0.5:
        half = 0.5 * pitch
    sill = min(0.30 * storey, storey - high - 0.35) if not industrial else storey - 1.4
    span = min(grain, pitch)
    opening = cover(x, -half, half, span) * cover(v, sill, sill + high, min(grain_y, storey))
    if look[SURROUND] > 0 and side == FRONT:
        around = cover(x, -half - 0.14, half + 0.14, span) * cover(
            v, sill - 0.1, sill + high + 0.2, min(grain_y, storey)
        )
        mix(out, look[TRIM], look[TRIM + 1], look[TRIM + 2], 0.55 * min(around, 1.0))
    else:
        ledge = cover(x, -half - 0.1, half + 0.1, span) * cover(v, sill - 0.12, sill, min(grain_y, storey))
        mix(out, 0.8 * look[TRIM], 0.8 * look[TRIM + 1], 0.8 * look[TRIM + 2], 0.8 * min(ledge, 1.0))
    if look[SHUTTERS] > 0 and side == FRONT and half < 0.32 * pitch:
        flap = cover(abs(x), half + 0.04, half * 1.9, span) * cover(v, sill, sill + high, min(grain_y, storey))
        mix(out, look[DOOR], look[DOOR + 1], look[DOOR + 2], 0.95 * min(flap, 1.0))
    if opening > 0.001:
        wall0, wall1, wall2 = out[0], out[1], out[2]
        glass(out, look, key, bay + 17 * side, floor, x, v - sill, half, high, max(grain, grain_y))
        mix(out, wall0, wall1, wall2, 1 - min(opening, 1.0))
    elif side == FRONT and v < sill and abs(x) < half + 0.1:
        streak = 1 - 0.12 * noise(u * 6, y * 0.3, key + 5)
        for c in range(3):
            out[c] *= streak
    if side == FRONT and lattice(key, 83, 0) < 0.6:
        pipe = cover(u, 0.10, 0.20, max(grain, 0.03))
        mix(out, 0.05, 0.05, 0.05, 0.8 * min(pipe, 1.0))


@compiled
def door(out, look, off, y, grain, grain_y):
    """Lay a door with frame, fanlight and steps over a wall; off: metres from its middle."""
    around = cover(off, -0.72, 0.72, grain) * cover(y, 0.0, 2.55, grain_y)
    mix(out, look[TRIM], look[TRIM + 1], look[TRIM + 2], 0.85 * min(around, 1.0))
    leaf = cover(off, -0.5, 0.5, grain) * cover(y, 0.3, 2.2, grain_y)
    panel = 1.0 if abs(abs(off) - 0.25) < 0.13 and 0.5 < y < 1.9 else 1.25
    mix(out, panel * look[DOOR], panel * look[DOOR + 1], panel * look[DOOR + 2], min(leaf, 1.0))
    light = cover(off, -0.5, 0.5, grain) * cover(y, 2.25, 2.45, grain_y)
    mix(out, 0.03, 0.03, 0.035, min(light, 1.0))
    step = cover(off, -0.85, 0.85, grain) * cover(y, 0.0, 0.3, grain_y)
    mix(out, 0.32, 0.31, 0.29, min(step, 1.0))


@compiled
def monument(out, look, finish, side, u, width, y, top, grain, key):
    """Fill out for a wall of a landmark: ashlar with lancets, few windows or flutes, or green copper."""
    if finish == COPPER:
        out[0], out[1], out[2] = 0.13, 0.24, 0.20
        if lattice(key, 41, 0) < 0.5:
            out[0], out[1], out[2] = 0.09, 0.10, 0.12
        return
    warm = 0.9 + 0.25 * lattice(key, 42, 0)
    course = math.floor(y / 0.5)
    odd = 0.82 + 0.2 * lattice(math.floor(u / 1.1 + 0.5 * (course % 2)), course, key)
    odd *= 0.75 + 0.35 * noise(u * 0.4, y * 0.2, key)
    out[0], out[1], out[2] = 0.42 * odd * warm, 0.38 * odd, 0.31 * odd / warm
    if finish == PILLAR:
        for c in range(3):
            out[c] *= 0.85 + 0.15 * math.cos(u * 9.0)
    elif finish == STONE and top > 6 and width > 5 and look[KIND] < 13:
        pitch = width / max(1, int(width / 3.6))
        x = abs(u / pitch - math.floor(u / pitch) - 0.5) * pitch
        rise = top * 0.82 - x * 1.2
        if x < 0.75 and top * 0.28 < y < rise:
            out[0], out[1], out[2], out[3] = 0.02, 0.02, 0.03, 0.35
    elif finish == SHAFT:
        x = abs(u - 0.5 * width)
        if x < 0.16 * width and 2.2 < (top - y) < 5.5 - x:
            out[0], out[1], out[2] = 0.02, 0.02, 0.02
        elif math.hypot(x, y - top + 8.0) < 1.3:
            out[0], out[1], out[2] = 0.6, 0.58, 0.5
        elif side == FRONT and x < 1.1 and y < 3.4 - x:
            out[0], out[1], out[2] = 0.06, 0.035, 0.02


@compiled
def roofing(out, look, finish, form, a, b, y, grain):
    """Fill out (5,) for a point of a roof at local (a, b): tiles in rows, lichen, a skylight now and then."""
    key = int(look[KEY])
    out[3] = out[4] = 0.0
    if finish == CANOPY:
        cloth(out, look, a + 0.5 * look[WIDTH_M] - 0.35)
        return
    if finish >= STONE:
        stone = form == FLAT or look[KIND] > 12
        monument(out, look, STONE if stone and finish != COPPER else COPPER, FRONT, a, 2.0, y, 2.0, grain, key)
        return
    if form == FLAT:
        out[0], out[1], out[2] = 0.16, 0.15, 0.14
        return
    patch = 0.7 + 0.35 * noise(a * 0.7, b * 0.7, key + 21) + 0.25 * noise(a * 3.1, y * 3.1, key + 22)
    row = y / 0.24
    patch *= 1 - 0.35 * cover(row - math.floor(row), 0.0, 0.3, max(grain / 0.24, 0.01)) * min(1.0, 0.3 / grain)
    for c in range(3):
        out[c] = look[ROOFING + c] * patch
    if finish == HOUSE and lattice(key, 90, 0) < 0.3:
        off = a - (lattice(key, 91, 0) - 0.5) * look[WIDTH_M] * 0.6
        if abs(off) < 0.45 and 0.9 < y - look[HEIGHT_M] < 1.7:
            out[0], out[1], out[2], out[3] = 0.03, 0.03, 0.04, 0.7
