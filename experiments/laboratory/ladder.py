"""How much simulated photos offer, with or without pictures: what a tower reads of their traits, and what could be
placed by it: the rows of baselines and ceilings that stand beside methods.
"""

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist

from experiments.words import ridge_probe
from geonb.earth import sphere
from geonb.measuring import baselines, ceilings
from geonb.splitting import splits
from simcities import fields, globe, simulation

BESIDE = ("frozen_nearest", *baselines.CENTRES, *ceilings.RUNGS)  # of rows without a training, those of the endpoints
STEP_M = 0.5  # between distances at which a covariance is computed
READ = ridge_probe.PROBES | {"target": "planted trait", "range_m": "its effective range [m]"}


def seen_in(world, photos):
    """What each camera sees (n, K) of the planted traits of a World, photos: a table with photo_id of its photos."""
    places, seen = simulation.unpainted(world)
    return seen[pd.Index(places.photo_id).get_indexer(photos.photo_id)]


def read(world, seen, features, city, block, *, seed=0):
    """How well features (n, d) read what cameras see of each trait, seen (n, K): a table READ.

    R2 within a city by ridge regressions that saw no photo of the city (n,), as a method must read places that it was
    never shown; intervals over blocks (n,). ValueError for fewer than three cities.
    """
    predicted, planted = ridge_probe.held_out(features, seen, city), world.planted()
    found = ridge_probe.r2_table(seen, predicted, city, block, planted.names, seed=seed)
    return found.assign(range_m=planted.range_m)[list(READ)]


def east_north_m(world, table):
    """Positions (n, 2) of a table with city, lat_deg, lon_deg from the centres of the cities of a simulation.World."""
    centres = {globe.NAMES[n]: world.city(n).centre_lat_lon_deg for n in range(world.city_count)}
    at = table[["lat_deg", "lon_deg"]].to_numpy()
    return sphere.to_local_m(at, np.array([centres[name] for name in table.city]))


def covariance(world, field):
    """The covariance function of one planted field of a World, for ceilings.Planted: trend and city means included."""
    planted, half_side_m = world.planted(), world.city_side_m / 2
    range_m = planted.range_m[planted.names.index(field)]
    at_m = np.arange(0, np.sqrt(8) * half_side_m + STEP_M, STEP_M)
    rise = fields.model_semivariogram(planted, range_m, at_m[1:])
    known = planted.sill - np.insert(
        rise, 0, 0.0
    )  # read off a line: Bessel functions of millions of pairs take minutes

    def between(here, there):
        drift = np.outer(*(fields.trend(planted, half_side_m, side, field) for side in (here, there)))
        return np.interp(cdist(here, there), at_m, known) + drift + planted.city_mean_sd**2

    return between


def rungs(world, photos, seen, noise_sd, part, gallery, *, city_given=False):
    """(test photos, gallery, ceilings.ladder) in one split of a World: part (n,) of the photos, gallery: their places.

    seen (n, K): what each camera sees of the fields; noise_sd (K,): of a tower's error; city_given: see there.
    """
    maps_of = lambda table: simulation.truth(  # noqa: E731
        world, table[["lat_deg", "lon_deg"]].to_numpy(), table.city.to_numpy()
    )
    ground = lambda table, traits: ceilings.Ground(  # noqa: E731
        east_north_m(world, table), table.city.to_numpy(), traits
    )
    view = ((seen - maps_of(photos)) ** 2).mean(axis=0)
    covariances = tuple(covariance(world, field) for field in world.planted().names)
    test, train = (np.flatnonzero(part == name) for name in ("test", "train"))
    chosen = ceilings.ladder(
        *(ground(photos.iloc[own], seen[own]) for own in (test, train)), ground(gallery, maps_of(gallery)),
        ceilings.Planted(covariances, view, noise_sd**2), city_given=city_given, seed=world.world_seed,
    )  # fmt: skip
    return photos.iloc[test], gallery, chosen


def beside(world, photos, features, seen, noise_sd, parts, gallery, seed=0):
    """The rows baselines.CENTRES and ceilings.RUNGS of a World in each split, as of baselines.untrained, which see.

    seen, noise_sd: see rungs; features (n, d): of the photos.
    """
    tables = [baselines.all_centres(photos, features, parts, gallery, seed=seed)]
    for split, part in parts.items():
        given = splits.way_of(split) == "unseen_city"
        known = rungs(world, photos, seen, noise_sd, part, gallery[split], city_given=given)
        tables.append(ceilings.rows(*known, split, seed))
    return pd.concat(tables, ignore_index=True)
