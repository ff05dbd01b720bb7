"""Static figures from tables: every function takes tables and returns a matplotlib Figure that is shown once.

Figures are 7.6 inches wide (760 px in the book), on white, in colours that colour-blind readers can tell apart; pages
show them through ``marked``, which writes "simulated" into the picture where its data are. Text from tables is never
read as mathematics, and goes through ``short``.
"""

import functools

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.font_manager import findfont, fontManager, get_font
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

WIDTH_IN = 7.6
CITIES_AT_MOST = 8  # panels that stay legible at the book's width
# Okabe and Ito (2008), without yellow, which white paper swallows; black and line styles follow when they run out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))
GREY, PALE = "#767676", "#d9d9d9"
PARTS = {
    "buffer": ("#A8A8A8", "x"),
    "train": ("#0072B2", "o"),
    "validation": ("#009E73", "^"),
    "test": ("#D55E00", "s"),
}
SPLITS = ("random", "other_drive", "blocked", "unseen_city", "official")
# Names of places come in every script; DejaVu Sans has no Chinese, Japanese or Korean.
EAST_ASIAN_FONTS = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Droid Sans Fallback", "Hiragino Sans", "Malgun Gothic")
FALLBACK_FONTS = sorted({font.name for font in fontManager.ttflist} & set(EAST_ASIAN_FONTS))
FONTS = ["DejaVu Sans", *FALLBACK_FONTS]
NO_GLYPH = "\N{WHITE VERTICAL RECTANGLE}"
HOW_TO_DRAW = f"{NO_GLYPH}: no font here has this character; Debian's fonts-noto-cjk has East Asian ones"
HOUSE = {
    "figure.facecolor": "white",
    "figure.dpi": 150,  # twice what the book shows, for sharp screens
    "savefig.facecolor": "white",
    "axes.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "font.family": FONTS,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "text.parse_math": False,
}
house_style = mpl.rc_context(HOUSE)


# ---------------------------------------------------------------------------------------------- tables


def need(table, columns, what):
    """ValueError when a table is empty or lacks a column."""
    missing = [column for column in columns if column not in table]
    if missing:
        raise ValueError(f"the table of {what} has no column {missing}; it has {list(table.columns)}")
    if len(table) == 0:
        raise ValueError(f"the table of {what} is empty: there is nothing to draw")


def chosen_cities(weight):
    """Names of the at most eight heaviest cities in the order given, and a note where some were left out."""
    if len(weight) <= CITIES_AT_MOST:
        return list(weight.index), ""
    heaviest = set(weight.sort_values(ascending=False, kind="stable").index[:CITIES_AT_MOST])
    return [c for c in weight.index if c in heaviest], f"{CITIES_AT_MOST} of {len(weight)} cities, the largest samples"


def layer_names(table):
    """Name of each row's method, with the split where the table has several."""
    splits = table["split"].nunique() if "split" in table else 1
    return table["method"].astype(str) + (", " + table["split"].astype(str) if splits > 1 else "")


def short(text, length):
    """Text from a table as a figure can show it: on one line of at most that many characters.

    NO_GLYPH stands for each character that no font here has; with_note then says which package does.
    """
    text = "".join(c if ord(c) in drawable() else NO_GLYPH for c in " ".join(str(text).split()))
    return text if len(text) <= length else text[: length - 1] + "…"


@functools.cache
def drawable():
    """The code points that the fonts of the house style can draw."""
    return frozenset().union(*(get_font(findfont(name)).get_charmap() for name in FONTS))


# ---------------------------------------------------------------------------------------------- parts of figures


def panels(count, columns, *, height_in, sharex=False, sharey=False):
    """A Figure that pyplot does not keep, and its axes (count,), row by row; height_in is one row's height."""
    rows = -(-count // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(WIDTH_IN, min(rows * height_in + 0.5, 11)),
        sharex=sharex,
        sharey=sharey,
        squeeze=False,
        layout="constrained",
    )
    plt.close(figure)  # else a notebook shows it twice: as the cell's value and from pyplot's registry
    axes = axes.ravel()
    for spare in axes[count:]:
        spare.remove()
    for ax in axes[:count]:
        ax.tick_params(labelsize=8)
    if sharex and count % columns:  # above a removed panel the distances would be missing
        for ax in axes[count - columns : count]:
            ax.xaxis.set_tick_params(labelbottom=True)
    return figure, axes[:count]


def grid_columns(count):
    """Columns of a grid of panels that reads well at the book's width."""
    return {1: 1, 2: 2, 3: 3, 4: 2, 5: 3, 6: 3}.get(count, 4)


