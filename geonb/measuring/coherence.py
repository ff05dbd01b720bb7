"""Spatial statistics: do errors cluster, and is what an embedding takes to be alike near on the ground?"""

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from geonb import checks, random_streams, resampling
from geonb.earth import sphere
from geonb.learning.decoding import PREDICTED
from geonb.measuring import significance
from geonb.variograms import curves, models

MORAN = {
    "method": "method",
    "n": "test photos [count]",
    "morans_i": "Moran's I of log10 of the error [-]",
    "expected": "its expectation without structure [-]",
    "p_value": "one-sided, from permutations",
    "flag": "why it is missing; empty when it is not",
}
PHOTO = {name: PREDICTED[name] for name in ("photo_id", "city", "lat_deg", "lon_deg")}
CLUSTERS = {"method": "method"} | PHOTO | {"kind": "what local Moran's I says of its error beside its neighbours'"}
LISA = ("wrong beside wrong", "right beside right", "unlike its neighbours", "not shown")
LAGS = {
    "method": "method, or frozen tower",
    "relative_semivariance": "semivariance over its level: of errors their variance within cities, of embeddings the "
    "semivariance between cities [-]",
} | curves.LAGS
SMOOTHNESS = {
    "method": "frozen tower or training",
    "between_cities": "mean cosine distance of photos of different cities (of all photos where there is one city) [-]",
    "nugget_share": "fitted nugget over nugget and partial sill; missing when flagged [share]",
    "effective_range_m": "fitted effective range; missing when flagged [m]",
    "flag": "why the fit must not be used; empty when it may",
    "first_lag_share": "semivariance of the first lag with pairs over the level between cities; missing where all "
    "vectors are alike [share]",
}
COMPONENTS = {
    "method": "frozen tower or training",
    **{name: PHOTO[name] for name in ("city", "lat_deg", "lon_deg")},
    "score": "rank of the photo's first principal component around its city's mean, from 0 to 1 [-]",
}
MEASURES = {
    "coherence_moran": "trace of Moran's I: how alike photos are to their nearest, around their city's mean",
    "ssi": "share of the k most similar photos of the city among the k nearest, mean over k = 1 to 10",
    "geo_align": "Spearman's correlation of similarity and minus distance to the others of the city, mean over photos",
    "city_align": "share of the 10 most similar photos that are of the same city",
}
MEASURED = {
    "method": "frozen tower or training",
    "measure": "one of coherence.MEASURES",
    "value": "observed [-]",
    **significance.bounds("-"),
    "null": "mean over permuted places [-]",
    "null_low": "2.5th percentile over them [-]",
    "null_high": "97.5th percentile [-]",
    "p": "two-sided p against that exact permutation null [-]",
    "n": "photos [count]",
}
NEIGHBOURS = 8  # nearest on the ground, of Moran's I
NEAREST = 10  # neighbours that SSI and City-Align look at
FEWEST_PHOTOS = NEAREST + 2  # of a city; smaller ones are left out
PHOTOS_AT_MOST = 3000  # that are looked at, drawn by the seed: all pairs are compared


def nearest_weights(lat_lon_deg):
    """Row-standardised weights of libpysal over the NEIGHBOURS nearest on the ground, or as many as there are."""
    from libpysal.weights import KNN

    points = sphere.unit_xyz(lat_lon_deg)
    # cities are islands to each other, which is what is meant: no warning about it
    weights = KNN.from_array(points, k=min(NEIGHBOURS, len(points) - 1), silence_warnings=True)
    weights.transform = "r"
    return weights


def checked(values, lat_lon_deg, permutations):
    """(values (n,), nearest_weights); ValueError for too few values, missing ones or all alike."""
    values = np.asarray(values, dtype=float)
    checks.count("permutations", permutations)
    checks.same_length({"values": values, "positions": lat_lon_deg})
    checks.finite("the values", values)
    if (least := NEIGHBOURS + 2) > len(values):
        raise ValueError(f"Moran's I over {NEIGHBOURS} neighbours needs {least} photos, there are {len(values)}")
    if np.ptp(values) == 0:
        raise ValueError(f"all {len(values)} values are {values[0]}: Moran's I is not defined")
    return values, nearest_weights(lat_lon_deg)


def morans_i(values, lat_lon_deg, *, permutations=999, seed=0):
    """Moran's I of values (n,) by esda, its expectation and its one-sided p: small where they cluster. See checked."""
    from esda import Moran

    values, weights = checked(values, lat_lon_deg, permutations)
    state = np.random.get_state()  # noqa: NPY002  esda draws from NumPy's global generator
    np.random.seed(int(random_streams.stream(seed, "moran").integers(2**31)))  # noqa: NPY002
    try:
        result = Moran(values, weights, permutations=permutations)
    finally:
        np.random.set_state(state)  # noqa: NPY002
    # esda's own p_sim takes the smaller of the two tails: it would call neighbours that are unlike a cluster
    p_value = (1 + (result.sim >= result.I).sum()) / (permutations + 1)
    return {"morans_i": float(result.I), "expected": float(result.EI), "p_value": float(p_value)}


