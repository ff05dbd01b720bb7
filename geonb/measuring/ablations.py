"""Variants of a recipe, trained and measured beside their base: the tables of pages 08 and 13."""

import numpy as np
import pandas as pd

from geonb.learning import decoding, training, variants
from geonb.measuring import significance
from geonb.measuring.errors import COMPARE, ERRORS, compare
from geonb.splitting.splits import blocks_of

CONVERGED = {
    "method": "variant",
    "converged": "whether in all its trainings the last fifth of the steps improved validation by less than 2 %",
}
DECODED = {
    "method": "method whose trained towers are read",
    "decoding": "how a position is read off",
    "value": "what validation chose, median over seeds: bandwidth [m] or places [count], 0 for the best place",
    "median_error_m": "median error of the test photos [m]",
    "ratio": "geometric mean error over that of the best place, same towers [-]",
    **significance.bounds("-"),
    "p": "two-sided p of the redraws [-]",
    "p_holm": "p adjusted by Holm's rule for all rows [-]",
}
DISTRICTS = {
    "method": "variant",
    "districts": "known districts with at least FEWEST_PHOTOS test photos [count]",
    "median_m": "median over districts of their geometric mean error [m]",
    "worst_m": "largest of them [m]",
    "log_sd": "standard deviation over districts of the log of it: how unfair [nat]",
}
FEWEST_PHOTOS = 10
KEPT = {name: ERRORS[name] for name in ("split", "method", "seed", "photo_id", "error_m", "right_city")}
OF_SW_CLIP = {"errors": KEPT, "ratios": significance.RATIOS, "regions": DISTRICTS, "decoded": DECODED}
OF_WORDS = {"words": COMPARE, "word_ratios": significance.RATIOS, "words_converged": CONVERGED}
OF_GUIDED = {"ablated": significance.RATIOS, "converged": CONVERGED}


def train(named, data, seeds, folder_of, block_size_m):
    """(runs, errors with the variant as method, and block) of variants, name -> Recipe; see training.fit_all."""
    runs = training.fit_all(named, data, seeds, folder_of)
    errors = training.predictions(runs, data).rename(columns={"name": "method"}).assign(kind="method")
    return runs, errors.assign(block=blocks_of(errors, block_size_m))


def to_base(named):
    """{variant: the base}, the base being the first of some variants."""
    return dict.fromkeys(list(named)[1:], next(iter(named), None))


def of_sw_clip(named, data, seeds, folder_of, block_size_m, *, replicates, seed=0):
    """The tables OF_SW_CLIP of the variants of page 08, see variants.of_sw_clip; arguments as in train."""
    runs, errors = train(named, data, seeds, folder_of, block_size_m)
    ratios = significance.ratios(errors, to_base(named), replicates=replicates, seed=seed)
    districts = by_district(errors, data.photos, [name for name in variants.FAIR if name in named])
    read = pd.concat([
        training.decoded(run, data, decoding.WAYS).assign(method=run.recipe.method, seed=run.seed)
        for run in runs if run.name in (variants.BASE, variants.ONE_HOT)
    ], ignore_index=True)  # fmt: skip
    places = data.photos.iloc[read.photo][["lat_deg", "lon_deg", "city"]].assign(split=runs[0].recipe.split)
    read = read.assign(block=blocks_of(places, block_size_m))
    return errors[list(KEPT)], ratios, districts, compare_decodings(read, replicates=replicates, seed=seed)


def beside(named, others, data, seeds, folder_of, block_size_m, *, replicates, seed=0):
    """The tables OF_WORDS of variants against others (variant -> variant), without a row where there is none."""
    if not named:
        return tuple(pd.DataFrame(columns=list(columns)) for columns in OF_WORDS.values())
    runs, errors = train(named, data, seeds, folder_of, block_size_m)
    ratios = significance.ratios(errors, others, replicates=replicates, seed=seed)
    ended = pd.DataFrame({"method": run.name, "converged": not training.still_improving(run.curve)} for run in runs)
    return compare(errors, seed=seed), ratios, ended.groupby("method", as_index=False, sort=False).converged.all()


def compare_decodings(table, *, replicates, seed=0):
    """One row (columns DECODED) per method and decoding, from rows of decoded with method, seed, block and split."""
    rows = []
    for method, own in table.rename(columns={"photo": "photo_id"}).groupby("method", sort=False):
        base, blocks = significance.by_seed(own[own.decoding == decoding.BEST], "error_m")
        for how, group in own.groupby("decoding", sort=False):
            error_m, found = significance.by_seed(group, "error_m")[0], (1.0, np.nan, np.nan, np.nan)
            if how != decoding.BEST:
                found = significance.ratio_of_geometric_means(error_m, base, blocks, replicates=replicates, seed=seed)
            rows.append((method, how, group.value.median(), np.median(error_m), *found))
    found = pd.DataFrame(rows, columns=list(DECODED)[:-1])
    return found.assign(p_holm=significance.holm(found.p))


def by_district(errors, photos, names):
    """How unequal the geometric mean errors of known districts are: a row (columns DISTRICTS) per variant."""
    known, rows = photos[photos.district.fillna("") != ""].set_index("photo_id"), []
    region = errors.photo_id.map(known.city + "|" + known.district)
    errors = errors.assign(region=region, log_m=significance.log_m(errors.error_m))
    for name in names:
        grouped = errors[errors.method == name].groupby("region")
        log_m = grouped.log_m.mean()[grouped.photo_id.nunique() >= FEWEST_PHOTOS]
        rows.append((name, len(log_m), *np.exp([log_m.median(), log_m.max()]), log_m.std()))
    return pd.DataFrame(rows, columns=list(DISTRICTS))


def answer(ratios, read_off):
    """Which variants and decodings are shown to differ, in two sentences; nothing more is claimed."""
    helps, harms = (significance.listed(significance.shown_to(word, ratios).method) for word in ("helps", "harms"))
    better = [f"{row.decoding} ({row.method})" for row in read_off.itertuples() if row.p_holm < 0.05 and row.high < 1]
    return (
        f"Of {len(ratios)} changes to sw_clip {helps} is shown to make it better, {harms} worse. Of the ways to read "
        f"off an answer {significance.listed(better)} is shown to beat the single most similar place."
    )
