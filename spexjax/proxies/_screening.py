"""Screening: the few of very many features that matter, by one pass of correlations over packed masks."""

from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from spexjax.spectrum import Spectrum
from spexjax.typing import Array

_USED_UP = " If the chunks come from a generator that was read before, make it anew: each pass needs its own."
Chunks = Iterable[UInt8[Array, "_ _"]]  # rows of `np.packbits(masks, axis=1)`, a few hundred masks at a time


class Screen(NamedTuple):
    """The features kept for each value function, strongest first, and the correlations of all."""

    features: Int[np.ndarray, "... k"]  # [k], or [t, k]
    correlations: Float[np.ndarray, "... n"]  # [n], or [t, n]


def screen(chunks: Chunks, values: Float[Array, "m *t"], num_features: int, *, keep: int) -> Screen:
    """The features whose presence correlates most with the values, for more masks and features than memory holds.

    One pass over the masks sums, for every feature i,

        r_i = cov(x_i, f) / (std x_i std f),

    which for uniform masks is `-F({i}) / std f`. Without an effect `r_i` has standard deviation `1 / sqrt(m)`, and the
    largest of n such is about `sqrt(2 log(n) / m)`; what is smaller than that is noise. A feature that acts only in
    interactions has no correlation and is lost. The road then goes on with the survivors:

        masks = sx.proxies.columns(chunks, found.features)  # [m, keep], a second pass
        explanation = sx.fit(masks, values, key=key)  # its features are the survivors
        spectrum = sx.proxies.lift(explanation.spectrum, found.features, num_features)

    Held-out error after that is a little optimistic, because the screen has seen all values: of k survivors without
    an effect each may gain up to `2 log(n) / m` of R2.

    Args:
      chunks: packed masks, `ceil(n / 8)` bytes a row, in the order of the values; a chunk in memory takes 32 times its
        own size while it is summed. Generate them (from a key for each chunk, say) rather than hold them.
      values: `[m]`, or `[m, t]` for t value functions of the same masks, all screened in the one pass.
      num_features: n.
      keep: k, how many features to keep.

    Raises:
      ValueError: if the chunks have another number of masks or features, or keep is not between 1 and n.

    Source: sure independence screening (Fan and Lv 2008); datamodels fit a LASSO to all features (Ilyas et al., arXiv
    2202.00622).
    """
    f = np.asarray(values, np.float64)
    if f.ndim not in (1, 2) or not np.isfinite(f).all():
        raise ValueError(f"Values must be finite, [m] or [m, t]; got shape {f.shape}.")
    if not 1 <= keep <= num_features:
        raise ValueError(f"Between 1 and {num_features} features can be kept, not {keep}.")
    f = (f - f.mean(0)).reshape(len(f), -1)
    weights = np.column_stack([np.ones(len(f)), f / np.maximum(f.std(0), 1e-30)]).astype(np.float32)
    sums, start, size = jnp.zeros((weights.shape[1], -(-num_features // 8) * 8)), 0, 0
    for chunk in chunks:
        size = size or len(chunk)  # one shape, one program
        end = start + len(chunk)
        if chunk.shape[1] != -(-num_features // 8) or end > len(f):
            raise ValueError(
                f"{len(f)} masks of {num_features} features are {-(-num_features // 8)} bytes each; got a chunk of "
                f"shape {chunk.shape} for masks {start} to {end - 1}."
            )
        rows = jnp.pad(weights[start:end], ((0, max(size - len(chunk), 0)), (0, 0)))
        sums = _add(sums, jnp.pad(chunk, ((0, len(rows) - len(chunk)), (0, 0))), rows)
        start = end
    if start != len(f):
        raise ValueError(f"There are {len(f)} values but {start} masks.{'' if start else _USED_UP}")
    counts, *products = np.asarray(sums, np.float64)[:, :num_features] / len(f)
    deviation = np.sqrt(counts * (1 - counts))
    r = np.where(deviation > 0, products / np.where(deviation > 0, deviation, 1), 0)
    features = np.argsort(-np.abs(r), axis=1, kind="stable")[:, :keep]
    return Screen(features, r) if np.ndim(values) == 2 else Screen(features[0], r[0])


def columns(chunks: Chunks, features: Int[np.ndarray, " k"]) -> Bool[np.ndarray, "m k"]:
    """Unpacks only some features of packed masks.

    Raises:
      ValueError: if there are no chunks, or a feature is not in them.
    """
    features, unpacked = np.asarray(features), []
    for chunk in chunks:
        if not ((features >= 0) & (features < 8 * chunk.shape[1])).all():
            raise ValueError(
                f"Features must be from 0 to {8 * chunk.shape[1] - 1} in chunks of {chunk.shape[1]} bytes a mask; got "
                f"{features.min()} to {features.max()}."
            )
        unpacked.append(np.asarray(_unpack(chunk, jnp.asarray(features))))
    if not unpacked:
        raise ValueError(f"There are no masks.{_USED_UP}")
    return np.concatenate(unpacked)


def lift(spectrum: Spectrum, features: Int[np.ndarray, " k"], num_features: int) -> Spectrum:
    """The spectrum of a function of some features as one of all: feature j becomes `features[j]`.

    Raises:
      ValueError: if there is not one distinct feature out of 0..n-1 for each of the spectrum's.

    >>> lift(Spectrum.from_dict({(): 1.0, (0, 1): 2.0}, 2), np.array([7, 3]), 9).to_dict()
    {(): 1.0, (3, 7): 2.0}
    """
    features = np.asarray(features)
    if len(np.unique(features)) != spectrum.num_features or not ((features >= 0) & (features < num_features)).all():
        raise ValueError(f"The spectrum has {spectrum.num_features} features; give so many distinct of {num_features}.")
    support = np.append(features, num_features)[np.asarray(spectrum.support)]
    return Spectrum(jnp.asarray(np.sort(support, axis=1), jnp.int32), spectrum.coefficients, num_features)


@jax.jit
@jax.default_matmul_precision("highest")
def _add(sums: Float[Array, "w b"], packed: UInt8[Array, "c _"], weights: Float[Array, "c w"]) -> Float[Array, "w b"]:
    return sums + weights.T @ jnp.unpackbits(packed, axis=1).astype(jnp.float32)


@jax.jit
def _unpack(packed: UInt8[Array, "c _"], features: Int[Array, " k"]) -> Bool[Array, "c k"]:
    return (packed[:, features // 8] >> (7 - features % 8).astype(jnp.uint8) & 1).astype(bool)
