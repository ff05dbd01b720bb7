"""Semivariograms of feature vectors: at what distance do photos stop resembling each other?

gamma(h) is half the mean squared distance of the vectors of all pairs h apart; for unit vectors that is their mean
cosine distance.
"""

import functools
import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from geonb import checks, resampling
from geonb.earth import seeds, sphere
from geonb.variograms import lags as apart
from geonb.variograms import models

FEWEST = 30  # photos of a city that has a curve
LAGS = {
    "lag_from_m": "nearer edge of the lag [m]",
    "lag_to_m": "farther edge of the lag, 0 for co-located photos [m]",
    "distance_m": "mean distance of the pairs in the lag [m]",
    "semivariance": "half the mean squared distance of unit features = mean cosine distance [-]",
    "pairs": "pairs of photos looked at in the lag [count]",
    "sampling_error": "standard error from looking at a sample of the pairs, 0 where all were [-]",
}
PILOT_FEWEST = 300  # photos in pilot districts that make a yardstick
ALL_PILOTS = "(all pilots)"
YARDSTICK_STEP_M = 50.0
YARDSTICK = {
    "length_m": "spatial yardstick of the study: block size, and block of the bootstrap [m]",
    "range_m": "effective range in the pilot districts; missing when flagged [m]",
    "model": "model function of scikit-gstat, chosen on the pilot photos; empty when they are too few",
    "pilot_photos": "photos in the pilot districts, which never test [count]",
    "flag": "why length_m is the study's parameter instead; empty when it is the range, rounded",
}
INTERVAL = {
    "low": "2.5 % of the block bootstrap of the semivariance; missing below 20 blocks [-]",
    "high": "97.5 % of the block bootstrap of the semivariance; missing below 20 blocks [-]",
    "envelope_low": "lower edge of the global 95 % envelope were places dealt at random [-]",
    "envelope_high": "upper edge of it [-]",
    "structure": "whether the curve of the photos looked at leaves the envelope in this lag",
}
CHOICE = {
    "model": "model function of scikit-gstat",
    "error": "mean squared relative error on the lags of held-out blocks, by pairs [-]",
    "flag": "why some fold has no fit; empty when all have one",
}
RANGE = {
    "range_low_m": "2.5 % of the parametric bootstrap of the effective range; missing where the fit is flagged [m]",
    "range_high_m": "97.5 % of it; infinite where the range is flagged for it [m]",
}
BEYOND = "a range beyond the lags cannot be told from the fitted one"
NO_STRUCTURE = "nothing outside the envelope: places dealt at random give the same curve"


# ---- the empirical curve ---------------------------------------------------------------------------------------------
def half_squares(features, pairs):
    """Half the squared distance (m,) of the feature vectors (n, d) of each pair, summed in float64.

    ValueError unless there is one finite vector for each of pairs.photos, and every index of a pair is one of theirs.
    """
    features = np.asarray(features)
    features = np.ascontiguousarray(features, dtype=None if features.dtype == np.float32 else np.float64)
    check_features(features, pairs)
    return compiled_loop()(features, pairs.i, pairs.j)


def check_features(features, pairs):
    """Nothing, or a ValueError: what is compiled reads beyond an array without a word."""
    if features.ndim != 2 or not features.shape[1]:
        raise ValueError(f"features must be one vector for each photo, (n, d), they are {features.shape}")
    checks.same_length({"features": features, "positions": range(pairs.photos)})
    checks.same_length({"pairs.i": pairs.i, "pairs.j": pairs.j})
    if missing := int((~np.isfinite(features)).any(axis=1).sum()):
        raise ValueError(f"{missing} of {len(features)} photos have no feature vector: leave them out first")
    for index in (pairs.i, pairs.j):
        if len(index) and (index.min() < 0 or index.max() >= len(features)):
            raise ValueError(
                f"pairs name photos {index.min()} to {index.max()}, there are {len(features)} from 0 on: draw the "
                "pairs among the photos whose features these are"
            )


@functools.cache
def compiled_loop():
    """The loop of half_squares: compiled, since arrays of all differences would not fit into memory."""
    from numba import njit

    @njit(fastmath={"reassoc", "contract"})
    def loop(features, i, j):
        found = np.empty(len(i))
        for p in range(len(i)):
            total = 0.0
            for c in range(features.shape[1]):
                gap = float(features[i[p], c]) - float(features[j[p], c])
                total += gap * gap
            found[p] = total / 2
        return found

    return loop


