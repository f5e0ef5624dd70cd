import jax.numpy as jnp
import numpy as np
import pytest

from spexjax.metrics import r2
from spexjax.proxies._refit import Penalty, nested_ridge, refit
from spexjax.spectrum import Spectrum, characters


def ridge(x, y, t, scale, centre, r):
    """The same problem by plain least squares in float64: penalty rows appended."""
    x = np.concatenate([x, np.sqrt(r) * np.diag(1 / scale)])
    b = np.linalg.lstsq(x, np.concatenate([y, np.sqrt(r) * centre]), rcond=None)[0]
    return t @ b


@pytest.mark.parametrize("r", [1e-2, 1.0, 100.0])
@pytest.mark.parametrize("m", [9, 60])
def test_nested_solutions_equal_least_squares(r, m):
    rng = np.random.default_rng(0)
    x, y, t = rng.normal(size=(m, 12)), rng.normal(size=m), rng.normal(size=(7, 12))
    rank, scale, centre = rng.permutation(12), rng.uniform(0.5, 2, 12), rng.normal(size=12)
    penalty = Penalty(*map(jnp.float32, (rank, scale, centre)), jnp.float32(r))._replace(rank=jnp.asarray(rank))
    found = nested_ridge(jnp.float32(x.T @ x), jnp.float32(x.T @ y), jnp.float32(t), penalty)
    for k in range(1, 13):
        first = rank[:k]
        expected = ridge(x[:, first], y, t[:, first], scale[first], centre[first], r)
        np.testing.assert_allclose(found[:, k - 1], expected, atol=2e-3)


def test_limits_are_the_plain_refit_and_the_proxy_itself():
    rng = np.random.default_rng(1)
    x, y, centre = rng.normal(size=(50, 6)), rng.normal(size=50), rng.normal(size=6)
    for r, b in ((0.0, np.linalg.lstsq(x, y, rcond=None)[0]), (1e7, centre)):
        penalty = Penalty(jnp.arange(6), jnp.ones(6), jnp.float32(centre), jnp.float32(r))
        found = nested_ridge(jnp.float32(x.T @ x), jnp.float32(x.T @ y), jnp.eye(6), penalty)
        np.testing.assert_allclose(np.diff(np.asarray(found), axis=1, prepend=0)[-1, -1], b[-1], atol=1e-3)
        np.testing.assert_allclose(found[:, -1], b, atol=1e-3)


def game(m=200, n=12, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    true = Spectrum.from_dict({(): 3.0, (0,): 1.0, (1, 4): -0.7, (2, 3, 5): 0.5, (7,): 0.3}, n)
    masks = rng.random((m, n)) < 0.5
    return true, masks, np.asarray(true(masks)) + noise * rng.normal(size=m), np.arange(m) % 5


def with_decoys(true, seed, error=0.1):
    """The true terms with wrong coefficients, and forty decoys weaker than they are."""
    rng = np.random.default_rng(seed)
    terms = {s: c + error * rng.uniform(-1, 1) for s, c in true.to_dict().items()}
    for _ in range(40):
        s = tuple(sorted(int(i) for i in rng.choice(true.num_features, 3, replace=False)))
        terms.setdefault(s, 0.01 * float(rng.normal()))
    return Spectrum.from_dict(terms, true.num_features)


def test_noiseless_support_and_coefficients_are_recovered():
    true, masks, values, fold = game()
    fit = refit(with_decoys(true, 9), [with_decoys(true, k) for k in range(5)], masks, values, fold)
    found = fit.spectrum.to_dict()
    assert {s for s, c in found.items() if abs(c) > 1e-3} == set(true.to_dict())
    assert all(found[s] == pytest.approx(c, abs=2e-3) for s, c in true.to_dict().items())
    assert r2(values, fit.held_out) > 0.9999


def test_equal_coefficients_are_kept():
    true = Spectrum.from_dict({(): 0.25, (0,): -0.25, (1,): -0.25, (0, 1): 0.25}, 2)  # AND, on all four masks
    masks = np.tile([[0, 0], [0, 1], [1, 0], [1, 1]], (10, 1)).astype(bool)
    fit = refit(true, [true] * 5, masks, np.asarray(true(masks)), np.arange(40) % 5)
    assert fit.spectrum.to_dict() == pytest.approx(true.to_dict(), abs=1e-6)


def test_useless_proxy_leaves_the_constant():
    rng = np.random.default_rng(0)
    _, masks, _, fold = game()
    values = rng.normal(size=200)
    proxies = [with_decoys(Spectrum.from_dict({(0, 1): 1.0}, 12), k) for k in range(6)]
    fit = refit(proxies[-1], proxies[:-1], masks, values, fold)
    assert r2(values, fit.held_out) < 0.05
    assert len(fit.spectrum) < 10


def test_reported_terms_equal_the_fit_of_the_spectrum_to_its_masks():
    true, masks, values, fold = game(noise=0.3)
    fit = refit(true, [true] * 5, masks, values, fold)
    columns = np.asarray(characters(fit.spectrum.support, masks))
    assert fit.diagnostics["terms"] == len(fit.spectrum) - 1
    assert (columns[:, 0] == 1).all()
    np.testing.assert_allclose(columns @ np.asarray(fit.spectrum.coefficients), fit.spectrum(masks), atol=1e-5)
    assert abs(np.mean(values - np.asarray(fit.spectrum(masks)))) < 1e-5  # the intercept is free


@pytest.mark.parametrize("max_terms", [1, 2, 3])
def test_max_terms_is_respected(max_terms):
    true, masks, values, fold = game()
    fit = refit(true, [true] * 5, masks, values, fold, max_terms=max_terms)
    assert len(fit.spectrum) <= max_terms + 1


def test_proxy_without_terms():
    constant = Spectrum.from_dict({(): 1.0}, 12)
    _, masks, values, fold = game()
    fit = refit(constant, [constant] * 5, masks, values, fold)
    assert fit.spectrum.to_dict() == {(): pytest.approx(values.mean(), rel=1e-5)}


@pytest.mark.parametrize("unit", [1e-12, 1e6])
def test_units_do_not_matter(unit):
    true, masks, values, fold = game(noise=0.3)
    a = refit(true, [true] * 5, masks, values, fold).spectrum
    b = refit(true.scale(unit), [true.scale(unit)] * 5, masks, values * unit, fold).spectrum
    np.testing.assert_allclose(np.asarray(b.coefficients) / unit, a.coefficients, rtol=1e-3, atol=1e-5)
