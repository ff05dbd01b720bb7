"""What the trainings of a real city say, as aggregates: no photo, no position, no caption."""

from dataclasses import replace

import numpy as np
import pandas as pd

from geonb.earth import cells, sphere
from geonb.measuring import errors, significance
from geonb.splitting.splits import place_ids
from geonb.variograms import curves, fitted_ranges

SAYS = (  # rows of the first table, and those of the second
    "chance", "mode", "frozen_nearest", "frozen_smoothed", "clip", "sw_clip", "permuted", "label_smoothing",
    "cells", "smoothed_cells", "geoclip", "geoclip_semivariogram",
)  # fmt: skip
CONTROLS = ("margin_only", "year_only", "no_words", "words_masked", "words")
PLACE, OURS = "by_place", "sw_clip"
# of sw_clip where no trials were made: what an earlier look at these photos took to be best, so no untouched choice
WIDTH_M = 2000.0
COMPARED = [  # split, row, other
    *((PLACE, OURS, other) for other in ("clip", "permuted", "label_smoothing", "cells", "smoothed_cells",
                                         "frozen_smoothed", "mode")),
    (PLACE, "smoothed_cells", "cells"), (PLACE, "geoclip_semivariogram", "geoclip"),
    (PLACE, "margin_only", "mode"), (PLACE, "year_only", "mode"), (PLACE, "words_masked", "no_words"),
    ("by_series", OURS, "clip"), ("by_series", OURS, "mode"), ("blocked", OURS, "clip"), ("random", OURS, "clip"),
]  # fmt: skip
BEARINGS_M = [0.0, 500.0, 1000.0, 2000.0, 4000.0]  # edges of the lags by direction
DECADES = {"within_m": 300.0, "edges_days": [0, 365, 1825, 3650, 7300, 36500]}
NEAR_M = 1000.0
CELL_RESOLUTION = 7  # of H3: about 2 km across
BLOCK_M = 1000.0  # of the bootstrap of the curve
FEWEST_OF_A_CELL = 5  # photos: a cell of fewer would tell where single photos were taken
POWER = (1.96 + 0.84) / 1.96  # over half of an interval: what is shown in 80 % of samples
ROWS = {
    "split": "how test photos are kept away from training photos",
    "row": "method, baseline or control",
    "metric": "geometric_mean_error_m, median_error_m or share_within_1km",
    "value": "over all folds and seeds [m or share]",
    "low": "lower bound of its 95 % interval, places and seeds drawn again [m or share]",
    "high": "upper bound of it [m or share]",
    "unit": "m or share",
    "seeds": "trainings of each fold [count]",
    "still_improving": "trainings that improved by 2 % or more in their last fifth [share]",
    "n": "photos, each of which tested once [count]",
}
PAIRS = {
    "split": ROWS["split"],
    "row": "method",
    "other": "what it is compared with",
    "ratio": "its geometric mean error over that of the other [-]",
    "low": "lower bound of its 95 % interval, places and seeds drawn again [-]",
    "high": "upper bound of it [-]",
    "p": "two-sided p of the redraws [-]",
    "p_holm": "p adjusted for all comparisons of the page by Holm's rule [-]",
    "smallest_found": "ratio below 1 that 80 % of such samples would show at the 5 % level [-]",
}
DOSES = {
    "split": ROWS["split"],
    "bandwidth_m": "bandwidth of the Gaussian targets; 0: one right place, as clip [m]",
    "error_m": "geometric mean error [m]",
    "low": ROWS["low"],
    "high": ROWS["high"],
}
CELLS = {
    "method": "method",
    "cell": "H3 index, about 2 km across",
    "error_m": "geometric mean error of the photos there [m]",
    "n": "photos, five or more [count]",
}
FITS = {"max_lag_m": "pairs farther apart are left out [m]"} | fitted_ranges.CITY_FITS
LAGS = {name: fitted_ranges.CITY_LAGS[name] for name in (
    *curves.LAGS, "city", "low", "high", "envelope_low", "envelope_high", "structure")}  # fmt: skip