def effective_dimensions(features):
    """(tr S)^2 / tr S^2 of the covariance S of features (n, d): d independent equal components have d of them."""
    centred = np.asarray(features, np.float64) - np.mean(features, axis=0, dtype=np.float64)
    spread = centred.T @ centred if centred.shape[1] <= len(centred) else centred @ centred.T
    total = np.trace(spread)
    return float(total**2 / (spread**2).sum()) if total > 0 else 1.0


def cressie_hawkins_constant(dimensions):
    """c of 2 gamma = (mean of sqrt |difference|)^4 / c for a squared difference that is chi-square of so many degrees.

    2 / k (Gamma(k / 2 + 1 / 4) / Gamma(k / 2))^4: 0.457 for k = 1 (Cressie and Hawkins 1980), 1 in the limit.
    """
    k = dimensions
    return 2 / k * math.exp(4 * (math.lgamma(k / 2 + 0.25) - math.lgamma(k / 2)))


def lag_table(pairs, half_square, *, estimator="matheron", dimensions=1.0):
    """One row per lag, columns LAGS, of pairs and their half squares; an empty lag keeps its row.

    estimator: matheron (the mean, 1962) or cressie (Cressie and Hawkins 1980, robust, needs the effective dimensions).
    """
    if estimator not in ("matheron", "cressie"):
        raise ValueError(f"no estimator {estimator!r}: there are matheron, cressie")
    checks.same_length({"half_square": half_square, "pairs": pairs.i})
    size = len(pairs.edges_m)
    count = np.bincount(pairs.lag, minlength=size)
    with np.errstate(invalid="ignore", divide="ignore"):
        distance_m, mean, square = (
            np.bincount(pairs.lag, x, size) / count for x in (pairs.distance_m, half_square, half_square**2)
        )
        error = np.sqrt(np.maximum(square - mean**2, 0) / count * (1 - pairs.share))
        if estimator == "cressie":
            root = np.bincount(pairs.lag, (2 * half_square) ** 0.25, size) / count
            mean = root**4 / cressie_hawkins_constant(dimensions) / 2
    before = np.concatenate([[0.0], pairs.edges_m[:-1]])
    columns = before, pairs.edges_m, distance_m, mean, count, np.where(count > 0, error, np.nan)
    return pd.DataFrame(dict(zip(LAGS, columns, strict=True)))


def semivariance_by_lag(
    features, position, *, max_lag_m, lag_count, spacing="linear", distance="geodesic", estimator="matheron",
    max_pairs=apart.PAIRS_AT_MOST, seed=0,
):  # fmt: skip
    """Empirical semivariogram of feature vectors (n, d) at positions (n, 2): a table of columns LAGS.

    gamma(h) = 1 / (2 N(h)) * sum of squared distances of the pairs in a lag (Matheron 1962, for vectors): for unit
    vectors the mean cosine distance. The first row holds the co-located pairs; pairs farther apart than max_lag_m are
    left out. See lags.pairs and lag_table for the parameters and what is refused.
    """
    edges_m = apart.edges_m(max_lag_m, lag_count, spacing)
    pairs = apart.pairs(position, edges_m, distance=distance, max_pairs=max_pairs, seed=seed)
    dimensions = effective_dimensions(features) if estimator == "cressie" else 1.0
    return lag_table(pairs, half_squares(features, pairs), estimator=estimator, dimensions=dimensions)


def towards(pairs, position, bearing_deg, *, tolerance_deg=22.5, distance="geodesic"):
    """The pairs whose line runs along a bearing (clockwise from north) or against it, within a tolerance."""
    position = np.asarray(position, np.float64)
    checks.same_length({"positions": position, "photos that were paired": range(pairs.photos)})
    if distance == "planar":
        east, north = (position[pairs.j] - position[pairs.i]).T
    else:
        east, north = sphere.to_local_m(position[pairs.j], position[pairs.i]).T
    off = (np.degrees(np.arctan2(east, north)) - bearing_deg + 90) % 180 - 90
    return pairs.where((np.abs(off) <= tolerance_deg) & (pairs.distance_m > 0))


