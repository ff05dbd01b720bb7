import numpy as np
import pytest

from experiments.words import ridge_probe
from experiments.words.probe_tables import folds_of

CITY = np.repeat(np.arange(6), 100)


def r2_of(features, targets, blocks):
    predicted = ridge_probe.held_out(features, targets, CITY, folds=3)
    return ridge_probe.r2_table(targets, predicted, CITY, blocks, ["1", "2"])


def test_what_features_hold_is_read_in_cities_that_were_held_out_and_what_they_lack_is_not():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(600, 12))
    own_mean = np.random.default_rng(9).normal(0, 0.5, 6)[CITY]  # of each city: it counts for nothing
    targets = np.stack([2 * features[:, 0] + rng.normal(size=600) + own_mean, rng.normal(size=600)], axis=1)
    table = r2_of(features, targets, np.arange(600) // 20)
    assert table.columns.tolist() == list(ridge_probe.PROBES)
    assert table.r2[0] == pytest.approx(4 / 5, abs=0.08)  # variance explained over variance
    assert -0.1 < table.r2[1] < 0.02
    assert ((table.low < table.r2) & (table.r2 < table.high)).all()


def test_a_probe_never_sees_what_it_predicts():
    """Features that name the photo read nothing: an in-sample fit would read everything."""
    rng = np.random.default_rng(0)
    table = r2_of(rng.normal(size=(600, 400)), rng.normal(size=(600, 2)), CITY)
    assert table.r2.max() < 0.02
    assert table.low.isna().all()  # six cities give no interval


def test_the_mean_of_a_group_counts_for_nothing():
    values = np.random.default_rng(0).normal(size=(600, 2))
    shifted = values + np.arange(6)[CITY][:, None]
    np.testing.assert_allclose(ridge_probe.within(values, CITY), ridge_probe.within(shifted, CITY), atol=1e-12)
    assert np.abs(ridge_probe.within(shifted, CITY).reshape(6, 100, 2).mean(axis=1)).max() < 1e-12
    first = np.arange(600) % 100 < 50  # those that count for the mean
    assert np.abs(ridge_probe.within(shifted, CITY, first)[first].reshape(6, 50, 2).mean(axis=1)).max() < 1e-12


def towns():
    """(metres (n, 2), city (n,), block (n,)) of two towns of 20 x 20 places, 100 m apart, in blocks of 5 x 5."""
    east, north = (axis.ravel() for axis in np.meshgrid(np.arange(20), np.arange(20)))
    city, metres = np.repeat([0, 1], 400), 100.0 * np.column_stack([east, north])
    return np.tile(metres, (2, 1)), city, np.tile(east // 5 * 4 + north // 5, 2) + 100 * city


def probed(layers, metres, city, block, split):
    """The position as layers predict it."""
    fold = folds_of([split], ["position"], city, block, [""] * len(city))[0][split]
    return ridge_probe.probe(layers, {"position": metres}, fold, city, around_city=("position",))["position"]


def position_r2(*asked):
    found = probed(*asked)
    return ridge_probe.r2([ridge_probe.squares(found.predicted, found.truth)])


def test_the_path_of_penalties_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    x, y, z = rng.normal(size=(80, 12)) @ rng.normal(size=(12, 12)), rng.normal(size=(80, 3)), rng.normal(size=(9, 12))
    x[:, 3] = 1.0  # a constant feature breaks nothing
    for penalty, found in zip(ridge_probe.PENALTIES, ridge_probe.ridge_path(x, y, z), strict=True):
        np.testing.assert_allclose(found, ridge_probe.ridge(penalty).fit(x, y).predict(z), atol=1e-9)


def test_the_chosen_penalty_is_that_of_ridgecv_with_the_same_folds():
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import PredefinedSplit
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(3)
    x = StandardScaler().fit_transform(rng.normal(size=(300, 40)))
    y = x[:, :3].sum(axis=1) + 3 * rng.normal(size=300)
    fold, penalties = np.arange(300) % 5, ridge_probe.PENALTIES
    theirs = RidgeCV(penalties, cv=PredefinedSplit(fold), scoring="neg_mean_squared_error").fit(x, y)
    assert penalties[ridge_probe._inner_costs(x, y[:, None], fold).argmin()] == theirs.alpha_


@pytest.mark.parametrize("split", ["random", "blocked", "other_drive"])
def test_features_that_hold_the_coordinates_give_them_back_and_white_ones_tell_nothing(split):
    metres, city, block = towns()
    rotated = np.column_stack([metres @ np.array([[0.6, -0.8], [0.8, 0.6]]) + 1000.0 * city[:, None], city])
    assert position_r2([rotated], metres, city, block, split) > 0.999
    white = [np.random.default_rng(draw).normal(size=(len(city), 16)) for draw in range(20)]
    assert abs(np.mean([position_r2([features], metres, city, block, split) for features in white])) < 0.02


def test_the_layer_is_chosen_by_the_training_folds():
    rng = np.random.default_rng(0)
    metres, city, block = towns()
    noise = rng.normal(size=(len(city), 8))
    found = probed([noise, metres + rng.normal(size=metres.shape), noise], metres, city, block, "blocked")
    assert (found.chosen == 1).all()
    np.testing.assert_array_equal(found.predicted, found.by_layer[1])


def test_an_interval_holds_its_value_and_few_blocks_give_none():
    rng, blocks = np.random.default_rng(0), np.repeat(np.arange(30), 10)
    squares = np.stack([rng.normal(0.5, 0.05, (2, 300)), np.ones((2, 300))], axis=1)
    value, low, high = ridge_probe.interval(ridge_probe.r2, [squares], blocks)
    assert value == pytest.approx(0.5, abs=0.01)
    assert low < value < high < low + 0.05
    assert np.isnan(ridge_probe.interval(ridge_probe.r2, [squares], blocks // 10)[1:]).all()


def test_few_dimensions_suffice_where_few_carry_it():
    features = np.random.default_rng(0).normal(size=(40_000, 20))
    needed = ridge_probe.dimensions_needed(features, features[:, [3, 7]], np.arange(40_000) % 5, [0.05, 1.0])
    assert (needed > 0.99).all()  # one of twenty, another for each target


def parted(turned):
    """Two cities of 4,000 photos: the target is the first feature in one, in the other the first or the second."""
    features, city = np.random.default_rng(0).normal(size=(8000, 10)), np.repeat(["a", "b"], 4000)
    target = np.where(city == "a", features[:, 0], features[:, 1 if turned else 0]) + 5.0 * (city == "b")
    return features, target[:, None], city, np.arange(8000) // 20


@pytest.mark.parametrize("turned", [False, True])
def test_coefficients_agree_between_parts_where_the_same_feature_tells(turned):
    own, other, count = ridge_probe.same_directions(*parted(turned))
    assert (count, own[0] > 0.99, other[0] > 0.99, abs(other[0]) < 0.2) == (2, True, not turned, turned)


def test_coefficients_of_noise_agree_nowhere_and_parts_of_few_photos_are_left_out():
    features, targets, city, block = (values[3600:4400] for values in parted(turned=False))
    noise = np.random.default_rng(1).normal(size=(800, 50))
    own, other, _ = ridge_probe.same_directions(features, noise, city, block)
    assert max(abs(own.mean()), abs(other.mean())) < 0.1
    few = ridge_probe.same_directions(features, targets, np.where(np.arange(800) < 740, "a", "b"), block)
    assert few[2] == 1
    assert np.isnan(few[:2]).all()


def test_shares_and_groups_that_cannot_be_are_refused():
    features, targets, fold = np.ones((9, 3)), np.ones((9, 1)), np.arange(9) % 3
    for share in (0.0, np.nan, 1.5):
        with pytest.raises(ValueError, match=f"shares {share} must be a finite number above 0 and at most 1"):
            ridge_probe.dimensions_needed(features, targets, fold, [share])
    with pytest.raises(ValueError, match="at least 3 groups that can be held out, there are 2"):
        ridge_probe.held_out(features, targets, fold // 2)
