"""Localisation by retrieval: the gallery place most similar to a photo is where it is taken to be."""

import numpy as np
import pandas as pd

from geonb import checks
from geonb.earth import seeds, sphere
from geonb.learning import decoding
from geonb.measuring import inference as uncertainty

# the first five within a city, the last five as im2gps and its successors report them
NEAR_M = {
    "25m": 25, "50m": 50, "100m": 100, "250m": 250, "500m": 500,
    "1km": 1_000, "25km": 25_000, "200km": 200_000, "750km": 750_000, "2500km": 2_500_000,
}  # fmt: skip
METRICS = ("median_error_m", "mean_error_m", "p90_error_m", *(f"share_within_{name}" for name in NEAR_M), "geoscore")
UNITS = {
    name: "m" if name.endswith("_m") else "points" if name == "geoscore" else "share"
    for name in (*METRICS, "share_right_city")
}
TRIVIAL = {
    "chance": "a random place of the gallery",
    "mode": "the one training place that is nearest to all training photos in the median",
    "city_centroid": "the centre of the training photos of the city of the frozen nearest neighbour",
    "frozen_nearest": "the place of the training photo with the most similar frozen features: training places only",
    "zero_shot": "the place whose name the frozen tower takes to be most like the photo: street, city, country",
}
REFERENCES = {
    "gallery_floor": "the gallery place nearest to the truth: what perfect retrieval would reach",
    "field_reference": "the gallery place most similar in the planted fields: what perfect features could reach",
}


def answer_nearest(nearest, asked, city):
    """What the most similar photos of other drives say, in a sentence or two: how many have one, and where it lies.

    nearest: table with same_city and distance_m of those of `asked` photos that have one; city (n,): of all photos.
    """
    none = asked - len(nearest)
    if nearest.empty:
        return f"None of the {asked} photos that are asked has another drive to compare it with: nothing is told."
    chance = (pd.Series(city).value_counts(normalize=True) ** 2).sum()
    said = (
        f"For {nearest.same_city.mean():.0%} of the photos the most similar other one lies in the same city (drawn at "
        f"random it would be {chance:.0%}); the median distance to it is {sphere.length(nearest.distance_m.median())}."
    )
    return f"{said} {none} of {asked} photos have no photo of another drive and do not count." if none else said


def statistics(error_m):
    """The METRICS of errors (n,) as an array."""
    shares = [(error_m <= bound).mean() for bound in NEAR_M.values()]
    return np.array([np.median(error_m), error_m.mean(), np.quantile(error_m, 0.9), *shares, geoscore(error_m).mean()])


def geoscore(error_m):
    """Points of the game GeoGuessr, as OpenStreetView-5M counts them (arXiv 2404.18873): 5000 exp(-d / 1492.7 km)."""
    return 5000 * np.exp(-error_m / 1_492_700)


def geometric_mean_m(error_m):
    """Geometric mean of errors (n,) in metres; those below 1 m count as 1 m."""
    return np.exp(np.log(np.maximum(error_m, 1)).mean())


