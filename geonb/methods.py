"""The methods of the book: each a row of one table."""

import copy
from dataclasses import dataclass

from geonb import encoders, losses


@dataclass(frozen=True)
class Method:
    """spatial: whether its targets look at distances; says: one sentence for tables and pages."""

    spatial: bool
    says: str


METHODS = {
    "clip": Method(False, "location and image by InfoNCE, one right answer per photo (Radford et al. 2021)"),
    "sw_clip": Method(True, "spatially weighted targets: near places are partly right (arXiv 2604.04357, eq. 4 and 5)"),
}


def get(name):
    """A row of METHODS. ValueError lists the names when it is unknown."""
    if name not in METHODS:
        raise ValueError(f"no method {name!r}: there are {', '.join(METHODS)}")
    return METHODS[name]


def weights_of(name, *, kernel, bandwidth_m, cutoff_m):
    """The function from distances (n, n) to target weights (n, n) of a method."""
    chosen = kernel if get(name).spatial else "one_hot"
    return lambda distance_m: losses.kernel_weights(
        distance_m, kernel=chosen, bandwidth_m=bandwidth_m, cutoff_m=cutoff_m
    )


def builder(feature_size, location_inputs, *, size, base, location_tower, train_backbone):
    """A function that makes fresh towers: an image head on frozen features, and a location tower.

    feature_size: of the image features; location_inputs: what the location tower reads; base: the open_clip tower whose
    visual part is trained too (train_backbone) or whose text part reads captions (location_tower 'text'). Its weights
    are copied, so that each training starts from the same ones.
    """

    def build():
        image = encoders.ImageHead(feature_size, size)
        if train_backbone:
            image = encoders.ImageTower(copy.deepcopy(base.model.visual), image)
        if location_tower == "text":
            return encoders.TwoTowers(image, encoders.CaptionTower(copy.deepcopy(base.model), size))
        return encoders.TwoTowers(image, encoders.FourierTower(location_inputs.shape[1], size))

    return build
