import dataclasses

import networkx
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geonb.earth import seeds, sphere
from simcities import buildings, day, fields, geography, renderer, things, world

PLANTED = fields.Planted()
HALF_M = 450.0
LAGS_M = (0.0, 30.0, 60.0, 100.0, 150.0, 225.0, 300.0, 450.0)
TURNED_OFF = {"city_mean_sd": 0.0, "trend_share": 0.0}


def drawn(index, seed=0, photo_count=300, planted=PLANTED, isolated_share=0.4):
    """(city, photos) with many isolated photos, so that all scenes are among them."""
    city = geography.city(index, seed, planted, half_side_m=HALF_M)
    return city, geography.drives(city, photo_count, seeds.stream(seed, "drives", index), isolated_share)


CITIES = [drawn(index) for index in range(3)]  # one of each kind: regular, radial, organic
every_city = pytest.mark.parametrize("index", range(3))


def semivariogram(values, at_m):
    """Half the mean square of differences (..., L) of values (..., n) at positions (n, 2) in LAGS_M."""
    first, second = fields.pairs(len(at_m))
    apart = np.linalg.norm(at_m[first] - at_m[second], axis=1)
    half_square = (values[..., first] - values[..., second]) ** 2 / 2
    return np.apply_along_axis(fields.mean_in_lags, -1, half_square, apart, LAGS_M)


# ---- what is planted -------------------------------------------------------------------------------------------------
@given(st.floats(1e-3, 5_000), st.floats(1e-3, 5_000), st.sampled_from(sorted(fields.MODELS)))
def test_the_planted_semivariogram_never_falls(a, b, model):
    near, far = fields.planted_semivariogram(fields.Planted(model=model), np.sort([a, b]))
    assert near <= far + 1e-12
    assert far <= 1 + 1e-12


def test_the_planted_semivariogram_runs_from_the_nugget_share_to_one():
    near, far = fields.planted_semivariogram(PLANTED, [1e-9, 1e9])
    assert near == pytest.approx(0.15 / 1.15)
    assert far == pytest.approx(1)
    assert fields.planted_semivariogram(fields.Planted(nugget=0.0, sill=3.0), [1e-9])[0] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("model", "share"), [("exponential", 1 - np.exp(-3)), ("gaussian", 1 - np.exp(-4)),
                                              ("spherical", 1.0), ("matern", 0.95)])  # fmt: skip
def test_at_its_effective_range_a_field_has_reached_its_share_of_the_sill(model, share):
    planted = fields.Planted(range_m=(300.0,) * 7, nugget=0.0, model=model)
    assert fields.planted_semivariogram(planted, [300.0])[0] == pytest.approx(share, abs=1e-5)


def test_the_exponential_model_is_its_formula():
    planted = fields.Planted(range_m=(120.0,) * 7, nugget=0.2, sill=2.0, model="exponential")
    h = np.array([1.0, 40.0, 500.0])
    np.testing.assert_allclose(fields.planted_semivariogram(planted, h), (0.2 + 2 * (1 - np.exp(-h / 40))) / 2.2)


def test_fields_without_a_range_are_at_their_sill_at_once():
    assert fields.planted_semivariogram(fields.Planted(range_m=(0.0,) * 7), [0.01]) == pytest.approx([1])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"nugget": -0.1}, "nugget -0.1 and city_mean_sd 0.8 must be at least 0"),
        ({"nugget": float("nan")}, "nugget nan"),
        ({"city_mean_sd": -1.0}, "city_mean_sd -1.0 must be at least 0"),
        ({"sill": 0.0}, "sill 0.0 must be above 0"),
        ({"trend_share": 0.11}, "trend_share 0.11 must be 0 to 0.1"),
        ({"trend_share": -0.01}, "trend_share -0.01 must be 0 to 0.1"),
        ({"model": "linear"}, "no model 'linear'; there are exponential, spherical"),
        ({"range_m": (100.0,) * 8}, "range_m needs 7 numbers of at least 0"),
        ({"range_m": (-1.0, *[100.0] * 6)}, "range_m needs 7 numbers of at least 0"),
    ],
)
def test_what_cannot_be_planted_is_named(wrong, said):
    with pytest.raises(ValueError, match=said):
        fields.Planted(**wrong)


