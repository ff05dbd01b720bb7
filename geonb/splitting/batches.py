"""Batches: which photos meet in a step of training, by seed and step alone: what was interrupted goes on the same."""

import functools

import numpy as np

from geonb import checks, random_streams
from geonb.earth import sphere


def drawer(lat_lon_deg, batch_size, *, neighbours, seed):
    """The function from a step to the indices (batch_size,) of its photos: of anchors and their nearest neighbours."""
    if not neighbours:
        return functools.partial(random_batch, photo_count=len(lat_lon_deg), batch_size=batch_size, seed=seed)
    nearest = nearest_photos(lat_lon_deg, neighbours)
    return functools.partial(neighbourhood_batch, nearest=nearest, batch_size=batch_size, seed=seed)


def queued(draw, step, length):
    """Indices (at most length,) of photos that met before, the latest step first: GeoCLIP's queue without a state."""
    checks.count("queue", length, least=0)
    found, size = [np.empty(0, int)], 0
    while size < length and step > 0:
        step -= 1
        found.append(draw(step))
        size += len(found[-1])
    return np.concatenate(found)[:length]


def random_batch(step, photo_count, batch_size, *, seed):
    """Indices (batch_size,) of a step: each epoch a new permutation, the rest dropped; ValueError for few photos."""
    checks.count("batch_size", batch_size)
    if photo_count < batch_size:
        raise ValueError(f"batch_size {batch_size} is larger than the {photo_count} training photos: make it smaller")
    epoch, place = divmod(step, photo_count // batch_size)
    order = random_streams.stream(seed, "batches", epoch).permutation(photo_count)
    return np.sort(order[place * batch_size : (place + 1) * batch_size])


def neighbourhood_batch(step, nearest, batch_size, *, seed):
    """Indices (batch_size,) of a step: anchors as in random_batch, each with its nearest (n, k); no photo twice."""
    anchors = random_batch(step, len(nearest), min(batch_size, len(nearest)), seed=seed)
    rng = random_streams.stream(seed, "neighbourhoods", step)
    groups = np.column_stack([anchors, nearest[anchors]])[rng.permutation(len(anchors))].ravel()
    _, first = np.unique(groups, return_index=True)  # a photo counts where it comes first
    drawn = groups[np.sort(first)][:batch_size]
    if len(drawn) < batch_size:
        raise ValueError(f"batch_size {batch_size} is larger than the {len(drawn)} training photos: make it smaller")
    return np.sort(drawn)


def nearest_photos(lat_lon_deg, neighbours):
    """Indices (n, neighbours) of the photos nearest to each of n positions. ValueError when there are not as many."""
    from scipy.spatial import cKDTree

    checks.count("neighbours", neighbours, most=len(lat_lon_deg) - 1, way_out="the other photos are no more")
    points = sphere.unit_xyz(lat_lon_deg)
    found = cKDTree(points).query(points, k=neighbours + 1)[1]
    itself = found == np.arange(len(points))[:, None]
    itself[~itself.any(axis=1), -1] = True  # among many photos at one place it may not be in its own list
    return found[~itself].reshape(len(points), neighbours)
