"""Probabilities as log-odds: the link, when it is tried, and what it does for a classifier."""

import jax
import numpy as np
import pytest
import scipy.integrate
import scipy.special

from spexjax.metrics import r2
from spexjax.proxies import kernels
from spexjax.proxies.gp._link import LogOdds, log_odds_link

N, M = 14, 128  # the shapes of test_kernels: one compilation for both
MASKS = np.random.default_rng(0).random((M, N)) < 0.5


def probability(masks):
    x = masks.astype(float)
    return scipy.special.expit(4 * x[:, 0] - 3 * x[:, 3] + 2 * x[:, 1] * x[:, 2] + 2 * x[:, 4] - 2 * x[:, 5] - 2)


@pytest.mark.parametrize("error", [0.0, 0.4])
def test_the_expected_probability(error):
    def density(s, mean):
        return scipy.special.expit(0.3 + 2 * (mean + error * s)) * np.exp(-s * s / 2) / np.sqrt(2 * np.pi)

    mean = np.array([-2.0, 0.0, 1.5])
    expected = [scipy.integrate.quad(density, -8, 8, args=(one,))[0] for one in mean]
    np.testing.assert_allclose(LogOdds(0.3, 2.0).expected(mean, error), expected, atol=1e-5)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 1.0), (2.0, -1.0), (-1.0, 0.0)])
def test_only_probabilities_have_odds(scale, shift):
    assert log_odds_link(probability(MASKS) * scale + shift) is None


def test_scores_are_standardised_log_odds():
    link, scores = log_odds_link(probability(MASKS))
    np.testing.assert_allclose((scores.mean(), scores.std()), (0, 1), atol=1e-12)
    np.testing.assert_allclose(link.expected(scores, 0.0), probability(MASKS), atol=1e-12)


def test_a_classifier_is_learned_through_its_log_odds():
    f, new = probability(MASKS), np.random.default_rng(1).random((1500, N)) < 0.5
    fit = kernels()(MASKS, f, jax.random.key(0))
    assert fit.diagnostics["link"]
    assert r2(probability(new), fit.surrogate(new)) > 0.9999
    assert r2(f, fit.held_out) > 0.9999
