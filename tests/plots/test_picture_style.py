"""Colours that differ in grey, and names that are not taken for mathematics."""

import sys

import matplotlib.pyplot as plt
import pytest
from drawable import small
from matplotlib.colors import to_rgb

from spexjax import plots
from spexjax.plots import _style as style


def luminance(colour):
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_the_signs_differ_in_grey_and_words_are_legible_on_them():
    assert contrast(style.POSITIVE, style.NEGATIVE) > 3
    for value in (1.0, 0.5, 0.1, -0.1, -0.5, -1.0):
        fill = style.tint(value, 1.0)
        assert contrast(fill, style.ink_on(fill)) > 4.5
    assert contrast(style.MUTED, "white") > 4.5


def test_faded_is_paler():
    assert luminance(style.tint(1.0, 1.0, faded=True)) > luminance(style.tint(1.0, 1.0))
    assert style.tint(0.0, 0.0) == (1, 1, 1)


@pytest.mark.parametrize("string", ["$x$", "a $ b", r"\$", "50% of $20 and $30", r"\alpha", "_{^"])
def test_names_are_no_mathematics(string):
    text = plt.figure().text(0, 0, style.plain(string))
    drawn, is_math = text._preprocess_math(text.get_text())
    assert drawn == string
    assert is_math is False


def test_titles_break_and_quotes_stay_whole():
    ax = style.new_axes(None, 3.0, 2.0)
    style.titled(ax, 'not × good pushes towards " a very long answer": +1.25', ["one note", "another note " * 4])
    title = ax.get_title(loc="left")
    assert "\n" in title
    assert '"\u00a0a\u00a0very\u00a0long\u00a0answer"' in title


def test_without_matplotlib_there_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="pip install 'spexjax"):
        plots.bars(small())


def test_without_networkx_there_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(ImportError, match="pip install 'spexjax"):
        plots.network(small())
