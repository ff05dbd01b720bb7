"""Semivariograms of feature vectors: half the mean squared distance of the vectors of all pairs a distance apart."""

import numba
import numpy as np
import pandas as pd

from geonb import checks, random_streams, resampling
from geonb.earth import sphere
from geonb.variograms import lags, models

LEVEL = 0.95  # of the envelope
LAGS = {
    "lag_from_m": "nearer edge of the lag [m]",
    "lag_to_m": "farther edge of the lag, 0 for co-located photos [m]",
    "distance_m": "mean distance of the pairs in the lag [m]",
    "semivariance": "half the mean squared distance of unit features = mean cosine distance [-]",
    "pairs": "pairs of photos looked at in the lag [count]",
    "sampling_error": "standard error from looking at a sample of the pairs, 0 where all were [-]",
}
BEARINGS = LAGS | {"bearing_deg": "bearing of the pairs, clockwise from north, to 22.5 degrees [degree]"}
DAYS = {
    "gap_from_days": "least time between the pictures of a pair [d]",
    "gap_to_days": "time below which it lies [d]",
    "semivariance": LAGS["semivariance"],
    "pairs": "pairs of photos looked at [count]",
}


def half_squares(features, pairs):
    """Half the squared distance (m,) of the features (n, d) of pairs; ValueError unless each photo has finite ones."""
    features = np.asarray(features)
    features = np.ascontiguousarray(features, dtype=None if features.dtype == np.float32 else np.float64)
    checks.same_length({"features": features, "positions": pairs.position})
    if missing := int((~np.isfinite(features)).any(axis=1).sum()):
        raise ValueError(f"{missing} of {len(features)} photos have no feature vector: leave them out first")
    return compiled_half_squares(features, pairs.i, pairs.j)


@numba.njit(fastmath={"reassoc", "contract"})
def compiled_half_squares(features, i, j):
    """The loop of half_squares, in float64: arrays of all differences would not fit into memory."""
    found = np.empty(len(i))
    for p in range(len(i)):
        total = 0.0
        for c in range(features.shape[1]):
            gap = float(features[i[p], c]) - float(features[j[p], c])
            total += gap * gap
        found[p] = total / 2
    return found


def lag_table(pairs, half_square):
    """One row per lag, columns LAGS, of pairs and their half squares (Matheron 1962); an empty lag keeps its row."""
    size = len(pairs.edges_m)
    count = np.bincount(pairs.lag, minlength=size)
    with np.errstate(invalid="ignore", divide="ignore"):
        distance_m, mean, square = (
            np.bincount(pairs.lag, x, size) / count for x in (pairs.distance_m, half_square, half_square**2)
        )
        error = np.sqrt(np.maximum(square - mean**2, 0) / count * (1 - pairs.share))
    before = np.concatenate([[0.0], pairs.edges_m[:-1]])
    return pd.DataFrame(dict(zip(LAGS, (before, pairs.edges_m, distance_m, mean, count, error), strict=True)))


def semivariance_by_lag(features, lat_lon_deg, *, max_lag_m, lag_count, seed=0):
    """Empirical semivariogram of feature vectors (n, d), columns LAGS; the first row holds the co-located pairs."""
    pairs = lags.pairs(lat_lon_deg, lags.edges_m(max_lag_m, lag_count), seed=seed)
    return lag_table(pairs, half_squares(features, pairs))


def of_cities(features, lat_lon_deg, city, edges_m, seed):
    """Yield (city, pairs, half squares) of each city that has a pair of photos."""
    checks.same_length({"features": features, "positions": lat_lon_deg, "city": city})
    for name in np.unique(city):
        if (here := city == name).sum() > 1:
            pairs = lags.pairs(lat_lon_deg[here], edges_m, seed=seed)
            yield name, pairs, half_squares(features[here], pairs)


def by_city(features, lat_lon_deg, city, *, max_lag_m, lag_count, seed=0):
    """The semivariogram of each city that has a pair of photos: columns LAGS and city."""
    cities = of_cities(features, lat_lon_deg, city, lags.edges_m(max_lag_m, lag_count), seed)
    found = [lag_table(pairs, half).assign(city=name) for name, pairs, half in cities]
    return pd.concat(found or [pd.DataFrame(columns=[*LAGS, "city"])], ignore_index=True)


