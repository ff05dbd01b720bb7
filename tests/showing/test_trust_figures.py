from html import unescape

import folium
import numpy as np
import pandas as pd
import pytest

from geonb.earth.sphere import distance_m
from geonb.showing import maps


def shown_layers(shown):
    return [c for c in shown.map._children.values() if isinstance(c, folium.GeoJson) and c.control]


def features(shown):
    return [one for layer in shown_layers(shown) for one in layer.data["features"]]


def made_guesses():
    likely = pd.DataFrame({
        "layer": ["a"] * 4 + ["b"] * 2, "photo_id": ["one"] * 4 + ["two"] * 2, "city": ["Oulu"] * 4 + ["Suva"] * 2,
        "lat_deg": [51.5] * 4 + [-16.9] * 2, "lon_deg": [-0.1] * 4 + [179.9, -179.9], "distance_m": 84.0,
        "weight": [1, 0.5, 0.2, 0.05, 1, 0.9], "street": "<b>High Street",
    })  # fmt: skip
    circles = pd.DataFrame({"layer": ["a", "b"], "lat_deg": [51.5, -16.9], "lon_deg": [-0.1, 179.9]})
    truth = {"true_lat_deg": [51.6, np.nan], "true_lon_deg": [-0.2, np.nan]}
    return likely, circles.assign(radius_m=[2_000.0, 40_000.0], **truth)


def test_a_guess_has_its_likely_places_the_circle_of_its_radius_and_the_truth_where_known():
    shown = maps.guess_map(*made_guesses(), True)
    first, second = ([one["geometry"]["type"] for one in layer.data["features"]] for layer in shown_layers(shown))
    assert first == ["Point"] * 4 + ["LineString", "Point"]
    assert second == ["Point"] * 2 + ["LineString"]
    assert "(simulated)" in shown.page
    assert "<b>High" not in shown.page
    assert maps.remote_links(shown.page) == []
    told = [unescape(one["properties"]["about"]) for one in features(shown)]
    assert "where it was taken" in told
    assert sum("50% of the best, 84 m from it" in words for words in told) == 1


def test_the_layer_that_is_shown_first_lies_in_the_city_that_is_shown_first():
    likely, circles = made_guesses()
    shown = maps.guess_map(likely.assign(city=["X"] * 4 + ["Y"] * 2), circles, True)
    assert [layer.show for layer in shown_layers(shown)] == [True, False]
    shown = maps.guess_map(likely.assign(city=["Y"] * 4 + ["X"] * 2, photo_id="p"), circles, True)
    assert [layer.show for layer in shown_layers(shown)] == [False, True]


def test_a_circle_lies_at_its_radius_also_across_the_date_line():
    for circle in made_guesses()[1].to_dict("records"):
        (line, _), *more = maps.circle_lines(circle)
        lon_deg, lat_deg = np.array(line["geometry"]["coordinates"]).T
        centre = np.array([circle["lat_deg"], circle["lon_deg"]])
        wrapped = (lon_deg + 180) % 360 - 180
        np.testing.assert_allclose(distance_m(np.column_stack([lat_deg, wrapped]), centre), circle["radius_m"], atol=2)
        assert more == []
        assert np.ptp(lon_deg) < 2


@pytest.mark.parametrize("radius_m", [np.nan, 1.2e7])
def test_without_a_radius_or_beyond_a_hemisphere_no_circle_is_drawn(radius_m):
    likely, circles = made_guesses()
    shown = maps.guess_map(likely, circles.assign(radius_m=radius_m), False)
    assert not any(one["geometry"]["type"] == "LineString" for one in features(shown))


@pytest.mark.parametrize("name", ["{{ 7*7 }}.jpg", "50 {% off", "room {#4", "<script>alert(1)</script>"])
def test_the_name_of_a_photo_is_shown_as_it_is_and_runs_nothing(name):
    likely, circles = made_guesses()
    shown = maps.guess_map(
        likely.replace({"layer": {"a": name}, "city": {"Oulu": name}, "street": {"<b>High Street": name}}),
        circles.replace({"layer": {"a": name}}), False,
    )  # fmt: skip
    assert unescape(shown_layers(shown)[0].layer_name) == name
    assert sum(name in unescape(one["properties"]["about"]) for one in features(shown)) == 6
    assert "49.jpg" not in shown.page
    assert "<script>alert" not in shown.page


def test_a_guess_without_places_is_refused():
    likely, circles = made_guesses()
    with pytest.raises(ValueError, match="is empty"):
        maps.guess_map(likely[:0], circles, True)
