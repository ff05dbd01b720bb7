"""Tables of record: whole or not at all, never unnamed, never edited, only from the tables that lie here."""

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
from geonb.book import headline, results
from geonb.book.page_dependencies import build_folder
from geonb.book.results import published_folder, read_beside, read_table
from tests.book.made_tables import COLUMNS, TABLE, finish_every_page, save


@pytest.fixture(autouse=True)
def pipeline(in_the_pipeline):
    """Tables are written where the pipeline has its finished ones."""


def first(page):
    return read_table("toy", page, "errors").error_m[0]


def test_a_table_comes_back_as_it_was_saved_and_is_the_same_file_again(toy, capsys):
    before = save().read_bytes()
    pd.testing.assert_frame_equal(read_table("toy", "01_photos", "errors"), TABLE)
    assert "read build/toy/tables/01_photos/errors.parquet" in capsys.readouterr().out
    assert save().read_bytes() == before


def test_positions_come_back_as_positions(toy):
    photos = gpd.GeoDataFrame({"photo_id": ["a"]}, geometry=gpd.points_from_xy([13.4], [52.5]), crs=4326)
    save("photos", photos, columns={"photo_id": "name", "geometry": "position [WGS84]"})
    back = read_table("toy", "01_photos", "photos")
    assert isinstance(back, gpd.GeoDataFrame)
    assert back.crs == 4326


def test_the_manifest_says_what_a_table_holds_and_what_it_was_made_from(toy):
    save()
    read_table("toy", "01_photos", "errors")
    manifest = results.manifest_of(save("means", page="07_compare"))
    assert manifest["columns"] == COLUMNS
    assert manifest["rows"] == 2
    assert list(manifest["reads"]) == ["01_photos/errors"]
    assert manifest["made_with"]["python"]


@pytest.mark.parametrize("columns", [{"photo_id": "name"}, COLUMNS | {"speed": "not there"}])
def test_a_column_without_a_meaning_and_a_meaning_without_a_column_are_refused(toy, columns):
    with pytest.raises(
        ValueError, match=r"01_photos/errors: these columns and their descriptions differ: (error_m|sp)"
    ):
        save(columns=columns)
    assert not build_folder("toy").exists()


def test_an_edited_table_is_refused(toy):
    TABLE.assign(error_m=0.0).to_parquet(save())
    with pytest.raises(ValueError, match=r"01_photos/errors.parquet was changed after its manifest was written"):
        first("01_photos")


def test_a_missing_table_names_the_command_that_makes_it(toy):
    with pytest.raises(FileNotFoundError, match="run the notebook 07_compare first, or `make book STUDY=toy`"):
        first("07_compare")


def test_a_page_reads_only_what_the_snakefile_declares(toy, monkeypatch):
    save()
    monkeypatch.setenv("GEONB_READS", "02_embeddings")
    with pytest.raises(PermissionError, match="add it to READS"):
        first("01_photos")


@pytest.fixture
def chain(toy, monkeypatch):
    """Pages 01 <- 06_train/hard <- 07 published; returns a function that makes the table of one anew."""

    def make(page, value, reads=()):
        monkeypatch.setattr(results, "tables_read", {})
        for other in reads:
            read_table("toy", other, "errors")
        save(page=page, table=TABLE.assign(error_m=value))

    finish_every_page()
    make("01_photos", 1.0)
    make("06_train/hard", 2.0, ["01_photos"])
    make("07_compare", 3.0, ["06_train/hard"])
    monkeypatch.setattr(headline, "is_simulated", lambda study: True)  # of real photos no such table is published
    headline.publish("toy")
    shutil.rmtree(build_folder("toy", "tables"))
    return make


def test_a_table_made_from_other_tables_than_lie_here_is_refused_with_the_command_that_remakes_it(chain):
    assert first("06_train/hard") == 2.0  # all of it published
    chain("01_photos", 5.0)
    assert first("01_photos") == 5.0
    with pytest.raises(ValueError, match=r"made from another 01_photos/errors than build/toy/tables/01_photos/") as no:
        first("06_train/hard")
    assert "run `python -m geonb.book.runner 06_train/hard --study toy`" in str(no.value)
    assert "remove build/toy/tables/01_photos" in str(no.value)
    with pytest.raises(ValueError, match=r"06_train/hard/errors.parquet was made from another 01_photos/errors"):
        first("07_compare")  # also where the other table is two pages away
    chain("06_train/hard", 6.0, ["01_photos"])
    with pytest.raises(ValueError, match=r"07_compare/errors.parquet was made from another 06_train/hard/errors"):
        first("07_compare")
    chain("07_compare", 7.0, ["06_train/hard"])
    assert first("07_compare") == 7.0


def test_a_table_made_again_with_the_same_content_fits_what_was_published(chain, capsys):
    chain("01_photos", 1.0)
    assert first("07_compare") == 3.0
    assert "read data/results/toy/07_compare/errors.parquet" in capsys.readouterr().out


def test_a_table_whose_source_is_nowhere_is_taken(chain):
    shutil.rmtree(published_folder("toy") / "01_photos")  # as features that are too large to publish
    assert first("07_compare") == 3.0


def test_tables_of_one_page_from_two_runs_with_other_parameters_are_refused(toy):
    save()
    save("more", seed=1)
    with pytest.raises(ValueError, match=r"with other parameters than it: run `python -m geonb.book.runner 01_photos"):
        first("01_photos")


def test_published_tables_of_another_study_may_stand_beside_whatever_the_snakefile_declares(monkeypatch):
    monkeypatch.setenv("GEONB_READS", "")
    monkeypatch.setattr(results, "tables_read", {})
    assert list(read_beside("data/results/real_sample", "03_semivariograms", "fits")["sample"])
    assert list(results.tables_read) == ["data/results/real_sample/03_semivariograms/fits"]
    assert results.parameters_beside("data/results/laboratory", "18_known_ranges")["fields"] == 50


def test_what_was_never_published_cannot_stand_beside():
    with pytest.raises(ValueError, match=r"there is no data/results/real_sample/.*photos.json: .* not published"):
        read_beside("data/results/real_sample", "03_semivariograms", "photos")
    with pytest.raises(ValueError, match="not published"):
        results.parameters_beside("data/results/laboratory", "99_none")


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
    files.write_json(path, ["é"])
    assert json.loads(path.read_text()) == ["é"]


def test_a_folder_by_hand_is_named_for_its_values_and_two_choices_never_share_one(toy):
    def name(**values):
        return results.folder_by_hand(
            "01_photos", "toy", {"study": "toy", "folder": "", "photo_count": 5} | values
        ).name

    assert name() == "as_the_study"
    assert name(photo_count=7) == "photo_count-7"
    awkward = {name(folder=folder) for folder in ("~/a b", "~/a-b", "x" * 300, "x" * 301)}
    assert len(awkward) == 4
    assert all(len(folder) < 80 and "/" not in folder for folder in awkward)
