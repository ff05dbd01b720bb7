"""Two endpoints that no distance between cities can move: the share in the right city, and the error within it.

A wrong city counts as wrong, however far it lies. Errors within the city are those of the photos that all compared rows
place in the right one, seed by seed: trainings of one seed start from the same weights and see the same batches. What
is drawn again are whole clusters: worlds, where there are several, else cities, and then trainings too, which all
cities share. The turns of unseen_city are one split. A row that places no photo of a split right, as one that
knows only places of other cities, decides nothing there and has no error within the city.

Tables of errors have the columns errors.ERRORS, and `world` where there are several.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from geonb import checks, random_streams, resampling
from geonb.measuring import significance
from geonb.splitting.splits import way_of

FEWEST_CLUSTERS = 8  # below them there is no interval
REDRAWS = 9_999
WORTH_FINDING = 0.85  # the ratio whose power is told
POWER = 0.8  # with which the detectable ratio would be found
LEVEL = 0.05  # of a single two-sided test
SHARE, WITHIN = "share_right_city", "within_city_error_m"
INTERVAL = {
    "low": "lower bound of its 95 % interval, clusters drawn again; missing below 8, or where few differ [as value]",
    "high": "upper bound of it [as value]",
}
SEEN = {
    "clusters": "worlds, or cities where there is one world [count]",
    "seeds": "trainings in each world [count]",
    "n": "test photos, of each seed those that count [count]",
}
ENDPOINTS = {
    **significance.ROW,
    "endpoint": f"{SHARE}, or {WITHIN}: geometric mean error of the photos that all compared rows place right",
    "value": "the endpoint [share or m]",
    **INTERVAL, **SEEN,
}  # fmt: skip
COMPARISONS = {
    **significance.ROW,
    "other": "row that it is compared with",
    "endpoint": ENDPOINTS["endpoint"],
    "value": "ratio of the errors within the city, or difference of the shares [ratio or share]",
    **INTERVAL,
    "p": "two-sided p of the redraws, by Student's statistic [-]",
    "p_holm": "p adjusted by Holm's rule for all tests that were handed over together [-]",
    "power": f"power of a single test for a ratio of {WORTH_FINDING}, from the spread between clusters [-]",
    "detectable": f"ratio below 1, or difference, that a single test finds with a power of {POWER} [as value]",
    **SEEN,
}  # fmt: skip


def side_by_side(errors, rows):
    """Rows (methods) of one split on the same photos: log_m (rows, seeds, n), right (rows, seeds, n), cluster (n,), and
    nested: whether each cluster has trainings of its own, as worlds have, and cities that are held out in turn.

    Rows of fewer seeds, as those without a training, take theirs in turn. ValueError for a row that is not there or
    has other photos.
    """
    worlds = errors.get("world", pd.Series(0, errors.index))
    table = errors.assign(world=worlds, log_m=significance.log_m(errors.error_m))
    found, photos = {"log_m": [], "right_city": []}, None
    seeds = table[table.method.isin(rows)].groupby("method").seed.nunique().max()
    for name in rows:
        own = table[table.method == name]
        if own.empty:
            raise ValueError(f"there is no row {name!r}: there are {', '.join(table.method.unique())}")
        for column, values in found.items():
            # not pivot_table: a photo that stands twice in a run must be an error, not a mean
            wide = own.pivot(index=["world", "city", "photo_id"], columns="seed", values=column)  # noqa: PD010
            values.append(wide.to_numpy(float).T[np.arange(seeds) % wide.shape[1]])
        photos = wide.index if photos is None else photos
        if not photos.equals(wide.index) or np.isnan(values[-1]).any():
            raise ValueError(f"rows {rows[0]} and {name} were not tested on the same photos of this split")
    several = len(photos.unique("world")) > 1
    return SimpleNamespace(
        log_m=np.stack(found["log_m"]), right=np.stack(found["right_city"]) == 1,
        nested=several or len(set(table.turn)) > 1,
        cluster=photos.get_level_values("world" if several else "city").to_numpy(),
    )  # fmt: skip


def mean_of(values, counted, known, *, replicates=REDRAWS, seed=0):
    """Mean of values (seeds, n) where they are counted (seeds, n), its interval, p against 0 and standard error.

    known: see side_by_side. A ratio of sums over clusters, its error from their residuals (Cochran 1977, 6.4);
    interval and p from redraws of Student's statistic, which hold with few clusters (symmetric bootstrap-t, Hall 1988).
    Returns value, low, high, p, error, clusters, n; NaN for what cannot be told.
    """
    resampling.check_replicates(replicates)
    names, member = np.unique(known.cluster, return_inverse=True)
    sums = np.array([[np.bincount(member, row, len(names)) for row in part] for part in (values * counted, counted)])
    sums = sums.sum(axis=1, keepdims=True) if known.nested else sums
    sums = sums[:, :, sums[1].sum(axis=0) > 0]  # a cluster without a photo that counts says nothing
    _, runs, clusters = sums.shape
    found = SimpleNamespace(
        value=np.nan, low=np.nan, high=np.nan, p=np.nan, error=np.nan, clusters=clusters,
        n=int(counted.any(axis=0).sum()),
    )  # fmt: skip
    if not clusters:
        return found
    found.value, found.error = (float(part) for part in mean_and_error(*sums.sum(axis=1)))
    if clusters < FEWEST_CLUSTERS:
        return found
    rng = random_streams.stream(seed, "clusters drawn again")
    drawn = rng.integers(0, clusters, (replicates, 1, clusters))
    trained = rng.integers(0, runs, (replicates, runs, 1))
    means, errors = mean_and_error(*sums[:, trained, drawn].sum(axis=2))
    with np.errstate(divide="ignore", invalid="ignore"):
        null, own = (np.nan_to_num(np.abs(off) / error, posinf=np.inf)
                     for off, error in ((means - found.value, errors), (found.value, found.error)))  # fmt: skip
    reach = np.quantile(null, 1 - LEVEL, method="higher") * found.error
    if np.isfinite(reach):  # else clusters that differ are so few that redraws without any are common
        found.low, found.high = found.value - reach, found.value + reach
    found.p = float(((null >= own).sum() + 1) / (replicates + 1))
    return found


def mean_and_error(total, count):
    """Ratio (...) of summed totals and counts (..., clusters), and its standard error from the clusters' residuals."""
    clusters, all_count = total.shape[-1], count.sum(axis=-1)
    mean = total.sum(axis=-1) / all_count
    residual = total - mean[..., None] * count
    scale = clusters / max(clusters - 1, 1)
    return mean, np.sqrt(scale * (residual**2).sum(axis=-1)) / all_count


