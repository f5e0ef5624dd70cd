"""Two explanations side by side: how far they agree, and what changed."""

import dataclasses
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from spexjax._durable import write_durably
from spexjax._listing import Line, Listing, Shown
from spexjax._numbers import counted
from spexjax.explanation import Combination, Explanation, in_short, strongest
from spexjax.indices import Interactions, check_alike
from spexjax.metrics import agreement

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

    An interaction stands out unless it is known to lie within two standard errors of 0. Agreement and correlations are
    over what stands out in either table, the empty set aside; an absent interaction counts as 0.

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

    @cached_property
    def difference(self) -> Interactions:
        """`b - a`, with its standard errors."""
        return self.b - self.a

    @property
    def top_k_agreement(self) -> float:
        """`|A_k ∩ B_k| / |A_k ∪ B_k|`, with A_k and B_k the k strongest interactions of each that stand out."""
        return agreement(self._standing, self.k).jaccard

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
        """What stands out in both, is among the k strongest of either, and has opposite signs; largest change first."""
        a, b = self._standing
        strong = {s for one in (a, b) for s in sorted(one, key=lambda s: -abs(one[s]))[: self.k]}
        flips = {s for s in strong if a.get(s, 0.0) * b.get(s, 0.0) < 0}
        return self._changes(self.difference.only(flips).top(len(flips)))

    def changes(self, k: int = 10) -> tuple[Change, ...]:
        """The interactions that changed most, by |b - a|.

        Args:
          k: how many, at most.

        Raises:
          ValueError: if k is negative.
        """
        return self._changes(self.difference.top(k))

    def write_html(self, path: str | Path) -> Path:
        """Writes a self-contained page: how far the two agree, what changed, and both side by side.

        Args:
          path: the file; an earlier one is replaced.

        Returns:
          The path.
        """
        title = escape(" and ".join(self.titles))
        sides = [strongest(table, name, ()).html() for table, name in ((self.a, "a"), (self.b, "b"))]
        page = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width"><title>{title}</title><style>'
            ":root { color-scheme: light dark; } body { max-width: 72em; margin: 2em auto; padding: 0 1em; }"
            ".side { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20em, 100%), 1fr)); gap: 2em; }"
            ".side > * { min-width: 0; } .spexjax p { overflow-wrap: anywhere; }"
            "@media (max-width: 40em) { .spexjax .axis, th:empty { display: none; }"
            " main .spexjax :is(td, th) { padding: 1px 3px; } .spexjax th.label { width: 100%; min-width: 6em; } }"
            f'</style></head><body><main>{self._repr_html_()}<div class="side">{"".join(sides)}</div></main></body>'
            "</html>"
        )
        return write_durably(path, page)

    def _changes(self, table: Interactions) -> tuple[Change, ...]:
        rows = zip(table, table.standard_errors.tolist(), strict=True)
        return tuple(Change(s, self.a[s], self.b[s], value, error) for (s, value), error in rows)

    @cached_property
    def _standing(self) -> tuple[dict[tuple[int, ...], float], dict[tuple[int, ...], float]]:
        """What stands out in each table."""
        return _standing_out(self.a), _standing_out(self.b)

    @cached_property
    def _values(self) -> tuple[Float[np.ndarray, " u"], Float[np.ndarray, " u"]]:
        """The values of both on the sets that stand out in either."""
        a, b = self._standing
        sets = sorted(a.keys() | b.keys())
        return np.array([self.a[s] for s in sets]), np.array([self.b[s] for s in sets])

    def _listing(self) -> Listing:
        flips, count = {change.features for change in self.sign_flips}, len(self._values[0])
        correlations = f"correlation {self.pearson:.3f}, of ranks {self.rank_correlation:.3f}, "
        lines = tuple(
            Line(
                tuple(self.a.labels[i] for i in change.features),
                (change.a, change.b, change.change),
                (change.standard_error,),
                "the sign flips" if change.features in flips else "",
            )
            for change in self.changes()
            if change.change
        )
        facts = (
            f"a: {self.titles[0]}",
            f"b: {self.titles[1]}",
            f"Of {counted(count, 'interaction')} that stand out: agreement of the {self.k} strongest (Jaccard) "
            f"{self.top_k_agreement:.2f}, {correlations if count > 2 else ''}opposite signs {len(flips)}.",
            "What changed most:" if lines else "Nothing changed.",
        )
        title = f"Comparison by {self.a.index} of {self.a.num_features:,} features"
        return Listing(title, facts, ("a", "b", "b - a"), lines)


def compare(
    a: Explanation | Combination | Interactions,
    b: Explanation | Combination | Interactions,
    index: str | None = None,
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
    if index is None:
        wanted = {each.default_index for each in (a, b) if isinstance(each, Explanation | Combination)}
        index = wanted.pop() if len(wanted) == 1 else "FSII"
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
    return f"a table of {len(given):,} interactions" if isinstance(given, Interactions) else in_short(given)


def _standing_out(table: Interactions) -> dict[tuple[int, ...], float]:
    rows = zip(table, table.standard_errors.tolist(), strict=True)
    return {s: value for (s, value), error in rows if s and not abs(value) < _CERTAIN * error}


def _correlation(x: Float[np.ndarray, " u"], y: Float[np.ndarray, " u"]) -> float:
    x, y = x - x.mean() if len(x) else x, y - y.mean() if len(y) else y
    norm = np.linalg.norm(x) * np.linalg.norm(y)
    return float(x @ y / norm) if norm else float("nan")


def _ranks(values: Float[np.ndarray, " u"]) -> Float[np.ndarray, " u"]:
    """1 for the smallest; ties share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]
