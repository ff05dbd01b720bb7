import gstools
import numpy as np
import pandas as pd
import pytest

from geonb.earth import sphere
from geonb.variograms import fitted_ranges
from tests.variograms.drawn_fields import CENTRE, planted, toy

CITY = np.full(60, "a", object)


def reading(*names, max_lag_m=1_500.0, lag_count=15, block_size_m=400.0, **changes):
    """A Reading with few draws."""
    few = {"replicates": 30, "range_replicates": 20, "permutations": 99} | changes
    return fitted_ranges.Reading(names or ("exponential",), max_lag_m, lag_count, block_size_m, **few)


def test_held_out_blocks_prefer_the_model_that_made_the_field_at_any_scale_of_the_features():
    rng, metres = np.random.default_rng(0), np.random.default_rng(1).uniform(0, 2_000, (900, 2))
    model = gstools.Gaussian(dim=2, var=1.0, len_scale=300.0, nugget=0.0)
    values = np.stack([gstools.SRF(model, mode_no=500, seed=k)(metres.T) for k in range(6)], axis=1)
    values += 0.05 * rng.normal(size=values.shape)
    at, city = sphere.from_local_m(metres, CENTRE), np.full(900, "a", object)
    asked = reading("exponential", "gaussian", max_lag_m=900.0, lag_count=12, block_size_m=500.0)
    table, scaled = (fitted_ranges.choose_model(factor * values, at, city, asked) for factor in (1.0, 1e-5))
    assert table.model.tolist() == scaled.model.tolist() == ["gaussian", "exponential"]
    assert table.error.is_monotonic_increasing
    np.testing.assert_allclose(table.error, scaled.error, rtol=1e-3)


def test_a_single_photo_makes_no_choice_and_says_so():
    features, at = toy(n=1)
    table = fitted_ranges.choose_model(features, at, CITY[:1], reading("spherical", "gaussian"))
    assert list(table) == list(fitted_ranges.CHOICE)
    assert table.flag.tolist() == ["only 1 photos, 2 are needed"] * 2
    assert np.isnan(table.error).all()
    lags, fits = fitted_ranges.readings(features, at, CITY[:1], "spherical", reading())
    assert fits.flag.tolist() == ["only 1 photos, fewer than 30"]
    assert lags.empty


def test_readings_hold_curve_interval_envelope_and_range_of_every_city():
    _, at = planted(400.0, n=350, side_m=2_000.0)
    metres = sphere.to_local_m(at, CENTRE).T
    model = gstools.Exponential(dim=2, var=1.0, len_scale=400.0 / 3)
    features = np.stack([gstools.SRF(model, mode_no=300, seed=k)(metres) for k in range(8)], axis=1)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    city = np.array(["a"] * 300 + ["b"] * 30 + ["c"] * 20, object)
    asked = reading(max_lag_m=1_000.0, lag_count=8, block_size_m=300.0)
    share = lambda h: (0.15 + 1 - np.exp(-3 * np.asarray(h) / 300)) / 1.15  # noqa: E731
    lags, fits = fitted_ranges.readings(features, at, city, "exponential", asked, share)
    assert (list(lags.columns), list(fits.columns)) == (list(fitted_ranges.CITY_LAGS), list(fitted_ranges.CITY_FITS))
    big = lags[(lags.city == "a") & (lags.pairs > 0)]
    assert ((big.low <= big.semivariance * 1.02) & (big.semivariance <= big.high * 1.02)).all()
    assert big.structure.any()
    a, _, c = fits.itertuples()
    assert a.flag == ""
    assert a.range_low_m < a.effective_range_m < a.range_high_m
    planted_rise = 1 - np.exp(-3 * big.distance_m / 300)
    np.testing.assert_allclose(big.planted, a.nugget + a.partial_sill * planted_rise, rtol=1e-5)
    assert c.flag == "only 20 photos, fewer than 30"
    assert set(lags.city) == {"a", "b"}
    shuffled = np.random.default_rng(0).permutation(300)
    lags, nothing = fitted_ranges.readings(features[shuffled], at[:300], city[:300], "exponential", asked)
    assert nothing.flag[0] != ""
    assert np.isnan(nothing.effective_range_m[0])
    assert lags.planted.isna().all()


