"""How the error of a surrogate depends on how many features a mask keeps.

A Gaussian process expects the same error at masks of every size. Real functions vary more where few features are kept
or few are removed. Few uniform masks have such sizes, but Shapley-type indices depend on them. So the variances are
multiplied by a factor for the size of the mask, learned from the held-out residuals.
"""

import numpy as np
import scipy.special
from jaxtyping import Float, Int

from spexjax.typing import Array

_RIDGE = 2.0  # prior precision of the slope and the curvature of the log factor
_MOST = 25.0  # squared standard errors that one residual counts for at most, as outliers say little


def size_factors(
    ratios: Float[np.ndarray, " r"], sizes: Int[np.ndarray, " r"], num_features: int
) -> Float[np.ndarray, " _"]:
    """The factors by which the variance at masks of sizes 0..n differs from the expected one.

    `log v(k) = a + b u + c u^2` with `u = 2k / n - 1`: b and c maximise the likelihood of normal residuals of
    variance v, under a normal prior around no dependence on size. Then a is set so that, over the masks between the
    ends, the mean of v is the mean of the ratios: these may be heavy-tailed.

    Args:
      ratios: squared residuals over the variances that the surrogate expects there.
      sizes: how many features those masks keep.
      num_features: n.
    """

    from scipy.optimize import minimize

    def powers(k) -> Float[np.ndarray, "_ 3"]:
        u = 2 * np.asarray(k, np.float64) / num_features - 1
        return np.stack([np.ones_like(u), u, u**2], axis=1)

    x, y, prior = powers(sizes), np.minimum(ratios, _MOST), np.array([1e-3, _RIDGE, _RIDGE])

    def cost(w: Float[np.ndarray, " 3"]) -> tuple[float, Float[np.ndarray, " 3"]]:
        logs = np.clip(x @ w, -30, 30)
        scaled = y * np.exp(-logs)
        slope = (1 - scaled) @ x / 2 + prior * w
        return float((scaled + logs).sum() / 2 + prior @ w**2 / 2), slope

    found = minimize(cost, np.array([np.log(y.mean() + 1e-12), 0, 0]), jac=True, method="L-BFGS-B")
    factors = np.exp(np.clip(powers(np.arange(num_features + 1)) @ found.x, -30, 30))
    inner = (sizes > 0) & (sizes < num_features)
    return factors * (ratios[inner].mean() / factors[sizes[inner]].mean() if inner.any() else 1.0)


def index_factor(factors: Float[np.ndarray, " _"], order: int, at: Float[Array, " q"], mu: Float[Array, " q"]) -> float:
    """The factor for the variance of an index `sum_q mu_q D_S(t_q)`: the mean factor of the sizes that it depends on.

    A mask x that keeps l of the features outside S has the weight `sum_q mu_q t_q^l (1 - t_q)^{n-s-l}` in the index, up
    to its sign. A size counts by the sum of its masks' squared weights. The two ends are known and do not count.

    Args:
      factors: of sizes 0..n.
      order: s = |S|.
      at: the nodes t.
      mu: their weights.
    """
    n, s = len(factors) - 1, order
    outside = np.arange(n - s + 1)
    weights = (mu * at ** outside[:, None] * (1 - at) ** (n - s - outside[:, None])).sum(1)
    with np.errstate(divide="ignore"):
        logs = 2 * np.log(np.abs(weights)) + _log_binomials(n - s)
    squares = np.convolve(np.exp(logs - logs.max()), np.exp(_log_binomials(s)))[1:-1]
    return float(squares @ factors[1:-1] / squares.sum()) if squares.sum() > 0 else 1.0


def _log_binomials(n: int) -> Float[np.ndarray, " _"]:
    k = np.arange(n + 1)
    return scipy.special.gammaln(n + 1) - scipy.special.gammaln(k + 1) - scipy.special.gammaln(n - k + 1)
