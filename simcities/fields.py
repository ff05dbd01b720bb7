"""What varies over the ground: latent Gaussian random fields of known shape, 16 of the houses and 12 of the streets."""

from dataclasses import asdict, dataclass

import numpy as np
from scipy import fft

from geonb import random_streams

# name: (effective range [m], the trend's share of the sill); in both groups from about 60 m to 1,500 m, evenly in
# logarithms, the shorter the more of the picture a trait fills
HOUSES = {
    "wall_hue": (60.0, 0.0),
    "wall_light": (75.0, 0.05),
    "courses": (92.0, 0.05),
    "roof_hue": (115.0, 0.05),
    "shutters": (140.0, 0.05),
    "frames": (175.0, 0.05),
    "windows": (215.0, 0.05),
    "awnings": (270.0, 0.05),
    "cornice": (330.0, 0.05),
    "balconies": (410.0, 0.05),
    "gables": (510.0, 0.05),
    "roof_height": (640.0, 0.05),
    "storeys": (790.0, 0.4),
    "setback": (980.0, 0.3),
    "shops": (1210.0, 0.2),
    "doors": (1500.0, 0.05),
}
STREETS = {
    "road_hue": (60.0, 0.05),
    "paving_tone": (80.0, 0.05),
    "hedges": (108.0, 0.05),
    "verge": (144.0, 0.05),
    "leaf_hue": (193.0, 0.05),
    "kerbs": (259.0, 0.05),
    "planters": (347.0, 0.05),
    "wires": (465.0, 0.05),
    "bollards": (624.0, 0.05),
    "trees": (836.0, 0.5),
    "lamps": (1120.0, 0.2),
    "cycle_lane": (1500.0, 0.05),
}
FIELDS = (*HOUSES, *STREETS)
STEEPNESS = 1.15
NUGGET, CITY_MEAN_SD = 0.1, 1.0
GRID_STEP_M = 10.0
# models by their name in GSTools, the share of an effective range that is their length scale there, what shapes them
MODELS = {
    "exponential": ("Exponential", 1 / 3, {}),
    "spherical": ("Spherical", 1.0, {}),
    "gaussian": ("Gaussian", 1 / 2, {}),
    "matern": ("Matern", np.sqrt(1.5) / 4.7439, {"nu": 1.5}),  # (1 + z) exp(-z) is 0.05 at z = 4.7439
}
MOST_TREND = 0.5  # as a share of the sill: beyond it a trend would hide the range
# mean and standard deviation of the distance from the centre of a square, in half sides
CENTRE_MEAN = (np.sqrt(2) + np.arcsinh(1)) / 3
CENTRE_SD = np.sqrt(2 / 3 - CENTRE_MEAN**2)
PAIRS_AT_MOST = 2_000_000


@dataclass(frozen=True)
class Planted:
    """The truth of a simulated world: every field is Gaussian with a range of its own.

    range_m: effective range of each field of `names` [m], as SciKit-GStat counts it: 95 % of the sill for the
        exponential model and the Matern, 98 % for the gaussian, all of it for the spherical; 0 plants no structure
    sill: variance of a field around its city's mean and trend
    nugget: variance from house to house, beside the sill
    city_mean_sd: standard deviation of the fields' means between cities
    trend_share: variance of each field's trend from the centre to the edge over the square of a city, as a share of
        the sill
    model: matern (of smoothness 1.5), exponential, spherical or gaussian
    names: of the fields (K,)

    ValueError names what cannot be planted.
    """

    range_m: tuple
    trend_share: tuple
    sill: float = 1.0
    nugget: float = NUGGET
    city_mean_sd: float = CITY_MEAN_SD
    model: str = "matern"
    names: tuple = FIELDS

    def __post_init__(self):
        if len(self.range_m) != len(self.names) or not all(0 <= r < np.inf for r in self.range_m):
            raise ValueError(f"range_m needs {len(self.names)} numbers of at least 0, it is {self.range_m}")
        if not 0 < self.sill < np.inf:
            raise ValueError(f"sill {self.sill} must be above 0: plant range_m 0 for fields without structure")
        if not (0 <= self.nugget < np.inf and 0 <= self.city_mean_sd < np.inf):
            raise ValueError(f"nugget {self.nugget} and city_mean_sd {self.city_mean_sd} must be at least 0")
        if len(self.trend_share) != len(self.names) or not all(0 <= share <= MOST_TREND for share in self.trend_share):
            raise ValueError(
                f"trend_share needs a number of 0 to {MOST_TREND} for each of {len(self.names)} fields, it is "
                f"{self.trend_share}"
            )
        if self.model not in MODELS:
            raise ValueError(f"there is no model {self.model!r}; there are {', '.join(MODELS)}")

    def as_dict(self):
        """What JSON can hold; Planted(**as_dict) is the same again."""
        return asdict(self)


