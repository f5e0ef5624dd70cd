"""The spectrum of a function that is cheap to call, such as a surrogate seen through a link."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from spexjax._buckets import bucket, pad
from spexjax._random import split_key, uniforms
from spexjax._values import standardise
from spexjax.designs import all_masks
from spexjax.gp import MAX_ORDER, ProductKernel, prior_variances, strongest_of_all
from spexjax.spectrum import EMPTY_SET, Spectrum, characters, joined_supports
from spexjax.transforms import exact_spectrum
from spexjax.typing import Array, Key, Masks, Values

_ALL = 14  # with at most this many features the function is evaluated at all masks
_TERMS = 8192  # about the most terms of the spectrum
_MOST = _TERMS + 512  # terms that a program holds
_UNIFORM, _SIZED = 24_576, 8192  # masks of the regression: uniform ones, and ones of uniform size
_FRESH = 4096  # uniform masks that measure the loss
_ROWS = 1024  # masks in a block
_TOLERANCE, _ROUNDS = 1e-3, 40  # of conjugate gradients
_NOISE = 1e-2  # share of the trained noise: function values are exact, but terms outside the support act as noise


def distilled(
    function: Callable[[Masks], Values], kernels: list[ProductKernel], n: int, key: Key
) -> tuple[Spectrum, float]:
    """Reads off the spectrum of a cheap function: exactly up to 14 features, beyond that by ridge regression.

    The regression is on the likeliest terms of the priors. With X the characters and f the function at 24,576 uniform
    masks and 8,192 masks of uniform size, the coefficients are

        (X'X + diag(precision))^-1 X'f,    precision_S = 0.01 noise / Var F(S),

    found by conjugate gradients.

    Args:
      function: gives the values at masks `[l, n]`.
      kernels: their mean prior variance says which terms are likely, and how large they may be.
      n: number of features.
      key: draws the masks.

    Returns:
      The constant, then at most 8,192 terms by decreasing magnitude; and the loss, the mean squared error of that
      spectrum at uniform masks. With more than 14 features these are 4,096 masks that the regression has not seen.
    """
    if n <= _ALL:
        everything = all_masks(n)
        spectrum = exact_spectrum(everything, function(everything)).truncate(1 << n)
        return spectrum.truncate(_TERMS), float((np.asarray(spectrum.coefficients[_TERMS:], np.float64) ** 2).sum())
    masks = _samples(key, n)
    values = function(masks)
    features, y = bucket(n), values[_FRESH:].reshape(-1, _ROWS)
    known = pad(masks[_FRESH:], features, fill=False).reshape(-1, _ROWS, features)
    _, centre, spread = standardise(y.ravel())
    support = joined_supports([EMPTY_SET, strongest_of_all(kernels, _TERMS)], n)
    prior = np.mean([prior_variances(_on_host(kernel), support) for kernel in kernels], axis=0)
    precision = _NOISE * float(kernels[0].noise) / np.maximum(prior, 1e-20)
    precision[0] = 0  # no penalty: the constant differs from the mean over these masks
    rows = max(_MOST, bucket(len(support)))
    sets = pad(np.where(support < n, support, features).astype(np.int32), rows, MAX_ORDER, fill=features)
    used, precision = np.arange(rows) < len(support), pad(precision.astype(np.float32), rows, fill=1)
    found = _regression(sets, used, known, ((y - centre) / spread).astype(np.float32), precision)
    found = np.asarray(found, np.float64)
    found = found[: len(support)] * spread + centre * (np.arange(len(support)) == 0)
    spectrum = Spectrum(support, found, n).truncate(len(found))
    return spectrum, float(np.mean((values[:_FRESH] - spectrum(masks[:_FRESH])) ** 2))


def _on_host(kernel: ProductKernel) -> ProductKernel:
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), kernel)


def _samples(key: Key, n: int) -> Masks:
    """Masks `[m, n]`: the fresh ones, the uniform ones, and those of uniform size."""
    share_key, mask_key = split_key(key, 2)
    uniform = _FRESH + _UNIFORM
    share = uniforms(share_key, uniform + _SIZED, 1)
    share[:uniform] = 0.5
    return uniforms(mask_key, uniform + _SIZED, n) < share


@jax.jit
@jax.default_matmul_precision("highest")
def _regression(
    support: Int[Array, "k d"],
    used: Bool[Array, " k"],
    masks: Bool[Array, "b r n"],
    y: Float[Array, "b r"],
    precision: Float[Array, " k"],
) -> Float[Array, " k"]:
    """The ridge solution of `distilled`, with X stored as int8; 0 for terms that are padding."""
    x: Int8[Array, "b r k"] = jax.lax.map(lambda block: (characters(support, block) * used).astype(jnp.int8), masks)

    def projected(weigh: Callable, *blocks: Float[Array, "b r"]) -> Float[Array, " k"]:
        """`X'u`, where `weigh` computes a block of u from a block of X; only one block of X is float32 at a time."""

        def add(total, block):
            signs = block[0].astype(jnp.float32)
            return total + weigh(signs, *block[1:]) @ signs, None

        return jax.lax.scan(add, jnp.zeros_like(precision), (x, *blocks))[0]

    def normal(w: Float[Array, " k"]) -> Float[Array, " k"]:
        return projected(lambda signs: signs @ w) + precision * w

    moments, diagonal = projected(lambda signs, y: y, y), y.size + precision
    return jax.scipy.sparse.linalg.cg(normal, moments, tol=_TOLERANCE, maxiter=_ROUNDS, M=lambda w: w / diagonal)[0]
