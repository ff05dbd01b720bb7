"""Every study template as a newcomer runs it: a tiny data set in its provider's layout, the marked lines edited.

The data sets are written here without geonb's help, from what their providers document. Pages 01 to 04 and one short
training run through Snakemake; from a folder of photos page 14 too.
"""

import functools
import json
import re
import shutil
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlparse

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from pyproj import Transformer

from geonb.files import ROOT
from tests.projects import copy_of_the_project, snakemake, write_csv

pytestmark = pytest.mark.real
SECRET = "MLY|7|said-to-nobody"
OFFLINE = {"tower": "imagenet/efficientnet-lite0", "weights": ""}  # the lines to change where nothing can be downloaded
SHORT = {
    "02_embeddings": OFFLINE,
    "03_semivariograms": {"replicates": 20, "range_replicates": 10, "permutations": 39, "lag_count": 8},
    "06_train": {"seed_count": 1, "course": {"steps": 10, "batch_size": 16, "evaluate_every": 5}},
    "14_textual_supervision": {"probed_per_city": 60, "replicates": 10},
}
TRAINING, WORDS = "06_train/clip", "14_textual_supervision"
DELFT = (52.000, 4.350)
SUMMER_MS = 1_718_000_000_000  # June 2024


class Shot(NamedTuple):
    number: int
    lat: float
    lon: float
    drive: str
    jpeg: bytes


def jpeg(number, gps=None):
    """A picture of its own tint and noise, 128 x 96 pixels; with a position in its EXIF if one is given."""
    rng = np.random.default_rng(number)
    picture = rng.uniform(60, 200, 3) + rng.normal(0, 25, (96, 128, 3))
    buffer = BytesIO()
    image = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
    image.save(buffer, "JPEG", exif=exif(*gps) if gps else b"")
    return buffer.getvalue()


def exif(lat, lon):
    """EXIF with the GPS tags that a phone writes: letters, and degrees, minutes, seconds."""
    tags = Image.Exif()
    tags.get_ifd(0x8825).update({
        1: "N" if lat > 0 else "S", 2: in_sixties(lat), 3: "E" if lon > 0 else "W", 4: in_sixties(lon), 17: 90.0,
    })  # fmt: skip
    tags.get_ifd(0x8769)[0x9003] = "2024:06:10 12:00:00"
    return tags


def in_sixties(angle):
    minutes, degrees = np.modf(abs(angle))
    seconds, minutes = np.modf(60 * minutes)
    return float(degrees), float(minutes), round(60 * float(seconds), 3)


def shots(*corners, drives=2, first=0):
    """In each city five streets eastwards, 300 m apart, in two stretches of three photos, each driven so many times."""
    made = []
    for town, (south, west) in enumerate(corners):
        north_deg, east_deg = 1 / 111_320, 1 / (111_320 * np.cos(np.radians(south)))
        for street, half, drive, step in np.ndindex(5, 2, drives, 3):
            lat = south + (50 + 300 * street) * north_deg
            lon = west + (50 + 600 * half + 200 * step + 30 * drive) * east_deg
            number, name = first + len(made), f"{town}-{street}-{half}-{drive}"
            made.append(Shot(number, round(lat, 7), round(lon, 7), name, jpeg(number)))
    return made


def write(file, content):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def photo_folder(root):
    """A phone's photos of two towns; one indoors without a fix, one twice, and the computer's own file."""
    for shot in shots(DELFT, (50.94, 6.95), drives=1):
        write(root / "DCIM" / f"IMG_{shot.number:04d}.JPG", jpeg(shot.number, (shot.lat, shot.lon)))
    write(root / "DCIM" / "IMG_9000.JPG", jpeg(9000))
    shutil.copy(root / "DCIM" / "IMG_0000.JPG", root / "zz copy.JPG")
    write(root / "desktop.ini", b"[ViewState]")
    lines = {"folder": str(root), "licence": "CC0", "author": "A. Newcomer"}
    return lines, 60, {"no position": 1, "duplicate": 1, "not a picture": 1}


def table(root):
    """A table beside its pictures, one of which is not there and one nowhere."""
    rows = [
        {"path": f"pictures/{s.number}.jpg", "lat": s.lat, "lon": s.lon, "compass": 45}
        for s in shots(DELFT, (50.94, 6.95), drives=1)
    ]
    for row in rows:
        write(root / row["path"], jpeg(int(Path(row["path"]).stem)))
    write(root / "pictures" / "nowhere.jpg", jpeg(900))
    rows += [rows[0] | {"path": "pictures/lost.jpg"}, {"path": "pictures/nowhere.jpg"}]
    write_csv(root / "photos.csv", rows)
    lines = {"table": str(root / "photos.csv"), "path_column": "path", "columns": {"heading_deg": "compass"}}
    return lines, 60, {"missing file": 1, "no position": 1}


