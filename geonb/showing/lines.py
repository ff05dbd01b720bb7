"""Lines against a distance, a step or a share, with bands, intervals or dots where the table has them."""

import numpy as np
import pandas as pd

from geonb.earth.sphere import length
from geonb.showing import style


@style.house
def curves(table, title, *, x, y, name, panel=None, dotted=False, level=None):
    """Figure of lines: one for every name in column `name` and seed, if there is such a column, in each panel.

    x, y, name, panel: columns; style.LABELS has what x and y are, or, where y holds another quantity in each panel,
    what the panels are. low and high are drawn where the table has them, as intervals of dots if dotted, else as a
    band. level: where a horizontal line stands.
    """
    style.need(table, (x, y, name, panel), title)
    groups, _ = style.by_panel(table, panel)
    looks, one, parts = style.looks(table[name]), y in style.LABELS, [name] + ["seed"] * ("seed" in table)
    figure, axes = style.panels(len(groups), sharex=one, sharey=one)
    for ax, (title_of_panel, here) in zip(axes, groups.items(), strict=True):
        for (shade, *_), rows in here.dropna(subset=y).groupby(parts, sort=False):
            draw(ax, rows.sort_values(x, kind="stable"), x, y, looks[shade], dotted)
        if level is not None:
            ax.axhline(level, color=style.GREY, lw=0.8)
        ax.set_title(style.short(title_of_panel, 60) if one else "")
    style.label(axes, style.LABELS[x], style.LABELS[y] if one else [style.LABELS[quantity] for quantity in groups])
    marks = [style.line(name, colour, dashes, mark * dotted) for name, (colour, dashes, mark) in looks.items()]
    style.legend(figure, marks)
    return style.titled(figure, title)


def draw(ax, rows, x, y, look, dotted):
    """Draw one line with its dots and intervals, or with its band."""
    colour, dashes, marker = look
    if "low" in rows and dotted:
        ax.vlines(rows[x], rows["low"], rows["high"], color=colour, lw=1)
    elif "low" in rows:
        ax.fill_between(rows[x], rows["low"], rows["high"], color=colour, alpha=0.15, lw=0)
    ax.plot(rows[x], rows[y], color=colour, ls=dashes, lw=1.3, marker=marker * dotted, ms=3.5)


@style.house
def semivariograms(lags, fits=None, fitted=None):
    """Figure of semivariances (mean cosine distance) by distance, one panel per city, with fits and planted truth.

    A dot's area grows with its pairs. lags: city, distance_m, semivariance, pairs, and where there are any low, high,
    envelope_low, envelope_high, planted. fits: city, effective_range_m, flag; fitted: city, distance_m, semivariance.
    """
    title = "Semivariance of image features by distance"
    style.need(lags, ("city", "distance_m", "semivariance", "pairs"), title)
    groups, note = style.by_panel(lags, "city")
    figure, axes = style.panels(len(groups), sharex=True, sharey=True)
    for ax, (city, here) in zip(axes, groups.items(), strict=True):
        draw_lags(ax, here, lags["pairs"].max())
        if fits is not None:
            draw_fit(ax, fits[fits["city"] == city], fitted[fitted["city"] == city])
        ax.set_title(style.short(city, 40))
    axes[0].set_xlim(0, lags["distance_m"].max() * 1.04)
    style.label(axes, style.LABELS["distance_m"], style.LABELS["semivariance"])
    marks = {"pairs": style.dot("pairs of photos", style.BLUE), "planted": style.line("planted shape", "black", "--"),
             "envelope_low": style.line("where curves lie if places are permuted", style.PALE, width=6)}  # fmt: skip
    marks = [mark for column, mark in marks.items() if column in lags and lags[column].notna().any()]
    style.legend(figure, marks + ([] if fits is None else [style.line("effective range", style.GREY, ":")]))
    return style.titled(figure, title, note)


