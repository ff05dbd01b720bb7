"""Ridge probes: what can be read linearly from features, with folds that keep apart what must not be shared."""

import itertools
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from geonb import checks, random_streams, resampling
from geonb.measuring import significance

PENALTIES = np.logspace(-2, 5, 8)
FOLDS = 5
PENALTY = 100.0  # where coefficients are ranked and compared
FEWEST_OF_A_HALF = 40  # photos
INTERVAL = {
    "low": "lower bound of the 95 % interval over blocks and trainings; missing below 20 blocks [unit of the value]",
    "high": "upper bound of it [unit of the value]",
}
PROBES = {
    "target": "what is read",
    "r2": "1 - squared error over variance, both around each group's own mean; negative: worse than the mean [-]",
    **INTERVAL,
    "n": "photos [count]",
}


def held_out(features, targets, groups, *, folds=None):
    """Predictions (n, K) of targets (n, K) by ridge regressions that saw no photo of the same fold.
    features (n, d); groups (n,): whole groups go into one fold (cities, or blocks); folds: their number, every group
    alone if None. The penalty is chosen by whole groups inside the training folds. ValueError below three groups.
    """
    count = len(np.unique(groups))
    if count < 3:
        raise ValueError(f"a probe needs at least 3 groups that can be held out, there are {count}")
    predicted = np.empty(np.shape(targets))
    for train, test in GroupKFold(min(folds or count, count)).split(features, targets, groups):
        found = fitted(features[train], targets[train], groups[train]).predict(features[test])
        predicted[test] = found.reshape(predicted[test].shape)  # one target comes back without its axis
    return predicted


def fitted(features, targets, groups):
    """A fitted ridge regression on standardised features, its penalty chosen by whole groups."""
    inner = GroupKFold(min(FOLDS, len(np.unique(groups))))
    return GridSearchCV(ridge(), {"ridge__alpha": PENALTIES}, cv=inner).fit(features, targets, groups=groups)


def ridge(penalty=1.0):
    """scikit-learn's ridge regression on standardised features."""
    return make_pipeline(StandardScaler(), Ridge(penalty))


def within(values, groups, among=slice(None)):
    """Values (n, K) minus the mean of their group, over the photos `among`: what differs inside a city, not between."""
    table, groups = pd.DataFrame(np.asarray(values, dtype=float)), np.asarray(groups)
    return table.to_numpy() - table[among].groupby(groups[among]).mean().loc[groups].to_numpy()


def r2_table(targets, predicted, groups, blocks, names, *, replicates=300, seed=0):
    """One row per target (columns PROBES): R2 around each group's own mean, with an interval over blocks.
    R2 = 1 - sum (y - p)^2 / sum y^2, where y and p are target and prediction minus their group's mean.
    """
    truth, predicted = within(targets, groups), within(predicted, groups)
    rows = []
    for k, name in enumerate(names):
        squares = np.stack([(truth[:, k] - predicted[:, k]) ** 2, truth[:, k] ** 2])
        low, high = significance.ratio_interval(squares, blocks, replicates=replicates, seed=seed)
        rows.append((name, 1 - squares[0].sum() / squares[1].sum(), 1 - high, 1 - low, len(truth)))
    return pd.DataFrame(rows, columns=list(PROBES))


def place_features(east_north_m, city, *, seed=0):
    """Smooth functions of position (n, 256) inside each city: random Fourier features of a Gaussian kernel of 200 m."""
    number = np.unique(city, return_inverse=True)[1]
    apart = np.asarray(east_north_m) + number[:, None] * np.array([1e5, 0.0])  # cities share nothing
    return RBFSampler(gamma=0.5 / 200.0**2, n_components=256, random_state=seed).fit_transform(apart)


class Probed(NamedTuple):
    """What layers of a tower predict, each photo out of its fold."""

    truth: np.ndarray  # (n, K) as it counts, see probe
    predicted: np.ndarray  # (n, K) from the layer that each fold chose
    by_layer: np.ndarray  # (L, n, K)
    chosen: np.ndarray  # (F,) layer of each fold


def probe(layers, aims, fold, city, *, around_city=()):
    """{aim: Probed} of the layers of a tower, a list of (n, d), for aims {name: targets (n, K)}.
    Layer and penalty are chosen inside the training folds, by leaving out one of them at a time, so by the same cut:
    the smallest squared error, each target in units of its variance. Aims in around_city count from the mean of the
    photo's own city over the training folds.
    """
    found, folds = {}, fold.max() + 1
    for name, own in aims.items():
        found[name] = Probed(*(np.empty((*of, *own.shape)) for of in ((), (), (len(layers),))), np.empty(folds, int))
    ends = np.cumsum([own.shape[1] for own in aims.values()])[:-1]
    for held in range(folds):
        train, test = fold != held, fold == held
        own = [within(own, city, train) if name in around_city else own for name, own in aims.items()]
        targets = np.concatenate(own, axis=1)
        costs = np.stack([_inner_costs(x[train], targets[train], fold[train]) for x in layers])  # (L, P, K)
        paths = np.stack([ridge_path(x[train], targets[train], x[test]) for x in layers])  # (L, P, m, K)
        parts = (np.split(values, ends, axis=-1) for values in (costs, paths, targets))
        for probed, cost, path, own in zip(found.values(), *parts, strict=True):
            cost = cost.sum(axis=2)
            layer = probed.chosen[held] = cost.min(axis=1).argmin()
            probed.truth[test] = own[test]
            probed.by_layer[:, test] = path[np.arange(len(layers)), cost.argmin(axis=1)]
            probed.predicted[test] = probed.by_layer[layer, test]
    return found


