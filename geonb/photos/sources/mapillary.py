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
from contextlib import suppress
from itertools import pairwise, product

import numpy as np
import requests
import shapely
from tenacity import RetryCallState, retry, retry_if_exception_type, stop_after_attempt, wait_exponential
from tqdm import tqdm

from geonb import checks, files, random_streams
from geonb.earth import sphere
from geonb.photos.catalogue import collected
from geonb.photos.left_out import Unreadable, kept_and_left_out
from geonb.photos.pictures import examine, picture_path
from geonb.photos.sources import photo_fields

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
    *, box: list | None = None, polygon: str = "", size_px: int = 1024, panoramas: bool = False, thin_m: float = 0.0,
    limit: int = 0, seed: int = 0, city: str = "", country: str = "", city_link_m: float = 10_000.0,
):  # fmt: skip
    """(rows, left_out) of the photos in a box or a polygon: each that is not thinned out ends in one of the two.

    box: [south, west, north, east] in degrees; polygon: a GeoJSON file, in its place. size_px: 256, 1024 or 2048.
    panoramas: keep them. Of what is left then: thin_m, least distance between kept photos of one sequence; limit, at
    most so many, drawn by the seed, 0 for all. Positions and headings are Mapillary's computed ones where there are
    any. A box that stays full however small it is cut has a row in left_out: some of its photos may lack. ValueError
    for a wrong option or without a token, ConnectionError when the server stays silent; the next run goes on where
    this one ended.
    """
    area = area_of(box, polygon)
    if size_px not in SIZES:
        raise ValueError(f"size_px {size_px} must be {', '.join(map(str, SIZES))}")
    checks.number("thin_m", thin_m, least=0)
    checks.count("limit", limit, least=0)
    checks.count("seed", seed, least=0)
    ask = Questions()
    records, full = found_in(area, ask)
    if not records and not full:
        if polygon:
            raise ValueError(f"Mapillary has no photo in polygon {polygon!r}")
        meant = f"if it was meant as west, south, east, north, write {photo_fields.exchanged(box)}"
        raise ValueError(f"Mapillary has no photo in box {box} (south, west, north, east): {meant}")
    given = {"city": city, "country": country, "licence": LICENCE, "source": "mapillary"}

    def photo(path, told):
        if why := unwanted(told, panoramas):
            raise why
        download(told["id"], size_px, files.ROOT / path, ask)
        return photo_fields.photo(path, told, given)

    usable = [told for told in records if not unwanted(told, panoramas)]
    usable = thinned(usable, thin_m) if thin_m else usable
    if limit and limit < len(usable):
        usable = [
            usable[n]
            for n in np.sort(random_streams.stream(seed, "mapillary").choice(len(usable), limit, replace=False))
        ]
    usable += [told for told in records if unwanted(told, panoramas)]
    entries = [(f"build/mapillary/{size_px}/{told['id']}.jpg", f"id {told['id']}: ", told) for told in usable]
    rows, left_out = kept_and_left_out(entries, photo, progress=True)
    left_out += [{"path": "", "reason": "full box", "detail": f"south, west, north, east {box}"} for box in full]
    return collected(rows, left_out, city_link_m=city_link_m)


# ---- where -----------------------------------------------------------------------------------------------------------
def area_of(box, polygon):
    """The shape [degree] of a box, or of the polygons of a file; ValueError unless one is given, and has an area."""
    if (box is None) == (not polygon):
        raise ValueError("source 'mapillary' needs a box [south, west, north, east] or a polygon, one of the two")
    if not polygon:
        south, west, north, east = photo_fields.box_sides(box)
        return shapely.box(west, south, east, north)
    import geopandas

    file = picture_path(polygon)
    if not file.is_file():
        raise FileNotFoundError(f"polygon {polygon!r} is not a file on this machine: {file}")
    table = geopandas.read_file(file)
    if table.crs is None:
        raise ValueError(f"{file.name} does not say its coordinate system: write it with one, GeoJSON has one")
    outline = table.to_crs(4326).union_all()
    if not outline.area > 0:
        raise ValueError(f"{file.name} has no area: draw a polygon")
    return outline


def boxes_of(area):
    """The boxes, equal ones of SIDE_DEG at most, that cover an area, each (south, west, north, east) [degree]."""
    west, south, east, north = area.bounds
    parts = []
    for low, high in ((south, north), (west, east)):
        edges = np.linspace(low, high, math.ceil(round((high - low) / SIDE_DEG, 6)) + 1)
        parts.append(list(pairwise(edges.tolist())))
    return [(s, w, n, e) for (s, n), (w, e) in product(*parts) if area.intersects(shapely.box(w, s, e, n))]


