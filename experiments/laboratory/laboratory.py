"""Experiments on simulated cities whose answer is known: what pictures hold, and what no method may find in them."""

import numpy as np
import pandas as pd
from PIL import Image

from experiments.words import ridge_probe
from geonb import checks
from geonb.earth import seeds, sphere
from geonb.learning import decoding, encoders
from geonb.measuring import baselines, ceilings, inference
from geonb.photos import catalogue as photos
from geonb.photos import sources
from geonb.splitting import splits as splitting
from geonb.variograms import curves as semivariograms
from simcities import day, renderer

AHEAD_M = 15.0  # what a camera looks at lies ahead of it: there the fields are probed
REDRAWN_SEED = 300  # world seeds from here on are redrawn cities, which no study shows
VISIBLE_R2 = 0.4  # of the ceiling: a field below it is hardly in the pictures
NOTHING_PLANTED = {"range_scale": 0.0, "trend_share": 0.0}
ALIKE, DIFFER = "range 0, cities alike", "range 0, cities differ"
PLANTED = {ALIKE: NOTHING_PLANTED | {"city_mean_sd": 0.0}, DIFFER: NOTHING_PLANTED}
WITHIN, RIGHT = "median error within the right city", "share in the right city"
ENSEMBLE = {
    "distance_m": "mean distance of the pairs in the lag [m]",
    "semivariance": "mean over the redrawn cities of half the mean squared distance of unit features [-]",
    "low": "2.5th percentile over the redrawn cities [-]",
    "high": "97.5th percentile over them [-]",
    "cities": "redrawn cities with pairs in the lag [count]",
}
CONTROL = {
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


def photographed(options, tower):
    """(catalogue with lat_deg and lon_deg, unit features (n, d)) of the simulated photos of a world."""
    catalogue = photos.with_lat_lon(sources.gather("simulated", options)[0])
    paths = [photos.picture_path(path) for path in catalogue.path]
    return catalogue, encoders.image_features(paths, catalogue.sha256, tower)


def ahead(catalogue, metres=AHEAD_M):
    """Positions (n, 2) in degrees that lie ahead of the cameras of a catalogue (lat_deg, lon_deg, heading_deg)."""
    found, way = np.empty((len(catalogue), 2)), np.radians(catalogue.heading_deg.to_numpy())
    position = catalogue[["lat_deg", "lon_deg"]].to_numpy()
    steps_m = metres * np.stack([np.sin(way), np.cos(way)], axis=1)
    for name in catalogue.city.unique():
        here = (catalogue.city == name).to_numpy()
        centre = sphere.centre(position[here])
        found[here] = sphere.from_local_m(sphere.to_local_m(position[here], centre) + steps_m[here], centre)
    return found


def ensemble(options, tower, *, worlds, photos_per_city, max_lag_m, lag_count, seed=0):
    """What the semivariogram of an embedding is in truth: mean and spread over redrawn cities (columns ENSEMBLE).

    Three cities, one of each street network, in each of `worlds` worlds with the parameters of `options`; an embedding
    mixes fields, houses that several photos show and weather, so no closed form gives this curve.
    """
    checks.count("ensemble_worlds", worlds)
    checks.count("ensemble_photos", photos_per_city, least=2, way_out="a semivariogram needs pairs")
    curves = []
    for world in range(worlds):
        drawn = {"city_count": 3, "photos_per_city": photos_per_city, "world_seed": REDRAWN_SEED + world}
        catalogue, features = photographed(options | drawn, tower)
        for name in catalogue.city.unique():
            here = (catalogue.city == name).to_numpy()
            at = catalogue.loc[here, ["lat_deg", "lon_deg"]].to_numpy()
            curves.append(
                semivariograms.semivariance_by_lag(
                    features[here], at, max_lag_m=max_lag_m, lag_count=lag_count, seed=seed
                ).iloc[1:]  # without the lag of co-located photos
            )
    distance_m, semivariance = (np.stack([curve[name] for curve in curves]) for name in ("distance_m", "semivariance"))
    low, high = np.nanquantile(semivariance, [0.025, 0.975], axis=0)
    values = np.nanmean(distance_m, axis=0), np.nanmean(semivariance, axis=0), low, high
    return pd.DataFrame(dict(zip(ENSEMBLE, (*values, np.isfinite(semivariance).sum(axis=0)), strict=True)))


def ladder(catalogue, features, part, own_fields, *, seed=0):
    """Errors in split other_drive of the trivial rows, the references and the nearest place in probed fields.

    The probe is read from the training photos' features and true fields: a rival that knows what was planted, but not
    where. part (n,) of the split; own_fields (n, K) at the photos' places.
    """
    train, test = np.flatnonzero(part == "train"), np.flatnonzero(part == "test")
    gallery = catalogue.iloc[train].reset_index(drop=True)
    rows = baselines.untrained(
        catalogue,
        features,
        {"other_drive": part},
        {"other_drive": gallery},
        own_fields,
        {"other_drive": own_fields[train]},
        seed=seed,
    )
    probe = ridge_probe.fitted(features[train], own_fields[train], catalogue.city.to_numpy()[train])
    chosen = decoding.nearest_vectors(probe.predict(features[test]), own_fields[train])
    probed = decoding.predictions(catalogue.iloc[test], gallery, chosen)
    return pd.concat(
        [rows, probed.assign(split="other_drive", method="probed_fields", kind="reference", seed=seed)],
        ignore_index=True,
    )


def controls(options, tower, settings, *, worlds=5, permutations=999, seed=0):
    """What retrieval finds where nothing was planted (columns CONTROL), in `worlds` worlds from world_seed onwards.

    Each world is drawn twice, with and without differences between cities: range 0 leaves no geography, but a house
    still stands beside the next, so that one world is one draw of far fewer places than photos.
    """
    checks.count("control_worlds", worlds)
    checks.count("permutations", permutations)
    rows = []
    for world_seed in range(options["world_seed"], options["world_seed"] + worlds):
        for world, planted in PLANTED.items():
            found = photographed(options | planted | {"world_seed": world_seed}, tower)
            rows += [
                {"world": world, "world_seed": world_seed} | row
                for row in _control(*found, settings, permutations=permutations, seed=seed)
            ]
    return pd.DataFrame(rows, columns=list(CONTROL))


def _control(catalogue, features, settings, *, permutations, seed):
    """Rows of one world: is the nearest feature's place within a city, or its city, nearer than truths dealt anew?

    The place of a test photo is that of the most similar training photo of split blocked, within its own city, against
    the exact null that deals the true places anew inside each city; and whether the most similar one of all is in the
    right city, against truths dealt anew among all.
    """
    columns = [catalogue[name].to_numpy(dtype=object) for name in ("city", "street", "sequence_id")]
    at, city = catalogue[["lat_deg", "lon_deg"]].to_numpy(), columns[0]
    part = splitting.make("blocked", at, *columns, seed=seed, **settings)
    test, train = np.flatnonzero(part == "test"), np.flatnonzero(part == "train")
    similar = lambda q, g: decoding.most_similar(features[test[q]], features[train[g]])[0]  # noqa: E731
    own = train[ceilings.choose(similar, catalogue.iloc[test], catalogue.iloc[train], city_known=True)]
    found = train[decoding.most_similar(features[test], features[train])[0]]
    draws = {"permutations": permutations, "seed": seed}
    error = inference.permuted(at[own], at[test], city[test], sphere.distance_m, np.median, **draws)
    right = inference.permuted(city[found], city[test], np.zeros(len(test)), np.equal, np.mean, **draws)
    for measure, (value, null), unit in ((WITHIN, error, "m"), (RIGHT, right, "share")):
        low, high = np.quantile(null, [0.025, 0.975])
        p = inference.p_value(value, null)
        row = {"measure": measure, "value": value, "null_low": low, "null_high": high, "p": p}
        yield row | {"unit": unit, "n": len(test)}


# ---- pictures that explain -------------------------------------------------------------------------------------------
def on_other_days(world, photo, count, *, seed=0):
    """One photo of the first city of a world as `count` pictures of the same camera on other days, half in winter."""
    city = world.city(0)
    camera = world.shots(city)[0].iloc[[photo] * count]
    days = day.nuisance(np.arange(count) % 2, seeds.stream(seed, "other days"))
    return [Image.fromarray(picture) for picture in renderer.render(city, camera, days, world.picture_px)]


def same_values(truth, city, eligible, field, steps=4):
    """Photos (2 * steps,) in two cities with the same rising values of one field: indices, city by city.

    truth (n, K); city (n,); eligible (n,) bool. The two cities are those whose values overlap most, among those with
    eligible photos. ValueError where these are not two.
    """
    values = {name: np.flatnonzero((city == name) & eligible) for name in np.unique(city[eligible])}
    spread = pd.DataFrame({name: np.quantile(truth[at, field], [0.02, 0.98]) for name, at in values.items()}).T
    pairs = [(a, b) for a in spread.index for b in spread.index if a < b]
    if not pairs:
        raise ValueError(f"two cities are needed to compare them, there is {len(values)}")
    shared = {pair: spread.loc[list(pair), 1].min() - spread.loc[list(pair), 0].max() for pair in pairs}
    pair = max(shared, key=shared.get)
    wanted = np.linspace(spread.loc[list(pair), 0].max(), spread.loc[list(pair), 1].min(), steps)
    return [values[name][np.abs(truth[values[name], field] - value).argmin()] for name in pair for value in wanted]


# ---- what is said ----------------------------------------------------------------------------------------------------
def hardly_visible(probes):
    """The fields of which even the second tower, which was taught them, reads less than VISIBLE_R2: "name (0.37)"."""
    ceiling = probes[probes.tower == probes.tower.unique()[1]].set_index("target").r2
    return ", ".join(f"{name} ({r2:.2f})" for name, r2 in ceiling[ceiling < VISIBLE_R2].items())


def headline(probes, rungs, page):
    """Rows for results.save_headline; the first tower of the probes is the shipped one, the second the ceiling."""
    means = probes.groupby("tower", sort=False).r2.mean()
    medians = rungs[rungs.metric == "median_error_m"].set_index("method")
    known = {"low": np.nan, "high": np.nan, "seeds": 1}
    rows = [
        {"key": "probe_r2_within_city_mean", "value": means.iloc[0], "unit": "share", "n": probes.n.iloc[0], **known},
        {"key": "probe_r2_share_of_ceiling", "value": means.iloc[0] / means.iloc[1], "unit": "share", **known}
        | {"n": probes.n.iloc[0]},
    ]
    table = pd.DataFrame(rows).assign(table=f"{page}/probes")
    errors = medians.loc[["field_reference", "frozen_nearest"], ["value", "low", "high", "unit", "seeds", "n"]]
    keys = ["field_reference_median_error_m", "frozen_median_error_m"]
    return pd.concat([table, errors.assign(key=keys, table=f"{page}/ladder")], ignore_index=True)


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


def answer(probes, placeless, rungs, controls, inside, beside=""):
    """What the laboratory says, in a few sentences; beside: the study that made the controls, '' for this one."""
    dim = hardly_visible(probes)
    means = probes.groupby("tower", sort=False).r2.mean()
    medians = rungs[rungs.metric == "median_error_m"].set_index("method").value
    leaks = placeless[placeless.high.fillna(placeless.r2) > 0.02].target.tolist()
    return " ".join([
        f"Inside the band of their redraws lie {inside:.0%} of the planted fields' semivariances.",
        f"In unseen cities the shipped tower tells {means.iloc[0]:.0%} of the fields' variance within a city, "
        f"{means.iloc[0] / means.iloc[1]:.0%} of what the same tower tells that was taught the fields.",
        *([f"Hardly in the pictures, as that one tells less than {VISIBLE_R2:.0%} of them too: {dim}."] if dim else []),
        f"Nuisance that carries place: {', '.join(leaks) or 'none'}.",
        f"Knowing the fields would place a photo within {sphere.length(medians['field_reference'])} in the median,",
        f"the nearest neighbour in frozen features reaches {sphere.length(medians['frozen_nearest'])}.",
        *([f"In study {beside}:"] if beside else []),
        *controls_said(controls),
    ])  # fmt: skip


def controls_said(controls):
    """Two sentences about the controls (columns CONTROL): Holm over the worlds, which are all looked at."""
    alike, differ = (controls[(controls.world == world) & (controls.measure == WITHIN)] for world in (ALIKE, DIFFER))
    right = controls[(controls.world == DIFFER) & (controls.measure == RIGHT)]
    above = int((right.value > right.null_high).sum())
    return [
        f"Where nothing is planted the error within a city {_leaves(alike)};",
        f"where only cities differ, the right city is found more often than by chance in {above} of {len(right)}, "
        f"and the error within it {_leaves(differ)}.",
    ]


def _leaves(rows):
    """In how many worlds an error is smaller than its null, and in how many larger, by Holm's rule."""
    p = inference.holm(rows.p)
    better, worse = (
        int(((p < 0.05) & side).sum()) for side in (rows.value < rows.null_low, rows.value > rows.null_high)
    )
    return (
        f"is smaller than its exact null in {better} of {len(rows)} worlds and larger in {worse} "
        f"(p from {rows.p.min():.3f}, by Holm's rule {p.min():.2f})"
    )
