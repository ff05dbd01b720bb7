"""The house style of figures, and the parts that all of them have: panels, axes, title, legend, note.

Text from tables is never read as mathematics, and goes through ``short``. A method looks the same everywhere.
"""

import functools
import itertools
import textwrap
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.font_manager import findfont, fontManager, get_font
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator, StrMethodFormatter

from geonb.earth.sphere import length

WIDTH_IN = 7.6
CITIES_AT_MOST = 8  # panels that stay legible at the book's width
# Okabe and Ito (2008), without yellow, which white paper swallows; black, line styles and markers follow.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
BLUE, ORANGE, GREEN, PINK, AMBER, SKY, BLACK = COLOURS
GREY, SILVER, PALE = "#767676", "#a8a8a8", "#d9d9d9"
SOLID, DASHED, DOTTED, MIXED = ("-", "o"), ((0, (5, 1.5)), "s"), ((0, (1, 1)), "^"), ((0, (6, 1.5, 1, 1.5)), "D")
FAMILIES = (  # a colour, and what has it in every figure: with solid, dashed, dotted and mixed lines
    (BLUE, "clip near_negatives geography_matching"), (ORANGE, "sw_clip label_smoothing shuffled_distances permuted"),
    (GREEN, "variogram_clip soft_contrastive generalized_contrastive"),
    (AMBER, "own city_uniform permuted_within_city"), (BLUE, "method"),
    (PINK, "geoclip geoclip_semivariogram geoclip_precursor geoclip_look_alikes"),
    (SKY, "cells smoothed_cells"), (BLACK, "coordinates frozen gallery_floor field_reference"),
    (GREY, "trivial chance mode city_centroid"), (SILVER, "buffer frozen_nearest zero_shot"),
    (BLUE, "random"), (ORANGE, "other_drive"), (GREEN, "blocked"), (PINK, "unseen_city"),
    (AMBER, "official"), (BLUE, "radius"), (BLUE, "train"),
)  # fmt: skip
LOOKS = {  # name -> colour, line style, marker
    name: (colour, *look) for colour, names in FAMILIES
    for name, look in zip(names.split(), (SOLID, DASHED, DOTTED, MIXED), strict=False)
} | {
    "reference (knows the answer)": (GREY, *SOLID), "planted": (BLACK, *DASHED), "this city": (ORANGE, *SOLID),
    "mean of redrawn cities": (BLACK, *SOLID), "oracle": (BLACK, *DOTTED), "exactly as promised": (GREY, "-", ""),
    "wrong beside wrong": (ORANGE, "-", "s"), "right beside right": (BLUE, *SOLID),
    "unlike its neighbours": (AMBER, *DOTTED), "not shown": (SILVER, "-", "."),
    "better": (BLUE, "-", "h"), "worse": (ORANGE, "-", "h"), "mixed": (PALE, "-", "h"),
    "buffer": (SILVER, "-", "x"), "validation": (GREEN, *DOTTED), "test": (ORANGE, *DASHED),
}  # fmt: skip
LABELS = {  # what the columns of tables are on an axis; the unit sets scale and ticks, see scaled
    "distance_m": "distance between photos [m]", "nearest_train_m": "distance to the nearest training photo [m]",
    "distance_km": "distance between photos [km]",
    "within_m": "distance to the nearest training photo [m, km]", "off_m": "error [m, km]",
    "error_m": "geometric mean error [m, km]", "median_error_m": "median error [m]", "step": "optimiser step [count]",
    "best_m": "best validation error so far [m, km]", "validation_error_m": "geometric mean error [m, km]",
    "loss": "training loss [nat]", "ratio": "ratio of errors [ratio]", "measure": "measure [1]",
    "semivariance": "semivariance [1]", "relative_semivariance": "relative semivariance [1]",
    "of_sill": "semivariance [sill]", "depth": "depth, first to last layer [share]", "layer_r2": "R² [share]",
    "value": "R²; of cities accuracy [share]", "r2": "R² within unseen cities [share]",
    "words_r2": "R² of the words [share]", "tower_r2": "R² of the tower [share]",
    "read_over_planted": "read over planted range [ratio]", "weight": "target probability [1]",
    "score": "rank from low to high [share]", "auc": "ROC area within strata of distance [1]",
    "level": "nominal coverage [share]", "coverage": "measured coverage [share]", "share": "photos [share]",
    "photos": "photos [count]", "apart_m": "distance between two places [m, km]",
}  # fmt: skip
LONG_NUMBER = 10_000  # from which on the ticks of a horizontal axis would touch
# Names of places come in every script; DejaVu Sans has no Chinese, Japanese or Korean.
EAST_ASIAN_FONTS = {"Noto Sans CJK JP", "Noto Sans CJK SC", "Droid Sans Fallback", "Hiragino Sans", "Malgun Gothic"}
FONTS = ["DejaVu Sans", *sorted({font.name for font in fontManager.ttflist} & EAST_ASIAN_FONTS)]
NO_GLYPH = "\N{WHITE VERTICAL RECTANGLE}"
HOW_TO_DRAW = f"{NO_GLYPH}: no font here has this character; Debian's fonts-noto-cjk has East Asian ones"
house = mpl.rc_context({"font.family": FONTS}, Path(__file__).with_name("house.mplstyle"))


