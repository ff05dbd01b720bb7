"""What towers know of place, as tables: every tower, cut, aim and kind of scene, with intervals; doses and gaps."""

import re
import sys
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from experiments.words import layers, ridge_probe, supervision
from geonb import checks
from geonb.earth import seeds, sphere
from geonb.learning import guesses, towers
from geonb.learning.decoding import posterior
from geonb.measuring import inference

AGREE = ["planted", "fields_r2", "certainty"]
WITHIN = ("position", "fields")  # aims that count around a city's own mean
NAMED = ("city", "country")  # aims that are names: told or not
ANYWHERE = ("fields", "country")  # aims that can be asked for in a city that no training photo shows
UNFIT = r"[^A-Za-z0-9._-]+"  # for a key of the headline
COUNTRIES = 3  # of two cities, at least, or no country is asked for
BOTH = ("random", "blocked")
FEWEST = 15  # photos of a kind of scene
FEWEST_OF_A_CITY = 5  # photos, so that hardly a city lies in one fold
UNTRAINED, PIXELS, PERMUTED = "untrained", "pixels", "photos dealt anew"
READ = {
    "tower": "tower, or floor, that is read",
    "split": "how photos that train the probe are kept apart from those that test it",
    "aim": "what is read: position in metres within a city, planted fields, which city, or which country",
    "scene": "kind of scene that counts, or all",
    "metric": "accuracy, or r2: around each city's mean over the training folds, in unseen_city around its own mean",
    "value": "mean over trainings [share]",
    "low": "lower bound of its 95 % interval over blocks (unseen_city: cities) and trainings; missing below 20 [share]",
    "high": "upper bound of it [share]",
    "layer": "layer chosen most often inside the training folds",
    "seeds": "trainings of the tower [count]",
    "n": "photos, of a country those whose country another city of trains the probe [count]",
}
DEPTH = {
    "tower": "tower that is read",
    "split": "as in read",
    "aim": "as in read",
    "layer": "layer, and the token that is read of it",
    "depth": "place of the layer from first (0) to last (1)",
    "value": "R2, its penalty chosen inside the training folds, mean over trainings [share]",
}
DOSE = {
    "tower": "what its captions said",
    "split": "as in read",
    "aim": "as in read",
    "share": "share of the fields' phrases that captions kept [share]",
    "words_r2": "R2 read from the words of the captions themselves [share]",
    "tower_r2": "R2 read from the tower [share]",
    "low": "lower bound of the 95 % interval of tower_r2 [share]",
    "high": "upper bound of it [share]",
}
SLOPES = {
    "aim": "as in read",
    "split": "as in read",
    "slope": "least-squares slope of R2 over the share of phrases kept [share per share]",
    "low": "lower bound of its 95 % interval over blocks and trainings [share per share]",
    "high": "upper bound of it [share per share]",
}
GAPS = {
    "aim": "as in read",
    "share": "lead of towers with text over towers without in blocked folds, as a share of that in random ones [share]",
    "low": "lower bound of its 95 % interval [share]",
    "high": "upper bound of it [share]",
}
SCENES = {
    "scene": "kind of scene",
    "n": "photos [count]",
    "planted": "planted fields that captions of such a scene name [count]",
    "fields_r2": "R2 of the fields, blocked [share]",
    "position_r2": "R2 of the position within the city, blocked [share]",
    "spread_m": "median spread of the posterior over training places [m]",
}
DIRECTIONS = {
    "parts": "what parts the photos: city, or kind of scene",
    "aim": "as in read",
    "same_part": "correlation of the coefficients of two halves of a part, mean over parts and targets [-]",
    "other_part": "correlation of the coefficients of halves of two parts, mean over pairs and targets [-]",
    "count": "parts with photos enough [count]",
}


@dataclass(frozen=True)
class Asked:
    """What is asked of photos: aims {name: (n, K)}, and of each photo its city, block and kind of scene (n,)."""

    aims: dict
    city: np.ndarray
    block: np.ndarray
    scene: np.ndarray


