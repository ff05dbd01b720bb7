"""How far apart two places must be for a released location encoder to tell them apart: semivariances around cities."""

import itertools
import sys

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree
from tqdm import tqdm

from experiments.released_models import encoder
from geonb import checks, random_streams, resampling
from geonb.earth import sphere
from geonb.variograms import curves, lags, models

EDGES_M = np.array([0.0, 500, 1_000, 2_000, 5_000, 10_000, 25_000, 50_000])
PARTNERS = 4  # lags that get a partner of every first place: random pairs are rare there
MODEL = "spherical"
NAMED = {2643743: "London", 5128581: "New York", 184745: "Nairobi", 1880252: "Singapore"}  # by geoname_id
ENDS = {"_low": "2.5 % of redrawn clusters of places: ", "_high": "97.5 % of redrawn clusters of places: "}
CITIES = {
    "geoname_id": "identifier of GeoNames", "city": "name in GeoNames (CC BY 4.0)", "country": "ISO code",
    "continent": "continent of the country", "population": "inhabitants, of GeoNames [count]",
    "lat_deg": "latitude of the centre [degree]", "lon_deg": "longitude of it [degree]",
    "gallery": "places of GeoCLIP's gallery within the largest lag of the centre [count]",
    "apart_m": "distance at which the semivariance reaches the level; missing where it never does [m]",
    "effective_range_m": "distance of 95 % of the fitted rise; missing where flagged or not fitted [m]",
    "sill": "nugget and partial sill of the fit; missing where not fitted [-]",
    **{name + end: said + name + unit for name, unit in {"apart_m": ", infinite where never [m]",
       "effective_range_m": " [m]", "sill": " [-]"}.items() for end, said in ENDS.items()},
    "flag": "why there is no range; empty when there is one",
    "alike_share": "share of pairs of places in the square around the centre below the level [share]",
}  # fmt: skip
CURVES = {
    "geoname_id": "identifier of GeoNames", "distance_m": "mean distance of the pairs [m]",
    "semivariance": "mean cosine distance of their vectors [-]", "pairs": "pairs in the lag [count]",
    "lag_to_m": "farther edge of the lag [m]", "low": ENDS["_low"] + "semivariance [-]",
    "high": ENDS["_high"] + "semivariance [-]",
}  # fmt: skip


def in_ring(rng, low_m, high_m, count):
    """East and north (count, 2) [m] of points spread evenly over a ring around 0."""
    far_m, turn = np.sqrt(rng.uniform(low_m**2, high_m**2, count)), rng.uniform(0, 2 * np.pi, count)
    return np.stack([far_m * np.sin(turn), far_m * np.cos(turn)], axis=-1)


def clusters_around(centre_lat_lon_deg, count, rng):
    """(places (n, 2), cluster (n,)): first places spread over the disc of the largest lag, each with PARTNERS others,
    one in each of the shortest lags."""
    first = in_ring(rng, 0, EDGES_M[-1], count)
    ends = itertools.pairwise(EDGES_M[: PARTNERS + 1])
    all_m = np.stack([first, *(first + in_ring(rng, low, high, count) for low, high in ends)], axis=1)
    return sphere.from_local_m(all_m.reshape(-1, 2), centre_lat_lon_deg), np.repeat(np.arange(count), PARTNERS + 1)


def apart_m(distance_m, semivariance, level):
    """Distance [m] at which a curve reaches a level, between lags in logarithms; infinite where it does not."""
    known = semivariance > 0
    rising = np.maximum.accumulate(semivariance[known])
    return float(np.exp(np.interp(np.log(level), np.log(rising), np.log(distance_m[known]), right=np.inf)))


def fitted(table, start=None):
    """(effective range [m], sill, flag, start of a next fit) of a table of lags."""
    found = models.fit(table, model=MODEL, start=start)
    again = np.array([found["nugget"], *found["theta"]]) if found["theta"] else None
    return found["effective_range_m"], found["nugget"] + found["partial_sill"], found["flag"], again


