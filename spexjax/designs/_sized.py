"""Masks for Shapley-type indices: a quarter uniform, the others with sizes drawn from the Shapley kernel."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int

from spexjax._random import split_key, uniforms
from spexjax.designs._uniform import ENUMERABLE, check_sizes, uniform, uniform_size
from spexjax.spectrum import numbered_masks
from spexjax.typing import Key, Masks

_EVERY = 4  # one pair in four is uniform


def sized(key: Key, num_masks: int, num_features: int) -> Masks:
    """Draws distinct masks, each with its complement: a quarter uniform, the others with P(|x| = k) ∝ 1 / (k (n - k)).

    Uniform masks keep about half of the features, but Shapley-type indices give the few small and large masks as much
    weight as all others together. The Shapley kernel draws these. Complements separate odd from even orders. The first
    pair of every four, rows 0, 1, 8, 9, ... (`uniform_rows`), is uniform, so that faithfulness can be measured there;
    the masks that keep everything and nothing come first. The first rows of a design are a smaller design of the same
    kind, though not the one that the same key gives.

    Source: the sizes and pairs are those of KernelSHAP (Lundberg and Lee 2017; Covert and Lee, arXiv 2012.01536).

    Args:
      key: PRNG key, consumed.
      num_masks: m, the ablation budget. If m >= 2^n, all 2^n masks are returned, once each.
      num_features: n.

    Returns:
      bool `[uniform_size(m, n), n]`, True = kept.

    Raises:
      ValueError: if m or n is below 1.

    >>> import jax
    >>> sized(jax.random.key(0), 8, 20)[:2].sum(1).tolist()
    [20, 0]
    """
    uniform_key, size_key = split_key(key, 2)
    return quarter_uniform(
        uniform_key, num_masks, num_features, lambda count, taken: draw_pairs(size_key, count, taken)
    )


def quarter_uniform(key: Key, num_masks: int, num_features: int, others: Callable[[int, np.ndarray], Masks]) -> Masks:
    """Masks in pairs of complements, of which the `uniform_rows` are uniform; all 2^n if so many are wanted.

    Args:
      key: PRNG key, consumed; draws the uniform masks.
      num_masks: as in `sized`.
      num_features: n.
      others: gives so many further masks, in pairs, which differ from all that it is handed.
    """
    check_sizes(num_masks, num_features)
    m = uniform_size(num_masks, num_features)
    if num_features < m.bit_length():  # as many as there are
        return uniform(key, m, num_features)
    masks, rows = np.empty((m, num_features), bool), uniform_rows(m)
    masks[rows] = uniform(key, len(rows) + len(rows) % 2, num_features, paired=True)[: len(rows)]
    rest = np.delete(np.arange(m), rows)
    masks[rest] = others(len(rest), masks[rows])
    return masks


def uniform_rows(num_masks: int) -> Int[np.ndarray, " u"]:
    """The rows of `sized` that are uniform.

    >>> uniform_rows(12).tolist()
    [0, 1, 8, 9]
    """
    return np.flatnonzero(np.arange(num_masks) // 2 % _EVERY == 0)


def size_probabilities(num_features: int) -> Float[np.ndarray, " _"]:
    """`P(|x| = k)` for k = 0..n under the Shapley kernel, 0 for the empty and the full mask."""
    k = np.arange(1, num_features)
    weights = 1 / (k * (num_features - k)) if num_features > 1 else np.zeros(0)
    return np.concatenate([[0.0], weights / max(weights.sum(), 1e-300), [0.0]])


def draw_pairs(key: Key, count: int, taken: Bool[np.ndarray, "u n"]) -> Bool[np.ndarray, "c n"]:
    """Pairs of complements by the Shapley kernel; all distinct, and none of those taken.

    Args:
      key: PRNG key, consumed.
      count: how many masks; the last is alone if it is odd.
      taken: masks that are not to be drawn.
    """
    n = taken.shape[1]
    seen = {row.tobytes() for row in np.packbits(taken, axis=1)}
    found: list[Bool[np.ndarray, " n"]] = []
    few = n <= ENUMERABLE and 1 << n <= 64 * count  # a good part of all masks is wanted, so draws would often repeat
    while len(found) < count:
        key, draw = split_key(key, 2)
        draws = _first_of_all(draw, n, count + len(taken)) if few else _draw(draw, count, n)
        rows = np.stack([draws, ~draws], 1).reshape(-1, n)
        for row, code in zip(rows, np.packbits(rows, axis=1), strict=True):
            if len(found) == count:
                break
            if (packed := code.tobytes()) not in seen:
                seen.add(packed)
                found.append(row)
    return np.array(found, bool).reshape(count, n)


def _draw(key: Key, count: int, n: int) -> Bool[np.ndarray, "c n"]:
    """Independent masks by the Shapley kernel."""
    size_key, order_key = split_key(key, 2)
    below = np.cumsum(size_probabilities(n).astype(np.float32))
    sizes = np.searchsorted(below, below[-1] * (1 - uniforms(size_key, count)))
    ranks = np.argsort(np.argsort(uniforms(order_key, count, n), axis=1, kind="stable"), axis=1)
    return ranks < sizes[:, None]


def _first_of_all(key: Key, n: int, most: int) -> Bool[np.ndarray, "_ n"]:
    """The first of all masks, in the order of successive draws from the Shapley kernel without replacement."""
    sizes = np.bitwise_count(np.arange(1 << n))
    share = size_probabilities(n) / np.bincount(sizes)
    gumbel = -np.log(-np.log(np.maximum(uniforms(key, 1 << n), np.finfo(np.float32).tiny)))
    order = np.argsort(-(np.log(np.maximum(share, 1e-30))[sizes] + gumbel), kind="stable")
    return numbered_masks(order[:most], n)
