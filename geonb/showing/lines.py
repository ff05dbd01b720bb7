"""Lines against a distance, a step or a share, with points or a band where the table has them."""

import numpy as np
from matplotlib.lines import Line2D

from geonb.showing.style import (
    COLOURS,
    GREY,
    PALE,
    bottom_legend,
    chosen_cities,
    cycle_colours,
    cycle_styles,
    dot,
    grid_columns,
    house_style,
    label_outer,
    layer_names,
    line_mark,
    log_metres,
    method_styles,
    need,
    panels,
    round_ticks,
    short,
    show_nothing_as_nothing,
    with_note,
)


@house_style
def planted_curves(curves):
    """Figure of each field's semivariogram at the photos' places, within the band of its redraws, beside the truth.

    curves : field, distance_m, semivariance, planted, low, high; one city.
    """
    need(curves, ("field", "distance_m", "semivariance", "planted", "low", "high"), "curves")
    fields = curves["field"].unique()
    figure, axes = panels(len(fields), 4, height_in=1.9, sharex=True, sharey=True)
    for ax, field in zip(axes, fields, strict=True):
        here = curves[curves["field"] == field]
        ax.fill_between(here["distance_m"], here["low"], here["high"], color="#cfe3f1", lw=0)
        ax.plot(here["distance_m"], here["planted"], color="black", ls="--", lw=1)
        ax.plot(here["distance_m"], here["semivariance"], color=COLOURS[1], marker="o", ms=2.5, lw=1)
        ax.set_title(field.replace("_", " "))
        round_ticks(ax.xaxis, 3)
    label_outer(figure, axes, "distance between photos [m]", "semivariance [sills]")
    bottom_legend(
        figure,
        [
            Line2D([], [], color="black", ls="--", lw=1, label="planted"),
            dot(COLOURS[1], "this city"),
            Line2D([], [], color="#cfe3f1", lw=6, label="95 % of redraws at the same places"),
        ],
    )
    return with_note(figure)


@house_style
def ensemble(observed, truth):
    """Figure of the observed semivariogram of each city beside the mean curve and spread of re-drawn cities.

    observed : city, distance_m, semivariance. truth : distance_m, semivariance, low, high.
    """
    figure, (ax,) = panels(1, 1, height_in=2.9)
    ax.fill_between(truth["distance_m"], truth["low"], truth["high"], color=PALE, lw=0)
    ax.plot(truth["distance_m"], truth["semivariance"], color="black", lw=1.5)
    for colour, (_, here) in zip(cycle_colours(), observed.groupby("city", sort=False), strict=False):
        ax.plot(here["distance_m"], here["semivariance"], color=colour, lw=1, alpha=0.9)
    ax.set(xlabel="distance between photos [m]", ylabel="semivariance [1]", xlim=(0, None))
    grey = Line2D([], [], color=PALE, lw=6, label="95 % of re-drawn cities")
    black = Line2D([], [], color="black", lw=1.5, label="their mean: the truth of the embedding")
    bottom_legend(figure, [black, grey, Line2D([], [], color=COLOURS[0], lw=1, label="the cities of this study")])
    return with_note(figure)


@house_style
def depth(table):
    """Figure of R2 by depth, one line per tower, one panel per aim. table: tower, aim, depth, value; of one split."""
    need(table, ("tower", "aim", "depth", "value"), "depths")
    towers, aims = list(table["tower"].unique()), list(table["aim"].unique())
    figure, axes = panels(len(aims), 2, height_in=2.9)
    for ax, aim in zip(axes, aims, strict=True):
        for tower, (colour, dashes) in zip(towers, cycle_styles(), strict=False):
            rows = table[(table["tower"] == tower) & (table["aim"] == aim)].sort_values("depth")
            ax.plot(rows["depth"], rows["value"], color=colour, ls=dashes, lw=1.4, marker="o", ms=3)
        ax.axhline(0, color=GREY, lw=0.8)
        ax.set_title(aim)
        show_nothing_as_nothing(ax.yaxis)
    label_outer(figure, axes, "first to last layer [share of depth]", "R² [share of variance]")
    marks = [line_mark(*style, short(tower, 40)) for tower, style in zip(towers, cycle_styles(), strict=False)]
    bottom_legend(figure, marks)
    return with_note(figure)


