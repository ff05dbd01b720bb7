"""Errors of localisation: what a table of them holds, how it is summed up, and what comparisons say in words."""

import numpy as np
import pandas as pd

from geonb import checks
from geonb.earth import sphere
from geonb.learning.decoding import PREDICTED
from geonb.measuring import significance
from geonb.splitting.splits import blocks_of

ERRORS = {
    **significance.ROW,
    "kind": "method, trivial (a baseline) or reference (a ceiling)",
    "seed": "seed of the training",
    **{name: PREDICTED[name] for name in ("photo_id", "city")},
    "block": "block of the photo, drawn again as a whole in intervals",
    **PREDICTED,
}
# the first five within a city, the last five as im2gps and its successors report them
NEAR_M = {
    "25m": 25, "50m": 50, "100m": 100, "250m": 250, "500m": 500,
    "1km": 1_000, "25km": 25_000, "200km": 200_000, "750km": 750_000, "2500km": 2_500_000,
}  # fmt: skip
UNITS = (
    dict.fromkeys(("median_error_m", "mean_error_m", "p90_error_m"), "m")
    | dict.fromkeys((f"share_within_{name}" for name in NEAR_M), "share")
    | {"geoscore": "points", "share_right_city": "share"}
)
COMPARE = {
    **significance.ROW,
    "kind": ERRORS["kind"],
    "metric": "what is measured",
    "value": "over all seeds and test photos [unit in column unit]",
    **significance.bounds("unit in column unit"),
    "unit": "m, share or points",
    "seeds": "trainings [count]",
    "n": "test photos [count]",
}
ADMINISTRATIVE = {
    **significance.ROW,
    "level": "country, region, subregion or town of GeoNames, or country, city or district of the catalogue",
    "share": "share of the test photos whose chosen place has the right name there, over all seeds [-]",
    **significance.bounds("-"),
    "n": "test photos whose place has a name there [count]",
}
SUREST = {
    **significance.ROW,
    "rank_correlation": "Spearman's of similarity and minus error, mean over seeds [-]",
    "surest_m": "geometric mean error of the quarter of the photos with the largest similarity [m]",
    "all_m": "geometric mean error of all [m]",
}
THREATS = {
    "split": significance.ROW["split"],
    "leakage": "share of test photos with a training photo nearer than the yardstick [share]",
    "validation_photos": "photos that choose the step and, once, the parameters [count]",
    "trainings": "trainings of all methods and seeds [count]",
    "still_improving": "of them, those that improved by 2 % or more in their last fifth [count]",
    "compared": "methods compared with clip [count]",
    "shown": "of them, those shown to help or to harm, after Holm's correction [count]",
}


def all_errors(untrained, predicted, block_size_m):
    """A table with columns ERRORS of the predictions of each method (method -> table), and baselines.untrained."""
    tables = [table.assign(method=name, kind="method") for name, table in predicted.items()]
    found = pd.concat([*tables, untrained], ignore_index=True)
    return found.assign(block=blocks_of(found, block_size_m))[list(ERRORS)]


def statistics(error_m):
    """The metrics of errors (n,), those of UNITS but the last, as an array."""
    shares = [(error_m <= bound).mean() for bound in NEAR_M.values()]
    return np.array([np.median(error_m), error_m.mean(), np.quantile(error_m, 0.9), *shares, geoscore(error_m).mean()])


def geoscore(error_m):
    """Points of the game GeoGuessr, as OpenStreetView-5M counts them (arXiv 2404.18873): 5000 exp(-d / 1492.7 km)."""
    return 5000 * np.exp(-error_m / 1_492_700)


def geometric_mean_m(error_m):
    """Geometric mean of errors (n,) in metres; those below 1 m count as 1 m."""
    return np.exp(significance.log_m(error_m).mean())


def compare(errors, *, replicates=500, seed=0):
    """One row per split, method and metric with its interval (columns COMPARE), from a table with columns ERRORS."""
    rows = []
    for key, group in errors.assign(right=errors.right_city.astype(float)).groupby(list(COMPARE)[:3], sort=False):
        found = []
        for column, statistic in (("error_m", statistics), ("right", np.mean)):
            values, blocks = significance.by_seed(group, column)
            found.append(significance.with_interval(statistic, (values,), blocks, replicates=replicates, seed=seed))
        metrics = zip(UNITS, *np.column_stack(found), UNITS.values(), strict=True)
        rows += [(*key, *metric, *values.shape) for metric in metrics]
    return pd.DataFrame(rows, columns=list(COMPARE))


