"""What is planted in a simulated world: how much of it towers read, what it is worth, what an embedding is in truth."""

import numpy as np
import pandas as pd

from experiments.laboratory import controls, worlds
from experiments.words import ridge_probe
from geonb import checks, resampling
from geonb.earth import sphere
from geonb.learning import decoding
from geonb.measuring.baselines import untrained
from geonb.measuring.errors import COMPARE, compare
from geonb.splitting import splits
from geonb.variograms.curves import semivariance_by_lag
from simcities import day, fields, simulation

AHEAD_M = 15.0  # what a camera looks at lies ahead of it: there the fields are probed
REDRAWN_SEED = 300  # world seeds from here on are redrawn cities, which no study shows
VISIBLE_R2 = 0.4  # of the ceiling: a field below it is hardly in the pictures
PROBES = {"tower": "tower whose features are read", **ridge_probe.PROBES}
NUISANCES = ridge_probe.PROBES
LADDER = COMPARE
ENSEMBLE = {
    "distance_m": "mean distance of the pairs in the lag [m]",
    "semivariance": "mean over the redrawn cities of half the mean squared distance of unit features [-]",
    "low": "2.5th percentile over the redrawn cities [-]",
    "high": "97.5th percentile over them [-]",
    "cities": "redrawn cities with pairs in the lag [count]",
}


# ---- what can be read ------------------------------------------------------------------------------------------------
def ahead(photos):
    """Positions (n, 2) in degrees that lie ahead of the cameras of photos (city, lat_deg, lon_deg, heading_deg)."""
    found, way = np.empty((len(photos), 2)), np.radians(photos.heading_deg.to_numpy())
    position = photos[["lat_deg", "lon_deg"]].to_numpy()
    steps_m = AHEAD_M * np.stack([np.sin(way), np.cos(way)], axis=1)
    for name in photos.city.unique():
        here = (photos.city == name).to_numpy()
        centre = sphere.centre(position[here])
        found[here] = sphere.from_local_m(sphere.to_local_m(position[here], centre) + steps_m[here], centre)
    return found


def probes(world, photos, features_by_tower, block_size_m):
    """R2 of each field ahead of the street views, read from features (n, d) of towers in unseen cities: columns PROBES.

    photos: the catalogue of the simulation.World, with lat_deg and lon_deg.
    """
    street = (simulation.cameras(world).scene == "street").to_numpy()
    city = photos.city.to_numpy()
    block = splits.block_ids(photos[["lat_deg", "lon_deg"]].to_numpy(), city, block_size_m)[street]
    seen, city, tables = simulation.truth(world, ahead(photos), city)[street], city[street], []
    for name, features in features_by_tower.items():
        predicted = ridge_probe.held_out(features[street], seen, city)
        table = ridge_probe.r2_table(seen, predicted, city, block, fields.FIELDS)
        tables.append(table.assign(tower=name.rpartition("/")[2]))
    return pd.concat(tables, ignore_index=True)[list(PROBES)]


def nuisance_probes(world, photos, block_size_m, *, seed=0):
    """R2 of what belongs to a day, read from the position of photos in blocks held out: columns NUISANCES."""
    at, city = photos[["lat_deg", "lon_deg"]].to_numpy(), photos.city.to_numpy()
    block = splits.block_ids(at, city, block_size_m)
    nuisances = simulation.cameras(world)[list(day.NAMES)].to_numpy()
    place = ridge_probe.place_features(sphere.to_local_m(at, sphere.centre(at)), city, seed=seed)
    predicted = ridge_probe.held_out(place, nuisances, block, folds=10)
    return ridge_probe.r2_table(nuisances, predicted, np.zeros(len(at)), block, day.NAMES)


# ---- what it is worth ------------------------------------------------------------------------------------------------
def ladder(world, photos, features, part, block_size_m, *, seed=0):
    """What baselines and ceilings reach in split other_drive, whose part (n,) is given: columns LADDER."""
    own_fields = simulation.truth(world, photos[["lat_deg", "lon_deg"]].to_numpy(), photos.city.to_numpy())
    errors = ladder_errors(photos, features, part, own_fields, seed=seed)
    blocks = splits.blocks_of(errors, block_size_m)
    return compare(errors.assign(block=blocks), replicates=300, seed=seed)