def planted(range_scale=1.0, trend_scale=1.0, nugget=NUGGET, city_mean_sd=CITY_MEAN_SD):
    """The Planted of all traits, ranges and trends multiplied. ValueError as there."""
    range_m, share = np.array([*HOUSES.values(), *STREETS.values()]).T
    return Planted(
        range_m=tuple((range_scale * range_m).tolist()), nugget=nugget, city_mean_sd=city_mean_sd,
        trend_share=tuple((trend_scale * share).tolist()),
    )  # fmt: skip


def amounts(values):
    """Traits (...) as amounts in 0..1, which become lengths and colours: the logistic function at STEEPNESS x."""
    return 1.0 / (1.0 + np.exp(-STEEPNESS * np.asarray(values, dtype=np.float64)))


def covariance_model(planted, range_m):
    """The GSTools model of one field: its methods covariance and variogram take distances in metres."""
    import gstools  # here, since a machine that only paints a saved world has none

    name, share, shape = MODELS[planted.model]
    return getattr(gstools, name)(dim=2, var=planted.sill, len_scale=share * range_m, rescale=1.0, **shape)


def draw(planted, half_side_m, rng, added=0.0):
    """Fields (K, n, n) float32 over a square of 2 half_side_m: cells of GRID_STEP_M, rows northwards.

    Each is the city's mean, a radial trend of random sign, and a Gaussian field; added (K,) goes to the means. Turning
    one off leaves the others as they are. Values have the precision of float16, so that a saved world holds them
    exactly. ValueError as check_range.
    """
    check_range(planted, half_side_m)
    count = int(np.ceil(2 * half_side_m / GRID_STEP_M))
    centres = (np.arange(count) + 0.5) * GRID_STEP_M - half_side_m
    means = planted.city_mean_sd * rng.standard_normal(len(planted.names)) + added
    signs = rng.choice([-1.0, 1.0], len(planted.names))
    at = np.stack(np.meshgrid(centres, centres), axis=-1)
    layers = [
        mean + sign * trend(planted, half_side_m, at, name) + one_field(planted, range_m, count, rng)
        for name, mean, sign, range_m in zip(planted.names, means, signs, planted.range_m, strict=True)
    ]
    return np.stack(layers).astype(np.float16).astype(np.float32)


def check_range(planted, half_side_m):
    """Nothing, or a ValueError for a city smaller than a range: it would show little of the field but its mean."""
    if max(planted.range_m) > half_side_m:
        raise ValueError(
            f"a city of {2 * half_side_m:.0f} m is too small for a range of {max(planted.range_m):.0f} m: it needs a "
            f"side of {2 * max(planted.range_m):.0f} m, or a smaller range"
        )


def trend(planted, half_side_m, east_north_m, field):
    """The trend (...) of a field at positions (..., 2) before its sign: mean 0, variance trend_share * sill.

    field: its name in planted.names, as in what follows.
    """
    share = planted.trend_share[planted.names.index(field)]
    distance = np.linalg.norm(east_north_m, axis=-1) / half_side_m
    return np.sqrt(share * planted.sill) * (distance - CENTRE_MEAN) / CENTRE_SD


