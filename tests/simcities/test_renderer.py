import dataclasses
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import simcities as cities
from geonb import random_streams
from geonb.files import ROOT
from simcities import buildings, day, facades, fields, geography, renderer, things

CITY = geography.city(0, 0, fields.Planted(range_m=(150.0,) * len(fields.FIELDS)), half_side_m=300.0)
CLEAR = dataclasses.replace(CITY, things=CITY.things[:0])  # nothing stands in its streets
PHOTOS = geography.drives(CITY, 24, random_streams.stream(0, "drives"), isolated_share=0.4)
NUISANCES = day.nuisance(np.zeros(len(PHOTOS)), random_streams.stream(0, "days"))
PICTURES = renderer.render(CITY, PHOTOS, NUISANCES, 32)
HOUSES = np.flatnonzero((CITY.buildings[:, buildings.KIND] < 2) & (CITY.buildings[:, buildings.FLOORS] > 1))[:8]
UPPER, LOWER = slice(8, 28), slice(56, 64)  # rows of a picture of 64 px: walls above the shops, and the ground


def facing(city, house, away_m):
    """A photo (one row) straight at the front of a building, from a distance, of what lies level with the eye."""
    row = city.buildings[house]
    out = np.array([-row[buildings.SIN], row[buildings.COS]])
    at = row[[buildings.EAST, buildings.NORTH]] + (row[buildings.HALF_DEPTH] + away_m) * out
    return pd.DataFrame({
        "street": [0], "along_m": 0.0, "forward": 1, "east_m": at[0], "north_m": at[1],
        "heading_rad": np.arctan2(-out[0], -out[1]), "eye_m": 3.0, "focal": 1.0, "pitch": 0.0, "scene": "facade",
    })  # fmt: skip


def quiet(nuisances, **columns):
    """Nuisances (1, 12) of an overcast, still day without noise."""
    row = nuisances[:1].copy()
    row[:, [day.CLOUD, day.NOISE, day.HAZE, day.TRAFFIC, day.WET]] = [1.0, 0.0, 0.0, 0.0, 0.0]
    for name, value in columns.items():
        row[:, getattr(day, name)] = value
    return row


def test_pictures_are_bytes_of_the_asked_size_and_exposed():
    assert PICTURES.shape == (len(PHOTOS), 32, 32, 3)
    assert PICTURES.dtype == np.uint8
    assert renderer.render(CITY, PHOTOS[:1], NUISANCES[:1], 128).shape == (1, 128, 128, 3)
    assert renderer.render(CITY, PHOTOS[:0], NUISANCES[:0], 32).shape == (0, 32, 32, 3)
    levels = PICTURES.reshape(len(PICTURES), -1)  # all are exposed, and none is empty
    assert (levels.mean(axis=1) > 60).all()
    assert (levels.mean(axis=1) < 215).all()
    assert (levels.std(axis=1) > 15).all()


@pytest.mark.parametrize("style", [0, 1])
def test_a_picture_is_the_same_in_any_order_and_batch(style):
    whole = renderer.render(CITY, PHOTOS, NUISANCES, 32, style)
    order = random_streams.stream(0, "order").permutation(len(PHOTOS))
    assert (renderer.render(CITY, PHOTOS.iloc[order], NUISANCES[order], 32, style) == whole[order]).all()
    one_by_one = [renderer.render(CITY, PHOTOS[n : n + 1], NUISANCES[n : n + 1], 32, style)[0] for n in range(6)]
    assert (np.stack(one_by_one) == whole[:6]).all()
    assert ((whole != PICTURES).mean() > 0.5) == bool(style)  # another style looks different


def test_a_house_has_the_same_colour_on_two_days_and_from_two_distances():
    """Under the same sky: only the salt of the photo and the distance differ."""
    colours = np.empty((2, len(HOUSES), 3))
    for view, (away_m, salt) in enumerate([(5.0, 1), (7.0, 2)]):
        for k, house in enumerate(HOUSES):
            picture = renderer.render(CLEAR, facing(CITY, house, away_m), quiet(NUISANCES, SALT=salt), 64)[0]
            colours[view, k] = picture[UPPER, 22:42].mean(axis=(0, 1)) / picture[UPPER, 22:42].mean()
    apart = np.abs(colours[0][:, None] - colours[1][None]).sum(axis=-1)
    assert np.diag(apart).mean() < 0.5 * apart.mean()


