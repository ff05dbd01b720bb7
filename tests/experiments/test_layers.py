"""Layers of towers: the model's own hidden states, through hooks that leave no trace."""

import copy
import json
import shutil
import sys

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from experiments.words import layers
from geonb.learning import towers

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
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
SMALL |= {"initializer_range": 0.2}
SEES = SMALL | {"image_size": 32, "patch_size": 8}
READS = SMALL | {"num_key_value_heads": 2, "vocab_size": 32, "max_position_embeddings": 128}
READS |= {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1}
SQUARE = {"height": 32, "width": 32}
PREFIX = {"siglip": 0, "qwen2_5_vl": 0, "gemma3": 0, "dinov2_with_registers": 4, "dinov3_vit": 4}
PROMPT = "where is this photo"


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
            return towers.load_tower(name)
        (folder / f"{name}.json").write_text(json.dumps(OPEN_CLIP[name]))
        open_clip.add_model_config(folder / f"{name}.json")
        torch.manual_seed(0)
        state = open_clip.create_model(name).state_dict()
        save_file({key: value.contiguous() for key, value in state.items()}, folder / f"{name}.safetensors")
        return towers.load_tower(name, str(folder / f"{name}.safetensors"))

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
    seen = towers.Pictures(pictures, tower.transform)[range(5)]
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
    tower = towers.load_tower("local-dir:data/towers/geonb-tiny")
    seen = towers.Pictures(pictures, tower.transform)[range(5)]
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


# ---- timm ------------------------------------------------------------------------------------------------------------
@pytest.fixture
def timm_file(tmp_path):
    """timm_file(name): a random model of timm, and the file of its weights."""
    import timm

    def save(name):
        torch.manual_seed(0)
        model = timm.create_model(name)
        save_file(model.state_dict(), tmp_path / f"{name}.safetensors")
        return model.eval(), str(tmp_path / f"{name}.safetensors")

    return save


@pytest.mark.parametrize(("name", "has_class_token"), [("test_vit", True), ("test_vit2", False)])
def test_layers_of_a_timm_transformer_are_its_own_intermediates(timm_file, pictures, name, has_class_token):
    import timm

    model, file = timm_file(name)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    with torch.no_grad():
        own = model.forward_intermediates(
            towers.Pictures(pictures, transform)[range(5)], output_fmt="NLC", return_prefix_tokens=True
        )[1]
    found = layers.layer_features(f"timm:{name}", pictures, weights=file, batch_size=2)
    assert len(found) == 1 + len(own)
    for layer, (patches, _) in zip(found[1:], own, strict=True):
        np.testing.assert_allclose(layer, patches.mean(dim=1), atol=1e-5)  # test_vit2's register is left out
    if has_class_token:
        found = layers.layer_features(f"timm:{name}", pictures, "summary", weights=file)
        np.testing.assert_allclose(found[-1], own[-1][1][:, 0], atol=1e-5)
    else:
        with pytest.raises(ValueError, match=r"timm:test_vit2 has no summary token"):
            layers.layer_features(f"timm:{name}", pictures, "summary", weights=file)