def by_time_gap(features, position, captured_at, *, within_m, edges_days, max_pairs=apart.PAIRS_AT_MOST, seed=0):
    """Semivariance of pairs at most within_m apart by the days between their pictures: gap_from_days .. pairs.

    captured_at (n,): times, missing ones are left out. An empty table where fewer than two photos have one.
    """
    checks.same_length({"features": features, "positions": position, "captured_at": captured_at})
    known, columns = np.flatnonzero(~pd.isna(captured_at)), ["gap_from_days", "gap_to_days", "semivariance", "pairs"]
    if len(known) < 2:
        return pd.DataFrame(columns=columns)
    pairs = apart.pairs(np.asarray(position)[known], np.array([0.0, within_m]), max_pairs=max_pairs, seed=seed)
    at = pd.to_datetime(pd.Series(np.asarray(captured_at)[known]), utc=True).to_numpy("datetime64[s]").astype(float)
    gap = np.abs(at[pairs.i] - at[pairs.j]) / 86_400
    lag = np.digitize(gap, edges_days) - 1
    half, rows = half_squares(np.asarray(features)[known], pairs), []
    for k in range(len(edges_days) - 1):
        here = lag == k
        mean = half[here].mean() if here.any() else np.nan
        rows.append((edges_days[k], edges_days[k + 1], mean, int(here.sum())))
    return pd.DataFrame(rows, columns=columns)


# ---- how sure --------------------------------------------------------------------------------------------------------
def block_bootstrap(pairs, half_square, blocks, *, replicates=200, seed=0):
    """Semivariances (replicates, L + 1) of cities made of blocks drawn again; NaN in a lag that a replicate misses.

    blocks (n,): the block of each photo. A block drawn w times weighs the pairs within it w-fold and those with another
    block w w'-fold: a photo is never paired with its own copy.
    """
    checks.same_length({"blocks": blocks, "photos that were paired": range(pairs.photos)})
    checks.same_length({"half_square": half_square, "pairs": pairs.i})
    resampling.check_replicates(replicates)
    code = np.unique(blocks, return_inverse=True)[1]
    size, count = len(pairs.edges_m), int(code.max()) + 1
    a, b = code[pairs.i], code[pairs.j]
    key, of_pair = np.unique((np.minimum(a, b) * count + np.maximum(a, b)) * size + pairs.lag, return_inverse=True)
    number, total = np.bincount(of_pair), np.bincount(of_pair, half_square)
    lag, a, b = key % size, key // size // count, key // size % count
    found, rng = np.empty((replicates, size)), seeds.stream(seed, "semivariogram bootstrap")
    for r in range(replicates):
        w = np.bincount(rng.integers(0, count, count), minlength=count)
        weight = np.where(a == b, w[a], w[a] * w[b])
        with np.errstate(invalid="ignore"):
            found[r] = np.bincount(lag, weight * total, size) / np.bincount(lag, weight * number, size)
    return found


def envelope(features, pairs, *, permutations=999, seed=0, level=0.95):
    """The curve and its envelope (observed, low, high), each (L + 1,), were places dealt at random.

    Whole curves then lie between low and high with a probability of level.

    The global rank envelope, ties broken by extreme rank lengths (Myllymäki et al. 2017): a lag where the observed
    curve leaves it carries structure. Exact: every dealing of the vectors to the places is equally likely. It looks at
    n x n distances: take some thousand photos at most. ValueError for so few permutations that none may lie outside.
    """
    checks.number("level", level, above=0, below=1)
    checks.count("permutations", permutations, least=math.ceil(1 / (1 - level) - 1e-9) - 1)
    size = len(pairs.edges_m)
    features = np.asarray(features, np.float32)
    check_features(features, pairs)
    square = (features**2).sum(axis=1) / 2
    half = np.maximum(square[:, None] + square - features @ features.T, 0)
    rng, count = seeds.stream(seed, "semivariogram envelope"), np.bincount(pairs.lag, minlength=size)
    drawn = np.empty((permutations + 1, size))
    for k in range(permutations + 1):
        dealt = np.arange(len(features)) if k == 0 else rng.permutation(len(features))
        with np.errstate(invalid="ignore"):
            drawn[k] = np.bincount(pairs.lag, half[dealt[pairs.i], dealt[pairs.j]], size) / count
    inside = extreme_rank_order(drawn[:, count > 0]) >= (1 - level) * (permutations + 1)
    low, high = np.full(size, np.nan), np.full(size, np.nan)
    low[count > 0], high[count > 0] = drawn[inside][:, count > 0].min(axis=0), drawn[inside][:, count > 0].max(axis=0)
    return drawn[0], low, high


