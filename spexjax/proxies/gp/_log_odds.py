"""Probabilities as log-odds: a classifier's score adds up there, and its probability does not."""

import dataclasses

import numpy as np
import scipy.special
from jaxtyping import Float

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


def log_odds(values: Values) -> tuple[LogOdds, Float[np.ndarray, " m"]] | None:
    """The link and the scores of probabilities; None unless all values lie between 0 and 1.

    Source: a classifier's log-odds are what SHAP explains under its logit link (Lundberg and Lee, NeurIPS 2017).
    """
    if not (values.min() > 0 and values.max() < 1):
        return None
    odds = scipy.special.logit(values)
    link = LogOdds(float(odds.mean()), float(odds.std()))
    return link, (odds - link.centre) / link.spread
