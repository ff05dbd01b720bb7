"""Figures and the map of page 15: guesses, whether a promised radius holds, what is gained by answering where sure.

Apart from `figures` and `maps`, which the first pages import: what changes here makes no training run again.
"""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

from geonb.earth.sphere import EARTH_RADIUS_M, from_local_m, wrap_lon_deg
from geonb.showing import figures, maps
from geonb.showing.figures import COLOURS, GREY, house_style

ORDERS = {"radius": (COLOURS[0], "-"), "chance": (GREY, "--"), "oracle": ("black", ":")}
WORDS = {
    "radius": "smallest radius first",
    "chance": "in any order",
    "oracle": "smallest error first (nobody knows it)",
}
WEIGHTS = (0.1, 0.3, 0.6, 1.0)  # upper ends of the classes of a place's probability over that of the best place
CIRCLE = {"color": "#D55E00", "weight": 2.2, "opacity": 1.0, "fill": False}
TRUTH = {"radius": 6, "color": "#000000", "weight": 2.5, "fillColor": "#ffffff", "fillOpacity": 1.0}


@house_style
def coverage(table, simulated=False):
    """Figure of measured against nominal coverage, one panel per split and one colour per rule: conformal.COVERAGE.

    On the grey line the promise is kept exactly; below it the radius is too small.
    """
    figures.need(table, ("split", "rule", "level", "coverage", "low", "high"), "coverage")
    splits, rules = list(table["split"].unique()), list(table["rule"].unique())
    figure, axes = figures.panels(
        len(splits), figures.grid_columns(len(splits)), height_in=2.7, sharex=True, sharey=True
    )
    for ax, split in zip(axes, splits, strict=True):
        ax.plot([0, 1], [0, 1], color=GREY, lw=0.9)
        for k, rule in enumerate(rules):
            own = table[(table["split"] == split) & (table["rule"] == rule)]
            at = own["level"] + 0.012 * (k - (len(rules) - 1) / 2)
            ax.vlines(at, own["low"], own["high"], color=COLOURS[k], lw=1.3)
            ax.plot(at, own["coverage"], "o", color=COLOURS[k], ms=4)
        ax.set_title(split)
        ax.set(xlim=(table["level"].min() - 0.08, 1.02), ylim=(0, 1.02))
    figures.label_outer(figure, axes, "nominal coverage [share]", "measured coverage [share]")
    figures.bottom_legend(figure, [figures.dot(COLOURS[k], f"{rule} radius") for k, rule in enumerate(rules)])
    return figures.with_note(figure, simulated)


@house_style
def risk(table, simulated=False):
    """Figure of the error of the surest photos by the share that is answered, one panel per split: conformal.RISK."""
    figures.need(table, ("split", "order", "share", "error_m"), "risk")
    splits = list(table["split"].unique())
    figure, axes = figures.panels(len(splits), figures.grid_columns(len(splits)), height_in=2.7, sharey=True)
    for ax, split in zip(axes, splits, strict=True):
        for order, (colour, dashes) in ORDERS.items():
            own = table[(table["split"] == split) & (table["order"] == order)]
            ax.plot(own["share"], own["error_m"], color=colour, ls=dashes, lw=1.5)
        ax.set_title(split)
        ax.set(xlim=(0, 1.02), yscale="log")
        figures.log_metres(ax.yaxis, table["error_m"].min(), table["error_m"].max())
    figures.label_outer(figure, axes, "photos answered [share]", "geometric mean error [m, km]")
    figures.bottom_legend(figure, [figures.line_mark(*marks, WORDS[name]) for name, marks in ORDERS.items()])
    return figures.with_note(figure, simulated)


def guess_map(likely, circles, simulated, *, streets=None, tiles=None, height_px=480):
    """OfflineMap of where photos may have been taken: likely places, one layer per photo, and the circle of its radius.

    likely : layer, photo_id, city, lat_deg, lon_deg, weight (probability over that of the best place), distance_m from
    that place; street is told where present. circles : layer, lat_deg, lon_deg, radius_m (missing: no circle), and
    true_lat_deg, true_lon_deg, missing where unknown.
    """
    maps.check(likely, ("layer", "photo_id", "city", "lat_deg", "lon_deg", "weight", "distance_m"), "likely places")
    maps.check(circles, ("layer", "lat_deg", "lon_deg", "radius_m", "true_lat_deg", "true_lon_deg"), "circles")
    table = maps.unwrapped(likely).assign(photo_count=1, error_m=np.nan)
    told = zip(table.weight, table.distance_m, strict=True)
    table["about_error"] = [f"{weight:.0%} of the best, {maps.told_m(metres)} from it" for weight, metres in told]
    colours = [to_hex(c) for c in colormaps["viridis_r"](np.linspace(0.1, 1, len(WEIGHTS)))]
    page = maps.empty_map(tiles, streets, table)
    home = table.groupby("city")["photo_id"].nunique().idxmax()  # what the chooser of cities begins with
    first = table.layer[table.city == home].iloc[0]
    for circle in circles.to_dict("records"):
        features, styles = marks(circle, table[table.layer == circle["layer"]], colours)
        maps.add_layer(page, circle["layer"], features, styles, shown=circle["layer"] == first)
    ends = zip((0.0, *WEIGHTS[:-1]), WEIGHTS, colours, strict=True)
    rows = [(colour, True, f"{low:.0%} to {high:.0%}") for low, high, colour in ends]
    notes = ["orange line: the radius, where there is one (zoom out)"]
    notes += ["white: where it was taken"] if circles["true_lat_deg"].notna().any() else []
    shown = maps.legend("probability over that of the best place", rows, [*notes, *maps.owed(streets)], simulated)
    return maps.finished(page, table, shown, len(circles), height_px)


def marks(circle, likely, colours):
    """(GeoJSON features, styles) of one photo: its likely places, the likeliest on top, its circle, and the truth."""
    likely = likely.sort_values("weight", kind="stable")
    features = [maps.point_feature(row, maps.about(row, None)) for row in likely.to_dict("records")]
    styles = [maps.point_style(colours[c], True, 1) for c in np.searchsorted(WEIGHTS, likely.weight)]
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
    ends = [maps.position(*end) for end in zip(around[:, 0], lon_deg, strict=True)]
    return [(maps.feature("LineString", ends, f"radius {maps.told_m(circle['radius_m'])}"), CIRCLE)]


def truth_points(circle):
    """Where a photo was taken as [(GeoJSON point, style)]; none where that is unknown."""
    if np.isnan(circle["true_lat_deg"]):
        return []
    lon_deg = circle["lon_deg"] + float(wrap_lon_deg(circle["true_lon_deg"] - circle["lon_deg"]))
    return [(maps.feature("Point", maps.position(circle["true_lat_deg"], lon_deg), "where it was taken"), TRUTH)]
