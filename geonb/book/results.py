"""Tables of record: one parquet file, one manifest beside it, nothing unnamed, written whole or not at all.

The path says who made a table: build/<study>/tables/<page>/<name>.parquet. Published ones lie in data/results/<study>/.
"""

import json
import os
import platform
from importlib.metadata import version

import pandas as pd
import pyarrow.parquet as pq

from geonb import files
from geonb.book.page_dependencies import (
    by_hand_folder,
    page_folder,
    unfinished_folder,
)

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
_read = {}  # the tables that this process read, by name: their digests go to the manifests of those it writes


def published_folder(study):
    """Where the published tables lie, in git."""
    return files.ROOT / "data" / "results" / study


def save_table(table, study, page, name, *, parameters, columns):
    """Write a table with its manifest: parameters, meaning of each column, rows, digests, versions.

    columns : what each column means, its unit in brackets: {"error_m": "great-circle distance to the truth [m]"}.
    ValueError when columns and table differ.
    """
    undescribed = set(table.columns) ^ set(columns)
    if undescribed:
        raise ValueError(
            f"{page}/{name}: these columns and their descriptions differ: {', '.join(sorted(undescribed))}"
        )
    path = writing_folder(page, study) / f"{name}.parquet"
    files.write_whole(path, lambda partial: table.to_parquet(partial, index=False, compression="zstd"))
    manifest = {
        "parameters": parameters,
        "columns": columns,
        "rows": len(table),
        "sha256": files.sha256_of(path),
        "reads": tables_read(),
        "made_with": {"python": platform.python_version()} | {package: version(package) for package in PACKAGES},
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    files.write_whole(path.with_suffix(".json"), lambda partial: partial.write_text(text, encoding="utf-8"))


def writing_folder(page, study):
    """Where a page writes its tables: aside until all are finished in the pipeline, in a folder of its own by hand."""
    return unfinished_folder(page, study) if "GEONB_MODE" in os.environ else by_hand_folder(page, study)


def tables_read():
    """{page/table: digest} of the tables that this process has read."""
    return dict(sorted(_read.items()))


def find_table(study, page, name):
    """The path of a table: made by hand (for a page run by hand), else by the pipeline, else published; see pages.

    FileNotFoundError names the command that makes it.
    """
    mode = os.environ.get("GEONB_MODE")
    by_hand = [] if mode else [by_hand_folder(page, study)]
    made = [] if mode == "published" else [page_folder(page, study)]
    for folder in (*by_hand, *made, published_folder(study) / page):
        path = folder / f"{name}.parquet"
        if path.exists():
            return path
    raise FileNotFoundError(
        f"there is no table {page}/{name} of study {study}, neither in build/ nor in data/results/: "
        f"run the notebook {page.split('/')[0]} first, or `make book STUDY={study}`"
    )


def read_table(study, page, name):
    """A table as a (Geo)DataFrame, made here or else published; says which.

    ValueError for an edited file, and for a table that was made from other tables than lie here now: its page has to
    run again.
    """
    declared = os.environ.get("GEONB_READS")
    if declared is not None and page not in declared.split():
        raise PermissionError(f"the Snakefile lets this page read {declared or 'nothing'}, not {page}: add it to READS")
    path = find_table(study, page, name)
    refuse_outdated(study, page, path, set())
    return checked_table(path, f"{page}/{name}")


def refuse_outdated(study, page, path, fitting):
    """Nothing, or a ValueError: a table, or one that it was made from, does not come from the tables that lie here.

    Tables of one page of different parameters are refused too. What a table was made from and is nowhere now, as what
    is too large to publish, contradicts nothing. fitting: the tables known to be in order, to which this one is added.
    """
    if path in fitting:
        return
    again = f"run `python -m geonb.book.runner {page} --study {study}`, or `make book STUDY={study}`"
    shown, made = path.relative_to(files.ROOT).as_posix(), manifest_of(path)
    if any(manifest_of(other)["parameters"] != made["parameters"] for other in path.parent.glob("*.parquet")):
        raise ValueError(f"the tables beside {shown} were made with other parameters than it: {again}")
    for name, digest in made["reads"].items():
        source, _, table = name.rpartition("/")
        try:
            there = files.ROOT / f"{name}.parquet" if source.startswith("data/") else find_table(study, source, table)
            now = manifest_of(there)["sha256"]
        except FileNotFoundError:
            continue
        if now != digest:
            raise ValueError(
                f"{shown} was made from another {name} than {there.relative_to(files.ROOT).as_posix()}, which lies "
                f"here now: {again}, or remove {there.parent.relative_to(files.ROOT).as_posix()} to go back"
            )
        if not source.startswith("data/"):
            refuse_outdated(study, source, there, fitting)
    fitting.add(path)


def manifest_of(path):
    """The manifest of a table. FileNotFoundError where there is none, as after a kill."""
    try:
        return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path.relative_to(files.ROOT)} has no manifest: run its page again") from None


def read_beside(folder, page, name):
    """A published table that stands beside a study's own, of any other study: folder is data/results/STUDY.

    FileNotFoundError where it was not published.
    """
    path = files.ROOT / folder / page / f"{name}.parquet"
    if not path.exists():
        raise FileNotFoundError(
            f"there is no table {page}/{name} in {folder}: only published tables stand beside others"
        )
    return checked_table(path, f"{folder}/{page}/{name}")


def parameters_beside(folder, page):
    """The parameters with which a published page ran: folder is data/results/STUDY. FileNotFoundError without it."""
    path = files.ROOT / folder / page / "manifest.json"
    if not path.exists():
        raise FileNotFoundError(f"there is no page {page} in {folder}: only published pages stand beside others")
    return json.loads(path.read_text(encoding="utf-8"))["parameters"]


def checked_table(path, name):
    """The (Geo)DataFrame of a file, noted under a name as read; a file that differs from its manifest is refused."""
    shown = path.relative_to(files.ROOT).as_posix()
    promised = manifest_of(path)["sha256"]
    if files.sha256_of(path) != promised:
        raise ValueError(f"{shown} was changed after its manifest was written: remove it, and run its page again")
    _read[name] = promised
    print(f"read {shown}")
    if b"geo" in (pq.read_schema(path).metadata or {}):
        import geopandas

        return geopandas.read_parquet(path)
    return pd.read_parquet(path)


def parameters_of(study, page, name):
    """The parameters with which a page made its table, name -> value. FileNotFoundError where there is none."""
    return manifest_of(find_table(study, page, name))["parameters"]


def has_table(study, page, name):
    """Whether read_table would find it."""
    try:
        return bool(find_table(study, page, name))
    except FileNotFoundError:
        return False