def by_bearing(features, lat_lon_deg, city, *, edges_m, seed=0):
    """Semivariance by lag of pairs along each of four bearings, or against it, pooled within cities: BEARINGS."""
    found = [pd.DataFrame(columns=list(BEARINGS))]
    for _, pairs, half in of_cities(features, lat_lon_deg, city, edges_m, seed):
        east, north = sphere.to_local_m(pairs.position[pairs.j], pairs.position[pairs.i]).T
        for bearing in (0.0, 45.0, 90.0, 135.0):
            off = (np.degrees(np.arctan2(east, north)) - bearing + 90) % 180 - 90
            along = (np.abs(off) <= 22.5) & (pairs.distance_m > 0)
            found.append(lag_table(pairs.where(along), half[along]).assign(bearing_deg=bearing))
    return pooled(pd.concat(found[1:] or found), "bearing_deg")


def pooled(lags, *by):
    """One curve from the lags of several cities, one for each value of more columns, by pairs: LAGS and those."""
    rows = []
    for keys, lag in lags[lags.pairs > 0].groupby([*by, "lag_from_m", "lag_to_m"]):
        means = (np.average(lag[name], weights=lag.pairs) for name in ("distance_m", "semivariance"))
        error = np.sqrt(((lag.pairs * lag.sampling_error) ** 2).sum()) / lag.pairs.sum()
        rows.append((*keys, *means, lag.pairs.sum(), error))
    return pd.DataFrame(rows, columns=[*by, *LAGS])[[*LAGS, *by]]


def by_time_gap(features, lat_lon_deg, captured_at, *, within_m, edges_days, seed=0):
    """Semivariance of pairs at most within_m apart by the days between their pictures, where both are known: DAYS."""
    checks.same_length({"features": features, "positions": lat_lon_deg, "captured_at": captured_at})
    known = np.flatnonzero(~pd.isna(captured_at))
    if len(known) < 2:
        return pd.DataFrame(columns=list(DAYS))
    pairs = lags.pairs(lat_lon_deg[known], np.array([0.0, within_m]), seed=seed)
    at = pd.to_datetime(pd.Series(np.asarray(captured_at)[known]), utc=True).to_numpy("datetime64[s]").astype(float)
    gap = np.digitize(np.abs(at[pairs.i] - at[pairs.j]) / 86_400, edges_days) - 1
    half = pd.Series(half_squares(features[known], pairs))
    found = half.groupby(gap).agg(["mean", "size"]).reindex(range(len(edges_days) - 1))
    columns = edges_days[:-1], edges_days[1:], found["mean"], found["size"].fillna(0).astype(int)
    return pd.DataFrame(dict(zip(DAYS, columns, strict=True)))


def between_cities(vectors, city):
    """Mean cosine distance of unit vectors (n, d) of different cities, of all of a single city; NaN for one photo."""
    n, (names, code, counts) = len(vectors), np.unique(city, return_inverse=True, return_counts=True)
    sums = np.stack([vectors[code == k].sum(axis=0, dtype=np.float64) for k in range(len(names))])
    within, same = ((sums**2).sum(), (counts**2).sum()) if len(names) > 1 else (n, n)
    products = (sums.sum(axis=0) ** 2).sum() - within
    return float(1 - products / (n**2 - same)) if n > 1 else np.nan


def block_bootstrap(pairs, half_square, blocks, *, replicates, seed=0):
    """Semivariances (replicates, L + 1) of cities made of blocks drawn again; NaN in a lag that a replicate misses.

    A block drawn w times weighs the pairs within it w-fold and those with another w w'-fold: no photo meets its copy.
    """
    code = np.unique(blocks, return_inverse=True)[1]
    size, count = len(pairs.edges_m), int(code.max()) + 1
    a, b = code[pairs.i], code[pairs.j]
    key, of_pair = np.unique((np.minimum(a, b) * count + np.maximum(a, b)) * size + pairs.lag, return_inverse=True)
    number, total = np.bincount(of_pair), np.bincount(of_pair, half_square)
    lag, a, b = key % size, key // size // count, key // size % count
    found, rng = np.empty((replicates, size)), random_streams.stream(seed, "semivariogram bootstrap")
    for r in range(replicates):
        w = np.bincount(rng.integers(0, count, count), minlength=count)
        weight = np.where(a == b, w[a], w[a] * w[b])
        with np.errstate(invalid="ignore"):
            found[r] = np.bincount(lag, weight * total, size) / np.bincount(lag, weight * number, size)
    return found


