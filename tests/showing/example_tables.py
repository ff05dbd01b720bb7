"""Small tables of the kinds that figures are drawn from."""

import numpy as np
import pandas as pd

from geonb.earth.cells import hexagons
from geonb.measuring import conformal

CITIES = ["Oulu", "Lima"]
RANDOM = np.random.default_rng(0)


def table(columns, rows):
    return pd.DataFrame(list(rows), columns=columns.split())


def photos():
    return pd.DataFrame({"city": ["Oulu", "Lima", None]})


def lags():
    h = np.geomspace(10, 900, 8)
    rows = [(c, x * 0.9, x * 1.1, x, 1 - np.exp(-x / 200), 90, 0.9) for c in CITIES for x in h]
    return table("city lag_from_m lag_to_m distance_m semivariance pairs planted", rows)


def fits(flag=""):
    return table("city effective_range_m flag", [(city, 600.0, flag) for city in CITIES])


def fitted():
    return lags(), fits(), lags()


def doubt():
    band = {name: lags().semivariance + step for name, step in (("low", -0.1), ("high", 0.1))}
    known = fits().assign(range_low_m=400.0, range_high_m=np.inf)
    return lags().assign(**band, envelope_low=0.7, envelope_high=0.8), known, lags()


def coherence():
    return lags().query("city == 'Oulu'").assign(method="clip", relative_semivariance=1.0)


def pairs():
    return pd.DataFrame({"distance_m": RANDOM.lognormal(6, 2, 90), "similarity": RANDOM.random(90)})


def points():
    n = 60
    here = {"photo_id": np.arange(n), "lat_deg": RANDOM.normal(65, 0.01, n), "lon_deg": RANDOM.normal(25, 0.01, n)}
    parts = RANDOM.choice(["train", "validation", "test", "buffer"], n)
    return pd.concat([pd.DataFrame(here).assign(split=s, part=parts, city="Oulu") for s in ("random", "blocked")])


def errors(methods=("clip", "sw_clip"), seeds=(0, 1), cities=CITIES):
    n = 40
    at = {name: RANDOM.normal(60, 0.01, n) for name in ("lat_deg", "lon_deg", "predicted_lat_deg", "predicted_lon_deg")}
    here = pd.DataFrame(at).assign(photo_id=np.arange(n), city=np.resize(cities, n), right_city=np.arange(n) % 7 > 0)
    return pd.concat([here.assign(split="blocked", method=method, seed=seed, error_m=RANDOM.lognormal(5, 1, n))
                      for method in methods for seed in seeds], ignore_index=True)  # fmt: skip


def cells():
    own = errors(("clip",), (0,))
    at = own[["lat_deg", "lon_deg"]].to_numpy()
    own = pd.concat([own.assign(resolution=size, cell=hexagons(at, size)) for size in (8, 9)])
    return own.assign(verdict=np.resize(["better", "worse", "mixed"], len(own)))


def curve():
    rows = [("clip", "blocked", seed, step, 2.0, error) for seed in (0, 1)
            for step, error in zip(range(0, 50, 10), [900, np.nan, 300, np.nan, 200], strict=True)]  # fmt: skip
    return table("method split seed step loss validation_error_m", rows)


def ratios():
    rows = [(s, m, r, r / 1.3, r * 1.3, p) for s in ("a", "b") for m, r, p in (("x", 0.6, 0.01), ("y", 1.1, 0.8))]
    return table("split method ratio low high p_holm", [*rows, ("b", "z", 0.97, np.nan, np.nan, np.nan)])


def by_city():
    rows = [("a", city, metres, 0.8, 0.5, 1.1) for city, metres in zip(CITIES, (np.nan, 90), strict=True)]
    return table("split city range_m ratio low high", rows)


