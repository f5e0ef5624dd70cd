"""How many Fourier terms of a Gaussian process are worth keeping, by held-out error."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from spexjax.gp import Posterior, ProductKernel, prior_variances
from spexjax.spectrum import characters, padded_support
from spexjax.typing import Array, Masks

_BLOCK = 256  # up to this many terms every number is tried, beyond only its multiples
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
    """What the first 1, 2, ... terms predict at some masks, each of them left out of the posterior.

    Without mask i the weights are `alpha - P_.i alpha_i / P_ii` with `P = (K + noise I)^-1`, and so the truncated
    sum `sum_S Var F(S) (-1)^{|S ∩ x_i|} sum_j alpha_j (-1)^{|S ∩ x_j|}` is known without refitting.

    Args:
      kernel: the prior.
      alpha: the weights of its posterior mean, and `inverse` P; see `condition`.
      masks: those it is conditioned on.
      support: the terms, strongest first; k a multiple of 256.
      tests: indices of the masks to predict.

    Returns:
      For 1, 2, ..., 256, 512, 768, ... terms, the predictions.
    """
    columns, scales = inverse[:, tests], alpha[tests] / inverse[tests, tests]

    def block(total: Float[Array, " t"], sets: Int[Array, "b d"]):
        x = characters(sets, masks)  # [m, b]
        effect = alpha @ x - scales[:, None] * (columns.T @ x)
        sums = total + jnp.cumsum(prior_variances(kernel, sets) * x[tests] * effect, axis=1).T  # [b, t]
        return sums[-1], sums

    blocks = support.reshape(-1, _BLOCK, support.shape[1])
    total, fine = block(jnp.zeros(len(tests), alpha.dtype), blocks[0])
    _, coarse = jax.lax.scan(lambda total, sets: (block(total, sets)[0],) * 2, total, blocks[1:])
    return jnp.concatenate([fine, coarse])


def held_out_errors(
    fits: list[tuple[ProductKernel, Posterior, float]],
    masks: Masks,
    y: Float[np.ndarray, " m"],
    support: Int[np.ndarray, "k d"],
    rows: Int[np.ndarray, " h"],
) -> tuple[Int[np.ndarray, " q"], Float[np.ndarray, " q"]]:
    """Numbers of terms, and the mean squared leave-one-out error of the kernels' weighted mean with so many.

    The error is measured on the first 512 of `rows`.
    """
    support = support[:_MAX_TERMS]
    n, tests = masks.shape[1], rows[:_MAX_TESTS]
    sizes = np.concatenate([np.arange(1, _BLOCK + 1), np.arange(2 * _BLOCK, len(support) + 1, _BLOCK)])
    sizes = sizes[sizes <= len(support)]
    rows = max(_BLOCK, 1 << (len(support) - 1).bit_length())  # a power of two: few shapes, few compilations
    support = padded_support(support, n, rows=rows)
    predictions = [
        share
        * truncated_predictions(
            kernel, *(jnp.asarray(a, jnp.float32) for a in (posterior.alpha, posterior.inverse)), masks, support, tests
        )
        for kernel, posterior, share in fits
    ]
    return sizes, np.square(np.sum(predictions, axis=0) - y[tests]).mean(1)[: len(sizes)]
