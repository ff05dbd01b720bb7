"""Speeds on this machine: python benchmarks/run.py (or `make bench`) writes benchmarks/results.json.

Routes to a semivariogram run in processes of their own, one after the other, so that each has its own peak of memory.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from geonb import random_streams
from geonb.variograms import curves, lags

PICTURES = 400
REPEATS = 5
DIMENSIONS = 512
SIZES = (1_000, 5_000, 20_000)
SIDE_M = 10_000.0
EDGES_M = lags.edges_m(2_000.0, 20)
PATIENCE_S = 180
PHOTOS, ROWS = 10_000, 100_000


def pictures_per_s(picture_px, city, photos, nuisances):
    """Median speed of the renderer over repeats, anti-aliased, on all cores, once compiled."""
    from simcities import renderer

    renderer.render(city, photos[:8], nuisances[:8], picture_px)  # compiles
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        renderer.render(city, photos, nuisances, picture_px)
        seconds.append(time.perf_counter() - started)
    return round(len(photos) / float(np.median(seconds)), 1)


def painting_speeds():
    """Pictures per second of the simulated cities at several sizes, and when they were measured."""
    from simcities import simulation

    world = simulation.World(photos_per_city=PICTURES)
    drawn = world.city(0), *world.shots(world.city(0))
    found = {f"renderer_pictures_per_s_{px}px": pictures_per_s(px, *drawn) for px in (64, 96, 128)}
    return found | {"renderer_date": datetime.date.today().isoformat()}


# ---- routes to a semivariogram ---------------------------------------------------------------------------------------
def embeddings(n):
    """Unit vectors (n, DIMENSIONS) in float32 that change along a square, and positions (n, 2) in metres."""
    rng = random_streams.stream(0, "benchmark", n)
    at = rng.uniform(0, SIDE_M, (n, 2))
    vectors = rng.standard_normal((n, DIMENSIONS), dtype=np.float32)
    vectors[:, :2] += 10 * np.sin(at / 500)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, at


def ours(vectors, at):
    """geonb: every pair up to two millions, a sample with the same number in each lag beyond."""
    pairs = lags.pairs(at, EDGES_M, planar=True)
    return curves.lag_table(pairs, curves.half_squares(vectors, pairs)).semivariance.to_numpy()[1:]


def scikit_gstat(vectors, at):
    """scikit-gstat with the differences computed beforehand, its fastest correct route for vectors."""
    import skgstat
    from scipy.spatial.distance import pdist

    class Precomputed(skgstat.Variogram):
        """A Variogram whose differences are the distances of the vectors."""

        def _calc_diff(self, force=False):
            self._diff = np.sqrt(2 * pdist(vectors, "cosine"))

    read = Precomputed(at, np.zeros(len(at)) + np.arange(len(at)), bin_func=list(EDGES_M[1:]), fit_method=None)
    return np.asarray(read.experimental)


def gstools(vectors, at):
    """GSTools with each dimension as a field of its own: the mean over the fields, times their number."""
    from gstools import vario_estimate

    return vario_estimate(at.T, vectors.T.astype(np.float64), EDGES_M)[1] * DIMENSIONS


def pictures(vectors, _at):
    """As many pictures of 96 px as there are vectors, all in memory; gives their mean."""
    from simcities import renderer, simulation

    world = simulation.World(photos_per_city=len(vectors))
    return [renderer.render(world.city(0), *world.shots(world.city(0)), 96).mean()]


def large(_vectors, _at):
    """100,000 photos, five million pairs, 200 bootstrap replicates."""
    vectors, at = embeddings(100_000)
    pairs = lags.pairs(at, EDGES_M, planar=True, max_pairs=5_000_000)
    blocks = np.floor(at / 400).astype(int) @ [1_000, 1]
    half = curves.half_squares(vectors, pairs)
    return curves.block_bootstrap(pairs, half, blocks, replicates=200)[:, 1:].mean(axis=0)


ROUTES = {route.__name__: route for route in (ours, scikit_gstat, gstools, large, pictures)}


def one(route, n):
    """Print seconds, peak memory in MB and the curve of one route, its imports and compilation done before."""
    ROUTES["ours" if route == "large" else route](*embeddings(200))
    data = embeddings(n)
    started = time.perf_counter()
    curve = ROUTES[route](*data)
    seconds = time.perf_counter() - started
    status = Path("/proc/self/status").read_text()  # not getrusage, which a child inherits from its parent
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1e3
    print(json.dumps({"seconds": seconds, "mb": peak, "curve": np.asarray(curve).tolist()}))


def measured(route, n):
    """What `one` prints in a process of its own; None where it does not finish within PATIENCE_S or its memory."""
    command = [sys.executable, __file__, "--route", route, "--photos", str(n)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        print(f"{route} with {n:,} photos: {type(error).__name__}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def semivariogram_speeds():
    """Ratios of time and memory to ours at each size, and the seconds and memory of the large case."""
    found = {}
    for n in SIZES:
        base = measured("ours", n)
        found |= {f"semivariogram_seconds_{n}": round(base["seconds"], 3), f"semivariogram_mb_{n}": round(base["mb"])}
        for route, name in (("scikit_gstat", "skgstat"), ("gstools", "gstools")):
            other = measured(route, n)
            if other is not None:
                off = np.nanmax(np.abs(np.divide(other["curve"], base["curve"]) - 1))
                assert off < 0.02, f"{route} and ours differ by {off:.1%}"
            found[f"semivariogram_speedup_vs_{name}_{n}"] = other and round(other["seconds"] / base["seconds"], 2)
            found[f"semivariogram_memory_ratio_vs_{name}_{n}"] = other and round(other["mb"] / base["mb"], 2)
    big = measured("large", 1_000)
    return found | {"semivariogram_100k_seconds": round(big["seconds"], 1), "semivariogram_100k_mb": round(big["mb"])}


# ---- what a spatial target costs -------------------------------------------------------------------------------------
def step_cost(batch_size):
    """Seconds of a training step with sw_clip's targets over those with one-hot ones: median ratio of paired steps.

    Targets, forward, backward and optimiser, in one thread, of the smallest towers of the book: larger ones make the
    targets' share smaller. The two take turns, so that both meet the same machine.
    """
    import pandas as pd
    import torch

    from geonb.earth import sphere
    from geonb.learning import recipes, trainable_towers, training, training_arrays

    torch.set_num_threads(1)
    rng = random_streams.stream(0, "benchmark step")
    lat_deg, lon_deg = sphere.from_local_m(rng.uniform(-1_000, 1_000, (batch_size, 2)), (51.0, 10.0)).T
    photos = pd.DataFrame({"city": "A", "country": "", "district": "", "street": "", "lat_deg": lat_deg,
                           "lon_deg": lon_deg})  # fmt: skip
    features = rng.standard_normal((batch_size, 128), dtype=np.float32)
    data = training_arrays.Data(photos, features, {"all": np.full(batch_size, "train")}, photos)
    sides, batch = {}, np.arange(batch_size)
    for name in ("clip", "sw_clip"):
        recipe = recipes.Recipe(name, "all", course=recipes.Course(steps=10_000, batch_size=batch_size))
        given = training_arrays.read(recipe, data)
        towers, all_photos = (
            trainable_towers.build(recipe, given),
            training_arrays.all_that_train(recipe, data, given, "cpu"),
        )
        sides[name] = towers, torch.optim.AdamW(towers.parameters()), all_photos
    seconds = {name: [] for name in sides}
    for step in range(60):
        for name, (towers, optimizer, all_photos) in sides.items():
            started = time.perf_counter()
            training.one_step(towers, optimizer, given.images, given.photos.inputs, all_photos.of(batch), step)
            seconds[name].append(time.perf_counter() - started)
    return round(float(np.median(np.divide(seconds["sw_clip"], seconds["clip"])[10:])), 3)


# ---- what make book does first ---------------------------------------------------------------------------------------
def plan_seconds():
    """Median seconds over repeats in which Snakemake says what is to be done for study smoke, nothing run."""
    command = [sys.executable, "-m", "snakemake", "all", "--dry-run", "--quiet", "all", "--config", "study=smoke"]
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, check=True)
        seconds.append(time.perf_counter() - started)
    return {"plan_seconds": round(float(np.median(seconds)), 1), "plan_date": datetime.date.today().isoformat()}


# ---- from files to a catalogue ---------------------------------------------------------------------------------------
def source_speeds():
    """Seconds of two reads of a folder of PHOTOS small JPEGs, and of two of a table of ROWS, all pictures different.

    The second read of each meets the same files, so that only what was remembered is taken; when it was measured.
    """
    found = {"source_cores": os.cpu_count(), "source_date": datetime.date.today().isoformat()}
    for name, count, lay in (("folder", PHOTOS, lay_photos), ("table", ROWS, lay_table)):
        with tempfile.TemporaryDirectory() as temporary:
            options = lay(Path(temporary), count)
            for reading in ("first", "second"):
                seconds = gathering(name, options, count, Path(temporary) / "scans")
                found[f"source_{name}_{count}_{reading}_read_seconds"] = round(seconds, 1)
    return found


def gathering(source, options, count, scans):
    """Seconds from the files to a validated catalogue of as many photos."""
    from geonb.photos.sources import cached_reading, gather

    cached_reading.SCANS = scans
    started = time.perf_counter()
    catalogue, _ = gather(source, options)
    seconds = time.perf_counter() - started
    assert len(catalogue) == count, f"{source}: {len(catalogue):,} photos, not {count:,}"
    return seconds


def lay_photos(folder, count):
    """Lay small JPEGs of 320 x 240 pixels, each with a position in its EXIF, into a folder; the options to read it."""
    from PIL import Image
    from PIL.ExifTags import GPS, IFD

    rng = random_streams.stream(0, "benchmark photos")
    for number in range(count):
        exif, coarse = Image.Exif(), rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        north, east = rng.uniform(0, 60, 2).round(3).tolist()
        exif[IFD.GPSInfo] = {
            GPS.GPSLatitudeRef: "N", GPS.GPSLatitude: (50.0, 56.0, north),
            GPS.GPSLongitudeRef: "E", GPS.GPSLongitude: (6.0, 57.0, east),
        }  # fmt: skip
        Image.fromarray(coarse).resize((320, 240)).save(folder / f"{number:06d}.jpg", exif=exif)
    return {"folder": str(folder)}


def lay_table(folder, count):
    """Lay a CSV and pictures of 2 x 2 pixels into a folder, so that rows take the time; the options to read it."""
    from PIL import Image

    lines = ["path,lat,lon,heading_deg,captured_at,street,sequence_id"]
    for number, (north, east) in enumerate(random_streams.stream(0, "benchmark table").random((count, 2))):
        pixels = np.frombuffer(number.to_bytes(3) * 4, np.uint8).reshape(2, 2, 3)
        Image.fromarray(pixels).save(folder / f"{number:06d}.png")
        place = f"{50 + north:.6f},{6 + east:.6f},{360 * north:.1f}"
        lines.append(f"{number:06d}.png,{place},2024-07-09T03:25:24+02:00,Street {number % 100},s{number // 50}")
    (folder / "photos.csv").write_text("\n".join(lines), encoding="utf-8")
    return {"table": str(folder / "photos.csv")}


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--route", choices=ROUTES, help="run one route alone and print what it took")
    parser.add_argument("--photos", type=int, default=1_000)
    parser.add_argument(
        "--steps", action="store_true", help="measure training steps alone, keep what is known of the rest"
    )
    parser.add_argument("--painting", action="store_true", help="measure painting alone, keep the rest")
    parser.add_argument("--sources", action="store_true", help="measure reading of photos alone, keep the rest")
    parser.add_argument("--plan", action="store_true", help="measure Snakemake's plan alone, keep the rest")
    arguments = parser.parse_args()
    file = Path(__file__).with_name("results.json")
    if arguments.route:
        return one(arguments.route, arguments.photos)
    if arguments.steps:
        return write(file, json.loads(file.read_text(encoding="utf-8")) | step_costs())
    if arguments.painting:
        return write(file, json.loads(file.read_text(encoding="utf-8")) | painting_speeds())
    if arguments.sources:
        return write(file, json.loads(file.read_text(encoding="utf-8")) | source_speeds())
    if arguments.plan:
        return write(file, json.loads(file.read_text(encoding="utf-8")) | plan_seconds())
    import numba

    from geonb.book import build

    found = {
        "device": build.device_name(),
        "threads": numba.get_num_threads(),
        "cpu_cores": os.cpu_count(),
        "date": datetime.date.today().isoformat(),
    } | painting_speeds()
    found["renderer_mb_2000_pictures_96px"] = round(measured("pictures", 2_000)["mb"])
    return write(file, found | step_costs() | source_speeds() | plan_seconds() | semivariogram_speeds())


def step_costs():
    """Cost of soft targets at several batch sizes, and when it was measured."""
    found = {f"step_cost_soft_over_one_hot_{size}": step_cost(size) for size in (128, 512, 2_048)}
    return found | {"step_cost_date": datetime.date.today().isoformat()}


def write(file, found):
    """Write and print what was measured."""
    text = json.dumps(found, indent=1) + "\n"
    file.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
