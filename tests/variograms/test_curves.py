import numpy as np
import pandas as pd
import pytest
import skgstat
from hypothesis import given, settings
from hypothesis import strategies as st

from geonb import random_streams
from geonb.earth import sphere
from geonb.learning import negatives
from geonb.measuring import negative_detection
from geonb.variograms import curves, lags, models
from tests.variograms.drawn_fields import CENTRE, curve_table, planted, toy, unit

LAGS = dict(max_lag_m=800.0, lag_count=10)
CITY = np.full(60, "a", object)
NONE = models.flagged("exponential", "why")


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 99))
def test_the_order_of_photos_and_a_turn_of_all_features_change_nothing(seed):
    features, at = toy(seed=seed)
    rng = np.random.default_rng(seed)
    order, (turn, _) = rng.permutation(len(at)), np.linalg.qr(rng.normal(size=(5, 5)))
    whole = curves.semivariance_by_lag(features, at, **LAGS)
    turned = curves.semivariance_by_lag(features[order] @ turn, at[order], **LAGS)
    pd.testing.assert_frame_equal(whole, turned, rtol=1e-9)


@pytest.mark.parametrize("d", [1, 5])
def test_semivariance_is_the_sum_of_scikit_gstats_over_the_components(d):
    """Matheron's estimator sums squares: each component is a scalar field, with d = 1 of the values -1 and 1."""
    features, at = toy(d=d, n=50)
    edges = np.linspace(0, 800, 11)[1:]
    metres = lambda a, b: float(sphere.distance_m(a, b))  # noqa: E731
    theirs = [
        skgstat.Variogram(at, component, bin_func=list(edges), dist_func=metres, fit_method=None)
        for component in features.T
    ]
    ours = curves.semivariance_by_lag(features, at, **LAGS).iloc[1:]  # the first lag is that of co-located photos
    np.testing.assert_allclose(ours.semivariance, np.sum([v.experimental for v in theirs], axis=0), rtol=1e-10)
    np.testing.assert_array_equal(ours.pairs, theirs[0].bin_count)