def label_outer(figure, axes, xlabel, ylabel):
    """Label the lowest panel of every column, and the figure once at its left."""
    columns = {ax.get_subplotspec().colspan.start: ax for ax in axes}  # the last one of a column wins
    for ax in columns.values():  # not supxlabel: a legend below the panels would cover it
        ax.set_xlabel(xlabel, fontsize=9 if len(columns) < 4 else 8)
    figure.supylabel(ylabel, fontsize=9)


def with_note(figure, note=""):
    """The figure with a small line at its top right: a note, and which characters no font has."""
    ticks = [tick for ax in figure.axes for tick in (*ax.get_xticklabels(), *ax.get_yticklabels())]
    lacking = any(NO_GLYPH in text.get_text() for text in [*figure.findobj(Text), *ticks])
    return noted(figure, note, HOW_TO_DRAW if lacking else "")


@house_style
def marked(figure, simulated):
    """The figure with the word "simulated" in its note where its data are."""
    return noted(figure, "simulated") if simulated else figure


def noted(figure, *notes):
    """The figure with more words in its note."""
    words = " · ".join(word for word in (figure.get_suptitle(), *notes) if word)
    if words:
        figure.suptitle(words, x=0.995, ha="right", fontsize=8, fontstyle="italic", color="#444444")
    return figure


def bottom_legend(figure, marks):
    """One legend below all panels."""
    for mark in marks:
        mark.set_label(short(mark.get_label(), 60))
    widest = max(len(mark.get_label()) for mark in marks)
    columns = max(1, min(len(marks), int(135 / (widest + 7))))
    figure.legend(handles=marks, loc="outside lower center", ncols=columns)


def dot(colour, label, marker="o"):
    """A legend mark for points."""
    return Line2D([], [], ls="", marker=marker, color=colour, ms=5, label=label)


def line_mark(colour, dashes, label):
    """A legend mark for lines."""
    return Line2D([], [], color=colour, ls=dashes, label=label)


def cycle_colours(count=70):
    """Colours in order, from the start again when they run out."""
    return [COLOURS[i % len(COLOURS)] for i in range(count)]


def cycle_styles(count=70):
    """Pairs (colour, line style) that stay different for 28 lines."""
    return [(COLOURS[i % len(COLOURS)], DASHES[i // len(COLOURS) % len(DASHES)]) for i in range(count)]


def method_styles(table):
    """{method: (colour, line style)}: colours for methods, grey broken lines for trivial rows and references."""
    kind = table.drop_duplicates("method").set_index("method")["kind"] if "kind" in table else {}
    plain = [m for m in table["method"].unique() if len(kind) == 0 or kind[m] == "method"]
    grey = [m for m in table["method"].unique() if m not in plain]
    greys = [("#6b6b6b", DASHES[1 + i % 3]) if i < 3 else ("#a3a3a3", DASHES[1 + i % 3]) for i in range(len(grey))]
    return dict(zip(plain, cycle_styles(), strict=False)) | dict(zip(grey, greys, strict=True))


def show_nothing_as_nothing(axis, span=0.1):
    """Widen an axis of shares that shows hardly more than zero, so that noise does not fill the panel."""
    low, high = axis.get_view_interval()
    if high - low < span:
        axis.set_view_interval(min(low, -span / 2), max(high, span / 2), ignore=True)


def round_ticks(axis, ticks):
    """Give an axis few round ticks with thousands separators."""
    axis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value == round(value) else f"{value:g}"))


def log_metres(axis, low, high, ticks=7, unit="m"):
    """Give a logarithmic axis ticks in words: 50 m, 1 km, 1,000 km; more per decade where there are few decades."""
    decades = np.log10(high / low) if 0 < low < high else 1
    subs = (1, 2, 5) if decades * 3 <= ticks else (1, 3) if decades * 2 <= ticks else (1,)
    scale = 1_000 if unit == "km" else 1
    if axis.get_scale() == "log":
        axis.set_major_locator(LogLocator(subs=subs, numticks=ticks + 2))
        axis.set_minor_locator(LogLocator(subs=range(2, 10), numticks=99))
    axis.set_major_formatter(FuncFormatter(lambda value, _: metres_in_words(value * scale)))
    axis.set_minor_formatter(NullFormatter())


def metres_in_words(length_m):
    """A tick's text: 0, 20 m, 5 km."""
    return f"{length_m:g} m" if abs(length_m) < 1_000 else f"{length_m / 1_000:,g} km"