def with_blocks(found):
    """Predictions with the columns that intervals need: method is the row, block the place of the photo."""
    row = found.row.replace("shuffled_distances", "permuted")  # a control by the name of what it does
    return found.assign(row=row, method=row, block=place_ids(found[["lat_deg", "lon_deg"]].to_numpy()))


def measures(error_m):
    """Geometric mean, median and share within NEAR_M of errors (n,), as an array."""
    return np.array([errors.geometric_mean_m(error_m), np.median(error_m), (error_m <= NEAR_M).mean()])


def of_predictions(found, *, replicates, ratio_replicates, seed):
    """The tables ROWS, PAIRS, DOSES and CELLS of predictions with_blocks."""
    table = rows(found, replicates=replicates, seed=seed)
    against = pairs(found, COMPARED, replicates=ratio_replicates, seed=seed)
    return table, against, doses(table), by_cell(found[found.split == PLACE], ["clip", OURS], CELL_RESOLUTION)


def rows(found, *, replicates, seed):
    """One row (columns ROWS) per split, row and metric of predictions with_blocks."""
    units, made = {"geometric_mean_error_m": "m", "median_error_m": "m", "share_within_1km": "share"}, []
    for (split, row), own in found.groupby(["split", "row"], sort=False):
        values, blocks = significance.by_seed(own, "error_m")
        numbers = significance.with_interval(measures, (values,), blocks, replicates=replicates, seed=seed)
        late = own.still_improving.mean()
        made += [(split, row, metric, *three, unit, len(values), late, values.shape[1])
                 for (metric, unit), *three in zip(units.items(), *numbers, strict=True)]  # fmt: skip
    return pd.DataFrame(made, columns=list(ROWS))


def pairs(found, compared, *, replicates, seed):
    """One row (columns PAIRS) for each (split, row, other) that is compared, of predictions with_blocks."""
    made = []
    for split, row, other in compared:
        both = significance.errors_of_two(found[found.split == split], row, other)
        ratio, low, high, p = significance.ratio_of_geometric_means(*both, replicates=replicates, seed=seed)
        smallest = np.exp(-np.log(high / low) / 2 * POWER)
        made.append((split, row, other, ratio, low, high, p, np.nan, smallest))
    table = pd.DataFrame(made, columns=list(PAIRS))
    return table.assign(p_holm=significance.holm(table.p))


def doses(table):
    """The table DOSES of rows named '<bandwidth> m' of a table ROWS."""
    own = table[table.row.str.fullmatch(r"\d+ m") & (table.metric == "geometric_mean_error_m")]
    own = own.assign(bandwidth_m=own.row.str.removesuffix(" m").astype(float), error_m=own.value)
    return own[list(DOSES)].sort_values(["split", "bandwidth_m"], ignore_index=True)


def by_cell(found, names, resolution):
    """Errors in hexagons that hold FEWEST_OF_A_CELL photos, for rows of some names: columns CELLS."""
    table = cells.by_cell(found[found.row.isin(names)], [resolution])
    return table.loc[table.n >= FEWEST_OF_A_CELL, list(CELLS)].reset_index(drop=True)


def curves_of(data, split, max_lags_m, seed):
    """(lags, fits, bearings, decades) of the photos that train in a fold: the curve up to the first length, fits up to
    each of them, semivariances by direction, and by the years between near photos.
    """
    train = data.parts[split] == "train"
    photos, features = data.photos[train], data.features[train]
    at, name = photos[["lat_deg", "lon_deg"]].to_numpy(), photos.city.to_numpy(object)
    reading = fitted_ranges.Reading(("exponential",), max_lags_m[0], 20, BLOCK_M, seed=seed)
    found = []
    for max_lag_m in max_lags_m:
        asked = replace(reading, max_lag_m=max_lag_m)
        lags_of, fit = fitted_ranges.readings(features, at, name, reading.models[0], asked)
        found.append((lags_of, fit.assign(max_lag_m=max_lag_m)))
    bearings = curves.by_bearing(features, at, name, edges_m=np.array(BEARINGS_M), seed=seed)
    decades = curves.by_time_gap(features, at, photos.captured_at, **DECADES, seed=seed)
    fits = pd.concat([fit for _, fit in found], ignore_index=True)
    return found[0][0][list(LAGS)], fits[list(FITS)], bearings, decades


