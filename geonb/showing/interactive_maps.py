"""Interactive maps as one self-contained page each: no network, no marker per photo, no text of a photo that can run.

Every map is a folium map with ONE GeoJSON layer per method on a canvas, since pages with one script object per marker
go blank at about 3,000. More photos than MARKS_AT_MOST are drawn as one mark per square cell.
"""

import base64
import functools
import io
import itertools
import json
import re
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path, PurePath

import folium
import numpy as np
import pandas as pd
import shapely
from matplotlib import colormaps
from matplotlib.colors import to_hex

from geonb import files
from geonb.earth import cells, sphere
from geonb.showing.safe_text import safe_html
from geonb.showing.style import need

LEAFLET = files.ROOT / "book" / "_static" / "vendor" / "leaflet"
MARKS_AT_MOST = 4_000  # marks on one page, all layers together: keeps it near 1 MB
LONGEST = 100  # characters of one text of a photo
WORST_PER_CITY = 3  # errors of a method in a city that are drawn as lines
CITY_ERRORS_M = (25, 50, 100, 200, 500, 1_000)  # class bounds, about equal steps in log error
APART_M = (2_500, 3_500, 4_500, 5_500)  # class bounds, about equal parts of the cities of the world
WORLD_ERRORS_M = (1_000, 25_000, 200_000, 750_000, 2_500_000)  # the usual bounds of world-scale geolocation
LOOKS = {  # Leaflet's styles
    "dot": {"color": "#333333", "weight": 0.6, "fillOpacity": 0.9},
    "ring": {"color": "#6b6b6b", "weight": 2, "fillColor": "#ffffff", "fillOpacity": 0.3},
    "error": {"color": "#111111", "weight": 1.3, "dashArray": "4 3", "opacity": 0.9},
    "circle": {"color": "#D55E00", "weight": 2.2, "opacity": 1.0, "fill": False},
    "truth": {"color": "#000000", "weight": 2.5, "fillColor": "#ffffff", "fillOpacity": 1.0},
    "street": {"color": "#c8c8c8", "weight": 1.2, "fill": False},
}


def photo_map(photos, simulated, streets=None):
    """OfflineMap of the catalogue's photos, a GeoDataFrame (EPSG:4326 points) with photo_id, city.

    All maps show path, street and caption of photos, and licence of streets, a GeoDataFrame, where they are present.
    """
    need(photos, ("photo_id", "city", "geometry"), "map of photos")
    table = pd.DataFrame(photos.drop(columns="geometry")).assign(lat_deg=photos.geometry.y, lon_deg=photos.geometry.x)
    table = unwrapped(table.assign(layer="photos", ring=False, value=np.nan, words=""))
    return built(table, Legend("photos", (), ["photo"], [f"{len(table):,} photos"]), simulated, streets)


def error_map(errors, thumbnails, simulated, streets=None):
    """OfflineMap of the table of errors, of one seed: photos at their true places, one layer per method.

    Rings are photos in a wrong city. thumbnails: {photo_id: PIL image}, each as heavy as twenty marks.
    """
    needed = ("method", "photo_id", "lat_deg", "lon_deg", "predicted_lat_deg", "predicted_lon_deg", "error_m", "city")
    need(errors, (*needed, "predicted_city", "right_city"), "map of errors")
    sphere.check_lat_lon_deg(errors[["predicted_lat_deg", "predicted_lon_deg"]])
    if errors.duplicated(["method", "photo_id"]).any():
        raise ValueError("a photo is there twice for one method: choose rows of one split and seed first")
    table = errors.assign(layer=errors["method"], value=errors["error_m"], ring=~errors["right_city"].astype(bool))
    table = unwrapped(table)
    placed = table["predicted_city"].where(table["ring"] & table["predicted_city"].notna())
    elsewhere = placed.map(lambda city: f", placed in {safe_html(city, LONGEST)}", na_action="ignore").fillna("")
    table["words"] = "error " + table["error_m"].map(sphere.length) + elsewhere
    table["picture"] = table["photo_id"].map({name: img_element(image, name) for name, image in thumbnails.items()})
    right = table[~table["ring"]]
    worst = right.sort_values("error_m", ascending=False, kind="stable").groupby(["layer", "city"]).head(WORST_PER_CITY)
    lines = {layer: [error_line(row) for row in rows.to_dict("records")] for layer, rows in worst.groupby("layer")}
    scale = right if len(right) else table
    bounds_m = CITY_ERRORS_M if scale["error_m"].median() < 20_000 else WORLD_ERRORS_M
    ends = [sphere.length(metres) for metres in bounds_m]
    texts = [f"up to {ends[0]}", *map(" to ".join, itertools.pairwise(ends)), f"over {ends[-1]}"]
    notes = [f"dashed: from the true to the predicted place, the {WORST_PER_CITY} largest errors of each city",
             f"{table['photo_id'].nunique():,} photos"]  # fmt: skip
    return built(table, Legend("error", bounds_m, texts, notes, "wrong city"), simulated, streets, lines)


