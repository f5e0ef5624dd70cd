"""The SPEX decoder: rounds of singleton detection and peeling, for one signal or many at once."""

import enum
import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from spexjax.decoder.bins import mean_square, noise_floor, to_bins
from spexjax.decoder.peeling import merge, subtract
from spexjax.decoder.rows import fold
from spexjax.decoder.singletons import SURE, Singletons, detect
from spexjax.designs import Subsampled
from spexjax.spectrum import Spectrum
from spexjax.typing import Array, Values

_PATTERNS = {"hard": (1,), "soft": (1, 256)}  # how many readings of the signs to try
_CERTAIN = 5.0  # standard deviations that no bin of pure noise reaches
_BLOCK = 64  # coefficients looked up at a time


class Status(enum.IntEnum):
    """How decoding ended."""

    CONVERGED = 0  # the bins are explained up to noise
    MORE_THAN_FIT = 1  # more coefficients than `max_terms`; the strongest are returned
    NOTHING_FOUND = 2  # no coefficient stands out of the noise
    NOT_CONVERGED = 3  # some bins that stand out are unexplained: more bins, another code or more rounds are needed


class Decoded(NamedTuple):
    """What `decode` found."""

    spectrum: Spectrum  # max_terms rows, the strongest first, ending in constants with coefficient 0
    status: Int[Array, "*batch"]  # a `Status`
    residual: Float[Array, "*batch"]  # energy left in the bins, as a share of what was there
    rounds: Int[Array, "*batch"]  # rounds of peeling


class _State(NamedTuple):
    rows: Float[Array, "rows delays"]  # what is left of the bins
    support: Int[Array, "signals slots t"]  # all that was taken out, in turn; the same S possibly more than once
    values: Float[Array, "signals slots"]
    count: Int[Array, " signals"]  # slots in use
    stage: Int[Array, " signals"]  # which is next; past the last one when done
    rounds: Int[Array, " signals"]


@functools.partial(jax.jit, static_argnames=("mode", "max_terms", "max_rounds"))
def decode(
    design: Subsampled,
    values: Values,
    mode: Literal["hard", "soft"] = "soft",
    max_terms: int | None = None,
    max_rounds: int = 100,
) -> Decoded:
    """Recovers a sparse spectrum, `|S| <= t`, from values at the masks of a subsampled design.

    Bins `U_{c,d}[j] = sum_{S: M_c 1_S = j} F(S) (-1)^{<d,1_S>}` that one coefficient explains up to noise give it away;
    it is taken out of the bins of all groups, which uncovers others. Where nothing new appears, a coefficient with most
    of a bin's energy is taken out as well, if the other groups confirm it. `mode="soft"` then also reads the bins that
    are left with some of their least reliable signs flipped. The noise is estimated from the bins. Coefficients are the
    means over the delays where they were seen, to be refitted on all values by the caller.

    `jax.vmap` over `values` pools the bins of all signals, so that none waits for another.

    Source: SPEX (Kang et al., arXiv 2502.13870), section 4.

    Args:
      design: from `designs.subsampled`.
      values: Float `[m]` at `design.masks()`, in that order.
      mode: "hard" trusts the signs, "soft" (Chase decoding) costs little more and holds out at lower SNR.
      max_terms: rows of the spectrum; None for as many as there are bins, `C 2^b`.
      max_rounds: of peeling.

    Returns:
      The spectrum, a `Status`, the residual and the number of rounds, at fixed shapes.

    Raises:
      ValueError: if the mode is neither, `max_terms` is below 1 or there is not one value for each mask.

    >>> from spexjax.designs import subsampled
    >>> design = subsampled(jax.random.key(0), num_features=30, bins_log2=4)
    >>> f = Spectrum.from_dict({(): 2.0, (3, 7): -1.0, (1, 12, 25): 0.5}, 30)
    >>> decoded = decode(design, f(design.masks()), max_terms=3)
    >>> decoded.spectrum.to_dict(), Status(decoded.status.item()).name
    ({(): 2.0, (3, 7): -1.0, (1, 12, 25): 0.5}, 'CONVERGED')
    """
    groups, size, delays = design.num_groups, 1 << design.bins_log2, len(design.delays)
    if mode not in _PATTERNS:
        raise ValueError(f"The mode is 'hard' or 'soft', not {mode!r}.")
    if max_terms is not None and max_terms < 1:
        raise ValueError(f"max_terms = {max_terms} leaves no room for a coefficient; take at least 1.")
    if len(values) != groups * size * delays:
        raise ValueError(f"The design has {groups * size * delays} masks, but there are {len(values)} values.")

    def run(design, values):
        rows, power = to_bins(design, values), (values**2).mean(-1)
        end = _peel(design, rows, power, _PATTERNS[mode], max_rounds)
        return _conclude(design, rows, power, end, end.stage < 2 * len(_PATTERNS[mode]), max_terms)

    many = jax.custom_batching.custom_vmap(run)

    @many.def_vmap
    def pool(signals, batched, design, values):
        if any(jax.tree.leaves(batched[0])):
            decoded = jax.vmap(run, jax.tree.map(lambda axis: 0 if axis else None, tuple(batched)))(design, values)
        else:
            decoded = many(design, values.reshape(-1, values.shape[-1]))
            decoded = jax.tree.map(lambda leaf: leaf.reshape(signals, -1, *leaf.shape[1:]), decoded)
        return decoded, jax.tree.map(lambda _: True, decoded)

    return jax.tree.map(lambda leaf: leaf[0], many(design, jnp.asarray(values)[None]))


