"""Layers of towers: what hooks on their blocks see is what their libraries give, pooled for each picture by itself."""

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
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
SMALL |= {"initializer_range": 0.2}
SEES = SMALL | {"image_size": 32, "patch_size": 8}
READS = SMALL | {"num_key_value_heads": 2, "vocab_size": 32, "max_position_embeddings": 128}
READS |= {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1}
SQUARE = {"height": 32, "width": 32}
PROMPT = "where is this photo"
TEMPLATE = (
    "<s>user {% for part in messages[0]['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %} says{% endif %}"
)
PREFIX = {"siglip": 0, "dinov2_with_registers": 4, "dinov3_vit": 4}
EVERY = [(name, "vision") for name in (*OPEN_CLIP, *layers.FAMILIES) if layers.FAMILIES.get(name, "") is not None]
EVERY += [(name, "language") for name in layers.WITH_LANGUAGE]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Paths of five pictures of different shapes."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    shapes = [(40, 50), (64, 32), (33, 90), (56, 56), (28, 84)]
    for n, shape in enumerate(shapes):
        Image.fromarray(rng.integers(0, 255, (*shape, 3), dtype=np.uint8)).save(folder / f"{n}.png")
    return [folder / f"{n}.png" for n in range(len(shapes))]


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
    """A tiny random Qwen2.5-VL with its processor."""
    import transformers as t

    names = ("image_pad", "video_pad", "vision_start", "vision_end")
    says = tokenizer({name.replace("pad", "token"): f"<|{name}|>" for name in names})
    ids = {f"{name.replace('pad', 'token')}_id": says.convert_tokens_to_ids(f"<|{name}|>") for name in names[:2]}
    ids |= {f"{name}_token_id": says.convert_tokens_to_ids(f"<|{name}|>") for name in names[2:]}
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e4}
    sees = {"depth": 2, "num_heads": 2, "hidden_size": 32, "intermediate_size": 48, "out_hidden_size": 32}
    sees |= {"patch_size": 4, "window_size": 16, "fullatt_block_indexes": [1], "initializer_range": 0.2}
    config = t.Qwen2_5_VLConfig(text_config=READS | {"rope_parameters": rope}, vision_config=sees, **ids)
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
        if hasattr(processor, "image_token"):
            processor.chat_template = TEMPLATE.replace("IMAGE", processor.image_token)
        model.save_pretrained(path)
        processor.save_pretrained(path)
    return str(path)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """saved(name): the arguments of layer_features for a tiny random model, whose weights are written once."""
    folder, large = tmp_path_factory.mktemp("models"), {"llava": llava, "qwen2_5_vl": qwen2_5_vl, "gemma3": gemma3}

    @functools.cache
    def save(name):
        torch.manual_seed(0)
        if name in OPEN_CLIP:
            (folder / f"{name}.json").write_text(json.dumps(OPEN_CLIP[name]))
            open_clip.add_model_config(folder / f"{name}.json")
            weights = written(folder / f"{name}.safetensors", open_clip.create_model(name))
            return {"model_name": name, "weights": weights}
        return {"model_name": written(folder / name, *(large[name]() if name in large else vision_only(name)))}

    return save


def opened(asked, pictures, patch):
    """(Part, inputs) that layer_features hands on to be read."""
    with patch.context() as here:
        here.setattr(layers, "read", lambda part, inputs, *rest: (part, inputs))
        return layers.layer_features(pictures=pictures, **asked)


def by_library(part, name, inputs):
    """Tokens of each layer as open_clip or transformers give them; open_clip does not give the first."""
    if name not in OPEN_CLIP:
        for inner in part.module.modules():
            if hasattr(inner, "config"):
                inner.config.tie_last_hidden_states = False  # the last one comes before the final norm
        return part.module(**inputs, output_hidden_states=True).hidden_states
    asked = {"output_fmt": "NLC", "intermediates_only": True, "output_extra_tokens": True}
    found = part.module.forward_intermediates(inputs["x"], **asked)
    both = zip(found["image_intermediates_prefix"], found["image_intermediates"], strict=True)
    return [torch.cat(tokens, dim=1) for tokens in both]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "part"), EVERY)
