import dataclasses

import numpy as np
import pytest

from simcities import fields

NAMES = ("stone", "paving", "leaves")


def of(**given):
    """A fields.Planted of NAMES without trends, but for what is given."""
    return fields.Planted(**{"range_m": (200.0, 120.0, 300.0), "trend_share": (0.0,) * 3, "names": NAMES} | given)


PLANTED = of(nugget=0.15)
HALF_M = 450.0
LAGS_M = (0.0, 30.0, 60.0, 100.0, 150.0, 225.0, 300.0, 450.0)


def test_the_planted_semivariogram_runs_from_the_nugget_share_to_one():
    assert fields.planted_semivariogram(PLANTED, [1e-9, 1e9]) == pytest.approx([0.15 / 1.15, 1])
    assert fields.planted_semivariogram(of(nugget=0.0, sill=3.0), [1e-9])[0] == pytest.approx(0, abs=1e-9)
    assert fields.planted_semivariogram(of(range_m=(0.0,) * 3), [0.01]) == pytest.approx([1])


@pytest.mark.parametrize(("model", "rise"), [
    ("exponential", lambda x: 1 - np.exp(-3 * x)), ("gaussian", lambda x: 1 - np.exp(-4 * x**2)),
    ("spherical", lambda x: np.where(x < 1, 1.5 * x - 0.5 * x**3, 1)),
    ("matern", lambda x: 1 - (1 + 4.7439 * x) * np.exp(-4.7439 * x)),  # 0.95 at its effective range, where x is 1
])  # fmt: skip
def test_the_models_are_their_formulas_of_the_distance_over_the_effective_range(model, rise):
    planted, h = of(range_m=(120.0,) * 3, nugget=0.2, sill=2.0, model=model), np.geomspace(1e-3, 5_000, 200)
    found = fields.planted_semivariogram(planted, h)
    np.testing.assert_allclose(found, (0.2 + 2 * rise(h / 120)) / 2.2, atol=1e-5)
    assert (np.diff(found) >= -1e-12).all()
    assert found.max() <= 1 + 1e-12


@pytest.mark.parametrize(("wrong", "match"), [
    ({"nugget": -0.1}, f"nugget -0.1 and city_mean_sd {fields.CITY_MEAN_SD} must be at least 0"),
    ({"nugget": float("nan")}, "nugget nan"),
    ({"city_mean_sd": -1.0}, "city_mean_sd -1.0 must be at least 0"),
    ({"sill": 0.0}, "sill 0.0 must be above 0"),
    ({"trend_share": (0.51, 0.0, 0.0)}, "trend_share needs a number of 0 to 0.5 for each of 3 fields"),
    ({"trend_share": (-0.01, 0.0, 0.0)}, "trend_share needs a number of 0 to 0.5"),
    ({"trend_share": (0.1, 0.1)}, "trend_share needs a number of 0 to 0.5 for each of 3 fields"),
    ({"model": "linear"}, "no model 'linear'; there are exponential, spherical"),
    ({"range_m": (100.0,) * 4}, "range_m needs 3 numbers of at least 0"),
    ({"range_m": (-1.0, 100.0, 100.0)}, "range_m needs 3 numbers of at least 0"),
])  # fmt: skip
def test_what_can_be_planted_can_be_written_down_and_read_again_and_what_cannot_is_named(wrong, match):
    planted = of(range_m=(50.0,) * 3, model="gaussian")
    assert fields.Planted(**planted.as_dict()) == planted
    with pytest.raises(ValueError, match=match):
        fields.Planted(**planted.as_dict() | wrong)


@pytest.mark.slow
@pytest.mark.parametrize("model", sorted(fields.MODELS))
def test_drawn_fields_have_the_planted_semivariogram_at_every_lag_from_one_cell_on(model):
    """The mean over many fields of half the mean square of differences, along both axes and a diagonal."""
    planted = of(model=model, sill=2.0)
    rng = np.random.default_rng(0)
    layers = np.stack([fields.one_field(planted, 150.0, 80, rng) for _ in range(150)])
    assert layers.var() + layers.mean() ** 2 == pytest.approx(2, rel=0.06)
    for lag in (1, 2, 5, 15, 30):
        for a, b, apart in (
            (layers[:, lag:], layers[:, :-lag], 1.0), (layers[:, :, lag:], layers[:, :, :-lag], 1.0),
            (layers[:, lag:, lag:], layers[:, :-lag, :-lag], np.sqrt(2)),
        ):  # fmt: skip
            expected = fields.model_semivariogram(planted, 150.0, np.array([apart * lag * fields.GRID_STEP_M]))[0]
            assert ((a - b) ** 2).mean() / 2 == pytest.approx(expected, rel=0.08)


def test_the_curve_of_a_field_holds_the_trend_and_is_missing_where_no_pair_is():
    planted = of(range_m=(0.0,) * 3, trend_share=(0.1,) * 3)
    at = np.array([[0.0, 0.0], [0.0, 400.0], [0.0, 405.0]])
    curve = fields.field_semivariogram(planted, HALF_M, "paving", at, (0.0, 10.0, 100.0, 500.0))
    assert np.isnan(curve[1])
    drift = fields.trend(planted, HALF_M, at, "paving")
    assert curve[0] == pytest.approx(1 + (drift[1] - drift[2]) ** 2 / 2)
    assert curve[2] == pytest.approx(1 + ((drift[0] - drift[1]) ** 2 + (drift[0] - drift[2]) ** 2) / 4)
    with pytest.raises(ValueError, match="1 positions have no pair"):
        fields.field_semivariogram(planted, HALF_M, "paving", at[:1], LAGS_M)


