from html import unescape

import numpy as np
import pandas as pd
import pytest

from geonb.book import wording
from geonb.measuring import inference

NAMES = dict(ours="SW-CLIP", other="CLIP")


@pytest.mark.parametrize(
    ("ratio", "low", "high", "begins", "change"),
    [
        (0.8, 0.7, 0.9, "It helps here", "20% smaller"),
        (1.3, 1.1, 1.6, "It harms here", "30% larger"),
        (0.8, 0.6, 1.05, "Not shown", "20% smaller"),
        (1.3, 0.9, 1.6, "Not shown", "30% larger"),
        (0.9, 0.8, 1.0, "Not shown", "10% smaller"),
        (1.1, 1.0, 1.2, "Not shown", "10% larger"),
    ],
)
def test_a_verdict_claims_only_what_its_interval_shows(ratio, low, high, begins, change):
    said = inference.verdict(ratio, low, high, **NAMES)
    assert said.startswith(begins)
    assert f"the median error of SW-CLIP is {change} than that of CLIP" in said
    assert f"95 % interval of the ratio {low:.3f} to {high:.3f}" in said


def test_without_an_interval_nothing_is_claimed():
    said = inference.verdict(0.2, np.nan, np.nan, **NAMES)
    assert said.startswith("Not shown")
    assert "too few independent blocks" in said


def test_a_verdict_that_does_not_survive_the_other_comparisons_is_not_shown():
    said = inference.verdict(0.8, 0.7, 0.9, p_holm=0.2, compared=11, **NAMES)
    assert said.startswith("Not shown")
    assert "with 11 methods compared p is 0.20 (Holm)" in said
    assert inference.verdict(0.8, 0.7, 0.9, p_holm=0.04, compared=11, **NAMES).startswith("It helps here")


def test_a_verdict_names_the_quantity():
    assert "the mean error of" in inference.verdict(0.5, 0.4, 0.6, quantity="mean error", **NAMES)


@pytest.mark.parametrize(
    ("source", "tower", "count", "words"),
    [
        ("simulated", "local-dir:data/towers/geonb-tiny", 8_000, ["These photos are simulated"]),
        ("folder", "local-dir:data/towers/geonb-tiny", 8_000, ["its numbers mean nothing"]),
        ("folder", "ViT-B-32", 8_000, []),
        ("folder", "ViT-B-32", 999, ["only 999 photos, fewer than 1000"]),
        ("folder", "ViT-B-32", 1_000, []),
        ("table", "local-dir:data/towers/geonb-tiny", 3, ["its numbers mean nothing", "only 3 photos"]),
    ],
)
def test_a_reader_is_warned_of_simulation_of_a_foreign_tower_and_of_few_photos(source, tower, count, words):
    found = wording.caveats(source, tower, count)
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))


def test_a_note_holds_every_sentence_and_nothing_to_say_is_no_note():
    shown = wording.note(["One.", "Two."]).data
    assert shown.count("Read with care.") == 2
    assert "One." in shown
    assert "Two." in shown
    assert wording.note([]) is None


def test_a_difference_that_rounds_to_nothing_is_not_called_zero_percent():
    assert "less than 1% smaller" in inference.verdict(0.9974, 0.9, 1.1, ours="SW-CLIP", other="CLIP")


def test_threats_are_counted_from_the_tables():
    table = pd.DataFrame({
        "trainings": [10, 5], "still_improving": [1, 2], "compared": [3, 3], "shown": [1, 0],
        "validation_photos": [90, 40],
    })  # fmt: skip
    said = wording.threats(table, pd.DataFrame({"verdict": ["It harms here: x", "Not shown: y"]}), 144)
    assert "3 of 15 trainings were still improving" in said
    assert "Of 6 comparisons with clip 1 are shown to differ" in said
    assert "of 2 changed ingredients 1." in said
    assert "in 144 trials, the steps by as few as 40 validation photos" in said


def test_a_name_in_a_sentence_is_text():
    for shown in (wording.note(["{{7*7}} <b> $x$ **x**"]), wording.paragraph("{{7*7}} <b> $x$ **x**")):
        assert "{{7*7}} <b> $x$ **x**" in unescape(shown.data)
        assert not set("{$*") & set(shown.data)
        assert "<b>" not in shown.data
