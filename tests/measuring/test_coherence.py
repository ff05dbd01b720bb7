"""Do errors cluster, and is what is alike near: Moran's I, semivariograms of errors and embeddings."""

import numpy as np
import pandas as pd
import pytest

from geonb.earth import sphere
from geonb.measuring import coherence, new_places

CENTRE = np.array([50.7374, 7.0982])
METRES = np.stack(np.meshgrid(np.arange(10), np.arange(10)), -1).reshape(-1, 2) * 50.0
AT = sphere.from_local_m(METRES, CENTRE)
SMOOTH = METRES.sum(axis=1)
STRIPES = (METRES[:, 0] / 50) % 2
NOISE = np.random.default_rng(0).normal(size=100)


def test_morans_i_equals_its_formula():
    """I = sum_i z_i (mean of z over the k nearest) / sum_i z_i^2 (Moran 1950, row-standardised weights)."""
    at = AT + np.random.default_rng(1).uniform(-2e-4, 2e-4, AT.shape)  # no ties among neighbours
    apart = sphere.pair_distance_m(at)
    np.fill_diagonal(apart, np.inf)
    z = NOISE - NOISE.mean()
    lagged = [z[np.argsort(row)[:8]].mean() for row in apart]
    found, of_others = (coherence.morans_i(values, at, permutations=9) for values in (NOISE, -3 * NOISE + 7))
    assert found["morans_i"] == pytest.approx((z * lagged).sum() / (z * z).sum(), rel=1e-9)
    assert found["expected"] == pytest.approx(-1 / 99)
    assert found["morans_i"] == pytest.approx(of_others["morans_i"])
    assert np.isfinite(coherence.morans_i(NOISE, np.tile(CENTRE, (100, 1)), permutations=9)["morans_i"])


def test_p_of_local_moran_is_that_of_esda():
    values, weights = coherence.checked(NOISE, AT, 9)
    p = coherence.local_p(values - values.mean(), weights.sparse, 9999, np.random.default_rng(0))
    esda = [0.175, 0.289, 0.054, 0.078, 0.439, 0.319, 0.141, 0.196]  # Moran_Local of esda 2.9, 99,999 permutations
    np.testing.assert_allclose(p[:8], esda, atol=0.01)


def test_what_clusters_has_a_small_p_and_neighbours_that_are_unlike_a_large_one():
    found = coherence.morans_i(SMOOTH, AT)
    assert found["morans_i"] > 0.7
    assert found["p_value"] == pytest.approx(0.001)
    unlike = coherence.morans_i(STRIPES, AT)
    assert unlike["morans_i"] < -0.25
    assert unlike["p_value"] > 0.99
    assert "no clustering shown" in coherence.answer_errors(pd.DataFrame([unlike | {"method": "clip", "flag": ""}]))


def test_noise_has_no_small_p_more_often_than_it_should():
    rng = np.random.default_rng(2)
    p = [coherence.morans_i(rng.normal(size=100), AT, permutations=99, seed=s)["p_value"] for s in range(60)]
    assert np.mean(np.array(p) <= 0.05) < 0.15
    assert 0.35 < np.mean(p) < 0.65


def test_the_seed_decides_and_numpys_global_stream_is_left_as_it_was():
    np.random.seed(42)  # noqa: NPY002  the global stream is what is tested
    expected = np.random.random(3)  # noqa: NPY002
    np.random.seed(42)  # noqa: NPY002
    a = coherence.morans_i(NOISE, AT, seed=1)
    np.testing.assert_array_equal(np.random.random(3), expected)  # noqa: NPY002
    assert coherence.morans_i(NOISE, AT, seed=1) == a
    assert coherence.morans_i(NOISE, AT, seed=2)["p_value"] != a["p_value"]


