import dataclasses

import numpy as np
import pytest
import shapely

from simcities import buildings, fields, geography, things


@pytest.fixture(scope="module")
def large():
    """A regular city of the usual side."""
    return geography.city(0, 0, fields.Planted(), half_side_m=1100.0)


def test_no_building_stands_on_a_street_a_park_a_square_or_another_building(city):
    ends = np.stack([city.start_m, city.start_m + city.direction * city.length_m[:, None]], axis=1)
    footprints = shapely.polygons(buildings.corners(city.buildings, -0.06))  # drawn in by 6 cm: walls may be shared
    tree = shapely.STRtree(footprints)
    corridors = shapely.buffer(shapely.linestrings(ends), city.half_width_m, cap_style="flat")
    assert len(tree.query(corridors, predicate="intersects")[1]) == 0
    discs = shapely.buffer(shapely.points(city.grounds[:, :2]), city.grounds[:, 2])
    touching = tree.query(discs, predicate="intersects")[1]
    assert (city.buildings[touching, buildings.KIND] >= buildings.CHURCH).all()
    a, b = tree.query(footprints, predicate="intersects")
    assert (a == b).all()


def test_streets_are_lined_with_houses_that_face_them(city):
    street, along, side, garden_m = buildings.fronts(city)
    table = city.buildings[street >= 0]
    street, along, side, garden_m = (part[street >= 0] for part in (street, along, side, garden_m))
    assert len(table) > 0.6 * len(city.buildings)
    assert set(side) == {-1.0, 1.0}
    v = np.stack([-table[:, buildings.SIN], table[:, buildings.COS]], axis=1)
    face = table[:, :2] + v * table[:, buildings.HALF_DEPTH, None]
    np.testing.assert_allclose(face + v * (garden_m + city.half_width_m[street])[:, None],
                               city.position_m(street, along), atol=0.02)  # fmt: skip
    frontage = np.bincount(street, 2 * table[:, buildings.HALF_WIDTH], len(city.length_m))
    assert frontage.sum() > 0.55 * 2 * city.length_m.sum()


def test_each_square_holds_one_landmark_and_no_kind_comes_twice(city):
    landmarks = city.buildings[city.buildings[:, buildings.KIND] >= buildings.CHURCH]
    squares = city.grounds[city.grounds[:, 3] == geography.SQUARE]
    np.testing.assert_allclose(np.sort(landmarks[:, 0]), np.sort(squares[:, 0]), rtol=1e-6)
    kinds = landmarks[:, buildings.KIND]
    assert len(set(kinds) & set(buildings.LANDMARKS)) == len(kinds)


@pytest.mark.slow
@pytest.mark.parametrize("nugget", [0.0, 0.15, 0.6])
def test_traits_are_the_fields_and_a_nugget_of_the_planted_variance(nugget):
    city = geography.city(2, 0, fields.Planted(nugget=nugget), half_side_m=1100.0)
    own = city.buildings[:, buildings.TRAITS :] - fields.value_at(city.fields, 1100.0, city.buildings[:, :2])
    assert own.var(axis=0) == pytest.approx(nugget, rel=0.08, abs=1e-9)
    assert own.mean(axis=0) == pytest.approx(0, abs=0.05)
    assert len(city.buildings) > 4_000


def test_a_point_is_covered_where_a_footprint_is():
    table = np.zeros((1, 10))
    table[0, : buildings.FLOORS] = 10.0, 20.0, 0.0, 1.0, 4.0, 2.0  # the frontage runs north
    points = np.array([[10.0, 23.9], [11.9, 20.0], [12.1, 20.0], [10.0, 24.1]])
    np.testing.assert_array_equal(buildings.covers(table, points), [True, True, False, False])
    np.testing.assert_array_equal(buildings.covers(table, points, 0.2), [True] * 4)


def test_nothing_stands_on_a_carriageway_and_every_kind_is_there(city):
    off_m = city.distances_m(city.things[:, [things.EAST, things.NORTH]]) - city.road_half_m
    assert off_m.min() > 0.15
    assert set(city.things[:, things.KIND]) == set(range(10))
    assert ((city.things[:, things.SEED] >= 0) & (city.things[:, things.SEED] < 1)).all()
    assert city.things[:, things.SIZE].min() > 0


@pytest.mark.parametrize(("level", "low", "high"), [(-1.6, 0, 25), (0.0, 300, 5_000), (1.6, 3_500, 9_000)])
def test_street_trees_follow_greenery(large, level, low, high):
    city = dataclasses.replace(large, grounds=large.grounds[:0], fields=large.fields.copy())
    city.fields[fields.FIELDS.index("greenery")] = level
    assert low <= len(buildings.street_trees(city, 0.0, np.random.default_rng(0))) <= high
