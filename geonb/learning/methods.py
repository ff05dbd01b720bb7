"""The methods of the book: each a row of one table, from its name to its loss, its towers and what tunes it."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import normalize

from geonb.learning import baseline_losses, losses, negatives


@dataclass
class Batch:
    """What a loss may know of the photos of a step, and of the recipe that they train.

    xyz_m: their points as sphere.split_xyz_m gives them; bandwidth_m (B,) of each photo's own kernel; position_m (B, 2)
    east and north in its city; codes: level (street, district, city, country) -> whole numbers (B,), -1 where unknown;
    features (B, d): unit features of the frozen tower, None where pictures are read; photos: so many of the B, from the
    first, are photos of the step, the rest lend their places only; curve: (lag_m, weight) of the variogram kernel;
    guide: negatives.Guide; districts: known ones among all photos that train, not in this step alone.
    """

    recipe: Any
    xyz_m: tuple
    bandwidth_m: torch.Tensor
    position_m: torch.Tensor
    codes: dict
    features: torch.Tensor = None
    photos: int = None
    curve: tuple = ()
    guide: tuple = ()
    districts: int = 0

    @functools.cached_property
    def distance_m(self):
        """Distances (photos, B) on the ground [m], for losses that look at them."""
        return losses.pair_distance_m(*self.xyz_m, self.photos)

    @functools.cached_property
    def weights(self):
        """Weights (B, B) of the spatial targets: kernel, then the share of the hierarchical prior."""
        loss, share = self.recipe.loss, self.recipe.tuned.prior_share
        if self.recipe.kernel == "variogram":
            local = losses.curve_weights(self.distance_m, *self.curve)
        else:
            cutoff_m = loss.cutoff_bandwidths * self.bandwidth_m
            local = losses.kernel_weights(
                self.distance_m, kernel=self.recipe.kernel, bandwidth_m=self.bandwidth_m, cutoff_m=cutoff_m
            )
        return losses.with_prior(local, losses.shared_levels(self.codes), share) if share else local

    def near(self, kernel):
        """How near (B, B) photos are to each other by a kernel of losses without an end, 1 at distance 0."""
        return kernel(self.distance_m, self.bandwidth_m[:, None], torch.inf)


# ---- losses: (image, location, scale, batch) -> loss -----------------------------------------------------------------
def contrast(image, location, scale, batch, weights):
    """The contrastive loss in the directions that the recipe names."""
    loss = batch.recipe.loss
    directions = {"image_to_location": loss.image_to_location, "location_to_image": loss.location_to_image}
    return losses.contrastive_loss(image, location, scale, weights, **directions)


def clip(image, location, scale, batch):
    """One right place per photo."""
    return contrast(image, location, scale, batch, losses.one_hot(batch.bandwidth_m))


def sw_clip(image, location, scale, batch):
    """Spatial targets."""
    return contrast(image, location, scale, batch, batch.weights)


def label_smoothing(image, location, scale, batch):
    """As soft, and the same for all other places."""
    return contrast(image, location, scale, batch, losses.smoothed_alike(batch.weights))


def shuffled_distances(image, location, scale, batch):
    """As soft, with the weights of other places permuted."""
    return contrast(image, location, scale, batch, losses.shuffled_alike(batch.weights))


def geography_matching(image, location, scale, batch):
    """clip, and the geography term on images."""
    term = baseline_losses.geography_term(image, batch.position_m, batch.codes["city"])
    return clip(image, location, scale, batch) + batch.recipe.tuned.strength * term


def guided(image, location, scale, batch, rule=""):
    """Photos choose among the places of the batch and the queue; a rule weighs the negatives."""
    logits = losses.logits_of(image, location, scale)
    if not rule:
        return negatives.guided_loss(logits, batch.distance_m, None, None, "")
    if batch.features is None:
        raise ValueError("guided negatives need frozen features: train_backbone is not for this method")
    features = normalize(batch.features, dim=1)
    alike, strength = features[: len(image)] @ features.T, batch.recipe.tuned.strength
    return negatives.guided_loss(logits, batch.distance_m, alike, batch.guide, rule, strength=strength)


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
        baseline_losses.near_negatives, {"learning_rate": RATES, "strength": [0.3, 1.0, 3.0, 10.0]},
    ),
    "geography_matching": Method(
        "clip, and visual distances that match distances on the ground (term of AddressCLIP, arXiv 2407.08156)",
        geography_matching, {"learning_rate": RATES, "strength": [0.03, 0.1, 0.3, 1.0]},
    ),
    "soft_contrastive": Method(
        "photos against photos, near ones partly alike (inspired by Thoma et al. 2020): names training places only",
        baseline_losses.soft_contrastive, {"learning_rate": RATES, "bandwidth_m": WIDTHS_M}, "photo",
    ),
    "generalized_contrastive": Method(
        "photos against photos, graded similarity and a margin (GCL, arXiv 2303.11739): names training places only",
        baseline_losses.generalized_contrastive, {"learning_rate": RATES, "strength": [0.4, 0.8, 1.2, 1.6]}, "photo",
    ),
    "cells": Method(
        "classification of cells, then the place nearest to the cell's centre: names training cells only",
        baseline_losses.cells, {"learning_rate": RATES, "cell_size_m": [200.0, 400.0, 800.0, 1600.0]}, "cell",
    ),
    "smoothed_cells": Method(
        "the same with targets that fall with distance (PIGEON, arXiv 2307.05845): names training cells only",
        baseline_losses.smoothed_cells, {"learning_rate": RATES, "bandwidth_m": WIDTHS_M}, "cell",
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
        baseline_losses.coordinates, {"learning_rate": RATES, "weight_decay": [0.01, 0.1, 0.3, 1.0]}, "position",
    ),
}  # fmt: skip


def get(name):
    """A row of METHODS. ValueError lists the names when it is unknown."""
    if name not in METHODS:
        raise ValueError(f"no method {name!r}: there are {', '.join(METHODS)}")
    return METHODS[name]


NEIGHBOURHOODS = {"pull": losses.neighbourhood_pull, "ranking": losses.neighbourhood_ranking}
FEWEST_DISTRICTS = 2  # of one alone the performance is its own mean


def total_loss(image, location, scale, batch):
    """The loss of the recipe's method, and the regularisers that it asks for where there is a location tower."""
    row, loss = get(batch.recipe.method), batch.recipe.loss
    found = row.loss(image, location, scale, batch)
    if row.place == "tower" and loss.neighbourhood_weight:
        term = NEIGHBOURHOODS[loss.neighbourhood]
        pulled = term(image, batch.weights) + term(location, batch.weights)
        found = found + loss.neighbourhood_weight * pulled / 2
    if row.place == "tower" and loss.fairness_weight:
        check_districts(loss.fairness_weight, batch.districts)
        fair = losses.regional_fairness(image, location, scale, batch.codes["district"])
        found = found + loss.fairness_weight * fair
    return found


def check_districts(fairness_weight, districts):
    """Nothing, or a ValueError where regional fairness has no two regions to be fair to: it would be 0 for ever."""
    if fairness_weight and districts < FEWEST_DISTRICTS:
        raise ValueError(
            f"fairness_weight {fairness_weight} needs {FEWEST_DISTRICTS} districts among the photos that train, there "
            f"{'is' if districts == 1 else 'are'} {districts}: there are no regions to be fair to; set fairness_weight "
            "to 0, or fill the catalogue's column district"
        )
