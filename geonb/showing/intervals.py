"""Dots with intervals: one number for each method, split or city, and how sure it is."""

import textwrap

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from geonb.showing.style import (
    COLOURS,
    GREY,
    PALE,
    SPLITS,
    bottom_legend,
    cycle_colours,
    dot,
    grid_columns,
    house_style,
    label_outer,
    log_metres,
    metres_in_words,
    need,
    panels,
    round_ticks,
    short,
    show_nothing_as_nothing,
    with_note,
)


@house_style
def photo_counts(photos):
    """Figure of the number of photos per city, largest first; cities beyond thirty share one bar."""
    need(photos, ("city",), "photos")
    counts = photos["city"].astype(object).where(photos["city"].notna(), "(no city)").value_counts()
    shown, rest = counts.iloc[:30], counts.iloc[30:]
    names = [short(name, 28) for name in shown.index] + ([f"{len(rest)} other cities"] if len(rest) else [])
    values = [*shown, rest.sum()] if len(rest) else list(shown)
    figure, (ax,) = panels(1, 1, height_in=0.9 + 0.21 * len(values))
    bars = ax.barh(range(len(values)), values, color=COLOURS[0], height=0.72)
    ax.bar_label(bars, [f"{value:,}" for value in values], padding=3, fontsize=8)
    ax.set_yticks(range(len(values)), names)
    ax.set_ylim(len(values) - 0.4, -0.6)
    ax.margins(x=0.1)
    ax.grid(axis="y", visible=False)
    round_ticks(ax.xaxis, 6)
    ax.set(xlabel="photos [count]")
    return with_note(figure)


@house_style
def probes(table):
    """Figure of R2 by target, one colour per tower, with intervals. table : tower, target, r2, low, high."""
    need(table, ("tower", "target", "r2", "low", "high"), "probes")
    targets, towers = list(table["target"].unique()), list(table["tower"].unique())
    figure, (ax,) = panels(1, 1, height_in=1.0 + 0.32 * len(targets))
    for k, (tower, colour) in enumerate(zip(towers, cycle_colours(), strict=False)):
        rows = table[table["tower"] == tower].set_index("target").loc[targets]
        at = np.arange(len(targets)) + (k - (len(towers) - 1) / 2) * 0.16
        ax.hlines(at, rows["low"], rows["high"], color=colour, lw=1)
        ax.plot(rows["r2"], at, "o", color=colour, ms=4)
    ax.set_yticks(range(len(targets)), [target.replace("_", " ") for target in targets])
    ax.invert_yaxis()
    ax.axvline(0, color=GREY, lw=0.8)
    ax.set(xlabel="R² within unseen cities [share of variance]")
    bottom_legend(figure, [dot(colour, tower) for tower, colour in zip(towers, cycle_colours(), strict=False)])
    return with_note(figure)


@house_style
def readout(table):
    """Figure of what is read from each tower, one panel per aim, one colour per split, with intervals.

    table: tower, split, aim, value, low, high.
    """
    need(table, ("tower", "split", "aim", "value", "low", "high"), "readout")
    towers, aims = list(table["tower"].unique()), list(table["aim"].unique())
    splits = [split for split in SPLITS if split in set(table["split"])]
    figure, axes = panels(len(aims), len(aims), height_in=0.8 + 0.3 * len(towers), sharey=True)
    for ax, aim in zip(axes, aims, strict=True):
        for row in table[table["aim"] == aim].itertuples():
            colour = COLOURS[splits.index(row.split)]
            at = towers.index(row.tower) + 0.18 * (splits.index(row.split) - (len(splits) - 1) / 2)
            ax.hlines(at, row.low, row.high, color=colour, lw=1)
            ax.plot(row.value, at, "o", color=colour, ms=3.5)
        ax.axvline(0, color=GREY, lw=0.8)
        ax.set_title(aim)
        show_nothing_as_nothing(ax.xaxis)
        ax.set_xlabel("accuracy [share]" if aim in ("city", "country") else "R² [share]", fontsize=8)
    axes[0].set_yticks(range(len(towers)), [short(tower.replace("_", " "), 28) for tower in towers])
    axes[0].set_ylim(len(towers) - 0.4, -0.6)
    bottom_legend(figure, [dot(COLOURS[k], split) for k, split in enumerate(splits)])
    return with_note(figure)


