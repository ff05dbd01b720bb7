"""What a trained study predicts for photos: towers read back from 06_train, probabilities of places, the best ones."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from geonb import checks
from geonb.earth import sphere
from geonb.learning import decoding, methods, pretrained_towers, training, training_arrays
from geonb.learning.negatives import PLACE_M
from geonb.learning.recipes import Recipe
from geonb.measuring import conformal
from geonb.photos.left_out import LEFT_OUT_COLUMNS, kept_and_left_out, left_out_table
from geonb.photos.pictures import picture_path
from geonb.photos.sources import cached_reading, folder_contents
from geonb.splitting.splits import blocks_of

PLACES_AT_MOST = 400  # likely places of a photo
PHOTO, TOLD = {"photo_id": "photo that was looked at"}, {"told": "its radius, or why it has none"}
PLACE = {
    "city": "city of the place",
    "street": "its street, '' where unknown",
    "lat_deg": "latitude of the place [degree]",
    "lon_deg": "longitude of the place [degree]",
}
GUESSES = PHOTO | TOLD | {"rank": "1 for the best guess"} | PLACE
GUESSES["share"] = "probability of the places around it that no better guess has taken [-]"
LOOKED_AT = {
    **PHOTO,
    "path": "where its picture lies",
    "layer": "its number, the city of the best guess and what is told, in one line",
    **TOLD,
    "predicted_city": "city of the most probable place",
    "city_share": "probability of that city [-]",
    "lat_deg": "latitude of the most probable place [degree]",
    "lon_deg": "longitude of the most probable place [degree]",
    "radius_m": conformal.RADII["radius_m"],
    "refused": conformal.RADII["refused"],
    "true_lat_deg": "latitude of the photo; missing where unknown [degree]",
    "true_lon_deg": "longitude of the photo; missing where unknown [degree]",
}
LIKELY = {"layer": "line of the photo, as in looked_at"} | PHOTO | PLACE
LIKELY["weight"] = "probability of the place over that of the most probable one [-]"
LIKELY["distance_m"] = "its distance from that place [m]"
TABLES = {"guesses": GUESSES, "looked_at": LOOKED_AT, "likely": LIKELY, "left_out": LEFT_OUT_COLUMNS}


@dataclass(frozen=True)
class Model:
    """Towers of one training at the step that validation chose, and the places that they choose among."""

    recipe: Recipe
    towers: torch.nn.Module
    given: training_arrays.Inputs  # what they read of the study
    places: pd.DataFrame  # m rows with city, country, street, lat_deg, lon_deg
    vectors: np.ndarray  # (m, d): what they make of the places


def read_back(checkpoint, data):
    """The Model of the training that left a checkpoint (column of training.RUNS), with its training_arrays.Data."""
    recipe, towers = training.read_back(checkpoint, data)
    given = training_arrays.read(recipe, data)
    return Model(recipe, towers, given, given.gallery.table, training.embed_places(towers, given.gallery))


def check_method(name):
    """Nothing, or a ValueError for a method that has no probability for each place."""
    able = [other for other, row in methods.METHODS.items() if row.place in ("tower", "photo")]
    if methods.get(name) and methods.name_of(name) not in able:
        raise ValueError(f"{name} has no probabilities of places: choose one of {', '.join(able)}")


def posterior(model, features, photos):
    """Probability (n, m) that the loss of a Model gave every place for photos, a table, with features (n, d).

    Where the recipe gives the city only places of it compete: ValueError for photos without one.
    """
    read = training_arrays.images_of(model.recipe.towers, features, photos, model.given.base)
    images = training.embed(model.towers.image, read)
    similarity = model.towers.similarity(images, model.vectors)
    if model.recipe.city_given:
        if "city" not in photos:
            raise ValueError(
                f"split {model.recipe.split} gives the city of each photo, your photos have none: choose another split"
            )
        known = photos.city.to_numpy(dtype=object)[:, None] == model.places.city.to_numpy()
        similarity = np.where(known, similarity, -np.inf)
    return decoding.posterior(similarity, model.towers.scale().item())


def answers(probability, places):
    """Each photo's most probable of m places by probability (n, m), its city's share, the mean distance to it."""
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


def novelty(features, train, at=None, train_at=None):
    """Cosine distance (n,) of unit features (n, d) from the nearest of those that trained (k, d), 2 without any.

    at (n, 2), train_at (k, 2): positions where they are known. Photos that trained within PLACE_M do not count then: a
    photo of a place that nobody photographed before has none, and is to be compared with those that had to do without.
    """
    found = 1 - decoding.most_similar(features, train)[1].astype(float)
    if at is None:
        return found
    for photo in np.flatnonzero(sphere.nearest(at, train_at)[1] <= PLACE_M):
        elsewhere = sphere.distance_m(at[photo], train_at) > PLACE_M
        found[photo] = 1 - (train[elsewhere] @ features[photo]).max(initial=-1.0)
    return found


def of_part(model, data, part):
    """Answers of a Model for one part of its split: the columns of answers beside the truth, error_m and novelty."""
    own = model.given.members(part)
    photos = data.photos.iloc[own][["photo_id", "city", "lat_deg", "lon_deg"]].reset_index(drop=True)
    found = photos.join(answers(posterior(model, data.features[own], photos), model.places))
    at, chosen = (found[[f"{side}lat_deg", f"{side}lon_deg"]].to_numpy() for side in ("", "predicted_"))
    found = found.assign(split=model.recipe.split, part=part, error_m=sphere.distance_m(at, chosen))
    return found.assign(novelty=novelty_of(model, data, photos, data.features[own]))


def novelty_of(model, data, photos, features):
    """Novelty (n,) of photos, a table, with features (n, d) beside what trained a Model; see novelty."""
    train, columns = model.given.members("train"), ["lat_deg", "lon_deg"]
    places = (
        [table[columns].to_numpy(float) for table in (photos, data.photos.iloc[train])] if "lat_deg" in photos else ()
    )
    return novelty(features, data.features[train], *places)


def of_runs(runs, data, block_size_m):
    """Answers of trainings (training.RUNS) for their validation and test photos, see of_part, with seed and block."""
    tables = []
    for run in runs.itertuples():
        model = read_back(run.checkpoint, data)
        tables += [of_part(model, data, part).assign(seed=run.seed) for part in ("validation", "test")]
    found = pd.concat(tables, ignore_index=True)
    return found.assign(block=blocks_of(found, block_size_m))


def likely(probability, places):
    """Places of the guessed city from the best evenly down to the least, probability (m,): LIKELY from city on."""
    here = np.flatnonzero(places.city == places.city.iloc[probability.argmax()])
    ranked = here[np.argsort(-probability[here], kind="stable")]
    kept = ranked[np.unique(np.linspace(0, len(ranked) - 1, min(PLACES_AT_MOST, len(ranked))).astype(int))]
    table = places.iloc[kept][list(PLACE)].reset_index(drop=True)
    at = table[["lat_deg", "lon_deg"]].to_numpy()
    return table.assign(weight=probability[kept] / probability.max(), distance_m=sphere.distance_m(at[0], at))


def top(probability, places, *, count, apart_m):
    """The best guesses for one photo, probability (m,), at least apart_m from each other: GUESSES from rank on."""
    checks.count("count", count)
    checks.number("apart_m", apart_m, above=0)
    at, left, rows = places[["lat_deg", "lon_deg"]].to_numpy(), np.array(probability, float), []
    while len(rows) < count and left.max() > 0:
        best = left.argmax()
        near = sphere.distance_m(at[best], at) <= apart_m
        rows.append((len(rows) + 1, *places[["city", "street"]].iloc[best], *at[best], left[near].sum()))
        left[near] = 0
    return pd.DataFrame(rows, columns=list(GUESSES)[2:])


def look(checkpoint, data, folder, tower, promise, *, shown, guess_count, apart_m):
    """What one training says of the pictures of a folder, of `shown` of its own test photos for '': the TABLES.

    checkpoint, data: see read_back; tower: (name, weights) of the tower of the features; promise: conformal.Promise;
    guess_count, apart_m: see top. Only the first `shown` photos have likely places.
    """
    checks.count("shown", shown)
    model = read_back(checkpoint, data)
    photos, features, left_out = asked(model, data, folder, tower, shown)
    probability = posterior(model, features, photos)
    found = photos[["photo_id", "path"]].join(answers(probability, model.places))
    found = found.assign(novelty=novelty_of(model, data, photos, features))
    found = conformal.radii(of_part(model, data, "validation"), found, promise)
    told = f"{promise.level:.0%} within " + found.radius_m.map(sphere.length)
    far = np.where(found.refused == conformal.REFUSED["far"], found.novelty_p.map(" (p = {:.3f})".format), "")
    told = told.where(found.refused == "", "no radius: " + found.refused + far)
    number = pd.Series(np.arange(1, len(found) + 1)).astype(str)
    found = found.rename(columns={"predicted_lat_deg": "lat_deg", "predicted_lon_deg": "lon_deg"}).assign(
        told=told, layer=number + ". " + found.predicted_city + "; " + told,
        true_lat_deg=photos.get("lat_deg", np.nan), true_lon_deg=photos.get("lon_deg", np.nan),
    )  # fmt: skip
    best = [top(own, model.places, count=guess_count, apart_m=apart_m) for own in probability]
    near = [likely(own, model.places) for own in probability[:shown]]
    best, near = (pd.concat(of, keys=range(len(of)), names=["photo"]) for of in (best, near))
    best, near = (of.join(found[["photo_id", "told", "layer"]], on="photo") for of in (best, near))
    tables = zip((best, found, near, left_out), TABLES.values(), strict=True)
    return tuple(table[list(columns)].reset_index(drop=True) for table, columns in tables)


def asked(model, data, folder, tower, shown):
    """(photos, features (n, d), left out) of look."""
    if not folder:
        test = model.given.members("test")
        indices = np.unique(test[np.linspace(0, len(test) - 1, shown).astype(int)])
        return data.photos.iloc[indices].reset_index(drop=True), data.features[indices], left_out_table([])
    photos, left_out = pictures_in(folder)
    paths = [picture_path(path) for path in photos.path]
    features = pretrained_towers.image_features(paths, photos.sha256, pretrained_towers.load_tower(*tower))
    return photos, features, left_out


def pictures_in(folder):
    """(pictures: photo_id, path, sha256, left out) of a folder; ValueError where it holds none that can be read."""
    root = folder_contents.root_of(folder)
    there, left_out = folder_contents.readable(root, folder)
    examine = cached_reading.examiner(list(there.values()), root, 0)
    entries = [(path, "", name) for name, path in there.items()]
    rows, more = kept_and_left_out(entries, lambda path, name: {"photo_id": name} | examine(path))
    refused = left_out_table(left_out + more)
    if not rows:
        why = ", ".join(f"{count} x {reason}" for reason, count in refused.reason.value_counts().items())
        raise ValueError(f"folder {folder!r} holds no picture that can be read ({why or 'it is empty'})")
    return pd.DataFrame(rows)[["photo_id", "path", "sha256"]], refused
