"""Truncated leave-one-out predictions against fits without each mask."""

from itertools import combinations

import numpy as np
import pytest
from common import all_masks, covariance, random_kernel

from spexjax.gp import leave_one_out, prior_variances, robust_condition, signs
from spexjax.proxies.gp._truncation import held_out_errors, truncated_predictions

N, M = 8, 40
MASKS = all_masks(N)[np.random.default_rng(0).permutation(2**N)[:M]]
Y = np.random.default_rng(1).normal(size=M)
SETS = [s for order in range(N + 1) for s in combinations(range(N), order)]
SUPPORT = np.array([[*s, *[N] * (N - len(s))] for s in SETS], np.int32)[np.random.default_rng(2).permutation(2**N)]


def fitted(seed):
    kernel = random_kernel(N, seed=seed)
    return kernel, robust_condition(kernel, signs(MASKS), Y)


@pytest.fixture(scope="module")
def predictions():
    kernel, posterior = fitted(0)
    return truncated_predictions(kernel, posterior.alpha, posterior.inverse, MASKS, SUPPORT, np.arange(M))


def test_all_terms_are_the_whole_posterior(predictions):
    assert predictions.shape == (256, M)
    np.testing.assert_allclose(predictions[-1], leave_one_out(Y, fitted(0)[1]), atol=1e-4)


@pytest.mark.parametrize("i", [0, 17])
def test_truncated_fits_without_a_mask(predictions, i):
    kernel, others = random_kernel(N), np.arange(M) != i
    system = covariance(kernel, MASKS, MASKS) + float(kernel.noise) * np.eye(M)
    alpha = np.linalg.solve(system[np.ix_(others, others)], Y[others])
    characters = np.array([(-1.0) ** MASKS[:, [f for f in s if f < N]].sum(1) for s in SUPPORT.tolist()])
    coefficients = np.asarray(prior_variances(kernel, SUPPORT)) * (characters[:, others] @ alpha)
    np.testing.assert_allclose(predictions[:, i], np.cumsum(coefficients * characters[:, i]), atol=1e-4)


def test_errors_are_those_of_the_mean(predictions):
    fits = [(*fitted(0), 0.25), (*fitted(1), 0.75)]
    other = truncated_predictions(fits[1][0], fits[1][1].alpha, fits[1][1].inverse, MASKS, SUPPORT, np.arange(M))
    sizes, errors = held_out_errors(fits, MASKS, Y, SUPPORT, np.arange(M))
    assert sizes.tolist() == list(range(1, 257))
    expected = ((0.25 * np.asarray(predictions) + 0.75 * np.asarray(other) - Y) ** 2).mean(1)
    np.testing.assert_allclose(errors, expected, rtol=1e-4)
    few, errors_of_few = held_out_errors(fits, MASKS, Y, SUPPORT[:10], np.arange(M))
    assert few.tolist() == list(range(1, 11))
    np.testing.assert_allclose(errors_of_few, expected[:10], rtol=1e-4)


@pytest.mark.parametrize(("candidates", "beyond"), [(1, []), (256, []), (300, []), (512, [512]), (800, [512, 768])])
def test_beyond_256_terms_only_some_numbers_are_tried(monkeypatch, candidates, beyond):
    def stub(kernel, alpha, inverse, masks, support, tests):
        assert support.shape[0] % 256 == 0
        return np.zeros((255 + support.shape[0] // 256, len(tests)))

    monkeypatch.setattr("spexjax.proxies.gp._truncation.truncated_predictions", stub)
    sizes, errors = held_out_errors([(*fitted(0), 1.0)], MASKS, Y, np.resize(SUPPORT, (candidates, N)), np.arange(M))
    assert sizes.tolist() == [*range(1, min(candidates, 256) + 1), *beyond]
    assert errors.shape == sizes.shape
