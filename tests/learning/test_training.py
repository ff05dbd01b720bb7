"""One loop: it learns, it chooses on validation, it survives being interrupted, a full disk, and bad features."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from geonb import files
from geonb.earth import sphere
from geonb.learning import decoding, methods, pretrained_towers, training, training_arrays
from tests.learning.conftest import small, two_cities, with_photos


def median_error_m(run, data):
    return training.predictions([run], data).error_m.median()


@pytest.mark.slow
@pytest.mark.parametrize("method", methods.METHODS)
def test_a_training_finds_photos_that_features_can_place(data, tmp_path, method):
    run = training.fit(small(method, {"course": {"steps": 150}}), data, 0, tmp_path)
    # chance is about 900 km; a regression over a globe of distances finds the city, hardly more
    assert median_error_m(run, data) < (1_000 if method == "coordinates" else 250)
    assert run.curve.loss.iloc[-10:].mean() < run.curve.loss.iloc[:10].mean()


def test_permuted_places_cannot_be_found(data, tmp_path):
    order = np.random.default_rng(1).permutation(len(data.photos))
    permuted = replace(data, features=data.features[order])
    assert median_error_m(training.fit(small(), permuted, 0, tmp_path), permuted) > 400


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run_and_another_seed_another(data, tmp_path):
    one, same, other = (training.fit(small(), data, seed, tmp_path / str(n)) for n, seed in enumerate((0, 0, 1)))
    np.testing.assert_array_equal(one.embeddings, same.embeddings)
    assert one.curve.equals(same.curve)
    assert not np.array_equal(one.embeddings, other.embeddings)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "changes"), [
    ("sw_clip", {}),
    ("geoclip_semivariogram", {"course": {"queue": 90}, "tuned": {"noise_m": 10.0}}),
    ("geoclip_semivariogram", {"course": {"queue": 90, "refit_every": 10}}),
])  # fmt: skip
def test_a_training_that_was_interrupted_ends_as_if_it_had_not_been(
    data, tmp_path, monkeypatch, capsys, method, changes
):
    recipe = small(method, changes)
    whole = training.fit(recipe, data, 0, tmp_path / "whole")
    step_of = training.one_step

    def killed_at_35(*arguments):
        if arguments[-1] == 35:
            raise KeyboardInterrupt
        return step_of(*arguments)

    monkeypatch.setattr(training, "one_step", killed_at_35)
    with pytest.raises(KeyboardInterrupt):
        training.fit(recipe, data, 0, tmp_path / "cut")
    monkeypatch.setattr(training, "one_step", step_of)
    resumed = training.fit(recipe, data, 0, tmp_path / "cut")
    assert "resumed at step 30" in capsys.readouterr().out
    np.testing.assert_array_equal(whole.embeddings, resumed.embeddings)
    assert whole.curve.equals(resumed.curve)
    assert whole.best_step == resumed.best_step


@pytest.mark.slow
def test_a_curve_is_fitted_again_to_the_embeddings_of_now(data, tmp_path, monkeypatch):
    refitted, guide = [], training_arrays.guide

    def counted(recipe, embeddings, *given, again):
        refitted.extend([len(embeddings)] * again)
        return guide(recipe, embeddings, *given, again=again)

    monkeypatch.setattr(training_arrays, "guide", counted)
    runs = [training.fit(small("geoclip_semivariogram", {"course": {"steps": 50, "refit_every": every}}), data, 0,
                         tmp_path / str(every)) for every in (0, 10)]  # fmt: skip
    assert refitted == [180] * 4  # after 10, 20, 30 and 40 steps
    change = runs[0].curve.loss - runs[1].curve.loss
    assert (change[:10] == 0).all()
    assert (change[10:] != 0).any()


def test_a_full_disk_leaves_the_previous_checkpoint_and_says_what_to_do(data, tmp_path, monkeypatch):
    training.fit(small(changes={"course": {"steps": 10}}), data, 0, tmp_path)
    before, longer = (tmp_path / "checkpoint.safetensors").read_bytes(), small(changes={"course": {"steps": 20}})

    def full(tensors, path, metadata):
        path.write_bytes(b"half a checkpoint")
        raise OSError(28, "No space left on device")

    write = training.save_file
    monkeypatch.setattr(training, "save_file", full)
    with pytest.raises(OSError, match=r"could not write the checkpoint of step 20 .*No space left.*make room, then"):
        training.fit(longer, data, 0, tmp_path)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]
    monkeypatch.setattr(training, "save_file", write)
    assert training.fit(longer, data, 0, tmp_path).curve.step.max() == 20


def test_the_best_validation_step_is_kept_not_the_last_and_comes_back_from_its_checkpoint(data, tmp_path, monkeypatch):
    errors = iter([500.0, 100.0, 300.0, 400.0, 450.0, 470.0])
    monkeypatch.setattr(training, "validation_error_m", lambda *a: next(errors))
    monkeypatch.setattr(files, "ROOT", tmp_path)
    run = training.fit(small(), data, 0, tmp_path / "build")
    row = training.summary([run]).iloc[0]
    assert (row.best_step, row.validation_error_m, row.checkpoint) == (20, 100.0, "build/checkpoint.safetensors")
    recipe, back = training.read_back(row.checkpoint, data)
    assert recipe == run.recipe
    assert all(torch.equal(value, back.state_dict()[name]) for name, value in run.towers.state_dict().items())
    with pytest.raises(FileNotFoundError, match="no checkpoint gone on this machine: published tables hold no weights"):
        training.read_back("gone", data)


@pytest.mark.slow
def test_test_photos_have_no_influence_on_what_is_learned(data, tmp_path):
    test, features = data.parts["toy"] == "test", data.features.copy()
    features[test] = features[test][::-1]
    one, other = (training.fit(small(), replace(data, features=seen), 0, tmp_path / name)
                  for name, seen in (("a", data.features), ("b", features)))  # fmt: skip
    assert one.curve.equals(other.curve)
    np.testing.assert_array_equal(one.embeddings, other.embeddings[::-1])


@pytest.mark.parametrize(("photo", "said"), [
    (0, "the loss is nan at step"), (4, "1 of 60 values of the largest similarity are missing"),
])  # fmt: skip
def test_features_that_are_no_numbers_are_refused_also_in_a_photo_that_only_tests(data, tmp_path, photo, said):
    """No loss sees the latter, and the largest of similarities that are no numbers would be the first place."""
    features = data.features.copy()
    features[photo] = np.nan
    with pytest.raises(ValueError, match=said):
        training.fit(small(changes={"course": {"steps": 10}}), replace(data, features=features), 0, tmp_path)


def test_an_empty_part_and_no_seed_are_refused(data, tmp_path):
    part = data.parts["toy"]
    with pytest.raises(ValueError, match="sw_clip toy seed 0: no photo is in part 'validation'"):
        training.fit(small(), replace(data, parts={"toy": np.where(part == "validation", "buffer", part)}), 0, tmp_path)
    with pytest.raises(ValueError, match="seed_count 0 must be a whole number of at least 1"):
        training.fit_all({"toy": small()}, data, range(0), lambda recipe: tmp_path)


@pytest.mark.parametrize("given", [False, True])
def test_with_the_city_given_only_its_own_places_compete(data, tmp_path, given):
    blind = replace(data, features=np.full_like(data.features, 24**-0.5))
    recipe = replace(small(changes={"course": {"steps": 1}}), city_given=given)
    run = training.fit(recipe, blind, 0, tmp_path)
    assert training.predictions([run], blind).right_city.mean() == (1.0 if given else 0.5)
    ways = (decoding.BEST, "smoothed posterior")  # a geometric median may lie between places
    found = training.decoded(run, blind, ways)
    at, photos = found[["predicted_lat_deg", "predicted_lon_deg"]].to_numpy(), blind.photos.iloc[found.photo]
    nearest, metres = sphere.nearest(at, blind.grid[["lat_deg", "lon_deg"]].to_numpy())
    assert metres.max() < 0.01
    assert (blind.grid.city.to_numpy()[nearest] == photos.city.to_numpy()).all() == given
    np.testing.assert_allclose(found.error_m, sphere.distance_m(photos[["lat_deg", "lon_deg"]].to_numpy(), at))


def test_decodings_are_chosen_on_validation_and_measured_on_test(data, tmp_path):
    run = training.fit(small(changes={"course": {"steps": 20}}), data, 0, tmp_path)
    found = training.decoded(run, data, decoding.WAYS)
    assert list(found.decoding.unique()) == list(decoding.WAYS)
    best = found[found.decoding == decoding.BEST]
    assert best.photo.tolist() == np.flatnonzero(data.parts["toy"] == "test").tolist()
    np.testing.assert_allclose(best.error_m, training.predictions([run], data).error_m)
    for way, own in found.groupby("decoding"):
        assert len(set(own.value)) == 1
        assert own.value.iloc[0] in decoding.WAYS[way]


def test_captions_are_read_by_a_copy_of_the_towers_text_part_that_is_trained(data, tmp_path):
    tower = "local-dir:data/towers/geonb-tiny"
    course = {"steps": 2, "batch_size": 4, "evaluate_every": 1, "checkpoint_every": 1}
    recipe = small("clip", {"towers": {"location": "text", "tower": tower, "size": 4}, "course": course})
    base = training_arrays.read(recipe, data).base.model.state_dict()
    before = {name: value.clone() for name, value in base.items()}
    trained = training.fit(recipe, data, 0, tmp_path).towers.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in base.items()), "the base changed"
    own = {name.removeprefix("location.text."): value for name, value in trained.items() if ".text." in name}
    learnt = {name for name, value in own.items() if not torch.equal(value, before[name])}
    assert any(name.startswith("transformer.") for name in learnt)
    assert not any(name.startswith("visual.") for name in learnt)


def test_a_whole_backbone_and_captions_can_be_trained(tmp_path, monkeypatch):
    import open_clip

    config = {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16}
    text = {"context_length": 48, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    model, tokenizer = open_clip.model.CLIP(24, config, text), open_clip.get_tokenizer("ViT-B-32")
    base = pretrained_towers.Tower("t", model, open_clip.image_transform(32, is_train=False), tokenizer, 48, "d")
    monkeypatch.setattr(training_arrays, "base_tower", lambda *asked: base)
    data, rng = two_cities(20), np.random.default_rng(0)
    for n in range(20):
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(tmp_path / f"{n}.png")
    data = with_photos(data, path=[f"{tmp_path}/{n}.png" for n in range(20)])
    before = {name: value.clone() for name, value in model.state_dict().items()}
    course = {"steps": 2, "batch_size": 4, "evaluate_every": 1, "checkpoint_every": 1}
    recipe = small("clip", {"towers": {"location": "text", "train_backbone": True, "size": 4}, "course": course})
    run = training.fit(recipe, data, 0, tmp_path / "c")
    assert run.embeddings.shape == (4, 4)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items()), "the base changed"
    trained = run.towers.state_dict()
    for part in ("image.0.0.", "location.text.transformer."):
        learnt = {name: value for name, value in trained.items() if name.startswith(part)}
        own = {name: before[name.replace("image.0.0.", "visual.").removeprefix("location.text.")] for name in learnt}
        assert any(not torch.equal(value, own[name]) for name, value in learnt.items()), f"{part} did not learn"


def test_learning_rate_warms_up_and_ends_near_zero():
    recipe = small(changes={"tuned": {"learning_rate": 1.0}, "course": {"steps": 100}})
    rates = [training.learning_rate_at(step, recipe) for step in range(100)]
    assert rates[0] == 1 / training.WARMUP_STEPS
    assert max(rates) == pytest.approx(1.0)
    assert rates[-1] < 0.01


def test_tables_of_trainings_have_the_columns_that_are_described(data, tmp_path):
    recipe = small(changes={"course": {"steps": 10}})
    runs = training.fit_all({"toy": recipe}, data, range(2), lambda made: tmp_path)
    tables = training.tables(runs, data, training.TABLES)
    assert [set(table) for table in tables] == [set(columns) for columns in training.TABLES.values()]
    assert [len(table) for table in tables] == [2, 20, 120, 60]
    assert tables[2].groupby("seed").photo_id.nunique().tolist() == [60, 60]
    assert len(set(tables[0].checkpoint)) == 2


@pytest.mark.parametrize(("late", "said"), [(97.0, True), (99.0, False)])
def test_a_training_has_converged_when_its_last_fifth_gains_less_than_two_per_cent(late, said):
    errors = [100.0] * 8 + [late] * 2
    curve = pd.DataFrame({"step": np.arange(1, 11), "loss": 1.0, "validation_error_m": errors})
    assert training.still_improving(curve) is said


@pytest.mark.parametrize(("districts", "count"), [([""], 0), (["", "x"], 1)])
def test_fairness_without_two_districts_is_refused_instead_of_being_0_for_ever(data, tmp_path, districts, count):
    here = with_photos(data, city="A", district=np.resize(districts, 300))
    with pytest.raises(ValueError, match=rf"fairness_weight 5\.0 needs 2 districts .*{count}: set fairness"):
        training.fit(small(changes={"loss": {"fairness_weight": 5.0}}), here, 0, tmp_path)
    training.fit(small(changes={"course": {"steps": 1}}), here, 0, tmp_path)
