"""Probes: what can be read linearly from features, with folds that keep apart what must not be shared."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from geonb import checks
from geonb.earth import seeds
from geonb.measuring import inference

PENALTIES = np.logspace(-2, 5, 8)
FOLDS = 5
PROBES = {
    "target": "what is read",
    "r2": "1 - squared error over variance, both around each group's own mean; negative: worse than the mean [-]",
    "low": "lower bound of the 95 % interval over blocks; missing below 20 blocks [-]",
    "high": "upper bound of it [-]",
    "n": "photos [count]",
}


def held_out(features, targets, groups, *, folds=None):
    """Predictions (n, K) of targets (n, K) by ridge regressions that saw no photo of the same fold.

    features (n, d); groups (n,): whole groups go into one fold (cities, or blocks); folds: their number, every group
    alone if None. The penalty is chosen by whole groups inside the training folds. ValueError below three groups.
    """
    from sklearn.model_selection import GroupKFold

    if folds is not None:
        checks.count("folds", folds, least=2)
    count = len(np.unique(groups))
    if count < 3:
        raise ValueError(f"a probe needs at least 3 groups that can be held out, there are {count}")
    predicted = np.empty(np.shape(targets))
    for train, test in GroupKFold(min(folds or count, count)).split(features, targets, groups):
        told = fitted(features[train], targets[train], groups[train]).predict(features[test])
        predicted[test] = told.reshape(predicted[test].shape)  # one target comes back without its axis
    return predicted


def fitted(features, targets, groups):
    """A fitted ridge regression on standardised features, its penalty chosen by whole groups."""
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV, GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    inner = GroupKFold(min(FOLDS, len(np.unique(groups))))
    model = make_pipeline(StandardScaler(), Ridge())
    return GridSearchCV(model, {"ridge__alpha": PENALTIES}, cv=inner).fit(features, targets, groups=groups)


def within(values, groups):
    """Values (n, K) minus the mean of their group: what differs inside a city, not between cities."""
    table = pd.DataFrame(np.asarray(values, dtype=float))
    return (table - table.groupby(np.asarray(groups)).transform("mean")).to_numpy()


def r2_table(targets, predicted, groups, blocks, names, *, replicates=300, seed=0):
    """One row per target (columns PROBES): R2 around each group's own mean, with an interval over blocks.

    R2 = 1 - sum (y - p)^2 / sum y^2, where y and p are target and prediction minus their group's mean.
    """
    truth, told = within(targets, groups), within(predicted, groups)
    rows = []
    for k, name in enumerate(names):
        squares = np.stack([(truth[:, k] - told[:, k]) ** 2, truth[:, k] ** 2])
        low, high = inference.ratio_interval(squares, blocks, replicates=replicates, seed=seed)
        rows.append((name, 1 - squares[0].sum() / squares[1].sum(), 1 - high, 1 - low, len(truth)))
    return pd.DataFrame(rows, columns=list(PROBES))


def place_features(east_north_m, city, *, length_m=200.0, count=256, seed=0):
    """Smooth functions of position (n, count) inside each city: random Fourier features of a Gaussian kernel."""
    from sklearn.kernel_approximation import RBFSampler

    number = np.unique(city, return_inverse=True)[1]
    apart = np.asarray(east_north_m) + number[:, None] * np.array([1e5, 0.0])  # cities share nothing
    return RBFSampler(gamma=0.5 / length_m**2, n_components=count, random_state=seed).fit_transform(apart)


# ---- every layer of a tower ------------------------------------------------------------------------------------------
def folds_of(split, *, blocks, sequence_id, city, folds=FOLDS, seed=0):
    """Fold (n,) of each photo: photos singly (random), whole drives (other_drive), blocks (blocked) or cities.

    A photo of no drive counts as one of its own. ValueError for another split, or fewer groups than three folds need.
    """
    from sklearn.model_selection import GroupKFold

    alone = [f"photo {n}" for n in range(len(city))]
    sequence_id = np.asarray(sequence_id, dtype=object)
    groups = {
        "random": np.array(alone), "other_drive": np.where(sequence_id == "", alone, sequence_id),
        "blocked": np.asarray(blocks), "unseen_city": np.asarray(city),
    }  # fmt: skip
    if split not in groups:
        raise ValueError(f"no probe is cut as {split!r}: there are {', '.join(groups)}")
    count = len(np.unique(groups[split].astype(str)))
    if count < 3:
        raise ValueError(f"a probe of split {split} needs at least 3 groups that can be held out, there are {count}")
    fold, cut = np.empty(len(city), int), GroupKFold(min(folds, count), shuffle=True, random_state=seed)
    for number, (_, held) in enumerate(cut.split(alone, groups=groups[split].astype(str))):
        fold[held] = number
    return fold


def ridge_path(features, targets, others, penalties=PENALTIES):
    """Predictions (P, m, K) for features `others` (m, d) by ridge regressions on (n, d) and (n, K), one per penalty.

    As scikit-learn's Ridge after its StandardScaler, but all penalties from one decomposition of the features'
    covariance: that package solves anew for each, and the probes of all layers of all towers ask for thousands.
    """
    mean, spread = features.mean(axis=0, dtype=float), features.std(axis=0, dtype=float)
    spread = np.where(spread > 0, spread, 1.0)
    known, asked = (features - mean) / spread, (others - mean) / spread
    values, vectors = np.linalg.eigh(known.T @ known)
    middle = targets.mean(axis=0)
    told = vectors.T @ (known.T @ (targets - middle))
    asked = asked @ vectors
    return np.stack([middle + asked @ (told / (np.maximum(values, 0) + p)[:, None]) for p in penalties])


@dataclass(frozen=True)
class Probed:
    """What the layers (L,) of a tower told of targets (n, K), each photo out of its fold.

    truth (n, K): the targets as they count, see probe; told (n, K): by the layer that each fold chose; by_layer
    (L, n, K); chosen (F,): the layer that each fold chose.
    """

    truth: np.ndarray
    told: np.ndarray
    by_layer: np.ndarray
    chosen: np.ndarray

    def squares(self, layer=None):
        """(2, n): squared error, and squared target, of each photo, summed over the targets."""
        told = self.told if layer is None else self.by_layer[layer]
        return np.stack([((self.truth - told) ** 2).sum(axis=1), (self.truth**2).sum(axis=1)])

    def hits(self):
        """(n,): whether the largest of the targets was told to be the largest, as of cities one-hot."""
        return (self.told.argmax(axis=1) == self.truth.argmax(axis=1)).astype(float)


def probe(layers, aims, fold, city, *, around_city=(), penalties=PENALTIES):
    """{aim: Probed} of the layers of a tower, a list of (n, d), for aims {name: targets (n, K)}.

    Layer and penalty are chosen inside the training folds, by leaving out one of them at a time, so by the same cut:
    the smallest squared error, each target in units of its variance. Aims in around_city count from the mean of the
    photo's own city over the training folds; NaN targets are refused by name.
    """
    for name, targets in aims.items():
        if not np.isfinite(targets).all():
            raise ValueError(f"aim {name} has {np.isnan(targets).sum()} missing values: probe photos that have it")
    widths = np.cumsum([0, *(targets.shape[1] for targets in aims.values())])
    columns = {name: slice(*widths[k : k + 2]) for k, name in enumerate(aims)}
    found = {
        name: Probed(
            np.empty(targets.shape), np.empty(targets.shape), np.empty((len(layers), *targets.shape)),
            np.empty(fold.max() + 1, int),
        )
        for name, targets in aims.items()
    }  # fmt: skip
    for held in range(fold.max() + 1):
        train, test = fold != held, fold == held
        targets = np.concatenate(
            [_from_city(t, city, train) if name in around_city else t for name, t in aims.items()], axis=1
        )
        costs = np.stack([_inner_costs(x[train], targets[train], fold[train], penalties) for x in layers])  # (L, P, K)
        told = [ridge_path(x[train], targets[train], x[test], penalties) for x in layers]
        for name, own in columns.items():
            cost = costs[:, :, own].sum(axis=2)
            best, probed = cost.argmin(axis=1), found[name]
            probed.chosen[held] = cost.min(axis=1).argmin()
            probed.truth[test] = targets[test, own]
            for k in range(len(layers)):
                probed.by_layer[k, test] = told[k][best[k]][:, own]
            probed.told[test] = probed.by_layer[probed.chosen[held], test]
    return found


def _from_city(targets, city, train):
    """Targets (n, K) minus the mean of the photo's own city over the training photos."""
    return targets - pd.DataFrame(targets[train]).groupby(city[train]).mean().loc[city].to_numpy()


