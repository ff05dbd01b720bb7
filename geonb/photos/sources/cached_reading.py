"""Many files read by several processes, and again only those that changed: what was read is kept under build/scans/."""

import hashlib
import json
import multiprocessing
import os
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import PIL
from tqdm import tqdm

from geonb import checks, files
from geonb.photos import pictures
from geonb.photos.left_out import Unreadable

SCANS = files.ROOT / "build" / "scans"
FEW = 200  # below so many files to read, starting processes takes longer than reading
AT_ONCE = 16  # files that a process takes at a time
PASSING = ("unreadable", "missing file")  # these can change while the file stays as it is: asked again


def scanned(paths, read, *, where, workers):
    """read(path) of each path, a list in the order of the paths; paths as in the catalogue, each only once.

    read: a function at the top of a module that gives a dict which JSON can hold. What it gave is kept in one file for
    all that lies at `where`, a path on this machine, and given again for a file of the same path, size and time of
    change. workers: processes, 0 for one per core; below FEW files there is one. ValueError for fewer than 0.
    """
    checks.count("workers", workers, least=0, way_out="0 is one process per core")
    stamps = dict(zip(paths, map(stamp, paths), strict=True))
    memory = SCANS / f"{hashlib.sha256(f'{read.__module__} {where}'.encode()).hexdigest()[:16]}.json"
    version = code_version()
    known = remembered(memory, version)
    found = {path: known[mark] for path, mark in stamps.items() if mark in known}
    new = [path for path in paths if path not in found]
    progress = {"desc": "photos", "unit": "file", "file": sys.stdout, "total": len(paths), "initial": len(found)}
    try:
        found.update(zip(new, tqdm(mapped(read, new, workers), **progress), strict=True))
    finally:  # what was read before an interruption is not lost
        lasting = {path: told for path, told in found.items() if told.get("reason") not in PASSING}
        remember(memory, version, {stamps[path]: told for path, told in lasting.items()})
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


# ---- what is known -------------------------------------------------------------------------------------------------
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


def remembered(file, version):
    """{stamp: what was read}; empty where there is no such file, or it is damaged, or of another version."""
    try:
        seal, _, content = file.read_bytes().partition(b"\n")
    except OSError:
        return {}
    return json.loads(content) if seal == _seal(version, content) else {}


def remember(file, version, known):
    """Write what was read below a seal, whole or not at all.

    One line where nothing can be written: a full disk costs only that pictures are read again.
    """
    content = json.dumps(known).encode()
    try:
        files.write_whole(file, lambda partial: partial.write_bytes(_seal(version, content) + b"\n" + content))
    except OSError as error:
        print(f"{error.strerror}: what was read of the photos is not kept in build/scans, the next run reads it again")


def _seal(version, content):
    return hashlib.sha256(version.encode() + b"\n" + content).hexdigest().encode()


# ---- several processes -----------------------------------------------------------------------------------------------
def mapped(read, paths, workers):
    """Yield read(path) of each path in their order; RuntimeError when a process dies, as without enough memory."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if (workers or cores) == 1 or len(paths) < FEW:
        yield from map(read, paths)
        return
    # not forked: a kernel of Jupyter runs threads, whose locks a fork would copy in any state
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers or cores, context, initializer=_end_with_parent) as pool:
            yield from pool.map(read, paths, chunksize=AT_ONCE)
    except BrokenProcessPool as error:
        words = "a process that read pictures ended, perhaps for lack of memory: set the option workers: 1"
        raise RuntimeError(words) from error


def _end_with_parent():
    """Watch, in a process of its own, over the one that started it: a kernel that is killed leaves nothing behind."""
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
