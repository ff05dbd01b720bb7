"""Training: one loop for every method, interruptible at any moment, choosing on validation.

Arrays in, arrays out: neither the catalogue nor geopandas is needed here, so that a bare GPU machine can train.
"""

import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tqdm import tqdm

from geonb import checks
from geonb.earth import seeds, sphere
from geonb.learning import decoding, encoders, methods
from geonb.splitting import batches

CURVE = {
    "step": "training step [count]",
    "loss": "training loss of the step [nat]",
    "validation_error_m": "geometric mean error of the validation photos [m]; missing between evaluations",
}


@dataclass(frozen=True)
class Settings:
    """How long and how fast: AdamW with warm-up and cosine decay.

    neighbours: of every photo's nearest photos, how many may join it in a batch; 0 for random batches. queue: how many
    photos of earlier steps lend their places as further negatives, for methods that take them. refit_every: steps after
    which guided negatives are guided by the embeddings of now and a curve fitted to them; 0: by the frozen features.
    """

    steps: int
    batch_size: int
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_steps: int = 20
    evaluate_every: int = 50
    checkpoint_every: int = 100
    neighbours: int = 0
    queue: int = 0
    refit_every: int = 0

    def __post_init__(self):
        for name in ("warmup_steps", "neighbours", "queue", "refit_every"):
            checks.count(name, getattr(self, name), least=0)
        for name in ("steps", "evaluate_every", "checkpoint_every"):
            checks.count(name, getattr(self, name))
        checks.count("batch_size", self.batch_size, least=2, way_out="a photo alone has no other place to be told from")
        checks.number("learning_rate", self.learning_rate, above=0)
        checks.number("weight_decay", self.weight_decay, least=0)
        if self.refit_every and self.checkpoint_every % self.refit_every:
            raise ValueError(
                f"checkpoint_every {self.checkpoint_every} must be a multiple of refit_every {self.refit_every}: a "
                "training that was interrupted goes on with the curve it had"
            )


@dataclass(frozen=True)
class Places:
    """Positions (n, 2) with their city (n,) and what a location tower reads of them, (n, ...).

    codes: street, district, city, country as whole numbers (n,), -1 where unknown; only trainings look at them.
    """

    inputs: torch.Tensor
    lat_lon_deg: np.ndarray
    city: np.ndarray
    codes: dict = field(default_factory=dict)

    @classmethod
    def of(cls, table, inputs, codes=None):
        """The places of a table with columns lat_deg, lon_deg and city."""
        return cls(inputs, table[["lat_deg", "lon_deg"]].to_numpy(), table.city.to_numpy(dtype=object), codes or {})

    def __len__(self):
        return len(self.city)

    def __getitem__(self, chosen):
        codes = {level: code[chosen] for level, code in self.codes.items()}
        return Places(self.inputs[chosen], self.lat_lon_deg[chosen], self.city[chosen], codes)


@dataclass(frozen=True)
class Run:
    """What one training leaves: its curve, the best step, and for the test photos the gallery place and embedding.

    towers: the trained ones, at the best step.
    """

    curve: pd.DataFrame
    best_step: int
    chosen: np.ndarray
    similarity: np.ndarray
    embeddings: np.ndarray
    towers: torch.nn.Module


def fit(
    images, places, parts, gallery, *, build, objective, bandwidths, settings, seed, folder, label, city_known=False,
    refit=None,
):  # fmt: skip
    """Train two towers on the photos of part 'train' and locate those of part 'test': a Run.

    images: indexable, images[indices] is a tensor for the image tower; places: Places of the same n photos; parts (n,);
    gallery: Places to choose among; build: positions of the training places -> encoders.TwoTowers; objective: (image,
    location, scale, methods.Batch) -> loss; bandwidths: Places of training -> bandwidth (n,) of each [m]; city_known:
    only places of the photo's own city compete; refit: embeddings (n, d) of the training photos -> negatives.Guide, for
    settings.refit_every. Checkpoints and the chosen model lie in `folder`.
    ValueError when a part is empty or features are not finite.
    """
    if settings.refit_every and refit is None:
        raise ValueError(f"{label}: refit_every {settings.refit_every} needs refit, which fits the curve again")
    train, validation, test = (np.flatnonzero(parts == part) for part in ("train", "validation", "test"))
    for part, members in (("train", train), ("validation", validation), ("test", test)):
        if not len(members):
            raise ValueError(f"{label}: no photo is in part {part!r}: change the shares or the split")
    where = encoders.device()
    train_places = places[train]
    seeds.seed_torch(seed, "towers")  # every method starts from the same weights
    towers = build(train_places.lat_lon_deg).to(where)

    def validate():
        return validation_error_m(towers, images, places, validation, gallery, city_known)

    seen = images[train] if torch.is_tensor(images) else None
    meet = Meetings(train_places, bandwidths(train_places), where, seen, refit)
    curve, best_step = optimise(
        towers, images, train, train_places, meet, objective, validate, settings, seed, Path(folder), label
    )
    embeddings = embed_images(towers, images, test)
    chosen, similarity = locate(
        embeddings, places.city[test], embed_places(towers, gallery), gallery.city, city_known, towers.similarity
    )
    return Run(curve, best_step, chosen, similarity, embeddings, towers)


