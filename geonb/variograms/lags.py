"""Which pairs of photos lie how far apart: all of them, or where there are too many a fair share for each lag [m]."""

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from geonb import checks, random_streams
from geonb.earth import sphere

PAIRS_AT_MOST = 2_000_000
ENUMERATED = 8_000  # photos whose pairs can all be looked at, if not read
PROBED = 400_000  # random pairs that tell how many pairs a lag holds
FREQUENT = 0.005  # share of all pairs in a lag whose pairs are best drawn at random
CHUNK = 1_000_000  # random pairs at a time
LAGS_AT_MOST = 1_000  # so that PAIRS_AT_MOST still leave thousands to each


class Pairs(NamedTuple):
    """Pairs of photos by lag: lag 0 holds the co-located pairs, lag k those in (edges_m[k - 1], edges_m[k]]."""

    i: np.ndarray  # (m,)
    j: np.ndarray
    distance_m: np.ndarray
    lag: np.ndarray
    edges_m: np.ndarray  # (L + 1,)
    share: np.ndarray  # (L + 1,) of the pairs of a lag that is looked at
    position: np.ndarray  # (n, 2) of the photos that i and j index
    planar: bool

    def where(self, mask):
        """The pairs of a mask (m,)."""
        return self._replace(i=self.i[mask], j=self.j[mask], distance_m=self.distance_m[mask], lag=self.lag[mask])


def edges_m(max_lag_m, lag_count):
    """Edges (lag_count + 1,) of lags of one width from 0 to max_lag_m; ValueError for a width or count that is none."""
    checks.number("max_lag_m", max_lag_m, above=0)
    checks.count("lag_count", lag_count, most=LAGS_AT_MOST, way_out="more lags hold too few pairs each")
    return np.linspace(0, max_lag_m, lag_count + 1)


def pairs(position, edges_m, *, planar=False, max_pairs=PAIRS_AT_MOST, seed=0):
    """The Pairs of photos at positions (n, 2): all, or where there are more than max_pairs an equal share for each lag.

    position: latitude and longitude [degree]; planar: metres. ValueError below two photos and for positions of none.
    """
    if (n := len(position)) < 2:
        raise ValueError(f"a semivariogram needs at least 2 photos, there are {n}")
    position = np.asarray(position, dtype=np.float64) if planar else sphere.check_lat_lon_deg(position)
    if n * (n - 1) // 2 <= max_pairs:
        i, j, share = *np.triu_indices(n, 1), np.ones(len(edges_m))
    else:
        i, j, share = drawn(position, edges_m, planar, max_pairs, seed)
    apart_m = distance_m(position[i], position[j], planar)
    # a right-closed lag that rounding must not cross
    lag = np.searchsorted(edges_m, apart_m * (1 - 1e-12), side="left")
    kept = lag < len(edges_m)
    i, j = i[kept].astype(np.int32), j[kept].astype(np.int32)
    return Pairs(i, j, apart_m[kept], lag[kept].astype(np.int16), edges_m, share, position, planar)


def distance_m(a, b, planar):
    """Distance (...,) [m] of positions (..., 2) that broadcast against each other."""
    return np.linalg.norm(a - b, axis=-1) if planar else sphere.distance_m(a, b)


