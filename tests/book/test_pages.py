"""A page in a running notebook: its parameters, and what it refuses before it computes."""

import re
from html import unescape

import numpy as np
import pandas as pd
import pytest

from geonb import book
from geonb.book import page_dependencies
from geonb.book.pages import Page
from geonb.learning import pretrained_towers


def test_dollars_in_a_table_begin_no_formula():
    Page("01_photos", {"study": "toy"})
    assert "tex2jax_ignore" in pd.DataFrame({"street": ["$x$ <b>"]})._repr_html_()


@pytest.mark.parametrize(("simulated", "text", "refused"), [
    (True, "", False), (False, "", True),
    (False, "02_embeddings: {tower: local-dir:data/towers/geonb-tiny}", False),
])  # fmt: skip
def test_the_simulated_tower_reads_real_photos_only_where_the_study_names_it(notebook, study, simulated, text, refused):
    tower = "local-dir:data/towers/geonb-tiny"
    notebook("02_embeddings", "# 02 · A question?", f'study = "toy"\ntower = "{tower}"  # str: a tower')
    study(text)
    page = Page("02_embeddings", {"study": "toy", "tower": tower})
    page.simulated = simulated
    if refused:
        with pytest.raises(ValueError, match=r"Under 02_embeddings .* tower: ViT-B-32 .*imagenet/efficient"):
            page.check_tower()
    else:
        page.check_tower()


@pytest.mark.parametrize(("simulated", "photo_count", "places", "said"), [
    (True, 5, 1, "42 m"), (False, 5, 2, "There are only 5 photos"), (False, 2_000, 2, "42 m"),
    (False, 2_000, 1, "All test photos of blocked stand at one place"),
])  # fmt: skip
def test_a_caveat_stands_in_the_place_of_an_answer_that_means_nothing(simulated, photo_count, places, said):
    page = Page("07_compare", {"study": "toy"})
    page.simulated, page.tower = simulated, {"tower": "ViT-B-32"}
    page.photos = pd.DataFrame({"city": "A", "lat_deg": np.arange(photo_count) % places, "lon_deg": 7.0})
    parts = {"blocked": np.full(photo_count, "test"), "random": np.full(photo_count, "train")}
    assert page.answer("42 m", parts).startswith(said)
    assert not page.several_cities


def test_the_best_tower_is_recorded_in_the_parameters_and_named_on_every_page(notebook, study, monkeypatch):
    notebook(
        "02_embeddings", "# 02 · Q?", 'study = "toy"\ntower = "tiny"  # str: a tower\nweights = ""  # str: its tag'
    )
    study("02_embeddings: {tower: best, weights: laion2b_s34b_b79k}")
    monkeypatch.setattr(pretrained_towers, "best", lambda: ("imagenet/efficientnet-lite0", ""))
    monkeypatch.setenv("GEONB_MODE", "compute")
    own = page_dependencies.parameters("02_embeddings", "toy")
    page = Page("02_embeddings", dict(own))
    assert page.chosen_tower() == ("imagenet/efficientnet-lite0", "")
    page.save("features", pd.DataFrame({"n": [1]}), {"n": "count"})
    made = page_dependencies.build_folder("toy", "unfinished")
    made.rename(made.with_name("tables"))
    monkeypatch.setattr(pretrained_towers, "best", lambda: pytest.fail("tables are only shown"))
    monkeypatch.setenv("GEONB_MODE", "show")
    assert Page("02_embeddings", dict(own)).chosen_tower() == ("imagenet/efficientnet-lite0", "")
    other = Page("07_compare", {"study": "toy"})
    other.source = {"source": "folder"}
    assert other.tower["tower"] == "imagenet/efficientnet-lite0"
    assert "here that is imagenet/efficientnet-lite0" in unescape(other.caveats(2_000).data)


def test_by_hand_the_study_decides_but_for_what_the_reader_or_papermill_changed(notebook, study, capsys):
    notebook("01_photos", "# 01 · A question?", 'study = "toy"\na = 1\nb = 1\nc = 1\nd = 1')
    study("01_photos: {a: 2, b: 2, c: 2}")
    namespace = {"study": "toy", "a": 1, "b": 3, "c": 1, "d": 1, "In": ["", "# Parameters\nc = 1\n"]}
    page = book.page("01_photos", namespace)
    assert page.parameters == {"study": "toy", "a": 2, "b": 3, "c": 1, "d": 1}
    assert namespace["a"] == 2
    assert capsys.readouterr().out == "as study toy has it: a = 2\n01_photos of study toy: 01 · A question?\n"


@pytest.mark.parametrize(("name", "value", "words"), [
    ("photo_count", "abc", "01_photos: photo_count = 'abc' is not a int like 5"),
    ("folder", ["a"], "01_photos: folder = ['a'] is not a str like ''"),
    ("photo_count", float("nan"), "01_photos: photo_count = nan is not a finite number"),
    ("photo_cuont", 3, "01_photos has no parameter 'photo_cuont'; it has study, folder, photo_count"),
])  # fmt: skip
def test_a_page_refuses_by_itself_what_papermill_sets_in(toy, name, value, words):
    namespace = {"study": "toy", "folder": "", "photo_count": 5, name: value, "In": [f"# Parameters\n{name} = 0\n"]}
    with pytest.raises(ValueError, match=re.escape(words)):
        book.page("01_photos", namespace)


def test_a_table_that_is_kept_is_replaced_by_no_later_run_and_written_once(toy):
    page, table = Page("15_your_photos", {"study": "toy"}), pd.DataFrame({"photo_id": ["a"], "city": ["Köln"]})
    first = page.keep("guesses", table)
    assert first == "build/toy/kept/15_your_photos/guesses-001.csv"
    assert page.keep("guesses", table.assign(city="Bonn")).endswith("guesses-002.csv")
    assert page.keep("guesses", table) == first
    pd.testing.assert_frame_equal(pd.read_csv(toy / first), table)
