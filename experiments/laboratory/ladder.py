"""How much simulated photos offer, with or without pictures: what a tower reads of their traits, and what could be
placed by it: the rows of baselines and ceilings that stand beside methods.
"""

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist

from experiments.words import ridge_probe
from geonb.earth import sphere
from geonb.measuring import baselines, ceilings, endpoints, information
from geonb.measuring.errors import ERRORS
from geonb.splitting import splits
from simcities import fields, globe, simulation, unpainted

BESIDE = ("frozen_nearest", *baselines.CENTRES, *ceilings.RUNGS)  # of rows without a training, those of the endpoints
TOLD = ("clip", "city_uniform", "permuted_within_city", "permuted")  # rows that an answer sets beside sw_clip
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
    at_m = np.arange(0, np.sqrt(8) * half_side_m + 100 * STEP_M, STEP_M)  # cameras drive beside the outermost streets
    rise = fields.model_semivariogram(planted, range_m, at_m[1:])
    known = planted.sill - np.insert(rise, 0, 0.0)
    slope = np.append(np.diff(known), 0.0)

    def between(here, there):
        drift = np.outer(*(fields.trend(planted, half_side_m, side, field) for side in (here, there)))
        steps = cdist(here, there) / STEP_M  # read off a line: Bessel functions of millions of pairs take minutes
        before = steps.astype(np.int32)
        return known[before] + (steps - before) * slope[before] + drift + planted.city_mean_sd**2

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


def of_study(world, photos, features, parts, gallery, yardstick_m, seed=0):
    """(READ of the training photos of the first split, ERRORS of the rows beside methods) of the photos of a study.

    What the ladder takes for the error of the tower is what those training photos say.
    """
    train, city = next(iter(parts.values())) == "train", photos.city.to_numpy(object)
    seen, block = seen_in(world, photos), splits.block_ids(photos[["lat_deg", "lon_deg"]].to_numpy(), city, yardstick_m)
    found = read(world, seen[train], features[train], city[train], block[train], seed=seed)
    sd = unpainted.noise_sd(seen[train], city[train], found.r2.to_numpy())
    rows = beside(world, photos, features, seen, sd, parts, gallery, seed)
    return found, rows.assign(block=splits.blocks_of(rows, yardstick_m))[list(ERRORS)]


def answer(bits, table, compared, rows):
    """What page 07 says of a simulated study, in a few sentences: bits offered and needed, what could be learnt
    and what clip and frozen features reach in the first split, and sw_clip over the controls there.

    bits: information.BUDGET; table: endpoints.ENDPOINTS; compared: endpoints.COMPARISONS; rows: see of_study.
    """
    split, within = table.split.iloc[0], table[table.endpoint == endpoints.WITHIN].set_index(["split", "method"]).value
    learnable = rows[rows.method == "ceiling_learnable"].groupby("split", sort=False).error_m
    lacking = [name for name, error_m in learnable if ceilings.label(error_m)]
    learnt = sphere.length(within[split, "ceiling_learnable"])
    reached = f"Within the right city the error that could be learnt in {split} is {learnt}"
    cities_only = "About cities only, as what the tower reads finds hardly a place there"
    names = {"clip": "clip", "frozen_nearest": "the nearest neighbour in frozen features, which was not trained,"}
    beside_it = "".join(
        f", that of {name} {sphere.length(within[split, row])}"
        for row, name in names.items() if within.get((split, row), np.nan) > 0
    )  # fmt: skip
    told = compared[(compared.split == split) & compared.other.isin(TOLD)]
    said = [
        f"{cities_only}: {', '.join(lacking)}." if lacking else "",
        information.answer(bits), f"{reached}{beside_it}.", endpoints.answer(told),
    ]  # fmt: skip
    return " ".join(filter(None, said))
