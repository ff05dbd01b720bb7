"""Training: one loop for every method, interruptible at any moment, choosing on validation.

Neither the catalogue nor geopandas is needed here, so that a bare GPU machine can train.
"""

import dataclasses
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from geonb import checks, files, random_streams
from geonb.earth import sphere
from geonb.learning import decoding, methods, recipes, trainable_towers, training_arrays
from geonb.learning.pretrained_towers import device
from geonb.splitting import batches

WARMUP_STEPS = 20
ABOUT = {"split": "how test photos are kept away", "seed": "seed of the training"}
CURVE = {
    "step": "training step [count]",
    "loss": "training loss of the step [nat]",
    "validation_error_m": "geometric mean error of the validation photos [m]; missing between evaluations",
}
RUNS = ABOUT | {
    "best_step": "step that validation chose [count]",
    "validation_error_m": "geometric mean error of the validation photos there [m]",
    "still_improving": "whether the last fifth of the steps improved validation by 2 % or more: not converged",
    "checkpoint": "where the trained towers lie on the machine that trained them, in the repository",
}
PREDICTIONS = decoding.PREDICTED | ABOUT | {"similarity": "cosine of photo and chosen place [-]"}
EMBEDDINGS = {
    "split": ABOUT["split"],
    "photo_id": "test photo",
    "embedding": "unit vector of the image tower after the training with the first seed [-]",
}
TABLES = {"runs": RUNS, "curves": CURVE | ABOUT, "predictions": PREDICTIONS, "embeddings": EMBEDDINGS}


@dataclass(frozen=True)
class Run:
    """What one training leaves: its curve, the best step and its towers, the checkpoint's file, and for the test photos
    the gallery places that they chose (n,), their similarity, and embeddings (n, d). name: of the recipe.
    """

    name: str
    recipe: recipes.Recipe
    seed: int
    curve: pd.DataFrame
    best_step: int
    chosen: np.ndarray
    similarity: np.ndarray
    embeddings: np.ndarray
    towers: torch.nn.Module
    checkpoint: Path


def fit(recipe, data, seed, folder, name=""):
    """Train the towers of a Recipe on part 'train' of training_arrays.Data, locate 'test': a Run, named for messages.

    An interrupted training goes on from `folder`. ValueError when a part is empty or features are not finite.
    """
    given, label = training_arrays.read(recipe, data), f"{recipe.method} {name or recipe.split} seed {seed}"
    for part in ("train", "validation", "test"):
        if not len(given.members(part)):
            raise ValueError(f"{label}: no photo is in part {part!r}: change the shares or the split")
    random_streams.seed_torch(seed, "towers")  # every method starts from the same weights
    towers = trainable_towers.build(recipe, given).to(device())
    checkpoint = Path(folder) / "checkpoint.safetensors"
    curve, best_step = optimise(towers, recipe, data, given, seed, checkpoint, label)
    located = locate(towers, given, "test", recipe.city_given)
    return Run(name or recipe.split, recipe, seed, curve, best_step, *located, towers, checkpoint)


def fit_all(named, data, seeds, folder_of):
    """A list of Run: some recipes, name -> Recipe, each with each seed; folder_of: Recipe -> folder of checkpoints."""
    checks.count("seed_count", len(seeds))
    return [fit(recipe, data, seed, folder_of(recipe) / f"seed-{seed}", name)
            for name, recipe in named.items() for seed in seeds]  # fmt: skip


def optimise(towers, recipe, data, given, seed, checkpoint, label):
    """The loop. Leaves the towers at the step with the smallest validation error; returns (curve, that step)."""
    course, train = recipe.course, given.members("train")
    images, places = given.images[train], given.photos[train]
    all_photos = training_arrays.all_that_train(recipe, data, given, device())
    trained = [p for p in towers.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, weight_decay=recipe.tuned.weight_decay, fused=True)
    fresh = {"step": 0, "best_step": 0, "best_error_m": math.inf, "best": {}, "rows": []}
    state = resume(checkpoint, towers, optimizer) or fresh
    begun = f"{sum(p.numel() for p in trained):,} trained parameters, {len(train):,} photos"
    print(f"{label}:", f"resumed at step {state['step']}" if state["step"] else begun)
    draw = batches.drawer(places.lat_lon_deg, course.batch_size, neighbours=course.neighbours, seed=seed)
    queue = course.queue if recipe.row.tower == "capsules" else 0
    for step in range(state["step"], course.steps):
        if step and course.refit_every and step % course.refit_every == 0:
            embeddings = embed(towers.image, images)
            all_photos.features = torch.from_numpy(embeddings).to(device())
            all_photos.guide = training_arrays.guide(recipe, embeddings, places, data.fitted, again=True)
        batch = draw(step)
        met = np.concatenate([batch, batches.queued(draw, step, queue)]) if queue else batch
        loss = one_step(towers, optimizer, images[batch], places.inputs[met], all_photos.of(met, len(batch)), step)
        done = step + 1
        due = done % course.evaluate_every == 0 or done == course.steps
        error_m = validation_error_m(towers, given, recipe.city_given) if due else math.nan
        note(state, towers, done, loss, error_m)
        if done % course.checkpoint_every == 0 or done == course.steps:
            save_checkpoint(checkpoint, recipe, towers, optimizer, state)
            print(f"{label}: step {done}/{course.steps}, best validation error {state['best_error_m']:.0f} m")
    towers.load_state_dict(state["best"])
    return pd.DataFrame(state["rows"], columns=list(CURVE)), state["best_step"]