def drawn(position, edges_m, planar, max_pairs, seed):
    """(i, j, share (L + 1,)) of a sample of the pairs: about as many in each lag, or all it has."""
    # straight neighbours are neighbours on the ground; a little farther, so that rounding hides no pair
    if planar:
        points, reaches = position, edges_m * (1 + 1e-12) + 1e-9
    else:
        half = np.sin(np.minimum(edges_m / sphere.EARTH_RADIUS_M, np.pi) / 2)
        points, reaches = sphere.unit_xyz(position), 2 * half * (1 + 1e-9) + 1e-12
    quota, rng = max(1, max_pairs // len(edges_m)), random_streams.stream(seed, "pairs by lag")
    if len(points) <= ENUMERATED:
        return drawn_from_all(points, reaches, quota, rng)
    i, j, share = drawn_from_many(points, reaches, quota, rng)
    order = np.argsort(i, kind="stable")  # one vector after the other: half the way through memory
    return i[order], j[order], share


def drawn_from_all(points, reaches, quota, rng):
    """(i, j, share (L + 1,)): about quota pairs of each lag, or all it has, after a look at every pair."""
    n = len(points)
    lag = np.empty(n * (n - 1) // 2, np.uint16)
    first = np.concatenate([[0], np.cumsum(np.arange(n - 1, 0, -1))])  # where the pairs of each point begin
    for k in range(n - 1):
        lag[first[k] : first[k + 1]] = np.searchsorted(reaches, cdist(points[k : k + 1], points[k + 1 :])[0])
    count = np.bincount(lag, minlength=len(reaches) + 1)[:-1]
    share = np.minimum(quota / np.maximum(count, 1), 1.0)
    drawn = np.flatnonzero(rng.random(len(lag), np.float32) < np.append(share, 0.0).astype(np.float32)[lag])
    i = np.searchsorted(first, drawn, side="right") - 1
    return i, drawn - first[i] + i + 1, share


def drawn_from_many(points, reaches, quota, rng):
    """As drawn_from_all, where the pairs are too many to look at: frequent lags by random ones, others by a tree."""
    n = len(points)
    expected = np.bincount(lags_of(points, reaches, *random_pairs(n, PROBED, rng)), minlength=len(reaches) + 1)[:-1]
    expected = expected / PROBED
    frequent = expected >= FREQUENT
    parts, missing = [], np.where(frequent, quota, 0)
    while missing.any():
        i, j = random_pairs(n, CHUNK, rng)
        lag = lags_of(points, reaches, i, j)
        for k in np.flatnonzero(missing):
            here = np.flatnonzero(lag == k)[: missing[k]]
            missing[k] -= len(here)
            parts.append((i[here], j[here]))
    share = np.minimum(quota / (np.maximum(expected, FREQUENT) * n * (n - 1) / 2), 1.0)
    tree = cKDTree(points)
    for k in np.flatnonzero(~frequent):
        i, j, share[k] = drawn_near(tree, reaches, k, quota, rng)
        parts.append((i, j))
    return *(np.concatenate(column) for column in zip(*parts, strict=True)), share


def random_pairs(n, count, rng):
    """Two index arrays (count,) of random pairs of different points."""
    i = rng.integers(0, n, count, dtype=np.int32)
    return i, (i + rng.integers(1, n, count, dtype=np.int32)) % n


def lags_of(points, reaches, i, j):
    """Lag (m,) of pairs by the straight distance of their points; L + 1 beyond the last."""
    return np.searchsorted(reaches, np.sqrt(((points[i] - points[j]) ** 2).sum(axis=1)))


def drawn_near(tree, reaches, lag, quota, rng):
    """(i, j, share): up to quota pairs of a rare lag, among all pairs of random points with those around them."""
    points, n = tree.data, tree.n
    there = (tree.count_neighbors(tree, reaches[lag]) - n) / 2
    share = min(1.0, 4 * quota / max(there, 1.0))
    if share == 1:
        i, j = tree.query_pairs(reaches[lag], output_type="ndarray").T
    else:
        chosen = np.flatnonzero(rng.random(n) < share / 2)  # a pair is met from either of its ends
        near = cKDTree(points[chosen]).sparse_distance_matrix(tree, reaches[lag], output_type="ndarray")
        i, j = chosen[near["i"]], near["j"]
        i, j = i[i != j], j[i != j]
    here = np.flatnonzero(lags_of(points, reaches, i, j) == lag)
    kept = np.sort(rng.permutation(here)[:quota])
    return i[kept], j[kept], share * len(kept) / max(len(here), 1)