def test_three_photos_worked_by_hand_and_an_empty_lag_keeps_its_row():
    at = sphere.from_local_m([[0, 0], [30, 0], [0, 39]], CENTRE)
    features = np.array([[1.0, 0], [0.0, 1], [-1.0, 0]])
    table = curves.semivariance_by_lag(features, at, max_lag_m=80.0, lag_count=4)
    assert table.pairs.tolist() == [0, 0, 2, 1, 0]
    np.testing.assert_allclose(table.distance_m[2:4], [34.5, np.hypot(30, 39)], rtol=1e-6)
    np.testing.assert_allclose(table.semivariance[2:], [1.5, 1.0, np.nan])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("features", "at", "pairs", "flag"), [
    (toy(n=2)[0], toy(n=2)[1], 1, "only 1 lags hold pairs, 4 are needed"),
    (toy()[0], np.tile(CENTRE, (60, 1)), 60 * 59 // 2, "only 0 lags hold pairs, 4 are needed"),  # all at one place
    (np.full((60, 3), 1 / np.sqrt(3), np.float32), toy()[1], 60 * 59 // 2, "no rise with distance"),  # all alike
], ids=["two", "one place", "alike"])  # fmt: skip
def test_photos_that_are_too_few_or_show_nothing_have_pairs_and_no_fit(features, at, pairs, flag):
    table = curves.semivariance_by_lag(features, at, max_lag_m=2_000.0, lag_count=10)
    assert table.pairs.sum() == pairs
    assert models.fit(table)["flag"] == flag


def test_a_sample_of_pairs_estimates_the_curve_of_all_and_its_error_is_the_spread_of_samples():
    features, at = planted(600.0, n=500)

    def curve(max_pairs, seed=0):
        pairs = lags.pairs(at, lags.edges_m(1_500.0, 3), max_pairs=max_pairs, seed=seed)
        return curves.lag_table(pairs, curves.half_squares(features, pairs))[1:]

    whole, drawn = curve(10**9), [curve(4_000, seed) for seed in range(40)]
    assert (whole.sampling_error == 0).all()
    values = [table.semivariance for table in drawn]
    np.testing.assert_allclose(np.mean(values, axis=0), whole.semivariance, rtol=0.02)
    errors = np.mean([table.sampling_error for table in drawn], axis=0)
    np.testing.assert_allclose(errors, np.std(values, axis=0), rtol=0.4)


@pytest.mark.filterwarnings("error")
def test_each_city_has_its_own_curve_and_a_single_photo_none():
    features, at = toy(n=61)
    city = np.array(["a"] * 40 + ["b"] * 20 + ["c"], object)
    found = curves.by_city(features, at, city, **LAGS)
    assert list(found.city.unique()) == ["a", "b"]
    alone = curves.semivariance_by_lag(features[:40], at[:40], **LAGS)
    pd.testing.assert_frame_equal(found[found.city == "a"].drop(columns="city"), alone)
    none = curves.by_city(features[:2], at[:2], np.array([*"ab"], object), **LAGS)
    assert (list(none.columns), len(none)) == ([*curves.LAGS, "city"], 0)
    assert curves.pooled(none).empty


def test_pooled_curves_weigh_cities_by_their_pairs_and_drop_empty_lags():
    one = curve_table("exponential", 300.0, 0.5, 0.1, lag_count=2).assign(semivariance=[1.0, 2.0], pairs=[1, 0])
    table = curves.pooled(pd.concat([one, one.assign(semivariance=[4.0, np.nan], pairs=[3, 0])]))
    assert table.semivariance.tolist() == [3.25]
    assert table.pairs.tolist() == [4]


def test_along_a_street_the_pairs_of_its_bearing_are_all_and_those_across_none():
    at = sphere.from_local_m([[0.0, 0], [0, 50], [0, 100]], CENTRE)
    table = curves.by_bearing(np.eye(3), at, np.array([*"aaa"]), edges_m=np.array([0.0, 200.0]))
    assert table.set_index("bearing_deg").pairs.to_dict() == {0.0: 3}
    assert list(table.columns) == list(curves.BEARINGS)
    alone = curves.by_bearing(np.eye(3), at, np.array([*"abc"]), edges_m=np.array([0.0, 200.0]))
    assert list(alone.columns) == list(curves.BEARINGS)
    assert alone.pivot_table(index="bearing_deg", columns="lag_to_m", values="semivariance").empty


def test_photos_of_one_place_are_compared_by_the_days_between_them():
    at = np.tile(CENTRE, (4, 1))
    days = pd.to_datetime(["2024-01-01", "2024-01-03", "2024-06-01", None], utc=True)
    features = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    table = curves.by_time_gap(features, at, days, within_m=10.0, edges_days=[0, 10, 300, 900])
    assert table.pairs.tolist() == [1, 2, 0]
    np.testing.assert_allclose(table.semivariance, [1.0, 1.5, np.nan])
    unknown = curves.by_time_gap(features, at, np.array([pd.NaT] * 4), within_m=10.0, edges_days=[0, 10])
    assert (list(unknown.columns), len(unknown)) == (list(curves.DAYS), 0)


@pytest.mark.filterwarnings("error")
def test_the_level_between_cities_equals_the_mean_over_all_pairs_of_different_cities():
    rng = np.random.default_rng(0)
    vectors, city = unit(rng, 40, 6), rng.choice([*"abc"], 40)
    cosine = 1 - vectors @ vectors.T
    different = city[:, None] != city[None]
    assert curves.between_cities(vectors, city) == pytest.approx(cosine[different].mean(), rel=1e-12)
    alone = cosine[np.triu_indices(40, 1)].mean()
    assert curves.between_cities(vectors, np.full(40, "a")) == pytest.approx(alone, rel=1e-12)
    assert np.isnan(curves.between_cities(np.ones((1, 1)), np.array(["a"])))


def test_the_block_bootstrap_weighs_pairs_as_copies_of_blocks_that_never_meet_themselves():
    """Slow twin: write out each photo of a block drawn w times w times, and leave out its pairs with its own copies."""
    features, at = toy(n=24)
    edges_m, blocks = np.array([0.0, 300.0, 900.0]), np.arange(24) % 4
    pairs = lags.pairs(at, edges_m)
    ours = curves.block_bootstrap(pairs, curves.half_squares(features, pairs), blocks, replicates=10, seed=5)
    rng = random_streams.stream(5, "semivariogram bootstrap")
    for found in ours:
        sums, counts = np.zeros(3), np.zeros(3)
        w = np.bincount(rng.integers(0, 4, 4), minlength=4)
        copies = [(photo, copy) for photo in range(24) for copy in range(w[blocks[photo]])]
        for a, (i, which) in enumerate(copies):
            for j, other in copies[:a]:
                if i == j or (blocks[i] == blocks[j] and which != other):
                    continue  # pairs within a block drawn w times weigh w, not w w
                lag = int(np.searchsorted(edges_m, sphere.distance_m(at[i], at[j])))
                if lag < 3:
                    sums[lag] += ((features[i] - features[j]) ** 2).sum() / 2
                    counts[lag] += 1
        with np.errstate(invalid="ignore"):
            np.testing.assert_allclose(found, sums / counts, rtol=1e-9)


def test_the_envelope_holds_what_has_no_place_and_not_what_has_one():
    rng, outside = np.random.default_rng(0), 0
    for seed in range(30):
        features, at = toy(n=80, seed=seed)
        pairs = lags.pairs(at, lags.edges_m(800.0, 6))
        observed, low, high = curves.envelope(features[rng.permutation(80)], pairs, permutations=99, seed=seed)
        outside += ((observed < low) | (observed > high))[1:].any()
        assert np.isnan([observed[0], low[0], high[0]]).all()
    assert outside <= 5  # of 30 at a level of 5 %: more than five come once in two hundred times
    observed, low, high = curves.envelope(features, pairs, permutations=99)
    assert observed[1] < low[1]
    assert observed[6] > high[6]


def test_the_interval_of_a_range_holds_it_and_a_flagged_fit_has_none():
    features, at = planted(600.0, n=250, side_m=3_000.0)
    pairs = lags.pairs(at, lags.edges_m(1_500.0, 12))
    fitted = models.fit(curves.lag_table(pairs, curves.half_squares(features, pairs)))
    low, high = curves.range_interval(fitted, pairs, replicates=40)
    assert low < fitted["effective_range_m"] < high
    assert (low, high) == curves.range_interval(fitted, pairs, replicates=40)
    many = curves.range_interval(fitted, pairs, dimensions=30.0, replicates=40)
    assert many[1] - many[0] < high - low  # thirty fields of one range tell more than one
    assert np.isnan(curves.range_interval(NONE, pairs, replicates=40)).all()
    thousandth = models.fit(curves.lag_table(pairs, curves.half_squares(1e-3 * features, pairs)))
    scaled = [curves.range_interval(fit, pairs, replicates=10) for fit in (fitted, thousandth)]
    np.testing.assert_allclose(*scaled, rtol=1e-3)  # the scale of features says nothing


def test_a_smooth_curve_without_a_nugget_has_an_interval_too():
    at = np.random.default_rng(0).uniform(0, 1_000, (300, 2))
    pairs = lags.pairs(at, lags.edges_m(800.0, 12), planar=True)
    fitted = models.fit(curve_table("gaussian", 500.0, 1.0, 0.0), model="gaussian")
    low, high = curves.range_interval(fitted, pairs, replicates=20)
    assert low < high


def test_equal_independent_components_have_as_many_effective_dimensions():
    rng = np.random.default_rng(0)
    assert curves.effective_dimensions(rng.normal(size=(5_000, 6))) == pytest.approx(6, rel=0.01)
    assert curves.effective_dimensions(rng.normal(size=(5_000, 1)) * np.ones(4)) == pytest.approx(1)
    assert curves.effective_dimensions(np.ones((5, 3))) == 1


@pytest.mark.parametrize("count", [40, 80])
@pytest.mark.parametrize("door", [
    lambda *photos: curves.semivariance_by_lag(*photos, **LAGS),
    lambda *photos: curves.by_time_gap(*photos, np.full(60, "2024-01-01"), within_m=500.0, edges_days=[0, 30]),
    lambda *photos: curves.by_city(*photos, CITY, **LAGS),
    lambda *photos: negatives.guide(*photos, CITY, NONE, **LAGS),
    lambda *photos: negative_detection.pairs_of(*photos, 400.0, pairs_at_most=200),
])  # fmt: skip
def test_features_and_positions_of_different_length_are_refused_with_both_lengths(door, count):
    """Compiled code reads what lies beyond an array, or leaves out what is too much: plausible numbers."""
    features, at = toy(n=80)
    with pytest.raises(ValueError, match=rf"there are {count} features, 60 "):
        door(features[:count], at[:60])


def test_missing_features_are_counted():
    features, at = toy()
    features[3, 1], features[9, 0] = np.inf, np.nan
    with pytest.raises(ValueError, match="2 of 60 photos have no feature vector: leave them out first"):
        curves.semivariance_by_lag(features, at, **LAGS)