def _inner_costs(features, targets, fold):
    """Squared errors (P, K) over the targets' variances, each of the folds left out in turn."""
    cost = np.zeros((len(PENALTIES), targets.shape[1]))
    for held in np.unique(fold):
        rest, out = fold != held, fold == held
        predicted = ridge_path(features[rest], targets[rest], features[out])
        cost += ((predicted - targets[out]) ** 2).sum(axis=1)
    return cost / np.maximum(targets.var(axis=0), 1e-12) / len(targets)


def ridge_path(features, targets, others):
    """Predictions (P, m, K) for features `others` (m, d) by ridge regressions on (n, d) and (n, K), one per PENALTIES.
    As scikit-learn's Ridge after its StandardScaler, but all penalties from one decomposition of the features'
    covariance: that package solves anew for each, and the probes of all layers of all towers ask for thousands.
    """
    mean, spread = features.mean(axis=0, dtype=float), features.std(axis=0, dtype=float)
    spread = np.where(spread > 0, spread, 1.0)
    known, asked = (features - mean) / spread, (others - mean) / spread
    values, vectors = np.linalg.eigh(known.T @ known)
    middle = targets.mean(axis=0)
    rotated, asked = vectors.T @ (known.T @ (targets - middle)), asked @ vectors
    return np.stack([middle + asked @ (rotated / (np.maximum(values, 0) + p)[:, None]) for p in PENALTIES])


def squares(predicted, truth, groups=None):
    """(2, n): squared error and truth of predictions (n, K), summed over K; around means of groups (n,), if given."""
    if groups is not None:
        predicted, truth = within(predicted, groups), within(truth, groups)
    return np.stack([((truth - predicted) ** 2).sum(axis=1), (truth**2).sum(axis=1)])


def r2(squares):
    """R2 of squares (seeds, 2, n) of the same photos: 1 - sum of errors over sum of targets."""
    error, whole = np.asarray(squares).sum(axis=(0, 2))
    return 1 - error / whole


def interval(statistic, parts, blocks, *, replicates=300, seed=0):
    """(value, low, high: 95 %) of statistic(*parts), arrays (seeds, k, n), blocks and seeds drawn; NaN below 20."""
    draws = significance.redraws(max(map(len, parts)), blocks, replicates, seed)
    drawn = [statistic(*(part[runs % len(part)][:, :, photos] for part in parts)) for runs, photos in draws]
    return float(statistic(*parts)), *resampling.interval95(drawn).tolist()


def dimensions_needed(features, targets, fold, shares):
    """R2 (S, K) of each target (n, K) from the shares of features (n, d) of largest coefficients in training folds."""
    for share in shares:
        checks.number("shares", share, above=0, most=1)
    predicted = np.empty((len(shares), *targets.shape))
    for held, k in itertools.product(np.unique(fold), range(targets.shape[1])):
        train, test = fold != held, fold == held
        order = np.argsort(-np.abs(ridge(PENALTY).fit(features[train], targets[train, k])[-1].coef_))
        for s, share in enumerate(shares):
            kept = order[: max(1, round(share * len(order)))]
            own = ridge(PENALTY).fit(features[train][:, kept], targets[train, k])
            predicted[s, test, k] = own.predict(features[test][:, kept])
    return 1 - ((predicted - targets) ** 2).sum(axis=1) / (targets**2).sum(axis=0)


def same_directions(features, targets, cluster, block, *, seed=0):
    """(within (K,), between (K,), clusters): correlations of ridge coefficients of targets (n, K) in parts of photos.

    After arXiv 2606.07172. Each cluster is cut in two halves, of blocks that are on the same side in all clusters, and
    equally many photos of every half are taken; coefficients of one side are compared with those of the other. Targets
    count around their cluster's mean. Clusters with fewer than FEWEST_OF_A_HALF photos in a half are left out; NaN
    where two are not left.
    """
    rng, known, halves = random_streams.stream(seed, "halves"), StandardScaler().fit_transform(features), []
    targets, number = within(targets, cluster), np.unique(block, return_inverse=True)[1]
    side = rng.permutation(number.max() + 1)[number] % 2  # of a block, whatever clusters its photos are in
    for name in np.unique(cluster):
        pair = [rng.permutation(np.flatnonzero((cluster == name) & (side == k))) for k in (0, 1)]
        halves += [pair] if min(map(len, pair)) >= FEWEST_OF_A_HALF else []
    if len(halves) < 2:
        return *np.full((2, targets.shape[1]), np.nan), len(halves)
    least = min(len(half) for pair in halves for half in pair)
    drawn = [half[:least] for pair in halves for half in pair]
    fits = [Ridge(PENALTY).fit(known[half], targets[half]).coef_ for half in drawn]
    c = np.reshape(fits, (len(halves), 2, targets.shape[1], -1))  # a single target comes without its axis
    c = c - c.mean(axis=3, keepdims=True)
    c = c / np.maximum(np.linalg.norm(c, axis=3, keepdims=True), 1e-12)
    alike, own = np.einsum("akd,bkd->kab", c[:, 0], c[:, 1]), np.eye(len(halves), dtype=bool)
    return alike[:, own].mean(axis=1), alike[:, ~own].mean(axis=1), len(halves)
