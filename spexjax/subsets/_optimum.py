"""The most influential subset: which r features change a sparse function most when they are removed."""

import dataclasses
import time

import numpy as np
from jaxtyping import Bool

from spexjax.spectrum import Spectrum
from spexjax.subsets._enumeration import enumerate_all, few
from spexjax.subsets._local_search import local_search
from spexjax.subsets._mip import certify
from spexjax.subsets._problem import GOALS, problem

_MAX_SETS = 1 << 18  # subsets of terms, before equal ones are merged, in the largest program
_METHODS = ("auto", "exact", "local")


@dataclasses.dataclass(frozen=True, eq=False)
class Optimum:
    """A subset, and how certain it is that no other of its size is better.

    `status` is "optimal" (certified), "timeout" (the best that was found; `bound` and `gap` are certified) or "local"
    (the best of a local search, nothing certified).
    """

    mask: Bool[np.ndarray, " n"]  # True = kept
    value: float  # f there
    full: float  # f with every feature kept
    goal: str
    score: float  # what the goal maximises: |f - f(1)|, -|f - f(1)|, f or -f
    bound: float  # which no subset of this size exceeds; inf if not known
    status: str
    seconds: float

    @property
    def gap(self) -> float:
        """`bound - score`, in units of f: no subset of this size is better by more."""
        return self.bound - self.score


def optimum(
    spectrum: Spectrum, removed: int, *, goal: str = "farthest", method: str = "auto", time_limit: float = 60.0
) -> Optimum:
    """The best mask x with exactly `removed` features removed, for `f(x) = sum_S F(S) (-1)^{|S ∩ x|}`.

    A local search always runs first. Then all choices are tried if they are few; otherwise a mixed-integer program is
    solved. The best choice of all is returned.

    Args:
      spectrum: f; for a certified answer, of a few hundred terms at most.
      removed: how many features are removed, neither more nor fewer.
      goal: "farthest" maximises |f(1) - f(x)|, "nearest" minimises it, "largest" and "smallest" refer to f(x).
        For "nearest", any f(x) within a thousandth of f's standard deviation from f(1) counts as "optimal".
      method: "auto" certifies unless the program would be too large; "exact" certifies; "local" only searches.
      time_limit: seconds for the mixed-integer program.

    Raises:
      ValueError: if there are fewer features, an option is unknown, or the program for "exact" would be too large.

    >>> both = Spectrum.from_dict({(): 0.25, (0,): -0.25, (7,): -0.25, (0, 7): 0.25}, num_features=9)
    >>> found = optimum(both, 1)
    >>> np.flatnonzero(~found.mask).tolist(), found.value, found.full, found.status
    ([0], 0.0, 1.0, 'optimal')
    """
    for name, given, known in (("goal", goal, GOALS), ("method", method, _METHODS)):
        if given not in known:
            raise ValueError(f"The {name} must be one of {', '.join(known)}, not {given!r}.")
    start = time.perf_counter()
    task = problem(spectrum, removed)
    orders = (task.support < len(task.active)).sum(1)
    sets = int((2.0**orders).sum())
    certifiable = few(task) or sets <= _MAX_SETS
    if not certifiable and method not in ("auto", "local"):
        raise ValueError(
            f"The Möbius form of these {len(spectrum)} terms has up to {sets:,} terms, more than the {_MAX_SETS:,} a "
            "program is set up for; truncate the spectrum, or use method='local'."
        )

    def score(chosen: Bool[np.ndarray, " a"]) -> float:
        return float(task.score(task.value(chosen), goal))

    choices, bound, status = [local_search(task, goal)], np.inf, "local"
    if goal == "nearest" and score(choices[0]) >= -task.tolerance:
        bound, status = 0.0, "optimal"
    elif method != "local" and few(task):
        choices, status = [enumerate_all(task, goal)], "optimal"
        bound = score(choices[0])
    elif method != "local" and sets <= _MAX_SETS:
        certificate = certify(task, goal, time_limit)
        choices += certificate.choices
        bound, status = certificate.bound, "optimal" if certificate.closed else "timeout"
    best = max(choices, key=score)
    value = task.value(best)
    return Optimum(
        mask=task.kept(best),
        value=value,
        full=task.full,
        goal=goal,
        score=score(best),
        bound=max(score(best), bound),
        status=status,
        seconds=time.perf_counter() - start,
    )
