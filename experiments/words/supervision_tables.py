"""What supervision does to what towers know of place, and can learn of it, as tables, and what the chapter says."""

import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from experiments.words import layers, pretraining, ridge_probe
from experiments.words.probe_tables import ASKED, READ, Layers, read
from experiments.words.ridge_probe import INTERVAL
from geonb import checks, random_streams
from geonb.learning.pretrained_towers import device
from geonb.photos.pictures import picture_path

BOTH = ("random", "blocked")
BY_SHARE = {
    **ASKED,
    "share": "share of the fields' phrases that captions kept [share]",
    "words_r2": "R2 read from the words of the captions themselves [share]",
    "tower_r2": "R2 read from the tower [share]",
    **INTERVAL,
}
SLOPES = {
    "aim": ASKED["aim"],
    "split": ASKED["split"],
    "slope": "least-squares slope of R2 over the share of phrases kept [share per share]",
    **INTERVAL,
}
GAPS = {
    "aim": ASKED["aim"],
    "share": "lead of towers with text over towers without in blocked folds, as a share of that in random ones [share]",
    **INTERVAL,
}
FINETUNED = {
    "tower": "tower that is trained on",
    "value": "share of photos whose city is named rightly, mean over trainings [share]",
    **INTERVAL,
    "chance": "share of the commonest city among the photos that test [share]",
    "seeds": "trainings of the tower, each trained on once [count]",
    "n": "photos that test [count]",
}
COMPARED = (READ, BY_SHARE, SLOPES, GAPS)


def compare(towers, corpora, sample, *, replicates=300, seed=0):
    """Tables COMPARED of towers {name: [Tower of each training]}, see pretraining.trained; empty without.
    corpora: the pretraining.Corpus that trained them, and that of the sample's photos.
    """
    draws, block = {"replicates": replicates, "seed": seed}, sample.block
    table, _, squares = read(tower_layers(towers, sample), sample, **draws)
    words = read(bags_of_words(towers, corpora, seed), sample, **draws)[2]
    return table, *by_share(squares, words, block, draws), gaps(squares, block, draws)


