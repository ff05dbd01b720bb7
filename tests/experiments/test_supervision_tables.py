import numpy as np
import pandas as pd
import pytest

from experiments.words import pretraining, probe_tables, samples, supervision, supervision_tables

NOTHING = {name: pd.DataFrame(columns=list(columns)) for name, columns in {
    "read": probe_tables.READ, "slopes": supervision_tables.SLOPES, "gaps": supervision_tables.GAPS,
    "finetuned": ["tower"], "scenes": probe_tables.SCENES,
}.items()}  # fmt: skip
BLOCKS = np.arange(600) // 20


def squares(r2, seed=0):
    """Squares (seeds, 2, n) of the R2 asked for, but for noise."""
    error = np.random.default_rng(seed).normal(1, 0.05, (2, 600)) * (1 - r2)
    return np.stack([error, np.ones((2, 600))], axis=1)


@pytest.mark.slow
def test_towers_are_compared_on_the_photos_of_a_sample(corpus, photos, tmp_path):
    settings = {"steps": 2, "batch_size": 16, "learning_rate": 1e-3}
    towers = pretraining.trained(["words_all", "masked"], [corpus], tmp_path, range(2), settings)
    aims, block = samples.aims_of(photos), np.arange(60)
    sample = samples.Sample(photos, aims, block, corpus.scenes, {"random": block % 3}, None)
    read, by_share, slopes, gaps = supervision_tables.compare(towers, [corpus, corpus], sample, replicates=10)
    assert set(read.tower) == {"words_all", "masked"}
    assert set(read.seeds) == {2}
    assert set(read.layer.str.split().str[-1]) <= {"summary", "mean"}
    assert by_share.tower.unique().tolist() == ["words_all"]
    assert [list(by_share), len(slopes), len(gaps)] == [list(supervision_tables.BY_SHARE), 0, 0]
    bag = supervision_tables.bags_of_words(towers, [corpus, corpus])["words_all"].runs[0][0]
    assert bag.shape == (60, len(corpus.vocabulary) - 3)
    assert [len(table) for table in supervision_tables.compare({}, [], sample)] == [0] * 4


def test_slopes_and_gaps_come_from_the_towers_that_are_there():
    both, shares = ("random", "blocked"), supervision.PHRASE_SHARES
    parts = {
        (name, split, aim): squares(0.2 + 0.4 * share)
        for name, share in shares.items() for split in both for aim in probe_tables.WITHIN
    }  # fmt: skip
    by_share, slopes = supervision_tables.by_share(parts, parts, BLOCKS, replicates=20)
    assert len(by_share) == 16
    assert slopes.slope.tolist() == pytest.approx([0.4] * 4, abs=0.01)
    assert (slopes.high - slopes.low).max() < 0.05
    assert len(supervision_tables.gaps(parts, BLOCKS, replicates=20)) == 0
    names = (*supervision.TEXT, *supervision.VISION)
    for blocked, text, left in ((0.25, 0.6, 0.25), (0.25, 0.2, np.nan)):  # without a lead nothing is left of it
        r2 = {"random": dict.fromkeys(supervision.TEXT, text), "blocked": dict.fromkeys(supervision.TEXT, blocked)}
        parts = {(name, split, "fields"): squares(r2[split].get(name, {"random": 0.2, "blocked": 0.15}[split]), seed)
                 for seed, name in enumerate(names) for split in both}  # fmt: skip
        found = supervision_tables.gaps(parts, BLOCKS, replicates=20)
        assert found.aim.tolist() == ["fields"]
        assert found.share[0] == pytest.approx(left, abs=0.05, nan_ok=True)


def test_the_headline_names_what_is_there():
    row = {
        "tower": "a tower",
        "split": "blocked",
        "aim": "country",
        "scene": "all",
        "metric": "accuracy",
        "seeds": 1,
        "n": 9,
    }
    read = pd.DataFrame([row | {"value": 0.5, "low": 0.4, "high": 0.6}])
    finetuned = pd.DataFrame([{"tower": "masked", "value": 0.5, "low": 0.4, "high": 0.6, "seeds": 2, "n": 8}])
    scenes = pd.DataFrame([("a", 9, 7, 0.5, 0.1, 10.0), ("b", 9, 0, 0.1, 0.0, 90.0)], columns=list(probe_tables.SCENES))
    slopes = pd.DataFrame([("fields", "blocked", 0.1, 0.0, 0.2)], columns=list(supervision_tables.SLOPES))
    gaps = pd.DataFrame([("position", 0.5, 0.4, 0.6), ("fields", *[np.nan] * 3)], columns=list(supervision_tables.GAPS))
    rows = supervision_tables.headline(read, NOTHING["read"], slopes, gaps, finetuned, scenes, "page")
    assert {row["key"]: (row["value"], row["n"], row["table"]) for row in rows} == {
        "probe_country_accuracy.blocked.a_tower": (0.5, 9, "page/read"),
        "text_dose_slope_r2": (0.1, 9, "page/slopes"),
        "published_gap_surviving_blocking": (0.5, 9, "page/gaps"),
        "localizability_rank_agreement": (1.0, 2, "page/scenes"),
        "city_finetuned_accuracy.masked": (0.5, 8, "page/finetuned"),
    }
    none = (NOTHING[name] for name in ("read", "read", "slopes", "gaps", "finetuned", "scenes"))
    assert supervision_tables.headline(*none, "page") == []


def test_what_is_borrowed_is_said_to_be():
    read = pd.DataFrame([{"tower": "t", "split": "blocked", "aim": "position", "scene": "all", "value": -0.001}])
    slopes = pd.DataFrame([("fields", "blocked", 0.07, 0.05, 0.09)], columns=list(supervision_tables.SLOPES))
    shares = [("w", "blocked", "fields", k, 0, 0.1 + k / 10, 0, 0) for k in (0, 1)]
    by_share = pd.DataFrame(shares, columns=list(supervision_tables.BY_SHARE))
    gaps = pd.DataFrame([("position", np.nan, np.nan, np.nan)], columns=list(supervision_tables.GAPS))
    answer = supervision_tables.answer(read, slopes, gaps, by_share, "other")
    assert "an R² of 0.00 in blocked folds" in answer
    assert "In study other text that describes the planted fields helps to read them" in answer
    assert "from 0.10 to 0.20 (slope 0.07, 0.05 to 0.09)" in answer
    assert "no lead in position" in answer
    assert "Here text" in supervision_tables.answer(read, slopes, gaps, by_share)
    assert "is not shown to help" in supervision_tables.answer(read, slopes.assign(low=-0.01), gaps, by_share)
    assert "too few photos" in supervision_tables.answer(NOTHING["read"], slopes, gaps, by_share)
