"""Layers of towers: what their libraries give is what hooks on their blocks see, pooled for each picture by itself."""

import functools
import json
import shutil
import sys

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from experiments.words import layers
from geonb.learning import pretrained_towers

VISION = {"image_size": 32, "layers": 2, "width": 32, "patch_size": 16, "head_width": 16}
TEXT = {"context_length": 16, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1}
COCA_VISION = VISION | {"attentional_pool": True, "attn_pooler_heads": 2, "attn_pooler_queries": 4}
OPEN_CLIP = {
    "geonb-test-vit": {"embed_dim": 16, "vision_cfg": VISION, "text_cfg": TEXT},
    "geonb-test-coca": {
        "embed_dim": 16, "custom_text": True, "vision_cfg": COCA_VISION | {"output_tokens": True},
        "text_cfg": TEXT | {"embed_cls": True, "output_tokens": True}, "multimodal_cfg": TEXT,
    },
}  # fmt: skip
OURS = "local-dir:data/towers/geonb-tiny"
TIMM = ("timm:test_vit", "timm:test_vit2")  # with a class token, and with a register alone
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
SMALL |= {"initializer_range": 0.2}
SEES = SMALL | {"image_size": 32, "patch_size": 8}
READS = SMALL | {"num_key_value_heads": 2, "vocab_size": 32, "max_position_embeddings": 128}
READS |= {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1}
SQUARE = {"height": 32, "width": 32}
PROMPT = "where is this photo"
PREFIX = {"timm:test_vit2": 1, "siglip": 0, "qwen2_5_vl": 0, "gemma3": 0, "dinov2_with_registers": 4, "dinov3_vit": 4}
BLOCKS = {
    "vit": "layers", "vit_mae": "layers", "dinov2": "encoder.layer", "dinov2_with_registers": "encoder.layer",
    "dinov3_vit": "model.layer", "clip": "encoder.layers", "siglip": "encoder.layers", "llava": "encoder.layers",
    "qwen2_5_vl": "blocks", "gemma3": "encoder.layers", **dict.fromkeys(TIMM, "blocks"),
    **dict.fromkeys(OPEN_CLIP, "transformer.resblocks"),
}  # fmt: skip
WITHOUT_SUMMARY = ("siglip", "timm:test_vit2")
EVERY = [(name, part) for name in BLOCKS for part in ("vision", "language")[: 1 + (name in layers.WITH_LANGUAGE)]]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Paths of five pictures of different shapes."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    shapes = [(40, 50), (64, 32), (33, 90), (56, 56), (28, 84)]
    for n, shape in enumerate(shapes):
        Image.fromarray(rng.integers(0, 255, (*shape, 3), dtype=np.uint8)).save(folder / f"{n}.png")
    return [folder / f"{n}.png" for n in range(len(shapes))]


# ---- a tiny random model of every kind -------------------------------------------------------------------------------
def tokenizer(named):
    """A tokenizer of a few words, with the special tokens of `named`; it puts <s> before every text."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = ["<pad>", "<unk>", "<s>", *named.values(), *PROMPT.split(), "user", "says"]
    made = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 2)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", extra_special_tokens=named
    )


def vision_only(family):
    """A tiny random model of a family that sees only, with a processor."""
    import transformers as t

    sizes = {"vision_config": SEES, "text_config": READS} if family in ("clip", "siglip") else SEES
    if family == "vit_mae":
        sizes = sizes | {f"decoder_{key}": SMALL[key] for key in SMALL if key != "initializer_range"}
    if family in ("dinov2_with_registers", "dinov3_vit"):
        sizes = sizes | {"num_register_tokens": 3}
    config = t.AutoConfig.for_model(family, **sizes)
    model = t.ViTForImageClassification(config) if family == "vit" else t.AutoModel.from_config(config)
    return model, t.ViTImageProcessor(size=SQUARE)


def llava(tower=None):
    """A tiny random LLaVA with its processor; tower: the config of its vision tower, by default CLIP's."""
    import transformers as t

    says = tokenizer({"image_token": "<image>"})
    config = t.LlavaConfig(
        vision_config=tower or t.CLIPVisionConfig(**SEES),
        text_config=t.LlamaConfig(**READS),
        image_token_id=says.image_token_id,
    )
    sees = t.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=SQUARE)
    strategy = {"patch_size": 8, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    return t.LlavaForConditionalGeneration(config), t.LlavaProcessor(sees, says, **strategy)


def qwen2_5_vl():
    """A tiny random Qwen2.5-VL with its processor: windows of 4 x 4 patches, the second block looks at all of them."""
    import transformers as t

    names = ("image_pad", "video_pad", "vision_start", "vision_end")
    says = tokenizer({name.replace("pad", "token"): f"<|{name}|>" for name in names})
    tokens = {f"{name.replace('pad', 'token')}_id": says.convert_tokens_to_ids(f"<|{name}|>") for name in names[:2]}
    marks = {f"{name}_token_id": says.convert_tokens_to_ids(f"<|{name}|>") for name in names[2:]}
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e4}
    sees = {"depth": 3, "num_heads": 2, "hidden_size": 32, "intermediate_size": 48, "initializer_range": 0.2}
    sees |= {"out_hidden_size": 32, "patch_size": 4, "window_size": 16, "fullatt_block_indexes": [1]}
    config = t.Qwen2_5_VLConfig(text_config=READS | {"rope_parameters": rope}, vision_config=sees, **tokens, **marks)
    images = t.Qwen2VLImageProcessor(patch_size=4, size={"shortest_edge": 32 * 32, "longest_edge": 64 * 64})
    processor = t.Qwen2_5_VLProcessor(images, says, t.Qwen2VLVideoProcessor(patch_size=4))
    return t.Qwen2_5_VLForConditionalGeneration(config), processor