@pytest.mark.parametrize("call", [coherence.morans_i, coherence.lisa])
@pytest.mark.parametrize(("values", "at", "given", "match"), [
    (np.full(100, 3), AT, {}, "all 100 values are 3.0: Moran's I is not defined"),
    (NOISE[:9], AT[:9], {}, "over 8 neighbours needs 10 photos, there are 9"),
    (np.where(np.arange(100) == 3, np.nan, NOISE), AT, {}, "1 of 100 values of the values are missing"),
    (NOISE, AT[:90], {}, "there are 100 values, 90 positions"),
    (NOISE, AT, {"permutations": 0}, "permutations 0 must be a whole number of at least 1"),
])  # fmt: skip
def test_what_cannot_cluster_is_refused_by_name(call, values, at, given, match):
    with pytest.raises(ValueError, match=match):
        call(values, at, **given)


def test_errors_are_averaged_over_seeds_and_a_constant_method_is_flagged():
    errors = pd.DataFrame({
        "photo_id": [f"p{n:03d}" for n in range(100)], "lat_deg": AT[:, 0], "lon_deg": AT[:, 1], "city": "a",
        "method": "clip", "error_m": 10 ** (SMOOTH / 300),
    })  # fmt: skip
    twice = pd.concat([errors.assign(seed=0), errors.assign(seed=1).sample(frac=1, random_state=0)])
    constant = errors.assign(method="mode", error_m=5.0)
    table = coherence.morans_i_by_method(pd.concat([twice, constant]), permutations=99, seed=0).set_index("method")
    alone = coherence.morans_i(np.log10(1 + 10 ** (SMOOTH / 300)), AT, permutations=99)
    assert table.morans_i["clip"] == pytest.approx(alone["morans_i"])
    assert table.n["clip"] == 100
    assert np.isnan(table.morans_i["mode"])
    assert "Moran's I is not defined" in coherence.answer_errors(table.reset_index())
    shown = coherence.clusters(twice, permutations=99, seed=0).kind.to_numpy()
    assert (shown[0], shown[99]) == ("right beside right", "wrong beside wrong")
    assert set(coherence.clusters(constant, permutations=99, seed=0).kind) == {"not shown"}