@house_style
def doses(table):
    """Figure of R2 of towers against R2 of the words that taught them, one panel per aim, one colour per split.

    table: split, aim, share, words_r2, tower_r2, low, high.
    """
    need(table, ("split", "aim", "share", "words_r2", "tower_r2", "low", "high"), "doses")
    aims, splits = list(table["aim"].unique()), [split for split in SPLITS if split in set(table["split"])]
    figure, axes = panels(len(aims), max(2, len(aims)), height_in=3.0)
    for ax, aim in zip(axes, aims, strict=True):
        for split in splits:
            rows = table[(table["aim"] == aim) & (table["split"] == split)].sort_values("share")
            colour = COLOURS[SPLITS.index(split)]
            ax.vlines(rows["words_r2"], rows["low"], rows["high"], color=colour, lw=1)
            ax.plot(rows["words_r2"], rows["tower_r2"], "o-", color=colour, ms=4, lw=1.2)
        for row in rows.itertuples() if np.ptp(rows["words_r2"]) > 0.02 else ():  # else they cover each other
            ax.annotate(f"{row.share:g}", (row.words_r2, row.tower_r2), (5, -9), textcoords="offset points", size=7)
        ax.axhline(0, color=GREY, lw=0.8)
        ax.set_title(aim)
        show_nothing_as_nothing(ax.xaxis)
        show_nothing_as_nothing(ax.yaxis)
    label_outer(figure, axes, "R² of the words [share]", "R² of the tower [share]")
    bottom_legend(figure, [dot(COLOURS[SPLITS.index(split)], split) for split in splits])
    return with_note(figure, "numbers: share of the fields' phrases kept")


@house_style
def scenes(table):
    """Figure of kinds of scenes: what a probe reads, and how widely the posterior scatters.

    table: scene, n, planted, fields_r2, position_r2, spread_m.
    """
    need(table, ("scene", "n", "planted", "fields_r2", "position_r2", "spread_m"), "scenes")
    figure, (left, right) = panels(2, 2, height_in=0.9 + 0.3 * len(table), sharey=True)
    at = np.arange(len(table))
    left.plot(table["fields_r2"], at, "o", color=COLOURS[0], ms=5)
    left.plot(table["position_r2"], at, "s", color=COLOURS[1], ms=5, mfc="white")
    left.axvline(0, color=GREY, lw=0.8)
    left.set_xlabel("R², blocked [share]", fontsize=8)
    right.plot(table["spread_m"], at, "o", color=COLOURS[2], ms=5)
    right.set_xlabel("median spread of the posterior [m, km]", fontsize=8)
    right.set_xlim(0, table["spread_m"].max() * 1.1)
    right.xaxis.set_major_locator(MaxNLocator(3))
    right.xaxis.set_major_formatter(FuncFormatter(lambda value, _: metres_in_words(value)))
    names = [f"{row.scene} ({row.planted} named, n = {row.n:,})" for row in table.itertuples()]
    left.set_yticks(at, names)
    left.set_ylim(len(table) - 0.4, -0.6)
    bottom_legend(figure, [dot(COLOURS[0], "planted fields"), dot(COLOURS[1], "position", "s")])
    return with_note(figure)


