"""One loop: it learns, it chooses on validation, it survives being interrupted, a full disk, and bad features."""

import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from geonb.earth import sphere
from geonb.learning import encoders, geoclip, methods, negatives, training

CENTRES = np.array([[50.0, 10.0], [40.0, -20.0]])
GUIDE = negatives.Guide(np.float32([50, 500]), np.float32([0.1, 0.4]), np.float32([0.1, 0.1]), 300.0)
REFITTED = []  # photos of each time that a curve was fitted again
CURVE = (np.array([0, 300.0], np.float32), np.array([0.8, 0.0], np.float32))


@pytest.fixture(scope="module")
def world():
    """Photos of two cities whose features are noisy linear readings of where they are."""
    rng = np.random.default_rng(0)
    city = np.repeat(["A", "B"], 150).astype(object)
    metres = rng.uniform(-500, 500, (300, 2))
    halves = zip(np.split(metres, 2), CENTRES, strict=True)
    lat_lon_deg = np.concatenate([sphere.from_local_m(half, centre) for half, centre in halves])
    seen = np.column_stack([metres / 500, city == "A", city == "B"]).astype(float) @ rng.normal(size=(4, 24))
    features = seen + 0.05 * rng.normal(size=seen.shape)
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    codes = {level: np.repeat([0, 1], 150) for level in ("street", "district", "city", "country")}
    inputs = torch.from_numpy(encoders.fourier_features(lat_lon_deg, per_band=16))
    places = training.Places(inputs, lat_lon_deg, city, codes)
    parts = np.array(["train", "train", "train", "validation", "test"] * 60, dtype=object)
    return torch.from_numpy(features), places, parts


def as_read_by(method, places, features):
    """The places with what stands for one in a method."""
    row = methods.get(method)
    if row.tower == "capsules":
        return dataclasses.replace(places, inputs=geoclip.read_places(places.lat_lon_deg))
    read = {"photo": features, "tower": places.inputs}
    inputs = read.get(row.place, encoders.split_positions(places.lat_lon_deg))
    return dataclasses.replace(places, inputs=inputs)


def fit(
    world,
    folder,
    *,
    steps=60,
    method="sw_clip",
    seed=0,
    images=None,
    gallery=None,
    method_settings=None,
    noise_m=0.0,
    **settings,
):
    features, places, parts = world
    features = features if images is None else images
    places = as_read_by(method, places, features)
    build = methods.builder(
        method,
        24,
        places.inputs,
        size=16,
        base=None,
        location_tower="fourier",
        train_backbone=False,
        cell_size_m=200.0,
        noise_m=noise_m,
    )
    objective = methods.objective(method, methods.Settings(curve=CURVE, guide=GUIDE, **(method_settings or {})))
    return training.fit(
        features, places, parts, gallery or places[parts == "train"], build=build, objective=objective,
        bandwidths=lambda train: np.full(len(train), 100.0), settings=training.Settings(
            steps=steps, batch_size=60, learning_rate=5e-3, evaluate_every=10, checkpoint_every=10, **settings
        ),
        seed=seed, folder=folder, label=f"{method} test seed {seed}", refit=again(places[parts == "train"]),
    )  # fmt: skip


def again(train):
    """What fits the curve again, counting how often."""
    fitted = negatives.fitted_again(train.lat_lon_deg, train.city, model="exponential", max_lag_m=500.0, lag_count=8)
    return lambda embeddings: REFITTED.append(len(embeddings)) or fitted(embeddings)


def median_error_m(world, run):
    _, places, parts = world
    at = places[parts == "train"].lat_lon_deg[run.chosen]
    return np.median(sphere.distance_m(places.lat_lon_deg[parts == "test"], at))


@pytest.mark.parametrize("method", methods.METHODS)
def test_a_training_finds_photos_that_features_can_place(world, tmp_path, method):
    run = fit(world, tmp_path, steps=150, method=method)
    # chance is about 900 km; a regression over a globe of distances finds the city, hardly more
    assert median_error_m(world, run) < (1_000 if method == "coordinates" else 250)
    assert run.curve.loss.iloc[-10:].mean() < run.curve.loss.iloc[:10].mean()