# ---- transformers: a tiny random model of every family ---------------------------------------------------------------
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
    """A tiny random model of a family that sees only, with its processor."""
    import transformers as t

    cut = {"size": {"shortest_edge": 32}, "crop_size": SQUARE}
    decoder = {f"decoder_{key}": SMALL[key] for key in SMALL if key != "initializer_range"}
    return {
        "vit": lambda: (t.ViTForImageClassification(t.ViTConfig(**SEES)), t.ViTImageProcessor(size=SQUARE)),
        "vit_mae": lambda: (
            t.ViTMAEForPreTraining(t.ViTMAEConfig(**SEES, **decoder)),
            t.ViTImageProcessor(size=SQUARE),
        ),
        "dinov2": lambda: (t.Dinov2Model(t.Dinov2Config(**SEES)), t.BitImageProcessor(**cut)),
        "dinov2_with_registers": lambda: (
            t.Dinov2WithRegistersModel(t.Dinov2WithRegistersConfig(**SEES, num_register_tokens=3)),
            t.BitImageProcessor(**cut),
        ),
        "dinov3_vit": lambda: (
            t.DINOv3ViTModel(t.DINOv3ViTConfig(**SEES, num_register_tokens=3)),
            t.DINOv3ViTImageProcessor(size=SQUARE),
        ),
        "clip": lambda: (
            t.CLIPModel(t.CLIPConfig(vision_config=SEES, text_config=READS, projection_dim=16)),
            t.CLIPImageProcessor(**cut),
        ),
        "siglip": lambda: (
            t.SiglipModel(t.SiglipConfig(vision_config=SEES, text_config=READS)),
            t.SiglipImageProcessor(size=SQUARE),
        ),
    }[family]()


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


def written(folder, model, processor):
    """The folder, with a model in it whose weights are large enough for its blocks to matter."""
    layers.transformers()  # quiet from here on
    for value in model.parameters():
        if value.ndim > 1:
            torch.nn.init.normal_(value, std=0.2)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """saved(family): a folder with a tiny random model and its processor, written once."""
    folder, made = tmp_path_factory.mktemp("transformers"), {"llava": llava, "qwen2_5_vl": qwen2_5_vl, "gemma3": gemma3}

    def save(family):
        if (folder / family).exists():
            return str(folder / family)
        torch.manual_seed(0)
        model, processor = made[family]() if family in made else vision_only(family)
        return written(folder / family, model, processor)

    return save


def own_tokens(folder, family, part, path):
    """Tokens (T, d) of one picture at every layer, by transformers' own output_hidden_states, in raster order."""
    import transformers as t

    model = t.AutoModel.from_pretrained(folder).eval()
    for module in model.modules():
        if hasattr(module, "config"):
            module.config.tie_last_hidden_states = False  # else the last is what comes after the final norm
    if part == "language":
        processor, module = t.AutoProcessor.from_pretrained(folder), model
        given = processor(images=[[Image.open(path)]], text=[processor.image_token + PROMPT], return_tensors="pt")
    else:
        given = t.AutoImageProcessor.from_pretrained(folder)(images=[Image.open(path)], return_tensors="pt")
        tower = {"clip": "vision_model", "siglip": "vision_model", "qwen2_5_vl": "visual"}
        tower |= {"llava": "vision_tower", "gemma3": "vision_tower"}
        module = model.get_submodule(tower.get(family, ""))
        grid = given.get("image_grid_thw")
        given = {"pixel_values": given["pixel_values"]}
    if family == "vit_mae":
        model.config.mask_ratio, given["noise"] = 0.0, torch.arange(16)[None]
    if family == "qwen2_5_vl" and part == "vision":
        given = {"hidden_states": given["pixel_values"], "grid_thw": grid}
    with torch.no_grad():
        hidden = [layer.reshape(-1, 32) for layer in module(**given, output_hidden_states=True).hidden_states]
    return [in_raster_order(layer, grid) for layer in hidden] if "grid_thw" in given else hidden