@house_style
def recovered_ranges(trials):
    """Figure of read over planted range of each trial, by planted range and nugget; flagged fits are counted above.

    trials : range_share, nugget_share, range_m, fitted_m, likelihood_m, flag.
    """
    need(trials, ("range_share", "nugget_share", "range_m", "fitted_m", "likelihood_m", "flag"), "trials")
    nuggets = sorted(trials["nugget_share"].unique())
    figure, axes = panels(len(nuggets), len(nuggets), height_in=3.4, sharey=True)
    shares, rng = sorted(trials["range_share"].unique()), np.random.default_rng(0)
    for ax, nugget in zip(axes, nuggets, strict=True):
        for k, share in enumerate(shares):
            here = trials[(trials["nugget_share"] == nugget) & (trials["range_share"] == share)]
            for side, name, colour in ((-0.17, "fitted_m", COLOURS[0]), (0.17, "likelihood_m", COLOURS[1])):
                ratio = np.clip(here[name] / here["range_m"], 1 / 8, 8)
                ax.scatter(k + side + rng.uniform(-0.09, 0.09, len(here)), ratio, 10, color=colour, alpha=0.6, lw=0)
                ax.hlines(np.exp(np.log(ratio).median()), k + side - 0.14, k + side + 0.14, color=colour, lw=2)
            flagged = (here["flag"] != "").sum()
            ax.text(k, 9.2, f"{flagged}/{len(here)}", ha="center", va="bottom", fontsize=8, color=COLOURS[0])
        ax.axhline(1, color=GREY, lw=0.8)
        ax.set_yscale("log", base=2)
        ax.set_ylim(1 / 9, 9)
        ax.set_yticks([0.25, 0.5, 1, 2, 4], ["¼", "½", "1", "2", "4"])
        ax.set_xticks(range(len(shares)), [f"{share:.3g}" for share in shares])
        ax.set_title(f"nugget {nugget:.0%} of the sill, flagged:", pad=18)
    label_outer(figure, axes, "planted range over the side of the square [share]", "read over planted range [ratio]")
    bottom_legend(figure, [dot(COLOURS[0], "semivariogram"), dot(COLOURS[1], "likelihood")])
    return with_note(figure)


@house_style
def by_surroundings(table, radius_m):
    """Figure of the error where training photos are near or far, and many or few: coherence.SURROUNDINGS."""
    need(table, ("method", "about", "from", "to", "error_m", "low", "high"), "surroundings")
    colour = dict(zip(table["method"].unique(), cycle_colours(), strict=False))
    figure, axes = panels(2, 2, height_in=3.0, sharey=True)
    words = {"nearest_m": "way to the nearest training photo [m]",
             "count": f"training photos within {metres_in_words(radius_m)} [count]"}  # fmt: skip
    for ax, (about, label) in zip(axes, words.items(), strict=True):
        for k, (method, rows) in enumerate(table[table["about"] == about].groupby("method", sort=False)):
            x = np.arange(len(rows)) + 0.12 * (k - (len(colour) - 1) / 2)
            y = rows["error_m"].to_numpy()
            reach = np.nan_to_num(np.abs(rows[["low", "high"]].to_numpy().T - y))
            ax.errorbar(x, y, reach, color=colour[method], ls="", marker="o", ms=4, lw=1.2)
        edges = [f"{low:,.0f} to {high:,.0f}" for low, high in zip(rows["from"], rows["to"], strict=True)]
        ax.set_xticks(range(len(edges)), edges, fontsize=7)
        ax.set(yscale="log", xlabel=label)
        ax.grid(axis="x", visible=False)
    log_metres(axes[0].yaxis, table["error_m"].min(), table["error_m"].max())
    axes[0].set_ylabel("geometric mean error [m, km]")
    bottom_legend(figure, [dot(shade, method) for method, shade in colour.items()])
    return with_note(figure)


@house_style
def measures(table, meanings):
    """Figure of measures of embeddings beside their null, one panel per measure: dot, interval, grey band of the null.

    Filled dots leave the null. table: method, measure, value, low, high, null_low, null_high, p; meanings: measure ->
    what it is, for the titles.
    """
    need(table, ("method", "measure", "value", "low", "high", "null_low", "null_high", "p"), "measures")
    names, shown = list(table["method"].unique()), list(table["measure"].unique())
    figure, axes = panels(len(shown), 2, height_in=0.9 + 0.26 * len(names), sharey=True)
    for ax, measure in zip(axes, shown, strict=True):
        for row in table[table["measure"] == measure].itertuples():
            place = names.index(row.method)
            ax.plot([row.null_low, row.null_high], [place, place], color=PALE, lw=8, solid_capstyle="butt")
            ax.plot([row.low, row.high], [place, place], color=COLOURS[0], lw=1.4)
            ax.plot(row.value, place, "o", color=COLOURS[0], mfc=COLOURS[0] if row.p < 0.05 else "white", ms=5)
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.set_yticks(range(len(names)), [short(name, 30) for name in names])
        ax.set_title(textwrap.fill(meanings[measure], 44), fontsize=8)
        ax.xaxis.set_major_locator(MaxNLocator(4))
    return with_note(figure)


