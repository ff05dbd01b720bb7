import json
import re
from html import unescape

import folium
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from shapely import LineString

from geonb.earth.sphere import from_local_m
from geonb.showing import maps
from geonb.showing.safe_text import safe_html

HOSTILE = """</script><script>alert(1)</script><img src=https://evil.example/x onerror='a("`${1}`")'>"""
CENTRES = [(51.5, -0.1), (65.0, 25.5), (-16.9, 180.0), (35.7, 139.7), (1.35, 103.8), (-12.0, -77.0), (0, 0), (52, 13)]


def made_errors(n, methods=("clip",), seeds=(0,)):
    random = np.random.default_rng(0)
    city = np.arange(n) % len(CENTRES)
    truth = from_local_m(random.normal(0, 900, (n, 2)), np.array(CENTRES[0]))
    truth = truth - CENTRES[0] + np.array(CENTRES)[city]
    truth[:, 1] = (truth[:, 1] + 180) % 360 - 180
    table = pd.DataFrame(
        {"photo_id": [f"photo_{i:06d}" for i in range(n)], "city": np.char.add("City ", city.astype(str))}
    )
    table = table.assign(lat_deg=truth[:, 0], lon_deg=truth[:, 1], predicted_city="City 1", right_city=city != 3)
    table = table.assign(predicted_lat_deg=truth[:, 0] + 0.01, predicted_lon_deg=truth[:, 1], split="blocked")
    runs = [table.assign(method=m, seed=s, error_m=random.lognormal(5, 1, n)) for m in methods for s in seeds]
    return pd.concat(runs, ignore_index=True)


def made_photos(n):
    table = made_errors(n)
    points = gpd.points_from_xy(table["lon_deg"], table["lat_deg"])
    photos = gpd.GeoDataFrame(table[["photo_id", "city"]], geometry=points, crs=4326)
    return photos.assign(path="a/photo.jpg", street="High Street", caption="a street with houses and a tree " * 3)


def shown_layers(shown):
    return [c for c in shown.map._children.values() if isinstance(c, folium.GeoJson) and c.control]


def features(shown):
    return [one for layer in shown_layers(shown) for one in layer.data["features"]]


def own_script(page):
    """The page without the vendored Leaflet."""
    return page.replace(maps.vendored("leaflet/leaflet.js"), "").replace(maps.leaflet_css(), "")


def test_a_page_loads_nothing_and_forbids_itself_to():
    page = maps.error_map(made_errors(40), None, True).page
    assert maps.remote_links(page) == []
    assert not re.search(r"(https?:)?//\w", own_script(page).replace("http-equiv", ""))
    assert "default-src 'none'" in page
    assert 'img-src data:"' in page


def test_leaflet_is_in_the_page_once_and_jquery_not_at_all():
    page = maps.error_map(made_errors(40), None, True).page
    assert page.count("Leaflet 1.9.4") == 1
    assert page.count(".leaflet-pane,") == 1
    assert "jQuery v3" not in page


@pytest.mark.parametrize("make", [made_photos, made_errors])
def test_three_thousand_photos_stay_within_a_megabyte_and_a_half(make):
    table = make(3_000)
    shown = maps.photo_map(table, True) if make is made_photos else maps.error_map(table, None, True)
    assert len(shown._repr_html_().encode()) < 1_500_000
    assert sum(one["geometry"]["type"] == "Point" for one in features(shown)) == 3_000


def test_twenty_thousand_photos_become_cells_and_the_legend_says_so():
    shown = maps.photo_map(made_photos(20_000), True)
    assert len(shown._repr_html_().encode()) < 1_500_000
    assert 0 < len(features(shown)) <= maps.MARKS_AT_MOST
    assert "one mark = the photos in a cell of" in unescape(shown.page)
    told = [re.match(r"([\d,]+) photos", one["properties"]["about"]) for one in features(shown)]
    assert sum(int(match[1].replace(",", "")) if match else 1 for match in told) == 20_000


