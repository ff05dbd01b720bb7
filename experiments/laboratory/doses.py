"""Dose and response: what spatial targets gain where the truth is known and one condition at a time is changed.

The features of a photo are the planted fields that its camera sees, plus noise as large as a tower's error in reading
them: a training on them takes a second, and no picture is painted. The city of a photo is given, so that an error is a
matter of hundreds of metres, which is what bandwidths are about: a wrong city would drown it.
"""

import dataclasses
import itertools
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from experiments.laboratory import experiments
from experiments.words import ridge_probe
from geonb import checks
from geonb.earth import seeds
from geonb.learning import methods, recipes
from geonb.measuring import inference
from geonb.measuring.errors import geometric_mean_m
from geonb.photos.sources import simulated

LEAST_R2 = 0.05  # a field that a tower reads worse than this is taken to be read so
BASE = "base"
RESPONSE = {
    "dose": "what is changed",
    "value": "to how much: range and noise as factors, nugget and city means as in 01_photos, the others in their unit",
    "split": "how test photos are kept away",
    "clip_m": "geometric mean error of clip over worlds [m]",
    "ratio": "geometric mean error of sw_clip over that of clip [-]",
    "low": "lower bound of its 95 % interval over blocks [-]",
    "high": "upper bound [-]",
    "p": "two-sided p of the redraws [-]",
    "p_holm": "p adjusted by Holm's rule for all rows of the split [-]",
    "blocks": "blocks of test photos that are drawn again [count]",
    "worlds": "worlds [count]",
}


@dataclass(frozen=True)
class Dose:
    """One condition: what is changed to which value, as options of simulated.World, a factor of the noise, a bandwidth.

    bandwidth_m: of sw_clip's kernel instead of the one that its trials chose. ValueError for a value that is none.
    """

    about: str
    value: float
    world: dict = field(default_factory=dict)
    noise: float = 1.0
    bandwidth_m: float | None = None

    def __post_init__(self):
        checks.number(self.about, self.value, least=0)
        checks.number("noise", self.noise, least=0)
        if self.bandwidth_m is not None:
            checks.number("bandwidth_m", self.bandwidth_m, above=0)


def doses(base, *, range_scale, nugget, photos_per_city, city_mean_sd, noise, bandwidth_m):
    """The base, then one Dose for each value of each list; base: options of the world that they change."""
    by_option = {
        "range": ("range_scale", range_scale), "nugget": ("nugget", nugget),
        "photos per city": ("photos_per_city", photos_per_city), "city means": ("city_mean_sd", city_mean_sd),
    }  # fmt: skip
    changed = [
        Dose(about, float(value), base | {option: value}) for about, (option, values) in by_option.items()
        for value in values
    ]  # fmt: skip
    noisy = [Dose("noise", float(value), base, noise=value) for value in noise]
    wider = [Dose("bandwidth", float(value), base, bandwidth_m=value) for value in bandwidth_m]
    return [Dose(BASE, 1.0, base), *noisy, *wider, *changed]  # those of one world follow each other


# ---- photos without pictures -----------------------------------------------------------------------------------------
def noise_sd(seen, city, r2):
    """Standard deviation (K,) of noise after which a linear probe reads each field with r2 (K,) within a city.

    Of a field f and independent noise e a regression explains var f / (var f + var e): solved for var e.
    """
    share = np.clip(r2, LEAST_R2, 1.0)
    return np.sqrt(ridge_probe.within(seen, city).var(axis=0) * (1 - share) / share)


def photographed(dose, world_seed, sd):
    """(places, features (n, K) float32) of a world: the fields that each camera sees, and noise of sd (K,)."""
    table, seen = simulated.unpainted(simulated.World(**dose.world | {"world_seed": world_seed}))
    drawn = seeds.stream(world_seed, "doses").standard_normal(seen.shape)
    return table, np.float32(seen + dose.noise * sd * drawn)


def dealt(features, world_seed, number):
    """Features (n, K) dealt to other places: nothing is left that a place could tell."""
    return features[seeds.stream(world_seed, "dealt", number).permutation(len(features))]


# ---- many ------------------------------------------------------------------------------------------------------------
def trials(setting, names, splits, table, features, gallery_grid):
    """What each method's grid of parameters reaches on the validation photos of a world: a table for recipes.tuned."""
    checks.count("splits", len(splits))
    rows = []
    for name, split in itertools.product(names, splits):
        tuned = methods.get(name).tuned
        for values in itertools.product(*tuned.values()):
            asked = dict(zip(tuned, values, strict=True))
            label = f"trial-{'-'.join(str(value) for value in values)}"
            own = dataclasses.asdict(recipes.Tuned()) | asked
            error_m = experiments.train(
                setting, f"{label}-{name}", name, split, own, table, features, gallery_grid, city_given=True
            )[1]
            rows.append({"method": name, "split": split, **asked, "validation_error_m": error_m})
    return pd.DataFrame(rows)


