"""Why a file or a row is left out of the catalogue: the fixed list of reasons, and the loop that sorts them out."""

import sys

import pandas as pd
from tqdm import tqdm

LEFT_OUT_COLUMNS = {
    "path": "file that was left out, '' where a row names none [text]",
    "reason": "why, one of geonb.photos.reasons.REASONS [text]",
    "detail": "the value that was met, and the way out [text]",
}
REASONS = {
    "no position": "nothing tells where the photo was taken",
    "position 0,0": "latitude and longitude are both zero: a receiver without a fix",
    "broken position": "there is a position, but it cannot be read without guessing",
    "void fix": "the receiver itself says that its position does not hold",
    "other datum": "the position does not refer to WGS 84, and cannot be transformed",
    "latitude out of range": "latitude beyond 90 degrees",
    "longitude out of range": "longitude beyond 180 degrees",
    "heading out of range": "heading beyond 360 degrees",
    "not a number": "text where a number belongs",
    "not a time": "text where a time in ISO 8601 belongs",
    "no path": "a row without a file",
    "missing table": "a folder of a data set without the table that would tell its positions",
    "missing file": "a row or a link whose file is not there",
    "unreadable": "the system does not let the file be read",
    "not a picture": "the content is no picture",
    "empty file": "the file has no content",
    "truncated": "the picture ends too early",
    "broken picture": "the picture cannot be decoded",
    "no range": "all grey values are equal, or none is finite: nothing tells which is dark and which is bright",
    "camera raw": "raw data of a camera's sensor: only a preview could be shown, often beside a JPEG of the photo",
    "too many pixels": "so large that decoding it could exhaust the memory",
    "HEIC": "the picture is in HEIC/HEIF, which has to be converted first",
    "panorama": "a panorama of all directions",
    "full box": "a server answers for so small a box with as many photos as it can: some may lack",
    "night": "the data set says that it was taken at night",
    "hidden": "a hidden picture, often a thumbnail or a deleted photo",
    "link": "a symbolic link that leads out of the folder, to a folder, or in a circle",
    "duplicate": "the same content as a photo that was kept",
    "near-duplicate": "looks like a photo of the same place and second that was kept, and has no more pixels",
}


class Unreadable(Exception):
    """A photo that cannot be used: ``reason`` is one of REASONS, ``detail`` names the value and the way out."""

    def __init__(self, reason, detail):
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


def kept_and_left_out(entries, read, *, progress=False):
    """(rows, left out) as lists of dicts: each entry ends in one of the two.

    entries: tuples (path, words, *more), the words stand before what is said of one that is left out; read(path, *more)
    gives its row, or raises Unreadable.
    """
    rows, left_out = [], []
    for path, words, *more in tqdm(entries, desc="photos", unit="photo", file=sys.stdout, disable=not progress):
        try:
            rows.append({"path": path} | read(path, *more))
        except Unreadable as why:
            left_out.append({"path": path, "reason": why.reason, "detail": words + why.detail})
    return rows, left_out


def left_out_table(left_out):
    """What was left out, in the order of the paths; a reason that REASONS does not name is refused."""
    table = pd.DataFrame(left_out, columns=list(LEFT_OUT_COLUMNS)).astype(str)
    unnamed = sorted(set(table["reason"]) - set(REASONS))
    if unnamed:
        raise ValueError(f"photos.REASONS does not name {unnamed}; it has {', '.join(REASONS)}")
    return table.sort_values("path", kind="stable", ignore_index=True)
