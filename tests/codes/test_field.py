import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spexjax.codes import field, inverse, multiply

galois = pytest.importorskip("galois", reason="the oracle for finite fields: pip install galois")


@pytest.mark.parametrize("m", range(2, 15))
def test_tables_against_galois(m):
    f, size = field(m), 1 << m
    reference = galois.GF(size)
    assert int(reference.primitive_element) == 2
    powers = np.asarray(reference.primitive_element ** np.arange(size - 1))
    np.testing.assert_array_equal(f.exp, np.tile(powers, 2))
    assert sorted(powers) == list(range(1, size))
    np.testing.assert_array_equal(f.log[powers], np.arange(size - 1))
    assert f.log[0] == 2 * (size - 1)


def test_arithmetic_on_every_pair():
    f, reference = field(4), galois.GF(16)
    a = np.arange(16, dtype=np.int32)
    table = np.asarray(reference(a)[:, None] * reference(a))
    np.testing.assert_array_equal(multiply(f, a[:, None], a), table)
    np.testing.assert_array_equal(jax.jit(lambda a, b: multiply(f, a, b))(a[:, None], a), table)
    np.testing.assert_array_equal(jax.vmap(lambda x: multiply(f, x, jnp.asarray(a)))(a), table)
    np.testing.assert_array_equal(multiply(f, a, inverse(f, a)), a > 0)
    assert inverse(f, a)[0] == 0


def test_arithmetic_in_the_largest_field():
    f, reference = field(14), galois.GF(1 << 14)
    a, b = np.random.default_rng(0).integers(0, 1 << 14, (2, 5000), np.int32)
    np.testing.assert_array_equal(multiply(f, a, b), reference(a) * reference(b))
    np.testing.assert_array_equal(inverse(f, a + (a == 0)), np.reciprocal(reference(a + (a == 0))))


@pytest.mark.parametrize("m", [1, 15])
def test_degrees_outside_the_table(m):
    with pytest.raises(ValueError, match=rf"m = 2..14; got m = {m}"):
        field(m)
