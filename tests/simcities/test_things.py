import math

import numpy as np
import pytest
from numba import njit

from simcities import things

KINDS = [*range(things.BUSH + 1), *range(things.CAR, things.CRATES + 1)]
LENGTH_M, HALF_M, ROAD_M = 220.0, 6.8, 4.3
SUN = (0.48, 0.6, -0.64)


def thing(kind, seed, size=None, heading=0.7):
    """A row (6,) at the origin."""
    size = size or (5.0 if kind in (things.HEDGE, things.FENCE) else 1.0)
    return np.array([kind, 0.0, 0.0, heading, size, seed])


@njit
def cast(row, rays, season, direct, sun_e, sun_h, sun_n):
    """Distances (n,) and colours (n, 3) of a thing along rays (n, 6): from where, which way."""
    far, colours = np.empty(len(rays)), np.full((len(rays), 3), -1.0)
    for i in range(len(rays)):
        r = rays[i]
        far[i] = things.seen(
            colours[i], row, r[0], r[1], r[2], r[3], r[4], r[5], season, sun_e, sun_h, sun_n, direct, 11
        )
    return far, colours


def rays_around(row, count, seed=0):
    """Rays (count, 6) from 8 to 14 m off towards points in and around a thing."""
    rng = np.random.default_rng(seed)
    angle, far = rng.uniform(0, 2 * np.pi, count), rng.uniform(8, 14, count)
    start = np.stack([far * np.sin(angle), rng.uniform(0.3, 9, count), far * np.cos(angle)], 1)
    reach, top = things.reach(row), things.top(row)
    aim = np.stack([rng.uniform(-1, 1, count) * reach, rng.uniform(0, 1.05, count) * top], 1)
    target = np.stack([aim[:, 0], aim[:, 1], rng.uniform(-1, 1, count) * reach], 1)
    # of any length: the distance is in units of the direction
    return np.concatenate([start, (target - start) * rng.uniform(0.1, 2, (count, 1))], 1)


def placed(salt, traffic=0.8, scene="street", east=0.6, north=60.0, heading=0.03, room=96):
    """The table (n, 6) of one photo in a street that leads north from the origin."""
    table = np.zeros((room, 6))
    count = things.place_nuisance(
        table, salt, traffic, 0.2, east, north, heading, 0.0, 0.0, 0.0, 1.0, LENGTH_M, HALF_M, ROAD_M,
        things.SCENES.index(scene),
    )  # fmt: skip
    return table[:count]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_thing_has_a_colour_and_lies_within_its_bounds_which_are_not_far_too_wide(kind):
    hits, reached, raised = 0, 0.0, 0.0
    for seed in np.random.default_rng(kind).random(20):
        row = thing(kind, seed)
        rays = rays_around(row, 1000)
        for season, direct in ((0.0, 1.0), (0.4, 0.5), (1.0, 0.0)):
            far, colours = cast(row, rays, season, direct, *SUN)
            hit = far < things.FAR
            points = rays[hit, :3] + far[hit, None] * rays[hit, 3:]
            assert (points[:, 1] >= -1e-6).all()
            assert (far[hit] > 0).all()
            assert ((colours[hit] >= 0) & (colours[hit] <= 1.2)).all()
            assert (colours[~hit] == -1).all()
            reached = max(reached, np.hypot(points[:, 0], points[:, 2]).max(initial=0) / things.reach(row))
            raised = max(raised, points[:, 1].max(initial=0) / things.top(row))
            hits += hit.sum()
    assert hits > 100
    assert 0.6 < reached <= 1 + 1e-6
    assert 0.7 < raised <= 1 + 1e-6


def test_trees_turn_and_lose_their_leaves():
    seed = next(s for s in np.random.default_rng(0).random(50) if things.species(s) == things.ROUND)
    row = thing(things.TREE, seed)
    rays = rays_around(row, 4000)
    share, red = [], []
    for season in (0.0, 0.4, 1.0):
        far, colours = cast(row, rays, season, 0.3, *SUN)
        hit = far < things.FAR
        share.append(hit.mean())
        red.append((colours[hit, 0] / colours[hit, 1]).mean())
    assert share[0] > share[1] > 2 * share[2] > 0
    assert red[0] < 1 < red[1]


@pytest.mark.parametrize("kind", KINDS)
def test_shade_lies_opposite_the_sun_and_is_a_share(kind):
    row = thing(kind, 0.31)
    rng = np.random.default_rng(1)
    limit = things.reach(row) + things.top(row) * math.hypot(SUN[0], SUN[2]) / SUN[1]
    for east, north in rng.uniform(-1.5 * limit, 1.5 * limit, (400, 2)):
        share = things.shade(row, east, 0.0, north, 0.2, *SUN, 3)
        assert 0 <= share <= 1
        if share > 0:
            assert math.hypot(east, north) <= limit
            assert -(east * SUN[0] + north * SUN[2]) >= -things.reach(row)


def test_a_photo_is_filled_the_same_every_time_and_differently_by_salt():
    np.testing.assert_array_equal(placed(5), placed(5))
    seeds = [tuple(placed(salt)[:, things.SEED]) for salt in range(40)]
    assert len(set(seeds)) == 40
    people = [row[things.SEED] for salt in range(40) for row in placed(salt) if row[things.KIND] == things.PERSON]
    assert len(set(people)) == len(people) > 20
    assert len(placed(3, 1.0, room=4)) == 4  # a full table is left as it is


@pytest.mark.parametrize("scene", ["street", "landmark", "facade", "park"])
@pytest.mark.parametrize("heading", [0.03, 1.57, 3.2])
def test_nothing_stands_close_to_the_camera(scene, heading):
    for salt in range(60):
        for row in placed(salt, 1.0, scene, heading=heading):
            assert math.hypot(row[things.EAST] - 0.6, row[things.NORTH] - 60.0) > things.CLEAR_M
            if row[things.KIND] in (things.CAR, things.VAN):
                half_length, half_width = things.vehicle_shape(
                    things.vehicle_style(int(row[things.KIND]), row[things.SEED])
                )[:2]
                off = things.clearance(*row[1:4], half_length, half_width, 0.6, 60.0)
                assert off > things.CLEAR_M