def test_what_is_planted_can_be_written_down_and_read_again():
    planted = fields.Planted(range_m=(50.0,) * 7, model="gaussian")
    assert fields.Planted(**planted.as_dict()) == planted


# ---- fields ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", sorted(fields.MODELS))
def test_drawn_fields_have_the_planted_semivariogram_at_every_lag_from_one_cell_on(model):
    """The mean over many fields of half the mean square of differences, along both axes and a diagonal."""
    planted = fields.Planted(model=model, sill=2.0)
    rng = np.random.default_rng(0)
    layers = np.stack([fields.one_field(planted, 150.0, 80, rng) for _ in range(150)])
    assert layers.var() + layers.mean() ** 2 == pytest.approx(2, rel=0.06)
    for lag in (1, 2, 5, 15, 30):
        for a, b, apart in (
            (layers[:, lag:], layers[:, :-lag], 1.0), (layers[:, :, lag:], layers[:, :, :-lag], 1.0),
            (layers[:, lag:, lag:], layers[:, :-lag, :-lag], np.sqrt(2)),
        ):  # fmt: skip
            expected = fields.model_semivariogram(planted, 150.0, np.array([apart * lag * fields.GRID_STEP_M]))[0]
            assert ((a - b) ** 2).mean() / 2 == pytest.approx(expected, rel=0.08)


def test_true_fields_at_photos_lie_inside_the_band_of_exact_redraws():
    """Redraws at the photos' own positions by Cholesky: independent of grid, cells and embedding."""
    rng, inside, ratio = np.random.default_rng(0), [], []
    for index in range(3):
        for seed in range(2):
            city, photos = drawn(index, seed, 220, isolated_share=0.1)
            at = photos[["east_m", "north_m"]].to_numpy()
            apart = np.linalg.norm(at[:, None] - at[None], axis=-1)
            found = semivariogram(fields.value_at(city.fields, HALF_M, at).T.astype(float), at)
            trend = fields.trend(PLANTED, HALF_M, at)
            for k, name in enumerate(fields.FIELDS):
                model = fields.covariance_model(PLANTED, PLANTED.range_m[k])
                factor = np.linalg.cholesky(model.covariance(apart) + 1e-9 * np.eye(len(at)))
                redrawn = semivariogram(rng.standard_normal((200, len(at))) @ factor.T + trend, at)
                low, high = np.quantile(redrawn, [0.025, 0.975], axis=0)
                inside.append((found[k] >= low) & (found[k] <= high))
                expected = fields.field_semivariogram(PLANTED, HALF_M, name, at, LAGS_M)
                np.testing.assert_allclose(redrawn.mean(axis=0), expected, rtol=0.15)
                ratio.append(found[k] / expected)
    assert np.mean(inside) >= 0.9
    assert np.mean(ratio, axis=0)[:3] == pytest.approx(1, abs=0.2)  # cells of 10 m add a little below 30 m


def test_the_curve_of_a_field_holds_the_trend_and_is_missing_where_no_pair_is():
    planted = fields.Planted(range_m=(0.0,) * 7, trend_share=0.1)
    at = np.array([[0.0, 0.0], [0.0, 400.0], [0.0, 405.0]])
    curve = fields.field_semivariogram(planted, HALF_M, "paving", at, (0.0, 10.0, 100.0, 500.0))
    assert np.isnan(curve[1])
    drift = fields.trend(planted, HALF_M, at)
    assert curve[0] == pytest.approx(1 + (drift[1] - drift[2]) ** 2 / 2)
    assert curve[2] == pytest.approx(1 + ((drift[0] - drift[1]) ** 2 + (drift[0] - drift[2]) ** 2) / 4)
    with pytest.raises(ValueError, match="1 positions have no pair"):
        fields.field_semivariogram(planted, HALF_M, "paving", at[:1], LAGS_M)


def test_of_too_many_pairs_a_repeatable_sample_is_taken(monkeypatch):
    at = np.random.default_rng(0).uniform(-HALF_M, HALF_M, (300, 2))
    whole = fields.field_semivariogram(PLANTED, HALF_M, "stone", at, LAGS_M[3:])
    monkeypatch.setattr(fields, "PAIRS_AT_MOST", 20_000)
    first, second = fields.pairs(300)
    assert len(first) == 20_000
    assert (first != second).all()
    sample = fields.field_semivariogram(PLANTED, HALF_M, "stone", at, LAGS_M[3:])
    np.testing.assert_allclose(sample, whole, rtol=0.02)
    np.testing.assert_array_equal(fields.field_semivariogram(PLANTED, HALF_M, "stone", at, LAGS_M[3:]), sample)


