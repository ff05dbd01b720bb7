"""How a training is set up: a frozen Recipe, made in one place, for pages, trials, variants and experiments alike.

`recipe` takes what the trials chose; a variant is `changed(recipe, {"loss": {"kernel": "uniform"}})`; what trains it is
training.fit. Two trainings of one recipe on the same data with the same seed are the same training.
"""

import dataclasses
from dataclasses import dataclass

import pandas as pd

from geonb import checks, files
from geonb.learning import geoclip, imagenet, losses, methods

BANDWIDTHS = ("fixed", "city", "density")
LOCATIONS = ("fourier", "capsules", "text")
GUIDED_BY = ("pilots", "training photos")


def one_of(name, value, known):
    """Nothing, or a ValueError that lists what is known."""
    if value not in known:
        raise ValueError(f"{name} {value!r} must be one of {', '.join(known)}")


@dataclass(frozen=True)
class Tuned:
    """What trials choose, two of them for each method (methods.METHODS); these are the values of what is not tried."""

    learning_rate: float = 0.002  # of AdamW at its highest
    weight_decay: float = 0.01  # of AdamW
    bandwidth_m: float = 100.0  # of the kernel of spatial targets, or of a method's own kernel
    strength: float = 1.0  # of a method's own term
    prior_share: float = 0.0  # of the hierarchical prior in the weights
    cell_size_m: float = 400.0  # side of the cells of classification
    noise_m: float = 10.0  # of GPS in training, for capsules

    def __post_init__(self):
        for name in ("learning_rate", "bandwidth_m", "cell_size_m"):
            checks.number(name, getattr(self, name), above=0)
        for name in ("weight_decay", "strength", "noise_m"):
            checks.number(name, getattr(self, name), least=0)
        checks.number("prior_share", self.prior_share, least=0, most=1)


@dataclass(frozen=True)
class Loss:
    """What the loss asks for, beyond what is tuned.

    kernel: of losses.KERNELS, or 'variogram', read off the fitted curve; bandwidth: 'fixed', 'city' (range_share of the
    city's fitted range) or 'density' (the distance to the neighbour-th other place), see training.bandwidths; guided
    negatives expect what the curve of `guided_by` says, and range_factor times its range parts near from far.
    """

    kernel: str = "gaussian"
    cutoff_bandwidths: float = 3.0  # weights are 0 beyond so many bandwidths of the photo
    bandwidth: str = "fixed"
    range_share: float = 0.3
    neighbour: int = 5
    min_bandwidth_m: float = 10.0  # no bandwidth is smaller
    neighbourhood: str = "pull"  # form of neighbourhood consistency, of methods.NEIGHBOURHOODS
    neighbourhood_weight: float = 0.0
    fairness_weight: float = 0.0
    image_to_location: bool = True  # photos choose places
    location_to_image: bool = True  # places choose photos
    guided_by: str = "pilots"
    range_factor: float = 1.0
    max_lag_m: float = 1000.0  # of the lags that say how far pairs spread around the curve
    lag_count: int = 20

    def __post_init__(self):
        one_of("kernel", self.kernel, [*losses.KERNELS, "variogram"])
        one_of("bandwidth", self.bandwidth, BANDWIDTHS)
        one_of("neighbourhood", self.neighbourhood, methods.NEIGHBOURHOODS)
        one_of("guided_by", self.guided_by, GUIDED_BY)
        for name in ("cutoff_bandwidths", "range_share", "range_factor", "max_lag_m"):
            checks.number(name, getattr(self, name), above=0)
        for name in ("min_bandwidth_m", "neighbourhood_weight", "fairness_weight"):
            checks.number(name, getattr(self, name), least=0)
        checks.count("neighbour", self.neighbour)


@dataclass(frozen=True)
class Capsules:
    """Sizes of geoclip's towers, for two cores; GeoCLIP has 256 frequencies, 1024 hidden units and 768 for images."""

    sigmas: tuple = geoclip.RELEASED_SIGMAS + geoclip.FINE_SIGMAS
    frequencies: int = 64
    hidden: int = 64
    image_hidden: int = 256

    def __post_init__(self):
        if not self.sigmas:
            raise ValueError("sigmas must be one or more numbers above 0, there is none")
        for sigma in self.sigmas:
            checks.number("sigmas", sigma, above=0)
        for name in ("frequencies", "hidden", "image_hidden"):
            checks.count(name, getattr(self, name))