def draw_lags(ax, lags, most_pairs):
    """Draw the lags of one city: dots, their intervals, the envelope of permuted places and the planted curve."""
    lags = lags.dropna(subset="distance_m")
    if "envelope_low" in lags:
        ax.fill_between(lags["distance_m"], lags["envelope_low"], lags["envelope_high"], color=style.PALE, lw=0)
    if "low" in lags:
        ax.vlines(lags["distance_m"], lags["low"], lags["high"], color=style.BLUE, lw=0.9, alpha=0.6)
    size = 6 + 40 * lags["pairs"] / most_pairs
    ax.scatter(lags["distance_m"], lags["semivariance"], size, color=style.BLUE, alpha=0.75, lw=0)
    if "planted" in lags:
        ax.plot(lags["distance_m"], lags["planted"], color="black", ls="--", lw=1)


def draw_fit(ax, fit, fitted):
    """Draw one fitted curve, and its effective range with its interval, or the flag that says why there is none."""
    ax.plot(fitted["distance_m"], fitted["semivariance"], color=style.BLUE, lw=1.4)
    for row in fit.to_dict("records"):
        if isinstance(row["flag"], str) and row["flag"]:
            words = style.short(row["flag"], 34)
            ax.text(0.97, 0.04, words, transform=ax.transAxes, fontsize=7, color=style.BLUE, ha="right")
        elif np.isfinite(row["effective_range_m"]):
            ax.axvline(row["effective_range_m"], color=style.BLUE, ls=":", lw=1.2)
            if np.isfinite(row.get("range_low_m", np.nan)):
                right = min(row["range_high_m"], ax.dataLim.x1)
                ax.axvspan(row["range_low_m"], right, color=style.BLUE, alpha=0.1, lw=0)


@style.house
def pair_cloud(pairs, guide):
    """Figure of pairs by distance and dissimilarity, with the curve, its spread and where negatives are suspected.

    pairs: distance_m, similarity; guide: distance_m, dissimilarity, spread (K,) and range_m, see negatives.Guide.
    """
    title = "Pairs of photos by distance and dissimilarity"
    style.need(pairs, ("distance_m", "similarity"), title)
    figure, (ax,) = style.panels(1, 3.6)
    low = max(pairs["distance_m"].min(), 1.0)
    high = max(pairs["distance_m"].max(), 1.1 * low)  # one pair alone has no extent
    ax.set(xscale="log", xlim=(low, high), ylim=(0, max(1.2, (1 - pairs["similarity"]).max())))
    ax.hexbin(pairs["distance_m"], 1 - pairs["similarity"], xscale="log", gridsize=60, bins="log", cmap="Greys", lw=0)
    at = np.geomspace(low, high, 400)
    curve, spread = (np.interp(at, guide.distance_m, values) for values in (guide.dissimilarity, guide.spread))
    ax.plot(at, curve, color=style.BLUE, lw=1.8)
    for side, colour in ((at <= guide.range_m, style.GREEN), (at > guide.range_m, style.ORANGE)):
        ax.fill_between(at, 0, curve - spread, where=side, color=colour, alpha=0.22, lw=0)
    ax.axvline(guide.range_m, color=style.GREY, lw=0.8, ls="--")
    style.label([ax], "distance on the ground [m, km]", "1 - similarity of frozen features [1]")
    near = style.dot("near, more alike than a spread: false negative?", style.GREEN, "s")
    far = style.dot("far, more alike than a spread: hard negative?", style.ORANGE, "s")
    style.legend(figure, [style.line("expected: the semivariogram", style.BLUE), near, far])
    return style.titled(figure, title)


def nearest_train(table, yardstick_m):
    """Figure of the share of test photos that have a training photo within a distance: split, nearest_train_m."""
    table = table.rename(columns={"nearest_train_m": "within_m"}).dropna(subset="within_m")
    table = table.assign(share=table.groupby("split")["within_m"].rank(method="max", pct=True))
    title = "Test photos with a training photo within a distance"
    figure = curves(table, title, x="within_m", y="share", name="split")
    figure.axes[0].axvline(yardstick_m, color=style.GREY, ls=":", lw=1.2)
    return style.noted(figure, f"dotted: yardstick, {length(yardstick_m)}")


