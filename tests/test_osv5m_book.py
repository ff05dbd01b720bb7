"""The book of a part of OSV-5M, from trees in the data set's layout that are written here without geonb's help."""

import csv
import json
import os
import shutil
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from geonb.files import ROOT
from tests.projects import copy_of_the_project, snakemake, write_csv

REAL = os.environ.get("GEONB_REAL_DATA")
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not REAL, reason="GEONB_REAL_DATA is not set: no whole books"),
]
HEADER = ["id", "latitude", "longitude", "country", "region", "sub-region", "city", "sequence", "captured_at"]
TOWNS = {  # near real ones, so that every position has a name
    ("NZ", "Wellington", "Wellington"): (-41.29, 174.77), ("FI", "Lapland", "Rovaniemi"): (66.50, 25.72),
    ("KE", "Nairobi", "Nairobi"): (-1.29, 36.82), ("PE", "Cusco", "Cusco"): (-13.53, -71.97),
}  # fmt: skip
STREET, DRIVE = 12, 8  # photos of a street; streets of a town


def jpeg(town, along, rng):
    """A picture whose colour tells its town and whose stripes tell how far along the street it was taken."""
    rows = np.linspace(0, 6 + along, 48)[:, None, None]
    tint = np.array([[60, 150, 90], [200, 205, 220], [190, 120, 60], [130, 90, 150]])[town]
    picture = tint + 40 * np.sin(rows) + rng.normal(0, 12, (48, 64, 3))
    buffer = BytesIO()
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def tiny(root):
    """Streets in four towns on four continents: three in four train, half of those packed, the others test."""
    rng, rows = np.random.default_rng(0), {"train": [], "test": []}
    packed = root / "images" / "train" / "01.zip"
    for folder in ("train/00", "test/00"):
        (root / "images" / folder).mkdir(parents=True)
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(len(TOWNS) * DRIVE * STREET):
            street, along = divmod(number, STREET)
            town, place = street // DRIVE, street % DRIVE
            (country, region, city), (lat, lon) = list(TOWNS.items())[town]
            part = "test" if place % 4 == 3 else "train"
            rows[part].append({
                "id": str(5_000_000 + number), "latitude": lat + 0.01 * place, "longitude": lon + 0.001 * along,
                "country": country, "region": region, "sub-region": "", "city": city, "sequence": f"drive {street}",
                "captured_at": 1_577_836_800_000 + 1000 * number,
            })  # fmt: skip
            name, content = f"{5_000_000 + number}.jpg", jpeg(town, along, rng)
            if part == "train" and number % 2:
                archive.writestr(f"01/{name}", content)
            else:
                (root / "images" / part / "00" / name).write_bytes(content)
    for part, entries in rows.items():
        write_csv(root / f"{part}.csv", entries)


def demo(root):
    """The six photos of the data set at hand: one in three tests."""
    with (Path(REAL) / "osv5m_demo" / "manifest.csv").open(encoding="utf-8") as file:
        known = list(csv.DictReader(file))
    for part, lines in (("train", known[:4]), ("test", known[4:])):
        (root / "images" / part / "00").mkdir(parents=True)
        for line in lines:
            shutil.copy(Path(REAL) / "osv5m_demo" / line["file"], root / "images" / part / "00")
        write_csv(root / f"{part}.csv", [
            dict.fromkeys(HEADER, "") | {"id": Path(line["file"]).stem, "latitude": line["lat"],
                                         "longitude": line["lon"], "country": line["country"], "city": line["city"]}
            for line in lines
        ])  # fmt: skip


GUIDED = {"geoclip_semivariogram", "geoclip_look_alikes"}
CHANGES = {
    "02_embeddings": {"tower": "imagenet/efficientnet-lite0", "weights": ""},
    "06_train": {"seed_count": 2, "course": {"steps": 60, "batch_size": 64}},
}


def project(write_tree, folder):
    """The folder, a copy of the project with a study `mine` of a tree that is written there."""
    copy_of_the_project(folder)
    write_tree(folder / "osv5m")
    study = yaml.safe_load((ROOT / "notebooks" / "studies" / "osv5m.yml").read_text(encoding="utf-8"))
    study["01_photos"]["options"] = {"folder": "osv5m", "part": "both"}
    for notebook, values in CHANGES.items():
        study[notebook] = study[notebook] | values
    (folder / "notebooks" / "studies" / "mine.yml").write_text(yaml.safe_dump(study), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(folder of a copy of the project with the finished book of study `mine`, how many photos it has, guided rows)."""
    folder = project(tiny, tmp_path_factory.mktemp("tiny") / "geonb")
    snakemake(folder, "all", study="mine")
    return folder, len(TOWNS) * DRIVE * STREET, GUIDED


def test_six_photos_of_the_data_set_are_told_that_they_are_too_few(tmp_path):
    folder = project(demo, tmp_path / "geonb")
    said = snakemake(folder, "build/mine/tables/01_photos/manifest.json", study="mine", code=1)
    assert "positions: a split needs 5 to test and 7 in all, so add photos of other places" in said


def table(folder, name):
    return pd.read_parquet(folder / "build" / "mine" / "tables" / f"{name}.parquet")


def test_every_photo_of_the_tree_is_in_the_book(made):
    folder, count, _ = made
    assert len(table(folder, "01_photos/photos")) == count
    assert table(folder, "01_photos/left_out").empty
    assert (folder / "build" / "mine" / "_build" / "html" / "index.html").exists()


def test_the_data_sets_own_test_photos_are_placed(made):
    folder, _, guided = made
    photos, errors = table(folder, "01_photos/photos"), table(folder, "07_compare/errors")
    official = errors[errors.split == "official"]
    assert set(official.photo_id) == set(photos.photo_id[photos.given_part == "test"])
    assert {"clip", "geoclip", *guided} <= set(official.method)


def test_the_report_counts_on_the_scale_of_the_world(made):
    folder, _, _ = made
    compared = table(folder, "07_compare/compare").set_index(["method", "metric"]).value
    for name in ("1km", "25km", "200km", "750km", "2500km"):
        assert 0 <= compared["geoclip", f"share_within_{name}"] <= 1
    assert 0 <= compared["geoclip", "geoscore"] <= compared["gallery_floor", "geoscore"] <= 5000
    named = table(folder, "07_compare/administrative").set_index(["method", "level"]).share
    assert named["gallery_floor", "country"] >= named["geoclip", "country"] >= 0


def test_guided_and_unguided_are_compared_in_pairs(made):
    folder, _, guided = made
    ratios = table(folder, "13_semivariogram_negatives/ratios")
    assert set(ratios.method) == guided
    assert np.isfinite(ratios.ratio.astype(float)).all()  # without a row a column has no type
    headline = json.loads((folder / "build" / "mine" / "headline.json").read_text(encoding="utf-8"))
    assert any("geoclip_semivariogram_over_geoclip" in key for key in headline) == bool(guided)
