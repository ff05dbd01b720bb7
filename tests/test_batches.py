"""Batches depend on seed and step alone."""

import numpy as np
import pytest

from geonb import batches


def test_an_epoch_meets_every_photo_at_most_once():
    drawn = np.concatenate([batches.random_batch(step, 103, 10, seed=0) for step in range(10)])
    assert len(np.unique(drawn)) == 100


def test_the_next_epoch_is_in_another_order():
    assert not np.array_equal(batches.random_batch(0, 100, 10, seed=0), batches.random_batch(10, 100, 10, seed=0))


def test_a_batch_is_the_same_whenever_it_is_asked_for():
    assert np.array_equal(batches.random_batch(37, 100, 10, seed=3), batches.random_batch(37, 100, 10, seed=3))
    assert not np.array_equal(batches.random_batch(37, 100, 10, seed=3), batches.random_batch(37, 100, 10, seed=4))


def test_fewer_photos_than_a_batch_are_refused_with_the_way_out():
    with pytest.raises(
        ValueError, match="batch_size 512 is larger than the 180 training photos: set batch_size to at most 180"
    ):
        batches.random_batch(0, 180, 512, seed=0)
