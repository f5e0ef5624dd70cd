"""Makes text from files and models safe to print on a terminal, and short, distinct labels of it."""

import sys
import unicodedata
from collections import Counter
from collections.abc import Sequence

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_REORDERING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}

_SEEN = "\u200c\u200d\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2"  # joiners; Arabic signs
BREAKS = "\n\r\t"  # that stay where a whole text is shown


def printable(text: str, keep: str = "") -> str:
    r"""Escapes the characters that could control a terminal, break a line or reverse one, and those that hide.

    These are control characters, lone surrogates, line and paragraph separators, marks of writing direction, and
    characters without a width. The joiners U+200C and U+200D stay, for emoji and several scripts are written with them.

    Args:
      text: any string.
      keep: characters that stay, such as the line breaks of a whole text.

    >>> print(printable("\x1b[31mred\n\u202e ü"))
    \x1b[31mred\n\u202e ü
    >>> print(printable("zero\u200bwidth\n", keep="\n"), end="")
    zero\u200bwidth
    """
    return "".join(repr(c)[1:-1] if c not in keep and (_steers(c) or _hides(c)) else c for c in text)


def labels(names: Sequence[str], width: int = 40) -> tuple[str, ...]:
    """Short, distinct, one-line names; equal names are numbered in reading order.

    Long names that begin alike are cut in the middle, so that their ends tell them apart. Control characters are
    escaped, because they could control a terminal or reverse the line.

    Args:
      names: of the features.
      width: longer names are cut to this many characters.

    >>> labels(["the", "cat", "and", "the", "dog"])
    ('the₁', 'cat', 'and', 'the₂', 'dog')
    >>> labels(["Sentence number one", "Sentence number two"], width=12)
    ('Sente…er one', 'Sente…er two')
    """
    lines = [one_line(name) for name in names]
    short = [_cut(line, width) for line in lines]
    alike = Counter(short)
    short = [_both_ends(line, width) if alike[cut] > 1 else cut for line, cut in zip(lines, short, strict=True)]
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


def one_line(text: str, width: int = sys.maxsize) -> str:
    """A string on one line, cut to a width, its control characters escaped.

    Args:
      text: any string.
      width: the most characters.
    """
    return _cut(printable(" ".join(text.split())) or "␣", width)


def _cut(line: str, width: int) -> str:
    """The beginning of a line that is too long, up to the last word that fits if words are not too long for that."""
    if len(line) <= width:
        return line
    cut = line[: width - 1]
    last = cut.rfind(" ")
    whole = line[width - 1] == " " or last < width // 2
    return (cut if whole else cut[:last]).rstrip(" ,;:") + "…"


def _both_ends(line: str, width: int) -> str:
    """The beginning and the end of a line that is too long."""
    end = width // 2
    return line if len(line) <= width else line[: width - 1 - end].rstrip() + "…" + line[-end:].lstrip()


def _steers(character: str) -> bool:
    return (
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(character) in _REORDERING
    )


def _hides(character: str) -> bool:
    return unicodedata.category(character) == "Cf" and character not in _SEEN