@dataclass(frozen=True)
class Towers:
    """What turns photos and places into vectors.

    location: what reads a place where the method leaves it open; train_backbone: the visual part of the open_clip tower
    (tower, weights) is trained too, instead of a head on its frozen features; released: folder of GeoCLIP's weights,
    from which methods of capsules start, none for ''; the captions are for location 'text'; standardise: frozen
    features are standardised on the photos that train, as those of ImageNet towers must be.
    """

    location: str = "fourier"
    size: int = 128  # dimensions in which photos and places meet
    temperature: float = 0.07  # at the start
    learn_temperature: bool = True
    train_backbone: bool = False
    capsules: Capsules = Capsules()
    released: str = ""
    caption_parts: tuple = ("street", "city", "country", "coordinates")
    caption_decimals: int = 5  # of the degrees in a caption
    context_length: int = 48  # tokens of a caption that are read; fewer are faster
    tower: str = ""
    weights: str = ""
    standardise: bool = False

    def __post_init__(self):
        one_of("location", self.location, LOCATIONS)
        checks.count("size", self.size)
        checks.number("temperature", self.temperature, above=0)


@dataclass(frozen=True)
class Course:
    """How long and how fast: AdamW with warm-up and cosine decay.

    neighbours: of every photo's nearest photos, how many may join it in a batch; 0 for random batches. queue: how many
    photos of earlier steps lend their places as further negatives, for methods that take them. refit_every: steps after
    which guided negatives are guided by the embeddings of now and a curve fitted to them; 0: by the frozen features.
    """

    steps: int = 300
    batch_size: int = 256
    warmup_steps: int = 20
    evaluate_every: int = 15  # steps between two looks at the validation photos
    checkpoint_every: int = 100
    neighbours: int = 0
    queue: int = 512
    refit_every: int = 0

    def __post_init__(self):
        for name in ("warmup_steps", "neighbours", "queue", "refit_every"):
            checks.count(name, getattr(self, name), least=0)
        for name in ("steps", "evaluate_every", "checkpoint_every"):
            checks.count(name, getattr(self, name))
        checks.count("batch_size", self.batch_size, least=2, way_out="a photo alone has no other place to be told from")
        if self.refit_every and self.checkpoint_every % self.refit_every:
            raise ValueError(
                f"checkpoint_every {self.checkpoint_every} must be a multiple of refit_every {self.refit_every}: a "
                "training that was interrupted goes on with the curve it had"
            )


@dataclass(frozen=True)
class Recipe:
    """One training but for its data and seed. city_given: only places of the photo's own city compete."""

    method: str
    split: str
    tuned: Tuned = Tuned()
    loss: Loss = Loss()
    towers: Towers = Towers()
    course: Course = Course()
    city_given: bool = False

    def __post_init__(self):
        capsules, loss = self.row.tower == "capsules", self.loss
        if self.row.place != "tower" and self.towers.train_backbone:
            raise ValueError(f"train_backbone is for methods with a location tower, not for {self.method}")
        if capsules and self.towers.released and self.towers.train_backbone:
            raise ValueError(f"released weights of {self.method} read frozen features: leave out one of the two")
        if capsules and (loss.neighbourhood_weight or loss.fairness_weight or not loss.image_to_location):
            raise ValueError(f"{self.method} has no regularisers and only the direction from image to location")

    @property
    def row(self):
        """The row of methods.METHODS."""
        return methods.get(self.method)

    @property
    def location(self):
        """What reads a place: the method's own tower, or the one that is asked for."""
        return self.row.tower or self.towers.location

    @property
    def kernel(self):
        """The kernel of spatial targets: the method's own, or the one that is asked for."""
        return self.row.kernel or self.loss.kernel

    @property
    def queue(self):
        """How many photos of earlier steps lend their places: only capsules take them."""
        return self.course.queue if self.row.tower == "capsules" else 0

    @property
    def reads_words(self):
        """Whether a location tower reads captions."""
        return self.row.place == "tower" and self.location == "text"


# ---- making one ------------------------------------------------------------------------------------------------------
def recipe(method, split, trials, *, asked=None, loss=Loss(), towers=Towers(), course=Course(), city_given=False):
    """The Recipe of a method on a split: what trials chose, unless another value is asked for; see tuned.

    In unseen_city a method that can name places of the city searches in it alone; one that names training places has
    none there.
    """
    values = Tuned(**tuned(method, split, trials, asked or {}))
    alone = split == "unseen_city" and methods.get(method).place != "photo"
    return Recipe(method, split, values, loss, towers, course, city_given or alone)


