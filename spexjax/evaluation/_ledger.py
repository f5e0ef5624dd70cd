"""The ledger of one evaluation: which masks are known, from the store or from the device, and which are missing."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float64, Int

from spexjax.ablation import Ablation
from spexjax.evaluation import _sharding as sharding
from spexjax.evaluation._store import Shelf, Store


class Ledger:
    """Values of the distinct masks of an evaluation; `distinct[i]` is the i-th of them, NaN says that it is missing."""

    def __init__(self, masks: Bool[np.ndarray, "m n"], ablation: Ablation, store: Store | None):
        _, first, inverse = np.unique(np.packbits(masks, axis=1), axis=0, return_index=True, return_inverse=True)
        self.distinct = masks[first]
        self.report: Callable[[int, int], None] = lambda done, total: None
        self._inverse, self._stored = inverse.ravel(), store is not None
        self._shelf: Shelf | None = None  # of the first host, which reads and writes for all
        self._copies = np.bincount(self._inverse, minlength=len(first))
        self.shape = () if ablation.num_values is None else (ablation.num_values,)  # of the values of one mask
        self._found = np.full((len(first), *self.shape), np.nan)

        def look_up() -> Float64[np.ndarray, "d *t"]:
            self._shelf = store.shelf(ablation.fingerprint, ablation.num_features, ablation.num_values)
            found = self._shelf.values(self.distinct)
            if not _whole(found).all():
                self._shelf.check_writable()
            return found

        if self._stored:  # all hosts must run the same batches
            self._found = sharding.on_first_host(look_up, self._found)
        self.reused = int(np.delete(self._copies, self.missing()).sum())

    def missing(self, rows: Int[np.ndarray, " r"] | None = None) -> Int[np.ndarray, " k"]:
        """Which distinct masks, of all or of `rows`, have no value yet."""
        rows = np.arange(len(self._found)) if rows is None else rows
        return rows[~_whole(self._found[rows])]

    def enter(self, rows: Int[np.ndarray, " r"], values: Float64[np.ndarray, "r *t"]) -> None:
        """Notes the values of distinct masks, and keeps the finite ones in the store.

        Raises:
          ValueError: if some are not finite.
          OSError: if the store cannot be written.
        """
        self._found[rows] = values
        finite, nothing = _whole(values), np.zeros(0)

        def keep() -> np.ndarray:
            self._shelf.add(self.distinct[rows[finite]], values[finite])
            return nothing

        if self._stored and finite.any():
            sharding.on_first_host(keep, nothing)
        if not finite.all():
            self._refuse(rows[~finite])
        self.report(int(self._copies[rows].sum()), len(self._inverse))

    def values(self) -> Float64[np.ndarray, "m *t"]:
        """The value of every mask, in the order they were asked for."""
        return self._found[self._inverse]

    def _refuse(self, bad: Int[np.ndarray, " b"]) -> None:
        rows = np.flatnonzero(np.isin(self._inverse, bad))
        fine = int(self._copies[_whole(self._found)].sum())
        some = ", ".join(map(str, rows[:5])) + (", ..." if len(rows) > 5 else "")
        raise ValueError(
            f"The value function is not finite at {len(rows)} of the first {fine + len(rows)} masks evaluated "
            f"(rows {some}); check the model's precision and the value function before explaining it."
        )


def _whole(values: Float64[np.ndarray, "m *t"]) -> Bool[np.ndarray, " m"]:
    """Whether all values of a mask are finite."""
    return np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