def extreme_rank_order(curves):
    """Place (k,) of each of k curves (k, L) from the most extreme, 0, to the most central."""
    from scipy.stats import rankdata

    ranks = rankdata(curves, axis=0)
    ranks = np.sort(np.minimum(ranks, len(curves) + 1 - ranks), axis=1)
    order = np.lexsort(ranks.T[::-1])
    return np.argsort(order)


def range_interval(fitted, position, pairs, *, dimensions=1.0, replicates=100, seed=0, distance="geodesic"):
    """95 % interval (low, high) [m] of the effective range of a fit, from fields drawn with the fitted model.

    A parametric bootstrap: independent Gaussian fields of the fitted curve, as many as the features have effective
    dimensions, are drawn at the positions and fitted as the features were. A range beyond the lags counts as infinite,
    so that high may be: "at least low". NaN for a flagged fit. It factorises an n x n matrix: take two thousand photos
    at most.
    """
    resampling.check_replicates(replicates)
    checks.same_length({"positions": position, "photos that were paired": range(pairs.photos)})
    if fitted["flag"]:
        return np.nan, np.nan
    position = np.asarray(position, np.float64)
    everywhere = [x.ravel() for x in np.indices((len(position),) * 2)]
    h = apart.apart_m(position, *everywhere, distance).reshape(len(position), -1)
    root = root_of(covariance(fitted, h))
    count, rng, found = max(1, round(dimensions)), seeds.stream(seed, "semivariogram range"), np.empty(replicates)
    for r in range(replicates):
        drawn = root @ rng.standard_normal((len(position), count)) / np.sqrt(count)
        again = models.fit(
            lag_table(pairs, half_squares(drawn, pairs)), model=fitted["model"],
            start=(fitted["nugget"], *fitted["theta"]),
        )  # fmt: skip
        found[r] = models.effective_range_m(again["model"], again["theta"]) if again["partial_sill"] > 0 else np.nan
    found[found > pairs.edges_m[-1]] = np.inf
    low, high = resampling.interval95(found, method="nearest")
    return float(low) if np.isfinite(low) else np.nan, float(high)


def doubted(fitted, high_m):
    """The fit, its range flagged where the interval of that range has no upper end within the lags."""
    if not np.isinf(high_m):
        return fitted
    return fitted | {"effective_range_m": np.nan, "flag": BEYOND}


def root_of(covariance):
    """A matrix (n, n) whose product with its transpose is a covariance; what rounding made negative counts as 0."""
    try:
        return np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:  # smooth models without a nugget
        values, vectors = np.linalg.eigh(covariance)
        return vectors * np.sqrt(np.maximum(values, 0))


def covariance(fitted, distance_m):
    """Covariance (n, n) of a stationary field with the curve of a fit, its nugget on the diagonal."""
    sill = fitted["nugget"] + fitted["partial_sill"]
    near = np.unique(np.concatenate([[0.0], np.geomspace(distance_m[distance_m > 0].min(), distance_m.max(), 2_000)]))
    gamma = np.concatenate([[fitted["nugget"]], models.curve(fitted, near[1:])])  # interpolated: n x n calls are slow
    found = sill - np.interp(distance_m, near, gamma)
    found[np.diag_indices(len(found))] = sill * (1 + 1e-6)  # places that coincide keep it invertible
    return found


def folds_of(blocks, count, seed):
    """Fold (n,) of each photo: whole blocks, dealt at random."""
    checks.count("folds", count, least=2)
    code = np.unique(blocks, return_inverse=True)[1]
    return seeds.stream(seed, "semivariogram folds").permutation(int(code.max()) + 1)[code] % count


