"""What a trained study says of photos: towers read back from 06_train, probabilities over places, the best of them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from geonb import checks
from geonb.earth import sphere
from geonb.learning import decoding, inputs, methods, training
from geonb.learning.recipes import Recipe
from geonb.photos.reasons import kept_and_left_out, left_out_table
from geonb.photos.sources import listing, scan


@dataclass(frozen=True)
class Model:
    """Towers of one training at the step that validation chose, and the places (m) that they choose among.

    given: what they read of the study; vectors (m, d): what they make of the places.
    """

    recipe: Recipe
    towers: torch.nn.Module
    given: inputs.Inputs
    vectors: np.ndarray

    @property
    def places(self):
        """The places as a table with city, country, street, lat_deg, lon_deg."""
        return self.given.gallery.table


# ---- trained towers --------------------------------------------------------------------------------------------------
def check_method(name):
    """Nothing, or a ValueError for a method that has no probability for each place."""
    able = [other for other, row in methods.METHODS.items() if row.place in ("tower", "photo")]
    if methods.get(name) and name not in able:
        raise ValueError(f"{name} has no probabilities of places: choose one of {', '.join(able)}")


def model(checkpoint, data):
    """The Model of the training that left a checkpoint (column of training.RUNS), with the inputs.Data that it read.

    FileNotFoundError where the checkpoint is gone, ValueError for a method without probabilities of places.
    """
    recipe, towers = training.read_back(checkpoint, data)
    check_method(recipe.method)
    given = inputs.read(recipe, data)
    return Model(recipe, towers, given, training.embed_places(towers, given.gallery))


def posterior(trained, images, indices, city=None):
    """Probability (n, m) of every place of a Model for photos; city (n,): only places of these compete, None: all.

    images: what its image tower reads, features as a tensor or towers.Pictures; indices (n,): which of them.
    The probability is the one that the loss of the method gave to its places: softmax at the learned temperature.
    """
    vectors = training.embed_images(trained.towers, images, indices)
    similarity = trained.towers.similarity(vectors, trained.vectors)
    if city is not None:
        similarity = np.where(city[:, None] == trained.places.city.to_numpy(), similarity, -np.inf)
    return decoding.posterior(similarity, trained.towers.scale().item())


def cities_searched(recipe, table):
    """The city (n,) of each photo where the recipe gives it; None where all places compete.

    ValueError where it does and the table of photos has no column city.
    """
    if not recipe.city_given:
        return None
    if "city" not in table:
        raise ValueError(
            f"split {recipe.split} gives the city of each photo, your photos have none: choose another split"
        )
    return table.city.to_numpy(dtype=object)


# ---- answers ---------------------------------------------------------------------------------------------------------
def answers(probability, places):
    """One row per photo: the most probable place, its probability, that of its city, and how far off it may be.

    probability (n, m) over a table of places with city, lat_deg, lon_deg. expected_m is the mean distance to the chosen
    place under the posterior.
    """
    at = places[["lat_deg", "lon_deg"]].to_numpy()
    chosen, city = probability.argmax(axis=1), places.city.to_numpy(dtype=object)
    expected_m, city_share = np.empty((2, len(chosen)))
    for place in np.unique(chosen):
        own = chosen == place
        expected_m[own] = probability[own] @ sphere.distance_m(at[place], at)
        city_share[own] = probability[own] @ (city == city[place])
    return pd.DataFrame({
        "predicted_city": city[chosen], "predicted_lat_deg": at[chosen, 0], "predicted_lon_deg": at[chosen, 1],
        "probability": probability.max(axis=1), "city_share": city_share, "expected_m": expected_m,
    })  # fmt: skip


def novelty(features, train):
    """Cosine distance (n,) of unit features (n, d) from the nearest of those that trained (k, d)."""
    return 1 - decoding.most_similar(features, train)[1].astype(float)


def of_part(trained, data, part):
    """Answers of a Model for the photos of one part of its split, beside the truth: photo_id, city, lat_deg, lon_deg,
    the columns of answers, split, part, error_m and novelty.

    data: the inputs.Data that it read.
    """
    own, train, split = trained.given.members(part), trained.given.members("train"), trained.recipe.split
    table = data.photos.iloc[own][["photo_id", "city", "lat_deg", "lon_deg"]].reset_index(drop=True)
    probability = posterior(trained, trained.given.images, own, cities_searched(trained.recipe, table))
    found = answers(probability, trained.places)
    at, said = table[["lat_deg", "lon_deg"]], found[["predicted_lat_deg", "predicted_lon_deg"]]
    return table.join(found).assign(
        split=split, part=part, error_m=sphere.distance_m(at.to_numpy(), said.to_numpy()),
        novelty=novelty(data.features[own], data.features[train]),
    )  # fmt: skip


def likely(probability, places, count=400):
    """Places of the guessed city for one photo, probability (m,): city, street, lat_deg, lon_deg, weight, distance_m.

    At most `count`, the best and then evenly down to the least probable. weight: probability over that of the best
    place; distance_m: from that place. ValueError below 1.
    """
    checks.count("count", count)
    here = np.flatnonzero(places.city == places.city.iloc[probability.argmax()])
    ranked = here[np.argsort(-probability[here], kind="stable")]
    kept = ranked[np.unique(np.linspace(0, len(ranked) - 1, min(count, len(ranked))).astype(int))]
    table = places.iloc[kept][["city", "street", "lat_deg", "lon_deg"]].reset_index(drop=True)
    at = table[["lat_deg", "lon_deg"]].to_numpy()
    return table.assign(weight=probability[kept] / probability.max(), distance_m=sphere.distance_m(at[0], at))


TOP = {
    "rank": "1 for the best guess",
    "city": "city of the guess",
    "street": "its street, '' where unknown",
    "lat_deg": "latitude of the guess [degree]",
    "lon_deg": "longitude of the guess [degree]",
    "share": "probability of the places around it that no better guess has taken [-]",
}


def top(probability, places, *, count=3, apart_m=200.0):
    """The best guesses for one photo, probability (m,): a table with columns TOP.

    Guesses are at least apart_m from each other, the most probable place first; share is the probability of all places
    within apart_m that no better guess has taken. Fewer than count where no place is left. ValueError below 1.
    """
    checks.count("count", count)
    checks.number("apart_m", apart_m, above=0)
    at, left, rows = places[["lat_deg", "lon_deg"]].to_numpy(), np.array(probability, float), []
    while len(rows) < count and left.max() > 0:
        best = left.argmax()
        near = sphere.distance_m(at[best], at) <= apart_m
        place = places.iloc[best]
        rows.append((len(rows) + 1, place.city, place.street, *at[best], left[near].sum()))
        left[near] = 0
    return pd.DataFrame(rows, columns=list(TOP))


# ---- a folder of pictures --------------------------------------------------------------------------------------------
def pictures_in(folder):
    """(pictures, left out) of all files below a folder, which need no position: tables with photo_id, path, sha256, and
    of reasons.LEFT_OUT_COLUMNS.

    ValueError where the folder is none, or holds no picture that can be read.
    """
    root = listing.root_of(folder)
    there, left_out = listing.readable(root, listing.entries(root), folder)
    examine = scan.examiner(list(there.values()), root, 0)
    entries = [(path, "", name) for name, path in there.items()]
    rows, more = kept_and_left_out(entries, lambda path, name: {"photo_id": name} | examine(path))
    refused = left_out_table(left_out + more)
    if not rows:
        why = (
            ", ".join(f"{count} x {reason}" for reason, count in refused.reason.value_counts().items()) or "it is empty"
        )
        raise ValueError(f"folder {folder!r} holds no picture that can be read ({why})")
    return pd.DataFrame(rows)[["photo_id", "path", "sha256"]], refused


def caveats(folder, source):
    """What a reader must know of pictures of their own: a list of sentences, empty when there is nothing to warn of."""
    if not folder or source != "simulated":
        return []
    return [
        "The cities of this study are invented: your pictures were taken in none of them, and nothing is promised. "
        "A photo may lie close to those that trained in features that cannot tell invented streets from real ones."
    ]