def envelope(features, pairs, *, permutations, seed=0):
    """The curve and its envelope (observed, low, high), each (L + 1,), were places permuted at random.

    The global rank envelope of LEVEL, ties broken by extreme rank lengths (Myllymäki et al. 2017): a lag where the
    observed curve leaves it carries structure. It looks at n x n distances: take some thousand photos at most.
    """
    from scipy.stats import rankdata

    size, features = len(pairs.edges_m), np.asarray(features, np.float32)
    square = (features**2).sum(axis=1) / 2
    half = np.maximum(square[:, None] + square - features @ features.T, 0)
    rng, count = random_streams.stream(seed, "semivariogram envelope"), np.bincount(pairs.lag, minlength=size)
    drawn = np.empty((permutations + 1, size))
    for k in range(permutations + 1):
        order = np.arange(len(features)) if k == 0 else rng.permutation(len(features))
        with np.errstate(invalid="ignore"):
            drawn[k] = np.bincount(pairs.lag, half[order[pairs.i], order[pairs.j]], size) / count
    ranks = rankdata(drawn[:, count > 0], axis=0)
    ranks = np.sort(np.minimum(ranks, len(ranks) + 1 - ranks), axis=1)
    place = np.argsort(np.lexsort(ranks.T[::-1]))  # from the most extreme curve to the most central
    inside = drawn[place >= (1 - LEVEL) * (permutations + 1)]
    return drawn[0], inside.min(axis=0), inside.max(axis=0)


def effective_dimensions(features):
    """(tr S)^2 / tr S^2 of the covariance S of features (n, d): d independent equal components have d of them."""
    centred = np.asarray(features, np.float64) - np.mean(features, axis=0, dtype=np.float64)
    spread = centred.T @ centred if centred.shape[1] <= len(centred) else centred @ centred.T
    total = np.trace(spread)
    return float(total**2 / (spread**2).sum()) if total > 0 else 1.0


def range_interval(fitted, pairs, *, dimensions=1.0, replicates, seed=0):
    """95 % interval (low, high) [m] of the effective range of a fit to pairs; NaN for a flagged fit.

    A parametric bootstrap: as many independent Gaussian fields as the features have effective dimensions are drawn and
    fitted. A range beyond the lags counts as infinite. It factorises an n x n matrix: take two thousand photos at most.
    """
    if fitted["flag"]:
        return np.nan, np.nan
    root, count = covariance_root(fitted, pairs), max(1, round(dimensions))
    rng, found = random_streams.stream(seed, "semivariogram range"), np.empty(replicates)
    start = np.array([fitted["nugget"], *fitted["theta"]])
    for r in range(replicates):
        drawn = root @ rng.standard_normal((len(root), count)) / np.sqrt(count)
        again = models.fit(lag_table(pairs, half_squares(drawn, pairs)), model=fitted["model"], start=start)
        found[r] = models.effective_range_m(again["model"], again["theta"]) if again["partial_sill"] > 0 else np.nan
    found[found > pairs.edges_m[-1]] = np.inf
    low, high = resampling.interval95(found, method="nearest")
    return float(low) if np.isfinite(low) else np.nan, float(high)


def covariance_root(fitted, pairs):
    """A matrix (n, n) whose product with its transpose is the covariance of the photos of pairs in a field of a fit."""
    apart_m = lags.distance_m(pairs.position[:, None], pairs.position[None], pairs.planar)
    sill = fitted["nugget"] + fitted["partial_sill"]
    near = np.unique(np.concatenate([[0.0], np.geomspace(apart_m[apart_m > 0].min(), apart_m.max(), 2_000)]))
    gamma = np.concatenate([[fitted["nugget"]], models.curve(fitted, near[1:])])  # interpolated: n x n calls are slow
    covariance = sill - np.interp(apart_m, near, gamma)
    covariance[np.diag_indices(len(covariance))] = sill * (1 + 1e-6)  # places that coincide keep it invertible
    try:
        return np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:  # smooth models without a nugget
        values, vectors = np.linalg.eigh(covariance)
        return vectors * np.sqrt(np.maximum(values, 0))  # what rounding made negative counts as 0
