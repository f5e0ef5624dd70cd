"""Outliers at the two ends of the cube, which would distort a process that fits the other masks."""

import numpy as np
from jaxtyping import Bool, Float, Int

from spexjax.gp import ProductKernel, host_gram, host_inverse
from spexjax.typing import Masks

_FAR = 3.0  # standard errors of the prediction


def without_outliers(
    kernel: ProductKernel,
    masks: Masks,
    y: Float[np.ndarray, " m"],
    rows: Int[np.ndarray, " t"],
    ends: Int[np.ndarray, " e"],
) -> Float[np.ndarray, " m"]:
    """Replaces outliers at the ends by what the other masks predict there.

    A process does not move when it is given a value that it predicts, so this leaves the outlier out of its mean. A
    value is an outlier if it is off by more than three standard errors; posterior variances are scaled to the
    leave-one-out errors.

    Args:
      kernel: trained on `rows`.
      masks: bool `[m, n]`.
      y: the values there; those at `rows` have mean 0 and variance 1.
      rows: inner masks, which predict the values at the ends.
      ends: the rows of the two ends; none if they are not among the masks.

    Returns:
      The values `[m]`, a copy if there are ends.
    """
    if not len(ends):
        return y
    masks = np.asarray(masks)
    predicted, error = _predict(kernel, masks[rows], y[rows], masks[ends])
    kept = np.array(y)
    kept[ends] = np.where(np.abs(y[ends] - predicted) > _FAR * error, predicted, y[ends])
    return kept


def _predict(kernel: ProductKernel, masks, y: Float[np.ndarray, " t"], new: Bool[np.ndarray, "e n"]) -> tuple:
    """The posterior mean at new masks and its standard error, in double precision, as there may be little noise."""
    inverse = host_inverse(kernel, masks)
    alpha, cross, own = inverse @ y, host_gram(kernel, new, masks), inverse.diagonal()
    unit = np.mean((alpha / own) ** 2) / np.mean(1 / own)  # squared leave-one-out error per posterior variance
    variance = float(kernel.variance + kernel.noise) - ((cross @ inverse) * cross).sum(1)
    return cross @ alpha, np.sqrt(unit * np.maximum(variance, 0))
