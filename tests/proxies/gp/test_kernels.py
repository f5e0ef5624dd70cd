"""The differentiable proxy: its surrogate, the spectrum truncated from it, and the account it gives."""

import dataclasses
import logging

import jax
import numpy as np
import pytest

from spexjax.metrics import r2
from spexjax.proxies import kernels
from spexjax.proxies.gp._fitting import Split
from spexjax.proxies.gp._members import Form, best_mean

N, M = 14, 128  # the shapes of a real game in test_select: one compilation for both


def function(masks, noise=0.0, seed=0):
    x, rng = masks.astype(float), np.random.default_rng(seed)
    low = 2 * x[:, 0] - x[:, 3] + 3 * x[:, 1] * x[:, 2] + 2 * x[:, 4] * x[:, 5] * x[:, 6]
    return 5 + low + noise * rng.normal(size=len(x))


def uniform(m, seed):
    return np.random.default_rng(seed).random((m, N)) < 0.5


@pytest.fixture(scope="module")
def fits():
    """Without noise and with it: values, and the fit."""
    masks = uniform(M, 0)
    return [(values, kernels()(masks, values, jax.random.key(0))) for values in (function(masks), function(masks, 1.0))]


NEW = uniform(1500, 1)


@pytest.mark.parametrize(("i", "least"), [(0, 0.97), (1, 0.75)])
def test_the_truncated_spectrum_is_as_good_as_the_surrogate(fits, i, least):
    whole, truncated = (r2(function(NEW), f(NEW)) for f in (fits[i][1].surrogate, fits[i][1].spectrum))
    assert whole > least
    assert truncated == pytest.approx(whole, abs=0.01)


def test_interactions_are_found(fits):
    found = fits[0][1].spectrum.to_dict()
    assert found[1, 2] == pytest.approx(0.75, abs=0.1)
    strongest = sorted((s for s in found if len(s) > 1), key=lambda s: -abs(found[s]))
    assert strongest[0] == (1, 2)
    assert set(strongest[:4]) == {(1, 2), (4, 5), (4, 6), (5, 6)}


def test_the_spectrum_is_a_part_of_the_surrogates(fits):
    for _, fit in fits:
        exact = fit.surrogate.spectrum(np.asarray(fit.spectrum.support)).to_dict()
        for s, c in fit.spectrum.to_dict().items():
            assert c == pytest.approx(exact[s], abs=1e-5)


def test_the_account(fits):
    for _, fit in fits:
        said = fit.diagnostics
        assert said["folds"] == 3
        assert sum(said["shares"].values()) == 1
        assert len(fit.surrogate.processes) == sum(share > 0 for share in said["shares"].values())
        np.testing.assert_allclose(np.sum(fit.surrogate.shares), 1, rtol=1e-6)
        assert said["precision"] in ("float32", "float64")
        assert said["terms"] == len(fit.spectrum) - 1 <= said["candidates"]
        assert fit.surrogate.masks.shape == (M, N)


def test_standard_errors_are_of_the_size_of_the_errors(fits):
    fit = fits[1][1]
    errors = (function(NEW, 1.0, seed=7) - fit.surrogate(NEW)) / fit.surrogate.standard_error(NEW)
    assert 0.8 < np.sqrt((errors**2).mean()) < 1.25


@pytest.mark.parametrize(("scale", "shift"), [(1e-4, 0.0), (1e4, -1e4)])
def test_units_do_not_matter(fits, scale, shift):
    values, fit = fits[1]
    other = kernels()(uniform(M, 0), values * scale + shift, jax.random.key(0))
    found = (np.asarray(other.surrogate(NEW), np.float64) - shift) / scale
    np.testing.assert_allclose(found, fit.surrogate(NEW), atol=2e-2)
    np.testing.assert_allclose(
        other.surrogate.standard_error(NEW) / scale, fit.surrogate.standard_error(NEW), rtol=2e-2
    )


def test_another_game_of_the_same_shape_compiles_nothing(fits, caplog):
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        kernels()(uniform(M, 0), function(uniform(M, 0), 0.5, seed=3), jax.random.key(0))
    assert [r.getMessage() for r in caplog.records if "Finished XLA compilation" in r.getMessage()] == []


def test_features_that_never_vary():
    masks = uniform(M, 0)
    masks[:, 7:] = True
    fit = kernels()(masks, function(masks), jax.random.key(0))
    assert np.isfinite(np.asarray(fit.spectrum(NEW))).all()
    assert r2(function(masks), fit.held_out) > 0.9


