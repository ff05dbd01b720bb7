"""Train the shipped towers on pictures of simulated cities that no study shows. Their world seeds are 200 and above.

python data/towers/make_towers.py NAME...   one folder beside this file for each name:
    geonb-tiny              contrastive, pictures and their captions
    geonb-tiny-supervised   the ceiling: the same image tower, told the planted fields
    geonb-shifted           as geonb-tiny, on pictures of another style and of other cities
    headroom-supervised     the ceiling of the cities of simcities.headroom; beside it how well it reads their traits
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
import pandas as pd
import torch
from safetensors.torch import save_file

from simcities import captions, day, fields, geography, renderer
from simcities.headroom import simulation as roomy

HERE = Path(__file__).parent
PICTURE_PX = 96
MODEL = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": PICTURE_PX, "layers": [1, 1, 1, 1], "width": 16, "head_width": 32},
    "text_cfg": {"context_length": 64, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
PREPROCESS = {"mean": [0.45, 0.45, 0.45], "std": [0.25, 0.25, 0.25], "interpolation": "bicubic",
              "resize_mode": "shortest"}  # fmt: skip


BF16 = torch.cpu._is_avx512_bf16_supported()  # elsewhere it is slower than float32
HELD_OUT = roomy.World(city_count=6, photos_per_city=300, world_seed=219)
READ = {
    "field": "planted field",
    "range_m": "its effective range [m]",
    "r2": "of the reading against what the camera sees, both without their city's mean, in cities never seen [-]",
}


@dataclass(frozen=True)
class Recipe:
    """objective: captions or fields; style: of the renderer; world_seed: of the cities, 200 or above.

    range_m: of the planted fields, before each city's own factor; kept here, so that a world drawn anew moves no tower
    headroom: whether the cities are those of simcities.headroom, whose ranges are then scaled to the half side
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
    headroom: bool = False
    half_side_m: float = 700.0
    picture_px: int = PICTURE_PX


