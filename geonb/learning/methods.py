"""The methods of the book: each a row of one table, from its name to its loss, its towers and what tunes it.

A loss takes (image, location, scale, Batch): vectors (B, d) of photos and of what stands for places. Those of others
have their equation; where a source gives none that could be checked, the row says "inspired by".
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.nn.functional import cross_entropy, normalize, relu, smooth_l1_loss

from geonb.learning import losses, negatives


@dataclass
class Batch:
    """What a loss may know of the photos that meet in a step, and of the recipe that they train.

    xyz_m: see sphere.split_xyz_m; bandwidth_m (B,) of the kernel; position_m (B, 2) east and north in the city;
    codes: see training_arrays.codes_of; features (B, d) of the frozen tower, or embeddings; curve: (lag_m, weight) of
    the variogram kernel; guide: negatives.Guide; photos: so many of the B, from the first, are photos of the step, the
    rest lend their places only.
    """

    recipe: Any
    xyz_m: tuple
    bandwidth_m: torch.Tensor
    position_m: torch.Tensor
    codes: dict
    features: torch.Tensor
    curve: tuple = ()
    guide: tuple = ()
    photos: int = None

    def of(self, chosen, photos=None):
        """The Batch of those with some indices."""
        points, codes = (part[chosen] for part in self.xyz_m), {name: c[chosen] for name, c in self.codes.items()}
        return replace(
            self, xyz_m=tuple(points), bandwidth_m=self.bandwidth_m[chosen], position_m=self.position_m[chosen],
            codes=codes, features=self.features[chosen], photos=photos,
        )  # fmt: skip

    @functools.cached_property
    def distance_m(self):
        """Distances (photos, B) on the ground [m], for losses that look at them."""
        return losses.pair_distance_m(*self.xyz_m, self.photos)

    @functools.cached_property
    def weights(self):
        """Weights (B, B) of the spatial targets: (1 - share) kernel + share of the hierarchical prior.

        The rule to combine the two is ours: SW-CLIP leaves it open.
        """
        recipe, share = self.recipe, self.recipe.tuned.prior_share
        if recipe.kernel == "variogram":
            local = losses.curve_weights(self.distance_m, *self.curve)
        else:
            lengths = {"bandwidth_m": self.bandwidth_m, "cutoff_m": recipe.loss.cutoff_bandwidths * self.bandwidth_m}
            local = losses.kernel_weights(self.distance_m, kernel=recipe.kernel, **lengths)
        return (1 - share) * local + share * losses.shared_levels(self.codes) if share else local

    def near(self, kernel):
        """How near (B, B) photos are to each other by a kernel of losses without an end, 1 at distance 0."""
        return kernel(self.distance_m, self.bandwidth_m[:, None], torch.inf)


def contrast(targets):
    """The contrastive loss with the targets (B, B) that a function makes of a Batch."""

    def loss(image, location, scale, batch):
        both = batch.recipe.loss.location_to_image
        return losses.contrastive_loss(image, location, scale, targets(batch), location_to_image=both)

    return loss


clip = contrast(lambda batch: losses.one_hot(batch.bandwidth_m))
sw_clip = contrast(lambda batch: batch.weights)
label_smoothing = contrast(lambda batch: losses.smoothed_alike(batch.weights))
shuffled_distances = contrast(lambda batch: losses.shuffled_alike(batch.weights))
city_uniform = contrast(lambda batch: losses.city_uniform(batch.weights, batch.codes["city"]))
permuted_within_city = contrast(lambda batch: losses.permuted_within(batch.weights, batch.codes["city"]))


def near_negatives(image, location, scale, batch):
    """InfoNCE whose negatives weigh w = 1 + strength * exp(-distance / bandwidth): the opposite of a spatial target.

    -log e^{s_ii} / (e^{s_ii} + sum_k w_ik e^{s_ik}), mean of both directions (the geographic weights of HierLoc,
    arXiv 2601.23064; cosine similarity instead of its hyperbolic distance).
    """
    logits = losses.logits_of(image, location, scale)
    weight = 1 + batch.recipe.tuned.strength * batch.near(losses.exponential)
    weighted = logits + weight.masked_fill(losses.itself(weight), 1.0).log()
    right = torch.arange(len(logits), device=logits.device)
    return (cross_entropy(weighted, right) + cross_entropy(weighted.T, right)) / 2


def geography_matching(image, location, scale, batch):
    """clip, and the geography term on images."""
    term = geography_term(image, batch.position_m, batch.codes["city"])
    return clip(image, location, scale, batch) + batch.recipe.tuned.strength * term


def geography_term(image, position_m, city):
    """Mean of (D^V_ij - D^U_ij)^2: visual distances are to match distances on the ground (AddressCLIP, 2407.08156).

    D^V = 1 - cos (the notes at hand print the cosine, which would push near photos apart); D^U = L1 distance of
    positions (B, 2) min-max normalised in the batch, each city (B,) by itself; pairs of two cities do not count.
    """
    total, pairs = image.new_zeros(()), 0
    for code in city.unique():
        here = city == code
        low, high = position_m[here].amin(dim=0), position_m[here].amax(dim=0)
        unit = (position_m[here] - low) / (high - low).clamp_min(1e-6)
        ground = (unit[:, None] - unit[None]).abs().sum(dim=-1)
        seen = image[here].float()
        total = total + (1 - seen @ seen.T - ground).square().sum()
        pairs += len(unit) ** 2
    return total / max(pairs, 1)


def soft_contrastive(image, location, scale, batch):
    """-mean_i log(sum_j s_ij e^{a z_i.z_j} / sum_j e^{a z_i.z_j}), j != i, s Gaussian of the distance, 1 at 0.

    Inspired by soft contrastive learning for localization (Thoma et al. 2020), whose exact loss was not at hand. Photos
    far from all others (no s above 1e-6) do not count.
    """
    near = batch.near(losses.gaussian)
    near = near.masked_fill(losses.itself(near), 0.0)
    logits = (scale.float() * image.float() @ image.float().T).masked_fill(losses.itself(near), -torch.inf)
    counts = near.amax(dim=1) > 1e-6
    surprise = torch.logsumexp(logits, dim=1) - torch.logsumexp(logits + near.clamp_min(1e-12).log(), dim=1)
    return surprise[counts].sum() / counts.sum().clamp_min(1)


def generalized_contrastive(image, location, scale, batch):
    """Mean over pairs of psi d^2 / 2 + (1 - psi) max(margin - d, 0)^2 / 2, d = |z_i - z_j| (arXiv 2303.11739).

    psi in 0..1, how alike two photos are meant to be: overlap of the fields of view there, a Gaussian of their distance
    here, since positions are all that every source has. The margin is the tuned strength.
    """
    apart = (2 - 2 * image.float() @ image.float().T).clamp_min(1e-12).sqrt()
    alike, margin, n = batch.near(losses.gaussian), batch.recipe.tuned.strength, len(image)
    pairs = alike * apart.square() / 2 + (1 - alike) * relu(margin - apart).square() / 2
    return (pairs.sum() - pairs.diagonal().sum()) / (n * (n - 1))


def cells(logits, cell_distance_m, scale, batch):
    """Cross-entropy of the cell whose centre is nearest (as in PlaNet, Weyand et al. 2016); both (B, C)."""
    return cross_entropy(logits.float(), cell_distance_m.argmin(dim=1))


def smoothed_cells(logits, cell_distance_m, scale, batch):
    """-mean_i sum_c y_ic log softmax_c, y_ic = exp(-(d_ic - min_c d_ic) / bandwidth): PIGEON's targets, not normalised,
    as released (arXiv 2307.05845). cell_distance_m (B, C): from each photo to the centre of each cell.
    """
    beyond = (cell_distance_m - cell_distance_m.amin(dim=1, keepdim=True)) / batch.bandwidth_m[:, None]
    targets = torch.exp(-beyond.clamp_max(60.0))  # as losses.falling
    return -(targets * logits.float().log_softmax(dim=1)).sum(dim=1).mean()


def coordinates(predicted, position, scale, batch):
    """Mean Huber loss of positions (B, 3) in units of the study's spread: outliers, wrong cities, pull linearly."""
    return smooth_l1_loss(predicted.float(), position.float(), beta=0.1)


