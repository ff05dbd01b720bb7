"""What a page of the book depends on: the values of its parameters, the code that it runs and the data they name.

A *notebook* is a file of notebooks/; a *page* is one execution of it: '01_photos', or '06_train/clip' for a template;
a *study* is a file of notebooks/studies/ that says what differs from the notebooks' own parameters.
Light to import and to ask: the Snakefile does so hundreds of times at every start, so that each text is parsed once.
"""

import ast
import functools
import hashlib
import itertools
import json
import math
import os
import re
import shutil
from types import SimpleNamespace

import yaml

from geonb import files

PACKAGES = ("geonb", "simcities", "experiments")
DEFAULT = "simulated_cities"
RECORDING = ("geonb/showing/", "geonb/book/")  # no table depends on these
SMALL = 50_000_000  # bytes of a folder that are read at every start of Snakemake
TEMPLATES = {"06_train": "method"}  # runs once for every row that 07_compare's parameter `methods` names
EXAMPLE = "sw_clip: {bandwidth_m: [50, 200]}"  # of rows by their value
# asks what was planted: no page where nothing was
SIMULATED_ONLY = ("12_when_it_helps", "17_laboratory", "18_known_ranges", "19_sealed_worlds")
READS = {  # notebook: the notebooks whose tables it reads; the Snakefile runs them in this order
    "00_start_here": [],
    "01_photos": [],
    "02_embeddings": ["01_photos"],
    "03_semivariograms": ["01_photos", "02_embeddings"],
    "04_splits": ["01_photos", "03_semivariograms"],
    "05_soft_labels": ["01_photos", "04_splits"],
    "06_train": ["01_photos", "02_embeddings", "03_semivariograms", "04_splits"],  # a template: runs once per method
    "07_compare": ["01_photos", "02_embeddings", "03_semivariograms", "04_splits", "06_train"],
    "08_ablations": ["01_photos", "02_embeddings", "03_semivariograms", "04_splits"],
    "09_error_maps": ["01_photos", "04_splits", "07_compare"],
    "10_spatial_coherence": ["01_photos", "02_embeddings", "03_semivariograms", "04_splits", "06_train"],
    "11_new_places": ["01_photos", "03_semivariograms", "04_splits", "07_compare"],
    "12_when_it_helps": ["01_photos", "02_embeddings", "03_semivariograms"],
    "13_semivariogram_negatives": [
        "01_photos",
        "02_embeddings",
        "03_semivariograms",
        "04_splits",
        "06_train",
        "07_compare",
    ],
    "14_textual_supervision": ["01_photos", "02_embeddings", "03_semivariograms", "04_splits"],
    "15_your_photos": ["01_photos", "02_embeddings", "03_semivariograms", "04_splits", "06_train"],
    "16_what_could_fool_us": ["01_photos", "04_splits", "06_train", "07_compare", "08_ablations"],
    "17_laboratory": ["01_photos", "02_embeddings", "03_semivariograms", "04_splits"],
    "18_known_ranges": [],
    "19_sealed_worlds": ["03_semivariograms"],
    "20_old_new_york": ["01_photos", "02_embeddings"],
    "21_released_encoder": [],
    "22_any_model": [],
}


def notebooks_folder():
    """Where the notebooks lie."""
    return files.ROOT / "notebooks"


def build_folder(study, *parts):
    """Where everything that a study makes lies, or a part of it; git ignores it."""
    return files.ROOT.joinpath("build", study, *parts)


def page_folder(page, study):
    """Where the finished tables of a page lie; what a kill while they were replaced moved away is put back."""
    folder = build_folder(study, "tables", page)
    old = folder.with_name(f"{folder.name}.old")
    if old.exists() and not folder.exists():
        old.rename(folder)
    return folder


