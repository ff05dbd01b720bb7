import os
from pathlib import Path

import gstools
import numpy as np
import pandas as pd
import pytest
import skgstat
from hypothesis import given, settings
from hypothesis import strategies as st

from geonb.earth import sphere
from geonb.learning import negatives
from geonb.measuring import coherence, detection
from geonb.variograms import curves as sv
from geonb.variograms import lags as apart
from geonb.variograms import models as vm

CENTRE = np.array([50.7374, 7.0982])
LAGS = dict(max_lag_m=800.0, lag_count=10)


def unit(rng, *shape):
    vectors = rng.normal(size=shape)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def toy(n=60, d=5, seed=0):
    """(features, lat_lon_deg) of photos within a kilometre that neighbours resemble."""
    rng = np.random.default_rng(seed)
    metres = rng.uniform(-500, 500, (n, 2))
    features = unit(rng, n, d) + np.stack([metres[:, 0] / 250, *[np.zeros(n)] * (d - 1)], axis=1)
    return features / np.linalg.norm(features, axis=1, keepdims=True), sphere.from_local_m(metres, CENTRE)


def planted(range_m, nugget=0.0, n=900, seed=0, side_m=4_000.0):
    """Unit vectors on the circle whose angle is an exponential field of standard deviation 0.3, and their positions."""
    rng = np.random.default_rng(seed)
    metres = rng.uniform(-side_m / 2, side_m / 2, (n, 2))
    model = gstools.Exponential(dim=2, var=0.09, len_scale=range_m / 3)
    angle = gstools.SRF(model, mode_no=1_000, seed=seed)(metres.T) + rng.normal(0, np.sqrt(nugget), n)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1), sphere.from_local_m(metres, CENTRE)


# ---- the empirical curve ---------------------------------------------------------------------------------------------
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 99))
def test_the_order_of_photos_and_a_turn_of_all_features_change_nothing(seed):
    features, at = toy(seed=seed)
    rng = np.random.default_rng(seed)
    order, (turn, _) = rng.permutation(len(at)), np.linalg.qr(rng.normal(size=(5, 5)))
    whole = sv.semivariance_by_lag(features, at, **LAGS)
    pd.testing.assert_frame_equal(whole, sv.semivariance_by_lag(features[order] @ turn, at[order], **LAGS), rtol=1e-9)


def test_semivariance_equals_a_slow_double_loop():
    features, at = toy()
    table = sv.semivariance_by_lag(features, at, **LAGS)
    sums, distances, counts = np.zeros(10), np.zeros(10), np.zeros(10, int)
    for i in range(len(at)):
        for j in range(i + 1, len(at)):
            distance = sphere.distance_m(at[i], at[j])
            for lag in range(10):
                if 80 * lag < distance <= 80 * (lag + 1):
                    sums[lag] += ((features[i] - features[j]) ** 2).sum() / 2
                    distances[lag] += distance
                    counts[lag] += 1
    table = table.iloc[1:]  # the first lag is that of co-located photos
    np.testing.assert_array_equal(table.pairs, counts)
    np.testing.assert_allclose(table.semivariance, sums / counts, rtol=1e-10)
    np.testing.assert_allclose(table.distance_m, distances / counts, rtol=1e-10)
    assert (table.lag_from_m.tolist(), table.lag_to_m.tolist()) == ([*range(0, 800, 80)], [*range(80, 801, 80)])


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
    ours = sv.semivariance_by_lag(features, at, **LAGS).iloc[1:]
    np.testing.assert_allclose(ours.semivariance, np.sum([v.experimental for v in theirs], axis=0), rtol=1e-10)
    np.testing.assert_array_equal(ours.pairs, theirs[0].bin_count)


def test_for_unit_vectors_it_is_the_mean_cosine_distance():
    features, at = toy()
    table = sv.semivariance_by_lag(features, at, max_lag_m=1e6, lag_count=1)
    i, j = np.triu_indices(len(at), 1)
    assert table.semivariance[1] == pytest.approx(1 - (features[i] * features[j]).sum(axis=1).mean(), rel=1e-12)
    assert table.pairs[1] == len(i)


def test_three_photos_worked_by_hand():
    at = sphere.from_local_m([[0, 0], [30, 0], [0, 39]], CENTRE)
    features = np.array([[1.0, 0], [0.0, 1], [-1.0, 0]])
    table = sv.semivariance_by_lag(features, at, max_lag_m=60.0, lag_count=3)
    assert table.pairs.tolist() == [0, 0, 2, 1]
    np.testing.assert_allclose(table.distance_m[2:], [34.5, np.hypot(30, 39)], rtol=1e-6)
    np.testing.assert_allclose(table.semivariance[2:], [1.5, 1.0])


def test_an_empty_lag_keeps_its_row():
    features, at = toy()
    table = sv.semivariance_by_lag(features, at, max_lag_m=10_000.0, lag_count=20)
    assert len(table) == 21
    assert table.pairs.iloc[-1] == 0
    assert table.semivariance.iloc[-1:].isna().all()


def test_pairs_beyond_the_largest_lag_are_left_out():
    features, at = toy()
    assert (
        sv.semivariance_by_lag(features, at, max_lag_m=200.0, lag_count=4).pairs.sum()
        == (sphere.pair_distance_m(at)[np.triu_indices(60, 1)] <= 200).sum()
    )


def test_two_photos_have_one_pair_and_no_fit():
    features, at = toy(n=2)
    table = sv.semivariance_by_lag(features, at, max_lag_m=2_000.0, lag_count=5)
    assert table.pairs.sum() == 1
    assert vm.fit(table)["flag"] == "only 1 lags hold pairs, 4 are needed"


