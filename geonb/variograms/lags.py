"""Which pairs of photos lie how far apart: all of them, or where there are too many a fair share for each lag.

Distances are metres, on the sphere or in the plane.
"""

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
    """Pairs of photos by lag: indices i, j (m,), distance_m (m,), lag (m,); edges_m (L + 1,), share (L + 1,) looked at.

    Lag 0 holds the co-located pairs, lag k those in (edges_m[k - 1], edges_m[k]]. photos: how many i and j index.
    """

    i: np.ndarray
    j: np.ndarray
    distance_m: np.ndarray
    lag: np.ndarray
    edges_m: np.ndarray
    share: np.ndarray
    photos: int

    def where(self, mask):
        """The pairs of a mask (m,)."""
        return self._replace(i=self.i[mask], j=self.j[mask], distance_m=self.distance_m[mask], lag=self.lag[mask])


def edges_m(max_lag_m, lag_count):
    """Edges (lag_count + 1,) of lags of one width from 0 to max_lag_m.

    ValueError for a max_lag_m that is not above 0, or a lag_count outside 1 to LAGS_AT_MOST.
    """
    checks.number("max_lag_m", max_lag_m, above=0)
    checks.count("lag_count", lag_count, most=LAGS_AT_MOST, way_out="more lags hold too few pairs each")
    return np.linspace(0, max_lag_m, lag_count + 1)


def pairs(position, edges_m, *, planar=False, max_pairs=PAIRS_AT_MOST, seed=0):
    """The Pairs of photos at positions (n, 2): all, or where there are more than max_pairs an equal share for each lag.

    position: latitude and longitude [degree], on great circles; planar: metres. Within a lag every pair is equally
    likely. ValueError below two photos, for positions that are missing or none, and for edges that do not rise.
    """
    position, n = checked(position, planar), len(position)
    checks.count("max_pairs", max_pairs)
    checks.finite("edges_m", edges_m)
    if not 1 <= len(edges_m) <= LAGS_AT_MOST + 1 or (np.diff(edges_m) <= 0).any() or edges_m[0] < 0:
        raise ValueError(f"edges_m must be 1 to {LAGS_AT_MOST + 1} rising lengths [m] from 0 on, they are {edges_m}")
    if n * (n - 1) // 2 <= max_pairs:
        return sorted_into(position, *np.triu_indices(n, 1), edges_m, planar)
    # straight neighbours are neighbours on the ground; a little farther, so that rounding hides no pair
    if planar:
        points, reaches = position, edges_m * (1 + 1e-12) + 1e-9
    else:
        half = np.sin(np.minimum(edges_m / sphere.EARTH_RADIUS_M, np.pi) / 2)
        points, reaches = sphere.unit_xyz(position), 2 * half * (1 + 1e-9) + 1e-12
    quota, rng = max(1, max_pairs // len(edges_m)), random_streams.stream(seed, "pairs by lag")
    drawn = drawn_from_all if n <= ENUMERATED else drawn_from_many
    i, j, share = drawn(points, reaches, quota, rng)
    order = np.argsort(i, kind="stable")  # one vector after the other: half the way through memory
    return sorted_into(position, i[order], j[order], edges_m, planar)._replace(share=share)


def checked(position, planar):
    """Positions (n, 2) in float64, or a ValueError for photos that are too few, or have no position on the Earth."""
    position = np.asarray(position, dtype=np.float64)
    if len(position) < 2:
        raise ValueError(f"a semivariogram needs at least 2 photos, there are {len(position)}")
    if position.ndim != 2 or position.shape[1] != 2:
        raise ValueError(f"positions must be two numbers for each photo, (n, 2), they are {position.shape}")
    if missing := int((~np.isfinite(position)).any(axis=1).sum()):
        raise ValueError(f"{missing} of {len(position)} photos have no position: leave them out first")
    return position if planar else sphere.check_lat_lon_deg(position)


def apart_m(a, b, planar):
    """Distance (...,) [m] of positions (..., 2) that broadcast against each other."""
    return np.linalg.norm(a - b, axis=-1) if planar else sphere.distance_m(a, b)


def sorted_into(position, i, j, edges_m, planar):
    """The Pairs of indices i, j that are no farther apart than the last edge, each in its lag."""
    apart = apart_m(position[i], position[j], planar)
    # a right-closed lag that rounding must not cross
    lag = np.searchsorted(edges_m, apart * (1 - 1e-12), side="left")
    kept = lag < len(edges_m)
    i, j = (indices[kept].astype(np.int32) for indices in (i, j))
    return Pairs(i, j, apart[kept], lag[kept].astype(np.int16), edges_m, np.ones(len(edges_m)), len(position))


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
