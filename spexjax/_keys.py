"""PRNG keys and permutations by one compiled program, whatever their number."""

from functools import partial

import jax
import numpy as np
from jaxtyping import Int

from spexjax._buckets import bucket
from spexjax.typing import Key

_KEYS, _BITS = 8, 1024  # made at once, of which the first ones are used


def split_key(key: Key, count: int) -> list[Key]:
    """`jax.random.split(key, count)` as a list, with one program for up to 8 keys.

    Args:
      key: PRNG key, consumed.
      count: how many keys are wanted.
    """
    keys, _ = _draw(key, max(_KEYS, bucket(count)), _BITS)
    return list(keys)[:count]


def permutation(key: Key, size: int) -> Int[np.ndarray, " m"]:
    """A random order of 0..m-1, with one program for all m up to 1024, and one for each bucket beyond.

    Args:
      key: PRNG key, consumed.
      size: m.
    """
    _, bits = _draw(key, _KEYS, max(_BITS, bucket(size)))
    return np.argsort(np.asarray(bits)[:size], kind="stable")


@partial(jax.jit, static_argnums=(1, 2))
def _draw(key, num_keys, num_bits):
    keys = jax.random.split(key, num_keys)
    return tuple(keys[i] for i in range(num_keys)), jax.random.bits(key, (num_bits,))
