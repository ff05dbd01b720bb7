"""What lines the kerbs of a city: trees, lamps, bollards, tubs of flowers, and places where cars are parked.

A thing is a row (6,) of KIND, EAST, NORTH, HEADING (clockwise from north, the way a car drives), SIZE (the amount in
0..1 of its trait) and SEED in [0, 1), which decides the rest.
"""

import functools

import numpy as np

from simcities import fields
from simcities.buildings import single

KIND, EAST, NORTH, HEADING, SIZE, SEED = range(6)
# kinds; all but cars stand on both sides of every street
TREE, LAMP, BOLLARD, PLANTER, CAR = range(5)
ROWS = {  # kind: (the trait that its size follows, metres to the next on the same side, metres from the kerb)
    TREE: ("trees", 13.0, 0.75),
    LAMP: ("lamps", 8.0, 0.45),
    BOLLARD: ("bollards", 2.4, 0.3),
    PLANTER: ("planters", 4.0, 2.7),
    CAR: (None, 5.6, -0.9),  # a place to park: the day decides whether it is taken
}


def furnish(city, rng):
    """Things (T, 6) that line the kerbs of a city.

    Nothing stands where another street crosses.
    """
    line = functools.partial(lined, city, rng)
    return single(np.concatenate([line(kind, *ROWS[kind]) for kind in ROWS]))


def lined(city, rng, kind, trait, step_m, kerb_m):
    """Things (n, 6) of one kind along both sides of all streets."""
    street, along, side = paced(city, step_m, rng)
    direction = city.direction[street]
    right = np.stack([direction[:, 1], -direction[:, 0]], axis=1) * side[:, None]
    at = city.position_m(street, along) + (city.road_half_m[street] + kerb_m)[:, None] * right
    table = np.ones((len(street), 6))
    table[:, KIND] = kind
    if trait:
        latent = fields.value_at(city.fields, city.half_side_m, at)[:, fields.FIELDS.index(trait)]
        table[:, SIZE] = fields.amounts(latent)
    table[:, [EAST, NORTH]] = at
    ahead = direction * side[:, None]  # cars stand as they drive, on the right
    table[:, HEADING] = np.arctan2(ahead[:, 0], ahead[:, 1])
    table[:, SEED] = rng.integers(0, 2**20, len(table)) / 2**20
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