def in_raster_order(tokens, grid):
    """Tokens of Qwen's vision tower as they were before it sorted them by window: squares of 2 x 2 stay together."""
    height, width = (grid[0, 1:] // 2).tolist()
    squares = [(y // 2, x // 2, y, x) for y in range(height) for x in range(width)]  # a window is 2 x 2 squares
    back = np.argsort(sorted(range(len(squares)), key=squares.__getitem__))
    return tokens.reshape(len(squares), 4, -1)[back].reshape(-1, tokens.shape[-1])


def is_last(family, part):
    """Whether the summary token is the last one."""
    return part == "language" or family in ("qwen2_5_vl", "gemma3")


@pytest.mark.parametrize(("family", "part"), list(layers.FAMILIES))
def test_layers_of_every_family_are_its_own_hidden_states(saved, pictures, family, part):
    folder, prompt = saved(family), PROMPT if part == "language" else ""
    own = [own_tokens(folder, family, part, path) for path in pictures]
    prefix = 0 if part == "language" else PREFIX.get(family, 1)
    found = layers.layer_features(folder, pictures, part=part, prompt=prompt, batch_size=2)
    assert [layer.shape for layer in found] == [(5, 32)] * len(own[0])
    assert {layer.dtype for layer in found} == {np.dtype("float32")}
    for k, layer in enumerate(found):
        expected = np.stack([tokens[k][prefix:].mean(dim=0) for tokens in own])
        assert expected.std(axis=0).max() > 0.01  # the pictures are told apart
        np.testing.assert_allclose(layer, expected, atol=1e-4 * np.abs(expected).max())
    if family == "siglip":
        return
    found = layers.layer_features(folder, pictures, "summary", part=part, prompt=prompt, batch_size=3)
    for k, layer in enumerate(found):
        expected = np.stack([tokens[k][-1 if is_last(family, part) else 0] for tokens in own])
        np.testing.assert_allclose(layer, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(("family", "part"), list(layers.FAMILIES))
def test_a_changed_weight_of_every_family_changes_its_layer_and_those_above(saved, pictures, family, part, monkeypatch):
    folder, prompt = saved(family), PROMPT if part == "language" else ""
    before = layers.layer_features(folder, pictures, part=part, prompt=prompt)
    load, streams = layers.load_transformers, []
    for k in range(1, len(before)):

        def changed(name, revision, k=k):
            model = load(name, revision)
            streams.append(layers.stream_of(model, family, part))
            with torch.no_grad():
                [value for value in streams[-1].blocks[k - 1].parameters() if value.ndim > 1][-1].mul_(1.5)
            return model

        monkeypatch.setattr(layers, "load_transformers", changed)
        assert first_changed(before, layers.layer_features(folder, pictures, part=part, prompt=prompt)) == k
    assert sum(hooks_of(block) for stream in streams for block in stream.blocks) == 0


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "gemma3"])
def test_a_language_part_reads_the_prompt_after_the_picture(saved, pictures, family):
    bare, asked = (
        layers.layer_features(saved(family), pictures, "summary", part="language", prompt=prompt)
        for prompt in ("", PROMPT)
    )
    assert all(np.abs(old - new).max() > 0.01 for old, new in zip(bare, asked, strict=True))


def test_a_chat_template_is_followed_and_begins_once(saved, pictures):
    import transformers

    processor = transformers.AutoProcessor.from_pretrained(saved("llava"))
    seen = [towers.open_picture(path) for path in pictures]
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
    with pytest.raises(ValueError, match="token 'cls' must be one of summary, mean"):
        layers.layer_features("owner/any", pictures, "cls")
    with pytest.raises(ValueError, match="part 'text' must be one of vision, language"):
        layers.layer_features("owner/any", pictures, part="text")
    with pytest.raises(ValueError, match="no pictures to read"):
        layers.layer_features("owner/any", [])
    with pytest.raises(ValueError, match=r"the prompt 'where' would go unread.*use part="):
        layers.layer_features("owner/any", pictures, prompt="where")


def test_a_part_or_token_that_a_model_lacks_is_refused(saved, pictures, tmp_path):
    import transformers

    for family in ("dinov2", "clip"):
        with pytest.raises(ValueError, match=f"is of type {family}, which has no language part that sees pictures"):
            layers.layer_features(saved(family), pictures, part="language")
    for name in ("ViT-B-32", "timm:test_vit", "local-dir:data/towers/geonb-tiny"):
        with pytest.raises(ValueError, match=f"{name} is read by open_clip or timm, which know no language part"):
            layers.layer_features(name, pictures, part="language")
    with pytest.raises(ValueError, match=r'siglip has no summary token inside its blocks.*use token="mean"'):
        layers.layer_features(saved("siglip"), pictures, "summary")
    model, processor = llava(transformers.SiglipVisionConfig(**SEES))  # some are built on a tower without class token
    with pytest.raises(ValueError, match="llava has no summary token"):
        layers.layer_features(written(tmp_path / "llava", model, processor), pictures, "summary")


def test_an_unknown_model_is_refused_with_what_there_is(pictures, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ValueError, match=r"of the unknown type 'bert': known are vit, vit_mae, .*llava, .*gemma3$"):
        layers.layer_features(tmp_path, pictures)
    with pytest.raises(ValueError, match=r"timm has no model 'vit_x'"):
        layers.layer_features("timm:vit_x", pictures)
    with pytest.raises(ValueError, match=r"open_clip has no model 'ViT-X'"):
        layers.layer_features("ViT-X", pictures)
    with pytest.raises(ValueError, match=r"ByobNet of timm has no row of blocks"):
        layers.visual_stream(__import__("timm").create_model("test_byobnet"))


def test_only_whole_weights_in_safetensors_are_read(saved, timm_file, pictures, tmp_path):
    shutil.copytree(saved("vit"), tmp_path / "vit")
    state = load_file(tmp_path / "vit" / "model.safetensors")
    lost = next(key for key in state if "layer.1." in key)
    save_file(
        {key: state[key] for key in state if key != lost}, tmp_path / "vit" / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(ValueError, match=r"vit lacks 1 weights of ViTModel, the first: layers.1"):
        layers.layer_features(tmp_path / "vit", pictures)
    torch.save(state, tmp_path / "vit" / "pytorch_model.bin")
    (tmp_path / "vit" / "model.safetensors").unlink()
    with pytest.raises(OSError, match=r"model.safetensors"):
        layers.layer_features(tmp_path / "vit", pictures)
    torch.save(timm_file("test_vit")[0].state_dict(), tmp_path / "test_vit.bin")
    with pytest.raises(ValueError, match=r"test_vit.bin must be a file of safetensors"):
        layers.layer_features("timm:test_vit", pictures, weights=str(tmp_path / "test_vit.bin"))


def test_without_transformers_the_error_names_the_way_out(saved, pictures, monkeypatch):
    folder = saved("vit")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r'pip install "geonb\[models\]"'):
        layers.layer_features(folder, pictures)


def test_a_tower_of_open_clip_is_read_by_its_name(pictures):
    name = "local-dir:data/towers/geonb-tiny"
    found = layers.layer_features(name, pictures)
    for layer, same in zip(found, layers.tower_layers(towers.load_tower(name), pictures), strict=True):
        np.testing.assert_array_equal(layer, same)


def test_models_are_labelled_by_what_tells_them_apart():
    qwen = {"model_name": "Qwen/Qwen2.5-VL-3B-Instruct", "part": "language"}
    models = [
        {"model_name": "google/vit-base-patch16-224"}, {"model_name": "ViT-B-32", "weights": "openai"},
        {"model_name": "ViT-B-32", "weights": "laion2b_s34b_b79k"}, qwen, qwen | {"prompt": "Where is this?"},
    ]  # fmt: skip
    found = layers.labelled(models)
    assert list(found.values()) == models
    names = list(found)
    assert names[0] == "vit-base-patch16-224"
    assert names[-1] == '"Where is this?" Qwen2.5-VL-3B-Instruct language'
    twins = [{"model_name": f"{owner}/clip"} for owner in ("openai", "laion")] + [
        {"model_name": "laion/clip", "token": "mean"}
    ]
    assert list(layers.labelled(twins)) == ["openai/clip", "laion/clip", "laion/clip mean"]
    with pytest.raises(ValueError, match="models names ViT-B-32 openai twice"):
        layers.labelled([models[1], models[1]])
