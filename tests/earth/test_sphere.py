import numpy as np
import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geonb.earth import sphere

R = sphere.EARTH_RADIUS_M
positions = st.tuples(st.floats(-90, 90), st.floats(-180, 180)).map(np.array)
BONN, OSLO = np.array([50.7374, 7.0982]), np.array([59.9139, 10.7522])


@given(positions, positions)
def test_distance_is_symmetric_and_at_most_half_way_round(a, b):
    assert sphere.distance_m(a, b) == sphere.distance_m(b, a)
    assert 0 <= sphere.distance_m(a, b) <= np.pi * R * (1 + 1e-15)
    assert sphere.distance_m(a, a) == 0


@given(positions, positions)
def test_haversine_lies_within_0_6_percent_of_the_geodesic(a, b):
    geodesic_m = pyproj.Geod(ellps="WGS84").inv(a[1], a[0], b[1], b[0])[2]
    assert sphere.distance_m(a, b) == pytest.approx(geodesic_m, rel=6e-3, abs=1e-6)


def test_haversine_equals_the_angle_between_unit_vectors_in_any_batch():
    rng = np.random.default_rng(0)
    a, b = np.stack([rng.uniform(-90, 90, (2, 50)), rng.uniform(-180, 180, (2, 50))], axis=-1)
    angle = np.arccos(np.clip((sphere.unit_xyz(a)[:, None] * sphere.unit_xyz(b)).sum(-1), -1, 1))
    np.testing.assert_allclose(sphere.pair_distance_m(a, b), angle * R, atol=0.5)
    np.testing.assert_array_equal(sphere.pair_distance_m(a), sphere.pair_distance_m(a, a))


@pytest.mark.parametrize(("a", "b", "metres", "close"), [
    ([0.0, 0.0], [1.0, 0.0], 111_195.08, 0.01),  # a degree of latitude
    (BONN, (BONN[0] + np.degrees(1e-3 / R), BONN[1]), 1e-3, 1e-7),  # a millimetre is still measured
    ([0.0, 179.9995], [0.0, -179.9995], 111.195, 1e-3),  # a step over the date line is short
    ([90.0, 12.0], [90.0, -150.0], 0.0, 1e-6),  # all longitudes meet at a pole
    ([89.0, 0.0], [89.0, 180.0], 2 * 111_195.08, 0.1),
    ([90.0, 0.0], sphere.from_local_m([0.6, 0.8], [90.0, 0.0]), 1.0, 1e-6),  # a metre beside a pole
    (BONN, [-BONN[0], BONN[1] - 180], np.pi * R, 0.5),  # antipodes are half a great circle apart
])  # fmt: skip
def test_known_distances(a, b, metres, close):
    assert sphere.distance_m(a, b) == pytest.approx(metres, abs=close)


@given(positions, st.floats(-20_000, 20_000), st.floats(-20_000, 20_000))
def test_local_metres_and_back_are_the_same_anywhere_poles_and_date_line_included(origin, east, north):
    at = sphere.from_local_m([east, north], origin)
    assert np.all(np.abs(at) <= [90, 180])
    np.testing.assert_allclose(sphere.to_local_m(at, origin), [east, north], atol=1e-6)


@given(st.floats(-1e4, 1e4))
def test_a_wrapped_longitude_names_the_same_meridian_within_half_a_turn(lon):
    wrapped = sphere.wrap_lon_deg(lon)
    assert -180 <= wrapped < 180
    assert np.cos(np.radians(wrapped - lon)) == pytest.approx(1, abs=1e-9)


def test_the_centre_may_lie_on_the_date_line_or_a_pole_and_antipodes_have_none():
    np.testing.assert_allclose(sphere.centre([BONN]), BONN)
    np.testing.assert_allclose(np.abs(sphere.centre([[10.0, 179.0], [10.0, -179.0]])), [10, 180], atol=0.01)
    assert sphere.centre([[80.0, lon] for lon in (0.0, 90.0, 180.0, -90.0)])[0] == pytest.approx(90)
    with pytest.raises(ValueError, match="cancel out"):
        sphere.centre([[0.0, 0.0], [0.0, 180.0]])


def test_the_nearest_place_is_the_one_a_full_search_finds():
    rng = np.random.default_rng(1)
    photos, places = (np.stack([rng.uniform(-90, 90, n), rng.uniform(-180, 180, n)], axis=1) for n in (60, 200))
    chosen, distance = sphere.nearest(photos, places)
    every = sphere.pair_distance_m(photos, places)
    np.testing.assert_array_equal(chosen, every.argmin(axis=1))
    np.testing.assert_allclose(distance, every.min(axis=1))
    with pytest.raises(ValueError, match="list of places is empty"):
        sphere.nearest([BONN], np.empty((0, 2)))


def test_projections_are_those_of_proj():
    to_plane = pyproj.Proj(f"+proj=aeqd +lat_0={BONN[0]} +lon_0={BONN[1]} +R={R}")
    np.testing.assert_allclose(sphere.to_local_m(OSLO, BONN), to_plane(OSLO[1], OSLO[0]), atol=1e-3)
    rng = np.random.default_rng(2)
    at = np.stack([rng.uniform(-90, 90, 200), rng.uniform(-180, 180, 200)], axis=1)
    to_plane = pyproj.Proj("+proj=eqearth +R=1")
    np.testing.assert_allclose(sphere.equal_earth(at), np.stack(to_plane(at[:, 1], at[:, 0]), axis=1), atol=1e-9)
    corners = sphere.equal_earth([[0.0, 0.0], [0.0, 180.0], [90.0, 0.0]])
    np.testing.assert_allclose(corners, [[0, 0], [2.7066, 0], [0, 1.3173627]], atol=1e-4)


@given(positions, st.integers(0, 2**31))
def test_split_positions_keep_millimetres_within_a_city_in_float32(city, seed):
    metres = np.random.default_rng(seed).uniform(-3_000, 3_000, (20, 2))
    at = sphere.from_local_m(metres, city)
    whole, rest = sphere.split_xyz_m(at)
    assert whole.dtype == rest.dtype == np.float32
    apart = (whole[:, None] - whole[None]) + (rest[:, None] - rest[None])
    assert apart.dtype == np.float32
    exact = sphere.unit_xyz(at) * R
    np.testing.assert_allclose(apart, exact[:, None] - exact[None], rtol=0, atol=1e-3)


@pytest.mark.parametrize(("at", "match"), [
    ([[50.0, 7.0], [91.0, 7.0]], "latitude 91.0 of row 1 is not within -90..90"),
    ([[50.0, -180.5]], "longitude -180.5 of row 0 is not within -180..180"),
    ([[np.nan, 7.0]], "latitude nan of row 0"),
])  # fmt: skip
def test_a_position_beyond_the_earth_is_named_and_one_on_its_bounds_passes(at, match):
    assert sphere.check_lat_lon_deg([[90, -180], [-90, 180]]).dtype == np.float64
    with pytest.raises(ValueError, match=match):
        sphere.check_lat_lon_deg(at)
