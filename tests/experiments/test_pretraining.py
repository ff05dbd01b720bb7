from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.words import pretraining, supervision

SETTINGS = {"steps": 2, "batch_size": 16, "learning_rate": 1e-3}


@pytest.mark.slow
@pytest.mark.parametrize("name", supervision.SUPERVISIONS)
def test_every_supervision_moves_the_same_tower(corpus, name):
    tower, start = (
        pretraining.pretrain(one, corpus, seed=0, settings=SETTINGS).transformer.state_dict()
        for one in (name, "untrained")
    )
    assert tower.keys() == start.keys()
    assert any(not torch.equal(value, start[key]) for key, value in tower.items()) == (name != "untrained")
    for key, value in tower.items():  # from the same start: two steps do not lead far
        assert (value - start[key]).abs().max() < 0.01


@pytest.mark.slow
def test_a_tower_is_trained_once(corpus, tmp_path, monkeypatch):
    (tower,) = pretraining.trained(["words_half"], [corpus], tmp_path, [0], SETTINGS)["words_half"]
    monkeypatch.setattr(pretraining, "pretrain", None)
    (again,) = pretraining.trained(["words_half"], [corpus], tmp_path, [0], SETTINGS)["words_half"]
    picture = pretraining.as_seen(corpus.pixels[:1])
    assert torch.equal(tower.model.visual(picture), again.model.visual(picture))
    assert torch.equal(tower.transform(corpus.pixels[0]), picture[0])
    files = {line.split()[0] for line in pretraining.code()}
    assert {"experiments/words/pretraining.py", "experiments/words/supervision.py", "simcities/captions.py"} <= files
    assert not any(Path(file).parent.name in ("showing", "book") for file in files)


def test_a_masked_tower_is_judged_by_what_it_did_not_see(corpus):
    torch.manual_seed(0)
    model = pretraining.model_of("masked", 96, len(corpus.vocabulary))
    seen = pretraining.augmented(corpus.pixels[:4], np.random.default_rng(0))
    with torch.no_grad():
        model.decoder.leave.weight.zero_()
        model.decoder.leave.bias.zero_()
        loss = pretraining.masked(model, seen, np.random.default_rng(0))
    assert loss < 1.0  # normalised patches have variance one, flat ones less
    assert torch.nn.functional.unfold(seen, 16, stride=16).shape[2] == 36


def test_strong_views_are_crops_in_other_colours(corpus):
    rng = np.random.default_rng(0)
    weak, strong = (pretraining.augmented(corpus.pixels[:8], rng, views) for views in ("weak", "strong"))
    assert weak.shape == strong.shape == (8, 3, 96, 96)
    assert torch.isfinite(strong).all()
    assert (strong.mean(dim=(2, 3)) - weak.mean(dim=(2, 3))).abs().mean() > 0.05


@pytest.mark.parametrize(("name", "value"), [
    ("batch_size", 0), ("batch_size", 1), ("batch_size", 61), ("steps", 0), ("steps", -1), ("learning_rate", np.nan),
    ("learning_rate", np.inf), ("seed_count", 0),
])  # fmt: skip
def test_a_course_that_cannot_be_is_refused(corpus, tmp_path, name, value):
    settings = SETTINGS | {name: value} if name in SETTINGS else SETTINGS
    seeds = range(value if name == "seed_count" else 1)
    with pytest.raises(ValueError, match=rf"{name} {value} must be a (finite|whole) number"):
        pretraining.trained(["fields"], [corpus], tmp_path, seeds, settings)
