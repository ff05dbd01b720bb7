import numpy as np
import pandas as pd
import pytest

from geonb.earth import sphere
from geonb.measuring import coherence, new_places
from geonb.variograms import curves as semivariograms

CENTRE = np.array([50.7374, 7.0982])


def grid(side=10, step_m=50.0):
    metres = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2) * step_m
    return metres, sphere.from_local_m(metres, CENTRE)


METRES, AT = grid()
SMOOTH = METRES.sum(axis=1)
CHESS = (METRES / 50).sum(axis=1) % 2
NOISE = np.random.default_rng(0).normal(size=100)


# ---- Moran's I -------------------------------------------------------------------------------------------------------
def test_morans_i_equals_its_formula():
    """I = sum_i z_i (mean of z over the k nearest) / sum_i z_i^2 (Moran 1950, row-standardised weights)."""
    at = AT + np.random.default_rng(1).uniform(-2e-4, 2e-4, AT.shape)  # no ties among neighbours
    apart = sphere.pair_distance_m(at)
    np.fill_diagonal(apart, np.inf)
    z = NOISE - NOISE.mean()
    lagged = [z[np.argsort(row)[:8]].mean() for row in apart]
    found = coherence.morans_i(NOISE, at, permutations=9)
    assert found["morans_i"] == pytest.approx((z * lagged).sum() / (z * z).sum(), rel=1e-9)
    assert found["expected"] == pytest.approx(-1 / 99)


def test_morans_i_does_not_change_with_unit_and_origin_of_the_values():
    a, b = (coherence.morans_i(values, AT, permutations=99) for values in (NOISE, -3 * NOISE + 7))
    assert a["morans_i"] == pytest.approx(b["morans_i"])


def test_what_clusters_has_a_large_i_and_a_small_p():
    found = coherence.morans_i(SMOOTH, AT)
    assert found["morans_i"] > 0.7
    assert found["p_value"] == pytest.approx(0.001)


def test_noise_has_no_small_p_more_often_than_it_should():
    rng = np.random.default_rng(2)
    p = [coherence.morans_i(rng.normal(size=100), AT, permutations=99, seed=s)["p_value"] for s in range(60)]
    assert np.mean(np.array(p) <= 0.05) < 0.15
    assert 0.35 < np.mean(p) < 0.65


def test_neighbours_that_are_unlike_are_not_called_a_cluster():
    found = coherence.morans_i(CHESS, AT, neighbours=4)
    assert found["morans_i"] < -0.5
    assert found["p_value"] > 0.99
    assert "no clustering shown" in coherence.answer_errors(pd.DataFrame([found | {"method": "clip", "flag": ""}]))


def test_constant_values_and_too_few_photos_are_refused_by_name():
    with pytest.raises(ValueError, match=r"all 100 values are 3.0: Moran's I is not defined"):
        coherence.morans_i(np.full(100, 3), AT)
    with pytest.raises(ValueError, match="over 8 neighbours needs 10 photos, there are 9"):
        coherence.morans_i(NOISE[:9], AT[:9])


def test_the_seed_decides_and_numpys_global_stream_is_left_as_it_was():
    np.random.seed(42)  # noqa: NPY002  the global stream is what is tested
    expected = np.random.random(3)  # noqa: NPY002
    np.random.seed(42)  # noqa: NPY002
    a = coherence.morans_i(NOISE, AT, seed=1)
    np.testing.assert_array_equal(np.random.random(3), expected)  # noqa: NPY002
    assert coherence.morans_i(NOISE, AT, seed=1) == a
    assert coherence.morans_i(NOISE, AT, seed=2)["p_value"] != a["p_value"]


def test_photos_at_one_point_have_a_finite_i():
    assert np.isfinite(coherence.morans_i(NOISE, np.tile(CENTRE, (100, 1)), permutations=9)["morans_i"])


def test_errors_are_averaged_over_seeds_and_a_constant_method_is_flagged():
    errors = pd.DataFrame({
        "photo_id": [f"p{n:03d}" for n in range(100)], "lat_deg": AT[:, 0], "lon_deg": AT[:, 1],
        "method": "clip", "error_m": 10**NOISE,
    })  # fmt: skip
    twice = pd.concat([errors.assign(seed=0), errors.assign(seed=1).sample(frac=1, random_state=0)])
    table = coherence.morans_i_by_method(
        pd.concat([twice, errors.assign(method="mode", error_m=5.0)]), permutations=99, seed=0
    ).set_index("method")
    alone = coherence.morans_i(np.log10(1 + 10**NOISE), AT, permutations=99)
    assert table.morans_i["clip"] == pytest.approx(alone["morans_i"])
    assert table.n["clip"] == 100
    assert "Moran's I is not defined" in table.flag["mode"]
    assert np.isnan(table.morans_i["mode"])
    assert "not defined" in coherence.answer_errors(table.reset_index())


