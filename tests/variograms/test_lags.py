import numpy as np
import pytest

from geonb.earth import sphere
from geonb.variograms import lags

CENTRE = np.array([50.7374, 7.0982])
EDGES_M = lags.edges_m(400.0, 8)


def scattered(n, side_m=2_000.0, seed=0):
    """Positions (n, 2) in metres."""
    return np.random.default_rng(seed).uniform(-side_m / 2, side_m / 2, (n, 2))


@pytest.mark.parametrize(("max_lag_m", "count", "match"), [
    (0.0, 5, "max_lag_m 0.0 must be a finite number above 0"),
    (10.0, 0, "lag_count 0 must be a whole number of at least 1"),
    (10.0, 100_000, "lag_count 100000 must be .* at most 1000: more lags hold too few pairs"),
])  # fmt: skip
def test_lags_that_are_none_are_refused(max_lag_m, count, match):
    with pytest.raises(ValueError, match=match):
        lags.edges_m(max_lag_m, count)


def test_every_pair_comes_once_in_the_right_closed_lag_that_holds_its_distance():
    at = scattered(120)
    found = lags.pairs(at, EDGES_M, planar=True)
    i, j = np.triu_indices(120, 1)
    apart = np.linalg.norm(at[i] - at[j], axis=1)
    assert len(found.i) == (apart <= 400).sum()
    assert (found.i < found.j).all()
    assert len(set(zip(found.i.tolist(), found.j.tolist(), strict=True))) == len(found.i)
    assert ((found.distance_m > EDGES_M[found.lag - 1]) & (found.distance_m <= EDGES_M[found.lag])).all()
    np.testing.assert_array_equal(found.share, 1)


def test_a_pair_on_an_edge_belongs_to_the_nearer_lag_and_co_located_photos_to_their_own():
    at = np.array([[0.0, 0], [0, 0], [50, 0], [100, 0]])
    found = lags.pairs(at, lags.edges_m(100.0, 2), planar=True)
    pairs = dict(zip(zip(found.i.tolist(), found.j.tolist(), strict=True), found.lag.tolist(), strict=True))
    assert pairs == {(0, 1): 0, (0, 2): 1, (1, 2): 1, (2, 3): 1, (0, 3): 2, (1, 3): 2}


def test_on_the_sphere_distances_are_great_circles_across_date_line_and_pole():
    at = np.array([[0.0, 179.9999], [0.0, -179.9999], [89.9999, 0.0], [89.9999, 180.0]])
    found = lags.pairs(at, np.array([0.0, 30.0]))
    assert list(zip(found.i.tolist(), found.j.tolist(), strict=True)) == [(0, 1), (2, 3)]
    np.testing.assert_allclose(found.distance_m, 22.239, rtol=1e-4)
    antipodes = lags.pairs(np.array([[0.0, 0], [0.0, 180.0]]), np.array([0.0, 3e7]))
    np.testing.assert_allclose(antipodes.distance_m, np.pi * sphere.EARTH_RADIUS_M, rtol=1e-9)


@pytest.mark.parametrize(("position", "match"), [
    ([[0.0, 0]], "at least 2 photos, there are 1"), ([[0.0, 0], [np.nan, 0]], "latitude nan of row 1"),
])  # fmt: skip
def test_what_has_no_pairs_is_refused(position, match):
    with pytest.raises(ValueError, match=match):
        lags.pairs(position, EDGES_M)


@pytest.mark.parametrize("planar", [True, False])
@pytest.mark.parametrize("enumerated", [8_000, 100])
def test_a_sample_has_as_many_pairs_in_every_lag_and_the_share_of_all_and_follows_the_seed(
    monkeypatch, enumerated, planar
):
    monkeypatch.setattr(lags, "ENUMERATED", enumerated)
    metres = scattered(1_500)
    at = metres if planar else sphere.from_local_m(metres, CENTRE)
    every = np.bincount(lags.pairs(at, EDGES_M, planar=planar, max_pairs=10**9).lag, minlength=9)
    found, again, other = (lags.pairs(at, EDGES_M, planar=planar, max_pairs=18_000, seed=s) for s in (0, 0, 1))
    counts, apart = np.bincount(found.lag, minlength=9), np.linalg.norm(metres[found.i] - metres[found.j], axis=1)
    assert (np.abs(counts - np.minimum(2_000, every)) < 200).all()
    np.testing.assert_allclose(counts[1:] / found.share[1:], every[1:], rtol=0.15)
    np.testing.assert_allclose(found.distance_m, apart, rtol=1e-6, atol=1e-6)
    assert ((apart > EDGES_M[found.lag - 1] - 1e-6) & (apart <= EDGES_M[found.lag] + 1e-6)).all()
    np.testing.assert_array_equal(found.i, again.i)
    assert len(found.i) != len(other.i) or (found.i != other.i).any()


@pytest.mark.parametrize("enumerated", [8_000, 100])
def test_near_lags_that_random_pairs_miss_are_found_and_every_pair_is_equally_likely(monkeypatch, enumerated):
    """Where all pairs can be looked at, and where they are too many: then by a tree."""
    monkeypatch.setattr(lags, "ENUMERATED", enumerated)
    monkeypatch.setattr(lags, "PROBED", 40_000)
    rng = np.random.default_rng(0)
    towns = rng.uniform(0, 1e6, (40, 2))
    at = np.concatenate([town + rng.normal(0, 200.0, (50, 2)) for town in towns])
    edges = np.array([0.0, 20.0, 100.0])
    every = lags.pairs(at, edges, planar=True, max_pairs=10**9)
    drawn = np.zeros((2_000, 2_000))
    for seed in range(40):
        found = lags.pairs(at, edges, planar=True, max_pairs=3_000, seed=seed)
        np.add.at(drawn, (np.minimum(found.i, found.j), np.maximum(found.i, found.j)), 1)
    assert drawn.sum() == drawn[every.i, every.j].sum()  # no other pair was drawn
    far = every.lag == 2
    assert drawn[every.i[~far], every.j[~far]].min() == 40  # few pairs: all of them, every time
    assert (drawn[every.i[far], every.j[far]] == 0).mean() < 0.25
    half = far & (every.i < 1_000)
    assert drawn[every.i[half], every.j[half]].mean() == pytest.approx(
        drawn[every.i[far], every.j[far]].mean(), rel=0.1
    )


def test_a_city_of_one_place_has_co_located_pairs_alone():
    found = lags.pairs(np.tile(CENTRE, (3_000, 1)), EDGES_M, max_pairs=10_000)
    assert set(found.lag) == {0}
    assert 900 < len(found.i) < 1_300  # a ninth of the pairs that may be looked at
