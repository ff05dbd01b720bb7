"""How a training is set up: a frozen Recipe, made in one place, for pages, trials, variants and experiments alike.

`recipe` takes what the trials chose; a variant is `changed(recipe, {"loss": {"kernel": "uniform"}})`; what trains it is
training.fit. Two trainings of one recipe on the same data with the same seed are the same training.
"""

import dataclasses
from dataclasses import dataclass

import pandas as pd

from geonb import checks, files
from geonb.learning import geoclip, losses, methods, pretrained_towers
from geonb.splitting.splits import way_of

ABOVE_0, FROM_0, FROM_1 = {"above": 0}, {"least": 0}, {"least": 1}
TWO_MEET = {"least": 2, "way_out": "a photo alone has no other place to be told from"}


def limited(default, limits):
    """A value of a Part with limits: of checks.number, of checks.count for a whole number, or the known values."""
    return dataclasses.field(default=default, metadata={"limits": limits})


@dataclass(frozen=True)
class Part:
    """Some values of a recipe, refused beyond their limits."""

    def __post_init__(self):
        for each in dataclasses.fields(self):
            value, limits = getattr(self, each.name), each.metadata.get("limits")
            if isinstance(limits, dict):
                check = checks.count if isinstance(each.default, int) else checks.number
                for one in (value or (0,)) if isinstance(value, tuple) else (value,):  # none is refused as 0 is
                    check(each.name, one, **limits)
            elif limits and value not in limits:
                raise ValueError(f"{each.name} {value!r} must be one of {', '.join(limits)}")


@dataclass(frozen=True)
class Tuned(Part):
    """What trials choose, two of them for each method (methods.METHODS); these are the values of what is not tried."""

    learning_rate: float = limited(0.002, ABOVE_0)  # of AdamW at its highest
    weight_decay: float = limited(0.01, FROM_0)  # of AdamW
    bandwidth_m: float = limited(100.0, ABOVE_0)  # of the kernel of spatial targets, or of a method's own kernel
    strength: float = limited(1.0, FROM_0)  # of a method's own term
    prior_share: float = limited(0.0, FROM_0 | {"most": 1})  # of the hierarchical prior in the weights
    cell_size_m: float = limited(400.0, ABOVE_0)  # side of the cells of classification
    noise_m: float = limited(10.0, FROM_0)  # of GPS in training, for capsules


@dataclass(frozen=True)
class Loss(Part):
    """What the loss asks for, beyond what is tuned.

    kernel: of losses.KERNELS, or 'variogram', read off the fitted curve; bandwidth: see training_arrays.bandwidth_m;
    guided negatives expect what the curve of `guided_by` says, and range_factor times its range parts near from far.
    """

    kernel: str = limited("gaussian", (*losses.KERNELS, "variogram"))
    cutoff_bandwidths: float = limited(3.0, ABOVE_0)  # weights are 0 beyond so many bandwidths of the photo
    bandwidth: str = limited("fixed", ("fixed", "city", "density"))
    neighbour: int = limited(5, FROM_1)  # the distinct place whose distance is the bandwidth of 'density'
    neighbourhood: str = limited("pull", tuple(methods.NEIGHBOURHOODS))  # form of neighbourhood consistency
    neighbourhood_weight: float = limited(0.0, FROM_0)
    fairness_weight: float = limited(0.0, FROM_0)
    location_to_image: bool = True  # places choose photos too
    guided_by: str = limited("pilots", ("pilots", "training photos"))
    range_factor: float = limited(1.0, ABOVE_0)
    max_lag_m: float = limited(1000.0, ABOVE_0)  # of the lags that say how far pairs spread around the curve
    lag_count: int = 20