@pytest.mark.filterwarnings("error")
def test_where_no_structure_was_planted_the_planted_shape_is_flat_at_the_sill():
    lags, fitted = pd.DataFrame({"distance_m": [np.nan, 50.0, 150.0]}), {"nugget": 0.2, "partial_sill": 0.3}
    np.testing.assert_allclose(fitted_ranges.planted_shape(lags, fitted, lambda h: np.ones(len(h))), 0.5)


def test_a_pilot_district_is_one_of_several_of_its_city():
    city = np.array([*"aaaabbc"], object)
    district = np.array(["n", "n", "s", "", "x", "x", ""], object)
    drawn = {tuple(np.flatnonzero(fitted_ranges.pilot_districts(city, district, seed=seed))) for seed in range(9)}
    assert drawn == {(0, 1), (2,)}


def test_the_yardstick_is_the_range_in_the_pilots_rounded_or_the_studys_own_and_why():
    features, at = planted(420.0, n=800, side_m=3_000.0)
    city, pilot, asked = np.full(800, "a", object), np.arange(800) < 700, reading("exponential", "gaussian")
    table, _, fits = fitted_ranges.of_pilots(features, at, city, pilot, asked)
    row = table.iloc[0]
    assert list(row.index) == list(fitted_ranges.YARDSTICK)
    assert row.flag == fits.flag[0] == ""
    assert row.length_m == 50 * round(row.range_m / 50)
    other = features.copy()
    other[~pilot] *= -1
    again = fitted_ranges.of_pilots(other, at, city, pilot, asked)[0]
    pd.testing.assert_frame_equal(again, table, check_exact=True)  # only pilots are read
    few, lags, fits = fitted_ranges.of_pilots(features, at, city, np.arange(800) < 299, asked)
    assert (few.length_m[0], few.flag[0]) == (400.0, "only 299 photos in pilot districts, fewer than 300")
    assert (len(lags), fits.city.tolist()) == (0, [fitted_ranges.ALL_PILOTS])


def test_the_pilots_of_some_cities_are_fitted_without_the_others():
    features, at = planted(420.0, n=900, side_m=3_000.0)
    city, pilot = np.repeat(["a", "b", "c"], 300).astype(object), np.ones(900, bool)
    _, lags, fits = fitted_ranges.of_pilots(features, at, city, pilot, reading())
    assert fits.city.tolist() == [fitted_ranges.ALL_PILOTS, "a", "b", "c"]
    everyone = fitted_ranges.fit_of_pilots(lags, fits, ["a", "b", "c"])
    assert everyone["effective_range_m"] == pytest.approx(fits.effective_range_m[0])
    other = features.copy()
    other[600:] *= -3.0 * np.random.default_rng(0).random((300, 1))  # what c's pilots show
    changed = fitted_ranges.of_pilots(other, at, city, pilot, reading())[1]
    told, same = (fitted_ranges.fit_of_pilots(table, fits, ["a", "b"]) for table in (lags, changed))
    assert told == same != everyone
    assert told["model"] == "exponential"
    flagged = fitted_ranges.fit_of_pilots(lags, fits.assign(flag=["no range", "", "", ""]), ["a", "b"])
    assert flagged["flag"] == "no range"


@pytest.mark.parametrize(("changes", "match"), [
    ({"replicates": 0}, "replicates 0 must be .* at least 10"),
    ({"range_replicates": 0}, "range_replicates 0 must be .* at least 10"),
    ({"permutations": 0}, "permutations 0 must be .* at least 19"),
    ({"lag_count": 100_000}, "lag_count 100000 must be"),
    ({"max_lag_m": np.nan}, "max_lag_m nan must be"),
    ({"block_size_m": -1.0}, "block_size_m -1.0 must be"),
    ({"models": ()}, "models must name at least one model: there are spherical"),
])  # fmt: skip
def test_a_reading_of_what_is_none_is_refused_with_its_bound(changes, match):
    given = {"models": ("exponential",), "max_lag_m": 800.0, "lag_count": 8, "block_size_m": 400.0} | changes
    with pytest.raises(ValueError, match=match):
        fitted_ranges.readings(*toy(), CITY, "exponential", fitted_ranges.Reading(**given))


def test_features_and_positions_of_different_length_are_refused():
    with pytest.raises(ValueError, match=r"there are 60 features, 60 positions, 59 city"):
        fitted_ranges.readings(*toy(), CITY[1:], "exponential", reading())
