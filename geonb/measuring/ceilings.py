"""Ceilings of a simulated world, a ladder: from the nearest place of a gallery down to what a tower could learn.

What is read in a photo is the map of each trait there, plus what a view adds to the map (a nugget, a detour of the
view), plus the error of a tower. The answer is the likeliest city, and in it the place with the smallest expected log
error: what the two endpoints ask for, Gaussian throughout, as simulated worlds are, and without a training. What a view
adds counts as new in every photo: where photos of one place see the same houses, maps kriged from training photos know
those, and can name the city more often than the planted maps.
"""

from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.linalg import cholesky, solve_triangular
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from geonb import checks, random_streams
from geonb.learning import decoding

RUNGS = {
    "ceiling_place": "the gallery place nearest to the truth",
    "ceiling_traits_known": "the best place to name by perfectly read traits, their maps known",
    "ceiling_traits_kriged": "the same with maps kriged from the training photos",
    "ceiling_tower_known": "the best place to name by traits as well as the tower reads them, their maps known",
    "ceiling_learnable": "the same with maps kriged from what the tower reads in the training photos",
}
WITHIN_M, FEWEST = 250.0, 0.05  # of the photos, below which a split is about cities only
LEAST_VARIANCE = 1e-6  # of a reading: two places of one value could not be told apart, nor a matrix factorised
NEAR_M = 10.0  # between two places that answer alike
BLOCK = 64  # of places whose own variances are read off a covariance at once


@dataclass(frozen=True)
class Ground:
    """Photos or places: east_north_m (n, 2) from the centre of their city, city (n,) and traits (n, K): of photos what
    the camera sees of them, of gallery places their maps."""

    east_north_m: np.ndarray
    city: np.ndarray
    traits: np.ndarray

    def __post_init__(self):
        checks.same_length({"east_north_m": self.east_north_m, "city": self.city, "traits": self.traits})


# what is known of the traits: covariances, K functions of positions (n, 2) and (m, 2) of one city -> (n, m), with what
# differs between cities; view (K,): variance of what a camera sees around the map; noise (K,): that of a tower's error
Planted = namedtuple("Planted", "covariances view noise")


def ladder(photos, train, gallery, planted, *, city_given=False, seed=0):
    """Index (n,) into the gallery for each of RUNGS; photos, train, gallery: Ground; planted: Planted.

    city_given: only places of a photo's own city compete. ValueError for a city without a place in the gallery.
    """
    checks.same_length({"traits": gallery.traits.T, "covariances": planted.covariances})
    rng, found = random_streams.stream(seed, "ceilings"), {"ceiling_place": nearest_place(photos, gallery)}
    allowed = photos.city[:, None] == gallery.city if city_given else np.True_
    for reader, noise in (("traits", np.zeros_like(planted.noise)), ("tower", planted.noise)):
        around = np.maximum(planted.view + noise, LEAST_VARIANCE)
        read, learnt = (side.traits + np.sqrt(noise) * rng.standard_normal(side.traits.shape)
                        for side in (photos, train))  # fmt: skip
        known = gallery.traits, np.broadcast_to(around, gallery.traits.shape)
        mean, variance = kriged_maps(train, learnt, gallery, planted.covariances, around)
        for maps, (middle, spread) in (("known", known), ("kriged", (mean, variance + around))):
            rung = "ceiling_learnable" if (reader, maps) == ("tower", "kriged") else f"ceiling_{reader}_{maps}"
            likelihood = np.where(allowed, log_likelihood(read, middle, spread), -np.inf)
            found[rung] = best_place(decoding.posterior(likelihood, 1.0), gallery)
    return {rung: found[rung] for rung in RUNGS}


def nearest_place(photos, gallery):
    """Index (n,) of the gallery place nearest to each photo in its city."""
    found = np.empty(len(photos.city), int)
    for name in np.unique(photos.city):
        here, there = np.flatnonzero(photos.city == name), np.flatnonzero(gallery.city == name)
        if not len(there):
            raise ValueError(f"the gallery has no place in {name}")
        found[here] = there[cKDTree(gallery.east_north_m[there]).query(photos.east_north_m[here])[1]]
    return found


def log_likelihood(read, mean, variance):
    """Log likelihood (n, m) but for a constant, of readings (n, K) at places whose maps are normal (m, K).

    -1/2 sum_k (x_k - mean_k)^2 / variance_k + log variance_k.
    """
    own = (mean**2 / variance + np.log(variance)).sum(axis=1)
    return read @ (mean / variance).T - (read**2 @ (1 / variance).T + own) / 2


def best_place(probability, gallery):
    """Index (n,) of the place to name, by the probability (n, m) of each place of the gallery (Ground).

    The place of the most probable city with the smallest expected log of the distance, NEAR_M at least: without any
    knowledge the middle of the city, with much of it the most probable place.
    """
    names, member = np.unique(gallery.city, return_inverse=True)
    likeliest = np.stack([probability[:, member == n].sum(axis=1) for n in range(len(names))]).argmax(axis=0)
    found = np.empty(len(probability), int)
    for n in np.unique(likeliest):
        here, there = np.flatnonzero(likeliest == n), np.flatnonzero(member == n)
        at_m = gallery.east_north_m[there]
        cost = np.log(np.maximum(cdist(at_m, at_m), NEAR_M))
        found[here] = there[(probability[np.ix_(here, there)] @ cost).argmin(axis=1)]
    return found


def kriged_maps(train, read, places, covariances, noise):
    """(mean (m, K), variance (m, K)) of the maps at places, city by city, from readings (n, K) with noise (K,).

    train, places: Ground; covariances: see Planted. A city without training photos has mean 0 and all of its variance.
    """
    mean, variance = np.zeros((2, *places.traits.shape))
    for name in np.unique(places.city):
        here, there = train.city == name, places.city == name
        for k, covariance in enumerate(covariances):
            sides = train.east_north_m[here], read[here, k], places.east_north_m[there]
            mean[there, k], variance[there, k] = kriged(*sides, covariance, noise[k])
    return mean, variance


def kriged(at_m, values, places_m, covariance, noise):
    """(mean (m,), variance (m,)) of a map at places (m, 2), from values (n,) with noise read at positions (n, 2).

    Simple kriging around 0 (Rasmussen and Williams 2006, algorithm 2.1), exact by a Cholesky factor.
    """
    blocks = np.split(places_m, range(BLOCK, len(places_m), BLOCK))
    prior = np.concatenate([covariance(block, block).diagonal() for block in blocks])
    if not len(at_m):
        return np.zeros(len(places_m)), prior
    between = covariance(at_m, places_m)
    factor = cholesky(covariance(at_m, at_m) + noise * np.eye(len(at_m)), lower=True)
    solved = solve_triangular(factor, np.column_stack([between, values]), lower=True)
    return solved[:, :-1].T @ solved[:, -1], np.maximum(prior - (solved[:, :-1] ** 2).sum(axis=0), 0)


def rows(photos, places, chosen, split, seed=0):
    """The rungs as rows that need no training, as of baselines.untrained: photos, places: tables, see decoding."""
    tables = [decoding.predictions(photos, places, own).assign(method=rung) for rung, own in chosen.items()]
    return pd.concat(tables, ignore_index=True).assign(split=split, kind="reference", seed=seed)


def label(error_m):
    """'city only' where the learnable ceiling, with errors (n,), puts too few photos near their place, else ''."""
    return "city only" if np.mean(np.asarray(error_m) <= WITHIN_M) < FEWEST else ""
