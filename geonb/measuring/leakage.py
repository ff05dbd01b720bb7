"""How much of a test set lies so near to training photos, or in their drives, that memory would do."""

import numpy as np
import pandas as pd

from geonb import checks
from geonb.earth import sphere
from geonb.measuring import inference as uncertainty
from geonb.splitting.splits import with_a_name

LEAKAGE = {
    "split": "how test photos are kept away",
    "share_within_range": "share of test photos with a training photo nearer than the yardstick [share]",
    "low": "2.5 % of its block bootstrap; missing below 20 blocks [share]",
    "high": "97.5 % of it [share]",
    "shared_sequences": "test photos whose sequence also trains [count]",
    "test_photos": "test photos [count]",
}


def leakage(parts, lat_lon_deg, sequence_id, blocks, *, within_m, seed=0):
    """How much of the test photos of each split training has as good as seen: columns LEAKAGE.

    parts: {split: (n,)}. Intervals draw blocks (n,) again.
    """
    checks.number("within_m", within_m, above=0)
    rows = []
    for name, part in parts.items():
        test, train = part == "test", part == "train"
        near = sphere.nearest(lat_lon_deg[test], lat_lon_deg[train])[1] < within_m
        ones = np.ones(len(near))
        low, high = uncertainty.ratio_interval(np.stack([near, ones]), blocks[test], seed=seed)
        shared = np.isin(sequence_id[test], with_a_name(sequence_id[train]))
        rows.append((name, near.mean(), low, high, int(shared.sum()), len(near)))
    return pd.DataFrame(rows, columns=list(LEAKAGE))


def headline(table, page):
    """Headline rows of the leakage of the splits within cities."""
    kept = table[table.split.isin(["random", "other_drive", "blocked"])]
    rows = kept.rename(columns={"share_within_range": "value", "test_photos": "n"})
    keys = "leakage_share_within_range." + rows.split
    return rows[["value", "low", "high", "n"]].assign(key=keys, unit="share", seeds=1, table=page)


def answer_leakage(table, within_m):
    """Which share of the test photos lies within the yardstick of a training photo, in one sentence."""
    said = ", ".join(f"{row.share_within_range:.0%} ({row.split})" for row in table.itertuples())
    return (
        f"Within {within_m:.0f} m of a training photo, where photos still resemble each other, lie {said} of the test "
        "photos."
    )
