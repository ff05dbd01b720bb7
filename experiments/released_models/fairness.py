"""Which cities a released encoder sees more coarsely: ratios of distances between kinds of cities, and what is said."""

import functools
import itertools

import numpy as np
import pandas as pd

from experiments.released_models import resolution
from geonb.earth.sphere import length
from geonb.measuring import significance

BREAKS = {"population": [0, 500_000, 1_000_000, 3_000_000, np.inf], "gallery": [0, 1, 10, 100, np.inf]}
ABOUT = {"continent": "continent", "population": "inhabitants", "gallery": "gallery places within 50 km",
         "slope": "ten times as many, the other alike"}  # fmt: skip
VALUES = {
    "ratio": "geometric mean distance over that of all other cities; slope: over that of a tenth [ratio]",
    "low": "2.5 % of redrawn countries [ratio]", "high": "97.5 % of redrawn countries [ratio]",
}  # fmt: skip
FAIRNESS = {"about": "what parts the cities", "group": "cities of one kind", "cities": "of this kind [count]", **VALUES}


def log_m(cities):
    """Logarithm (n,) of the distances of cities; one that is never reached counts as the largest lag."""
    return np.log(cities["apart_m"].fillna(resolution.EDGES_M[-1]).to_numpy())


def kinds(cities, about):
    """The kind (n,) of each city by a column: its own names, or text of the classes of BREAKS."""
    if about not in BREAKS:
        return cities[about].to_numpy()
    edges = BREAKS[about]
    words = [words_of(low, high) for low, high in itertools.pairwise(edges)]
    return np.array(words)[np.searchsorted(edges, cities[about], side="right") - 1]


def words_of(low, high):
    """A class of counts from low to below high in words; the smallest cities begin where the chapter does, not at 0."""
    if high == np.inf:
        return f"{low:,} and more"
    if high - 1 == low:
        return f"{low:,}"
    return f"{low:,} to {high - 1:,}" if low else f"fewer than {high:,}"


def over_others(logs, code, count):
    """Ratios (count,) of the geometric mean of each kind over that of all others; NaN where a draw misses one."""
    number, total = np.bincount(code, minlength=count), np.bincount(code, logs, count)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.exp(total / number - (total.sum() - total) / (number.sum() - number))


def slopes(logs, gallery, population):
    """Factors (2,) of the distance for ten times as many gallery places (one added) and inhabitants, jointly fitted."""
    known = np.stack([np.ones(len(logs)), np.log10(gallery + 1), np.log10(population)], axis=1)
    return np.exp(np.linalg.lstsq(known, logs, rcond=None)[0][1:])


def fairness(cities, *, replicates, seed=0):
    """A row for each kind of cities and for two slopes: columns FAIRNESS; intervals draw whole countries again."""
    rows, how = [], {"replicates": replicates, "seed": seed}
    for about in ("continent", "population", "gallery"):
        code, names = pd.factorize(kinds(cities, about), sort=about == "continent")
        ratio = functools.partial(over_others, count=len(names))
        found = significance.with_interval(ratio, (log_m(cities), code), cities["country"].to_numpy(), **how)
        rows += list(zip([ABOUT[about]] * len(names), names, np.bincount(code), *found, strict=True))
    values = log_m(cities), cities["gallery"].to_numpy(), cities["population"].to_numpy()
    found = significance.with_interval(slopes, values, cities["country"].to_numpy(), **how)
    names = ["gallery places", "inhabitants"]
    rows += list(zip([ABOUT["slope"]] * 2, names, [len(cities)] * 2, *found, strict=True))
    return pd.DataFrame(rows, columns=list(FAIRNESS))


def middle(cities, column, statistic, *, replicates, seed=0):
    """(statistic, low, high) of a column over cities, whole countries drawn again."""
    values, countries = (cities["apart_m"].fillna(np.inf) if column == "apart_m" else cities[column]), cities["country"]
    return significance.with_interval(
        statistic, (values.to_numpy(),), countries.to_numpy(), replicates=replicates, seed=seed
    )


def named(cities):
    """Rows of resolution.NAMED with their usual names, in that order."""
    rows = cities.set_index("geoname_id").loc[list(resolution.NAMED)].reset_index()
    return rows.assign(city=list(resolution.NAMED.values()))


def headline(cities, page):
    """Headline rows: the effective range of the cities of resolution.NAMED."""
    rows = named(cities)
    found = rows[["effective_range_m", "effective_range_m_low", "effective_range_m_high"]]
    found = found.set_axis(["value", "low", "high"], axis=1)
    keys = "effective_range_m.geoclip_encoder." + rows["city"].str.lower().str.replace(" ", "_")
    return found.assign(key=keys, unit="m", seeds=1, n=1, table=page)


def answer(cities, table, replicates):
    """What the page found, in sentences."""
    metres = [length(one) for one in middle(cities, "apart_m", np.median, replicates=replicates)]
    each = ", ".join(f"{row.city} {length(row.apart_m)} ({length(row.apart_m_low)} to {length(row.apart_m_high)})"
                     for row in named(cities).itertuples())  # fmt: skip
    africa, slope = (table[table["group"] == group].iloc[0] for group in ("Africa", "gallery places"))
    share = "{:.1%} ({:.1%} to {:.1%})".format(*middle(cities, "alike_share", np.mean, replicates=replicates))
    london = named(cities)["alike_share"][0]
    return (
        f"In the median of {len(cities):,} cities GeoCLIP's location encoder tells two places apart from {metres[0]} "
        f"on (95 % interval {metres[1]} to {metres[2]}): {each}. In African cities that distance is {africa.ratio:.2f} "
        f"times that of all others ({africa.low:.2f} to {africa.high:.2f}); with ten times as many gallery places "
        f"around it is {slope.ratio:.2f} times as long ({slope.low:.2f} to {slope.high:.2f}). Of the pairs of places "
        f"in a square of the book's size it cannot tell {share}, mean over cities; London {london:.0%}."
    )
