"""CSV files read as text, so that nothing becomes a number, a date or a missing value (NA is Namibia)."""

from contextlib import contextmanager

import pandas as pd

AS_TEXT = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}
ROWS_AT_ONCE = 200_000  # of the tables of data sets, which may hold ten million


def columns_of(file):
    """Names of the columns of a CSV. FileNotFoundError where it is not there, ValueError where it is none in UTF-8."""
    if not file.is_file():
        raise FileNotFoundError(f"{file.name} is not in {file.parent}: the folder must be that of the data set")
    with named(file):
        return list(pd.read_csv(file, nrows=0, encoding="utf-8-sig"))


def rows_of(file, needed, *, more=(), keep=lambda rows: rows):
    """Rows of a CSV as text, with the columns that are needed, and those of `more` that are there.

    keep(rows): those of the next ROWS_AT_ONCE that are wanted. ValueError names a missing column; else as columns_of.
    """
    there = columns_of(file)
    if missing := [name for name in needed if name not in there]:
        raise ValueError(f"{file.name} has no column {', '.join(missing)}; it has {', '.join(there)}")
    columns = [name for name in (*needed, *more) if name in there]
    with named(file):
        parts = pd.read_csv(file, usecols=columns, chunksize=ROWS_AT_ONCE, **AS_TEXT)
        return pd.concat([keep(rows) for rows in parts], ignore_index=True)


@contextmanager
def named(file):
    """Any error of reading a CSV becomes a ValueError that names the file."""
    try:
        yield
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{file.name} is no CSV in UTF-8 with one header ({error}): save it as CSV UTF-8") from error
