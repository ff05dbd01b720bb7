"""What a page depends on: values, code, data - and what a study's file may say."""

import re

import nbformat
import pytest

from geonb import files
from geonb.book import page_dependencies as deps
from geonb.book.page_dependencies import all_pages, code_of, data, defaults, injected, parameters

REAL_STUDIES = sorted(path.stem for path in (deps.notebooks_folder() / "studies").glob("*.yml"))


@pytest.mark.parametrize("study", REAL_STUDIES)
def test_every_study_of_the_project_fits_its_notebooks(study):
    for page in all_pages(study):
        assert parameters(page, study)["study"] == study


def test_a_study_goes_before_the_notebook_and_only_what_differs_is_injected(toy, study):
    study("01_photos: {photo_count: 9, folder: ''}\n06_train: {bandwidth_m: 50}\n07_compare:\n")
    assert parameters("06_train/soft", "toy")["bandwidth_m"] == 50
    assert defaults("06_train")["bandwidth_m"] == 200.0
    assert injected("01_photos", "toy") == {"photo_count": 9}
    assert injected("07_compare", "toy") == {}


def test_a_template_becomes_one_page_per_method(toy):
    assert all_pages("toy") == ["01_photos", "06_train/hard", "06_train/soft", "07_compare"]
    assert parameters("06_train/hard", "toy")["method"] == "hard"


def test_a_list_of_values_under_a_method_becomes_one_training_and_one_row_for_each(toy, study):
    study("06_train: {bandwidth_m: 100.0}\n07_compare:\n  methods: [hard, soft: {bandwidth_m: [50, 0.5]}]")
    rows = ["hard", "soft-bandwidth_m-50", "soft-bandwidth_m-0_5"]
    assert all_pages("toy") == ["01_photos", *(f"06_train/{row}" for row in rows), "07_compare"]
    assert parameters("07_compare", "toy")["methods"] == rows
    asked = [parameters(f"06_train/{row}", "toy") for row in rows]
    assert [values["bandwidth_m"] for values in asked] == [100.0, 50, 0.5]
    assert [values["method"] for values in asked] == rows


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ("[soft: {bandwith_m: [50]}]", "methods: soft has no parameter 'bandwith_m'; it has bandwidth_m"),
        ("[soft: {study: [other]}]", "methods: soft has no parameter 'study'"),
        ("[soft: {method: [hard]}]", "methods: soft has no parameter 'method'"),
        ("[soft: {bandwidth_m: []}]", "soft: {'bandwidth_m': []} must name lists of values"),
        ("[soft-bandwidth_m-50]", "'soft-bandwidth_m-50' must be a method, with its values in a list"),
        ("hard", "07_compare: methods = 'hard' is not a list"),
        ("[[hard]]", "['hard'] must be of letters, digits"),
        ("[soft: {bandwidth_m: [wide]}]", "methods: soft: bandwidth_m = 'wide' is not a float like 200.0"),
        ("[soft: {bandwidth_m: 50}]", "soft: {'bandwidth_m': 50} must name lists of values, as in sw_clip:"),
        ("[soft: 50]", "soft: 50 must name lists of values"),
        ("[a/b: {bandwidth_m: [50]}]", "'a/b' must be of letters, digits"),
        ("[3]", "3 must be of letters, digits"),
    ],
)
def test_a_row_that_cannot_be_made_is_named(toy, study, methods, message):
    study(f"07_compare: {{methods: {methods}}}")
    with pytest.raises(ValueError, match=re.escape(message)):
        all_pages("toy")


def test_a_row_that_a_study_does_not_have_is_refused_before_it_trains_with_another_value(toy):
    with pytest.raises(ValueError, match="study toy has no row soft-bandwidth_m-50; it has hard, soft"):
        parameters("06_train/soft-bandwidth_m-50", "toy")


def test_a_study_may_go_without_a_page_that_asks_what_was_planted(toy, notebook, study, monkeypatch):
    monkeypatch.setattr(deps, "SIMULATED_ONLY", ("17_laboratory",))
    notebook("01_photos", "# Q", 'study = "toy"\nsource = "simulated"  # str: where photos come from')
    notebook("17_laboratory", "# Q", 'study = "toy"')
    study("01_photos:\n")
    assert "17_laboratory" in all_pages("toy")
    study("17_laboratory: false")
    assert "17_laboratory" not in all_pages("toy")


