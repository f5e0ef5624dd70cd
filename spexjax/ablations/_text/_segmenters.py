"""The one file that imports segmenters; where one is not installed, the caller has a rule of its own."""

import functools
import warnings
from collections.abc import Callable
from typing import Any

Span = tuple[int, int]
Segmenter = Callable[[str], list[str]]


@functools.cache
def word_segmenter(language: str) -> Segmenter | None:
    """What cuts a text without spaces into words; None if it is not installed, or has no dictionary.

    Args:
      language: "zh" (jieba), "ja" (fugashi) or "th" (pythainlp).
    """
    makers = {"zh": _chinese, "ja": _japanese, "th": _thai}
    try:
        with warnings.catch_warnings():  # of their own imports
            warnings.simplefilter("ignore")
            return makers[language]()
    except (ImportError, RuntimeError, OSError):
        return None


def _chinese() -> Segmenter:
    import logging

    import jieba

    jieba.setLogLevel(logging.ERROR)
    return jieba.lcut


def _japanese() -> Segmenter:
    import fugashi

    tagger = fugashi.Tagger()
    return lambda text: [word.surface for word in tagger(text)]


def _thai() -> Segmenter:
    from pythainlp import word_tokenize

    return word_tokenize


@functools.cache
def sentence_segmenter() -> Segmenter | None:
    """What cuts an English text into sentences with the white space after them (pysbd); None if it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pysbd

            return pysbd.Segmenter(language="en", clean=False).segment
    except ImportError:
        return None


@functools.cache
def _english() -> Any:
    try:
        import spacy

        return spacy.load("en_core_web_sm")
    except (ImportError, OSError) as error:
        raise ImportError(
            "features='noun-phrase' needs spaCy and its English model: pip install spacy, then "
            "python -m spacy download en_core_web_sm."
        ) from error


def noun_phrases(text: str) -> list[Span]:
    """Where the noun phrases of an English text stand, by spaCy.

    Args:
      text: to be read.

    Raises:
      ImportError: if spaCy or its English model is not installed.
    """
    return [(chunk.start_char, chunk.end_char) for chunk in _english()(text).noun_chunks]