@dataclass(frozen=True)
class Towers(Part):
    """What turns photos and places into vectors.

    location: what reads a place where the method leaves it open; sigmas: of capsules; released: folder of GeoCLIP's
    weights, from which methods of capsules start in its sizes, none for ''; captions are for location 'text', whose
    words tower and weights read; standardise: features are standardised on the photos that train, as those of ImageNet
    towers must be; train_backbone: the image part of tower and weights is trained too, from the pictures themselves,
    instead of a head on its frozen features.
    """

    location: str = limited("fourier", ("fourier", "capsules", "text"))
    size: int = limited(128, FROM_1)  # dimensions in which photos and places meet
    learn_temperature: bool = True
    sigmas: tuple = limited(geoclip.RELEASED_SIGMAS + geoclip.FINE_SIGMAS, ABOVE_0)
    released: str = ""
    caption_parts: tuple = ("street", "city", "country", "coordinates")
    context_length: int = limited(48, FROM_1)  # tokens of a caption that are read; fewer are faster
    tower: str = ""
    weights: str = ""
    standardise: bool = False
    train_backbone: bool = False


@dataclass(frozen=True)
class Course(Part):
    """How long and how fast: AdamW with warm-up and cosine decay.

    neighbours: how many of a photo's nearest photos may join it in a batch, 0 for random batches; queue: photos of
    earlier steps that lend capsules their places as further negatives; refit_every: steps after which embeddings guide
    negatives by a curve that is fitted to them, 0 for the frozen features.
    """

    steps: int = limited(300, FROM_1)
    batch_size: int = limited(256, TWO_MEET)
    evaluate_every: int = limited(15, FROM_1)  # steps between two looks at the validation photos
    checkpoint_every: int = limited(100, FROM_1)
    neighbours: int = limited(0, FROM_0)
    queue: int = limited(512, FROM_0)
    refit_every: int = limited(0, FROM_0)

    def __post_init__(self):
        super().__post_init__()
        if self.refit_every and self.checkpoint_every % self.refit_every:
            raise ValueError(
                f"checkpoint_every {self.checkpoint_every} must be a multiple of refit_every {self.refit_every}: a "
                "training that was interrupted goes on with the curve it had"
            )


@dataclass(frozen=True)
class Recipe:
    """One training but for its data and seed. city_given: only places of the photo's own city compete.

    location and kernel: those of the method itself, or else those that are asked for.
    """

    method: str
    split: str
    tuned: Tuned = Tuned()
    loss: Loss = Loss()
    towers: Towers = Towers()
    course: Course = Course()
    city_given: bool = False

    def __post_init__(self):
        loss = self.loss
        if self.towers.train_backbone and (self.row.place != "tower" or self.towers.released):
            raise ValueError(f"train_backbone is for methods with a fresh location tower, not for {self.method}")
        if self.row.tower == "capsules" and (loss.neighbourhood_weight or loss.fairness_weight):
            raise ValueError(f"{self.method} has no regularisers: set neighbourhood_weight and fairness_weight to 0")

    @property
    def row(self):
        return methods.get(self.method)

    @property
    def location(self):
        return self.row.tower or self.towers.location

    @property
    def kernel(self):
        return self.row.kernel or self.loss.kernel


def recipe(method, split, trials, *, asked=None, loss=Loss(), towers=Towers(), course=Course(), city_given=False):
    """The Recipe of a method on a split: what trials chose, unless another value is asked for; see tuned.

    In unseen_city a method that can name places of the city searches in it alone.
    """
    values = Tuned(**tuned(method, split, trials, asked or {}))
    alone = way_of(split) == "unseen_city" and methods.get(method).place != "photo"
    return Recipe(method, split, values, loss, towers, course, city_given or alone)


def of_page(parameters, tower, pilots):
    """{split: Recipe} of a page with parameters method, splits, trials (a file), Tuned's, loss, towers and course.

    tower, pilots: parameters of the pages that made the features and the pilots' curves. A value of Tuned's that is
    missing or below 0 is the one that trials chose; loss, towers and course name what differs from the defaults.
    """
    lags = {name: pilots[name] for name in ("max_lag_m", "lag_count")}
    base = {name: tower[name] for name in ("tower", "weights")}
    base["standardise"] = pretrained_towers.is_imagenet(tower["tower"])
    given = {
        "asked": {name: parameters[name] for name in names_of(Tuned) if name in parameters},
        "loss": filled(Loss, lags | parameters["loss"]),
        "towers": filled(Towers, base | parameters["towers"]),
        "course": filled(Course, parameters["course"]),
    }
    tried = pd.read_csv(files.ROOT / parameters["trials"]) if parameters["trials"] else None
    checks.count("the number of splits", len(parameters["splits"]))
    method = methods.name_of(parameters["method"])
    return {split: recipe(method, split, tried, **given) for split in parameters["splits"]}


