"""Worlds without pictures, with the rows, controls and ceilings that say how much could be gained in them."""

import dataclasses

import numpy as np
import pytest

from experiments.laboratory import ladder, regime, worlds
from geonb.learning import recipes
from geonb.measuring import ceilings, endpoints
from simcities import fields, simulation

SMALL = {"city_count": 3, "photos_per_city": 120, "city_side_m": 900.0, "range_scale": 0.3}
WORLD = simulation.World(**SMALL, world_seed=1)


@pytest.mark.parametrize(("field", "scale"), [("trees", 0.3), ("storeys", 0.3), ("storeys", 0.0)])
def test_the_covariance_of_a_field_is_that_of_its_model_its_trend_and_the_means_of_cities(field, scale):
    world = dataclasses.replace(WORLD, range_scale=scale)
    at = np.random.default_rng(0).uniform(-400, 400, (40, 2))
    found, planted = ladder.covariance(world, field)(at, at), world.planted()
    range_m = planted.range_m[planted.names.index(field)]
    np.testing.assert_allclose(found, found.T)
    drift = fields.trend(planted, 450.0, at, field)
    np.testing.assert_allclose(found.diagonal(), planted.sill + planted.city_mean_sd**2 + drift**2)
    apart_m = np.linalg.norm(at[0] - at[1:], axis=1)
    rise = planted.sill + planted.city_mean_sd**2 + drift[0] * drift[1:] - found[0, 1:]
    np.testing.assert_allclose(rise, fields.model_semivariogram(planted, range_m, apart_m), atol=1e-4)


def test_the_fields_of_a_world_are_kriged_from_its_photos_as_well_as_the_kriging_says():
    photos, seen = simulation.unpainted(WORLD)
    maps = simulation.truth(WORLD, photos[["lat_deg", "lon_deg"]].to_numpy(), photos.city.to_numpy())
    metres, city = ladder.east_north_m(WORLD, photos), photos.city.to_numpy()
    assert np.abs(metres).max() <= 450
    even = np.arange(len(photos)) % 2 == 0
    sides = [ceilings.Ground(metres[own], city[own], values[own]) for own, values in ((even, seen), (~even, maps))]
    covariances = [ladder.covariance(WORLD, field) for field in fields.FIELDS]
    view = ((seen - maps) ** 2).mean(axis=0)
    mean, variance = ceilings.kriged_maps(*sides[:1], seen[even], sides[1], covariances, view)
    standard = (mean - maps[~even]) / np.sqrt(variance)
    assert 0.5 < (standard**2).mean() < 2
    assert ((mean - maps[~even]) ** 2).mean() < 0.5 * maps.var()


def test_the_shipped_tower_has_one_r2_for_each_field():
    r2 = regime.tower_r2()
    assert r2.shape == (len(fields.FIELDS),)
    assert ((r2 > 0.25) & (r2 < 1)).all()


@pytest.mark.slow
def test_methods_controls_baselines_and_ceilings_stand_in_one_table_that_the_endpoints_read(tmp_path):
    course = recipes.Course(steps=8, batch_size=32, evaluate_every=4)
    setting = worlds.Setting(200.0, 50.0, course, lambda *key: tmp_path / str(hash(key)))
    drawn, r2 = [WORLD, dataclasses.replace(WORLD, world_seed=2)], np.full(len(fields.FIELDS), 0.9)
    found = regime.errors(setting, drawn, "other_drive", r2, trained=("clip", "permuted_within_city"))
    assert set(found.world) == {1, 2}
    rows = {"clip", "permuted_within_city", "frozen_nearest", "city_centre", "chance", *ceilings.RUNGS}
    assert rows <= set(found.method)
    assert found.groupby(["world", "method"]).photo_id.nunique().groupby("world").nunique().eq(1).all()
    near = regime.accepted(found)["median_m"]["mean"]
    assert near["ceiling_place"] <= near["ceiling_traits_kriged"] <= near["ceiling_learnable"] < near["chance"]
    table = endpoints.endpoints(found, ["clip", "permuted_within_city", "ceiling_place"], replicates=99)
    assert table.value.between(0, 1_300).all()
    assert (table.clusters <= 2).all()
