"""Photos, errors, cells and fields on the ground: local metres around the middle of each panel, and the whole Earth."""

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm, Normalize, PowerNorm

from geonb.earth.cells import outline
from geonb.earth.sphere import centre, check_lat_lon_deg, equal_earth, to_local_m
from geonb.showing import style
from geonb.showing.pictures import images

POSITION = ["lat_deg", "lon_deg"]
PREDICTED = ["predicted_lat_deg", "predicted_lon_deg"]
ARROW = style.line("to the predicted place", style.ORANGE)


@style.house
def on_ground(table, title, *, colour=None, panel="city", columns=3, shared=False, norm=None):
    """Figure of marks on square pieces of ground, one for each name in column `panel`.

    table: lat_deg and lon_deg of dots, and their size where it differs; or cell, an H3 hexagon. colour: a column of
    names, or of numbers of a norm; None: arrows lead from dots to their predicted places. columns: at most so many
    panels side by side, and three cities in all, eight where there are four columns. shared: one extent for all panels.
    """
    arrows = colour is None
    if arrows:
        colour, table = "what", table.assign(what="where it was taken")
    style.need(table, (panel, colour), title)
    groups, cut = style.by_panel(table, panel, style.CITIES_AT_MOST if columns == 4 else 3)
    columns = min(columns, {4: 2}.get(len(groups), len(groups)))
    side_in = min((style.WIDTH_IN - (norm is not None)) / columns - 0.3, 3.4)  # a colour bar needs room beside, and
    height_in = side_in + 0.25 + (0.2 if norm else 0.45) * columns / len(groups)  # a legend below
    figure, axes = style.panels(len(groups), height_in, columns=columns, sharex=shared, sharey=shared)
    looks = {} if norm else style.looks(table[colour])
    shades = ScalarMappable(norm, "viridis_r")
    for ax, (name, here) in zip(axes, groups.items(), strict=True):
        middle = square(ax, corners(table if shared else here, arrows))
        if arrows:
            start, end = (to_local_m(here[side].to_numpy(), middle) for side in (POSITION, PREDICTED))
            to_scale = {"angles": "xy", "scale_units": "xy", "scale": 1}
            ax.quiver(*start.T, *(end - start).T, **to_scale, width=0.005, color=style.ORANGE)
        for kind, (paint, _, marker) in looks.items():
            draw_marks(ax, here[here[colour] == kind], middle, paint, marker)
        if norm:
            draw_marks(ax, here.dropna(subset=colour), middle, shades.to_rgba(here[colour].dropna()), "o")
        draw_marks(ax, here[here[colour].isna()], middle, style.GREY, "x")
        ax.set_title(style.short(name, 90 // columns))
    style.label(axes, "east [m]", "north [m]")
    marks = [style.dot(name, paint, marker) for name, (paint, _, marker) in looks.items()]
    marks += [ARROW] if arrows else []
    marks += [style.dot("placed in a wrong city", style.GREY, "x")] if table[colour].isna().any() else []
    style.legend(figure, marks)
    if norm:
        bar = figure.colorbar(shades, ax=axes, shrink=0.8, pad=0.02, extend="both" if norm.clip else "neither")
        style.scaled(bar.ax.yaxis, style.LABELS[colour])
        bar.set_label(style.LABELS[colour])
    if len(axes) == 1:
        figure.set_layout_engine("compressed")  # else its colour bar stands far away
    return style.titled(figure, title, cut)


def square(ax, extent):
    """Give axes a square, in metres, around positions (n, 2) in degrees; returns their middle (2,) in degrees."""
    middle = centre(extent)
    low, high = np.quantile(to_local_m(extent, middle), [0, 1], axis=0)
    half = max((high - low).max(), 20) * 0.56  # a single place still gets some ground
    xlim, ylim = zip((low + high) / 2 - half, (low + high) / 2 + half, strict=True)
    ax.set(xlim=xlim, ylim=ylim, aspect="equal")
    return middle


def corners(table, arrows=False):
    """Positions (n, 2) in degrees that a panel must hold."""
    if "cell" in table:
        return np.concatenate([outline(cell) for cell in table["cell"]])
    ends = [POSITION, PREDICTED] if arrows else [POSITION]
    return check_lat_lon_deg(np.concatenate([table[end].to_numpy(dtype=float) for end in ends]))


def draw_marks(ax, rows, middle, paint, marker):
    """Draw dots, or hexagons, around a middle (2,) in degrees."""
    if "cell" in rows:
        rings = [to_local_m(outline(cell), middle) for cell in rows["cell"]]
        ax.add_collection(PolyCollection(rings, fc=paint, ec="white", lw=0.5))
    else:
        edge = {"lw": 0.8} if marker == "x" else {"lw": 0.3, "ec": style.GREY}
        at = to_local_m(rows[POSITION].to_numpy(dtype=float), middle)
        ax.scatter(*at.T, rows.get("size", 12), color=paint, marker=marker, **edge)


def log_norm(error_m):
    """Colours of errors: equal steps in their logarithm, the outer 2 % alike."""
    return LogNorm(max(error_m.quantile(0.02), 1), max(error_m.quantile(0.98), 10), clip=True)


def split_maps(points):
    """Figure of one city's photos under each split, coloured by part. points: split, part, lat_deg, lon_deg, city."""
    cities = points["city"].unique()
    if len(cities) > 1:
        raise ValueError(f"one city at a time, not {len(cities)}: choose rows of one city first")
    return on_ground(points, f"Parts of each split, {', '.join(cities)}", panel="split", colour="part", shared=True)


def target(places):
    """Figure of one photo's target on the ground; places: lat_deg, lon_deg, weight, the photo itself first."""
    most = places["weight"].max()
    dots = places.assign(size=8 + 90 * places["weight"] / most).sort_values("weight")
    norm = PowerNorm(0.5, vmin=0, vmax=most)
    figure = on_ground(dots, "The target of one photo on the ground", panel=None, colour="weight", norm=norm)
    here = to_local_m(places[POSITION].to_numpy()[0], centre(corners(places)))
    figure.axes[0].scatter(*here, 150, color=style.ORANGE, marker="*", ec="white", lw=0.8)
    return style.noted(figure, "star: the photo itself")


def error_maps(errors):
    """Figure of test photos at their true places, one panel per city, coloured by error; of one method, split and seed:
    method, photo_id, city, lat_deg, lon_deg, error_m, right_city."""
    title = f"Errors of {', '.join(errors['method'].unique())}"
    if errors["photo_id"].duplicated().any():
        raise ValueError("a photo is there more than once: choose rows of one method, split and seed first")
    errors = errors.assign(off_m=errors["error_m"].where(errors["right_city"].astype(bool)))
    norm = log_norm(errors["off_m" if errors["off_m"].notna().any() else "error_m"])
    return on_ground(errors, title, colour="off_m", columns=4, norm=norm)


def hexagons(table):
    """Figure of the error in the cells of one method and city, one panel per resolution: of cells.BY_CELL."""
    count = table.groupby("resolution")["cell"].transform("size")
    names = [f"H3 resolution {size}, {n} cells" for size, n in zip(table["resolution"], count, strict=True)]
    table, norm = table.assign(panel=names), log_norm(table["error_m"])
    title = "Error in cells of several sizes"
    return on_ground(table, title, panel="panel", colour="error_m", shared=True, norm=norm)


def embedding_maps(table):
    """Figure of coherence.COMPONENTS on the ground: a row per method, a column per city (at most three)."""
    cities = table["city"].value_counts().index[:3]
    table = table[table["city"].isin(cities)].assign(panel=lambda rows: rows["city"] + ", " + rows["method"])
    title = "The first principal component of the embeddings"
    return on_ground(table, title, panel="panel", columns=len(cities), colour="score", norm=Normalize(0, 1))


def field_maps(layers, half_side_m, points, names):
    """Figure of planted fields (K, n, n), rows northwards, over a square of 2 half_side_m, with photos (m, 2) [m]."""
    look = {
        "cmap": "PuOr_r",
        "norm": Normalize(-2.5, 2.5),
        "origin": "lower",
        "extent": (-half_side_m, half_side_m) * 2,
    }
    arrays = {name.replace("_", " "): layer for name, layer in zip(names, layers, strict=True)}
    title = "Planted fields of one city, and where its photos were taken"
    figure = images(arrays, title, ("east [m]", "north [m]", "planted value [standard deviations]"), look)
    for ax in figure.axes[:-1]:
        ax.scatter(*points.T, s=1.5, color="black", alpha=0.7, lw=0)
    return figure


@style.house
def world_errors(errors, land):
    """Figure of the world in the Equal Earth projection: from where photos were taken to where models placed them.

    errors: method, POSITION, PREDICTED, error_km, one panel per method; land: POSITION of what shows the continents.
    """
    title = "Real photos of the world: where they were taken, and placed"
    style.need(errors, ("method", *POSITION, *PREDICTED, "error_km"), title)
    figure, axes = style.panels(errors["method"].nunique(), 3.4, columns=1)
    for ax, (method, rows) in zip(axes, errors.groupby("method", sort=False), strict=True):
        ax.scatter(*equal_earth(land[POSITION].to_numpy()).T, s=14, color=style.PALE, lw=0)
        true, placed = (equal_earth(rows[side].to_numpy()) for side in (POSITION, PREDICTED))
        ax.plot(*np.stack([true, placed], axis=1).transpose(2, 1, 0), color=style.ORANGE, lw=0.6, alpha=0.6)
        ax.scatter(*true.T, s=12, color=style.BLUE, zorder=3)
        words = f"{style.short(method, 60)}: median error {rows['error_km'].median():,.0f} km"
        ax.set(aspect="equal", xticks=[], yticks=[], title=words)
        ax.spines[:].set_visible(False)
    style.legend(figure, [style.dot("where the photo was taken", style.BLUE), ARROW])
    return style.titled(figure, title)


@style.house
def world_cities(cities, land):
    """Figure of the world in the Equal Earth projection: cities coloured by apart_m, grey where there is none.

    cities: POSITION, apart_m; land: POSITION of what shows the continents.
    """
    title = "From which distance on a released model tells two places apart"
    style.need(cities, (*POSITION, "apart_m"), title)
    figure, (ax,) = style.panels(1, 3.4)
    ax.scatter(*equal_earth(land[POSITION].to_numpy()).T, s=14, color=style.PALE, lw=0)
    known = cities.dropna(subset="apart_m").sort_values("apart_m", ascending=False)
    norm, never = log_norm(known["apart_m"]), cities[cities["apart_m"].isna()]
    ax.scatter(*equal_earth(never[POSITION].to_numpy()).T, s=10, color=style.GREY, marker="x", lw=0.8)
    dots = ax.scatter(
        *equal_earth(known[POSITION].to_numpy()).T, 9, known["apart_m"], norm=norm, cmap="viridis_r", lw=0
    )
    ax.set(aspect="equal", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    bar = figure.colorbar(dots, ax=ax, shrink=0.8, pad=0.02, extend="both")
    style.scaled(bar.ax.yaxis, style.LABELS["apart_m"])
    bar.set_label(style.LABELS["apart_m"])
    return style.titled(figure, title)
