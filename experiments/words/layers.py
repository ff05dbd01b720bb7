"""What every layer of a tower says of a picture: the residual stream of published models, as their libraries give it.

Layer 0 is the input of the first block (after patch and position embedding), layer k the output of block k, before any
norm that follows the last one. A new kind of model of transformers is one row of FAMILIES.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from geonb.learning import _torchvision  # noqa: F401  before timm and transformers, which import torchvision
from geonb.learning.pretrained_towers import Pictures, Tower, device, digest_of, load_tower, open_picture

TOKENS, PARTS = ("summary", "mean"), ("vision", "language")
FAMILIES = {  # model_type of transformers: its module that sees
    "vit": "", "vit_mae": "", "dinov2": "", "dinov2_with_registers": "", "dinov3_vit": "",
    "clip": "vision_model",  # also MetaCLIP and StreetCLIP
    "siglip": "vision_model", "llava": "vision_tower", "qwen2_5_vl": "visual", "gemma3": "vision_tower",
}  # fmt: skip
WITH_LANGUAGE = ("llava", "qwen2_5_vl", "gemma3")
SUMMARY_LAST = ("qwen2_5_vl", "gemma3")  # vision parts without class token, in whose place the last token is read


@dataclass(frozen=True)
class Part:
    """A part of a model. module: what runs; layers: from its inputs by name to the tokens of each layer, (n, T, d) or
    those of all pictures in a row; prefix: tokens before the patches; summary: where that token stands (None: nowhere).
    """

    module: nn.Module
    layers: Callable
    prefix: int
    summary: str | None


def layer_features(model_name, pictures, token="mean", *, weights="", part="vision", prompt="", batch_size=32):
    """Float32 arrays (n, d_k), one per layer, of a model, in the order of the pictures.

    model_name: a model of transformers on the hub (`owner/name`) or in a folder; a name of open_clip, or its
    `local-dir:FOLDER` or `hf-hub:owner/name`; `timm:NAME`; or a towers.Tower. weights: the tag or file of open_clip,
    the safetensors file of timm ("": the published one), the revision on the hub of transformers. pictures: paths.
    token: "summary" (the class token; the last token of language parts and of the vision parts of Qwen and Gemma) or
    "mean" over the patches, or over all tokens of a language part, which reads the picture and then the prompt. The
    attention pool of CoCa comes after the blocks and is not read. A convolutional tower gives the mean over its map
    after stem and stages, then its pooled output; it has no summary. The tokens of all layers of a batch are held at
    once. In bf16 on CUDA, float32 on the CPU; only safetensors are read, and never code that comes with weights.
    ValueError for an unknown model, part or token, for a token or part that the model lacks, and without pictures.
    """
    for what, asked, known in (("token", token, TOKENS), ("part", part, PARTS)):
        if asked not in known:
            raise ValueError(f"{what} {asked!r} must be one of {', '.join(known)}")
    if prompt and part == "vision":
        raise ValueError(f'the prompt {prompt!r} would go unread: vision parts see no words, use part="language"')
    if len(pictures) == 0:
        raise ValueError("there are no pictures to read: give at least one path")
    tower, name = model_name, str(model_name)
    if not isinstance(tower, Tower):
        if not name.startswith(("timm:", "local-dir:", "hf-hub:")) and ("/" in name or Path(name).is_dir()):
            return transformers_layers(name, pictures, token, weights or "main", part, prompt, batch_size)
        if part == "language":
            raise ValueError(f'{name} is read by open_clip or timm, which know no language part: use part="vision"')
        tower = load_timm(name, weights) if name.startswith("timm:") else load_tower(name, weights)
    opened = Pictures(pictures, tower.transform)
    own = visual_part(getattr(tower.model, "visual", tower.model))
    return read(own, lambda batch: ({"x": opened[batch]}, None), len(opened), token, tower.name, batch_size)


def labelled(models):
    """{label: model} of dicts of arguments of layer_features: prompt, name, weights, part and token, as far as given.

    The name is without its owner where that tells it apart. ValueError for the same model that is asked the same twice.
    """
    names, named = {model["model_name"] for model in models}, {}
    short = [name.rpartition("/")[2] for name in names]
    for model in models:
        prompt, name = model.get("prompt"), model["model_name"].rpartition("/")[2]
        words = [f'"{prompt}"' if prompt else "", name if short.count(name) == 1 else model["model_name"]]
        label = " ".join(filter(None, [*words, *(model.get(key) for key in ("weights", "part", "token"))]))
        if label in named:
            raise ValueError(f"models names {label} twice")
        named[label] = model
    return named


# ---- towers of open_clip and timm ------------------------------------------------------------------------------------
def visual_part(visual):
    """The Part of a visual part of open_clip or of a model of timm; ValueError if it has no plain row of blocks."""
    visual = getattr(visual, "trunk", visual)  # a model of timm inside one of open_clip
    if hasattr(visual, "attnpool"):
        return Part(visual, lambda inputs: convolutional_layers(visual, inputs["x"]), 0, None)
    if hasattr(visual, "transformer"):
        blocks, prefix, summary = visual.transformer.resblocks, 1, "first"
        asked = {"output_extra_tokens": True}
    elif hasattr(visual, "blocks") and hasattr(visual, "num_prefix_tokens"):
        blocks, prefix = visual.blocks, visual.num_prefix_tokens
        summary = None if getattr(visual, "cls_token", None) is None else "first"
        asked = {"return_prefix_tokens": True, "output_dict": True}
    else:
        raise ValueError(f"{type(visual).__name__} of timm has no row of blocks: only its vision transformers are read")
    return Part(visual, lambda inputs: transformer_layers(visual, blocks, inputs["x"], asked), prefix, summary)


def convolutional_layers(visual, seen):
    """The map (n, h * w, d) after stem and stages of a ResNet of open_clip, then its pooled output (n, 1, d)."""
    found = visual.forward_intermediates(seen)
    return [*(stage.flatten(2).mT for stage in found["image_intermediates"]), found["image_features"][:, None]]


def transformer_layers(visual, blocks, seen, asked):
    """Tokens (n, T, d) of each layer of a vision transformer; asked: in the words of its library, for all tokens."""
    entered = []  # no library gives what enters the first block
    hook = blocks[0].register_forward_pre_hook(lambda _, given: entered.append(given[0]))
    try:
        found = visual.forward_intermediates(seen, output_fmt="NLC", intermediates_only=True, **asked)
    finally:
        hook.remove()
    patches = found["image_intermediates"]
    prefixes = found.get("image_intermediates_prefix") or [own[:, :0] for own in patches]
    return [*entered, *(torch.cat(both, dim=1) for both in zip(prefixes, patches, strict=True))]


def load_timm(name, weights):
    """A Tower without words, from a safetensors file or from the one that timm publishes for `timm:NAME`."""
    import timm
    from huggingface_hub import hf_hub_download

    known = name.removeprefix("timm:")
    if not timm.is_model(known):
        raise ValueError(f"timm has no model {known!r}: see timm.list_models(pretrained=True)")
    file = Path(weights or hf_hub_download(timm.get_pretrained_cfg(known).hf_hub_id, "model.safetensors"))
    if file.suffix != ".safetensors" or not file.is_file():
        raise ValueError(f"{file} must be a file of safetensors")
    model = timm.create_model(known, pretrained=True, pretrained_cfg_overlay={"file": str(file)}).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    return Tower(name, model, transform, None, 0, digest_of(model, transform))


# ---- models of transformers ------------------------------------------------------------------------------------------
def transformers_layers(name, pictures, token, revision, part, prompt, batch_size):
    """As layer_features, of a model of transformers."""
    model, family = load_transformers(name, revision, part)
    kind = transformers().AutoProcessor if part == "language" else transformers().AutoImageProcessor
    processor = kind.from_pretrained(name, revision=revision)

    def inputs(batch):
        seen = [open_picture(pictures[n]) for n in batch]
        return words(processor, seen, prompt) if part == "language" else sights(processor, seen, family, model)

    return read(part_of(model, family, part), inputs, len(pictures), token, Path(name).name, batch_size)


def transformers():
    """The package, an extra that takes seconds to import; ImportError names the way out."""
    try:
        import transformers
    except ImportError as error:
        raise ImportError('models of transformers need that package: pip install "geonb[models]"') from error
    transformers.utils.logging.set_verbosity_error()  # a published page shows what is on stderr as an error:
    transformers.utils.logging.disable_progress_bar()  # the weights that no part needs, and a bar at every loading
    return transformers


def load_transformers(name, revision, part):
    """(model without its heads, ready to read; its model_type).

    ValueError unless the type is in FAMILIES and has the part, or if weights are missing, which would be random.
    """
    package, dtype = transformers(), torch.bfloat16 if device().type == "cuda" else torch.float32
    family = package.PreTrainedConfig.get_config_dict(name, revision=revision)[0].get("model_type")
    if family not in FAMILIES:
        raise ValueError(f"{name} is of the unknown type {family!r}: known are {', '.join(FAMILIES)}")
    if part == "language" and family not in WITH_LANGUAGE:
        raise ValueError(f'{name} is of type {family}, which has no {part} part that sees pictures: use part="vision"')
    model, report = package.AutoModel.from_pretrained(
        name, revision=revision, use_safetensors=True, dtype=dtype, output_loading_info=True
    )
    missing = sorted(key for key in report["missing_keys"] if "pooler" not in key)  # a pooler comes after the blocks
    if missing:
        raise ValueError(f"{name} lacks {len(missing)} weights of {type(model).__name__}, the first: {missing[0]}")
    return model.eval(), family


def part_of(model, family, part):
    """The Part of a model of transformers."""
    module, summary, prefix = model.get_submodule("" if part == "language" else FAMILIES[family]), None, 0
    for inner in module.modules():
        if hasattr(inner, "config"):
            inner.config.tie_last_hidden_states = False  # the last one comes before the final norm
    if part == "language" or family in SUMMARY_LAST:
        summary = "last"
    elif {"cls_token", "class_embedding"} & set(dict(module.embeddings.named_parameters())):  # LLaVA also comes without
        summary, prefix = "first", 1 + getattr(module.config, "num_register_tokens", 0)
    if family == "vit_mae":
        module.config.mask_ratio = 0.0  # a probe sees the whole picture
    if part == "language":
        model.config.get_text_config().use_cache = False  # nothing is generated
    return Part(module, lambda inputs: module(**inputs, output_hidden_states=True).hidden_states, prefix, summary)


def sights(processor, seen, family, model):
    """What a vision part takes of pictures, and how many tokens each has (None: all the same number)."""
    found = processor(images=seen, return_tensors="pt")
    named = {"pixel_values": found["pixel_values"]}
    if family == "vit_mae":  # it sorts the patches by this noise: they stay in their order
        named["noise"] = torch.arange(model.embeddings.patch_embeddings.num_patches).expand(len(seen), -1)
    if family != "qwen2_5_vl":
        return named, None
    grid = found["image_grid_thw"]  # its blocks see the patches of all pictures in one row, each picture in one piece
    return {"hidden_states": found["pixel_values"], "grid_thw": grid}, grid.prod(dim=1)


def words(processor, seen, prompt):
    """What a language part takes of pictures, each followed by the prompt, and how many tokens each has."""
    text = f"{processor.image_token}{prompt}"
    if processor.chat_template is not None:
        content = [{"type": "image"}, {"type": "text", "text": prompt}][: 1 + bool(prompt)]
        text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    begin = processor.tokenizer.bos_token  # a template may have written it already
    how = {"add_special_tokens": not (begin and text.startswith(begin)), "return_tensors": "pt"}
    how |= {"padding": True, "padding_side": "right"}  # so all tokens have the positions that they have alone
    found = processor(images=[[picture] for picture in seen], text=[text] * len(seen), **how)
    return dict(found), found["attention_mask"].sum(dim=1)


# ---- reading ---------------------------------------------------------------------------------------------------------
@torch.inference_mode()
def read(part, inputs, count, token, name, batch_size):
    """Float32 arrays (count, d_k), one per layer; inputs: from indices to what the module takes, and token counts."""
    if token == "summary" and part.summary is None:
        raise ValueError(f'{name} has no summary token inside its blocks, it pools after them: use token="mean"')
    where, dtype, found = device(), next(part.module.parameters()).dtype, []
    part.module.to(where)
    half = where.type == "cuda" and dtype == torch.float32  # what was loaded in bf16 needs no help
    for first in tqdm(range(0, count, batch_size), desc=f"layers of {name}", unit="batch", file=sys.stdout):
        named, lengths = inputs(range(first, min(first + batch_size, count)))
        named = {key: value.to(where, dtype if value.is_floating_point() else None) for key, value in named.items()}
        with torch.autocast(where.type, torch.bfloat16, enabled=half):
            found.append([pooled(layer, token, part, lengths).cpu() for layer in part.layers(named)])
    return [torch.cat(layer).numpy() for layer in zip(*found, strict=True)]


def pooled(hidden, token, part, lengths):
    """One vector (n, d) float32 per picture, from a layer's tokens (n, T, d), or (sum of lengths, d) in a row.

    lengths (n,): how many tokens each picture has, the others at the end being padding; None: all have the same.
    """
    if hidden.ndim == 2:
        hidden = pad_sequence(hidden.split(lengths.tolist()), batch_first=True)
    if lengths is None:
        lengths = torch.full((len(hidden),), hidden.shape[1])
    if token == "summary":
        return hidden[range(len(hidden)), 0 if part.summary == "first" else lengths - 1].float()
    place = torch.arange(hidden.shape[1])
    kept = ((place >= part.prefix) & (place < lengths[:, None])).to(hidden.device)
    return hidden.float().masked_fill(~kept[..., None], 0).sum(dim=1) / kept.sum(dim=1, keepdim=True)
