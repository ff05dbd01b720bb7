"""What is planted in a simulated world: how much of it towers read, what it is worth, what an embedding is in truth;
and what retrieval finds in worlds without a geography, where no method may find anything.
"""

import numpy as np
import pandas as pd

from experiments.laboratory import ladder, worlds
from experiments.words import ridge_probe
from geonb import checks, resampling
from geonb.earth import sphere
from geonb.learning import decoding
from geonb.measuring import baselines, significance
from geonb.splitting import splits
from geonb.variograms.curves import semivariance_by_lag
from simcities import day, simulation

REDRAWN_SEED = 300  # world seeds from here on are redrawn cities, which no study shows
VISIBLE_R2 = 0.4  # a field that is read worse is named
PROBES = {"tower": "tower whose features are read", **ladder.READ}
NUISANCES = ridge_probe.PROBES
ENSEMBLE = {
    "distance_m": "mean distance of the pairs in the lag [m]",
    "semivariance": "mean over the redrawn cities of half the mean squared distance of unit features [-]",
    "low": "2.5th percentile over the redrawn cities [-]",
    "high": "97.5th percentile over them [-]",
    "cities": "redrawn cities with pairs in the lag [count]",
}
NOTHING = {"range_scale": 0.0, "trend_scale": 0.0}
ALIKE, DIFFER = "range 0, cities alike", "range 0, cities differ"
PLANTED = {ALIKE: NOTHING | {"city_mean_sd": 0.0}, DIFFER: NOTHING}
WITHIN, RIGHT = "median error within the right city", "share in the right city"
CONTROLS = {
    "world": "what is planted",
    "world_seed": "seed of the world",
    "measure": "what is measured",
    "value": "observed [unit in column unit]",
    "null_low": "2.5th percentile of the null [unit in column unit]",
    "null_high": "97.5th percentile of the null [unit in column unit]",
    "p": "two-sided p against the exact permutation null",
    "unit": "m or share",
    "n": "test photos [count]",
}


def probes(world, photos, features_by_tower, block_size_m):
    """R2 (columns PROBES) of what cameras see of each field, read from features of towers in unseen cities."""
    seen, city = ladder.seen_in(world, photos), photos.city.to_numpy()
    block = splits.block_ids(photos[["lat_deg", "lon_deg"]].to_numpy(), city, block_size_m)
    tables = [
        ladder.read(world, seen, features, city, block).assign(tower=name.rpartition("/")[2])
        for name, features in features_by_tower.items()
    ]
    return pd.concat(tables, ignore_index=True)[list(PROBES)]


def nuisance_probes(world, photos, block_size_m, *, seed=0):
    """R2 of what belongs to a day, read from the position of photos in blocks held out: columns NUISANCES."""
    at, city = photos[["lat_deg", "lon_deg"]].to_numpy(), photos.city.to_numpy()
    block = splits.block_ids(at, city, block_size_m)
    nuisances = simulation.cameras(world)[list(day.NAMES)].to_numpy()
    place = ridge_probe.place_features(sphere.to_local_m(at, sphere.centre(at)), city, seed=seed)
    predicted = ridge_probe.held_out(place, nuisances, block, folds=10)
    return ridge_probe.r2_table(nuisances, predicted, np.zeros(len(at)), block, day.NAMES)


def rungs(photos, features, part, own_fields, block_size_m, *, seed=0):
    """Errors (columns ERRORS) of the baselines, the ceilings and the nearest place in probed fields in other_drive.
    The probe is read from the training photos' features and true fields: it knows what was planted, but not where.
    part (n,) of the split; own_fields (n, K) at the photos' places.
    """
    train, test = np.flatnonzero(part == "train"), np.flatnonzero(part == "test")
    gallery, split = photos.iloc[train], "other_drive"
    planted = lambda table: own_fields[table.index]  # noqa: E731
    rows = baselines.untrained(photos, features, {split: part}, {split: gallery}, planted, seed=seed)
    probe = ridge_probe.fitted(features[train], own_fields[train], photos.city.to_numpy()[train])
    chosen = decoding.nearest_vectors(probe.predict(features[test]), own_fields[train])
    probed = decoding.predictions(photos.iloc[test], gallery, chosen)
    probed = probed.assign(split=split, method="probed_fields", kind="reference", seed=seed)
    errors = pd.concat([rows, probed], ignore_index=True)
    return errors.assign(block=splits.blocks_of(errors, block_size_m))