def comparison():
    rows = [("clip", "method", 280.0, 250.0, 310.0), ("sw_clip", "method", 92.0, 80.0, 99.0),
            ("chance", "trivial", 9000.0, np.nan, np.nan), ("gallery_floor", "reference", 8.0, 7.0, 9.0)]  # fmt: skip
    return table("method kind value low high", rows).assign(split="blocked", metric="median_error_m")


def surroundings():
    rows = [(m, a, k, k + 1, 90.0 + k, 80.0, 120.0) for m in "ab" for a in ("nearest_m", "count") for k in range(3)]
    return table("method about from to error_m low high", rows)


def nulls():
    rows = [(s, m, 90.0, 70.0, 80.0, 0.01) for s in ("a", "b") for m in ("clip", "cells")]
    return table("split method median_error_m null_low null_high p_holm", [*rows, ("a", "x", 9.0, *[np.nan] * 3)])


def measures():
    rows = [(m, a, 0.3, 0.2, 0.4, -0.1, 0.1, 0.01) for m in ("clip", "frozen") for a in "ab"]
    return table("method measure value low high null_low null_high p", rows)


def nearest():
    return pd.DataFrame({"split": ["random", "blocked"] * 20, "nearest_train_m": RANDOM.lognormal(4, 1, 40)})


def by_distance():
    rows = [(split, method, x, 9 * x) for split in "ab" for method in "xy" for x in (9, 99)]
    return table("split method nearest_train_m error_m", rows)


def coverage():
    rows = [(split, rule, level, level - 0.03, level - 0.06, level) for split in ("blocked", "unseen_city")
            for rule in conformal.RULES for level in (0.5, 0.9)]  # fmt: skip
    found = table("split rule level coverage low high", rows)
    found.loc[found.split == "unseen_city", ["low", "high"]] = np.nan
    return found


def risk():
    rows = [(split, order, share, 100 + 1e4 * share) for split in ("blocked", "unseen_city")
            for order in ("radius", "chance", "oracle") for share in (0.25, 0.5, 1.0)]  # fmt: skip
    return table("split order share error_m", rows)


def trials():
    shares = np.repeat([0.125, 0.5], 10)
    fitted = np.where(RANDOM.random(20) < 0.2, np.nan, 1_000 * shares * RANDOM.lognormal(0, 0.3, 20))
    return pd.DataFrame({
        "range_share": shares, "nugget_share": np.tile([0.1, 0.4], 10), "range_m": 1_000 * shares, "fitted_m": fitted,
        "likelihood_m": 1_000 * shares, "flag": np.where(np.isnan(fitted), "why", ""),
    })  # fmt: skip


def readout():
    rows = [(t, s, a, k, k - 0.05, k + 0.05) for k, t in zip((0, 0.1), "xy", strict=True)
            for s in ("random", "blocked") for a in ("position", "fields", "city")]  # fmt: skip
    return table("tower split aim value low high", rows)


def depth():
    rows = [(t, a, d, d / 2) for t in "xy" for a in ("position", "fields") for d in (0.0, 0.5, 1.0)]
    return table("tower aim depth value", rows)


def doses():
    rows = [(s, a, share, share / 2, share / 4, 0.0, 0.3) for s in ("random", "blocked")
            for a in ("position", "fields") for share in (0, 0.5, 1)]  # fmt: skip
    return table("split aim share words_r2 tower_r2 low high", rows)


def scenes():
    rows = [("street", 2264, 7, 0.4, 0.0, 182e3), ("park", 43, 0, -0.1, 0.01, 490e3)]
    return table("scene n planted fields_r2 position_r2 spread_m", rows)


def responses():
    rows = [(d, v, s, 0.9, 0.8, 1.1, 0.01) for d in ("range", "new") for v in (0.5, 1) for s in ("blocked", "random")]
    return table("dose value split ratio low high p_holm", rows)


def planted():
    rows = [(field, x, 1.0, 1.1, 0.8, 1.2) for field in "abcde" for x in (9, 99)]
    return table("field distance_m semivariance planted low high", rows)
