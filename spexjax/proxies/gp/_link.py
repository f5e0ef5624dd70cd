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
from jaxtyping import Bool, Float, Int, Int8

from spexjax._equality import by_content
from spexjax._values import standardise
from spexjax.designs import all_masks
from spexjax.gp import Posterior, ProductKernel, errors_of_others, prior_variances, strongest_of_all
from spexjax.proxies.gp._log_odds import LogOdds
from spexjax.spectrum import EMPTY_SET, Spectrum, characters, joined_supports
from spexjax.transforms import exact_spectrum
from spexjax.typing import Array, Key, Masks, Values

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
_ALL = 14  # features up to which the function is tabulated at all masks
_TERMS = 8192  # of its spectrum, at most
_UNIFORM, _SIZED, _FRESH = 24_576, 8192, 4096  # masks it is learned from otherwise, and those that measure the loss
_ROWS = 1024  # masks in a block
_TOLERANCE, _ROUNDS = 1e-3, 40  # of conjugate gradients
_NOISE = 1e-2  # of the trained one: the function is known exactly, its other terms are not


@by_content
@dataclasses.dataclass(frozen=True, eq=False)
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


def helps(curve: Link | LogOdds, scores: Float[np.ndarray, " m"], values: Values, posterior: Posterior) -> bool:
    """Whether a kernel that was trained on the standardised values predicts each of them better through a link.

    By leave-one-out with the inverse that is there; see `errors_of_others`.

    Args:
      curve: the link.
      scores: what it makes of the values.
      values: `[m]`.
      posterior: of that kernel, given the standardised values.
    """
    plain, error = np.asarray(posterior.alpha) / posterior.diagonal, errors_of_others(scores, posterior)
    through = curve.expected(scores - error, float(np.sqrt(np.mean(error**2))))
    return bool(np.mean(((values - through) / standardise(values).spread) ** 2) < np.mean(plain**2))


def enlarged(predictions: Values, values: Values, loss: float) -> Values:
    """Held-out predictions whose squared errors are larger by a mean `loss`, in proportion.

    What a spectrum leaves out of a posterior mean is a function of what the fit knew, of which the fit's errors are
    independent: the squares add.
    """
    residuals = predictions - values
    return values + residuals * np.sqrt(1 + loss / np.mean(residuals**2))


def distilled(
    function: Callable[[Masks], Values], kernels: list[ProductKernel], n: int, key: Key
) -> tuple[Spectrum, float]:
    """The spectrum of a function that costs nothing: exact up to 14 features, else on the priors' likeliest terms.

    There their coefficients minimise the squared error at 24,576 uniform masks and 8,192 of uniform size, under a
    prior as wide as the kernels': `(X'X + diag(precision))^-1 X'f`, by conjugate gradients.

    Returns:
      At most 8,192 terms and the constant: it first, then by decreasing magnitude. And the loss: the mean squared
      error of that spectrum at uniform masks, of which it has seen none.
    """
    if n <= _ALL:
        everything = all_masks(n)
        spectrum = exact_spectrum(everything, function(everything)).truncate(1 << n)
        return spectrum.truncate(_TERMS), float((np.asarray(spectrum.coefficients[_TERMS:], np.float64) ** 2).sum())
    masks = _samples(key, n)
    values = function(masks)
    known, y = masks[_FRESH:].reshape(-1, _ROWS, n), values[_FRESH:].reshape(-1, _ROWS)
    _, centre, spread = standardise(y.ravel())
    support = joined_supports([EMPTY_SET, strongest_of_all(kernels, _TERMS)], n)
    prior = np.mean([prior_variances(kernel, jnp.asarray(support)) for kernel in kernels], axis=0, dtype=np.float64)
    precision = _NOISE * float(kernels[0].noise) / np.maximum(prior, 1e-20)
    precision[0] = 0  # the constant is not the mean over these masks
    y = jnp.asarray((y - centre) / spread, jnp.float32)
    found = np.asarray(_regression(jnp.asarray(support), known, y, jnp.asarray(precision, jnp.float32)), np.float64)
    found = found * spread + centre * (np.arange(len(found)) == 0)
    spectrum = Spectrum(support, found, n).truncate(len(found))
    return spectrum, float(np.mean((values[:_FRESH] - spectrum(masks[:_FRESH])) ** 2))


def _samples(key: Key, n: int) -> Masks:
    share_key, mask_key = jax.random.split(key)
    uniform = _FRESH + _UNIFORM
    share = jax.random.uniform(share_key, (uniform + _SIZED, 1)).at[:uniform].set(0.5)
    return np.asarray(jax.random.uniform(mask_key, (uniform + _SIZED, n)) < share)


@jax.jit
@jax.default_matmul_precision("highest")
def _regression(
    support: Int[Array, "k d"], masks: Bool[Array, "b r n"], y: Float[Array, "b r"], precision: Float[Array, " k"]
) -> Float[Array, " k"]:
    x: Int8[Array, "b r k"] = jax.lax.map(lambda block: characters(support, block).astype(jnp.int8), masks)

    def projected(weigh: Callable, *blocks: Float[Array, "b r"]) -> Float[Array, " k"]:
        """`X'u`, where `weigh` gives a block of u from that of X, which exists as numbers one block at a time."""

        def add(total, block):
            signs = block[0].astype(jnp.float32)
            return total + weigh(signs, *block[1:]) @ signs, None

        return jax.lax.scan(add, jnp.zeros_like(precision), (x, *blocks))[0]

    def normal(w: Float[Array, " k"]) -> Float[Array, " k"]:
        return projected(lambda signs: signs @ w) + precision * w

    moments, diagonal = projected(lambda signs, y: y, y), y.size + precision
    return jax.scipy.sparse.linalg.cg(normal, moments, tol=_TOLERANCE, maxiter=_ROUNDS, M=lambda w: w / diagonal)[0]
