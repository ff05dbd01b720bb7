"""Photos of simulated cities: a catalogue, its pictures painted once and whole, or again as they were."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from geonb import files
from geonb.book.page_dependencies import notebooks_folder, parameters
from geonb.photos import sources
from geonb.photos.catalogue import with_lat_lon
from simcities import captions, fields, renderer, simulation, study_worlds
from simcities.world import load

OPTIONS = {"city_count": 2, "photos_per_city": 30, "picture_px": 32, "city_side_m": 900.0, "range_scale": 0.3}
WORLD = simulation.World(**OPTIONS)
STUDIES = sorted(path.stem for path in (notebooks_folder() / "studies").glob("*.yml"))
GLOBE = OPTIONS | {"city_count": 12, "continents": 3, "picture_px": 32, "photos_per_city": 8}


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    """A root folder of its own, so that no picture of another run is found."""
    folder = tmp_path_factory.mktemp("root")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "ROOT", folder)
        yield folder


@pytest.fixture(scope="module")
def read(painted):
    """(catalogue, left_out) of the small world."""
    return sources.gather("simulated", OPTIONS)


@pytest.mark.parametrize("study", STUDIES)
def test_the_cities_of_a_simulated_study_can_be_drawn(study):
    asked = parameters("01_photos", study)
    if asked["source"] == "simulated":  # an impossible city is refused when its World is made
        assert simulation.World(**asked["options"]).planted().names == fields.FIELDS


def test_every_city_has_the_photos_that_were_asked_each_with_a_picture_of_its_own(read, painted):
    catalogue, left_out = read
    assert catalogue.city.value_counts().to_dict() == {"Velmora": 30, "Ostrand": 30}
    assert len(left_out) == 0
    assert set(catalogue.source) == {"simulated"}
    assert all(catalogue[name].is_unique for name in ("photo_id", "path", "sha256"))
    assert not any(path.startswith(("/", "..")) for path in catalogue.path)
    assert set(catalogue.width_px) == set(catalogue.height_px) == {32}
    for path in catalogue.path:
        with Image.open(painted / path) as picture:
            assert (picture.size, picture.format) == ((32, 32), "JPEG")


def test_pictures_that_are_not_there_are_painted_again_as_they_were(read, painted, tmp_path, monkeypatch):
    rows = read[0].iloc[[41, 7, 3, 12]]
    opened = sources.pictures("simulated", OPTIONS, rows)
    monkeypatch.setattr(files, "ROOT", tmp_path)
    painted = sources.pictures("simulated", OPTIONS, rows)
    assert all(one.tobytes() == other.tobytes() and one.size == (32, 32)
               for one, other in zip(opened, painted, strict=True))  # fmt: skip
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["gone.jpg", "$NOT_SET_AT_ALL/a.jpg"])
def test_real_pictures_that_are_not_there_are_none(path):
    assert sources.pictures("folder", {"folder": "x"}, pd.DataFrame({"photo_id": ["a"], "path": [path]})) == []


def test_the_world_lies_beside_its_pictures_and_paints_them_again(read, painted):
    catalogue, _ = read
    folder = WORLD.pictures_folder()
    planted = json.loads((folder / "planted.json").read_text())
    assert tuple(planted["range_m"]) == fields.planted(range_scale=0.3).range_m
    saved = load(folder / "world.npz")
    assert [city.name for city in saved.cities] == ["Velmora", "Ostrand"]
    assert [len(table) for table in saved.photos] == [30, 30]
    again = renderer.render(saved.cities[1], saved.photos[1], saved.nuisances[1], 32)
    with Image.open(painted / catalogue[catalogue.city == "Ostrand"].path.iloc[7]) as picture:
        assert np.abs(np.asarray(picture, float) - again[7]).mean() < 6  # what JPEG leaves


def test_a_second_reading_finds_the_pictures_and_gives_the_same_rows(read, monkeypatch):
    monkeypatch.setattr(simulation, "paint", lambda *given: pytest.fail("painted again"))
    pd.testing.assert_frame_equal(sources.gather("simulated", OPTIONS)[0], read[0])


def test_painted_anew_elsewhere_the_pictures_are_the_same_bytes(read, root):
    assert len(sources.gather("simulated", OPTIONS | {"city_count": 1, "photos_per_city": 1})[0]) == 1
    again, _ = sources.gather("simulated", OPTIONS | {"city_count": 1})
    first = read[0][read[0].city == "Velmora"].reset_index(drop=True)
    pd.testing.assert_frame_equal(again.drop(columns="path"), first.drop(columns="path"))


def test_a_painting_that_breaks_off_leaves_no_folder_and_the_next_one_is_whole(root, monkeypatch):
    calls = []

    def breaks_off(*given):
        calls.append(len(given[1]))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return renderer_render(*given)

    renderer_render = renderer.render
    options = OPTIONS | {"city_count": 1, "photos_per_city": 130, "picture_px": 16}
    folder = simulation.World(**options).pictures_folder()
    with monkeypatch.context() as patch:
        patch.setattr(renderer, "render", breaks_off)
        patch.setattr(simulation, "BATCH", 100)
        with pytest.raises(KeyboardInterrupt):
            sources.gather("simulated", options)
    assert calls == [100, 30]
    assert [path.name for path in folder.iterdir()] == ["painted_by"]
    assert len(sources.gather("simulated", options)[0]) == 130
    assert sorted(path.name for path in folder.iterdir()) == ["Velmora", "painted_by", "planted.json", "world.npz"]


def test_what_other_code_has_painted_is_painted_again(root, monkeypatch):
    options = OPTIONS | {"city_count": 1, "photos_per_city": 2, "picture_px": 16}
    first, _ = sources.gather("simulated", options)
    path = root / first.path[0]
    path.write_bytes(b"painted before")
    assert sources.gather("simulated", options)[0].sha256[0] != first.sha256[0]  # the same code: taken as they are
    monkeypatch.setattr(simulation, "painting_code", lambda: "other code")
    pd.testing.assert_frame_equal(sources.gather("simulated", options)[0], first)


def test_sources_that_planted_nothing_say_so():
    assert study_worlds.planted_at("folder", {}, pd.DataFrame({"lat_deg": [0], "lon_deg": [0], "city": ["a"]})) is None
    assert study_worlds.planted_semivariogram("table", {}, np.array([1.0])) is None
    assert len(sources.streets("folder", {})) == 0
    assert sources.streets("simulated", OPTIONS).city.nunique() == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"city_count": 0}, "city_count 0 must be a whole number of at least 1 and at most 8"),
        ({"city": 3}, "source 'simulated' has no option 'city'; it has city_count, photos_per_city, picture_px"),
        ({"cities": "headroom"}, "source 'simulated' has no option 'cities'; it has city_count, photos_per_city"),
        ({"picture_px": "96"}, "source 'simulated': picture_px = '96' is not of type int"),
    ],
)
def test_a_world_that_cannot_be_made_is_refused_and_leaves_nothing(wrong, said, root):
    with pytest.raises(ValueError, match=said):
        sources.gather("simulated", OPTIONS | wrong)
    assert list(root.iterdir()) == []


def test_what_is_planted_and_said_is_that_of_the_painted_world(read):
    catalogue = with_lat_lon(read[0])
    assert study_worlds.planted_at("simulated", OPTIONS, catalogue).shape == (60, len(fields.FIELDS))
    found = study_worlds.planted_semivariogram("simulated", OPTIONS, np.array([1.0, 1e9]))
    assert found.round(1).tolist() == [0.1, 1]
    words = {way for ways in captions.PHRASES.values() for way in ways}
    assert all(any(way in caption for way in words) for caption in catalogue.caption)
    assert study_worlds.world_of("simulated", OPTIONS) == WORLD
    with pytest.raises(ValueError, match="source 'folder' has no world"):
        study_worlds.world_of("folder", {})


@pytest.mark.slow
def test_a_globe_is_a_catalogue_of_its_countries(painted):
    catalogue, left_out = sources.gather("simulated", GLOBE)
    assert (len(catalogue), len(left_out)) == (96, 0)
    assert catalogue.groupby("country").city.nunique().tolist() == [2] * 6
    assert np.isfinite(study_worlds.planted_at("simulated", GLOBE, with_lat_lon(catalogue))).all()
    saved = load(simulation.World(**GLOBE).pictures_folder() / "world.npz")
    assert [city.country for city in saved.cities[:2]] == ["Lutania", "Ostmere"]
