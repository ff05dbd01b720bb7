"""Names of GeoNames and streets of OpenStreetMap around photos whose source tells neither."""

import geopandas
import numpy as np
import pytest
import shapely

from geonb.photos import districts_and_streets, sources
from geonb.showing import interactive_maps
from geonb.showing.safe_text import safe_html
from geonb.splitting import galleries

OSM = """<?xml version="1.0"?>
<osm version="0.6" generator="test">
 <node id="1" lat="50.9400" lon="6.9500" version="1"/><node id="2" lat="50.9400" lon="6.9600" version="1"/>
 <node id="3" lat="50.9450" lon="6.9550" version="1"/><node id="4" lat="51.9400" lon="6.9550" version="1"/>
 <way id="10" version="1"><nd ref="1"/><nd ref="2"/>
  <tag k="highway" v="residential"/><tag k="name" v="Erste &lt;b&gt; Straße"/></way>
 <way id="11" version="1"><nd ref="2"/><nd ref="3"/><tag k="highway" v="footway"/><tag k="name" v="Fußweg"/></way>
 <way id="12" version="1"><nd ref="1"/><nd ref="3"/><tag k="highway" v="service"/></way>
 <way id="13" version="1"><nd ref="1"/><nd ref="3"/><tag k="waterway" v="river"/><tag k="name" v="Rhein"/></way>
 <way id="14" version="1"><nd ref="4"/><nd ref="4"/><tag k="highway" v="primary"/><tag k="name" v="Fern"/></way>
</osm>"""
STREET = {"city": ["A"], "country": "", "street": ""}
FIRST = "Erste <b> Straße"


def catalogue(places, **columns):
    """A catalogue of photos at (lat, lon) pairs; columns that are not given are empty."""
    lat, lon = np.transpose(places)
    empty = {"city": "near 50.94N 6.96E", "country": "", "district": "", "street": ""}
    points = geopandas.points_from_xy(lon, lat)
    return geopandas.GeoDataFrame(empty | columns, index=range(len(lat)), geometry=points, crs="EPSG:4326")


@pytest.fixture
def extract(tmp_path):
    """An extract of OpenStreetMap with two streets, a path, a river and something far away."""
    (tmp_path / "cologne.osm").write_text(OSM, encoding="utf-8")
    return tmp_path / "cologne.osm"


COLOGNE = [[50.9401, 6.955], [50.9460, 6.958], [50.9400, 6.951]]


def test_what_a_source_does_not_tell_is_named_and_what_it_tells_is_kept():
    found = districts_and_streets.named(catalogue(COLOGNE, district=["", "mine", ""]))
    assert set(found.country) == {"DE"}
    assert found.district.tolist() == ["Altstadt Nord", "mine", "Altstadt Nord"]
    assert set(found.city) == {"near Altstadt Nord, DE"}
    told = districts_and_streets.named(catalogue(COLOGNE, city="Köln", country=["Germany", "", ""]))
    assert set(told.city) == {"Köln"}
    assert told.country.tolist() == ["Germany", "", ""]  # no DE beside it


def test_photos_far_from_every_place_keep_what_they_have():
    found = districts_and_streets.named(catalogue([[38.0, -40.0]], city="near 38.00N 40.00W"))
    assert found[["city", "country", "district"]].iloc[0].tolist() == ["near 38.00N 40.00W", "", ""]


def test_two_cities_never_get_one_name():
    names = ["near 50.94N 6.95E", "near 50.94N 6.96E"]
    found = districts_and_streets.named(catalogue(COLOGNE[::2], city=names))
    assert found.city.tolist() == names
    taken = districts_and_streets.named(catalogue(COLOGNE[::2], city=[names[0], "near Altstadt Nord, DE"]))
    assert taken.city.nunique() == 2


def test_an_extract_gives_its_streets_around_the_photos_and_no_paths_or_rivers(extract):
    found = districts_and_streets.streets(extract, catalogue(COLOGNE, country="DE"))
    assert sorted(found.street) == ["", FIRST]
    assert set(found.country) == {"DE"}
    assert found.crs == "EPSG:4326"
    grid = galleries.along_streets(found, 25.0)
    assert len(grid) > 40
    assert grid.lat_deg.between(50.93, 50.95).all()


def test_photos_get_the_name_of_a_street_that_is_near_and_keep_their_own(extract):
    photos = catalogue(COLOGNE, street=["", "", "own"])
    found = districts_and_streets.along(photos, districts_and_streets.streets(extract, photos))
    assert found.street.tolist() == [FIRST, "", "own"]  # the second is 600 m away
    assert photos.street.tolist() == ["", "", "own"]


def test_lines_in_another_system_are_taken_and_parts_of_one_line_apart(tmp_path):
    lines = shapely.MultiLineString([[(6.95, 50.94), (6.96, 50.94)], [(6.95, 50.941), (6.96, 50.941)]])
    table = geopandas.GeoDataFrame({"street": ["Ring"]}, geometry=[lines], crs="EPSG:4326").to_crs("EPSG:25832")
    table.to_file(tmp_path / "lines.gpkg")
    photos = catalogue(COLOGNE)
    found = districts_and_streets.streets(tmp_path / "lines.gpkg", photos)
    assert found.street.tolist() == ["Ring", "Ring"]
    assert districts_and_streets.along(photos, found).street[0] == "Ring"


