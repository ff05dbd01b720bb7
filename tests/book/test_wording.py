import re
from html import unescape

import pytest

from geonb.book import page_dependencies, wording
from geonb.files import ROOT


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


@pytest.mark.parametrize(("tower", "count", "said"), [
    ("local-dir:data/towers/geonb-tiny", 5_000, "its numbers mean nothing"), ("ViT-B-32", 999, "There are only 999"),
    ("ViT-B-32", 1_000, ""),
])  # fmt: skip
def test_a_foreign_tower_and_few_photos_govern_the_answer(tower, count, said):
    assert said in wording.governing(tower, count)
    assert bool(wording.governing(tower, count)) == bool(said)


@pytest.mark.parametrize(("simulated", "expected"), [(True, "a b\nc d"), (False, "a e d f")])
def test_words_suit_the_kind_of_study(simulated, expected):
    text = "a <!-- simulated -->b\nc<!-- real -->e<!-- end --> d<!-- simulated --><!-- real --> f<!-- end -->"
    assert wording.suited(text, simulated) == expected


def test_no_page_of_a_real_study_speaks_of_a_simulated_world():
    for name in set(page_dependencies.notebook_names()) - set(page_dependencies.SIMULATED_ONLY):
        words = "\n".join(cell.source for cell in page_dependencies.cells(name) if cell.cell_type == "markdown")
        shown = wording.suited(words, simulated=False)
        assert not re.search(r"simulated (world|study|picture)|simulation|(this|one|same) world", shown), name
        assert "<!--" not in shown + wording.suited(words, simulated=True), name
    intro = wording.suited((ROOT / "book" / "intro.md").read_text(encoding="utf-8"), simulated=False)
    assert not re.search("simulat|cover.png|three sentences", intro, re.IGNORECASE)
