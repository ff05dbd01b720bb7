"""The numbers that the project stands by: gathered from the pages of a study, published, compared with published ones.

python -m geonb.book.headline gather|publish|verify simulated_cities
"""

import json
import os
import shutil
import sys
from contextlib import suppress

import pandas as pd

from geonb import files
from geonb.book.page_dependencies import all_pages, build_folder, is_simulated, page_folder, replace_folder
from geonb.book.results import HEADLINE, published_folder, read_table

SHARE = 0.1  # of its interval by which a number may differ from the published one
RELATIVE = 1e-3  # by which a number without an interval may differ
OF_SINGLE_PHOTOS = {"photo_id", "path", "caption", "lat_deg", "lon_deg", "geometry"}  # no such table of real photos


def gather(study):
    """Write build/<study>/headline.json: {key: {value, low, high, unit, seeds, n, table}}, from the pages' tables."""
    tables = []
    for page in all_pages(study):
        with suppress(FileNotFoundError):  # a page without a headline
            tables.append(read_table(study, page, "headline"))
    rows = pd.concat(tables) if tables else pd.DataFrame(columns=list(HEADLINE))
    if rows.key.duplicated().any():
        raise ValueError(f"two pages give {rows.key[rows.key.duplicated()].tolist()}: a headline has one source")
    undefined = rows.isna() | rows.isin([float("inf"), float("-inf")])  # JSON knows neither
    found = rows.astype(object).mask(undefined, None).set_index("key").sort_index().to_dict(orient="index")
    files.write_json(build_folder(study, "headline.json"), found)


def publish(study):
    """Copy a finished study's tables of record, headline.json and run.json to data/results/<study>/, all or nothing.

    Of real photos only aggregates: no table with a column of OF_SINGLE_PHOTOS. FileNotFoundError names what is not
    finished.
    """
    target = published_folder(study)
    fresh = target.with_name(f"{study}.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    for page in all_pages(study):  # not what an earlier list of methods left behind
        shutil.copytree(page_folder(page, study), fresh / page)
        if not is_simulated(study):
            drop_single_photos(fresh / page)
    for name in ("headline.json", "run.json"):
        shutil.copy(build_folder(study, name), fresh)
    replace_folder(fresh, target)
    print(f"published {target.relative_to(files.ROOT)}: look at `git diff --stat`, commit it alone")


def drop_single_photos(folder):
    """Remove the tables of a page that have a column of OF_SINGLE_PHOTOS."""
    for table in folder.glob("*.parquet"):
        manifest = table.with_suffix(".json")
        if OF_SINGLE_PHOTOS & set(json.loads(manifest.read_text(encoding="utf-8"))["columns"]):
            table.unlink()
            manifest.unlink()


def verify(study):
    """Print the numbers of a finished run that do not repeat the published ones; sys.exit where there are any.

    A number is repeated when it lies within SHARE of its published interval, or RELATIVE of its value without one.
    FileNotFoundError for a study that is not finished or was not published.
    """
    made, published = build_folder(study, "headline.json"), published_folder(study) / "headline.json"
    for path, way_out in ((made, f"run `make book STUDY={study}`"), (published, "only published studies are verified")):
        if not path.exists():
            raise FileNotFoundError(f"there is no {path.relative_to(files.ROOT)}: {way_out}")
    here, there = (pd.DataFrame.from_dict(json.loads(path.read_text(encoding="utf-8")), orient="index", dtype=float,
                                          columns=["value", "low", "high"]) for path in (made, published))  # fmt: skip
    both = pd.DataFrame({"here": here.value, "published": there.value, "interval": there.high - there.low})
    bound = (SHARE * both.interval).where(both.interval > 0, RELATIVE * both.published.abs())
    undefined = both.here.isna() & both.published.isna()
    repeated = (((both.here - both.published).abs() <= bound) | undefined) & both.index.isin(here.index)
    repeated &= both.index.isin(there.index)
    if not repeated.all():
        print(both[~repeated].to_string())
    print(f"{repeated.sum()} of {len(both)} published numbers of {study} are repeated")
    sys.exit(not repeated.all())


def main():
    """Gather, publish or verify, as the Snakefile, `make publish` and `make verify` do."""
    act, study = sys.argv[1:]
    os.environ["GEONB_MODE"] = "show"  # nothing that was made by hand is gathered or published
    try:
        {"gather": gather, "publish": publish, "verify": verify}[act](study)
    except (ValueError, OSError) as error:
        sys.exit(f"geonb.book.headline: {error}")


if __name__ == "__main__":
    main()
