"""Whether a rule finds false and hard negatives, judged by what was planted."""

import numpy as np
import pandas as pd
import torch

from geonb import checks, random_streams, resampling
from geonb.earth import sphere
from geonb.learning import negatives
from geonb.measuring import significance
from geonb.variograms import curves, lags

STRATA = 10  # of distance, within which pairs are compared, so that distance alone is worth 0.5
ALIKE_SHARE = 0.1  # of far pairs: those whose planted fields are nearest count as alike
SUSPECTS = 6  # pairs that are shown
FALSE, HARD = "false negative", "hard negative"
DETECTED = {
    "kind": "false negative: near and alike in the planted fields; hard negative: far and alike",
    "rule": "what ranks the pairs",
    "auc": "area under the ROC curve within distance strata, their mean [-]",
    **significance.bounds("-"),
    "pairs": "pairs ranked [count]",
    "alike": "of them truly alike [count]",
}
PAIRS = {
    "i": "first photo of the pair, counted from 0 among the test photos",
    "j": "second photo of it, likewise",
    "distance_m": "great-circle distance of the two [m]",
    "similarity": "cosine of their frozen features [-]",
    "far": "whether they lie farther apart than the curve's range",
}
GUIDE = {
    "distance_m": "distance on the ground [m]",
    "dissimilarity": "1 - similarity that is expected there; straight between rows, level beyond [-]",
    "spread": "standard deviation of pairs around it [-]",
    "range_m": "range of the curve, the same in each row [m]",
}
TRAINED = {
    "method": "row of geonb.learning.methods.METHODS",
    "trainings": "on all splits and seeds [count]",
    "still_improving": "of them not converged: the last fifth of the steps improved validation by 2 % or more [count]",
}
COMPARED = {"ratios": significance.RATIOS, "shares": significance.SHARES, "trained": TRAINED}


