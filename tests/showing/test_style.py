"""What every static figure promises; what single ones do stands in the tests of their files."""

import warnings
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from PIL import Image

from geonb.learning.methods import METHODS
from geonb.showing import intervals, lines, map_figures, pictures, style
from tests.showing import example_tables as t

GUIDE = SimpleNamespace(distance_m=np.array([100.0, 900.0]), dissimilarity=np.array([0.3, 0.8]),
                        spread=np.array([0.1, 0.1]), range_m=300.0)  # fmt: skip


FIGURES = {  # name: (figure of tables, its tables)
    "photo_counts": (intervals.photo_counts, t.PHOTOS),
    "comparison": (lambda table: intervals.comparison(table, "blocked"), t.COMPARISON),
    "ratios": (lambda table: intervals.ratios(table, "clip"), t.RATIOS),
    "by_city": (lambda table: intervals.by_city(table, "ours over other"), t.BY_CITY),
    "by_surroundings": (lambda table: intervals.by_surroundings(table, 300.0), t.SURROUNDINGS),
    "dots": (lambda table: intervals.dots(table, "Dots", row="method", value="median_error_m"), t.NULLS),
    "responses": (lambda table: intervals.responses(table, table[:1]), t.RESPONSES),
    "recovered_ranges": (intervals.recovered_ranges, t.TRIALS),
    "semivariograms": (lines.semivariograms, t.LAGS, t.FITS, t.LAGS),
    "doubt": (lines.semivariograms, t.DOUBT, t.DOUBTFUL_FITS, t.LAGS),
    "pair_cloud": (lambda table: lines.pair_cloud(table, GUIDE), t.PAIRS),
    "nearest_train": (lambda table: lines.nearest_train(table, 200.0), t.NEAREST),
    "training_curves": (lines.training_curves, t.CURVE),
    "learning_curves": (lines.learning_curves, t.CURVE),
    "error_cdf": (lines.error_cdf, t.errors()),
    "coverage": (lines.coverage, t.COVERAGE),
    "curves": (lambda table: lines.curves(table, "Risk", x="share", y="error_m", name="order", level=9), t.RISK),
    "doses": (lines.doses, t.DOSES),
    "planted_curves": (lines.planted_curves, t.PLANTED),
    "ensemble": (lambda table: lines.ensemble(table, table.assign(low=0.1, high=2.0)), t.LAGS),
    "split_maps": (map_figures.split_maps, t.POINTS),
    "target": (map_figures.target, t.HERE),
    "error_maps": (map_figures.error_maps, t.ERRORS),
    "hexagons": (map_figures.hexagons, t.CELLS),
    "cells": (lambda table: map_figures.on_ground(table, "Cells", colour="verdict"), t.CELLS),
    "arrows": (lambda table: map_figures.on_ground(table, "Arrows"), t.ERRORS),
    "embedding_maps": (map_figures.embedding_maps, t.errors().assign(score=0.5)),
}
WITHOUT_TABLES = {
    "target_matrices": lambda: pictures.target_matrices({"one-hot": np.eye(9), "soft": np.full((9, 9), 1 / 9)}),
    "field_maps": lambda: map_figures.field_maps(np.zeros((5, 9, 9)), 450.0, np.zeros((3, 2)), list("abcde")),
    "contact_sheet": lambda: pictures.contact_sheet([Image.new("RGB", (9, 9))] * 3, list("abc"), "Photos"),
}


def made(name, change=lambda table: table):
    """One of the figures, of its tables changed in some way."""
    if name in WITHOUT_TABLES:
        return WITHOUT_TABLES[name]()
    draw, *given = FIGURES[name]
    return draw(*map(change, given))


