"""What reaches a terminal: no string of a file or a model can steer it, whichever object prints it."""

import dataclasses
import unicodedata

import numpy as np
import pytest

import spexjax as sx
from spexjax._printable import labels, printable
from spexjax.explanation._explanation import Explanation, Faithfulness
from spexjax.report import where_time_went

HOSTILE = "\x1b]0;owned\x07\x9b31m\r\n\x08\x7f\u202e\u2066\u2028\ud800 ok"


@pytest.mark.parametrize("text", ["", "plain", "日本 ü — ∅", "👩‍🔬 e\u0301 می‌خواهم", "'\"\\", "a b\u00a0c"])
def test_ordinary_text_is_left_alone(text):
    assert printable(text) == text


def test_every_character_that_steers_is_escaped():
    assert printable(HOSTILE) == r"\x1b]0;owned\x07\x9b31m\r\n\x08\x7f\u202e\u2066\u2028\ud800 ok"
    for code in range(0x110000):
        if unicodedata.category(chr(code)) in ("Cc", "Cs"):
            assert printable(chr(code)).isascii()
            assert printable(chr(code)).isprintable()


@pytest.fixture
def explanation():
    masks = np.array([[False, False], [True, False], [False, True], [True, True]])
    spectrum = sx.Spectrum.from_dict({(0,): 1.0, (0, 1): 0.5}, 2)
    faithfulness = Faithfulness(0.5, np.arange(4), HOSTILE)
    names, details = (HOSTILE, HOSTILE + "2"), {HOSTILE: HOSTILE}
    return Explanation(spectrum, faithfulness, names, HOSTILE, masks, np.arange(4.0), details, details)


@pytest.mark.parametrize("form", [str, repr])
@pytest.mark.parametrize(
    "part",
    [
        lambda e: e,
        lambda e: e.faithfulness,
        lambda e: e.interactions("SII"),
        lambda e: e.remove(1, method="local"),
        lambda e: dataclasses.replace(e, method="exact"),
    ],
    ids=["explanation", "faithfulness", "interactions", "subset", "exact"],
)
def test_nothing_that_is_printed_steers(explanation, part, form, tmp_path):
    for source in (explanation, sx.load(explanation.save(tmp_path))):
        lines = form(part(source)).split("\n")  # repr breaks lines where numpy does
        assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in "".join(lines))
        assert not set("\u202e\u2066\u2028") & set("".join(lines))


def test_where_time_went():
    assert where_time_went({HOSTILE: 1.0}).startswith(r"\x1b]0;owned")


def test_what_has_no_width_is_shown():
    assert labels(["a\u200bb", "ab", "\u2060", "\ufeff", "x\xad"]) == (
        r"a\u200bb",
        "ab",
        r"\u2060",
        r"\ufeff",
        r"x\xad",
    )
    for written in ("👩\u200d💻", "می\u200cخواهم", "\u0601"):  # joiners are how these are spelled
        assert printable(written) == written
    assert printable("a\n\tb\u202e", keep="\n\t") == "a\n\tb\\u202e"
