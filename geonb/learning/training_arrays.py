"""What trainings read: tables of photos and places brought into the arrays that a recipe's towers and loss need."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.spatial import cKDTree

from geonb.earth import sphere
from geonb.learning import geoclip, methods, negatives, pretrained_towers, trainable_towers
from geonb.photos import captions
from geonb.photos.pictures import picture_path
from geonb.splitting import galleries
from geonb.variograms import curves, fitted_ranges, models

RANGE_SHARE = 0.3  # of a city's fitted range, for a bandwidth of its own
MIN_BANDWIDTH_M = 10.0
FEWEST_DISTRICTS = 2  # of one alone the performance is its own mean


@dataclass(frozen=True, eq=False)
class Data:
    """What a study gives its trainings.

    photos: table with city, country, district, street, lat_deg, lon_deg, numbered from 0; features (n, d) by the frozen
    tower; parts: split -> part (n,) of each photo; grid: table of places, see galleries.of_split; fitted: cities that
    train (k,) -> what models.fit found for them, for the variogram kernel and guided negatives; ranges_m: city -> its
    fitted range [m].
    """

    photos: pd.DataFrame
    features: np.ndarray
    parts: dict
    grid: pd.DataFrame
    fitted: Callable | None = None
    ranges_m: dict = field(default_factory=dict)


def of_pilots(photos, features, parts, grid, pilot_lags, pilot_fits):
    """The Data of a study with pilots: tables of lags and fits, see fitted_ranges.of_pilots. No pilot ever tests."""
    fitted = functools.partial(fitted_ranges.fit_of_pilots, pilot_lags, pilot_fits)
    ranges_m = pilot_fits.set_index("city").effective_range_m.dropna().to_dict()
    return Data(photos, features, parts, grid, fitted, ranges_m)


@dataclass(frozen=True, eq=False)
class Places:
    """Places as a table with city, lat_deg, lon_deg, and what a location tower reads of them (n, ...)."""

    table: pd.DataFrame
    inputs: torch.Tensor

    @property
    def lat_lon_deg(self):
        return self.table[["lat_deg", "lon_deg"]].to_numpy()

    @property
    def city(self):
        return self.table.city.to_numpy(dtype=object)

    def __getitem__(self, chosen):
        return Places(self.table.iloc[chosen], self.inputs[chosen])


@dataclass(frozen=True, eq=False)
class Inputs:
    """What the towers of a recipe read.

    images: see images_of; photos: Places of the same photos; part (n,); gallery: Places to choose among; base: the
    open_clip tower whose words or pictures are trained, None without one; feature_size: of frozen features.
    """

    images: Any
    photos: Places
    part: np.ndarray
    gallery: Places
    base: Any
    feature_size: int

    def members(self, part):
        return np.flatnonzero(self.part == part)


def read(recipe, data):
    """The Inputs of a recipe."""
    return _read(recipe.row.place, recipe.location, recipe.split, recipe.towers, data)


@functools.lru_cache(maxsize=4)  # seeds and variants of one recipe read the same
def _read(place, location, split, asked, data):
    words = place == "tower" and location == "text"
    base = None
    if words or asked.train_backbone:
        base = base_tower(asked.tower, asked.weights, asked.context_length if words else None)
    part = data.parts[split]
    gallery = galleries.of_split(split, data.photos, part, data.grid, training_places=place == "photo")
    of = reader(place, location, data.features, base, asked.caption_parts)
    photos, places = (Places(table, of(table)) for table in (data.photos, gallery))
    images = images_of(asked, data.features, data.photos, base)
    return Inputs(images, photos, part, places, base, data.features.shape[1])


def images_of(towers, features, photos, base):
    """What the image tower of recipes.Towers reads of photos: features (n, d), or pictures where it is trained too."""
    if towers.train_backbone:
        return pretrained_towers.Pictures(map(picture_path, photos.path), base.transform)
    return torch.from_numpy(features)


@functools.lru_cache(maxsize=1)
def base_tower(name, weights, context_length):
    """A tower whose text part, None for none, reads at most so many tokens. ValueError for one without a text part."""
    base = pretrained_towers.load_tower(name, weights)
    if context_length is None:
        return base
    if base.tokenizer is None:
        raise ValueError(f"tower {name} reads no words: location 'text' needs a tower of open_clip")
    return pretrained_towers.with_context(base, context_length)


def reader(place, location, features, base, parts):
    """The function from a table of places to what stands for them in a method (methods.Method.place): what a location
    tower reads, image features (n, d) of the photos in the table's index, or positions for cells and regression.
    """
    if place == "photo":
        return lambda table: torch.from_numpy(features[table.index])
    if place == "tower" and location == "text":
        words = functools.partial(pretrained_towers.captions_of, parts=parts)
        return lambda table: captions.tokens(words(table), base.tokenizer, base.context_length)
    of_position = trainable_towers.split_positions
    if place == "tower":
        of_position = {"fourier": trainable_towers.fourier_features, "capsules": geoclip.read_places}[location]
    return lambda table: torch.as_tensor(of_position(table[["lat_deg", "lon_deg"]].to_numpy()))


def codes_of(table):
    """street, district (of each city), city and country of a table as whole numbers (n,), -1 where unknown."""
    names = {level: table[level].fillna("").astype(str) for level in ("street", "district", "city", "country")}
    whole = names | {level: names["city"] + "|" + names[level] for level in ("street", "district")}
    return {level: np.where(names[level] != "", pd.factorize(name)[0], -1) for level, name in whole.items()}


def district_count(table):
    """How many districts the places of a table are known to lie in."""
    return len(set(codes_of(table)["district"]) - {-1})


def all_that_train(recipe, data, given, device):
    """The methods.Batch of all photos that train, on a device; given: the Inputs of the recipe.

    ValueError where regional fairness has no two districts to be fair to: it would be 0 for ever.
    """
    train = given.members("train")
    places, tensor = given.photos[train], functools.partial(torch.as_tensor, device=device)
    at, city = places.lat_lon_deg, places.city
    weight, count = recipe.loss.fairness_weight, district_count(places.table)
    if weight and count < FEWEST_DISTRICTS:
        raise ValueError(
            f"fairness_weight {weight} needs {FEWEST_DISTRICTS} districts among the photos that train, there are "
            f"{count}: set fairness_weight to 0, or fill the catalogue's column district"
        )
    middles = {name: sphere.centre(at[city == name]) for name in np.unique(city)}
    curve, guided, again = (), (), recipe.loss.guided_by == "training photos"
    if recipe.kernel == "variogram":
        curve = tuple(map(tensor, models.kernel_curve(data.fitted(np.unique(city)))))
    if recipe.row.guided:
        guided = guide(recipe, data.features[train], places, data.fitted, again=again)
    codes = {level: tensor(np.int64(code[train])) for level, code in codes_of(data.photos).items()}
    points, width_m = tuple(map(tensor, sphere.split_xyz_m(at))), tensor(bandwidth_m(recipe, places, data.ranges_m))
    position_m = tensor(np.float32(sphere.to_local_m(at, np.array([middles[name] for name in city]))))
    return methods.Batch(recipe, points, width_m, position_m, codes, tensor(data.features[train]), curve, guided)


def guide(recipe, features, places, fitted, *, again):
    """The negatives.Guide of photos with features or embeddings (n, d) at Places, by the curve that is fitted to the
    pilots, see Data; or, `again`, by one of its model that is fitted to these photos.
    """
    at, city, curve = places.lat_lon_deg, places.city, fitted(np.unique(places.city))
    lags_of = {"max_lag_m": recipe.loss.max_lag_m, "lag_count": recipe.loss.lag_count}
    if again:
        curve = models.fit(curves.semivariance_by_lag(features, at, **lags_of), model=curve["model"])
    found = negatives.guide(features, at, city, curve, **lags_of)
    return found._replace(range_m=recipe.loss.range_factor * found.range_m)


def bandwidth_m(recipe, places, ranges_m):
    """Bandwidth (n,) float32 of each of the Places that train [m], MIN_BANDWIDTH_M at least.

    'fixed': the tuned one for all; 'city': RANGE_SHARE of the city's fitted range (city -> m), the tuned one where none
    was fitted; 'density': the distance to the neighbour-th distinct place, ValueError where there are fewer.
    """
    how, tuned_m = recipe.loss.bandwidth, recipe.tuned.bandwidth_m
    found = np.full(len(places.city), tuned_m)
    if how == "city":
        found = np.array([RANGE_SHARE * ranges_m[c] if c in ranges_m else tuned_m for c in places.city])
    if how == "density":
        own = np.round(sphere.unit_xyz(places.lat_lon_deg) * sphere.EARTH_RADIUS_M)
        distinct = np.unique(own, axis=0)
        if len(distinct) <= (rank := recipe.loss.neighbour):
            raise ValueError(f"bandwidth 'density' needs {rank + 1} places that train, there are {len(distinct)}: "
                             "set neighbour lower")  # fmt: skip
        found = cKDTree(distinct).query(own, k=rank + 1)[0][:, -1]
    return np.maximum(found, MIN_BANDWIDTH_M).astype(np.float32)
