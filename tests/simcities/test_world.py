import dataclasses
import subprocess
import sys
from unittest.mock import Mock

import numpy as np
import pytest

from simcities import day, renderer, world
from tests.simcities.conftest import PLANTED


@pytest.fixture
def saved(tmp_path, cities):
    """(path, photos, nuisances) of two cities in a file."""
    path = tmp_path / "deep" / "world.npz"
    photos = [cities[i][1].iloc[::40] for i in range(2)]
    nuisances = [day.nuisance(np.zeros(len(table)), np.random.default_rng(0)) for table in photos]
    world.save([city for city, _ in cities[:2]], PLANTED, path, photos, nuisances)
    return path, photos, nuisances


def test_a_world_comes_back_from_its_file_as_it_was_and_so_do_its_pictures(saved, cities):
    path, photos, nuisances = saved
    found = world.load(path)
    assert found.planted == PLANTED
    assert len(found.cities) == 2
    for i, city in enumerate(found.cities):
        for field in dataclasses.fields(city):
            read, drawn = (getattr(of, field.name) for of in (city, cities[i][0]))
            assert type(read) is type(drawn)
            assert np.array_equal(read, drawn)
        assert city.fields.dtype == np.float32
        np.testing.assert_array_equal(found.nuisances[i], nuisances[i])
        assert found.photos[i].columns.tolist() == photos[i].columns.tolist()
        for name in photos[i]:
            assert found.photos[i][name].tolist() == photos[i][name].tolist()
    painted = renderer.render(found.cities[0], found.photos[0], found.nuisances[0], 32)
    np.testing.assert_array_equal(painted, renderer.render(cities[0][0], photos[0], nuisances[0], 32))


def test_a_world_is_small_and_leaves_nothing_half_written(saved, cities, monkeypatch):
    path, _, _ = saved
    assert sorted(file.name for file in path.parent.iterdir()) == ["planted.json", "world.npz"]
    assert path.stat().st_size < 1_600_000
    before = path.read_bytes()

    monkeypatch.setattr(np, "savez_compressed", Mock(side_effect=OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        world.save([cities[2][0]], PLANTED, path)
    assert path.read_bytes() == before
    assert sorted(file.name for file in path.parent.iterdir()) == ["planted.json", "world.npz"]


def test_a_world_may_be_saved_without_photos_and_a_file_that_holds_none_is_refused(tmp_path, cities):
    path = tmp_path / "world.npz"
    world.save([cities[2][0]], PLANTED, path)
    assert world.load(path).photos == []
    np.savez(path, other=np.zeros(3))
    with pytest.raises(ValueError, match="holds no simulated world: write one with"):
        world.load(path)
    with pytest.raises(FileNotFoundError):
        world.load(path.with_name("missing.npz"))


@pytest.mark.slow
def test_a_machine_without_gstools_and_geopandas_can_load_a_world(saved):
    script = (
        "import sys; sys.modules.update(dict.fromkeys(['gstools', 'geopandas', 'skgstat', 'folium'])); "
        f"from simcities import world; print(len(world.load({str(saved[0])!r}).cities))"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.strip() == "2"
