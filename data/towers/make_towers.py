"""Train the shipped tower on pictures of simulated cities that no study shows. Their world seeds are 200 and above.

python data/towers/make_towers.py [--steps STEP...]   all three by default, each from what the last one wrote
    image     the image tower learns the traits of its cities from their values: the ceiling, read by its linear head
    text      the text tower learns captions of the same pictures while the image tower is locked
    measure   r2.csv and retrieval.csv: what the towers beside this file read in cities that none of them saw

The text step is locked-image text tuning (Zhai et al. 2022, arXiv 2111.07991).
"""

import argparse
import functools
import hashlib
import json
import math
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn.functional import normalize

from experiments.words import ridge_probe
from geonb import random_streams
from geonb.learning import pretrained_towers
from geonb.photos.captions import location_captions
from simcities import captions, day, fields, geography, renderer
from simcities.simulation import World

open_clip = pretrained_towers.open_clip()
HERE = Path(__file__).parent
NAME, SHIFTED = "geonb-tiny", "geonb-shifted"  # folders beside this file: what is made here, and the shifted tower
PICTURE_PX = 128
MODEL = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": PICTURE_PX, "layers": [1, 1, 1, 1], "width": 16, "head_width": 32},
    # the longest caption has about 80 tokens
    "text_cfg": {"context_length": 88, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
PREPROCESS = {"mean": [0.45, 0.45, 0.45], "std": [0.25, 0.25, 0.25], "interpolation": "bicubic",
              "resize_mode": "shortest"}  # fmt: skip
BF16 = torch.cpu._is_avx512_bf16_supported()  # elsewhere it is slower than float32


@dataclass(frozen=True)
class Course:
    """A training: passes through all pictures, pictures of a step, greatest learning rate and weight decay of AdamW."""

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float = 0.05


@dataclass(frozen=True)
class Cities:
    """Small cities for towers, so that there can be many; world_seed: 200 or above. The ranges follow the half side."""

    world_seed: int
    count: int
    photos_per_city: int = 300
    half_side_m: float = 450.0

    def drawn(self):
        """Yield (city, photos, nuisances) of each city, which has its own name and seed."""
        planted = fields.planted(range_scale=self.half_side_m / max(fields.planted().range_m))
        for index in range(self.count):
            rng = random_streams.stream(self.world_seed, "tower", index)
            home = replace(geography.at_sea(index), name=f"Tower city {index}")
            city = geography.city(index, self.world_seed, planted, self.half_side_m, home)
            photos = geography.drives(city, self.photos_per_city, rng)
            yield city, photos, day.nuisance(rng.integers(0, 2, len(photos)), rng)


LEARNED = Cities(world_seed=210, count=80)
PROBED = Cities(world_seed=218, count=20)  # ridge probes are fitted here
HELD_OUT = World(city_count=6, photos_per_city=300, world_seed=219)
IMAGE, TEXT = Course(7, 128, 2e-3), Course(8, 256, 2e-3)
FIRST = (1, 5)  # pictures that a caption may choose
PLACES_SHARE = 0.1  # of captions, those of street, city, country and coordinates: the text tower shall know such tokens
R2 = {
    "tower": "a folder beside this file, or ceiling: the image tower of the shipped one, read by its linear head",
    "field": "planted field",
    "range_m": "its effective range [m]",
    "r2": "of the reading against what the camera sees, both without their city's mean, in cities never seen [-]",
}
RETRIEVAL = {
    "tower": "a folder beside this file",
    "first": "how many pictures a caption may choose [count]",
    "found": "share of captions whose picture is among them, of all pictures of a city never seen [-]",
    "chance": "the same without reading [-]",
}


@dataclass(frozen=True)
class Pictures:
    """pixels (n, px, px, 3) uint8, traits (n, K), nuisances (n, 12), places as captions and city (n,)."""

    pixels: np.ndarray
    traits: np.ndarray
    nuisances: np.ndarray
    places: np.ndarray
    city: np.ndarray


@functools.cache
def paint(cities):
    """Pictures of the cities of a Cities or a World, kept for the next step."""
    parts = []
    for city, photos, nuisances in cities.drawn():
        pixels, count = renderer.render(city, photos, nuisances, PICTURE_PX), len(photos)
        at = city.lat_lon_deg(photos[["east_m", "north_m"]].to_numpy())
        names = {"city": [city.name] * count, "country": [city.country] * count}
        places = location_captions(at, street=np.array(city.street_names)[photos.street], **names)
        seen = captions.traits(city, photos)
        parts.append((pixels, seen, nuisances, np.array(places), np.array(names["city"])))
    return Pictures(*(np.concatenate(column) for column in zip(*parts, strict=True)))


# ---- trainings -------------------------------------------------------------------------------------------------------
def batches(course, count):
    """(epoch, indices) of every step; a photo comes once in an epoch."""
    for epoch in range(course.epochs):
        order = random_streams.stream(0, "towers", epoch).permutation(count)
        for first in range(0, count - course.batch + 1, course.batch):
            yield epoch, np.sort(order[first : first + course.batch])


def descend(course, count, parameters, loss_of):
    """Train parameters by AdamW; loss_of(step, epoch, batch): the loss of the pictures (B,) of a batch."""
    optimizer = torch.optim.AdamW(parameters, course.learning_rate, weight_decay=course.weight_decay)
    steps = course.epochs * (count // course.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, course.learning_rate, steps, pct_start=0.1)
    started = time.perf_counter()
    for step, (epoch, batch) in enumerate(batches(course, count)):
        loss = loss_of(step, epoch, batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == steps - 1:
            print(f"step {step}/{steps} loss {loss.item():.3f} {time.perf_counter() - started:.0f} s", flush=True)


def new_model():
    """An untrained open_clip model."""
    random_streams.seed_torch(0, "towers")
    model = open_clip.model.CLIP(MODEL["embed_dim"], MODEL["vision_cfg"], MODEL["text_cfg"])
    model.visual.to(memory_format=torch.channels_last)
    return model


def image():
    """Write a tower whose image tower has learned the traits of street views, and how well its head reads them."""
    pictures, model = paint(LEARNED), new_model()
    head = torch.nn.Linear(MODEL["embed_dim"], pictures.traits.shape[1])

    def loss_of(step, epoch, batch):
        seen = augmented(pictures.pixels[batch], random_streams.stream(0, "augmented", step))
        with torch.autocast("cpu", torch.bfloat16, enabled=BF16):
            features = model.visual(seen)
        found = head(normalize(features.float(), dim=1) * math.sqrt(MODEL["embed_dim"]))
        return torch.nn.functional.mse_loss(found, torch.from_numpy(pictures.traits[batch]).float())

    descend(IMAGE, len(pictures.pixels), [*model.visual.parameters(), *head.parameters()], loss_of)
    write(model, pictures)
    held_out = paint(HELD_OUT)
    features = features_of(pretrained_towers.load_tower(f"local-dir:{HERE / NAME}"), held_out.pixels)
    with torch.no_grad():
        put(r2_table("ceiling", head(torch.from_numpy(features) * math.sqrt(MODEL["embed_dim"])).numpy(), held_out))


def text():
    """Write the tower with a text tower that has learned captions; a picture is read as it is and mirrored."""
    pictures, model = paint(LEARNED), new_model()
    locked = pretrained_towers.load_tower(f"local-dir:{HERE / NAME}")
    model.visual.load_state_dict(locked.model.visual.state_dict())
    views = np.stack([features_of(locked, pictures.pixels), features_of(locked, pictures.pixels[:, :, ::-1])])
    tokenizer = open_clip.SimpleTokenizer(context_length=MODEL["text_cfg"]["context_length"])
    tokens_of = functools.lru_cache(maxsize=1)(lambda epoch: tokenizer(words_of(pictures, epoch)))
    contrast = open_clip.ClipLoss()

    def loss_of(step, epoch, batch):
        seen = views[random_streams.stream(0, "views", step).integers(0, len(views), len(batch)), batch]
        words = model.encode_text(tokens_of(epoch)[batch], normalize=True)
        return contrast(torch.from_numpy(seen), words, model.logit_scale.clamp(max=math.log(100)).exp())

    learned = [value for name, value in model.named_parameters() if not name.startswith("visual.")]
    descend(TEXT, len(pictures.pixels), learned, loss_of)
    write(model, pictures)


def augmented(pixels, rng):
    """Pictures (n, 3, px, px) as the tower reads them, half of them mirrored, shifted by up to 4 pixels."""
    dy, dx = rng.integers(-4, 5, 2)
    seen = torch.from_numpy(np.roll(pixels, (dy, dx), axis=(1, 2))).permute(0, 3, 1, 2).float() / 255
    mean, sd = (torch.tensor(PREPROCESS[name]).view(1, 3, 1, 1) for name in ("mean", "std"))
    seen = (seen - mean) / sd
    mirrored = torch.from_numpy(rng.random(len(pixels)) < 0.5)
    seen[mirrored] = seen[mirrored].flip(3)
    return seen.contiguous(memory_format=torch.channels_last)


def words_of(pictures, epoch):
    """Captions (n,) of pictures, in other words in each epoch; PLACES_SHARE of them name places instead."""
    rng = random_streams.stream(0, "words", epoch)
    seen = captions.describe(pictures.traits, pictures.nuisances, rng)
    return np.where(rng.random(len(seen)) < PLACES_SHARE, pictures.places, seen).tolist()


def write(model, pictures):
    """Weights in fp16 with the token rows that captions can use, open_clip's configuration, checksum."""
    folder = HERE / NAME
    folder.mkdir(exist_ok=True)
    state = {key: value.half() if value.is_floating_point() else value for key, value in model.state_dict().items()}
    known = [*captions.vocabulary(), *pictures.places.tolist()]
    rows = torch.unique(open_clip.SimpleTokenizer(context_length=256)(known))
    state["token_rows"] = rows
    state["token_embedding.weight"] = state["token_embedding.weight"][rows]
    file = folder / "open_clip_model.safetensors"
    save_file({key: value.contiguous() for key, value in state.items()}, file)
    config = {"model_cfg": MODEL, "preprocess_cfg": PREPROCESS}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n")
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n")
    print(f"{file} has {file.stat().st_size / 1e6:.1f} MB")


# ---- what towers read ------------------------------------------------------------------------------------------------
@torch.inference_mode()
def features_of(tower, pixels):
    """Unit features (n, d) of pictures (n, px, px, 3) uint8 by a pretrained_towers.Tower."""
    found = []
    for first in range(0, len(pixels), 100):
        seen = torch.stack([tower.transform(Image.fromarray(one)) for one in pixels[first : first + 100]])
        found.append(normalize(tower.model.encode_image(seen), dim=1))
    return torch.cat(found).numpy()


def r2_table(name, found, pictures):
    """How well a tower's reading (n, K) follows the traits of pictures within their cities, a table of columns R2."""
    seen, found = (ridge_probe.within(values, pictures.city) for values in (pictures.traits, found))
    r2 = 1 - ((seen - found) ** 2).sum(axis=0) / (seen**2).sum(axis=0)
    planted = HELD_OUT.planted()
    return pd.DataFrame(dict(zip(R2, (name, planted.names, planted.range_m, r2), strict=True)))


def probed(name):
    """(r2_table of a ridge probe of a tower, its retrieval_table)."""
    tower, cities, held_out = pretrained_towers.load_tower(f"local-dir:{HERE / name}"), paint(PROBED), paint(HELD_OUT)
    known, seen = features_of(tower, cities.pixels), features_of(tower, held_out.pixels)
    apart = (ridge_probe.within(values, cities.city) for values in (known, cities.traits))
    found = ridge_probe.fitted(*apart, cities.city).predict(seen)
    return r2_table(name, found, held_out), retrieval_table(name, tower, seen, held_out)


@torch.inference_mode()
def retrieval_table(name, tower, seen, pictures):
    """How often captions find their picture by a tower's features, seen (n, d), a table of columns RETRIEVAL."""
    rng = random_streams.stream(0, "retrieval")
    words = captions.describe(pictures.traits, pictures.nuisances, rng)
    tokens = tower.tokenizer(words, context_length=tower.context_length)
    words = torch.cat([tower.model.encode_text(part, normalize=True) for part in tokens.split(256)]).numpy()
    likeness = np.where(pictures.city[:, None] == pictures.city, words @ seen.T, -np.inf)
    before = (likeness > np.diag(likeness)[:, None]).sum(axis=1)
    rows = [(name, first, (before < first).mean(), first / HELD_OUT.photos_per_city) for first in FIRST]
    return pd.DataFrame(rows, columns=list(RETRIEVAL))


def put(found):
    """Write rows of towers to r2.csv, where they replace those of before."""
    file = HERE / "r2.csv"
    known = pd.read_csv(file) if file.exists() else found[:0]
    table = pd.concat([known[~known.tower.isin(found.tower)], found.round(3)])
    table.to_csv(file, index=False)
    print(table.groupby("tower").r2.agg(["mean", "min", "max"]).round(3).to_string(), flush=True)


def measure():
    """Write how well ridge probes read the shipped and the shifted tower, and how often captions find pictures."""
    shipped, found = probed(NAME)
    put(pd.concat([shipped, probed(SHIFTED)[0]]))
    found.round(4).to_csv(HERE / "retrieval.csv", index=False)
    print(found.to_string(), flush=True)


STEPS = {"image": image, "text": text, "measure": measure}


def main():
    """The steps that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", choices=STEPS, nargs="+", default=list(STEPS))
    for step in parser.parse_args().steps:
        started = time.perf_counter()
        STEPS[step]()
        print(f"{step}: {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