def gemma3():
    """A tiny random Gemma 3 with its processor."""
    import transformers as t

    named = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    says = tokenizer(named)
    config = t.Gemma3Config(
        text_config=t.Gemma3TextConfig(**READS, head_dim=16, sliding_window=16),
        vision_config=t.SiglipVisionConfig(**SEES, vision_use_head=False),
        mm_tokens_per_image=4,
        **{f"{name}_id": getattr(says, f"{name}_id") for name in named},
    )
    sees = t.Gemma3ImageProcessor(size=SQUARE)
    return t.Gemma3ForConditionalGeneration(config), t.Gemma3Processor(sees, says, image_seq_length=4)


def written(path, model, processor=None):
    """The path, as text, with a model in it whose weights are large enough for its blocks to matter.

    processor: of a model of transformers, beside it in a folder; None: a file of safetensors.
    """
    for value in model.parameters():
        if value.ndim > 1:
            nn.init.normal_(value, std=0.2)
    if processor is None:
        save_file({key: value.contiguous() for key, value in model.state_dict().items()}, path)
    else:
        layers.transformers()  # quiet from here on
        model.save_pretrained(path)
        processor.save_pretrained(path)
    return str(path)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """saved(name): the arguments of layer_features for a tiny random model, whose weights are written once."""
    import timm

    folder, large = tmp_path_factory.mktemp("models"), {"llava": llava, "qwen2_5_vl": qwen2_5_vl, "gemma3": gemma3}

    @functools.cache
    def save(name):
        torch.manual_seed(0)
        if name in TIMM:
            return {
                "model_name": name,
                "weights": written(folder / f"{name[5:]}.safetensors", timm.create_model(name[5:])),
            }
        if name in OPEN_CLIP:
            (folder / f"{name}.json").write_text(json.dumps(OPEN_CLIP[name]))
            open_clip.add_model_config(folder / f"{name}.json")
            return {
                "model_name": name,
                "weights": written(folder / f"{name}.safetensors", open_clip.create_model(name)),
            }
        return {"model_name": written(folder / name, *(large[name]() if name in large else vision_only(name)))}

    return save


# ---- what is read ----------------------------------------------------------------------------------------------------
def opened(asked, pictures, patch):
    """(Part, inputs) that layer_features hands on to be read."""
    with patch.context() as here:
        here.setattr(layers, "read", lambda part, inputs, *rest: (part, inputs))
        return layers.layer_features(pictures=pictures, **asked)


@torch.no_grad()
def hooked(part, blocks, inputs):
    """(layers as their library gives them, as hooks on the blocks see them) of some inputs."""
    seen = []
    note = lambda _, given, named, out: seen.append(((*given, *named.values())[0], out))  # noqa: E731
    hooks = [block.register_forward_hook(note, with_kwargs=True) for block in blocks]
    found = part.layers(inputs)
    for hook in hooks:
        hook.remove()
    return list(found), [seen[0][0], *(out[0] if isinstance(out, tuple) else out for _, out in seen)]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "part"), EVERY)
