"""Gaussian process regression on masks under a product kernel."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Bool, Float, Int

from spexjax._host_program import host_program
from spexjax.gp._inverse import spd_inverse
from spexjax.gp._kernel import ProductKernel, gram
from spexjax.gp._neighbours import characters_of_neighbours
from spexjax.typing import Array, Masks

_RESIDUAL = 1e-4  # relative residual of the linear system above which double precision takes over
_JITTERS = (0.0, 1e-10)  # relative to the variance; the second if rounding makes the system indefinite


class Posterior(NamedTuple):
    """The weights alpha of the posterior mean, the inverse P, and the precision that both were computed in.

    P stays where it was computed, padded as it was there. Leaving masks out needs only its diagonal and the entries of
    partners, which are on the host.
    """

    alpha: Float[np.ndarray, " m"]
    inverse: Float[Array, "M M"]
    dtype: str
    partner: Int[np.ndarray, " m"]  # the row to leave out with each row; itself if none. An involution
    diagonal: Float[np.ndarray, " m"]  # P_ii
    cross: Float[np.ndarray, " m"]  # P_ij for the partner j of i, 0 where there is none
    others: Float[np.ndarray, "k m"]  # P t for other values t


def system_matrix(
    kernel: ProductKernel, k: Float[Array, "m m"], used: Float[Array, " m"] | None = None
) -> Float[Array, "m m"]:
    """`K + noise I`; the identity in the rows and columns of masks that are padding, which decouples them.

    Args:
      kernel: the prior.
      k: its `gram` of the masks.
      used: 1 for a mask and 0 for padding.
    """
    if used is None:
        return k + kernel.noise * jnp.eye(len(k), dtype=k.dtype)
    return k * used * used[:, None] + jnp.diag(jnp.where(used > 0, kernel.noise, 1))


def _covariances(kernel, z, added):
    """`gram` of the masks and, if there are any, functions with independent weights: their values times deviations."""
    k = gram(kernel, z, z)
    return k if added is None or not added.shape[1] else k + jnp.matmul(added, added.T, precision="highest")


def condition(
    kernel: ProductKernel, z: Float[Array, "m n"], y: Float[Array, " m"], used: Float[Array, " m"] | None = None
) -> tuple[Float[Array, " m"], Float[Array, "m m"]]:
    """The weights `alpha = (K + noise I)^-1 y` of the posterior mean `sum_j alpha_j k(x, x_j)`, and that inverse.

    Pure, in the precision of its arguments, and fit for `jax.jit` and `jax.vmap`; see `robust_condition`.

    Args:
      kernel: the prior.
      z: `signs` of the masks.
      y: the values there, of mean 0; 0 where there is padding.
      used: 1 for a mask and 0 for padding; all masks by default.
    """
    return _solved(system_matrix(kernel, gram(kernel, z, z), used), y)[:2]


@jax.default_matmul_precision("highest")
def _solved(
    system: Float[Array, "m m"], y: Float[Array, " m"]
) -> tuple[Float[Array, " m"], Float[Array, "m m"], Float[Array, " m"]]:
    """The solution, the inverse, and the residual."""
    inverse, _ = spd_inverse(system)
    alpha = inverse @ y
    alpha = alpha + inverse @ (y - system @ alpha)  # one step of refinement wins back two digits
    return alpha, inverse, system @ alpha - y


class Conditioned(NamedTuple):
    """What `condition` gives on the device, besides the inverse, and whether single precision was enough."""

    alpha: Float[Array, " m"]
    residual: Float[Array, ""]  # |(K + noise I) alpha - y| / |y|
    diagonal: Float[Array, " m"]
    cross: Float[Array, " m"]
    others: Float[Array, "k m"]


def checked_condition(
    kernel: ProductKernel,
    z: Float[Array, "m n"],
    y: Float[Array, " m"],
    partner: Int[Array, " m"],
    others: Float[Array, "k m"],
    used: Float[Array, " m"] | None = None,
    added: Float[Array, "m l"] | None = None,
) -> tuple[Conditioned, Float[Array, "m m"]]:
    """`condition`, with its residual and the entries of the inverse that leaving masks out needs; pure.

    Args:
      kernel: the prior.
      z: as in `condition`.
      y: as in `condition`.
      partner: as in `Posterior`.
      others: other values t, of mean 0, of which P t is wanted.
      used: as in `condition`.
      added: functions that the prior has besides: their values at the masks, times their standard deviations.
    """
    alpha, inverse, residual = _solved(system_matrix(kernel, _covariances(kernel, z, added), used), y)
    with jax.default_matmul_precision("highest"):
        products = others @ inverse
    diagonal, cross = _entries(inverse, partner)
    relative = jnp.linalg.norm(residual) / jnp.maximum(jnp.linalg.norm(y), jnp.finfo(y.dtype).tiny)
    return Conditioned(alpha, relative, diagonal, cross, products), inverse


def posterior_of(
    found: Conditioned,
    inverse: Float[Array, "M M"],
    kernel: ProductKernel,
    masks: Masks,
    y: Float[np.ndarray, " m"],
    partner: Int[np.ndarray, " m"],
    others: Float[np.ndarray, "k m"],
    added: Float[np.ndarray, "m l"] | None = None,
) -> Posterior:
    """The posterior on the host, computed again in double precision if single precision was not enough.

    Args:
      found: what the device computed, padded or not.
      inverse: P, which stays there.
      kernel: the prior, without padding.
      masks: bool `[m, n]`, without padding.
      y: the values there, of mean 0.
      partner: as in `Posterior`.
      others: as in `checked_condition`.
      added: as in `checked_condition`.
    """
    if found.residual <= _RESIDUAL:
        parts = found.alpha, found.diagonal, found.cross, found.others
        alpha, diagonal, cross, products = (np.asarray(part)[..., : len(y)] for part in parts)
        return Posterior(alpha, inverse, "float32", partner, diagonal, cross, products)
    inverse = host_inverse(kernel, masks, added)
    alpha, products = inverse @ np.asarray(y, np.float64), others @ inverse
    diagonal, cross = _entries(inverse, partner)
    return Posterior(alpha, inverse, "float64", partner, diagonal, cross, products)


_checked_condition = host_program(checked_condition)


def robust_condition(
    kernel: ProductKernel,
    z: Float[Array, "m n"],
    y: Float[Array, " m"],
    partner: Int[np.ndarray, " m"] | None = None,
    others: Float[np.ndarray, "k m"] | None = None,
) -> Posterior:
    """`condition` on the device in single precision; again on the host in double if that was not enough.

    Args:
      kernel: the prior.
      z: `signs` of the masks.
      y: the values there, of mean 0.
      partner: the row to leave out with each row; itself if none. An involution. By default no row has a partner.
      others: other values at the masks, of mean 0, for `errors_of_others`; none by default.
    """
    partner = np.arange(len(y)) if partner is None else partner
    others = np.zeros((0, len(y))) if others is None else others
    found, inverse = _checked_condition(kernel, z, jnp.asarray(y, jnp.float32), partner, np.asarray(others, np.float32))
    return posterior_of(found, inverse, kernel, np.asarray(z) < 0, np.asarray(y), partner, others)


def host_gram(kernel: ProductKernel, masks: Bool[Array, "m n"], masks2: Bool[Array, "l n"]) -> Float[np.ndarray, "m l"]:
    """`gram` of two lists of masks in double precision, on the host.

    Args:
      kernel: the prior.
      masks: bool `[m, n]`.
      masks2: bool `[l, n]`.
    """
    kernel = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), kernel)
    z, z2 = (1 - 2 * np.asarray(x, np.float64) for x in (masks, masks2))
    found = (z * kernel.linear) @ z2.T
    if kernel.near.any():
        found += (characters_of_neighbours(z) * kernel.near) @ characters_of_neighbours(z2).T
    for scale, rate in zip(kernel.scales, kernel.rates, strict=True):
        found += scale * np.exp(((z * rate) @ z2.T - rate.sum()) / 2)
    return found


def host_inverse(
    kernel: ProductKernel, masks: Masks, added: Float[np.ndarray, "m l"] | None = None
) -> Float[np.ndarray, "m m"]:
    """`(K + noise I)^-1` in double precision, on the host.

    Args:
      kernel: the prior.
      masks: bool `[m, n]`.
      added: as in `checked_condition`.

    Raises:
      ValueError: if the matrix is singular.
    """
    system = host_gram(kernel, masks, masks)
    if added is not None:
        system += added.astype(np.float64) @ added.T
    diagonal = system.diagonal() + float(kernel.noise)
    for jitter in _JITTERS:
        np.fill_diagonal(system, diagonal * (1 + jitter))
        factor, failed = scipy.linalg.lapack.dpotrf(system, lower=True)
        if not failed:
            inverse, _ = scipy.linalg.lapack.dpotri(factor, lower=True)  # the lower triangle
            return np.tril(inverse) + np.tril(inverse, -1).T
    raise ValueError("The kernel matrix is singular even in double precision; give the kernel some noise.")


def _entries(inverse, partner):
    """`P_ii`, and `P_ij` for the partner j of i, 0 where i has none."""
    i = np.arange(len(partner))
    return inverse[i, i], inverse[i, partner] * (i != partner)


def leave_one_out(y: Float[Array, " m"], posterior: Posterior) -> Float[np.ndarray, " m"]:
    """The prediction at each mask from all other masks: `y_i - alpha_i / P_ii` with `P = (K + noise I)^-1`.

    If the partner j of mask i is left out as well, the error at i is the first entry of
    `[[P_ii, P_ij], [P_ij, P_jj]]^-1 (alpha_i, alpha_j)`.

    Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), equation 5.12.

    Args:
      y: the values.
      posterior: conditioned on them.
    """
    alpha, own, cross, j = np.asarray(posterior.alpha), posterior.diagonal, posterior.cross, posterior.partner
    return np.asarray(y) - (own[j] * alpha - cross * alpha[j]) / (own * own[j] - cross**2)


def leave_one_out_variances(posterior: Posterior) -> Float[np.ndarray, " m"]:
    """The posterior variance at each mask, noise included, given all others: `1 / P_ii`.

    If its partner is left out as well, the first entry of `[[P_ii, P_ij], [P_ij, P_jj]]^-1`; see `leave_one_out`.
    """
    own, cross, j = posterior.diagonal, posterior.cross, posterior.partner
    return own[j] / (own * own[j] - cross**2)


def errors_of_others(posterior: Posterior) -> Float[np.ndarray, "k m"]:
    """The leave-one-out errors for other values that the kernel was not trained on: `(P t)_i / P_ii`.

    Args:
      posterior: of the kernel, with those `others`.
    """
    return np.asarray(posterior.others, np.float64) / posterior.diagonal