def test_the_trend_has_its_share_of_variance_over_a_city_and_a_sign_of_its_own_in_each():
    at = np.random.default_rng(0).uniform(-HALF_M, HALF_M, (200_000, 2))
    slope = fields.trend(fields.Planted(trend_share=0.1, sill=2.0), HALF_M, at)
    assert slope.mean() == pytest.approx(0, abs=2e-3)
    assert slope.var() == pytest.approx(0.2, rel=0.01)
    seen = set()
    for seed in range(6):
        with_trend = fields.draw(fields.Planted(trend_share=0.1), HALF_M, np.random.default_rng(seed))
        without = fields.draw(fields.Planted(trend_share=0.0), HALF_M, np.random.default_rng(seed))
        seen |= set(np.sign((with_trend - without)[:, 0, 0]))
        np.testing.assert_allclose(np.abs(with_trend - without)[:, 0, 0], np.sqrt(0.1) * 2.2, rtol=0.1)
    assert seen == {-1.0, 1.0}


def test_cities_differ_in_their_means_as_planted():
    flat = fields.Planted(range_m=(0.0,) * 7, city_mean_sd=0.8, trend_share=0.0)
    means = [fields.draw(flat, 200.0, np.random.default_rng(seed)).mean(axis=(1, 2)) for seed in range(200)]
    assert np.std(means) == pytest.approx(0.8, rel=0.07)
    assert np.mean(means) == pytest.approx(0, abs=0.08)
    alike = fields.draw(dataclasses.replace(flat, city_mean_sd=0.0), 200.0, np.random.default_rng(0))
    assert np.abs(alike.mean(axis=(1, 2))).max() < 0.1


def test_a_range_of_zero_plants_values_that_know_nothing_of_their_neighbours():
    layers = fields.draw(fields.Planted(range_m=(0.0, *[200.0] * 6), **TURNED_OFF), 300.0, np.random.default_rng(0))
    beside = [np.corrcoef(layer[1:].ravel(), layer[:-1].ravel())[0, 1] for layer in layers]
    assert abs(beside[0]) < 0.06
    assert min(beside[1:]) > 0.7
    assert layers[0].var() == pytest.approx(1, rel=0.06)


def test_a_value_is_that_of_the_cell_with_east_in_columns_and_north_in_rows():
    layers = np.arange(400.0).reshape(1, 20, 20)
    assert fields.value_at(layers, 100.0, [[-99.0, -99.0]])[0, 0] == 0
    assert fields.value_at(layers, 100.0, [[-85.0, -99.0]])[0, 0] == 1
    assert fields.value_at(layers, 100.0, [[-99.0, -85.0]])[0, 0] == 20
    assert fields.value_at(layers, 100.0, [[500.0, -500.0]])[0, 0] == 19


def test_a_city_smaller_than_a_range_is_refused():
    with pytest.raises(ValueError, match="a city of 600 m is too small for a range of 400 m: it needs a side of 800 m"):
        geography.city(0, 0, PLANTED, half_side_m=300.0)


# ---- streets ---------------------------------------------------------------------------------------------------------
def same(a, b):
    """Whether two cities are equal in everything."""
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))


def test_a_city_is_the_same_for_its_seed_whatever_was_drawn_before():
    geography.city(1, 0, PLANTED, half_side_m=HALF_M)
    assert same(geography.city(2, 0, PLANTED, half_side_m=HALF_M), CITIES[2][0])


def test_another_seed_or_index_is_another_city():
    for other in (geography.city(0, 1, PLANTED, half_side_m=HALF_M), geography.city(3, 0, PLANTED, half_side_m=HALF_M)):
        assert not np.array_equal(other.fields, CITIES[0][0].fields)
        assert other.street_names[:4] != CITIES[0][0].street_names[:4]


def test_the_knobs_of_the_fields_leave_the_streets_as_they_are():
    other = geography.city(0, 0, fields.Planted(range_m=(0.0,) * 7, **TURNED_OFF), half_side_m=HALF_M)
    for name in ("start_m", "length_m", "half_width_m", "road_half_m", "grounds", "street_names"):
        np.testing.assert_array_equal(getattr(other, name), getattr(CITIES[0][0], name))


