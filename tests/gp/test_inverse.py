"""Inverse and determinant against LAPACK, at sizes that halve evenly and at odd ones."""

import jax
import numpy as np
import pytest

from spexjax.gp import spd_inverse

inverse_of = jax.jit(spd_inverse)


def random_spd(m, seed=0):
    x = np.random.default_rng(seed).normal(size=(m, 2 * m))
    return x @ x.T / (2 * m) + 0.1 * np.eye(m)


@pytest.mark.parametrize("m", [1, 2, 127, 128, 129, 300])
def test_inverse_and_determinant(m):
    a = random_spd(m)
    inverse, log_det = inverse_of(a.astype(np.float32))
    expected = np.linalg.inv(a)
    np.testing.assert_allclose(inverse, expected, atol=2e-5 * np.abs(expected).max())
    np.testing.assert_allclose(inverse, inverse.T, atol=1e-5)
    np.testing.assert_allclose(log_det, np.linalg.slogdet(a)[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("m", "negative"), [(1, 0), (128, 127), (129, 0), (129, 128), (300, 80), (300, 299)])
def test_an_indefinite_matrix_gives_nan(m, negative):
    a = random_spd(m).astype(np.float32)
    a[negative, negative] = -1
    inverse, log_det = inverse_of(a)
    assert np.isnan(np.asarray(inverse)).any()
    assert np.isnan(log_det)


def test_many_at_once():
    a = np.stack([random_spd(127, seed) for seed in range(3)]).astype(np.float32)
    inverses, log_dets = jax.vmap(spd_inverse)(a)
    for one, inverse, log_det in zip(a, inverses, log_dets, strict=True):
        np.testing.assert_allclose(inverse, inverse_of(one)[0], atol=1e-4)
        np.testing.assert_allclose(log_det, inverse_of(one)[1], atol=1e-3)
