import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geonb import random_streams


@pytest.fixture
def _torch_as_before():
    before = torch.are_deterministic_algorithms_enabled()
    yield
    torch.use_deterministic_algorithms(before)


def draws(*name):
    return random_streams.stream(*name).integers(0, 2**62, 4).tolist()


def test_a_stream_is_the_same_at_each_run_and_on_every_machine():
    assert draws(0, "splits", "random") == draws(0, "splits", "random")
    assert draws(0, "splits", "random")[:2] == [541493897128697251, 3464791354684775348]


def test_other_seeds_names_and_orders_give_other_streams():
    names = [
        (0, "a"),
        (1, "a"),
        (0, "b"),
        (0, "a", "b"),
        (0, "b", "a"),
        (0, "ab"),
        (0,),
        (0, "city", 1),
        (0, "city", 2),
    ]
    assert len({tuple(draws(*name)) for name in names}) == len(names)


def test_streams_of_two_names_are_uncorrelated():
    a, b = (random_streams.stream(0, name).normal(size=5_000) for name in ("images", "captions"))
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.05


def test_a_negative_seed_is_named():
    with pytest.raises(ValueError, match="seed -1 must be a whole number of at least 0"):
        random_streams.stream(-1, "splits")


@pytest.mark.usefixtures("_torch_as_before")
def test_torch_repeats_itself_after_its_seed_and_not_for_another_name():
    drawn = []
    for name in ("heads", "heads", "order"):
        random_streams.seed_torch(0, name)
        drawn.append(torch.rand(4).tolist())
    assert drawn[0] == drawn[1] != drawn[2]
    assert torch.are_deterministic_algorithms_enabled()


@given(st.integers(2, 60), st.integers(1, 2_000), st.integers(0, 9))
def test_drawn_pairs_are_distinct_ordered_and_as_many_as_asked(n, most, seed):
    i, j = random_streams.pairs(n, most, seed)
    assert len(i) == min(most, n * (n - 1) // 2)
    assert np.all((i >= 0) & (i < j) & (j < n))
    assert len(set(zip(i.tolist(), j.tolist(), strict=True))) == len(i)


def test_every_photo_is_drawn_about_equally_often_the_last_ones_too():
    i, j = random_streams.pairs(200, 6_000, 0)
    counts = np.bincount(np.concatenate([i, j]), minlength=200)
    assert counts.mean() == 60
    assert counts.min() > 35
    assert abs(counts[:100].mean() - counts[100:].mean()) < 3


def test_the_same_seed_draws_the_same_pairs_and_another_others():
    np.testing.assert_array_equal(random_streams.pairs(100, 50, 1), random_streams.pairs(100, 50, 1))
    assert not np.array_equal(random_streams.pairs(100, 50, 1), random_streams.pairs(100, 50, 2))
