import numpy as np
import pandas as pd
import pytest

from geonb.showing import intervals
from tests.showing.example_tables import COMPARISON, RATIOS, SURROUNDINGS, TRIALS, texts


def rows_of(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def test_the_best_method_stands_first_and_references_last_and_hollow():
    figure = intervals.comparison(COMPARISON, "blocked")
    assert rows_of(figure.axes[0]) == ["sw_clip", "clip", "chance", "gallery_floor"]
    assert {"92 m", "9.0 km"} <= set(texts(figure))
    faces = {mark.get_label(): mark.get_markerfacecolor() for mark in figure.legends[0].legend_handles}
    assert [name for name, face in faces.items() if face == "white"] == ["reference (knows the answer)"]
    with pytest.raises(ValueError, match="'Median error of every method, random' is empty"):
        intervals.comparison(COMPARISON, "random")


def test_what_is_shown_to_differ_is_filled_and_a_split_without_intervals_has_no_panel():
    table = RATIOS.copy()
    figure = intervals.ratios(table, "clip")
    assert [ax.get_title() for ax in figure.axes] == ["a", "b"]
    assert rows_of(figure.axes[0]) == ["x", "y"]  # z has no interval
    dots = figure.axes[0].collections[-1]
    assert [tuple(face[:3]) == (1, 1, 1) for face in dots.get_facecolors()] == [False, True]
    table.loc[table.split == "a", ["low", "high"]] = np.nan
    assert [ax.get_title() for ax in intervals.ratios(table, "clip").axes] == ["b"]


def test_panels_share_their_rows_unless_each_has_its_own():
    left, right = intervals.by_surroundings(SURROUNDINGS, 300.0).axes
    assert left.get_shared_y_axes().joined(left, right)
    table = SURROUNDINGS.copy()
    table.loc[table.about == "count", ["from", "to"]] += 50
    left, right = intervals.by_surroundings(table, 300.0).axes
    assert rows_of(left) == ["0 to 1", "1 to 2", "2 to 3"]
    assert rows_of(right) == ["50 to 51", "51 to 52", "52 to 53"]


def test_flagged_trials_are_counted():
    table = TRIALS.assign(flag="", fitted_m=1.0)
    table.loc[0, "flag"] = "why"
    assert texts(intervals.recovered_ranges(table)).count("1/5 flagged") == 1


def test_cities_beyond_thirty_share_a_row():
    figure = intervals.photo_counts(pd.DataFrame({"city": [f"city {k}" for k in range(40)]}))
    assert rows_of(figure.axes[0])[-1] == "10 other cities"
