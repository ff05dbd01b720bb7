"""A tower that is trained on learns what pictures show, the same from the same seed, and nothing from noise."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from experiments.words import finetuning, pretraining

SETTINGS = {"steps": 30, "batch_size": 16, "learning_rate": 3e-3}


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
    fit = lambda seed: finetuning.finetuned(one.model.visual, shown.pixels, shown.label, SETTINGS, seed)  # noqa: E731
    model, same, other = fit(0), fit(0), fit(1)
    asked = corpus(120, 1)
    assert (finetuning.predicted(model, asked.pixels) == asked.label).mean() > 0.9
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
    table = finetuning.city_accuracy(towers(objective), *given, replicates=20)
    assert list(table.columns) == list(finetuning.FINETUNED)
    row = table.iloc[0]
    assert row.value > 0.8
    assert row.low <= row.value <= row.high
    assert (row.seeds, row.n) == (2, 60)
    assert row.chance == np.unique(asked.city[held], return_counts=True)[1].max() / 60
    assert len(finetuning.city_accuracy({}, *given)) == 0


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
        finetuning.city_accuracy(
            towers("none"), [corpus(40, 0), asked], np.full(40, held), np.arange(40), SETTINGS | settings
        )
