"""How much may be removed: `keep="auto"` finds the largest removal under which values still vary with structure."""

import numpy as np
import scipy.linalg
import scipy.special
from jaxtyping import Float

from spexjax._random import split_key, uniforms
from spexjax._values import standardise
from spexjax.typing import Key, Masks, Values

KEEPS = (0.5, 0.7, 0.8, 0.9, 0.95)
_PAIRS = 6  # of ways to remove the features one by one
_SHARED = 0.85  # of the features go at the same time on both ways of a pair
_STRUCTURED = 0.9  # share of the variance that the masks explain
_HIGH = 6  # order of what no few ablations can learn
_MILDER = 0.7  # worth of the next milder p where a smaller one would do; one that is too small is worth nothing


def probes(key: Key, num_features: int) -> tuple[Masks, Float[np.ndarray, " m"]]:
    """Masks that tell structure from noise at each of `KEEPS`: the two ends, and 12 of each p.

    On each path every feature gets a uniform number u, and the mask of p keeps those with u < p. So it is one of the
    product measure, and what a larger p removes, a smaller p removes, too. Paths come in pairs that share 85 % of their
    numbers.

    Args:
      key: PRNG key, consumed.
      num_features: n.

    Returns:
      Distinct masks, 62 at most, the ends first; and the p that each was drawn with, 1 and 0 for the ends.
    """
    n, (first, second, same) = num_features, split_key(key, 3)
    one, other = uniforms(first, _PAIRS, n), uniforms(second, _PAIRS, n)
    other = np.where(uniforms(same, _PAIRS, n) < _SHARED, one, other)
    paths = np.concatenate([one, other])
    masks = np.concatenate([np.ones((1, n), bool), np.zeros((1, n), bool), *(paths < p for p in KEEPS)])
    keeps = np.repeat([1.0, 0.0, *KEEPS], [1, 1, *[len(paths)] * len(KEEPS)])
    _, rows = np.unique(np.packbits(masks, axis=1), axis=0, return_index=True)
    return masks[np.sort(rows)], keeps[np.sort(rows)]


def structured_keep(masks: Masks, keeps: Float[np.ndarray, " m"], values: Values) -> float:
    """The p of `KEEPS` that removes most among those whose values vary with structure, as far as the values tell.

    Masks that remove much the same have much the same value if the function is of low order there; if it is noise or of
    high order, as a model without half of its heads is, they have not. Let r be the cosine of
    `(x_i - p) / sqrt(p (1 - p))` at two masks: by r^k correlate functions of order k. So values at p and above are
    taken as normal with the correlations `h (r + r^2) / 2`, h = 0.9, and those below p with `h r^6`. All p being as
    likely beforehand, this gives each a probability. A smaller p than that is worth nothing, a larger one less by 0.7 a
    step: the p of the highest expected worth is chosen. No fit is needed, so the number of features does not matter.

    Args:
      masks: from `probes`.
      keeps: the p of each mask.
      values: `[m]`.
    """
    scores = _normal_scores(keeps, values)
    rows = np.flatnonzero(scores)
    p = keeps[rows, None]
    z = (np.asarray(masks)[rows] - p) / np.sqrt(p * (1 - p))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    r = z @ z.T
    low, high = _STRUCTURED * (r + r * r) / 2, _STRUCTURED * r**_HIGH
    logs = []
    for keep in KEEPS:
        inside, outside = np.minimum(p, p.T) >= keep, np.maximum(p, p.T) < keep
        logs.append(_log_likelihood(np.where(inside, low, np.where(outside, high, 0.0)), scores[rows]))
    worth = scipy.special.softmax(logs)
    for i in range(1, len(worth)):
        worth[i] += _MILDER * worth[i - 1]
    return KEEPS[int(np.argmax(worth))]


def _normal_scores(keeps: Float[np.ndarray, " m"], values: Values) -> Float[np.ndarray, " m"]:
    """Values as quantiles of a normal distribution among those of one p, so that outliers count like others.

    0 for the ends, for the middle one, and where all are equal.
    """
    scores = np.zeros(len(values))
    for keep in KEEPS:
        rows = np.flatnonzero(keeps == keep)
        if len(rows) and standardise(values[rows]).spread:
            below = (values[rows, None] > values[rows]).sum(1) + (values[rows, None] >= values[rows]).sum(1)
            scores[rows] = scipy.special.ndtri(below / (2 * len(rows)))
    return scores


def _log_likelihood(correlations: Float[np.ndarray, "m m"], scores: Float[np.ndarray, " m"]) -> float:
    """That of normal scores of variance 1 with these correlations, whatever the diagonal; up to a constant."""
    covariance = correlations - np.diag(np.diagonal(correlations)) + np.eye(len(scores))
    lower = np.linalg.cholesky(covariance)
    whitened = scipy.linalg.solve_triangular(lower, scores, lower=True)
    return float(-np.log(np.diagonal(lower)).sum() - whitened @ whitened / 2)