def continents(land):
    """Outlines of cells of H3 at positions (land: lat_deg, lon_deg), which show the continents, as streets of a map."""
    import geopandas
    import h3

    names = {h3.latlng_to_cell(lat, lon, 2) for lat, lon in land[["lat_deg", "lon_deg"]].to_numpy()}
    rings = [cells.outline(name)[:, ::-1] for name in sorted(names)]
    whole = [shapely.Polygon(ring) for ring in rings if np.ptp(ring[:, 0]) < 180]  # not across the date line
    # a little wider, so that neighbours melt into one
    return geopandas.GeoDataFrame(geometry=[shapely.union_all(shapely.buffer(whole, 0.1))], crs=4326)


def target_map(targets, simulated, streets=None):
    """OfflineMap of what one photo's targets give to the places around it, one layer per target; rings get nothing.

    targets: layer, photo_id, city, lat_deg, lon_deg, weight (share of the target), distance_m from the photo.
    """
    legend = "share of the target", (0.01, 0.05, 0.2, 1.0), ["one photo's right answers"]
    return weighted(targets, "weight {:.1%}, {} away", legend, simulated, streets)


def posterior_map(likely, circles, simulated, streets=None):
    """OfflineMap of where photos may have been taken: likely places, one layer per photo, and the circle of its radius.

    likely: layer, photo_id, city, lat_deg, lon_deg, weight (probability over that of the best place), distance_m from
    that place. circles: layer, lat_deg, lon_deg, radius_m, true_lat_deg, true_lon_deg, missing where unknown.
    """
    need(circles, ("layer", "lat_deg", "lon_deg", "radius_m", "true_lat_deg", "true_lon_deg"), "circles of predictions")
    notes = ["orange line: the radius, where there is one (zoom out)"]
    notes += ["white: where it was taken"] if circles["true_lat_deg"].notna().any() else []
    legend = "probability over that of the best place", (0.1, 0.3, 0.6, 1.0), notes
    extra = {one["layer"]: circle_marks(one) for one in circles.to_dict("records")}
    return weighted(likely, "{:.0%} of the best, {} from it", legend, simulated, streets, extra)


def city_map(cities):
    """OfflineMap of cities, coloured by the distance from which on a model tells two places apart, by continent.

    cities: geoname_id, city, continent, lat_deg, lon_deg, apart_m, gallery. Rings never reach it.
    """
    need(cities, ("city", "continent", "lat_deg", "lon_deg", "apart_m", "gallery"), "map of cities")
    words = [
        "never" if np.isnan(row.apart_m) else f"from {sphere.length(row.apart_m)} on" for row in cities.itertuples()
    ]
    words = [
        f"{one}<br>{count:,} gallery places within 50 km" for one, count in zip(words, cities["gallery"], strict=True)
    ]
    table = cities.assign(layer="cities", photo_id=cities["city"], city=cities["continent"], value=cities["apart_m"])
    table = unwrapped(table.assign(words=words, ring=cities["apart_m"].isna()))
    ends = [sphere.length(metres) for metres in APART_M]
    texts = [f"up to {ends[0]}", *map(" to ".join, itertools.pairwise(ends)), f"over {ends[-1]}"]
    legend = Legend("tells two places apart from", APART_M, texts, ["cities: GeoNames, CC BY 4.0"], "never")
    return replace(built(table, legend, False, None), title=f"map of {len(cities):,} cities")


