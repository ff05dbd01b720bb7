"""Small simulated cities, drawn once: a world of two, and one city of each street network."""

import pytest

from geonb import random_streams
from simcities import fields, geography, simulation

WORLD = simulation.World(
    city_count=2, photos_per_city=60, picture_px=64, world_seed=1, range_scale=0.2, city_side_m=600.0
)
PLANTED = fields.planted(range_scale=0.3)


@pytest.fixture(scope="session")
def world():
    """A world of two cities of a side of 600 m."""
    return WORLD


@pytest.fixture(scope="session")
def shots(world):
    """(photos, nuisances) of its first city."""
    return world.shots(world.city(0))


@pytest.fixture(scope="session")
def cities():
    """[(city, photos)] of a side of 900 m: regular, radial, organic."""
    drawn = [geography.city(index, 0, PLANTED, 450.0, geography.at_sea(index)) for index in range(3)]
    return [(city, geography.drives(city, 300, random_streams.stream(0, "drives", city.index))) for city in drawn]


@pytest.fixture(params=range(3), ids=geography.KINDS)
def city(cities, request):
    """One city after the other."""
    return cities[request.param][0]