@house_style
def semivariogram(lags, fits, curves=None):
    """Figure of semivariances (mean cosine distance) by distance, one panel per city, with fits and planted truth.

    A point's area grows with the pairs behind it. Dotted vertical lines stand at the effective range of fits without a
    flag; a flag is written instead. Of more than eight cities those with the most pairs are drawn, and it says so.
    lags : tower, city, distance_m, semivariance, pairs, planted (optional). curves : tower, city, distance_m,
    semivariance, or None. fits : tower, city, effective_range_m, flag.
    """
    need(lags, ("tower", "city", "distance_m", "semivariance", "pairs"), "lags")
    cities, note = chosen_cities(lags.groupby("city", sort=False)["pairs"].sum())
    colour = dict(zip(lags["tower"].unique(), cycle_colours(), strict=False))
    figure, axes = panels(
        len(cities), grid_columns(len(cities)), height_in=2.6 if len(cities) < 4 else 2.1, sharex=True, sharey=True
    )
    for ax, city in zip(axes, cities, strict=True):
        here = lags[lags["city"] == city]
        for tower, points in here.groupby("tower", sort=False):
            size = 6 + 40 * points["pairs"] / lags["pairs"].max()
            draw_doubt(ax, points, colour[tower])
            ax.scatter(points["distance_m"], points["semivariance"], size, color=colour[tower], alpha=0.75, lw=0)
            draw_fit(ax, tower_city(fits, tower, city), tower_city(curves, tower, city), colour[tower])
        draw_planted(ax, here)
        ax.set_xlim(0, lags["distance_m"].max() * 1.04)
        ax.set_title(short(city, 26))
        round_ticks(ax.xaxis, 4 if len(cities) <= 4 else 3)
    label_outer(figure, axes, "distance between photos [m]", "semivariance [1]")
    marks = [Line2D([], [], color=shade, marker="o", ms=4, label=tower) for tower, shade in colour.items()]
    if "planted" in lags and lags["planted"].notna().any():
        marks.append(Line2D([], [], color="black", ls="--", lw=1, label="planted shape"))
    if "envelope_low" in lags:
        marks.append(Line2D([], [], color=PALE, lw=6, label="places dealt at random"))
    marks.append(Line2D([], [], color=GREY, ls=":", label="effective range"))
    bottom_legend(figure, marks)
    return with_note(figure, note)


def draw_fit(ax, fit, curve, colour):
    """Draw one fitted curve, and its effective range or the flag that says why there is none."""
    if curve is not None and len(curve):
        curve = curve.sort_values("distance_m")
        ax.plot(curve["distance_m"], curve["semivariance"], color=colour, lw=1.4)
    if fit is None or len(fit) == 0:
        return
    flag, range_m = fit["flag"].iloc[0], fit["effective_range_m"].iloc[0]
    if isinstance(flag, str) and flag:
        line = len(ax.texts)
        ax.text(0.97, 0.04 + 0.09 * line, short(flag, 30), transform=ax.transAxes, fontsize=7, color=colour, ha="right")
    elif np.isfinite(range_m):
        ax.axvline(range_m, color=colour, ls=":", lw=1.2)
        if "range_low_m" in fit and np.isfinite(fit["range_low_m"].iloc[0]):
            right = min(fit["range_high_m"].iloc[0], ax.dataLim.x1)
            ax.axvspan(fit["range_low_m"].iloc[0], right, color=colour, alpha=0.1, lw=0)


def draw_doubt(ax, lags, colour):
    """Draw the envelope of places dealt at random and the interval of each lag, where the table has them."""
    if "envelope_low" in lags:
        ribbon = lags.dropna(subset=["distance_m", "envelope_low"])
        ax.fill_between(ribbon["distance_m"], ribbon["envelope_low"], ribbon["envelope_high"], color=PALE, lw=0)
    if "low" in lags:
        ax.vlines(lags["distance_m"], lags["low"], lags["high"], color=colour, lw=0.9, alpha=0.6)


def draw_planted(ax, lags):
    """Draw the planted semivariogram of a simulated city, where the table has one."""
    if "planted" in lags and lags["planted"].notna().any():
        truth = lags.dropna(subset="planted").drop_duplicates("distance_m").sort_values("distance_m")
        ax.plot(truth["distance_m"], truth["planted"], color="black", ls="--", lw=1)


def tower_city(table, tower, city):
    """The rows of one tower and city; None stays None."""
    return None if table is None else table[(table["tower"] == tower) & (table["city"] == city)]


