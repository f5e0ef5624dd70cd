"""Faithfulness: the share of the value function's variance that an explanation predicts."""

import numpy as np
from jax.typing import ArrayLike


def r2(values: ArrayLike, predictions: ArrayLike) -> float:
    """`1 - sum (f - f̂)^2 / sum (f - mean f)^2`: 1 is perfect, 0 is no better than the mean, below 0 worse.

    A constant f has no variance to explain: R2 is 1 when the predictions equal it to single precision, else 0.

    Args:
      values: `Float[m]`, the value function at m masks.
      predictions: `Float[m]`, what the explanation says there.

    Raises:
      ValueError: if the lengths differ or are zero.

    >>> r2(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0])), r2(np.array([5.0, 5.0]), np.array([5.0, 4.0]))
    (1.0, 0.0)
    """
    errors, deviations, noise = _squares(values, predictions)
    if deviations.mean() <= noise:
        return float(errors.mean() <= 16 * noise)
    return float(1 - errors.sum() / deviations.sum())


def r2_error(values: ArrayLike, predictions: ArrayLike) -> float:
    """The standard error of `r2` as an estimate from m masks of its value on all of them.

    By the delta method, R2 being one minus the ratio of two means: `std(e_i^2 - (1 - R2) d_i^2) / (sqrt(m) mean d^2)`
    with e the errors and d the deviations of f from its mean. 0 for an f that is constant to single precision.

    Raises:
      ValueError: as `r2`.

    >>> r2_error(np.arange(4.0), np.arange(4.0))
    0.0
    """
    errors, deviations, noise = _squares(values, predictions)
    variance = deviations.mean()
    if variance <= noise:
        return 0.0
    return float((errors - errors.mean() / variance * deviations).std() / (np.sqrt(errors.size) * variance))


def _squares(values: ArrayLike, predictions: ArrayLike) -> tuple[np.ndarray, np.ndarray, float]:
    """The squares of errors, of deviations from the mean, and of what rounding to single precision makes."""
    f, g = np.asarray(values, np.float64), np.asarray(predictions, np.float64)
    if f.shape != g.shape or f.size == 0:
        raise ValueError(f"R2 needs as many predictions as values, and at least one; got {g.shape} and {f.shape}.")
    return (f - g) ** 2, (f - f.mean()) ** 2, float((np.finfo(np.float32).eps * np.abs(f).max()) ** 2)
