"""Agreement of explanations with each other: over seeds, or between budgets."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

Table = Mapping[tuple[int, ...], float]


class Agreement(NamedTuple):
    """Means over all pairs: the Jaccard index of the sets of the k strongest, and the correlation of their ranks."""

    jaccard: float
    rank_correlation: float


def agreement(tables: Sequence[Table], k: int = 10) -> Agreement:
    """How well explanations of the same input agree on their k strongest terms, over seeds or budgets.

    For each pair A, B: `|A_k ∩ B_k| / |A_k ∪ B_k|`, where A_k are the k of largest |A(S)|, S not empty; and the
    Spearman correlation of |A(S)| and |B(S)| over S in `A_k ∪ B_k`, an absent S having 0. Both are 1 if two tables are
    empty. A correlation that is undefined, because all ranks of one table are equal, counts as 0.

    Args:
      tables: two or more `{S: value}`, from `Interactions.to_dict()` or `Spectrum.to_dict()`.
      k: how many terms of each table to compare.

    Raises:
      ValueError: if there are fewer than two tables, or k is below 1.

    >>> agreement([{(0,): 3.0, (1,): -2.0, (0, 1): 1.0}, {(0,): 3.0, (1,): 1.0, (2,): -2.0}], k=2)
    Agreement(jaccard=0.3333333333333333, rank_correlation=0.5)
    """
    if len(tables) < 2 or k < 1:
        raise ValueError(f"Agreement is of two or more tables on k >= 1 terms; got {len(tables)} and k = {k}.")
    strength = [{tuple(sorted(s)): abs(v) for s, v in table.items() if s} for table in tables]
    tops = [_strongest(table, k) for table in strength]
    pairs = [_pair(strength[i], strength[j], tops[i], tops[j]) for i, j in combinations(range(len(tables)), 2)]
    return Agreement(*np.mean(pairs, axis=0).tolist())


def _strongest(table: Table, k: int) -> set[tuple[int, ...]]:
    return set(sorted(table, key=lambda s: (-table[s], s))[:k])


def _pair(a: Table, b: Table, top_a: set, top_b: set) -> tuple[float, float]:
    union = sorted(top_a | top_b)
    if not union:
        return 1.0, 1.0
    ranks = np.array([_ranks([table.get(s, 0.0) for s in union]) for table in (a, b)])
    x, y = ranks - ranks.mean(1, keepdims=True)
    norm = np.sqrt((x @ x) * (y @ y))
    same = float(len(union) == 1 and top_a == top_b)
    return len(top_a & top_b) / len(union), float(x @ y / norm) if norm else same


def _ranks(values: Sequence[float]) -> np.ndarray:
    """1 for the smallest; ties share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]
