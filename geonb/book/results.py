"""Tables of record: one parquet file, one manifest beside it, nothing unnamed, written whole or not at all.

The path says who made a table: build/<study>/tables/<page>/<name>.parquet. Published ones lie in data/results/<study>/.
"""

import hashlib
import json
import os
import platform
import re
from importlib.metadata import version

import pandas as pd
import pyarrow.parquet as pq

from geonb import files
from geonb.book.page_dependencies import build_folder, page_folder, parameters

PACKAGES = ("numpy", "scipy", "pandas", "torch", "open_clip_torch", "scikit-gstat", "esda")  # could change a number
HEADLINE = {
    "key": "name of the number",
    "value": "the number [unit in column unit]",
    "low": "lower bound of its 95 % interval",
    "high": "upper bound of its 95 % interval",
    "unit": "unit of value, low and high",
    "seeds": "trainings behind it [count]",
    "n": "photos behind it [count]",
    "table": "page/table that it was read from",
}
tables_read = {}  # {page/table: digest} of this process: they go to the manifests of the tables that it writes


def published_folder(study):
    """Where the published tables lie, in git."""
    return files.ROOT / "data" / "results" / study


def writing_folder(page, study):
    """Where a page writes its tables: aside until all are finished in the pipeline, in folders for it by hand."""
    return build_folder(study, "unfinished" if "GEONB_MODE" in os.environ else "by_hand", page)


def folder_by_hand(page, study, given):
    """Where a page lies that runs by hand with some parameters: a folder for each choice of values."""
    studied = parameters(page, study)
    name = "_".join(f"{key}-{value}" for key, value in given.items() if studied.get(key) != value) or "as_the_study"
    plain = re.sub(r"[^\w.-]+", "-", name)
    if plain != name or len(name) > 80:  # what two choices may share, or no file system would take
        plain = f"{plain[:60]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return writing_folder(page, study) / plain


def save_table(table, study, page, name, *, parameters, columns):
    """Write a table with its manifest: parameters, meaning of each column, rows, digests, versions.

    columns: what each column means, its unit in brackets: {"error_m": "great-circle distance to the truth [m]"}.
    ValueError when columns and table differ.
    """
    if undescribed := set(table.columns) ^ set(columns):
        names = ", ".join(sorted(undescribed))
        raise ValueError(f"{page}/{name}: these columns and their descriptions differ: {names}")
    folder = writing_folder(page, study) if "GEONB_MODE" in os.environ else folder_by_hand(page, study, parameters)
    path = folder / f"{name}.parquet"
    files.write_whole(path, lambda partial: table.to_parquet(partial, index=False, compression="zstd"))
    manifest = {
        "parameters": parameters,
        "columns": columns,
        "rows": len(table),
        "sha256": files.sha256_of(path),
        "reads": dict(sorted(tables_read.items())),
        "made_with": {"python": platform.python_version()} | {package: version(package) for package in PACKAGES},
    }
    files.write_json(path.with_suffix(".json"), manifest)


def find_table(study, page, name, given=None):
    """The path of a table: made by hand (for a page run by hand), else by the pipeline, else published; see pages.

    By hand: with the parameters given, or by the last run where none are.
    """
    mode, by_hand = os.environ.get("GEONB_MODE"), []
    if not mode and given:
        by_hand = [folder_by_hand(page, study, given)]
    elif not mode:
        made_by_hand = build_folder(study, "by_hand", page).glob(f"*/{name}.parquet")
        by_hand = [path.parent for path in sorted(made_by_hand, key=lambda path: path.stat().st_mtime_ns, reverse=True)]
    made = [] if mode == "published" else [page_folder(page, study)]
    for folder in (*by_hand, *made, published_folder(study) / page):
        path = folder / f"{name}.parquet"
        if path.exists():
            return path
    way_out = f"run the notebook {page.split('/')[0]} first, or `make book STUDY={study}`"
    raise FileNotFoundError(f"study {study} has no table {page}/{name} in build/ or data/results/: {way_out}")


def read_table(study, page, name, given=None):
    """A table as a (Geo)DataFrame, made here or else published; prints which.

    given: see find_table. ValueError for an edited file, and for one that was made from other tables than lie here now.
    """
    declared = os.environ.get("GEONB_READS")
    if declared is not None and page not in declared.split():
        raise PermissionError(f"the Snakefile lets this page read {declared or 'nothing'}, not {page}: add it to READS")
    path = find_table(study, page, name, given)
    refuse_outdated(study, page, path, set())
    return checked_table(path, f"{page}/{name}")


def refuse_outdated(study, page, path, fitting):
    """ValueError where a table, or one that it was made from, does not come from the tables that lie here.

    So are tables of one page of different parameters. A source that is nowhere now, as what is too large to publish,
    contradicts nothing. fitting: the tables known to be in order, to which this one is added.
    """
    if path in fitting:
        return
    again = f"run `python -m geonb.book.runner {page} --study {study}`, or `make book STUDY={study}`"
    made = manifest_of(path)
    if any(manifest_of(other)["parameters"] != made["parameters"] for other in path.parent.glob("*.parquet")):
        raise ValueError(f"the tables beside {shown(path)} were made with other parameters than it: {again}")
    for name, digest in made["reads"].items():
        source, _, table = name.rpartition("/")
        beside = source.startswith("data/")  # see read_beside
        try:
            there = files.ROOT / f"{name}.parquet" if beside else find_table(study, source, table)
            now = manifest_of(there)["sha256"]
        except (FileNotFoundError, ValueError):
            continue
        if now != digest:
            raise ValueError(
                f"{shown(path)} was made from another {name} than {shown(there)}, which lies here now: "
                f"{again}, or remove {shown(there.parent)} to go back"
            )
        if not beside:
            refuse_outdated(study, source, there, fitting)
    fitting.add(path)


def shown(path):
    """A path as messages show it: from the root of the repository."""
    return path.relative_to(files.ROOT).as_posix()


def manifest_of(path):
    """The manifest of a table, or manifest.json of a page itself. ValueError where there is none."""
    path = path.with_suffix(".json")
    if not path.exists():
        raise ValueError(f"there is no {shown(path)}: its page was not finished, or not published")
    return json.loads(path.read_text(encoding="utf-8"))


def read_beside(folder, page, name):
    """A published table that stands beside a study's own, of any other study: folder is data/results/STUDY."""
    return checked_table(files.ROOT / folder / page / f"{name}.parquet", f"{folder}/{page}/{name}")


def parameters_beside(folder, page):
    """The parameters with which a published page ran: folder is data/results/STUDY."""
    return manifest_of(files.ROOT / folder / page / "manifest.json")["parameters"]


def checked_table(path, name):
    """The (Geo)DataFrame of a file, noted under a name as read; a file that differs from its manifest is refused."""
    promised = manifest_of(path)["sha256"]
    if files.sha256_of(path) != promised:
        raise ValueError(f"{shown(path)} was changed after its manifest was written: remove it, and run its page again")
    tables_read[name] = promised
    print(f"read {shown(path)}")
    if b"geo" in (pq.read_schema(path).metadata or {}):
        import geopandas

        return geopandas.read_parquet(path)
    return pd.read_parquet(path)
