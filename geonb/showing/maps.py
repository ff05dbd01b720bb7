"""Interactive maps as one self-contained page each: no network, no marker per photo, no text of a photo that can run.

Every map is a folium map with ONE GeoJSON layer per method, drawn on a canvas: pages with one script object per marker
go blank at about 3,000 markers. More photos than ``MARKS_AT_MOST`` are drawn as one mark per square cell.
"""

import base64
import io
import re
from dataclasses import dataclass
from html import escape
from html.parser import HTMLParser
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
from geonb.earth.sphere import EARTH_RADIUS_M, centre, check_lat_lon_deg, from_local_m, wrap_lon_deg
from geonb.showing.safe_text import safe_html

VENDOR = files.ROOT / "book" / "_static" / "vendor"
MARKS_AT_MOST = 4_000  # marks on one page, all layers together: keeps it near 1 MB
LONGEST = 100  # characters of one text of a photo
THUMBNAILS_AT_MOST = 24  # a thumbnail weighs as much as twenty marks
CITY_ERRORS_M = (25, 50, 100, 200, 500, 1_000)  # class bounds, about equal steps in log error
WORLD_ERRORS_M = (1_000, 25_000, 200_000, 750_000, 2_500_000)  # the usual bounds of world-scale geolocation
WRONG_CITY = {"color": "#6b6b6b", "weight": 2, "fillColor": "#ffffff", "fillOpacity": 0.3}
ERROR_LINE = {"color": "#111111", "weight": 1.3, "dashArray": "4 3", "opacity": 0.9}
CONTEXT_LINE = {"color": "#c8c8c8", "weight": 1.2, "fill": False}


# ---------------------------------------------------------------------------------------------- one page, no network


@dataclass(frozen=True)
class OfflineMap:
    """A folium map with its finished page; notebooks show it as an iframe, ``save`` writes it as a file."""

    map: folium.Map
    page: str
    title: str
    height_px: int
    sandbox: str

    def _repr_html_(self):
        # Single quotes around srcdoc: the page's data is full of double quotes, which would each grow sixfold.
        page = escape(self.page, quote=False).replace("'", "&#39;")
        return (
            f'<iframe class="geonb-map" title="{escape(self.title)}" sandbox="{self.sandbox}" '
            f"style=\"width:100%;height:{self.height_px}px;border:1px solid #999;\" srcdoc='{page}'></iframe>"
        )

    def save(self, path):
        """Write the page to a file that opens without a network; the path comes back."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.page, encoding="utf-8")
        return path


def offline(folium_map, *, title="interactive map", height_px=480):
    """The OfflineMap of a folium map: Leaflet (and jQuery where used) inside the page, the other CDN links dropped.

    The page carries a content security policy that forbids every connection, except to the pictures of tile layers the
    map itself asks for. ValueError names links of plugins that are not vendored, and default markers (their icon is a
    remote picture).
    """
    page = short_names(folium_map, folium_map.get_root().render())
    if "L.marker(" in page:
        raise ValueError("folium.Marker needs a remote icon: use folium.GeoJson(marker=folium.CircleMarker(...))")
    scripts_use_jquery = re.search(r"\$[.(]", page) is not None
    page = re.sub(
        r'<script src="((?:https?:)?//[^"]+)"></script>|<link rel="stylesheet" href="((?:https?:)?//[^"]+)"\s*/?>',
        lambda link: inlined(link[1] or link[2], scripts_use_jquery),
        page,
    )
    remote = remote_links(page)
    if remote:
        raise ValueError(f"the page would load {remote}: put the file into {VENDOR.name}/ or leave the plugin out")
    has_tiles = any(isinstance(child, folium.TileLayer) for child in folium_map._children.values())
    pictures = "data: https:" if has_tiles else "data:"
    policy = f"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src {pictures}"
    page = page.replace("<head>", f'<head><meta http-equiv="Content-Security-Policy" content="{policy}">', 1)
    # Tile servers want to know which page asks, and a page of opaque origin cannot say.
    sandbox = "allow-scripts allow-same-origin" if has_tiles else "allow-scripts"
    return OfflineMap(folium_map, page, title, height_px, sandbox)


def inlined(url, scripts_use_jquery):
    """The tag that holds the vendored file behind a CDN link; empty for what these maps never draw."""
    name = url.rsplit("/", 1)[1]
    if re.search("bootstrap|awesome", url) or (name.startswith("jquery") and not scripts_use_jquery):
        return ""
    if name == "leaflet.js":
        return f"<script>{vendored('leaflet/leaflet.js')}</script>"
    if name == "leaflet.css":
        return f"<style>{leaflet_css()}</style>"
    if name.startswith("jquery"):
        return f"<script>{vendored('jquery/jquery.min.js')}</script>"
    return f'<script src="{url}"></script>'  # left for remote_links to refuse


def vendored(name):
    """The text of a vendored script or style sheet, made safe inside a script element."""
    path = VENDOR / name
    if not path.exists():
        raise FileNotFoundError(f"{name} is not in book/_static/vendor/: maps need a clone of the repository")
    text = re.sub(r"//# sourceMappingURL=\S+", "", path.read_text(encoding="utf-8"))
    return text.replace("</script", "<\\/script")


def leaflet_css():
    """Leaflet's style sheet with the layer button's pictures inside and without the default marker's."""

    def picture(match):
        path = VENDOR / "leaflet" / match[1]
        return f"url({data_uri(path.read_bytes(), 'image/png')})" if path.exists() else "none"

    return re.sub(r"url\((images/[^)]+)\)", picture, vendored("leaflet/leaflet.css"))


