"""One training on a simulated world that no study keeps: from its places and features to errors, without notebooks."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from geonb import checks
from geonb.earth import sphere
from geonb.learning import methods, negatives, places, training, variants
from geonb.photos.sources import simulated
from geonb.splitting import galleries
from geonb.splitting import splits as splitting
from geonb.variograms import curves as semivariograms
from geonb.variograms import models as variogram_models

MAX_LAG_M, LAGS = 1_000.0, 20  # of the lags that guide negatives, as on page 03
QUEUED_BATCHES = 2  # places of so many earlier batches are negatives too, as on page 06


@dataclass(frozen=True)
class Setting:
    """What all trainings of a page share.

    cut: keywords of splits.make; size: of the embeddings; course: keywords of training.Settings but those that trials
    choose; folder: of the checkpoints.
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
    columns = [table[column].to_numpy(dtype=object) for column in ("city", "street", "sequence_id")]
    return splitting.make(split, table[["lat_deg", "lon_deg"]].to_numpy(), *columns, seed=seed, **cut)


def train(
    setting, label, name, split, own, table, features, gallery_grid, *, curve=(), seed=0, ways=("best place",),
    city_given=False,
):  # fmt: skip
    """(errors, validation error [m]) of one training of a method on a split of a world.

    own: its parameters as methods.tuned gives them; table: see parts_of; features (n, d) float32; ways: of
    variants.DECODINGS, others than the first for methods with a location tower; city_given: only places of the photo's
    own city compete, as always in unseen_city. errors: as decoding.predictions, once for each way, with decoding,
    split, method, seed and block.
    """
    part, row = parts_of(table, split, setting.cut, seed), methods.get(name)
    place, tower = row.place, row.tower or "fourier"
    read = places.reader(place, tower, None, features, parts=[], decimals=5)
    inputs, images = training.Places.of(table, read(table), places.codes(table)), torch.from_numpy(features)
    gallery = galleries.of_split(split, table, part, gallery_grid, training_places=place == "photo")
    there = training.Places.of(gallery, read(gallery))
    city_known = city_given or (split == "unseen_city" and place != "photo")
    run = training.fit(
        images, inputs, part, there,
        build=methods.builder(
            name, features.shape[1], inputs.inputs, size=setting.size, base=None, location_tower=tower,
            train_backbone=False, cell_size_m=own["cell_size_m"], noise_m=own["noise_m"],
        ),
        objective=methods.objective(name, methods.Settings(
            bandwidth_m=own["bandwidth_m"], prior_share=own["prior_share"], strength=own["strength"], curve=curve,
            guide=guide_of(inputs, features, part) if row.guided else (),
        )),
        bandwidths=lambda trained: np.full(len(trained), own["bandwidth_m"], np.float32),
        settings=training.Settings(
            **setting.course, learning_rate=own["learning_rate"], weight_decay=own["weight_decay"],
            queue=QUEUED_BATCHES * setting.course["batch_size"] if row.tower == "capsules" else 0,
        ),
        seed=seed, folder=setting.folder / label / f"{split}-{seed}", label=f"{name} {split} seed {seed}",
        city_known=city_known,
    )  # fmt: skip
    errors = training.predictions({(split, seed): run}, table, {split: part}, {split: gallery})
    tables = [errors.assign(decoding=ways[0])]
    if len(ways) > 1:
        found = variants.decoded(run, images, inputs, part, there, city_known=city_known, ways=ways[1:])
        tables += [read_off(errors, rows, gallery) for _, rows in found.groupby("decoding", sort=False)]
    errors = pd.concat(tables, ignore_index=True).assign(method=name)
    errors["block"] = splitting.blocks_of(errors, setting.cut["block_size_m"])
    return errors, run.curve.validation_error_m.min()


def guide_of(inputs, features, part):
    """The negatives.Guide of the training photos, its curve fitted to their own pooled lags."""
    train = part == "train"
    photos = features[train], inputs.lat_lon_deg[train], inputs.city[train]
    reading = {"max_lag_m": MAX_LAG_M, "lag_count": LAGS}
    lags = semivariograms.by_city(*photos, **reading)
    fitted = variogram_models.fit(semivariograms.pooled(lags), model="exponential")
    return negatives.guide(*photos, fitted, **reading)


def read_off(errors, rows, gallery):
    """The errors of one training with the answers of another decoding: rows of variants.decoded, in the same order."""
    at = rows[["predicted_lat_deg", "predicted_lon_deg"]].to_numpy()
    city = gallery.city.to_numpy()[sphere.nearest(at, gallery[["lat_deg", "lon_deg"]].to_numpy())[0]]
    return errors.assign(
        predicted_lat_deg=at[:, 0], predicted_lon_deg=at[:, 1], error_m=rows.error_m.to_numpy(), predicted_city=city,
        right_city=city == errors.city.to_numpy(), decoding=rows.decoding.iloc[0],
    )  # fmt: skip
