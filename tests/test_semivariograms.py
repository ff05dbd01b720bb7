import gstools
import numpy as np
import pandas as pd
import pytest
import skgstat
from hypothesis import given, settings
from hypothesis import strategies as st

from geonb import semivariograms as sv
from geonb import sphere

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
    ours = sv.semivariance_by_lag(features, at, **LAGS)
    np.testing.assert_allclose(ours.semivariance, np.sum([v.experimental for v in theirs], axis=0), rtol=1e-10)
    np.testing.assert_array_equal(ours.pairs, theirs[0].bin_count)


def test_for_unit_vectors_it_is_the_mean_cosine_distance():
    features, at = toy()
    table = sv.semivariance_by_lag(features, at, max_lag_m=1e6, lag_count=1)
    i, j = np.triu_indices(len(at), 1)
    assert table.semivariance[0] == pytest.approx(1 - (features[i] * features[j]).sum(axis=1).mean(), rel=1e-12)
    assert table.pairs[0] == len(i)


def test_cosine_distances_are_the_same_in_any_chunk():
    features, _ = toy()
    i, j = np.triu_indices(60, 1)
    np.testing.assert_array_equal(sv.cosine_distance(features, i, j, 7), sv.cosine_distance(features, i, j))


def test_three_photos_worked_by_hand():
    at = sphere.from_local_m([[0, 0], [30, 0], [0, 39]], CENTRE)
    features = np.array([[1.0, 0], [0.0, 1], [-1.0, 0]])
    table = sv.semivariance_by_lag(features, at, max_lag_m=60.0, lag_count=3)
    assert table.pairs.tolist() == [0, 2, 1]
    np.testing.assert_allclose(table.distance_m[1:], [34.5, np.hypot(30, 39)], rtol=1e-6)
    np.testing.assert_allclose(table.semivariance[1:], [1.5, 1.0])


def test_an_empty_lag_keeps_its_row():
    features, at = toy()
    table = sv.semivariance_by_lag(features, at, max_lag_m=10_000.0, lag_count=20)
    assert len(table) == 20
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
    assert sv.fit(table)["flag"] == "only 1 lags hold pairs"


