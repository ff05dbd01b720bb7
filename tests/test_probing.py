import numpy as np
import pytest

from geonb import probing

CITY = np.repeat(np.arange(6), 100)


def told(rng, strength=1.0):
    """(features, targets): the first target is told by the features as strongly as asked, the second not at all."""
    features = rng.normal(size=(600, 12))
    own_mean = np.random.default_rng(9).normal(0, 0.5, 6)[CITY]  # of each city: it counts for nothing
    first = strength * features[:, 0] + rng.normal(size=600) + own_mean
    return features, np.stack([first, rng.normal(size=600)], axis=1)


def test_what_features_hold_is_read_in_cities_that_were_held_out_and_what_they_lack_is_not():
    features, targets = told(np.random.default_rng(0), strength=2.0)
    predicted = probing.held_out(features, targets, CITY)
    table = probing.r2_table(targets, predicted, CITY, np.arange(600) // 20, ["first", "second"])
    assert table.columns.tolist() == list(probing.PROBES)
    first, second = table.r2
    assert first == pytest.approx(4 / 5, abs=0.08)  # variance told over variance
    assert -0.1 < second < 0.02
    assert (table.low < table.r2).all()
    assert (table.r2 < table.high).all()


def test_a_probe_never_sees_what_it_tells(monkeypatch):
    """Features that name the photo read nothing: an in-sample fit would read everything."""
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(600, 400)), rng.normal(size=(600, 1))
    predicted = probing.held_out(features, targets, CITY)
    table = probing.r2_table(targets, predicted, CITY, CITY, ["noise"])
    assert table.r2[0] < 0.02
    assert np.isnan(table.low[0])  # six cities give no interval


def test_the_mean_of_a_group_counts_for_nothing():
    values = np.random.default_rng(0).normal(size=(600, 2))
    shifted = values + np.arange(6)[CITY][:, None]
    np.testing.assert_allclose(probing.within(values, CITY), probing.within(shifted, CITY), atol=1e-12)
    assert np.abs(probing.within(shifted, CITY).reshape(6, 100, 2).mean(axis=1)).max() < 1e-12


def test_place_features_are_alike_near_by_and_not_in_another_city():
    at = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 0.0], [3000.0, 0.0]])
    z = probing.place_features(at, np.array(["a", "a", "b", "a"]), count=4000)
    similarity = z @ z.T
    assert similarity[0, 1] > 0.95
    assert abs(similarity[0, 2]) < 0.1
    assert abs(similarity[0, 3]) < 0.1


def test_two_groups_cannot_be_held_out():
    with pytest.raises(ValueError, match="at least 3 groups that can be held out, there are 2"):
        probing.held_out(np.zeros((4, 2)), np.zeros((4, 1)), np.array([0, 0, 1, 1]))
