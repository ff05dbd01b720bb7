"""The methods of the book: each a row of one table, from its name to its loss, its towers and what tunes it."""

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn.functional import normalize

from geonb import checks
from geonb.earth import sphere
from geonb.learning import encoders, geoclip, losses, negatives, rivals


@dataclass
class Batch:
    """What a loss may know of the photos of a step.

    xyz_m: their points as sphere.split_xyz_m gives them; bandwidth_m (B,) of each photo's own kernel; position_m (B, 2)
    east and north in its city; codes: level (street, district, city, country) -> whole numbers (B,), -1 where unknown;
    features (B, d): unit features of the frozen tower, None where pictures are read; photos: so many of the B, from the
    first, are photos of the step, the rest lend their places only; guide: negatives.Guide that was fitted again on the
    way, empty for that of the settings; districts: known ones among all photos that train, not in this step alone.
    """

    xyz_m: tuple
    bandwidth_m: torch.Tensor
    position_m: torch.Tensor
    codes: dict
    features: torch.Tensor = None
    photos: int = None
    guide: tuple = ()
    districts: int = 0

    @functools.cached_property
    def distance_m(self):
        """Distances (photos, B) on the ground [m], for losses that look at them."""
        return losses.pair_distance_m(*self.xyz_m, self.photos)


# ---- losses: (image, location, scale, batch, weights: () -> spatial weights, settings) -> loss -----------------------
def contrast(image, location, scale, weights, settings):
    """The contrastive loss in the directions that the settings name."""
    return losses.contrastive_loss(
        image, location, scale, weights,
        image_to_location=settings.image_to_location, location_to_image=settings.location_to_image,
    )  # fmt: skip


def clip(image, location, scale, batch, weights, settings):
    """One right place per photo."""
    return contrast(image, location, scale, losses.one_hot(batch.bandwidth_m), settings)


def sw_clip(image, location, scale, batch, weights, settings):
    """Spatial targets."""
    return contrast(image, location, scale, weights(), settings)


def label_smoothing(image, location, scale, batch, weights, settings):
    """As soft, and the same for all other places."""
    return contrast(image, location, scale, losses.smoothed_alike(weights()), settings)


def shuffled_distances(image, location, scale, batch, weights, settings):
    """As soft, with the weights of other places permuted."""
    return contrast(image, location, scale, losses.shuffled_alike(weights()), settings)


def near_negatives(image, location, scale, batch, weights, settings):
    """Near negatives weigh more."""
    return rivals.near_negatives_weigh_more(
        losses.logits_of(image, location, scale),
        losses.exponential(batch.distance_m, settings.bandwidth_m, torch.inf),
        strength=settings.strength,
    )


def geography_matching(image, location, scale, batch, weights, settings):
    """clip, and the geography term on images."""
    return clip(image, location, scale, batch, weights, settings) + settings.strength * rivals.geography_matching(
        image, batch.position_m, batch.codes["city"]
    )


def soft_contrastive(image, location, scale, batch, weights, settings):
    """Photos against photos, near ones partly alike."""
    near = losses.gaussian(batch.distance_m, settings.bandwidth_m, torch.inf)
    return rivals.soft_contrastive(image, near, scale=scale)


def generalized_contrastive(image, location, scale, batch, weights, settings):
    """Photos against photos with a margin, which is the strength."""
    alike = losses.gaussian(batch.distance_m, settings.bandwidth_m, torch.inf)
    return rivals.generalized_contrastive(image, alike, margin=settings.strength)


def cells(image, location, scale, batch, weights, settings):
    """Cross-entropy of cells; location holds the distances from their centres."""
    return rivals.classification(image, location)


def smoothed_cells(image, location, scale, batch, weights, settings):
    """The same with smoothed targets."""
    return rivals.smoothed_classification(image, location, bandwidth_m=settings.bandwidth_m)


def guided(image, location, scale, batch, weights, settings, rule=""):
    """Photos choose among the places of the batch and the queue; a rule weighs the negatives."""
    logits = losses.logits_of(image, location, scale)
    if not rule:
        return negatives.guided_loss(logits, batch.distance_m, None, None, "")
    if batch.features is None:
        raise ValueError("guided negatives need frozen features: train_backbone is not for this method")
    features = normalize(batch.features, dim=1)
    alike = features[: len(image)] @ features.T
    guide = batch.guide or settings.guide
    return negatives.guided_loss(logits, batch.distance_m, alike, guide, rule, strength=settings.strength)


def coordinates(image, location, scale, batch, weights, settings):
    """Regression; location holds the positions."""
    return rivals.regression(image, location)