# ---- the rows every table needs --------------------------------------------------------------------------------------
def rivals(photos, features, parts, galleries, own_fields, gallery_fields, *, gallery_texts=None, seed):
    """Predictions of the TRIVIAL rows and the REFERENCES in each split, with columns split, method, kind and seed.

    photos: table of all photos; features (n, d); parts, galleries: by split; own_fields (n, K) and gallery_fields by
    split, or None where nothing was planted; gallery_texts: split -> (m, d) what the frozen tower reads in the names of
    its places, or None: then without zero_shot.
    """
    tables = []
    for split, part in parts.items():
        test, train = np.flatnonzero(part == "test"), np.flatnonzero(part == "train")
        known = split == "unseen_city"
        sides = photos.iloc[test], photos.iloc[train], galleries[split]
        texts = None if gallery_texts is None else gallery_texts[split]
        rows = {"trivial": trivial(*sides, features[test], features[train], texts, seed=seed, city_known=known)}
        fields = (None, None) if own_fields is None else (own_fields[test], gallery_fields[split])
        rows["reference"] = references(sides[0], galleries[split], *fields, city_known=known)
        tables += [
            table.assign(split=split, method=name, kind=kind, seed=seed)
            for kind, named in rows.items() for name, table in named.items()
        ]  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def trivial(photos, train, gallery, test_features, train_features, gallery_text=None, *, seed, city_known=False):
    """Predictions of the TRIVIAL rows, as name -> table. photos: the test photos; train, gallery: tables of places.

    gallery_text (m, d): see rivals.
    """
    nearest = decoding.most_similar(test_features, train_features)[0]
    centroids = centroids_of(train)
    chosen_city = centroids.set_index("city").index.get_indexer(train.city.iloc[nearest])
    rng = seeds.stream(seed, "chance")
    chance = by_city(lambda q, g: rng.integers(0, len(g), len(q)), photos, gallery, city_known)
    found = {
        "chance": decoding.predictions(photos, gallery, chance),
        "mode": decoding.predictions(photos, train, np.full(len(photos), best_constant(train))),
        "city_centroid": decoding.predictions(photos, centroids, chosen_city),
        "frozen_nearest": decoding.predictions(photos, train, nearest),
    }
    if gallery_text is None:
        return found
    read = by_city(
        lambda q, g: decoding.most_similar(test_features[q], gallery_text[g])[0], photos, gallery, city_known
    )
    return found | {"zero_shot": decoding.predictions(photos, gallery, read)}


def by_city(choose, photos, gallery, city_known):
    """Indices (n,) into the gallery from choose(photo indices, gallery indices), within the photo's city if known.

    ValueError for a photo of a city of which the gallery has no place.
    """
    everything = np.arange(len(gallery))
    if not city_known:
        return everything[choose(np.arange(len(photos)), everything)]
    chosen = np.empty(len(photos), int)
    for name in photos.city.unique():
        here, there = np.flatnonzero(photos.city == name), np.flatnonzero(gallery.city == name)
        if len(there) == 0:
            raise ValueError(f"the gallery has no place of city {name!r}, which is to be searched")
        chosen[here] = there[choose(here, there)]
    return chosen


def centroids_of(train):
    """The middle of each city's training photos: city, lat_deg, lon_deg."""
    rows = [(name, *sphere.centre(rows[["lat_deg", "lon_deg"]].to_numpy())) for name, rows in train.groupby("city")]
    return pd.DataFrame(rows, columns=["city", "lat_deg", "lon_deg"])


def best_constant(train, candidates=500):
    """Index of the training place with the smallest median distance to all training photos (of 500 evenly drawn)."""
    positions = train[["lat_deg", "lon_deg"]].to_numpy()
    tried = np.unique(np.linspace(0, len(train) - 1, min(candidates, len(train))).astype(int))
    medians = [np.median(sphere.distance_m(positions, positions[i])) for i in tried]
    return int(tried[np.argmin(medians)])


def references(photos, gallery, test_fields=None, gallery_fields=None, *, city_known=False):
    """Predictions of the REFERENCES, which know the answer; field_reference only where fields were planted."""
    at, places = (table[["lat_deg", "lon_deg"]].to_numpy() for table in (photos, gallery))
    chosen = by_city(lambda q, g: sphere.nearest(at[q], places[g])[0], photos, gallery, city_known)
    found = {"gallery_floor": decoding.predictions(photos, gallery, chosen)}
    if test_fields is not None:
        chosen = by_city(
            lambda q, g: decoding.nearest_vectors(test_fields[q], gallery_fields[g]), photos, gallery, city_known
        )
        found["field_reference"] = decoding.predictions(photos, gallery, chosen)
    return found


# ---- comparing -------------------------------------------------------------------------------------------------------
COMPARE = {
    "split": "how test photos were kept away from training photos",
    "method": "method, trivial row or reference",
    "kind": "method, trivial or reference",
    "metric": "what is measured",
    "value": "over all seeds and test photos [unit in column unit]",
    "low": "lower bound of the 95 % interval over blocks and seeds; missing below 20 blocks [unit in column unit]",
    "high": "upper bound of it [unit in column unit]",
    "unit": "m, share or points",
    "seeds": "trainings [count]",
    "n": "test photos [count]",
}
ERRORS = {
    "split": "how test photos were kept away from training photos",
    "method": "method, trivial row or reference",
    "kind": "method, trivial or reference",
    "seed": "seed of the training",
    "photo_id": "photo of the catalogue",
    "city": "city of the photo",
    "block": "block of the photo, drawn again as a whole in intervals",
    "lat_deg": "latitude of the photo [degree]",
    "lon_deg": "longitude of the photo [degree]",
    "predicted_city": "city of the chosen place",
    "predicted_lat_deg": "latitude of the chosen place [degree]",
    "predicted_lon_deg": "longitude of the chosen place [degree]",
    "error_m": "great-circle distance from the chosen place to the photo [m]",
    "right_city": "whether the chosen place is in the photo's city",
}


