"""Which photos are probed, what is asked of each, and what towers know of it, as tables with intervals."""

import itertools
import sys
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, KFold, cross_val_score
from tqdm import tqdm

from experiments.words import layers, ridge_probe
from experiments.words.ridge_probe import FOLDS, INTERVAL
from geonb import checks, random_streams
from geonb.earth import sphere
from geonb.photos.pictures import open_picture, picture_path
from geonb.splitting.splits import block_ids

WITHIN = ("position", "fields")  # aims that count around a city's own mean
NAMES = ("city", "country")  # aims that are names: predicted or not
PIXELS, PERMUTED = "pixels", "permuted photos"
ANYWHERE = ("fields", "country")  # aims that can be asked for in a city that no training photo shows
FEWEST_COUNTRIES = 3  # of two cities, at least, or no country is asked for
LEFT_OUT = {"reason": "why photos are not probed by a split"}
FEWEST_OF_A_CITY = 5  # photos, so that hardly a city lies in one fold
ASKED = {
    "tower": "tower, or baseline, that is read",
    "split": "how photos that train the probe are kept apart from those that test it",
    "aim": "what is read: position in metres within a city, planted fields, which city, or which country",
}
READ = {
    **ASKED,
    "metric": "accuracy, or r2: around each city's mean over the training folds, in unseen_city around its own mean",
    "value": "mean over trainings; its interval in unseen_city over cities instead of blocks [share]",
    **INTERVAL,
    "layer": "layer chosen most often inside the training folds",
    "seeds": "trainings of the tower [count]",
    "n": "photos, of a country those whose country another city of trains the probe [count]",
}
DEPTH = {
    **ASKED,
    "layer": "layer, and the token that is read of it",
    "depth": "place of the layer from first (0) to last (1)",
    "value": "R2, its penalty chosen inside the training folds, mean over trainings [share]",
}
PUBLISHED = {"tower": "tower", "degrees_r2": "largest R2 over layers [share]"}
DIMENSIONS = {"share": "dimensions kept [share]", "aim": ASKED["aim"], "r2": "mean R2 of its targets [share]"}
DIRECTIONS = {
    "aim": ASKED["aim"],
    "same_city": "correlation of the coefficients of two halves of a city, mean over cities and targets [-]",
    "other_city": "correlation of the coefficients of halves of two cities, mean over pairs and targets [-]",
    "count": "cities with photos enough [count]",
}
ERRORS = {"photo_id": "photo", "method": "tower", "error_m": "distance of what the probe predicts from the truth [m]"}


@dataclass(frozen=True)
class Sample:
    """Photos that are probed: their rows (n) of the catalogue, by its index.
    aims {name: targets (n, K)}; block (n,) of each photo; folds {split: fold (n,)}; left_out: table LEFT_OUT.
    """

    photos: pd.DataFrame
    aims: dict
    block: np.ndarray
    folds: dict
    left_out: pd.DataFrame

    @property
    def city(self):
        """City (n,) of each photo."""
        return self.photos.city.to_numpy(dtype=object)


def sample(photos, usable, per_city, seed=0, *, planted, block_size_m, splits):
    """The Sample of a catalogue with lat_deg, lon_deg; see chosen. planted: rows (m) -> fields (m, K) or None."""
    rows = chosen(photos.city, usable, per_city, seed=seed)
    own, city = photos.iloc[rows], photos.city.to_numpy(dtype=object)[rows]
    aims, block = aims_of(own, planted(own)), block_ids(own[["lat_deg", "lon_deg"]].to_numpy(), city, block_size_m)
    return Sample(own, aims, block, *folds_of(splits, aims, city, block, own.sequence_id, seed=seed))


def chosen(city, usable, per_city, *, seed=0):
    """Indices (m,), rising, of photos to probe: per_city usable ones of each city.
    Cities with fewer than FEWEST_OF_A_CITY usable photos are left out: hardly any of theirs would train a probe.
    """
    checks.count("probed_per_city", per_city)
    city, rng = np.asarray(city), random_streams.stream(seed, "probed")
    usable = usable & (pd.Series(usable).groupby(city).transform("sum") >= FEWEST_OF_A_CITY).to_numpy()
    drawn = [rng.permutation(np.flatnonzero(usable & (city == name)))[:per_city] for name in np.unique(city)]
    return np.sort(np.concatenate(drawn))


