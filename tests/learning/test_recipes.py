"""A recipe is whole, hashable and refused where it cannot be; trials set what nobody asked for."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from geonb.files import ROOT
from geonb.learning import methods, recipes
from tests.learning.conftest import small

TRIALS = ROOT / "data" / "trials" / "trials.csv"
UNTUNED = dataclasses.asdict(recipes.Tuned())
PAGE = {"method": "sw_clip", "splits": ["blocked"], "trials": "data/trials/trials.csv", "loss": {}, "towers": {},
        "course": {}}  # fmt: skip
TOWER, LAGS = {"tower": "local-dir:x", "weights": ""}, {"max_lag_m": 500.0, "lag_count": 8}


def test_a_recipe_of_a_page_takes_trials_tower_and_lags_and_what_the_page_asks_for():
    asked = PAGE | {"bandwidth_m": 70.0, "strength": -1.0, "towers": {"sigmas": [1, 2.0]}}
    made = recipes.of_page(asked | {"course": {"steps": 7}}, TOWER, LAGS)["blocked"]
    best = recipes.tuned("sw_clip", "blocked", pd.read_csv(TRIALS), {})
    assert dataclasses.asdict(made.tuned) == best | {"bandwidth_m": 70.0}
    assert (made.loss.max_lag_m, made.loss.lag_count, made.towers.tower) == (500.0, 8, "local-dir:x")
    assert made.towers.sigmas == (1, 2.0)
    assert (made.course.steps, made.course.batch_size) == (7, recipes.Course().batch_size)
    row = recipes.of_page(asked | {"method": f"{PAGE['method']}-bandwidth_m-70"}, TOWER, LAGS)["blocked"]
    assert row == recipes.of_page(asked, TOWER, LAGS)["blocked"]  # the page sets the value that the row's name gives
    assert recipes.of_page(PAGE | {"trials": ""}, TOWER, LAGS)["blocked"].tuned == recipes.Tuned()
    imagenet = {"tower": "imagenet/efficientnet-lite0", "weights": ""}
    assert recipes.of_page(PAGE, imagenet, LAGS)["blocked"].towers.standardise != made.towers.standardise
    with pytest.raises(ValueError, match="number of splits 0 must be a whole number of at least 1"):
        recipes.of_page(PAGE | {"splits": []}, TOWER, LAGS)


def test_the_city_is_given_in_unseen_city_but_to_methods_that_name_training_places():
    given = {
        name: recipes.recipe(name, split, None).city_given
        for name, split in (("clip", "unseen_city"), ("soft_contrastive", "unseen_city"), ("own", "blocked"),
                            ("cells", "unseen_city_3"))
    }  # fmt: skip
    assert given == {"clip": True, "soft_contrastive": False, "own": False, "cells": True}


def test_a_split_with_a_number_has_the_trials_of_the_one_without_where_it_has_none_of_its_own():
    trials = pd.read_csv(TRIALS)
    best = recipes.tuned("clip", "blocked", trials, {})
    assert recipes.tuned("clip", "blocked_25", trials, {}) == best != UNTUNED
    own = trials[trials.split == "blocked"].head(12).assign(split="blocked_25", learning_rate=0.7, method="clip")
    assert recipes.tuned("clip", "blocked_25", pd.concat([trials, own]), {})["learning_rate"] == 0.7


@pytest.mark.parametrize("name", methods.METHODS)
def test_a_recipe_survives_json_and_is_a_key(name):
    made = small(name)
    assert recipes.changed(recipes.Recipe("clip", ""), json.loads(json.dumps(dataclasses.asdict(made)))) == made
    assert len({made, small(name), small(name, {"split": "other"})}) == 2


@pytest.mark.parametrize(("changes", "said"), [
    ({"loss": {"kernle": "uniform"}}, "loss has no kernle; it has kernel, cutoff_bandwidths, "),
    ({"course": {"steps": 1.5}}, "course: steps = 1.5 is not a int like 60"),
    ({"loss": {"location_to_image": 1}}, "loss: location_to_image = 1 is not a bool like True"),
    ({"towers": {"sigmas": []}}, "sigmas 0 must be a finite number above 0"),
    ({"towers": {"sigmas": [1.0, np.inf]}}, "sigmas inf must be a finite number above 0"),
    ({"towers": {"location": "siren"}}, "location 'siren' must be one of fourier, capsules, text"),
    ({"loss": {"neighbourhood": "push"}}, "neighbourhood 'push' must be one of pull, ranking"),
    ({"loss": {"bandwidth": "wide"}}, "bandwidth 'wide' must be one of fixed, city, density"),
    ({"loss": {"kernel": "wide"}}, "kernel 'wide' must be one of one_hot, gaussian, exponential, uniform, variogram"),
    ({"method": "clop"}, "no method 'clop': there are clip, sw_clip"),
    ({"method": "cells", "towers": {"train_backbone": True}}, "for methods with a fresh location tower, not for cells"),
    ({"method": "geoclip", "towers": {"train_backbone": True, "released": "x"}}, "with a fresh location tower"),
    ({"method": "geoclip", "loss": {"fairness_weight": 1.0}}, "geoclip has no regularisers"),
    ({"course": {"checkpoint_every": 100, "refit_every": 30}}, "100 must be a multiple of refit_every 30"),
])  # fmt: skip
def test_what_cannot_be_is_refused_with_what_there_is(changes, said):
    with pytest.raises(ValueError, match=said):
        small(changes=changes)


ABOVE, LEAST, WHOLE = "a finite number above 0", "a finite number of at least 0", "a whole number of at least "


@pytest.mark.parametrize(("part", "names", "value", "bound"), [
    ("tuned", "learning_rate bandwidth_m cell_size_m", np.nan, ABOVE),
    ("tuned", "weight_decay strength noise_m prior_share", -1.0, LEAST), ("tuned", "prior_share", 1.5, LEAST),
    ("loss", "cutoff_bandwidths range_factor max_lag_m", np.inf, ABOVE),
    ("loss", "neighbourhood_weight fairness_weight", -1.0, LEAST), ("towers", "size context_length", 0, f"{WHOLE}1"),
    ("course", "steps evaluate_every checkpoint_every", 0, f"{WHOLE}1"), ("course", "batch_size", 1, f"{WHOLE}2"),
    ("course", "neighbours queue refit_every", -1, f"{WHOLE}0"),
])  # fmt: skip
def test_a_value_that_cannot_be_is_refused_with_name_value_and_bound(part, names, value, bound):
    for name in names.split():
        with pytest.raises(ValueError, match=f"{name} {value} must be {bound}"):
            small(changes={part: {name: value}})


def test_a_table_shows_what_is_tuned_and_what_differs_from_the_defaults():
    made = recipes.Recipe("sw_clip", "toy", loss=recipes.Loss(kernel="uniform"))
    table = recipes.table({"one": made, "other": recipes.Recipe("clip", "toy")})
    assert table.loc["loss: kernel"].tolist()[0] == "uniform"
    assert list(table.index) == [*UNTUNED, "loss: kernel"]
    assert table.columns.name == "sw_clip / clip"


def test_the_best_trial_of_a_split_sets_what_nobody_asked_for():
    trials = pd.DataFrame(
        {"method": ["clip", "clip", "clip", "cells"], "split": ["here", "here", "there", "here"],
         "learning_rate": [0.1, 0.2, 0.3, 0.4], "weight_decay": [0.5, 0.6, 0.7, 0.8],
         "validation_error_m": [9.0, 8.0, 1.0, 1.0]}
    )  # fmt: skip
    found = recipes.tuned("clip", "here", trials, {"learning_rate": -1.0, "bandwidth_m": -1.0})
    assert found == UNTUNED | {"learning_rate": 0.2, "weight_decay": 0.6}
    assert recipes.tuned("clip", "there", trials, {})["learning_rate"] == 0.3
    assert recipes.tuned("clip", "here", trials, {"learning_rate": 7.0})["learning_rate"] == 7.0
    assert recipes.tuned("clip", "where", trials, {}) == UNTUNED
    for none in (trials[trials.method != "clip"], trials.assign(validation_error_m=np.nan)):  # none, none measured
        with pytest.raises(ValueError, match="trials of split here have none of clip"):
            recipes.tuned("clip", "here", none, {})


def test_a_row_that_is_like_another_has_its_values_but_for_its_own():
    trials = pd.DataFrame({
        "method": ["geoclip", "geoclip", "geoclip_precursor"], "split": "here", "learning_rate": [0.1, 0.2, 0.3],
        "noise_m": [30.0, 100.0, np.nan], "strength": [np.nan, np.nan, 3.0], "validation_error_m": [8.0, 9.0, 1.0],
    })  # fmt: skip
    found = recipes.tuned("geoclip_precursor", "here", trials, {})
    assert found == UNTUNED | {"learning_rate": 0.3, "noise_m": 30.0, "strength": 3.0}
    assert recipes.tuned("geoclip_precursor", "here", trials, {"noise_m": 0.0})["noise_m"] == 0.0
    with pytest.raises(ValueError, match="trials of split here have none of geoclip:"):
        recipes.tuned("geoclip_precursor", "here", trials[2:], {})
    rules = [row for row in methods.METHODS.values() if row.guided]
    assert len(rules) == 3
    assert all(row.like == "geoclip" and set(row.tuned) <= {"learning_rate", "strength"} for row in rules)


@pytest.mark.parametrize("name", [name for name, row in methods.METHODS.items() if not row.tuned])
def test_a_control_has_all_values_of_the_trials_of_what_it_controls_and_those_that_are_asked_for(name):
    trials = pd.read_csv(TRIALS)
    best = recipes.tuned("sw_clip", "blocked", trials, {})
    assert best != UNTUNED
    assert recipes.tuned(name, "blocked", trials, {}) == best
    assert recipes.tuned(name, "blocked", trials, {"bandwidth_m": 70.0}) == best | {"bandwidth_m": 70.0}


@pytest.mark.parametrize("name", UNTUNED)
def test_a_value_that_is_no_number_does_not_fall_back_on_the_trials(name):
    with pytest.raises(ValueError, match=f"{name} nan must be a finite number"):
        recipes.recipe("sw_clip", "other_drive", None, asked={name: np.nan})


def test_the_best_trials_say_what_ended_at_an_end_of_what_was_tried():
    trials = pd.DataFrame(
        {"method": ["a"] * 3 + ["b"] * 3, "bandwidth_m": [1.0, 2, 3, 1, 2, 3], "strength": [np.nan] * 3 + [4.0, 5, 6],
         "split": "here", "validation_error_m": [9.0, 5, 8, 3, 4, 7]}
    )  # fmt: skip
    trials = pd.concat([trials, trials.assign(split="away", validation_error_m=[1.0, 2, 3, 7, 6, 5])])
    best = recipes.best_trials(trials.reset_index(drop=True))
    assert best.index.tolist() == [("away", "a"), ("away", "b"), ("here", "b"), ("here", "a")]
    assert best.at_an_end.tolist() == ["bandwidth_m", "bandwidth_m, strength", "bandwidth_m, strength", ""]
    assert best.trials.tolist() == [3] * 4


def test_the_trials_at_hand_are_twelve_for_every_method_and_split_over_two_values():
    trials, tried = pd.read_csv(TRIALS), {name: row for name, row in methods.METHODS.items() if row.tuned}
    each = {(name, split): 12 for name in tried for split in ("blocked", "other_drive", "unseen_city")}
    assert trials.groupby(["method", "split"]).size().to_dict() == each
    for name, row in tried.items():
        assert len(row.tuned) == 2, name
        for parameter, values in row.tuned.items():
            assert sorted(trials[trials.method == name][parameter].unique()) == sorted(values), (name, parameter)