@every_city
def test_streets_stay_in_the_square_with_unit_directions_and_names_of_their_own(index):
    city = CITIES[index][0]
    ends = np.concatenate([city.start_m, city.start_m + city.direction * city.length_m[:, None]])
    assert np.abs(ends).max() <= HALF_M + 1e-6
    np.testing.assert_allclose(np.linalg.norm(city.direction, axis=1), 1)
    assert len(set(city.street_names)) == len(city.street_names) == len(city.length_m)
    pavement = city.half_width_m - city.road_half_m
    assert pavement.min() >= 2
    assert city.road_half_m.min() > 3


@every_city
@pytest.mark.parametrize("half_side_m", [200.0, 450.0, 1100.0])
def test_one_can_drive_from_every_street_to_every_other(index, half_side_m):
    city = geography.city(index, 3, fields.Planted(range_m=(0.0,) * 7), half_side_m=half_side_m)
    ends = np.stack([city.start_m, city.start_m + city.direction * city.length_m[:, None]], axis=1)
    roads = shapely.buffer(shapely.linestrings(ends), city.road_half_m, cap_style="square")
    ways = networkx.Graph()
    ways.add_nodes_from(range(len(roads)))
    ways.add_edges_from(shapely.STRtree(roads).query(roads, predicate="intersects").T.tolist())
    if geography.KINDS[index] == "radial":  # the square in the middle joins the spokes
        middle = [s for s in range(len(roads)) if np.linalg.norm(city.start_m[s]) < 40]
        networkx.add_path(ways, middle)
    assert len(city.length_m) >= 3
    assert networkx.is_connected(ways)


@every_city
def test_where_two_streets_cross_each_knows_it(index):
    """A junction of a street lies on the line of another one, whose half width over the sine is the gap's."""
    city = CITIES[index][0]
    found = 0
    for s, (along, gap) in enumerate(zip(city.junction_m, city.junction_half_m, strict=True)):
        for a, half in zip(along[along > -1e5], gap[along > -1e5], strict=True):
            away = city.position_m(np.array([s]), [a])[0] - city.start_m
            off = np.abs(away[:, 0] * city.direction[:, 1] - away[:, 1] * city.direction[:, 0])
            off[s] = np.inf
            assert off.min() < 1e-6
            assert half >= city.half_width_m[off < 1e-6].min() - 1e-9
            found += 1
    assert found >= 4


def test_streets_of_an_organic_city_never_meet_at_a_sharp_angle_nor_cross_between_their_ends():
    start, end = geography.organic(1100.0, np.random.default_rng(0))
    lines = shapely.linestrings(np.stack([start, end], axis=1))
    for a, b in shapely.STRtree(lines).query(lines, predicate="intersects").T:
        if a == b:
            continue
        shared = [p for p in (start[a], end[a]) if (p == start[b]).all() or (p == end[b]).all()]
        assert len(shared) == 1
        away = [(end[s] if (start[s] == shared[0]).all() else start[s]) - shared[0] for s in (a, b)]
        cosine = away[0] @ away[1] / np.linalg.norm(away[0]) / np.linalg.norm(away[1])
        assert cosine <= 0.5 + 1e-9  # the property of relative neighbours


@pytest.mark.parametrize("side_m", [300.0, 5_000.0])
def test_cities_without_room_for_streets_or_names_are_refused(side_m):
    with pytest.raises(ValueError, match=f"a city's side of {side_m:.0f} m must be 400 to 4000 m"):
        geography.city(0, 0, fields.Planted(range_m=(0.0,) * 7), half_side_m=side_m / 2)


def test_the_largest_city_has_names_for_all_its_streets():
    start, _ = geography.organic(geography.MOST_SIDE_M / 2, np.random.default_rng(0))
    assert len(set(geography.street_names(len(start), np.random.default_rng(0)))) == len(start)


def test_more_streets_than_names_none_and_one_of_no_length_are_refused():
    with pytest.raises(ValueError, match="391 streets, but only 390 street names"):
        geography.street_names(391, np.random.default_rng(0))
    with pytest.raises(ValueError, match="at least one street, this network has none"):
        geography.directed(np.empty((0, 2)), np.empty((0, 2)))
    with pytest.raises(ValueError, match="street 1 has no length"):
        geography.directed(np.zeros((2, 2)), np.array([[1.0, 0.0], [0.0, 0.0]]))


