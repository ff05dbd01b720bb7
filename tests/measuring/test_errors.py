import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geonb.earth import sphere
from geonb.learning import decoding
from geonb.measuring import baselines, errors, significance

METRE = np.degrees(1 / sphere.EARTH_RADIUS_M)  # of latitude


def places(rows):
    """A table of places from (city, metres north of the equator)."""
    city, north_m = zip(*rows, strict=True)
    return pd.DataFrame({
        "photo_id": [f"p{n}" for n in range(len(rows))], "city": city, "country": "k", "street": "s",
        "lat_deg": np.array(north_m) * METRE, "lon_deg": 0.0,
    })  # fmt: skip


def unit(rng, *shape):
    vectors = rng.normal(size=shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.integers(1, 40))
def test_the_most_similar_place_is_the_one_a_plain_loop_finds_in_any_chunk(seed, chunk):
    rng = np.random.default_rng(seed)
    queries, gallery = unit(rng, 23, 6), unit(rng, 40, 6)
    best, score = decoding.most_similar(queries, gallery, chunk=chunk)
    assert best.tolist() == [max(range(40), key=lambda j: float(q @ gallery[j])) for q in queries]
    np.testing.assert_allclose(score, [q @ gallery[j] for q, j in zip(queries, best, strict=True)], rtol=1e-5)


def test_photos_of_the_own_sequence_do_not_count_and_a_photo_without_a_candidate_has_no_row():
    vectors = np.array([[1.0, 0], [0.8, 0.6], [0.6, 0.8]], np.float32)
    a, none, sequence = (np.array(list(names), object) for names in ("aaa", [""] * 3, "aab"))
    asked, best, _ = decoding.most_similar_of_other_sequence(vectors, vectors, sequence, sequence, chunk=2)
    assert (asked.tolist(), best.tolist()) == ([0, 1, 2], [2, 2, 1])
    assert decoding.most_similar_of_other_sequence(vectors, vectors, none, none)[1].tolist() == [0, 1, 2]
    queries = np.array(list("aba"), object)
    asked, best, score = decoding.most_similar_of_other_sequence(vectors, vectors, queries, a, chunk=2)
    assert (asked.tolist(), best.tolist()) == ([1], [1])
    assert score[0] == pytest.approx(1)
    for others in (vectors, vectors[:0]):  # all photos of one drive, and a single photo in all
        found = decoding.most_similar_of_other_sequence(vectors, others, a, a[: len(others)])
        assert [len(part) for part in found] == [0, 0, 0]


def test_how_many_photos_have_no_candidate_is_said():
    nearest = pd.DataFrame({"same_city": [True, True, False], "distance_m": [100.0, 300.0, 2_000.0]})
    city = ["a", "a", "b", "b"]
    assert errors.answer_nearest(nearest, 5, city) == (
        "For 67% of the photos the most similar one of another drive lies in the same city (drawn at random it would "
        "be 50%); the median distance to it is 300 m. 2 of 5 photos have none."
    )
    assert errors.answer_nearest(nearest[:0], 5, city).startswith("None of the 5 photos has one of another drive")


@pytest.mark.parametrize(("queries", "gallery", "match"), [
    (np.ones((2, 3)), np.ones((0, 3)), "no place to choose among: the gallery is empty"),
    (np.array([[1.0, np.nan, 0]]), np.ones((2, 3)), "1 of 1 values of the largest similarity are missing"),
    (np.ones((2, 3)), np.array([[1.0, 0, 0], [np.nan, 0, 0]]), "2 of 2 values of the largest similarity are missing"),
])  # fmt: skip
def test_nothing_is_most_similar_where_nothing_can_be_compared(queries, gallery, match):
    with pytest.raises(ValueError, match=match):
        decoding.most_similar(queries, gallery)


def test_the_nearest_vector_is_nearest_not_most_parallel_and_none_is_near_where_there_is_none():
    assert decoding.nearest_vectors([[1.0, 1.0]], [[9.0, 9.0], [1.0, 0.5]]).tolist() == [1]
    with pytest.raises(ValueError, match="no vector to be near to: the gallery is empty"):
        decoding.nearest_vectors(np.ones((2, 3)), np.ones((0, 3)))


