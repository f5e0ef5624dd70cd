"""Exact sums of an index's weights.

With the Möbius transform `a(T) = (-2)^{|T|} sum_{R ⊇ T} F(R)`, every index is a weighted sum over supersets of Fourier
coefficients, too:

    I(S) = sum_{T ⊇ S} w(|S|, |T|) a(T) = sum_{R ⊇ S} W(|S|, |R|) F(R),
    W(s, r) = sum_{t=s}^{r} C(r-s, t-s) (-2)^t w(s, t).

The sums alternate and cancel, hence exact fractions until the end.
"""

from fractions import Fraction
from functools import cache
from math import lcm

from spexjax.indices._index import Index


@cache
def fourier_weights(index: Index, max_order: int, r: int) -> tuple[float, ...]:
    """`W(s, r)` for `s = 0..min(max_order, r)`: the share of F(R), |R| = r, in I(S) for each S ⊆ R, |S| = s.

    Args:
      index: the index.
      max_order: its order k.
      r: the order of the Fourier term.

    >>> from spexjax.indices import get
    >>> fourier_weights(get("SII"), 2, 3)
    (0.0, -0.6666666666666666, 0.0)
    """
    orders = range(min(max_order, r) + 1)
    return tuple(_alternating(index, max_order, r, s, 2) if s >= index.smallest else 0.0 for s in orders)


@cache
def end_weights(index: Index, max_order: int, num_features: int, order: int) -> tuple[float, float]:
    """`I(S)` of the functions `prod_i x_i` and `prod_i (1 - x_i)`, for |S| = `order`.

    The Möbius transform of the first is 1 for the set of all n features and 0 elsewhere, that of the second
    `(-1)^{|T|}`.

    Args:
      index: the index.
      max_order: its order k.
      num_features: n.
      order: |S|, from the smallest that has a value up to k.
    """
    n, s = num_features, order
    return float(index.weight(s, n, max_order)), _alternating(index, max_order, n, s, 1)


def _alternating(index: Index, k: int, r: int, s: int, base: int) -> float:
    """`sum_{t=s}^{r} C(r-s, t-s) (-base)^t w(s, t)`."""
    weights = [Fraction(index.weight(s, t, k)) for t in range(s, r + 1)]
    denominator, choose, total = lcm(*(w.denominator for w in weights)), 1, 0
    for t, w in enumerate(weights, s):
        total += choose * (-base) ** t * w.numerator * (denominator // w.denominator)
        choose = choose * (r - t) // (t - s + 1)
    return float(Fraction(total, denominator))
