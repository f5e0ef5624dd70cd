"""Screening: finds the few features that matter among very many, by correlations in one pass over packed masks."""

from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from spexjax.spectrum import Spectrum
from spexjax.typing import Array

_USED_UP = " If the chunks come from a generator, create a new one: a generator can be read only once."
Chunks = Iterable[UInt8[Array, "_ _"]]  # rows of `np.packbits(masks, axis=1)`, a few hundred masks at a time


class Screen(NamedTuple):
    """The result of `screen` for one value function, or for t of them."""

    features: Int[np.ndarray, "... k"]  # [k], or [t, k]: the features kept, strongest first
    correlations: Float[np.ndarray, "... n"]  # [n], or [t, n]: of all features


def screen(chunks: Chunks, values: Float[Array, "m *t"], num_features: int, *, keep: int) -> Screen:
    """Finds the features that correlate most with the values, for more masks and features than fit into memory.

    One pass over the masks computes, for every feature i,

        r_i = cov(x_i, f) / (std x_i std f),

    which for uniform masks is `-F({i}) / std f`. If feature i has no effect, `r_i` has standard deviation
    `1 / sqrt(m)`. The largest of n such correlations is about `sqrt(2 log(n) / m)`: smaller ones are noise. A feature
    that acts only through interactions has no correlation and is lost. To explain the function of the kept features:

        found = sx.proxies.screen(chunks, values, num_features, keep=k)
        masks = sx.proxies.columns(chunks, found.features)  # [m, k], a second pass
        explanation = sx.fit(masks, values, key=key)
        spectrum = sx.proxies.lift(explanation.spectrum, found.features, num_features)

    Its held-out error is a little optimistic, because the screen has seen all values: each kept feature that has no
    effect may add up to `2 log(n) / m` to R2.

    Args:
      chunks: packed masks, `ceil(n / 8)` bytes a row, in the order of the values. Generate them (from a key for each
        chunk, say) instead of holding them in memory; summing a chunk takes 32 times its size.
      values: `[m]`, or `[m, t]` for t value functions of the same masks, which one pass screens together.
      num_features: n.
      keep: k, how many features to keep.

    Returns:
      The features kept, and all correlations.

    Raises:
      ValueError: if values are not finite, the chunks have another number of masks or features, or keep is not between
        1 and n.

    Source: sure independence screening (Fan and Lv 2008). Datamodels fit a LASSO to all features instead (Ilyas et al.,
    arXiv 2202.00622).
    """
    f = np.asarray(values, np.float64)
    if f.ndim not in (1, 2) or not np.isfinite(f).all():
        raise ValueError(f"Values must be finite, [m] or [m, t]; got shape {f.shape}.")
    if not 1 <= keep <= num_features:
        raise ValueError(f"keep must be between 1 and {num_features}, the number of features; got {keep}.")
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
    """Unpacks some features of packed masks.

    Args:
      chunks: packed masks, as `screen` takes them.
      features: which ones.

    Returns:
      bool `[m, k]`, in the order of `features`.

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
    """Rewrites the spectrum of a function of k features in terms of n features: feature j becomes `features[j]`.

    Args:
      spectrum: of a function of k features.
      features: k distinct features of 0..n-1.
      num_features: n.

    Raises:
      ValueError: if `features` are not k distinct features of 0..n-1.

    >>> lift(Spectrum.from_dict({(): 1.0, (0, 1): 2.0}, 2), np.array([7, 3]), 9).to_dict()
    {(): 1.0, (3, 7): 2.0}
    """
    features = np.asarray(features)
    if len(np.unique(features)) != spectrum.num_features or not ((features >= 0) & (features < num_features)).all():
        raise ValueError(
            f"Give {spectrum.num_features} distinct features of 0..{num_features - 1}, one for each of the spectrum."
        )
    support = np.append(features, num_features)[np.asarray(spectrum.support)]
    return Spectrum(jnp.asarray(np.sort(support, axis=1), jnp.int32), spectrum.coefficients, num_features)


@jax.jit
@jax.default_matmul_precision("highest")
def _add(sums: Float[Array, "w b"], packed: UInt8[Array, "c _"], weights: Float[Array, "c w"]) -> Float[Array, "w b"]:
    return sums + weights.T @ jnp.unpackbits(packed, axis=1).astype(jnp.float32)


@jax.jit
def _unpack(packed: UInt8[Array, "c _"], features: Int[Array, " k"]) -> Bool[Array, "c k"]:
    return (packed[:, features // 8] >> (7 - features % 8).astype(jnp.uint8) & 1).astype(bool)
