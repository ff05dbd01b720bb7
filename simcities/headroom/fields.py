"""The traits of these cities: latent Gaussian fields as in simcities.fields, 16 of the houses and 12 of the streets."""

import numpy as np

from simcities.fields import Planted

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


def planted(range_scale=1.0, trend_scale=1.0, nugget=NUGGET, city_mean_sd=CITY_MEAN_SD):
    """The simcities.fields.Planted of these traits, ranges and trends multiplied. ValueError as there."""
    range_m, share = np.array([*HOUSES.values(), *STREETS.values()]).T
    return Planted(
        range_m=tuple((range_scale * range_m).tolist()), nugget=nugget, city_mean_sd=city_mean_sd,
        trend_share=tuple((trend_scale * share).tolist()), names=FIELDS,
    )  # fmt: skip


def amounts(values):
    """Traits (...) as amounts in 0..1, which become lengths and colours: the logistic function at STEEPNESS x."""
    return 1.0 / (1.0 + np.exp(-STEEPNESS * np.asarray(values, dtype=np.float64)))
