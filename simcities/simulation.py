"""A simulation: what is simulated, its cities with their photos, the pictures, and the truth that was planted."""

import functools
import hashlib
import io
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
from PIL import Image
from shapely.geometry import LineString

from geonb import checks, files, random_streams
from geonb.earth import sphere
from geonb.resampling import check_replicates, interval95
from simcities import captions, day, fields, geography, globe, renderer

JPEG = {"format": "JPEG", "quality": 92, "subsampling": 0}
BATCH = 200  # pictures that are in memory at once
PATCH_PX = 16  # towers cut pictures into patches of this side
WINTER = (12, 1, 2)
SILENT = ("captions.py", "study_worlds.py", "thumbnails.py", "unpainted.py")  # change no picture
LAG_EDGES_M = tuple(range(0, 601, 50))
CURVES = {
    "city": "city whose fields are looked at",
    "field": "planted field",
    "distance_m": "mean distance of the pairs in the lag [m]",
    "semivariance": "of the true field at the photos' places [-]",
    "planted": "expected there, trend included [-]",
    "low": "2.5th percentile of redraws of the field at the same places [-]",
    "high": "97.5th percentile of them [-]",
}


@dataclass(frozen=True)
class World:
    """What is simulated.

    range_scale, trend_scale: multiply the planted ranges and trends of fields.HOUSES and fields.STREETS; a range of 0
        plants no spatial structure
    nugget, city_mean_sd: see simcities.fields.Planted
    continents: over how many the cities lie, eight at most on each, with two countries; 0: eight at most, in one sea
    continent_sd, country_sd: standard deviations of what continents and countries add to the means of the fields

    ValueError for what cannot be made.
    """

    city_count: int = 8
    photos_per_city: int = 1000
    picture_px: int = 128
    world_seed: int = 0
    range_scale: float = 1.0
    city_side_m: float = 3000.0
    nugget: float = fields.NUGGET
    city_mean_sd: float = fields.CITY_MEAN_SD
    trend_scale: float = 1.0
    continents: int = 0
    continent_sd: float = 0.8
    country_sd: float = 0.4

    def __post_init__(self):
        checks.count("continents", self.continents, least=0, most=len(globe.CONTINENTS))
        checks.count("city_count", self.city_count, most=globe.MOST_ON_ONE * self.continents or len(geography.NAMES))
        checks.count("photos_per_city", self.photos_per_city)
        checks.count("world_seed", self.world_seed, least=0)
        for name in ("continent_sd", "country_sd", "range_scale", "trend_scale"):
            checks.number(name, getattr(self, name), least=0)
        if self.picture_px < PATCH_PX or self.picture_px % PATCH_PX:
            near = PATCH_PX * max(1, round(self.picture_px / PATCH_PX))
            raise ValueError(
                f"picture_px {self.picture_px} must be a multiple of {PATCH_PX}, the patch of a tower: take {near}"
            )
        geography.check_side(self.city_side_m / 2, self.planted())

    def planted(self):
        """What is planted: simcities.fields.Planted of all traits."""
        return fields.planted(self.range_scale, self.trend_scale, self.nugget, self.city_mean_sd)

    def city(self, index):
        """City `index` of this world; the last that were asked for are kept."""
        return drawn_city(self, index)

    def home(self, index):
        """The geography.Home of city `index`."""
        if not self.continents:
            return geography.at_sea(index)
        return globe.home(index, self.world_seed, self.continents, self.continent_sd, self.country_sd)

    def shots(self, city):
        """(photos, nuisances) of one city: a table of geography.drives and its nuisance table (n, 12)."""
        rng = random_streams.stream(self.world_seed, "drives", city.index)
        photos = geography.drives(city, self.photos_per_city, rng)
        winter = photos.captured_at.dt.month.isin(WINTER).to_numpy(float)
        return photos, day.nuisance(winter, random_streams.stream(self.world_seed, "days", city.index))

    def drawn(self):
        """Yield (city, photos, nuisances) of each city."""
        for index in range(self.city_count):
            yield self.city(index), *self.shots(self.city(index))

    def pictures_folder(self):
        """A folder for each world that looks different; its name survives a change of the code, see `start_over`."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode())
        return files.ROOT / "build" / "pictures" / digest.hexdigest()[:12]


@functools.lru_cache(maxsize=len(globe.NAMES))
def drawn_city(world, index):
    """See World.city: its fields take a second, and a page asks for the same city many times."""
    half_side_m, home = world.city_side_m / 2, world.home(index)
    return geography.city(index, world.world_seed, world.planted(), half_side_m=half_side_m, home=home)


def places_of(city, photos):
    """What is known of the places of the photos of a city, name -> values."""
    east_north_m = photos[["east_m", "north_m"]].to_numpy()
    lat_deg, lon_deg = city.lat_lon_deg(east_north_m).T
    return {
        "photo_id": photo_ids(city, len(photos)), "lat_deg": lat_deg, "lon_deg": lon_deg, "city": city.name,
        "country": city.country, "district": city.districts(east_north_m),
        "street": np.array(city.street_names)[photos.street], "heading_deg": np.degrees(photos.heading_rad) % 360,
        "sequence_id": photos.sequence_id,
    }  # fmt: skip


def photo_ids(city, count):
    """Names of the photos of a city."""
    return [f"{city.name}-{n:05d}" for n in range(count)]


def painting_code():
    """The digests of the code that paints, one a line: all of simcities but what changes no picture."""
    paint = [file for file in sorted(Path(__file__).parent.glob("*.py")) if file.name not in SILENT]
    return "\n".join(
        files.code_digest(file.read_text(encoding="utf-8")) for file in [Path(random_streams.__file__), *paint]
    )


def start_over(folder):
    """Remove the pictures of a folder that other code has painted.

    The catalogue holds the digest of each picture: where other code paints the same, its tables stay as they are.
    """
    mark, code = folder / "painted_by", painting_code()
    if mark.exists() and mark.read_text() == code:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mark.write_text(code)


def paint(world, city, photos, nuisances, folder):
    """Write the pictures of a city of a world into a folder that appears only when all are there."""
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a killed process that had the same number
    partial.mkdir(parents=True)
    try:
        for first in range(0, len(photos), BATCH):
            batch = slice(first, first + BATCH)
            seen = renderer.render(city, photos[batch], nuisances[batch], world.picture_px)
            for n, painted in enumerate(seen, first):
                Image.fromarray(painted).save(partial / f"{n:05d}.jpg", **JPEG)
        partial.rename(folder)
    except OSError:
        if not folder.exists():  # else another process was faster, with the same pictures
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def painted_again(world, photo_id):
    """PIL images of some photos (n,) of a world, the same as in the files that `read` writes."""
    found, parts = {}, pd.Series(photo_id).str.rpartition("-")
    for name, numbers in parts[2].astype(int).groupby(parts[0]):
        city = world.city(globe.NAMES.index(name))
        photos, nuisances = world.shots(city)
        painted = renderer.render(city, photos.iloc[numbers], nuisances[numbers], world.picture_px)
        for n, picture in zip(numbers.index, painted, strict=True):
            Image.fromarray(picture).save(stored := io.BytesIO(), **JPEG)
            found[n] = Image.open(stored).convert("RGB")
    return [found[n] for n in parts.index]


def streets(world):
    """The streets of a world as lines: city, country, street, geometry (EPSG:4326)."""
    tables = []
    for city in map(world.city, range(world.city_count)):
        ends = np.stack([city.start_m, city.start_m + city.direction * city.length_m[:, None]], axis=1)
        lines = [LineString(city.lat_lon_deg(pair)[:, ::-1]) for pair in ends]
        names = {"city": city.name, "country": city.country, "street": city.street_names}
        tables.append(geopandas.GeoDataFrame(names, geometry=lines, crs="EPSG:4326"))
    return pd.concat(tables, ignore_index=True)


def cameras(world):
    """What was drawn for each photo of a world beside its place: photo_id, and a column for each of day.NAMES."""
    tables = [
        pd.DataFrame(nuisances, columns=list(day.NAMES)).assign(photo_id=photo_ids(city, len(photos)))
        for city, photos, nuisances in world.drawn()
    ]
    return pd.concat(tables).sort_values("photo_id", ignore_index=True)  # as the catalogue is


def unpainted(world):
    """(places, seen (n, K)) of all photos of a world without their pictures: what each camera sees of the fields.

    places: table of places_of; seen: as captions.traits says.
    """
    drawn = [(city, photos) for city, photos, _ in world.drawn()]
    places = pd.concat([pd.DataFrame(places_of(*one)) for one in drawn], ignore_index=True)
    return places, np.concatenate([captions.traits(*one) for one in drawn])


def truth(world, lat_lon_deg, city):
    """The planted fields (n, K) at positions (n, 2) in the cities (n,) of a world; NaN in a city that it has not."""
    found = np.full((len(city), len(world.planted().names)), np.nan)
    for i in range(world.city_count):
        here = np.asarray(city) == globe.NAMES[i]
        if here.any():
            made = world.city(i)
            metres = sphere.to_local_m(np.asarray(lat_lon_deg)[here], made.centre_lat_lon_deg)
            found[here] = fields.value_at(made.fields, made.half_side_m, metres)
    return found


def curves(world, *, places, redraws, seed=0):
    """Semivariograms of the true fields at some photos' places beside truth and redraws: a table of columns CURVES."""
    check_replicates(redraws, "redraws")
    rows = []
    for i in range(world.city_count):
        city, rng = world.city(i), random_streams.stream(seed, "curves", i)
        at = world.shots(city)[0][["east_m", "north_m"]].to_numpy()
        at = at[rng.permutation(len(at))[:places]]
        known = fields.value_at(city.fields, city.half_side_m, at)
        first, second = fields.pairs(len(at))
        apart_m = np.linalg.norm(at[first] - at[second], axis=1)
        planted = {"planted": world.planted(), "half_side_m": city.half_side_m, "east_north_m": at}
        for k, name in enumerate(world.planted().names):
            drawn = fields.redrawn(field=name, redraws=redraws, rng=rng, **planted)
            drawn = np.column_stack([known[:, k], drawn])
            found = fields.mean_in_lags((drawn[first] - drawn[second]) ** 2 / 2, apart_m, LAG_EDGES_M)
            truth = fields.field_semivariogram(field=name, lag_edges_m=LAG_EDGES_M, **planted)
            distance_m = fields.mean_in_lags(apart_m, apart_m, LAG_EDGES_M)
            table = zip(distance_m, found[:, 0], truth, *interval95(found[:, 1:], axis=1), strict=True)
            rows += [(city.name, name, *row) for row in table]
    return pd.DataFrame(rows, columns=list(CURVES)).dropna(ignore_index=True)