def aims_of(catalogue, fields=None):
    """{position: metres around the city's middle (n, 2), fields (n, K) if known, city, country: one-hot (n, C)}.

    city where there are several; country where all are known and COUNTRIES of them have more than one city.
    """
    at, city = catalogue[["lat_deg", "lon_deg"]].to_numpy(), catalogue.city.to_numpy(dtype=object)
    metres = np.empty((len(at), 2))
    for name in np.unique(city):
        metres[city == name] = sphere.to_local_m(at[city == name], sphere.centre(at[city == name]))
    known = {} if fields is None else {"fields": fields}
    if len(np.unique(city)) > 1:
        known["city"] = one_hot(city)
    country = catalogue.country.fillna("").to_numpy(dtype=object)
    cities = pd.Series(city).groupby(country).nunique()
    if "" not in cities.index and (cities > 1).sum() >= COUNTRIES:
        known["country"] = one_hot(country)
    return {"position": metres} | known


def one_hot(names):
    """(n, C): 1 in the column of the photo's own name, names in order."""
    number, every = pd.factorize(names, sort=True)
    return np.eye(len(every))[number]


def chosen(city, scene, usable, per_city, *, seed=0):
    """Indices (m,), rising, of photos to probe: per_city usable ones of each city, and all of rare kinds of scenes.

    Cities with fewer than FEWEST_OF_A_CITY usable photos are left out: hardly any of theirs would train a probe.
    """
    checks.count("probed_per_city", per_city)
    usable = usable & (pd.Series(usable).groupby(np.asarray(city)).transform("sum") >= FEWEST_OF_A_CITY).to_numpy()
    rng, city, scene = seeds.stream(seed, "probed"), np.asarray(city), np.asarray(scene)
    kinds, counts = np.unique(scene[usable], return_counts=True)
    rare = usable & np.isin(scene, kinds[counts < max(counts, default=0)])
    drawn = [rng.permutation(np.flatnonzero(usable & (city == name)))[:per_city] for name in np.unique(city)]
    return np.union1d(np.flatnonzero(rare), np.concatenate(drawn)).astype(int)


def cuts(splits, asked, sequence_id, *, seed=0):
    """({split: fold (n,)}, why others are left out, as sentences)."""
    found, left_out = {}, []
    for split in splits:
        if split == "unseen_city" and not set(ANYWHERE) & set(asked.aims):
            continue  # nothing is asked there
        try:
            fold = ridge_probe.folds_of(split, blocks=asked.block, sequence_id=sequence_id, city=asked.city, seed=seed)
        except ValueError as why:
            left_out.append(f"Not probed: {why}.")
            continue
        alone = [name for name in np.unique(asked.city) if len(np.unique(fold[asked.city == name])) == 1]
        if alone and split != "unseen_city":
            left_out.append(f"Not probed: split {split} leaves no photo of {', '.join(alone[:3])} to train a probe.")
        else:
            found[split] = fold
    return found, left_out


# ---- floors ----------------------------------------------------------------------------------------------------------
def pixel_statistics(paths, side=8):
    """Mean colours (n, 3 * side ** 2) of a grid of each picture: what needs no tower."""
    small = [towers.open_picture(path).resize((side, side)) for path in tqdm(paths, desc="pixels", file=sys.stdout)]
    return np.stack([np.asarray(picture, dtype=np.float32).ravel() / 255 for picture in small])


def dealt_anew(layers, *, seed=0):
    """The layers of a tower with their photos dealt anew: nothing may be read from them."""
    order = seeds.stream(seed, "dealt anew").permutation(len(layers[0]))
    return [layer[order] for layer in layers]


# ---- reading ---------------------------------------------------------------------------------------------------------
def read(towers, labels, asked, folds, *, replicates=300, seed=0):
    """(table READ, table DEPTH, {(tower, split, aim): squares (seeds, 2, n)}) of towers {name: [layers per training]}.

    labels: {tower: names of its layers}; folds: see cuts. In unseen_city only ANYWHERE is asked for.
    """
    rows, depth, parts = [], [], {}
    draws = {"replicates": replicates, "seed": seed}
    for (tower, runs), (split, fold) in tqdm(
        [(tower, cut) for tower in towers.items() for cut in folds.items()], desc="probes", file=sys.stdout
    ):
        unseen = split == "unseen_city"
        aims = {aim: own for aim, own in asked.aims.items() if aim in ANYWHERE or not unseen}
        if not aims:
            continue
        around, groups = () if unseen else WITHIN, asked.city if unseen else asked.block
        probed = [ridge_probe.probe(layers, aims, fold, asked.city, around_city=around) for layers in runs]
        for aim in aims:
            own = [one[aim] for one in probed]
            chosen = np.bincount(np.concatenate([one.chosen for one in own])).argmax()
            told = {"tower": tower, "split": split, "aim": aim, "layer": labels[tower][chosen], "seeds": len(own)}
            if aim in NAMED:
                can = ridge_probe.can_be_told(aims[aim], fold)
                rows += _accuracy(told, np.stack([one.hits() for one in own]), asked, can, groups, draws)
                continue
            if unseen:
                own = [_within(one, asked.city) for one in own]
            parts[tower, split, aim] = np.stack([one.squares() for one in own])
            rows += _r2(told, parts[tower, split, aim], asked, groups, draws)
            for k, name in enumerate(labels[tower]):
                value = ridge_probe.r2_of(np.stack([one.squares(k) for one in own]))
                depth.append((tower, split, aim, name, _depth(labels[tower], k), value))
    return pd.DataFrame(rows, columns=list(READ)), pd.DataFrame(depth, columns=list(DEPTH)), parts


