import json
import re
from html import unescape

import folium
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from shapely import LineString

from geonb.earth.sphere import distance_m, from_local_m
from geonb.showing import interactive_maps
from geonb.showing.safe_text import safe_html
from tests.test_built_book import REMOTE, loaded_by

HOSTILE = """</script><script>alert(1)</script><img src=https://evil.example/x onerror='a("`${1}`")'>"""
TEXTS = (HOSTILE, "{{ cycler.__init__.__globals__.os.getpid() }}", "50 {% off", "room {#4", "a }} b", "{{",
         "{% raw %}{{ 7*7 }}", "O'Higgins {{7*7}} \\ `x` $y_1^2$ <b>")  # fmt: skip
PLACES = r"chooseCity\(map_n\d+, (\[.*?\])\);"
CENTRES = [(51.5, -0.1), (65.0, 25.5), (-16.9, 180.0), (35.7, 139.7), (1.35, 103.8), (-12.0, -77.0), (0, 0), (52, 13)]


def made_errors(n, methods=("clip",)):
    random, city = np.random.default_rng(0), np.arange(n) % len(CENTRES)
    truth = from_local_m(random.normal(0, 900, (n, 2)), np.array(CENTRES[0])) - CENTRES[0] + np.array(CENTRES)[city]
    truth[:, 1] = (truth[:, 1] + 180) % 360 - 180
    table = pd.DataFrame({
        "photo_id": [f"photo_{i:06d}" for i in range(n)], "city": np.char.add("City ", city.astype(str)),
        "lat_deg": truth[:, 0], "lon_deg": truth[:, 1], "predicted_city": "City 1", "right_city": city != 3,
        "predicted_lat_deg": truth[:, 0] + 0.01, "predicted_lon_deg": truth[:, 1],
    })  # fmt: skip
    runs = [table.assign(method=method, error_m=random.lognormal(5, 1, n)) for method in methods]
    return pd.concat(runs, ignore_index=True)


def made_photos(n):
    table = made_errors(n)
    points = gpd.points_from_xy(table["lon_deg"], table["lat_deg"])
    photos = gpd.GeoDataFrame(table[["photo_id", "city"]], geometry=points, crs=4326)
    return photos.assign(path="a/photo.jpg", street="High Street", caption="a street with houses and a tree " * 3)


def made_streets(*lon_lat, licence=""):
    return gpd.GeoDataFrame({"licence": [licence]}, geometry=[LineString(lon_lat)], crs=4326)


def made_predictions():
    likely = pd.DataFrame({
        "layer": ["a"] * 4 + ["b"] * 2, "photo_id": ["one"] * 4 + ["two"] * 2, "city": ["Oulu"] * 4 + ["Suva"] * 2,
        "lat_deg": [51.5] * 4 + [-16.9] * 2, "lon_deg": [-0.1] * 4 + [179.9, -179.9], "distance_m": 84.0,
        "weight": [1, 0.5, 0.2, 0.05, 1, 0.9], "street": "High Street",
    })  # fmt: skip
    circles = pd.DataFrame({"layer": ["a", "b"], "lat_deg": [51.5, -16.9], "lon_deg": [-0.1, 179.9]})
    truth = {"true_lat_deg": [51.6, np.nan], "true_lon_deg": [-0.2, np.nan]}
    return likely, circles.assign(radius_m=[2_000.0, 40_000.0], **truth)


def geojson(shown, control=True):
    return [c for c in shown.map._children.values() if isinstance(c, folium.GeoJson) and c.control == control]


def names(shown):
    return [unescape(layer.layer_name) for layer in geojson(shown)]


def features(shown):
    return [one for layer in geojson(shown) for one in layer.data["features"]]


def tooltips(shown):
    """The tooltips of a map as a reader sees them."""
    texts = re.findall(r'"about": ("(?:[^"\\]|\\.)*")', own_script(shown.page))
    return [unescape(json.loads(text)) for text in texts]


