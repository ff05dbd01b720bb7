"""Dots with intervals: one number for each row of a list, how sure it is, and what chance would give."""

import textwrap

import numpy as np
import pandas as pd

from geonb.earth.sphere import length
from geonb.showing import style

UNSURE = "not shown to differ"


@style.house
def dots(table, title, *, row, value, label=None, panel=None, colour=None, reference=None, hollow=""):
    """Figure of dots with intervals: a place for every name in column `row`, in each panel.

    row, value, panel, colour: columns. Where the table has them it draws low and high as an interval, null_low and
    null_high as a grey band, text at the right, and dots whose `filled` is false hollow, which `hollow` explains.
    label: of the axis, one for all panels or one for each; its unit sets the scale. reference: where a line stands.
    """
    style.need(table, [column for column in (row, value, panel, colour) if column], title)
    groups, _ = style.by_panel(table, panel)
    apart = panel is not None and 2 * table.groupby(row)[panel].nunique().max() <= len(groups)  # panels have own rows
    names = {name: list(dict.fromkeys((own if apart else table)[row])) for name, own in groups.items()}
    shades = style.looks(table[colour]) if colour else {"": (style.BLUE, "-", "o")}
    several = table.duplicated([column for column in (row, panel) if column]).any()
    step = min(0.2, 0.7 / len(shades)) if several else 0  # between dots of one row
    height_in = 0.75 + (0.26 + 0.5 * step) * max(map(len, names.values()))
    shared = reference is not None and not isinstance(label, list)
    figure, axes = style.panels(len(groups), height_in, sharey=not apart, sharex=shared)
    for ax, (name, own) in zip(axes, groups.items(), strict=True):
        for k, (shade, look) in enumerate(shades.items()):
            rows = own[own[colour] == shade] if colour else own
            at = np.array([names[name].index(one) for one in rows[row]]) + step * (k - (len(shades) - 1) / 2)
            draw(ax, at, rows, value, look)
        if reference is not None:
            ax.axvline(reference, color=style.GREY, lw=0.8)
        ax.set_yticks(range(len(names[name])), [style.short(one, 36) for one in names[name]])
        ax.set_ylim(len(names[name]) - 0.4, -0.6)
        ax.set_title(textwrap.fill(style.short(name, 120), 104 // ax.get_gridspec().ncols))
    style.label_x(axes, label or style.LABELS[value])
    style.legend(figure, marks(table, shades, colour, hollow))
    return style.titled(figure, title)


def draw(ax, at, rows, value, look):
    """Draw the rows of one colour at their places: bands of chance, intervals, dots, text."""
    colour, _, marker = look
    if "null_low" in rows:
        ax.hlines(at, rows["null_low"], rows["null_high"], color=style.PALE, lw=7)
    if "low" in rows:
        ax.hlines(at, rows["low"], rows["high"], color=colour, lw=1.3)
    face = np.where(rows.get("filled", pd.Series(True, rows.index)), colour, "white")
    ax.scatter(rows[value], at, 24, color=face, ec=colour, marker=marker, zorder=3)
    for place, words in zip(at, rows.get("text", [""] * len(rows)), strict=True):
        ax.text(1.01, place, words, transform=ax.get_yaxis_transform(), va="center", fontsize=8, color="#222222")


def marks(table, shades, colour, hollow):
    """Legend marks of the colours, of what hollow dots are, and of the band of chance."""
    found = []
    for name, (shade, _, marker) in shades.items() if colour else ():
        empty = not hollow and "filled" in table and not table.loc[table[colour] == name, "filled"].any()
        found.append(style.dot(name, shade, marker, face="white" if empty else shade))
    found += [style.dot(hollow, style.BLUE, face="white")] if hollow else []
    return found + ([style.line("95 % of what chance gives", style.PALE, width=6)] if "null_low" in table else [])


# ---------------------------------------------------------------------------------------------- photos and errors


def photo_counts(photos):
    """Figure of the number of photos per city, largest first; cities beyond thirty share one row. photos: city."""
    counts = photos["city"].astype(object).where(photos["city"].notna(), "(no city)").value_counts()
    rest = {f"{len(counts) - 30} other cities": counts.iloc[30:].sum()} if len(counts) > 30 else {}
    table = pd.DataFrame((dict(counts.iloc[:30]) | rest).items(), columns=["city", "photos"])
    table["text"] = table["photos"].map("{:,}".format)
    return dots(table, "Photos in each city", row="city", value="photos", reference=0)


def comparison(compare, split):
    """Figure of the median error of every method, best first; references, which know the answer, are hollow.

    compare: split, method, kind, metric, value, low, high. ValueError names the splits that there are.
    """
    rows = compare[(compare["metric"] == "median_error_m") & (compare["split"] == split)]
    if len(rows) == 0:
        raise ValueError(f"no median errors in split {split!r}; there are {sorted(set(compare['split']))}")
    kinds = rows["kind"].replace("reference", "reference (knows the answer)")
    rows = rows.assign(filled=rows["kind"] != "reference", kind=kinds, text=rows["value"].map(length))
    rows = rows.sort_values(["filled", "value"], ascending=[False, True], kind="stable")
    title = f"Median error of every method, {split}"
    return dots(rows, title, row="method", value="value", colour="kind", label="median error [m, km]")


def ratios(table, other):
    """Figure of each method's error over that of another one, one panel per split.

    Filled dots are shown to differ: interval and Holm's p agree. A split without intervals has no panel, unless none
    has any. table: split, method, ratio, low, high, p_holm.
    """
    table = (table.dropna(subset="low") if table["low"].notna().any() else table).assign(filled=table["p_holm"] < 0.05)
    return dots(table, f"Error over that of {other}", row="method", value="ratio", panel="split", reference=1,
                hollow=UNSURE, label=f"error over that of {other} [ratio]")  # fmt: skip


def by_city(table, what):
    """Figure of the ratio of two methods' errors in every city, by the city's fitted range, smallest first.

    table: split, city, range_m, ratio, low, high; cities whose range is flagged come last.
    """
    words = [f"{city}, {'no range' if np.isnan(metres) else f'range {length(metres)}'}"
             for city, metres in zip(table["city"], table["range_m"], strict=True)]  # fmt: skip
    rows = table.assign(row=words).sort_values("range_m", kind="stable")
    return dots(rows, f"Error in each city, {what}, by the range of its pilot photos", row="row", value="ratio",
                colour="split", reference=1, label=f"error, {what} [ratio]")  # fmt: skip


def by_surroundings(table, radius_m):
    """Figure of the error where training photos are near or far, and many or few: coherence.SURROUNDINGS."""
    words = {"nearest_m": "way to the nearest training photo [m]",
             "count": f"training photos within {length(radius_m)} [count]"}  # fmt: skip
    rows = [f"{low:,.0f} to {high:,.0f}" for low, high in zip(table["from"], table["to"], strict=True)]
    table = table.assign(row=rows, about=table["about"].map(words))
    title = "Error by the training photos around"
    return dots(table, title, row="row", value="error_m", panel="about", colour="method")


def nulls(table):
    """Figure of each method's median error beside the 95 % of its exact null, one panel per split.

    Filled dots differ from chance after Holm's correction. table: split, method, median_error_m, null_low, null_high,
    p_holm; methods without a null are left out.
    """
    table = table.dropna(subset="null_low").assign(filled=lambda own: own["p_holm"] < 0.05)
    return dots(table, "Median error within the right city against chance", row="method", value="median_error_m",
                panel="split", reference=0, hollow="no better or worse than chance")  # fmt: skip


def measures(table, meanings):
    """Figure of measures of embeddings beside what chance gives, one panel per measure; filled dots leave it.

    table: method, measure, value, low, high, null_low, null_high, p; meanings: measure -> what it is, for the panels.
    """
    table = table.assign(filled=table["p"] < 0.05, measure=table["measure"].map(meanings))
    return dots(table, "Coherence of the embedding in space", row="method", value="value", panel="measure",
                label="measure [1]", hollow="within what chance gives")  # fmt: skip


# ---------------------------------------------------------------------------------------------- the laboratory

CONDITIONS = {  # how the values of a condition are read
    "range": "ranges × {:g}", "nugget": "nugget {:g}", "photos per city": "{:g} photos per city",
    "city means": "city means {:g} sd", "noise": "noise of the tower × {:g}", "bandwidth": "bandwidth {:g} m",
    "base": "base",
}  # fmt: skip


def readout(table):
    """Figure of what is read from each tower, one panel per aim, one colour per split.

    table: tower, split, aim, value, low, high.
    """
    return dots(table, "What a linear probe reads from each tower", row="tower", value="value", panel="aim",
                colour="split", reference=0, label="R²; of cities accuracy [share]")  # fmt: skip


def scenes(table):
    """Figure of kinds of scenes: what a probe reads, and how widely the posterior scatters.

    table: scene, n, planted, fields_r2, position_r2, spread_m.
    """
    table = table.assign(scene=[f"{row.scene} ({row.planted} named, n = {row.n:,})" for row in table.itertuples()])
    table = table.melt(["scene"], ["fields_r2", "position_r2", "spread_m"], "read")
    reads = {"fields_r2": "planted fields", "position_r2": "position", "spread_m": "position"}
    panel = np.where(table["read"] == "spread_m", "by retrieval", "by a probe")
    return dots(table.assign(panel=panel, read=table["read"].map(reads)), "What is read from each kind of scene",
                row="scene", value="value", panel="panel", colour="read",
                label=["R², blocked [share]", "median spread of the posterior [m, km]"])  # fmt: skip


def responses(table, beside):
    """Figure of the ratio of two methods' errors where one condition is changed, one panel per split.

    table, beside: dose, value, split, ratio, low, high, p_holm; beside: the same with pictures.
    """
    order = list(table["dose"].unique())
    both = pd.concat([table.assign(world="fields and noise"), beside.assign(world="with pictures")])
    both = both.assign(filled=both["p_holm"] < 0.05, order=both["dose"].map(order.index))
    both = both.sort_values(["order", "value"], kind="stable")
    words = [CONDITIONS.get(name, f"{name} {{:g}}") for name in both["dose"]]
    both["row"] = [template.format(value) for template, value in zip(words, both["value"], strict=True)]
    return dots(both, "Error of sw_clip over that of clip when one condition is changed", row="row", value="ratio",
                panel="split", colour="world", reference=1, hollow=UNSURE,
                label="error over that of clip [ratio]")  # fmt: skip


def recovered_ranges(trials):
    """Figure of read over planted range: every trial hollow, their median filled, one panel per nugget.

    trials: range_share, nugget_share, range_m, fitted_m, likelihood_m, flag; flagged fits are counted at the right.
    """
    trials = trials.assign(row=trials["range_share"].map("range {:.3g} of the side".format),
                           panel=trials["nugget_share"].map("nugget {:.0%} of the sill".format))  # fmt: skip
    flagged = trials.groupby(["panel", "row"])["flag"].agg(lambda own: f"{(own != '').sum()}/{len(own)} flagged")
    names = {"fitted_m": "semivariogram, median", "likelihood_m": "likelihood, median"}
    each = trials.rename(columns=names).melt(["panel", "row", "range_m"], names.values(), "read")
    each = each.assign(ratio=(each["value"] / each["range_m"]).clip(1 / 8, 8), filled=False, text="")
    medians = each.groupby(["panel", "row", "read"], as_index=False, sort=False)["ratio"].median().assign(filled=True)
    medians["text"] = [flagged[own.panel, own.row] if "semi" in own.read else "" for own in medians.itertuples()]
    return dots(pd.concat([each, medians]), "Fitted over planted range", row="row", value="ratio",
                panel="panel", colour="read", reference=1, hollow="one field",
                label="read over planted range [ratio]")  # fmt: skip
