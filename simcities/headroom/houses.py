"""What stands in these cities for good: rows of houses behind their gardens, and what lines the kerbs."""

import functools

import numpy as np

from simcities import buildings, things
from simcities import fields as base
from simcities.buildings import FLOORS, SEED, STOREY
from simcities.headroom import fields

# as columns KIND of City.things; all but cars stand on both sides of every street
TREE, LAMP, BOLLARD, PLANTER, CAR = range(5)
ROWS = {  # kind: (the trait that its size follows, metres to the next on the same side, metres from the kerb)
    TREE: ("trees", 13.0, 0.75),
    LAMP: ("lamps", 8.0, 0.45),
    BOLLARD: ("bollards", 2.4, 0.3),
    PLANTER: ("planters", 4.0, 2.7),
    CAR: (None, 5.6, -0.9),  # a place to park: the day decides whether it is taken
}
FRONTAGE_M, DEPTH_M = (6.5, 9.0), (4.0, 5.0)  # of a house: width, half depth
ALLEY_M, ALLEY_SHARE = 1.5, 0.2
GARDEN_M = (0.8, 6.0)  # depth of a front garden where setback is least and most
GROUND_FLOOR_M, UPPER_FLOOR_M = 3.8, 2.7
EAVES_M = (6.2, 11.8)


def build(city, nugget, rng):
    """Buildings (B, 10 + K) along the streets of a city that has none yet; columns as in simcities.buildings.

    Traits are the fields at a house plus sqrt(nugget) times a normal number of its own. No house touches a street up
    to its building line or another house. Values have the precision of float32.
    """
    taken = np.zeros((int(2 * city.half_side_m / buildings.CELL_M) + 1,) * 2, bool)
    buildings.mark(taken, city.half_side_m, buildings.corridors(city))
    rows = [
        buildings.along_street(city, street, side, taken, rng, plots_of=plots)
        for street in range(len(city.length_m))
        for side in (-1.0, 1.0)
    ]
    table = buildings.without_overlaps(city, np.concatenate(rows))
    traits = buildings.traits_of(city, table, nugget, rng)
    tall = fields.amounts(traits[:, fields.FIELDS.index("storeys")])
    eaves_m = EAVES_M[0] + (EAVES_M[1] - EAVES_M[0]) * tall
    table[:, FLOORS] = 1 + np.maximum(np.round((eaves_m - GROUND_FLOOR_M) / UPPER_FLOOR_M), 1)
    table[:, STOREY] = eaves_m / table[:, FLOORS]
    table[:, SEED] = rng.uniform(size=len(table)).astype(np.float32) * (1 - 2.0**-24)
    return np.concatenate([buildings.single(table), traits], axis=1)


def plots(low, high, latent, rng):
    """Plots (middle, half width, half depth, garden, kind) that fill a free run from low to high metres of a street.

    latent: the fields (m, K) at each metre.
    """
    garden = fields.amounts(latent[:, fields.FIELDS.index("setback")])
    found, at = [], low
    while high - at >= buildings.LEAST_FRONTAGE_M:
        width_m = rng.uniform(*FRONTAGE_M)
        if high - at - width_m < buildings.LEAST_FRONTAGE_M:  # no room for another: this one fills the run
            width_m = high - at
        deep = garden[min(int(at) + 4, len(garden) - 1)]
        garden_m = GARDEN_M[0] + (GARDEN_M[1] - GARDEN_M[0]) * deep
        found.append((at + width_m / 2, width_m / 2, rng.uniform(*DEPTH_M), garden_m, buildings.TERRACE))
        at += width_m + ALLEY_M * (rng.uniform() < ALLEY_SHARE)
    return found


def furnish(city, rng):
    """Things (T, 6) that line the kerbs of a city; columns as in simcities.things, SIZE the amount of their trait.

    Nothing stands where another street crosses.
    """
    line = functools.partial(lined, city, rng)
    return buildings.single(np.concatenate([line(kind, *ROWS[kind]) for kind in ROWS]))


def lined(city, rng, kind, trait, step_m, kerb_m):
    """Things (n, 6) of one kind along both sides of all streets."""
    street, along, side = paced(city, step_m, rng)
    direction = city.direction[street]
    right = np.stack([direction[:, 1], -direction[:, 0]], axis=1) * side[:, None]
    at = city.position_m(street, along) + (city.road_half_m[street] + kerb_m)[:, None] * right
    table = np.ones((len(street), 6))
    table[:, things.KIND] = kind
    if trait:
        latent = base.value_at(city.fields, city.half_side_m, at)[:, fields.FIELDS.index(trait)]
        table[:, things.SIZE] = fields.amounts(latent)
    table[:, [things.EAST, things.NORTH]] = at
    ahead = direction * side[:, None]  # cars stand as they drive, on the right
    table[:, things.HEADING] = np.arctan2(ahead[:, 0], ahead[:, 1])
    table[:, things.SEED] = rng.integers(0, 2**20, len(table)) / 2**20
    return table


def paced(city, step_m, rng):
    """Street (n,), metres along it, and side (1 right, -1 left) of evenly spaced stands off the junctions."""
    found = []
    for street, length_m in enumerate(city.length_m):
        for side in (-1.0, 1.0):
            along = np.arange(rng.uniform(0, step_m), length_m, step_m)
            apart = np.abs(along[:, None] - city.junction_m[street]) - city.junction_half_m[street]
            clear = along[(apart > 1.5).all(axis=1)]
            found.append(np.stack([np.full(len(clear), street), clear, np.full(len(clear), side)]))
    street, along, side = np.concatenate(found, axis=1)
    return street.astype(int), along, side