def _inner_costs(features, targets, fold, penalties):
    """Squared errors (P, K) over the targets' variances, each of the folds left out in turn."""
    cost = np.zeros((len(penalties), targets.shape[1]))
    for held in np.unique(fold):
        rest, out = fold != held, fold == held
        told = ridge_path(features[rest], targets[rest], features[out], penalties)
        cost += ((told - targets[out]) ** 2).sum(axis=1)
    return cost / np.maximum(targets.var(axis=0), 1e-12) / len(targets)


def can_be_told(labels, fold):
    """Whether the label of each photo, one-hot (n, C), is that of a photo in another fold too: (n,) bool."""
    code = labels.argmax(axis=1)
    return (pd.Series(fold).groupby(code).transform("nunique") > 1).to_numpy()


def r2(squares, blocks, *, replicates=300, seed=0):
    """(R2, low, high) from squares (seeds, 2, n) of the same photos: 1 - sum of errors over sum of targets.

    95 % interval over blocks and seeds drawn together; NaN below 20 blocks.
    """
    return interval_of(lambda parts: r2_of(parts[0]), [squares], blocks, replicates=replicates, seed=seed)


def r2_of(squares):
    """R2 of squares (seeds, 2, n)."""
    error, whole = np.asarray(squares).sum(axis=(0, 2))
    return 1 - error / whole


