"""Fits around a prior mean: exact sums, honest left-out predictions, and priors that are of no use."""

import jax
import numpy as np
import pytest

from spexjax import Spectrum, explain, fit
from spexjax.ablations import host_function
from spexjax.designs import uniform
from spexjax.proxies import Fit, fit_around, lasso

N, M = 16, 80
TRUTH = Spectrum.from_dict({(i,): (-1.0) ** i * (i + 1) / 8 for i in range(N)} | {(0, 5): 0.7, (2,): 1.5}, N)
MASKS = np.asarray(uniform(jax.random.key(0), M, N))
VALUES = np.asarray(TRUTH(MASKS), np.float64)
FRESH = np.asarray(uniform(jax.random.key(9), 2000, N))


def r2(explanation):
    truth = TRUTH(FRESH)
    return 1 - np.mean((explanation.predict(FRESH) - truth) ** 2) / np.var(truth)


def fitted(prior=None, method="lasso", rows=slice(None), **options):
    return fit(MASKS[rows], VALUES[rows], prior=prior, method=method, key=jax.random.key(1), progress=False, **options)


@pytest.mark.parametrize("method", ["lasso", "proxyspex-gp", "least-squares"])
def test_a_prior_up_to_a_factor_and_a_constant(method):
    prior = TRUTH.scale(-40.0).merge(Spectrum.constant(7.0, N))
    found = fitted(prior, method, slice(24))
    assert found.diagnostics["prior"]["used"]
    assert found.faithfulness.r2 > 0.999
    assert r2(found) > 0.9999
    exact = dict(zip(map(tuple, TRUTH.support.tolist()), TRUTH.coefficients.tolist(), strict=True))
    assert found.interactions("Fourier", 2)[0, 5] == pytest.approx(exact[0, 5], abs=1e-2)


def test_a_prior_that_says_half():
    half = Spectrum.from_dict({(i,): (-1.0) ** i * (i + 1) / 8 for i in range(N)}, N)
    without, informed = fitted(rows=slice(24)), fitted(half, rows=slice(24))
    assert informed.provenance["prior"] is None  # it has no fingerprint
    assert "prior" not in without.provenance
    assert informed.diagnostics["prior"]["r2_with"] > informed.diagnostics["prior"]["r2_without"]
    assert r2(informed) > r2(without) + 0.02


def test_a_prior_of_no_use_is_left_out():
    noise = Spectrum.from_dict({(i, (i + 3) % N, (i + 7) % N): 1.0 for i in range(N)}, N)
    plain, found = fitted(), fitted(noise)
    assert not found.diagnostics["prior"]["used"]
    np.testing.assert_array_equal(plain.predict(FRESH), found.predict(FRESH))
    constant = fitted(Spectrum.constant(2.0, N))
    assert constant.diagnostics["prior"] == {"used": False}
    np.testing.assert_array_equal(plain.predict(FRESH), constant.predict(FRESH))


def test_left_out_predictions_are_those_of_fits_without_each_mask():
    """With a fit that learns nothing, what is held out is the regression without each mask."""

    def nothing(values):
        return Fit(Spectrum.constant(0.0, N), np.zeros(len(values)), {})

    priors = [Spectrum.from_dict({(i,): 1.0}, N) for i in (1, 2, 3)]
    noisy = VALUES + np.random.default_rng(0).normal(size=M)
    found = fit_around(priors, nothing, MASKS, noisy)
    assert found.diagnostics["prior"]["used"]
    inner = np.flatnonzero(~(MASKS.all(1) | ~MASKS.any(1)))
    x = np.stack([np.ones(M), *(p(MASKS) for p in priors)], 1)
    for row in inner[:10]:
        others = inner[inner != row]
        b = np.linalg.lstsq(x[others], noisy[others], rcond=None)[0]
        assert found.held_out[row] == pytest.approx(x[row] @ b, abs=1e-5)
    twice = fit_around([*priors, priors[0]], nothing, MASKS, noisy)  # the same said twice
    np.testing.assert_allclose(twice.held_out, found.held_out, atol=1e-5)


def test_an_explanation_as_prior_teaches_relevances_too():
    cheap = fitted(method="proxyspex-gp")
    target = host_function(lambda masks: np.asarray(TRUTH(masks)) * 3 + masks[:, 9] * masks[:, 10], N)
    options = {"budget": 24, "key": jax.random.key(3), "progress": False}
    scores = {}
    for name, prior in {"with": cheap, "without": None}.items():
        found = explain(target, prior=prior, method="proxyspex-gp", **options)
        truth = 3 * TRUTH(FRESH) + FRESH[:, 9] * FRESH[:, 10]
        scores[name] = 1 - np.mean((found.predict(FRESH) - truth) ** 2) / np.var(truth)
        assert ("prior" in found.provenance) == (prior is not None)
    assert scores["with"] > max(0.97, scores["without"])


@pytest.mark.parametrize(
    ("prior", "method", "message"),
    [
        (Spectrum.constant(1.0, 3), "auto", "there are 16 here, and 3 there"),
        (TRUTH, "exact", "The method exact cannot use a prior"),
        (
            Spectrum(np.array([[0]], np.int32), np.array([np.nan]), N),
            "auto",
            "A coefficient of the prior is not finite",
        ),
    ],
)
def test_bad_priors(prior, method, message):
    with pytest.raises(ValueError, match=message):
        fitted(prior, method)


def test_a_prior_that_has_seen_the_values_is_refused():
    """Its R2 would be that of its own training."""
    noise = np.random.default_rng(0).normal(size=1 << N)
    ablation = host_function(lambda masks: noise[masks @ (1 << np.arange(N))], N)
    options = {"budget": 100, "progress": False}
    first = explain(ablation, key=jax.random.key(0), method="least-squares", **options)
    with pytest.raises(ValueError, match="same function at 100 of these 100 masks"):
        explain(ablation, key=jax.random.key(0), method="lasso", prior=first, **options)
    with pytest.raises(ValueError, match="same function at 100 of these 100 masks"):
        fit(first.masks, first.values, key=jax.random.key(0), prior=first)
    honest = explain(ablation, key=jax.random.key(1), method="lasso", prior=first, **options)
    assert honest.faithfulness.r2 < 0.2
    other = fit(first.masks, first.values**2, key=jax.random.key(0), method="lasso", prior=first)  # another function
    assert "prior" in other.diagnostics


def test_lasso_alone_is_unchanged_without_priors():
    key = jax.random.key(2)
    np.testing.assert_array_equal(
        fit_around((), lambda v: lasso()(MASKS, v, key), MASKS, VALUES).held_out, lasso()(MASKS, VALUES, key).held_out
    )