def _within(probed, city):
    """The same around each city's own mean: what differs between unseen cities counts for nothing."""
    layers = np.stack([ridge_probe.within(told, city) for told in probed.by_layer])
    return ridge_probe.Probed(
        ridge_probe.within(probed.truth, city), ridge_probe.within(probed.told, city), layers, probed.chosen
    )


def _depth(labels, k):
    """Place of a layer among those that are read by the same token, from 0 to 1."""
    same = [n for n, name in enumerate(labels) if name.split()[-1] == labels[k].split()[-1]]
    return same.index(k) / max(1, len(same) - 1)


def _accuracy(told, hits, asked, can, groups, draws):
    """Rows of the share of photos whose name is told rightly; hits (seeds, n), of those that can be (n,)."""
    for scene, shown in _scenes(asked.scene):
        here = shown & can
        if not here.any():
            continue
        values = hits[:, here]
        low, high = inference.block_bootstrap(values, groups[here], lambda v: [v.mean()], **draws).ravel()
        measured = {"metric": "accuracy", "value": values.mean(), "low": low, "high": high}
        yield told | {"scene": scene, "n": values.shape[1]} | measured


def _r2(told, squares, asked, groups, draws):
    """Rows of R2 from squares (seeds, 2, n)."""
    for scene, here in _scenes(asked.scene):
        value, low, high = ridge_probe.r2(squares[:, :, here], groups[here], **draws)
        measured = {"metric": "r2", "value": value, "low": low, "high": high}
        yield told | {"scene": scene, "n": int(here.sum())} | measured


def _scenes(scene):
    """('all', everything), then each kind of scene with photos enough: (name, mask (n,))."""
    yield "all", np.ones(len(scene), bool)
    kinds, counts = np.unique(scene, return_counts=True)
    for kind in kinds[counts >= FEWEST] if len(kinds) > 1 else []:
        yield kind, scene == kind


def directions(features, asked, *, seed=0):
    """Table DIRECTIONS: whether the coefficients of probes of WITHIN are the same in other cities, and other scenes.

    features: {aim: (n, d)}, of the layer that its probe chose. Features and aims count around their city's own mean, so
    that which city it is tells nothing.
    """
    rows = []
    for parts, part in (("city", asked.city), ("scene", asked.scene)):
        for aim, layer in features.items():
            known, wanted = (ridge_probe.within(values, asked.city) for values in (layer, asked.aims[aim]))
            own, other, count = ridge_probe.same_directions(known, wanted, part, asked.block, seed=seed)
            rows.append((parts, aim, own.mean(), other.mean(), count))
    return pd.DataFrame(rows, columns=list(DIRECTIONS))


# ---- towers that are taught ------------------------------------------------------------------------------------------
def taught(names, lesson, paths, settings, numbers):
    """({name: [layers per training]}, {name: names of its layers}) of towers taught on a supervision.Lesson.

    paths: of the photos that are read; settings: steps, batch_size, learning_rate; numbers: seeds of the trainings.
    """
    checks.count("seed_count", len(numbers))
    towers, labels = {}, {}
    for name in names:
        made = [supervision.taught_tower(name, lesson, seed=number, **settings)[0] for number in numbers]
        both = [[layers.tower_layers(tower, paths, token, 128) for token in layers.TOKENS] for tower in made]
        towers[name] = [[layer for token in run for layer in token] for run in both]
        labels[name] = [f"{k} {token}" for token in layers.TOKENS for k in range(len(both[0][0]))]
    return towers, labels


