"""Recovery: how much of what is known to matter an explanation finds."""

from collections.abc import Iterable
from typing import NamedTuple, SupportsIndex

Item = SupportsIndex | tuple[SupportsIndex, ...]


class Recovery(NamedTuple):
    """`precision = |found ∩ known| / |found|`, `recall = |found ∩ known| / |known|`, `f1` their harmonic mean."""

    precision: float
    recall: float
    f1: float


def recovery(found: Iterable[Item], known: Iterable[Item], k: int | None = None) -> Recovery:
    """Precision, recall and F1 of the k strongest findings, against what is known to matter.

    Args:
      found: features, or interactions as tuples of features, strongest first, such as `interactions.top(k).to_dict()`.
        Duplicates count once.
      known: the features or interactions that matter.
      k: how many findings count; all by default.

    Raises:
      ValueError: if nothing is known to matter, or k is below 1.

    >>> recovery([(2, 0), (1,), (3,)], [(0, 2), (5,)], k=2)
    Recovery(precision=0.5, recall=0.5, f1=0.5)
    """
    if k is not None and k < 1:
        raise ValueError(f"k is how many findings count, 1 or more; got {k}.")
    truth = set(map(_plain, known))
    if not truth:
        raise ValueError("Nothing is known to matter, so nothing can be recovered; give at least one set.")
    named = list(dict.fromkeys(map(_plain, found)))[:k]
    hits = len(truth.intersection(named))
    precision = hits / len(named) if named else 0.0
    return Recovery(precision, hits / len(truth), 2 * hits / (len(named) + len(truth)))


def _plain(item: Item) -> tuple[int, ...]:
    """A feature is the same as the interaction of that feature alone."""
    return tuple(sorted(map(int, item))) if isinstance(item, tuple | list) else (int(item),)
