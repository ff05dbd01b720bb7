"""Figures of page 15: whether a promised radius holds, and what is gained by answering only where one is sure.

Apart from `figures`, which every training imports: what changes here makes no training run again.
"""

from geonb import figures
from geonb.figures import COLOURS, GREY, house_style

ORDERS = {"radius": (COLOURS[0], "-"), "chance": (GREY, "--"), "oracle": ("black", ":")}
WORDS = {
    "radius": "smallest radius first",
    "chance": "in any order",
    "oracle": "smallest error first (nobody knows it)",
}


@house_style
def coverage(table, simulated=False):
    """Figure of measured against nominal coverage, one panel per split and one colour per rule: conformal.COVERAGE.

    On the grey line the promise is kept exactly; below it the radius is too small.
    """
    figures.need(table, ("split", "rule", "level", "coverage", "low", "high"), "coverage")
    splits, rules = list(table["split"].unique()), list(table["rule"].unique())
    figure, axes = figures.panels(
        len(splits), figures.grid_columns(len(splits)), height_in=2.7, sharex=True, sharey=True
    )
    for ax, split in zip(axes, splits, strict=True):
        ax.plot([0, 1], [0, 1], color=GREY, lw=0.9)
        for k, rule in enumerate(rules):
            own = table[(table["split"] == split) & (table["rule"] == rule)]
            at = own["level"] + 0.012 * (k - (len(rules) - 1) / 2)
            ax.vlines(at, own["low"], own["high"], color=COLOURS[k], lw=1.3)
            ax.plot(at, own["coverage"], "o", color=COLOURS[k], ms=4)
        ax.set_title(split)
        ax.set(xlim=(table["level"].min() - 0.08, 1.02), ylim=(0, 1.02))
    figures.label_outer(figure, axes, "nominal coverage [share]", "measured coverage [share]")
    figures.bottom_legend(figure, [figures.dot(COLOURS[k], f"{rule} radius") for k, rule in enumerate(rules)])
    return figures.with_note(figure, simulated)


@house_style
def risk(table, simulated=False):
    """Figure of the error of the surest photos by the share that is answered, one panel per split: conformal.RISK."""
    figures.need(table, ("split", "order", "share", "error_m"), "risk")
    splits = list(table["split"].unique())
    figure, axes = figures.panels(len(splits), figures.grid_columns(len(splits)), height_in=2.7, sharey=True)
    for ax, split in zip(axes, splits, strict=True):
        for order, (colour, dashes) in ORDERS.items():
            own = table[(table["split"] == split) & (table["order"] == order)]
            ax.plot(own["share"], own["error_m"], color=colour, ls=dashes, lw=1.5)
        ax.set_title(split)
        ax.set(xlim=(0, 1.02), yscale="log")
        figures.log_metres(ax.yaxis, table["error_m"].min(), table["error_m"].max())
    figures.label_outer(figure, axes, "photos answered [share]", "geometric mean error [m, km]")
    figures.bottom_legend(figure, [figures.line_mark(*marks, WORDS[name]) for name, marks in ORDERS.items()])
    return figures.with_note(figure, simulated)
