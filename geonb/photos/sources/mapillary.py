"""Street-level photos of Mapillary, by box or polygon, through its Graph API v4 (CC BY-SA 4.0).

A question about a box has no pages and is answered with 2,000 photos at most, at times with fewer of many: boxes are
cut until an answer stays well below. What was answered and downloaded lies in build/mapillary/: it is not asked again.
The token comes from MAPILLARY_TOKEN, travels in a header and is written nowhere.
"""

import hashlib
import json
import math
import os
import sys
from itertools import pairwise

import numpy as np
import requests
from tenacity import RetryCallState, retry, retry_if_exception_type, stop_after_attempt, wait_exponential
from tqdm import tqdm

from geonb import checks, files
from geonb.earth import seeds, sphere
from geonb.photos import catalogue as photos
from geonb.photos.catalogue import Unreadable
from geonb.photos.sources import table

API = "https://graph.mapillary.com"
LICENCE = "CC BY-SA 4.0"
SIZES = (256, 1024, 2048)  # pixels of the longer side of a thumbnail
MOST = 2000  # photos in an answer
FULL = 1000  # an answer of so many or more may lack some: of 2,000 and more, 1,935 have been seen
SIDE_DEG = 0.02  # of the first boxes; a question about 0.01 square degrees or more is refused
LEAST_DEG = 0.0002  # of a box, some 20 m: below, photos of one place stand so dense that cutting ends
ATTEMPTS = 6
LONGEST_S = 300.0  # between two attempts, however much longer the server asks for
FIELDS = (
    "id", "geometry", "computed_geometry", "compass_angle", "computed_compass_angle", "captured_at", "sequence",
    "is_pano", "creator",
)  # fmt: skip


class Busy(Exception):
    """An answer that may come later: too many questions, an error of the server, a broken connection."""

    def __init__(self, why, after_s=0.0):
        super().__init__(why)
        self.after_s = after_s


class TooMuch(Exception):
    """The server says that the box holds more than it can answer."""


def read(
    *,
    box: list | None = None,
    polygon: str = "",
    size_px: int = 1024,
    panoramas: bool = False,
    thin_m: float = 0.0,
    limit: int = 0,
    seed: int = 0,
    city: str = "",
    country: str = "",
    city_link_m: float = 10_000.0,
):
    """(rows, left_out) of the photos in a box or a polygon: each that is not thinned out ends in one of the two.

    box: [south, west, north, east] in degrees; polygon: a GeoJSON file, in its place. size_px: 256, 1024 or 2048.
    panoramas: keep them. Of what is left then: thin_m, least distance between kept photos of one sequence; limit, at
    most so many, drawn by the seed, 0 for all. Positions and headings are Mapillary's computed ones where there are
    any. A box that stays full however small it is cut has a row in left_out: some of its photos may lack. ValueError
    for a wrong option or without a token, ConnectionError when the server stays silent; the next run goes on where
    this one ended.
    """
    area = Area.of(box, polygon)
    if size_px not in SIZES:
        raise ValueError(f"size_px {size_px} must be {', '.join(map(str, SIZES))}")
    checks.number("thin_m", thin_m, least=0)
    checks.count("limit", limit, least=0)
    checks.count("seed", seed, least=0)
    ask = Questions()
    records, full = found_in(area, ask)
    if not records and not full:
        raise ValueError(f"Mapillary has no photo in {where(box, polygon)}")
    records, unusable = parted(records, panoramas)
    known = chosen(records, thin_m, limit, seed)
    given = {"city": city, "country": country, "licence": LICENCE, "source": "mapillary"}
    rows = []
    left_out = [{"path": "", "reason": "full box", "detail": f"south, west, north, east {box}"} for box in full]
    left_out += [row_left_out(record, size_px, why) for record, why in unusable]
    for record in tqdm(known, desc="photos", unit="photo", file=sys.stdout):
        path = path_of(record, size_px)
        try:
            download(record["id"], size_px, files.ROOT / path, ask)
            rows.append(table.photo(path, fields(record), given))
        except Unreadable as why:
            left_out.append(row_left_out(record, size_px, why))
    return photos.collected(rows, left_out, city_link_m=city_link_m)


