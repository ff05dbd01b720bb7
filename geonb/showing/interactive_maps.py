"""Interactive maps as one self-contained page each: no network, no marker per photo, no text of a photo that can run.

Every map is drawn by Leaflet (book/_static/vendor) and offline_map.js: ONE GeoJSON layer per method on a canvas, since
pages with one script object per marker go blank at about 3,000. More photos than MARKS_AT_MOST are one mark per cell.
A mark here is (kind and coordinates of its GeoJSON geometry, safe HTML of its tooltip, Leaflet's style).
"""

import base64
import io
import itertools
import json
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path, PurePath

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
HEIGHT_PX = 500
MARKS_AT_MOST = 4_000  # marks on one page, all layers together: keeps it near 1 MB
LONGEST = 100  # characters of one text of a photo
WORST_PER_CITY = 3  # errors of a method in a city that are drawn as lines
CITY_ERRORS_M = (25, 50, 100, 200, 500, 1_000)  # class bounds, about equal steps in log error
WORLD_ERRORS_M = (1_000, 25_000, 200_000, 750_000, 2_500_000)  # the usual bounds of world-scale geolocation
TARGET_SHARES = (0.01, 0.05, 0.2, 1.0)  # upper ends of the classes of a target's weights
LIKELY_SHARES = (0.1, 0.3, 0.6, 1.0)  # the same of a place's probability over that of the best place
RING = {"color": "#6b6b6b", "weight": 2, "fillColor": "#ffffff", "fillOpacity": 0.3}
DOT = {"color": "#333333", "weight": 0.6, "fillOpacity": 0.9}
ERROR_LINE = {"color": "#111111", "weight": 1.3, "dashArray": "4 3", "opacity": 0.9}
CIRCLE = {"color": "#D55E00", "weight": 2.2, "opacity": 1.0, "fill": False}
TRUTH = {"radius": 6, "color": "#000000", "weight": 2.5, "fillColor": "#ffffff", "fillOpacity": 1.0}
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"


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
    return built(table, Key("photos", (), ["photo"], [f"{len(table):,} photos"]), simulated, streets)


def error_map(errors, thumbnails, simulated, streets=None):
    """OfflineMap of every test photo at its true place, coloured by error; one layer per method.

    errors: one row per method and photo with the columns of the table of errors, else ValueError. Photos placed in a
        wrong city are hollow grey rings. Dashed lines lead from the true place to the predicted one, for the largest
        errors of each city among those in the right city.
    thumbnails: {photo_id: PIL image}, each weighs as much as twenty marks.
    """
    needed = ("method", "photo_id", "lat_deg", "lon_deg", "predicted_lat_deg", "predicted_lon_deg", "error_m", "city")
    need(errors, (*needed, "predicted_city", "right_city"), "map of errors")
    sphere.check_lat_lon_deg(errors[["predicted_lat_deg", "predicted_lon_deg"]])
    if errors.duplicated(["method", "photo_id"]).any():
        raise ValueError("a photo is there twice for one method: choose rows of one split and seed first")
    table = errors.assign(layer=errors["method"], value=errors["error_m"], ring=~errors["right_city"].astype(bool))
    table = unwrapped(table)
    table["words"] = [error_in_words(row) for row in table.to_dict("records")]
    table["picture"] = table["photo_id"].map({name: img_element(image, name) for name, image in thumbnails.items()})
    right = table[~table["ring"]]
    worst = right.sort_values("error_m", ascending=False, kind="stable").groupby(["layer", "city"]).head(WORST_PER_CITY)
    extra = {layer: [error_line(row) for row in rows.to_dict("records")] for layer, rows in worst.groupby("layer")}
    scale = right if len(right) else table
    bounds_m = CITY_ERRORS_M if scale["error_m"].median() < 20_000 else WORLD_ERRORS_M
    ends = [sphere.length(metres) for metres in bounds_m]
    texts = [f"up to {ends[0]}", *map(" to ".join, itertools.pairwise(ends)), f"over {ends[-1]}"]
    notes = [f"dashed: from the true to the predicted place, the {WORST_PER_CITY} largest errors of each city",
             f"{table['photo_id'].nunique():,} photos"]  # fmt: skip
    ring = "wrong city" if table["ring"].any() else ""
    return built(table, Key("error", bounds_m, texts, notes, ring), simulated, streets, extra)


