"""What a tower can learn to name, not what it knows already: the whole of it trained on to name the city of a photo."""

import copy

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from experiments.words import pretraining, ridge_probe
from experiments.words.ridge_probe import INTERVAL
from geonb import checks, random_streams
from geonb.learning.pretrained_towers import device

FINETUNED = {
    "tower": "tower that is trained on",
    "value": "share of photos whose city is named rightly, mean over trainings [share]",
    **INTERVAL,
    "chance": "share of the commonest city among the photos that test [share]",
    "seeds": "trainings of the tower, each trained on once [count]",
    "n": "photos that test [count]",
}
READ_AT_ONCE = 512  # pictures


def city_accuracy(towers, corpora, held, block, settings, *, replicates=300, seed=0):
    """Table FINETUNED of towers {name: [towers.Tower of each training]}, trained on for the cities of their Corpus.

    corpora: that Corpus and another, whose photos `held` (n,) test, with their block (n,); settings: steps, batch_size,
    learning_rate. Empty without towers. ValueError for a city that only tests, or without photos that test.
    """
    rows = []
    for name, trainings in towers.items():
        corpus, pixels, city = corpora[0], corpora[1].pixels[held], corpora[1].city[held]
        every, label = np.unique(corpus.city, return_inverse=True)
        if not len(city):
            why = "no photo tests what the towers learned: give validation or test photos, or finetuning_steps 0"
            raise ValueError(why)
        if unknown := sorted(set(city) - set(every)):
            raise ValueError(f"no photo of {', '.join(unknown)} trains: no tower can name it")
        visuals = [tower.model.visual for tower in trainings]
        models = [finetuned(visual, corpus.pixels, label, settings, seed + k) for k, visual in enumerate(visuals)]
        hits = np.stack([[every[predicted(model, pixels)] == city] for model in models])
        found = ridge_probe.interval(np.mean, [hits], block[held], replicates=replicates, seed=seed)
        chance = np.unique(city, return_counts=True)[1].max() / len(city)
        rows.append((name, *found, chance, len(models), len(city)))
    return pd.DataFrame(rows, columns=list(FINETUNED))


def finetuned(tower, pixels, label, settings, seed):
    """A module that predicts labels (n,) of pictures (n, px, px, 3) uint8: a copy of a tower, then a linear layer.

    label: whole numbers from 0. Weak augmentations, the same batches for every tower.
    """
    checks.count("finetuning_steps", settings["steps"])
    checks.number("finetuning_rate", settings["learning_rate"], above=0)
    random_streams.seed_torch(seed, "finetuning")
    tower = copy.deepcopy(tower)
    tower.output_tokens = False  # a captioner's gives its tokens besides
    model = nn.Sequential(tower, nn.Linear(pretraining.EMBED, int(label.max()) + 1)).to(device()).train()
    wanted = torch.from_numpy(label).to(device())

    def loss(step, _, batch):
        seen = pretraining.augmented(pixels[batch], random_streams.stream(seed, "finetuning", step)).to(device())
        return cross_entropy(model(seen).float(), wanted[torch.from_numpy(batch).to(device())])

    pretraining.optimise(model, loss, len(pixels), "finetuning", seed=seed, **settings)
    return model.eval()


@torch.inference_mode()
def predicted(model, pixels):
    """Number (n,) of the label that a finetuned model predicts for pictures (n, px, px, 3) uint8."""
    parts = np.array_split(pixels, max(1, len(pixels) // READ_AT_ONCE))
    return torch.cat([model(pretraining.as_seen(part).to(device())).argmax(dim=1).cpu() for part in parts]).numpy()
