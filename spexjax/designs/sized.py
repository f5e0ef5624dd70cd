"""Masks for Shapley-type indices: half uniform, half of the sizes that Shapley weights live on."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from spexjax.designs.uniform import ENUMERABLE, uniform, uniform_size
from spexjax.typing import Array, Key, Masks


def sized(key: Key, num_masks: int, num_features: int) -> Masks:
    """Draws distinct masks: uniform ones at even rows, and at odd rows masks with P(|x| = k) ∝ 1 / (k (n - k)).

    Uniform masks keep about half of the features, but Shapley-type indices weigh the few small and large masks as
    much as all others together. The odd rows are drawn by the Shapley kernel, the empty mask first unless it is among
    the even ones; the all-kept mask is row 0. The even rows are a uniform design of their own, on which faithfulness
    can be measured, and the first rows of a design are a smaller design, though not that of the same key.

    Source: the sizes are those of KernelSHAP (Lundberg and Lee 2017).

    Args:
      key: PRNG key, consumed.
      num_masks: m, the ablation budget. With m >= 2^n all 2^n masks come, once each.
      num_features: n.

    Returns:
      bool `[uniform_size(m, n), n]`, True = kept.

    Raises:
      ValueError: if m or n is below 1.

    >>> sized(jax.random.key(0), 8, 20)[:2].sum(1).tolist()
    [20, 0]
    """
    m = uniform_size(num_masks, num_features)
    uniform_key, size_key = jax.random.split(key)
    if num_features < m.bit_length():  # as many as there are
        return uniform(uniform_key, m, num_features)
    even = np.asarray(uniform(uniform_key, -(-m // 2), num_features))
    masks = np.empty((m, num_features), bool)
    masks[0::2] = even
    masks[1::2] = _others(size_key, m // 2, even)
    return jnp.asarray(masks)


def size_probabilities(num_features: int) -> Float[np.ndarray, " _"]:
    """`P(|x| = k)` for k = 0..n under the Shapley kernel, 0 for the empty and the full mask."""
    k = np.arange(1, num_features)
    weights = 1 / (k * (num_features - k)) if num_features > 1 else np.zeros(0)
    return np.concatenate([[0.0], weights / max(weights.sum(), 1e-300), [0.0]])


def _others(key: Key, count: int, taken: Bool[np.ndarray, "m n"]) -> Bool[np.ndarray, "c n"]:
    """The empty mask and others by the Shapley kernel, all distinct and none of those taken."""
    n = taken.shape[1]
    seen = {row.tobytes() for row in np.packbits(taken, axis=1)}
    found: list[Bool[np.ndarray, " n"]] = []
    draws = np.zeros((1, n), bool)
    while len(found) < count:
        for row in draws:
            packed = np.packbits(row).tobytes()
            if packed not in seen and len(found) < count:
                seen.add(packed)
                found.append(row)
        key, draw = jax.random.split(key)
        few = n <= ENUMERABLE and 1 << n <= 64 * count  # a good part of all masks: draws would often repeat
        draws = _all_in_random_order(draw, n) if few else np.asarray(_draw(draw, count, n))
    return np.array(found, bool).reshape(count, n)


def _draw(key: Key, count: int, n: int) -> Bool[Array, "c n"]:
    """Independent masks by the Shapley kernel."""
    size_key, order_key = jax.random.split(key)
    sizes = jax.random.choice(size_key, n + 1, (count,), p=jnp.asarray(size_probabilities(n)))
    ranks = jnp.argsort(jnp.argsort(jax.random.uniform(order_key, (count, n)), axis=1), axis=1)
    return ranks < sizes[:, None]


def _all_in_random_order(key: Key, n: int) -> Bool[np.ndarray, "_ n"]:
    """All masks, as successive draws without replacement by the Shapley kernel would give them."""
    masks = (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(bool)
    sizes = masks.sum(1)
    share = size_probabilities(n) / np.bincount(sizes)
    noise = np.asarray(jax.random.gumbel(key, (1 << n,)))
    return masks[np.argsort(-(np.log(np.maximum(share, 1e-30))[sizes] + noise), kind="stable")]
