"""Spatial targets, regularisers and the contrastive loss: pure functions of unit vectors, distances and weights.

Row i of weights (B, B) says what photo i, and place i, should answer; each direction brings its own rows to a sum of 1.
"""

import numpy as np
import pandas as pd
import torch

from geonb.earth.sphere import EARTH_RADIUS_M

# weights of the hierarchical prior, finest level first (SW-CLIP names the levels and gives no weights: our choice)
LEVELS = {"street": 1.0, "district": 0.5, "city": 0.25, "country": 0.125}
SOFTNESS = {
    "kernel": "kernel of the target",
    "own_share": "median weight of the photo's own place [share]",
    "neighbours": "median number of other places above 1 % [count]",
}
HALVINGS = 30  # of the search for a matched entropy: beyond float32
SHARPNESS = 10.0  # of similarities in neighbourhood_ranking
NEAR_FIRST_M = 2_000_000.0
CITY_M = 10_000.0  # of points so near the first of a batch the chord is as long as the arc, to 4 cm


def pair_distance_m(whole_m, rest_m, rows=None):
    """Great-circle distances (n, n) float32 of points from sphere.split_xyz_m, or of the first so many `rows` to all.

    d = 2 R asin(|a - b| / 2R) of positions relative to the first, whose float32 is good to 0.2 m within NEAR_FIRST_M of
    it; for wider batches 2 R atan(|a - b| / |a + b|) of both parts, stable to the antipode (Kahan). Never the
    matrix-product form of cdist, which is wrong by hundreds of metres; its difference form takes twice as long.
    """
    relative = (whole_m - whole_m[:1]) + (rest_m - rest_m[:1])
    farthest_m = relative.abs().max()
    if farthest_m < NEAR_FIRST_M:
        x, y, z = (relative / (2 * EARTH_RADIUS_M)).T.contiguous()
        squared, apart = (x[:rows, None] - x).square_(), y[:rows, None] - y
        squared.addcmul_(apart, apart)
        squared.addcmul_(torch.sub(z[:rows, None], z, out=apart), apart)
        half = squared.sqrt_() if farthest_m < CITY_M else squared.sqrt_().asin_()
        return half.mul_(2 * EARTH_RADIUS_M)
    apart = (whole_m[:rows, None] - whole_m[None]) + (rest_m[:rows, None] - rest_m[None])
    together = (whole_m[:rows, None] + whole_m[None]) + (rest_m[:rows, None] + rest_m[None])
    return 2 * EARTH_RADIUS_M * torch.atan2(apart.norm(dim=-1), together.norm(dim=-1))


def one_hot(distance_m, bandwidth_m=None, cutoff_m=None):
    """Weight 1 for the photo's own place, 0 for all others: CLIP's target (Radford et al. 2021)."""
    return torch.eye(len(distance_m), device=distance_m.device)


def gaussian(distance_m, bandwidth_m, cutoff_m):
    """exp(-d^2 / (2 bandwidth^2)) within the cutoff, 0 beyond (SW-CLIP, arXiv 2604.04357, eq. 4)."""
    return falling((distance_m * (-0.5 / bandwidth_m**2)).mul_(distance_m)).mul_(within(distance_m, cutoff_m))


def exponential(distance_m, bandwidth_m, cutoff_m):
    """exp(-d / bandwidth) within the cutoff: the form of PIGEON's haversine smoothing (arXiv 2307.05845)."""
    return falling(distance_m / -bandwidth_m).mul_(within(distance_m, cutoff_m))


def uniform(distance_m, bandwidth_m, cutoff_m):
    """1 within the bandwidth, 0 beyond."""
    return (distance_m <= bandwidth_m).float() * within(distance_m, cutoff_m)


def falling(x):
    """exp(x) in the place of x <= 0, 1e-26 at least: denormal numbers are slow, also divided by a batch squared."""
    return x.clamp_min_(-60.0).exp_()


def within(distance_m, cutoff_m):
    """1 below the cutoff, 0 from it on; in floating point, which takes a third of the time of a mask."""
    return (cutoff_m - distance_m).sign_().clamp_min_(0.0)


