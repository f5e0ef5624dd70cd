"""Peeling: what the groups agree on is taken out of every bin it falls into."""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from spexjax.decoder.bins import bins_of, parities_of
from spexjax.decoder.rows import fold
from spexjax.decoder.singletons import Singletons
from spexjax.designs import Subsampled
from spexjax.typing import Array

_BLOCK = 256  # rows at a time
_DENIAL = 9.0  # twice the log-likelihood by which the other groups must deny a coefficient, or confirm it


def merge(
    design: Subsampled,
    rows: Float[Array, "rows delays"],
    noise: Float[Array, " rows"],
    shared: Bool[Array, " rows"],
    found: Singletons,
) -> Singletons:
    """Each S once, in the first group that sees it, with the mean of the values in the groups that do.

    A coefficient that is really there also shows, under whatever else there is, in the bins of the groups that do not
    see it. `2 log P(bin | it is there) - 2 log P(bin | it is not)` with everything else in a bin taken for noise is
    summed over the other groups. A set that only happens to fit one bin is told by it, and so is one of an order above
    t; without this, taking it out of the other bins would put it there, to be found again with the other sign. What
    shares its bin must be confirmed by the others, not only not denied.
    """

    def step(at, merged):
        support = found.support[at]
        homes, own = _homes(design, support, at)
        same = found.accepted[homes] & (found.support[homes] == support).all(-1)
        value = jnp.where(same, found.value[homes], 0).sum(0) / jnp.maximum(same.sum(0), 1)
        u = rows[homes]
        shown = jnp.where(parities_of(design, support), -u, u).mean(-1)
        rest = jnp.maximum((u**2).mean(-1) - shown**2, 0) + noise[at]
        evidence = u.shape[-1] * value * (2 * shown - value) / rest
        evidence = jnp.where(jnp.arange(len(homes))[:, None] == own, 0, evidence).sum(0)
        keep = (same.argmax(0) == own) & (evidence > jnp.where(shared[at], _DENIAL, -_DENIAL))
        return jax.tree.map(lambda all, new: all.at[at].set(new, mode="drop"), merged, Singletons(support, value, keep))

    return fold(found.accepted, min(_BLOCK, len(rows)), step, found)


def subtract(
    design: Subsampled, rows: Float[Array, "rows delays"], found: Singletons
) -> Float[jax.Array, "rows delays"]:
    """`U_{c,d}[M_c 1_S] - F(S) (-1)^{<d,1_S>}` for all accepted S, c and d."""

    def step(at, rows):
        support, value = found.support[at], found.value[at][:, None]
        return rows.at[_homes(design, support, at)[0]].add(
            jnp.where(parities_of(design, support), value, -value), mode="drop"
        )

    return fold(found.accepted, min(_BLOCK, len(rows)), step, rows)


def _homes(
    design: Subsampled, support: Int[Array, "block t"], at: Int[Array, " block"]
) -> tuple[Int[Array, "groups block"], Int[Array, " block"]]:
    """The row of S in every group of the signal that row `at` belongs to, and the group of that row."""
    size, groups = 1 << design.bins_log2, design.num_groups
    signal, own = at // size // groups, at // size % groups
    return (signal * groups + jnp.arange(groups)[:, None]) * size + bins_of(design, support), own