RECIPES = {
    "geonb-tiny": Recipe("captions"),
    "geonb-tiny-supervised": Recipe("fields"),
    "geonb-shifted": Recipe("captions", style=1, world_seed=201, cities=30),
    "headroom-supervised": Recipe(
        "fields",
        world_seed=210,
        cities=80,
        photos_per_city=300,
        epochs=7,
        headroom=True,
        half_side_m=450.0,
        picture_px=128,
    ),
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
        city, photos = (roomy_city if recipe.headroom else plain_city)(recipe, index, rng)
        nuisances = day.nuisance(rng.integers(0, 2, len(photos)), rng)
        if recipe.headroom:
            pixels = roomy.renderer.render(city, photos, nuisances, recipe.picture_px)
        else:
            pixels = renderer.render(city, photos, nuisances, recipe.picture_px, style=recipe.style)
        seen = (roomy.captions if recipe.headroom else captions).traits(city, photos)
        parts.append((pixels, seen, nuisances, photos.scene.to_numpy(str)))
    return Pictures(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def plain_city(recipe, index, rng):
    """(city of simcities, its drives) for a tower."""
    scale = rng.uniform(0.5, 1.5)  # towers meet more ranges than the studies plant
    planted = fields.Planted(range_m=tuple(scale * r for r in recipe.range_m), city_mean_sd=1.0)
    home = replace(geography.at_sea(index), name=f"Tower city {index}")
    city = geography.city(index, recipe.world_seed, planted, half_side_m=recipe.half_side_m, home=home)
    return city, geography.drives(city, recipe.photos_per_city, rng)


def roomy_city(recipe, index, rng):
    """(city of simcities.headroom, its drives) for a tower: small ones, so that there can be many."""
    planted = roomy.fields.planted(range_scale=recipe.half_side_m / max(HELD_OUT.planted().range_m))
    home = replace(geography.at_sea(index, planted.names), name=f"Tower city {index}")
    city = roomy.geography.city(index, recipe.world_seed, planted, recipe.half_side_m, home)
    return city, roomy.geography.drives(city, recipe.photos_per_city, rng)


def batches(recipe, count):
    """(epoch, indices) of every step; a photo comes once in an epoch."""
    for epoch in range(recipe.epochs):
        order = random_streams.stream(0, "towers", epoch).permutation(count)
        for first in range(0, count - recipe.batch + 1, recipe.batch):
            yield epoch, np.sort(order[first : first + recipe.batch])


def augmented(pixels, rng):
    """Pictures (n, 3, px, px) as the tower reads them, half of them mirrored, shifted by up to 4 pixels."""
    dy, dx = rng.integers(-4, 5, 2)
    seen = normalized(torch.from_numpy(np.roll(pixels, (dy, dx), axis=(1, 2))))
    mirrored = torch.from_numpy(rng.random(len(pixels)) < 0.5)
    seen[mirrored] = seen[mirrored].flip(3)
    return seen.contiguous(memory_format=torch.channels_last)


def model_of(recipe):
    """open_clip's configuration of a tower for the recipe's size of pictures."""
    return MODEL | {"vision_cfg": MODEL["vision_cfg"] | {"image_size": recipe.picture_px}}


def train(recipe, pictures):
    """(open_clip model, linear head), trained; with objective 'fields' only its image tower has learned."""
    random_streams.seed_torch(0, "towers")
    model = open_clip.model.CLIP(MODEL["embed_dim"], model_of(recipe)["vision_cfg"], MODEL["text_cfg"])
    model.visual.to(memory_format=torch.channels_last)
    head = torch.nn.Linear(MODEL["embed_dim"], pictures.traits.shape[1])
    loss_of = told_fields if recipe.objective == "fields" else told_captions
    parameters = [*model.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, recipe.learning_rate, weight_decay=recipe.weight_decay)
    steps = recipe.epochs * (len(pictures.pixels) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, steps, pct_start=0.1)
    tokenizer, started, said = open_clip.SimpleTokenizer(context_length=64), time.perf_counter(), -1
    for step, (epoch, batch) in enumerate(batches(recipe, len(pictures.pixels))):
        if epoch != said and recipe.objective == "captions":  # the same picture in other words in every epoch
            words = (roomy.captions if recipe.headroom else captions).describe(
                pictures.traits, pictures.nuisances, pictures.scenes, random_streams.stream(0, "words", epoch)
            )
            tokens, said = tokenizer(words), epoch
        with torch.autocast("cpu", torch.bfloat16, enabled=BF16):
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
    return model, head


def told_captions(model, head, seen, pictures, batch, tokens):
    """The contrastive loss of pictures against their captions."""
    with torch.autocast("cpu", torch.bfloat16, enabled=BF16):
        words = model.encode_text(tokens[batch])
    unit = torch.nn.functional.normalize
    return open_clip.ClipLoss()(unit(seen, dim=1), unit(words.float(), dim=1), model.logit_scale.exp())


def told_fields(model, head, seen, pictures, batch, tokens):
    """Mean squared error of the fields of street views, read linearly from the features' direction."""
    shown = pictures.scenes[batch] == "street"
    truth = torch.from_numpy(pictures.traits[batch][shown]).float()
    return torch.nn.functional.mse_loss(told(head, seen[torch.from_numpy(shown)]), truth)


def told(head, seen):
    """The fields (n, K) that a linear head reads from the direction of features (n, d)."""
    return head(torch.nn.functional.normalize(seen, dim=1) * math.sqrt(seen.shape[1]))


@torch.no_grad()
def read(model, head, world):
    """How well the fields of a world are read, as a table of columns READ."""
    model.eval()
    parts = []
    for city, photos, nuisances in world.drawn():
        pixels = torch.from_numpy(world.painter.render(city, photos, nuisances, world.picture_px))
        batches = [told(head, model.visual(normalized(batch))) for batch in pixels.split(100)]
        seen, found = world.words.traits(city, photos), torch.cat(batches).numpy()
        parts.append((seen - seen.mean(axis=0), found - found.mean(axis=0)))
    seen, found = (np.concatenate(part) for part in zip(*parts, strict=True))
    r2 = 1 - ((seen - found) ** 2).sum(axis=0) / (seen**2).sum(axis=0)
    planted = world.planted()
    return pd.DataFrame(dict(zip(READ, (planted.names, planted.range_m, r2), strict=True)))


def normalized(pixels):
    """Pictures (n, px, px, 3) uint8 as the tower reads them (n, 3, px, px)."""
    seen = pixels.permute(0, 3, 1, 2).float() / 255
    return (seen - torch.tensor(PREPROCESS["mean"]).view(1, 3, 1, 1)) / torch.tensor(PREPROCESS["std"]).view(1, 3, 1, 1)


def write(model, name, recipe):
    """Weights in fp16 with the token rows that captions can use, open_clip's configuration, checksum."""
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    state = {key: value.half() if value.is_floating_point() else value for key, value in model.state_dict().items()}
    words = (roomy.captions if recipe.headroom else captions).vocabulary()
    rows = torch.unique(open_clip.SimpleTokenizer(context_length=256)(words))
    state["token_rows"] = rows
    state["token_embedding.weight"] = state["token_embedding.weight"][rows]
    file = folder / "open_clip_model.safetensors"
    save_file({key: value.contiguous() for key, value in state.items()}, file)
    config = {"model_cfg": model_of(recipe), "preprocess_cfg": PREPROCESS}
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
        cities = replace(recipe, objective="", epochs=0)
        if cities not in painted:
            painted = {cities: paint(recipe)}
        pictures = painted[cities]
        print(f"{name}: {len(pictures.pixels)} pictures after {time.perf_counter() - started:.0f} s", flush=True)
        model, head = train(recipe, pictures)
        write(model, name, recipe)
        if recipe.headroom:
            table = read(model, head, HELD_OUT).round(3)
            table.to_csv(HERE / name / "r2.csv", index=False)
            print(table.to_string(), f"mean {table.r2.mean():.3f}", sep="\n")
        print(f"{name}: done after {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
