"""What every layer of a tower says of a picture: the residual stream of published models, read through forward hooks.

Layer 0 is the input of the first block (after patch and position embedding), layer k the output of block k, before any
norm that follows the last one. A new kind of model of transformers is one row of FAMILIES.
"""

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from geonb.learning import _torchvision  # noqa: F401  before timm and transformers, which import torchvision
from geonb.learning.towers import Pictures, Tower, device, digest_of, load_tower, open_picture

TOKENS, PARTS = ("summary", "mean"), ("vision", "language")
# (model_type of transformers, part): the module that runs, its blocks, where its summary token stands (None: nowhere)
FAMILIES = {
    ("vit", "vision"): ("", "layers", "first"),
    ("vit_mae", "vision"): ("", "layers", "first"),
    ("dinov2", "vision"): ("", "encoder.layer", "first"),
    ("dinov2_with_registers", "vision"): ("", "encoder.layer", "first"),
    ("dinov3_vit", "vision"): ("", "model.layer", "first"),
    ("clip", "vision"): ("vision_model", "encoder.layers", "first"),  # also MetaCLIP and StreetCLIP
    ("siglip", "vision"): ("vision_model", "encoder.layers", None),
    ("llava", "vision"): ("vision_tower", "encoder.layers", "first"),
    ("llava", "language"): ("", "language_model.layers", "last"),
    ("qwen2_5_vl", "vision"): ("visual", "blocks", "last"),
    ("qwen2_5_vl", "language"): ("", "language_model.layers", "last"),
    ("gemma3", "vision"): ("vision_tower", "encoder.layers", "last"),
    ("gemma3", "language"): ("", "language_model.layers", "last"),
}


@dataclass(frozen=True)
class Stream:
    """What runs, its blocks, how many tokens stand before the patches, and where the summary token stands."""

    module: nn.Module
    blocks: nn.ModuleList | list
    prefix: int
    summary: str | None


def layer_features(model_name, pictures, token="mean", *, weights="", part="vision", prompt="", batch_size=32):
    """Float32 arrays (n, d_k), one per layer, of a published model, in the order of the pictures.

    model_name: a model of transformers on the hub (`owner/name`) or in a folder; a name of open_clip, or its
    `local-dir:FOLDER` or `hf-hub:owner/name`; or `timm:NAME`. weights: the tag or file of open_clip, the safetensors
    file of timm ("": the published one), the revision on the hub of transformers. pictures: paths.
    token: "summary" (the class token; the last token of language parts and of the vision parts of Qwen and Gemma) or
    "mean" over the patches, or over all tokens of a language part, which reads the picture and then the prompt.
    In bf16 on CUDA, float32 on the CPU; only safetensors are read, and never code that comes with weights.
    ValueError for an unknown model, part or token, for a token or part that the model lacks, and without pictures.
    """
    check_asked(pictures, token, part, prompt)
    name = str(model_name)
    if not name.startswith(("timm:", "local-dir:", "hf-hub:")) and ("/" in name or Path(name).is_dir()):
        return transformers_layers(name, pictures, token, weights, part, prompt, batch_size)
    if part == "language":
        raise ValueError(f'{name} is read by open_clip or timm, which know no language part: use part="vision"')
    tower = load_timm(name, weights) if name.startswith("timm:") else load_tower(name, weights)
    return tower_layers(tower, pictures, token, batch_size)


def labelled(models):
    """{label: model} of dicts of arguments of layer_features: prompt, name, weights, part and token, as far as given.

    The name is without its owner where that tells it apart. ValueError for the same model that is asked the same twice.
    """
    short = [model["model_name"].rpartition("/")[2] for model in models]
    owners = {
        name: {model["model_name"] for model, own in zip(models, short, strict=True) if own == name} for name in short
    }
    named = {}
    for model, name in zip(models, short, strict=True):
        prompt = f'"{model["prompt"]}"' if model.get("prompt") else ""
        name = name if len(owners[name]) == 1 else model["model_name"]
        said = (prompt, name, *(model.get(key, "") for key in ("weights", "part", "token")))
        label = " ".join(word for word in said if word)
        if label in named:
            raise ValueError(f"models names {label} twice")
        named[label] = model
    return named


