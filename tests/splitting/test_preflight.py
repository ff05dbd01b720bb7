"""Which photos and splits can carry a study, and what is said where they cannot."""

import numpy as np
import pandas as pd
import pytest

from geonb.splitting import preflight
from geonb.variograms import fitted_ranges


def photos(count=200, positions=100, city="A", drives=0):
    """Photos at positions a hundred metres apart on one meridian, in turns."""
    place = np.arange(count) % positions
    drive = [f"drive {n % drives}" if drives else "" for n in range(count)]
    return pd.DataFrame({"lat_deg": 48 + place / 1000, "lon_deg": 2.0, "city": city, "sequence_id": drive})


def counted(shot, test, split="blocked", block_size_m=400.0):
    parts = {split: np.where(test, "test", np.where(np.arange(len(shot)) % 5, "train", "validation"))}
    return preflight.of_splits(shot, parts, block_size_m)


def test_the_counts_of_photos_are_those_of_places_cities_and_drives():
    both = pd.concat([photos(40, 10), photos(20, 20, city="B", drives=3)], ignore_index=True)
    row = preflight.of_photos(both).iloc[0]
    assert row.to_dict() == {
        "photos": 60, "positions": 20, "cities": 2, "rich_cities": 1, "most_photos": 40, "drives": 3,
    }  # fmt: skip


def test_a_split_is_counted_by_parts_positions_and_blocks():
    shot = photos(100, 50)
    row = counted(shot, shot.lat_deg < 48.0075).iloc[0]  # 8 places of 111 m, in blocks of 400 m
    assert (row.test_photos, row.test_positions, row.buffer_photos) == (16, 8, 0)
    assert row.train_photos + row.validation_photos == 84
    assert row.test_blocks in (2, 3)
    assert row.cannot == ""


def test_where_cities_are_held_out_they_are_the_blocks():
    shot = photos()
    assert counted(shot, shot.lat_deg < 48.05, split="unseen_city").test_blocks.tolist() == [1]


@pytest.mark.parametrize(("positions", "works"), [(4, False), (5, True)])
def test_a_split_that_tests_at_fewer_than_five_positions_is_refused(positions, works):
    shot = photos()
    table = counted(shot, shot.lat_deg < 48 + (positions - 0.5) / 1000)
    if works:
        return preflight.check(shot, table)
    with pytest.raises(ValueError, match="the 8 test photos of split blocked stand at 4 positions, fewer than 5"):
        preflight.check(shot, table)


@pytest.mark.parametrize(
    ("split", "shot", "said", "silent"),
    [
        ("blocked", photos(400, 20), ["smaller blocks", "another seed", "by_place in its place"], ["other_drive"]),
        ("blocked", photos(drives=4, positions=200), ["other_drive in its place"], ["by_place"]),
        ("by_place", photos(400, 20), ["larger test_share", "leave it out"], ["smaller blocks", "by_place in"]),
        ("random", photos(200, 200), ["another seed"], ["smaller blocks", "other_drive", "by_place"]),
    ],
)
def test_the_way_out_fits_the_photos(split, shot, said, silent):
    why = counted(shot, shot.lat_deg < 48.0005, split).cannot[0]
    assert "stand at 1 position, fewer" in why
    assert [words in why for words in said] == [True] * len(said), why
    assert [words in why for words in silent] == [False] * len(silent), why


def test_photos_of_too_few_places_or_without_a_city_of_many_are_refused():
    preflight.check_photos(preflight.of_photos(photos(30, 7)))
    with pytest.raises(ValueError, match="the 50 photos stand at 6 positions: a split needs 5 to test and 7 in all"):
        preflight.check_photos(preflight.of_photos(photos(50, 6)))
    with pytest.raises(ValueError, match="no city has 30 photos, the largest has 29"):
        preflight.check_photos(preflight.of_photos(photos(29, 29)))


def test_a_city_is_rich_where_it_has_a_curve():
    assert preflight.FEWEST_PHOTOS == fitted_ranges.FEWEST
