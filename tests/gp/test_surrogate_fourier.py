"""The closed-form spectrum against the exact transform, and the search for its large terms against brute force."""

import dataclasses
from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from common import all_masks, covariance, random_kernel, random_surrogate, stacked

from spexjax.gp import coefficients, prior_variances, strongest_supports
from spexjax.transforms import exact_spectrum


def supports(n, orders):
    """All sets of those orders, padded with n."""
    sets = [s for order in orders for s in combinations(range(n), order)]
    return np.array([[*s, *[n] * (max(orders) - len(s))] for s in sets], np.int32)


def test_coefficients_of_all_supports_are_the_exact_spectrum():
    surrogate, rows, _ = random_surrogate(n=6)
    kernel, alpha, every = surrogate.processes[0].first, surrogate.processes[0].alphas[0], supports(6, range(7))
    found = jax.jit(coefficients)(kernel, surrogate.masks, alpha, every)
    mean = covariance(kernel, all_masks(6), all_masks(6)[rows]) @ np.asarray(alpha, np.float64)
    with jax.enable_x64(True):
        expected = exact_spectrum(all_masks(6), mean).to_dict()
    for s, value in zip(every.tolist(), np.asarray(found), strict=True):
        assert value == pytest.approx(expected.get(tuple(i for i in s if i < 6), 0.0), abs=1e-5), s


def test_coefficients_in_blocks_and_of_many_kernels_at_once(monkeypatch):
    surrogate, _, _ = random_surrogate(n=6)
    masks, alpha, every = surrogate.masks, surrogate.processes[0].alphas[0], supports(6, range(7))
    kernels = stacked([random_kernel(6, seed=seed) for seed in range(3)])
    batch = jax.jit(jax.vmap(lambda kernel: coefficients(kernel, masks, alpha, every)))(kernels)
    monkeypatch.setattr("spexjax.gp._fourier._BLOCK", 20 * 10)  # ten sets at a time, the last block ragged
    in_blocks = jax.jit(lambda kernel: coefficients(kernel, masks, alpha, every))
    for seed in range(3):
        one = in_blocks(random_kernel(6, seed=seed))
        np.testing.assert_allclose(batch[seed], one, atol=1e-6)


def test_prior_variances_add_up_to_the_variance():
    kernel = random_kernel(7)
    variances = jax.jit(prior_variances)(kernel, supports(7, range(8)))
    np.testing.assert_allclose(variances.sum(), kernel.variance, rtol=1e-5)
    diagonal = (-1.0) ** (all_masks(7).astype(int) @ all_masks(7).T)
    transformed = diagonal @ covariance(kernel, all_masks(7), all_masks(7)) @ diagonal / 4**7
    codes = [sum(1 << i for i in s if i < 7) for s in supports(7, range(8)).tolist()]
    np.testing.assert_allclose(variances, np.diag(transformed)[codes], rtol=1e-4)


@pytest.mark.parametrize("max_order", [2, 6])
@pytest.mark.parametrize("max_terms", [1, 5, 37, 120])
def test_strongest_supports_are_the_strongest(max_terms, max_order):
    kernel = dataclasses.replace(random_kernel(8, 1, seed=3), linear=jnp.zeros(8), near=jnp.zeros(0))
    every = supports(8, range(1, max_order + 1))
    shrinkage = np.append(np.asarray(kernel.shrinkage[0], np.float64), 1.0)
    order = np.argsort(-shrinkage[every].prod(1))[:max_terms]
    expected = {tuple(s) for s in every[order].tolist()} | {(i, *[8] * (max_order - 1)) for i in range(8)}
    # The empty set is not reported, but the search counts nothing else.
    found = strongest_supports(kernel, max_terms, max_order)
    width = max_order - found.shape[1]
    found = np.pad(found, ((0, 0), (0, width)), constant_values=8).tolist()
    assert len(found) == len(set(map(tuple, found)))
    assert set(map(tuple, found)) == expected


def test_every_set_where_there_is_room():
    found = strongest_supports(random_kernel(4, 2), 1000)
    assert {tuple(sorted(s)) for s in found.tolist()} == {tuple(s) for s in supports(4, range(1, 5)).tolist()}


def test_features_without_relevance_are_left_alone():
    rates = jnp.zeros((1, 9)).at[0, :3].set(1.0)
    found = strongest_supports(dataclasses.replace(random_kernel(9, 1), rates=rates, near=jnp.zeros(0)), 100)
    assert {s for s in map(tuple, found.tolist()) if s[1] < 9} == {(0, 1, 9), (0, 2, 9), (1, 2, 9), (0, 1, 2)}
    assert {s[0] for s in found.tolist() if s[1] == 9} == set(range(9))


def test_the_sets_of_every_kernel_are_found():
    """One kernel knows of the pairs of the first four features, the other of those of the last four."""
    rates = jnp.full((2, 8), 1e-4).at[0, :4].set(2.0).at[1, 4:].set(2.0)
    found = strongest_supports(
        dataclasses.replace(random_kernel(8, 2), rates=rates, scales=jnp.ones(2), near=jnp.zeros(0)), 31
    )
    found = {tuple(i for i in s if i < 8) for s in found.tolist()}
    assert {s for s in found if len(s) > 1} == {
        s for half in (range(4), range(4, 8)) for order in (2, 3, 4) for s in combinations(half, order)
    }


def test_many_features_stay_cheap():
    rates = jnp.asarray(np.random.default_rng(0).uniform(0, 0.02, (1, 400)), jnp.float32)
    kernel = dataclasses.replace(random_kernel(400, 1), rates=rates, near=jnp.zeros(0))
    found = strongest_supports(kernel, 2000)
    assert 2000 <= len(found) + 1 <= 2400
    assert (np.diff(np.minimum(found, 400 + np.arange(found.shape[1])), axis=1) > 0).all()  # increasing, then padding
