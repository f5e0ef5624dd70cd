"""What was asked and what was answered, in a sentence or two."""

from collections.abc import Mapping
from math import exp, isfinite
from typing import Any

import numpy as np

from spexjax._printable import one_line, printable

_WIDTH = 60  # characters of a name
_CERTAIN = 700.0  # log-odds beyond which the exponential overflows


def ends_of(explanation: Any) -> dict[bool, float]:
    """The values where everything is kept (True) and where nothing is (False), as far as they were evaluated.

    Args:
      explanation: an Explanation.
    """
    masks, values = np.asarray(explanation.masks), np.asarray(explanation.values, np.float64)
    rows = {kept: np.flatnonzero((masks == kept).all(1)) for kept in (True, False)}
    return {kept: float(values[found[0]]) for kept, found in rows.items() if len(found)}


def model_of(provenance: Mapping[str, Any]) -> str:
    """The model's name on one line, without its folder.

    Args:
      provenance: of an explanation.
    """
    return one_line(str(provenance.get("model") or "The model").rstrip("/").split("/")[-1], _WIDTH)


def probability(kind: str, value: float) -> float:
    """The probability p that a value of a model's answer stands for.

    Args:
      kind: "log-probability", log p; or "log-odds", log p - log(1 - p). The latter also serves for a logit difference,
        where p is the share of the first answer in the probability of the two.
      value: of that kind.
    """
    if kind == "log-probability":
        return exp(min(value, 0.0))
    return 1 / (1 + exp(-max(min(value, _CERTAIN), -_CERTAIN)))


def verdict(explanation: Any) -> tuple[str, ...]:
    """Sentences on the value where everything is kept, and where nothing is, as far as these were evaluated.

    Args:
      explanation: an Explanation.
    """
    ends = ends_of(explanation)
    said = " and ".join(f"{value:+.4g} with {'everything' if kept else 'nothing'} kept" for kept, value in ends.items())
    answer = _answer(explanation.provenance, ends[True]) if True in ends else ""
    return tuple(filter(None, (answer, f"The value is {said}." if said else "")))


def _answer(provenance: Mapping[str, Any], value: float) -> str:
    """What a model answers to everything, if the provenance tells that it was asked for one or two answers."""
    given = provenance.get("answers")
    answers = [f'"{printable(str(answer))[:_WIDTH]}"' for answer in given or ()]
    kind, name = provenance.get("value"), model_of(provenance)
    on_average = " on average over the prompts" if len(provenance.get("prompts") or ()) > 1 else ""
    if not isfinite(value):
        return ""
    if kind == "logit-difference" and len(answers) == 2:
        ahead, behind = answers if value >= 0 else answers[::-1]
        if not value:
            return f"{name} has no preference between {ahead} and {behind}{on_average}."
        share = 100 * probability("log-odds", abs(value))
        return f"{name} prefers {ahead} to {behind}{on_average}: {share:.3g} % of the probability of the two."
    if kind in ("log-probability", "log-odds") and len(answers) == 1:
        among = f" among {len(provenance['all_answers']):,} answers" if provenance.get("all_answers") else ""
        return f"{name} gives {answers[0]} a probability of {probability(kind, value):.2g}{among}{on_average}."
    return ""