def target_map(targets, simulated, streets=None):
    """OfflineMap of what one photo's targets give to the places around it, one layer per target; rings get nothing.

    targets: layer, photo_id, city, lat_deg, lon_deg, weight (share of the target), distance_m from the photo; street
    is shown where present.
    """
    table = weighted(targets, "weight {:.1%}, {} away").assign(ring=lambda rows: rows["weight"] <= 0)
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
    notes = ["orange line: the radius, where there is one (zoom out)"]
    notes += ["white: where it was taken"] if circles["true_lat_deg"].notna().any() else []
    key = share_key("probability over that of the best place", LIKELY_SHARES, notes)
    extra = {one["layer"]: circle_marks(one) for one in circles.to_dict("records")}
    return built(table, key, simulated, streets, extra)


@dataclass(frozen=True)
class Key:
    """What colours mean: a title; upper bounds of classes of values, and the text of each; notes; what rings are."""

    title: str
    bounds: tuple
    texts: list
    notes: list
    ring: str = ""

    def colours(self):
        """One for each text, from light to dark."""
        shades = colormaps["viridis_r"](np.linspace(0.05, 1, len(self.texts)))
        return list(map(to_hex, shades)) if self.bounds else ["#0072B2"]

    def style(self, row):
        """Leaflet's style of a mark: its area grows with the photos it stands for."""
        radius = int(min(4 + np.sqrt(row["photo_count"] - 1), 14))
        if row["ring"]:
            return RING | {"radius": radius}
        colour = self.colours()[np.searchsorted(self.bounds[: len(self.texts) - 1], row["value"])]
        return DOT | {"radius": radius, "fillColor": colour}

    def html(self, simulated, notes):
        """The legend: swatches with units, notes, and "simulated" in the title, which stays when it is folded."""
        rows = [f'<i style="background:{colour}"></i>{safe_html(text)}'
                for colour, text in zip(self.colours(), self.texts, strict=True)]  # fmt: skip
        rows += [f'<i class="ring"></i>{safe_html(self.ring)}'] if self.ring else []
        rows += [f"<em>{safe_html(note)}</em>" for note in [*self.notes, *notes]]
        title = safe_html(self.title + (" (simulated)" if simulated else ""))
        return f'<details open class="geonb-legend"><summary>{title}</summary>{"<br>".join(rows)}</details>'


def share_key(title, bounds, notes, ring=""):
    """The Key of shares in classes."""
    texts = [f"{low:.0%} to {high:.0%}" for low, high in itertools.pairwise((0, *bounds))]
    return Key(title, bounds, texts, notes, ring)


def weighted(table, template):
    """Places with weights as a table of marks, the heaviest on top of each layer; template: of weight and length."""
    need(table, ("layer", "photo_id", "city", "lat_deg", "lon_deg", "weight", "distance_m"), "map of weighted places")
    both = zip(table["weight"], table["distance_m"], strict=True)
    words = [template.format(weight, sphere.length(metres)) for weight, metres in both]
    table = unwrapped(table.assign(value=table["weight"], words=words))
    return pd.concat([rows.sort_values("weight", kind="stable") for _, rows in table.groupby("layer", sort=False)])


def unwrapped(table):
    """The table with missing cities named and longitudes within 180 degrees of their city's centre.

    A city across the date line would otherwise be drawn in two halves, a world apart; Leaflet takes any longitude.
    """
    sphere.check_lat_lon_deg(table[["lat_deg", "lon_deg"]])
    table = table.assign(city=table["city"].astype(object).where(table["city"].notna(), "(no city)").astype(str))
    centre_lon_deg = {name: sphere.centre(c[["lat_deg", "lon_deg"]].to_numpy())[1] for name, c in table.groupby("city")}
    return table.assign(lon_deg=near(table["lon_deg"], table["city"].map(centre_lon_deg).astype(float)))