def compare(errors, *, replicates=500, seed=0):
    """One row per split, method and metric with its interval (columns COMPARE), from a table with columns ERRORS."""
    rows = []
    for (split, method, kind), group in errors.groupby(["split", "method", "kind"], sort=False):
        error_m, blocks = by_seed(group, "error_m")
        right, _ = by_seed(group.assign(right=group.right_city.astype(float)), "right")
        draw = {"replicates": replicates, "seed": seed}
        values = [*statistics(error_m.ravel()), right.mean()]
        bounds = np.hstack([
            uncertainty.block_bootstrap(error_m, blocks, statistics, **draw),
            uncertainty.block_bootstrap(right, blocks, lambda drawn: np.array([drawn.mean()]), **draw),
        ])  # fmt: skip
        rows += [
            dict(
                zip(
                    COMPARE, (split, method, kind, metric, value, low, high, UNITS[metric], *error_m.shape), strict=True
                )
            )
            for metric, value, low, high in zip(UNITS, values, *bounds, strict=True)
        ]
    return pd.DataFrame(rows, columns=list(COMPARE))


def by_seed(group, column):
    """(values (seeds, n), block (n,)) of one method's rows, photos in one order."""
    # not pivot_table: a photo that stands twice in a run must be an error, not a mean
    wide = group.pivot(index="photo_id", columns="seed", values=column)  # noqa: PD010
    block = group.drop_duplicates("photo_id").set_index("photo_id").block.loc[wide.index]
    return wide.to_numpy().T, block.to_numpy()


def ratio(errors, split, ours, other, *, replicates=500, seed=0):
    """(ratio, low, high, p) of the geometric mean errors of two methods in a split."""
    (a, blocks), (b, _) = (
        by_seed(errors[(errors.split == split) & (errors.method == m)], "error_m") for m in (ours, other)
    )
    return uncertainty.ratio_of_geometric_means(a, b, blocks, replicates=replicates, seed=seed)


RATIOS = {
    "split": "how test photos are kept away",
    "method": "method that is compared",
    "ratio": "its geometric mean error over that of the other, errors below 1 m as 1 m [-]",
    "low": "lower bound of its 95 % interval; missing below 20 blocks [-]",
    "high": "upper bound [-]",
    "p": "two-sided p of the redraws [-]",
    "p_holm": "p adjusted for the methods of the split by Holm's rule [-]",
    "verdict": "what may be said",
}


def ratios(errors, methods, other, *, replicates=999, seed=0):
    """Every method against another one in every split: a table with columns RATIOS, Holm over a split's methods."""
    return ratios_of_pairs(errors, [(method, other) for method in methods], replicates=replicates, seed=seed)


def ratios_of_pairs(errors, pairs, *, replicates=999, seed=0):
    """The same for (method, other one) pairs, Holm over the pairs of a split."""
    tables = []
    for split in errors.split.unique():
        rows = [(split, ours, *ratio(errors, split, ours, other, replicates=replicates, seed=seed))
                for ours, other in pairs]  # fmt: skip
        table = pd.DataFrame(rows, columns=list(RATIOS)[:-2])
        table["p_holm"] = uncertainty.holm(table.p)
        table["verdict"] = [
            uncertainty.verdict(
                row.ratio, row.low, row.high, ours=row.method, other=other, quantity="geometric mean error",
                p_holm=row.p_holm, compared=len(table),
            )
            for row, (_, other) in zip(table.itertuples(), pairs, strict=True)
        ]  # fmt: skip
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(RATIOS))


SHARES = {
    "split": "how test photos are kept away",
    "method": "method that is compared",
    "within_m": "distance within which photos are counted [m]",
    "share": "share of its test photos within it, over all seeds [-]",
    "difference": "that share minus the other method's [-]",
    "low": "lower bound of the 95 % interval of the difference; missing below 20 blocks [-]",
    "high": "upper bound of it [-]",
}


