"""Trainings in folds: every photo of a city tests once, and places are the clusters of every interval."""

import functools
import hashlib
import itertools
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from experiments.real_city import controls, tables
from geonb import files, random_streams
from geonb.book import page_dependencies, results
from geonb.learning import decoding, methods, recipes, training, training_arrays
from geonb.measuring import baselines
from geonb.photos import catalogue
from geonb.splitting import galleries, splits
from geonb.variograms import curves, models

FOLDS = 5
SPLIT = "by_place"  # the split in which everything is compared
VALIDATION_SHARE = 0.1
COURSE = recipes.Course(steps=200, batch_size=256, evaluate_every=10)
LAGS = {"max_lag_m": 5_000.0, "lag_count": 20}  # of the curve that guides negatives
MODEL = "exponential"
# of the smoothed posterior of frozen features, among which validation chooses: no training gave them a temperature
SCALES, WIDTHS_M = (10.0, 20.0, 40.0), (250.0, 500.0, 1000.0, 2000.0, 4000.0)
TRIED = {  # the two values that 12 trials try for each method, in lengths of a whole city
    "clip": methods.RATE | methods.DECAY,
    "sw_clip": methods.RATE | {"bandwidth_m": [500.0, 1000.0, 2000.0, 4000.0]},
    "label_smoothing": methods.RATE | {"bandwidth_m": [100.0, 300.0, 1000.0, 3000.0]},
    "cells": methods.RATE | {"cell_size_m": [1000.0, 2000.0, 4000.0, 8000.0]},
    "smoothed_cells": methods.RATE | {"bandwidth_m": [500.0, 1000.0, 2000.0, 4000.0]},
    "geoclip": methods.RATE | {"noise_m": [0.0, 100.0, 300.0, 1000.0]},
    "geoclip_semivariogram": methods.RATE | methods.STRENGTH,
}
LIKE = {"shuffled_distances": "sw_clip"}  # a control takes the values of what it controls


@dataclass(frozen=True, eq=False)
class City:
    """What the folds are cut from: table of photos numbered from 0, features (n, d) as the tower gives them, the sizes
    of its splits (splits.Cut), and the distance of the places in the gallery of `blocked`.
    """

    photos: pd.DataFrame
    features: np.ndarray
    cut: splits.Cut
    gallery_spacing_m: float = 250.0

    @functools.cached_property
    def lat_lon_deg(self):
        return self.photos[["lat_deg", "lon_deg"]].to_numpy()

    @functools.cached_property
    def grid(self):
        return galleries.over_cities(self.lat_lon_deg, self.photos.city.to_numpy(object), self.gallery_spacing_m)

    def parts(self, split, fold):
        """Parts (n,) of one of FOLDS folds of a split: 'by_series' holds series and their places together."""
        cut = replace(self.cut, test_share=1 / FOLDS, validation_share=VALIDATION_SHARE, turn=fold / FOLDS)
        if split == "by_series":
            return held_together(controls.series(self.photos).to_numpy(), self.lat_lon_deg, cut)
        return splits.make(split, self.photos, cut)

    @functools.lru_cache(maxsize=8)  # noqa: B019  a handful of folds, for as long as a page runs
    def fold(self, split, fold):
        """The training_arrays.Data of a fold: features and the fitted curve are those of its training photos."""
        parts = self.parts(split, fold)
        train = np.flatnonzero(parts == "train")
        features = baselines.standardised(self.features, train)
        lags = curves.semivariance_by_lag(features[train], self.lat_lon_deg[train], **LAGS)
        curve = models.fit(lags, model=MODEL)
        # series leave neighbours of a held-out place to train, so that training places are the gallery, as by place
        grid = self.photos.loc[parts == "train", list(galleries.GRID)] if split == "by_series" else self.grid
        return training_arrays.Data(self.photos, features, {split: parts}, grid, lambda cities: curve)

    @functools.cached_property
    def digest(self):
        """What trainings depend on beside their recipe, shortened: features, positions, cut, spacing, and this file."""
        arrays = self.features.tobytes() + self.lat_lon_deg.tobytes()
        words = repr((self.cut, self.gallery_spacing_m, files.code_digest(Path(__file__).read_text(encoding="utf-8"))))
        return hashlib.sha256(arrays + words.encode()).hexdigest()[:16]


