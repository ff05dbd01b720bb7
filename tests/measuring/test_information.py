"""Bits by hand: what traits offer, and what a cell needs."""

import numpy as np
import pytest

from geonb.earth import sphere
from geonb.measuring import information


def test_a_trait_that_is_read_with_an_r2_of_three_quarters_offers_one_bit_and_worse_than_nothing_none():
    assert information.offered_bits([0.75]) == pytest.approx(1)
    assert information.offered_bits([0.75, 0.9375, 0.0, -0.3]) == pytest.approx(1 + 2)


def cities(count, side_m, step_m=50.0):
    """(positions (n, 2), city (n,)) of places every step in square cities."""
    line = np.arange(step_m / 2, side_m, step_m)
    metres = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    at = np.concatenate([sphere.from_local_m(metres, (0.0, 3.0 * n)) for n in range(count)])
    return at, np.repeat([f"c{n}" for n in range(count)], len(metres))


def test_eight_cities_of_two_hundred_and_fifty_six_cells_need_three_bits_and_eight():
    found = information.budget([0.75, 0.75], *cities(8, 1600.0)).set_index("what").bits
    assert found.offered == pytest.approx(2)
    assert found.needed_city == 3
    assert found.needed_within == pytest.approx(8, abs=0.2)  # cells at an edge may be cut in two
    assert found.needed == pytest.approx(found.needed_city + found.needed_within)
    coarse = information.budget([0.75], *cities(8, 1600.0), cell_m=400.0).set_index("what").bits
    assert coarse.needed_within == pytest.approx(4, abs=0.7)


def test_the_budget_goes_to_the_headline_and_into_a_sentence():
    found = information.budget([0.75, 0.75], *cities(2, 1600.0))
    rows = information.headline(found, 500, "17/budget")
    assert rows.key.tolist() == ["information_bits.offered", "information_bits.needed"]
    assert "offer at most 2.0 bits" in information.answer(found)
    assert "no method can name the cell" in information.answer(found)
    assert "can be enough" in information.answer(information.budget([0.75] * 20, *cities(2, 1600.0)))


@pytest.mark.parametrize(("r2", "said"), [([0.5, 1.0], "r2 1.0 must be below 1"), ([np.nan], "1 of 1 values of r2")])
def test_an_r2_that_is_none_or_perfect_is_refused(r2, said):
    with pytest.raises(ValueError, match=said):
        information.offered_bits(r2)
