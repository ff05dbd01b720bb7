"""Photos, errors and fields on the ground, in local metres."""

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm, PowerNorm

from geonb.earth.sphere import centre, check_lat_lon_deg, equal_earth, to_local_m
from geonb.showing.style import (
    COLOURS,
    GREY,
    PALE,
    PARTS,
    SPLITS,
    WIDTH_IN,
    bottom_legend,
    chosen_cities,
    dot,
    grid_columns,
    house_style,
    label_outer,
    layer_names,
    line_mark,
    log_metres,
    metres_in_words,
    need,
    panels,
    round_ticks,
    short,
    with_note,
)


@house_style
def field_maps(layers, half_side_m, points, names):
    """Figure of planted fields (K, n, n), rows northwards, over a square of 2 half_side_m, with photos as dots.

    points : positions (m, 2) east and north [m]. One colour scale: standard deviations around the mean of all cities.
    """
    figure, axes = panels(len(layers), 4, height_in=2.15, sharex=True, sharey=True)
    side = (-half_side_m / 1000, half_side_m / 1000)
    for ax, layer, name in zip(axes, layers, names, strict=True):
        drawn = ax.imshow(layer, origin="lower", extent=(*side, *side), cmap="PuOr_r", vmin=-2.5, vmax=2.5)
        ax.scatter(*(points.T / 1000), s=1.5, color="black", alpha=0.7, lw=0)
        ax.set_title(name.replace("_", " "))
        ax.grid(visible=False)
    label_outer(figure, axes, "east [km]", "north [km]")
    figure.colorbar(drawn, ax=axes, shrink=0.6, label="planted value [standard deviations]", extend="both")
    return with_note(figure)


@house_style
def world_errors(errors, land):
    """Figure of the world in the Equal Earth projection: from where photos were taken to where models placed them.

    errors : method, lat_deg, lon_deg, predicted_lat_deg, predicted_lon_deg, error_km, one panel per method.
    land : lat_deg, lon_deg of places that show the continents in grey.
    """
    need(errors, ("method", "lat_deg", "lon_deg", "predicted_lat_deg", "predicted_lon_deg", "error_km"), "errors")
    figure, axes = panels(errors["method"].nunique(), 1, height_in=3.4)
    ground = equal_earth(land[["lat_deg", "lon_deg"]].to_numpy())
    for ax, (method, own) in zip(axes, errors.groupby("method", sort=False), strict=True):
        ax.scatter(*ground.T, s=14, color=PALE, lw=0)
        true, guess = (equal_earth(own[[f"{who}lat_deg", f"{who}lon_deg"]].to_numpy()) for who in ("", "predicted_"))
        ax.plot(*np.stack([true, guess], axis=1).transpose(2, 1, 0), color=COLOURS[1], lw=0.6, alpha=0.6)
        ax.scatter(*true.T, s=12, color=COLOURS[0], zorder=3)
        ax.set(aspect="equal", xticks=[], yticks=[], title=f"{method}: median error {own['error_km'].median():,.0f} km")
        ax.spines[:].set_visible(False)
    bottom_legend(figure, [dot(COLOURS[0], "where the photo was taken"), line_mark(COLOURS[1], "-", "to the guess")])
    return figure


@house_style
def hexagons(table, outline):
    """Figure of the error in the cells of one city, one panel per resolution: the same errors, cut in three ways.

    table: resolution, cell, error_m, n, of one method and city; outline: cell -> corners (k, 2) in degrees.
    """
    need(table, ("resolution", "cell", "error_m", "n"), "cells")
    resolutions = sorted(table["resolution"].unique())
    corners = {cell: outline(cell) for cell in table["cell"]}
    middle = centre(np.concatenate(list(corners.values())))
    figure, axes = panels(len(resolutions), 3, height_in=2.9)
    norm = LogNorm(max(table["error_m"].min(), 1), max(table["error_m"].max(), 10))
    for ax, resolution in zip(axes, resolutions, strict=True):
        here = table[table["resolution"] == resolution]
        metres = [to_local_m(corners[cell], middle) for cell in here["cell"]]
        drawn = PolyCollection(
            metres, array=here["error_m"].to_numpy(), cmap="viridis_r", norm=norm, ec="white", lw=0.4
        )
        ax.add_collection(drawn)
        ground(ax, np.concatenate([to_local_m(corners[cell], middle) for cell in table["cell"]]))
        ax.set_title(f"H3 resolution {resolution}, {len(here)} cells", fontsize=8)
    label_outer(figure, axes, "east [m]", "north [m]")
    bar = figure.colorbar(drawn, ax=list(axes), shrink=0.7, label="geometric mean error [m, km]")
    log_metres(bar.ax.yaxis, norm.vmin, norm.vmax)
    return with_note(figure)