@house_style
def ratios(table, other):
    """Figure of each method's error over that of another one, one panel per split: dot and interval, 1 is as good.

    Filled dots are shown to differ: interval and Holm's p agree. A split without intervals has no panel, unless none
    has any. table: split, method, ratio, low, high, p_holm.
    """
    need(table, ("split", "method", "ratio", "low", "high", "p_holm"), "ratios")
    table = table.dropna(subset="low") if table["low"].notna().any() else table
    splits, names = list(table["split"].unique()), list(table["method"].unique())
    figure, axes = panels(len(splits), min(len(splits), 3), height_in=1.1 + 0.24 * len(names), sharey=True, sharex=True)
    low, high = table[["ratio", "low"]].min().min(), table[["ratio", "high"]].max().max()
    for ax, split in zip(axes, splits, strict=True):
        for row in table[table["split"] == split].itertuples():
            place = names.index(row.method)
            shown = row.p_holm < 0.05
            ax.plot([row.low, row.high], [place, place], color=COLOURS[0], lw=1.2)
            ax.plot(row.ratio, place, "o", color=COLOURS[0], mfc=COLOURS[0] if shown else "white", ms=5)
        ax.axvline(1, color=GREY, lw=0.8)
        ax.set(xscale="log", xlim=(min(low / 1.1, 0.9), max(high * 1.1, 1.1)), ylim=(len(names) - 0.5, -0.5))
        ax.set_yticks(range(len(names)), [short(name, 34) for name in names])
        ax.set_title(split)
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
    label_outer(figure, axes, f"error over that of {other} [ratio]", "")
    return with_note(figure)


@house_style
def detection(table):
    """Figure of how well each rule ranks truly alike pairs first, near and far: dot and interval, 0.5 is chance.

    table: kind, rule, auc, low, high.
    """
    need(table, ("kind", "rule", "auc", "low", "high"), "detected")
    kinds, names = list(table["kind"].unique()), list(table["rule"].unique())
    figure, axes = panels(len(kinds), 2, height_in=1.1 + 0.24 * len(names), sharey=True, sharex=True)
    for ax, kind in zip(axes, kinds, strict=True):
        for row in table[table["kind"] == kind].itertuples():
            place = names.index(row.rule)
            ax.plot([row.low, row.high], [place, place], color=COLOURS[0], lw=1.2)
            ax.plot(row.auc, place, "o", color=COLOURS[0], ms=5)
        ax.axvline(0.5, color=GREY, lw=0.8)
        ax.set(ylim=(len(names) - 0.5, -0.5), title=f"{kind}s")
        ax.set_yticks(range(len(names)), [short(name, 34) for name in names])
    label_outer(figure, axes, "ROC area within strata of distance [-]", "")
    return with_note(figure)


@house_style
def nulls(table):
    """Figure of each method's median error beside the 95 % of its exact null, one panel per split.

    Filled dots differ from chance after Holm's correction. table: split, method, median_error_m, null_low, null_high,
    p_holm; methods without a null are left out.
    """
    need(table, ("split", "method", "median_error_m", "null_low", "null_high", "p_holm"), "nulls")
    names, table = list(table["method"].unique()), table.dropna(subset="null_low")
    splits = list(table["split"].unique())
    need(table, (), "nulls of 20 photos or more")
    figure, axes = panels(len(splits), min(len(splits), 3), height_in=1.1 + 0.24 * len(names), sharey=True)
    for ax, split in zip(axes, splits, strict=True):
        for row in table[table["split"] == split].itertuples():
            place = names.index(row.method)
            ax.plot([row.null_low, row.null_high], [place, place], color=PALE, lw=7, solid_capstyle="butt")
            face = COLOURS[0] if row.p_holm < 0.05 else "white"
            ax.plot(row.median_error_m, place, "o", color=COLOURS[0], mfc=face, ms=5)
        largest = table.loc[table["split"] == split, ["median_error_m", "null_high"]].max().max()
        ax.set(ylim=(len(names) - 0.5, -0.5), xlim=(0, 1.06 * max(largest, 1.0)))
        ax.set_yticks(range(len(names)), [short(name, 34) for name in names])
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.set_title(split)
    label_outer(figure, axes, "median error [m]", "")
    return with_note(figure)


