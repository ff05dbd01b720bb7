"""The trials of every method on every split: 12, over its own two most important parameters, on that validation part.

python data/trials/make_trials.py [NAME...]   trains on the tables of study simulated_cities, writes trials.csv here
python data/trials/make_trials.py --text [NAME...]   the same with a text tower for the places: text_trials.csv

One seed, splits other_drive, blocked and unseen_city. The score is the geometric mean validation error at the step that
validation chose; a split's parameters are chosen on its own validation photos, and no photo that tests in it has a part
in the choice. Rows of methods that are not named stay as they are; what is like another method takes that one's best
values for the rest, so it is tried after it, and again if that one is. The text tower takes ten times as long as the
Fourier tower: there only the learning rate is tried again, 3 values for each method, and the other parameter is the one
that the Fourier tower chose.
"""

import argparse
import functools
import itertools
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from geonb.book import results
from geonb.book.page_dependencies import parameters
from geonb.learning import methods, recipes, training, training_arrays
from geonb.photos import catalogue
from geonb.splitting.splits import parts_by_split

STUDY, SPLITS, SEED = "simulated_cities", ("other_drive", "blocked", "unseen_city"), 0
FILES = {"fourier": Path(__file__).with_name("trials.csv"), "text": Path(__file__).with_name("text_trials.csv")}
TEXT = {"towers": {"location": "text"}, "course": {"evaluate_every": 75}}  # beside the parameters of page 06


def trials(name, split, tower):
    """The values of a method's trials on a split."""
    tuned = methods.get(name).tuned
    if tower == "text":
        best = recipes.tuned(name, split, pd.read_csv(FILES["fourier"]), {})
        tuned = {parameter: [best[parameter]] for parameter in tuned} | methods.RATE
    return [dict(zip(tuned, values, strict=True)) for values in itertools.product(*tuned.values())]


@functools.cache
def data():
    """What all trials of a process read: training_arrays.Data."""
    read = functools.partial(results.read_table, STUDY)
    photos, features = catalogue.with_lat_lon(read("01_photos", "photos")), read("02_embeddings", "features").feature
    parts = parts_by_split(read("04_splits", "splits"), photos.photo_id, SPLITS)
    pilots = [read("03_semivariograms", table) for table in ("pilot_lags", "pilot_fits")]
    return training_arrays.of_pilots(photos, np.stack(features), parts, read("04_splits", "grid"), *pilots)


def recipe_of(name, split, tried, tower):
    """The Recipe of one trial: that of page 06 with the values that are tried.

    What is like another method has that one's best values for the rest; of its own trials none counts.
    """
    page, like, towers = f"06_train/{name}", methods.get(name).like, TEXT if tower == "text" else {}
    known = recipes.tuned(like, split, pd.read_csv(FILES[tower]), {}) if like else {}
    asked = parameters(page, STUDY) | towers | {"splits": [split], "trials": ""} | known | tried
    return recipes.of_page(asked, parameters("02_embeddings", STUDY), parameters("03_semivariograms", STUDY))[split]


def one_trial(name, split, asked, tower):
    """The row of one trial: method, split, its values, its validation error, the seconds."""
    torch.set_num_threads(1)
    started, recipe = time.perf_counter(), recipe_of(name, split, asked, tower)
    with tempfile.TemporaryDirectory() as folder:
        curve = training.fit(recipe, data(), SEED, folder).curve
    error_m, seconds = curve.validation_error_m.min(), round(time.perf_counter() - started, 1)
    return {"method": name, "split": split, **asked, "validation_error_m": error_m, "seconds": seconds}


def main():
    """Two trials at a time; the table is written whole after every method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tried = [name for name, row in methods.METHODS.items() if row.tuned]
    parser.add_argument("names", choices=[*tried, []], nargs="*", metavar="NAME")
    parser.add_argument("--text", action="store_true", help="the text tower; without names, clip and sw_clip")
    arguments = parser.parse_args()
    tower = "text" if arguments.text else "fourier"
    names = arguments.names or (["clip", "sw_clip"] if arguments.text else tried)
    file = FILES[tower]
    known = pd.read_csv(file) if file.exists() else pd.DataFrame({"method": []})
    with ProcessPoolExecutor(2) as pool:
        for name in names:
            jobs = [
                pool.submit(one_trial, name, split, asked, tower)
                for split in SPLITS for asked in trials(name, split, tower)
            ]  # fmt: skip
            rows = [job.result() for job in as_completed(jobs)]
            table = pd.concat([known[known.method != name], pd.DataFrame(rows)], ignore_index=True)
            columns = ["method", "split", *recipes.names_of(recipes.Tuned), "validation_error_m", "seconds"]
            known = table.reindex(columns=columns).sort_values(columns[:-2], ignore_index=True)
            partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
            known.round(4).to_csv(partial, index=False)
            partial.replace(file)
            print(recipes.best_trials(pd.DataFrame(rows)).to_string(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
