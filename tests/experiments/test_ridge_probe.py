import numpy as np
import pytest

from experiments.words import ridge_probe

CITY = np.repeat(np.arange(6), 100)


def told(rng, strength=1.0):
    """(features, targets): the first target is told by the features as strongly as asked, the second not at all."""
    features = rng.normal(size=(600, 12))
    own_mean = np.random.default_rng(9).normal(0, 0.5, 6)[CITY]  # of each city: it counts for nothing
    first = strength * features[:, 0] + rng.normal(size=600) + own_mean
    return features, np.stack([first, rng.normal(size=600)], axis=1)


def test_what_features_hold_is_read_in_cities_that_were_held_out_and_what_they_lack_is_not():
    features, targets = told(np.random.default_rng(0), strength=2.0)
    predicted = ridge_probe.held_out(features, targets, CITY)
    table = ridge_probe.r2_table(targets, predicted, CITY, np.arange(600) // 20, ["first", "second"])
    assert table.columns.tolist() == list(ridge_probe.PROBES)
    first, second = table.r2
    assert first == pytest.approx(4 / 5, abs=0.08)  # variance told over variance
    assert -0.1 < second < 0.02
    assert (table.low < table.r2).all()
    assert (table.r2 < table.high).all()


def test_a_probe_never_sees_what_it_tells(monkeypatch):
    """Features that name the photo read nothing: an in-sample fit would read everything."""
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(600, 400)), rng.normal(size=(600, 1))
    predicted = ridge_probe.held_out(features, targets, CITY)
    table = ridge_probe.r2_table(targets, predicted, CITY, CITY, ["noise"])
    assert table.r2[0] < 0.02
    assert np.isnan(table.low[0])  # six cities give no interval


def test_the_mean_of_a_group_counts_for_nothing():
    values = np.random.default_rng(0).normal(size=(600, 2))
    shifted = values + np.arange(6)[CITY][:, None]
    np.testing.assert_allclose(ridge_probe.within(values, CITY), ridge_probe.within(shifted, CITY), atol=1e-12)
    assert np.abs(ridge_probe.within(shifted, CITY).reshape(6, 100, 2).mean(axis=1)).max() < 1e-12


def test_place_features_are_alike_near_by_and_not_in_another_city():
    at = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 0.0], [3000.0, 0.0]])
    z = ridge_probe.place_features(at, np.array(["a", "a", "b", "a"]), count=4000)
    similarity = z @ z.T
    assert similarity[0, 1] > 0.95
    assert abs(similarity[0, 2]) < 0.1
    assert abs(similarity[0, 3]) < 0.1


def test_two_groups_cannot_be_held_out():
    with pytest.raises(ValueError, match="at least 3 groups that can be held out, there are 2"):
        ridge_probe.held_out(np.zeros((4, 2)), np.zeros((4, 1)), np.array([0, 0, 1, 1]))


# ---- every layer of a tower ------------------------------------------------------------------------------------------
SIDE = 20  # a city of 20 x 20 places, 100 m apart, in blocks of 5 x 5


def towns(count=2):
    """(metres (n, 2), city (n,), block (n,)) of `count` towns."""
    east, north = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    metres = 100.0 * np.column_stack([east.ravel(), north.ravel()])
    block = (east // 5 * 4 + north // 5).ravel()
    city = np.repeat(np.arange(count), SIDE**2)
    return np.tile(metres, (count, 1)), city, np.tile(block, count) + 100 * city


def folds(split, city, block):
    return ridge_probe.folds_of(split, blocks=block, sequence_id=np.array([""] * len(city)), city=city)


def position_r2(features, metres, city, block, split):
    probed = ridge_probe.probe(
        features, {"position": metres}, folds(split, city, block), city, around_city=("position",)
    )["position"]
    return ridge_probe.r2_of(probed.squares()[None])


@pytest.mark.parametrize("penalty", ridge_probe.PENALTIES)
def test_the_path_of_penalties_is_that_of_scikit_learn(penalty):
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    x, y, z = rng.normal(size=(80, 12)) @ rng.normal(size=(12, 12)), rng.normal(size=(80, 3)), rng.normal(size=(9, 12))
    told = ridge_probe.ridge_path(x, y, z, [penalty])[0]
    np.testing.assert_allclose(told, make_pipeline(StandardScaler(), Ridge(penalty)).fit(x, y).predict(z), atol=1e-9)


def test_the_chosen_penalty_is_that_of_ridgecv_with_the_same_folds():
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import PredefinedSplit
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(3)
    x = StandardScaler().fit_transform(rng.normal(size=(300, 40)))
    y = x[:, :3].sum(axis=1) + 3 * rng.normal(size=300)
    fold = np.arange(300) % 5
    costs = ridge_probe._inner_costs(x, y[:, None], fold, ridge_probe.PENALTIES)[:, 0]
    theirs = RidgeCV(ridge_probe.PENALTIES, cv=PredefinedSplit(fold), scoring="neg_mean_squared_error").fit(x, y)
    assert ridge_probe.PENALTIES[costs.argmin()] == theirs.alpha_


def test_a_constant_feature_tells_nothing_and_breaks_nothing():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=50), np.ones(50)])
    assert np.isfinite(ridge_probe.ridge_path(x, x[:, :1], x)).all()