def found_in(area, ask):
    """(fields of all photos in an area or without a position, each once, full boxes); answered boxes are kept."""
    found, full = {}, []
    for box in tqdm(boxes_of(area), desc="boxes", unit="box", file=sys.stdout):
        records, full_there = answered(box, ask)
        full += full_there
        for told in map(fields_of, records):
            if np.isnan(told["lat_deg"]) or shapely.intersects_xy(area, told["lon_deg"], told["lat_deg"]):
                found[told["id"]] = told
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
    asked = {"bbox": f"{west:.7f},{south:.7f},{east:.7f},{north:.7f}", "fields": ",".join(FIELDS), "limit": MOST}
    try:
        records = ask.get(f"{API}/images", asked, "data")["data"]
        if len(records) < FULL:
            return records, []
    except TooMuch:
        records = []
    except Unreadable as why:
        raise ValueError(f"Mapillary refuses the box {box}: {why.detail}") from None
    if max(north - south, east - west) < LEAST_DEG:
        return records, [box]
    rows, columns = (pairwise((low, (low + high) / 2, high)) for low, high in ((south, north), (west, east)))
    quarters = [(s, w, n, e) for (s, n), (w, e) in product(rows, columns)]
    answers = [cut(quarter, ask) for quarter in quarters]
    every = {record["id"]: record for records, _ in answers for record in records}
    return list(every.values()), [box for _, full in answers for box in full]


# ---- which -----------------------------------------------------------------------------------------------------------
def fields_of(record):
    """A record with the keys of the catalogue: computed positions and headings first; what is optional may lack."""
    places = ((record.get(name) or {}).get("coordinates") for name in ("computed_geometry", "geometry"))
    lon_deg, lat_deg = next((map(float, place[:2]) for place in places if place), (np.nan, np.nan))
    headings = (record.get(name) for name in ("computed_compass_angle", "compass_angle"))
    return {
        "id": record["id"], "is_pano": record.get("is_pano"), "lat_deg": lat_deg, "lon_deg": lon_deg,
        "heading_deg": next((angle for angle in headings if angle is not None and 0 <= angle <= 360), ""),
        "captured_at": photo_fields.of_milliseconds(record.get("captured_at")), "at_ms": record.get("captured_at") or 0,
        "sequence_id": record.get("sequence", ""), "author": (record.get("creator") or {}).get("username", ""),
    }  # fmt: skip


def unwanted(told, panoramas):
    """Why a record cannot be a photo, as an Unreadable; None where it can."""
    if np.isnan(told["lat_deg"]):
        return Unreadable("no position", "Mapillary names none")
    around = told["is_pano"] and not panoramas
    return Unreadable("panorama", "option panoramas: true keeps it") if around else None


def thinned(records, thin_m):
    """Along every sequence, in the order of time, the photos at least thin_m from the last one that was kept."""
    last, kept = {}, []
    for told in sorted(records, key=lambda told: (told["at_ms"], told["id"])):
        drive, at = told["sequence_id"] or told["id"], np.array([[told["lat_deg"], told["lon_deg"]]])
        if drive not in last or sphere.distance_m(at, last[drive])[0] >= thin_m:
            kept.append(told)
            last[drive] = at
    return sorted(kept, key=lambda told: told["id"])


# ---- the server ------------------------------------------------------------------------------------------------------
def gave_up(state):
    """ConnectionError after the last attempt."""
    why = state.outcome.exception()
    raise ConnectionError(
        f"Mapillary does not answer after {state.attempt_number} attempts ({why}): run again later, what is there stays"
    ) from None


def patience(state: RetryCallState):
    """Seconds until the next attempt: 1, 2, 4 ..., or more if the server asks for it, LONGEST_S at most."""
    asked = getattr(state.outcome.exception(), "after_s", 0.0)
    return min(max(asked, wait_exponential(multiplier=1)(state)), LONGEST_S)


class Questions:
    """Questions to the server, one at a time, each again while it is busy."""

    def __init__(self):
        token = os.environ.get("MAPILLARY_TOKEN", "").strip()
        if not token:
            raise ValueError(
                "MAPILLARY_TOKEN is not set: make a client token at mapillary.com/dashboard/developers and "
                "`export MAPILLARY_TOKEN=...`; it does not belong into a study"
            )
        self.session = requests.Session()
        self.header = {"Authorization": f"OAuth {token}"}

    @retry(
        retry=retry_if_exception_type(Busy), stop=stop_after_attempt(ATTEMPTS), wait=patience,
        retry_error_callback=gave_up,
    )  # fmt: skip
    def get(self, address, asked=None, wanted=""):
        """The JSON of the API, if something is wanted of it, else what lies at an address, asked without the token.

        Busy where it may come later, TooMuch, ValueError for the token, Unreadable for what is gone.
        """
        try:
            answer = self.session.get(address, params=asked, headers=self.header if wanted else None, timeout=60)
        except requests.RequestException as error:
            raise Busy(type(error).__name__) from None  # its words may hold the address
        return content_of(answer, wanted)


def content_of(answer, wanted):
    """What an answer holds, as in Questions.get."""
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
    if not wanted:
        return answer.content
    with suppress(requests.JSONDecodeError):
        if isinstance(told := answer.json(), dict) and wanted in told:
            return told
    raise Busy(f"status {status} without {wanted}")


def download(id_, size_px, file, ask):
    """The thumbnail of a photo, verified as a picture before it appears; nothing where it is there already."""
    if file.exists():
        return
    if not str(id_).isdigit():
        raise Unreadable("missing file", "the id is no number")
    name = f"thumb_{size_px}_url"
    address = ask.get(f"{API}/{id_}", {"fields": name}, "id").get(name)  # where it lies now: such addresses end
    if not address:
        raise Unreadable("missing file", f"Mapillary has no thumbnail of {size_px} px")
    content = ask.get(address)

    def verified(partial):
        partial.write_bytes(content)
        examine(partial)

    files.write_whole(file, verified)
