import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from experiments.laboratory import doses, experiments
from geonb.learning import recipes
from geonb.photos.sources import simulated
from simcities import fields

BASE = {"city_count": 3, "photos_per_city": 120, "city_side_m": 900.0}
LISTS = {
    "range_scale": [0.5], "nugget": [2.4], "photos_per_city": [100], "city_mean_sd": [0.0], "noise": [4.0],
    "bandwidth_m": [50.0],
}  # fmt: skip
CUT = {"test_share": 0.3, "validation_share": 0.1, "block_size_m": 200.0, "buffer_m": 0.0, "gap_m": 15.0}


def test_a_probe_reads_noisy_fields_as_well_as_it_reads_the_tower():
    rng = np.random.default_rng(0)
    city = np.repeat(["a", "b"], 20_000)
    seen = rng.normal(0, [1.0, 2.0], (40_000, 2)) + np.repeat([[0.0, 0], [5, 9]], 20_000, axis=0)
    noisy = seen + doses.noise_sd(seen, city, [0.6, 0.25]) * rng.standard_normal(seen.shape)
    for k, r2 in enumerate([0.6, 0.25]):
        x, y = noisy[:20_000, k : k + 1], seen[:20_000, k]
        assert LinearRegression().fit(x, y).score(x, y) == pytest.approx(r2, abs=0.02)
    assert np.isfinite(doses.noise_sd(seen, city, [-0.3, 1.0])).all()  # a field that is not read at all has much noise


def test_every_dose_changes_one_thing():
    found = doses.doses(BASE, **LISTS)
    assert [dose.about for dose in found] == [
        doses.BASE, "noise", "bandwidth", "range", "nugget", "photos per city", "city means"
    ]  # fmt: skip
    plain = {"world": BASE, "noise": 1.0, "bandwidth_m": None}
    for dose in found[1:]:
        changed = {name for name, value in plain.items() if getattr(dose, name) != value}
        assert len(changed) == 1
        if changed == {"world"}:
            assert len(set(dose.world.items()) - set(BASE.items())) == 1


def test_photos_without_pictures_are_those_of_the_world():
    table, seen = simulated.unpainted(simulated.World(**BASE | {"world_seed": 1}))
    assert len(table) == 360
    assert seen.shape == (360, len(fields.FIELDS))
    assert table.photo_id.is_unique
    plain = doses.Dose(doses.BASE, 1.0, BASE)
    places, features = doses.photographed(plain, 1, np.zeros(len(fields.FIELDS)))
    pd.testing.assert_frame_equal(places, table)
    np.testing.assert_allclose(features, seen, atol=1e-6)
    louder = doses.photographed(doses.Dose("noise", 4.0, BASE, noise=4.0), 1, np.ones(len(fields.FIELDS)))[1]
    np.testing.assert_allclose((louder - seen).std(), 4.0, rtol=0.05)


def test_dealing_moves_features_and_keeps_them():
    features = np.arange(50.0)[:, None]
    first, again, second = (doses.dealt(features, 1, number) for number in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != second).any()
    assert (first != features).any()
    np.testing.assert_array_equal(np.sort(first, axis=0), features)


def test_a_world_is_trained_and_answered(tmp_path):
    setting = experiments.Setting(CUT, 16, {"steps": 8, "batch_size": 32, "evaluate_every": 4}, tmp_path)
    chosen = [dose for dose in doses.doses(BASE, **LISTS) if dose.about in (doses.BASE, "bandwidth")]
    tuned = pd.DataFrame({
        "method": ["clip", "sw_clip"], "split": "other_drive", "learning_rate": 0.001, "validation_error_m": 1.0,
    })  # fmt: skip
    sd = np.ones(len(fields.FIELDS))
    errors = doses.respond(
        setting, chosen, [1, 2], ["other_drive"], tuned, lambda dose, world: doses.photographed(dose, world, sd), 50.0
    )
    assert errors.groupby(["dose", "method"]).ngroups == 3  # the bandwidth's clip is the base's
    table = doses.responses(errors, replicates=19)
    assert table.dose.tolist() == [doses.BASE, "bandwidth"]
    assert (table.worlds == 2).all()
    assert np.isfinite(table.ratio).all()
    assert len(set(table.clip_m)) == 1
    assert "other_drive" in doses.answer(
        table.assign(ratio=0.4, high=0.5, p_holm=0.01), pd.DataFrame({"ratio": [0.9, 1.1]})
    )