def check_asked(pictures, token, part="vision", prompt=""):
    """ValueError unless there are pictures, a known token and part, and a prompt only where one is read."""
    for what, asked, known in (("token", token, TOKENS), ("part", part, PARTS)):
        if asked not in known:
            raise ValueError(f"{what} {asked!r} must be one of {', '.join(known)}")
    if prompt and part == "vision":
        raise ValueError(f'the prompt {prompt!r} would go unread: vision parts see no words, use part="language"')
    if len(pictures) == 0:
        raise ValueError("there are no pictures to read: give at least one path")


# ---- towers of open_clip and timm ------------------------------------------------------------------------------------
def tower_layers(tower, pictures, token="mean", batch_size=32):
    """As layer_features, of the visual part of an encoders.Tower.

    The summary token is the class token: the attention pool of CoCa comes after the blocks and is not read.
    A convolutional tower gives the mean over its map after stem and stages, then its pooled output; it has no summary.
    """
    check_asked(pictures, token)
    stream, opened = visual_stream(getattr(tower.model, "visual", tower.model)), Pictures(pictures, tower.transform)
    return read(stream, lambda batch: ({"x": opened[batch]}, None), len(opened), token, tower.name, batch_size)


def visual_stream(visual):
    """The Stream of a visual part of open_clip or of a model of timm; ValueError if it has no plain row of blocks."""
    visual = getattr(visual, "trunk", visual)  # a model of timm inside one of open_clip
    if hasattr(visual, "attnpool"):
        return Stream(visual, [visual.layer1, visual.layer2, visual.layer3, visual.layer4, visual.attnpool], 0, None)
    if hasattr(visual, "transformer"):
        return Stream(visual, visual.transformer.resblocks, 1, "first")
    if not hasattr(visual, "blocks") or not hasattr(visual, "num_prefix_tokens"):
        raise ValueError(f"{type(visual).__name__} of timm has no row of blocks: only its vision transformers are read")
    has_class_token = getattr(visual, "cls_token", None) is not None
    return Stream(visual, visual.blocks, visual.num_prefix_tokens, "first" if has_class_token else None)


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
    revision = revision or "main"
    family = family_of(name, revision, part)
    kind = transformers().AutoProcessor if part == "language" else transformers().AutoImageProcessor
    processor, model = kind.from_pretrained(name, revision=revision), load_transformers(name, revision)

    def inputs(batch):
        seen = [open_picture(pictures[n]) for n in batch]
        return words(processor, seen, prompt) if part == "language" else sights(processor, seen, family, model)

    return read(stream_of(model, family, part), inputs, len(pictures), token, Path(name).name, batch_size)


def transformers():
    """The package, an extra that takes seconds to import; ImportError names the way out."""
    try:
        import transformers
    except ImportError as error:
        raise ImportError('models of transformers need that package: pip install "geonb[models]"') from error
    transformers.utils.logging.set_verbosity_error()  # a published page shows what is on stderr as an error:
    transformers.utils.logging.disable_progress_bar()  # the weights that no part needs, and a bar at every loading
    return transformers


def family_of(name, revision, part):
    """The model_type in a model's config.json; ValueError unless it is in FAMILIES and has the part."""
    family = transformers().PreTrainedConfig.get_config_dict(name, revision=revision)[0].get("model_type")
    known = dict.fromkeys(kind for kind, _ in FAMILIES)
    if family not in known:
        raise ValueError(f"{name} is of the unknown type {family!r}: known are {', '.join(known)}")
    if (family, part) not in FAMILIES:
        raise ValueError(f'{name} is of type {family}, which has no {part} part that sees pictures: use part="vision"')
    return family