def headline(compared, density, table):
    """Headline rows '<metric>.<split>.<density>.<method>' of some metrics of COMPARE."""
    metrics = ("median_error_m", "p90_error_m", "share_within_100m", "share_within_250m", "share_right_city")
    rows = compared[compared.metric.isin(metrics)]
    return rows.assign(key=rows.metric + "." + rows.split + f".{density}." + rows.method, table=table)


def headline_ratios(errors, ours, other, density, table, *, replicates=200, seed=0):
    """Headline rows '<ratio>.<split>.<density>.<ours>_over_<other>' of median, mean and geometric mean errors."""
    centres, rows = {"median": np.median, "mean": np.mean, "geometric_mean": geometric_mean_m}, []
    ratios_of = lambda a, b: np.array([centre(a) / centre(b) for centre in centres.values()])  # noqa: E731
    for split, here in errors.groupby("split", sort=False):
        *both_m, blocks = significance.errors_of_two(here, ours, other)
        found = significance.with_interval(ratios_of, both_m, blocks, replicates=replicates, seed=seed)
        rows += [
            (f"{name}_error_ratio.{split}.{density}.{ours}_over_{other}", *values, "ratio", *both_m[0].shape, table)
            for name, *values in zip(centres, *found, strict=True)
        ]
    return pd.DataFrame(rows, columns=["key", "value", "low", "high", "unit", "seeds", "n", "table"])


def administrative(errors, names_of, *, replicates=500, seed=0):
    """Shares of photos whose chosen place has the right name at each level (columns ADMINISTRATIVE).

    names_of: positions (n, 2) -> table of names by level. Photos without a name at a level ('') do not count there.
    """
    truth, chosen = (names_of(errors[[f"{side}lat_deg", f"{side}lon_deg"]].to_numpy()) for side in ("", "predicted_"))
    rows = []
    for level in truth.select_dtypes(exclude="number"):
        known = (truth[level] != "").to_numpy()
        right = errors[known].assign(right=(truth[level] == chosen[level]).to_numpy()[known].astype(float))
        for (split, method), group in right.groupby(["split", "method"], sort=False):
            values, blocks = significance.by_seed(group, "right")
            found = significance.with_interval(np.mean, (values,), blocks, replicates=replicates, seed=seed)
            rows.append((split, method, level, *found, len(blocks)))
    return pd.DataFrame(rows, columns=list(ADMINISTRATIVE))


def same_steps(curves):
    """Best validation error [m] reached by a number of steps, geometric mean over seeds: split, method, steps."""
    seen, run = curves.dropna(subset="validation_error_m"), ["split", "method", "seed"]
    steps = np.sort(seen.step.unique())
    looks = np.unique(np.round(np.array([0, 0.1, 0.25, 0.5, 1]) * (len(steps) - 1)).astype(int))
    best = {step: seen[seen.step <= step].groupby(run).validation_error_m.min() for step in steps[looks]}
    means = np.exp(np.log(pd.DataFrame(best)).groupby(["split", "method"]).mean())
    return means.rename_axis(columns="validation error [m] by step").reset_index()


def surest(predicted):
    """Whether similarity tells when a method is right (columns SUREST); predicted: method -> table with similarity."""
    from scipy.stats import spearmanr

    rows = []
    for name, table in predicted.items():
        for split, own in table.groupby("split", sort=False):
            runs = [run for _, run in own.groupby("seed")]
            known = [spearmanr(run.similarity, -run.error_m)[0] for run in runs if np.ptp(run.similarity) > 0]
            sure = pd.concat([run.nlargest(max(1, round(len(run) / 4)), "similarity") for run in runs])
            means = (geometric_mean_m(part.error_m) for part in (sure, own))
            rows.append((split, name, np.mean(known) if known else np.nan, *means))
    return pd.DataFrame(rows, columns=list(SUREST))


def recall_paradox(errors):
    """R@1 beside the median error of each method: split, method, nearest (share), within_50m (share), median_error_m.

    nearest: the chosen place is the one of the gallery nearest to the truth, so its error is that of gallery_floor.
    """
    floor_m = errors[errors.method == "gallery_floor"].set_index(["split", "photo_id"]).error_m.rename("floor_m")
    rows = errors[errors.kind != "reference"].join(floor_m, on=["split", "photo_id"])
    checks.finite("gallery_floor", rows.floor_m)  # nothing is as near as a place that is not known
    rows = rows.assign(nearest=rows.error_m <= rows.floor_m + 0.5, within_50m=rows.error_m <= 50)
    means = {"nearest": "mean", "within_50m": "mean", "error_m": "median"}
    found = rows.groupby(["split", "method"], sort=False).agg(means).reset_index()
    return found.rename(columns={"error_m": "median_error_m"})


