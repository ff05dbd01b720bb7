"""Layers of towers: the model's own hidden states, through hooks that leave no trace."""

import copy
import json

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from geonb import encoders, layers

VISION = {"image_size": 32, "layers": 2, "width": 32, "patch_size": 16, "head_width": 16}
TEXT = {"context_length": 16, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1}
MULTIMODAL = {"context_length": 16, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1}
COCA_VISION = VISION | {"attentional_pool": True, "attn_pooler_heads": 2, "attn_pooler_queries": 4}
OPEN_CLIP = {
    "geonb-test-vit": {"embed_dim": 16, "vision_cfg": VISION, "text_cfg": TEXT},
    "geonb-test-coca": {
        "embed_dim": 16,
        "custom_text": True,
        "vision_cfg": COCA_VISION | {"output_tokens": True},
        "text_cfg": TEXT | {"embed_cls": True, "output_tokens": True},
        "multimodal_cfg": MULTIMODAL,
    },
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Paths of five pictures of different shapes."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    shapes = [(40, 50), (64, 32), (33, 90), (56, 56), (28, 84)]
    for n, shape in enumerate(shapes):
        Image.fromarray(rng.integers(0, 255, (*shape, 3), dtype=np.uint8)).save(folder / f"{n}.png")
    return [folder / f"{n}.png" for n in range(len(shapes))]


@pytest.fixture(scope="module")
def open_clip_tower(tmp_path_factory):
    """open_clip_tower(name): a random tower of OPEN_CLIP, loaded by name and file; or ours, which is convolutional."""
    folder = tmp_path_factory.mktemp("open_clip")

    def load(name):
        if name not in OPEN_CLIP:
            return encoders.load_tower(name)
        (folder / f"{name}.json").write_text(json.dumps(OPEN_CLIP[name]))
        open_clip.add_model_config(folder / f"{name}.json")
        torch.manual_seed(0)
        state = open_clip.create_model(name).state_dict()
        save_file({key: value.contiguous() for key, value in state.items()}, folder / f"{name}.safetensors")
        return encoders.load_tower(name, str(folder / f"{name}.safetensors"))

    return load


def hooks_of(model):
    """How many hooks hang on a model."""
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


def first_changed(before, after):
    """Number of the first layer that differs; every layer from there on must."""
    same = [np.array_equal(old, new) for old, new in zip(before, after, strict=True)]
    assert same == sorted(same, reverse=True)
    return same.count(True)


# ---- open_clip -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", list(OPEN_CLIP))
def test_layers_of_an_open_clip_transformer_are_its_own_intermediates(open_clip_tower, pictures, name):
    tower = open_clip_tower(name)
    seen = encoders.Pictures(pictures, tower.transform)[range(5)]
    visual = tower.model.visual
    with torch.no_grad():
        own = visual.forward_intermediates(seen, output_fmt="NLC", output_extra_tokens=True, intermediates_only=True)
        embedded = visual._embeds(seen)
    mean, summary = (layers.tower_layers(tower, pictures, token, 2) for token in ("mean", "summary"))
    assert [layer.shape for layer in mean] == [layer.shape for layer in summary] == [(5, 32)] * 3
    assert {layer.dtype for layer in mean + summary} == {np.dtype("float32")}
    np.testing.assert_allclose(mean[0], embedded[:, 1:].mean(dim=1), atol=1e-5)
    np.testing.assert_allclose(summary[0], embedded[:, 0], atol=1e-5)
    for k in (0, 1):
        np.testing.assert_allclose(mean[k + 1], own["image_intermediates"][k].mean(dim=1), atol=1e-5)
        np.testing.assert_allclose(summary[k + 1], own["image_intermediates_prefix"][k][:, 0], atol=1e-5)


def test_layers_of_our_convolutional_tower_are_its_stages_and_its_output(pictures):
    tower = encoders.load_tower("local-dir:data/towers/geonb-tiny")
    seen = encoders.Pictures(pictures, tower.transform)[range(5)]
    with torch.no_grad():
        own = tower.model.visual.forward_intermediates(seen)
    found = layers.tower_layers(tower, pictures, batch_size=3)
    assert [layer.shape[1] for layer in found] == [16, 64, 128, 256, 512, 128]
    for layer, stage in zip(found, own["image_intermediates"], strict=False):
        np.testing.assert_allclose(layer, stage.mean(dim=(2, 3)), atol=1e-5)
    np.testing.assert_allclose(found[-1], own["image_features"], atol=1e-5)
    with pytest.raises(ValueError, match=r'geonb-tiny has no summary token inside its blocks.*use token="mean"'):
        layers.tower_layers(tower, pictures, "summary")


@pytest.mark.parametrize("name", [*OPEN_CLIP, "local-dir:data/towers/geonb-tiny"])
def test_a_changed_weight_changes_its_layer_and_those_above(open_clip_tower, pictures, name):
    tower = open_clip_tower(name)
    before = layers.tower_layers(tower, pictures)
    for k, block in enumerate(layers.visual_stream(tower.model.visual).blocks, start=1):
        kept = copy.deepcopy(block.state_dict())
        with torch.no_grad():
            [value for value in block.parameters() if value.ndim > 1][-1].mul_(1.5)
        assert first_changed(before, layers.tower_layers(tower, pictures)) == k
        block.load_state_dict(kept)


@pytest.mark.parametrize("name", [*OPEN_CLIP, "local-dir:data/towers/geonb-tiny"])
def test_batches_change_nothing_and_pictures_keep_their_order(open_clip_tower, pictures, name):
    tower = open_clip_tower(name)
    whole = layers.tower_layers(tower, pictures, batch_size=5)
    for order, batch_size in (([0, 1, 2, 3, 4], 1), ([3, 1, 4, 0, 2], 2)):
        found = layers.tower_layers(tower, [pictures[n] for n in order], batch_size=batch_size)
        for layer, same in zip(whole, found, strict=True):
            np.testing.assert_allclose(layer[order], same, atol=1e-5)


# ---- errors and traces -----------------------------------------------------------------------------------------------
def test_hooks_are_gone_afterwards_also_after_a_failure(open_clip_tower, pictures, monkeypatch):
    tower = open_clip_tower("geonb-test-vit")
    layers.tower_layers(tower, pictures)
    assert hooks_of(tower.model) == 0

    def fails(hidden, token, stream, lengths):
        assert hooks_of(tower.model) == 3
        raise MemoryError("no memory")

    monkeypatch.setattr(layers, "pooled", fails)
    with pytest.raises(MemoryError, match="no memory"):
        layers.tower_layers(tower, pictures)
    assert hooks_of(tower.model) == 0


def test_an_unknown_token_and_no_pictures_are_refused(open_clip_tower, pictures):
    tower = open_clip_tower("geonb-test-vit")
    with pytest.raises(ValueError, match="token 'cls' must be one of summary, mean"):
        layers.tower_layers(tower, pictures, "cls")
    with pytest.raises(ValueError, match="no pictures to read: give at least one path"):
        layers.tower_layers(tower, [])