def test_of_too_many_pairs_a_repeatable_sample_is_taken(monkeypatch):
    at = np.random.default_rng(0).uniform(-HALF_M, HALF_M, (300, 2))
    whole = fields.field_semivariogram(PLANTED, HALF_M, "stone", at, LAGS_M[3:])
    monkeypatch.setattr(fields, "PAIRS_AT_MOST", 20_000)
    first, second = fields.pairs(300)
    assert (first < second).all()
    assert len({*zip(first.tolist(), second.tolist(), strict=True)}) == 20_000
    assert np.bincount(np.concatenate([first, second])).min() > 90  # of 133: the last ones too
    sample = fields.field_semivariogram(PLANTED, HALF_M, "stone", at, LAGS_M[3:])
    np.testing.assert_allclose(sample, whole, rtol=0.02)
    np.testing.assert_array_equal(fields.field_semivariogram(PLANTED, HALF_M, "stone", at, LAGS_M[3:]), sample)


def test_the_trend_has_its_share_of_variance_over_a_city_and_a_sign_of_its_own_in_each():
    at = np.random.default_rng(0).uniform(-HALF_M, HALF_M, (200_000, 2))
    slope = fields.trend(of(trend_share=(0.1,) * 3, sill=2.0), HALF_M, at, "stone")
    assert slope.mean() == pytest.approx(0, abs=2e-3)
    assert slope.var() == pytest.approx(0.2, rel=0.01)
    seen = set()
    for seed in range(6):
        with_trend, without = (
            fields.draw(of(trend_share=(share,) * 3), HALF_M, np.random.default_rng(seed)) for share in (0.1, 0.0)
        )
        seen |= set(np.sign((with_trend - without)[:, 0, 0]))
        np.testing.assert_allclose(np.abs(with_trend - without)[:, 0, 0], np.sqrt(0.1) * 2.2, rtol=0.1)
    assert seen == {-1.0, 1.0}


def test_cities_differ_in_their_means_as_planted():
    flat = of(range_m=(0.0,) * 3, city_mean_sd=0.8)
    means = [fields.draw(flat, 200.0, np.random.default_rng(seed)).mean(axis=(1, 2)) for seed in range(200)]
    assert np.std(means) == pytest.approx(0.8, rel=0.07)
    assert np.mean(means) == pytest.approx(0, abs=0.08)
    alike = fields.draw(dataclasses.replace(flat, city_mean_sd=0.0), 200.0, np.random.default_rng(0))
    assert np.abs(alike.mean(axis=(1, 2))).max() < 0.1


def test_a_range_of_zero_plants_values_that_know_nothing_of_their_neighbours():
    planted = of(range_m=(0.0, 200.0, 200.0), city_mean_sd=0.0)
    layers = fields.draw(planted, 300.0, np.random.default_rng(0))
    beside = [np.corrcoef(layer[1:].ravel(), layer[:-1].ravel())[0, 1] for layer in layers]
    assert abs(beside[0]) < 0.06
    assert min(beside[1:]) > 0.7
    assert layers[0].var() == pytest.approx(1, rel=0.06)


def test_a_value_is_that_of_the_cell_with_east_in_columns_and_north_in_rows():
    layers = np.arange(400.0).reshape(1, 20, 20)
    at = [[-99.0, -99.0], [-85.0, -99.0], [-99.0, -85.0], [500.0, -500.0]]
    assert fields.value_at(layers, 100.0, at)[:, 0].tolist() == [0, 1, 20, 19]


@pytest.mark.parametrize("group", [fields.HOUSES, fields.STREETS])
def test_ranges_spread_evenly_in_logarithms_from_sixty_metres_to_one_and_a_half_kilometres(group):
    range_m = np.sort([metres for metres, _ in group.values()])
    assert range_m[[0, -1]].tolist() == [60.0, 1500.0]
    steps = np.diff(np.log(range_m))
    assert steps.max() < 1.3 * np.log(25) / len(steps)
    assert steps.min() > 0.7 * np.log(25) / len(steps)


def test_traits_are_independent_of_each_other():
    planted = fields.planted(range_scale=0.02, trend_scale=0.0)
    drawn = [fields.draw(planted, 200.0, np.random.default_rng(seed)).reshape(28, -1) for seed in range(40)]
    means = np.stack([layers.mean(axis=1) for layers in drawn])
    within = np.concatenate([layers - layers.mean(axis=1, keepdims=True) for layers in drawn], axis=1)
    off = ~np.eye(28, dtype=bool)
    assert np.abs(np.corrcoef(within)[off]).max() < 0.04
    assert np.abs(np.corrcoef(means.T)[off]).max() < 0.65  # of 40 cities
    np.testing.assert_allclose(means.std(axis=0).mean(), fields.CITY_MEAN_SD, rtol=0.1)


def test_scales_multiply_the_ranges_and_trends_of_all_traits_and_zero_plants_none():
    half, whole = fields.planted(range_scale=0.5, trend_scale=0.5), fields.planted()
    assert half.range_m == tuple(0.5 * range_m for range_m in whole.range_m)
    assert half.trend_share[whole.names.index("trees")] == 0.25
    assert set(fields.planted(range_scale=0.0, trend_scale=0.0).range_m) == {0.0}
