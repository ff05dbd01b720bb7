import numpy as np
import pytest
import shapely

from simcities import buildings, fields, geography


def amounts_of(city, trait):
    """The amounts (B,) of one trait of the houses of a city."""
    return fields.amounts(city.buildings[:, buildings.TRAITS + fields.FIELDS.index(trait)])


def before(city):
    """Street (B,), metres along it, side (1 right, -1 left) and garden [m] of each house; street -1: none."""
    table = city.buildings
    face = buildings.in_footprint(table, np.zeros(1), np.ones(1))[:, 0]
    away = face[:, None] - city.start_m
    along = (away * city.direction).sum(axis=2)
    across = away[..., 0] * city.direction[:, 1] - away[..., 1] * city.direction[:, 0]
    # u runs along the direction on the right, where v looks left
    square = np.sign(across) * (table[:, [buildings.COS, buildings.SIN]] @ city.direction.T) > 0.999
    garden_m = np.where(square & (along > 0) & (along < city.length_m), np.abs(across) - city.half_width_m, np.inf)
    garden_m[garden_m < -0.1] = np.inf
    street, rows = garden_m.argmin(axis=1), np.arange(len(table))
    found = garden_m[rows, street] < buildings.GARDEN_M[1] + 0.1
    return np.where(found, street, -1), along[rows, street], np.sign(across)[rows, street], garden_m[rows, street]


def test_no_building_stands_on_a_street_or_on_another_building(city):
    ends = np.stack([city.start_m, city.start_m + city.direction * city.length_m[:, None]], axis=1)
    footprints = shapely.polygons(buildings.corners(city.buildings, -0.06))  # drawn in by 6 cm: walls may be shared
    tree = shapely.STRtree(footprints)
    corridors = shapely.buffer(shapely.linestrings(ends), city.half_width_m, cap_style="flat")
    assert len(tree.query(corridors, predicate="intersects")[1]) == 0
    a, b = tree.query(footprints, predicate="intersects")
    assert (a == b).all()


def test_streets_are_lined_with_houses_that_face_them(city):
    street, along, side, garden_m = before(city)
    table = city.buildings[street >= 0]
    street, along, side, garden_m = (part[street >= 0] for part in (street, along, side, garden_m))
    assert len(table) > 0.95 * len(city.buildings)
    assert set(side) == {-1.0, 1.0}
    v = np.stack([-table[:, buildings.SIN], table[:, buildings.COS]], axis=1)
    face = table[:, :2] + v * table[:, buildings.HALF_DEPTH, None]
    np.testing.assert_allclose(face + v * (garden_m + city.half_width_m[street])[:, None],
                               city.position_m(street, along), atol=0.02)  # fmt: skip
    frontage = np.bincount(street, 2 * table[:, buildings.HALF_WIDTH], len(city.length_m))
    assert frontage.sum() > 0.55 * 2 * city.length_m.sum()


def test_gardens_are_as_deep_as_their_trait_says(city):
    street, _, _, garden_m = before(city)
    assert np.corrcoef(garden_m[street >= 0], amounts_of(city, "setback")[street >= 0])[0, 1] > 0.7
    assert garden_m[street >= 0].min() > buildings.GARDEN_M[0] - 0.1


def test_tall_houses_are_where_their_trait_is_high(city):
    eaves_m = city.buildings[:, buildings.FLOORS] * city.buildings[:, buildings.STOREY]
    assert (np.diff(eaves_m[np.argsort(amounts_of(city, "storeys"))]) >= -1e-5).all()
    assert buildings.EAVES_M[0] < eaves_m.min() < eaves_m.max() < buildings.EAVES_M[1]


@pytest.mark.slow
@pytest.mark.parametrize("nugget", [0.0, 0.15, 0.6])
def test_traits_are_the_fields_and_a_nugget_of_the_planted_variance(nugget):
    planted = fields.planted(range_scale=0.3, nugget=nugget)
    city = geography.city(2, 0, planted, 1100.0, geography.at_sea(2))
    own = city.buildings[:, buildings.TRAITS :] - fields.value_at(city.fields, 1100.0, city.buildings[:, :2])
    assert own.var(axis=0) == pytest.approx(nugget, rel=0.08, abs=1e-9)
    assert own.mean(axis=0) == pytest.approx(0, abs=0.05)
    assert len(city.buildings) > 3_000
