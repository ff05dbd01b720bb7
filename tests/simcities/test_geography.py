import dataclasses

import networkx
import numpy as np
import pytest
import shapely

from geonb.earth import sphere
from simcities import fields, geography

PLANTED = fields.planted(range_scale=0.3)
HALF_M = 450.0
FLAT = fields.planted(range_scale=0.0)


def made(index, seed=0, planted=PLANTED, half_side_m=HALF_M):
    """A city of the archipelago."""
    return geography.city(index, seed, planted, half_side_m, geography.at_sea(index))


def test_a_city_is_the_same_for_its_seed_whatever_was_drawn_before_and_another_for_another(cities):
    made(1)
    same, other_seed, other_index = made(0), made(0, seed=1), made(3)
    first = cities[0][0]
    assert all(np.array_equal(getattr(same, f.name), getattr(first, f.name)) for f in dataclasses.fields(first))
    for other in (other_seed, other_index):
        assert not np.array_equal(other.fields, first.fields)
        assert other.street_names[:4] != first.street_names[:4]


def test_the_knobs_of_the_fields_leave_the_streets_as_they_are(cities):
    other = made(0, planted=fields.planted(range_scale=0.0, trend_scale=0.0, city_mean_sd=0.0))
    for name in ("start_m", "length_m", "half_width_m", "road_half_m", "street_names"):
        np.testing.assert_array_equal(getattr(other, name), getattr(cities[0][0], name))


def test_streets_stay_in_the_square_with_unit_directions_and_names_of_their_own(city):
    ends = np.concatenate([city.start_m, city.start_m + city.direction * city.length_m[:, None]])
    assert np.abs(ends).max() <= HALF_M + 1e-6
    np.testing.assert_allclose(np.linalg.norm(city.direction, axis=1), 1)
    assert len(set(city.street_names)) == len(city.street_names) == len(city.length_m)
    assert (city.half_width_m - city.road_half_m).min() >= 2  # the pavement
    assert city.road_half_m.min() > 3


@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize("half_side_m", [200.0, 450.0, 1100.0])
def test_one_can_drive_from_every_street_to_every_other(index, half_side_m):
    city = made(index, 3, FLAT, half_side_m)
    ends = np.stack([city.start_m, city.start_m + city.direction * city.length_m[:, None]], axis=1)
    roads = shapely.buffer(shapely.linestrings(ends), city.road_half_m, cap_style="square")
    ways = networkx.Graph()
    ways.add_nodes_from(range(len(roads)))
    ways.add_edges_from(shapely.STRtree(roads).query(roads, predicate="intersects").T.tolist())
    if geography.KINDS[index] == "radial":  # the spokes meet in the middle
        middle = [s for s in range(len(roads)) if np.linalg.norm(city.start_m[s]) < 40]
        networkx.add_path(ways, middle)
    assert len(city.length_m) >= 3
    assert networkx.is_connected(ways)


@pytest.mark.parametrize(("make", "match"), [
    (lambda: made(0, planted=FLAT, half_side_m=150), "a city's side of 300 m must be 400 to 4000 m"),
    (lambda: made(0, planted=FLAT, half_side_m=2_500), "a city's side of 5000 m must be 400 to 4000 m"),
    (lambda: made(0, half_side_m=300), "a city of 600 m is too small for a range of 450 m: it needs a side of 900 m"),
    (lambda: geography.street_names(391, None), "391 streets, but only 390 street names"),
    (lambda: geography.directed(np.empty((0, 2)), np.empty((0, 2))), "at least one street, this network has none"),
    (lambda: geography.directed(np.zeros((2, 2)), np.array([[1.0, 0.0], [0.0, 0.0]])), "street 1 has no length"),
    (lambda: geography.drives(None, 0, None), "photo_count 0 must be at least 1"),
])  # fmt: skip
def test_cities_without_room_for_ranges_streets_and_names_and_impossible_drives_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_cities_lie_apart_and_a_photo_in_the_quarter_whose_centre_is_nearest(cities):
    apart = sphere.pair_distance_m([geography.position(index) for index in range(len(geography.NAMES))])
    assert apart[np.triu_indices(len(apart), 1)].min() > 100_000
    city = cities[0][0]
    np.testing.assert_array_equal(city.districts(city.quarters_m), geography.QUARTERS)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("photo_count", [1, 2, 7, 40, 333])
def test_drives_give_exactly_the_photos_that_were_asked_all_on_the_road(city, photo_count):
    photos = geography.drives(city, photo_count, np.random.default_rng(photo_count))
    assert len(photos) == photo_count
    assert photos.notna().all(axis=None)
    assert photos.index.tolist() == list(range(photo_count))
    off_m = city.distances_m(photos[["east_m", "north_m"]].to_numpy())[np.arange(photo_count), photos.street]
    assert off_m.max() < 1.0


def test_every_street_is_driven_in_both_directions_in_summer_and_winter(city):
    driven = geography.drives(city, 1_000, np.random.default_rng(0))
    assert (driven.groupby("street").forward.agg(set) == {1, -1}).all()
    assert set(driven.street) == set(range(len(city.length_m)))
    assert set(driven[driven.forward == 1].captured_at.dt.month) == {6}
    assert set(driven[driven.forward == -1].captured_at.dt.month) == {1}
    assert driven.captured_at.dt.hour.between(8, 18).all()


@pytest.mark.parametrize("index", range(3))
def test_a_sequence_is_one_passage_of_at_most_400_m_of_one_street(index):
    city = made(index, half_side_m=1100.0)
    driven = geography.drives(city, 1_000, np.random.default_rng(0))
    sequences = driven.groupby("sequence_id")
    assert (sequences.street.nunique() == 1).all()
    assert (sequences.forward.nunique() == 1).all()
    assert (sequences.along_m.max() - sequences.along_m.min() <= 400).all()
    assert driven.sequence_id.str.fullmatch(rf"{city.name}-\d\d+-[ab]\d").all()
    for _, drive in sequences:
        assert (np.diff(drive.sort_values("captured_at").along_m) * drive.forward.iloc[0] > 0).all()


def test_cameras_look_at_houses_to_one_side_of_the_way(cities):
    city, photos = cities[0]
    travel = city.direction[photos.street] * photos.forward.to_numpy()[:, None]
    aside = photos.heading_rad - np.arctan2(travel[:, 0], travel[:, 1])
    aside = (aside + np.pi) % (2 * np.pi) - np.pi
    assert np.abs(aside).between(*geography.ASIDE_RAD).all()
    assert 0.4 < (aside > 0).mean() < 0.6
