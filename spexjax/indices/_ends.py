"""What the two ends of the cube add to an index: exact values where everything is kept and where nothing is."""

from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from spexjax.indices._index import Index, get
from spexjax.indices._interactions import Interactions
from spexjax.indices._weights import end_weights
from spexjax.spectrum import joined_supports
from spexjax.typing import Masks, Values

ALL_SETS = 20_000  # up to so many sets of one order, every one gets a value


class Ends(NamedTuple):
    """The function `kept * prod_i x_i + removed * prod_i (1 - x_i)`: what a fit misses at the two ends, 0 elsewhere."""

    kept: float
    removed: float

    def at(self, masks: Masks) -> Values:
        """The function at each mask."""
        masks = np.asarray(masks)
        return np.where(masks.all(1), self.kept, 0.0) + np.where(masks.any(1), 0.0, self.removed)


def with_ends(table: Interactions, ends: Ends) -> Interactions:
    """Adds an index of `ends` to that index of another function.

    The correction is the same for all sets of one order. Every set gets a value if `max_order` is given and the order
    has at most 20,000 sets; otherwise only the sets of the table are corrected.

    Args:
      table: the index of a function that is wrong at the two ends.
      ends: what that function misses where everything is kept, and where nothing is.
    """
    if not any(ends):
        return table
    n, width, index = table.num_features, table.support.shape[1], get(table.index)
    top = min(table.max_order or width, n)
    supports, values = [], []
    for order in range(index.smallest, top + 1):
        known = table.order(order)
        if table.max_order is not None and comb(n, order) <= ALL_SETS:
            sets = np.array(list(combinations(range(n), order)), np.int32)
            found = np.array([known[tuple(s)] for s in sets.tolist()]) if len(known) else np.zeros(len(sets))
        else:
            sets, found = known.support[:, :order], known.values
        supports.append(sets)
        values.append(found + _weights(index, order, table.max_order or n, n) @ np.array(ends))
    return Interactions(
        joined_supports(supports, n), np.concatenate(values), table.index, table.max_order, n, table.feature_names
    )


def _weights(index: Index, s: int, k: int, n: int) -> Float[np.ndarray, " 2"]:
    """I(S), |S| = s, of `prod_i x_i` and of `prod_i (1 - x_i)`.

    By the derivatives of their multilinear extensions, `D_S(t) = t^{n-s}` and `(-1)^s (1 - t)^{n-s}`, where the index
    has a measure: this takes no time, however many features there are.
    """
    measure = index.measure(s, k, n) if s else None
    if measure is None:
        return np.array(end_weights(index, k, n, s))
    at, mu = measure
    return np.array([mu @ at ** (n - s), (-1) ** s * (mu @ (1 - at) ** (n - s))])
