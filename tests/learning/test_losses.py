"""Laws of the spatial targets and of the contrastive loss."""

import numpy as np
import open_clip
import pytest
import torch
from torch.nn.functional import normalize

from geonb.earth import sphere
from geonb.learning import losses

SPATIAL = [name for name in losses.KERNELS if name != "one_hot"]


@pytest.fixture
def batch():
    torch.manual_seed(0)
    metres = np.random.default_rng(0).uniform(-800, 800, (12, 2))
    places = sphere.from_local_m(metres, (51.5, -0.12))
    image, location = (normalize(torch.randn(12, 6), dim=-1).requires_grad_() for _ in range(2))
    return image, location, distances_m(places)


def entropy(targets):
    return -torch.special.xlogy(targets, targets).sum(dim=1)


def weights(distance_m, kernel, bandwidth_m=100.0, cutoff_m=1e9):
    return losses.kernel_weights(distance_m, kernel=kernel, bandwidth_m=bandwidth_m, cutoff_m=cutoff_m)


def distances_m(places):
    return losses.pair_distance_m(*(torch.from_numpy(part) for part in sphere.split_xyz_m(places)))


GLOBE = np.degrees([[np.arcsin(y), np.pi * x] for x, y in np.random.default_rng(2).uniform(-1, 1, (50, 2))])
GLOBE[1] = -GLOBE[0, 0], GLOBE[0, 1] - 179.999


@pytest.mark.parametrize(("places", "within_m"), [
    *[(sphere.from_local_m(np.random.default_rng(1).uniform(-5000, 5000, (30, 2)), origin), 0.01)
      for origin in ((51.5, -0.12), (0.0, 179.999), (89.99, 0.0), (-33.9, 151.2))], (GLOBE, 10),
])  # fmt: skip
def test_distances_are_those_of_the_sphere_to_a_centimetre_in_a_city_and_to_ten_metres_on_the_globe(places, within_m):
    np.testing.assert_allclose(distances_m(places), sphere.pair_distance_m(places), atol=within_m)


@pytest.mark.parametrize("away_deg", [0.5, 5.0, 15.0, 90.0])
def test_a_second_city_far_away_costs_less_than_half_a_metre_within_a_city(away_deg):
    rng = np.random.default_rng(4)
    cities = [sphere.from_local_m(rng.uniform(-3000, 3000, (20, 2)), (48.0 - away_deg * k, 2.0)) for k in (0, 1)]
    found = distances_m(np.concatenate(cities))
    for k, places in enumerate(cities):
        own = found[20 * k : 20 * k + 20, 20 * k : 20 * k + 20]
        np.testing.assert_allclose(own, sphere.pair_distance_m(places), atol=0.5)


@pytest.mark.parametrize("kernel", losses.KERNELS)
def test_targets_are_rows_that_sum_to_one_with_the_own_place_on_top(batch, kernel):
    target = losses.row_targets(weights(batch[2], kernel))
    torch.testing.assert_close(target.sum(dim=1), torch.ones(12))
    assert (target.argmax(dim=1) == torch.arange(12)).all() or kernel == "uniform"
    assert (target >= 0).all()


@pytest.mark.parametrize("kernel", SPATIAL)
def test_photos_at_one_place_share_the_target_at_every_bandwidth(kernel):
    distance_m = torch.tensor([[0.0, 0.0, 500.0], [0.0, 0.0, 500.0], [500.0, 500.0, 0.0]])
    for bandwidth_m in (0.1, 10.0, 100.0):
        target = losses.row_targets(weights(distance_m, kernel, bandwidth_m))
        assert target[0, 0] == target[0, 1]
        assert target[0, 0].item() == pytest.approx(0.5, abs=0.01)


def test_the_gaussian_of_equation_4_by_hand():
    distance_m = torch.tensor([[0.0, 100.0, 299.0, 301.0]])
    found = losses.gaussian(distance_m, 100.0, 300.0)[0]
    expected = [1, np.exp(-0.5), np.exp(-(2.99**2) / 2), 0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("kernel", SPATIAL)
def test_a_vanishing_bandwidth_is_open_clips_loss_in_value_and_gradient(batch, kernel):
    image, location, distance_m = batch
    ours = losses.contrastive_loss(image, location, torch.tensor(14.0), weights(distance_m, kernel, 1e-3))
    theirs = open_clip.ClipLoss()(image, location, torch.tensor(14.0))
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(loss, (image, location)) for loss in (ours, theirs)))


