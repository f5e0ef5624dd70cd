"""The parametric proxy: its spectrum against brute force, its training, and what it claims."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from common import all_masks

from spexjax.gp import signs
from spexjax.metrics import r2
from spexjax.proxies import Products, SumOfProducts, fit_products, products_spectrum, sum_of_products
from spexjax.proxies.products._products import candidates, coefficients


def random_model(n, rank=5, seed=0):
    model = Products.init(jax.random.key(seed), n, rank)
    return model._replace(constant=jnp.float32(1.5), linear=jnp.linspace(-0.3, 0.3, n))


def brute_force(model, n):
    """Every support, and F(S) by its definition."""
    masks = all_masks(n)
    support = np.sort(np.where(masks, np.arange(n), n), axis=1)
    characters = (-1.0) ** (masks.astype(int) @ masks.T.astype(int))
    return support, characters @ np.asarray(model(signs(masks)), np.float64) / 2**n


@pytest.mark.parametrize("n", [1, 4, 10])
def test_coefficients_are_those_of_the_function(n):
    model = random_model(n)
    support, expected = brute_force(model, n)
    np.testing.assert_allclose(coefficients(model, support), expected, atol=2e-6)
    assert coefficients(model, support[:0]).shape == (0,)


@pytest.mark.parametrize("part", ["scales", "amplitudes"])
def test_either_kind_alone(part):
    model = random_model(6)
    model = model._replace(**{part: jnp.zeros(5)})
    support, expected = brute_force(model, 6)
    np.testing.assert_allclose(coefficients(model, support), expected, atol=2e-6)


def test_a_cosine_of_right_angles_is_a_parity():
    model = random_model(4)._replace(angles=jnp.full((4, 5), jnp.pi / 2))
    support, expected = brute_force(model, 4)
    np.testing.assert_allclose(coefficients(model, support), expected, atol=1e-5)
    assert abs(expected[-1]) > 0.1


def test_few_features_have_all_sets_as_candidates():
    n = 7
    found = {tuple(s[s < n]) for s in candidates(random_model(n), 128)}
    assert found == {tuple(np.flatnonzero(x)) for x in all_masks(n) if 0 < x.sum() <= 6}


def test_the_search_finds_the_strongest_terms():
    n = 10
    support, exact = brute_force(random_model(n), n)
    strongest = {tuple(s[s < n]) for s in support[np.argsort(-np.abs(exact))[:60]] if 0 < (s < n).sum() <= 6}
    found = {tuple(s[s < n]) for s in candidates(random_model(n), 500)}
    assert len(strongest - found) <= 2  # the sets of one unit; where several add up, one may be missed


def test_the_spectrum_is_the_function():
    n, model = 6, random_model(6)
    spectrum = products_spectrum(model, 64)
    np.testing.assert_allclose(spectrum(all_masks(n)), model(signs(all_masks(n))), atol=1e-5)
    strengths = np.abs(products_spectrum(model, 10).coefficients)
    assert len(strengths) == 11
    assert (np.diff(strengths[1:]) <= 0).all()


@pytest.mark.parametrize("factor", [0.0, 1.0, 100.0])
def test_gradients_are_finite(factor):
    model = jax.tree.map(lambda leaf: leaf * factor, random_model(6))
    gradient = jax.grad(lambda model: (model(signs(all_masks(6))) ** 2).mean() + model.norm())(model)
    assert all(np.isfinite(leaf).all() for leaf in gradient)


def test_training_is_pure_and_compiled_once():
    rng = np.random.default_rng(0)
    masks, y = rng.random((300, 6)) < 0.5, jnp.asarray(rng.normal(size=300), jnp.float32)
    first = fit_products(jax.random.key(1), masks, y, jnp.float32(3), 3, 20)
    programs = fit_products._cache_size()
    second = fit_products(jax.random.key(1), masks, y, jnp.float32(3), 3, 20)
    other = fit_products(jax.random.key(2), ~masks, -y, jnp.float32(10), 3, 20)
    assert fit_products._cache_size() == programs
    jax.tree.map(np.testing.assert_array_equal, first, second)
    assert not np.array_equal(first.rates, other.rates)


def test_thousands_of_features_do_not_diverge():
    rng = np.random.default_rng(0)
    masks = rng.random((300, 3000)) < 0.5
    y = (1 - 2.0 * masks[:, :100]) @ rng.normal(size=100).astype(np.float32)
    y = jnp.asarray(y / y.std(), jnp.float32)
    model = fit_products(jax.random.key(0), masks, y, jnp.float32(3), 4, 200)
    assert ((model(signs(masks)) - y) ** 2).mean() < 0.5


def test_the_proxy_learns_and_is_honest():
    rng = np.random.default_rng(1)
    masks, new = rng.random((3000, 12)) < 0.5, rng.random((1000, 12)) < 0.5

    def function(x):
        return 3.0 + x[:, 0] - 2 * x[:, 1] * x[:, 2] + 2.0 * (x[:, 3] & x[:, 5] & x[:, 8])

    f = (function(masks) + 0.3 * rng.normal(size=3000)).astype(np.float32)
    fit = SumOfProducts(rank=8)(masks, f, jax.random.key(0))
    score = r2(function(new), fit.spectrum(new))
    assert score > 0.97
    assert r2(f, np.asarray(fit.held_out)) == pytest.approx(1 - (0.3**2 / f.var() + 1 - score), abs=0.03)
    assert fit.surrogate is None
    assert fit.diagnostics["terms"] == len(fit.spectrum) - 1


def test_a_constant_is_returned_as_such():
    fit = sum_of_products()(all_masks(5), np.full(32, 2.0, np.float32), jax.random.key(0))
    assert fit.spectrum.to_dict() == {(): 2.0}
    np.testing.assert_array_equal(fit.held_out, 2.0)