# ---- the table -------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Method:
    """says: one sentence for tables and pages; tuned: name -> values of its two most important parameters, 12 trials;
    place: what stands for a place, 'tower' (a location tower), 'photo' (one taken there), 'cell' or 'position'.
    """

    says: str
    loss: Callable
    tuned: dict
    place: str = "tower"
    kernel: str = ""  # of the targets; empty for the one that the page asks for
    tower: str = ""  # the location tower, with a queue of places if it is capsules; empty for the one the page asks for
    guided: bool = False  # whether the loss needs a negatives.Guide
    like: str = ""  # the method whose tuned parameters it has, but for its own


RATES = [0.0002, 0.001, 0.005]
WIDTHS_M = [50.0, 100.0, 200.0, 400.0]
NOISES_M = [0.0, 10.0, 30.0, 100.0]
STRENGTHS = [0.1, 0.3, 1.0, 3.0]
METHODS = {
    "clip": Method(
        "one right place per photo, InfoNCE (Radford et al. 2021): SW-CLIP's ablation 'only L-a-T'",
        clip, {"learning_rate": RATES, "weight_decay": [0.01, 0.1, 0.3, 1.0]},
    ),
    "sw_clip": Method(
        "spatially weighted targets: near places are partly right (arXiv 2604.04357, eq. 4 and 5)",
        sw_clip, {"learning_rate": RATES, "bandwidth_m": WIDTHS_M},
    ),
    "variogram_clip": Method(
        "targets that fall as the fitted semivariogram of the pilots rises",
        sw_clip, {"learning_rate": RATES, "prior_share": [0.0, 0.3, 0.6, 0.9]}, kernel="variogram",
    ),
    "label_smoothing": Method(
        "targets as soft as sw_clip's, the same for all other places",
        label_smoothing, {"learning_rate": RATES, "bandwidth_m": WIDTHS_M},
    ),
    "shuffled_distances": Method(
        "sw_clip's targets with the weights of other places permuted",
        shuffled_distances, {"learning_rate": RATES, "bandwidth_m": WIDTHS_M},
    ),
    "near_negatives": Method(
        "InfoNCE in which near negatives weigh more (weights of HierLoc, arXiv 2601.23064)",
        near_negatives, {"learning_rate": RATES, "strength": [0.3, 1.0, 3.0, 10.0]},
    ),
    "geography_matching": Method(
        "clip, and visual distances that match distances on the ground (term of AddressCLIP, arXiv 2407.08156)",
        geography_matching, {"learning_rate": RATES, "strength": [0.03, 0.1, 0.3, 1.0]},
    ),
    "soft_contrastive": Method(
        "photos against photos, near ones partly alike (inspired by Thoma et al. 2020): names training places only",
        soft_contrastive, {"learning_rate": RATES, "bandwidth_m": WIDTHS_M}, "photo",
    ),
    "generalized_contrastive": Method(
        "photos against photos, graded similarity and a margin (GCL, arXiv 2303.11739): names training places only",
        generalized_contrastive, {"learning_rate": RATES, "strength": [0.4, 0.8, 1.2, 1.6]}, "photo",
    ),
    "cells": Method(
        "classification of cells, then the place nearest to the cell's centre: names training cells only",
        cells, {"learning_rate": RATES, "cell_size_m": [200.0, 400.0, 800.0, 1600.0]}, "cell",
    ),
    "smoothed_cells": Method(
        "the same with targets that fall with distance (PIGEON, arXiv 2307.05845): names training cells only",
        smoothed_cells, {"learning_rate": RATES, "bandwidth_m": WIDTHS_M}, "cell",
    ),
    "own": Method(
        "ours: sw_clip with a share of the weight for the same street, district, city and country",
        sw_clip, {"bandwidth_m": WIDTHS_M, "prior_share": [0.1, 0.3, 0.6]},
    ),
    "geoclip": Method(
        "capsules at several scales and a queue of places (GeoCLIP, arXiv 2309.16020; two finer ones and sizes: ours)",
        guided, {"learning_rate": RATES, "noise_m": NOISES_M}, tower="capsules",
    ),
    "geoclip_semivariogram": Method(
        "geoclip whose near look-alikes weigh less and far ones more, by the semivariogram (idea of arXiv 2509.21573)",
        functools.partial(guided, rule="semivariogram"), {"learning_rate": RATES, "strength": STRENGTHS},
        tower="capsules", guided=True, like="geoclip",
    ),
    "geoclip_precursor": Method(
        "geoclip with the rule of the precursor's code: near pairs more different than expected have larger logits",
        functools.partial(guided, rule="precursor"), {"learning_rate": RATES, "strength": STRENGTHS},
        tower="capsules", guided=True, like="geoclip",
    ),
    "geoclip_look_alikes": Method(
        "geoclip whose look-alikes weigh more wherever they are: the control without geography (HCL, arXiv 2010.04592)",
        functools.partial(guided, rule="look_alikes"), {"learning_rate": RATES, "strength": STRENGTHS},
        tower="capsules", guided=True, like="geoclip",
    ),
    "coordinates": Method(
        "regression of the position, then the nearest place",
        coordinates, {"learning_rate": RATES, "weight_decay": [0.01, 0.1, 0.3, 1.0]}, "position",
    ),
}  # fmt: skip