@house_style
def real_curves(lags):
    """Figure of the semivariogram of each sample of real photos, with the envelope of places dealt at random.

    lags : sample, photos, distance_m, semivariance, pairs, envelope_low, envelope_high.
    """
    need(lags, ("sample", "photos", "distance_m", "semivariance", "pairs", "envelope_low", "envelope_high"), "lags")
    samples = list(lags["sample"].unique())
    figure, axes = panels(len(samples), min(len(samples), 3), height_in=2.6, sharex=True)
    for ax, sample in zip(axes, samples, strict=True):
        here = lags[(lags["sample"] == sample) & (lags["pairs"] > 0)]
        draw_doubt(ax, here, COLOURS[0])
        size = 6 + 40 * here["pairs"] / here["pairs"].max()
        ax.scatter(here["distance_m"], here["semivariance"], size, color=COLOURS[0], alpha=0.75, lw=0)
        ax.set_title(f"{sample.replace('_', ' ')} ({here['photos'].iloc[0]} photos)")
        round_ticks(ax.xaxis, 4)
    label_outer(figure, axes, "distance between photos [m]", "semivariance [1]")
    return with_note(figure)


@house_style
def coherence(lags):
    """Figure of semivariance by distance before (dashed) and after (solid) training, one colour per method.

    Cities are averaged by pairs. ``relative_semivariance`` is drawn where the table has it, else ``semivariance``.
    lags : method (or tower), distance_m, lag_from_m, lag_to_m, pairs, one of the two semivariances, and stage
    ("before" or "after", optional).
    """
    value = "relative_semivariance" if "relative_semivariance" in lags else "semivariance"
    name = "method" if "method" in lags else "tower"
    need(lags, (name, "lag_from_m", "lag_to_m", "distance_m", "pairs", value), "lags")
    curves = mean_over_cities(lags.assign(stage=lags.get("stage", "after")), name, value)
    colour = dict(zip(lags[name].unique(), cycle_colours(), strict=False))
    figure, (ax,) = panels(1, 1, height_in=3.6)
    for (method, when), curve in curves.groupby([name, "stage"], sort=False):
        before = when == "before"
        ax.plot(curve["distance_m"], curve[value], color=colour[method], ls="--" if before else "-", marker="o", ms=3)
    relative = value.startswith("relative")
    if relative:
        ax.axhline(1, color=GREY, lw=0.8)
    ax.set(xlabel="distance between photos [m]", ylabel=f"{'relative ' if relative else ''}semivariance [1]")
    round_ticks(ax.xaxis, 7)
    ax.set_xlim(left=0)
    marks = [Line2D([], [], color=shade, label=method) for method, shade in colour.items()]
    if "stage" in lags:
        marks += [Line2D([], [], color=GREY, ls=s, label=w) for w, s in (("before", "--"), ("after", "-"))]
    bottom_legend(figure, marks)
    return with_note(figure)


def mean_over_cities(lags, name, value):
    """One row per method, stage and lag: distance and semivariance averaged by pairs."""
    weighed = lags.dropna(subset=[value]).assign(
        distance_m=lambda t: t["distance_m"] * t["pairs"], **{value: lambda t: t[value] * t["pairs"]}
    )
    keys = [name, "stage", "lag_from_m", "lag_to_m"]
    total = weighed.groupby(keys, sort=False)[["distance_m", value, "pairs"]].sum()
    mean = total[["distance_m", value]].div(total["pairs"], axis=0)
    return mean.reset_index().sort_values([name, "stage", "lag_from_m"], kind="stable")


@house_style
def nearest_train_cdf(nearest, yardstick_m=None):
    """Figure of the share of test photos that have a training photo within a distance, one curve per split.

    The distance axis is logarithmic, and linear below 1 m where some distance is zero (the same place in both parts).
    yardstick_m: a distance to mark.
    """
    need(nearest, ("split", "nearest_train_m"), "nearest distances")
    distances_m = nearest["nearest_train_m"]
    figure, (ax,) = panels(1, 1, height_in=3.3)
    for (split, rows), (colour, dashes) in zip(nearest.groupby("split", sort=False), cycle_styles(), strict=False):
        ax.ecdf(rows["nearest_train_m"].dropna(), color=colour, ls=dashes, label=f"{split} (n = {len(rows):,})")
    if (distances_m <= 0).any():
        ax.set_xscale("symlog", linthresh=1)
        ax.set_xlim(left=-0.05)
    else:
        ax.set_xscale("log")
    log_metres(ax.xaxis, max(distances_m.min(), 1), distances_m.max())
    ax.set(xlabel="distance to the nearest training photo [m, km]", ylabel="share of test photos [1]", ylim=(0, 1.02))
    if yardstick_m is not None:
        ax.axvline(yardstick_m, color=GREY, ls=":", lw=1.2, label=f"yardstick, {yardstick_m:.0f} m")
    bottom_legend(figure, ax.get_legend_handles_labels()[0])
    return with_note(figure)


