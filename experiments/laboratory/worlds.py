"""Simulated worlds that no study keeps: their photos, how they are split, and one method trained on one of them."""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from geonb.earth import sphere
from geonb.learning import decoding, pretrained_towers, recipes, training, training_arrays
from geonb.measuring import baselines
from geonb.photos import catalogue, pictures, sources
from geonb.splitting import galleries, splits
from geonb.variograms import curves, models
from simcities import simulation, study_worlds

PLACE = ["lat_deg", "lon_deg", "city", "country", "street"]


def photographed(options, tower):
    """(photos with lat_deg and lon_deg, unit features (n, d)) of a simulated world, painted and read by a tower."""
    photos = catalogue.with_lat_lon(sources.gather("simulated", options)[0])
    return photos, features_of(photos, tower)


def features_of(photos, tower):
    """Unit features (n, d) of the photos of a catalogue."""
    return pretrained_towers.image_features([pictures.picture_path(path) for path in photos.path], photos.sha256, tower)


def cut(yardstick_m, seed=0):
    """The splits.Cut of a world, as on page 04."""
    return splits.Cut(0.2, 0.1, block_size_m=yardstick_m, buffer_m=yardstick_m / 4, gap_m=15.0, seed=seed)


@dataclass(frozen=True)
class Setting:
    """What all trainings of a page share.
    yardstick_m: see cut; gallery_spacing_m: between the places of a gallery along streets; folder_of: anything that a
    training depends on -> folder of its checkpoints; city_given: only places of the photo's own city compete.
    """

    yardstick_m: float
    gallery_spacing_m: float
    course: recipes.Course
    folder_of: Callable
    city_given: bool = False


def data_of(setting, options, photos, features, split, seed=0):
    """The training_arrays.Data of a simulated world in one split; negatives are guided by the training photos."""
    part = splits.make(split, photos, cut(setting.yardstick_m, seed))
    grid = street_grid(simulation.World(**options), setting)
    train = np.flatnonzero(part == "train")
    fitted = functools.partial(fitted_to, photos.iloc[train], features[train])
    return training_arrays.Data(photos, features, {split: part}, grid, fitted)


@functools.lru_cache(maxsize=2)
def street_grid(world, setting):
    """The places along the streets of a simulation.World, which splits that hold out places choose among."""
    return galleries.along_streets(simulation.streets(world), setting.gallery_spacing_m)


def fitted_to(photos, features, cities):
    """The curve that fits the pooled lags of photos, who lie in these cities."""
    loss, at = recipes.Loss(), photos[["lat_deg", "lon_deg"]].to_numpy()
    lags = curves.by_city(
        features, at, photos.city.to_numpy(dtype=object), max_lag_m=loss.max_lag_m, lag_count=loss.lag_count
    )
    return models.fit(curves.pooled(lags), model="exponential")


def train(setting, method, data, trials, *, asked=None, ways=(decoding.BEST,), seed=0):
    """(errors, validation error [m]) of one training of a method on the Data of a world.
    trials, asked: see recipes.tuned; ways: of decoding.WAYS, others than the first for methods with a location tower.
    errors: as training.predictions, once for each way, with decoding, split, method, seed and block.
    """
    (split,) = data.parts
    recipe = recipes.recipe(method, split, trials, asked=asked, course=setting.course, city_given=setting.city_given)
    run = training.fit(recipe, data, seed, setting.folder_of(recipe, digest_of(data), seed))
    best = training.predictions([run], data).drop(columns="name").assign(decoding=decoding.BEST)
    tables = [best]
    if len(ways) > 1:
        found, gallery = training.decoded(run, data, ways[1:]), training_arrays.read(recipe, data).gallery.table
        tables += [read_off(best, rows, gallery) for _, rows in found.groupby("decoding", sort=False)]
    errors = pd.concat(tables, ignore_index=True).assign(method=method)
    return errors.assign(block=splits.blocks_of(errors, setting.yardstick_m)), run.curve.validation_error_m.min()


def digest_of(data):
    """A digest of what a training reads of a world: another one for other photos, features, parts or places."""
    tables = [data.photos[PLACE], data.grid[PLACE], *(pd.Series(part) for part in data.parts.values())]
    hashes = [pd.util.hash_pandas_object(table).to_numpy() for table in tables]
    return hashlib.sha256(b"".join(array.tobytes() for array in (data.features, *hashes))).hexdigest()


def read_off(errors, rows, gallery):
    """The errors of one training with the answers of another decoding: rows of training.decoded, in the same order."""
    at = rows[["predicted_lat_deg", "predicted_lon_deg"]].to_numpy()
    city = gallery.city.to_numpy()[sphere.nearest(at, gallery[["lat_deg", "lon_deg"]].to_numpy())[0]]
    return errors.assign(
        **rows[["predicted_lat_deg", "predicted_lon_deg", "error_m", "decoding"]].reset_index(drop=True),
        predicted_city=city, right_city=city == errors.city.to_numpy(),
    )  # fmt: skip


def untrained(setting, options, data, seed=0):
    """Errors of the baselines and the ceilings on the Data of a world, with block."""
    (split,), planted = data.parts, functools.partial(study_worlds.planted_at, "simulated", options)
    gallery = {split: galleries.of_split(split, data.photos, data.parts[split], data.grid)}
    rows = baselines.untrained(data.photos, data.features, data.parts, gallery, planted, seed=seed)
    return rows.assign(block=splits.blocks_of(rows, setting.yardstick_m))