def osv5m(root):
    """Two towns of New Zealand and one elsewhere: pictures in a folder and in a zip file, one of them not there."""
    rows, packed = {"train": [], "test": []}, {}
    for shot in shots((-41.29, 174.77), (-36.85, 174.76), (66.50, 25.72), drives=1):
        part, name = "test" if shot.number % 30 >= 24 else "train", f"{3_000_000_000 + shot.number}.jpg"
        rows[part].append(row_of_osv5m(shot))
        if part == "train" and shot.number % 2:
            packed[f"01/{name}"] = shot.jpeg
        elif shot.number != 59:
            write(root / "images" / part / "00" / name, shot.jpeg)
    with zipfile.ZipFile(root / "images" / "train" / "01.zip", "w") as archive:
        for name, content in packed.items():
            archive.writestr(name, content)
    for part, entries in rows.items():
        write_csv(root / f"{part}.csv", entries)
    return {"folder": str(root), "country": "NZ", "limit": 0}, 59, {"missing file": 1}


def row_of_osv5m(shot):
    country, region = [("NZ", "Wellington"), ("NZ", "Auckland"), ("FI", "Lapland")][shot.number // 30]
    return {
        "id": 3_000_000_000 + shot.number, "latitude": shot.lat, "longitude": shot.lon, "thumb_original_url": "",
        "country": country, "sequence": shot.drive, "captured_at": SUMMER_MS + shot.number, "region": region,
        "sub-region": "", "city": region, "creator_username": "kiwi",
    }  # fmt: skip


def mapillary(_root):
    """Nothing on disk: MapillaryServer answers for the box of the template, with one panorama in it."""
    return {"box": [52.000, 4.350, 52.015, 4.370], "city": "Delft"}, 60, {"panorama": 1}


def xri(root):
    """Buildings of three cities in two parts, each captured by day with its mask; one at night, one without a place."""
    buildings, day = [], "20231205T101500_day"
    for shot in shots((51.50, -0.12), (52.65, 1.28), (53.48, -2.24), drives=1):
        uprn = 10_000_000 + shot.number
        east, north = projected("EPSG:27700", shot)
        place = {"X_COORDINATE": east, "Y_COORDINATE": north, "LATITUDE": shot.lat, "LONGITUDE": shot.lon}
        buildings.append({"UPRN": uprn} | place)
        part = root / f"part-{1 + shot.number % 2}"
        write(part / str(uprn) / day / "rgb_0.jpeg", shot.jpeg)
        write(part / str(uprn) / day / "mask_0.jpeg", jpeg(1000 + shot.number))
    write(root / "part-1" / "10000000" / "20231205T220000_night" / "rgb_0.jpeg", jpeg(2000))
    write(root / "part-1" / "99999999" / day / "rgb_0.jpeg", jpeg(2001))
    write_csv(root / "osopenuprn.csv", buildings)
    lines = {"folder": str(root), "uprn_table": str(root / "osopenuprn.csv")}
    return lines, 90, {"night": 1, "no position": 1}


def projected(grid, shot):
    """(east, north) of a photo in a grid, to the centimetre."""
    found = Transformer.from_crs("EPSG:4326", grid, always_xy=True).transform(shot.lon, shot.lat)
    return tuple(round(value, 2) for value in found)


def vpr(root):
    """SF-XL's names, with UTM and degrees; one picture whose name says no position."""
    for shot in shots((37.77, -122.43)):
        east, north = projected("EPSG:32610", shot)
        at = f"@{east:010.2f}@{north:010.2f}@10@S@{shot.lat:09.5f}@{shot.lon:010.5f}"
        write(root / "37.77" / f"{at}@pano{shot.number}@@90@@@@201301@@.jpg", shot.jpeg)
    write(root / "37.77" / "readme_figure.jpg", jpeg(900))
    return {"folder": str(root), "layout": "names"}, 60, {"no position": 1}


DATA_SETS = (photo_folder, table, osv5m, mapillary, xri, vpr)
TEMPLATES = {data_set.__name__: data_set for data_set in DATA_SETS}


class MapillaryServer(ThreadingHTTPServer):
    """Graph API v4 for photos in one box: /images?bbox=, /<id>?fields=thumb_1024_url, and where the thumbnails lie."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), MapillaryAnswer)
        self.address = f"http://127.0.0.1:{self.server_port}"
        panorama = Shot(60, 52.001, 4.351, "pano", jpeg(60))
        self.shots = {str(700_000 + shot.number): shot for shot in [*shots(DELFT), panorama]}

    def image(self, id_):
        shot = self.shots[id_]
        place = {"type": "Point", "coordinates": [shot.lon, shot.lat]}
        return {
            "id": id_, "geometry": place, "computed_geometry": place, "compass_angle": 90.0, "sequence": shot.drive,
            "captured_at": SUMMER_MS + 1000 * shot.number, "is_pano": shot.drive == "pano",
            "creator": {"username": "ann", "id": "1"},
        }  # fmt: skip


class MapillaryAnswer(BaseHTTPRequestHandler):
    def do_GET(self):
        asked = urlparse(self.path)
        if asked.path.startswith("/thumbs/"):
            return self.send(200, self.server.shots[Path(asked.path).stem].jpeg)
        if self.headers.get("Authorization") != f"OAuth {SECRET}":
            return self.send(401, b'{"error": {"message": "Invalid OAuth access token"}}')
        if asked.path != "/images":
            id_ = asked.path.strip("/")
            return self.send_json({"id": id_, "thumb_1024_url": f"{self.server.address}/thumbs/{id_}.jpg"})
        west, south, east, north = map(float, parse_qs(asked.query)["bbox"][0].split(","))
        inside = [id_ for id_, s in self.server.shots.items() if south <= s.lat <= north and west <= s.lon <= east]
        return self.send_json({"data": [self.server.image(id_) for id_ in inside]})

    def send_json(self, content):
        self.send(200, json.dumps(content).encode())

    def send(self, status, content):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def edited(template, lines):
    """The study of a template with new values in its marked lines, all of which a reader is asked to edit."""
    text = (ROOT / "notebooks" / "studies" / f"{template}.yml").read_text(encoding="utf-8")
    assert re.findall(r"^    (\w+): .*# <-- \d", text, re.MULTILINE) == list(lines)
    for name, value in lines.items():
        text = re.sub(rf"^    {name}: .*# <-- \d", f"    {name}: {json.dumps(value)}  # <--", text, flags=re.MULTILINE)
    return yaml.safe_load(text)


class Made(NamedTuple):
    folder: Path
    study: dict
    count: int
    left_out: dict

    def table(self, name):
        return pd.read_parquet(self.folder / "tables" / f"{name}.parquet")


def make(template, root, project):
    """What a template makes of a data set written below root: its training and, from a folder of photos, page 14."""
    lines, count, left_out = TEMPLATES[template](root)
    study, name = edited(template, lines), f"my_{template}"
    for page, values in SHORT.items():
        study[page] = study.get(page, {}) | values
    written = project / "notebooks" / "studies" / f"{name}.yml"
    written.write_text(yaml.safe_dump(study, sort_keys=False, allow_unicode=True), encoding="utf-8")
    pages = [TRAINING, *([WORDS] if template == "photo_folder" else [])]
    targets = [f"build/{name}/tables/{page}/manifest.json" for page in pages]
    snakemake(project, *targets, study=name, more={"MAPILLARY_TOKEN": SECRET})
    return Made(project / "build" / name, study, count, left_out)


@pytest.fixture(scope="module")
def made_by(tmp_path_factory):
    """made_by(template): its Made, from a copy of the project which asks a server here in place of Mapillary's."""
    server = MapillaryServer()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    project = copy_of_the_project(tmp_path_factory.mktemp("copy") / "geonb")
    source = project / "geonb" / "photos" / "sources" / "mapillary.py"
    text = source.read_text(encoding="utf-8")
    assert text.count("https://graph.mapillary.com") == 1
    source.write_text(text.replace("https://graph.mapillary.com", server.address), encoding="utf-8")
    yield functools.cache(lambda template: make(template, tmp_path_factory.mktemp(template), project))
    server.shutdown()


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_leads_from_its_data_set_to_a_training(made_by, template):
    made = made_by(template)
    photos = made.table("01_photos/photos")
    assert len(photos) == photos.photo_id.nunique() == made.count
    assert made.table("01_photos/left_out").reason.value_counts().to_dict() == made.left_out
    parts = made.table("04_splits/splits").groupby("split").part.unique()
    assert set(parts.index) == set(made.study["04_splits"]["splits"])
    assert all({"train", "validation", "test"} <= set(of_split) for of_split in parts)
    told = made.table(f"{TRAINING}/predictions")
    assert set(told.split) == set(made.study["06_train"]["splits"])
    assert np.isfinite(told.error_m).all()


def test_ones_own_photos_teach_no_tower_and_are_read_all_the_same(made_by):
    made = made_by("photo_folder")
    assert made.table(f"{WORDS}/lessons").empty
    read = made.table(f"{WORDS}/read").value.astype(float)
    assert len(read)
    assert np.isfinite(read).all()


def test_the_token_lies_nowhere(made_by):
    made = made_by("mapillary")
    project = made.folder.parents[1]
    files = [path for place in ("build", ".snakemake") for path in (project / place).rglob("*") if path.is_file()]
    assert sum(path.suffix == ".jpg" for path in files) >= made.count
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]
