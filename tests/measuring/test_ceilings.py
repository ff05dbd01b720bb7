"""The ladder of ceilings: kriging as scikit-learn does it, likelihoods by hand, and rungs that fall as they must."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from geonb.measuring import ceilings

NUGGET, TRAITS = 0.05, 12


def covariance(here, there):
    """Exponential of range 300 m, and what differs between cities."""
    return np.exp(-3 * cdist(here, there) / 300.0) + 0.5


def drawn(rng, *, places=150, train=150, tests=60):
    """(photos, train, gallery) of two cities of 1 km whose traits have the covariance that is known."""
    sides = {"gallery": [], "train": [], "photos": []}
    for city in "ab":
        at = rng.uniform(-500, 500, (places + train + tests, 2))
        root = np.linalg.cholesky(covariance(at, at) + 1e-9 * np.eye(len(at)))
        maps = root @ rng.standard_normal((len(at), TRAITS))
        seen = maps + np.sqrt(NUGGET) * rng.standard_normal(maps.shape)
        ends = np.cumsum([places, train])
        for side, own_at, own_maps, own_seen in zip(
            sides, *(np.split(part, ends) for part in (at, maps, seen)), strict=True
        ):
            sides[side].append((own_at, own_maps if side == "gallery" else own_seen, np.repeat(city, len(own_at))))
    grounds = {
        side: ceilings.Ground(*(np.concatenate([part[k] for part in parts]) for k in (0, 2, 1)))
        for side, parts in sides.items()
    }
    return grounds["photos"], grounds["train"], grounds["gallery"]


def planted(noise=0.5):
    return ceilings.Planted((covariance,) * TRAITS, np.full(TRAITS, NUGGET), np.full(TRAITS, noise))


@pytest.fixture(scope="module")
def world():
    return drawn(np.random.default_rng(0))


def off_m(photos, gallery, chosen):
    """Errors within the city, and 1 km in the wrong one."""
    apart = np.linalg.norm(photos.east_north_m - gallery.east_north_m[chosen], axis=1)
    return np.where(photos.city == gallery.city[chosen], apart, 1_000.0)


def test_the_rungs_fall_from_the_nearest_place_to_what_can_be_learnt(world):
    photos, train, gallery = world
    chosen = ceilings.ladder(photos, train, gallery, planted())
    assert list(chosen) == list(ceilings.RUNGS)
    mean_m = {rung: np.exp(np.log(off_m(photos, gallery, own)).mean()) for rung, own in chosen.items()}
    assert mean_m["ceiling_place"] < mean_m["ceiling_traits_known"] < mean_m["ceiling_traits_kriged"]
    assert mean_m["ceiling_traits_known"] < mean_m["ceiling_tower_known"] < mean_m["ceiling_learnable"] < 400
    noisier = ceilings.ladder(photos, train, gallery, planted(noise=5.0))
    assert np.median(off_m(photos, gallery, noisier["ceiling_learnable"])) > 2 * mean_m["ceiling_learnable"]
    for rung in ("ceiling_place", "ceiling_traits_known", "ceiling_traits_kriged"):  # no tower reads there
        np.testing.assert_array_equal(noisier[rung], chosen[rung])


def test_traits_that_are_read_without_error_at_places_of_the_gallery_name_the_place():
    rng = np.random.default_rng(1)
    gallery = ceilings.Ground(
        rng.uniform(-500, 500, (80, 2)), np.repeat([*"ab"], 40), rng.standard_normal((80, TRAITS))
    )
    exact = ceilings.Planted((covariance,) * TRAITS, np.zeros(TRAITS), np.zeros(TRAITS))
    chosen = ceilings.ladder(gallery, gallery, gallery, exact)
    for rung, own in chosen.items():
        np.testing.assert_array_equal(own, np.arange(80), err_msg=rung)


def test_only_places_of_the_given_city_compete(world):
    photos, train, gallery = world
    free, given = (ceilings.ladder(photos, train, gallery, planted(5.0), city_given=known) for known in (False, True))
    assert (gallery.city[free["ceiling_learnable"]] != photos.city).any()
    assert all((gallery.city[own] == photos.city).all() for own in given.values())
    lacking = ceilings.Ground(gallery.east_north_m[:150], gallery.city[:150], gallery.traits[:150])
    with pytest.raises(ValueError, match="the gallery has no place in b"):
        ceilings.ladder(photos, train, lacking, planted())


def test_kriging_is_that_of_a_gaussian_process_in_scikit_learn():
    rng = np.random.default_rng(2)
    at, places, values = rng.uniform(0, 500, (40, 2)), rng.uniform(0, 500, (130, 2)), rng.standard_normal(40)
    kernel = ConstantKernel(1.0, "fixed") * Matern(100.0, "fixed", nu=0.5) + ConstantKernel(0.5, "fixed")
    process = GaussianProcessRegressor(kernel, alpha=0.2, optimizer=None).fit(at, values)
    mean, sd = process.predict(places, return_std=True)
    found = ceilings.kriged(at, values, places, covariance, 0.2)
    np.testing.assert_allclose(found, [mean, sd**2], rtol=1e-6)


def test_a_city_without_training_photos_has_no_map_but_what_cities_have_in_common(world):
    _, train, gallery = world
    one = ceilings.Ground(train.east_north_m[:150], train.city[:150], train.traits[:150])
    mean, variance = ceilings.kriged_maps(one, one.traits, gallery, planted().covariances, np.full(TRAITS, NUGGET))
    assert set(mean[gallery.city == "b"].ravel()) == {0.0}
    np.testing.assert_allclose(variance[gallery.city == "b"], 1.5)
    assert variance[gallery.city == "a"].max() < 1.5
    assert np.corrcoef(*(maps[gallery.city == "a"].ravel() for maps in (mean, gallery.traits)))[0, 1] > 0.7


def test_the_place_to_name_by_hand_is_in_the_likeliest_city_and_in_its_middle_unless_more_is_known():
    at_m = np.array([[0.0, 0], [100, 0], [200, 0], [5, 0], [900, 0]])
    gallery = ceilings.Ground(at_m, np.array([*"aaabb"]), np.zeros((5, 1)))
    probability = [[0.2, 0.2, 0.2, 0.4, 0.0], [0.6, 0.1, 0.1, 0.2, 0.0], [0.0, 0.0, 0.1, 0.2, 0.7]]
    assert ceilings.best_place(np.array(probability), gallery).tolist() == [1, 0, 4]


def test_in_a_city_that_nobody_photographed_the_ceiling_is_its_middle(world):
    photos, train, gallery = world
    one = ceilings.Ground(train.east_north_m[:150], train.city[:150], train.traits[:150])
    chosen = ceilings.ladder(photos, one, gallery, planted(), city_given=True)["ceiling_learnable"]
    unseen = photos.city == "b"
    middle = np.linalg.norm(gallery.east_north_m[chosen[unseen]], axis=1)
    assert middle.max() < 150
    assert off_m(photos, gallery, chosen)[~unseen].mean() < off_m(photos, gallery, chosen)[unseen].mean()


def test_likelihoods_are_those_of_normal_distributions():
    rng = np.random.default_rng(3)
    read, mean, variance = rng.standard_normal((3, 4)), rng.standard_normal((5, 4)), rng.uniform(0.1, 2, (5, 4))
    expected = norm.logpdf(read[:, None], mean, np.sqrt(variance)).sum(axis=2)
    apart = ceilings.log_likelihood(read, mean, variance) - expected
    np.testing.assert_allclose(apart, apart[0, 0])


def test_a_split_is_about_cities_only_where_the_ceiling_puts_hardly_a_photo_near_its_place():
    assert ceilings.label([100.0] * 4 + [900.0] * 96) == "city only"
    assert ceilings.label([100.0] * 5 + [900.0] * 95) == ""


def test_rungs_become_rows_of_references():
    table = pd.DataFrame({"photo_id": [*"pq"], "city": "a", "lat_deg": [50.0, 50.01], "lon_deg": 7.0})
    found = ceilings.rows(table, table, {"ceiling_place": [0, 1], "ceiling_learnable": [1, 1]}, "blocked")
    assert found.method.tolist() == ["ceiling_place"] * 2 + ["ceiling_learnable"] * 2
    assert set(found.kind) == {"reference"}
    np.testing.assert_allclose(found.error_m, [0, 0, 1111.9, 0], atol=1)


def test_sides_that_do_not_belong_together_are_refused(world):
    photos, train, gallery = world
    with pytest.raises(ValueError, match="lengths differ, there are 2 east_north_m, 3 city"):
        ceilings.Ground(np.zeros((2, 2)), np.array([*"abc"]), np.zeros((2, TRAITS)))
    few = ceilings.Planted((covariance,), np.ones(1), np.ones(1))
    with pytest.raises(ValueError, match="12 traits, 1 covariances"):
        ceilings.ladder(photos, train, gallery, few)
