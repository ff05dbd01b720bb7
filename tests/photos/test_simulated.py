import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from geonb import files
from geonb.earth import sphere
from geonb.photos import sources
from geonb.photos.sources import simulated
from simcities import fields, geography, globe, renderer, things
from simcities.world import load

OPTIONS = {"city_count": 2, "photos_per_city": 30, "picture_px": 32, "world_seed": 0, "city_side_m": 900.0}
WORLD = simulated.World(**OPTIONS)


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


# ---- the catalogue ---------------------------------------------------------------------------------------------------
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


def test_street_photos_lie_on_the_street_that_they_name_and_near_their_citys_centre(read):
    catalogue, _ = read
    lines = simulated.streets(WORLD).set_index(["city", "street"]).geometry
    for row in catalogue[catalogue.sequence_id != ""].itertuples():
        line = lines[row.city, row.street]
        near = line.interpolate(line.project(row.geometry))
        assert sphere.distance_m([near.y, near.x], [row.geometry.y, row.geometry.x]) < 8  # its lane
    centres = [geography.position(geography.NAMES.index(city)) for city in catalogue.city]
    at = np.stack([catalogue.geometry.y, catalogue.geometry.x], axis=1)
    assert sphere.distance_m(centres, at).max() < 900


def test_the_heading_points_along_the_street_but_for_the_yaw_of_the_camera(read):
    catalogue, _ = read
    city = WORLD.city(0)
    rows = catalogue[(catalogue.city == city.name) & (catalogue.sequence_id != "")]
    along = city.direction[[city.street_names.index(street) for street in rows.street]]
    bearing = np.degrees(np.arctan2(along[:, 0], along[:, 1]))
    off = np.abs((rows.heading_deg - bearing + 90) % 180 - 90)
    assert catalogue.heading_deg.between(0, 360, inclusive="left").all()
    assert off.max() <= np.degrees(0.9) + 1e-6


def test_what_a_photo_is_of_is_known_by_its_name(read):
    catalogue, _ = read
    cameras = simulated.cameras(WORLD)
    assert cameras.photo_id.tolist() == catalogue.photo_id.tolist()
    assert set(cameras.scene) <= set(things.SCENES)
    assert (cameras.scene[catalogue.sequence_id != ""] == "street").all()
    winter = catalogue.captured_at.dt.month.isin([12, 1, 2])
    assert (cameras.season[winter] > 0.5).all()
    assert (cameras.season[~winter] < 0.5).all()


def test_the_true_fields_lie_among_their_redraws():
    curves = simulated.curves(WORLD, places=120, redraws=100)
    assert curves.columns.tolist() == list(simulated.CURVES)
    assert curves.city.nunique() == OPTIONS["city_count"]
    assert curves.semivariance.between(curves.low, curves.high).mean() > 0.85
    assert (curves.low < curves.high).all()
    np.testing.assert_array_equal(curves, simulated.curves(WORLD, places=120, redraws=100))


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
    assert tuple(planted["range_m"]) == fields.Planted.range_m
    saved = load(folder / "world.npz")
    assert [city.name for city in saved.cities] == ["Velmora", "Ostrand"]
    assert [len(table) for table in saved.photos] == [30, 30]
    again = renderer.render(saved.cities[1], saved.photos[1], saved.nuisances[1], 32)
    with Image.open(painted / catalogue[catalogue.city == "Ostrand"].path.iloc[7]) as picture:
        assert np.abs(np.asarray(picture, float) - again[7]).mean() < 6  # what JPEG leaves


def test_a_second_reading_finds_the_pictures_and_gives_the_same_rows(read, monkeypatch):
    monkeypatch.setattr(simulated, "paint", lambda *given: pytest.fail("painted again"))
    pd.testing.assert_frame_equal(sources.gather("simulated", OPTIONS)[0], read[0])


def test_painted_anew_elsewhere_the_pictures_are_the_same_bytes(read, root):
    assert len(sources.gather("simulated", OPTIONS | {"city_count": 1, "photos_per_city": 1})[0]) == 1
    again, _ = sources.gather("simulated", OPTIONS | {"city_count": 1})
    first = read[0][read[0].city == "Velmora"].reset_index(drop=True)
    pd.testing.assert_frame_equal(again.drop(columns="path"), first.drop(columns="path"))


def test_every_option_that_changes_pictures_has_pictures_of_its_own():
    folders = {WORLD.pictures_folder()}
    for name, value in (
        ("city_count", 3), ("photos_per_city", 31), ("picture_px", 48), ("world_seed", 1), ("range_scale", 0.5),
        ("city_side_m", 901.0), ("nugget", 0.2), ("city_mean_sd", 0.0), ("trend_share", 0.0),
    ):  # fmt: skip
        folders.add(dataclasses.replace(WORLD, **{name: value}).pictures_folder())
    assert len(folders) == 10
    assert simulated.World(**OPTIONS).pictures_folder() in folders


