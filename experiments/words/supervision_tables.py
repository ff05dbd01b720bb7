"""What supervision does to what towers know of place, as tables, and what the chapter says of it."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from experiments.words import layers, ridge_probe, supervision
from experiments.words.probe_tables import ASKED, READ, Layers, agreement, read
from experiments.words.ridge_probe import INTERVAL
from geonb.photos.pictures import picture_path

BOTH = ("random", "blocked")
RANKED = ["planted", "fields_r2", "certainty"]
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
COMPARED = (READ, BY_SHARE, SLOPES, GAPS)


def compare(towers, corpora, sample, *, replicates=300, seed=0):
    """Tables COMPARED of towers {name: [towers.Tower of each training]}, see pretraining.trained; empty without.

    corpora: the supervision.Corpus that trained them, and that of the sample's photos.
    """
    draws, block = {"replicates": replicates, "seed": seed}, sample.block
    table, _, squares = read(tower_layers(towers, sample), sample, **draws)
    words = read(bags_of_words(towers, corpora, seed=seed), sample, **draws)[2]
    return table, *by_share(squares, words, block, **draws), gaps(squares, block, **draws)


def tower_layers(towers, sample):
    """{name: probe_tables.Layers} of towers, both tokens of each layer."""
    paths, found = [picture_path(path) for path in sample.photos.path], {}
    for name, trainings in towers.items():
        runs = [
            [layers.layer_features(tower, paths, token, batch_size=128) for token in layers.TOKENS]
            for tower in trainings
        ]
        labels = [f"{k} {token}" for token in layers.TOKENS for k in range(len(runs[0][0]))]
        found[name] = Layers([[layer for token in run for layer in token] for run in runs], labels)
    return found


def bags_of_words(names, corpora, *, seed=0):
    """The same of captions: how often each word of one Corpus stands in those of another (n, V), but start and end."""
    found = {}
    for name in [name for name in names if name in supervision.PHRASE_SHARES]:
        known = replace(corpora[1], vocabulary=corpora[0].vocabulary)
        tokens = supervision.tokens(known, supervision.get(name), seed, 0)
        counts = torch.zeros(len(tokens), int(tokens.max()) + 1).scatter_add(1, tokens, torch.ones(tokens.shape))
        found[name] = Layers([[counts[:, 1:-2].numpy()]], ["bag of words"])
    return found


def by_share(squares, words, block, *, replicates=300, seed=0):
    """(table BY_SHARE, table SLOPES): R2 of what captions kept, of their words themselves and of the tower.

    squares, words: {(tower, split, aim): squares}, see probe_tables.read; of towers and of bags of words.
    """
    rows, slopes, draws, shares = [], [], {"replicates": replicates, "seed": seed}, supervision.PHRASE_SHARES
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


def gaps(squares, block, *, replicates=300, seed=0):
    """Table GAPS: how much of the lead of towers with text, in random folds, blocked folds leave.

    Empty where not all of supervision.TEXT and VISION were trained; NaN where the interval of the lead in random folds
    holds 0: a share of nothing means nothing.
    """
    names, rows, draws = (*supervision.TEXT, *supervision.VISION), [], {"replicates": replicates, "seed": seed}

    def leads(*parts):  # parts (seeds, 4, n): squares of the random folds above those of the blocked ones
        r2 = np.array([[ridge_probe.r2(part[:, :2]), ridge_probe.r2(part[:, 2:])] for part in parts])
        return r2[: len(supervision.TEXT)].mean(axis=0) - r2[len(supervision.TEXT) :].mean(axis=0)

    for aim in dict.fromkeys(key[2] for key in squares):
        if {(name, split, aim) for name in names for split in BOTH} <= set(squares):
            both = [np.concatenate([squares[name, split, aim] for split in BOTH], axis=1) for name in names]
            _, low, high = ridge_probe.interval(lambda *parts: leads(*parts)[0], both, block, **draws)
            left = ridge_probe.interval(lambda *parts: np.divide(*leads(*parts)[::-1]), both, block, **draws)
            rows.append((aim, *(left if low > 0 or high < 0 else [np.nan] * 3)))
    return pd.DataFrame(rows, columns=list(GAPS))


# ---- what is said ----------------------------------------------------------------------------------------------------
KEYS = {
    ("position", "r2"): "probe_r2_within_city", ("fields", "r2"): "probe_fields_r2",
    ("city", "accuracy"): "probe_city_accuracy", ("country", "accuracy"): "probe_country_accuracy",
    ("fields", "slope"): "text_dose_slope_r2", ("position", "slope"): "text_dose_slope_r2.position",
    ("fields", "share"): "published_gap_surviving_blocking.fields",
    ("position", "share"): "published_gap_surviving_blocking",
}  # fmt: skip


def headline(table, lessons, slopes, gaps, finetuned, scenes, page):
    """Rows for page.headline of tables READ (twice), SLOPES, GAPS, FINETUNED and SCENES, of which all may be empty.

    localizability_rank_agreement: mean of the rank correlations between what captions name, what is read of the fields
    and how narrow the posterior is.
    """
    rows = []

    def add(key, value, row, source, seeds, n):
        bounds = {"low": row.low, "high": row.high} if source != "scenes" else {}
        rows.append(
            {"key": key, "value": value, "unit": "share", "seeds": seeds, "n": n, "table": f"{page}/{source}"} | bounds
        )

    for own in (table, lessons):
        for row in own[own.scene == "all"].itertuples():
            tower = re.sub(r"[^A-Za-z0-9._-]+", "_", row.tower)
            add(f"{KEYS[row.aim, row.metric]}.{row.split}.{tower}", row.value, row, "read", row.seeds, row.n)
    if rows:
        runs, n = (max(row[column] for row in rows) for column in ("seeds", "n"))
        for row in slopes[slopes.split == "blocked"].itertuples():
            add(KEYS[row.aim, "slope"], row.slope, row, "slopes", runs, n)
        for row in gaps.dropna().itertuples():
            add(KEYS[row.aim, "share"], row.share, row, "gaps", runs, n)
        if len(scenes):
            pairs = agreement(scenes).loc[RANKED, RANKED].to_numpy()[np.triu_indices(3, 1)]
            add("localizability_rank_agreement", pairs.mean(), None, "scenes", 1, len(scenes))
        for row in finetuned.itertuples():
            add(f"city_finetuned_accuracy.{row.tower}", row.value, row, "finetuned", row.seeds, row.n)
    return rows


def answer(table, slopes, gaps, by_share, beside=""):
    """What words teach, in a few sentences, from tables READ, SLOPES, GAPS and BY_SHARE, of which all may be empty.

    beside: the study that the last three are borrowed from, '' for this one.
    """
    if not len(table):
        return "There are too few photos, of too few cities or blocks, to hold any out from a probe."
    first = table[(table.tower == table.tower.iloc[0]) & (table.scene == "all") & (table.aim == "position")]
    read = ", ".join(f"{round(row.value, 2) + 0:.2f} in {row.split} folds" for row in first.itertuples())  # no -0.00
    sentences = [f"From {table.tower.iloc[0]} a linear probe reads the position within a city with an R² of {read}."]
    for row in slopes[(slopes.split == "blocked") & (slopes.aim == "fields")].itertuples():
        own = by_share[(by_share.split == row.split) & (by_share.aim == row.aim)].groupby("share").tower_r2.mean()
        helps = "helps to read them" if row.low > 0 else "is not shown to help to read them"
        sentences.append(
            f"{f'In study {beside}' if beside else 'Here'} text that describes the planted fields {helps}: from "
            "captions that keep none of their phrases to captions that keep all, the R² of the fields in held-out "
            f"blocks goes from {own.iloc[0]:.2f} to {own.iloc[-1]:.2f} "
            f"(slope {row.slope:.2f}, {row.low:.2f} to {row.high:.2f})."
        )
    for row in gaps.itertuples():
        none = f"In random folds no lead in {row.aim} of towers with text is shown that blocking could remove."
        some = (
            f"Of the lead in {row.aim} that towers with text have over towers without in random folds, "
            f"{row.share:.0%} is left in held-out blocks ({row.low:.0%} to {row.high:.0%})."
        )
        sentences.append(some if np.isfinite(row.share) else none)
    return " ".join(sentences)
