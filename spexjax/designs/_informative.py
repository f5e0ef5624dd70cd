"""Masks for Shapley-type indices, chosen one after the other: each tells most about the Shapley values."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from spexjax._random import permutation, split_key
from spexjax.designs._sized import draw_pairs, quarter_uniform
from spexjax.designs._uniform import all_masks
from spexjax.typing import Key, Masks

_POOL, _LEAST = 4096, 1024  # candidates, at most and at least
_ENTRIES = 1 << 20  # of all candidates together, so that many features do not cost too much
_MOST = 512  # pairs that are chosen; further ones are drawn
_RATE = 1.5  # the prior's correlations, times n: variance by order 1.5^o / o!
_NOISE = 1e-2  # share of the variance
_NODES = 24  # of the quadrature over sizes


def informative(key: Key, num_masks: int, num_features: int) -> Masks:
    """Chooses distinct masks for Shapley-type indices, each with its complement; a quarter of them is uniform.

    Say that f is a draw from a Gaussian process with a little noise and `k(x, y) = prod_i (1 + rho s_i t_i)`, where s
    and t are the signs of x and y, 1 for kept and -1 for removed, and `rho = 1.5 / n`. Then it is known before any
    evaluation what a mask will tell of the Shapley values. It lowers their summed variance by

        sum_i Cov(SV_i, f(x) | chosen)^2 / (Var(f(x) | chosen) + noise).

    The next mask is the best of up to 4,096 candidates, which are all masks or draws from the Shapley kernel. So
    features and pairs are covered evenly, where random masks leave gaps. As each mask comes with its complement, only
    the odd part of f counts. The order of the rows is that of `sized`: ends first, then of every four pairs the first
    is uniform. After 512 chosen pairs the others are drawn, as in `sized`.

    Source: the greedy gain is that of Bayesian experimental design (Chaloner and Verdinelli 1995); for Shapley values
    under a product kernel see ShaplEIG (arXiv 2606.02247), which learns the kernel from the values on the way.

    Args:
      key: PRNG key, consumed.
      num_masks: m, the ablation budget. If m >= 2^n, all 2^n masks are returned, once each.
      num_features: n.

    Returns:
      bool `[uniform_size(m, n), n]`, True = kept.

    Raises:
      ValueError: if m or n is below 1.

    >>> import jax
    >>> informative(jax.random.key(0), 8, 20)[:2].sum(1).tolist()
    [20, 0]
    """
    uniform_key, *keys = split_key(key, 4)
    return quarter_uniform(uniform_key, num_masks, num_features, lambda count, taken: _chosen(keys, count, taken))


def _chosen(keys: Sequence[Key], count: int, uniform: Bool[np.ndarray, "u n"]) -> Bool[np.ndarray, "c n"]:
    """So many masks in pairs of complements: the most informative candidates after the uniform masks, then draws."""
    (pool_key, order_key, rest_key), n, known = keys, uniform.shape[1], uniform[::2]
    if n <= _POOL.bit_length():
        pool = all_masks(n)[1 : 1 << (n - 1)]  # one of each pair
    else:
        pool = draw_pairs(pool_key, 2 * max(_LEAST, min(_POOL, _ENTRIES // n)), known)[::2]
    pool = pool[permutation(order_key, len(pool))]  # so that ties are broken at random
    taken = {row.tobytes() for row in np.packbits(np.concatenate([known, ~known]), axis=1)}
    new = [i for i, row in enumerate(np.packbits(pool, axis=1)) if row.tobytes() not in taken]
    chosen = pool[new][_most_informative(pool[new], known, min(-(-count // 2), _MOST))]
    pairs = np.stack([chosen, ~chosen], 1).reshape(-1, n)[:count]
    if len(pairs) == count:
        return pairs
    return np.concatenate([pairs, draw_pairs(rest_key, count - len(pairs), np.concatenate([uniform, pairs]))])


def _most_informative(pool: Bool[np.ndarray, "p n"], known: Bool[np.ndarray, "k n"], count: int) -> list[int]:
    """The candidates that are chosen, in turn, after what is known; a pivoted Cholesky factorisation of the odd kernel.

    Args:
      pool: one mask of each pair.
      known: masks that will be evaluated with their complements.
      count: how many to choose; fewer are, if there are not so many.
    """
    both = np.concatenate([known, pool])
    size, n = both.shape
    z, prior = np.where(both, 1.0, -1.0), _odd_kernel(float(n), n)
    of_index, noise = _covariances_with_values(both), _NOISE * prior
    told, left = (of_index**2).sum(0), np.full(size, prior)  # sum_i Cov(SV_i, f(x) | chosen)^2, Var(f(x) | chosen)
    steps = min(len(known) + count, size)
    factor, loads = np.zeros((steps, size)), np.zeros((n, steps))
    free = np.arange(size) >= len(known)
    chosen: list[int] = []
    for step in range(steps):
        before, best = factor[:step], step
        if step >= len(known):
            best = int(np.argmax(np.where(free, told / (left + noise), -1.0)))
            chosen.append(best - len(known))
            free[best] = False
        scale = np.sqrt(left[best] + noise)
        column = (_odd_kernel(z @ z[best], n) - before[:, best] @ before) / scale
        load = (of_index[:, best] - loads[:, :step] @ before[:, best]) / scale
        told += column * (load @ load * column - 2 * (load @ of_index - load @ loads[:, :step] @ before))
        left = np.maximum(left - column**2, 0.0)
        factor[step], loads[:, step] = column, load
    return chosen


def _odd_kernel(product: Float[np.ndarray, "*p"] | float, n: int) -> Float[np.ndarray, "*p"] | float:
    """`(k(x, y) - k(x, ~y)) / 2` over `k(x, x)`, from the inner product of the signs: the kernel of the odd part."""
    rho = _RATE / n
    ratio, agree = (1 - rho) / (1 + rho), (n + product) / 2
    return (ratio ** (n - agree) - ratio**agree) / 2


def _covariances_with_values(masks: Bool[np.ndarray, "p n"]) -> Float[np.ndarray, "n p"]:
    """`Cov(SV_i, f(x))` over `k(x, x)`, with `SV_i = int_0^1 E_t[f(y with i) - f(y without i)] dt`; that of f_odd, too.

    Under t every other feature is kept independently with probability t. So the covariance is
    `int 2 rho s_i prod_{j != i} (1 + rho (2t - 1) s_j) dt` with the signs s of x, and depends on s_i and |x| only.
    """
    n, kept = masks.shape[1], masks.sum(1)
    rho = _RATE / n
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)  # nodes are 2 t - 1
    inside, outside = (1 + rho * nodes[:, None]) / (1 + rho), (1 - rho * nodes[:, None]) / (1 + rho)
    product = weights[:, None] * inside**kept * outside ** (n - kept)
    return rho / (1 + rho) * np.where(masks.T, (product / inside).sum(0), -(product / outside).sum(0))
