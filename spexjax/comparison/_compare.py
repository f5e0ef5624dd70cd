"""Two explanations side by side: how far they agree, and what changed."""

import dataclasses
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from spexjax._durable import write_durably
from spexjax._listing import Line, Listing, Shown
from spexjax.explanation import Combination, Explanation
from spexjax.indices import Interactions, check_alike
from spexjax.metrics import agreement
from spexjax.spectrum import joined_supports, unique_rows

_CERTAIN = 2.0  # standard errors


class Change(NamedTuple):
    """One interaction in both explanations."""

    features: tuple[int, ...]
    a: float
    b: float
    change: float  # b - a
    standard_error: float  # of the change; NaN if unknown


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Comparison(Shown):
    """How far two explanations of the same features agree, and what changed from `a` to `b`.

    All numbers are over the interactions that either table has, the empty set aside; an absent one counts as 0.

    Attributes:
      a: the first table.
      b: the second.
      k: how many of the strongest of each `top_k_agreement` and `sign_flips` are about.
      titles: what the two are called.
    """

    a: Interactions
    b: Interactions
    k: int
    titles: tuple[str, str]

    @property
    def difference(self) -> Interactions:
        """`b - a`, with its standard errors."""
        return self.b - self.a

    @property
    def top_k_agreement(self) -> float:
        """`|A_k ∩ B_k| / |A_k ∪ B_k|`, with A_k and B_k the k strongest interactions of each."""
        return agreement([self.a.to_dict(), self.b.to_dict()], self.k).jaccard

    @property
    def pearson(self) -> float:
        """The correlation of the values; NaN where all values of one table are equal."""
        return _correlation(*self._values)

    @property
    def rank_correlation(self) -> float:
        """Spearman's: the correlation of the ranks of the values; NaN as `pearson`."""
        return _correlation(*map(_ranks, self._values))

    @property
    def sign_flips(self) -> tuple[Change, ...]:
        """What is among the k strongest of either and has opposite signs, the largest change first.

        Where standard errors are known, both values must be more than two of them away from 0.
        """
        strong = {s for table in (self.a, self.b) for s, _ in table.top(self.k)}
        clear = self._clear(self.a) & self._clear(self.b)
        flips = [c for c in self.changes(None) if c.features in strong and c.features in clear and c.a * c.b < 0]
        return tuple(flips)

    def changes(self, k: int | None = 10) -> tuple[Change, ...]:
        """The interactions that changed most, by |b - a|.

        Args:
          k: how many; None for all.

        Raises:
          ValueError: if k is negative.
        """
        table = self.difference
        top = table.top(len(table) if k is None else k)
        rows = zip(top, top.standard_errors.tolist(), strict=True)
        return tuple(Change(s, self.a[s], self.b[s], value, error) for (s, value), error in rows)

    def write_html(self, path: str | Path) -> Path:
        """Writes a self-contained page: how far the two agree, what changed, and both side by side.

        Args:
          path: the file; an earlier one is replaced.

        Returns:
          The path.
        """
        title = escape(" and ".join(self.titles))
        columns = "".join(f"<div>{table.top(20)._repr_html_()}</div>" for table in (self.a, self.b))
        page = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width"><title>{title}</title><style>'
            ":root { color-scheme: light dark; } body { max-width: 72em; margin: 2em auto; padding: 0 1em; }"
            ".side { display: grid; grid-template-columns: repeat(auto-fit, minmax(20em, 1fr)); gap: 2em; }"
            f'</style></head><body><main>{self._repr_html_()}<div class="side">{columns}</div></main></body></html>'
        )
        return write_durably(path, page)

    @property
    def _values(self) -> tuple[Float[np.ndarray, " u"], Float[np.ndarray, " u"]]:
        """The values of both on the sets that either has."""
        support, _ = unique_rows(joined_supports([self.a.support, self.b.support], self.a.num_features))
        sets = [tuple(i for i in row if i < self.a.num_features) for row in support.tolist()]
        tables = self.a.to_dict(), self.b.to_dict()
        x, y = (np.array([table.get(s, 0.0) for s in sets if s]) for table in tables)
        return x, y

    def _clear(self, table: Interactions) -> set[tuple[int, ...]]:
        """The sets whose values are not within two standard errors of 0, as far as is known."""
        top = table.top(len(table))
        clear: Bool[np.ndarray, " k"] = ~(np.abs(top.values) < _CERTAIN * top.standard_errors)
        return {s for (s, _), certain in zip(top, clear.tolist(), strict=True) if certain}

    def _listing(self) -> Listing:
        flips = {change.features for change in self.sign_flips}
        lines = tuple(
            Line(
                tuple(self.a.labels[i] for i in change.features),
                (change.a, change.b, change.change),
                (change.standard_error,),
                "the sign flips" if change.features in flips else "",
            )
            for change in self.changes()
        )
        facts = (
            f"a: {self.titles[0]}",
            f"b: {self.titles[1]}",
            f"Agreement of the {self.k} strongest (Jaccard): {self.top_k_agreement:.2f}. "
            f"Correlation: {self.pearson:.3f}, of ranks {self.rank_correlation:.3f}. "
            f"Opposite signs among the strongest: {len(flips)}.",
            "What changed most:",
        )
        return Listing(
            f"Comparison by {self.a.index} of {self.a.num_features:,} features", facts, ("a", "b", "b - a"), lines
        )


def compare(
    a: Explanation | Combination | Interactions,
    b: Explanation | Combination | Interactions,
    index: str = "FSII",
    max_order: int | None = None,
    *,
    k: int = 10,
) -> Comparison:
    """Compares two explanations of the same features, or two tables of one index.

    Two prompts, two models, two seeds or two methods: on the same words, heads or examples. What is about different
    texts can be aggregated by word: see `comparison.aggregate`.

    Args:
      a: an explanation, or a table.
      b: another of the same features.
      index: as in `Explanation.interactions`; of two tables it is theirs.
      max_order: as in `Explanation.interactions`.
      k: how many of the strongest interactions of each are compared as sets.

    Returns:
      The agreement, the correlations, the sign flips and the changes; it shows itself.

    Raises:
      ValueError: if the features, the indices or the orders differ, one is no explanation, or k is below 1.
    """
    if not isinstance(k, int | np.integer) or k < 1:
        raise ValueError(f"k is how many of the strongest interactions are compared, 1 or more; got {k!r}.")
    first, second = (_table(each, index, max_order) for each in (a, b))
    check_alike([first, second])
    return Comparison(first, second, int(k), (_title(a), _title(b)))


def _table(given: Any, index: str, max_order: int | None) -> Interactions:
    if isinstance(given, Interactions):
        return given
    if not isinstance(given, Explanation | Combination):
        raise ValueError(f"compare takes two explanations, or two tables of interactions; got {type(given).__name__}.")
    return given.interactions(index, max_order)


def _title(given: Any) -> str:
    return (_of(given) if isinstance(given, Interactions) else str(given)).splitlines()[0]


def _of(table: Interactions) -> str:
    orders = "of all orders" if table.max_order is None else f"up to order {table.max_order}"
    return f"{table.index} {orders}, {len(table):,} interactions"


def _correlation(x: Float[np.ndarray, " u"], y: Float[np.ndarray, " u"]) -> float:
    x, y = x - x.mean() if len(x) else x, y - y.mean() if len(y) else y
    norm = np.linalg.norm(x) * np.linalg.norm(y)
    return float(x @ y / norm) if norm else float("nan")


def _ranks(values: Float[np.ndarray, " u"]) -> Float[np.ndarray, " u"]:
    """1 for the smallest; ties share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]
