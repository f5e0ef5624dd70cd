"""The monotone link, whether it is wanted, and the spectrum of what is fitted through it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm, rankdata

from spexjax.metrics import r2
from spexjax.proxies.kernel_link import distilled, helps, link
from spexjax.surrogate import ProductKernel, robust_condition, signs


def test_scores_are_normal_quantiles_of_ranks():
    values = np.array([3.0, -1.0, 3.0, 7.0, 0.0])
    curve, scores = link(values)
    np.testing.assert_allclose(scores, norm.ppf((rankdata(values) - 0.5) / 5))
    np.testing.assert_allclose(curve.expected(scores, 0.0), values, atol=1e-12)


@pytest.mark.parametrize("error", [0.1, 0.7])
def test_the_expected_value_is_an_integral_over_the_score(error):
    values = np.tanh(3 * np.random.default_rng(0).normal(size=200))
    curve, _ = link(values)
    mean, t = np.linspace(-2, 2, 9), np.linspace(-8, 8, 20_001)
    exact = np.interp(mean[:, None] + error * t, curve.scores, curve.values) @ norm.pdf(t) * (t[1] - t[0])
    np.testing.assert_allclose(curve.expected(mean, error), exact, atol=0.02)


def test_a_link_is_wanted_where_values_jump():
    rng = np.random.default_rng(1)
    masks = rng.random((150, 8)) < 0.5
    additive = (2 * masks - 1.0) @ rng.normal(size=8)
    kernel = ProductKernel(jnp.ones(1), jnp.full((1, 8), 0.05), jnp.ones(8), jnp.zeros(0), jnp.float32(0.05))
    for values, wanted in [(additive, False), (np.sign(additive) * (3 + 0.2 * abs(additive)), True)]:
        y = (values - values.mean()) / values.std()
        assert helps(values, y, robust_condition(kernel, signs(masks), y)) == wanted


@pytest.mark.parametrize("n", [6, 18])
def test_distilled(n):
    weights = np.random.default_rng(2).normal(size=n)
    kernel = ProductKernel(jnp.ones(1), jnp.full((1, n), 0.1), jnp.full(n, 0.1), jnp.zeros(0), jnp.float32(0.1))

    def function(masks):
        x = 2 * np.asarray(masks) - 1.0
        return 5 + x @ weights + 2 * x[:, 0] * x[:, 3]

    spectrum = distilled(function, [kernel], n, 200, jax.random.key(0))
    new = np.random.default_rng(3).random((500, n)) < 0.5
    assert r2(function(new), spectrum(new)) > 0.999
    assert spectrum.to_dict()[0, 3] == pytest.approx(2, abs=0.01)
    assert spectrum.to_dict()[()] == pytest.approx(5, abs=0.02)