def lisa(values, lat_lon_deg, *, permutations=999, seed=0):
    """One of LISA for each of values (n,), by local Moran's I (Anselin 1995), see checked.

    A false discovery rate of 0.05 over all photos decides what is shown (Benjamini and Hochberg 1995).
    """
    from esda import Moran_Local, fdr

    values, weights = checked(values, lat_lon_deg, permutations)
    quadrant = Moran_Local(values, weights, permutations=0).q
    p = local_p(values - values.mean(), weights.sparse, permutations, random_streams.stream(seed, "lisa"))
    kinds = np.select([quadrant == 1, quadrant == 3], LISA[:2], LISA[2])
    return np.where(p <= fdr(p, 0.05), kinds, LISA[3]).astype(object)


def local_p(centred, weights, permutations, rng):
    """p (n,) of local Moran's I, of the smaller tail: a photo's value stays, its neighbours' are drawn from all others.

    centred: values (n,) of mean 0; weights: sparse (n, n), as many neighbours in each row. esda does the same with code
    that is compiled anew in every process, for twenty seconds.
    """
    others, count = len(centred) - 1, weights[[0]].nnz
    drawn = np.stack([rng.permutation(others)[:count] for _ in range(permutations)])
    above = np.array([
        (value * centred[drawn + (drawn >= i)].mean(axis=1) >= value * around).sum()
        for i, (value, around) in enumerate(zip(centred, weights @ centred, strict=True))
    ])  # fmt: skip
    return (1 + np.minimum(above, permutations - above)) / (permutations + 1)


def one_per_photo(errors):
    """The errors of one method with one row per photo, by photo_id: log_error is log10(1 + metres), mean over seeds."""
    logs = np.log10(1 + errors.error_m).groupby(errors.photo_id).mean()
    return errors.drop_duplicates("photo_id").set_index("photo_id").loc[logs.index].assign(log_error=logs)


def morans_i_by_method(errors, *, permutations, seed):
    """Moran's I of log_error (one_per_photo) of each method (columns MORAN); a flag where it is not defined."""
    rows = []
    for method, group in errors.groupby("method", sort=False):
        photos = one_per_photo(group)
        at = photos[["lat_deg", "lon_deg"]].to_numpy()
        try:
            found = morans_i(photos.log_error, at, permutations=permutations, seed=seed) | {"flag": ""}
        except ValueError as error:
            found = {"flag": str(error)}
        rows.append({"method": method, "n": len(photos)} | found)
    return pd.DataFrame(rows, columns=list(MORAN))


def clusters(errors, *, permutations, seed):
    """Where log_error (one_per_photo) of one method lies beside alike (columns CLUSTERS); not shown if undefined."""
    photos = one_per_photo(errors)
    at = photos[["lat_deg", "lon_deg"]].to_numpy()
    try:
        kind = lisa(photos.log_error, at, permutations=permutations, seed=seed)
    except ValueError:
        kind = LISA[-1]
    return photos.assign(kind=kind).reset_index()[list(CLUSTERS)]


def semivariograms_of_errors(errors, *, max_lag_m, lag_count, seed=0):
    """Semivariograms of log_error (one_per_photo) within cities over the variance around the cities' means: LAGS."""
    tables = []
    for method, group in errors.groupby("method", sort=False):
        photos = one_per_photo(group)
        at, city = photos[["lat_deg", "lon_deg"]].to_numpy(), photos.city.to_numpy(dtype=object)
        values = photos[["log_error"]].to_numpy()
        curve = within_cities(values, at, city, max_lag_m=max_lag_m, lag_count=lag_count, seed=seed)
        variance = float(((photos.log_error - photos.groupby("city").log_error.transform("mean")) ** 2).mean())
        tables.append(curve.assign(method=method, relative_semivariance=curve.semivariance / level(variance)))
    return pd.concat(tables, ignore_index=True)


def within_cities(features, lat_lon_deg, city, *, max_lag_m, lag_count, seed=0):
    """The semivariogram of features (n, d) within cities, pooled (curves.LAGS), without co-located pairs."""
    lags = curves.by_city(features, lat_lon_deg, city, max_lag_m=max_lag_m, lag_count=lag_count, seed=seed)
    return curves.pooled(lags[lags.lag_to_m > 0])


def level(value):
    """The value, missing where it is no level to be relative to: all values are alike."""
    return value if value > models.LEAST_RISE else np.nan


