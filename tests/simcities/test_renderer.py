"""Pictures: the same for the same seed, and each trait changes its own part of them."""

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest

import simcities as cities
from geonb import random_streams
from geonb.files import ROOT
from simcities import buildings, day, fields, rays, renderer, things
from tests.simcities.conftest import WORLD

CITY = WORLD.city(0)
PHOTOS, NUISANCES = (table[:24] for table in WORLD.shots(CITY))
PICTURES = renderer.render(CITY, PHOTOS, NUISANCES, 32)
PX = 64


def test_pictures_are_bytes_of_the_asked_size_and_exposed():
    assert PICTURES.shape == (len(PHOTOS), 32, 32, 3)
    assert PICTURES.dtype == np.uint8
    assert renderer.render(CITY, PHOTOS[:1], NUISANCES[:1], 128).shape == (1, 128, 128, 3)
    assert renderer.render(CITY, PHOTOS[:0], NUISANCES[:0], 32).shape == (0, 32, 32, 3)
    levels = PICTURES.reshape(len(PICTURES), -1)  # all are exposed, and none is empty
    assert (levels.mean(axis=1) > 60).all()
    assert (levels.mean(axis=1) < 215).all()
    assert (levels.std(axis=1) > 15).all()


def test_a_picture_is_the_same_in_any_order_and_batch():
    order = random_streams.stream(0, "order").permutation(len(PHOTOS))
    assert (renderer.render(CITY, PHOTOS.iloc[order], NUISANCES[order], 32) == PICTURES[order]).all()
    one_by_one = [renderer.render(CITY, PHOTOS[n : n + 1], NUISANCES[n : n + 1], 32)[0] for n in range(6)]
    assert (np.stack(one_by_one) == PICTURES[:6]).all()


def painted(trait, value):
    """Eight views (8, px, px, 3) of the city in which one trait has the same value everywhere."""
    k, layers = fields.FIELDS.index(trait), CITY.fields.copy()
    layers[k] = value
    changed = dataclasses.replace(CITY, fields=layers)
    if trait in ("storeys", "setback"):
        changed = dataclasses.replace(
            changed, buildings=buildings.build(changed, 0.0, random_streams.stream(0, "houses"))
        )
    own = changed.buildings.copy()
    own[:, buildings.TRAITS + k] = value
    changed = dataclasses.replace(changed, buildings=own, things=things.furnish(changed, random_streams.stream(0, "t")))
    photos, nuisances = WORLD.shots(CITY)
    return renderer.render(changed, photos[3:60:7], nuisances[3:60:7], PX).astype(float)


@pytest.mark.slow
@pytest.mark.parametrize("trait", fields.FIELDS)
def test_a_trait_changes_pictures_and_the_more_of_it_there_is_the_more(trait):
    low, middle, high = (painted(trait, value) for value in (-1.5, 0.0, 1.5))
    assert 0.01 < (np.abs(high - low).mean(axis=-1) > 14).mean() < 0.5
    way = (high - low).ravel()
    assert 0.1 < (middle - low).ravel() @ way / (way @ way) < 0.9


def test_cars_are_parked_as_the_day_decides():
    days = [NUISANCES[:20].copy() for _ in range(2)]
    for nuisances, traffic in zip(days, (0.0, 1.0), strict=True):
        nuisances[:, day.TRAFFIC] = traffic
    quiet, busy = (renderer.render(CITY, PHOTOS[:20], nuisances, PX).astype(float) for nuisances in days)
    changed = (np.abs(busy - quiet).mean(axis=-1) > 14).mean(axis=(1, 2))
    assert (changed > 0.001).mean() > 0.6
    assert changed.mean() < 0.2


def test_grid_lists_hold_every_box_in_the_cells_that_it_touches():
    boxes = np.array([[5.0, 5.0, 1.0, 0.0, 2.0, 2.0], [-30.0, 0.0, 0.0, 1.0, 25.0, 1.0]])
    first, ids = rays.lists_of(boxes, 60.0, 6)
    cells = [set(ids[first[c] : first[c + 1]]) for c in range(36)]
    assert 0 in cells[3 * 6 + 3]
    held = [c for c in range(36) if 1 in cells[c]]
    assert {1 * 6 + 1, 2 * 6 + 1, 3 * 6 + 1, 4 * 6 + 1} <= set(held)
    assert all(c % 6 <= 2 for c in held)


def test_machine_code_of_other_sources_is_removed_and_of_these_is_kept(tmp_path):
    (tmp_path / "room.py").write_text("one")
    cache = tmp_path / "__pycache__"
    cities.forget_stale_machine_code(tmp_path)
    for name in ("room.f-1.py311.1.nbc", "room.f-1.py311.nbi", "room.cpython-311.pyc"):
        (cache / name).write_text("")
    cities.forget_stale_machine_code(tmp_path)
    assert len(list(cache.iterdir())) == 4
    (tmp_path / "room.py").write_text("two")
    cities.forget_stale_machine_code(tmp_path)
    assert sorted(file.name for file in cache.iterdir()) == ["compiled_from", "room.cpython-311.pyc"]


@pytest.mark.slow
def test_painting_leaves_the_threads_of_torch_alone():
    """numba's OpenMP would set them to all cores: two pages at a time then train ten times as long."""
    script = (
        "import numba, torch; from tests.simcities.test_renderer import PICTURES; "
        "print(len(PICTURES), torch.get_num_threads(), numba.threading_layer())"
    )
    one = os.environ | {"OMP_NUM_THREADS": "1"}
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=one, stdout=subprocess.PIPE, text=True)
    assert ran.stdout.split() == ["24", "1", "workqueue"]


@pytest.mark.parametrize(("wrong", "match"), [
    *[({"picture_px": px}, f"picture_px {px} must be a multiple of 16") for px in (0, 8, 60, 100)],
    ({"nuisances": NUISANCES[:-1]}, "24 photos but 23 rows"),
    ({"photos": PHOTOS.assign(street=10**6)}, r"street 1000000 is none of the city's, they are 0 to \d+"),
    ({"photos": PHOTOS.assign(street=-1)}, "street -1 is none"),
    ({"photos": PHOTOS.assign(east_m=np.nan)}, "24 of 168 values of photos are missing or infinite"),
    ({"nuisances": np.where(np.arange(12) == 3, np.inf, NUISANCES)}, "24 of 288 values of nuisances are missing"),
    ({"nuisances": NUISANCES[:, :5]}, r"nuisances must be 12 columns for each photo, they are \(24, 5\)"),
])  # fmt: skip
def test_what_cannot_be_painted_or_would_lead_beyond_an_array_is_refused(wrong, match):
    with pytest.raises(ValueError, match=match):
        renderer.render(**{"city": CITY, "photos": PHOTOS, "nuisances": NUISANCES, "picture_px": 32} | wrong)
