"""Outliers at the two ends of the cube: values that must not bend a process that fits the other masks."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from spexjax.surrogate import ProductKernel, condition, gram
from spexjax.typing import Array

_FAR = 3.0  # standard errors of the prediction


def without_outliers(
    kernel: ProductKernel,
    z: Float[Array, "m n"],
    y: Float[np.ndarray, " m"],
    rows: Int[np.ndarray, " t"],
    ends: Int[np.ndarray, " e"],
) -> Float[np.ndarray, " m"]:
    """The values, those at the ends that the others contradict replaced by what the others predict.

    A process is not moved by a value that it predicts, and so this leaves the outlier out of its mean. An outlier lies
    more than three standard errors off, by a posterior variance in the unit of the leave-one-out errors.

    Args:
      kernel: trained on `rows`.
      z: `signs` of the masks.
      y: their values; those of `rows` have mean 0 and variance 1.
      rows: inner masks that predict the ends.
      ends: the masks in question.
    """
    if not len(ends):
        return y
    predicted, error = (
        np.asarray(a, np.float64) for a in _predict(kernel, z[rows], jnp.asarray(y[rows], jnp.float32), z[ends])
    )
    kept = np.array(y)
    kept[ends] = np.where(np.abs(y[ends] - predicted) > _FAR * error, predicted, y[ends])
    return kept


@jax.jit
@jax.default_matmul_precision("highest")
def _predict(kernel: ProductKernel, z: Float[Array, "t n"], y: Float[Array, " t"], new: Float[Array, "e n"]):
    """What the posterior predicts at new masks, and its standard error."""
    alpha, inverse = condition(kernel, z, y)
    cross, own = gram(kernel, new, z), jnp.diagonal(inverse)
    unit = jnp.mean((alpha / own) ** 2) / jnp.mean(1 / own)  # squared leave-one-out error per posterior variance
    variance = kernel.variance + kernel.noise - ((cross @ inverse) * cross).sum(1)
    return cross @ alpha, jnp.sqrt(unit * jnp.maximum(variance, 0))
