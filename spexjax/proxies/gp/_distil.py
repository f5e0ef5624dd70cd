"""The spectrum of a function that is cheap to call, such as a surrogate seen through a link."""

from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Float, Int

from spexjax._random import split_key, uniforms
from spexjax._values import standardise
from spexjax.designs import all_masks
from spexjax.gp import ProductKernel, prior_variances, strongest_of_all
from spexjax.proxies.gp._cosets import Characters, Cosets, draw_cosets
from spexjax.spectrum import EMPTY_SET, Spectrum, joined_supports
from spexjax.transforms import exact_spectrum
from spexjax.typing import Key, Masks, Values

_ALL = 14  # with at most this many features the function is evaluated at all masks
_TERMS = 8192  # about the most terms of the spectrum
_UNIFORM = 24, 10  # sets of uniform masks for the regression, and the binary logarithm of the size of each
_SIZED = 128, 6  # the same of masks that keep each feature with a probability between 0 and 1
_FRESH = 4096  # uniform masks that measure the loss
_TOLERANCE, _ROUNDS = 1e-3, 40  # of conjugate gradients
_NOISE = 1e-2  # share of the trained noise: function values are exact, but terms outside the support act as noise


def distilled(
    function: Callable[[Masks], Values], kernels: list[ProductKernel], n: int, key: Key
) -> tuple[Spectrum, float]:
    """Reads off the spectrum of a cheap function: exactly up to 14 features, beyond that by ridge regression.

    The regression is on the likeliest terms of the priors. With X the characters and f the function at 24,576 uniform
    masks and 8,192 masks of about uniform size, the coefficients are

        (X'X + diag(precision))^-1 X'f,    precision_S = 0.01 noise / Var F(S),

    found by conjugate gradients. The masks lie in a few affine subspaces, where products with X are fast; see `Cosets`.

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
    fresh_key, uniform_key, sized_key = split_key(key, 3)
    (uniform, uniform_size), (sized, sized_size) = _UNIFORM, _SIZED
    cosets = [
        draw_cosets(uniform_key, np.full(uniform, 0.5), uniform_size, n),
        draw_cosets(sized_key, (np.arange(sized) + 0.5) / sized, sized_size, n),
    ]
    fresh = uniforms(fresh_key, _FRESH, n) < 0.5
    values = function(np.concatenate([fresh, *(some.masks() for some in cosets)]))
    y, centre, spread = standardise(values[_FRESH:])
    support = joined_supports([EMPTY_SET, strongest_of_all(kernels, _TERMS)], n)
    prior = np.mean([prior_variances(_on_host(kernel), support) for kernel in kernels], axis=0)
    precision = _NOISE * float(kernels[0].noise) / np.maximum(prior, 1e-20)
    precision[0] = 0  # no penalty: the constant differs from the mean over these masks
    found = _regression(support, cosets, y, precision) * spread
    found[0] += centre
    spectrum = Spectrum(support, found, n).truncate(len(found))
    return spectrum, float(np.mean((values[:_FRESH] - spectrum(fresh)) ** 2))


def _on_host(kernel: ProductKernel) -> ProductKernel:
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), kernel)


def _regression(
    support: Int[np.ndarray, "k d"],
    cosets: list[Cosets],
    y: Float[np.ndarray, " m"],
    precision: Float[np.ndarray, " k"],
) -> Float[np.ndarray, " k"]:
    """The ridge solution of `distilled`."""
    from scipy.sparse.linalg import LinearOperator, cg

    parts, shape = [Characters(support, some) for some in cosets], (len(support), len(support))
    targets = np.split(y, np.cumsum([some.num_masks for some in cosets])[:-1])
    normal = LinearOperator(shape, lambda w: sum(x.projected(x.times(w)) for x in parts) + precision * w, dtype=float)
    scaled = LinearOperator(shape, lambda w: w / (len(y) + precision), dtype=float)
    moments = sum(x.projected(target) for x, target in zip(parts, targets, strict=True))
    return cg(normal, moments, rtol=_TOLERANCE, maxiter=_ROUNDS, M=scaled)[0]
