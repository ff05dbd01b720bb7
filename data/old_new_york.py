"""Old photos of New York's streets as a table for the source `table`.

    git clone --depth 1 https://github.com/oldnyc/oldnyc.github.io oldnyc
    python data/old_new_york.py oldnyc

writes photos.csv, left_out.csv and the pictures, cropped from their mounts, to build/old_new_york/archive/; and
margins.csv, how wide and of which colour the mounts were: a control sees nothing else of a photo. The site
says where photos were taken in the names of the files of by-location/, whose content is a list of photos or a
dictionary by photo id. Of a folder with photos.csv (photo_id, lat, lon, year, file, original_title, text) that is read.
Positions were geocoded from the captions, which name the streets.
"""

import argparse
import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

OUT = Path(__file__).parents[1] / "build" / "old_new_york" / "archive"
PLACE = re.compile(r"(-?\d+\.\d+)(-?\d+\.\d+)\.json")
YEARS = (1840, 1970)  # before the first photos, after the end of the collection
APART_DEG = 1e-4  # about 10 m: the name of a file and the position in it are the same place
FIELDS = ("photo_id", "lat", "lon", "year", "file", "original_title", "text")
LIKE_MOUNT = 26.0  # largest difference from the colour of the mount, Euclidean [0-255 per channel]
PLAIN = 0.85  # a line of the picture is mount where this share of its pixels looks like it
LEAST_SHARE = 0.3  # of width and height that a photo fills on its mount


def photos_of(folder):
    """(table with the columns FIELDS, rows that were left out) of a clone of the site, or of a folder with photos.csv.

    FileNotFoundError where neither lies there, ValueError for a file of neither form or a column that is missing.
    """
    if (table := folder / "photos.csv").exists():
        found = pd.read_csv(table, dtype={"photo_id": str}, keep_default_na=False)
        if missing := [name for name in FIELDS if name not in found]:
            raise ValueError(f"{table} has no column {', '.join(missing)}; it has {', '.join(found)}")
        return found[list(FIELDS)].assign(year=pd.to_numeric(found.year, errors="coerce")), []
    places = sorted((folder / "by-location").glob("*.json"))
    if not places:
        raise FileNotFoundError(f"{folder} holds neither photos.csv nor by-location/*.json: name a clone of the site")
    pictures = {path.name.split(".")[0]: path for path in (folder / "rotated-assets" / "600px").glob("*.jpg")}
    if not pictures:
        raise FileNotFoundError(f"{folder} has no pictures in rotated-assets/600px/: clone the site with its files")
    rows, left_out = [], []
    for place in places:
        for photo in photos_at(place):
            row, reason = row_of(photo, place, pictures, folder)
            if row:
                rows.append(row)
            else:
                left_out.append({"photo_id": photo["id"], "reason": reason})
    return pd.DataFrame(rows, columns=list(FIELDS)), left_out


def photos_at(place):
    """The photos of a file of by-location/ as dictionaries with their id. ValueError for a file of another form."""
    content = json.loads(place.read_text(encoding="utf-8"))
    if isinstance(content, dict):
        content = [photo | {"id": name} if isinstance(photo, dict) else photo for name, photo in content.items()]
    if not isinstance(content, list) or not all(isinstance(photo, dict) and "id" in photo for photo in content):
        raise ValueError(f"{place.name} is neither a list of photos with an id nor a dictionary of photos by id")
    if not PLACE.fullmatch(place.name):
        raise ValueError(f"{place.name} is not named after a place, as 40.617612-74.104584.json is")
    return content


def row_of(photo, place, pictures, folder):
    """(row, '') of a photo, or (None, why it is left out)."""
    lat, lon = map(float, PLACE.fullmatch(place.name).groups())
    inside = (photo.get("geocode") or {}).get("location") or {}
    if "lat" in inside and max(abs(inside["lat"] - lat), abs(inside["lng"] - lon)) > APART_DEG:
        return None, f"the file's name says {lat}, {lon}, its content {inside['lat']}, {inside['lng']}"
    if photo["id"] not in pictures:
        return None, "no picture in rotated-assets/600px/"
    year = re.match(r"\d{4}", str(photo.get("date") or ""))
    return {
        "photo_id": photo["id"], "lat": lat, "lon": lon, "year": float(year[0]) if year else np.nan,
        "file": pictures[photo["id"]].relative_to(folder).as_posix(),
        "original_title": photo.get("original_title") or "", "text": photo.get("text") or "",
    }, ""  # fmt: skip


