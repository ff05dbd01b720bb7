"""Trained towers come back from their checkpoints as they were, and place new photos as they placed the test ones."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from geonb.earth import sphere
from geonb.learning import training
from geonb.measuring import conformal, predictions
from geonb.photos.pictures import picture_path
from tests.learning.conftest import small, two_cities, with_photos

PLACES = pd.DataFrame({
    "city": ["A", "A", "B"], "street": ["x", "y", "z"], "lat_deg": [50.0, 50.001, 40.0], "lon_deg": [10.0, 10.0, 20.0],
})  # fmt: skip


@pytest.fixture(scope="module", params=["sw_clip", "soft_contrastive", "geoclip"])
def study(request, tmp_path_factory):
    """(data, a training on it, the Model read back from its checkpoint)."""
    data = two_cities()
    run = training.fit(small(request.param, {"course": {"steps": 30}}), data, 0, tmp_path_factory.mktemp("run"))
    return data, run, predictions.read_back(training.summary([run]).checkpoint[0], data)


def test_the_towers_read_back_place_the_test_photos_where_the_training_placed_them(study):
    data, run, model = study
    found, trained = predictions.of_part(model, data, "test"), training.predictions([run], data)
    for name in ("photo_id", "predicted_lat_deg", "predicted_lon_deg", "error_m", "split"):
        np.testing.assert_array_equal(found[name], trained[name])
    assert (found.novelty > 0).all()


def test_probabilities_are_those_of_a_softmax_and_a_given_city_takes_all(study):
    data, _, model = study
    test = model.given.members("test")
    given = replace(model, recipe=replace(model.recipe, city_given=True))
    photos = data.photos.iloc[test]
    free, known = (predictions.posterior(m, data.features[test], photos) for m in (model, given))
    np.testing.assert_allclose(free.sum(axis=1), 1, rtol=1e-5)
    elsewhere = photos.city.to_numpy()[:, None] != model.places.city.to_numpy()
    assert known[elsewhere].max() < 1e-20
    with pytest.raises(ValueError, match="gives the city of each photo, your photos have none: choose another split"):
        predictions.posterior(given, data.features[test], photos[["photo_id"]])
    with pytest.raises(ValueError, match="3 of 3 photos have no place to choose among"):
        predictions.posterior(given, data.features[test[:3]], photos[:3].assign(city="nowhere"))


@pytest.mark.parametrize("method", ["cells", "coordinates"])
def test_a_method_without_probabilities_of_places_is_refused_with_those_that_have_them(method):
    with pytest.raises(ValueError, match=r"no probabilities of places: choose one of clip, .*geoclip"):
        predictions.check_method(method)


def test_all_trainings_answer_for_validation_and_test(study):
    data, run, _ = study
    found = predictions.of_runs(training.summary([run, run]).assign(seed=[0, 1]), data, 100.0)
    parts = data.parts["toy"]
    assert found.groupby(["seed", "part"]).size().to_dict() == {
        (seed, part): (parts == part).sum() for seed in (0, 1) for part in ("validation", "test")
    }
    assert found.block.notna().all()


@pytest.mark.parametrize("folder", [True, False])
def test_pictures_of_a_folder_or_test_photos_have_guesses_a_radius_and_likely_places(
    study, folder, tmp_path, monkeypatch
):
    data, run, model = study
    checkpoint, test = training.summary([run]).checkpoint[0], model.given.members("test")
    if folder:
        for n in range(3):
            Image.new("RGB", (40, 30), (80 * n, 0, 0)).save(tmp_path / f"{n}.jpg")
        monkeypatch.setattr(predictions.pretrained_towers, "load_tower", lambda name, weights: None)
        monkeypatch.setattr(predictions.pretrained_towers, "image_features", lambda *given: data.features[test[:3]])
    promise = conformal.Promise(0.8, fewest=10)
    best, looked_at, likely, left_out = predictions.look(
        checkpoint, with_photos(data, path="x.jpg"), str(tmp_path) if folder else "", ("", ""), promise,
        shown=2, guess_count=2, apart_m=50.0,
    )  # fmt: skip
    tables = best, looked_at, likely, left_out
    assert [list(table) for table in tables] == [list(columns) for columns in predictions.TABLES.values()]
    assert looked_at.photo_id.tolist() == (
        [f"{n}.jpg" for n in range(3)] if folder else best.photo_id.unique().tolist()
    )
    assert looked_at.true_lat_deg.isna().all() == folder
    assert likely.layer.unique().tolist() == looked_at.layer[:2].tolist()
    assert looked_at.layer[0] == f"1. {looked_at.predicted_city[0]}; {looked_at.told[0]}"
    assert (looked_at.told.str.startswith("80% within") == (looked_at.refused == "")).all()
    assert (looked_at.told.str.startswith("no radius: too") == (looked_at.refused != "")).all()


def test_the_expected_error_is_the_mean_distance_under_the_posterior():
    found = predictions.answers(np.array([[0.75, 0.25, 0.0], [0.0, 0.0, 1.0]]), PLACES)
    step_m = sphere.distance_m([50.0, 10.0], [50.001, 10.0])
    np.testing.assert_allclose(found.expected_m, [0.25 * step_m, 0], atol=1e-6)
    assert list(found.predicted_city) == ["A", "B"]
    np.testing.assert_allclose(found.probability, [0.75, 1])
    np.testing.assert_allclose(found.city_share, [1, 1])
    assert predictions.answers(np.array([[0.5, 0.1, 0.4]]), PLACES).city_share[0] == 0.6


def test_guesses_are_apart_and_share_out_the_probability():
    found = predictions.top(np.array([0.5, 0.2, 0.3]), PLACES, count=5, apart_m=200.0)
    assert list(found["rank"]) == [1, 2]
    np.testing.assert_allclose(found.share, [0.7, 0.3])
    assert list(found) == list(predictions.GUESSES)[2:]
    close = predictions.top(np.array([0.5, 0.2, 0.3]), PLACES, count=2, apart_m=50.0)
    assert list(close.city) == ["A", "B"]
    assert list(close.share) == [0.5, 0.3]


def test_likely_places_are_those_of_the_guessed_city_from_the_best_to_the_least(monkeypatch):
    places = pd.concat([PLACES, PLACES.assign(street="far")], ignore_index=True)
    probability = np.array([0.1, 0.3, 0.25, 0.15, 0.05, 0.15])
    found = predictions.likely(probability, places)
    assert list(found.city) == ["A"] * 4
    assert list(found.street) == ["y", "far", "x", "far"]
    np.testing.assert_allclose(found.weight, [1, 0.5, 1 / 3, 1 / 6])
    assert found.distance_m[0] == 0
    monkeypatch.setattr(predictions, "PLACES_AT_MOST", 2)
    np.testing.assert_allclose(predictions.likely(probability, places).weight, [1, 1 / 6])


def test_novelty_is_the_cosine_distance_from_the_nearest_training_photo():
    train = np.eye(3, dtype=np.float32)[:2]
    asked = np.float32([[1, 0, 0], [0, 0, 1], [0.6, 0.8, 0]])
    np.testing.assert_allclose(predictions.novelty(asked, train), [0, 1, 0.2], atol=1e-6)
    with pytest.raises(ValueError, match="the gallery is empty"):
        predictions.novelty(asked, train[:0])


def test_photos_that_trained_at_the_same_place_are_not_what_a_photo_is_compared_with():
    train, asked = np.eye(3)[:2], np.eye(3)[:2]
    train_at = np.array([[50.0, 10.0], [51.0, 10.0]])
    there = np.array([[50.0, 10.0], [60.0, 10.0]])  # a place that trained, and a new one
    np.testing.assert_allclose(predictions.novelty(asked, train, there, train_at), [1, 0], atol=1e-6)
    np.testing.assert_allclose(predictions.novelty(asked, train[:1], there[[0, 0]], train_at[:1]), [2, 2])


def test_in_an_archive_whose_photos_share_positions_photos_of_new_places_are_not_refused():
    rng = np.random.default_rng(0)
    look = rng.normal(size=(120, 8))  # of places; photos of one place are as good as copies
    photos = np.repeat(look, 2, axis=0) + 0.01 * rng.normal(size=(240, 8))
    features = photos / np.linalg.norm(photos, axis=1, keepdims=True)
    at = np.repeat(np.column_stack([50 + np.arange(120) / 100, np.full(120, 10.0)]), 2, axis=0)
    train, calibration, new = np.r_[0:160:2, 160:180], np.r_[1:160:2], np.r_[180:240]
    left_out = [predictions.novelty(features[own], features[train], at[own], at[train]) for own in (calibration, new)]
    simple = [predictions.novelty(features[own], features[train]) for own in (calibration, new)]
    refused = [(conformal.p_of_novelty(asked, own) <= 0.05).mean() for own, asked in (left_out, simple)]
    assert refused[0] <= 0.1
    assert refused[1] > 0.9


def test_pictures_need_no_position_and_what_cannot_be_read_has_its_reason(tmp_path):
    (tmp_path / "trip").mkdir()
    for name, shade in (("b.jpg", 10), ("trip/a.png", 200)):
        Image.new("RGB", (40, 30), (shade, 0, 0)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "empty.jpg").touch()
    found, left_out = predictions.pictures_in(str(tmp_path))
    assert list(found.photo_id) == ["b.jpg", "trip/a.png"]
    assert all(picture_path(path).exists() for path in found.path)
    assert dict(zip(left_out.path.str.rsplit("/", n=1).str[1], left_out.reason, strict=True)) == {
        "notes.txt": "not a picture", "empty.jpg": "empty file",
    }  # fmt: skip


def test_a_folder_without_a_picture_is_refused_with_the_reasons(tmp_path):
    with pytest.raises(ValueError, match="it is empty"):
        predictions.pictures_in(str(tmp_path))
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(ValueError, match="1 x not a picture"):
        predictions.pictures_in(str(tmp_path))
    with pytest.raises(FileNotFoundError, match="not a folder"):
        predictions.pictures_in(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(("given", "match"), [
    ({"count": 0}, "count 0 must be a whole number of at least 1"),
    ({"apart_m": np.nan}, "apart_m nan must be a finite number above 0"),
])  # fmt: skip
def test_guesses_that_cannot_be_told_apart_are_refused(given, match):
    with pytest.raises(ValueError, match=match):
        predictions.top(np.array([0.5, 0.3, 0.2]), PLACES, **{"count": 3, "apart_m": 200.0} | given)
