"""What stands side by side in the string that is left: products of features that are kept and features that are not.

If removed parts of a text are deleted, others meet. A language model reads what stands together, so its answer depends
on which parts are neighbours in what is left, and on which come first and last.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from spexjax.spectrum import Spectrum, unique_rows
from spexjax.typing import Masks, Values

_FARTHEST = 5  # features i and j with j - i up to this may become neighbours,
_ENDS = 6  # and any of so many first and last ones the first and the last
GROUPS = _FARTHEST + 2


class Strings(NamedTuple):
    """l products of literals, `prod_{i in kept} x_i prod_{i in removed} (1 - x_i)`, in groups of one kind.

    The first groups are neighbours at distances 1 to 5, `x_i x_j prod_{i<k<j} (1 - x_k)`. Then comes what is left
    first, `x_i prod_{k<i} (1 - x_k)` for the first six features, and last.
    """

    kept: Int[np.ndarray, "l 2"]  # padded with n
    removed: Int[np.ndarray, "l 5"]  # padded with n
    group: Int[np.ndarray, " l"]
    num_features: int

    def at(self, masks: Masks) -> Float[np.ndarray, "m l"]:
        """Each product at each mask, 0 or 1."""
        x = np.asarray(masks, bool)
        padding = np.ones((len(x), 1), bool)
        kept = np.concatenate([x, padding], 1)[:, self.kept].all(-1)
        removed = np.concatenate([~x, padding], 1)[:, self.removed].all(-1)
        return np.asarray(kept & removed, np.float32)

    def spectrum(self, weights: Values) -> Spectrum:
        """The spectrum of `sum_l weights_l product_l`, exactly.

        With A kept and B removed, each of the 2^d subsets S of their d literals has the coefficient
        `2^-d (-1)^{|S ∩ A|}`.

        Args:
          weights: `[l]`.
        """
        n, literals = self.num_features, np.concatenate([self.kept, self.removed], axis=1)
        width = literals.shape[1]
        chosen = (np.arange(1 << width)[:, None] >> np.arange(width)) & 1 == 1
        real = literals < n
        inside = chosen[None] & real[:, None]
        once = (inside == chosen).all(-1)  # a subset with padding is another one once more
        signs = np.where(inside[..., : self.kept.shape[1]].sum(-1) % 2, -1.0, 1.0)
        terms = np.asarray(weights, np.float64)[:, None] * signs * 0.5 ** real.sum(1)[:, None]
        supports = np.sort(np.where(inside, literals[:, None], n)[once].astype(np.int32), axis=1)
        support, place = unique_rows(supports)
        most = int((support < n).sum(1).max(initial=0))
        return Spectrum(support[:, :most], np.bincount(place, terms[once], len(support)), n)


def padded_strings(size: int) -> int:
    """How many `strings` there are at most among so many features, so that padded ones have one shape."""
    return _FARTHEST * size + 2 * _ENDS


def strings(n: int) -> Strings:
    """The products of n features in an order.

    >>> strings(3).kept.tolist()
    [[0, 1], [1, 2], [0, 2], [0, 3], [1, 3], [2, 3], [2, 3], [1, 3], [0, 3]]
    >>> strings(3).removed[2].tolist(), strings(3).at(np.array([[True, False, True]]))[0].tolist()
    ([1, 3, 3, 3, 3], [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0])
    """
    rows = [([i, i + d], range(i + 1, i + d), d - 1) for d in range(1, _FARTHEST + 1) for i in range(n - d)]
    rows += [([i, n], range(i), _FARTHEST) for i in range(min(n, _ENDS))]
    rows += [([n - 1 - i, n], range(n - i, n), _FARTHEST + 1) for i in range(min(n, _ENDS))]
    kept, removed, group = zip(*rows, strict=True) if rows else ((), (), ())
    filled = [[*some, *[n] * (_FARTHEST - len(some))] for some in removed]
    shaped = np.array(kept, np.int32).reshape(-1, 2), np.array(filled, np.int32).reshape(-1, _FARTHEST)
    return Strings(*shaped, np.array(group, np.int32), n)