def aims_of(photos, fields=None):
    """{position: metres around the city's middle (n, 2), fields (n, K) if known, city, country: one-hot (n, C)}.
    city where there are several; country where all are known and FEWEST_COUNTRIES of them have more than one city.
    """
    at, city = photos[["lat_deg", "lon_deg"]].to_numpy(), photos.city.to_numpy(dtype=object)
    aims = {"position": np.empty((len(at), 2))}
    for name in np.unique(city):
        aims["position"][city == name] = sphere.to_local_m(at[city == name], sphere.centre(at[city == name]))
    if fields is not None:
        aims["fields"] = fields
    if len(np.unique(city)) > 1:
        aims["city"] = pd.get_dummies(city, dtype=float).to_numpy()
    country = photos.country.fillna("").to_numpy(dtype=object)
    cities = pd.Series(city).groupby(country).nunique()
    if "" not in cities.index and (cities > 1).sum() >= FEWEST_COUNTRIES:
        aims["country"] = pd.get_dummies(country, dtype=float).to_numpy()
    return aims


def folds_of(splits, aims, city, block, sequence_id, *, seed=0):
    """({split: fold (n,) of each photo}, table LEFT_OUT of splits that are impossible).
    Folds of photos singly (random), whole drives (other_drive), blocks (blocked) or cities (unseen_city, where one of
    ANYWHERE can be asked for). A photo of no drive counts as one of its own.
    """
    alone, found, why = np.array([f"photo {n}" for n in range(len(city))]), {}, []
    drive = np.where(np.asarray(sequence_id, dtype=object) == "", alone, sequence_id)
    groups = {"random": alone, "other_drive": drive, "blocked": block, "unseen_city": city}
    for split in splits:
        if split not in groups:
            why.append(f"no probe is cut as {split!r}: there are {', '.join(groups)}")
        elif split != "unseen_city" or set(ANYWHERE) & set(aims):
            try:
                found[split] = folds(split, groups[split].astype(str), city, seed)
            except ValueError as error:
                why.append(str(error))
    return found, pd.DataFrame({"reason": [f"Not probed: {reason}." for reason in why]}, dtype=str)


def folds(split, groups, city, seed):
    """Fold (n,) of each photo, whole groups (n,) in one. ValueError for a split that cannot be cut so."""
    count, fold = len(np.unique(groups)), np.zeros(len(city), int)
    if count < 3:
        raise ValueError(f"a probe of split {split} needs at least 3 groups that can be held out, there are {count}")
    cut = GroupKFold(min(FOLDS, count), shuffle=True, random_state=seed)
    for number, (_, held) in enumerate(cut.split(groups, groups=groups)):
        fold[held] = number
    single = [name for name in np.unique(city) if len(np.unique(fold[city == name])) == 1]
    if single and split != "unseen_city":
        raise ValueError(f"split {split} leaves no photo of {', '.join(single[:3])} to train a probe")
    return fold


class Layers(NamedTuple):
    """The layers of a tower: of each training a list of (n, d), and the name of each layer."""

    runs: list
    names: list


def frozen(models, sample, features, *, seed=0):
    """{tower: Layers} of published models, dicts of arguments of layers.layer_features, and of two baselines.
    Without models the study's features (N, d) take their place. Baselines: mean colours of a grid of each picture, and
    the last layer of the first tower with its photos permuted, from which nothing may be read. Nothing without folds.
    """
    if not sample.folds:
        return {}
    paths = [picture_path(path) for path in sample.photos.path]
    known = {name: layers.layer_features(pictures=paths, **model) for name, model in layers.labelled(models).items()}
    known = known or {"02_embeddings": [features[sample.photos.index]]}
    towers = {name: Layers([found], [f"{k} mean" for k in range(len(found))]) for name, found in known.items()}
    small = [open_picture(path).resize((8, 8)) for path in tqdm(paths, desc="pixels", file=sys.stdout)]
    colours = np.stack([np.asarray(picture, dtype=np.float32).ravel() / 255 for picture in small])
    permuted = next(iter(known.values()))[-1][random_streams.stream(seed, "dealt anew").permutation(len(paths))]
    return towers | {PIXELS: Layers([[colours]], ["0 mean"]), PERMUTED: Layers([[permuted]], ["last mean"])}