def bags(names, lesson, probed, *, seed=0):
    """As taught, of the words themselves: how often each word of a Lesson stands in the captions of another."""
    lesson = replace(probed, vocabulary=lesson.vocabulary)
    said = [name for name in names if name in supervision.DOSES]
    towers = {name: [[bag(supervision.tokens(lesson, supervision.teaching(name), seed, 0))]] for name in said}
    return towers, {name: ["bag of words"] for name in said}


def bag(tokens):
    """How often each word (n, V) stands among tokens (n, T), without the filling and the start and end of a text."""
    counts = torch.zeros(len(tokens), int(tokens.max()) + 1).scatter_add(1, tokens, torch.ones(tokens.shape))
    return counts[:, 1:-2].numpy()


# ---- doses -----------------------------------------------------------------------------------------------------------
def doses(parts, words, asked, *, replicates=300, seed=0):
    """(table DOSE, table SLOPES): R2 of what captions kept, of their words themselves and of the tower they taught.

    parts, words: {(tower, split, aim): squares}, see read; of towers and of bags of words under the same names.
    """
    rows, slopes, draws = [], [], {"replicates": replicates, "seed": seed}
    for split, aim in dict.fromkeys(key[1:] for key in parts):
        own = {name: parts[name, split, aim] for name in supervision.DOSES if (name, split, aim) in parts}
        for name, squares in own.items():
            value, low, high = ridge_probe.r2(squares, asked.block, **draws)
            said = ridge_probe.r2_of(words[name, split, aim])
            rows.append((name, split, aim, supervision.DOSES[name], said, value, low, high))
        if len(own) > 1:
            shares = [supervision.DOSES[name] for name in own]
            slopes.append((aim, split, *ridge_probe.slope(shares, list(own.values()), asked.block, **draws)))
    return pd.DataFrame(rows, columns=list(DOSE)), pd.DataFrame(slopes, columns=list(SLOPES))


def gaps(parts, asked, *, replicates=300, seed=0):
    """Table GAPS: how much of the lead of towers with text, in random folds, blocked folds leave; empty if untaught."""
    rows = []
    for aim in dict.fromkeys(key[2] for key in parts):
        needed = {(name, split, aim) for name in (*supervision.TEXT, *supervision.VISION) for split in BOTH}
        if needed <= set(parts):
            groups = [
                [np.concatenate([parts[name, split, aim] for split in BOTH], axis=1) for name in names]
                for names in (supervision.TEXT, supervision.VISION)
            ]
            rows.append((aim, *ridge_probe.gap_surviving(*groups, asked.block, replicates=replicates, seed=seed)))
    return pd.DataFrame(rows, columns=list(GAPS))


# ---- localizability --------------------------------------------------------------------------------------------------
def spread_m(features, known, places, *, scale=50.0):
    """How widely (n,) the posterior of photos (n, d) scatters over photos (m, d) at places (m) [m].

    places: as guesses.answers takes them; what is told is its expected_m. scale: of the posterior, our choice.
    """
    return guesses.answers(posterior(features @ known.T, scale), places).expected_m.to_numpy()


def scenes(table, tower, planted, spreads):
    """Table SCENES of one tower: what is planted in a kind of scene, what a probe reads, how sure retrieval is.

    planted: {scene: fields that its captions name}; spreads: table of scene, spread_m.
    """
    own = table[(table.tower == tower) & (table.split == "blocked") & (table.scene != "all")]
    r2 = own[own.metric == "r2"].pivot_table(index="scene", columns="aim", values="value")
    n = own.drop_duplicates("scene").set_index("scene").n
    wide = spreads.groupby("scene").spread_m.median()
    rows = [
        (kind, n[kind], planted.get(kind, 0), r2.fields.get(kind, np.nan), r2.position[kind], wide[kind])
        for kind in r2.index
    ]
    return pd.DataFrame(rows, columns=list(SCENES)).sort_values("planted", ascending=False, kind="stable")


def agreement(table):
    """Spearman's rank correlations among planted, fields_r2, position_r2 and certainty (minus spread_m) of scenes."""
    ranked = table.assign(certainty=-table.spread_m)[["planted", "fields_r2", "position_r2", "certainty"]]
    return ranked.corr("spearman")


