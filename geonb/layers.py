"""What every layer of a tower says of a picture: the residual stream of published models, read through forward hooks.

Layer 0 is the input of the first block (after patch and position embedding), layer k the output of block k.
"""

import sys
from contextlib import contextmanager

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from geonb.encoders import Pictures, device

TOKENS = ("summary", "mean")


# ---- towers of open_clip ---------------------------------------------------------------------------------------------
def tower_layers(tower, pictures, token="mean", batch_size=32):
    """Float32 arrays (n, d_k), one per layer, of the visual part of an encoders.Tower, in the order of the pictures.

    pictures: paths. token: "summary" (the class token; the attention pool of CoCa comes after the blocks and is not
    read) or "mean" over the patches. A convolutional tower gives the mean over its map after stem and stages, then its
    pooled output; it has no summary token. ValueError for an unknown or missing token and without pictures.
    """
    blocks, prefix, summary = visual_blocks(tower.model.visual)
    check_asked(tower.name, pictures, token, summary)
    visual, opened = tower.model.visual.to(device()), Pictures(pictures, tower.transform)

    def run(batch):
        return visual, {"x": opened[batch].to(device())}, None

    return read(blocks, run, len(opened), token, summary, prefix, name=tower.name, batch_size=batch_size)


def visual_blocks(visual):
    """The blocks of an open_clip visual part, its tokens before the patches, and where its summary token stands."""
    if hasattr(visual, "layer4"):
        return [visual.layer1, visual.layer2, visual.layer3, visual.layer4, visual.attnpool], 0, None
    if hasattr(visual, "trunk"):
        return timm_blocks(visual.trunk)
    return visual.transformer.resblocks, 1, "first"


def timm_blocks(model):
    """As visual_blocks, for a transformer of timm; ValueError if it has no plain row of blocks."""
    if not hasattr(model, "blocks") or not hasattr(model, "num_prefix_tokens"):
        raise ValueError(f"{type(model).__name__} of timm has no row of blocks: only its vision transformers are read")
    has_class_token = getattr(model, "cls_token", None) is not None
    return model.blocks, model.num_prefix_tokens, "first" if has_class_token else None


def check_asked(name, pictures, token, summary):
    """ValueError unless there are pictures and the model has such a token."""
    if token not in TOKENS:
        raise ValueError(f"token {token!r} must be one of {', '.join(TOKENS)}")
    if len(pictures) == 0:
        raise ValueError("there are no pictures to read: give at least one path")
    if token == "summary" and summary is None:
        raise ValueError(f'{name} has no summary token inside its blocks, it pools after them: use token="mean"')


# ---- reading ---------------------------------------------------------------------------------------------------------
@torch.inference_mode()
def read(blocks, run, count, token, summary, prefix, *, name, batch_size):
    """Float32 arrays (count, d_k), one per layer.

    run: from the indices of a batch to the module to call, its inputs, and how many tokens each picture has (or None).
    """
    found, where = [], device()
    for first in tqdm(range(0, count, batch_size), desc=f"layers of {name}", unit="batch", file=sys.stdout):
        module, inputs, lengths = run(range(first, min(first + batch_size, count)))
        with watched(blocks, lambda hidden, n=lengths: pooled(hidden, token, summary, prefix, n)) as layers:
            with torch.autocast(where.type, torch.bfloat16, enabled=where.type == "cuda"):
                module(**inputs)
            found.append([layer.cpu() for layer in layers])
    return [torch.cat(layer).numpy() for layer in zip(*found, strict=True)]


@contextmanager
def watched(blocks, pool):
    """A list that fills, as a model runs, with the pooled input of its first block and output of every block."""
    layers = []

    def before(module, args, named):
        layers.append(pool(args[0] if args else named["hidden_states"]))

    def after(module, args, output):
        layers.append(pool(output[0] if isinstance(output, tuple) else output))

    hooks = [blocks[0].register_forward_pre_hook(before, with_kwargs=True)]
    hooks += [block.register_forward_hook(after) for block in blocks]
    try:
        yield layers
    finally:
        for hook in hooks:
            hook.remove()


def pooled(hidden, token, summary, prefix, lengths):
    """One vector (n, d) float32 per picture, from a layer's tokens (n, T, d), or from a map (n, d, height, width).

    Tokens (T, d) of all pictures in one row are told apart by lengths (n,), and so are tokens from padding at the end.
    """
    if hidden.ndim == 4:
        hidden = hidden.flatten(2).transpose(1, 2)
    elif hidden.ndim == 2 and lengths is None:  # what a convolutional tower pools at its end
        hidden = hidden[:, None]
    elif hidden.ndim == 2:
        hidden = pad_sequence(hidden.split(lengths.tolist()), batch_first=True)
    rows, place = np.arange(len(hidden)), torch.arange(hidden.shape[1], device=hidden.device)
    lengths = torch.full((len(hidden), 1), hidden.shape[1]) if lengths is None else lengths.reshape(-1, 1)
    if token == "summary":
        return hidden[rows, 0 if summary == "first" else lengths[:, 0] - 1].float()
    kept = (place >= prefix) & (place < lengths.to(hidden.device))
    return hidden.float().masked_fill(~kept[..., None], 0).sum(dim=1) / kept.sum(dim=1, keepdim=True)
