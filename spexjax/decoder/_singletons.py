"""Singleton detection: which bins hold one coefficient, of which S, and its value."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from spexjax import codes
from spexjax._equality import by_content
from spexjax.decoder._bins import bins_of
from spexjax.decoder._rows import fold
from spexjax.designs import Subsampled, all_masks
from spexjax.typing import Array, Leaf

_RANKS = 16  # least reliable signs that a pattern may flip
_VECTORS = 32  # at most this many parity vectors at a time for each bin of a block


@by_content
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Singletons:
    """The one coefficient that explains most of a bin, row by row."""

    support: Leaf  # Int[rows, t]
    value: Leaf  # Float[rows]
    left: Leaf  # Float[rows]: the mean square it leaves in the bin; infinite where no set hashes there


def flip_patterns(count: int, delays: int) -> Bool[np.ndarray, "patterns delays"]:
    """Which signs to flip, the likeliest pattern first; column r stands for the r-th least reliable sign.

    Patterns are ordered by the sum of the ranks they flip, from no flip on (ORBGRAND: Duffy, An and Médard, arXiv
    2202.13951).

    Args:
      count: how many patterns.
      delays: how many signs.

    >>> flip_patterns(5, 3).astype(int).tolist()
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]]
    """
    ranks = min(_RANKS, delays)
    subsets = all_masks(ranks)
    likeliest = np.argsort(subsets @ np.arange(1, ranks + 1), kind="stable")[:count]
    return np.pad(subsets[likeliest], ((0, 0), (0, delays - ranks)))


def detect(
    design: Subsampled,
    rows: Float[Array, "rows delays"],
    chosen: Bool[Array, " rows"],
    patterns: int,
    found: Singletons,
    block: int,
) -> Singletons:
    """Reads the signs of each chosen bin as parities and decodes them.

    Of all sets that the flip patterns give and that hash to this bin, it takes the one that lowers the energy most.

    Args:
      design: from `designs.subsampled`.
      rows: the bins after the peeling so far.
      chosen: the bins to decode.
      patterns: how many flip patterns to try; 1 trusts the signs.
      found: earlier detections, replaced in the chosen bins.
      block: how many bins at a time; fewer where there are more than 32 patterns.
    """
    size, groups = 1 << design.bins_log2, design.num_groups
    flips = jnp.asarray(flip_patterns(patterns, rows.shape[1]))

    def step(at, found):
        u = rows[at]
        odd = (u < 0)[:, None]  # [block, patterns, delays]
        if len(flips) > 1:
            odd ^= flips[:, jnp.abs(u).argsort(-1).argsort(-1)].swapaxes(0, 1)
        odd ^= odd[..., :1]  # the zero delay shows the sign of the coefficient itself
        support, ok = codes.decode(design.code, odd[..., 1:])
        home = jnp.take_along_axis(bins_of(design, support), (at // size % groups)[None, :, None], 0)[0]
        ok &= home == (at % size)[:, None]
        value = jnp.where(odd, -u[:, None], u[:, None]).mean(-1)
        best = jnp.where(ok, jnp.abs(value), -1).argmax(-1)
        support, ok, odd, value = (a[jnp.arange(len(at)), best] for a in (support, ok, odd, value))
        left = jnp.where(odd, u + value[:, None], u - value[:, None])
        new = Singletons(support, value, jnp.where(ok, (left**2).mean(-1), jnp.inf))
        return jax.tree.map(lambda all, new: all.at[at].set(new, mode="drop"), found, new)

    return fold(chosen, min(block, max(1, _VECTORS * block // len(flips))), step, found)
