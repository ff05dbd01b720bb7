"""The shipped towers: whole, small, trained on cities that no study shows, and able to read."""

import hashlib
import importlib.util
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from experiments.laboratory import planted
from geonb.book.page_dependencies import notebooks_folder, parameters
from geonb.files import ROOT
from geonb.learning import pretrained_towers
from simcities import captions, geography, renderer
from simcities.simulation import World

FOLDER = ROOT / "data" / "towers"
NAMES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir() and path.name != "__pycache__")
STUDIES = sorted(path.stem for path in (notebooks_folder() / "studies").glob("*.yml"))


@pytest.fixture(scope="module")
def made():
    """The module of the command that makes the towers."""
    spec = importlib.util.spec_from_file_location("make_towers", FOLDER / "make_towers.py")
    module = sys.modules["make_towers"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_tower_is_named_in_the_recipe_and_on_the_card(made):
    assert sorted([made.NAME, made.SHIFTED]) == NAMES
    card = (FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in card for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_tower_matches_its_checksum_is_small_and_loads(name):
    file = FOLDER / name / "open_clip_model.safetensors"
    digest, named = (FOLDER / name / "SHA256SUMS").read_text().split()
    assert named == file.name
    assert hashlib.sha256(file.read_bytes()).hexdigest() == digest
    assert file.stat().st_size < 6e6
    tower = pretrained_towers.load_tower(f"local-dir:data/towers/{name}")
    assert tower.model.visual.output_dim == 128


def test_the_shipped_tower_knows_the_extremes_of_most_traits_by_their_words(made):
    """Of the pictures with the least and the most of a trait each shall suit its phrase rather than the other one."""
    world = World(city_count=1, photos_per_city=120, world_seed=39)
    city, photos, nuisances = next(world.drawn())
    traits = captions.traits(city, photos)
    extremes = np.stack([traits.argmin(axis=0), traits.argmax(axis=0)], axis=1).ravel()
    pixels = renderer.render(city, photos.iloc[extremes], nuisances[extremes], world.picture_px)
    tower = pretrained_towers.load_tower(f"local-dir:data/towers/{made.NAME}")
    phrases = [f"a street with {ways[level]}" for ways in captions.PHRASES.values() for level in (0, -1)]
    with torch.inference_mode():
        seen = tower.model.encode_image(torch.stack([tower.transform(Image.fromarray(one)) for one in pixels]), True)
        words = tower.model.encode_text(tower.tokenizer(phrases, context_length=tower.context_length), True)
    likeness = seen.view(-1, 2, seen.shape[1]) @ words.view(-1, 2, words.shape[1]).mT  # (traits, picture, phrase)
    right = likeness[:, 0, 0] + likeness[:, 1, 1] > likeness[:, 0, 1] + likeness[:, 1, 0]
    assert right.float().mean() > 0.75  # 21 of 28 by chance: less than 1 in 100


def test_the_shipped_tower_reads_every_trait_and_another_domain_costs(made):
    table = pd.read_csv(FOLDER / "r2.csv")
    assert list(table) == list(made.R2)
    read = table.pivot_table(index="tower", columns="field", values="r2", sort=False)
    assert set(read.index) == {"ceiling", *NAMES}
    assert set(read) == set(made.HELD_OUT.planted().names)
    assert read.loc["ceiling"].min() >= 0.25
    assert read.loc["ceiling"].mean() >= 0.45
    assert read.loc[made.SHIFTED].mean() < read.loc[made.NAME].mean()


def test_no_tower_saw_a_city_of_a_study(made):
    seeds = [cities.world_seed for cities in (made.LEARNED, made.PROBED, made.HELD_OUT)]
    assert min(seeds) >= 200
    assert max(seeds) < planted.REDRAWN_SEED
    for study in STUDIES:
        options = parameters("01_photos", study)["options"]
        assert options.get("world_seed", 0) < 200, study
    assert not any(name.startswith("Tower city") for name in geography.NAMES)
