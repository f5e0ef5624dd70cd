"""Least squares over all interactions: exact on games of its order, honest where masks are few."""

from itertools import combinations

import jax
import numpy as np
import pytest
from common import all_masks

import spexjax as sx
from spexjax.metrics import r2
from spexjax.proxies import lasso, least_squares
from spexjax.proxies._cross_validation import complements
from spexjax.proxies._least_squares import _characters, _columns, _factors, _left_out, _weights
from spexjax.spectrum import Spectrum

KEY = jax.random.key(0)


def random_game(n, order, beyond=1.0):
    """A spectrum with a random coefficient for every set of at most `order` features, less of it beyond pairs."""
    sets = [s + (n,) * (order - len(s)) for d in range(order + 1) for s in combinations(range(n), d)]
    support = np.array(sets, np.int32)
    scales = np.where((support < n).sum(1) > 2, beyond, 1.0)
    return Spectrum(support, scales * np.random.default_rng(0).normal(size=len(sets)), n)


@pytest.mark.parametrize(("n", "order", "m"), [(12, 2, 160), (10, 3, 400), (9, 1, 40)])
@pytest.mark.parametrize("design", ["uniform", "sized"])
def test_a_game_of_that_order_is_recovered(n, order, m, design):
    game, masks = random_game(n, order), np.asarray(getattr(sx.designs, design)(KEY, m, n))
    values = np.asarray(game(masks), np.float64)
    fit = least_squares(order, by_size=design == "sized")(masks, values, KEY)
    found = fit.spectrum.to_dict()
    for s, value in game.to_dict().items():
        assert found.pop(s) == pytest.approx(value, abs=1e-5)
    assert max(map(abs, found.values()), default=0) < 1e-5
    np.testing.assert_allclose(fit.held_out, values, atol=1e-4)


@pytest.mark.parametrize(("m", "n", "paired"), [(60, 6, False), (16, 7, False), (28, 7, True), (40, 6, True)])
@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("decay", [1.0, 1 / 16])
def test_left_out_residuals_are_those_of_fits_without_the_masks(m, n, paired, weighed, decay):
    masks = np.asarray(sx.designs.uniform(jax.random.key(m), m + 2, n, paired=paired))[2:]
    y, partners, ridges = np.random.default_rng(0).normal(size=m), complements(masks), m * np.array([1e-8, 1e-2, 1.0])
    assert (partners != np.arange(m)).any() == (paired or m == 60)
    w = _weights(masks) if weighed else np.ones(m)
    x, support = _characters(masks, 2)
    roots, orders = np.sqrt(w), (support < n).sum(1)
    target = roots * (y - w @ y / m)
    columns = _columns(roots[:, None] * (x - w @ x / m), orders)
    found = _left_out(_factors(columns, decay), target, roots, partners, ridges)
    for ridge, row in zip(ridges, found, strict=True):
        for i in range(m):
            rest = np.setdiff1d(np.arange(m), [i, partners[i]])
            means, mean = (w[rest] @ a[rest] / w[rest].sum() for a in (x, y))
            a = np.concatenate([roots[rest, None] * (x[rest] - means), np.diag(np.sqrt(ridge / decay ** (orders - 1)))])
            b = np.linalg.lstsq(a, np.concatenate([roots[rest] * (y[rest] - mean), np.zeros(len(orders))]))[0]
            left = y[i] - mean - (x[i] - means) @ b
            assert row[i] == pytest.approx(roots[i] * left, abs=2e-5 * max(1, abs(left))), (ridge, i)


def test_in_the_limit_it_is_the_faithful_index(key):
    """From all masks of a game of order 3; the kernel's weights make it Faith-Shapley, and no weights do not."""
    n, game = 8, random_game(8, 3, beyond=0.2)
    masks = all_masks(n)
    values = np.asarray(game(masks), np.float64)

    def error(index, order, by_size):
        found = sx.fit(masks, values, method=least_squares(2, by_size=by_size), key=key).interactions(index, order)
        truth = sx.indices.interactions(game, index, order).to_dict()
        return sum((found[s] - v) ** 2 for s, v in truth.items()) / sum(v**2 for v in truth.values())

    assert error("FSII", 2, True) < 1e-10 < 1e-3 < error("FSII", 2, False)
    assert error("SV", 1, True) < 1e-10 < 1e-3 < error("SV", 1, False)
    assert error("FBII", 2, False) < 1e-10 < 1e-3 < error("FBII", 2, True)


def test_masks_drawn_by_size_are_weighed_and_others_are_not(key):
    game = random_game(10, 3)
    ablation = sx.ablations.host_function(lambda m: np.asarray(game(m), np.float64), 10)
    for index in ("SV", "FBII"):
        found = sx.explain(ablation, budget=300, key=key, method="least-squares", index=index)
        alike, other = (
            sx.fit(found.masks, found.values, method=least_squares(by_size=b), key=key).spectrum.to_dict()
            for b in (index == "SV", index != "SV")
        )
        assert found.spectrum.to_dict() == pytest.approx(alike, rel=1e-4)
        assert found.spectrum.to_dict() != pytest.approx(other, rel=1e-2)


@pytest.mark.parametrize("name", ["qa32", "sent24"])
@pytest.mark.parametrize("m", [64, 256])
def test_more_terms_than_masks_is_never_garbage(game, name, m):
    masks, values = game(name)
    test = slice(-1024, None)
    fit, linear = (proxy(masks[:m], values[:m], KEY) for proxy in (least_squares(2), lasso()))
    score, other = (r2(values[test], f.spectrum(masks[test])) for f in (fit, linear))
    assert score > other - 0.1
    assert r2(values[:m], fit.held_out) == pytest.approx(score, abs=0.25)


def test_too_many_terms_are_refused_before_any_ablation(key):
    calls = []
    ablation = sx.ablations.host_function(lambda m: calls.append(m) or m.sum(1) * 1.0, 64)
    with pytest.raises(ValueError, match="order 3 has 43,744 terms for 64 features, and 20,000 is the most; use a low"):
        sx.explain(ablation, budget=100, key=key, method="least-squares-3")
    assert not calls
    with pytest.raises(ValueError, match="at least 1; got 0"):
        least_squares(0)