def test_shuffled_places_cannot_be_found(world, tmp_path):
    features, places, parts = world
    order = np.random.default_rng(1).permutation(len(places))
    shuffled = (features[order], places, parts)
    assert median_error_m(world, fit(shuffled, tmp_path, steps=60)) > 400


def test_the_same_seed_gives_the_same_run_and_another_seed_another(world, tmp_path):
    one, same, other = (fit(world, tmp_path / name, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    np.testing.assert_array_equal(one.embeddings, same.embeddings)
    assert one.curve.equals(same.curve)
    assert not np.array_equal(one.embeddings, other.embeddings)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"method": "geoclip_semivariogram", "queue": 90, "noise_m": 10.0},
        {"method": "geoclip_semivariogram", "queue": 90, "refit_every": 10},
    ],
)
def test_a_training_that_was_interrupted_ends_as_if_it_had_not_been(world, tmp_path, monkeypatch, capsys, given):
    whole = fit(world, tmp_path / "whole", **given)
    step_of = training.one_step

    def killed_at_35(*arguments):
        if arguments[-1] == 35:
            raise KeyboardInterrupt
        return step_of(*arguments)

    monkeypatch.setattr(training, "one_step", killed_at_35)
    with pytest.raises(KeyboardInterrupt):
        fit(world, tmp_path / "cut", **given)
    monkeypatch.setattr(training, "one_step", step_of)
    resumed = fit(world, tmp_path / "cut", **given)
    assert "resumed at step 30" in capsys.readouterr().out
    np.testing.assert_array_equal(whole.embeddings, resumed.embeddings)
    assert whole.curve.equals(resumed.curve)
    assert whole.best_step == resumed.best_step


def test_a_curve_is_fitted_again_to_the_embeddings_of_now(world, tmp_path):
    given = {"method": "geoclip_semivariogram", "steps": 50}
    frozen = fit(world, tmp_path / "frozen", **given)
    REFITTED.clear()
    refitted = fit(world, tmp_path / "refitted", refit_every=10, **given)
    assert REFITTED == [180] * 4  # after 10, 20, 30 and 40 steps
    same, other = (frozen.curve.loss - refitted.curve.loss)[:10], (frozen.curve.loss - refitted.curve.loss)[10:]
    assert (same == 0).all()
    assert (other != 0).any()


def test_a_curve_is_not_fitted_again_without_a_way_or_between_checkpoints():
    with pytest.raises(ValueError, match="checkpoint_every 100 must be a multiple of refit_every 30"):
        training.Settings(steps=10, batch_size=5, refit_every=30)
    with pytest.raises(ValueError, match="refit_every -1 must be a whole number of at least 0"):
        training.Settings(steps=10, batch_size=5, refit_every=-1)
    with pytest.raises(ValueError, match="toy: refit_every 50 needs refit"):
        training.fit(
            None, None, None, None, build=None, objective=None, bandwidths=None, folder=None, label="toy", seed=0,
            settings=training.Settings(steps=10, batch_size=5, refit_every=50),
        )  # fmt: skip


def test_a_full_disk_leaves_the_previous_checkpoint_and_says_what_to_do(world, tmp_path, monkeypatch):
    fit(world, tmp_path, steps=10)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()

    def full(tensors, path, metadata):
        path.write_bytes(b"half a checkpoint")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training.save_checkpoint, "__kwdefaults__", None)
    monkeypatch.setattr(training.save_checkpoint, "__defaults__", (full,))
    with pytest.raises(
        OSError, match=r"could not write the checkpoint of step 20 .*No space left.*make room, then start again"
    ):
        fit(world, tmp_path, steps=20)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]
    monkeypatch.setattr(training.save_checkpoint, "__defaults__", (save_file,))
    assert fit(world, tmp_path, steps=20).curve.step.max() == 20