# ---- embeddings ------------------------------------------------------------------------------------------------------
def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def embeddings(noise, seed=0):
    """Unit vectors that are smooth over the grid, with noise; two cities of one grid each."""
    rng = np.random.default_rng(seed)
    smooth = np.stack([np.sin(METRES[:, 0] / 150), np.cos(METRES[:, 0] / 150), np.sin(METRES[:, 1] / 150)], axis=1)
    return unit(np.concatenate([smooth + 2, smooth - 2]) + rng.normal(0, noise, (200, 3)))


PLACES = np.concatenate([AT, AT + np.array([3.0, 0.0])])
CITY = np.repeat(["a", "b"], 100).astype(object)
SETTINGS = dict(model="exponential", max_lag_m=500.0, lag_count=8, seed=0)


@pytest.mark.filterwarnings("error")
def test_less_noise_is_called_smoother_and_each_curve_stands_on_its_own_level():
    vectors = {"frozen": embeddings(0.8), "clip": embeddings(0.1), "sw_clip": embeddings(2.0)}
    lags, summary = coherence.smoothness(vectors, PLACES, CITY, **SETTINGS)
    assert list(summary.columns) == list(coherence.SMOOTHNESS)
    assert lags.method.unique().tolist() == ["frozen", "clip", "sw_clip"]
    said = coherence.answer_smoothness(summary)
    assert "clip smoother" in said
    assert "sw_clip not smoother" in said
    first = lags.groupby("method", sort=False).first()
    np.testing.assert_allclose(first.relative_semivariance, summary.first_lag_share)
    np.testing.assert_allclose(first.semivariance / first.relative_semivariance, summary.between_cities)


def test_pairs_of_different_cities_are_no_pairs_of_a_lag():
    lags, _ = coherence.smoothness({"frozen": embeddings(0.5)}, np.tile(AT, (2, 1)), CITY, **SETTINGS)
    inside = (sphere.pair_distance_m(AT)[np.triu_indices(100, 1)] <= 500 * (1 + 1e-12)).sum()
    assert lags.pairs.sum() == 2 * inside


@pytest.mark.filterwarnings("error")
def test_a_tower_that_gives_every_photo_one_vector_is_not_called_smooth():
    vectors = {"frozen": embeddings(0.5), "clip": np.tile(np.full(3, 1 / np.sqrt(3), np.float32), (200, 1))}
    _, summary = coherence.smoothness(vectors, PLACES, CITY, **SETTINGS)
    assert summary.flag[1] == "no rise with distance"
    assert np.isnan(summary.first_lag_share[1])
    assert "clip has no such share, all its vectors are alike" in coherence.answer_smoothness(summary)


@pytest.mark.filterwarnings("error")
def test_with_one_photo_in_each_city_there_is_nothing_to_tell():
    lags, summary = coherence.smoothness(
        {"frozen": embeddings(0.5)[[0, 100]]}, PLACES[[0, 100]], CITY[[0, 100]], **SETTINGS
    )
    assert len(lags) == 0
    assert summary.flag[0] == "only 0 lags hold pairs, 4 are needed"
    assert coherence.answer_smoothness(summary) == "There are too few pairs of neighbouring test photos to tell."
    assert set(semivariograms.LAGS) <= set(lags.columns)


def test_the_semivariogram_of_errors_rises_where_wrong_lies_beside_wrong_and_is_level_where_it_does_not():
    rng = np.random.default_rng(0)
    east_m = rng.uniform(-1000, 1000, (400, 2))
    at = sphere.from_local_m(east_m, np.array([50.0, 8.0]))
    smooth = 10 ** (2 + np.sin(east_m[:, 0] / 300))
    both = {"smooth": smooth, "dealt": rng.permutation(smooth)}
    errors = pd.concat([
        pd.DataFrame({
            "method": name, "photo_id": np.arange(400), "city": "a", "lat_deg": at[:, 0], "lon_deg": at[:, 1],
            "error_m": error_m,
        })
        for name, error_m in both.items()
    ])  # fmt: skip
    errors = pd.concat([errors.assign(seed=0), errors.assign(seed=1)])  # the mean over seeds is the same
    lags = coherence.semivariograms_of_errors(errors, max_lag_m=800.0, lag_count=8)
    curve = lags.pivot_table(index="lag_from_m", columns="method", values="relative_semivariance")
    assert curve.smooth.iloc[0] < 0.1 < 0.8 < curve.smooth.iloc[-1]
    assert curve.dealt.between(0.8, 1.2).all()
    alike = coherence.semivariograms_of_errors(errors.assign(error_m=5.0), max_lag_m=800.0, lag_count=8)
    assert alike.relative_semivariance.isna().all()


