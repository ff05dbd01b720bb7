"""Losses that others published for the same question, each with the equation it is tested against.

Each takes (image, location, scale, methods.Batch): vectors of photos (B, d) and of what stands for places. Where a
source gives no formula that could be checked, the row of methods.METHODS says "inspired by".
"""

import torch
from torch.nn.functional import cross_entropy, relu, smooth_l1_loss

from geonb.learning import losses


def near_negatives(image, location, scale, batch):
    """InfoNCE whose negatives weigh w = 1 + strength * near, near (B, B) = exp(-distance / bandwidth).

    -log e^{s_ii} / (e^{s_ii} + sum_k w_ik e^{s_ik}), mean of both directions (the geographic weights of HierLoc,
    arXiv 2601.23064; cosine similarity instead of its hyperbolic distance). The opposite of a spatial target.
    """
    logits = losses.logits_of(image, location, scale)
    weight = 1 + batch.recipe.tuned.strength * batch.near(losses.exponential)
    weight = weight.masked_fill(torch.eye(len(weight), dtype=torch.bool, device=weight.device), 1.0)
    weighted, right = logits + weight.log(), torch.arange(len(logits), device=logits.device)
    return (cross_entropy(weighted, right) + cross_entropy(weighted.T, right)) / 2


def geography_term(image, position_m, city):
    """Mean of (D^V_ij - D^U_ij)^2: visual distances are to match distances on the ground (AddressCLIP, 2407.08156).

    D^V = 1 - cos; D^U = L1 distance of positions (B, 2) min-max normalised in the batch. The notes at hand print the
    cosine itself as D^V, which would push near photos apart: the sign here is the one that makes sense. AddressCLIP
    has one city; here city (B,) normalises each by itself, and pairs of two cities do not count. 0 without any pair.
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

    Photos are near to a degree, and no border parts positives from negatives: inspired by soft contrastive learning
    for localization (Thoma et al. 2020), whose exact loss was not at hand. Photos far from all others (no s above
    1e-6) do not count.
    """
    itself = torch.eye(len(image), dtype=torch.bool, device=image.device)
    near = batch.near(losses.gaussian).masked_fill(itself, 0.0)
    logits = (scale.float() * image.float() @ image.float().T).masked_fill(itself, -torch.inf)
    counts = near.amax(dim=1) > 1e-6
    said = torch.logsumexp(logits, dim=1) - torch.logsumexp(logits + near.clamp_min(1e-12).log(), dim=1)
    return said[counts].sum() / counts.sum().clamp_min(1)


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