def test_the_best_validation_step_is_kept_not_the_last(world, tmp_path, monkeypatch):
    errors = iter([500.0, 100.0, 300.0, 400.0, 450.0, 470.0])
    monkeypatch.setattr(training, "validation_error_m", lambda *a: next(errors))
    assert fit(world, tmp_path).best_step == 20


def test_test_photos_have_no_influence_on_what_is_learned(world, tmp_path):
    features, _, parts = world
    changed = features.clone()
    changed[parts == "test"] = changed[parts == "test"].flip(0)
    one, other = fit(world, tmp_path / "a"), fit(world, tmp_path / "b", images=changed)
    assert one.curve.equals(other.curve)
    np.testing.assert_array_equal(one.embeddings, other.embeddings[::-1])


def test_both_directions_can_be_switched_and_differ(world, tmp_path):
    runs = [
        fit(world, tmp_path / str(k), method_settings={"image_to_location": a, "location_to_image": b})
        for k, (a, b) in enumerate([(True, True), (True, False), (False, True)])
    ]
    first = [run.embeddings for run in runs]
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[1], first[2])


def test_features_that_are_not_finite_stop_the_training(world, tmp_path):
    broken = world[0].clone()
    broken[0] = float("nan")
    with pytest.raises(ValueError, match="the loss is nan at step"):
        fit(world, tmp_path, images=broken)


def test_an_empty_part_and_settings_that_cannot_be_are_refused(world, tmp_path):
    features, places, parts = world
    with pytest.raises(ValueError, match="no photo is in part 'validation'"):
        fit((features, places, np.where(parts == "validation", "buffer", parts)), tmp_path)
    with pytest.raises(ValueError, match="steps 0 must be a whole number of at least 1"):
        training.Settings(steps=0, batch_size=2)


def test_with_the_city_known_only_its_own_places_compete():
    query = np.eye(2, dtype=np.float32)
    gallery = np.array([[1, 0], [0.5, 0.1], [0, 1]], dtype=np.float32)
    chosen, _ = training.locate(query, np.array(["B", "B"]), gallery, np.array(["A", "B", "B"]), True)
    np.testing.assert_array_equal(chosen, [1, 2])
    np.testing.assert_array_equal(training.locate(query, None, gallery, None, False)[0], [0, 2])
    with pytest.raises(ValueError, match="no place in C"):
        training.locate(query, np.array(["C", "C"]), gallery, np.array(["A", "B", "B"]), True)


