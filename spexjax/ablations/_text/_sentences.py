"""Sentences, and the clauses in them."""

import re

import regex

from spexjax.ablations._text._segmenters import Span, sentence_segmenter

_ABBREVIATION = re.compile(  # full stops that end no sentence: always, before a number, before a lower-case letter
    r"(?<![^\s(\"'])(?:(?:[A-HJ-Z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|e\.g|i\.e|cf|U\.S|U\.K)\."
    r"|(?:No|Fig)\.(?=\s*\d)|etc\.(?=\s*[a-z]))"
)
_STOPS = (
    r"(?<![.!?…])[.!?…]++[\"'”’]*"  # matched from the first of several stops only; from each would take quadratic time
)
_SENTENCE_END = re.compile(rf"{_STOPS}(?=\s)|{_STOPS}[)\]]+[\"'”’]*(?=\s+[^a-z])|[。！？]+[”’」』）]*")
_CLAUSE_END = re.compile(r"[,;:][\"'”’)\]]*(?=\s)|(?<=\s)[–—-]+(?=\s)|—(?=\S)|[，；：、]")
_LONG = 20_000  # characters; pysbd is slow
_LATIN = regex.compile(r"\p{Latin}")


def sentences(text: str) -> list[Span]:
    """Where the sentences stand: by pysbd where it is installed and the text is a Latin one, else by a rule.

    Args:
      text: to be cut.
    """
    cut = sentence_segmenter()
    if cut is not None and len(text) <= _LONG and 2 * len(_LATIN.findall(text)) > len(text):
        found = cut(text)
        if "".join(found) == text:
            ends, at = [], 0
            for sentence in found:
                at += len(sentence)
                ends.append(at)
            return between(text, [*ends, *_gaps(text)])
    return by_rule(text)


def by_rule(text: str) -> list[Span]:
    """Sentences end at stops that are no abbreviation's, and at empty lines.

    Args:
      text: to be cut.
    """
    abbreviated = {m.end() for m in _ABBREVIATION.finditer(text)}
    return between(text, [*(m.end() for m in _SENTENCE_END.finditer(text) if m.end() not in abbreviated), *_gaps(text)])


def clauses(text: str) -> list[Span]:
    """Parts of sentences between commas, semicolons, colons and dashes; each keeps the mark at its end.

    Args:
      text: to be cut.
    """
    return [
        (start + a, start + b)
        for start, end in sentences(text)
        for a, b in between(text[start:end], [m.end() for m in _CLAUSE_END.finditer(text[start:end])])
    ]


def paragraphs(text: str) -> list[Span]:
    """Parts between empty lines.

    Args:
      text: to be cut.
    """
    return between(text, _gaps(text))


def between(text: str, cuts: list[int]) -> list[Span]:
    """What stands between places of a text, without the white space around it.

    Args:
      text: to be cut.
      cuts: places, in any order.
    """
    spans, start = [], 0
    for cut in sorted({*cuts, len(text)}):
        core = text[start:cut]
        if core.strip():
            left = start + len(core) - len(core.lstrip())
            spans.append((left, start + len(core.rstrip())))
        start = cut
    return spans


def _gaps(text: str) -> list[int]:
    return [m.start() for m in re.finditer(r"\n\s*\n", text)]
