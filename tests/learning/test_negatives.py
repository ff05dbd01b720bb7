"""Rules for negatives: each sign, also with negative logits; the loss as a slow loop; the curve and its spread."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from geonb.earth import sphere
from geonb.learning import negatives
from geonb.splitting import batches
from geonb.variograms import models as variogram_models

RANGE_M = 300.0
GUIDE = negatives.Guide(np.float32([50, 250, 1_000]), np.float32([0.4, 0.6, 0.8]), np.float32([0.2, 0.2, 0.1]), RANGE_M)
NEAR_M, FAR_M = torch.tensor([100.0]), torch.tensor([5_000.0])


def weight(rule, similarity, distance_m, **given):
    expected, spread = negatives.read_off(distance_m, GUIDE)
    similarity = torch.tensor([similarity])
    return negatives.RULES[rule](similarity, distance_m, expected, spread, range_m=RANGE_M, **given).item()


def test_a_far_look_alike_weighs_more_and_a_near_one_less_in_spreads_of_the_lag():
    far = [weight("semivariogram", s, FAR_M) for s in (0.21, 0.3, 0.4)]
    assert 1 < far[0] < far[1] < far[2]
    near = [weight("semivariogram", s, NEAR_M) for s in (0.6, 0.7, 0.9)]
    assert 1 > near[0] > near[1] > near[2]
    assert weight("semivariogram", 0.1, FAR_M) == weight("semivariogram", 0.1, NEAR_M) == 1  # as unlike as expected
    assert far[1] == pytest.approx(math.exp(0.1 / 0.1))  # 0.7 where 0.8 is expected
    assert weight("semivariogram", 0.65, NEAR_M, strength=2.0) == pytest.approx(math.exp(-2 * 0.1 / 0.2))  # of 0.45
    assert weight("semivariogram", 1.0, FAR_M, strength=9.0) == negatives.STRONGEST


def test_the_precursor_raises_near_pairs_that_look_more_different_and_no_far_one():
    assert weight("precursor", 0.3, NEAR_M) == pytest.approx(math.exp(0.7 - 0.45))
    assert weight("precursor", 0.3, NEAR_M) > weight("precursor", 0.5, NEAR_M) > weight("precursor", 0.9, NEAR_M) == 1
    assert weight("precursor", -0.5, FAR_M) == weight("precursor", 0.9, FAR_M) == 1


def test_the_control_looks_at_similarity_alone():
    similarity, distance_m = torch.tensor([[0.1, 0.5, 0.9]]), torch.tensor([[10.0, 5_000.0, 10.0]])
    shown = negatives.look_alikes(similarity, distance_m, None, None, range_m=RANGE_M, strength=2.0)[0]
    other = negatives.look_alikes(similarity, distance_m.flip(1), None, None, range_m=RANGE_M, strength=2.0)[0]
    assert torch.equal(shown, other)
    assert shown[0] < shown[1] < shown[2]
    assert shown.mean().item() == pytest.approx(1)


def met(shift=0.0):
    """Logits (3, 5) around a shift, distances and similarities; the last place stands where photo 0 stands."""
    torch.manual_seed(0)
    logits = torch.randn(3, 5) + shift
    at = torch.tensor([[0.0, 0], [120, 0], [900, 0], [5_000, 0], [0.3, 0]])
    distance_m = torch.cdist(at[:3], at)
    features = normalize(torch.randn(5, 4), dim=1)
    return logits, distance_m, features[:3] @ features.T


def slow(logits, distance_m, similarity, rule, strength):
    total = 0.0
    for i in range(3):
        expected, spread = negatives.read_off(distance_m[i], GUIDE)
        given = (similarity[i], distance_m[i], expected, spread)
        row = negatives.RULES[rule](*given, range_m=RANGE_M, strength=strength)
        below = math.exp(logits[i, i])
        for j in range(5):
            if j != i and distance_m[i, j] > 1:
                term = math.exp(row[j] * logits[i, j]) if rule == "precursor" else row[j] * math.exp(logits[i, j])
                below += term
        total -= math.log(math.exp(logits[i, i]) / below) / 3
    return total


@pytest.mark.parametrize("rule", negatives.RULES)
@pytest.mark.parametrize("shift", [-4.0, 0.0, 4.0])
def test_the_loss_is_that_of_a_slow_loop(rule, shift):
    given = met(shift)
    found = negatives.guided_loss(*given, GUIDE, rule, strength=0.7)
    assert found.item() == pytest.approx(slow(*given, rule, 0.7), rel=1e-5)


@pytest.mark.parametrize("shift", [-30.0, 30.0])
def test_no_sign_flips_where_logits_are_negative(shift):
    """More weight on a far look-alike raises the loss whatever the sign of its logit; a product may not."""
    logits, distance_m, similarity = met(shift)

    def loss(rule, place, alike):
        similarity[0, place] = alike
        return negatives.guided_loss(logits, distance_m, similarity, GUIDE, rule)

    assert loss("semivariogram", 3, 0.9) > loss("semivariogram", 3, 0.21)
    assert loss("semivariogram", 1, 0.3) > loss("semivariogram", 1, 0.95)
    assert (loss("precursor", 1, 0.3) > loss("precursor", 1, 0.95)) == (shift > 0)


def test_photos_at_the_same_place_are_no_negatives():
    logits, distance_m, similarity = met()
    before = negatives.guided_loss(logits, distance_m, similarity, GUIDE, "")
    logits[0, 4] += 50.0
    assert negatives.guided_loss(logits, distance_m, similarity, GUIDE, "").item() == pytest.approx(before.item())
    logits[0, 4] = -torch.inf
    torch.testing.assert_close(before, torch.nn.functional.cross_entropy(logits, torch.arange(3)))


def test_rules_get_no_gradient():
    logits, distance_m, similarity = met()
    similarity.requires_grad_()
    logits.requires_grad_()
    negatives.guided_loss(logits, distance_m, similarity, GUIDE, "semivariogram").backward()
    assert similarity.grad is None
    assert logits.grad.abs().sum() > 0


def test_the_guide_is_the_curve_with_the_spread_of_each_lag_and_the_far_pairs_beyond():
    rng = np.random.default_rng(0)
    metres = rng.uniform(-280, 280, (400, 2))
    here, there = (sphere.from_local_m(metres, middle) for middle in ((50.0, 10.0), (48.0, 3.0)))
    features = normalize(torch.from_numpy(rng.normal(size=(800, 16))), dim=1).numpy().astype(np.float32)
    features[400:, 0] -= 1.0  # the other city looks different
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    flagged, at = variogram_models.flagged("exponential", "no structure"), np.vstack([here, there])
    city, lags = np.repeat(["A", "B"], 400).astype(object), {"max_lag_m": 400.0, "lag_count": 8}
    found = negatives.guide(features, at, city, flagged, **lags)
    assert len(found.distance_m) == 10
    assert (np.diff(found.distance_m) > 0).all()
    assert 600 < found.distance_m[8] < 800  # as wide as a city
    assert found.dissimilarity[8] == found.dissimilarity[7]  # pairs of one city beyond the lags: as in the last
    assert found.spread[8] == found.spread[7]
    apart = 1 - features[:400] @ features[400:].T
    assert found.dissimilarity[-1] == pytest.approx(apart.mean(), abs=0.02)
    assert found.spread[-1] == pytest.approx(apart.std(), abs=0.02)
    assert found.range_m == 400.0
    fitted = flagged | {"flag": "", "nugget": 0.2, "partial_sill": 0.5, "effective_range_m": 300.0,
                        "theta": [300.0, 0.5]}  # fmt: skip
    curved = negatives.guide(features, at, city, fitted, **lags)
    expected = variogram_models.curve(fitted, curved.distance_m[:8].astype(float))
    np.testing.assert_allclose(curved.dissimilarity[:8], expected, rtol=1e-5)
    alone = negatives.guide(features[:400], here, city[:400], fitted, **lags)
    assert len(alone.distance_m) == 8  # one city: nothing beyond
    np.testing.assert_array_equal(curved.spread, found.spread)
    assert curved.range_m == 300.0
    one = negatives.guide(features[:400], here, city[:400], flagged, max_lag_m=400.0, lag_count=1)
    level = negatives.read_off(torch.tensor([1.0, 900.0]), one)[0]
    assert level.tolist() == pytest.approx([one.dissimilarity[0]] * 2)


def test_the_queue_holds_the_latest_photos_of_earlier_steps_and_wraps_around():
    draw = lambda step: np.arange(3) + 10 * step  # noqa: E731
    assert batches.queued(draw, 0, 7).tolist() == []
    assert batches.queued(draw, 1, 7).tolist() == [0, 1, 2]
    assert batches.queued(draw, 2, 7).tolist() == [10, 11, 12, 0, 1, 2]
    assert batches.queued(draw, 5, 7).tolist() == [40, 41, 42, 30, 31, 32, 20]  # 7 is no multiple of 3
    assert batches.queued(draw, 5, 0).tolist() == []


def test_so_few_photos_that_no_lag_is_known_have_one_level_at_every_distance():
    features = np.eye(3, 4)
    at = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    fitted = {"flag": "too few", "effective_range_m": np.nan}
    given = {"fitted": fitted, "max_lag_m": 1000.0, "lag_count": 5}
    level = negatives.guide(features, at, np.array(["A", "B", "C"]), **given)
    expected, spread = negatives.read_off(torch.tensor([1.0, 1e6]), level)
    assert expected.tolist() == [1.0, 1.0]
    assert (spread > 0).all()
    assert level.range_m == 1000
    with pytest.raises(ValueError, match="needs at least 2 photos, there are 1"):
        negatives.guide(features[:1], at[:1], np.array(["A"]), **given)