@house_style
def by_city(table, what):
    """Figure of the ratio of two methods' errors in every city against the city's fitted range, one colour per split.

    table: split, city, range_m, ratio, low, high; a city whose range is flagged stands at the right edge.
    """
    need(table, ("split", "city", "range_m", "ratio", "low", "high"), "ratios by city")
    splits, known = list(table["split"].unique()), table["range_m"].dropna()
    edge = 1.1 * known.max() if len(known) else 1.0
    figure, (ax,) = panels(1, 1, height_in=3.4)
    for k, split in enumerate(splits):
        own = table[table["split"] == split]
        shift = 0.006 * edge * (k - (len(splits) - 1) / 2)
        for row in own.itertuples():
            at = (row.range_m if np.isfinite(row.range_m) else edge) + shift
            ax.plot([at, at], [row.low, row.high], color=COLOURS[k], lw=1.2)
            ax.plot(at, row.ratio, "o", color=COLOURS[k], ms=5)
    ax.axhline(1, color=GREY, lw=0.8)
    ax.set(yscale="log", xlabel="effective range of the city's pilot photos [m]", ylabel=f"error, {what} [ratio]")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    bottom_legend(figure, [dot(COLOURS[k], split) for k, split in enumerate(splits)])
    note = "" if len(known) == len(table) else "cities without a range at the right edge"
    return with_note(figure, note)


@house_style
def responses(table, beside):
    """Figure of the ratio of two methods' errors against what is changed, one panel per dose, one colour per split.

    table, beside: dose, value, split, ratio, low, high, p_holm; beside: drawn as diamonds without intervals. Values
    stand at even steps, whatever lies between them.
    """
    need(table, ("dose", "value", "split", "ratio", "low", "high", "p_holm"), "responses")
    doses, splits = list(table["dose"].unique()), list(table["split"].unique())
    figure, axes = panels(len(doses), 3, height_in=2.1, sharey=True)
    for ax, dose in zip(axes, doses, strict=True):
        here = table[table["dose"] == dose]
        values = sorted(here["value"].unique())
        for row in here.itertuples():
            colour, place = COLOURS[splits.index(row.split)], values.index(row.value)
            place += 0.16 * (splits.index(row.split) - (len(splits) - 1) / 2)
            ax.plot([place, place], [row.low, row.high], color=colour, lw=1.2)
            ax.plot(place, row.ratio, "o", color=colour, mfc=colour if row.p_holm < 0.05 else "white", ms=4.5)
        for row in beside[beside["dose"] == dose].itertuples():
            place = values.index(row.value) + 0.16 * (splits.index(row.split) - (len(splits) - 1) / 2) + 0.12
            ax.plot(place, row.ratio, "D", color=COLOURS[splits.index(row.split)], ms=3.5)
        ax.axhline(1, color=GREY, lw=0.8)
        ax.set_xticks(range(len(values)), [f"{value:g}" for value in values])
        ax.set(yscale="log", xlim=(-0.5, len(values) - 0.5))
        ax.set_title(DOSES.get(dose, dose))
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    label_outer(figure, axes, "", "error over that of clip [ratio]")
    bottom_legend(figure, [dot(COLOURS[k], split) for k, split in enumerate(splits)])
    return with_note(figure)


DOSES = {  # what the values of a dose are
    "range": "planted ranges [factor]",
    "nugget": "nugget [variance]",
    "photos per city": "photos per city [count]",
    "city means": "city means [sd]",
    "noise": "noise of the tower [factor]",
    "bandwidth": "bandwidth [m]",
}


