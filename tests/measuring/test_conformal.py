"""The promise of a radius: kept where photos are exchangeable, refused where it could not be, told as measured."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from geonb import files
from geonb.learning import pretrained_towers
from geonb.measuring import conformal, predictions

RNG, PROMISE = np.random.default_rng(0), conformal.Promise(0.9)


def photos(n, rng=None):
    """A table of photos whose errors follow their expected errors up to a lognormal factor."""
    rng = rng or np.random.default_rng(1)
    expected_m = rng.lognormal(6, 1, n)
    return pd.DataFrame({
        "photo_id": [f"p{k}" for k in range(n)], "predicted_city": "A", "expected_m": expected_m,
        "error_m": expected_m * rng.lognormal(0, 0.7, n), "novelty": rng.uniform(0, 1, n),
    })  # fmt: skip


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def radii_of(n=400, *, radius_m=None, refused="", split="blocked"):
    """A table with columns RADII of two seeds, ten photos a block."""
    table = photos(n).assign(split=split, rule="scaled", level=0.9, block=np.arange(n) // 10, calibration_photos=99)
    table = table.assign(radius_m=table.expected_m if radius_m is None else radius_m, refused=refused)
    return pd.concat([table.assign(seed=seed) for seed in (0, 1)], ignore_index=True)


@pytest.mark.parametrize(("level", "expected"), [(0.5, 5.0), (0.7, 7.0), (0.8, 8.0), (0.9, 9.0), (0.95, np.inf)])
def test_the_threshold_is_the_score_of_rank_ceil_n_plus_one_times_the_level(level, expected):
    assert conformal.threshold([3, 1, 2, 9, 8, 7, 4, 6, 5], level) == expected
    assert conformal.threshold([], level) == np.inf


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_a_further_exchangeable_score_is_within_as_often_as_the_level_says(level):
    draws, n = 6000, 37
    scores = RNG.lognormal(size=(draws, n + 1))
    within = [own[-1] <= conformal.threshold(own[:-1], level) for own in scores]
    exact = np.ceil((n + 1) * level) / (n + 1)
    assert abs(np.mean(within) - exact) < 4 * np.sqrt(exact * (1 - exact) / draws)


def test_a_large_group_has_the_threshold_of_its_own_and_a_small_one_that_of_all():
    score, group = RNG.lognormal(size=130), np.repeat(["A", "B", "C"], [60, 60, 10])
    found, behind = conformal.thresholds(score, group, np.array(["B", "A", "C", "elsewhere"]), PROMISE)
    own = [conformal.threshold(score[group == name], 0.9) for name in "BA"]
    np.testing.assert_array_equal(found, [*own, *[conformal.threshold(score, 0.9)] * 2])
    assert list(behind) == [60, 60, 130, 130]


def test_in_each_group_of_its_own_the_promise_holds_though_the_groups_differ():
    group, factor = np.repeat(["A", "B"], 60), np.repeat([1.0, 100.0], 60)
    within = {"A": [], "B": []}
    for _ in range(800):
        score = factor * RNG.lognormal(size=120)
        found, _ = conformal.thresholds(score, group, np.array(["A", "B"]), PROMISE)
        for name, bound, scale in zip("AB", found, (1, 100), strict=True):
            within[name].append(scale * RNG.lognormal() <= bound)
    assert all(abs(np.mean(own) - 0.9) < 0.045 for own in within.values())


@pytest.mark.parametrize(("n", "level", "given"), [(49, 0.9, False), (50, 0.9, True), (98, 0.99, False),
                                                   (99, 0.99, True), (0, 0.9, False)])  # fmt: skip
def test_with_too_few_photos_or_too_high_a_level_there_is_no_threshold(n, level, given):
    found, behind = conformal.thresholds(RNG.random(n), np.full(n, "A"), np.array(["A", "B"]), conformal.Promise(level))
    assert np.isfinite(found).tolist() == [given] * 2 == (~np.isnan(found)).tolist()
    assert (behind == n).all()


def test_the_scaled_radius_is_the_threshold_times_the_expected_error_and_its_floor():
    calibration = pd.DataFrame({"error_m": np.arange(1, 100) * 20.0, "expected_m": 75.0, "predicted_city": "A"})
    asked = pd.DataFrame({"expected_m": [0.0, 975.0], "predicted_city": "A", "novelty": 0.0})
    found = conformal.radii(calibration.assign(novelty=0.0), asked, PROMISE)
    # the 90th of 99 errors, 1800 m, is 18 times 75 + 25 m
    np.testing.assert_allclose(found.radius_m, [18 * 25, 18 * 1000])
    flat = conformal.radii(calibration.assign(novelty=0.0), asked, PROMISE, "constant")
    np.testing.assert_allclose(flat.radius_m, 1800)


@pytest.mark.parametrize("rule", conformal.RULES)
def test_radii_hold_the_truth_of_exchangeable_photos_as_often_as_they_say(rule):
    within = []
    for _ in range(300):
        both = photos(120, rng=RNG)
        found = conformal.radii(both[:80], both[80:], conformal.Promise(0.8, novel_share=1.0), rule)
        known = found[found.refused == ""]
        within.append((known.error_m <= known.radius_m).mean())
    assert abs(np.mean(within) - np.ceil(81 * 0.8) / 81) < 0.012


def test_exactly_the_photos_whose_p_is_at_most_the_level_have_no_radius():
    calibration = photos(99).assign(novelty=np.arange(1, 100) / 100)
    asked = photos(3).assign(novelty=[0.90, 0.901, 5.0])
    found = conformal.radii(calibration, asked, conformal.Promise(0.9, novel_share=0.9))
    np.testing.assert_allclose(found.novelty_p, [11 / 100, 10 / 100, 1 / 100])
    assert list(found.refused) == ["", *[conformal.REFUSED["far"]] * 2]
    assert (found.radius_m.isna() == (found.refused != "")).all()


@pytest.mark.parametrize(("n", "novel_share", "level"), [(99, 0.9, 0.1), (9, 0.99, 0.1), (9, 1.0, 0.0)])
def test_few_photos_can_refuse_at_no_lower_level_than_their_least_p(n, novel_share, level):
    assert conformal.level_of_test(conformal.Promise(0.9, novel_share=novel_share), n) == pytest.approx(level)


def test_photos_like_those_that_calibrate_are_refused_as_often_as_the_level_says_and_others_are_refused():
    rng, own, strange = np.random.default_rng(3), [], []
    centre = rng.normal(size=(2, 16))
    for _ in range(200):
        train, calibration, test = (unit(centre[0] + rng.normal(size=(60, 16)) * 0.7) for _ in range(3))
        novelty = [
            predictions.novelty(some, train)
            for some in (calibration, test, unit(rng.normal(size=(5, 16)) * 0.1 + centre[1]))
        ]
        p = [conformal.p_of_novelty(some, novelty[0]) for some in novelty[1:]]
        own.append((p[0] <= 0.1).mean())
        strange.append((p[1] <= 0.1).mean())
    exact = np.floor(0.1 * 61) / 61
    assert abs(np.mean(own) - exact) < 0.02
    assert np.mean(strange) > 0.99


def test_what_the_test_refuses_is_told_beside_its_level():
    table = radii_of(refused=np.where(np.arange(400) < 40, conformal.REFUSED["far"], ""))
    assert conformal.answer_refused(table, PROMISE) == (
        "At this level, 5%, the test refuses 10.0% in blocked of the test photos; of photos exchangeable with those "
        "that calibrate at most 5% would be."
    )


@pytest.mark.slow
@pytest.mark.skipif("GEONB_REAL_DATA" not in os.environ, reason="GEONB_REAL_DATA is not set: no real photos")
def test_a_citys_held_out_photos_have_a_radius_and_photos_of_elsewhere_have_none():
    folder = Path(os.environ["GEONB_REAL_DATA"])
    city = pd.read_csv(folder / "old_new_york" / "photos.csv")
    city = city[[(folder / "old_new_york" / file).exists() for file in city.file]][:210]
    elsewhere = sorted((folder / "hund_i_snor" / "images").iterdir(), key=lambda path: path.stat().st_size)[:30]
    paths = [*(folder / "old_new_york" / city.file), *elsewhere]
    tower = pretrained_towers.load_tower("imagenet/efficientnet-lite0")
    features = pretrained_towers.image_features(paths, [files.sha256_of(path) for path in paths], tower)
    at = city[["lat", "lon"]].to_numpy()
    places, place = np.unique(at, axis=0, return_inverse=True)
    part = np.random.default_rng(0).permutation(len(places))[place.ravel()] % 3  # a place is in one part
    train, *held_out = (np.flatnonzero(part == k) for k in range(3))
    given = features[train], at[train]
    calibration, test = (predictions.novelty(features[own], given[0], at[own], given[1]) for own in held_out)
    strange = predictions.novelty(features[len(city) :], given[0])
    assert (conformal.p_of_novelty(test, calibration) <= 0.05).mean() <= 0.1
    assert (conformal.p_of_novelty(strange, calibration) <= 0.05).mean() >= 0.9


def test_few_photos_give_no_radius_and_none_is_larger_than_the_way_to_the_antipode():
    found = conformal.radii(photos(49), photos(5), PROMISE)
    assert set(found.refused) == {conformal.REFUSED["few"]}
    assert found.radius_m.isna().all()
    found = conformal.radii(photos(60).assign(expected_m=1.0, error_m=1e6), photos(3).assign(novelty=0), PROMISE)
    assert (found.radius_m == conformal.LARGEST_M).all()


@pytest.mark.parametrize(("given", "said"), [
    ({"floor_m": 0.0}, "floor_m 0.0 must be a finite number above 0"), ({"floor_m": np.nan}, "floor_m nan must be"),
    ({"novel_share": 0.0}, "novel_share 0.0 must be a finite number above 0 and at most 1"),
    ({"novel_share": np.inf}, "novel_share inf must be"), ({"fewest": 0}, "fewest 0 must be a whole number of"),
    ({"level": 0}, "level 0 must be a finite number above 0 and below 1"), ({"level": np.nan}, "level nan must be"),
    ({"level": 90}, "level 90 must be a finite number above 0 and below 1: 0.9 for nine photos of ten"),
])  # fmt: skip
def test_a_promise_that_makes_no_sense_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        conformal.Promise(**{"level": 0.9} | given)


def test_an_error_that_is_no_number_calibrates_nothing():
    with pytest.raises(ValueError, match="1 of 2 values of the calibration scores are missing"):
        conformal.radii(photos(2).assign(error_m=[1.0, np.nan]), photos(3), PROMISE)


def test_coverage_counts_photos_with_a_radius_and_tells_the_share_without():
    known = np.arange(400) < 300
    table = radii_of(radius_m=np.where(known, 1e9, np.nan), refused=np.where(known, "", "far"))
    assert set(table) == set(conformal.RADII)
    found = conformal.coverage(table, replicates=20)
    assert list(found) == list(conformal.COVERAGE)
    row = found.iloc[0]
    assert (row.coverage, row.low, row.high, row.refused) == (1, 1, 1, 0.25)
    assert (row.median_radius_m, row.seeds, row.n) == (1e9, 2, 400)


def test_the_interval_of_coverage_holds_the_share_and_needs_twenty_blocks():
    table = radii_of()
    row = conformal.coverage(table, replicates=200).iloc[0]
    assert row.coverage == (table.error_m <= table.radius_m).mean()
    assert row.low < row.coverage < row.high
    assert row.radius_low_m < row.median_radius_m < row.radius_high_m
    assert np.isnan(conformal.coverage(radii_of(190), replicates=20).low).all()


@pytest.mark.filterwarnings("error")
def test_where_every_photo_is_refused_nothing_is_measured_or_warned_of():
    row = conformal.coverage(radii_of(radius_m=np.nan, refused="few"), replicates=20).iloc[0]
    assert np.isnan([row.coverage, row.low, row.median_radius_m]).all()
    assert row.refused == 1
    risk = conformal.risk(radii_of(radius_m=np.nan, refused="few"))
    assert set(risk.order) == {"oracle", "chance"}
    assert conformal.answer_risk(risk, "blocked") == "In blocked no photo has a radius by which to choose."


def test_validation_photos_promise_and_test_photos_check_in_every_run():
    table = photos(200).assign(split="blocked", block=np.arange(200) // 5)
    table["part"] = np.where(np.arange(200) < 100, "validation", "test")
    runs = pd.concat([table.assign(seed=seed) for seed in (0, 1)], ignore_index=True)
    radii, coverage, risk = conformal.kept(runs, PROMISE, [0.5, 0.9], replicates=20)
    assert len(radii) == 200
    assert (radii.rule == "scaled").all()
    alone = conformal.radii(table[:100], table[100:], PROMISE)
    np.testing.assert_array_equal(radii.radius_m[:100], alone.radius_m)
    assert coverage[["rule", "level"]].to_numpy().tolist() == [
        ["scaled", 0.5], ["scaled", 0.9], ["constant", 0.5], ["constant", 0.9],
    ]  # fmt: skip
    assert set(risk.order) == {"radius", "oracle", "chance"}


def test_the_oracle_errs_least_and_more_with_every_photo_and_all_orders_meet_at_the_end():
    found = conformal.risk(radii_of())
    assert list(found) == list(conformal.RISK)
    curves = found.pivot_table(index="share", columns="order", values="error_m")
    assert (np.diff(curves.oracle) > 0).all()
    assert (curves.oracle <= curves.radius + 1e-9).all()
    assert np.ptp(curves.chance) < 1e-9
    np.testing.assert_allclose(curves.iloc[-1], curves.chance.iloc[-1])
    assert (curves.radius.iloc[:-1] < curves.chance.iloc[:-1]).all()  # these radii know something
    said = conformal.answer_risk(found, "blocked")
    assert said.startswith("In blocked the 25% of the photos with the smallest radius err by ")


def test_the_risk_of_four_photos_is_worked_out_by_hand():
    found = conformal.surest_m(np.array([1000.0, 10, 100, 0.1]), np.array([3, 1, 2, np.inf]))
    np.testing.assert_allclose(found[4::5], [10, 10**1.5, 100, 10**1.5])  # of 20 shares


@pytest.mark.parametrize(("coverage", "low", "high", "said"), [
    (0.92, 0.88, 0.95, "promise kept"), (0.89, 0.85, 0.95, "not shown to be broken"), (0.5, 0.4, 0.6, "promise broken"),
    (0.5, np.nan, np.nan, "too few blocks to tell whether that is chance"),
])  # fmt: skip
def test_a_kept_promise_a_broken_one_and_what_cannot_be_told_are_told_apart(coverage, low, high, said):
    row = {"split": "blocked", "rule": "scaled", "level": 0.9, "coverage": coverage, "low": low, "high": high}
    assert conformal.answer(pd.DataFrame([row | {"median_radius_m": 120.0}])) == (
        f"A scaled radius that is asked to hold the truth for 90% of the photos holds it for {coverage:.0%} in blocked "
        f"(median radius 120 m; {said})."
    )


def test_a_split_without_a_radius_is_named():
    tables = [radii_of(), radii_of(radius_m=np.nan, refused="few", split="unseen_city")]
    found = conformal.coverage(pd.concat(tables), replicates=20)
    assert conformal.answer(found).endswith("), no photo in unseen_city, where none has a radius.")


def test_photos_are_counted_with_their_radius_or_the_reason():
    table = pd.DataFrame({"radius_m": [120.0, np.nan], "refused": ["", conformal.REFUSED["few"]]})
    assert conformal.answer_shown(table, 0.9) == (
        "Of 2 photos looked at here 1 have a radius for 90%, in the median 120 m; without one: "
        "too few photos to calibrate on (1)."
    )
