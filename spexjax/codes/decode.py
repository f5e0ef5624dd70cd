"""Syndrome decoding of BCH codes: parities -> syndromes -> error locator (Berlekamp-Massey) -> its roots (Chien)."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Int

from spexjax.codes.bch import BCH
from spexjax.codes.field import Field, field, inverse, multiply
from spexjax.typing import Array

_WORD = 32  # positions per word of hits


@jax.jit
def decode(
    code: BCH, parities: Bool[Array, "*batch p"]
) -> tuple[Int[jax.Array, "*batch t"], Bool[jax.Array, "*batch"]]:
    """The set S of at most t features with `H 1_S = parities` (mod 2), if there is one; then it is the only one.

    With syndromes `S_k = sum_{j in S} alpha^{jk}`, the locator `prod_{j in S} (1 - alpha^j z)` is the shortest linear
    recurrence of S_1..S_{2t}, and S is read off its roots alpha^{-j}. Memory is n / 8 bytes per parity vector.

    Args:
      code: from `bch(n, t)`.
      parities: bool `[..., p]`; leading axes are batches.

    Returns:
      `support [..., t]` with t = `code.max_order`, the features in increasing order, padded with n, and
      `found [...]`. Where no set fits, `found` is False and the support is padding alone. All-zero parities are those
      of the empty set, which is found.

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
    t, rows = locator.shape[0] - 1, locator.shape[1]
    exp, logs = jnp.asarray(field.exp), jnp.asarray(field.log)[locator[1:]]
    words = -(-n // _WORD)
    j = np.arange(_WORD * words).reshape(_WORD, 1, words)  # bit b of word w is position b * words + w
    shifts = -j * np.arange(1, t + 1)[:, None] % (len(field.exp) // 2)

    # One bit of every word at a time: XLA fuses an [n, rows] search into the reduction, 3 times slower on a CPU.
    def step(hits, inputs):
        bit, shift = inputs
        value = 1
        for k in range(t):
            value ^= exp.at[logs[k] + shift[k][:, None]].get(mode="fill", fill_value=0)
        return hits | (value == 0).astype(jnp.uint32) << bit, None

    bits = jnp.arange(_WORD, dtype=jnp.uint32)
    hits, _ = jax.lax.scan(step, jnp.zeros((words, rows), jnp.uint32), (bits, jnp.asarray(shifts, jnp.int32)))
    positions = []
    for _ in range(t):
        lowest = hits & -hits
        at = jax.lax.population_count(lowest - 1).astype(jnp.int32) * words + np.arange(words, dtype=np.int32)[:, None]
        positions.append(at.min(0))
        hits ^= jnp.where(at == positions[-1], lowest, 0)
    return jnp.minimum(jnp.stack(positions), n)