@house_style
def coverage(table):
    """Figure of measured against nominal coverage, one panel per split and one colour per rule: conformal.COVERAGE.

    On the grey line the promise is kept exactly; below it the radius is too small.
    """
    need(table, ("split", "rule", "level", "coverage", "low", "high"), "coverage")
    splits, rules = list(table["split"].unique()), list(table["rule"].unique())
    figure, axes = panels(len(splits), grid_columns(len(splits)), height_in=2.7, sharex=True, sharey=True)
    for ax, split in zip(axes, splits, strict=True):
        ax.plot([0, 1], [0, 1], color=GREY, lw=0.9)
        for k, rule in enumerate(rules):
            own = table[(table["split"] == split) & (table["rule"] == rule)]
            at = own["level"] + 0.012 * (k - (len(rules) - 1) / 2)
            ax.vlines(at, own["low"], own["high"], color=COLOURS[k], lw=1.3)
            ax.plot(at, own["coverage"], "o", color=COLOURS[k], ms=4)
        ax.set_title(split)
        ax.set(xlim=(table["level"].min() - 0.08, 1.02), ylim=(0, 1.02))
    label_outer(figure, axes, "nominal coverage [share]", "measured coverage [share]")
    bottom_legend(figure, [dot(COLOURS[k], f"{rule} radius") for k, rule in enumerate(rules)])
    return with_note(figure)


@house_style
def comparison(compare, metric, split):
    """Figure of one metric per method, best first: dot, interval where there is one, and the number.

    Trivial rows are grey; references, which know the answer, are hollow and stand below a line.
    compare : split, method, kind, metric, value, low, high, unit, seeds, n.
    """
    need(compare, ("split", "method", "kind", "metric", "value", "low", "high", "unit"), "comparison")
    rows = compare[(compare["metric"] == metric) & (compare["split"] == split)]
    if len(rows) == 0:
        known = sorted(set(zip(compare["metric"], compare["split"], strict=True)))
        raise ValueError(f"no rows of metric {metric!r} in split {split!r}; there are {known}")
    unit = rows["unit"].iloc[0]
    is_length = unit in ("m", "km")
    order = rows.assign(reference=rows["kind"] == "reference").sort_values(
        ["reference", "value"], ascending=[True, is_length], kind="stable"
    )
    figure, (ax,) = panels(1, 1, height_in=1.0 + 0.27 * len(order))
    for place, row in enumerate(order.to_dict("records")):
        draw_interval(ax, place, row, unit)
    ax.set_yticks(range(len(order)), [short(name, 34) for name in order["method"]])
    ax.set_ylim(len(order) - 0.5, -0.5)
    if 0 < order["reference"].sum() < len(order):
        ax.axhline((~order["reference"]).sum() - 0.5, color=GREY, lw=0.8)
    spread = order[["value", "low", "high"]].min().min(), order[["value", "low", "high"]].max().max()
    if is_length and spread[0] > 0 and spread[1] > 12 * spread[0]:
        ax.set_xscale("log")
        log_metres(ax.xaxis, *spread, unit=unit)
        unit = "m, km"
    ax.set_xlabel(f"{metric.removesuffix('_' + rows['unit'].iloc[0]).replace('_', ' ')} [{unit}], {split}")
    bottom_legend(figure, kind_marks(order["kind"].unique()))
    return with_note(figure)


KIND_STYLE = {"method": (COLOURS[0], COLOURS[0]), "trivial": (GREY, GREY), "reference": (GREY, "white")}


def draw_interval(ax, place, row, unit):
    """Draw one row of the comparison: interval, dot, number at the right edge."""
    edge, face = KIND_STYLE[row["kind"]]
    if np.isfinite(row["low"]) and np.isfinite(row["high"]):
        ax.plot([row["low"], row["high"]], [place, place], color=edge, lw=2, alpha=0.55, solid_capstyle="butt")
    ax.plot(row["value"], place, "o", color=edge, mfc=face, ms=6)
    digits = 0 if abs(row["value"]) >= 100 else 1 if abs(row["value"]) >= 10 else 2
    words = f"{row['value']:,.{digits}f} {unit}".removesuffix(" 1")
    ax.text(1.01, place, words, transform=ax.get_yaxis_transform(), va="center", fontsize=8, color="#222222")


def kind_marks(kinds):
    """Legend marks of the kinds of row that are there."""
    words = {"method": "method", "trivial": "trivial", "reference": "reference (knows the answer)"}
    marks = [
        Line2D([], [], ls="", marker="o", color=KIND_STYLE[kind][0], mfc=KIND_STYLE[kind][1], label=words[kind])
        for kind in words
        if kind in kinds
    ]
    return [*marks, Line2D([], [], color=GREY, lw=2, alpha=0.55, label="interval")]