KERNELS = {kernel.__name__: kernel for kernel in (one_hot, gaussian, exponential, uniform)}


def kernel_weights(distance_m, *, kernel, bandwidth_m, cutoff_m):
    """Weights (n, n) >= 0 by one of KERNELS, 1 on the diagonal; lengths > 0: numbers, or tensors (n,) for the rows."""
    lengths = (torch.as_tensor(x, dtype=torch.float32, device=distance_m.device) for x in (bandwidth_m, cutoff_m))
    return KERNELS[kernel](distance_m, *(length.reshape(-1, 1) for length in lengths))


def curve_weights(distance_m, lag_m, weight):
    """Weights (n, n) read off a curve (m,) at lags (m,) from 0 up, see variograms.models.kernel_curve; 1 for itself.

    Linear between lags, the last weight beyond them.
    """
    at = torch.searchsorted(lag_m, distance_m.contiguous()).clamp(1, len(lag_m) - 1)
    low, high = lag_m[at - 1], lag_m[at]
    share = ((distance_m - low) / (high - low)).clamp(0, 1)
    found = weight[at - 1] + share * (weight[at] - weight[at - 1])
    return found.masked_fill(itself(distance_m), 1.0)


def itself(square):
    """Mask (n, n) of the diagonal of a matrix."""
    return torch.eye(len(square), dtype=torch.bool, device=square.device)


def shared_levels(codes):
    """Hierarchical prior (n, n): the weight in LEVELS of the finest level that two photos share, 1 for itself.

    codes: level -> whole numbers (n,), -1 where unknown, which is shared with nobody (arXiv 2604.04357, section 3).
    """
    shared = [((code[:, None] == code[None]) & (code[:, None] >= 0)).float() * LEVELS[level]
              for level, code in codes.items()]  # fmt: skip
    return torch.stack(shared).amax(dim=0).fill_diagonal_(1.0)


def row_targets(weights):
    """Weights brought to rows that sum to 1."""
    return weights / weights.sum(dim=1, keepdim=True)


def softness(targets):
    """How soft some targets are, {kernel: (n, n) array}: a table of columns SOFTNESS."""
    rows = [(kernel, float(np.median(target.diagonal())), np.median((target > 0.01).sum(axis=1) - 1))
            for kernel, target in targets.items()]  # fmt: skip
    return pd.DataFrame(rows, columns=list(SOFTNESS))


def smoothed_alike(weights):
    """Label smoothing (n, n) whose every row has the entropy of the same row of the weights, blind to distance.

    1 - e on the own place and e / (n - 1) on each other, e by bisection up to (n - 1) / n, where all shares are equal.
    """
    targets, n = row_targets(weights), len(weights)
    wanted = -torch.special.xlogy(targets, targets).sum(dim=1)
    low, high = torch.zeros_like(wanted), torch.full_like(wanted, (n - 1) / n)
    for _ in range(HALVINGS):
        e = (low + high) / 2
        softer = -torch.special.xlogy(1 - e, 1 - e) - torch.special.xlogy(e, e / (n - 1))
        low, high = torch.where(softer < wanted, e, low), torch.where(softer < wanted, high, e)
    return (e / (n - 1))[:, None].expand(n, n).diagonal_scatter(1 - e)


def shuffled_alike(weights):
    """The weights (n, n) with those of the other places permuted within every row: entropy kept, geography lost."""
    n = len(weights)
    away = (~itself(weights)).nonzero()[:, 1].reshape(n, n - 1)
    others = weights.gather(1, away)
    order = torch.rand(others.shape, device=weights.device).argsort(dim=1)
    return weights.scatter(1, away, others.gather(1, order))


