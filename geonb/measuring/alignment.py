"""Is what looks alike near, and what is near alike? Four measures of an embedding in space, each against its null."""

import numpy as np
import pandas as pd

from geonb import checks
from geonb.earth import seeds, sphere
from geonb.measuring import inference as uncertainty

NEAREST = 10  # neighbours that SSI and City-Align look at
FEWEST_PHOTOS = NEAREST + 2  # of a city; smaller ones are left out
PHOTOS_AT_MOST = 3000  # that are looked at, drawn by the seed: all pairs are compared
MEASURES = {
    "coherence_moran": "trace of Moran's I: how alike photos are to their nearest, around their city's mean",
    "ssi": "share of the k most similar photos of the city among the k nearest, mean over k = 1 to 10",
    "geo_align": "Spearman's correlation of similarity and minus distance to the others of the city, mean over photos",
    "city_align": "share of the 10 most similar photos that are of the same city",
}
COLUMNS = {
    "method": "frozen tower or training",
    "measure": "one of alignment.MEASURES",
    "value": "observed [-]",
    "low": "lower bound of the 95 % interval over blocks; missing below 20 blocks [-]",
    "high": "upper bound [-]",
    "null": "mean over places dealt anew [-]",
    "null_low": "2.5th percentile over them [-]",
    "null_high": "97.5th percentile [-]",
    "p": "two-sided p against that exact permutation null [-]",
    "n": "photos [count]",
}


def compare(vectors, lat_lon_deg, city, blocks, *, neighbours=8, permutations=999, replicates=300, seed=0):
    """One row (COLUMNS) per name and measure of unit vectors (n, d) by name, at positions (n, 2) in cities (n,).

    The definitions are ours: SW-CLIP names Geo-Align, SSI and City-Align without defining them. The null deals the
    places anew inside each city, for City-Align the cities among all photos. blocks (n,): drawn again for intervals.
    No rows where no city has FEWEST_PHOTOS photos.
    """
    checks.count("neighbours", neighbours)
    checks.count("permutations", permutations)
    for name, unit in vectors.items():
        checks.same_length({name: unit, "positions": lat_lon_deg, "city": city, "blocks": blocks})
        checks.finite(name, unit)
    chosen = looked_at(city, seed)
    if not len(chosen):
        return pd.DataFrame(columns=list(COLUMNS))
    tables = [
        measured(
            unit[chosen], lat_lon_deg[chosen], city[chosen], blocks[chosen], neighbours=neighbours,
            permutations=permutations, replicates=replicates, seed=seed,
        ).assign(method=name)
        for name, unit in vectors.items()
    ]  # fmt: skip
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)]


def looked_at(city, seed):
    """Indices of the photos in cities of FEWEST_PHOTOS or more, at most PHOTOS_AT_MOST."""
    drawn = seeds.stream(seed, "alignment").permutation(len(city))[:PHOTOS_AT_MOST]
    names, count = np.unique(np.asarray(city)[drawn], return_counts=True)
    return np.sort(drawn[np.isin(np.asarray(city)[drawn], names[count >= FEWEST_PHOTOS])])


def measured(unit, lat_lon_deg, city, blocks, *, neighbours, permutations, replicates, seed):
    """The measures of one embedding."""
    cities = [np.flatnonzero(city == name) for name in np.unique(city)]
    parts = {
        "coherence_moran": [moran_parts(unit[c], lat_lon_deg[c], neighbours) for c in cities],
        "ssi": [ssi_parts(unit[c], lat_lon_deg[c]) for c in cities],
        "geo_align": [geo_align_parts(unit[c], lat_lon_deg[c]) for c in cities],
    }
    order, rows = np.concatenate(cities), []
    for name, by_city in parts.items():
        as_they_are = [of(np.arange(len(c))) for c, of in zip(cities, by_city, strict=True)]
        whole = [np.concatenate(column) for column in zip(*as_they_are, strict=True)]
        rng = seeds.stream(seed, "alignment", name)
        drawn = np.empty(permutations)
        for k in range(permutations):
            dealt = [of(rng.permutation(len(c))) for c, of in zip(cities, by_city, strict=True)]
            drawn[k] = sum(above.sum() for above, _ in dealt) / sum(below.sum() for _, below in dealt)
        rows.append(row(name, whole, blocks[order], drawn, replicates, seed))
    same = city_matches(unit)
    rng = seeds.stream(seed, "alignment", "city_align")
    everyone = np.unique(city, return_inverse=True)[1]
    drawn = np.array([(same(rng.permutation(everyone))).mean() for _ in range(permutations)])
    rows.append(row("city_align", (same(everyone), np.ones(len(city))), blocks, drawn, replicates, seed))
    return pd.DataFrame(rows)


def row(name, parts, blocks, drawn, replicates, seed):
    """A row of COLUMNS without its method: the ratio of the sums of parts (2, n), its interval and its null."""
    value = parts[0].sum() / parts[1].sum()
    low, high = uncertainty.ratio_interval(np.stack(parts), blocks, replicates=replicates, seed=seed)
    null_low, null_high = np.quantile(drawn, [0.025, 0.975])
    return {
        "measure": name, "value": value, "low": low, "high": high, "null": drawn.mean(), "null_low": null_low,
        "null_high": null_high, "p": uncertainty.p_value(value, drawn), "n": len(blocks),
    }  # fmt: skip