def test_each_city_gets_the_streets_around_its_own_photos(extract):
    far = catalogue([*COLOGNE, [10.0, 10.0]], city=["Köln"] * 3 + ["Elsewhere"])
    found = districts_and_streets.streets(extract, far)
    assert set(found.city) == {"Köln"}
    assert districts_and_streets.along(far, found).street[3] == ""


def test_streets_that_only_pass_by_lead_no_gallery_away(tmp_path):
    far = shapely.MultiLineString([[(6.95, 50.94), (9.96, 50.94)], [(6.95, 10.0), (6.96, 10.0)]])
    geopandas.GeoDataFrame({"name": ["A"]}, geometry=[far], crs="EPSG:4326").to_file(tmp_path / "road.gpkg")
    grid = galleries.along_streets(districts_and_streets.streets(tmp_path / "road.gpkg", catalogue(COLOGNE)), 25.0)
    assert 20 < len(grid) < 100
    assert grid.lon_deg.max() < 6.97
    with pytest.raises(ValueError, match="more than 200000 places every"):
        galleries.along_streets(geopandas.GeoDataFrame(STREET, geometry=[far.geoms[0]], crs="EPSG:4326"), 0.1)


def test_a_map_of_openstreetmap_says_whose_it_is(extract):
    found = districts_and_streets.streets(extract, catalogue(COLOGNE))
    shown = {name: interactive_maps.photo_map(catalogue(COLOGNE).assign(city="Köln", photo_id="a"), False, streets).page
             for name, streets in (("osm", found), ("no", sources.streets("folder", {})), ("none", None))}  # fmt: skip
    said = safe_html("streets © OpenStreetMap contributors, ODbL")
    assert [name for name, page in shown.items() if said in page] == ["osm"]


@pytest.mark.parametrize(
    ("places", "file", "says"),
    [
        (COLOGNE, "none.osm.pbf", "streets_file .*none.osm.pbf does not exist"),
        ([[10.0, 10.0]], "cologne.osm", "no street near a photo"),
        (COLOGNE, "unnamed.gpkg", "no column street or name; it has label, geometry"),
        (COLOGNE, "nowhere.gpkg", "does not say in which coordinate system"),
    ],
)
def test_files_that_do_not_fit_are_refused_with_a_way_out(extract, tmp_path, places, file, says):
    line = shapely.LineString([(6.95, 50.94), (6.96, 50.94)])
    geopandas.GeoDataFrame({"label": ["a"]}, geometry=[line], crs="EPSG:4326").to_file(tmp_path / "unnamed.gpkg")
    with pytest.warns(UserWarning, match="crs"):
        geopandas.GeoDataFrame({"name": ["a"]}, geometry=[line]).to_file(tmp_path / "nowhere.gpkg")
    with pytest.raises((FileNotFoundError, ValueError), match=says):
        districts_and_streets.streets(tmp_path / file, catalogue(places))


PLACES = {  # of each continent
    "Cologne": (50.94, 6.96), "Cairngorms": (57.1, -3.6), "Karoo": (-31.6, 22.3), "Delhi": (28.61, 77.21),
    "Istanbul": (41.01, 28.98), "New York": (40.71, -74.0), "Yukon": (63.9, -135.5), "Sao Paulo": (-23.55, -46.63),
    "Sydney": (-33.87, 151.21), "Fiji": (-17.8, 178.2),
}  # fmt: skip
NOBODY_KNOWS = {"Cairo": (30.04, 31.24), "Sahara near Tamanrasset": (22.9, 5.6)}  # towns on both sides, or on neither


def around(place, count=40):
    """Photos within a kilometre or two of a place, as a catalogue."""
    return catalogue(np.array(place) + np.random.default_rng(0).normal(0, 0.01, (count, 2)))


@pytest.mark.parametrize("name", [*PLACES, *NOBODY_KNOWS])
def test_photos_where_they_were_taken_are_not_called_exchanged(name):
    assert districts_and_streets.caveats(around((PLACES | NOBODY_KNOWS)[name]), "folder") == []


@pytest.mark.parametrize("name", [name for name, (_, lon) in PLACES.items() if abs(lon) < 90])
def test_latitude_and_longitude_of_every_continent_are_told_when_exchanged(name):
    (sentence,) = districts_and_streets.caveats(around(PLACES[name][::-1]), "table")
    assert sentence.startswith("40 of 40 photos lie far from every town")
    assert "set swap_lat_lon: true" in sentence


def test_the_sentence_names_a_photo_and_where_it_would_be():
    (sentence,) = districts_and_streets.caveats(catalogue([(6.9583, 50.9413)]), "folder")
    assert "at latitude 6.9583, longitude 50.9413" in sentence
    assert "from Altstadt Nord, DE" in sentence


def test_a_few_photos_at_sea_or_a_voyage_are_not_called_exchanged():
    mixed = catalogue([*[PLACES["Cologne"]] * 6, *[PLACES["Cologne"][::-1]] * 5])
    assert districts_and_streets.caveats(mixed, "table") == []
    voyage = catalogue([(lat, -30.0) for lat in np.linspace(-40, 40, 50)])
    assert districts_and_streets.caveats(voyage, "table") == []
    assert districts_and_streets.caveats(catalogue([(6.9583, 50.9413)]), "simulated") == []