def test_there_is_one_layer_per_method_and_a_control_only_where_there_is_a_choice():
    two = maps.error_map(made_errors(40, ("clip", "sw_clip")), None, True)
    one = maps.error_map(made_errors(40), None, True)
    assert [unescape(layer.layer_name) for layer in shown_layers(two)] == ["clip", "sw_clip"]
    assert len(shown_layers(one)) == 1
    assert "L.control.layers(" in own_script(two.page)
    assert "L.control.layers(" not in own_script(one.page)
    assert "L.circleMarker(" not in own_script(two.page)  # no script object per photo


def test_hostile_text_cannot_run_anywhere_on_the_page():
    photos = made_photos(9).assign(city=HOSTILE, caption=HOSTILE, street=HOSTILE, path=f"x/{HOSTILE}", photo_id=HOSTILE)
    errors = made_errors(9).assign(
        city=HOSTILE, predicted_city=HOSTILE, method=HOSTILE, photo_id=HOSTILE, right_city=False
    )
    both = pd.concat([errors, errors.assign(method="b`</script>")])
    thumbnails = {HOSTILE: Image.new("RGB", (9, 9))}
    for shown in (maps.photo_map(photos, True), maps.error_map(both, thumbnails, True)):
        own = own_script(shown.page)
        assert own.count("<script") == own.count("</script")
        assert "<script>alert" not in own
        assert "<img src=https" not in own
        assert "evil.example" not in " ".join(maps.remote_links(shown.page))
        assert all("<" not in layer.layer_name for layer in shown_layers(shown))  # Leaflet writes names as HTML
        assert all("<script" not in one["properties"]["about"] for one in features(shown))


TEMPLATES = (
    "{{ cycler.__init__.__globals__.os.getpid() }}",
    "50 {% off",
    "room {#4",
    "a }} b",
    "{{",
    "{% raw %}{{ 7*7 }}",
)


def told(shown):
    """The tooltips of a map as a reader sees them."""
    texts = re.findall(r'"about": ("(?:[^"\\]|\\.)*")', own_script(shown.page))
    return [unescape(json.loads(text)) for text in texts]


@settings(max_examples=60, deadline=None)
@given(text=st.one_of(st.sampled_from(TEMPLATES), st.text(min_size=1, max_size=60)))
@example(text=HOSTILE)
@example(text="O'Higgins {{7*7}} \\ `x` $y_1^2$ <b>")
def test_any_text_in_any_column_comes_out_as_it_went_in_and_runs_nothing(text):
    photos = made_photos(3).assign(city=text, caption=text, street=text, path=f"x/{text}", photo_id=f"id {text}")
    streets = gpd.GeoDataFrame({"licence": [text]}, geometry=[LineString([(0, 51), (0.1, 51.5)])], crs=4326)
    errors = made_errors(3).assign(city=text, predicted_city=text, method=text, photo_id=text, right_city=False)
    both = pd.concat([errors, errors.assign(method="other")])
    targets = made_errors(3).assign(layer=text, city=text, street=text, weight=0.5, distance_m=9.0)
    expected = unescape(safe_html(text, maps.LONGEST))
    for shown in (
        maps.photo_map(photos, False, streets=streets), maps.error_map(both, None, False, streets=streets),
        maps.target_map(targets, False, streets=streets),
    ):  # fmt: skip
        assert [expected in words for words in told(shown) if words] == [True] * len(features(shown))
        data = re.findall(r"places = (\[.*?\]);", shown.page)[0]
        (name,) = [unescape(place["name"]) for place in json.loads(data)]
        assert name.rpartition(" ")[0] == unescape(safe_html(text))
        assert f"<em>{safe_html(text)}</em>" in shown.page
        own = own_script(shown.page)
        assert own.count("<script") == own.count("</script")
    layers = [layer.layer_name for layer in shown_layers(maps.error_map(both, None, False))]
    assert [unescape(name) for name in layers] == [unescape(safe_html(text)), "other"]


