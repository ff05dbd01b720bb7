"""Compiled basics of pictures: numbers that belong to a place for ever, smoothed edges, ramps of colour."""

import math

import numpy as np
from numba import njit

# without checks for division by zero, which cost time where every sample of a picture divides; a ray along a face
# divides by zero and rightly meets it at infinity
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
def speck(a, y, b, grain_m, salt):
    """A number in [0, 1) for the cell of size grain_m around a point of space."""
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
def between(bounds, amount):
    """The length at an amount in 0..1 between two bounds."""
    return bounds[0] + (bounds[1] - bounds[0]) * amount


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