def choose_model(
    features, position, blocks, *, edges_m, names=models.BASIC, folds=4, distance="geodesic",
    max_pairs=apart.PAIRS_AT_MOST, seed=0,
):  # fmt: skip
    """A table (model, error, flag), best first: how far curves fitted on some blocks lie from the lags of the others.

    error: mean over the pairs of the squared relative error (gamma of the held-out lag / fitted gamma - 1)^2. Fitted to
    pairs among photos of the other folds, read on pairs within the held-out one. A single photo makes no choice: the
    names in their order, flagged. ValueError without names.
    """
    checks.same_length({"features": features, "positions": position, "blocks": blocks})
    if not len(names):
        raise ValueError(f"models must name at least one model: there are {', '.join(models.MODELS)}")
    if len(position) < 2:
        return pd.DataFrame({"model": names, "error": np.nan, "flag": f"only {len(position)} photos, 2 are needed"})
    pairs = apart.pairs(position, edges_m, distance=distance, max_pairs=max_pairs, seed=seed)
    half, fold = half_squares(features, pairs), folds_of(blocks, folds, seed)
    first, second = fold[pairs.i], fold[pairs.j]
    cut = []
    for k in range(folds):
        cut.append(
            [
                lag_table(pairs.where(m), half[m])
                for m in ((first != k) & (second != k), (first == second) & (first == k))
            ]
        )
    rows = []
    for name in names:
        squares, count, flags = 0.0, 0.0, set()
        for train, held_out in cut:
            fitted, seen = models.fit(train, model=name), held_out[(held_out.pairs > 0) & (held_out.distance_m > 0)]
            flags.add(fitted["flag"] if not fitted["theta"] else "")
            if fitted["theta"]:
                gamma = models.semivariance(name, seen.distance_m.to_numpy(), fitted["nugget"], fitted["theta"])
                squares += float((seen.pairs * (seen.semivariance / gamma - 1) ** 2).sum())
                count += float(seen.pairs.sum())
        rows.append((name, squares / count if count else np.nan, "; ".join(sorted(flags - {""}))))
    table = pd.DataFrame(rows, columns=list(CHOICE))
    return table.sort_values("error", ignore_index=True)


# ---- what follows from a curve ---------------------------------------------------------------------------------------
class Expected(NamedTuple):
    """The dissimilarity to expect at a distance: never falling, straight between knots, level beyond the last.

    distance_m (K,) are the knots; of tensors dissimilarity may be several things at once, (K, m).
    """

    distance_m: np.ndarray
    dissimilarity: np.ndarray

    def __call__(self, distance_m):
        """Expected dissimilarity (...,) at distances (...,) [m]: of a numpy array an array, of a tensor a tensor."""
        if isinstance(distance_m, (np.ndarray, float, int)):
            return np.interp(distance_m, self.distance_m, self.dissimilarity)
        import torch

        knots, values = (torch.as_tensor(x, dtype=distance_m.dtype, device=distance_m.device) for x in self)
        inside = distance_m.clamp(knots[0], knots[-1])
        right = torch.searchsorted(knots, inside.contiguous()).clamp(1, len(knots) - 1)
        slope = (values[1:] - values[:-1]) / (knots[1:] - knots[:-1]).reshape(-1, *[1] * (values.ndim - 1))
        beyond = (inside - knots[right - 1]).reshape(*inside.shape, *[1] * (values.ndim - 1))
        return values[right - 1] + beyond * slope[right - 1]


def expected_dissimilarity(lags, fitted, *, knots=128):
    """The Expected of a fit up to its last lag, or of the lags themselves, made monotone, where the fit is flagged.

    ValueError where no lag holds pairs.
    """
    filled = lags[(lags.pairs > 0) & (lags.distance_m > 0)]
    if filled.empty:
        raise ValueError("no lag holds pairs: nothing is known of the dissimilarity at a distance")
    if fitted["flag"] == "":
        distance_m = np.geomspace(filled.distance_m.max() / 1_000, filled.distance_m.max(), knots)
        return Expected(distance_m, np.maximum.accumulate(models.curve(fitted, distance_m)))
    from sklearn.isotonic import IsotonicRegression

    order = filled.sort_values("distance_m")
    rising = IsotonicRegression().fit_transform(order.distance_m, order.semivariance, sample_weight=order.pairs)
    distance_m = order.distance_m.to_numpy(float)
    if len(distance_m) == 1:  # a knot more: level
        return Expected(np.array([0.0, distance_m[0]]), np.repeat(rising, 2))
    return Expected(distance_m, rising)


