import sys
import warnings
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from PIL import Image

from geonb.showing import ground, intervals, lines, matrices, style
from geonb.showing.pictures import contact_sheet

CITIES = ["Oulu", "Lima"]
RANDOM = np.random.default_rng(0)


def made_lags():
    h = np.geomspace(10, 900, 8)
    rows = [(t, c, x * 0.9, x * 1.1, x, 1 - np.exp(-x / 200), 90, 0.9) for t in "ab" for c in CITIES for x in h]
    columns = "tower city lag_from_m lag_to_m distance_m semivariance pairs planted"
    return pd.DataFrame(rows, columns=columns.split())


def made_fits(flag=""):
    rows = [(t, c, "exponential", 0.0, 1.0, 200.0, 600.0, flag) for t in "ab" for c in CITIES]
    columns = "tower city model nugget partial_sill range_m effective_range_m flag"
    return pd.DataFrame(rows, columns=columns.split())


def made_points():
    n = 60
    here = {"photo_id": np.arange(n), "lat_deg": RANDOM.normal(65, 0.01, n), "lon_deg": RANDOM.normal(25, 0.01, n)}
    parts = RANDOM.choice(["train", "validation", "test", "buffer"], n)
    return pd.concat([pd.DataFrame(here).assign(split=s, part=parts, city="Oulu") for s in ("random", "blocked")])


def made_errors(methods=("clip", "sw_clip"), seeds=(0, 1), cities=CITIES):
    n = 40
    tables = [
        pd.DataFrame(
            {
                "split": "blocked",
                "method": method,
                "seed": seed,
                "photo_id": np.arange(n),
                "lat_deg": RANDOM.normal(60, 0.01, n),
                "lon_deg": RANDOM.normal(20, 0.01, n),
                "error_m": RANDOM.lognormal(5, 1, n),
                "city": np.resize(cities, n),
                "right_city": np.arange(n) % 7 > 0,
            }
        )
        for method in methods
        for seed in seeds
    ]
    return pd.concat(tables, ignore_index=True)


def made_curve():
    step = np.arange(0, 50, 10)
    rows = pd.DataFrame({"step": step, "loss": 2.0, "validation_error_m": [900, np.nan, 300, np.nan, 200]})
    return pd.concat([rows.assign(method="clip", split="blocked", seed=s) for s in (0, 1)])


def made_ratios():
    rows = [(s, m, r, r / 1.3, r * 1.3, p) for s in ("a", "b") for m, r, p in (("x", 0.6, 0.01), ("y", 1.1, 0.8))]
    rows.append(("b", "z", 0.97, np.nan, np.nan, np.nan))
    return pd.DataFrame(rows, columns=["split", "method", "ratio", "low", "high", "p_holm"])


def made_comparison():
    rows = [
        ("blocked", "clip", "method", "median_error_m", 280.0, 250.0, 310.0, "m", 3, 40),
        ("blocked", "sw_clip", "method", "median_error_m", 92.0, 80.0, 99.0, "m", 3, 40),
        ("blocked", "chance", "trivial", "median_error_m", 9000.0, np.nan, np.nan, "m", 3, 40),
        ("blocked", "gallery_floor", "reference", "median_error_m", 8.0, np.nan, np.nan, "m", 1, 40),
    ]
    columns = "split method kind metric value low high unit seeds n"
    return pd.DataFrame(rows, columns=columns.split())


def made_nearest():
    return pd.DataFrame({"split": ["random", "blocked"] * 20, "nearest_train_m": RANDOM.lognormal(4, 1, 40)})


def made_doubt():
    lags, fits = made_lags(), made_fits().assign(range_low_m=400.0, range_high_m=np.inf)
    band = {name: lags.semivariance + step for name, step in (("low", -0.1), ("high", 0.1))}
    return lags.assign(**band, envelope_low=0.7, envelope_high=0.8), fits


def made_trials():
    shares = np.repeat([0.125, 0.5], 10)
    fitted = np.where(RANDOM.random(20) < 0.2, np.nan, 1_000 * shares * RANDOM.lognormal(0, 0.3, 20))
    return pd.DataFrame({
        "range_share": shares, "nugget_share": np.tile([0.1, 0.4], 10), "range_m": 1_000 * shares, "fitted_m": fitted,
        "likelihood_m": 1_000 * shares, "flag": np.where(np.isnan(fitted), "why", ""),
    })  # fmt: skip


