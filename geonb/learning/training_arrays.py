"""What trainings read: tables of photos and places brought into the arrays that a recipe's towers and loss need."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from geonb.earth import sphere
from geonb.learning import geoclip, negatives, pretrained_towers, trainable_towers
from geonb.photos import captions
from geonb.splitting import galleries
from geonb.variograms import models, yardstick


@dataclass(frozen=True, eq=False)
class Data:
    """What a study gives its trainings.

    photos: table with city, country, district, street, lat_deg, lon_deg, numbered from 0; features (n, d) by the frozen
    tower; parts: split -> part (n,) of each photo; grid: table of places, see galleries.of_split; fitted: cities that
    train (k,) -> what models.fit found for them, for the variogram kernel and guided negatives; ranges_m: city -> its
    fitted range [m]; picture_path: a path of the photos -> where it lies, for a backbone that is trained too.
    """

    photos: pd.DataFrame
    features: np.ndarray
    parts: dict
    grid: pd.DataFrame
    fitted: Callable | None = None
    ranges_m: dict = field(default_factory=dict)
    picture_path: Callable = Path


def of_pilots(photos, features, parts, grid, pilot_lags, pilot_fits, picture_path=Path):
    """The Data of a study with pilots: tables of lags and fits, see yardstick.of_pilots. No pilot ever tests."""
    fitted = functools.partial(yardstick.fit_of_pilots, pilot_lags, pilot_fits)
    ranges_m = pilot_fits.set_index("city").effective_range_m.dropna().to_dict()
    return Data(photos, features, parts, grid, fitted, ranges_m, picture_path)


@dataclass(frozen=True, eq=False)
class Places:
    """Places as a table with city, lat_deg, lon_deg, and what a location tower reads of them (n, ...)."""

    table: pd.DataFrame
    inputs: torch.Tensor

    @property
    def lat_lon_deg(self):
        """Positions (n, 2)."""
        return self.table[["lat_deg", "lon_deg"]].to_numpy()

    @property
    def city(self):
        """The city (n,) of each."""
        return self.table.city.to_numpy(dtype=object)

    def __getitem__(self, chosen):
        return Places(self.table.iloc[chosen], self.inputs[chosen])


@dataclass(frozen=True, eq=False)
class Inputs:
    """What the towers of a recipe read.

    images: indexable, images[indices] is a tensor for the image tower; photos: Places of the same n photos, codes: see
    codes_of; part (n,); gallery: Places to choose among; feature_size: of a frozen feature; base: the open_clip tower
    whose parts are trained, None without one.
    """

    images: Any
    photos: Places
    codes: dict
    part: np.ndarray
    gallery: Places
    feature_size: int
    base: Any

    def members(self, part):
        """Indices of the photos of a part."""
        return np.flatnonzero(self.part == part)


def read(recipe, data):
    """The Inputs of a recipe. ValueError for a split without parts."""
    if recipe.split not in data.parts:
        raise ValueError(f"no split {recipe.split!r}: there are {', '.join(data.parts)}")
    return _read(recipe.row.place, recipe.location, recipe.split, recipe.towers, data)


@functools.lru_cache(maxsize=4)  # seeds and variants of one recipe read the same
def _read(place, location, split, asked, data):
    words = place == "tower" and location == "text"
    context_length = asked.context_length if words else None
    base = base_tower(asked.tower, asked.weights, context_length) if words or asked.train_backbone else None
    if words and base.tokenizer is None:
        raise ValueError(f"tower {asked.tower} reads no words: location 'text' needs a tower of open_clip")
    images = torch.from_numpy(data.features)
    if asked.train_backbone:
        images = pretrained_towers.Pictures(map(data.picture_path, data.photos.path), base.transform)
    part = data.parts[split]
    gallery = galleries.of_split(split, data.photos, part, data.grid, training_places=place == "photo")
    of = reader(place, location, data.features, base, asked.caption_parts, asked.caption_decimals)
    photos, places = (Places(table, of(table)) for table in (data.photos, gallery))
    return Inputs(images, photos, codes_of(data.photos), part, places, data.features.shape[1], base)


@functools.lru_cache(maxsize=1)
def base_tower(name, weights, context_length):
    """An open_clip tower whose text part reads so many tokens, as many as it can for None."""
    base = pretrained_towers.load_tower(name, weights)
    return base if context_length is None else pretrained_towers.with_context(base, context_length)


def reader(place, location, features, base, parts, decimals):
    """The function from a table of places to what stands for them in a method (methods.Method.place).

    Fourier features, what capsules read, or tokens of captions for a location tower; image features (n, d) of the
    photos in the table's index; positions for cells and regression.
    """
    if place == "photo":
        return lambda table: torch.from_numpy(features[table.index])
    if place == "tower" and location == "text":
        said = functools.partial(pretrained_towers.captions_of, parts=parts, decimals=decimals)
        return lambda table: captions.tokens(said(table), base.tokenizer, base.context_length)
    of_position = trainable_towers.split_positions
    if place == "tower":
        of_position = {"fourier": trainable_towers.fourier_features, "capsules": geoclip.read_places}[location]
    return lambda table: torch.as_tensor(of_position(table[["lat_deg", "lon_deg"]].to_numpy()))


# ---- what a loss knows of the photos that train ----------------------------------------------------------------------
def codes_of(table):
    """street, district, city and country of a table of places as whole numbers (n,), -1 where unknown.

    Streets and districts of two cities are different ones, whatever their names.
    """
    names = {level: table[level].fillna("").astype(str) for level in ("street", "district", "city", "country")}
    whole = names | {level: names["city"] + "|" + names[level] for level in ("street", "district")}
    return {level: np.where(names[level] != "", pd.factorize(name)[0], -1) for level, name in whole.items()}


def district_count(table):
    """How many districts the places of a table are known to lie in."""
    return len(set(codes_of(table)["district"]) - {-1})


def kernel_curve(recipe, data, places):
    """(lag_m, weight) of the variogram kernel where the recipe asks for it, else (). places: those that train."""
    return models.kernel_curve(data.fitted(np.unique(places.city))) if recipe.kernel == "variogram" else ()


def guide(recipe, data, train, places):
    """The negatives.Guide of a method that asks for one, else (). train: indices of the photos, places: theirs."""
    if not recipe.row.guided:
        return ()
    features, fitted = data.features[train], data.fitted(np.unique(places.city))
    if recipe.loss.guided_by == "training photos":
        found = refit(recipe, data, places)(features)
    else:
        found = negatives.guide(features, places.lat_lon_deg, places.city, fitted, **lags_of(recipe))
    return found._replace(range_m=recipe.loss.range_factor * found.range_m)


def refit(recipe, data, places):
    """The function from embeddings (n, d) of the places that train to the Guide of the curve that fits them all."""
    about = {
        "lat_lon_deg": places.lat_lon_deg,
        "city": places.city,
        "model": data.fitted(np.unique(places.city))["model"],
    }
    return functools.partial(negatives.fitted_again, **about, **lags_of(recipe))


def lags_of(recipe):
    """The lags of a recipe's guide, by the names that the variograms have for them."""
    return {"max_lag_m": recipe.loss.max_lag_m, "lag_count": recipe.loss.lag_count}