def get(name):
    """A row of METHODS. ValueError lists the names when it is unknown."""
    if name not in METHODS:
        raise ValueError(f"no method {name!r}: there are {', '.join(METHODS)}")
    return METHODS[name]


# what a method has of the parameters that its trials do not vary
UNTUNED = {
    "learning_rate": 0.002, "weight_decay": 0.01, "bandwidth_m": 100.0, "strength": 1.0, "prior_share": 0.0,
    "cell_size_m": 400.0, "noise_m": 10.0,
}  # fmt: skip


def tuned(name, split, trials, asked):
    """What a method runs with on a split: every parameter of UNTUNED.

    trials: table with columns method, split, validation_error_m and the parameters; of the method's rows of this split
    the one with the smallest error counts, UNTUNED for splits that the table does not know. A row that is like another
    has that one's best values of what it does not tune itself; what both tune each has from trials of its own, so that
    whole recipes are compared, not the rule alone. asked: name -> value, goes before the trials unless it is below 0.
    ValueError where the table knows the split and not the method on it, and for a value that is no finite number.
    """
    for parameter, value in asked.items():
        checks.number(parameter, value, way_out="a number below 0 takes the value that the trials chose")
    like = get(name).like
    known = tuned(like, split, trials, {}) if like else UNTUNED
    own = trials[(trials.method == name) & (trials.split == split) & trials.validation_error_m.notna()]
    if not len(own) and (trials.split == split).any():
        raise ValueError(f"the trials of split {split} have none of {name}: make them, or name another table of trials")
    best = own.loc[own.validation_error_m.idxmin()] if len(own) else {}
    found = {parameter: float(best[parameter]) for parameter in get(name).tuned if parameter in best}
    return known | found | {parameter: value for parameter, value in asked.items() if value >= 0}


def best_trials(trials):
    """Each method's best trial on each split, how many there were, and which parameters ended at an end of the grid.

    A value at an end says that a wider search might do better, for this method and for its rivals.
    """
    each = trials.groupby(["split", "method"], sort=False)
    best = trials.loc[each.validation_error_m.idxmin()].set_index(["split", "method"])
    known = [parameter for parameter in UNTUNED if parameter in trials]
    ends = each[known].agg(["min", "max"])
    at_end = [
        ", ".join(p for p in known if ends.loc[name, p]["min"] < ends.loc[name, p]["max"]
                  and best.loc[name, p] in tuple(ends.loc[name, p]))
        for name in best.index
    ]  # fmt: skip
    best = best.assign(trials=each.size(), at_an_end=at_end)
    return best.sort_values("validation_error_m").sort_index(level="split", sort_remaining=False, kind="stable")


@dataclass(frozen=True)
class Settings:
    """What the losses need besides vectors and distances; lengths in metres.

    kernel: of losses.KERNELS, or 'variogram' with its curve (lag_m, weight); cutoff_bandwidths: where a kernel ends, in
    bandwidths of the photo; guide: negatives.Guide of methods that ask for one; prior_share: of the hierarchical prior
    in the weights; strength: of a rival's own term; neighbourhood_weight, fairness_weight: of the regularisers, for
    methods with a location tower; the last two: which directions the contrastive loss has.
    """

    kernel: str = "gaussian"
    bandwidth_m: float = 100.0
    cutoff_bandwidths: float = 3.0
    curve: tuple = ()
    guide: tuple = ()
    prior_share: float = 0.0
    strength: float = 1.0
    neighbourhood: str = "pull"
    neighbourhood_weight: float = 0.0
    fairness_weight: float = 0.0
    image_to_location: bool = True
    location_to_image: bool = True

    def __post_init__(self):
        if self.neighbourhood not in NEIGHBOURHOODS:
            raise ValueError(f"neighbourhood {self.neighbourhood!r} must be one of {', '.join(NEIGHBOURHOODS)}")
        if self.kernel == "variogram" and not self.curve:
            raise ValueError("kernel 'variogram' needs a curve: see variogram_models.kernel_curve")
        for name in ("bandwidth_m", "cutoff_bandwidths"):
            checks.number(name, getattr(self, name), above=0)
        for name in ("strength", "neighbourhood_weight", "fairness_weight"):
            checks.number(name, getattr(self, name), least=0)
        checks.number("prior_share", self.prior_share, least=0, most=1)