def load_transformers(name, revision):
    """A model without its heads, ready to read; ValueError if weights are missing, which would be random."""
    dtype = torch.bfloat16 if device().type == "cuda" else torch.float32
    model, report = transformers().AutoModel.from_pretrained(
        name, revision=revision, use_safetensors=True, dtype=dtype, output_loading_info=True
    )
    missing = sorted(key for key in report["missing_keys"] if "pooler" not in key)  # a pooler comes after the blocks
    if missing:
        raise ValueError(f"{name} lacks {len(missing)} weights of {type(model).__name__}, the first: {missing[0]}")
    return model.eval()


def stream_of(model, family, part):
    """The Stream of a part of a model of transformers."""
    path, blocks, summary = FAMILIES[family, part]
    module = model.get_submodule(path)
    if family == "vit_mae":
        module.config.mask_ratio = 0.0  # a probe sees the whole picture
    if part == "language":
        model.config.get_text_config().use_cache = False  # nothing is generated
    if summary == "first" and not {"cls_token", "class_embedding"} & set(dict(module.embeddings.named_parameters())):
        summary = None  # LLaVA also comes with towers that have no class token
    prefix = 1 + getattr(module.config, "num_register_tokens", 0) if summary == "first" else 0
    return Stream(module, module.get_submodule(blocks), prefix, summary)


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
def read(stream, inputs, count, token, name, batch_size):
    """Float32 arrays (count, d_k), one per layer; inputs: from indices to what the module takes, and token counts."""
    if token == "summary" and stream.summary is None:
        raise ValueError(f'{name} has no summary token inside its blocks, it pools after them: use token="mean"')
    where, module, found = device(), stream.module.to(device()), []
    dtype = next(module.parameters()).dtype
    half = where.type == "cuda" and dtype == torch.float32  # what was loaded in bf16 needs no help
    for first in tqdm(range(0, count, batch_size), desc=f"layers of {name}", unit="batch", file=sys.stdout):
        named, lengths = inputs(range(first, min(first + batch_size, count)))
        named = {key: value.to(where, dtype if value.is_floating_point() else None) for key, value in named.items()}
        with watched(stream.blocks, lambda hidden, n=lengths: pooled(hidden, token, stream, n)) as layers:
            with torch.autocast(where.type, torch.bfloat16, enabled=half):
                module(**named)
            found.append([layer.cpu() for layer in layers])
    return [torch.cat(layer).numpy() for layer in zip(*found, strict=True)]


@contextmanager
def watched(blocks, pool):
    """A list that fills, as a model runs, with the pooled input of its first block and output of every block."""
    layers = []

    def keep(module, given, output=None):
        hidden = given if output is None else output
        layers.append(pool(hidden[0] if isinstance(hidden, tuple) else hidden))

    hooks = [blocks[0].register_forward_pre_hook(keep), *(block.register_forward_hook(keep) for block in blocks)]
    try:
        yield layers
    finally:
        for hook in hooks:
            hook.remove()


def pooled(hidden, token, stream, lengths):
    """One vector (n, d) float32 per picture, from a layer's tokens (n, T, d), a row of them all, or a map (n, d, h, w).

    lengths (n,): how many tokens each picture has, the others at the end being padding; None: all have the same.
    """
    if hidden.ndim == 4:
        hidden = hidden.flatten(2).transpose(1, 2)
    elif hidden.ndim == 2:  # without lengths it is what a convolutional tower pools at its end
        hidden = pad_sequence(hidden.split(1 if lengths is None else lengths.tolist()), batch_first=True)
    if lengths is None:
        lengths = torch.full((len(hidden),), hidden.shape[1])
    if token == "summary":
        return hidden[range(len(hidden)), 0 if stream.summary == "first" else lengths - 1].float()
    place = torch.arange(hidden.shape[1])
    kept = ((place >= stream.prefix) & (place < lengths[:, None])).to(hidden.device)
    return hidden.float().masked_fill(~kept[..., None], 0).sum(dim=1) / kept.sum(dim=1, keepdim=True)
