import numpy as np
import pandas as pd
import pytest

from experiments.laboratory import range_recovery

HOW = dict(photos=150, side_m=2_000.0, lag_count=12, replicates=20)


def made(fitted, likelihood, flags=None, range_m=100.0, low=None, high=None, share=0.1):
    """A table of trials from what was read."""
    n = len(fitted)
    return pd.DataFrame({
        "range_share": share, "nugget_share": 0.1, "trial": range(n), "range_m": range_m, "fitted_m": fitted,
        "likelihood_m": likelihood, "low_m": low or [50.0] * n, "high_m": high or [150.0] * n,
        "flag": flags or [""] * n,
    })  # fmt: skip


@pytest.mark.slow
def test_a_field_has_the_variance_nugget_and_range_that_are_planted():
    at = np.array([[0.0, 0.0], [0.0, 0.0], [300.0, 0.0], [5_000.0, 0.0]])
    rng = np.random.default_rng(0)
    drawn = np.stack([range_recovery.field_at(at, 300.0, 0.4, rng) for _ in range(20_000)])
    covariance = drawn.T @ drawn / len(drawn)
    np.testing.assert_allclose(np.diag(covariance), 1, atol=0.04)
    np.testing.assert_allclose(covariance[0, 1:], [0.6, 0.05 * 0.6, 0], atol=0.03)


def test_the_likelihood_finds_the_range_of_a_large_field():
    at = np.random.default_rng(0).uniform(-1_000, 1_000, (400, 2))
    values = range_recovery.field_at(at, 200.0, 0.1, np.random.default_rng(1))
    assert range_recovery.likelihood_range_m(values, at, 2_000.0) == pytest.approx(200, rel=0.4)


@pytest.mark.slow
def test_small_version_of_the_study_fits_find_short_ranges_and_flag_or_miss_long_ones():
    table = range_recovery.trials([0.125, 0.5], [0.1], 4, **HOW)
    assert list(table.columns) == list(range_recovery.TRIALS)
    short, long = (table[table.range_share == share] for share in (0.125, 0.5))
    good = short[short.flag == ""]
    assert len(good) >= 3
    assert (np.abs(np.log(good.fitted_m / 250)) < 1.0).all()
    assert ((good.low_m <= good.fitted_m * 1.05) & (good.fitted_m <= good.high_m * 1.05)).all()
    assert (np.abs(np.log(long.fitted_m / 1_000)) > 0.05).any() or (long.flag != "").any()
    pd.testing.assert_frame_equal(table, range_recovery.trials([0.125, 0.5], [0.1], 4, **HOW))
    rows = range_recovery.summary(table)
    assert list(rows.columns) == list(range_recovery.SUMMARY)
    assert rows.fields.tolist() == [4, 4]
    read = range_recovery.readable(rows)
    assert read.loc[(0.125, 0.1), "bias"].startswith(f"{rows.bias[0]:.2f} ({rows.bias_low[0]:.2f} to ")


def test_bias_and_error_ratio_are_those_of_the_logarithms():
    table = made([200.0, 50.0, np.nan], [100 * np.e, 100 / np.e, 1.0], ["", "", "why"])
    values = dict(zip(list(range_recovery.SUMMARY)[2:], range_recovery.summarised(table), strict=True))
    assert (values["fields"], values["flagged_share"]) == (3, pytest.approx(1 / 3))
    assert values["error_ratio"] == pytest.approx(np.log(2))
    assert [values[name] for name in ("bias", "bias_low", "bias_high")] == pytest.approx([0, -0.5, 1])


def test_coverage_counts_open_intervals_as_reaching_beyond_the_lags():
    table = made([100.0] * 4, [100.0] * 4, low=[90.0, 101.0, np.nan, 80.0], high=[120.0, 130.0, np.inf, 99.0])
    share, low, high = range_recovery.coverage(table)
    assert share == 0.5
    assert 0 < low < 0.5 < high < 1


def test_the_headline_reads_ranges_of_at_most_an_eighth_of_the_side():
    table = pd.concat([made([200.0, 120.0], [150.0, 120.0]), made([9_000.0], [100.0], share=0.5)])
    rows = range_recovery.headline(table, "18_known_ranges/trials").set_index("key")
    assert set(rows.index) == {"range_relative_bias", "range_error_ratio_to_likelihood", "range_interval_coverage"}
    assert rows.value["range_relative_bias"] == pytest.approx(np.sqrt(2 * 1.2) - 1)
    assert (rows.n == 2).all()
    assert f"is {rows.value['range_error_ratio_to_likelihood']:.2f} times" in range_recovery.answer(table)


def test_without_an_unflagged_field_nothing_is_said():
    table = made([np.nan], [100.0], ["why"])
    assert range_recovery.answer(table) == "No field has a range to report."
    assert np.isnan(range_recovery.headline(table, "x").value).all()


@pytest.mark.parametrize(("wrong", "match"), [
    ({"range_shares": [np.nan]}, "range_shares nan must be"), ({"range_shares": []}, "name one of each"),
    ({"nugget_shares": [1.5]}, "nugget_shares 1.5 must be"), ({"fields": 0}, "fields 0 must be"),
    ({"photos": 1}, "photos 1 must be"), ({"side_m": np.inf}, "side_m inf must be"),
    ({"lag_count": 0}, "lag_count 0 must be"), ({"replicates": 0}, "replicates 0 must be"),
])  # fmt: skip
def test_studies_that_cannot_be_are_refused_before_a_process_starts(wrong, match):
    given = {"range_shares": [0.1], "nugget_shares": [0.1], "fields": 1} | HOW
    with pytest.raises(ValueError, match=match):
        range_recovery.trials(**given | wrong)
