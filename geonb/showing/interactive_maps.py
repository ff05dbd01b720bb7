"""Interactive maps as one self-contained page each: no network, no marker per photo, no text of a photo that can run.

Every map is a folium map with ONE GeoJSON layer per method, drawn on a canvas: pages with one script object per marker
go blank at about 3,000 markers. More photos than ``MARKS_AT_MOST`` are drawn as one mark per square cell.
"""

import base64
import functools
import io
import itertools
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path, PurePath

import folium
import numpy as np
import pandas as pd
import shapely
from branca.element import MacroElement
from folium.template import Template
from matplotlib import colormaps
from matplotlib.colors import to_hex

from geonb import files
from geonb.earth import cells, sphere
from geonb.showing.safe_text import safe_html
from geonb.showing.style import need

LEAFLET = files.ROOT / "book" / "_static" / "vendor" / "leaflet"
HEIGHT_PX = 500
MARKS_AT_MOST = 4_000  # marks on one page, all layers together: keeps it near 1 MB
LONGEST = 100  # characters of one text of a photo
THUMBNAILS_AT_MOST = 24  # a thumbnail weighs as much as twenty marks
WORST_PER_CITY = 3  # errors of a method in a city that are drawn as lines
CITY_ERRORS_M = (25, 50, 100, 200, 500, 1_000)  # class bounds, about equal steps in log error
WORLD_ERRORS_M = (1_000, 25_000, 200_000, 750_000, 2_500_000)  # the usual bounds of world-scale geolocation
TARGET_SHARES = (0.01, 0.05, 0.2, 1.0)  # upper ends of the classes of a target's weights
LIKELY_SHARES = (0.1, 0.3, 0.6, 1.0)  # the same of a place's probability over that of the best place
RING = {"color": "#6b6b6b", "weight": 2, "fillColor": "#ffffff", "fillOpacity": 0.3}
ERROR_LINE = {"color": "#111111", "weight": 1.3, "dashArray": "4 3", "opacity": 0.9}
CIRCLE = {"color": "#D55E00", "weight": 2.2, "opacity": 1.0, "fill": False}
TRUTH = {"radius": 6, "color": "#000000", "weight": 2.5, "fillColor": "#ffffff", "fillOpacity": 1.0}
CONTEXT_LINE = {"color": "#c8c8c8", "weight": 1.2, "fill": False}


# ---------------------------------------------------------------------------------------------- the maps


def photo_map(photos, simulated, streets=None):
    """OfflineMap of the catalogue's photos, with a chooser that zooms to each city.

    photos: GeoDataFrame (EPSG:4326 points) with photo_id, city; path, street, caption are shown where present.
    streets: GeoDataFrame drawn light grey beneath; its column licence is shown where present.
    """
    need(photos, ("photo_id", "city", "geometry"), "map of photos")
    table = pd.DataFrame(photos.drop(columns="geometry")).reset_index(drop=True)
    table = table.assign(lat_deg=photos.geometry.y.to_numpy(), lon_deg=photos.geometry.x.to_numpy())
    table = unwrapped(table.assign(layer="photos", ring=False, value=np.nan, words=""))
    if len(table) > MARKS_AT_MOST:
        table = table.drop(columns=["path", "street", "caption"], errors="ignore")
    key = Key("photos", (), ["photo"], "", [f"{len(table):,} photos"])
    return built(table, key, simulated, streets)


def error_map(errors, thumbnails, simulated, streets=None):
    """OfflineMap of every test photo at its true place, coloured by error; one layer per method.

    errors: one row per method and photo with the columns of the table of errors, else ValueError. Photos placed in a
        wrong city are hollow grey rings. Dashed lines lead from the true place to the predicted one, for the largest
        errors of each city among those in the right city.
    thumbnails: {photo_id: PIL image}, shown for the largest errors.
    """
    needed = ("method", "photo_id", "lat_deg", "lon_deg", "predicted_lat_deg", "predicted_lon_deg", "error_m", "city")
    need(errors, (*needed, "predicted_city", "right_city"), "map of errors")
    sphere.check_lat_lon_deg(errors[["predicted_lat_deg", "predicted_lon_deg"]])
    if errors.duplicated(["method", "photo_id"]).any():
        raise ValueError("a photo is there twice for one method: choose rows of one split and seed first")
    table = errors.assign(layer=errors["method"], value=errors["error_m"], ring=~errors["right_city"].astype(bool))
    table = unwrapped(table)
    table["words"] = [error_in_words(row) for row in table.to_dict("records")]
    worst = table.sort_values("error_m", ascending=False, kind="stable")
    chosen = [name for name in worst["photo_id"].drop_duplicates() if name in thumbnails][:THUMBNAILS_AT_MOST]
    elements = {name: img_element(thumbnails[name], name) for name in chosen}
    table["picture"] = [elements.get(name, "") for name in table["photo_id"]]
    right = worst[~worst["ring"]]
    worst = right.groupby(["layer", "city"], sort=False).head(WORST_PER_CITY)
    extra = {layer: [error_line(row) for row in own.to_dict("records")] for layer, own in worst.groupby("layer")}
    return built(table, error_key(right if len(right) else table, table), simulated, streets, extra)


