"""Sidecars of Google Takeout: the JSON beside a photo that tells its place and time where the EXIF does not."""

import json
import re
from collections import Counter
from datetime import UTC, datetime

from geonb.photos.left_out import Unreadable
from geonb.photos.sources.exif import YEARS
from geonb.photos.sources.photo_fields import check_position

SIDECAR = ".supplemental-metadata"  # Takeout puts it between a photo's name and .json, cut to LONGEST together
LONGEST = 46
LARGEST_BYTES = 1_000_000  # of a sidecar; Takeout's have about 1 kB
# What a sidecar may mend: nothing that the EXIF says is overruled, also not that a fix is void or of another datum
NO_FIX = ("no position", "position 0,0", "broken position", "latitude out of range", "longitude out of range")


def sidecars(names):
    """{file: its sidecar} of the files among the names, without a JSON that two files could claim.

    The sidecar of a.jpg is a.jpg.json or a.jpg.supplemental-metadata.json, that of a(1).jpg a.jpg(1).json and so on;
    Takeout cuts what stands before .json, at times within the file's own name.
    """
    there = {name for name in names if name.endswith(".json")}
    claims = {name: sorted(there & _sidecar_names(name)) for name in names if there and name not in there}
    claimed = Counter(sidecar for some in claims.values() for sidecar in some)
    return {name: sidecar for name, some in claims.items() for sidecar in reversed(some) if claimed[sidecar] == 1}


def _sidecar_names(name):
    """Every name that Takeout may give the sidecar of a file."""
    folder, slash, own = name.rpartition("/")
    numbered = re.fullmatch(r"(.+)(\(\d+\))(\.\w+)", own)
    plain, number = (numbered[1] + numbered[3], numbered[2]) if numbered else (own, "")
    stems = {own, own[:LONGEST], *(f"{plain}{SIDECAR[:length]}{number}" for length in range(len(SIDECAR) + 1))}
    return {f"{folder}{slash}{stem}.json" for stem in stems}


def mended(told, file):
    """What was told of a photo, with the position of its sidecar, and its time where the EXIF has none.

    The camera's own position (geoDataExif) goes before the one that Google Photos shows; 0, 0 means that there is none.
    """
    try:
        with file.open("rb") as stream:
            content = json.loads(stream.read(LARGEST_BYTES))  # a longer one is cut, and no JSON then
        places = (content.get(key) for key in ("geoDataExif", "geoData"))
        found = ((float(at["latitude"]), float(at["longitude"])) for at in places if at)
        lat, lon = next((at for at in found if at != (0, 0)), (None, None))
        if lat is None:
            return told
        check_position(lat, lon)
        taken = told["captured_at"] or _time(content)
    except Unreadable as why:
        return told | {"reason": why.reason, "detail": f"{file.name}: {why.detail}"}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return told | {"detail": f"{told['detail']}, and {file.name} cannot be read: {type(error).__name__}: {error}"}
    kept = {key: value for key, value in told.items() if key not in ("reason", "detail")}
    return kept | {"lat_deg": lat, "lon_deg": lon, "captured_at": taken}


def _time(content):
    """When the sidecar says that the photo was taken, ISO 8601; '' where it says none, or one beyond YEARS."""
    try:
        time = datetime.fromtimestamp(int(content["photoTakenTime"]["timestamp"]), UTC)
        return time.isoformat() if time.year in YEARS else ""
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return ""
