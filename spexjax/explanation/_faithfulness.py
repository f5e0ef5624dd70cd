"""How faithful an explanation is: R2 on masks that the fit never saw."""

import dataclasses

import numpy as np
from jaxtyping import Int

from spexjax._deprecation import renamed
from spexjax._ends import inner_rows
from spexjax._equality import by_content
from spexjax._numbers import unlearned
from spexjax._printable import printable
from spexjax._values import standardise
from spexjax.metrics import few_hold_half, r2, r2_error, size_weights
from spexjax.proxies import Fit
from spexjax.typing import Masks, Values

_FOLDS = 3  # of the least that a proxy makes


@by_content
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Faithfulness:
    """R2 on masks that the fit never saw, and its standard error.

    Two are equal if all their fields are, NaN being equal to NaN.

    Attributes:
      r2: NaN if there was nothing to explain.
      rows: the rows of `Explanation.masks` it was measured on.
      scheme: how they were kept from the fit, in words.
      error: the standard error of R2.
      exact: True if all 2^n masks were evaluated, so that nothing is estimated.
    """

    r2: float
    rows: Int[np.ndarray, " h"]
    scheme: str
    error: float = 0.0
    exact: bool = False

    @property
    def unlearned(self) -> str:
        """A sentence where the fit predicts next to nothing, else an empty string."""
        return "" if self.exact else unlearned(self.r2)

    @property
    def masks(self) -> Int[np.ndarray, " h"]:
        """The old name of `rows`; warns."""
        renamed("Faithfulness.masks", "rows")
        return self.rows

    def __float__(self) -> float:
        return self.r2

    def __repr__(self) -> str:
        kind = "exact" if self.exact else f"on {len(self.rows)} rows"
        return f"Faithfulness({self}, {kind})"

    def __str__(self) -> str:
        return f"{self.number} ({printable(self.scheme)})"

    @property
    def number(self) -> str:
        """R2 and its standard error in words."""
        return f"R2 = {self.r2:.3f}" + (f" ± {self.error:.3f}" if self.error else "")


def measured(
    fit: Fit, masks: Masks, values: Values, *, by_size: bool = False, keep: float | None = None, noise: float = 0.0
) -> Faithfulness:
    """The faithfulness of a fit, by its own held-out predictions.

    Args:
      fit: to these masks and values, checked.
      masks: bool `[m, n]`.
      values: `[m]`.
      by_size: whether masks were drawn by their size, and must be weighed to stand for uniform ones.
      keep: p where masks keep each feature with probability p: R2 is that of such masks. Their sizes are weighed, too,
        as the few masks of some sizes may all be there.
      noise: `Evaluation.noise`, which keeps a fit to all masks from being exact.
    """
    inner, none = inner_rows(masks), np.zeros(0, np.int64)
    known = values if fit.exact else values[inner]
    if not standardise(known).spread:
        which = f"{len(values)} masks" if not standardise(values).spread else f"{len(inner)} masks between all and none"
        scheme = f"every one of the {which} gave the same value; nothing to explain"
        if np.ptp(known):
            scheme = f"the values of the {which} differ by no more than the rounding of numbers of their size"
        return Faithfulness(float("nan"), none, scheme, float("nan"), fit.exact)
    if fit.exact and noise:
        scheme = f"all {len(values)} masks were evaluated, but repeats of a mask differ"
        return Faithfulness(1 - noise / float(np.var(np.asarray(values, np.float64))), none, scheme)
    if fit.exact:
        return Faithfulness(1.0, none, f"exact: all {len(values)} masks were evaluated", exact=True)
    rows = inner if fit.held_out_rows is None else np.intersect1d(fit.held_out_rows, inner)
    those = "" if keep is None else f" on masks that keep each feature with probability {keep:g}:"
    scheme = f"{those} each of {len(rows)} masks predicted by a fit that never saw it, in cross-validation".strip()
    scheme += ", weighed as if drawn uniformly" if by_size else ""
    weights = size_weights(masks[rows], keep or 0.5) if by_size or keep else None
    predictions = values[rows], np.asarray(fit.held_out)[rows], weights
    if (few := few_hold_half(*predictions)) <= max(1, len(rows) // 50):
        make = "makes" if few == 1 else "make"
        scheme += f"; {few} of them {make} up half of the error, so unseen masks may hold more like them"
    return Faithfulness(r2(*predictions), rows, scheme, r2_error(*predictions, folds=_FOLDS))
