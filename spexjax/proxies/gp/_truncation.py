"""How many Fourier terms of a Gaussian process are worth keeping, by held-out error."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from spexjax.gp import Posterior, ProductKernel, prior_variances
from spexjax.spectrum import characters, padded_support
from spexjax.typing import Array, Masks

_BLOCK = 256  # every number of terms up to this one is tried, beyond it only multiples of it
_MAX_TERMS = 8192
_MAX_TESTS = 512


@jax.jit
@jax.default_matmul_precision("highest")
def truncated_predictions(
    kernel: ProductKernel,
    alpha: Float[Array, " m"],
    inverse: Float[Array, "m m"],
    masks: Masks,
    support: Int[Array, "k d"],
    tests: Int[Array, " t"],
) -> Float[Array, "q t"]:
    """Leave-one-out predictions of the first 1, 2, ... terms of a posterior mean.

    Without mask i the weights are `alpha - P_.i alpha_i / P_ii` with `P = (K + noise I)^-1`. So the truncated sum
    `sum_S Var F(S) (-1)^{|S ∩ x_i|} sum_j alpha_j (-1)^{|S ∩ x_j|}` needs no refit.

    Args:
      kernel: the prior.
      alpha: the weights of its posterior mean; see `condition`.
      inverse: P.
      masks: those it is conditioned on.
      support: the terms, strongest first; k a multiple of 256.
      tests: indices of the masks to predict.

    Returns:
      For 1, 2, ..., 256, 512, 768, ... terms, the predictions.
    """
    columns, scales = inverse[:, tests], alpha[tests] / inverse[tests, tests]

    def block(total: Float[Array, " t"], sets: Int[Array, "b d"]) -> tuple[Array, Array]:
        x = characters(sets, masks)  # [m, b]
        effect = alpha @ x - scales[:, None] * (columns.T @ x)
        sums = total + jnp.cumsum(prior_variances(kernel, sets) * x[tests] * effect, axis=1).T  # [b, t]
        return sums[-1], sums

    blocks = support.reshape(-1, _BLOCK, support.shape[1])
    total, fine = block(jnp.zeros(len(tests), alpha.dtype), blocks[0])

    def last(total: Float[Array, " t"], sets: Any) -> tuple[Array, Array]:
        total, _ = block(total, sets)
        return total, total

    _, coarse = jax.lax.scan(last, total, blocks[1:])
    return jnp.concatenate([fine, coarse])


def held_out_errors(
    fits: list[tuple[ProductKernel, Posterior, float]],
    masks: Masks,
    y: Float[np.ndarray, " m"],
    support: Int[np.ndarray, "k d"],
    rows: Int[np.ndarray, " h"],
) -> tuple[Int[np.ndarray, " q"], Float[np.ndarray, " q"]]:
    """Mean squared leave-one-out errors of a mixture of posteriors, truncated to different numbers of terms.

    Args:
      fits: kernel, posterior and share of each posterior.
      masks: bool `[m, n]`, those the posteriors are conditioned on.
      y: the values there.
      support: the terms, strongest first; at most 8,192 are used.
      rows: the masks that count; at most 512 are used.

    Returns:
      The numbers of terms that were tried, and the error of each.
    """
    support = support[:_MAX_TERMS]
    n, tests = masks.shape[1], rows[:_MAX_TESTS]
    sizes = np.concatenate([np.arange(1, _BLOCK + 1), np.arange(2 * _BLOCK, len(support) + 1, _BLOCK)])
    sizes = sizes[sizes <= len(support)]
    size = max(_BLOCK, 1 << (len(support) - 1).bit_length())  # a power of two: few shapes, few compilations
    support = np.asarray(padded_support(support, n, rows=size))
    predictions = [
        share
        * truncated_predictions(
            kernel, *(jnp.asarray(a, jnp.float32) for a in (posterior.alpha, posterior.inverse)), masks, support, tests
        )
        for kernel, posterior, share in fits
    ]
    return sizes, np.square(np.sum(predictions, axis=0) - y[tests]).mean(1)[: len(sizes)]
