"""What simulated photos offer, from their cameras to the rows of ceilings and the sentence of the page."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from experiments.laboratory import ladder
from geonb.measuring import ceilings, endpoints, errors, information
from geonb.splitting import galleries, splits
from simcities import simulation, unpainted


@pytest.fixture(scope="module")
def world():
    return simulation.World(city_count=3, photos_per_city=120, city_side_m=900.0, world_seed=1, range_scale=0.3)


@pytest.fixture(scope="module")
def study(world):
    """(photos, features, parts, gallery) whose features are what cameras see with noise of an R2 of .6."""
    photos, seen = simulation.unpainted(world)
    noise = np.random.default_rng(0).standard_normal(seen.shape)
    features = seen + unpainted.noise_sd(seen, photos.city.to_numpy(), 0.6) * noise
    order = np.random.default_rng(1).permutation(len(photos))
    photos, features = photos.iloc[order].reset_index(drop=True), np.float32(features[order])
    parts = {name: splits.make(name, photos, splits.Cut(0.2, 0.1, 200.0, 50.0, 15.0)) for name in ("other_drive",)}
    return photos, features, parts, {name: photos[part == "train"] for name, part in parts.items()}


def test_what_cameras_see_follows_the_order_of_the_photos(world, study):
    photos, features, *_ = study
    apart = ladder.seen_in(world, photos) - features
    assert all(np.corrcoef(features[:, k], ladder.seen_in(world, photos)[:, k])[0, 1] > 0.7 for k in range(4))
    assert np.abs(apart.mean(axis=0)).max() < 0.3


def test_the_ladder_takes_the_tower_to_read_as_well_as_the_training_photos_say(world, study):
    found, rows = ladder.of_study(world, *study, 200.0)
    parts = study[2]
    assert list(found) == list(ladder.READ)
    assert found.target.tolist() == list(world.planted().names)
    assert set(found.n) == {(parts["other_drive"] == "train").sum()}
    assert found.r2.mean() == pytest.approx(0.6, abs=0.15)
    assert list(rows) == list(errors.ERRORS)
    assert set(rows.method) == {"city_centre", *ceilings.RUNGS}
    assert (rows.groupby("method").size() == (parts["other_drive"] == "test").sum()).all()
    again = ladder.of_study(world, *study, 200.0)[1]
    pd.testing.assert_frame_equal(rows, again)


def test_a_probe_of_two_cities_is_refused(world):
    photos, seen = simulation.unpainted(dataclasses.replace(world, city_count=2))
    city = photos.city.to_numpy()
    with pytest.raises(ValueError, match="at least 3 groups"):
        ladder.read(world, seen, seen, city, city)


def spoken(world, study, error_m):
    """The answer where the tower's ceiling has an error of so many metres, and clip has none."""
    found, rows = ladder.of_study(world, *study, 200.0)
    rows = rows.assign(error_m=rows.error_m.where(rows.method != "ceiling_learnable", error_m))
    trained = rows[rows.method == "ceiling_place"]
    trained = pd.concat([trained.assign(method=name) for name in ("clip", "sw_clip", "cells")])
    pairs = [("sw_clip", "clip"), ("sw_clip", "cells")]
    table = endpoints.endpoints(pd.concat([trained, rows]), ["clip", "sw_clip"], ladder.BESIDE, replicates=99)
    grid = galleries.along_streets(simulation.streets(world), 50.0)
    bits = information.budget(found.r2, grid[["lat_deg", "lon_deg"]].to_numpy(), grid.city)
    return ladder.answer(bits, table, endpoints.comparisons(trained, pairs, replicates=99), rows)


def test_the_answer_tells_bits_ceiling_clip_and_ratios_to_the_controls(world, study):
    said = spoken(world, study, 80.0)
    assert said.startswith("The traits that are read offer at most")
    assert "the error that could be learnt in other_drive is 80 m, that of clip" in said
    assert "sw_clip has 1.00 times the error of clip" in said
    assert "cells" not in said


def test_a_split_whose_ceiling_finds_hardly_a_place_says_so_first(world, study):
    first = "About cities only, as what the tower reads finds hardly a place there: other_drive."
    assert spoken(world, study, 900.0).startswith(first)
