"""The exact Fourier spectrum of an ensemble of decision trees on 0/1 features."""

import itertools
import math

import numpy as np
from jaxtyping import Bool, Float, Int

from spexjax.spectrum import Spectrum, joined_supports, unique_rows

_BLOCK = 1 << 22  # table entries or terms held before terms are merged
_MAX_DEPTH = 20  # one leaf with d features has 2^d coefficients


def tree_spectrum(
    features: Int[np.ndarray, "l d"], bits: Bool[np.ndarray, "l d"], values: Float[np.ndarray, " l"], num_features: int
) -> Spectrum:
    """The spectrum of a sum of leaves: `f(x) = sum_l v_l prod_j [x_{P_lj} = b_lj]`.

    Since `[x_i = b] = (1 + (-1)^{b + x_i}) / 2`, leaf l adds `v_l 2^-|P| (-1)^{|S ∩ b|}` to every `S ⊆ P`. Leaves
    that test the same features P share one table of 2^|P| values and one Walsh-Hadamard transform. Runs on the host in
    float64; memory is bounded by the number of distinct S and a block of 4 million entries.

    Args:
      features: the features tested on the way to each leaf, in any order, padded with `num_features`. A feature
        may repeat; a leaf with contradictory tests is empty.
      bits: the required values, in the same positions.
      values: the value of each leaf.
      num_features: n.

    Returns:
      Spectrum in float64: the constant first, then the non-zero terms by order, in lexicographic order.

    Raises:
      ValueError: if a leaf depends on more than 20 features: it would have more than 2^20 coefficients.
    """
    features, bits, values = _distinct_tests(features, bits, values, num_features)
    depth = (features < num_features).sum(1)
    if depth.max(initial=0) > _MAX_DEPTH:
        raise ValueError(f"A leaf depends on {depth.max()} features; limit the depth of the trees to {_MAX_DEPTH}.")
    width = int(depth.max(initial=0))
    sums = [_Sums(order, num_features) for order in range(width + 1)]
    for d in range(width + 1):
        at = depth == d
        if not at.any():
            continue
        paths, path = unique_rows(features[at, :d])
        slot = bits[at, :d] @ (1 << np.arange(d))
        order = np.argsort(path, kind="stable")
        path, slot, value = path[order], slot[order], values[at][order]
        rows = max(1, _BLOCK >> d)
        for start in range(0, len(paths), rows):
            block = paths[start : start + rows]
            lo, hi = np.searchsorted(path, [start, start + rows])
            index = ((path[lo:hi] - start) << d) + slot[lo:hi]
            table = np.bincount(index, value[lo:hi], len(block) << d).reshape(len(block), -1)
            table = _walsh_hadamard(table, d)
            for o in range(d + 1):
                subsets = np.array(list(itertools.combinations(range(d), o)), int).reshape(math.comb(d, o), o)
                sums[o].add(
                    block[:, subsets].reshape(len(block) * len(subsets), o), table[:, (1 << subsets).sum(1)].ravel()
                )
    terms = [s.terms() for s in sums]
    support = joined_supports([s for s, _ in terms], num_features)
    return Spectrum(support.astype(np.int32), np.concatenate([c for _, c in terms]), num_features)


def _distinct_tests(features, bits, values, n: int):
    """Sorts each path, and drops repeated tests and leaves that no mask can reach."""
    order = np.argsort(2 * features + bits, axis=1, kind="stable")
    features, bits = np.take_along_axis(features, order, 1), np.take_along_axis(bits, order, 1)
    again = np.zeros(features.shape, bool)
    again[:, 1:] = (features[:, 1:] == features[:, :-1]) & (features[:, 1:] < n)
    possible = ~(again[:, 1:] & (bits[:, 1:] != bits[:, :-1])).any(1)
    features = np.where(again, n, features)[possible]
    order = np.argsort(features, axis=1, kind="stable")
    return np.take_along_axis(features, order, 1), np.take_along_axis(bits[possible], order, 1), values[possible]


def _walsh_hadamard(table: Float[np.ndarray, "u t"], d: int) -> Float[np.ndarray, "u t"]:
    """`2^-d sum_b table[b] (-1)^{|S ∩ b|}` for every S, both as bit patterns."""
    for j in range(d):
        pairs = table.reshape(len(table), -1, 2, 1 << j)
        low, high = pairs[:, :, 0], pairs[:, :, 1]
        table = np.stack([low + high, low - high], axis=2).reshape(len(table), -1) / 2
    return table