FEWEST_DISTRICTS = 2  # of one alone the performance is its own mean
NEIGHBOURHOODS = {"pull": losses.neighbourhood_pull, "ranking": losses.neighbourhood_ranking}


def objective(name, settings):
    """The loss of a method as a function of (image, location, scale, batch)."""
    row = get(name)
    settings = replace(settings, kernel=row.kernel or settings.kernel)
    if row.guided and not settings.guide:
        raise ValueError(f"{name} needs a guide: see negatives.guide")
    if row.tower == "capsules":
        regularised = settings.neighbourhood_weight or settings.fairness_weight
        if regularised or not settings.image_to_location:
            raise ValueError(f"{name} has no regularisers and only the direction from image to location")

    def loss(image, location, scale, batch):
        weights = functools.cache(lambda: spatial_weights(batch, settings))
        found = row.loss(image, location, scale, batch, weights, settings)
        if row.place == "tower" and settings.neighbourhood_weight:
            term = NEIGHBOURHOODS[settings.neighbourhood]
            found = found + settings.neighbourhood_weight * (term(image, weights()) + term(location, weights())) / 2
        if row.place == "tower" and settings.fairness_weight:
            check_districts(settings.fairness_weight, batch.districts)
            fair = losses.regional_fairness(image, location, scale, batch.codes["district"])
            found = found + settings.fairness_weight * fair
        return found

    return loss


def check_districts(fairness_weight, districts):
    """Nothing, or a ValueError where regional fairness has no two regions to be fair to: it would be 0 for ever."""
    if fairness_weight and districts < FEWEST_DISTRICTS:
        raise ValueError(
            f"fairness_weight {fairness_weight} needs {FEWEST_DISTRICTS} districts among the photos that train, there "
            f"{'is' if districts == 1 else 'are'} {districts}: there are no regions to be fair to; set fairness_weight "
            "to 0, or fill the catalogue's column district"
        )


def spatial_weights(batch, settings):
    """Weights (B, B) of the spatial targets of a batch: kernel, then the share of the hierarchical prior."""
    if settings.kernel == "variogram":
        curve = (torch.as_tensor(values, device=batch.distance_m.device) for values in settings.curve)
        local = losses.curve_weights(batch.distance_m, *curve)
    else:
        local = losses.kernel_weights(
            batch.distance_m, kernel=settings.kernel, bandwidth_m=batch.bandwidth_m,
            cutoff_m=settings.cutoff_bandwidths * batch.bandwidth_m,
        )  # fmt: skip
    if not settings.prior_share:
        return local
    return losses.with_prior(local, losses.shared_levels(batch.codes), settings.prior_share)


def bandwidths(how, *, bandwidth_m, ranges_m, range_share, neighbour, min_bandwidth_m):
    """A function (training places with lat_lon_deg (n, 2) and city (n,)) -> bandwidth (n,) of each [m].

    how: 'fixed', bandwidth_m for all; 'city', range_share of the city's fitted range (city -> m), bandwidth_m where
    none was fitted; 'density', the distance to the neighbour-th distinct place of the training part. Never below
    min_bandwidth_m. ValueError for another word, or lengths or a share that are not above 0.
    """
    if how not in BANDWIDTHS:
        raise ValueError(f"bandwidth {how!r} must be one of {', '.join(BANDWIDTHS)}")
    for name, value in {"bandwidth_m": bandwidth_m, "range_share": range_share}.items():
        checks.number(name, value, above=0)
    checks.count("neighbour", neighbour)
    checks.number("min_bandwidth_m", min_bandwidth_m, least=0)

    def of(train):
        if how == "density":
            found = distance_to_neighbour_m(train.lat_lon_deg, neighbour)
        elif how == "city":
            found = np.array([range_share * ranges_m[c] if c in ranges_m else bandwidth_m for c in train.city])
        else:
            found = np.full(len(train.city), bandwidth_m)
        return np.maximum(found, min_bandwidth_m).astype(np.float32)

    return of