@house_style
def training_curves(curve):
    """Figure of loss and validation error by step, one line per seed, one colour per method (and split)."""
    need(curve, ("method", "split", "seed", "step", "loss", "validation_error_m"), "training curves")
    curve = curve.assign(line=layer_names(curve))
    seeds_apart = curve["line"].nunique() == 1
    key = "seed" if seeds_apart else "line"
    style = dict(zip(curve[key].unique(), cycle_styles(), strict=False))
    figure, (loss, error) = panels(2, 2, height_in=2.9)
    for (line, seed), rows in curve.sort_values("step").groupby(["line", "seed"], sort=False):
        colour, dashes = style[seed if seeds_apart else line]
        loss.plot(rows["step"], rows["loss"], color=colour, ls=dashes, lw=1)
        checked = rows.dropna(subset="validation_error_m")
        error.plot(checked["step"], checked["validation_error_m"], color=colour, ls=dashes, lw=1, marker="o", ms=2.5)
    loss.set(xlabel="optimiser step [count]", ylabel="training loss [nat]")
    error.set(xlabel="optimiser step [count]", ylabel="median validation error [m, km]", yscale="log")
    log_metres(error.yaxis, curve["validation_error_m"].min(), curve["validation_error_m"].max())
    for ax in (loss, error):
        round_ticks(ax.xaxis, 5)
    names = [f"seed {name}" if seeds_apart else name for name in style]
    bottom_legend(figure, [line_mark(*style[k], name) for k, name in zip(style, names, strict=True)])
    return with_note(figure, short(curve["line"].iloc[0], 60) if seeds_apart else "")


@house_style
def learning_curves(curve):
    """Figure of the best validation error so far by step: geometric mean over seeds, one line per method.

    curve: method, split, seed, step, validation_error_m; of one split.
    """
    need(curve, ("method", "split", "seed", "step", "validation_error_m"), "learning curves")
    if curve["split"].nunique() != 1:
        raise ValueError(f"learning curves are of one split, not of {', '.join(curve['split'].unique())}")
    seen = curve.dropna(subset="validation_error_m").sort_values("step")
    best = np.log(seen.groupby(["method", "seed"])["validation_error_m"].cummin())
    lines = np.exp(best.groupby([seen["method"], seen["step"]]).mean()).unstack("method")[curve["method"].unique()]
    figure, (ax,) = panels(1, 1, height_in=3.6)
    for method, marks in method_styles(curve).items():
        ax.plot(lines.index, lines[method], color=marks[0], ls=marks[1], lw=1.4)
    ax.set(xlabel=f"optimiser step [count], {curve['split'].iloc[0]}", yscale="log")
    ax.set_ylabel("best validation error so far [m, km]")
    log_metres(ax.yaxis, lines.min().min(), lines.max().max())
    round_ticks(ax.xaxis, 6)
    bottom_legend(figure, [line_mark(*marks, method) for method, marks in method_styles(curve).items()])
    return with_note(figure)


@house_style
def pair_cloud(pairs, guide):
    """Figure of pairs by distance and dissimilarity, with the curve, its spread and where negatives are suspected.

    pairs: distance_m, similarity; guide: distance_m, dissimilarity, spread (K,) and range_m, see negatives.Guide.
    """
    need(pairs, ("distance_m", "similarity"), "pairs")
    figure, (ax,) = panels(1, 1, height_in=3.6)
    low = max(pairs["distance_m"].min(), 1.0)
    high = max(pairs["distance_m"].max(), 1.1 * low)  # one pair alone has no extent
    ax.set(xscale="log", xlim=(low, high), ylim=(0, max(1.2, (1 - pairs["similarity"]).max())))
    ax.hexbin(pairs["distance_m"], 1 - pairs["similarity"], xscale="log", gridsize=60, bins="log", cmap="Greys", lw=0)
    at = np.geomspace(low, high, 400)
    curve, spread = (np.interp(at, guide.distance_m, values) for values in (guide.dissimilarity, guide.spread))
    ax.plot(at, curve, color=COLOURS[0], lw=1.8)
    for side, colour in ((at <= guide.range_m, COLOURS[2]), (at > guide.range_m, COLOURS[1])):
        ax.fill_between(at, 0, curve - spread, where=side, color=colour, alpha=0.22, lw=0)
    ax.axvline(guide.range_m, color=GREY, lw=0.8, ls="--")
    ax.set(xlabel="distance on the ground [m]", ylabel="1 - similarity of frozen features [-]")
    marks = [
        line_mark(COLOURS[0], "-", "expected: the semivariogram"),
        dot(COLOURS[2], "near, more alike than a spread: false negative?", "s"),
        dot(COLOURS[1], "far, more alike than a spread: hard negative?", "s"),
    ]
    log_metres(ax.xaxis, low, high)
    bottom_legend(figure, marks)
    return with_note(figure)