def places(shown):
    return json.loads(re.findall(PLACES, shown.page)[0])


def own_script(page):
    """The page without the vendored Leaflet."""
    css, js = interactive_maps.leaflet()
    return page.replace(js, "").replace(css, "")


def remote_links(page):
    """What a page loads by itself from elsewhere."""
    return [address for address in loaded_by(BeautifulSoup(page, "html.parser")) if REMOTE.match(address)]


def test_a_page_is_whole_loads_nothing_is_the_same_at_every_run_and_stands_in_an_iframe():
    errors = made_errors(40).assign(city='O\'Higgins & "sons"')
    shown = interactive_maps.error_map(errors, {}, True)
    page, frame = shown.page, shown._repr_html_()
    assert remote_links(page) == []
    assert not re.search(r"(https?:)?//\w", own_script(page).replace("http-equiv", ""))
    assert "default-src 'none'" in page
    assert 'img-src data:"' in page
    assert (page.count("Leaflet 1.9.4"), page.count(".leaflet-pane,")) == (1, 1)
    assert interactive_maps.error_map(errors, {}, True).page == page
    assert unescape(re.search(r"srcdoc='([^']*)'", frame)[1]) == page
    assert 'title="map of 40 photos"' in frame
    assert 'sandbox="allow-scripts"' in frame


@pytest.mark.slow
def test_three_thousand_photos_are_three_thousand_marks_within_a_megabyte_and_a_half():
    shown = interactive_maps.photo_map(made_photos(3_000), True)
    assert len(shown._repr_html_().encode()) < 1_500_000
    assert len(features(shown)) == 3_000


def test_twenty_thousand_photos_become_cells_and_the_legend_says_so():
    shown = interactive_maps.photo_map(made_photos(20_000), True)
    assert len(shown._repr_html_().encode()) < 1_500_000
    assert 0 < len(features(shown)) <= interactive_maps.MARKS_AT_MOST
    assert "one mark = the photos in a cell of" in unescape(shown.page)
    counts = [re.match(r"([\d,]+) photos", words) for words in tooltips(shown)]
    assert sum(int(match[1].replace(",", "")) if match else 1 for match in counts) == 20_000


def test_there_is_one_layer_per_method_and_a_control_only_where_there_is_a_choice():
    two = interactive_maps.error_map(made_errors(40, ("clip", "sw_clip")), {}, True)
    one = interactive_maps.error_map(made_errors(40), {}, True)
    assert (names(two), names(one)) == (["clip", "sw_clip"], ["clip"])
    assert ["L.control.layers(" in own_script(shown.page) for shown in (two, one)] == [True, False]
    assert "L.circleMarker(" not in own_script(two.page)  # no script object per photo


def comes_out_as_it_went_in_and_runs_nothing(text):
    photos = made_photos(3).assign(city=text, caption=text, street=text, path=f"x/{text}", photo_id=f"id {text}")
    errors = made_errors(3).assign(city=text, predicted_city=text, method=text, right_city=False)
    errors = pd.concat([errors, errors.assign(method="other")])
    targets = errors[:3].assign(layer=text, street=text, weight=0.5, distance_m=9.0)
    likely, circles = (table.replace({"layer": {"a": text}}) for table in made_predictions())
    likely, streets = likely.assign(city=text, street=text), made_streets((0, 51), (0.1, 51.5), licence=text)
    pictures = {errors["photo_id"].iloc[0]: Image.new("RGB", (9, 9))}
    expected, safe = unescape(safe_html(text, interactive_maps.LONGEST)), unescape(safe_html(text))
    for shown in (
        interactive_maps.photo_map(photos, False, streets), interactive_maps.target_map(targets, False, streets),
        interactive_maps.error_map(errors, pictures, False, streets),
        interactive_maps.posterior_map(likely, circles, False, streets),
    ):  # fmt: skip
        assert all(expected in words for words in tooltips(shown) if not words.startswith(("radius", "where")))
        assert len(tooltips(shown)) >= len(features(shown)) > 0
        (place,) = places(shown)
        assert unescape(place["name"]).rpartition(" ")[0] == safe
        assert names(shown)[0] in (safe, "photos")
        assert f"<em>{safe_html(text)}</em>" in shown.page
        own = own_script(shown.page)
        assert own.count("<script") == own.count("</script")
        assert not [words for words in ("<script>alert", "<img src=https") if words in own]
        assert all("<" not in layer.layer_name for layer in geojson(shown))  # Leaflet writes names as HTML
        assert all("<script" not in one["properties"]["about"] for one in features(shown))
        assert remote_links(shown.page) == []