def changed(recipe, changes):
    """The recipe with some values changed: changed(base, {"method": "clip", "course": {"steps": 20}})."""
    return filled(Recipe, changes, recipe)


def filled(kind, given, start=None):
    """One of the dataclasses here, from what differs from `start`, by default from its own defaults; lists are tuples.

    ValueError names an unknown value with the known ones, and a value of another type than the known one.
    """
    what, start = kind.__name__.lower(), start or kind()
    if unknown := set(given) - set(names_of(kind)):
        raise ValueError(f"{what} has no {', '.join(sorted(unknown))}; it has {', '.join(names_of(kind))}")
    values = {}
    for name, value in given.items():
        known = getattr(start, name)
        if dataclasses.is_dataclass(known) and isinstance(value, dict):
            value = filled(type(known), value, known)
        value = tuple(value) if isinstance(value, list) else value
        expected = (int, float) if isinstance(known, float) else type(known)
        if not isinstance(value, expected) or isinstance(value, bool) != isinstance(known, bool):
            raise ValueError(f"{what}: {name} = {value!r} is not a {type(known).__name__} like {known!r}")
        values[name] = value
    return dataclasses.replace(start, **values)


def names_of(kind):
    """The names of a dataclass's values."""
    return [field.name for field in dataclasses.fields(kind)]


def table(recipes):
    """Recipes (name -> Recipe) side by side: what is tuned, what else differs from the defaults, but the base tower."""
    rows = {name: dataclasses.asdict(made.tuned) | {
        f"{part}: {key}": value
        for part in ("loss", "towers", "course") for key, value in dataclasses.asdict(getattr(made, part)).items()
        if value != dataclasses.asdict(getattr(Recipe("clip", ""), part))[key] and key not in ("tower", "weights")
    } for name, made in recipes.items()}  # fmt: skip
    return pd.DataFrame(rows).rename_axis(columns=" / ".join(dict.fromkeys(made.method for made in recipes.values())))


def tuned(name, split, trials, asked):
    """What a method runs with on a split: the values of Tuned, name -> value.

    trials: table with columns method, split, validation_error_m and the values, None without; of the method's rows of
    this split, for blocked_25 of blocked where it has none of its own, the one with the smallest error counts, the
    defaults for splits that the table does not know. A row that is like another has that one's best values of what it
    does not tune itself, of everything where it tunes nothing. asked: name -> value, goes before the trials unless it
    is below 0. ValueError where the table knows the split and not the method on it.
    """
    row = methods.get(name)
    known = tuned(row.like, split, trials, {}) if row.like else dataclasses.asdict(Tuned())
    if trials is not None and row.tuned:
        split = split if (trials.split == split).any() else way_of(split)
        own = trials[(trials.method == name) & (trials.split == split) & trials.validation_error_m.notna()]
        if not len(own) and (trials.split == split).any():
            raise ValueError(f"the trials of split {split} have none of {name}: make them, or name another table")
        best = own.loc[own.validation_error_m.idxmin()] if len(own) else {}
        known |= {parameter: float(best[parameter]) for parameter in row.tuned if parameter in best}
    return known | {parameter: value for parameter, value in asked.items() if not value < 0}


def best_trials(trials):
    """Each method's best trial on each split, how many there were, and which values ended at an end of the grid."""
    each = trials.groupby(["split", "method"], sort=False)
    best = trials.loc[each.validation_error_m.idxmin()].set_index(["split", "method"])
    known = [parameter for parameter in names_of(Tuned) if parameter in trials]
    low, high = each[known].min(), each[known].max()
    at_end = (low < high) & ((best[known] == low) | (best[known] == high))
    said = [", ".join(at_end.columns[row]) for row in at_end.to_numpy()]
    best = best.assign(trials=each.size(), at_an_end=said)
    return best.sort_values("validation_error_m").sort_index(level="split", sort_remaining=False, kind="stable")
