"""Labels of features, formatted numbers, and plain sentences about a value and its faithfulness."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from math import floor, isfinite, isnan, log10
from typing import Any

from spexjax._printable import printable
from spexjax.explanation import Faithfulness

_LONG = 30  # characters of an answer that is not repeated in every sentence
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


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
    lines = [printable_line(name, sys.maxsize) for name in names]
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


def printable_line(name: str, width: int) -> str:
    """A string on one line, cut to a width, its control characters escaped.

    Args:
      name: any string.
      width: the most characters.
    """
    return _cut(printable(" ".join(name.split())) or "␣", width)


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


def signed(value: float, scale: float) -> str:
    """Formats a number with its sign, rounded so that a number of size `scale` has three significant digits.

    Args:
      value: the number.
      scale: the largest absolute value of its column.

    >>> signed(-0.5, 2.25), signed(0.0312, 0.5), signed(1234567.0, 1234567.0)
    ('−0.50', '+0.031', '+1,234,567')
    """
    if scale == 0 or 1e-4 <= scale < 1e9:
        digits = max(2 - floor(log10(scale)), 0) if scale else 2
        text = f"{round(value, digits) + 0.0:+,.{digits}f}"  # adding 0.0 turns -0.0 into 0.0
    else:
        text = f"{value:+.2e}"
    return text.replace("-", "−")


def unsigned(error: float, scale: float) -> str:
    """Formats a standard error like `signed`, without the sign; empty if it is unknown (NaN) or 0 (exact).

    Args:
      error: the standard error.
      scale: the largest absolute value of its column.

    >>> unsigned(0.0312, 0.5), unsigned(float("nan"), 0.5)
    ('0.031', '')
    """
    return signed(error, scale).lstrip("+") if isfinite(error) and error else ""


def value_in_words(provenance: Mapping[str, Any]) -> str | None:
    """The value function as a formula of its answers, or its name; None if the provenance does not give it.

    >>> value_in_words({"value": "logit-difference", "answers": [" yes", " no"]})
    'logit(" yes") − logit(" no")'
    """
    value, answers = provenance.get("value"), [f'"{answer}"' for answer in provenance.get("answers") or ()]
    if value == "logit-difference" and len(answers) == 2:
        return f"logit({answers[0]}) − logit({answers[1]})"
    if value in ("log-probability", "log-odds") and len(answers) == 1:
        return f"log P({answers[0]})" if value == "log-probability" else f"log-odds({answers[0]})"
    return None if value is None else str(value)


def quoted(answer: str, width: int = 40) -> str:
    """An answer between quotation marks, on one line, cut to a width.

    >>> quoted(" yes")
    '“yes”'
    """
    return f"“{printable_line(answer, width)}”"


def directions(provenance: Mapping[str, Any]) -> tuple[str, str]:
    """What positive and negative numbers mean, in words. A long answer is called "the answer".

    >>> directions({"value": "logit-difference", "answers": [" yes", " no"]})
    ('towards “yes”', 'towards “no”')
    """
    answers = [quoted(a) if len(a) <= _LONG else "the answer" for a in provenance.get("answers") or ()]
    value = provenance.get("value")
    if value == "logit-difference" and len(answers) == 2:
        return f"towards {answers[0]}", f"towards {answers[1]}"
    if value in ("log-probability", "log-odds") and len(answers) == 1:
        return f"makes {answers[0]} more likely", f"makes {answers[0]} less likely"
    if "prompts" in provenance:
        return "towards the right answer", "away from the right answer"
    return "raises the value", "lowers the value"


def variance_explained(faithfulness: Faithfulness) -> str:
    """R2 in a plain sentence."""
    if isnan(faithfulness.r2):
        return "The values do not vary beyond rounding: there is no variance to explain."
    if faithfulness.exact:
        return "Exact: every mask was evaluated, so nothing is estimated."
    if not faithfulness.r2 > 0:
        return "Tested on ablations that it never saw, the explanation predicts no better than their mean."
    share = 100 * faithfulness.r2
    digits = 0 if share < 99 else 1
    return (
        f"Tested on ablations that it never saw, the explanation accounts for {share:.{digits}f} % of the variance of "
        f"the value; it misses the other {100 - share:.{digits}f} %."
    )


def caution(r2: float) -> str | None:
    """A warning if the explanation is not faithful enough to be read as it is; else None."""
    if isnan(r2):
        return "All masks, the two ends aside, gave the same value up to rounding: there is nothing to explain."
    if r2 < 0.1:
        return "Not learnable at this budget: do not trust the list."
    if r2 < 0.5:
        return "Read with care: more than half of the variance is not explained."
    return None


def where_time_went(seconds: Mapping[str, float]) -> str:
    """Formats the seconds of each phase of a run, as in `explanation.provenance["seconds"]`, on one line.

    >>> where_time_went({"compile": 3.0, "ablations": 9.0})
    'compile 3.0 s (25 %) · ablations 9.0 s (75 %)'
    """
    total = sum(seconds.values())
    return " · ".join(
        f"{printable(phase)} {s:.1f} s" + (f" ({s / total:.0%})".replace("%", " %") if total > 0 else "")
        for phase, s in seconds.items()
    )
