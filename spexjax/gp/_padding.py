"""Kernels with features that are padding: without a rate or a variance, they change nothing."""

import jax
import numpy as np
from jaxtyping import Float

from spexjax._buckets import pad
from spexjax.gp._kernel import ProductKernel
from spexjax.gp._neighbours import regrouped
from spexjax.typing import Masks


def resized(kernel: ProductKernel, size: int, components: int | None = None) -> ProductKernel:
    """The kernel of the first features and product components, or with ones of rate or scale 0 added.

    It always has a part for neighbours, whose variances may be 0.

    Args:
      kernel: with any leading axes, on the host.
      size: the new number of features.
      components: the new number of product components; by default as many as there are.
    """
    kernel = jax.tree.map(np.asarray, kernel)
    (r, n), linear = kernel.rates.shape[-2:], kernel.linear[..., :size]
    r = components or r
    near = regrouped(kernel.near, n, size).astype(linear.dtype)
    rates = pad(kernel.rates[..., :r, :size], r, size)
    return ProductKernel(pad(kernel.scales[..., :r], r), rates, pad(linear, size), near, kernel.noise)


def padded_signs(masks: Masks, num_masks: int, num_features: int) -> Float[np.ndarray, "M N"]:
    """`signs` of masks, 0 where there is padding.

    Args:
      masks: bool `[m, n]`.
      num_masks: M.
      num_features: N.
    """
    return pad(1 - 2 * np.asarray(masks, np.float32), num_masks, num_features)