@pytest.mark.parametrize("text", TEXTS)
def test_hostile_text_in_any_column_comes_out_as_it_went_in_and_runs_nothing(text):
    comes_out_as_it_went_in_and_runs_nothing(text)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(text=st.text(min_size=1, max_size=60))
@example(text="a" * 200)
def test_any_text_in_any_column_comes_out_as_it_went_in_and_runs_nothing(text):
    comes_out_as_it_went_in_and_runs_nothing(text)


def test_photos_and_streets_on_both_sides_of_the_date_line_lie_beside_each_other():
    photos = made_photos(40)
    photos = photos[photos.city == "City 2"]  # at longitude 180
    assert photos.geometry.x.min() < -179
    assert photos.geometry.x.max() > 179
    shown = interactive_maps.photo_map(photos, False, made_streets((-179.99, -17), (179.99, -17)))
    assert np.ptp([one["geometry"]["coordinates"][0] for one in features(shown)]) < 0.1
    (place,) = places(shown)
    assert place["bounds"][1][1] - place["bounds"][0][1] < 0.1  # what the map zooms to
    (context,) = geojson(shown, control=False)
    lines = context.data["features"][0]["geometry"]["geometries"]
    assert min(abs(lon - place["bounds"][0][1]) for line in lines for lon, _ in line["coordinates"]) < 0.1
    many = places(interactive_maps.photo_map(made_photos(800), False))
    assert len(many) == len(CENTRES)
    assert all(place["bounds"][1][1] - place["bounds"][0][1] < 1 for place in many)


def test_a_map_says_simulated_and_its_unit_in_the_legend():
    assert "error (simulated)" in interactive_maps.error_map(made_errors(9), {}, True).page
    assert "simulated" not in own_script(interactive_maps.error_map(made_errors(9), {}, False).page)
    assert "100 m to 200 m" in interactive_maps.error_map(made_errors(9), {}, True).page
    assert "25 km to 200 km" in interactive_maps.error_map(made_errors(9).assign(error_m=1e5), {}, True).page
    astray = made_errors(9).assign(right_city=lambda table: table.index == 0)
    astray["error_m"] = np.where(astray.right_city, 200.0, 4e5)  # rings carry no colour, so they choose no scale
    assert "25 km to 200 km" not in interactive_maps.error_map(astray, {}, True).page


def test_lines_lead_to_the_predicted_place_for_the_largest_errors_in_the_right_city():
    shown = interactive_maps.error_map(made_errors(80), {}, True)
    lines = [one["geometry"]["coordinates"] for one in features(shown) if one["geometry"]["type"] == "LineString"]
    assert len(lines) == interactive_maps.WORST_PER_CITY * (len(CENTRES) - 1)  # nothing of City 3 is in the right city
    for (lon_a, lat_a), (lon_b, lat_b) in lines:
        assert (lon_a, lat_a) == (round(lon_a, 5), round(lat_a, 5))  # a metre
        assert abs(lon_b - lon_a) < 1e-4
        assert lat_b - lat_a == pytest.approx(0.01, abs=2e-5)


