"""Rows that need no training: baselines, which a method must beat to have learned; ceilings, which know the answer."""

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import normalize

from geonb import random_streams
from geonb.earth import sphere
from geonb.learning import decoding, trainable_towers

BASELINES = {
    "chance": "a random place of the gallery",
    "mode": "the one training place that is nearest to all training photos in the median",
    "city_centroid": "the centre of the training photos of the city of the frozen nearest neighbour",
    "frozen_nearest": "the place of the training photo with the most similar frozen features: training places only",
    "zero_shot": "the place whose name the frozen tower takes to be most like the photo: street, city, country",
}
CEILINGS = {
    "gallery_floor": "the gallery place nearest to the truth: what perfect retrieval would reach",
    "field_reference": "the gallery place most similar in the planted fields: what perfect features could reach",
}
CANDIDATES = 500  # training places that are tried as mode, evenly drawn


def untrained(photos, features, parts, galleries, planted, read_names=None, *, standardise=False, seed):
    """Predictions of the BASELINES and CEILINGS in each split, with columns split, method, kind and seed.

    photos: table of all photos; features (n, d); parts, galleries: by split; planted: table of places -> fields (m, K)
    there, None where nothing was planted; read_names: table of places -> (m, d) what the frozen tower reads in their
    names; without it no zero_shot. standardise: the features, on the photos that train, as towers of ImageNet need it.
    """
    tables, own_fields = [], planted(photos)
    for split, part in parts.items():
        test, train = np.flatnonzero(part == "test"), np.flatnonzero(part == "train")
        known, gallery = split == "unseen_city", galleries[split]
        seen = standardised(features, train) if standardise else features
        sides = photos.iloc[test], photos.iloc[train], gallery, seen[test], seen[train]
        names = None if read_names is None else read_names(gallery)
        fields = (None, None) if own_fields is None else (own_fields[test], planted(gallery))
        trivial = baselines(*sides, names, seed=seed, city_known=known)
        tables += [table.assign(split=split, method=name, kind="trivial") for name, table in trivial.items()]
        references = ceilings(sides[0], gallery, *fields, city_known=known)
        tables += [table.assign(split=split, method=name, kind="reference") for name, table in references.items()]
    return pd.concat(tables, ignore_index=True).assign(seed=seed)


def standardised(features, train):
    """Unit features (n, d) that trainable_towers.Standardised makes of features (n, d), by the photos `train`."""
    features = torch.from_numpy(features)
    return normalize(trainable_towers.Standardised(features[train])(features), dim=1).numpy()


def choose(rule, photos, gallery, city_known):
    """Indices (n,) into the gallery from rule(photo indices, gallery indices), within the photo's city if known."""
    if not city_known:
        return rule(np.arange(len(photos)), np.arange(len(gallery)))
    chosen = np.empty(len(photos), int)
    for name in photos.city.unique():
        here, there = np.flatnonzero(photos.city == name), np.flatnonzero(gallery.city == name)
        if len(there) == 0:
            raise ValueError(f"the gallery has no place of city {name!r}, which is to be searched")
        chosen[here] = there[rule(here, there)]
    return chosen


def baselines(photos, train, gallery, test_features, train_features, gallery_text=None, *, seed, city_known=False):
    """Predictions of the BASELINES for test photos by name; gallery_text (m, d): of the names of the places."""
    nearest, rng = decoding.most_similar(test_features, train_features)[0], random_streams.stream(seed, "chance")
    centres = [(name, *sphere.centre(own[["lat_deg", "lon_deg"]].to_numpy())) for name, own in train.groupby("city")]
    centres = pd.DataFrame(centres, columns=["city", "lat_deg", "lon_deg"])
    placed = lambda rule: (gallery, choose(rule, photos, gallery, city_known))  # noqa: E731
    found = {
        "chance": placed(lambda q, g: rng.integers(0, len(g), len(q))),
        "mode": (train, np.full(len(photos), best_constant(train))),
        "city_centroid": (centres, centres.set_index("city").index.get_indexer(train.city.iloc[nearest])),
        "frozen_nearest": (train, nearest),
    }
    if gallery_text is not None:
        found["zero_shot"] = placed(lambda q, g: decoding.most_similar(test_features[q], gallery_text[g])[0])
    return {name: decoding.predictions(photos, *chosen) for name, chosen in found.items()}


def ceilings(photos, gallery, own_fields=None, gallery_fields=None, *, city_known=False):
    """Predictions of the CEILINGS by name; field_reference only where fields (n, K), (m, K) were planted."""
    at, places = (table[["lat_deg", "lon_deg"]].to_numpy() for table in (photos, gallery))
    rules = {"gallery_floor": lambda q, g: sphere.nearest(at[q], places[g])[0]}
    if own_fields is not None:
        rules["field_reference"] = lambda q, g: decoding.nearest_vectors(own_fields[q], gallery_fields[g])
    chosen = {name: choose(rule, photos, gallery, city_known) for name, rule in rules.items()}
    return {name: decoding.predictions(photos, gallery, own) for name, own in chosen.items()}


def best_constant(train):
    """Index of the training place with the smallest median distance to all training photos, of CANDIDATES."""
    positions = train[["lat_deg", "lon_deg"]].to_numpy()
    tried = np.unique(np.linspace(0, len(train) - 1, min(CANDIDATES, len(train))).astype(int))
    medians = [np.median(sphere.distance_m(positions, positions[i])) for i in tried]
    return int(tried[np.argmin(medians)])
