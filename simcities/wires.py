"""Wires along both sides of a street, as one column of a picture sees them."""

import math

import numpy as np

from simcities import ground
from simcities.ground import DIR_E, DIR_N, LENGTH, START_E, START_N
from simcities.texture import between, compiled, cover

# metres from the middle of a street and above the ground
WIRES = np.array([[4.6, 5.4], [5.4, 5.9], [6.2, 6.4], [7.0, 6.9]])
WIRE_M, SPAN_M, SAG_M = (0.01, 0.2), 25.0, 0.5  # radii, between two supports, below them
FAR_M = 120.0  # wires beyond are left out
T, AT, HALF = range(3)  # of a wire in a column: distance, slope, half its thickness


@compiled
def strung(wires, layer, street, ray):
    """Fill the wires (8, 3) along a street as a ray in plan sees them; layer: the amounts (n, n) of their trait."""
    p, q = ray.e - street[START_E], ray.n - street[START_N]
    along, across = p * street[DIR_E] + q * street[DIR_N], p * street[DIR_N] - q * street[DIR_E]
    way, aside = ray.de * street[DIR_E] + ray.dn * street[DIR_N], ray.de * street[DIR_N] - ray.dn * street[DIR_E]
    for w in range(len(wires)):
        away_m, high_m = WIRES[w // 2]
        t = ((away_m if w % 2 else -away_m) - across) / aside if abs(aside) > 1e-6 else -1.0
        z = along + t * way
        wires[w, HALF] = 0.0
        if 0 < t < FAR_M and 0 < z < street[LENGTH]:
            share = z / SPAN_M - math.floor(z / SPAN_M)
            amount = ground.amount_at(layer, ray.e + t * ray.de, ray.n + t * ray.dn)
            wires[w, T], wires[w, AT] = t, (high_m - 4 * SAG_M * share * (1 - share) - ray.eye) / t
            wires[w, HALF] = between(WIRE_M, amount) / t


@compiled
def hung(wires, slope, t, grain):
    """Share of a sample that wires before a distance t cover; grain: the slopes that it spans."""
    dark = 0.0
    for w in range(len(wires)):
        if wires[w, HALF] > 0 and wires[w, T] < t and abs(slope - wires[w, AT]) < wires[w, HALF] + 2 * grain:
            dark = max(dark, cover(slope, wires[w, AT] - wires[w, HALF], wires[w, AT] + wires[w, HALF], grain))
    return 0.93 * min(dark, 1.0)