def held_together(group, lat_lon_deg, cut):
    """Parts (n,) in which groups (n,) stay whole, and positions too: a photo at a place of a part before its own, in
    the order test, validation, train, goes to buffer.
    """
    parts = cut.part_at(splits.positions(group, random_streams.stream(cut.seed, "splits", "held together")))
    place = splits.place_ids(lat_lon_deg)
    for part, later in (("test", ("validation", "train")), ("validation", ("train",))):
        parts = np.where(np.isin(place, place[parts == part]) & np.isin(parts, later), "buffer", parts)
    return parts


def of_study(study):
    """The City of a finished study: its photos, features and the sizes of its splits."""
    read = functools.partial(results.read_table, study)
    photos, features = catalogue.with_lat_lon(read("01_photos", "photos")), read("02_embeddings", "features").feature
    asked = page_dependencies.parameters("04_splits", study)
    block_m = page_dependencies.parameters("03_semivariograms", study)["block_size_m"]
    sizes = (asked["test_share"], asked["validation_share"], block_m, asked["buffer_share"] * block_m, asked["gap_m"])
    return City(photos, np.stack(features), splits.Cut(*sizes, asked["seed"]), asked["gallery_spacing_m"])


def trials_of(path, fold):
    """The trials of a fold as recipes.tuned reads them, from the file of make_city_trials.py."""
    trials = pd.read_csv(files.ROOT / path)
    return trials[trials.fold == fold].assign(split=SPLIT)


def recipe(method, split, trials=None, *, course=COURSE, tuned=None):
    """The Recipe of a method with what a fold's trials_of chose, or the defaults, but for `tuned`."""
    known = {} if trials is None else recipes.tuned(LIKE.get(method, method), split, trials, {})
    towers = recipes.Towers(standardise=True)
    loss = recipes.Loss(max_lag_m=LAGS["max_lag_m"], lag_count=LAGS["lag_count"])
    return recipes.Recipe(method, split, recipes.Tuned(**known | (tuned or {})), loss, towers, course)


def trained(city, jobs, seeds, folder, workers=2):
    """Predictions of trainings in all folds, with columns row, fold and those of training.PREDICTIONS.

    jobs: list of (row, split, {fold: Recipe}), or one Recipe for all folds; folder: of what is kept, from which an
    interrupted run goes on. workers: processes, each with one thread, so that their number changes no digit.
    """
    every = [(row, split, fold, asked[fold] if isinstance(asked, dict) else asked, seed)
             for split in dict.fromkeys(job[1] for job in jobs) for fold in range(FOLDS) for row, of, asked in jobs
             if of == split for seed in seeds]  # fmt: skip
    with ProcessPoolExecutor(workers, initializer=begin, initargs=(city, folder)) as pool:
        found = list(tqdm(pool.map(one, every, chunksize=1), total=len(every), desc="trainings", file=sys.stdout))
    return pd.concat(found, ignore_index=True)


def begin(city, folder):
    """Give a process what all of its trainings share."""
    torch.set_num_threads(1)
    one.city, one.folder = city, folder


def one(job):
    """Predictions of one training of `trained`, and whether it was still improving: kept in place of its checkpoint."""
    row, split, fold, asked, seed = job
    depends = hashlib.sha256(repr((one.city.digest, split, fold, asked, seed)).encode()).hexdigest()[:16]
    folder = one.folder / depends
    kept = folder / "predictions.parquet"
    if not kept.exists():
        data = one.city.fold(split, fold)
        run = training.fit(asked, data, seed, folder, f"{row} fold {fold}")
        found = training.predictions([run], data).assign(still_improving=training.still_improving(run.curve))
        files.write_whole(kept, found.to_parquet)
        run.checkpoint.unlink()
    return pd.read_parquet(kept).drop(columns="name", errors="ignore").assign(row=row, fold=fold)