def test_cities_lie_apart():
    apart = sphere.pair_distance_m([geography.position(index) for index in range(len(geography.NAMES))])
    assert apart[np.triu_indices(len(apart), 1)].min() > 100_000


def test_a_photo_lies_in_the_quarter_whose_centre_is_nearest():
    city = CITIES[0][0]
    np.testing.assert_array_equal(city.districts(city.quarters_m), geography.QUARTERS)


@every_city
def test_parks_and_squares_lie_apart_and_squares_have_room_for_a_landmark(index):
    grounds = CITIES[index][0].grounds
    square = grounds[:, 3] == geography.SQUARE
    assert 3 <= square.sum() <= 4
    assert 1 <= (~square).sum() <= 4
    assert ((grounds[square, 2] >= 22) & (grounds[square, 2] <= 35)).all()
    assert ((grounds[~square, 2] >= 35) & (grounds[~square, 2] <= 70)).all()
    apart = np.linalg.norm(grounds[:, None, :2] - grounds[None, :, :2], axis=-1) - grounds[:, 2] - grounds[None, :, 2].T
    assert apart[np.triu_indices(len(grounds), 1)].min() > 0
    off_m = CITIES[index][0].distances_m(grounds[square, :2]) - CITIES[index][0].half_width_m
    assert off_m.min() > 15


# ---- buildings -------------------------------------------------------------------------------------------------------
def outlines(city):
    """Footprints as polygons, drawn in by 6 cm: walls may be shared."""
    return shapely.polygons(buildings.corners(city.buildings, -0.06))


@every_city
def test_no_building_stands_on_a_street_a_park_a_square_or_another_building(index):
    city = CITIES[index][0]
    footprints = outlines(city)
    ends = np.stack([city.start_m, city.start_m + city.direction * city.length_m[:, None]], axis=1)
    corridors = shapely.buffer(shapely.linestrings(ends), city.half_width_m, cap_style="flat")
    assert len(shapely.STRtree(footprints).query(corridors, predicate="intersects")[1]) == 0
    discs = shapely.buffer(shapely.points(city.grounds[:, :2]), city.grounds[:, 2])
    touching = shapely.STRtree(footprints).query(discs, predicate="intersects")[1]
    assert (city.buildings[touching, buildings.KIND] >= buildings.CHURCH).all()
    a, b = shapely.STRtree(footprints).query(footprints, predicate="intersects")
    assert (a == b).all()


@every_city
def test_streets_are_lined_with_houses_that_face_them(index):
    city = CITIES[index][0]
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


@every_city
def test_houses_have_the_sizes_of_houses(index):
    table = CITIES[index][0].buildings
    ordinary = table[table[:, buildings.KIND] < buildings.CHURCH]
    assert ordinary[:, buildings.HALF_WIDTH].min() >= 2
    assert ordinary[:, buildings.HALF_WIDTH].max() < 15
    assert ordinary[:, buildings.HALF_DEPTH].min() >= 4
    assert set(ordinary[:, buildings.FLOORS]) <= set(range(1, 8))
    assert ((ordinary[:, buildings.STOREY] > 2.7) & (ordinary[:, buildings.STOREY] < 4.2)).all()
    np.testing.assert_allclose(np.hypot(table[:, buildings.COS], table[:, buildings.SIN]), 1, atol=1e-6)
    assert ((table[:, buildings.SEED] >= 0) & (table[:, buildings.SEED] < 1)).all()
    assert len(np.unique(table[:, buildings.SEED])) >= len(table) - 1  # of 2^24, two may meet


@every_city
def test_each_square_holds_one_landmark_and_no_kind_comes_twice(index):
    city = CITIES[index][0]
    landmarks = city.buildings[city.buildings[:, buildings.KIND] >= buildings.CHURCH]
    squares = city.grounds[city.grounds[:, 3] == geography.SQUARE]
    np.testing.assert_allclose(np.sort(landmarks[:, 0]), np.sort(squares[:, 0]), rtol=1e-6)
    kinds = landmarks[:, buildings.KIND]
    assert len(set(kinds)) == len(kinds)
    assert set(kinds) <= set(buildings.LANDMARKS)


