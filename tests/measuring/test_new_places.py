import numpy as np
import pandas as pd
import pytest

from geonb.earth import sphere
from geonb.measuring import new_places

CITIES = {"north": (60.0, 10.0), "south": (40.0, 10.0)}


def answers(found_of, n=60, method="a", split="blocked", seed=0):
    """Errors of n photos in each of two cities whose answers are found_of(true east and north [m], city, rng)."""
    tables, rng = [], np.random.default_rng(seed)
    for city, centre in CITIES.items():
        true_m = rng.uniform(-1000, 1000, (n, 2))
        truth = sphere.from_local_m(true_m, np.array(centre))
        found_city, found_m = found_of(true_m, city, rng)
        found = sphere.from_local_m(found_m, np.array(CITIES[found_city]))
        tables.append(pd.DataFrame({
            "split": split, "method": method, "kind": "method", "seed": 0,
            "photo_id": [f"{city}-{i}" for i in range(n)], "city": city, "block": np.arange(n) // 2,
            "lat_deg": truth[:, 0], "lon_deg": truth[:, 1], "predicted_lat_deg": found[:, 0],
            "predicted_lon_deg": found[:, 1], "error_m": sphere.distance_m(truth, found),
            "right_city": found_city == city,
        }))  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def near(true_m, city, rng):
    return city, true_m + rng.normal(0, 30, true_m.shape)


def anywhere(true_m, city, rng):
    return city, rng.uniform(-1000, 1000, true_m.shape)


def only_the_city(true_m, city, rng):
    return city, np.zeros_like(true_m)


def always_north(true_m, city, rng):
    return "north", true_m


def test_knowing_the_place_is_told_from_knowing_the_city():
    rows = {"near": near, "anywhere": anywhere, "only_the_city": only_the_city}
    errors = pd.concat([answers(found, method=name) for name, found in rows.items()])
    table = new_places.within_city(errors, permutations=199).set_index("method")
    assert table.loc["near", "median_error_m"] < 60 < table.loc["near", "null_low"]
    assert table.loc["near", "p"] == pytest.approx(0.01)
    assert table.loc["near", "p_holm"] == pytest.approx(0.03)
    assert table.loc["anywhere", "p"] > 0.05
    middle = table.loc["only_the_city"]
    assert middle.p == 1
    assert middle.null_low == pytest.approx(middle.null_high) == pytest.approx(middle.median_error_m)


def test_only_photos_in_the_right_city_count_and_too_few_have_no_null():
    table = new_places.within_city(answers(always_north), permutations=19)
    assert table.n[0] == 60
    with pytest.raises(ValueError, match="permutations 0 must be a whole number of at least 1"):
        new_places.within_city(answers(near), permutations=0)
    few = new_places.within_city(answers(always_north, n=19), permutations=19)
    assert few.n[0] == 19
    assert few[["median_error_m", "p", "p_holm"]].isna().all(axis=None)
    none = pd.DataFrame(columns=["low", "high"], dtype=float)
    assert "placed 20 test photos in it: none. Cities" in new_places.answer(few, none, "sw_clip", "clip")


def test_a_city_that_errs_twice_as_much_has_a_ratio_of_two():
    clip = answers(near, method="clip")
    ours = clip.assign(method="sw_clip", error_m=clip.error_m.clip(lower=1) * np.where(clip.city == "north", 2.0, 1.0))
    table = new_places.by_city(
        pd.concat([ours, clip.assign(error_m=clip.error_m.clip(lower=1))]), "sw_clip", "clip",
        pd.DataFrame({"city": ["north"], "effective_range_m": [300.0]}), replicates=50,
    ).set_index("city")  # fmt: skip
    np.testing.assert_allclose(table.loc["north", ["ratio", "low", "high"]].astype(float), 2.0)
    assert table.loc["south", "ratio"] == pytest.approx(1.0)
    assert table.loc["north", "range_m"] == 300
    assert np.isnan(table.loc["south", "range_m"])


def test_errors_by_distance_are_geometric_means_of_equal_shares():
    errors = answers(near, n=4).assign(error_m=[1.0, 100, 4, 9, 10, 10, 1000, 1000])
    nearest = errors[["split", "photo_id"]].assign(nearest_train_m=[5.0, 6, 20, 21, 40, 41, 80, 81])
    table = new_places.by_distance(errors, nearest)
    np.testing.assert_allclose(table.error_m, [10, 6, 10, 1000])
    np.testing.assert_allclose(table.nearest_train_m, [5.5, 20.5, 40.5, 80.5])
    assert table.n.tolist() == [2] * 4
    assert table.from_m.iloc[0] == 5
    assert table.to_m.iloc[-1] == 81


def test_the_answer_counts_what_is_shown():
    table = new_places.within_city(pd.concat([answers(near), answers(anywhere, method="b")]), permutations=99)
    cities = pd.DataFrame({"ratio": [0.5, 1.2], "low": [0.4, 0.9], "high": [0.7, 1.5]})
    said = new_places.answer(table, cities, "sw_clip", "clip")
    assert "in it: 1 of 2 in blocked. Cities" in said
    assert said.endswith("of sw_clip is shown to differ from that of clip, before any correction: 1 of 2.")
    assert new_places.answer(table, cities[:1], "sw_clip", "clip", several=False).endswith("in it: 1 of 2 in blocked.")


def test_leakage_is_the_share_of_test_photos_near_a_training_photo():
    at = sphere.from_local_m([[0.0, 0], [40, 0], [500, 0], [530, 0]], [50.0, 7.0])
    parts = {"random": np.array(["train", "test", "test", "buffer"])}
    sequences = np.array(["a", "a", "b", ""], object)
    row = new_places.leakage(parts, at, sequences, np.arange(4), within_m=50.0).iloc[0]
    assert (row.share_within_range, row.shared_sequences, row.test_photos) == (0.5, 1, 2)
    assert np.isnan(row.low)
