"""Sources of photos: each gives rows and the list of what it left out; ``gather`` makes the catalogue of them."""

import importlib
import inspect
from typing import TYPE_CHECKING

import numpy as np

from geonb import checks
from geonb.photos.catalogue import catalogue
from geonb.photos.left_out import REASONS, left_out_table
from geonb.photos.pictures import is_here, open_picture

# ruff: noqa: F401  each is loaded only when it is asked for; what a page depends on is read from this line
if TYPE_CHECKING:
    from geonb.photos.sources import folder, mapillary, osv5m, simulated, table, vpr, xri

SOURCES = ("simulated", "folder", "table", "osv5m", "vpr", "mapillary", "xri")
BOUNDS = {"city_link_m": (checks.number, {"above": 0}), "thin_m": (checks.number, {"least": 0})}
BOUNDS |= dict.fromkeys(("workers", "limit", "seed"), (checks.count, {"least": 0}))


def gather(source, options):
    """(catalogue, left_out) of a source; the options are those of its `read`, or of a World.

    ValueError for an unknown source, a wrong option, and a source without a usable photo.
    """
    if not isinstance(options, dict):
        raise ValueError(f"options of source {source!r} must be a list of names and values, not {options}")
    check_options(takes_options(source), options, f"source {source!r}")
    if source == "simulated":
        return catalogue(module_of(source).read(takes_options(source)(**options))), left_out_table([])
    rows, left_out = module_of(source).read(**options)
    if not len(rows):
        raise ValueError(_nothing(source, options, left_out))
    return catalogue(rows), left_out


def module_of(source):
    """The module of a source; ValueError names those that there are."""
    if source not in SOURCES:
        raise ValueError(f"there is no source {source!r}; there are {', '.join(SOURCES)}")
    return importlib.import_module(f"geonb.photos.sources.{source}")


def takes_options(source):
    """What takes the options of a source as keyword arguments."""
    module = module_of(source)
    return module.simulation.World if source == "simulated" else module.read


def check_options(read, options, who):
    """Nothing, or a ValueError that names the option which `read` does not have, needs, or wants otherwise."""
    known = inspect.signature(read, eval_str=True).parameters
    if unknown := [name for name in options if name not in known]:
        raise ValueError(f"{who} has no option {unknown[0]!r}; it has {', '.join(known)}")
    if needed := [name for name, option in known.items() if option.default is option.empty and name not in options]:
        raise ValueError(f"{who} needs the option {', '.join(needed)}; it has {', '.join(known)}")
    for name, value in options.items():
        wanted = (int, float) if known[name].annotation is float else known[name].annotation
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            expected = getattr(known[name].annotation, "__name__", known[name].annotation)
            raise ValueError(f"{who}: {name} = {value!r} is not of type {expected}")
        check, bounds = BOUNDS.get(name, (checks.number, {}))
        if isinstance(value, int | float) and not isinstance(value, bool):
            check(name, value, **bounds)


def _nothing(source, options, left_out):
    """The words of the error for a source without a usable photo."""
    where = options.get("table") or options.get("folder") or source
    if not len(left_out):
        return f"source {source!r} found no file in {where}: is it the right folder?"
    counts = left_out["reason"].value_counts()
    reasons = ", ".join(f"{count} x {reason}" for reason, count in counts.items())
    ways = "; ".join(f"{reason}: {REASONS[reason]}" for reason in counts.index if REASONS[reason])
    first = left_out[left_out["reason"] == counts.index[0]].iloc[0]
    example = f"for example {first['path'] or 'a row'}: {first['detail']}"
    return f"none of the {len(left_out)} entries of {where} is a usable photo: {reasons} ({example}). {ways}".strip()


def pictures(source, options, rows):
    """PIL images of rows of a catalogue (photo_id, path): from their files, simulated ones without files painted again.

    An empty list where files of another source are not on this machine.
    """
    if all(map(is_here, rows.path)):
        return [open_picture(path) for path in rows.path]
    if source != "simulated":
        return []
    return module_of(source).simulation.painted_again(takes_options(source)(**options), rows.photo_id)


def streets(source, options):
    """The street lines of a source, a table of districts_and_streets.STREETS; empty where it knows none."""
    import geopandas

    if source == "simulated":
        return module_of(source).simulation.streets(takes_options(source)(**options)).assign(licence="")
    empty = {name: np.array([], str) for name in ("city", "country", "street", "licence")}
    return geopandas.GeoDataFrame(empty, geometry=[], crs="EPSG:4326")
