"""Negatives that a semivariogram guides: which places of other photos count less, or more, in a contrastive loss.

The fitted semivariogram of image features says how unlike two photos are *expected* to be at a distance. A pair far
below it is a false negative when it is near, a hard negative when it is far (arXiv 2509.21573, whose rule is not
public). A rule takes (similarity, distance_m, expected_dissimilarity, spread) and gives weights; all of one shape.
"""

from typing import NamedTuple

import numpy as np
import torch

from geonb import checks
from geonb.earth import sphere
from geonb.variograms import curves, lags, models

FEWEST = 10  # pairs of a lag
PLACE_M = 1.0  # photos so near each other stand at one place
STRONGEST = 20.0  # no weight beyond this, nor below its inverse: our choice


class Guide(NamedTuple):
    """Dissimilarity to expect at distances (K,) [m], straight between them, its standard deviation, the range [m]."""

    distance_m: np.ndarray
    dissimilarity: np.ndarray
    spread: np.ndarray
    range_m: float


def guide(features, lat_lon_deg, city, fitted, *, max_lag_m, lag_count, seed=0):
    """The Guide of training photos with features (n, d), brought to length 1: a fitted curve, and the lags' spread.

    fitted: of models.fit; where it is flagged the lags themselves are the curve and max_lag_m the range. Pairs of one
    city beyond max_lag_m are expected to be as the last lag says; from the size of the widest city on, mean and spread
    are those of pairs of different cities: both are our choice. Where no lag holds FEWEST pairs, all pairs together
    stand for every distance. ValueError for a single photo.
    """
    checks.same_length({"features": features, "positions": lat_lon_deg, "city": city})
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    edges_m = np.append(lags.edges_m(max_lag_m, lag_count), np.pi * sphere.EARTH_RADIUS_M)
    pairs = lags.pairs(lat_lon_deg, edges_m, seed=seed)
    half, same = curves.half_squares(unit, pairs), city[pairs.i] == city[pairs.j]
    within = [same & (pairs.lag == lag) for lag in range(1, lag_count + 1)]
    within = [lag for lag in within if lag.sum() >= FEWEST]
    range_m = max_lag_m if fitted["flag"] or not within else fitted["effective_range_m"]
    at_m = np.array([pairs.distance_m[lag].mean() for lag in within] or [max_lag_m])
    mean, spread = (np.array([reduce(half[lag]) for lag in within] or [reduce(half)]) for reduce in (np.mean, np.std))
    if within and not fitted["flag"]:
        mean = np.maximum.accumulate(models.curve(fitted, at_m))
    if within and (~same).sum() >= FEWEST:
        widest_m = max(pairs.distance_m[same].max(), max_lag_m)
        at_m = np.concatenate([at_m, [widest_m, 1.001 * widest_m]])
        mean = np.concatenate([mean, mean[-1:], [half[~same].mean()]])
        spread = np.concatenate([spread, spread[-1:], [half[~same].std()]])
    if len(at_m) == 1:  # a knot more: level
        at_m, mean, spread = np.append(0.0, at_m), np.repeat(mean, 2), np.repeat(spread, 2)
    return Guide(*(np.float32(values) for values in (at_m, mean, np.maximum(spread, 1e-6))), float(range_m))


def read_off(distance_m, guide):
    """(expected dissimilarity, spread) of a Guide at distances (...,), as tensors."""
    both = np.stack([guide.dissimilarity, guide.spread], axis=-1)
    knots, values = (torch.as_tensor(x, dtype=distance_m.dtype, device=distance_m.device)
                     for x in (guide.distance_m, both))  # fmt: skip
    inside = distance_m.clamp(knots[0], knots[-1])
    right = torch.searchsorted(knots, inside.contiguous()).clamp(1, len(knots) - 1)
    slope = (values[1:] - values[:-1]) / (knots[1:] - knots[:-1])[:, None]
    return (values[right - 1] + (inside - knots[right - 1])[..., None] * slope[right - 1]).unbind(-1)


def semivariogram(similarity, distance_m, expected_dissimilarity, spread, *, range_m, strength=1.0):
    """Near and more alike than expected: less. Far and more alike: more. The abstract's intent; the form is ours.

    exp(-+ strength * z), z = (expected dissimilarity - dissimilarity) / spread where that is above 0: deviations count
    in units of the lag's own spread, since half of all far pairs lie below the curve.
    """
    more_alike = ((expected_dissimilarity - (1 - similarity)) / spread).clamp_min(0)
    sign = torch.where(distance_m <= range_m, -1.0, 1.0)
    return (strength * sign * more_alike).exp().clamp(1 / STRONGEST, STRONGEST)


def precursor(similarity, distance_m, expected_dissimilarity, spread, *, range_m, strength=1.0):
    """exp(max(0, dissimilarity - expected)) up to the range, 1 beyond: the latest rule in the author's precursor code.

    Meant to multiply logits. Only the formula of its weights is taken over: there the range is where the curve's slope
    falls below a bound, weights begin once the queue is full, and other photos of the same place stay negatives.
    """
    beyond = (1 - similarity - expected_dissimilarity).clamp_min(0)
    return torch.where(distance_m <= range_m, (strength * beyond).exp(), 1.0)


def look_alikes(similarity, distance_m, expected_dissimilarity, spread, *, range_m, strength=1.0):
    """exp(strength * similarity) over its mean in the row: the control without geography (as in HCL, 2010.04592)."""
    weight = (strength * similarity).exp()
    return (weight / weight.mean(dim=-1, keepdim=True)).clamp(1 / STRONGEST, STRONGEST)


RULES = {"semivariogram": semivariogram, "precursor": precursor, "look_alikes": look_alikes}


def guided_loss(logits, distance_m, similarity, guide, rule, strength=1.0):
    """Cross-entropy (image to place) of logits (B, B + Q) whose negatives a rule weighs; rule '' weighs none.

    Column i of row i is the photo's own place. Others within PLACE_M of it are no negatives and leave the sum.
    L = -mean_i log(e^l_ii / (e^l_ii + sum_j w_ij e^l_ij)); the precursor's rule replaces l_ij by w_ij l_ij.
    """
    rows = torch.arange(len(logits), device=logits.device)
    own = torch.zeros_like(logits, dtype=torch.bool)
    own[rows, rows] = True
    if rule:
        with torch.no_grad():
            expected = read_off(distance_m, guide)
            weight = RULES[rule](similarity, distance_m, *expected, range_m=guide.range_m, strength=strength)
            weight = weight.masked_fill(own, 1.0)
        logits = logits * weight if rule == "precursor" else logits + weight.log()  # no sign flips in the sum
    logits = logits.masked_fill((distance_m <= PLACE_M) & ~own, -torch.inf)
    return torch.nn.functional.cross_entropy(logits, rows)
