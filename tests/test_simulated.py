import dataclasses

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from geonb import sources, sphere
from geonb.cities import fields, geography, renderer
from geonb.sources import simulated

OPTIONS = {"city_count": 2, "photos_per_city": 30, "picture_px": 32, "world_seed": 0, "city_side_m": 900.0}
WORLD = simulated.World(**OPTIONS)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A root folder of its own, so that no picture of another run is found."""
    folder = tmp_path_factory.mktemp("root")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated, "ROOT", folder)
        yield folder


@pytest.fixture(scope="module")
def read(root):
    """(catalogue, left_out) of the small world."""
    return sources.gather("simulated", OPTIONS)


@pytest.fixture
def empty_root(tmp_path, monkeypatch):
    monkeypatch.setattr(simulated, "ROOT", tmp_path)
    return tmp_path


# ---- the catalogue ---------------------------------------------------------------------------------------------------
def test_every_city_has_the_photos_that_were_asked_and_nothing_is_left_out(read):
    catalogue, left_out = read
    assert catalogue.city.value_counts().to_dict() == {"Velmora": 30, "Ostrand": 30}
    assert len(left_out) == 0
    assert set(catalogue.source) == {"simulated"}


def test_paths_names_and_contents_are_unique_and_lie_below_the_root(read, root):
    catalogue, _ = read
    for name in ("photo_id", "path", "sha256"):
        assert catalogue[name].is_unique
    assert all((root / path).is_file() for path in catalogue.path)
    assert not any(path.startswith(("/", "..")) for path in catalogue.path)


def test_pictures_have_the_size_that_was_asked(read, root):
    catalogue, _ = read
    with Image.open(root / catalogue.path.iloc[0]) as picture:
        assert picture.size == (32, 32)
        assert picture.format == "JPEG"
    assert set(catalogue.width_px) == set(catalogue.height_px) == {32}


def test_photos_lie_on_the_street_that_they_name_and_near_their_citys_centre(read):
    catalogue, _ = read
    lines = simulated.streets(WORLD).set_index(["city", "street"]).geometry
    for row in catalogue.itertuples():
        line = lines[row.city, row.street]
        near = line.interpolate(line.project(row.geometry))
        assert sphere.distance_m([near.y, near.x], [row.geometry.y, row.geometry.x]) < 1
        assert (
            sphere.distance_m(geography.position(geography.NAMES.index(row.city)), [row.geometry.y, row.geometry.x])
            < 900
        )


def test_the_heading_points_along_the_street_but_for_the_yaw_of_the_camera(read):
    catalogue, _ = read
    city = WORLD.city(0)
    rows = catalogue[catalogue.city == city.name]
    along = city.direction[[city.street_names.index(street) for street in rows.street]]
    bearing = np.degrees(np.arctan2(along[:, 0], along[:, 1]))
    off = np.abs((rows.heading_deg - bearing + 90) % 180 - 90)
    assert rows.heading_deg.between(0, 360, inclusive="left").all()
    assert off.max() <= np.degrees(0.7) + 1e-6


def test_a_second_reading_finds_the_pictures_and_gives_the_same_rows(read, root, monkeypatch):
    monkeypatch.setattr(simulated, "paint", lambda *given: pytest.fail("painted again"))
    pd.testing.assert_frame_equal(sources.gather("simulated", OPTIONS)[0], read[0])


def test_painted_anew_elsewhere_the_pictures_are_the_same_bytes(read, empty_root):
    again, _ = sources.gather("simulated", OPTIONS | {"city_count": 1})
    first = read[0][read[0].city == "Velmora"].reset_index(drop=True)
    pd.testing.assert_frame_equal(again.drop(columns="path"), first.drop(columns="path"))


def test_a_city_with_one_photo_is_read(empty_root):
    catalogue, _ = sources.gather("simulated", OPTIONS | {"city_count": 1, "photos_per_city": 1})
    assert len(catalogue) == 1


def test_every_option_has_pictures_of_its_own():
    folders = {WORLD.pictures_folder()}
    for name, value in (
        ("city_count", 3), ("photos_per_city", 31), ("picture_px", 33), ("world_seed", 1), ("range_scale", 0.5),
        ("city_side_m", 901.0),
    ):  # fmt: skip
        folders.add(dataclasses.replace(WORLD, **{name: value}).pictures_folder())
    assert len(folders) == 7
    assert simulated.World(**OPTIONS).pictures_folder() in folders


# ---- painting --------------------------------------------------------------------------------------------------------
def test_a_painting_that_breaks_off_leaves_no_folder_and_the_next_one_is_whole(empty_root, monkeypatch):
    calls = []

    def breaks_off(*given):
        calls.append(len(given[1]))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return renderer_render(*given)

    renderer_render = renderer.render
    options = OPTIONS | {"city_count": 1, "photos_per_city": 130, "picture_px": 16}
    folder = simulated.World(**options).pictures_folder()
    with monkeypatch.context() as patch:
        patch.setattr(renderer, "render", breaks_off)
        with pytest.raises(KeyboardInterrupt):
            sources.gather("simulated", options)
    assert calls == [100, 30]
    assert list(folder.iterdir()) == []
    assert len(sources.gather("simulated", options)[0]) == 130
    assert [path.name for path in folder.iterdir()] == ["Velmora"]


def test_a_full_disk_is_an_error_that_leaves_no_half_folder(empty_root, monkeypatch):
    def full(*given, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="No space left"):
        sources.gather("simulated", OPTIONS)
    assert list(WORLD.pictures_folder().iterdir()) == []


def test_what_a_killed_process_left_is_not_in_the_way(empty_root):
    folder = WORLD.pictures_folder() / "Velmora"
    left = folder.with_name(f"Velmora.{simulated.os.getpid()}.partial")
    left.mkdir(parents=True)
    (left / "99999.jpg").touch()
    sources.gather("simulated", OPTIONS)
    assert not left.exists()
    assert len(list(folder.iterdir())) == 30


def test_where_another_process_was_faster_its_pictures_are_taken(empty_root, monkeypatch):
    folder = WORLD.pictures_folder() / "Velmora"

    def meanwhile(*given):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "00000.jpg").write_bytes(b"theirs")
        return np.zeros((len(given[1]), 32, 32, 3), np.uint8)

    monkeypatch.setattr(renderer, "render", meanwhile)
    city = WORLD.city(0)
    photos = geography.drives(city, 5, np.random.default_rng(0))
    simulated.paint(city, photos, np.zeros((5, 12)), 32, 0.15, folder)
    assert (folder / "00000.jpg").read_bytes() == b"theirs"
    assert [path.name for path in folder.parent.iterdir()] == ["Velmora"]


# ---- what was planted ------------------------------------------------------------------------------------------------
def test_the_truth_at_a_place_is_the_citys_field_there():
    city = WORLD.city(1)
    metres = np.random.default_rng(0).uniform(-440, 440, (20, 2))
    found = simulated.truth(WORLD, city.lat_lon_deg(metres), np.full(20, city.name))
    np.testing.assert_allclose(found, fields.value_at(city.fields, 450.0, metres), atol=1e-6)


def test_a_city_of_another_world_has_no_truth():
    found = simulated.truth(WORLD, np.array([[38.0, -42.0], [50.0, 7.0]]), np.array(["Velmora", "Bonn"], object))
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()


def test_the_range_scale_multiplies_the_planted_ranges_and_zero_plants_none():
    assert dataclasses.replace(WORLD, range_scale=0.5).planted().range_m[0] == 0.5 * fields.Planted().range_m[0]
    none = dataclasses.replace(WORLD, range_scale=0.0)
    assert (np.ptp(none.city(0).fields, axis=(1, 2)) == 0).all()
    curve = sources.planted_semivariogram("simulated", OPTIONS | {"range_scale": 0.0}, np.array([1.0, 100.0]))
    np.testing.assert_allclose(curve, 1)


def test_sources_that_planted_nothing_say_so():
    assert sources.planted_fields("folder", {}, np.zeros((1, 2)), np.array(["a"])) is None
    assert sources.planted_semivariogram("table", {}, np.array([1.0])) is None
    assert len(sources.streets("folder", {})) == 0
    assert sources.streets("simulated", OPTIONS).city.nunique() == 2


# ---- options ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"city_count": 0}, "city_count 0 must be 1 to 8"),
        ({"city_count": 9}, "city_count 9 must be 1 to 8"),
        ({"photos_per_city": 0}, "photos_per_city 0 at least 1"),
        ({"picture_px": 8}, "picture_px 8 must be at least 16"),
        ({"city_side_m": 100.0}, "city_side_m 100.0 at least 400 m"),
        ({"city_side_m": 500.0}, "a city of 500 m is too small for a range of 400 m"),
        ({"range_scale": -1.0}, "range_scale -1.0 and world_seed 0 must be at least 0"),
        ({"range_scale": float("nan")}, "range_scale nan"),
        ({"world_seed": -1}, "world_seed -1 must be at least 0"),
        ({"range_scale": 3.0}, "a city of 900 m is too small for a range of 1200 m"),
        ({"cities": 3}, "source 'simulated' has no option 'cities'; it has city_count, photos_per_city, picture_px"),
        ({"picture_px": "96"}, "source 'simulated': picture_px = '96' is not of type int"),
        ({"city_count": True}, "city_count = True is not of type int"),
        ({"city_side_m": None}, "city_side_m = None is not of type float"),
    ],
)
def test_a_world_that_cannot_be_made_is_refused_by_name_and_leaves_nothing(wrong, said, empty_root):
    with pytest.raises(ValueError, match=said):
        sources.gather("simulated", OPTIONS | wrong)
    assert list(empty_root.iterdir()) == []
