"""Compiling is timed wherever it happens, and no stretch of it twice."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spexjax._compiling import Compiling, compiling


def compiled(constant):
    """A new program, inside which another is traced."""
    inner = jax.jit(lambda x: jnp.sin(x) + constant)
    return jax.jit(lambda x: inner(x) * inner(2 * x))


def test_a_new_program_takes_time_and_a_known_one_none():
    program, x = compiled(3), np.ones(3, np.float32)
    with compiling() as outer, compiling() as first:
        start = time.perf_counter()
        program(x)
        passed = time.perf_counter() - start
    with compiling() as second:
        program(x)
    assert 0 < first.seconds <= passed
    assert outer.seconds == pytest.approx(first.seconds, rel=0.1)
    assert second.seconds == 0
    program = compiled(4)
    before = outer.seconds
    program(x)
    assert outer.seconds == before


def test_stretches_that_overlap_count_once():
    watch = Compiling()
    time.sleep(0.06)
    for seconds in (0.01, 0.05, 0.02, 100.0):  # what began before the watch does not count
        watch.add(seconds)
    assert 0.06 <= watch.seconds < 1


def test_a_failed_block_is_no_longer_watched():
    with pytest.raises(RuntimeError), compiling() as watch:
        raise RuntimeError
    compiled(5)(np.ones(2, np.float32))
    assert watch.seconds == 0
