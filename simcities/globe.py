"""Many cities over the globe: continents and countries whose fields have other means. Nothing of it exists."""

import numpy as np

from geonb import random_streams
from simcities import fields, geography

# the eight of the default world, then others as invented
NAMES = (
    *geography.NAMES,
    "Dravell", "Ismara", "Quenford", "Lothmar", "Sarvick", "Tremelle", "Undrake", "Wexholm", "Yarrowin", "Zelmark",
    "Caldrin", "Eskoval", "Farnhold", "Gildrun", "Hesmark", "Ilverne", "Jorrand", "Kolveth", "Lumarin", "Morvane",
    "Nethwick", "Orsalle", "Prestholm", "Quillane", "Rosmaren", "Selkord", "Thalvern", "Ulmeth", "Vostrell", "Wendrake",
    "Ystrell", "Zarnoth", "Ambrell", "Borvane", "Corsild", "Dunreth", "Elvoran", "Fenmarrow", "Grathen", "Hollvane",
)  # fmt: skip
# middle of each continent in degrees, on the open sea, and its two countries, one in the north and one in the south
CONTINENTS = (
    ((38.0, -40.0), ("Lutania", "Varrowe")),
    ((33.0, -150.0), ("Ostmere", "Calvane")),
    ((-33.0, -112.0), ("Sarrowen", "Pellmark")),
    ((-29.0, -18.0), ("Norvenne", "Thessmar")),
    ((-26.0, 82.0), ("Ildreth", "Kordell")),
    ((32.0, 166.0), ("Wendmark", "Arquelle")),
)
MOST_ON_ONE = 8  # cities of a continent, so that it stays on its sea
NORTH_DEG = 4.0  # from the middle of a continent to that of a country


def home(index, world_seed, continents, continent_sd, country_sd):
    """The geography.Home of city `index` among so many continents: cities are placed on them in turn.

    Continents and countries add Gaussian means of these standard deviations to each field. The same whatever the number
    of cities.
    """
    continent, rank = index % continents, index // continents
    (lat_deg, lon_deg), countries = CONTINENTS[continent]
    country, number = rank % 2, rank // 2
    north = NORTH_DEG * (1 - 2 * country) + 1.3 * (number % 2)
    east = 3.0 * (number // 2) + 0.9 * (number % 2) + 1.7 * country
    means = continent_sd * drawn(world_seed, "continent", continent)
    means = means + country_sd * drawn(world_seed, "country", continent, country)
    centre = np.array([lat_deg + north, lon_deg + east])
    return geography.Home(NAMES[index], countries[country], centre, means)


def drawn(world_seed, *what):
    """A standard normal for each field (K,), from a stream of its own."""
    return random_streams.stream(world_seed, "globe", *what).standard_normal(len(fields.FIELDS))
