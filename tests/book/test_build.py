"""How executed pages are set: words from the source, outputs from the copy, nothing from stderr, labels once."""

import base64
import io
import json

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from geonb.book import build
from geonb.book.build import read_source
from geonb.book.page_dependencies import SIMULATED_ONLY, all_pages, flat, notebook_names

STDOUT = new_output("stream", name="stdout", text="42\n")
STDERR = new_output("stream", name="stderr", text="DeprecationWarning: soon gone\n")


def execute(toy, outputs=(STDOUT,), page="01_photos", values=None):
    """Write an executed copy, as papermill would."""
    cells = read_source(page).cells
    cells[-1].outputs, cells[-1].execution_count = list(outputs), 3
    if values:
        cells.insert(2, new_code_cell(values, metadata={"tags": ["injected-parameters"]}))
    path = toy / "build" / "toy" / "executed" / f"{flat(page)}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells), path)


def test_a_page_has_the_words_of_the_source_and_the_outputs_of_the_copy(toy, notebook):
    execute(toy, values="photo_count = 9")
    notebook("01_photos", "# 01 · A better question?", "study = 'toy'", "answer = 42")
    page = build.set_page("01_photos", "01_photos", "toy", 12.3, "a processor")
    title, line = page.cells[0].source.split("\n\n", 1)
    assert title == "# 01 · A better question?"
    assert "Study `toy` · 12 s on a processor" in line
    assert page.cells[2].source == "photo_count = 9"
    assert page.cells[3].outputs[0].text == "42\n"


def test_text_on_stderr_is_refused_with_page_text_and_cell(toy):
    execute(toy, [STDOUT, STDERR])
    with pytest.raises(ValueError, match=r"01_photos: a cell wrote to stderr[\s\S]*soon gone[\s\S]*answer = 42"):
        build.set_page("01_photos", "01_photos", "toy", 1, "")


def test_a_copy_of_another_version_is_refused(toy, notebook):
    execute(toy)
    notebook("01_photos", "# Q", "study = 'toy'", "answer = 42", "more = 1")
    with pytest.raises(ValueError, match="its source has 3 cells of code, its executed copy 2: run it again"):
        build.set_page("01_photos", "01_photos", "toy", 1, "")


def test_a_page_without_a_title_is_refused(toy, notebook):
    notebook("01_photos", "#no title", "study = 'toy'", "answer = 42")
    execute(toy)
    with pytest.raises(ValueError, match="its first cell must begin with a title"):
        build.set_page("01_photos", "01_photos", "toy", 1, "")


def test_a_simulated_study_says_so_on_every_page(toy, notebook):
    notebook("01_photos", "# Q", "study = 'toy'\nsource = 'simulated'")
    assert "prove nothing about a real city" in build.run_line("01_photos", "toy", 3.0, "a processor")
    notebook("01_photos", "# Q", "study = 'toy'\nsource = 'folder'")
    assert "prove" not in build.run_line("01_photos", "toy", 3.0, "a processor")


def test_the_notebooks_own_choice_stands_for_a_template(toy, study):
    names = build.file_names(all_pages("toy"))
    assert names["06_train/hard"] == "06_train-hard"
    assert names["06_train/soft"] == "06_train"
    assert names["07_compare"] == "07_compare"
    study("07_compare: {methods: [hard, other]}")
    assert build.file_names(all_pages("toy"))["06_train/hard"] == "06_train"


def test_a_further_page_of_a_template_has_figures_without_labels(toy, notebook):
    path = notebook("06_train", "# Q", "study = 'toy'\nmethod = 'soft'", "plot()")
    source = nbformat.read(path, as_version=4)
    source.cells[-1].metadata["mystnb"] = {"figure": {"name": "fig-curve", "caption": "Loss"}}
    nbformat.write(source, path)
    execute(toy, page="06_train/hard")
    for name, figure in (
        ("06_train", {"name": "fig-curve", "caption": "Loss"}),
        ("06_train-hard", {"caption": "Loss"}),
    ):
        assert build.set_page("06_train/hard", name, "toy", 1.0, "").cells[-1].metadata["mystnb"]["figure"] == figure