def guided(image, location, scale, batch, rule=""):
    """Photos choose among the places of the batch and the queue; a rule of negatives weighs those."""
    logits, features = losses.logits_of(image, location, scale), normalize(batch.features, dim=1)
    alike, strength = features[: len(image)] @ features.T, batch.recipe.tuned.strength
    return negatives.guided_loss(logits, batch.distance_m, alike, batch.guide, rule, strength)


@dataclass(frozen=True)
class Method:
    """tuned: name -> values of its two most important parameters, 12 trials; none for a control, which has the values
    of what it controls; says: one sentence for tables and pages, of a control with the explanation that it rules out;
    place: what stands for a place, 'tower' (a location tower), 'photo' (one taken there), 'cell' or 'position'.
    """

    loss: Callable
    tuned: dict
    says: str
    place: str = "tower"
    kernel: str = ""  # of the targets; empty for the one that the page asks for
    tower: str = ""  # the location tower, with a queue of places if it is capsules; empty for the one the page asks for
    guided: bool = False  # whether the loss needs a negatives.Guide
    like: str = ""  # the method whose tuned parameters it has, but for its own


RATE, DECAY = {"learning_rate": [0.0002, 0.001, 0.005]}, {"weight_decay": [0.01, 0.1, 0.3, 1.0]}
WIDTH, STRENGTH = {"bandwidth_m": [50.0, 100.0, 200.0, 400.0]}, {"strength": [0.1, 0.3, 1.0, 3.0]}
GUIDED = {"tower": "capsules", "guided": True, "like": "geoclip"}
METHODS = {
    "clip": Method(clip, RATE | DECAY,
        "one right place per photo, InfoNCE (Radford et al. 2021): SW-CLIP's ablation 'only L-a-T'"),
    "sw_clip": Method(sw_clip, RATE | WIDTH,
        "spatially weighted targets: near places are partly right (arXiv 2604.04357, eq. 4 and 5)"),
    "variogram_clip": Method(sw_clip, RATE | {"prior_share": [0.0, 0.3, 0.6, 0.9]},
        "targets that fall as the fitted semivariogram of the pilots rises", kernel="variogram"),
    "label_smoothing": Method(label_smoothing, RATE | WIDTH,
        "targets as soft as sw_clip's, the same for all other places"),
    "shuffled_distances": Method(shuffled_distances, RATE | WIDTH,
        "sw_clip's targets with the weights of other places permuted"),
    "city_uniform": Method(city_uniform, {},
        "sw_clip's weight of the right place, the rest even over its city: a gain over it is more than a city label",
        like="sw_clip"),
    "permuted_within_city": Method(permuted_within_city, {},
        "sw_clip's weights permuted within the city: a gain over it is more than a city label and soft targets",
        like="sw_clip"),
    "permuted": Method(shuffled_distances, {},
        "shuffled_distances with the values of sw_clip: a gain over it is more than soft targets",
        like="sw_clip"),
    "near_negatives": Method(near_negatives, RATE | {"strength": [0.3, 1.0, 3.0, 10.0]},
        "InfoNCE in which near negatives weigh more (weights of HierLoc, arXiv 2601.23064)"),
    "geography_matching": Method(geography_matching, RATE | {"strength": [0.03, 0.1, 0.3, 1.0]},
        "clip, and visual distances that match distances on the ground (term of AddressCLIP, arXiv 2407.08156)"),
    "soft_contrastive": Method(soft_contrastive, RATE | WIDTH,
        "photos against photos, near ones partly alike (inspired by Thoma et al. 2020): names training places only",
        place="photo"),
    "generalized_contrastive": Method(generalized_contrastive, RATE | {"strength": [0.4, 0.8, 1.2, 1.6]},
        "photos against photos, graded similarity and a margin (GCL, arXiv 2303.11739): names training places only",
        place="photo"),
    "cells": Method(cells, RATE | {"cell_size_m": [200.0, 400.0, 800.0, 1600.0]},
        "classification of cells, then the place nearest to the cell's centre: names training cells only",
        place="cell"),
    "smoothed_cells": Method(smoothed_cells, RATE | WIDTH,
        "the same with targets that fall with distance (PIGEON, arXiv 2307.05845): names training cells only",
        place="cell"),
    "own": Method(sw_clip, WIDTH | {"prior_share": [0.1, 0.3, 0.6]},
        "ours: sw_clip with a share of the weight for the same street, district, city and country"),
    "geoclip": Method(guided, RATE | {"noise_m": [0.0, 10.0, 30.0, 100.0]},
        "capsules at several scales and a queue of places (GeoCLIP, arXiv 2309.16020; two finer ones and sizes: ours)",
        tower="capsules"),
    "geoclip_semivariogram": Method(functools.partial(guided, rule="semivariogram"), RATE | STRENGTH,
        "geoclip whose near look-alikes weigh less and far ones more, by the semivariogram (idea of arXiv 2509.21573)",
        **GUIDED),
    "geoclip_precursor": Method(functools.partial(guided, rule="precursor"), RATE | STRENGTH,
        "geoclip with the rule of the precursor's code: near pairs more different than expected have larger logits",
        **GUIDED),
    "geoclip_look_alikes": Method(functools.partial(guided, rule="look_alikes"), RATE | STRENGTH,
        "geoclip whose look-alikes weigh more wherever they are: the control without geography (HCL, arXiv 2010.04592)",
        **GUIDED),
    "coordinates": Method(coordinates, RATE | DECAY, "regression of the position, then the nearest place",
        place="position"),
}  # fmt: skip


