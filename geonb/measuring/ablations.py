"""Variants of a recipe, trained and measured beside their base: the tables of pages 08 and 13."""

import numpy as np
import pandas as pd

from geonb.learning import decoding, training, variants
from geonb.measuring import inference
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
    **inference.bounds("-"),
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
OF_SW_CLIP = {"errors": KEPT, "ratios": inference.RATIOS, "regions": DISTRICTS, "decoded": DECODED}
OF_WORDS = {"words": COMPARE, "word_ratios": inference.RATIOS, "words_converged": CONVERGED}
OF_GUIDED = {"ablated": inference.RATIOS, "converged": CONVERGED}


def train(named, data, seeds, folder_of, block_size_m):
    """(runs, errors with the variant as method, and block) of variants, name -> Recipe; see training.fit_all."""
    runs = training.fit_all(named, data, seeds, folder_of)
    errors = training.predictions(runs, data).rename(columns={"name": "method"}).assign(kind="method")
    return runs, errors.assign(block=blocks_of(errors, block_size_m))


def converged(runs):
    """Whether all trainings of each variant had stopped improving (columns CONVERGED)."""
    found = pd.DataFrame({"method": run.name, "converged": not training.still_improving(run.curve)} for run in runs)
    return found.groupby("method", as_index=False, sort=False).converged.all()


def without_rows(tables):
    """Tables (name -> columns) without a row, as a tuple: where there is no variant to train."""
    return tuple(pd.DataFrame(columns=list(columns)) for columns in tables.values())


def beside_base(errors, named, *, replicates, seed=0):
    """inference.ratios of all variants to the first one."""
    base, *others = named
    return inference.ratios(errors, dict.fromkeys(others, base), replicates=replicates, seed=seed)


def of_sw_clip(named, data, seeds, folder_of, block_size_m, *, replicates, seed=0):
    """The tables OF_SW_CLIP of the variants of page 08, see variants.of_sw_clip; arguments as in train."""
    runs, errors = train(named, data, seeds, folder_of, block_size_m)
    districts = by_district(errors, data.photos, [name for name in variants.FAIR if name in named])
    read = pd.concat([
        training.decoded(run, data, decoding.WAYS).assign(method=run.recipe.method, seed=run.seed)
        for run in runs if run.name in (variants.BASE, variants.ONE_HOT)
    ], ignore_index=True)  # fmt: skip
    places = data.photos.iloc[read.photo][["lat_deg", "lon_deg", "city"]].assign(split=runs[0].recipe.split)
    read = read.assign(block=blocks_of(places, block_size_m))
    decoded = compare_decodings(read, replicates=replicates, seed=seed)
    return errors[list(KEPT)], beside_base(errors, named, replicates=replicates, seed=seed), districts, decoded


def of_words(named, data, seeds, folder_of, block_size_m, *, replicates, seed=0):
    """The tables OF_WORDS of text towers that read captions, see variants.spoken; arguments as in train."""
    if not named:
        return without_rows(OF_WORDS)
    runs, errors = train(named, data, seeds, folder_of, block_size_m)
    captions = dict.fromkeys(name.rpartition(": ")[0] for name in named)
    others = {f"{said}: sw_clip": f"{said}: clip" for said in captions}
    ratios = inference.ratios(errors, others, replicates=replicates, seed=seed)
    return compare(errors, seed=seed), ratios, converged(runs)


def of_guided(named, data, seeds, folder_of, block_size_m, *, replicates, seed=0):
    """The tables OF_GUIDED of the variants of page 13, see variants.guided; arguments as in train."""
    if not named:
        return without_rows(OF_GUIDED)
    runs, errors = train(named, data, seeds, folder_of, block_size_m)
    return beside_base(errors, named, replicates=replicates, seed=seed), converged(runs)


def compare_decodings(table, *, replicates, seed=0):
    """One row (columns DECODED) per method and decoding, from rows of decoded with method, seed, block and split."""
    rows = []
    for method, own in table.rename(columns={"photo": "photo_id"}).groupby("method", sort=False):
        base, blocks = inference.by_seed(own[own.decoding == "best place"], "error_m")
        for how, group in own.groupby("decoding", sort=False):
            error_m = inference.by_seed(group, "error_m")[0]
            found = inference.ratio_of_geometric_means(error_m, base, blocks, replicates=replicates, seed=seed)
            found = (1.0, np.nan, np.nan, np.nan) if how == "best place" else found
            rows.append((method, how, group.value.median(), np.median(error_m), *found))
    found = pd.DataFrame(rows, columns=list(DECODED)[:-1])
    return found.assign(p_holm=inference.holm(found.p))


def by_district(errors, photos, names):
    """How unequal the geometric mean errors of districts are: a table with columns DISTRICTS, a row per variant.

    Photos of no known district do not count: their city is none.
    """
    place, rows = photos[photos.district.fillna("") != ""].set_index("photo_id"), []
    errors = errors[errors.photo_id.isin(place.index)]
    for name in names:
        own = errors[errors.method == name].drop_duplicates(["photo_id", "seed"])
        region = place.city.loc[own.photo_id].to_numpy() + "|" + place.district.loc[own.photo_id].to_numpy()
        own = own.assign(region=region, log_m=np.log(own.error_m.clip(lower=1)))
        grouped = own.groupby("region")
        log_m = grouped.log_m.mean()[grouped.photo_id.nunique() >= FEWEST_PHOTOS]
        rows.append((name, len(log_m), *np.exp([log_m.median(), log_m.max()]), log_m.std()))
    return pd.DataFrame(rows, columns=list(DISTRICTS))


def answer(ratios, read_off):
    """Which variants and decodings are shown to differ, in two sentences; nothing more is claimed."""
    helps, harms = (inference.shown_to(word, ratios).method.tolist() for word in ("helps", "harms"))
    better = [f"{row.decoding} ({row.method})" for row in read_off.itertuples() if row.p_holm < 0.05 and row.high < 1]
    return (
        f"Of {len(ratios)} changes to sw_clip {', '.join(helps) or 'none'} is shown to make it better, "
        f"{', '.join(harms) or 'none'} worse. Of the ways to read off an answer {', '.join(better) or 'none'} is shown "
        "to beat the single most similar place."
    )
