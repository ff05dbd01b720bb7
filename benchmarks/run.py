"""Speeds on this machine: python benchmarks/run.py (or `make bench`) writes benchmarks/results.json."""

import datetime
import json
import os
import time
from pathlib import Path

import numba
import numpy as np

from geonb import book, seeds
from geonb.cities import day, fields, geography, renderer

PICTURES = 400
REPEATS = 5


def pictures_per_s(picture_px):
    """Median speed of the renderer over repeats, anti-aliased, on all cores, once compiled."""
    city = geography.city(0, 0, fields.Planted())
    rng = seeds.stream(0, "benchmark")
    photos = geography.drives(city, PICTURES, rng)
    nuisances = day.nuisance(rng.integers(0, 2, len(photos)), rng)
    renderer.render(city, photos[:8], nuisances[:8], picture_px)  # compiles
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        renderer.render(city, photos, nuisances, picture_px)
        seconds.append(time.perf_counter() - started)
    return round(PICTURES / float(np.median(seconds)), 1)


def main():
    """Measure, print, write."""
    found = {
        "device": book.processor_name(),
        "threads": numba.get_num_threads(),
        "cpu_cores": os.cpu_count(),
        "date": datetime.date.today().isoformat(),
    } | {f"renderer_pictures_per_s_{px}px": pictures_per_s(px) for px in (64, 96)}
    text = json.dumps(found, indent=1) + "\n"
    Path(__file__).with_name("results.json").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