def test_a_thing_is_seen_where_it_stands():
    photo = facing(CITY, 1, 8.0)
    heading = photo.heading_rad[0]
    middle = photo[["east_m", "north_m"]].to_numpy()[0] + 5 * np.array([np.sin(heading), np.cos(heading)])
    box = np.array([[things.POST_BOX, *middle, heading + np.pi, 1.0, 0.5]])
    empty, full = (
        renderer.render(dataclasses.replace(CITY, things=t), photo, quiet(NUISANCES), 64)[0].astype(int)
        for t in (CITY.things[:0], box)
    )
    changed = np.abs(full - empty).sum(axis=-1) > 60
    assert changed[:, 28:36].sum() > 30
    assert changed[:, :16].sum() == changed[:, 48:].sum() == 0


@pytest.mark.parametrize(("trait", "channel"), [("wall_light", None), ("wall_hue", 2)])
def test_a_trait_of_the_houses_shows_in_their_walls(trait, channel):
    """Lighter walls are brighter beside the ground, and walls of a later hue bluer."""
    shown = []
    for value in (-1.5, 0.0, 1.5):
        table = CITY.buildings.copy()
        table[:, buildings.TRAITS + fields.FIELDS.index(trait)] = value
        city = dataclasses.replace(CLEAR, buildings=table)
        pictures = [renderer.render(city, facing(city, h, 7.0), quiet(NUISANCES), 64)[0].astype(float) for h in HOUSES]
        walls, grounds = (np.mean([p[rows, 16:48] for p in pictures], axis=(0, 1, 2)) for rows in (UPPER, LOWER))
        shown.append(walls.mean() / grounds.mean() if channel is None else walls[channel] / walls.mean())
    assert shown[0] < 0.97 * shown[1] < 0.94 * shown[2]


@pytest.mark.slow
def test_the_stone_of_a_place_shows_in_its_footways_and_plinths():
    k, ground, plinth = fields.FIELDS.index("stone"), [], []
    side = np.stack([-CITY.direction[:, 1], CITY.direction[:, 0]], axis=1)
    beside = CITY.start_m + 30 * CITY.direction + (CITY.half_width_m[:, None] - 0.5) * side
    light = renderer.light_of(quiet(NUISANCES)[0])
    for value in (-1.5, 0.0, 1.5):
        table, layers = CITY.buildings.copy(), CITY.fields.copy()
        table[:, buildings.TRAITS + k], layers[k] = value, value
        city = dataclasses.replace(CLEAR, buildings=table, fields=layers)
        scene, seen = renderer.scene_of(city, 0), np.zeros((len(beside), 5))
        for out, at in zip(seen, beside, strict=True):
            renderer.ground(out, scene, light, *at, 0.05)
        ground.append(np.median(seen[:, 0]))  # some places beside a street are junctions and yards
        plinth.append(scene.looks[HOUSES[0], facades.PLINTH])
    assert np.diff(np.log(ground)) == pytest.approx(np.log(2), rel=1e-6)  # 16 times as light over six units
    assert np.diff(np.log(plinth)) == pytest.approx(np.log(2), rel=1e-6)


def test_grid_lists_hold_every_box_in_the_cells_that_it_touches():
    boxes = np.array([[5.0, 5.0, 1.0, 0.0, 2.0, 2.0], [-30.0, 0.0, 0.0, 1.0, 25.0, 1.0]])
    first, ids = renderer.lists_of(boxes, 60.0, 6)
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
    ({"style": 2}, "style 2"), ({"nuisances": NUISANCES[:-1]}, "24 photos but 23 rows"),
    ({"photos": PHOTOS.assign(scene="moon")}, r"scenes \['moon'\] are none of"),
    ({"photos": PHOTOS.assign(street=10**6)}, r"street 1000000 is none of the city's, they are 0 to \d+"),
    ({"photos": PHOTOS.assign(street=-1)}, "street -1 is none"),
    ({"photos": PHOTOS.assign(east_m=np.nan)}, "24 of 240 values of photos are missing or infinite"),
    ({"nuisances": np.where(np.arange(12) == 3, np.inf, NUISANCES)}, "24 of 288 values of nuisances are missing"),
    ({"nuisances": NUISANCES[:, :5]}, r"nuisances must be 12 columns for each photo, they are \(24, 5\)"),
])  # fmt: skip
def test_what_cannot_be_painted_or_would_lead_beyond_an_array_is_refused(wrong, match):
    with pytest.raises(ValueError, match=match):
        renderer.render(**{"city": CITY, "photos": PHOTOS, "nuisances": NUISANCES, "picture_px": 32} | wrong)