def test_a_prediction_holds_truth_place_error_and_whether_the_city_is_right():
    photos, gallery = places([("a", 0), ("b", 100)]), places([("b", 30), ("a", 0)]).drop(columns="photo_id")
    table = decoding.predictions(photos.set_axis([7, 3]), gallery, np.array([1, 0]))
    assert table.photo_id.tolist() == ["p0", "p1"]
    assert table.predicted_city.tolist() == ["a", "b"]
    np.testing.assert_allclose(table.error_m, [0, 70])
    assert table.right_city.tolist() == [True, True]
    assert decoding.predictions(photos, gallery, np.array([0, 0])).right_city.tolist() == [False, True]


def metrics_of(error_m):
    return dict(zip(list(errors.UNITS)[:-1], errors.statistics(np.array(error_m)), strict=True))


def test_metrics_equal_those_worked_by_hand():
    found = metrics_of([10.0, 25, 60, 300, 2_000])
    assert found["median_error_m"] == 60
    assert found["mean_error_m"] == 479
    assert found["p90_error_m"] == pytest.approx(300 + 0.6 * 1_700)
    shares = [found[f"share_within_{d}"] for d in ("25m", "50m", "100m", "250m", "500m", "1km", "25km", "200km")]
    assert shares == [0.4, 0.4, 0.6, 0.6, 0.8, 0.8, 1.0, 1.0]
    found = metrics_of([900.0, 20_000.0, 700_000.0, 2_000_000.0])
    shares = [found[f"share_within_{name}"] for name in ("1km", "25km", "200km", "750km", "2500km")]
    assert shares == [0.25, 0.5, 0.5, 0.75, 1.0]
    expected = 5000 * np.mean(np.exp([-0.0009 / 1.4927, -0.02 / 1.4927, -0.7 / 1.4927, -2 / 1.4927]))
    assert found["geoscore"] == pytest.approx(expected)
    assert errors.geoscore(1_492_700.0) == pytest.approx(5000 / np.e)


TRAIN = places([("a", 0), ("a", 100), ("a", 500), ("b", 10_000)])
TEST = places([("a", 20), ("b", 9_000)])
TRAIN_FEATURES = np.eye(4, dtype=np.float32)


def rows(features=TRAIN_FEATURES[[2, 3]], **changes):
    return baselines.baselines(TEST, TRAIN, TRAIN, features, TRAIN_FEATURES, **{"seed": 0} | changes)


def test_trivial_rows_equal_those_worked_by_hand():
    """Medians of the distances to the training photos: from 0 m 300, from 100 m 250, from 500 m 450."""
    found = rows()
    assert [*found, "zero_shot"] == list(baselines.BASELINES)
    np.testing.assert_allclose(found["frozen_nearest"].error_m, [480, 1_000])
    np.testing.assert_allclose(found["mode"].error_m, [80, 8_900])
    np.testing.assert_allclose(found["city_centroid"].error_m, [180, 1_000], rtol=1e-6)
    assert found["city_centroid"].right_city.all()
    assert found["mode"].right_city.tolist() == [True, False]


def test_the_frozen_tower_names_the_place_whose_text_is_like_the_photo():
    texts = TRAIN_FEATURES[[1, 3, 0, 2]]  # what is like photo 2 stands at place 3, what is like photo 3 at place 1
    np.testing.assert_allclose(rows(gallery_text=texts)["zero_shot"].error_m, [9_980, 8_900])
    inside = rows(TRAIN_FEATURES[[0, 3]], gallery_text=texts, city_known=True)["zero_shot"]
    np.testing.assert_allclose(inside.error_m, [480, 1_000])


def test_chance_draws_every_place_equally_often_and_the_same_for_the_same_seed():
    photos, gallery = places([("a", 0)] * 8_000), places([("a", n) for n in range(8)])
    features = np.repeat(TRAIN_FEATURES[:1], 8_000, 0)

    def draw(seed):
        found = baselines.baselines(photos, TRAIN, gallery, features, TRAIN_FEATURES, seed=seed)
        return found["chance"].error_m.round()

    assert draw(0).value_counts().between(850, 1_150).all()
    assert (draw(0) == draw(0)).all()
    assert (draw(0) != draw(1)).any()


