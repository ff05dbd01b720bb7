"""The model that held-out blocks choose, the curve of each city, and the length that pilot districts give to blocks."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from geonb import checks, random_streams, resampling
from geonb.splitting.splits import block_ids
from geonb.variograms import curves, lags, models

FEWEST = 30  # photos of a city that has a curve
FOLDS = 4
PHOTOS_AT_MOST = 600  # of a city, for its envelope and the interval of its range
PILOT_FEWEST = 300  # photos in pilot districts that make a yardstick
ALL_PILOTS = "(all pilots)"
STEP_M = 50.0  # to which a yardstick is rounded
BEYOND = "a range beyond the lags cannot be told from the fitted one"
NO_STRUCTURE = "nothing outside the envelope: places dealt at random give the same curve"
CHOICE = {
    "model": "model function of scikit-gstat",
    "error": "mean squared relative error on the lags of held-out blocks, by pairs [-]",
    "flag": "why some fold has no fit; empty when all have one",
}
CITY_LAGS = curves.LAGS | {
    "city": "city of the photos",
    "low": "2.5 % of the block bootstrap of the semivariance; missing below 20 blocks [-]",
    "high": "97.5 % of the block bootstrap of the semivariance; missing below 20 blocks [-]",
    "envelope_low": "lower edge of the global 95 % envelope were places permuted at random [-]",
    "envelope_high": "upper edge of it [-]",
    "structure": "whether the curve of the photos looked at leaves the envelope in this lag",
    "planted": "planted curve between the fitted nugget and sill [-]",
}
RANGE = {
    "range_low_m": "2.5 % of the parametric bootstrap of the effective range; missing where the fit is flagged [m]",
    "range_high_m": "97.5 % of it; infinite where the range is flagged for it [m]",
}
CITY_FITS = {
    "city": "city of the photos",
    **models.FIT,
    **RANGE,
    "between_cities": "mean cosine distance of photos of different cities [-]",
}
YARDSTICK = {
    "length_m": "spatial yardstick of the study: block size, and block of the bootstrap [m]",
    "range_m": "effective range in the pilot districts; missing when flagged [m]",
    "model": "model function of scikit-gstat, chosen on the pilot photos; empty when they are too few",
    "pilot_photos": "photos in the pilot districts, which never test [count]",
    "flag": "why length_m is the study's parameter instead; empty when it is the range, rounded",
}
PILOT_LAGS = curves.LAGS | {"city": "city of the pilot photos"}
PILOT_FITS = {"city": f"city of the pilot photos, '{ALL_PILOTS}' for all together", **models.FIT}


@dataclass(frozen=True)
class Reading:
    """How the curves of a study are read: the parameters of 03_semivariograms. ValueError for those that are none."""

    models: tuple[str, ...]  # of which held-out blocks choose one
    max_lag_m: float
    lag_count: int
    block_size_m: float  # of folds and bootstrap; the yardstick where pilot photos show no range
    replicates: int = 200  # of the block bootstrap of the lags
    range_replicates: int = 60  # fields drawn for the interval of each range
    permutations: int = 999  # of the places, for the envelope
    seed: int = 0

    def __post_init__(self):
        if not self.models:
            raise ValueError(f"models must name at least one model: there are {', '.join(models.MODELS)}")
        checks.number("block_size_m", self.block_size_m, above=0)
        checks.count("permutations", self.permutations, least=19)  # of fewer none may lie outside
        resampling.check_replicates(self.replicates)
        resampling.check_replicates(self.range_replicates, "range_replicates")

    def pairs(self, lat_lon_deg):
        """The lags.Pairs of photos at positions (n, 2)."""
        return lags.pairs(lat_lon_deg, lags.edges_m(self.max_lag_m, self.lag_count), seed=self.seed)


def choose_model(features, lat_lon_deg, city, reading):
    """A table CHOICE of the models of a Reading, best first: fitted to pairs among photos of all blocks but those of a
    fold, read on pairs within the fold. A single photo makes no choice: the names in their order, flagged.
    """
    if len(city) < 2:
        flag = f"only {len(city)} photos, 2 are needed"
        return pd.DataFrame({"model": reading.models, "error": np.nan, "flag": flag})
    code = np.unique(block_ids(lat_lon_deg, city, reading.block_size_m), return_inverse=True)[1]
    fold = random_streams.stream(reading.seed, "semivariogram folds").permutation(int(code.max()) + 1)[code] % FOLDS
    pairs = reading.pairs(lat_lon_deg)
    half, first, second = curves.half_squares(features, pairs), fold[pairs.i], fold[pairs.j]
    table_of = lambda mask: curves.lag_table(pairs.where(mask), half[mask])  # noqa: E731
    cut = [(table_of((first != k) & (second != k)), table_of((first == k) & (second == k))) for k in range(FOLDS)]
    table = pd.DataFrame([(name, *held_out_error(name, cut)) for name in reading.models], columns=list(CHOICE))
    return table.sort_values("error", ignore_index=True)


def held_out_error(model, cut):
    """(error, flag) of a model: mean of (held-out gamma / fitted gamma - 1)^2 by pairs; cut: others, held-out lags."""
    squares, count, flags = 0.0, 0.0, set()
    for others, held_out in cut:
        fitted, seen = models.fit(others, model=model), held_out[(held_out.pairs > 0) & (held_out.distance_m > 0)]
        if not fitted["theta"]:
            flags.add(fitted["flag"])
            continue
        gamma = models.semivariance(model, seen.distance_m.to_numpy(), fitted["nugget"], fitted["theta"])
        squares += float((seen.pairs * (seen.semivariance / gamma - 1) ** 2).sum())
        count += float(seen.pairs.sum())
    return squares / count if count else np.nan, "; ".join(sorted(flags))


def readings(features, lat_lon_deg, city, model, reading, planted=None):
    """(lags, fits): the curve of each city, its fit, and what both are worth: columns CITY_LAGS and CITY_FITS.

    planted: distances (n,) -> planted semivariance as a share of its sill. A city below FEWEST photos has a flag alone.
    """
    checks.same_length({"features": features, "positions": lat_lon_deg, "city": city})
    tables, fits = [pd.DataFrame(columns=list(CITY_LAGS))], []
    for name in np.unique(city):
        here = city == name
        if here.sum() < FEWEST:
            flag = f"only {here.sum()} photos, fewer than {FEWEST}"
            fits.append({"city": name, **models.flagged(model, flag), **dict.fromkeys(RANGE, np.nan)})
            continue
        table, fitted = city_reading(features[here], lat_lon_deg[here], name, model, reading)
        tables.append(table.assign(planted=planted_shape(table, fitted, planted) if planted else np.nan))
        fits.append({"city": name, **fitted})
    fits = pd.DataFrame(fits).assign(between_cities=curves.between_cities(features, city))
    return pd.concat(tables[1:] or tables, ignore_index=True), fits


def city_reading(features, lat_lon_deg, name, model, reading):
    """(lags, fit) of one city. Envelope and interval of the range are read from PHOTOS_AT_MOST photos.

    A curve that never leaves its envelope has no range, and an interval without an upper end allows none.
    """
    seed, pairs, interval = reading.seed, reading.pairs(lat_lon_deg), (np.nan, np.nan)
    half = curves.half_squares(features, pairs)
    blocks = block_ids(lat_lon_deg, [name] * len(lat_lon_deg), reading.block_size_m)
    if len(np.unique(blocks)) >= resampling.FEWEST_BLOCKS:
        drawn = curves.block_bootstrap(pairs, half, blocks, replicates=reading.replicates, seed=seed)
        interval = resampling.interval95(drawn)
    some = np.sort(random_streams.stream(seed, "readings", str(name)).permutation(len(features))[:PHOTOS_AT_MOST])
    features, fewer = features[some], reading.pairs(lat_lon_deg[some])
    observed, low, high = curves.envelope(features, fewer, permutations=reading.permutations, seed=seed)
    columns = {"city": name, "low": interval[0], "high": interval[1], "envelope_low": low, "envelope_high": high}
    table = curves.lag_table(pairs, half).assign(**columns, structure=(observed < low) | (observed > high))
    fitted = models.fit(table, model=model)
    if not table.structure.any() and not fitted["flag"]:
        fitted = models.flagged(model, NO_STRUCTURE)
    how = {"dimensions": curves.effective_dimensions(features), "replicates": reading.range_replicates, "seed": seed}
    ends_m = curves.range_interval(fitted, fewer, **how)
    if np.isinf(ends_m[1]):
        fitted |= {"effective_range_m": np.nan, "flag": BEYOND}
    return table, fitted | dict(zip(RANGE, ends_m, strict=True))


def planted_shape(lags, fitted, planted):
    """The planted curve (L,) between fitted nugget and sill: what share of it an embedding shows is not planted."""
    near, far = planted(np.array([1e-6, 1e9]))
    share = planted(np.nan_to_num(lags.distance_m.to_numpy(float)))
    rise = (share - near) / (far - near) if far > near else np.ones(len(lags))  # a range of 0: all at once
    return fitted["nugget"] + fitted["partial_sill"] * rise


def pilot_districts(city, district, *, seed=0):
    """Mask (n,) of the photos in one district of each city, drawn by the seed; cities without districts have none."""
    rng, chosen = random_streams.stream(seed, "pilot districts"), np.zeros(len(city), bool)
    for name in np.unique(city):
        here = (city == name) & (district != "")
        names = np.unique(district[here])
        if len(names) > 1:  # the only district of a city cannot all be training
            chosen |= here & (district == names[rng.integers(len(names))])
    return chosen


def of_pilots(features, lat_lon_deg, city, pilot, reading):
    """(yardstick, lags, fits) of the photos of pilot districts: tables YARDSTICK, of one row, PILOT_LAGS, PILOT_FITS.

    The yardstick is the effective range there, pooled within cities and rounded to STEP_M; block_size_m, and why, where
    photos are too few or the fit is flagged. No photo that tests has a say. fits: that of all pilots, then each city's.
    """
    photos, count = (features[pilot], lat_lon_deg[pilot], city[pilot]), int(pilot.sum())
    model, table, fits = "", pd.DataFrame(columns=list(PILOT_LAGS)), []
    if count < PILOT_FEWEST:
        whole = models.flagged(reading.models[0], f"only {count} photos in pilot districts, fewer than {PILOT_FEWEST}")
    else:
        model = choose_model(*photos, reading).model[0]
        found = curves.by_city(*photos, max_lag_m=reading.max_lag_m, lag_count=reading.lag_count, seed=reading.seed)
        whole = models.fit(curves.pooled(found), model=model)
    range_m, length_m = whole["effective_range_m"], float(reading.block_size_m)
    if not whole["flag"]:
        table, length_m = found, STEP_M * max(1, round(range_m / STEP_M))
        names = np.unique(photos[2])
        fits = [{"city": name, **models.fit(table[table.city == name], model=model)} for name in names]
    row = dict(zip(YARDSTICK, (length_m, range_m, model, count, whole["flag"]), strict=True))
    return pd.DataFrame([row]), table, pd.DataFrame([{"city": ALL_PILOTS, **whole}, *fits])


def fit_of_pilots(lags, fits, cities):
    """The fit of the pilots of these cities together, from the tables of of_pilots; flagged where that of all is."""
    whole = fits[fits.city == ALL_PILOTS].to_dict("records")[0]
    if whole["flag"]:
        return whole
    return {"city": ALL_PILOTS, **models.fit(curves.pooled(lags[lags.city.isin(cities)]), model=whole["model"])}
