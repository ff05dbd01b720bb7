"""Whole books of real photos from one command: nothing is lost, positions are right, pages say what they cannot."""

import os
import re
import subprocess

import numpy as np
import pandas as pd
import pytest

from geonb.book import results
from geonb.book.page_dependencies import build_folder
from geonb.earth import sphere
from geonb.files import ROOT
from geonb.photos.catalogue import lat_lon_deg
from geonb.photos.pictures import picture_path

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif("GEONB_REAL_DATA" not in os.environ, reason="GEONB_REAL_DATA is not set: no real photos"),
]
EXPECTED = {"hund_i_snor": 224, "seoul_jongno": 38}


@pytest.fixture(scope="module", params=EXPECTED)
def study(request):
    """The name of a study whose book was made."""
    make = ["make", "book", f"STUDY={request.param}"]
    made = subprocess.run(make, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert made.returncode == 0, made.stdout[-4000:]
    index = build_folder(request.param) / "_build" / "html" / "index.html"
    assert str(index) in made.stdout
    return request.param


def html(study, page):
    found = next((build_folder(study) / "_build" / "html").rglob(f"{page}.html"))
    return found.read_text(encoding="utf-8")


def test_every_photo_is_kept_or_accounted_for(study):
    catalogue = results.read_table(study, "01_photos", "photos")
    left_out = results.read_table(study, "01_photos", "left_out")
    folder = picture_path(f"$GEONB_REAL_DATA/{study}/images")
    there = {path.name for path in folder.iterdir()}
    named = {path.rsplit("/")[-1] for path in [*catalogue.path, *left_out.path]}
    assert there <= named
    assert len(catalogue) + (left_out.reason == "duplicate").sum() >= EXPECTED[study]


def test_positions_are_those_of_the_manifest_within_a_metre(study):
    catalogue = results.read_table(study, "01_photos", "photos")
    manifest = pd.read_csv(picture_path(f"$GEONB_REAL_DATA/{study}/manifest.csv")).set_index("file")
    expected = manifest.loc[[f"images/{path.rsplit('/')[-1]}" for path in catalogue.path], ["lat", "lon"]].to_numpy()
    assert sphere.distance_m(lat_lon_deg(catalogue), expected).max() < 1


def test_semivariogram_trainings_and_error_map_are_there(study):
    fits = results.read_table(study, "03_semivariograms", "fits")
    assert ((fits.flag != "") | (fits.effective_range_m > 0)).all()
    errors = results.read_table(study, "07_compare", "errors")
    methods = {"clip", "sw_clip", "chance", "mode", "city_centroid", "frozen_nearest", "gallery_floor"}
    assert set(errors.method) >= methods
    assert np.isfinite(errors.error_m).all()
    assert "srcdoc" in html(study, "09_error_maps")


def test_pages_say_what_their_features_are_and_that_photos_are_few(study):
    for page in ("02_embeddings", "07_compare"):
        text = re.sub(r"\s+", " ", html(study, page))
        assert "learned to name the things of ImageNet" in text
        assert "mean nothing" not in text
        assert f"only {EXPECTED[study]} photos" in text or "photos, fewer than" in text


def test_no_picture_or_position_of_the_real_photos_is_in_git(study):
    tracked = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout
    assert "build/" not in tracked
