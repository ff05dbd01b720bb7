"""The numbers that the project stands by: gathered, published, and compared with published ones."""

import json
import re
import shutil
import sys

import pytest

from geonb.book import headline
from geonb.book.page_dependencies import build_folder
from geonb.book.results import published_folder
from tests.book.made_tables import COLUMNS, NUMBER, TABLE, finish_every_page, save, save_numbers


@pytest.fixture(autouse=True)
def pipeline(in_the_pipeline):
    """Tables are written where the pipeline has its finished ones."""


def gathered():
    headline.gather("toy")
    return json.loads(build_folder("toy", "headline.json").read_text(), parse_constant=pytest.fail)


def test_the_headline_gathers_numbers_in_one_order_and_leaves_the_undefined_null(toy):
    assert gathered() == {}
    save_numbers([NUMBER, NUMBER | {"key": "cities", "value": 3}], "07_compare")
    assert list(gathered()) == ["cities", "median_error_m.clip"]
    assert gathered()["median_error_m.clip"] == {
        "value": 12.5, "low": None, "high": None, "unit": "m", "seeds": 2, "n": 10, "table": "01_photos/errors",
    }  # fmt: skip


def test_a_number_with_two_sources_is_refused(toy):
    for page in ("01_photos", "07_compare"):
        save_numbers([NUMBER], page)
    with pytest.raises(ValueError, match="a headline has one source"):
        headline.gather("toy")


@pytest.mark.parametrize("missing", ["headline.json", "tables/06_train/soft"])
def test_an_unfinished_study_is_not_published(toy, missing):
    finish_every_page()
    build_folder("toy", missing).rename(toy / "gone")
    with pytest.raises(FileNotFoundError, match=missing):
        headline.publish("toy")
    assert not published_folder("toy").exists()


def test_of_real_photos_only_aggregates_are_published(toy):
    finish_every_page()
    save("sums", page="07_compare", table=TABLE[["error_m"]], columns={"error_m": COLUMNS["error_m"]})
    headline.publish("toy")
    target = published_folder("toy")
    assert [path.name for path in sorted((target / "07_compare").iterdir())] == ["sums.json", "sums.parquet"]
    assert not list((target / "01_photos").iterdir())


def test_publishing_replaces_the_whole_of_what_was_published(toy, monkeypatch):
    monkeypatch.setattr(headline, "is_simulated", lambda study: True)
    finish_every_page()
    save("leftover", page="06_train/forgotten")
    stale = published_folder("toy") / "01_photos" / "stale.parquet"
    stale.parent.mkdir(parents=True)
    stale.write_text("old")
    headline.publish("toy")
    target = published_folder("toy")
    made = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.suffix != ".parquet"}
    assert {"headline.json", "run.json", "06_train/soft/errors.json"} <= made
    assert (target / "06_train" / "soft" / "errors.parquet").exists()
    assert not stale.exists()
    assert "06_train/forgotten" not in made
    assert [path.name for path in target.parent.iterdir()] == ["toy"]


def verify(monkeypatch, capsys, published, made):
    """(exit code, what is printed) of a verification of two headlines."""
    for folder, rows in ((published_folder("toy"), published), (build_folder("toy"), made)):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "headline.json").write_text(json.dumps(rows))
    monkeypatch.setattr(sys, "argv", ["headline", "verify", "toy"])
    with pytest.raises(SystemExit) as ended:
        headline.main()
    return ended.value.code, capsys.readouterr().out


@pytest.mark.parametrize(("published", "low", "high", "made", "repeated"), [
    (2.0, 1.0, 3.0, 2.19, True), (2.0, 1.0, 3.0, 2.5, False), (2.0, None, None, 2.001, True),
    (2.0, None, None, 2.01, False), (None, None, None, None, True), (None, None, None, 1.0, False),
    (0.0, None, None, 0.0, True),
])  # fmt: skip
def test_a_number_is_repeated_within_a_share_of_its_interval(
    toy, monkeypatch, capsys, published, low, high, made, repeated
):
    row = {"value": published, "low": low, "high": high, "unit": "m"}
    code, out = verify(monkeypatch, capsys, {"a": row}, {"a": row | {"value": made}})
    assert code == (not repeated)
    assert out.endswith(f"{int(repeated)} of 1 published numbers of toy are repeated\n")
    assert bool(re.search(r"^a .*\d", out, re.MULTILINE)) is not repeated


def test_numbers_of_one_side_alone_are_named(toy, monkeypatch, capsys):
    row = {"value": None, "low": None, "high": None}
    code, out = verify(monkeypatch, capsys, {"a": row, "b": row}, {"a": row, "c": row})
    assert code == 1
    assert [line[0] for line in out.splitlines()[1:-1]] == ["b", "c"]


@pytest.mark.parametrize(("folder", "way_out"), [
    (lambda: build_folder("toy"), "build/toy/headline.json: run `make book STUDY=toy`"),
    (lambda: published_folder("toy"), "data/results/toy/headline.json: only published studies are verified"),
])  # fmt: skip
def test_a_run_that_is_not_finished_or_was_not_published_cannot_be_verified(toy, monkeypatch, capsys, folder, way_out):
    verify(monkeypatch, capsys, {}, {})
    shutil.rmtree(folder())
    with pytest.raises(SystemExit, match=way_out):
        headline.main()