def where(box, polygon):
    """The words for an area without photos."""
    if polygon:
        return f"polygon {polygon!r}"
    other = photos.exchanged(box)
    return f"box {box} (south, west, north, east): if it was meant as west, south, east, north, write {other}"


def path_of(record, size_px):
    """Where the photo of a record lies, for the catalogue."""
    return f"build/mapillary/{size_px}/{record['id']}.jpg"


def row_left_out(record, size_px, why):
    """The row of left_out of a record that is Unreadable."""
    return {"path": path_of(record, size_px), "reason": why.reason, "detail": f"id {record['id']}: {why.detail}"}


# ---- where -----------------------------------------------------------------------------------------------------------
class Area:
    """A box, and the polygon within it if there is one."""

    def __init__(self, box, outline=None):
        self.box, self.outline = tuple(float(side) for side in box), outline

    @classmethod
    def of(cls, box, polygon):
        """From the options: exactly one of the two."""
        if (box is None) == (not polygon):
            raise ValueError("source 'mapillary' needs a box [south, west, north, east] or a polygon, one of the two")
        if polygon:
            outline = outline_of(polygon)
            west, south, east, north = outline.bounds
            return cls((south, west, north, east), outline)
        return cls(photos.sides(box))

    def holds(self, lat_deg, lon_deg):
        """Whether a position lies in it."""
        south, west, north, east = self.box
        if not (south <= lat_deg <= north and west <= lon_deg <= east):
            return False
        if self.outline is None:
            return True
        import shapely

        return bool(shapely.contains_xy(self.outline, lon_deg, lat_deg))

    def boxes(self):
        """The boxes, equal ones of SIDE_DEG at most, that cover it, each (south, west, north, east) [degree]."""
        south, west, north, east = self.box
        grid = [(s, w, n, e) for s, n in pairwise(edges(south, north)) for w, e in pairwise(edges(west, east))]
        if self.outline is None:
            return grid
        import shapely

        return [(s, w, n, e) for s, w, n, e in grid if self.outline.intersects(shapely.box(w, s, e, n))]


def outline_of(polygon):
    """The polygons of a file as one shape in degrees; FileNotFoundError, ValueError where they have no area."""
    import geopandas

    file = photos.picture_path(polygon)
    if not file.is_file():
        raise FileNotFoundError(f"polygon {polygon!r} is not a file on this machine: {file}")
    table = geopandas.read_file(file)
    if table.crs is None:
        raise ValueError(f"{file.name} does not say its coordinate system: write it with one, GeoJSON has one")
    outline = table.to_crs(4326).union_all()
    if not outline.area > 0:
        raise ValueError(f"{file.name} has no area: draw a polygon")
    return outline


def edges(low, high):
    """The edges of as many equal parts from low to high as are needed for parts of SIDE_DEG at most."""
    return np.linspace(low, high, math.ceil(round((high - low) / SIDE_DEG, 6)) + 1).tolist()


def found_in(area, ask):
    """(records of all photos in an area or without a position, each once, full boxes); answered boxes are kept."""
    found, full = {}, []
    for box in tqdm(area.boxes(), desc="boxes", unit="box", file=sys.stdout):
        records, full_there = answered(box, ask)
        full += full_there
        for record in records:
            lon_deg, lat_deg = position(record)
            if np.isnan(lat_deg) or area.holds(lat_deg, lon_deg):
                found[record["id"]] = record
    return [found[id_] for id_ in sorted(found)], full