def short_names(folium_map, page):
    """The page with folium's random element names numbered in order: shorter, and the same at every run."""

    def names(element):
        yield element.get_name().rsplit("_", 1)[1]
        for child in element._children.values():
            yield from names(child)

    number = {name: f"n{i}" for i, name in enumerate(dict.fromkeys(names(folium_map.get_root())))}
    return re.sub("|".join(number), lambda match: number[match[0]], page)


class LinkReader(HTMLParser):
    """Collects what a page loads by itself; links that a reader may follow (a) load nothing."""

    def __init__(self):
        super().__init__()
        self.links = []

    def handle_starttag(self, tag, attributes):
        """Note the remote addresses of one element."""
        loaded = [value or "" for name, value in attributes if name in ("src", "href", "srcset", "data", "poster")]
        self.links += [link for link in loaded if tag != "a" and re.match(r"\s*(https?:)?//", link)]


def remote_links(page):
    """Addresses (list) that the elements of a page load from elsewhere."""
    reader = LinkReader()
    reader.feed(page)
    return reader.links


def data_uri(content, media_type):
    """Bytes as an address that needs no file beside the page."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


# ---------------------------------------------------------------------------------------------- the maps


def photo_map(photos, simulated, *, streets=None, tiles=None, height_px=480):
    """OfflineMap of the catalogue's photos, with a chooser that zooms to each city.

    photos : GeoDataFrame (EPSG:4326 points) with photo_id, city; path, street, caption are told where present.
    streets : GeoDataFrame drawn light grey beneath. tiles : a folium tile set, which needs a network.
    """
    check(photos, ("photo_id", "city", "geometry"), "photos")
    table = pd.DataFrame(photos.drop(columns="geometry")).reset_index(drop=True)
    table = table.assign(lat_deg=photos.geometry.y.to_numpy(), lon_deg=photos.geometry.x.to_numpy())
    table = unwrapped(table.assign(layer="photos", right_city=True, error_m=np.nan, about_error=""))
    if len(table) > MARKS_AT_MOST:
        table = table.drop(columns=[name for name in ("path", "street", "caption") if name in table])
    marks, cell_m = few_marks(table)
    features = [point_feature(row, about(row, None)) for row in marks.to_dict("records")]
    styles = [point_style("#0072B2", True, photo_count) for photo_count in marks.photo_count]
    page = empty_map(tiles, streets, table)
    add_layer(page, "photos", features, styles, shown=True)
    notes = [f"{len(table):,} photos", *cell_note(cell_m), *owed(streets)]
    return finished(page, table, legend("photos", [("#0072B2", True, "photo")], notes, simulated), 1, height_px)


def error_map(errors, thumbnails, simulated, *, streets=None, tiles=None, worst_per_city=3, height_px=520):
    """OfflineMap of every test photo at its true place, coloured by error; one layer per method (and split).

    errors : one row per (method, seed, photo) as in the table of errors; of several seeds the one with the middle
        error is drawn. Photos placed in a wrong city are hollow grey rings. Dashed lines lead from the true place to
        the guess, for the largest errors of each city among guesses in the right city.
    thumbnails : {photo_id: PIL image} or None, shown for the largest errors.
    """
    needed = ("method", "photo_id", "lat_deg", "lon_deg", "predicted_lat_deg", "predicted_lon_deg", "error_m", "city")
    check(errors, needed, "errors")
    check_lat_lon_deg(errors[["predicted_lat_deg", "predicted_lon_deg"]])
    table = unwrapped(middle_seed(named_layers(errors)))
    table["about_error"] = table.apply(told_error, axis=1)
    marks, cell_m = few_marks(table)
    coloured = table.error_m[table.right_city] if table.right_city.any() else table.error_m
    bounds_m = CITY_ERRORS_M if coloured.median() < 20_000 else WORLD_ERRORS_M
    colours = [to_hex(c) for c in colormaps["viridis_r"](np.linspace(0.05, 1, len(bounds_m) + 1))]
    pictures = chosen_pictures(table, thumbnails or {})
    page = empty_map(tiles, streets, table)
    layers = list(dict.fromkeys(table.layer))
    for layer in layers:
        here = marks[marks.layer == layer]
        features = [point_feature(row, about(row, pictures)) for row in here.to_dict("records")]
        classes = np.searchsorted(bounds_m, here.error_m)
        styles = [
            point_style(colours[k], right, photo_count)
            for k, right, photo_count in zip(classes, here.right_city, here.photo_count, strict=True)
        ]
        lines = worst_lines(table[table.layer == layer], worst_per_city)
        add_layer(page, layer, features + lines, styles + [ERROR_LINE] * len(lines), shown=layer == layers[0])
    notes = [f"dashed: truth to guess, the {worst_per_city} largest errors per city"] if worst_per_city else []
    notes += [f"{table.photo_id.nunique():,} photos", *cell_note(cell_m)]
    shown = legend("error", error_rows(bounds_m, colours, table), [*notes, *owed(streets)], simulated)
    return finished(page, table, shown, len(layers), height_px)


SHARES = (0.01, 0.05, 0.2, 1.0)  # upper ends of the classes of a target's weights


def target_map(targets, simulated, *, streets=None, tiles=None, height_px=440):
    """OfflineMap of what one photo's targets give to the places around it, one layer per target; rings get nothing.

    targets : layer, photo_id, city, lat_deg, lon_deg, weight (share of the target), distance_m from the photo; street
    is told where present.
    """
    check(targets, ("layer", "photo_id", "city", "lat_deg", "lon_deg", "weight", "distance_m"), "targets")
    table = unwrapped(targets).assign(photo_count=1, error_m=np.nan)
    told = zip(table.weight, table.distance_m, strict=True)
    table["about_error"] = [f"weight {weight:.1%}, {told_m(metres)} away" for weight, metres in told]
    colours = [to_hex(c) for c in colormaps["viridis_r"](np.linspace(0.1, 1, len(SHARES)))]
    page = empty_map(tiles, streets, table)
    layers = list(dict.fromkeys(table.layer))
    for layer in layers:
        here = table[table.layer == layer].sort_values("weight", kind="stable")  # the heaviest on top
        classes = np.searchsorted(SHARES, here.weight)
        styles = [point_style(colours[k], weight > 0, 1) for k, weight in zip(classes, here.weight, strict=True)]
        features = [point_feature(row, about(row, None)) for row in here.to_dict("records")]
        add_layer(page, layer, features, styles, shown=layer == layers[0])
    ends = zip((0.0, *SHARES[:-1]), SHARES, colours, strict=True)
    rows = [(colour, True, f"{low:.0%} to {high:.0%}") for low, high, colour in ends]
    notes = ["one photo's right answers", *owed(streets)]
    shown = legend("share of the target", [*rows, ("", False, "nothing")], notes, simulated)
    return finished(page, table, shown, len(layers), height_px)


WEIGHTS = (0.1, 0.3, 0.6, 1.0)  # upper ends of the classes of a place's probability over that of the best place
CIRCLE = {"color": "#D55E00", "weight": 2.2, "opacity": 1.0, "fill": False}
TRUTH = {"radius": 6, "color": "#000000", "weight": 2.5, "fillColor": "#ffffff", "fillOpacity": 1.0}


def guess_map(likely, circles, simulated, *, streets=None, tiles=None, height_px=480):
    """OfflineMap of where photos may have been taken: likely places, one layer per photo, and the circle of its radius.

    likely : layer, photo_id, city, lat_deg, lon_deg, weight (probability over that of the best place), distance_m from
    that place; street is told where present. circles : layer, lat_deg, lon_deg, radius_m (missing: no circle), and
    true_lat_deg, true_lon_deg, missing where unknown.
    """
    check(likely, ("layer", "photo_id", "city", "lat_deg", "lon_deg", "weight", "distance_m"), "likely places")
    check(circles, ("layer", "lat_deg", "lon_deg", "radius_m", "true_lat_deg", "true_lon_deg"), "circles")
    table = unwrapped(likely).assign(photo_count=1, error_m=np.nan)
    told = zip(table.weight, table.distance_m, strict=True)
    table["about_error"] = [f"{weight:.0%} of the best, {told_m(metres)} from it" for weight, metres in told]
    colours = [to_hex(c) for c in colormaps["viridis_r"](np.linspace(0.1, 1, len(WEIGHTS)))]
    page = empty_map(tiles, streets, table)
    home = table.groupby("city")["photo_id"].nunique().idxmax()  # what the chooser of cities begins with
    first = table.layer[table.city == home].iloc[0]
    for circle in circles.to_dict("records"):
        features, styles = marks(circle, table[table.layer == circle["layer"]], colours)
        add_layer(page, circle["layer"], features, styles, shown=circle["layer"] == first)
    ends = zip((0.0, *WEIGHTS[:-1]), WEIGHTS, colours, strict=True)
    rows = [(colour, True, f"{low:.0%} to {high:.0%}") for low, high, colour in ends]
    notes = ["orange line: the radius, where there is one (zoom out)"]
    notes += ["white: where it was taken"] if circles["true_lat_deg"].notna().any() else []
    shown = legend("probability over that of the best place", rows, [*notes, *owed(streets)], simulated)
    return finished(page, table, shown, len(circles), height_px)


def marks(circle, likely, colours):
    """(GeoJSON features, styles) of one photo: its likely places, the likeliest on top, its circle, and the truth."""
    likely = likely.sort_values("weight", kind="stable")
    features = [point_feature(row, about(row, None)) for row in likely.to_dict("records")]
    styles = [point_style(colours[c], True, 1) for c in np.searchsorted(WEIGHTS, likely.weight)]
    more = [*circle_lines(circle), *truth_points(circle)]
    return features + [feature for feature, _ in more], styles + [style for _, style in more]


def circle_lines(circle):
    """The circle around a guess as [(GeoJSON line, style)]; none without a radius, or beyond a quarter of the Earth."""
    if not circle["radius_m"] < np.pi / 2 * EARTH_RADIUS_M:
        return []
    turn = np.linspace(0, 2 * np.pi, 73)
    around = from_local_m(circle["radius_m"] * np.column_stack([np.sin(turn), np.cos(turn)]),
                          (circle["lat_deg"], circle["lon_deg"]))  # fmt: skip
    lon_deg = circle["lon_deg"] + wrap_lon_deg(around[:, 1] - circle["lon_deg"])
    ends = [position(*end) for end in zip(around[:, 0], lon_deg, strict=True)]
    return [(feature("LineString", ends, f"radius {told_m(circle['radius_m'])}"), CIRCLE)]


def truth_points(circle):
    """Where a photo was taken as [(GeoJSON point, style)]; none where that is unknown."""
    if np.isnan(circle["true_lat_deg"]):
        return []
    lon_deg = circle["lon_deg"] + float(wrap_lon_deg(circle["true_lon_deg"] - circle["lon_deg"]))
    return [(feature("Point", position(circle["true_lat_deg"], lon_deg), "where it was taken"), TRUTH)]


# ---------------------------------------------------------------------------------------------- tables to marks


def check(table, columns, what):
    """ValueError when a table is empty or lacks a column."""
    missing = [column for column in columns if column not in table]
    if missing:
        raise ValueError(f"the table of {what} has no column {missing}; it has {list(table.columns)}")
    if len(table) == 0:
        raise ValueError(f"the table of {what} is empty: there is nothing to draw on a map")


def named_layers(errors):
    """The errors with their layer's name: the method, and the split where there are several."""
    splits = errors["split"].nunique() if "split" in errors else 1
    layer = errors["method"].astype(str) + (" · " + errors["split"].astype(str) if splits > 1 else "")
    right = errors["right_city"].astype(bool) if "right_city" in errors else True
    return errors.assign(layer=layer, right_city=right)