def measured(towers, centre, level, *, clusters, replicates, range_replicates, rng):
    """(values of a city by the names of CITIES, its CURVES) from places around a centre (2,); without
    range_replicates no model is fitted."""
    places, cluster = clusters_around(centre, clusters, rng)
    pairs = lags.pairs(places, EDGES_M)
    half = curves.half_squares(encoder.of_places(towers, places), pairs)
    drawn = curves.block_bootstrap(pairs, half, cluster, replicates=replicates)[:, 1:]
    table = curves.lag_table(pairs, half).iloc[1:]
    low, high = resampling.interval95(drawn)
    curve = table.assign(low=low, high=high)[[name for name in CURVES if name != "geoname_id"]]
    at_m = table["distance_m"].to_numpy()
    ends_m = resampling.interval95([apart_m(at_m, one, level) for one in drawn], method="nearest")
    found = {"apart_m": apart_m(at_m, table["semivariance"].to_numpy(), level),
             **dict(zip(("apart_m_low", "apart_m_high"), ends_m, strict=True)), "flag": "not fitted"}  # fmt: skip
    if range_replicates:
        *values, flag, start = fitted(table)
        again = [fitted(table.assign(semivariance=one), start)[:2] for one in drawn[:range_replicates]]
        three = zip(("", "_low", "_high"), (values, *resampling.interval95(again)), strict=True)
        found |= {f"{name}{end}": one for end, both in three
                  for name, one in zip(("effective_range_m", "sill"), both, strict=True)} | {"flag": flag}  # fmt: skip
    return found, curve


def alike_share(towers, centre, level, *, side_m, places, rng):
    """Share of the pairs of random places in a square around a centre (2,) whose semivariance is below a level."""
    at = sphere.from_local_m(rng.uniform(-side_m / 2, side_m / 2, (places, 2)), centre)
    vectors = encoder.of_places(towers, at)
    return float((1 - (vectors @ vectors.T)[np.triu_indices(places, 1)] < level).mean())


def near_gallery(lat_lon_deg, gallery_lat_lon_deg):
    """Places of a gallery (m, 2) within the largest lag of positions (n, 2): (n,)."""
    reach = 2 * np.sin(EDGES_M[-1] / sphere.EARTH_RADIUS_M / 2)
    tree = cKDTree(sphere.unit_xyz(gallery_lat_lon_deg))
    return tree.query_ball_point(sphere.unit_xyz(lat_lon_deg), reach, return_length=True)


def of_cities(least_population, confidence, *, clusters, replicates, fitted_above, side_m, square_places, seed=0):
    """(CITIES, CURVES of NAMED) of every city of GeoNames from a population on.

    A model is fitted from population fitted_above on, with at most 10 redraws; to NAMED with all replicates.
    """
    checks.number("confidence", confidence, above=0.5, below=1)
    checks.count("clusters", clusters, least=resampling.FEWEST_BLOCKS, way_out="they are drawn again for intervals")
    resampling.check_replicates(replicates)
    towers, table = encoder.released(), encoder.cities(least_population)
    level, rows, lines = encoder.level(confidence), [], []
    for city in tqdm(
        table.itertuples(), total=len(table), unit="city", file=sys.stdout, disable=not sys.stdout.isatty()
    ):
        rng, centre = random_streams.stream(seed, "released", city.geoname_id), np.array([city.lat_deg, city.lon_deg])
        refits = replicates if city.geoname_id in NAMED else 10 if city.population >= fitted_above else 0
        how = {"clusters": clusters, "replicates": replicates, "range_replicates": refits, "rng": rng}
        found, curve = measured(towers, centre, level, **how)
        share = alike_share(towers, centre, level, side_m=side_m, places=square_places, rng=rng)
        rows.append(found | {"alike_share": share})
        lines += [curve.assign(geoname_id=city.geoname_id)] if city.geoname_id in NAMED else []
    table = pd.concat([table, pd.DataFrame(rows)], axis=1)
    gallery = near_gallery(table[["lat_deg", "lon_deg"]].to_numpy(), encoder.gallery())
    table = table.assign(gallery=gallery, apart_m=table["apart_m"].replace(np.inf, np.nan))
    return table[list(CITIES)], pd.concat(lines, ignore_index=True)[list(CURVES)]