def ensemble(options, tower, *, world_count, photos_per_city, max_lag_m, lag_count, seed=0):
    """What the semivariogram of an embedding is in truth: mean and spread over redrawn cities (columns ENSEMBLE).
    Three cities, one of each street network, in each of the redrawn worlds with the parameters of `options`; an
    embedding mixes fields, houses that several photos show and weather, so no closed form gives this curve.
    """
    checks.count("ensemble_worlds", world_count)
    checks.count("ensemble_photos", photos_per_city, least=2, way_out="a semivariogram needs pairs")
    found, lags = [], {"max_lag_m": max_lag_m, "lag_count": lag_count, "seed": seed}
    for number in range(world_count):
        redrawn = {"city_count": 3, "photos_per_city": photos_per_city, "world_seed": REDRAWN_SEED + number}
        photos, features = worlds.photographed(options | redrawn, tower)
        for name in photos.city.unique():
            here = (photos.city == name).to_numpy()
            at = photos.loc[here, ["lat_deg", "lon_deg"]].to_numpy()
            found.append(semivariance_by_lag(features[here], at, **lags).iloc[1:])  # without co-located photos
    distance_m, semivariance = (np.stack([curve[name] for curve in found]) for name in ("distance_m", "semivariance"))
    low, high = resampling.interval95(semivariance)
    values = np.nanmean(distance_m, axis=0), np.nanmean(semivariance, axis=0), low, high
    return pd.DataFrame(dict(zip(ENSEMBLE, (*values, np.isfinite(semivariance).sum(axis=0)), strict=True)))


def controls(options, tower, cut, *, world_count, permutations, seed=0):
    """What retrieval finds where nothing was planted (columns CONTROLS), in some worlds from world_seed onwards.
    Each world is drawn twice, with and without differences between cities: range 0 leaves no geography, but a house
    still stands beside the next, so that one world is one draw of far fewer places than photos. cut: splits.Cut.
    """
    checks.count("control_worlds", world_count)
    rows = []
    for world_seed in range(options["world_seed"], options["world_seed"] + world_count):
        for world, planted in PLANTED.items():
            found = worlds.photographed(options | planted | {"world_seed": world_seed}, tower)
            tested = retrieved(*found, cut, permutations=permutations, seed=seed)
            rows += [(world, world_seed, *row) for row in tested]
    return pd.DataFrame(rows, columns=list(CONTROLS))


def retrieved(photos, features, cut, *, permutations, seed):
    """Rows of one world: is the nearest feature's place within a city, or its city, nearer than truths permuted?
    The place of a test photo is that of the most similar training photo of split blocked, within its own city, against
    the exact null that permutes the true places inside each city; and whether the most similar one of all is in the
    right city, against truths permuted among all.
    """
    at, city = photos[["lat_deg", "lon_deg"]].to_numpy(), photos.city.to_numpy(dtype=object)
    part = splits.make("blocked", photos, cut)
    test, train = np.flatnonzero(part == "test"), np.flatnonzero(part == "train")
    similar = lambda q, g: decoding.most_similar(features[test[q]], features[train[g]])[0]  # noqa: E731
    sides = photos.iloc[test], photos.iloc[train]
    own, found = (train[baselines.choose(similar, *sides, city_known=known)] for known in (True, False))
    draws = {"permutations": permutations, "seed": seed}
    error = significance.permuted(at[own], at[test], city[test], sphere.distance_m, np.median, **draws)
    right = significance.permuted(city[found], city[test], np.zeros(len(test)), np.equal, np.mean, **draws)
    for measure, (value, null), unit in ((WITHIN, error, "m"), (RIGHT, right, "share")):
        yield measure, value, *resampling.interval95(null), significance.p_value(value, null), unit, len(test)