@pytest.mark.parametrize("shuffled", [False, True])
def test_neighbours_are_used_where_the_order_of_features_matters(shuffled):
    masks, rng = uniform(M, 3), np.random.default_rng(4)
    x = masks[:, np.arange(N) * 5 % N] if shuffled else masks
    values = (x[:, :-1] * x[:, 1:]) @ rng.normal(size=N - 1) + 0.1 * rng.normal(size=M)
    assert kernels()(masks, values, jax.random.key(0)).diagnostics["neighbours"] == (not shuffled)


def test_values_with_a_gap_are_fitted_through_a_link(fits):
    def score(masks):  # a confidence with the sign of the decision
        logit = function(masks) - 7
        return np.where(logit > 0, 1, -1) / (1 + np.exp(-abs(logit)))

    masks = uniform(M, 0)
    fit = kernels()(masks, score(masks), jax.random.key(0))
    assert fit.diagnostics["link"]
    assert not fits[0][1].diagnostics["link"]
    assert r2(score(NEW), fit.surrogate(NEW)) > 0.8
    assert r2(score(masks), fit.held_out) == pytest.approx(r2(score(NEW), fit.surrogate(NEW)), abs=0.1)
    assert r2(score(NEW), fit.spectrum(NEW)) == pytest.approx(r2(score(NEW), fit.surrogate(NEW)), abs=0.02)
    errors = (score(NEW) - fit.surrogate(NEW)) / fit.surrogate.standard_error(NEW)
    assert 0.7 < np.sqrt((errors**2).mean()) < 1.4


@pytest.mark.parametrize("alike", [True, False])
def test_others_are_followed_where_that_predicts_better(fits, alike):
    """It helps to know which features matter, and does no harm to be told wrongly."""

    def score(masks, noise):
        return -function(masks if alike else np.roll(masks, 7, axis=1), noise, seed=6)

    masks, other = uniform(M, 6), fits[0][1].surrogate
    plain, carried = (kernels(like)(masks, score(masks, 1.0), jax.random.key(0)) for like in ([], [other]))
    assert len(plain.diagnostics["shares"]) == 2
    followed = sum(share for name, share in carried.diagnostics["shares"].items() if name.endswith("_like"))
    left = [1 - r2(score(NEW, 0.0), fit.surrogate(NEW)) for fit in (plain, carried)]
    if alike:
        assert followed > 0.5
        assert left[1] < 0.7 * left[0]
    else:
        assert followed < 0.5
        assert left[1] < 1.1 * left[0]


def test_others_with_other_features_are_refused(fits):
    masks = np.random.default_rng(0).random((40, 9)) < 0.5
    with pytest.raises(ValueError, match="of the same 9 features"):
        kernels([fits[0][1].surrogate])(masks, masks.sum(1, dtype=float), jax.random.key(0))


def test_a_prior_of_extremes_does_no_harm(fits):
    """Kernels of functions without noise may hold a linear part of 0, or rates that are none or as good as infinite."""
    other = fits[0][1].surrogate
    (first, *rest), masks = other.processes, uniform(M, 6)
    rates = np.array(first.kernels.rates)
    rates[..., 3], rates[..., 4] = 0, np.inf
    first = dataclasses.replace(
        first, kernels=dataclasses.replace(first.kernels, rates=rates, linear=np.zeros_like(rates[:, 0]))
    )
    odd = dataclasses.replace(other, processes=(first, *rest))
    assert r2(function(NEW), kernels(odd)(masks, function(masks, 1.0), jax.random.key(0)).surrogate(NEW)) > 0.8


def test_what_is_no_surrogate_is_refused(fits, unchecked):
    with pytest.raises(ValueError, match="takes the surrogates of other"):
        kernels([fits[0][1]])


@pytest.mark.parametrize("broken", range(4))
def test_a_form_that_predicts_nothing_finite_takes_no_other_out(broken):
    y, fold = np.random.default_rng(0).normal(size=30), np.arange(30) % 3
    found = [y + 0.1 * (i + 1) for i in range(4)]
    found[broken] = np.full(30, np.nan)
    forms = [Form(None, None, None, each, None, None) for each in found]
    mean = best_mean(forms, Split(None, fold, None, False, None, np.zeros((3, 0), int), np.arange(30)), y)
    assert mean.shares[broken] == 0
    assert mean.shares.sum() == 1
    assert mean.error(y) == pytest.approx(0.04 if broken == 0 else 0.01)
