"""The part of a product kernel for features in an order, where neighbours interact more."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from spexjax.spectrum import padded_support
from spexjax.typing import Array


def neighbours(n: int) -> Int[np.ndarray, "l 3"]:
    """The sets T of neighbouring features: pairs at distance 1, at distance 2, and three in a row; padded with n.

    >>> neighbours(3).tolist()
    [[0, 1, 3], [1, 2, 3], [0, 2, 3], [0, 1, 2]]
    """
    close, wide, three = (np.arange(n)[:, None] + np.array(offsets) for offsets in ((0, 1, n), (0, 2, n), (0, 1, 2)))
    return np.minimum(np.concatenate([close[: max(n - 1, 0)], wide[: max(n - 2, 0)], three[: max(n - 2, 0)]]), n)


def characters_of_neighbours(z: Float[Array, "m n"]) -> Float[Array, "m l"]:
    """`z_T = prod_{i in T} z_i` for each of `neighbours`."""
    after, wide = z[:, :-1] * z[:, 1:], z[:, :-2] * z[:, 2:]
    return jnp.concatenate([after, wide, after[:, :-1] * z[:, 2:]], axis=1)


def variances_of_supports(near: Float[Array, " l"], support: Int[Array, "k d"], n: int) -> Float[Array, " k"]:
    """The entry of `near` for each support; 0 for one that is not a set of neighbours.

    Args:
      near: a variance for each of `neighbours`.
      support: the sets S, as in `Spectrum.support`.
      n: the number of features.
    """
    support = padded_support(jnp.asarray(support), n, support.shape[1] + 3)
    first, order = support[:, 0], (support < n).sum(1)
    one, two = support[:, 1] - first, support[:, 2] - support[:, 1]
    place = jnp.where(one == 1, first, first + n - 1)
    place = jnp.where(order == 3, first + 2 * n - 3, place)
    is_set = ((order == 2) & (one <= 2)) | ((order == 3) & (one == 1) & (two == 1))
    return jnp.asarray(near).at[jnp.where(is_set, place, len(near))].get(mode="fill", fill_value=0)


def derivatives_of_neighbours(
    n: int, sets: Int[Array, "k s"], at: Float[Array, " q"]
) -> tuple[Float[Array, "q l"], Float[Array, "k l"]]:
    """The derivative at S of the multilinear extension of `z_T`: the product of the two results, `[q, l]` and `[k, l]`.

        D_S(t) = (-2)^{|S|} (1 - 2t)^{|T| - |S|} [S ⊆ T]

    Args:
      n: the number of features.
      sets: k sets of s features each, s >= 1.
      at: the probabilities t.
    """
    everything, s = neighbours(n), sets.shape[1]
    inside = (jnp.asarray(sets)[:, None, :, None] == everything[:, None, :]).any(-1).all(-1)
    degree = np.maximum((everything < n).sum(1) - s, 0)
    return (1 - 2 * at[:, None]) ** degree, (-2.0) ** s * inside