def tower_layers(towers, sample):
    """{name: probe_tables.Layers} of towers, both tokens of each layer."""
    paths, found = [picture_path(path) for path in sample.photos.path], {}
    read_token = lambda tower, token: layers.layer_features(tower, paths, token, batch_size=128)  # noqa: E731
    for name, trainings in towers.items():
        runs = [[layer for token in layers.TOKENS for layer in read_token(tower, token)] for tower in trainings]
        found[name] = Layers(runs, [f"{k} {token}" for token in layers.TOKENS for k in range(len(runs[0]) // 2)])
    return found


def bags_of_words(names, corpora, seed):
    """The same of captions: how often each word of one Corpus stands in those of another (n, V), but start and end."""
    found, known = {}, replace(corpora[1], vocabulary=corpora[0].vocabulary) if names else None
    for name in [name for name in names if name in pretraining.PHRASE_SHARES]:
        tokens = pretraining.tokens(known, pretraining.get(name), seed, 0)
        counts = torch.zeros(len(tokens), int(tokens.max()) + 1).scatter_add(1, tokens, torch.ones(tokens.shape))
        found[name] = Layers([[counts[:, 1:-2].numpy()]], ["bag of words"])
    return found


def by_share(squares, words, block, draws):
    """(table BY_SHARE, table SLOPES): R2 of what captions kept, of their words themselves and of the tower.
    squares, words: {(tower, split, aim): squares}, see probe_tables.read; of towers and of bags of words; draws: of
    ridge_probe.interval.
    """
    rows, slopes, shares = [], [], pretraining.PHRASE_SHARES
    for split, aim in dict.fromkeys(key[1:] for key in squares):
        own = {name: squares[name, split, aim] for name in shares if (name, split, aim) in squares}
        for name, part in own.items():
            found = ridge_probe.interval(ridge_probe.r2, [part], block, **draws)
            rows.append((name, split, aim, shares[name], ridge_probe.r2(words[name, split, aim]), *found))
        if len(own) > 1:
            kept = [shares[name] for name in own]
            slope = lambda *parts, kept=kept: np.polyfit(kept, list(map(ridge_probe.r2, parts)), 1)[0]  # noqa: E731
            slopes.append((aim, split, *ridge_probe.interval(slope, list(own.values()), block, **draws)))
    return pd.DataFrame(rows, columns=list(BY_SHARE)), pd.DataFrame(slopes, columns=list(SLOPES))


def gaps(squares, block, draws):
    """Table GAPS: how much of the lead of towers with text, in random folds, blocked folds leave. Empty where not all
    of pretraining.TEXT and VISION were trained; NaN where the interval of the lead in random folds holds 0.
    """
    names, rows, text = (*pretraining.TEXT, *pretraining.VISION), [], len(pretraining.TEXT)

    def leads(*parts):  # parts (seeds, 4, n): squares of the random folds above those of the blocked ones
        r2 = np.array([[ridge_probe.r2(part[:, :2]), ridge_probe.r2(part[:, 2:])] for part in parts])
        return r2[:text].mean(axis=0) - r2[text:].mean(axis=0)

    for aim in dict.fromkeys(key[2] for key in squares):
        if {(name, split, aim) for name in names for split in BOTH} <= set(squares):
            both = [np.concatenate([squares[name, split, aim] for split in BOTH], axis=1) for name in names]
            _, low, high = ridge_probe.interval(lambda *parts: leads(*parts)[0], both, block, **draws)
            left = ridge_probe.interval(lambda *parts: np.divide(*leads(*parts)[::-1]), both, block, **draws)
            rows.append((aim, *(left if low > 0 or high < 0 else [np.nan] * 3)))
    return pd.DataFrame(rows, columns=list(GAPS))


def city_accuracy(towers, corpora, held, block, settings, *, replicates=300, seed=0):
    """Table FINETUNED of towers {name: [Tower of each training]}, trained on for the cities of their Corpus.
    corpora: that Corpus and another, whose photos `held` (n,) test, with their block (n,); settings: steps, batch_size,
    learning_rate. Empty without towers. ValueError for a city that only tests, or without photos that test.
    """
    rows = []
    for name, trainings in towers.items():
        corpus, pixels, city = corpora[0], corpora[1].pixels[held], corpora[1].city[held]
        every, label = np.unique(corpus.city, return_inverse=True)
        if not len(city):
            raise ValueError("no photo tests what the towers learned: give validation or test photos, or "
                             "finetuning_steps 0")  # fmt: skip
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
    """A module that predicts labels (n,), numbered from 0, of pictures (n, px, px, 3) uint8: a copy of a tower, then a
    linear layer. Weak augmentations, the same batches for every tower.
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
def predicted(model, pixels, at_once=512):
    """Number (n,) of the label that a finetuned model predicts for pictures (n, px, px, 3) uint8."""
    parts = np.array_split(pixels, max(1, len(pixels) // at_once))
    return torch.cat([model(pretraining.as_seen(part).to(device())).argmax(dim=1).cpu() for part in parts]).numpy()


KEYS = {
    ("position", "r2"): "probe_r2_within_city", ("fields", "r2"): "probe_fields_r2",
    ("city", "accuracy"): "probe_city_accuracy", ("country", "accuracy"): "probe_country_accuracy",
    ("fields", "slope"): "text_dose_slope_r2", ("position", "slope"): "text_dose_slope_r2.position",
    ("fields", "share"): "published_gap_surviving_blocking.fields",
    ("position", "share"): "published_gap_surviving_blocking",
}  # fmt: skip


def headline(table, lessons, slopes, gaps, finetuned, page):
    """Rows for page.headline of tables READ (twice), SLOPES, GAPS and FINETUNED, empty but the first."""
    read = pd.concat([own for own in (table, lessons) if len(own)], ignore_index=True)
    known = {"seeds": read.seeds.max(), "n": read.n.max()}
    names = pd.Series([KEYS[asked] for asked in zip(read.aim, read.metric, strict=True)])
    towers = read.tower.str.replace(r"[^A-Za-z0-9._-]+", "_", regex=True)
    slopes, gaps, parts = slopes[slopes.split == "blocked"], gaps.dropna(), {}
    parts["read"] = read.assign(key=names + "." + read.split + "." + towers)
    for name, rows, value in (("slopes", slopes, "slope"), ("gaps", gaps, "share")):
        parts[name] = rows.assign(key=[KEYS[aim, value] for aim in rows.aim], value=rows[value], **known)
    parts["finetuned"] = finetuned.assign(key=[f"city_finetuned_accuracy.{tower}" for tower in finetuned.tower])
    rows = [rows.assign(unit="share", table=f"{page}/{name}") for name, rows in parts.items() if len(rows)]
    return pd.concat(rows, ignore_index=True)


def answer(table, slopes, gaps, by_share, beside=""):
    """What words teach, in a few sentences, from tables READ, SLOPES, GAPS and BY_SHARE, of which all may be empty.
    beside: the study that the last three are borrowed from, '' for this one.
    """
    if not len(table):
        return "There are too few photos, of too few cities or blocks, to hold any out from a probe."
    tower, where = table.tower.iloc[0], f"In study {beside}" if beside else "Here"
    first = table[(table.tower == tower) & (table.aim == "position")]
    read = ", ".join(f"{round(row.value, 2) + 0:.2f} in {row.split} folds" for row in first.itertuples())  # no -0.00
    sentences = [f"From {tower} a linear probe reads the position within a city with an R² of {read}."]
    for row in slopes[(slopes.split == "blocked") & (slopes.aim == "fields")].itertuples():
        own = by_share[(by_share.split == row.split) & (by_share.aim == row.aim)].groupby("share").tower_r2.mean()
        helps = "helps to read them" if row.low > 0 else "is not shown to help to read them"
        sentences.append(
            f"{where} text that describes the planted fields {helps}: from captions that keep none of their phrases to "
            f"captions that keep all, the R² of the fields in held-out blocks goes from {own.iloc[0]:.2f} to "
            f"{own.iloc[-1]:.2f} (slope {row.slope:.2f}, {row.low:.2f} to {row.high:.2f})."
        )
    for row in gaps.itertuples():
        none = f"In random folds no lead in {row.aim} of towers with text is shown that blocking could remove."
        some = (
            f"Of the lead in {row.aim} that towers with text have over towers without in random folds, "
            f"{row.share:.0%} is left in held-out blocks ({row.low:.0%} to {row.high:.0%})."
        )
        sentences.append(some if np.isfinite(row.share) else none)
    return " ".join(sentences)