def photo_on_mount(pixels):
    """(top, bottom, left, right) of the photo in a scan (height, width, 3) of its mount: the largest rectangle whose
    border differs from the margin. ValueError where all is mount.

    From each side, lines are taken away while most of their pixels look like that side's margin: the colour that lies
    between 2.5 and 5 % of the length from the edge, within the brown edge of the scan. A side without a plain margin
    loses that edge alone.
    """
    seen = np.asarray(pixels, dtype=np.float32)
    box = []
    for axis in (0, 1):
        lines = np.moveaxis(seen, axis, 0)
        inner = slice(lines.shape[1] // 8, -(lines.shape[1] // 8))  # the corners belong to the other margins
        box += [depth_of_margin(lines[:, inner]), len(lines) - depth_of_margin(lines[::-1, inner])]
    if any(high - low < LEAST_SHARE * size for low, high, size in zip(box[::2], box[1::2], seen.shape, strict=False)):
        raise ValueError("the picture is all mount")
    return tuple(box)


def depth_of_margin(lines):
    """Lines (n, pixels, 3) that belong to the margin at their start [count]."""
    first, last = max(1, round(0.025 * len(lines))), max(2, round(0.05 * len(lines)))
    colour = np.median(lines[first:last].reshape(-1, 3), axis=0)
    like = (np.linalg.norm(lines - colour, axis=2) < LIKE_MOUNT).mean(axis=1) >= PLAIN
    other = np.flatnonzero(~like[first:])
    depth = first + (other[0] if len(other) else len(lines))
    return depth + 2 if depth >= last else first  # two more: the shade of the photo's edge


def cropped(table, folder, out):
    """(table with the paths of the cropped pictures, margins, rows that were left out); writes the pictures to out."""
    out.mkdir(parents=True, exist_ok=True)
    kept, margins, left_out = [], [], []
    for row in tqdm(table.to_dict("records"), desc="pictures", file=sys.stdout, disable=not sys.stdout.isatty()):
        try:
            with Image.open(folder / row["file"]) as scan:
                picture = scan.convert("RGB")
            top, bottom, left, right = photo_on_mount(picture)
        except (OSError, UnidentifiedImageError, ValueError) as error:
            left_out.append({"photo_id": row["photo_id"], "reason": str(error)})
            continue
        picture.crop((left, top, right, bottom)).save(out / f"{row['photo_id']}.jpg", quality=92)
        kept.append(row | {"path": f"{out.name}/{row['photo_id']}.jpg"})
        margins.append({"photo_id": row["photo_id"]} | margin_of(np.asarray(picture), (top, bottom, left, right)))
    return pd.DataFrame(kept), pd.DataFrame(margins), left_out


def margin_of(pixels, box):
    """What a scan (height, width, 3) tells without its photo: its size [px], the width of its margins as a share of it,
    and their median colour [0-255], none for a scan without a margin.
    """
    (top, bottom, left, right), (height, width, _) = box, pixels.shape
    outside = np.ones((height, width), bool)
    outside[top:bottom, left:right] = False
    colour = np.median(pixels[outside], axis=0) if outside.any() else np.full(3, np.nan)
    shares = {"top": top / height, "bottom": 1 - bottom / height, "left": left / width, "right": 1 - right / width}
    return {"height_px": height, "width_px": width, **shares} | dict(zip(("red", "green", "blue"), colour, strict=True))


def with_years(table):
    """The table with captured_at in place of year, and what is missing there because it cannot be."""
    wrong = table.year.notna() & ~table.year.between(*YEARS)
    noted = [{"photo_id": row.photo_id, "reason": f"year {row.year:.0f} cannot be: kept without it"}
             for row in table[wrong].itertuples()]  # fmt: skip
    years = table.year.mask(wrong)
    return table.assign(captured_at=["" if np.isnan(y) else f"{y:.0f}-07-01" for y in years]), noted


def main():
    """Read a clone, write the table."""
    ask = argparse.ArgumentParser(prog="python data/old_new_york.py", description=__doc__.splitlines()[0])
    ask.add_argument("clone", type=Path, help="a clone of oldnyc/oldnyc.github.io, or a folder with photos.csv")
    folder = ask.parse_args().clone.expanduser()
    try:
        table, left_out = photos_of(folder)
        table, margins, without = cropped(table, folder, OUT / "pictures")
        table, noted = with_years(table)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(str(error))
    place = table.lat.map("{:.6f}".format) + " " + table.lon.map("{:.6f}".format)
    table = table.assign(sequence_id=place, caption=table.text, city="New York", country="United States")
    columns = ["photo_id", "path", "lat", "lon", "city", "country", "captured_at", "sequence_id", "caption"]
    table[[*columns, "original_title"]].to_csv(OUT / "photos.csv", index=False)
    margins.round(4).to_csv(OUT / "margins.csv", index=False)
    notes = pd.DataFrame([*left_out, *without, *noted], columns=["photo_id", "reason"])
    notes.to_csv(OUT / "left_out.csv", index=False)
    print(f"{len(table):,} photos at {place.nunique():,} places; {len(left_out) + len(without)} left out, "
          f"{len(noted)} without their year: see {OUT}")  # fmt: skip


if __name__ == "__main__":
    main()
