"""What numbers and features are called: labels, signed numbers, and plain words for a value and its faithfulness."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import floor, isfinite, isnan, log10
from typing import Any

from spexjax._printable import printable
from spexjax.explanation import Faithfulness

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def labels(names: Sequence[str], width: int = 40) -> tuple[str, ...]:
    """Short and distinct names on one line each; equal ones are numbered in reading order.

    Control characters, which could steer a terminal or turn the line around, are escaped.

    >>> labels(["the", "cat", "and", "the", "dog"])
    ('the₁', 'cat', 'and', 'the₂', 'dog')
    """
    short = [_shortened(name, width) for name in names]
    count, seen = Counter(short), Counter()
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


def _shortened(name: str, width: int) -> str:
    line = printable(" ".join(name.split())) or "␣"
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def signed(value: float, scale: float) -> str:
    """A number with its sign and three significant digits for one of size `scale`, the largest of its column.

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
    """A standard error as `signed` would write it, without the sign; empty where it is not known, or 0: exact.

    >>> unsigned(0.0312, 0.5), unsigned(float("nan"), 0.5)
    ('0.031', '')
    """
    return signed(error, scale).lstrip("+") if isfinite(error) and error else ""


def value_in_words(provenance: Mapping[str, Any]) -> str | None:
    """The value function as a formula of its answers; None where the provenance does not say.

    >>> value_in_words({"value": "logit-difference", "answers": [" yes", " no"]})
    'logit(" yes") − logit(" no")'
    """
    value, answers = provenance.get("value"), [f'"{answer}"' for answer in provenance.get("answers") or ()]
    if value == "logit-difference" and len(answers) == 2:
        return f"logit({answers[0]}) − logit({answers[1]})"
    if value in ("log-probability", "log-odds") and len(answers) == 1:
        return f"log P({answers[0]})" if value == "log-probability" else f"log-odds({answers[0]})"
    return None if value is None else str(value)


def directions(provenance: Mapping[str, Any]) -> tuple[str, str]:
    """What a positive and what a negative number mean.

    >>> directions({"value": "logit-difference", "answers": [" yes", " no"]})
    ('towards " yes"', 'towards " no"')
    """
    value, answers = provenance.get("value"), [f'"{answer}"' for answer in provenance.get("answers") or ()]
    if value == "logit-difference" and len(answers) == 2:
        return f"towards {answers[0]}", f"towards {answers[1]}"
    if value in ("log-probability", "log-odds") and len(answers) == 1:
        return f"makes {answers[0]} more likely", f"makes {answers[0]} less likely"
    return "raises the value", "lowers the value"


def variance_explained(faithfulness: Faithfulness) -> str:
    """R2 in plain words."""
    if isnan(faithfulness.r2):
        return "the values do not vary beyond rounding: there is no variance to explain"
    if faithfulness.exact:
        return "exact: every mask was evaluated, nothing is estimated"
    if not faithfulness.r2 > 0:
        return "no better than guessing the mean, on masks the fit never saw"
    share = 100 * faithfulness.r2
    return f"explains {share:.{0 if share < 99 else 1}f} % of the variance on masks the fit never saw"


def caution(r2: float) -> str | None:
    """A warning where the explanation is not faithful enough to be taken at its word."""
    if isnan(r2):
        return "Up to rounding, and but for the two ends, all masks gave the same value: there is nothing to read."
    if r2 < 0.1:
        return "Not learnable at this budget: do not read the list."
    if r2 < 0.5:
        return "Read with care: more than half of the variance is not explained."
    return None


def where_time_went(seconds: Mapping[str, float]) -> str:
    """The phases of a run in one line, as in `explanation.provenance["seconds"]`.

    >>> where_time_went({"compile": 3.0, "ablations": 9.0})
    'compile 3.0 s (25 %) · ablations 9.0 s (75 %)'
    """
    total = sum(seconds.values())
    return " · ".join(
        f"{printable(phase)} {s:.1f} s" + (f" ({s / total:.0%})".replace("%", " %") if total > 0 else "")
        for phase, s in seconds.items()
    )