def made_readout():
    aims, splits = ("position", "fields", "city"), ("random", "blocked")
    rows = [(t, s, a, k, k - 0.05, k + 0.05) for k, t in zip((0, 0.1), "xy", strict=True) for s in splits for a in aims]
    return pd.DataFrame(rows, columns=["tower", "split", "aim", "value", "low", "high"])


def made_depth():
    rows = [(t, a, d, d / 2) for t in "xy" for a in ("position", "fields") for d in (0.0, 0.5, 1.0)]
    return pd.DataFrame(rows, columns=["tower", "aim", "depth", "value"])


def made_doses(worth=1.0):
    rows = [(s, a, share, worth * share / 2, worth * share / 4, 0.0, 0.3) for s in ("random", "blocked")
            for a in ("position", "fields") for share in (0, 0.5, 1)]  # fmt: skip
    return pd.DataFrame(rows, columns=["split", "aim", "share", "words_r2", "tower_r2", "low", "high"])


def made_scenes():
    rows = [("street", 2264, 7, 0.4, 0.0, 182e3), ("park", 43, 0, -0.1, 0.01, 490e3)]
    return pd.DataFrame(rows, columns=["scene", "n", "planted", "fields_r2", "position_r2", "spread_m"])


FIGURES = {
    "readout": lambda: intervals.readout(made_readout()),
    "depth": lambda: lines.depth(made_depth()),
    "doses": lambda: intervals.doses(made_doses()),
    "scenes": lambda: intervals.scenes(made_scenes()),
    "photo_counts": lambda: intervals.photo_counts(pd.DataFrame({"city": ["Oulu", "Lima", None]})),
    "semivariogram": lambda: lines.semivariogram(made_lags(), made_fits(), made_lags()),
    "semivariogram and doubt": lambda: lines.semivariogram(*made_doubt(), made_lags()),
    "recovered_ranges": lambda: intervals.recovered_ranges(made_trials()),
    "coherence": lambda: lines.coherence(made_lags()),
    "split_maps": lambda: ground.split_maps(made_points()),
    "nearest_train_cdf": lambda: lines.nearest_train_cdf(made_nearest(), 200.0),
    "target_matrices": lambda: matrices.target_matrices({"one-hot": np.eye(9), "soft": np.full((9, 9), 1 / 9)}),
    "target_on_ground": lambda: ground.target_on_ground(RANDOM.normal(0, 90, (9, 2)), np.arange(9) / 36, 8),
    "training_curves": lambda: lines.training_curves(made_curve()),
    "learning_curves": lambda: lines.learning_curves(made_curve()),
    "ratios": lambda: intervals.ratios(made_ratios(), "clip"),
    "error_cdf": lambda: lines.error_cdf(made_errors()),
    "comparison": lambda: intervals.comparison(made_comparison(), "median_error_m", "blocked"),
    "error_maps": lambda: ground.error_maps(made_errors(("clip",))),
}
EMPTY = {
    "readout": lambda: intervals.readout(made_readout()[:0]),
    "depth": lambda: lines.depth(made_depth()[:0]),
    "doses": lambda: intervals.doses(made_doses()[:0]),
    "scenes": lambda: intervals.scenes(made_scenes()[:0]),
    "photo_counts": lambda: intervals.photo_counts(pd.DataFrame({"city": []})),
    "semivariogram": lambda: lines.semivariogram(made_lags()[:0], made_fits()),
    "coherence": lambda: lines.coherence(made_lags()[:0]),
    "split_maps": lambda: ground.split_maps(made_points()[:0]),
    "nearest_train_cdf": lambda: lines.nearest_train_cdf(made_nearest()[:0]),
    "target_matrices": lambda: matrices.target_matrices({}),
    "target_on_ground": lambda: ground.target_on_ground(np.zeros((0, 2)), np.zeros(0), 0),
    "training_curves": lambda: lines.training_curves(made_curve()[:0]),
    "learning_curves": lambda: lines.learning_curves(made_curve()[:0]),
    "ratios": lambda: intervals.ratios(made_ratios()[:0], "clip"),
    "error_cdf": lambda: lines.error_cdf(made_errors()[:0]),
    "comparison": lambda: intervals.comparison(made_comparison()[:0], "median_error_m", "blocked"),
    "error_maps": lambda: ground.error_maps(made_errors()[:0]),
    "contact_sheet": lambda: contact_sheet([], []),
}


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text)]


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES)
def test_every_figure_is_white_says_simulated_labels_its_axes_with_units_and_is_shown_once(make):
    figure = style.marked(make(), True)
    labels = [ax.get_xlabel() for ax in figure.axes] + [ax.get_ylabel() for ax in figure.axes]
    labels = [label for label in (*labels, figure.get_supylabel()) if label]
    assert labels
    assert all("[" in label and "]" in label for label in labels)
    assert "simulated" in " ".join(texts(figure))
    assert to_rgb(figure.get_facecolor()) == (1, 1, 1)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("make", EMPTY.values(), ids=EMPTY)
