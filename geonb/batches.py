"""Batches: which photos meet in one step of training."""

import numpy as np

from geonb import seeds


def random_batch(step, photo_count, batch_size, *, seed):
    """Indices (batch_size,) of a step: each epoch a new permutation, the remainder dropped.

    It depends on seed and step alone, so a training that was interrupted goes on with the same batches. ValueError when
    there are fewer photos than a batch.
    """
    if photo_count < batch_size:
        raise ValueError(
            f"batch_size {batch_size} is larger than the {photo_count} training photos: "
            f"set batch_size to at most {photo_count}"
        )
    per_epoch = photo_count // batch_size
    epoch, place = divmod(step, per_epoch)
    order = seeds.stream(seed, "batches", epoch).permutation(photo_count)
    return np.sort(order[place * batch_size : (place + 1) * batch_size])
