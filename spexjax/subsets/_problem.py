"""The problem: which r of n features to remove, stated for the removed or the kept ones, whichever are fewer."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from spexjax.spectrum import Spectrum

GOALS = ("farthest", "nearest", "largest", "smallest")


class Problem(NamedTuple):
    """Choose exactly `size` items so that `f(chosen) = sum_S F(S) (-1)^{|S ∩ chosen|}` meets a goal.

    The chosen items are the removed features if `removing`, and else the kept ones. Only the `active` features
    are in some S; the others, the inert ones, are interchangeable. `support` holds positions in `active`, padded with
    its length.
    """

    support: Int[np.ndarray, "k d"]
    coefficients: Float[np.ndarray, " k"]
    active: Int[np.ndarray, " a"]
    num_features: int
    size: int
    removing: bool
    full: float  # f with every feature kept

    @property
    def tolerance(self) -> float:
        """A thousandth of f's standard deviation: values closer to f(1) count as equal to it."""
        varying = (self.support < len(self.active)).any(1)
        return 1e-3 * float(np.sqrt((self.coefficients[varying] ** 2).sum()))

    @property
    def inert(self) -> int:
        """How many features are in no S."""
        return self.num_features - len(self.active)

    def value(self, chosen: Bool[np.ndarray, " a"]) -> float:
        """f where these active items are chosen, in float64."""
        odd = np.append(chosen, False)[self.support].sum(1) % 2
        return float(self.coefficients @ (1.0 - 2.0 * odd))

    def score(self, value: float | Float[np.ndarray, " m"], goal: str) -> float | Float[np.ndarray, " m"]:
        """What a goal maximises.

        Args:
          value: f of one choice or of several.
          goal: a name of `GOALS`.
        """
        change: Any = value - self.full
        return {"farthest": abs(change), "nearest": -abs(change), "largest": value, "smallest": -value}[goal]

    def kept(self, chosen: Bool[np.ndarray, " a"]) -> Bool[np.ndarray, " n"]:
        """The mask of a choice, completed with the inert features of lowest number."""
        mask = np.zeros(self.num_features, bool)
        mask[self.active] = chosen
        others = np.setdiff1d(np.arange(self.num_features), self.active)
        mask[others[: self.size - int(chosen.sum())]] = True
        return mask ^ self.removing


def check_count(count: int, num_features: int, verb: str) -> None:
    """Checks a number of features.

    Args:
      count: the number.
      num_features: n.
      verb: for the error, such as "removed".

    Raises:
      ValueError: unless the number is whole and in 0..n.
    """
    if not (isinstance(count, int | np.integer) and 0 <= count <= num_features):
        n = num_features
        raise ValueError(f"A whole number between 0 and {n} of the {n} features can be {verb}, not {count}.")


def problem(spectrum: Spectrum, removed: int) -> Problem:
    """The problem of removing some features.

    Args:
      spectrum: f.
      removed: how many, neither more nor fewer.

    Raises:
      ValueError: if there are fewer features.
    """
    n = spectrum.num_features
    check_count(removed, n, "removed")
    terms = {s: value for s, value in spectrum.to_dict().items() if value or not s}
    sets, values = list(terms), np.fromiter(terms.values(), np.float64, len(terms))
    orders = np.fromiter(map(len, sets), np.int64, len(sets))
    removing = removed <= n - removed
    active = np.array(sorted({i for s in sets for i in s}), np.int64)
    support = np.full((len(sets), max(int(orders.max(initial=0)), 1)), len(active), np.int32)
    for row, s in zip(support, sets, strict=True):
        row[: len(s)] = np.searchsorted(active, s)
    signs = (-1.0) ** orders
    return Problem(
        support,
        values * signs if removing else values,  # |S ∩ x| = |S| - |S ∩ (1 - x)|
        active,
        n,
        removed if removing else n - removed,
        removing,
        float(values @ signs),
    )
