"""What every layer of a tower says of a picture: the input of the first block of a published model (layer 0), and the
output of block k (layer k), before any norm that follows the last one. A new kind of model is one row of FAMILIES.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from geonb.learning import _torchvision  # noqa: F401  before transformers, which imports torchvision
from geonb.learning.pretrained_towers import Tower, device, load_tower, open_picture, read_pictures

TOKENS, PARTS = ("summary", "mean"), ("vision", "language")
FAMILIES = {  # model_type of transformers: its module that sees, None where only the language part is read
    "vit": "", "vit_mae": "", "dinov2": "", "dinov2_with_registers": "", "dinov3_vit": "",
    "clip": "vision_model",  # also MetaCLIP and StreetCLIP
    "siglip": "vision_model", "llava": "vision_tower", "qwen2_5_vl": None, "gemma3": None,
}  # fmt: skip
WITH_LANGUAGE = ("llava", "qwen2_5_vl", "gemma3")


@dataclass(frozen=True)
class Part:
    """What runs, its layers in a row, tokens before the patches, where the summary stands ("first", "last" or None)."""

    module: nn.Module
    blocks: list
    prefix: int
    summary: str | None

    def layers(self, inputs):
        """Tokens (n, T, d) of each layer, of what the module takes, by name; the pixels of a map are its tokens."""
        seen, note = [], lambda _, given, named, out: seen.append(((*given, *named.values())[0], out))
        hooks = [block.register_forward_hook(note, with_kwargs=True) for block in self.blocks]
        try:
            self.module(**inputs)
        finally:
            for hook in hooks:
                hook.remove()
        found = [seen[0][0], *(out[0] if isinstance(out, tuple) else out for _, out in seen)]
        return [layer.flatten(2).mT if layer.ndim == 4 else layer.reshape(len(layer), -1, layer.shape[-1])
                for layer in found]  # fmt: skip


def layer_features(model_name, pictures, token="mean", *, weights="", part="vision", prompt="", batch_size=32):
    """Float32 arrays (n, d_k), one per layer, of a model, in the order of the pictures.

    model_name: a model of transformers on the hub (`owner/name`) or in a folder; a name of open_clip, or its
    `local-dir:FOLDER` or `hf-hub:owner/name`; or a pretrained_towers.Tower. weights: the tag or file of open_clip, the
    revision on the hub of transformers. pictures: paths. token: "summary" (the class token; the last one of a language
    part) or "mean" over the patches, or over all tokens of a language part, which reads the picture and then the
    prompt. A convolutional tower gives the mean over its map after stem and stages, then its pooled output. In bf16 on
    CUDA; only safetensors are read, never code. ValueError for a model, part or token that there is not.
    """
    for what, asked, known in (("token", token, TOKENS), ("part", part, PARTS)):
        if asked not in known:
            raise ValueError(f"{what} {asked!r} must be one of {', '.join(known)}")
    if prompt and part == "vision":
        raise ValueError(f'the prompt {prompt!r} would go unread: vision parts see no words, use part="language"')
    tower, name = model_name, str(model_name)
    if not isinstance(tower, Tower):
        if not name.startswith(("local-dir:", "hf-hub:")) and ("/" in name or Path(name).is_dir()):
            return transformers_layers(name, pictures, token, weights or "main", part, prompt, batch_size)
        if part == "language":
            raise ValueError(f'{name} is read by open_clip, which knows no language part: use part="vision"')
        tower = load_tower(name, weights)
    own = visual_part(getattr(tower.model, "visual", tower.model))
    inputs = lambda batch: ({"x": read_pictures([pictures[n] for n in batch], tower.transform)}, None)  # noqa: E731
    return read(own, inputs, len(pictures), token, tower.name, batch_size)


def labelled(models):
    """{label: model} of dicts of arguments of layer_features; ValueError for the same label twice."""
    named = {}
    for model in models:
        prompt, name = model.get("prompt"), model["model_name"].rpartition("/")[2]
        asked = [f'"{prompt}"' if prompt else "", name, *(model.get(key) for key in ("weights", "part", "token"))]
        label = " ".join(filter(None, asked))
        if label in named:
            raise ValueError(f"models names {label} twice")
        named[label] = model
    return named


def visual_part(visual):
    """The Part of a visual part of open_clip; ValueError if it has no plain row of blocks."""
    if hasattr(visual, "attnpool"):
        return Part(visual, [*(getattr(visual, f"layer{k}") for k in range(1, 5)), visual.attnpool], 0, None)
    if hasattr(visual, "transformer"):
        return Part(visual, visual.transformer.resblocks, 1, "first")
    raise ValueError(f"{type(visual).__name__} has no row of blocks that is read: take another model")


def transformers_layers(name, pictures, token, revision, part, prompt, batch_size):
    """As layer_features, of a model of transformers."""
    model, family = load_transformers(name, revision, part)
    kind = transformers().AutoProcessor if part == "language" else transformers().AutoImageProcessor
    processor = kind.from_pretrained(name, revision=revision)

    def inputs(batch):
        seen = [open_picture(pictures[n]) for n in batch]
        if part == "language":
            return words(processor, seen, prompt)
        named = {"pixel_values": processor(images=seen, return_tensors="pt")["pixel_values"]}
        if family == "vit_mae":  # it sorts the patches by this noise: they stay in their order
            named["noise"] = torch.arange(model.embeddings.patch_embeddings.num_patches).expand(len(seen), -1)
        return named, None

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
    """(model without its heads, its model_type); ValueError without the part, or if weights are missing."""
    package, dtype = transformers(), torch.bfloat16 if device().type == "cuda" else torch.float32
    family = package.PreTrainedConfig.get_config_dict(name, revision=revision)[0].get("model_type")
    if family not in FAMILIES:
        raise ValueError(f"{name} is of the unknown type {family!r}: known are {', '.join(FAMILIES)}")
    if family not in WITH_LANGUAGE if part == "language" else FAMILIES[family] is None:
        other = next(own for own in PARTS if own != part)
        raise ValueError(f'{name} is of type {family}, which has no {part} part that is read: use part="{other}"')
    model, report = package.AutoModel.from_pretrained(
        name, revision=revision, use_safetensors=True, dtype=dtype, output_loading_info=True
    )
    missing = sorted(key for key in report["missing_keys"] if "pooler" not in key)  # a pooler comes after the blocks
    if missing:
        raise ValueError(f"{name} lacks {len(missing)} weights of {type(model).__name__}, the first: {missing[0]}")
    return model.eval(), family


def part_of(model, family, part):
    """The Part of a model of transformers, whose blocks are the first list of modules in it."""
    module = model.language_model if part == "language" else model.get_submodule(FAMILIES[family])
    blocks = next(inner for inner in module.modules() if isinstance(inner, nn.ModuleList))
    if part == "language":
        model.config.get_text_config().use_cache = False  # nothing is generated
        return Part(model, blocks, 0, "last")
    summary, prefix = None, 0
    if {"cls_token", "class_embedding"} & set(dict(module.embeddings.named_parameters())):  # LLaVA also comes without
        summary, prefix = "first", 1 + getattr(module.config, "num_register_tokens", 0)
    if family == "vit_mae":
        module.config.mask_ratio = 0.0  # a probe sees the whole picture
    return Part(module, blocks, prefix, summary)


def words(processor, seen, prompt):
    """What a language part takes of pictures, each followed by the prompt, and how many tokens each has (n,)."""
    asked = [{"type": "text", "text": prompt}] if prompt else []
    chats = [[{"role": "user", "content": [{"type": "image", "image": picture}, *asked]}] for picture in seen]
    how = {"padding": True, "padding_side": "right"}  # so all tokens have the positions that they have alone
    found = processor.apply_chat_template(
        chats, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt", processor_kwargs=how
    )
    return dict(found), found["attention_mask"].sum(dim=1)


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
    """Vectors (n, d) float32 of a layer's tokens (n, T, d), of which lengths (n,) are no padding (None: all)."""
    if lengths is None:
        lengths = torch.full((len(hidden),), hidden.shape[1])
    if token == "summary":
        return hidden[range(len(hidden)), 0 if part.summary == "first" else lengths - 1].float()
    place = torch.arange(hidden.shape[1])
    kept = ((place >= part.prefix) & (place < lengths[:, None])).to(hidden.device)
    return hidden.float().masked_fill(~kept[..., None], 0).sum(dim=1) / kept.sum(dim=1, keepdim=True)
