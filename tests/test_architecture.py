"""The floors of the library: imports point downwards, training needs no catalogue, all is used."""

import ast
import os
import re
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, settings

from geonb.studies import ROOT, cells, imported_rooms, notebook_names, without_magics

FLOORS = (  # CONTRIBUTING.md says what each floor is for
    ("_torchvision", "checks", "safe_text", "seeds", "sphere", "studies"),
    ("wording",),
    (
        "addresses",
        "book",
        "cities",
        "geoclip",
        "lags",
        "machine",
        "photos",
        "results",
        "runner",
        "uncertainty",
        "variogram_models",
    ),
    ("batches", "captions", "cells", "galleries", "semivariograms", "sources", "splits", "surroundings"),
    ("encoders", "losses", "negatives", "recovery", "rivals"),
    ("decoding", "geolocation", "layers", "methods", "places"),
    ("training",),
    ("ablations", "alignment", "coherence", "conformal", "detection", "guesses", "probing", "supervision", "transfer"),
    ("experiments", "finetuning", "laboratory", "readout"),
    ("doses", "sealed"),
    ("figures", "maps"),
    ("trust_figures",),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted((ROOT / "geonb").rglob("*.py"))
LEARNING = (
    "sphere", "seeds", "losses", "rivals", "encoders", "methods", "geolocation", "training", "batches",
    "semivariograms", "variogram_models",
)  # fmt: skip
HEAVY = {"geopandas", "pandera", "folium", "faiss", "papermill", "pyproj", "skgstat"}


def room_of(path):
    """A file's room: geonb/cities/fields.py belongs to room cities."""
    return path.relative_to(ROOT / "geonb").parts[0].removesuffix(".py")


def short(path):
    return path.relative_to(ROOT / "geonb").as_posix()


@pytest.mark.parametrize("path", FILES, ids=short)
def test_every_room_has_a_floor_and_imports_only_from_lower_ones(path):
    room = room_of(path)
    if room == "__init__":
        assert imported_rooms(path.read_text()) == set()  # so that importing one room loads no other
        return
    assert room in FLOOR_OF, f"give {room} a floor"
    for other in imported_rooms(path.read_text()) - {path}:
        if other == ROOT / "geonb" / "__init__.py":
            continue
        same_package = room_of(other) == room and path.parent != ROOT / "geonb"
        lower = FLOOR_OF[room_of(other)] < FLOOR_OF[room]
        assert lower or same_package, f"{short(path)} may not import {short(other)}"


@pytest.mark.parametrize("package", ["cities", "sources"])
def test_within_a_package_no_two_files_need_each_other(package):
    files = {path for path in FILES if room_of(path) == package}
    needs = {path: (imported_rooms(path.read_text()) & files) - {path} for path in files}
    needs[ROOT / "geonb" / package / "__init__.py"] = set()  # it may name its files
    start = ROOT / "geonb" / package / "__init__.py"
    needs = {path: others - {start} for path, others in needs.items()}
    while needs:
        free = {path for path, others in needs.items() if not others}
        assert free, f"these need each other: {sorted(map(short, needs))}"
        needs = {path: others - free for path, others in needs.items() if path not in free}


def test_training_loads_nothing_that_a_bare_machine_with_a_gpu_lacks():
    script = f"import sys; from geonb import {', '.join(LEARNING)}, uncertainty; print(*sys.modules)"
    here = os.environ | {"PYTHONPATH": str(ROOT)}
    loaded = subprocess.run([sys.executable, "-c", script], env=here, check=True, stdout=subprocess.PIPE, text=True)
    assert HEAVY & set(loaded.stdout.split()) == set()


def test_what_snakemake_asks_at_every_start_is_light():
    script = "import sys; from geonb import studies, runner; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.split()
    assert (HEAVY | {"torch", "pandas", "numpy"}) & set(loaded) == set()


@pytest.mark.parametrize("path", FILES, ids=short)
def test_every_room_and_every_public_function_says_what_it_is(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "the room"
    silent = [
        node.name
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        and not node.name.startswith("_") and not ast.get_docstring(node)
    ]  # fmt: skip
    assert silent == []


@pytest.mark.parametrize("path", FILES, ids=short)
def test_no_function_swallows_misspelt_names_and_no_warning_is_silenced_wholesale(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            assert node.args.kwarg is None, f"line {node.lineno}: **{node.args.kwarg.arg}"
        silences = isinstance(node, ast.Call) and re.search(
            r"(filterwarnings|simplefilter)\('ignore'", ast.unparse(node)
        )
        if silences:
            assert len(node.args) + len(node.keywords) > 1, f"line {node.lineno}: name the warning that is silenced"


def test_nothing_lies_in_the_library_that_no_page_and_no_command_uses():
    commands = (ROOT / "Makefile").read_text() + (ROOT / "Snakefile").read_text()
    used = {ROOT / "geonb" / f"{room}.py" for room in re.findall(r"geonb[. ](?:import )?(\w+)", commands)}
    used = {path for path in used if path.exists()} | {ROOT / "geonb" / "__init__.py"}
    for notebook in notebook_names():
        source = "\n".join(without_magics(cell.source) for cell in cells(notebook) if cell.cell_type == "code")
        used |= imported_rooms(source)
    reached, queue = set(), set(used)
    while queue:
        path = queue.pop()
        reached.add(path)
        queue |= imported_rooms(path.read_text()) - reached
    assert sorted(map(short, set(FILES) - reached)) == []


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
    source = "\n".join(without_magics(cell.source) for cell in cells(notebook) if cell.cell_type == "code")
    assert [name for name, constant in markup(source) if not constant] == []


@pytest.mark.parametrize("path", FILES, ids=short)
def test_only_maps_and_wording_hand_text_to_a_page_and_they_know_the_function_that_makes_it_safe(path):
    made = [name for name, constant in markup(path.read_text()) if not constant and name != "style"]
    if short(path) in ("maps.py", "wording.py"):
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


def test_no_example_of_hypothesis_is_too_slow():
    assert settings().deadline is None
    assert HealthCheck.too_slow in settings().suppress_health_check