def test_a_study_may_go_without_any_page_that_none_of_its_others_reads(toy, study):
    study("07_compare: false")
    assert all_pages("toy") == ["01_photos", "06_train/hard", "06_train/soft"]
    study("06_train: false\n07_compare: false")
    assert all_pages("toy") == ["01_photos"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("02_photo: {n: 1}", "toy.yml: there is no notebook '02_photo'; there are 01_photos, 06_train, 07_compare"),
        ("06_train: {bandwith_m: 1}", "06_train has no parameter 'bandwith_m'; it has study, method, bandwidth_m"),
        ("01_photos: {photo_count: many}", "photo_count = 'many' is not a int like 5"),
        ("01_photos: {photo_count: true}", "photo_count = True is not a int"),
        ("01_photos: {photo_count: 2.5}", "photo_count = 2.5 is not a int"),
        ("01_photos: {folder: 3}", "folder = 3 is not a str"),
        ("06_train: {bandwidth_m: 1e3}", "YAML reads 1e-3 as text, 1.0e-3 as a number"),
        ("07_compare: {methods: hard}", "methods = 'hard' is not a list"),
        ("01_photos: false", "toy.yml: 01_photos cannot be false, 06_train, 07_compare read it: leave these out too"),
        ("06_train: false", "toy.yml: 06_train cannot be false, 07_compare read it: leave these out too"),
        ("01_photos: [1]", "01_photos must map parameters to values or be false, it is [1]"),
        ("- 01_photos", "toy.yml must map notebooks to parameters, it is a list"),
        ("01_photos: {", "toy.yml is not valid YAML"),
    ],
)
def test_a_study_that_fits_no_notebook_is_refused_by_name(toy, study, text, message):
    study(text)
    with pytest.raises(ValueError, match=re.escape(message)):
        [parameters(page, "toy") for page in all_pages("toy")]


def test_a_parameter_that_stands_as_in_another_notebook_changes_with_it(notebook, study):
    notebook("01_photos", "# Q", 'study = "toy"\noptions = {\n    "n": 1,\n}  # dict: what the source is told')
    notebook("06_train", "# Q", 'study = "toy"\nmethod = "soft"  # str\noptions = {"n": 1}  # dict: as in 01_photos')
    study("01_photos: {options: {n: 2}}")
    assert parameters("06_train/soft", "toy")["options"] == {"n": 2}
    study("01_photos: {options: {n: 2}}\n06_train: {options: {n: 3}}")
    assert parameters("06_train/soft", "toy")["options"] == {"n": 3}


def test_an_unknown_study_or_notebook_is_refused_with_the_list(toy):
    with pytest.raises(ValueError, match="no study 'mine': there are toy"):
        parameters("01_photos", "mine")
    with pytest.raises(ValueError, match="no notebook '01_photo'; there are 01_photos, 06_train, 07_compare"):
        parameters("01_photo", "toy")


def test_a_notebook_without_one_parameters_cell_is_refused(notebook):
    notebook("01_photos", "# A question?", "study = 'toy'", "study = 'toy'")
    with pytest.raises(ValueError, match="needs one cell tagged 'parameters', it has 2"):
        defaults("01_photos")


BEFORE = ("# Question", "study = 'toy'", 'def f():\n    """One."""\nimport math\nx = math.pi', "print(x)")


@pytest.mark.parametrize(
    ("cells", "same"),
    [
        (("# Another question", *BEFORE[1:]), True),
        ((*BEFORE[:2], 'def f():\n    """Two."""\nimport math  # why\n\nx = math.pi', "print( x )"), True),
        ((BEFORE[0], "study = 'toy'\nn = 3", *BEFORE[2:]), True),  # counted by its value
        ((*BEFORE[:3], "print(2 * x)"), False),
        ((*BEFORE[:2], BEFORE[2] + "\nprint(x)"), False),  # outputs belong to cells
        ((*BEFORE[:3], "%time print(x)"), False),
    ],
)
@pytest.mark.parametrize("shown", [False, True])
def test_only_what_runs_counts_as_code(notebook, shown, cells, same):
    notebook("01_photos", *BEFORE)
    before = code_of("01_photos", shown)
    notebook("01_photos", *cells)
    assert (code_of("01_photos", shown) == before) is same


def test_code_names_the_files_that_a_notebook_uses_directly_or_not(toy, notebook):
    texts = {
        "near": "from geonb import far\n", "far": "x = 1\n", "other": "y = 1\n", "__init__": "",
        "showing/maps": "from geonb import only_shown\n", "only_shown": "", "book/pages": "from geonb import near\n",
    }  # fmt: skip
    for name, text in texts.items():
        (toy / "geonb" / f"{name}.py").parent.mkdir(parents=True, exist_ok=True)
        (toy / "geonb" / f"{name}.py").write_text(text)
    notebook("01_photos", "# Q", "study = 'toy'", "from geonb.near import f\nfrom geonb.showing import maps")
    computed, shown = ({line.split()[0] for line in code_of("01_photos", shown)} - {"geonb/__init__.py"}
                       for shown in (False, True))  # fmt: skip
    assert computed == {"01_photos.ipynb", "geonb/near.py", "geonb/far.py"}
    assert shown == computed | {"geonb/showing/maps.py", "geonb/only_shown.py"}


