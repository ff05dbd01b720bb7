from html import unescape

import pytest

from geonb.book import wording


@pytest.mark.parametrize(
    ("source", "tower", "count", "words"),
    [
        ("simulated", "local-dir:data/towers/geonb-tiny", 8_000, ["These photos are simulated"]),
        ("folder", "local-dir:data/towers/geonb-tiny", 8_000, ["its numbers mean nothing"]),
        ("folder", "ViT-B-32", 8_000, []),
        ("folder", "imagenet/efficientnet-lite0", 999, ["reads no words", "only 999 photos, fewer than 1000"]),
        ("folder", "ViT-B-32", 1_000, []),
    ],
)
def test_a_reader_is_warned_of_simulation_of_a_foreign_tower_and_of_few_photos(source, tower, count, words):
    found = wording.caveats(source, tower, count)
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))


def test_a_name_in_a_sentence_is_text_and_nothing_to_say_is_no_note():
    hostile = "{{7*7}} <b> $x$ **x**"
    for shown in (wording.note(["One.", hostile]), wording.paragraph(hostile)):
        assert hostile in unescape(shown.data)
        assert not set("{$*") & set(shown.data)
        assert "<b>" not in shown.data
    assert wording.note([]) is None