def endpoints(errors, rows, beside=(), *, replicates=REDRAWS, seed=0):
    """Both endpoints of some rows in every split (columns ENDPOINTS); the rows decide which photos count within.

    beside: further rows, in the splits that have them, each over the photos that it places right, too: a weak one would
    leave few photos to all others, and easy ones.
    """
    found = [*each(errors, rows, [(row,) for row in rows], replicates, seed)]
    for row in beside:
        here = errors[errors.split.isin(errors.split[errors.method == row])]
        found += each(here, [*rows, row], [(row,)], replicates, seed)
    order = list(dict.fromkeys(split for split, *_ in found))
    found.sort(key=lambda one: order.index(one[0]))
    return pd.DataFrame(
        [(split, *row, name, *values_of(mean, name, 0), *seen) for split, row, name, mean, seen in found],
        columns=list(ENDPOINTS),
    )


def comparisons(errors, pairs, rows=(), *, replicates=REDRAWS, seed=0):
    """Pairs (ours, other) in both endpoints and every split (columns COMPARISONS), Holm over all of them.

    rows: all that decide which photos count within the city, by default those of the pairs. Tables of several pages are
    adjusted together by `adjusted`.
    """
    rows = list(dict.fromkeys([*rows, *(name for pair in pairs for name in pair)]))
    found = each(errors, rows, pairs, replicates, seed)
    return adjusted(pd.DataFrame(
        [(split, *pair, name, *tested(mean, name), *seen) for split, pair, name, mean, seen in found],
        columns=list(COMPARISONS),
    ))  # fmt: skip


