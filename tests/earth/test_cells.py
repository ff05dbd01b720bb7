import h3
import numpy as np
import pandas as pd
import pytest

from geonb.earth import cells

HERE, THERE = (50.7374, 7.0982), (48.1374, 11.5755)


def errors_of(rows):
    """rows: method, seed, photo, place, error_m."""
    table = pd.DataFrame(rows, columns=["method", "seed", "photo_id", "place", "error_m"])
    at = np.array([HERE if place == "here" else THERE for place in table.place])
    return table.assign(lat_deg=at[:, 0], lon_deg=at[:, 1], city=table.place)


def test_positions_meet_the_cell_that_holds_them():
    found = cells.of(np.array([HERE, THERE]), 9)
    assert found.tolist() == [h3.latlng_to_cell(*HERE, 9), h3.latlng_to_cell(*THERE, 9)]
    corners = cells.outline(found[0])
    assert len(corners) == 6
    assert (corners.min(axis=0) < HERE).all()
    assert (corners.max(axis=0) > HERE).all()
    with pytest.raises(ValueError, match="resolution 16 of H3 must be 0 to 15"):
        cells.of(np.array([HERE]), 16)
    with pytest.raises(ValueError, match="91"):
        cells.of(np.array([[91.0, 0.0]]), 9)


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
    assert cells.answer(table.reset_index(), "sw_clip", "clip") == (
        "Of 2 cells sw_clip errs less than clip in all 2 seeds in 1 and more in 0; in 1 seeds disagree."
    )


def test_the_centre_of_a_cell_lies_in_it():
    at = np.array([HERE, THERE])
    assert (cells.of(cells.centres(at, 2), 2) == cells.of(at, 2)).all()
    assert cells.centres(at, 2).shape == (2, 2)