def test_photos_at_one_point_have_a_lag_of_their_own_and_no_fit():
    features, _ = toy()
    table = sv.semivariance_by_lag(features, np.tile(CENTRE, (60, 1)), **LAGS)
    assert table.pairs.tolist() == [60 * 59 // 2, *[0] * 10]
    assert vm.fit(table)["flag"] == "only 0 lags hold pairs, 4 are needed"


def test_one_photo_has_no_semivariogram():
    features, at = toy(n=1)
    with pytest.raises(ValueError, match="at least 2 photos, there are 1"):
        sv.semivariance_by_lag(features, at, **LAGS)


@pytest.mark.parametrize(("max_lag_m", "lag_count", "match"), [
    (0.0, 5, "max_lag_m 0.0 must be a finite number above 0"),
    (-1.0, 5, "max_lag_m -1.0 must be a finite number above 0"),
    (100.0, 0, "lag_count 0 must be a whole number of at least 1"),
])  # fmt: skip
def test_lags_that_are_none_are_refused(max_lag_m, lag_count, match):
    with pytest.raises(ValueError, match=match):
        sv.semivariance_by_lag(*toy(), max_lag_m=max_lag_m, lag_count=lag_count)


# ---- drawn pairs -----------------------------------------------------------------------------------------------------
def test_a_sample_of_pairs_estimates_the_curve_of_all():
    features, at = planted(600.0, n=500)
    whole = sv.semivariance_by_lag(features, at, max_lag_m=1_500.0, lag_count=5)
    drawn = sv.semivariance_by_lag(features, at, max_lag_m=1_500.0, lag_count=5, max_pairs=40_000)
    np.testing.assert_allclose(drawn.semivariance, whole.semivariance, rtol=0.1)


# ---- fits ------------------------------------------------------------------------------------------------------------
def curve_table(model, range_m, partial_sill, nugget, max_lag_m=1_000.0, lag_count=25):
    h = (np.arange(lag_count) + 0.5) * max_lag_m / lag_count
    gamma = vm.semivariance(model, h, nugget, [range_m, partial_sill])
    return pd.DataFrame({
        "lag_from_m": h - 20, "lag_to_m": h + 20, "distance_m": h, "semivariance": gamma,
        "pairs": np.arange(1, lag_count + 1),
    })  # fmt: skip


@pytest.mark.parametrize("model", vm.BASIC[:3])
@pytest.mark.parametrize("truth", [(300.0, 0.4, 0.1), (700.0, 0.05, 0.6), (500.0, 0.5, 0.0)])
def test_a_fit_to_a_curve_without_noise_finds_what_made_it(model, truth):
    fitted = vm.fit(curve_table(model, *truth), model=model)
    found = [fitted[name] for name in ("effective_range_m", "partial_sill", "nugget")]
    assert fitted["flag"] == ""
    truth = (vm.effective_range_m(model, [truth[0], truth[1]]), *truth[1:])
    np.testing.assert_allclose(found, truth, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("model", "theta", "share"),
    [  # of the parameter that scikit-gstat calls the effective range: worked by hand from each formula
        ("exponential", [300.0, 1.0], np.log(20) / 3),
        ("gaussian", [300.0, 1.0], np.sqrt(np.log(20)) / 2),
        ("spherical", [300.0, 1.0], 0.8114),
        ("stable", [300.0, 1.0, 1.0], np.log(20) / 3),
        ("matern", [300.0, 1.0, 0.5], np.log(20) / (2 * np.sqrt(2))),
        ("exponential+exponential", [300.0, 0.5, 300.0, 0.5], np.log(20) / 3),
    ],
)
def test_the_effective_range_is_where_95_percent_of_the_partial_sill_are_reached(model, theta, share):
    range_m = vm.effective_range_m(model, theta)
    assert range_m == pytest.approx(300 * share, rel=1e-4)
    assert vm.semivariance(model, np.array([range_m]), 0.0, theta)[0] == pytest.approx(0.95, rel=1e-6)


@pytest.mark.parametrize("range_m", [300.0, 600.0])
def test_a_planted_exponential_range_is_recovered_from_unit_vectors(range_m):
    """cos of a Gaussian difference: gamma = 1 - exp(-field's gamma), all but the field's own for a deviation of 0.3."""
    found = []
    for seed in range(4):
        features, at = planted(range_m, seed=seed, nugget=0.01)
        fitted = vm.fit(sv.semivariance_by_lag(features, at, max_lag_m=4 * range_m, lag_count=16))
        assert fitted["flag"] == ""
        found.append([fitted["effective_range_m"], fitted["nugget"], fitted["partial_sill"]])
    assert np.median(found, axis=0)[0] == pytest.approx(range_m, rel=0.25)
    assert np.median(found, axis=0)[1] == pytest.approx(0.01, abs=0.012)
    assert np.median(found, axis=0)[2] == pytest.approx(0.086, rel=0.25)


def test_a_curve_that_still_rises_at_the_largest_lag_has_no_range():
    fitted = vm.fit(curve_table("exponential", 5_000.0, 1.0, 0.1))
    assert fitted["flag"] == "no sill within the largest lag"
    assert np.isnan(fitted["effective_range_m"])


def test_photos_that_resemble_nobody_have_no_rise():
    features, at = unit(np.random.default_rng(0), 300, 16), toy(n=300)[1]
    table = sv.semivariance_by_lag(features, at, **LAGS).assign(semivariance=0.7)
    assert vm.fit(table)["flag"] == "no rise with distance"


@pytest.mark.filterwarnings("error")
def test_photos_that_are_all_alike_have_no_rise():
    _, at = toy()
    for vector in (np.ones(8, np.float32) / np.sqrt(np.float32(8)), np.full(3, 1 / np.sqrt(3), np.float32)):
        table = sv.semivariance_by_lag(np.tile(vector, (60, 1)), at, **LAGS)
        assert vm.fit(table)["flag"] == "no rise with distance"


def test_a_jump_within_the_first_lag_is_not_given_as_a_range():
    fitted = vm.fit(curve_table("exponential", 1e-3, 0.5, 0.0))
    assert fitted["flag"] != ""
    assert np.isnan(fitted["effective_range_m"])


def test_three_lags_are_too_few_to_fit():
    table = curve_table("exponential", 300.0, 0.5, 0.1)
    assert vm.fit(table.assign(pairs=[1, 1, 1, *[0] * 22]))["flag"] == "only 3 lags hold pairs, 4 are needed"


def test_unknown_models_and_weights_are_refused_with_the_list():
    with pytest.raises(ValueError, match="no model 'cubic': there are spherical, exponential, gaussian"):
        vm.fit(curve_table("exponential", 300.0, 0.5, 0.1), model="cubic")
    with pytest.raises(ValueError, match="no weights 'h': there are cressie, gstat, pairs"):
        vm.fit(curve_table("exponential", 300.0, 0.5, 0.1), weights="h")


def test_a_lag_of_more_pairs_weighs_more():
    table = curve_table("exponential", 300.0, 0.5, 0.1)
    table.loc[20:, "semivariance"] += 0.3
    few, many = (vm.fit(table.assign(pairs=np.where(table.index < 20, 100, n)))["partial_sill"] for n in (1, 10_000))
    assert few < many - 0.1


# ---- several cities --------------------------------------------------------------------------------------------------
@pytest.mark.filterwarnings("error")
def test_each_city_has_its_own_curve_and_a_small_one_a_flag_alone():
    features, at = planted(400.0, n=430)
    city = np.array(["a"] * 400 + ["b"] * 29 + ["c"], object)
    lags, fits = sv.by_city(features, at, city, model="exponential", max_lag_m=1_500.0, lag_count=8)
    assert set(lags.city) == {"a"}
    assert fits.city.tolist() == ["a", "b", "c"]
    assert fits.flag.tolist()[1:] == ["only 29 photos, fewer than 30", "only 1 photos, fewer than 30"]
    alone = sv.semivariance_by_lag(features[:400], at[:400], max_lag_m=1_500.0, lag_count=8)
    pd.testing.assert_frame_equal(lags.drop(columns="city"), alone)


def test_without_a_large_enough_city_the_table_is_empty_but_has_its_columns():
    features, at = toy(n=4)
    lags, fits = sv.by_city(features, at, np.array([*"aabb"], object), model="exponential", **LAGS)
    assert list(lags.columns) == [*sv.LAGS, "city"]
    assert len(lags) == 0
    assert "No city has a curve" in sv.answer(fits)


def test_pooled_curves_weigh_cities_by_their_pairs_and_drop_empty_lags():
    one = curve_table("exponential", 300.0, 0.5, 0.1, lag_count=2).assign(semivariance=[1.0, 2.0], pairs=[1, 0])
    one["sampling_error"] = 0.0
    two = one.assign(semivariance=[4.0, np.nan], pairs=[3, 0])
    table = sv.pooled(pd.concat([one, two]))
    assert table.semivariance.tolist() == [3.25]
    assert table.pairs.tolist() == [4]


def test_a_drawn_curve_begins_at_the_nugget_and_a_flagged_fit_is_not_drawn():
    good = {"city": "a"} | vm.fit(curve_table("exponential", 300.0, 0.4, 0.1))
    bad = {"city": "b"} | vm.flagged("exponential", "why")
    drawn = vm.curves(pd.DataFrame([good, bad]), max_lag_m=1_000.0)
    assert set(drawn.city) == {"a"}
    assert drawn.semivariance.iloc[0] == pytest.approx(0.1, abs=1e-3)
    assert drawn.semivariance.iloc[-1] == pytest.approx(0.5, abs=1e-3)


def test_the_level_between_cities_equals_the_mean_over_all_pairs_of_different_cities():
    rng = np.random.default_rng(0)
    vectors, city = unit(rng, 40, 6), rng.choice([*"abc"], 40)
    cosine = 1 - vectors @ vectors.T
    different = city[:, None] != city[None]
    assert sv.between_cities(vectors, city) == pytest.approx(cosine[different].mean(), rel=1e-12)
    alone = cosine[np.triu_indices(40, 1)].mean()
    assert sv.between_cities(vectors, np.full(40, "a")) == pytest.approx(alone, rel=1e-12)


@pytest.mark.filterwarnings("error")
def test_one_photo_has_no_level():
    assert np.isnan(sv.between_cities(np.ones((1, 1)), np.array(["a"])))


# ---- beside the planted truth ----------------------------------------------------------------------------------------
@pytest.mark.filterwarnings("error")
def test_the_planted_shape_runs_between_fitted_nugget_and_sill():
    lags = curve_table("exponential", 300.0, 0.4, 0.1).assign(city="a")
    fits = pd.DataFrame([{"city": "a", "nugget": 0.2, "partial_sill": 0.3}])
    share = lambda h: (0.15 + 1 - np.exp(-3 * np.asarray(h) / 300)) / 1.15  # noqa: E731
    shape = sv.planted_shape(lags, fits, share)
    np.testing.assert_allclose(shape, 0.2 + 0.3 * (1 - np.exp(-3 * lags.distance_m / 300)), rtol=1e-6)


@pytest.mark.filterwarnings("error")
def test_where_no_structure_was_planted_the_planted_shape_is_flat_at_the_sill():
    lags = curve_table("exponential", 300.0, 0.4, 0.1).assign(city="a")
    fits = pd.DataFrame([{"city": "a", "nugget": 0.2, "partial_sill": 0.3}])
    np.testing.assert_allclose(sv.planted_shape(lags, fits, lambda h: np.ones(len(h))), 0.5)


def test_the_answer_gives_the_span_of_ranges_and_the_median_nugget_share():
    fits = pd.DataFrame([
        {"city": "a", "nugget": 0.1, "partial_sill": 0.3, "effective_range_m": 250.0, "flag": ""},
        {"city": "b", "nugget": 0.1, "partial_sill": 0.1, "effective_range_m": 410.0, "flag": ""},
        {"city": "c", **vm.flagged("exponential", "no rise with distance")},
    ])  # fmt: skip
    assert "between 250 and 410 m in 2 of 3 cities; in the median 38%" in sv.answer(fits)


@pytest.mark.parametrize(("range_m", "resolved"), [(60.0, False), (300.0, True)])
def test_a_range_that_fewer_than_two_lags_see_is_flagged_instead_of_reported(range_m, resolved):
    h = np.arange(25.0, 1000.0, 50.0)
    gamma = 0.2 + 0.5 * (1 - np.exp(-3 * h / range_m))
    lags = pd.DataFrame({"distance_m": h, "semivariance": gamma, "pairs": 100})
    fitted = vm.fit(lags)
    assert (fitted["flag"] == "") == resolved
    assert np.isfinite(fitted["effective_range_m"]) == resolved


# ---- the estimators --------------------------------------------------------------------------------------------------
def test_the_constant_of_cressie_and_hawkins_is_theirs_for_one_dimension_and_its_expectation_for_more():
    assert sv.cressie_hawkins_constant(1) == pytest.approx(0.457, abs=5e-4)
    assert sv.cressie_hawkins_constant(1e6) == pytest.approx(1, abs=1e-5)
    drawn = (np.random.default_rng(0).normal(size=(400_000, 5)) ** 2).sum(axis=1)  # 2 gamma is 5
    assert (drawn**0.25).mean() ** 4 / sv.cressie_hawkins_constant(5) == pytest.approx(5, rel=0.01)


def test_the_robust_estimator_shrugs_at_a_photo_that_resembles_none():
    rng = np.random.default_rng(0)
    at, values = rng.uniform(0, 1_000, (300, 2)), rng.normal(size=(300, 1))
    reading = dict(max_lag_m=500.0, lag_count=3, distance="planar")
    clean = sv.semivariance_by_lag(values, at, **reading)
    spoilt = values.copy()
    spoilt[0] = 40
    plain, robust = (
        sv.semivariance_by_lag(spoilt, at, estimator=name, **reading).semivariance[1:]
        for name in ("matheron", "cressie")
    )
    assert (plain > 4).all()
    np.testing.assert_allclose(robust, clean.semivariance[1:], rtol=0.3)
    with pytest.raises(ValueError, match="no estimator 'genton': there are matheron, cressie"):
        sv.semivariance_by_lag(values, at, estimator="genton", **reading)


def test_equal_independent_components_have_as_many_effective_dimensions():
    rng = np.random.default_rng(0)
    assert sv.effective_dimensions(rng.normal(size=(5_000, 6))) == pytest.approx(6, rel=0.01)
    assert sv.effective_dimensions(rng.normal(size=(5_000, 1)) * np.ones(4)) == pytest.approx(1)
    assert sv.effective_dimensions(np.ones((5, 3))) == 1


def test_for_scalars_it_is_what_gstools_estimates():
    rng = np.random.default_rng(0)
    at, values = rng.uniform(0, 1_000, (200, 2)), rng.normal(size=200)
    ours = sv.semivariance_by_lag(values[:, None], at, max_lag_m=500.0, lag_count=8, distance="planar")
    _, theirs, counts = gstools.vario_estimate(at.T, values, np.linspace(0, 500, 9), return_counts=True)
    np.testing.assert_allclose(ours.semivariance[1:], theirs, rtol=1e-6)
    np.testing.assert_array_equal(ours.pairs[1:], counts)


def test_the_sampling_error_is_the_spread_of_samples():
    features, at = planted(600.0, n=500)
    reading = dict(max_lag_m=1_500.0, lag_count=3)
    drawn = [sv.semivariance_by_lag(features, at, max_pairs=4_000, seed=seed, **reading) for seed in range(40)]
    spread = np.std([table.semivariance[1:] for table in drawn], axis=0)
    np.testing.assert_allclose(np.mean([table.sampling_error[1:] for table in drawn], axis=0), spread, rtol=0.4)
    whole = sv.semivariance_by_lag(features, at, **reading)
    assert (whole.sampling_error[1:] == 0).all()


@pytest.mark.parametrize("what", ["position", "feature"])
def test_photos_without_a_position_or_features_are_counted_and_refused(what):
    features, at = toy(n=200)
    (at if what == "position" else features)[[3, 9]] = np.nan
    with pytest.raises(ValueError, match=f"2 of 200 photos have no {what}.*: leave them out first"):
        sv.semivariance_by_lag(features, at, **LAGS)


def test_along_a_street_the_pairs_of_its_bearing_are_all_and_those_across_none():
    at = sphere.from_local_m([[0.0, 0], [0, 50], [0, 100]], CENTRE)
    pairs = apart.pairs(at, np.array([0.0, 200.0]))
    assert len(sv.towards(pairs, at, 0.0).i) == len(sv.towards(pairs, at, 180.0).i) == 3
    assert len(sv.towards(pairs, at, 90.0).i) == 0
    table = sv.by_bearing(np.eye(3), at, np.array([*"aaa"]), edges_m=np.array([0.0, 200.0]))
    assert table.set_index("bearing_deg").pairs.to_dict() == {0.0: 3}
    alone = sv.by_bearing(np.eye(3), at, np.array([*"abc"]), edges_m=np.array([0.0, 200.0]))
    assert alone.pivot_table(index="bearing_deg", columns="lag_to_m", values="semivariance").empty


def test_photos_of_one_place_are_compared_by_the_days_between_them():
    at = np.tile(CENTRE, (4, 1))
    days = pd.to_datetime(["2024-01-01", "2024-01-03", "2024-06-01", None], utc=True)
    features = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    table = sv.by_time_gap(features, at, days, within_m=10.0, edges_days=[0, 10, 300])
    assert table.pairs.tolist() == [1, 2]
    np.testing.assert_allclose(table.semivariance, [1.0, 1.5])
    unknown = sv.by_time_gap(features, at, np.array([pd.NaT] * 4), within_m=10.0, edges_days=[0, 10])
    assert list(unknown.columns) == list(table.columns)
    assert len(unknown) == 0


# ---- how sure --------------------------------------------------------------------------------------------------------
def test_the_block_bootstrap_weighs_pairs_as_copies_of_blocks_that_never_meet_themselves():
    """Slow twin: write out each photo of a block drawn w times w times, and leave out its pairs with its own copies."""
    features, at = toy(n=24)
    edges_m, blocks = np.array([0.0, 300.0, 900.0]), np.arange(24) % 4
    pairs = apart.pairs(at, edges_m)
    ours = sv.block_bootstrap(pairs, sv.half_squares(features, pairs), blocks, replicates=10, seed=5)
    from geonb.earth import seeds

    rng = seeds.stream(5, "semivariogram bootstrap")
    for found in ours:
        sums, counts = np.zeros(3), np.zeros(3)
        w = np.bincount(rng.integers(0, 4, 4), minlength=4)
        copies = [(photo, copy) for photo in range(24) for copy in range(w[blocks[photo]])]
        for a, (i, which) in enumerate(copies):
            for j, other in copies[:a]:
                if i == j or (blocks[i] == blocks[j] and which != other):
                    continue  # pairs within a block drawn w times weigh w, not w w
                distance = sphere.distance_m(at[i], at[j])
                lag = int(np.searchsorted(edges_m, distance))
                if lag < 3:
                    sums[lag] += ((features[i] - features[j]) ** 2).sum() / 2
                    counts[lag] += 1
        with np.errstate(invalid="ignore"):
            np.testing.assert_allclose(found, sums / counts, rtol=1e-9)


def test_the_envelope_holds_what_has_no_place_and_not_what_has_one():
    rng, outside = np.random.default_rng(0), 0
    for seed in range(30):
        features, at = toy(n=80, seed=seed)
        pairs = apart.pairs(at, apart.edges_m(800.0, 6))
        observed, low, high = sv.envelope(features[rng.permutation(80)], pairs, permutations=99, seed=seed)
        outside += ((observed < low) | (observed > high))[1:].any()
        assert np.isnan([observed[0], low[0], high[0]]).all()
    assert outside <= 5  # of 30 at a level of 5 %: more than five come once in two hundred times
    observed, low, high = sv.envelope(features, pairs, permutations=99)
    assert observed[1] < low[1]
    assert observed[6] > high[6]


def test_the_interval_of_a_range_holds_it_and_a_flagged_fit_has_none():
    features, at = planted(600.0, n=250, side_m=3_000.0)
    pairs = apart.pairs(at, apart.edges_m(1_500.0, 12))
    fitted = vm.fit(sv.lag_table(pairs, sv.half_squares(features, pairs)))
    low, high = sv.range_interval(fitted, at, pairs, replicates=40)
    assert low < fitted["effective_range_m"] < high
    assert (low, high) == sv.range_interval(fitted, at, pairs, replicates=40)
    many = sv.range_interval(fitted, at, pairs, dimensions=30.0, replicates=40)
    assert many[1] - many[0] < high - low  # thirty fields of one range tell more than one
    assert np.isnan(sv.range_interval(vm.flagged("exponential", "why"), at, pairs)).all()


def test_a_smooth_curve_without_a_nugget_has_an_interval_too():
    at = np.random.default_rng(0).uniform(0, 1_000, (300, 2))
    pairs = apart.pairs(at, apart.edges_m(800.0, 12), distance="planar")
    fitted = vm.fit(curve_table("gaussian", 500.0, 1.0, 0.0), model="gaussian")
    low, high = sv.range_interval(fitted, at, pairs, replicates=20, distance="planar")
    assert low < high
    root = sv.root_of(sv.covariance(fitted, np.zeros((3, 3)) + np.eye(3)))
    assert np.isfinite(root).all()


def test_held_out_blocks_prefer_the_model_that_made_the_field():
    rng, at = np.random.default_rng(0), np.random.default_rng(1).uniform(0, 2_000, (900, 2))
    model = gstools.Gaussian(dim=2, var=1.0, len_scale=300.0, nugget=0.0)
    values = np.stack([gstools.SRF(model, mode_no=500, seed=k)(at.T) for k in range(6)], axis=1)
    values += 0.05 * rng.normal(size=values.shape)
    blocks = [f"{x} {y}" for x, y in (at // 500).astype(int)]
    table = sv.choose_model(values, at, blocks, edges_m=apart.edges_m(900.0, 12), distance="planar",
                            names=("exponential", "gaussian"))  # fmt: skip
    assert table.model.tolist() == ["gaussian", "exponential"]
    assert table.error.is_monotonic_increasing


def test_readings_hold_curve_interval_envelope_and_range_of_every_city():
    _, at = planted(400.0, n=330, side_m=2_000.0)
    model = gstools.Exponential(dim=2, var=1.0, len_scale=400.0 / 3)
    metres = sphere.to_local_m(at, CENTRE).T
    features = np.stack([gstools.SRF(model, mode_no=300, seed=k)(metres) for k in range(8)], axis=1)
    city = np.array(["a"] * 300 + ["b"] * 30, object)
    blocks = np.array([f"{x} {y}" for x, y in np.floor(sphere.to_local_m(at, CENTRE) / 300).astype(int)])
    reading = dict(model="exponential", max_lag_m=1_000.0, lag_count=8, replicates=30, range_replicates=20,
                   permutations=99, photos_at_most=200)  # fmt: skip
    lags, fits = sv.readings(features, at, city, blocks, **reading)
    big = lags[(lags.city == "a") & (lags.pairs > 0)]
    assert ((big.low <= big.semivariance * 1.02) & (big.semivariance <= big.high * 1.02)).all()
    assert big.structure.any()
    assert list(fits.columns) == ["city", *vm.FIT, *sv.RANGE]
    a = fits.set_index("city").loc["a"]
    assert a.flag == ""
    assert a.range_low_m < a.effective_range_m < a.range_high_m
    lost, _ = sv.readings(features[:20], at[:20], city[:20], blocks[:20], **reading)
    assert list(lost.columns) == [*sv.LAGS, "city", *sv.INTERVAL]
    shuffled = np.random.default_rng(0).permutation(300)
    _, nothing = sv.readings(features[shuffled], at[:300], city[:300], blocks[:300], **reading)
    assert nothing.flag[0] != ""
    assert np.isnan(nothing.effective_range_m[0])


# ---- what follows from a curve ---------------------------------------------------------------------------------------
def test_the_expected_dissimilarity_is_the_fitted_curve_and_level_beyond_the_last_lag():
    import torch

    table = curve_table("exponential", 300.0, 0.5, 0.1)
    expected = sv.expected_dissimilarity(table, vm.fit(table))
    h = np.array([0.0, 50.0, 200.0, 700.0, 1e6])
    truth = 0.1 + 0.5 * (1 - np.exp(-3 * np.minimum(h, 980.0) / 300))
    np.testing.assert_allclose(expected(h), truth, atol=6e-3)
    on_tensors = expected(torch.tensor(h, dtype=torch.float32, requires_grad=True))
    np.testing.assert_allclose(on_tensors.detach(), expected(h), atol=1e-5)
    assert np.all(np.diff(expected(np.linspace(0, 2_000, 500))) >= 0)


def test_where_the_fit_is_flagged_the_lags_made_monotone_stand_in():
    table = curve_table("exponential", 5_000.0, 1.0, 0.1)
    table.loc[10, "semivariance"] -= 0.2
    expected = sv.expected_dissimilarity(table, vm.flagged("exponential", "why"))
    assert np.all(np.diff(expected(np.linspace(0, 2_000, 500))) >= 0)
    assert expected(0.0) == pytest.approx(table.semivariance[0])
    one = sv.expected_dissimilarity(table.iloc[:1], vm.flagged("exponential", "why"))
    assert one(500.0) == pytest.approx(table.semivariance[0])
    with pytest.raises(ValueError, match="no lag holds pairs"):
        sv.expected_dissimilarity(table.assign(pairs=0), vm.flagged("exponential", "why"))


def test_test_photos_cannot_influence_what_is_expected_of_training_photos():
    features, at = planted(400.0, n=400, side_m=2_000.0)
    train = np.arange(400) < 250

    def told(features, at):
        table = sv.semivariance_by_lag(features[train], at[train], max_lag_m=1_000.0, lag_count=10)
        return sv.expected_dissimilarity(table, vm.fit(table)).dissimilarity

    moved, other = at.copy(), features.copy()
    moved[~train], other[~train] = moved[~train][::-1] + 0.01, -other[~train]
    np.testing.assert_array_equal(told(features, at), told(other, moved))


def test_a_pilot_district_is_one_of_several_of_its_city():
    city = np.array([*"aaaabbc"], object)
    district = np.array(["n", "n", "s", "", "x", "x", ""], object)
    for seed in range(5):
        pilot = sv.pilot_districts(city, district, seed=seed)
        assert pilot.tolist() in ([True, True, False, *[False] * 4], [False, False, True, *[False] * 4])
    assert len({tuple(sv.pilot_districts(city, district, seed=seed)) for seed in range(9)}) == 2


def test_the_yardstick_is_the_range_in_the_pilots_rounded_or_the_studys_own_and_why():
    features, at = planted(420.0, n=800, side_m=3_000.0)
    city, pilot = np.full(800, "a", object), np.arange(800) < 700
    blocks = np.floor(sphere.to_local_m(at, CENTRE) / 400).astype(int) @ [100, 1]
    reading = dict(names=("exponential", "gaussian"), max_lag_m=1_500.0, lag_count=15, otherwise_m=400.0)
    row, _, fitted = sv.yardstick(features, at, city, pilot, blocks, **reading)
    assert list(row) == list(sv.YARDSTICK)
    assert row["flag"] == fitted["flag"] == ""
    assert row["length_m"] % 50 == 0
    assert abs(row["length_m"] - row["range_m"]) <= 25
    assert row["model"] in ("exponential", "gaussian")
    other = features.copy()
    other[~pilot] *= -1
    assert sv.yardstick(other, at, city, pilot, blocks, **reading)[0] == row  # only pilots are read
    few, _, _ = sv.yardstick(features, at, city, np.arange(800) < 299, blocks, **reading)
    assert (few["length_m"], few["flag"]) == (400.0, "only 299 photos in pilot districts, fewer than 300")
    assert "400 m, since pilot districts show none: only 299" in sv.answer_yardstick(few)


def test_the_pilots_of_some_cities_are_fitted_without_the_others():
    features, at = planted(420.0, n=900, side_m=3_000.0)
    city, pilot = np.repeat(["a", "b", "c"], 300).astype(object), np.ones(900, bool)
    reading = dict(max_lag_m=1_500.0, lag_count=15)
    whole = sv.yardstick(
        features, at, city, pilot, np.arange(900) % 25, names=("exponential",), otherwise_m=400.0, **reading
    )[2]
    lags, fits = sv.pilot_fits(features, at, city, pilot, whole, **reading)
    assert fits.city.tolist() == [sv.ALL_PILOTS, "a", "b", "c"]
    everyone = sv.fit_of_pilots(lags, fits, ["a", "b", "c"])
    assert everyone["effective_range_m"] == pytest.approx(whole["effective_range_m"])
    other = features.copy()
    other[600:] *= -3.0 * np.random.default_rng(0).random((300, 1))  # what c's pilots show
    changed = sv.pilot_fits(other, at, city, pilot, whole, **reading)[0]
    told, same = (sv.fit_of_pilots(table, fits, ["a", "b"]) for table in (lags, changed))
    assert told == same != everyone
    assert told["model"] == "exponential"
    flagged = sv.fit_of_pilots(lags, fits.assign(flag=["no range", "", "", ""]), ["a", "b"])
    assert flagged["flag"] == "no range"


# ---- reference results -----------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def meuse():
    """Lags of log(zinc) as gstat has them, and ours."""
    if "GEONB_REAL_DATA" not in os.environ:
        pytest.skip("GEONB_REAL_DATA is not set: the Meuse samples lie there")
    folder = Path(os.environ["GEONB_REAL_DATA"]) / "geostatistics"
    theirs = pd.read_csv(folder / "meuse_logzinc_gstat_variogram.csv")
    samples = pd.read_csv(folder / "meuse.txt", sep=None, engine="python")
    at = samples[["x", "y"]].to_numpy(float)
    cutoff_m = np.linalg.norm(np.ptp(at, axis=0)) / 3
    values = np.log(samples.zinc.to_numpy(float))[:, None]
    return theirs, sv.semivariance_by_lag(values, at, max_lag_m=cutoff_m, lag_count=15, distance="planar").iloc[1:]


def test_the_semivariogram_of_the_meuse_is_gstats(meuse):
    theirs, ours = meuse
    np.testing.assert_array_equal(ours.pairs, theirs["np"])
    np.testing.assert_allclose(ours.semivariance, theirs["gamma"], atol=1e-6)
    np.testing.assert_allclose(ours.distance_m, theirs["dist"], rtol=1e-6)


def test_the_spherical_fit_of_the_meuse_is_gstats(meuse):
    fitted = vm.fit(meuse[1], model="spherical", weights="gstat")
    found = [fitted["nugget"], *fitted["theta"][::-1]]
    np.testing.assert_allclose(found, [0.05066243, 0.59060780, 897.0209], rtol=1e-4)
    assert (fitted["flag"], fitted["nugget_flag"]) == ("", "")


def test_the_exponential_fit_of_the_meuse_ends_at_a_nugget_of_0_and_says_so(meuse):
    fitted = vm.fit(meuse[1], model="exponential", weights="gstat")
    assert fitted["nugget"] == pytest.approx(0, abs=1e-6)
    assert "at its bound 0" in fitted["nugget_flag"]


@pytest.mark.parametrize("folder", ["hund_i_snor", "seoul_jongno"])
def test_real_photos_are_read_and_no_range_is_invented(folder):
    if "GEONB_REAL_DATA" not in os.environ:
        pytest.skip("GEONB_REAL_DATA is not set: the features of real photos lie there")
    root = Path(os.environ["GEONB_REAL_DATA"]) / folder
    features = np.load(root / "embeddings_mobilenetv2_1280.npy").astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    at = pd.read_csv(root / "manifest.csv")[["lat", "lon"]].to_numpy(float)
    lags = sv.semivariance_by_lag(features, at, max_lag_m=2_000.0, lag_count=12)
    fitted = vm.fit(lags)
    assert lags.pairs.sum() > 30
    assert 0 < np.average(lags.semivariance.dropna()) < 1
    assert (fitted["flag"] == "") == np.isfinite(fitted["effective_range_m"])
    share = fitted["nugget"] / (fitted["nugget"] + fitted["partial_sill"]) if fitted["theta"] else 1.0
    assert fitted["flag"] != "" or share > 0.3  # honest data: much of the dissimilarity is there at once


# ---- what is compiled looks at no index twice: all is checked before it --------------------------------------------
CITY = np.full(60, "a", object)
BLOCKS = np.arange(60) // 3
READING = dict(model="exponential", max_lag_m=800.0, lag_count=8)
DOORS = {
    "semivariance_by_lag": lambda features, at: sv.semivariance_by_lag(features, at, **LAGS),
    "choose_model": lambda features, at: sv.choose_model(features, at, BLOCKS, edges_m=apart.edges_m(800.0, 8)),
    "by_time_gap": lambda features, at: sv.by_time_gap(
        features, at, pd.date_range("2024-01-01", periods=60, tz="UTC"), within_m=500.0, edges_days=[0, 30]
    ),
    "by_bearing": lambda features, at: sv.by_bearing(features, at, CITY, edges_m=apart.edges_m(800.0, 8)),
    "by_city": lambda features, at: sv.by_city(features, at, CITY, **READING),
    "readings": lambda features, at: sv.readings(
        features, at, CITY, BLOCKS, replicates=20, range_replicates=20, permutations=19, **READING
    ),
    "yardstick": lambda features, at: sv.yardstick(
        features, at, CITY, np.ones(60, bool), BLOCKS, names=["exponential"], max_lag_m=800.0, lag_count=8,
        otherwise_m=400.0,
    ),
    "pilot_fits": lambda features, at: sv.pilot_fits(
        features, at, CITY, np.ones(60, bool), {"flag": "", "model": "exponential"}, max_lag_m=800.0, lag_count=8
    ),
    "guide": lambda features, at: negatives.guide(
        features, at, CITY, vm.flagged("exponential", "none"), max_lag_m=800.0, lag_count=8
    ),
    "pairs_of": lambda features, at: detection.pairs_of(features, at, 400.0, pairs_at_most=200),
    "within_cities": lambda features, at: coherence.within_cities(features, at, CITY, max_lag_m=800.0, lag_count=8),
}  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("count", [40, 80])
def test_features_and_positions_of_different_length_are_refused_with_both_lengths(door, count):
    """Compiled code reads what lies beyond an array, or leaves out what is too much: plausible numbers."""
    features, at = toy(n=80)
    with pytest.raises(ValueError, match=rf"there are {count} features, 60 "):
        DOORS[door](features[:count], at[:60])


def test_what_was_paired_and_what_is_compared_must_be_the_same_photos():
    features, at = toy()
    pairs = apart.pairs(at, apart.edges_m(800.0, 8))
    half, fitted = sv.half_squares(features, pairs), vm.fit(curve_table("exponential", 300.0, 0.4, 0.1))
    for call in (
        lambda: sv.half_squares(features[:50], pairs),
        lambda: sv.half_squares(np.tile(features, (2, 1)), pairs),
        lambda: sv.envelope(features[:50], pairs, permutations=19),
        lambda: sv.towards(pairs, at[:50], 0.0),
        lambda: sv.block_bootstrap(pairs, half, BLOCKS[:50]),
        lambda: sv.block_bootstrap(pairs, half[:50], BLOCKS),
        lambda: sv.range_interval(fitted, at[:50], pairs),
        lambda: sv.lag_table(pairs, half[:50]),
    ):
        with pytest.raises(ValueError, match=r"lengths differ, there are (50|120) .*, \d+ "):
            call()
    with pytest.raises(ValueError, match=r"one vector for each photo, \(n, d\), they are \(60,\)"):
        sv.half_squares(features[:, 0], pairs)
    with pytest.raises(ValueError, match=r"one vector for each photo, \(n, d\), they are \(60, 0\)"):
        sv.half_squares(features[:, :0], pairs)


@pytest.mark.parametrize(("i", "j"), [([0, 60], [1, 2]), ([0, 1], [1, 10**6]), ([0, -61], [1, 2])])
def test_pairs_of_photos_that_there_are_not_are_refused(i, j):
    features, at = toy()
    pairs = apart.pairs(at, apart.edges_m(800.0, 8)).where(np.arange(2))
    with pytest.raises(ValueError, match=r"pairs name photos -?\d+ to \d+, there are 60 from 0 on"):
        sv.half_squares(features, pairs._replace(i=np.int32(i), j=np.int32(j)))


def test_missing_features_are_counted_wherever_they_enter():
    features, at = toy()
    features[3, 1] = np.inf
    pairs = apart.pairs(at, apart.edges_m(800.0, 8))
    for call in (sv.half_squares, sv.envelope):
        with pytest.raises(ValueError, match="1 of 60 photos have no feature vector"):
            call(features, pairs)


def test_vectors_that_are_not_of_length_1_have_no_cosine_distance():
    features, _ = toy()
    with pytest.raises(ValueError, match="60 of 60 vectors are not of length 1"):
        sv.between_cities(1e-4 * features, CITY)


# ---- the scale of features says nothing ------------------------------------------------------------------------------
SCALED = settings(max_examples=25, deadline=None)
FIELD = planted(600.0, nugget=0.01, n=300)
EDGES_M = apart.edges_m(2_400.0, 12)


def fits_of(factor, weights="cressie"):
    lags = sv.semivariance_by_lag(factor * FIELD[0], FIELD[1], max_lag_m=2_400.0, lag_count=12)
    return [vm.fit(lags, model=name, weights=weights) for name in ("spherical", "exponential", "gaussian", "matern")]


@SCALED
@given(st.floats(-6, 6), st.sampled_from(list(vm.WEIGHTS)))
def test_features_c_times_as_long_have_sills_c_squared_times_as_high_and_the_same_ranges_and_flags(power, weights):
    for plain, scaled in zip(fits_of(1.0, weights), fits_of(10**power, weights), strict=True):
        assert [scaled[name] for name in ("flag", "nugget_flag")] == [plain[name] for name in ("flag", "nugget_flag")]
        sills = [np.array([fitted["nugget"], fitted["partial_sill"]]) for fitted in (plain, scaled)]
        np.testing.assert_allclose(sills[1] / 10 ** (2 * power), sills[0], rtol=1e-4, atol=1e-5 * sills[0].sum())
        np.testing.assert_allclose(scaled["effective_range_m"], plain["effective_range_m"], rtol=1e-4)


@settings(max_examples=8, deadline=None)
@given(st.floats(-6, 6))
def test_the_scale_of_features_chooses_no_other_model_and_no_other_interval_of_the_range(power):
    features, at = FIELD
    blocks = np.arange(300) % 12
    chosen = [
        sv.choose_model(factor * features, at, blocks, edges_m=EDGES_M, names=("spherical", "exponential", "gaussian"))
        for factor in (1.0, 10**power)
    ]
    assert chosen[0].model.tolist() == chosen[1].model.tolist()
    np.testing.assert_allclose(chosen[0].error, chosen[1].error, rtol=1e-3)
    pairs = apart.pairs(at, EDGES_M)
    intervals = [
        sv.range_interval(
            vm.fit(sv.lag_table(pairs, sv.half_squares(factor * features, pairs))), at, pairs, replicates=10
        )
        for factor in (1.0, 10**power)
    ]
    np.testing.assert_allclose(*intervals, rtol=1e-3)


@pytest.mark.parametrize("factor", [1e-6, 1e-4, 1.0, 1e6])
def test_a_curve_that_does_not_rise_is_told_at_every_scale(factor):
    lags = curve_table("exponential", 300.0, 0.4, 0.1)
    lags["semivariance"] = factor**2 * (0.5 + 1e-8 * np.arange(len(lags)))
    assert vm.fit(lags)["flag"] == "no rise with distance"
    assert vm.fit(lags.assign(semivariance=0.0))["flag"] == "no rise with distance"


def test_lags_that_are_no_numbers_are_refused():
    lags = curve_table("exponential", 300.0, 0.4, 0.1)
    lags.loc[2, "semivariance"] = np.nan
    with pytest.raises(ValueError, match="1 of 25 values of semivariance are missing or infinite"):
        vm.fit(lags)


# ---- counts and photos that are too few ------------------------------------------------------------------------------
def readings_of(**changes):
    """Readings of a city with too few blocks for an interval."""
    given = {"replicates": 20, "range_replicates": 20, "permutations": 19} | READING | changes
    return sv.readings(*toy(), CITY, BLOCKS // 10, **given)


def test_counts_that_are_none_are_refused_with_their_bound():
    features, at = toy()
    pairs = apart.pairs(at, apart.edges_m(800.0, 8))
    half, fitted = sv.half_squares(features, pairs), vm.fit(curve_table("exponential", 300.0, 0.4, 0.1))
    for call, match in (
        (lambda: sv.semivariance_by_lag(features, at, max_lag_m=800.0, lag_count=100_000), "lag_count 100000 must be"),
        (lambda: sv.semivariance_by_lag(features, at, max_lag_m=np.nan, lag_count=8), "max_lag_m nan must be"),
        (lambda: sv.semivariance_by_lag(features, at, **LAGS, max_pairs=0), "max_pairs 0 must be"),
        (lambda: sv.block_bootstrap(pairs, half, BLOCKS, replicates=0), "replicates 0 must be .* at least 10"),
        (lambda: sv.range_interval(fitted, at, pairs, replicates=-1), "replicates -1 must be .* at least 10"),
        (lambda: readings_of(replicates=0), "replicates 0 must be .* at least 10"),
        (lambda: readings_of(range_replicates=0), "range_replicates 0 must be .* at least 10"),
        (lambda: readings_of(permutations=0), "permutations 0 must be .* at least 19"),
        (lambda: sv.envelope(features, pairs, permutations=0), "permutations 0 must be .* at least 19"),
        (lambda: sv.envelope(features, pairs, permutations=99, level=1.0), "level 1.0 must be .* below 1"),
        (lambda: sv.choose_model(features, at, BLOCKS, edges_m=EDGES_M, folds=1), "folds 1 must be .* at least 2"),
        (lambda: sv.choose_model(features, at, BLOCKS, edges_m=EDGES_M, names=[]), "models must name at least one"),
    ):
        with pytest.raises(ValueError, match=match):
            call()


def test_a_single_photo_makes_no_choice_and_says_so():
    features, at = toy(n=1)
    table = sv.choose_model(features, at, BLOCKS[:1], edges_m=EDGES_M, names=["spherical", "gaussian"])
    assert list(table) == list(sv.CHOICE)
    assert table.flag.tolist() == ["only 1 photos, 2 are needed"] * 2
    assert np.isnan(table.error).all()
    curves, fits = sv.readings(
        features, at, CITY[:1], BLOCKS[:1], replicates=20, range_replicates=20, permutations=19, **READING
    )
    assert sv.answer(fits) == "No city has a curve whose range may be reported (only 1 photos, fewer than 30)."
    assert curves.empty
