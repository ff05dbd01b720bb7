"""What real photos show, without photo or exact position: python data/real_sample.py

Semivariograms of the folders of GEONB_REAL_DATA that have embeddings (of MobileNetV2), and where two published models
placed 50 photos of OSV-5M, with positions as centres of large cells. Writes data/results/real_sample/.
"""

import os
import shutil
import sys
from pathlib import Path

import h3
import numpy as np
import pandas as pd

from geonb.book import results
from geonb.earth import cells
from geonb.measuring import given_predictions
from geonb.variograms import curves, fitted_ranges, models

STUDY, PAGE, ERRORS_PAGE = "real_sample", "03_semivariograms", "22_any_model"
MODEL = "exponential"
READING = {"models": [MODEL], "max_lag_m": 2_000.0, "lag_count": 8, "block_size_m": 400.0, "range_replicates": 200}
CELLS = {"resolution": 2}  # of H3: about 300 km across
TABLE = "$GEONB_REAL_DATA/positions/osv5m_game_select_50_with_predictions.csv"
MODELS = {
    "id": "id",
    "truth": ["true_lat", "true_lon"],
    "trained on OSV-5M": ["pred_lat", "pred_lon"],
    "its baseline": ["pred_lat_base", "pred_lon_base"],
}
ERRORS = given_predictions.ERRORS | {
    "photo_id": "number of the photo, from south to north",
    "method": "the model of OSV-5M's authors, or its baseline (predictions published with OSV-5M, CC BY-SA 4.0)",
    "lat_deg": "latitude of the centre of the cell in which the photo was taken [degree]",
    "lon_deg": "longitude of it [degree]",
    "predicted_lat_deg": "latitude of the centre of the cell in which the model placed it [degree]",
    "predicted_lon_deg": "longitude of it [degree]",
    "error_m": "error of the position that the model named, from exact positions [m]",
}
LAND = {
    "lat_deg": "latitude of the centre of a cell that holds places of GeoCLIP's gallery (MIT) [degree]",
    "lon_deg": "longitude of it [degree]",
}
COLUMNS = {"sample": "folder of real photos", "photos": "photos in it [count]"}


def read(folder):
    """(lags, fits) of the photos of a folder with manifest.csv and embeddings_mobilenetv2_1280.npy."""
    features = np.load(folder / "embeddings_mobilenetv2_1280.npy").astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    at = pd.read_csv(folder / "manifest.csv")[["lat", "lon"]].to_numpy(float)
    everywhere, about = np.full(len(at), folder.name, object), {"sample": folder.name, "photos": len(at)}
    tables = fitted_ranges.readings(features, at, everywhere, MODEL, fitted_ranges.Reading(**READING))
    return [table.assign(**about) for table in tables]


def centres(lat_lon_deg, resolution):
    """Centres (n, 2) in degrees of the hexagons of positions (n, 2)."""
    return np.array([h3.cell_to_latlng(cell) for cell in cells.hexagons(lat_lon_deg, resolution)])


def coarse(errors):
    """Errors of given_predictions without exact positions or ids (columns ERRORS)."""
    at = given_predictions.AT
    cell = [centres(errors[at[k : k + 2]].to_numpy(), **CELLS) for k in (0, 2)]
    found = errors.assign(**dict(zip(at, np.concatenate(cell, axis=1).T, strict=True)))
    south = found.drop_duplicates("photo_id").sort_values(at[:2], kind="stable").photo_id
    number = dict(zip(south, map(str, range(1, len(south) + 1)), strict=True))
    found = found.assign(photo_id=errors.photo_id.map(number), error_m=errors.error_m.round())
    ordered = [own.sort_values(["error_m", *at], kind="stable") for _, own in found.groupby("method", sort=False)]
    return pd.concat(ordered, ignore_index=True)  # not in the order of the photos


def continents(folder):
    """Centres of the cells of a gallery of the whole world (columns LAND)."""
    gallery = pd.read_csv(folder / "geoclip_coordinates_100K.csv")[["LAT", "LON"]].to_numpy(float)
    return pd.DataFrame(np.unique(centres(gallery, **CELLS), axis=0), columns=list(LAND))


def publish(page):
    """Copy the tables of a page to where published ones lie."""
    target = results.published_folder(STUDY) / page
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(results.writing_folder(page, STUDY), target)


def main():
    """Read, save with manifests, publish."""
    if "GEONB_REAL_DATA" not in os.environ:
        sys.exit("set GEONB_REAL_DATA to the folder of real photos: their embeddings are read there")
    folders = sorted(Path(os.environ["GEONB_REAL_DATA"]).glob("*/embeddings_mobilenetv2_1280.npy"))
    found = [read(file.parent) for file in folders if len(np.load(file, mmap_mode="r")) >= fitted_ranges.FEWEST]
    lags, fits = (pd.concat(tables) for tables in zip(*found, strict=True))
    envelope = {name: fitted_ranges.CITY_LAGS[name] for name in ("envelope_low", "envelope_high", "structure")}
    columns = curves.LAGS | envelope | COLUMNS
    results.save_table(lags[list(columns)], STUDY, PAGE, "lags", parameters=READING, columns=columns)
    columns = COLUMNS | models.FIT | fitted_ranges.RANGE
    results.save_table(fits[list(columns)], STUDY, PAGE, "fits", parameters=READING, columns=columns)
    tables = dict(zip(given_predictions.TABLES, given_predictions.tables(TABLE, MODELS), strict=True))
    tables |= {
        "errors": coarse(tables["errors"]),
        "land": continents(Path(os.environ["GEONB_REAL_DATA"]) / "positions"),
    }
    for name, table in tables.items():
        meanings = (given_predictions.TABLES | {"errors": ERRORS, "land": LAND})[name]
        results.save_table(table, STUDY, ERRORS_PAGE, name, parameters=CELLS | {"columns": MODELS}, columns=meanings)
    publish(PAGE)
    publish(ERRORS_PAGE)
    print(fits.drop(columns="theta").round(3).to_string())


if __name__ == "__main__":
    main()
