"""The trials of every method: 12 each, over its own two most important parameters, judged on validation photos alone.

python data/trials/make_trials.py [NAME...]   trains on the tables of study simulated_cities, writes trials.csv here

One seed, splits other_drive and blocked, world seed 0: a design world. The score is the geometric mean over the splits
of the geometric mean validation error at the step that validation chose. No photo that tests in a split is
looked at for that split, but the two splits are cut apart: some that validate in one test in the other. Rows of methods
that are not named stay as they are.
"""

import argparse
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

from geonb import galleries, methods, places, results, training, variogram_models
from geonb.studies import parameters

STUDY, SPLITS, SEED = "simulated_cities", ("other_drive", "blocked"), 0
FILE = Path(__file__).with_name("trials.csv")


def trials(name):
    """The settings of a method's trials."""
    tuned = methods.get(name).tuned
    return [dict(zip(tuned, values, strict=True)) for values in itertools.product(*tuned.values())]


def one_trial(name, asked):
    """The row of one trial: method, its parameters, the error of both splits, of each, the seconds."""
    torch.set_num_threads(1)
    started, page = time.perf_counter(), parameters(f"06_train/{name}", STUDY)
    catalogue = places.with_lat_lon(results.read_table(STUDY, "01_photos", "photos"))
    features = np.stack(results.read_table(STUDY, "02_embeddings", "features").feature)
    splits, grid = (results.read_table(STUDY, "04_splits", table) for table in ("splits", "grid"))
    pilots = results.read_table(STUDY, "03_semivariograms", "pilot_fits").to_dict("records")[0]
    place, values = methods.get(name).place, methods.UNTUNED | asked
    read = places.reader(place, "fourier", None, features, parts=[], decimals=5)
    inputs = training.Places.of(catalogue, read(catalogue), places.codes(catalogue))
    objective = methods.objective(
        name,
        methods.Settings(
            bandwidth_m=values["bandwidth_m"], strength=values["strength"], prior_share=values["prior_share"],
            cutoff_bandwidths=page["cutoff_bandwidths"], curve=variogram_models.kernel_curve(pilots),
        ),
    )  # fmt: skip
    build = methods.builder(
        name, features.shape[1], inputs.inputs, size=page["embedding_size"], base=None, location_tower="fourier",
        train_backbone=False, cell_size_m=values["cell_size_m"],
    )  # fmt: skip
    settings = training.Settings(
        steps=page["steps"], batch_size=page["batch_size"], evaluate_every=page["evaluate_every"],
        learning_rate=values["learning_rate"], weight_decay=values["weight_decay"],
    )  # fmt: skip
    error_m = {}
    for split, part in places.parts_by_split(splits, catalogue.photo_id, SPLITS).items():
        gallery = galleries.of_split(split, catalogue, part, grid, training_places=place == "photo")
        with tempfile.TemporaryDirectory() as folder:
            run = training.fit(
                torch.from_numpy(features), inputs, part, training.Places.of(gallery, read(gallery)), build=build,
                objective=objective, bandwidths=lambda train: np.full(len(train), values["bandwidth_m"]),
                settings=settings, seed=SEED, folder=folder, label=name,
            )  # fmt: skip
        error_m[f"{split}_m"] = run.curve.validation_error_m.min()
    score = float(np.exp(np.log(list(error_m.values())).mean()))
    seconds = time.perf_counter() - started
    return {"method": name, **asked, "validation_error_m": score, **error_m, "seconds": round(seconds, 1)}


def main():
    """Two trials at a time; the table is written whole after every method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", choices=[*methods.METHODS, []], nargs="*", metavar="NAME")
    names = parser.parse_args().names or list(methods.METHODS)
    known = pd.read_csv(FILE) if FILE.exists() else pd.DataFrame({"method": []})
    with ProcessPoolExecutor(2) as pool:
        for name in names:
            jobs = [pool.submit(one_trial, name, asked) for asked in trials(name)]
            rows = [job.result() for job in as_completed(jobs)]
            table = pd.concat([known[known.method != name], pd.DataFrame(rows)], ignore_index=True)
            columns = ["method", *methods.UNTUNED, "validation_error_m", *(f"{split}_m" for split in SPLITS), "seconds"]
            known = table.reindex(columns=columns).sort_values(["method", *methods.UNTUNED], ignore_index=True)
            partial = FILE.with_name(f"{FILE.name}.{os.getpid()}.partial")
            known.round(4).to_csv(partial, index=False)
            partial.replace(FILE)
            best = pd.DataFrame(rows).sort_values("validation_error_m").iloc[0]
            print(f"{name}: best {best.to_dict()}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
