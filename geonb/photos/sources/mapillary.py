"""Street-level photos of Mapillary, by box or polygon, through its Graph API v4 (CC BY-SA 4.0).

A question about a box is answered with 2,000 photos at most, at times with fewer of many: boxes are cut until an answer
stays well below. Answers and pictures are kept in build/mapillary/. The token comes from MAPILLARY_TOKEN, travels in a
header and is written nowhere.
"""

import hashlib
import json
import os
import sys
from itertools import pairwise

import numpy as np
import requests
import shapely
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential
from tqdm import tqdm

from geonb import files, random_streams
from geonb.earth import sphere
from geonb.photos.catalogue import collected
from geonb.photos.left_out import Unreadable, kept_and_left_out
from geonb.photos.pictures import examine, picture_path
from geonb.photos.sources import photo_fields

API = "https://graph.mapillary.com"
SIZES = (256, 1024, 2048)  # pixels of the longer side of a thumbnail
MOST = 2000  # photos in an answer
FULL = 1000  # an answer of so many or more may lack some: of 2,000 and more, 1,935 have been seen
SIDE_DEG = 0.02  # of a box at most; a question about 0.01 square degrees or more is refused
LEAST_DEG = 0.0002  # of a box, some 20 m: below, photos of one place stand so dense that cutting ends
FIELDS = "id,geometry,computed_geometry,compass_angle,computed_compass_angle,captured_at,sequence,is_pano,creator"


class Busy(ConnectionError):
    """No answer now: too many questions, an error of the server, a broken connection."""


def read(
    *, box: list | None = None, polygon: str = "", size_px: int = 1024, panoramas: bool = False, thin_m: float = 0.0,
    limit: int = 0, seed: int = 0, city: str = "", country: str = "", city_link_m: float = 10_000.0,
):  # fmt: skip
    """(rows, left_out) of the photos in a box or a polygon: each that is not thinned out ends in one of the two.

    box: [south, west, north, east] in degrees; polygon: a GeoJSON file, in its place. thin_m: least distance between
    kept photos of one sequence; limit: at most so many, drawn by the seed, 0 for all. A box that stays full however
    small it is cut has a row in left_out. ValueError for a wrong option or without a token, ConnectionError when the
    server stays silent; the next run goes on where this one ended.
    """
    area = area_of(box, polygon)
    if size_px not in SIZES:
        raise ValueError(f"size_px {size_px} must be {', '.join(map(str, SIZES))}")
    ask = Questions()
    records, full = found_in(area, ask)
    if not records and not full:
        other = "" if polygon else f" (south, west, north, east), meant as {photo_fields.exchanged(box)}?"
        raise ValueError(f"Mapillary has no photo in {polygon or box}{other}")
    given = {"city": city, "country": country, "licence": "CC BY-SA 4.0", "source": "mapillary"}

    def photo(path, told):
        photo_fields.refuse_unwanted(panorama=told["is_pano"] and not panoramas)
        if np.isnan(told["lat_deg"]):
            raise Unreadable("no position", "Mapillary names none")
        download(told["id"], size_px, files.ROOT / path, ask)
        return photo_fields.photo(path, told, given)

    usable, others = [], []
    for told in records:
        (others if np.isnan(told["lat_deg"]) or (told["is_pano"] and not panoramas) else usable).append(told)
    usable = thinned(usable, thin_m) if thin_m else usable
    if limit and limit < len(usable):
        drawn = random_streams.stream(seed, "mapillary").choice(len(usable), limit, replace=False)
        usable = [usable[n] for n in np.sort(drawn)]
    entries = [(f"build/mapillary/{size_px}/{told['id']}.jpg", f"id {told['id']}: ", told) for told in usable + others]
    rows, left_out = kept_and_left_out(entries, photo, progress=True)
    left_out += [{"path": "", "reason": "full box", "detail": f"south, west, north, east {box}"} for box in full]
    return collected(rows, left_out, city_link_m=city_link_m)


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
    outline = geopandas.read_file(file).to_crs(4326).union_all()
    if not outline.area > 0:
        raise ValueError(f"{file.name} has no area: draw a polygon")
    return outline


