"""Intervals that respect space: whole blocks are drawn again, not single photos."""

import numpy as np

from geonb import checks, resampling
from geonb.earth import seeds


def block_bootstrap(values, blocks, statistics, *, replicates=500, seed=0):
    """95 % intervals (2, k) of k statistics of values (seeds, n), drawing blocks and seeds again together.

    blocks (n,): the block of each photo; statistics: values (m,) -> (k,). With fewer than 20 blocks the interval would
    be an illusion: NaN.
    """
    values = np.atleast_2d(values)
    checks.same_length({"values": values.T, "blocks": blocks})
    draws = list(redraws(len(values), blocks, replicates, seed))
    if not draws:
        return np.full((2, len(statistics(values.ravel()))), np.nan)
    drawn = [statistics(values[np.ix_(runs, photos)].ravel()) for runs, photos in draws]
    return np.quantile(drawn, [0.025, 0.975], axis=0)


def ratio_of_geometric_means(ours, other, blocks, *, replicates=500, seed=0):
    """(ratio, low, high, p) of geometric mean errors [m] of two methods on the same photos, (seeds, n), drawn together.

    Not of medians: where about half of the photos meet the right city, a median jumps between a kilometre and hundreds
    of them with a single photo. Errors below 1 m count as 1 m. Seeds are drawn in pairs; a method with fewer trainings,
    as one that needs none, takes its own in turn. p is two-sided: twice the share of redraws on the rarer side of 1.
    """
    ours, other = (np.log(np.maximum(np.atleast_2d(errors), 1)) for errors in (ours, other))
    checks.same_length({"errors": ours.T, "errors of the other": other.T, "blocks": blocks})
    drawn = [
        ours[np.ix_(runs % len(ours), photos)].mean() - other[np.ix_(runs % len(other), photos)].mean()
        for runs, photos in redraws(max(len(ours), len(other)), blocks, replicates, seed)
    ]
    low, high = np.exp(np.quantile(drawn, [0.025, 0.975])) if drawn else (np.nan, np.nan)
    p = p_value(0.0, np.array(drawn)) if drawn else np.nan
    return float(np.exp(ours.mean() - other.mean())), float(low), float(high), p


def ratio_of(statistic, ours, other, blocks, *, replicates=500, seed=0):
    """(ratio, low, high) of a statistic of errors (m,) of two methods on the same photos, (seeds, n), drawn together.

    Of medians it hangs on single photos, see ratio_of_geometric_means; other papers report it.
    """
    ours, other = np.atleast_2d(ours), np.atleast_2d(other)
    checks.same_length({"errors": ours.T, "errors of the other": other.T, "blocks": blocks})
    drawn = [
        statistic(ours[np.ix_(runs % len(ours), photos)].ravel())
        / statistic(other[np.ix_(runs % len(other), photos)].ravel())
        for runs, photos in redraws(max(len(ours), len(other)), blocks, replicates, seed)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975]) if drawn else (np.nan, np.nan)
    return float(statistic(ours.ravel()) / statistic(other.ravel())), float(low), float(high)


def holm(p):
    """p values (k,) adjusted for k comparisons by Holm's step-down rule (1979); missing ones stay so, uncounted."""
    p = np.asarray(p, float)
    adjusted, known = np.full(len(p), np.nan), np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return adjusted


def redraws(seed_count, blocks, replicates, seed):
    """(runs, photos): indices with replacement of trainings, and of all photos of blocks; none below 20 blocks."""
    resampling.check_replicates(replicates)
    members = [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    if len(members) < resampling.FEWEST_BLOCKS:
        return
    rng = seeds.stream(seed, "block bootstrap")
    for _ in range(replicates):
        photos = np.concatenate([members[b] for b in rng.integers(0, len(members), len(members))])
        yield rng.integers(0, seed_count, seed_count), photos


def ratio_interval(parts, blocks, *, replicates=500, seed=0):
    """95 % interval (2,) of sum(parts[0]) / sum(parts[1]) of parts (2, n), drawing blocks (n,) again; NaN below 20."""
    checks.same_length({"parts": parts.T, "blocks": blocks})
    drawn = [np.divide(*parts[:, photos].sum(axis=1)) for _, photos in redraws(1, blocks, replicates, seed)]
    return np.quantile(drawn, [0.025, 0.975]) if drawn else np.array([np.nan, np.nan])


def permuted(predicted, truth, groups, distance, statistic, *, permutations=999, seed=0):
    """(observed, null (permutations,)) of a statistic of distance(predicted, truth), truths dealt anew inside groups.

    Exact: the predictions stay, and under the null every dealing of the truths is equally likely.
    """
    checks.count("permutations", permutations)
    checks.same_length({"predicted": predicted, "truth": truth, "groups": groups})
    rng = seeds.stream(seed, "permuted")
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    null = np.empty(permutations)
    for n in range(permutations):
        dealt = np.arange(len(truth))
        for own in members:
            dealt[own] = rng.permutation(own)
        null[n] = statistic(distance(predicted, truth[dealt]))
    return float(statistic(distance(predicted, truth))), null


def p_value(observed, null):
    """Two-sided p of an observed statistic among those of an exact permutation null, itself counted in.

    NaN where a statistic is not defined: no comparison with NaN holds, and it would look like the rarest of all.
    """
    if np.isnan(observed) or np.isnan(null).any():
        return np.nan
    below, above = (null <= observed).sum() + 1, (null >= observed).sum() + 1
    return float(min(1.0, 2 * min(below, above) / (len(null) + 1)))


def verdict(ratio, low, high, *, ours, other, quantity="median error", p_holm=0.0, compared=1):
    """'helps', 'not shown' or 'harms' as a sentence, from a ratio ours / other with its 95 % interval.

    Without an interval (NaN bounds) nothing is claimed, nor where p adjusted for all compared methods is 0.05 or more.
    """
    size = "less than 1%" if abs(1 - ratio) < 0.005 else f"{abs(1 - ratio):.0%}"
    change = f"the {quantity} of {ours} is {size} {'smaller' if ratio < 1 else 'larger'} than that of {other}"
    if not (low <= high):
        return f"Not shown: {change}, but there are too few independent blocks for an interval."
    bounds = f"95 % interval of the ratio {low:.3f} to {high:.3f}"
    if (high < 1 or low > 1) and p_holm >= 0.05:
        return f"Not shown: {change} ({bounds}), but with {compared} methods compared p is {p_holm:.2f} (Holm)."
    if high < 1:
        return f"It helps here: {change} ({bounds})."
    if low > 1:
        return f"It harms here: {change} ({bounds})."
    return f"Not shown: {change}, within what chance explains ({bounds})."
