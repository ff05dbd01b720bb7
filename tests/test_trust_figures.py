import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from geonb import conformal, trust_figures


def made_coverage():
    rows = [(split, rule, level, level - 0.03, level - 0.06, level) for split in ("blocked", "unseen_city")
            for rule in conformal.RULES for level in (0.5, 0.9)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["split", "rule", "level", "coverage", "low", "high"])
    table.loc[table.split == "unseen_city", ["low", "high"]] = np.nan
    return table


def made_risk():
    rows = [(split, order, share, 100 + 1e4 * share) for split in ("blocked", "unseen_city")
            for order in trust_figures.ORDERS for share in (0.25, 0.5, 1.0)]  # fmt: skip
    return pd.DataFrame(rows, columns=list(conformal.RISK))


FIGURES = {"coverage": (trust_figures.coverage, made_coverage), "risk": (trust_figures.risk, made_risk)}


@pytest.mark.parametrize(("draw", "table"), FIGURES.values(), ids=FIGURES)
def test_a_figure_says_simulated_has_units_is_shown_once_and_its_legend_covers_nothing(draw, table):
    figure = draw(table(), simulated=True)
    words = [text.get_text() for text in figure.findobj(Text)]
    assert "simulated" in words
    assert {"blocked", "unseen_city"} <= set(words)
    assert all("[" in label for label in (figure.axes[-1].get_xlabel(), figure.get_supylabel()))
    assert plt.get_fignums() == []
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert not any(box.overlaps(ax.get_tightbbox()) for ax in figure.axes)
    assert "simulated" not in [text.get_text() for text in draw(table()).findobj(Text)]


@pytest.mark.parametrize(("draw", "table"), FIGURES.values(), ids=FIGURES)
def test_nothing_to_draw_and_a_missing_column_are_said_in_words(draw, table):
    with pytest.raises(ValueError, match="is empty"):
        draw(table()[:0])
    with pytest.raises(ValueError, match="no column"):
        draw(table().drop(columns="split"))


def test_the_chart_of_promises_has_a_diagonal():
    line = trust_figures.coverage(made_coverage()).axes[0].lines[0]
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())
