"""Copies of the project in which tests run Snakemake, as a user would in a clone."""

import csv
import os
import shutil
import subprocess
import sys

from geonb.files import ROOT

# but __pycache__ is: without the compiled renderer in it every copy would compile for a minute
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".snakemake", "build", "simulated_cities", "node_modules", ".*_cache", ".hypothesis"
)


def copy_of_the_project(folder):
    """The folder, a copy of the repository without what was made in it."""
    return shutil.copytree(ROOT, folder, ignore=NOT_COPIED)


def command(*arguments, study, config=()):
    """The command that runs Snakemake for a study."""
    return [sys.executable, "-m", "snakemake", *arguments, "--config", f"study={study}", *config]


def environment(folder):
    """The environment variables of a run in a copy, which uses the code that lies there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GEONB_")}
    return kept | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}


def snakemake(folder, *arguments, study, code=0, config=(), more=()):
    """What a run says that ends with an exit code; more: further environment variables."""
    done = subprocess.run(
        command(*arguments, study=study, config=config), cwd=folder, env=environment(folder) | dict(more), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout[-5000:]
    return done.stdout


def write_csv(file, rows):
    """Write rows, dicts of the keys of the first, as a table with a head."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, list(rows[0]), restval="")
        writer.writeheader()
        writer.writerows(rows)
