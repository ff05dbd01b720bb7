"""What belongs to a day and not to a place: season, sun, sky, haze, traffic, and how the camera took it."""

import numpy as np

NAMES = ("exposure", "red", "blue", "cloud", "haze", "sun_azimuth", "sun_elevation", "season", "noise", "traffic",
         "wet", "salt")  # fmt: skip
EXPOSURE, RED, BLUE, CLOUD, HAZE, SUN_AZIMUTH, SUN_ELEVATION, SEASON, NOISE, TRAFFIC, WET, SALT = range(len(NAMES))


def nuisance(seasons, rng):
    """Columns (n, 12) as in NAMES, drawn independently of place.

    seasons: (n,) 0 for summer to 1 for winter. SUN_AZIMUTH is clockwise from north and SUN_ELEVATION above the horizon,
    both in radians; HAZE is an extinction per metre; TRAFFIC scales cars and people; SALT seeds what a photo alone has.
    """
    n = len(seasons)
    table = np.empty((n, 12))
    table[:, EXPOSURE] = np.exp(rng.normal(0, 0.12, n))
    table[:, RED] = np.exp(rng.normal(0, 0.04, n))
    table[:, BLUE] = np.exp(rng.normal(0, 0.04, n))
    table[:, CLOUD] = rng.uniform(0, 1, n)
    table[:, HAZE] = rng.uniform(0.0003, 0.004, n)
    table[:, SUN_AZIMUTH] = rng.uniform(np.radians(80), np.radians(280), n)
    table[:, SEASON] = np.clip(np.asarray(seasons) + rng.normal(0, 0.1, n), 0, 1)
    table[:, SUN_ELEVATION] = np.radians(rng.uniform(30, 60, n) - 18 * table[:, SEASON])
    table[:, NOISE] = rng.uniform(0.003, 0.025, n)
    table[:, TRAFFIC] = rng.uniform(0, 1, n)
    table[:, WET] = np.clip(rng.uniform(-2, 1, n), 0, 1)
    table[:, SALT] = rng.integers(0, 2**31, n)
    return table
