"""The information budget: bits that a tower's reading of a photo offers, against bits that a place needs."""

import numpy as np
import pandas as pd

from geonb import checks
from geonb.splitting.splits import block_ids

CELL_M = 100.0
BUDGET = {
    "what": "offered: by the traits that are read, within a city; needed: for a cell among all cities of the study; "
    "needed_city and needed_within: for the city, and for a cell of an average one",
    "bits": "how many [bit]",
}


def offered_bits(r2):
    """Bits that traits read with R2 (K,) offer at most: sum over traits of 1/2 log2 1 / (1 - R2).

    The mutual information of a Gaussian trait and a reading with independent Gaussian error (Cover and Thomas 2006,
    chapter 9), summed as if traits were independent and their maps known. With R2 around the means of cities these are
    bits about the place within its city. An R2 below 0 offers nothing. ValueError for one of 1 or more, or none.
    """
    r2 = np.asarray(r2, float)
    checks.finite("r2", r2)
    if r2.max(initial=0) >= 1:
        raise ValueError(f"r2 {r2.max()} must be below 1: a trait without any noise would offer endless bits")
    return float(-0.5 * np.log2(1 - np.maximum(r2, 0)).sum())


def budget(r2, lat_lon_deg, city, cell_m=CELL_M):
    """Bits offered by traits read with r2 (K,), and needed among places (m, 2) in cities (m,): a table BUDGET.

    Needed is log2 of the number of cells of cell_m that hold a place, as in a gallery along streets: to name one of
    them when all are as likely.
    """
    checks.number("cell_m", cell_m, above=0)
    city = np.asarray(city, object)
    cells = pd.Series(city).groupby(block_ids(lat_lon_deg, city, cell_m)).first()
    needed, of_city = np.log2(len(cells)), np.log2(cells.nunique())
    bits = {
        "offered": offered_bits(r2), "needed": needed, "needed_city": of_city, "needed_within": needed - of_city,
    }  # fmt: skip
    return pd.DataFrame({"what": bits.keys(), "bits": bits.values()})


def headline(found, photos, table):
    """Headline rows information_bits.offered and .needed of a table BUDGET; photos: how many R2 was measured on."""
    rows = found[found.what.isin(["offered", "needed"])]
    return pd.DataFrame({
        "key": "information_bits." + rows.what, "value": rows.bits, "unit": "bit", "seeds": 1, "n": photos,
        "table": table,
    })  # fmt: skip


def answer(found):
    """What a table BUDGET says, in a sentence."""
    bits = found.set_index("what").bits
    enough = "which can be enough" if bits.offered >= bits.needed_within else "so that no method can name the cell"
    return (
        f"The traits that are read offer at most {bits.offered:.1f} bits about a place within its city; a cell needs "
        f"{bits.needed_within:.1f}, and {bits.needed_city:.1f} more for the city, {enough}."
    )