def one_field(planted, range_m, count, rng):
    """One Gaussian field (count, count) of mean 0 on the grid; at range 0 each cell is independent of all others.

    Circulant embedding (Dietrich and Newsam 1997) with the covariance of GSTools: Gaussian with exactly this
    covariance, in milliseconds. GSTools' own randomization method takes seconds for a city and is Gaussian only in the
    limit of many modes.
    """
    if range_m == 0:
        return np.sqrt(planted.sill) * rng.standard_normal((count, count))
    size = fft.next_fast_len(2 * count)
    lag = np.minimum(np.arange(size), size - np.arange(size))
    lag_m = np.arange(size // 2 + 1) * GRID_STEP_M  # a quarter of the torus, which is symmetric
    quarter = covariance_model(planted, range_m).covariance(np.hypot(lag_m[:, None], lag_m[None]))
    covariance = quarter[lag[:, None], lag[None]]
    spectrum = np.maximum(fft.rfft2(covariance).real, 0)  # rounding and the cut of the torus leave traces below 0
    white = fft.rfft2(rng.standard_normal((size, size)))
    return fft.irfft2(np.sqrt(spectrum) * white, s=(size, size))[:count, :count]


def value_at(fields, half_side_m, east_north_m):
    """The fields (n, K) at positions (n, 2) in metres from the city's centre: those of the cell that holds them.

    No interpolation: between the values of a rough field it would lower the sill, by a tenth for the shortest range.
    Positions beyond the edge get the nearest cell.
    """
    cell = np.floor((np.asarray(east_north_m) + half_side_m) / GRID_STEP_M).astype(int)
    column, row = np.clip(cell, 0, fields.shape[1] - 1).T
    return fields[:, row, column].T


def planted_semivariogram(planted, distance_m):
    """Mean semivariance (n,) over the fields at distances (n,) > 0, as a share of the sill with its nugget.

    For the exponential model gamma(h) = nugget + sill (1 - exp(-3 h / range)). The trend depends on positions and is
    left out: see field_semivariogram.
    """
    h = np.asarray(distance_m, dtype=np.float64)
    rise = [model_semivariogram(planted, range_m, h) for range_m in planted.range_m]
    return (planted.nugget + np.mean(rise, axis=0)) / (planted.nugget + planted.sill)


def model_semivariogram(planted, range_m, distance_m):
    """Semivariance (n,) of one field at distances (n,) > 0, without nugget and trend."""
    if range_m == 0:
        return np.full(np.shape(distance_m), float(planted.sill))
    return covariance_model(planted, range_m).variogram(np.asarray(distance_m, dtype=np.float64))


def field_semivariogram(planted, half_side_m, field, east_north_m, lag_edges_m, seed=0):
    """The expected semivariance (L,) of one field of a city at given positions, in the lags between L + 1 edges [m].

    The model's part is averaged over the pairs of each lag, and the trend adds half the mean square of its differences.
    Without the nugget, which belongs to houses and not to places. NaN in a lag without a pair. Of more than
    PAIRS_AT_MOST pairs that many are drawn by the seed. ValueError for fewer than two positions.

    field: its name in planted.names; east_north_m: positions (n, 2) from the city's centre.
    """
    east_north_m = np.asarray(east_north_m, dtype=np.float64)
    first, second = pairs(len(east_north_m), seed)
    apart_m = np.linalg.norm(east_north_m[first] - east_north_m[second], axis=1)
    drift = trend(planted, half_side_m, east_north_m, field)
    half_square = (drift[first] - drift[second]) ** 2 / 2
    expected = model_semivariogram(planted, planted.range_m[planted.names.index(field)], apart_m) + half_square
    return mean_in_lags(expected, apart_m, lag_edges_m)


def pairs(count, seed=0):
    """Indices (i, j), i < j, of the pairs among `count` positions, or of PAIRS_AT_MOST of them, each equally likely.

    ValueError below two positions.
    """
    if count < 2:
        raise ValueError(f"{count} positions have no pair: a semivariogram needs at least 2")
    if (every := count * (count - 1) // 2) <= PAIRS_AT_MOST:
        return np.triu_indices(count, 1)
    drawn = random_streams.stream(seed, "pairs").choice(every, PAIRS_AT_MOST, replace=False, shuffle=False)
    # the pairs of position i with later ones are numbered from first[i] on
    first = np.concatenate([[0], np.cumsum(np.arange(count - 1, 1, -1))])
    i = np.searchsorted(first, drawn, side="right") - 1
    return i, drawn - first[i] + i + 1


def mean_in_lags(values, apart_m, lag_edges_m):
    """Mean (L, ...) of the values (p, ...) of pairs (p,) metres apart, in lags between L + 1 edges; NaN if none."""
    lag = np.searchsorted(np.asarray(lag_edges_m, dtype=np.float64), apart_m, side="right") - 1
    values = np.asarray(values, dtype=np.float64)
    found = np.full((len(lag_edges_m) - 1, *values.shape[1:]), np.nan)
    for k in range(len(found)):
        if (here := lag == k).any():
            found[k] = values[here].mean(axis=0)
    return found


def redrawn(planted, half_side_m, field, east_north_m, redraws, rng):
    """Redraws (n, redraws) of one field, its trend included, at the cells of given positions (n, 2), without city mean.

    Exact: the covariance at the positions is factorised (Cholesky), so take hundreds of positions, not thousands.
    """
    cell = (np.floor((np.asarray(east_north_m) + half_side_m) / GRID_STEP_M) + 0.5) * GRID_STEP_M - half_side_m
    apart_m = np.linalg.norm(cell[:, None] - cell[None], axis=-1)
    range_m = planted.range_m[planted.names.index(field)]
    sill = planted.sill
    covariance = sill * (apart_m == 0) if range_m == 0 else covariance_model(planted, range_m).covariance(apart_m)
    root = np.linalg.cholesky(covariance + 1e-6 * sill * np.eye(len(cell)))  # two photos of one cell are one place
    drift = trend(planted, half_side_m, cell, field)[:, None] * rng.choice([-1.0, 1.0], redraws)
    return root @ rng.standard_normal((len(cell), redraws)) + drift