def in_km(wide):
    """Measures of ROWS side by side, errors in km, in short columns."""
    found = wide.rename(columns={"geometric_mean_error_m": "geometric mean [km]", "median_error_m": "median [km]",
                                 "share_within_1km": "within 1 km"})  # fmt: skip
    return found.assign(**{name: found[name] / 1000 for name in found if "[km]" in name}).round(2)


def claim(pair):
    """'errs less than', 'errs more than' or 'is not shown to differ from', with the ratio and its interval, of a row of
    PAIRS.
    """
    shown = pair.p_holm < 0.05 and not pair.low <= 1 <= pair.high
    words = ("errs less than" if pair.ratio < 1 else "errs more than") if shown else "is not shown to differ from"
    return f"{pair.row} {words} {pair.other} (ratio {pair.ratio:.2f}, {pair.low:.2f} to {pair.high:.2f})"


def answers(table, compared, dosed, fits):
    """The sentences of the page, name -> text; numbers are geometric mean errors."""
    value = table[table.metric == "geometric_mean_error_m"].set_index(["split", "row"]).value
    pair = {(row.split, row.row, row.other): claim(row) for row in compared.itertuples()}
    best = dosed[dosed.split == PLACE].set_index("bandwidth_m").error_m.idxmin()
    reached = lambda *names: ", ".join(f"{name} {sphere.length(value[PLACE, name])}" for name in names)  # noqa: E731
    against = lambda split, row, *others: "; ".join(pair[split, row, other] for other in others)  # noqa: E731
    read = [f"{sphere.length(row.effective_range_m) if not row.flag else f'none ({row.flag})'} from pairs up to "
            f"{sphere.length(row.max_lag_m)}" for row in fits.sort_values("max_lag_m").itertuples()]  # fmt: skip
    photos, near = table.n.max(), sphere.length(DECADES["within_m"])
    nugget = fits.nugget[0] / (fits.nugget[0] + fits.partial_sill[0])
    return {
        "answer": "Geometric mean errors in New York with places held out: "
        f"{reached(OURS, 'clip', 'permuted')}. {against(PLACE, OURS, 'clip', 'permuted')}.",
        "answer_baseline": "Without any training one place for all photos (mode) and a smoothed nearest neighbour in "
        f"frozen features (frozen_smoothed) reach {reached('mode', 'frozen_smoothed')}. "
        f"{against(PLACE, OURS, 'mode', 'frozen_smoothed')}.",
        "answer_rule": f"The error is smallest at {best:,.0f} m, and the range fitted to the training photos is "
        f"{'; '.join(read)}.",
        "answer_controls": f"{reached(*CONTROLS)}. {against(PLACE, 'margin_only', 'mode')}; "
        f"{against(PLACE, 'year_only', 'mode')}; {against(PLACE, 'words_masked', 'no_words')}. With series held out "
        f"{against('by_series', OURS, 'clip')}.",
        "answer_converged": f"At most {table.still_improving.max():.0%} of a row's trainings were still improving by "
        "2 % or more in their last fifth.",
        "photos": f"{photos:,}",
        "near": near,
        "fewest": str(FEWEST_OF_A_CELL),
        "width": sphere.length(WIDTH_M),
        "answer_curve": f"The nugget is {nugget:.0%} of the sill.",
    }


def headline(table, compared, name):
    """Headline rows of a city's tables ROWS and PAIRS."""
    own = table[table.row.str.fullmatch(r"[a-z_]+")]
    keys = own.metric + "." + own.split + f".{name}." + own.row
    first = own.assign(key=keys, table="20_old_new_york/rows")
    keys = "geometric_mean_error_ratio." + compared.split + f".{name}." + compared.row + "_over_" + compared.other
    count = table.groupby("row")[["seeds", "n"]].max()
    both = compared.assign(key=keys, value=compared.ratio, unit="ratio", table="20_old_new_york/pairs")
    both = both.assign(seeds=count.seeds.loc[both.row].to_numpy(), n=count.n.loc[both.row].to_numpy())
    return pd.concat([first, both], ignore_index=True)
