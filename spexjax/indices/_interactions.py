"""The result of an index: a sparse table of interactions."""

import dataclasses
import operator
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import SupportsIndex

import numpy as np
from jaxtyping import Float, Int

from spexjax._printable import printable

_SHOWN = 20  # interactions that `str` lists


@dataclasses.dataclass(frozen=True, eq=False)
class Interactions:
    """The values I(S) of an interaction index, in units of the value function; 0 for every S that is absent.

    A row of `support` lists the features of one S in increasing order, padded at the end with `num_features`;
    a row of padding alone is the empty set.

    >>> pair = Interactions(np.array([[0, 2], [0, 1]]), np.array([0.5, -2.0]), "SII", 2, 2, ("not", "good"))
    >>> print(pair)
    SII up to order 2: 2 interactions of 2 features
     -2  not, good
    0.5  not
    >>> pair[1, 0], pair["good"], pair["not", "good"], pair.to_dict()
    (-2.0, 0.0, -2.0, {(0,): 0.5, (0, 1): -2.0})
    """

    support: Int[np.ndarray, "k d"]
    values: Float[np.ndarray, " k"]
    index: str
    max_order: int | None  # None: every order
    num_features: int
    feature_names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[tuple[tuple[int, ...], float]]:
        return iter(self._table.items())

    def __getitem__(self, s: SupportsIndex | str | Iterable[SupportsIndex | str]) -> float:
        """I(S) of one feature, or of several, by number or name.

        Raises:
          ValueError: if these are not different features, or more than `max_order` of them.
        """
        n, members = self.num_features, [s] if isinstance(s, str) or not isinstance(s, Iterable) else s
        most = n if self.max_order is None else self.max_order
        try:
            numbers = sorted(map(self._number, members))
        except TypeError:
            numbers = [n]
        if len(set(numbers)) < len(numbers) or len(numbers) > most or not all(0 <= i < n for i in numbers):
            raise ValueError(
                f"{s!r} is not a set of at most {most} features: give different numbers out of 0..{n - 1}, or "
                "names that only one feature has."
            )
        return self._table.get(tuple(numbers), 0.0)

    @property
    def orders(self) -> Int[np.ndarray, " k"]:
        """|S| of each interaction."""
        return (self.support < self.num_features).sum(-1)

    def to_dict(self) -> dict[tuple[int, ...], float]:
        """`{S: I(S)}`, with S as a sorted tuple."""
        return dict(self._table)

    def order(self, o: int) -> "Interactions":
        """The interactions of exactly `o` features."""
        return self._rows(np.flatnonzero(self.orders == o))

    def top(self, k: int = 10) -> "Interactions":
        """The k interactions of largest |I(S)|, strongest first, without the empty set.

        Raises:
          ValueError: if k is negative.
        """
        if k < 0:
            raise ValueError(f"k is how many interactions to list, 0 or more; got {k}.")
        rows = np.argsort(-np.abs(self.values), kind="stable")
        return self._rows(rows[self.orders[rows] > 0][:k])

    def names(self, s: Iterable[int]) -> tuple[str, ...]:
        """The names of the features in s; `x0`, `x1`, ... if none were given."""
        return tuple(f"x{i}" if self.feature_names is None else self.feature_names[i] for i in s)

    def __str__(self) -> str:
        orders = "of all orders" if self.max_order is None else f"up to order {self.max_order}"
        lines = [f"{self.index} {orders}: {len(self)} interactions of {self.num_features} features"]
        shown = [*self.order(0), *self.top(_SHOWN)]
        numbers = [f"{value:.4g}" for _, value in shown]
        width = max(map(len, numbers), default=0)
        for (s, _), number in zip(shown, numbers, strict=True):
            lines.append(f"{number:>{width}}  {', '.join(map(printable, self.names(s))) or '∅'}")
        if len(self) > len(shown):
            lines.append(f"{'':{width}}  and {len(self) - len(shown)} weaker ones")
        return "\n".join(lines)

    def _number(self, feature: SupportsIndex | str) -> int:
        if not isinstance(feature, str):
            return operator.index(feature)
        names = self.names(range(self.num_features))
        return names.index(feature) if names.count(feature) == 1 else self.num_features

    def _rows(self, rows: Int[np.ndarray, " r"]) -> "Interactions":
        return dataclasses.replace(self, support=self.support[rows], values=self.values[rows])

    @cached_property
    def _table(self) -> dict[tuple[int, ...], float]:
        rows = zip(self.support.tolist(), self.orders.tolist(), self.values.tolist(), strict=True)
        return {tuple(row[:o]): value for row, o, value in rows}
