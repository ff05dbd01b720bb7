"""Photos of two cities whose features tell where they were taken, and small recipes that train on them in a second."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from geonb.earth import sphere
from geonb.learning import recipes, training_arrays

CENTRES = np.array([[50.0, 10.0], [40.0, -20.0]])
FITTED = {"model": "exponential", "nugget": 0.1, "partial_sill": 0.4, "effective_range_m": 300.0, "flag": "",
          "theta": [0.4, 100.0]}  # fmt: skip
PLACES = pd.DataFrame({
    "street": ["Elm Row", "Oak Lane"], "city": ["Velmora", "Ostrand"], "country": "Lutania",
    "lat_deg": [50.5, -10.25], "lon_deg": [7.125, 179.5],
})  # fmt: skip


def two_cities(n=300, seed=0):
    """training_arrays.Data with split 'toy' of photos whose features are noisy linear readings of where they are."""
    rng = np.random.default_rng(seed)
    second = np.arange(n) % 2 == 1
    metres = rng.uniform(-500, 500, (n, 2))
    at = np.where(second[:, None], *(sphere.from_local_m(metres, centre) for centre in CENTRES[::-1]))
    seen = np.column_stack([metres / 500, second, ~second]).astype(float) @ rng.normal(size=(4, 24))
    features = seen + 0.05 * rng.normal(size=seen.shape)
    city = np.where(second, "B", "A")
    photos = pd.DataFrame({
        "photo_id": [f"p{k}" for k in range(n)], "city": city, "country": "L", "district": city, "street": city,
        "lat_deg": at[:, 0], "lon_deg": at[:, 1],
    })  # fmt: skip
    part = np.array(["train", "train", "train", "validation", "test"] * (n // 5), dtype=object)
    unit = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    grid = photos[part == "train"].reset_index(drop=True)
    return training_arrays.Data(photos, unit, {"toy": part}, grid, lambda cities: FITTED, {"A": 300.0})


@pytest.fixture(scope="session")
def data():
    return two_cities()


def small(method="sw_clip", changes=None):
    """A recipe for two_cities of few steps, with some changes."""
    course = {"steps": 60, "batch_size": 60, "evaluate_every": 10, "checkpoint_every": 10, "queue": 0}
    base = recipes.Recipe(method, "toy", recipes.Tuned(learning_rate=5e-3, cell_size_m=200.0, noise_m=0.0))
    base = recipes.changed(base, {"course": course, "towers": {"size": 16}})
    return recipes.changed(base, changes or {})


def with_photos(data, **columns):
    """The data with other columns of the photos."""
    return replace(data, photos=data.photos.assign(**columns))