def middle_seed(table):
    """One row per layer and photo, in the order given: of several seeds the one whose error is in the middle."""
    ordered = table.reset_index(drop=True).sort_values("error_m", kind="stable")
    photos = ordered.groupby(["layer", "photo_id"], sort=False)
    keep = photos.cumcount() == (photos["photo_id"].transform("size") - 1) // 2
    return ordered[keep].sort_index().reset_index(drop=True)


def unwrapped(table):
    """The table with missing cities named and longitudes within 180 degrees of their city's centre.

    A city across the date line would otherwise be drawn in two halves, a world apart; Leaflet takes any longitude.
    """
    check_lat_lon_deg(table[["lat_deg", "lon_deg"]])
    table = table.assign(city=table["city"].astype(object).where(table["city"].notna(), "(no city)").astype(str))
    centre_lon_deg = {name: centre(c[["lat_deg", "lon_deg"]].to_numpy())[1] for name, c in table.groupby("city")}
    middle = table["city"].map(centre_lon_deg).to_numpy(dtype=float)
    return table.assign(lon_deg=middle + wrap_lon_deg(table["lon_deg"].to_numpy() - middle))


def few_marks(table):
    """The table with photo_count = 1, or at most MARKS_AT_MOST cells of it, and the cell's width in metres (or None).

    The width doubles from 25 m until the cells are few enough; a cell stands where its photos are in the mean.
    """
    if len(table) <= MARKS_AT_MOST:
        return table.assign(photo_count=1), None
    cell_m = 25
    while len(marks := cells(table, cell_m)) > MARKS_AT_MOST:
        cell_m *= 2
    return marks, cell_m


