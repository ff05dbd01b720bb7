"""Controls: what retrieval finds in simulated worlds without a geography, where no method may find anything."""

import numpy as np
import pandas as pd

from experiments.laboratory import worlds
from geonb import checks, resampling
from geonb.earth import sphere
from geonb.learning import decoding
from geonb.measuring import baselines, inference
from geonb.splitting import splits

NOTHING_PLANTED = {"range_scale": 0.0, "trend_share": 0.0}
ALIKE, DIFFER = "range 0, cities alike", "range 0, cities differ"
PLANTED = {ALIKE: NOTHING_PLANTED | {"city_mean_sd": 0.0}, DIFFER: NOTHING_PLANTED}
WITHIN, RIGHT = "median error within the right city", "share in the right city"
CONTROLS = {
    "world": "what is planted",
    "world_seed": "seed of the world",
    "measure": "what is measured",
    "value": "observed [unit in column unit]",
    "null_low": "2.5th percentile of the null [unit in column unit]",
    "null_high": "97.5th percentile of the null [unit in column unit]",
    "p": "two-sided p against the exact permutation null",
    "unit": "m or share",
    "n": "test photos [count]",
}


def controls(options, tower, cut, *, world_count, permutations, seed=0):
    """What retrieval finds where nothing was planted (columns CONTROLS), in some worlds from world_seed onwards.

    Each world is drawn twice, with and without differences between cities: range 0 leaves no geography, but a house
    still stands beside the next, so that one world is one draw of far fewer places than photos. cut: splits.Cut.
    """
    checks.count("control_worlds", world_count)
    checks.count("permutations", permutations)
    rows = []
    for world_seed in range(options["world_seed"], options["world_seed"] + world_count):
        for world, planted in PLANTED.items():
            found = worlds.photographed(options | planted | {"world_seed": world_seed}, tower)
            tested = retrieved(*found, cut, permutations=permutations, seed=seed)
            rows += [(world, world_seed, *row) for row in tested]
    return pd.DataFrame(rows, columns=list(CONTROLS))


def retrieved(photos, features, cut, *, permutations, seed):
    """Rows of one world: is the nearest feature's place within a city, or its city, nearer than truths permuted?

    The place of a test photo is that of the most similar training photo of split blocked, within its own city, against
    the exact null that permutes the true places inside each city; and whether the most similar one of all is in the
    right city, against truths permuted among all.
    """
    at, city = photos[["lat_deg", "lon_deg"]].to_numpy(), photos.city.to_numpy(dtype=object)
    part = splits.make("blocked", photos, cut)
    test, train = np.flatnonzero(part == "test"), np.flatnonzero(part == "train")

    def similar(asked, gallery):
        return decoding.most_similar(features[test[asked]], features[train[gallery]])[0]

    own, found = (
        train[baselines.choose(similar, photos.iloc[test], photos.iloc[train], city_known=known)]
        for known in (True, False)
    )
    draws = {"permutations": permutations, "seed": seed}
    error = inference.permuted(at[own], at[test], city[test], sphere.distance_m, np.median, **draws)
    right = inference.permuted(city[found], city[test], np.zeros(len(test)), np.equal, np.mean, **draws)
    for measure, (value, null), unit in ((WITHIN, error, "m"), (RIGHT, right, "share")):
        yield measure, value, *resampling.interval95(null), inference.p_value(value, null), unit, len(test)


def check_beside(ran, asked):
    """ValueError where a published page 17 ran with another world, tower or lags than the page that shows it.

    ran, asked: parameters of the two.
    """
    for name in ("options", "tower", "weights", "max_lag_m", "lag_count"):
        if ran[name] != asked[name]:
            raise ValueError(
                f"beside: it ran with {name} {ran[name]!r}, this page with {asked[name]!r}, so that it is "
                "not the truth of this page: leave beside empty"
            )


def answer(table):
    """What the controls (columns CONTROLS) say: Holm over the worlds, which are all looked at."""
    alike, differ = (table[(table.world == world) & (table.measure == WITHIN)] for world in (ALIKE, DIFFER))
    right = table[(table.world == DIFFER) & (table.measure == RIGHT)]
    above = int((right.value > right.null_high).sum())
    return (
        f"Where nothing is planted the error within a city {beside_null(alike)}; "
        f"where only cities differ, the right city is found more often than by chance in {above} of {len(right)}, "
        f"and the error within it {beside_null(differ)}."
    )


def beside_null(rows):
    """In how many worlds an error is smaller than its null, and in how many larger, by Holm's rule."""
    p = inference.holm(rows.p)
    better, worse = (
        int(((p < 0.05) & side).sum()) for side in (rows.value < rows.null_low, rows.value > rows.null_high)
    )
    return (
        f"is smaller than its exact null in {better} of {len(rows)} worlds and larger in {worse} "
        f"(p from {rows.p.min():.3f}, by Holm's rule {p.min():.2f})"
    )
