"""Spatial targets and the contrastive loss: pure functions of unit vectors, distances and target matrices."""

import torch

from geonb.sphere import EARTH_RADIUS_M


def pair_distance_m(whole_m, rest_m):
    """Great-circle distances (n, n) float32 within a batch from sphere.split_xyz_m, in the difference form.

    d = 2 R atan(|a - b| / |a + b|) is stable from one place to its antipode (Kahan). The matrix-product form of
    cdist is wrong by hundreds of metres in float32.
    """
    apart = (whole_m[:, None] - whole_m[None]) + (rest_m[:, None] - rest_m[None])
    together = (whole_m[:, None] + whole_m[None]) + (rest_m[:, None] + rest_m[None])
    return 2 * EARTH_RADIUS_M * torch.atan2(apart.norm(dim=-1), together.norm(dim=-1))


def one_hot(distance_m, bandwidth_m=None, cutoff_m=None):
    """Weight 1 for the photo's own place, 0 for all others: CLIP's target (Radford et al. 2021)."""
    return torch.eye(len(distance_m), device=distance_m.device)


def gaussian(distance_m, bandwidth_m, cutoff_m):
    """exp(-d^2 / (2 bandwidth^2)) within the cutoff, 0 beyond (SW-CLIP, arXiv 2604.04357, eq. 4)."""
    return torch.exp(-distance_m.square() / (2 * bandwidth_m**2)) * (distance_m < cutoff_m)


def exponential(distance_m, bandwidth_m, cutoff_m):
    """exp(-d / bandwidth) within the cutoff: the form of PIGEON's haversine smoothing (arXiv 2307.05845)."""
    return torch.exp(-distance_m / bandwidth_m) * (distance_m < cutoff_m)


def uniform(distance_m, bandwidth_m, cutoff_m):
    """1 within the bandwidth, 0 beyond."""
    return (distance_m <= bandwidth_m).float() * (distance_m < cutoff_m)


KERNELS = {kernel.__name__: kernel for kernel in (one_hot, gaussian, exponential, uniform)}


def kernel_weights(distance_m, *, kernel, bandwidth_m, cutoff_m):
    """Weights (n, n) >= 0, 1 on the diagonal. ValueError for an unknown kernel or lengths that are not above 0."""
    if kernel not in KERNELS:
        raise ValueError(f"no kernel {kernel!r}: there are {', '.join(KERNELS)}")
    if not (bandwidth_m > 0 and cutoff_m > 0):
        raise ValueError(f"bandwidth_m {bandwidth_m} and cutoff_m {cutoff_m} must be above 0")
    return KERNELS[kernel](distance_m, bandwidth_m, cutoff_m)


def row_targets(weights):
    """Weights brought to rows that sum to 1."""
    return weights / weights.sum(dim=1, keepdim=True)


def contrastive_loss(image, location, scale, weights, *, image_to_location=True, location_to_image=True):
    """Cross-entropy between spatial targets and the softmax over the batch, mean of the directions that are on.

    L = -(1/B) sum_ij w_ij log softmax_j(scale * image_i . location_j), rows of w normalised (SW-CLIP eq. 5; the paper
    writes image to location only). Each direction normalises its own rows. With w the identity this is CLIP's loss.
    image, location: unit vectors (B, d); weights: (B, B). Logits in float32 whatever autocast says.
    """
    if not (image_to_location or location_to_image):
        raise ValueError("at least one of image_to_location and location_to_image must be on")
    with torch.autocast(image.device.type, enabled=False):
        logits = scale.float() * image.float() @ location.float().T
    directions = [(logits, weights)] * image_to_location + [(logits.T, weights.T)] * location_to_image
    return sum(-(row_targets(w) * side.log_softmax(dim=1)).sum(dim=1).mean() for side, w in directions) / len(
        directions
    )
