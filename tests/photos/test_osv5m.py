"""OSV-5M's layout, written here from the data set's card: folders and zip files, filters, what is left out."""

import zipfile
from pathlib import Path

import huggingface_hub
import pytest

from geonb.photos.sources import gather, osv5m
from tests.photos.made import by_name, jpeg, write_csv

# the columns of the published csv, short of seven more quadtrees and four unique_ names
HEADER = [
    "id", "latitude", "longitude", "thumb_original_url", "country", "sequence", "captured_at", "lon_bin", "lat_bin",
    "cell", "region", "sub-region", "city", "land_cover", "road_index", "drive_side", "climate", "soil", "dist_sea",
    "quadtree_10_5000", "creator_username", "creator_id",
]  # fmt: skip


def row(number, **changed):
    given = dict.fromkeys(HEADER, "0") | {
        "id": str(1000 + number), "latitude": str(10 + number),
        "longitude": str(170 + 4 * number if number < 3 else -170),
        "country": "NZ" if number % 2 else "NA", "sequence": f"s{number // 2}", "captured_at": "1577836800000",
        "region": "North", "city": "Springfield" if number < 4 else "", "creator_username": "<b>ann</b>",
    }  # fmt: skip
    return given | changed


@pytest.fixture
def tree(root):
    """Six photos: two in folder 00, one in a zip file and one there outside of it, one nowhere, one cut off."""
    images = root / "osv5m" / "images" / "train"
    (images / "00").mkdir(parents=True)
    write_csv(root / "osv5m" / "train.csv", HEADER, [row(n) for n in range(6)])
    for n in (0, 1):
        (images / "00" / f"{1000 + n}.jpg").write_bytes(jpeg(n))
    with zipfile.ZipFile(images / "01.zip", "w") as packed:
        packed.writestr("01/1002.jpg", jpeg(2))
        packed.writestr("../../1003.jpg", jpeg(3))
        packed.writestr("01/1005.jpg", jpeg(5)[:200])
        packed.writestr("01/9999.jpg", jpeg(9))
    return root / "osv5m"


def read(**options):
    return gather("osv5m", {"folder": "osv5m"} | options)


def said_of(left_out, id_):
    """(reason, detail) of the row of an id."""
    (found,) = left_out[left_out.detail.str.startswith(f"id {id_}:")][["reason", "detail"]].to_numpy().tolist()
    return found


def test_every_row_ends_as_a_photo_or_with_its_reason(tree):
    catalogue, left_out = read()
    assert sorted(Path(path).stem for path in catalogue.path) == ["1000", "1001", "1002"]
    assert dict(zip(left_out.detail.str.extract(r"id (\d+)")[0], left_out.reason, strict=True)) == {
        "1003": "unreadable", "1004": "missing file", "1005": "truncated",
    }  # fmt: skip
    by = by_name(catalogue)
    assert by.loc["1001", "city"] == "Springfield, North, NZ"
    assert by.loc["1000", "city"] == "Springfield, North, NA"  # NA is Namibia, not a gap
    assert (by.sequence_id["1002"], by.licence["1002"], by.author["1002"]) == ("s1", "CC BY-SA 4.0", "<b>ann</b>")
    assert str(by.captured_at["1000"]) == "2020-01-01 00:00:00+00:00"
    assert by.geometry.y[["1000", "1001", "1002"]].tolist() == [10, 11, 12]


def test_both_parts_know_where_they_come_from(tree):
    (tree / "images" / "test").mkdir()
    (tree / "images" / "test" / "2000.jpg").write_bytes(jpeg(20))
    write_csv(tree / "test.csv", HEADER, [row(20, id="2000")])
    parts = by_name(read(part="both", limit=2)[0]).given_part.to_dict()
    assert parts.pop("2000") == "test"
    assert set(parts.values()) <= {"train"}
    with pytest.raises(ValueError, match="part 'val' must be train, test, both"):
        read(part="val")


def test_only_wanted_pictures_leave_a_zip_file_and_none_leaves_its_folder(tree, root):
    read()
    out = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.jpg"))
    assert out == [
        "build/osv5m/train/1002.jpg", "build/osv5m/train/1005.jpg",
        "osv5m/images/train/00/1000.jpg", "osv5m/images/train/00/1001.jpg",
    ]  # fmt: skip
    assert not list(root.rglob("*.partial"))
    assert not list(root.parent.glob("1003.jpg"))


@pytest.mark.parametrize(
    "name", ["../1002.jpg", "/1002.jpg", "01/../../1002.jpg", "C:/1002.jpg", "a\\..\\..\\x/1002.jpg"]
)
def test_a_member_of_a_zip_file_that_leads_out_is_refused(tree, name):
    archive = tree / "images" / "train" / "01.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(zipfile.ZipInfo(name), jpeg(2))
    reason, words = said_of(read()[1], 1002)
    assert reason == "unreadable"
    assert f"01.zip calls it {name}, outside of its folder" in words


