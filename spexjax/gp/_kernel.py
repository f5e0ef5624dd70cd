"""Product kernels on the hypercube: Gaussian process priors that are sparse, of low degree and hierarchical."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from spexjax._equality import by_content
from spexjax.gp._neighbours import characters_of_neighbours
from spexjax.typing import Array, Leaf, Masks


@by_content
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class ProductKernel:
    """A covariance of functions of masks: product kernels of several rates, a linear one, and one of neighbours.

        k(x, x') = sum_r c_r prod_i e^{-w_ri [x_i != x'_i]} + sum_i v_i z_i z'_i + sum_T u_T z_T z'_T,    z = (-1)^x

    where `z_T = prod_{i in T} z_i` and T runs over the sets of neighbouring features (`neighbours`).

    A product kernel is `C_r prod_i (1 + lambda_ri z_i z'_i)` with `lambda = tanh(w / 2)` and
    `C_r = c_r prod_i (1 + e^{-w_ri}) / 2`: under it the coefficients F(S) are independent with variance
    `C_r prod_{i in S} lambda_ri`, which falls with the order of S and is large only if every feature of S matters.

    `noise` is the variance of what the kernels do not describe. Ablations are deterministic, so this is not
    measurement error but the part of the function that is too fine to be learned: a white function.
    """

    scales: Leaf  # c: Float[r]
    rates: Leaf  # w: Float[r, n]
    linear: Leaf  # v: Float[n]
    near: Leaf  # u: Float[l], all 0 or Float[0] where features have no order
    noise: Leaf  # Float[]

    @property
    def shrinkage(self) -> Float[Array, "r n"]:
        """`lambda_ri`: the factor by which feature i in S shrinks the variance of F(S)."""
        return self._module.tanh(self.rates / 2)

    @property
    def constants(self) -> Float[Array, " r"]:
        """`C_r`: the variance of the constant coefficient."""
        xp = self._module
        return self.scales * xp.exp(xp.log1p(xp.expm1(-self.rates) / 2).sum(-1))

    @property
    def variance(self) -> Float[Array, ""]:
        """`k(x, x)`, the same at every mask, without the noise."""
        return self._module.asarray(self.scales.sum() + self.linear.sum() + self.near.sum())

    @property
    def _module(self) -> Any:
        """numpy for kernels on the host, so that small sums need no program of their own; else JAX."""
        return np if isinstance(self.rates, np.ndarray) else jnp


def signs(masks: Masks) -> Float[Array, "m n"]:
    """`z = (-1)^x`: -1 where a feature is kept."""
    if isinstance(masks, jax.Array):
        return 1 - 2 * masks.astype(jnp.float32)
    return 1 - 2 * np.asarray(masks, np.float32)


@jax.default_matmul_precision("highest")
def overlaps(kernel: ProductKernel, z: Float[Array, "m n"], z2: Float[Array, "l n"]) -> Float[Array, "r m l"]:
    """`sum_i w_ri z_i z'_i` for every pair of masks.

    Args:
      kernel: the prior.
      z: `signs` of m masks.
      z2: `signs` of l masks.
    """
    (r, n), m = kernel.rates.shape, len(z)
    return ((kernel.rates[:, None] * z).reshape(r * m, n) @ z2.T).reshape(r, m, len(z2))


def decays(kernel: ProductKernel, overlap: Float[Array, "r m l"]) -> Float[Array, "r m l"]:
    """`prod_i e^{-w_ri [x_i != x'_i]}` for every pair of masks, from their `overlaps`.

    The overlaps with a mask's complement have the opposite sign.
    """
    return jnp.exp((overlap - kernel.rates.sum(1)[:, None, None]) / 2)


@jax.default_matmul_precision("highest")
def combine(
    kernel: ProductKernel, parts: Float[Array, "r m l"], z: Float[Array, "m n"], z2: Float[Array, "l n"]
) -> Float[Array, "m l"]:
    """`k(x, x')` from its product components.

    Args:
      kernel: the prior.
      parts: the components, as `decays` gives them.
      z: `signs` of m masks.
      z2: `signs` of l masks.
    """
    # A product with the scales, not a sum: XLA would fuse a sum into each of its users and compute it there again.
    smooth = (kernel.scales @ parts.reshape(len(parts), -1)).reshape(parts.shape[1:])
    return with_neighbours(
        kernel,
        (z * kernel.linear) @ z2.T + smooth,
        lambda k: k + (characters_of_neighbours(z) * kernel.near) @ characters_of_neighbours(z2).T,
    )


def with_neighbours(kernel: ProductKernel, value: Any, add: Callable[[Any], Any]) -> Any:
    """`add(value)` if the kernel has a part for neighbours, else `value`: a switch that is traced, not compiled twice.

    Args:
      kernel: the prior.
      value: what the other parts give.
      add: adds the part of the neighbours; the result has the shape of `value`.
    """
    if not kernel.near.shape[-1]:
        return value
    if isinstance(kernel.near, np.ndarray) and not isinstance(value, jax.Array):
        return add(value) if kernel.near.any() else value
    return jax.lax.cond(jnp.any(kernel.near), add, lambda same: same, value)


def gram(kernel: ProductKernel, z: Float[Array, "m n"], z2: Float[Array, "l n"]) -> Float[Array, "m l"]:
    """`k(x, x')` for every pair of masks, without the noise.

    Args:
      kernel: the prior.
      z: `signs` of m masks.
      z2: `signs` of l masks.
    """
    return combine(kernel, decays(kernel, overlaps(kernel, z, z2)), z, z2)
