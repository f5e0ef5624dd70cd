"""Units that people ask for: words without spaces, clauses, turns, documents, demonstrations, tool calls."""

import contextlib
import importlib.util
import sys
import types
import warnings

import numpy as np
import pytest
import regex

from spexjax import ablations
from spexjax.ablations._text import _segmenters, _sentences
from spexjax.ablations._text._units import KINDS, split
from spexjax.cli._arguments import FEATURES

CHINESE, JAPANESE, THAI = "我不喜欢这部电影，太长了。", "私はこの映画が好きではありません。", "ฉันไม่ชอบหนังเรื่องนี้เลย"
CHAT = "User: Is it good?\nYes or no?\n\nAssistant: It is.\nUser: Why?"
TAGGED = 'Context:\n<document id="1">Anna has\n\na car.</document>\n<document id="2">Ben walks.</document>\nWho walks?'
SHOTS = "Classify.\n\nReview: Great!\nLabel: good\n\nReview: Dull.\nLabel: bad\n\nReview: Not bad.\nLabel:"
CALLS = (
    'I look.\n<tool_call>{"name": "find"}</tool_call>\n<tool_response>none</tool_response>\nAgain.\n'
    '<tool_call>{"name": "read"}</tool_call>\nDone.'
)
REACT = "Thought: look\nAction: search[x]\nObservation: y\nThought: again\nAction: find[z]\nObservation: w\nAnswer: v"


@pytest.fixture(params=["installed", "none"])
def segmenters(request, monkeypatch):
    """With what is installed, and with nothing."""
    if request.param == "none":
        for name in ("fugashi", "jieba", "pysbd", "pythainlp", "spacy"):
            monkeypatch.setitem(sys.modules, name, None)
    caches = (_segmenters.word_segmenter, _segmenters.sentence_segmenter)
    for cached in caches:
        cached.cache_clear()
    yield request.param
    for cached in caches:
        cached.cache_clear()


def installed(name):
    return importlib.util.find_spec(name) is not None


