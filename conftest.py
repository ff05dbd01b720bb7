"""`pytest --nbmake notebooks` runs every page of the book once, with the values of study smoke.

The executed copies and tables land in build/smoke/, where the book is made from them: nothing is run twice.
The environment variable GEONB_STUDY names another study.
"""

import os

import pytest
from nbmake.pytest_items import NotebookFile, NotebookItem

from geonb.book import runner
from geonb.book.page_dependencies import pages

STUDY = os.environ.get("GEONB_STUDY", "smoke")
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    collected = yield
    return [Notebook.from_parent(parent, path=file_path) if isinstance(c, NotebookFile) else c for c in collected]


class Notebook(NotebookFile):
    """A notebook as the pages that it becomes; files come in the order of their numbers, which is that of the graph."""

    def collect(self):
        return [Page.from_parent(self, name=page) for page in pages(self.path.stem, STUDY)]


class Page(NotebookItem):
    """One execution of a notebook, of a copy with the study's values set in."""

    def __init__(self, name, parent):
        pytest.Item.__init__(self, name, parent)
        self.filename = name

    def runtest(self):
        with runner.computing(self.name, STUDY) as prepared:
            runner.execute(self.name, STUDY, prepared, mode="compute", prepare_only=True)
            self.filename = str(prepared)
            self.config.option.overwrite = True  # the outputs go into the prepared copy, never into the source
            super().runtest()
        runner.show(self.name, STUDY)
