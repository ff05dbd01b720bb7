"""Does it carry over to new places? Leakage into test photos; errors against chance, by city, by what trained near."""

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from geonb import checks, resampling
from geonb.earth import sphere
from geonb.measuring import coherence, significance
from geonb.measuring.errors import ERRORS, geometric_mean_m
from geonb.splitting.splits import in_sequences_of

FEWEST_PHOTOS = 20  # of a method that are in the right city: with fewer no null is drawn
LEAKAGE = {
    "split": ERRORS["split"],
    "share_within_range": "share of test photos with a training photo nearer than the yardstick [share]",
    **significance.bounds("share"),
    "shared_sequences": "test photos whose sequence also trains [count]",
    "test_photos": "test photos [count]",
}
WITHIN_CITY = {
    **significance.ROW,
    "n": "test photos that count [count]",
    "median_error_m": "median error of these photos [m]",
    "null_low": "2.5th percentile of it over truths permuted [m]",
    "null_high": "97.5th percentile [m]",
    "p": "two-sided p against the exact permutation null [-]",
    "p_holm": "p adjusted by Holm's rule for all methods of the split [-]",
}
BY_CITY = {
    "split": ERRORS["split"],
    "city": "city of the test photos",
    "range_m": "effective range of the features in the pilot district of the city; missing when flagged [m]",
    "ratio": "geometric mean error over that of the other method [-]",
    **significance.bounds("-"),
    "n": "test photos [count]",
}
SURROUNDINGS = {
    "method": "method",
    "about": "what the test photos are parted by: nearest_m, the way to the nearest training photo, or count, the "
    "training photos around",
    "from": "least of it among the photos of the part [m or count]",
    "to": "most of it [m or count]",
    "error_m": "geometric mean of 1 m + error, mean over seeds [m]",
    **significance.bounds("m"),
    "n": "test photos of the part [count]",
}
BY_DISTANCE = {
    **significance.ROW,
    "kind": ERRORS["kind"],
    "from_m": "lower edge of the distances to the nearest training photo [m]",
    "to_m": "upper edge [m]",
    "nearest_train_m": "their median [m]",
    "error_m": "geometric mean error of the test photos there [m]",
    "n": "test photos [count]",
}


def leakage(parts, lat_lon_deg, sequence_id, blocks, *, within_m, seed=0):
    """How much of the test photos of each split (split -> part (n,)) training has as good as seen: columns LEAKAGE."""
    rows = []
    for name, part in parts.items():
        test, train = part == "test", part == "train"
        near = sphere.nearest(lat_lon_deg[test], lat_lon_deg[train])[1] < within_m
        interval = significance.ratio_interval(np.stack([near, np.ones(len(near))]), blocks[test], seed=seed)
        shared = in_sequences_of(sequence_id, train)[test]
        rows.append((name, near.mean(), *interval, int(shared.sum()), len(near)))
    return pd.DataFrame(rows, columns=list(LEAKAGE))


def within_city(errors, *, permutations, seed=0):
    """Median errors beside their exact null (columns WITHIN_CITY), one row per split and method.

    errors: of one seed, with columns errors.ERRORS. Only photos of a city that the method placed in it count: their
    truths are permuted inside each city. A method with fewer than FEWEST_PHOTOS such photos has no null and no p.
    """
    rows = []
    for key, group in errors.groupby(["split", "method"], sort=False):
        own, found = group[group.right_city], [np.nan] * 4
        if len(own) >= FEWEST_PHOTOS:
            truth, predicted = (own[[f"{end}lat_deg", f"{end}lon_deg"]].to_numpy() for end in ("", "predicted_"))
            given = predicted, truth, own.city.to_numpy(), sphere.distance_m, np.median
            value, null = significance.permuted(*given, permutations=permutations, seed=seed)
            found = [value, *resampling.interval95(null), significance.p_value(value, null)]
        rows.append((*key, len(own), *found))
    table = pd.DataFrame(rows, columns=list(WITHIN_CITY)[:-1])
    return table.assign(p_holm=table.groupby("split").p.transform(significance.holm))


