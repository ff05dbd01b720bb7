"""Variants differ from their base in one thing that changes the training, and are measured beside it."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from geonb.learning import geoclip, methods, recipes, variants
from geonb.measuring import ablations
from tests.learning.conftest import small, two_cities, with_photos

SHORT = {"course": {"steps": 20, "batch_size": 48, "evaluate_every": 10}}
DATA = two_cities(200)


def differences(one, other):
    """The paths at which two recipes differ."""
    flat = [{(part, name): value for part, values in asdict(recipe).items()
             for name, value in (values.items() if isinstance(values, dict) else [("", values)])}
            for recipe in (one, other)]  # fmt: skip
    return [path for path, value in flat[0].items() if value != flat[1][path]]


@pytest.mark.slow
def test_every_variant_changes_one_thing_that_changes_the_training_and_stands_in_its_tables(tmp_path):
    named = variants.of_sw_clip(small(changes=SHORT), [32, 64], DATA)
    given = DATA, range(1), lambda recipe: tmp_path / str(hash(recipe)), 200.0
    tables = ablations.of_sw_clip(named, *given, replicates=19)
    runs = ablations.train(named, *given)[0]  # taken from the checkpoints
    assert [list(table) for table in tables] == [list(columns) for columns in ablations.OF_SW_CLIP.values()]
    errors, ratios, regions, decoded = (table.method.unique().tolist() for table in tables)
    assert (errors, ratios) == (list(named), list(named)[1:])
    assert (regions, decoded) == (list(variants.FAIR), ["sw_clip", "clip"])
    base = runs[0]
    assert base.name == variants.BASE
    for run in runs[1:]:
        assert np.isfinite(run.curve.loss).all(), run.name
        changed = differences(run.recipe, base.recipe)
        assert len({part for part, _ in changed} - {"method"}) == (run.name != variants.ONE_HOT), run.name
        assert not np.array_equal(run.embeddings, base.embeddings), f"{run.name} changes nothing"
    assert [run.name for run in runs] == list(named)


def test_what_the_photos_cannot_train_is_no_variant_and_names_of_methods_are_known():
    assert {recipe.method for recipe in variants.of_sw_clip(small(), [64], DATA).values()} <= set(methods.METHODS)
    named = variants.of_sw_clip(small(), [64, 10_000], with_photos(DATA, city="A", district=""))
    assert not [name for name in named if name.startswith("fairness") or "10000" in name]
    assert "batch size: clip, 64 photos" in named


def test_every_caption_has_both_targets_and_none_trains_nothing():
    asked = [small(name, {"towers": {"location": "text"}}) for name in ("clip", "sw_clip")]
    named = variants.spoken(asked, [["street"], ["city", "country"]])
    assert [(name, recipe.method, recipe.towers.caption_parts) for name, recipe in named.items()] == [
        ("street: clip", "clip", ("street",)), ("street: sw_clip", "sw_clip", ("street",)),
        ("city, country: clip", "clip", ("city", "country")),
        ("city, country: sw_clip", "sw_clip", ("city", "country")),
    ]  # fmt: skip
    tables = ablations.beside({}, {}, DATA, range(1), None, 1.0, replicates=19)
    assert [list(table) for table in tables] == [list(meanings) for meanings in ablations.OF_WORDS.values()]
    assert sum(map(len, tables)) == 0


def test_guided_variants_change_one_thing_each_and_leave_out_what_the_base_is():
    base = small("geoclip_semivariogram", {"course": {"queue": 64, "checkpoint_every": 100}})
    named = variants.guided(base)
    assert [len(differences(recipe, base)) for recipe in named.values()] == [0, *[1] * (len(named) - 1)]
    coarse = recipes.changed(base, {"towers": {"sigmas": geoclip.RELEASED_SIGMAS}})
    assert set(named) - set(variants.guided(coarse)) == {"capsules: as released"}


@pytest.mark.slow
def test_guided_variants_are_measured_beside_their_base(tmp_path):
    base = small("geoclip_semivariogram", {"course": {"steps": 10, "queue": 64, "checkpoint_every": 100}})
    named = dict(list(variants.guided(base).items())[:3])
    given = DATA, range(2), lambda recipe: tmp_path / str(hash(recipe)), 200.0
    _, ratios, converged = ablations.beside(named, ablations.to_base(named), *given, replicates=19)
    assert ratios.method.tolist() == list(named)[1:]
    assert converged.method.tolist() == list(named)
    assert converged.converged.dtype == bool


def test_a_decoding_that_halves_every_error_is_shown_to():
    photo = np.arange(60)
    tables = [
        pd.DataFrame({
            "method": "clip", "decoding": how, "value": 5.0, "seed": seed, "photo": photo, "block": photo % 30,
            "error_m": (100.0 + photo) * factor,
        })
        for how, factor in (("best place", 1.0), ("smoothed posterior", 0.5)) for seed in (0, 1)
    ]  # fmt: skip
    table = ablations.compare_decodings(pd.concat(tables, ignore_index=True), replicates=199)
    assert list(table) == list(ablations.DECODED)
    assert table.ratio.tolist() == [1.0, pytest.approx(0.5)]
    assert table.p_holm[1] == pytest.approx(0.01)
    ratios = pd.DataFrame(
        {"method": ["kernel: uniform", "prior: share 0.1"], "verdict": ["It harms here.", "Not shown."]}
    )
    said = ablations.answer(ratios, table)
    assert "none is shown to make it better, kernel: uniform worse" in said
    assert "smoothed posterior (clip) is shown to beat" in said


def test_regions_by_hand_and_districts_with_few_photos_or_without_a_name_do_not_count():
    photo = [f"p{i}" for i in range(45)]
    photos = pd.DataFrame(
        {"photo_id": photo, "city": "A", "district": [*np.repeat(["x", "y", "", None], 10), *"zzzzz"]}
    )
    error_m = np.repeat([100.0, 400.0, 1e6], [10, 10, 25])
    predicted = pd.DataFrame({"photo_id": photo, "seed": 0, "method": "m", "error_m": error_m})
    row = ablations.by_district(predicted, photos, ["m"]).iloc[0]
    assert (row.districts, row.median_m, row.worst_m) == (2, pytest.approx(200), pytest.approx(400))
    assert row.log_sd == pytest.approx(np.log(4) / np.sqrt(2))
    none = ablations.by_district(predicted, photos.assign(district=""), ["m", "another"])
    assert none.districts.tolist() == [0, 0]
    assert none[["median_m", "worst_m", "log_sd"]].isna().all(axis=None)