def city_uniform(weights, city):
    """Targets (n, n) that know the city and nothing else: own weight as in the weights, the rest even over the city.

    Rules out, for what gains over it, that a label of the city would have done the same. city (n,): whole numbers, -1
    where unknown, which is shared with nobody. A photo that meets no other of its city has its own place alone, with
    weight 1: there is nobody to share with.
    """
    own, fellows = row_targets(weights).diagonal(), of_the_same(city).float()
    count = fellows.sum(dim=1)
    own = torch.where(count > 0, own, 1.0)
    return (fellows * ((1 - own) / count.clamp_min(1))[:, None]).diagonal_scatter(own)


def permuted_within(weights, city):
    """The weights (n, n) with those of the other places of a photo's city permuted within every row, see city_uniform.

    Rules out, for what gains over it, that the city or a soft target would have done the same: both are kept, and
    geography within the city is lost. The weights of places elsewhere stay.
    """
    fellows, elsewhere = of_the_same(city), torch.arange(1.0, len(weights) + 1, device=weights.device)
    in_order = torch.where(fellows, 0.0, elsewhere).argsort(dim=1, stable=True)
    shuffled = torch.where(fellows, torch.rand_like(weights), elsewhere).argsort(dim=1)
    return weights.scatter(1, in_order, weights.gather(1, shuffled))


def of_the_same(city):
    """Mask (n, n) of the other photos of a photo's city (n,): whole numbers, -1 where unknown."""
    return ((city[:, None] == city[None]) & (city[:, None] >= 0)).fill_diagonal_(False)


def logits_of(image, location, scale):
    """scale * image . location (B, B) in float32 whatever autocast says."""
    with torch.autocast(image.device.type, enabled=False):
        return scale.float() * image.float() @ location.float().T


def contrastive_loss(image, location, scale, weights, *, location_to_image=True):
    """Cross-entropy between weights (B, B) and the softmax over the batch of unit vectors (B, d), mean of directions.

    L = -(1/B) sum_ij w_ij log softmax_j(scale * image_i . location_j), rows of w normalised (SW-CLIP eq. 5; the paper
    writes image to location only). With w the identity this is CLIP's loss.
    """
    logits, targets = logits_of(image, location, scale), row_targets(weights)
    directions = [logits, logits.T] if location_to_image else [logits]
    return sum(-(targets * side.log_softmax(dim=1)).sum(dim=1).mean() for side in directions) / len(directions)


def neighbourhood_pull(vectors, weights):
    """Mean squared distance of neighbours' unit vectors: sum_ij w_ij |z_i - z_j|^2 / sum_ij w_ij over i != j, or 0.

    Neighbourhood consistency within one modality. SW-CLIP names it and gives no equation: this one is ours.
    """
    others = weights - torch.diag_embed(weights.diagonal())
    apart = 2 - 2 * vectors.float() @ vectors.float().T
    return (others * apart).sum() / others.sum().clamp_min(1e-12)


def neighbourhood_ranking(vectors, weights):
    """-mean_i sum_j p_ij log softmax_j(SHARPNESS * z_i . z_j), j != i, p the off-diagonal weights brought to rows.

    The same by ranking, ours too. Photos without a neighbour do not count.
    """
    others = weights.masked_fill(itself(weights), 0.0)
    total = others.sum(dim=1)
    similarity = (SHARPNESS * vectors.float() @ vectors.float().T).masked_fill(itself(weights), -torch.inf)
    surprise = -(others * similarity.log_softmax(dim=1).masked_fill(itself(weights), 0.0)).sum(dim=1)
    return (surprise / total.clamp_min(1e-12))[total > 0].sum() / (total > 0).sum().clamp_min(1)


def regional_fairness(image, location, scale, region):
    """sum_r (Perf_r - mean_r Perf)^2, Perf_r the mean probability of the own place in region r (SW-CLIP eq. 6).

    region (B,): whole numbers, -1 where unknown, which is no region; those of the batch count (eq. 6 leaves it open).
    """
    known = region >= 0
    own = logits_of(image, location, scale).softmax(dim=1).diagonal()[known]
    _, member = region[known].unique(return_inverse=True)
    count = torch.bincount(member).to(own.dtype)
    performance = torch.zeros_like(count).index_add(0, member, own) / count
    return (performance - performance.mean()).square().sum()
