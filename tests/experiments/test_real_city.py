import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.real_city import controls, folds, tables
from geonb.earth import sphere
from geonb.splitting import splits

CUT = splits.Cut(0.2, 0.1, 400.0, 100.0, 15.0)


def city(count=300, places=120, seed=0):
    """A city of photos at shared places whose features follow the place."""
    rng = np.random.default_rng(seed)
    at = sphere.from_local_m(rng.uniform(-4000, 4000, (places, 2)), [40.7, -74.0])[rng.integers(0, places, count)]
    photos = pd.DataFrame({
        "photo_id": [f"p{n}" for n in range(count)], "path": [f"{700 + n % 7}{n:03d}f-a.jpg" for n in range(count)],
        "lat_deg": at[:, 0], "lon_deg": at[:, 1], "city": "c", "country": "", "district": "", "street": "",
        "sequence_id": "", "captured_at": "1930-07-01",
    })  # fmt: skip
    features = np.hstack([sphere.to_local_m(at, [40.7, -74.0]) / 4000, rng.normal(size=(count, 6))])
    return folds.City(photos, features.astype(np.float32), CUT)


CITY = city()


@pytest.mark.parametrize("split", ["random", "by_place", "blocked", "by_series"])
def test_each_photo_tests_in_one_fold(split):
    tested = np.sum([CITY.parts(split, fold) == "test" for fold in range(folds.FOLDS)], axis=0)
    np.testing.assert_array_equal(tested, 1)


def test_series_held_out_share_no_place_and_no_series_with_what_trains():
    parts, series = CITY.parts("by_series", 1), controls.series(CITY.photos)
    place = splits.place_ids(CITY.lat_lon_deg)
    for group in (place, series.to_numpy()):
        assert not set(group[parts == "test"]) & set(group[parts == "train"])


def test_features_of_a_fold_are_standardised_on_its_training_photos():
    other = folds.City(CITY.photos, CITY.features.copy(), CUT)
    test = other.parts("by_place", 0) == "test"
    other.features[test] *= 100
    train = other.parts("by_place", 0) == "train"
    a, b = (made.fold("by_place", 0).features for made in (CITY, other))
    np.testing.assert_allclose(a[train], b[train], atol=1e-6)


def test_trainings_and_rows_without_training_place_each_photo_once_for_each_seed(tmp_path):
    short = folds.recipes.Course(steps=2, batch_size=32)
    asked = folds.recipe("sw_clip", "by_place", course=short, tuned={"bandwidth_m": 500.0})
    found = folds.trained(CITY, [("sw_clip", "by_place", asked)], [0, 1], tmp_path)
    again = folds.trained(CITY, [("sw_clip", "by_place", asked)], [0, 1], tmp_path / "again", workers=1)
    pd.testing.assert_frame_equal(found, again)
    assert not list(tmp_path.rglob("*.safetensors"))
    longer = folds.replace(asked, tuned=folds.recipes.Tuned(bandwidth_m=900.0))
    other = folds.trained(CITY, [("sw_clip", "by_place", longer)], [0, 1], tmp_path)
    assert not other.equals(found)  # what was kept of another recipe is not taken
    assert (found.groupby("photo_id").size() == 2).all()
    rest = folds.untrained(CITY, "by_place")
    assert (rest.groupby(["row", "photo_id"]).size() == 1).all()
    assert set(rest.row) == {"chance", "mode", "frozen_nearest", "frozen_smoothed"}
    found = tables.with_blocks(pd.concat([found, rest]))
    rows = tables.rows(found, replicates=30, seed=0)
    assert (rows.n == len(CITY.photos)).all()
    pair = tables.pairs(found, [("by_place", "frozen_nearest", "chance")], replicates=200, seed=0).iloc[0]
    assert pair.low < pair.ratio < pair.high < 1
    assert tables.claim(pair).startswith("frozen_nearest errs less than chance")
    assert tables.by_cell(found, ["chance"], 7).n.min() >= tables.FEWEST_OF_A_CELL


def test_a_control_takes_the_values_of_what_it_controls():
    tried = pd.DataFrame({
        "method": ["sw_clip", "sw_clip"], "learning_rate": [0.1, 0.2], "bandwidth_m": [500.0, 900.0],
        "validation_error_m": [2.0, 1.0], "split": "by_place",
    })  # fmt: skip
    tuned = folds.recipe("shuffled_distances", "by_place", tried).tuned
    assert (tuned.learning_rate, tuned.bandwidth_m) == (0.2, 900.0)


def test_bumps_tell_values_apart_and_missing_ones():
    found = controls.bumps(np.array([1870.0, 1900.0, np.nan, 1940.0]))
    assert found.shape == (4, controls.BUMPS + 1)
    np.testing.assert_array_equal(found[:, -1], [0, 0, 1, 0])
    assert found[0].argmax() < found[1].argmax() < found[3].argmax()


def test_a_masked_caption_keeps_what_is_seen_and_no_name():
    text = "Hylan Boulevard, north side, at 10th Street, showing the Billopp house and tall elms beside hylan fences."
    assert (
        controls.masked(text, "Richmond: Hylan Boulevard - Satterlee Street") == "the house and tall elms beside fences"
    )


@pytest.mark.skipif("GEONB_REAL_DATA" not in os.environ, reason="GEONB_REAL_DATA is not set: no real captions")
def test_no_word_of_a_title_survives_in_real_captions():
    table = pd.read_csv(Path(os.environ["GEONB_REAL_DATA"], "old_new_york", "photos.csv"), keep_default_na=False)
    for text, title in zip(table.text, table.original_title, strict=True):
        left = set(controls.masked(text, title).split())
        assert not left & set(re.findall(r"[a-z]+", title.lower()))
        assert not left & {"manhattan", "brooklyn", "queens", "bronx", "richmond"}


def test_words_that_follow_the_place_are_read():
    east = CITY.lat_lon_deg[:, 1] > np.median(CITY.lat_lon_deg[:, 1])
    told = np.where(east, "harbour ships", "orchard barn").astype(object)
    found = controls.by_words(told, CITY, "by_place", "words", folds.FOLDS)
    silent = controls.by_words(np.full(len(told), "house", object), CITY, "by_place", "words", folds.FOLDS)
    assert found.error_m.mean() < 0.95 * silent.error_m.mean()


def test_published_tables_hold_no_photo_and_no_position():
    folder = folds.files.ROOT / "data" / "results" / "old_new_york" / "20_old_new_york"
    for manifest in folder.glob("*.json"):
        columns = set(json.loads(manifest.read_text(encoding="utf-8")).get("columns", {}))
        assert not columns & {"photo_id", "lat_deg", "lon_deg", "caption", "path", "sequence_id"}, manifest.name