# ---- the measures: functions of one city, from an order of its photos to numerators (n,) and denominators (n,) -------
def moran_parts(unit, lat_lon_deg, neighbours):
    """Trace of Moran's I: sum_i x_i . mean of x over the nearest places / sum_i |x_i|^2, x around the city's mean.

    It is esda's Moran's I of every dimension, weighted by the dimension's variance.
    """
    from libpysal.weights import KNN

    points = sphere.unit_xyz(lat_lon_deg)
    weights = KNN.from_array(points, k=min(neighbours, len(points) - 1), silence_warnings=True)
    near = np.array([weights.neighbors[i] for i in range(len(points))])
    centred = (unit - unit.mean(axis=0)).astype(np.float64)
    products = centred @ centred.T

    def parts(order):
        return products[order[:, None], order[near]].mean(axis=1), products[order, order]

    return parts


def ssi_parts(unit, lat_lon_deg):
    """Spatial similarity: of the k most similar and the k nearest photos the share that is both, mean over k.

    A photo that is the m-th nearest and the r-th most similar is among both from k = max(m, r) on: it adds 1 / k there.
    """
    near = nearest(lat_lon_deg)
    rank = ranks(-similarity(unit))
    adds = np.append(np.cumsum((1 / np.arange(1, NEAREST + 1))[::-1])[::-1], 0.0) / NEAREST  # from k on, over all k

    def parts(order):
        from_k = np.maximum(rank[order[:, None], order[near]], np.arange(NEAREST))
        return adds[np.minimum(from_k, NEAREST)].sum(axis=1), np.ones(len(order))

    return parts


def geo_align_parts(unit, lat_lon_deg):
    """Spearman's correlation of similarity and minus distance over the other photos, photo by photo."""
    alike, far = (standardised(ranks(-values)) for values in (similarity(unit), -sphere.pair_distance_m(lat_lon_deg)))

    def parts(order):
        return (alike[np.ix_(order, order)] * far).sum(axis=1) / (len(order) - 1), np.ones(len(order))

    return parts


def city_matches(unit):
    """The function from city codes (n,) to the share (n,) of each photo's most similar photos of the same city."""
    found = np.argsort(-similarity(unit), axis=1, kind="stable")[:, :NEAREST]
    return lambda code: (code[found] == code[:, None]).mean(axis=1)


def similarity(unit):
    """Cosines (n, n), a photo's own at minus infinity: it is never its own neighbour."""
    found = unit.astype(np.float64) @ unit.T
    np.fill_diagonal(found, -np.inf)
    return found


def nearest(lat_lon_deg):
    """Indices (n, NEAREST) of the nearest other photos."""
    apart_m = sphere.pair_distance_m(lat_lon_deg)
    np.fill_diagonal(apart_m, np.inf)
    return np.argsort(apart_m, axis=1, kind="stable")[:, :NEAREST]


def ranks(values):
    """Rank (n, n) of each entry in its row from 0 on, the smallest first, ties in the order of the columns."""
    from scipy.stats import rankdata

    return rankdata(values, method="ordinal", axis=1) - 1


def standardised(rank):
    """Ranks (n, n) as z scores over the others of each row; 0 for the photo itself."""
    count = len(rank)
    z = rank.astype(np.float64)
    own = z.diagonal()[:, None]
    z -= z > own  # ranks among the others, whichever end the photo itself stands at
    z = (z - (count - 2) / 2) / np.sqrt(((count - 1) ** 2 - 1) / 12)
    np.fill_diagonal(z, 0.0)
    return z


# ---- to look at, and what is said ------------------------------------------------------------------------------------
def first_component(vectors, city):
    """The first principal component of the vectors of each name around their city means, as ranks in 0 to 1.

    name -> (n,). Its sign is the one that correlates with that of the first name, so that maps can be compared.
    """
    from sklearn.decomposition import PCA

    found, first = {}, None
    for name, unit in vectors.items():
        means = pd.DataFrame(unit).groupby(np.asarray(city)).transform("mean").to_numpy()
        apart = unit - means  # all zero where each photo is alone in its city: nothing to rank then
        score = PCA(1, random_state=0).fit_transform(apart)[:, 0] if apart.any() else np.zeros(len(unit))
        first = score if first is None else first
        score = score if score @ first >= 0 else -score  # scores have a mean of 0
        found[name] = pd.Series(score).rank(pct=True).to_numpy()
    return found


def headline(table, page):
    """Rows for results.save_headline: '<measure>.<method>', and '<measure>_null.<method>', the level of its null."""
    own = table.assign(key=table.measure + "." + table.method)
    null = table.assign(
        key=table.measure + "_null." + table.method, value=table.null, low=table.null_low, high=table.null_high
    )
    rows = pd.concat([own, null], ignore_index=True).assign(unit="ratio", seeds=1, table=page)
    return rows[["key", "value", "low", "high", "unit", "seeds", "n", "table"]]


def answer(table):
    """Which measures of which embeddings stand out of their null, in one sentence."""
    if table.empty:
        return f"Measures of coherence need {FEWEST_PHOTOS} test photos of a city: no city here has them."
    said = []
    for name, own in table.groupby("method", sort=False):
        above = own[(own.p < 0.05) & (own.value > own.null)].measure.tolist()
        said.append(f"{name}: {', '.join(above) or 'none'}")
    return f"Above their null, of {table.measure.nunique()} measures of coherence, stand for {'; '.join(said)}."
