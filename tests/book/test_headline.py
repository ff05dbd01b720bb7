"""The numbers that the project stands by: gathered, published, and compared with published ones."""

import json
import sys

import pytest

from geonb.book import headline
from tests.book.made_tables import NUMBER, finish_every_page, save, save_numbers


@pytest.fixture(autouse=True)
def pipeline(in_the_pipeline):
    """Tables are written where the pipeline has its finished ones."""


def test_the_headline_gathers_numbers_and_leaves_the_undefined_null(toy):
    save_numbers([NUMBER], "07_compare")
    row = headline.gather("toy", ["01_photos", "07_compare"])["median_error_m.clip"]
    assert row == {
        "value": 12.5, "low": None, "high": None, "unit": "m", "seeds": 2, "n": 10, "table": "01_photos/errors",
    }  # fmt: skip


def test_the_headline_file_is_plain_json_in_one_order(toy):
    save_numbers([NUMBER, NUMBER | {"key": "cities", "value": 3}], "07_compare")
    headline.write("toy", ["07_compare"])
    text = (toy / "build" / "toy" / "headline.json").read_text()
    assert list(json.loads(text, parse_constant=pytest.fail)) == ["cities", "median_error_m.clip"]


def test_a_number_with_two_sources_is_refused(toy):
    save_numbers([NUMBER], "01_photos")
    save_numbers([NUMBER], "07_compare")
    with pytest.raises(ValueError, match="a headline has one source"):
        headline.gather("toy", ["01_photos", "07_compare"])


def test_no_headline_at_all_is_an_empty_one(toy):
    assert headline.gather("toy", ["01_photos"]) == {}


def test_an_unfinished_study_is_not_published(toy):
    finish_every_page(toy)
    with pytest.raises(ValueError, match="no headline"):
        headline.publish("toy")
    headline.write("toy", [])
    (toy / "build" / "toy" / "tables" / "06_train" / "soft" / "manifest.json").unlink()
    with pytest.raises(ValueError, match=r"not finished \(06_train/soft\)"):
        headline.publish("toy")
    assert not (toy / "data").exists()


def test_publishing_replaces_the_whole_of_what_was_published(toy):
    finish_every_page(toy)
    save("leftover", page="06_train/forgotten")
    headline.write("toy", [])
    stale = toy / "data" / "results" / "toy" / "01_photos" / "stale.parquet"
    stale.parent.mkdir(parents=True)
    stale.write_text("old")
    target = headline.publish("toy")
    assert (target / "headline.json").exists()
    assert (target / "06_train" / "soft" / "errors.parquet").exists()
    assert not stale.exists()
    assert not (target / "06_train" / "forgotten").exists()
    assert [path.name for path in target.parent.iterdir()] == ["toy"]


def test_chosen_pages_of_an_unfinished_study_are_published_alone(toy):
    finish_every_page(toy)
    (toy / "build" / "toy" / "tables" / "06_train" / "soft" / "manifest.json").unlink()
    target = headline.publish("toy", ["01_photos"])
    assert [path.name for path in target.iterdir()] == ["01_photos"]
    with pytest.raises(ValueError, match=r"not finished \(06_train/soft\)"):
        headline.publish("toy", ["01_photos", "06_train/soft"])
    with pytest.raises(ValueError, match="has no page 99_nothing"):
        headline.publish("toy", ["99_nothing"])


# ---- a finished run beside the published one
BESIDE = [  # what is published, what a run gives, what is said of it
    ({"value": 2.0, "low": 1.0, "high": 3.0}, {"value": 2.19}, ""),
    ({"value": 2.0, "low": 1.0, "high": 3.0}, {"value": 2.5}, "a: 2.5, published 2, apart by 25% of its interval"),
    ({"value": 2.0, "low": None, "high": None}, {"value": 2.001}, ""),
    ({"value": 2.0, "low": None, "high": None}, {"value": 2.01}, "a: 2.01, published 2, apart by 0.50%"),
    ({"value": None, "low": None, "high": None}, {"value": None}, ""),
    ({"value": None, "low": None, "high": None}, {"value": 1.0}, "a: 1.0, published None"),
    ({"value": 0.0, "low": None, "high": None}, {"value": 0.0}, ""),
]


@pytest.fixture
def beside(toy, monkeypatch):
    """beside(published, made): write the two headlines; (exit code, what is printed) of a verification."""

    def run(published, made, capsys):
        for folder, rows in ((toy / "data" / "results" / "toy", published), (toy / "build" / "toy", made)):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "headline.json").write_text(json.dumps(rows))
        monkeypatch.setattr(sys, "argv", ["headline", "verify", "--study", "toy"])
        with pytest.raises(SystemExit) as ended:
            headline.main()
        return ended.value.code, capsys.readouterr().out

    return run


@pytest.mark.parametrize(("published", "made", "said"), BESIDE)
def test_a_number_is_repeated_within_a_share_of_its_interval(beside, capsys, published, made, said):
    code, out = beside({"a": published}, {"a": published | made}, capsys)
    assert code == bool(said)
    assert out.splitlines() == ([said] if said else []) + [
        f"{0 if said else 1} of 1 published numbers of toy are repeated" + (", 1 are not." if said else ".")
    ]


def test_numbers_of_one_side_alone_are_named(beside, capsys):
    row = {"value": 1.0, "low": None, "high": None}
    code, out = beside({"a": row, "b": row}, {"a": row, "c": row}, capsys)
    assert code == 1
    assert out.splitlines()[:2] == ["b: published alone", "c: made here alone"]


def test_a_run_that_is_not_finished_or_was_not_published_cannot_be_verified(toy, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["headline", "verify", "--study", "toy"])
    with pytest.raises(SystemExit, match=r"there is no build/toy/headline.json: run `make book STUDY=toy`"):
        headline.main()
    (toy / "build" / "toy").mkdir(parents=True)
    (toy / "build" / "toy" / "headline.json").write_text("{}")
    with pytest.raises(SystemExit, match=r"there is no data/results/toy/headline.json: only published studies"):
        headline.main()