# ---- near and far from what was trained ------------------------------------------------------------------------------
def test_photos_are_parted_by_the_way_to_the_nearest_training_photo_and_by_how_many_lie_around():
    """Training photos in the west alone, and an error that grows with the way to them."""
    train = sphere.from_local_m(np.array([[-50.0, 25.0 * k] for k in range(20)]), CENTRE)
    way_m = sphere.nearest(AT, train)[1]
    table = pd.DataFrame({
        "method": "clip", "photo_id": [str(n) for n in range(100)], "seed": 0, "error_m": 10 * way_m,
        "lat_deg": AT[:, 0], "lon_deg": AT[:, 1], "block": np.arange(100),
    })  # fmt: skip
    found = new_places.by_surroundings(table, train, radius_m=120.0)
    assert found.columns.tolist() == list(new_places.SURROUNDINGS)
    near = found[found.about == "nearest_m"]
    assert near.n.sum() == 100
    assert near.error_m.is_monotonic_increasing
    assert (near.low < near.error_m).all()
    assert (near.error_m < near.high).all()
    many = found[found.about == "count"]
    assert many["to"].max() == (sphere.pair_distance_m(AT, train) < 120).sum(axis=1).max()
    assert many.error_m.is_monotonic_decreasing
    few = new_places.by_surroundings(table.assign(block=0), train, radius_m=120.0)
    assert few.low.isna().all()
    alone = new_places.by_surroundings(table, train, radius_m=1.0)
    assert alone[alone.about == "count"][["from", "to", "n"]].to_numpy().tolist() == [[0, 0, 100]]


# ---- what cannot be computed -----------------------------------------------------------------------------------------
def test_missing_values_do_not_cluster():
    """No comparison with NaN holds, so that p would be the least there is."""
    values = np.where(np.arange(100) == 3, np.nan, NOISE)
    for call in (coherence.morans_i, coherence.lisa):
        with pytest.raises(ValueError, match="1 of 100 values of the values are missing"):
            call(values, AT)
        with pytest.raises(ValueError, match="there are 100 values, 90 positions"):
            call(NOISE, AT[:90])


@pytest.mark.parametrize(("given", "match"), [
    ({"neighbours": 0}, "neighbours 0 must be a whole number of at least 1"),
    ({"permutations": 0}, "permutations 0 must be a whole number of at least 1"),
    ({"permutations": -5}, "permutations -5 must be a whole number of at least 1"),
])  # fmt: skip
def test_counts_that_are_none_are_refused(given, match):
    for call in (coherence.morans_i, coherence.lisa):
        with pytest.raises(ValueError, match=match):
            call(NOISE, AT, **given)


@pytest.mark.parametrize(("given", "match"), [
    ({"radius_m": np.nan}, "radius_m nan must be"), ({"radius_m": np.inf}, "radius_m inf must be"),
])  # fmt: skip
def test_surroundings_without_a_size_are_refused(given, match):
    with pytest.raises(ValueError, match=match):
        new_places.by_surroundings(pd.DataFrame({"method": []}), AT, **given)


@pytest.mark.parametrize("count", [1, 2])
def test_one_photo_or_two_have_curves_without_a_fit_and_an_answer_in_words(count):
    vectors = np.eye(2)[:count]
    given = dict(model="exponential", max_lag_m=1_000.0, lag_count=4, seed=0)
    lags, summary = coherence.smoothness(
        {"frozen": vectors, "clip": vectors}, AT[:count], np.full(count, "a", object), **given
    )
    assert len(lags) in (0, 2)
    assert (summary.flag != "").all()
    assert "too few pairs of neighbouring test photos" in coherence.answer_smoothness(summary.iloc[:0]) or count == 2
    assert isinstance(coherence.answer_smoothness(summary), str)