def replace_folder(fresh, target):
    """Put a finished folder in the place of an older one, which stays until then."""
    old = target.with_name(f"{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def notebook_names():
    """The notebooks in the order of the book."""
    return sorted(path.stem for path in notebooks_folder().glob("[0-9][0-9]_*.ipynb"))


def pages(notebook, study):
    """The pages that a notebook becomes: itself, one for each method, or none where a study goes without it."""
    if is_left_out(notebook, study):
        return []
    if notebook not in TEMPLATES:
        return [notebook]
    return [f"{notebook}/{row}" for row in rows(study)]


def rows(study):
    """{row: values of 06_train} of 07_compare's methods in a study: `clip` is a row by itself, and
    `sw_clip: {bandwidth_m: [50, 200]}` becomes one for each value, as sw_clip-bandwidth_m-50.

    ValueError for a row whose name would promise a value that is not set, and for a method without a row.
    """
    where, found, known = f"{study}.yml: 07_compare", {}, defaults("07_compare")
    numbers = {name: value for name, value in defaults("06_train").items() if isinstance(value, int | float)}
    for item in (known | checked(changes_of(study).get("07_compare") or {}, known, where))["methods"]:
        for method, tried in item.items() if isinstance(item, dict) else [(item, {})]:
            if "-" in plain_name(method, f"{where}: methods"):
                raise ValueError(f"{where}: methods: {method!r} must be a method, with its values in a list: {EXAMPLE}")
            if not isinstance(tried, dict) or not all(isinstance(v, list) and v for v in tried.values()):
                raise ValueError(f"{where}: methods: {method}: {tried!r} must name lists of values, as in {EXAMPLE}")
            for values in itertools.product(*tried.values()):
                given = dict(zip(tried, values, strict=True))
                given = checked(given, numbers, f"{where}: methods: {method}")
                named = [method, *(f"{name}-{value}".replace(".", "_") for name, value in given.items())]
                found["-".join(named)] = given
    return found


def is_left_out(notebook, study):
    """Whether a study goes without a notebook; ValueError where it says so of one whose tables its other pages read."""
    if changes_of(study).get(notebook) is not False:
        return notebook in SIMULATED_ONLY and not is_simulated(study)
    readers = [other for other in notebook_names() if notebook in READS.get(other, ()) and pages(other, study)]
    if readers:
        raise ValueError(f"{study}.yml: {notebook} cannot be false, {', '.join(readers)} read it: leave these out too")
    return True


def all_pages(study):
    """Every page of a study in the order of the book."""
    return [page for notebook in notebook_names() for page in pages(notebook, study)]


def introduced(page, study):
    """What a page does, and how long it took before, in one line."""
    title = cells(page.split("/")[0])[0].source.splitlines()[0].lstrip("# ")
    return f"{page} of study {study}: {title}{took([page], study)}"


def took(pages, study):
    """How long the pages took the last time here, else where they were published, as ', 3 min here last time'; the
    longest of several; '' where nothing is known."""
    here = {page: build_folder(study, "times", f"{flat(page)}.json") for page in pages}
    seconds, where = [json.loads(path.read_text()) for path in here.values() if path.exists()], "here last time"
    published = files.ROOT / "data" / "results" / study / "run.json"
    if not seconds and published.exists():
        known = json.loads(published.read_text(encoding="utf-8"))["seconds_per_page"]
        seconds, where = [known[page] for page in pages if page in known], "where it was published"
    if not seconds:
        return ""
    most = max(seconds)
    length = f"{most:.0f} s" if most < 100 else f"{most / 60:.0f} min"
    return f", {'up to ' if len(seconds) > 1 else ''}{length} {where}"


def is_simulated(study):
    """Whether the photos of a study are simulated."""
    return parameters("01_photos", study).get("source") == "simulated"


def plain_name(name, what):
    """The name, if it can stand in paths, commands and pages as it is; else a ValueError."""
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w-]*", name, re.ASCII):
        raise ValueError(f"{what}: {name!r} must be of letters, digits, _ and -, and begin with none of -")
    return name


def flat(page):
    """The name of a page as a file name."""
    return page.replace("/", "-")


def cells(notebook):
    """The cells of a notebook's source; ValueError names the notebooks when there is no such one."""
    path = notebooks_folder() / f"{notebook}.ipynb"
    if not path.exists():
        raise ValueError(f"there is no notebook {notebook!r}; there are {', '.join(notebook_names())}")
    return parsed(path.read_text(encoding="utf-8"))


@functools.cache
def parsed(text):
    """The cells of a notebook's text. nbformat does it too, but loading its validator takes every page a second."""
    found = json.loads(text)["cells"]
    return [SimpleNamespace(**cell | {"source": "".join(cell["source"])}) for cell in found]


def is_tagged(cell, tag):
    """Whether a cell carries a tag."""
    return tag in cell.metadata.get("tags", [])