class _Sums:
    """Sums of coefficients of the sets of one order. Sets are packed into a few integers, which sort much faster."""

    def __init__(self, order: int, n: int):
        self.order = order
        self.bits = max(1, (n - 1).bit_length())
        self.per_word = 63 // self.bits
        num_words = max(1, -(-order // self.per_word))
        self.parts = [(np.zeros((0, num_words), np.int64), np.zeros(0))]
        self.pending = 0

    def add(self, support: Int[np.ndarray, "k o"], coefficients: Float[np.ndarray, " k"]) -> None:
        words = np.zeros((len(support), self.parts[0][0].shape[1]), np.int64)
        for j in range(self.order):
            words[:, j // self.per_word] |= support[:, j].astype(np.int64) << self._shift(j)
        self.parts.append((words, coefficients))
        self.pending += len(words)
        if self.pending > _BLOCK:
            self._merge()

    def terms(self) -> tuple[Int[np.ndarray, "k o"], Float[np.ndarray, " k"]]:
        self._merge()
        words, sums = self.parts[0]
        support = np.zeros((len(words), self.order), np.int64)
        for j in range(self.order):
            support[:, j] = words[:, j // self.per_word] >> self._shift(j) & (1 << self.bits) - 1
        keep = (sums != 0) | (self.order == 0)
        return support[keep], sums[keep]

    def _shift(self, j: int) -> int:
        return (
            self.per_word - 1 - j % self.per_word
        ) * self.bits  # the first feature has the highest bits, which keeps the order

    def _merge(self) -> None:
        words, inverse = unique_rows(np.concatenate([w for w, _ in self.parts]))
        sums = np.bincount(inverse, np.concatenate([c for _, c in self.parts]), len(words))
        self.parts = [(words, sums.astype(float))]  # bincount returns integers for empty input
        self.pending = 0


def booster_leaves(
    model: str, num_features: int
) -> tuple[Int[np.ndarray, "l d"], Bool[np.ndarray, "l d"], Float[np.ndarray, " l"]]:
    """The leaves of a LightGBM model trained on 0/1 features, as `tree_spectrum` takes them.

    All trees are walked together, one level at a time. The left child is for `x <= threshold`.

    Args:
      model: the text of `Booster.model_to_string()`, which is much faster to read than `dump_model()`.
      num_features: n.

    Returns:
      Features, bits and values of the leaves; see `tree_spectrum`.
    """

    lines: dict[str, list[str]] = {}
    for line in model.splitlines():
        name, _, rest = line.partition("=")
        lines.setdefault(name, []).append(rest)

    def numbers(name: str, dtype) -> np.ndarray:
        return np.array(" ".join(lines.get(name, [])).split(), dtype)

    num_leaves = numbers("num_leaves", int)
    feature, threshold, leaf_value = (
        numbers("split_feature", int),
        numbers("threshold", float),
        numbers("leaf_value", float),
    )
    children = np.stack([numbers("left_child", int), numbers("right_child", int)])
    first_leaf = np.cumsum(num_leaves) - num_leaves
    first_node = first_leaf - np.arange(len(num_leaves))

    tree = np.flatnonzero(num_leaves > 1)
    node = np.zeros(len(tree), int)
    path, bits = np.zeros((len(tree), 0), int), np.zeros((len(tree), 0), bool)
    stumps = num_leaves == 1
    none = np.zeros((stumps.sum(), 0))
    levels = [(none.astype(int), none.astype(bool), leaf_value[first_leaf[stumps]])]
    while len(tree):
        at = first_node[tree] + node
        # A threshold outside [0, 1) sends both values the same way: one child needs no test, the other has no masks.
        f, t = feature[at], threshold[at]
        tests = np.concatenate([np.where(t >= 1, num_features, f), np.where(t < 0, num_features, f)])
        some = np.concatenate([t >= 0, t < 1])
        path = np.concatenate([np.tile(path, (2, 1)), tests[:, None]], 1)[some]
        bits = np.concatenate([np.tile(bits, (2, 1)), np.repeat([False, True], len(at))[:, None]], 1)[some]
        tree, node = np.tile(tree, 2)[some], children[:, at].ravel()[some]
        leaf = node < 0
        levels.append((path[leaf], bits[leaf], leaf_value[first_leaf[tree[leaf]] + ~node[leaf]]))
        tree, node, path, bits = tree[~leaf], node[~leaf], path[~leaf], bits[~leaf]
    width = levels[-1][0].shape[1]

    def padded(rows: np.ndarray, fill) -> np.ndarray:
        return np.pad(rows, ((0, 0), (0, width - rows.shape[1])), constant_values=fill)

    return (
        np.concatenate([padded(p, num_features) for p, _, _ in levels]),
        np.concatenate([padded(b, False) for _, b, _ in levels]),
        np.concatenate([v for _, _, v in levels]),
    )