def need(table, columns, title):
    """ValueError when the table of a figure is empty or lacks a column; None stands for no column."""
    if missing := [column for column in columns if column and column not in table]:
        raise ValueError(f"the table of '{title}' has no column {missing}; it has {list(table.columns)}")
    if len(table) == 0:
        raise ValueError(f"the table of '{title}' is empty: there is nothing to draw")


def by_panel(table, panel, at_most=CITIES_AT_MOST):
    """{name: rows} in the order of the table, and a note: of too many cities the at_most with most pairs, or rows."""
    groups = dict(list(table.groupby(panel, sort=False))) if panel else {"": table}
    if panel != "city" or len(groups) <= at_most:
        return groups, ""
    sizes = pd.Series({city: own["pairs"].sum() if "pairs" in own else len(own) for city, own in groups.items()})
    largest = sizes.nlargest(at_most).index
    note = f"{at_most} of {len(groups)} cities, the largest samples"
    return {city: own for city, own in groups.items() if city in largest}, note


def looks(names):
    """{name: (colour, line style, marker)}: first what LOOKS knows, in its order; the others take what is free."""
    names = list(dict.fromkeys(names))
    known = {name: look for name, look in LOOKS.items() if name in names}
    every = [(colour, *style) for style in (SOLID, DASHED, DOTTED, MIXED) for colour in COLOURS]
    free = itertools.cycle([look for look in every if look not in known.values()] or every)
    return known | {name: next(free) for name in names if name not in known}


def short(text, length):
    """Text from a table on one line of at most that many characters; NO_GLYPH stands for those that no font has."""
    text = "".join(c if ord(c) in drawable() else NO_GLYPH for c in " ".join(str(text).split()))
    return text if len(text) <= length else text[: length - 1] + "…"


@functools.cache
def drawable():
    """The code points that the fonts of the house style can draw."""
    return frozenset().union(*(get_font(findfont(name)).get_charmap() for name in FONTS))


def panels(count, height_in=None, *, columns=None, sharex=False, sharey=False):
    """A Figure that pyplot does not keep, and its axes (count,), row by row; height_in is one row's height."""
    columns = columns or {1: 1, 2: 2, 3: 3, 4: 2, 5: 3, 6: 3}.get(count, 4)
    rows = -(-count // columns)
    height_in = height_in or (3.2 if count == 1 else 2.7 if count < 5 else 2.0)
    size = (WIDTH_IN, min(rows * height_in + 0.5, 11))
    figure, axes = plt.subplots(
        rows, columns, figsize=size, sharex=sharex, sharey=sharey, squeeze=False, layout="constrained"
    )
    plt.close(figure)  # else a notebook shows it twice: as the cell's value and from pyplot's registry
    for spare in axes.flat[count:]:
        spare.remove()
    axes = list(axes.flat[:count])
    for ax in axes:
        ax.tick_params(labelsize=8)
    return figure, axes


def label(axes, x, y=None):
    """Scale axes by the unit of their label, write x below each column, y once at the left; lists: at each panel."""
    figure, columns = axes[0].figure, axes[0].get_gridspec().ncols
    lowest = {ax.get_subplotspec().colspan.start: ax for ax in axes}
    for ax, words in zip(axes, [x] * len(axes) if isinstance(x, str) else x, strict=True):
        scaled(ax.xaxis, words)
        if ax in lowest.values() or not isinstance(x, str):  # not supxlabel: a legend would cover it
            ax.set_xlabel(textwrap.fill(words, 100 // columns), fontsize=9 if columns < 3 else 8)
            ax.tick_params("x", labelbottom=True)  # above a removed panel too
    once = isinstance(y, str) and len(axes) > 1
    for ax, words in zip(axes, [y] * len(axes) if isinstance(y, str) else y or [], strict=bool(y)):
        scaled(ax.yaxis, words)
        ax.set_ylabel("" if once else words)
    if once:
        figure.supylabel(y, fontsize=9)


def scaled(axis, label):
    """Give an axis the scale and the ticks of its label's unit, once all is drawn: [m, km] and [ratio] are logarithmic.

    Below 1 m it is linear if a zero is drawn. Shares near zero get a range of .1, lest noise fill the panel.
    """
    in_words, of_panel = label.endswith("[m, km]"), axis.axes.get_subplotspec()
    ticks = {1: 8, 2: 6, 3: 4}.get(of_panel.get_gridspec().ncols, 3) if of_panel and axis.axis_name == "x" else 6
    if axis.axis_name == "x" and not in_words and np.abs(axis.get_view_interval()).max() >= LONG_NUMBER:
        ticks = 3
    set_scale = getattr(axis.axes, f"set_{axis.axis_name}scale")
    axis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 5, 10]))
    if in_words and axis.get_data_interval()[0] <= 0:
        set_scale("symlog", linthresh=1)
    elif in_words or label.endswith("[ratio]"):
        set_scale("log")
        log_ticks(axis, ticks)
    elif label.endswith("[share]") and np.ptp(axis.get_view_interval()) < 0.1:
        low, high = axis.get_view_interval()
        axis.set_view_interval(min(low, -0.05), max(high, 0.05), ignore=True)
    in_metres = FuncFormatter(lambda metres, _: length(metres).replace(".0 ", " "))
    axis.set_major_formatter(in_metres if in_words else StrMethodFormatter("{x:,.9g}"))