@house_style
def worst_arrows(table):
    """Figure of arrows from the truth to the guess, a panel per city (at most three); all guesses in the right city.

    table: city, lat_deg, lon_deg, predicted_lat_deg, predicted_lon_deg.
    """
    need(table, ("city", "lat_deg", "lon_deg", "predicted_lat_deg", "predicted_lon_deg"), "worst errors")
    cities = list(table["city"].value_counts().index[:3])
    figure, axes = panels(len(cities), 3, height_in=2.7)
    for ax, city in zip(axes, cities, strict=True):
        here = table[table["city"] == city]
        truth, guess = (here[[f"{end}lat_deg", f"{end}lon_deg"]].to_numpy() for end in ("", "predicted_"))
        middle = centre(np.concatenate([truth, guess]))
        ends = [to_local_m(at, middle) for at in (truth, guess)]
        for start, end in zip(*ends, strict=True):
            ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": COLOURS[1], "lw": 0.8})
        ax.plot(*ends[0].T, "o", color=COLOURS[0], ms=3)
        ground(ax, np.concatenate(ends))
        ax.set_title(short(city, 24), fontsize=8)
    label_outer(figure, axes, "east [m]", "north [m]")
    return with_note(figure)


VERDICTS = {"better": COLOURS[0], "worse": COLOURS[1], "mixed": PALE}


@house_style
def replicability(table, outline):
    """Figure of the cells in which a method is better, or worse, in all seeds: a panel per city (at most three).

    table: cell, city, verdict; outline: cell -> corners (k, 2) in degrees.
    """
    need(table, ("cell", "city", "verdict"), "replicated cells")
    cities = list(table["city"].value_counts().index[:3])
    figure, axes = panels(len(cities), 3, height_in=2.7)
    for ax, city in zip(axes, cities, strict=True):
        here = table[table["city"] == city]
        corners = [outline(cell) for cell in here["cell"]]
        middle = centre(np.concatenate(corners))
        metres = [to_local_m(ring, middle) for ring in corners]
        ax.add_collection(PolyCollection(metres, fc=[VERDICTS[v] for v in here["verdict"]], ec="white", lw=0.5))
        ground(ax, np.concatenate(metres))
        ax.set_title(short(city, 24), fontsize=8)
    label_outer(figure, axes, "east [m]", "north [m]")
    said = {"better": "better in all seeds", "worse": "worse in all seeds", "mixed": "seeds disagree"}
    bottom_legend(figure, [dot(VERDICTS[verdict], words, "h") for verdict, words in said.items()])
    return with_note(figure)


@house_style
def local_clusters(table, kinds):
    """Figure of where large values lie beside large ones, a panel per city (at most three).

    table: city, lat_deg, lon_deg, kind; kinds: the names of the kinds, the last of which is drawn pale.
    """
    need(table, ("city", "lat_deg", "lon_deg", "kind"), "local clusters")
    cities = list(table["city"].value_counts().index[:3])
    marks = dict(zip(kinds, ((COLOURS[1], "s"), (COLOURS[0], "o"), (COLOURS[4], "^"), ("#b9b9b9", ".")), strict=True))
    figure, axes = panels(len(cities), 3, height_in=2.7)
    for ax, city in zip(axes, cities, strict=True):
        here = table[table["city"] == city]
        east_north_m = local_m(here)
        for kind, (colour, mark) in marks.items():
            own = (here["kind"] == kind).to_numpy()
            ax.scatter(*east_north_m[own].T, color=colour, marker=mark, s=14, lw=0)
        ground(ax, east_north_m)
        ax.set_title(short(city, 24), fontsize=8)
    label_outer(figure, axes, "east [m]", "north [m]")
    bottom_legend(figure, [dot(colour, kind, mark) for kind, (colour, mark) in marks.items()])
    return with_note(figure)