def error_cdf(errors):
    """Figure of the share of photos placed within a distance, all seeds together: split, method, error_m."""
    title = "Share of photos placed within a distance"
    table = errors[["split", "method"]].assign(off_m=errors["error_m"].clip(max(errors["error_m"].quantile(0.002), 1)))
    table["share"] = table.groupby(["split", "method"])["off_m"].rank(method="max", pct=True)
    return curves(table, title, x="off_m", y="share", name="method", panel="split")


def training_curves(table):
    """Figure of loss and validation error of one method: method, split, seed, step, loss, validation_error_m."""
    long = table.melt(["split", "seed", "step"], ["loss", "validation_error_m"], "what", "found")
    title = f"Training of {', '.join(table['method'].unique())}"
    return curves(long, title, x="step", y="found", name="split", panel="what")


def learning_curves(table):
    """Figure of the best validation error so far: geometric mean over seeds, one line per method.

    table: method, split, seed, step, validation_error_m; ValueError where it is of several splits.
    """
    splits = ", ".join(table["split"].unique())
    if len(set(table["split"])) > 1:
        raise ValueError(f"learning curves are of one split, not of {splits}")
    seen = table.dropna(subset="validation_error_m").sort_values("step")
    seen = seen.assign(best_m=np.log(seen.groupby(["method", "seed"])["validation_error_m"].cummin()))
    means = np.exp(seen.groupby(["method", "step"], sort=False)["best_m"].mean()).reset_index()
    return curves(means, f"Best validation error so far, {splits}", x="step", y="best_m", name="method")


def coverage(table):
    """Figure of measured against nominal coverage, conformal.COVERAGE; below the grey line a radius is too small."""
    kept = table.assign(rule="exactly as promised", coverage=table["level"], low=np.nan, high=np.nan)
    both = pd.concat([kept, table.assign(rule=table["rule"] + " radius")])
    title = "Does the radius hold the truth as often as promised?"
    return curves(both, title, x="level", y="coverage", name="rule", panel="split", dotted=True)


def doses(table):
    """Figure of R2 of towers and of the words that taught them: split, aim, share, words_r2, tower_r2, low, high."""
    title = "What a tower knows against what its words said"
    figure = curves(table, title, x="words_r2", y="tower_r2", name="split", panel="aim", dotted=True, level=0)
    shares = ", ".join(map("{:.0%}".format, np.unique(table["share"])))
    return style.noted(figure, f"dots: {shares} of the phrases kept")


def planted_curves(table):
    """Figure of each field's semivariogram at the photos' places, within the band of its redraws, beside the truth.

    table: field, distance_m, semivariance, planted, low, high; one city.
    """
    table = table.assign(field=table["field"].str.replace("_", " ")).rename(columns={"semivariance": "this city"})
    both = table.melt(["field", "distance_m", "low", "high"], ["planted", "this city"], "name", "of_sill")
    both.loc[both["name"] != "planted", ["low", "high"]] = np.nan
    title = "Semivariograms of the planted fields of one city"
    figure = curves(both, title, x="distance_m", y="of_sill", name="name", panel="field")
    return style.noted(figure, "band: 95 % of redraws")


def ensemble(observed, truth):
    """Figure of each city's semivariogram beside redrawn cities: distance_m, semivariance, and city, or low, high."""
    both = pd.concat([truth.assign(city="mean of redrawn cities"), observed.assign(low=np.nan, high=np.nan)])
    title = "Semivariograms of the embedding against redrawn cities"
    figure = curves(both, title, x="distance_m", y="semivariance", name="city")
    return style.noted(figure, "band: 95 % of redrawn cities")
