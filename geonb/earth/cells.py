"""Cells of the ground: squares of a length, and hexagons (H3), in which errors are gathered and gains come back."""

import numpy as np
import pandas as pd

from geonb import checks
from geonb.earth import sphere

BY_CELL = {
    "method": "method",
    "resolution": "of H3: 8 is about 1 km across, 9 a third of it, 10 a seventh",
    "cell": "H3 index",
    "city": "city of most of its photos",
    "error_m": "geometric mean error of its test photos, all seeds [m]",
    "n": "test photos [count]",
}
REPLICATED = {
    "cell": "H3 index",
    "city": "city of most of its photos",
    "better": "seeds in which the geometric mean error of the first method is smaller [count]",
    "seeds": "seeds [count]",
    "n": "test photos [count]",
    "verdict": "better or worse in all seeds, or mixed",
}
FEWEST_PHOTOS = 2  # of a cell in which methods are compared


def squares(lat_lon_deg, size_m):
    """Row and column (n, 2) of the square of each position (n, 2): rows of parallels, cut along each row's middle."""
    checks.number("size_m of squares", size_m, above=0)
    position = np.float64(lat_lon_deg)
    row = np.floor(np.radians(position[:, 0]) * sphere.EARTH_RADIUS_M / size_m)
    middle = (row + 0.5) * size_m / sphere.EARTH_RADIUS_M
    east_m = np.radians(sphere.wrap_lon_deg(position[:, 1])) * np.cos(middle) * sphere.EARTH_RADIUS_M
    return np.stack([row, np.floor(east_m / size_m)], axis=1).astype(int)


def hexagons(lat_lon_deg, resolution):
    """H3 index (n,) of the cell of each position (n, 2). ValueError for a resolution outside 0 to 15."""
    import h3

    checks.count("resolution of H3", resolution, least=0, most=15)
    return np.array([h3.latlng_to_cell(lat, lon, resolution) for lat, lon in np.asarray(lat_lon_deg)], object)


def outline(cell):
    """Corners (k, 2) of a hexagon in degrees."""
    import h3

    return np.array(h3.cell_to_boundary(cell))


def with_cells(errors, resolution):
    """The errors with their hexagon and log_m, the logarithm of an error of 1 m or more."""
    cell = hexagons(errors[["lat_deg", "lon_deg"]], resolution)
    return errors.assign(cell=cell, log_m=np.log(errors.error_m.clip(lower=1)))


def most(names):
    """The most frequent name, the first in the alphabet where several are."""
    return names.mode()[0]


def by_cell(errors, resolutions):
    """One row (columns BY_CELL) per method, resolution and hexagon with photos; errors as errors.ERRORS."""
    tables = []
    for resolution in resolutions:
        grouped = with_cells(errors, resolution).groupby(["method", "cell"], sort=True)
        table = grouped.agg(city=("city", most), error_m=("log_m", "mean"), n=("photo_id", "nunique")).reset_index()
        tables.append(table.assign(resolution=resolution, error_m=np.exp(table.error_m)))
    return pd.concat(tables, ignore_index=True)[list(BY_CELL)]


def replicated(errors, ours, other, resolution):
    """Hexagons of FEWEST_PHOTOS or more in which one method errs less than another in all seeds: columns REPLICATED."""
    both = with_cells(errors[errors.method.isin([ours, other])], resolution)
    means = both.pivot_table(index=["cell", "seed"], columns="method", values="log_m")
    wins = pd.DataFrame({"better": means[ours] < means[other], "worse": means[ours] > means[other]}).groupby("cell")
    about = both.groupby("cell").agg(city=("city", most), n=("photo_id", "nunique"))
    table = wins.sum().join(wins.size().rename("seeds")).join(about).query("n >= @FEWEST_PHOTOS").reset_index()
    verdicts = [table.better == table.seeds, table.worse == table.seeds]
    return table.assign(verdict=np.select(verdicts, ["better", "worse"], "mixed"))[list(REPLICATED)]
