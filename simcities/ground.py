"""What cameras see at their feet: roads, kerbs, lawns and pavements, each as its field says at every point."""

import math

from simcities import fields
from simcities.rays import CELL_M
from simcities.texture import between, compiled, cover, lattice, noise

START_E, START_N, DIR_E, DIR_N, LENGTH, HALF, ROAD = range(7)  # columns of a street
ROAD_HUE, PAVING_TONE, HEDGES, VERGE, LEAF_HUE, KERBS, PLANTERS, WIRES, BOLLARDS, TREES, LAMPS, CYCLE_LANE = range(
    len(fields.STREETS)
)
# widths where their amounts are least and most
KERB_M, VERGE_M, LANE_M = (0.08, 0.8), (0.0, 1.7), (0.05, 1.9)
SLAB_M = 0.9


@compiled
def amount_at(layer, e, n):
    """The amount (0..1) of a layer (n, n) at a place, linear between the middles of cells."""
    half_m = 0.5 * len(layer) * fields.GRID_STEP_M
    last = len(layer) - 1.001
    y = min(max((n + half_m) / fields.GRID_STEP_M - 0.5, 0.0), last)
    x = min(max((e + half_m) / fields.GRID_STEP_M - 0.5, 0.0), last)
    i, j = int(y), int(x)
    y, x = y - i, x - j
    low = layer[i, j] * (1 - x) + layer[i, j + 1] * x
    return low * (1 - y) + (layer[i + 1, j] * (1 - x) + layer[i + 1, j + 1] * x) * y


@compiled
def nearest(scene, e, n):
    """(metres beyond the kerb, beyond the building line, across, along) of the nearest street of a place."""
    i = min(max(int((n + scene.half_m) / CELL_M), 0), scene.cells - 1)
    j = min(max(int((e + scene.half_m) / CELL_M), 0), scene.cells - 1)
    cell = i * scene.cells + j
    first, yard, x, z = 1e9, 1e9, 0.0, 0.0
    for k in range(scene.street_first[cell], scene.street_first[cell + 1]):
        s = scene.streets[scene.street_ids[k]]
        p, q = e - s[START_E], n - s[START_N]
        along, aside = p * s[DIR_E] + q * s[DIR_N], p * s[DIR_N] - q * s[DIR_E]
        past = max(-along, along - s[LENGTH])
        edge = max(abs(aside) - s[ROAD], past - s[ROAD])
        yard = min(yard, max(abs(aside) - s[HALF], past - s[HALF]))
        if edge < first:
            first, x, z = edge, aside, along
    return first, yard, x, z


@compiled
def ground(out, scene, e, n, grain):
    """Fill out (5,) for a point of the ground: albedo, how much it gleams when wet, how open it lies to the sky."""
    edge, yard, x, z = nearest(scene, e, n)
    rough = (0.9 + 0.2 * noise(e * 0.31, n * 0.31, 1)) * (1 + 0.3 * (noise(e * 4.3, n * 4.3, 2) - 0.5))
    out[3], out[4] = 0.5, 1.0
    if edge < 0:
        if edge > -between(LANE_M, amount_at(scene.layers[CYCLE_LANE], e, n)):
            out[0], out[1], out[2] = 0.03 * rough, 0.14 * rough, 0.50 * rough
            return
        red = amount_at(scene.layers[ROAD_HUE], e, n)
        out[0], out[1], out[2] = rough * (0.055 + 0.30 * red), rough * (0.055 + 0.05 * red), rough * 0.058
        return
    kerb = between(KERB_M, amount_at(scene.layers[KERBS], e, n))
    if edge < kerb:
        out[0], out[1], out[2] = 0.66 * rough, 0.65 * rough, 0.62 * rough
        return
    lawn = kerb + between(VERGE_M, amount_at(scene.layers[VERGE], e, n))
    if edge < lawn or yard > 0:
        tone = rough * (0.7 + 0.6 * noise(e * 2.3, n * 2.3, 34))
        out[0], out[1], out[2], out[3] = 0.085 * tone, 0.21 * tone, 0.025 * tone, 0.0
        if yard > 0:  # gardens are of another green than the verge, and yellow with straw
            out[0], out[1], out[2] = 0.17 * tone, 0.17 * tone, 0.07 * tone
        return
    tone = 0.035 * 16.0 ** amount_at(scene.layers[PAVING_TONE], e, n) * rough
    joint = cover(z / SLAB_M - math.floor(z / SLAB_M), 0.0, 0.06, max(grain / SLAB_M, 0.03))
    tone *= (1 - 0.3 * joint) * (0.92 + 0.16 * lattice(math.floor(z / SLAB_M), math.floor(x / SLAB_M), 5))
    out[0], out[1], out[2] = tone, 0.97 * tone, 0.92 * tone
