"""Semivariograms of unit feature vectors: at what distance do photos stop resembling each other?

The one door to scikit-gstat (its model functions). Distances in metres on the sphere.
"""

import numpy as np
import pandas as pd

from geonb import seeds, sphere

MODELS = ("spherical", "exponential", "gaussian")
LEAST_RISE = 1e-6  # of a semivariogram of float32 features: less is rounding
LAGS = {
    "lag_from_m": "nearer edge of the lag [m]",
    "lag_to_m": "farther edge of the lag [m]",
    "distance_m": "mean distance of the pairs in the lag [m]",
    "semivariance": "half the mean squared distance of unit features = mean cosine distance [-]",
    "pairs": "pairs of photos in the lag [count]",
}
FIT = {
    "model": "model function of scikit-gstat",
    "nugget": "fitted semivariance at distance 0+ [-]",
    "partial_sill": "fitted rise from nugget to sill [-]",
    "effective_range_m": "fitted range as scikit-gstat defines it for the model (exponential: 95 % of the partial sill "
    "is reached); missing when flagged [m]",
    "flag": "why the range must not be used; empty when it may",
}


def semivariance_by_lag(features, lat_lon_deg, *, max_lag_m, lag_count, max_pairs=2_000_000, seed=0):
    """Empirical semivariogram of unit feature vectors (n, d) at positions (n, 2): one row per lag, columns LAGS.

    gamma(h) = 1 / (2 N(h)) * sum of squared distances of the pairs in a lag (Matheron 1962, for vectors): for unit
    vectors the mean cosine distance. Every pair up to max_pairs, beyond that a sample of that size. Pairs farther apart
    than max_lag_m are left out; a lag without pairs keeps its row. ValueError below two photos, and without lags.
    """
    if not max_lag_m > 0 or lag_count < 1:
        raise ValueError(f"max_lag_m {max_lag_m} must be above 0 m and lag_count {lag_count} at least 1")
    if len(features) < 2:
        raise ValueError(f"a semivariogram needs at least 2 photos, there are {len(features)}")
    i, j = pairs(len(features), max_pairs, seed)
    distance_m = sphere.distance_m(lat_lon_deg[i], lat_lon_deg[j])
    near = distance_m <= max_lag_m
    i, j, distance_m = i[near], j[near], distance_m[near]
    half_square = cosine_distance(features, i, j)
    edges = np.linspace(0, max_lag_m, lag_count + 1)
    lag = np.clip(np.searchsorted(edges, distance_m, side="left") - 1, 0, lag_count - 1)
    count = np.bincount(lag, minlength=lag_count)
    with np.errstate(invalid="ignore"):
        mean = [np.bincount(lag, values, lag_count) / count for values in (distance_m, half_square)]
    columns = dict(zip(LAGS, (edges[:-1], edges[1:], *mean, count), strict=True))
    return pd.DataFrame(columns)


def cosine_distance(features, i, j, chunk=50_000):
    """1 - z_i . z_j (n,) in float64 of the pairs (i, j) of unit vectors, never more than a chunk of them in memory."""
    found = np.empty(len(i))
    for first in range(0, len(i), chunk):
        part = slice(first, first + chunk)
        found[part] = 1 - np.einsum("nd,nd->n", features[i[part]], features[j[part]], dtype=np.float64)
    return found


def pairs(n, max_pairs, seed):
    """Indices (i, j), i < j, of all pairs, or of a sample of max_pairs distinct ones, every pair equally likely."""
    count = n * (n - 1) // 2
    if count <= max_pairs:
        return np.triu_indices(n, 1)
    drawn = seeds.stream(seed, "pairs").choice(count, max_pairs, replace=False, shuffle=False)
    # the pairs of photo i with later ones are numbered from first[i] on
    first = np.concatenate([[0], np.cumsum(np.arange(n - 1, 1, -1))])
    i = np.searchsorted(first, drawn, side="right") - 1
    return i, drawn - first[i] + i + 1


def model_function(name):
    """gamma(h, effective range, partial sill, nugget) of scikit-gstat."""
    from skgstat import models

    if name not in MODELS:
        raise ValueError(f"no model {name!r}: there are {', '.join(MODELS)}")
    return getattr(models, name)


