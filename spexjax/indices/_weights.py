"""The weight table of every interaction index, the one home of their formulas.

With the Möbius transform `a(T) = (-2)^{|T|} sum_{R ⊇ T} F(R)`, every index of order k is a weighted sum over
supersets:

    I(S) = sum_{T ⊇ S} w(|S|, |T|) a(T) = sum_{R ⊇ S} W(|S|, |R|) F(R),
    W(s, r) = sum_{t=s}^{r} C(r-s, t-s) (-2)^t w(s, t).
"""

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from math import comb
from typing import NamedTuple

Weight = Callable[[int, int, int], Fraction | int]


class Index(NamedTuple):
    """An interaction index.

    `weight(s, t, k)` is w(s, t) for `s <= t`; `smallest` is the least |S| that has a value; `max_order` is k
    when none is asked for (None: all orders); a `single` index has order 1 whatever is asked for.
    """

    weight: Weight
    smallest: int
    max_order: int | None
    single: bool = False
    design: str = "uniform"


def _stii(s: int, t: int, k: int) -> Fraction:
    return Fraction(s == t) if s < k else Fraction(1, comb(t, k))


def _fsii(s: int, t: int, k: int) -> Fraction:
    if t <= k:
        return Fraction(s == t)
    return Fraction((-1) ** (k - s) * s * comb(k, s) * comb(t - 1, k), (k + s) * comb(t + k - 1, k + s))


def _fbii(s: int, t: int, k: int) -> Fraction:
    if t <= k:
        return Fraction(s == t)
    return Fraction((-1) ** (k - s) * comb(t - s - 1, k - s), 2 ** (t - s))


def _k_sii(s: int, t: int, k: int) -> Fraction:
    if s == 0:
        return Fraction(t == 0)
    return sum(bernoulli(j) * comb(t - s, j) / (t - s - j + 1) for j in range(min(k, t) - s + 1))


@cache
def bernoulli(j: int) -> Fraction:
    """The Bernoulli numbers with B_1 = -1/2."""
    return Fraction(j == 0) - sum(comb(j, i) * bernoulli(i) / (j - i + 1) for i in range(j))


TABLE = {
    "Fourier": Index(lambda s, t, k: Fraction((-1) ** s, 2**t), 0, None),
    "Moebius": Index(lambda s, t, k: s == t, 0, None),
    "SV": Index(lambda s, t, k: Fraction(1, t), 1, 1, single=True),
    "BV": Index(lambda s, t, k: Fraction(1, 2 ** (t - 1)), 1, 1, single=True),
    "SII": Index(lambda s, t, k: Fraction(1, t - s + 1), 1, 2),
    "BII": Index(lambda s, t, k: Fraction(1, 2 ** (t - s)), 1, 2),
    "STII": Index(_stii, 0, 2),
    "FSII": Index(_fsii, 0, 2),
    "FBII": Index(_fbii, 0, 2),
    "k-SII": Index(_k_sii, 0, 2),
}


@cache
def fourier_weights(index: str, max_order: int, r: int) -> tuple[float, ...]:
    """`W(s, r)` for `s = 0..min(max_order, r)`: the share of F(R), |R| = r, in I(S) for each S ⊆ R, |S| = s.

    The sum over t alternates and cancels, hence exact fractions until the end.

    Args:
      index: a name of `TABLE`.
      max_order: the order k of the index.
      r: the order of the Fourier term.

    >>> fourier_weights("SII", 2, 3)
    (0.0, -0.6666666666666666, 0.0)
    """
    weight, smallest, *_ = TABLE[index]

    def exact(s: int) -> Fraction | int:
        return sum(comb(r - s, t - s) * (-2) ** t * weight(s, t, max_order) for t in range(s, r + 1))

    return tuple(float(exact(s)) if s >= smallest else 0.0 for s in range(min(max_order, r) + 1))
