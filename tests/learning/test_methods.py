"""The table of methods: losses by name, bandwidths, cells, towers, what the trials set."""

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import normalize

from geonb.earth import sphere
from geonb.files import ROOT
from geonb.learning import encoders, geoclip, methods, training

CENTRE = (51.0, 10.0)
TRIALS = ROOT / "data" / "trials" / "trials.csv"


def places(metres, city="A"):
    lat_lon_deg = sphere.from_local_m(np.asarray(metres, float), CENTRE)
    return training.Places(torch.zeros(len(metres), 1), lat_lon_deg, np.full(len(metres), city, dtype=object))


def about(spread_m=300.0, bandwidth_m=100.0):
    metres = spread_m * np.random.default_rng(0).uniform(-1, 1, (10, 2))
    codes = {level: torch.zeros(10, dtype=torch.long) for level in ("street", "district", "city", "country")}
    points = tuple(torch.from_numpy(part) for part in sphere.split_xyz_m(places(metres).lat_lon_deg))
    return methods.Batch(points, torch.full((10,), bandwidth_m), torch.from_numpy(metres).float(), codes)


@pytest.fixture
def batch():
    torch.manual_seed(0)
    return *(normalize(torch.randn(10, 6), dim=1) for _ in range(2)), about()


def loss(name, batch, **settings):
    image, location, known = batch
    return methods.objective(name, methods.Settings(**settings))(image, location, torch.tensor(5.0), known)


def test_an_unknown_method_is_refused_with_the_list():
    with pytest.raises(ValueError, match="no method 'clop': there are clip, sw_clip"):
        methods.get("clop")


def test_every_method_has_twelve_trials_of_two_parameters():
    for name, row in methods.METHODS.items():
        assert len(row.tuned) == 2, name
        assert np.prod([len(values) for values in row.tuned.values()]) == 12, name
        assert set(row.tuned) <= set(methods.UNTUNED), name


def test_only_spatial_methods_look_at_distances(batch):
    image, location, _ = batch
    apart = about(spread_m=2_000.0)
    torch.testing.assert_close(loss("clip", batch), loss("clip", (image, location, apart)))
    for name in ("sw_clip", "near_negatives", "label_smoothing"):
        assert not torch.isclose(loss(name, batch), loss(name, (image, location, apart))), name


def test_without_weight_or_prior_a_vanishing_bandwidth_is_clip(batch):
    image, location, _ = batch
    narrow = about(bandwidth_m=1e-4)
    for name in ("sw_clip", "label_smoothing", "shuffled_distances"):
        torch.testing.assert_close(loss(name, (image, location, narrow)), loss("clip", batch), atol=1e-4, rtol=1e-4)


def test_regularisers_and_prior_change_the_loss_and_bad_values_are_refused(batch):
    plain = loss("sw_clip", batch)
    for settings in (
        {"prior_share": 0.5}, {"neighbourhood_weight": 1.0}, {"neighbourhood_weight": 1.0, "neighbourhood": "ranking"},
    ):  # fmt: skip
        assert not torch.isclose(loss("sw_clip", batch, **settings), plain), settings
    with pytest.raises(ValueError, match="fairness_weight -1 must be a finite number of at least 0"):
        methods.Settings(fairness_weight=-1)
    with pytest.raises(ValueError, match="neighbourhood 'push' must be one of pull, ranking"):
        methods.Settings(neighbourhood="push")
    with pytest.raises(ValueError, match="'variogram' needs a curve"):
        loss("variogram_clip", batch)


def test_a_bandwidth_for_all_for_each_city_or_for_each_density():
    train = places([[0, 0], [0, 0], [100, 0], [130, 0], [1000, 0]])
    given = dict(bandwidth_m=80.0, ranges_m={"A": 300.0}, range_share=0.5, neighbour=1, min_bandwidth_m=40.0)
    np.testing.assert_allclose(methods.bandwidths("fixed", **given)(train), 80)
    np.testing.assert_allclose(methods.bandwidths("city", **given)(train), 150)
    np.testing.assert_allclose(methods.bandwidths("city", **given | {"ranges_m": {}})(train), 80)
    # the photo at the same place is no other place; 30 m is below the least bandwidth
    np.testing.assert_allclose(methods.bandwidths("density", **given)(train), [100, 100, 40, 40, 870], atol=2)


