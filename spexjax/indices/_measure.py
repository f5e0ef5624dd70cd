"""Interaction indices as averages of derivatives of the multilinear extension."""

from fractions import Fraction
from math import comb

import numpy as np
from jaxtyping import Float

from spexjax.indices._convert import check_index

CLOSED = ("SV", "BV", "SII", "BII", "STII", "FSII")
_MAX_NODES = 128  # exact up to order 256; beyond, a function of that degree on [0, 1] is smooth enough


def measure(index: str, order: int, max_order: int, num_features: int):
    """Nodes t and weights mu with `I(S) = sum_q mu_q D_S(t_q)` for every S of `order` features.

    `D_S(t)` is the derivative at S of the multilinear extension where every other feature is kept with probability
    t (`gp.derivatives`). It is a polynomial `sum_{T ⊇ S} a(T) t^{|T|-|S|}` in the Möbius transform a, so that
    an index with weights w(|S|, |T|) (`indices.weights`) is an integral over t of total degree n - |S|:

    | index | measure |
    |---|---|
    | Moebius | all mass at 0 |
    | BV, BII | all mass at t = 1/2 |
    | SV, SII | uniform on [0, 1] |
    | STII | for s = k the density k (1 - t)^{k-1}; below, all mass at 0 |
    | FSII | a polynomial density, from the partial fractions of w(s, t) |

    The integrals are Gauss-Legendre sums, exact up to n = 256.

    Args:
      index: one of `CLOSED`, or Moebius.
      order: s = |S|, at least 1 and at most `max_order`.
      max_order: the order k of the index.
      num_features: n.

    Returns:
      Two arrays `Float[q]`.

    Raises:
      ValueError: if the index has no such measure.

    >>> measure("BII", 2, 2, 10)
    (array([0.5]), array([1.]))
    """
    index = check_index(index)
    if index == "Moebius":
        return np.zeros(1), np.ones(1)
    if index not in CLOSED:
        raise ValueError(f"{index} is not an average of derivatives; the indices that are: {', '.join(CLOSED)}.")
    if index in ("BV", "BII"):
        return np.full(1, 0.5), np.ones(1)
    if index in ("SV", "SII"):
        return _integral(np.ones(1), num_features - order)
    if index == "STII":
        if order < max_order:
            return np.zeros(1), np.ones(1)
        density = [max_order * comb(max_order - 1, j) * (-1.0) ** j for j in range(max_order)]
        return _integral(np.array(density), num_features - order)
    return _integral(_faith_density(order, max_order), num_features - order)


def _integral(density: Float[np.ndarray, " d"], degree: int) -> tuple[Float[np.ndarray, " q"], ...]:
    """Nodes and weights of `integral_0^1 p(t) density(t) dt`, exact for p of that degree; lowest power first."""
    needed = (degree + len(density) - 1) // 2 + 1
    nodes, weights = np.polynomial.legendre.leggauss(min(needed, _MAX_NODES))
    nodes = (nodes + 1) / 2
    return nodes, weights / 2 * np.polynomial.polynomial.polyval(nodes, density)


def _faith_density(s: int, k: int) -> Float[np.ndarray, " d"]:
    """The density whose moments `integral u^{t-s}` are the weights of FSII: 1 at t = s, 0 for s < t <= k, and beyond

        w(s, t) = (-1)^{k-s} s C(k, s) / (k + s) * C(t-1, k) / C(t+k-1, k+s)
                = factor * prod_{j=s+1}^{k} (t - j) / prod_{j=0}^{k-1} (t + j),

    a sum of `c_j / (t + j)`, each the moment of `c_j u^{s+j-1}`.
    """
    factorials = Fraction(comb(k, s) * s * (-1) ** (k - s), k + s)
    for j in range(k + 1, k + s + 1):
        factorials *= j  # (k + s)! / k!
    density = np.zeros(s + k - 1)
    for j in range(k):
        residue = factorials
        for i in range(s + 1, k + 1):
            residue *= -j - i
        for i in range(k):
            if i != j:
                residue /= i - j
        density[s + j - 1] += float(residue)
    return density