def of_page(parameters, tower, pilots):
    """{split: Recipe} of a page with parameters method, splits, trials (a file), Tuned's, loss, towers and course.

    tower, pilots: parameters of the pages that made the features (tower, weights) and the pilots' curves (max_lag_m,
    lag_count). A value of Tuned's that is missing or below 0 is the one that trials chose; loss, towers and course name
    what differs from Loss, Towers and Course.
    """
    lags = {name: pilots[name] for name in ("max_lag_m", "lag_count")}
    base = {name: tower[name] for name in ("tower", "weights")}
    base["standardise"] = imagenet.is_one(tower["tower"])
    given = {
        "asked": {name: parameters[name] for name in names_of(Tuned) if name in parameters},
        "loss": filled(Loss, lags | parameters["loss"]),
        "towers": filled(Towers, base | parameters["towers"]),
        "course": filled(Course, parameters["course"]),
    }
    method, trials = parameters["method"], parameters["trials"]
    tried = pd.read_csv(files.ROOT / trials) if trials else None
    if not parameters["splits"]:
        raise ValueError(f"{method}: splits names none, it must name at least 1")
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


def from_dict(found):
    """The Recipe that dataclasses.asdict wrote down, perhaps through JSON."""
    return filled(Recipe, found, Recipe(found["method"], found["split"]))


def names_of(kind):
    """The names of a dataclass's values."""
    return [field.name for field in dataclasses.fields(kind)]


def table(recipes):
    """Recipes (name -> Recipe) side by side: what is tuned, and what else differs from the defaults of this file.

    Without the base tower, which is that of page 02.
    """
    rows = {name: dataclasses.asdict(made.tuned) | {
        f"{part}: {key}": value
        for part in ("loss", "towers", "course") for key, value in dataclasses.asdict(getattr(made, part)).items()
        if value != dataclasses.asdict(getattr(Recipe("clip", ""), part))[key] and key not in ("tower", "weights")
    } for name, made in recipes.items()}  # fmt: skip
    return pd.DataFrame(rows).rename_axis(columns=" / ".join(dict.fromkeys(made.method for made in recipes.values())))


# ---- trials ----------------------------------------------------------------------------------------------------------
def tuned(name, split, trials, asked):
    """What a method runs with on a split: the values of Tuned, name -> value.

    trials: table with columns method, split, validation_error_m and the values, None without; of the method's rows of
    this split the one with the smallest error counts, the defaults for splits that the table does not know. A row that
    is like another has that one's best values of what it does not tune itself; what both tune each has from trials of
    its own, so that whole recipes are compared, not the rule alone. asked: name -> value, goes before the trials unless
    it is below 0. ValueError where the table knows the split and not the method on it, and for a value that is no
    finite number.
    """
    for parameter, value in asked.items():
        checks.number(parameter, value, way_out="a number below 0 takes the value that the trials chose")
    known = dataclasses.asdict(Tuned()) if trials is None else best_of(name, split, trials)
    return known | {parameter: value for parameter, value in asked.items() if value >= 0}


def best_of(name, split, trials):
    """The values of Tuned that trials chose for a method on a split, see tuned."""
    like = methods.get(name).like
    known = best_of(like, split, trials) if like else dataclasses.asdict(Tuned())
    own = trials[(trials.method == name) & (trials.split == split) & trials.validation_error_m.notna()]
    if not len(own) and (trials.split == split).any():
        raise ValueError(f"the trials of split {split} have none of {name}: make them, or name another table of trials")
    best = own.loc[own.validation_error_m.idxmin()] if len(own) else {}
    return known | {parameter: float(best[parameter]) for parameter in methods.get(name).tuned if parameter in best}


def best_trials(trials):
    """Each method's best trial on each split, how many there were, and which values ended at an end of the grid.

    A value at an end says that a wider search might do better, for this method and for the others.
    """
    each = trials.groupby(["split", "method"], sort=False)
    best = trials.loc[each.validation_error_m.idxmin()].set_index(["split", "method"])
    known = [parameter for parameter in names_of(Tuned) if parameter in trials]
    ends = each[known].agg(["min", "max"])
    at_end = [
        ", ".join(p for p in known if ends.loc[name, p]["min"] < ends.loc[name, p]["max"]
                  and best.loc[name, p] in tuple(ends.loc[name, p]))
        for name in best.index
    ]  # fmt: skip
    best = best.assign(trials=each.size(), at_an_end=at_end)
    return best.sort_values("validation_error_m").sort_index(level="split", sort_remaining=False, kind="stable")