def test_bandwidths_that_cannot_be_are_refused():
    given = dict(bandwidth_m=80.0, ranges_m={}, range_share=0.5, neighbour=3, min_bandwidth_m=0.0)
    with pytest.raises(ValueError, match="bandwidth 'wide' must be one of fixed, city, density"):
        methods.bandwidths("wide", **given)
    with pytest.raises(ValueError, match="bandwidth_m 0 must be a finite number above 0"):
        methods.bandwidths("fixed", **given | {"bandwidth_m": 0})
    with pytest.raises(ValueError, match="neighbour 3 must lie between 1 and 2"):
        methods.bandwidths("density", **given)(places([[0, 0], [0, 0], [50, 0], [90, 0]]))


def test_cells_are_squares_that_hold_a_training_place():
    lat_lon_deg = places([[0, 0], [3, 3], [5000, 0]]).lat_lon_deg
    centres = methods.cell_centres(lat_lon_deg, 200.0)
    assert len(centres) == 2
    assert sphere.pair_distance_m(lat_lon_deg, centres).min(axis=1).max() < 10


def test_a_cell_tower_names_the_place_nearest_to_the_centre_of_the_likeliest_cell():
    lat_lon_deg = places([[0, 0], [1000, 0], [1000, 60], [1000, 10]]).lat_lon_deg
    towers = encoders.CellTower(4, lat_lon_deg[:2])
    gallery = towers.location(encoders.split_positions(lat_lon_deg)).numpy()
    np.testing.assert_allclose(gallery[2], [np.hypot(1000, 60), 60], atol=0.1)
    similarity = towers.similarity(np.array([[0.0, 5.0], [5.0, 0.0]], np.float32), gallery[[0, 2, 3]])
    assert similarity.argmax(axis=1).tolist() == [2, 0]


def test_a_position_tower_names_the_nearest_place():
    lat_lon_deg = places([[0, 0], [1000, 0], [1000, 60]]).lat_lon_deg
    towers = encoders.PositionTower(4, lat_lon_deg)
    gallery = towers.location(encoders.split_positions(lat_lon_deg)).numpy()
    assert np.square(gallery - gallery.mean(axis=0)).sum(axis=1).mean() == pytest.approx(1, rel=1e-3)
    assert towers.similarity(gallery, gallery).argmax(axis=1).tolist() == [0, 1, 2]


