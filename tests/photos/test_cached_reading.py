"""Many files read by several processes, and again only those that changed."""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from geonb.photos import pictures
from geonb.photos.sources import cached_reading, folder, table
from tests.photos.made import cologne, left_out_of, picture


@pytest.fixture
def many(tmp_path):
    """A folder with photos of every kind: kept, without a position, no picture, one copy."""
    for number in range(20):
        picture(tmp_path / "many" / f"{number:02d}.jpg", cologne() if number % 3 else None, seed=number)
    (tmp_path / "many" / "notes.txt").write_text("words")
    (tmp_path / "many" / "copy.jpg").write_bytes((tmp_path / "many" / "01.jpg").read_bytes())
    return tmp_path / "many"


def same(one, other):
    for first, second in zip(one, other, strict=True):
        pd.testing.assert_frame_equal(first, second)


@pytest.fixture
def asked(monkeypatch):
    """The list of what pictures.examine is asked for."""
    found, examine = [], pictures.examine
    monkeypatch.setattr(pictures, "examine", lambda path: found.append(Path(path).name) or examine(path))
    return found


@pytest.mark.slow
def test_several_processes_give_what_one_gives(many, scans, monkeypatch):
    alone = folder.read(folder=str(many), workers=1)
    shutil.rmtree(scans)
    monkeypatch.setattr(cached_reading, "FEW", 4)
    same(alone, folder.read(folder=str(many), workers=2))
    assert list(scans.iterdir())


def test_a_second_scan_reads_only_what_changed(many, asked):
    first = folder.read(folder=str(many))
    asked.clear()
    same(first, folder.read(folder=str(many)))
    assert asked == []
    picture(many / "04.jpg", cologne(), seed=99)
    picture(many / "new.jpg", cologne(), seed=100)
    (many / "05.jpg").unlink()
    rows = folder.read(folder=str(many))[0].set_index("path")
    assert asked == ["04.jpg", "new.jpg"]
    assert f"{many}/05.jpg" not in rows.index
    assert rows.sha256[f"{many}/04.jpg"] != first[0].set_index("path").sha256[f"{many}/04.jpg"]


def test_a_table_reads_each_picture_once(many, asked):
    (many / "t.csv").write_text("path,lat,lon\n" + "01.jpg,50,7\n02.jpg,50,7\n" * 3 + "notes.txt,1,2\n,1,2\n")
    first = table.read(table=str(many / "t.csv"))
    assert asked == ["01.jpg", "02.jpg", "notes.txt"]
    same(first, table.read(table=str(many / "t.csv")))
    assert asked == ["01.jpg", "02.jpg", "notes.txt"]
    assert first[1]["reason"].value_counts().to_dict() == {"duplicate": 4, "not a picture": 1, "no path": 1}


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: b"\xff" * 100,
    ],
)
def test_a_damaged_memory_is_read_anew(many, scans, asked, damage):
    first = folder.read(folder=str(many))
    (file,) = scans.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert damage(whole) != whole
    asked.clear()
    same(first, folder.read(folder=str(many)))
    assert len(asked) == 22
    assert file.read_bytes() == whole


def test_other_code_reads_anew(many, asked, monkeypatch):
    folder.read(folder=str(many))
    monkeypatch.setattr(cached_reading.PIL, "__version__", "0")
    folder.read(folder=str(many))
    assert len(asked) == 2 * 22


def test_what_may_pass_is_asked_again(tmp_path):
    (tmp_path / "t.csv").write_text("path,lat,lon\na.jpg,50,7\n")
    assert left_out_of(table.read(table=str(tmp_path / "t.csv")))["reason"] == "missing file"
    picture(tmp_path / "a.jpg")
    assert len(table.read(table=str(tmp_path / "t.csv"))[0]) == 1


def test_an_interrupted_scan_keeps_what_it_read(many, asked, monkeypatch):
    examine = pictures.examine

    def interrupted(path):
        if path.endswith("10.jpg"):
            raise KeyboardInterrupt
        return examine(path)

    with monkeypatch.context() as patch:
        patch.setattr(pictures, "examine", interrupted)
        with pytest.raises(KeyboardInterrupt):
            folder.read(folder=str(many))
    asked.clear()
    folder.read(folder=str(many))
    assert asked[0] == "10.jpg"


@pytest.mark.parametrize("errno", [28, 13, 30])  # disk full, no permission, read-only
def test_what_was_read_is_kept_where_nothing_can_be_written(many, monkeypatch, capsys, errno):
    expected = folder.read(folder=str(many))
    shutil.rmtree(cached_reading.SCANS)

    def refused(*_, **__):
        raise OSError(errno, os.strerror(errno))

    monkeypatch.setattr(cached_reading.files, "write_whole", refused)
    capsys.readouterr()
    same(expected, folder.read(folder=str(many)))
    told = capsys.readouterr()
    (line,) = [line for line in told.out.splitlines() if "photos:" not in line and line.strip()]
    words = "what was read is not kept in build/scans, the next run reads it again"
    assert line == f"{os.strerror(errno)}: {words}"
    assert told.err == ""
