"""Faithfulness: the share of the value function's variance that an explanation predicts."""

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from spexjax.values import standardise


def r2(values: ArrayLike, predictions: ArrayLike) -> float:
    """`1 - sum (f - f̂)^2 / sum (f - mean f)^2`: 1 is perfect, 0 is no better than the mean, below 0 worse.

    NaN where all values are equal: there is no variance to explain.

    Args:
      values: `Float[m]`, the value function at m masks.
      predictions: `Float[m]`, what the explanation says there.

    Raises:
      ValueError: if the lengths differ or are zero.

    >>> r2(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0])), r2(np.array([5.0, 5.0]), np.array([5.0, 4.0]))
    (1.0, nan)
    """
    errors, deviations = _squares(values, predictions)
    return float(1 - errors.mean() / deviations.mean()) if deviations.any() else float("nan")


def r2_error(values: ArrayLike, predictions: ArrayLike) -> float:
    """The standard error of `r2` as an estimate from m masks of its value on all of them; NaN as `r2`.

    By the delta method, R2 being one minus the ratio of two means: `std(e_i^2 - (1 - R2) d_i^2) / (sqrt(m) mean d^2)`
    with e the errors and d the deviations of f from its mean.

    Raises:
      ValueError: as `r2`.

    >>> r2_error(np.arange(4.0), np.arange(4.0))
    0.0
    """
    errors, deviations = _squares(values, predictions)
    variance = deviations.mean()
    if not variance:
        return float("nan")
    return float((errors - errors.mean() / variance * deviations).std() / (np.sqrt(errors.size) * variance))


def _squares(values: ArrayLike, predictions: ArrayLike) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """The squares of the errors and of the deviations from the mean, in units of the variance."""
    f, g = np.asarray(values, np.float64), np.asarray(predictions, np.float64)
    if f.shape != g.shape or f.size == 0:
        raise ValueError(f"R2 needs as many predictions as values, and at least one; got {g.shape} and {f.shape}.")
    y, _, spread = standardise(f)
    return ((f - g) / (spread or 1.0)) ** 2, y**2