@torch.no_grad()
def test_layers_are_what_libraries_give_of_each_picture_alone(saved, pictures, name, part, monkeypatch):
    asked = saved(name) | {"part": part, "prompt": PROMPT if part == "language" else ""}
    own, inputs = opened(asked, pictures, monkeypatch)
    alone = []
    for n in range(5):
        given = inputs([n])[0]
        found = own.layers(given)
        for layer, same in zip(found[::-1], by_library(own, name, given)[::-1], strict=name not in OPEN_CLIP):
            assert torch.equal(layer, same)
        if name in OPEN_CLIP:
            assert torch.equal(own.blocks[0](found[0]), found[1])
        alone.append([layer[0] for layer in found])
    first = 0 if part == "language" else PREFIX.get(name, 1)
    pools = {"mean": lambda tokens: tokens[first:].mean(dim=0),
             "summary": lambda tokens: tokens[-1 if part == "language" else 0]}  # fmt: skip
    for token in ("mean",) if name == "siglip" else pools:
        read = layers.layer_features(pictures=pictures[::-1], token=token, batch_size=2, **asked)
        for k, layer in enumerate(read):
            expected = np.stack([pools[token](tokens[k]) for tokens in alone[::-1]])
            assert token == "summary" or expected.std(axis=0).max() > 0.01  # the pictures differ
            assert layer.dtype == np.float32
            np.testing.assert_allclose(layer, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.slow
@torch.no_grad()
def test_layers_of_our_convolutional_tower_are_its_stages_and_its_output(pictures, monkeypatch):
    part, inputs = opened({"model_name": OURS}, pictures, monkeypatch)
    given = inputs(range(5))[0]
    found, library = part.layers(given), part.module.forward_intermediates(given["x"])
    assert [layer.shape[-1] for layer in found] == [16, 64, 128, 256, 512, 128]
    stages = [*(stage.flatten(2).mT for stage in library["image_intermediates"]), library["image_features"][:, None]]
    assert all(torch.equal(layer, stage) for layer, stage in zip(found, stages, strict=True))
    read = [
        layers.layer_features(tower, pictures, batch_size=3) for tower in (OURS, pretrained_towers.load_tower(OURS))
    ]
    for layer, same, tokens in zip(*read, found, strict=True):
        np.testing.assert_allclose(layer, tokens.mean(dim=1), atol=1e-5)
        np.testing.assert_array_equal(layer, same)


@pytest.mark.parametrize("family", layers.WITH_LANGUAGE)
def test_a_language_part_reads_the_prompt_after_the_picture(saved, pictures, family):
    bare, asked = (
        layers.layer_features(pictures=pictures, token="summary", part="language", prompt=prompt, **saved(family))
        for prompt in ("", PROMPT)
    )
    assert all(np.abs(old - new).max() > 0.01 for old, new in zip(bare[1:], asked[1:], strict=True))


def test_a_chat_template_is_followed_and_begins_once(saved, pictures):
    import transformers

    processor = transformers.AutoProcessor.from_pretrained(saved("llava")["model_name"])
    seen = [pretrained_towers.open_picture(path) for path in pictures]
    named, lengths = layers.words(processor, seen, PROMPT)
    text = processor.tokenizer.decode(named["input_ids"][0]).replace(" ", "")
    assert text == "<s>user" + "<image>" * 16 + PROMPT.replace(" ", "") + "says"
    assert lengths.tolist() == [len(named["input_ids"][0])] * 5


def test_no_hook_stays_after_a_failure(saved, pictures, monkeypatch):
    part, inputs = opened(saved("geonb-test-vit"), pictures, monkeypatch)
    monkeypatch.setattr(part.module, "_pool", lambda tokens: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        part.layers(inputs([0])[0])
    assert not part.blocks[0]._forward_hooks


@pytest.mark.parametrize(("said", "asked"), [
    ("token 'cls' must be one of summary, mean", {"token": "cls"}),
    ("part 'text' must be one of vision, language", {"part": "text"}),
    (r"the prompt 'where' would go unread.*use part=", {"prompt": "where"}),
    ("Model config for 'ViT-X' not found", {"model_name": "ViT-X"}),
    (r'geonb-tiny has no summary token inside .*use token="mean"', {"model_name": OURS, "token": "summary"}),
    *[(f"{name} is read by open_clip, which knows no language part", {"model_name": name, "part": "language"})
      for name in ("ViT-B-32", OURS)],
])  # fmt: skip
def test_what_cannot_be_read_is_refused(pictures, said, asked):
    with pytest.raises(ValueError, match=said):
        layers.layer_features(**{"model_name": "owner/any", "pictures": pictures} | asked)


def test_a_part_or_token_that_a_model_lacks_is_refused(saved, pictures, tmp_path):
    import timm
    import transformers

    for family, part, other in (("dinov2", "language", "vision"), ("gemma3", "vision", "language")):
        with pytest.raises(ValueError, match=f'is of type {family}, which has no {part} .* use part="{other}"'):
            layers.layer_features(pictures=pictures, part=part, **saved(family))
    with pytest.raises(ValueError, match=r'siglip has no summary token inside its blocks.*use token="mean"'):
        layers.layer_features(pictures=pictures, token="summary", **saved("siglip"))
    model, processor = llava(transformers.SiglipVisionConfig(**SEES))  # some are built on a tower without class token
    with pytest.raises(ValueError, match="llava has no summary token"):
        layers.layer_features(written(tmp_path / "llava", model, processor), pictures, "summary")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ValueError, match=r"of the unknown type 'bert': known are vit, vit_mae, .*llava, .*gemma3$"):
        layers.layer_features(tmp_path, pictures)
    with pytest.raises(ValueError, match="ByobNet has no row of blocks"):
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
    with pytest.raises(ValueError, match="models names ViT-B-32 openai twice"):
        layers.labelled([models[1], models[1]])
