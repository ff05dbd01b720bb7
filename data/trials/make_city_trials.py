"""The trials of every method on old photos of New York: python data/trials/make_city_trials.py [NAME...]

12 for each method and fold, over its two most important parameters in lengths of a whole city (folds.TRIED), one seed.
A fold's parameters are chosen on its own validation photos: no photo that tests in it has a part in the choice. Reads
the tables of study old_new_york, `make book STUDY=old_new_york` makes them; writes city_trials.csv here.
"""

import functools
import itertools
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd
import torch

from experiments.real_city import folds
from geonb.learning import methods, recipes, training

SPLIT, SEED, FILE = "by_place", 0, Path(__file__).with_name("city_trials.csv")


@functools.cache
def city():
    """The city of study old_new_york."""
    return folds.of_study("old_new_york")


def one_trial(job):
    """The row of one trial: method, fold, its values, its validation error, the seconds."""
    name, fold, asked = job
    torch.set_num_threads(1)
    started, like = time.perf_counter(), methods.get(name).like
    known = folds.trials_of(FILE, fold) if like else None  # what is like another method takes that one's best values
    base = recipes.tuned(like, SPLIT, known, {}) if like else {}
    with tempfile.TemporaryDirectory() as folder:
        curve = training.fit(
            folds.recipe(name, SPLIT, tuned=base | asked), city().fold(SPLIT, fold), SEED, folder
        ).curve
    error_m, seconds = curve.validation_error_m.min(), round(time.perf_counter() - started, 1)
    return {"method": name, "fold": fold, **asked, "validation_error_m": error_m, "seconds": seconds}


def main():
    """Two trials at a time; the table is written whole after every method."""
    names = sys.argv[1:] or list(folds.TRIED)
    known = pd.read_csv(FILE) if FILE.exists() else pd.DataFrame(columns=["method"])
    for name in names:
        values = folds.TRIED[name]
        tried = [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]
        jobs = [(name, fold, asked) for fold in range(folds.FOLDS) for asked in tried]
        with ProcessPoolExecutor(2) as pool:
            rows = pd.DataFrame(pool.map(one_trial, jobs))
        table = pd.concat([known[known.method != name], rows], ignore_index=True)
        columns = ["method", "fold", *recipes.names_of(recipes.Tuned), "validation_error_m", "seconds"]
        known = table.astype({"fold": int}).reindex(columns=columns).sort_values(columns[:-2], ignore_index=True)
        partial = FILE.with_name(f"{FILE.name}.{os.getpid()}.partial")
        known.round(4).to_csv(partial, index=False)
        partial.replace(FILE)
        print(rows.groupby([*values]).validation_error_m.mean().round(0).to_string(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
