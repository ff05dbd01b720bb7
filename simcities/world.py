"""A simulated world as one small file: what a machine needs to paint its pictures, however large, with numpy alone."""

import json
import os
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from simcities.fields import Planted
from simcities.geography import City

# both were rounded to these when they were drawn: see fields.draw and buildings.single
STORED_AS = {"fields": np.float16, "buildings": np.float32, "things": np.float32}


@dataclass(frozen=True)
class Saved:
    """What a file holds: a list of cities, what was planted, and for each city its drives and its nuisance table."""

    cities: list
    planted: Planted
    photos: list
    nuisances: list


def save(cities, planted, path, photos=(), nuisances=()):
    """Write a world to path (.npz) and what was planted to planted.json beside it; both appear whole or not at all.

    photos, nuisances: for each city its table of geography.drives and its nuisances (n, 12), or nothing.
    """
    path = Path(path)
    held = {}
    for i, city in enumerate(cities):
        for field in fields(City):
            held[f"{i}/{field.name}"] = stored(getattr(city, field.name), STORED_AS.get(field.name))
    for i, (table, nuisance) in enumerate(zip(photos, nuisances, strict=True)):
        held[f"{i}/nuisances"] = nuisance
        for name in table:
            held[f"{i}/photos/{name}"] = stored(table[name].to_numpy())
    path.parent.mkdir(parents=True, exist_ok=True)
    whole(path, lambda file: np.savez_compressed(file, **held))
    words = json.dumps(planted.as_dict(), indent=2) + "\n"
    whole(path.with_name("planted.json"), lambda file: file.write(words.encode()))


def stored(values, dtype=None):
    """Values as an array that needs no pickle; times become nanoseconds."""
    if isinstance(values, np.ndarray) and values.dtype == object:
        if isinstance(values[0], pd.Timestamp):
            return pd.DatetimeIndex(values).as_unit("ns").asi8
        return values.astype(str)
    return np.asarray(values, dtype)


def whole(path, write):
    """A file that appears under its name only when it is complete."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            write(file)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load(path):
    """The Saved world of a file, its pictures the same as those of the world that was saved.

    FileNotFoundError where it or planted.json beside it is missing; ValueError for a file that holds no world.
    """
    path = Path(path)
    planted = json.loads(path.with_name("planted.json").read_text())
    planted = Planted(**{key: tuple(value) if isinstance(value, list) else value for key, value in planted.items()})
    with np.load(path, allow_pickle=False) as file:
        held = dict(file)
    count = len({key.split("/")[0] for key in held})
    if count == 0 or "0/start_m" not in held:
        raise ValueError(f"{path} holds no simulated world: write one with simcities.world.save")
    cities = [City(**{field.name: restored(field, held[f"{i}/{field.name}"]) for field in fields(City)})
              for i in range(count)]  # fmt: skip
    drawn = [i for i in range(count) if f"{i}/nuisances" in held]
    return Saved(cities, planted, [photos_of(held, i) for i in drawn], [held[f"{i}/nuisances"] for i in drawn])


def restored(field, values):
    """The value of a City's field as it was drawn."""
    if field.type is np.ndarray:
        return values.astype({"fields": np.float32}.get(field.name, np.float64))
    return values.tolist()


def photos_of(held, index):
    """The table of drives of one city, with its columns in order."""
    start = f"{index}/photos/"
    table = pd.DataFrame({key.removeprefix(start): held[key] for key in held if key.startswith(start)})
    return table.assign(captured_at=pd.to_datetime(table["captured_at"], utc=True))
