"""Simulated cities: street-level pictures whose geography is planted, so that every estimate has a right answer.

What there is: fields (what varies over the ground), geography (streets, names, drives), globe (continents), buildings
(houses along the streets), things (trees, lamps and cars along the kerbs), day (what belongs to no place).

What it looks like: renderer (pictures of all that), made of rays (what a column of a picture meets), facades (looks of
houses), bodies (looks of things), ground, wires, daylight (sun, sky and camera) and texture.

What is asked of it: simulation (many cities drawn, painted and asked for their truth), captions (words for pictures),
unpainted (photos without pictures), world (cities in one file), thumbnails (pictures that explain a world),
study_worlds (the world of a study).
"""

import contextlib
import hashlib
from pathlib import Path


def forget_stale_machine_code(folder):
    """Remove what numba compiled from other sources: it notices a changed room, not a change in one that it calls."""
    rooms, stamp = sorted(folder.glob("*.py")), folder / "__pycache__" / "compiled_from"
    digest = hashlib.sha256(b"".join(room.read_bytes() for room in rooms)).hexdigest()
    with contextlib.suppress(OSError):  # a folder that cannot be written holds no stale code either
        if stamp.exists() and stamp.read_text() == digest:
            return
        for kind in ("*.nbi", "*.nbc"):
            for file in stamp.parent.glob(kind):
                file.unlink(missing_ok=True)
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(digest)


forget_stale_machine_code(Path(__file__).parent)