def drawn(figure):
    """The texts of a figure once it is drawn; a warning, as of a missing glyph, is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.draw_without_rendering()
    return t.texts(figure)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*FIGURES, *WITHOUT_TABLES])
def test_every_figure_is_white_has_a_title_and_units_says_simulated_is_shown_once_and_nothing_is_covered(name):
    figure = style.marked(made(name), True)
    labels = [label for ax in figure.axes for label in (ax.get_xlabel(), ax.get_ylabel())]
    labels = [label for label in (*labels, figure.get_supylabel()) if label]
    assert bool(labels) == (name != "contact_sheet")
    assert all("[" in label and "]" in label for label in labels)
    assert figure.get_suptitle().strip()
    assert "simulated" in " ".join(drawn(figure))
    assert "simulated" not in " ".join(t.texts(style.marked(made(name), False)))
    assert to_rgb(figure.get_facecolor()) == (1, 1, 1)
    assert plt.get_fignums() == []
    axes = [ax.get_tightbbox() for ax in figure.axes]
    boxes = [text.get_window_extent() for text in figure.texts if text.get_text()]
    for box in [legend.get_window_extent() for legend in figure.legends] + boxes:
        assert not any(box.overlaps(other) for other in axes)
    for box in [*axes, *boxes]:
        assert min(box.x0, box.y0) >= -1
        assert box.x1 <= figure.bbox.x1 + 1
        assert box.y1 <= figure.bbox.y1 + 1


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_to_draw_is_said_in_words(name):
    with pytest.raises(ValueError, match="is empty"):
        made(name, lambda table: table[:0])


@pytest.mark.parametrize(
    ("name", "column"),
    [("ratios", "p_holm"), ("ratios", "split"), ("semivariograms", "pairs"), ("error_cdf", "error_m"),
     ("curves", "share"), ("error_maps", "right_city"), ("arrows", "predicted_lon_deg")],
)  # fmt: skip
def test_a_missing_column_is_named(name, column):
    with pytest.raises((KeyError, ValueError), match=column):
        made(name, lambda table: table.drop(columns=column, errors="ignore"))


@pytest.mark.slow
@pytest.mark.parametrize("text", [r"$\frac{1}{", "_{{ 7*7 }}$^", "\t\0 \u202e \U0010ffff 東京"])
@pytest.mark.parametrize("name", FIGURES)
def test_names_of_cities_methods_and_towers_are_never_read_as_mathematics(name, text):
    def renamed(table):
        columns = [column for column in ("city", "method", "tower", "flag") if column in table]
        return table.assign(**{column: text + table[column].astype(str) for column in columns})

    drawn(made(name, renamed))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(text=st.text(min_size=1, max_size=20))
@example(text=r"\frac$$ $x_{")
@example(text="東京 Oulu")
def test_any_name_is_shown_as_it_is_or_with_boxes_and_a_word_on_fonts(text):
    said = drawn(intervals.photo_counts(pd.DataFrame({"city": [text]})))
    shown = style.short(text, 36)
    assert shown in said
    plain = " ".join(text.split())
    assert [c for c, kept in zip(plain, shown, strict=True) if kept not in (c, style.NO_GLYPH)] == []
    assert (style.HOW_TO_DRAW in said) == (style.NO_GLYPH in shown)


def test_a_method_looks_the_same_everywhere_and_like_no_other():
    assert set(METHODS) <= set(style.LOOKS)
    assert len({style.LOOKS[name] for name in METHODS}) == len(METHODS)
    alone, among = style.looks(["sw_clip"]), style.looks(["new", "sw_clip", "clip", "newer"])
    assert alone["sw_clip"] == among["sw_clip"]
    assert len(set(among.values())) == 4
    assert len(style.looks(map(str, range(40)))) == 40  # more than there are looks


@pytest.mark.parametrize(
    ("label", "values", "scale", "shown"),
    [("error [m, km]", [10, 1e5], "log", {"100 m", "1 km", "10 km"}), ("error [ratio]", [0.5, 4], "log", {"1", "2"}),
     ("distance [m]", [0, 2_000], "linear", {"500", "1,000"}), ("error [m, km]", [0, 1e4], "symlog", {"0 m", "1 km"}),
     ("R² [share]", [0, 0.001], "linear", {"0"}), ("ratio [ratio]", [1, 1.1], "log", {"1.02"})],
)  # fmt: skip
def test_a_unit_sets_the_scale_and_the_ticks(label, values, scale, shown):
    figure, (ax,) = style.panels(1, 3.0)
    ax.plot(values, values)
    style.label([ax], label)
    figure.draw_without_rendering()
    assert ax.get_xscale() == scale
    assert shown <= {tick.get_text() for tick in ax.get_xticklabels()}
    assert "share" not in label or np.diff(ax.get_xlim()) >= 0.1  # noise of a thousandth does not fill the panel


def test_a_long_note_stands_below_the_title():
    figure, _ = style.panels(1, 3.0)
    style.titled(figure, "A title of some length that says what is shown", "a note that is long " * 3)
    style.marked(figure, True)
    title, note = figure._suptitle, figure.texts[-1]
    figure.draw_without_rendering()
    assert note.get_text().endswith(" · simulated")
    assert note.get_window_extent().y1 < title.get_window_extent().y1 - 10