def weighted(table, template, legend, simulated, streets, extra=None):
    """OfflineMap of places with weights, the heaviest on top of each layer; template: of weight and length.

    legend: its title, the upper bounds of classes of weights, its notes.
    """
    need(table, ("layer", "photo_id", "city", "lat_deg", "lon_deg", "weight", "distance_m"), "map of weighted places")
    words = [template.format(row.weight, sphere.length(row.distance_m)) for row in table.itertuples()]
    table = unwrapped(table.assign(value=table["weight"], words=words, ring=table["weight"] <= 0))
    table = pd.concat([rows.sort_values("weight", kind="stable") for _, rows in table.groupby("layer", sort=False)])
    title, bounds, notes = legend
    texts = [f"{low:.0%} to {high:.0%}" for low, high in itertools.pairwise((0, *bounds))]
    return built(table, Legend(title, bounds[:-1], texts, notes, "nothing"), simulated, streets, extra)


@dataclass(frozen=True)
class Legend:
    """What colours mean: a title; bounds between classes of values, and the text of each; notes; what rings are."""

    title: str
    bounds: tuple
    texts: list
    notes: list
    ring: str = ""

    @functools.cached_property
    def colours(self):
        """One for each text, from light to dark."""
        shades = colormaps["viridis_r"](np.linspace(0.05, 1, len(self.texts)))
        return list(map(to_hex, shades)) if self.bounds else ["#0072B2"]

    def style(self, mark):
        """Leaflet's style of a feature."""
        look = mark["properties"]["look"]
        style = LOOKS[look] if look in LOOKS else LOOKS["dot"] | {"fillColor": self.colours[look]}
        return style | {"radius": mark["properties"]["radius"]}

    def html(self, rings, simulated, notes):
        """Swatches with units, notes, and "simulated" in the title, which stays when the legend is folded."""
        rows = [f'<i style="background:{colour}"></i>{safe_html(text)}'
                for colour, text in zip(self.colours, self.texts, strict=True)]  # fmt: skip
        rows += [f'<i class="ring"></i>{safe_html(self.ring)}'] if rings else []
        rows += [f"<em>{safe_html(note)}</em>" for note in [*self.notes, *notes]]
        title = safe_html(self.title + (" (simulated)" if simulated else ""))
        return f'<details open class="geonb-legend"><summary>{title}</summary>{"<br>".join(rows)}</details>'


def unwrapped(table):
    """The table with missing cities named, and no city in two halves at both ends of the map, at any longitude."""
    sphere.check_lat_lon_deg(table[["lat_deg", "lon_deg"]])
    table = table.assign(city=table["city"].astype(object).where(table["city"].notna(), "(no city)").astype(str))
    return table.assign(lon_deg=near(table["lon_deg"], table.groupby("city")["lon_deg"].transform("first")))


def near(lon_deg, other_lon_deg):
    """Longitudes as they are written within 180 degrees of others."""
    return other_lon_deg + sphere.wrap_lon_deg(lon_deg - other_lon_deg)


def few_marks(table):
    """At most MARKS_AT_MOST rows with photo_count, and the width of the cells that they stand for, or None.

    Widths double from 25 m. A cell is of one layer and verdict, at the mean of its photos, and has their median value.
    """
    if len(table) <= MARKS_AT_MOST:
        return table.assign(photo_count=1), None
    for cell_m in 25 * 2 ** np.arange(20):
        row, column = cells.squares(table[["lat_deg", "lon_deg"]], cell_m).T
        grouped = table.groupby(["layer", "ring", row, column], sort=False)
        if grouped.ngroups <= MARKS_AT_MOST:
            break
    marks = grouped[["photo_id", "city", "words"]].first().join(grouped[["lat_deg", "lon_deg"]].mean())
    marks = marks.assign(value=grouped["value"].median(), photo_count=grouped.size())
    return marks.reset_index(["layer", "ring"]), cell_m