def ladder_errors(photos, features, part, own_fields, *, seed=0):
    """Errors of the baselines, the ceilings and the nearest place in probed fields.

    The probe is read from the training photos' features and true fields: it knows what was planted, but not where.
    part (n,) of the split; own_fields (n, K) at the photos' places.
    """
    train, test = np.flatnonzero(part == "train"), np.flatnonzero(part == "test")
    gallery, split = photos.iloc[train], "other_drive"
    planted = lambda table: own_fields[table.index]  # noqa: E731
    rows = untrained(photos, features, {split: part}, {split: gallery}, planted, seed=seed)
    probe = ridge_probe.fitted(features[train], own_fields[train], photos.city.to_numpy()[train])
    chosen = decoding.nearest_vectors(probe.predict(features[test]), own_fields[train])
    probed = decoding.predictions(photos.iloc[test], gallery, chosen)
    probed = probed.assign(split=split, method="probed_fields", kind="reference", seed=seed)
    return pd.concat([rows, probed], ignore_index=True)


# ---- the truth of fields and of an embedding ------------------------------------------------------------------------
def curves(world, *, places, redraws, seed):
    """Semivariograms of the true fields beside the planted ones and redraws: see simulation.curves."""
    checks.count("redraws", redraws, least=10, way_out="a band needs draws")
    checks.count("band_places", places, least=2, way_out="a semivariogram needs pairs")
    return simulation.curves(world, places=places, redraws=redraws, seed=seed)


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
            # without the lag of co-located photos
            found.append(semivariance_by_lag(features[here], at, **lags).iloc[1:])
    distance_m, semivariance = (np.stack([curve[name] for curve in found]) for name in ("distance_m", "semivariance"))
    low, high = resampling.interval95(semivariance)
    values = np.nanmean(distance_m, axis=0), np.nanmean(semivariance, axis=0), low, high
    return pd.DataFrame(dict(zip(ENSEMBLE, (*values, np.isfinite(semivariance).sum(axis=0)), strict=True)))


# ---- what is said ----------------------------------------------------------------------------------------------------
def hardly_visible(probes):
    """The fields of which even the second tower, which was taught them, reads less than VISIBLE_R2: "name (0.37)"."""
    ceiling = probes[probes.tower == probes.tower.unique()[1]].set_index("target").r2
    return ", ".join(f"{name} ({r2:.2f})" for name, r2 in ceiling[ceiling < VISIBLE_R2].items())


def headline(probes, rungs, page):
    """Headline rows; the first tower of the probes is the shipped one, the second the ceiling."""
    shipped, ceiling = probes.groupby("tower", sort=False).r2.mean().iloc[:2]
    known = {"low": np.nan, "high": np.nan, "unit": "share", "seeds": 1, "n": probes.n.iloc[0]}
    read = pd.DataFrame([
        {"key": "probe_r2_within_city_mean", "value": shipped, **known},
        {"key": "probe_r2_share_of_ceiling", "value": shipped / ceiling, **known},
    ]).assign(table=f"{page}/probes")  # fmt: skip
    medians = rungs[rungs.metric == "median_error_m"].set_index("method")
    errors = medians.loc[["field_reference", "frozen_nearest"], ["value", "low", "high", "unit", "seeds", "n"]]
    keys = ["field_reference_median_error_m", "frozen_median_error_m"]
    return pd.concat([read, errors.assign(key=keys, table=f"{page}/ladder")], ignore_index=True)


def answer(planted_curves, probes, nuisances, rungs, nothing_planted, beside=""):
    """What the laboratory says, in a few sentences; beside: the study that made the controls, '' for this one."""
    inside = planted_curves.semivariance.between(planted_curves.low, planted_curves.high).mean()
    hardly = hardly_visible(probes)
    shipped, ceiling = probes.groupby("tower", sort=False).r2.mean().iloc[:2]
    medians = rungs[rungs.metric == "median_error_m"].set_index("method").value
    leaks = nuisances[nuisances.high.fillna(nuisances.r2) > 0.02].target.tolist()
    said = [
        f"Inside the band of their redraws lie {inside:.0%} of the planted fields' semivariances.",
        f"In unseen cities the shipped tower tells {shipped:.0%} of the fields' variance within a city, "
        f"{shipped / ceiling:.0%} of what the same tower tells that was taught the fields.",
        f"Hardly in the pictures, as that one tells less than {VISIBLE_R2:.0%} of them too: {hardly}."
        if hardly
        else "",
        f"Nuisance that carries place: {', '.join(leaks) or 'none'}.",
        f"Knowing the fields would place a photo within {sphere.length(medians['field_reference'])} in the median,",
        f"the nearest neighbour in frozen features reaches {sphere.length(medians['frozen_nearest'])}.",
        f"In study {beside}:" if beside else "",
        controls.answer(nothing_planted),
    ]
    return " ".join(filter(None, said))
