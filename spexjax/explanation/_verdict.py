"""What was asked and what was answered, in a sentence or two."""

from collections.abc import Mapping
from math import exp, isfinite
from typing import Any

import numpy as np

from spexjax._printable import one_line, printable

_WIDTH = 60


def verdict(explanation: Any) -> tuple[str, ...]:
    """Sentences on the value where everything is kept, and where nothing is, as far as these were evaluated.

    Args:
      explanation: an Explanation.
    """
    masks, values = np.asarray(explanation.masks), np.asarray(explanation.values, np.float64)
    ends = {"everything": values[masks.all(1)], "nothing": values[~masks.any(1)]}
    known = {what: float(found[0]) for what, found in ends.items() if len(found)}
    said = " and ".join(f"{value:+.4g} with {what} kept" for what, value in known.items())
    answer = _answer(explanation.provenance, known["everything"]) if "everything" in known else ""
    return tuple(filter(None, (answer, f"The value is {said}." if said else "")))


def _answer(provenance: Mapping[str, Any], value: float) -> str:
    """What a model answers to everything, if the provenance tells that it was asked for one or two answers."""
    given = provenance.get("answers")
    answers = [f'"{printable(str(answer))[:_WIDTH]}"' for answer in given or ()]
    kind, name = provenance.get("value"), str(provenance.get("model") or "The model").rstrip("/").split("/")[-1]
    name = one_line(name, _WIDTH)
    on_average = " on average over the prompts" if len(provenance.get("prompts") or ()) > 1 else ""
    if not isfinite(value):
        return ""
    if kind == "logit-difference" and len(answers) == 2:
        ahead, behind = answers if value >= 0 else answers[::-1]
        share = 1 / (1 + exp(-min(abs(value), 700.0)))
        if not value:
            return f"{name} has no preference between {ahead} and {behind}{on_average}."
        return f"{name} prefers {ahead} to {behind}{on_average}: {100 * share:.3g} % of the probability of the two."
    if kind in ("log-probability", "log-odds") and len(answers) == 1:
        share = exp(min(value, 0.0)) if kind == "log-probability" else 1 / (1 + exp(-max(min(value, 700.0), -700.0)))
        return f"{name} gives {answers[0]} a probability of {share:.2g}{on_average}."
    return ""
