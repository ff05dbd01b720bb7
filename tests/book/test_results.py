"""Tables of record: whole or not at all, never unnamed, never edited; headline and publishing."""

import json
import os
import shutil
import signal
import subprocess
import sys

import geopandas as gpd
import pandas as pd
import pytest

from geonb import files
from geonb.book import headline, page_dependencies, results
from geonb.book.pages import Page
from geonb.book.results import (
    has_table,
    read_beside,
    read_table,
    save_table,
)
from tests.book.made_tables import COLUMNS, TABLE, finish_every_page, save


@pytest.fixture(autouse=True)
def pipeline(in_the_pipeline):
    """Tables are written where the pipeline has its finished ones."""


def test_a_table_comes_back_as_it_was_saved(toy, capsys):
    save()
    pd.testing.assert_frame_equal(read_table("toy", "01_photos", "errors"), TABLE)
    assert "read build/toy/tables/01_photos/errors.parquet" in capsys.readouterr().out


def test_positions_come_back_as_positions(toy):
    photos = gpd.GeoDataFrame({"photo_id": ["a"]}, geometry=gpd.points_from_xy([13.4], [52.5]), crs=4326)
    save("photos", photos, columns={"photo_id": "name", "geometry": "position [WGS84]"})
    back = read_table("toy", "01_photos", "photos")
    assert isinstance(back, gpd.GeoDataFrame)
    assert back.crs == 4326


def test_the_manifest_says_what_a_table_holds_and_what_it_was_made_from(toy):
    save()
    read_table("toy", "01_photos", "errors")
    manifest = json.loads(save("means", page="07_compare").with_suffix(".json").read_text())
    assert manifest["columns"] == COLUMNS
    assert manifest["rows"] == 2
    assert list(manifest["reads"]) == ["01_photos/errors"]
    assert manifest["made_with"]["python"]


def test_the_same_table_is_the_same_file(toy):
    first = save().read_bytes()
    assert save().read_bytes() == first


@pytest.mark.parametrize("columns", [{"photo_id": "name"}, COLUMNS | {"speed": "not there"}])
def test_a_column_without_a_meaning_and_a_meaning_without_a_column_are_refused(toy, columns):
    with pytest.raises(
        ValueError, match=r"01_photos/errors: these columns and their descriptions differ: (error_m|speed)"
    ):
        save(columns=columns)
    assert not has_table("toy", "01_photos", "errors")


def test_an_edited_table_is_refused(toy):
    path = save()
    TABLE.assign(error_m=0.0).to_parquet(path)
    with pytest.raises(ValueError, match=r"01_photos/errors.parquet was changed after its manifest was written"):
        read_table("toy", "01_photos", "errors")


def test_a_missing_table_names_the_command_that_makes_it(toy):
    with pytest.raises(FileNotFoundError, match="run the notebook 07_compare first, or `make book STUDY=toy`"):
        read_table("toy", "07_compare", "means")


def test_a_page_reads_only_what_the_snakefile_declares(toy, monkeypatch):
    save()
    monkeypatch.setenv("GEONB_READS", "02_embeddings")
    with pytest.raises(PermissionError, match="add it to READS"):
        read_table("toy", "01_photos", "errors")


@pytest.fixture
def chain(toy, monkeypatch):
    """Pages 01 <- 06_train/hard <- 07 finished and published; returns a function that makes the tables of one anew."""

    def make(page, value, reads=()):
        monkeypatch.setattr(results, "_read", {})
        for other in reads:
            read_table("toy", other, "errors")
        save(page=page, table=TABLE.assign(error_m=value))
        (page_dependencies.tables_folder("toy") / page / "manifest.json").write_text("{}")

    make("01_photos", 1.0)
    for page in ("06_train/hard", "06_train/soft"):
        make(page, 2.0, ["01_photos"])
    make("07_compare", 3.0, ["06_train/hard"])
    headline.write("toy", [])
    headline.publish("toy")
    shutil.rmtree(page_dependencies.tables_folder("toy"))
    monkeypatch.setattr(results, "_read", {})
    return make