BANDWIDTHS = ("fixed", "city", "density")


def parameter_count(build, train_lat_lon_deg):
    """Trained parameters of the towers that a builder makes."""
    return sum(p.numel() for p in build(train_lat_lon_deg).parameters() if p.requires_grad)


def distance_to_neighbour_m(lat_lon_deg, neighbour):
    """Distance (n,) from each position to the neighbour-th distinct place other than its own [m]."""
    from scipy.spatial import cKDTree

    places = np.unique(np.round(sphere.unit_xyz(lat_lon_deg) * sphere.EARTH_RADIUS_M), axis=0)
    if neighbour >= len(places):
        raise ValueError(f"neighbour {neighbour} must lie between 1 and {len(places) - 1}, the other places there are")
    own = np.round(sphere.unit_xyz(lat_lon_deg) * sphere.EARTH_RADIUS_M)
    return cKDTree(places).query(own, k=neighbour + 1)[0][:, -1]


# of geoclip's towers, for two cores; GeoCLIP has 256 frequencies, 1024 hidden units and 768 in the image head
CAPSULES = {
    "sigmas": geoclip.RELEASED_SIGMAS + geoclip.FINE_SIGMAS, "frequencies": 64, "hidden": 64, "image_hidden": 256,
}  # fmt: skip


def builder(name, feature_size, inputs, *, size, base, location_tower, train_backbone, cell_size_m, temperature=0.07,
            learn_temperature=True, noise_m=0.0, capsules=None, released=""):  # fmt: skip
    """A function (positions (n, 2) of the training places) -> fresh towers for a method.

    feature_size: of the image features; inputs: what the method's places are read as; base: the open_clip tower whose
    visual part is trained too (train_backbone) or whose text part reads captions (location_tower 'text'). Its weights
    are copied, so that each training starts from the same ones. noise_m: of capsules; capsules: sizes as in CAPSULES,
    which holds for those that it does not name; released: folder of GeoCLIP's weights (geoclip.load_released), from
    which methods whose own tower is capsules then start, none for ''. ValueError where a method has no such tower, for
    released weights with train_backbone, or for an unknown size.
    """
    place, with_capsules = get(name).place, get(name).tower == "capsules"  # those have GeoCLIP's image head too
    checks.count("embedding_size", size)
    checks.number("cell_size_m", cell_size_m, above=0)
    checks.number("temperature", temperature, above=0)
    checks.number("noise_m", noise_m, least=0)
    location_tower = get(name).tower or location_tower
    if place != "tower" and train_backbone:
        raise ValueError(f"train_backbone is for methods with a location tower, not for {name}")
    if released and with_capsules and train_backbone:
        raise ValueError(f"released weights of {name} read frozen features: leave out released or train_backbone")
    if unknown := set(capsules or {}) - set(CAPSULES):
        raise ValueError(f"capsules has no {', '.join(sorted(unknown))}; it has {', '.join(CAPSULES)}")
    sizes = CAPSULES | (capsules or {})
    image_hidden = sizes.pop("image_hidden")
    checks.count("image_hidden", image_hidden)

    def build(train_lat_lon_deg):
        if place == "cell":
            return encoders.CellTower(feature_size, cell_centres(train_lat_lon_deg, cell_size_m))
        if place == "position":
            return encoders.PositionTower(feature_size, train_lat_lon_deg)
        head = functools.partial(geoclip.ImageMLP, hidden=image_hidden) if with_capsules else encoders.ImageHead
        image = head(feature_size, size)
        if place == "photo":
            return encoders.PhotoTower(image, temperature, learn_temperature)
        if train_backbone:
            image = encoders.ImageTower(copy.deepcopy(base.model.visual), image)
        if location_tower == "capsules":
            where = geoclip.CapsuleTower(train_lat_lon_deg, size, noise_m=noise_m, **sizes)
        elif location_tower == "text":
            where = encoders.CaptionTower(copy.deepcopy(base.model), size)
        else:
            where = encoders.FourierTower(inputs.shape[1], size)
        towers = encoders.TwoTowers(image, where, temperature, learn_temperature)
        return geoclip.load_released(towers, released) if released and with_capsules else towers

    return build


def cell_centres(lat_lon_deg, cell_size_m):
    """The middles (C, 2) of the training places of every square that holds one."""
    cell = sphere.square_cells(lat_lon_deg, cell_size_m)
    _, member = np.unique(cell, axis=0, return_inverse=True)
    return np.array([sphere.centre(lat_lon_deg[member.ravel() == c]) for c in range(member.max() + 1)])
