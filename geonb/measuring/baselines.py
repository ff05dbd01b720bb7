"""Rows that need no training: baselines, which a method must beat to have learned; ceilings, which know the answer."""

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import normalize

from geonb import random_streams
from geonb.earth import sphere
from geonb.learning import decoding, trainable_towers
from geonb.splitting.splits import way_of

BASELINES = {
    "chance": "a random place of the gallery",
    "mode": "the one training place that is nearest to all training photos in the median",
    "city_centroid": "the centre of the training photos of the city of the frozen nearest neighbour",
    "frozen_nearest": "the place of the training photo with the most similar frozen features: training places only",
    "zero_shot": "the place whose name the frozen tower takes to be most like the photo: street, city, country",
}
CENTRES = {
    "city_centre": "the centre of the training photos of the likeliest city, by a logistic regression on the features",
    "gallery_centre": "the centre of the gallery of the photo's own city, where the city is given: unseen_city",
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
        test, known, gallery = np.flatnonzero(part == "test"), way_of(split) == "unseen_city", galleries[split]
        sides = sides_of(photos, features, part, gallery, standardise=standardise)
        names = None if read_names is None else read_names(gallery)
        fields = (None, None) if own_fields is None else (own_fields[test], planted(gallery))
        trivial = baselines(*sides, names, seed=seed, city_known=known)
        tables += [table.assign(split=split, method=name, kind="trivial") for name, table in trivial.items()]
        references = ceilings(sides[0], gallery, *fields, city_known=known)
        tables += [table.assign(split=split, method=name, kind="reference") for name, table in references.items()]
    return pd.concat(tables, ignore_index=True).assign(seed=seed)


def sides_of(photos, features, part, gallery, *, standardise=False):
    """(test photos, training photos, gallery, features of the first, of the second) of a split, see untrained."""
    test, train = np.flatnonzero(part == "test"), np.flatnonzero(part == "train")
    seen = standardised(features, train) if standardise else features
    return photos.iloc[test], photos.iloc[train], gallery, seen[test], seen[train]


def all_centres(photos, features, parts, galleries, *, seed):
    """Predictions of the CENTRES in each split as one table with the columns of untrained, which see."""
    tables = [
        table.assign(split=split, method=name, kind="trivial", seed=seed)
        for split, part in parts.items()
        for name, table in centres(
            *sides_of(photos, features, part, galleries[split]), city_known=way_of(split) == "unseen_city"
        ).items()
    ]
    return pd.concat(tables, ignore_index=True)


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
    middles = centres_of(train)
    placed = lambda rule: (gallery, choose(rule, photos, gallery, city_known))  # noqa: E731
    found = {
        "chance": placed(lambda q, g: rng.integers(0, len(g), len(q))),
        "mode": (train, np.full(len(photos), best_constant(train))),
        "city_centroid": (middles, middles.set_index("city").index.get_indexer(train.city.iloc[nearest])),
        "frozen_nearest": (train, nearest),
    }
    if gallery_text is not None:
        found["zero_shot"] = placed(lambda q, g: decoding.most_similar(test_features[q], gallery_text[g])[0])
    return {name: decoding.predictions(photos, *chosen) for name, chosen in found.items()}


def centres(photos, train, gallery, test_features, train_features, *, city_known=False):
    """Predictions of the CENTRES for test photos by name: gallery_centre where the city is given, else city_centre.

    A method that does not beat them has placed no photo within its city. ValueError for a city without a place.
    """
    named = photos.city.to_numpy() if city_known else likeliest_city(train.city, train_features, test_features)
    places = centres_of(gallery if city_known else train)
    chosen = places.set_index("city").index.get_indexer(named)
    if (chosen < 0).any():
        raise ValueError(f"the gallery has no place of city {named[chosen < 0][0]!r}, which is to be searched")
    return {"gallery_centre" if city_known else "city_centre": decoding.predictions(photos, places, chosen)}


def likeliest_city(city, train_features, test_features):
    """City (n,) that a logistic regression on standardised features finds likeliest for test photos."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(set(city)) == 1:  # nothing to choose, which the regression would refuse
        return np.full(len(test_features), next(iter(city)), object)
    regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    return regression.fit(train_features, np.asarray(city, str)).predict(test_features)


def centres_of(places):
    """The centre of the places of each city: a table with city, lat_deg, lon_deg."""
    rows = [(name, *sphere.centre(own[["lat_deg", "lon_deg"]].to_numpy())) for name, own in places.groupby("city")]
    return pd.DataFrame(rows, columns=["city", "lat_deg", "lon_deg"])


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
