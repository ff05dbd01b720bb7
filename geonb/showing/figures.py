"""Static figures from tables: every function takes tables and returns a matplotlib Figure that is shown once.

Figures are 7.6 inches wide (760 px in the book), on white, in colours that colour-blind readers can tell apart, and
they say "simulated" in the picture itself where their data are. Text from tables is never read as mathematics, and goes
through ``short``.
"""

import functools
import textwrap

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm, PowerNorm
from matplotlib.font_manager import findfont, fontManager, get_font
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from PIL import Image, ImageOps

from geonb.earth.sphere import centre, check_lat_lon_deg, equal_earth, to_local_m

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


# ---------------------------------------------------------------------------------------------- photos


@house_style
def contact_sheet(pictures, titles, columns=6, simulated=False):
    """Figure of pictures (PIL images) in rows, each with its title above it."""
    if len(pictures) == 0:
        raise ValueError("there are no pictures: a contact sheet needs at least one")
    if len(pictures) != len(titles):
        raise ValueError(f"{len(pictures)} pictures but {len(titles)} titles: give one title per picture")
    rows = -(-len(pictures) // columns)
    figure, axes = panels(rows * columns, columns, height_in=WIDTH_IN / columns + 0.2)
    for ax in axes:
        ax.set_axis_off()
    for ax, picture, title in zip(axes, pictures, titles, strict=False):
        ax.imshow(ImageOps.contain(picture.convert("RGB"), (320, 320), Image.Resampling.LANCZOS))
        ax.set_title("\n".join(textwrap.wrap(short(title, 180 // columns), 96 // columns)[:2]), fontsize=7, pad=2)
    return with_note(figure, simulated)


@house_style
def photo_counts(photos, simulated=False):
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
    return with_note(figure, simulated)


# ---------------------------------------------------------------------------------------------- the laboratory


@house_style
def field_maps(layers, half_side_m, points, names, simulated=True):
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
    return with_note(figure, simulated)


@house_style
def planted_curves(curves, simulated=True):
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
    return with_note(figure, simulated)


@house_style
def ensemble(observed, truth, simulated=True):
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
    return with_note(figure, simulated)


@house_style
def probes(table, simulated=True):
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
    return with_note(figure, simulated)


# ---------------------------------------------------------------------------------------------- what towers know


@house_style
def depth(table, simulated=False):
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
    return with_note(figure, simulated)


@house_style
def readout(table, simulated=False):
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
    return with_note(figure, simulated)


@house_style
def doses(table, simulated=True):
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
    return with_note(figure, simulated, "numbers: share of the fields' phrases kept")


@house_style
def scenes(table, simulated=True):
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
    return with_note(figure, simulated)


# ---------------------------------------------------------------------------------------------- semivariograms


@house_style
def semivariogram(lags, fits, simulated, curves=None):
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
    return with_note(figure, simulated, note)


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
    return with_note(figure, False)


@house_style
def recovered_ranges(trials, simulated=True):
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
    return with_note(figure, simulated)


@house_style
def by_surroundings(table, radius_m, simulated=False):
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
    return with_note(figure, simulated)


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
def coherence(lags, simulated=False):
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
    return with_note(figure, simulated)


@house_style
def hexagons(table, outline, simulated=False):
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
    return with_note(figure, simulated)


@house_style
def worst_arrows(table, simulated=False):
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
    return with_note(figure, simulated)


VERDICTS = {"better": COLOURS[0], "worse": COLOURS[1], "mixed": PALE}


@house_style
def replicability(table, outline, simulated=False):
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
    return with_note(figure, simulated)


@house_style
def local_clusters(table, kinds, simulated=False):
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
    return with_note(figure, simulated)


@house_style
def measures(table, meanings, simulated=False):
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
    return with_note(figure, simulated)


@house_style
def embedding_maps(table, simulated=False):
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
    return with_note(figure, simulated)


def mean_over_cities(lags, name, value):
    """One row per method, stage and lag: distance and semivariance averaged by pairs."""
    weighed = lags.dropna(subset=[value]).assign(
        distance_m=lambda t: t["distance_m"] * t["pairs"], **{value: lambda t: t[value] * t["pairs"]}
    )
    keys = [name, "stage", "lag_from_m", "lag_to_m"]
    total = weighed.groupby(keys, sort=False)[["distance_m", value, "pairs"]].sum()
    mean = total[["distance_m", value]].div(total["pairs"], axis=0)
    return mean.reset_index().sort_values([name, "stage", "lag_from_m"], kind="stable")


# ---------------------------------------------------------------------------------------------- splits


@house_style
def split_maps(points, simulated):
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
    return with_note(figure, simulated, short(points["city"].iloc[0], 60))


@house_style
def nearest_train_cdf(nearest, simulated=False, yardstick_m=None):
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
    return with_note(figure, simulated)


# ---------------------------------------------------------------------------------------------- targets


@house_style
def target_matrices(targets, simulated=False):
    """Figure of target matrices (n, n) side by side: row = photo, column = candidate, colour = target probability."""
    if not targets:
        raise ValueError("there are no target matrices: give {name: (n, n) array}")
    shapes = {name: np.shape(target) for name, target in targets.items()}
    if len(set(shapes.values())) > 1 or any(len(s) != 2 for s in shapes.values()):
        raise ValueError(f"the matrices must be (n, n) of one batch, not {shapes}")
    columns = min(len(targets), 4)
    figure, axes = panels(len(targets), columns, height_in=WIDTH_IN / max(columns, 2) * 0.92, sharex=True, sharey=True)
    # Square-root colours: beside the 1 of a one-hot target, soft ones would vanish on a linear scale.
    norm = PowerNorm(0.5, vmin=0, vmax=max(np.max(target) for target in targets.values()))
    for ax, (name, target) in zip(axes, targets.items(), strict=True):
        image = ax.imshow(target, cmap="cividis", norm=norm, interpolation="nearest")
        ax.set_title(short(name, 96 // columns))
        ax.grid(visible=False)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(4, integer=True))
    figure.colorbar(image, ax=list(axes), label="target probability [1]", shrink=0.85, pad=0.02)
    label_outer(figure, axes, "candidate in the batch [index]", "photo in the batch [index]")
    return with_note(figure, simulated)


@house_style
def target_on_ground(positions_m, weights, anchor, simulated=False):
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
    return with_note(figure, simulated)


# ---------------------------------------------------------------------------------------------- training and errors


@house_style
def training_curves(curve, simulated=False):
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
    return with_note(figure, simulated, short(curve["line"].iloc[0], 60) if seeds_apart else "")


@house_style
def ratios(table, other, simulated=False):
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
    return with_note(figure, simulated)


@house_style
def pair_cloud(pairs, guide, simulated=False):
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
    return with_note(figure, simulated)


@house_style
def detection(table, simulated=False):
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
    return with_note(figure, simulated)


@house_style
def nulls(table, simulated=False):
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
    return with_note(figure, simulated)


@house_style
def by_city(table, what, simulated=False):
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
    return with_note(figure, simulated, note)


@house_style
def by_distance(table, simulated=False):
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
    return with_note(figure, simulated)


@house_style
def responses(table, beside, simulated=True):
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
    return with_note(figure, simulated)


DOSES = {  # what the values of a dose are
    "range": "planted ranges [factor]",
    "nugget": "nugget [variance]",
    "photos per city": "photos per city [count]",
    "city means": "city means [sd]",
    "noise": "noise of the tower [factor]",
    "bandwidth": "bandwidth [m]",
}


@house_style
def learning_curves(curve, simulated=False):
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
    return with_note(figure, simulated)


@house_style
def error_cdf(errors, simulated=False):
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
    return with_note(figure, simulated)


def mean_share_within(errors, grid_m):
    """Share of photos (len(grid_m),) with at most that error, averaged over seeds."""
    return np.mean(
        [np.searchsorted(np.sort(e), grid_m, side="right") / len(e) for _, e in errors.groupby("seed")["error_m"]],
        axis=0,
    )


@house_style
def comparison(compare, metric, split, simulated=False):
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
    return with_note(figure, simulated)


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


@house_style
def error_maps(errors, simulated):
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
    return with_note(figure, simulated, " · ".join(part for part in (short(layers[0], 60), note) if part))


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


def local_m(table):
    """East and north (n, 2) in metres from the centre of the table's positions."""
    lat_lon_deg = check_lat_lon_deg(table[["lat_deg", "lon_deg"]].to_numpy())
    return to_local_m(lat_lon_deg, centre(lat_lon_deg))


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


def with_note(figure, simulated, note=""):
    """The figure with a small line at its top right: a note, "simulated", and which characters no font has."""
    ticks = [tick for ax in figure.axes for tick in (*ax.get_xticklabels(), *ax.get_yticklabels())]
    lacking = any(NO_GLYPH in text.get_text() for text in [*figure.findobj(Text), *ticks])
    notes = (note, "simulated" if simulated else "", HOW_TO_DRAW if lacking else "")
    words = " · ".join(word for word in notes if word)
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
