"""What a number must be: NaN, infinity and text pass for none, and a message names value, bound and way out."""

import numpy as np
import pytest

from geonb import checks


@pytest.mark.parametrize("value", [np.nan, np.inf, "5", None, True, np.float32(np.nan)], ids=str)
def test_what_is_no_finite_number_is_refused(value):
    with pytest.raises(ValueError, match=r"spacing_m .* must be a finite number above 0"):
        checks.number("spacing_m", value, above=0)
    with pytest.raises(ValueError, match=r"steps .* must be a whole number of at least 1"):
        checks.count("steps", value)


def test_a_message_names_value_bounds_and_way_out():
    with pytest.raises(ValueError, match=r"^share 1.5 must be a finite number above 0 and at most 1: take 0.5$"):
        checks.number("share", 1.5, above=0, most=1, way_out="take 0.5")
    with pytest.raises(ValueError, match=r"^weight 1 must be a finite number of at least 0 and below 1$"):
        checks.number("weight", 1, least=0, below=1)
    with pytest.raises(ValueError, match=r"^lag_count 2.5 must be a whole number of at least 1 and at most 9$"):
        checks.count("lag_count", 2.5, most=9)


@pytest.mark.parametrize("value", [1, 0.5, np.float64(0.5), np.float32(0.5), np.int64(1)], ids=repr)
def test_numbers_of_every_kind_pass(value):
    checks.number("x", value, above=0, most=1)
    checks.number("x", value)


def test_arrays_of_several_lengths_are_refused_by_name_and_length():
    checks.same_length({"features": np.ones((3, 2)), "city": ["a"] * 3})
    with pytest.raises(ValueError, match=r"^lengths differ, there are 3 features, 2 city: give one of each"):
        checks.same_length({"features": np.ones((3, 2)), "city": ["a"] * 2})


def test_missing_values_are_counted():
    checks.finite("errors", np.ones(3))
    with pytest.raises(ValueError, match=r"^2 of 4 values of errors are missing or infinite"):
        checks.finite("errors", np.array([1.0, np.nan, np.inf, 2.0]))