@pytest.mark.parametrize("split", ["random", "blocked"])
def test_features_that_hold_the_coordinates_give_them_back(split):
    metres, city, block = towns()
    rotated = np.column_stack([metres @ np.array([[0.6, -0.8], [0.8, 0.6]]) + 1000.0 * city[:, None], city])
    assert position_r2([rotated], metres, city, block, split) > 0.999


@pytest.mark.parametrize("split", ["random", "blocked", "other_drive"])
def test_white_features_tell_nothing(split):
    metres, city, block = towns()
    told = [
        position_r2([np.random.default_rng(draw).normal(size=(len(city), 16))], metres, city, block, split)
        for draw in range(20)
    ]
    assert abs(np.mean(told)) < 0.02


def test_features_that_are_alike_within_a_quarter_block_leak_in_random_folds_and_not_in_blocked_ones():
    """Random fields say nothing of a direction, but photos less than 125 m apart share their values."""
    rng = np.random.default_rng(0)
    metres = rng.uniform(0, 2000, (2000, 2))
    city, block = np.zeros(2000, int), (metres[:, 0] // 500 * 10 + metres[:, 1] // 500).astype(int)
    waves = ridge_probe.place_features(metres, city, length_m=125.0 / 2, count=3000)
    fields = waves @ rng.normal(size=(3000, 300))
    assert position_r2([fields], metres, city, block, "random") > 0.3
    assert position_r2([fields], metres, city, block, "blocked") < 0.1


def test_the_layer_is_chosen_by_the_training_folds():
    rng = np.random.default_rng(0)
    metres, city, block = towns()
    noise = rng.normal(size=(len(city), 8))
    probed = ridge_probe.probe(
        [noise, metres + rng.normal(size=metres.shape), noise],
        {"position": metres},
        folds("blocked", city, block),
        city,
    )["position"]
    assert (probed.chosen == 1).all()
    np.testing.assert_array_equal(probed.told, probed.by_layer[1])


def test_missing_targets_are_refused_by_name():
    metres, city, block = towns()
    broken = np.where(metres == 0, np.nan, metres)
    with pytest.raises(ValueError, match=r"aim position has \d+ missing values"):
        ridge_probe.probe([metres], {"position": broken}, folds("random", city, block), city)


@pytest.mark.parametrize(("split", "groups"), [("blocked", "block"), ("unseen_city", "city")])
def test_whole_groups_are_held_out(split, groups):
    _, city, block = towns(4)
    fold = folds(split, city, block)
    grouped = {"block": block, "city": city}[groups]
    assert all(len(np.unique(fold[grouped == group])) == 1 for group in np.unique(grouped))


def test_drives_stay_together_and_photos_of_none_stand_alone():
    drive = np.array(["a"] * 10 + ["b"] * 10 + [""] * 30, dtype=object)
    fold = ridge_probe.folds_of("other_drive", blocks=np.zeros(50), sequence_id=drive, city=np.zeros(50))
    assert len(set(fold[:10])) == len(set(fold[10:20])) == 1
    assert len(set(fold[20:])) > 1


def test_an_unknown_cut_and_too_few_groups_are_refused():
    city = np.zeros(30)
    with pytest.raises(ValueError, match="no probe is cut as 'diagonal'"):
        ridge_probe.folds_of("diagonal", blocks=city, sequence_id=[""] * 30, city=city)
    with pytest.raises(ValueError, match=r"split blocked needs at least 3 groups .* there are 1"):
        ridge_probe.folds_of("blocked", blocks=city, sequence_id=[""] * 30, city=city)


# ---- numbers over towers ---------------------------------------------------------------------------------------------
BLOCKS = np.repeat(np.arange(30), 10)


def squares(r2, seeds=2):
    """Squares (seeds, 2, 300) whose R2 is as asked, but for noise."""
    error = np.random.default_rng(int(100 * r2)).normal(1, 0.05, (seeds, 300)) * (1 - r2)
    return np.stack([error, np.ones((seeds, 300))], axis=1)


def test_the_slope_over_doses_is_the_slope():
    slope, low, high = ridge_probe.slope([0, 0.5, 1], [squares(0.1), squares(0.3), squares(0.5)], BLOCKS)
    assert slope == pytest.approx(0.4, abs=0.01)
    assert low < 0.4 < high
    assert high - low < 0.05


def test_what_is_left_of_a_gap_after_blocking():
    both = lambda random, blocked: np.concatenate([squares(random), squares(blocked)], axis=1)  # noqa: E731
    share, low, high = ridge_probe.gap_surviving([both(0.6, 0.25)], [both(0.2, 0.15), both(0.2, 0.15)], BLOCKS)
    assert share == pytest.approx(0.25, abs=0.03)
    assert low < share < high
    assert np.isnan(ridge_probe.gap_surviving([both(0.2, 0.25)], [both(0.2, 0.15)], BLOCKS)).all()


def test_few_blocks_give_no_interval():
    assert np.isnan(ridge_probe.r2(squares(0.5), BLOCKS // 10)[1:]).all()


def test_the_published_number_flatters_by_the_way_between_cities():
    metres, city, _ = towns()
    degrees = metres / 1e5 + 10.0 * city[:, None]
    assert ridge_probe.published_r2([np.eye(2)[city]], degrees)[0] > 0.99


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("n", "known"), [(3, False), (9, False), (10, True)])
def test_the_published_number_is_missing_below_two_photos_a_fold(n, known):
    rng = np.random.default_rng(0)
    found = ridge_probe.published_r2([rng.normal(size=(n, 3))], rng.normal(size=(n, 2)))
    assert np.isfinite(found).tolist() == [known]


def test_few_dimensions_suffice_where_few_carry_it():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 20))
    targets = features[:, [3, 7]]
    needed = ridge_probe.dimensions_needed(features, targets, np.arange(400) % 5, [0.05, 1.0], penalty=0.1)
    assert (needed > 0.99).all()  # one of twenty, another for each target