def cells(table, cell_m):
    """One row per layer, verdict on the city and square cell: mean position, median error, photo_count."""
    metres_per_deg = np.radians(EARTH_RADIUS_M)
    row = np.floor(table["lat_deg"] * metres_per_deg / cell_m)
    shrink = np.cos(np.radians(((row + 0.5) * cell_m / metres_per_deg).clip(-90, 90)))
    column = np.floor(table["lon_deg"] * shrink * metres_per_deg / cell_m)
    grouped = table.assign(row=row, column=column).groupby(["layer", "right_city", "row", "column"], sort=False)
    return grouped.agg(
        photo_id=("photo_id", "first"),
        city=("city", "first"),
        lat_deg=("lat_deg", "mean"),
        lon_deg=("lon_deg", "mean"),
        error_m=("error_m", "median"),
        photo_count=("photo_id", "size"),
        about_error=("about_error", "first"),
    ).reset_index()


def worst_lines(table, worst_per_city):
    """GeoJSON lines from the true place to the guess, for the largest errors of each city within the right city."""
    right = table[table["right_city"]].sort_values("error_m", ascending=False, kind="stable")
    worst = right.groupby("city", sort=False).head(worst_per_city)
    lines = []
    for row in worst.to_dict("records"):
        guess_lon_deg = row["lon_deg"] + float(wrap_lon_deg(row["predicted_lon_deg"] - row["lon_deg"]))
        ends = [position(row["lat_deg"], row["lon_deg"]), position(row["predicted_lat_deg"], guess_lon_deg)]
        lines.append(feature("LineString", ends, about({**row, "photo_count": 1}, None)))
    return lines


