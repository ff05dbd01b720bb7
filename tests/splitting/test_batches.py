"""Batches depend on seed and step alone."""

import numpy as np
import pytest

from geonb.earth import sphere
from geonb.splitting import batches


def test_an_epoch_meets_every_photo_at_most_once_and_depends_on_step_and_seed_alone():
    drawn = [batches.random_batch(step, 103, 10, seed=0) for step in range(20)]
    assert len(np.unique(np.concatenate(drawn[:10]))) == 100
    assert not np.array_equal(drawn[0], drawn[10])
    assert np.array_equal(drawn[5], batches.random_batch(5, 103, 10, seed=0))
    assert not np.array_equal(drawn[5], batches.random_batch(5, 103, 10, seed=1))


@pytest.mark.parametrize(("call", "match"), [
    (lambda: batches.random_batch(0, 180, 512, seed=0), "batch_size 512 is larger than the 180 training photos: make"),
    (lambda: batches.random_batch(0, 10, 0, seed=0), "batch_size 0 must be a whole number of at least 1"),
    (lambda: batches.queued(lambda step: np.arange(4), 3, -1), "queue -1 must be a whole number of at least 0"),
])  # fmt: skip
def test_sizes_that_cannot_be_are_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def metres(count=60):
    return sphere.from_local_m(np.random.default_rng(0).uniform(0, 1000, (count, 2)), (50.0, 10.0))


def test_neighbours_meet_in_neighbourhood_batches():
    at = metres(400)
    mean_m = {}
    for neighbours in (0, 3):
        draw = batches.drawer(at, 40, neighbours=neighbours, seed=0)
        assert np.array_equal(draw(5), draw(5))
        distance_m = sphere.pair_distance_m(at[draw(5)])
        mean_m[neighbours] = np.sort(distance_m, axis=1)[:, 1].mean()
        assert len(np.unique(draw(5))) == 40
    assert mean_m[3] < 0.6 * mean_m[0]


def test_the_nearest_photos_are_those_of_a_slow_search_and_never_the_photo_itself():
    at = metres()
    distance_m = sphere.pair_distance_m(at)
    np.fill_diagonal(distance_m, np.inf)
    assert np.array_equal(batches.nearest_photos(at, 4), distance_m.argsort(axis=1)[:, :4])
    same = batches.nearest_photos(np.repeat(at[:1], 9, axis=0), 3)
    assert same.shape == (9, 3)
    with pytest.raises(ValueError, match="neighbours 60 must be a whole number of at least 1 and at most 59"):
        batches.nearest_photos(at, 60)