def test_traits_are_the_fields_and_a_nugget_of_the_planted_variance():
    for nugget in (0.0, 0.15, 0.6):
        city = geography.city(2, 0, fields.Planted(nugget=nugget), half_side_m=1100.0)
        own = city.buildings[:, buildings.TRAITS :] - fields.value_at(city.fields, 1100.0, city.buildings[:, :2])
        assert own.var(axis=0) == pytest.approx(nugget, rel=0.08, abs=1e-9)
        assert own.mean(axis=0) == pytest.approx(0, abs=0.05)
        assert len(city.buildings) > 4_000


def test_taller_traits_have_more_floors_and_some_plots_have_gardens():
    city = geography.city(0, 0, PLANTED, half_side_m=1100.0)
    table = city.buildings[city.buildings[:, buildings.KIND] < buildings.CHURCH]
    order = np.argsort(table[:, buildings.TRAITS])
    assert (np.diff(table[order, buildings.FLOORS]) >= 0).all()
    street, _, _, garden_m = buildings.fronts(city)
    garden_m = garden_m[street >= 0]
    assert 0.1 < (garden_m > 1).mean() < 0.5
    assert garden_m.max() <= buildings.DEEPEST_GARDEN_M + 0.1


def test_a_point_is_covered_where_a_footprint_is():
    table = np.zeros((1, 10))
    table[0, : buildings.FLOORS] = 10.0, 20.0, 0.0, 1.0, 4.0, 2.0  # the frontage runs north
    points = np.array([[10.0, 23.9], [11.9, 20.0], [12.1, 20.0], [10.0, 24.1]])
    np.testing.assert_array_equal(buildings.covers(table, points), [True, True, False, False])
    np.testing.assert_array_equal(buildings.covers(table, points, 0.2), [True] * 4)


# ---- things ----------------------------------------------------------------------------------------------------------
@every_city
def test_nothing_stands_on_a_carriageway_and_every_kind_is_there(index):
    city = CITIES[index][0]
    off_m = city.distances_m(city.things[:, [things.EAST, things.NORTH]]) - city.road_half_m
    assert off_m.min() > 0.15
    assert set(city.things[:, things.KIND]) == set(range(10))
    assert ((city.things[:, things.SEED] >= 0) & (city.things[:, things.SEED] < 1)).all()
    assert city.things[:, things.SIZE].min() > 0


def test_street_trees_follow_greenery():
    city = geography.city(0, 0, PLANTED, half_side_m=1100.0)
    city = dataclasses.replace(city, grounds=city.grounds[:0])
    for level, low, high in ((-1.6, 0, 25), (0.0, 300, 5_000), (1.6, 3_500, 9_000)):
        city.fields[fields.FIELDS.index("greenery")] = level
        assert low <= len(buildings.street_trees(city, 0.0, np.random.default_rng(0))) <= high


def test_hedges_and_fences_run_along_the_gardens_and_signs_look_at_those_who_come():
    city = CITIES[0][0]
    for kind in (things.HEDGE, things.FENCE, things.SIGN):
        table = city.things[city.things[:, things.KIND] == kind]
        looks = np.stack([np.sin(table[:, things.HEADING]), np.cos(table[:, things.HEADING])], axis=1)
        assert np.abs(looks @ city.direction.T).max(axis=1) == pytest.approx(1, abs=1e-5)
    lamps = city.things[city.things[:, things.KIND] == things.LAMP]
    ahead = lamps[:, [1, 2]] + 0.5 * np.stack([np.sin(lamps[:, 3]), np.cos(lamps[:, 3])], axis=1)
    nearer = city.distances_m(ahead).min(axis=1) < city.distances_m(lamps[:, [1, 2]]).min(axis=1)
    assert nearer.mean() > 0.8  # those on squares look anywhere


# ---- drives ----------------------------------------------------------------------------------------------------------
@pytest.mark.filterwarnings("error")
@every_city
@pytest.mark.parametrize("photo_count", [1, 2, 7, 40, 333])
@pytest.mark.parametrize("isolated_share", [0.0, 0.1, 1.0])
def test_drives_give_exactly_the_photos_that_were_asked(index, photo_count, isolated_share):
    photos = geography.drives(CITIES[index][0], photo_count, np.random.default_rng(photo_count), isolated_share)
    assert len(photos) == photo_count
    assert photos.notna().all(axis=None)
    assert photos.index.tolist() == list(range(photo_count))
    assert (photos.sequence_id == "").sum() == round(isolated_share * photo_count)