def test_what_other_code_has_painted_is_painted_again(root, monkeypatch):
    options = OPTIONS | {"city_count": 1, "photos_per_city": 2, "picture_px": 16}
    first, _ = sources.gather("simulated", options)
    path = root / first.path[0]
    path.write_bytes(b"painted before")
    assert sources.gather("simulated", options)[0].sha256[0] != first.sha256[0]  # the same code: taken as they are
    monkeypatch.setattr(simulated, "painting_code", lambda: "other code")
    pd.testing.assert_frame_equal(sources.gather("simulated", options)[0], first)


def test_the_painted_code_counts_but_not_the_words(monkeypatch):
    """Every file of simcities but captions."""
    read = []
    monkeypatch.setattr(simulated.Path, "read_text", lambda path, encoding: read.append(path.name) or "")
    simulated.painting_code()
    assert {
        "renderer.py",
        "buildings.py",
        "things.py",
        "day.py",
        "fields.py",
        "simulated.py",
        "random_streams.py",
    } <= set(read)
    assert "captions.py" not in read


# ---- painting --------------------------------------------------------------------------------------------------------
def test_a_painting_that_breaks_off_leaves_no_folder_and_the_next_one_is_whole(root, monkeypatch):
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
        patch.setattr(simulated, "BATCH", 100)
        with pytest.raises(KeyboardInterrupt):
            sources.gather("simulated", options)
    assert calls == [100, 30]
    assert [path.name for path in folder.iterdir()] == ["painted_by"]
    assert len(sources.gather("simulated", options)[0]) == 130
    assert sorted(path.name for path in folder.iterdir()) == ["Velmora", "painted_by", "planted.json", "world.npz"]


def test_a_full_disk_is_an_error_that_leaves_no_half_folder(root, monkeypatch):
    def full(*given, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="No space left"):
        sources.gather("simulated", OPTIONS)
    assert [path.name for path in WORLD.pictures_folder().iterdir()] == ["painted_by"]


def test_what_a_killed_process_left_is_not_in_the_way(root):
    folder = WORLD.pictures_folder() / "Velmora"
    left = folder.with_name(f"Velmora.{simulated.os.getpid()}.partial")
    left.mkdir(parents=True)
    (left / "99999.jpg").touch()
    sources.gather("simulated", OPTIONS)
    assert not left.exists()
    assert len(list(folder.iterdir())) == 30


def test_where_another_process_was_faster_its_pictures_are_taken(root, monkeypatch):
    folder = WORLD.pictures_folder() / "Velmora"

    def meanwhile(*given):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "00000.jpg").write_bytes(b"theirs")
        return np.zeros((len(given[1]), 32, 32, 3), np.uint8)

    monkeypatch.setattr(renderer, "render", meanwhile)
    city = WORLD.city(0)
    photos = geography.drives(city, 5, np.random.default_rng(0))
    simulated.paint(city, photos, np.zeros((5, 12)), 32, folder)
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
    values = none.city(0).fields
    assert abs(np.corrcoef(values[:, 1:].ravel(), values[:, :-1].ravel())[0, 1]) < 0.6  # what cities' means leave
    curve = sources.planted_semivariogram("simulated", OPTIONS | {"range_scale": 0.0}, np.array([1.0, 100.0]))
    np.testing.assert_allclose(curve, 1)


def test_sources_that_planted_nothing_say_so():
    assert sources.planted_fields("folder", {}, np.zeros((1, 2)), np.array(["a"])) is None
    assert sources.planted_at("folder", {}, pd.DataFrame({"lat_deg": [0], "lon_deg": [0], "city": ["a"]})) is None
    assert sources.planted_semivariogram("table", {}, np.array([1.0])) is None
    assert len(sources.streets("folder", {})) == 0
    assert sources.streets("simulated", OPTIONS).city.nunique() == 2