def test_photos_on_both_sides_of_the_date_line_lie_beside_each_other():
    photos = made_photos(40)
    photos = photos[photos.city == "City 2"]  # at longitude 180
    assert photos.geometry.x.min() < -179
    assert photos.geometry.x.max() > 179
    shown = [one["geometry"]["coordinates"][0] for one in features(maps.photo_map(photos, False))]
    assert max(shown) - min(shown) < 0.1
    here = maps.photo_map(
        photos, False, streets=gpd.GeoDataFrame(geometry=[LineString([(-179.99, -17), (179.99, -17)])], crs=4326)
    )
    (place,) = json.loads(re.findall(r"places = (\[.*?\]);", here.page)[0])
    assert place["bounds"][1][1] - place["bounds"][0][1] < 0.1  # what the map zooms to
    (context,) = [
        c.data["features"] for c in here.map._children.values() if isinstance(c, folium.GeoJson) and not c.control
    ]
    ends = [lon for line in context[0]["geometry"]["geometries"] for lon, _ in line["coordinates"]]
    assert min(abs(lon - place["bounds"][0][1]) for lon in ends) < 0.1


def test_the_iframe_holds_the_page_unchanged_and_has_a_title():
    shown = maps.error_map(made_errors(9).assign(city='O\'Higgins & "sons"'), None, True)
    frame = shown._repr_html_()
    assert unescape(re.search(r"srcdoc='([^']*)'", frame)[1]) == shown.page
    assert 'title="map of 9 photos in 1 city"' in frame
    assert 'sandbox="allow-scripts"' in frame


def test_the_same_table_makes_the_same_page():
    assert maps.error_map(made_errors(20), None, True).page == maps.error_map(made_errors(20), None, True).page


def test_a_map_says_simulated_and_its_unit_in_the_legend():
    assert "error (simulated)" in maps.error_map(made_errors(9), None, True).page
    assert "simulated" not in own_script(maps.error_map(made_errors(9), None, False).page)
    assert "100 m to 200 m" in maps.error_map(made_errors(9), None, True).page
    assert "25 km to 200 km" in maps.error_map(made_errors(9).assign(error_m=1e5), None, True).page
    astray = made_errors(9).assign(right_city=lambda table: table.index == 0)
    astray["error_m"] = np.where(astray.right_city, 200.0, 4e5)  # rings carry no colour, so they choose no scale
    assert "25 km to 200 km" not in maps.error_map(astray, None, True).page


def test_positions_are_rounded_to_a_metre():
    for one in features(maps.error_map(made_errors(9), None, True)):
        numbers = re.findall(r"-?\d+\.\d+", json.dumps(one["geometry"]["coordinates"]))
        assert all(len(number.split(".")[1]) <= 5 for number in numbers)


def test_a_city_across_the_date_line_is_one_place():
    places = maps.city_bounds(maps.unwrapped(made_errors(800)))
    assert len(places) == len(CENTRES)
    assert all(place["bounds"][1][1] - place["bounds"][0][1] < 1 for place in places)


def test_lines_lead_to_the_guess_for_the_largest_errors_in_the_right_city():
    shown = maps.error_map(made_errors(80), None, True, worst_per_city=2)
    lines = [one for one in features(shown) if one["geometry"]["type"] == "LineString"]
    assert len(lines) == 2 * (len(CENTRES) - 1)  # none of City 3 was placed in the right city
    for one in lines:
        (lon_a, lat_a), (lon_b, lat_b) = one["geometry"]["coordinates"]
        assert abs(lon_b - lon_a) < 1e-4
        assert lat_b - lat_a == pytest.approx(0.01, abs=2e-5)


