"""Trained towers come back from their checkpoints as they were, and place new photos as they placed the test ones."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from geonb.book import results
from geonb.book.studies import build_folder
from geonb.earth import sphere
from geonb.learning import guesses, methods, places, training
from geonb.photos.pictures import picture_path

RAN = {
    "location_tower": "fourier", "train_backbone": False, "caption_parts": ["city"], "caption_decimals": 5,
    "embedding_size": 16, "capsules": {}, "tower": "", "weights": "", "context_length": 48,
}  # fmt: skip
PLACES = pd.DataFrame({
    "city": ["A", "A", "B"], "street": ["x", "y", "z"], "lat_deg": [50.0, 50.001, 40.0], "lon_deg": [10.0, 10.0, 20.0],
})  # fmt: skip


def world(n=240):
    """Photos of two cities, whose features are noisy linear readings of where they are; their parts of a split."""
    rng = np.random.default_rng(0)
    metres, second = rng.uniform(-500, 500, (n, 2)), np.arange(n) % 2 == 1
    there = [sphere.from_local_m(metres, centre) for centre in ([50.0, 10.0], [40.0, -20.0])]
    at = np.where(second[:, None], there[1], there[0])
    seen = np.column_stack([metres / 500, second, ~second]) @ rng.normal(size=(4, 24)) + 0.05 * rng.normal(size=(n, 24))
    features = (seen / np.linalg.norm(seen, axis=1, keepdims=True)).astype(np.float32)
    table = pd.DataFrame({"photo_id": [f"p{k}" for k in range(n)], "city": np.where(second, "B", "A"), "country": "",
                          "street": "", "lat_deg": at[:, 0], "lon_deg": at[:, 1]})  # fmt: skip
    parts = np.array(["train", "train", "train", "validation", "test"] * (n // 5), dtype=object)
    return table, features, parts


def read(method, table, features):
    row = methods.get(method)
    return places.reader(row.place, row.tower or "fourier", None, features, parts=[], decimals=5)(table)


def trained(method, world, folder, seed=0):
    """A training of 06_train in small, its checkpoint in folder."""
    table, features, parts = world
    known = training.Places.of(table, read(method, table, features))
    build = methods.builder(method, 24, known.inputs, size=16, base=None, location_tower="fourier",
                            train_backbone=False, cell_size_m=200.0)  # fmt: skip
    return training.fit(
        torch.from_numpy(features), known, parts, known[parts == "train"], build=build,
        objective=methods.objective(method, methods.Settings()), bandwidths=lambda train: np.full(len(train), 100.0),
        settings=training.Settings(steps=40, batch_size=48, evaluate_every=10, checkpoint_every=10), seed=seed,
        folder=folder, label="test",
    )  # fmt: skip


@pytest.fixture(params=["sw_clip", "soft_contrastive", "geoclip"])
def study(request, toy):
    """(method, world, its training, row of the table of trainings) in study `toy`."""
    method, made = request.param, world()
    run = trained(method, made, build_folder("toy") / "checkpoints" / "06_train" / method / "abc" / "other_drive-0")
    table = training.summary({("other_drive", 0): run})
    columns = dict.fromkeys(table, "told elsewhere")
    results.save_table(table, "toy", f"06_train/{method}", "runs", parameters=RAN, columns=columns)
    return method, made, run, next(table.itertuples())


def read_back(study, row=None):
    method, (table, features, parts), _, own = study
    at = table[["lat_deg", "lon_deg"]].to_numpy()[parts == "train"]
    ran = results.parameters_of("toy", f"06_train/{method}", "runs")
    folder = build_folder("toy") / "checkpoints" / "06_train" / method
    base = guesses.base_of(method, ran)
    return guesses.model(ran, method, row or own, base, table[parts == "train"], features, at, folder)


def test_the_towers_read_back_place_the_test_photos_where_the_training_placed_them(study):
    method, (table, features, parts), run, _ = study
    model = read_back(study)
    found = guesses.of_part(model, torch.from_numpy(features), features, table, parts, "test", "other_drive", method)
    at = table[parts == "train"][["lat_deg", "lon_deg"]].to_numpy()[run.chosen]
    np.testing.assert_array_equal(found[["predicted_lat_deg", "predicted_lon_deg"]], at)
    truth = table[parts == "test"][["lat_deg", "lon_deg"]].to_numpy()
    np.testing.assert_array_equal(found.error_m, sphere.distance_m(truth, at))
    assert (found.photo_id.to_numpy() == table.photo_id[parts == "test"]).all()
    assert (found.novelty > 0).all()


def test_probabilities_are_those_of_a_softmax_and_a_known_city_takes_all(study):
    _, (table, features, parts), _, _ = study
    model, images = read_back(study), torch.from_numpy(features)
    test = np.flatnonzero(parts == "test")
    free = guesses.posterior(model, images, test)
    np.testing.assert_allclose(free.sum(axis=1), 1, rtol=1e-5)
    city = table.city.to_numpy()[test]
    known = guesses.posterior(model, images, test, city)
    elsewhere = city[:, None] != model.places.city.to_numpy()
    assert known[elsewhere].max() < 1e-20


def test_a_checkpoint_of_another_training_is_not_taken(study):
    row = study[3]
    another = row._replace(validation_error_m=row.validation_error_m + 1e-9)
    with pytest.raises(FileNotFoundError, match="train on this"):
        read_back(study, another)
    with pytest.raises(FileNotFoundError, match="06_train"):
        results.parameters_of("toy", "06_train/clip", "runs")


def test_of_several_checkpoints_the_one_of_the_table_is_read(study):
    method, made, _, _ = study
    before = guesses.weights(build_folder("toy") / "checkpoints" / "06_train" / method, study[3])
    trained(method, made, build_folder("toy") / "checkpoints" / "06_train" / method / "aaa" / "other_drive-0", seed=7)
    after = guesses.weights(build_folder("toy") / "checkpoints" / "06_train" / method, study[3])
    assert all(torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.parametrize("method", ["cells", "coordinates"])
def test_a_method_without_probabilities_of_places_is_refused_with_those_that_have_them(method):
    with pytest.raises(ValueError, match=r"no probabilities of places: choose one of clip, .*geoclip"):
        guesses.base_of(method, RAN)


def test_where_the_split_gives_the_city_photos_without_one_are_refused():
    assert guesses.cities_searched("blocked", "clip", PLACES[["street"]]) is None
    assert list(guesses.cities_searched("unseen_city", "clip", PLACES)) == ["A", "A", "B"]
    assert guesses.cities_searched("unseen_city", "soft_contrastive", PLACES) is None
    with pytest.raises(ValueError, match="choose another split"):
        guesses.cities_searched("unseen_city", "clip", PLACES[["street"]])


# ---- answers
def test_the_expected_error_is_the_mean_distance_under_the_posterior():
    found = guesses.answers(np.array([[0.75, 0.25, 0.0], [0.0, 0.0, 1.0]]), PLACES)
    step_m = sphere.distance_m([50.0, 10.0], [50.001, 10.0])
    np.testing.assert_allclose(found.expected_m, [0.25 * step_m, 0], atol=1e-6)
    assert list(found.predicted_city) == ["A", "B"]
    np.testing.assert_allclose(found.probability, [0.75, 1])
    np.testing.assert_allclose(found.city_share, [1, 1])
    assert guesses.answers(np.array([[0.5, 0.1, 0.4]]), PLACES).city_share[0] == 0.6


def test_guesses_are_apart_and_share_out_the_probability():
    found = guesses.top(np.array([0.5, 0.2, 0.3]), PLACES, count=5, apart_m=200.0)
    assert list(found["rank"]) == [1, 2]
    np.testing.assert_allclose(found.share, [0.7, 0.3])
    assert list(found) == list(guesses.TOP)
    close = guesses.top(np.array([0.5, 0.2, 0.3]), PLACES, count=2, apart_m=50.0)
    assert list(close.city) == ["A", "B"]
    assert list(close.share) == [0.5, 0.3]
    with pytest.raises(ValueError, match="at least 1"):
        guesses.top(np.array([1.0, 0, 0]), PLACES, count=0)


def test_likely_places_are_those_of_the_guessed_city_from_the_best_to_the_least():
    places = pd.concat([PLACES, PLACES.assign(street="far")], ignore_index=True)
    found = guesses.likely(np.array([0.1, 0.3, 0.25, 0.15, 0.05, 0.15]), places)
    assert list(found.city) == ["A"] * 4
    assert list(found.street) == ["y", "far", "x", "far"]
    np.testing.assert_allclose(found.weight, [1, 0.5, 1 / 3, 1 / 6])
    assert found.distance_m[0] == 0
    few = guesses.likely(np.array([0.1, 0.3, 0.25, 0.15, 0.05, 0.15]), places, count=2)
    np.testing.assert_allclose(few.weight, [1, 1 / 6])
    with pytest.raises(ValueError, match="at least 1"):
        guesses.likely(np.ones(3), PLACES, count=0)


def test_novelty_is_the_cosine_distance_from_the_nearest_training_photo():
    train = np.eye(3, dtype=np.float32)[:2]
    np.testing.assert_allclose(guesses.novelty(np.float32([[1, 0, 0], [0, 0, 1], [0.6, 0.8, 0]]), train), [0, 1, 0.2],
                               atol=1e-6)  # fmt: skip


# ---- pictures
def test_pictures_need_no_position_and_what_cannot_be_read_has_its_reason(tmp_path):
    (tmp_path / "trip").mkdir()
    for name, shade in (("b.jpg", 10), ("trip/a.png", 200)):
        Image.new("RGB", (40, 30), (shade, 0, 0)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "empty.jpg").touch()
    found, left_out = guesses.pictures_in(str(tmp_path))
    assert list(found.photo_id) == ["b.jpg", "trip/a.png"]
    assert all(picture_path(path).exists() for path in found.path)
    assert dict(zip(left_out.path.str.rsplit("/", n=1).str[1], left_out.reason, strict=True)) == {
        "notes.txt": "not a picture", "empty.jpg": "empty file",
    }  # fmt: skip


def test_a_folder_without_a_picture_is_refused_with_the_reasons(tmp_path):
    with pytest.raises(ValueError, match="it is empty"):
        guesses.pictures_in(str(tmp_path))
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(ValueError, match="1 x not a picture"):
        guesses.pictures_in(str(tmp_path))
    with pytest.raises(FileNotFoundError, match="not a folder"):
        guesses.pictures_in(str(tmp_path / "nowhere"))


def test_pictures_are_warned_of_where_the_cities_are_invented():
    assert guesses.caveats("", "simulated") == guesses.caveats("~/photos", "folder") == []
    assert "invented" in guesses.caveats("~/photos", "simulated")[0]


@pytest.mark.parametrize(("given", "match"), [
    ({"count": 0}, "count 0 must be a whole number of at least 1"),
    ({"apart_m": np.nan}, "apart_m nan must be a finite number above 0"),
    ({"apart_m": np.inf}, "apart_m inf must be a finite number above 0"),
])  # fmt: skip
def test_guesses_that_cannot_be_told_apart_are_refused(given, match):
    with pytest.raises(ValueError, match=match):
        guesses.top(np.array([0.5, 0.3, 0.2]), PLACES, **given)


def test_a_photo_of_a_city_without_places_is_refused_instead_of_standing_at_the_first(study):
    _, (_, features, parts), _, _ = study
    test = np.flatnonzero(parts == "test")[:3]
    with pytest.raises(ValueError, match="3 of 3 photos have no place to choose among"):
        guesses.posterior(read_back(study), torch.from_numpy(features), test, np.full(3, "nowhere", object))


def test_nothing_is_new_beside_no_training_photo():
    with pytest.raises(ValueError, match="the gallery is empty"):
        guesses.novelty(np.ones((2, 3)), np.ones((0, 3)))
