"""The part of a product kernel for features in an order, where neighbours interact more."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from spexjax._buckets import pad
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
    xp = jnp if isinstance(z, jax.Array) else np
    return xp.concatenate([after, wide, after[:, :-1] * z[:, 2:]], axis=1)


def variances_of_supports(near: Float[Array, " l"], support: Int[Array, "k d"], n: int) -> Float[Array, " k"]:
    """The entry of `near` for each support; 0 for one that is not a set of neighbours.

    Args:
      near: a variance for each of `neighbours`.
      support: the sets S, as in `Spectrum.support`.
      n: the number of features.
    """
    xp = jnp if isinstance(support, jax.Array) else np
    support = padded_support(support, n, support.shape[1] + 3)
    first, order = support[:, 0], (support < n).sum(1)
    one, two = support[:, 1] - first, support[:, 2] - support[:, 1]
    place = xp.where(one == 1, first, first + n - 1)
    place = xp.where(order == 3, first + 2 * n - 3, place)
    is_set = ((order == 2) & (one <= 2)) | ((order == 3) & (one == 1) & (two == 1))
    return xp.append(near, 0)[xp.where(is_set, place, len(near))]


def index_of_neighbours(
    n: int, sets: Int[Array, "k d"], at: Float[Array, " q"], mu: Float[Array, " q"]
) -> Float[Array, "k l"]:
    """The index `sum_q mu_q D_S(t_q)` of each `z_T`: by the derivatives of its multilinear extension,

        D_S(t) = (-2)^{|S|} (1 - 2t)^{|T| - |S|} [S ⊆ T].

    Args:
      n: the number of features.
      sets: k sets S of one or more features, padded with n.
      at: the probabilities t.
      mu: their weights.
    """
    sets, everything = jnp.asarray(sets), neighbours(n)
    is_inside = (sets[:, None, :, None] == everything[:, None, :]).any(-1) | (sets == n)[:, None]
    order, size = (sets < n).sum(1), (everything < n).sum(1)
    powers = _powers(at, mu)[jnp.maximum(size - order[:, None], 0)]
    return jnp.where(is_inside.all(-1), jnp.where(order % 2 == 0, 1, -1)[:, None] * 2.0 ** order[:, None] * powers, 0)


def add_neighbours(
    total: tuple[Float[Array, " n"], Float[Array, "n n"]],
    moments: Float[Array, " l"],
    at: Float[Array, " q"],
    mu: tuple[Float[Array, " q"], Float[Array, " q"]],
) -> tuple[Float[Array, " n"], Float[Array, "n n"]]:
    """Adds the index of `sum_T moments_T z_T` to those of all single features and of all pairs i < j; see
    `index_of_neighbours`.

    Args:
      total: the indices so far.
      moments: one for each of `neighbours`.
      at: the probabilities t.
      mu: their weights for single features, and for pairs.
    """
    one, two, everything = jnp.asarray(total[0]), jnp.asarray(total[1]), neighbours(len(total[0]))
    size = (everything < len(one)).sum(1)
    for_one, for_two = (_powers(at, weights) for weights in mu)
    one = one.at[everything].add(-2 * (for_one[size - 1] * moments)[:, None], mode="drop")
    for i, j in ((0, 1), (0, 2), (1, 2)):
        two = two.at[everything[:, i], everything[:, j]].add(4 * for_two[size - 2] * moments, mode="drop")
    return one, two


def _powers(at: Float[Array, " q"], mu: Float[Array, " q"]) -> Float[Array, "3"]:
    """`sum_q mu_q (1 - 2 t_q)^k` for k = 0, 1, 2."""
    base = 1 - 2 * at
    return jnp.stack([mu.sum(), mu @ base, mu @ base**2])


def regrouped(near: Float[Array, "*e l"], n: int, size: int) -> Float[Array, "*e L"]:
    """The variances of the neighbours among `size` features, given those among n: 0 for new ones, without lost ones.

    Args:
      near: a variance for each of `neighbours(n)`, or none at all.
      n: the number of features.
      size: the new number.

    >>> regrouped(np.array([1, 2, 3, 4]), 3, 4).tolist()
    [1, 2, 0, 3, 0, 4, 0]
    """
    near, counts = np.asarray(near), [[max(k - d, 0) for d in (1, 2, 2)] for k in (n, size)]
    if not near.shape[-1]:
        near = np.zeros((*near.shape[:-1], sum(counts[0])), np.float32)
    parts = np.split(near, np.cumsum(counts[0])[:-1], axis=-1)
    kept = [part[..., :new] for part, new in zip(parts, counts[1], strict=True)]
    return np.concatenate([pad(part, new) for part, new in zip(kept, counts[1], strict=True)], axis=-1)
