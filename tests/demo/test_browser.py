"""The page in a browser: Chromium without a window, on a desktop and on a phone.

DEMO_SCREENSHOTS=docs/images writes what is seen there.
"""

import base64
import io
import json
import os
import shutil
from pathlib import Path

import pysubs2
import pytest
from page_server import serving
from PIL import Image
from praatio import textgrid

from espnet_wabert.demo.clips import CLIPS, DASHWOOD

pytest.importorskip("gradio")
webdriver = pytest.importorskip("selenium.webdriver")
wait = pytest.importorskip("selenium.webdriver.support.wait")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium, chromium-driver"),
]
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
# Chromium itself asks its maker for updates, and /dev/shm is small in a container.
ARGUMENTS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server.url


@pytest.fixture(params=SIZES)
def browser(request, tmp_path, url):
    width, height = SIZES[request.param]
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in [*ARGUMENTS, f"--window-size={width},{height}"]:
        options.add_argument(argument)
    if request.param == "phone":
        metrics = {"width": width, "height": height, "pixelRatio": 1.0}
        options.add_experimental_option("mobileEmulation", {"deviceMetrics": metrics})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        down = {"behavior": "allow", "downloadPath": str(tmp_path)}
        browser.execute_cdp_cmd("Browser.setDownloadBehavior", down)
        browser.get(url)
        until(browser, lambda: all_of(browser, "#align"))
        yield browser
    finally:
        browser.quit()


def until(browser, condition):
    return wait.WebDriverWait(browser, 60).until(lambda _: condition())


def all_of(browser, selector: str, text: str = "") -> list:
    found = browser.find_elements("css selector", selector)
    return [e for e in found if e.is_displayed() and text in e.text]


def click(browser, selector: str, text: str = "") -> None:
    element = until(browser, lambda: all_of(browser, selector, text))[0]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def upload(browser, path: Path | str) -> None:
    clear = "#recording button[aria-label='Clear']"
    until(browser, lambda: not all_of(browser, clear))
    browser.find_element("css selector", "#recording input[type=file]").send_keys(str(path))
    until(browser, lambda: all_of(browser, clear))


def words(browser) -> list[str]:
    return [e.text for e in until(browser, lambda: all_of(browser, "#words button.word"))]


def assert_clean(browser, url: str) -> None:
    """No error in the console, no request to another host, nothing wider than the screen."""
    logged = browser.get_log("browser")
    assert [entry for entry in logged if entry["level"] == "SEVERE"] == []
    messages = [json.loads(e["message"])["message"] for e in browser.get_log("performance")]
    sent = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    asked = [params["request"]["url"] for params in sent]
    assert len(asked) > 10
    assert [a for a in asked if not a.startswith((url, "data:", "blob:"))] == []
    wide, screen = browser.execute_script(
        "return [document.documentElement.scrollWidth, window.innerWidth]"
    )
    assert wide <= screen


def keep_screenshot(browser, name: str) -> None:
    """Write the whole page as a PNG of less than 200 kB, if a folder is named."""
    folder = os.environ.get("DEMO_SCREENSHOTS")
    if folder:
        browser.execute_script("document.activeElement.blur(); window.scrollTo(0, 0)")
        taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        image = Image.open(io.BytesIO(base64.b64decode(taken["data"]))).convert("RGB")
        path = Path(folder) / f"{name}.png"
        image.quantize(192, dither=Image.Dither.NONE).save(path, optimize=True)
        assert path.stat().st_size < 200_000


def test_an_upload_is_aligned_and_downloaded(browser, url, tmp_path, request):
    path = shutil.copy(CLIPS[0].path, tmp_path / "talk é.flac")
    upload(browser, path)
    browser.find_element("css selector", "#transcript textarea").send_keys(DASHWOOD)
    click(browser, "#align")
    assert words(browser) == DASHWOOD.split()
    (picture,) = all_of(browser, "#picture img")
    assert browser.execute_script("return arguments[0].naturalWidth", picture) > 1000
    keep_screenshot(browser, f"demo_{request.node.callspec.params['browser']}")
    for kind in ("TextGrid", "SRT", "JSON"):
        click(browser, "#results button", kind)
    files = until(browser, lambda: (
        (found := {p.suffix: p for p in tmp_path.glob("talk*")}).keys()
        >= {".TextGrid", ".srt", ".json"} and found
    ))  # fmt: skip
    grid = textgrid.openTextgrid(str(files[".TextGrid"]), includeEmptyIntervals=False)
    assert [entry.label for entry in grid.getTier("words").entries] == DASHWOOD.split()
    said = " ".join(event.plaintext.replace("\n", " ") for event in pysubs2.load(files[".srt"]))
    assert said == DASHWOOD
    (found,) = json.loads(files[".json"].read_text()).values()
    assert [word["word"] for word in found["words"]] == DASHWOOD.split()
    assert_clean(browser, url)


def test_a_click_on_an_example_reads_it_and_on_a_word_plays_it(browser, url):
    click(browser, "button", CLIPS[1].label)
    read = "he might even have been made amiable himself"
    assert words(browser) == read.split()
    (box,) = all_of(browser, "#read textarea")
    assert box.get_property("value") == read
    click(browser, "#words button.word", "himself")
    playing = "return document.querySelector('#results audio').currentTime"
    until(browser, lambda: browser.execute_script(playing) > 1.5)
    for tab, table in (("Methods", "#methods td"), ("Subwords", "#candidates td")):
        click(browser, "#results button[role=tab]", tab)
        assert until(browser, lambda table=table: all_of(browser, table))
    assert_clean(browser, url)


def test_bad_input_is_one_line_and_hides_the_old_answer(browser, url, tmp_path):
    click(browser, "button", CLIPS[2].label)
    assert len(words(browser)) == len(DASHWOOD.split())
    assert "may not belong to this recording" in all_of(browser, "#summary .doubt")[0].text
    (tmp_path / "notes.wav").write_text("not audio")
    click(browser, "#recording button[aria-label='Clear']")
    upload(browser, tmp_path / "notes.wav")
    click(browser, "#align")
    (message,) = until(browser, lambda: all_of(browser, "[data-testid=toast-text]"))
    assert message.text == "notes.wav: not an audio file: Format not recognised."
    until(browser, lambda: not all_of(browser, "#results"))