def pairs_of(features, lat_lon_deg, range_m, *, pairs_at_most, seed=0):
    """Pairs of photos, near (within range_m, not at one place) and far: columns PAIRS.

    Up to half of pairs_at_most of each, fewer where there are no more; drawn with equal shares for each tenth of the
    range, and for each of ten lags from there up to the farthest, as far as these hold pairs. None of a single photo.
    """
    checks.count("pairs_at_most", pairs_at_most, least=2, way_out="half of them are near, half of them far")
    checks.number("range_m", range_m, above=STRATA * negatives.PLACE_M)
    if len(features) < 2:
        return pd.DataFrame({"i": [], "j": [], "distance_m": [], "similarity": [], "far": np.empty(0, bool)})
    # in whole metres: the last digit of a fitted range differs between processors, and would draw other pairs
    whole_m, farthest_m = np.ceil(range_m), np.pi * sphere.EARTH_RADIUS_M
    edges_m = np.append(lags.edges_m(whole_m, STRATA), np.geomspace(whole_m, farthest_m, STRATA + 1)[1:])
    edges_m[0] = negatives.PLACE_M
    pairs = lags.pairs(lat_lon_deg, np.append(0.0, edges_m), max_pairs=10 * pairs_at_most, seed=seed)
    rng, far = random_streams.stream(seed, "pairs of detection"), pairs.distance_m > range_m
    apart = pairs.distance_m > negatives.PLACE_M
    kept = [rng.permutation(np.flatnonzero(side & apart))[: pairs_at_most // 2] for side in (~far, far)]
    found = pairs.where(np.sort(np.concatenate(kept)))
    similarity, far = 1 - curves.half_squares(features, found), found.distance_m > range_m
    columns = found.i, found.j, found.distance_m, similarity, far
    return pd.DataFrame(dict(zip(PAIRS, columns, strict=True)))


def scored(pairs, guide):
    """The pairs with what is expected, the deviation from it in spreads of the lag, and weight_<rule> of each rule."""
    similarity, distance_m = (
        torch.from_numpy(pairs[name].to_numpy(np.float32)) for name in ("similarity", "distance_m")
    )
    expected, spread = negatives.read_off(distance_m, guide)
    given = similarity, distance_m, expected, spread
    weights = {f"weight_{name}": rule(*given, range_m=guide.range_m) for name, rule in negatives.RULES.items()}
    columns = {"expected_dissimilarity": expected, "more_alike": (similarity - 1 + expected) / spread} | weights
    return pairs.assign(**{name: values.numpy() for name, values in columns.items()})


def suspects(scored, photos, *, far):
    """The pairs most alike for their distance: (rows of the photos, each pair's first and then its second, titles)."""
    best = scored[scored.far == far].nlargest(SUSPECTS, "more_alike")
    rows = photos.iloc[[*best.i.astype(int), *best.j.astype(int)]]
    first = rows.city[: len(best)] if far else [f"{distance_m:,.0f} m" for distance_m in best.distance_m]
    return rows, [*first, *rows.city[len(best) :]]


def judged(scored, planted, probed, blocks, *, replicates=100, seed=0):
    """How well rules rank truly alike pairs first (columns DETECTED), near ones and far ones; no row without planted.

    planted (n, K): of the test photos, None where nothing was; probed (n, K): the same as a probe reads them from the
    features; blocks (n,): drawn again in intervals, a pair counts as often as both its blocks were drawn.
    """
    resampling.check_replicates(replicates)
    if planted is None or not 0 < scored.far.sum() < len(scored):
        return pd.DataFrame(columns=list(DETECTED))
    scores = {
        "similarity alone": scored.similarity,
        "distance alone": -scored.distance_m,
        "deviation from the curve": scored.more_alike,  # the semivariogram's rule without its ties
        "probed fields (ceiling)": -fields_apart(scored, probed),
    }
    alike, code = truly_alike(scored, planted), np.unique(blocks, return_inverse=True)[1]
    count, rng = int(code.max()) + 1, random_streams.stream(seed, "detection")
    replicates = replicates if count >= resampling.FEWEST_BLOCKS else 0
    draws = [np.bincount(rng.integers(0, count, count), minlength=count) for _ in range(replicates)]
    rows = []
    for kind, far, sign in ((FALSE, False, -1), (HARD, True, 1)):  # low weights for false, high for hard negatives
        here = np.flatnonzero(scored.far == far)
        stratum = pd.qcut(scored.distance_m.to_numpy()[here], STRATA, labels=False, duplicates="drop")
        a, b = code[scored.i.to_numpy()[here]], code[scored.j.to_numpy()[here]]
        weights = [np.where(a == b, drawn[a], drawn[a] * drawn[b]).astype(float) for drawn in draws]
        for rule, score in (scores | {name: sign * scored[f"weight_{name}"] for name in negatives.RULES}).items():
            given = np.asarray(score)[here], alike[here], stratum
            drawn = [mean_auc(*given, weight) for weight in weights]
            auc = mean_auc(*given, np.ones(len(here)))
            rows.append((kind, rule, auc, *resampling.interval95(drawn), len(here), int(alike[here].sum())))
    return pd.DataFrame(rows, columns=list(DETECTED))


def truly_alike(pairs, own_fields):
    """Whether the pairs are alike in the planted fields (n, K): nearer than the nearest tenth of the far pairs."""
    apart = fields_apart(pairs, own_fields)
    return apart < np.quantile(apart[pairs.far.to_numpy()], ALIKE_SHARE)


def fields_apart(pairs, fields):
    """Distance (m,) of the pairs in fields (n, K), each brought to a standard deviation of 1."""
    scaled = fields / fields.std(axis=0)
    return np.linalg.norm(scaled[pairs.i] - scaled[pairs.j], axis=1)


def mean_auc(score, alike, stratum, weight):
    """Mean over strata of the area under the ROC curve; strata without both kinds of pairs do not count."""
    from sklearn.metrics import roc_auc_score

    found = []
    for one in np.unique(stratum):
        here = (stratum == one) & (weight > 0)
        if 0 < alike[here].sum() < here.sum():
            found.append(roc_auc_score(alike[here], score[here], sample_weight=weight[here]))
    return float(np.mean(found)) if found else np.nan


def compared(errors, guided, runs, within_m, *, replicates, seed=0):
    """The tables COMPARED of guided rows with GeoCLIP, from the errors of page 07; runs: method -> training.summary."""
    ratios = significance.ratios(errors, dict.fromkeys(guided, "geoclip"), replicates=replicates, seed=seed)
    shares = significance.share_differences(errors, guided, "geoclip", within_m, replicates=replicates, seed=seed)
    trained = [(method, len(table), int(table.still_improving.sum())) for method, table in runs.items()]
    return ratios, shares, pd.DataFrame(trained, columns=list(TRAINED))


def answer(table, ratios, flag="", beside=""):
    """What the rules find (DETECTED), and what they are worth in training (RATIOS); both tables may be empty.

    flag: why the curve has no fit; beside: the study that the ratios come from, '' for the page's own.
    """
    said = [f"No curve could be fitted ({flag}): the lags themselves stand for it."] if flag else []
    for kind, own in table.set_index("rule").groupby("kind", sort=False):
        row = own.loc["semivariogram"]
        chance = "better" if row.low > 0.5 else "worse" if row.high < 0.5 else "not shown to be better"
        said.append(
            f"By the weight that the semivariogram gives it a {kind} is ranked with an area of {row.auc:.2f} "
            f"({chance} than chance; {own.auc['similarity alone']:.2f} by similarity alone)."
        )
    if ratios.empty:
        untrained = (
            "What guiding is worth in training was not compared: this study trains no guided row beside GeoCLIP."
        )
        return " ".join([*said, untrained])
    own = ratios[ratios.method == "geoclip_semivariogram"]
    said += [f"In {row.split}{beside and f' of study {beside}'}: {row.verdict}" for row in own.itertuples()]
    shown = (significance.shown_to(word, ratios) for word in ("helps", "harms"))
    help_, harm = (significance.listed(rows.method + " in " + rows.split) for rows in shown)
    compared = f"Of {ratios.low.notna().sum()} comparisons of a guided row with GeoCLIP that have an interval"
    return " ".join([*said, f"{compared}, shown to help: {help_}; shown to harm: {harm}."])
