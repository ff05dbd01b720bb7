from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from experiments.words import pretraining, probe_tables, supervision_tables

NOTHING = {name: pd.DataFrame(columns=list(columns)) for name, columns in {
    "read": probe_tables.READ, "slopes": supervision_tables.SLOPES, "gaps": supervision_tables.GAPS,
    "finetuned": ["tower"],
}.items()}  # fmt: skip
SETTINGS = {"steps": 30, "batch_size": 16, "learning_rate": 3e-3}
BLOCKS, DRAWS = np.arange(600) // 20, {"replicates": 20}


def squares(r2, seed=0):
    """Squares (seeds, 2, n) of the R2 asked for, but for noise."""
    error = np.random.default_rng(seed).normal(1, 0.05, (2, 600)) * (1 - r2)
    return np.stack([error, np.ones((2, 600))], axis=1)


@pytest.mark.slow
def test_towers_are_compared_on_the_photos_of_a_sample(corpus, photos, tmp_path):
    settings = {"steps": 2, "batch_size": 16, "learning_rate": 1e-3}
    towers = pretraining.trained(["words_all", "masked"], [corpus], tmp_path, range(2), settings)
    aims, block = probe_tables.aims_of(photos), np.arange(60)
    sample = probe_tables.Sample(photos, aims, block, {"random": block % 3}, None)
    read, by_share, slopes, gaps = supervision_tables.compare(towers, [corpus, corpus], sample, replicates=10)
    assert set(read.tower) == {"words_all", "masked"}
    assert set(read.seeds) == {2}
    assert set(read.layer.str.split().str[-1]) <= {"summary", "mean"}
    assert by_share.tower.unique().tolist() == ["words_all"]
    assert [list(by_share), len(slopes), len(gaps)] == [list(supervision_tables.BY_SHARE), 0, 0]
    bag = supervision_tables.bags_of_words(towers, [corpus, corpus], 0)["words_all"].runs[0][0]
    assert bag.shape == (60, len(corpus.vocabulary) - 3)
    assert [len(table) for table in supervision_tables.compare({}, [], sample)] == [0] * 4


def test_slopes_and_gaps_come_from_the_towers_that_are_there():
    both, shares = ("random", "blocked"), pretraining.PHRASE_SHARES
    parts = {
        (name, split, aim): squares(0.2 + 0.4 * share)
        for name, share in shares.items() for split in both for aim in probe_tables.WITHIN
    }  # fmt: skip
    by_share, slopes = supervision_tables.by_share(parts, parts, BLOCKS, DRAWS)
    assert len(by_share) == 16
    assert slopes.slope.tolist() == pytest.approx([0.4] * 4, abs=0.01)
    assert (slopes.high - slopes.low).max() < 0.05
    assert len(supervision_tables.gaps(parts, BLOCKS, DRAWS)) == 0
    names = (*pretraining.TEXT, *pretraining.VISION)
    for blocked, text, left in ((0.25, 0.6, 0.25), (0.25, 0.2, np.nan)):  # without a lead nothing is left of it
        r2 = {"random": dict.fromkeys(pretraining.TEXT, text), "blocked": dict.fromkeys(pretraining.TEXT, blocked)}
        parts = {(name, split, "fields"): squares(r2[split].get(name, {"random": 0.2, "blocked": 0.15}[split]), seed)
                 for seed, name in enumerate(names) for split in both}  # fmt: skip
        found = supervision_tables.gaps(parts, BLOCKS, DRAWS)
        assert found.aim.tolist() == ["fields"]
        assert found.share[0] == pytest.approx(left, abs=0.05, nan_ok=True)