# ---- what is said ----------------------------------------------------------------------------------------------------
def headline(table, slopes, gaps, ranks, kinds, page):
    """Rows for results.save_headline; slopes and gaps may be empty, ranks None; kinds: of scenes that were ranked.

    localizability_rank_agreement: mean of the rank correlations between what captions name, what is read of the fields
    and how narrow the posterior is.
    """
    keys = {("position", "r2"): "probe_r2_within_city", ("fields", "r2"): "probe_fields_r2",
            ("city", "accuracy"): "probe_city_accuracy", ("country", "accuracy"): "probe_country_accuracy"}  # fmt: skip
    rows = [
        {"key": f"{keys[row.aim, row.metric]}.{row.split}.{re.sub(UNFIT, '_', row.tower)}", "value": row.value,
         "low": row.low, "high": row.high, "seeds": row.seeds, "n": row.n, "table": f"{page}/read"}
        for row in table[table.scene == "all"].itertuples()
    ]  # fmt: skip
    if not rows:
        return pd.DataFrame(rows)
    n, runs = int(table.n.max()), int(table.seeds.max())
    for row in slopes[slopes.split == "blocked"].itertuples():
        key = "text_dose_slope_r2" + {"fields": "", "position": ".position"}[row.aim]
        own = {"key": key, "value": row.slope, "low": row.low, "high": row.high, "table": f"{page}/slopes"}
        rows.append(own | {"seeds": runs, "n": n})
    for row in gaps[np.isfinite(gaps.share.astype(float))].itertuples():
        key = "published_gap_surviving_blocking" + {"position": "", "fields": ".fields"}[row.aim]
        own = {"key": key, "value": row.share, "low": row.low, "high": row.high}
        rows.append(own | {"seeds": runs, "n": n, "table": f"{page}/gaps"})
    if ranks is not None:
        pairs = ranks.loc[AGREE, AGREE].to_numpy()[np.triu_indices(len(AGREE), 1)]
        own = {"key": "localizability_rank_agreement", "value": pairs.mean(), "table": f"{page}/scenes"}
        rows.append(own | {"low": np.nan, "high": np.nan, "seeds": 1, "n": kinds})
    return pd.DataFrame(rows).assign(unit="share")


def chosen_layer(table, labels, tower, split, aim):
    """Number of the layer of a tower that the folds of a split chose most often for an aim."""
    own = table[(table.tower == tower) & (table.split == split) & (table.aim == aim)]
    return labels[tower].index(own.layer.iloc[0])


def answer(table, slopes, gaps, dose, beside=""):
    """What words teach, in a few sentences; dose: table DOSE of a study that taught towers, or empty.

    beside: the study that slopes, gaps and dose are borrowed from, '' for this one.
    """
    if not len(table):
        return "There are too few photos, of too few cities or blocks, to hold any out from a probe."
    first = table[(table.scene == "all")].iloc[0].tower
    said, where = [_known(table, first)], f"In study {beside}" if beside else "Here"
    for row in slopes[(slopes.split == "blocked") & (slopes.aim == "fields")].itertuples():
        none, whole = (dose[(dose.split == row.split) & (dose.aim == row.aim) & (dose.share == share)].tower_r2.mean()
                       for share in (dose.share.min(), dose.share.max()))  # fmt: skip
        helps = "helps to read them" if row.low > 0 else "is not shown to help to read them"
        said.append(
            f"{where} text that describes the planted fields {helps}: from captions that keep none of their phrases to "
            f"captions that keep all, the R² of the fields in held-out blocks goes from {none:.2f} to {whole:.2f} "
            f"(slope {row.slope:.2f}, {row.low:.2f} to {row.high:.2f})."
        )
    for row in gaps.itertuples():
        if np.isfinite(row.share):
            said.append(
                f"Of the lead in {row.aim} that towers with text have over towers without in random folds, "
                f"{row.share:.0%} is left in held-out blocks ({row.low:.0%} to {row.high:.0%})."
            )
        else:
            said.append(
                f"In random folds no lead in {row.aim} of towers with text is shown that blocking could remove."
            )
    return " ".join(said)


def _known(table, tower):
    """One sentence on what a tower knows of position, random against blocked."""
    own = table[(table.tower == tower) & (table.scene == "all") & (table.aim == "position")].set_index("split").value
    told = ", ".join(f"{round(value, 2) + 0:.2f} in {split} folds" for split, value in own.items())  # no -0.00
    return f"From {tower} a linear probe reads the position within a city with an R² of {told}."
