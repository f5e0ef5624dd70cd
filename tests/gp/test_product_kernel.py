"""The covariance against its formula, and what the kernel says of itself."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from common import all_masks, covariance, random_kernel

from spexjax.gp import combine, decays, gram, overlaps, signs

MASKS = all_masks(5)
KERNEL, Z = random_kernel(5), signs(MASKS)

combine, decays, gram, overlaps = map(jax.jit, (combine, decays, gram, overlaps))


def test_gram_equals_its_formula():
    flat, steep = jnp.zeros((2, 5)), jnp.full((2, 5), 200.0)
    others = (
        dataclasses.replace(KERNEL, **change) for change in ({"linear": flat[0]}, {"rates": flat}, {"rates": steep})
    )
    for kernel in (KERNEL, random_kernel(5, seed=1), *others):
        expected = covariance(kernel, MASKS, MASKS)
        np.testing.assert_allclose(gram(kernel, Z, Z), expected, atol=1e-5)
        shared = overlaps(kernel, Z, Z)
        np.testing.assert_allclose(combine(kernel, decays(kernel, shared), Z, Z), expected, atol=1e-5)
        complements = combine(kernel, decays(kernel, -shared), Z, -Z)
        np.testing.assert_allclose(complements, covariance(kernel, MASKS, ~MASKS), atol=1e-5)
    np.testing.assert_allclose(gram(KERNEL, Z[:7], Z), covariance(KERNEL, MASKS[:7], MASKS), atol=1e-5)


def test_variance_is_the_covariance_of_a_mask_with_itself():
    np.testing.assert_allclose(np.diag(gram(KERNEL, Z, Z)), KERNEL.variance, rtol=1e-6)


def test_constants_and_shrinkage_are_those_of_the_expansion():
    """`c prod e^{-w [x != x']} = C prod (1 + lambda z z')`."""
    kernel, z = dataclasses.replace(KERNEL, linear=jnp.zeros(5), near=jnp.zeros(0)), np.asarray(Z)
    expanded = (1 + np.asarray(kernel.shrinkage)[:, None, None] * z[:, None] * z).prod(-1)
    np.testing.assert_allclose(np.einsum("r,rml->ml", kernel.constants, expanded), gram(kernel, Z, Z), atol=1e-5)


def test_signs():
    np.testing.assert_array_equal(signs(np.array([[True, False]])), [[-1.0, 1.0]])
