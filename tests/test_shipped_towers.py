"""The shipped towers: whole, small, and trained on cities that no study shows."""

import hashlib
import importlib.util

import pytest

from experiments.laboratory import planted
from geonb.book.page_dependencies import notebooks_folder, parameters
from geonb.files import ROOT
from geonb.learning import pretrained_towers
from simcities import geography

FOLDER = ROOT / "data" / "towers"
NAMES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir() and path.name != "__pycache__")
STUDIES = sorted(path.stem for path in (notebooks_folder() / "studies").glob("*.yml"))


@pytest.fixture(scope="module")
def recipes():
    spec = importlib.util.spec_from_file_location("make_towers", FOLDER / "make_towers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.RECIPES


def test_every_tower_has_its_recipe_and_every_recipe_its_tower(recipes):
    assert sorted(recipes) == NAMES
    card = (FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in card for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_tower_matches_its_checksum_is_small_and_loads(name):
    file = FOLDER / name / "open_clip_model.safetensors"
    digest, named = (FOLDER / name / "SHA256SUMS").read_text().split()
    assert named == file.name
    assert hashlib.sha256(file.read_bytes()).hexdigest() == digest
    assert file.stat().st_size < 12e6
    tower = pretrained_towers.load_tower(f"local-dir:data/towers/{name}")
    assert tower.model.visual.output_dim == 128


def test_no_tower_saw_a_city_of_a_study(recipes):
    seeds = [recipe.world_seed for recipe in recipes.values()]
    assert min(seeds) >= 200
    assert max(seeds) < planted.REDRAWN_SEED
    for study in STUDIES:
        options = parameters("01_photos", study)["options"]
        assert options.get("world_seed", 0) < 200, study
    assert not any(name.startswith("Tower city") for name in geography.NAMES)