def log_ticks(axis, ticks):
    """Round ticks on a logarithmic axis: more per decade where there are few decades."""
    low, high = axis.get_view_interval()
    decades = np.log10(high / low) if 0 < low < high else 1
    subs = (1, 2, 5) if decades * 3 <= ticks else (1, 3) if decades * 2 <= ticks else (1,)
    few = MaxNLocator(ticks, steps=[1, 2, 5, 10])
    axis.set_major_locator(few if decades < 0.5 else LogLocator(subs=subs, numticks=ticks + 2))
    axis.set_minor_locator(NullLocator() if decades < 0.5 else LogLocator(subs=range(2, 10), numticks=99))
    axis.set_minor_formatter(NullFormatter())


def legend(figure, marks):
    """One legend below all panels."""
    labels = [short(mark.get_label(), 60) for mark in marks]
    if marks:
        columns = max(1, min(len(marks), 135 // (max(map(len, labels)) + 7)))
        figure.legend(marks, labels, loc="outside lower center", ncols=columns)


def dot(label, colour, marker="o", face=None):
    """A legend mark for points."""
    return Line2D([], [], ls="", marker=marker, color=colour, mfc=face or colour, ms=5, label=label)


def line(label, colour, dashes="-", marker="", width=1.4):
    """A legend mark for lines, and for bands where it is wide."""
    return Line2D([], [], color=colour, ls=dashes, marker=marker, ms=3.5, lw=width, label=label)


def titled(figure, title, note=""):
    """The figure with its title at the top left and a note, which says too that a character is in no font here."""
    figure.suptitle(short(title, 90))
    ticks = [tick for ax in figure.axes for tick in (*ax.get_xticklabels(), *ax.get_yticklabels())]
    lacking = any(NO_GLYPH in text.get_text() for text in [*figure.findobj(Text), *ticks])
    return noted(figure, note, HOW_TO_DRAW if lacking else "")


def marked(figure, simulated):
    """The figure with the word "simulated" in its note where its data are."""
    return noted(figure, "simulated") if simulated else figure


@house
def noted(figure, *notes):
    """The figure with more words in its note: right of the title, or below it where there is no room."""
    for old in [text for text in figure.texts if text.get_gid() == "note"]:
        notes = (old.get_text(), *notes)
        old.remove()
    title, words = figure.get_suptitle().rstrip("\n "), " · ".join(filter(None, notes))
    below = len(title) * 0.092 + len(words) * 0.062 > WIDTH_IN - 0.3
    figure.suptitle(title + "\n " * below, x=0.005, ha="left", fontsize=10, fontweight="bold")
    top = 1 - (0.06 + 0.17 * below) / figure.get_figheight()
    grey = {"fontsize": 8, "fontstyle": "italic", "color": "#444444"}
    figure.text(0.995, top, words, ha="right", va="top", gid="note", **grey)
    return figure
