"""Inverse and determinant of a positive definite matrix, almost wholly by matrix products."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from spexjax.typing import Array

_LEAF = 128


def spd_inverse(a: Float[Array, "m m"]) -> tuple[Float[Array, "m m"], Float[Array, ""]]:
    """`A^-1` and `log det A` of a symmetric positive definite A, by halving.

    With `A = [[P, Q], [Q', R]]` and the Schur complement `S = R - Q' P^-1 Q`,

        A^-1 = [[P^-1 + P^-1 Q S^-1 Q' P^-1, -P^-1 Q S^-1], [., S^-1]],    log det A = log det P + log det S,

    down to blocks of 128 that are factored by Cholesky. Matrix products are what every device does fastest: on CPU
    this takes half the time of a triangular factorisation and two solves, and on an accelerator much less. It loses
    about one digit more than they do. Both results are NaN where A is not positive definite to working precision.
    """
    m = len(a)
    if m <= _LEAF:
        lower = jnp.linalg.cholesky(a)
        inverse = jax.lax.linalg.triangular_solve(lower, jnp.eye(m, dtype=a.dtype), left_side=True, lower=True)
        return inverse.T @ inverse, 2 * jnp.log(jnp.diagonal(lower)).sum()
    half = m // 2
    q = a[:half, half:]
    p_inverse, p_log = spd_inverse(a[:half, :half])
    pq = p_inverse @ q
    s_inverse, s_log = spd_inverse(a[half:, half:] - q.T @ pq)
    corner = pq @ s_inverse
    return jnp.block([[p_inverse + corner @ pq.T, -corner], [-corner.T, s_inverse]]), p_log + s_log
