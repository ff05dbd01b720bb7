import dataclasses

import numpy as np
import pandas as pd
import pytest

from experiments.laboratory import ladder, planted, worlds
from geonb.measuring.errors import compare
from simcities import day, simulation

CUT = dataclasses.replace(worlds.cut(200.0), test_share=0.3, buffer_m=0.0)
REDRAWN = {"world_count": 1, "photos_per_city": 40, "max_lag_m": 400.0, "lag_count": 4}
PROBED = pd.DataFrame({"tower": ["ours", "shifted"], "target": "storeys", "r2": [0.4, 0.5], "n": 10})
RUNGS = pd.DataFrame({
    "method": ["field_reference", "frozen_nearest"], "metric": "median_error_m", "value": [30.0, 4000.0],
    "low": np.nan, "high": np.nan, "unit": "m", "seeds": 1, "n": 10,
})  # fmt: skip
CONTROLS = ["world", "measure", "value", "p", "null_low", "null_high"]


def answer(probes=PROBED, high=(0.001, np.nan), beside=""):
    """What is said of probes, of nuisances up to high, and of worlds without geography where nothing is found."""
    curves = pd.DataFrame({"semivariance": [1.0, 2.0, 3.0, 9.0], "low": 0.0, "high": 4.0})
    nuisances = pd.DataFrame({"target": ["haze", "salt"], "r2": -0.01, "high": high})
    rows = [(world, measure, 800.0, 0.4, 750.0, 850.0) for world in planted.PLANTED
            for measure in (planted.WITHIN, planted.RIGHT)]  # fmt: skip
    return planted.answer(curves, probes, nuisances, RUNGS, pd.DataFrame(rows, columns=CONTROLS), beside)


@pytest.mark.slow
def test_what_features_hold_is_read_and_the_day_is_not_read_from_a_place(world, options):
    photos, features = world
    made = simulation.World(**options)
    known = ladder.seen_in(made, photos)
    table = planted.probes(made, photos, {"some/fields": known, "tower": features}, 200.0)
    assert table.columns.tolist() == list(planted.PROBES)
    assert table.tower.unique().tolist() == ["fields", "tower"]
    assert (table[table.tower == "fields"].r2 > 0.9).all()
    assert (table[table.tower == "tower"].r2 < 0.9).all()
    nuisances = planted.nuisance_probes(made, photos, 200.0)
    assert nuisances.columns.tolist() == list(planted.NUISANCES)
    assert nuisances.target.tolist() == list(day.NAMES)
    assert nuisances.r2.max() < 0.2


def test_knowing_the_fields_is_worth_more_than_chance(world):
    photos, _ = world
    own = np.random.default_rng(0).normal(size=(len(photos), 3))  # every place has fields of its own
    part = np.where(np.arange(len(photos)) % 5 == 0, "test", "train")
    errors = planted.rungs(photos, own.astype(np.float32), part, own, 200.0)
    assert set(errors.method) == {
        "chance", "mode", "city_centroid", "frozen_nearest", "gallery_floor", "field_reference", "probed_fields"
    }  # fmt: skip
    probed, known = (errors[errors.method == name].error_m.to_numpy() for name in ("probed_fields", "field_reference"))
    assert (probed == known).mean() > 0.8  # features that are the fields
    assert (errors.split == "other_drive").all()
    rungs = compare(errors, replicates=10)
    medians = rungs[rungs.metric == "median_error_m"].set_index("method").value
    assert medians["gallery_floor"] <= medians["field_reference"] < medians["chance"]


@pytest.mark.slow
def test_the_ensemble_is_the_mean_of_redrawn_cities_and_none_of_the_studys(painted, options, tower):
    table = planted.ensemble(options, tower, **REDRAWN)
    assert table.columns.tolist() == list(planted.ENSEMBLE)
    assert (table.cities == 3).all()
    assert ((table.low <= table.semivariance) & (table.semivariance <= table.high)).all()
    pd.testing.assert_frame_equal(table, planted.ensemble(options, tower, **REDRAWN))
    assert planted.REDRAWN_SEED >= 300


