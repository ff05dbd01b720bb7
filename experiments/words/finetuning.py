"""What a tower can learn to tell, not what it tells already: the whole of it trained on to name the city of a photo."""

import copy
import sys

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn.attention import sdpa_kernel
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from experiments.words import supervision
from geonb import checks
from geonb.earth import seeds
from geonb.learning.towers import device
from geonb.measuring import inference

FINETUNED = {
    "tower": "tower that is trained on",
    "value": "share of photos whose city is told rightly, mean over trainings [share]",
    "low": "lower bound of its 95 % interval over blocks and trainings; missing below 20 blocks [share]",
    "high": "upper bound of it [share]",
    "chance": "share of the commonest city among the photos that test [share]",
    "seeds": "trainings of the tower, each trained on once [count]",
    "n": "photos that test [count]",
}
READ_AT_ONCE = 512  # pictures


class Pooled(nn.Module):
    """An image tower that gives one vector for a picture; a captioner's gives its tokens besides."""

    def __init__(self, tower):
        super().__init__()
        self.tower = copy.deepcopy(tower)

    def forward(self, pictures):
        given = self.tower(pictures)
        return given[0] if isinstance(given, tuple) else given


def finetuned(tower, pixels, label, *, steps, batch_size, learning_rate, seed=0, weight_decay=0.05):
    """A module that tells one of the labels (n,) from pictures: a copy of an image tower with a linear layer behind it.

    pixels (n, px, px, 3) uint8; label: whole numbers from 0. Weak augmentations, the same batches for every tower.
    """
    checks.count("finetuning_steps", steps)
    checks.number("finetuning_rate", learning_rate, above=0)
    seeds.seed_torch(seed, "finetuning")
    model = nn.Sequential(Pooled(tower), nn.Linear(supervision.EMBED, int(label.max()) + 1)).to(device()).train()
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, steps, pct_start=0.1)
    wanted = torch.from_numpy(label).to(device())
    for step, _, batch in supervision.batches(len(pixels), batch_size, steps, seed):
        seen = supervision.augmented(pixels[batch], seeds.stream(seed, "finetuning", step)).to(device())
        with torch.autocast(device().type, torch.bfloat16), sdpa_kernel(supervision.ATTENTION):
            told = model(seen)
        optimizer.zero_grad()
        cross_entropy(told.float(), wanted[torch.from_numpy(batch).to(device())]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model.eval()


@torch.inference_mode()
def told(model, pixels):
    """Number (n,) of the label that a finetuned model tells for pictures (n, px, px, 3) uint8."""
    parts = np.array_split(pixels, max(1, len(pixels) // READ_AT_ONCE))
    seen = [(torch.from_numpy(part).permute(0, 3, 1, 2).float() / 255 - supervision.MEAN) / supervision.SPREAD
            for part in parts]  # fmt: skip
    return torch.cat([model(part.to(device())).argmax(dim=1).cpu() for part in seen]).numpy()


def cities_told(names, lesson, city, shown_to, test_city, block, taught, settings, numbers, *, replicates=300, seed=0):
    """Table FINETUNED of towers taught on a supervision.Lesson, and trained on its photos' cities (n,) after that.

    shown_to: Lesson of the photos that test, with test_city and block (m,); taught: steps, batch_size, learning_rate of
    the teaching, settings: the same of the training after it; numbers: seeds. ValueError for a city that only tests, or
    without photos that test.
    """
    checks.count("seed_count", len(numbers))
    if not len(test_city):
        raise ValueError(
            "no photo tests what the towers learned: give validation or test photos, or finetuning_steps 0"
        )
    every, label = np.unique(city, return_inverse=True)
    if unknown := sorted(set(test_city) - set(every)):
        raise ValueError(f"no photo of {', '.join(unknown)} trains: no tower can name it")
    rows, right = [], np.unique(test_city, return_counts=True)[1].max() / len(test_city)
    for name in tqdm(names, desc="finetuning", file=sys.stdout):
        hits = []
        for number in numbers:
            tower = supervision.taught_tower(name, lesson, seed=number, **taught)[0].model.visual
            model = finetuned(tower, lesson.pixels, label, seed=number, **settings)
            hits.append(every[told(model, shown_to.pixels)] == test_city)
        hits = np.array(hits, dtype=float)
        draws = {"replicates": replicates, "seed": seed}
        low, high = inference.block_bootstrap(hits, block, lambda v: [v.mean()], **draws).ravel()
        rows.append((name, hits.mean(), low, high, right, len(hits), hits.shape[1]))
    return pd.DataFrame(rows, columns=list(FINETUNED))


def headline(table, page):
    """Rows for results.save_headline: city_finetuned_accuracy of every tower."""
    rows = table[["value", "low", "high", "seeds", "n"]].assign(unit="share", table=f"{page}/finetuned")
    return rows.assign(key=[f"city_finetuned_accuracy.{name}" for name in table.tower])