def _peel(
    design: Subsampled,
    rows: Float[Array, "rows delays"],
    power: Float[Array, " signals"],
    patterns: tuple[int, ...],
    max_rounds: int,
) -> _State:
    """Rounds of detection and subtraction: a signal goes to the next stage when one shows nothing new, and back to the
    first when one does. Every reading of the signs has two stages; the second accepts what shares its bin.
    """
    signals, t = len(power), design.max_order
    bins = len(rows) // signals
    slots = 3 * bins  # true coefficients fill less than one third of them, corrections hardly any
    none = Singletons(
        jnp.full((len(rows), t), design.num_features, jnp.int32),
        jnp.zeros(len(rows), rows.dtype),
        jnp.zeros(len(rows), bool),
    )

    def live(state: _State) -> Bool[Array, " signals"]:
        room = state.count <= slots - bins
        return (state.stage < 2 * len(patterns)) & (state.rounds < max_rounds) & room

    def peel(state: _State) -> _State:
        going = live(state)
        noise = jnp.repeat(noise_floor(state.rows, power), bins)
        stands = (state.rows**2).mean(-1) > noise * mean_square(rows.shape[1], SURE)
        stage = jnp.repeat(jnp.where(going, state.stage, 2 * len(patterns)), bins)
        shared = stage % 2 == 1
        found = none
        for i, count in enumerate(patterns):
            found = detect(design, state.rows, noise, stands & (stage // 2 == i), shared, count, found)
        found = merge(design, state.rows, noise, shared, found)
        new = found.accepted.reshape(signals, bins)
        at = jnp.arange(signals)[:, None], jnp.where(new, state.count[:, None] + new.cumsum(1) - 1, slots)
        return _State(
            subtract(design, state.rows, found),
            state.support.at[at].set(found.support.reshape(signals, bins, t), mode="drop"),
            state.values.at[at].set(found.value.reshape(signals, bins), mode="drop"),
            state.count + new.sum(1, jnp.int32),
            jnp.where(new.any(1), 0, state.stage + going),
            state.rounds + going,
        )

    zero = jnp.zeros(signals, jnp.int32)
    empty = jnp.zeros((signals, slots, t), jnp.int32), jnp.zeros((signals, slots), rows.dtype)
    return jax.lax.while_loop(lambda state: live(state).any(), peel, _State(rows, *empty, zero, zero, zero))


def _conclude(
    design: Subsampled,
    rows: Float[Array, "rows delays"],
    power: Float[Array, " signals"],
    end: _State,
    stopped: Bool[Array, " signals"],
    max_terms: int | None,
) -> Decoded:
    """The strongest of the coefficients that noise does not explain, and how well they explain the bins."""
    signals, delays = len(power), rows.shape[1]
    max_terms = max_terms or len(rows) // signals
    noise = noise_floor(end.rows, power)[:, None]
    sums = _sum_equal(end)
    sums = jnp.where(sums**2 * delays * design.num_groups > SURE**2 * noise, sums, 0)
    coefficients, support = _strongest(sums, end.support, max_terms, design.num_features)

    before, left = ((a**2).mean(-1).reshape(signals, -1) for a in (rows, end.rows))
    unexplained = (left > noise * mean_square(delays, _CERTAIN)).any(-1) | stopped
    terms = (sums != 0).sum(-1)
    status = jnp.select(
        [terms > max_terms, unexplained, terms == 0],
        [Status.MORE_THAN_FIT, Status.NOT_CONVERGED, Status.NOTHING_FOUND],
        Status.CONVERGED,
    )
    total = before.sum(-1)
    residual = left.sum(-1) / jnp.where(total > 0, total, 1)
    return Decoded(Spectrum(support, coefficients, design.num_features), status, residual, end.rounds)


def _sum_equal(end: _State) -> Float[Array, "signals slots"]:
    """The values, those of equal sets added up in the first of them."""
    slots = end.values.shape[1]

    def step(at, sums):
        signal, slot = jnp.divmod(at, slots)
        first = (end.support[signal] == end.support[signal, slot][:, None]).all(-1).argmax(-1)
        return sums.at[signal, first].add(end.values[signal, slot], mode="drop")

    used = jnp.arange(slots) < end.count[:, None]
    return fold(used.reshape(-1), _BLOCK, step, jnp.zeros_like(end.values))


def _strongest(
    values: Float[Array, "signals slots"], support: Int[Array, "signals slots t"], max_terms: int, n: int
) -> tuple[Float[Array, "signals terms"], Int[Array, "signals terms t"]]:
    """Rows by decreasing |value|, constants where it is 0."""
    missing = max(0, max_terms - values.shape[1])
    values, support = jnp.pad(values, ((0, 0), (0, missing))), jnp.pad(support, ((0, 0), (0, missing), (0, 0)))
    top = jax.lax.top_k(jnp.abs(values), max_terms)[1]
    values, support = jnp.take_along_axis(values, top, 1), jnp.take_along_axis(support, top[..., None], 1)
    return values, jnp.where(values[..., None] == 0, n, support)
