"""Spatial statistics: do errors cluster, and did an embedding become smoother in space?"""

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from geonb import checks
from geonb.earth import seeds, sphere
from geonb.measuring import inference as uncertainty
from geonb.variograms import curves as semivariograms
from geonb.variograms import models as variogram_models

SUMMARY = {
    "method": "frozen tower or training",
    "between_cities": "mean cosine distance of photos of different cities (of all photos where there is one city) [-]",
    "nugget_share": "fitted nugget over nugget and partial sill; missing when flagged [share]",
    "effective_range_m": "fitted effective range; missing when flagged [m]",
    "flag": "why the fit must not be used; empty when it may",
    "first_lag_share": "semivariance of the first lag with pairs over the level between cities; missing where all "
    "vectors are alike [share]",
}

SURROUNDINGS = {
    "method": "method",
    "about": "what the test photos are parted by: nearest_m, the way to the nearest training photo, or count, the "
    "training photos around",
    "from": "least of it among the photos of the part [m or count]",
    "to": "most of it [m or count]",
    "error_m": "geometric mean of 1 m + error, mean over seeds [m]",
    "low": "lower bound of the 95 % interval over blocks; missing below 20 blocks [m]",
    "high": "upper bound [m]",
    "n": "test photos of the part [count]",
}


def morans_i(values, lat_lon_deg, *, neighbours=8, permutations=999, seed=0):
    """Moran's I of values (n,) over the k nearest neighbours on the ground, its expectation and its p value, by esda.

    Row-standardised weights; one-sided p value from permutations: the share in which I is at least as large, so that
    it is small where errors cluster and large where neighbours are unlike. ValueError with fewer than neighbours + 2
    photos, or when all values are equal or some are missing.
    """
    from esda import Moran

    values = np.asarray(values, dtype=float)
    check_values(values, lat_lon_deg, neighbours, permutations)
    weights = nearest_weights(lat_lon_deg, neighbours)
    state = np.random.get_state()  # noqa: NPY002  esda draws from NumPy's global generator
    np.random.seed(int(seeds.stream(seed, "moran").integers(2**31)))  # noqa: NPY002
    try:
        result = Moran(values, weights, permutations=permutations)
    finally:
        np.random.set_state(state)  # noqa: NPY002
    # esda's own p_sim takes the smaller of the two tails: it would call neighbours that are unlike a cluster
    p_value = (1 + (result.sim >= result.I).sum()) / (permutations + 1)
    return {"morans_i": float(result.I), "expected": float(result.EI), "p_value": float(p_value)}


def nearest_weights(lat_lon_deg, neighbours):
    """Row-standardised weights of libpysal over the k nearest neighbours on the ground."""
    from libpysal.weights import KNN

    # cities are islands to each other, which is what is meant: no warning about it
    weights = KNN.from_array(sphere.unit_xyz(lat_lon_deg), k=neighbours, silence_warnings=True)
    weights.transform = "r"
    return weights


def check_values(values, lat_lon_deg, neighbours, permutations):
    """Nothing, or a ValueError for values (n,) that are too few, all alike or missing, or for counts that are none."""
    checks.count("neighbours", neighbours)
    checks.count("permutations", permutations)
    checks.same_length({"values": values, "positions": lat_lon_deg})
    checks.finite("the values", values)
    if len(values) < neighbours + 2:
        raise ValueError(
            f"Moran's I over {neighbours} neighbours needs {neighbours + 2} photos, there are {len(values)}"
        )
    if np.ptp(values) == 0:
        raise ValueError(f"all {len(values)} values are {values[0]}: Moran's I is not defined")