class Meetings:
    """What a loss may know of the photos that meet in a step: meet(batch) -> methods.Batch."""

    def __init__(self, places, bandwidth_m, where, features=None, fitted_again=None):
        self.fitted_again, self.guide = fitted_again, ()
        self.features = None if features is None else features.to(where)
        middles = {city: sphere.centre(places.lat_lon_deg[places.city == city]) for city in np.unique(places.city)}
        position_m = sphere.to_local_m(places.lat_lon_deg, np.array([middles[city] for city in places.city]))
        self.xyz_m = [torch.from_numpy(part).to(where) for part in sphere.split_xyz_m(places.lat_lon_deg)]
        self.bandwidth_m = torch.from_numpy(np.float32(bandwidth_m)).to(where)
        self.position_m = torch.from_numpy(np.float32(position_m)).to(where)
        self.codes = {level: torch.from_numpy(np.int64(code)).to(where) for level, code in places.codes.items()}
        self.districts = district_count(places)

    def refit(self, embeddings):
        """From now on photos are as alike as their embeddings (n, d), and the curve that fits these guides."""
        self.features = torch.from_numpy(embeddings).to(self.bandwidth_m.device)
        self.guide = self.fitted_again(embeddings)

    def __call__(self, batch, photos=None):
        """batch: indices of those whose places meet; photos: how many, from the first, are photos of the step."""
        codes = {level: code[batch] for level, code in self.codes.items()}
        points = tuple(part[batch] for part in self.xyz_m)
        features = None if self.features is None else self.features[batch]
        about = points, self.bandwidth_m[batch], self.position_m[batch], codes, features, photos
        return methods.Batch(*about, self.guide, self.districts)


def district_count(places):
    """How many districts the Places are known to lie in."""
    codes = np.asarray(places.codes.get("district", ()))
    return len(np.unique(codes[codes >= 0]))


def optimise(towers, images, train, train_places, meet, objective, validate, settings, seed, folder, label):
    """The loop. Leaves the towers at the step with the smallest validation error; returns (curve, that step)."""
    where = next(towers.parameters()).device
    optimizer = torch.optim.AdamW(
        [p for p in towers.parameters() if p.requires_grad], weight_decay=settings.weight_decay, fused=True
    )
    state = resume(folder, towers, optimizer) or {
        "step": 0,
        "best_step": 0,
        "best_error_m": math.inf,
        "best": {},
        "rows": [],
    }
    if state["step"]:
        print(f"{label}: resumed at step {state['step']}")
    draw = batches.drawer(train_places.lat_lon_deg, settings.batch_size, neighbours=settings.neighbours, seed=seed)
    told = time.monotonic()
    for step in tqdm(
        range(state["step"], settings.steps), desc=label, initial=state["step"], total=settings.steps, **QUIET
    ):
        if step and settings.refit_every and step % settings.refit_every == 0:
            meet.refit(embed_images(towers, images, train))
        batch = draw(step)
        met = np.concatenate([batch, batches.queued(draw, step, settings.queue)]) if settings.queue else batch
        inputs = images[train[batch]].to(where), train_places.inputs[met].to(where)
        loss = one_step(towers, optimizer, *inputs, objective, meet(met, len(batch)), settings, step)
        done = step + 1
        due = done % settings.evaluate_every == 0 or done == settings.steps
        error_m = validate() if due else math.nan
        state["step"] = done
        state["rows"].append((done, loss, error_m))
        if error_m < state["best_error_m"]:
            best = {name: value.detach().cpu().clone() for name, value in towers.state_dict().items()}
            state |= {"best_step": done, "best_error_m": error_m, "best": best}
        if done % settings.checkpoint_every == 0 or done == settings.steps:
            save_checkpoint(folder, towers, optimizer, state)
        if due and time.monotonic() - told > 1:
            told = time.monotonic()
            print(f"{label}: step {done}/{settings.steps} loss {loss:.3f}, validation error {error_m:.0f} m")
    towers.load_state_dict(state["best"])
    return pd.DataFrame(state["rows"], columns=list(CURVE)), state["best_step"]