def chosen_pictures(table, thumbnails):
    """{photo_id: img element} for the photos with the largest errors that have a thumbnail."""
    worst = table.sort_values("error_m", ascending=False, kind="stable")["photo_id"].drop_duplicates()
    chosen = [photo_id for photo_id in worst if photo_id in thumbnails][:THUMBNAILS_AT_MOST]
    return {photo_id: img_element(thumbnails[photo_id], photo_id) for photo_id in chosen}


def img_element(picture, photo_id):
    """An img element with a small JPEG of the picture inside."""
    small = picture.convert("RGB")
    small.thumbnail((140, 140))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=60)
    return f'<img alt="photo {safe_html(photo_id)}" src="{data_uri(file.getvalue(), "image/jpeg")}">'


# ---------------------------------------------------------------------------------------------- marks to GeoJSON


def position(lat_deg, lon_deg):
    """GeoJSON position [lon, lat], rounded to 1e-5 degrees (about a metre)."""
    return [round(float(lon_deg), 5), round(float(lat_deg), 5)]


def feature(kind, coordinates, text):
    """GeoJSON feature whose only property is its tooltip: HTML whose text went through safe_html."""
    return {
        "type": "Feature",
        "geometry": {"type": kind, "coordinates": coordinates},
        "properties": {"about": text},
    }


