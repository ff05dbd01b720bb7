"""Which pairs of photos lie how far apart: all of them, or where there are too many a fair share for each lag.

Distances are metres, on the sphere or in the plane.
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from geonb import seeds, sphere

DISTANCES = ("geodesic", "planar")
SPACINGS = ("linear", "log")
NEAREST_LOG_SHARE = 1 / 100  # of the largest lag: where logarithmic lags begin
PAIRS_AT_MOST = 2_000_000
PROBED = 400_000  # random pairs that tell how many pairs a lag holds
FREQUENT = 2_000  # of them, in a lag whose pairs are best drawn at random


class Pairs(NamedTuple):
    """Pairs of photos by lag: indices i, j (m,), distance_m (m,), lag (m,); edges_m (L + 1,), share (L + 1,) looked at.

    Lag 0 holds the co-located pairs, lag k those in (edges_m[k - 1], edges_m[k]].
    """

    i: np.ndarray
    j: np.ndarray
    distance_m: np.ndarray
    lag: np.ndarray
    edges_m: np.ndarray
    share: np.ndarray

    def where(self, mask):
        """The pairs of a mask (m,)."""
        return self._replace(i=self.i[mask], j=self.j[mask], distance_m=self.distance_m[mask], lag=self.lag[mask])


def edges_m(max_lag_m, lag_count, spacing="linear"):
    """Edges (lag_count + 1,) of lags from 0 to max_lag_m; with spacing 'log' the first ends at a hundredth of that."""
    if not max_lag_m > 0 or lag_count < 1:
        raise ValueError(f"max_lag_m {max_lag_m} must be above 0 m and lag_count {lag_count} at least 1")
    if spacing not in SPACINGS:
        raise ValueError(f"no spacing {spacing!r} of lags: there are {', '.join(SPACINGS)}")
    if spacing == "linear":
        return np.linspace(0, max_lag_m, lag_count + 1)
    return np.concatenate([[0.0], np.geomspace(NEAREST_LOG_SHARE * max_lag_m, max_lag_m, lag_count)])


def pairs(position, edges_m, *, distance="geodesic", max_pairs=PAIRS_AT_MOST, seed=0):
    """The Pairs of photos at positions (n, 2): all, or where there are more than max_pairs an equal share for each lag.

    position: latitude and longitude [degree] with distance 'geodesic' (great circles), metres with 'planar'. Within a
    lag every pair is equally likely. ValueError below two photos, and for positions that are missing.
    """
    position = checked(position, distance)
    n = len(position)
    if n * (n - 1) // 2 <= max_pairs:
        i, j = np.triu_indices(n, 1)
        return sorted_into(position, i, j, edges_m, distance)
    points, stretch = plane_of(position, distance), chord_of(distance)
    i, j = seeds.pairs(n, min(PROBED, n * (n - 1) // 2), seed)
    probe = sorted_into(position, i, j, edges_m, distance)
    parts, quota, rng = [], max(1, max_pairs // len(edges_m)), seeds.stream(seed, "pairs by lag")
    expected = np.bincount(probe.lag, minlength=len(edges_m)) / len(i)
    for lag, to_m in enumerate(edges_m):
        if expected[lag] * len(i) > FREQUENT:  # frequent: pairs at random, until the quota is met
            parts.append(drawn_at_random(position, edges_m, distance, lag, quota, expected[lag], rng))
        else:
            parts.append(drawn_near(position, points, stretch(to_m), edges_m, distance, lag, quota, rng))
    columns = [np.concatenate(column) for column in zip(*(part[:4] for part in parts), strict=True)]
    return Pairs(*columns, edges_m, np.array([part.share[lag] for lag, part in enumerate(parts)]))


def checked(position, distance):
    """Positions (n, 2) in float64, or a ValueError."""
    if distance not in DISTANCES:
        raise ValueError(f"no distance {distance!r}: there are {', '.join(DISTANCES)}")
    position = np.asarray(position, dtype=np.float64)
    if len(position) < 2:
        raise ValueError(f"a semivariogram needs at least 2 photos, there are {len(position)}")
    if missing := int((~np.isfinite(position)).any(axis=1).sum()):
        raise ValueError(f"{missing} of {len(position)} photos have no position: leave them out first")
    return position


def plane_of(position, distance):
    """Points whose straight neighbours are neighbours on the ground: for a tree."""
    return position if distance == "planar" else sphere.unit_xyz(position)


def chord_of(distance):
    """Metres on the ground -> distance between the points of plane_of, a little more, that rounding hides no pair."""
    if distance == "planar":
        return lambda metres: metres * (1 + 1e-12) + 1e-9
    return lambda metres: 2 * np.sin(np.minimum(metres / sphere.EARTH_RADIUS_M, np.pi) / 2) * (1 + 1e-9) + 1e-12


def apart_m(position, i, j, distance):
    """Distance (m,) [m] of the pairs."""
    if distance == "planar":
        return np.linalg.norm(position[i] - position[j], axis=1)
    return sphere.distance_m(position[i], position[j])


def sorted_into(position, i, j, edges_m, distance):
    """The Pairs of indices i, j that are no farther apart than the last edge, each in its lag."""
    apart = apart_m(position, i, j, distance)
    # a right-closed lag that rounding must not cross
    lag = np.searchsorted(edges_m, apart * (1 - 1e-12), side="left")
    kept = lag < len(edges_m)
    return Pairs(i[kept], j[kept], apart[kept], lag[kept], edges_m, np.ones(len(edges_m)))


def drawn_at_random(position, edges_m, distance, lag, quota, expected, rng):
    """About quota pairs of one lag among random ones, of which the expected share lies in it."""
    n = len(position)
    i = rng.integers(0, n, int(1.1 * quota / expected))
    j = (i + rng.integers(1, n, len(i))) % n
    found = sorted_into(position, i, j, edges_m, distance)
    found = found.where(np.flatnonzero(found.lag == lag)[:quota])
    return with_share(found, lag, len(found.i) / (expected * n * (n - 1) / 2))


def drawn_near(position, points, reach, edges_m, distance, lag, quota, rng):
    """Up to about quota pairs of one of the near lags: all pairs of random photos with those around them."""
    tree = cKDTree(points)
    there = (tree.count_neighbors(tree, reach) - len(points)) / 2
    share = min(1.0, 4 * quota / max(there, 1.0))
    chosen = np.arange(len(points)) if share == 1 else np.flatnonzero(rng.random(len(points)) < share / 2)
    near = cKDTree(points[chosen]).sparse_distance_matrix(tree, reach, output_type="ndarray")
    i, j = chosen[near["i"]], near["j"]
    once = i < j if share == 1 else i != j
    found = sorted_into(position, i[once], j[once], edges_m, distance)
    there_in_lag = found.where(found.lag == lag)
    kept = rng.permutation(len(there_in_lag.i))[:quota]
    return with_share(there_in_lag.where(np.sort(kept)), lag, share * len(kept) / max(len(there_in_lag.i), 1))


def with_share(pairs, lag, share):
    """The pairs with the share of one lag that they are."""
    return pairs._replace(share=np.where(np.arange(len(pairs.edges_m)) == lag, min(share, 1.0), pairs.share))