def bandwidth_m(recipe, places, ranges_m):
    """Bandwidth (n,) float32 of each of the Places that train [m].

    'fixed': the tuned one for all; 'city': range_share of the city's fitted range (city -> m), the tuned one where none
    was fitted; 'density': the distance to the neighbour-th distinct place. Never below min_bandwidth_m.
    """
    loss, tuned_m = recipe.loss, recipe.tuned.bandwidth_m
    if loss.bandwidth == "density":
        found = distance_to_neighbour_m(places.lat_lon_deg, loss.neighbour)
    elif loss.bandwidth == "city":
        found = np.array([loss.range_share * ranges_m[c] if c in ranges_m else tuned_m for c in places.city])
    else:
        found = np.full(len(places.city), tuned_m)
    return np.maximum(found, loss.min_bandwidth_m).astype(np.float32)


def distance_to_neighbour_m(lat_lon_deg, neighbour):
    """Distance (n,) from each position to the neighbour-th distinct place other than its own [m]."""
    from scipy.spatial import cKDTree

    own = np.round(sphere.unit_xyz(lat_lon_deg) * sphere.EARTH_RADIUS_M)
    places = np.unique(own, axis=0)
    if neighbour >= len(places):
        raise ValueError(f"neighbour {neighbour} must lie between 1 and {len(places) - 1}, the other places there are")
    return cKDTree(places).query(own, k=neighbour + 1)[0][:, -1]