def about(row):
    """Tooltip of one mark as HTML; every word that comes from a table goes through safe_html."""
    if row.get("photo_count", 1) > 1:
        error = "" if np.isnan(row["value"]) else f"<br>median error {sphere.length(row['value'])}"
        return f"{row['photo_count']:,} photos, {safe_html(row['city'], LONGEST)}{error}"
    words = [row["photo_id"], row["city"], row.get("street"), row.get("caption")]
    if isinstance(row.get("path"), str):
        words[0] = PurePath(row["path"]).name or row["photo_id"]
    shown = [safe_html(word, LONGEST) for word in words if isinstance(word, str | int) and str(word)]
    picture = row["picture"] if isinstance(row.get("picture"), str) else ""
    return "<br>".join(filter(None, (picture, *shown, row["words"])))


def img_element(picture, photo_id):
    """An img element with a JPEG of the picture inside."""
    file = io.BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=60)
    content = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="photo {safe_html(photo_id)}" src="data:image/jpeg;base64,{content}">'


def feature(lat_deg, lon_deg, text, look, radius=6):
    """GeoJSON point or line, to 1e-5 degrees (a metre); text: safe HTML; look: of LOOKS, or a class of the legend."""
    at = np.column_stack([lon_deg, lat_deg]).round(5).tolist()
    geometry = {"type": "LineString", "coordinates": at} if len(at) > 1 else {"type": "Point", "coordinates": at[0]}
    return {"type": "Feature", "geometry": geometry, "properties": {"about": text, "look": look, "radius": radius}}


def dot(row, bounds):
    """GeoJSON point of a row of marks: its area grows with the photos it stands for."""
    look = "ring" if row["ring"] else int(np.searchsorted(bounds, row["value"]))
    radius = int(min(4 + np.sqrt(row["photo_count"] - 1), 14))
    return feature(row["lat_deg"], row["lon_deg"], about(row), look, radius)


def error_line(row):
    """GeoJSON line from the true to the predicted place of one photo."""
    lon_deg = [row["lon_deg"], near(row["predicted_lon_deg"], row["lon_deg"])]
    return feature([row["lat_deg"], row["predicted_lat_deg"]], lon_deg, about(row), "error")


def circle_marks(circle):
    """GeoJSON line of a radius, if there is one below a quarter of the Earth, and point of the truth where known."""
    marks, lon_deg = [], circle["lon_deg"]
    if circle["radius_m"] < np.pi / 2 * sphere.EARTH_RADIUS_M:
        turn = np.linspace(0, 2 * np.pi, 73)
        around_m = circle["radius_m"] * np.column_stack([np.sin(turn), np.cos(turn)])
        ends = sphere.from_local_m(around_m, (circle["lat_deg"], lon_deg))
        words = f"radius {sphere.length(circle['radius_m'])}"
        marks.append(feature(ends[:, 0], near(ends[:, 1], lon_deg), words, "circle"))
    if not np.isnan(circle["true_lat_deg"]):
        true_lon_deg = near(circle["true_lon_deg"], lon_deg)
        marks.append(feature(circle["true_lat_deg"], true_lon_deg, "where it was taken", "truth"))
    return marks


@dataclass(frozen=True)
class OfflineMap:
    """A folium map with its finished page, which notebooks show as an iframe."""

    map: folium.Map
    page: str
    title: str

    def _repr_html_(self):
        # Single quotes around srcdoc: the page's data is full of double quotes, which would each grow sixfold.
        page = escape(self.page, quote=False).replace("'", "&#39;")
        look = f'title="{escape(self.title)}" style="width:100%;height:500px;border:1px solid #999;"'
        return f'<iframe class="geonb-map" {look} sandbox="allow-scripts" srcdoc=\'{page}\'></iframe>'


