"""Words: between white space; in scripts without spaces by a segmenter, or character by character."""

import re
import warnings
from collections.abc import Iterator

import regex

from spexjax.ablations._text._segmenters import Span, word_segmenter

_CHINESE_JAPANESE = r"\p{Han}\p{Hiragana}\p{Katakana}ー々〆"
_OTHER = r"\p{Lao}\p{Khmer}\p{Myanmar}"  # without a segmenter here
_SPACELESS = regex.compile(rf"[{_CHINESE_JAPANESE}{_OTHER}\p{{Thai}}]")
_RUNS = regex.compile(
    rf"(?V1)(?P<cj>[{_CHINESE_JAPANESE}][{_CHINESE_JAPANESE}\p{{M}}]*)"
    rf"|(?P<thai>\p{{Thai}}[\p{{Thai}}\p{{M}}]*)|(?P<other>[{_OTHER}][{_OTHER}\p{{M}}]*)"
    rf"|(?P<opening>[\p{{Ps}}\p{{Pi}}]+)"
    rf"|(?P<word>[[\p{{L}}\p{{N}}\p{{M}}]--[{_CHINESE_JAPANESE}{_OTHER}\p{{Thai}}]]+)|(?P<closing>\S)"
)
_SEGMENTED = {"zh": ("Chinese", "jieba"), "ja": ("Japanese", "fugashi"), "th": ("Thai", "pythainlp")}
_CJ, _THAI = regex.compile(rf"[{_CHINESE_JAPANESE}]"), regex.compile(r"\p{Thai}")
_LETTER = regex.compile(r"[\p{L}\p{N}]")
_KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}]")
_CLUSTER = regex.compile(r"\X")


def words(text: str) -> list[Span]:
    """Where the words stand. Punctuation belongs to the word before it, an opening bracket to the one after.

    A text of whose letters more than half are Chinese, Japanese, Thai, Lao, Khmer or Burmese is cut by jieba, fugashi
    or pythainlp where that is installed, else into characters as readers see them: a letter with its marks is one.

    Args:
      text: to be cut.

    Warns:
      UserWarning: if it is cut into characters because a segmenter is not installed.

    >>> [("not bad"[a:b]) for a, b in words("not bad")]
    ['not', 'bad']
    """
    spans = [m.span() for m in re.finditer(r"\S+", text)]
    if 2 * len(_SPACELESS.findall(text)) <= len(_LETTER.findall(text)):
        return spans
    japanese = _KANA.search(text) is not None
    _warn_of_characters(text, "ja" if japanese else "zh")
    return [span for a, b in spans for span in _whole(_pieces(text, a, b, japanese))]


def _warn_of_characters(text: str, chinese_or_japanese: str) -> None:
    """Warns of each language of the text whose segmenter is missing."""
    for language, letter in ((chinese_or_japanese, _CJ), ("th", _THAI)):
        if letter.search(text) and word_segmenter(language) is None:
            name, package = _SEGMENTED[language]
            warnings.warn(
                f"Each character of the {name} text is a unit, since {package} is not installed, which finds words: "
                "pip install 'spexjax[units]'.",
                stacklevel=2,
            )


def _pieces(text: str, start: int, end: int, japanese: bool) -> Iterator[tuple[int, int, str]]:
    """(start, end, kind) of the words, opening and closing marks between two places without white space."""
    for run in _RUNS.finditer(text, start, end):
        kind = run.lastgroup or ""
        if kind not in ("cj", "thai", "other"):
            yield *run.span(), kind
            continue
        language = {"thai": "th", "cj": "ja" if japanese else "zh"}.get(kind)
        at = run.start()
        for word in _cut(run[0], language):
            yield at, at + len(word), "word"
            at += len(word)


def _cut(run: str, language: str | None) -> list[str]:
    """The words of a run of one script, which together are the run."""
    cut = None if language is None else word_segmenter(language)
    found = [] if cut is None else [word for word in cut(run) if word]
    return found if "".join(found) == run else _CLUSTER.findall(run)


def _whole(pieces: Iterator[tuple[int, int, str]]) -> list[Span]:
    """The words with their marks; marks alone make up one."""
    spans: list[Span] = []
    begun = None  # where opening marks began that no word has followed yet
    for start, end, kind in pieces:
        if kind == "opening":
            begun = start if begun is None else begun
        elif kind == "closing" and begun is None and spans:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start if begun is None else begun, end))
            begun = None
    if begun is not None:
        spans.append((begun, end))
    return spans