def answered(box, ask):
    """(records, full boxes) of a box: from its file, or asked for and kept."""
    asked = json.dumps([API, FIELDS, [round(side, 7) for side in box]])
    name = hashlib.sha256(asked.encode()).hexdigest()[:16]
    file = files.ROOT / "build" / "mapillary" / "boxes" / f"{name}.json"
    if not file.exists():
        answer = json.dumps(cut(box, ask))
        files.write_whole(file, lambda partial: partial.write_text(answer, encoding="utf-8"))
    return json.loads(file.read_text(encoding="utf-8"))


def cut(box, ask):
    """(records, full boxes) of a box, from its quarters where one answer may not hold them all."""
    south, west, north, east = box
    small = max(north - south, east - west) < LEAST_DEG
    try:
        records, dense = ask.about(box), False
    except TooMuch:
        records, dense = [], True
    if not dense and len(records) < FULL:
        return records, []
    if small:
        return records, [box]
    middle, between = (south + north) / 2, (west + east) / 2
    quarters = [
        (s, w, n, e) for s, n in ((south, middle), (middle, north)) for w, e in ((west, between), (between, east))
    ]
    answers = [cut(quarter, ask) for quarter in quarters]
    every = {record["id"]: record for records, _ in answers for record in records}
    return list(every.values()), [box for _, full in answers for box in full]


# ---- which -----------------------------------------------------------------------------------------------------------
def position(record):
    """(longitude, latitude) of a record, computed if it was; NaN where it has none."""
    for name in ("computed_geometry", "geometry"):
        place = (record.get(name) or {}).get("coordinates")
        if place:
            return float(place[0]), float(place[1])
    return np.nan, np.nan


def parted(records, panoramas):
    """(records that can be photos, (record, Unreadable) of the others: without a position, unwanted panoramas)."""
    kept, others = [], []
    for record in records:
        if np.isnan(position(record)[0]):
            others.append((record, Unreadable("no position", "Mapillary names none")))
        elif record.get("is_pano") and not panoramas:
            others.append((record, Unreadable("panorama", "option panoramas: true keeps it")))
        else:
            kept.append(record)
    return kept, others


def chosen(records, thin_m, limit, seed):
    """The records that are kept: thinned along their sequences, then at most `limit` of them."""
    kept = thinned(records, thin_m) if thin_m else records
    if limit and limit < len(kept):
        drawn = np.sort(seeds.stream(seed, "mapillary").choice(len(kept), limit, replace=False))
        kept = [kept[n] for n in drawn]
    return kept


def thinned(records, thin_m):
    """Along every sequence, in the order of time, the photos at least thin_m from the last one that was kept."""
    by_sequence = {}
    for record in sorted(records, key=lambda record: (record.get("captured_at") or 0, record["id"])):
        by_sequence.setdefault(record.get("sequence") or record["id"], []).append(record)
    kept = []
    for drive in by_sequence.values():
        last = None
        for record in drive:
            at = np.array([position(record)[::-1]])
            if last is None or sphere.distance_m(at, last)[0] >= thin_m:
                kept.append(record)
                last = at
    return sorted(kept, key=lambda record: record["id"])


def fields(record):
    """A record with the keys of the catalogue; what is optional may be absent."""
    lon_deg, lat_deg = position(record)
    headings = (record.get(name) for name in ("computed_compass_angle", "compass_angle"))
    heading_deg = next((angle for angle in headings if angle is not None and 0 <= angle <= 360), "")
    return {
        "lat_deg": lat_deg, "lon_deg": lon_deg, "heading_deg": heading_deg,
        "captured_at": table.of_milliseconds(record.get("captured_at")),
        "sequence_id": record.get("sequence", ""), "author": (record.get("creator") or {}).get("username", ""),
    }  # fmt: skip


# ---- the server ------------------------------------------------------------------------------------------------------
def patience(state: RetryCallState):
    """Seconds until the next attempt: 1, 2, 4 ..., or more if the server asks for it, LONGEST_S at most."""
    asked = getattr(state.outcome.exception(), "after_s", 0.0)
    return min(max(asked, wait_exponential(multiplier=1)(state)), LONGEST_S)


