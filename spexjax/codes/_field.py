"""The finite field GF(2^m) through exponentials and logarithms of a primitive element.

An element is the integer whose bit i is the coefficient of alpha^i, so addition is XOR.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from spexjax.typing import Array

# The Conway polynomials, bit i for x^i; alpha = x is primitive for each.
_POLYNOMIALS = {
    2: 0x7,
    3: 0xB,
    4: 0x13,
    5: 0x25,
    6: 0x5B,
    7: 0x83,
    8: 0x11D,
    9: 0x211,
    10: 0x46F,
    11: 0x805,
    12: 0x10EB,
    13: 0x201B,
    14: 0x40A9,
}
MAX_DEGREE = max(_POLYNOMIALS)


class Field(NamedTuple):
    """GF(2^m) with N = 2^m - 1 nonzero elements, the powers of alpha."""

    degree: int  # m
    exp: Int[np.ndarray, " 2*N"]  # exp[i] = alpha^i: two periods, so that a sum of two logarithms needs no modulo
    log: Int[np.ndarray, " N+1"]  # log[0] = 2N, past the end of exp, where a gather reads 0


@functools.cache
def field(degree: int) -> Field:
    """The tables of GF(2^m), built once per m.

    Args:
      degree: m.

    Raises:
      ValueError: if m is not in 2..14.

    >>> field(3).exp.tolist()
    [1, 2, 4, 3, 6, 7, 5, 1, 2, 4, 3, 6, 7, 5]
    """
    if degree not in _POLYNOMIALS:
        raise ValueError(f"Fields GF(2^m) are tabulated for m = 2..{MAX_DEGREE}; got m = {degree}.")
    powers = [1]
    for _ in range((1 << degree) - 2):
        double = powers[-1] << 1
        powers.append(double ^ (_POLYNOMIALS[degree] if double >> degree else 0))
    log = np.full(len(powers) + 1, 2 * len(powers), np.int32)
    log[powers] = np.arange(len(powers))
    exp = np.array(powers * 2, np.int32)
    exp.flags.writeable = log.flags.writeable = False
    return Field(degree, exp, log)


def multiply(field: Field, a: Int[Array, "*#batch"], b: Int[Array, "*#batch"]) -> Int[jax.Array, "*batch"]:
    """The product a b, elementwise with broadcasting.

    Args:
      field: from `field`.
      a: elements.
      b: elements.
    """
    log = jnp.asarray(field.log)
    return _power(field, log[a] + log[b])


def inverse(field: Field, a: Int[Array, "*batch"]) -> Int[jax.Array, "*batch"]:
    """The inverse 1 / a, and 0 for a = 0.

    Args:
      field: from `field`.
      a: elements.
    """
    return _power(field, len(field.exp) // 2 - jnp.asarray(field.log)[a])


def _power(field: Field, exponent: Int[jax.Array, "*batch"]) -> Int[jax.Array, "*batch"]:
    """alpha^exponent, 0 outside the table: the logarithm of 0 leads there from any sum or difference."""
    return jnp.asarray(field.exp).at[exponent].get(mode="fill", fill_value=0, wrap_negative_indices=False)
