"""A small simulated world that several tests read with the shipped tower."""

import pytest

from experiments.laboratory import worlds
from experiments.words import pretraining
from geonb import files
from geonb.learning import pretrained_towers
from geonb.photos import catalogue, sources
from simcities import study_worlds

SMALL = {"city_side_m": 900.0, "range_scale": 0.3}
CAPTIONED = SMALL | {"city_count": 2, "photos_per_city": 30, "picture_px": 96, "world_seed": 4}


@pytest.fixture(scope="session")
def options():
    return SMALL | {"city_count": 3, "photos_per_city": 60, "picture_px": 32, "world_seed": 0}


@pytest.fixture(scope="session")
def tower():
    return pretrained_towers.load_tower("local-dir:data/towers/geonb-tiny")


@pytest.fixture(scope="session")
def root(tmp_path_factory, tower):
    """A folder of its own for pictures and features, for all of a session: pictures are painted once."""
    return tmp_path_factory.mktemp("root")


@pytest.fixture
def painted(root, monkeypatch):
    """Within it worlds are painted under root."""
    monkeypatch.setattr(files, "ROOT", root)


@pytest.fixture
def world(painted, options, tower):
    """(photos, features) of the small world."""
    return worlds.photographed(options, tower)


@pytest.fixture(scope="session")
def photos():
    """The catalogue of another small world, with captions of its own."""
    return catalogue.with_lat_lon(sources.gather("simulated", CAPTIONED)[0])


@pytest.fixture(scope="session")
def corpus(photos):
    """The pretraining.Corpus of its photos."""
    return pretraining.corpus(study_worlds.world_of("simulated", CAPTIONED), photos)
