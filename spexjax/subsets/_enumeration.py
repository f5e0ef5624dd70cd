"""The certified answer if there are few choices: all are tried."""

from itertools import chain, combinations
from math import comb

import numpy as np
from jaxtyping import Bool

from spexjax.subsets._problem import Problem

_MAX_CHOICES, _MAX_PARITIES = 1 << 18, 1 << 28  # a second's work


def few(problem: Problem) -> bool:
    """True if all choices can be tried in about a second."""
    return _count(problem) * len(problem.support) <= _MAX_PARITIES and _count(problem) <= _MAX_CHOICES


def enumerate_all(problem: Problem, goal: str) -> Bool[np.ndarray, " a"]:
    """The best of all choices of active items; inert ones make up the rest.

    Args:
      problem: from `problem`.
      goal: as in `optimum`.
    """
    a = len(problem.active)
    sets = chain.from_iterable(combinations(range(a), j) for j in _sizes(problem))
    choices = np.zeros((_count(problem), a + 1), bool)
    for row, chosen in zip(choices, sets, strict=True):
        row[list(chosen)] = True
    items, values = np.ascontiguousarray(choices.T), np.zeros(len(choices))
    for support, coefficient in zip(problem.support, problem.coefficients, strict=True):
        values += np.where(np.logical_xor.reduce(items[support]), -coefficient, coefficient)
    return choices[np.argmax(problem.score(values, goal)), :a]


def _sizes(problem: Problem) -> range:
    return range(max(problem.size - problem.inert, 0), min(problem.size, len(problem.active)) + 1)


def _count(problem: Problem) -> int:
    return sum(comb(len(problem.active), j) for j in _sizes(problem))