def share_differences(errors, methods, other, within_m, *, replicates=999, seed=0):
    """Shares of photos within distances, every method against another one on the same photos (columns SHARES)."""
    for limit_m in within_m:
        checks.number("within_m", limit_m, above=0)
    rows = []
    for split in errors.split.unique() if methods else ():
        of = {name: by_seed(errors[(errors.split == split) & (errors.method == name)], "error_m")
              for name in (other, *methods)}  # fmt: skip
        for method in methods:
            for limit_m in within_m:
                ours, theirs = ((of[name][0] <= limit_m).astype(float) for name in (method, other))
                low, high = uncertainty.block_bootstrap(
                    ours - theirs,
                    of[method][1],
                    lambda drawn: np.array([drawn.mean()]),
                    replicates=replicates,
                    seed=seed,
                )[:, 0]
                rows.append((split, method, limit_m, ours.mean(), (ours - theirs).mean(), low, high))
    return pd.DataFrame(rows, columns=list(SHARES))


ADMINISTRATIVE = {
    "split": "how test photos are kept away",
    "method": "method, trivial row or reference",
    "level": "country, region, subregion or town of GeoNames, or country, city or district of the catalogue",
    "share": "share of the test photos whose chosen place has the right name there, over all seeds [-]",
    "low": "lower bound of its 95 % interval; missing below 20 blocks [-]",
    "high": "upper bound of it [-]",
    "n": "test photos whose place has a name there [count]",
}


def administrative(errors, names_of, *, replicates=500, seed=0):
    """Shares of photos whose chosen place has the right name at each level (columns ADMINISTRATIVE).

    errors: table with columns ERRORS; names_of: positions (n, 2) -> table of names by level, '' where there is none, as
    addresses.of and places.names_near give. Photos without a name at a level do not count there.
    """
    truth, told = (names_of(errors[[f"{side}lat_deg", f"{side}lon_deg"]].to_numpy()) for side in ("", "predicted_"))
    rows = []
    for level in truth.select_dtypes(exclude="number"):
        known = (truth[level] != "").to_numpy()
        right = errors[known].assign(right=(truth[level] == told[level]).to_numpy()[known].astype(float))
        for (split, method), group in right.groupby(["split", "method"], sort=False):
            values, blocks = by_seed(group, "right")
            mean = lambda drawn: np.array([drawn.mean()])  # noqa: E731
            low, high = uncertainty.block_bootstrap(values, blocks, mean, replicates=replicates, seed=seed)[:, 0]
            rows.append((split, method, level, values.mean(), low, high, len(blocks)))
    return pd.DataFrame(rows, columns=list(ADMINISTRATIVE))


def same_steps(curves, steps):
    """Best validation error [m] reached by a number of steps, geometric mean over seeds: split, method, then the steps.

    curves: method, split, seed, step, validation_error_m. What learns faster shows in the first columns; what is more
    accurate in the last one.
    """
    seen = curves.dropna(subset="validation_error_m")
    columns = {
        step: np.exp(
            np.log(seen[seen.step <= step].groupby(["split", "method", "seed"]).validation_error_m.min())
            .groupby(["split", "method"]).mean()
        )
        for step in steps
    }  # fmt: skip
    return pd.DataFrame(columns).rename_axis(columns="validation error [m] by step").reset_index()


SUREST = {
    "split": "how test photos were kept away from training photos",
    "method": "method",
    "rank_correlation": "Spearman's of similarity and minus error, mean over seeds [-]",
    "surest_m": "geometric mean error of the quarter of the photos with the largest similarity [m]",
    "all_m": "geometric mean error of all [m]",
}


def surest(predicted, share=0.25):
    """Whether similarity tells when a method is right (columns SUREST); predicted: method -> table with similarity.

    A method whose similarity is the same for all photos has no rank correlation.
    """
    from scipy.stats import spearmanr

    rows = []
    for name, table in predicted.items():
        for split, own in table.groupby("split", sort=False):
            runs = [run for _, run in own.groupby("seed")]
            known = [spearmanr(run.similarity, -run.error_m)[0] for run in runs if np.ptp(run.similarity) > 0]
            sure = pd.concat([run.nlargest(max(1, round(share * len(run))), "similarity") for run in runs])
            means = (geometric_mean_m(part.error_m) for part in (sure, own))
            rows.append((split, name, np.mean(known) if known else np.nan, *means))
    return pd.DataFrame(rows, columns=list(SUREST))


