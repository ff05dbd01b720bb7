"""Does it carry over to new places? What is found where no photo trained: against chance, by city, by distance."""

import numpy as np
import pandas as pd

from geonb import checks
from geonb.earth import sphere
from geonb.measuring import errors as geolocation
from geonb.measuring import inference as uncertainty

FEWEST_PHOTOS = 20  # of a method that are in the right city: with fewer no null is drawn
NULL = {
    "split": "how test photos are kept away",
    "method": "method",
    "n": "test photos that count [count]",
    "median_error_m": "median error of these photos [m]",
    "null_low": "2.5th percentile of it over truths dealt anew [m]",
    "null_high": "97.5th percentile [m]",
    "p": "two-sided p against the exact permutation null [-]",
    "p_holm": "p adjusted by Holm's rule for all methods of the split [-]",
}
BY_CITY = {
    "split": "how test photos are kept away",
    "city": "city of the test photos",
    "range_m": "effective range of the features in the pilot district of the city; missing when flagged [m]",
    "ratio": "geometric mean error over that of the other method [-]",
    "low": "lower bound of its 95 % interval; missing below 20 blocks [-]",
    "high": "upper bound [-]",
    "n": "test photos [count]",
}
BY_DISTANCE = {
    "split": "how test photos are kept away",
    "method": "method, trivial row or reference",
    "kind": "which of these it is",
    "from_m": "lower edge of the distances to the nearest training photo [m]",
    "to_m": "upper edge [m]",
    "nearest_train_m": "their median [m]",
    "error_m": "geometric mean error of the test photos there [m]",
    "n": "test photos [count]",
}


def nulls(errors, *, inside_cities, permutations, seed=0):
    """Median errors beside their exact null (columns NULL), one row per split and method.

    errors: of one seed, with columns geolocation.ERRORS. The answers stay and the truths are dealt anew: among all test
    photos, or with inside_cities among those of a city that the method placed in it, which leaves what it knows of
    where in a city a photo lies. A method with fewer than 20 such photos has no null: it counts for no p.
    """
    checks.count("permutations", permutations)
    rows = []
    for (split, name), group in errors.groupby(["split", "method"], sort=False):
        own = group[group.right_city] if inside_cities else group
        truth, found = (own[[f"{end}lat_deg", f"{end}lon_deg"]].to_numpy() for end in ("", "predicted_"))
        groups = own.city.to_numpy() if inside_cities else np.zeros(len(own))
        if len(own) < FEWEST_PHOTOS:
            rows.append((split, name, len(own), np.nan, np.nan, np.nan, np.nan, np.nan))
            continue
        value, drawn = uncertainty.permuted(
            found, truth, groups, sphere.distance_m, np.median, permutations=permutations, seed=seed
        )
        bounds = np.quantile(drawn, [0.025, 0.975])
        rows.append((split, name, len(own), value, *bounds, uncertainty.p_value(value, drawn), np.nan))
    table = pd.DataFrame(rows, columns=list(NULL))
    return table.assign(p_holm=table.groupby("split").p.transform(uncertainty.holm))


def by_city(errors, ours, other, ranges_m, *, replicates, seed=0):
    """The ratio of the geometric mean errors of two methods in every city (columns BY_CITY).

    errors: with method, split, seed, city, block; ranges_m: city -> fitted range of its pilot photos [m].
    """
    rows = []
    for (split, city), own in errors.groupby(["split", "city"], sort=True):
        found = geolocation.ratio(own, split, ours, other, replicates=replicates, seed=seed)[:3]
        rows.append((split, city, ranges_m.get(city, np.nan), *found, own.photo_id.nunique()))
    return pd.DataFrame(rows, columns=list(BY_CITY))


def by_distance(errors, nearest, *, bins):
    """Geometric mean errors by distance to the nearest training photo (columns BY_DISTANCE), in bins of equal count.

    nearest: split, photo_id, nearest_train_m, as 04_splits saves it; bins are cut anew in every split.
    """
    checks.count("distance_bins", bins)
    rows = []
    for split, own in nearest.groupby("split", sort=False):
        edges_m = np.unique(np.quantile(own.nearest_train_m, np.linspace(0, 1, bins + 1)))
        both = errors[errors.split == split].merge(own[["photo_id", "nearest_train_m"]], on="photo_id")
        number = np.digitize(both.nearest_train_m, edges_m[1:-1])
        rows += [
            (split, name, kind, edges_m[k], edges_m[min(k + 1, len(edges_m) - 1)], group.nearest_train_m.median(),
             geolocation.geometric_mean_m(group.error_m), group.photo_id.nunique())
            for (name, kind, k), group in both.groupby(["method", "kind", number], sort=False)
        ]  # fmt: skip
    table = pd.DataFrame(rows, columns=list(BY_DISTANCE))
    return table.sort_values(["split", "method", "from_m"], ignore_index=True)


def answer(nulls, cities, splits, ours, other):
    """What carries over, in a sentence per split, and whether ours over the other differs between cities."""
    said = []
    for split in splits:
        own = nulls[(nulls.split == split) & nulls.p.notna()]
        if own.empty:
            said.append(f"In {split} no method placed {FEWEST_PHOTOS} test photos in the right city: there is no null.")
            continue
        better = own[(own.p_holm < 0.05) & (own.median_error_m < own.null_low)]
        low, high = (sphere.length(value) for value in (own.median_error_m.min(), own.median_error_m.max()))
        said.append(
            f"In {split} {len(better)} of {len(own)} methods know more than chance about where in the right city a "
            f"photo lies (median errors there {low} to {high})."
        )
    shown = cities.dropna(subset="low")
    differ = shown[(shown.low > 1) | (shown.high < 1)]
    if len(shown):
        said.append(
            f"City by city the error of {ours} is {shown.ratio.min():.2f} to {shown.ratio.max():.2f} times that of "
            f"{other}; {len(differ)} of {len(shown)} intervals leave 1 out, before any correction."
        )
    return " ".join(said)
