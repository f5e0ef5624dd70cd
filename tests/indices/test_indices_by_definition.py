"""Every index against its definition, by brute force over all coalitions.

A game is `f[2^n]`, where bit i of the position says whether feature i is kept.
"""

from itertools import combinations
from math import comb, factorial

import jax
import numpy as np
import pytest
from scipy.linalg import null_space

from spexjax.indices import INDICES, interactions
from spexjax.spectrum import Spectrum
from spexjax.transforms import exact_spectrum


def subsets(n, orders):
    return [s for o in orders if o <= n for s in combinations(range(n), o)]


def sizes(n):
    return np.array([code.bit_count() for code in range(1 << n)])


def bits(s):
    return sum(1 << i for i in s)


def derivative(f, s):
    """The discrete derivative of f at S, for every coalition T (that has no feature of S)."""
    codes = np.arange(len(f))
    for i in s:
        f = f[codes | 1 << i] - f[codes & ~(1 << i)]
    return f


def fourier(f, n, k):
    codes = np.arange(len(f))
    parity = {s: sizes(n)[codes & bits(s)] % 2 for s in subsets(n, range(k + 1))}
    return {s: np.mean(f * (-1.0) ** p) for s, p in parity.items()}


def moebius(f, n, k):
    return {
        s: sum((-1) ** (len(s) - len(t)) * f[bits(t)] for o in range(len(s) + 1) for t in combinations(s, o))
        for s in subsets(n, range(k + 1))
    }


def averaged(f, n, orders, weight):
    """`sum_{T ⊆ N∖S} weight(|S|, |T|)` times the derivative at S given T."""
    codes, size, out = np.arange(len(f)), sizes(n), {}
    for s in subsets(n, orders):
        table = np.array([weight(len(s), t) if t <= n - len(s) else 0.0 for t in range(n + 1)])
        out[s] = np.sum(np.where(codes & bits(s), 0.0, table[size]) * derivative(f, s))
    return out


def sii(f, n, k):
    return averaged(f, n, range(1, k + 1), lambda s, t: factorial(t) * factorial(n - t - s) / factorial(n - s + 1))


def bii(f, n, k):
    return averaged(f, n, range(1, k + 1), lambda s, t: 0.5 ** (n - s))


def stii(f, n, k):
    lower = {s: derivative(f, s)[0] for s in subsets(n, range(k))}
    return lower | averaged(f, n, [k], lambda s, t: k / n / comb(n - 1, t))


def best_fit(f, n, k, weight, exact):
    """The Möbius-basis polynomial of order k that fits f best, and equals it at the coalitions `exact`."""
    sets = subsets(n, range(k + 1))
    codes = np.arange(len(f))[:, None]
    basis = (codes & [bits(s) for s in sets] == [bits(s) for s in sets]).astype(float)
    start, free = np.zeros(len(sets)), np.eye(len(sets))
    if exact:
        start = np.linalg.lstsq(basis[exact], f[exact])[0]
        free = null_space(basis[exact])
    root = np.sqrt(np.array([weight(t) for t in sizes(n)]))[:, None]
    step = np.linalg.lstsq(root * basis @ free, root[:, 0] * (f - basis @ start))[0]
    return dict(zip(sets, start + free @ step, strict=True))


def fsii(f, n, k):
    def weight(t):
        return (n - 1) / (comb(n, t) * t * (n - t)) if 0 < t < n else 0.0

    return best_fit(f, n, k, weight, [0, len(f) - 1])


def fbii(f, n, k):
    return best_fit(f, n, k, lambda t: 1.0, [])


def k_sii(f, n, k):
    """The n-Shapley values by their recursion over the order."""
    bernoulli = [1.0, -1 / 2, 1 / 6, 0.0, -1 / 30, 0.0, 1 / 42, 0.0]
    interaction, values = sii(f, n, k), {}
    for order in range(1, k + 1):
        for s in values:
            rest = [i for i in range(n) if i not in s]
            more = combinations(rest, order - len(s))
            values[s] += bernoulli[order - len(s)] * sum(interaction[tuple(sorted(s + t))] for t in more)
        values |= {s: interaction[s] for s in subsets(n, [order])}
    return {(): f[0]} | values


