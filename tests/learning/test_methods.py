"""The table of methods: what each loss looks at, and the regularisers beside it."""

from types import SimpleNamespace

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
        recipe, points, width_m, torch.from_numpy(metres).float(), codes, image, guide=GUIDE,
        curve=(torch.tensor([0.0, 300.0]), torch.tensor([0.8, 0.0])),
    )  # fmt: skip
    return image, location, torch.tensor(5.0), batch


def loss(name, changes=None, **given):
    recipe = recipes.changed(recipes.Recipe(name, "toy"), changes or {})
    return methods.total_loss(*batch_of(recipe, **given))


@pytest.mark.parametrize("name", methods.METHODS)
def test_only_spatial_methods_look_at_distances(name):
    if methods.get(name).place in ("cell", "position"):
        return  # these read them off the location tower
    near, far = loss(name), loss(name, spread_m=2_000.0)
    assert torch.isclose(near, far) == (name in ("clip", "geoclip", "geography_matching", "geoclip_look_alikes"))


CONTROLS = ("city_uniform", "permuted_within_city", "permuted")


@pytest.mark.parametrize("name", ["sw_clip", "label_smoothing", "shuffled_distances", *CONTROLS])
def test_without_weight_or_prior_a_vanishing_bandwidth_is_clip(name):
    torch.testing.assert_close(loss(name, bandwidth_m=1e-4), loss("clip"), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_that_has_nobody_to_permute_or_share_with_is_sw_clip(name):
    recipe = recipes.Recipe(name, "toy")
    *towers, batch = batch_of(recipe)
    pair = batch.of(torch.tensor([0, 1]))
    given = [vectors[:2] for vectors in towers[:2]] + [towers[2], pair]
    torch.testing.assert_close(methods.total_loss(*given), methods.sw_clip(*given))  # one other place: no other order
    pair.codes = pair.codes | {"city": torch.tensor([0, 1])}
    expected = methods.clip if name == "city_uniform" else methods.sw_clip
    torch.testing.assert_close(methods.total_loss(*given), expected(*given))


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
    {"loss": {"location_to_image": False}},
])  # fmt: skip
def test_what_a_recipe_asks_for_changes_the_loss(changes):
    assert not torch.isclose(loss("sw_clip", changes), loss("sw_clip"))


ONE = torch.tensor(1.0)
LOGITS = torch.tensor([[2.0, 0.5], [1.0, 3.0]])


def known(near=None, bandwidth_m=1.0, strength=1.0):
    """What a loss may know of a batch whose nearness (B, B) is given."""
    recipe = recipes.Recipe("clip", "toy", recipes.Tuned(strength=strength))
    return SimpleNamespace(recipe=recipe, near=lambda kernel: near, bandwidth_m=torch.tensor([bandwidth_m]))


@pytest.mark.parametrize(("near", "w"), [(np.exp(-0.5), 1 + 3 * np.exp(-0.5)), (0.0, 1.0)])
def test_near_negatives_by_hand_and_those_that_weigh_nothing_more_are_clip(near, w):
    rows = [-np.log(np.exp(2) / (np.exp(2) + w * np.exp(0.5))), -np.log(np.exp(3) / (np.exp(3) + w * np.exp(1)))]
    columns = [-np.log(np.exp(2) / (np.exp(2) + w * np.exp(1))), -np.log(np.exp(3) / (np.exp(3) + w * np.exp(0.5)))]
    nearness = torch.tensor([[1.0, near], [near, 1.0]], dtype=torch.float32)
    found = methods.near_negatives(LOGITS, torch.eye(2), ONE, known(nearness, strength=3.0))
    assert found.item() == pytest.approx(np.mean(rows + columns), rel=1e-5)


def test_geography_matching_by_hand_within_each_city():
    image = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    position_m = torch.tensor([[0.0, 0.0], [500.0, 200.0], [0.0, 0.0], [40.0, 0.0]])
    city = torch.tensor([0, 0, 1, 1])
    # first city: D^U = |1| + |1| = 2, D^V = 1 - 0 = 1; second: D^U = 1 + 0, D^V = 0; both twice, and four zeros
    assert methods.geography_term(image, position_m, city).item() == pytest.approx((2 * 1 + 2 * 1) / 8)


def test_soft_contrastive_by_hand():
    image = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    distance_m = torch.tensor([[0.0, 100.0, 1e6], [100.0, 0.0, 1e6], [1e6, 1e6, 0.0]])
    s = np.exp(-0.5)
    # photo 0 sees photo 1 at 0 and photo 2 at 1; photo 1 sees both at 0; photo 2 is far from all
    expected = (np.log((1 + np.e) / s) + np.log(2 / s)) / 2
    near = torch.exp(-distance_m.square() / (2 * 100**2))
    assert methods.soft_contrastive(image, None, ONE, known(near)).item() == pytest.approx(expected, rel=1e-4)


def test_generalized_contrastive_by_hand():
    image = torch.tensor([[1.0, 0.0], [0.8, 0.6]])  # sqrt(0.4) apart
    alike = torch.exp(-torch.tensor([[0.0, 0.5], [0.5, 0.0]]))
    psi, d = np.exp(-0.5), np.sqrt(0.4)
    expected = psi * d**2 / 2 + (1 - psi) * (0.8 - d) ** 2 / 2
    found = methods.generalized_contrastive(image, None, ONE, known(alike, strength=0.8))
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_cells_are_the_surprise_about_the_nearest_or_about_all_by_their_distance():
    logits, cell_distance_m = torch.log(torch.tensor([[0.5, 0.3, 0.2]])), torch.tensor([[30.0, 105.0, 180.0]])
    said = -(np.log(0.5) + np.exp(-1) * np.log(0.3) + np.exp(-2) * np.log(0.2))
    found = methods.smoothed_cells(logits, cell_distance_m, ONE, known(bandwidth_m=75.0))
    assert found.item() == pytest.approx(said, rel=1e-5)
    nearest = methods.cells(logits, torch.tensor([[400.0, 20.0, 90.0]]), ONE, known())
    assert nearest.item() == pytest.approx(-np.log(0.3), rel=1e-5)


def test_regression_is_quadratic_near_and_linear_far():
    near, far = torch.tensor([[0.05, 0.0, 0.0]]), torch.tensor([[2.0, 0.0, 0.0]])
    truth = torch.zeros(1, 3)
    assert methods.coordinates(near, truth, ONE, known()).item() == pytest.approx(0.5 * 0.05**2 / 0.1 / 3)
    assert methods.coordinates(far, truth, ONE, known()).item() == pytest.approx((2.0 - 0.05) / 3)
