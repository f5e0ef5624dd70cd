"""Makes text from files and models safe to print on a terminal, and short, distinct labels of it."""

import unicodedata
from collections import Counter
from collections.abc import Sequence

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_REORDERING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def printable(text: str) -> str:
    r"""Escapes the characters that could control a terminal, break a line or reverse one.

    These are control characters, lone surrogates, line and paragraph separators, and marks of writing direction.

    >>> print(printable("\x1b[31mred\n\u202e ü"))
    \x1b[31mred\n\u202e ü
    """
    return "".join(repr(c)[1:-1] if _steers(c) else c for c in text)


def labels(names: Sequence[str], width: int = 40) -> tuple[str, ...]:
    """Short, distinct, one-line names; equal names are numbered in reading order.

    Control characters are escaped, because they could control a terminal or reverse the line.

    Args:
      names: of the features.
      width: longer names are cut to this many characters.

    >>> labels(["the", "cat", "and", "the", "dog"])
    ('the₁', 'cat', 'and', 'the₂', 'dog')
    """
    short = [one_line(name, width) for name in names]
    count, seen = Counter(short), Counter[str]()
    taken = {name for name in short if count[name] == 1}
    distinct = []
    for name in short:
        if count[name] > 1:
            seen[name] += 1
            name += str(seen[name]).translate(_SUBSCRIPTS)
            while name in taken:
                name += "′"
            taken.add(name)
        distinct.append(name)
    return tuple(distinct)


def one_line(name: str, width: int) -> str:
    """A string on one line, cut to a width, its control characters escaped.

    Args:
      name: any string.
      width: the most characters.
    """
    line = printable(" ".join(name.split())) or "␣"
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def _steers(character: str) -> bool:
    return (
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(character) in _REORDERING
    )