def morans_i_by_method(errors, *, neighbours, permutations, seed):
    """Moran's I of log10(1 + error in metres), mean over seeds, per method; a flag where it is not defined."""
    rows = []
    for method, group in errors.groupby("method", sort=False):
        photos = one_per_photo(group)
        row = {
            "method": method,
            "n": len(photos),
            "morans_i": np.nan,
            "expected": np.nan,
            "p_value": np.nan,
            "flag": "",
        }
        try:
            at = photos[["lat_deg", "lon_deg"]].to_numpy()
            row |= morans_i(photos.log_error, at, neighbours=neighbours, permutations=permutations, seed=seed)
        except ValueError as error:
            row["flag"] = str(error)
        rows.append(row)
    return pd.DataFrame(rows)


def one_per_photo(errors):
    """The errors of one method with one row per photo, by photo_id: log_error is log10(1 + metres), mean over seeds."""
    logs = np.log10(1 + errors.error_m).groupby(errors.photo_id).mean()
    return errors.drop_duplicates("photo_id").set_index("photo_id").loc[logs.index].assign(log_error=logs)


def semivariograms_of_errors(errors, *, max_lag_m, lag_count, seed=0):
    """Semivariograms of log_error (one_per_photo) within cities, pooled: columns of semivariograms.LAGS, method,
    relative_semivariance.

    Relative to the variance around each city's mean: 1 means as unlike as any two photos of a city. Missing where all
    errors of a city are alike.
    """
    tables = []
    for method, group in errors.groupby("method", sort=False):
        photos = one_per_photo(group)
        at, city = photos[["lat_deg", "lon_deg"]].to_numpy(), photos.city.to_numpy(dtype=object)
        values = photos[["log_error"]].to_numpy()
        curve = within_cities(values, at, city, max_lag_m=max_lag_m, lag_count=lag_count, seed=seed)
        level = float(((photos.log_error - photos.groupby("city").log_error.transform("mean")) ** 2).mean())
        share = curve.semivariance / level if level > variogram_models.LEAST_RISE else np.nan
        tables.append(curve.assign(method=method, relative_semivariance=share))
    return pd.concat(tables, ignore_index=True)


def by_surroundings(errors, train_lat_lon_deg, *, radius_m, parts=4, replicates=300, seed=0):
    """Errors (geolocation.ERRORS) where training photos (m, 2) are near or far, many or few: columns SURROUNDINGS.

    Test photos are parted at quantiles into at most `parts` parts, by the way to the nearest training photo and by how
    many lie within radius_m. Intervals draw blocks again.
    """
    checks.number("radius_m", radius_m, above=0)
    checks.count("parts", parts)
    tables = []
    for method, group in errors.groupby("method", sort=False):
        photos = one_per_photo(group)
        at = photos[["lat_deg", "lon_deg"]].to_numpy()
        tree = cKDTree(sphere.unit_xyz(train_lat_lon_deg))
        around = tree.query_ball_point(sphere.unit_xyz(at), radius_m / sphere.EARTH_RADIUS_M, return_length=True)
        for about, values in (("nearest_m", sphere.nearest(at, train_lat_lon_deg)[1]), ("count", around)):
            part = np.nan_to_num(pd.qcut(values, parts, labels=False, duplicates="drop"))  # NaN where all are alike
            for own in (part == k for k in np.unique(part)):
                logs, blocks = photos.log_error.to_numpy()[own], photos.block.to_numpy()[own]
                bounds = uncertainty.ratio_interval(
                    np.stack([logs, np.ones(len(logs))]), blocks, replicates=replicates, seed=seed
                )
                spread = values[own].min(), values[own].max()
                tables.append((method, about, *spread, *10 ** np.array([logs.mean(), *bounds]), len(logs)))
    return pd.DataFrame(tables, columns=list(SURROUNDINGS))


def within_cities(features, lat_lon_deg, city, *, max_lag_m, lag_count, seed=0):
    """The semivariogram of features (n, d) within cities, pooled (semivariograms.LAGS), without co-located pairs."""
    semivariograms.check_photos(features, lat_lon_deg, city)
    names, count = np.unique(city, return_counts=True)
    found = [
        semivariograms.semivariance_by_lag(
            features[city == name], lat_lon_deg[city == name], max_lag_m=max_lag_m, lag_count=lag_count, seed=seed
        )
        for name in names[count > 1]
    ]
    lags = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(semivariograms.LAGS))
    return semivariograms.pooled(lags[lags.lag_to_m > 0])


