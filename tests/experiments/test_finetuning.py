"""A tower that is trained on learns what pictures show, the same from the same seed, and nothing from noise."""

import numpy as np
import pytest
import torch

from experiments.words import finetuning, supervision
from geonb import files
from simcities import captions

SETTINGS = {"steps": 30, "batch_size": 16, "learning_rate": 3e-3}


def tower(vocabulary_size=50):
    """An untrained image tower for pictures of 32 pixels."""
    torch.manual_seed(0)
    return supervision.model_of(supervision.TEACHINGS["untrained"], 32, vocabulary_size).visual.float().eval()


def tinted(n, seed=0):
    """(pixels, label): noisy pictures of three tints."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, n)
    tint = np.array([[160, 90, 90], [90, 160, 90], [90, 90, 160]])[label]
    pixels = tint[:, None, None] + rng.normal(0, 40, (n, 32, 32, 3))
    return pixels.clip(0, 255).astype(np.uint8), label


def test_what_pictures_show_is_learned_and_the_tower_itself_stays_as_it_was():
    own = tower()
    before = {key: value.clone() for key, value in own.state_dict().items()}
    model = finetuning.finetuned(own, *tinted(200), **SETTINGS)
    pixels, label = tinted(120, seed=1)
    assert (finetuning.told(model, pixels) == label).mean() > 0.9
    assert all(torch.equal(value, before[key]) for key, value in own.state_dict().items())
    moved = [not torch.equal(value, before[key]) for key, value in model[0].tower.state_dict().items()]
    assert sum(moved) > len(moved) / 2


def test_the_same_seed_learns_the_same_and_another_another():
    pixels, label = tinted(100)
    one, same, other = (
        finetuning.finetuned(tower(), pixels, label, seed=seed, **SETTINGS | {"steps": 4}) for seed in (0, 0, 1)
    )
    assert torch.equal(one[1].weight, same[1].weight)
    assert not torch.equal(one[1].weight, other[1].weight)


def lesson(n, seed):
    """A supervision.Lesson of tinted pictures, and which is which as a city."""
    pixels, label = tinted(n, seed)
    traits, nuisances = np.zeros((n, 7)), np.zeros((n, 12))
    words = torch.unique(supervision.tokenizer()(list(captions.vocabulary())))
    made = supervision.Lesson(pixels, traits, nuisances, np.full(n, "street"), ["a"] * n, words)
    return made, np.array(["east", "north", "west"], dtype=object)[label]


def test_a_table_has_a_row_for_each_tower_with_chance_beside(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    (shown, city), (asked, test_city) = lesson(96, 0), lesson(60, 1)
    taught = {"steps": 1, "batch_size": 16, "learning_rate": 1e-3}
    given = taught, SETTINGS, range(2)
    block = np.arange(60) // 2
    table = finetuning.cities_told(
        ["untrained", "captioner"], shown, city, asked, test_city, block, *given, replicates=20
    )
    assert list(table.columns) == list(finetuning.FINETUNED)
    row = table.iloc[0]
    assert row.value > 0.8
    assert row.low <= row.value <= row.high
    assert (row.seeds, row.n) == (2, 60)
    assert row.chance == np.unique(test_city, return_counts=True)[1].max() / 60
    assert finetuning.headline(table, "page").key.tolist() == [
        "city_finetuned_accuracy.untrained", "city_finetuned_accuracy.captioner",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="no photo of south trains"):
        finetuning.cities_told(["untrained"], shown, city, asked, np.full(60, "south"), block, *given)


def test_a_finetuning_that_tests_nothing_or_is_none_is_refused():
    some = np.array(["a", "b"], object)
    with pytest.raises(ValueError, match="no photo tests what the towers learned"):
        finetuning.cities_told(["untrained"], None, some, None, some[:0], some[:0], {}, {}, range(1))
    with pytest.raises(ValueError, match="seed_count 0 must be a whole number of at least 1"):
        finetuning.cities_told(["untrained"], None, some, None, some, some, {}, {}, range(0))
    with pytest.raises(ValueError, match="finetuning_steps -2 must be a whole number of at least 1"):
        finetuning.finetuned(None, None, np.zeros(2, int), steps=-2, batch_size=2, learning_rate=1e-3)
    with pytest.raises(ValueError, match="finetuning_rate nan must be a finite number above 0"):
        finetuning.finetuned(None, None, np.zeros(2, int), steps=2, batch_size=2, learning_rate=np.nan)