@pytest.mark.parametrize("both", [True, False])
def test_the_loss_equals_a_slow_double_loop(batch, both):
    image, location, distance_m = batch
    weight = weights(distance_m, "gaussian", 200.0, 600.0)
    fast = losses.contrastive_loss(image, location, torch.tensor(5.0), weight, location_to_image=both)
    total, logits, w = 0.0, 5.0 * (image @ location.T).detach().double().numpy(), weight.double().numpy()
    for side, target in ((logits, w), (logits.T, w.T))[: 1 + both]:
        for i in range(12):
            for j in range(12):
                share = target[i, j] / target[i].sum()
                total -= share * (side[i, j] - np.log(np.exp(side[i]).sum())) / 12 / (1 + both)
    assert fast.item() == pytest.approx(total, rel=1e-5)


def test_rows_may_have_bandwidths_of_their_own(batch):
    bandwidth_m = torch.linspace(50, 400, 12)
    found = weights(batch[2], "gaussian", bandwidth_m)
    for i in (0, 11):
        torch.testing.assert_close(found[i], weights(batch[2], "gaussian", bandwidth_m[i].item())[i])


def test_the_variogram_kernel_by_hand():
    lag_m, weight = torch.tensor([0.0, 100.0, 200.0]), torch.tensor([0.8, 0.4, 0.0])
    distance_m = torch.tensor([[0.0, 0.0, 150.0], [0.0, 0.0, 900.0], [150.0, 900.0, 0.0]])
    expected = torch.tensor([[1.0, 0.8, 0.2], [0.8, 1.0, 0.0], [0.2, 0.0, 1.0]])
    torch.testing.assert_close(losses.curve_weights(distance_m, lag_m, weight), expected)


def test_the_prior_is_the_finest_shared_level_and_unknown_is_shared_with_nobody():
    codes = {"street": [0, 0, 1, -1], "district": [0, 0, 0, -1], "city": [0, 0, 0, 0]}
    prior = losses.shared_levels({level: torch.tensor(code) for level, code in codes.items()})
    assert prior.tolist() == [[1, 1, 0.5, 0.25], [1, 1, 0.5, 0.25], [0.5, 0.5, 1, 0.25], [0.25, 0.25, 0.25, 1]]


@pytest.mark.parametrize("kernel", SPATIAL)
@pytest.mark.parametrize("bandwidth_m", [1e-3, 30.0, 300.0, 1e7])
def test_the_controls_are_as_soft_as_the_targets_row_by_row(batch, kernel, bandwidth_m):
    weight = weights(batch[2], kernel, bandwidth_m)
    wanted = entropy(losses.row_targets(weight))
    smooth = losses.smoothed_alike(weight)
    shuffled = losses.row_targets(losses.shuffled_alike(weight))
    torch.testing.assert_close(smooth.sum(dim=1), torch.ones(12))
    torch.testing.assert_close(entropy(smooth), wanted, atol=2e-4, rtol=1e-3)
    torch.testing.assert_close(entropy(shuffled), wanted, atol=1e-5, rtol=1e-4)
    others = smooth[~torch.eye(12, dtype=torch.bool)].reshape(12, 11)
    torch.testing.assert_close(others.amax(dim=1), others.amin(dim=1))  # nothing is left of distance


def test_a_shuffle_keeps_the_own_place_and_moves_the_others():
    torch.manual_seed(0)
    weight = torch.arange(1.0, 31).repeat(30, 1)
    shuffled = losses.shuffled_alike(weight)
    torch.testing.assert_close(shuffled.diagonal(), weight.diagonal())
    torch.testing.assert_close(shuffled.sort(dim=1).values, weight)
    assert (shuffled != weight).float().mean() > 0.8


CITY = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2, -1, -1, 0, 1])  # one photo alone in its city, two of unknown cities


def same_city():
    return ((CITY[:, None] == CITY[None]) & (CITY[:, None] >= 0)).fill_diagonal_(False)