def pilot_districts(city, district, *, seed=0):
    """Mask (n,) of the photos in one district of each city, drawn by the seed; cities without districts have none."""
    checks.same_length({"city": city, "district": district})
    rng, chosen = seeds.stream(seed, "pilot districts"), np.zeros(len(city), bool)
    for name in np.unique(city):
        here = (city == name) & (district != "")
        names = np.unique(district[here])
        if len(names) > 1:  # the only district of a city cannot all be training
            chosen |= here & (district == names[rng.integers(len(names))])
    return chosen


def yardstick(features, lat_lon_deg, city, pilot, blocks, *, names, max_lag_m, lag_count, otherwise_m, seed=0):
    """(row of YARDSTICK, lags, fit): the spatial yardstick of a study, read in its pilot districts.

    The effective range of the features there, pooled within cities and rounded to YARDSTICK_STEP_M; otherwise_m where
    fewer than PILOT_FEWEST photos lie in them or the fit is flagged, and why. The model is chosen among names on the
    pilot photos alone, by their blocks (n,): no photo that tests has a say in how test photos are kept away.
    """
    check_photos(features, lat_lon_deg, city, {"pilot": pilot, "blocks": blocks})
    checks.number("otherwise_m", otherwise_m, above=0)
    here = np.flatnonzero(pilot)
    if len(here) < PILOT_FEWEST:
        reason = f"only {len(here)} photos in pilot districts, fewer than {PILOT_FEWEST}"
        row = dict(zip(YARDSTICK, (otherwise_m, np.nan, "", len(here), reason), strict=True))
        return row, pd.DataFrame(columns=list(LAGS)), models.flagged(names[0], reason)
    edges_m = apart.edges_m(max_lag_m, lag_count)
    model = choose_model(
        features[here], lat_lon_deg[here], blocks[here], edges_m=edges_m, names=names, seed=seed
    ).model[0]
    reading = dict(model=model, max_lag_m=max_lag_m, lag_count=lag_count, fewest=2, seed=seed)
    lags = pooled(by_city(features[here], lat_lon_deg[here], city[here], **reading)[0])
    fitted = models.fit(lags, model=model)
    range_m, length_m = fitted["effective_range_m"], otherwise_m
    if not fitted["flag"]:
        length_m = YARDSTICK_STEP_M * max(1, round(range_m / YARDSTICK_STEP_M))
    row = dict(zip(YARDSTICK, (float(length_m), range_m, model, len(here), fitted["flag"]), strict=True))
    return row, lags, fitted


def pilot_fits(features, lat_lon_deg, city, pilot, whole, *, max_lag_m, lag_count, seed=0):
    """(lags of the pilots of each city, fits): the fit of all pilot photos (whole, named ALL_PILOTS), then each city's.

    What targets may be made of: pilot photos never test. In unseen_city those of held-out cities are set aside, and
    fit_of_pilots leaves them out.
    """
    check_photos(features, lat_lon_deg, city, {"pilot": pilot})
    rows = [{"city": ALL_PILOTS} | whole]
    if whole["flag"]:
        return pd.DataFrame(columns=[*LAGS, "city"]), pd.DataFrame(rows)
    here = np.flatnonzero(pilot)
    reading = dict(model=whole["model"], max_lag_m=max_lag_m, lag_count=lag_count, fewest=2, seed=seed)
    lags, fits = by_city(features[here], lat_lon_deg[here], city[here], **reading)
    return lags, pd.concat([pd.DataFrame(rows), fits[["city", *models.FIT]]], ignore_index=True)


def fit_of_pilots(lags, fits, cities):
    """The fit of the pilots of these cities together, from the tables of pilot_fits: what a split may know.

    The model is the one that all pilots chose. Where their fit is flagged, so is this.
    """
    whole = fits[fits.city == ALL_PILOTS].to_dict("records")[0]
    if whole["flag"]:
        return whole
    return {"city": ALL_PILOTS} | models.fit(pooled(lags[lags.city.isin(cities)]), model=whole["model"])


