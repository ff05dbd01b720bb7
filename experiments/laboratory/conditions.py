"""Conditions: what spatial targets gain where the truth is known and one condition at a time is changed."""

import dataclasses
import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from experiments.laboratory import worlds
from geonb import checks, random_streams
from geonb.learning import methods
from geonb.measuring import significance
from geonb.measuring.errors import geometric_mean_m
from simcities import simulation, unpainted

BASE = "base"
PAIR = ("clip", "sw_clip")
ABOUT = {  # what may be changed -> its name in tables; those of one world follow each other
    "noise": "noise", "bandwidth_m": "bandwidth", "range_scale": "range", "trend_scale": "trend", "nugget": "nugget",
    "photos_per_city": "photos per city", "city_mean_sd": "city means",
}  # fmt: skip
TRIALS = {
    "method": "row of geonb.learning.methods.METHODS",
    "split": "how test photos are kept away",
    "learning_rate": "of AdamW at its highest",
    "weight_decay": "of AdamW",
    "bandwidth_m": "of the kernel [m]",
    "validation_error_m": "geometric mean error of the validation photos of the trial world [m]",
}
RESPONSE = {
    "dose": "what is changed",
    "value": "to how much: range, trend, noise as factors, nugget and city means as in 01_photos, others in their unit",
    "split": "how test photos are kept away",
    "clip_m": "geometric mean error of clip over worlds [m]",
    **{name: significance.RATIOS[name] for name in ("ratio", "low", "high", "p", "p_holm")},  # of sw_clip over clip
    "blocks": "blocks of test photos that are drawn again [count]",
    "worlds": "worlds [count]",
}
PICTURES = RESPONSE | {"features_from": "whether photos were painted or are fields and noise"}
PERMUTED = {"permutation": "its number", "ratio": "geometric mean error of sw_clip over that of clip [-]"}


@dataclass(frozen=True)
class Condition:
    """What is changed to which value; world: options of simulation.World."""

    about: str
    value: float
    world: dict


def conditions(base, changes):
    """The base (options of a world), then one Condition for each value of each change (name of ABOUT -> values)."""
    if unknown := set(changes) - set(ABOUT):
        raise ValueError(f"changes has no {', '.join(sorted(unknown))}; it has {', '.join(ABOUT)}")
    found = [Condition(BASE, 1.0, base)]
    for name, about in ABOUT.items():
        for value in changes.get(name, ()):
            checks.number(name, value, **{"above" if name == "bandwidth_m" else "least": 0})
            world = base if name in ("noise", "bandwidth_m") else base | {name: value}
            found.append(Condition(about, float(value), world))
    return found


def photographed(condition, world_seed, sd):
    """(photos, features (n, K) float32) of a world under a Condition, see unpainted.photographed."""
    factor = condition.value if condition.about == ABOUT["noise"] else 1.0
    return unpainted.photographed(condition.world | {"world_seed": world_seed}, factor * sd)


def trials(setting, options, photos, features, splits):
    """What the grids of both methods reach on the validation photos of a world (columns TRIALS), for recipes.tuned."""
    checks.count("splits", len(splits))
    rows = []
    for method, split in itertools.product(PAIR, splits):
        data, tuned = worlds.data_of(setting, options, photos, features, split), methods.get(method).tuned
        for values in itertools.product(*tuned.values()):
            asked = dict(zip(tuned, values, strict=True))
            error_m = worlds.train(setting, method, data, None, asked=asked)[1]
            rows.append({"method": method, "split": split, **asked, "validation_error_m": error_m})
    return pd.DataFrame(rows, columns=list(TRIALS))


def respond(setting, chosen, world_seeds, splits, trials, photograph):
    """Errors of clip and sw_clip under each Condition in each world and split, with columns dose, value and world.
    trials: of both methods; photograph: (Condition, world seed) -> (photos, features). A condition of the bandwidth
    trains sw_clip alone, beside the base's clip. ValueError without a condition, world or split.
    """
    for about, named in {"conditions": chosen, "worlds": world_seeds, "splits": splits}.items():
        checks.count(about, len(named), way_out="name at least one")
    tables = []
    for world_seed, condition in itertools.product(world_seeds, chosen):
        photos, features = photograph(condition, world_seed)
        options, of_bandwidth = condition.world | {"world_seed": world_seed}, condition.about == ABOUT["bandwidth_m"]
        asked = {"bandwidth_m": condition.value if of_bandwidth else -1.0}
        for split in splits:
            data = worlds.data_of(setting, options, photos, features, split)
            for method in PAIR[1:] if of_bandwidth else PAIR:
                errors, _ = worlds.train(setting, method, data, trials, asked=asked)
                tables.append(errors.assign(dose=condition.about, value=condition.value, world=world_seed))
    return pd.concat(tables, ignore_index=True)


