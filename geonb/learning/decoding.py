"""From similarities to a position: the best place, the best neighbourhood, or the middle of the best places."""

from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.spatial import cKDTree

from geonb import checks
from geonb.earth import sphere

PREDICTED = {
    "photo_id": "photo of the catalogue",
    "city": "city of the photo",
    "lat_deg": "latitude of the photo [degree]",
    "lon_deg": "longitude of the photo [degree]",
    "predicted_city": "city of the chosen place",
    "predicted_lat_deg": "latitude of the chosen place [degree]",
    "predicted_lon_deg": "longitude of the chosen place [degree]",
    "error_m": "great-circle distance from the chosen place to the photo [m]",
    "right_city": "whether the chosen place is in the photo's city",
}
REACH = 3.0  # a kernel of smoothing ends at so many bandwidths
STEPS = 50  # of Weiszfeld's iteration
BEST = "best place"
WAYS = {  # to read off a position: the values among which validation chooses
    BEST: (0,),
    "smoothed posterior": (25.0, 50.0, 100.0, 200.0, 400.0),  # bandwidth [m]
    "geometric median": (3, 10, 30, 100),  # of so many places
}


def posterior(similarity, scale):
    """Softmax (n, m) of scale * similarity (n, m), where -inf leaves a place out. ValueError where none is left."""
    check_choice(similarity)
    logits = scale * (similarity - similarity.max(axis=1, keepdims=True))
    weight = np.exp(np.maximum(logits, -80))
    return weight / weight.sum(axis=1, keepdims=True)


def check_choice(similarity):
    """Nothing, or a ValueError for photos (n, m) without a place to choose: argmax would name the first of all."""
    none = len(similarity) if not similarity.shape[1] else int((~np.isfinite(similarity.max(axis=1))).sum())
    if none:
        raise ValueError(f"{none} of {len(similarity)} photos have no place to choose among: has their city any?")


@lru_cache(maxsize=5)  # one gallery at as many bandwidths as validation tries: every method and part asks for it again
def smoother(lat_lon_deg, bandwidth_m):
    """Sparse Gaussian weights (m, m) between places within REACH bandwidths, from the bytes of float64 positions."""
    points = sphere.unit_xyz(np.frombuffer(lat_lon_deg).reshape(-1, 2)) * sphere.EARTH_RADIUS_M
    near = cKDTree(points).sparse_distance_matrix(cKDTree(points), REACH * bandwidth_m, output_type="coo_matrix")
    weight = np.exp(-(near.data**2) / (2 * bandwidth_m**2))
    return coo_array((weight, (near.row, near.col)), shape=near.shape).tocsr()


def best_neighbourhood(probability, lat_lon_deg, bandwidth_m):
    """Index (n,) of the place with the largest smoothed probability (n, m): dense parts of a gallery draw answers."""
    weights = smoother(np.asarray(lat_lon_deg, dtype=np.float64).tobytes(), bandwidth_m)
    return np.asarray((weights @ probability.T).argmax(axis=0)).ravel()


def geometric_median(similarity, scale, lat_lon_deg, k):
    """Positions (n, 2) with the smallest sum of distances, weighted by the posterior, to each photo's k best places.

    Weiszfeld's iteration along straight lines through the Earth, then back to its surface.
    """
    best = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
    weight = posterior(np.take_along_axis(similarity, best, axis=1), scale)
    points = sphere.unit_xyz(lat_lon_deg)[best] * sphere.EARTH_RADIUS_M
    middle = (weight[..., None] * points).sum(axis=1)
    for _ in range(STEPS):
        pull = weight / np.maximum(np.linalg.norm(points - middle[:, None], axis=2), 0.01)
        middle = (pull[..., None] * points).sum(axis=1) / pull.sum(axis=1, keepdims=True)
    return sphere.lat_lon_of(middle)


def read_off(way, value, similarity, scale, lat_lon_deg):
    """Positions (n, 2) that one of WAYS makes of similarities (n, m) to places (m, 2)."""
    check_choice(similarity)
    if way == BEST:
        return lat_lon_deg[similarity.argmax(axis=1)]
    if way == "geometric median":
        return geometric_median(similarity, scale, lat_lon_deg, min(value, len(lat_lon_deg)))
    return lat_lon_deg[best_neighbourhood(posterior(similarity, scale), lat_lon_deg, value)]


