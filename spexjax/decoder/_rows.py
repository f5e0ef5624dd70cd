"""Work on a few rows out of many, at fixed shapes and at the cost of the chosen rows alone."""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Int

from spexjax.typing import Array

Carry = TypeVar("Carry")


def fold(
    chosen: Bool[Array, " rows"], block: int, step: Callable[[Int[Array, " block"], Carry], Carry], carry: Carry
) -> Carry:
    """Runs `carry = step(at, carry)` over blocks of the indices of the chosen rows, in increasing order.

    The last block is padded with the number of rows, which is out of range: `step` reads the last row there, and must
    write with `mode="drop"`.

    Args:
      chosen: which rows to visit.
      block: how many at a time.
      step: from the indices of a block and the carry to the new carry.
      carry: the first one.

    >>> fold(jnp.array([True, False, True]), 2, lambda at, total: total + at.sum(), jnp.int32(0)).item()
    2
    """
    counts = chosen.cumsum()  # the k-th chosen row is the first where this is k; writing them into a list is slower

    def visit(i, carry):
        at = jnp.searchsorted(counts, i * block + jnp.arange(1, block + 1))
        return step(at, carry)

    return jax.lax.fori_loop(0, -(-counts[-1] // block), visit, carry)