def test_no_photos_and_impossible_shares_are_refused():
    for count, share in ((0, 0.1), (10, -0.1), (10, 1.1)):
        with pytest.raises(ValueError, match=f"photo_count {count} must be at least 1, isolated_share {share}"):
            geography.drives(CITIES[0][0], count, np.random.default_rng(0), share)


@every_city
def test_every_street_is_driven_in_both_directions_in_summer_and_winter(index):
    city = CITIES[index][0]
    photos = geography.drives(city, 1_000, np.random.default_rng(0))
    driven = photos[photos.sequence_id != ""]
    assert len(driven) == 900
    assert (driven.groupby("street").forward.agg(set) == {1, -1}).all()
    assert set(driven.street) == set(range(len(city.length_m)))
    assert set(driven[driven.forward == 1].captured_at.dt.month) == {6}
    assert set(driven[driven.forward == -1].captured_at.dt.month) == {1}
    assert driven.captured_at.dt.hour.between(8, 18).all()


@every_city
def test_a_sequence_is_one_passage_of_at_most_400_m_of_one_street(index):
    city = geography.city(index, 0, PLANTED, half_side_m=1100.0)
    driven = geography.drives(city, 1_000, np.random.default_rng(0), 0.0)
    sequences = driven.groupby("sequence_id")
    assert (sequences.street.nunique() == 1).all()
    assert (sequences.forward.nunique() == 1).all()
    assert (sequences.along_m.max() - sequences.along_m.min() <= 400).all()
    assert driven.sequence_id.str.fullmatch(rf"{city.name}-\d\d+-[ab]\d").all()
    for _, drive in sequences:
        assert (np.diff(drive.sort_values("captured_at").along_m) * drive.forward.iloc[0] > 0).all()


def test_drives_keep_one_spacing_over_all_streets_and_their_lane():
    city = CITIES[0][0]
    driven = geography.drives(city, 500, np.random.default_rng(0), 0.0)
    spacing_m = 2 * city.length_m.sum() / 500
    same_leg = np.diff(driven.street * 2 + (driven.forward < 0)) == 0
    np.testing.assert_allclose(np.abs(np.diff(driven.along_m))[same_leg], spacing_m)
    at = driven[["east_m", "north_m"]].to_numpy()
    lateral = np.linalg.norm(at - city.position_m(driven.street.to_numpy(), driven.along_m), axis=1)
    assert (lateral < city.road_half_m[driven.street]).all()
    travel = city.direction[driven.street] * driven.forward.to_numpy()[:, None]
    right = np.stack([travel[:, 1], -travel[:, 0]], axis=1)
    assert (((at - city.position_m(driven.street.to_numpy(), driven.along_m)) * right).sum(axis=1) > 0).all()


@every_city
def test_no_camera_stands_in_a_building(index):
    city, photos = CITIES[index]
    assert not buildings.covers(city.buildings, photos[["east_m", "north_m"]].to_numpy()).any()


@every_city
def test_isolated_photos_have_all_scenes_in_their_shares_and_lie_at_their_nearest_street(index):
    city, _ = CITIES[index]
    photos = geography.drives(city, 600, np.random.default_rng(1), 1.0)
    shares = photos.scene.value_counts(normalize=True)
    assert set(shares.index) == set(things.SCENES) == set(geography.SCENE_SHARES)
    for scene, share in geography.SCENE_SHARES.items():
        assert shares[scene] == pytest.approx(share, abs=0.06)
    at = photos[["east_m", "north_m"]].to_numpy()
    nearest = city.distances_m(at).argmin(axis=1)
    np.testing.assert_array_equal(photos.street, nearest)
    away = np.linalg.norm(at - city.position_m(nearest, photos.along_m), axis=1)
    np.testing.assert_allclose(away, city.distances_m(at).min(axis=1))
    assert photos.captured_at.dt.month.nunique() == 12


