"""How many ablations to spend: a budget, or rounds that stop where the target is reached or out of reach."""

import operator
from collections.abc import Sequence

import numpy as np

from spexjax import designs

_MIN_MASKS = 20  # five folds of four
_FIRST_ROUND = 128
_HOPELESS = 0.1  # R2
_MOST_ENTRIES = 1 << 32  # of the masks, a byte each: what a machine can hold


def min_budget(num_features: int) -> int:
    """The smallest number of ablations an explanation can rest on: 20, or all 2^n if there are fewer.

    >>> min_budget(3), min_budget(100)
    (8, 20)
    """
    return designs.uniform_size(_MIN_MASKS, num_features)


def rounds(num_features: int, budget: int | None, target: float | None, max_budget: int | None) -> list[int]:
    """The ablations spent after each round: a single round without a target, else each round doubles the last.

    Args:
      num_features: n.
      budget: the ablations to spend or, with a target, those of the first round.
      target: the held-out R2 to reach; None for a single round.
      max_budget: the most ablations to spend on reaching it.

    Raises:
      ValueError: if a budget is missing, no whole number, too small, too large for any memory or at odds with another,
        or the target not below 1.

    >>> rounds(30, 1000, None, None), rounds(30, None, 0.9, 1000), rounds(3, 10**30, None, None)
    ([1000], [128, 256, 512, 1000], [8])
    """
    budget, max_budget = _whole("budget", budget), _whole("max_budget", max_budget)
    if target is None:
        if budget is None or max_budget is not None:
            raise ValueError("Give a budget, or target_faithfulness together with max_budget.")
        sizes = [_size("budget", budget, num_features)]
    else:
        if max_budget is None:
            raise ValueError("target_faithfulness needs max_budget, the most ablations to spend.")
        check_target(target)
        if budget is not None and budget > max_budget:
            raise ValueError(f"The first round, budget = {_said(budget)}, is above max_budget = {_said(max_budget)}.")
        most = _size("max_budget", max_budget, num_features)
        sizes = [min(max(_FIRST_ROUND, min_budget(num_features)) if budget is None else budget, most)]
        while 0 < sizes[-1] < most:
            sizes.append(min(2 * sizes[-1], most))
    if sizes[0] < min_budget(num_features):
        raise ValueError(
            f"A budget of {_said(sizes[0])} is too small: {num_features} features need at least "
            f"{min_budget(num_features)} ablations."
        )
    return sizes


def check_target(target: float) -> None:
    """Raises ValueError for a faithfulness that cannot be reached."""
    if isinstance(target, str) or not target < 1:
        raise ValueError(f"target_faithfulness is an R2 below 1, say 0.9; got {target!r}.")


def reason_to_stop(history: Sequence[tuple[int, float, float]], target: float, most: int) -> str | None:
    """Why no further round is worth its ablations; None if one is.

    Args:
      history: of every round the ablations spent so far, the held-out R2 and its standard error.
      target: the R2 to reach.
      most: the most ablations to spend.
    """
    spent, score, error = history[-1]
    if score - error >= target:
        return f"R2 = {score:.3f} ± {error:.3f} reached the target of {target:g} with {spent} ablations"
    if len(history) > 2 and spent < most:
        gain = max(score - history[-2][1], history[-2][1] - history[-3][1], 0.0)  # per doubling; it shrinks as R2 grows
        reach = score + 2 * error + gain * np.log2(most / spent)
        if reach < target:
            return (
                f"R2 = {score:.3f} ± {error:.3f} with {spent} ablations grows by {gain:.3f} when they are doubled: "
                f"the target of {target:g} is out of reach of {most}"
            )
    return None


def hopeless(r2: float, error: float) -> bool:
    """True if R2 is below 0.1 by at least two standard errors.

    Args:
      r2: the held-out R2.
      error: its standard error.
    """
    return r2 + 2 * error < _HOPELESS


def _size(name: str, budget: int, num_features: int) -> int:
    """How many masks there are for the budget: all 2^n at most."""
    size, most = designs.uniform_size(budget, num_features), _MOST_ENTRIES // num_features
    if size > most:
        raise ValueError(
            f"{name} = {_said(budget)} is too large: so many masks of {num_features} features fit no memory; give at "
            f"most {most:,}."
        )
    return size


def _said(number: int) -> str:
    """A number, rounded to a power of two where it is long."""
    return str(number) if abs(number) < 10**15 else f"{'-' * (number < 0)}2^{abs(number).bit_length() - 1}"


def _whole(name: str, value: int | None) -> int | None:
    try:
        if isinstance(value, bool):
            raise TypeError
        return None if value is None else operator.index(value)
    except TypeError:
        raise ValueError(f"{name} is a whole number of ablations; got {value!r}.") from None
