"""All sources: their options, and what a source without a usable photo says."""

import re
import subprocess
import sys

import pytest
import yaml

from geonb.files import ROOT
from geonb.photos.catalogue import COLUMNS
from geonb.photos.left_out import LEFT_OUT_COLUMNS
from geonb.photos.sources import SOURCES, check_options, gather, takes_options
from tests.photos.made import cologne, picture


def test_gather_gives_a_catalogue_and_what_was_left_out(tmp_path):
    picture(tmp_path / "a.jpg", cologne())
    picture(tmp_path / "b.jpg")
    found, left_out = gather("folder", {"folder": str(tmp_path)})
    assert list(found.columns) == list(COLUMNS)
    assert list(left_out.columns) == list(LEFT_OUT_COLUMNS)
    assert list(left_out["reason"]) == ["no position"]


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        ("flickr", {}, "no source 'flickr'; there are simulated, folder, table"),
        ("folder", None, "options of source 'folder' must be a list of names and values, not None"),
        ("folder", {"folder": "x", "licance": "CC0"}, "no option 'licance'; it has folder, city, country, licence"),
        ("folder", {"city": "Köln"}, "needs the option folder"),
        ("folder", {"folder": 3}, "folder = 3 is not of type str"),
        ("folder", {"folder": "x", "city_link_m": "10 km"}, "city_link_m = '10 km' is not of type float"),
        ("folder", {"folder": "x", "city_link_m": True}, "city_link_m = True is not of type float"),
        ("folder", {"folder": "x", "city_link_m": float("nan")}, "city_link_m nan must be a finite number above 0"),
        ("folder", {"folder": "x", "city_link_m": float("inf")}, "city_link_m inf must be a finite number above 0"),
        ("folder", {"folder": "x", "city_link_m": 0}, "city_link_m 0 must be a finite number above 0"),
        ("folder", {"folder": "x", "workers": -1}, "workers -1 must be a whole number of at least 0"),
        *(("simulated", {name: float("nan")}, f"{name} nan must be a finite number")
          for name in ("range_scale", "nugget", "city_side_m")),
    ],
)  # fmt: skip
def test_sources_and_options_are_checked_before_anything_is_read(source, options, words):
    with pytest.raises(ValueError, match=words):
        gather(source, options)


def test_a_source_without_a_usable_photo_tells_how_many_it_saw_why_and_the_way_out(tmp_path):
    with pytest.raises(ValueError, match="found no file in"):
        gather("folder", {"folder": str(tmp_path)})
    for name in "abc":
        picture(tmp_path / f"{name}.jpg", seed=ord(name))
    (tmp_path / "notes.txt").write_text("words")
    words = "none of the 4 entries of .*3 x no position, 1 x not a picture .*use source 'table' with a CSV of positions"
    with pytest.raises(ValueError, match=words):
        gather("folder", {"folder": str(tmp_path)})


@pytest.mark.parametrize("source", ["vpr", "xri"])
def test_a_folder_without_a_picture_is_told_with_what_was_looked_for(tmp_path, source):
    (tmp_path / "notes.txt").write_text("words")
    (tmp_path / "uprn.csv").write_text("UPRN,LATITUDE,LONGITUDE\n")
    more = {"uprn_table": str(tmp_path / "uprn.csv")} if source == "xri" else {}
    with pytest.raises(ValueError, match=r"found no file in .*: is it the right folder"):
        gather(source, {"folder": str(tmp_path)} | more)
    with pytest.raises(FileNotFoundError, match="nowhere' is not a folder"):
        gather(source, {"folder": str(tmp_path / "nowhere")} | more)


def test_naming_the_sources_loads_none_of_them():
    heavy = "('geopandas', 'numba', 'pandera')"
    code = f"import sys, geonb.photos.sources; sys.exit(any(module in sys.modules for module in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("source", sorted({*SOURCES} - {"simulated"}))
def test_the_templates_only_use_options_that_exist(source):
    study = "photo_folder" if source == "folder" else source
    written = (ROOT / "notebooks" / "studies" / f"{study}.yml").read_text(encoding="utf-8")
    for variant in (written, re.sub(r"^    # (\w+: )", r"    \1", written, flags=re.MULTILINE)):
        parameters = yaml.safe_load(variant)["01_photos"]
        assert parameters["source"] == source
        check_options(takes_options(source), parameters["options"], study)
    if source in ("folder", "table"):
        assert written.count("<--") == 4  # three lines to edit, and the sentence that says so
