"""Many files read by several processes, and again only those that changed: what was read is kept under build/scans/."""

import hashlib
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

import PIL
from joblib import Parallel, delayed
from tqdm import tqdm

from geonb import files
from geonb.photos import pictures
from geonb.photos.left_out import Unreadable

SCANS = files.ROOT / "build" / "scans"
FEW = 200  # below so many files to read, starting processes takes longer than reading
AT_ONCE = 16  # files that a process takes at a time


def scanned(paths, read, *, where, workers):
    """read(path) of each path, a list in their order; paths as in the catalogue, each only once.

    read: a function at the top of a module that gives a dict which JSON can hold. It is kept for all that lies at
    `where`, a path on this machine, and given again for a file of the same path, size and time of change. workers:
    processes, 0 for one per core; below FEW files there is one.
    """
    stamps = dict(zip(paths, map(stamp, paths), strict=True))
    memory = SCANS / f"{hashlib.sha256(f'{read.__module__} {where}'.encode()).hexdigest()[:16]}.json"
    version, known = code_version(), {}
    with suppress(OSError, ValueError):  # no such file, or a damaged one
        kept = json.loads(memory.read_bytes())
        known = kept["known"] if kept["version"] == version else {}
    found = {path: known[mark] for path, mark in stamps.items() if mark in known}
    new = [path for path in paths if path not in found]
    jobs = Parallel(1 if len(new) < FEW else workers or -1, return_as="generator", batch_size=AT_ONCE)
    progress = {"desc": "photos", "unit": "file", "file": sys.stdout, "total": len(paths), "initial": len(found)}
    try:
        found.update(zip(new, tqdm(jobs(delayed(read)(path) for path in new), **progress), strict=True))
    finally:  # what was read before an interruption is not lost; permissions change while the file stays as it is
        lasting = {stamps[path]: told for path, told in found.items() if told.get("reason") != "unreadable"}
        content = json.dumps({"version": version, "known": lasting})
        try:
            files.write_whole(memory, lambda partial: partial.write_text(content, encoding="utf-8"))
        except OSError as error:  # a full disk costs only that pictures are read again
            print(f"{error.strerror}: what was read is not kept in build/scans, the next run reads it again")
    return [found[path] for path in paths]


def examiner(paths, where, workers):
    """A function that stands for pictures.examine of any of the paths, each of which is read once, or not again."""
    named = list(dict.fromkeys(filter(None, paths)))
    told = dict(zip(named, scanned(named, examined, where=where, workers=workers), strict=True))

    def examine(path):
        if "reason" in told[path]:
            raise Unreadable(told[path]["reason"], told[path]["detail"])
        return told[path]

    return examine


def examined(path):
    """What pictures.examine tells of a picture, or the reason and the detail of why it cannot be used."""
    try:
        return pictures.examine(path)
    except Unreadable as why:
        return {"reason": why.reason, "detail": why.detail}


def stamp(path):
    """A text that changes with the file: its place on this machine, its size and when it was changed."""
    file = os.path.abspath(pictures.picture_path(path))
    try:
        state = os.stat(file)
    except (OSError, ValueError):  # ValueError: a zero byte within the name
        return f"{file} -"
    return f"{file} {state.st_size} {state.st_mtime_ns}"


def code_version():
    """A text that changes with the code that reads, and with Pillow."""
    rooms = sorted(Path(__file__).parents[1].rglob("*.py"))
    return " ".join([PIL.__version__, *(files.code_digest(room.read_text(encoding="utf-8")) for room in rooms)])
