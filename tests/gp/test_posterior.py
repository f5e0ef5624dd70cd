"""Gaussian process regression against plain linear algebra in float64."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from common import all_masks, covariance, random_kernel, stacked

from spexjax.gp import (
    ProductKernel,
    condition,
    errors_of_others,
    host_gram,
    host_inverse,
    leave_one_out,
    leave_one_out_variances,
    robust_condition,
    signs,
)
from spexjax.gp import _posterior as module

condition = jax.jit(condition)


def problem(n=7, m=30, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    masks, y = all_masks(n)[rng.permutation(2**n)[:m]], rng.normal(size=m)
    kernel = random_kernel(n, noise=noise, seed=seed)
    return kernel, masks, y, covariance(kernel, masks, masks) + noise * np.eye(m)


def test_condition_solves_the_system():
    kernel, masks, y, system = problem()
    alpha, inverse = condition(kernel, signs(masks), jnp.asarray(y, jnp.float32))
    np.testing.assert_allclose(alpha, np.linalg.solve(system, y), atol=1e-5 * np.abs(alpha).max())
    np.testing.assert_allclose(inverse, np.linalg.inv(system), atol=1e-4)


def test_condition_of_many_kernels_at_once():
    z = signs(problem()[1])
    kernels = stacked([random_kernel(7, seed=seed) for seed in range(3)])
    y = jnp.asarray(np.random.default_rng(0).normal(size=(3, 30)), jnp.float32)
    alphas, _ = jax.vmap(condition, (0, None, 0))(kernels, z, y)
    for seed in range(3):
        alpha, _ = condition(random_kernel(7, seed=seed), z, y[seed])
        np.testing.assert_allclose(alphas[seed], alpha, atol=1e-4)


def test_single_precision_where_it_is_enough():
    kernel, masks, y, system = problem()
    posterior = robust_condition(kernel, signs(masks), y)
    assert posterior.dtype == "float32"
    np.testing.assert_allclose(posterior.alpha, np.linalg.solve(system, y), atol=1e-4)
    np.testing.assert_allclose(posterior.inverse, np.linalg.inv(system), atol=1e-4)


def test_double_precision_where_it_is_needed():
    kernel, masks, y, _ = problem(noise=1e-9)
    smooth = dataclasses.replace(kernel, rates=kernel.rates * 1e-2)
    posterior = robust_condition(smooth, signs(masks), y)
    system = covariance(smooth, masks, masks) + float(smooth.noise) * np.eye(len(y))
    assert posterior.dtype == "float64"
    assert posterior.alpha.dtype == posterior.inverse.dtype == np.float64
    np.testing.assert_allclose(system @ posterior.alpha, y, atol=1e-6)
    expected = np.linalg.inv(system)
    np.testing.assert_allclose(posterior.inverse, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("noise", [0.1, 1e-3])
def test_leave_one_out_equals_fits_without_each_mask(noise):
    kernel, masks, y, system = problem(noise=noise)
    posterior = robust_condition(kernel, signs(masks), y)
    k, expected = covariance(kernel, masks, masks), []
    for i in range(len(y)):
        others = np.arange(len(y)) != i
        expected.append(k[i, others] @ np.linalg.solve(system[np.ix_(others, others)], y[others]))
    np.testing.assert_allclose(leave_one_out(y, posterior), expected, atol=2e-4)


def test_leave_one_out_with_partners():
    kernel, masks, y, system = problem(noise=0.1)
    k, m, expected = covariance(kernel, masks, masks), len(y), []
    partner = np.arange(m)
    partner[[0, 5, 3, 4]] = [5, 0, 4, 3]
    for i in range(m):
        others = np.delete(np.arange(m), [i, partner[i]])
        expected.append(k[i, others] @ np.linalg.solve(system[np.ix_(others, others)], y[others]))
    found = leave_one_out(y, robust_condition(kernel, signs(masks), y, partner))
    np.testing.assert_allclose(found, expected, atol=2e-4)


@pytest.mark.parametrize("precise", [False, True])
def test_errors_of_other_values_are_those_of_fits_to_them(precise, monkeypatch):
    kernel, masks, y, _ = problem(noise=0.1)
    other = np.random.default_rng(3).normal(size=len(y))
    expected = other - leave_one_out(other, robust_condition(kernel, signs(masks), other))
    if precise:
        monkeypatch.setattr(module, "_RESIDUAL", 0.0)
    posterior = robust_condition(kernel, signs(masks), y, others=other[None])
    assert posterior.dtype == ("float64" if precise else "float32")
    np.testing.assert_allclose(errors_of_others(posterior)[0], expected, atol=1e-3)


def test_only_vectors_come_to_the_host():
    kernel, masks, y, _ = problem(noise=0.1)
    partner = np.arange(len(y))
    partner[[2, 7]] = [7, 2]
    posterior = robust_condition(kernel, signs(masks), y, partner)
    assert isinstance(posterior.inverse, jax.Array)
    assert isinstance(posterior.diagonal, np.ndarray)
    assert isinstance(posterior.cross, np.ndarray)
    inverse = np.asarray(posterior.inverse)
    np.testing.assert_array_equal(posterior.diagonal, inverse.diagonal())
    assert np.flatnonzero(posterior.cross).tolist() == [2, 7]
    np.testing.assert_array_equal(posterior.cross[[2, 7]], inverse[[2, 7], [7, 2]])
    assert not hasattr(leave_one_out_variances(posterior), "devices")


def test_a_kernel_that_rounding_makes_indefinite_is_given_what_it_lacks():
    """A linear kernel of 3 features has rank 3 on 8 masks; what lies in its range is still solved for."""
    masks = all_masks(3)
    kernel = ProductKernel(jnp.zeros(1), jnp.ones((1, 3)), jnp.full(3, 1e6), jnp.zeros(0), jnp.float32(1e-30))
    y = (2.0 * masks - 1) @ [1.0, -2.0, 0.5]
    alpha = host_inverse(kernel, masks) @ y
    np.testing.assert_allclose(host_gram(kernel, masks, masks) @ alpha, y, atol=1e-4)