def test_every_training_starts_from_the_same_weights_for_the_same_seed():
    given = dict(size=4, base=None, location_tower="fourier", train_backbone=False, cell_size_m=100.0)
    build = methods.builder("clip", 8, torch.zeros(1, 12), **given)
    states = []
    for _ in range(2):
        torch.manual_seed(5)
        states.append(build(places([[0, 0]]).lat_lon_deg).state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    with pytest.raises(ValueError, match="train_backbone is for methods with a location tower, not for cells"):
        methods.builder("cells", 8, torch.zeros(1, 12), **given | {"train_backbone": True})


def test_the_best_trial_of_a_split_sets_what_nobody_asked_for():
    trials = pd.DataFrame(
        {"method": ["clip", "clip", "clip", "cells"], "split": ["here", "here", "there", "here"],
         "learning_rate": [0.1, 0.2, 0.3, 0.4], "weight_decay": [0.5, 0.6, 0.7, 0.8],
         "validation_error_m": [9.0, 8.0, 1.0, 1.0]}
    )  # fmt: skip
    found = methods.tuned("clip", "here", trials, {"learning_rate": -1.0, "bandwidth_m": -1.0})
    assert found == methods.UNTUNED | {"learning_rate": 0.2, "weight_decay": 0.6}
    assert methods.tuned("clip", "there", trials, {})["learning_rate"] == 0.3
    assert methods.tuned("clip", "here", trials, {"learning_rate": 7.0})["learning_rate"] == 7.0
    assert methods.tuned("clip", "where", trials, {}) == methods.UNTUNED
    with pytest.raises(ValueError, match="trials of split there have none of clip"):  # none that was measured
        methods.tuned("clip", "there", trials.assign(validation_error_m=np.nan), {})


def test_a_row_that_is_like_another_has_its_parameters_but_for_its_own():
    trials = pd.DataFrame({
        "method": ["geoclip", "geoclip", "geoclip_precursor"], "split": "here", "learning_rate": [0.1, 0.2, 0.3],
        "noise_m": [30.0, 100.0, np.nan], "strength": [np.nan, np.nan, 3.0], "validation_error_m": [8.0, 9.0, 1.0],
    })  # fmt: skip
    found = methods.tuned("geoclip_precursor", "here", trials, {})
    assert found == methods.UNTUNED | {"learning_rate": 0.3, "noise_m": 30.0, "strength": 3.0}
    assert methods.tuned("geoclip_precursor", "here", trials, {"noise_m": 0.0})["noise_m"] == 0.0
    with pytest.raises(ValueError, match="trials of split here have none of geoclip:"):
        methods.tuned("geoclip_precursor", "here", trials[2:], {})
    rules = [row for row in methods.METHODS.values() if row.guided]
    assert len(rules) == 3
    assert all(row.like == "geoclip" and not {"noise_m", *row.tuned} - {"noise_m", "learning_rate", "strength"}
               for row in rules)  # fmt: skip


def test_geoclip_has_its_own_towers_of_the_sizes_asked_for():
    given = dict(size=4, base=None, location_tower="fourier", train_backbone=False, cell_size_m=100.0)
    at = places([[0, 0]]).lat_lon_deg
    towers = methods.builder("geoclip", 8, torch.zeros(1, 8), **given, capsules={"sigmas": [1.0], "image_hidden": 5})(
        at
    )
    assert [tuple(layer.weight.shape) for layer in towers.image if hasattr(layer, "weight")] == [(5, 8), (4, 5)]
    assert len(list(towers.location.children())) == 1
    with pytest.raises(ValueError, match="capsules has no hiden; it has sigmas, frequencies, hidden, image_hidden"):
        methods.builder("geoclip", 8, torch.zeros(1, 8), **given, capsules={"hiden": 5})


def test_geoclip_may_start_from_released_weights(tmp_path):
    given = dict(size=4, base=None, location_tower="fourier", train_backbone=False, cell_size_m=100.0)
    at = places([[0, 0]]).lat_lon_deg
    torch.manual_seed(3)
    first = methods.builder("geoclip", 8, torch.zeros(1, 8), **given)(at)
    for part, state in (
        ("image", first.image.state_dict()),
        ("location", first.location.state_dict()),
        ("log_scale", {"logit_scale": first.log_scale.detach()}),
    ):
        save_file(state, tmp_path / f"{geoclip.RELEASED_FILES[part]}.safetensors")
    torch.manual_seed(4)
    started = methods.builder("geoclip_precursor", 8, torch.zeros(1, 8), **given, released=str(tmp_path))(at)
    assert all(torch.equal(value, started.state_dict()[name]) for name, value in first.state_dict().items())
    for asked in ("fourier", "capsules"):  # rows without capsules of their own do not use them
        clip = methods.builder("clip", 8, torch.zeros(1, 12), **given | {"location_tower": asked}, released="none")(at)
        assert isinstance(clip.image, encoders.ImageHead)
    with pytest.raises(FileNotFoundError, match="none holds neither image_encoder_mlp_weights"):
        methods.builder("geoclip", 8, torch.zeros(1, 8), **given, released="none")(at)
    with pytest.raises(ValueError, match="released weights of geoclip read frozen features"):
        methods.builder("geoclip", 8, torch.zeros(1, 8), **given | {"train_backbone": True}, released="none")


def test_a_location_tower_that_is_asked_for_leaves_the_image_head_as_it_is():
    given = dict(size=4, base=None, location_tower="capsules", train_backbone=False, cell_size_m=100.0)
    at = places([[0, 0]]).lat_lon_deg
    for name, image in (("clip", encoders.ImageHead), ("geoclip", geoclip.ImageMLP)):
        towers = methods.builder(name, 8, torch.zeros(1, 8), **given)(at)
        assert isinstance(towers.image, image)
        assert isinstance(towers.location, geoclip.CapsuleTower)
    assert isinstance(methods.builder("soft_contrastive", 8, torch.zeros(1, 8), **given)(at).image, encoders.ImageHead)


def test_the_best_trials_say_what_ended_at_an_end_of_what_was_tried():
    trials = pd.DataFrame(
        {"method": ["a"] * 3 + ["b"] * 3, "bandwidth_m": [1.0, 2, 3, 1, 2, 3], "strength": [np.nan] * 3 + [4.0, 5, 6],
         "split": "here", "validation_error_m": [9.0, 5, 8, 3, 4, 7]}
    )  # fmt: skip
    trials = pd.concat([trials, trials.assign(split="away", validation_error_m=[1.0, 2, 3, 7, 6, 5])])
    best = methods.best_trials(trials.reset_index(drop=True))
    assert best.index.tolist() == [("away", "a"), ("away", "b"), ("here", "b"), ("here", "a")]
    assert best.at_an_end.tolist() == ["bandwidth_m", "bandwidth_m, strength", "bandwidth_m, strength", ""]
    assert best.trials.tolist() == [3] * 4


def test_the_trials_at_hand_are_twelve_for_every_method_and_split():
    trials = pd.read_csv(TRIALS)
    splits = ("blocked", "other_drive", "unseen_city")
    each = {(name, split): 12 for name in methods.METHODS for split in splits}
    assert trials.groupby(["method", "split"]).size().to_dict() == each
    for name, row in methods.METHODS.items():
        own = trials[trials.method == name]
        for parameter, values in row.tuned.items():
            assert sorted(own[parameter].unique()) == sorted(values), (name, parameter)


def test_a_split_that_was_tried_without_a_method_is_refused():
    trials = pd.DataFrame(
        {"method": ["clip"], "split": ["blocked"], "learning_rate": [0.1], "validation_error_m": [1.0]}
    )
    assert methods.tuned("clip", "blocked", trials, {})["learning_rate"] == 0.1
    assert methods.tuned("own", "random", trials, {}) == methods.UNTUNED
    with pytest.raises(ValueError, match="trials of split blocked have none of own"):
        methods.tuned("own", "blocked", trials, {})


def test_what_a_queue_cannot_have_is_refused():
    with pytest.raises(ValueError, match="geoclip_precursor needs a guide"):
        methods.objective("geoclip_precursor", methods.Settings())
    with pytest.raises(ValueError, match="geoclip has no regularisers"):
        methods.objective("geoclip", methods.Settings(fairness_weight=1.0))


@pytest.mark.parametrize("parameter", methods.UNTUNED)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_does_not_fall_back_on_the_trials(parameter, value):
    with pytest.raises(ValueError, match=f"{parameter} {value} must be a finite number: a number below 0"):
        methods.tuned("sw_clip", "other_drive", pd.read_csv(TRIALS), {parameter: value})


@pytest.mark.parametrize("name", [
    "bandwidth_m", "cutoff_bandwidths", "prior_share", "strength", "neighbourhood_weight", "fairness_weight",
])  # fmt: skip
@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_settings_of_a_loss_that_are_no_numbers_or_too_small_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} {value} must be a finite number (of at least|above) 0"):
        methods.Settings(**{name: value})