def untrained(city, split, seed=0):
    """Predictions of rows without training in all folds: chance, mode, frozen nearest neighbour, and the same with a
    spatially smoothed posterior whose width validation chooses; columns of `trained` without seed's similarity.
    """
    tables = []
    for fold in range(FOLDS):
        data = city.fold(split, fold)
        parts = data.parts[split]
        test, train = city.photos[parts == "test"], city.photos[parts == "train"]
        seen, known = data.features[parts == "test"], data.features[parts == "train"]
        gallery = galleries.of_split(split, city.photos, parts, data.grid)
        found = baselines.baselines(test, train, gallery, seen, known, seed=seed)
        found = {name: found[name] for name in ("chance", "mode", "frozen_nearest")}
        found["frozen_smoothed"] = smoothed(data, parts)
        tables += [table.assign(row=name, fold=fold) for name, table in found.items()]
    return pd.concat(tables, ignore_index=True).assign(split=split, seed=seed, still_improving=False)


def smoothed(data, parts):
    """Predictions of the test photos: the training place with the largest smoothed posterior of frozen features."""
    train = np.flatnonzero(parts == "train")
    places, at = data.photos.iloc[train], data.photos.iloc[train][["lat_deg", "lon_deg"]].to_numpy()

    def located(part, scale, width_m):
        posterior = decoding.posterior(data.features[parts == part] @ data.features[train].T, scale)
        chosen = decoding.best_neighbourhood(posterior, at, width_m)
        return decoding.predictions(data.photos[parts == part], places, chosen)

    tried = {
        both: np.log1p(located("validation", *both).error_m).mean() for both in itertools.product(SCALES, WIDTHS_M)
    }
    return located("test", *min(tried, key=tried.get))


def all_trainings(city, trials, margins, bandwidths_m, seeds, folder):
    """Predictions with_blocks of every row of the page: methods by their trials, doses, splits, controls, baselines.

    trials, margins: files; seeds: those of the rows that are compared, and those of the others; folder: of checkpoints.
    """
    compared, rest = seeds
    by_trials = [(name, SPLIT, {fold: recipe(name, SPLIT, trials_of(trials, fold)) for fold in range(FOLDS)})
                 for name in [*TRIED, *LIKE]]  # fmt: skip
    plain, ours = recipe("clip", SPLIT), recipe("sw_clip", SPLIT, tuned={"bandwidth_m": tables.WIDTH_M})
    doses = [("0 m", SPLIT, plain)]
    doses += [
        (f"{width:.0f} m", SPLIT, recipe("sw_clip", SPLIT, tuned={"bandwidth_m": width})) for width in bandwidths_m
    ]
    elsewhere = [(row, split, replace(asked, split=split)) for split in ("random", "blocked", "by_series")
                 for row, asked in (("clip", plain), ("sw_clip", ours))]  # fmt: skip
    found = [trained(city, by_trials, compared, folder), trained(city, doses + elsewhere, rest, folder)]
    found += [untrained(city, split) for split in (SPLIT, "random", "blocked", "by_series")]
    seen = {"margin_only": controls.of_mounts(city.photos, margins), "year_only": controls.of_years(city.photos)}
    found += [trained(replace(city, features=features), [(row, SPLIT, ours)], rest, folder)
              for row, features in seen.items()]  # fmt: skip
    found += [
        controls.by_words(words, city, SPLIT, row, FOLDS) for row, words in controls.captions(city.photos).items()
    ]
    return tables.with_blocks(pd.concat(found, ignore_index=True))
