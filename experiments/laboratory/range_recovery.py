"""Do semivariograms recover known ranges? Fields of a planted range, read by a fitted curve and by the likelihood."""

import warnings

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.stats import binomtest
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from geonb import checks, random_streams, resampling
from geonb.variograms import curves, lags, models

RISE = np.log(20)  # an exponential model has 95 % of its rise at RISE length scales
WELL_POSED = 1 / 8  # of the side: up to such ranges a square holds several of them
PROCESSES = 2
TRIALS = {
    "range_share": "planted effective range over the side of the square [share]",
    "nugget_share": "planted nugget over nugget and partial sill [share]",
    "trial": "number of the field [count]",
    "range_m": "planted effective range [m]",
    "fitted_m": "effective range of the fitted semivariogram; missing when flagged [m]",
    "likelihood_m": "effective range of the Gaussian process of greatest likelihood [m]",
    "low_m": "2.5 % of the parametric bootstrap of fitted_m [m]",
    "high_m": "97.5 % of it, infinite where a range beyond the lags cannot be told from it [m]",
    "flag": "why the fit reports no range; empty when it does",
}
VALUES = {
    "bias": "geometric mean of fitted over planted range, less 1, where not flagged [share]",
    "error_ratio": "root mean square log error of the fit over that of the likelihood, where not flagged [ratio]",
    "coverage": "share of intervals that hold the planted range, where not flagged [share]",
}
ENDS = {"": "", "_low": "2.5 % of the interval (of coverage Wilson's, else Monte-Carlo): ", "_high": "97.5 % of it: "}
SUMMARY = {
    "range_share": TRIALS["range_share"],
    "nugget_share": TRIALS["nugget_share"],
    "fields": "fields read [count]",
    "flagged_share": "of them without a range to report [share]",
    **{name + end: said + meaning for name, meaning in VALUES.items() for end, said in ENDS.items()},
}
HEADLINE = {"bias": "range_relative_bias", "error_ratio": "range_error_ratio_to_likelihood",
            "coverage": "range_interval_coverage"}  # fmt: skip


def field_at(position_m, range_m, nugget_share, rng):
    """A Gaussian field (n,) of variance 1 with an exponential model and a nugget, exact, at positions (n, 2)."""
    apart = np.linalg.norm(position_m[:, None] - position_m[None], axis=-1)
    covariance = (1 - nugget_share) * np.exp(-RISE * apart / range_m) + nugget_share * np.eye(len(position_m))
    return np.linalg.cholesky(covariance + 1e-9 * np.eye(len(position_m))) @ rng.standard_normal(len(position_m))


def likelihood_range_m(values, position_m, side_m):
    """Effective range [m] of the exponential model with nugget of greatest likelihood (scikit-learn)."""
    length = Matern(side_m / 20, (side_m / 1_000, 5 * side_m), nu=0.5)
    kernel = ConstantKernel(0.7, (1e-3, 1e3)) * length + WhiteKernel(0.3, (1e-6, 1e2))
    with warnings.catch_warnings():  # a likelihood that is greatest at a bound is an answer, and a bad one
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = GaussianProcessRegressor(kernel).fit(position_m, values - values.mean())
    return RISE * float(found.kernel_.k1.k2.length_scale)


def edges_m(side_m, lag_count):
    """Edges (lag_count + 1,) [m] of lags up to half the side, the first of a hundredth of it, in equal factors."""
    farthest_m = lags.edges_m(side_m / 2, lag_count)[-1]
    return np.concatenate([[0.0], np.geomspace(0.01 * farthest_m, farthest_m, lag_count)])


def trial(range_share, nugget_share, number, *, photos, side_m, lag_count, replicates, seed):
    """One field, read both ways: values in the order of TRIALS."""
    rng = random_streams.stream(seed, "recovery", str(range_share), str(nugget_share), number)
    range_m = range_share * side_m
    at = rng.uniform(-side_m / 2, side_m / 2, (photos, 2))
    values = field_at(at, range_m, nugget_share, rng)
    pairs = lags.pairs(at, edges_m(side_m, lag_count), planar=True)
    fitted = models.fit(curves.lag_table(pairs, curves.half_squares(values[:, None], pairs)))
    interval_m = curves.range_interval(fitted, pairs, replicates=replicates, seed=seed + number)
    likelihood_m = likelihood_range_m(values, at, side_m)
    read = fitted["effective_range_m"], likelihood_m, *interval_m, fitted["flag"]
    return range_share, nugget_share, number, range_m, *read


