"""Errors of any model: true and predicted positions that a table gives, read, measured and compared."""

from itertools import chain

import numpy as np
import pandas as pd

from geonb.earth import sphere
from geonb.learning.decoding import PREDICTED
from geonb.measuring import coherence, errors, significance
from geonb.photos.left_out import LEFT_OUT_COLUMNS, Unreadable, kept_and_left_out, left_out_table
from geonb.photos.sources.photo_fields import check_position, required_number, text
from geonb.splitting.splits import block_ids

AT = ["lat_deg", "lon_deg", "predicted_lat_deg", "predicted_lon_deg"]
ERRORS = {"photo_id": "id of the photo in the table, else the number of its row", "method": "model"}
ERRORS |= {name: PREDICTED[name] for name in (*AT, "error_m")}
LEFT_OUT = {"photo_id": ERRORS["photo_id"]} | {name: LEFT_OUT_COLUMNS[name] for name in ("reason", "detail")}
METRICS = {**dict(list(errors.UNITS.items())[:-1]), "geometric_mean_error_m": "m"}
SUMMARY = {"method": "model", **{name: errors.COMPARE[name] for name in ("metric", "value", "low", "high", "unit")}}
SUMMARY["n"] = "photos [count]"
RATIOS = {name: meaning for name, meaning in significance.RATIOS.items() if name != "split"}
TABLES = {"errors": ERRORS, "left_out": LEFT_OUT, "summary": SUMMARY, "moran": coherence.MORAN,
          "lags": coherence.LAGS, "ratios": RATIOS}  # fmt: skip
LAG_COUNT = 10
FAR_M = 200_000  # extent from which photos are of a region or the world, not of one city
EXCHANGED = 0.1  # share that is left of the median error where exchanged coordinates give themselves away
ENOUGH = 10  # photos from which that is looked at
FORM = '{"truth": ["lat", "lon"], "my model": ["predicted_lat", "predicted_lon"], "id": "photo"}'


def tables(path, columns, *, max_lag_m=0.0, permutations=999, replicates=999, seed=0):
    """The TABLES of a file, see read; max_lag_m: of the semivariogram, 0 for half of the photos' extent.

    Intervals draw squares again as wide as a tenth of that half. All other models are compared with the first.
    """
    found, left_out = read(path, columns)
    at, drawn = found[AT[:2]].to_numpy(), {"replicates": replicates, "seed": seed}
    half_m = max(extent_m(at) / 2, 1.0)
    full = found.assign(split="given", city="all", seed=0, block=block_ids(at, ["all"] * len(at), half_m / LAG_COUNT))
    first, *others = full.method.unique()
    moran = coherence.morans_i_by_method(full, permutations=permutations, seed=seed)
    lags = {"max_lag_m": max_lag_m or half_m, "lag_count": LAG_COUNT, "seed": seed}
    ratios = pd.DataFrame(columns=list(RATIOS))
    if others:
        ratios = significance.ratios(full, dict.fromkeys(others, first), **drawn)
    for helps_or_harms, words in {"It helps here": "Better", "It harms here": "Worse"}.items():
        ratios["verdict"] = ratios.verdict.str.replace(helps_or_harms, words, n=1)
    lags = coherence.semivariograms_of_errors(full, **lags)
    return found, left_out, summary(full, **drawn), moran, lags, ratios[list(RATIOS)]


def read(path, columns):
    """(ERRORS, LEFT_OUT) of a CSV or Parquet file in decimal degrees; a photo counts for all models or for none.

    columns: names in the file as in FORM, whose id may be missing. A leading ~ or $NAME of the path is filled in.
    FileNotFoundError without the file; ValueError for columns that are not there and where no row can be used.
    """
    from geonb.photos.sources import table  # loads geopandas

    at = {"truth": columns.get("truth")} | {name: pair for name, pair in columns.items() if name != "id"}
    pairs = all(isinstance(pair, list) and list(map(type, pair)) == [str, str] for pair in at.values())
    if not pairs or len(at) < 2 or {*map(type, at), type(columns.get("id", ""))} != {str}:
        raise ValueError(f"columns {columns} must name columns of the table as {FORM} does, the id or none")
    frame, names = table.load(path, ""), [*chain.from_iterable(at.values()), columns.get("id", "")]
    if missing := [name for name in names if name and name not in frame]:
        raise ValueError(f"the table has no column {', '.join(missing)}; it has {', '.join(map(str, frame))}")
    ids = map(text, frame[names[-1]] if names[-1] else [""] * len(frame))
    told = zip(*(frame[name] for name in names[:-1]), strict=True)
    entries = [(own or str(n), f"row {n}: ", cells) for n, (own, cells) in enumerate(zip(ids, told, strict=True), 1)]
    seen = set()

    def placed(photo_id, cells):
        found = [position(*cells[2 * k : 2 * k + 2], name) for k, name in enumerate(at)]
        if photo_id in seen:
            raise Unreadable("duplicate", f"an earlier row has the id {photo_id} too")
        seen.add(photo_id)
        return {"at": found}

    rows, refused = kept_and_left_out(entries, placed)
    if not rows:
        raise ValueError(f"no row of {path} can be used, as {refused[0]['reason']}, {refused[0]['detail']}")
    every, photos = np.array([row["at"] for row in rows]), [row["path"] for row in rows]
    found = [of_model(photos, name, every[:, 0], every[:, k]) for k, name in enumerate(at) if k]
    return pd.concat(found, ignore_index=True), left_out_table(refused).set_axis(list(LEFT_OUT), axis=1)


