"""The smoke book in headless Chromium, as a reader without a network uses it: pages, maps, a phone, the dark."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from PIL import Image

from geonb.files import ROOT
from geonb.showing import interactive_maps
from tests.test_built_book import HTML, PAGES, TELLING

CHROMIUM, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="there is no chromium with its chromedriver on this machine"),
]
book = pytest.mark.skipif(not PAGES, reason="the smoke book is not built: `make test` does it")
MAPS = sorted(path for path in TELLING if "geonb-map" in path.read_text(encoding="utf-8"))
HANGS_S = 600  # no busy machine comes near it
LOCAL = ("file:", "data:", "blob:", "about:", "chrome")
HOSTILE = (
    "<script>window.broken = 1</script> \"it's\" <img src=x onerror='window.broken = 1'> \u202eright to left 🏙",
    "{{ cycler.__init__.__globals__.os.getpid() }} 50 {% off, room {#4",
    r"Rue `a` $x_1^2$ **b** [c](javascript:d) \frac{e}",
)
THE_MAP = "const map = window[Object.keys(window).find(name => /^map_n?\\d+$/.test(name))];"


@pytest.fixture(scope="module")
def browser():
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    switches = (
        "headless=new no-sandbox disable-gpu disable-quic no-first-run disable-background-networking hide-scrollbars"
    )
    for switch in switches.split():
        options.add_argument(f"--{switch}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def opened(browser, path, *, width_px=1200, height_px=900):
    """The browser with a page open in a window of a size, and logs that begin with it."""
    browser.switch_to.default_content()
    browser.set_window_size(width_px, height_px)
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(path.as_uri())
    until(browser, "return document.readyState === 'complete' && document.body !== null", "the page never loads")
    return browser


def until(browser, script, what):
    """Wait until JavaScript returns something true, and return that."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, HANGS_S, 0.1).until(lambda b: b.execute_script(script), what)


def requested(browser):
    """Addresses that the page asked for."""
    events = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]


@book
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_asks_for_nothing_beyond_its_files_and_reports_no_error(browser, path):
    opened(browser, path)
    addresses = requested(browser)
    assert addresses
    assert [address for address in addresses if not address.startswith(LOCAL)] == []
    assert [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


@book
@pytest.mark.parametrize("path", TELLING, ids=lambda path: path.stem)
def test_a_page_fits_a_phone(browser, path):
    """Tables and code scroll in their own boxes; the page does not scroll sideways."""
    opened(browser, path, width_px=500)  # the narrowest window of a headless Chromium
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    )
    try:
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@book
def test_the_dark_book_is_dark(browser):
    media = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        opened(browser, HTML / "index.html")
        browser.execute_script("document.documentElement.dataset.theme = 'dark'")
        colour = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert max(int(part) for part in colour.strip("rgba()").split(",")[:3]) < 80
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@book
def test_a_click_on_a_head_sorts_a_table_and_a_second_one_turns_it_round(browser):
    opened(browser, HTML / "executed" / "07_compare.html")
    number = "return document.querySelectorAll('table.dataframe th[title=sort]').length"
    assert browser.execute_script(number) > 3
    clicked = """
        const table = [...document.querySelectorAll('table.dataframe:has(th[title=sort])')].find(
            found => [...found.tHead.rows[0].cells].some(cell => cell.innerText === "ratio"));
        const column = [...table.tHead.rows[0].cells].findIndex(cell => cell.innerText === "ratio");
        table.tHead.rows[0].cells[column].click();
        return [...table.tBodies[0].rows].map(row => row.cells[column].innerText.trim());"""
    rising, falling = (browser.execute_script(clicked) for _ in range(2))
    assert len(rising) > 2
    values = [float(text.replace(",", "")) for text in rising if text not in ("", "NaN")]
    assert values == sorted(values)
    assert [text for text in falling if text not in ("", "NaN")] == [
        text for text in rising if text not in ("", "NaN")
    ][::-1]
    assert rising[len(values) :] == falling[len(values) :]  # gaps stay last