def test_where_the_city_is_known_chance_searches_in_it_alone_and_a_city_without_a_place_is_named():
    found = rows(city_known=True)["chance"]
    assert found.right_city.all()
    assert found.error_m[1] == pytest.approx(1_000)
    assert not all(rows(seed=seed)["chance"].right_city.all() for seed in range(20))
    with pytest.raises(ValueError, match="gallery has no place of city 'b'"):
        baselines.ceilings(TEST, TRAIN[TRAIN.city == "a"], city_known=True)


def test_no_training_place_beats_the_best_constant_and_many_places_are_tried_evenly(monkeypatch):
    train = places([("a", m) for m in np.random.default_rng(0).uniform(0, 5_000, 300)])
    medians = np.median(sphere.pair_distance_m(train[["lat_deg", "lon_deg"]].to_numpy()), axis=1)
    assert baselines.best_constant(train) == medians.argmin()
    monkeypatch.setattr(baselines, "CANDIDATES", 60)
    assert medians[baselines.best_constant(train)] <= 1.2 * medians.min()


def test_ceilings_take_the_nearest_place_and_that_with_the_nearest_fields():
    fields = np.array([[2.9], [0.2]]), np.array([[0.0], [1.0], [2.0], [3.0]])
    for known, expected_m in ((False, [9_980, 9_000]), (True, [480, 1_000])):
        found = baselines.ceilings(TEST, TRAIN, *fields, city_known=known)["field_reference"]
        np.testing.assert_allclose(found.error_m, expected_m)
    found = baselines.ceilings(TEST, TRAIN.assign(city=["a", "a", "b", "a"]))
    assert list(found) == ["gallery_floor"]
    np.testing.assert_allclose(found["gallery_floor"].error_m, [20, 1_000])
    known = baselines.ceilings(TEST, TRAIN.assign(city=["b", "a", "a", "b"]), city_known=True)["gallery_floor"]
    np.testing.assert_allclose(known.error_m, [80, 1_000])


def test_what_needs_no_training_stands_in_one_table_with_split_kind_and_seed():
    photos = pd.concat([TRAIN, TEST], ignore_index=True).assign(photo_id=[*"uvwxyz"])
    features = np.concatenate([TRAIN_FEATURES, TRAIN_FEATURES[[2, 3]]])
    part = np.array(["train"] * 4 + ["test"] * 2)

    def untrained(planted, read_names=None, splits=("random",)):
        given = dict.fromkeys(splits, part), dict.fromkeys(splits, TRAIN)
        return baselines.untrained(photos, features, *given, planted, read_names, seed=5)

    table = untrained(lambda places: np.arange(float(len(places)))[:, None], splits=("random", "unseen_city"))
    assert table.groupby(["split", "kind"]).method.nunique().to_dict() == {
        (split, kind): count
        for split in ("random", "unseen_city")
        for kind, count in (("trivial", 4), ("reference", 2))
    }
    assert set(table.photo_id) == {"y", "z"}
    assert set(table.seed) == {5}
    assert table[(table.split == "unseen_city") & (table.method == "chance")].right_city.all()
    nothing = lambda places: None  # noqa: E731
    assert set(untrained(nothing).method) == {*baselines.BASELINES, "gallery_floor"} - {"zero_shot"}
    assert set(untrained(nothing, lambda places: features[:4]).method) == {*baselines.BASELINES, "gallery_floor"}


def test_the_centre_of_the_likeliest_city_and_of_the_city_that_is_given_by_hand():
    features = np.float32([[1, 0], [1, 0.1], [0.9, 0], [0, 1]])
    found = baselines.centres(TEST, TRAIN, TRAIN, features[[0, 3]], features)
    assert list(found) == ["city_centre"]
    np.testing.assert_allclose(found["city_centre"].error_m, [180, 1_000], rtol=1e-6)  # centre of a: 200 m
    wrong = baselines.centres(TEST, TRAIN, TRAIN, features[[3, 3]], features)["city_centre"]
    assert wrong.right_city.tolist() == [False, True]
    one = baselines.centres(TEST, TRAIN[:3], TRAIN, features[[0, 3]], features[:3])["city_centre"]
    assert one.predicted_city.tolist() == ["a", "a"]  # a single city needs no regression
    gallery = places([("a", 0), ("a", 400), ("b", 9_400), ("c", 5)])
    given = baselines.centres(TEST, TRAIN[:3], gallery, features[[0, 3]], features[:3], city_known=True)
    assert list(given) == ["gallery_centre"]
    np.testing.assert_allclose(given["gallery_centre"].error_m, [180, 400], rtol=1e-6)
    with pytest.raises(ValueError, match="gallery has no place of city 'b'"):
        baselines.centres(TEST, TRAIN, gallery[:2], features[[0, 3]], features, city_known=True)


