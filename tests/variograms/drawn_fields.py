"""Photos with features that neighbours share, and lags of a curve without noise, for the tests beside."""

import gstools
import numpy as np
import pandas as pd

from geonb.earth import sphere
from geonb.variograms import models

CENTRE = np.array([50.7374, 7.0982])


def unit(rng, *shape):
    vectors = rng.normal(size=shape)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def toy(n=60, d=5, seed=0):
    """(features, lat_lon_deg) of photos within a kilometre that neighbours resemble."""
    rng = np.random.default_rng(seed)
    metres = rng.uniform(-500, 500, (n, 2))
    features = unit(rng, n, d)
    features[:, 0] += metres[:, 0] / 250
    return features / np.linalg.norm(features, axis=1, keepdims=True), sphere.from_local_m(metres, CENTRE)


def planted(range_m, nugget=0.0, n=900, seed=0, side_m=4_000.0):
    """Unit vectors on the circle whose angle is an exponential field of standard deviation 0.3, and their positions."""
    rng = np.random.default_rng(seed)
    metres = rng.uniform(-side_m / 2, side_m / 2, (n, 2))
    model = gstools.Exponential(dim=2, var=0.09, len_scale=range_m / 3)
    angle = gstools.SRF(model, mode_no=1_000, seed=seed)(metres.T) + rng.normal(0, np.sqrt(nugget), n)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1), sphere.from_local_m(metres, CENTRE)


def curve_table(model, range_m, partial_sill, nugget, max_lag_m=1_000.0, lag_count=25):
    """Lags without noise, each with a pair more than the one before."""
    h = (np.arange(lag_count) + 0.5) * max_lag_m / lag_count
    gamma, pairs = models.semivariance(model, h, nugget, [range_m, partial_sill]), np.arange(1, lag_count + 1)
    return pd.DataFrame({
        "lag_from_m": h - 20, "lag_to_m": h + 20, "distance_m": h, "semivariance": gamma, "pairs": pairs,
        "sampling_error": 0.0,
    })  # fmt: skip