def hover(browser, script):
    """Move the mouse to the point [x, y] of the map that JavaScript returns; the text of the tooltip there."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By

    area = browser.find_element(By.CSS_SELECTOR, ".leaflet-container")
    x, y = until(browser, THE_MAP + script, "no mark is in view")
    left, top = x - area.size["width"] / 2, y - area.size["height"] / 2
    move = ActionChains(browser, duration=50)
    move.move_to_element_with_offset(area, left + 3, top).pause(0.1).move_to_element_with_offset(
        area, left, top
    ).perform()
    return until(browser, "return document.querySelector('.geonb-tooltip')?.innerText", "no tooltip opens")


def entered(browser, frame):
    """Go into the frame of a map that is in view: Chromium lays a frame out once it is, and pages may still shift."""
    from selenium.webdriver.support.ui import WebDriverWait

    def laid_out(browser):
        browser.switch_to.default_content()
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", frame)
        browser.switch_to.frame(frame)
        return browser.execute_script(THE_MAP + "return map && map.getSize().x > 300")

    WebDriverWait(browser, HANGS_S, 0.3).until(laid_out, "the map has no size")


A_MARK = """
    let found = null;
    map.eachLayer(layer => {
        if (!(layer instanceof L.CircleMarker)) return;
        const at = map.latLngToContainerPoint(layer.getLatLng()), size = map.getSize();
        if (at.x > 200 && at.x < size.x - 220 && at.y > 100 && at.y < size.y - 100) found = [at.x, at.y];
    });
    return found;"""


@book
def test_the_pages_that_promise_a_map_have_one():
    assert {"01_photos", "05_soft_labels", "09_error_maps", "15_your_photos"} <= {path.stem for path in MAPS}


@book
@pytest.mark.parametrize("path", MAPS, ids=lambda path: path.stem)
def test_every_map_zooms_pans_toggles_a_layer_and_tells_of_a_photo(browser, path):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By

    opened(browser, path)
    for frame in browser.find_elements(By.CSS_SELECTOR, "iframe.geonb-map"):
        entered(browser, frame)
        assert hover(browser, A_MARK)
        before = browser.execute_script(THE_MAP + "return [map.getZoom(), map.getCenter().lng]")
        browser.find_element(By.CSS_SELECTOR, ".leaflet-control-zoom-in").click()
        until(browser, THE_MAP + f"return map.getZoom() > {before[0]}", "the map does not zoom")
        area = browser.find_element(By.CSS_SELECTOR, ".leaflet-container")
        ActionChains(browser).move_to_element(area).click_and_hold().move_by_offset(-90, 0).pause(
            0.2
        ).release().perform()
        until(browser, THE_MAP + f"return map.getCenter().lng > {before[1]}", "the map does not pan")
        layers = browser.find_elements(By.CSS_SELECTOR, ".leaflet-control-layers-base input")
        if layers:
            browser.execute_script("arguments[0].click()", layers[-1])
            assert layers[-1].is_selected()
            assert not layers[0].is_selected()


def photos_of(count, caption="a street"):
    rng = np.random.default_rng(0)
    lon_deg, lat_deg = 9 + 0.02 * rng.standard_normal(count), 48 + 0.02 * rng.standard_normal(count)
    table = pd.DataFrame({"photo_id": [f"p{n}" for n in range(count)], "city": "Oulu", "caption": caption})
    return gpd.GeoDataFrame(table, geometry=gpd.points_from_xy(lon_deg, lat_deg), crs=4326)


def map_of(photos, folder):
    """The page of a map as a file."""
    path = folder / "map.html"
    path.write_text(interactive_maps.photo_map(photos, simulated=False).page, encoding="utf-8")
    return path


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_caption_is_shown_as_text(browser, tmp_path, text):
    opened(browser, map_of(photos_of(30, text), tmp_path))
    assert text in hover(browser, A_MARK)
    assert browser.execute_script("return window.broken") is None


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory):
    """The page of a book that shows every text of HOSTILE in a table, a sentence, a note and a glued sentence."""
    folder = tmp_path_factory.mktemp("hostile")
    cells = [
        new_markdown_cell("# Names\n\n" + "\n\n".join(f"Glued: {{glue:text}}`text{k}`" for k in range(len(HOSTILE)))),
        new_code_cell(
            "import pandas as pd\nfrom IPython.display import display\nfrom myst_nb import glue\n"
            "from geonb.book import results, wording  # results sets how tables are shown\n"
            f"texts = {HOSTILE!r}\n"
            "for number, text in enumerate(texts):\n    glue(f'text{number}', text, display=False)\n"
            "    display(wording.paragraph(text), wording.note([text]))\n"
            "pd.DataFrame({'street': texts}, index=texts)"
        ),
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = new_notebook(cells=cells, metadata=kernel)
    NotebookClient(notebook).execute()
    nbformat.write(notebook, folder / "names.ipynb")
    (folder / "_toc.yml").write_text("format: jb-book\nroot: names\n")
    (folder / "references.bib").write_text("")
    (folder / "extra").mkdir()
    command = [Path(sys.executable).with_name("jupyter-book"), "build", folder, "--config", ROOT / "_config.yml", "-q"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return folder / "_build" / "html" / "names.html"


def test_hostile_names_are_text_in_tables_and_sentences_of_a_page(browser, hostile_page):
    opened(browser, hostile_page)
    said = browser.execute_script("return [...document.querySelectorAll('article p')].map(p => p.textContent)")
    cells = browser.execute_script("return [...document.querySelectorAll('td, tbody th')].map(p => p.textContent)")
    for text in HOSTILE:
        plain = " ".join(text.split())
        assert {f"Glued: {plain}", plain, f"Read with care. {plain}"} <= {" ".join(words.split()) for words in said}
        assert sum(cell.startswith(text[:40]) for cell in cells) == 2  # pandas cuts a long cell
    assert browser.execute_script("return window.broken") is None
    assert browser.execute_script("return document.querySelectorAll('mjx-container').length") == 0


def test_a_map_learns_its_size_without_a_resize_of_the_window(browser, tmp_path):
    """As in a frame that is laid out late: it had no size when the map was made, and no event follows."""
    opened(browser, map_of(photos_of(30), tmp_path))
    browser.execute_script("document.querySelector('.leaflet-container').style.width = '407px'")
    until(browser, THE_MAP + "return map.getSize().x == 407", "the map keeps its old size")


@pytest.mark.parametrize("count", [3_000, 30_000])
def test_many_photos_make_a_small_map_that_is_not_blank(browser, tmp_path, count):
    page = map_of(photos_of(count), tmp_path)
    assert page.stat().st_size < 1_500_000
    opened(browser, page)
    hover(browser, A_MARK)
    shown = np.asarray(Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")).astype(int)
    blue = (shown[..., 2] - shown[..., 0] > 60).sum()
    assert blue > 1_000