def fit(lags, *, model="exponential"):
    """Least-squares fit of a model to a table of lags, weighted by the number of pairs: a dict with the keys of FIT.

    A range at its bound, or a curve without a rise, is flagged instead of reported. ValueError for an unknown model.
    """
    gamma = model_function(model)
    filled = lags[(lags.pairs > 0) & (lags.distance_m > 0)]
    if len(filled) < 4:
        return flagged(model, f"only {len(filled)} lags hold pairs")
    h, y = filled.distance_m.to_numpy(), filled.semivariance.to_numpy()
    if np.ptp(y) < LEAST_RISE:
        return flagged(model, "no rise with distance")
    from scipy.optimize import curve_fit

    bounds = ([h.min() / 10, 0, 0], [3 * h.max(), 4 * y.max() + 1e-12, y.max() + 1e-12])
    start = [h.max() / 3, max(y.max() - y.min(), 1e-9), max(y.min() * 0.9, 1e-9)]
    curve = lambda d, r, sill, nugget: np.asarray(gamma(d, r, sill, nugget))  # noqa: E731
    try:
        found, _ = curve_fit(curve, h, y, p0=start, sigma=1 / np.sqrt(filled.pairs), bounds=bounds, maxfev=20_000)
    except RuntimeError:
        return flagged(model, "the fit did not converge")
    range_m, partial_sill, nugget = map(float, found)
    flag = flag_of(range_m, partial_sill, nugget, h)
    return dict(zip(FIT, (model, nugget, partial_sill, np.nan if flag else range_m, flag), strict=True))


def flag_of(range_m, partial_sill, nugget, h):
    """Why a fitted range must not be reported, or ''."""
    if partial_sill < 1e-3 * (nugget + partial_sill):
        return "no rise with distance"
    if range_m > h.max():
        return "no sill within the largest lag"
    if (h < range_m).sum() < 2:
        return "range too short to be resolved: fewer than two lags lie within it"
    return ""


def flagged(model, flag):
    """A fit without numbers, and why."""
    return dict(zip(FIT, (model, np.nan, np.nan, np.nan, flag), strict=True))


def curve(fitted, distance_m):
    """Semivariance (n,) of a fit at distances (n,) in metres; NaN where there is no fit or no range."""
    if not fitted["effective_range_m"] > 0:
        return np.full(len(distance_m), np.nan)
    gamma = model_function(fitted["model"])
    return np.asarray(
        gamma(np.asarray(distance_m, float), fitted["effective_range_m"], fitted["partial_sill"], fitted["nugget"])
    )


def by_city(features, lat_lon_deg, city, *, model, max_lag_m, lag_count, fewest=30, seed=0):
    """(lags, fits): the semivariogram and its fit in each city; a city below `fewest` photos has a flag alone."""
    lags, fits = [], []
    for name in np.unique(city):
        here = np.flatnonzero(city == name)
        if len(here) < fewest:
            fits.append({"city": name, **flagged(model, f"only {len(here)} photos, fewer than {fewest}")})
            continue
        found = semivariance_by_lag(
            features[here], lat_lon_deg[here], max_lag_m=max_lag_m, lag_count=lag_count, seed=seed
        )
        lags.append(found.assign(city=name))
        fits.append({"city": name, **fit(found, model=model)})
    table = pd.concat(lags, ignore_index=True) if lags else pd.DataFrame(columns=[*LAGS, "city"])
    return table, pd.DataFrame(fits)


def curves(fits, *, max_lag_m, points=60):
    """The fitted curves as a table (city, distance_m, semivariance), for drawing."""
    distance_m = np.linspace(0, max_lag_m, points)
    rows = [
        pd.DataFrame({"city": f["city"], "distance_m": distance_m, "semivariance": curve(f, distance_m)})
        for f in fits.to_dict("records")
    ]
    return pd.concat(rows, ignore_index=True).dropna()


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
        }
        for edges, lag in filled.groupby(["lag_from_m", "lag_to_m"])
    ]
    return pd.DataFrame(rows, columns=list(LAGS))


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
