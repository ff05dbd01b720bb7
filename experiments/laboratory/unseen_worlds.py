"""Worlds that no choice has seen: several methods in several of them, their names, and what is said of it."""

import numpy as np
import pandas as pd

from experiments.laboratory import worlds
from geonb.learning import decoding
from geonb.measuring import errors as measured

OWN = "own"
ERRORS = measured.ERRORS | {"world": "world seed"}


def errors(setting, options, world_seeds, splits, methods, trials, tower, *, ways, own_way, seed=0):
    """Errors (columns ERRORS) of methods, baselines and ceilings in unseen worlds, see worlds.train and named."""
    tables = []
    for world_seed in world_seeds:
        drawn = options | {"world_seed": world_seed}
        photos, features = worlds.photographed(drawn, tower)
        for split in splits:
            data = worlds.data_of(setting, drawn, photos, features, split, seed)
            found = [worlds.train(setting, name, data, trials, ways=ways, seed=seed)[0] for name in methods]
            found.append(worlds.untrained(setting, drawn, data, seed))
            tables += [table.assign(world=world_seed) for table in found]
    return named(pd.concat(tables, ignore_index=True), own_way)[list(ERRORS)]


def named(errors, own_way):
    """Errors of several worlds as one table for errors.compare: photos and blocks of a world are its own.
    errors: method, decoding, world; a trained method keeps its name where the best place is taken and has the decoding
    added elsewhere; ours is 'own' where it is read in own_way. Rows without a decoding were not trained.
    """
    trained, world = errors.decoding.notna(), errors.world.astype(str) + "-"
    plain = (errors.decoding == np.where(errors.method == OWN, own_way, decoding.BEST)) | ~trained
    return errors.assign(
        method=np.where(plain, errors.method, errors.method + ", " + errors.decoding.fillna("")),
        kind=np.where(trained, "method", errors.kind), photo_id=world + errors.photo_id,
        block=world + errors.block.astype(str),
    )  # fmt: skip


def within_city(errors):
    """Errors of the photos that every trained row places in the right city: how far a wrong city lies is arbitrary."""
    photo = errors.split + "/" + errors.photo_id
    return errors[~photo.isin(photo[(errors.kind == "method") & ~errors.right_city.astype(bool)])]


def headline(errors, compared, density, page, *, names=(), replicates, seed=0):
    """Headline rows: of the rows without a decoding in their name, and the ratios of sw_clip and own.
    errors: see errors; compared: measured.compare of it; names: the rows that are described, all when there is none.
    """
    short = compared[~compared.method.str.contains(", ") & (compared.method.isin(names) | (len(names) == 0))]
    tables = [measured.headline(short, density, f"{page}/compare")]
    for pair in (("sw_clip", "clip"), (OWN, "clip"), (OWN, "field_reference")):
        if set(pair) <= set(errors.method) and pair[0] in (names or pair):
            draws = {"replicates": replicates, "seed": seed}
            tables.append(measured.headline_ratios(within_city(errors), *pair, density, f"{page}/errors", **draws))
    return pd.concat(tables, ignore_index=True)


def tables(compared):
    """Metrics by method, to be read: one table for each split, lengths in km."""
    wide = compared.pivot_table(index=["split", "method"], columns="metric", values="value", sort=False)
    lengths_km = wide[["median_error_m", "mean_error_m", "p90_error_m"]].div(1000)
    shares = wide[["share_within_100m", "share_within_250m", "share_right_city"]]
    both = lengths_km.join(shares).round(3).set_axis(["median", "mean", "p90", "100 m", "250 m", "city"], axis=1)
    return [both.loc[split].rename_axis(f"{split}, errors in km") for split in compared.split.unique()]


def answer(ratios, world_count, density):
    """How far sw_clip and our own method err beside clip within the right city, split by split, and what is shown."""
    said, shown = [], ratios[ratios.p_holm < 0.05]
    for split, rows in ratios[ratios.method.isin(["sw_clip", OWN])].groupby("split", sort=False):
        each = [
            f"that of {row.method} {row.ratio:.2f} times"
            + (f" ({row.low:.2f} to {row.high:.2f})" if np.isfinite(row.low) else "")
            for row in rows.itertuples()
        ]
        said.append(f"in {split} {' and '.join(each)}")
    better, worse = (", ".join(f"{row.method} ({row.split})" for row in side.itertuples()) or "nothing"
                     for side in (shown[shown.high < 1], shown[shown.low > 1]))  # fmt: skip
    return (
        f"In {world_count} sealed worlds with {density} photos per city the geometric mean error within the right "
        f"city, measured by that of clip, is {'; '.join(said)}. Shown to be better than clip: {better}; worse: {worse}."
    )