def trials(range_shares, nugget_shares, fields, *, photos, side_m, lag_count, replicates, seed=0):
    """A table of `fields` fields for each planted range and nugget (columns TRIALS), by several processes."""
    for share in range_shares:
        checks.number("range_shares", share, above=0)
    for share in nugget_shares:
        checks.number("nugget_shares", share, least=0, most=1)
    checks.count("fields", fields)
    checks.count("range_shares and nugget_shares", len(range_shares) * len(nugget_shares), way_out="name one of each")
    checks.count("photos", photos, least=2, way_out="a semivariogram needs pairs")
    checks.number("side_m", side_m, above=0)
    edges_m(side_m, lag_count)  # refused here and not in each process
    resampling.check_replicates(replicates)
    asked = [(r, n, k) for r in range_shares for n in nugget_shares for k in range(fields)]
    how = {"photos": photos, "side_m": side_m, "lag_count": lag_count, "replicates": replicates, "seed": seed}
    found = Parallel(PROCESSES)(delayed(trial)(*one, **how) for one in asked)
    return pd.DataFrame(found, columns=list(TRIALS))


def accuracy(errors):
    """Bias and error ratio (2,), as VALUES says, of log errors (n, 2) of the fit and of the likelihood."""
    fit, likelihood = errors.T
    return np.array([np.exp(fit.mean()) - 1, np.sqrt((fit**2).mean() / (likelihood**2).mean())])


def with_intervals(errors, *, replicates=2_000, seed=0):
    """Bias with low and high, then error ratio with low and high (6,): 95 % Monte-Carlo from trials drawn again."""
    if len(errors) < 2:
        return np.insert(np.full(4, np.nan), [0, 2], accuracy(errors) if len(errors) else np.nan)
    rng = random_streams.stream(seed, "recovery intervals")
    drawn = [accuracy(errors[rng.integers(0, len(errors), len(errors))]) for _ in range(replicates)]
    return np.stack([accuracy(errors), *resampling.interval95(drawn)]).T.ravel()


def coverage(kept):
    """(share, low, high) of unflagged trials whose interval holds the planted range; Wilson's interval."""
    if kept.empty:
        return np.nan, np.nan, np.nan
    # no low end means that the shortest ranges of the bootstrap lie beyond the lags
    held = ((kept.low_m.isna() | (kept.low_m <= kept.range_m)) & (kept.range_m <= kept.high_m)).sum()
    return held / len(kept), *binomtest(int(held), len(kept)).proportion_ci(method="wilson")


def summarised(table):
    """The values of SUMMARY after its shares, of any trials."""
    kept = table[table.flag == ""]
    errors = np.log(kept[["fitted_m", "likelihood_m"]].to_numpy() / kept[["range_m"]].to_numpy())
    return len(table), float((table.flag != "").mean()), *with_intervals(errors), *coverage(kept)


def summary(table):
    """A row for each planted range and nugget: columns SUMMARY."""
    rows = [(*shares, *summarised(part)) for shares, part in table.groupby(["range_share", "nugget_share"])]
    return pd.DataFrame(rows, columns=list(SUMMARY))


def readable(rows):
    """A summary to be read: planted range and nugget, share flagged, and each value with its interval as text."""
    shown = rows[["range_share", "nugget_share", "flagged_share"]].copy()
    for name in VALUES:
        values = zip(*(rows[name + end] for end in ENDS), strict=True)
        shown[name.replace("_", " ")] = [f"{value:.2f} ({low:.2f} to {high:.2f})" for value, low, high in values]
    return shown.set_index(["range_share", "nugget_share"])


def well_posed(table):
    """(values of SUMMARY by name, trials without a flag) of the fields whose range is at most an eighth of the side."""
    part = table[table.range_share <= WELL_POSED]
    return dict(zip(list(SUMMARY)[2:], summarised(part), strict=True)), int((part.flag == "").sum())


def headline(table, page):
    """Headline rows over the fields whose range is at most an eighth of the side: bias, error ratio, coverage."""
    found, n = well_posed(table)
    rows = [
        (key, *(found[name + end] for end in ENDS), "ratio" if name == "error_ratio" else "share")
        for name, key in HEADLINE.items()
    ]
    return pd.DataFrame(rows, columns=["key", "value", "low", "high", "unit"]).assign(seeds=1, n=n, table=page)


def answer(table):
    """What the recovered ranges say, in one sentence."""
    found, n = well_posed(table)
    if not n:
        return "No field has a range to report."
    return (
        f"Where the range is at most an eighth of the side, the fitted range is off by {found['bias']:+.0%} in the "
        f"mean, its error is {found['error_ratio']:.2f} times that of the likelihood, and its 95 % interval holds the "
        f"truth in {found['coverage']:.0%} of the fields ({found['coverage_low']:.0%} to {found['coverage_high']:.0%})."
    )