def by_city(errors, ours, other, pilot_fits, *, replicates, seed=0):
    """The ratio of the geometric mean errors of two methods in every city (columns BY_CITY), if both are there."""
    range_m, rows = pilot_fits.set_index("city").effective_range_m, []
    both = errors if {ours, other} <= set(errors.method) else errors[:0]
    for (split, city), own in both.groupby(["split", "city"]):
        given = significance.errors_of_two(own, ours, other)
        ratio = significance.ratio_of_geometric_means(*given, replicates=replicates, seed=seed)[:3]
        rows.append((split, city, range_m.get(city, np.nan), *ratio, own.photo_id.nunique()))
    return pd.DataFrame(rows, columns=list(BY_CITY))


def by_distance(errors, nearest):
    """Geometric mean errors by distance to the nearest training photo (columns BY_DISTANCE), in quarters of a split.

    nearest: split, photo_id, nearest_train_m.
    """
    rows = []
    for split, own in nearest.groupby("split", sort=False):
        edges_m = np.unique(np.quantile(own.nearest_train_m, np.linspace(0, 1, 5)))
        both = errors[errors.split == split].merge(own[["photo_id", "nearest_train_m"]], on="photo_id")
        number = np.digitize(both.nearest_train_m, edges_m[1:-1])
        for (name, kind, k), group in both.groupby(["method", "kind", number], sort=False):
            edges = edges_m[k], edges_m[min(k + 1, len(edges_m) - 1)], group.nearest_train_m.median()
            rows.append((split, name, kind, *edges, geometric_mean_m(group.error_m), group.photo_id.nunique()))
    table = pd.DataFrame(rows, columns=list(BY_DISTANCE))
    return table.sort_values(["split", "method", "from_m"], ignore_index=True)


def by_surroundings(errors, train_lat_lon_deg, *, radius_m, seed=0):
    """Errors (errors.ERRORS) where training photos (m, 2) are near or far, many or few: columns SURROUNDINGS.

    Test photos are parted at quartiles of the way to the nearest training photo, and of how many lie within radius_m.
    """
    checks.number("radius_m", radius_m, above=0)
    tree, rows = cKDTree(sphere.unit_xyz(train_lat_lon_deg)), []
    for method, group in errors.groupby("method", sort=False):
        photos = coherence.one_per_photo(group)
        at = photos[["lat_deg", "lon_deg"]].to_numpy()
        around = tree.query_ball_point(sphere.unit_xyz(at), radius_m / sphere.EARTH_RADIUS_M, return_length=True)
        for about, values in (("nearest_m", sphere.nearest(at, train_lat_lon_deg)[1]), ("count", around)):
            part = np.nan_to_num(pd.qcut(values, 4, labels=False, duplicates="drop"))  # NaN where all are alike
            for own in (part == k for k in np.unique(part)):
                logs, blocks = photos.log_error.to_numpy()[own], photos.block.to_numpy()[own]
                sums = np.stack([logs, np.ones(len(logs))])
                means = logs.mean(), *significance.ratio_interval(sums, blocks, replicates=300, seed=seed)
                rows.append((method, about, values[own].min(), values[own].max(), *10 ** np.array(means), len(logs)))
    return pd.DataFrame(rows, columns=list(SURROUNDINGS))


def answer(within, cities, ours, other, *, several=True):
    """What carries over (WITHIN_CITY), and, of several cities, whether ours over the other differs there (BY_CITY)."""
    known, shown = within[within.p.notna()], cities.dropna(subset="low")
    better = known.split[(known.p_holm < 0.05) & (known.median_error_m < known.null_low)]
    counts = known.split.value_counts(sort=False).items()
    counts = significance.listed([f"{(better == split).sum()} of {count} in {split}" for split, count in counts])
    differ = ((shown.low > 1) | (shown.high < 1)).sum()
    differing = (
        f" Cities in which the error of {ours} is shown to differ from that of {other}, before any correction: "
        f"{differ} of {len(shown)}."
    )
    return (
        "Methods that know more than chance about where in the right city a photo lies, of those that placed "
        f"{FEWEST_PHOTOS} test photos in it: {counts}.{differing if several else ''}"
    )
