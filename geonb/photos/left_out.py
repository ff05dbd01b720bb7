"""Why a file or a row is left out of the catalogue: the fixed list of reasons, and the loop that sorts them out."""

import sys

import pandas as pd
from tqdm import tqdm

LEFT_OUT_COLUMNS = {
    "path": "file that was left out, '' where a row names none [text]",
    "reason": "why, one of geonb.photos.left_out.REASONS [text]",
    "detail": "the value that was met, and the way out [text]",
}
# reason: what to do where it leaves nothing of a source, '' where the detail says it. 'no range' is of grey values,
# 'full box' is where a server may know more photos than it answers with, 'void fix' is said by the receiver itself.
REASONS = {
    "no position": "use source 'table' with a CSV of positions, or photos that kept their EXIF (messengers remove it)",
    "missing file": "check the options folder and path_column",
    "HEIC": "convert the pictures to JPEG first: `magick mogrify -format jpg *.heic`",
    "camera raw": "export the photos as JPEG, with their EXIF",
    "void fix": "use source 'table' with a CSV of positions, such as those of a track that was recorded apart",
    "longitude out of range": "longitudes from 0 to 360: option lon_0_to_360 of source 'table'",
    "missing table": "take the folder of the whole data set",
    "not a number": "check the options lat_column, lon_column and columns",
    "not a time": "check the option columns: captured_at wants ISO 8601, such as 2024-07-09T03:25:24+02:00",
    "link": "copy the files behind the links: `cp -rL`",
} | dict.fromkeys((
    "position 0,0", "broken position", "other datum", "latitude out of range", "heading out of range", "no path",
    "unreadable", "not a picture", "empty file", "truncated", "broken picture", "no range", "too many pixels",
    "panorama", "full box", "night", "hidden", "duplicate", "near-duplicate",
), "")  # fmt: skip


class Unreadable(Exception):
    """A photo that cannot be used: ``reason`` is one of REASONS, ``detail`` names the value and the way out."""

    def __init__(self, reason, detail):
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


def kept_and_left_out(entries, read, *, progress=False):
    """(rows, left out) as lists of dicts: each entry ends in one of the two.

    entries: (path, words before what is said of one that is left out, *more); read(path, *more) gives a row or raises.
    """
    rows, left_out = [], []
    for path, words, *more in tqdm(entries, desc="photos", unit="photo", file=sys.stdout, disable=not progress):
        try:
            rows.append({"path": path} | read(path, *more))
        except Unreadable as why:
            left_out.append({"path": path, "reason": why.reason, "detail": words + why.detail})
    return rows, left_out


def left_out_table(left_out):
    """What was left out, in the order of the paths."""
    table = pd.DataFrame(left_out, columns=list(LEFT_OUT_COLUMNS)).astype(str)
    return table.sort_values("path", kind="stable", ignore_index=True)
