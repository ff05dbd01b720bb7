"""Photos without pictures: the planted fields that a camera sees, and noise as large as the error of a tower.

A training on such features takes a second.
"""

import numpy as np
import pandas as pd

from geonb import random_streams
from simcities import kinds, simulation

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
    world = kinds.world(options)
    photos, seen = simulation.unpainted(world)
    sd = noise_sd(seen, photos.city.to_numpy(), r2)
    return pd.DataFrame({"field": world.planted().names, "r2": r2, "noise_sd": sd})


def photographed(options, sd):
    """(photos, features (n, K) float32) of a world: the fields that each camera sees, and noise of sd (K,)."""
    photos, seen = simulation.unpainted(kinds.world(options))
    drawn = random_streams.stream(options["world_seed"], "doses").standard_normal(seen.shape)
    return photos, np.float32(seen + sd * drawn)