def embeddings(noise):
    """Unit vectors that are smooth over the grid, with noise; two cities of one grid each."""
    smooth = np.stack([np.sin(METRES[:, 0] / 150), np.cos(METRES[:, 0] / 150), np.sin(METRES[:, 1] / 150)], axis=1)
    vectors = np.concatenate([smooth + 2, smooth - 2]) + np.random.default_rng(0).normal(0, noise, (200, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


PLACES = np.concatenate([AT, AT + np.array([3.0, 0.0])])
CITY = np.repeat(["a", "b"], 100).astype(object)


def smoothness(vectors, at=PLACES, city=CITY):
    return coherence.smoothness(vectors, at, city, model="exponential", max_lag_m=500.0, lag_count=8, seed=0)


@pytest.mark.filterwarnings("error")
def test_less_noise_is_called_smoother_and_each_curve_stands_on_its_own_level():
    alike = np.tile(np.full(3, 1 / np.sqrt(3), np.float32), (200, 1))
    vectors = {"frozen": embeddings(0.8), "clip": embeddings(0.1), "sw_clip": embeddings(2.0), "one": alike}
    lags, summary = smoothness(vectors)
    assert list(summary.columns) == list(coherence.SMOOTHNESS)
    said = coherence.answer_smoothness(summary)
    assert "clip smoother" in said
    assert "sw_clip not smoother" in said
    assert "one of vectors that are all alike (nan)" in said
    assert summary.flag[3] == "no rise with distance"
    first = lags.groupby("method", sort=False).nth(0)
    np.testing.assert_allclose(first.relative_semivariance, summary.first_lag_share)
    np.testing.assert_allclose(first.semivariance / first.relative_semivariance, summary.between_cities)


def test_pairs_of_different_cities_are_no_pairs_of_a_lag():
    lags, _ = smoothness({"frozen": embeddings(0.5)}, np.tile(AT, (2, 1)))
    inside = (sphere.pair_distance_m(AT)[np.triu_indices(100, 1)] <= 500 * (1 + 1e-12)).sum()
    assert lags.pairs.sum() == 2 * inside


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("chosen", [[0], [0, 100], [0, 1]])
def test_one_photo_or_two_have_no_fit_and_an_answer_in_words(chosen):
    vectors = np.eye(3)[: len(chosen)]
    lags, summary = smoothness({"frozen": vectors, "clip": vectors}, PLACES[chosen], CITY[chosen])
    pairs = chosen == [0, 1]
    assert len(lags) == 2 * pairs
    assert summary.flag[0] == f"only {pairs:d} lags hold pairs, 4 are needed"
    assert ("too few pairs of neighbouring test photos" in coherence.answer_smoothness(summary)) == (not pairs)


def test_the_semivariogram_of_errors_rises_where_wrong_lies_beside_wrong_and_is_level_where_it_does_not():
    rng = np.random.default_rng(0)
    east_m = rng.uniform(-1000, 1000, (400, 2))
    at = sphere.from_local_m(east_m, np.array([50.0, 8.0]))
    smooth = 10 ** (2 + np.sin(east_m[:, 0] / 300))
    errors = pd.concat([
        pd.DataFrame({
            "method": name, "photo_id": np.arange(400), "city": "a", "lat_deg": at[:, 0], "lon_deg": at[:, 1],
            "error_m": error_m, "seed": seed,
        })
        for name, error_m in {"smooth": smooth, "permuted": rng.permutation(smooth)}.items()
        for seed in (0, 1)  # the mean over seeds is the same
    ])  # fmt: skip
    lags = coherence.semivariograms_of_errors(errors, max_lag_m=800.0, lag_count=8)
    curve = lags.pivot_table(index="lag_from_m", columns="method", values="relative_semivariance")
    assert curve.smooth.iloc[0] < 0.1 < 0.8 < curve.smooth.iloc[-1]
    assert curve.permuted.between(0.8, 1.2).all()
    alike = coherence.semivariograms_of_errors(errors.assign(error_m=5.0), max_lag_m=800.0, lag_count=8)
    assert alike.relative_semivariance.isna().all()


def test_photos_are_parted_by_the_way_to_the_nearest_training_photo_and_by_how_many_lie_around():
    """Training photos in the west alone, and an error that grows with the way to them."""
    train = sphere.from_local_m(np.array([[-50.0, 25.0 * k] for k in range(20)]), CENTRE)
    table = pd.DataFrame({
        "method": "clip", "photo_id": [str(n) for n in range(100)], "seed": 0, "lat_deg": AT[:, 0],
        "lon_deg": AT[:, 1], "block": np.arange(100), "error_m": 10 * sphere.nearest(AT, train)[1],
    })  # fmt: skip
    found = new_places.by_surroundings(table, train, radius_m=120.0)
    assert found.columns.tolist() == list(new_places.SURROUNDINGS)
    near, many = (found[found.about == about] for about in ("nearest_m", "count"))
    assert near.n.sum() == 100
    assert near.error_m.is_monotonic_increasing
    assert ((near.low < near.error_m) & (near.error_m < near.high)).all()
    assert many["to"].max() == (sphere.pair_distance_m(AT, train) < 120).sum(axis=1).max()
    assert many.error_m.is_monotonic_decreasing
    assert new_places.by_surroundings(table.assign(block=0), train, radius_m=120.0).low.isna().all()
    alone = new_places.by_surroundings(table, train, radius_m=1.0)
    assert alone[alone.about == "count"][["from", "to", "n"]].to_numpy().tolist() == [[0, 0, 100]]
    with pytest.raises(ValueError, match="radius_m nan must be"):
        new_places.by_surroundings(table, train, radius_m=np.nan)