def between_cities(vectors, city):
    """Mean cosine distance of photos of different cities, of all where there is only one city; NaN for one photo.

    ValueError for vectors that are not of length 1.
    """
    check_unit(vectors)
    checks.same_length({"vectors": vectors, "city": city})
    names, code = np.unique(city, return_inverse=True)
    sums = np.stack([vectors[code == k].sum(axis=0, dtype=np.float64) for k in range(len(names))])
    counts = np.bincount(code)
    if len(names) == 1:
        n = len(vectors)
        if n < 2:
            return np.nan
        return float(1 - ((sums[0] ** 2).sum() - n) / (n * (n - 1)))
    products = (sums.sum(axis=0) ** 2).sum() - (sums**2).sum()
    return float(1 - products / (counts.sum() ** 2 - (counts**2).sum()))


def readings(
    features, lat_lon_deg, city, blocks, *, model, max_lag_m, lag_count, replicates, range_replicates, permutations,
    photos_at_most=600, seed=0,
):  # fmt: skip
    """(lags, fits) as by_city, with what each city's curve is worth: columns INTERVAL and RANGE.

    blocks (n,): drawn again for the intervals of the lags. Envelopes and intervals of the range are read from
    photos_at_most photos of a city, drawn by the seed. A curve that never leaves its envelope has no range.
    """
    check_photos(features, lat_lon_deg, city, {"blocks": blocks})
    resampling.check_replicates(replicates)
    resampling.check_replicates(range_replicates, "range_replicates")
    edges_m, lags, fits = apart.edges_m(max_lag_m, lag_count), [], []
    for name in np.unique(city):
        here = np.flatnonzero(city == name)
        if len(here) < FEWEST:
            reason = f"only {len(here)} photos, fewer than {FEWEST}"
            fits.append({"city": name, **models.flagged(model, reason), **dict.fromkeys(RANGE, np.nan)})
            continue
        pairs = apart.pairs(lat_lon_deg[here], edges_m, seed=seed)
        half = half_squares(features[here], pairs)
        table = lag_table(pairs, half).assign(city=name, low=np.nan, high=np.nan)
        if len(np.unique(blocks[here])) >= resampling.FEWEST_BLOCKS:
            drawn = block_bootstrap(pairs, half, blocks[here], replicates=replicates, seed=seed)
            table[["low", "high"]] = resampling.interval95(drawn).T
        some = np.sort(seeds.stream(seed, "readings", str(name)).permutation(here)[:photos_at_most])
        fewer = apart.pairs(lat_lon_deg[some], edges_m, seed=seed)
        observed, low, high = envelope(features[some], fewer, permutations=permutations, seed=seed)
        lags.append(table.assign(envelope_low=low, envelope_high=high, structure=(observed < low) | (observed > high)))
        fitted = models.fit(table, model=model)
        if not lags[-1].structure.any() and not fitted["flag"]:
            fitted = models.flagged(model, NO_STRUCTURE)
        dimensions = effective_dimensions(features[some])
        told = range_interval(
            fitted, lat_lon_deg[some], fewer, dimensions=dimensions, replicates=range_replicates, seed=seed
        )
        fits.append({"city": name, **doubted(fitted, told[1]), **dict(zip(RANGE, told, strict=True))})
    table = pd.concat(lags, ignore_index=True) if lags else pd.DataFrame(columns=[*LAGS, "city", *INTERVAL])
    return table, pd.DataFrame(fits)


def by_bearing(features, lat_lon_deg, city, *, edges_m, bearings_deg=(0.0, 45.0, 90.0, 135.0), seed=0):
    """Semivariance by lag of pairs that lie along each bearing, pooled within cities: bearing_deg and columns LAGS."""
    check_photos(features, lat_lon_deg, city)
    found = []
    for name in np.unique(city):
        here = np.flatnonzero(city == name)
        if len(here) < 2:
            continue
        pairs = apart.pairs(lat_lon_deg[here], edges_m, seed=seed)
        for bearing in bearings_deg:
            along = towards(pairs, lat_lon_deg[here], bearing)
            found.append(lag_table(along, half_squares(features[here], along)).assign(bearing_deg=bearing))
    if not found:
        return pd.DataFrame(columns=[*LAGS, "bearing_deg"])
    whole = pd.concat(found)
    return pd.concat([pooled(part).assign(bearing_deg=bearing) for bearing, part in whole.groupby("bearing_deg")])