def test_photos_at_one_point_lie_in_the_first_lag_and_have_no_fit():
    features, _ = toy()
    table = sv.semivariance_by_lag(features, np.tile(CENTRE, (60, 1)), **LAGS)
    assert table.pairs.tolist() == [60 * 59 // 2, *[0] * 9]
    assert sv.fit(table)["flag"] == "only 0 lags hold pairs"


def test_one_photo_has_no_semivariogram():
    features, at = toy(n=1)
    with pytest.raises(ValueError, match="at least 2 photos, there are 1"):
        sv.semivariance_by_lag(features, at, **LAGS)


@pytest.mark.parametrize(("max_lag_m", "lag_count"), [(0.0, 5), (-1.0, 5), (100.0, 0)])
def test_lags_that_are_none_are_refused(max_lag_m, lag_count):
    with pytest.raises(
        ValueError, match=f"max_lag_m {max_lag_m} must be above 0 m and lag_count {lag_count} at least 1"
    ):
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
    gamma = np.asarray(sv.model_function(model)(h, range_m, partial_sill, nugget))
    return pd.DataFrame({
        "lag_from_m": h - 20, "lag_to_m": h + 20, "distance_m": h, "semivariance": gamma,
        "pairs": np.arange(1, lag_count + 1),
    })  # fmt: skip


@pytest.mark.parametrize("model", sv.MODELS)
@pytest.mark.parametrize("truth", [(300.0, 0.4, 0.1), (700.0, 0.05, 0.6), (500.0, 0.5, 0.0)])
def test_a_fit_to_a_curve_without_noise_finds_what_made_it(model, truth):
    fitted = sv.fit(curve_table(model, *truth), model=model)
    found = [fitted[name] for name in ("effective_range_m", "partial_sill", "nugget")]
    assert fitted["flag"] == ""
    np.testing.assert_allclose(found, truth, rtol=1e-3, atol=1e-4)


def test_the_effective_range_is_where_95_percent_of_the_partial_sill_are_reached():
    gamma = sv.model_function("exponential")
    assert float(gamma(300.0, 300.0, 0.5, 0.1)) == pytest.approx(0.1 + 0.5 * (1 - np.exp(-3)))


@pytest.mark.parametrize("range_m", [300.0, 600.0])
def test_a_planted_exponential_range_is_recovered_from_unit_vectors(range_m):
    """cos of a Gaussian difference: gamma = 1 - exp(-field's gamma), all but the field's own for a deviation of 0.3."""
    found = []
    for seed in range(4):
        features, at = planted(range_m, seed=seed, nugget=0.01)
        fitted = sv.fit(sv.semivariance_by_lag(features, at, max_lag_m=4 * range_m, lag_count=16))
        assert fitted["flag"] == ""
        found.append([fitted["effective_range_m"], fitted["nugget"], fitted["partial_sill"]])
    assert np.median(found, axis=0)[0] == pytest.approx(range_m, rel=0.25)
    assert np.median(found, axis=0)[1] == pytest.approx(0.01, abs=0.008)
    assert np.median(found, axis=0)[2] == pytest.approx(0.086, rel=0.25)


def test_a_curve_that_still_rises_at_the_largest_lag_has_no_range():
    fitted = sv.fit(curve_table("exponential", 5_000.0, 1.0, 0.1))
    assert fitted["flag"] == "no sill within the largest lag"
    assert np.isnan(fitted["effective_range_m"])


def test_photos_that_resemble_nobody_have_no_rise():
    features, at = unit(np.random.default_rng(0), 300, 16), toy(n=300)[1]
    table = sv.semivariance_by_lag(features, at, **LAGS).assign(semivariance=0.7)
    assert sv.fit(table)["flag"] == "no rise with distance"


@pytest.mark.filterwarnings("error")
def test_photos_that_are_all_alike_have_no_rise():
    _, at = toy()
    for vector in (np.ones(8, np.float32) / np.sqrt(np.float32(8)), np.full(3, 1 / np.sqrt(3), np.float32)):
        table = sv.semivariance_by_lag(np.tile(vector, (60, 1)), at, **LAGS)
        assert sv.fit(table)["flag"] == "no rise with distance"


def test_a_jump_within_the_first_lag_is_not_given_as_a_range():
    fitted = sv.fit(curve_table("exponential", 1e-3, 0.5, 0.0))
    assert fitted["flag"] != ""
    assert np.isnan(fitted["effective_range_m"])


def test_three_lags_are_too_few_to_fit():
    table = curve_table("exponential", 300.0, 0.5, 0.1)
    assert sv.fit(table.assign(pairs=[1, 1, 1, *[0] * 22]))["flag"] == "only 3 lags hold pairs"


def test_an_unknown_model_is_refused_with_the_list():
    with pytest.raises(ValueError, match="no model 'matern': there are spherical, exponential, gaussian"):
        sv.fit(curve_table("exponential", 300.0, 0.5, 0.1), model="matern")


def test_a_lag_of_more_pairs_weighs_more():
    table = curve_table("exponential", 300.0, 0.5, 0.1)
    table.loc[20:, "semivariance"] += 0.3
    few, many = (sv.fit(table.assign(pairs=np.where(table.index < 20, 100, n)))["partial_sill"] for n in (1, 10_000))
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
    two = one.assign(semivariance=[4.0, np.nan], pairs=[3, 0])
    table = sv.pooled(pd.concat([one, two]))
    assert table.semivariance.tolist() == [3.25]
    assert table.pairs.tolist() == [4]


def test_a_drawn_curve_begins_at_the_nugget_and_a_flagged_fit_is_not_drawn():
    good = {"city": "a"} | sv.fit(curve_table("exponential", 300.0, 0.4, 0.1))
    bad = {"city": "b"} | sv.flagged("exponential", "why")
    drawn = sv.curves(pd.DataFrame([good, bad]), max_lag_m=1_000.0)
    assert set(drawn.city) == {"a"}
    assert drawn.semivariance.iloc[0] == pytest.approx(0.1, abs=1e-3)
    assert drawn.semivariance.iloc[-1] == pytest.approx(0.5, abs=1e-3)


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
        {"city": "c", **sv.flagged("exponential", "no rise with distance")},
    ])  # fmt: skip
    assert "between 250 and 410 m in 2 of 3 cities; in the median 38%" in sv.answer(fits)


@pytest.mark.parametrize(("range_m", "resolved"), [(60.0, False), (300.0, True)])
def test_a_range_that_fewer_than_two_lags_see_is_flagged_instead_of_reported(range_m, resolved):
    h = np.arange(25.0, 1000.0, 50.0)
    gamma = 0.2 + 0.5 * (1 - np.exp(-3 * h / range_m))
    lags = pd.DataFrame({"distance_m": h, "semivariance": gamma, "pairs": 100})
    fitted = sv.fit(lags)
    assert (fitted["flag"] == "") == resolved
    assert np.isfinite(fitted["effective_range_m"]) == resolved
