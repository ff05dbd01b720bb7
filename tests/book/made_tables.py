"""Tables of the toy project, as its pipeline would leave them."""

import pandas as pd

from geonb.book.page_dependencies import all_pages, build_folder
from geonb.book.pages import Page
from geonb.book.results import save_table

TABLE = pd.DataFrame({"photo_id": ["a", "b"], "error_m": [1.5, None]})
COLUMNS = {"photo_id": "name of the photo", "error_m": "distance to the truth [m]"}
NUMBER = {"key": "median_error_m.clip", "value": 12.5, "low": float("nan"), "high": float("inf"), "unit": "m"}
NUMBER |= {"seeds": 2, "n": 10, "table": "01_photos/errors"}


def save(name="errors", table=TABLE, page="01_photos", columns=COLUMNS, seed=0):
    save_table(table, "toy", page, name, parameters={"seed": seed}, columns=columns)
    return build_folder("toy", "tables", page, f"{name}.parquet")


def save_numbers(rows, page):
    Page(page, {"study": "toy"}).headline(rows)


def finish_every_page():
    for page in all_pages("toy"):
        save(page=page)
    for name in ("headline.json", "run.json"):
        build_folder("toy", name).write_text("{}")