def note(state, towers, done, loss, error_m):
    """Note in the state of a training that a step is done, and the towers where no step before was as good."""
    state["step"] = done
    state["rows"].append((done, loss, error_m))
    if error_m < state["best_error_m"]:
        best = {name: value.detach().cpu().clone() for name, value in towers.state_dict().items()}
        state |= {"best_step": done, "best_error_m": error_m, "best": best}


def one_step(towers, optimizer, image_inputs, location_inputs, batch, step):
    """One step of AdamW; returns the loss. ValueError when it is not finite."""
    towers.train()
    for group in optimizer.param_groups:
        group["lr"] = learning_rate_at(step, batch.recipe)
    where = next(towers.parameters()).device
    with torch.autocast(where.type, torch.bfloat16, enabled=where.type == "cuda"):
        image, location = towers.image(image_inputs.to(where)), towers.location(location_inputs.to(where))
    loss = methods.total_loss(image, location, towers.scale(), batch)
    if not torch.isfinite(loss):
        raise ValueError(f"the loss is {loss.item()} at step {step}: are all features finite, learning_rate too large?")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def learning_rate_at(step, recipe):
    """Linear warm-up, then half a cosine down to 0 (Loshchilov and Hutter 2017)."""
    if step < WARMUP_STEPS:
        return recipe.tuned.learning_rate * (step + 1) / WARMUP_STEPS
    rest = (step - WARMUP_STEPS) / max(recipe.course.steps - WARMUP_STEPS, 1)
    return recipe.tuned.learning_rate * 0.5 * (1 + math.cos(math.pi * rest))


@torch.inference_mode()
def embed(tower, inputs, chunk=1024):
    """Vectors (n, d) float32 that an image or a location tower makes of its inputs (n, ...)."""
    tower.eval()
    return torch.cat([tower(part.to(device())).float().cpu() for part in inputs.split(chunk)]).numpy()


def embed_places(towers, places):
    """Vectors (m, d) float32 of training_arrays.Places."""
    return embed(towers.location, places.inputs, 4096)


def locate(towers, given, part, city_given):
    """(index (n,) into the gallery, its similarity (n,), embedding (n, d)) of a part of training_arrays.Inputs."""
    embeddings, vectors = embed(towers.image, given.images[given.members(part)]), embed_places(towers, given.gallery)
    cities = (given.photos.city[given.part == part], given.gallery.city) if city_given else None
    return *decoding.most_similar(embeddings, vectors, towers.similarity, cities=cities), embeddings


def validation_error_m(towers, given, city_given):
    """Geometric mean error of the validation photos in metres: unlike the median it feels every photo."""
    chosen = locate(towers, given, "validation", city_given)[0]
    at = given.photos.lat_lon_deg[given.part == "validation"]
    error_m = sphere.distance_m(at, given.gallery.lat_lon_deg[chosen])
    return float(np.exp(np.log1p(error_m).mean()) - 1)


def decoded(run, data, ways):
    """decoding.chosen_ways of a Run for the test photos; photo: the index into those of training_arrays.Data."""
    given, scale = training_arrays.read(run.recipe, data), run.towers.scale().item()
    vectors, sides = embed_places(run.towers, given.gallery), []
    for own in (given.members("validation"), given.members("test")):
        similarity = run.towers.similarity(embed(run.towers.image, given.images[own]), vectors)
        if run.recipe.city_given:
            similarity = np.where(given.photos.city[own][:, None] == given.gallery.city, similarity, -np.inf)
        sides += [similarity, given.photos.lat_lon_deg[own]]
    found = decoding.chosen_ways(ways, *sides, scale, given.gallery.lat_lon_deg)
    return found.assign(photo=given.members("test")[found.photo])