LISA = ("wrong beside wrong", "right beside right", "unlike its neighbours", "not shown")


def lisa(values, lat_lon_deg, *, neighbours=8, permutations=999, level=0.05, seed=0):
    """One of LISA for each of values (n,): where large ones lie beside large ones, by local Moran's I of esda.

    Over the k nearest neighbours on the ground; a false discovery rate of `level` over all photos decides what is shown
    (Anselin 1995; Benjamini and Hochberg 1995). ValueError as morans_i.
    """
    from esda import Moran_Local, fdr

    checks.number("level", level, above=0, below=1)
    values = np.asarray(values, dtype=float)
    check_values(values, lat_lon_deg, neighbours, permutations)
    weights = nearest_weights(lat_lon_deg, neighbours)
    drawn = int(seeds.stream(seed, "lisa").integers(2**31))
    found = Moran_Local(values, weights, permutations=permutations, seed=drawn)
    shown = found.p_sim <= fdr(found.p_sim, level)
    kinds = np.select([found.q == 1, found.q == 3], LISA[:2], LISA[2])
    return np.where(shown, kinds, LISA[3]).astype(object)


def answer(moran):
    """What Moran's I of the errors says, in one sentence."""
    said = [
        row.flag or f"{row.method}: I = {row.morans_i:.2f}, p = {row.p_value:.3f} "
        + ("(errors cluster)" if row.p_value < 0.05 else "(no clustering shown)")
        for row in moran.itertuples()
    ]  # fmt: skip
    return "Moran's I of the error: " + "; ".join(said) + "."


# ---- embeddings ------------------------------------------------------------------------------------------------------
def before_and_after(vectors, lat_lon_deg, city, *, model, max_lag_m, lag_count, seed):
    """(lags, summary) of unit vectors (n, d) by name: semivariance pooled within cities, relative to that between them.

    A cosine distance of one tower is not comparable with that of another, a share of its own between-city level is.
    Where all vectors are alike there is no level, and no share of it.
    """
    lags, rows = [], []
    for name, unit in vectors.items():
        curve = within_cities(unit, lat_lon_deg, city, max_lag_m=max_lag_m, lag_count=lag_count, seed=seed)
        level = semivariograms.between_cities(unit, city)
        level = level if level > variogram_models.LEAST_RISE else np.nan
        fitted = variogram_models.fit(curve, model=model)
        share = fitted["nugget"] / (fitted["nugget"] + fitted["partial_sill"]) if not fitted["flag"] else np.nan
        first = float(curve.semivariance.iloc[0] / level) if len(curve) else np.nan
        rows.append((name, level, share, fitted["effective_range_m"], fitted["flag"], first))
        lags.append(curve.assign(method=name, relative_semivariance=curve.semivariance / level))
    return pd.concat(lags, ignore_index=True), pd.DataFrame(rows, columns=list(SUMMARY))


def answer_smoothness(summary):
    """Whether the first lag fell beside the frozen tower's, in one sentence."""
    share = summary.set_index("method").first_lag_share
    if not np.isfinite(share.get("frozen", np.nan)):
        return "There are too few pairs of neighbouring test photos to tell."
    said = [
        f"{method} {'smoother' if share[method] < share['frozen'] else 'not smoother'} ({share[method]:.2f})"
        if np.isfinite(share[method])
        else f"{method} has no such share, all its vectors are alike"
        for method in share.index.drop("frozen")
    ]
    return (
        f"In the first lag the frozen tower stands at {share['frozen']:.2f} of its level between cities; "
        + ", ".join(said)
        + "."
    )
