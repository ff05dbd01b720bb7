import functools

import numpy as np
import pandas as pd
import pytest

from experiments.laboratory import conditions, worlds
from geonb.learning import methods, recipes
from simcities import simulation

BASE = {"city_count": 3, "photos_per_city": 120, "city_side_m": 900.0, "range_scale": 0.3}
CHANGES = {
    "range_scale": [0.15], "trend_scale": [0.0], "nugget": [2.4], "photos_per_city": [100], "city_mean_sd": [0.0],
    "noise": [4.0], "bandwidth_m": [50.0],
}  # fmt: skip
NO_NOISE = np.zeros(28)
PLAIN = conditions.Condition("base", 1.0, BASE)


@pytest.fixture
def setting(tmp_path):
    course = recipes.Course(steps=8, batch_size=32, evaluate_every=4)
    return worlds.Setting(200.0, 50.0, course, lambda *key: tmp_path / str(hash(key)), city_given=True)


@pytest.fixture
def world(setting):
    """What trainings on a world without noise take, but its split."""
    return setting, BASE | {"world_seed": 1}, *conditions.photographed(PLAIN, 1, NO_NOISE)


def test_every_condition_changes_one_thing():
    base, *changed = conditions.conditions(BASE, CHANGES)
    assert base == PLAIN
    assert [one.about for one in changed] == list(conditions.ABOUT.values())
    for one in changed:
        assert (one.world == BASE) == (one.about in ("noise", "bandwidth"))
        assert one.world == BASE or len(set(one.world.items()) - set(BASE.items())) == 1


@pytest.mark.parametrize(("changes", "match"), [
    *[({name: [wrong]}, f"{name} {wrong} must be a finite number") for name in CHANGES for wrong in (np.nan, np.inf)],
    ({"bandwidth_m": [0.0]}, "bandwidth_m 0.0 must be a finite number above 0"),  # not the one of the trials
    ({"sill": [1.0]}, "changes has no sill; it has noise, bandwidth_m, range_scale, trend_scale"),
])  # fmt: skip
def test_a_change_that_is_none_is_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        conditions.conditions(BASE, changes)


def test_photos_without_pictures_are_those_of_the_world_and_permuting_keeps_their_features(world):
    expected, seen = simulation.unpainted(simulation.World(**BASE | {"world_seed": 1}))
    *_, photos, features = world
    pd.testing.assert_frame_equal(photos, expected)
    np.testing.assert_allclose(features, seen, atol=1e-6)
    louder = conditions.photographed(conditions.Condition("noise", 4.0, BASE), 1, NO_NOISE + 1)[1]
    np.testing.assert_allclose((louder - seen).std(), 4.0, rtol=0.05)
    first, again, second = (conditions.permuted(*world, "other_drive", n).features for n in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != second).any()
    assert (first != features).any()
    np.testing.assert_array_equal(np.sort(first, axis=0), np.sort(features, axis=0))


@pytest.mark.slow
def test_a_world_is_trained_and_answered_with_and_without_geography(setting):
    chosen = conditions.conditions(BASE, {"bandwidth_m": [50.0]})
    tuned = pd.DataFrame({
        "method": ["clip", "sw_clip"], "split": "other_drive", "learning_rate": 0.001, "validation_error_m": 1.0,
    })  # fmt: skip
    photograph = functools.partial(conditions.photographed, sd=NO_NOISE + 1)
    errors = conditions.respond(setting, chosen, [1, 2], ["other_drive"], tuned, photograph)
    assert errors.groupby(["dose", "method"]).ngroups == 3  # the bandwidth's clip is the base's
    table = conditions.responses(errors, replicates=19)
    assert table.columns.tolist() == list(conditions.RESPONSE)
    assert table.dose.tolist() == [conditions.BASE, "bandwidth"]
    assert (table.worlds == 2).all()
    assert np.isfinite(table.ratio).all()
    assert len(set(table.clip_m)) == 1
    both = conditions.with_pictures(errors, errors[errors.world == 2], replicates=19)
    assert both.features_from.tolist() == ["fields and noise"] * 2 + ["pictures"] * 2
    assert both.ratio[:2].tolist() == both.ratio[2:].tolist()
    world = BASE | {"world_seed": 1}, *photograph(chosen[0], 1)
    gains = conditions.without_geography(setting, *world, "other_drive", tuned, 2)
    assert gains.columns.tolist() == list(conditions.PERMUTED)
    assert gains.ratio.nunique() == 2


def test_trials_try_the_whole_grid_of_both_methods(world, monkeypatch):
    monkeypatch.setattr(worlds, "train", lambda *given, asked: (None, abs(asked["learning_rate"] - 0.001)))
    table = conditions.trials(*world, ["blocked"])
    assert table.method.value_counts().to_dict() == {"clip": 12, "sw_clip": 12}
    assert recipes.tuned("clip", "blocked", table, {})["learning_rate"] == 0.001


def test_every_method_is_trained_without_geography_but_the_curve_that_does_not_fit(world, monkeypatch):
    monkeypatch.setattr(worlds, "train", lambda setting, method, data, trials: (pd.DataFrame({"method": [method]}), 0))
    given, tried = (*world, "other_drive", None), [name for name, row in methods.METHODS.items() if row.tuned]
    assert conditions.all_without_geography(*given, {"flag": ""}).method.tolist() == tried
    flagged = conditions.all_without_geography(*given, {"flag": "no rise"}).method
    assert set(tried) - set(flagged) == {"variogram_clip"}


def test_the_base_stands_beside_every_change():
    table = pd.DataFrame({"dose": [conditions.BASE, "range"], "value": [1.0, 0.5], "ratio": [0.9, 1.0]})
    shown = conditions.beside_base(table, BASE)
    assert shown[["dose", "value", "ratio"]].to_numpy().tolist() == [["range", 0.5, 1.0], ["range", 0.3, 0.9]]


def test_the_answers_name_what_is_shown_and_nothing_else():
    table = pd.DataFrame({
        "dose": ["range", "noise"], "value": [2.0, 4.0], "split": "blocked", "ratio": [0.7, 0.8], "low": [0.5, 0.6],
        "high": [0.9, 0.95], "p_holm": [0.01, 0.2],
    })  # fmt: skip
    near, far = (pd.DataFrame({"ratio": [low, 1.1]}) for low in (0.9, 0.6))
    said = "Of 2 conditions spatial targets are shown to help in {} and to harm in none."
    assert conditions.answer(table, near) == said.format("1 (range 2 (blocked, ratio 0.70))")
    assert conditions.answer(table, far) == said.format("none")  # chance reaches as far
    worse = table.assign(ratio=[1.5, 1.2], low=1.1, high=1.9, p_holm=0.01)
    assert "to harm in 1 (range 2 (blocked, ratio 1.50))." in conditions.answer(worse, 1.1 * near)
    said = conditions.answer_null(pd.DataFrame({"method": ["clip", "cells"], "p_holm": [0.5, np.nan]}), near)
    assert "none of 2 methods can be told from its exact null" in said
    assert "between 0.90 and 1.10 in 2" in said


@pytest.mark.parametrize(("seeds", "splits", "name"), [([], ["other_drive"], "worlds"), ([1], [], "splits")])
def test_no_world_and_no_split_are_refused(seeds, splits, name):
    with pytest.raises(ValueError, match=f"{name} 0 must be a whole number of at least 1: name at least one"):
        conditions.respond(None, [PLAIN], seeds, splits, None, None)