def permuted(setting, options, photos, features, split, number):
    """The training_arrays.Data of a world whose features (n, K) are permuted over all places: no geography is left."""
    order = random_streams.stream(options["world_seed"], "dealt", number).permutation(len(features))
    return worlds.data_of(setting, options, photos, features[order], split)


def without_geography(setting, options, photos, features, split, trials, count):
    """The gain of sw_clip over clip (columns PERMUTED) where features are permuted over all places, so many times."""
    rows = []
    for number in range(count):
        data = permuted(setting, options, photos, features, split, number)
        clip, sw_clip = (worlds.train(setting, method, data, trials)[0] for method in PAIR)
        blocks = clip.block.to_numpy()
        ratio = significance.ratio_of_geometric_means(sw_clip.error_m, clip.error_m, blocks, replicates=10)[0]
        rows.append((number, ratio))
    return pd.DataFrame(rows, columns=list(PERMUTED))


def all_without_geography(setting, options, photos, features, split, trials, pilots):
    """Errors of every method once, but for controls without trials, on features permuted over all places.
    pilots: fit that the variogram kernel is read off; where it has a flag, there is no row of that kernel.
    """
    data, tables = permuted(setting, options, photos, features, split, 0), []
    of_pilots = dataclasses.replace(data, fitted=lambda cities: pilots)
    for method, row in methods.METHODS.items():
        if row.tuned and (row.kernel != "variogram" or not pilots["flag"]):
            given = of_pilots if row.kernel == "variogram" else data
            tables.append(worlds.train(setting, method, given, trials)[0])
    return pd.concat(tables, ignore_index=True)


def responses(errors, *, replicates, seed=0):
    """One row (columns RESPONSE) per condition and split: the ratio of the geometric mean errors, worlds together."""
    rows = []
    for split, here in errors.groupby("split", sort=False):
        clip = here[here.method == "clip"]
        for (about, value), own in here[here.method == "sw_clip"].groupby(["dose", "value"], sort=False):
            beside = clip[(clip.dose == about) & (clip.value == value)]
            both = own.merge(beside if len(beside) else clip[clip.dose == BASE], on=["world", "photo_id"])
            blocks = both.world.astype(str) + both.block_x
            found = significance.ratio_of_geometric_means(
                both.error_m_x, both.error_m_y, blocks.to_numpy(), replicates=replicates, seed=seed
            )
            clip_m = geometric_mean_m(both.error_m_y)
            rows.append((about, value, split, clip_m, *found, np.nan, blocks.nunique(), both.world.nunique()))
    table = pd.DataFrame(rows, columns=list(RESPONSE))
    return table.assign(p_holm=table.groupby("split").p.transform(significance.holm))


def with_pictures(errors, painted, *, replicates, seed=0):
    """Responses of painted conditions beside those from fields and noise in the same world (columns PICTURES)."""
    same = errors[errors.world.isin(painted.world) & errors.dose.isin(painted.dose)]
    fields, pictures = (responses(table, replicates=replicates, seed=seed) for table in (same, painted))
    both = fields.merge(pictures[["dose", "value", "split"]]).assign(features_from="fields and noise")
    return pd.concat([both, pictures.assign(features_from="pictures")], ignore_index=True)


def beside_base(table, base):
    """The table of responses with the base's rows once for each change, at its value there; base: options of worlds."""
    world = simulation.World(**base)
    values = {about: getattr(world, name, 1.0) for name, about in ABOUT.items() if name != "bandwidth_m"}
    plain = table[table.dose == BASE]
    shown = [plain.assign(dose=about, value=value) for about, value in values.items() if about in set(table.dose)]
    return pd.concat([table[table.dose != BASE], *shown], ignore_index=True)


def answer(table, gains):
    """Where spatial targets are shown to help or harm, in a sentence.
    gains: ratios of permuted places, one at least. Two trainings differ for no reason too: a ratio within their range
    shows nothing.
    """
    said, kept = [], table[table.p_holm < 0.05]
    helped = kept[kept.high.lt(1) & kept.ratio.lt(gains.ratio.min())]
    harmed = kept[kept.low.gt(1) & kept.ratio.gt(gains.ratio.max())]
    for word, own in (("help", helped), ("harm", harmed)):
        cells = ", ".join(f"{row.dose} {row.value:g} ({row.split}, ratio {row.ratio:.2f})" for row in own.itertuples())
        said.append(f"{word} in {len(own)} ({cells})" if len(own) else f"{word} in none")
    return f"Of {len(table)} conditions spatial targets are shown to {said[0]} and to {said[1]}."


def answer_null(table, gains):
    """Whether any method finds something where places are permuted, in a sentence."""
    found, low, high = table.method[table.p_holm < 0.05].tolist(), gains.ratio.min(), gains.ratio.max()
    return (
        f"Where places are permuted {', '.join(found) or f'none of {len(table)} methods'} can be told from its exact "
        f"null, and the ratio of the errors lies between {low:.2f} and {high:.2f} in {len(gains)} permutations."
    )
