"""The table of methods and the towers that they train."""

import pytest
import torch

from geonb import methods

SETTINGS = {"kernel": "gaussian", "bandwidth_m": 100.0, "cutoff_m": 300.0}


def test_an_unknown_method_is_refused_with_the_list():
    with pytest.raises(ValueError, match="no method 'clop': there are clip, sw_clip"):
        methods.get("clop")


def test_clip_knows_no_distance_and_sw_clip_does():
    distance_m = torch.tensor([[0.0, 50.0], [50.0, 0.0]])
    assert torch.equal(methods.weights_of("clip", **SETTINGS)(distance_m), torch.eye(2))
    assert methods.weights_of("sw_clip", **SETTINGS)(distance_m)[0, 1] > 0.5


def test_every_training_starts_from_the_same_weights_for_the_same_seed():
    build = methods.builder(8, torch.zeros(1, 12), size=4, base=None, location_tower="fourier", train_backbone=False)
    states = []
    for _ in range(2):
        torch.manual_seed(5)
        states.append(build().state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