def test_centres_of_several_splits_stand_in_one_table_as_other_rows_without_training_do():
    photos = pd.concat([TRAIN, TEST], ignore_index=True).assign(photo_id=[*"uvwxyz"])
    part = np.array(["train"] * 4 + ["test"] * 2)
    given = np.eye(6, dtype=np.float32), dict.fromkeys(("blocked_25", "unseen_city_2"), part)
    table = baselines.all_centres(photos, *given, dict.fromkeys(given[1], TRAIN), seed=5)
    assert table.groupby("split").method.unique().explode().to_dict() == {
        "blocked_25": "city_centre", "unseen_city_2": "gallery_centre",
    }  # fmt: skip
    others = baselines.untrained(photos, *given, dict.fromkeys(given[1], TRAIN), lambda places: None, seed=5)
    assert set(table) == set(others)
    assert others[(others.split == "unseen_city_2") & (others.method == "chance")].right_city.all()


def errors_of(method="clip", seeds=(0, 1), blocks=25, scale=100.0, kind="method"):
    rng = np.random.default_rng(0)
    error = rng.exponential(scale, 4 * blocks)
    tables = [
        pd.DataFrame({
            "split": "blocked", "method": method, "kind": kind, "seed": seed,
            "photo_id": [f"p{n:03d}" for n in range(4 * blocks)],
            "city": "a", "block": np.repeat(np.arange(blocks), 4), "lat_deg": 0.0, "lon_deg": 0.0,
            "error_m": error * (1 + 0.1 * seed), "right_city": np.arange(4 * blocks) % 2 == 0,
        }) for seed in seeds
    ]  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def test_a_comparison_has_one_row_per_split_method_and_metric_with_its_interval():
    predicted = pd.concat(
        [errors_of(), errors_of("chance", seeds=(0,), scale=900.0, kind="trivial")], ignore_index=True
    )
    table = errors.compare(predicted, replicates=50)
    assert list(table.columns) == list(errors.COMPARE)
    assert len(table) == 2 * len(errors.UNITS)
    assert (table.low <= table.high).all()
    assert table.groupby("method").seeds.first().to_dict() == {"clip": 2, "chance": 1}
    assert set(table.n) == {100}
    values = table.set_index(["method", "metric"]).value
    assert values["clip", "median_error_m"] == predicted[predicted.method == "clip"].error_m.median()
    assert values["clip", "share_right_city"] == 0.5


def test_the_order_of_rows_changes_nothing_and_a_photo_that_stands_twice_in_a_run_is_an_error():
    shuffled = errors_of().sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(*(errors.compare(table, replicates=30) for table in (errors_of(), shuffled)))
    few = errors.compare(errors_of(blocks=19), replicates=20)
    assert few.value.notna().all()
    assert few[["low", "high"]].isna().all(axis=None)
    with pytest.raises(ValueError, match="duplicate"):
        errors.compare(pd.concat([errors_of(), errors_of()]), replicates=10)


def test_ratios_of_many_methods_are_adjusted_and_the_verdict_knows_it():
    scales = {"clip": 1e7, "half": 5e6, "same": 1e7, "also": 1e7}
    predicted = pd.concat([errors_of(name, scale=scale) for name, scale in scales.items()], ignore_index=True)
    others = dict.fromkeys(["half", "same", "also"], "clip")
    table = significance.ratios(predicted, others, replicates=199)
    assert list(table) == list(significance.RATIOS)
    table = table.set_index("method")
    assert table[["ratio", "low", "high"]].round(3).to_numpy().tolist() == [[0.5] * 3, [1.0] * 3, [1.0] * 3]
    assert table.p_holm["half"] == pytest.approx(3 * 2 / 200)
    assert table.verdict["half"].startswith("It helps here")
    assert table.verdict["same"].startswith("Not shown")
    few = significance.ratios(predicted, others, replicates=99).set_index("method")
    assert "with 3 methods compared p is 0.06 (Holm)" in few.verdict["half"]


