"""Intervals of draws: the usual quantiles, missing draws left out, and none of too few."""

import numpy as np
import pytest

from geonb import resampling


def test_the_interval_is_that_of_numpys_quantiles_along_the_axis():
    drawn = np.random.default_rng(0).normal(size=(40, 3))
    np.testing.assert_array_equal(resampling.interval95(drawn), np.quantile(drawn, [0.025, 0.975], axis=0))
    np.testing.assert_array_equal(resampling.interval95(drawn, axis=1), np.quantile(drawn, [0.025, 0.975], axis=1))
    np.testing.assert_array_equal(resampling.interval95(list(drawn[:, 0])), np.quantile(drawn[:, 0], [0.025, 0.975]))


@pytest.mark.filterwarnings("error")
def test_missing_draws_are_left_out_and_without_others_there_is_no_interval():
    drawn = np.random.default_rng(0).normal(size=(40, 3))
    drawn[5, 0] = drawn[:, 2] = np.nan
    low, high = resampling.interval95(drawn)
    assert (low[0], high[0]) == tuple(np.nanquantile(drawn[:, 0], [0.025, 0.975]))
    np.testing.assert_array_equal(np.isnan([low, high]), [[False, False, True]] * 2)
    assert np.isnan(resampling.interval95([])).all()
    assert resampling.interval95(np.empty((0, 3))).shape == (2, 3)


def test_infinite_draws_have_the_nearest_ones_for_ends_and_too_few_draws_are_refused_by_name():
    assert resampling.interval95([1.0, 2.0, *[np.inf] * 8], method="nearest").tolist() == [1.0, np.inf]
    resampling.check_replicates(10)
    with pytest.raises(ValueError, match=r"range_replicates 9 must be .* at least 10: an interval needs draws"):
        resampling.check_replicates(9, "range_replicates")
