"""What is planted in these cities, and what stands there because of it."""

import dataclasses

import numpy as np
import pytest

from geonb import random_streams
from geonb.learning import pretrained_towers
from simcities import buildings, day, simulation, things
from simcities import fields as base
from simcities import world as saved_worlds
from simcities.headroom import captions, fields, geography, houses
from simcities.headroom import simulation as roomy


def amounts_of(city, trait):
    return fields.amounts(city.fields[fields.FIELDS.index(trait)])


@pytest.mark.parametrize("group", [fields.HOUSES, fields.STREETS])
def test_ranges_spread_evenly_in_logarithms_from_sixty_metres_to_one_and_a_half_kilometres(group):
    range_m = np.sort([metres for metres, _ in group.values()])
    assert range_m[[0, -1]].tolist() == [60.0, 1500.0]
    steps = np.diff(np.log(range_m))
    assert steps.max() < 1.3 * np.log(25) / len(steps)
    assert steps.min() > 0.7 * np.log(25) / len(steps)


def test_traits_are_independent_of_each_other():
    planted = fields.planted(range_scale=0.02, trend_scale=0.0)
    drawn = [base.draw(planted, 200.0, np.random.default_rng(seed)).reshape(28, -1) for seed in range(40)]
    means = np.stack([layers.mean(axis=1) for layers in drawn])
    within = np.concatenate([layers - layers.mean(axis=1, keepdims=True) for layers in drawn], axis=1)
    off = ~np.eye(28, dtype=bool)
    assert np.abs(np.corrcoef(within)[off]).max() < 0.04
    assert np.abs(np.corrcoef(means.T)[off]).max() < 0.65  # of 40 cities
    np.testing.assert_allclose(means.std(axis=0).mean(), fields.CITY_MEAN_SD, rtol=0.1)


def test_planted_ranges_and_trends_are_those_of_redraws(world):
    curves = simulation.curves(world, places=60, redraws=100)
    assert curves.field.unique().tolist() == list(fields.FIELDS)
    assert curves.semivariance.between(curves.low, curves.high).mean() > 0.85
    assert world.planted().trend_shares()[fields.FIELDS.index("trees")] == 0.5


@pytest.mark.parametrize(("wrong", "said"), [
    ({"trend_scale": 1.1}, "trend_share needs a number of 0 to 0.5 for each of 28 fields"),
    ({"trend_scale": float("nan")}, "trend_scale nan must be"),
    ({"city_side_m": 2000.0}, "a city of 2000 m is too small for a range of 1500 m"),
    ({"picture_px": 100}, "picture_px 100 must be a multiple of 16"),
    ({"nugget": -1.0}, "nugget -1.0"),
])  # fmt: skip
def test_a_world_that_cannot_be_made_is_refused_by_name(wrong, said):
    with pytest.raises(ValueError, match=said):
        roomy.World(**wrong)


def test_one_trend_of_all_fields_stays_small():
    names = fields.FIELDS[:2]
    with pytest.raises(ValueError, match=r"trend_share 0.2 must be 0 to 0.1"):
        base.Planted(range_m=(50.0, 60.0), names=names, trend_share=0.2)
    planted = base.Planted(range_m=(50.0, 60.0), names=names, trend_share=(0.2, 0.0))
    at = np.array([[0.0, 0.0], [0.0, 100.0]])
    assert np.ptp(base.trend(planted, 100.0, at, "wall_hue")) > 0.5
    assert np.ptp(base.trend(planted, 100.0, at, "wall_light")) == 0.0


def test_a_city_is_the_same_for_the_same_seed_and_comes_back_from_a_file(world, city, shots, tmp_path):
    again = geography.city(0, world.world_seed, world.planted(), world.city_side_m / 2, world.home(0))
    for field in dataclasses.fields(city):
        assert np.array_equal(getattr(again, field.name), getattr(city, field.name))
    saved_worlds.save([city], world.planted(), tmp_path / "world.npz", [shots[0]], [shots[1]])
    loaded = saved_worlds.load(tmp_path / "world.npz")
    assert loaded.planted == world.planted()
    np.testing.assert_array_equal(loaded.cities[0].things, city.things)
    np.testing.assert_array_equal(loaded.cities[0].buildings, city.buildings)


def test_houses_keep_off_streets_and_gardens_are_as_deep_as_their_trait_says(city):
    street, _, _, garden_m = buildings.fronts(city)
    assert (street >= 0).mean() > 0.95
    amount = fields.amounts(city.buildings[street >= 0, buildings.TRAITS + fields.FIELDS.index("setback")])
    assert np.corrcoef(garden_m[street >= 0], amount)[0, 1] > 0.7
    assert garden_m[street >= 0].min() > houses.GARDEN_M[0] - 0.1
    corners = buildings.corners(city.buildings).reshape(-1, 2)
    assert (city.distances_m(corners) - city.half_width_m).min() > -0.1


