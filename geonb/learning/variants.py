"""One ingredient at a time: variants of a method, each a training on the same photos with one thing changed."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from geonb.earth import sphere
from geonb.learning import decoding, geoclip, methods, training

BASE = "as it is"
REFIT_EVERY = 50  # steps
RELEASED_QUEUE = 4096  # of GeoCLIP (arXiv 2309.16020)


@dataclass(frozen=True, eq=False)
class Variant:
    """A change of a method: of its loss (methods.Settings), bandwidths (methods.bandwidths), towers (methods.builder)
    or course (training.Settings). group: what the change is about."""

    group: str
    name: str
    method: str = "sw_clip"
    loss: dict = field(default_factory=dict)
    bandwidth: dict = field(default_factory=dict)
    towers: dict = field(default_factory=dict)
    course: dict = field(default_factory=dict)


ONE_HOT = Variant("target", "one right place", "clip")


def of_sw_clip(bandwidth_m, batch_sizes):
    """The variants of page 08; bandwidth_m: of the base; batch_sizes: tried with clip and with sw_clip."""
    sizes = [
        Variant("batch size", f"{method}, {size} photos", method, course={"batch_size": size})
        for method in ("clip", "sw_clip") for size in batch_sizes
    ]  # fmt: skip
    return [
        Variant("base", BASE),
        ONE_HOT,
        Variant("kernel", "exponential", loss={"kernel": "exponential"}),
        Variant("kernel", "uniform", loss={"kernel": "uniform"}),
        Variant("kernel", "variogram", loss={"kernel": "variogram"}),
        Variant("bandwidth", "half", bandwidth={"bandwidth_m": bandwidth_m / 2}),
        Variant("bandwidth", "twice", bandwidth={"bandwidth_m": bandwidth_m * 2}),
        Variant("bandwidth", "per city", bandwidth={"how": "city"}),
        Variant("bandwidth", "per density", bandwidth={"how": "density"}),
        Variant("cutoff", "at 1 bandwidth", loss={"cutoff_bandwidths": 1.0}),
        Variant("cutoff", "none", loss={"cutoff_bandwidths": 1e6}),
        Variant("prior", "share 0.1", loss={"prior_share": 0.1}),
        Variant("prior", "share 0.3", loss={"prior_share": 0.3}),
        Variant("neighbourhood", "pull", loss={"neighbourhood_weight": 1.0}),
        Variant("neighbourhood", "ranking", loss={"neighbourhood_weight": 0.3, "neighbourhood": "ranking"}),
        Variant("fairness", "weight 1", loss={"fairness_weight": 1.0}),
        Variant("direction", "image to location", loss={"location_to_image": False}),
        Variant("temperature", "fixed", towers={"learn_temperature": False}),
        Variant("batch kind", "neighbours meet", course={"neighbours": 3}),
        *sizes,
    ]


def guided(guide, capsules, of_all):
    """The variants of page 13: guided negatives with one thing changed.

    guide, capsules: negatives.Guide and sizes of capsules of the base; without the variant that the base is already.
    of_all: Guide of the curve of all training photos, to which one that is fitted again is to be compared.
    """
    coarse = capsules | {"sigmas": list(geoclip.RELEASED_SIGMAS)}
    return [
        Variant(group, name, "geoclip_semivariogram", **change)
        for group, name, change in (
            ("base", BASE, {}),
            ("range", "half", {"loss": {"guide": guide._replace(range_m=guide.range_m / 2)}}),
            ("range", "twice", {"loss": {"guide": guide._replace(range_m=guide.range_m * 2)}}),
            ("curve", "of all training photos", {"loss": {"guide": of_all}}),
            ("curve", f"of embeddings, every {REFIT_EVERY} steps", {"course": {"refit_every": REFIT_EVERY}}),
            ("queue", "none", {"course": {"queue": 0}}),
            ("queue", f"of {RELEASED_QUEUE:,}", {"course": {"queue": RELEASED_QUEUE}}),
            ("temperature", "fixed", {"towers": {"learn_temperature": False}}),
            *([("capsules", "as released", {"towers": {"capsules": coarse}})] if coarse != capsules else []),
        )
    ]


def spoken(parts, tuned, evaluate_every):
    """The variants whose text tower reads captions with these parts; tuned: method -> its parameters."""
    return [
        Variant(
            ", ".join(parts), method, method, loss={"prior_share": own["prior_share"]},
            bandwidth={"bandwidth_m": own["bandwidth_m"]}, course={
                "learning_rate": own["learning_rate"], "weight_decay": own["weight_decay"],
                "evaluate_every": evaluate_every,
            },
        )
        for method, own in tuned.items()
    ]  # fmt: skip


def fit_variants(
    chosen, images, places, parts, gallery, *, settings, course, bandwidth, towers, seeds, folder, refit=None
):
    """{(variant, seed): training.Run} of variants on one split.

    settings, course: methods.Settings and training.Settings of the base; bandwidth, towers: keyword arguments of
    methods.bandwidths and of methods.builder, without the name of the method; refit: for variants that fit their curve
    again. See training.fit for the rest.
    """
    runs = {}
    for number, variant in enumerate(chosen):
        loss = replace(settings, **variant.loss)
        for seed in seeds:
            runs[variant, seed] = training.fit(
                images, places, parts, gallery, build=methods.builder(variant.method, **towers | variant.towers),
                objective=methods.objective(variant.method, loss),
                bandwidths=methods.bandwidths(**bandwidth | variant.bandwidth),
                settings=replace(course, **variant.course), seed=seed, folder=Path(folder) / f"{number}-{seed}",
                label=f"{variant.group}: {variant.name}, seed {seed}", refit=refit,
            )  # fmt: skip
    return runs


def predictions(runs, photos, part, gallery, split):
    """All located test photos: columns of decoding.predictions with method (the variant), kind, split and seed."""
    tables = [
        decoding.predictions(photos[part == "test"], gallery, run.chosen).assign(
            method=f"{variant.group}: {variant.name}", kind="method", split=split, seed=seed
        )
        for (variant, seed), run in runs.items()
    ]
    return pd.concat(tables, ignore_index=True)


def converged(runs):
    """Whether all trainings of each variant had stopped improving, by the names of predictions."""
    found = [(f"{variant.group}: {variant.name}", not training.still_improving(run.curve))
             for (variant, _), run in runs.items()]  # fmt: skip
    return pd.DataFrame(found, columns=["method", "converged"]).groupby("method").converged.all()


# ---- decoding --------------------------------------------------------------------------------------------------------
DECODINGS = {  # name: the values among which validation chooses
    "best place": (0,),
    "smoothed posterior": (25.0, 50.0, 100.0, 200.0, 400.0),  # bandwidth [m]
    "geometric median": (3, 10, 30, 100),  # of so many places
}


def decode(how, value, similarity, scale, lat_lon_deg):
    """Positions (n, 2) that a decoding makes of similarities (n, m) to places (m, 2)."""
    decoding.check_choice(similarity)
    if how == "best place":
        return lat_lon_deg[similarity.argmax(axis=1)]
    if how == "geometric median":
        return decoding.geometric_median(similarity, scale, lat_lon_deg, min(value, len(lat_lon_deg)))
    probability = decoding.posterior(similarity, scale)
    return lat_lon_deg[decoding.best_neighbourhood(probability, decoding.smoother(lat_lon_deg, value))]


def decoded(run, images, places, parts, gallery, *, ways=tuple(DECODINGS), city_known=False):
    """Answers for the test photos under some of DECODINGS: decoding, value (chosen on validation), photo, error_m and
    the predicted position.

    run: a training.Run; photo: index into places; city_known: only places of the photo's own city compete.
    """
    scale = run.towers.scale().item()
    there = training.embed_places(run.towers, gallery)
    index = {part: np.flatnonzero(parts == part) for part in ("validation", "test")}
    similarity = {
        part: run.towers.similarity(training.embed_images(run.towers, images, own), there)
        for part, own in index.items()
    }
    for part, own in index.items() if city_known else ():
        similarity[part] = np.where(places.city[own][:, None] == gallery.city, similarity[part], -np.inf)

    def answers(part, how, value):
        at = decode(how, value, similarity[part], scale, gallery.lat_lon_deg)
        return at, sphere.distance_m(places.lat_lon_deg[index[part]], at)

    tables = []
    for how in ways:
        best = min(DECODINGS[how], key=lambda value: np.log1p(answers("validation", how, value)[1]).mean())
        at, error_m = answers("test", how, best)
        own = {"decoding": how, "value": float(best), "photo": index["test"], "error_m": error_m}
        tables.append(pd.DataFrame(own | {"predicted_lat_deg": at[:, 0], "predicted_lon_deg": at[:, 1]}))
    return pd.concat(tables, ignore_index=True)