def declared(notebook):
    """{name: (value, comment)} of the one cell tagged 'parameters': `name = literal  # type: meaning [unit]`."""
    tagged = [cell.source for cell in cells(notebook) if is_tagged(cell, "parameters")]
    if len(tagged) != 1:
        raise ValueError(f"{notebook}.ipynb needs one cell tagged 'parameters', it has {len(tagged)}")
    lines, found = tagged[0].splitlines(), ast.parse(tagged[0]).body
    comments = [lines[line.end_lineno - 1].partition("  # ")[2] for line in found]
    return {line.targets[0].id: (ast.literal_eval(line.value), c) for line, c in zip(found, comments, strict=True)}


def defaults(notebook):
    """The parameters of a notebook, name -> value."""
    return {name: value for name, (value, _) in declared(notebook).items()}


def follows(notebook):
    """name -> notebook for parameters whose comment says 'as in NN_name': one change of a study holds for both."""
    found = {name: re.search(r"\bas in (\d\d_\w+)", comment) for name, (_, comment) in declared(notebook).items()}
    return {name: match[1] for name, match in found.items() if match}


def changes_of(study):
    """What a study's file says, as notebook -> name -> value; ValueError for an unknown study or notebook.

    A notebook may stand as `false`: the study goes without it, see is_left_out.
    """
    path = notebooks_folder() / "studies" / f"{plain_name(study, 'the name of a study')}.yml"
    if not path.exists():
        others = sorted(other.stem for other in path.parent.glob("*.yml"))
        raise ValueError(f"no study {study!r}: there are {', '.join(others)}")
    try:
        changes = values_of(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"{path.name} is not valid YAML: {error}") from error
    if not isinstance(changes, dict):
        raise ValueError(f"{path.name} must map notebooks to parameters, it is a {type(changes).__name__}")
    known = notebook_names()
    for name, values in changes.items():
        if name not in known:
            raise ValueError(f"{path.name}: there is no notebook {name!r}; there are {', '.join(known)}")
        if not isinstance(values, dict | None) and values is not False:
            raise ValueError(f"{path.name}: {name} must map parameters to values or be false, it is {values!r}")
    return changes


values_of = functools.cache(yaml.safe_load)


def parameters(page, study):
    """The values a page runs with: the notebook's own, changed where the study's file says so.

    A parameter that stands 'as in' another notebook changes with it, unless the study names it for this one too.
    ValueError names an unknown study, notebook or parameter, or a value of another type than the notebook's own.
    """
    notebook, *chosen = page.split("/")
    known = defaults(notebook)
    own = checked(changes_of(study).get(notebook) or {}, known, f"{study}.yml: {notebook}")
    if notebook == "07_compare" and "methods" in own:
        own = own | {"methods": list(rows(study))}
    other = {name: parameters(whose, study)[name] for name, whose in follows(notebook).items() if name not in own}
    asked = values_of_row(chosen[0], study) | {TEMPLATES[notebook]: chosen[0]} if chosen else {}
    return known | other | own | {"study": study} | asked


def values_of_row(row, study):
    """What a row asks for beyond its method; ValueError for sw_clip-bandwidth_m-50 in a study without that row."""
    known = rows(study)
    if "-" in row and row not in known:
        raise ValueError(f"study {study} has no row {row}; it has {', '.join(known)}")
    return known.get(row, {})


def checked(changes, known, where):
    """The changes, if every name is known and every value is of the type of the known one; else ValueError."""
    for name, value in changes.items():
        if name not in known:
            raise ValueError(f"{where} has no parameter {name!r}; it has {', '.join(known)}")
        expected = (int, float) if isinstance(known[name], float) else type(known[name])
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{where}: {name} = {value} is not a finite number")
        if not isinstance(value, expected) or isinstance(value, bool) != isinstance(known[name], bool):
            hint = "; YAML reads 1e-3 as text, 1.0e-3 as a number" if re.fullmatch(r"\d+e-?\d+", str(value)) else ""
            kind = type(known[name]).__name__
            raise ValueError(f"{where}: {name} = {value!r} is not a {kind} like {known[name]!r}{hint}")
    return changes


def injected(page, study):
    """What papermill sets in: the values that differ from the notebook's own."""
    known = defaults(page.split("/")[0])
    return {name: value for name, value in parameters(page, study).items() if value != known[name]}


