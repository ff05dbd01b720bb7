"""One small city with its drives, drawn once."""

import pytest

from simcities.headroom import simulation

WORLD = simulation.World(
    city_count=2, photos_per_city=60, picture_px=64, world_seed=1, range_scale=0.2, city_side_m=600.0
)


@pytest.fixture(scope="session")
def world():
    """A world of two cities of a side of 600 m."""
    return WORLD


@pytest.fixture(scope="session")
def city(world):
    """Its first city."""
    return world.city(0)


@pytest.fixture(scope="session")
def shots(world, city):
    """(photos, nuisances) of the first city."""
    return world.shots(city)