def save_checkpoint(path, recipe, towers, optimizer, state):
    """Write everything that a training needs to go on into one file, whole or not at all: OSError with the way out."""
    moments = {f"{index}.{name}": value for index, named in optimizer.state_dict()["state"].items()
               for name, value in named.items()}  # fmt: skip
    random = {"cpu": torch.get_rng_state()} | ({"cuda": torch.cuda.get_rng_state()} if device().type == "cuda" else {})
    groups = {"model": towers.state_dict(), "best": state["best"], "optimizer": moments, "random": random}
    tensors = {f"{group}.{name}": value.detach().cpu().contiguous().clone()
               for group, named in groups.items() for name, value in named.items()}  # fmt: skip
    told = {"state": {k: v for k, v in state.items() if k != "best"}, "recipe": dataclasses.asdict(recipe)}
    metadata = {name: json.dumps(value) for name, value in told.items()}
    try:
        files.write_whole(path, lambda partial: save_file(tensors, partial, metadata=metadata))
    except Exception as error:
        raise OSError(
            f"could not write the checkpoint of step {state['step']} to {path} ({error}): make room, then start again; "
            "the training goes on from the previous checkpoint"
        ) from error


def stored(path):
    """What a checkpoint's file holds: (its metadata, group -> name -> tensor)."""
    groups = {"model": {}, "best": {}, "random": {}, "optimizer": {}}
    with safe_open(path, "pt") as file:
        for name in file.keys():  # noqa: SIM118  not a dict
            group, key = name.split(".", 1)
            groups[group][key] = file.get_tensor(name)
        return {name: json.loads(text) for name, text in file.metadata().items()}, groups


def resume(path, towers, optimizer):
    """Bring towers, optimizer and random numbers to the last checkpoint; its state, or None when there is none."""
    if not path.exists():
        return None
    metadata, groups = stored(path)
    towers.load_state_dict(groups["model"])
    moments = {}
    for key, value in groups["optimizer"].items():
        index, name = key.split(".")
        moments.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    torch.set_rng_state(groups["random"]["cpu"])
    if "cuda" in groups["random"] and device().type == "cuda":
        torch.cuda.set_rng_state(groups["random"]["cuda"])
    return metadata["state"] | {"best": groups["best"]}


def read_back(checkpoint, data):
    """(Recipe, towers at the step that validation chose) of the training that left a checkpoint, see RUNS.

    FileNotFoundError where it is not on this machine.
    """
    path = files.ROOT / checkpoint
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no checkpoint {checkpoint} on this machine: published tables hold no weights, train here first"
        )
    metadata, groups = stored(path)
    asked = metadata["recipe"]
    recipe = recipes.changed(recipes.Recipe(asked["method"], asked["split"]), asked)
    towers = trainable_towers.build(recipe, training_arrays.read(recipe, data))
    towers.load_state_dict(groups["best"])
    return recipe, towers.to(device()).eval()


def still_improving(curve, share=0.02):
    """Whether the best validation error of the last fifth of the steps is 2 % or more below the best before it."""
    measured = curve.dropna(subset="validation_error_m")
    late = measured.step > 0.8 * curve.step.max()
    if late.all() or not late.any():
        return True
    before, after = measured.validation_error_m[~late].min(), measured.validation_error_m[late].min()
    return bool(after < (1 - share) * before)


def predictions(runs, data):
    """All located test photos as one table: decoding.PREDICTED, split, seed, similarity, name of the run."""
    found = []
    for run in runs:
        given = training_arrays.read(run.recipe, data)
        table = decoding.predictions(data.photos.iloc[given.members("test")], given.gallery.table, run.chosen)
        found.append(table.assign(**about(run), similarity=run.similarity.astype(float), name=run.name))
    return pd.concat(found, ignore_index=True)


def about(run):
    """The columns ABOUT of a Run."""
    return {"split": run.recipe.split, "seed": run.seed}


def summary(runs):
    """One row (columns RUNS) per Run."""
    return pd.DataFrame(
        about(run) | {
            "best_step": run.best_step, "validation_error_m": run.curve.validation_error_m.min(),
            "still_improving": still_improving(run.curve), "checkpoint": os.path.relpath(run.checkpoint, files.ROOT),
        }
        for run in runs
    )  # fmt: skip


def tables(runs, data, names):
    """The tables of some names of TABLES, as a tuple; embeddings are those of the test photos with the first seed."""
    photo_id = {run.recipe.split: data.photos.photo_id[data.parts[run.recipe.split] == "test"] for run in runs}
    found = {
        "runs": summary(runs), "curves": pd.concat([run.curve.assign(**about(run)) for run in runs], ignore_index=True),
        "predictions": predictions(runs, data)[list(PREDICTIONS)],
        "embeddings": pd.concat([
            pd.DataFrame({"split": (split := run.recipe.split), "photo_id": photo_id[split].to_numpy(),
                          "embedding": list(run.embeddings)})
            for run in runs if run.seed == runs[0].seed
        ], ignore_index=True),
    }  # fmt: skip
    return tuple(found[name] for name in names)


def answer(summary):
    """Whether trainings converged, in one sentence."""
    late = int(summary.still_improving.sum())
    if late:
        return f"{late} of {len(summary)} trainings were still improving in their last fifth: compare with care."
    steps = f"{summary.best_step.min()} to {summary.best_step.max()}"
    return f"All {len(summary)} trainings converged; validation chose steps {steps}."