DEFINITIONS = {
    "Fourier": fourier,
    "Moebius": moebius,
    "SV": lambda f, n, k: sii(f, n, 1),
    "BV": lambda f, n, k: bii(f, n, 1),
    "SII": sii,
    "BII": bii,
    "STII": stii,
    "FSII": fsii,
    "FBII": fbii,
    "k-SII": k_sii,
    "WBV": lambda f, n, k: bii(f, n, 1),
    "WBII": bii,
}


def random_game(n):
    masks = np.arange(1 << n)[:, None] >> np.arange(n) & 1 == 1
    return masks, np.random.default_rng(n).uniform(-1, 1, 1 << n)


def sparse_game(n, terms, order):
    """A spectrum of random terms of every order up to `order`, and its values at all masks in float64."""
    rng = np.random.default_rng(n)
    sets = {()} | {tuple(sorted(rng.choice(n, o % (order + 1), False).tolist())) for o in range(terms)}
    support = np.array([[*s, *[n] * (order - len(s))] for s in sets], np.int32)
    coefficients = rng.normal(size=len(sets))
    codes = np.arange(1 << n)
    signs = [(-1.0) ** sizes(n)[codes & bits(s)] for s in sets]
    return Spectrum(support, coefficients, n), coefficients @ np.array(signs)


def check(result, expected, tolerance):
    assert set(result.to_dict()) <= set(expected)
    scale = max(1, *map(abs, expected.values())) if expected else 1
    for s, value in expected.items():
        assert result[s] == pytest.approx(value, abs=tolerance * scale), s


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 7])
def test_full_games_of_all_orders(index, n):
    masks, f = random_game(n)
    with jax.enable_x64(True):
        double = exact_spectrum(masks, f)
    assert double.coefficients.dtype == np.float64
    single = exact_spectrum(masks, f.astype(np.float32))
    for k in range(1, max(n, 1) + 1):
        expected = DEFINITIONS[index](f, n, k)
        check(interactions(double, index, k), expected, 1e-10)
        check(interactions(single, index, k), expected, 1e-5)


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize(("n", "order"), [(7, 7), (10, 5)])
def test_sparse_games(index, n, order):
    spectrum, f = sparse_game(n, 25, order)
    for k in (1, 2, 3):
        check(interactions(spectrum, index, k), DEFINITIONS[index](f, n, k), 1e-10)


@pytest.mark.parametrize("index", INDICES)
def test_max_order_beyond_n(index):
    masks, f = random_game(2)
    spectrum = exact_spectrum(masks, f.astype(np.float32))
    expected = DEFINITIONS[index](f, 2, 3)
    check(interactions(spectrum, index, 3), expected, 1e-5)


@pytest.mark.parametrize("index", ["Fourier", "Moebius"])
def test_all_orders_by_default(index):
    spectrum, f = sparse_game(7, 25, 7)
    result = interactions(spectrum, index)
    assert result.max_order is None
    check(result, DEFINITIONS[index](f, 7, 7), 1e-10)


@pytest.mark.parametrize("index", INDICES)
def test_the_empty_set_where_it_has_a_meaning(index):
    spectrum, _ = sparse_game(7, 25, 7)
    assert (() in interactions(spectrum, index).to_dict()) == (index not in {"SV", "BV", "SII", "BII", "WBV", "WBII"})


@pytest.mark.parametrize("index", ["SV", "BV", "WBV"])
def test_values_are_of_order_one(index):
    spectrum, _ = sparse_game(7, 25, 7)
    result = interactions(spectrum, index, 3)
    assert result.max_order == 1
    assert set(result.orders.tolist()) == {1}
