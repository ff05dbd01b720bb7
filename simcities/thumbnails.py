"""Small pictures that explain a simulated world, as a table: other days, neighbours, equal values."""

import io

import numpy as np
import pandas as pd
from PIL import Image

from geonb import random_streams
from simcities import captions, day, fields, renderer, simulation

THUMBNAILS = {
    "sheet": "figure that shows it: days, neighbours or values",
    "title": "what stands above it",
    "jpeg": "the picture as JPEG [bytes]",
}


def thumbnails(world, photos, pictures, *, seed=0):
    """The pictures of three figures (columns THUMBNAILS) of a simulation.World and its catalogue.

    pictures: rows of the catalogue -> PIL images.
    """
    seen = simulation.truth(world, captions.ahead(photos), photos.city.to_numpy())
    storeys = seen[:, fields.FIELDS.index("storeys")]
    longest = photos.sequence_id.value_counts().index[0]
    drive = photos[photos.sequence_id == longest].index[:8]
    alike = same_values(storeys, photos.city.to_numpy())
    shown = {
        "days": (on_other_days(world, 10, 8, seed=seed), [""] * 8),
        "neighbours": (pictures(photos.loc[drive]), photos.street[drive]),
        "values": (pictures(photos.loc[alike]), [f"{photos.city[n]}, storeys {storeys[n]:+.1f}" for n in alike]),
    }
    rows = [
        (sheet, title, jpeg(picture)) for sheet, both in shown.items() for picture, title in zip(*both, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(THUMBNAILS))


def jpeg(picture):
    """The bytes of a PIL image as JPEG."""
    file = io.BytesIO()
    picture.save(file, "jpeg", quality=85)
    return file.getvalue()


def sheet(table, name):
    """(PIL images, titles) of one figure of a table of thumbnails."""
    own = table[table.sheet == name]
    return [Image.open(io.BytesIO(picture)) for picture in own.jpeg], own.title.tolist()


def on_other_days(world, photo, count, *, seed=0):
    """One photo of the first city of a world as `count` pictures of the same camera on other days, half in winter."""
    city = world.city(0)
    camera = world.shots(city)[0].iloc[[photo] * count]
    days = day.nuisance(np.arange(count) % 2, random_streams.stream(seed, "other days"))
    return [Image.fromarray(picture) for picture in renderer.render(city, camera, days, world.picture_px)]


def same_values(values, city, steps=4):
    """Photos (2 * steps,) in two cities with the same rising values: indices, city by city.

    values, city (n,). The two cities are those whose values overlap most. ValueError where there are not two.
    """
    own = {name: np.flatnonzero(city == name) for name in np.unique(city)}
    spread = {name: np.quantile(values[at], [0.02, 0.98]) for name, at in own.items()}
    shared = {(a, b): np.array([spread[a], spread[b]]).T for a in own for b in own if a < b}
    if not shared:
        raise ValueError(f"two cities are needed to compare them, there is {len(own)}")
    pair = max(shared, key=lambda both: shared[both][1].min() - shared[both][0].max())
    wanted = np.linspace(shared[pair][0].max(), shared[pair][1].min(), steps)
    return [own[name][np.abs(values[own[name]] - value).argmin()] for name in pair for value in wanted]
