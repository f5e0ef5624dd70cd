"""Co-values of a language model: a random projection of the hidden states that the value is read from."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from spexjax.typing import Array

COVALUES = 128  # c
_PLACES = 8  # states with projections of their own; further ones share them


def sketch(hidden: Float[Array, "b k d"]) -> Float[Array, "b c"]:
    """`sum_k R_k h_k / sqrt(k d)`, with fixed matrices R of independent signs, `[c, d]`.

    So c numbers keep the inner products of all states side by side, up to a relative error of about `sqrt(2 / c)`, and
    their size does not depend on the model's.

    Source: Johnson and Lindenstrauss (1984); signs: Achlioptas (2003).

    Args:
      hidden: the normed states at the k tokens that are read, of b inputs.
    """
    _, k, d = hidden.shape
    signs = jax.random.rademacher(jax.random.key(0), (min(k, _PLACES), d, COVALUES), hidden.dtype)
    chosen = signs[np.arange(k) % _PLACES]
    return jnp.einsum("bkd,kdc->bc", hidden, chosen, preferred_element_type=jnp.float32) / np.sqrt(k * d)
