import numpy as np
import pytest
import torch

from experiments.words import supervision
from geonb.photos.pictures import open_picture
from simcities import simulation


def sentences(corpus, name, epoch=0):
    """The captions of a supervision as sentences again."""
    decoder, tokens = supervision.tokenizer(), supervision.tokens(corpus, supervision.get(name), 0, epoch)
    return [decoder.decode([n for n in corpus.vocabulary[row].tolist() if n]) for row in tokens]


def test_a_corpus_shows_what_the_photos_show(corpus, photos):
    np.testing.assert_array_equal(corpus.pixels[0], np.asarray(open_picture(photos.path[0])))
    assert corpus.city.tolist() == photos.city.tolist()
    street = (corpus.scenes == "street") & photos.caption.str.contains("no trees|not one tree").to_numpy()
    assert corpus.traits[street, 5].mean() < corpus.traits[corpus.scenes == "street", 5].mean()


def test_words_are_numbered_anew_without_being_lost(corpus):
    tokens = supervision.tokens(corpus, supervision.get("words_all"), 0, 0)
    assert tokens.max() == len(corpus.vocabulary) - 1  # the end of a text has the largest number
    plain = supervision.tokenizer()(sentences(corpus, "words_all"))
    assert torch.equal(corpus.vocabulary[tokens][:, 1:10], plain[:, 2:11])  # decoded with its start of text


def test_what_captions_describe(corpus, photos):
    for sentence in sentences(corpus, "words_of_the_day"):
        assert not any(word in sentence for word in ("asphalt", "facades", "footways", "trees"))
    places = sentences(corpus, "words_of_places")
    assert all(city.lower() in place for city, place in zip(photos.city, places, strict=True))
    assert places == sentences(corpus, "words_of_places", epoch=1)
    assert sentences(corpus, "words_all") != sentences(corpus, "words_all", epoch=1)  # the same in other words


def test_another_picture_is_of_the_same_kind_and_never_the_same(corpus):
    whose = supervision.another(corpus.scenes, 0)
    kinds, counts = np.unique(corpus.scenes, return_counts=True)
    many = np.isin(corpus.scenes, kinds[counts > 1])
    assert (corpus.scenes[whose] == corpus.scenes).all()
    assert (whose[many] != np.arange(len(whose))[many]).all()
    assert sorted(whose) == list(range(len(whose)))


def test_only_simulated_photos_have_a_world_and_only_known_supervisions_are_there():
    with pytest.raises(ValueError, match="source 'folder' has no world"):
        simulation.world_of("folder", {})
    assert set(simulation.scenes("folder", {}, ["a", "b"])) == {"photo"}
    with pytest.raises(ValueError, match="no tower is trained with 'songs': there are untrained, masked"):
        supervision.get("songs")
