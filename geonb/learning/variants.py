"""One ingredient at a time: variants of a recipe, each with one thing changed, by name for training.fit_all."""

from geonb.learning import geoclip, training_arrays
from geonb.learning.recipes import changed

BASE = "base: as it is"
ONE_HOT = "target: one right place"
FAIR = (BASE, "fairness: weight 1")  # whose errors are compared district by district
REFIT_EVERY = 50  # steps
RELEASED_QUEUE = 4096  # of GeoCLIP (arXiv 2309.16020)


def of_sw_clip(base, batch_sizes, data):
    """The variants of page 08 of a Recipe of sw_clip, without those that the photos of the Data cannot train.

    batch_sizes: tried with clip and with sw_clip.
    """
    bandwidth_m, photos = base.tuned.bandwidth_m, data.photos[data.parts[base.split] == "train"]
    curve_fits, districts = not data.fitted(photos.city.unique())["flag"], training_arrays.district_count(photos)
    fairness = [(FAIR[1], {"loss": {"fairness_weight": 1.0}})]
    neighbours = [("batch kind: neighbours meet", {"course": {"neighbours": 3}})]
    changes = [
        (BASE, {}),
        (ONE_HOT, {"method": "clip"}),
        ("kernel: exponential", {"loss": {"kernel": "exponential"}}),
        ("kernel: uniform", {"loss": {"kernel": "uniform"}}),
        *([("kernel: variogram", {"loss": {"kernel": "variogram"}})] if curve_fits else []),
        ("bandwidth: half", {"tuned": {"bandwidth_m": bandwidth_m / 2}}),
        ("bandwidth: twice", {"tuned": {"bandwidth_m": bandwidth_m * 2}}),
        ("bandwidth: per city", {"loss": {"bandwidth": "city"}}),
        ("bandwidth: per density", {"loss": {"bandwidth": "density"}}),
        ("cutoff: at 1 bandwidth", {"loss": {"cutoff_bandwidths": 1.0}}),
        ("cutoff: none", {"loss": {"cutoff_bandwidths": 1e6}}),
        ("prior: share 0.1", {"tuned": {"prior_share": 0.1}}),
        ("prior: share 0.3", {"tuned": {"prior_share": 0.3}}),
        ("neighbourhood: pull", {"loss": {"neighbourhood_weight": 1.0}}),
        ("neighbourhood: ranking", {"loss": {"neighbourhood_weight": 0.3, "neighbourhood": "ranking"}}),
        *(fairness if districts >= training_arrays.FEWEST_DISTRICTS else []),
        ("direction: image to location", {"loss": {"location_to_image": False}}),
        ("temperature: fixed", {"towers": {"learn_temperature": False}}),
        *(neighbours if len(photos) > 3 else []),
        *[(f"batch size: {method}, {size} photos", {"method": method, "course": {"batch_size": size}})
          for method in ("clip", "sw_clip") for size in batch_sizes if size <= len(photos)],
    ]  # fmt: skip
    return {name: changed(base, change) for name, change in changes}


def guided(base):
    """The variants of page 13 of a Recipe of geoclip_semivariogram, without the one that it is already.

    The curve of all training photos is what one that is fitted again on the way is to be compared with.
    """
    every = f"curve: of embeddings, every {REFIT_EVERY} steps"
    changes = [
        (BASE, {}),
        ("range: half", {"loss": {"range_factor": 0.5}}),
        ("range: twice", {"loss": {"range_factor": 2.0}}),
        ("curve: of all training photos", {"loss": {"guided_by": "training photos"}}),
        (every, {"course": {"refit_every": REFIT_EVERY}}),
        ("queue: none", {"course": {"queue": 0}}),
        (f"queue: of {RELEASED_QUEUE:,}", {"course": {"queue": RELEASED_QUEUE}}),
        ("temperature: fixed", {"towers": {"learn_temperature": False}}),
        ("capsules: as released", {"towers": {"sigmas": geoclip.RELEASED_SIGMAS}}),
    ]  # fmt: skip
    found = {name: changed(base, change) for name, change in changes}
    return {name: made for name, made in found.items() if name == BASE or made != base}


def spoken(recipes, captions):
    """{name: Recipe}: each of some recipes with a text tower that reads captions with each of some lists of parts."""
    return {
        f"{', '.join(parts)}: {recipe.method}": changed(recipe, {"towers": {"caption_parts": parts}})
        for parts in captions for recipe in recipes
    }  # fmt: skip