def respond(setting, chosen, world_seeds, splits, tuned, photograph, spacing_m, *, label="fields"):
    """Errors of clip and sw_clip under each Dose in each world and split, with columns dose, value and world.

    tuned: trials of both methods; photograph: (Dose, world seed) -> (places, features); label: of the checkpoints. A
    dose of the bandwidth trains sw_clip alone, beside the base's clip. ValueError without a dose, world or split.
    """
    for about, named in {"doses": chosen, "worlds": world_seeds, "splits": splits}.items():
        checks.count(about, len(named), way_out="name at least one")
    tables = []
    for world_seed in world_seeds:
        for dose in chosen:
            table, features = photograph(dose, world_seed)
            streets = experiments.grid(dose.world, world_seed, spacing_m)
            for name in ("sw_clip",) if dose.bandwidth_m else ("clip", "sw_clip"):
                for split in splits:
                    own = recipes.tuned(name, split, tuned, {"bandwidth_m": dose.bandwidth_m or -1.0})
                    run = f"{label}-{dose.about}-{dose.value:g}-{world_seed}-{name}".replace(" ", "_")
                    errors, _ = experiments.train(
                        setting, run, name, split, own, table, features, streets, city_given=True
                    )
                    tables.append(errors.assign(dose=dose.about, value=dose.value, world=world_seed))
    return pd.concat(tables, ignore_index=True)


def responses(errors, *, replicates, seed=0):
    """One row (columns RESPONSE) per dose and split: the ratio of the geometric mean errors, worlds together."""
    rows = []
    for split, here in errors.groupby("split", sort=False):
        clip = here[here.method == "clip"]
        for (dose, value), own in here[here.method == "sw_clip"].groupby(["dose", "value"], sort=False):
            beside = clip[(clip.dose == dose) & (clip.value == value)]
            both = own.merge(beside if len(beside) else clip[clip.dose == BASE], on=["world", "photo_id"])
            blocks = both.world.astype(str) + both.block_x
            found = inference.ratio_of_geometric_means(
                both.error_m_x, both.error_m_y, blocks.to_numpy(), replicates=replicates, seed=seed
            )
            clip_m = geometric_mean_m(both.error_m_y)
            rows.append((dose, value, split, clip_m, *found, np.nan, blocks.nunique(), both.world.nunique()))
    table = pd.DataFrame(rows, columns=list(RESPONSE))
    return table.assign(p_holm=table.groupby("split").p.transform(inference.holm))


def beside_base(table, values):
    """The table of responses with the base's rows once for each dose, at its value there (dose -> value, in order)."""
    base = table[table.dose == BASE]
    shown = [base.assign(dose=dose, value=value) for dose, value in values.items() if dose in set(table.dose)]
    both, order = pd.concat([table[table.dose != BASE], *shown]), list(dict.fromkeys([*values, *table.dose]))
    return both.sort_values(["dose", "value"], key=lambda own: own.map(order.index) if own.name == "dose" else own)


# ---- what is said ----------------------------------------------------------------------------------------------------
def answer(table, gains):
    """Where spatial targets are shown to help or harm, in a sentence.

    gains: ratios of dealt places. Two trainings differ for no reason too: a ratio within their range shows nothing.
    ValueError without such ratios.
    """
    checks.count("dealings", len(gains), way_out="without them chance and gain cannot be told apart")
    said, ratio = [], table.ratio
    helped, harmed = table.high.lt(1) & ratio.lt(gains.ratio.min()), table.low.gt(1) & ratio.gt(gains.ratio.max())
    for word, side in (("help", table[helped]), ("harm", table[harmed])):
        own = side[side.p_holm < 0.05]
        cells = ", ".join(f"{row.dose} {row.value:g} ({row.split}, ratio {row.ratio:.2f})" for row in own.itertuples())
        said.append(f"{word} in {len(own)} ({cells})" if len(own) else f"{word} in none")
    return f"Of {len(table)} conditions spatial targets are shown to {said[0]} and to {said[1]}."


def answer_null(table, gains):
    """Whether any method finds something where places were dealt anew, in two sentences."""
    found = table.method[table.p_holm < 0.05].tolist()
    low, high = gains.ratio.min(), gains.ratio.max()
    said = f"{', '.join(found)} can be told" if found else f"none of {len(table)} methods can be told"
    return (
        f"Where places are dealt anew {said} from its exact null, and the ratio of the errors lies between {low:.2f} "
        f"and {high:.2f} in {len(gains)} dealings."
    )