def interval_of(statistic, parts, blocks, *, replicates=300, seed=0):
    """(value, low, high) of statistic([(seeds, k, n), ...]): blocks of photos and seeds of all parts drawn together."""
    count = max(len(part) for part in parts)
    drawn = [
        statistic([part[runs % len(part)][:, :, photos] for part in parts])
        for runs, photos in inference.redraws(count, blocks, replicates, seed)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975]) if drawn else (np.nan, np.nan)
    return float(statistic(parts)), float(low), float(high)


def slope(doses, squares, blocks, *, replicates=300, seed=0):
    """(slope, low, high) of R2 over doses (D,), from squares of each dose (seeds, 2, n): least squares."""

    def steep(parts):
        return np.polyfit(doses, [r2_of(part) for part in parts], 1)[0]

    return interval_of(steep, squares, blocks, replicates=replicates, seed=seed)


def gap_surviving(text, vision, blocks, *, replicates=300, seed=0):
    """(share, low, high) of the gap in R2 between two lists of towers that is left in a second split.

    text, vision: for each tower (seeds, 4, n), the squares of the first split above those of the second. NaN where the
    interval of the first gap holds 0: a share of nothing means nothing.
    """

    def gaps(parts):
        means = [
            [np.mean([r2_of(part[:, rows]) for part in own]) for own in (parts[: len(text)], parts[len(text) :])]
            for rows in (slice(0, 2), slice(2, 4))
        ]
        return [text_r2 - vision_r2 for text_r2, vision_r2 in means]

    draws = {"replicates": replicates, "seed": seed}
    first = interval_of(lambda parts: gaps(parts)[0], [*text, *vision], blocks, **draws)
    if not (first[1] > 0 or first[2] < 0):
        return np.nan, np.nan, np.nan
    return interval_of(lambda parts: np.divide(*gaps(parts)[::-1]), [*text, *vision], blocks, **draws)