def test_the_best_error_by_a_number_of_steps_is_that_of_the_geometric_mean_over_seeds():
    curves = pd.DataFrame({
        "split": "blocked", "method": "clip", "seed": [0, 0, 0, 1, 1], "step": [10, 20, 30, 10, 20],
        "validation_error_m": [100.0, 50.0, np.nan, 400.0, 800.0],
    })  # fmt: skip
    table = errors.same_steps(curves)
    assert table[[10, 20]].to_numpy().ravel() == pytest.approx([200, np.sqrt(50 * 400)])


def test_recall_counts_the_nearest_place_and_stands_beside_the_median():
    predicted = pd.DataFrame({
        "split": "s", "photo_id": ["a", "b", "c"] * 2, "method": ["gallery_floor"] * 3 + ["m"] * 3,
        "kind": ["reference"] * 3 + ["method"] * 3, "error_m": [10.0, 20.0, 30.0, 10.0, 20.3, 45.0],
    })  # fmt: skip
    row = errors.recall_paradox(predicted).iloc[0]
    assert (row.method, row.nearest, row.within_50m, row.median_error_m) == ("m", pytest.approx(2 / 3), 1.0, 20.3)
    with pytest.raises(ValueError, match="1 of 3 values of gallery_floor are missing"):
        errors.recall_paradox(predicted[1:])


def test_headline_keys_name_metric_split_density_and_method():
    rows = errors.headline(errors.compare(errors_of(), replicates=10), 1000, "07_compare/compare")
    metrics = "median_error_m", "p90_error_m", "share_within_100m", "share_within_250m", "share_right_city"
    assert rows.key.tolist() == [f"{metric}.blocked.1000.clip" for metric in metrics]
    assert rows.unit.tolist() == ["m", "m", "share", "share", "share"]
    predicted = pd.concat([errors_of("sw_clip", scale=5e6), errors_of("clip", scale=1e7)], ignore_index=True)
    rows = errors.headline_ratios(predicted, "sw_clip", "clip", 100, "t", replicates=20)
    assert rows.key.tolist() == [
        f"{name}_error_ratio.blocked.100.sw_clip_over_clip" for name in ("median", "mean", "geometric_mean")
    ]
    assert rows[["value", "low", "high"]].to_numpy().ravel() == pytest.approx([0.5] * 9, rel=1e-3)


def test_all_errors_joins_methods_and_what_needs_no_training():
    there = {"predicted_city": "a", "predicted_lat_deg": 0.0, "predicted_lon_deg": 0.0}
    chance = errors_of("chance", kind="trivial").drop(columns="block").assign(**there)
    clip = errors_of().drop(columns=["method", "kind", "block"]).assign(similarity=0.5, **there)
    table = errors.all_errors(chance, {"clip": clip}, 100.0)
    assert list(table) == list(errors.ERRORS)
    assert table.groupby("method").kind.first().to_dict() == {"chance": "trivial", "clip": "method"}
    assert table.block.notna().all()


def test_the_answer_names_the_best_method_the_frozen_row_and_the_verdict():
    compared = pd.DataFrame({
        "metric": ["median_error_m"] * 3 + ["share_right_city"] * 3, "split": "blocked",
        "method": ["clip", "sw_clip", "frozen_nearest"] * 2, "value": [210.0, 190.4, 400.0, 0.5, 0.6, 0.4],
    })  # fmt: skip
    ratios = pd.DataFrame({
        "split": ["blocked", "random"], "method": "sw_clip", "verdict": ["It helps here.", "Not this."],
    })  # fmt: skip
    said = errors.answer(compared, "blocked", ["clip", "sw_clip"], ratios)
    assert "190 m (sw_clip)" in said
    assert "400 m without training. They place 60% and 40% of the photos in the right city" in said
    assert said.endswith("It helps here.")
    alone = errors.answer(compared, "blocked", ["clip", "sw_clip"], ratios, several=False)
    assert "right city" not in alone
    assert "400 m without training. It helps here." in alone