def by_city(features, lat_lon_deg, city, *, model, max_lag_m, lag_count, fewest=FEWEST, seed=0):
    """(lags, fits): the semivariogram and its fit in each city; a city below `fewest` photos has a flag alone."""
    check_photos(features, lat_lon_deg, city)
    checks.count("fewest", fewest, least=2)
    lags, fits = [], []
    for name in np.unique(city):
        here = np.flatnonzero(city == name)
        if len(here) < fewest:
            reason = f"only {len(here)} photos, fewer than {fewest}"
            fits.append({"city": name, **models.flagged(model, reason)})
            continue
        found = semivariance_by_lag(
            features[here], lat_lon_deg[here], max_lag_m=max_lag_m, lag_count=lag_count, seed=seed
        )
        lags.append(found.assign(city=name))
        fits.append({"city": name, **models.fit(found, model=model)})
    table = pd.concat(lags, ignore_index=True) if lags else pd.DataFrame(columns=[*LAGS, "city"])
    return table, pd.DataFrame(fits)


def check_photos(features, lat_lon_deg, city, others=None):
    """Nothing, or a ValueError unless features, positions, cities and others (name -> array) have as many rows."""
    checks.same_length({"features": features, "positions": lat_lon_deg, "city": city} | (others or {}))


def check_unit(vectors):
    """Nothing, or a ValueError for vectors (n, d) that are not of length 1 to float32's rounding and a little more."""
    length = np.linalg.norm(vectors, axis=1)
    if wrong := int((~(np.abs(length - 1) < 1e-3)).sum()):
        raise ValueError(f"{wrong} of {len(vectors)} vectors are not of length 1: divide each by its length first")


def pooled(lags):
    """One curve from the lags of several cities, weighted by pairs: columns LAGS."""
    filled = lags[lags.pairs > 0]
    rows = [
        {
            "lag_from_m": edges[0],
            "lag_to_m": edges[1],
            "distance_m": np.average(lag.distance_m, weights=lag.pairs),
            "semivariance": np.average(lag.semivariance, weights=lag.pairs),
            "pairs": lag.pairs.sum(),
            "sampling_error": np.sqrt(((lag.pairs * lag.sampling_error) ** 2).sum()) / lag.pairs.sum(),
        }
        for edges, lag in filled.groupby(["lag_from_m", "lag_to_m"])
    ]
    return pd.DataFrame(rows, columns=list(LAGS))


def planted_shape(lags, fits, planted_share):
    """The planted curve on the scale of each city's fit, (n,): its structured part between fitted nugget and sill.

    What share of an embedding's variance the fields explain is not planted, so only the shape can be compared.
    planted_share: distances (n,) -> semivariance as a share of the sill.
    """
    near, far = planted_share(np.array([1e-6, 1e9]))
    share = planted_share(np.nan_to_num(lags.distance_m.to_numpy(float)))
    rise = (share - near) / (far - near) if far > near else np.ones(len(lags))  # a range of 0: all at once
    scale = fits.set_index("city").loc[lags.city, ["nugget", "partial_sill"]].to_numpy()
    return scale[:, 0] + scale[:, 1] * rise


def answer(fits):
    """What the fits of a study say, in one sentence."""
    good = fits[fits.flag == ""]
    if good.empty:
        reasons = ", ".join(sorted(set(fits.flag)))
        return f"No city has a curve whose range may be reported ({reasons})."
    share = (good.nugget / (good.nugget + good.partial_sill)).median()
    low, high = good.effective_range_m.min(), good.effective_range_m.max()
    return (
        f"The fitted effective ranges lie between {low:.0f} and {high:.0f} m in {len(good)} of {len(fits)} cities; "
        f"in the median {share:.0%} of the dissimilarity is there at once, between photos of the same place."
    )


def answer_yardstick(row):
    """What the yardstick of a study is, in one sentence."""
    if row["flag"]:
        return (
            f"The yardstick is the study's own {row['length_m']:.0f} m, since pilot districts show none: {row['flag']}."
        )
    return (
        f"In the pilot districts ({row['pilot_photos']:,} photos) it is {row['range_m']:.0f} m: the yardstick of this "
        f"study is {row['length_m']:.0f} m."
    )
