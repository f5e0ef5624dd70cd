"""Syndrome decoding of BCH codes: parities -> syndromes -> error locator (Berlekamp-Massey) -> its roots (Chien)."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Int, UInt16

from spexjax.codes._bch import BCH
from spexjax.codes._field import Field, field, inverse, multiply
from spexjax.typing import Array

_BITS, _WORDS = 32, 16  # at most this many positions in a word of hits, and if possible this many words


@jax.jit
def decode(
    code: BCH, parities: Bool[Array, "*batch p"]
) -> tuple[Int[jax.Array, "*batch t"], Bool[jax.Array, "*batch"]]:
    """Finds the set S of at most t features with `H 1_S = parities` (mod 2). There is at most one.

    With syndromes `S_k = sum_{j in S} alpha^{jk}`, the locator `prod_{j in S} (1 - alpha^j z)` is the shortest linear
    recurrence of S_1..S_{2t}, and S is read off its roots alpha^{-j}. Memory is n / 8 bytes per parity vector.

    Args:
      code: from `bch(n, t)`.
      parities: bool `[..., p]`; leading axes are batches.

    Returns:
      `support [..., t]` with t = `code.max_order`, the features in increasing order, padded with n, and
      `found [...]`. If no set fits, `found` is False and the support is padding alone. All-zero parities belong to
      the empty set, which counts as found.

    Raises:
      ValueError: if the last axis is not of length p.

    >>> from spexjax.codes import bch
    >>> code = bch(10, 2)
    >>> support, found = decode(code, code.parity_check[:, 3] ^ code.parity_check[:, 8])
    >>> support.tolist(), found.item()
    ([3, 8], True)
    """
    p, n = code.parity_check.shape
    if parities.shape[-1] != p:
        raise ValueError(f"The code has {p} parities but the last axis holds {parities.shape[-1]}.")
    batch = parities.shape[:-1]
    locator, order = _locator(field(code.degree), _syndromes(code, jnp.reshape(parities, (-1, p))))
    positions = _positions(field(code.degree), locator, n)
    # More than t features, repeated roots and roots at other positions all leave fewer than `order` of them.
    found = (positions < n).sum(0) == order
    support = jnp.where(found, positions, n).T
    return support.reshape(*batch, code.max_order), found.reshape(batch)


def _syndromes(code: BCH, parities: Bool[Array, "rows p"]) -> Int[jax.Array, "k rows"]:
    """S_1, ..., S_{2t}: the odd ones from the parities, the even ones as squares."""
    ones = parities.astype(jnp.float32) @ jnp.asarray(code.recover, jnp.float32).T
    bits = (ones.astype(jnp.int32) & 1).reshape(-1, code.max_order, code.degree)
    syndromes = list((bits << jnp.arange(code.degree)).sum(-1).T)
    for k in range(2, 2 * code.max_order + 1, 2):
        half = syndromes[k // 2 - 1]
        syndromes.insert(k - 1, multiply(field(code.degree), half, half))
    return jnp.stack(syndromes)


def _locator(
    field: Field, syndromes: Int[jax.Array, "k rows"]
) -> tuple[Int[jax.Array, "d rows"], Int[jax.Array, " rows"]]:
    """Berlekamp-Massey for binary codes, where every second discrepancy is 0: coefficients, and the length L.

    Coefficients beyond z^t are dropped: they appear only where L > t, and L never shrinks.
    """
    t, rows = syndromes.shape[0] // 2, syndromes.shape[1]
    zeros = jnp.zeros((t + 1, rows), jnp.int32)
    steps = np.arange(1, 2 * t, 2)
    # Row k of a window is S_{r-k}, and 0 before the start.
    windows = jnp.concatenate([zeros[:1], syndromes])[np.maximum(steps[:, None] - np.arange(t + 1), 0)]

    def step(state, inputs):
        locator, correction, length = state
        r, window = inputs
        discrepancy = jnp.bitwise_xor.reduce(multiply(field, locator, window), axis=0)
        grow = (discrepancy != 0) & (2 * length < r)
        kept = jnp.where(grow, multiply(field, locator, inverse(field, discrepancy)), correction)
        locator ^= multiply(field, correction, discrepancy)
        return (locator, jnp.concatenate([zeros[:2], kept[:-2]]), jnp.where(grow, r - length, length)), None

    start = zeros.at[0].set(1), zeros.at[1].set(1), zeros[0]
    (locator, _, length), _ = jax.lax.scan(step, start, (jnp.asarray(steps, jnp.int32), windows))
    return locator, length


def _positions(field: Field, locator: Int[jax.Array, "d rows"], n: int) -> Int[jax.Array, "t rows"]:
    """The first t positions j with `locator(alpha^{-j}) = 0`, increasing, padded with n."""
    t, bits = len(locator) - 1, min(_BITS, -(-n // _WORDS))
    words = -(-n // bits)  # bit b of word w is position b * words + w
    tables, starts = zip(*(_windows(field, k, bits * words) for k in range(1, t + 1)), strict=True)
    starts = [jnp.asarray(start)[a] for start, a in zip(starts, locator[1:], strict=True)]

    # One bit of every word at a time: XLA would fuse all of them into a reduction that does not vectorise.
    def step(hits, bit):
        value = jnp.uint16(1)
        for table, start in zip(tables, starts, strict=True):
            window = functools.partial(jax.lax.dynamic_slice, jnp.asarray(table), slice_sizes=(words,))
            value ^= jax.vmap(lambda at, window=window: window((at,)))(start + bit * words)
        return hits | (value == 0).astype(jnp.uint32) << bit.astype(jnp.uint32), None

    hits, _ = jax.lax.scan(step, jnp.zeros((locator.shape[1], words), jnp.uint32), jnp.arange(bits))
    positions = []
    for _ in range(t):
        lowest = hits & -hits
        at = jax.lax.population_count(lowest - 1).astype(jnp.int32) * words + np.arange(words, dtype=np.int32)
        positions.append(at.min(1))
        hits ^= jnp.where(at == positions[-1][:, None], lowest, 0)
    return jnp.minimum(jnp.stack(positions), n)


def _windows(field: Field, k: int, width: int) -> tuple[UInt16[np.ndarray, " entries"], Int[np.ndarray, " elements"]]:
    """A table, and for each element a the place in it where `a alpha^{-jk}` for j = 0, ..., width - 1 starts."""
    order = len(field.exp) // 2
    cosets = np.gcd(k, order)  # of the powers of alpha^k, one row each
    table = field.exp[(np.arange(cosets)[:, None] - k * np.arange(order // cosets + width)) % order]
    start = np.full(order + 1, table.size)
    start[table[:, :-width]] = np.arange(table.size).reshape(table.shape)[:, :-width]
    return np.pad(table.reshape(-1), (0, width)).astype(np.uint16), start.astype(np.int32)