def test_a_table_made_from_other_tables_than_lie_here_is_refused_with_the_command_that_remakes_it(chain):
    assert read_table("toy", "06_train/hard", "errors").error_m[0] == 2.0  # all of it published
    chain("01_photos", 5.0)
    assert read_table("toy", "01_photos", "errors").error_m[0] == 5.0
    with pytest.raises(
        ValueError, match=r"made from another 01_photos/errors than build/toy/tables/01_photos/errors.pa"
    ) as no:
        read_table("toy", "06_train/hard", "errors")
    assert "run `python -m geonb.book.runner 06_train/hard --study toy`" in str(no.value)
    assert "remove build/toy/tables/01_photos" in str(no.value)
    with pytest.raises(ValueError, match=r"06_train/hard/errors.parquet was made from another 01_photos/errors"):
        read_table("toy", "07_compare", "errors")  # also where the other table is two pages away
    chain("06_train/hard", 6.0, ["01_photos"])
    with pytest.raises(ValueError, match=r"07_compare/errors.parquet was made from another 06_train/hard/errors"):
        read_table("toy", "07_compare", "errors")
    chain("07_compare", 7.0, ["06_train/hard"])
    assert read_table("toy", "07_compare", "errors").error_m[0] == 7.0


def test_a_table_made_again_with_the_same_content_fits_what_was_published(chain):
    chain("01_photos", 1.0)
    assert read_table("toy", "07_compare", "errors").error_m[0] == 3.0


def test_a_table_whose_source_is_nowhere_is_taken(chain, toy):
    shutil.rmtree(toy / "data" / "results" / "toy" / "01_photos")  # as features that are too large to publish
    assert read_table("toy", "07_compare", "errors").error_m[0] == 3.0


def test_tables_of_one_page_from_two_runs_with_other_parameters_are_refused(toy):
    save()
    save_table(TABLE, "toy", "01_photos", "more", parameters={"seed": 1}, columns=COLUMNS)
    with pytest.raises(
        ValueError, match=r"were made with other parameters than it: run `python -m geonb.book.runner 01_photos"
    ):
        read_table("toy", "01_photos", "errors")


def test_dollars_in_a_table_begin_no_formula():
    Page("01_photos", {"study": "toy"})
    assert "tex2jax_ignore" in pd.DataFrame({"street": ["$x$ <b>"]})._repr_html_()


def test_published_tables_of_another_study_may_stand_beside_whatever_the_snakefile_declares(monkeypatch):
    monkeypatch.setenv("GEONB_READS", "")
    monkeypatch.setattr(results, "_read", {})
    assert list(read_beside("data/results/real_sample", "03_semivariograms", "fits")["sample"])
    assert list(results._read) == ["data/results/real_sample/03_semivariograms/fits"]


def test_what_was_never_published_cannot_stand_beside():
    with pytest.raises(FileNotFoundError, match="only published tables"):
        read_beside("data/results/real_sample", "03_semivariograms", "photos")
    with pytest.raises(FileNotFoundError, match="only published pages"):
        results.parameters_beside("data/results/simulated_full", "99_none")


def test_the_parameters_of_a_published_page_can_be_asked():
    asked = results.parameters_beside("data/results/simulated_full", "19_sealed_worlds")
    assert asked["options"]["photos_per_city"] == 1000
    assert asked["worlds"] == [100, 101, 102, 103, 104]


def test_a_failing_writer_leaves_the_old_file(toy):
    path = save()
    before = path.read_bytes()

    def fills_the_disk(partial):
        partial.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        files.write_whole(path, fills_the_disk)
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.partial"))


def test_a_kill_in_the_middle_of_writing_leaves_no_half_file(tmp_path):
    script = "import os, signal, sys; from pathlib import Path; from geonb.files import write_whole\n" \
        "def write(partial): partial.write_bytes(b'half'); os.kill(os.getpid(), signal.SIGKILL)\n" \
        "write_whole(Path(sys.argv[1]), write)"  # fmt: skip
    path = tmp_path / "table.parquet"
    killed = subprocess.run([sys.executable, "-c", script, path], cwd=files.ROOT, env=dict(os.environ), check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not path.exists()
    files.write_whole(path, lambda partial: partial.write_bytes(b"whole"))
    assert path.read_bytes() == b"whole"


# ---- published tables
def test_published_tables_are_found_where_nothing_was_made(toy, capsys):
    finish_every_page(toy)
    headline.write("toy", [])
    headline.publish("toy")
    for made in (toy / "build" / "toy" / "tables").rglob("errors.parquet"):
        made.unlink()
    assert len(read_table("toy", "07_compare", "errors")) == 2
    assert "read data/results/toy/07_compare/errors.parquet" in capsys.readouterr().out
