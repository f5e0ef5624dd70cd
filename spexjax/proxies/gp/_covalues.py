"""What the co-values of the ablations teach a kernel: which features matter, and which of them together."""

import numpy as np
from jaxtyping import Float, Int

from spexjax.metrics import r2
from spexjax.proxies._cross_validation import surely_better
from spexjax.proxies.gp._members import Mean

_COMPONENTS = 32  # principal components of the co-values
_SHARE = 0.2  # of the values in the likelihood; the rest is the components'
_SURE = 1.0  # standard errors by which the kernels must predict better without co-values
_TINY = 1e-6  # share of the largest component's spread below which a component is rounding


def joint_targets(
    y: Float[np.ndarray, " m"], covalues: Float[np.ndarray, "m c"] | None, rows: Int[np.ndarray, " r"]
) -> Float[np.ndarray, "m o"] | None:
    """The values and the principal components of the co-values, as functions that share one kernel; see `loss`.

    Every ablation tells the co-values besides its value. The same features and interactions drive them, so the rates of
    a kernel are better known from all of them. Components have variances proportional to their standard deviations,
    which add up to 0.8; the values have the rest. Mixtures of functions with one kernel have that kernel, too, so it
    does not matter in which basis the co-values come.

    Args:
      y: `[m]`, of mean 0 and variance 1.
      covalues: `[m, c]`, in units that can be compared; None if nothing else is known.
      rows: the masks that count for means and variances: all but the two ends.

    Returns:
      `[m, 33]`, columns of 0 where there are fewer components; None if there are no co-values, or constant ones.
    """
    if covalues is None:
        return None
    centred = np.asarray(covalues, np.float64) - np.mean(covalues[rows], axis=0, dtype=np.float64)
    _, spreads, directions = np.linalg.svd(centred[rows] / np.sqrt(len(rows)), full_matrices=False)
    used = (np.arange(len(spreads)) < _COMPONENTS) & (spreads > _TINY * spreads[0])
    if not used.any():
        return None
    shares = (1 - _SHARE) * spreads[used] / spreads[used].sum()
    found = np.zeros((len(y), 1 + _COMPONENTS))
    found[:, 0] = np.sqrt(_SHARE) * y
    found[:, 1 : 1 + used.sum()] = centred @ directions[used].T / spreads[used] * np.sqrt(shares)
    return found


def what_they_change(without: Mean, taught: Mean, y: Float[np.ndarray, " m"]) -> dict:
    """Whether to use a mean whose kernels co-values have taught, and the held-out R2 of both, for the diagnostics.

    It is used unless it is surely worse: few masks say less about which of the two is better than is known beforehand.

    Args:
      without: the mean of kernels trained on the values alone.
      taught: the other mean.
      y: the values.
    """
    rows = taught.split.inner
    plain, better = without.held_out[rows], taught.held_out[rows]
    found = {name: round(r2(y[rows], p), 4) for name, p in (("r2_without", plain), ("r2_with", better))}
    return {"covalues": found | {"used": not surely_better(plain, better, y[rows], _SURE)}}