# ---- the same directions ---------------------------------------------------------------------------------------------
def parted(turned):
    """Two cities of 400 photos: the target is the first feature in one, and in the other the first or the second."""
    rng = np.random.default_rng(0)
    features, city = rng.normal(size=(800, 10)), np.repeat(["a", "b"], 400)
    target = np.where(city == "a", features[:, 0], features[:, 1 if turned else 0]) + 5.0 * (city == "b")
    return features, target[:, None], city, np.arange(800) // 20


def test_coefficients_agree_between_parts_where_the_same_feature_tells():
    own, other, count = ridge_probe.same_directions(*parted(turned=False), penalty=1.0)
    assert count == 2
    assert own[0] > 0.99
    assert other[0] > 0.99
    own, other, _ = ridge_probe.same_directions(*parted(turned=True), penalty=1.0)
    assert own[0] > 0.99
    assert abs(other[0]) < 0.2


def test_coefficients_of_noise_agree_nowhere():
    features, _, city, block = parted(turned=False)
    own, other, _ = ridge_probe.same_directions(features, np.random.default_rng(1).normal(size=(800, 50)), city, block)
    assert abs(own.mean()) < 0.1
    assert abs(other.mean()) < 0.1


def test_what_blocks_share_makes_no_two_parts_agree_more_than_one():
    """Features and target have effects of blocks of their own, without a relation; every block holds both scenes."""
    both = []
    for seed in range(10):
        rng, block = np.random.default_rng(seed), np.repeat(np.arange(60), 20)
        features = rng.normal(size=(60, 8))[block] + 0.3 * rng.normal(size=(1200, 8))
        targets = rng.normal(size=(60, 1))[block] + 0.3 * rng.normal(size=(1200, 1))
        scene = np.where(np.arange(1200) % 2, "a", "b")
        own, other, _ = ridge_probe.same_directions(features, targets, scene, block, seed=seed)
        both.append((own[0], other[0]))
    assert abs(np.mean(both, axis=0)).max() < 0.2


def test_a_label_can_be_told_where_another_fold_holds_it():
    labels = np.eye(3)[[0, 0, 1, 1, 2]]
    assert ridge_probe.can_be_told(labels, np.array([0, 1, 2, 2, 0])).tolist() == [True, True, False, False, False]


def test_parts_of_few_photos_are_left_out():
    features, targets, _, block = parted(turned=False)
    few = np.where(np.arange(800) < 440, "a", "b")
    own, other, count = ridge_probe.same_directions(features, targets, few, block, fewest=190)
    assert count == 1
    assert np.isnan([own[0], other[0]]).all()


def test_shares_and_folds_that_cannot_be_are_refused():
    features, targets, fold = np.ones((9, 3)), np.ones((9, 1)), np.arange(9) % 3
    for share in (0.0, np.nan, 1.5):
        with pytest.raises(ValueError, match=f"shares {share} must be a finite number above 0 and at most 1"):
            ridge_probe.dimensions_needed(features, targets, fold, [share])
    with pytest.raises(ValueError, match="folds 1 must be a whole number of at least 2"):
        ridge_probe.held_out(features, targets, fold, folds=1)
