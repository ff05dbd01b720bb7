"""The table of methods: what each loss looks at, and the regularisers beside it."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from geonb.earth import sphere
from geonb.learning import methods, negatives, recipes

GUIDE = negatives.Guide(np.float32([50, 500]), np.float32([0.1, 0.4]), np.float32([0.1, 0.1]), 300.0)


def batch_of(recipe, spread_m=300.0, bandwidth_m=100.0):
    """(image, location, scale, methods.Batch) of ten photos; bandwidth_m: of all, or of each."""
    torch.manual_seed(0)
    image, location = (normalize(torch.randn(10, 6), dim=1) for _ in range(2))
    metres = spread_m * np.random.default_rng(0).uniform(-1, 1, (10, 2))
    codes = {level: torch.zeros(10, dtype=torch.long) for level in ("street", "district", "city", "country")}
    points = tuple(torch.from_numpy(part) for part in sphere.split_xyz_m(sphere.from_local_m(metres, (51.0, 10.0))))
    width_m = torch.as_tensor(bandwidth_m, dtype=torch.float32).expand(10)
    batch = methods.Batch(
        recipe, points, width_m, torch.from_numpy(metres).float(), codes, image, guide=GUIDE, districts=2,
        curve=(torch.tensor([0.0, 300.0]), torch.tensor([0.8, 0.0])),
    )  # fmt: skip
    return image, location, torch.tensor(5.0), batch


def loss(name, changes=None, **given):
    recipe = recipes.changed(recipes.Recipe(name, "toy"), changes or {})
    return methods.total_loss(*batch_of(recipe, **given))


@pytest.mark.parametrize("name", methods.METHODS)
def test_only_spatial_methods_look_at_distances(name):
    blind = {"clip", "cells", "smoothed_cells", "coordinates"}  # the last three read them off the location tower
    if methods.get(name).place in ("cell", "position"):
        return
    near, far = loss(name), loss(name, spread_m=2_000.0)
    assert torch.isclose(near, far) == (name in blind or name in ("geoclip", "geography_matching", *LOOKS))


LOOKS = ("geoclip_look_alikes",)  # a scale of positions that are brought to one size, or similarity alone


@pytest.mark.parametrize("name", ["sw_clip", "label_smoothing", "shuffled_distances"])
def test_without_weight_or_prior_a_vanishing_bandwidth_is_clip(name):
    torch.testing.assert_close(loss(name, bandwidth_m=1e-4), loss("clip"), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", [
    "sw_clip", "label_smoothing", "near_negatives", "soft_contrastive", "generalized_contrastive", "smoothed_cells",
])  # fmt: skip
def test_every_kernel_has_the_bandwidth_of_each_photo(name):
    same, other = torch.full((10,), 100.0), torch.cat([torch.full((9,), 100.0), torch.tensor([30.0])])
    torch.testing.assert_close(loss(name, bandwidth_m=same), loss(name))
    assert not torch.isclose(loss(name, bandwidth_m=other), loss(name))


@pytest.mark.parametrize("changes", [
    {"tuned": {"prior_share": 0.5}}, {"loss": {"neighbourhood_weight": 1.0}}, {"loss": {"kernel": "variogram"}},
    {"loss": {"neighbourhood_weight": 1.0, "neighbourhood": "ranking"}}, {"loss": {"cutoff_bandwidths": 0.5}},
    {"loss": {"image_to_location": False}}, {"loss": {"location_to_image": False}},
])  # fmt: skip
def test_what_a_recipe_asks_for_changes_the_loss(changes):
    assert not torch.isclose(loss("sw_clip", changes), loss("sw_clip"))


def test_guided_negatives_need_frozen_features():
    *vectors, batch = batch_of(recipes.Recipe("geoclip_semivariogram", "toy"))
    batch.features = None
    with pytest.raises(ValueError, match="guided negatives need frozen features"):
        methods.total_loss(*vectors, batch)