def built(table, legend, simulated, streets, extra=None):
    """OfflineMap of marks: one layer for every name in column layer, legend, control of layers, chooser of cities.

    table: layer, photo_id, city, lat_deg, lon_deg, value, ring, words (safe HTML); extra: layer -> GeoJSON features on
    top. The layer that is shown first lies in the city that is shown first.
    """
    # Attribution is owed to whoever makes tiles; without tiles it would only hold a link.
    page = folium.Map(tiles=None, prefer_canvas=True, attributionControl=False, zoomSnap=0.25)
    page.default_js = page.default_css = []  # links to other servers; see offline
    (rows, cell_m), places, layers = few_marks(table), city_bounds(table), table["layer"].unique()
    notes = [] if cell_m is None else [f"one mark = the photos in a cell of {sphere.length(cell_m)}"]
    if streets is not None and len(streets):
        add_streets(page, streets, table["lon_deg"])
        notes += filter(None, streets["licence"].unique() if "licence" in streets else ())
    first = table.loc[table["city"] == next(iter(places)), "layer"].iloc[0]
    for layer in layers:
        marks = [dot(row, legend.bounds) for row in rows[rows["layer"] == layer].to_dict("records")]
        folium.GeoJson(
            {"type": "FeatureCollection", "features": marks + (extra or {}).get(layer, [])},
            name=safe_html(layer),  # Leaflet writes the name into the page as HTML
            style_function=legend.style,
            marker=folium.CircleMarker(radius=4, fill=True),
            tooltip=folium.GeoJsonTooltip(["about"], labels=False, class_name="geonb-tooltip"),
            overlay=False,
            show=layer == first,
        ).add_to(page)
    page.get_root().html.add_child(folium.Element(legend.html(table["ring"].any(), simulated, notes)))
    if len(layers) > 1:
        folium.LayerControl(collapsed=len(layers) > 4).add_to(page)
    return OfflineMap(page, offline(page, list(places.values())), f"map of {table['photo_id'].nunique():,} photos")


def add_streets(page, streets, lon_deg):
    """Put streets or districts on the map in light grey, on the sides of the date line on which the marks are."""
    lines = shapely.transform(streets.to_crs(4326).geometry.to_numpy(), lambda lon_lat: lon_lat.round(5))
    turns_deg = [0] + [360] * bool(lon_deg.max() > 180) + [-360] * bool(lon_deg.min() < -180)
    copies = [shapely.transform(lines, lambda at, turn=turn: np.add(at, (turn, 0))) for turn in turns_deg]
    context = shapely.geometry.mapping(shapely.GeometryCollection(np.concatenate(copies).tolist()))
    folium.GeoJson(context, style_function=lambda _: LOOKS["street"], control=False, interactive=False).add_to(page)


def city_bounds(table):
    """{city: name as safe HTML, and corner positions}, the city with most photos first."""
    cities = table.groupby("city")
    counts = cities["photo_id"].nunique().sort_values(ascending=False, kind="stable")
    low, high = cities[["lat_deg", "lon_deg"]].min(), cities[["lat_deg", "lon_deg"]].max()
    return {city: {"name": f"{safe_html(city)} ({count:,})",
                   "bounds": [low.loc[city].tolist(), high.loc[city].tolist()]}
            for city, count in counts.items()}  # fmt: skip


def offline(folium_map, places):
    """The page of a folium map with Leaflet and ours inside, the same at every run; its policy forbids connections.

    places: for the list of cities, see offline_map.js.
    """
    name_in_order(folium_map.get_root(), itertools.count())
    css, js = leaflet()
    our_css, our_js = (Path(__file__).with_name(f"offline_map.{end}").read_text() for end in ("css", "js"))
    policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
    head = f'<head><meta http-equiv="Content-Security-Policy" content="{policy}">'
    head += f"<style>{css}{our_css}</style><script>{js}</script><script>{our_js}</script>"
    chooser = f"<script>chooseCity({folium_map.get_name()}, {json.dumps(places)});</script>"
    return folium_map.get_root().render().replace("<head>", head, 1).replace("</html>", f"{chooser}</html>")


def name_in_order(element, numbers):
    """Number an element of a folium map and all below it in place of their random names."""
    element._id = f"n{next(numbers)}"
    for child in element._children.values():
        name_in_order(child, numbers)


def leaflet():
    """Leaflet's style sheet and script, which look for no other file. FileNotFoundError outside a clone."""
    css, js = ((LEAFLET / name).read_text(encoding="utf-8") for name in ("leaflet.css", "leaflet.js"))
    return re.sub(r"url\(images/[^)]+\)", "none", css), re.sub(r"//# sourceMappingURL=\S+", "", js)
