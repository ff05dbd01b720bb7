"""Variants of a recipe, trained and measured beside their base: the tables of pages 08 and 13."""

import pandas as pd

from geonb.learning import decoding, training, variants
from geonb.measuring import errors as measured
from geonb.measuring import inference
from geonb.splitting import splits as splitting

CONVERGED = {
    "method": "variant",
    "converged": "whether in all its trainings the last fifth of the steps improved validation by less than 2 %",
}
ERRORS = {name: measured.ERRORS[name] for name in ("split", "method", "seed", "photo_id", "error_m", "right_city")}
OF_SW_CLIP = {"errors": ERRORS, "ratios": inference.RATIOS, "regions": measured.DISTRICTS, "decoded": measured.DECODED}
OF_WORDS = {"words": measured.COMPARE, "word_ratios": inference.RATIOS, "words_converged": CONVERGED}
OF_GUIDED = {"ablated": inference.RATIOS, "converged": CONVERGED}


def train(named, data, seeds, folder_of, block_size_m):
    """(runs, errors with the variant as method, and block) of variants, name -> Recipe; see training.fit_all."""
    runs = training.fit_all(named, data, seeds, folder_of)
    errors = training.predictions(runs, data).rename(columns={"name": "method"}).assign(kind="method")
    return runs, errors.assign(block=splitting.blocks_of(errors, block_size_m))


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
    districts = measured.by_district(errors, data.photos, [name for name in variants.FAIR if name in named])
    read = pd.concat([
        training.decoded(run, data, decoding.WAYS).assign(method=run.recipe.method, seed=run.seed)
        for run in runs if run.name in (variants.BASE, variants.ONE_HOT)
    ], ignore_index=True)  # fmt: skip
    places = data.photos.iloc[read.photo][["lat_deg", "lon_deg", "city"]].assign(split=runs[0].recipe.split)
    read = read.assign(block=splitting.blocks_of(places, block_size_m))
    decoded = measured.compare_decodings(read, replicates=replicates, seed=seed)
    return errors[list(ERRORS)], beside_base(errors, named, replicates=replicates, seed=seed), districts, decoded


def of_words(named, data, seeds, folder_of, block_size_m, *, replicates, seed=0):
    """The tables OF_WORDS of text towers that read captions, see variants.spoken; arguments as in train."""
    if not named:
        return without_rows(OF_WORDS)
    runs, errors = train(named, data, seeds, folder_of, block_size_m)
    captions = dict.fromkeys(name.rpartition(": ")[0] for name in named)
    others = {f"{said}: sw_clip": f"{said}: clip" for said in captions}
    ratios = inference.ratios(errors, others, replicates=replicates, seed=seed)
    return measured.compare(errors, seed=seed), ratios, converged(runs)


def of_guided(named, data, seeds, folder_of, block_size_m, *, replicates, seed=0):
    """The tables OF_GUIDED of the variants of page 13, see variants.guided; arguments as in train."""
    if not named:
        return without_rows(OF_GUIDED)
    runs, errors = train(named, data, seeds, folder_of, block_size_m)
    return beside_base(errors, named, replicates=replicates, seed=seed), converged(runs)