class Questions:
    """Questions to the server, one at a time, again and again while it is busy."""

    def __init__(self):
        token = os.environ.get("MAPILLARY_TOKEN", "").strip()
        if not token:
            raise ValueError(
                "MAPILLARY_TOKEN is not set: make a client token at mapillary.com/dashboard/developers and "
                "`export MAPILLARY_TOKEN=...`; it does not belong into a study"
            )
        self.session = requests.Session()
        self.header = {"Authorization": f"OAuth {token}"}

    def about(self, box):
        """The records of a box, MOST at most."""
        south, west, north, east = box
        asked = {"bbox": f"{west:.7f},{south:.7f},{east:.7f},{north:.7f}", "fields": ",".join(FIELDS), "limit": MOST}
        try:
            return self.get(f"{API}/images", asked, "data").json()["data"]
        except Unreadable as why:
            raise ValueError(f"Mapillary refuses the box {box}: {why.detail}") from None

    def address(self, id_, size_px):
        """Where a thumbnail lies now: such addresses end after some time."""
        name = f"thumb_{size_px}_url"
        return self.get(f"{API}/{id_}", {"fields": name}, "id").json().get(name, "")

    @retry(
        retry=retry_if_exception_type(Busy), stop=stop_after_attempt(ATTEMPTS), wait=patience,
        retry_error_callback=lambda state: gave_up(state),
    )  # fmt: skip
    def get(self, address, asked=None, wanted=""):
        """One answer, of the API if something is wanted of its JSON, else of where pictures lie, without the token.

        Busy where it may come later, TooMuch, ValueError for the token, Unreadable for what is gone.
        """
        try:
            answer = self.session.get(address, params=asked, headers=self.header if wanted else None, timeout=60)
        except requests.RequestException as error:
            raise Busy(type(error).__name__) from None  # its words may hold the address
        refuse(answer, wanted)
        return answer


def refuse(answer, wanted):
    """Nothing, or what stands against an answer, as in Questions.get."""
    status = answer.status_code
    if status == 429:
        wait = answer.headers.get("Retry-After", "")
        asked_s = float(wait) if wait.isdigit() else 0.0
        raise Busy(f"too many questions: it asks for {asked_s:.0f} s, at most {LONGEST_S:.0f} s are waited", asked_s)
    if status >= 400 and "reduce the amount of data" in answer.text[:500]:
        raise TooMuch
    if status >= 500:
        raise Busy(f"status {status}")
    if wanted and status in (401, 403):
        raise ValueError(f"Mapillary refuses the token (status {status}): check MAPILLARY_TOKEN")
    if status >= 400:
        raise Unreadable("missing file", f"Mapillary answers with status {status}")
    if wanted and wanted not in told(answer):
        raise Busy(f"status {status} without {wanted}")


def told(answer):
    """The object that an answer holds, empty where it is none."""
    try:
        found = answer.json()
    except requests.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def gave_up(state):
    """ConnectionError after the last attempt."""
    why = state.outcome.exception()
    raise ConnectionError(
        f"Mapillary does not answer after {state.attempt_number} attempts ({why}): run again later, what is there stays"
    ) from None


def download(id_, size_px, file, ask):
    """The thumbnail of a photo, verified as a picture before it appears; nothing where it is there already."""
    if file.exists():
        return
    if not str(id_).isdigit():
        raise Unreadable("missing file", "the id is no number")
    if not (address := ask.address(id_, size_px)):
        raise Unreadable("missing file", f"Mapillary has no thumbnail of {size_px} px")
    content = ask.get(address).content
    files.write_whole(file, lambda partial: verified(partial, content))


def verified(file, content):
    """Write a picture; Unreadable where it is none."""
    file.write_bytes(content)
    photos.examine(file)