def error_key(scale, table):
    """The Key of errors: classes of a city or of the world, as asks the table `scale`."""
    bounds_m = CITY_ERRORS_M if scale["error_m"].median() < 20_000 else WORLD_ERRORS_M
    ends = [sphere.length(metres) for metres in bounds_m]
    texts = [f"up to {ends[0]}", *map(" to ".join, itertools.pairwise(ends)), f"over {ends[-1]}"]
    lines = f"dashed: from the true to the predicted place, the {WORST_PER_CITY} largest errors of each city"
    ring = "wrong city" if table["ring"].any() else ""
    return Key("error", bounds_m, texts, ring, [lines, f"{table['photo_id'].nunique():,} photos"])


def target_map(targets, simulated, streets=None):
    """OfflineMap of what one photo's targets give to the places around it, one layer per target; rings get nothing.

    targets: layer, photo_id, city, lat_deg, lon_deg, weight (share of the target), distance_m from the photo; street
    is shown where present.
    """
    table = weighted(targets, "weight {:.1%}, {} away").assign(ring=lambda own: own["weight"] <= 0)
    key = share_key("share of the target", TARGET_SHARES, ["one photo's right answers"], ring="nothing")
    return built(table, key, simulated, streets)


def posterior_map(likely, circles, simulated, streets=None):
    """OfflineMap of where photos may have been taken: likely places, one layer per photo, and the circle of its radius.

    likely: layer, photo_id, city, lat_deg, lon_deg, weight (probability over that of the best place), distance_m from
    that place; street is shown where present. circles: layer, lat_deg, lon_deg, radius_m (missing: no circle), and
    true_lat_deg, true_lon_deg, missing where unknown.
    """
    need(circles, ("layer", "lat_deg", "lon_deg", "radius_m", "true_lat_deg", "true_lon_deg"), "circles of predictions")
    table = weighted(likely, "{:.0%} of the best, {} from it").assign(ring=False)
    home = table.groupby("city")["photo_id"].nunique().idxmax()  # what the chooser of cities begins with
    notes = ["orange line: the radius, where there is one (zoom out)"]
    notes += ["white: where it was taken"] if circles["true_lat_deg"].notna().any() else []
    key = share_key("probability over that of the best place", LIKELY_SHARES, notes)
    extra = {one["layer"]: [*circle_lines(one), *truth_points(one)] for one in circles.to_dict("records")}
    return built(table, key, simulated, streets, extra, first=table.loc[table["city"] == home, "layer"].iloc[0])


# ---------------------------------------------------------------------------------------------- tables to marks


@dataclass(frozen=True)
class Key:
    """What colours mean: a title; upper bounds of classes of values, and the text of each; what rings are; notes."""

    title: str
    bounds: tuple
    texts: list
    ring: str
    notes: list

    @functools.cached_property
    def colours(self):
        """One for each text, from light to dark."""
        shades = colormaps["viridis_r"](np.linspace(0.05, 1, len(self.texts)))
        return list(map(to_hex, shades)) if self.bounds else ["#0072B2"]

    def style(self, row):
        """Leaflet's style of a mark: its area grows with the photos it stands for."""
        radius = int(min(4 + np.sqrt(row["photo_count"] - 1), 14))
        if row["ring"]:
            return {"radius": radius, **RING}
        colour = self.colours[np.searchsorted(self.bounds, row["value"])]
        return {"radius": radius, "color": "#333333", "weight": 0.6, "fillColor": colour, "fillOpacity": 0.9}

    def html(self, simulated, notes):
        """The legend: swatches with units, notes, and "simulated" in the title, which stays when it is folded."""
        swatches = [f'<i style="background:{colour}"></i>' for colour in self.colours] + ['<i class="ring"></i>']
        texts = [*self.texts, self.ring] if self.ring else self.texts
        rows = [swatch + safe_html(text) for swatch, text in zip(swatches, texts, strict=False)]
        rows += [f"<em>{safe_html(note)}</em>" for note in [*self.notes, *notes]]
        title = safe_html(self.title + (" (simulated)" if simulated else ""))
        return f'<details open class="geonb-legend"><summary>{title}</summary>{"<br>".join(rows)}</details>'