def test_times_of_pages_become_the_record_of_the_run(toy, monkeypatch):
    monkeypatch.setattr(build, "device_name", lambda: "a processor")
    times = toy / "build" / "toy" / "times"
    times.mkdir(parents=True)
    for page, seconds in (("01_photos", 2.5), ("06_train/hard", 60.0), ("gone", 5.0)):
        (times / f"{flat(page)}.json").write_text(json.dumps({"page": page, "seconds": seconds}))
    record = build.run_record("toy", all_pages("toy"))
    assert record["seconds_per_page"] == {"01_photos": 2.5, "06_train/hard": 60.0}
    assert record["seconds"] == 62.5
    assert "| `06_train/hard` | 60 |" in build.this_copy(record)


def test_the_whole_folder_is_set_and_the_sources_stay_as_they_are(toy, monkeypatch):
    monkeypatch.setattr(build, "device_name", lambda: "a processor")
    frame = toy / "book"
    (frame / "_static" / "vendor" / "mathjax").mkdir(parents=True)
    (frame / "_static" / "vendor" / "mathjax" / "tex-mml-chtml.js").write_text("")
    (frame / "_static" / "vendor" / "map.js").write_text("")
    chapters = [{"file": f"executed/{name}"} for name in ("01_photos", "06_train", "07_compare")]
    (frame / "_toc.yml").write_text(yaml.safe_dump({"root": "intro", "parts": [{"chapters": chapters}]}))
    before = sorted(frame.rglob("*"))
    for page in all_pages("toy"):
        execute(toy, page=page)
    folder = build.set_book("toy")
    assert sorted(path.stem for path in (folder / "executed").iterdir()) == [
        "01_photos", "06_train", "06_train-hard", "07_compare",
    ]  # fmt: skip
    contents = yaml.safe_load((folder / "_toc.yml").read_text())
    assert contents["parts"][0]["chapters"][1]["sections"] == [{"file": "executed/06_train-hard"}]
    assert (folder / "extra" / "_static" / "vendor" / "mathjax" / "tex-mml-chtml.js").exists()
    assert not (folder / "_static" / "vendor").exists()  # every page would load what lies there
    assert sorted(frame.rglob("*")) == before
    assert (toy / "build" / "toy" / "run.json").exists()


def test_a_page_that_a_study_does_not_have_leaves_no_empty_part(tmp_path):
    names = {page: flat(page) for page in notebook_names() if page not in SIMULATED_ONLY}
    build.write_contents(tmp_path, names)
    contents = yaml.safe_load((tmp_path / "_toc.yml").read_text())
    assert all(part["chapters"] for part in contents["parts"])
    assert "17_laboratory" not in (tmp_path / "_toc.yml").read_text()
    assert "executed/01_photos" in (tmp_path / "_toc.yml").read_text()


def test_figures_become_cards_of_the_gallery_that_lead_to_their_page(tmp_path):
    kept = io.BytesIO()
    Image.new("RGB", (1000, 500), "white").save(kept, "png")
    data = {"image/png": base64.b64encode(kept.getvalue()).decode()}
    meta = {"mystnb": {"figure": {"name": "fig-errors", "caption": "Errors {x}."}, "image": {"alt": "Dots."}}}
    drawn = new_code_cell("draw()", metadata=meta, outputs=[new_output("display_data", data)])
    cells = [drawn, new_markdown_cell("# Q")]
    (card,) = build.pictures_of("07_compare", "07_compare", cells, tmp_path)
    assert ":link: executed/07_compare" in card
    assert "Errors {x}." in card
    assert Image.open(tmp_path / "gallery" / "fig-errors.png").width == build.CARD_PX
    assert card in build.gallery([card])
