"""The interaction indices that spexjax knows, one record each: the one home of their formulas."""

from fractions import Fraction
from functools import cache, partial
from math import comb

import numpy as np
from jaxtyping import Float

from spexjax.indices._index import Index, Measure

_MAX_NODES = 128  # exact up to order 256; beyond, a function of that degree on [0, 1] is smooth enough
_GRABISCH = (
    "Grabisch & Roubens 1999, An axiomatic approach to the concept of interaction among players in cooperative games"
)
_TSAI = "Tsai, Yeh & Ravikumar 2023, Faith-Shap: The faithful Shapley interaction index"


def _atom(t: float) -> Measure:
    """All mass at t."""
    return np.full(1, t), np.ones(1)


def _integral(density: Float[np.ndarray, " d"], degree: int) -> Measure:
    """Nodes and weights of `integral_0^1 p(t) density(t) dt` by Gauss and Legendre.

    Args:
      density: the coefficients of a polynomial, lowest power first.
      degree: of the p for which the sum is exact, if that takes no more than 128 nodes.
    """
    needed = (degree + len(density) - 1) // 2 + 1
    nodes, weights = np.polynomial.legendre.leggauss(min(needed, _MAX_NODES))
    nodes = (nodes + 1) / 2
    return nodes, weights / 2 * np.polynomial.polynomial.polyval(nodes, density)


def _uniform(s: int, k: int, n: int) -> Measure:
    """The uniform measure on [0, 1], whose moments are 1 / (t - s + 1)."""
    return _integral(np.ones(1), n - s)


def _stii(s: int, t: int, k: int) -> Fraction:
    return Fraction(s == t) if s < k else Fraction(1, comb(t, k))


def _stii_measure(s: int, k: int, n: int) -> Measure:
    """For s = k the density `k (1 - t)^{k-1}`; below, all mass at 0."""
    if s < k:
        return _atom(0.0)
    return _integral(np.array([k * comb(k - 1, j) * (-1.0) ** j for j in range(k)]), n - s)


def _fsii(s: int, t: int, k: int) -> Fraction:
    if t <= k:
        return Fraction(s == t)
    return Fraction((-1) ** (k - s) * s * comb(k, s) * comb(t - 1, k), (k + s) * comb(t + k - 1, k + s))


def _fsii_measure(s: int, k: int, n: int) -> Measure:
    """A polynomial density. For t > k the weights of FSII are

        w(s, t) = (-1)^{k-s} s C(k, s) / (k + s) * C(t-1, k) / C(t+k-1, k+s)
                = factor * prod_{j=s+1}^{k} (t - j) / prod_{j=0}^{k-1} (t + j),

    a sum of partial fractions `c_j / (t + j)`, each of which is the moment of `c_j u^{s+j-1}`. The same formula gives
    1 for t = s and 0 for s < t <= k.
    """
    factor = Fraction(comb(k, s) * s * (-1) ** (k - s), k + s)
    for j in range(k + 1, k + s + 1):
        factor *= j  # (k + s)! / k!
    density = np.zeros(s + k - 1)
    for j in range(k):
        residue = factor
        for i in range(s + 1, k + 1):
            residue *= -j - i
        for i in range(k):
            if i != j:
                residue /= i - j
        density[s + j - 1] += float(residue)
    return _integral(density, n - s)


def _fbii(s: int, t: int, k: int) -> Fraction:
    if t <= k:
        return Fraction(s == t)
    return Fraction((-1) ** (k - s) * comb(t - s - 1, k - s), 2 ** (t - s))


@cache
def _bernoulli(j: int) -> Fraction:
    """The Bernoulli numbers with B_1 = -1/2."""
    return Fraction(j == 0) - sum(comb(j, i) * _bernoulli(i) / (j - i + 1) for i in range(j))


def _k_sii(s: int, t: int, k: int) -> Fraction:
    if s == 0:
        return Fraction(t == 0)
    return Fraction(sum(_bernoulli(j) * comb(t - s, j) / (t - s - j + 1) for j in range(min(k, t) - s + 1)))


def _k_sii_measure(s: int, k: int, n: int) -> Measure | None:
    """At the highest order that of SII. One below, half of all supersets' SII is given away, which telescopes:

    `sum_{i not in S} SII(S + i) = D_S(1) - D_S(0)`. Further below, the sum over supersets is not an average of D_S.
    """
    at, mu = _uniform(s, k, n)
    if s == k:
        return at, mu
    return (np.append(at, [0.0, 1.0]), np.append(mu, [0.5, -0.5])) if s == k - 1 else None