def share_key(title, bounds, notes, ring=""):
    """The Key of shares in classes."""
    texts = [f"{low:.0%} to {high:.0%}" for low, high in zip((0.0, *bounds), bounds, strict=False)]
    return Key(title, bounds, texts, ring, notes)


def weighted(table, template):
    """Places with weights as a table of marks, the heaviest on top of each layer; template: of weight and length."""
    need(table, ("layer", "photo_id", "city", "lat_deg", "lon_deg", "weight", "distance_m"), "map of weighted places")
    both = zip(table["weight"], table["distance_m"], strict=True)
    words = [template.format(weight, sphere.length(metres)) for weight, metres in both]
    table = unwrapped(table.assign(value=table["weight"], words=words))
    layers = table["layer"].drop_duplicates().tolist()
    return table.sort_values(["layer", "weight"], key=lambda own: own.map(layers.index) if own.name == "layer" else own)


def unwrapped(table):
    """The table with missing cities named and longitudes within 180 degrees of their city's centre.

    A city across the date line would otherwise be drawn in two halves, a world apart; Leaflet takes any longitude.
    """
    sphere.check_lat_lon_deg(table[["lat_deg", "lon_deg"]])
    table = table.assign(city=table["city"].astype(object).where(table["city"].notna(), "(no city)").astype(str))
    centre_lon_deg = {name: sphere.centre(c[["lat_deg", "lon_deg"]].to_numpy())[1] for name, c in table.groupby("city")}
    middle = table["city"].map(centre_lon_deg).to_numpy(dtype=float)
    return table.assign(lon_deg=near(table["lon_deg"].to_numpy(), middle))


def near(lon_deg, other_lon_deg):
    """Longitudes as they are written within 180 degrees of others."""
    return other_lon_deg + sphere.wrap_lon_deg(lon_deg - other_lon_deg)


def few_marks(table):
    """The table with photo_count, at most MARKS_AT_MOST rows, and the width of the cells that they stand for, or None.

    The width doubles from 25 m until the cells are few enough; a cell stands where its photos are in the mean.
    """
    if len(table) <= MARKS_AT_MOST:
        return table.assign(photo_count=1), None
    cell_m = 25
    while len(marks := in_cells(table, cell_m)) > MARKS_AT_MOST:
        cell_m *= 2
    return marks, cell_m


def in_cells(table, cell_m):
    """One row per layer, verdict on the city and square cell: mean position, median value, photo_count."""
    cell = cells.squares(table[["lat_deg", "lon_deg"]], cell_m)
    grouped = table.assign(row=cell[:, 0], column=cell[:, 1]).groupby(["layer", "ring", "row", "column"], sort=False)
    return grouped.agg(
        photo_id=("photo_id", "first"), city=("city", "first"), lat_deg=("lat_deg", "mean"),
        lon_deg=("lon_deg", "mean"), value=("value", "median"), photo_count=("photo_id", "size"),
        words=("words", "first"),
    ).reset_index()  # fmt: skip


# ---------------------------------------------------------------------------------------------- marks to GeoJSON


def feature(kind, coordinates, text):
    """GeoJSON feature whose only property is its tooltip: HTML whose text went through safe_html."""
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "geometry": geometry, "properties": {"about": text}}


def position(lat_deg, lon_deg):
    """GeoJSON position [lon, lat], rounded to 1e-5 degrees (about a metre)."""
    return [round(float(lon_deg), 5), round(float(lat_deg), 5)]


def about(row):
    """Tooltip of one mark as HTML; every word that comes from a table goes through safe_html."""
    if row.get("photo_count", 1) > 1:
        error = "" if np.isnan(row["value"]) else f"<br>median error {sphere.length(row['value'])}"
        return f"{row['photo_count']:,} photos, {safe_html(row['city'], LONGEST)}{error}"
    words = [row["photo_id"], row["city"], row.get("street"), row.get("caption")]
    if isinstance(row.get("path"), str):
        words[0] = PurePath(row["path"]).name or row["photo_id"]
    said = [safe_html(word, LONGEST) for word in words if isinstance(word, str | int) and str(word)]
    return "<br>".join([part for part in (row.get("picture", ""), *said, row["words"]) if part])


def error_in_words(row):
    """Error of one photo, with the city it was placed in where that is the wrong one; safe HTML."""
    placed = row["predicted_city"]
    elsewhere = f", placed in {safe_html(placed, LONGEST)}" if row["ring"] and isinstance(placed, str) else ""
    return f"error {sphere.length(row['error_m'])}{elsewhere}"


