"""Hexagons on the ground (H3): errors gathered in cells of several sizes, and where a gain comes back in every seed."""

import numpy as np
import pandas as pd

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


def of(lat_lon_deg, resolution):
    """H3 index (n,) of the cell of each position (n, 2). ValueError for a resolution outside 0 to 15."""
    import h3

    if not 0 <= resolution <= 15:
        raise ValueError(f"resolution {resolution} of H3 must be 0 to 15")
    sphere.check_lat_lon_deg(lat_lon_deg)
    return np.array([h3.latlng_to_cell(lat, lon, resolution) for lat, lon in np.asarray(lat_lon_deg, float)], object)


def centres(lat_lon_deg, resolution):
    """Centres (n, 2) in degrees of the cells of positions (n, 2)."""
    import h3

    return np.array([h3.cell_to_latlng(cell) for cell in of(lat_lon_deg, resolution)])


def outline(cell):
    """Corners (k, 2) of a cell in degrees."""
    import h3

    return np.array(h3.cell_to_boundary(cell))


def by_cell(errors, resolutions):
    """One row (columns BY_CELL) per method, resolution and cell with photos; errors as errors.ERRORS."""
    tables = []
    for resolution in resolutions:
        own = errors.assign(
            cell=of(errors[["lat_deg", "lon_deg"]], resolution), log_m=np.log(errors.error_m.clip(lower=1))
        )
        grouped = own.groupby(["method", "cell"], sort=True)
        table = grouped.agg(city=("city", most), error_m=("log_m", "mean"), n=("photo_id", "nunique")).reset_index()
        tables.append(table.assign(resolution=resolution, error_m=np.exp(table.error_m)))
    return pd.concat(tables, ignore_index=True)[list(BY_CELL)]


def replicated(errors, ours, other, resolution):
    """Cells of FEWEST_PHOTOS or more in which one method errs less than another in all seeds (columns REPLICATED)."""
    both = errors[errors.method.isin([ours, other])]
    both = both.assign(cell=of(both[["lat_deg", "lon_deg"]], resolution), log_m=np.log(both.error_m.clip(lower=1)))
    means = both.pivot_table(index=["cell", "seed"], columns="method", values="log_m")
    better = (means[ours] < means[other]).groupby("cell").agg(better="sum", seeds="size")
    about = both.groupby("cell").agg(city=("city", most), n=("photo_id", "nunique"))
    table = better.join(about).query("n >= @FEWEST_PHOTOS").reset_index()
    worse = (means[ours] > means[other]).groupby("cell").sum().loc[table.cell].to_numpy()
    verdicts = [table.better == table.seeds, worse == table.seeds]
    return table.assign(verdict=np.select(verdicts, ["better", "worse"], "mixed"))[list(REPLICATED)]


def most(names):
    """The most frequent name, the first in the alphabet where several are."""
    return names.value_counts().sort_index(kind="stable").idxmax()


def answer(table, ours, other):
    """In how many cells a gain comes back, in one sentence."""
    count = table.verdict.value_counts()
    return (
        f"Of {len(table)} cells {ours} errs less than {other} in all {table.seeds.max()} seeds in "
        f"{count.get('better', 0)} and more in {count.get('worse', 0)}; in {count.get('mixed', 0)} seeds disagree."
    )
