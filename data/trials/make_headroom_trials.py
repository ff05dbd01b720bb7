"""The trials of the rows of the default study on design worlds without pictures: headroom_trials.csv.

python data/trials/make_headroom_trials.py [SPLIT...]   by default other_drive, blocked_25 and unseen_city

Twelve trials of each method, over its own two most important parameters (WIDENED), each trained once on each of three
design worlds, whose traits are read with the R2 of the shipped tower (simcities.unpainted). The score is
the geometric mean over the worlds of the validation error at the step that validation chose. No world of a study is
read.
"""

import dataclasses
import functools
import itertools
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from experiments.laboratory import regime, worlds
from geonb.learning import methods, recipes
from simcities.simulation import World

HERE = Path(__file__).parent
METHODS, WORLDS = ("clip", "sw_clip", "cells", "geoclip"), (31, 32, 33)
# of the values of geonb.learning.methods, the least rate was the worst and the largest the best of every method
WIDENED = {"learning_rate": [0.001, 0.005, 0.02], "cell_size_m": [100.0, 200.0, 400.0, 800.0]}
SPLITS = ("other_drive", "blocked_25", "unseen_city")
SETTING = worlds.Setting(300.0, 25.0, recipes.Course(), folder_of=None)  # as in experiments.laboratory.regime
COLUMNS = ["method", "split", *recipes.names_of(recipes.Tuned), "validation_error_m"]


def trials():
    """Every (method, values) that is tried."""
    found = []
    for name in METHODS:
        tuned = {parameter: WIDENED.get(parameter, tried) for parameter, tried in methods.get(name).tuned.items()}
        found += [(name, dict(zip(tuned, values, strict=True))) for values in itertools.product(*tuned.values())]
    return found


@functools.lru_cache(maxsize=1)
def data_of(seed, split):
    """The training_arrays.Data of one design world in one split; the last one is kept."""
    return regime.data_of(SETTING, World(world_seed=seed), split, regime.tower_r2())[0]


def validation_error_m(job):
    """The validation error [m] of one training: (world seed, split, method, values)."""
    seed, split, name, values = job
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        setting = dataclasses.replace(SETTING, folder_of=lambda *key: Path(folder))
        return worlds.train(setting, name, data_of(seed, split), None, asked=values)[1]


def main():
    """Two trainings at a time; the table of a split replaces that of before when all of it is there."""
    file = HERE / "headroom_trials.csv"
    for split in sys.argv[1:] or SPLITS:
        jobs = [(seed, split, *trial) for seed in WORLDS for trial in trials()]
        with ProcessPoolExecutor(2) as pool:
            errors = np.array(list(pool.map(validation_error_m, jobs))).reshape(len(WORLDS), -1)
        means = np.exp(np.log(errors).mean(axis=0))
        rows = [{"method": name, "split": split, **values, "validation_error_m": mean}
                for (name, values), mean in zip(trials(), means, strict=True)]  # fmt: skip
        known = pd.read_csv(file) if file.exists() else pd.DataFrame(columns=COLUMNS)
        table = pd.concat([known[known.split != split], pd.DataFrame(rows)], ignore_index=True)
        table.reindex(columns=COLUMNS).round(4).to_csv(file, index=False)
        print(recipes.best_trials(pd.DataFrame(rows)).to_string(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
