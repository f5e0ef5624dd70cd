"""What the page's scripts read: several indices, the spectrum for predictions, and the masks that were evaluated."""

import base64
from collections.abc import Sequence
from math import comb, isfinite, isnan
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from spexjax.explanation import Explanation
from spexjax.indices import Interactions, get
from spexjax.report._words import labels

SWITCH = ("SV", "BV", "FSII", "FBII", "Moebius", "Fourier")  # the indices that a page offers
_LINKED = 8  # the strongest interactions kept for each unit
_SAMPLED = 8  # sets of each order whose standard errors stand for those of all others
_SIZES, _PER_SIZE = 16, 4  # masks where the error of predictions is computed
_MOST_MASKS = 1 << 18  # bytes of masks that a page holds

Term = tuple[tuple[int, ...], float]


class Table(NamedTuple):
    """An index as the page shows it."""

    name: str
    max_order: int | None
    terms: list[Term]  # the strongest first
    errors: dict[tuple[int, ...], float]  # of those that are listed; NaN if unknown
    typical: dict[int, float]  # by order, for the others
    counts: dict[int, int]  # how many sets of each order have a value

    @property
    def scale(self) -> float:
        """The largest absolute value."""
        return max((abs(value) for _, value in self.terms), default=0.0)

    def error(self, s: tuple[int, ...]) -> float:
        """The standard error of a set, its own or the typical one of its order; 0 if there is none."""
        error = self.errors.get(s, self.typical.get(len(s), 0.0))
        return 0.0 if isnan(error) else error

    def stands_out(self, term: Term) -> bool:
        """Whether a value is at least two standard errors from zero."""
        return abs(term[1]) >= 2 * self.error(term[0])


def tables(explanation: Explanation, index: str, max_order: int, top: int) -> list[Table]:
    """The index that was asked for, then the others that the page offers.

    Args:
      explanation: whose indices are computed.
      index: the one that is shown first.
      max_order: its order; the others' too, where that takes no time.
      top: how many standard errors of each order of the first are computed.
    """
    first = _table(explanation, explanation.interactions(index, max_order), top)
    n = len(explanation.feature_names)
    order = max(2, max_order) if comb(n, max_order) <= comb(max(n, 2), 2) else 2
    others = [name for name in SWITCH if name != first.name]
    return [first, *(_table(explanation, explanation.interactions(name, order), _SAMPLED) for name in others)]


def _table(explanation: Explanation, table: Interactions, top: int) -> Table:
    ranked = list(table.top(len(table)))
    errors: dict[tuple[int, ...], float] = {}
    typical: dict[int, float] = {}
    counts: dict[int, int] = {}
    for order in sorted(set(table.orders.tolist()) - {0}):
        of_order = table.order(order)
        strongest = of_order.top(top)
        found = explanation.standard_errors(strongest).tolist()
        errors |= {s: error for (s, _), error in zip(strongest, found, strict=True)}
        counts[order], typical[order] = len(of_order), float(np.median(found)) if found else 0.0
    joint = [term for term in ranked if len(term[0]) > 1]
    kept = {s for s, _ in _linked(joint, max(top, _LINKED))}
    terms = [term for term in ranked if len(term[0]) == 1 or term[0] in kept]
    return Table(table.index, table.max_order, terms, errors, typical, counts)


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
        "tables": [_plain(table) for table in shown],
        "top": top,
        "prediction": _prediction(explanation),
        "evaluated": _evaluated(explanation),
        "probability": None if "prompts" in provenance else kinds.get((str(value), len(answers))),
        "answer": " ".join(answers[0].split()) if answers else "",
    }


def _plain(table: Table) -> dict[str, Any]:
    record = get(table.name)
    orders = "of all orders" if table.max_order is None else f"up to order {table.max_order}"
    return {
        "name": table.name,
        "about": f"{table.name} {orders}. {record.definition}.",
        "single": record.single,
        "terms": [_term(s, value, table.errors.get(s)) for s, value in table.terms],
        "typical": [_number(table.typical.get(order, 0.0)) for order in range(max(table.typical, default=0) + 1)],
        "count": sum(count for order, count in table.counts.items() if order > 1),
        "singles": table.counts.get(1, 0),
    }


def _term(s: tuple[int, ...], value: float, error: float | None) -> list[Any]:
    return [s, _number(value)] + ([] if error is None else [_number(error)])


def _number(value: float) -> float:
    """Six digits; an unknown error counts as none."""
    return float(f"{value:.6g}") if isfinite(value) else 0.0


def _prediction(explanation: Explanation) -> dict[str, Any]:
    """The spectrum: the constant, and for each other term its order, its features and its coefficient."""
    spectrum, n = explanation.spectrum, len(explanation.feature_names)
    orders, coefficients = np.asarray(spectrum.orders), np.asarray(spectrum.coefficients, np.float64)
    joint = orders > 0
    support = np.asarray(spectrum.support)[joint]
    ends = explanation.predict(np.array([[True] * n, [False] * n]))  # true values, where they were evaluated
    return {
        "constant": float(coefficients[~joint].sum()),
        "orders": _base64(orders[joint].astype(np.uint16)),
        "features": _base64(support[support < n].astype(np.uint32 if n > 0xFFFF else np.uint16)),
        "coefficients": _base64(coefficients[joint].astype(np.float32)),
        "ends": ends.tolist(),
        "errors": [_number(error) for error in _errors_by_size(explanation)],
    }


def _errors_by_size(explanation: Explanation) -> Float[np.ndarray, " _"]:
    """The typical error of a prediction by the spectrum, for masks of 0..n kept features; NaN if it is unknown.

    With a surrogate it is the root of its variance plus the squared error of the truncation, at a few random masks.
    Otherwise it is that of the held-out predictions, whatever the size.
    """
    n, faithfulness = len(explanation.feature_names), explanation.faithfulness
    if faithfulness.exact or isnan(faithfulness.r2):
        return np.zeros(n + 1)
    if explanation.surrogate is None:
        left = (1 - faithfulness.r2) * np.var(explanation.values[faithfulness.rows])
        return np.full(n + 1, np.sqrt(max(float(left), 0.0)))
    removed = np.unique(np.concatenate([[1], np.geomspace(1, n, _SIZES).round()]).astype(int))
    sizes = np.repeat(np.unique(np.concatenate([[0], n - removed])), _PER_SIZE)
    places = np.random.default_rng(0).random((len(sizes), n)).argsort(1).argsort(1)
    masks = places < sizes[:, None]
    squares = (
        explanation.prediction_errors(masks) ** 2 + (explanation.predict(masks) - explanation.spectrum(masks)) ** 2
    )
    at = np.unique(sizes)
    return np.interp(np.arange(n + 1), at, [np.sqrt(squares[sizes == size].mean()) for size in at])


def _evaluated(explanation: Explanation) -> dict[str, str] | None:
    """The masks, as bits, and their values; None if there are too many for a page."""
    bits = np.packbits(explanation.masks, axis=1)
    if bits.size > _MOST_MASKS:
        return None
    return {"masks": _base64(bits), "values": _base64(explanation.values.astype(np.float32))}


def _base64(array: Shaped[np.ndarray, "*_"]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
