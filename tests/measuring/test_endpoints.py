"""Endpoints by hand, and what they promise: no distance between cities counts, clusters are drawn whole."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from geonb.earth import sphere
from geonb.learning import decoding
from geonb.measuring import endpoints

FEW = {"replicates": 499}


def table(error_m, right, *, city, method="clip", seed=0, world=None):
    """Errors of one training in one split, photos in one order."""
    found = pd.DataFrame({"split": "here", "method": method, "seed": seed, "city": city, "error_m": error_m})
    found = found.assign(right_city=right, photo_id=[f"p{n}" for n in range(len(found))])
    return found if world is None else found.assign(world=world)


def worlds_of(gain, rng, *, clusters=10, photos=40, between=0.1, share=0.9):
    """Errors of clip and sw_clip in worlds whose log ratios spread by `between` around the log of the gain."""
    tables = []
    for world in range(clusters):
        city = np.repeat([*"ab"], photos // 2)
        other_m = 300 * np.exp(rng.normal(0, 1, photos))
        ours_m = other_m * gain * np.exp(rng.normal(0, between) + rng.normal(0, 0.3, photos))
        for method, error_m in (("clip", other_m), ("sw_clip", ours_m)):
            tables.append(table(error_m, rng.uniform(size=photos) < share, city=city, method=method, world=world))
    return pd.concat(tables, ignore_index=True)


def test_both_endpoints_by_hand_count_the_photos_that_all_rows_place_right_seed_by_seed():
    city = [*"aabb"]
    errors = pd.concat([
        table([100, 400, 9e6, 50], [True, True, False, True], city=city),
        table([200, 9e6, 900, 50], [True, False, True, True], city=city, seed=1),
        table([10, 20, 30, 0.1], [True, True, True, True], city=city, method="nearest"),  # one seed counts for both
    ])  # fmt: skip
    found = endpoints.endpoints(errors, ["clip", "nearest"], **FEW).set_index(["method", "endpoint"])
    assert found.value["clip", "share_right_city"] == 6 / 8
    assert found.value["nearest", "share_right_city"] == 1
    all_right = [100, 400, 50, 200, 900, 50]  # photos 0, 1, 3 of seed 0 and 0, 2, 3 of seed 1
    assert found.value["clip", "within_city_error_m"] == pytest.approx(np.exp(np.log(all_right).mean()))
    beside = [10, 20, 1, 10, 30, 1]  # below a metre counts as one
    assert found.value["nearest", "within_city_error_m"] == pytest.approx(np.exp(np.log(beside).mean()))
    assert found.n.tolist() == [4, 4, 4, 4]
    assert found[["low", "high"]].isna().all(axis=None)  # two cities are no sample of cities
    compared = endpoints.comparisons(errors, [("nearest", "clip")], **FEW)
    ratio = np.exp(np.mean(np.log(beside)) - np.mean(np.log(all_right)))
    np.testing.assert_allclose(compared.value, [1 - 6 / 8, ratio])
    assert "2 clusters are too few for an interval" in endpoints.answer(compared)
    assert list(compared) == list(endpoints.COMPARISONS)


def located(step_deg):
    """Errors of two methods in eight cities along the equator, so many degrees apart."""
    rng = np.random.default_rng(0)
    city = np.repeat([f"c{n}" for n in range(8)], 30)
    centre = np.column_stack([np.zeros(240), step_deg * np.repeat(np.arange(8), 30)])
    metres = rng.uniform(-900, 900, (240, 2))
    at = np.stack([sphere.from_local_m(own, middle) for own, middle in zip(metres, centre, strict=True)])
    photos = pd.DataFrame({"photo_id": np.arange(240), "city": city, "lat_deg": at[:, 0], "lon_deg": at[:, 1]})
    tables = []
    for method in ("clip", "sw_clip", "beside"):
        own = np.arange(240) // 30 * 30 + rng.integers(0, 30, 240)
        chosen = np.where(rng.uniform(size=240) < 0.8, own, rng.integers(0, 240, 240))
        tables.append(decoding.predictions(photos, photos, chosen).assign(split="here", method=method, seed=0))
    return pd.concat(tables, ignore_index=True)


def test_moving_the_cities_ten_times_apart_changes_no_endpoint():
    near, far = located(0.4), located(4.0)
    assert far.error_m.mean() > 5 * near.error_m.mean()
    rows, pair = ["clip", "sw_clip"], [("sw_clip", "clip")]
    told = lambda errors: endpoints.endpoints(errors, rows, ["beside"], **FEW)  # noqa: E731
    compared = lambda errors: endpoints.comparisons(errors, pair, rows, **FEW)  # noqa: E731
    headline = lambda errors: endpoints.headline(told(errors), compared(errors), 30, "07_compare")  # noqa: E731
    for made in (told, compared, headline):
        pd.testing.assert_frame_equal(made(near), made(far), rtol=1e-4)
    assert told(near).clusters.tolist() == [8] * 6
    assert len(headline(near)) == 7


def test_a_row_beside_counts_over_the_photos_that_it_too_places_right_and_changes_no_other_row():
    city = [*"aabb"]
    errors = pd.concat([
        table([100, 400, 9e6, 50], [True, True, False, True], city=city),
        table([10, 20, 30, 9e6], [True, True, True, False], city=city, method="weak"),
        table([8e6] * 4, [False] * 4, city=city, method="abroad"),
    ])  # fmt: skip
    rows = ["clip", "abroad"]  # the second places nothing right: it decides nothing
    found = endpoints.endpoints(errors, rows, ["weak", "elsewhere"], **FEW).set_index(["method", "endpoint"])
    within = found.xs("within_city_error_m", level="endpoint")
    assert within.n.to_dict() == {"clip": 3, "abroad": 0, "weak": 2}
    assert within.value["clip"] == pytest.approx(np.cbrt(100 * 400 * 50))
    assert within.value["weak"] == pytest.approx(np.sqrt(10 * 20))
    assert np.isnan(within.value["abroad"])
    assert np.isnan(endpoints.comparisons(errors, [("clip", "abroad")], **FEW).value[1])


def test_cities_that_are_held_out_in_turn_are_the_clusters_of_one_split():
    errors = worlds_of(0.7, np.random.default_rng(0), clusters=8, share=1.0).assign(city=lambda table: table.world)
    numbered = errors.world.map(lambda turn: f"unseen_city_{turn + 1}" if turn else "unseen_city")
    errors = errors.assign(split=numbered, photo_id=errors.world.astype(str) + errors.photo_id).drop(columns="world")
    one, first = (endpoints.comparisons(table, [("sw_clip", "clip")], **FEW)
                  for table in (errors, errors[errors.split == "unseen_city"]))  # fmt: skip
    assert one.split.unique().tolist() == ["unseen_city"]
    assert one.clusters.tolist() == [8, 8]
    assert one.high[1] < 1
    assert first.clusters.tolist() == [1, 1]
    assert first.low.isna().all()


def test_a_share_that_differs_in_one_cluster_only_has_no_interval():
    city = np.repeat([f"c{n}" for n in range(8)], 20)
    errors = table(np.full(160, 50.0), np.arange(160) > 0, city=city)
    found = endpoints.endpoints(errors, ["clip"], **FEW).iloc[0]
    assert found.value == 159 / 160
    assert np.isnan([found.low, found.high]).all()


def test_a_gain_that_all_worlds_share_is_found_and_none_is_not():
    rng = np.random.default_rng(1)
    found, none = (endpoints.comparisons(worlds_of(gain, rng), [("sw_clip", "clip")]).iloc[1] for gain in (0.7, 1.0))
    assert found.low <= 0.7 <= found.high < 1
    assert found.p < 0.01
    assert none.low < 1 < none.high
    assert none.p > 0.05
    assert found.clusters == 10
    assert found.low < found.value < found.high
    assert "which is not shown" in endpoints.answer(pd.DataFrame([none]))
    assert "not shown" not in endpoints.answer(pd.DataFrame([found]))


def test_intervals_of_ten_clusters_cover_the_truth_as_often_as_they_say():
    rng, covered = np.random.default_rng(0), []
    for _ in range(150):
        cluster = np.repeat(np.arange(10), rng.integers(20, 80, 10))
        values = rng.normal(0, 0.3, 10)[cluster] + rng.normal(0, 1, len(cluster))
        known = SimpleNamespace(cluster=cluster, nested=True)
        found = endpoints.mean_of(values[None], np.ones((1, len(cluster)), bool), known, replicates=299)
        assert (found.low <= 0 <= found.high) == (found.p >= 0.05)
        covered.append(found.low <= 0 <= found.high)
    assert 0.9 <= np.mean(covered) <= 0.99


def test_cities_share_their_trainings_so_that_seeds_that_disagree_widen_the_interval_and_worlds_do_not():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.1, 400) + np.array([[-0.5], [0.0], [0.5]])
    counted, widths = np.ones(values.shape, bool), []
    for nested in (True, False):
        known = SimpleNamespace(cluster=np.repeat(np.arange(10), 40), nested=nested)
        found = endpoints.mean_of(values, counted, known, **FEW)
        widths.append(found.high - found.low)
    assert widths[1] > 5 * widths[0]


def test_no_interval_of_a_share_goes_below_zero():
    city = np.repeat([f"c{n}" for n in range(8)], 30)
    some = np.arange(240) % 30 < np.repeat([1, 2, 0, 3, 0, 9, 1, 0], 30)
    few = endpoints.endpoints(table(np.full(240, 9.0), some, city=city), ["clip"], **FEW).iloc[0]
    assert few.low == 0 < few.value < few.high


def test_equal_rows_have_a_ratio_of_one_that_is_not_shown_to_differ():
    errors = worlds_of(1.0, np.random.default_rng(0))
    same = errors[errors.method == "clip"]
    both = pd.concat([same, same.assign(method="again")])
    found = endpoints.comparisons(both, [("again", "clip")], **FEW)
    assert found[["value", "low", "high", "p"]].to_numpy().tolist() == [[0, 0, 0, 1], [1, 1, 1, 1]]


def test_the_detectable_ratio_is_found_with_the_power_that_is_promised_and_both_grow_with_the_spread():
    errors = [0.02, 0.05, 0.1]
    found = [np.exp(-endpoints.detectable(error, 10)) for error in errors]
    assert sorted(found, reverse=True) == found
    for ratio, error in zip(found, errors, strict=True):
        assert endpoints.power(ratio, error, 10) == pytest.approx(0.8, abs=0.001)
        assert endpoints.power(1 / ratio, error, 10) == pytest.approx(0.8, abs=0.001)
    rng = np.random.default_rng(0)
    drawn = rng.normal(np.log(found[1]), 0.05 * np.sqrt(10), (4_000, 10))
    t = drawn.mean(axis=1) / (drawn.std(axis=1, ddof=1) / np.sqrt(10))
    assert np.mean(np.abs(t) > 2.262) == pytest.approx(0.8, abs=0.02)
    assert endpoints.power(1.0, 0.05, 10) == pytest.approx(0.05, abs=1e-6)
    with pytest.raises(ValueError, match="ratio 0 must be a finite number above 0"):
        endpoints.power(0, 0.1, 10)


def test_all_tests_that_are_handed_over_are_adjusted_together():
    one, two = (pd.DataFrame({"p": p, "split": "here"}) for p in ([0.01, np.nan], [0.02, 0.04]))
    assert endpoints.adjusted(one, two).p_holm.round(6).tolist()[0] == 0.03
    assert endpoints.adjusted(one).p_holm[0] == 0.01
    found = endpoints.comparisons(worlds_of(0.7, np.random.default_rng(1)), [("sw_clip", "clip")], **FEW)
    assert (found.p_holm >= found.p).all()
    assert found.p_holm[1] == 2 * found.p[1]


def test_rows_that_are_not_there_or_of_other_photos_are_refused():
    errors = worlds_of(1.0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="no row 'own': there are clip, sw_clip"):
        endpoints.endpoints(errors, ["clip", "own"], **FEW)
    with pytest.raises(ValueError, match="clip and sw_clip were not tested on the same photos"):
        endpoints.endpoints(errors.iloc[:-1], ["clip", "sw_clip"], **FEW)


def test_headline_rows_have_the_keys_of_the_endpoints_and_of_the_ratios():
    errors = worlds_of(0.7, np.random.default_rng(0))
    found = endpoints.endpoints(errors, ["clip", "sw_clip"], **FEW)
    rows = endpoints.headline(found, endpoints.comparisons(errors, [("sw_clip", "clip")], **FEW), 40, "07_compare")
    assert rows.key.tolist() == [
        "share_right_city.here.40.clip", "within_city_error_m.here.40.clip", "share_right_city.here.40.sw_clip",
        "within_city_error_m.here.40.sw_clip", "within_city_error_ratio.here.40.sw_clip_over_clip",
    ]  # fmt: skip
    assert rows.table.tolist() == ["07_compare/endpoints"] * 4 + ["07_compare/endpoint_ratios"]
    assert rows.unit.tolist() == ["share", "m", "share", "m", "ratio"]
