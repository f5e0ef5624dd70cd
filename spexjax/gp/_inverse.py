"""Inverse and determinant of a positive definite matrix, almost entirely by matrix products."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from spexjax.typing import Array

_LEAF = 128


def spd_inverse(a: Float[Array, "m m"]) -> tuple[Float[Array, "m m"], Float[Array, ""]]:
    """`A^-1` and `log det A` of a symmetric positive definite A, by halving.

    With `A = [[P, Q], [Q', R]]` and the Schur complement `S = R - Q' P^-1 Q`,

        A^-1 = [[P^-1 + P^-1 Q S^-1 Q' P^-1, -P^-1 Q S^-1], [., S^-1]],    log det A = log det P + log det S,

    down to small blocks, which are inverted by pivoting. Every device is fastest at matrix products, and no call leaves
    XLA for a linear algebra library whose threads would compete with its own: on a CPU this takes less than half the
    time of a Cholesky factorisation and two solves. It loses about one digit more than they do. Both results are NaN if
    A is not positive definite to working precision.
    """
    m = len(a)
    if m <= _LEAF:
        return _sweep(a)
    half = m // 2
    q = a[:half, half:]
    p_inverse, p_log = spd_inverse(a[:half, :half])
    pq = p_inverse @ q
    s_inverse, s_log = spd_inverse(a[half:, half:] - q.T @ pq)
    corner = pq @ s_inverse
    return jnp.block([[p_inverse + corner @ pq.T, -corner], [-corner.T, s_inverse]]), p_log + s_log


def _sweep(a: Float[Array, "m m"]) -> tuple[Float[Array, "m m"], Float[Array, ""]]:
    """The same by m symmetric pivots: after sweeping every row, A has become -A^-1; the pivots multiply to det A."""
    place = jnp.arange(len(a))

    def pivot(k, state):
        a, log_det = state
        row, p = a[k], a[k, k]
        scaled = jnp.where(place == k, -1, row) / p
        cross = (place == k)[:, None] | (place == k)
        new = jnp.where(cross, jnp.where(place == k, scaled[:, None], scaled), a - row[:, None] * (row / p))
        return new, log_det + jnp.log(jnp.where(p > 0, p, jnp.nan))

    a, log_det = jax.lax.fori_loop(0, len(a), pivot, (a, jnp.zeros((), a.dtype)))
    return jnp.where(jnp.isfinite(log_det), -a, jnp.nan), log_det