@every_city
def test_scenes_look_at_what_they_are_of(index):
    city, _ = CITIES[index]
    photos = geography.drives(city, 400, np.random.default_rng(2), 1.0)
    at = photos[["east_m", "north_m"]].to_numpy()
    looks = np.stack([np.sin(photos.heading_rad), np.cos(photos.heading_rad)], axis=1)

    def seen(rows, targets_m, far_m):
        """Whether one of the targets lies within far_m and 25 degrees of the view of each row."""
        away = targets_m[None] - at[rows][:, None]
        distance = np.linalg.norm(away, axis=-1)
        return ((away * looks[rows][:, None]).sum(axis=-1) > np.cos(np.radians(25)) * distance) & (distance < far_m)

    table, scene = city.buildings, photos.scene.to_numpy()
    landmarks = table[table[:, buildings.KIND] >= buildings.CHURCH, :2]
    assert seen(scene == "landmark", landmarks, 61).any(axis=1).all()
    assert seen(scene == "object", city.things[:, [1, 2]], 3.2).any(axis=1).all()
    faces = buildings.in_footprint(table, np.zeros(1), np.ones(1))[:, 0]
    assert seen(scene == "facade", faces, 35).any(axis=1).all()
    parks = city.grounds[city.grounds[:, 3] == geography.PARK]
    inside = np.linalg.norm(at[scene == "park"][:, None] - parks[None, :, :2], axis=-1) < parks[:, 2]
    assert inside.any(axis=1).all()


def test_a_city_without_parks_and_squares_shows_streets_instead():
    bare = dataclasses.replace(CITIES[0][0], grounds=np.empty((0, 4)))
    photos = geography.drives(bare, 200, np.random.default_rng(0), 1.0)
    assert set(photos.scene) == {"street", "facade", "object", "people"}


# ---- a world in a file -----------------------------------------------------------------------------------------------
@pytest.fixture
def saved(tmp_path):
    """(path, photos, nuisances) of two cities in a file."""
    path = tmp_path / "deep" / "world.npz"
    photos = [CITIES[i][1].iloc[::40] for i in range(2)]
    nuisances = [day.nuisance(np.zeros(len(table)), np.random.default_rng(0)) for table in photos]
    world.save([city for city, _ in CITIES[:2]], PLANTED, path, photos, nuisances)
    return path, photos, nuisances


def test_a_world_comes_back_from_its_file_as_it_was(saved):
    path, photos, nuisances = saved
    found = world.load(path)
    assert found.planted == PLANTED
    assert len(found.cities) == 2
    for i, city in enumerate(found.cities):
        assert same(city, CITIES[i][0])
        for field in dataclasses.fields(city):
            assert type(getattr(city, field.name)) is type(getattr(CITIES[i][0], field.name))
        assert city.fields.dtype == np.float32
        np.testing.assert_array_equal(found.nuisances[i], nuisances[i])
        assert found.photos[i].columns.tolist() == photos[i].columns.tolist()
        for name in photos[i]:
            assert found.photos[i][name].tolist() == photos[i][name].tolist()


def test_pictures_of_a_saved_world_are_those_of_the_world(saved):
    path, photos, nuisances = saved
    found = world.load(path)
    np.testing.assert_array_equal(renderer.render(found.cities[0], found.photos[0], found.nuisances[0], 32),
                                  renderer.render(CITIES[0][0], photos[0], nuisances[0], 32))  # fmt: skip


def test_a_world_is_small_and_leaves_nothing_half_written(saved, tmp_path, monkeypatch):
    path, _, _ = saved
    assert sorted(file.name for file in path.parent.iterdir()) == ["planted.json", "world.npz"]
    assert path.stat().st_size < 700_000
    before = path.read_bytes()

    def full(*given, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="No space left"):
        world.save([CITIES[2][0]], PLANTED, path)
    assert path.read_bytes() == before
    assert sorted(file.name for file in path.parent.iterdir()) == ["planted.json", "world.npz"]


def test_a_world_may_be_saved_without_photos(tmp_path):
    world.save([CITIES[2][0]], PLANTED, tmp_path / "world.npz")
    assert world.load(tmp_path / "world.npz").photos == []


def test_a_file_that_holds_no_world_is_refused(saved):
    path, _, _ = saved
    np.savez(path, other=np.zeros(3))
    with pytest.raises(ValueError, match="holds no simulated world: write one with"):
        world.load(path)
    with pytest.raises(FileNotFoundError):
        world.load(path.with_name("missing.npz"))


def test_a_machine_without_gstools_and_geopandas_can_load_a_world(saved):
    import subprocess
    import sys

    script = f"""
import sys
for name in ("gstools", "geopandas", "skgstat", "folium"):
    sys.modules[name] = None
from simcities import world
print(len(world.load({str(saved[0])!r}).cities))
"""
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.strip() == "2"
