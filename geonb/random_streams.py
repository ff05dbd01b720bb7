"""Seeds: one number of a study gives every part of it a random stream of its own, the same at each run."""

import hashlib

import numpy as np


def stream(seed, *name):
    """A generator of its own for a named purpose: stream(0, "splits", "blocked").

    Another name, or another order of work, never changes the numbers of this one. ValueError for a negative seed.
    """
    if seed < 0:
        raise ValueError(f"seed {seed} must be a whole number of at least 0")
    words = [int.from_bytes(hashlib.sha256(str(part).encode()).digest()[:8], "big") for part in name]
    return np.random.default_rng([seed, *words])


def seed_torch(seed, *name):
    """Seed torch's default generators for a named purpose and ask it for repeatable kernels."""
    import torch

    torch.manual_seed(int(stream(seed, *name).integers(2**31)))
    torch.use_deterministic_algorithms(True, warn_only=True)
