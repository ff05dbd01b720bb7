"""The floors of the library: imports point downwards, training needs no catalogue, all is used."""

import ast
import os
import re
import subprocess
import sys

import pytest

from geonb.book.page_dependencies import cells, imported_files, notebook_names, reached, without_magics
from geonb.files import ROOT

# A package imports only packages that stand below it: the one list of this order, the highest first.
PACKAGES = (
    "experiments.laboratory",
    "experiments.real_city",
    "experiments.released_models",
    "experiments.words",
    "geonb.book",
    "geonb.showing",
    "geonb.measuring",
    "geonb.learning",
    "geonb.variograms",
    "geonb.splitting",
    "geonb.photos",
    "simcities",
    "geonb.earth",
    "geonb.random_streams",
    "geonb.resampling",
    "geonb.checks",
    "geonb.files",
)
FILES = sorted(path for top in ("geonb", "simcities", "experiments") for path in (ROOT / top).rglob("*.py"))
LEARNING = ("earth", "variograms", "splitting", "learning", "measuring")
HEAVY = {"geopandas", "pandera", "folium", "faiss", "papermill", "pyproj", "skgstat"}


def short(path):
    return path.relative_to(ROOT).as_posix()


def package_of(path):
    """The package of PACKAGES that a file belongs to; None for the empty starts of folders of packages."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return next((package for package in PACKAGES if f"{name}.".startswith(f"{package}.")), None)


@pytest.mark.parametrize("path", FILES, ids=short)
def test_a_file_imports_only_from_its_package_and_those_below(path):
    package = package_of(path)
    if package is None:
        assert short(path) in ("geonb/__init__.py", "experiments/__init__.py")
        assert imported_files(path.read_text()) == set()  # so that importing one package loads no other
        return
    for other in imported_files(path.read_text()):
        beside = package_of(other)
        assert beside is None or PACKAGES.index(beside) >= PACKAGES.index(package), f"{short(path)}: {short(other)}"


@pytest.mark.parametrize("package", PACKAGES)
def test_within_a_package_no_two_files_need_each_other(package):
    files = {path for path in FILES if package_of(path) == package}
    starts = {path for path in files if path.name == "__init__.py"}  # these may name their files
    needs = {path: set() if path in starts else (imported_files(path.read_text()) & files) - starts - {path}
             for path in files}  # fmt: skip
    while needs:
        free = {path for path, others in needs.items() if not others}
        assert free, f"these need each other: {sorted(map(short, needs))}"
        needs = {path: others - free for path, others in needs.items() if path not in free}


LEARNS = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in FILES
          if path.parent.name in LEARNING and path.name != "__init__.py"]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("modules", "lacking"), [
    (LEARNS, HEAVY),  # a bare machine with a GPU can train
    (["geonb.book.runner"], HEAVY | {"torch", "pandas", "numpy"}),  # Snakemake asks it at every start
], ids=["learning", "snakemake"])  # fmt: skip
def test_what_must_be_light_loads_nothing_heavy(modules, lacking):
    script = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    here = os.environ | {"PYTHONPATH": str(ROOT)}
    loaded = subprocess.run([sys.executable, "-c", script], env=here, check=True, stdout=subprocess.PIPE, text=True)
    assert lacking & set(loaded.stdout.split()) == set()


@pytest.mark.parametrize("path", FILES, ids=short)
def test_no_function_swallows_misspelt_names_and_no_warning_is_silenced_wholesale(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            free = getattr(node, "name", "") == "glue"  # a page chooses the names of what it glues
            assert node.args.kwarg is None or free, f"line {node.lineno}: **{node.args.kwarg.arg}"
        if isinstance(node, ast.Call) and re.search(r"(filterwarnings|simplefilter)\('ignore'", ast.unparse(node)):
            assert len(node.args) + len(node.keywords) > 1, f"line {node.lineno}: name the warning that is silenced"


def source_of(notebook):
    """The code of a notebook as plain Python."""
    return "\n".join(without_magics(cell.source) for cell in cells(notebook) if cell.cell_type == "code")


def test_nothing_lies_in_the_library_that_no_page_and_no_command_uses():
    commands = (ROOT / "Makefile").read_text() + (ROOT / "Snakefile").read_text()
    named = [
        ROOT / f"{name.replace('.', '/')}.py"
        for name in re.findall(r"(?:python -m|from) ((?:geonb|experiments)[\w.]+)", commands)
    ]
    used = {path for path in named if path.exists()}.union(*(imported_files(source_of(n)) for n in notebook_names()))
    used |= imported_files((ROOT / "data" / "towers" / "make_towers.py").read_text())
    lying = {short(path) for path in FILES if path.name != "__init__.py"}
    assert sorted(lying - {line.split()[0] for line in reached(used)}) == []


MARKUP = {"Markdown", "HTML", "Latex", "Math", "Javascript", "Element", "Template", "MacroElement", "style"}


def markup(source):
    """Calls that hand a text to HTML, Markdown, mathematics or a template engine: (name, whether it is a constant)."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr == "style":
            yield "style", False  # pandas' Styler does not escape what it shows
        if isinstance(node, ast.Call) and (name := ast.unparse(node.func).rpartition(".")[2]) in MARKUP:
            yield name, all(isinstance(given, ast.Constant) for given in node.args)


@pytest.mark.parametrize("notebook", notebook_names())
def test_a_notebook_shows_text_from_data_by_tables_figures_and_wording_alone(notebook):
    assert [name for name, constant in markup(source_of(notebook)) if not constant] == []


@pytest.mark.parametrize("path", FILES, ids=short)
def test_only_maps_and_wording_hand_text_to_a_page_and_they_know_the_function_that_makes_it_safe(path):
    made = [name for name, constant in markup(path.read_text()) if not constant and name != "style"]
    if short(path) in ("geonb/showing/interactive_maps.py", "geonb/book/wording.py"):
        assert made
        assert "safe_html" in path.read_text()
    else:
        assert made == []


TIMED = r"perf_counter|process_time|timeit|monotonic\(\) - |timeout=\d|WebDriverWait\(\w+, \d|deadline=\d"


@pytest.mark.parametrize("path", sorted((ROOT / "tests").glob("*.py")), ids=lambda path: path.stem)
def test_no_test_bounds_a_time(path):
    """Other work on the machine must not fail a test: speeds belong to benchmarks/run.py, limits only end a hang."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("TIMED = ")]
    assert re.findall(TIMED, "\n".join(lines)) == []