def found_in(area, ask):
    """(fields of all photos in an area or without a position, each once, by id; boxes that stay full)."""
    west, south, east, north = area.bounds
    found, full = {}, []
    parts = cut(area, (south, west, north, east), ask)
    for box, records, may_lack in tqdm(parts, desc="boxes", unit="box", file=sys.stdout):
        full += [box] * may_lack
        for told in map(fields_of, records):
            if np.isnan(told["lat_deg"]) or shapely.intersects_xy(area, told["lon_deg"], told["lat_deg"]):
                found[told["id"]] = told
    return [found[id_] for id_ in sorted(found)], full


def cut(area, box, ask):
    """Yield (box, records, whether some may lack) of the boxes, quarters of quarters, that cover an area."""
    south, west, north, east = box
    if not area.intersects(shapely.box(west, south, east, north)):
        return
    side_deg = max(north - south, east - west)
    if side_deg <= SIDE_DEG + 1e-9:
        records = answered(box, ask)
        whole = records is not None and len(records) < FULL
        if whole or side_deg < LEAST_DEG:
            yield box, records or [], not whole
            return
    for low, high in pairwise((south, (south + north) / 2, north)):
        for left, right in pairwise((west, (west + east) / 2, east)):
            yield from cut(area, (low, left, high, right), ask)


def answered(box, ask):
    """Records of a box, from its file, or asked for and kept; None where it is too much to answer."""
    south, west, north, east = (f"{side:.7f}" for side in box)
    asked = {"bbox": f"{west},{south},{east},{north}", "fields": FIELDS, "limit": MOST}
    name = hashlib.sha256(json.dumps([API, asked]).encode()).hexdigest()[:16]
    file = files.ROOT / "build" / "mapillary" / "boxes" / f"{name}.json"
    if not file.exists():
        try:
            answer = json.dumps(ask.get(f"{API}/images", asked, "data")["data"])
        except Unreadable as why:
            raise ValueError(f"Mapillary refuses the box {box}: {why.detail}") from None
        files.write_whole(file, lambda partial: partial.write_text(answer, encoding="utf-8"))
    return json.loads(file.read_text(encoding="utf-8"))


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


def thinned(records, thin_m):
    """Along every sequence, in the order of time, the photos at least thin_m from the last one that was kept."""
    last = {}
    for told in sorted(records, key=lambda told: (told["at_ms"], told["id"])):
        drive, at = told["sequence_id"] or told["id"], [(told["lat_deg"], told["lon_deg"])]
        if drive not in last or sphere.distance_m(at, last[drive][-1][0])[0] >= thin_m:
            last.setdefault(drive, []).append((at, told))
    return sorted((told for kept in last.values() for _, told in kept), key=lambda told: told["id"])


class Questions:
    """Questions to the server, one at a time, each again while it is busy."""

    def __init__(self):
        token = os.environ.get("MAPILLARY_TOKEN", "").strip()
        if not token:
            where = "make a client token at mapillary.com/dashboard/developers and `export MAPILLARY_TOKEN=...`"
            raise ValueError(f"MAPILLARY_TOKEN is not set: {where}; it does not belong into a study")
        self.session = requests.Session()
        self.header = {"Authorization": f"OAuth {token}"}

    @retry(retry=retry_if_exception_type(Busy), stop=stop_after_attempt(6), wait=wait_exponential(), reraise=True)
    def get(self, address, asked=None, wanted=""):
        """The JSON of the API, if something is wanted of it, else what lies at an address, without the token.

        Busy where it may come later, ValueError for the token, Unreadable for what is gone, None as data for too large
        a box.
        """
        later = "run again later, what is there stays"
        try:
            answer = self.session.get(address, params=asked, headers=self.header if wanted else None, timeout=60)
            status, told = answer.status_code, answer.json() if wanted and answer.ok else {}
        except requests.RequestException as error:  # its words may hold the address
            raise Busy(f"Mapillary does not answer ({type(error).__name__}): {later}") from None
        if status >= 400 and "reduce the amount of data" in answer.text[:500]:
            return {"data": None}
        if wanted and status in (401, 403):
            raise ValueError(f"Mapillary refuses the token (status {status}): check MAPILLARY_TOKEN")
        if 400 <= status < 500 and status != 429:
            raise Unreadable("missing file", f"Mapillary answers with status {status}")
        if not answer.ok or (wanted and not (isinstance(told, dict) and wanted in told)):
            wait = f", wait {answer.headers['Retry-After']} s" if "Retry-After" in answer.headers else ""
            raise Busy(f"Mapillary does not answer (status {status}{wait}): {later}")
        return told if wanted else answer.content


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