# in a log one line per half minute is enough; a published page shows no bar
QUIET = {
    "file": sys.stdout,
    "mininterval": 0.5 if sys.stdout.isatty() else 30,
    "leave": False,
    "disable": not sys.stdout.isatty(),
}


def one_step(towers, optimizer, image_inputs, location_inputs, objective, batch, settings, step):
    """One step of AdamW; returns the loss. ValueError when it is not finite."""
    towers.train()
    for group in optimizer.param_groups:
        group["lr"] = learning_rate_at(step, settings)
    where = image_inputs.device.type
    with torch.autocast(where, torch.bfloat16, enabled=where == "cuda"):
        image, location = towers.image(image_inputs), towers.location(location_inputs)
    loss = objective(image, location, towers.scale(), batch)
    if not torch.isfinite(loss):
        raise ValueError(
            f"the loss is {loss.item()} at step {step}: are all features finite, is learning_rate too large?"
        )
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def learning_rate_at(step, settings):
    """Linear warm-up, then half a cosine down to 0 (Loshchilov and Hutter 2017)."""
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    rest = (step - settings.warmup_steps) / max(settings.steps - settings.warmup_steps, 1)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * rest))


# ---- measuring -------------------------------------------------------------------------------------------------------
@torch.inference_mode()
def embed_images(towers, images, indices, batch_size=1024):
    """Unit vectors (n, d) float32 of photos."""
    towers.eval()
    where = next(towers.parameters()).device
    parts = [indices[first : first + batch_size] for first in range(0, len(indices), batch_size)]
    return torch.cat([towers.image(images[part].to(where)).float().cpu() for part in parts]).numpy()


@torch.inference_mode()
def embed_places(towers, places, batch_size=4096):
    """Unit vectors (n, d) float32 of places."""
    towers.eval()
    where = next(towers.parameters()).device
    return torch.cat(
        [towers.location(part.to(where)).float().cpu() for part in places.inputs.split(batch_size)]
    ).numpy()


def locate(embeddings, city, gallery_embeddings, gallery_city, city_known, similarity_of=None):
    """Index (n,) of the most similar place of the gallery and its similarity; of the own city only when it is known.

    similarity_of: (photos (n, d), places (m, d)) -> (n, m); None for the inner product.
    """
    if not city_known:
        return decoding.most_similar(embeddings, gallery_embeddings, similarity_of)
    chosen, similarity = np.empty(len(embeddings), int), np.empty(len(embeddings), np.float32)
    for name in np.unique(city):
        here, there = np.flatnonzero(city == name), np.flatnonzero(gallery_city == name)
        if not len(there):
            raise ValueError(f"the gallery has no place in {name}")
        best, similarity[here] = decoding.most_similar(embeddings[here], gallery_embeddings[there], similarity_of)
        chosen[here] = there[best]
    return chosen, similarity


def validation_error_m(towers, images, places, validation, gallery, city_known):
    """Geometric mean error of the validation photos in metres: unlike the median it feels every photo."""
    embeddings = embed_images(towers, images, validation)
    chosen, _ = locate(
        embeddings, places.city[validation], embed_places(towers, gallery), gallery.city, city_known, towers.similarity
    )
    error_m = sphere.distance_m(places.lat_lon_deg[validation], gallery.lat_lon_deg[chosen])
    return float(np.exp(np.log1p(error_m).mean()) - 1)