def _weighted_banzhaf(name: str, definition: str, reference: str, max_order: int, keep: float = 0.5) -> Index:
    """The derivative at S where each other feature is kept with probability p: all mass at p, the weights p^{t-s}."""
    p = Fraction(str(keep))
    return Index(
        name,
        lambda s, t, k: p ** (t - s),
        f"{definition} with each other feature kept with probability {keep:g}",
        reference,
        max_order=max_order,
        single=max_order == 1,
        measure=lambda s, k, n: _atom(keep),
        at_keep=partial(_weighted_banzhaf, name, definition, reference, max_order),
    )


RECORDS = (
    Index(
        "Fourier",
        lambda s, t, k: Fraction((-1) ** s, 2**t),
        "the coefficients of the function in the parity basis (-1)^|S ∩ x|",
        "O'Donnell 2014, Analysis of Boolean functions",
        smallest=0,
        max_order=None,
        of_low_orders=True,
    ),
    Index(
        "Moebius",
        lambda s, t, k: int(s == t),
        "what a set adds beyond all of its subsets, with everything else removed (Harsanyi dividends)",
        "Harsanyi 1963, A simplified bargaining model for the n-person cooperative game",
        smallest=0,
        max_order=None,
        measure=lambda s, k, n: _atom(0.0),
        aliases=("Möbius", "Mobius"),
    ),
    Index(
        "SV",
        lambda s, t, k: Fraction(1, t),
        "Shapley values: what a feature adds, averaged over all orders of adding features",
        "Shapley 1953, A value for n-person games",
        max_order=1,
        single=True,
        design="sized",
        measure=_uniform,
    ),
    Index(
        "BV",
        lambda s, t, k: Fraction(1, 2 ** (t - 1)),
        "Banzhaf values: what a feature adds, averaged over all subsets of the others",
        "Banzhaf 1965, Weighted voting doesn't work",
        max_order=1,
        single=True,
        measure=lambda s, k, n: _atom(0.5),
    ),
    Index(
        "SII",
        lambda s, t, k: Fraction(1, t - s + 1),
        "Shapley interaction index: the discrete derivative at a set, Shapley-averaged over the other features",
        _GRABISCH,
        design="sized",
        measure=_uniform,
    ),
    Index(
        "BII",
        lambda s, t, k: Fraction(1, 2 ** (t - s)),
        "Banzhaf interaction index: the discrete derivative at a set, averaged over all subsets of the others",
        _GRABISCH,
        measure=lambda s, k, n: _atom(0.5),
    ),
    Index(
        "STII",
        _stii,
        "Shapley-Taylor index: a Taylor expansion of the function, its highest order Shapley-averaged",
        "Sundararajan, Dhamdhere & Agarwal 2020, The Shapley Taylor interaction index",
        smallest=0,
        design="sized",
        measure=_stii_measure,
    ),
    Index(
        "FSII",
        _fsii,
        "Faithful Shapley index: the best approximation of the function by small sets, in Shapley weights",
        _TSAI,
        smallest=0,
        design="sized",
        measure=_fsii_measure,
    ),
    Index(
        "FBII",
        _fbii,
        "Faithful Banzhaf index: the best approximation of the function by small sets, all masks weighing alike",
        _TSAI,
        smallest=0,
        of_low_orders=True,
    ),
    Index(
        "k-SII",
        _k_sii,
        "n-Shapley values: the Shapley interaction index, corrected so that all values sum to the function",
        "Bordt & von Luxburg 2023, From Shapley values to generalized additive models and back",
        smallest=0,
        design="sized",
        measure=_k_sii_measure,
    ),
    _weighted_banzhaf(
        "WBV",
        "weighted Banzhaf values: what a feature adds on average,",
        "Li & Yu 2023, Robust data valuation with weighted Banzhaf values",
        max_order=1,
    ),
    _weighted_banzhaf(
        "WBII",
        "weighted Banzhaf interaction index: the mean of the discrete derivative at a set,",
        "Marichal & Mathonet 2011, Weighted Banzhaf power and interaction indexes through weighted approximations of "
        "games",
        max_order=2,
    ),
)


def is_built_in(index: Index) -> bool:
    """Whether an index is one that spexjax registers, and not a user's, of the same name perhaps."""
    return any(index is record for record in RECORDS)
