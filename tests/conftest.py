"""A small project with three notebooks, for the tests of the rooms that run and record pages."""

import os

import nbformat
import pytest
from hypothesis import HealthCheck, settings
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from geonb import files
from geonb.book import page_dependencies, results
from geonb.learning import _torchvision  # noqa: F401  tests import open_clip themselves

# how long an example takes is the machine's affair
settings.register_profile("geonb", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("geonb")
PARAMETERS = {
    "01_photos": 'study = "toy"  # str: a study\nfolder = ""  # str: where photos lie\nphoto_count = 5  # int: photos',
    "06_train": 'study = "toy"  # str: a study\nmethod = "soft"  # str\nbandwidth_m = 200.0  # float: width [m]',
    "07_compare": 'study = "toy"  # str: a study\nmethods = ["hard", "soft"]  # list[str]: the executions of 06_train',
}


def write_notebook(path, *cells):
    """The path of a notebook from texts: '# ...' is markdown, 'study = ...' the parameters cell, all else code."""
    made = []
    for source in cells:
        tags = {"tags": ["parameters"]} if source.startswith("study =") else {}
        made.append(new_markdown_cell(source) if source.startswith("#") else new_code_cell(source, metadata=tags))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=made, metadata=kernel), path)
    return path


@pytest.fixture(autouse=True)
def scans(tmp_path_factory, monkeypatch):
    """The folder where a test keeps what it read of pictures: its own."""
    from geonb.photos.sources import cached_reading

    folder = tmp_path_factory.mktemp("scans")
    monkeypatch.setattr(cached_reading, "SCANS", folder)
    return folder


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The folder of a project with notebooks 01, 06 and 07 and study `toy`; geonb's rooms take it for their own."""
    notebooks = tmp_path / "notebooks"
    (notebooks / "studies").mkdir(parents=True)
    for name, parameters in PARAMETERS.items():
        write_notebook(notebooks / f"{name}.ipynb", f"# {name[:2]} · A question?", parameters, "answer = 42")
    (notebooks / "studies" / "toy.yml").write_text("# the notebooks' own parameters\n")
    monkeypatch.setattr(files, "ROOT", tmp_path)
    for name in ("IPYTHONDIR", "PYTHONPATH"):  # a run sets them: the next test finds them as they were
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.delenv("GEONB_READS", raising=False)
    monkeypatch.setattr(results, "tables_read", {})
    return tmp_path


@pytest.fixture
def study(toy):
    """study(text): write the file of study `toy`."""
    return lambda text: (toy / "notebooks" / "studies" / "toy.yml").write_text(text)


@pytest.fixture
def notebook(toy):
    """notebook(name, *cells): write a notebook of the project anew."""
    return lambda name, *cells: write_notebook(toy / "notebooks" / f"{name}.ipynb", *cells)


@pytest.fixture
def in_the_pipeline(monkeypatch):
    """Tables are written where the pipeline has its finished ones."""
    monkeypatch.setenv("GEONB_MODE", "compute")
    monkeypatch.setattr(results, "writing_folder", page_dependencies.page_folder)
