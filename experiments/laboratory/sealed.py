"""Worlds that no choice has seen: rows without training, names of what is read off, and what is said of it."""

import functools

import numpy as np
import pandas as pd

from experiments.laboratory import experiments
from geonb.measuring import baselines, errors
from geonb.photos import sources
from geonb.splitting import galleries
from geonb.splitting import splits as splitting

OWN = "own"
BEST = "best place"


def untrained(options, catalogue, features, split, cut, gallery_grid, *, seed):
    """Predictions of the trivial rows and the references in one split of a world, with block.

    options: of the simulated world; catalogue: its photos with lat_deg and lon_deg; cut: keywords of splits.Cut.
    """
    part = experiments.parts_of(catalogue, split, cut, seed)
    gallery = galleries.of_split(split, catalogue, part, gallery_grid)
    planted = functools.partial(sources.planted_at, "simulated", options)
    rows = baselines.untrained(catalogue, features, {split: part}, {split: gallery}, planted, seed=seed)
    return rows.assign(block=splitting.blocks_of(rows, cut["block_size_m"]))


def named(errors, own_way):
    """Errors of several worlds as one table for errors.compare: photos and blocks of a world are its own.

    errors: method, decoding, world; a trained method keeps its name where the best place is taken and has the decoding
    added elsewhere; ours is 'own' where it is read in own_way. Rows without a decoding were not trained.
    """
    trained = errors.decoding.notna()
    plain = np.where(errors.method == OWN, errors.decoding == own_way, errors.decoding == BEST) | ~trained
    world = errors.world.astype(str)
    return errors.assign(
        method=np.where(plain, errors.method, errors.method + ", " + errors.decoding.fillna("")),
        kind=np.where(trained, "method", errors.kind), photo_id=world + "-" + errors.photo_id,
        block=world + "-" + errors.block.astype(str),
    )  # fmt: skip


def headline(found, compared, density, page, *, names=(), replicates, seed=0):
    """Rows for results.save_headline: of the rows without a decoding in their name, and the ratios of sw_clip and own.

    found: see named; compared: errors.compare of it; names: the rows to be told of, all when there is none.
    """
    short = compared[~compared.method.str.contains(", ") & (compared.method.isin(names) | (len(names) == 0))]
    rows = [errors.headline(short, density, f"{page}/compare")]
    rows += [
        errors.headline_ratios(
            found, ours, other, density, f"{page}/errors", replicates=replicates, seed=seed
        )
        for ours, other in (("sw_clip", "clip"), (OWN, "clip"), (OWN, "field_reference"))
        if {ours, other} <= set(found.method) and ours in (names or (ours,))
    ]  # fmt: skip
    return pd.concat(rows, ignore_index=True)


def answer(ratios, world_count, density):
    """What is left of sw_clip and of our own method over clip, split by split, and what is shown, in two sentences."""
    said = []
    for split, own in ratios.groupby("split", sort=False):
        rows = [row for row in own.itertuples() if row.method in ("sw_clip", OWN)]
        told = " and ".join(f"that of {row.method} {row.ratio:.2f} times{interval(row)}" for row in rows)
        said.append(f"in {split} {told}")
    shown = ratios[ratios.p_holm < 0.05]
    better, worse = (", ".join(f"{row.method} ({row.split})" for row in side.itertuples()) or "nothing"
                     for side in (shown[shown.high < 1], shown[shown.low > 1]))  # fmt: skip
    return (
        f"In {world_count} sealed worlds with {density} photos per city the geometric mean error, measured by that of "
        f"clip, is {'; '.join(said)}. Shown to be better than clip: {better}; worse: {worse}."
    )


def interval(row):
    """A row's interval in words, nothing where there is none."""
    return f" ({row.low:.2f} to {row.high:.2f})" if np.isfinite(row.low) else ""