def test_the_control_of_the_city_has_the_own_weight_and_shares_the_rest_evenly_over_the_city(batch):
    weight = weights(batch[2], "gaussian", 300.0)
    found, own = losses.city_uniform(weight, CITY), losses.row_targets(weight).diagonal()
    torch.testing.assert_close(found.sum(dim=1), torch.ones(12))
    alone = ~same_city().any(dim=1)
    assert alone.nonzero().ravel().tolist() == [7, 8, 9]
    torch.testing.assert_close(found[alone], torch.eye(12)[alone])  # nobody to share with
    torch.testing.assert_close(found.diagonal()[~alone], own[~alone], atol=1e-6, rtol=0)
    for row, fellows in zip(found[~alone], same_city()[~alone], strict=True):
        assert row[fellows].unique().numel() == 1
    assert (found * ~same_city()).fill_diagonal_(0).count_nonzero() == 0
    assert found[0, 1].item() == pytest.approx((1 - own[0].item()) / 4)


def test_permuting_within_the_city_keeps_the_weights_of_a_row_and_of_each_city(batch):
    torch.manual_seed(0)
    weight = torch.rand(12, 12) + 0.1
    found = losses.permuted_within(weight, CITY)
    torch.testing.assert_close(found.sort(dim=1).values, weight.sort(dim=1).values)
    torch.testing.assert_close(found[~same_city()], weight[~same_city()])  # own place, other and unknown cities
    for row in (0, 5):
        torch.testing.assert_close(
            found[row][same_city()[row]].sort().values, weight[row][same_city()[row]].sort().values
        )
    drawn = torch.stack([losses.permuted_within(weight, CITY)[0, 1] for _ in range(400)])
    times = [(drawn == weight[0, place]).sum().item() for place in (1, 2, 3, 10)]
    assert sum(times) == 400
    assert min(times) > 60  # each of the four with a probability of a quarter


def test_neighbourhood_terms_by_hand_and_smaller_where_neighbours_are_alike():
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    near = torch.tensor([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert losses.neighbourhood_pull(vectors, near).item() == pytest.approx(2.0)  # |z_0 - z_1|^2
    # photo 0: neighbour 1 at similarity 0 beside photo 2 at 1; photo 1: neighbour 0 and photo 2, both at 0
    expected = (np.log(1 + np.exp(losses.SHARPNESS)) + np.log(2)) / 2
    assert losses.neighbourhood_ranking(vectors, near).item() == pytest.approx(expected)
    alike = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    for term in (losses.neighbourhood_pull, losses.neighbourhood_ranking):
        assert term(alike, near) < term(vectors, near)
        assert term(vectors, torch.eye(3)).item() == 0  # nobody has a neighbour


def test_fairness_of_equation_6_by_hand_without_empty_and_unknown_regions():
    image = location = torch.eye(3)
    own = np.exp(2) / (np.exp(2) + 2)  # every photo's own place at scale 2
    assert losses.regional_fairness(image, location, torch.tensor(2.0), torch.tensor([0, 5, 9])).item() < 1e-12
    missed = 1 / (np.exp(2) + 2)
    mean = (missed + own) / 2
    expected = (missed - mean) ** 2 + (own - mean) ** 2
    found = losses.regional_fairness(image, location[[1, 0, 2]], torch.tensor(2.0), torch.tensor([4, -1, 7]))
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_logits_stay_in_float32_under_autocast(batch):
    image, location, distance_m = batch
    weight = weights(distance_m, "gaussian")
    plain = losses.contrastive_loss(image, location, torch.tensor(50.0), weight)
    with torch.autocast("cpu", torch.bfloat16):
        cast = losses.contrastive_loss(image, location, torch.tensor(50.0), weight)
    assert cast.dtype == torch.float32
    torch.testing.assert_close(plain, cast)


def test_softness_is_the_weight_of_the_own_place_and_the_count_of_others_above_a_hundredth():
    soft = np.array([[0.5, 0.495, 0.005], [0.25, 0.5, 0.25], [0.0, 0.2, 0.8]], np.float32)
    table = losses.softness({"one_hot": np.eye(3), "soft": soft})
    assert list(table) == list(losses.SOFTNESS)
    assert table.to_numpy().tolist() == [["one_hot", 1.0, 0.0], ["soft", 0.5, 1.0]]
