"""OSV-5M's layout, written here from the data set's card: folders and zip files, filters, what is left out."""

import csv
import hashlib
import io
import os
import re
import shutil
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geonb import files
from geonb.photos import catalogue as photos
from geonb.photos.sources import gather, osv5m

# the columns of the published csv, short of seven more quadtrees and four unique_ names
HEADER = [
    "id", "latitude", "longitude", "thumb_original_url", "country", "sequence", "captured_at", "lon_bin", "lat_bin",
    "cell", "region", "sub-region", "city", "land_cover", "road_index", "drive_side", "climate", "soil", "dist_sea",
    "quadtree_10_5000", "creator_username", "creator_id",
]  # fmt: skip
REAL = os.environ.get("GEONB_REAL_DATA")


def jpeg(number):
    picture = np.random.default_rng(number).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG")
    return buffer.getvalue()


def row(number, **changed):
    given = dict.fromkeys(HEADER, "0") | {
        "id": str(1000 + number), "latitude": str(10 + number),
        "longitude": str(170 + 4 * number if number < 3 else -170),
        "country": "NZ" if number % 2 else "NA", "sequence": f"s{number // 2}", "captured_at": "1577836800000",
        "region": "North", "city": "Springfield" if number < 4 else "", "creator_username": "<b>ann</b>",
    }  # fmt: skip
    return given | changed


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Six photos: two in folder 00, one in a zip file and one there outside of it, one nowhere, one cut off."""
    monkeypatch.setattr(files, "ROOT", tmp_path)
    monkeypatch.setattr(files, "ROOT", tmp_path)
    root = tmp_path / "osv5m"
    (root / "images" / "train" / "00").mkdir(parents=True)
    with (root / "train.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, HEADER)
        writer.writeheader()
        writer.writerows(row(n) for n in range(6))
    for n in (0, 1):
        (root / "images" / "train" / "00" / f"{1000 + n}.jpg").write_bytes(jpeg(n))
    with zipfile.ZipFile(root / "images" / "train" / "01.zip", "w") as packed:
        packed.writestr("01/1002.jpg", jpeg(2))
        packed.writestr("../../1003.jpg", jpeg(3))
        packed.writestr("01/1005.jpg", jpeg(5)[:200])
        packed.writestr("01/9999.jpg", jpeg(9))
    return root


def test_every_row_ends_as_a_photo_or_with_its_reason(tree):
    catalogue, left_out = gather("osv5m", {"folder": "osv5m"})
    assert sorted(Path(path).stem for path in catalogue.path) == ["1000", "1001", "1002"]
    assert dict(zip(left_out.detail.str.extract(r"id (\d+)")[0], left_out.reason, strict=True)) == {
        "1003": "unreadable", "1004": "missing file", "1005": "truncated",
    }  # fmt: skip
    by = catalogue.set_index(catalogue.path.map(lambda path: Path(path).stem))
    assert by.loc["1001", "city"] == "Springfield, North, NZ"
    assert by.loc["1000", "city"] == "Springfield, North, NA"  # NA is Namibia, not a gap
    assert (by.sequence_id["1002"], by.licence["1002"], by.author["1002"]) == ("s1", "CC BY-SA 4.0", "<b>ann</b>")
    assert str(by.captured_at["1000"]) == "2020-01-01 00:00:00+00:00"
    assert by.geometry.y[["1000", "1001", "1002"]].tolist() == [10, 11, 12]


def test_both_parts_know_where_they_come_from(tree):
    (tree / "images" / "test").mkdir()
    (tree / "images" / "test" / "2000.jpg").write_bytes(jpeg(20))
    with (tree / "test.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, HEADER)
        writer.writeheader()
        writer.writerow(row(20, id="2000"))
    catalogue, _ = gather("osv5m", {"folder": "osv5m", "part": "both", "limit": 2})
    parts = dict(zip(catalogue.path.map(lambda path: Path(path).stem), catalogue.given_part, strict=True))
    assert parts.pop("2000") == "test"
    assert set(parts.values()) <= {"train"}
    with pytest.raises(ValueError, match="part 'val' must be train, test, both"):
        gather("osv5m", {"folder": "osv5m", "part": "val"})


def test_only_wanted_pictures_leave_a_zip_file_and_none_leaves_its_folder(tree, tmp_path):
    gather("osv5m", {"folder": "osv5m"})
    out = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.jpg"))
    assert out == [
        "build/osv5m/train/1002.jpg", "build/osv5m/train/1005.jpg",
        "osv5m/images/train/00/1000.jpg", "osv5m/images/train/00/1001.jpg",
    ]  # fmt: skip
    assert not list(tmp_path.rglob("*.partial"))
    assert not list(tmp_path.parent.glob("1003.jpg"))


@pytest.mark.parametrize(
    "name", ["../1002.jpg", "/1002.jpg", "01/../../1002.jpg", "C:/1002.jpg", "a\\..\\..\\x/1002.jpg"]
)
def test_a_member_of_a_zip_file_that_leads_out_is_refused(tree, name):
    archive = tree / "images" / "train" / "01.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(zipfile.ZipInfo(name), jpeg(2))
    left_out = gather("osv5m", {"folder": "osv5m"})[1].set_index("detail").reason
    (words,) = [detail for detail in left_out.index if "id 1002" in detail]
    assert left_out[words] == "unreadable"
    assert f"01.zip calls it {name}, outside of its folder" in words


def test_a_subset_by_country_box_and_number(tree):
    def ids(**given):
        asked = {"country": "", "box": None, "limit": 0, "seed": 0} | given
        return sorted(osv5m.chosen(tree / "train.csv", **asked)[0].id)

    assert ids(country="NZ") == ["1001", "1003", "1005"]
    assert ids(box=[10.5, 172, 12.5, 180]) == ["1001", "1002"]
    assert ids(box=[11.5, 175, 20, -165]) == ["1002", "1003", "1004", "1005"]  # across the date line
    few = ids(limit=2, seed=1)
    assert len(few) == 2
    assert few == ids(limit=2, seed=1)
    assert len({tuple(ids(limit=2, seed=seed)) for seed in range(8)}) > 1


def test_a_number_that_is_no_id_never_becomes_a_path(tree):
    with (tree / "train.csv").open("a", newline="", encoding="utf-8") as file:
        csv.DictWriter(file, HEADER).writerow(row(7, id="../../secret"))
    left_out = gather("osv5m", {"folder": "osv5m"})[1]
    assert left_out.reason[left_out.detail.str.contains("secret")].tolist() == ["missing file"]


def test_a_huge_member_and_a_damaged_archive_are_left_out(tree, monkeypatch):
    monkeypatch.setattr(osv5m, "LARGEST_BYTES", 100)
    left_out = gather("osv5m", {"folder": "osv5m"})[1].set_index("detail").reason
    assert (left_out[left_out.index.str.contains("id 1002")] == "broken picture").all()


def test_wrong_folders_boxes_and_columns_are_refused(tree):
    with pytest.raises(FileNotFoundError, match=r"test\.csv is not in"):
        gather("osv5m", {"folder": "osv5m", "part": "test"})
    with pytest.raises(ValueError, match=r"box \[1, 2, 3\] must be"):
        gather("osv5m", {"folder": "osv5m", "box": [1, 2, 3]})
    (tree / "train.csv").write_text("id,lat\n1,2\n")
    with pytest.raises(ValueError, match=r"train\.csv has no column latitude, longitude"):
        gather("osv5m", {"folder": "osv5m"})


@pytest.mark.skipif(not REAL, reason="GEONB_REAL_DATA is not set: no real photos to read")
def test_six_photos_of_the_data_set_keep_their_positions(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    monkeypatch.setattr(files, "ROOT", tmp_path)
    demo = Path(REAL) / "osv5m_demo"
    shutil.copytree(demo / "images", tmp_path / "d" / "images" / "test" / "00")
    with (demo / "manifest.csv").open(encoding="utf-8") as file:
        known = {Path(line["file"]).stem: line for line in csv.DictReader(file)}
    with (tmp_path / "d" / "test.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, HEADER)
        writer.writeheader()
        for id_, line in known.items():
            seen = {"latitude": line["lat"], "longitude": line["lon"], "country": line["country"], "city": line["city"]}
            writer.writerow(dict.fromkeys(HEADER, "") | seen | {"id": id_})
    catalogue, left_out = gather("osv5m", {"folder": "d", "part": "test"})
    assert len(catalogue) == 6
    assert left_out.empty
    for path, (lat, lon) in zip(catalogue.path, photos.lat_lon_deg(catalogue), strict=True):
        assert (lat, lon) == (float(known[Path(path).stem]["lat"]), float(known[Path(path).stem]["lon"]))


# ---- from the Hub ----------------------------------------------------------------------------------------------------
class Hub(BaseHTTPRequestHandler):
    """As the Hub's file route: commit and digest in the head, ranges in the body. files: {path: content}."""

    files, asked, lie = {}, [], []

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, *, body):
        name = self.path.partition("/datasets/osv5m/osv5m/resolve/main/")[2]
        Hub.asked.append((self.command, name, self.headers.get("Authorization")))
        if name not in self.files:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.end_headers()
            return
        content = self.files[name]
        stated = hashlib.sha256(content).hexdigest() if name not in self.lie else "0" * 64
        first = int(re.match(r"bytes=(\d+)-", self.headers.get("Range", "bytes=0-"))[1])
        self.send_response(206 if first else 200)
        self.send_header("ETag", f'"{stated}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        if body:
            self.wfile.write(content[first:])

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch):
    """The data set of the fixture `tree` on a server of our own."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in (2, 4):
            archive.writestr(f"00/{1000 + number}.jpg", jpeg(number))
    lines = io.StringIO()
    writer = csv.DictWriter(lines, HEADER)
    writer.writeheader()
    writer.writerows(row(n) for n in range(6))
    files = {"train.csv": lines.getvalue().encode(), "images/train/00.zip": packed.getvalue()}
    monkeypatch.setattr(Hub, "files", files)
    monkeypatch.setattr(Hub, "asked", [])
    monkeypatch.setattr(Hub, "lie", [])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    yield Hub
    server.shutdown()


def fetched(tmp_path, monkeypatch, **options):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    monkeypatch.setattr(files, "ROOT", tmp_path)
    return gather("osv5m", {"folder": str(tmp_path / "data"), "download": ["train/00"], **options})


def test_a_part_is_fetched_once_and_only_its_pictures_are_chosen(hub, tmp_path, monkeypatch):
    catalogue, left_out = fetched(tmp_path, monkeypatch)
    assert len(catalogue) == 2
    assert len(left_out) == 0
    asked = len(hub.asked)
    again, _ = fetched(tmp_path, monkeypatch)
    assert again.sha256.tolist() == catalogue.sha256.tolist()
    assert len(hub.asked) == asked
    assert {told for *_, told in hub.asked} == {None}  # a token that lies on this machine is nobody's business


def test_a_file_that_is_not_what_the_hub_states_is_thrown_away(hub, tmp_path, monkeypatch):
    hub.lie.append("images/train/00.zip")
    with pytest.raises(ConnectionError, match=r"images/train/00.zip of osv5m/osv5m came damaged"):
        fetched(tmp_path, monkeypatch)
    assert not list((tmp_path / "data").rglob("00.zip"))
    hub.lie.clear()
    assert len(fetched(tmp_path, monkeypatch)[0]) == 2


def test_what_the_hub_has_not_is_said(hub, tmp_path, monkeypatch):
    del hub.files["images/train/00.zip"]
    with pytest.raises(ConnectionError, match=r"images/train/00.zip of osv5m/osv5m does not come from http://127"):
        fetched(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ["00", "train/0", "../train/00", "val/00"])
def test_only_the_data_set_s_own_zip_files_are_fetched(tmp_path, monkeypatch, name):
    with pytest.raises(ValueError, match="zip files of the data set are train/00 to"):
        fetched(tmp_path, monkeypatch, download=[name])


# ---- options that cannot be meant ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"limit": -1}, "limit -1 must be a whole number of at least 0"),
        ({"seed": -1}, "seed -1 must be a whole number of at least 0"),
        ({"box": [float("nan"), 170, 12, 180]}, r"box \[nan, 170, 12, 180\] must be \[south, west, north, east\]"),
        ({"box": [10, float("nan"), 12, 180]}, r"box \[10, nan, 12, 180\] must be"),
        ({"box": [10, 170, 12, 1e9]}, "must be"),
        ({"box": ["a", "b", "c", "d"]}, "must be"),
        ({"box": [172, 10.5, 180, 12.5]}, r"it reads like west, south, east, north: write \[10.5, 172, 12.5, 180\]"),
        ({"city_link_m": float("nan")}, "city_link_m nan must be a finite number above 0"),
        ({"city_link_m": float("inf")}, "city_link_m inf must be a finite number above 0"),
        ({"city_link_m": -5.0}, "city_link_m -5.0 must be a finite number above 0"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_with_their_bound(tree, options, words):
    with pytest.raises(ValueError, match=words):
        gather("osv5m", {"folder": "osv5m"} | options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"country": "nz"}, r"country 'nz' leaves 0 of 6 rows of train\.csv, which names the countries NA, NZ"),
        (
            {"box": [50, 0, 51, 1]},
            r"box \[50, 0, 51, 1\] \(south, west, north, east\) leaves 0 of 6 rows of train\.csv",
        ),
        ({"country": "NZ", "box": [10, 169, 10.5, 171]}, r"country 'NZ' leaves 3 of 6 rows .*box .* leaves 0 of 3"),
    ],
)
def test_filters_that_leave_nothing_say_how_many_each_left(tree, options, words):
    with pytest.raises(ValueError, match=words):
        gather("osv5m", {"folder": "osv5m"} | options)


def test_a_box_in_the_order_of_longitude_and_latitude_is_told(tree):
    lines = io.StringIO()
    writer = csv.DictWriter(lines, HEADER)
    writer.writeheader()
    writer.writerows([row(0, latitude="50.94", longitude="6.95"), row(1, latitude="40.7", longitude="-74")])
    (tree / "train.csv").write_text(lines.getvalue())
    words = r"leaves 0 of 2 rows .*1 lies in \[50.9, 6.9, 51.0, 7.0\], as if it read west, south, east, north"
    with pytest.raises(ValueError, match=words):
        gather("osv5m", {"folder": "osv5m", "box": [6.9, 50.9, 7.0, 51.0]})


def test_a_csv_without_rows_is_told(tree):
    (tree / "train.csv").write_text(",".join(HEADER) + "\n")
    with pytest.raises(ValueError, match=r"train\.csv has no rows"):
        gather("osv5m", {"folder": "osv5m"})


def test_a_zip_file_that_is_none_is_told_and_members_that_cannot_be_unpacked_are_left_out(tree):
    archive = tree / "images" / "train" / "01.zip"
    content = bytearray(archive.read_bytes())
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # the first member calls itself encrypted
        content[content.index(mark) + flags] |= 1
    archive.write_bytes(content)
    left_out = gather("osv5m", {"folder": "osv5m"})[1]
    (words,) = [detail for detail in left_out.detail if "id 1002" in detail]
    assert "01/1002.jpg in 01.zip cannot be taken out" in words
    archive.write_bytes(content[:300])
    with pytest.raises(ValueError, match=r"01\.zip is no whole zip file .*: fetch it again"):
        gather("osv5m", {"folder": "osv5m"})


def test_a_full_disk_does_not_leave_photos_out(tree, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(osv5m.files, "write_whole", full)
    with pytest.raises(OSError, match="No space left on device"):
        gather("osv5m", {"folder": "osv5m"})


@pytest.mark.parametrize("content", [b"", b"id,latitude\n1,\xff\n", b'id,latitude\n"1,2\n'])
def test_a_csv_that_is_none_is_told_by_its_name(tree, content):
    (tree / "train.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"train\.csv (is no CSV in UTF-8|has no column)"):
        gather("osv5m", {"folder": "osv5m"})
