"""Formatted numbers, and plain sentences about a value and its faithfulness."""

from collections.abc import Mapping
from math import isnan
from typing import Any

from spexjax import _numbers
from spexjax._printable import one_line, printable
from spexjax.explanation import Faithfulness

_LONG = 30  # characters of an answer that is not repeated in every sentence


def signed(value: float, scale: float) -> str:
    """`_numbers.signed` with a true minus, which is as wide as a plus.

    >>> signed(-0.5, 2.25)
    '−0.50'
    """
    return _numbers.signed(value, scale).replace("-", "−")


def unsigned(error: float, scale: float) -> str:
    """`_numbers.unsigned` with a true minus in the exponent."""
    return _numbers.unsigned(error, scale).replace("-", "−")


def value_in_words(provenance: Mapping[str, Any]) -> str | None:
    """The value function as a formula of its answers, or its name; None if the provenance does not give it.

    >>> value_in_words({"value": "logit-difference", "answers": [" yes", " no"]})
    'logit(" yes") − logit(" no")'
    """
    value, answers = provenance.get("value"), [f'"{answer}"' for answer in provenance.get("answers") or ()]
    if value == "logit-difference" and len(answers) == 2:
        return f"logit({answers[0]}) − logit({answers[1]})"
    if value in ("log-probability", "log-odds") and len(answers) == 1:
        if value == "log-probability":
            return f"log P({answers[0]})"
        others = ", ".join(f'"{one_line(answer, 20)}"' for answer in provenance.get("all_answers") or ())
        return f"log-odds({answers[0]}{' among ' * bool(others)}{others})"
    return None if value is None else str(value)


def known_before_in_words(provenance: Mapping[str, Any]) -> str:
    """What was known besides the ablations; empty if nothing was.

    >>> known_before_in_words({"relevances": [0.5, 1.0], "gradient": [0.1, -2.0]})
    'the gradient; how much each feature was expected to matter'
    >>> known_before_in_words({"prior": None})
    'a prior'
    """
    names = {"gradient": "the gradient", "relevances": "how much each feature was expected to matter"}
    found = [words for key, words in names.items() if provenance.get(key) is not None]
    if "prior" in provenance:
        of = f" (the explanation {provenance['prior']})" if provenance["prior"] else ""
        found.append(f"a prior{of}")
    return "; ".join(found)


def quoted(answer: str, width: int = 40) -> str:
    """An answer between quotation marks, on one line, cut to a width.

    >>> quoted(" yes")
    '“yes”'
    """
    return f"“{one_line(answer, width)}”"


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
    if "prompts" in provenance and not provenance.get("own_value"):
        return "towards the right answer", "away from the right answer"
    return "raises the value", "lowers the value"


def variance_explained(faithfulness: Faithfulness, keep: float | None = None) -> str:
    """R2 in a plain sentence.

    Args:
      faithfulness: of an explanation.
      keep: the probability with which its masks keep each feature; None where they stand for uniform masks.
    """
    if isnan(faithfulness.r2):
        return "The values do not vary beyond rounding: there is no variance to explain."
    if faithfulness.exact:
        return "Exact: every mask was evaluated, so nothing is estimated."
    which = "it never saw" if keep is None else f"it never saw and that keep each feature with probability {keep:g}"
    if not faithfulness.r2 > 0:
        return f"Tested on ablations that {which}, the explanation predicts no better than their mean."
    share = 100 * faithfulness.r2
    digits = 0 if share < 99 else 1
    return (
        f"Tested on ablations that {which}, the explanation accounts for {share:.{digits}f} % of the variance of "
        f"the value; it misses the other {100 - share:.{digits}f} %."
    )


def caution(r2: float) -> str | None:
    """A warning if the explanation is not faithful enough to be read as it is; else None."""
    if isnan(r2):
        return "All masks, the two ends aside, gave the same value up to rounding: there is nothing to explain."
    if said := _numbers.unlearned(r2):
        return said
    if r2 < 0.5:
        return "Read with care: more than half of the variance is not explained."
    return None


def cautions(r2: float, provenance: Mapping[str, Any]) -> list[str]:
    """What to keep in mind when reading an explanation: `caution`, and what its ablation was warned of.

    Args:
      r2: held out.
      provenance: of the explanation.
    """
    return [*filter(None, (caution(r2),)), *map(printable, map(str, provenance.get("warnings") or ()))]


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
