"""Photos of simulated cities: rendered once under build/pictures/, found again by any study with the same options."""

import sys

import pandas as pd
from tqdm import tqdm

from geonb import files, random_streams
from simcities import captions, simulation
from simcities.world import save


def read(world):
    """Rows of the catalogue of a World, painted where it was not yet, world.npz beside the pictures."""
    folder, drawn, rows = world.pictures_folder(), [], []
    simulation.start_over(folder)
    progress = {"desc": "cities", "unit": "city", "file": sys.stdout, "disable": not sys.stdout.isatty()}
    for city, photos, nuisances in tqdm(world.drawn(), total=world.city_count, **progress):
        drawn.append((city, photos, nuisances))
        rows.append(city_rows(world, city, photos, nuisances, folder / city.name))
    if not (file := folder / "world.npz").exists():
        cities, photos, nuisances = zip(*drawn, strict=True)
        save(cities, world.planted(), file, photos, nuisances)
    return pd.concat(rows, ignore_index=True)


def city_rows(world, city, photos, nuisances, folder):
    """Catalogue rows of one city, its pictures painted if they are not in the folder yet."""
    if not folder.exists():
        simulation.paint(world, city, photos, nuisances, folder)
    paths = [folder / f"{n:05d}.jpg" for n in range(len(photos))]
    traits, rng = captions.traits(city, photos), random_streams.stream(world.world_seed, "captions", city.index)
    return pd.DataFrame({
        **simulation.places_of(city, photos),
        "path": [path.relative_to(files.ROOT).as_posix() for path in paths],
        "captured_at": photos.captured_at, "source": "simulated", "licence": "CC0-1.0", "author": "geonb",
        "caption": captions.describe(traits, nuisances, rng),
        "width_px": world.picture_px, "height_px": world.picture_px,
        "sha256": [files.sha256_of(path) for path in paths],
    })  # fmt: skip
