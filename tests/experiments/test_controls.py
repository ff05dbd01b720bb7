import dataclasses

import pandas as pd
import pytest

from experiments.laboratory import controls, worlds

CUT = dataclasses.replace(worlds.cut(200.0), test_share=0.3, buffer_m=0.0)


def said_of(p):
    """controls.answer of two worlds, whose errors within a city have the p of the first."""
    alike, differ = (controls.ALIKE, controls.WITHIN), (controls.DIFFER, controls.RIGHT)
    within = (controls.DIFFER, controls.WITHIN)
    rows = [
        (*alike, 900.0, p, 850.0), (*alike, 800.0, 0.03, 850.0), (*within, 900.0, 0.4, 1e9),
        (*within, 700.0, 0.02, 1e9), (*differ, 0.4, 0.01, 0.3), (*differ, 0.2, 0.5, 0.3),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["world", "measure", "value", "p", "null_high"])
    return controls.answer(table.assign(null_low=750.0))


@pytest.mark.slow
def test_nothing_is_found_where_nothing_is_planted_and_the_table_says_it(painted, options, tower):
    table = controls.controls(options, tower, CUT, world_count=2, permutations=99)
    assert table.columns.tolist() == list(controls.CONTROLS)
    assert len(table) == 8
    assert table.groupby("world_seed").value.agg(tuple).nunique() == 2  # other worlds, other numbers
    assert (table.null_low <= table.null_high).all()
    assert table.p.between(0.02, 1).all()  # the least that 99 permutations can give
    assert (table[table.unit == "share"].value <= 1).all()


def test_the_answer_says_it_when_nothing_is_found_and_when_something_is():
    said = said_of(p=0.4)
    assert "smaller than its exact null in 0 of 2 worlds and larger in 0 (p from 0.030, by Holm's rule 0.06);" in said
    assert "the right city is found more often than by chance in 1 of 2" in said
    assert "error within it is smaller than its exact null in 1 of 2 worlds and larger in 0 (p from 0.020" in said
    assert "smaller than its exact null in 0 of 2 worlds and larger in 1 (p from 0.010" in said_of(p=0.01)


def test_borrowed_controls_are_those_of_the_same_world():
    ran = {"options": {"world_seed": 0}, "tower": "t", "weights": "", "max_lag_m": 1000.0, "lag_count": 20}
    controls.check_beside(ran, ran | {"seed": 3})
    with pytest.raises(ValueError, match=r"ran with tower 't', this page with 'u'.*leave beside empty"):
        controls.check_beside(ran, ran | {"tower": "u"})


@pytest.mark.parametrize(("wrong", "match"), [
    ({"world_count": 0}, "control_worlds 0"), ({"permutations": 0}, "permutations 0"),
])  # fmt: skip
def test_counts_that_are_none_are_refused(options, wrong, match):
    with pytest.raises(ValueError, match=f"{match} must be a whole number of at least"):
        controls.controls(options, None, CUT, **{"world_count": 1, "permutations": 9} | wrong)
