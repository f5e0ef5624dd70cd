"""Peeling: what the groups agree on is taken out of every bin it falls into."""

import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from spexjax.decoder._bins import Bins, bins_of, measure, parities_of
from spexjax.decoder._rows import fold
from spexjax.decoder._singletons import Singletons
from spexjax.designs import Subsampled
from spexjax.typing import Array

_DENIAL = 9.0  # twice the log-likelihood by which the other groups must deny a coefficient, or confirm it


def merge(
    design: Subsampled,
    bins: Bins,
    noise: Float[Array, " signals"],
    shared: Bool[Array, " signals"],
    found: Singletons,
    accepted: Bool[Array, " rows"],
    block: int,
) -> tuple[Float[Array, " rows"], Bool[Array, " rows"]]:
    """Each accepted S once: its value, the mean over the groups that see it, and whether this is the first of those.

    A coefficient that is really there also shows, under whatever else there is, in the bins of the groups that do not
    see it. `2 log P(bin | it is there) - 2 log P(bin | it is not)` with everything else in a bin taken for noise is
    summed over the other groups. A set that only happens to fit one bin is told by it, and so is one of an order above
    t; without this, taking it out of the other bins would put it there, to be found again with the other sign. What
    shares its bin must be confirmed by the others, not only not denied.
    """

    def step(at, merged):
        support = found.support[at]
        signal, own, homes = _homes(design, support, at)
        same = accepted[homes] & (found.support[homes] == support).all(-1)
        value = jnp.where(same, found.value[homes], 0).sum(0) / jnp.maximum(same.sum(0), 1)
        u = bins.rows[homes]
        shown = jnp.where(parities_of(design, support), -u, u).mean(-1)
        rest = jnp.maximum(bins.energy[homes] - shown**2, 0) + noise[signal]
        evidence = u.shape[-1] * value * (2 * shown - value) / rest
        evidence = jnp.where(jnp.arange(len(homes))[:, None] == own, 0, evidence).sum(0)
        keep = (same.argmax(0) == own) & (evidence > jnp.where(shared[signal], _DENIAL, -_DENIAL))
        return tuple(all.at[at].set(new, mode="drop") for all, new in zip(merged, (value, keep), strict=True))

    none = jnp.zeros_like(found.value), jnp.zeros_like(accepted)
    return fold(accepted, block, step, none)


def subtract(
    design: Subsampled,
    bins: Bins,
    support: Int[Array, "rows t"],
    value: Float[Array, " rows"],
    kept: Bool[Array, " rows"],
    block: int,
) -> tuple[Bins, Bool[Array, " rows"]]:
    """`U_{c,d}[M_c 1_S] - F(S) (-1)^{<d,1_S>}` for all kept S, c and d, and which bins that changed."""

    def step(at, carry):
        bins, changed = carry
        s, v = support[at], value[at][:, None]
        homes = _homes(design, s, at)[2]
        rows = bins.rows.at[homes].add(jnp.where(parities_of(design, s), v, -v), mode="drop")
        energy, spread = measure(rows[homes])
        energy = bins.energy.at[homes].set(energy, mode="drop")
        spread = bins.spread.at[homes].set(spread, mode="drop")
        return Bins(rows, energy, spread), changed.at[homes].set(True, mode="drop")

    return fold(kept, block, step, (bins, jnp.zeros_like(kept)))


def _homes(
    design: Subsampled, support: Int[Array, "block t"], at: Int[Array, " block"]
) -> tuple[Int[Array, " block"], Int[Array, " block"], Int[Array, "groups block"]]:
    """The signal and the group that row `at` belongs to, and the row of S in every group of that signal."""
    size, groups = 1 << design.bins_log2, design.num_groups
    signal, own = at // size // groups, at // size % groups
    return signal, own, (signal * groups + jnp.arange(groups)[:, None]) * size + bins_of(design, support)
