"""A page of the book in a running notebook: its parameters, the tables it reads, makes and saves, what it shows.

    page = book.page("07_compare", globals())
    errors = page.made("errors", lambda: compare(...), ERRORS)

Environment variable GEONB_MODE: `compute` makes every table; `show` takes every table as it lies, as after a changed
colour, `published` as it was published. By hand, without the variable, a table is taken that was made with the same
parameters and from the same tables, else it is made, apart from the tables of the study.
"""

import functools
import hashlib
import json
import os

import numpy as np
import pandas as pd

from geonb import files
from geonb.book import page_dependencies, results, wording


class Page:
    """One execution of a notebook. name: as '06_train/clip'; parameters: what it runs with; study: where it belongs."""

    def __init__(self, name, parameters):
        pd.set_option("display.html.use_mathjax", False)  # names in tables are text: a dollar begins no formula
        pd.set_option("display.max_colwidth", None)
        self.name, self.parameters, self.study = name, parameters, parameters["study"]
        self.mode = os.environ.get("GEONB_MODE", "by hand")
        self.shows = self.mode in ("show", "published")

    def read(self, page, *names):
        """Tables of another page of the study; one as it is, several as a list. See results.read_table."""
        found = [results.read_table(self.study, page, name) for name in names]
        return found[0] if len(found) == 1 else found

    def beside(self, folder, page, *names):
        """Tables of a published study that stand beside those of this one; folder: data/results/STUDY."""
        found = [results.read_beside(folder, page, name) for name in names]
        return found[0] if len(found) == 1 else found

    def made(self, names, compute, columns):
        """The tables that compute() gives, saved; where they are taken instead (see the top), it is not called.

        names: of one table, or a tuple for a tuple of tables; columns: what the columns of each mean, see save_table.
        FileNotFoundError where tables are to be shown that nobody made.
        """
        if isinstance(names, str):
            return self.made((names,), lambda: (compute(),), (columns,))[0]
        if self.shows or (self.mode == "by hand" and all(map(self.is_there, names))):
            return tuple(results.read_table(self.study, self.name, name, self.parameters) for name in names)
        found = tuple(compute())
        for name, table, meanings in zip(names, found, columns, strict=True):
            self.save(name, table, meanings)
        return found

    def is_there(self, name):
        """Whether a table lies there that was made with these parameters and from the tables of now."""
        try:
            path = results.find_table(self.study, self.name, name, self.parameters)
            results.refuse_outdated(self.study, self.name, path, set())
        except (FileNotFoundError, ValueError):
            return False
        ran = results.manifest_of(path)["parameters"]
        own = json.loads(json.dumps(self.parameters))
        return all(ran[key] == own[key] for key in ran.keys() & own.keys())

    def save(self, name, table, columns):
        """Save a table that was computed; nothing where the page only shows. See results.save_table."""
        if not self.shows:
            results.save_table(table, self.study, self.name, name, parameters=self.parameters, columns=columns)

    def keep(self, name, table):
        """Where a table lies as CSV that no later run replaces, from the root of the repository: a counted file.

        The same table is written once.
        """
        folder, text = page_dependencies.build_folder(self.study, "kept", self.name), table.to_csv(index=False)
        there = sorted(folder.glob(f"{name}-*.csv"))
        same = [path for path in there if path.read_bytes().decode() == text]
        number = max((int(path.stem.rpartition("-")[2]) for path in there), default=0) + 1
        file = same[0] if same else folder / f"{name}-{number:03d}.csv"
        if not same:
            files.write_whole(file, lambda partial: partial.write_bytes(text.encode()))
        return results.shown(file)

    def headline(self, rows):
        """Save the numbers that the project stands by: rows of results.HEADLINE, those that it misses are empty."""
        table = pd.DataFrame(rows, columns=list(results.HEADLINE)).astype({"value": float, "low": float, "high": float})
        self.save("headline", table, results.HEADLINE)

    def checkpoints(self, *recipe):
        """A folder for the checkpoints of trainings: another one for another recipe, other code that trains, or other
        tables that this page has read."""
        code = page_dependencies.reached({files.ROOT / "geonb" / "learning" / "training.py"})
        depends = json.dumps([repr(recipe), code, sorted(results.tables_read.items())])
        digest = hashlib.sha256(depends.encode()).hexdigest()[:12]
        return page_dependencies.build_folder(self.study, "checkpoints", self.name, digest)

    def of(self, page, name):
        """The parameters with which a page made its table, name -> value; those of this page as they are."""
        made = None if page == self.name else results.find_table(self.study, page, name)
        return results.manifest_of(made)["parameters"] if made else self.parameters

    @functools.cached_property
    def source(self):
        """The parameters of 01_photos: source, options, ..."""
        return self.of("01_photos", "photos")

    @functools.cached_property
    def simulated(self):
        """Whether the photos are simulated."""
        return self.source["source"] == "simulated"

    @functools.cached_property
    def tower(self):
        """The parameters of 02_embeddings: tower, weights, ..."""
        return self.of("02_embeddings", "features")

    @functools.cached_property
    def photos(self):
        """The catalogue with plain columns lat_deg and lon_deg instead of its geometry."""
        from geonb.photos import catalogue

        return catalogue.with_lat_lon(self.read("01_photos", "photos"))

    @functools.cached_property
    def lat_lon_deg(self):
        """Positions (n, 2) of the photos."""
        return self.photos[["lat_deg", "lon_deg"]].to_numpy()

    @functools.cached_property
    def features(self):
        """Features (n, d) of the photos by the frozen tower."""
        return np.stack(self.read("02_embeddings", "features").feature)

    @functools.cached_property
    def yardstick_m(self):
        """The spatial yardstick of the study [m]."""
        return float(self.read("03_semivariograms", "yardstick").length_m[0])

    def parts(self, splits):
        """{split: part (n,) of each photo}. ValueError names a split that 04_splits did not make."""
        from geonb.splitting.splits import parts_by_split

        return parts_by_split(self.read("04_splits", "splits"), self.photos.photo_id, splits)

    def caveats(self, photo_count, *more):
        """What a reader must know before any number, for IPython's display; None where there is nothing to warn of."""
        tower = "" if self.name == "01_photos" else self.tower["tower"]
        named = [wording.of_best(tower)] if tower and self.asked_for_best else []
        return wording.note([*named, *wording.caveats(self.source["source"], tower, photo_count), *more])

    @property
    def several_cities(self):
        """Whether there is more than one: else the right city, or country, is no finding."""
        return len(set(self.photos.city)) > 1

    def answer(self, text, parts=None):
        """The text, or the caveat that stands in its place where numbers from real photos mean nothing.

        parts: {split: part (n,) of each photo} of the splits that the text is about.
        """
        if self.simulated:
            return text
        return wording.governing(self.tower["tower"], len(self.photos)) or self.one_place(parts or {}) or text

    def one_place(self, parts):
        """What is to be said where all test photos of a split of parts stand at one place, else ''."""
        tests = {split: self.lat_lon_deg[part == "test"] for split, part in parts.items()}
        return wording.of_one_place([split for split, at in tests.items() if len(np.unique(at, axis=0)) == 1])

    def chosen_tower(self):
        """(name, weights) of the tower of this page, 02_embeddings: where `best` is asked for, the best that can be
        loaded, or, where tables are only shown, theirs. Manifests then say which.
        """
        if self.parameters["tower"] == "best":
            from geonb.learning import pretrained_towers

            made = results.manifest_of(results.find_table(self.study, self.name, "features")) if self.shows else None
            found = [made["parameters"][name] for name in ("tower", "weights")] if made else pretrained_towers.best()
            self.parameters |= {"tower": found[0], "weights": found[1]}
            self.asked_for_best = True
        return self.parameters["tower"], self.parameters["weights"]

    @functools.cached_property
    def asked_for_best(self):
        """Whether the study takes the best tower that can be loaded."""
        return page_dependencies.parameters("02_embeddings", self.study).get("tower") == "best"

    def check_tower(self):
        """ValueError where the shipped tower, which knows simulated pictures only, would read real photos unasked."""
        asked = page_dependencies.changes_of(self.study).get("02_embeddings") or {}
        if not self.simulated and wording.SIMULATED_TOWER in self.tower["tower"] and "tower" not in asked:
            raise ValueError(wording.FOREIGN_TOWER)

    def pictures(self, rows):
        """PIL images of some photos of the catalogue; none where they are real and not on this machine."""
        from geonb.photos import sources

        return sources.pictures(self.source["source"], self.source["options"], rows)

    def show(self, figure):
        """The figure, marked "simulated" where its photos or worlds are."""
        from geonb.showing import style

        return style.marked(figure, self.name in page_dependencies.SIMULATED_ONLY or self.simulated)

    def glue(self, **values):
        """Glue values for the sentences of the page."""
        from myst_nb import glue

        for name, value in values.items():
            glue(name, value, display=False)
