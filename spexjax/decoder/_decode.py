"""The SPEX decoder: rounds of singleton detection and peeling, for one signal or many at once."""

import enum
import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from spexjax.decoder._bins import Bins, mean_square, noise_floor, to_bins
from spexjax.decoder._peeling import merge, subtract
from spexjax.decoder._singletons import Singletons, detect
from spexjax.designs import Subsampled
from spexjax.spectrum import Spectrum
from spexjax.typing import Array, Values

_PATTERNS = {"hard": (1,), "soft": (1, 256)}  # how many sign patterns to try, stage by stage
_SURE = 3.0  # standard deviations above the noise that count as signal
_SHARE = 0.5  # of a bin's energy that may belong to other coefficients
_CERTAIN = 5.0  # standard deviations that no bin of pure noise reaches
_FEW = 9  # usually at most 1/9 of the slots is in use, and so few are faster to sort
_BLOCK = 16  # coefficients of a signal looked up at a time
_MULTIPLIER = 0x9E3779B1  # odd, with bits that look random
_CACHED = 1 << 14  # bins at a time on a CPU, about what its cache holds
_CPU, _WIDE = 64, 4096  # rows at once: few on a CPU, where more save nothing; many elsewhere


class Status(enum.IntEnum):
    """How decoding ended."""

    CONVERGED = 0  # the bins are explained up to noise
    MORE_THAN_FIT = 1  # more coefficients than `max_terms`; the strongest are returned
    NOTHING_FOUND = 2  # no coefficient exceeds the noise
    NOT_CONVERGED = 3  # some bins are unexplained: take more bins, a larger code or more rounds; or values are NaN


class Decoded(NamedTuple):
    """What `decode` found."""

    spectrum: Spectrum  # max_terms rows, the strongest first, ending in constants with coefficient 0
    status: Int[Array, "*batch"]  # a `Status`
    residual: Float[Array, "*batch"]  # energy left in the bins, as a share of what was there
    rounds: Int[Array, "*batch"]  # rounds of peeling


