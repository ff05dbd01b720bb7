"""Detection is judged within distance strata: distance alone finds nothing, the truth finds everything."""

import numpy as np
import pandas as pd
import pytest

from geonb.earth import sphere
from geonb.learning import negatives
from geonb.measuring import negative_detection
from geonb.measuring.negative_detection import FALSE, HARD

RANGE_M = 300.0
GUIDE = negatives.Guide(np.float32([50, 250, 1_000]), np.float32([0.3, 0.6, 0.9]), np.float32([0.1, 0.1, 0.1]), RANGE_M)


@pytest.fixture(scope="module")
def photos():
    """Features of 600 photos that are smooth in space and the same as the planted fields."""
    rng = np.random.default_rng(0)
    metres = rng.uniform(-1_000, 1_000, (600, 2))
    waves = metres @ rng.normal(0, 1 / 250, (2, 6)) + rng.uniform(0, 6, 6)
    fields = np.sin(waves)
    features = fields / np.linalg.norm(fields, axis=1, keepdims=True)
    return features.astype(np.float32), sphere.from_local_m(metres, (50.0, 10.0)), fields, (metres // 400) @ [1, 100]


def pairs_of(features, at, range_m=RANGE_M, pairs_at_most=4_000):
    return negative_detection.pairs_of(features, at, range_m, pairs_at_most=pairs_at_most)


@pytest.fixture(scope="module")
def pairs(photos):
    return negative_detection.scored(pairs_of(*photos[:2]), GUIDE)


def test_half_of_the_pairs_are_near_and_none_is_of_one_place(photos, pairs):
    features, at, _, _ = photos
    assert pairs.far.sum() == 2_000 == (~pairs.far).sum()
    assert (pairs.far == (pairs.distance_m > RANGE_M)).all()
    assert pairs.distance_m.min() > 1
    np.testing.assert_allclose(pairs.similarity, (features[pairs.i] * features[pairs.j]).sum(axis=1), atol=1e-5)
    np.testing.assert_allclose(pairs.distance_m, sphere.distance_m(at[pairs.i], at[pairs.j]), rtol=1e-4)
    sparse = pairs_of(features[:60], at[:60])
    assert 0 < (~sparse.far).sum() < sparse.far.sum() < 60 * 59 / 2  # all there are
    assert pairs_of(np.tile(features, (2, 1)), np.tile(at, (2, 1))).distance_m.min() > 1


def test_weights_and_deviations_stand_beside_the_pairs(photos, pairs):
    row = pairs[~pairs.far & (pairs.distance_m > 50)].iloc[0]
    expected = np.interp(row.distance_m, GUIDE.distance_m, GUIDE.dissimilarity)
    assert row.expected_dissimilarity == pytest.approx(expected, abs=1e-5)
    assert row.more_alike == pytest.approx((expected - 1 + row.similarity) / 0.1, abs=1e-4)
    raised = pairs[pairs.more_alike > 0.1]
    assert (raised.weight_semivariogram[raised.far] > 1).all()
    assert (raised.weight_semivariogram[~raised.far] < 1).all()
    assert (pairs.weight_semivariogram[pairs.more_alike <= 0] == 1).all()
    alone = negative_detection.scored(pairs_of(photos[0][:1], photos[1][:1]), GUIDE)
    assert (len(alone), list(alone)) == (0, list(pairs))


def test_truly_alike_is_the_nearest_tenth_of_far_pairs_in_the_fields(photos, pairs):
    alike = negative_detection.truly_alike(pairs, photos[2])
    assert alike[pairs.far].mean() == pytest.approx(0.1, abs=0.01)
    assert alike[~pairs.far].mean() > 0.3  # the fields are smooth
    apart = negative_detection.fields_apart(pairs, photos[2])
    assert apart[alike].max() < apart[~alike].min()
    np.testing.assert_allclose(apart, negative_detection.fields_apart(pairs, photos[2] * [1, 9, 1, 1, 5, 1]))


@pytest.mark.slow
def test_distance_alone_finds_nothing_and_the_truth_everything(photos, pairs):
    table = negative_detection.judged(pairs, photos[2], photos[2], photos[3], replicates=20)
    assert list(table.columns) == list(negative_detection.DETECTED)
    auc = table.set_index(["kind", "rule"]).auc
    for kind in (FALSE, HARD):
        assert auc[kind, "probed fields (ceiling)"] == 1
        assert auc[kind, "distance alone"] == pytest.approx(0.5, abs=0.1)  # strata are not points
        assert auc[kind, "semivariogram"] > 0.7
    assert auc[HARD, "precursor"] == 0.5  # it leaves far pairs alone
    assert auc[FALSE, "look_alikes"] < 0.3  # it raises what should weigh less
    rows = table[table.rule == "semivariogram"]
    assert (rows.low < rows.auc).all()
    assert (rows.auc < rows.high).all()


def test_the_last_digit_of_a_range_does_not_choose_other_pairs(photos):
    pd.testing.assert_frame_equal(*(pairs_of(*photos[:2], range_m, 400) for range_m in (299.5, 299.51)))


def test_few_blocks_give_no_interval_and_without_planted_fields_nothing_is_judged(photos, pairs):
    table = negative_detection.judged(pairs, photos[2], photos[2], np.arange(600) % 5, replicates=20)
    assert table.low.isna().all()
    assert table.auc.notna().all()
    for given in ((pairs, None), (pairs[pairs.far], photos[2])):
        assert negative_detection.judged(*given, photos[2], photos[3]).empty


def test_a_stratum_of_one_kind_does_not_count():
    score, one_kind = np.array([1.0, 2, 3, 4]), np.array([True, True, False, True])
    assert negative_detection.mean_auc(score, one_kind, np.array([0, 0, 1, 1]), np.ones(4)) == 1.0
    assert np.isnan(negative_detection.mean_auc(score, np.ones(4, bool), np.zeros(4), np.ones(4)))


def test_the_answer_says_what_is_found_and_what_it_is_worth():
    rows = [(kind, rule, auc, low, 0.9, 10, 3) for kind, auc, low in ((FALSE, 0.8, 0.7), (HARD, 0.6, 0.4))
            for rule in ("semivariogram", "similarity alone")]  # fmt: skip
    table = pd.DataFrame(rows, columns=list(negative_detection.DETECTED))
    ratios = pd.DataFrame({
        "method": ["geoclip_semivariogram", "geoclip_semivariogram", "geoclip_precursor"], "ratio": [0.8, 1.01, 2.0],
        "split": ["blocked", "unseen_city", "blocked"], "low": [0.7, np.nan, 1.5], "high": [0.9, np.nan, 2.5],
        "verdict": ["It helps here: much.", "Not shown: little.", "It harms here: much."],
    })  # fmt: skip
    said = negative_detection.answer(table, ratios)
    assert "a false negative is ranked with an area of 0.80 (better than chance; 0.80 by similarity alone)" in said
    assert "a hard negative is ranked with an area of 0.60 (not shown to be better than chance" in said
    assert " In blocked: It helps here: much. In unseen_city: Not shown: little. Of 2 " in said
    assert said.endswith(
        "Of 2 comparisons of a guided row with GeoCLIP that have an interval, shown to help: "
        "geoclip_semivariogram in blocked; shown to harm: geoclip_precursor in blocked."
    )
    assert " In blocked of study x: It helps here" in negative_detection.answer(table, ratios, beside="x")
    said = negative_detection.answer(table[:0], ratios[:0], "too few pilots")
    assert said.startswith("No curve could be fitted (too few pilots)")
    assert said.endswith("this study trains no guided row beside GeoCLIP.")


def test_no_guided_row_makes_empty_tables():
    errors = pd.DataFrame(columns=["split", "method", "seed", "photo_id", "error_m", "block"])
    tables = negative_detection.compared(errors, [], {}, [50.0], replicates=20)
    assert [(list(table), len(table)) for table in tables] == [
        (list(columns), 0) for columns in negative_detection.COMPARED.values()
    ]


@pytest.mark.parametrize(("given", "match"), [
    ({"pairs_at_most": 1}, "pairs_at_most 1 must be a whole number of at least 2"),
    ({"range_m": np.nan}, "range_m nan must be a finite number above"),
    ({"range_m": 0.0}, "range_m 0.0 must be a finite number above"),
])  # fmt: skip
def test_counts_that_are_none_and_a_range_that_is_no_length_are_refused(photos, pairs, given, match):
    with pytest.raises(ValueError, match=match):
        pairs_of(*photos[:2], **given)
    with pytest.raises(ValueError, match="replicates 1 must be a whole number of at least 10"):
        negative_detection.judged(pairs, photos[2], photos[2], photos[3], replicates=1)
