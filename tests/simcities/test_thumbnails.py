import numpy as np
import pytest
from PIL import Image

from simcities import simulation, thumbnails

WORLD = simulation.World(city_count=3, photos_per_city=60, picture_px=32, city_side_m=900.0, range_scale=0.3)


def test_every_figure_of_a_world_has_its_pictures_and_titles():
    photos, _ = simulation.unpainted(WORLD)
    blank = lambda rows: [Image.new("RGB", (32, 32))] * len(rows)  # noqa: E731
    table = thumbnails.thumbnails(WORLD, photos, blank)
    assert table.columns.tolist() == list(thumbnails.THUMBNAILS)
    assert table.sheet.unique().tolist() == ["days", "neighbours", "values"]
    pictures, titles = thumbnails.sheet(table, "values")
    assert len(pictures) == len(titles) == 8
    assert {picture.size for picture in pictures} == {(32, 32)}
    assert "storeys" in titles[0]


def test_one_place_on_other_days_is_the_same_place():
    shown = [np.asarray(picture, float) for picture in thumbnails.on_other_days(WORLD, 0, 3)]
    other = np.asarray(thumbnails.on_other_days(WORLD, 20, 1)[0], float)
    assert all((a != b).any() for a, b in [(shown[0], shown[1]), (shown[0], shown[2])])
    assert np.abs(shown[0] - shown[2]).mean() < np.abs(shown[0] - other).mean()


def test_two_cities_are_shown_at_the_same_rising_values():
    rng, city = np.random.default_rng(0), np.repeat(["a", "b", "c"], 200)
    values = rng.normal(np.repeat([0.0, 0.2, 9.0], 200))  # c overlaps with none
    found = thumbnails.same_values(values, city)
    assert set(city[found]) == {"a", "b"}
    assert (np.diff(values[found[:4]]) > 0).all()
    np.testing.assert_allclose(values[found[:4]], values[found[4:]], atol=0.15)
    with pytest.raises(ValueError, match="two cities are needed to compare them, there is 1"):
        thumbnails.same_values(values[:200], city[:200])
