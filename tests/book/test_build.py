"""How executed pages are set: words from the source, outputs from the copy, labels once; what lies around them."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from geonb.book import build
from geonb.book.page_dependencies import all_pages, build_folder, flat, notebooks_folder

RECORD = {"device": "a processor", "seconds_per_page": {"01_photos": 12.3}}
STDOUT = new_output("stream", name="stdout", text="42\n")


def execute(page="01_photos", values=None):
    """Write an executed copy, as papermill would."""
    ran = nbformat.read(notebooks_folder() / f"{page.split('/')[0]}.ipynb", as_version=4).cells
    ran[-1] = new_code_cell(ran[-1].source, outputs=[STDOUT], execution_count=3)
    if values:
        ran.insert(2, new_code_cell(values, metadata={"tags": ["injected-parameters"]}))
    path = build_folder("toy", "executed", f"{flat(page)}.ipynb")
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=ran), path)


def test_a_page_has_the_words_of_the_source_and_the_outputs_of_the_copy(toy, notebook):
    execute(values="photo_count = 9")
    notebook("01_photos", "# 01 · A better question?", "study = 'toy'", "answer = 42")
    page = build.set_page("01_photos", "01_photos", "toy", RECORD)
    title, line = page.cells[0].source.split("\n\n", 1)
    assert title == "# 01 · A better question?"
    assert "Study `toy` · 12 s on a processor" in line
    assert page.cells[2].source == "photo_count = 9"
    assert page.cells[3].outputs[0].text == "42\n"


def test_a_copy_of_another_version_is_refused(toy, notebook):
    execute()
    notebook("01_photos", "# Q", "study = 'toy'", "answer = 42", "more = 1")
    with pytest.raises(ValueError, match="its executed copy has 2 cells of code, its source 3: run it again"):
        build.set_page("01_photos", "01_photos", "toy", RECORD)


@pytest.mark.parametrize(("source", "says"), [("simulated", True), ("folder", False)])
def test_a_simulated_study_says_so_on_every_page(toy, notebook, source, says):
    notebook("01_photos", "# Q", f"study = 'toy'\nsource = '{source}'", "answer = 42")
    execute()
    page = build.set_page("01_photos", "01_photos", "toy", RECORD)
    assert ("prove nothing about a real city" in page.cells[0].source) is says


def test_the_notebooks_own_choice_stands_for_a_template(toy, study):
    names = build.file_names(all_pages("toy"))
    assert (names["06_train/hard"], names["06_train/soft"], names["07_compare"]) == (
        "06_train-hard", "06_train", "07_compare",
    )  # fmt: skip
    study("07_compare: {methods: [hard, other]}")
    assert build.file_names(all_pages("toy"))["06_train/hard"] == "06_train"


@pytest.mark.parametrize(("name", "labelled"), [("06_train", True), ("06_train-hard", False)])
def test_a_further_page_of_a_template_has_figures_without_labels(toy, name, labelled):
    path = toy / "notebooks" / "06_train.ipynb"
    source = nbformat.read(path, as_version=4)
    source.cells[-1].metadata["mystnb"] = {"figure": {"name": "fig-curve", "caption": "Loss"}}
    nbformat.write(source, path)
    execute("06_train/hard")
    page = build.set_page("06_train/hard", name, "toy", RECORD)
    assert ("name" in page.cells[-1].metadata["mystnb"]["figure"]) is labelled
    assert page.cells[0].source.startswith("# 06 · A question?: `hard`\n")


@pytest.mark.parametrize(("count", "shown"), [(5, True), (0, False)])
def test_cells_that_a_study_does_not_ask_for_are_left_out(toy, study, count, shown):
    path = toy / "notebooks" / "01_photos.ipynb"
    source = nbformat.read(path, as_version=4)
    source.cells[-1].metadata["tags"] = ["hide-input", "if-photo_count"]
    nbformat.write(source, path)
    study(f"01_photos: {{photo_count: {count}}}")
    execute("01_photos")
    words = [cell.source for cell in build.set_page("01_photos", "01_photos", "toy", RECORD).cells]
    assert ("answer = 42" in words) is shown
    assert any("photo_count = 5" in text for text in words)


def test_times_of_pages_become_the_record_of_the_run(toy, monkeypatch):
    monkeypatch.setattr(build, "device_name", lambda: "a processor")
    build_folder("toy", "times").mkdir(parents=True)
    for page, seconds in (("01_photos", 2.5), ("06_train/hard", 60.0), ("gone", 5.0)):
        build_folder("toy", "times", f"{flat(page)}.json").write_text(str(seconds))
    record = build.run_record("toy")
    assert record["seconds_per_page"] == {"01_photos": 2.5, "06_train/hard": 60.0}
    assert record["seconds"] == 62.5


def test_the_whole_folder_is_set_and_the_sources_stay_as_they_are(toy):
    frame = toy / "book"
    for file in ("extra/_static/vendor/mathjax/mathjax.js", "_static/vendor/leaflet/map.js", "_toc.yml"):
        (frame / file).parent.mkdir(parents=True, exist_ok=True)
        (frame / file).write_text("")
    before = sorted(frame.rglob("*"))
    for page in all_pages("toy"):
        execute(page)
    folder = build.set_book("toy")
    made = sorted(path.stem for path in (folder / "executed").iterdir())
    assert made == ["01_photos", "06_train", "06_train-hard", "07_compare"]
    assert (folder / "extra" / "_static" / "vendor" / "mathjax" / "mathjax.js").exists()
    assert not list((folder / "_static").rglob("*.js"))  # every page would load what lies there
    assert sorted(frame.rglob("*")) == before
    assert build_folder("toy", "run.json").exists()
