"""Which kind of cities the options of a study ask for, by their word `cities`, and what was planted there."""

from simcities import fields, simulation
from simcities.headroom import simulation as headroom

KINDS = {kind.cities: kind for kind in (simulation.World, headroom.World)}


def kind_of(options):
    """The kind of World that options (name -> value) ask for; ValueError names the words that there are."""
    word = options.get("cities", simulation.CITIES)
    if word not in KINDS:
        raise ValueError(f"cities {word!r} must be one of {', '.join(KINDS)}")
    return KINDS[word]


def world(options):
    """The World of its options. ValueError for what cannot be made."""
    return kind_of(options)(**options)


def world_of(source, options):
    """The World of a source and its options; ValueError for a source that is not simulated."""
    if source != "simulated":
        raise ValueError(f"source {source!r} has no world: what a picture holds is known of simulated photos alone")
    return world(options)


def planted_at(source, options, table):
    """The planted fields (n, K) at the places of a table (lat_deg, lon_deg, city); None where nothing was planted."""
    if source != "simulated":
        return None
    return simulation.truth(world(options), table[["lat_deg", "lon_deg"]].to_numpy(), table.city.to_numpy())


def planted_semivariogram(source, options, distance_m):
    """The planted semivariance (n,) at distances (n,), as a share of its sill; None where nothing was planted."""
    return fields.planted_semivariogram(world(options).planted(), distance_m) if source == "simulated" else None
