"""Source mapillary against a server of its own that answers as Graph API v4 does: caps, refusals, gaps, dead links."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import numpy as np
import pandas as pd
import pytest
import yaml

from geonb.earth import sphere
from geonb.files import ROOT
from geonb.photos.catalogue import lat_lon_deg
from geonb.photos.sources import gather, mapillary
from tests.photos.made import jpeg

BOX = [52.0, 4.0, 52.03, 4.03]
SECRET = "MLY|1|very-secret"


class Server:
    """Photos by id, what is asked, and what goes wrong: a list of answers (status, headers, text) given first."""

    def __init__(self):
        self.photos, self.asked, self.first, self.thumbs, self.cap = {}, [], [], {}, 2000
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append((self.path, self.headers.get("Authorization")))
                status, headers, content = outer.first.pop(0) if outer.first else outer.answer(self.path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path):
        asked, said = urlparse(path), parse_qs(urlparse(path).query)
        if asked.path == "/images":
            west, south, east, north = map(float, said["bbox"][0].split(","))
            inside = [
                photo for photo in self.photos.values()
                if west <= photo["geometry"]["coordinates"][0] <= east
                and south <= photo["geometry"]["coordinates"][1] <= north
            ]  # fmt: skip
            return 200, {}, json.dumps({"data": inside[: self.cap]}).encode()
        if asked.path.startswith("/thumb/"):
            content = self.thumbs.get(asked.path, jpeg(int(asked.path.split("/")[2].split(".")[0]) % 10_000))
            return (200, {}, content) if content else (404, {}, b"gone")
        name = said["fields"][0]
        size = name.removeprefix("thumb_").removesuffix("_url")
        return 200, {}, json.dumps({name: f"{self.address}/thumb{asked.path}/{size}.jpg", "id": "x"}).encode()

    def add(self, number, lat_deg, lon_deg, **more):
        id_ = str(1000 + number)
        self.photos[id_] = {"id": id_, "geometry": {"type": "Point", "coordinates": [lon_deg, lat_deg]}} | more

    def boxes(self):
        return [path for path, _ in self.asked if path.startswith("/images")]


@pytest.fixture
def server(root, monkeypatch):
    there = Server()
    monkeypatch.setattr(mapillary, "API", there.address)
    monkeypatch.setenv("MAPILLARY_TOKEN", SECRET)
    there.waits = []
    monkeypatch.setattr(mapillary.Questions.get.retry, "sleep", there.waits.append)
    yield there
    there.server.shutdown()


def scattered(server, count, seed=0, inside=BOX):
    rng = np.random.default_rng(seed)
    for number in range(count):
        server.add(number, rng.uniform(inside[0], inside[2]), rng.uniform(inside[1], inside[3]))


def ask(**options):
    return gather("mapillary", {"box": BOX, "city": "Delft"} | options)


def test_every_photo_of_a_box_comes_once_with_what_is_known_of_it(server):
    scattered(server, 30)
    server.add(
        50, 52.01, 4.01, computed_geometry={"type": "Point", "coordinates": [4.0101, 52.0101]}, compass_angle=-1,
        computed_compass_angle=90.0, captured_at=1_577_836_800_000, sequence="s1", creator={"username": "<b>ann</b>"},
    )  # fmt: skip
    catalogue, left_out = ask()
    assert len(catalogue) == 31
    assert left_out.empty
    row = catalogue[catalogue.path.str.endswith("/1050.jpg")].iloc[0]
    assert (row.geometry.y, row.geometry.x) == (52.0101, 4.0101)
    assert (row.heading_deg, row.sequence_id, row.author, row.licence) == (90, "s1", "<b>ann</b>", "CC BY-SA 4.0")
    assert str(row.captured_at) == "2020-01-01 00:00:00+00:00"
    bare = catalogue[catalogue.path.str.endswith("/1000.jpg")].iloc[0]
    assert np.isnan(bare.heading_deg)
    assert (bare.author, bare.sequence_id) == ("", "")


@pytest.mark.slow
def test_a_full_answer_is_cut_until_nothing_can_lack(server, monkeypatch):
    monkeypatch.setattr(mapillary, "FULL", 20)
    server.cap = 25  # silently, as the true one with 2,000
    scattered(server, 300)
    catalogue, left_out = ask()
    assert len(catalogue) == 300
    assert left_out.empty


def test_a_place_that_cannot_be_cut_is_told(server, monkeypatch):
    monkeypatch.setattr(mapillary, "FULL", 20)
    server.cap = 25
    for number in range(40):
        server.add(number, 52.001, 4.001)
    catalogue, left_out = ask()
    assert len(catalogue) == 25
    assert left_out.reason.tolist() == ["full box"]
    assert "52.00" in left_out.detail[0]


def test_a_server_that_cannot_answer_for_a_box_is_asked_for_its_quarters(server):
    scattered(server, 10)
    server.first = [(500, {}, b'{"error": {"message": "Please reduce the amount of data you\'re asking for"}}')]
    assert len(ask()[0]) == 10
    assert server.waits == []
    assert len(server.boxes()) == 1 + 4 + 3  # the first of four boxes, its quarters, the other three


def test_too_many_questions_are_asked_again_when_the_server_says_so(server):
    scattered(server, 3)
    server.first = [(429, {"Retry-After": "7"}, b""), (503, {}, b""), (502, {}, b"")]
    assert len(ask()[0]) == 3
    assert server.waits == [1, 2, 4]
    server.photos["1009"] = server.photos["1000"] | {"id": "1009"}
    server.first = [(429, {"Retry-After": "86400"}, b"")] * 6
    with pytest.raises(ConnectionError, match=r"status 429, wait 86400 s\): run again later"):
        ask(size_px=256)


@pytest.mark.parametrize("content", [b"<html>busy</html>", b'{"error": {"message": "unknown"}}', b"[]", b""])
def test_an_answer_that_is_none_counts_as_busy(server, content):
    scattered(server, 3)
    server.first = [(200, {}, content)] * 2
    assert len(ask()[0]) == 3
    assert server.waits == [1, 2]
    server.first = [(200, {}, content)] * 6
    with pytest.raises(ConnectionError, match="does not answer"):
        ask(size_px=2048)


def test_a_silent_server_ends_the_run_and_the_next_goes_on(server, tmp_path):
    scattered(server, 8)
    quarter = server.answer("/images?bbox=4.0,52.0,4.015,52.015")
    server.first = [quarter] + [(503, {}, b"")] * 6
    with pytest.raises(ConnectionError, match=r"does not answer \(status 503\)") as error:
        ask()
    assert SECRET not in str(error.value)
    asked = len(server.boxes())
    assert len(ask()[0]) == 8
    assert len(server.boxes()) == asked + 3  # the first box was kept
    assert not list(tmp_path.rglob("*.partial*"))


def test_a_second_run_asks_nothing(server):
    scattered(server, 5)
    first = ask()[0]
    asked = len(server.asked)
    pd.testing.assert_frame_equal(pd.DataFrame(ask()[0]), pd.DataFrame(first))
    assert len(server.asked) == asked


def test_what_cannot_be_used_is_left_out_with_its_reason(server, tmp_path):
    scattered(server, 4)
    server.photos["1000"]["is_pano"] = True
    server.thumbs["/thumb/1001/1024.jpg"] = jpeg(1)[:200]
    server.thumbs["/thumb/1002/1024.jpg"] = b""
    server.add(7, 52.002, 4.002)
    server.photos["../../secret"] = server.photos.pop("1007") | {"id": "../../secret"}
    catalogue, left_out = ask()
    assert [Path(path).stem for path in catalogue.path] == ["1003"]
    told = dict(zip(left_out.detail.str.extract(r"id (\S+):")[0], left_out.reason, strict=True))
    assert told == {
        "1000": "panorama", "1001": "truncated", "1002": "missing file", "../../secret": "missing file",
    }  # fmt: skip
    assert [path.name for path in tmp_path.rglob("*.jpg")] == ["1003.jpg"]
    assert len(ask(panoramas=True)[0]) == 2


def test_panoramas_and_photos_without_a_position_are_told_before_any_are_thinned_or_drawn(server, monkeypatch):
    for number in range(6):  # 11 m apart
        server.add(number, 52.01 + 1e-4 * number, 4.01, sequence="s", captured_at=1_600_000_000_000 + 1000 * number)
    server.photos["1000"]["is_pano"] = True
    answer, lost = server.answer, {"id": "1999", "geometry": None}

    def with_one_lost(path):
        status, headers, content = answer(path)
        found = json.loads(content) if path.startswith("/images") else {}
        return status, headers, json.dumps({"data": [*found["data"], lost]}).encode() if found else content

    monkeypatch.setattr(server, "answer", with_one_lost)
    catalogue, left_out = ask(thin_m=15.0, limit=2)
    assert len(catalogue) == 2
    assert left_out[["path", "reason"]].to_numpy().tolist() == [
        ["build/mapillary/1024/1000.jpg", "panorama"], ["build/mapillary/1024/1999.jpg", "no position"],
    ]  # fmt: skip
    thinned = ask(thin_m=15.0)[0]
    assert [Path(path).stem for path in thinned.path] == ["1001", "1003", "1005"]


@pytest.mark.slow
def test_sequences_are_thinned_and_a_number_is_drawn(server):
    for number in range(20):  # 11 m apart, the last ones first
        server.add(number, 52.01 + 1e-4 * number, 4.01, sequence="s", captured_at=1_600_000_000_000 - 1000 * number)
    server.add(30, 52.0101, 4.01, sequence="t", captured_at=1_600_000_000_000)
    at = lat_lon_deg(kept := ask(thin_m=50.0)[0])
    drive = at[(kept.sequence_id == "s").to_numpy()]
    apart_m = sphere.distance_m(drive[1:], drive[:-1])
    assert len(drive) == 4
    assert apart_m.min() >= 50
    assert len(kept) == 5
    few = ask(limit=3, seed=1)[0]
    assert len(few) == 3
    assert few.path.tolist() == ask(limit=3, seed=1)[0].path.tolist() != ask(limit=3, seed=2)[0].path.tolist()


def test_the_box_of_the_template_is_one_question_and_a_long_one_is_cut(server):
    study = ROOT / "notebooks" / "studies" / "mapillary.yml"
    box = yaml.safe_load(study.read_text(encoding="utf-8"))["01_photos"]["options"]["box"]
    scattered(server, 2, inside=box)
    ask(box=box)
    assert len(server.boxes()) == 1
    ask(box=[52.0, 4.0, 52.01, 4.4])
    sides = np.array([parse_qs(urlparse(path).query)["bbox"][0].split(",") for path in server.boxes()[1:]], float)
    assert np.ptp(sides.reshape(-1, 2, 2), axis=1).max() <= mapillary.SIDE_DEG + 1e-9
    assert np.ptp(sides.reshape(-1, 2, 2), axis=1).prod(axis=1).sum() == pytest.approx(0.004)


def test_a_polygon_takes_what_lies_in_it(server, tmp_path):
    scattered(server, 60)
    ring = [[4.0, 52.0], [4.03, 52.0], [4.0, 52.03], [4.0, 52.0]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    (tmp_path / "area.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    catalogue = gather("mapillary", {"polygon": "area.geojson", "city": "Delft"})[0]
    assert 10 < len(catalogue) < 50
    assert len(server.boxes()) == 3  # of four quarters
    assert ((catalogue.geometry.y - 52) + (catalogue.geometry.x - 4) <= 0.03 + 1e-9).all()


def test_the_token_travels_in_a_header_and_lies_nowhere(server, tmp_path):
    scattered(server, 2)
    ask()
    to_api = [header for path, header in server.asked if not path.startswith("/thumb/")]
    assert set(to_api) == {f"OAuth {SECRET}"}
    assert {header for path, header in server.asked if path.startswith("/thumb/")} == {None}
    assert all(SECRET not in path for path, _ in server.asked)
    assert not any(SECRET.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"box": None}, "needs a box .* or a polygon"),
        ({"box": [52.0, 179.0, 53.0, -179.0]}, "cut it at the date line"),
        ({"size_px": 500}, "size_px 500 must be 256, 1024, 2048"),
        ({"thin_m": -1.0}, "thin_m -1.0 must be a finite number of at least 0"),
        ({"thin_m": float("nan")}, "thin_m nan must be a finite number"),
        ({"thin_m": float("inf")}, "thin_m inf must be a finite number"),
        ({"limit": -1}, "limit -1 must be a whole number of at least 0"),
    ],
)
def test_wrong_options_are_refused(server, options, says):
    asked = {name: value for name, value in ({"box": BOX} | options).items() if value is not None}
    with pytest.raises(ValueError, match=says):
        gather("mapillary", asked)


def test_without_a_token_or_with_a_wrong_one_the_way_out_is_said(server, monkeypatch):
    server.first = [(401, {}, b"")]
    with pytest.raises(ValueError, match=r"refuses the token .*: check MAPILLARY_TOKEN"):
        ask()
    server.first = [(400, {}, b"")]
    with pytest.raises(ValueError, match=r"refuses the box .*status 400"):
        ask()
    monkeypatch.delenv("MAPILLARY_TOKEN")
    with pytest.raises(ValueError, match="MAPILLARY_TOKEN is not set: make a client token"):
        ask()


def test_a_box_without_photos_is_told_with_the_order_of_its_sides(server):
    words = (
        r"no photo in \[6\.95, 50\.94, 6\.96, 50\.95\] \(south, west, north, east\), meant as \[50\.94, 6\.95, 50\.95"
    )
    with pytest.raises(ValueError, match=words):
        ask(box=[6.95, 50.94, 6.96, 50.95])


def test_a_polygon_that_cannot_be_one_is_told(server, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"polygon 'none\.geojson' is not a file on this machine"):
        gather("mapillary", {"polygon": "none.geojson"})
    line = {"type": "LineString", "coordinates": [[4.0, 52.0], [4.03, 52.0]]}
    (tmp_path / "line.geojson").write_text(json.dumps({"type": "Feature", "properties": {}, "geometry": line}))
    with pytest.raises(ValueError, match=r"line\.geojson has no area: draw a polygon"):
        gather("mapillary", {"polygon": "line.geojson"})
    ring = {"type": "Polygon", "coordinates": [[[4.0, 52.0], [4.003, 52.0], [4.0, 52.003], [4.0, 52.0]]]}
    (tmp_path / "area.geojson").write_text(json.dumps({"type": "Feature", "properties": {}, "geometry": ring}))
    with pytest.raises(ValueError, match=r"Mapillary has no photo in area\.geojson"):
        gather("mapillary", {"polygon": "area.geojson"})
