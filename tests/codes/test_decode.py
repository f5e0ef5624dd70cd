from itertools import combinations
from math import comb

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spexjax.codes import bch, decode


def parities_of(code, support):
    """`H 1_S`, one row per row of `support`, which is padded with n."""
    columns = np.concatenate([code.parity_check.T, np.zeros((1, len(code.parity_check)), bool)])
    return np.bitwise_xor.reduce(columns[np.asarray(support)], 1)


def sets_of(rng, n, size, count, width):
    """Random sorted sets of one size, padded with n."""
    support = np.full((count, width), n)
    for row in support:
        row[:size] = np.sort(rng.choice(n, size, replace=False))
    return support


@pytest.mark.parametrize(("n", "t"), [(1, 1), (2, 2), (3, 5), (10, 2), (15, 3), (16, 5)])
def test_every_parity_vector(n, t):
    code = bch(n, t)
    t, p = code.max_order, len(code.parity_check)
    expected = np.full((2**p, t), n)
    known = np.zeros(2**p, bool)
    for size in range(t + 1):
        sets = np.array(list(combinations(range(n), size)), int)
        rows = parities_of(code, np.pad(sets, ((0, 0), (0, t - size)), constant_values=n)) @ (1 << np.arange(p))
        assert not known[rows].any()
        expected[rows, :size], known[rows] = sets, True
    support, found = decode(code, (np.arange(2**p)[:, None] >> np.arange(p) & 1).astype(bool))
    np.testing.assert_array_equal(found, known)
    np.testing.assert_array_equal(support, expected)


@pytest.mark.parametrize(("n", "t"), [(63, 5), (127, 3), (500, 4), (1000, 5), (10000, 8)])
def test_random_sets_of_every_order(n, t):
    rng, code = np.random.default_rng(n), bch(n, t)
    sets = np.concatenate([sets_of(rng, n, size, 50, t) for size in range(t + 1)])
    support, found = decode(code, parities_of(code, sets))
    assert found.all()
    assert support.dtype == jnp.int32
    np.testing.assert_array_equal(support, sets)


@pytest.mark.parametrize(("n", "t"), [(63, 2), (100, 3), (127, 3)])
@pytest.mark.parametrize("excess", [True, False])
def test_parities_of_no_small_set(n, t, excess):
    rng, code = np.random.default_rng(n), bch(n, t)
    p = len(code.parity_check)
    parities = parities_of(code, sets_of(rng, n, t + 1, 4000, t + 1)) if excess else rng.random((4000, p)) < 0.5
    support, found = (np.asarray(a) for a in decode(code, parities))
    np.testing.assert_array_equal(parities_of(code, support[found]), parities[found])
    assert (support[~found] == n).all()
    # The share of all parity vectors that belong to some set of at most t; sets of t + 1 behave much like a random one.
    share = sum(comb(n, size) for size in range(t + 1)) / 2**p
    assert found.mean() == pytest.approx(share, rel=0.15)


def test_batches_jit_and_vmap():
    code = bch(20, 2)
    sets = sets_of(np.random.default_rng(0), 20, 2, 6, 2)
    parities = parities_of(code, sets).reshape(2, 3, -1)
    for support, found in (
        decode(code, parities),
        jax.jit(jax.vmap(jax.vmap(decode, (None, 0)), (None, 0)))(code, parities),
    ):
        assert found.shape == (2, 3)
        assert found.all()
        np.testing.assert_array_equal(support.reshape(6, 2), sets)
    support, found = decode(code, parities[:, :0])
    assert support.shape == (2, 0, 2)
    assert found.shape == (2, 0)
    with jax.enable_x64(True):
        assert jax.eval_shape(decode, code, parities)[0].dtype == jnp.int32


def test_equal_codes_share_a_program():
    parities = np.zeros((4, 10), bool)
    decode(bch(20, 2), parities)
    programs = decode._cache_size()
    support, found = decode(bch.__wrapped__(20, 2), parities)
    assert decode._cache_size() == programs
    assert found.all()
    assert (support == 20).all()


def test_a_wrong_number_of_parities():
    with pytest.raises(ValueError, match="has 10 parities but the last axis holds 9"):
        decode(bch(20, 2), np.zeros(9, bool))
