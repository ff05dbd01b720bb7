"""Do simulated cities leave room for methods? clip, SW-CLIP and its controls on worlds without pictures, with ceilings.

python -m experiments.laboratory.regime --worlds 10 11 12   prints what is offered, placed and shown

Traits are read with a tower's measured R2 (simcities.unpainted): a training takes seconds. Nothing is saved.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.laboratory import ladder, worlds
from geonb import files
from geonb.learning import recipes, training_arrays
from geonb.measuring import baselines, ceilings, endpoints, information
from geonb.splitting import galleries, splits
from simcities import simulation, unpainted

TRAINED = ("clip", "sw_clip", "city_uniform", "permuted_within_city", "permuted")
TOWERS = files.ROOT / "data" / "towers" / "r2.csv"
PILOT = {"learning_rate": 0.005, "bandwidth_m": 100.0}  # as in the pilots that measured the regime


def tower_r2():
    """R2 (K,) with which the shipped tower reads each field in unseen cities, by its linear head."""
    known = pd.read_csv(TOWERS)
    return known[known.tower == "ceiling"].r2.to_numpy()


def data_of(setting, world, split, r2):
    """(training_arrays.Data, seen (n, K), sd (K,)) of a World without pictures: what cameras see, a tower's error.

    setting: worlds.Setting; r2 (K,): with which the tower reads the fields within a city.
    """
    places, seen = simulation.unpainted(world)
    sd = unpainted.noise_sd(seen, places.city.to_numpy(), r2)
    photos, features, seen = unpainted.read(world, sd)
    parts = {split: splits.make(split, photos, worlds.cut(setting.yardstick_m))}
    grid = worlds.street_grid(world, setting)
    return training_arrays.Data(photos, features, parts, grid), seen, sd


def errors(setting, drawn, split, r2, trained=TRAINED, asked=PILOT):
    """Errors (columns errors.ERRORS, world) of trained rows, baselines and ceilings in worlds without pictures.

    setting: worlds.Setting; drawn: each a simulation.World; r2 (K,): with which a tower reads the fields within a city;
    asked: of recipes.Tuned.
    """
    tables = []
    for world in drawn:
        data, seen, sd = data_of(setting, world, split, r2)
        photos, features, parts = data.photos, data.features, data.parts
        gallery = {split: galleries.of_split(split, photos, parts[split], data.grid)}
        found = [worlds.train(setting, name, data, None, asked=asked)[0].assign(kind="method") for name in trained]
        found.append(baselines.untrained(photos, features, parts, gallery, lambda table: None, seed=0))
        found.append(ladder.beside(world, photos, features, seen, sd, parts, gallery))
        tables += [table.assign(world=world.world_seed) for table in found]
    return pd.concat(tables, ignore_index=True)


def accepted(found):
    """Share in the right city, median error [m] and share within 250 m of each row in each world, as a table."""
    each = found.assign(near=found.error_m <= ceilings.WITHIN_M).groupby(["method", "world"], sort=False)
    values = each.agg(right_city=("right_city", "mean"), median_m=("error_m", "median"), within_250m=("near", "mean"))
    return values.groupby("method", sort=False).agg(["mean", "min", "max"])


def arguments():
    """What the command asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, nargs="+", default=[10, 11], metavar="SEED")
    parser.add_argument("--photos", type=int, default=100, help="of each city")
    parser.add_argument("--r2", default="0.5", help="of each field, or tower: as the shipped one was measured")
    parser.add_argument("--rows", nargs="+", default=TRAINED, metavar="METHOD", help="clip alone while cities change")
    parser.add_argument("--split", default="other_drive", choices=splits.CUTS)
    parser.add_argument("--steps", type=int, default=recipes.Course().steps)
    return parser.parse_args()


def main():
    """Print the budget, the rows by world, both endpoints and the tests of sw_clip against clip and each control."""
    given = arguments()
    drawn = [simulation.World(photos_per_city=given.photos, world_seed=seed) for seed in given.worlds]
    measured = tower_r2() if given.r2 == "tower" else float(given.r2)
    r2 = np.broadcast_to(measured, len(drawn[0].planted().names))
    with tempfile.TemporaryDirectory() as folder:
        folder_of = lambda *key: Path(folder) / f"{hash(key):x}"  # noqa: E731
        setting = worlds.Setting(300.0, 25.0, recipes.Course(steps=given.steps), folder_of)
        found = errors(setting, drawn, given.split, r2, given.rows)
    places = worlds.street_grid(drawn[0], setting)
    told = information.budget(r2, places[["lat_deg", "lon_deg"]].to_numpy(), places.city)
    print(information.answer(told))
    print("split", given.split, ceilings.label(found[found.method == "ceiling_learnable"].error_m))
    pairs = [("sw_clip", row) for row in given.rows if row != "sw_clip"] if "sw_clip" in given.rows else []
    compared = endpoints.comparisons(found, pairs, given.rows)
    for table in (accepted(found), endpoints.endpoints(found, given.rows, ladder.BESIDE), compared):
        print(table.to_string(float_format=lambda value: f"{value:.3f}"))
    print(endpoints.answer(compared))


if __name__ == "__main__":
    sys.exit(main())
