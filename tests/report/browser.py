"""A headless Chromium for tests, and axe-core; each is skipped with a reason where it cannot be had."""

import os
import shutil
import subprocess
import tarfile
from importlib.util import find_spec
from pathlib import Path

import pytest

AXE = "4.10.3"
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--disable-dev-shm-usage", "--force-device-scale-factor=1",
)  # fmt: skip


TEXT = """I expected to hate this film , and the first hour is not exactly gripping . But the acting is never less than
superb , the ending is far from predictable , and I could not have been happier that nobody talked me out of it ."""
WORDS = TEXT.split()


def in_text(words):
    """Provenance of a text of these words."""
    pieces = [piece for i, word in enumerate(words) for piece in ([word, i], [" ", -1])][:-1]
    return {
        "model": "SmolLM2", "question": "Is the review positive?\n{text}", "before": "Is the review positive?\n",
        "after": "", "pieces": pieces, "answers": [" Positive", " Negative"], "value": "logit-difference",
    }  # fmt: skip


class Browser:
    """Opens pages, looks at them and touches them."""

    def __init__(self, driver, folder):
        self.driver, self.folder = driver, folder
        self.js = driver.execute_script

    def open(self, page, *, width=1200, height=900, dark=False, touch=False, media=""):
        """Shows a page at a size of the window; `touch` makes it a phone's."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": touch}
        self.cdp("Emulation.setDeviceMetricsOverride", **size)
        self.cdp("Emulation.setTouchEmulationEnabled", enabled=touch, maxTouchPoints=1)
        self.cdp("Emulation.setEmulatedMedia", media=media, features=scheme)
        path = Path(self.folder, "page.html")
        path.write_text(page, encoding="utf-8")
        self.driver.get(path.as_uri())
        return self

    def cdp(self, command, **arguments):
        return self.driver.execute_cdp_cmd(command, arguments)

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def text(self, selector):
        return self.js("return document.querySelector(arguments[0]).innerText", selector)

    def choose(self, selector, value):
        """Sets a control as a user would, with its event."""
        script = "const e = document.querySelector(arguments[0]); e.value = arguments[1];"
        self.js(script + "e.dispatchEvent(new Event('input', {bubbles: true}))", selector, str(value))

    def point_at(self, element):
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).move_to_element(element).perform()

    def press(self, *keys):
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def tap(self, element):
        """Touches the middle of an element's first line with a finger."""
        box = self.js(
            "arguments[0].scrollIntoView({block: 'center'}); const b = arguments[0].getClientRects()[0];"
            "return [b.left + b.width / 2, b.top + b.height / 2]",
            element,
        )
        self.cdp("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": box[0], "y": box[1]}])
        self.cdp("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def errors(self):
        """What the page complained of, a blocked script included."""
        return [entry["message"] for entry in self.driver.get_log("browser") if "favicon" not in entry["message"]]


def start(folder):
    """A Chromium with a profile of its own, or a skipped test."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not binary or not driver:
        pytest.skip("no browser: apt-get install chromium chromium-driver")
    if find_spec("selenium") is None:
        pytest.skip("no Python client of the browser: pip install selenium")
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    options = ChromeOptions()
    options.binary_location = binary
    for flag in (*_FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return Chrome(options=options, service=ChromeService(driver))


def axe_source():
    """axe-core, fetched once from the npm registry into the user's cache, or a skipped test."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "spexjax-tests")
    script = cache / f"axe-{AXE}.js"
    if not script.is_file():
        if shutil.which("npm") is None:
            pytest.skip("no npm to fetch axe-core with: apt-get install npm")
        cache.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(
            ["npm", "pack", f"axe-core@{AXE}", "--silent"], cwd=cache, capture_output=True, text=True, timeout=60
        )
        if packed.returncode:
            pytest.skip(f"npm cannot fetch axe-core: {packed.stderr.strip()[-200:]}")
        with tarfile.open(cache / packed.stdout.split()[-1]) as archive:
            script.write_bytes(archive.extractfile("package/axe.min.js").read())
    return script.read_text(encoding="utf-8")
