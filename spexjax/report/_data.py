"""What the page's scripts read: several indices with their standard errors, and what predictions need."""

import dataclasses
from collections.abc import Sequence
from math import comb, isnan
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from spexjax._numbers import is_noise
from spexjax._printable import labels, one_line
from spexjax.explanation import Explanation
from spexjax.indices import Interactions, get, interactions
from spexjax.report._prediction import evaluated, prediction, rounded

SWITCH = ("SV", "BV", "FSII", "FBII", "Moebius", "Fourier")  # the indices that a page offers
NEAR = ("WBII", "WBV")  # and these first, where `explain(keep=...)` drew the masks
_LINKED = 8  # the strongest interactions kept for each unit
_SAMPLED = 8  # sets of each order whose standard errors stand for those of all others

Term = tuple[tuple[int, ...], float]


class Table(NamedTuple):
    """An index as the page shows it."""

    name: str
    max_order: int | None
    terms: list[Term]  # the strongest first
    errors: dict[tuple[int, ...], float]  # of those that are listed; NaN if unknown
    typical: dict[int, float]  # by order, for the others
    counts: dict[int, int]  # how many sets of each order have a value
    usual: dict[int, float]  # by order, what most sets share; NaN where they do not
    note: str  # what to keep in mind; mostly nothing

    @property
    def scale(self) -> float:
        """The largest absolute value."""
        return max((abs(value) for _, value in self.terms), default=0.0)

    def error(self, s: tuple[int, ...]) -> float:
        """The standard error of a set, its own or the typical one of its order; 0 if there is none."""
        error = self.errors.get(s, self.typical.get(len(s), 0.0))
        return 0.0 if isnan(error) else error

    def stands_out(self, term: Term) -> bool:
        """Whether a value is at least two standard errors from zero, and not what most sets of its order share."""
        return not is_noise(term[1], self.error(term[0])) and term[1] != self.usual.get(len(term[0]))


def tables(explanation: Explanation, index: str | None, max_order: int, top: int) -> list[Table]:
    """The index that was asked for, then the others that the page offers.

    Args:
      explanation: whose indices are computed.
      index: the one that is shown first; None for `default_index`.
      max_order: its order; the others' too, where that takes no time.
      top: how many standard errors of each order of the first are computed.
    """
    first = _table(explanation, explanation.interactions(index, max_order), top)
    n = len(explanation.feature_names)
    order = max(2, max_order) if comb(n, max_order) <= comb(max(n, 2), 2) else 2
    offered = SWITCH if explanation.keep_probability is None else NEAR + SWITCH
    others = [explanation.interactions(name, order) for name in offered]
    return [first, *(_table(explanation, other, _SAMPLED) for other in others if other.index != first.name)]


def usual_value(values: Float[np.ndarray, " k"]) -> float:
    """What more than half of several values are, NaN if there is no such value or just one set.

    Without a surrogate, what a fit misses at the two ends is spread evenly over all sets: it tells none of them apart.

    >>> usual_value(np.array([0.1, 0.1, 2.0])), usual_value(np.array([0.1]))
    (0.1, nan)
    """
    found, counts = np.unique(values, return_counts=True)
    shared = found[2 * counts > max(len(values), 2)]
    return float(shared[0]) if len(shared) else float("nan")


def energy_by_order(explanation: Explanation) -> Float[np.ndarray, " d"]:
    """The variance of orders 1, 2, ... of the spectrum over uniform masks, or over those of `explain(keep=...)`.

    If every feature is kept with probability p, that of order o is the sum of `(p (1 - p))^o WBII(S)^2` over |S| = o.

    Args:
      explanation: that is shown.
    """
    spectrum, keep = explanation.spectrum, explanation.keep_probability
    highest = int(np.asarray(spectrum.orders).max(initial=1))
    try:
        table = None if keep is None else interactions(spectrum, "WBII", max(1, highest), keep=keep)
    except ValueError:  # the sets of its terms are too many
        table = None
    if keep is None or table is None:
        return np.asarray(spectrum.energy_by_order())[1:]
    energies = (keep * (1 - keep)) ** table.orders * table.values**2
    return np.bincount(table.orders, energies, highest + 1)[1:]