def error_line(row):
    """GeoJSON line from the true to the predicted place of one photo, with its style."""
    placed = position(row["predicted_lat_deg"], near(row["predicted_lon_deg"], row["lon_deg"]))
    return feature("LineString", [position(row["lat_deg"], row["lon_deg"]), placed], about(row)), ERROR_LINE


def circle_lines(circle):
    """The circle of a radius as [(GeoJSON line, style)]; none without a radius, or beyond a quarter of the Earth."""
    if not circle["radius_m"] < np.pi / 2 * sphere.EARTH_RADIUS_M:
        return []
    turn = np.linspace(0, 2 * np.pi, 73)
    around_m = circle["radius_m"] * np.column_stack([np.sin(turn), np.cos(turn)])
    ends = sphere.from_local_m(around_m, (circle["lat_deg"], circle["lon_deg"]))
    ends = [position(lat_deg, near(lon_deg, circle["lon_deg"])) for lat_deg, lon_deg in ends]
    return [(feature("LineString", ends, f"radius {sphere.length(circle['radius_m'])}"), CIRCLE)]


def truth_points(circle):
    """Where a photo was taken as [(GeoJSON point, style)]; none where that is unknown."""
    if np.isnan(circle["true_lat_deg"]):
        return []
    at = position(circle["true_lat_deg"], near(circle["true_lon_deg"], circle["lon_deg"]))
    return [(feature("Point", at, "where it was taken"), TRUTH)]


def data_uri(content, media_type):
    """Bytes as an address that needs no file beside the page."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def img_element(picture, photo_id):
    """An img element with a small JPEG of the picture inside."""
    small = picture.convert("RGB")
    small.thumbnail((140, 140))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=60)
    return f'<img alt="photo {safe_html(photo_id)}" src="{data_uri(file.getvalue(), "image/jpeg")}">'


# ---------------------------------------------------------------------------------------------- one page, no network


@dataclass(frozen=True)
class OfflineMap:
    """A folium map with its finished page; notebooks show it as an iframe, ``save`` writes it as a file."""

    map: folium.Map
    page: str
    title: str

    def _repr_html_(self):
        # Single quotes around srcdoc: the page's data is full of double quotes, which would each grow sixfold.
        page = escape(self.page, quote=False).replace("'", "&#39;")
        return (
            f'<iframe class="geonb-map" title="{escape(self.title)}" sandbox="allow-scripts" '
            f"style=\"width:100%;height:{HEIGHT_PX}px;border:1px solid #999;\" srcdoc='{page}'></iframe>"
        )

    def save(self, path):
        """Write the page to a file that opens without a network; the path comes back."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.page, encoding="utf-8")
        return path


def built(table, key, simulated, streets, extra=None, first=None):
    """OfflineMap of marks: one layer for every name in column layer, legend, control of layers, chooser of cities.

    table: layer, photo_id, city, lat_deg, lon_deg, value, ring, words (safe HTML); extra: layer -> [(GeoJSON feature,
    style)] on top of the marks; first: the layer that is shown first.
    """
    extra, layers = extra or {}, list(dict.fromkeys(table["layer"]))
    streets = None if streets is None or len(streets) == 0 else streets
    # Attribution is owed to whoever makes tiles; without tiles it would only hold a link.
    page = folium.Map(tiles=None, prefer_canvas=True, attributionControl=False, zoomSnap=0.25)
    page.default_js = page.default_css = []  # links to other servers; see offline
    if streets is not None:
        add_streets(page, streets, table)
    rows, cell_m = few_marks(table)
    for layer in layers:
        here = rows[rows["layer"] == layer].to_dict("records")
        points = [feature("Point", position(row["lat_deg"], row["lon_deg"]), about(row)) for row in here]
        marks = [*zip(points, map(key.style, here), strict=True), *extra.get(layer, [])]
        add_layer(page, layer, marks, shown=layer == (layers[0] if first is None else first))
    notes = [] if cell_m is None else [f"one mark = the photos in a cell of {sphere.length(cell_m)}"]
    notes += [] if streets is None or "licence" not in streets else filter(None, streets["licence"].unique())
    page.get_root().html.add_child(folium.Element(key.html(simulated, notes)))
    if len(layers) > 1:
        folium.LayerControl(collapsed=len(layers) > 4).add_to(page)
    places = city_bounds(table)
    page.add_child(CityChooser(places))
    cities = f"{len(places)} {'city' if len(places) == 1 else 'cities'}"
    return OfflineMap(page, offline(page), f"map of {table['photo_id'].nunique():,} photos in {cities}")


