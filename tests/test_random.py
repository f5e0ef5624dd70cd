"""Random numbers on the host against those of `jax.random`."""

import logging

import jax
import numpy as np
import pytest

from spexjax._random import permutation, random_seed, split_key, uniforms

KEY = jax.random.key(3)


@pytest.mark.parametrize("size", [0, 1, 2, 7, 512, 2000, 50_000])
def test_permutation(size):
    whole = jax.random.permutation(KEY, size)
    np.testing.assert_array_equal(permutation(KEY, size), whole)
    for most in (0, 1, 100, size):
        np.testing.assert_array_equal(permutation(KEY, size, most), whole[:most])


@pytest.mark.parametrize("shape", [(), (0,), (3,), (500, 61), (3, 4, 5)])
def test_uniforms(shape):
    np.testing.assert_array_equal(uniforms(KEY, *shape), jax.random.uniform(KEY, shape))


@pytest.mark.parametrize("count", [1, 2, 8, 13])
def test_split_key(count):
    found = [jax.random.key_data(key) for key in split_key(KEY, count)]
    np.testing.assert_array_equal(found, jax.random.key_data(jax.random.split(KEY, count)))


def test_seeds_differ_and_fit_into_31_bits():
    seeds = {random_seed(key) for key in split_key(KEY, 8)}
    assert len(seeds) == 8
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_any_number_takes_the_same_program(caplog):
    uniforms(KEY, 3)
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        uniforms(KEY, 17, 5)
        permutation(KEY, 900)
        split_key(KEY, 5)
    assert not [record for record in caplog.records if "Finished XLA compilation" in record.getMessage()]
