"""Probabilities as log-odds: a classifier's score adds up there, and its probability does not."""

import dataclasses

import numpy as np
import scipy.special
from jaxtyping import Float

from spexjax.surrogate import Posterior
from spexjax.typing import Values

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)


@dataclasses.dataclass(frozen=True)
class LogOdds:
    """The link `f = 1 / (1 + e^{-(centre + spread s)})` to scores s of mean 0 and variance 1."""

    centre: float
    spread: float

    def expected(self, mean: Float[np.ndarray, " l"], error: float) -> Float[np.ndarray, " l"]:
        """The mean value where the score is normal: of this mean, and this standard error."""
        scores = np.asarray(mean, np.float64)[:, None] + error * _NODES
        return scipy.special.expit(self.centre + self.spread * scores) @ (_WEIGHTS / _WEIGHTS.sum())


def log_odds(
    values: Values, y: Float[np.ndarray, " m"], posterior: Posterior
) -> tuple[LogOdds, Float[np.ndarray, " m"]] | None:
    """The link and the scores, if the values lie between 0 and 1 and the scores are predicted better than they.

    By leave-one-out with the inverse that is there, of a kernel that was trained on the standardised values y: the
    error of s_i is `(P s)_i / P_ii`. One product of a matrix and a vector.

    Source: a classifier's log-odds are what SHAP explains under its logit link (Lundberg and Lee, NeurIPS 2017).
    """
    if not (values.min() > 0 and values.max() < 1):
        return None
    odds = scipy.special.logit(values)
    link = LogOdds(float(odds.mean()), float(odds.std()))
    scores, p = (odds - link.centre) / link.spread, np.asarray(posterior.inverse, np.float64)
    plain, error = (p @ y) / p.diagonal(), (p @ scores) / p.diagonal()
    through = link.expected(scores - error, float(np.sqrt(np.mean(error**2))))
    better = np.mean((values - through) ** 2) < np.std(values) ** 2 * np.mean(plain**2)
    return (link, scores) if better else None
