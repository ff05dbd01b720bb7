import numpy as np
import pandas as pd
import pytest

from geonb.measuring import significance


def clustered(blocks=40, of_each=15, between=1.0, within=0.3, rng=None):
    """(values (n,), block (n,)): photos of one block resemble each other."""
    rng, block = rng or np.random.default_rng(0), np.repeat(np.arange(blocks), of_each)
    return rng.normal(0, between, blocks)[block] + rng.normal(0, within, len(block)), block


def interval(values, block, replicates=300, seed=0):
    """(low, high) of the mean."""
    return significance.with_interval(np.mean, (values,), block, replicates=replicates, seed=seed)[1:]


def width(values, block, **draws):
    return float(np.diff(interval(values, block, **draws))[0])


def test_the_same_seed_gives_the_same_interval_and_another_a_near_one():
    first, again, other = (interval(*clustered(), seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first[0] != other[0]
    np.testing.assert_allclose(first, other, atol=0.15)


def test_the_names_of_blocks_do_not_matter_and_constant_values_have_no_width():
    values, block = clustered()
    named = np.array([f"city {b:03d}" for b in block], object)
    assert interval(values, block) == interval(values, named)
    assert significance.with_interval(np.mean, (np.full(600, 7.0),), block, replicates=20) == (7, 7, 7)


def test_the_interval_of_a_mean_is_that_of_the_means_of_blocks():
    """With blocks of equal size the bootstrap is the textbook's: 1.96 standard errors of the block means."""
    values, block = clustered(blocks=60, rng=np.random.default_rng(3))
    of_blocks = values.reshape(60, -1).mean(axis=1)
    assert width(values, block, replicates=3_000) == pytest.approx(2 * 1.96 * of_blocks.std() / np.sqrt(60), rel=0.07)
    assert np.mean(interval(values, block, replicates=3_000)) == pytest.approx(values.mean(), abs=0.03)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    covered, naive = [], []
    for _ in range(80):
        values, block = clustered(rng=rng)
        for found, which in ((covered, block), (naive, np.arange(len(block)))):
            low, high = interval(values, which, replicates=80)
            found.append(low <= 0 <= high)
    assert 0.85 <= np.mean(covered) <= 0.99
    assert np.mean(naive) < 0.6


def test_nineteen_blocks_have_no_interval_and_twenty_have_one():
    values, block = clustered(blocks=19)
    three = significance.with_interval(lambda drawn: np.zeros(3), (values,), block)
    assert [part.tolist() for part in np.isnan(three)] == [[False] * 3, [True] * 3, [True] * 3]
    ratio, low, high, _ = significance.ratio_of_geometric_means(np.exp(values), np.exp(values), block)
    assert ratio == 1
    assert np.isnan([low, high, *significance.ratio_interval(np.stack([values, values]), block)]).all()
    assert np.isfinite(interval(*clustered(blocks=20))).all()


def test_blocks_are_drawn_whole_and_with_replacement():
    block = np.repeat(np.arange(25), np.arange(1, 26))
    runs, photos = next(significance.redraws(3, block, 10, 0))
    times = np.bincount(photos, minlength=len(block))
    assert all(len(set(times[block == b])) == 1 for b in range(25))
    assert np.bincount(block[photos]).max() > 25
    assert sum(times[block == b][0] for b in range(25)) == 25
    assert len(runs) == 3
    assert set(runs) <= {0, 1, 2}


def test_seeds_that_disagree_widen_the_interval():
    values, block = clustered(between=0.2)
    alike, apart = np.stack([values] * 3), np.stack([values - 2, values, values + 2])
    assert width(apart, block) > 5 * width(alike, block)


def test_a_ratio_is_that_of_the_geometric_means_and_its_interval_knows_that_photos_are_shared():
    values, block = clustered()
    other = 100 * np.exp(values)
    ours = 0.8 * other * np.exp(np.random.default_rng(1).normal(0, 0.02, len(block)))
    ratio, low, high, _ = significance.ratio_of_geometric_means(ours, other, block, replicates=300)
    assert ratio == pytest.approx(np.exp(np.log(ours).mean() - np.log(other).mean()))
    assert low <= ratio <= high < low + 0.1
    assert np.diff(significance.with_interval(np.median, (ours,), block, replicates=300)[1:]) > 30
    half = significance.with_interval(
        lambda a, b: np.median(a) / np.median(b), (0.5 * other, other), block, replicates=50
    )
    assert half == pytest.approx((0.5, 0.5, 0.5))


def test_errors_below_a_metre_count_as_one_and_one_photo_moves_a_ratio_little():
    blocks = np.arange(40)
    near, far = np.full(40, 0.0), np.where(blocks < 20, 1.0, 1e6)
    assert significance.ratio_of_geometric_means(near, near, blocks)[0] == 1
    other = np.where(blocks < 19, 1.0, 1e6)  # now more than half are in a wrong city
    assert significance.ratio_of_geometric_means(far, other, blocks)[0] > 0.5


def test_a_method_without_training_is_compared_with_one_of_three_seeds_either_way_round():
    values, block = clustered()
    one, three = 1e4 * np.exp(values), 1e4 * np.exp(values + np.array([[-1.0], [0.0], [1.0]]))
    _, low, high, p = significance.ratio_of_geometric_means(three, one, block, replicates=300)
    _, turned_low, turned_high, turned_p = significance.ratio_of_geometric_means(one, three, block, replicates=300)
    assert low < 0.8 < 1.2 < high
    assert [turned_low, turned_high] == pytest.approx([1 / high, 1 / low], rel=0.1)
    assert p == pytest.approx(turned_p, abs=0.1)


def test_the_p_of_a_ratio_is_small_where_a_method_is_better_and_large_where_it_is_not():
    values, block = clustered()
    other = 100 * np.exp(values)
    same = other * np.exp(np.random.default_rng(1).normal(0, 0.1, len(block)))
    assert significance.ratio_of_geometric_means(0.8 * other, other, block, replicates=999)[3] == pytest.approx(0.002)
    assert significance.ratio_of_geometric_means(same, other, block, replicates=999)[3] > 0.05


def test_holm_by_hand():
    np.testing.assert_allclose(significance.holm([0.01, np.nan, 0.04, 0.03, 0.005]), [0.03, np.nan, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(significance.holm([0.5, 0.9]), [1, 1])


@pytest.mark.parametrize(("ratio", "low", "high", "p_holm", "begins", "words"), [
    (0.8, 0.7, 0.9, 0.04, "It helps here", "20% smaller than that of CLIP (95 % interval of the ratio 0.700 to 0.900)"),
    (1.3, 1.1, 1.6, 0.04, "It harms here", "30% larger than that of CLIP"),
    (0.8, 0.6, 1.05, 0.04, "Not shown", "20% smaller than that of CLIP, within what chance explains"),
    (0.9, 0.8, 1.0, 0.04, "Not shown", "10% smaller"),
    (1.1, 1.0, 1.2, 0.04, "Not shown", "10% larger"),
    (0.8, 0.7, 0.9, 0.2, "Not shown", "with 11 methods compared p is 0.20 (Holm)"),
    (0.2, np.nan, np.nan, np.nan, "Not shown", "too few independent blocks for an interval"),
    (0.9974, 0.9, 1.1, 1.0, "Not shown", "the geometric mean error of SW-CLIP is less than 1% smaller"),
])  # fmt: skip
def test_a_verdict_claims_only_what_its_interval_and_its_p_show(ratio, low, high, p_holm, begins, words):
    row = pd.Series({"method": "SW-CLIP", "ratio": ratio, "low": low, "high": high, "p_holm": p_holm})
    said = significance.verdict(row, "CLIP", compared=11)
    assert said.startswith(begins)
    assert words in said


def test_the_interval_of_a_ratio_of_sums_covers_it():
    values, block = clustered()
    low, high = significance.ratio_interval(np.stack([values**2, np.ones_like(values)]), block)
    assert low < (values**2).mean() < high


def gap(a, b):
    return np.abs(a - b)


def test_predictions_that_know_nothing_are_as_good_as_their_null():
    rng, p = np.random.default_rng(0), []
    for seed in range(60):
        truth, found = rng.normal(size=(2, 80))
        observed, null = significance.permuted(
            found, truth, np.arange(80) % 4, gap, np.median, permutations=99, seed=seed
        )
        p.append(significance.p_value(observed, null))
    assert 0.3 < np.mean(p) < 0.7
    assert np.mean(np.array(p) < 0.1) < 0.25


def test_predictions_that_know_something_are_better_than_every_null():
    truth = np.random.default_rng(0).normal(size=80)
    observed, null = significance.permuted(truth + 0.1, truth, np.zeros(80), gap, np.median, permutations=99)
    assert observed < null.min()
    assert significance.p_value(observed, null) == pytest.approx(2 / 100)


def test_truths_are_permuted_inside_groups_only():
    """What only tells the group is worth nothing against a null that keeps the groups."""
    group = np.repeat([0, 1], 50)
    truth = group * 100.0 + np.random.default_rng(0).normal(size=100)
    observed, null = significance.permuted(group * 100.0, truth, group, gap, np.median, permutations=99)
    np.testing.assert_allclose(null, observed)  # a constant inside a group: every order is the same
    assert observed < 5


def test_a_statistic_that_is_not_defined_has_no_p():
    """No comparison with NaN holds: counted as a rank it would be the rarest of all."""
    null = np.arange(99.0)
    assert np.isnan([significance.p_value(np.nan, null), significance.p_value(5.0, np.append(null, np.nan))]).all()
    empty, blocks = np.full((1, 60), np.nan), np.arange(60) // 2
    assert np.isnan(significance.ratio_of_geometric_means(empty, np.ones((1, 60)), blocks, replicates=20)).all()


CALLS = {
    "with_interval": lambda values, block, **draws: significance.with_interval(np.mean, (values,), block, **draws),
    "ratio_of_geometric_means": lambda values, block, **draws: significance.ratio_of_geometric_means(
        values, np.ones(40), block, **draws
    ),
    "ratio_interval": lambda values, block, **draws: significance.ratio_interval(
        np.stack([values, values]), block, **draws
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_hardly_any_draws_and_arrays_of_different_length_are_refused(call):
    for replicates in (-1, 1, 9):
        with pytest.raises(ValueError, match=f"replicates {replicates} must be a whole number of at least 10"):
            CALLS[call](np.ones(40), np.zeros(40), replicates=replicates)  # a single block: refused none the less
    with pytest.raises(ValueError, match=r"lengths differ, there are 40 .*30 "):
        CALLS[call](np.ones(40), np.arange(30))
