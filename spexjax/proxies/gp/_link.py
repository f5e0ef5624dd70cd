"""Monotone links, for values that saturate or jump.

Scores between bounds, or with a gap at a decision boundary, are often a monotone function of a latent score that is
closer to additive. A link maps values to scores and the predictions of a process, which is fitted to the scores, back
to values. There are two: the log-odds of probabilities, and the empirical link to normal quantiles of the ranks, which
closes gaps and stretches bounds.
"""

import dataclasses
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
import scipy.special
from jaxtyping import Float

from spexjax._equality import by_content
from spexjax._values import standardise
from spexjax.gp import Posterior, errors_of_others
from spexjax.typing import Values

_GAIN = 0.01  # share of the squared error by which a link must lower it before it is fitted
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)


@runtime_checkable
class Link(Protocol):
    """A monotone function from scores to values."""

    def expected(self, mean: Float[np.ndarray, " l"], error: float) -> Float[np.ndarray, " l"]:
        """The mean value if the score is normal with this mean and this standard deviation."""
        ...


@by_content
@dataclasses.dataclass(frozen=True, eq=False)
class EmpiricalLink:
    """Linear interpolation between distinct values, in increasing order, and their normal scores."""

    values: Float[np.ndarray, " d"]
    scores: Float[np.ndarray, " d"]

    def expected(self, mean: Float[np.ndarray, " l"], error: float) -> Float[np.ndarray, " l"]:
        return _normal_mean(lambda scores: np.interp(scores, self.scores, self.values), mean, error)


@dataclasses.dataclass(frozen=True)
class LogOdds:
    """The link `f = 1 / (1 + e^{-(centre + spread s)})` to scores s of mean 0 and variance 1."""

    centre: float
    spread: float

    def expected(self, mean: Float[np.ndarray, " l"], error: float) -> Float[np.ndarray, " l"]:
        return _normal_mean(lambda scores: scipy.special.expit(self.centre + self.spread * scores), mean, error)


def _normal_mean(function: Callable, mean: Float[np.ndarray, " l"], error: float) -> Float[np.ndarray, " l"]:
    """`E function(s)` for `s ~ N(mean, error^2)`, by Gauss-Hermite quadrature with 15 nodes."""
    scores = np.asarray(mean, np.float64)[:, None] + error * _NODES
    return function(scores) @ (_WEIGHTS / _WEIGHTS.sum())


def empirical_link(values: Values) -> tuple[EmpiricalLink, Float[np.ndarray, " m"]]:
    """The empirical link of m values, and the score of each: `Phi^-1((rank - 1/2) / m)`, ties sharing a mean rank."""
    known, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    scores = scipy.special.ndtri((np.cumsum(counts) - counts / 2) / len(values))
    return EmpiricalLink(known, scores), scores[place]


def log_odds_link(values: Values) -> tuple[LogOdds, Float[np.ndarray, " m"]] | None:
    """The log-odds link and the score of each value; None unless all values lie strictly between 0 and 1.

    Source: a classifier's log-odds are what SHAP explains under its logit link (Lundberg and Lee, NeurIPS 2017).
    """
    if not (values.min() > 0 and values.max() < 1):
        return None
    odds = scipy.special.logit(values)
    link = LogOdds(float(odds.mean()), float(odds.std()))
    return link, (odds - link.centre) / link.spread


def helps(link: Link, scores: Float[np.ndarray, " m"], place: int, values: Values, posterior: Posterior) -> bool:
    """True if a link lowers the leave-one-out error of a kernel that was trained on the standardised values.

    It must do so by 1 %: a link that gains less seldom wins once it has a fit of its own. This costs next to nothing,
    because the inverse of the kernel matrix is reused; see `errors_of_others`.

    Args:
      link: from scores to values.
      scores: the score of each value.
      place: of these scores among the `others` of the posterior.
      values: `[m]`.
      posterior: of that kernel, given the standardised values.
    """
    plain, error = np.asarray(posterior.alpha) / posterior.diagonal, errors_of_others(posterior)[place]
    through = link.expected(scores - error, float(np.sqrt(np.mean(error**2))))
    squared = np.mean(((values - through) / standardise(values).spread) ** 2)
    return bool(squared < (1 - _GAIN) * np.mean(plain**2))


def enlarged(predictions: Values, values: Values, loss: float) -> Values:
    """Moves held-out predictions away from the values, so that the mean squared error grows by `loss`.

    A spectrum that truncates a posterior mean misses a function of the training data, of which the held-out errors are
    independent: squared errors add.

    Args:
      predictions: held-out predictions of the posterior mean.
      values: the true values.
      loss: mean squared difference between the posterior mean and the spectrum.
    """
    residuals = predictions - values
    return values + residuals * np.sqrt(1 + loss / np.mean(residuals**2))