def position(lat, lon, whose):
    """Latitude and longitude of two cells; Unreadable says whose are none."""
    try:
        lat_deg, lon_deg = (required_number(*cell) for cell in ((lat, "latitude"), (lon, "longitude")))
        check_position(lat_deg, lon_deg)
    except Unreadable as why:
        exchanged = why.reason == "latitude out of range" and abs(lat_deg) <= 180 and abs(lon_deg) <= 90
        words = ", are latitude and longitude exchanged?" if exchanged else ""
        raise Unreadable(why.reason, f"{whose}: {why.detail}{words}") from None
    return lat_deg, lon_deg


def of_model(photos, model, true, placed):
    """ERRORS of positions (n, 2) of one model; ValueError where latitude and longitude of one side look exchanged."""
    error_m, able = sphere.distance_m(true, placed), np.abs(placed[:, 1]) <= 90
    crossed_m = sphere.distance_m(true, placed[:, ::-1])
    if able.sum() >= ENOUGH and np.median(crossed_m[able]) < EXCHANGED * np.median(error_m[able]):
        lengths = [sphere.length(np.median(one[able])) for one in (error_m, crossed_m)]
        raise ValueError(
            f"latitude and longitude of {model} or of the true positions look exchanged: the median error is "
            f"{lengths[0]}, and {lengths[1]} the other way round. Name the two columns in the other order"
        )
    found = pd.DataFrame(np.column_stack([true, placed, error_m]), columns=[*AT, "error_m"])
    return found.assign(photo_id=photos, method=model)[list(ERRORS)]


def extent_m(lat_lon_deg):
    """About the largest distance of two positions (n, 2): from the one that lies farthest from the first."""
    farthest = sphere.distance_m(lat_lon_deg[0], lat_lon_deg).argmax()
    return float(sphere.distance_m(lat_lon_deg[farthest], lat_lon_deg).max())


def summary(full, *, replicates, seed):
    """METRICS of each model with their intervals (columns SUMMARY), from ERRORS with seed and block."""
    metrics, rows = lambda own_m: np.append(errors.statistics(own_m), errors.geometric_mean_m(own_m)), []
    for method, own in full.groupby("method", sort=False):
        values, blocks = significance.by_seed(own, "error_m")
        found = significance.with_interval(metrics, (values,), blocks, replicates=replicates, seed=seed)
        rows += [(method, *row, len(own)) for row in zip(METRICS, *found, METRICS.values(), strict=True)]
    return pd.DataFrame(rows, columns=list(SUMMARY))


def readable(table, far):
    """A summary as text, a row for each metric and a column for each model; far: within 1 km and more, else less."""
    near, wide = ([f"share_within_{name}" for name in list(errors.NEAR_M)[part]] for part in (slice(5), slice(5, None)))
    wide += ["geoscore"]
    says = {"m": sphere.length, "share": "{:.0%}".format, "points": "{:,.0f}".format}
    kept = table[~table.metric.isin(near if far else wide)]
    words = [says[row.unit](row.value) + (f" ({says[row.unit](row.low)} to {says[row.unit](row.high)})"
             if row.low <= row.high else "") for row in kept.itertuples()]  # fmt: skip
    kept = kept.assign(words=words, metric=kept.metric.str.removesuffix("_m").str.replace("_", " "))
    return kept.pivot_table("words", "metric", "method", "first", sort=False)


def answer(table, ratios, moran):
    """How far each model errs, which one errs less, and whether its errors cluster, in sentences."""
    medians = table[table.metric == "median_error_m"]
    said = ", ".join(f"{row.method} within {sphere.length(row.value)}" for row in medians.itertuples())
    half = f"Half of the {table.n.iloc[0]:,} photos are placed by {said}."
    return " ".join([half, *ratios.verdict, coherence.answer_errors(moran)])