def test_a_subset_by_country_box_and_number(tree):
    def ids(**given):
        found, left_out = osv5m.read(folder="osv5m", **given)
        return sorted([*found.path.str[-8:-4], *left_out.detail.str[3:7]])

    assert ids(country="NZ") == ["1001", "1003", "1005"]
    assert ids(box=[10.5, 172, 12.5, 180]) == ["1001", "1002"]
    assert ids(box=[11.5, 175, 20, -165]) == ["1002", "1003", "1004", "1005"]  # across the date line
    few = ids(limit=2, seed=1)
    assert len(few) == 2
    assert few == ids(limit=2, seed=1)
    assert len({tuple(ids(limit=2, seed=seed)) for seed in range(8)}) > 1


def test_a_number_that_is_no_id_never_becomes_a_path_and_a_huge_member_is_left_out(tree, monkeypatch):
    monkeypatch.setattr(osv5m, "LARGEST_BYTES", 100)
    write_csv(tree / "train.csv", HEADER, [row(2), row(7, id="../../secret")])
    with pytest.raises(ValueError, match="none of the 2 entries"):
        read()
    left_out = osv5m.read(folder="osv5m")[1]
    assert said_of(left_out, "../../secret")[0] == "missing file"
    assert said_of(left_out, 1002)[0] == "broken picture"


@pytest.fixture
def hub(root, monkeypatch):
    """What was asked of a Hub that has the table and one zip file of the fixture `tree`."""
    write_csv(root / "train.csv", HEADER, [row(n) for n in range(6)])
    asked = []

    def download(repository, name, *, repo_type, local_dir, endpoint, token):
        asked.append((repository, name, repo_type, token))
        file = local_dir / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if name == "train.csv":
            file.write_bytes((root / "train.csv").read_bytes())
        elif name == "images/train/00.zip":
            with zipfile.ZipFile(file, "w") as archive:
                for number in (2, 4):
                    archive.writestr(f"00/{1000 + number}.jpg", jpeg(number))
        else:
            raise OSError("404")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return asked


def fetched(name="train/00"):
    return gather("osv5m", {"folder": "data", "download": [name]})


def test_a_part_is_fetched_once_without_a_token_and_only_its_pictures_are_chosen(hub):
    catalogue, left_out = fetched()
    assert len(catalogue) == 2
    assert len(left_out) == 0
    assert hub == [("osv5m/osv5m", name, "dataset", False) for name in ("train.csv", "images/train/00.zip")]
    assert fetched()[0].sha256.tolist() == catalogue.sha256.tolist()
    assert len(hub) == 2


def test_what_the_hub_has_not_is_said(hub):
    with pytest.raises(ConnectionError, match=r"images/train/05.zip of osv5m/osv5m does not come from https://hugging"):
        fetched("train/05")


@pytest.mark.parametrize("name", ["00", "train/0", "../train/00", "val/00"])
def test_only_the_data_set_s_own_zip_files_are_fetched(root, name):
    with pytest.raises(ValueError, match="zip files of the data set are train/00 to"):
        fetched(name)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"limit": -1}, "limit -1 must be a whole number of at least 0"),
        ({"box": [172, 10.5, 180, 12.5]}, r"written as west, south, east, north it is \[10.5, 172, 12.5, 180\]"),
        ({"part": "test"}, r"test\.csv is not in"),
        ({"country": "nz"}, r"train\.csv has no row of country 'nz', of NA, NZ"),
        ({"box": [6.9, 50.9, 7.0, 51.0]}, r"has no row in box \[6.9, 50.9.*meant as \[50.9, 6.9, 51.0, 7.0\]?"),
        ({"country": "NZ", "box": [10, 169, 10.5, 171]}, r"no row of country 'NZ', of NA, NZ in box \[10, 169"),
    ],
)
def test_options_that_cannot_be_meant_or_leave_nothing_are_told(tree, options, words):
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        read(**options)


def test_a_zip_file_that_is_none_is_told_and_members_that_cannot_be_unpacked_are_left_out(tree):
    archive = tree / "images" / "train" / "01.zip"
    content = bytearray(archive.read_bytes())
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # the first member calls itself encrypted
        content[content.index(mark) + flags] |= 1
    archive.write_bytes(content)
    assert "01/1002.jpg in 01.zip cannot be taken out" in said_of(read()[1], 1002)[1]
    archive.write_bytes(content[:300])
    with pytest.raises(ValueError, match=r"01\.zip is no whole zip file .*: fetch it again"):
        read()


def test_a_csv_without_rows_is_told_by_its_name(tree):
    write_csv(tree / "train.csv", HEADER, [])
    with pytest.raises(ValueError, match=r"train\.csv has no row"):
        read()
