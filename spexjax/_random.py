"""Random numbers of a PRNG key on the host: those of `jax.random`, but by few programs whatever their number.

`jax.random` compiles a program for every shape. Here a key gives its first 1,024 bits, or 8 times as many, and so on,
of which as many are used as are wanted.
"""

import math
from functools import partial

import jax
import numpy as np
from jaxtyping import Float, Int, UInt32

from spexjax.typing import Key

_KEYS = 8
_LEAST, _FACTOR = 1 << 10, 8


def split_key(key: Key, count: int) -> list[Key]:
    """`jax.random.split(key, count)`, as a list.

    Args:
      key: PRNG key, consumed.
      count: how many keys are wanted.
    """
    return list(_draw(key, _LEAST, _KEYS * -(-count // _KEYS))[0])[:count]


def uniforms(key: Key, *shape: int) -> Float[np.ndarray, "..."]:
    """`jax.random.uniform(key, shape)`: float32 in [0, 1).

    Args:
      key: PRNG key, consumed.
      shape: of the numbers.
    """
    numbers = _bits(key, math.prod(shape)) >> 9 | np.float32(1).view(np.uint32)
    return (numbers.view(np.float32) - np.float32(1)).reshape(shape)


def permutation(key: Key, size: int, most: int | None = None) -> Int[np.ndarray, " m"]:
    """The first entries of `jax.random.permutation(key, size)`.

    Args:
      key: PRNG key, consumed.
      size: of the permutation.
      most: m, how many entries are wanted; all by default.
    """
    order, place = np.arange(size), np.arange(size, dtype=np.uint64)
    rounds = math.ceil(3 * math.log(max(1, size)) / math.log(np.iinfo(np.uint32).max))
    for left in reversed(range(rounds)):
        key, draw = split_key(key, 2)
        ranks = _bits(draw, size).astype(np.uint64) << np.uint64(32) | place  # as a stable argsort, but far faster
        if not left and most is not None and 0 < most < size:
            ranks = np.partition(ranks, most - 1)[:most]
        order = order[np.sort(ranks) & np.uint64(0xFFFFFFFF)]
    return order[:most]


def random_seed(key: Key) -> int:
    """A seed below 2^31 for a library that draws its own numbers.

    Args:
      key: PRNG key, consumed.
    """
    return int(_bits(key, 1)[0] >> 1)


def _bits(key: Key, count: int) -> UInt32[np.ndarray, " c"]:
    length = _LEAST
    while length < count:
        length *= _FACTOR
    return np.asarray(_draw(key, length, _KEYS)[1])[:count]


def _draw(key, num_bits, num_keys):
    with jax.enable_x64(False):  # the same bits, whatever the user has set
        return _program(key, num_bits, num_keys)


@partial(jax.jit, static_argnums=(1, 2))
def _program(key, num_bits, num_keys):
    keys = jax.random.split(key, num_keys)
    return tuple(keys[i] for i in range(num_keys)), jax.random.bits(key, (num_bits,))
