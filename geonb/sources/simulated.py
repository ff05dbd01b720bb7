"""Photos of simulated cities: rendered once under build/pictures/, found again by any study with the same options."""

import hashlib
import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
from PIL import Image
from shapely.geometry import LineString
from tqdm import tqdm

from geonb import seeds, sphere
from geonb.cities import captions, fields, geography, renderer
from geonb.studies import ROOT

JPEG_QUALITY = 92


@dataclass(frozen=True)
class World:
    """What is simulated; range_scale multiplies the planted ranges, 0 plants none.

    ValueError for a number of cities, photos or metres that cannot be made.
    """

    city_count: int = 8
    photos_per_city: int = 1000
    picture_px: int = 96
    world_seed: int = 0
    range_scale: float = 1.0
    city_side_m: float = 2200.0

    def __post_init__(self):
        most = len(geography.NAMES)
        if not 1 <= self.city_count <= most or self.photos_per_city < 1:
            raise ValueError(
                f"city_count {self.city_count} must be 1 to {most}, photos_per_city {self.photos_per_city} at least 1"
            )
        if self.picture_px < renderer.LEAST_PX or not self.city_side_m >= geography.LEAST_SIDE_M:
            raise ValueError(
                f"picture_px {self.picture_px} must be at least {renderer.LEAST_PX}, "
                f"city_side_m {self.city_side_m} at least {geography.LEAST_SIDE_M:.0f} m"
            )
        if not self.range_scale >= 0 or self.world_seed < 0:
            raise ValueError(f"range_scale {self.range_scale} and world_seed {self.world_seed} must be at least 0")

    def planted(self):
        """What is planted in the default world, its ranges multiplied."""
        return fields.Planted(range_m=tuple(self.range_scale * r for r in fields.Planted().range_m))

    def city(self, index):
        return geography.city(index, self.world_seed, self.planted(), half_side_m=self.city_side_m / 2)

    def pictures_folder(self):
        """A folder of its own for each world and each version of the code that paints."""
        rooms = [room.__file__ for room in (seeds, fields, geography, renderer)]
        paint = b"".join(Path(file).read_bytes() for file in (*rooms, __file__))
        recipe = json.dumps(asdict(self), sort_keys=True).encode()
        return ROOT / "build" / "pictures" / hashlib.sha256(recipe + paint).hexdigest()[:12]


def read(
    *,
    city_count: int = World.city_count,
    photos_per_city: int = World.photos_per_city,
    picture_px: int = World.picture_px,
    world_seed: int = World.world_seed,
    range_scale: float = World.range_scale,
    city_side_m: float = World.city_side_m,
):
    """Rows of the catalogue, and an empty list of what was left out: see World."""
    world = World(city_count, photos_per_city, picture_px, world_seed, range_scale, city_side_m)
    cities = tqdm(range(city_count), desc="cities", unit="city", file=sys.stdout, disable=not sys.stdout.isatty())
    return pd.concat([city_rows(world, world.city(i)) for i in cities], ignore_index=True), []


def streets(world):
    """The streets of a world as lines: city, country, street, geometry (EPSG:4326)."""
    tables = [city_streets(world.city(i)) for i in range(world.city_count)]
    return geopandas.GeoDataFrame(pd.concat(tables, ignore_index=True), crs="EPSG:4326")


def truth(world, lat_lon_deg, city):
    """The planted fields (n, K) at positions (n, 2) in the cities (n,) of a world; NaN in a city that it has not."""
    found = np.full((len(city), len(fields.FIELDS)), np.nan)
    for i in range(world.city_count):
        here = np.asarray(city) == geography.NAMES[i]
        if here.any():
            made = world.city(i)
            metres = sphere.to_local_m(np.asarray(lat_lon_deg)[here], made.centre_lat_lon_deg)
            found[here] = fields.value_at(made.fields, made.half_side_m, metres)
    return found


def city_rows(world, city):
    """Catalogue rows of one city, its pictures painted if they are not there yet."""
    rng = seeds.stream(world.world_seed, "drives", city.index)
    photos = geography.drives(city, world.photos_per_city, rng)
    folder, picture_px = world.pictures_folder(), world.picture_px
    nuisances = renderer.nuisance(len(photos), photos.captured_at.dt.month.isin([12, 1, 2]).to_numpy(float), rng)
    paths = [folder / city.name / f"{n:05d}.jpg" for n in range(len(photos))]
    if not (folder / city.name).exists():
        paint(city, photos, nuisances, picture_px, world.planted().nugget, folder / city.name)
    east_north_m = city.position_m(photos.street.to_numpy(), photos.along_m.to_numpy())
    lat_lon_deg = city.lat_lon_deg(east_north_m)
    along = city.direction[photos.street] * photos.forward.to_numpy()[:, None]
    heading = np.degrees(np.arctan2(along[:, 0], along[:, 1]) + nuisances[:, renderer.YAW]) % 360
    return pd.DataFrame({
        "photo_id": [f"{city.name}-{n:05d}" for n in range(len(photos))],
        "path": [path.relative_to(ROOT).as_posix() for path in paths],
        "lat_deg": lat_lon_deg[:, 0],
        "lon_deg": lat_lon_deg[:, 1],
        "city": city.name,
        "country": city.country,
        "district": city.districts(east_north_m),
        "street": np.array(city.street_names)[photos.street],
        "heading_deg": heading,
        "captured_at": photos.captured_at,
        "sequence_id": photos.sequence_id,
        "source": "simulated",
        "licence": "CC0-1.0",
        "author": "geonb",
        "caption": captions.describe(captions.traits(city, photos), nuisances, rng),
        "width_px": picture_px,
        "height_px": picture_px,
        "sha256": [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths],
    })  # fmt: skip


def paint(city, photos, nuisances, picture_px, nugget, folder):
    """Write the pictures of a city into a folder that appears only when all are there."""
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a killed process that had the same number
    partial.mkdir(parents=True)
    try:
        for first in range(0, len(photos), 100):
            batch = slice(first, first + 100)
            for n, picture in enumerate(
                renderer.render(city, photos[batch], nuisances[batch], picture_px, nugget), first
            ):
                Image.fromarray(picture).save(partial / f"{n:05d}.jpg", quality=JPEG_QUALITY, subsampling=0)
        partial.rename(folder)
    except OSError:
        if not folder.exists():  # else another process was faster, with the same pictures
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def city_streets(city):
    """The street lines of one city."""
    ends = np.stack([city.start_m, city.start_m + city.direction * city.length_m[:, None]], axis=1)
    lines = [LineString(city.lat_lon_deg(pair)[:, ::-1]) for pair in ends]
    return geopandas.GeoDataFrame(
        {"city": city.name, "country": city.country, "street": city.street_names}, geometry=lines, crs="EPSG:4326"
    )
