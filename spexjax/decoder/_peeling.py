"""Peeling: coefficients that the groups agree on are subtracted from every bin that they fall into."""

import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from spexjax.decoder._bins import Bins, bins_of, energy_and_spread, parities_of
from spexjax.decoder._rows import fold
from spexjax.decoder._singletons import Singletons
from spexjax.designs import Subsampled
from spexjax.typing import Array

_DENIAL = 9.0  # twice the log-likelihood ratio with which the other groups reject a coefficient, or confirm it


def merge(
    design: Subsampled,
    bins: Bins,
    noise: Float[Array, " signals"],
    shared: Bool[Array, " signals"],
    found: Singletons,
    accepted: Bool[Array, " rows"],
    block: int,
) -> tuple[Float[Array, " rows"], Bool[Array, " rows"]]:
    """Merges equal sets: each S gets the mean value over the groups that found it, in the row of the first of them.

    A true coefficient also adds to its bins in the groups that did not find it. The evidence
    `2 log P(bin | S is there) - 2 log P(bin | S is not)`, everything else in a bin taken for noise, is summed over the
    other groups. It exposes sets that fit one bin by accident and sets of an order above t: subtracting these would add
    them to the other bins, where they would be found again with the opposite sign. The other groups must not reject a
    coefficient; one that shares its bin they must confirm.

    Args:
      design: from `designs.subsampled`.
      bins: after the peeling so far.
      noise: its variance in the bins of each signal.
      shared: whether the coefficients of each signal may share their bins.
      found: the coefficient of each bin.
      accepted: the bins whose coefficient is a candidate.
      block: how many bins at a time.

    Returns:
      The value in each row, and which rows are kept.
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
    """Subtracts coefficients: `U_{c,d}[M_c 1_S] - F(S) (-1)^{<d,1_S>}` for all kept S and all c and d.

    Args:
      design: from `designs.subsampled`.
      bins: from which to subtract.
      support: a set S for each row.
      value: F(S) of each row.
      kept: the rows to subtract.
      block: how many rows at a time.

    Returns:
      The new bins, and which of them changed.
    """

    def step(at, carry):
        bins, changed = carry
        s, v = support[at], value[at][:, None]
        homes = _homes(design, s, at)[2]
        rows = bins.rows.at[homes].add(jnp.where(parities_of(design, s), v, -v), mode="drop")
        energy, spread = energy_and_spread(rows[homes])
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
