"""The small towers that are trained: from features of photos, and what stands for places, to vectors of one space."""

import copy

import numpy as np
import torch
from torch import nn
from torch.nn.functional import normalize

from geonb import random_streams
from geonb.earth import cells, sphere
from geonb.learning import geoclip

# wavelengths of the Fourier-feature tower: streets, quarters, cities, countries [m]
BANDS_M = ((150.0, 1_500.0), (1_500.0, 15_000.0), (300_000.0, 20_000_000.0))
WAVES = 64  # in each band
HIDDEN = 256  # units of the towers here
SMALL_CAPSULES = {"frequencies": 64, "hidden": 64}  # for two cores
TEMPERATURE = 0.07  # at the start, as in CLIP


def fourier_features(lat_lon_deg):
    """Cosines and sines (n, 2 * bands * WAVES) float32 of plane waves through the globe at positions (n, 2).

    Random directions; wavelengths log-uniform within each band (Tancik et al. 2020, at several scales as in GeoCLIP,
    Vivanco Cepeda et al. 2023; waves in space, without a seam at the date line or the poles, and the bands are our
    choice). Phases in float64: in float32 they would be off by metres.
    """
    rng = random_streams.stream(0, "fourier")
    directions = rng.normal(size=(len(BANDS_M) * WAVES, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    low, high = np.repeat(np.log(BANDS_M), WAVES, axis=0).T
    wave_m = np.exp(rng.uniform(low, high))
    phase = 2 * np.pi * (sphere.unit_xyz(lat_lon_deg) @ (directions * sphere.EARTH_RADIUS_M / wave_m[:, None]).T)
    return np.concatenate([np.cos(phase), np.sin(phase)], axis=1).astype(np.float32)


def split_positions(lat_lon_deg):
    """Points (n, 6) float32 in metres: whole metres, then what is left, so that differences keep their millimetres."""
    return torch.from_numpy(np.concatenate(sphere.split_xyz_m(lat_lon_deg), axis=1))


class Unit(nn.Sequential):
    """Layers whose output is brought to length 1, in float32."""

    def forward(self, inputs):
        return normalize(super().forward(inputs).float(), dim=-1)


def head(feature_size, size):
    """The two layers on frozen image features."""
    return nn.Dropout(0.1), nn.Linear(feature_size, HIDDEN), nn.GELU(), nn.Dropout(0.1), nn.Linear(HIDDEN, size)


class Standardised(nn.Module):
    """Features (n, d) with the mean and standard deviation of those that train (m, d) brought to 0 and 1."""

    def __init__(self, train):
        super().__init__()
        spread, mean = torch.std_mean(train, dim=0)
        self.register_buffer("mean", mean)
        self.register_buffer("spread", spread.clamp(min=1e-6))  # a feature that is the same in all photos says nothing

    def forward(self, features):
        return (features - self.mean) / self.spread


def geoclip_head(feature_size, size=512, hidden=768):
    """Frozen image features (n, d) to unit vectors (n, size) as in GeoCLIP: two layers, 768-768-512 there."""
    return Unit(nn.Linear(feature_size, hidden), nn.ReLU(), nn.Linear(hidden, size))


class CaptionTower(nn.Module):
    """Token ids (n, context) of captions to unit vectors (n, size): an open_clip text tower that is trained."""

    def __init__(self, model, size):
        super().__init__()
        self.text = model
        for parameter in model.visual.parameters():
            parameter.requires_grad_(False)  # only the words of this copy are used
        with torch.no_grad():
            width = model.encode_text(torch.zeros(1, getattr(model, "context_length", 77), dtype=torch.long)).shape[-1]
        self.head = nn.Linear(width, size)

    def forward(self, tokens):
        return normalize(self.head(self.text.encode_text(tokens)).float(), dim=-1)


class TwoTowers(nn.Module):
    """An image tower and a location tower that meet in one space, with the temperature that CLIP learns."""

    def __init__(self, image, location, learn_temperature=True):
        super().__init__()
        self.image, self.location = image, location
        self.log_scale = nn.Parameter(torch.tensor(float(np.log(1 / TEMPERATURE))), requires_grad=learn_temperature)

    def scale(self):
        """1 / temperature, at most 100 as in CLIP."""
        return self.log_scale.exp().clamp(max=100.0)

    def similarity(self, image, location):
        """How well photos (n, d) and places (m, d), as NumPy arrays, belong together: (n, m)."""
        return image @ location.T


class CellTower(TwoTowers):
    """Photos (n, d) to logits (n, C) of cells; places (n, 6), see split_positions, to distances from cell centres."""

    def __init__(self, feature_size, centres_lat_lon_deg):
        centres = FromCentres(split_positions(centres_lat_lon_deg))
        super().__init__(nn.Sequential(*head(feature_size, len(centres_lat_lon_deg))), centres)

    def similarity(self, image, location):
        """The logit of the cell that a place lies in; within a cell the place nearest to its centre comes first."""
        cell = location.argmin(axis=1)
        return image.astype(np.float64)[:, cell] - 1e-9 * location.min(axis=1)


class PositionTower(TwoTowers):
    """Photos (n, d) to positions (n, 3) in units of the spread of the training places, around their middle."""

    def __init__(self, feature_size, train_lat_lon_deg):
        train = split_positions(train_lat_lon_deg)
        xyz_m = train[:, :3].double() + train[:, 3:].double()
        middle = xyz_m.mean(dim=0, keepdim=True)
        split = torch.cat([middle.round(), middle - middle.round()], dim=1).float()
        spread_m = (xyz_m - middle).square().sum(dim=1).mean().sqrt().float()
        super().__init__(nn.Sequential(*head(feature_size, 3)), FromCentres(split, spread_m))

    def similarity(self, image, location):
        """Minus the squared distance."""
        image, location = image.astype(np.float64), location.astype(np.float64)
        return 2 * image @ location.T - (location**2).sum(axis=1) - (image**2).sum(axis=1, keepdims=True)


class FromCentres(nn.Module):
    """Places (n, 6) to their straight-line distances (n, C) [m] from centres (C, 6), or, where a spread is given, to
    positions (n, 3) in units of it around the one centre there is.
    """

    def __init__(self, centres, spread_m=None):
        super().__init__()
        self.register_buffer("centres", centres)
        self.register_buffer("spread_m", spread_m)

    def forward(self, places):
        whole, rest = (places[:, None] - self.centres[None]).split(3, dim=-1)
        apart_m = whole + rest
        return apart_m.norm(dim=-1) if self.spread_m is None else apart_m[:, 0] / self.spread_m


def build(recipe, given):
    """Fresh towers of a Recipe for its training_arrays.Inputs; where photos stand for places, one tower reads both."""
    place, train, feature_size = recipe.row.place, given.members("train"), given.feature_size
    at = given.photos.lat_lon_deg[train]
    if place == "cell":
        made = CellTower(feature_size, cell_centres(at, recipe.tuned.cell_size_m))
    elif place == "position":
        made = PositionTower(feature_size, at)
    else:
        made = meeting_towers(recipe, given, at)
    if recipe.towers.standardise and not recipe.towers.train_backbone:
        made.image = nn.Sequential(Standardised(given.images[train]), made.image)
        made.location = made.image if place == "photo" else made.location
    return made


def meeting_towers(recipe, given, train_lat_lon_deg):
    """TwoTowers whose vectors meet in one space, fresh or with GeoCLIP's released weights."""
    asked, feature_size, capsules = recipe.towers, given.feature_size, recipe.row.tower == "capsules"
    if capsules and asked.released:
        both = geoclip_head(feature_size), geoclip.CapsuleTower(train_lat_lon_deg, noise_m=recipe.tuned.noise_m)
        return geoclip.load_released(TwoTowers(*both, asked.learn_temperature), asked.released)
    image = geoclip_head(feature_size, asked.size, HIDDEN) if capsules else Unit(*head(feature_size, asked.size))
    if asked.train_backbone:
        image = nn.Sequential(Unit(copy.deepcopy(given.base.model.visual)), image)
    where = image if recipe.row.place == "photo" else location_tower(recipe, given, train_lat_lon_deg)
    return TwoTowers(image, where, asked.learn_temperature)


def location_tower(recipe, given, train_lat_lon_deg):
    """What reads places of the Recipe's location, fresh; the words of an open_clip tower are copied."""
    asked, noise_m = recipe.towers, recipe.tuned.noise_m
    if recipe.location == "text":
        return CaptionTower(copy.deepcopy(given.base.model), asked.size)
    if recipe.location == "fourier":
        inner = nn.Linear(given.photos.inputs.shape[1], HIDDEN), nn.GELU(), nn.Linear(HIDDEN, HIDDEN), nn.GELU()
        return Unit(*inner, nn.Linear(HIDDEN, asked.size))
    return geoclip.CapsuleTower(train_lat_lon_deg, asked.size, sigmas=asked.sigmas, noise_m=noise_m, **SMALL_CAPSULES)


def cell_centres(lat_lon_deg, cell_size_m):
    """The middles (C, 2) of the training places of every square that holds one."""
    cell = cells.squares(lat_lon_deg, cell_size_m)
    _, member = np.unique(cell, axis=0, return_inverse=True)
    return np.array([sphere.centre(lat_lon_deg[member.ravel() == c]) for c in range(member.max() + 1)])