def point_feature(row, text):
    """GeoJSON point of one mark."""
    return feature("Point", position(row["lat_deg"], row["lon_deg"]), text)


def point_style(colour, right_city, photo_count):
    """Leaflet style of a mark: its area grows with the photos it stands for, a wrong city makes it a hollow ring."""
    radius = int(min(4 + np.sqrt(photo_count - 1), 14))
    if not right_city:
        return {"radius": radius, **WRONG_CITY}
    return {"radius": radius, "color": "#333333", "weight": 0.6, "fillColor": colour, "fillOpacity": 0.9}


def about(row, pictures):
    """Tooltip of one mark as HTML; every word that comes from a table goes through safe_html."""
    if row["photo_count"] > 1:
        error = "" if np.isnan(row["error_m"]) else f"<br>median error {told_m(row['error_m'])}"
        return f"{row['photo_count']:,} photos, {safe_html(row['city'], LONGEST)}{error}"
    words = [row["photo_id"], row["city"], row.get("street"), row.get("caption")]
    if isinstance(row.get("path"), str):
        words[0] = PurePath(row["path"]).name or row["photo_id"]
    told = [safe_html(word, LONGEST) for word in words if isinstance(word, str | int) and str(word)]
    picture = (pictures or {}).get(row["photo_id"], "")
    return "<br>".join([part for part in (picture, *told, row["about_error"]) if part])


def told_error(row):
    """Error of one photo in words, with the city guessed where it is the wrong one; safe HTML."""
    guess = row.get("predicted_city")
    elsewhere = f", guessed {safe_html(guess, LONGEST)}" if not row["right_city"] and isinstance(guess, str) else ""
    return f"error {told_m(row['error_m'])}{elsewhere}"


def told_m(length_m):
    """A length in words: 84 m, 1.2 km, 310 km."""
    if length_m < 1_000:
        return f"{length_m:.0f} m"
    return f"{length_m / 1_000:,.{int(length_m < 10_000)}f}".removesuffix(".0") + " km"


