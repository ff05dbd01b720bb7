import dataclasses

import numpy as np
import pandas as pd
import pytest

from experiments.laboratory import experiments, sealed
from geonb.learning import recipes
from geonb.measuring.errors import ERRORS, compare
from geonb.photos.sources import simulated

OPTIONS = {"city_count": 3, "photos_per_city": 60, "picture_px": 32, "world_seed": 1, "city_side_m": 900.0}
CUT = {"test_share": 0.3, "validation_share": 0.1, "block_size_m": 200.0, "buffer_m": 0.0, "gap_m": 15.0}


def rows(method, decoding, kind=np.nan, world=1):
    return {"method": method, "decoding": decoding, "kind": kind, "photo_id": "a-1", "block": "b", "world": world}


def test_names_say_how_an_answer_is_read_off_where_it_is_not_the_usual_way():
    errors = pd.DataFrame([
        rows("clip", "best place"), rows("clip", "smoothed posterior"), rows("own", "best place"),
        rows("own", "smoothed posterior"), rows("chance", np.nan, "trivial", world=2),
    ])  # fmt: skip
    found = sealed.named(errors, "smoothed posterior")
    assert found.method.tolist() == ["clip", "clip, smoothed posterior", "own, best place", "own", "chance"]
    assert found.kind.tolist() == ["method"] * 4 + ["trivial"]
    assert found.photo_id.tolist() == ["1-a-1"] * 4 + ["2-a-1"]
    assert found.block.tolist() == ["1-b"] * 4 + ["2-b"]


def test_a_world_goes_from_pictures_to_the_headline(tmp_path):
    table, seen = simulated.unpainted(simulated.World(**OPTIONS))
    features = np.float32(seen / np.linalg.norm(seen, axis=1, keepdims=True))
    setting = experiments.Setting(CUT, 16, {"steps": 6, "batch_size": 32, "evaluate_every": 3}, tmp_path)
    grid, own, tables = experiments.grid(OPTIONS, 1, 50.0), dataclasses.asdict(recipes.Tuned()), []
    ways = ("best place", "smoothed posterior")
    for split in ("other_drive", "unseen_city"):
        for name in ("clip", "own"):
            found, _ = experiments.train(setting, name, name, split, own, table, features, grid, ways=ways)
            assert len(set(found.groupby("decoding").size())) == 1
            tables.append(found.assign(world=1))
        without = sealed.untrained(OPTIONS, table, features, split, CUT, grid, seed=0)
        assert set(without.photo_id) == set(found.photo_id)
        tables.append(without.assign(world=1))
    errors = sealed.named(pd.concat(tables, ignore_index=True), "smoothed posterior")
    assert set(ERRORS) <= set(errors)
    assert (errors[errors.split == "unseen_city"].query("method == 'own'").right_city).all()
    compared = compare(errors, replicates=10)
    own_only = sealed.headline(errors, compared, 60, "19_sealed_worlds", names=["own"], replicates=10).key
    assert own_only.str.contains(r"\.own$|\.own_over_").all()
    assert len(own_only)
    headline = sealed.headline(errors, compared, 60, "19_sealed_worlds", replicates=10).set_index("key")
    assert headline.index.is_unique
    assert "median_error_ratio.other_drive.60.own_over_field_reference" in headline.index
    assert not headline.index.str.contains(", ").any()
    own = errors[(errors.method == "own") & (errors.split == "other_drive")]
    assert headline.value["median_error_m.other_drive.60.own"] == pytest.approx(own.error_m.median())


def test_the_answer_claims_only_what_holm_leaves():
    ratios = pd.DataFrame({
        "split": ["blocked", "blocked", "unseen_city"], "method": ["sw_clip", "own", "own"], "ratio": [0.9, 0.7, 0.8],
        "low": [0.7, 0.5, np.nan], "high": [1.1, 0.9, np.nan], "p_holm": [0.4, 0.01, np.nan],
    })  # fmt: skip
    said = sealed.answer(ratios, 5, 100)
    assert "in blocked that of sw_clip 0.90 times (0.70 to 1.10) and that of own 0.70 times (0.50 to 0.90)" in said
    assert "in unseen_city that of own 0.80 times. Shown to be better than clip: own (blocked); worse: nothing." in said
