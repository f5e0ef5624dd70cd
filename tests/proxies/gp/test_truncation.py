"""Truncated leave-one-out predictions against fits without each mask."""

from itertools import combinations

import numpy as np
import pytest
from common import all_masks, covariance, random_kernel

from spexjax._compiling import compiling
from spexjax.gp import leave_one_out, prior_variances, robust_condition, signs
from spexjax.proxies.gp._truncation import Part, held_out_errors, truncated_predictions

N, M = 8, 40
MASKS = all_masks(N)[np.random.default_rng(0).permutation(2**N)[:M]]
Y = np.random.default_rng(1).normal(size=M)
SETS = [s for order in range(N + 1) for s in combinations(range(N), order)]
SUPPORT = np.array([[*s, *[N] * (N - len(s))] for s in SETS], np.int32)[np.random.default_rng(2).permutation(2**N)]


def fitted(seed):
    kernel = random_kernel(N, seed=seed)
    return kernel, robust_condition(kernel, signs(MASKS), Y)


def predicted(seed, share=1.0):
    kernel, posterior = fitted(seed)
    parts = (Part(kernel, posterior.alpha, posterior.inverse, np.float32(share)),) * 2
    parts = (parts[0], parts[1]._replace(share=np.float32(0)))
    support = np.pad(SUPPORT, ((0, 256), (0, 0)), constant_values=N)
    found = np.asarray(truncated_predictions(parts, signs(MASKS), support, np.int32(1), np.arange(M)))
    assert found.shape == (257, M)
    return found[:256]


@pytest.fixture(scope="module")
def predictions():
    return predicted(0)


def test_all_terms_are_the_whole_posterior(predictions):
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
    sizes, errors = held_out_errors(fits, MASKS, Y, SUPPORT, np.arange(M))
    assert sizes.tolist() == list(range(1, 257))
    expected = ((0.25 * np.asarray(predictions) + 0.75 * predicted(1) - Y) ** 2).mean(1)
    np.testing.assert_allclose(errors, expected, rtol=1e-4)
    few, errors_of_few = held_out_errors(fits, MASKS, Y, SUPPORT[:10], np.arange(M))
    assert few.tolist() == list(range(1, 11))
    np.testing.assert_allclose(errors_of_few, expected[:10], rtol=1e-4)


@pytest.mark.parametrize(("candidates", "beyond"), [(1, []), (256, []), (300, []), (512, [512]), (800, [512, 768])])
def test_beyond_256_terms_only_some_numbers_are_tried(monkeypatch, candidates, beyond):
    def stub(parts, z, support, count, tests):
        assert support.shape[0] % 256 == 0
        assert count == -(-candidates // 256)
        return np.zeros((255 + support.shape[0] // 256, len(tests)))

    monkeypatch.setattr("spexjax.proxies.gp._truncation.truncated_predictions", stub)
    sizes, errors = held_out_errors([(*fitted(0), 1.0)], MASKS, Y, np.resize(SUPPORT, (candidates, N)), np.arange(M))
    assert sizes.tolist() == [*range(1, min(candidates, 256) + 1), *beyond]
    assert errors.shape == sizes.shape


def test_unused_terms_and_posteriors_cost_no_program():
    """The numbers of terms, of tested masks and of posteriors are data."""
    one, two = [(*fitted(0), 1.0)], [(*fitted(0), 0.5), (*fitted(1), 0.5)]
    held_out_errors(one, MASKS, Y, SUPPORT, np.arange(M))
    with compiling() as watch:
        held_out_errors(two, MASKS, Y, SUPPORT[:7], np.arange(M - 3))
    assert watch.seconds == 0
