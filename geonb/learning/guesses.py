"""What a trained study says of photos: towers read back from 06_train, probabilities over places, the best of them."""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from safetensors import safe_open

from geonb import checks
from geonb.earth import sphere
from geonb.learning import decoding, encoders, methods, places, training
from geonb.photos.reasons import kept_and_left_out, left_out_table
from geonb.photos.sources import listing, scan


@dataclass(frozen=True)
class Model:
    """Towers of one training at the step that validation chose, and the places (m) that they choose among.

    places: table with city, country, street, lat_deg, lon_deg; vectors (m, d): what the towers make of them.
    """

    towers: torch.nn.Module
    places: pd.DataFrame
    vectors: np.ndarray


# ---- trained towers --------------------------------------------------------------------------------------------------
def base_of(method, ran):
    """The open_clip tower that a training read pictures or captions with; None where it read features alone.

    ran: the parameters with which 06_train of it ran. ValueError for a method that has no probability for each place.
    """
    row = methods.get(method)
    if row.place not in ("tower", "photo"):
        able = [name for name, other in methods.METHODS.items() if other.place in ("tower", "photo")]
        raise ValueError(f"{method} has no probabilities of places: choose one of {', '.join(able)}")
    reads = row.tower or ran["location_tower"]
    if not ran["train_backbone"] and reads != "text":
        return None
    base = encoders.load_tower(ran["tower"], ran["weights"])
    return encoders.with_context(base, ran["context_length"]) if reads == "text" else base


def model(ran, method, run, base, gallery, features, train_lat_lon_deg, folder):
    """The Model of one training.

    ran, base: see base_of; run: row of the table of trainings with split, seed, best_step, validation_error_m; gallery:
    table of the places it chose among; features (n, d) of the catalogue's photos; train_lat_lon_deg (k, 2) of those
    that trained; folder: of the checkpoints of its method. FileNotFoundError where its checkpoint is gone.
    """
    row = methods.get(method)
    reads = row.tower or ran["location_tower"]
    said = {"parts": ran["caption_parts"], "decimals": ran["caption_decimals"]}
    inputs = places.reader(row.place, reads, base, features, **said)(gallery)
    build = methods.builder(
        method, features.shape[1], inputs, size=ran["embedding_size"], base=base, location_tower=reads,
        train_backbone=ran["train_backbone"], cell_size_m=methods.UNTUNED["cell_size_m"], capsules=ran["capsules"],
    )  # fmt: skip
    towers = build(train_lat_lon_deg)
    towers.load_state_dict(weights(folder, run))
    towers = towers.to(encoders.device()).eval()
    return Model(towers, gallery, training.embed_places(towers, training.Places.of(gallery, inputs)))


def weights(folder, run):
    """The weights that validation chose in one training, name -> tensor: those of the checkpoint whose step and
    validation error are those of `run`, a row of the table of trainings.

    FileNotFoundError where no checkpoint on this machine is that training's.
    """
    for path in sorted(folder.glob(f"*/{run.split}-{run.seed}/checkpoint.safetensors")):
        with safe_open(path, "pt") as stored:
            state = json.loads(stored.metadata()["state"])
            if (state["best_step"], state["best_error_m"]) == (run.best_step, run.validation_error_m):
                best = [name for name in stored.keys() if name.startswith("best.")]  # noqa: SIM118  not a dict
                return {name.removeprefix("best."): stored.get_tensor(name) for name in best}
    raise FileNotFoundError(
        f"no checkpoint of {run.split}, seed {run.seed} in {folder} has its validation error "
        f"{run.validation_error_m:.0f} m at step {run.best_step}: published tables hold no weights, train on this "
        "machine"
    )


def posterior(trained, images, indices, city=None):
    """Probability (n, m) of every place of a Model for photos; city (n,): only places of these compete, None: all.

    images: what 06_train gave the image tower, features as a tensor or encoders.Pictures; indices (n,): which of them.
    The probability is the one that the loss of the method gave to its places: softmax at the learned temperature.
    """
    vectors = training.embed_images(trained.towers, images, indices)
    similarity = trained.towers.similarity(vectors, trained.vectors)
    if city is not None:
        similarity = np.where(city[:, None] == trained.places.city.to_numpy(), similarity, -np.inf)
    return decoding.posterior(similarity, trained.towers.scale().item())


def cities_searched(split, method, table):
    """The city (n,) of each photo where the split gives it, as 06_train did; None where all places compete.

    ValueError where it does and the table of photos has no column city.
    """
    if split != "unseen_city" or methods.get(method).place == "photo":
        return None
    if "city" not in table:
        raise ValueError("split unseen_city gives the city of each photo, your photos have none: choose another split")
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


def of_part(trained, images, features, catalogue, parts, part, split, method):
    """Answers for the photos of one part of a split, beside the truth: photo_id, city, lat_deg, lon_deg, the columns of
    answers, error_m and novelty.

    images: of all photos, see posterior; features (n, d) of all photos; parts (n,) of the split.
    """
    own, train = np.flatnonzero(parts == part), np.flatnonzero(parts == "train")
    table = catalogue.iloc[own][["photo_id", "city", "lat_deg", "lon_deg"]].reset_index(drop=True)
    found = answers(posterior(trained, images, own, cities_searched(split, method, table)), trained.places)
    at, told = table[["lat_deg", "lon_deg"]], found[["predicted_lat_deg", "predicted_lon_deg"]]
    error_m = sphere.distance_m(at.to_numpy(), told.to_numpy())
    return table.join(found).assign(
        split=split, part=part, error_m=error_m, novelty=novelty(features[own], features[train])
    )


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
