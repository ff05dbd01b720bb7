"""What varies over the ground: latent Gaussian random fields with a known range, one for each trait of the houses."""

from dataclasses import asdict, dataclass

import gstools
import numpy as np

FIELDS = ("storeys", "wall_hue", "wall_light", "bays", "window_height", "shops", "greenery", "roof")
GRID_STEP_M = 20.0
MODES = 400  # of GSTools' randomization method: more make the field more Gaussian


@dataclass(frozen=True)
class Planted:
    """The truth of a simulated world: each field is exponential with its own range, of unit sill.

    range_m: effective range of each field, where 95 % of the sill is reached [m]; 0 plants no spatial structure
    nugget: variance from house to house, beside the sill of 1
    city_mean_sd: standard deviation of the fields' means between cities
    """

    range_m: tuple = (250.0, 300.0, 200.0, 350.0, 400.0, 150.0, 300.0, 200.0)
    nugget: float = 0.15
    city_mean_sd: float = 0.8

    def __post_init__(self):
        if len(self.range_m) != len(FIELDS) or min(self.range_m) < 0:
            raise ValueError(f"range_m needs {len(FIELDS)} numbers of at least 0, it is {self.range_m}")
        if self.nugget < 0 or self.city_mean_sd < 0:
            raise ValueError(f"nugget {self.nugget} and city_mean_sd {self.city_mean_sd} must be at least 0")

    def as_dict(self):
        return asdict(self)


def draw(planted, half_side_m, rng):
    """Fields (K, n, n) float32 over a square of 2 half_side_m, rows northwards, GRID_STEP_M apart, by GSTools."""
    steps = np.arange(-half_side_m, half_side_m + GRID_STEP_M, GRID_STEP_M)
    if max(planted.range_m) > half_side_m:
        raise ValueError(f"a city of {2 * half_side_m:.0f} m is too small for a range of {max(planted.range_m):.0f} m")
    means = rng.normal(0, planted.city_mean_sd, len(FIELDS))
    layers = [one_field(range_m, steps, rng) + mean for range_m, mean in zip(planted.range_m, means, strict=True)]
    return np.stack(layers).astype(np.float32)


def one_field(range_m, steps, rng):
    """One field (n, n) of mean 0 and variance 1; a range of 0 is the city's mean alone plus what houses vary by."""
    seed = int(rng.integers(2**31))
    if range_m == 0:
        return np.zeros((len(steps), len(steps)))
    model = gstools.Exponential(dim=2, var=1, len_scale=range_m / 3)  # gamma(3 len_scale) = 0.95 of the sill
    return gstools.SRF(model, mode_no=MODES, seed=seed).structured([steps, steps]).T


def value_at(fields, half_side_m, east_north_m):
    """The fields (n, K) at positions (n, 2) in metres from the city's centre, bilinear."""
    size = fields.shape[1]
    at = np.clip((np.asarray(east_north_m) + half_side_m) / GRID_STEP_M, 0, size - 1.001)
    column, row = at[:, 0], at[:, 1]
    i, j = row.astype(int), column.astype(int)
    a, b = row - i, column - j
    near, far = (
        fields[:, i, j] * (1 - b) + fields[:, i, j + 1] * b,
        fields[:, i + 1, j] * (1 - b) + fields[:, i + 1, j + 1] * b,
    )
    return (near * (1 - a) + far * a).T


def planted_semivariogram(planted, distance_m):
    """Mean semivariance (n,) over the fields at distances (n,) > 0, as a share of the mean sill with its nugget.

    gamma(h) = nugget + 1 - exp(-3 h / range) for each field (exponential model, effective range).
    """
    h = np.asarray(distance_m, dtype=np.float64)[:, None]
    range_m = np.asarray(planted.range_m, dtype=np.float64)
    rise = 1 - np.exp(-3 * h / np.where(range_m > 0, range_m, 1e-9))
    return (planted.nugget + rise).mean(axis=1) / (planted.nugget + 1)