def test_a_cell_that_shows_what_was_computed_does_not_count_for_the_tables(toy, notebook):
    path = notebook("01_photos", *BEFORE, "draw(x)")
    source = nbformat.read(path, as_version=4)
    source.cells[-1].metadata["mystnb"] = {"figure": {"name": "fig-x"}}
    nbformat.write(source, path)
    computed, shown = code_of("01_photos"), code_of("01_photos", shown=True)
    source.cells[-1].source = "draw(x, colour='red')"
    nbformat.write(source, path)
    assert code_of("01_photos") == computed
    assert code_of("01_photos", shown=True) != shown


@pytest.mark.parametrize("value", ["photos", "./photos", "local-dir:photos", "notebooks/../photos", "$MY_PHOTOS"])
def test_a_page_depends_on_the_files_that_its_parameters_name(toy, study, monkeypatch, value):
    (toy / "photos").mkdir()
    monkeypatch.setenv("MY_PHOTOS", str(toy / "photos"))
    study(f"01_photos: {{folder: '{value}'}}")
    before = data("01_photos", "toy")
    assert len(before) == 1
    (toy / "photos" / "b.jpg").write_bytes(b"2")
    assert data("01_photos", "toy") != before
    assert data("07_compare", "toy") == []


@pytest.mark.parametrize(
    ("name", "small", "noticed"), [("tower", 9, True), ("tower", 1, False), ("tower/file", 1, True)]
)
def test_a_file_and_a_small_folder_count_by_contents_a_large_one_by_sizes(
    toy, study, monkeypatch, name, small, noticed
):
    monkeypatch.setattr(deps, "SMALL", small)
    study(f"01_photos: {{folder: {name}}}")
    (toy / "tower").mkdir()
    (toy / "tower" / "file").write_text("old")
    before = data("01_photos", "toy")
    (toy / "tower" / "file").write_text("new")
    assert (data("01_photos", "toy") != before) is noticed


@pytest.mark.parametrize("study", REAL_STUDIES)
def test_every_page_asks_for_splits_that_its_study_makes(study):
    made = set(parameters("04_splits", study)["splits"])
    for page in set(all_pages(study)) - {"04_splits", *deps.SIMULATED_ONLY}:  # those cut worlds of their own
        asked = parameters(page, study)
        missing = {*([asked["split"]] if "split" in asked else []), *asked.get("splits", [])} - made
        assert not missing, f"{page} of {study} asks for {', '.join(missing)}, 04_splits makes {', '.join(made)}"


@pytest.mark.parametrize("study", REAL_STUDIES)
def test_what_stands_beside_a_study_is_published(study):
    """Every table that a page borrows from a study that it names lies in the repository."""
    for page in {page.split("/")[0] for page in all_pages(study)}:
        source = "\n".join(cell.source for cell in deps.cells(page) if cell.cell_type == "code")
        for name, other, tables in re.findall(r'page\.beside\((\w+), "?([\w.]+)"?((?:, "\w+")*)', source):
            folder = parameters(page, study)["beside" if name == "borrowed" else name]
            lying = files.ROOT / folder / (page if other == "page.name" else other)
            for table in re.findall(r"\w+", tables) or [""]:
                assert not folder or (lying / (table and f"{table}.parquet")).exists(), f"{study}: {page} reads {lying}"


@pytest.mark.parametrize("name", ["{{ 7*7 }}", "../toy", "a b", "-x", "", "a`b"])
def test_a_study_or_method_whose_name_is_no_plain_word_is_refused(toy, study, name):
    with pytest.raises(ValueError, match="must be of letters, digits, _ and -"):
        deps.changes_of(name)
    study(f"07_compare: {{methods: [{name!r}]}}")
    with pytest.raises(ValueError, match=r"toy\.yml: 07_compare: methods: .* must be of letters"):
        deps.pages("06_train", "toy")


def test_a_page_tells_how_long_it_took_here_else_where_it_was_published_and_invents_nothing(toy):
    assert deps.took(["01_photos"], "toy") == ""
    published = toy / "data" / "results" / "toy" / "run.json"
    published.parent.mkdir(parents=True)
    published.write_text('{"seconds_per_page": {"01_photos": 502.4, "06_train/hard": 40.0, "06_train/soft": 50.2}}')
    assert deps.took(["01_photos"], "toy") == ", 8 min where it was published"
    assert deps.took(["06_train/hard", "06_train/soft"], "toy") == ", up to 50 s where it was published"
    assert deps.took(["07_compare"], "toy") == ""
    here = deps.build_folder("toy", "times", "01_photos.json")
    here.parent.mkdir(parents=True)
    here.write_text("12.3")
    assert deps.took(["01_photos"], "toy") == ", 12 s here last time"
    assert deps.introduced("01_photos", "toy") == ("01_photos of study toy: 01 · A question?, 12 s here last time")