def add_streets(page, streets, table):
    """Put streets or districts on the map in light grey, on the side of the date line on which the cities are."""
    lines = shapely.transform(streets.to_crs(4326).geometry.to_numpy(), lambda lon_lat: lon_lat.round(5))
    for turn_deg, across in ((360, table["lon_deg"].max() > 180), (-360, table["lon_deg"].min() < -180)):
        if across:
            lines = np.concatenate([lines, shapely.transform(lines, lambda at, by=(turn_deg, 0): np.add(at, by))])
    context = feature("", [], "") | {"geometry": shapely.geometry.mapping(shapely.GeometryCollection(list(lines)))}
    data = {"type": "FeatureCollection", "features": [context]}
    folium.GeoJson(data, style_function=lambda _: CONTEXT_LINE, control=False, interactive=False).add_to(page)


def add_layer(page, name, marks, *, shown):
    """Put one GeoJSON layer with tooltips on the map; layers exclude each other. marks: [(feature, style)]."""
    for number, (one, _) in enumerate(marks):
        one["id"] = number
    folium.GeoJson(
        {"type": "FeatureCollection", "features": [one for one, _ in marks]},
        name=safe_html(name),  # Leaflet writes the name into the page as HTML
        style_function=lambda one: marks[one["id"]][1],
        marker=folium.CircleMarker(radius=4, fill=True),
        tooltip=folium.GeoJsonTooltip(["about"], labels=False, class_name="geonb-tooltip"),
        overlay=False,
        show=shown,
    ).add_to(page)


def city_bounds(table):
    """Name and corner positions of every city, the one with most photos first."""
    grouped = table.groupby("city").agg(
        south=("lat_deg", "min"), west=("lon_deg", "min"), north=("lat_deg", "max"), east=("lon_deg", "max"),
        photo_count=("photo_id", "nunique"),
    )  # fmt: skip
    rows = grouped.sort_values("photo_count", ascending=False, kind="stable").itertuples()
    return [{"name": f"{safe_html(row.Index)} ({row.photo_count:,})",
             "bounds": [[row.south, row.west], [row.north, row.east]]} for row in rows]  # fmt: skip


class CityChooser(MacroElement):
    """A list of cities on the map, see offline_map.js; places: as of city_bounds."""

    _template = Template("""
        {% macro script(this, kwargs) %}
        chooseCity({{ this._parent.get_name() }}, {{ this.places|tojson }});
        {% endmacro %}
    """)

    def __init__(self, places):
        super().__init__()
        self._name, self.places = "CityChooser", places


def offline(folium_map):
    """The page of a folium map that asked for no scripts and styles: they are put inside, Leaflet's and ours.

    The page carries a content security policy that forbids every connection.
    """
    own = (
        Path(__file__).with_name("offline_map.css").read_text(),
        Path(__file__).with_name("offline_map.js").read_text(),
    )
    policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
    head = f'<head><meta http-equiv="Content-Security-Policy" content="{policy}">'
    head += f"<style>{leaflet_css()}{own[0]}</style><script>{leaflet_js()}</script><script>{own[1]}</script>"
    return short_names(folium_map, folium_map.get_root().render()).replace("<head>", head, 1)


def leaflet_js():
    """Leaflet, made safe inside a script element. FileNotFoundError outside a clone of the repository."""
    text = re.sub(r"//# sourceMappingURL=\S+", "", vendored("leaflet.js"))
    return text.replace("</script", "<\\/script")


def leaflet_css():
    """Leaflet's style sheet with the layer button's pictures inside and without the default marker's."""

    def picture(match):
        path = LEAFLET / match[1]
        return f"url({data_uri(path.read_bytes(), 'image/png')})" if path.exists() else "none"

    return re.sub(r"url\((images/[^)]+)\)", picture, vendored("leaflet.css"))


def vendored(name):
    """The text of one of Leaflet's files."""
    if not (LEAFLET / name).exists():
        raise FileNotFoundError(f"{name} is not in book/_static/vendor/leaflet/: maps need a clone of the repository")
    return (LEAFLET / name).read_text(encoding="utf-8")


def short_names(folium_map, page):
    """The page with folium's random element names numbered in order: shorter, and the same at every run."""

    def names(element):
        yield element.get_name().rsplit("_", 1)[1]
        for child in element._children.values():
            yield from names(child)

    number = {name: f"n{i}" for i, name in enumerate(dict.fromkeys(names(folium_map.get_root())))}
    return re.sub("|".join(number), lambda match: number[match[0]], page)
