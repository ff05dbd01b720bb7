"""What stands in a street beside its houses: looks of trees, lamps, cars, people, and where a day puts them.

A thing is a row (6,) of KIND, EAST, NORTH, HEADING, SIZE, SEED. A ray meets it in closed form (cones, ellipsoids,
boxes, convex bodies), in the thing's own frame: `a` ahead along HEADING, `y` up, `b` to its right, all in metres.
HEADING is clockwise from north and is where a thing faces: the way a car drives, a person walks, a bench looks, a
lamp's arm reaches; a sign looks at the road and is read by those who come along on the right; a hedge and a fence lie
along it. SIZE is a factor around 1, but metres of length for a hedge and a fence. SEED in [0, 1) decides the rest:
species, design, colours, clothes.
"""

import math

import numpy as np
from numba import njit

KIND, EAST, NORTH, HEADING, SIZE, SEED = range(6)
# what belongs to the place
TREE, LAMP, POST_BOX, BENCH, BIN, SIGN, HEDGE, FENCE, BUS_STOP, BUSH = range(10)
# what belongs to the day
CAR, VAN, BICYCLE, PERSON, CRATES = range(20, 25)
SCENES = ("street", "landmark", "facade", "park", "object", "people")  # a scene's code is its index
FAR = 1e9  # the distance of what is not hit
NEAR = 0.2  # along the ray: nothing closer is seen
CLEAR_M = 4.5  # around a camera nothing of the day stands, unless it is what the photo shows
AHEAD_M = 80.0  # cars and people are placed up to here
ROUND, POPLAR, CONIFER = range(3)
HATCHBACK, SALOON, ESTATE, OFF_ROADER, CITY_CAR, DELIVERY_VAN = range(6)
# share of all up to this colour, red, green, blue
CARS = np.array(
    [[0.22, 0.88, 0.88, 0.86], [0.41, 0.27, 0.28, 0.30], [0.58, 0.06, 0.06, 0.07], [0.72, 0.58, 0.60, 0.62],
     [0.84, 0.08, 0.17, 0.42], [0.93, 0.60, 0.06, 0.06], [0.96, 0.13, 0.27, 0.17], [0.98, 0.80, 0.58, 0.10],
     [1.00, 0.42, 0.30, 0.20]]
)  # fmt: skip
CLOTHES = np.array(
    [[0.30, 1.0, 1.0, 1.0], [0.50, 0.35, 0.45, 0.85], [0.64, 0.95, 0.25, 0.2], [0.76, 0.4, 0.7, 0.4],
     [0.88, 0.9, 0.75, 0.5], [1.00, 0.95, 0.8, 0.2]]
)  # fmt: skip

# without checks for division by zero: a ray along a face divides by zero and rightly meets it at infinity
compiled = njit(cache=True, error_model="numpy")


