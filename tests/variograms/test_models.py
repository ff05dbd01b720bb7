import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geonb.variograms import curves, lags, models
from tests.variograms.drawn_fields import curve_table, planted

FIELD = planted(600.0, nugget=0.01, n=300)
NONE = models.flagged("exponential", "why")


@pytest.mark.parametrize("model", models.MODELS[:3])
@pytest.mark.parametrize("truth", [(300.0, 0.4, 0.1), (700.0, 0.05, 0.6), (500.0, 0.5, 0.0)])
def test_a_fit_to_a_curve_without_noise_finds_what_made_it(model, truth):
    fitted = models.fit(curve_table(model, *truth), model=model)
    found = [fitted[name] for name in ("effective_range_m", "partial_sill", "nugget")]
    assert fitted["flag"] == ""
    truth = (models.effective_range_m(model, truth[:2]), *truth[1:])
    np.testing.assert_allclose(found, truth, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("model", "theta", "share"),
    [  # of the parameter that scikit-gstat calls the effective range: worked by hand from each formula
        ("exponential", [300.0, 1.0], np.log(20) / 3),
        ("gaussian", [300.0, 1.0], np.sqrt(np.log(20)) / 2),
        ("spherical", [300.0, 1.0], 0.8114),
        ("stable", [300.0, 1.0, 1.0], np.log(20) / 3),
        ("matern", [300.0, 1.0, 0.5], np.log(20) / (2 * np.sqrt(2))),
    ],
)
def test_the_effective_range_is_where_95_percent_of_the_partial_sill_are_reached(model, theta, share):
    range_m = models.effective_range_m(model, theta)
    assert range_m == pytest.approx(300 * share, rel=1e-4)
    assert models.semivariance(model, np.array([range_m]), 0.0, theta)[0] == pytest.approx(0.95, rel=1e-6)


@pytest.mark.parametrize("range_m", [300.0, 600.0])
def test_a_planted_exponential_range_is_recovered_from_unit_vectors(range_m):
    """cos of a Gaussian difference: gamma = 1 - exp(-field's gamma), all but the field's own for a deviation of 0.3."""
    drawn = [planted(range_m, seed=seed, nugget=0.01) for seed in range(4)]
    fits = [models.fit(curves.semivariance_by_lag(*photos, max_lag_m=4 * range_m, lag_count=16)) for photos in drawn]
    found = pd.DataFrame(fits)
    assert (found.flag == "").all()
    assert found.effective_range_m.median() == pytest.approx(range_m, rel=0.25)
    assert found.nugget.median() == pytest.approx(0.01, abs=0.012)
    assert found.partial_sill.median() == pytest.approx(0.086, rel=0.25)


def test_a_lag_of_more_pairs_weighs_more():
    table = curve_table("exponential", 300.0, 0.5, 0.1)
    table.loc[20:, "semivariance"] += 0.3
    few, many = (models.fit(table.assign(pairs=np.where(table.index < 20, 100, n)))["partial_sill"]
                 for n in (1, 10_000))  # fmt: skip
    assert few < many - 0.1


@pytest.mark.parametrize(("truth", "flag"), [
    ((5_000.0, 1.0, 0.1), "no sill within the largest lag"),
    ((1e-3, 0.5, 0.0), "no rise with distance"),  # a jump in the first lag
    ((50.0, 0.5, 0.2), "range too short to be resolved: fewer than two lags lie within it"),
    ((300.0, 0.5, 0.2), ""),
])  # fmt: skip
def test_a_range_that_the_lags_do_not_show_is_flagged_instead_of_reported(truth, flag):
    fitted = models.fit(curve_table("exponential", *truth))
    assert fitted["flag"] == flag
    assert np.isfinite(fitted["effective_range_m"]) == (flag == "")


@pytest.mark.parametrize("factor", [1e-6, 1e-4, 1.0, 1e6])
def test_a_curve_that_does_not_rise_is_told_at_every_scale(factor):
    lags = curve_table("exponential", 300.0, 0.4, 0.1)
    lags["semivariance"] = factor**2 * (0.5 + 1e-8 * np.arange(len(lags)))
    assert models.fit(lags)["flag"] == models.fit(lags.assign(semivariance=0.0))["flag"] == "no rise with distance"


@pytest.mark.parametrize(("model", "least"), [("exponential", 4), ("matern", 5)])
def test_lags_as_many_as_parameters_are_too_few_to_fit_and_an_unknown_model_is_refused(model, least):
    table = curve_table("exponential", 300.0, 0.5, 0.1)
    fitted = models.fit(table.assign(pairs=np.where(table.index < least - 1, 1, 0)), model=model)
    assert fitted["flag"] == f"only {least - 1} lags hold pairs, {least} are needed"
    with pytest.raises(ValueError, match="no model 'cubic': there are spherical, exponential, gaussian"):
        models.fit(table, model="cubic")


