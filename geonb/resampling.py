"""Intervals of what was drawn again and again: bootstraps, permutations, redrawn worlds."""

import numpy as np

from geonb import checks

FEWEST_BLOCKS = 20  # blocks that are drawn again for an interval
FEWEST_REPLICATES = 10  # of an interval; of one or two draws it would be a point


def check_replicates(replicates, name="replicates"):
    """Nothing, or a ValueError for draws that are too few to make an interval."""
    checks.count(name, replicates, least=FEWEST_REPLICATES, way_out="an interval needs draws, 200 are usual")


def interval95(drawn, axis=0, *, method="linear"):
    """Quantiles (2, ...) 2.5 % and 97.5 % of draws along an axis, without missing ones; 'nearest' for infinite ones."""
    drawn = np.asarray(drawn, float)
    known = (~np.isnan(drawn)).any(axis=axis, keepdims=True)
    if not known.any():
        return np.full((2, *np.delete(drawn.shape, axis)), np.nan)
    found = np.nanquantile(np.where(known, drawn, 0.0), [0.025, 0.975], axis=axis, method=method)
    return np.where(known.squeeze(axis), found, np.nan)
