"""The simulated world that the source and options of a study ask for, and what was planted there."""

from simcities import fields, simulation


def world_of(source, options):
    """The World of a source and its options; ValueError for a source that is not simulated."""
    if source != "simulated":
        raise ValueError(f"source {source!r} has no world: what a picture holds is known of simulated photos alone")
    return simulation.World(**options)


def planted_at(source, options, table):
    """The planted fields (n, K) at the places of a table (lat_deg, lon_deg, city); None where nothing was planted."""
    if source != "simulated":
        return None
    world, at = simulation.World(**options), table[["lat_deg", "lon_deg"]].to_numpy()
    return simulation.truth(world, at, table.city.to_numpy())


def planted_semivariogram(source, options, distance_m):
    """The planted semivariance (n,) at distances (n,), as a share of its sill; None where nothing was planted."""
    if source != "simulated":
        return None
    return fields.planted_semivariogram(simulation.World(**options).planted(), distance_m)
