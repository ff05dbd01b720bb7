"""What the book says where a chapter is missing: left out, failed, or waiting for one that failed."""

import json
import os

import nbformat
import pytest

from geonb.book import gaps
from geonb.book.page_dependencies import all_pages, build_folder, flat

PAGES = ["01_photos", "06_train/hard", "06_train/soft", "07_compare"]
FAILED = "FAILED 06_train/soft, cell [3] under 'the top': ValueError: no $place$"


def failed(**entries):
    """Leave a run of study toy in which pages failed: name -> whether the tables are there."""
    found = {page: {"cause": FAILED, "log": f"build/toy/logs/{flat(page)}.log", "computed": computed}
             for page, computed in entries.items()}  # fmt: skip
    path = build_folder("toy", "failed.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found))


def test_what_reads_a_failed_page_waits_for_it_and_nothing_else_does(toy):
    assert gaps.of("toy") == {}
    failed(**{"06_train/soft": False})
    assert list(gaps.of("toy")) == ["06_train/soft", "07_compare"]
    assert gaps.of("toy")["07_compare"] == {"waits": ["06_train/soft"]}
    failed(**{"01_photos": False})
    assert {page: gap.get("waits") for page, gap in gaps.of("toy").items()} == {
        page: None if page == "01_photos" else ["01_photos"] for page in PAGES
    }


def test_a_page_that_only_failed_to_be_shown_holds_up_no_other(toy):
    failed(**{"01_photos": True})
    assert list(gaps.of("toy")) == ["01_photos"]


def test_a_run_records_what_failed_in_it_and_not_what_was_finished_or_interrupted(toy):
    logs = build_folder("toy", "logs")
    logs.mkdir(parents=True)
    texts = {
        "01_photos": "all is well", "06_train-soft": f"a traceback\n{FAILED}\nOpen it.", "07_compare": "old",
        "06_train-hard": "geonb.book.runner: 06_train/hard was interrupted, its finished tables are as they were",
    }  # fmt: skip
    for name, text in texts.items():
        (logs / f"{name}.log").write_text(text)
    os.utime(logs / "07_compare.log", (1, 1))
    build_folder("toy", "tables", "01_photos").mkdir(parents=True)
    build_folder("toy", "tables", "01_photos", "manifest.json").write_text("{}")
    found = gaps.record("toy", since=2)
    assert list(found) == ["06_train/soft"]
    assert found["06_train/soft"] == {"cause": FAILED, "log": "build/toy/logs/06_train-soft.log", "computed": False}
    assert gaps.of("toy").keys() == {"06_train/soft", "07_compare"}


def test_the_page_of_a_failed_chapter_says_cause_and_remedy_and_shows_text_of_the_error_as_text(toy):
    failed(**{"06_train/soft": False})
    names = {page: flat(page) for page in all_pages("toy")}
    made = {page: gaps.stand_in(page, gap, names, "toy") for page, gap in gaps.of("toy").items()}
    words = made["06_train/soft"].cells[0].source
    assert words.startswith("# 06 · A question?: `soft`\n")
    assert "ValueError: no &#36;place&#36;" in words
    assert "`build/toy/logs/06_train-soft.log`" in words
    assert "`make book STUDY=toy`" in words
    assert "needs the tables of {doc}`06_train-soft`, which failed" in made["07_compare"].cells[0].source


def test_the_last_lines_name_what_failed_and_what_waits(toy):
    failed(**{"06_train/soft": False})
    assert gaps.told(gaps.of("toy"), "toy").splitlines() == [
        FAILED,
        "  (the whole of it: build/toy/logs/06_train-soft.log)",
        "the book of toy is built without what failed (06_train/soft) and what waits for it (07_compare)",
    ]


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("See {doc}`01_photos`.", "See {doc}`01_photos`."),
        ("See {doc}`07_compare`.", "See 07 · A question? (not in this book)."),
        ("See {doc}`executed/07_compare`, [it](executed/07_compare.ipynb).",
         "See 07 · A question? (not in this book), it."),
        ("See {doc}`that <07_compare>`.", "See 07 · A question? (not in this book)."),
        ("See {doc}`07_misspelt` and {doc}`your_own_photos`.", "See {doc}`07_misspelt` and {doc}`your_own_photos`."),
        ("One.\n\nIt is {glue:text}`executed/07_compare.ipynb::verdict:s`\nthen.\n\nTwo.",
         "One.\n\nNo answer here: it needs the numbers of 07 · A question? (not in this book).\n\nTwo."),
        ("It is {glue:text}`executed/06_train.ipynb::n:s`.",
         "No answer here: it needs the numbers of {doc}`executed/06_train`."),
        ("It is {glue:text}`executed/01_photos.ipynb::n:s`.", "It is {glue:text}`executed/01_photos.ipynb::n:s`."),
    ],
)  # fmt: skip
def test_no_sentence_leads_to_a_chapter_that_is_not_there_or_shows_its_number(toy, text, becomes):
    assert gaps.closed(text, there={"01_photos", "06_train"}, answering={"01_photos"}) == becomes


def test_a_book_is_closed_in_its_pages_and_in_its_contents(toy):
    folder = toy / "set"
    (folder / "executed").mkdir(parents=True)
    (folder / "intro.md").write_text("See {doc}`executed/06_train`.")
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("See {doc}`07_compare`.")])
    nbformat.write(page, folder / "executed" / "01_photos.ipynb")
    (folder / "_toc.yml").write_text(
        "root: intro\nparts:\n- chapters:\n  - glob: executed/0[0-3]_*\n  - file: executed/06_train\n  - file: more\n"
    )
    gaps.close(folder, {}, {})
    assert (folder / "intro.md").read_text() == "See 06 · A question? (not in this book)."
    shown = nbformat.read(folder / "executed" / "01_photos.ipynb", as_version=4)
    assert shown.cells[0].source == "See 07 · A question? (not in this book)."
    assert (folder / "_toc.yml").read_text() == (
        "root: intro\nparts:\n- chapters:\n  - glob: executed/0[0-3]_*\n  - file: more\n"
    )