def threats(parts, leakage, runs, ratios):
    """What could fool a reader (columns THREATS), from split and part of photos, new_places.LEAKAGE, training.RUNS of
    all methods and significance.RATIOS.
    """
    found = runs.groupby("split", sort=False).still_improving.agg(trainings="size", still_improving="sum")
    shown = ~ratios.verdict.str.startswith("Not shown")
    found = found.join(shown.groupby(ratios.split).agg(compared="size", shown="sum"))
    found["validation_photos"] = (parts.part == "validation").groupby(parts.split).sum()
    found = found.fillna(0).astype(int).assign(leakage=leakage.set_index("split").share_within_range)
    return found.reset_index()[list(THREATS)]


def answer_nearest(nearest, asked, city):
    """What the most similar photos of other drives say: how many have one, and where it lies.

    nearest: table with same_city and distance_m of those of `asked` photos that have one; city (n,): of all photos.
    """
    if nearest.empty:
        return f"None of the {asked} photos has one of another drive to compare it with."
    chance = (pd.Series(city).value_counts(normalize=True) ** 2).sum()
    lies = (
        f"For {nearest.same_city.mean():.0%} of the photos the most similar one of another drive lies in the same city "
        f"(drawn at random it would be {chance:.0%}); the median distance to it is"
    )
    if len(set(city)) == 1:
        lies = "The median distance to the most similar photo of another drive is"
    return f"{lies} {sphere.length(nearest.distance_m.median())}. {asked - len(nearest)} of {asked} photos have none."


def answer(compared, split, methods, ratios, *, several=True):
    """What a comparison (COMPARE, RATIOS) says; several: whether there is more than one city to be right about."""
    values = compared[compared.split == split].pivot_table(index="method", columns="metric", values="value")
    medians, right = values.median_error_m, values.share_right_city
    best, frozen = medians.loc[list(methods)].idxmin(), medians["frozen_nearest"]
    first = (
        f"In split {split} the smallest median error of a trained method is {sphere.length(medians[best])} ({best}); "
        f"the frozen nearest neighbour reaches {sphere.length(frozen)} without training."
    )
    if several:
        jumps = ", and near one half a median jumps" if 0.3 < right[best] < 0.7 else ""
        both = f"{right[best]:.0%} and {right['frozen_nearest']:.0%}"
        first += f" They place {both} of the photos in the right city{jumps}."
    own = ratios[ratios.split == split]
    better = significance.listed(significance.shown_to("helps", own).method)
    shown = f"Of {len(own)} methods {better} is shown to be better than clip."
    return " ".join([first, *own[own.method == "sw_clip"].verdict, *([shown] if len(own) > 1 else [])])


def introduction(compared, split, ratios, *, several=True):
    """The sentences with which the book begins, from COMPARE and RATIOS: clip and sw_clip in one split; see answer."""
    values = compared[compared.split == split].pivot_table(index="method", columns="metric", values="value")
    metric, told = ("share_right_city", "{:.0%}".format) if several else ("median_error_m", sphere.length)
    clip, ours, frozen = (
        told(values[metric][name]) if name in values.index else "(not trained)"
        for name in ("clip", "sw_clip", "frozen_nearest")
    )
    first = f"ordinary CLIP training places {clip} of the test photos in the right city, SW-CLIP {ours}, and"
    if not several:
        first = f"ordinary CLIP training has a median error of {clip}, SW-CLIP one of {ours}, and"
    neighbour = "the nearest neighbour in the features of a ready-made tower, which was not trained on these"
    first = f"{first} {neighbour} {'cities' if several else 'photos'}, {frozen}."
    floor_m = values.median_error_m["gallery_floor"]
    best = f"The best possible answer from the same places would be {sphere.length(floor_m)} away."
    verdict = " ".join(ratios[(ratios.split == split) & (ratios.method == "sw_clip")].verdict)
    # photos that share their positions with those that trained have a best answer of 0 m, whatever a model knows
    said = [first, *([best] if floor_m >= 1 else []), verdict or "Only one of the two methods was trained."]
    return " ".join(said)
