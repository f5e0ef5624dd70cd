import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import hadamard

from spexjax.transforms import mobius, walsh_hadamard, zeta

SIZES = [0, 1, 2, 3, 7, 10]


def matrix(transform, n):
    """The dense matrix of the transform."""
    if transform is walsh_hadamard:
        return hadamard(1 << n)
    rows, columns = np.arange(1 << n)[:, None], np.arange(1 << n)
    inside = rows & columns == columns
    sign = 1 - 2 * (np.bitwise_count(rows ^ columns) % 2).astype(int)
    return np.where(inside, sign if transform is mobius else 1, 0)


def check_all(transform, n, dtype, tolerance):
    x = np.random.default_rng(n).normal(size=(3, 1 << n)).astype(dtype)
    expected = x.astype(np.float64) @ matrix(transform, n).T
    for result in (
        transform(x),
        transform(jnp.asarray(x)),
        jax.jit(transform)(x),
        jax.vmap(transform)(x),
        jnp.stack([transform(row) for row in x]),
        transform(x[None])[0],
    ):
        assert result.dtype == dtype
        np.testing.assert_allclose(result, expected, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("transform", [walsh_hadamard, mobius, zeta])
@pytest.mark.parametrize("n", SIZES)
def test_against_the_dense_matrix(transform, n):
    check_all(transform, n, np.float32, 1e-5)
    with jax.enable_x64(True):
        check_all(transform, n, np.float64, 1e-10)


@pytest.mark.parametrize("n", SIZES)
def test_inverses(n):
    x = np.random.default_rng(n).normal(size=1 << n).astype(np.float32)
    np.testing.assert_allclose(walsh_hadamard(walsh_hadamard(x)) / (1 << n), x, atol=1e-5)
    np.testing.assert_allclose(zeta(mobius(x)), x, atol=1e-5 * np.abs(mobius(x)).max())


@pytest.mark.parametrize("transform", [walsh_hadamard, mobius, zeta])
def test_an_empty_batch(transform):
    assert transform(jnp.zeros((0, 8))).shape == (0, 8)


@pytest.mark.parametrize("transform", [walsh_hadamard, mobius, zeta])
@pytest.mark.parametrize("size", [0, 3, 12])
def test_lengths_that_are_no_power_of_two(transform, size):
    for call in (transform, jax.jit(transform)):
        with pytest.raises(ValueError, match=rf"must be 2\^n; got {size}"):
            call(jnp.zeros((2, size)))


@pytest.mark.parametrize("transform", [walsh_hadamard, mobius, zeta])
def test_one_program_per_shape(transform):
    x = jnp.ones((5, 16))
    transform(x)
    programs = transform._cache_size()
    transform(x + 1)
    assert transform._cache_size() == programs
