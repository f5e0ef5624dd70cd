"""Uniform random masks: every Fourier coefficient can be estimated from them, and so can faithfulness."""

import operator

import numpy as np
from jaxtyping import Bool

from spexjax._random import permutation, split_key, uniforms
from spexjax.spectrum import mask_numbers, numbered_masks
from spexjax.typing import Key, Masks

ENUMERABLE = 20  # features up to which all masks are listed and shuffled; more if a quarter of them is wanted


def uniform_size(num_masks: int, num_features: int) -> int:
    """How many masks `uniform` returns: the budget, or 2^n if that is less.

    Args:
      num_masks: m, the ablation budget.
      num_features: n.

    >>> uniform_size(100, 5), uniform_size(100, 50)
    (32, 100)
    """
    num_masks = operator.index(num_masks)
    return num_masks if num_features >= num_masks.bit_length() else min(num_masks, 1 << num_features)


def check_sizes(num_masks: int, num_features: int) -> None:
    """Raises ValueError if m or n is below 1.

    Args:
      num_masks: m.
      num_features: n.
    """
    if num_masks < 1 or num_features < 1:
        raise ValueError(f"A design needs at least one mask and one feature; got m = {num_masks}, n = {num_features}.")


def all_masks(num_features: int) -> Bool[np.ndarray, "m n"]:
    """All 2^n masks in the order of `mask_numbers`: feature 0 changes fastest.

    >>> all_masks(2).astype(int).tolist()
    [[0, 0], [1, 0], [0, 1], [1, 1]]
    """
    return numbered_masks(np.arange(1 << num_features), num_features)


def uniform(key: Key, num_masks: int, num_features: int, *, paired: bool = False) -> Masks:
    """Draws distinct masks uniformly from {0,1}^n, the two ends first: E[f(x) (-1)^{|S ∩ x|}] = F(S).

    The mask that keeps everything comes first and the one that keeps nothing second, so that both are always evaluated
    (`spexjax._ends`). The others are drawn from the rest without replacement.

    Args:
      key: PRNG key, consumed.
      num_masks: m, the ablation budget; even when `paired`. If m >= 2^n, all 2^n masks are returned, once each.
      num_features: n.
      paired: follow each mask with its complement, which separates odd from even orders.

    Returns:
      bool `[uniform_size(m, n), n]`, True = kept.

    Raises:
      ValueError: if m or n is below 1, or `paired` and m is odd.

    >>> import jax
    >>> uniform(jax.random.key(0), 100, 7)[:2].astype(int).sum(1).tolist()
    [7, 0]
    """
    check_sizes(num_masks, num_features)
    if not paired:
        ends = np.array([[True], [False]]).repeat(num_features, 1)
        return _distinct(key, uniform_size(num_masks, num_features), ends)
    if num_masks % 2:
        raise ValueError(f"A paired design needs an even number of masks, not {num_masks}.")
    # The member that keeps feature 0 identifies a pair, so distinct halves make distinct pairs.
    half = uniform_size(num_masks, num_features) // 2
    rest = _distinct(key, half, np.ones((1, num_features - 1), bool)) if num_features > 1 else np.ones((1, 0), bool)
    kept = np.concatenate([np.ones((half, 1), bool), rest], 1)
    return np.stack([kept, ~kept], 1).reshape(-1, num_features)


def _distinct(key: Key, m: int, first: Bool[np.ndarray, "f n"]) -> Bool[np.ndarray, "m n"]:
    """The given masks, then others, all distinct."""
    n, masks = first.shape[1], first[:m]
    if n <= ENUMERABLE or 1 << n <= 4 * m:
        known = mask_numbers(masks)
        others = np.delete(np.arange(1 << n), known)
        codes = np.concatenate([known, others[permutation(key, len(others), m - len(known))]])
        return numbered_masks(codes, n)
    while len(masks) < m:
        key, draw = split_key(key, 2)
        masks = np.concatenate([masks, uniforms(draw, m - len(masks), n) < 0.5])
        _, new = np.unique(np.packbits(masks, axis=1), axis=0, return_index=True)
        masks = masks[np.sort(new)]
    return masks