def used(page, namespace):
    """The parameters of a page in a running notebook: used('01_photos', globals()).

    What papermill set in or the reader changed holds, all else is as the study has it: the namespace too, and a line
    says so. ValueError names a value of a wrong type, and a name that papermill set in and the notebook does not have.
    """
    notebook = page.split("/")[0]
    known, given = defaults(notebook), []
    for cell in namespace.get("In", []):
        if cell.startswith("# Parameters\n"):  # as papermill begins the cell of what it sets in
            given += [line.targets[0].id for line in ast.parse(cell).body if isinstance(line, ast.Assign)]
    values = checked({name: namespace[name] for name in [*known, *given]}, known, notebook)
    unchanged = [name for name in known if name not in given and values[name] == known[name]]
    studied = parameters(page, values["study"])
    taken = {name: studied[name] for name in unchanged if studied[name] != known[name]}
    if taken:
        print(f"as study {values['study']} has it:", ", ".join(f"{name} = {value!r}" for name, value in taken.items()))
    namespace.update(taken)
    return values | taken


def code_of(notebook, shown=False):
    """'<file> <digest>' of what the tables of a notebook depend on: its cells that compute, and the files they import.

    shown: of what its executed copy depends on, with cells and files that only show. Only what runs counts: no
    markdown, comments, docstrings, layout, outputs; parameters are counted by their values.
    """
    counted = [cell for cell in cells(notebook) if cell.cell_type == "code" and not is_tagged(cell, "parameters")]
    if not shown:  # figures, and values glued into sentences
        computing = [cell for cell in counted if "figure" not in cell.metadata.get("mystnb", {})]
        counted = [cell for cell in computing if not is_tagged(cell, "remove-cell")]
    ran = [without_magics(cell.source) for cell in counted]
    # cell by cell: the book pairs cells with outputs, so where a cell ends counts too
    together = hashlib.sha256(" ".join(map(files.code_digest, ran)).encode()).hexdigest()[:12]
    return [f"{notebook}.ipynb {together}", *reached(imported_files("\n".join(ran)), () if shown else RECORDING)]


def reached(start, but=()):
    """'<file> <digest>' of files and of those that they import, directly or through others, sorted.

    but: folders whose files are left out, and with them what they alone import.
    """
    found, queue = {}, set(start)
    while queue:
        path = queue.pop()
        name = path.relative_to(files.ROOT).as_posix()
        if name not in found and not name.startswith(but):
            text = path.read_text(encoding="utf-8")
            found[name] = files.code_digest(text)
            queue |= imported_files(text)
    return [f"{name} {value}" for name, value in sorted(found.items())]


def without_magics(source):
    """The source of a cell as plain Python: IPython's own lines become `pass`."""
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.MULTILINE)


def imported_files(source):
    """The files of PACKAGES that a text imports, at its top or inside a function."""
    paths = [files.ROOT.joinpath(*name.split(".")) for name in imported_names(source) if name.split(".")[0] in PACKAGES]
    return {p for path in paths for p in (path.with_suffix(".py"), path / "__init__.py") if p.exists()}


@functools.cache
def imported_names(source):
    """What a text imports, by dotted names; ruff refuses relative imports."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def data(page, study):
    """'<path> <digest>' of each file or folder that a parameter of the page names, through $NAME, ~, local-dir: too."""
    values = [value for name, value in parameters(page, study).items() if name != "study"]
    paths = {text: os.path.expanduser(os.path.expandvars(text.removeprefix("local-dir:"))) for text in texts(values)}
    found = {text: files.ROOT / path for text, path in paths.items() if os.path.exists(files.ROOT / path)}
    return [f"{text} {lying_there(path)}" for text, path in found.items()]


def texts(value):
    """Every text within a value, however deep in lists and dicts, but for empty ones."""
    if isinstance(value, dict | list):
        return [text for item in (value.values() if isinstance(value, dict) else value) for text in texts(item)]
    return [value] if isinstance(value, str) and value.strip() else []


def lying_there(path):
    """A short digest of a file's content, or of what lies in a folder: contents up to SMALL bytes, else the sizes."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    sizes = {found: found.stat().st_size for found in sorted(path.rglob("*")) if found.is_file()}
    small = sum(sizes.values()) <= SMALL  # a tower trained anew has its old size
    listing = [f"{f.relative_to(path).as_posix()} {lying_there(f) if small else size}" for f, size in sizes.items()]
    return hashlib.sha256("\n".join(listing).encode()).hexdigest()[:12]