def _table(explanation: Explanation, table: Interactions, top: int) -> Table:
    ranked = list(table.top(len(table)))
    errors: dict[tuple[int, ...], float] = {}
    typical: dict[int, float] = {}
    counts: dict[int, int] = {}
    usual: dict[int, float] = {}
    for order in sorted(set(table.orders.tolist()) - {0}):
        of_order = table.order(order)
        strongest = of_order.top(top)
        if table.index == "FBII" and order == table.max_order:  # then it is BII, whose errors are known
            strongest = dataclasses.replace(strongest, index="BII")
        found = explanation.standard_errors(strongest).tolist()
        errors |= {s: error for (s, _), error in zip(strongest, found, strict=True)}
        usual[order] = usual_value(of_order.values)
        counts[order], typical[order] = len(of_order), float(np.median(found)) if found else 0.0
    joint = [term for term in ranked if len(term[0]) > 1 and term[1] != usual[len(term[0])]]
    kept = {s for s, _ in _linked(joint, max(top, _LINKED))}
    terms = [term for term in ranked if len(term[0]) == 1 or term[0] in kept]
    return Table(table.index, table.max_order, terms, errors, typical, counts, usual, table.note)


def _linked(joint: Sequence[Term], top: int) -> list[Term]:
    """The strongest `top` interactions, and the strongest few of every feature."""
    kept: list[Term] = []
    count: dict[int, int] = {}
    for rank, (s, value) in enumerate(joint):
        if rank < top or any(count.get(i, 0) < _LINKED for i in s):
            kept.append((s, value))
            for i in s:
                count[i] = count.get(i, 0) + 1
    return kept


def page_data(explanation: Explanation, shown: Sequence[Table], top: int, numbered: bool) -> dict[str, Any]:
    """Everything that the scripts read, as plain JSON values.

    Args:
      explanation: that is shown.
      shown: from `tables`.
      top: how many rows a list has.
      numbered: whether units are long and have numbers.
    """
    names = labels(explanation.feature_names, width=72)
    provenance = explanation.provenance
    value, answers = provenance.get("value"), provenance.get("answers") or ()
    kinds = {("logit-difference", 2): "sigmoid", ("log-odds", 1): "sigmoid", ("log-probability", 1): "exp"}
    return {
        "labels": [f"{i}. {name}" for i, name in enumerate(names, 1)] if numbered else names,
        "tables": [_plain(table, explanation.faithfulness.exact) for table in shown],
        "top": top,
        "prediction": prediction(explanation),
        "evaluated": evaluated(explanation),
        "probability": None if "prompts" in provenance else kinds.get((str(value), len(answers))),
        "answer": one_line(answers[0], 30) if answers else "",
    }


def _plain(table: Table, exact: bool) -> dict[str, Any]:
    record = get(table.name)
    known = exact or all(error > 0 for error in table.typical.values())
    doubt = "" if known else " Values without ± have no standard error here, so noise among them is not marked."
    orders = "of all orders" if table.max_order is None else f"up to order {table.max_order}"
    note = f" {table.note}" if table.note else ""
    return {
        "name": table.name,
        "about": f"{table.name} {orders}. {record.definition}.{note}{doubt}",
        "single": record.single,
        "terms": [_term(s, value, table.errors.get(s)) for s, value in table.terms],
        "typical": [rounded(table.typical.get(order, 0.0)) for order in range(max(table.typical, default=0) + 1)],
        "count": sum(count for order, count in table.counts.items() if order > 1),
        "singles": table.counts.get(1, 0),
    }


def _term(s: tuple[int, ...], value: float, error: float | None) -> list[Any]:
    return [s, rounded(value)] + ([] if error is None else [rounded(error)])
