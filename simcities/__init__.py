"""Simulated cities: street-level pictures whose geography is planted, so that every estimate has a right answer.

fields: what varies over the ground; geography: streets, parks, drives, names; globe: continents; buildings: what stands
there for good; things: trees, cars and people; day: what belongs to no place; renderer: pictures of all that, with
facades; captions: words for them; world: all of it in one file; simulation: many cities drawn, painted and asked for
their truth; unpainted: photos without pictures; thumbnails: pictures that explain a world; headroom: other cities, of
more traits; kinds: which of the two a study asks for.
"""

import contextlib
import hashlib
from pathlib import Path


def forget_stale_machine_code(folder):
    """Remove what numba compiled from other sources: it notices a changed room, not a change in one that it calls.

    The rooms of packages inside the folder are among them, and so is what was compiled there.
    """
    rooms, stamp = sorted(folder.rglob("*.py")), folder / "__pycache__" / "compiled_from"
    digest = hashlib.sha256(b"".join(room.read_bytes() for room in rooms)).hexdigest()
    with contextlib.suppress(OSError):  # a folder that cannot be written holds no stale code either
        if stamp.exists() and stamp.read_text() == digest:
            return
        for kind in ("*.nbi", "*.nbc"):
            for file in folder.rglob(f"__pycache__/{kind}"):
                file.unlink(missing_ok=True)
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(digest)


forget_stale_machine_code(Path(__file__).parent)
