"""Masks near the full model: every feature is kept with the same probability, and the removals are dealt like cards."""

import math
from bisect import bisect_left, bisect_right
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import scipy.special
from jaxtyping import Bool, Float, Int

from spexjax._random import permutation, split_key, uniforms
from spexjax.designs._uniform import uniform, uniform_size
from spexjax.typing import Array, Key, Masks

_STEP = (math.sqrt(5) - 1) / 2  # its multiples modulo 1 fill [0, 1) evenly, however many there are


def biased(key: Key, num_masks: int, num_features: int, keep: float = 0.9) -> Masks:
    """Draws distinct masks that keep each feature with probability p, the two ends first.

    A model with half of its heads gone may be noise where one without a tenth of them is not. Each mask is one of the
    product measure `P(x) = p^|x| (1 - p)^(n - |x|)` with less noise between masks than independent draws have:

    - Sizes are stratified: the quantiles of |x| fill [0, 1) evenly, and come in pairs u and 1 - u.
    - Removals are dealt from a shuffled deck of all features, which is shuffled again when it runs out. So every
      feature is removed once before any is removed twice, and the masks that share a deck remove disjoint sets. For
      p = 1/2 a deck serves one pair: a mask and its complement, which separates odd from even orders. For other p no
      second mask does that, and the rest of the deck is what the complement becomes. (Below 1/2, what is kept is
      dealt.)

    Masks that repeat an earlier one are drawn again among those of the same size. Where all masks of a size are used
    up, the other sizes share what was left of its probability, so few features or a p near 1 shift the sizes away from
    p: `metrics.size_weights(masks, keep=p)` corrects for that. The first rows of a design are a smaller design of the
    same kind.

    Args:
      key: PRNG key, consumed.
      num_masks: m, the ablation budget. If m >= 2^n, all 2^n masks are returned, once each.
      num_features: n.
      keep: p, between 0 and 1.

    Returns:
      bool `[uniform_size(m, n), n]`, True = kept. The mask that keeps everything and the one that keeps nothing come
      first, as in `uniform`.

    Raises:
      ValueError: if m or n is below 1, or p is not between 0 and 1.

    >>> import jax
    >>> masks = biased(jax.random.key(0), 102, 40, keep=0.9)
    >>> masks[:2].sum(1).tolist(), round(float(masks[2:].mean()), 2)
    ([40, 0], 0.9)
    """
    p, m, n = checked_keep(keep), uniform_size(num_masks, num_features), num_features
    if m < 3:  # the ends alone; refuses what cannot be
        return uniform(key, num_masks, n)
    size_key, deal_key, again_key = split_key(key, 3)
    sizes = _sizes(size_key, m - 2, n, p)
    dealt = _dealt(deal_key, n - sizes if p >= 0.5 else sizes, n)
    inner = _distinct(again_key, ~dealt if p >= 0.5 else dealt, sizes)
    return np.concatenate([np.array([[True], [False]]).repeat(n, 1), inner])


def checked_keep(keep: Any) -> float:
    """Returns the probability as a float.

    Args:
      keep: what the user gave.

    Raises:
      ValueError: if it is no number between 0 and 1.
    """
    keep = keep.item() if isinstance(keep, Array) and keep.shape == () else keep
    number = isinstance(keep, int | float | np.integer | np.floating) and not isinstance(keep, bool)
    if not number or not 0 < keep < 1:
        raise ValueError(f"keep is the probability of keeping a feature, between 0 and 1, say 0.9; got {keep!r}.")
    return float(keep)


def _sizes(key: Key, count: int, n: int, p: float) -> Int[np.ndarray, " c"]:
    """Stratified sizes of masks between the ends, none more often than there are masks of that size."""
    k = np.arange(n + 1)
    logs = k * math.log(p) + (n - k) * math.log1p(-p)
    logs -= scipy.special.gammaln(k + 1) + scipy.special.gammaln(n - k + 1)
    left = [0, *(comb(n, size) for size in range(1, n)), 0]
    start, sizes = float(uniforms(key, 1)[0]), np.empty(count, np.int64)
    below = _cumulative(logs, left)
    for i in range(count):
        u = (start + i // 2 * _STEP) % 1
        size = bisect_left(below, 1 - u) if i % 2 else bisect_right(below, u)
        sizes[i] = size
        left[size] -= 1
        if not left[size]:
            below = _cumulative(logs, left)
    return sizes


def _cumulative(logs: Float[np.ndarray, " _"], left: list[int]) -> list[float]:
    """The distribution function of the sizes of which masks are left."""
    open_logs = np.where([count > 0 for count in left], logs, -np.inf)
    with np.errstate(invalid="ignore"):  # if nothing is left, nobody asks
        below = np.cumsum(np.exp(open_logs - open_logs.max()))
        return (below / below[-1]).tolist()


def _dealt(key: Key, sizes: Int[np.ndarray, " c"], n: int) -> Bool[np.ndarray, "c n"]:
    """Sets of these sizes, below n each, dealt one after the other from shuffled decks of n cards."""
    shuffled = iter(np.argsort(uniforms(key, -(-int(sizes.sum()) // n) + 1, n), axis=1, kind="stable"))
    sets, deck = np.zeros((len(sizes), n), bool), np.zeros(0, np.int64)
    for row, size in zip(sets, sizes.tolist(), strict=True):
        hand, deck = deck[:size], deck[size:]
        row[hand] = True
        if missing := size - len(hand):
            fresh = next(shuffled)
            held = row[fresh]
            deck = np.concatenate([fresh[~held], fresh[held]])  # what is in the hand goes to the bottom
            row[deck[:missing]] = True
            deck = deck[missing:]
    return sets


def _distinct(key: Key, masks: Bool[np.ndarray, "c n"], sizes: Int[np.ndarray, " c"]) -> Bool[np.ndarray, "c n"]:
    """The masks, with others of the same sizes in place of those that repeat an earlier one."""
    n = masks.shape[1]
    for size in np.unique(sizes).tolist():
        rows = np.flatnonzero(sizes == size)
        if comb(n, size) < 2 * len(rows):  # draws would often repeat
            key, draw = split_key(key, 2)
            every = np.array(list(combinations(range(n), size)))
            masks[rows] = False
            masks[rows[:, None], every[permutation(draw, len(every))[: len(rows)]]] = True
    while True:
        _, first = np.unique(np.packbits(masks, axis=1), axis=0, return_index=True)
        repeats = np.setdiff1d(np.arange(len(masks)), first)
        if not len(repeats):
            return masks
        key, draw = split_key(key, 2)
        ranks = np.argsort(np.argsort(uniforms(draw, len(repeats), n), axis=1, kind="stable"), axis=1)
        masks[repeats] = ranks < sizes[repeats, None]
