"""One training on a simulated world that no study keeps: from its places and features to errors, without notebooks."""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from geonb import checks
from geonb.earth import sphere
from geonb.learning import decoding, inputs, methods, recipes, training
from geonb.photos.sources import simulated
from geonb.splitting import galleries
from geonb.splitting import splits as splitting
from geonb.variograms import curves, models

QUEUED_BATCHES = 2  # places of so many earlier batches are negatives too, as on page 06


@dataclass(frozen=True)
class Setting:
    """What all trainings of a page share.

    cut: keywords of splits.Cut; size: of the embeddings; course: keywords of recipes.Course; folder: of checkpoints.
    """

    cut: dict
    size: int
    course: dict
    folder: Path


def grid(options, world_seed, spacing_m):
    """The places along the streets of a world, which blocked chooses among; options: of simulated.World."""
    checks.number("gallery_spacing_m", spacing_m, above=0)
    world = simulated.World(**options | {"world_seed": world_seed})
    return galleries.along_streets(simulated.streets(world), spacing_m)


def parts_of(table, split, cut, seed=0):
    """The part (n,) of each place of a table with lat_deg, lon_deg, city, street and sequence_id."""
    return splitting.make(split, table, splitting.Cut(**cut, seed=seed))


def train(
    setting, label, name, split, own, table, features, gallery_grid, *, fitted=None, seed=0, ways=(decoding.BEST,),
    city_given=False,
):  # fmt: skip
    """(errors, validation error [m]) of one training of a method on a split of a world.

    own: its values as recipes.tuned gives them; table: see parts_of; features (n, d) float32; fitted: of models.fit,
    what the variogram kernel is read off; ways: of decoding.WAYS, others than the first for methods with a location
    tower; city_given: only places of the photo's own city compete, as always in unseen_city. errors: as
    decoding.predictions, once for each way, with decoding, split, method, seed and block.
    """
    part, course = parts_of(table, split, setting.cut, seed), dict(setting.course)
    course = recipes.Course(**course, queue=QUEUED_BATCHES * course["batch_size"])
    alone = city_given or (split == "unseen_city" and methods.get(name).place != "photo")
    recipe = recipes.Recipe(
        name, split, recipes.Tuned(**own), towers=recipes.Towers(size=setting.size), course=course, city_given=alone,
    )  # fmt: skip
    curve = functools.partial(fit_of, table, features, part) if fitted is None else lambda cities: fitted
    data = inputs.Data(table, features, {split: part}, gallery_grid, curve)
    run = training.fit(recipe, data, seed, setting.folder / label / f"{split}-{seed}")
    errors = training.predictions([run], data).drop(columns="name")
    tables = [errors.assign(decoding=ways[0])]
    if len(ways) > 1:
        found, gallery = training.decoded(run, data, ways[1:]), inputs.read(recipe, data).gallery_table
        tables += [read_off(errors, rows, gallery) for _, rows in found.groupby("decoding", sort=False)]
    errors = pd.concat(tables, ignore_index=True).assign(method=name)
    errors["block"] = splitting.blocks_of(errors, setting.cut["block_size_m"])
    return errors, run.curve.validation_error_m.min()


def fit_of(table, features, part, cities):
    """The curve that fits the pooled lags of the training photos themselves, who lie in these cities."""
    train = np.flatnonzero(part == "train")
    at, city = table[["lat_deg", "lon_deg"]].to_numpy()[train], table.city.to_numpy(dtype=object)[train]
    reading = {"max_lag_m": recipes.Loss().max_lag_m, "lag_count": recipes.Loss().lag_count}
    lags = curves.by_city(features[train], at, city, **reading)
    return models.fit(curves.pooled(lags), model="exponential")


def read_off(errors, rows, gallery):
    """The errors of one training with the answers of another decoding: rows of training.decoded, in the same order."""
    at = rows[["predicted_lat_deg", "predicted_lon_deg"]].to_numpy()
    city = gallery.city.to_numpy()[sphere.nearest(at, gallery[["lat_deg", "lon_deg"]].to_numpy())[0]]
    return errors.assign(
        predicted_lat_deg=at[:, 0], predicted_lon_deg=at[:, 1], error_m=rows.error_m.to_numpy(), predicted_city=city,
        right_city=city == errors.city.to_numpy(), decoding=rows.decoding.iloc[0],
    )  # fmt: skip
