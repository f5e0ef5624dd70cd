"""Explanations of the same features added up: the difference of two, or the mean of many."""

import dataclasses
from collections.abc import Sequence
from math import comb
from typing import Any, SupportsFloat

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from spexjax._listing import Line, Listing, Shown
from spexjax._printable import one_line
from spexjax.explanation._verdict import verdict
from spexjax.indices import Interactions, check_same_features, combined
from spexjax.spectrum import Spectrum
from spexjax.typing import Values

_SHOWN = 8  # interactions that are listed
_GLANCE = 2_000  # sets of one order, all pairs of 63 features, that take no time to speak of


class Linear(Shown):
    """What can be added and subtracted, and multiplied by numbers: an Explanation or a Combination."""

    __array_ufunc__ = None  # numpy's numbers leave products to this class

    def _terms(self) -> tuple[tuple[float, Any], ...]:
        """Weights and explanations."""
        return ((1.0, self),)

    @property
    def default_index(self) -> str:
        """The index that is shown where none is named: FSII, or WBII where `explain(keep=...)` drew all masks."""
        return "FSII" if any(each.keep_probability is None for _, each in self._terms()) else "WBII"

    def _glance(self, index: str | None = None, max_order: int | None = None) -> Interactions:
        """An index for a glance: of an order with more than 2,000 sets, the sets of the spectrum only."""
        weights, explanations = zip(*self._terms(), strict=True)
        many = comb(len(explanations[0].feature_names), max_order or 2) > _GLANCE
        bound = {"all_sets": _GLANCE} if many else {}  # else the table is the one that everything else asks for
        index = self.default_index if index is None else index
        return combined([each._indexed(index, max_order, **bound) for each in explanations], weights)

    def __add__(self, other: "Linear") -> "Combination":
        return Combination._of(self._terms() + other._terms()) if isinstance(other, Linear) else NotImplemented

    def __radd__(self, start: object) -> "Combination":
        return Combination._of(self._terms()) if start == 0 else NotImplemented  # what `sum` begins with

    def __sub__(self, other: "Linear") -> "Combination":
        return self + -other if isinstance(other, Linear) else NotImplemented

    def __mul__(self, factor: SupportsFloat) -> "Combination":
        return Combination._of(tuple((float(factor) * weight, each) for weight, each in self._terms()))

    __rmul__ = __mul__

    def __truediv__(self, divisor: SupportsFloat) -> "Combination":
        return self * (1 / float(divisor))

    def __neg__(self) -> "Combination":
        return self * -1.0


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Combination(Linear):
    """`sum_i w_i f_i` of explained functions: `a - b`, or the mean of several. Indices are linear, so are those exact.

    Standard errors are `sqrt(sum_i w_i^2 se_i^2)`, as if the explanations erred independently: as they do unless
    they share ablations.

    Attributes:
      explanations: of the same features.
      weights: one for each.

    Raises:
      ValueError: if there is no explanation, there are not as many weights, or their features differ.
    """

    explanations: tuple[Any, ...]
    weights: tuple[float, ...]

    def __post_init__(self):
        if not self.explanations or len(self.weights) != len(self.explanations):
            raise ValueError(
                "A combination is of one or more explanations, with a weight for each; got "
                f"{len(self.explanations)} and {len(self.weights)}."
            )
        for other in self.explanations[1:]:
            check_same_features(self.feature_names, other.feature_names)

    @classmethod
    def _of(cls, terms: tuple[tuple[float, Any], ...]) -> "Combination":
        weights, explanations = zip(*terms, strict=True)
        return cls(explanations, weights)

    def _terms(self) -> tuple[tuple[float, Any], ...]:
        return tuple(zip(self.weights, self.explanations, strict=True))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """n names."""
        return self.explanations[0].feature_names

    @property
    def spectrum(self) -> Spectrum:
        """The sum of the spectra."""
        first, *others = (each.spectrum.scale(weight) for weight, each in self._terms())
        return first.merge(*others)

    def predict(self, masks: ArrayLike) -> Values:
        """The sum of the predictions; see `Explanation.predict`."""
        return self._sum([each.predict(masks) for each in self.explanations])

    def prediction_errors(self, masks: ArrayLike) -> Values:
        """The standard error of `predict` at each mask; see `Explanation.prediction_errors`."""
        return self._root_sum([each.prediction_errors(masks) for each in self.explanations])

    def interactions(
        self, index: str | None = None, max_order: int | None = None, *, keep: float | None = None
    ) -> Interactions:
        """The index of the sum, which is the sum of the indices; see `Explanation.interactions`."""
        index = self.default_index if index is None else index
        return combined([each.interactions(index, max_order, keep=keep) for each in self.explanations], self.weights)

    def standard_errors(self, table: Interactions) -> Float[np.ndarray, " k"]:
        """The standard error of each value of a table from `interactions`."""
        return self._root_sum([each.standard_errors(table) for each in self.explanations])

    def _sum(self, parts: Sequence[Any]) -> Any:
        return np.tensordot(np.array(self.weights), np.array(parts, np.float64), 1)

    def _root_sum(self, parts: Sequence[Any]) -> Any:
        return np.sqrt(np.tensordot(np.square(self.weights), np.square(np.array(parts, np.float64)), 1))

    def _listing(self) -> Listing:
        facts = tuple(f"{weight:+.4g} × {in_short(each)}" for weight, each in self._terms()[:_SHOWN])
        return strongest(self, f"{self._kind} of {len(self.feature_names):,} features", facts)

    @property
    def _kind(self) -> str:
        if self.weights == (1.0, -1.0):
            return "Difference of two explanations"
        equal = len(set(self.weights)) == 1 and np.isclose(sum(self.weights), 1)
        return f"{'Mean' if equal else 'Weighted sum'} of {len(self.weights)} explanations"


def in_short(explained: Any) -> str:
    """An explanation or a combination on a short line: its method, its faithfulness, and what was answered.

    Args:
      explained: an Explanation or a Combination.
    """
    if isinstance(explained, Combination):
        return explained._kind
    of = f"{one_line(explained.method)} on {len(explained.values):,} ablations, {explained.faithfulness.number}."
    return " ".join((of, *verdict(explained)[:1]))


def strongest(explained: Any, title: str, facts: Sequence[str]) -> Listing:
    """The strongest interactions of an explanation, a combination or a table, below what is said of it.

    Args:
      explained: one of these.
      title: of the listing.
      facts: one line each.
    """
    try:
        table = explained if isinstance(explained, Interactions) else explained._glance()
    except ValueError as error:  # the sets of its terms are too many
        return Listing(title, (*facts, str(error)))
    top = table.top(_SHOWN)
    errors = top.standard_errors.tolist()
    lines = [Line(tuple(top.labels[i] for i in s), (v,), (e,)) for (s, v), e in zip(top, errors, strict=True)]
    orders = "of all orders" if table.max_order is None else f"up to order {table.max_order}"
    said = f"The strongest interactions ({table.index} {orders}):"
    return Listing(title, (*facts, said) if lines else tuple(facts), (table.index,), tuple(lines))
