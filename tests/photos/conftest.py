import pytest

from geonb import files


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The root of a repository of its own, in which data sets lie and what is made of them."""
    monkeypatch.setattr(files, "ROOT", tmp_path)
    return tmp_path
