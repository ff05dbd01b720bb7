"""GeoCLIP's towers (Vivanco Cepeda et al. 2023, arXiv 2309.16020): capsules of Fourier features on Equal Earth.

Positions are projected in float64 and enter as two float32 parts, so that what is left after subtracting the middle of
the training places is exact; phases are in float32 whatever autocast says: in bfloat16 sigma 2^8 would be noise.
"""

import os
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn.functional import normalize

from geonb import files, random_streams
from geonb.earth import sphere

SCALE = 66.50336 / 180  # of Equal Earth's x in degrees: the equator runs from -1 to 1
RELEASED_SIGMAS = (2.0**0, 2.0**4, 2.0**8)  # waves of 20,000, 1,250 and 78 km at one sigma
FINE_SIGMAS = (2.0**12, 2.0**16)  # ours: waves of 5 km and 300 m, without which two places of a city look alike
RELEASED_FILES = {
    "image": "image_encoder_mlp_weights.pth",
    "location": "location_encoder_weights.pth",
    "log_scale": "logit_scale_weights.pth",
}
READ_RAW = (
    "GeoCLIP's released image layers were trained on CLIP's features before normalisation, and those here are unit "
    "vectors: the image head starts from weights that do not fit them."
)


def read_places(lat_lon_deg):
    """What a CapsuleTower reads (n, 8) float32: x and y, each in two parts, and how they change per metre east, north.

    x, y: Equal Earth scaled to -1..1. The last four are dx/deast, dx/dnorth, dy/deast, dy/dnorth [1/m], by central
    differences, so that noise is as wide on the ground at every latitude.
    """
    lat_lon_deg, metre_deg = np.asarray(lat_lon_deg, float), np.degrees(1 / sphere.EARTH_RADIUS_M)
    at = sphere.equal_earth(lat_lon_deg) * SCALE
    nothing, narrowed = np.zeros(len(at)), np.maximum(np.cos(np.radians(lat_lon_deg[:, 0])), 1e-6)  # no east at a pole
    east, north = np.stack([nothing, metre_deg / narrowed], axis=1), np.stack([nothing + metre_deg, nothing], axis=1)
    apart = [sphere.equal_earth(lat_lon_deg + by) - sphere.equal_earth(lat_lon_deg - by) for by in (east, north)]
    slope = np.stack(apart, axis=-1).reshape(len(at), 4) * SCALE / 2
    whole = at.astype(np.float32)
    return torch.from_numpy(np.hstack([whole, at - whole, slope]).astype(np.float32))


class Waves(nn.Module):
    """Positions (n, 2) relative to a middle to cosines and sines (n, 2 * frequencies) of 2 pi b (middle + position).

    b (frequencies, 2) is drawn from N(0, sigma^2) and never trained (Tancik et al. 2020).
    """

    def __init__(self, sigma, frequencies, middle):
        super().__init__()
        drawn = random_streams.stream(0, "capsule", str(sigma)).normal(0, sigma, (frequencies, 2))
        self.middle = middle
        self.register_buffer("b", torch.from_numpy(drawn).float())
        self.register_buffer("offset", torch.zeros(frequencies), persistent=False)
        self.settle()

    def settle(self):
        """Set the phases of the middle, in float64, after b was set."""
        turns = self.b.double().cpu() @ torch.from_numpy(self.middle)
        self.offset.copy_(2 * torch.pi * (turns - turns.floor()))

    def forward(self, position):
        with torch.autocast(position.device.type, enabled=False):
            phase = 2 * torch.pi * (position @ self.b.T) + self.offset
            return torch.cat([phase.cos(), phase.sin()], dim=-1)


class Capsule(nn.Module):
    """One scale of GeoCLIP's location encoder: waves, three layers, a head. Names are those of the released weights."""

    def __init__(self, sigma, frequencies, hidden, size, middle):
        super().__init__()
        widths = [2 * frequencies, hidden, hidden, hidden]
        layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
        self.capsule = nn.Sequential(Waves(sigma, frequencies, middle), *layers)
        self.head = nn.Sequential(nn.Linear(hidden, size))

    def forward(self, position):
        return self.head(self.capsule(position))


class CapsuleTower(nn.Module):
    """Places (n, 8), see read_places, to unit vectors (n, size): the sum of capsules at several scales.

    noise_m: standard deviation of the GPS noise that every place gets in training, east and north [m]; GeoCLIP has a
    larger one for the queue.
    """

    def __init__(self, lat_lon_deg, size=512, *, sigmas=RELEASED_SIGMAS, frequencies=256, hidden=1024, noise_m=0.0):
        super().__init__()
        middle = sphere.equal_earth(sphere.centre(lat_lon_deg)) * SCALE
        self.noise_m = noise_m
        self.register_buffer("whole", torch.from_numpy(middle).float(), persistent=False)
        self.register_buffer("rest", torch.from_numpy(middle - np.float32(middle)).float(), persistent=False)
        for n, sigma in enumerate(sigmas):
            self.add_module(f"LocEnc{n}", Capsule(sigma, frequencies, hidden, size, middle))

    def forward(self, places):
        relative = (places[:, :2] - self.whole) + (places[:, 2:4] - self.rest)
        if self.training and self.noise_m:
            metres = self.noise_m * torch.randn(len(places), 2, 1, device=places.device)
            relative = relative + (places[:, 4:].reshape(-1, 2, 2) @ metres)[:, :, 0]
        return normalize(sum(capsule(relative) for capsule in self.children()).float(), dim=-1)


def load_released(towers, folder):
    """Put GeoCLIP's released weights (RELEASED_FILES, read without unpickling code) into two towers.

    folder: from the repository, may begin with ~ or $NAME; towers: trainable_towers.TwoTowers in the sizes that were
    released; see READ_RAW. FileNotFoundError without a file, RuntimeError with the names where they do not fit.
    """
    folder = files.ROOT / os.path.expanduser(os.path.expandvars(folder))
    found = {part: torch.load(folder / name, "cpu", weights_only=True) for part, name in RELEASED_FILES.items()}
    for part in ("image", "location"):
        getattr(towers, part).load_state_dict(found[part])
    for module in towers.location.modules():
        if isinstance(module, Waves):
            module.settle()
    with torch.no_grad():
        towers.log_scale.copy_(found["log_scale"].reshape(()))
    return towers