@compiled
def chance(a, b, c, d):
    """A number in [0, 1) that belongs to four integers for ever."""
    h = np.uint64(a) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(b + 7919)
    h = (h ^ (h >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9) ^ np.uint64(c + 104729)
    h = (h ^ (h >> np.uint64(32))) * np.uint64(0x94D049BB133111EB) ^ np.uint64(d + 1299709)
    # two rounds after the last integer: with one, neighbours in d would differ by a constant
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return float((h ^ (h >> np.uint64(31))) >> np.uint64(11)) / 9007199254740992.0


@compiled
def speck(a, y, b, grain_m, salt):
    """A number in [0, 1) for the cell of size grain_m around a point: chance, cheaper and a little less random."""
    # cells lean: upright cubes would be seen as such
    first, second, third = (a + 0.3 * y) / grain_m, (y - 0.3 * b) / grain_m, (b - 0.3 * a) / grain_m
    h = (
        np.uint64(math.floor(first)) * np.uint64(0x9E3779B97F4A7C15)
        ^ np.uint64(math.floor(second)) * np.uint64(0xC2B2AE3D27D4EB4F)
        ^ np.uint64(math.floor(third)) * np.uint64(0x165667B19E3779F9)
        ^ np.uint64(salt)
    )
    h = (h ^ (h >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return float((h ^ (h >> np.uint64(32))) & np.uint64(0xFFFFFF)) / 16777216.0


@compiled
def trait(seed, k):
    """The k-th number in [0, 1) that belongs to a thing's seed."""
    x = seed * (131.7 + 57.31 * k) + 0.37 * k
    return x - math.floor(x)


@compiled
def light(up, facing, direct):
    """Light on a face, about 1 in full sun: `up` is its normal's height, `facing` the normal times the sun's way."""
    return (0.68 + 0.2 * up) * (1 - 0.42 * direct) + 0.78 * direct * max(facing, 0.0)


@compiled
def paint(out, red, green, blue, gain):
    """Fill a colour (3,), each channel between 0 and 1.2."""
    out[0] = min(max(red * gain, 0.0), 1.2)
    out[1] = min(max(green * gain, 0.0), 1.2)
    out[2] = min(max(blue * gain, 0.0), 1.2)


@compiled
def limb(a, y, b, da, dy, db, at_a, at_b, lean_a, lean_b, low_radius, high_radius, low, high):
    """Distance to a leaning cone with a lid between two heights; its axis moves by lean metres per metre of height."""
    swell = (high_radius - low_radius) / (high - low)
    xa, va = a - at_a - lean_a * (y - low), da - lean_a * dy
    xb, vb = b - at_b - lean_b * (y - low), db - lean_b * dy
    radius, vr = low_radius + swell * (y - low), swell * dy
    square = va * va + vb * vb - vr * vr
    half = xa * va + xb * vb - radius * vr
    inside = half * half - square * (xa * xa + xb * xb - radius * radius)
    if inside < 0 or square < 1e-9:
        return FAR
    t = (-half - math.sqrt(inside)) / square
    height = y + t * dy
    if t > NEAR and low <= height <= high:
        return t
    if height > high and dy < 0:
        t = (high - y) / dy
        xa, xb = xa + t * va, xb + t * vb
        if t > NEAR and xa * xa + xb * xb < high_radius * high_radius:
            return t
    return FAR


@compiled
def egg(a, y, b, da, dy, db, at_a, at_y, at_b, radius_a, radius_y, radius_b):
    """Distance to an ellipsoid whose axes are those of the thing."""
    xa, xy, xb = (a - at_a) / radius_a, (y - at_y) / radius_y, (b - at_b) / radius_b
    va, vy, vb = da / radius_a, dy / radius_y, db / radius_b
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


@compiled
def cut(near, far, face, slope, room, index):
    """Cut a ray's stretch (near, far) by a half-space: it gains `slope` and has `room` left at the ray's start."""
    t = room / slope
    if slope < 0:
        if t > near:
            return t, far, index
    elif slope > 0:
        return near, min(far, t), face
    elif room < 0:
        return near, -FAR, face
    return near, far, face


@compiled
def box_light(axis, da, dy, db, sun_a, sun_y, sun_b, direct):
    """Light on the face of a box that was met along an axis."""
    if axis == 1:
        up = -1.0 if dy > 0 else 1.0
        return light(up, up * sun_y, direct)
    way, sun = (da, sun_a) if axis == 0 else (db, sun_b)
    return light(0.0, -sun if way > 0 else sun, direct)


@compiled
def species(seed):
    """ROUND, POPLAR or CONIFER."""
    pick = trait(seed, 0)
    return ROUND if pick < 0.8 else POPLAR if pick < 0.9 else CONIFER


@compiled
def tree_shape(size, seed):
    """Height and crown radius of a tree [m]."""
    kind = species(seed)
    if kind == ROUND:
        return size * (7.2 + 2.6 * trait(seed, 1)), size * (2.3 + 0.9 * trait(seed, 2))
    if kind == POPLAR:
        return size * (9.5 + 3.0 * trait(seed, 1)), size * (1.1 + 0.4 * trait(seed, 2))
    return size * (6.5 + 4.0 * trait(seed, 1)), size * (1.6 + 0.7 * trait(seed, 2))


@compiled
def vehicle_style(kind, seed):
    """HATCHBACK .. DELIVERY_VAN."""
    if kind == VAN:
        return DELIVERY_VAN
    pick = trait(seed, 0)
    return int(pick * 5)


@compiled
def vehicle_shape(style):
    """Half length, half width, height, belt line, nose; ahead: windscreen's foot and top, rear's top and foot [m]."""
    if style == HATCHBACK:
        return 2.0, 0.88, 1.47, 0.93, 0.74, 1.0, 0.3, -1.45, -1.88
    if style == SALOON:
        return 2.3, 0.9, 1.43, 0.92, 0.72, 1.05, 0.35, -0.95, -1.65
    if style == ESTATE:
        return 2.3, 0.9, 1.5, 0.94, 0.74, 1.05, 0.35, -1.85, -2.2
    if style == OFF_ROADER:
        return 2.25, 0.94, 1.7, 1.07, 0.92, 1.1, 0.5, -1.7, -2.1
    if style == CITY_CAR:
        return 1.75, 0.81, 1.5, 0.95, 0.8, 1.05, 0.5, -1.25, -1.62
    return 2.5, 0.99, 2.2, 1.18, 1.0, 1.95, 1.3, -2.35, -2.45


@compiled
def lamp_design(seed):
    """0 a tall mast with an arm, 1 an old lantern, 2 a globe on a post."""
    return int(3 * trait(seed, 0))


@compiled
def reach(thing):
    """Radius [m] in plan of the circle around a thing (6,) that holds all of it."""
    kind, size, seed = int(thing[KIND]), thing[SIZE], thing[SEED]
    if kind == TREE:
        return 1.1 * tree_shape(size, seed)[1]
    if kind == HEDGE:
        return 0.5 * size + 0.36
    if kind == FENCE:
        return 0.5 * size + 0.17
    if kind in (CAR, VAN):
        half_length, half_width = vehicle_shape(vehicle_style(kind, seed))[:2]
        return size * (math.sqrt(half_length * half_length + half_width * half_width) + 0.06)
    if kind == LAMP:
        return size * (1.67 if lamp_design(seed) == 0 else 0.28)
    if kind == BUS_STOP:
        return 2.3 * size
    if kind == BUSH:
        return 1.08 * size
    if kind == BENCH:
        return 1.0 * size
    if kind == BICYCLE:
        return 0.92 * size
    if kind == CRATES:
        return 0.75 * size
    return 0.45 * size  # signs, post boxes, bins, people


@compiled
def top(thing):
    """Height [m] above the ground that no part of a thing (6,) exceeds."""
    kind, size, seed = int(thing[KIND]), thing[SIZE], thing[SEED]
    if kind == TREE:
        return 1.03 * tree_shape(size, seed)[0]
    if kind in (CAR, VAN):
        return size * vehicle_shape(vehicle_style(kind, seed))[2] + 0.01
    if kind == LAMP:
        return size * (7.1 if lamp_design(seed) == 0 else 4.5)
    if kind == HEDGE:
        return 1.82
    if kind == FENCE:
        return 1.32
    if kind in (BUS_STOP, SIGN):
        return 3.02 * size
    if kind == PERSON:
        return 1.98 * size
    if kind in (POST_BOX, BUSH):
        return 1.62 * size
    if kind == BENCH:
        return 0.95 * size
    return 1.22 * size  # bins, bicycles, crates


@compiled
def seen(out, thing, east, height, north, de, dh, dn, season, sun_e, sun_h, sun_n, direct, salt):
    """Distance along a ray at which a thing is met, in units of the ray's direction; 1e9 when it passes by.

    out: (3,) filled, when met, with the colour under the light of the day, in [0, 1.2]. thing: (6,). (east, height,
    north) [m] is where the ray starts and (de, dh, dn) its direction, of any length. season: 0 summer to 1 winter.
    (sun_e, sun_h, sun_n): unit vector to the sun; direct: 0 overcast to 1 in the sun. salt: integer of the photo.
    """
    xe, xn = east - thing[EAST], north - thing[NORTH]
    # the cylinder around the thing first: most rays pass beside, above or below it
    square = de * de + dn * dn
    half = xe * de + xn * dn
    radius = reach(thing)
    inside = half * half - square * (xe * xe + xn * xn - radius * radius)
    if inside <= 0:
        return FAR
    root = math.sqrt(inside)
    enter, leave = height + (-half - root) / square * dh, height + (-half + root) / square * dh
    if min(enter, leave) > top(thing) or max(enter, leave) < 0 or leave == enter == FAR or -half + root < 0:
        return FAR
    kind, seed, size = int(thing[KIND]), thing[SEED], thing[SIZE]
    sin, cos = math.sin(thing[HEADING]), math.cos(thing[HEADING])
    scale = 1.0 if kind in (TREE, HEDGE, FENCE) else 1.0 / size
    a, b, y = (xe * sin + xn * cos) * scale, (xe * cos - xn * sin) * scale, height * scale
    da, db, dy = (de * sin + dn * cos) * scale, (de * cos - dn * sin) * scale, dh * scale
    sa, sb = sun_e * sin + sun_n * cos, sun_e * cos - sun_n * sin
    if kind == TREE:
        return tree(out, a, y, b, da, dy, db, sa, sun_h, sb, direct, size, seed, season, salt)
    if kind in (CAR, VAN):
        return vehicle(out, a, y, b, da, dy, db, sa, sun_h, sb, direct, vehicle_style(kind, seed), seed)
    if kind == PERSON:
        return person(out, a, y, b, da, dy, db, sa, sun_h, sb, direct, seed, season)
    if kind == LAMP:
        return lamp(out, a, y, b, da, dy, db, sa, sun_h, sb, direct, seed)
    if kind == POST_BOX:
        return post_box(out, a, y, b, da, dy, db, sa, sun_h, sb, direct, seed)
    if kind == BENCH:
        return bench(out, a, y, b, da, dy, db, sa, sun_h, sb, direct, seed)
    if kind == BIN:
        return litter_bin(out, a, y, b, da, dy, db, sa, sun_h, sb, direct, seed)
    if kind == SIGN:
        return sign(out, a, y, b, da, dy, db, sa, sun_h, sb, direct, seed)
    if kind == HEDGE:
        return hedge(out, a, y, b, da, dy, db, sa, sun_h, sb, direct, size, seed, season, salt)
    if kind == FENCE:
        return fence(out, a, y, b, da, dy, db, sa, sun_h, sb, direct, size, seed)
    if kind == BUS_STOP:
        return bus_stop(out, a, y, b, da, dy, db, sa, sun_h, sb, direct, seed, salt)
    if kind == BUSH:
        return bush(out, a, y, b, da, dy, db, sa, sun_h, sb, direct, seed, season, salt)
    if kind == BICYCLE:
        return bicycle(out, a, y, b, da, dy, db, sa, sun_h, sb, direct, seed)
    return crates(out, a, y, b, da, dy, db, sa, sun_h, sb, direct, seed)


@compiled
def shade(thing, east, height, north, season, sun_e, sun_h, sun_n, salt):
    """Share in [0, 1] of the direct sun that a thing (6,) keeps from a point [m]; arguments as those of seen.

    Coarser than seen: crowns are one ellipsoid, cars two boxes. What is thin (lamps, signs, bicycles) throws no shadow.
    A shadow ends within reach + top / tan(the sun's elevation) of the thing.
    """
    xe, xn = east - thing[EAST], north - thing[NORTH]
    square = sun_e * sun_e + sun_n * sun_n
    half = xe * sun_e + xn * sun_n
    radius = reach(thing)
    inside = half * half - square * (xe * xe + xn * xn - radius * radius)
    if inside <= 0 or height + (-half - math.sqrt(inside)) / square * sun_h > top(thing) or half > radius:
        return 0.0
    kind, seed, size = int(thing[KIND]), thing[SEED], thing[SIZE]
    sin, cos = math.sin(thing[HEADING]), math.cos(thing[HEADING])
    a, b, y = xe * sin + xn * cos, xe * cos - xn * sin, height
    da, db, dy = sun_e * sin + sun_n * cos, sun_e * cos - sun_n * sin, sun_h
    if kind == TREE:
        tall, wide = tree_shape(size, seed)
        if limb(a, y, b, da, dy, db, 0.0, 0.0, 0.0, 0.0, 0.022 * tall, 0.012 * tall, 0.0, 0.7 * tall) < FAR:
            return 1.0
        low = tall * (0.25 if species(seed) == ROUND else 0.1)
        middle, deep = 0.5 * (tall + low), 0.5 * (tall - low)
        if species(seed) == CONIFER:
            t = limb(a, y, b, da, dy, db, 0.0, 0.0, 0.0, 0.0, 0.9 * wide, 0.04, low, tall)
        else:
            t = egg(a, y, b, da, dy, db, 0.0, middle, 0.0, 0.92 * wide, deep, 0.92 * wide)
        if t == FAR:
            return 0.0
        # flecks of light fall through the leaves, and more through bare branches
        bare = season > 0.48 and species(seed) != CONIFER
        return 0.0 if speck(east, height, north, 0.3, salt) < (0.6 if bare else 0.22) else 0.9
    ia, iy, ib = inverse(da), inverse(dy), inverse(db)
    if kind in (CAR, VAN):
        half_length, half_width, tall, belt, _, screen_foot, screen_top, back_top, back_foot = vehicle_shape(
            vehicle_style(kind, seed)
        )
        t, _ = box(a, y, b, ia, iy, ib, -half_length, half_length, 0.15, belt, -half_width, half_width)
        if t == FAR:
            mean_front, mean_back = 0.5 * (screen_foot + screen_top), 0.5 * (back_foot + back_top)
            t, _ = box(a, y, b, ia, iy, ib, mean_back, mean_front, belt, tall, 0.12 - half_width, half_width - 0.12)
        return 1.0 if t < FAR else 0.0
    if kind in (HEDGE, FENCE):
        tall = 0.9 + 0.9 * trait(seed, 0) if kind == HEDGE else 0.85
        t, _ = box(a, y, b, ia, iy, ib, -0.5 * size, 0.5 * size, 0.0, tall, -0.3, 0.3)
        return (1.0 if kind == HEDGE else 0.6) if t < FAR else 0.0
    if kind == BUS_STOP:
        t, _ = box(a, y, b, ia, iy, ib, -0.65, 0.75, 2.3, 2.42, -1.8, 1.8)
        return 0.8 if t < FAR else 0.0
    if kind == BENCH:
        t, _ = box(a, y, b, ia, iy, ib, -0.3, 0.27, 0.4, 0.5, -0.9, 0.9)
        return 0.8 if t < FAR else 0.0
    if kind == BUSH:
        return 0.9 if egg(a, y, b, da, dy, db, 0.0, 0.4, 0.0, 0.85 * size, 0.8 * size, 0.85 * size) < FAR else 0.0
    if kind in (PERSON, POST_BOX, BIN, CRATES):
        stands = 1.65 if kind == PERSON else 1.3 if kind == POST_BOX else 0.95
        t = limb(a, y, b, da, dy, db, 0.0, 0.0, 0.0, 0.0, 0.16, 0.24, 0.0, stands)
        return 1.0 if t < FAR else 0.0
    return 0.0


@compiled
def leaves(out, seed, season, kind, dapple, gain):
    """Colour of leaves: green in summer, yellow to brown in autumn, conifers dark all the year."""
    if kind == CONIFER:
        paint(out, 0.10 + 0.05 * seed, 0.20 + 0.06 * seed, 0.12 + 0.04 * seed, (0.55 + 0.8 * dapple) * gain)
        return
    pick = trait(seed, 5)
    red, green, blue = 0.25 + 0.15 * pick, 0.37 + 0.08 * trait(seed, 6), 0.15 + 0.09 * trait(seed, 7)
    if pick > 0.975 and kind == ROUND:  # copper beech
        red, green, blue = 0.27, 0.13, 0.13
    turn = min(max((season - 0.18 - 0.12 * trait(seed, 8)) / 0.2, 0.0), 1.0)
    warm = trait(seed, 9)
    red += turn * (0.62 + 0.1 * warm - red)
    green += turn * (0.5 - 0.28 * warm - green)
    blue += turn * (0.1 - blue)
    paint(out, red, green, blue, (0.5 + 0.95 * dapple) * gain)


@compiled
def tree(out, a, y, b, da, dy, db, sa, sy, sb, direct, size, seed, season, salt):
    """A trunk and a crown of overlapping clumps of leaves; deciduous trees are bare branches in winter."""
    tall, wide = tree_shape(size, seed)
    kind = species(seed)
    fork = tall * (0.3 if kind == ROUND else 0.12)
    bare = kind != CONIFER and season > 0.44 + 0.08 * trait(seed, 3)
    girth = (0.018 + 0.008 * trait(seed, 4)) * tall
    if bare:
        return bare_tree(out, a, y, b, da, dy, db, sa, sb, direct, tall, wide, girth, kind, seed)
    best = limb(a, y, b, da, dy, db, 0.0, 0.0, 0.01, 0.0, girth, 0.4 * girth, 0.0, 0.75 * tall)
    if best < FAR:
        bark(out, a + best * da, y + best * dy, b + best * db, sa, sb, direct, girth, kind, seed)
    if kind == CONIFER:
        return conifer(out, best, a, y, b, da, dy, db, sa, sy, sb, direct, tall, wide, fork, seed, salt)
    middle, deep = 0.5 * (tall + fork), 0.5 * (tall - fork)
    crown = egg(a, y, b, da, dy, db, 0.0, middle, 0.0, wide, 1.05 * deep, wide)
    if crown > best:
        return best
    speed = math.sqrt(da * da + dy * dy + db * db)
    thin = 0.2 + 1.1 * max(season - 0.28, 0.0)
    # from afar the clumps are not told apart
    afar = crown * speed > 55.0
    clumps = 1 if afar else 6 if kind == ROUND else 5
    for i in range(clumps):
        if afar:
            ca, cb, cy, radius, flat = 0.0, 0.0, middle, 0.9 * wide, 0.95 * deep
        elif kind == ROUND:
            if i == 5:
                ca, cb, cy, radius, flat = 0.0, 0.0, fork + 1.42 * deep, 0.5 * wide, 0.58 * deep
            else:
                # five around the trunk at 72 degrees, alternately high and low
                ca = 0.44 * wide * (1.0, 0.309, -0.809, -0.809, 0.309)[i]
                cb = 0.44 * wide * (0.0, 0.951, 0.588, -0.588, -0.951)[i]
                cy = fork + deep * (0.58 + 0.62 * trait(seed, 10 + i))
                radius, flat = wide * (0.42 + 0.17 * trait(seed, 20 + i)), deep * (0.36 + 0.2 * trait(seed, 30 + i))
        else:
            ca, cb = 0.22 * wide * (trait(seed, 10 + i) - 0.5), 0.22 * wide * (trait(seed, 20 + i) - 0.5)
            cy = fork + deep * (0.3 + 0.33 * i)
            radius, flat = wide * (0.86, 0.93, 0.85, 0.68, 0.42)[i], 0.42 * deep
        t = egg(a, y, b, da, dy, db, ca, cy, cb, radius, flat, radius)
        if t >= best:
            continue
        # leaves at the clump's surface, and those behind its gaps
        for layer in range(2):
            t += layer * 0.35 * radius / speed
            if t >= best:
                break
            pa, py, pb = a + t * da, y + t * dy, b + t * db
            na, ny, nb = (pa - ca) / (radius * radius), (py - cy) / (flat * flat), (pb - cb) / (radius * radius)
            length = math.sqrt(na * na + ny * ny + nb * nb) + 1e-9
            na, ny, nb = na / length, ny / length, nb / length
            slant = abs(na * da + ny * dy + nb * db) / speed
            lump = math.sin(4.3 * pa + 2.1 * py + 9 * seed) * math.sin(3.7 * py - 2.9 * pb) + 0.6 * math.sin(
                5.9 * pb + 4.4 * py - 3.1 * pa
            )
            gap = thin + max(0.5 - slant + 0.34 * lump, 0.0) * 1.6 - 0.1 * layer
            if speck(pa, py, pb, 0.13, salt) < gap:
                continue
            best = t
            dapple = 0.45 * speck(pa, py, pb, 0.1, 7) + 0.4 * speck(pa, py, pb, 0.28, 9) + 0.2 * lump
            dapple += 0.17 + 0.06 * (i - 2) - 0.3 * layer
            # the underside of the whole crown is dark as well as each clump's
            ny = 0.6 * ny + 0.4 * (py - middle) / deep
            # leaves let light through: the shady side is not black
            gain = light(ny, 0.3 + 0.7 * (na * sa + ny * sy + nb * sb), direct)
            leaves(out, seed, season, kind, dapple, gain * (0.98 + 0.2 * ny))
            break
    return best


@compiled
def bark(out, a, y, b, sa, sb, direct, girth, kind, seed):
    """Colour of a trunk: grey to brown, furrowed, plane trees mottled."""
    furrow = 0.8 + 0.4 * speck(a, 0.25 * y, b, 0.07, 3)
    pale = trait(seed, 12)
    gain = light(0.0, (a * sa + b * sb) / girth, direct) * furrow
    paint(out, 0.26 + 0.14 * pale, 0.21 + 0.15 * pale, 0.16 + 0.15 * pale, gain)


@compiled
def conifer(out, best, a, y, b, da, dy, db, sa, sy, sb, direct, tall, wide, fork, seed, salt):
    """Tiers of needles around a cone; `best` is the distance of the trunk, already painted."""
    for layer in range(2):
        radius = wide if layer == 0 else 0.72 * wide
        t = limb(a, y, b, da, dy, db, 0.0, 0.0, 0.0, 0.0, radius, 0.04, fork, tall)
        if t >= best:
            continue
        pa, py, pb = a + t * da, y + t * dy, b + t * db
        along = math.sqrt(pa * pa + pb * pb) + 1e-9
        # a tier hangs lower where its bough is long
        tier = (tall - py) / (0.1 * tall) + 0.35 * math.sin(3 * math.atan2(pa, pb) + 20 * seed + 0.9 * py)
        phase = tier - math.floor(tier)
        grain = speck(pa, py, pb, 0.13, salt)
        if grain > (0.15 + 0.95 * phase if layer == 0 else 0.97):
            continue
        gain = light(0.3, 0.8 * (pa * sa + pb * sb) / along + 0.4 * sy, direct) * (0.55 + 0.75 * phase - 0.25 * layer)
        leaves(out, trait(seed, 5), 0.0, CONIFER, speck(pa, py, pb, 0.19, 5), gain)
        best = t
    return best


@compiled
def bare_tree(out, a, y, b, da, dy, db, sa, sb, direct, tall, wide, girth, kind, seed):
    """Branches that fork again and again, in the upright plane through the trunk that faces the ray's start."""
    far = math.sqrt(a * a + b * b)
    slope = a * da + b * db
    if slope >= 0:
        return FAR
    t = -far * far / slope
    height = y + t * dy
    across = ((b + t * db) * a - (a + t * da) * b) / far
    if t < NEAR or height < 0 or height > tall or abs(across) > wide:
        return FAR
    stem = tall * (0.28 if kind == ROUND else 0.2)
    spread = 1.0 if kind == ROUND else 0.55
    px, py, width, path = across, height, girth, 1
    for level in range(8):
        if -width < py < stem and abs(px) < width * (1 - 0.3 * py / stem):
            gain = light(0.0, 0.0, direct) + 0.3 * direct * max(sb * a - sa * b, 0.0) / far
            paint(out, 0.31, 0.27, 0.24, gain * (0.75 + 0.5 * speck(px, 0.3 * py, 0.0, 0.07, level)))
            return t
        # outside the crown there is but the trunk
        if level == 0 and (py < 0.8 * stem or (across / wide) ** 2 + ((height / tall - 0.6) / 0.4) ** 2 > 1):
            return FAR
        # on to the tip and there into the frame of the branch in whose sector the point lies: left, straight on, right
        py -= stem
        if abs(px) < 0.26 * spread * py:
            path = 3 * path
            turn = 0.24 * (trait(seed, path % 61) - 0.5)
            stem *= 0.74
            width = max(0.74 * width, 0.017)
        else:
            path = 3 * path + (1 if px > 0 else 2)
            px = abs(px)
            turn = spread * (0.42 + 0.4 * trait(seed, path % 61))
            stem *= 0.62 + 0.16 * trait(seed, path % 53)
            width = max(0.6 * width, 0.017)
        sin, cos = turn - turn * turn * turn / 6, 1 - 0.5 * turn * turn
        px, py = px * cos - py * sin, px * sin + py * cos
    return FAR


@compiled
def vehicle(out, a, y, b, da, dy, db, sa, sy, sb, direct, style, seed):
    """A car or van: a convex body with bonnet and boot, a convex cabin on it, wheels, and its shadow on the ground."""
    half_length, half_width, tall, belt, nose, screen_foot, screen_top, back_top, back_foot = vehicle_shape(style)
    wheel = 0.35 if style >= OFF_ROADER and style != CITY_CAR else 0.31
    sill = wheel - 0.13
    deck = belt - 0.04 if style == SALOON else belt
    # the body: (near, far) is the ray's stretch within all its planes
    near, far, face = NEAR, FAR, -1
    near, far, face = cut(near, far, face, dy, belt - y, 0)
    near, far, face = cut(near, far, face, -dy, y - sill, 1)
    near, far, face = cut(near, far, face, da + 0.14 * dy, half_length + 0.07 - a - 0.14 * y, 2)
    near, far, face = cut(near, far, face, -da + 0.1 * dy, half_length + 0.05 + a - 0.1 * y, 3)
    slope = (belt - nose) / (half_length - 0.06 - screen_foot)
    near, far, face = cut(near, far, face, dy + slope * da, belt - y - slope * (a - screen_foot), 4)
    slope = (belt - deck + 0.02) / (half_length + back_foot)
    near, far, face = cut(near, far, face, dy - slope * da, belt - y + slope * (a - back_foot), 5)
    room = half_width + 0.04
    near, far, face = cut(near, far, face, db + 0.08 * dy, room - b - 0.08 * y, 6)
    near, far, face = cut(near, far, face, -db + 0.08 * dy, room + b - 0.08 * y, 7)
    room = half_width + 0.45 * half_length - 0.2
    near, far, face = cut(near, far, face, 0.45 * da + db, room - 0.45 * a - b, 8)
    near, far, face = cut(near, far, face, 0.45 * da - db, room - 0.45 * a + b, 9)
    near, far, face = cut(near, far, face, -0.45 * da + db, room + 0.45 * a - b, 10)
    near, far, face = cut(near, far, face, -0.45 * da - db, room + 0.45 * a + b, 11)
    best = near if near < far and face >= 0 else FAR
    part = face
    # the cabin
    near, far, face = NEAR, best, -1
    near, far, face = cut(near, far, face, dy, tall - y, 20)
    near, far, face = cut(near, far, face, -dy, y - belt + 0.02, 21)
    front = (screen_foot - screen_top) / (tall - belt)
    near, far, face = cut(near, far, face, da + front * dy, screen_foot - a - front * (y - belt), 22)
    back = (back_top - back_foot) / (tall - belt)
    near, far, face = cut(near, far, face, -da + back * dy, a - back_foot - back * (y - belt), 23)
    tumble = 0.06 if style == DELIVERY_VAN else 0.25
    room = half_width - 0.05 + tumble * belt
    near, far, face = cut(near, far, face, db + tumble * dy, room - b - tumble * y, 24)
    near, far, face = cut(near, far, face, -db + tumble * dy, room + b - tumble * y, 25)
    # rounded edges of the roof
    round_room = half_width - 0.05 - tumble * (tall - belt) + tall - 0.06
    near, far, face = cut(near, far, face, db + dy, round_room - b - y, 26)
    near, far, face = cut(near, far, face, -db + dy, round_room + b - y, 27)
    if near < far and face >= 0:
        best, part = near, face
    front_axle, back_axle = half_length - 0.42 * half_length + 0.05, -0.58 * half_length
    # wheels: discs in the side that is turned to the ray
    side = 1.0 if b > 0 else -1.0
    if abs(b) > half_width and side * db < 0:
        t = (side * (half_width + 0.01) - b) / db
        pa, py = a + t * da, y + t * dy
        axle = front_axle if pa > 0 else back_axle
        off = math.sqrt((pa - axle) * (pa - axle) + (py - wheel) * (py - wheel))
        if off < wheel + 0.05 and py > 0.0 and t < best + 0.2 and t > NEAR:
            tyre(out, off / wheel, pa - axle, py - wheel, light(0.0, side * sb, direct), seed)
            return t
    if best == FAR:
        ia, iy, ib = inverse(da), inverse(dy), inverse(db)
        for i in range(4):
            axle = front_axle if i < 2 else back_axle
            low = half_width - 0.22 if i % 2 else -half_width
            t, _ = box(a, y, b, ia, iy, ib, axle - 0.27, axle + 0.27, 0.0, 0.4, low, low + 0.22)
            best = min(best, t)
        if best == FAR and dy < 0:
            t = (0.01 - y) / dy
            if t > NEAR and abs(a + t * da) < half_length - 0.05 and abs(b + t * db) < half_width:
                best = t
        if best < FAR:
            paint(out, 0.07, 0.07, 0.075, 1.0)
        return best
    pa, py, pb = a + best * da, y + best * dy, b + best * db
    bodywork(
        out, part, pa, py, pb, da, dy, db, sa, sy, sb, direct, style, seed, half_length, half_width, tall, belt, sill,
        wheel, front_axle, back_axle, screen_foot, screen_top, back_top, back_foot, tumble,
    )  # fmt: skip
    return best


@compiled
def tyre(out, ratio, a, y, gain, seed):
    """Colour of a wheel at `ratio` of its radius: arch, tyre, rim with spokes, hub."""
    if ratio > 1.0:
        paint(out, 0.03, 0.03, 0.03, 1.0)
    elif ratio > 0.64:
        paint(out, 0.09, 0.09, 0.095, gain)
    else:
        spokes = math.sin(5.0 * math.atan2(y, a)) if ratio > 0.18 else 1.0
        shade = 0.62 if spokes > -0.2 else 0.22
        paint(out, shade, shade, 1.02 * shade, gain * (0.7 if trait(seed, 9) < 0.3 else 1.0))


@compiled
def car_colour(out, style, seed):
    """Colours as in real traffic: mostly white, grey, black, silver, blue, red."""
    pick = trait(seed, 1)
    if style == DELIVERY_VAN:
        pick = 0.0 if pick < 0.62 else pick
    jitter = 0.9 + 0.2 * trait(seed, 2)
    if pick < CARS[0, 0]:  # white ones are never dull
        jitter = 0.9 + 0.1 * trait(seed, 2)
    row = CARS[np.searchsorted(CARS[:, 0], pick, side="right")]
    paint(out, row[1], row[2], row[3], jitter)


@compiled
def bodywork(
    out, part, a, y, b, da, dy, db, sa, sy, sb, direct, style, seed, half_length, half_width, tall, belt, sill,
    wheel, front_axle, back_axle, screen_foot, screen_top, back_top, back_foot, tumble,
):  # fmt: skip
    """Colour of a point of a car's body or cabin, glossy."""
    front = (screen_foot - screen_top) / (tall - belt)
    back = (back_top - back_foot) / (tall - belt)
    # the normal of the face, the sides a little rounded
    na, ny, nb = 0.0, 1.0, 0.0
    side = 1.0 if b > 0 else -1.0
    if part == 1 or part == 21:
        ny = -1.0
    elif part == 2:
        na, ny = 1.0, 0.8 * (y - 0.5)
    elif part == 3:
        na, ny = -1.0, 0.8 * (y - 0.5)
    elif part == 4:
        na = 0.25
    elif part == 6 or part == 7:
        ny, nb = 1.2 * (y - 0.6) if y < 0.72 * belt else 0.55, side
    elif part == 8 or part == 9:
        na, ny, nb = 0.7, 0.5 * (y - 0.5), 0.7 * side
    elif part == 10 or part == 11:
        na, ny, nb = -0.7, 0.5 * (y - 0.5), 0.7 * side
    elif part == 22:
        na, ny = 1.0, front
    elif part == 23:
        na, ny = -1.0, back
    elif part == 24 or part == 25:
        ny, nb = tumble, side
    elif part >= 26:
        nb = side
    length = math.sqrt(na * na + ny * ny + nb * nb)
    na, ny, nb = na / length, ny / length, nb / length
    car_colour(out, style, seed)
    red, green, blue = out[0], out[1], out[2]
    gloss, glass, lamp_on = 1.0, False, False
    v = (y - sill) / (belt - sill)
    rise = (y - belt) / (tall - belt)
    foremost = screen_foot + rise * (screen_top - screen_foot)
    rearmost = back_foot + rise * (back_top - back_foot)
    pillar = 0.5 * (screen_top + back_top) + 0.1
    across = half_width - 0.05 - tumble * (y - belt)
    if part == 22:
        glass = 0.05 < rise < 0.93 and abs(b) < across - 0.09
    elif part == 23:
        glass = 0.12 < rise < 0.86 and abs(b) < across - 0.13 and style != DELIVERY_VAN
    elif part == 24 or part == 25:
        glass = 0.04 < rise < 0.82 and rearmost + 0.16 < a < foremost - 0.1 and abs(a - pillar) > 0.05
        if style == DELIVERY_VAN:
            glass = glass and a > 0.62 and rise < 0.62
        elif style != SALOON and abs(a - back_top - 0.42) < 0.06:
            glass = False
    elif part == 6 or part == 7:
        arch = min(math.hypot(a - front_axle, y - wheel), math.hypot(a - back_axle, y - wheel))
        if arch < wheel + 0.06 or y < sill + 0.05:
            red, green, blue, gloss = 0.03, 0.03, 0.03, 0.0
        elif a > half_length - 0.3 and 0.55 < v < 0.8:
            red, green, blue = 0.85, 0.87, 0.9
        elif a < 0.25 - half_length and 0.6 < v < 0.88:
            red, green, blue = 0.55, 0.03, 0.03
        elif (abs(a - pillar) < 0.018 or abs(a - screen_foot + 0.2) < 0.018) and v > 0.12:
            red, green, blue, gloss = 0.3 * red, 0.3 * green, 0.3 * blue, 0.3
        elif 0.76 < v < 0.81 and 0.06 < a - pillar < 0.24:
            red, green, blue = 0.5 * red, 0.5 * green, 0.5 * blue
        elif v < 0.16:
            red, green, blue, gloss = 0.08, 0.08, 0.085, 0.3
        if style == DELIVERY_VAN and trait(seed, 4) < 0.5 and 0.42 < v < 0.62 and a < 1.1:
            red, green, blue = trait(seed, 5), trait(seed, 6), trait(seed, 7)
    elif part == 2 or part == 8 or part == 9:
        if abs(b) < 0.26 and 0.28 < v < 0.44:
            red, green, blue = 0.85, 0.85, 0.8
        elif v < 0.12 or (v < 0.26 and abs(b) < 0.55 * half_width):
            red, green, blue, gloss = 0.05, 0.05, 0.055, 0.2
        elif abs(b) > 0.52 * half_width and 0.52 < v < 0.8:
            red, green, blue, lamp_on = 0.92, 0.93, 0.95, trait(seed, 8) < 0.3
        elif abs(b) < 0.45 * half_width and 0.5 < v < 0.74:
            red, green, blue, gloss = 0.07, 0.07, 0.075, 0.5
    elif part == 3 or part == 10 or part == 11:
        if abs(b) < 0.26 and 0.5 < v < 0.68:
            red, green, blue = 0.85, 0.85, 0.8
        elif v < 0.16:
            red, green, blue, gloss = 0.06, 0.06, 0.065, 0.2
        elif abs(b) > 0.6 * half_width and 0.6 < v < 0.92:
            red, green, blue = 0.62, 0.04, 0.03
    if style == DELIVERY_VAN and part == 23:
        if abs(b) < 0.02:
            red, green, blue, gloss = 0.2 * red, 0.2 * green, 0.2 * blue, 0.2
        elif 0.35 < rise < 0.8 and 0.12 < abs(b) < 0.7 and trait(seed, 3) < 0.6:
            glass = True
    if glass:
        red, green, blue, gloss = 0.06, 0.07, 0.08, 1.6
    # what the gloss mirrors: the sky above, the street below, the sun
    speed = math.sqrt(da * da + dy * dy + db * db)
    slant = (da * na + dy * ny + db * nb) / speed
    mirror_a, mirror_y, mirror_b = da / speed - 2 * slant * na, dy / speed - 2 * slant * ny, db / speed - 2 * slant * nb
    shine = gloss * (0.06 + 0.5 * (1 - min(abs(slant), 1.0)) ** 3)
    bright = min(max(0.3 + 1.6 * mirror_y, 0.22), 0.95)
    glint = max(mirror_a * sa + mirror_y * sy + mirror_b * sb, 0.0)
    glint = 0.9 * gloss * direct * glint**24
    gain = light(ny, na * sa + ny * sy + nb * sb, direct) * (1 - min(shine, 0.8))
    if lamp_on:
        gain = 1.2
    paint(
        out, red * gain + shine * bright + glint, green * gain + shine * bright + glint,
        blue * gain + 1.05 * shine * bright + glint, 1.0,
    )  # fmt: skip


@compiled
def cloth(out, seed, k, season):
    """A colour of clothes: in winter darker, in summer some bright ones."""
    pick, value = trait(seed, k), trait(seed, k + 1)
    bright = 0.12 + 0.7 * value * value if season > 0.5 else 0.18 + 0.7 * value
    row = CLOTHES[np.searchsorted(CLOTHES[:, 0], pick, side="right")]
    paint(out, row[1], row[2], row[3], bright)


@compiled
def skin(out, seed):
    """A skin colour."""
    tone = trait(seed, 30)
    paint(out, 0.82 - 0.52 * tone, 0.62 - 0.44 * tone, 0.52 - 0.40 * tone, 1.0)


@compiled
def person(out, a, y, b, da, dy, db, sa, sy, sb, direct, seed, season):
    """Someone walking or standing: legs, torso, arms, head with hair; coats in winter, skirts, bags."""
    tall = 1.55 + 0.33 * trait(seed, 0)
    stout = 0.92 + 0.25 * trait(seed, 1)
    woman = trait(seed, 2) < 0.5
    skirt = woman and trait(seed, 3) < 0.4
    coat = season > 0.5 and trait(seed, 4) < 0.65
    stride = (0.05 + 0.28 * trait(seed, 5)) * (1.0 if trait(seed, 6) < 0.5 else -1.0)
    hip, shoulder = 0.49 * tall, 0.82 * tall
    best, part = FAR, 0
    for i in range(2):
        way = 1.0 if i == 0 else -1.0
        t = limb(a, y, b, da, dy, db, way * stride, 0.1 * way, -way * stride / hip, 0.0, 0.055, 0.09 * stout, 0.0, hip)
        if t < best:
            best, part = t, 1 + i
        t = limb(
            a, y, b, da, dy, db, -0.7 * way * stride, (0.14 + 0.09 * stout) * way, 0.7 * way * stride / 0.6,
            -0.09 * way, 0.043, 0.062 * stout, 0.45 * tall, shoulder - 0.02,
        )  # fmt: skip
        if t < best:
            best, part = t, 3 + i
    # deeper than wide by one and a half: the torso lives in a narrowed frame
    t = limb(a, y, 0.65 * b, da, dy, 0.65 * db, 0.0, 0.0, 0.0, 0.0, 0.1 * stout, 0.118 * stout, hip - 0.05, shoulder)
    if t < best:
        best, part = t, 5
    if skirt or coat:
        hem = 0.27 * tall
        flare = 0.19 * stout if skirt else 0.165 * stout
        t = limb(a, y, 0.75 * b, da, dy, 0.75 * db, 0.0, 0.0, 0.0, 0.0, flare, 0.135 * stout, hem, hip + 0.06)
        if t < best:
            best, part = t, 6
    t = limb(a, y, b, da, dy, db, 0.0, 0.0, 0.0, 0.0, 0.06, 0.05, shoulder, 0.87 * tall)
    if t < best:
        best, part = t, 7
    # the rounded shoulders
    t = egg(a, y, b, da, dy, db, 0.0, shoulder - 0.015, 0.0, 0.1 * stout, 0.055, 0.185 * stout)
    if t < best:
        best, part = t, 5
    t = egg(a, y, b, da, dy, db, 0.02, 0.93 * tall, 0.0, 0.1, 0.125, 0.085)
    if t < best:
        best, part = t, 8
    if woman:
        t = egg(a, y, b, da, dy, db, -0.05, 0.915 * tall, 0.0, 0.085, 0.16 + 0.05 * trait(seed, 7), 0.095)
        if t < best:
            best, part = t, 9
    if trait(seed, 8) < 0.3:
        ia, iy, ib = inverse(da), inverse(dy), inverse(db)
        t, _ = box(a, y, b, ia, iy, ib, -0.3, -0.1, 0.58 * tall, 0.8 * tall, -0.15, 0.15)
        if t < best:
            best, part = t, 10
    if best == FAR:
        if dy < 0:
            t = (0.01 - y) / dy
            if t > NEAR and (a + t * da) ** 2 + 2 * (b + t * db) ** 2 < 0.1:
                paint(out, 0.14, 0.14, 0.145, 1.0)
                return t
        return FAR
    pa, py, pb = a + best * da, y + best * dy, b + best * db
    up = py / tall
    if part <= 2:
        if up < 0.05:
            paint(out, 0.1, 0.09, 0.09, 1.0)
        elif skirt or (season < 0.25 and trait(seed, 9) < 0.35 and up < 0.3):
            skin(out, seed)
            if season > 0.4:
                paint(out, 0.12, 0.12, 0.14, 1.0)
        else:
            cloth(out, seed, 10, 1.0)
            if trait(seed, 13) < 0.5:  # jeans
                paint(out, 0.16, 0.2, 0.32, 0.7 + 0.6 * trait(seed, 14))
    elif part <= 4:
        if up < 0.5 or (season < 0.25 and up < 0.7):
            skin(out, seed)
        else:
            cloth(out, seed, 15, season)
    elif part == 5:
        cloth(out, seed, 15, season)
    elif part == 6:
        cloth(out, seed, 15 if coat else 18, season)
    elif part == 7:
        skin(out, seed)
    elif part == 10:
        cloth(out, seed, 21, 1.0)
    elif part == 8 and not (up > 0.965 or pa < 0.0):
        skin(out, seed)
        if pa > 0.08 and abs(up - 0.937) < 0.008 and abs(abs(pb) - 0.033) < 0.018:
            paint(out, 0.5 * out[0], 0.5 * out[1], 0.5 * out[2], 1.0)
    else:
        grey, fair = trait(seed, 24) < 0.2, trait(seed, 25)
        if grey:
            paint(out, 0.6, 0.6, 0.6, 0.7 + 0.5 * fair)
        else:
            paint(out, 0.1 + 0.5 * fair * fair, 0.07 + 0.35 * fair * fair, 0.05 + 0.15 * fair * fair, 1.0)
        if season > 0.6 and trait(seed, 26) < 0.4:  # a woollen hat
            cloth(out, seed, 27, 0.0)
    # every part is round about an upright axis: the ray's own way tells which side it met
    axis_b = 0.12 if part in (1, 3) else -0.12 if part in (2, 4) else 0.0
    na, nb = pa, pb - axis_b
    if part <= 2:
        na -= (1.0 if part == 1 else -1.0) * stride * (1 - py / hip)
    length = math.sqrt(na * na + nb * nb) + 1e-6
    ny = 0.7 if part >= 8 and up > 0.96 else 0.1
    gain = light(ny, 0.9 * (na * sa + nb * sb) / length + ny * sy, direct)
    paint(out, out[0], out[1], out[2], gain)
    return best


@compiled
def pole_light(a, b, at_a, at_b, sa, sb, direct):
    """Light on an upright pole's surface."""
    na, nb = a - at_a, b - at_b
    return light(0.0, (na * sa + nb * sb) / (math.sqrt(na * na + nb * nb) + 1e-6), direct)


@compiled
def lamp(out, a, y, b, da, dy, db, sa, sy, sb, direct, seed):
    """A street lamp: see lamp_design."""
    design = lamp_design(seed)
    ia, iy, ib = inverse(da), inverse(dy), inverse(db)
    if design == 0:
        best = limb(a, y, b, da, dy, db, 0.0, 0.0, 0.0, 0.0, 0.085, 0.05, 0.0, 7.0)
        arm, axis = box(a, y, b, ia, iy, ib, 0.0, 1.0, 6.92, 7.0, -0.035, 0.035)
        head, top_axis = box(a, y, b, ia, iy, ib, 0.9, 1.6, 6.88, 7.02, -0.14, 0.14)
        if head < arm:
            arm, axis = head, top_axis
        if arm < best:
            paint(out, 0.42, 0.43, 0.44, box_light(axis, da, dy, db, sa, sy, sb, direct))
            if head == arm and axis == 1 and dy > 0:
                paint(out, 0.85, 0.84, 0.75, 1.0)
            return arm
        if best < FAR:
            paint(out, 0.42, 0.43, 0.44, pole_light(a + best * da, b + best * db, 0.0, 0.0, sa, sb, direct))
        return best
    mast = 3.3 if design == 1 else 4.0
    best = limb(a, y, b, da, dy, db, 0.0, 0.0, 0.0, 0.0, 0.075, 0.045, 0.0, mast)
    foot = limb(a, y, b, da, dy, db, 0.0, 0.0, 0.0, 0.0, 0.14, 0.1, 0.0, 0.7)
    best = min(best, foot)
    if design == 1:
        glass = limb(a, y, b, da, dy, db, 0.0, 0.0, 0.0, 0.0, 0.11, 0.2, mast, mast + 0.5)
        roof = limb(a, y, b, da, dy, db, 0.0, 0.0, 0.0, 0.0, 0.25, 0.03, mast + 0.5, mast + 0.72)
    else:
        glass = egg(a, y, b, da, dy, db, 0.0, mast + 0.2, 0.0, 0.24, 0.24, 0.24)
        roof = FAR
    if glass < best and glass < roof:
        pa, pb, py = a + glass * da, b + glass * db, y + glass * dy
        gain = 0.75 * pole_light(pa, pb, 0.0, 0.0, sa, sb, direct) + 0.3
        if design == 1 and (py > mast + 0.46 or abs(abs(pa) - abs(pb)) < 0.03):
            paint(out, 0.09, 0.1, 0.1, 1.0)
        else:
            paint(out, 0.86, 0.85, 0.76, gain)
        return glass
    best = min(best, roof)
    if best < FAR:
        gain = pole_light(a + best * da, b + best * db, 0.0, 0.0, sa, sb, direct)
        if trait(seed, 1) < 0.3:
            paint(out, 0.1, 0.2, 0.15, gain)
        else:
            paint(out, 0.11, 0.12, 0.13, gain)
    return best


@compiled
def post_box(out, a, y, b, da, dy, db, sa, sy, sb, direct, seed):
    """A pillar with a cap, or a box on a leg, in red, yellow or blue; the slot in front."""
    if trait(seed, 0) < 0.4:
        best = limb(a, y, b, da, dy, db, 0.0, 0.0, 0.0, 0.0, 0.26, 0.26, 0.0, 1.4)
        cap = limb(a, y, b, da, dy, db, 0.0, 0.0, 0.0, 0.0, 0.31, 0.2, 1.38, 1.58)
        best = min(best, cap)
        if best == FAR:
            return FAR
        pa, py, pb = a + best * da, y + best * dy, b + best * db
        gain = pole_light(pa, pb, 0.0, 0.0, sa, sb, direct)
        if py < 0.14 or (pa > 0.2 and abs(pb) < 0.15 and abs(py - 1.18) < 0.04):
            paint(out, 0.05, 0.05, 0.05, 1.0)
        elif pa > 0.2 and abs(pb) < 0.09 and abs(py - 0.92) < 0.09:
            paint(out, 0.85, 0.85, 0.82, gain)
        else:
            paint(out, 0.72, 0.07, 0.06, gain)
        return best
    ia, iy, ib = inverse(da), inverse(dy), inverse(db)
    best, axis = box(a, y, b, ia, iy, ib, -0.2, 0.2, 0.62, 1.4, -0.26, 0.26)
    leg, leg_axis = box(a, y, b, ia, iy, ib, -0.08, 0.08, 0.0, 0.62, -0.1, 0.1)
    if leg < best:
        paint(out, 0.25, 0.25, 0.26, box_light(leg_axis, da, dy, db, sa, sy, sb, direct))
        return leg
    if best == FAR:
        return FAR
    pa, py, pb = a + best * da, y + best * dy, b + best * db
    gain = box_light(axis, da, dy, db, sa, sy, sb, direct)
    if axis == 0 and pa > 0 and abs(pb) < 0.18 and abs(py - 1.26) < 0.035:
        paint(out, 0.05, 0.05, 0.05, 1.0)
    elif axis == 0 and pa > 0 and abs(pb) < 0.12 and abs(py - 0.95) < 0.12:
        paint(out, 0.9, 0.9, 0.86, gain)
    elif trait(seed, 0) < 0.8:
        paint(out, 0.92, 0.72, 0.06, gain)
    else:
        paint(out, 0.12, 0.22, 0.55, gain)
    return best


@compiled
def bench(out, a, y, b, da, dy, db, sa, sy, sb, direct, seed):
    """A slatted seat with a back, on two iron feet."""
    ia, iy, ib = inverse(da), inverse(dy), inverse(db)
    best, axis, wood = FAR, 0, True
    for i in range(5):
        if i < 3:  # slats of the seat
            low = -0.22 + 0.17 * i
            t, face = box(a, y, b, ia, iy, ib, low, low + 0.14, 0.42, 0.46, -0.9, 0.9)
        else:  # and of the back
            low = 0.56 + 0.2 * (i - 3)
            t, face = box(a, y, b, ia, iy, ib, -0.3, -0.26, low, low + 0.15, -0.9, 0.9)
        if t < best:
            best, axis, wood = t, face, True
    for i in range(2):
        at_b = -0.72 if i == 0 else 0.68
        t, face = box(a, y, b, ia, iy, ib, -0.24, 0.26, 0.0, 0.42, at_b, at_b + 0.05)
        if t < best and abs(a + t * da - 0.01) > 0.14:
            best, axis, wood = t, face, False
        t, face = box(a, y, b, ia, iy, ib, -0.33, -0.29, 0.0, 0.88, at_b, at_b + 0.05)
        if t < best:
            best, axis, wood = t, face, False
    if best == FAR:
        if dy < 0:
            t = (0.01 - y) / dy
            if t > NEAR and abs(a + t * da) < 0.26 and abs(b + t * db) < 0.85:
                paint(out, 0.2, 0.2, 0.2, 1.0)
                return t
        return FAR
    gain = box_light(axis, da, dy, db, sa, sy, sb, direct)
    if not wood:
        paint(out, 0.1, 0.1, 0.11, gain)
    elif trait(seed, 0) < 0.25:
        paint(out, 0.12, 0.3, 0.18, gain)
    else:
        paint(out, 0.5, 0.33, 0.18, gain * (0.8 + 0.4 * trait(seed, 1)))
    return best


@compiled
def litter_bin(out, a, y, b, da, dy, db, sa, sy, sb, direct, seed):
    """A litter bin: a tapered drum with a dark mouth under its rim, or a mesh basket on a post."""
    if trait(seed, 0) < 0.6:
        best = limb(a, y, b, da, dy, db, 0.0, 0.0, 0.0, 0.0, 0.24, 0.29, 0.0, 0.95)
        if best == FAR:
            return FAR
        pa, py, pb = a + best * da, y + best * dy, b + best * db
        gain = pole_light(pa, pb, 0.0, 0.0, sa, sb, direct)
        if py > 0.945:
            dark = pa * pa + pb * pb < 0.045
            paint(out, 0.05 if dark else 0.3, 0.05 if dark else 0.3, 0.05 if dark else 0.3, 1.0)
        elif (0.68 < py < 0.82 and abs(pb) < 0.17) or py < 0.06:
            paint(out, 0.04, 0.04, 0.04, 1.0)
        elif trait(seed, 1) < 0.4:
            paint(out, 0.12, 0.3, 0.17, gain)
        elif trait(seed, 1) < 0.7:
            paint(out, 0.2, 0.21, 0.22, gain)
        else:
            paint(out, 0.75, 0.38, 0.08, gain)
        return best
    best = limb(a, y, b, da, dy, db, 0.0, 0.0, 0.0, 0.0, 0.035, 0.035, 0.0, 1.15)
    drum = limb(a, y, b, da, dy, db, 0.16, 0.0, 0.0, 0.0, 0.15, 0.19, 0.45, 1.0)
    best = min(best, drum)
    if best == FAR:
        return FAR
    pa, py, pb = a + best * da, y + best * dy, b + best * db
    gain = pole_light(pa, pb, 0.16, 0.0, sa, sb, direct)
    if drum == best and py > 0.995:
        paint(out, 0.05, 0.05, 0.05, 1.0)
    elif drum == best:
        paint(out, 0.3, 0.34, 0.3, gain * (0.75 if math.sin(60 * py) > 0 else 1.0))
    else:
        paint(out, 0.3, 0.3, 0.31, gain)
    return best


@compiled
def sign(out, a, y, b, da, dy, db, sa, sy, sb, direct, seed):
    """A traffic sign on a pole: round, triangular or square; grey from behind."""
    high = 2.25 + 0.3 * trait(seed, 0)
    pole = limb(a, y, b, da, dy, db, 0.0, 0.0, 0.0, 0.0, 0.035, 0.035, 0.0, high + 0.3)
    t = (-0.05 - b) / db
    u, v = a + t * da, y + t * dy - high
    design, far = int(6 * trait(seed, 1)), math.sqrt(u * u + v * v)
    if design < 3:
        rim = far / 0.34
    elif design == 3:  # a triangle: the farthest of three edges
        rim = max(-v, 0.5 * v + 0.866 * abs(u)) / 0.19
    else:
        rim = max(abs(u), abs(v)) / 0.31
    if not (NEAR < t < pole and rim < 1.0):
        if pole < FAR:
            paint(out, 0.5, 0.51, 0.52, pole_light(a + pole * da, b + pole * db, 0.0, 0.0, sa, sb, direct))
        return pole
    gain = light(0.0, -sb if b < -0.05 else sb, direct)
    white = True
    if b > -0.05:
        paint(out, 0.5, 0.51, 0.52, gain)
        return t
    if design == 0 or design == 3:
        if rim > 0.72:
            white = False
            paint(out, 0.78, 0.06, 0.06, gain)
        elif far < 0.11:
            white = False
            paint(out, 0.08, 0.08, 0.08, 1.0)
    elif design == 1:  # no entry
        white = abs(v) < 0.055 and abs(u) < 0.24
        paint(out, 0.78, 0.05, 0.05, gain)
    else:  # an arrow or a letter on blue
        stem, bow = abs(u + 0.04) < 0.035 and abs(v) < 0.17, abs(far - 0.13) < 0.03 and u > -0.04 and v > 0
        white = rim > 0.93 or stem or bow
        paint(out, 0.07, 0.24, 0.62, gain)
    if white:
        paint(out, 0.93, 0.93, 0.92, gain)
    return t


@compiled
def hedge(out, a, y, b, da, dy, db, sa, sy, sb, direct, length, seed, season, salt):
    """A clipped hedge: a box of leaves with a ragged skin."""
    ia, iy, ib = inverse(da), inverse(dy), inverse(db)
    tall = 0.9 + 0.9 * trait(seed, 0)
    for layer in range(2):
        shrink = 0.07 * layer
        t, axis = box(
            a, y, b, ia, iy, ib, -0.5 * length + shrink, 0.5 * length - shrink, 0.0, tall - shrink, shrink - 0.35,
            0.35 - shrink,
        )  # fmt: skip
        if t == FAR:
            return FAR
        pa, py, pb = a + t * da, y + t * dy, b + t * db
        lump = math.sin(2.7 * pa + 6 * seed) * math.sin(3.1 * py + 1.3 * pb)
        edge = max(abs(pb) - 0.28, py - tall + 0.08, abs(pa) - 0.5 * length + 0.1, 0.0)
        if layer == 0 and speck(pa, py, pb, 0.09, salt) < 0.3 + 0.2 * lump + (3.0 * edge if axis != 1 else 0.2):
            continue
        gain = box_light(axis, da, dy, db, sa, sy, sb, direct) * (0.75 + 0.25 * py / tall - 0.2 * layer)
        dapple = 0.3 + 0.5 * speck(pa, py, pb, 0.11, 5) + 0.12 * lump
        # beech keeps its brown leaves, the others are evergreen
        leaves(out, seed, season if trait(seed, 4) < 0.3 else 0.0, ROUND, dapple, 0.85 * gain)
        return t
    return FAR


@compiled
def fence(out, a, y, b, da, dy, db, sa, sy, sb, direct, length, seed):
    """Pickets, iron railings, or a low wall with a coping; the gaps are seen through."""
    ia, iy, ib = inverse(da), inverse(dy), inverse(db)
    design = int(3 * trait(seed, 0))
    end = 0.5 * length
    if design == 2:
        best, axis = box(a, y, b, ia, iy, ib, -end, end, 0.0, 0.75, -0.12, 0.12)
        cap, cap_axis = box(a, y, b, ia, iy, ib, -end, end, 0.75, 0.85, -0.16, 0.16)
        pale = trait(seed, 1)
        if cap < best:
            paint(out, 0.66, 0.64, 0.6, box_light(cap_axis, da, dy, db, sa, sy, sb, direct))
            return cap
        if best < FAR:
            pa, py = a + best * da, y + best * dy
            course = math.floor(py / 0.075)
            joint = py / 0.075 - course < 0.16 or (pa / 0.23 + 0.5 * course) % 1.0 < 0.06
            brick = chance(int(pa / 0.23 + 0.5 * course + 999), int(course), int(1e6 * seed), 90)
            grain = (0.88 + 0.24 * brick) * (0.85 if joint else 1.0)
            gain = box_light(axis, da, dy, db, sa, sy, sb, direct) * grain
            paint(out, 0.56 + 0.15 * pale, 0.33 + 0.33 * pale, 0.25 + 0.36 * pale, gain)
        return best
    tall = 1.0 if design == 0 else 1.3
    pitch, share = (0.15, 0.62) if design == 0 else (0.13, 0.2)
    best = FAR
    for i in range(2):  # the rails
        low = 0.22 * tall if i == 0 else 0.78 * tall
        t, axis = box(a, y, b, ia, iy, ib, -end, end, low, low + (0.07 if design == 0 else 0.04), -0.03, 0.03)
        if t < best:
            best = t
            gain = box_light(axis, da, dy, db, sa, sy, sb, direct)
    if abs(db) > 1e-9:
        t = ((0.035 if b > 0 else -0.035) - b) / db
        pa, py = a + t * da, y + t * dy
        place = pa / pitch - math.floor(pa / pitch)
        tip = tall - (0.12 * abs(place - 0.5 * share) / (0.5 * share) if design == 0 else 0.0)
        if NEAR < t < best and abs(pa) < end and 0.05 < py < tip and place < share:
            best = t
            gain = light(0.0, sb if b > 0 else -sb, direct)
    if best < FAR:
        if design == 1:
            paint(out, 0.08, 0.09, 0.1, gain)
        elif trait(seed, 1) < 0.45:
            paint(out, 0.86, 0.86, 0.83, gain)
        else:
            paint(out, 0.45, 0.32, 0.2, gain)
    return best


@compiled
def bus_stop(out, a, y, b, da, dy, db, sa, sy, sb, direct, seed, salt):
    """A glass shelter open to the front, with a bench, a poster in its side and a sign on a pole."""
    ia, iy, ib = inverse(da), inverse(dy), inverse(db)
    best, axis = box(a, y, b, ia, iy, ib, -0.65, 0.75, 2.3, 2.42, -1.8, 1.8)
    part = 0
    for i in range(4):  # posts
        at_a = -0.62 if i < 2 else 0.6
        at_b = -1.74 if i % 2 else 1.68
        t, face = box(a, y, b, ia, iy, ib, at_a, at_a + 0.06, 0.0, 2.3, at_b, at_b + 0.06)
        if t < best:
            best, axis, part = t, face, 0
    t, face = box(a, y, b, ia, iy, ib, -0.5, -0.1, 0.42, 0.48, -1.2, 1.2)
    if t < best:
        best, axis, part = t, face, 1
    t, face = box(a, y, b, ia, iy, ib, -0.55, 0.55, 0.25, 2.15, 1.68, 1.78)
    if t < best:
        best, axis, part = t, face, 2
    t, face = box(a, y, b, ia, iy, ib, 0.85, 0.9, 0.0, 2.95, -1.95, -1.9)
    if t < best:
        best, axis, part = t, face, 0
    t, face = box(a, y, b, ia, iy, ib, 0.6, 1.02, 2.4, 3.0, -1.96, -1.92)
    if t < best:
        best, axis, part = t, face, 3
    # panes: the back, and the side without a poster
    for i in range(2):
        if i == 0:
            t, face = box(a, y, b, ia, iy, ib, -0.6, -0.58, 0.2, 2.2, -1.68, 1.68)
        else:
            t, face = box(a, y, b, ia, iy, ib, -0.55, 0.55, 0.2, 2.2, -1.72, -1.7)
        if t < best:
            pa, py, pb = a + t * da, y + t * dy, b + t * db
            frame = abs(pb - 1.13 * round(pb / 1.13)) < 0.03 if i == 0 else False
            if frame or speck(pa, py, pb, 0.012, salt) < 0.22:
                best, axis, part = t, face, 0 if frame else 4
    if best == FAR:
        return FAR
    gain = box_light(axis, da, dy, db, sa, sy, sb, direct)
    pa, py = a + best * da, y + best * dy
    if part == 0:
        paint(out, 0.2, 0.21, 0.22, gain)
    elif part == 1:
        paint(out, 0.5, 0.36, 0.22, gain)
    elif part == 2:
        if abs(pa) > 0.48 or py < 0.4 or py > 2.02:
            paint(out, 0.25, 0.26, 0.27, gain)
        else:
            band = int(4 * (py - 0.4) / 1.62)
            paint(out, trait(seed, 1 + band), trait(seed, 6 + band // 2), trait(seed, 11 + band), 0.5 + 0.4 * gain)
    elif part == 3:
        paint(out, 0.93, 0.75, 0.08, gain)
        if py < 2.62:
            paint(out, 0.1, 0.35, 0.2, gain)
    else:
        paint(out, 0.55, 0.62, 0.64, 0.7 * gain)
    return best


@compiled
def bush(out, a, y, b, da, dy, db, sa, sy, sb, direct, seed, season, salt):
    """Three clumps of leaves on the ground, thin in winter; some flower."""
    best = FAR
    speed = math.sqrt(da * da + dy * dy + db * db)
    evergreen = trait(seed, 3) < 0.5
    gap_now = 0.15 if evergreen else 0.15 + 0.6 * max(season - 0.3, 0.0)
    for i in range(3):
        ca, cb = 0.36 * (1.0, -0.5, -0.5)[i], 0.36 * (0.0, 0.87, -0.87)[i]
        radius, flat = 0.55 + 0.1 * trait(seed, i), 0.5 + 0.45 * trait(seed, 4 + i)
        cy = 0.55 * flat
        t = egg(a, y, b, da, dy, db, ca, cy, cb, radius, flat, radius)
        for layer in range(2):
            t += layer * 0.2 / speed
            pa, py, pb = a + t * da, y + t * dy, b + t * db
            if t >= best or py < 0:
                break
            na, ny, nb = (pa - ca) / radius, (py - cy) / flat, (pb - cb) / radius
            length = math.sqrt(na * na + ny * ny + nb * nb) + 1e-9
            slant = abs(na * da + ny * dy + nb * db) / speed / length
            if speck(pa, py, pb, 0.08, salt) < gap_now + max(0.5 - slant, 0.0) * 1.5:
                continue
            best = t
            gain = light(ny / length, (na * sa + ny * sy + nb * sb) / length, direct) * (0.8 + 0.25 * ny / length)
            dapple = 0.15 + 0.7 * speck(pa, py, pb, 0.1, 5) - 0.2 * layer
            leaves(out, seed, 0.0 if evergreen else season, ROUND, dapple, 0.85 * gain)
            if season < 0.2 and trait(seed, 8) < 0.3 and speck(pa, py, pb, 0.07, 11) < 0.16:
                paint(out, 0.85, 0.3 + 0.5 * trait(seed, 9), 0.45 + 0.4 * trait(seed, 10), gain)
            break
    return best


@compiled
def stroke(a, y, from_a, from_y, to_a, to_y, width):
    """Whether a point of a plane lies within `width` of a stretch between two others."""
    la, ly = to_a - from_a, to_y - from_y
    share = min(max(((a - from_a) * la + (y - from_y) * ly) / (la * la + ly * ly), 0.0), 1.0)
    ga, gy = a - from_a - share * la, y - from_y - share * ly
    return ga * ga + gy * gy < width * width


@compiled
def bicycle(out, a, y, b, da, dy, db, sa, sy, sb, direct, seed):
    """Two wheels, a diamond frame, saddle and handlebars; the wheels' spokes are seen through."""
    ia, iy, ib = inverse(da), inverse(dy), inverse(db)
    best, part, axis = FAR, 0, 0
    t, face = box(a, y, b, ia, iy, ib, 0.3, 0.36, 1.02, 1.07, -0.28, 0.28)
    if t < best:
        best, part, axis = t, 1, face
    t, face = box(a, y, b, ia, iy, ib, -0.36, -0.1, 0.94, 1.0, -0.09, 0.09)
    if t < best:
        best, part, axis = t, 1, face
    for i in range(2):
        at = 0.53 if i == 0 else -0.53
        # seen end on a wheel is a narrow bar
        t, face = box(a, y, b, ia, iy, ib, at - 0.34, at + 0.34, 0.0, 0.68, -0.02, 0.02)
        if t < best:
            off = math.hypot(a + t * da - at, y + t * dy - 0.34)
            if face == 0 or abs(off - 0.31) < 0.03:
                best, part, axis = t, 1, face
            elif off < 0.3 and abs(math.sin(6 * math.atan2(y + t * dy - 0.34, a + t * da - at))) < 0.08:
                best, part, axis = t, 2, face
    if abs(db) > 1e-9:
        t = ((0.02 if b > 0 else -0.02) - b) / db
        pa, py = a + t * da, y + t * dy
        if (
            NEAR < t < best
            and py > 0.2
            and (
                stroke(pa, py, -0.53, 0.34, -0.05, 0.3, 0.025)
                or stroke(pa, py, -0.53, 0.34, -0.2, 0.85, 0.022)
                or stroke(pa, py, -0.05, 0.3, -0.23, 0.96, 0.028)
                or stroke(pa, py, -0.05, 0.3, 0.34, 0.78, 0.03)
                or stroke(pa, py, -0.18, 0.82, 0.33, 0.86, 0.026)
                or stroke(pa, py, 0.53, 0.34, 0.32, 1.03, 0.026)
            )
        ):
            best, part, axis = t, 0, 2
    if best < FAR:
        gain = box_light(axis, da, dy, db, sa, sy, sb, direct)
        if part == 1:
            paint(out, 0.07, 0.07, 0.07, gain)
        elif part == 2:
            paint(out, 0.5, 0.5, 0.5, gain)
        elif trait(seed, 0) < 0.3:
            paint(out, 0.08, 0.08, 0.09, gain)
        else:
            paint(out, 0.1 + 0.7 * trait(seed, 1), 0.1 + 0.5 * trait(seed, 2), 0.1 + 0.6 * trait(seed, 3), gain)
    return best


@compiled
def crates(out, a, y, b, da, dy, db, sa, sy, sb, direct, seed):
    """Stacked crates or cartons, a dustbin on wheels, or a traffic cone."""
    ia, iy, ib = inverse(da), inverse(dy), inverse(db)
    design = int(4 * trait(seed, 0))
    if design == 2:
        best = limb(a, y, b, da, dy, db, 0.0, 0.0, 0.0, 0.0, 0.19, 0.04, 0.04, 0.78)
        foot, axis = box(a, y, b, ia, iy, ib, -0.24, 0.24, 0.0, 0.05, -0.24, 0.24)
        if foot < best:
            paint(out, 0.85, 0.3, 0.06, box_light(axis, da, dy, db, sa, sy, sb, direct))
            return foot
        if best < FAR:
            py = y + best * dy
            gain = pole_light(a + best * da, b + best * db, 0.0, 0.0, sa, sb, direct)
            white = 0.28 < py < 0.42 or 0.55 < py < 0.66
            paint(out, 0.93 if white else 0.9, 0.93 if white else 0.3, 0.92 if white else 0.05, gain)
        return best
    if design == 3:
        best, axis = box(a, y, b, ia, iy, ib, -0.34, 0.34, 0.08, 0.98, -0.28, 0.28)
        lid, lid_axis = box(a, y, b, ia, iy, ib, -0.38, 0.38, 0.98, 1.06, -0.31, 0.31)
        for i in range(2):
            at = -0.24 if i == 0 else 0.2
            t, _ = box(a, y, b, ia, iy, ib, -0.36, -0.14, 0.0, 0.2, at, at + 0.04)
            if t < best and t < lid:
                paint(out, 0.05, 0.05, 0.05, 1.0)
                return t
        gain = box_light(lid_axis if lid < best else axis, da, dy, db, sa, sy, sb, direct)
        tone = 1.25 if lid < best else 1.0
        best = min(best, lid)
        if best < FAR:
            pick = trait(seed, 1)
            if pick < 0.4:
                paint(out, 0.16, 0.17, 0.18, gain * tone)
            elif pick < 0.7:
                paint(out, 0.12, 0.28, 0.15, gain * tone)
            else:
                paint(out, 0.14, 0.22, 0.42, gain * tone)
        return best
    best, axis, which = FAR, 0, 0
    for i in range(3):
        if i < 2:
            at = -0.33 if i == 0 else 0.33
            t, face = box(a, y, b, ia, iy, ib, -0.25, 0.25, 0.0, 0.42 + 0.2 * trait(seed, 2 + i), at - 0.3, at + 0.3)
        else:
            shift = 0.5 * trait(seed, 5) - 0.4
            t, face = box(a, y, b, ia, iy, ib, -0.22, 0.2, 0.4, 0.9 + 0.3 * trait(seed, 6), shift - 0.27, shift + 0.27)
        if t < best:
            best, axis, which = t, face, i
    if best == FAR:
        return FAR
    py, pb = y + best * dy, b + best * db
    gain = box_light(axis, da, dy, db, sa, sy, sb, direct) * (0.85 + 0.3 * trait(seed, 7 + which))
    if design == 0:  # slats
        slat = py / 0.13 - math.floor(py / 0.13)
        if axis != 1 and slat < 0.22:
            gain *= 0.25
        paint(out, 0.6, 0.45, 0.28, gain)
    elif abs(pb + (0.33 if which == 0 else -0.33 if which == 1 else 0.15)) < 0.03:
        paint(out, 0.75, 0.65, 0.48, gain)  # tape
    else:
        paint(out, 0.6, 0.46, 0.3, gain)
    return best


@compiled
def put(out, count, kind, east, north, heading, size, seed):
    """Add one thing to a table (M, 6) that has room; returns how many there are now."""
    if count < out.shape[0]:
        out[count, KIND], out[count, EAST], out[count, NORTH] = kind, east, north
        out[count, HEADING], out[count, SIZE], out[count, SEED] = heading, size, seed
        return count + 1
    return count


@compiled
def clearance(east, north, heading, half_length, half_width, at_east, at_north):
    """Distance [m] in plan from a point to an oriented rectangle."""
    xe, xn = at_east - east, at_north - north
    sin, cos = math.sin(heading), math.cos(heading)
    a = max(abs(xe * sin + xn * cos) - half_length, 0.0)
    b = max(abs(xe * cos - xn * sin) - half_width, 0.0)
    return math.sqrt(a * a + b * b)


@compiled
def place_nuisance(
    out, salt, traffic, season, east, north, heading, street_start_e, street_start_n, street_dir_e, street_dir_n,
    street_length, half_width, road_half, scene_code,
):  # fmt: skip
    """Fill a table (M, 6) with the cars, vans, bicycles, people and odds and ends of one photo; returns how many.

    salt: integer of the photo; traffic and season in [0, 1]; (east, north) [m] and heading [rad] of the camera; the
    street's start [m], unit direction, length, half widths to houses and to kerb [m]; scene_code: index in SCENES.
    Traffic keeps to the right. Nothing stands within CLEAR_M of the camera but what an object or people photo shows.
    """
    count = 0
    xe, xn = east - street_start_e, north - street_start_n
    here = xe * street_dir_e + xn * street_dir_n
    way = 1.0 if math.sin(heading) * street_dir_e + math.cos(heading) * street_dir_n >= 0 else -1.0
    street_heading = math.atan2(street_dir_e, street_dir_n)
    if scene_code == 5:
        count = people_in_front(out, count, salt, east, north, heading)
    elif scene_code == 4:
        away, turn = 2.6 + 1.6 * chance(salt, 1, 0, 40), 0.5 * chance(salt, 2, 0, 40) - 0.25
        kind = BICYCLE if chance(salt, 0, 0, 40) < 0.3 else CRATES
        if chance(salt, 3, 0, 40) < 0.7:
            count = put(
                out, count, kind, east + away * math.sin(heading + turn), north + away * math.cos(heading + turn),
                6.283 * chance(salt, 4, 0, 40), 1.0, chance(salt, 5, 0, 40),
            )  # fmt: skip
    if scene_code in (1, 3):
        count = strollers(out, count, salt, traffic, east, north, heading)
    if scene_code == 3:
        return count
    # kerbs: a street has its own mood for each side, cars stand one behind another with gaps
    density = (0.1 + 0.85 * traffic) * (0.5 if scene_code in (4, 5) else 1.0)
    one_sided = road_half < 3.3
    for k in range(2):
        side = 1.0 if k == 0 else -1.0
        if one_sided and k == (0 if chance(salt, 0, 0, 41) < 0.5 else 1):
            continue
        along = -9.0 + 6.0 * chance(salt, k, 0, 42)
        while along < AHEAD_M:
            slot = int(along * 4) + 100
            big = chance(salt, slot, k, 43) < 0.1
            seed = chance(salt, slot, k, 44)
            kind = VAN if big else CAR
            half_length, width = vehicle_shape(vehicle_style(kind, seed))[:2]
            place = here + way * (along + half_length)
            across = side * (road_half - width - 0.08 - 0.25 * chance(salt, slot, k, 45))
            if chance(salt, slot, k, 46) < density and half_length + 5 < place < street_length - half_length - 5:
                at_e = street_start_e + place * street_dir_e + across * street_dir_n
                at_n = street_start_n + place * street_dir_n - across * street_dir_e
                facing = street_heading + (0.0 if side > 0 else math.pi) + 0.05 * (chance(salt, slot, k, 47) - 0.5)
                if chance(salt, slot, k, 48) < 0.2:
                    facing += math.pi
                if clearance(at_e, at_n, facing, half_length, width, east, north) > CLEAR_M:
                    count = put(out, count, kind, at_e, at_n, facing, 1.0, seed)
            along += 2 * half_length + 0.6 + 1.5 * chance(salt, slot, k, 49) ** 2
    # one or two on the move where the parked leave them a lane, the one ahead seen from behind
    lane = min(0.45 * road_half, road_half - 3.5)
    first = FAR
    for k in range(2):
        if lane < 0.3 or chance(salt, k, 0, 50) > 0.15 + 0.6 * traffic or scene_code in (4, 5):
            continue
        keep = way if k == 0 else -way
        place = here + way * (11.0 + 50.0 * chance(salt, k, 0, 51))
        if not 4 < place < street_length - 4 or abs(place - first) < 7.0:
            continue
        first = place
        seed = chance(salt, k, 0, 52)
        kind = VAN if chance(salt, k, 0, 53) < 0.12 else CAR
        half_length, width = vehicle_shape(vehicle_style(kind, seed))[:2]
        at_e = street_start_e + place * street_dir_e + keep * lane * street_dir_n
        at_n = street_start_n + place * street_dir_n - keep * lane * street_dir_e
        facing = street_heading + (0.0 if keep > 0 else math.pi)
        if clearance(at_e, at_n, facing, half_length, width, east, north) > CLEAR_M:
            count = put(out, count, kind, at_e, at_n, facing, 1.0, seed)
    # bicycles lean where the pavement ends
    for k in range(2):
        if chance(salt, k, 0, 60) < 0.15 + 0.2 * traffic and half_width - road_half > 1.4:
            place = here + way * (6.0 + 25.0 * chance(salt, k, 0, 61))
            across = (road_half + 0.55) * (1.0 if chance(salt, k, 0, 62) < 0.5 else -1.0)
            at_e = street_start_e + place * street_dir_e + across * street_dir_n
            at_n = street_start_n + place * street_dir_n - across * street_dir_e
            if 3 < place < street_length - 3 and math.hypot(at_e - east, at_n - north) > CLEAR_M + 1:
                facing = street_heading + 0.3 * (chance(salt, k, 0, 63) - 0.5)
                count = put(out, count, BICYCLE, at_e, at_n, facing, 1.0, chance(salt, k, 0, 64))
    return passers_by(
        out, count, salt, traffic, east, north, here, way, street_heading, street_start_e, street_start_n,
        street_dir_e, street_dir_n, street_length, half_width, road_half,
    )  # fmt: skip


@compiled
def people_in_front(out, count, salt, east, north, heading):
    """One to four people 2.5 to 6 m in front of the camera, side by side rather than hidden; returns the new count."""
    how_many = 1 + int(4 * chance(salt, 0, 0, 70))
    for k in range(how_many):
        away = 2.6 + 3.3 * chance(salt, k, 0, 71) ** (1.5 if how_many == 1 else 1.0)
        turn = 0.9 * ((k + 0.2 + 0.6 * chance(salt, k, 0, 72)) / how_many - 0.5)
        # half of them look at the camera
        facing = heading + math.pi + (1.0 if chance(salt, k, 0, 73) < 0.5 else 6.0) * (chance(salt, k, 0, 74) - 0.5)
        count = put(
            out, count, PERSON, east + away * math.sin(heading + turn), north + away * math.cos(heading + turn),
            facing, 1.0, chance(salt, k, 0, 75),
        )  # fmt: skip
    return count


@compiled
def strollers(out, count, salt, traffic, east, north, heading):
    """Up to four people 7 to 25 m in front of a camera on a square or in a park; returns the new count."""
    for k in range(int((0.5 + traffic) * 3.2 * chance(salt, 0, 0, 90))):
        away, turn = 7.0 + 18.0 * chance(salt, k, 0, 91), 1.2 * chance(salt, k, 0, 92) - 0.6
        count = put(
            out, count, PERSON, east + away * math.sin(heading + turn), north + away * math.cos(heading + turn),
            6.283 * chance(salt, k, 0, 93), 1.0, chance(salt, k, 0, 94),
        )  # fmt: skip
    return count


@compiled
def passers_by(
    out, count, salt, traffic, east, north, here, way, street_heading, street_start_e, street_start_n, street_dir_e,
    street_dir_n, street_length, half_width, road_half,
):  # fmt: skip
    """Up to six people on the pavements, more with traffic; returns the new count."""
    how_many = int((0.4 + traffic) * 4.9 * chance(salt, 0, 0, 80))
    for k in range(how_many):
        place = here + way * (5.0 + 35.0 * chance(salt, k, 0, 81) ** 1.5)
        room = max(half_width - road_half - 0.9, 0.1)
        across = (road_half + 0.45 + room * chance(salt, k, 0, 82)) * (1.0 if chance(salt, k, 0, 83) < 0.5 else -1.0)
        at_e = street_start_e + place * street_dir_e + across * street_dir_n
        at_n = street_start_n + place * street_dir_n - across * street_dir_e
        if 1 < place < street_length - 1 and math.hypot(at_e - east, at_n - north) > CLEAR_M + 0.5:
            facing = street_heading + (0.0 if chance(salt, k, 0, 84) < 0.5 else math.pi)
            facing += 0.5 * (chance(salt, k, 0, 85) - 0.5)
            count = put(out, count, PERSON, at_e, at_n, facing, 1.0, chance(salt, k, 0, 86))
    return count