@pytest.mark.slow
def test_nothing_is_found_where_nothing_is_planted_and_the_table_says_it(painted, options, tower):
    table = planted.controls(options, tower, CUT, world_count=2, permutations=99)
    assert table.columns.tolist() == list(planted.CONTROLS)
    assert len(table) == 8
    assert table.groupby("world_seed").value.agg(tuple).nunique() == 2  # other worlds, other numbers
    assert (table.null_low <= table.null_high).all()
    assert table.p.between(0.02, 1).all()  # the least that 99 permutations can give
    assert (table[table.unit == "share"].value <= 1).all()


@pytest.mark.parametrize(("call", "match"), [
    (lambda: planted.ensemble({}, None, **REDRAWN | {"world_count": 0}), "ensemble_worlds 0"),
    (lambda: planted.ensemble({}, None, **REDRAWN | {"photos_per_city": 1}), "ensemble_photos 1"),
    (lambda: planted.controls({}, None, CUT, world_count=0, permutations=9), "control_worlds 0"),
])  # fmt: skip
def test_counts_that_are_none_are_refused(call, match):
    with pytest.raises(ValueError, match=f"{match} must be a whole number of at least"):
        call()


def test_borrowed_controls_are_those_of_the_same_world():
    ran = {"options": {"world_seed": 0}, "tower": "t", "weights": "", "max_lag_m": 1000.0, "lag_count": 20}
    planted.check_beside(ran, ran | {"seed": 3})
    with pytest.raises(ValueError, match=r"ran with tower 't', this page with 'u'.*leave beside empty"):
        planted.check_beside(ran, ran | {"tower": "u"})


def test_the_headline_holds_the_four_numbers_of_the_laboratory():
    rows = planted.headline(PROBED, RUNGS, "17_laboratory").set_index("key")
    assert rows.value.round(3).to_dict() == {
        "probe_r2_within_city_mean": 0.4,
        "probe_r2_within_city_mean.shifted": 0.5,
        "field_reference_median_error_m": 30.0,
        "frozen_median_error_m": 4000.0,
    }
    assert rows.table.str.startswith("17_laboratory/").all()


def test_the_answer_says_what_is_read_what_leaks_and_where_controls_are_borrowed():
    said = answer()
    assert "lie 75% of the planted" in said
    assert "explains 40% of the fields' variance within a city, of shifted 50%." in said
    assert "belongs to the day: none" in said
    assert "Fields of which it explains less than 40%: none." in said
    said = answer(pd.concat([PROBED, PROBED.assign(target="stone", r2=[0.37, 0.1])]), high=0.5, beside="laboratory")
    assert "Fields of which it explains less than 40%: stone (0.37)." in said
    assert "belongs to the day: haze, salt" in said
    assert "In study laboratory: Where nothing" in said


@pytest.mark.parametrize(("p", "expected"), [
    (0.4, "smaller than its exact null in 0 of 2 worlds and larger in 0 (p from 0.030, by Holm's rule 0.06); where"),
    (0.01, "smaller than its exact null in 0 of 2 worlds and larger in 1 (p from 0.010"),
])  # fmt: skip
def test_the_answer_says_it_when_nothing_is_found_and_when_something_is(p, expected):
    alike, within, differ = [
        (planted.ALIKE, planted.WITHIN), (planted.DIFFER, planted.WITHIN), (planted.DIFFER, planted.RIGHT)
    ]  # fmt: skip
    rows = [
        (*alike, 900.0, p, 750.0, 850.0), (*alike, 800.0, 0.03, 750.0, 850.0), (*within, 900.0, 0.4, 750.0, 1e9),
        (*within, 700.0, 0.02, 750.0, 1e9), (*differ, 0.4, 0.01, 750.0, 0.3), (*differ, 0.2, 0.5, 750.0, 0.3),
    ]  # fmt: skip
    said = planted.answer_controls(pd.DataFrame(rows, columns=CONTROLS))
    assert expected in said
    assert "the right city is found more often than by chance in 1 of 2" in said
    assert "error within it is smaller than its exact null in 1 of 2 worlds and larger in 0 (p from 0.020" in said
