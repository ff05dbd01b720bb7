"""The trials of every method on every split: 12, over its own two most important parameters, on that validation part.

python data/trials/make_trials.py [NAME...]   trains on the tables of study simulated_cities, writes trials.csv here
python data/trials/make_trials.py --text [NAME...]   the same with simulated_full's text tower: text_trials.csv

One seed, splits other_drive, blocked and unseen_city, world seed 0: a design world. The score is the geometric mean
validation error at the step that validation chose; a split's parameters are chosen on its own validation photos, and no
photo that tests in it has a part in the choice. Rows of methods that are not named stay as they are; what is like
another method takes that one's best values for the rest, so it is tried after it, and again if that one is. The text
tower takes ten times as long as the Fourier tower: there only the learning rate is tried again, 3 values for each
method, and the other parameter is the one that the Fourier tower chose.
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
from geonb.book.studies import parameters
from geonb.learning import encoders, methods, negatives, places, training
from geonb.photos.catalogue import with_lat_lon
from geonb.splitting import galleries, splits
from geonb.variograms import models as variogram_models
from geonb.variograms import yardstick

STUDY, SPLITS, SEED = "simulated_cities", ("other_drive", "blocked", "unseen_city"), 0
FILES = {"fourier": Path(__file__).with_name("trials.csv"), "text": Path(__file__).with_name("text_trials.csv")}
STUDIES = {"fourier": STUDY, "text": "simulated_full"}  # whose page 06 is tried


def trials(name, split, tower):
    """The settings of a method's trials on a split."""
    tuned = methods.get(name).tuned
    if tower == "text":
        best = methods.tuned(name, split, pd.read_csv(FILES["fourier"]), {})
        tuned = {parameter: [best[parameter]] for parameter in tuned} | {"learning_rate": methods.RATES}
    return [dict(zip(tuned, values, strict=True)) for values in itertools.product(*tuned.values())]


@functools.cache
def tables():
    """What all trials of a process read: catalogue, features, parts by split, the grid, the pilots' tables."""
    catalogue = with_lat_lon(results.read_table(STUDY, "01_photos", "photos"))
    features = np.stack(results.read_table(STUDY, "02_embeddings", "features").feature)
    splits, grid = (results.read_table(STUDY, "04_splits", table) for table in ("splits", "grid"))
    pilots = [results.read_table(STUDY, "03_semivariograms", table) for table in ("pilot_lags", "pilot_fits")]
    return catalogue, features, splits.parts_by_split(splits, catalogue.photo_id, SPLITS), grid, pilots


@functools.cache
def arranged(place, split, tower):
    """(places of the photos, those of the gallery, curve, guide, base) that trials of one kind on a split share."""
    catalogue, features, parts, grid, pilots = tables()
    page = parameters("06_train/clip", STUDIES.get(tower, STUDY))
    base = (
        encoders.with_context(encoders.load_tower(page["tower"]), page["context_length"]) if tower == "text" else None
    )
    said = {"parts": page["caption_parts"], "decimals": page["caption_decimals"]}
    read = places.reader(place, tower, base, features, **said)
    train = parts[split] == "train"
    gallery = galleries.of_split(split, catalogue, parts[split], grid, training_places=place == "photo")
    fitted = yardstick.fit_of_pilots(*pilots, catalogue.city[train].unique())
    there = training.Places.of(gallery, read(gallery))
    inputs = training.Places.of(catalogue, read(catalogue), places.codes(catalogue))
    lags = {name: page[name] for name in ("max_lag_m", "lag_count")}
    guide = negatives.guide(features[train], inputs.lat_lon_deg[train], inputs.city[train], fitted, **lags)
    return inputs, there, variogram_models.kernel_curve(fitted), guide, base


def one_trial(name, split, asked, tower):
    """The row of one trial: method, split, its parameters, its validation error, the seconds."""
    torch.set_num_threads(1)
    started, page = time.perf_counter(), parameters(f"06_train/{name}", STUDIES[tower])
    _, features, parts, _, _ = tables()
    row = methods.get(name)
    inputs, there, curve, guide, base = arranged(row.place, split, row.tower or tower)
    known = methods.tuned(row.like, split, pd.read_csv(FILES[tower]), {}) if row.like else methods.UNTUNED
    values = known | asked
    loss = methods.Settings(
        bandwidth_m=values["bandwidth_m"], strength=values["strength"], prior_share=values["prior_share"],
        cutoff_bandwidths=page["cutoff_bandwidths"], curve=curve, guide=guide,
    )  # fmt: skip
    plan = training.Plan(
        methods.builder(
            name, features.shape[1], inputs.inputs, size=page["embedding_size"], base=base, location_tower=tower,
            train_backbone=False, cell_size_m=values["cell_size_m"], noise_m=values["noise_m"],
        ),
        methods.objective(name, loss),
        lambda train: np.full(len(train), values["bandwidth_m"]),
        training.Settings(
            steps=page["steps"], batch_size=page["batch_size"], evaluate_every=page["evaluate_every"],
            learning_rate=values["learning_rate"], weight_decay=values["weight_decay"],
            queue=page["queue"] if row.tower == "capsules" else 0,
        ),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        runs = training.fit_all(
            torch.from_numpy(features), inputs, {split: parts[split]}, {split: there}, {split: plan}, seeds=[SEED],
            folder=folder, method=name,
        )  # fmt: skip
    error_m = runs[split, SEED].curve.validation_error_m.min()
    seconds = round(time.perf_counter() - started, 1)
    return {"method": name, "split": split, **asked, "validation_error_m": error_m, "seconds": seconds}


def main():
    """Two trials at a time; the table is written whole after every method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", choices=[*methods.METHODS, []], nargs="*", metavar="NAME")
    parser.add_argument("--text", action="store_true", help="the text tower; without names, clip and sw_clip")
    arguments = parser.parse_args()
    tower = "text" if arguments.text else "fourier"
    names = arguments.names or (["clip", "sw_clip"] if arguments.text else list(methods.METHODS))
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
            columns = ["method", "split", *methods.UNTUNED, "validation_error_m", "seconds"]
            known = table.reindex(columns=columns).sort_values(columns[:-2], ignore_index=True)
            partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
            known.round(4).to_csv(partial, index=False)
            partial.replace(file)
            print(methods.best_trials(pd.DataFrame(rows)).to_string(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
