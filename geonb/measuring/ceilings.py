"""Rows that know the answer: what perfect retrieval or perfect features would reach with the same gallery."""

import numpy as np

from geonb.earth import sphere
from geonb.learning import decoding

CEILINGS = {
    "gallery_floor": "the gallery place nearest to the truth: what perfect retrieval would reach",
    "field_reference": "the gallery place most similar in the planted fields: what perfect features could reach",
}


def choose(rule, photos, gallery, city_known):
    """Indices (n,) into the gallery from rule(photo indices, gallery indices), within the photo's city if known.

    ValueError for a photo of a city of which the gallery has no place.
    """
    everything = np.arange(len(gallery))
    if not city_known:
        return everything[rule(np.arange(len(photos)), everything)]
    chosen = np.empty(len(photos), int)
    for name in photos.city.unique():
        here, there = np.flatnonzero(photos.city == name), np.flatnonzero(gallery.city == name)
        if len(there) == 0:
            raise ValueError(f"the gallery has no place of city {name!r}, which is to be searched")
        chosen[here] = there[rule(here, there)]
    return chosen


def predictions(photos, gallery, own_fields=None, gallery_fields=None, *, city_known=False):
    """Predictions of the CEILINGS by name; field_reference only where fields (n, K), (m, K) were planted."""
    at, places = (table[["lat_deg", "lon_deg"]].to_numpy() for table in (photos, gallery))
    rules = {"gallery_floor": lambda q, g: sphere.nearest(at[q], places[g])[0]}
    if own_fields is not None:
        rules["field_reference"] = lambda q, g: decoding.nearest_vectors(own_fields[q], gallery_fields[g])
    return {
        name: decoding.predictions(photos, gallery, choose(rule, photos, gallery, city_known))
        for name, rule in rules.items()
    }
