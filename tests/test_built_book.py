"""The HTML of the smoke book, as a reader without a network gets it. `make test` builds it before it asks here."""

import html
import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from geonb.book.page_dependencies import all_pages
from geonb.files import ROOT

HTML = ROOT / "build" / "smoke" / "_build" / "html"
PAGES = sorted(HTML.glob("*.html")) + sorted(HTML.glob("executed/*.html"))
TELLING = [path for path in PAGES if path.stem not in {"genindex", "search", "index"}]
pytestmark = pytest.mark.skipif(not PAGES, reason="the smoke book is not built: `make test` does it")

every_telling_page = pytest.mark.parametrize("path", TELLING, ids=lambda path: path.stem)
REMOTE = re.compile(r"^(https?:)?//")


def soup_of(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def loaded_by(soup):
    """What a browser fetches for a page by itself: not the links that a reader may follow."""
    for tag in soup.find_all(["script", "img", "iframe", "source", "video", "audio", "embed", "object", "link"]):
        if tag.name == "link" and "canonical" in tag.get("rel", []):
            continue
        for name in ("src", "data", "href" if tag.name == "link" else "src"):
            if tag.get(name):
                yield tag[name]
    for frame in soup.find_all("iframe", srcdoc=True):  # maps
        yield from loaded_by(BeautifulSoup(html.unescape(frame["srcdoc"]), "html.parser"))
    for style in soup.find_all("style"):
        yield from re.findall(r"url\(['\"]?([^'\")]+)", style.get_text())


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_loads_only_files_that_are_there_is_light_and_shows_no_stderr_and_no_folder_of_its_maker(path):
    soup = soup_of(path)
    for address in loaded_by(soup):
        assert not REMOTE.match(address)
        if not address.startswith(("data:", "#", "about:")):
            assert (path.parent / address.split("?")[0].split("#")[0]).exists(), address
    assert soup.select(".output.stderr") == []
    assert path.stat().st_size < 4e6  # for a phone
    assert str(Path.home()) + "/" not in soup.get_text()
    assert str(ROOT) not in soup.get_text()


@pytest.mark.parametrize("path", sorted(HTML.rglob("*.css")), ids=lambda path: path.name)
def test_no_style_sheet_fetches_from_the_network(path):
    found = re.findall(r"(?:url\(|@import )['\"]?((?:https?:)?//[^'\")]+)", path.read_text(encoding="utf-8"))
    assert found == []


@every_telling_page
def test_mathjax_is_the_books_own_and_loaded_once(path):
    scripts = [tag["src"] for tag in soup_of(path).find_all("script", src=True)]
    assert sum("mathjax" in address.lower() for address in scripts) <= 1
    assert not any("leaflet" in address or "jquery" in address for address in scripts)


def test_pages_with_formulas_find_mathjax():
    with_formulas = [path for path in PAGES if soup_of(path).select(".math")]
    assert with_formulas
    assert all("vendor/mathjax/tex-mml-chtml.js" in path.read_text(encoding="utf-8") for path in with_formulas)


def test_every_page_of_the_study_is_in_the_book_and_says_how_it_was_made():
    shown = {path.stem: soup_of(path).get_text() for path in (HTML / "executed").glob("*.html")}
    assert len(shown) == len(all_pages("smoke"))
    for name, text in shown.items():
        assert "Study smoke" in text, name


def test_the_introduction_shows_numbers_that_the_pages_have_made():
    text = soup_of(HTML / "intro.html").get_text(" ")
    assert re.search(r"ordinary CLIP training places\s+\d+%\s+of the test photos in the right city", text), text[:3000]


def test_what_photos_offer_is_told_where_the_study_asks_for_it():
    text = soup_of(HTML / "executed" / "07_compare.html").get_text(" ")
    assert "What the photos offer, and what a method makes of it" in text
    assert re.search(r"offer at most [\d.]+ bits about a place within its city; a cell needs [\d.]+", text)


@every_telling_page
def test_reading_is_possible_by_day_and_night_on_a_phone_and_with_search(path):
    soup = soup_of(path)
    assert soup.select(".theme-switch-button, .theme-switch")
    assert soup.find("meta", attrs={"name": "viewport"})
    assert len({form.get("action") for form in soup.select("form.bd-search")}) == 1
    assert any("geonb.css" in tag["href"] for tag in soup.find_all("link", href=True))


def test_the_index_of_the_search_knows_the_pages():
    assert "executed/07_compare" in (HTML / "searchindex.js").read_text(encoding="utf-8")
