"""Fast Walsh-Hadamard and Möbius transforms: n butterfly stages over the 2^n subsets of n features.

Position j of the last axis is the subset of the set bits of j: bit i is feature i, little-endian.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from spexjax.typing import Array

Pair = tuple[Any, Any]


@jax.jit
def walsh_hadamard(values: Float[Array, "*batch size"]) -> Float[jax.Array, "*batch size"]:
    """The unnormalised Walsh-Hadamard transform `(H f)(S) = sum_x f(x) (-1)^{|S ∩ x|}`, in n 2^n additions.

    `walsh_hadamard(f) / 2^n` holds the Fourier coefficients of f, and the transform of those is f again.

    Args:
      values: `[..., 2^n]`, f at every mask; leading axes are batches.

    Returns:
      An array of the same shape and dtype.

    Raises:
      ValueError: if the last axis is not of length 2^n.

    >>> walsh_hadamard(jnp.array([1.0, 2.0, 3.0, 4.0])).tolist()
    [10.0, -2.0, -4.0, 0.0]
    """
    return _butterfly(values, _sum_and_difference)


def host_walsh_hadamard(values: Float[np.ndarray, "*batch size"]) -> Float[np.ndarray, "*batch size"]:
    """`walsh_hadamard` by numpy: every n would be a program of its own, which takes longer than the additions.

    Args:
      values: `[..., 2^n]`, f at every mask; leading axes are batches.

    Raises:
      ValueError: as `walsh_hadamard`.
    """
    return _butterfly(values, _sum_and_difference)


def _sum_and_difference(without: Any, kept: Any) -> tuple[Any, Any]:
    return without + kept, without - kept


@jax.jit
def mobius(values: Float[Array, "*batch size"]) -> Float[jax.Array, "*batch size"]:
    """The Möbius transform `a(T) = sum_{S ⊆ T} (-1)^{|T|-|S|} f(S)`, inverse of `zeta`.

    Args:
      values: `[..., 2^n]`, f at every mask; leading axes are batches.

    Returns:
      An array of the same shape and dtype.

    Raises:
      ValueError: if the last axis is not of length 2^n.

    >>> mobius(jnp.array([1.0, 2.0, 3.0, 5.0])).tolist()
    [1.0, 1.0, 2.0, 1.0]
    """
    return _butterfly(values, lambda without, kept: (without, kept - without))


@jax.jit
def zeta(coefficients: Float[Array, "*batch size"]) -> Float[jax.Array, "*batch size"]:
    """The zeta transform `f(S) = sum_{T ⊆ S} a(T)`, inverse of `mobius`.

    Args:
      coefficients: `[..., 2^n]`, a at every subset; leading axes are batches.

    Returns:
      An array of the same shape and dtype.

    Raises:
      ValueError: if the last axis is not of length 2^n.

    >>> zeta(jnp.array([1.0, 1.0, 2.0, 1.0])).tolist()
    [1.0, 2.0, 3.0, 5.0]
    """
    return _butterfly(coefficients, lambda without, kept: (without, without + kept))


def _butterfly(x: Any, step: Callable[..., Pair]) -> Any:
    """Applies `step` to the pairs of subsets without and with feature i, for each i in turn."""
    size = x.shape[-1]
    if size < 1 or size & (size - 1):
        raise ValueError(f"The last axis holds one entry per subset, so its length must be 2^n; got {size}.")
    xp = jnp if isinstance(x, jax.Array) else np
    # Each stage works on bit 0 and moves it to the top, so that after n stages every bit is home again.
    # Strided halves compile and run faster than a reshape to [..., 2, 2^i].
    for _ in range(size.bit_length() - 1):
        x = xp.concatenate(step(x[..., ::2], x[..., 1::2]), -1)
    return xp.asarray(x)