@house_style
def by_distance(table):
    """Figure of the geometric mean error by distance to the nearest training photo, one panel per split.

    table: split, method, nearest_train_m, error_m.
    """
    need(table, ("split", "method", "nearest_train_m", "error_m"), "errors by distance")
    splits = list(table["split"].unique())
    figure, axes = panels(len(splits), grid_columns(len(splits)), height_in=3.0, sharey=True)
    styles = method_styles(table)
    for ax, split in zip(axes, splits, strict=True):
        here = table[table["split"] == split]
        for name, own in here.groupby("method", sort=False):
            colour, dashes = styles[name]
            own = own.sort_values("nearest_train_m")
            ax.plot(own["nearest_train_m"], own["error_m"], "o", color=colour, ls=dashes, lw=1.3, ms=4)
        ax.set(yscale="log")
        ax.set_title(split)
        round_ticks(ax.xaxis, 4)
        log_metres(ax.yaxis, table["error_m"].min(), table["error_m"].max())
    label_outer(figure, axes, "distance to the nearest training photo [m]", "geometric mean error [m, km]")
    bottom_legend(figure, [line_mark(*marks, name) for name, marks in styles.items()])
    return with_note(figure)


@house_style
def error_cdf(errors):
    """Figure of the share of photos placed within a distance: mean over seeds per method, one panel per split.

    errors : split, method, seed, error_m, and kind (optional); rows of kind "trivial" or "reference" are grey dashed.
    """
    need(errors, ("split", "method", "seed", "error_m"), "errors")
    style = method_styles(errors)
    low, high = max(errors["error_m"].quantile(0.002), 1), max(errors["error_m"].max(), 10)
    grid_m = np.geomspace(low, high, 300)
    splits = list(errors["split"].unique())
    figure, axes = panels(
        len(splits), min(len(splits), 2), height_in=3.4 if len(splits) < 3 else 2.6, sharex=True, sharey=True
    )
    for ax, split in zip(axes, splits, strict=True):
        for method, rows in errors[errors["split"] == split].groupby("method", sort=False):
            colour, dashes = style[method]
            ax.plot(grid_m, mean_share_within(rows, grid_m), color=colour, ls=dashes, lw=1.4)
        ax.set(xscale="log", ylim=(0, 1.02), xlim=(low, high))
        ax.set_title(split)
        log_metres(ax.xaxis, low, high, 4 if len(splits) > 1 else 7)
    label_outer(figure, axes, "error: distance from the true place [m, km]", "share of photos placed within [1]")
    bottom_legend(figure, [line_mark(*marks, method) for method, marks in style.items()])
    return with_note(figure)


def mean_share_within(errors, grid_m):
    """Share of photos (len(grid_m),) with at most that error, averaged over seeds."""
    return np.mean(
        [np.searchsorted(np.sort(e), grid_m, side="right") / len(e) for _, e in errors.groupby("seed")["error_m"]],
        axis=0,
    )


ORDERS = {"radius": (COLOURS[0], "-"), "chance": (GREY, "--"), "oracle": ("black", ":")}


WORDS = {
    "radius": "smallest radius first",
    "chance": "in any order",
    "oracle": "smallest error first (nobody knows it)",
}


@house_style
def risk(table):
    """Figure of the error of the surest photos by the share that is answered, one panel per split: conformal.RISK."""
    need(table, ("split", "order", "share", "error_m"), "risk")
    splits = list(table["split"].unique())
    figure, axes = panels(len(splits), grid_columns(len(splits)), height_in=2.7, sharey=True)
    for ax, split in zip(axes, splits, strict=True):
        for order, (colour, dashes) in ORDERS.items():
            own = table[(table["split"] == split) & (table["order"] == order)]
            ax.plot(own["share"], own["error_m"], color=colour, ls=dashes, lw=1.5)
        ax.set_title(split)
        ax.set(xlim=(0, 1.02), yscale="log")
        log_metres(ax.yaxis, table["error_m"].min(), table["error_m"].max())
    label_outer(figure, axes, "photos answered [share]", "geometric mean error [m, km]")
    bottom_legend(figure, [line_mark(*marks, WORDS[name]) for name, marks in ORDERS.items()])
    return with_note(figure)
