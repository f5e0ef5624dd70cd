"""Sizes that arrays are padded to, so that games of about the same size share one compiled program.

Compiling takes seconds, and XLA compiles for every shape anew. So masks and features are padded to few sizes: a padded
mask has no weight, and a padded feature no rate. Padding adds at most a third, beyond the smallest size.
"""

import jax
import jax.numpy as jnp
import numpy as np

from spexjax.typing import Array

_LEAST = 8


def bucket(size: int) -> int:
    """The least of 8, 10, 12, 16, 20, 24, 32, ... that is not below `size`: `2^k` times 1, 5/4 or 3/2.

    If sizes are spread evenly on a log scale, work that grows with their cube grows by 1.47 on average.

    >>> [bucket(size) for size in (3, 9, 61, 500, 513)]
    [8, 10, 64, 512, 640]
    """
    octave = max(_LEAST, 1 << max(0, size - 1).bit_length()) // 2
    return next(found for found in (octave, octave * 5 // 4, octave * 3 // 2, octave * 2) if found >= max(size, _LEAST))


def pad(array: Array, *sizes: int, fill: int | float = 0) -> Array:
    """Pads the last axes of an array at their ends; on the host, unless the array is JAX's.

    Args:
      array: `[..., s_1, ..., s_k]`.
      sizes: the new lengths of the last k axes.
      fill: the new entries.
    """
    xp = jnp if isinstance(array, jax.Array) else np
    shape = np.shape(array)
    widths = [(0, 0)] * (len(shape) - len(sizes))
    widths += [(0, new - old) for new, old in zip(sizes, shape[len(shape) - len(sizes) :], strict=True)]
    return xp.pad(array, widths, constant_values=fill)
