"""A monotone link for values that saturate or jump: where to look for one, and how to undo it.

Scores between bounds, or with a gap at a decision boundary, are a monotone function of something that adds up. The
link is the empirical one: values are replaced by the normal quantiles of their ranks, which closes gaps and stretches
bounds, a process is fitted to these, and its predictions are mapped back.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Float

from spexjax.proxies.weight_space import WeightSpace
from spexjax.spectrum import Spectrum
from spexjax.surrogate import Posterior, ProductKernel, strongest_of_all
from spexjax.transforms import exact_spectrum
from spexjax.typing import Key, Masks, Values

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
_ALL = 14  # features up to which the function is tabulated at all masks
_SAMPLES, _TERMS = 8192, 2048  # masks and terms it is known from otherwise


@dataclasses.dataclass(frozen=True)
class Link:
    """Values by increasing rank, and the normal scores that stand for them; of equal values, their mean score."""

    values: Float[np.ndarray, " m"]
    scores: Float[np.ndarray, " m"]

    def expected(self, mean: Float[np.ndarray, " l"], error: float) -> Float[np.ndarray, " l"]:
        """The mean value where the score is normal: of this mean, and this standard error."""
        nodes = np.asarray(mean)[:, None] + error * _NODES
        return np.interp(nodes, self.scores, self.values) @ (_WEIGHTS / _WEIGHTS.sum())


def link(values: Values) -> tuple[Link, Float[np.ndarray, " m"]]:
    """The empirical link of some values, and the score of each: `Phi^-1((rank - 1/2) / m)`."""
    known, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    scores = scipy.special.ndtri((np.cumsum(counts) - counts / 2) / len(values))
    return Link(known, scores), scores[place]


def helps(values: Values, y: Float[np.ndarray, " m"], posterior: Posterior) -> bool:
    """Whether a kernel that was trained on standardised values y predicts each value better through a link.

    By leave-one-out with the inverse that is there, `s_i - (P s)_i / P_ii`: one product of a matrix and a vector.
    """
    p, (bent, scores) = np.asarray(posterior.inverse, np.float64), link(values)
    plain, error = (p @ y) / p.diagonal(), (p @ scores) / p.diagonal()
    through = bent.expected(scores - error, float(np.sqrt(np.mean(error**2))))
    return bool(np.mean((values - through) ** 2) < np.std(values) ** 2 * np.mean(plain**2))


def distilled(
    function: Callable[[Masks], Values], kernels: list[ProductKernel], n: int, max_terms: int, key: Key
) -> Spectrum:
    """The spectrum of a function that costs nothing: exact up to 14 features, else on the priors' likeliest terms.

    There the function is evaluated at masks that are uniform, or of uniform size, in equal parts.

    Returns:
      At most `max_terms` terms and the constant: it first, then by decreasing magnitude.
    """
    if n <= _ALL:
        everything = (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(bool)
        return exact_spectrum(everything, jnp.asarray(function(everything), jnp.float32)).truncate(max_terms)
    masks = _samples(key, n)
    values = function(masks)
    centre, spread = values.mean(), values.std()
    support, fold = strongest_of_all(kernels, min(max_terms, _TERMS)), np.zeros(len(masks), int)
    support = np.pad(support, ((1, 0), (0, 0)), constant_values=n)  # the constant is not the mean over these masks
    space = WeightSpace(support, masks, (values - centre) / spread, fold)
    found = space.coefficients(kernels[0], 1e-2 * float(kernels[0].noise)) * spread
    constant = Spectrum(jnp.full((1, 1), n, jnp.int32), jnp.asarray([centre], jnp.float32), n)
    spectrum = constant.merge(Spectrum(space.support, jnp.asarray(found, jnp.float32), n))
    return spectrum.truncate(len(spectrum))


def _samples(key: Key, n: int) -> Masks:
    share_key, mask_key = jax.random.split(key)
    share = jax.random.uniform(share_key, (_SAMPLES, 1)).at[::2].set(0.5)
    return np.asarray(jax.random.uniform(mask_key, (_SAMPLES, n)) < share)
