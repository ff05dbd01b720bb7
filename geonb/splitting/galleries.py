"""Galleries: the places that a photo is compared with."""

import numpy as np
import pandas as pd
import shapely

from geonb import checks
from geonb.earth import sphere

MOST_PLACES = 200_000


def along_streets(streets, spacing_m):
    """Places every spacing_m along the lines of a street table: city, country, street, lat_deg, lon_deg.

    ValueError when there would be too many.
    """
    check_spacing(spacing_m)
    rows, count = [], 0
    for city, country, name, line in zip(streets.city, streets.country, streets.street, streets.geometry, strict=True):
        ends = np.array(line.coords)[:, ::-1]
        origin = sphere.centre(ends)
        metres = shapely.LineString(sphere.to_local_m(ends, origin))
        count += metres.length / spacing_m + 1
        if count > MOST_PLACES:
            raise ValueError(
                f"places every {spacing_m:.0f} m along the streets are more than {MOST_PLACES}: raise "
                "gallery_spacing_m, or take an extract of main streets"
            )
        along = np.arange(0, metres.length, spacing_m)
        points = shapely.get_coordinates(shapely.line_interpolate_point(metres, along))
        lat, lon = sphere.from_local_m(points, origin).T
        rows.append(pd.DataFrame({"city": city, "country": country, "street": name, "lat_deg": lat, "lon_deg": lon}))
    return pd.concat(rows, ignore_index=True)


def over_cities(lat_lon_deg, city, spacing_m):
    """Places on a square grid over the convex hull of each city's photos: for data that come without streets.

    The outline of a city, not where in it photos lie, is taken as known. ValueError when the grid would be too large.
    """
    check_spacing(spacing_m)
    rows = []
    for name in np.unique(city):
        here = lat_lon_deg[city == name]
        origin = sphere.centre(here)
        hull = shapely.MultiPoint(sphere.to_local_m(here, origin)).convex_hull.buffer(spacing_m)
        west, south, east, north = hull.bounds
        count = (east - west) * (north - south) / spacing_m**2
        if count > MOST_PLACES:
            raise ValueError(
                f"{name}: a grid of {spacing_m:.0f} m has {count:.0f} places, at most {MOST_PLACES}: "
                "raise gallery_spacing_m"
            )
        grid = np.stack(np.meshgrid(np.arange(west, east, spacing_m), np.arange(south, north, spacing_m)), -1).reshape(
            -1, 2
        )
        inside = grid[shapely.contains_xy(hull, *grid.T)]
        lat, lon = sphere.from_local_m(inside, origin).T
        rows.append(pd.DataFrame({"city": name, "country": "", "street": "", "lat_deg": lat, "lon_deg": lon}))
    return pd.concat(rows, ignore_index=True)


def check_spacing(spacing_m):
    """Nothing, or a ValueError for a spacing at which no grid can be laid."""
    checks.number("gallery_spacing_m", spacing_m, above=0)


def of_split(split, photos, parts, grid, *, training_places=False):
    """The gallery of a split: training places for random, other_drive and official, else the grid of whole cities.

    photos: table with city, street, country, lat_deg, lon_deg; parts (n,); grid: a table of places; training_places:
    in every split, for methods that can name no others. Training places keep the index of their photo.
    For unseen_city only the cities that hold the test (or validation) photos are searched: see geolocation.locate.
    """
    if training_places or split in ("random", "other_drive", "official"):
        return photos.loc[parts == "train", ["city", "country", "street", "lat_deg", "lon_deg"]]
    return grid
