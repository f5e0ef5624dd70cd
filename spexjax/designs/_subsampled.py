"""The masks of SPEX: subsampled Walsh-Hadamard transforms, at delays that identify the coefficient in a bin."""

import dataclasses
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, UInt8

from spexjax._equality import by_content
from spexjax._random import split_key
from spexjax.codes import BCH, bch, parity_size, random_full_rank
from spexjax.typing import Array, Key, Leaf, Masks


@by_content
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Subsampled:
    """C groups of p + 1 delays of 2^b masks `M_c^T l + d`; see `subsampled`.

    Rows of the masks, and so of their values, run over groups, then delays, then l, bit 0 of l fastest:
    `values.reshape(C, p + 1, 2^b)`.
    """

    mixing: Leaf  # Bool[C, b, n]: M_c, of rank b and without a zero column
    code: BCH  # its parity-check matrix holds the delays after the zero delay

    @property
    def num_features(self) -> int:
        """How many components a mask has, n."""
        return self.code.num_features

    @property
    def bins_log2(self) -> int:
        """b: each transform has 2^b bins."""
        return self.mixing.shape[-2]

    @property
    def num_groups(self) -> int:
        """C, the number of matrices M_c."""
        return self.mixing.shape[-3]

    @property
    def max_order(self) -> int:
        """t, the largest |S| that the delays identify."""
        return self.code.max_order

    @property
    def delays(self) -> Bool[Array, "d n"]:
        """The zero delay and the p rows of the parity-check matrix."""
        return jnp.pad(self.code.parity_check, ((1, 0), (0, 0)))

    def masks(self) -> Masks:
        """All masks, bool `[C (p+1) 2^b, n]`; `packed` is 8 times smaller, and in parts."""
        return jnp.asarray(np.unpackbits(np.concatenate([*self.packed()]), 1, self.num_features).view(bool))

    def packed(self) -> Iterator[UInt8[np.ndarray, "l bytes"]]:
        """The masks of one group and delay at a time, 2^b rows, in order and as `np.packbits` packs them.

        >>> design = subsampled(jax.random.key(0), num_features=10_000, bins_log2=10)
        >>> next(design.packed()).shape
        (1024, 1250)
        """
        mixing, delays = np.packbits(self.mixing, -1), np.packbits(self.delays, -1)
        for rows in mixing:
            span = np.zeros_like(rows[:1])
            for row in rows:
                span = np.concatenate([span, span ^ row])
            for delay in delays:
                yield span ^ delay


def subsampled_size(num_features: int, bins_log2: int, max_order: int = 5, num_groups: int = 3) -> int:
    """How many masks `subsampled` makes, repeated ones included: `C (p + 1) 2^b` with `p = parity_size(n, t)`.

    Args:
      num_features: n.
      bins_log2: b; each group hashes the interactions into 2^b bins.
      max_order: t, the largest interaction that the code can decode.
      num_groups: C, the number of independent hashes.

    Raises:
      ValueError: as `subsampled`.

    >>> subsampled_size(20, 8), subsampled_size(63, 8), subsampled_size(1000, 8)
    (16128, 21504, 39168)
    """
    if not 1 <= bins_log2 <= num_features:
        raise ValueError(
            f"2^b bins need 1 <= b <= n, but b = {bins_log2} and n = {num_features}; at b = n all masks are there."
        )
    if num_groups < 1:
        raise ValueError(f"A design needs at least one group, better three; got C = {num_groups}.")
    return num_groups * (parity_size(num_features, max_order) + 1) << bins_log2


def subsampled(key: Key, num_features: int, bins_log2: int, max_order: int = 5, num_groups: int = 3) -> Subsampled:
    """Draws the SPEX design, whose transforms `spexjax.decoder.decode` resolves into single coefficients.

    With `d` the zero delay or a row of the parity-check matrix H of a t-error-correcting BCH code,
    `U_{c,d}[j] = 2^-b sum_l (-1)^{<l,j>} f(M_c^T l + d) = sum_{S: M_c 1_S = j} F(S) (-1)^{<d,1_S>}`:
    if a single coefficient falls into bin j, its signs over d spell `H 1_S`, which identifies S up to order t.

    Every feature is kept in exactly half of the masks of each group and delay, because no column of M_c is zero;
    for the same reason no single feature shares the bin of the constant.

    Source: SPEX (Kang et al., arXiv 2502.13870), with the code shortened to n positions.

    Args:
      key: PRNG key, consumed; it decides the M_c.
      num_features: n.
      bins_log2: b; about `C 2^b / 2` coefficients can be resolved.
      max_order: t.
      num_groups: C.

    Raises:
      ValueError: if b is not in 1..n, C or t is below 1, or n is above what the codes hold.

    >>> design = subsampled(jax.random.key(0), num_features=20, bins_log2=4, max_order=2)
    >>> design.masks().shape[0] == subsampled_size(20, 4, 2)
    True
    """
    subsampled_size(num_features, bins_log2, max_order, num_groups)  # refuses what cannot be
    groups = [_mixing(k, bins_log2, num_features) for k in split_key(key, num_groups)]
    return Subsampled(np.stack(groups), bch(num_features, max_order))


def _mixing(key: Key, b: int, n: int) -> Bool[np.ndarray, "b n"]:
    """A random matrix of rank b. Zero columns are redrawn: their features would be constant in the whole group."""
    draw, redraw = split_key(key, 2)
    matrix = random_full_rank(draw, b, n)
    columns = np.asarray(jax.random.randint(redraw, (n,), 1, 1 << b)) >> np.arange(b)[:, None] & 1
    return np.where(matrix.any(0), matrix, columns.astype(bool))
