"""Bins: the transforms of a subsampled design, and how much of them is noise.

A bin is a row, which holds its value at every delay. Rows run over signals, then groups, then the 2^b bins of a group.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from spexjax.designs import Subsampled
from spexjax.transforms import walsh_hadamard
from spexjax.typing import Array

_LOW = 0.25  # quantile of the bins that is taken for noise; right even if most bins hold several coefficients
_LOW_Z = -0.674  # the same quantile of a normal distribution
_ROUNDING = 8.0  # the least noise, in units of the machine epsilon times the root mean square of the values


class Bins(NamedTuple):
    """The bins of some signals, with the statistics that decoding reads again and again."""

    rows: Float[Array, "rows delays"]  # U
    energy: Float[Array, " rows"]  # the mean of U^2 over the delays
    spread: Float[Array, " rows"]  # the variance of |U| over the delays


def energy_and_spread(
    rows: Float[Array, "..."], axis: int = -1
) -> tuple[Float[jax.Array, "..."], Float[jax.Array, "..."]]:
    """The mean of U^2 and the variance of |U| over the delays of each bin.

    Args:
      rows: the bins.
      axis: that of the delays.
    """
    return jnp.mean(rows**2, axis), jnp.abs(rows).var(axis, ddof=1)


def to_bins(design: Subsampled, values: Float[Array, "signals m"]) -> Bins:
    """The bins `U_{c,d}[j] = 2^-b sum_l (-1)^{<l,j>} f(M_c^T l + d)`.

    Args:
      design: from `designs.subsampled`.
      values: of each signal, at the masks of the design.
    """
    size = 1 << design.bins_log2
    delays = len(design.delays)
    columns = walsh_hadamard(values.reshape(-1, delays, size)) / size
    energy, spread = energy_and_spread(columns, 1)  # faster than along the last axis
    return Bins(columns.swapaxes(1, 2).reshape(-1, delays), energy.ravel(), spread.ravel())


def bins_of(design: Subsampled, support: Int[Array, "*batch t"]) -> Int[jax.Array, "groups *batch"]:
    """The bin `M_c 1_S` of each S, in every group.

    Args:
      design: from `designs.subsampled`.
      support: the sets S, padded with n.
    """
    columns = (jnp.asarray(design.mixing, jnp.int32) << jnp.arange(design.bins_log2)[:, None]).sum(1, jnp.int32)
    return jnp.bitwise_xor.reduce(columns.at[:, support].get(mode="fill", fill_value=0), axis=-1)


def parities_of(design: Subsampled, support: Int[Array, "*batch t"]) -> Bool[jax.Array, "*batch delays"]:
    """`<d, 1_S>` of each S, at every delay.

    Args:
      design: from `designs.subsampled`.
      support: the sets S, padded with n.
    """
    return jnp.bitwise_xor.reduce(jnp.asarray(design.delays).T.at[support].get(mode="fill", fill_value=False), axis=-2)


def noise_floor(bins: Bins, power: Float[Array, " signals"]) -> Float[jax.Array, " signals"]:
    """The variance of the noise in the bins of each signal, from the bins themselves.

    If a bin holds one coefficient, the variance of |U| over its delays is that of the noise; if it holds none,
    (1 - 2/pi) times that. Bins of several coefficients have a much larger variance, so a low quantile shows the noise.

    Args:
      bins: after the peeling so far.
      power: the mean square of the values; its rounding error is a lower bound of the noise.
    """
    spread = bins.spread.reshape(len(power), -1)
    low = _kth_smallest(spread, round(_LOW * (spread.shape[1] - 1)))
    usual = (1 - 2 / math.pi) * mean_square(bins.rows.shape[1] - 1, _LOW_Z)
    least = (_ROUNDING * float(jnp.finfo(bins.rows.dtype).eps)) ** 2 * power
    return jnp.maximum(low / usual, least)


def _kth_smallest(values: Float[Array, "signals bins"], k: int) -> Float[jax.Array, " signals"]:
    """The k-th smallest value, k from 0, of values >= 0; bit by bit, on integers of the same order, to beat a sort."""
    size = jnp.finfo(values.dtype).bits
    bits = jax.lax.bitcast_convert_type(values, f"int{size}")

    def step(i, low):  # the largest number that no more than k values are below
        higher = low | jnp.ones_like(low) << (size - 2 - i).astype(low.dtype)
        return jnp.where((bits < higher[:, None]).sum(1) <= k, higher, low)

    low = jax.lax.fori_loop(0, size - 1, step, jnp.zeros(len(values), bits.dtype))
    return jax.lax.bitcast_convert_type(low, values.dtype)


def mean_square(degrees: int, z: float) -> float:
    """The mean of squared standard normals, z standard deviations from its expectation (Wilson and Hilferty 1931).

    Args:
      degrees: how many squares.
      z: standard deviations.

    >>> round(mean_square(50, 0.0), 2), round(mean_square(50, 3.0), 2)
    (0.99, 1.71)
    """
    return (1 - 2 / (9 * degrees) + z * math.sqrt(2 / (9 * degrees))) ** 3