def test_layers_are_what_hooks_see_of_each_picture_alone(saved, pictures, name, part, monkeypatch):
    asked = saved(name) | {"part": part, "prompt": PROMPT if part == "language" else ""}
    own, inputs = opened(asked, pictures, monkeypatch)
    blocks = own.module.get_submodule("language_model.layers" if part == "language" else BLOCKS[name])
    alone = []
    for n in range(5):
        found, seen = hooked(own, blocks, inputs([n])[0])
        assert all(torch.equal(layer, same) for layer, same in zip(found, seen, strict=True))
        alone.append([layer.reshape(-1, layer.shape[-1]) for layer in seen])
    last = part == "language" or name in layers.SUMMARY_LAST  # Qwen sorts its patches, and leaves the last one there
    first = 0 if part == "language" else PREFIX.get(name, 1)
    pools = {"mean": lambda tokens: tokens[first:].mean(dim=0), "summary": lambda tokens: tokens[-1 if last else 0]}
    for token in ("mean",) if name in WITHOUT_SUMMARY else pools:
        read = layers.layer_features(pictures=pictures[::-1], token=token, batch_size=2, **asked)
        for k, layer in enumerate(read):
            expected = np.stack([pools[token](tokens[k]) for tokens in alone[::-1]])
            assert token == "summary" or expected.std(axis=0).max() > 0.01  # the pictures differ
            assert layer.dtype == np.float32
            np.testing.assert_allclose(layer, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.slow
def test_layers_of_our_convolutional_tower_are_its_stages_and_its_output(pictures, monkeypatch):
    part, inputs = opened({"model_name": OURS}, pictures, monkeypatch)
    visual = part.module
    found, seen = hooked(
        part, [*(getattr(visual, f"layer{k}") for k in range(1, 5)), visual.attnpool], inputs(range(5))[0]
    )
    assert [layer.shape[-1] for layer in found] == [16, 64, 128, 256, 512, 128]
    for layer, stage in zip(found, seen, strict=True):
        assert torch.equal(layer, stage.flatten(2).mT if stage.ndim == 4 else stage[:, None])
    read = layers.layer_features(OURS, pictures, batch_size=3)
    for layer, tokens in zip(read, found, strict=True):
        np.testing.assert_allclose(layer, tokens.mean(dim=1), atol=1e-5)
    for layer, same in zip(
        read, layers.layer_features(pretrained_towers.load_tower(OURS), pictures, batch_size=3), strict=True
    ):
        np.testing.assert_array_equal(layer, same)


@pytest.mark.parametrize("family", layers.WITH_LANGUAGE)
def test_a_language_part_reads_the_prompt_after_the_picture(saved, pictures, family):
    bare, asked = (
        layers.layer_features(pictures=pictures, token="summary", part="language", prompt=prompt, **saved(family))
        for prompt in ("", PROMPT)
    )
    assert all(np.abs(old - new).max() > 0.01 for old, new in zip(bare, asked, strict=True))


def test_a_chat_template_is_followed_and_begins_once(saved, pictures):
    import transformers

    processor = transformers.AutoProcessor.from_pretrained(saved("llava")["model_name"])
    seen = [pretrained_towers.open_picture(path) for path in pictures]
    plain, _ = layers.words(processor, seen, PROMPT)
    processor.chat_template = (
        "<s>user {% for part in messages[0]['content'] %}"
        "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %} says{% endif %}"
    )
    named, lengths = layers.words(processor, seen, PROMPT)
    text = processor.tokenizer.decode(named["input_ids"][0]).replace(" ", "")
    assert text == "<s>user" + "<image>" * 16 + PROMPT.replace(" ", "") + "says"
    assert lengths.tolist() == [plain["input_ids"].shape[1] + 2] * 5
    assert (plain["input_ids"] == 2).sum(dim=1).tolist() == [1] * 5


def test_no_hook_stays_after_a_failure(saved, pictures, monkeypatch):
    part, inputs = opened(saved("geonb-test-vit"), pictures, monkeypatch)
    monkeypatch.setattr(part.module, "_pool", lambda tokens: None)
    monkeypatch.setattr(part.module.transformer, "forward_intermediates", lambda *given, **named: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        part.layers(inputs([0])[0])
    assert not part.module.transformer.resblocks[0]._forward_pre_hooks


# ---- what is refused -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("said", "count", "asked"), [
    ("token 'cls' must be one of summary, mean", 5, {"token": "cls"}),
    ("part 'text' must be one of vision, language", 5, {"part": "text"}),
    ("no pictures to read: give at least one path", 0, {}),
    (r"the prompt 'where' would go unread.*use part=", 5, {"prompt": "where"}),
    ("open_clip has no model 'ViT-X'", 5, {"model_name": "ViT-X"}),
    ("timm has no model 'vit_x'", 5, {"model_name": "timm:vit_x"}),
    (r'geonb-tiny has no summary token inside .*use token="mean"', 5, {"model_name": OURS, "token": "summary"}),
    *[(f"{name} is read by open_clip or timm, which know no language part", 5, {"model_name": name, "part": "language"})
      for name in ("ViT-B-32", "timm:test_vit", OURS)],
])  # fmt: skip
def test_what_cannot_be_read_is_refused(pictures, said, count, asked):
    with pytest.raises(ValueError, match=said):
        layers.layer_features(**{"model_name": "owner/any", "pictures": pictures[:count]} | asked)