def test_the_headline_names_what_is_there():
    row = {"tower": "a tower", "split": "blocked", "aim": "country", "metric": "accuracy"}
    read = pd.DataFrame([row | {"value": 0.5, "low": 0.4, "high": 0.6, "seeds": 1, "n": 9}])
    finetuned = pd.DataFrame([{"tower": "masked", "value": 0.5, "low": 0.4, "high": 0.6, "seeds": 2, "n": 8}])
    slopes = pd.DataFrame([("fields", "blocked", 0.1, 0.0, 0.2)], columns=list(supervision_tables.SLOPES))
    gaps = pd.DataFrame([("position", 0.5, 0.4, 0.6), ("fields", *[np.nan] * 3)], columns=list(supervision_tables.GAPS))
    rows = supervision_tables.headline(read, NOTHING["read"], slopes, gaps, finetuned, "page")
    assert {row.key: (row.value, row.n, row.table) for row in rows.itertuples()} == {
        "probe_country_accuracy.blocked.a_tower": (0.5, 9, "page/read"),
        "text_dose_slope_r2": (0.1, 9, "page/slopes"),
        "published_gap_surviving_blocking": (0.5, 9, "page/gaps"),
        "city_finetuned_accuracy.masked": (0.5, 8, "page/finetuned"),
    }
    none = (NOTHING[name] for name in ("read", "slopes", "gaps", "finetuned"))
    assert len(supervision_tables.headline(read, *none, "page")) == 1


def test_what_is_borrowed_is_said_to_be():
    read = pd.DataFrame([{"tower": "t", "split": "blocked", "aim": "position", "value": -0.001}])
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


def towers(objective):
    """An untrained tower for pictures of 32 pixels, as pretraining.trained gives it."""
    torch.manual_seed(0)
    return {objective: [SimpleNamespace(model=pretraining.model_of(objective, 32, 50).float().eval())] * 2}


def corpus(n, seed):
    """Noisy pictures of three tints, which are cities."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, n)
    tint = np.array([[160, 90, 90], [90, 160, 90], [90, 90, 160]])[label]
    pixels = (tint[:, None, None] + rng.normal(0, 40, (n, 32, 32, 3))).clip(0, 255).astype(np.uint8)
    return SimpleNamespace(pixels=pixels, city=np.array(["east", "north", "west"], dtype=object)[label], label=label)


@pytest.mark.slow
def test_what_pictures_show_is_learned_and_the_tower_itself_stays_as_it_was():
    (one, _), shown = towers("none")["none"], corpus(200, 0)
    before = {key: value.clone() for key, value in one.model.visual.state_dict().items()}
    fit = lambda seed: supervision_tables.finetuned(one.model.visual, shown.pixels, shown.label, SETTINGS, seed)  # noqa: E731
    model, same, other = fit(0), fit(0), fit(1)
    asked = corpus(120, 1)
    assert (supervision_tables.predicted(model, asked.pixels) == asked.label).mean() > 0.9
    assert all(torch.equal(value, before[key]) for key, value in one.model.visual.state_dict().items())
    moved = [not torch.equal(value, before[key]) for key, value in model[0].state_dict().items()]
    assert sum(moved) > len(moved) / 2
    assert torch.equal(model[1].weight, same[1].weight)
    assert not torch.equal(model[1].weight, other[1].weight)


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["none", "captioner"])
def test_a_table_has_a_row_for_each_tower_with_chance_beside(objective):
    shown, asked, held = corpus(96, 0), corpus(80, 1), np.arange(80) < 60
    given = [shown, asked], held, np.arange(80) // 2, SETTINGS
    table = supervision_tables.city_accuracy(towers(objective), *given, replicates=20)
    assert list(table.columns) == list(supervision_tables.FINETUNED)
    row = table.iloc[0]
    assert row.value > 0.8
    assert row.low <= row.value <= row.high
    assert (row.seeds, row.n) == (2, 60)
    assert row.chance == np.unique(asked.city[held], return_counts=True)[1].max() / 60
    assert len(supervision_tables.city_accuracy({}, *given)) == 0


@pytest.mark.parametrize(("said", "city", "held", "settings"), [
    ("no photo of south trains: no tower can name it", "south", True, {}),
    ("no photo tests what the towers learned", "east", False, {}),
    ("finetuning_steps -2 must be a whole number of at least 1", "east", True, {"steps": -2}),
    ("finetuning_rate nan must be a finite number above 0", "east", True, {"learning_rate": np.nan}),
])  # fmt: skip
def test_a_finetuning_that_tests_nothing_or_is_none_is_refused(said, city, held, settings):
    asked = corpus(40, 1)
    asked.city[:] = city
    with pytest.raises(ValueError, match=said):
        supervision_tables.city_accuracy(
            towers("none"), [corpus(40, 0), asked], np.full(40, held), np.arange(40), SETTINGS | settings
        )
