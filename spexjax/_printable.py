"""Makes text from files and models safe to print on a terminal."""

import unicodedata

_REORDERING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def printable(text: str) -> str:
    r"""Escapes the characters that could control a terminal, break a line or reverse one.

    These are control characters, lone surrogates, line and paragraph separators, and marks of writing direction.

    >>> print(printable("\x1b[31mred\n\u202e ü"))
    \x1b[31mred\n\u202e ü
    """
    return "".join(repr(c)[1:-1] if _steers(c) else c for c in text)


def _steers(character: str) -> bool:
    return (
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(character) in _REORDERING
    )
