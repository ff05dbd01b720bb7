"""Small simulated cities, drawn once: one of each street network, and so many isolated photos that all scenes occur."""

import pytest

from geonb import random_streams
from simcities import fields, geography


@pytest.fixture(scope="session")
def cities():
    """[(city, photos)] of a side of 900 m: regular, radial, organic."""
    drawn = [geography.city(index, 0, fields.Planted(), half_side_m=450.0) for index in range(3)]
    return [(city, geography.drives(city, 300, random_streams.stream(0, "drives", city.index), 0.4)) for city in drawn]


@pytest.fixture(params=range(3), ids=geography.KINDS)
def city(cities, request):
    """One city after the other."""
    return cities[request.param][0]
