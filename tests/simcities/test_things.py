import numpy as np
import pytest
from numba import njit

from simcities import bodies, daylight, fields, things

LIGHT = daylight.light_of(np.array([1.0, 1.0, 1.0, 0.2, 0.001, 2.0, 0.8, 0.0, 0.01, 0.5, 0.0, 7.0]))


@njit
def cast(row, rays, light):
    """Distances (n,) and colours (n, 3) of a thing at the origin along rays (n, 6): from where, which way."""
    body, far, colours = np.zeros(bodies.BODY), np.empty(len(rays)), np.full((len(rays), 3), -1.0)
    bodies.shape(body, row)
    for i in range(len(rays)):
        r = rays[i]
        far[i] = bodies.seen(colours[i], row, body, (r[0], r[1], r[2], r[3], r[4], r[5]), light)
    return body, far, colours


def test_every_kind_is_there_and_only_cars_stand_on_a_road(city):
    off_m = (city.distances_m(city.things[:, [things.EAST, things.NORTH]]) - city.road_half_m).min(axis=1)
    cars = city.things[:, things.KIND] == things.CAR
    assert off_m[~cars].min() > 0.1
    assert off_m[cars].max() < -0.8
    assert set(city.things[:, things.KIND]) == set(things.ROWS)
    assert ((city.things[:, things.SEED] >= 0) & (city.things[:, things.SEED] < 1)).all()


@pytest.mark.parametrize("kind", [kind for kind in things.ROWS if kind != things.CAR])
def test_things_are_as_large_as_their_trait_says_where_they_stand(city, kind):
    rows = city.things[city.things[:, things.KIND] == kind]
    at = rows[:, [things.EAST, things.NORTH]]
    value = fields.value_at(city.fields, city.half_side_m, at)[:, fields.FIELDS.index(things.ROWS[kind][0])]
    np.testing.assert_allclose(rows[:, things.SIZE], fields.amounts(value), atol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(things.ROWS))
@pytest.mark.parametrize("size", [0.05, 0.95])
def test_a_thing_has_a_colour_and_lies_within_its_bounds_which_are_not_far_too_wide(kind, size):
    rng, row = np.random.default_rng(kind), np.array([kind, 0.0, 0.0, 0.7, size, 0.4])
    radius, top = cast(row, np.empty((0, 6)), LIGHT)[0][[bodies.RADIUS, bodies.TOP]]
    angle, away = rng.uniform(0, 2 * np.pi, 4000), rng.uniform(8, 14, 4000)
    start = np.stack([away * np.sin(angle), rng.uniform(0.3, 9, 4000), away * np.cos(angle)], axis=1)
    aim = rng.uniform(-1, 1, (4000, 3)) * radius
    aim[:, 1] = rng.uniform(0, 1.05, 4000) * top
    rays = np.concatenate([start, (aim - start) * rng.uniform(0.1, 2, (4000, 1))], axis=1)  # of any length
    _, far, colours = cast(row, rays, LIGHT)
    hit = far < bodies.FAR
    points = rays[hit, :3] + far[hit, None] * rays[hit, 3:]
    assert hit.sum() > 100
    assert (colours[hit] >= 0).all()
    assert (colours[~hit] == -1).all()
    assert (points[:, 1] >= -1e-6).all()
    assert 0.25 < np.hypot(points[:, 0], points[:, 2]).max() / radius <= 1 + 1e-6
    assert 0.7 < points[:, 1].max() / top <= 1 + 1e-6
