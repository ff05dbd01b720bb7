"""Small towers: positions without seams, unit vectors, cells and positions that name the right place; of recipes."""

import numpy as np
import pytest
import torch

from geonb.earth import sphere
from geonb.learning import geoclip, pretrained_towers, trainable_towers, training_arrays
from geonb.measuring import baselines
from tests.learning.conftest import small

CENTRE = (51.0, 10.0)


def at(metres):
    return sphere.from_local_m(np.asarray(metres, float), CENTRE)


def built(data, method, changes=None, seed=0):
    torch.manual_seed(seed)
    recipe = small(method, changes)
    return trainable_towers.build(recipe, training_arrays.read(recipe, data))


def test_fourier_features_have_no_seam_at_the_date_line_or_the_pole():
    date_line = trainable_towers.fourier_features(np.array([[10.0, 180.0], [10.0, -180.0]]))
    pole = trainable_towers.fourier_features(np.array([[90.0, 0.0], [90.0, 137.0]]))
    np.testing.assert_allclose(date_line[0], date_line[1], atol=1e-4)
    np.testing.assert_allclose(pole[0], pole[1], atol=1e-4)


@pytest.mark.parametrize("origin", [(0.0, 0.0), (51.5, -0.12), (-45.0, 179.9)])
def test_fourier_features_tell_two_metres_from_two_hundred_the_same_everywhere(origin):
    metres = np.array([[0.0, 0.0], [2.0, 0.0], [200.0, 0.0]])
    features = trainable_towers.fourier_features(sphere.from_local_m(metres, origin)).astype(float)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    near, far = 1 - unit[0] @ unit[1], 1 - unit[0] @ unit[2]
    assert 0 < near < 1e-3
    assert far > 0.1


def test_every_tower_ends_in_unit_vectors():
    tower = pretrained_towers.load_tower("local-dir:data/towers/geonb-tiny")
    words = trainable_towers.CaptionTower(tower.model, 8)(torch.randint(0, 100, (4, tower.context_length)))
    for found in (trainable_towers.Unit(*trainable_towers.head(16, 8))(torch.randn(4, 16)), words):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.norm(dim=1), torch.ones(4))


def test_the_temperature_never_multiplies_by_more_than_a_hundred():
    both = trainable_towers.TwoTowers(torch.nn.Identity(), torch.nn.Identity())
    assert both.scale().item() == pytest.approx(1 / 0.07)
    with torch.no_grad():
        both.log_scale.fill_(20)
    assert both.scale().item() == pytest.approx(100)


def test_cells_are_squares_that_hold_a_training_place():
    lat_lon_deg = at([[0, 0], [3, 3], [5000, 0]])
    centres = trainable_towers.cell_centres(lat_lon_deg, 200.0)
    assert len(centres) == 2
    assert sphere.pair_distance_m(lat_lon_deg, centres).min(axis=1).max() < 10


def test_a_cell_tower_names_the_place_nearest_to_the_centre_of_the_likeliest_cell():
    lat_lon_deg = at([[0, 0], [1000, 0], [1000, 60], [1000, 10]])
    both = trainable_towers.CellTower(4, lat_lon_deg[:2])
    gallery = both.location(trainable_towers.split_positions(lat_lon_deg)).numpy()
    np.testing.assert_allclose(gallery[2], [np.hypot(1000, 60), 60], atol=0.1)
    similarity = both.similarity(np.array([[0.0, 5.0], [5.0, 0.0]], np.float32), gallery[[0, 2, 3]])
    assert similarity.argmax(axis=1).tolist() == [2, 0]


def test_a_position_tower_names_the_nearest_place():
    lat_lon_deg = at([[0, 0], [1000, 0], [1000, 60]])
    both = trainable_towers.PositionTower(4, lat_lon_deg)
    gallery = both.location(trainable_towers.split_positions(lat_lon_deg)).numpy()
    assert np.square(gallery - gallery.mean(axis=0)).sum(axis=1).mean() == pytest.approx(1, rel=1e-3)
    assert both.similarity(gallery, gallery).argmax(axis=1).tolist() == [0, 1, 2]


def test_every_training_starts_from_the_same_weights_for_the_same_seed(data):
    one, same, other = (built(data, "clip", seed=seed).state_dict() for seed in (5, 5, 6))
    assert all(torch.equal(value, same[name]) for name, value in one.items())
    assert not all(torch.equal(value, other[name]) for name, value in one.items())


def test_a_location_tower_that_is_asked_for_leaves_the_image_head_as_it_is(data):
    for name, layers in (("clip", 5), ("geoclip", 3)):
        made = built(data, name, {"towers": {"location": "capsules"}})
        assert len(made.image) == layers
        assert isinstance(made.location, geoclip.CapsuleTower)
    photos = built(data, "soft_contrastive", {"towers": {"location": "capsules"}})
    assert len(photos.image) == 5
    assert photos.location is photos.image


def test_geoclip_may_start_from_released_weights_in_their_sizes(data, tmp_path):
    first = trainable_towers.TwoTowers(trainable_towers.geoclip_head(24), geoclip.CapsuleTower(at([[0, 0]])))
    states = first.image.state_dict(), first.location.state_dict(), first.log_scale.detach()
    for name, state in zip(geoclip.RELEASED_FILES.values(), states, strict=True):
        torch.save(state, tmp_path / name)
    started = built(data, "geoclip_precursor", {"towers": {"released": str(tmp_path)}}).state_dict()
    assert all(torch.equal(value, started[name]) for name, value in first.state_dict().items())
    assert len(built(data, "clip", {"towers": {"location": "capsules", "released": "none"}}).image) == 5  # of no use


@pytest.mark.parametrize("method", ["clip", "soft_contrastive", "cells", "coordinates"])
def test_features_are_standardised_on_the_photos_that_train_alone(data, method):
    made, train = built(data, method, {"towers": {"standardise": True}}), data.features[data.parts["toy"] == "train"]
    first = made.image[0]
    np.testing.assert_allclose(first(torch.from_numpy(train)).mean(dim=0), 0, atol=1e-4)
    np.testing.assert_allclose(first.mean, train.mean(axis=0), rtol=1e-4, atol=1e-6)


def test_the_frozen_neighbour_sees_features_standardised_on_the_photos_that_train():
    features = np.random.default_rng(0).normal(3, 0.1, (40, 4)) * [1, 1, 1, 100]
    train = np.arange(30)
    seen = baselines.standardised(features, train)
    by_hand = (features - features[train].mean(0)) / features[train].std(0, ddof=1)
    np.testing.assert_allclose(seen, by_hand / np.linalg.norm(by_hand, axis=1, keepdims=True), rtol=1e-5)
