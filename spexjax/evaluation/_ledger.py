"""The ledger of one evaluation: the values known so far, and which are missing."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Float16, Float64, Int, Shaped

from spexjax.ablation import Ablation
from spexjax.evaluation import _sharding as sharding
from spexjax.evaluation._record import COVALUE
from spexjax.evaluation._store import Shelf, Store


class Ledger:
    """The values of an evaluation's distinct masks, from the store or the device; NaN where one is missing."""

    def __init__(self, masks: Bool[np.ndarray, "m n"], ablation: Ablation, store: Store | None, probe: bool = True):
        """Looks up the values that are in the store.

        Args:
          masks: bool `[m, n]`; `distinct` holds each of them once.
          ablation: whose values.
          store: None keeps values only in memory.
          probe: whether to try if the store can be written, should a value be missing; `probed` says if that was done.
        """
        if not isinstance(store, Store | None):
            raise ValueError(f"`store` takes an sx.Store; make one of the folder: store=sx.Store({str(store)!r}).")
        _, first, inverse = np.unique(np.packbits(masks, axis=1), axis=0, return_index=True, return_inverse=True)
        self.distinct = masks[first]
        self.report: Callable[[int, int], None] = lambda done, total: None
        self.called = "The value function"
        self._inverse = inverse.ravel()
        self._shelf: Shelf | None = None  # on the first host, which reads and writes for all
        self._copies = np.bincount(self._inverse, minlength=len(first))
        self.shape = () if ablation.num_values is None else (ablation.num_values,)  # of the values of one mask
        self._found = np.full((len(first), *self.shape), np.nan)
        self.has_covalues = ablation.has_covalues
        self._others = np.zeros((len(first), 0), COVALUE)  # co-values; their number is known with the first of them

        self._stored, self.probed = store is not None, False
        if store is not None:  # all hosts must run the same batches

            def look_up() -> Float64[np.ndarray, "d *t"]:
                self._shelf = store.shelf(ablation.fingerprint, ablation.num_features, ablation.num_values)
                found = self._shelf.values(self.distinct)
                if probe and not _whole(found).all():
                    self._shelf.check_writable()
                    self.probed = True
                return found

            self._found = sharding.on_first_host(look_up, self._found)
            if self.has_covalues:
                self._look_up_covalues()
        self.reused = int(np.delete(self._copies, self.missing()).sum())

    def _look_up_covalues(self) -> None:
        found = self._others if self._shelf is None else self._shelf.covalues(self.distinct)
        count = int(sharding.on_first_host(lambda: np.array(found.shape[1]), np.array(0)))
        self._others = sharding.on_first_host(lambda: found, np.zeros((len(self.distinct), count), COVALUE))

    def missing(self, rows: Int[np.ndarray, " r"] | None = None) -> Int[np.ndarray, " k"]:
        """The distinct masks without a value, among `rows` or among all."""
        rows = np.arange(len(self._found)) if rows is None else rows
        return rows[~_whole(self._found[rows])]

    def enter(
        self,
        rows: Int[np.ndarray, " r"],
        values: Float64[np.ndarray, "r *t"],
        covalues: Float16[np.ndarray, "r c"] | None = None,
    ) -> None:
        """Enters the values of distinct masks, and saves the finite ones in the store.

        Args:
          rows: which distinct masks.
          values: `[r]`, or `[r, t]`.
          covalues: `[r, c]`, for an ablation that has some.

        Raises:
          ValueError: if some are not finite.
          OSError: if the store cannot be written.
        """
        self._found[rows] = values
        finite, nothing = _whole(values), np.zeros(0)
        if covalues is not None:
            if covalues.shape[1] != self._others.shape[1]:  # the first, or others than those in the store
                self._others = np.full((len(self._found), covalues.shape[1]), np.nan, COVALUE)
            self._others[rows] = covalues

        def keep() -> np.ndarray:
            assert self._shelf is not None  # opened on the first host
            others = None if covalues is None else covalues[finite]
            self._shelf.add(self.distinct[rows[finite]], values[finite], others)
            return nothing

        if self._stored and finite.any():
            sharding.on_first_host(keep, nothing)
        if not finite.all():
            self._refuse(rows[~finite])
        self.report(int(self._copies[rows].sum()), len(self._inverse))

    def values(self) -> Float64[np.ndarray, "m *t"]:
        """The value of every mask, in the original order."""
        return self._found[self._inverse]

    def covalues(self) -> Float64[np.ndarray, "m c"] | None:
        """The co-values of every mask, NaN where they are missing; None without masks, or if the ablation has none."""
        if not self.has_covalues or not len(self._inverse):
            return None
        known = self._others if self._others.shape[1] else np.full((len(self._others), 1), np.nan)  # a store lacks all
        return known[self._inverse].astype(np.float64)

    def _refuse(self, bad: Int[np.ndarray, " b"]) -> None:
        rows = np.flatnonzero(np.isin(self._inverse, bad))
        fine = int(self._copies[_whole(self._found)].sum())
        some = ", ".join(map(str, rows[:5])) + (", ..." if len(rows) > 5 else "")
        raise ValueError(
            f"{self.called} is not finite at {len(rows)} of the first {fine + len(rows)} masks evaluated "
            f"(rows {some}); check the model's precision and the value function before explaining it."
        )


class Ledgers:
    """The ledgers of ablations that share batches, as one: its rows are those of the first ledger, the second, ..."""

    def __init__(self, ledgers: Sequence[Ledger]):
        self.shape = ledgers[0].shape  # of the values of one mask, the same in all
        self.has_covalues = ledgers[0].has_covalues
        self._ledgers = ledgers
        self._starts = np.cumsum([0, *(len(ledger.distinct) for ledger in ledgers)])

    def place(self, rows: Int[np.ndarray, " r"]) -> Int[np.ndarray, " r"]:
        """The number of the ledger that holds each row."""
        return np.searchsorted(self._starts, rows, side="right") - 1

    def masks(self, rows: Int[np.ndarray, " r"]) -> dict[int, Bool[np.ndarray, "_ n"]]:
        """The masks at ascending rows, by the number of their ledger."""
        return {k: self._ledgers[k].distinct[some] for k, some, _ in self._split(rows)}

    def missing(self, rows: Int[np.ndarray, " r"] | None = None) -> Int[np.ndarray, " k"]:
        """The rows without a value, among `rows` or among all; ascending if these are."""
        rows = np.arange(self._starts[-1]) if rows is None else rows
        without = [self._starts[k] + self._ledgers[k].missing(some) for k, some, _ in self._split(rows)]
        return np.concatenate([rows[:0], *without])

    def enter(self, rows: Int[np.ndarray, " r"], *parts: Shaped[np.ndarray, "r ..."]) -> None:
        """Enters what `Ledger.enter` takes; if some values are refused, all others are entered and saved first."""
        errors = []
        for k, some, here in self._split(rows):
            try:
                self._ledgers[k].enter(some, *(part[here] for part in parts))
            except ValueError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _split(self, rows: np.ndarray) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """For each ledger that has some of the rows: its number, the rows there, and which of the rows these are."""
        place = self.place(rows)
        found = ((k, np.flatnonzero(place == k)) for k in np.unique(place).tolist())
        return [(k, rows[here] - self._starts[k], here) for k, here in found]


def _whole(values: Float[np.ndarray, "m *t"]) -> Bool[np.ndarray, " m"]:
    """True for masks whose values are all finite."""
    return np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
