import h3
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geonb.earth import cells, sphere

HERE, THERE = (50.7374, 7.0982), (48.1374, 11.5755)


@given(st.tuples(st.floats(-89, 89), st.floats(-179.9, 179.9)).map(np.array), st.floats(10, 5_000))
def test_a_square_is_no_larger_than_it_should_be(corner, size_m):
    rng = np.random.default_rng(0)
    at = sphere.from_local_m(rng.uniform(-size_m, size_m, (60, 2)), corner)
    found = cells.squares(at, size_m)
    same = (found[:, None] == found[None]).all(-1)
    if abs(corner[0]) < 85:
        assert sphere.pair_distance_m(at)[same].max() <= 1.05 * np.sqrt(2) * size_m
        assert len(np.unique(found, axis=0)) <= 16


def test_squares_without_a_size_are_refused_instead_of_being_all_one():
    with pytest.raises(ValueError, match="size_m of squares inf must be a finite number above 0"):
        cells.squares([[50.0, 7.0]], np.inf)


def errors_of(rows):
    """rows: method, seed, photo, place, error_m."""
    table = pd.DataFrame(rows, columns=["method", "seed", "photo_id", "place", "error_m"])
    at = np.array([HERE if place == "here" else THERE for place in table.place])
    return table.assign(lat_deg=at[:, 0], lon_deg=at[:, 1], city=table.place)


def test_positions_meet_the_cell_that_holds_them():
    found = cells.hexagons(np.array([HERE, THERE]), 9)
    assert found.tolist() == [h3.latlng_to_cell(*HERE, 9), h3.latlng_to_cell(*THERE, 9)]
    corners = cells.outline(found[0])
    assert len(corners) == 6
    assert (corners.min(axis=0) < HERE).all()
    assert (corners.max(axis=0) > HERE).all()
    with pytest.raises(ValueError, match="resolution of H3 16 must be a whole number of at least 0 and at most 15"):
        cells.hexagons(np.array([HERE]), 16)


def test_cells_hold_geometric_means_and_count_photos_once():
    table = cells.by_cell(
        errors_of([("clip", 0, "p", "here", 10.0), ("clip", 1, "p", "here", 1000.0), ("clip", 0, "q", "there", 0.5)]),
        [8, 9],
    ).set_index(["resolution", "city"])
    assert table.error_m[8, "here"] == pytest.approx(100)
    assert table.n[9, "here"] == 1
    assert table.error_m[9, "there"] == 1  # errors below a metre count as one
    assert len(table) == 4


def test_a_gain_is_replicated_where_it_holds_in_every_seed():
    rows = []
    for place, gains in (("here", (0.5, 0.9)), ("there", (0.5, 1.5))):
        for seed, gain in enumerate(gains):
            for photo in ("p", "q"):
                rows.append(("clip", seed, place + photo, place, 100.0))
                rows.append(("sw_clip", seed, place + photo, place, 100.0 * gain))
    table = cells.replicated(errors_of(rows), "sw_clip", "clip", 9).set_index("city")
    assert table.verdict.to_dict() == {"here": "better", "there": "mixed"}
    assert table.better.to_dict() == {"here": 2, "there": 1}
    swapped = cells.replicated(errors_of(rows), "clip", "sw_clip", 9).set_index("city")
    assert swapped.verdict["here"] == "worse"
    alone = errors_of([row for row in rows if row[2] != "hereq"])
    assert cells.replicated(alone, "sw_clip", "clip", 9).city.tolist() == ["there"]
    alike = errors_of([(*row[:4], 100.0) for row in rows])
    assert set(cells.replicated(alike, "sw_clip", "clip", 9).verdict) == {"mixed"}