# ---------------------------------------------------------------------------------------------- folium parts


def empty_map(tiles, streets, table):
    """A folium map without marks: tiles only on request, streets or districts in light grey."""
    # Attribution is owed to whoever makes the tiles; without tiles it would only hold a link.
    page = folium.Map(tiles=tiles, prefer_canvas=True, attributionControl=tiles is not None, zoomSnap=0.25)
    page.get_root().header.add_child(folium.Element(f"<style>{PAGE_CSS}</style>"))
    if streets is not None and len(streets):
        lines = shapely.transform(streets.to_crs(4326).geometry.to_numpy(), lambda lon_lat: lon_lat.round(5))
        for turn_deg, across in ((360, table.lon_deg.max() > 180), (-360, table.lon_deg.min() < -180)):
            if across:  # a city across the date line is drawn on one side of it: so are its streets
                lines = np.concatenate([lines, shapely.transform(lines, lambda at, by=(turn_deg, 0): np.add(at, by))])
        context = feature("", [], "") | {"geometry": shapely.geometry.mapping(shapely.GeometryCollection(list(lines)))}
        data = {"type": "FeatureCollection", "features": [context]}
        folium.GeoJson(data, style_function=lambda _: CONTEXT_LINE, control=False, interactive=False).add_to(page)
    return page


def owed(streets):
    """Legend notes that streets ask for, by their column licence."""
    return [] if streets is None or "licence" not in streets else [note for note in streets.licence.unique() if note]


def add_layer(page, name, features, styles, *, shown):
    """Put one GeoJSON layer with a tooltip on the map; layers exclude each other, the first one is shown."""
    for number, one in enumerate(features):
        one["id"] = number
    folium.GeoJson(
        {"type": "FeatureCollection", "features": features},
        name=safe_html(name),  # Leaflet writes the name into the page as HTML
        style_function=lambda one: styles[one["id"]],
        marker=folium.CircleMarker(radius=4, fill=True),
        tooltip=folium.GeoJsonTooltip(["about"], labels=False, class_name="geonb-tooltip"),
        overlay=False,
        show=shown,
    ).add_to(page)


def finished(page, table, legend_html, layer_count, height_px):
    """OfflineMap with legend, layer control where there is a choice, and the chooser of cities."""
    page.get_root().html.add_child(folium.Element(legend_html))
    if layer_count > 1:
        folium.LayerControl(collapsed=layer_count > 4).add_to(page)
    places = city_bounds(table)
    page.add_child(CityChooser(places))
    title = f"map of {table['photo_id'].nunique():,} photos in {len(places)} {'city' if len(places) == 1 else 'cities'}"
    return offline(page, title=title, height_px=height_px)


def city_bounds(table):
    """Name and corner positions of every city, the one with most photos first."""
    grouped = table.groupby("city").agg(
        south=("lat_deg", "min"),
        west=("lon_deg", "min"),
        north=("lat_deg", "max"),
        east=("lon_deg", "max"),
        photo_count=("photo_id", "nunique"),
    )
    grouped = grouped.sort_values("photo_count", ascending=False, kind="stable")
    return [
        {
            "name": f"{safe_html(row.Index)} ({row.photo_count:,})",
            "bounds": [[row.south, row.west], [row.north, row.east]],
        }
        for row in grouped.itertuples()
    ]


