"""The certified answer: a mixed-integer program on the Möbius form, solved by HiGHS through scipy."""

import time
from collections.abc import Sequence
from math import comb
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from spexjax.indices import interactions
from spexjax.spectrum import Spectrum
from spexjax.subsets._problem import Problem

_SIGNS = {"largest": (1,), "smallest": (-1,), "farthest": (1, -1), "nearest": (0,)}

_Row = tuple[Sequence[int], Sequence[float], float]


class Moebius(NamedTuple):
    """`f(chosen) = constant + sum_T a(T) [T ⊆ chosen]`, over sets T of active items, `orders[t]` of them in row t."""

    constant: float
    support: Int[np.ndarray, "t d"]
    values: Float[np.ndarray, " t"]
    orders: Int[np.ndarray, " t"]


class Certificate(NamedTuple):
    """Choices that were found, a bound that no choice's score exceeds, and whether the gap was closed in time."""

    choices: list[Bool[np.ndarray, " a"]]
    bound: float
    closed: bool


def moebius(problem: Problem) -> Moebius:
    """The Möbius form of a problem, without the sets that are larger than a choice."""
    table = interactions(Spectrum(problem.support, problem.coefficients, len(problem.active)), "Moebius")
    rows = np.flatnonzero((table.orders > 0) & (table.orders <= problem.size))
    return Moebius(
        float(problem.coefficients.sum()),
        table.support[rows],
        table.values[rows].astype(np.float64),
        table.orders[rows],
    )


def certify(problem: Problem, goal: str, time_limit: float) -> Certificate:
    """Maximises a goal's score, or bounds it: `max sum_T a(T) y_T` over binary z with `sum_i z_i = size`.

    Here `y_T = prod_{i in T} z_i`. Of the constraints `y_T <= z_i` and `y_T >= sum_{i in T} z_i - |T| + 1`, each T
    needs those that the sign of a(T) pushes against. Because exactly `size` items are chosen, also
    `sum_{T ∋ i, |T| = t} y_T <= C(size - 1, t - 1) z_i`, which tightens the relaxation much if few are chosen.
    The farthest value is the better of the largest and the smallest, each with half of the time.

    Args:
      problem: from `problem`.
      goal: "farthest" from f(1), "nearest" to it, "largest" or "smallest" f.
      time_limit: seconds.
    """
    form, deadline = moebius(problem), time.perf_counter() + time_limit
    choices, bounds, closed = [], [], []
    for i, sign in enumerate(_SIGNS[goal]):
        left = max(deadline - time.perf_counter(), 0.1) / (len(_SIGNS[goal]) - i)
        result, bound = _solve(problem, form, sign, left)
        if result.x is not None:
            choices.append(result.x[: len(problem.active)] > 0.5)
        offset = sign * (form.constant - problem.full * (goal == "farthest"))
        bounds.append(bound + offset)
        closed.append(result.status == 0)
    return Certificate(choices, max(bounds), all(closed))


def _solve(problem: Problem, form: Moebius, sign: int, time_limit: float) -> tuple[Any, float]:
    """Maximises `sign sum a y`, or, where the sign is 0, `-|constant + sum a y - f(1)|`.

    Columns: z of each active item, the number of inert items chosen, y of each T of two or more, the absolute value.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    a, size = len(problem.active), problem.size
    products = form.orders > 1
    column = np.where(products, a + np.cumsum(products), form.support[:, 0])
    width = a + 1 + products.sum() + (sign == 0)
    scale = np.abs(form.values).max(initial=0) or 1.0
    values = form.values / scale
    up, down = (sign * values > 0) | (sign == 0), (sign * values < 0) | (sign == 0)

    rows: list[_Row] = [(range(a + 1), [1] * (a + 1), size)]  # columns, weights, upper limit; the first is an equality
    for t in np.flatnonzero(products):
        members = form.support[t, : form.orders[t]].tolist()
        if up[t]:
            rows += [([column[t], i], [1, -1], 0) for i in members]
        if down[t]:
            rows.append(([*members, column[t]], [1] * len(members) + [-1], len(members) - 1))
    for order in range(2, form.orders.max(initial=0) + 1):
        limit, sets = comb(size - 1, order - 1), np.flatnonzero((form.orders == order) & up)
        for i in range(a):
            mine = sets[(form.support[sets] == i).any(1)]
            if len(mine) > limit:  # otherwise it follows from the others
                rows.append(([*column[mine], i], [1] * len(mine) + [-limit], 0))
    objective, least, most = np.zeros(width), np.zeros(width), np.ones(width)
    most[a] = problem.inert
    if sign == 0:
        objective[-1], change = 1, (form.constant - problem.full) / scale
        least[-1], most[-1] = problem.tolerance / scale, np.inf  # closer values count as equal
        rows += [([*column, width - 1], [*(s * values), -1], -s * change) for s in (1, -1)]
    else:
        objective[column] = -sign * values

    columns, weights, limits = zip(*rows, strict=True)
    row = np.repeat(np.arange(len(rows)), [len(c) for c in columns])
    matrix = csr_array((np.concatenate(weights), (row, np.concatenate(columns))), shape=(len(rows), width))
    lower = np.full(len(rows), -np.inf)
    lower[0] = size
    result = milp(
        objective,
        integrality=np.arange(width) <= a,
        bounds=Bounds(least, most),
        constraints=LinearConstraint(matrix, lower, limits),
        options={"time_limit": time_limit, "mip_rel_gap": 0.0},
    )
    bound = result.mip_dual_bound
    if bound is None or not np.isfinite(bound):  # no relaxation was solved in time
        bound = np.minimum(objective, 0).sum()
    return result, -float(bound) * scale