def read(towers, sample, *, replicates=300, seed=0):
    """(table READ, table DEPTH, {(tower, split, aim): squares (seeds, 2, n)}) of towers {name: Layers} on a Sample."""
    rows, depth, squares = [], [], {}
    pairs = list(itertools.product(towers.items(), sample.folds.items()))
    for (tower, known), (split, fold) in tqdm(pairs, desc="probes", file=sys.stdout):
        unseen = split == "unseen_city"
        aims = {aim: own for aim, own in sample.aims.items() if aim in ANYWHERE or not unseen}
        around, groups, mean = ((), sample.city, sample.city) if unseen else (WITHIN, sample.block, None)
        probed = [ridge_probe.probe(run, aims, fold, sample.city, around_city=around) for run in known.runs]
        for aim, targets in aims.items():
            own = [one[aim] for one in probed]
            layer = known.names[np.bincount(np.concatenate([one.chosen for one in own])).argmax()]
            if aim in NAMES:
                metric, statistic, name = "accuracy", np.mean, targets.argmax(axis=1)
                usable = (pd.Series(fold).groupby(name).transform("nunique") > 1).to_numpy()  # known in another fold
                measured = np.stack([[one.predicted.argmax(axis=1) == name] for one in own])
            else:
                metric, statistic, usable = "r2", ridge_probe.r2, np.ones(len(fold), bool)
                whole = [[ridge_probe.squares(told, one.truth, mean) for told in (one.predicted, *one.by_layer)]
                         for one in own]  # fmt: skip
                measured, *by_layer = np.swapaxes(whole, 0, 1)
                squares[tower, split, aim], values = measured, map(ridge_probe.r2, by_layer)
                depth += [(tower, split, aim, *row) for row in zip(known.names, values, strict=True)]
            about = {"tower": tower, "split": split, "aim": aim, "metric": metric, "layer": layer, "seeds": len(own)}
            if usable.any():
                shown, draws = [measured[:, :, usable]], {"replicates": replicates, "seed": seed}
                value, low, high = ridge_probe.interval(statistic, shown, groups[usable], **draws)
                rows.append(about | {"value": value, "low": low, "high": high, "n": usable.sum()})
    depth = pd.DataFrame(depth, columns=["tower", "split", "aim", "layer", "value"])
    same = depth.groupby(["tower", "split", "aim", depth.layer.str.split().str[-1]]).layer  # of the same token
    depth["depth"] = same.cumcount() / (same.transform("size") - 1).clip(lower=1)
    return pd.DataFrame(rows, columns=list(READ)), depth[list(DEPTH)], squares


def published(towers, sample):
    """Table PUBLISHED: R2 of towers as arXiv 2606.07172 counts it, not of baselines.
    Latitude and longitude in degrees, photos put singly into five folds, the penalty by leaving out one photo of those
    that train, mean over folds and both coordinates. Missing below 10 photos: R2 asks for two in a fold.
    """
    at, ridge, rows = sample.photos[["lat_deg", "lon_deg"]].to_numpy(), RidgeCV(alphas=np.logspace(-1, 4, 12)), []
    how = {"cv": KFold(5, shuffle=True, random_state=42), "scoring": "r2"}
    for name in [name for name in towers if name not in (PIXELS, PERMUTED)]:
        known = towers[name].runs[0] if len(at) >= 10 else []
        r2 = [cross_val_score(ridge, layer, at, **how).mean() for layer in known]
        rows.append((name, max(r2, default=np.nan)))
    return pd.DataFrame(rows, columns=list(PUBLISHED))


def shown_split(table):
    """The split whose numbers are shown where one must do: blocked where it was probed, '' where nothing was."""
    return "blocked" if "blocked" in set(table.split) else next(iter(table.split), "")


def chosen_features(table, towers):
    """{aim of WITHIN: features (n, d)}: the layer of the first tower that the folds of shown_split chose most often."""
    own = table[(table.tower == next(iter(towers), "")) & (table.split == shown_split(table))]
    return {row.aim: towers[row.tower].runs[0][towers[row.tower].names.index(row.layer)]
            for row in own.itertuples() if row.aim in WITHIN}  # fmt: skip


def dimensions(features, sample, split, shares):
    """Table DIMENSIONS of aims read from features {aim: (n, d)}, from those with the largest coefficients alone."""
    needed = {}
    for aim, known in features.items():
        targets = ridge_probe.within(sample.aims[aim], sample.city)
        needed[aim] = ridge_probe.dimensions_needed(known, targets, sample.folds[split], shares).mean(axis=1)
    return pd.DataFrame({"share": shares} | needed).melt("share", var_name="aim", value_name="r2")


def directions(features, sample, *, seed=0):
    """Table DIRECTIONS of features {aim: (n, d)}, around their city's mean: are coefficients the same elsewhere?"""
    rows = []
    for aim in features:
        known, wanted = (ridge_probe.within(values, sample.city) for values in (features[aim], sample.aims[aim]))
        own, other, count = ridge_probe.same_directions(known, wanted, sample.city, sample.block, seed=seed)
        rows.append((aim, own.mean(), other.mean(), count))
    return pd.DataFrame(rows, columns=list(DIRECTIONS))


def errors(table, features, sample):
    """Table ERRORS of the position from features {aim: (n, d)} of the first tower of a table READ, if it was asked."""
    if "position" not in features:
        return pd.DataFrame(columns=list(ERRORS))
    aim, fold = {"position": sample.aims["position"]}, sample.folds[shown_split(table)]
    probed = ridge_probe.probe([features["position"]], aim, fold, sample.city, around_city=WITHIN)["position"]
    error_m = np.hypot(*(probed.predicted - probed.truth).T)
    return pd.DataFrame({"photo_id": sample.photos.photo_id, "method": table.tower.iloc[0], "error_m": error_m})