def smoothness(vectors, lat_lon_deg, city, *, model, max_lag_m, lag_count, seed):
    """(LAGS, SMOOTHNESS) of unit vectors (n, d) by name: semivariance within cities over that between cities."""
    lags, rows = [], []
    for name, unit in vectors.items():
        curve = within_cities(unit, lat_lon_deg, city, max_lag_m=max_lag_m, lag_count=lag_count, seed=seed)
        between = level(curves.between_cities(unit, city))
        lags.append(curve.assign(method=name, relative_semivariance=curve.semivariance / between))
        fitted = models.fit(curve, model=model)
        share = fitted["nugget"] / (fitted["nugget"] + fitted["partial_sill"]) if not fitted["flag"] else np.nan
        first = lags[-1].relative_semivariance.iloc[0] if len(curve) else np.nan
        rows.append((name, between, share, fitted["effective_range_m"], fitted["flag"], first))
    return pd.concat(lags, ignore_index=True), pd.DataFrame(rows, columns=list(SMOOTHNESS))


def first_components(vectors, lat_lon_deg, city):
    """The first principal component of the vectors (n, d) of each name around their city means (columns COMPONENTS)."""
    from sklearn.decomposition import PCA

    where = pd.DataFrame({"city": city, "lat_deg": lat_lon_deg[:, 0], "lon_deg": lat_lon_deg[:, 1]})
    tables, first = [], None
    for name, unit in vectors.items():
        apart = unit - pd.DataFrame(unit).groupby(np.asarray(city)).transform("mean").to_numpy()
        # all zero where each photo is alone in its city: nothing to rank then
        score = PCA(1, random_state=0).fit_transform(apart)[:, 0] if apart.any() else np.zeros(len(unit))
        first = score if first is None else first
        score = score if score @ first >= 0 else -score  # maps can be compared; scores have a mean of 0
        tables.append(where.assign(method=name, score=pd.Series(score).rank(pct=True).to_numpy()))
    return pd.concat(tables, ignore_index=True)[list(COMPONENTS)]


def measures(vectors, lat_lon_deg, city, blocks, *, permutations=999, replicates=300, seed=0):
    """One row (columns MEASURED) per name and measure of unit vectors (n, d) by name, at positions (n, 2).

    The definitions are ours: SW-CLIP names Geo-Align, SSI and City-Align without defining them. The null permutes the
    places inside each city (n,), for City-Align the cities among all photos. blocks (n,): drawn again for intervals.
    """
    checks.count("permutations", permutations)
    for name, unit in vectors.items():
        checks.same_length({name: unit, "positions": lat_lon_deg, "city": city, "blocks": blocks})
        checks.finite(name, unit)
    drawn = random_streams.stream(seed, "alignment").permutation(len(city))[:PHOTOS_AT_MOST]
    names, count = np.unique(np.asarray(city)[drawn], return_counts=True)
    chosen = np.sort(drawn[np.isin(np.asarray(city)[drawn], names[count >= FEWEST_PHOTOS])])
    at, city, blocks = lat_lon_deg[chosen], np.asarray(city)[chosen], blocks[chosen]
    cities, rows = [np.flatnonzero(city == one) for one in np.unique(city)], []
    within = {"coherence_moran": moran_parts, "ssi": ssi_parts, "geo_align": geo_align_parts}
    for name, unit in vectors.items() if len(chosen) else ():
        unit = unit[chosen]
        groups = {measure: [(own, parts(unit[own], at[own])) for own in cities] for measure, parts in within.items()}
        if len(cities) > 1:  # in one city every neighbour is of the same
            groups["city_align"] = [(np.arange(len(city)), city_align_parts(unit, city))]
        for measure, own in groups.items():
            rng = random_streams.stream(seed, "alignment", measure)
            row = against_null(own, blocks, rng, permutations=permutations, replicates=replicates, seed=seed)
            rows.append((name, measure, *row, len(blocks)))
    return pd.DataFrame(rows, columns=list(MEASURED))


def against_null(groups, blocks, rng, *, permutations, replicates, seed):
    """MEASURED from value to p: the ratio of the sums of all parts, its interval and its exact null.

    groups: of photos whose places are permuted among each other, (indices, function from an order of them to numerators
    (n,) and denominators (n,) of a measure).
    """
    null = np.empty(permutations)
    for k in range(permutations):
        drawn = [parts(rng.permutation(len(own))) for own, parts in groups]
        null[k] = sum(above.sum() for above, _ in drawn) / sum(below.sum() for _, below in drawn)
    whole = np.concatenate([np.stack(parts(np.arange(len(own)))) for own, parts in groups], axis=1)
    value, order = whole[0].sum() / whole[1].sum(), np.concatenate([own for own, _ in groups])
    interval = significance.ratio_interval(whole, blocks[order], replicates=replicates, seed=seed)
    return value, *interval, null.mean(), *resampling.interval95(null), significance.p_value(value, null)


