"""Interactions over many explanations, gathered by the words or labels of their features."""

import dataclasses
import string
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import comb, nan, prod, sqrt
from typing import Any, NamedTuple

from spexjax._listing import Line, Listing, Shown
from spexjax._printable import one_line
from spexjax.explanation import Combination, Explanation
from spexjax.indices import Interactions

_SHOWN = 20
_AROUND = string.whitespace + string.punctuation + "“”‘’…—–«»"

Labelling = str | Callable[[str], str | None] | Mapping[str, str] | Sequence[Sequence[str | None]]


class Group(NamedTuple):
    """What one label, or one set of labels, does over all explanations."""

    labels: tuple[str, ...]
    mean: float  # over all occurrences
    occurrences: int  # sets of features with these labels
    explanations: int  # with at least one of them
    standard_error: float  # of the mean, over explanations; NaN if only one has it


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Aggregate(Shown):
    """The mean of an index over many explanations, by the labels of the features; from `aggregate`.

    Attributes:
      groups: by |mean|, the largest first.
      index: the name of the index.
      explanations: how many there were.
    """

    groups: tuple[Group, ...]
    index: str
    explanations: int

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, labels: str | tuple[str, ...]) -> Group:
        """The group of a label, or of several in any order.

        Raises:
          KeyError: if no explanation has it.
        """
        wanted = (labels,) if isinstance(labels, str) else tuple(sorted(labels))
        for group in self.groups:
            if group.labels == wanted:
                return group
        raise KeyError(f"{labels!r} is in none of the {self.explanations} explanations.")

    def at_least(self, explanations: int) -> "Aggregate":
        """What occurs in so many explanations or more.

        Args:
          explanations: how many.
        """
        kept = tuple(group for group in self.groups if group.explanations >= explanations)
        return dataclasses.replace(self, groups=kept)

    def to_dicts(self) -> list[dict[str, Any]]:
        """The groups as plain values, for `pandas.DataFrame` or JSON."""
        return [group._asdict() for group in self.groups]

    def _listing(self) -> Listing:
        lines = tuple(
            Line(
                tuple(one_line(label, 40) for label in group.labels),
                (group.mean,),
                (group.standard_error,),
                f"{group.occurrences:,} in {group.explanations:,}",
            )
            for group in self.groups[:_SHOWN]
        )
        title = f"{self.index} over {self.explanations:,} explanations: {len(self):,} groups"
        left = len(self) - len(lines)
        return Listing(title, (), ("mean",), lines, f"and {left:,} weaker ones" if left else "")


def aggregate(
    explanations: Iterable[Explanation | Combination | Interactions],
    by: Labelling = "word",
    index: str = "SV",
    max_order: int | None = None,
) -> Aggregate:
    """The mean of an index over many explanations, by word or by label: what does "not" do, over a hundred reviews?

    Every set S of features is an occurrence of the labels of its features. The mean is over all occurrences of these
    labels, `sum_t sum_S I_t(S) / sum_t c_t`, with c_t how many occurrences explanation t has; an absent I_t(S) counts
    as 0. Occurrences in one text are not independent, so the standard error is that over texts,
    `sqrt(k / (k - 1) sum_t (sum_S I_t(S) - c_t mean)^2) / sum_t c_t` for k explanations that have the labels.

    Args:
      explanations: of any features, or tables of one index.
      by: "word", the features' names in lower case without white space and punctuation around them; a function or a
        dict from name to label; or for each explanation the labels of its features. What has no label (None, or none
        in the dict) is left out.
      index: as in `Explanation.interactions`; of tables it is theirs.
      max_order: as in `Explanation.interactions`.

    Raises:
      ValueError: if there are no explanations, the tables are of different indices, or the labels do not fit.

    >>> import numpy as np
    >>> table = lambda *v: Interactions(np.array([[0], [1]]), np.array(v), "SV", 1, 2, ("Not ", "bad."))
    >>> aggregate([table(1.0, -2.0), table(2.0, -2.0)])["not"]
    Group(labels=('not',), mean=1.5, occurrences=2, explanations=2, standard_error=0.5)
    """
    given = list(explanations)
    tables = [each if isinstance(each, Interactions) else _table(each, index, max_order) for each in given]
    kinds = {(table.index, table.max_order) for table in tables}
    if len(kinds) != 1:
        said = ", ".join(f"{name} of order {order}" for name, order in sorted(kinds, key=str)) or "none"
        raise ValueError(f"aggregate takes one or more explanations, or tables of one index and order; got {said}.")
    named = [_labels(by, table, t, len(tables)) for t, table in enumerate(tables)]
    sums = [_sums(table, labels) for table, labels in zip(tables, named, strict=True)]
    have = [Counter(label for label in labels if label is not None) for labels in named]
    groups = [
        _group(labels, [(one.get(labels, 0.0), _occurrences(labels, own)) for one, own in zip(sums, have, strict=True)])
        for labels in {labels for one in sums for labels in one}
    ]
    return Aggregate(tuple(sorted(groups, key=lambda g: (-abs(g.mean), g.labels))), tables[0].index, len(tables))


def _table(given: Any, index: str, max_order: int | None) -> Interactions:
    if not isinstance(given, Explanation | Combination):
        raise ValueError(f"aggregate takes explanations, or tables of interactions; got {type(given).__name__}.")
    return given.interactions(index, max_order)


def _labels(by: Labelling, table: Interactions, t: int, count: int) -> list[str | None]:
    """The label of each feature of table t; None for those that are left out."""
    names = table.names(range(table.num_features))
    if isinstance(by, str):
        if by != "word":
            raise ValueError(f'by is "word", a function, a dict, or labels for each explanation; got {by!r}.')
        return [name.strip(_AROUND).lower() or None for name in names]
    if isinstance(by, Mapping):
        return [by.get(name) for name in names]
    if callable(by):
        return [by(name) for name in names]
    if len(by) != count or len(by[t]) != len(names):
        raise ValueError(
            f"by must give a label for each of the {len(names)} features of explanation {t}, of {count} explanations."
        )
    return list(by[t])


def _sums(table: Interactions, labels: Sequence[str | None]) -> dict[tuple[str, ...], float]:
    """For each set of labels the sum over its occurrences in one explanation."""
    found: dict[tuple[str, ...], float] = defaultdict(float)
    for s, value in table:
        named = [label for i in s if (label := labels[i]) is not None]
        if s and len(named) == len(s):
            found[tuple(sorted(named))] += value
    return found


def _occurrences(labels: tuple[str, ...], have: Counter[str]) -> int:
    """How many sets of features have these labels, of so many features of each label."""
    return prod(comb(have[label], times) for label, times in Counter(labels).items())


def _group(labels: tuple[str, ...], sums: Sequence[tuple[float, int]]) -> Group:
    parts = [(total, c) for total, c in sums if c]
    k, count = len(parts), sum(c for _, c in parts)
    mean = sum(total for total, _ in parts) / count
    spread = sum((total - c * mean) ** 2 for total, c in parts)
    return Group(labels, mean, count, k, sqrt(k / (k - 1) * spread) / count if k > 1 else nan)
