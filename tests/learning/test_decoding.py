"""From similarities to positions."""

import numpy as np
import pytest

from geonb.earth import sphere
from geonb.learning import decoding

CENTRE = (51.0, 10.0)


def at(metres):
    return sphere.from_local_m(np.asarray(metres, float), CENTRE)


def test_a_posterior_sums_to_one_and_is_sharper_at_a_larger_scale():
    similarity = np.random.default_rng(0).uniform(-1, 1, (5, 40))
    flat, sharp = (decoding.posterior(similarity, scale) for scale in (1.0, 50.0))
    np.testing.assert_allclose(flat.sum(axis=1), 1)
    assert (sharp.max(axis=1) > flat.max(axis=1)).all()
    assert (sharp.argmax(axis=1) == similarity.argmax(axis=1)).all()


def test_weights_of_smoothing_are_those_of_the_kernel_and_end_at_three_bandwidths():
    places = at([[0, 0], [30, 0], [100, 0], [400, 0]])
    weights = decoding.smoother(places.tobytes(), 50.0).toarray()
    distance_m = sphere.pair_distance_m(places)
    expected = np.exp(-(distance_m**2) / (2 * 50**2)) * (distance_m <= 150)
    np.testing.assert_allclose(weights, expected, atol=1e-4)


def test_fair_places_together_beat_a_lonely_good_one_and_without_reach_the_best_wins():
    places = at([[0, 0], [20, 0], [40, 0], [5000, 0]])
    probability = np.array([[0.2, 0.22, 0.2, 0.38]])
    assert decoding.best_neighbourhood(probability, places, 30.0) == [1]
    assert decoding.best_neighbourhood(probability, places, 1.0) == [3]


def test_the_geometric_median_stays_with_the_majority_and_minimises_the_sum_of_distances(monkeypatch):
    monkeypatch.setattr(decoding, "STEPS", 500)
    places = at([[0, 0], [100, 0], [0, 100], [80_000, 0], [90_000, 0]])
    similarity = np.array([[0.5, 0.5, 0.5, 0.5, 0.1]])
    found = decoding.geometric_median(similarity, 10.0, places, 4)
    metres = sphere.to_local_m(found, CENTRE)[0]
    assert np.linalg.norm(metres) < 120  # the mean would lie 20 km away

    def total(position):
        return np.linalg.norm(np.array([[0, 0], [100, 0], [0, 100], [80_000, 0]]) - position, axis=1).sum()

    around = [total(metres + 3 * np.array(step)) for step in ((1, 0), (-1, 0), (0, 1), (0, -1))]
    assert total(metres) <= min(around) + 0.01
    assert sphere.distance_m(decoding.geometric_median(similarity[:, 3:], 10.0, places[3:], 1), places[3]).item() < 0.01


@pytest.mark.parametrize("similarity", [np.full((3, 4), -np.inf), np.full((3, 4), np.nan), np.zeros((3, 0))], ids=str)
def test_a_photo_that_no_place_is_left_to_is_refused_instead_of_standing_at_the_first_one(similarity):
    """As where the city of a photo is given, and the gallery has no place in it."""
    with pytest.raises(ValueError, match="3 of 3 photos have no place to choose among"):
        decoding.posterior(similarity, 5.0)
    with pytest.raises(ValueError, match="3 of 3 photos have no place to choose among"):
        decoding.read_off(decoding.BEST, 0, similarity, 5.0, None)
    known = decoding.posterior(np.array([[0.5, -np.inf, 0.2]]), 5.0)
    assert known[0, 1] < 1e-30


def test_with_the_city_given_only_its_own_places_compete():
    query, gallery = np.eye(2, dtype=np.float32), np.array([[1, 0], [0.5, 0.1], [0, 1]], dtype=np.float32)
    cities = np.array(["B", "B"]), np.array(["A", "B", "B"])
    np.testing.assert_array_equal(decoding.most_similar(query, gallery, cities=cities)[0], [1, 2])
    np.testing.assert_array_equal(decoding.most_similar(query, gallery)[0], [0, 2])
    with pytest.raises(ValueError, match="no place in C"):
        decoding.most_similar(query, gallery, cities=(np.array(["C", "C"]), cities[1]))
