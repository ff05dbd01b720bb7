"""A page in a running notebook: what it refuses before it computes."""

import pytest

from geonb.book import pages


@pytest.mark.parametrize(("simulated", "text", "refused"), [
    (True, "", False), (False, "", True),
    (False, "02_embeddings: {tower: local-dir:data/towers/geonb-tiny}", False),
])  # fmt: skip
def test_the_simulated_tower_reads_real_photos_only_where_the_study_names_it(notebook, study, simulated, text, refused):
    tower = 'study = "toy"\ntower = "local-dir:data/towers/geonb-tiny"  # str: a tower'
    notebook("02_embeddings", "# 02 · A question?", tower)
    study(text)
    page = pages.Page("02_embeddings", {"study": "toy", "tower": "local-dir:data/towers/geonb-tiny"})
    page.__dict__["simulated"] = simulated
    if not refused:
        page.check_tower()
        return
    with pytest.raises(ValueError, match=r"Under 02_embeddings of toy\.yml set tower: ViT-B-32 .*imagenet/efficient"):
        page.check_tower()


def test_by_hand_the_study_decides_but_for_what_the_reader_or_papermill_changed(notebook, study, capsys):
    notebook("01_photos", "# 01 · A question?", 'study = "toy"\na = 1\nb = 1\nc = 1\nd = 1')
    study("01_photos: {a: 2, b: 2, c: 2}")
    namespace = {"study": "toy", "a": 1, "b": 3, "c": 1, "d": 1, "In": ["", "# Parameters\nc = 1\n"]}
    page = pages.page("01_photos", namespace)
    assert page.parameters == {"study": "toy", "a": 2, "b": 3, "c": 1, "d": 1}
    assert namespace["a"] == 2
    assert capsys.readouterr().out == "as study toy has it: a = 2\n"
