"""The numbers that the project stands by: gathered from the pages of a study, published, compared with published ones.

python -m geonb.book.headline gather|publish|verify --study simulated_cities
"""

import argparse
import json
import os
import shutil
import sys

import pandas as pd

from geonb import files
from geonb.book.page_dependencies import DEFAULT, all_pages, build_folder, replace_folder, tables_folder
from geonb.book.results import HEADLINE, has_table, published_folder, read_table

SHARE = 0.1  # of its interval by which a number may differ from the published one
RELATIVE = 1e-3  # by which a number without an interval may differ


def gather(study, pages):
    """{key: {value, low, high, unit, seeds, n, table}} of a study, from the pages' tables `headline`."""
    tables = [read_table(study, page, "headline") for page in pages if has_table(study, page, "headline")]
    rows = pd.concat(tables) if tables else pd.DataFrame(columns=list(HEADLINE))
    if rows.key.duplicated().any():
        raise ValueError(f"two pages give {rows.key[rows.key.duplicated()].tolist()}: a headline has one source")
    undefined = rows.isna() | rows.isin([float("inf"), float("-inf")])  # JSON knows neither
    return rows.astype(object).mask(undefined, None).set_index("key").sort_index().to_dict(orient="index")


def write(study, pages):
    """Write build/<study>/headline.json."""
    text = json.dumps(gather(study, pages), indent=1, ensure_ascii=False) + "\n"
    files.write_whole(build_folder(study) / "headline.json", lambda partial: partial.write_text(text, encoding="utf-8"))


def publish(study, chosen=()):
    """Copy a finished study's tables of record, headline.json and run.json to data/results/<study>/, all or nothing.

    chosen: pages that alone are copied, as those that other studies show beside their own; the study need not be
    finished for them, and has no headline then. ValueError names what is missing.
    """
    made, headline = tables_folder(study), build_folder(study) / "headline.json"
    if unknown := set(chosen) - set(all_pages(study)):
        raise ValueError(f"study {study} has no page {', '.join(sorted(unknown))}")
    wanted = list(chosen) or all_pages(study)
    unfinished = [page for page in wanted if not (made / page / "manifest.json").exists()]
    if unfinished or not (chosen or headline.exists()):
        raise ValueError(
            f"study {study} is not finished ({', '.join(unfinished) or 'no headline'}): run `make book STUDY={study}`"
        )
    target = published_folder(study)
    fresh = target.with_name(f"{study}.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    for page in wanted:  # not what an earlier list of methods left behind
        shutil.copytree(made / page, fresh / page, ignore=shutil.ignore_patterns("*.partial"))
    for file in (headline, headline.with_name("run.json")):  # what was found; on which device and in which time
        if file.exists() and not chosen:
            shutil.copy(file, fresh)
    replace_folder(fresh, target)
    return target


def verify(study):
    """(lines, whether all are alike): what a finished run does not repeat of the published numbers, a line for each.

    A number is repeated when it lies within SHARE of its published interval, or RELATIVE of its value without one.
    FileNotFoundError for a study that is not finished or was not published.
    """
    made, published = build_folder(study) / "headline.json", published_folder(study) / "headline.json"
    for path, way_out in (
        (made, f"run `make book STUDY={study}`"),
        (published, "only published studies can be verified"),
    ):
        if not path.exists():
            raise FileNotFoundError(f"there is no {path.relative_to(files.ROOT)}: {way_out}")
    here, there = (json.loads(path.read_text(encoding="utf-8")) for path in (made, published))
    lines = [f"{key}: {'made here' if key in here else 'published'} alone" for key in sorted(here.keys() ^ there)]
    lines += [line for key in sorted(here.keys() & there.keys()) if (line := difference(key, here[key], there[key]))]
    alike = len(here.keys() | there.keys()) - len(lines)
    said = f"{alike} of {alike + len(lines)} published numbers of {study} are repeated"
    return [*lines, f"{said}, {len(lines)} are not." if lines else f"{said}."], not lines


def difference(key, here, there):
    """The line of a number that is not repeated; '' for one that is."""
    value, published = here["value"], there["value"]
    if value is None or published is None:
        return "" if value == published else f"{key}: {value}, published {published}"
    width = None if there["low"] is None else there["high"] - there["low"]
    apart = abs(value - published)
    if apart <= (SHARE * width if width else RELATIVE * abs(published)):
        return ""
    share = f"{apart / width:.0%} of its interval" if width else f"{apart / abs(published or 1):.2%}"
    return f"{key}: {value:.6g}, published {published:.6g}, apart by {share}"


def main():
    """Gather, publish or verify, as the Snakefile, `make publish` and `make verify` do."""
    ask = argparse.ArgumentParser(prog="python -m geonb.book.headline", description=__doc__.splitlines()[0])
    ask.add_argument("act", choices=["gather", "publish", "verify"])
    ask.add_argument("--study", default=DEFAULT)
    ask.add_argument("--pages", nargs="*", default=[], help="publish these alone")
    got = ask.parse_args()
    os.environ["GEONB_MODE"] = "show"  # nothing that was made by hand is gathered or published
    try:
        if got.act == "gather":
            write(got.study, all_pages(got.study))
        elif got.act == "verify":
            lines, alike = verify(got.study)
            print(*lines, sep="\n")
            sys.exit(not alike)
        else:
            folder = publish(got.study, got.pages).relative_to(files.ROOT)
            print(f"published {folder}: look at `git diff --stat`, commit it alone")
    except (ValueError, OSError) as error:
        sys.exit(f"geonb.book.headline: {error}")


if __name__ == "__main__":
    main()
