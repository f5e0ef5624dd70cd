"""The result of an index: a sparse table of interactions."""

import dataclasses
import operator
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, SupportsFloat, SupportsIndex

import numpy as np
from jaxtyping import Float, Int

from spexjax._listing import Line, Listing, Shown
from spexjax._printable import labels
from spexjax.indices import _shapiq as shapiq_values
from spexjax.indices import _tables as tables

_SHOWN = 20  # interactions that are listed


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Interactions(Shown):
    """The values I(S) of an interaction index, in units of the value function; 0 for every S that is absent.

    A row of `support` lists the features of one S in increasing order, padded at the end with `num_features`;
    a row of padding alone is the empty set. Tables of one index and the same features can be added, subtracted, and
    multiplied by numbers; `sum` adds several. `(1, 2) in table` says whether a set has a row; iterating gives pairs
    `(S, I(S))`.

    >>> pair = Interactions(np.array([[0, 2], [0, 1]]), np.array([0.5, -2.0]), "SII", 2, 2, ("not", "good"))
    >>> pair
    SII up to order 2: 2 interactions of 2 features
    -2.00  not × good
    +0.50  not
    >>> pair[1, 0], pair["good"], pair["not", "good"], pair.to_dict()
    (-2.0, 0.0, -2.0, {(0,): 0.5, (0, 1): -2.0})
    >>> (2 * pair - pair).to_dict() == pair.to_dict()
    True
    """

    support: Int[np.ndarray, "k d"]
    values: Float[np.ndarray, " k"]
    index: str
    max_order: int | None  # None: every order
    num_features: int
    feature_names: tuple[str, ...] | None = None
    errors_of: Callable[[Any], Float[np.ndarray, " _"]] | None = None  # the standard errors of a table's rows
    note: str = ""  # what to keep in mind when reading it, a sentence

    __array_ufunc__ = None  # numpy's numbers leave products to this class

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[tuple[tuple[int, ...], float]]:
        return iter(self._table.items())

    def __getitem__(self, s: SupportsIndex | str | Iterable[SupportsIndex | str]) -> float:
        """I(S) of one feature, or of several, by number, name, or label: the second "is" of a text is "is₂".

        Raises:
          ValueError: if these are not different features, or more than `max_order` of them.
        """
        return self._table.get(self._set(s), 0.0)

    def __contains__(self, s: object) -> bool:
        """Whether S, given as to `table[S]`, is in the table; or a pair `(S, I(S))`, as the table lists it."""
        pair = isinstance(s, tuple) and len(s) == 2 and isinstance(s[0], tuple)
        try:
            found = self._table.get(self._set(s[0] if pair else s))  # type: ignore[index, arg-type]
        except ValueError:
            return False
        return found is not None and (not pair or found == s[1])  # type: ignore[index]

    def __eq__(self, other: object) -> bool:
        """Whether two tables are of one index, order and features, and hold the same sets with the same values.

        Neither the order of the rows nor standard errors and notes count. NaN is like NaN.
        """
        if not isinstance(other, Interactions):
            return NotImplemented
        mine, its = self._table, other._table
        if self._of != other._of or mine.keys() != its.keys():
            return False
        return np.array_equal([*mine.values()], [its[s] for s in mine], equal_nan=True)

    def __hash__(self) -> int:
        return hash((self._of, frozenset(self._table)))

    @property
    def orders(self) -> Int[np.ndarray, " k"]:
        """|S| of each interaction."""
        return (self.support < self.num_features).sum(-1)

    @cached_property
    def standard_errors(self) -> Float[np.ndarray, " k"]:
        """The standard error of each value: 0 where it is exact, NaN where it is unknown. Computed when asked for."""
        return self.errors_of(self) if self.errors_of is not None and len(self) else np.full(len(self), np.nan)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The names of all features as they are shown: short, on one line, and equal ones numbered."""
        return labels(self.names(range(self.num_features)))

    def to_dict(self) -> dict[tuple[int, ...], float]:
        """`{S: I(S)}`, with S as a sorted tuple."""
        return dict(self._table)

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`, one row per interaction.

        Its columns are `interaction` (the labels), `features` (the numbers, as a tuple), `order`, `value` and
        `standard_error`; `attrs` holds the index and its order.

        Raises:
          ImportError: if pandas is not installed.
        """
        return tables.frame(self)

    def to_json(self, indent: int | None = None) -> str:
        """A JSON object of the index, the feature names, and every interaction with its standard error.

        `docs/interactions.schema.json` describes it. What is not finite, an unknown standard error for instance, is
        null.

        Args:
          indent: as in `json.dumps`.

        >>> pair = Interactions(np.array([[0, 1]]), np.array([-2.0]), "SII", 2, 2, ("not", "good"))
        >>> Interactions.from_json(pair.to_json()).to_dict()
        {(0, 1): -2.0}
        """
        return tables.written(self, indent)

    @classmethod
    def from_json(cls, text: str) -> "Interactions":
        """The table that `to_json` wrote.

        Raises:
          ValueError: if the text is no such table.
        """
        return tables.read(cls, text)

    def to_shapiq(self, baseline: float | None = None) -> Any:
        """A `shapiq.InteractionValues` of plain numbers, with which shapiq draws its plots.

        Args:
          baseline: the value where nothing is kept, shapiq's `baseline_value`; by default that of the empty set, or 0
            where the index has none (SV, BV, SII, BII).

        Raises:
          ImportError: if shapiq is not installed; it needs Python 3.12.
          ValueError: if shapiq has no index of this name.
        """
        return shapiq_values.written(self, baseline)

    @classmethod
    def from_shapiq(cls, values: Any, feature_names: Iterable[str] | None = None) -> "Interactions":
        """The table of a `shapiq.InteractionValues`, whose standard errors are unknown.

        Args:
          values: from shapiq; shapiq itself is not imported.
          feature_names: n names; x0, x1, ... by default.

        Raises:
          ValueError: if that is no `InteractionValues`, or there are not n names.
        """
        return shapiq_values.read(cls, values, feature_names)

    def __add__(self, other: "Interactions") -> "Interactions":
        return tables.combined([self, other], [1.0, 1.0]) if isinstance(other, Interactions) else NotImplemented

    def __radd__(self, start: object) -> "Interactions":
        return self if start == 0 else NotImplemented  # what `sum` begins with

    def __sub__(self, other: "Interactions") -> "Interactions":
        return tables.combined([self, other], [1.0, -1.0]) if isinstance(other, Interactions) else NotImplemented

    def __mul__(self, factor: SupportsFloat) -> "Interactions":
        return tables.combined([self], [float(factor)])

    __rmul__ = __mul__

    def __truediv__(self, divisor: SupportsFloat) -> "Interactions":
        return self * (1 / float(divisor))

    def __neg__(self) -> "Interactions":
        return self * -1.0

    def order(self, o: int) -> "Interactions":
        """The interactions of exactly `o` features."""
        return self._rows(np.flatnonzero(self.orders == o))

    def only(self, sets: Iterable[tuple[int, ...]]) -> "Interactions":
        """The interactions of these sets, each a sorted tuple, as far as they have a value."""
        wanted = set(sets)
        return self._rows(np.array([i for i, s in enumerate(self._table) if s in wanted], np.int64))

    def top(self, k: int = 10) -> "Interactions":
        """The k interactions of largest |I(S)|, strongest first, without the empty set.

        Raises:
          ValueError: if k is no whole number, or negative.
        """
        if not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 0:
            raise ValueError(f"k is how many interactions to list, a whole number, 0 or more; got {k!r}.")
        rows = np.argsort(-np.abs(self.values), kind="stable")
        return self._rows(rows[self.orders[rows] > 0][:k])

    def names(self, s: Iterable[int]) -> tuple[str, ...]:
        """The names of the features in s; `x0`, `x1`, ... if none were given."""
        return tuple(f"x{i}" if self.feature_names is None else self.feature_names[i] for i in s)

    def _listing(self) -> Listing:
        orders = "of all orders" if self.max_order is None else f"up to order {self.max_order}"
        title = f"{self.index} {orders}: {len(self):,} interactions of {self.num_features:,} features"
        empty, top = self.order(0), self.top(_SHOWN)
        lines = (*empty._lines(), *top._lines())
        left = len(self) - len(lines)
        facts = (self.note,) if self.note else ()
        return Listing(title, facts, (self.index,), lines, f"and {left:,} weaker ones" if left else "")

    def _lines(self) -> tuple[Line, ...]:
        """Every row as it is shown."""
        rows = zip(self, self.standard_errors.tolist(), strict=True)
        return tuple(Line(tuple(self.labels[i] for i in s), (value,), (error,)) for (s, value), error in rows)

    @property
    def _of(self) -> tuple:
        return self.index, self.max_order, self.names(range(self.num_features))

    def _set(self, s: SupportsIndex | str | Iterable[SupportsIndex | str]) -> tuple[int, ...]:
        """The numbers of one feature, or of several, in order; raises ValueError as `__getitem__` says."""
        n, members = self.num_features, [s] if isinstance(s, str) or not isinstance(s, Iterable) else s
        most = n if self.max_order is None else self.max_order
        try:
            numbers = sorted(map(self._number, members))
        except TypeError:
            numbers = [n]
        if len(set(numbers)) < len(numbers) or len(numbers) > most or not all(0 <= i < n for i in numbers):
            raise ValueError(
                f"{s!r} is not a set of at most {most} features: give different numbers out of 0..{n - 1}, or "
                "names or labels that only one feature has."
            )
        return tuple(numbers)

    def _number(self, feature: SupportsIndex | str) -> int:
        if not isinstance(feature, str):
            return operator.index(feature)
        for names in (self.names(range(self.num_features)), self.labels):
            if names.count(feature) == 1:
                return names.index(feature)
        return self.num_features

    def _rows(self, rows: Int[np.ndarray, " r"]) -> "Interactions":
        return dataclasses.replace(self, support=self.support[rows], values=self.values[rows])

    @cached_property
    def _table(self) -> dict[tuple[int, ...], float]:
        rows = zip(self.support.tolist(), self.orders.tolist(), self.values.tolist(), strict=True)
        return {tuple(row[:o]): value for row, o, value in rows}