def test_tall_houses_are_where_their_trait_is_high(city):
    eaves_m = city.buildings[:, buildings.FLOORS] * city.buildings[:, buildings.STOREY]
    trait = city.buildings[:, buildings.TRAITS + fields.FIELDS.index("storeys")]
    assert (np.diff(eaves_m[np.argsort(trait)]) >= -1e-5).all()
    assert houses.EAVES_M[0] < eaves_m.min() < eaves_m.max() < houses.EAVES_M[1]


@pytest.mark.parametrize("kind", [kind for kind in houses.ROWS if kind != houses.CAR])
def test_things_are_as_large_as_their_trait_says_where_they_stand(city, kind):
    rows = city.things[city.things[:, things.KIND] == kind]
    at = rows[:, [things.EAST, things.NORTH]]
    value = base.value_at(city.fields, city.half_side_m, at)[:, fields.FIELDS.index(houses.ROWS[kind][0])]
    np.testing.assert_allclose(rows[:, things.SIZE], fields.amounts(value), atol=0.02)
    assert (city.distances_m(at) - city.road_half_m).min() > 0.1  # on no road


def test_cameras_stand_on_the_road_and_look_at_houses_to_one_side(city, shots):
    photos = shots[0]
    off_m = city.distances_m(photos[["east_m", "north_m"]].to_numpy())[np.arange(len(photos)), photos.street]
    assert off_m.max() < 1.0
    travel = city.direction[photos.street] * photos.forward.to_numpy()[:, None]
    aside = np.arctan2(np.sin(photos.heading_rad), np.cos(photos.heading_rad)) - np.arctan2(travel[:, 0], travel[:, 1])
    aside = np.abs((aside + np.pi) % (2 * np.pi) - np.pi)
    assert aside.between(*geography.ASIDE_RAD).all()
    with pytest.raises(ValueError, match="photo_count 0 must be at least 1"):
        geography.drives(city, 0, random_streams.stream(0, "none"))


def test_what_a_camera_sees_is_the_mean_of_the_houses_in_its_picture(city, shots):
    k = fields.FIELDS.index("shops")
    same = city.buildings.copy()
    same[:, buildings.TRAITS + k] = 0.7
    seen = captions.traits(dataclasses.replace(city, buildings=same), shots[0])
    assert np.isfinite(seen).all()
    assert np.isclose(seen[:, k], 0.7).mean() > 0.9


def test_the_truth_of_a_city_that_a_world_has_not_is_missing():
    truth = simulation.truth(roomy.World(), [[0.0, 0.0]], ["nowhere"])
    assert truth.shape == (1, 28)
    assert np.isnan(truth).all()


def test_captions_name_five_to_sixteen_traits_and_say_more_of_a_high_one(shots):
    photos, nuisances = shots
    scenes = photos.scene.to_numpy()
    low, high = (
        captions.describe(np.full((60, 28), value), nuisances, scenes, random_streams.stream(0, "words"))
        for value in (-2.0, 2.0)
    )
    for said, level in ((low, 0), (high, -1)):
        phrases = [ways[level] for ways in captions.PHRASES.values()]
        count = [sum(phrase in caption for phrase in phrases) for caption in said]
        assert captions.NAMED[0] == min(count)
        assert max(count) <= captions.NAMED[1] + 2  # one phrase lies within another
    assert tuple(captions.PHRASES) == fields.FIELDS
    words = " ".join(captions.vocabulary())
    assert all(word.strip(",:") in words for caption in low + high for word in caption.split())
    with pytest.raises(ValueError, match=r"traits \(60, 7\) must be \(60, 28\) finite numbers"):
        captions.describe(np.zeros((60, 7)), nuisances, scenes, random_streams.stream(0, "words"))


def test_a_caption_fits_into_the_text_tower_of_these_cities():
    rng = np.random.default_rng(0)
    nuisances = day.nuisance(rng.integers(0, 2, 1000), rng)
    said = captions.describe(1.4 * rng.standard_normal((1000, 28)), nuisances, ["street"] * 1000, rng)
    tokens = pretrained_towers.open_clip().SimpleTokenizer(context_length=100)(said)
    assert (tokens != 0).sum(dim=1).max() <= 88


def test_cities_of_a_continent_have_a_mean_for_each_trait(world):
    homes = [dataclasses.replace(world, continents=2).home(index) for index in range(2)]
    assert homes[0].means.shape == (28,)
    assert abs(np.corrcoef(homes[0].means, homes[1].means)[0, 1]) < 0.6
