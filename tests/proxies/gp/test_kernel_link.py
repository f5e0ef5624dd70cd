"""The monotone link, whether it is wanted, and the spectrum of what is fitted through it."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm, rankdata

from spexjax.gp import ProductKernel, gram, leave_one_out, robust_condition, signs
from spexjax.metrics import r2, r2_error
from spexjax.proxies.gp import _distil
from spexjax.proxies.gp._distil import distilled
from spexjax.proxies.gp._link import empirical_link, enlarged, helps
from spexjax.spectrum import Spectrum


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    """Fewer terms and masks to distil from than `kernels` takes."""
    for name, number in {"_TERMS": 1024, "_UNIFORM": (12, 9), "_SIZED": (64, 5), "_FRESH": 2048}.items():
        monkeypatch.setattr(_distil, name, number)


def test_scores_are_normal_quantiles_of_ranks():
    values = np.array([3.0, -1.0, 3.0, 7.0, 0.0])
    curve, scores = empirical_link(values)
    np.testing.assert_allclose(scores, norm.ppf((rankdata(values) - 0.5) / 5))
    np.testing.assert_allclose(curve.expected(scores, 0.0), values, atol=1e-12)


@pytest.mark.parametrize("error", [0.1, 0.7])
def test_the_expected_value_is_an_integral_over_the_score(error):
    values = np.tanh(3 * np.random.default_rng(0).normal(size=200))
    curve, _ = empirical_link(values)
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
        link, scores = empirical_link(values)
        posterior = robust_condition(kernel, signs(masks), y, others=scores[None])
        assert helps(link, scores, 0, values, posterior) == wanted


@pytest.mark.parametrize("n", [6, 18])
def test_distilled(n):
    weights = np.random.default_rng(2).normal(size=n)
    kernel = ProductKernel(jnp.ones(1), jnp.full((1, n), 0.1), jnp.full(n, 0.1), jnp.zeros(0), jnp.float32(0.1))

    def function(masks):
        x = 2 * np.asarray(masks) - 1.0
        return 5 + x @ weights + 2 * x[:, 0] * x[:, 3]

    spectrum, loss = distilled(function, [kernel], n, jax.random.key(0))
    new = np.random.default_rng(3).random((500, n)) < 0.5
    assert r2(function(new), spectrum(new)) > 0.999
    assert loss < 1e-3 * np.var(function(new))
    assert spectrum.to_dict()[0, 3] == pytest.approx(2, abs=0.01)
    assert spectrum.to_dict()[()] == pytest.approx(5, abs=0.02)
    assert np.asarray(spectrum.orders)[0] == 0


def test_the_loss_is_what_the_spectrum_misses(monkeypatch):
    """Of 14 features the sum of the terms that were dropped; of more, terms that no prior makes likely."""
    monkeypatch.setattr(_distil, "_TERMS", 40)
    for n in (7, 17):
        kernel = ProductKernel(jnp.ones(1), jnp.full((1, n), 1e-3), jnp.full(n, 0.1), jnp.zeros(0), jnp.float32(0.1))
        terms = {(i,): 1.0 + i for i in range(n)} | {tuple(range(k, k + 5)): 0.5 for k in range(3)}
        terms |= dict.fromkeys(itertools.combinations(range(n), 3), 0.01) if n == 7 else {}
        function = Spectrum.from_dict(terms, n)
        spectrum, loss = distilled(lambda x: np.asarray(function(x)), [kernel], n, jax.random.key(1))  # noqa: B023
        new = np.random.default_rng(3).random((20_000, n)) < 0.5
        assert loss > 0
        assert loss == pytest.approx(float(np.mean((function(new) - spectrum(new)) ** 2)), rel=0.1)


def test_enlarged_errors():
    rng = np.random.default_rng(4)
    values = rng.normal(size=50)
    predictions = values + rng.normal(size=50)
    found = enlarged(predictions, values, 0.7)
    assert np.mean((found - values) ** 2) == pytest.approx(np.mean((predictions - values) ** 2) + 0.7)
    np.testing.assert_array_equal(np.sign(found - values), np.sign(predictions - values))


def test_the_reported_r2_of_a_fit_through_a_link_is_true():
    """As `kernels` puts the pieces together, but for the training of the kernel."""
    n, rng = 20, np.random.default_rng(5)
    kernel = ProductKernel(jnp.ones(1), jnp.full((1, n), 0.1), jnp.full(n, 0.1), jnp.zeros(0), jnp.float32(0.05))
    weights, (masks, new) = rng.normal(size=n), (rng.random((m, n)) < 0.5 for m in (500, 4000))

    def truth(masks):
        x = 2 * masks - 1.0
        return np.tanh(0.7 * (x @ weights + 3 * x[:, 0] * x[:, 1] - 3 * x[:, 2] * x[:, 3]))

    values, z = truth(masks), signs(masks)
    curve, scores = empirical_link(values)
    posterior = robust_condition(kernel, z, scores)
    latent = leave_one_out(scores, posterior)
    error = float(np.sqrt(np.mean((scores - latent) ** 2)))

    def function(masks):
        return curve.expected(np.asarray(gram(kernel, signs(masks), z) @ posterior.alpha), error)

    spectrum, loss = distilled(function, [kernel], n, jax.random.key(6))
    held_out, true = curve.expected(latent, error), r2(truth(new), spectrum(new))
    reported = enlarged(held_out, values, loss)
    too_much = r2(truth(new), function(new)) - true
    assert too_much > 0.01
    assert r2(values, held_out) - r2(values, reported) == pytest.approx(too_much, rel=0.15)
    assert r2(values, reported) == pytest.approx(true, abs=2 * r2_error(values, reported))