def near(lon_deg, other_lon_deg):
    """Longitudes as they are written within 180 degrees of others."""
    return other_lon_deg + sphere.wrap_lon_deg(lon_deg - other_lon_deg)


def few_marks(table):
    """The table with photo_count, at most MARKS_AT_MOST rows, and the width of the cells that they stand for, or None.

    The width doubles from 25 m until the cells are few enough. A cell is of one layer and verdict on the city; it
    stands where its photos are in the mean and has their median value.
    """
    if len(table) <= MARKS_AT_MOST:
        return table.assign(photo_count=1), None
    how = {"photo_id": "first", "city": "first", "words": "first"}
    how |= {"lat_deg": "mean", "lon_deg": "mean", "value": "median"}
    for cell_m in 25 * 2 ** np.arange(20):
        row, column = cells.squares(table[["lat_deg", "lon_deg"]], cell_m).T
        grouped = table.groupby(["layer", "ring", row, column], sort=False)
        if grouped.ngroups <= MARKS_AT_MOST:
            break
    return grouped.agg(how).assign(photo_count=grouped.size()).reset_index(["layer", "ring"]), cell_m


def positions(lat_deg, lon_deg):
    """GeoJSON positions (n, 2): [lon, lat], rounded to 1e-5 degrees (about a metre)."""
    return np.column_stack([lon_deg, lat_deg]).round(5).tolist()


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


def error_in_words(row):
    """Error of one photo, with the city it was placed in where that is the wrong one; safe HTML."""
    placed = row["predicted_city"]
    elsewhere = f", placed in {safe_html(placed, LONGEST)}" if row["ring"] and isinstance(placed, str) else ""
    return f"error {sphere.length(row['error_m'])}{elsewhere}"


def error_line(row):
    """Mark of a line from the true to the predicted place of one photo."""
    lon_deg = [row["lon_deg"], near(row["predicted_lon_deg"], row["lon_deg"])]
    return "LineString", positions([row["lat_deg"], row["predicted_lat_deg"]], lon_deg), about(row), ERROR_LINE


def circle_marks(circle):
    """Marks of the circle of a radius, if there is one below a quarter of the Earth, and of the truth where known."""
    marks, lon_deg = [], circle["lon_deg"]
    if circle["radius_m"] < np.pi / 2 * sphere.EARTH_RADIUS_M:
        turn = np.linspace(0, 2 * np.pi, 73)
        around_m = circle["radius_m"] * np.column_stack([np.sin(turn), np.cos(turn)])
        ends = sphere.from_local_m(around_m, (circle["lat_deg"], lon_deg))
        words = f"radius {sphere.length(circle['radius_m'])}"
        marks.append(("LineString", positions(ends[:, 0], near(ends[:, 1], lon_deg)), words, CIRCLE))
    if not np.isnan(circle["true_lat_deg"]):
        (at,) = positions(circle["true_lat_deg"], near(circle["true_lon_deg"], lon_deg))
        marks.append(("Point", at, "where it was taken", TRUTH))
    return marks


def img_element(picture, photo_id):
    """An img element with a JPEG of the picture inside."""
    file = io.BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=60)
    content = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="photo {safe_html(photo_id)}" src="data:image/jpeg;base64,{content}">'


@dataclass(frozen=True)
class OfflineMap:
    """A finished page, which notebooks show as an iframe."""

    page: str
    title: str

    def _repr_html_(self):
        # Single quotes around srcdoc: the page's data is full of double quotes, which would each grow sixfold.
        page = escape(self.page, quote=False).replace("'", "&#39;")
        return (
            f'<iframe class="geonb-map" title="{escape(self.title)}" sandbox="allow-scripts" '
            f"style=\"width:100%;height:{HEIGHT_PX}px;border:1px solid #999;\" srcdoc='{page}'></iframe>"
        )