def name_of(row):
    """The method of a row of a comparison: 'sw_clip' for 'sw_clip-bandwidth_m-50'."""
    return row.partition("-")[0]


def get(name):
    """A row of METHODS, that of sw_clip for 'sw_clip-bandwidth_m-50' too. ValueError lists the names if unknown."""
    name = name_of(name)
    if name not in METHODS:
        raise ValueError(f"no method {name!r}: there are {', '.join(METHODS)}")
    return METHODS[name]


NEIGHBOURHOODS = {"pull": losses.neighbourhood_pull, "ranking": losses.neighbourhood_ranking}


def total_loss(image, location, scale, batch):
    """The loss of the recipe's method, and the regularisers that it asks for where there is a location tower."""
    row, loss = get(batch.recipe.method), batch.recipe.loss
    found = row.loss(image, location, scale, batch)
    if row.place == "tower" and loss.neighbourhood_weight:
        term = NEIGHBOURHOODS[loss.neighbourhood]
        pulled = term(image, batch.weights) + term(location, batch.weights)
        found = found + loss.neighbourhood_weight * pulled / 2
    if row.place == "tower" and loss.fairness_weight:
        fair = losses.regional_fairness(image, location, scale, batch.codes["district"])
        found = found + loss.fairness_weight * fair
    return found