# ---- options ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"city_count": 0}, "city_count 0 must be a whole number of at least 1 and at most 8"),
        ({"city_count": 9}, "city_count 9 must be a whole number of at least 1 and at most 8"),
        ({"photos_per_city": 0}, "photos_per_city 0 must be a whole number of at least 1"),
        ({"picture_px": 8}, "picture_px 8 must be a multiple of 16, the patch of a tower: take 16"),
        ({"picture_px": 90}, "picture_px 90 must be a multiple of 16, the patch of a tower: take 96"),
        ({"city_side_m": 100.0}, "a city's side of 100 m must be 400 to 4000 m"),
        ({"city_side_m": float("nan")}, "city_side_m = nan must be a finite number"),
        ({"nugget": -0.1}, "nugget -0.1 and city_mean_sd 0.8 must be at least 0"),
        ({"trend_share": 0.2}, "trend_share 0.2 must be 0 to 0.1"),
        ({"city_side_m": 500.0}, "a city of 500 m is too small for a range of 400 m"),
        ({"range_scale": -1.0}, "range_scale -1.0 must be a finite number of at least 0"),
        ({"range_scale": float("nan")}, "range_scale = nan must be a finite number"),
        ({"world_seed": -1}, "world_seed -1 must be a whole number of at least 0"),
        ({"range_scale": 3.0}, "a city of 900 m is too small for a range of 1200 m"),
        ({"continents": 7}, "continents 7 must be a whole number of at least 0 and at most 6"),
        ({"continents": 2, "city_count": 17}, "city_count 17 must be a whole number of at least 1 and at most 16"),
        ({"continents": 2, "continent_sd": -1.0}, "continent_sd -1.0 must be a finite number of at least 0"),
        ({"continents": 2, "country_sd": float("nan")}, "country_sd = nan must be a finite number"),
        ({"cities": 3}, "source 'simulated' has no option 'cities'; it has city_count, photos_per_city, picture_px"),
        ({"picture_px": "96"}, "source 'simulated': picture_px = '96' is not of type int"),
        ({"city_count": True}, "city_count = True is not of type int"),
        ({"city_side_m": None}, "city_side_m = None is not of type float"),
    ],
)
def test_a_world_that_cannot_be_made_is_refused_by_name_and_leaves_nothing(wrong, said, root):
    with pytest.raises(ValueError, match=said):
        sources.gather("simulated", OPTIONS | wrong)
    assert list(root.iterdir()) == []


# ---- the globe -------------------------------------------------------------------------------------------------------
GLOBE = OPTIONS | {"city_count": 12, "continents": 3, "picture_px": 32, "photos_per_city": 8}


def test_cities_of_the_globe_lie_apart_on_their_continent_and_have_names_of_their_own():
    homes = [globe.home(n, 0, 6, 1.0, 1.0) for n in range(len(globe.NAMES))]
    at = np.stack([home.centre_lat_lon_deg for home in homes])
    apart_m = sphere.pair_distance_m(at)
    assert apart_m[np.triu_indices(len(at), 1)].min() > 100_000
    middles = np.array([middle for middle, _ in globe.CONTINENTS])
    assert (sphere.nearest(at, middles)[0] == np.arange(len(at)) % 6).all()
    assert sphere.nearest(at, middles)[1].max() < 1_300_000
    assert len(set(globe.NAMES)) == len(globe.NAMES)
    countries = pd.Series([home.country for home in homes])
    assert countries.value_counts().tolist() == [4] * 12


def test_continents_and_countries_share_means_and_styles():
    homes = [globe.home(n, 0, 3, 1.0, 0.5) for n in range(24)]
    by_country = pd.DataFrame([home.means for home in homes]).groupby([home.country for home in homes])
    assert by_country.nunique().to_numpy().max() == 1
    assert [home.style for home in homes[:6]] == [0, 1, 0, 0, 1, 0]
    alone = [globe.home(n, seed, 6, 0.8, 0.4).means for seed in range(200) for n in (0, 6)]
    np.testing.assert_allclose(np.std(alone), np.hypot(0.8, 0.4), rtol=0.1)
    np.testing.assert_array_equal(globe.home(0, 0, 6, 0.0, 0.0).means, 0.0)


def test_means_of_a_continent_are_planted_on_top_of_the_citys_own(painted):
    ours, plain = simulated.World(**GLOBE), simulated.World(**OPTIONS)
    lifted = ours.city(0).fields - plain.city(0).fields
    np.testing.assert_allclose(lifted.mean(axis=(1, 2)), ours.home(0).means, atol=2e-3)
    assert np.abs(lifted - lifted.mean(axis=(1, 2), keepdims=True)).max() < 5e-3  # of float16


@pytest.mark.slow
def test_a_globe_is_a_catalogue_painted_in_two_styles(painted):
    catalogue, left_out = sources.gather("simulated", GLOBE)
    assert (len(catalogue), len(left_out)) == (96, 0)
    assert catalogue.groupby("country").city.nunique().tolist() == [2] * 6
    known = sources.planted_fields(
        "simulated", GLOBE, np.stack([catalogue.geometry.y, catalogue.geometry.x], 1), catalogue.city
    )
    assert np.isfinite(known).all()
    saved = load(simulated.World(**GLOBE).pictures_folder() / "world.npz")
    assert [city.style for city in saved.cities[:3]] == [0, 1, 0]
    ours = renderer.render(saved.cities[1], saved.photos[1], saved.nuisances[1], 32)
    np.testing.assert_array_equal(
        ours, renderer.render(saved.cities[1], saved.photos[1], saved.nuisances[1], 32, style=1)
    )
    assert (ours != renderer.render(saved.cities[1], saved.photos[1], saved.nuisances[1], 32, style=0)).mean() > 0.2