def test_trials_try_the_whole_grid_of_a_method(tmp_path, monkeypatch):
    seen = []

    def train(setting, label, name, split, own, table, features, gallery_grid, *, city_given):
        assert city_given
        seen.append(own)
        return None, abs(own["learning_rate"] - 0.001)

    monkeypatch.setattr(experiments, "train", train)
    table = doses.trials(None, ["clip"], ["blocked"], None, None, None)
    assert len(table) == len(seen) == 12
    assert recipes.tuned("clip", "blocked", table, {})["learning_rate"] == 0.001


def test_the_base_stands_beside_every_dose():
    table = pd.DataFrame({"dose": [doses.BASE, "range", "noise"], "value": [1.0, 0.5, 4.0], "ratio": [0.9, 1.0, 1.1]})
    shown = doses.beside_base(table, {"noise": 1.0, "range": 1.0})
    assert shown[["dose", "value", "ratio"]].to_numpy().tolist() == [
        ["noise", 1.0, 0.9], ["noise", 4.0, 1.1], ["range", 0.5, 1.0], ["range", 1.0, 0.9]
    ]  # fmt: skip


def test_the_answers_name_what_is_shown_and_nothing_else():
    table = pd.DataFrame({
        "dose": ["range", "noise"], "value": [2.0, 4.0], "split": "blocked", "ratio": [0.7, 0.8], "low": [0.5, 0.6],
        "high": [0.9, 0.95], "p_holm": [0.01, 0.2],
    })  # fmt: skip
    said = "Of 2 conditions spatial targets are shown to help in {} and to harm in none."
    assert doses.answer(table, pd.DataFrame({"ratio": [0.9, 1.1]})) == said.format("1 (range 2 (blocked, ratio 0.70))")
    assert doses.answer(table, pd.DataFrame({"ratio": [0.6, 1.1]})) == said.format("none")  # chance reaches as far
    worse = table.assign(ratio=[1.5, 1.2], low=1.1, high=1.9, p_holm=0.01)
    assert "to harm in 1 (range 2 (blocked, ratio 1.50))." in doses.answer(worse, pd.DataFrame({"ratio": [0.9, 1.3]}))
    null = pd.DataFrame({"method": ["clip", "cells"], "p_holm": [0.5, np.nan]})
    said = doses.answer_null(null, pd.DataFrame({"ratio": [0.9, 1.1]}))
    assert "none of 2 methods can be told from its exact null" in said
    assert "between 0.90 and 1.10 in 2" in said


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("name", LISTS)
def test_a_dose_that_is_no_number_is_refused(name, wrong):
    with pytest.raises(ValueError, match=f"{wrong} must be a finite number"):
        doses.doses(BASE, **LISTS | {name: [wrong]})


def test_a_bandwidth_of_0_does_not_take_the_one_of_the_trials():
    with pytest.raises(ValueError, match=r"bandwidth_m 0.0 must be a finite number above 0"):
        doses.doses(BASE, **LISTS | {"bandwidth_m": [0.0]})


def test_no_world_no_split_and_no_dealing_are_refused():
    for worlds, splits, name in (([], ["other_drive"], "worlds"), ([1], [], "splits")):
        with pytest.raises(ValueError, match=f"{name} 0 must be a whole number of at least 1: name at least one"):
            doses.respond(None, [doses.Dose("base", 1.0)], worlds, splits, None, None, 50.0)
    with pytest.raises(ValueError, match="dealings 0 must be a whole number of at least 1"):
        doses.answer(pd.DataFrame({"ratio": [1.0]}), pd.DataFrame({"ratio": []}))
    with pytest.raises(ValueError, match="gallery_spacing_m inf must be a finite number above 0"):
        experiments.grid(BASE, 1, np.inf)