# ---- checkpoints -----------------------------------------------------------------------------------------------------
def save_checkpoint(folder, towers, optimizer, state, write=save_file):
    """Write everything that a training needs to go on into one file, whole or not at all.

    A failed write (a full disk) leaves the previous checkpoint and raises OSError with the way out.
    """
    tensors = {f"model.{name}": value for name, value in towers.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in state["best"].items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
    tensors |= {f"random.{name}": value for name, value in random_states().items()}
    metadata = {"state": json.dumps({k: v for k, v in state.items() if k != "best"})}
    path = Path(folder) / "checkpoint.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        write(
            {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()},
            partial,
            metadata=metadata,
        )
        partial.replace(path)
    except Exception as error:
        raise OSError(
            f"could not write the checkpoint of step {state['step']} to {path} ({error}): make room, then start again; "
            "the training goes on from the previous checkpoint"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def resume(folder, towers, optimizer):
    """Bring towers, optimizer and random numbers to the last checkpoint; its state, or None when there is none."""
    path = Path(folder) / "checkpoint.safetensors"
    if not path.exists():
        return None
    groups = {"model": {}, "best": {}, "random": {}, "optimizer": {}}
    with safe_open(path, "pt") as stored:
        state = json.loads(stored.metadata()["state"])
        for name in stored.keys():  # noqa: SIM118  not a dict
            group, key = name.split(".", 1)
            groups[group][key] = stored.get_tensor(name)
    towers.load_state_dict(groups["model"])
    moments = {}
    for key, value in groups["optimizer"].items():
        index, name = key.split(".")
        moments.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    torch.set_rng_state(groups["random"]["cpu"])
    if "cuda" in groups["random"] and torch.cuda.is_available():
        torch.cuda.set_rng_state(groups["random"]["cuda"])
    return state | {"best": groups["best"], "rows": [tuple(row) for row in state["rows"]]}


def random_states():
    """The states of torch's generators, as tensors."""
    states = {"cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else {})


# ---- many trainings --------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Plan:
    """How a split is trained, each as its own validation photos chose; see fit for the first three."""

    build: Callable
    objective: Callable
    bandwidths: Callable
    settings: Settings


def fit_all(images, places, parts, galleries, plans, *, seeds, folder, method):
    """Train once for each split and seed: {(split, seed): Run}.

    parts: split -> (n,) part of each photo; galleries: split -> Places; plans: split -> Plan. See fit for the rest. In
    unseen_city a method that can name places of the city searches in it alone; one that names training places has none
    there. ValueError without a split or a seed.
    """
    if not (len(parts) and len(seeds)):
        raise ValueError(f"{method}: splits names {len(parts)} and seed_count {len(seeds)}, each must be at least 1")
    return {
        (split, seed): fit(
            images, places, parts[split], galleries[split], build=plans[split].build,
            objective=plans[split].objective, bandwidths=plans[split].bandwidths, settings=plans[split].settings,
            seed=seed, folder=Path(folder) / f"{split}-{seed}", label=f"{method} {split} seed {seed}",
            city_known=split == "unseen_city" and methods.get(method).place != "photo",
        )
        for split in parts for seed in seeds
    }  # fmt: skip


def still_improving(curve, share=0.02):
    """Whether the best validation error of the last fifth of the steps is 2 % or more below the best before it."""
    measured = curve.dropna(subset="validation_error_m")
    late = measured.step > 0.8 * curve.step.max()
    if late.all() or not late.any():
        return True
    before, after = measured.validation_error_m[~late].min(), measured.validation_error_m[late].min()
    return bool(after < (1 - share) * before)


def summary(runs):
    """One row per training: split, seed, best step, its validation error, whether it was still improving."""
    return pd.DataFrame(
        {
            "split": split,
            "seed": seed,
            "best_step": run.best_step,
            "validation_error_m": run.curve.validation_error_m.min(),
            "still_improving": still_improving(run.curve),
        }
        for (split, seed), run in runs.items()
    )


def curves(runs):
    """All curves as one table: split, seed, and the columns CURVE."""
    return pd.concat(
        [run.curve.assign(split=split, seed=seed) for (split, seed), run in runs.items()], ignore_index=True
    )


def predictions(runs, photos, parts, gallery_tables):
    """All located test photos as one table: split, seed, similarity, and the columns of decoding.predictions."""
    found = []
    for (split, seed), run in runs.items():
        table = decoding.predictions(photos[parts[split] == "test"], gallery_tables[split], run.chosen)
        found.append(table.assign(split=split, seed=seed, similarity=run.similarity.astype(float)))
    return pd.concat(found, ignore_index=True)


def embeddings(runs, photos, parts, seed):
    """Embeddings of the test photos after the trainings with one seed: split, photo_id, embedding."""
    found = [
        pd.DataFrame({"split": split, "photo_id": photos.photo_id[parts[split] == "test"]}).assign(
            embedding=list(run.embeddings)
        )
        for (split, of_seed), run in runs.items()
        if of_seed == seed
    ]
    return pd.concat(found, ignore_index=True)


def answer(summary):
    """Whether trainings converged, in one sentence."""
    late = int(summary.still_improving.sum())
    if late:
        return f"{late} of {len(summary)} trainings were still improving in their last fifth: compare with care."
    steps = f"{summary.best_step.min()} to {summary.best_step.max()}"
    return f"All {len(summary)} trainings converged; validation chose steps {steps}."