class CityChooser(MacroElement):
    """A list of cities on the map; choosing one zooms to it, the first is shown at the start."""

    _template = Template("""
        {% macro script(this, kwargs) %}
        (function () {
            const map = {{ this._parent.get_name() }}, places = {{ this.places|tojson }};
            let chosen = 0, touched = false;
            function show(number) {
                chosen = number;
                const legend = document.querySelector(".geonb-legend"), wide = map.getSize().x > 600;
                const right = wide && legend ? legend.offsetWidth + 24 : 24;
                map.fitBounds(places[number].bounds, {
                    paddingTopLeft: [24, 24], paddingBottomRight: [right, 24], maxZoom: 17, animate: false});
            }
            L.control.scale({imperial: false}).addTo(map);
            function begin() {  // an iframe gets its final size late, and a phone is turned
                const legend = document.querySelector(".geonb-legend");
                if (legend) legend.open = map.getSize().x >= 520;
                show(chosen);
            }
            begin();
            document.addEventListener("pointerdown", function () { touched = true; }, {capture: true});
            map.on("resize", function (event) { if (!touched || !event.oldSize.x) begin(); });
            // a frame's first layout is no resize of its window: without this the map may stay blank
            new ResizeObserver(function () { map.invalidateSize(); }).observe(map.getContainer());
            if (places.length < 2) return;
            const control = L.control({position: "topleft"});
            control.onAdd = function () {
                const list = L.DomUtil.create("select", "geonb-cities");
                list.setAttribute("aria-label", "city shown");
                places.forEach(function (place, number) { 
                    const option = new Option("", number);
                    option.innerHTML = place.name;  // safe HTML already: see geonb.safe_text
                    list.add(option);
                });
                list.onchange = function () { show(Number(list.value)); };
                L.DomEvent.disableClickPropagation(list);
                return list;
            };
            control.addTo(map);
        })();
        {% endmacro %}
    """)

    def __init__(self, places):
        super().__init__()
        self._name = "CityChooser"
        self.places = places


PAGE_CSS = """
.folium-map.leaflet-container { background: #fafaf8; font: 13px/1.35 system-ui, sans-serif; }
.leaflet-control-layers .leaflet-control-layers-list { height: auto !important; max-height: 75vh; overflow-y: auto;
  padding-right: 0; }
.geonb-legend { position: absolute; right: 8px; bottom: 8px; z-index: 1000; max-width: min(46%, 190px);
  padding: 4px 9px;
  background: rgba(255, 255, 255, .93); border: 1px solid #999; border-radius: 4px; color: #111;
  font: 12px/1.45 system-ui, sans-serif; }
.geonb-legend summary { font-weight: 600; cursor: pointer; }
.geonb-legend i { display: inline-block; width: 9px; height: 9px; margin-right: 6px; border-radius: 50%;
  border: 1px solid #333; }
.geonb-legend i.ring { border: 2px solid #6b6b6b; background: #fff; width: 7px; height: 7px; }
.geonb-cities { max-width: 11em; padding: 3px; font: inherit; color: #111; background: #fff; }
.geonb-tooltip { white-space: normal !important; width: max-content; max-width: 240px; color: #111; }
.geonb-tooltip img { display: block; max-width: 140px; }
"""


def legend(title, rows, notes, simulated):
    """HTML of the legend: swatches with units, notes, and the word "simulated" where the places are made up."""
    swatches = [
        f'<i style="background:{colour}"></i>' if right else '<i class="ring"></i>' for colour, right, _ in rows
    ]
    marks = [swatch + safe_html(text) for swatch, (_, _, text) in zip(swatches, rows, strict=True)]
    words = [f"<em>{safe_html(note)}</em>" for note in notes]
    title += " (simulated)" if simulated else ""  # in the summary, which stays when the legend is folded
    rows = "<br>".join(marks + words)
    return f'<details open class="geonb-legend"><summary>{safe_html(title)}</summary>{rows}</details>'


def error_rows(bounds_m, colours, table):
    """Legend rows (colour, filled, text) of the error classes, and of the wrong city where there is one."""
    low = [0, *bounds_m[:-1]]
    texts = [f"{told_m(a)} to {told_m(b)}" for a, b in zip(low, bounds_m, strict=True)]
    texts = ["up to " + told_m(bounds_m[0]), *texts[1:], "over " + told_m(bounds_m[-1])]
    rows = [(colour, True, text) for colour, text in zip(colours, texts, strict=True)]
    return rows + ([] if table["right_city"].all() else [("", False, "wrong city")])


def cell_note(cell_m):
    """Legend note that marks stand for cells, where they do."""
    return [] if cell_m is None else [f"one mark = the photos in a cell of {told_m(cell_m)}"]