@pytest.mark.parametrize("name", ["bandwidth_m", "range_share", "min_bandwidth_m"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_bandwidths_that_are_no_numbers_are_refused(name, value):
    given = dict(bandwidth_m=80.0, ranges_m={}, range_share=0.5, neighbour=3, min_bandwidth_m=0.0)
    with pytest.raises(ValueError, match=f"{name} {value} must be a finite number"):
        methods.bandwidths("fixed", **given | {name: value})


@pytest.mark.parametrize(("name", "value", "bound"), [
    ("temperature", np.nan, "above 0"), ("temperature", np.inf, "above 0"), ("temperature", 0.0, "above 0"),
    ("noise_m", np.nan, "of at least 0"), ("noise_m", np.inf, "of at least 0"), ("cell_size_m", np.nan, "above 0"),
    ("cell_size_m", np.inf, "above 0"), ("cell_size_m", 0.0, "above 0"), ("size", 0, "of at least 1"),
])  # fmt: skip
def test_towers_that_cannot_be_built_are_refused_with_the_bound(name, value, bound):
    given = dict(size=4, base=None, location_tower="fourier", train_backbone=False, cell_size_m=100.0)
    with pytest.raises(ValueError, match=f"{value} must be a (finite|whole) number {bound}"):
        methods.builder("cells", 8, torch.zeros(1, 12), **given | {name: value})


def test_capsules_of_no_size_are_refused():
    given = dict(size=4, base=None, location_tower="fourier", train_backbone=False, cell_size_m=100.0)
    for wrong in ({"sigmas": [np.nan]}, {"sigmas": [np.inf]}, {"frequencies": 0}, {"hidden": 0}, {"image_hidden": 0}):
        with pytest.raises(ValueError, match=r"must be a (finite|whole) number"):
            methods.builder("geoclip", 8, torch.zeros(1, 8), **given, capsules=wrong)(places([[0, 0]]).lat_lon_deg)
