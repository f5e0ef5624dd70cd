"""The page of a sweep in a browser: its tables are sorted, and axe-core finds nothing."""

import math

import pytest

import spexjax as sx


def row(number, r2, error=""):
    numbers = {"budget": 32, "seed": 0, "features": 9, "ablations": 32, "r2": r2, "r2_error": 0.1, "seconds": 1.0}
    words = {"id": f"i{number}", "text": f"<b>text</b> {number}", "model": "", "method": "lasso", "index": "FSII"}
    return {**words, **numbers, "strongest": "a × b", "strongest_value": -0.25, "error": error}


@pytest.fixture
def page(tmp_path):
    rows = [row(0, 0.5), row(1, math.nan, "It is <down>."), row(2, -0.25), row(3, 0.75)]
    summary = [{"method": "lasso", "r2": 0.5, "low": math.nan, "high": math.nan}]
    curves = {"lasso": [(32, 0.5, 0.25, 0.75), (64, 0.8, 0.7, 0.9)]}
    links = {"i0": "explanations/i0/explanation.html"}
    return sx.report.write_sweep(rows, tmp_path / "a.html", links=links, summary=summary, curves=curves).read_text()


def test_a_heading_sorts(chromium, page):
    chromium.open(page)
    shown = "return [...document.querySelectorAll('#table ~ div tbody tr')].map(row => row.cells[0].innerText)"
    heading = "[...document.querySelectorAll('#table ~ div th')].find(h => h.innerText.startsWith('R²'))"
    for wanted, order in (("2031", "ascending"), ("3021", "descending"), ("2031", "ascending")):
        chromium.js(f"{heading}.firstChild.click()")
        assert chromium.js(shown) == [f"<b>text</b> {i}" for i in wanted], "what is unknown comes last"
        assert chromium.js(f"return {heading}.ariaSort") == order
    assert "It is &lt;down&gt;." in page


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_of_a_sweep_is_accessible(chromium, axe, page, dark):
    chromium.open(page, dark=dark)
    chromium.js(axe)
    script = "axe.run(document, {runOnly: arguments[0]}).then(arguments[1])"
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    found = chromium.driver.execute_async_script(script, tags)["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []
