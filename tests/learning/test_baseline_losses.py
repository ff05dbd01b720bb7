"""Losses of others: each against values of its published formula that were worked out by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from geonb.learning import baseline_losses, recipes

ONE = torch.tensor(1.0)
LOGITS = torch.tensor([[2.0, 0.5], [1.0, 3.0]])


def batch(near=None, bandwidth_m=1.0, strength=1.0):
    """What a loss may know of a batch whose nearness (B, B) is given."""
    recipe = recipes.Recipe("clip", "toy", recipes.Tuned(strength=strength))
    return SimpleNamespace(recipe=recipe, near=lambda kernel: near, bandwidth_m=torch.tensor([bandwidth_m]))


def of_logits(near, strength):
    """near_negatives with LOGITS."""
    return baseline_losses.near_negatives(LOGITS, torch.eye(2), ONE, batch(near, strength=strength))


def test_near_negatives_that_weigh_nothing_more_are_clip():
    right = torch.arange(2)
    clip = (cross_entropy(LOGITS, right) + cross_entropy(LOGITS.T, right)) / 2
    torch.testing.assert_close(of_logits(torch.eye(2), 5.0), clip)


def test_near_negatives_by_hand():
    w = 1 + 3 * np.exp(-0.5)
    rows = [-np.log(np.exp(2) / (np.exp(2) + w * np.exp(0.5))), -np.log(np.exp(3) / (np.exp(3) + w * np.exp(1)))]
    columns = [-np.log(np.exp(2) / (np.exp(2) + w * np.exp(1))), -np.log(np.exp(3) / (np.exp(3) + w * np.exp(0.5)))]
    near = torch.exp(-torch.tensor([[0.0, 50.0], [50.0, 0.0]]) / 100)
    assert of_logits(near, 3.0).item() == pytest.approx(np.mean(rows + columns), rel=1e-5)


def test_geography_matching_by_hand_within_each_city():
    image = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    position_m = torch.tensor([[0.0, 0.0], [500.0, 200.0], [0.0, 0.0], [40.0, 0.0]])
    city = torch.tensor([0, 0, 1, 1])
    # first city: D^U = |1| + |1| = 2, D^V = 1 - 0 = 1; second: D^U = 1 + 0, D^V = 0; both twice, and four zeros
    assert baseline_losses.geography_term(image, position_m, city).item() == pytest.approx((2 * 1 + 2 * 1) / 8)


def test_geography_matching_wants_far_photos_to_look_different():
    position_m = torch.tensor([[0.0, 0.0], [10.0, 0.0], [1000.0, 0.0]])
    as_on_the_ground = normalize(torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]), dim=1)
    right, wrong = (baseline_losses.geography_term(image, position_m, torch.zeros(3, dtype=torch.long))
                    for image in (as_on_the_ground, as_on_the_ground[[0, 2, 1]]))  # fmt: skip
    assert right < wrong


def test_soft_contrastive_by_hand():
    image = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    distance_m = torch.tensor([[0.0, 100.0, 1e6], [100.0, 0.0, 1e6], [1e6, 1e6, 0.0]])
    s = np.exp(-0.5)
    # photo 0 sees photo 1 at 0 and photo 2 at 1; photo 1 sees both at 0; photo 2 is far from all
    expected = (np.log((1 + np.e) / s) + np.log(2 / s)) / 2
    near = torch.exp(-distance_m.square() / (2 * 100**2))
    assert baseline_losses.soft_contrastive(image, None, ONE, batch(near)).item() == pytest.approx(expected, rel=1e-4)


def test_generalized_contrastive_by_hand():
    image = torch.tensor([[1.0, 0.0], [0.8, 0.6]])  # sqrt(0.4) apart
    alike = torch.exp(-torch.tensor([[0.0, 0.5], [0.5, 0.0]]))
    psi, d = np.exp(-0.5), np.sqrt(0.4)
    expected = psi * d**2 / 2 + (1 - psi) * (0.8 - d) ** 2 / 2
    found = baseline_losses.generalized_contrastive(image, None, ONE, batch(alike, strength=0.8))
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_cells_are_the_surprise_about_the_nearest_or_about_all_by_their_distance():
    logits, cell_distance_m = torch.log(torch.tensor([[0.5, 0.3, 0.2]])), torch.tensor([[30.0, 105.0, 180.0]])
    said = -(np.log(0.5) + np.exp(-1) * np.log(0.3) + np.exp(-2) * np.log(0.2))
    found = baseline_losses.smoothed_cells(logits, cell_distance_m, ONE, batch(bandwidth_m=75.0))
    assert found.item() == pytest.approx(said, rel=1e-5)
    nearest = baseline_losses.cells(logits, torch.tensor([[400.0, 20.0, 90.0]]), ONE, batch())
    assert nearest.item() == pytest.approx(-np.log(0.3), rel=1e-5)


def test_regression_is_quadratic_near_and_linear_far():
    near, far = torch.tensor([[0.05, 0.0, 0.0]]), torch.tensor([[2.0, 0.0, 0.0]])
    truth = torch.zeros(1, 3)
    assert baseline_losses.coordinates(near, truth, ONE, batch()).item() == pytest.approx(0.5 * 0.05**2 / 0.1 / 3)
    assert baseline_losses.coordinates(far, truth, ONE, batch()).item() == pytest.approx((2.0 - 0.05) / 3)
