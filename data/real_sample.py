"""Semivariograms of real photos as aggregates, without photo or position: python data/real_sample.py

Reads the folders of GEONB_REAL_DATA that have embeddings (of MobileNetV2), writes data/results/real_sample/.
"""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from geonb import lags, results, semivariograms, variogram_models

STUDY, PAGE = "real_sample", "03_semivariograms"
READING = {"max_lag_m": 2_000.0, "lag_count": 8, "permutations": 999, "model": "exponential"}
COLUMNS = {"sample": "folder of real photos", "photos": "photos in it [count]"}


def read(folder):
    """(lags, fit) of the photos of a folder with manifest.csv and embeddings_mobilenetv2_1280.npy."""
    features = np.load(folder / "embeddings_mobilenetv2_1280.npy").astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    at = pd.read_csv(folder / "manifest.csv")[["lat", "lon"]].to_numpy(float)
    pairs = lags.pairs(at, lags.edges_m(READING["max_lag_m"], READING["lag_count"]))
    table = semivariograms.lag_table(pairs, semivariograms.half_squares(features, pairs))
    observed, low, high = semivariograms.envelope(features, pairs, permutations=READING["permutations"])
    table = table.assign(envelope_low=low, envelope_high=high, structure=(observed < low) | (observed > high))
    fitted = variogram_models.fit(table, model=READING["model"])
    if not table.structure.any() and not fitted["flag"]:
        fitted = variogram_models.flagged(READING["model"], semivariograms.NO_STRUCTURE)
    told = {"sample": folder.name, "photos": len(features)}
    dimensions = semivariograms.effective_dimensions(features)
    low_m, high_m = semivariograms.range_interval(fitted, at, pairs, dimensions=dimensions, replicates=200)
    interval = dict(zip(semivariograms.RANGE, (low_m, high_m), strict=True))
    return table.assign(**told), told | semivariograms.doubted(fitted, high_m) | interval


def main():
    """Read, save with a manifest, publish."""
    if "GEONB_REAL_DATA" not in os.environ:
        sys.exit("set GEONB_REAL_DATA to the folder of real photos: their embeddings are read there")
    folders = sorted(Path(os.environ["GEONB_REAL_DATA"]).glob("*/embeddings_mobilenetv2_1280.npy"))
    found = [read(file.parent) for file in folders if len(np.load(file, mmap_mode="r")) >= semivariograms.FEWEST]
    curves, fits = pd.concat([table for table, _ in found]), pd.DataFrame([fit for _, fit in found])
    envelope = {name: text for name, text in semivariograms.INTERVAL.items() if name not in ("low", "high")}
    columns = semivariograms.LAGS | envelope | COLUMNS
    results.save_table(curves[list(columns)], STUDY, PAGE, "lags", parameters=READING, columns=columns)
    columns = COLUMNS | variogram_models.FIT | semivariograms.RANGE
    results.save_table(fits[list(columns)], STUDY, PAGE, "fits", parameters=READING, columns=columns)
    target = results.published_folder(STUDY) / PAGE
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(results.tables_folder(STUDY) / PAGE, target)
    print(fits.drop(columns="theta").round(3).to_string())


if __name__ == "__main__":
    main()
