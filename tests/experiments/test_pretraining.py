from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.words import pretraining
from geonb.photos.pictures import open_picture
from simcities import fields, study_worlds

SETTINGS = {"steps": 2, "batch_size": 16, "learning_rate": 1e-3}


@pytest.mark.slow
@pytest.mark.parametrize("name", pretraining.SUPERVISIONS)
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
    assert {"experiments/words/pretraining.py", "simcities/captions.py"} <= files
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


def sentences(corpus, name, epoch=0):
    """The captions of a supervision as sentences again."""
    decoder, tokens = pretraining.tokenizer(), pretraining.tokens(corpus, pretraining.get(name), 0, epoch)
    return [decoder.decode([n for n in corpus.vocabulary[row].tolist() if n]) for row in tokens]


def test_a_corpus_shows_what_the_photos_show(corpus, photos):
    np.testing.assert_array_equal(corpus.pixels[0], np.asarray(open_picture(photos.path[0])))
    assert corpus.city.tolist() == photos.city.tolist()
    tiny, trees = photos.caption.str.contains("tiny trees").to_numpy(), fields.FIELDS.index("trees")
    assert tiny.any()
    assert corpus.traits[tiny, trees].max() < corpus.traits[~tiny, trees].mean()


def test_words_are_numbered_anew_without_being_lost(corpus):
    tokens = pretraining.tokens(corpus, pretraining.get("words_all"), 0, 0)
    assert tokens.max() == len(corpus.vocabulary) - 1  # the end of a text has the largest number
    plain = pretraining.tokenizer()(sentences(corpus, "words_all"))
    assert torch.equal(corpus.vocabulary[tokens][:, 1:10], plain[:, 2:11])  # decoded with its start of text


def test_what_captions_describe(corpus, photos):
    for sentence in sentences(corpus, "words_of_the_day"):
        assert not any(word in sentence for word in ("asphalt", "fronts", "pavement", "trees"))
    places = sentences(corpus, "words_of_places")
    assert all(city.lower() in place for city, place in zip(photos.city, places, strict=True))
    assert places == sentences(corpus, "words_of_places", epoch=1)
    assert sentences(corpus, "words_all") != sentences(corpus, "words_all", epoch=1)  # the same in other words


def test_only_simulated_photos_have_a_world_and_only_known_supervisions_are_there():
    with pytest.raises(ValueError, match="source 'folder' has no world"):
        study_worlds.world_of("folder", {})
    with pytest.raises(ValueError, match="no tower is trained with 'songs': there are untrained, masked"):
        pretraining.get("songs")