def built(table, key, simulated, streets, extra=None):
    """OfflineMap of marks: one layer for every name in column layer, legend, control of layers, chooser of cities.

    table: layer, photo_id, city, lat_deg, lon_deg, value, ring, words (safe HTML); extra: layer -> marks on top.
    The layer that is shown first lies in the city that is shown first.
    """
    (rows, cell_m), places, styles = few_marks(table), city_bounds(table), {}
    notes = [] if cell_m is None else [f"one mark = the photos in a cell of {sphere.length(cell_m)}"]
    notes += filter(None, streets["licence"].unique() if streets is not None and "licence" in streets else ())
    data = {"places": list(places.values()), "streets": moved(streets, table["lon_deg"]), "layers": []}
    first = table.loc[table["city"] == next(iter(places)), "layer"].iloc[0]
    for layer, here in rows.groupby("layer", sort=False):
        places_and_rows = zip(positions(here["lat_deg"], here["lon_deg"]), here.to_dict("records"), strict=True)
        marks = [("Point", at, about(row), key.style(row)) for at, row in places_and_rows]
        features = [feature(*mark, styles) for mark in [*marks, *(extra or {}).get(layer, [])]]
        # Leaflet writes the name into the page as HTML
        data["layers"].append({"name": safe_html(layer), "shown": layer == first, "features": features})
    data["styles"] = list(map(json.loads, styles))
    return OfflineMap(page_of(data, key.html(simulated, notes)), f"map of {table['photo_id'].nunique():,} photos")


def feature(kind, coordinates, text, style, styles):
    """A mark as a GeoJSON feature that names its style by its place in styles, which grows."""
    properties = {"about": text, "style": styles.setdefault(json.dumps(style), len(styles))}
    return {"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}, "properties": properties}


def moved(streets, lon_deg):
    """Streets as a GeoJSON geometry on the sides of the date line on which the marks are."""
    if streets is None or len(streets) == 0:
        return None
    lines = shapely.transform(streets.to_crs(4326).geometry.to_numpy(), lambda lon_lat: lon_lat.round(5))
    turns_deg = [0, *([360] if lon_deg.max() > 180 else []), *([-360] if lon_deg.min() < -180 else [])]
    copies = [shapely.transform(lines, lambda at, turn=turn: np.add(at, (turn, 0))) for turn in turns_deg]
    return shapely.geometry.mapping(shapely.GeometryCollection(np.concatenate(copies).tolist()))


def city_bounds(table):
    """{city: name as safe HTML, and corner positions}, the city with most photos first."""
    cities = table.groupby("city")
    counts = cities["photo_id"].nunique().sort_values(ascending=False, kind="stable")
    low, high = cities[["lat_deg", "lon_deg"]].min(), cities[["lat_deg", "lon_deg"]].max()
    return {city: {"name": f"{safe_html(city)} ({count:,})",
                   "bounds": [low.loc[city].tolist(), high.loc[city].tolist()]}
            for city, count in counts.items()}  # fmt: skip


def page_of(data, legend):
    """The page that draws data and carries all that it needs; its policy forbids every connection."""
    css, script = (Path(__file__).with_name(f"offline_map.{end}").read_text() for end in ("css", "js"))
    drawn = json.dumps(data).replace("<", r"\u003c")  # so that no text ends the script
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{leaflet_css()}{css}</style></head>"
        f'<body><div id="map"></div>{legend}<script>{leaflet_js()}</script>'
        f"<script>{script}\ndrawMap({drawn});</script></body></html>"
    )


def leaflet_js():
    """Leaflet's script, which looks for no other file. FileNotFoundError outside a clone of the repository."""
    return re.sub(r"//# sourceMappingURL=\S+", "", (LEAFLET / "leaflet.js").read_text(encoding="utf-8"))


def leaflet_css():
    """Leaflet's style sheet without pictures: offline_map.css draws the button of layers."""
    return re.sub(r"url\(images/[^)]+\)", "none", (LEAFLET / "leaflet.css").read_text(encoding="utf-8"))
