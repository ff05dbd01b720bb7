"""Dots with intervals: one number for each row of a list, how sure it is, and what chance would give."""

import textwrap

import numpy as np
import pandas as pd

from geonb.earth.sphere import length
from geonb.showing import style


@style.house
def dots(table, title, *, row, value, label=None, panel=None, colour=None, reference=None):
    """Figure of dots with intervals: a place for every name in column `row`, in each panel.

    row, value, panel, colour: columns. Where the table has them it draws low and high as an interval, null_low and
    null_high as a grey band, text at the right, and dots whose `filled` is false hollow; without that column those
    whose p_holm, or else p, is not below 0.05. label: of the axis, else as
    style.LABELS has it of the value; its unit sets the scale. reference: where a line stands.
    """
    style.need(table, (row, value, panel, colour), title)
    p, hollow = table.get("p_holm", table.get("p")), ""
    if "filled" not in table and p is not None:
        hollow = "not shown to differ" + " from chance" * ("null_low" in table)
        table = table.assign(filled=p < 0.05)
    groups, _ = style.by_panel(table, panel)
    own_rows = panel is not None and 2 * table.groupby(row)[panel].nunique().max() <= len(groups)
    names = {name: list(dict.fromkeys((here if own_rows else table)[row])) for name, here in groups.items()}
    shades = style.looks(table[colour]) if colour else {"": (style.BLUE, "-", "o")}
    several = table.duplicated([column for column in (row, panel) if column]).any()
    step = min(0.2, 0.7 / len(shades)) if several else 0  # between dots of one row
    height_in = 0.75 + (0.26 + 0.5 * step) * max(map(len, names.values()))
    figure, axes = style.panels(len(groups), height_in, sharey=not own_rows, sharex=reference is not None)
    for ax, (name, here) in zip(axes, groups.items(), strict=True):
        for k, (shade, look) in enumerate(shades.items()):
            rows = here[here[colour] == shade] if colour else here
            at = np.array([names[name].index(one) for one in rows[row]]) + step * (k - (len(shades) - 1) / 2)
            draw(ax, at, rows, value, look)
        if reference is not None:
            ax.axvline(reference, color=style.GREY, lw=0.8)
        ax.set_yticks(range(len(names[name])), [style.short(one, 36) for one in names[name]])
        ax.set_ylim(len(names[name]) - 0.4, -0.6)
        ax.set_title(textwrap.fill(style.short(name, 120), 104 // ax.get_gridspec().ncols))
    style.label(axes, label or style.LABELS[value])
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


def photo_counts(photos):
    """Figure of the number of photos per city, largest first; cities beyond thirty share one row."""
    counts = photos["city"].astype(object).where(photos["city"].notna(), "(no city)").value_counts()
    rest = {f"{len(counts) - 30} other cities": counts.iloc[30:].sum()} if len(counts) > 30 else {}
    table = pd.DataFrame((dict(counts.iloc[:30]) | rest).items(), columns=["city", "photos"])
    table["text"] = table["photos"].map("{:,}".format)
    return dots(table, "Photos in each city", row="city", value="photos", reference=0)


def comparison(compare, split):
    """Figure of the median error of every method, best first, of errors.COMPARE; references are hollow."""
    rows = compare[(compare["metric"] == "median_error_m") & (compare["split"] == split)]
    kinds = rows["kind"].replace("reference", "reference (knows the answer)")
    rows = rows.assign(filled=rows["kind"] != "reference", kind=kinds, text=rows["value"].map(length))
    rows = rows.sort_values(["filled", "value"], ascending=[False, True], kind="stable")
    title = f"Median error of every method, {split}"
    return dots(rows, title, row="method", value="value", colour="kind", label="median error [m, km]")


def ratios(table, other):
    """Figure of significance.RATIOS, one panel per split; a split without intervals has none, unless none has any."""
    table = table.dropna(subset="low") if table["low"].notna().any() else table
    title = f"Error over that of {other}"
    style.need(table, ["p_holm"], title)
    return dots(table, title, row="method", value="ratio", panel="split", reference=1)


def by_city(table, what):
    """Figure of new_places.BY_CITY, by the city's fitted range, smallest first; cities without a range come last."""
    words = [f"{city}, {'no range' if np.isnan(metres) else f'range {length(metres)}'}"
             for city, metres in zip(table["city"], table["range_m"], strict=True)]  # fmt: skip
    rows = table.assign(row=words).sort_values("range_m", kind="stable")
    title = f"Error in each city, {what}, by the range of its pilot photos"
    return dots(rows, title, row="row", value="ratio", colour="split", reference=1)


def by_surroundings(table, radius_m):
    """Figure of the error where training photos are near or far, and many or few: new_places.SURROUNDINGS."""
    words = {"nearest_m": "way to the nearest training photo [m]",
             "count": f"training photos within {length(radius_m)} [count]"}  # fmt: skip
    rows = [f"{low:,.0f} to {high:,.0f}" for low, high in zip(table["from"], table["to"], strict=True)]
    table = table.assign(row=rows, about=table["about"].map(words))
    title = "Error by the training photos around"
    return dots(table, title, row="row", value="error_m", panel="about", colour="method")


def responses(table, beside):
    """Figure of the ratio of two methods' errors where one condition is changed, one panel per split.

    table, beside: dose, value, split, ratio, low, high, p_holm; beside: the same with pictures.
    """
    both = pd.concat([table.assign(world="fields and noise"), beside.assign(world="with pictures")])
    both = both.assign(order=both["dose"].map(list(table["dose"].unique()).index))
    both = both.sort_values(["order", "value"], kind="stable")
    words = {"range": "ranges × {:g}", "noise": "noise of the tower × {:g}", "bandwidth": "bandwidth {:g} m"}
    both["row"] = [words.get(row.dose, f"{row.dose} {{:g}}").format(row.value) for row in both.itertuples()]
    title = "Error of sw_clip over that of clip when one condition is changed"
    return dots(both, title, row="row", value="ratio", panel="split", colour="world", reference=1)


def recovered_ranges(trials):
    """Figure of read over planted range: every trial hollow, their median filled, one panel per nugget.

    trials: range_share, nugget_share, range_m, fitted_m, likelihood_m, flag; flagged fits are counted at the right.
    """
    trials = trials.assign(row=trials["range_share"].map("range {:.3g} of the side".format),
                           panel=trials["nugget_share"].map("nugget {:.0%} of the sill".format))  # fmt: skip
    flagged = trials.groupby(["panel", "row"])["flag"].agg(lambda flag: f"{(flag != '').sum()}/{len(flag)} flagged")
    names = {"fitted_m": "semivariogram, median", "likelihood_m": "likelihood, median"}
    each = trials.rename(columns=names).melt(["panel", "row", "range_m"], names.values(), "read", "read_m")
    each = each.assign(read_over_planted=(each["read_m"] / each["range_m"]).clip(1 / 8, 8), filled=False, text="")
    medians = each.groupby(["panel", "row", "read"], sort=False)[["read_over_planted"]].median().reset_index()
    medians["text"] = [flagged[one.panel, one.row] if "semi" in one.read else "" for one in medians.itertuples()]
    both, title = pd.concat([each, medians.assign(filled=True)]), "Fitted over planted range"
    figure = dots(both, title, row="row", value="read_over_planted", panel="panel", colour="read", reference=1)
    return style.noted(figure, "hollow: one field")
