import numpy as np
import pandas as pd
import pytest

from experiments.laboratory import unseen_worlds, worlds
from geonb.learning import recipes
from geonb.measuring import errors as measured
from simcities import simulation

SMOOTHED = "smoothed posterior"


def rows(method, decoding, kind=np.nan, world=1):
    return {"method": method, "decoding": decoding, "kind": kind, "photo_id": "a-1", "block": "b", "world": world}


def test_names_say_how_an_answer_is_read_off_where_it_is_not_the_usual_way():
    errors = pd.DataFrame([
        rows("clip", "best place"), rows("clip", SMOOTHED), rows("own", "best place"), rows("own", SMOOTHED),
        rows("chance", np.nan, "trivial", world=2),
    ])  # fmt: skip
    found = unseen_worlds.named(errors, SMOOTHED)
    assert found.method.tolist() == ["clip", "clip, smoothed posterior", "own, best place", "own", "chance"]
    assert found.kind.tolist() == ["method"] * 4 + ["trivial"]
    assert found.photo_id.tolist() == ["1-a-1"] * 4 + ["2-a-1"]
    assert found.block.tolist() == ["1-b"] * 4 + ["2-b"]


@pytest.mark.slow
def test_worlds_go_from_pictures_to_the_headline(options, tmp_path, monkeypatch):
    def photographed(options, tower):
        photos, seen = simulation.unpainted(simulation.World(**options))
        return photos, np.float32(seen / np.linalg.norm(seen, axis=1, keepdims=True))

    monkeypatch.setattr(worlds, "photographed", photographed)
    course = recipes.Course(steps=6, batch_size=32, evaluate_every=3)
    setting = worlds.Setting(200.0, 50.0, course, lambda *key: tmp_path / str(hash(key)))
    what = setting, options, [1], ["other_drive", "unseen_city"], ["clip", "own"], None, None
    errors = unseen_worlds.errors(*what, ways=("best place", SMOOTHED), own_way=SMOOTHED)
    assert errors.columns.tolist() == list(unseen_worlds.ERRORS)
    assert {"clip", "clip, smoothed posterior", "own", "own, best place", "chance", "gallery_floor"} <= set(
        errors.method
    )
    assert errors.groupby(["split", "method"]).photo_id.nunique().groupby("split").nunique().tolist() == [1, 1]
    assert (errors[errors.split == "unseen_city"].query("method == 'own'").right_city).all()
    compared = measured.compare(errors, replicates=10)
    first, second = unseen_worlds.tables(compared)
    assert first.index.name == "other_drive, errors in km"
    assert second.columns.tolist() == ["median", "mean", "p90", "100 m", "250 m", "city"]
    own_only = unseen_worlds.headline(errors, compared, 60, "page", names=["own"], replicates=10).key
    assert own_only.str.contains(r"\.own$|\.own_over_").all()
    headline = unseen_worlds.headline(errors, compared, 60, "page", replicates=10).set_index("key")
    assert headline.index.is_unique
    assert "median_error_ratio.other_drive.60.own_over_field_reference" in headline.index
    assert not headline.index.str.contains(", ").any()
    own = errors[(errors.method == "own") & (errors.split == "other_drive")]
    assert headline.value["median_error_m.other_drive.60.own"] == pytest.approx(own.error_m.median())


def test_a_photo_that_one_trained_row_places_in_a_wrong_city_counts_for_none_however_far_that_is():
    errors = pd.DataFrame({
        "split": "s", "photo_id": ["a", "b"] * 3, "method": np.repeat(["clip", "sw_clip", "chance"], 2),
        "kind": np.repeat(["method", "method", "trivial"], 2), "right_city": [True, True, False, True, False, False],
    })  # fmt: skip
    assert unseen_worlds.within_city(errors).photo_id.tolist() == ["b"] * 3


def test_the_answer_claims_only_what_holm_leaves():
    ratios = pd.DataFrame({
        "split": ["blocked", "blocked", "unseen_city"], "method": ["sw_clip", "own", "own"], "ratio": [0.9, 0.7, 0.8],
        "low": [0.7, 0.5, np.nan], "high": [1.1, 0.9, np.nan], "p_holm": [0.4, 0.01, np.nan],
    })  # fmt: skip
    said = unseen_worlds.answer(ratios, 5, 100)
    assert "in blocked that of sw_clip 0.90 times (0.70 to 1.10) and that of own 0.70 times (0.50 to 0.90)" in said
    assert "in unseen_city that of own 0.80 times. Shown to be better than clip: own (blocked); worse: nothing." in said