def check_beside(ran, asked):
    """ValueError where a published page 17 ran with another world, tower or lags; ran, asked: parameters of the two."""
    for name in ("options", "tower", "weights", "max_lag_m", "lag_count"):
        if ran[name] != asked[name]:
            both = f"{name} {ran[name]!r}, this page with {asked[name]!r}"
            raise ValueError(f"beside: it ran with {both}, so that it is not its truth: leave beside empty")


def headline(probes, rungs, page):
    """Headline rows; the first tower of the probes is that of the study."""
    means = probes.groupby("tower", sort=False).r2.mean()
    bounds = {"low": np.nan, "high": np.nan, "unit": "share", "seeds": 1, "n": probes.n.iloc[0]}
    values = {"probe_r2_within_city_mean": means.iloc[0]}
    values |= {f"probe_r2_within_city_mean.{name}": mean for name, mean in means.iloc[1:].items()}
    read = pd.DataFrame([{"key": key, "value": value, **bounds} for key, value in values.items()])
    medians = rungs[rungs.metric == "median_error_m"].set_index("method")
    errors = medians.loc[["field_reference", "frozen_nearest"], ["value", "low", "high", "unit", "seeds", "n"]]
    keys = ["field_reference_median_error_m", "frozen_median_error_m"]
    errors = errors.assign(key=keys, table=f"{page}/ladder")
    return pd.concat([read.assign(table=f"{page}/probes"), errors], ignore_index=True)


def answer(planted_curves, probes, nuisances, rungs, nothing_planted, beside=""):
    """What the laboratory says, in a few sentences; beside: the study that made the controls, '' for this one."""
    inside = planted_curves.semivariance.between(planted_curves.low, planted_curves.high).mean()
    means = probes.groupby("tower", sort=False).r2.mean()
    hidden = probes[(probes.tower == means.index[0]) & (probes.r2 < VISIBLE_R2)]
    named = ", ".join(f"{row.target} ({row.r2:.2f})" for row in hidden.itertuples())
    others = "".join(f", of {name} {mean:.0%}" for name, mean in means.iloc[1:].items())
    medians = rungs[rungs.metric == "median_error_m"].set_index("method").value
    leaks = nuisances[nuisances.high.fillna(nuisances.r2) > 0.02].target.tolist()
    said = [
        f"Inside the band of their redraws lie {inside:.0%} of the planted fields' semivariances.",
        f"In unseen cities a probe of the study's tower explains {means.iloc[0]:.0%} of the fields' variance within a "
        f"city{others}.",
        f"Fields of which it explains less than {VISIBLE_R2:.0%}: {named or 'none'}.",
        f"Depends on the place though it belongs to the day: {', '.join(leaks) or 'none'}.",
        f"By the nearest true fields a photo has a median error of {sphere.length(medians['field_reference'])},",
        f"by the nearest frozen features one of {sphere.length(medians['frozen_nearest'])}.",
        f"In study {beside}:" if beside else "",
        answer_controls(nothing_planted),
    ]
    return " ".join(filter(None, said))


def answer_controls(table):
    """What the controls (columns CONTROLS) say: Holm over the worlds, which are all looked at."""
    alike, differ = (beside_null(table[(table.world == world) & (table.measure == WITHIN)]) for world in PLANTED)
    right = table[(table.world == DIFFER) & (table.measure == RIGHT)]
    return (
        f"Where nothing is planted the error within a city {alike}; where only cities differ, the right city is found "
        f"more often than by chance in {(right.value > right.null_high).sum()} of {len(right)}, and the error within "
        f"it {differ}."
    )


def beside_null(rows):
    """In how many worlds an error is smaller than its null, and in how many larger, by Holm's rule."""
    p = significance.holm(rows.p)
    better, worse = ((p < 0.05) & side for side in (rows.value < rows.null_low, rows.value > rows.null_high))
    return (
        f"is smaller than its exact null in {better.sum()} of {len(rows)} worlds and larger in {worse.sum()} "
        f"(p from {rows.p.min():.3f}, by Holm's rule {p.min():.2f})"
    )
