"""Faithfulness: the share of the value function's variance that an explanation predicts."""

import numpy as np
import scipy.special
from jax.typing import ArrayLike
from jaxtyping import Float

from spexjax._values import real_numbers, standardise
from spexjax.typing import Masks


def r2(values: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None) -> float:
    """`1 - sum w (f - f̂)^2 / sum w (f - mean f)^2`: 1 is perfect, 0 is no better than the mean, below 0 worse.

    NaN if all values are equal: there is no variance to explain.

    Args:
      values: `Float[m]`, the value function at m masks.
      predictions: `Float[m]`, what the explanation says there.
      weights: `Float[m]`, how much each mask counts; equal by default.

    Raises:
      ValueError: if the lengths differ or are zero.

    >>> r2(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0])), r2(np.array([5.0, 5.0]), np.array([5.0, 4.0]))
    (1.0, nan)
    """
    errors, deviations, w = _squares(values, predictions, weights)
    return float(1 - w @ errors / (w @ deviations)) if deviations.any() else float("nan")


def r2_error(
    values: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None, *, folds: int | None = None
) -> float:
    """The standard error of `r2` as an estimate from m masks of its value on all of them; NaN as `r2`.

    By the delta method, as R2 is one minus a ratio of two means, it is the root of `sum_i w_i^2 u_i^2` with
    `u_i = (e_i^2 - (1 - R2) d_i^2) / sum_j w_j d_j^2`, where e are the errors, d the deviations of f from its mean, and
    w the weights, of sum 1. The mean is estimated, too, which adds `2 (1 - R2)^2 (sum w^2)^2` to the variance.

    Predictions from cross-validation are less certain. The fits of different folds share most of their masks, which
    multiplies the variance by `1 + K / (K - 1)` (Nadeau and Bengio, Inference for the Generalization Error, 2003). And
    if few masks make up most of the error, there may be more such masks that were not drawn. So the standard error is
    multiplied by `1 + 1 / sqrt(c)`, with `c = (sum u^2 w^2)^2 / sum u^4 w^4` the effective number of masks.

    Args:
      values: `Float[m]`, the value function at m masks.
      predictions: `Float[m]`, what the explanation says there.
      weights: as in `r2`.
      folds: K, if each prediction comes from a fit without one of K folds; None if the fit has seen none of the masks.

    Raises:
      ValueError: as `r2`.

    >>> r2_error(np.arange(4.0), np.arange(4.0))
    0.0
    """
    errors, deviations, w = _squares(values, predictions, weights)
    if not deviations.any():
        return float("nan")
    share = w @ errors / (w @ deviations)
    u = w * (errors - share * deviations) / (w @ deviations)
    total = float(u @ u) + 2 * float(share * (w @ w)) ** 2
    if folds is None or not total:
        return float(np.sqrt(total))
    return float(np.sqrt(total * (1 + folds / (folds - 1))) * (1 + np.sqrt((u**4).sum()) / total))


def few_hold_half(values: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None = None) -> int:
    """The smallest number of masks that together hold half of the squared error; all of them if there is no error.

    A small number means that errors are heavy-tailed: R2 then depends on which masks happened to be drawn.

    Args:
      values: `Float[m]`, the value function at m masks.
      predictions: `Float[m]`, what the explanation says there.
      weights: as in `r2`.

    >>> few_hold_half(np.array([9.0, 0.1, 0.1, 0.1]), np.zeros(4))
    1
    """
    errors, _, w = _squares(values, predictions, weights)
    held = np.cumsum(np.sort(w * errors)[::-1])
    return int(np.searchsorted(held, held[-1] / 2)) + 1 if held[-1] else len(held)


def size_weights(masks: Masks, keep: float = 0.5) -> Float[np.ndarray, " m"]:
    """Weights that make masks drawn by size represent those that keep each feature with one probability.

    The probability `C(n, k) p^k (1 - p)^(n - k)` of a size is shared by the masks of that size. Sizes without a mask
    are left out. By default the masks represent uniform ones.

    Args:
      masks: `Bool[m, n]`; the masks of each size must be a uniform sample of that size.
      keep: p, the probability with which each feature is kept.

    >>> size_weights(np.array([[1, 0], [1, 0], [1, 1]], bool)).tolist()
    [0.3333333333333333, 0.3333333333333333, 0.3333333333333333]
    """
    size, n = np.asarray(masks).sum(1), masks.shape[1]
    logs = -scipy.special.gammaln(size + 1) - scipy.special.gammaln(n - size + 1)
    logs = logs + size * np.log(keep / (1 - keep))
    weights = np.exp(logs - logs.max()) / np.bincount(size)[size]
    return weights / weights.sum()


def _squares(values: ArrayLike, predictions: ArrayLike, weights: ArrayLike | None):
    """Squares of the errors and of the deviations from the mean, in units of the variance, and weights of sum 1."""
    f, g = real_numbers(values, "Values"), real_numbers(predictions, "Predictions")
    if f.shape != g.shape or f.size == 0:
        raise ValueError(f"R2 needs as many predictions as values, and at least one; got {g.shape} and {f.shape}.")
    w = np.ones(len(f)) if weights is None else np.asarray(weights, np.float64)
    w = w / w.sum()
    y, _, spread = standardise(f)
    return ((f - g) / (spread or 1.0)) ** 2, (y - w @ y) ** 2, w