def test_a_part_or_token_that_a_model_lacks_is_refused(saved, pictures, tmp_path):
    import timm
    import transformers

    for family in ("dinov2", "clip"):
        with pytest.raises(ValueError, match=f"is of type {family}, which has no language part that sees pictures"):
            layers.layer_features(pictures=pictures, part="language", **saved(family))
    for name in WITHOUT_SUMMARY:
        with pytest.raises(ValueError, match=rf'{name} has no summary token inside its blocks.*use token="mean"'):
            layers.layer_features(pictures=pictures, token="summary", **saved(name))
    model, processor = llava(transformers.SiglipVisionConfig(**SEES))  # some are built on a tower without class token
    with pytest.raises(ValueError, match="llava has no summary token"):
        layers.layer_features(written(tmp_path / "llava", model, processor), pictures, "summary")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ValueError, match=r"of the unknown type 'bert': known are vit, vit_mae, .*llava, .*gemma3$"):
        layers.layer_features(tmp_path, pictures)
    with pytest.raises(ValueError, match=r"ByobNet of timm has no row of blocks"):
        layers.visual_part(timm.create_model("test_byobnet"))


def test_only_whole_weights_in_safetensors_are_read(saved, pictures, tmp_path):
    folder, file = tmp_path / "vit", tmp_path / "vit" / "model.safetensors"
    shutil.copytree(saved("vit")["model_name"], folder)
    state = load_file(file)
    lost = next(key for key in state if "layer.1." in key)
    save_file({key: state[key] for key in state if key != lost}, file, {"format": "pt"})
    with pytest.raises(ValueError, match=r"vit lacks 1 weights of ViTModel, the first: layers.1"):
        layers.layer_features(folder, pictures)
    torch.save(state, folder / "pytorch_model.bin")
    file.unlink()
    with pytest.raises(OSError, match=r"model.safetensors"):
        layers.layer_features(folder, pictures)
    torch.save(load_file(saved("timm:test_vit")["weights"]), tmp_path / "test_vit.bin")
    with pytest.raises(ValueError, match=r"test_vit.bin must be a file of safetensors"):
        layers.layer_features("timm:test_vit", pictures, weights=str(tmp_path / "test_vit.bin"))


def test_without_transformers_the_error_names_the_way_out(saved, pictures, monkeypatch):
    asked = saved("vit")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r'pip install "geonb\[models\]"'):
        layers.layer_features(pictures=pictures, **asked)


def test_models_are_labelled_by_what_tells_them_apart():
    qwen = {"model_name": "Qwen/Qwen2.5-VL-3B-Instruct", "part": "language"}
    models = [
        {"model_name": "google/vit-base-patch16-224"}, {"model_name": "ViT-B-32", "weights": "openai"},
        {"model_name": "ViT-B-32", "weights": "laion2b_s34b_b79k"}, qwen, qwen | {"prompt": "Where is this?"},
    ]  # fmt: skip
    found = layers.labelled(models)
    assert list(found.values()) == models
    assert next(iter(found)) == "vit-base-patch16-224"
    assert list(found)[-1] == '"Where is this?" Qwen2.5-VL-3B-Instruct language'
    twins = [{"model_name": "openai/clip"}, {"model_name": "laion/clip"}, {"model_name": "laion/clip", "token": "mean"}]
    assert list(layers.labelled(twins)) == ["openai/clip", "laion/clip", "laion/clip mean"]
    with pytest.raises(ValueError, match="models names ViT-B-32 openai twice"):
        layers.labelled([models[1], models[1]])
