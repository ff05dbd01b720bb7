import numpy as np
import pytest
import torch

from geonb import random_streams


def draws(*name):
    return random_streams.stream(*name).integers(0, 2**62, 4).tolist()


def test_a_stream_is_the_same_at_each_run_and_on_every_machine():
    assert draws(0, "splits", "random") == draws(0, "splits", "random")
    assert draws(0, "splits", "random")[:2] == [541493897128697251, 3464791354684775348]


def test_other_seeds_names_and_orders_give_other_streams():
    names = [(0, "a"), (1, "a"), (0, "b"), (0, "a", "b"), (0, "b", "a"), (0, "ab"), (0,), (0, "city", 1)]
    assert len({tuple(draws(*name)) for name in names}) == len(names)
    a, b = (random_streams.stream(0, name).normal(size=5_000) for name in ("images", "captions"))
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.05


def test_a_negative_seed_is_named():
    with pytest.raises(ValueError, match="seed -1 must be a whole number of at least 0"):
        random_streams.stream(-1, "splits")


def test_torch_repeats_itself_after_its_seed_and_not_for_another_name(monkeypatch):
    asked, drawn = [], []
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda wanted, warn_only: asked.append(wanted))
    for name in ("heads", "heads", "order"):
        random_streams.seed_torch(0, name)
        drawn.append(torch.rand(4).tolist())
    assert drawn[0] == drawn[1] != drawn[2]
    assert asked == [True] * 3