def moran_parts(unit, lat_lon_deg):
    """Trace of Moran's I: sum_i x_i . mean of x over the nearest places / sum_i |x_i|^2, x around the city's mean."""
    neighbors = nearest_weights(lat_lon_deg).neighbors
    near = np.array([neighbors[i] for i in range(len(unit))])
    centred = (unit - unit.mean(axis=0)).astype(np.float64)
    products = centred @ centred.T
    return lambda order: (products[order[:, None], order[near]].mean(axis=1), products[order, order])


def ssi_parts(unit, lat_lon_deg):
    """Spatial similarity: of the k most similar and the k nearest photos the share that is both, mean over k.

    A photo that is the m-th nearest and the r-th most similar is among both from k = max(m, r) on: it adds 1 / k there.
    """
    apart_m = sphere.pair_distance_m(lat_lon_deg)
    np.fill_diagonal(apart_m, np.inf)
    near = np.argsort(apart_m, axis=1, kind="stable")[:, :NEAREST]
    rank = rankdata(-similarity(unit), method="ordinal", axis=1) - 1  # from 0 on, ties in the order of the columns
    adds = np.append(np.cumsum((1 / np.arange(1, NEAREST + 1))[::-1])[::-1], 0.0) / NEAREST  # from k on, over all k

    def parts(order):
        from_k = np.maximum(rank[order[:, None], order[near]], np.arange(NEAREST))
        return adds[np.minimum(from_k, NEAREST)].sum(axis=1), np.ones(len(order))

    return parts


def geo_align_parts(unit, lat_lon_deg):
    """Spearman's correlation of similarity and minus distance over the other photos, photo by photo."""
    alike, far = (ranks_of(-values) for values in (similarity(unit), -sphere.pair_distance_m(lat_lon_deg)))
    return lambda order: ((alike[np.ix_(order, order)] * far).sum(axis=1) / (len(order) - 1), np.ones(len(order)))


def city_align_parts(unit, city):
    """The share of each photo's most similar photos that are of the same city."""
    found = np.argsort(-similarity(unit), axis=1, kind="stable")[:, :NEAREST]
    code = np.unique(city, return_inverse=True)[1]
    return lambda order: ((code[order][found] == code[order][:, None]).mean(axis=1), np.ones(len(order)))


def similarity(unit):
    """Cosines (n, n), a photo's own at minus infinity: it is never its own neighbour."""
    found = unit.astype(np.float64) @ unit.T
    np.fill_diagonal(found, -np.inf)
    return found


def ranks_of(values):
    """Ranks of values (n, n) in their row as z scores over the others of it; 0 for the photo itself."""
    count, z = len(values), rankdata(values, method="ordinal", axis=1) - 1.0
    z -= z > z.diagonal()[:, None]  # ranks among the others, whichever end the photo itself stands at
    z = (z - (count - 2) / 2) / np.sqrt(((count - 1) ** 2 - 1) / 12)
    np.fill_diagonal(z, 0.0)
    return z


def answer_errors(moran):
    """What Moran's I of the errors (columns MORAN) says, in one sentence."""
    said = [
        row.flag or f"{row.method}: I = {row.morans_i:.2f}, p = {row.p_value:.3f} "
        + ("(errors cluster)" if row.p_value < 0.05 else "(no clustering shown)")
        for row in moran.itertuples()
    ]  # fmt: skip
    return f"Moran's I of the error: {'; '.join(said)}."


def answer_smoothness(fits, *, several=True):
    """Whether the first lag (columns SMOOTHNESS) fell beside the frozen tower's; several: of several cities."""
    share = fits.set_index("method").first_lag_share
    frozen = share.pop("frozen") if len(share) else np.nan
    if not np.isfinite(frozen):
        return "There are too few pairs of neighbouring test photos to tell."
    words = np.select([share < frozen, share.isna()], ["smoother", "of vectors that are all alike"], "not smoother")
    said = ", ".join(f"{name} {word} ({value:.2f})" for word, (name, value) in zip(words, share.items(), strict=True))
    level = "its level between cities" if several else "the level of all pairs"
    return f"In the first lag the frozen tower stands at {frozen:.2f} of {level}; {said}."


def answer_measures(table):
    """Which measures (columns MEASURED) of which embeddings stand out of their null, in one sentence."""
    if table.empty:
        return f"Measures of coherence need {FEWEST_PHOTOS} test photos of a city: no city here has them."
    above = table.measure.where((table.p < 0.05) & (table.value > table.null))
    said = [f"{name}: {significance.listed(own.dropna())}" for name, own in above.groupby(table.method, sort=False)]
    return f"Above their null, of {table.measure.nunique()} measures of coherence, stand for {'; '.join(said)}."
