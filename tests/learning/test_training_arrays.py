"""What towers read of tables of photos and places, and what a loss knows of those that train."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from geonb.earth import sphere
from geonb.learning import trainable_towers, training_arrays
from tests.learning.conftest import PLACES, small, two_cities


def test_captions_are_read_by_the_towers_own_tokenizer():
    base = training_arrays.base_tower("local-dir:data/towers/geonb-tiny", "", 48)
    read = training_arrays.reader("tower", "text", None, base, ("street", "city", "coordinates"))
    captions = ["[Street: Elm Row, City: Velmora. Lat: 50.50000, Lon: 7.12500.]",
                "[Street: Oak Lane, City: Ostrand. Lat: -10.25000, Lon: 179.50000.]"]  # fmt: skip
    assert torch.equal(read(PLACES), base.tokenizer(captions, context_length=48))
    with pytest.raises(ValueError, match="the text tower reads 48"):
        read(PLACES.assign(street="a very long name of a street " * 9))


def test_photos_and_positions_are_read_from_the_rows_of_the_table():
    features, at = np.arange(6.0, dtype=np.float32).reshape(3, 2), PLACES[["lat_deg", "lon_deg"]].to_numpy()
    assert training_arrays.reader("photo", "", features, None, ())(PLACES.set_axis([2, 0])).tolist() == [[4, 5], [0, 1]]
    for place, expected in (("cell", trainable_towers.split_positions), ("tower", trainable_towers.fourier_features)):
        found = training_arrays.reader(place, "fourier", features, None, ())(PLACES)
        assert torch.equal(found, torch.as_tensor(expected(at)))


def test_codes_part_streets_of_two_cities_and_know_what_is_unknown():
    table = pd.DataFrame({
        "city": ["A", "A", "B", "B"], "street": ["Elm", "Elm", "Elm", ""], "district": ["x", "y", "x", None],
        "country": ["L"] * 4,
    })  # fmt: skip
    codes = training_arrays.codes_of(table)
    assert {level: code.tolist() for level, code in codes.items()} == {
        "street": [0, 0, 1, -1], "district": [0, 1, 2, -1], "city": [0, 0, 1, 1], "country": [0, 0, 0, 0],
    }  # fmt: skip


def test_seeds_of_one_recipe_read_the_same():
    data, recipe = two_cities(), small()
    given = training_arrays.read(recipe, data)
    assert training_arrays.read(small(changes={"course": {"steps": 3}}), data) is given
    assert training_arrays.read(recipe, two_cities()) is not given
    assert given.members("test").tolist() == list(range(4, 300, 5))
    assert given.images.shape == (300, 24)


def places(metres):
    at = sphere.from_local_m(np.asarray(metres, float), (51.0, 10.0))
    return training_arrays.Places(pd.DataFrame({"city": "A", "lat_deg": at[:, 0], "lon_deg": at[:, 1]}), None)


def test_a_bandwidth_for_all_for_each_city_or_for_each_density():
    train = places([[0, 0], [0, 0], [100, 0], [105, 0], [1000, 0]])

    def widths(how, ranges_m=None, neighbour=1):
        loss = {"bandwidth": how, "neighbour": neighbour}
        recipe = small(changes={"tuned": {"bandwidth_m": 80.0}, "loss": loss})
        return training_arrays.bandwidth_m(recipe, train, ranges_m or {})

    np.testing.assert_allclose(widths("fixed"), 80)
    np.testing.assert_allclose(widths("city", {"A": 300.0}), 90)
    np.testing.assert_allclose(widths("city"), 80)
    # the photo at the same place is no other place; 5 m is below the least bandwidth
    np.testing.assert_allclose(widths("density"), [100, 100, 10, 10, 895], atol=2)
    with pytest.raises(ValueError, match="bandwidth 'density' needs 5 places that train, there are 4: set nei"):
        widths("density", neighbour=4)


def test_only_methods_that_ask_have_a_curve_or_a_guide_and_factors_scale_its_range(data):
    def all_of(name, loss=None):
        recipe = small(name, {"loss": loss or {}})
        return training_arrays.all_that_train(recipe, data, training_arrays.read(recipe, data), "cpu")

    for name, curve, guided in (("clip", 0, 0), ("variogram_clip", 2, 0), ("geoclip_semivariogram", 0, 4)):
        assert (len(all_of(name).curve), len(all_of(name).guide)) == (curve, guided)
    assert all_of("geoclip_semivariogram", {"range_factor": 0.5}).guide.range_m == 150.0
    assert all_of("geoclip_semivariogram", {"guided_by": "training photos"}).guide.range_m not in (150.0, 300.0)
    data = replace(data, fitted=lambda cities: {"flag": "no rise with distance"})
    with pytest.raises(ValueError, match="no variogram kernel from this fit: no rise"):
        all_of("variogram_clip")


def test_a_guide_that_is_fitted_again_follows_the_embeddings():
    metres = np.random.default_rng(0).uniform(-600, 600, (300, 2))
    recipe = small("geoclip_semivariogram", {"loss": {"max_lag_m": 800.0, "lag_count": 10}})

    def guide(wave_m):
        seen = np.column_stack([np.cos(metres / wave_m), np.sin(metres / wave_m)])
        pilots = lambda cities: {"model": "exponential"}  # noqa: E731
        return training_arrays.guide(recipe, seen, places(metres), pilots, again=True)

    slow, fast = guide(300), guide(60)
    assert slow.dissimilarity[0] < fast.dissimilarity[0]
    assert (np.diff(slow.dissimilarity) >= 0).all()
    assert all(np.array_equal(before, after) for before, after in zip(slow, guide(300), strict=True))
