import numpy as np
import pandas as pd
import pytest

from geonb.showing import lines
from tests.showing.example_tables import COVERAGE, CURVE, DOUBT, FITS, LAGS, NEAREST, texts


def test_a_flagged_fit_writes_its_flag_instead_of_a_range():
    plain, flagged = (lines.semivariograms(LAGS, FITS.assign(flag=flag), LAGS) for flag in ("", "no sill"))
    assert "no sill" in texts(flagged)
    assert len(flagged.axes[0].lines) == len(plain.axes[0].lines) - 1


def test_a_range_beyond_the_lags_does_not_stretch_the_axis():
    figure = lines.semivariograms(LAGS, FITS.assign(effective_range_m=1e9), LAGS)
    assert figure.axes[0].get_xlim()[1] < 1_000


def test_curves_of_real_photos_have_no_fit():
    shown = texts(lines.semivariograms(DOUBT.assign(city="hund_i_snor (224 photos)").drop(columns="planted")))
    assert {"hund_i_snor (224 photos)", "where curves lie if places are permuted"} <= set(shown)
    assert not {"effective range", "planted shape"} & set(shown)


def test_of_more_cities_than_panels_the_largest_are_drawn_and_it_says_so():
    figure = lines.semivariograms(pd.concat([LAGS.assign(city=f"City {k:02}", pairs=k) for k in range(1, 21)]))
    assert [ax.get_title() for ax in figure.axes] == [f"City {k:02}" for k in range(13, 21)]
    assert "8 of 20 cities" in " ".join(texts(figure))


def test_a_share_within_counts_all_seeds():
    errors = pd.DataFrame({"split": "a", "method": "b", "seed": [0, 0, 1, 1], "error_m": [1.0, 3.0, 3.0, 5.0]})
    (line,) = lines.error_cdf(errors).axes[0].lines
    np.testing.assert_allclose(line.get_ydata(), [0.25, 0.75, 0.75, 1])


def test_learning_curves_are_the_best_so_far_of_one_split():
    (line,) = lines.learning_curves(CURVE).axes[0].lines
    np.testing.assert_allclose(line.get_ydata(), [900, 300, 200])
    with pytest.raises(ValueError, match="of one split"):
        lines.learning_curves(pd.concat([CURVE, CURVE.assign(split="other")]))


def test_seeds_of_a_training_are_lines_of_one_colour_and_each_quantity_has_its_scale():
    loss, error = lines.training_curves(CURVE).axes
    assert len(loss.lines) == len(error.lines) == 2
    assert len({line.get_color() for line in loss.lines}) == 1
    assert (loss.get_yscale(), error.get_yscale()) == ("linear", "log")


def test_zero_distances_to_training_are_drawn():
    table = NEAREST.assign(nearest_train_m=lambda own: own["nearest_train_m"].where(own.index > 3, 0))
    assert lines.nearest_train(table, 200.0).axes[0].get_xscale() == "symlog"


def test_the_chart_of_promises_has_a_diagonal():
    (line, *_) = lines.coverage(COVERAGE).axes[0].lines
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())


def test_one_pair_alone_is_drawn_without_a_warning(recwarn):
    guide = pd.DataFrame({"distance_m": [100.0, 900.0], "dissimilarity": 0.1, "spread": 0.01})
    guide.range_m = 300.0
    lines.pair_cloud(pd.DataFrame({"distance_m": [800.0], "similarity": [0.9]}), guide).draw_without_rendering()
    assert not [warning for warning in recwarn if "columns" not in str(warning.message)]