def recall_paradox(errors):
    """R@1 beside the median error of each method: split, method, nearest (share), within_50m (share), median_error_m.

    nearest: the chosen place is the one of the gallery nearest to the truth, so its error is that of gallery_floor.
    """
    floor = errors[errors.method == "gallery_floor"].set_index(["split", "photo_id"]).error_m
    rows = errors[errors.kind != "reference"]
    own = floor.reindex(pd.MultiIndex.from_frame(rows[["split", "photo_id"]])).to_numpy()
    checks.finite("gallery_floor", own)  # nothing is as near as a place that is not known
    rows = rows.assign(nearest=rows.error_m.to_numpy() <= own + 0.5, within_50m=rows.error_m <= 50)
    grouped = rows.groupby(["split", "method"], sort=False)
    return grouped.agg(
        nearest=("nearest", "mean"), within_50m=("within_50m", "mean"), median_error_m=("error_m", "median")
    ).reset_index()


HEADLINE = ("median_error_m", "p90_error_m", "share_within_100m", "share_within_250m", "share_right_city")
HEADLINE_RATIOS = {
    "median_error_ratio": np.median,
    "mean_error_ratio": np.mean,
    "geometric_mean_error_ratio": geometric_mean_m,
}


def headline_ratios(errors, ours, other, density, table, *, replicates=200, seed=0):
    """Rows for results.save_headline: '<ratio>.<split>.<density>.<ours>_over_<other>' of HEADLINE_RATIOS."""
    rows = []
    for split in errors.split.unique():
        (a, blocks), (b, _) = (
            by_seed(errors[(errors.split == split) & (errors.method == method)], "error_m") for method in (ours, other)
        )
        for name, statistic in HEADLINE_RATIOS.items():
            found = uncertainty.ratio_of(statistic, a, b, blocks, replicates=replicates, seed=seed)
            rows.append((f"{name}.{split}.{density}.{ours}_over_{other}", *found, "ratio", *a.shape, table))
    return pd.DataFrame(rows, columns=["key", "value", "low", "high", "unit", "seeds", "n", "table"])


def headline(compared, density, table, metrics=HEADLINE):
    """Rows for results.save_headline: '<metric>.<split>.<density>.<method>' of methods, trivial rows and references."""
    rows = compared[compared.metric.isin(metrics)]
    keys = rows.metric + "." + rows.split + f".{density}." + rows.method
    return rows.assign(key=keys, table=table)[["key", "value", "low", "high", "unit", "seeds", "n", "table"]]


def all_errors(rivals, predicted):
    """One table of the rivals' rows and of each method's decoding.predictions (method -> table)."""
    tables = [table.drop(columns="similarity").assign(method=name, kind="method") for name, table in predicted.items()]
    return pd.concat([*tables, rivals], ignore_index=True)


def answer(compared, split, methods, ratios):
    """What a comparison says, in one or two sentences."""
    values = compared[compared.split == split].pivot_table(index="method", columns="metric", values="value")
    medians, right = values.median_error_m, values.share_right_city
    best, frozen = medians.loc[list(methods)].idxmin(), medians["frozen_nearest"]
    first = (
        f"In split {split} the smallest median error of a trained method is {sphere.length(medians[best])} ({best}); "
        f"the frozen nearest neighbour reaches {sphere.length(frozen)} without training. They place {right[best]:.0%} "
        f"and {right['frozen_nearest']:.0%} of the photos in the right city, and near one half a median jumps."
    )
    against = ratios[(ratios.split == split) & (ratios.method == "sw_clip")]
    better = ratios[(ratios.split == split) & ratios.verdict.str.startswith("It helps")].method.tolist()
    shown = f"Of {(ratios.split == split).sum()} methods {', '.join(better) or 'none'} is shown to be better than clip."
    return " ".join([first, *against.verdict, *([shown] if (ratios.split == split).sum() > 1 else [])])
