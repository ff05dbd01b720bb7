import itertools

import numpy as np
import pandas as pd
import pytest

from geonb.earth import sphere
from geonb.showing import map_figures
from tests.showing.example_tables import CELLS, CITIES, ERRORS, POINTS, errors, texts


def shown(figure):
    return " ".join(texts(figure))


def test_more_cities_than_panels_are_cut_and_it_says_so():
    many = errors(("clip",), (0,), [f"City {i}" for i in range(20)])
    assert "8 of 20 cities" in shown(map_figures.error_maps(many))
    assert "3 of 20 cities" in shown(map_figures.on_ground(many, "Arrows"))


def test_maps_refuse_two_cities_two_methods_and_impossible_positions():
    with pytest.raises(ValueError, match="one city at a time"):
        map_figures.split_maps(POINTS.assign(city=np.resize(CITIES, 120)))
    with pytest.raises(ValueError, match="one method, split and seed"):
        map_figures.error_maps(errors())
    with pytest.raises(ValueError, match="latitude"):
        map_figures.error_maps(ERRORS.assign(lat_deg=np.nan))


def test_a_wrong_city_is_a_grey_cross_and_carries_no_colour():
    table = ERRORS.assign(error_m=50.0)
    table.loc[~table.right_city, "error_m"] = 9e5
    figure = map_figures.error_maps(table)
    assert "placed in a wrong city" in shown(figure)
    assert "placed in a wrong city" not in shown(map_figures.error_maps(table[table.right_city]))
    assert figure.axes[-1].get_ylim()[1] < 1_000


def test_a_panel_is_a_square_that_holds_its_marks_also_across_the_date_line():
    table = POINTS.assign(lon_deg=lambda own: (own.lon_deg + 335) % 360 - 180)
    assert table.lon_deg.abs().min() > 170
    for ax in map_figures.split_maps(table).axes:
        width, height = np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())
        assert width == pytest.approx(height)
        assert width < 20_000


def test_cells_of_all_sizes_are_shown_at_one_scale():
    figure = map_figures.hexagons(CELLS)
    assert len({ax.get_xlim() for ax in figure.axes[:2]}) == 1
    assert "H3 resolution 8" in shown(figure)


def test_the_star_is_the_photo_itself():
    places = pd.DataFrame({"lat_deg": [60.0, 60.001, 60.002], "lon_deg": 25.0, "weight": [0.2, 0.7, 0.1]})
    ((_, north),) = map_figures.target(places).axes[0].collections[-1].get_offsets()
    assert north == pytest.approx(-111.2, abs=0.1)


def test_real_errors_are_drawn_on_one_world_per_model():
    table = pd.DataFrame({
        "method": ["a", "a", "b"], "lat_deg": [0.0, 10.0, 0.0], "lon_deg": [0.0, 100.0, 0.0],
        "predicted_lat_deg": [1.0, 1.0, 1.0], "predicted_lon_deg": [1.0, -90.0, 2.0], "error_km": [1.0, 3.0, 5.0],
    })  # fmt: skip
    figure = map_figures.world_errors(table, pd.DataFrame({"lat_deg": [0.0], "lon_deg": [0.0]}))
    assert "a: median error 2 km" in shown(figure)
    assert "b: median error 5 km" in shown(figure)
    assert "simulated" not in shown(figure)
    with pytest.raises(ValueError, match="is empty"):
        map_figures.world_errors(table[:0], table)


def test_the_ticks_of_a_wide_city_do_not_touch_each_other():
    at = sphere.from_local_m(np.random.default_rng(0).uniform(-25_000, 25_000, (40, 2)), [40.7, -74.0])
    table = pd.DataFrame(at, columns=["lat_deg", "lon_deg"]).assign(error_m=np.arange(40) + 10.0, panel=["a", "b"] * 20)
    norm = map_figures.log_norm(table.error_m)
    figure = map_figures.on_ground(table, "Errors", colour="error_m", panel="panel", norm=norm)
    figure.canvas.draw()
    for ax in figure.axes[:2]:
        boxes = [label.get_window_extent() for label in ax.get_xticklabels() if label.get_text()]
        boxes = sorted((box for box in boxes if ax.bbox.x0 <= box.x0 + box.width / 2 <= ax.bbox.x1), key=lambda b: b.x0)
        assert len(boxes) >= 2
        assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))
