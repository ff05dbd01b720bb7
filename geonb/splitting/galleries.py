"""Galleries: the places that a photo is compared with."""

import numpy as np
import pandas as pd
import shapely

from geonb import checks
from geonb.earth import sphere

MOST_PLACES = 200_000
GRID = {
    "city": "city of the place",
    "country": "its country",
    "street": "its street",
    "lat_deg": "latitude [degree]",
    "lon_deg": "longitude [degree]",
}


def along_streets(streets, spacing_m):
    """Places every spacing_m along the lines of a street table: columns GRID. ValueError for too many."""
    checks.number("gallery_spacing_m", spacing_m, above=0)
    found, count = [], 0
    for city, country, name, line in streets[["city", "country", "street", "geometry"]].itertuples(index=False):
        ends = np.array(line.coords)[:, ::-1]
        origin = sphere.centre(ends)
        metres = shapely.LineString(sphere.to_local_m(ends, origin))
        count += metres.length / spacing_m + 1
        check_count("the streets", count, spacing_m)
        points = shapely.line_interpolate_point(metres, np.arange(0, metres.length, spacing_m))
        found.append(places(city, country, name, shapely.get_coordinates(points), origin))
    return pd.concat(found, ignore_index=True)


def over_cities(lat_lon_deg, city, spacing_m):
    """Places on a square grid over the convex hull of each city's photos, where there are no streets: columns GRID."""
    checks.number("gallery_spacing_m", spacing_m, above=0)
    found = []
    for name in np.unique(city):
        here = lat_lon_deg[city == name]
        origin = sphere.centre(here)
        hull = shapely.MultiPoint(sphere.to_local_m(here, origin)).convex_hull.buffer(spacing_m)
        west, south, east, north = hull.bounds
        check_count(name, (east - west) * (north - south) / spacing_m**2, spacing_m)
        columns, rows = np.meshgrid(np.arange(west, east, spacing_m), np.arange(south, north, spacing_m))
        grid = np.column_stack([columns.ravel(), rows.ravel()])
        found.append(places(name, "", "", grid[shapely.contains_xy(hull, *grid.T)], origin))
    return pd.concat(found, ignore_index=True)


def check_count(where, count, spacing_m):
    """ValueError for more than MOST_PLACES, before they take memory."""
    if count > MOST_PLACES:
        raise ValueError(
            f"{where}: more than {MOST_PLACES} places every {spacing_m:.0f} m: raise gallery_spacing_m, or take less"
        )


def places(city, country, street, east_north_m, origin):
    """A table GRID of places (n, 2) in metres from an origin."""
    lat_deg, lon_deg = sphere.from_local_m(east_north_m, origin).T
    return pd.DataFrame(dict(zip(GRID, (city, country, street, lat_deg, lon_deg), strict=True)))


def of_split(split, photos, parts, grid, *, training_places=False):
    """The gallery of a split: training places for random, by_place, other_drive and official, else the grid of cities.

    training_places: in every split, for methods that can name no others. They keep the index of their photo.
    """
    if training_places or split in ("random", "by_place", "other_drive", "official"):
        return photos.loc[parts == "train", list(GRID)]
    return grid