def chosen_ways(ways, validation, validation_at, test, test_at, scale, lat_lon_deg):
    """Answers for test photos under some of WAYS: decoding, value (chosen on validation), photo, error_m, position.

    validation, test: similarities (n, m) to places (m, 2); *_at (n, 2): where those photos are; scale: see posterior.
    """
    tables = []
    for way in ways:
        found = {value: read_off(way, value, validation, scale, lat_lon_deg) for value in WAYS[way]}
        error = {
            value: np.log1p(sphere.distance_m(validation_at, position)).mean() for value, position in found.items()
        }
        value = min(error, key=error.get)
        at = read_off(way, value, test, scale, lat_lon_deg)
        tables.append(pd.DataFrame({
            "decoding": way, "value": float(value), "photo": np.arange(len(test_at)),
            "error_m": sphere.distance_m(test_at, at), "predicted_lat_deg": at[:, 0], "predicted_lon_deg": at[:, 1],
        }))  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def most_similar(queries, gallery, similarity_of=None, *, cities=None, chunk=1024):
    """Index (n,) of the gallery vector (m, d) most similar to each query (n, d), and that similarity.

    similarity_of: (n, d), (m, d) -> (n, m), by default the inner product. cities: of the queries (n,) and of the
    gallery (m,), where only places of the same city compete. ValueError for an empty gallery or city, or NaN.
    """
    if len(queries) and not len(gallery):
        raise ValueError("there is no place to choose among: the gallery is empty")
    similarity_of = similarity_of or (lambda photos, places: photos @ places.T)
    best, score = np.empty(len(queries), int), np.empty(len(queries), np.float32)
    if cities is not None:
        for name in np.unique(cities[0]):
            here, there = np.flatnonzero(cities[0] == name), np.flatnonzero(cities[1] == name)
            if not len(there):
                raise ValueError(f"the gallery has no place in {name}")
            found, score[here] = most_similar(queries[here], gallery[there], similarity_of)
            best[here] = there[found]
        return best, score
    for first in range(0, len(queries), chunk):
        part = slice(first, first + chunk)
        similarity = similarity_of(queries[part], gallery)
        best[part], score[part] = similarity.argmax(axis=1), similarity.max(axis=1)
    checks.finite("the largest similarity", score[score != -np.inf])  # argmax takes NaN for the largest of all
    return best, score


def most_similar_of_other_sequence(queries, gallery, sequence_id, gallery_sequence_id, chunk=1024):
    """(queries (k,), best (k,), similarity (k,)): as most_similar, but photos of the query's own sequence do not count.

    '' is no sequence. Only queries that have a candidate: their indices, and each one's best of the gallery.
    """

    def similarity_of(rows, gallery):
        own = sequence_id[rows][:, None]
        return np.where((own == gallery_sequence_id[None]) & (own != ""), -np.inf, queries[rows] @ gallery.T)

    best, score = most_similar(np.arange(len(queries) if len(gallery) else 0), gallery, similarity_of, chunk=chunk)
    asked = np.flatnonzero(score > -np.inf)
    return asked, best[asked], score[asked]


def nearest_vectors(queries, gallery):
    """Index (n,) of the gallery vector (m, d) at the smallest Euclidean distance from each query (n, d)."""
    if not len(gallery):
        raise ValueError("there is no vector to be near to: the gallery is empty")
    return cKDTree(gallery).query(queries)[1]


def predictions(photos, places, chosen):
    """One row (columns PREDICTED) per photo: truth, chosen place, error, whether the city is right.

    photos, places: tables with city, lat_deg, lon_deg (photos also photo_id); chosen (n,) indexes places.
    """
    at, photos = places.iloc[chosen].reset_index(drop=True), photos.reset_index(drop=True)
    error_m = sphere.distance_m(photos[["lat_deg", "lon_deg"]].to_numpy(), at[["lat_deg", "lon_deg"]].to_numpy())
    return photos[["photo_id", "city", "lat_deg", "lon_deg"]].assign(
        predicted_city=at.city.to_numpy(), predicted_lat_deg=at.lat_deg.to_numpy(),
        predicted_lon_deg=at.lon_deg.to_numpy(), error_m=error_m,
        right_city=at.city.to_numpy() == photos.city.to_numpy(),
    )  # fmt: skip
