"""Derivatives of the multilinear extension, and the moments of their prior, against sums over all 2^n masks."""

from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from common import all_masks, covariance, functional, random_kernel, stacked

from spexjax.gp import ProductKernel, derivatives, signs
from spexjax.gp._extension import covariances, variances

N, M = 6, 15
AT, MU = np.array([0.0, 0.3, 0.5, 1.0]), np.array([0.7, -1.2, 0.4, 0.6])
MASKS = all_masks(N)[np.random.default_rng(0).permutation(2**N)[:M]]
ALPHA = np.random.default_rng(1).normal(size=M)
WHITE = ProductKernel(*map(jnp.float32, ([1, 0], np.full((2, N), np.inf), np.zeros(N), np.zeros(0), 0)))
ORDERS = [
    1,
    2,
    3,
    4,
]

derivatives, covariances, variances = map(jax.jit, (derivatives, covariances, variances))


def sets_of(order):
    return np.array(list(combinations(range(N), order)), np.int32)


def white(masks, others):
    return (masks[:, None] == others).all(-1).astype(float)


def brute_force(of_each_mask, sets):
    """`D_S(t)` of a function given at all masks, `[q, k]`."""
    return np.array([[functional(N, s, [t], [1]) @ of_each_mask for s in sets.tolist()] for t in AT])


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_derivatives(order):
    kernel, sets = random_kernel(N), sets_of(order)
    found = derivatives(kernel, signs(MASKS), jnp.float32(ALPHA), sets, jnp.float32(AT))
    expected = brute_force(covariance(kernel, all_masks(N), MASKS) @ ALPHA, sets)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("order", ORDERS)
def test_derivatives_of_the_white_function(order):
    sets = sets_of(order)
    found = derivatives(WHITE, signs(MASKS), jnp.float32(ALPHA), sets, jnp.float32(AT))
    np.testing.assert_allclose(found, brute_force(white(all_masks(N), MASKS) @ ALPHA, sets), atol=1e-5)


def test_derivatives_at_all_features():
    kernel, everything = random_kernel(3), np.arange(3, dtype=np.int32)[None]
    masks = all_masks(3)
    found = derivatives(kernel, signs(masks), jnp.float32(ALPHA[:8]), everything, jnp.float32(AT))
    expected = functional(3, (0, 1, 2), [0.5], [1]) @ covariance(kernel, masks, masks) @ ALPHA[:8]
    np.testing.assert_allclose(found, np.full((4, 1), expected), atol=1e-5)


def test_derivatives_of_many_kernels_at_once():
    kernels = stacked([random_kernel(N, seed=seed) for seed in range(3)])
    args = signs(MASKS), jnp.float32(ALPHA), sets_of(2), jnp.float32(AT)
    batch = jax.vmap(lambda kernel: derivatives(kernel, *args))(kernels)
    for seed in range(3):
        np.testing.assert_allclose(batch[seed], derivatives(random_kernel(N, seed=seed), *args), atol=1e-5)


def test_shapes_decide_on_compilation():
    """Other kernels, weights, sets and probabilities of the same shapes, here one pair, are no new program."""
    programs = derivatives._cache_size()
    for seed in range(2):
        kernel, pair, t = random_kernel(N, seed=seed), (seed, 3), 0.1 * (seed + 1)
        found = derivatives(kernel, signs(MASKS), jnp.float32(ALPHA), np.array([pair], np.int32), jnp.float32([t] * 7))
        expected = functional(N, pair, [t], [1]) @ covariance(kernel, all_masks(N), MASKS) @ ALPHA
        np.testing.assert_allclose(found, np.full((7, 1), expected), atol=1e-5)
    assert derivatives._cache_size() == programs + 1


@pytest.mark.parametrize("order", [1, 2, 3])
def test_prior_moments_of_an_index(order):
    kernel, sets = random_kernel(N), sets_of(order)
    weights = np.array([functional(N, s, AT, MU) for s in sets.tolist()])
    found = covariances(kernel, signs(MASKS), sets, jnp.float32(AT), jnp.float32(MU))
    np.testing.assert_allclose(found, weights @ covariance(kernel, all_masks(N), MASKS), atol=1e-5)
    expected = np.diag(weights @ covariance(kernel, all_masks(N), all_masks(N)) @ weights.T)
    found = variances(kernel, sets, jnp.float32(AT), jnp.float32(MU))
    np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())


@pytest.mark.parametrize("order", ORDERS)
def test_prior_moments_of_the_white_function(order):
    sets = sets_of(order)
    weights = np.array([functional(N, s, AT, MU) for s in sets.tolist()])
    found = variances(WHITE, sets, jnp.float32(AT), jnp.float32(MU))
    np.testing.assert_allclose(found, (weights**2).sum(1), rtol=1e-4)
    found = covariances(WHITE, signs(MASKS), sets, jnp.float32(AT), jnp.float32(MU))
    np.testing.assert_allclose(found, weights @ white(all_masks(N), MASKS), atol=1e-5)