@contextlib.contextmanager
def warned(language=None):
    """Of characters in place of words, once, or of nothing."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    said = [str(each.message) for each in caught]
    assert len(said) == (language is not None)
    assert all(f"character of the {language} text is a unit" in each for each in said)


def cores(text, features, language=None):
    with warned(language):
        units = split(text, features)
    assert units.ablate([True] * len(units.cores)) == text
    assert [text[a:b] for a, b, _ in units.spans()] == list(units.cores)
    assert all(core == core.strip() for core in units.cores)
    return units.cores


@pytest.mark.parametrize(
    ("text", "package", "language"),
    [(CHINESE, "jieba", "Chinese"), (JAPANESE, "fugashi", "Japanese"), (THAI, "pythainlp", "Thai")],
)
def test_a_text_without_spaces_has_words_or_characters(text, package, language, segmenters):
    found = cores(text, "word", None if segmenters == "installed" and installed(package) else language)
    assert "".join(found) == text
    clusters = regex.findall(r"\X", text)
    if segmenters == "installed" and installed(package):
        assert 1 < len(found) < len(clusters)
        wanted = {"jieba": "喜欢", "fugashi": "映画", "pythainlp": "หนัง"}[package]
        assert wanted in found
    else:
        assert len(found) == sum(regex.search(r"\p{P}", cluster) is None for cluster in clusters)


def test_characters_keep_their_marks_and_words_their_punctuation(monkeypatch):
    monkeypatch.setattr("spexjax.ablations._text._words.word_segmenter", lambda language: None)
    assert cores("ที่นี่", "word", "Thai") == ("ที่", "นี่")
    assert cores("（很）好！『真』的 GPT-4 吗？", "word", "Chinese") == (
        "（很）",
        "好！",
        "『真』",
        "的",
        "GPT-",
        "4",
        "吗？",
    )
    assert cores("か\u3099です", "word", "Japanese") == ("か\u3099", "で", "す")
    assert cores("ກິນເຂົ້າ", "word")[0] == "ກິ"
    assert cores("……", "word") == ("……",)
    assert cores("The word 日本 in a sentence。", "word") == ("The", "word", "日本", "in", "a", "sentence。")


def test_a_segmenter_that_changes_the_text_is_not_believed(monkeypatch):
    monkeypatch.setattr("spexjax.ablations._text._words.word_segmenter", lambda language: lambda text: [text, "!"])
    assert "".join(cores(CHINESE, "word")) == CHINESE
    assert len(cores(CHINESE, "word")) == 11
    text = "One is. Two are."
    monkeypatch.setattr(_sentences, "sentence_segmenter", lambda: lambda text: ["One"])
    assert cores(text, "sentence") == ("One is.", "Two are.")


def test_sentences_whichever_cuts_them(segmenters):
    assert cores("He left. She stayed!  Why?\n\nNobody knew", "sentence") == (
        *("He left.", "She stayed!", "Why?", "Nobody knew"),
    )
    if segmenters == "installed" and installed("pysbd"):
        assert len(cores("We met at 5 p.m. on Monday. Then he left.", "sentence")) == 2


def test_clauses_and_paragraphs(segmenters):
    text = "The plot is dull, but (strangely) I liked it; 1,000 others did not. Why – who knows?\n\n  He said: no."
    assert cores(text, "clause") == (
        *("The plot is dull,", "but (strangely) I liked it;", "1,000 others did not.", "Why –", "who knows?"),
        *("He said:", "no."),
    )
    assert cores("我不喜欢，太长。很好", "clause") == ("我不喜欢，", "太长。", "很好")
    assert cores(text, "paragraph") == (text.split("\n\n")[0], "He said: no.")


def test_turns():
    assert cores(CHAT, "turn") == ("User: Is it good?\nYes or no?", "Assistant: It is.", "User: Why?")
    names = "A talk.\nAnna Bell: Hi.\nBen: Hi!\nNote: x\nAnna Bell: Bye."
    assert cores(names, "turn")[0] == "Anna Bell: Hi."
    assert split(names, "turn").ablate([False, True, True, True]).startswith("A talk.\nBen: Hi!")
    marked = ("<|im_start|>user\nHi<|im_end|>", "<|im_start|>assistant\nHo<|im_end|>")
    assert cores("\n".join(marked), "turn") == marked


def test_documents():
    assert len(cores(TAGGED, "document")) == 2
    assert split(TAGGED, "document").ablate([False, False]) == "Context:\n\n\nWho walks?"
    assert split(TAGGED, "document").gaps_stay
    assert cores("Read:\nDocument 1: a\n\nb\nDocument 2: c", "document") == ("Document 1: a\n\nb", "Document 2: c")
    assert cores("[1] one\n[2] two\n[3] three", "document") == ("[1] one", "[2] two", "[3] three")
    assert cores("one\n---\ntwo\n\nmore\n---\nthree", "document") == ("one", "two\n\nmore", "three")


def test_demonstrations_leave_the_question():
    assert cores(SHOTS, "demonstration") == ("Review: Great!\nLabel: good", "Review: Dull.\nLabel: bad")
    left = split(SHOTS, "demonstration").ablate([False, True])
    assert left.startswith("Classify.\n\n")
    assert left.endswith("Review: Dull.\nLabel: bad\n\nReview: Not bad.\nLabel:")
    assert cores("Q1: a\nA1: b\nQ2: c\nA2: d", "demonstration") == ("Q1: a\nA1: b", "Q2: c\nA2: d")
    assert cores("great => good\n\ndull => bad", "demonstration") == ("great => good", "dull => bad")


def test_tool_calls_with_their_results():
    found = cores(CALLS, "tool-call")
    assert [("none" in call, "read" in call) for call in found] == [(True, False), (False, True)]
    assert split(CALLS, "tool-call").ablate([False, False]) == "I look.\n\nAgain.\n\nDone."
    assert cores(REACT, "tool-call") == ("Action: search[x]\nObservation: y", "Action: find[z]\nObservation: w")


@pytest.mark.parametrize("features", ["turn", "document", "demonstration", "tool-call"])
def test_what_is_not_there_is_said(features):
    with pytest.raises(ValueError, match=r"has no two .* that can be told: .*; or give spans"):
        split("Just some words.", features)


def test_noun_phrases(monkeypatch):
    text = "The old man saw a red boat."
    _segmenters._english.cache_clear()
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(ImportError, match="needs spaCy and its English model: pip install spacy"):
        split(text, "noun-phrase")
    chunks = [types.SimpleNamespace(start_char=a, end_char=b) for a, b in ((0, 11), (16, 26))]
    english = types.SimpleNamespace(load=lambda name: lambda text: types.SimpleNamespace(noun_chunks=chunks))
    monkeypatch.setitem(sys.modules, "spacy", english)
    units = split(text, "noun-phrase")
    assert units.cores == ("The old man", "a red boat")
    assert units.ablate([False, True]) == " saw a red boat."
    _segmenters._english.cache_clear()


@pytest.mark.filterwarnings("ignore:Each character")
@pytest.mark.parametrize(("features", "text"), [("document", TAGGED), ("word", CHINESE)])
@pytest.mark.parametrize("removal", ["delete", "hide"])
def test_a_model_is_given_what_is_left(tiny, features, text, removal):
    ablation = ablations.text(tiny, text, question="Q", answers=(" yes", " no"), features=features, removal=removal)
    n = ablation.num_features
    assert ablation.feature_names == split(text, features).cores
    whole, without = (len(s[0][0]) for s in ablation.sequences(np.array([[True] * n, [False] + [True] * (n - 1)])))
    assert without < whole
    assert ablations.precheck_text(text, features=features) == n
    assert "".join(piece for piece, _ in ablation.describe()["pieces"]) == text


def test_every_kind_is_an_option_of_the_command_line():
    assert (*KINDS, "token") == FEATURES


def test_long_texts_are_cut_in_linear_time(monkeypatch):
    monkeypatch.setattr("spexjax.ablations._text._words.word_segmenter", lambda language: None)
    assert len(cores("很好。" * 20_000, "word", "Chinese")) == 40_000
    assert len(split("User: yes, no\n" * 20_000, "turn").cores) == 20_000
    assert len(split("User: yes, no\n" * 20_000, "clause").cores) == 40_001
