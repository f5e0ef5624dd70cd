"""How many Fourier terms of a Gaussian process are worth keeping, by held-out error."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from spexjax._buckets import bucket, pad
from spexjax._host_program import host_program
from spexjax.gp import MAX_ORDER, Posterior, ProductKernel, padded_signs, prior_variances, resized
from spexjax.spectrum import characters
from spexjax.typing import Array, Leaf, Masks

_BLOCK = 256  # every number of terms up to this one is tried, beyond it only multiples of it
_MAX_TERMS = 8192
_MAX_TESTS = 512
_COMPONENTS, _PARTS = 3, 2  # product components that kernels are padded to; parts in one call of the program


class Part(NamedTuple):
    """A posterior and its share in a mixture."""

    kernel: ProductKernel
    alpha: Float[Array, " m"]
    inverse: Float[Array, "m m"]  # P = (K + noise I)^-1
    share: Leaf  # Float[]


@host_program
def truncated_predictions(
    parts: tuple[Part, ...],
    z: Float[Array, "m n"],
    support: Int[Array, "k d"],
    count: Int[Array, ""],
    tests: Int[Array, " t"],
) -> Float[Array, "q t"]:
    """Leave-one-out predictions of the first 1, 2, ... terms of a mixture of posterior means.

    Without mask i the weights are `alpha - P_.i alpha_i / P_ii` with `P = (K + noise I)^-1`. So the truncated sum
    `sum_S Var F(S) (-1)^{|S ∩ x_i|} sum_j alpha_j (-1)^{|S ∩ x_j|}` needs no refit.

    Args:
      parts: the posteriors; those with a share of 0 are skipped.
      z: `signs` of the masks that they are conditioned on.
      support: the terms, strongest first; k a multiple of 256, and more than that.
      count: how many blocks of 256 terms to use; predictions for more are 0.
      tests: indices of the masks to predict.

    Returns:
      For 1, 2, ..., 256, 512, 768, ... terms, the predictions.
    """
    masks, blocks = z < 0, support.reshape(-1, _BLOCK, support.shape[1])

    def of_one(part: Part) -> Float[Array, "q t"]:
        kernel, alpha, inverse, _ = part
        columns, scales = inverse[:, tests], alpha[tests] / inverse[tests, tests]

        def effects(sets: Int[Array, "b d"]) -> Float[Array, "t b"]:
            x = characters(sets, masks)  # [m, b]
            return prior_variances(kernel, sets) * x[tests] * (alpha @ x - scales[:, None] * (columns.T @ x))

        fine = jnp.cumsum(effects(blocks[0]), axis=1).T  # [b, t]

        def add(i: Int[Array, ""], state: Any) -> Any:
            total, sums = state
            total = total + effects(blocks[i]).sum(1)
            return total, sums.at[i - 1].set(total)

        _, coarse = jax.lax.fori_loop(1, count, add, (fine[-1], jnp.zeros((len(blocks) - 1, len(tests)), z.dtype)))
        return jnp.concatenate([fine, coarse])

    with jax.default_matmul_precision("highest"):
        zero = jnp.zeros((_BLOCK + len(blocks) - 1, len(tests)), z.dtype)

        def add(total: Any, part: Any) -> Any:
            return jax.lax.cond(part.share != 0, lambda: total + part.share * of_one(part), lambda: total), None

        return jax.lax.scan(add, zero, jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts))[0]


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
    (m, n), tests = masks.shape, rows[:_MAX_TESTS]
    num_masks, num_features = bucket(m), bucket(n)
    sizes = np.concatenate([np.arange(1, _BLOCK + 1), np.arange(2 * _BLOCK, len(support) + 1, _BLOCK)])
    sizes = sizes[sizes <= len(support)]
    sets = np.where(support < n, support, num_features).astype(np.int32)
    parts = _parts(fits, num_masks, num_features)
    others = (
        padded_signs(masks, num_masks, num_features),
        pad(sets, _MAX_TERMS, max(MAX_ORDER, sets.shape[1]), fill=num_features),
        np.int32(-(-len(support) // _BLOCK)),
        pad(tests.astype(np.int32), min(num_masks, _MAX_TESTS)),
    )
    some = [truncated_predictions(parts[i : i + _PARTS], *others) for i in range(0, len(parts), _PARTS)]
    predictions = np.sum([np.asarray(each, np.float64) for each in some], axis=0)[: len(sizes), : len(tests)]
    return sizes, np.square(predictions - y[tests]).mean(1)


def _parts(fits, num_masks: int, num_features: int) -> tuple[Part, ...]:
    """The posteriors, padded; and as many without a share as make the number even."""
    parts = []
    for kernel, posterior, share in fits:
        inverse = posterior.inverse
        if posterior.dtype != "float32" or len(inverse) != num_masks:
            inverse = pad(np.asarray(inverse, np.float32), num_masks, num_masks)
        alpha = pad(np.asarray(posterior.alpha, np.float32), num_masks)
        parts.append(Part(resized(kernel, num_features, _COMPONENTS), alpha, inverse, np.float32(share)))
    return (*parts, *[parts[0]._replace(share=np.float32(0))] * (-len(parts) % _PARTS))
