"""Train the shipped towers on pictures of simulated cities that no study shows. Their world seeds are 200 and above.

python data/towers/make_towers.py NAME...   one folder beside this file for each name:
    geonb-tiny              contrastive, pictures and their captions
    geonb-tiny-supervised   the ceiling: the same image tower, told the planted fields
    geonb-shifted           as geonb-tiny, on pictures of another style and of other cities
"""

import argparse
import hashlib
import json
import math
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from geonb import random_streams
from geonb.learning import _torchvision  # noqa: F401  before open_clip, which imports torchvision

# isort: split
import numpy as np
import open_clip
import torch
from safetensors.torch import save_file

from simcities import captions, day, fields, geography, renderer

HERE = Path(__file__).parent
PICTURE_PX = 96
MODEL = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": PICTURE_PX, "layers": [1, 1, 1, 1], "width": 16, "head_width": 32},
    "text_cfg": {"context_length": 64, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
PREPROCESS = {"mean": [0.45, 0.45, 0.45], "std": [0.25, 0.25, 0.25], "interpolation": "bicubic",
              "resize_mode": "shortest"}  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """objective: captions or fields; style: of the renderer; world_seed: of the cities, 200 or above.

    range_m: of the planted fields, before each city's own factor; kept here, so that a world drawn anew moves no tower
    """

    objective: str
    style: int = 0
    world_seed: int = 200
    range_m: tuple = (250.0, 200.0, 200.0, 350.0, 400.0, 300.0, 120.0)
    cities: int = 60
    photos_per_city: int = 800
    epochs: int = 8
    batch: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.05


RECIPES = {
    "geonb-tiny": Recipe("captions"),
    "geonb-tiny-supervised": Recipe("fields"),
    "geonb-shifted": Recipe("captions", style=1, world_seed=201, cities=30),
}


@dataclass(frozen=True)
class Pictures:
    """pixels (n, px, px, 3) uint8, traits (n, K), nuisances (n, 12) and scenes (n,) of tower cities."""

    pixels: np.ndarray
    traits: np.ndarray
    nuisances: np.ndarray
    scenes: np.ndarray


def paint(recipe):
    """Pictures of cities of every size of range; each has its own name and seed."""
    parts = []
    for index in range(recipe.cities):
        rng = random_streams.stream(recipe.world_seed, "tower", index)
        scale = rng.uniform(0.5, 1.5)  # towers meet more ranges than the studies plant
        planted = fields.Planted(range_m=tuple(scale * r for r in recipe.range_m), city_mean_sd=1.0)
        home = replace(geography.at_sea(index), name=f"Tower city {index}")
        city = geography.city(index, recipe.world_seed, planted, half_side_m=700.0, home=home)
        photos = geography.drives(city, recipe.photos_per_city, rng)
        nuisances = day.nuisance(rng.integers(0, 2, len(photos)), rng)
        pixels = renderer.render(city, photos, nuisances, PICTURE_PX, style=recipe.style)
        parts.append((pixels, captions.traits(city, photos), nuisances, photos.scene.to_numpy(str)))
    return Pictures(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def batches(recipe, count):
    """(epoch, indices) of every step; a photo comes once in an epoch."""
    for epoch in range(recipe.epochs):
        order = random_streams.stream(0, "towers", epoch).permutation(count)
        for first in range(0, count - recipe.batch + 1, recipe.batch):
            yield epoch, np.sort(order[first : first + recipe.batch])


def augmented(pixels, rng):
    """Pictures (n, 3, px, px) as the tower reads them, half of them mirrored, shifted by up to 4 pixels."""
    dy, dx = rng.integers(-4, 5, 2)
    seen = torch.from_numpy(np.roll(pixels, (dy, dx), axis=(1, 2))).permute(0, 3, 1, 2).float() / 255
    mirrored = torch.from_numpy(rng.random(len(pixels)) < 0.5)
    seen[mirrored] = seen[mirrored].flip(3)
    seen = (seen - torch.tensor(PREPROCESS["mean"]).view(1, 3, 1, 1)) / torch.tensor(PREPROCESS["std"]).view(1, 3, 1, 1)
    return seen.contiguous(memory_format=torch.channels_last)


def train(recipe, pictures):
    """The trained open_clip model; with objective 'fields' only its image tower has learned."""
    random_streams.seed_torch(0, "towers")
    model = open_clip.model.CLIP(MODEL["embed_dim"], MODEL["vision_cfg"], MODEL["text_cfg"])
    model.visual.to(memory_format=torch.channels_last)
    head = torch.nn.Linear(MODEL["embed_dim"], len(fields.FIELDS))
    loss_of = told_fields if recipe.objective == "fields" else told_captions
    parameters = [*model.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, recipe.learning_rate, weight_decay=recipe.weight_decay)
    steps = recipe.epochs * (len(pictures.pixels) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, steps, pct_start=0.1)
    tokenizer, started, said = open_clip.SimpleTokenizer(context_length=64), time.perf_counter(), -1
    for step, (epoch, batch) in enumerate(batches(recipe, len(pictures.pixels))):
        if epoch != said and recipe.objective == "captions":  # the same picture in other words in every epoch
            words = captions.describe(
                pictures.traits, pictures.nuisances, pictures.scenes, random_streams.stream(0, "words", epoch)
            )
            tokens, said = tokenizer(words), epoch
        with torch.autocast("cpu", torch.bfloat16):
            seen = model.visual(augmented(pictures.pixels[batch], random_streams.stream(0, "augmented", step)))
        loss = loss_of(model, head, seen.float(), pictures, batch, None if recipe.objective == "fields" else tokens)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        if step % 50 == 0 or step == steps - 1:
            print(f"step {step}/{steps} loss {loss.item():.3f} {time.perf_counter() - started:.0f} s", flush=True)
    return model


def told_captions(model, head, seen, pictures, batch, tokens):
    """The contrastive loss of pictures against their captions."""
    with torch.autocast("cpu", torch.bfloat16):
        words = model.encode_text(tokens[batch])
    unit = torch.nn.functional.normalize
    return open_clip.ClipLoss()(unit(seen, dim=1), unit(words.float(), dim=1), model.logit_scale.exp())


def told_fields(model, head, seen, pictures, batch, tokens):
    """Mean squared error of the fields of street views, read linearly from the features' direction."""
    shown = pictures.scenes[batch] == "street"
    unit = torch.nn.functional.normalize(seen, dim=1) * math.sqrt(seen.shape[1])
    truth = torch.from_numpy(pictures.traits[batch][shown]).float()
    return torch.nn.functional.mse_loss(head(unit[torch.from_numpy(shown)]), truth)


def write(model, name):
    """Weights in fp16 with the token rows that captions can use, open_clip's configuration, checksum."""
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    state = {key: value.half() if value.is_floating_point() else value for key, value in model.state_dict().items()}
    rows = torch.unique(open_clip.SimpleTokenizer(context_length=256)(captions.vocabulary()))
    state["token_rows"] = rows
    state["token_embedding.weight"] = state["token_embedding.weight"][rows]
    file = folder / "open_clip_model.safetensors"
    save_file({key: value.contiguous() for key, value in state.items()}, file)
    config = {"model_cfg": MODEL, "preprocess_cfg": PREPROCESS}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n")
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n")
    print(f"{file} has {file.stat().st_size / 1e6:.1f} MB")


def main():
    """Paint, train, write; towers that share their cities share the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", choices=RECIPES, nargs="+")
    painted, started = {}, time.perf_counter()
    for name in parser.parse_args().names:
        recipe = RECIPES[name]
        cities = recipe.style, recipe.world_seed, recipe.cities, recipe.photos_per_city, recipe.range_m
        if cities not in painted:
            painted = {cities: paint(recipe)}
        pictures = painted[cities]
        print(f"{name}: {len(pictures.pixels)} pictures after {time.perf_counter() - started:.0f} s", flush=True)
        write(train(recipe, pictures), name)
        print(f"{name}: done after {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
