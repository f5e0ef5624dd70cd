"""The prior in the space of its terms against the Gaussian process it is equivalent to."""

from itertools import combinations

import jax
import numpy as np
import pytest
from common import all_masks, covariance, random_kernel

from spexjax.metrics import r2
from spexjax.proxies.gp._kernels import Kernels
from spexjax.proxies.gp._weight_space import WeightSpace

N = 7
EVERY = [s for k in range(N + 1) for s in combinations(range(N), k)]
SUPPORT = np.array([[*s, *[N] * (N - len(s))] for s in EVERY], np.int32)


def problem(m=60, seed=0):
    rng = np.random.default_rng(seed)
    rows = rng.permutation(2**N)[:m]
    return all_masks(N)[rows], rng.normal(size=m), np.arange(m) % 3


def posterior_mean(kernel, masks, y, new):
    system = covariance(kernel, masks, masks) + float(kernel.noise) * np.eye(len(y))
    return covariance(kernel, new, masks) @ np.linalg.solve(system, y)


def values(coefficients):
    return (-1.0) ** (all_masks(N)[:, None] & all_masks(N)).sum(-1) @ coefficients[order()]


def order():
    """The place in EVERY of each of `all_masks` read as a set."""
    place = {s: i for i, s in enumerate(EVERY)}
    return [place[tuple(np.flatnonzero(row).tolist())] for row in all_masks(N)]


def test_with_all_terms_it_is_the_gaussian_process():
    kernel, (masks, y, fold) = random_kernel(N, 2, noise=0.3), problem()
    space = WeightSpace(SUPPORT, masks, y, fold)
    expected = posterior_mean(kernel, masks, y, all_masks(N))
    np.testing.assert_allclose(values(space.coefficients(kernel, 0.3)), expected, atol=1e-4)
    for k in range(3):
        kept = fold != k
        expected = posterior_mean(kernel, masks[kept], y[kept], masks[~kept])
        np.testing.assert_allclose(space.held_out(kernel, 0.3)[~kept], expected, atol=1e-4)


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_the_proxy_beyond_its_largest_kernel_matrix(noise):
    rng = np.random.default_rng(1)
    masks, new = rng.random((900, 12)) < 0.5, rng.random((500, 12)) < 0.5

    def function(x):
        return 3.0 + x[:, 0] - 2 * x[:, 1] * x[:, 2] + 2.0 * (x[:, 3] & x[:, 5] & x[:, 8])

    f = (function(masks) + noise * rng.normal(size=900)).astype(np.float32)
    fit = Kernels(max_masks=500, max_terms=300)(masks, f, jax.random.key(0))
    assert fit.surrogate is None
    score = r2(function(new), fit.spectrum(new))
    assert score > (0.999 if noise == 0 else 0.97)
    honest = r2(f, np.asarray(fit.held_out))
    assert honest == pytest.approx(1 - (noise**2 / f.var() + 1 - score), abs=0.03)