@pytest.mark.parametrize(("several", "floor_m", "said"), [
    (True, 12.0, "CLIP training places 50% of the test photos in the right city, SW-CLIP 60%, and the nearest "
     "neighbour in the features of a ready-made tower, which was not trained on these cities, 40%. The best possible "
     "answer from the same places would be 12 m away. It helps here."),
    (False, 0.0, "CLIP training has a median error of 210 m, SW-CLIP one of 190 m, and the nearest neighbour in the "
     "features of a ready-made tower, which was not trained on these photos, 400 m. It helps here."),
])  # fmt: skip
def test_the_book_begins_with_cities_only_where_there_are_several_and_with_no_best_answer_of_0_m(
    several, floor_m, said
):
    methods = ["clip", "sw_clip", "frozen_nearest", "gallery_floor"]
    compared = pd.DataFrame({
        "metric": ["median_error_m"] * 4 + ["share_right_city"] * 4, "split": "blocked", "method": methods * 2,
        "value": [210.0, 190.4, 400.0, floor_m, 0.5, 0.6, 0.4, 1.0],
    })  # fmt: skip
    ratios = pd.DataFrame({"split": ["blocked"], "method": "sw_clip", "verdict": "It helps here."})
    assert errors.introduction(compared, "blocked", ratios, several=several) == f"ordinary {said}"


def test_a_method_that_knows_when_it_is_right_has_small_errors_where_it_is_surest():
    error_m = np.array([1.0, 10, 100, 1000, 1, 10, 100, 1000])
    table = pd.DataFrame({"split": "blocked", "seed": np.repeat([0, 1], 4), "error_m": error_m})
    knows = table.assign(similarity=-np.log(error_m))
    found = errors.surest({"knows": knows, "alike": table.assign(similarity=1.0)}).set_index("method")
    assert found.loc["knows"].tolist() == ["blocked", pytest.approx(1), pytest.approx(1), pytest.approx(10**1.5)]
    assert np.isnan(found.loc["alike", "rank_correlation"])
    backwards = errors.surest({"b": table.assign(similarity=np.log(error_m))})
    assert backwards.rank_correlation[0] == pytest.approx(-1)
    assert backwards.surest_m[0] == pytest.approx(1000)


def test_shares_within_distances_are_compared_photo_by_photo():
    rng = np.random.default_rng(0)
    base, own = rng.uniform(0, 200, 100), np.arange(100)
    rows = [
        pd.DataFrame({"photo_id": own, "error_m": error, "method": name, "seed": seed, "block": own})
        for seed in (0, 1) for name, error in (("a", base / 2), ("b", base))
    ]  # fmt: skip
    predicted = pd.concat(rows).assign(split="here")
    table = significance.share_differences(predicted, ["a"], "b", [50.0, 500.0], replicates=200).set_index("within_m")
    assert table.difference[50.0] == pytest.approx((base <= 100).mean() - (base <= 50).mean())
    assert table.share[50.0] == pytest.approx((base <= 100).mean())
    assert table.low[50.0] < table.difference[50.0] < table.high[50.0]
    assert table.loc[500.0, ["difference", "low", "high"]].tolist() == [0, 0, 0]
    assert significance.share_differences(predicted, [], "b", [50.0]).empty


def test_names_of_places_are_compared_level_by_level_where_there_is_one():
    def names_of(lat_lon_deg):
        east = lat_lon_deg[:, 1]
        named = pd.DataFrame({"country": np.where(east < 10, "A", "B"), "town": np.floor(east).astype(int).astype(str)})
        return named.assign(town=named.town.where(named.town != "3", ""), distance_m=0.0)

    truth, told = np.array([1.5, 2.5, 3.5, 20.5]), np.array([1.6, 7.5, 3.5, 2.5])
    predicted = pd.DataFrame({
        "split": "random", "method": "clip", "seed": 0, "photo_id": list("abcd"), "block": list("abcd"), "lat_deg": 0.0,
        "lon_deg": truth, "predicted_lat_deg": 0.0, "predicted_lon_deg": told,
    })  # fmt: skip
    found = errors.administrative(predicted, names_of).set_index("level")
    assert found.share.to_dict() == {"country": 0.75, "town": pytest.approx(1 / 3)}
    assert found.n.to_dict() == {"country": 4, "town": 3}
    assert found.low.isna().all()  # four blocks
