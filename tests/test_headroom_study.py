"""The first pages of a study of the cities with headroom, on three small ones, as Snakemake runs them."""

import pandas as pd
import pytest
import yaml

from tests.projects import copy_of_the_project, snakemake

pytestmark = pytest.mark.slow

SHOWN = "01_photos", "03_semivariograms"  # pages that draw what these cities have more of: pictures and traits
PAGES = ("01_photos", "02_embeddings", "03_semivariograms", "04_splits", "05_soft_labels")
SMALL = {"cities": "headroom", "city_count": 3, "photos_per_city": 60, "picture_px": 96, "world_seed": 1,
         "city_side_m": 900.0, "range_scale": 0.3}  # fmt: skip
STUDY = {
    "01_photos": {"options": SMALL},
    "03_semivariograms": {"block_size_m": 200.0, "replicates": 20, "range_replicates": 20, "permutations": 99},
    "04_splits": {"splits": ["random", "unseen_city"], "gallery_spacing_m": 100.0},
    "05_soft_labels": {"split": "random", "batch_size": 16},
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The tables of a copy of the project in which study `small` ran and some pages were shown: name -> table."""
    copy = copy_of_the_project(tmp_path_factory.mktemp("headroom") / "geonb")
    (copy / "notebooks" / "studies" / "small.yml").write_text(yaml.safe_dump(STUDY))
    made = [f"build/small/tables/{page}/manifest.json" for page in PAGES]
    made += [f"build/small/executed/{page}.ipynb" for page in SHOWN]
    snakemake(copy, *made, study="small")
    return lambda name: pd.read_parquet(copy / "build" / "small" / "tables" / f"{name}.parquet")


def test_the_catalogue_is_of_those_cities_in_their_words(ran):
    photos = ran("01_photos/photos")
    assert photos.city.value_counts().tolist() == [60] * 3
    assert photos.caption.str.contains("walls|fronts|roofs|kerb|lamps|wires|doors").mean() > 0.5


def test_their_semivariograms_stand_beside_what_was_planted_and_their_places_are_cut_and_gridded(ran):
    assert ran("03_semivariograms/lags").planted.between(0, 1).any()
    assert set(ran("04_splits/splits").split) == {"random", "unseen_city"}
    assert ran("04_splits/grid").city.nunique() == 3
    assert ran("05_soft_labels/targets").own_share.gt(0).all()
