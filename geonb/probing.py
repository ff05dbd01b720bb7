"""Probes: what can be read linearly from features, with folds that keep apart what must not be shared."""

import numpy as np
import pandas as pd

from geonb import uncertainty

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

    count = len(np.unique(groups))
    if count < 3:
        raise ValueError(f"a probe needs at least 3 groups that can be held out, there are {count}")
    predicted = np.empty(np.shape(targets))
    for train, test in GroupKFold(min(folds or count, count)).split(features, targets, groups):
        told = read(features[train], targets[train], groups[train]).predict(features[test])
        predicted[test] = told.reshape(predicted[test].shape)  # one target comes back without its axis
    return predicted


def read(features, targets, groups):
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
        low, high = uncertainty.ratio_interval(squares, blocks, replicates=replicates, seed=seed)
        rows.append((name, 1 - squares[0].sum() / squares[1].sum(), 1 - high, 1 - low, len(truth)))
    return pd.DataFrame(rows, columns=list(PROBES))


def place_features(east_north_m, city, *, length_m=200.0, count=256, seed=0):
    """Smooth functions of position (n, count) inside each city: random Fourier features of a Gaussian kernel."""
    from sklearn.kernel_approximation import RBFSampler

    number = np.unique(city, return_inverse=True)[1]
    apart = np.asarray(east_north_m) + number[:, None] * np.array([1e5, 0.0])  # cities share nothing
    return RBFSampler(gamma=0.5 / length_m**2, n_components=count, random_state=seed).fit_transform(apart)
