"""Cutting texts and putting them together again."""

import time

import numpy as np
import pytest

from spexjax.ablations._text import _sentences
from spexjax.ablations._text._units import split

REVIEW = "Dr. Smith's film isn't bad.  Really!\n\nSee it (twice?) at 3.5 stars... \"Wow.\" he said"


@pytest.fixture(autouse=True)
def _by_rule(monkeypatch):
    monkeypatch.setattr(_sentences, "sentence_segmenter", lambda: None)


@pytest.mark.filterwarnings("ignore:Each character")
@pytest.mark.parametrize("features", ["word", "sentence", "line", [(0, 3), (4, 9), (20, 27)]])
@pytest.mark.parametrize("text", [REVIEW, "  lead and trail \n", "日本語です。これは文です。", "one", "a\n\n\nb\n"])
def test_kept_whole_it_is_the_text_itself(text, features):
    if not isinstance(features, str) and len(text) < 27:
        features = [(0, 1), (2, 3)]
    units = split(text, features)
    assert units.ablate([True] * len(units.cores)) == text
    assert [text[a:b] for a, b, _ in units.spans()] == list(units.cores)
    assert all(core == core.strip() for core in units.cores) or not isinstance(features, str)


def test_words_are_deleted_and_the_rest_joined_by_single_spaces():
    text = "This movie is not bad at all."
    words = text.split()
    units = split(text, "word")
    assert list(units.cores) == words
    for code in range(2 ** len(words)):
        kept = [bool(code >> i & 1) for i in range(len(words))]
        assert units.ablate(kept) == " ".join(w for w, k in zip(words, kept, strict=True) if k)


def test_sentences():
    units = split(REVIEW, "sentence")
    assert list(units.cores) == [
        "Dr. Smith's film isn't bad.",
        "Really!",
        "See it (twice?) at 3.5 stars...",
        '"Wow."',
        "he said",
    ]
    assert split("これは文。次の文！", "sentence").cores == ("これは文。", "次の文！")
    short = "Was it good? No. So do I. See No. 3, etc. and Fig. 2, etc. Then J. Smith left."
    assert split(short, "sentence").cores == (
        "Was it good?",
        "No.",
        "So do I.",
        "See No. 3, etc. and Fig. 2, etc.",
        "Then J. Smith left.",
    )


def test_lines_and_replacement():
    units = split("first line\nsecond\n\n third ", "line")
    assert units.cores == ("first line", "second", "third")
    assert units.ablate([True, False, True]) == "first line\nthird "
    assert units.ablate([False, False, True], ["[...]"] * 3) == "[...]\n[...]\n\n third "


def test_long_texts_are_cut_in_linear_time():
    text = "It was Mr. Brown who said so. " * 30_000
    assert len(split(text, "sentence").cores) == 30_000


def test_given_spans_leave_the_rest_alone():
    units = split("name: Ada, age: 36.", [(6, 9), (16, 18)])
    assert units.ablate([False, True]) == "name: , age: 36."
    assert units.ablate([False, False], ["?"] * 2) == "name: ?, age: ?."


def test_spans_in_an_array(unchecked):
    assert split("some text", np.array([[0, 4], [5, 9]])).cores == ("some", "text")


@pytest.mark.parametrize("spans", [[(3, 3)], [(0, 4), (2, 6)], [(5, 6), (0, 2)], [(0, 99)], [(-1, 2)]])
def test_bad_spans(spans):
    with pytest.raises(ValueError, match="without overlap"):
        split("some text", spans)


def test_unknown_features():
    with pytest.raises(ValueError, match="'letter'"):
        split("some text", "letter")


@pytest.mark.parametrize(
    "text", ["." * 40_000, '."' * 20_000, ".)" * 20_000, "a." + " " * 40_000, "\n " * 20_000, "etc." * 10_000]
)
def test_cutting_takes_linear_time(text):
    start = time.perf_counter()
    for features in ("word", "sentence", "line"):
        split(text + "a b", features)
    assert time.perf_counter() - start < 5  # hundredths of a second on an idle machine