def test_a_whole_backbone_can_be_trained(tmp_path):
    import open_clip
    from PIL import Image

    config = {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16}
    text = {"context_length": 48, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    model = open_clip.model.CLIP(8, config, text)
    base = encoders.Tower("t", model, open_clip.image_transform(32, is_train=False), None, 48, "d")
    rng = np.random.default_rng(0)
    for n in range(12):
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(tmp_path / f"{n}.png")
    pictures = encoders.Pictures([tmp_path / f"{n}.png" for n in range(12)], base.transform)
    tokens = torch.randint(1, 400, (12, 48))
    places = training.Places(tokens, rng.uniform(0, 1, (12, 2)), np.repeat("A", 12).astype(object))
    parts = np.repeat(["train", "validation", "test"], [8, 2, 2]).astype(object)
    build = methods.builder(
        "clip", 8, tokens, size=4, base=base, location_tower="text", train_backbone=True, cell_size_m=1.0
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    run = training.fit(
        pictures, places, parts, places[np.arange(8)], build=build,
        objective=methods.objective("clip", methods.Settings()), bandwidths=lambda train: np.ones(len(train)),
        settings=training.Settings(steps=2, batch_size=4, evaluate_every=1, checkpoint_every=1),
        seed=0, folder=tmp_path / "c", label="t",
    )  # fmt: skip
    assert run.embeddings.shape == (2, 4)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items()), (
        "the given tower changed"
    )
    trained = encoders.TwoTowers(*(getattr(build(places.lat_lon_deg), part) for part in ("image", "location")))
    optimizer = torch.optim.AdamW(p for p in trained.parameters() if p.requires_grad)
    best = training.resume(tmp_path / "c", trained, optimizer)["best"]
    visual = {name: value for name, value in before.items() if name.startswith("visual.")}
    moved = [name for name, value in visual.items() if not torch.equal(best["image." + name], value)]
    assert moved, "the visual tower did not learn"


def test_learning_rate_warms_up_and_ends_near_zero():
    settings = training.Settings(steps=100, batch_size=2, learning_rate=1.0, warmup_steps=10)
    rates = [training.learning_rate_at(step, settings) for step in range(100)]
    assert rates[0] == 0.1
    assert max(rates) == pytest.approx(1.0)
    assert rates[-1] < 0.01


# ---- regions to be fair to -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("districts", "said"), [
    ([-1], "there are 0"), ([4], "there is 1"), ([-1, 4], "there is 1"),
])  # fmt: skip
def test_fairness_without_two_districts_is_refused_instead_of_being_0_for_ever(world, tmp_path, districts, said):
    features, places, parts = world
    codes = places.codes | {"district": np.resize(districts, len(places))}
    here = features, dataclasses.replace(places, codes=codes), parts
    with pytest.raises(ValueError, match=rf"fairness_weight 1\.0 needs 2 districts .* {said}: .* fairness_weight to 0"):
        fit(here, tmp_path, steps=1, method_settings={"fairness_weight": 1.0})
    with pytest.raises(ValueError, match="needs 2 districts"):
        fit((features, dataclasses.replace(places, codes={}), parts), tmp_path, steps=1,
            method_settings={"fairness_weight": 1.0})  # fmt: skip
    fit(here, tmp_path, steps=1)


def test_fairness_between_two_districts_is_trained_and_photos_of_unknown_ones_do_not_count(world, tmp_path):
    features, places, parts = world
    some = np.where(np.arange(len(places)) % 3 == 0, -1, places.codes["district"])
    curves = {
        name: fit((features, dataclasses.replace(places, codes=places.codes | {"district": codes}), parts),
                  tmp_path / name, steps=3, method_settings={"fairness_weight": 5.0}).curve.loss
        for name, codes in {"all": places.codes["district"], "some": some}.items()
    }  # fmt: skip
    assert (curves["all"] != curves["some"]).any()
    assert np.isfinite(curves["some"]).all()


@pytest.mark.parametrize(("name", "value"), [
    ("learning_rate", np.nan), ("learning_rate", np.inf), ("learning_rate", 0.0), ("weight_decay", np.nan),
    ("weight_decay", np.inf), ("weight_decay", -0.1), ("steps", 0), ("steps", -1), ("batch_size", 0),
    ("batch_size", -4), ("batch_size", 1), ("evaluate_every", 0), ("checkpoint_every", 0), ("neighbours", -1),
    ("queue", -1), ("warmup_steps", -1),
])  # fmt: skip
def test_a_course_that_cannot_be_is_refused_with_name_value_and_bound(name, value):
    with pytest.raises(ValueError, match=f"{name} {value} must be a (finite|whole) number (of at least|above) "):
        training.Settings(**{"steps": 10, "batch_size": 5, name: value})


def test_features_that_are_no_numbers_in_a_photo_that_only_tests_are_refused(world, tmp_path):
    """No loss sees them, and the largest of similarities that are no numbers would be the first place."""
    features, _, parts = world
    broken = features.clone()
    broken[np.flatnonzero(parts == "test")[0]] = float("nan")
    with pytest.raises(ValueError, match="1 of 60 values of the largest similarity are missing"):
        fit(world, tmp_path, steps=1, images=broken)


def test_no_seed_and_no_split_are_refused():
    plan = {"blocked": None}
    for parts, seeds in (({"blocked": []}, range(0)), ({}, range(1))):
        with pytest.raises(ValueError, match=r"splits names [01] and seed_count [01], each must be at least 1"):
            training.fit_all(None, None, parts, None, plan, seeds=seeds, folder="", method="clip")
