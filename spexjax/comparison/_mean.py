"""The mean of explanations of the same features."""

from collections.abc import Iterable
from typing import Any

from spexjax.explanation import Combination, Explanation


def mean(explanations: Iterable[Any]) -> Combination:
    """The mean of explained functions: its predictions, spectrum and indices are the means of theirs.

    Its standard errors are those of estimating: `sqrt(sum_i se_i^2) / k` for k explanations. How much the explanations
    vary among themselves is what `aggregate` tells.

    Args:
      explanations: one or more, or combinations of them, of the same features.

    Raises:
      ValueError: if there are none, one is no explanation, or their features differ.
    """
    several = list(explanations)
    if not several or not all(isinstance(each, Explanation | Combination) for each in several):
        raise ValueError("mean takes one or more explanations, from explain, fit or load.")
    total = several[0] * (1 / len(several))
    for each in several[1:]:
        total += each * (1 / len(several))
    return total
