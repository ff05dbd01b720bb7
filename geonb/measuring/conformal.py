"""A radius with a promise: split-conformal calibration on photos that did not train, and when there is none.

Papadopoulos et al. 2002, Vovk, Gammerman and Shafer 2005, Lei et al. 2018: of n calibration scores the one of rank
ceil((n + 1) level) is not exceeded by that of a further exchangeable photo with probability of at least `level`.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from geonb import checks
from geonb.earth import sphere
from geonb.measuring import significance
from geonb.measuring.errors import ERRORS

LARGEST_M = np.pi * sphere.EARTH_RADIUS_M  # nothing on a sphere is farther away
RULES = ("scaled", "constant")  # in proportion to the error that the posterior itself expects, or one radius for all
REFUSED = {"few": "too few photos to calibrate on", "far": "too unlike the photos that trained"}
STEPS = 20  # shares of the photos at which risk is looked at
ASKED = {
    "rule": "how the radius is scaled: scaled or constant",
    "level": "share of photos for which the radius is asked to hold the truth [-]",
}
RADII = {
    **{name: ERRORS[name] for name in ("split", "seed", "photo_id", "block")},
    **ASKED,
    **{name: ERRORS[name] for name in ("predicted_city", "error_m")},
    "expected_m": "mean distance from the most probable place under the posterior [m]",
    "novelty": "cosine distance of the frozen feature from the nearest training photo of another place [-]",
    "radius_m": "conformal radius around the most probable place; missing where it is refused [m]",
    "calibration_photos": "validation photos behind the radius [count]",
    "refused": "why there is no radius, '' where there is one",
}
COVERAGE = {
    "split": ERRORS["split"],
    **ASKED,
    "coverage": "share of the test photos with a radius whose truth lies within it, over all seeds [-]",
    **significance.bounds("-"),
    "median_radius_m": "median radius of the test photos that have one [m]",
    **significance.bounds("m", "radius_low_m", "radius_high_m"),
    "refused": "share of the test photos without a radius [-]",
    "seeds": "trainings [count]",
    "n": "test photos [count]",
}
RISK = {
    "split": ERRORS["split"],
    "order": "by what photos are answered first: radius, oracle (the error itself) or chance",
    "share": "share of the test photos that are answered [-]",
    "error_m": "geometric mean error of these, mean over seeds [m]",
}
TABLES = {"radii": RADII, "coverage": COVERAGE, "risk": RISK}


@dataclass(frozen=True)
class Promise:
    """What is promised, and to which photos. ValueError for what makes no sense."""

    level: float  # share of photos for which the radius is asked to hold the truth
    floor_m: float = 25.0  # added to the expected error, so that no posterior promises an error of zero
    fewest: int = 50  # photos that calibrate: with fewer there is no radius
    novel_share: float = 0.95  # 1 - the level of the test that refuses a photo for being unlike those that calibrate

    def __post_init__(self):
        checks.number("level", self.level, above=0, below=1, way_out="0.9 for nine photos of ten")
        checks.number("floor_m", self.floor_m, above=0)
        checks.count("fewest", self.fewest)
        checks.number("novel_share", self.novel_share, above=0, most=1)


def threshold(score, level):
    """The score of rank ceil((n + 1) level) of n scores (n,), infinite beyond n. ValueError where one is no number."""
    checks.finite("the calibration scores", score)
    rank = int(np.ceil(np.round((len(score) + 1) * level, 9)))  # rounded: 10 * 0.7 is 7 and not a little more
    return float(np.sort(score)[rank - 1]) if rank <= len(score) else np.inf


def thresholds(score, group, asked, promise):
    """(threshold (m,), photos behind it (m,)) for photos of groups asked (m,), from scores (n,) of groups (n,).

    A group with `fewest` photos or more is calibrated on its own (Mondrian conformal prediction, Vovk et al. 2005), a
    smaller one on all photos together; NaN where these are fewer too, or too few for the level.
    """
    found, behind = np.full(len(asked), threshold(score, promise.level)), np.full(len(asked), len(score))
    for name in pd.unique(asked):
        own = score[group == name]
        if len(own) >= promise.fewest and np.isfinite(bound := threshold(own, promise.level)):
            found[asked == name], behind[asked == name] = bound, len(own)
    return np.where((behind >= promise.fewest) & np.isfinite(found), found, np.nan), behind


def p_of_novelty(novelty, calibration):
    """Conformal p (m,) of photos with a novelty (m,): the share of the calibration photos (n,) and the photo itself
    that are as novel or more.

    That of a photo exchangeable with them is at most a with a probability of at most a, for every a (Vovk et al. 2005).
    """
    below = np.searchsorted(np.sort(calibration), novelty, side="left")
    return (1 + len(calibration) - below) / (1 + len(calibration))


def level_of_test(promise, calibration_photos):
    """The level at which a photo is refused for being unlike: 1 - novel_share, or the least p that so many can give."""
    return max(1 - promise.novel_share, 1 / (1 + calibration_photos) if promise.novel_share < 1 else 0.0)


def radii(calibration, asked, promise, rule="scaled"):
    """The asked photos with radius_m, calibration_photos behind it, refused, why there is none ('' where there is), and
    novelty_p, see p_of_novelty.

    calibration: table with error_m, expected_m, predicted_city, novelty of photos that did not train; asked: the same
    without error_m. Errors are measured in units of the expected error plus the floor, by rule constant in metres.
    Photos are calibrated with those placed in the same city, which is known without knowing where they were taken.
    """
    unit_m, own_m = (table.expected_m + promise.floor_m if rule == "scaled" else 1.0 for table in (calibration, asked))
    cities = (table.predicted_city.to_numpy(dtype=object) for table in (calibration, asked))
    bound, behind = thresholds((calibration.error_m / unit_m).to_numpy(), *cities, promise)
    novelty_p = p_of_novelty(asked.novelty.to_numpy(), calibration.novelty.to_numpy())
    far = novelty_p <= level_of_test(promise, len(calibration)) + 1e-9  # 1 - 0.9 is a little less than 0.1
    refused = np.where(np.isnan(bound), REFUSED["few"], np.where(far, REFUSED["far"], ""))
    radius_m = np.where(refused == "", np.minimum(bound * own_m, LARGEST_M), np.nan)
    return asked.assign(radius_m=radius_m, calibration_photos=behind, refused=refused, novelty_p=novelty_p)


def kept(predicted, promise, levels, *, replicates=200, seed=0):
    """The TABLES of all trainings of predictions.of_runs, coverage at all levels: do test photos keep the promise?"""
    tables = []
    for _, own in predicted.groupby(["split", "seed"], sort=False):
        calibration, asked = (own[own.part == part] for part in ("validation", "test"))
        tables += [
            radii(calibration, asked, replace(promise, level=level), rule).assign(rule=rule, level=level)
            for rule in RULES
            for level in sorted({promise.level, *levels})
        ]
    found = pd.concat(tables, ignore_index=True)
    scaled = found[(found.rule == "scaled") & (found.level == promise.level)]
    return scaled[list(RADII)], coverage(found, replicates=replicates, seed=seed), risk(scaled)


def coverage(table, *, replicates=200, seed=0):
    """One row (columns COVERAGE) per split, rule and level, from a table with columns RADII."""
    within = (table.error_m <= table.radius_m).astype(float).where(table.refused == "")
    of_known = {"within": lambda of: pd.Series(of).mean(), "radius_m": lambda of: pd.Series(of).median()}
    rows = []
    for key, own in table.assign(within=within).groupby(["split", "rule", "level"], sort=False):
        found = []
        for column, statistic in of_known.items():
            values, blocks = significance.by_seed(own, column)
            found += significance.with_interval(statistic, (values,), blocks, replicates=replicates, seed=seed)
        rows.append((*key, *found, (own.refused != "").mean(), *values.shape))
    return pd.DataFrame(rows, columns=list(COVERAGE))


def risk(table):
    """Error of the surest photos by their share (columns RISK): the risk-coverage curve of El-Yaniv and Wiener 2010.

    table: RADII of one rule and level. Photos without a radius come last; where none has one, there is no such curve.
    """
    rows = []
    for split, own in table.groupby("split", sort=False):
        orders = {"radius": own.radius_m.fillna(np.inf)} if own.radius_m.notna().any() else {}
        for order, by in (orders | {"oracle": own.error_m, "chance": None}).items():
            curves = [
                surest_m(run.error_m.to_numpy(), None if by is None else by[run.index].to_numpy())
                for _, run in own.groupby("seed")
            ]
            points = zip(np.arange(1, STEPS + 1) / STEPS, np.exp(np.log(curves).mean(axis=0)), strict=True)
            rows += [(split, order, *point) for point in points]
    return pd.DataFrame(rows, columns=list(RISK))


def surest_m(error_m, order):
    """Geometric mean error (STEPS,) of growing shares of photos with errors (n,) in an order (n,), None for any."""
    logs = significance.log_m(error_m)
    if order is None:
        return np.full(STEPS, np.exp(logs.mean()))
    running = np.cumsum(logs[np.argsort(order, kind="stable")]) / np.arange(1, len(logs) + 1)
    counts = np.maximum(np.round(len(logs) * np.arange(1, STEPS + 1) / STEPS).astype(int), 1)
    return np.exp(running[counts - 1])


def answer(table):
    """The measured coverage of every split beside the nominal one: rows of COVERAGE of one rule and level, in words."""
    verdicts = np.select(
        [table.low.isna(), table.high < table.level, table.coverage >= table.level],
        ["too few blocks to tell whether that is chance", "promise broken", "promise kept"],
        "not shown to be broken",
    )
    found = [
        f"{row.coverage:.0%} in {row.split} (median radius {sphere.length(row.median_radius_m)}; {verdict})"
        if row.coverage >= 0
        else f"no photo in {row.split}, where none has a radius"
        for row, verdict in zip(table.itertuples(), verdicts, strict=True)
    ]
    asked = f"A {table.rule.iloc[0]} radius that is asked to hold the truth for {table.level.iloc[0]:.0%} of the photos"
    return f"{asked} holds it for {', '.join(found)}."


def answer_refused(table, promise):
    """The shares of test photos that the test of likeness refused, beside its level; table: columns RADII."""
    far = (table.refused == REFUSED["far"]).groupby(table.split, sort=False).mean()
    shares = significance.listed([f"{share:.1%} in {split}" for split, share in far.items()])
    level = f"{1 - promise.novel_share:.0%}"
    expected = f"of photos exchangeable with those that calibrate at most {level} would be"
    return f"At this level, {level}, the test refuses {shares} of the test photos; {expected}."


def answer_risk(table, split):
    """What answering only the surest quarter of the photos of a split gains, in one sentence; table: columns RISK."""
    own = table[(table.split == split) & np.isclose(table.share, 0.25)].set_index("order").error_m.map(sphere.length)
    if "radius" not in own:
        return f"In {split} no photo has a radius by which to choose."
    return (
        f"In {split} the 25% of the photos with the smallest radius err by {own['radius']} in the geometric "
        f"mean, all photos by {own['chance']}; an order that knew the errors would leave {own['oracle']}."
    )


def answer_shown(table, level):
    """What may be said of a folder of photos in one sentence; table: see radii."""
    sure, counts = table[table.refused == ""], table.refused[table.refused != ""].value_counts()
    radius = f", in the median {sphere.length(sure.radius_m.median())}" if len(sure) else ""
    why = ", ".join(f"{reason} ({count})" for reason, count in counts.items())
    none = f"; without one: {why}" if why else ""
    return f"Of {len(table)} photos looked at here {len(sure)} have a radius for {level:.0%}{radius}{none}."