def test_thumbnails_lie_inside_the_page():
    errors = made_errors(60)
    pictures = {name: Image.new("L", (64, 48)) for name in errors["photo_id"][5:10]}
    shown = features(interactive_maps.error_map(errors, pictures, True))
    points = [one["properties"]["about"] for one in shown if one["geometry"]["type"] == "Point"]
    assert sum("data:image/jpeg" in about for about in points) == 5


@pytest.mark.parametrize(
    ("change", "said"),
    [(lambda table: table[:0], "empty"), (lambda table: table.assign(predicted_lat_deg=np.nan), "latitude"),
     (lambda table: table.drop(columns="error_m"), "error_m"),
     (lambda table: pd.concat([table, table]), "twice for one method")],
)  # fmt: skip
def test_nothing_to_draw_impossible_positions_and_two_seeds_are_refused_in_words(change, said):
    with pytest.raises(ValueError, match=said):
        interactive_maps.error_map(change(made_errors(9)), {}, True)


def test_a_target_is_shown_layer_by_layer_with_its_weights():
    table = made_errors(3).assign(distance_m=[0.0, 84.0, 1200.0])
    weights = {"one-hot": [1.0, 0.0, 0.0], "gaussian": [0.5, 0.46, 0.04]}
    layers = pd.concat([table.assign(layer=name, weight=weight) for name, weight in weights.items()])
    shown = interactive_maps.target_map(layers, True)
    assert names(shown) == list(weights)
    assert sum("weight 46.0%, 84 m away" in words for words in tooltips(shown)) == 1
    assert sum("weight 0.0%, 1.2 km away" in words for words in tooltips(shown)) == 1
    assert "share of the target (simulated)" in shown.page
    with pytest.raises(ValueError, match="has no column"):
        interactive_maps.target_map(table, True)


def test_a_prediction_has_its_likely_places_the_circle_of_its_radius_and_the_truth_where_known():
    shown = interactive_maps.posterior_map(*made_predictions(), True)
    first, second = ([one["geometry"]["type"] for one in layer.data["features"]] for layer in geojson(shown))
    assert first == ["Point"] * 4 + ["LineString", "Point"]
    assert second == ["Point"] * 2 + ["LineString"]
    assert "where it was taken" in tooltips(shown)
    assert sum("50% of the best, 84 m from it" in words for words in tooltips(shown)) == 1


def test_the_layer_that_is_shown_first_lies_in_the_city_that_is_shown_first():
    likely, circles = made_predictions()
    shown = interactive_maps.posterior_map(likely.assign(city=["X"] * 4 + ["Y"] * 2), circles, True)
    assert [layer.show for layer in geojson(shown)] == [True, False]
    shown = interactive_maps.posterior_map(likely.assign(city=["Y"] * 4 + ["X"] * 2, photo_id="p"), circles, True)
    assert [layer.show for layer in geojson(shown)] == [False, True]


def test_a_circle_lies_at_its_radius_also_across_the_date_line():
    for circle in made_predictions()[1].to_dict("records"):
        (line, *_) = interactive_maps.circle_marks(circle)
        lon_deg, lat_deg = np.array(line["geometry"]["coordinates"]).T
        at = np.column_stack([lat_deg, (lon_deg + 180) % 360 - 180])
        centre = np.array([circle["lat_deg"], circle["lon_deg"]])
        np.testing.assert_allclose(distance_m(at, centre), circle["radius_m"], atol=2)
        assert np.ptp(lon_deg) < 2


@pytest.mark.parametrize("radius_m", [np.nan, 1.2e7])
def test_without_a_radius_or_beyond_a_hemisphere_no_circle_is_drawn(radius_m):
    likely, circles = made_predictions()
    shown = interactive_maps.posterior_map(likely, circles.assign(radius_m=radius_m), False)
    assert not any(one["geometry"]["type"] == "LineString" for one in features(shown))
    with pytest.raises(ValueError, match="is empty"):
        interactive_maps.posterior_map(likely[:0], circles, True)
