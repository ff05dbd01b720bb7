"""Rays in plan: which parts of houses and which things a column of a picture may meet, in order of distance.

A uniform grid of cells lists what is near every place. The camera has no roll and its pitch is a shift of the lens, so
that each column of samples is one vertical plane.
"""

import math

import numpy as np

from simcities import facades, things
from simcities.texture import compiled

CELL_M = 20.0
SIGHT_M = 260.0  # walls beyond are left to the haze
MOST_HITS, MOST_NODES, MOST_THINGS, MOST_SEEN = 28, 12, 512, 40
# columns of a hit: distances along the ray, the side that it enters, place along it, the side's width, the part,
# how many nodes its roofline has, how squarely the ray meets the side, light of the sun on it
T_IN, T_OUT, SIDE, ALONG, WIDTH, PART, NODES, SQUARE, FACING = range(9)


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


@compiled
def chord(parts, p, e, n, de, dn):
    """(t_in, t_out, side, a0, b0, da, db) of a ray in plan through part p; t_in > t_out where it passes by."""
    cos, sin = parts[p, facades.COS], parts[p, facades.SIN]
    x, y = e - parts[p, facades.EAST], n - parts[p, facades.NORTH]
    a0, b0 = x * cos + y * sin, y * cos - x * sin
    da, db = de * cos + dn * sin, dn * cos - de * sin
    wide, deep = parts[p, facades.HALF_WIDTH], parts[p, facades.HALF_DEPTH]
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
    if form == facades.RIDGE:
        count = add_node(node_t, count, -b0 / db, t_in, t_out)
        flat = deep - part[facades.CAP] / part[facades.PITCH]
        if flat > 0:
            count = add_node(node_t, count, (flat - b0) / db, t_in, t_out)
            count = add_node(node_t, count, (-flat - b0) / db, t_in, t_out)
    if form == facades.GABLE:
        count = add_node(node_t, count, -a0 / da, t_in, t_out)
        flat = wide - part[facades.CAP] / part[facades.PITCH]
        if flat > 0:
            count = add_node(node_t, count, (flat - a0) / da, t_in, t_out)
            count = add_node(node_t, count, (-flat - a0) / da, t_in, t_out)
    for i in range(count):
        node_r[i] = part[facades.TOP] + facades.roof_over(part, a0 + node_t[i] * da, b0 + node_t[i] * db)
    return count


@compiled
def cast(scene, e, n, eye, de, dn, steepest, hits, node_t, node_r, mark, stamp):
    """Fill hits (MOST_HITS, 9) with the parts along a ray in plan, in order; returns how many.

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
    if side <= facades.BACK:
        hit[ALONG] = a + wide if side == facades.FRONT else wide - a
        hit[WIDTH], hit[SQUARE] = 2 * wide, max(abs(db) / length, 0.05)
    else:
        hit[ALONG] = b + deep
        hit[WIDTH], hit[SQUARE] = 2 * deep, max(abs(da) / length, 0.05)
    hit[FACING] = -1.0  # not yet known: most hits are never looked at


@compiled
def normal_of(part, side):
    """(east, north) outward normal of a part's side."""
    x, y = 0.0, 0.0
    if side == facades.FRONT:
        y = 1.0
    elif side == facades.BACK:
        y = -1.0
    elif side == facades.LEFT:
        x = -1.0
    else:
        x = 1.0
    return x * part[facades.COS] - y * part[facades.SIN], x * part[facades.SIN] + y * part[facades.COS]


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
