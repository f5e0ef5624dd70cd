"""The Fourier spectrum of a Gaussian process posterior, in closed form, and where to look for its large terms."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from spexjax.gp._kernel import ProductKernel, with_neighbours
from spexjax.gp._neighbours import neighbours, variances_of_supports
from spexjax.spectrum import characters, joined_supports, padded_support, unique_rows
from spexjax.typing import Array, Masks

MAX_ORDER = 6
_LEAST = 1e-30  # a shrinkage below it counts as this
_BLOCK = 1 << 22  # entries of the character matrix that exist at a time


def prior_variances(kernel: ProductKernel, support: Int[Array, "k d"]) -> Float[Array, " k"]:
    """`Var F(S) = sum_r C_r prod_{i in S} lambda_ri + [S = {i}] v_i + [S = T] u_T` under the prior.

    Args:
      kernel: the prior.
      support: the sets S, as in `Spectrum.support`.
    """
    xp = np if isinstance(kernel.rates, np.ndarray) and isinstance(support, np.ndarray) else jnp
    support, n = xp.asarray(support), kernel.linear.shape[0]
    logs = xp.log(xp.maximum(kernel.shrinkage, _LEAST))
    products = xp.exp(xp.pad(logs, ((0, 0), (0, 1)))[:, support].sum(-1))  # the last column is padding
    linear = xp.pad(kernel.linear, (0, 1))[support].sum(-1)
    sparse = xp.where((support < n).sum(-1) == 1, linear, 0)
    sparse = with_neighbours(kernel, sparse, lambda v: v + variances_of_supports(kernel.near, support, n))
    return kernel.constants @ products + sparse


def coefficients(
    kernel: ProductKernel, masks: Masks, alpha: Float[Array, " m"], support: Int[Array, "k d"]
) -> Float[Array, " k"]:
    """The coefficients of the posterior mean `f(x) = sum_j alpha_j k(x, x_j)`, exactly.

        F(S) = Var F(S) * sum_j alpha_j (-1)^{|S ∩ x_j|}

    Pure; memory does not grow with k. The terms of all 2^n supports add up to f.

    Args:
      kernel: the prior.
      masks: the masks x_j the posterior was conditioned on.
      alpha: its weights; see `condition`.
      support: the sets S, as in `Spectrum.support`.
    """
    k, d = support.shape
    rows = max(1, min(k, _BLOCK // max(1, len(masks))))
    blocks = -(-k // rows)
    padded = padded_support(jnp.asarray(support), masks.shape[1], rows=blocks * rows)
    moments = jax.lax.map(lambda sets: alpha @ characters(sets, masks), padded.reshape(blocks, rows, d))
    return prior_variances(kernel, support) * moments.reshape(-1)[:k]


def strongest_supports(kernel: ProductKernel, max_terms: int, max_order: int = MAX_ORDER) -> Int[np.ndarray, "k d"]:
    """The nonempty sets S where F(S) may be largest, by its prior variance.

    These are, for each product kernel, the sets with `C_r prod_{i in S} lambda_ri` above a threshold, chosen so that
    they are about `max_terms` together. If features are sorted by decreasing lambda, those that may extend a set
    form a range. So each order is generated from the one before without visiting any set below the threshold.

    Args:
      kernel: the prior.
      max_terms: about how many sets are wanted.
      max_order: the largest |S|.

    Returns:
      `Int[k, d]`, distinct rows in lexicographic order, padded with n; at least all single features, and all neighbours
      if the kernel has a part for them.
    """
    n = kernel.linear.shape[0]
    kernel = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), kernel)
    logs = np.log(np.maximum(kernel.shrinkage, 1e-300))
    orders = np.argsort(-logs, axis=1, kind="stable")
    logs, starts = np.take_along_axis(logs, orders, 1), np.log(kernel.constants + 1e-300)

    def found(threshold: float) -> list[list[Int[np.ndarray, "_ _"]]]:
        limit = 2 * max_terms
        return [
            _above(row, threshold - start, min(max_order, n), limit) for row, start in zip(logs, starts, strict=True)
        ]

    low, high = -60.0, float(starts.max())
    for _ in range(24):
        middle = (low + high) / 2
        count = sum(len(sets) for levels in found(middle) for sets in levels)
        low, high = (middle, high) if count > max_terms else (low, middle)
    supports = [np.arange(n, dtype=np.int32)[:, None]]
    if np.any(kernel.near):
        supports.append(neighbours(n).astype(np.int32)[:, : min(max_order, n)])
    for order, levels in zip(orders, found(high), strict=True):
        for sets in levels:
            supports.append(np.sort(order[sets].astype(np.int32), axis=1))
    support = np.unique(joined_supports(supports, n), axis=0)
    return support[:, : max(1, int((support < n).sum(1).max()))]


def strongest_of_all(kernels: Sequence[ProductKernel], max_terms: int) -> Int[np.ndarray, "k d"]:
    """The union of the `strongest_supports` of several kernels.

    Args:
      kernels: the priors.
      max_terms: about how many sets are wanted in all.
    """
    n = kernels[0].linear.shape[0]
    found = [strongest_supports(kernel, max_terms // len(kernels)) for kernel in kernels]
    return unique_rows(joined_supports(found, n))[0]


def _above(logs: Float[np.ndarray, " n"], threshold: float, max_order: int, limit: int):
    """Sets of positions with `sum logs >= threshold`, by order, for decreasing `logs`; stops soon after `limit`."""
    sets = np.flatnonzero(logs >= threshold)[:, None]
    sums, levels, total = logs[sets[:, 0]], [], 0
    while len(sets):
        levels.append(sets)
        total += len(sets)
        if sets.shape[1] == max_order or total > limit:
            break
        last = sets[:, -1]
        ends = np.searchsorted(-logs, sums - threshold, side="right")
        counts = np.maximum(ends - last - 1, 0)
        if total + counts.sum() > 8 * limit:
            levels.append(np.zeros((limit, sets.shape[1] + 1), np.int64))  # far too many; only their number matters
            break
        parent = np.repeat(np.arange(len(sets)), counts)
        offset = np.arange(len(parent)) - np.repeat(np.cumsum(counts) - counts, counts)
        new = last[parent] + 1 + offset
        sets, sums = np.concatenate([sets[parent], new[:, None]], 1), sums[parent] + logs[new]
    return levels
