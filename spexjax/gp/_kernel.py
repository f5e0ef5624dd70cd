"""Product kernels on the hypercube: Gaussian process priors that are sparse, of low degree and hierarchical."""

import dataclasses

import jax
import jax.numpy as jnp
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
    near: Leaf  # u: Float[l], or Float[0] where features have no order
    noise: Leaf  # Float[]

    @property
    def shrinkage(self) -> Float[Array, "r n"]:
        """`lambda_ri`: the factor by which feature i in S shrinks the variance of F(S)."""
        return jnp.tanh(self.rates / 2)

    @property
    def constants(self) -> Float[Array, " r"]:
        """`C_r`: the variance of the constant coefficient."""
        return self.scales * jnp.exp(jnp.log1p(jnp.expm1(-self.rates) / 2).sum(-1))

    @property
    def variance(self) -> Float[Array, ""]:
        """`k(x, x)`, the same at every mask, without the noise."""
        return self.scales.sum() + self.linear.sum() + self.near.sum()


def terms(kernel: ProductKernel, z: Float[Array, "m n"]) -> Float[Array, "m _"]:
    """`z_i` of every feature, and `z_T` of all neighbours if the kernel has a part for them.

    Args:
      kernel: the prior.
      z: `signs` of m masks.
    """
    return jnp.concatenate([z, characters_of_neighbours(z)], axis=1) if kernel.near.shape[-1] else z


def signs(masks: Masks) -> Float[Array, "m n"]:
    """`z = (-1)^x`: -1 where a feature is kept."""
    return 1 - 2 * jnp.asarray(masks, jnp.float32)


@jax.default_matmul_precision("highest")
def components(kernel: ProductKernel, z: Float[Array, "m n"], z2: Float[Array, "l n"]) -> Float[Array, "r m l"]:
    """`prod_i e^{-w_ri [x_i != x'_i]}` for every pair of masks.

    Args:
      kernel: the prior.
      z: `signs` of m masks.
      z2: `signs` of l masks.
    """
    (r, n), m = kernel.rates.shape, len(z)
    overlap = (kernel.rates[:, None] * z).reshape(r * m, n) @ z2.T
    return jnp.exp((overlap.reshape(r, m, len(z2)) - kernel.rates.sum(1)[:, None, None]) / 2)


@jax.default_matmul_precision("highest")
def combine(
    kernel: ProductKernel, parts: Float[Array, "r m l"], z: Float[Array, "m n"], z2: Float[Array, "l n"]
) -> Float[Array, "m l"]:
    """`k(x, x')` from its `components`.

    Args:
      kernel: the prior.
      parts: the components.
      z: `signs` of m masks.
      z2: `signs` of l masks.
    """
    # A product with the scales, not a sum: XLA would fuse a sum into each of its users and compute it there again.
    sparse = jnp.concatenate([kernel.linear, kernel.near])
    return (terms(kernel, z) * sparse) @ terms(kernel, z2).T + (kernel.scales @ parts.reshape(len(parts), -1)).reshape(
        parts.shape[1:]
    )


def gram(kernel: ProductKernel, z: Float[Array, "m n"], z2: Float[Array, "l n"]) -> Float[Array, "m l"]:
    """`k(x, x')` for every pair of masks, without the noise.

    Args:
      kernel: the prior.
      z: `signs` of m masks.
      z2: `signs` of l masks.
    """
    return combine(kernel, components(kernel, z, z2), z, z2)