@house_style
def embedding_maps(table):
    """Figure of one number of each embedding on the ground: a row per method, a column per city (at most three).

    table: method, city, lat_deg, lon_deg, score (0 to 1).
    """
    need(table, ("method", "city", "lat_deg", "lon_deg", "score"), "embedding maps")
    cities, methods = list(table["city"].value_counts().index[:3]), list(table["method"].unique())
    figure, axes = panels(len(methods) * len(cities), len(cities), height_in=2.3)
    for k, ax in enumerate(axes):
        city, method = cities[k % len(cities)], methods[k // len(cities)]
        here = table[(table["method"] == method) & (table["city"] == city)]
        east_north_m = local_m(here)
        ax.scatter(*east_north_m.T, c=here["score"], cmap="viridis", vmin=0, vmax=1, s=13, lw=0)
        ground(ax, east_north_m)
        ax.set_title(f"{short(city, 18)}, {short(method, 18)}", fontsize=8)
    label_outer(figure, axes, "east [m]", "north [m]")
    return with_note(figure)


@house_style
def split_maps(points):
    """Figure of one city's photos under each split, coloured by part, in metres with a scale bar.

    points : split, part, lat_deg, lon_deg, city. More than one city is refused.
    """
    need(points, ("split", "part", "lat_deg", "lon_deg", "city"), "split points")
    if points["city"].nunique() != 1:
        raise ValueError(f"one city at a time, not {points['city'].nunique()}: choose rows of one city first")
    unknown = sorted(set(points["part"]) - set(PARTS))
    if unknown:
        raise ValueError(f"unknown parts {unknown}: a part is one of {list(PARTS)}")
    splits = sorted(points["split"].unique(), key=lambda s: SPLITS.index(s) if s in SPLITS else len(SPLITS))
    east_north_m = local_m(points)
    columns = len(splits) if len(splits) < 4 else 2
    figure, axes = panels(len(splits), columns, height_in=min(WIDTH_IN / columns, 3.4), sharex=True, sharey=True)
    for ax, split in zip(axes, splits, strict=True):
        for part, (colour, marker) in PARTS.items():
            here = east_north_m[((points["split"] == split) & (points["part"] == part)).to_numpy()]
            ax.scatter(here[:, 0], here[:, 1], 7, color=colour, marker=marker, lw=0.7 if marker == "x" else 0)
        ax.set_title(split)
        ground(ax, east_north_m)
    label_outer(figure, axes, "east [m]", "north [m]")
    used = [part for part in ("train", "validation", "test", "buffer") if (points["part"] == part).any()]
    bottom_legend(figure, [dot(PARTS[part][0], part, PARTS[part][1]) for part in used])
    return with_note(figure, short(points["city"].iloc[0], 60))


@house_style
def target_on_ground(positions_m, weights, anchor):
    """Figure of one photo's target on the ground: the star is the photo, a circle's colour and area its weights.

    positions_m : east, north (n, 2). weights : (n,), the anchor's row of the target matrix. anchor : its index.
    """
    positions_m, weights = np.asarray(positions_m, float), np.asarray(weights, float)
    if len(positions_m) == 0 or positions_m.shape != (len(weights), 2):
        raise ValueError(f"positions {positions_m.shape} and weights {weights.shape} must be (n, 2) and (n,), n > 0")
    order = np.argsort(weights)
    figure, (ax,) = panels(1, 1, height_in=4.2)
    ground(ax, positions_m)
    size = 8 + 90 * weights / weights.max()
    marks = ax.scatter(
        *positions_m[order].T,
        size[order],
        c=weights[order],
        cmap="viridis_r",
        norm=PowerNorm(0.5, vmin=0),
        lw=0.4,
        ec=GREY,
    )
    ax.scatter(*positions_m[anchor], 150, color="#D55E00", marker="*", ec="white", lw=0.8, label="the photo itself")
    ax.set(xlabel="east [m]", ylabel="north [m]")
    figure.colorbar(marks, ax=ax, label="target probability [1]", shrink=0.85, pad=0.02)
    bottom_legend(figure, ax.get_legend_handles_labels()[0])
    return with_note(figure)


@house_style
def error_maps(errors):
    """Figure of test photos at their true places in local metres, one panel per city, coloured by log error.

    Photos placed in a wrong city are grey crosses. One method and split only; of several seeds the one with the middle
    error is drawn. Of more than eight cities those with the most photos are drawn, and it says so.
    """
    need(errors, ("method", "photo_id", "lat_deg", "lon_deg", "error_m", "city", "right_city"), "errors")
    layers = list(layer_names(errors).unique())
    if len(layers) > 1:
        raise ValueError(f"one method and split at a time, not {layers}: choose rows of one first")
    ordered = errors.sort_values("error_m", kind="stable")
    photos = ordered.groupby("photo_id", sort=False)
    errors = ordered[photos.cumcount() == (photos["photo_id"].transform("size") - 1) // 2].sort_index()
    cities, note = chosen_cities(errors.groupby("city").size())
    right = errors["right_city"].astype(bool)
    shown = errors.loc[right, "error_m"] if right.any() else errors["error_m"]
    norm = LogNorm(max(shown.quantile(0.02), 1), max(shown.quantile(0.98), 10), clip=True)
    columns = grid_columns(len(cities))
    figure, axes = panels(len(cities), columns, height_in=WIDTH_IN / max(columns, 2) * 0.95)
    for ax, city in zip(axes, cities, strict=True):
        here, east_north_m = errors[errors["city"] == city], local_m(errors[errors["city"] == city])
        good = here["right_city"].astype(bool).to_numpy()
        ax.scatter(*east_north_m[~good].T, 16, color=GREY, marker="x", lw=0.9)
        marks = ax.scatter(
            *east_north_m[good].T, 13, c=here["error_m"][good], cmap="viridis_r", norm=norm, lw=0.3, ec=GREY
        )
        ax.set_title(short(city, 26))
        ground(ax, east_north_m)
        ax.tick_params(labelbottom=False, labelleft=False)  # each city has its own extent: its bar tells the scale
    bar = figure.colorbar(marks, ax=list(axes), shrink=0.7, pad=0.02, label="error [m, km]", extend="both")
    log_metres(bar.ax.yaxis, norm.vmin, norm.vmax)
    label_outer(figure, axes, "east [m, km: bars]", "north [m, km: bars]")
    if not right.all():
        bottom_legend(figure, [dot(GREY, "placed in a wrong city", "x")])
    return with_note(figure, " · ".join(part for part in (short(layers[0], 60), note) if part))


def local_m(table):
    """East and north (n, 2) in metres from the centre of the table's positions."""
    lat_lon_deg = check_lat_lon_deg(table[["lat_deg", "lon_deg"]].to_numpy())
    return to_local_m(lat_lon_deg, centre(lat_lon_deg))


def ground(ax, east_north_m):
    """Make axes a square piece of ground around some positions: equal scale, few ticks, a scale bar."""
    low, high = east_north_m.min(axis=0), east_north_m.max(axis=0)
    half = max((high - low).max(), 20) * 0.56  # a single place still gets some ground
    for middle, limit, axis in zip((low + high) / 2, (ax.set_xlim, ax.set_ylim), (ax.xaxis, ax.yaxis), strict=True):
        limit(middle - half, middle + half)
        round_ticks(axis, 3)
    ax.set_aspect("equal")
    scale_bar(ax)


def scale_bar(ax):
    """Draw a bar of round length, about a quarter of the panel wide, at its lower left."""
    left, right = ax.get_xlim()
    bottom, top = ax.get_ylim()
    wanted = (right - left) / 4
    power = 10 ** np.floor(np.log10(wanted))
    length_m = power * max(step for step in (1, 2, 5) if step * power <= wanted)
    x, y = left + 0.05 * (right - left), bottom + 0.05 * (top - bottom)
    ax.plot([x, x + length_m], [y, y], color="black", lw=2.2, solid_capstyle="butt")
    ax.annotate(
        metres_in_words(length_m), (x + length_m / 2, y), (0, 3), textcoords="offset points", ha="center", fontsize=7
    )
