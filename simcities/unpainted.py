"""Photos without pictures: the planted fields that a camera sees, and noise like the error of a tower.

A training on such features takes a second. A tower errs alike in neighbouring photos, which show the same houses and
the same other traits: the noise has a part that is a random field.
"""

import numpy as np
import pandas as pd

from geonb import random_streams
from geonb.earth import sphere
from simcities import fields, globe, simulation

# of the error of the shipped tower in design world 30: between photos of other drives its correlation is .56 below
# 5 m, .40 at 30 m, .29 at 60 m, .18 at 120 m and .09 at 240 m
FIELD_SHARE, FIELD_RANGE_M = 0.55, 300.0
ERROR = fields.Planted((FIELD_RANGE_M,), trend_share=(0.0,), model="exponential", names=("error",))
LEAST_R2 = 0.05  # a field that a tower reads worse than this is taken to be read so
NOISE = {
    "field": "planted field",
    "r2": "R2 of the tower, of which the noise is made [-]",
    "noise_sd": "standard deviation of the noise [-]",
}


def noise_sd(seen, city, r2):
    """Standard deviation (K,) of noise after which a linear probe reads fields (n, K) with r2 (K,) within a city (n,).

    Of a field f and independent noise e a regression explains var f / (var f + var e): solved for var e.
    """
    share, table = np.clip(r2, LEAST_R2, 1.0), pd.DataFrame(np.asarray(seen, dtype=float))
    within = table.to_numpy() - table.groupby(np.asarray(city)).transform("mean").to_numpy()
    return np.sqrt(within.var(axis=0) * (1 - share) / share)


def noise(options, r2):
    """What a world's fields take as noise, that they are read as well as r2 (K,) says: columns NOISE."""
    world = simulation.World(**options)
    photos, seen = simulation.unpainted(world)
    sd = noise_sd(seen, photos.city.to_numpy(), r2)
    return pd.DataFrame({"field": world.planted().names, "r2": r2, "noise_sd": sd})


def photographed(options, sd):
    """(photos, features (n, K) float32) of a world: the fields that each camera sees, and noise of sd (K,)."""
    return read(simulation.World(**options), sd)[:2]


def read(world, sd):
    """(photos, features (n, K) float32, seen (n, K)) of a World: see photographed."""
    photos, seen = simulation.unpainted(world)
    rng = random_streams.stream(world.world_seed, "unpainted")
    noise = np.sqrt(1 - FIELD_SHARE) * rng.standard_normal(seen.shape)
    for i in range(world.city_count):
        here, made = photos.city.to_numpy() == globe.NAMES[i], world.city(i)
        metres = sphere.to_local_m(photos.loc[here, ["lat_deg", "lon_deg"]].to_numpy(), made.centre_lat_lon_deg)
        layers = np.stack([fields.one_field(ERROR, FIELD_RANGE_M, made.fields.shape[1], rng) for _ in sd])
        noise[here] += np.sqrt(FIELD_SHARE) * fields.value_at(layers, made.half_side_m, metres)
    return photos, np.float32(seen + sd * noise), seen