def published_r2(layers, lat_lon_deg, *, seed=42):
    """R2 (L,) of each layer as the paper on textual supervision counts it (arXiv 2606.07172), beside our own.

    Latitude and longitude in degrees, photos dealt to five folds singly, the penalty by leaving out one photo of those
    that train, mean over folds and both coordinates; the largest over the layers is what is published there. Missing
    below 10 photos: R2 asks for two in a fold.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import KFold, cross_val_score

    if len(lat_lon_deg) < 10:
        return np.full(len(layers), np.nan)
    folds = KFold(5, shuffle=True, random_state=seed)
    ridge = RidgeCV(alphas=np.logspace(-1, 4, 12))
    return np.array([cross_val_score(ridge, x, lat_lon_deg, cv=folds, scoring="r2").mean() for x in layers])


def dimensions_needed(features, targets, fold, shares, *, penalty=100.0):
    """R2 (S, K) of each target (n, K) from the shares of features (n, d) with the largest coefficients.

    Ranked for each target by itself, and fitted again, inside the training folds.
    """
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    for share in shares:
        checks.number("shares", share, above=0, most=1)
    told = np.empty((len(shares), *targets.shape))
    for held in np.unique(fold):
        train, test = fold != held, fold == held
        for k in range(targets.shape[1]):
            whole = make_pipeline(StandardScaler(), Ridge(penalty)).fit(features[train], targets[train, k])
            order = np.argsort(-np.abs(whole[-1].coef_))
            for s, share in enumerate(shares):
                kept = order[: max(1, round(share * len(order)))]
                own = make_pipeline(StandardScaler(), Ridge(penalty)).fit(features[train][:, kept], targets[train, k])
                told[s, test, k] = own.predict(features[test][:, kept])
    return 1 - ((told - targets) ** 2).sum(axis=1) / (targets**2).sum(axis=0)


def same_directions(features, targets, cluster, block, *, penalty=100.0, fewest=40, seed=0):
    """(within (K,), between (K,), clusters): correlations of ridge coefficients of targets (n, K) in parts of photos.

    The paper on textual supervision correlates coefficients between clusters of photos (arXiv 2606.07172). Here each
    cluster is cut in two halves, of blocks that are on the same side in all clusters, and equally many photos of every
    half are taken. Coefficients of one side are compared with those of the other; two halves of one cluster say how
    alike they can be at all: that is our choice. Features are standardised over all photos, targets count around their
    cluster's mean. Clusters whose smaller half has fewer photos than `fewest` are left out; NaN where two are not left.
    """
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    rng, known, halves = seeds.stream(seed, "halves"), StandardScaler().fit_transform(features), []
    targets, number = within(targets, cluster), np.unique(block, return_inverse=True)[1]
    side = rng.permutation(number.max() + 1)[number] % 2  # of a block, whatever clusters its photos are in
    for name in np.unique(cluster):
        pair = [rng.permutation(np.flatnonzero((cluster == name) & (side == k))) for k in (0, 1)]
        halves += [pair] if min(map(len, pair)) >= fewest else []
    if len(halves) < 2:
        return np.full(targets.shape[1], np.nan), np.full(targets.shape[1], np.nan), len(halves)
    count = min(len(half) for pair in halves for half in pair)
    fitted = [
        [np.atleast_2d(Ridge(penalty).fit(known[half[:count]], targets[half[:count]]).coef_) for half in pair]
        for pair in halves
    ]
    first, second = (np.stack([pair[k] for pair in fitted]) for k in (0, 1))  # (C, K, d)
    first, second = (c - c.mean(axis=2, keepdims=True) for c in (first, second))
    first, second = (c / np.maximum(np.linalg.norm(c, axis=2, keepdims=True), 1e-12) for c in (first, second))
    alike = np.einsum("akd,bkd->kab", first, second)
    own = np.eye(len(halves), dtype=bool)
    return alike[:, own].mean(axis=1), alike[:, ~own].mean(axis=1), len(halves)
