"""The xRI Alpha Sandbox: a tree as its repository describes it, buildings from a csv as OS Open UPRN publishes it."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from geonb.earth import sphere
from geonb.photos.catalogue import lat_lon_deg
from geonb.photos.pictures import open_picture
from geonb.photos.sources import gather, xri
from tests.photos.made import cannot_list

# Elizabeth Tower (Big Ben), TQ 302 796: on the British National Grid, and in WGS 84
TOWER_GRID, TOWER = ("530268", "179640"), (51.50072, -0.12463)
DAY = "20231205T101500_day"


def picture(file, level=64, seed=0):
    file.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng([seed, *file.as_posix().encode()[-60:]]).integers(-8, 8, (24, 32, 3))
    Image.fromarray((level + noise).astype(np.uint8)).save(file, "JPEG", quality=100, subsampling=0)


def uprns(file, grid=False):
    rows = pd.DataFrame({
        "UPRN": ["000100", "200", "300"], "X_COORDINATE": [TOWER_GRID[0]] * 3, "Y_COORDINATE": [TOWER_GRID[1]] * 3,
        "LATITUDE": ["52.65", "53.48", "51.5"], "LONGITUDE": ["1.71", "-2.24", "-0.1"],
    })  # fmt: skip
    rows.drop(columns=["LATITUDE", "LONGITUDE"] if grid else []).to_csv(file, index=False)


def brightness(path):
    """The mean of a picture, linear or for screens."""
    return np.asarray(open_picture(path)).mean()


def bright(level):
    """What a linear level becomes on a screen."""
    return 255 * (level / 255) ** 0.4545


@pytest.fixture
def tree(root):
    for name in (
        f"part-1/100/{DAY}/rgb_0",
        f"part-1/100/{DAY}/rgb_1",
        f"part-1/100/{DAY}/mask_0",
        "part-1/100/20240110T220000_night/rgb_0",
        "part-2/200/someday_day/rgb_0",
        f"part-2/999/{DAY}/rgb_0",
    ):
        picture(root / "xri" / f"{name}.jpeg")  # fmt: skip
    uprns(root / "osopenuprn.csv")
    return {"folder": "xri", "uprn_table": "osopenuprn.csv"}


def test_pictures_stand_where_their_building_stands_and_nights_and_masks_are_no_photos(tree):
    catalogue, left_out = gather("xri", tree)
    assert len(catalogue) == 3
    assert catalogue.country.unique().tolist() == ["GB"]
    first = catalogue[catalogue.sequence_id == f"100/{DAY}"]
    assert len(first) == 2
    np.testing.assert_allclose(lat_lon_deg(first), [[52.65, 1.71]] * 2)
    assert str(first.captured_at.iloc[0]) == "2023-12-05 10:15:00+00:00"
    assert pd.isna(catalogue.captured_at[catalogue.sequence_id == "200/someday_day"]).all()
    assert sorted(left_out.reason) == ["night", "no position"]
    assert not any("mask" in path for path in [*catalogue.path, *left_out.path])
    assert len(gather("xri", tree | {"night": True})[0]) == 4


def test_linear_pictures_are_brightened_once(tree, root):
    catalogue, _ = gather("xri", tree)
    assert all(path.startswith("build/xri/") for path in catalogue.path)
    (brightened,) = root.glob("build/xri/part-2/200/someday_day/rgb_0-*.jpg")
    assert brightness("xri/part-2/200/someday_day/rgb_0.jpeg") == pytest.approx(64, abs=2)
    assert brightness(brightened) == pytest.approx(bright(64), abs=3)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*.jpg")}
    pd.testing.assert_frame_equal(pd.DataFrame(gather("xri", tree)[0]), pd.DataFrame(catalogue))
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*.jpg")}
    as_they_are = gather("xri", tree | {"linear": False})[0]
    assert all(path.startswith("xri/part-") for path in as_they_are.path)


def test_pictures_of_one_name_in_other_parts_and_folders_are_brightened_apart(root):
    name = f"100/{DAY}/rgb_0.jpeg"
    for number, part in enumerate(("xri/part-1", "xri/part-2", "other/part-1"), 1):
        picture(root / part / name, level=40 * number)
    uprns(root / "osopenuprn.csv")
    levels = []
    for below in ("xri", "other"):
        catalogue, left_out = gather("xri", {"folder": below, "uprn_table": "osopenuprn.csv"})
        assert left_out.empty
        levels += [brightness(path) for path in catalogue.path]
    assert levels == pytest.approx([bright(40 * n) for n in (1, 2, 3)], abs=4)
    picture(root / "other" / "part-1" / name, level=200)  # the same name with other content
    (path,) = gather("xri", {"folder": "other", "uprn_table": "osopenuprn.csv"})[0].path
    assert brightness(path) == pytest.approx(bright(200), abs=4)


@pytest.mark.parametrize(
    ("words", "time"),
    [
        ("20231205101530", "2023-12-05 10:15:30+00:00"),
        ("2023-12-05T10:15:30", "2023-12-05 10:15:30+00:00"),
        ("202312051015", "2023-12-05 10:15:00+00:00"),
        ("2023-12-05", "2023-12-05 00:00:00+00:00"),
        *((words, "") for words in ("20231305", "2023", "2023120510", "someday")),
    ],
)
def test_the_number_of_digits_tells_the_form_of_a_time(words, time):
    assert str(xri.time_of(words)) == time


def test_the_british_national_grid_is_read_where_there_is_no_latitude(tree, root):
    uprns(root / "osopenuprn.csv", grid=True)
    at = lat_lon_deg(gather("xri", tree)[0])
    assert sphere.distance_m(at, np.array([TOWER])).max() < 25


def test_a_broken_picture_is_left_out_and_nothing_of_it_written(tree, root):
    file = root / "xri" / "part-2" / "300" / DAY / "rgb_0.jpeg"
    picture(file)
    file.write_bytes(file.read_bytes()[:300])
    assert "truncated" in set(gather("xri", tree)[1].reason)
    assert not list((root / "build" / "xri").glob("*/300"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, r"osopenuprn\.csv is not in"),
        (b"UPRN,lat\n1,2\n", r"osopenuprn\.csv has not UPRN with .*; it has UPRN, lat"),
    ],
)
def test_a_table_of_buildings_that_is_none_is_told(tree, root, content, words):
    (root / "osopenuprn.csv").unlink() if content is None else (root / "osopenuprn.csv").write_bytes(content)
    with pytest.raises((FileNotFoundError, ValueError), match=words):
        gather("xri", tree)


def test_folders_that_cannot_be_listed_are_told(tree, root, monkeypatch):
    cannot_list(monkeypatch, root / "xri" / "part-2")
    left_out = gather("xri", tree)[1]
    assert ["xri/part-2", "unreadable"] in left_out[["path", "reason"]].to_numpy().tolist()