def test_nothing_to_draw_is_said_in_words(make):
    with pytest.raises(ValueError, match=r"empty|no pictures|no target|n > 0"):
        make()


def test_a_figure_of_measured_data_does_not_say_simulated():
    assert "simulated" not in " ".join(texts(style.marked(ground.error_maps(made_errors(("clip",))), False)))


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="error_m"):
        lines.error_cdf(made_errors().drop(columns="error_m"))


def drawn(figure):
    """The texts of a figure once it is drawn; a warning, as of a missing glyph, is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.draw_without_rendering()
    return texts(figure)


@settings(max_examples=40, deadline=None)
@given(text=st.text(min_size=1, max_size=20))
@example(text="$x_{")
@example(text=r"\frac$$")
@example(text="_x")
@example(text="東京 Oulu")
def test_any_name_is_shown_as_it_is_or_with_boxes_and_a_word_on_fonts(text):
    said = drawn(intervals.photo_counts(pd.DataFrame({"city": [text]})))
    shown = style.short(text, 28)
    assert shown in said
    plain = " ".join(text.split())
    assert [c for c, kept in zip(plain, shown, strict=True) if kept not in (c, style.NO_GLYPH)] == []
    assert (style.HOW_TO_DRAW in said) == (style.NO_GLYPH in shown)


@pytest.mark.parametrize("text", [r"$\frac{1}{", "_{{ 7*7 }}$^", "\t\0 \u202e \U0010ffff 東京"])
@pytest.mark.parametrize("name", FIGURES)
def test_names_of_cities_methods_and_towers_are_never_read_as_mathematics(name, text, monkeypatch):
    here = sys.modules[__name__]

    def renamed(make):
        def tables(*given, **named):
            made = make(*given, **named)
            return tuple(map(other, made)) if isinstance(made, tuple) else other(made)

        return tables

    def other(table):
        columns = [column for column in ("city", "method", "tower", "flag") if column in table]
        return table.assign(**{column: text + table[column].astype(str) for column in columns})

    for made in [made for made in vars(here) if made.startswith("made_")]:
        monkeypatch.setattr(here, made, renamed(vars(here)[made]))
    drawn(FIGURES[name]())


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES)
def test_no_legend_covers_a_label_or_the_panels(make):
    figure = make()
    figure.draw_without_rendering()
    for legend in figure.legends:
        box = legend.get_window_extent()
        for ax in figure.axes:
            assert not box.overlaps(ax.get_tightbbox())


def test_a_contact_sheet_shows_every_picture_with_its_title():
    pictures = [Image.new(mode, (90, 60)) for mode in ("RGB", "L", "P", "RGBA")]
    figure = contact_sheet(pictures, list("abcd"), columns=3)
    assert sum(len(ax.images) for ax in figure.axes) == 4
    assert set("abcd") <= set(texts(figure))
    with pytest.raises(ValueError, match="one title per picture"):
        contact_sheet(pictures, ["a"])


def test_a_flagged_fit_writes_its_flag_instead_of_a_range():
    plain = lines.semivariogram(made_lags(), made_fits())
    flagged = lines.semivariogram(made_lags(), made_fits("no sill"))
    assert "no sill" in texts(flagged)
    assert len(flagged.axes[0].lines) == len(plain.axes[0].lines) - 2


def test_flagged_trials_are_counted():
    trials = made_trials().assign(flag="", fitted_m=1.0)
    trials.loc[0, "flag"] = "why"
    assert texts(intervals.recovered_ranges(trials)).count("1/5") == 1


def test_a_range_beyond_the_lags_does_not_stretch_the_axis():
    figure = lines.semivariogram(made_lags(), made_fits().assign(effective_range_m=1e9))
    assert figure.axes[0].get_xlim()[1] < 1_000


def test_more_cities_than_panels_are_cut_and_it_says_so():
    errors = made_errors(("clip",), (0,), [f"City {i}" for i in range(20)])
    figure = ground.error_maps(errors)
    assert "8 of 20 cities" in " ".join(texts(figure))


def test_maps_refuse_two_cities_or_two_methods_at_once():
    with pytest.raises(ValueError, match="one city at a time"):
        ground.split_maps(made_points().assign(city=np.resize(CITIES, 120)))
    with pytest.raises(ValueError, match="one method and split"):
        ground.error_maps(made_errors())


def test_a_share_within_is_the_mean_over_seeds_of_shares():
    errors = pd.DataFrame({"seed": [0, 0, 1, 1], "error_m": [1.0, 3.0, 3.0, 5.0]})
    np.testing.assert_allclose(lines.mean_share_within(errors, np.array([0.5, 1, 3, 9])), [0, 0.25, 0.75, 1])


def test_cities_are_averaged_by_their_pairs():
    lags = made_lags().query("tower == 'a'").assign(stage="after")
    lags["semivariance"] = np.where(lags["city"] == "Oulu", 1.0, 4.0)
    lags["pairs"] = np.where(lags["city"] == "Oulu", 2, 1)
    np.testing.assert_allclose(lines.mean_over_cities(lags, "tower", "semivariance")["semivariance"], 2.0)


def test_the_best_method_stands_first_and_references_last():
    figure = intervals.comparison(made_comparison(), "median_error_m", "blocked")
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["sw_clip", "clip", "chance", "gallery_floor"]


def test_zero_distances_to_training_are_drawn():
    figure = lines.nearest_train_cdf(
        made_nearest().assign(nearest_train_m=lambda t: t["nearest_train_m"].where(t.index > 3, 0))
    )
    assert figure.axes[0].get_xscale() == "symlog"


def test_curves_of_real_photos_do_not_say_simulated_and_name_their_sample():
    lags = made_doubt()[0].assign(sample="hund_i_snor", photos=224)
    figure = lines.real_curves(lags)
    assert "simulated" not in " ".join(texts(figure))
    assert "hund i snor (224 photos)" in texts(figure)
    with pytest.raises(ValueError, match=r"empty|n > 0"):
        lines.real_curves(lags[:0])


def test_real_errors_are_drawn_on_one_world_per_model():
    errors = pd.DataFrame({
        "method": ["a", "a", "b"], "lat_deg": [0.0, 10.0, 0.0], "lon_deg": [0.0, 100.0, 0.0],
        "predicted_lat_deg": [1.0, 1.0, 1.0], "predicted_lon_deg": [1.0, -90.0, 2.0], "error_km": [1.0, 3.0, 5.0],
    })  # fmt: skip
    figure = ground.world_errors(errors, pd.DataFrame({"lat_deg": [0.0], "lon_deg": [0.0]}))
    assert {"a: median error 2 km", "b: median error 5 km"} <= set(texts(figure))
    assert "simulated" not in texts(figure)
    with pytest.raises(ValueError, match="errors is empty"):
        ground.world_errors(errors[:0], errors)


def test_what_is_nothing_looks_like_nothing():
    """R2 of a thousandth must not fill a panel, and their labels not cover each other."""
    figure = intervals.doses(made_doses(worth=0.001))
    assert all(np.diff(ax.get_ylim()) >= 0.1 for ax in figure.axes)
    assert not any(text in texts(figure) for text in ("0.5", "1"))
    assert {"0.5", "1"} <= set(texts(intervals.doses(made_doses())))


def test_one_pair_alone_is_drawn_without_a_warning(recwarn):
    pairs = pd.DataFrame({"distance_m": [800.0], "similarity": [0.9]})
    lags = np.array([100.0, 900.0])
    guide = SimpleNamespace(distance_m=lags, dissimilarity=lags / 1e4, spread=lags / 1e5, range_m=300.0)
    lines.pair_cloud(pairs, guide).draw_without_rendering()
    assert not recwarn.list
