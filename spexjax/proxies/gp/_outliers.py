"""Outliers at the two ends of the cube: values that must not bend a process that fits the other masks."""

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
    """The values, those at the ends that the others contradict replaced by what the others predict.

    A process is not moved by a value that it predicts, and so this leaves the outlier out of its mean. An outlier lies
    more than three standard errors off, by a posterior variance in the unit of the leave-one-out errors.

    Args:
      kernel: trained on `rows`.
      masks: bool `[m, n]`.
      y: their values; those of `rows` have mean 0 and variance 1.
      rows: inner masks that predict the ends.
      ends: the masks in question.
    """
    if not len(ends):
        return y
    predicted, error = _predict(kernel, masks[rows], y[rows], masks[ends])
    kept = np.array(y)
    kept[ends] = np.where(np.abs(y[ends] - predicted) > _FAR * error, predicted, y[ends])
    return kept


def _predict(kernel: ProductKernel, masks, y: Float[np.ndarray, " t"], new: Bool[np.ndarray, "e n"]) -> tuple:
    """What the posterior predicts at new masks, and its standard error; little noise asks for double precision."""
    inverse = host_inverse(kernel, masks)
    alpha, cross, own = inverse @ y, host_gram(kernel, new, masks), inverse.diagonal()
    unit = np.mean((alpha / own) ** 2) / np.mean(1 / own)  # squared leave-one-out error per posterior variance
    variance = float(kernel.variance + kernel.noise) - ((cross @ inverse) * cross).sum(1)
    return cross @ alpha, np.sqrt(unit * np.maximum(variance, 0))
