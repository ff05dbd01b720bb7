"""A simulation: its places, its truth, and what is drawn of many cities over the globe."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from geonb.earth import sphere
from simcities import fields, geography, globe, simulation

OPTIONS = {"city_count": 2, "photos_per_city": 30, "picture_px": 32, "city_side_m": 900.0, "range_scale": 0.3}
WORLD = simulation.World(**OPTIONS)


@pytest.fixture(scope="module")
def places():
    """The places of the photos of the small world."""
    return simulation.unpainted(WORLD)[0]


def test_street_photos_lie_on_the_street_that_they_name_and_near_their_citys_centre(places):
    lines = simulation.streets(WORLD).set_index(["city", "street"]).geometry
    for row in places.itertuples():
        ends = np.array(lines[row.city, row.street].coords)[:, ::-1]
        start, end, at = sphere.to_local_m(np.array([*ends, [row.lat_deg, row.lon_deg]]), ends[0])
        across = np.array([-1, 1]) * (end - start)[::-1] / np.linalg.norm(end - start)
        assert abs(across @ (at - start)) < 1  # by the middle of the road
    centres = [geography.position(geography.NAMES.index(city)) for city in places.city]
    assert sphere.distance_m(centres, places[["lat_deg", "lon_deg"]].to_numpy()).max() < 900


def test_the_heading_points_along_the_street_but_for_the_yaw_of_the_camera(places):
    city = WORLD.city(0)
    rows = places[places.city == city.name]
    along = city.direction[[city.street_names.index(street) for street in rows.street]]
    bearing = np.degrees(np.arctan2(along[:, 0], along[:, 1]))
    off = np.abs((rows.heading_deg - bearing + 90) % 180 - 90)
    assert places.heading_deg.between(0, 360, inclusive="left").all()
    assert off.max() <= np.degrees(geography.ASIDE_RAD[1]) + 1e-6


def test_the_day_of_a_photo_is_known_by_its_name(places):
    cameras = simulation.cameras(WORLD)
    assert cameras.photo_id.tolist() == sorted(places.photo_id)
    taken = pd.concat([photos.assign(photo_id=simulation.photo_ids(city, len(photos)))
                       for city, photos, _ in WORLD.drawn()]).set_index("photo_id").captured_at  # fmt: skip
    winter = taken[cameras.photo_id].dt.month.isin([12, 1, 2]).to_numpy()
    assert ((cameras.season > 0.5) == winter).all()


def test_the_true_fields_lie_among_their_redraws():
    curves = simulation.curves(WORLD, places=120, redraws=100)
    assert curves.columns.tolist() == list(simulation.CURVES)
    assert curves.city.nunique() == OPTIONS["city_count"]
    assert curves.field.unique().tolist() == list(fields.FIELDS)
    assert curves.semivariance.between(curves.low, curves.high).mean() > 0.85
    assert (curves.low < curves.high).all()
    np.testing.assert_array_equal(curves, simulation.curves(WORLD, places=120, redraws=100))


def test_every_option_that_changes_pictures_has_pictures_of_its_own():
    folders = {WORLD.pictures_folder()}
    for name, value in (
        ("city_count", 3), ("photos_per_city", 31), ("picture_px", 48), ("world_seed", 1), ("range_scale", 0.2),
        ("city_side_m", 901.0), ("nugget", 0.2), ("city_mean_sd", 0.0), ("trend_scale", 0.0),
    ):  # fmt: skip
        folders.add(dataclasses.replace(WORLD, **{name: value}).pictures_folder())
    assert len(folders) == 10
    assert simulation.World(**OPTIONS).pictures_folder() in folders


def test_the_painted_code_counts_but_not_the_words(monkeypatch):
    read = []
    monkeypatch.setattr(simulation.Path, "read_text", lambda path, encoding: read.append(path.name) or "")
    simulation.painting_code()
    painting = {"renderer.py", "buildings.py", "things.py", "day.py", "fields.py", "simulation.py", "random_streams.py"}
    assert painting <= set(read)
    assert "captions.py" not in read


def test_the_truth_at_a_place_is_the_citys_field_there_and_missing_in_a_city_of_another_world():
    city = WORLD.city(1)
    metres = np.random.default_rng(0).uniform(-440, 440, (20, 2))
    found = simulation.truth(WORLD, city.lat_lon_deg(metres), np.full(20, city.name))
    np.testing.assert_allclose(found, fields.value_at(city.fields, 450.0, metres), atol=1e-6)
    found = simulation.truth(WORLD, np.array([[38.0, -42.0], [50.0, 7.0]]), np.array(["Velmora", "Bonn"], object))
    assert np.isfinite(found).all(axis=1).tolist() == [True, False]
    assert np.isnan(found[1]).all()


def test_a_world_without_ranges_plants_values_that_know_nothing_of_their_neighbours():
    none = dataclasses.replace(WORLD, range_scale=0.0)
    values = none.city(0).fields
    assert abs(np.corrcoef(values[:, 1:].ravel(), values[:, :-1].ravel())[0, 1]) < 0.6  # what cities' means leave
    np.testing.assert_allclose(fields.planted_semivariogram(none.planted(), np.array([1.0, 100.0])), 1)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"city_count": 0}, "city_count 0 must be a whole number of at least 1 and at most 8"),
        ({"city_count": 9}, "city_count 9 must be a whole number of at least 1 and at most 8"),
        ({"photos_per_city": 0}, "photos_per_city 0 must be a whole number of at least 1"),
        ({"picture_px": 8}, "picture_px 8 must be a multiple of 16, the patch of a tower: take 16"),
        ({"picture_px": 90}, "picture_px 90 must be a multiple of 16, the patch of a tower: take 96"),
        ({"city_side_m": 100.0}, "a city's side of 100 m must be 400 to 4000 m"),
        ({"nugget": -0.1}, "nugget -0.1 and city_mean_sd .* must be at least 0"),
        ({"trend_scale": 1.1}, "trend_share needs a number of 0 to 0.5 for each of 28 fields"),
        ({"trend_scale": float("nan")}, "trend_scale nan must be a finite number of at least 0"),
        ({"city_side_m": 500.0}, "a city of 500 m is too small for a range of 450 m"),
        ({"range_scale": -1.0}, "range_scale -1.0 must be a finite number of at least 0"),
        ({"world_seed": -1}, "world_seed -1 must be a whole number of at least 0"),
        ({"range_scale": 3.0}, "a city of 900 m is too small for a range of 4500 m"),
        ({"continents": 7}, "continents 7 must be a whole number of at least 0 and at most 6"),
        ({"continents": 2, "city_count": 17}, "city_count 17 must be a whole number of at least 1 and at most 16"),
        ({"continents": 2, "continent_sd": -1.0}, "continent_sd -1.0 must be a finite number of at least 0"),
        ({"continents": 2, "country_sd": float("nan")}, "country_sd nan must be a finite number"),
    ],
)
def test_a_world_that_cannot_be_made_is_refused_by_name(wrong, said):
    with pytest.raises(ValueError, match=said):
        simulation.World(**OPTIONS | wrong)


def test_cities_of_the_globe_lie_apart_on_their_continent_and_have_names_of_their_own():
    homes = [globe.home(n, 0, 6, 1.0, 1.0) for n in range(len(globe.NAMES))]
    at = np.stack([home.centre_lat_lon_deg for home in homes])
    apart_m = sphere.pair_distance_m(at)
    assert apart_m[np.triu_indices(len(at), 1)].min() > 100_000
    middles = np.array([middle for middle, _ in globe.CONTINENTS])
    assert (sphere.nearest(at, middles)[0] == np.arange(len(at)) % 6).all()
    assert sphere.nearest(at, middles)[1].max() < 1_300_000
    assert len(set(globe.NAMES)) == len(globe.NAMES)
    countries = pd.Series([home.country for home in homes])
    assert countries.value_counts().tolist() == [4] * 12


def test_continents_and_countries_share_means():
    homes = [globe.home(n, 0, 3, 1.0, 0.5) for n in range(24)]
    by_country = pd.DataFrame([home.means for home in homes]).groupby([home.country for home in homes])
    assert by_country.nunique().to_numpy().max() == 1
    assert homes[0].means.shape == (len(fields.FIELDS),)
    assert abs(np.corrcoef(homes[0].means, homes[1].means)[0, 1]) < 0.6
    alone = [globe.home(n, seed, 6, 0.8, 0.4).means for seed in range(200) for n in (0, 6)]
    np.testing.assert_allclose(np.std(alone), np.hypot(0.8, 0.4), rtol=0.1)
    np.testing.assert_array_equal(globe.home(0, 0, 6, 0.0, 0.0).means, 0.0)


def test_means_of_a_continent_are_planted_on_top_of_the_citys_own():
    ours = simulation.World(**OPTIONS | {"city_count": 12, "continents": 3, "photos_per_city": 8})
    lifted = ours.city(0).fields - WORLD.city(0).fields
    np.testing.assert_allclose(lifted.mean(axis=(1, 2)), ours.home(0).means, atol=2e-3)
    assert np.abs(lifted - lifted.mean(axis=(1, 2), keepdims=True)).max() < 5e-3  # of float16