def test_a_drawn_curve_begins_at_the_nugget_and_a_flagged_fit_is_not_drawn():
    good = {"city": "a"} | models.fit(curve_table("exponential", 300.0, 0.4, 0.1))
    drawn = models.fitted_curves(pd.DataFrame([good, {"city": "b"} | NONE]), max_lag_m=1_000.0)
    assert set(drawn.city) == {"a"}
    np.testing.assert_allclose(drawn.semivariance.iloc[[0, -1]], [0.1, 0.5], atol=1e-3)


def test_the_kernel_of_a_fit_is_what_two_photos_share_and_a_flagged_fit_has_none():
    lag_m, weight = models.kernel_curve(models.fit(curve_table("exponential", 300.0, 0.4, 0.1)))
    np.testing.assert_allclose(weight, 0.8 * np.exp(-3 * lag_m / 300), atol=1e-3)
    assert lag_m[-1] == pytest.approx(2 * 300 * np.log(20) / 3, rel=1e-3)
    with pytest.raises(ValueError, match="no variogram kernel from this fit: why; choose a kernel with a bandwidth"):
        models.kernel_curve(NONE)


def fits_of(factor):
    table = curves.semivariance_by_lag(factor * FIELD[0], FIELD[1], max_lag_m=2_400.0, lag_count=12)
    return [models.fit(table, model=name) for name in models.MODELS[:4]]


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.floats(-6, 6))
def test_features_c_times_as_long_have_sills_c_squared_times_as_high_and_the_same_ranges_and_flags(power):
    for plain, scaled in zip(fits_of(1.0), fits_of(10**power), strict=True):
        assert [scaled[name] for name in ("flag", "nugget_flag")] == [plain[name] for name in ("flag", "nugget_flag")]
        sills = [np.array([fitted["nugget"], fitted["partial_sill"]]) for fitted in (plain, scaled)]
        np.testing.assert_allclose(sills[1] / 10 ** (2 * power), sills[0], rtol=1e-4, atol=1e-5 * sills[0].sum())
        np.testing.assert_allclose(scaled["effective_range_m"], plain["effective_range_m"], rtol=1e-4)


@pytest.mark.skipif("GEONB_REAL_DATA" not in os.environ, reason="GEONB_REAL_DATA is not set: the samples lie there")
def test_the_semivariogram_of_the_meuse_is_gstats():
    real_data = Path(os.environ["GEONB_REAL_DATA"])
    theirs = pd.read_csv(real_data / "geostatistics" / "meuse_logzinc_gstat_variogram.csv")
    samples = pd.read_csv(real_data / "geostatistics" / "meuse.txt", sep=None, engine="python")
    at, values = samples[["x", "y"]].to_numpy(float), np.log(samples.zinc.to_numpy(float))[:, None]
    pairs = lags.pairs(at, lags.edges_m(np.linalg.norm(np.ptp(at, axis=0)) / 3, 15), planar=True)
    ours = curves.lag_table(pairs, curves.half_squares(values, pairs)).iloc[1:]
    np.testing.assert_array_equal(ours.pairs, theirs["np"])
    np.testing.assert_allclose(ours.semivariance, theirs["gamma"], atol=1e-6)
    np.testing.assert_allclose(ours.distance_m, theirs["dist"], rtol=1e-6)


@pytest.mark.skipif("GEONB_REAL_DATA" not in os.environ, reason="GEONB_REAL_DATA is not set: no embeddings of photos")
@pytest.mark.parametrize("folder", ["hund_i_snor", "seoul_jongno"])
def test_real_photos_are_read_and_no_range_is_invented(folder):
    real_data = Path(os.environ["GEONB_REAL_DATA"])
    features = np.load(real_data / folder / "embeddings_mobilenetv2_1280.npy").astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    at = pd.read_csv(real_data / folder / "manifest.csv")[["lat", "lon"]].to_numpy(float)
    lags = curves.semivariance_by_lag(features, at, max_lag_m=2_000.0, lag_count=12)
    fitted = models.fit(lags)
    assert lags.pairs.sum() > 30
    assert 0 < np.average(lags.semivariance.dropna()) < 1
    assert (fitted["flag"] == "") == np.isfinite(fitted["effective_range_m"])
    share = fitted["nugget"] / (fitted["nugget"] + fitted["partial_sill"]) if fitted["theta"] else 1.0
    assert fitted["flag"] != "" or share > 0.3  # honest data: much of the dissimilarity is there at once
