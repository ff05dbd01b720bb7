"""Small tables of the kinds that figures are drawn from."""

import itertools

import numpy as np
import pandas as pd
from matplotlib.text import Text

from geonb.earth.cells import hexagons
from geonb.measuring import conformal

CITIES = ["Oulu", "Lima"]
RANDOM = np.random.default_rng(0)


def table(columns, rows):
    return pd.DataFrame(list(rows), columns=columns.split())


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text)]


def errors(methods=("clip", "sw_clip"), seeds=(0, 1), cities=CITIES):
    n = 40
    at = {name: RANDOM.normal(60, 0.01, n) for name in ("lat_deg", "lon_deg", "predicted_lat_deg", "predicted_lon_deg")}
    here = pd.DataFrame(at).assign(photo_id=np.arange(n), city=np.resize(cities, n), right_city=np.arange(n) % 7 > 0)
    return pd.concat([here.assign(split="blocked", method=method, seed=seed, error_m=RANDOM.lognormal(5, 1, n))
                      for method in methods for seed in seeds], ignore_index=True)  # fmt: skip


PHOTOS = pd.DataFrame({"city": ["Oulu", "Lima", None]})
LAGS = table(
    "city distance_m semivariance pairs planted",
    [(city, x, 1 - np.exp(-x / 200), 90, 0.9) for city in CITIES for x in np.geomspace(10, 900, 8)],
)
FITS = table("city effective_range_m flag", [(city, 600.0, "") for city in CITIES])
DOUBTFUL_FITS = FITS.assign(range_low_m=9, range_high_m=np.inf)
DOUBT = LAGS.assign(low=LAGS.semivariance - 0.1, high=LAGS.semivariance + 0.1, envelope_low=0.7, envelope_high=0.8)
PAIRS = pd.DataFrame({"distance_m": RANDOM.lognormal(6, 2, 90), "similarity": RANDOM.random(90)})
HERE = pd.DataFrame({"lat_deg": RANDOM.normal(65, 0.01, 60), "lon_deg": RANDOM.normal(25, 0.01, 60), "city": "Oulu"})
HERE = HERE.assign(part=RANDOM.choice(["train", "validation", "test", "buffer"], 60), weight=np.arange(60) / 1770)
POINTS = pd.concat([HERE.assign(split=split) for split in ("random", "blocked")], ignore_index=True)
ERRORS = errors(("clip",), (0,))
CELLS = pd.concat([ERRORS.assign(resolution=k, cell=hexagons(ERRORS[["lat_deg", "lon_deg"]], k)) for k in (8, 9)])
CELLS["verdict"] = np.resize(["better", "worse", "mixed"], len(CELLS))
CURVE = table("step validation_error_m", [(0, 900), (10, np.nan), (20, 300), (30, np.nan), (40, 200)])
CURVE = pd.concat([CURVE.assign(method="clip", split="blocked", seed=seed, loss=2.0) for seed in (0, 1)])
RATIOS = table(
    "split method ratio low high p_holm",
    [(s, m, r, r / 1.3, r * 1.3, p) for s in ("a", "b") for m, r, p in (("x", 0.6, 0.01), ("y", 1.1, 0.8))]
    + [("b", "z", 0.97, np.nan, np.nan, np.nan)],
)
BY_CITY = table("split city range_m ratio low high", [("a", "Oulu", np.nan, 0.8, 0.5, 1.1), ("a", "Lima", 90, 1, 1, 2)])
COMPARISON = table(
    "method kind value low high",
    [("clip", "method", 280.0, 250.0, 310.0), ("sw_clip", "method", 92.0, 80.0, 99.0),
     ("chance", "trivial", 9000.0, np.nan, np.nan), ("gallery_floor", "reference", 8.0, 7.0, 9.0)],
).assign(split="blocked", metric="median_error_m")  # fmt: skip
SURROUNDINGS = table(
    "method about from to error_m low high",
    [(m, a, k, k + 1, 90.0 + k, 80.0, 120.0) for m in "ab" for a in ("nearest_m", "count") for k in range(3)],
)
NULLS = table(
    "split method median_error_m null_low null_high p_holm",
    [*[(s, m, 90.0, 70.0, 80.0, 0.01) for s in "ab" for m in ("clip", "cells")], ("a", "x", 9.0, *[np.nan] * 3)],
)
NEAREST = pd.DataFrame({"split": ["random", "blocked"] * 20, "nearest_train_m": RANDOM.lognormal(4, 1, 40)})
COVERAGE = table(
    "split rule level coverage low high",
    [(s, r, x, x - 0.03, x - 0.06, x) for s in ("a", "b") for r in conformal.RULES for x in (0.5, 0.9)],
)
RISK = table(
    "split order share error_m",
    [(s, o, x, 100 + 1e4 * x) for s in "ab" for o in ("radius", "chance", "oracle") for x in (0.25, 0.5, 1.0)],
)
SHARES = np.repeat([0.125, 0.5], 10)
FITTED_M = np.where(RANDOM.random(20) < 0.2, np.nan, 1_000 * SHARES * RANDOM.lognormal(0, 0.3, 20))
TRIALS = pd.DataFrame({"range_share": SHARES, "nugget_share": np.tile([0.1, 0.4], 10), "range_m": 1_000 * SHARES})
TRIALS = TRIALS.assign(fitted_m=FITTED_M, likelihood_m=TRIALS.range_m, flag=np.where(np.isnan(FITTED_M), "why", ""))
AIMS = list(itertools.product(("random", "blocked"), ("position", "fields", "city")))
DOSES = table(
    "split aim share words_r2 tower_r2 low high",
    [(*aim, share, share / 2, share / 4, 0.0, 0.3) for aim in AIMS for share in (0, 0.5, 1)],
)
RESPONSES = table(
    "dose value split ratio low high p_holm",
    [(d, v, s, 0.9, 0.8, 1.1, 0.01) for d in ("range", "new") for v in (0.5, 1) for s in ("blocked", "random")],
)
PLANTED = table(
    "field distance_m semivariance planted low high", [(f, x, 1.0, 1.1, 0.8, 1.2) for f in "abcde" for x in (9, 99)]
)