def test_of_several_seeds_the_middle_one_is_drawn():
    table = pd.DataFrame({"layer": "a", "photo_id": [1, 1, 1, 2], "error_m": [9.0, 1.0, 5.0, 7.0]})
    assert maps.middle_seed(table)["error_m"].tolist() == [5.0, 7.0]


def test_thumbnails_lie_inside_the_page():
    errors = made_errors(60)
    shown = maps.error_map(errors, {name: Image.new("L", (640, 480)) for name in errors["photo_id"]}, True)
    assert sum("data:image/jpeg" in one["properties"]["about"] for one in features(shown)) == maps.THUMBNAILS_AT_MOST


def test_streets_lie_beneath_and_are_no_layer_to_choose():
    streets = gpd.GeoDataFrame(geometry=[LineString([(0, 51), (0.1, 51.5)])], crs=4326).to_crs(3857)
    shown = maps.photo_map(made_photos(9), True, streets=streets)
    layers = [c for c in shown.map._children.values() if isinstance(c, folium.GeoJson)]
    assert [layer.control for layer in layers] == [False, True]


def test_tiles_are_fetched_only_on_request():
    assert "tile.openstreetmap" not in maps.photo_map(made_photos(9), True).page
    asked = maps.photo_map(made_photos(9), True, tiles="OpenStreetMap")
    assert "tile.openstreetmap" in asked.page
    assert "img-src data: https:" in asked.page


def test_a_plugin_that_is_not_vendored_is_refused_by_name():
    page = folium.Map(tiles=None)
    page.get_root().header.add_child(folium.Element('<script src="https://cdn.example/heat.js"></script>'))
    with pytest.raises(ValueError, match=r"cdn\.example/heat\.js"):
        maps.offline(page)


def test_a_default_marker_is_refused():
    page = folium.Map(tiles=None)
    folium.Marker([0, 0]).add_to(page)
    with pytest.raises(ValueError, match="CircleMarker"):
        maps.offline(page)


def test_a_popup_of_another_map_brings_jquery_along():
    page = folium.Map(tiles=None)
    folium.CircleMarker([0, 0], popup="here").add_to(page)
    assert "jQuery v3" in maps.offline(page).page


def test_a_saved_map_is_the_page(tmp_path):
    shown = maps.photo_map(made_photos(9), True)
    assert shown.save(tmp_path / "deep" / "map.html").read_text(encoding="utf-8") == shown.page


def test_nothing_to_draw_and_impossible_positions_are_said_in_words():
    with pytest.raises(ValueError, match="empty"):
        maps.photo_map(made_photos(9)[:0], True)
    with pytest.raises(ValueError, match="empty"):
        maps.error_map(made_errors(9)[:0], None, True)
    with pytest.raises(ValueError, match="latitude"):
        maps.error_map(made_errors(9).assign(predicted_lat_deg=np.nan), None, True)
    with pytest.raises(ValueError, match="error_m"):
        maps.error_map(made_errors(9).drop(columns="error_m"), None, True)


def test_a_target_is_shown_layer_by_layer_with_its_weights():
    table = made_errors(3).assign(distance_m=[0.0, 84.0, 1200.0], street=HOSTILE)
    weights = {"one-hot": [1.0, 0.0, 0.0], "gaussian": [0.5, 0.46, 0.04]}
    shown = maps.target_map(
        pd.concat([table.assign(layer=name, weight=weight) for name, weight in weights.items()]), True
    )
    assert [layer.layer_name for layer in shown_layers(shown)] == list(weights)
    told = [unescape(one["properties"]["about"]) for one in features(shown)]
    assert sum("weight 46.0%, 84 m away" in words for words in told) == 1
    assert sum("weight 0.0%, 1.2 km away" in words for words in told) == 1
    assert maps.remote_links(shown.page) == []
    assert "share of the target (simulated)" in shown.page
    with pytest.raises(ValueError, match="has no column"):
        maps.target_map(table, True)
