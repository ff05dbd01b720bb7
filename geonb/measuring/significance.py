"""Intervals and p values that respect space: whole blocks are drawn again; ratios of methods, and what may be said."""

import numpy as np
import pandas as pd

from geonb import checks, random_streams, resampling


def bounds(unit, low="low", high="high"):
    """Meanings of the columns of an interval, for the meanings of a table."""
    return {
        low: f"lower bound of its 95 % interval, blocks drawn again; missing below 20 blocks [{unit}]",
        high: f"upper bound of it [{unit}]",
    }


ROW = {"split": "how test photos are kept away from training photos", "method": "method, baseline or ceiling"}
RATIOS = {
    **ROW,
    "ratio": "its geometric mean error over that of the other, errors below 1 m as 1 m [-]",
    **bounds("-"),
    "p": "two-sided p of the redraws [-]",
    "p_holm": "p adjusted for the methods of the split by Holm's rule [-]",
    "verdict": "what may be said",
}
SHARES = {
    **ROW,
    "within_m": "distance within which photos are counted [m]",
    "share": "share of its test photos within it, over all seeds [-]",
    "difference": "that share minus the other method's, with its interval [-]",
    **bounds("-"),
}


def redraws(seed_count, blocks, replicates, seed):
    """(runs, photos): indices with replacement of trainings, and of all photos of blocks; none below 20 blocks."""
    resampling.check_replicates(replicates)
    members = [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    if len(members) < resampling.FEWEST_BLOCKS:
        return
    rng = random_streams.stream(seed, "block bootstrap")
    for _ in range(replicates):
        photos = np.concatenate([members[b] for b in rng.integers(0, len(members), len(members))])
        yield rng.integers(0, seed_count, seed_count), photos


def redrawn(statistic, values, blocks, *, replicates, seed):
    """Draws (replicates, ...) of a statistic of one (m,) or more, from values (seeds, n) or (n,) of the same photos.

    Seeds are drawn together; values of fewer seeds, as of a method that needs no training, take theirs in turn.
    """
    values = [np.atleast_2d(one) for one in values]
    named = dict(zip(("values", "values of the other"), (one.T for one in values), strict=False))
    checks.same_length(named | {"blocks": blocks})
    return np.array([
        statistic(*(one[np.ix_(runs % len(one), photos)].ravel() for one in values))
        for runs, photos in redraws(max(map(len, values)), blocks, replicates, seed)
    ])  # fmt: skip


def with_interval(statistic, values, blocks, *, replicates=500, seed=0):
    """(found, low, high), each (...), of a statistic of values, with its 95 % interval, see redrawn.

    blocks (n,): the block of each photo. With fewer than 20 the interval would be an illusion: NaN.
    """
    found = statistic(*map(np.ravel, values))
    drawn = redrawn(statistic, values, blocks, replicates=replicates, seed=seed)
    return found, *resampling.interval95(drawn.reshape(-1, *np.shape(found)))


def ratio_interval(parts, blocks, *, replicates=500, seed=0):
    """95 % interval (2,) of sum(parts[0]) / sum(parts[1]) of parts (2, n), drawing blocks (n,) again; NaN below 20."""
    checks.same_length({"parts": parts.T, "blocks": blocks})
    draws = redraws(1, blocks, replicates, seed)
    return resampling.interval95([np.divide(*parts[:, photos].sum(axis=1)) for _, photos in draws])


def log_m(error_m):
    """The logarithm of errors in metres; those below 1 m count as 1 m."""
    return np.log(np.maximum(error_m, 1))


def ratio_of_geometric_means(ours, other, blocks, *, replicates=500, seed=0):
    """(ratio, low, high, p) of geometric mean errors [m] (seeds, n) or (n,) of two methods, see redrawn and log_m.

    Not of medians: where about half of the photos meet the right city, a median jumps between a kilometre and hundreds
    of them with a single photo. p is two-sided: twice the share of redraws on the rarer side of 1.
    """
    ours, other = log_m(ours), log_m(other)
    drawn = redrawn(lambda a, b: a.mean() - b.mean(), (ours, other), blocks, replicates=replicates, seed=seed)
    ratio = float(np.exp(ours.mean() - other.mean()))
    return ratio, *np.exp(resampling.interval95(drawn)).tolist(), p_value(0.0, drawn)


def permuted(predicted, truth, groups, distance, statistic, *, permutations=999, seed=0):
    """(observed, null (permutations,)) of a statistic of distance(predicted, truth), truths permuted inside groups.

    Exact: the predictions stay, and under the null every order of the truths is equally likely.
    """
    checks.count("permutations", permutations)
    checks.same_length({"predicted": predicted, "truth": truth, "groups": groups})
    rng = random_streams.stream(seed, "permuted")
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    null, order = np.empty(permutations), np.arange(len(truth))
    for n in range(permutations):
        for own in members:
            order[own] = rng.permutation(own)
        null[n] = statistic(distance(predicted, truth[order]))
    return float(statistic(distance(predicted, truth))), null


def p_value(observed, null):
    """Two-sided p of an observed statistic among a null, itself counted in; NaN where one is or nothing was drawn."""
    if not len(null) or np.isnan(observed) or np.isnan(null).any():
        return np.nan
    below, above = (null <= observed).sum() + 1, (null >= observed).sum() + 1
    return float(min(1.0, 2 * min(below, above) / (len(null) + 1)))


def holm(p):
    """p values (k,) adjusted for k comparisons by Holm's step-down rule (1979); missing ones stay so, uncounted."""
    p = np.asarray(p, float)
    adjusted, known = np.full(len(p), np.nan), np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return adjusted


def by_seed(errors, column):
    """(values (seeds, n), block (n,)) of a column of one method's rows of errors.ERRORS, photos in one order."""
    # not pivot_table: a photo that stands twice in a run must be an error, not a mean
    wide = errors.pivot(index="photo_id", columns="seed", values=column)  # noqa: PD010
    block = errors.drop_duplicates("photo_id").set_index("photo_id").block.loc[wide.index]
    return wide.to_numpy().T, block.to_numpy()


def errors_of_two(errors, ours, other):
    """(errors (seeds, n) of ours, those of the other, block (n,)) of two methods in one split."""
    (a, blocks), (b, _) = (by_seed(errors[errors.method == name], "error_m") for name in (ours, other))
    return a, b, blocks


def ratios(errors, others, *, replicates=999, seed=0):
    """Methods against others (method -> other) in every split: columns RATIOS, Holm over the methods of a split."""
    rows = [
        (split, ours, *ratio_of_geometric_means(*errors_of_two(here, ours, other), replicates=replicates, seed=seed))
        for split, here in errors.groupby("split", sort=False)
        for ours, other in others.items()
    ]
    table = pd.DataFrame(rows, columns=list(RATIOS)[:-2])
    table = table.assign(p_holm=table.groupby("split").p.transform(holm))
    said = [verdict(row, others[row.method], compared=len(others)) for row in table.itertuples()]
    return table.assign(verdict=said)


def verdict(row, other, compared=1):
    """'It helps', 'It harms' or 'Not shown' as a sentence, from a row of RATIOS of its method over another."""
    size = "less than 1%" if abs(1 - row.ratio) < 0.005 else f"{abs(1 - row.ratio):.0%}"
    than = f"{size} {'smaller' if row.ratio < 1 else 'larger'} than that of {other}"
    change = f"the geometric mean error of {row.method} is {than}"
    if not (row.low <= row.high):
        return f"Not shown: {change}, but there are too few independent blocks for an interval."
    bounds = f"95 % interval of the ratio {row.low:.3f} to {row.high:.3f}"
    if row.low <= 1 <= row.high:
        return f"Not shown: {change}, within what chance explains ({bounds})."
    if row.p_holm >= 0.05:
        return f"Not shown: {change} ({bounds}), but with {compared} methods compared p is {row.p_holm:.2f} (Holm)."
    return f"It {'helps' if row.high < 1 else 'harms'} here: {change} ({bounds})."


def shown_to(word, table):
    """Rows of a table with columns RATIOS whose method is shown to do something: helps or harms."""
    return table[table.verdict.str.startswith(f"It {word}")]


def listed(names):
    """Names in a sentence: 'a, b', or 'none'."""
    return ", ".join(names) or "none"


def share_differences(errors, methods, other, within_m, *, replicates=999, seed=0):
    """Shares of photos within distances, every method against another one on the same photos (columns SHARES)."""
    rows = []
    for split, here in errors.groupby("split", sort=False):
        for method in methods:
            ours_m, theirs_m, blocks = errors_of_two(here, method, other)
            for limit_m in within_m:
                within = (ours_m <= limit_m).astype(float)
                gain = within - (theirs_m <= limit_m)
                found = with_interval(np.mean, (gain,), blocks, replicates=replicates, seed=seed)
                rows.append((split, method, limit_m, within.mean(), *found))
    return pd.DataFrame(rows, columns=list(SHARES))
