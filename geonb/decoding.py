"""From similarities to a position: the best place, the best neighbourhood, or the middle of the best places."""

from functools import lru_cache

import numpy as np
from scipy.sparse import coo_array
from scipy.spatial import cKDTree

from geonb import checks, sphere

REACH = 3.0  # a kernel of smoothing ends at so many bandwidths


def posterior(similarity, scale):
    """Softmax (n, m) over the places of scale * similarity (n, m): the probability that the loss gave each place.

    A similarity of -inf leaves a place out. ValueError for photos that no place is left to.
    """
    check_choice(similarity)
    checks.number("scale", scale, above=0)
    logits = scale * (similarity - similarity.max(axis=1, keepdims=True))
    weight = np.exp(np.maximum(logits, -80))
    return weight / weight.sum(axis=1, keepdims=True)


def check_choice(similarity):
    """Nothing, or a ValueError for photos (n, m) without a place to choose: argmax would name the first of all."""
    if not similarity.shape[1]:
        raise ValueError("there is no place to choose among: the gallery is empty")
    if none := int((~np.isfinite(similarity.max(axis=1))).sum()):
        raise ValueError(f"{none} of {len(similarity)} photos have no place to choose among: has their city any?")


def smoother(lat_lon_deg, bandwidth_m):
    """Sparse Gaussian weights (m, m) between places (m, 2) that lie within three bandwidths of each other."""
    checks.number("bandwidth_m", bandwidth_m, above=0, way_out="the width of smoothing")
    return smoother_of(np.asarray(lat_lon_deg, dtype=np.float64).tobytes(), float(bandwidth_m))


@lru_cache(maxsize=5)  # one gallery at as many bandwidths as validation tries: every method and part asks for it again
def smoother_of(lat_lon_deg, bandwidth_m):
    """The smoother of the bytes of float64 positions."""
    points = sphere.unit_xyz(np.frombuffer(lat_lon_deg).reshape(-1, 2)) * sphere.EARTH_RADIUS_M
    near = cKDTree(points).sparse_distance_matrix(cKDTree(points), REACH * bandwidth_m, output_type="coo_matrix")
    weight = np.exp(-(near.data**2) / (2 * bandwidth_m**2))
    return coo_array((weight, (near.row, near.col)), shape=near.shape).tocsr()


def best_neighbourhood(probability, weights):
    """Index (n,) of the place with the largest smoothed probability: many fair places together beat a lonely good one.

    probability (n, m): see posterior; weights (m, m): see smoother. Places that lie closely count together, so a
    gallery that is denser somewhere draws answers there.
    """
    return np.asarray((weights @ probability.T).argmax(axis=0)).ravel()


def geometric_median(similarity, scale, lat_lon_deg, k, *, steps=50):
    """Positions (n, 2) with the smallest weighted sum of distances to the k most similar places of each photo.

    Weights are the posterior. Weiszfeld's iteration along straight lines through the Earth, then back to its surface;
    a middle between streets may be named that no gallery holds. ValueError for k beyond the gallery.
    """
    checks.count("k", k, most=len(lat_lon_deg), way_out="no more than there are places in the gallery")
    check_choice(similarity)
    best = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
    weight = posterior(np.take_along_axis(similarity, best, axis=1), scale)
    points = sphere.unit_xyz(lat_lon_deg)[best] * sphere.EARTH_RADIUS_M
    middle = (weight[..., None] * points).sum(axis=1)
    for _ in range(steps):
        pull = weight / np.maximum(np.linalg.norm(points - middle[:, None], axis=2), 0.01)
        middle = (pull[..., None] * points).sum(axis=1) / pull.sum(axis=1, keepdims=True)
    return sphere.lat_lon_of(middle)