def each(errors, rows, chosen, replicates, seed):
    """Yield (split, names, endpoint, mean_of, SEEN) of single rows (name,) or of differences of pairs (ours, other)."""
    together = errors.split.where(errors.split.map(way_of) != "unseen_city", "unseen_city")  # each city tests once
    for split, here in errors.assign(split=together, turn=errors.split).groupby("split", sort=False):
        known = side_by_side(here, rows)
        able, everyone = known.right.any(axis=(1, 2)), np.ones(known.right.shape[1:], bool)
        for names in chosen:
            own = np.isin(rows, names)
            counted = {SHARE: everyone, WITHIN: known.right[able | own].all(axis=0)}
            for name, values in ((SHARE, known.right.astype(float)), (WITHIN, known.log_m)):
                ours, *other = (values[list(rows).index(row)] for row in names)
                mean = mean_of(ours - sum(other), counted[name], known, replicates=replicates, seed=seed)
                yield split, names, name, mean, (mean.clusters, len(ours), mean.n)


def values_of(mean, endpoint, least=-1):
    """(value, low, high) of a mean_of: errors and their ratios are means of logarithms, no share goes beyond 1; least:
    0 for a share, -1 for a difference of two."""
    back = np.exp if endpoint == WITHIN else lambda part: np.clip(part, least, 1)
    return tuple(float(back(part)) for part in (mean.value, mean.low, mean.high))


def tested(mean, endpoint):
    """value, low, high, p, p_holm (missing), power and detectable of a mean_of of log ratios or of differences."""
    if not mean.clusters >= FEWEST_CLUSTERS:
        return *values_of(mean, endpoint), mean.p, np.nan, np.nan, np.nan
    away = detectable(mean.error, mean.clusters)
    told = (power(WORTH_FINDING, mean.error, mean.clusters), np.exp(-away)) if endpoint == WITHIN else (np.nan, away)
    return *values_of(mean, endpoint), mean.p, np.nan, *told


def power(ratio, error, clusters):
    """Chance that a two-sided t test at LEVEL finds a ratio, from the standard error of its log over clusters."""
    from scipy.stats import nct, t

    checks.number("ratio", ratio, above=0)
    if error == 0:
        return float(ratio != 1)
    bound, away = t.isf(LEVEL / 2, clusters - 1), abs(np.log(ratio)) / error
    return float(nct.sf(bound, clusters - 1, away) + nct.cdf(-bound, clusters - 1, away))


def detectable(error, clusters):
    """Mean that a t test at LEVEL finds with a chance of POWER, from its standard error over clusters."""
    from scipy.special import nctdtrinc
    from scipy.stats import t

    return float(error * nctdtrinc(clusters - 1, 1 - POWER, t.isf(LEVEL / 2, clusters - 1)))


def adjusted(*tables):
    """Tables of COMPARISONS as one, p_holm over all of their tests: hand over those of a whole book together."""
    table = pd.concat(tables, ignore_index=True)
    return table.assign(p_holm=significance.holm(table.p))


def headline(found, compared, density, page):
    """Headline rows '<endpoint>.<split>.<density>.<row>' and '<endpoint>_ratio...<ours>_over_<other>', with p_holm.

    found: ENDPOINTS, compared: COMPARISONS, of which the ratios count: tables endpoints and endpoint_ratios of a page.
    """
    ratios = compared[compared.endpoint == WITHIN]
    keys = found.endpoint + "." + found.split + f".{density}." + found.method
    over = ratios.split + f".{density}." + ratios.method + "_over_" + ratios.other
    return pd.concat([
        found.assign(key=keys, unit=found.endpoint.map({SHARE: "share", WITHIN: "m"}), table=f"{page}/endpoints"),
        ratios.assign(key="within_city_error_ratio." + over, unit="ratio", table=f"{page}/endpoint_ratios"),
    ], ignore_index=True)  # fmt: skip


def answer(compared):
    """What the ratios of COMPARISONS say, a sentence each, with the smallest difference that would have been found."""
    said = []
    for row in compared[compared.endpoint == WITHIN].itertuples():
        what = f"In {row.split} {row.method} has {row.value:.2f} times the error of {row.other} within the right city"
        if not row.low <= row.high:
            said.append(f"{what}; {row.clusters} clusters are too few for an interval.")
            continue
        shown = "" if row.p_holm < LEVEL else ", which is not shown to differ from 1"
        said.append(f"{what} ({row.low:.2f} to {row.high:.2f}, adjusted p {row.p_holm:.3f}){shown}: "
                    f"a ratio of {row.detectable:.2f} would be found with a power of {POWER:.0%}.")  # fmt: skip
    return " ".join(said)