class _State(NamedTuple):
    bins: Bins  # after subtraction
    found: Singletons  # what was last read in each bin
    read: Int[Array, " rows"]  # how many patterns were tried since the bin last changed
    support: Int[Array, "signals slots t"]  # the sets subtracted so far, in order; an S may occur more than once
    values: Float[Array, "signals slots"]
    used: Int[Array, " signals"]  # slots in use
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

    A bin `U_{c,d}[j] = sum_{S: M_c 1_S = j} F(S) (-1)^{<d,1_S>}` with a single coefficient reveals it. Subtracting the
    coefficient from the bins of all groups uncovers others. When no new one appears, a coefficient that has most of a
    bin's energy is subtracted as well, if the other groups confirm it. `mode="soft"` then also decodes the remaining
    bins with some of their least reliable signs flipped. The noise is estimated from the bins. Each coefficient is the
    mean over the delays where it was found; the caller should refit it to all values.

    `jax.vmap` over `values` pools the bins of many signals, so that none waits for another.

    Source: SPEX (Kang et al., arXiv 2502.13870), section 4.

    Args:
      design: from `designs.subsampled`.
      values: Float `[m]` at `design.masks()`, in that order.
      mode: "hard" trusts the signs, "soft" (Chase decoding) costs little more and works at lower SNR.
      max_terms: rows of the spectrum; None for as many as there are bins, `C 2^b`.
      max_rounds: of peeling.

    Returns:
      The spectrum, a `Status`, the residual and the number of rounds, at fixed shapes.

    Raises:
      ValueError: if the mode is neither, `max_terms` is below 1, or values are not `[m]`, one for each mask.

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
    if jnp.ndim(values) != 1:
        raise ValueError(f"One signal is [m]; got shape {jnp.shape(values)}. For many, use decode_many or jax.vmap.")
    if len(values) != groups * size * delays:
        raise ValueError(f"The design has {groups * size * delays} masks, but there are {len(values)} values.")

    def run(design, values, block=_WIDE):
        bins, power = to_bins(design, values), (values**2).mean(-1)
        end = _peel(design, bins, power, _PATTERNS[mode], max_rounds, min(block, len(bins.rows)))
        return _conclude(design, bins, power, end, end.stage < 2 * len(_PATTERNS[mode]), max_terms)

    def in_turn(design, values):
        """Decodes part by part: arrays that fit the cache, in pages that are reused, save most of the time."""
        parts = -(-len(values) * groups * size // _CACHED)
        part = -(-len(values) // parts)

        def write(i, all):
            at = jnp.minimum(i * part, len(values) - part)  # the last part starts early, so that it is full
            new = run(design, jax.lax.dynamic_slice_in_dim(values, at, part), _CPU)
            return jax.tree.map(lambda leaf, rows: jax.lax.dynamic_update_slice_in_dim(leaf, rows, at, 0), all, new)

        if parts == 1:
            return run(design, values, _CPU)
        shapes = jax.eval_shape(run, design, values)
        empty = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        return jax.lax.fori_loop(0, -(-len(values) // part), write, empty)

    def run_all(design, values):
        return jax.lax.platform_dependent(design, values, cpu=in_turn, default=run)

    many = jax.custom_batching.custom_vmap(run_all)

    @many.def_vmap
    def pool(signals, batched, design, values):
        if any(jax.tree.leaves(batched[0])):
            decoded = jax.vmap(run_all, jax.tree.map(lambda axis: 0 if axis else None, tuple(batched)))(design, values)
        else:
            decoded = many(design, values.reshape(-1, values.shape[-1]))
            decoded = jax.tree.map(lambda leaf: leaf.reshape(signals, -1, *leaf.shape[1:]), decoded)
        return decoded, jax.tree.map(lambda _: True, decoded)

    return jax.tree.map(lambda leaf: leaf[0], many(design, jnp.asarray(values)[None]))


def _peel(
    design: Subsampled,
    bins: Bins,
    power: Float[Array, " signals"],
    patterns: tuple[int, ...],
    max_rounds: int,
    block: int,
) -> _State:
    """Rounds of detection and subtraction.

    A signal goes on to the next stage when a round finds nothing new, and back to the first when it does. Each number
    of sign patterns has two stages; the second accepts coefficients that share their bin.
    """
    rows, delays = bins.rows.shape
    signals, t, last = len(power), design.max_order, 2 * len(patterns)
    width = rows // signals
    slots = 3 * width  # true coefficients fill less than one third of them, corrections hardly any
    sure = mean_square(delays, _SURE)

    def live(state: _State) -> Bool[Array, " signals"]:
        return (state.stage < last) & (state.rounds < max_rounds) & (state.used <= slots - width)

    def peel(state: _State) -> _State:
        bins, found, read = state.bins, state.found, state.read
        going, shared = live(state), state.stage % 2 == 1
        noise = noise_floor(bins, power)
        stage, floor, room = (
            jnp.broadcast_to(a[:, None], (signals, width)).reshape(rows)
            for a in (jnp.where(going, state.stage, last), noise * sure, jnp.where(shared, _SHARE, 0))
        )
        stands = (bins.energy > floor) & (stage < last)
        for i, count in enumerate(patterns):
            unread = stands & (stage // 2 == i) & (read < count)
            found = detect(design, bins.rows, unread, count, found, block)
            read = jnp.where(unread, count, read)
        accepted = stands & (found.left <= jnp.maximum(room * bins.energy, floor))
        value, kept = merge(design, bins, noise, shared, found, accepted, block)
        bins, changed = subtract(design, bins, found.support, value, kept, block)
        new = kept.reshape(signals, width)
        at = jnp.arange(signals)[:, None], jnp.where(new, state.used[:, None] + new.cumsum(1) - 1, slots)
        return _State(
            bins,
            found,
            jnp.where(changed, 0, read),
            jnp.asarray(state.support).at[at].set(found.support.reshape(signals, width, t), mode="drop"),
            jnp.asarray(state.values).at[at].set(value.reshape(signals, width), mode="drop"),
            state.used + new.sum(1, jnp.int32),
            jnp.where(new.any(1), 0, state.stage + going),
            state.rounds + going,
        )

    none, zero = jnp.zeros(rows, jnp.int32), jnp.zeros(signals, jnp.int32)
    found = Singletons(jnp.zeros((rows, t), jnp.int32), jnp.zeros_like(bins.energy), jnp.zeros_like(bins.energy))
    empty = jnp.zeros((signals, slots, t), jnp.int32), jnp.zeros((signals, slots), bins.rows.dtype)
    start = _State(bins, found, none, *empty, zero, zero, zero)
    return jax.lax.while_loop(lambda state: live(state).any(), peel, start)


def _conclude(
    design: Subsampled,
    bins: Bins,
    power: Float[Array, " signals"],
    end: _State,
    stopped: Bool[Array, " signals"],
    max_terms: int | None,
) -> Decoded:
    """The strongest coefficients above the noise, and how well they explain the bins."""
    signals, (rows, delays) = len(power), bins.rows.shape
    max_terms = max_terms or rows // signals
    noise = noise_floor(end.bins, power)[:, None]

    def collect(slots):
        sums = _sum_equal(end.support[:, :slots], end.values[:, :slots], end.used)
        sums = jnp.where(sums**2 * delays * design.num_groups > _SURE**2 * noise, sums, 0)
        return *_strongest(sums, end.support[:, :slots], max_terms, design.num_features), (sums != 0).sum(-1)

    slots = end.values.shape[1]
    few = -(-slots // _FEW)
    coefficients, support, terms = jax.lax.cond(
        end.used.max() <= few, functools.partial(collect, few), functools.partial(collect, slots)
    )

    before, left = (b.energy.reshape(signals, -1) for b in (bins, end.bins))
    unexplained = (left > noise * mean_square(delays, _CERTAIN)).any(-1) | stopped | ~jnp.isfinite(power)
    status = jnp.select(
        [terms > max_terms, unexplained, terms == 0],
        [Status.MORE_THAN_FIT, Status.NOT_CONVERGED, Status.NOTHING_FOUND],
        Status.CONVERGED,
    )
    total = before.sum(-1)
    residual = left.sum(-1) / jnp.where(total > 0, total, 1)
    return Decoded(Spectrum(support, coefficients, design.num_features), status, residual, end.rounds)


def _sum_equal(
    support: Int[Array, "signals slots t"], values: Float[Array, "signals slots"], count: Int[Array, " signals"]
) -> Float[Array, "signals slots"]:
    """Adds up the values of equal sets, in the slot of the first of them."""
    slots, t = support.shape[1:]
    signal, all_slots = jnp.arange(len(count))[:, None], jnp.arange(slots)
    # One hash compares faster than t features. A set that shares its hash with an earlier one (1 in 2^32) stays apart.
    weights = jnp.asarray([pow(_MULTIPLIER, i + 1, 1 << 32) for i in range(t)], jnp.uint32)
    keys = (support.astype(jnp.uint32) * weights).sum(-1)

    def step(i, sums):
        at = i * _BLOCK + jnp.arange(_BLOCK)
        first = jnp.where(keys[:, None] == keys[:, at, None], all_slots, slots).min(-1)
        equal = (support[signal, first] == support[:, at]).all(-1)
        return sums.at[signal, jnp.where(equal, first, at)].add(values.at[:, at].get(mode="fill", fill_value=0))

    return jax.lax.fori_loop(0, -(-count.max() // _BLOCK), step, jnp.zeros_like(values))


def _strongest(
    values: Float[Array, "signals slots"], support: Int[Array, "signals slots t"], max_terms: int, n: int
) -> tuple[Float[Array, "signals terms"], Int[Array, "signals terms t"]]:
    """The sets of largest |value|; those of value 0 become the constant."""
    top = jax.lax.top_k(jnp.abs(values), min(max_terms, values.shape[1]))[1]
    values, support = jnp.take_along_axis(values, top, 1), jnp.take_along_axis(support, top[..., None], 1)
    missing = (0, 0), (0, max_terms - top.shape[1])
    support = jnp.pad(jnp.where(values[..., None] == 0, n, support), (*missing, (0, 0)), constant_values=n)
    return jnp.pad(values, missing), support
