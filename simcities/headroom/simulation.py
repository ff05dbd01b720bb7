"""A simulation of these cities: the World that simcities.simulation draws, paints and asks for its truth."""

from dataclasses import dataclass

from geonb import checks
from simcities import simulation
from simcities.headroom import captions, fields, geography, renderer


@dataclass(frozen=True)
class World(simulation.Drawn):
    """What is simulated; the functions of simcities.simulation take it as their world.

    range_scale, trend_scale: multiply the planted ranges and trends of fields.HOUSES and fields.STREETS
    nugget, city_mean_sd: see simcities.fields.Planted
    continents, continent_sd, country_sd, cities: as in simcities.simulation.World

    ValueError for what cannot be made.
    """

    geography, painter, words = geography, renderer, captions

    city_count: int = 8
    photos_per_city: int = 1000
    picture_px: int = 128
    world_seed: int = 0
    range_scale: float = 1.0
    city_side_m: float = 3000.0
    nugget: float = fields.NUGGET
    city_mean_sd: float = fields.CITY_MEAN_SD
    trend_scale: float = 1.0
    continents: int = 0
    continent_sd: float = 0.8
    country_sd: float = 0.4
    cities: str = "headroom"

    def __post_init__(self):
        checks.number("trend_scale", self.trend_scale, least=0)
        self.check()

    def planted(self):
        """What is planted: simcities.fields.Planted of the 28 traits."""
        return fields.planted(self.range_scale, self.trend_scale, self.nugget, self.city_mean_sd)
