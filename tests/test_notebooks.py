"""What every notebook promises: a clean source, parameters that explain themselves, only tables of its READS."""

import ast
import fnmatch
import re

import nbformat
import pytest

from geonb.book.page_dependencies import (
    READS,
    SIMULATED_ONLY,
    TEMPLATES,
    cells,
    declared,
    defaults,
    follows,
    notebook_names,
    notebooks_folder,
    without_magics,
)
from geonb.files import ROOT

every_notebook = pytest.mark.parametrize("notebook", notebook_names())
MEANING = re.compile(r"(?P<type>\w+)(\[\w+\])?: (?P<meaning>\S.*)")
UNITS = ("_m", "_km", "_deg", "_s", "_px")


def code_of(notebook):
    return [cell for cell in cells(notebook) if cell.cell_type == "code"]


def trees_of(notebook):
    return [ast.parse(without_magics(cell.source)) for cell in code_of(notebook)]


def test_the_graph_names_every_notebook_and_reads_only_smaller_numbers():
    assert list(READS) == notebook_names()
    assert all(source < notebook for notebook, sources in READS.items() for source in sources)


def test_the_book_shows_every_notebook_in_its_order():
    patterns = re.findall(r"(?:file|glob): executed/(\S+)", (ROOT / "book" / "_toc.yml").read_text())
    assert [name for pattern in patterns for name in fnmatch.filter(notebook_names(), pattern)] == notebook_names()


@every_notebook
def test_the_source_is_valid_and_carries_no_outputs(notebook):
    source = nbformat.read(notebooks_folder() / f"{notebook}.ipynb", as_version=4)
    nbformat.validate(source)
    assert source.metadata.kernelspec.name == "python3"
    assert all(not cell.outputs and cell.execution_count is None for cell in code_of(notebook))
    names = [cell.get("id") for cell in source.cells]
    assert all(names)
    assert len(set(names)) == len(names)


@every_notebook
def test_it_begins_with_its_number_and_question(notebook):
    first = cells(notebook)[0]
    assert first.cell_type == "markdown"
    assert re.match(rf"# {notebook[:2]} · .+", first.source), first.source.splitlines()[0]


@every_notebook
def test_every_parameter_has_a_type_and_a_meaning_on_its_line(notebook):
    assert defaults(notebook)["study"] == "simulated_cities"
    for name, (value, meaning) in declared(notebook).items():
        said = MEANING.fullmatch(meaning)
        assert said, f"write `{name} = {value!r}  # type: meaning [unit]`"
        assert said["type"] == type(value).__name__, name
        assert not name.endswith(UNITS) or re.search(r"\[.+\]", said["meaning"]), f"{name} needs its unit: [m]"


@every_notebook
def test_a_parameter_that_stands_as_in_another_notebook_has_the_same_default(notebook):
    for name, other in follows(notebook).items():
        assert defaults(notebook)[name] == defaults(other)[name], f"{name} differs from {other}"


@every_notebook
def test_a_template_has_the_parameter_of_which_it_is_one(notebook):
    if notebook in TEMPLATES:
        assert isinstance(defaults(notebook)[TEMPLATES[notebook]], str)
        words = "\n".join(cell.source for cell in cells(notebook) if cell.cell_type == "markdown")
        assert not re.search(r"^\(\S+\)=$|\{numref\}|\{ref\}", words, re.MULTILINE)  # it stands several times in a book


@every_notebook
def test_it_reads_only_the_tables_that_the_graph_lets_it_read(notebook):
    for tree in trees_of(notebook):
        for call in [node for node in ast.walk(tree) if isinstance(node, ast.Call)]:
            if ast.unparse(call.func) in ("page.read", "page.of"):
                page = re.search(r"\d\d_\w+", ast.unparse(call.args[0]))
                assert page, f"name the page where the table is read: {ast.unparse(call)}"
                assert page[0] in READS[notebook], f"{page[0]} is missing in READS of geonb.book.page_dependencies"


@every_notebook
def test_it_is_the_page_of_its_own_name(notebook):
    made = [ast.unparse(call.args[0]) for tree in trees_of(notebook) for call in ast.walk(tree)
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "book.page"]  # fmt: skip
    assert [re.search(r"\d\d_\w+", name)[0] for name in made] == [notebook]


@every_notebook
def test_cells_hold_no_machinery(notebook):
    for cell in code_of(notebook):
        assert not re.search(r"^\s*!", cell.source, re.MULTILINE), "a shell command"
        assert not re.search(r"sys\.path|filterwarnings|simplefilter", cell.source), cell.source
        assert not re.search(r"""["'](/[\w.-]+/|~/|[A-Z]:\\)""", cell.source), f"an absolute path: {cell.source}"
    for tree in trees_of(notebook):
        for node in ast.walk(tree):
            assert not isinstance(node, (ast.ClassDef, ast.Try)), ast.unparse(node)
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno <= 3, f"{node.name} belongs into a room of geonb"


@every_notebook
def test_no_page_of_every_study_links_to_one_of_simulated_studies(notebook):
    if notebook in SIMULATED_ONLY:
        return
    text = (notebooks_folder() / f"{notebook}.ipynb").read_text(encoding="utf-8")
    assert not any(f"{{doc}}`{page}" in text for page in SIMULATED_ONLY)


def test_no_two_figures_of_the_book_have_the_same_name():
    figures = [cell.metadata.get("mystnb", {}).get("figure", {}) for name in notebook_names() for cell in cells(name)]
    names = [figure["name"] for figure in figures if "name" in figure]
    assert sorted(names) == sorted(set(names))
