"""Singleton detection: which bins hold one coefficient, of which S, and its value."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from spexjax import codes
from spexjax.decoder.bins import bins_of, mean_square
from spexjax.decoder.rows import fold
from spexjax.designs import Subsampled
from spexjax.typing import Array, Leaf

SURE = 3.0  # standard deviations that tell something from noise
_SHARE = 0.5  # of a bin's energy that may be another's
_RANKS = 16  # least reliable signs that a pattern may flip
_BLOCK, _VECTORS = 256, 2048  # at most so many bins, and so many parity vectors, at a time


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Singletons:
    """What one coefficient explains, row by row."""

    support: Leaf  # Int[rows, t]
    value: Leaf  # Float[rows]
    accepted: Leaf  # Bool[rows]: the others mean nothing


def flip_patterns(count: int, delays: int) -> Bool[np.ndarray, "patterns delays"]:
    """Which signs to distrust, likeliest first: entry r stands for the r-th least reliable one.

    The order is that of the sum of the ranks (ORBGRAND: Duffy, An and Médard, arXiv 2202.13951), from no flip on.

    >>> flip_patterns(5, 3).astype(int).tolist()
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]]
    """
    ranks = min(_RANKS, delays)
    subsets = np.arange(1 << ranks)[:, None] >> np.arange(ranks) & 1
    likeliest = np.argsort(subsets @ np.arange(1, ranks + 1), kind="stable")[:count]
    return np.pad(subsets[likeliest].astype(bool), ((0, 0), (0, delays - ranks)))


def detect(
    design: Subsampled,
    rows: Float[Array, "rows delays"],
    noise: Float[Array, " rows"],
    chosen: Bool[Array, " rows"],
    shared: Bool[Array, " rows"],
    patterns: int,
    found: Singletons,
) -> Singletons:
    """Reads the signs of each chosen bin as parities, decodes them, and keeps what explains the bin up to noise.

    Of the sets that any flip pattern leads to and that hash to this very bin, the one with the largest drop of energy
    counts.

    Args:
      design: tells groups and delays.
      rows: what is left of the bins.
      noise: its variance.
      chosen: the bins to look at.
      shared: where a bin may hold more than noise besides, up to half of its energy.
      patterns: how many flip patterns to try; 1 trusts the signs.
      found: where to write.
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
        room = jnp.where(shared[at], _SHARE * (u**2).mean(-1), 0)
        ok &= (left**2).mean(-1) <= jnp.maximum(room, noise[at] * mean_square(rows.shape[1], SURE))
        return jax.tree.map(lambda all, new: all.at[at].set(new, mode="drop"), found, Singletons(support, value, ok))

    block = min(len(rows), _BLOCK, max(1, _VECTORS // len(flips)))
    return fold(chosen, block, step, found)
