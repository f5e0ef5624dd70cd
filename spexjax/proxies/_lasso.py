"""The order-1 baseline: an L1-penalised linear model in the signs of the features."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from spexjax._buckets import bucket, pad
from spexjax._host_program import host_program
from spexjax._values import standardise
from spexjax.gp import padded_signs
from spexjax.proxies._cross_validation import folds, leave_fold_selection
from spexjax.proxies._proxy import Fit, without_ends
from spexjax.spectrum import Spectrum
from spexjax.typing import Array, Key, Masks, Values

_TOLERANCE = 1e-4  # allowed violation of the optimality conditions, as a share of the largest penalty
_MAX_STEPS = 1000


@dataclasses.dataclass(frozen=True)
class Lasso:
    """The proxy made by `lasso`."""

    num_folds: int = 5
    num_penalties: int = 50

    @without_ends
    def __call__(self, masks: Masks, values: Values, key: Key) -> Fit:
        """Fits the path of penalties to all masks and without each fold; see `lasso`."""
        (y, centre, spread), (m, n) = standardise(values), masks.shape
        rows, features = bucket(m), bucket(n)
        num_folds = min(self.num_folds, m)
        fold = folds(key, masks, num_folds)
        train = np.arange(num_folds + 1)[:, None] != fold  # no mask has the last fold, so its fit sees all
        shares = np.geomspace(1, 1e-3 if n <= m else 1e-2, self.num_penalties).astype(np.float32)

        signs, target = padded_signs(masks, rows, features), pad(y.astype(np.float32), rows)
        found = _lasso_paths(signs, target, pad(train, rows), shares)
        intercepts, weights = (np.asarray(a, np.float64) for a in found)
        weights, signs = weights[:, :, :n], signs[:m, :n].astype(np.float64)
        predictions = np.empty((len(shares), m))
        for k in range(num_folds):
            predictions[:, fold == k] = weights[k] @ signs[fold == k].T + intercepts[k][:, None]
        chosen = leave_fold_selection(predictions, y, fold)

        w = weights[-1, chosen.best] * spread
        kept = np.flatnonzero(w)
        constant = float(intercepts[-1, chosen.best]) * spread + centre
        spectrum = Spectrum(
            np.concatenate([[n], kept])[:, None].astype(np.int32), np.concatenate([[constant], w[kept]]), n
        )
        diagnostics = {"folds": num_folds, "terms": len(kept), "penalty": float(shares[chosen.best])}
        return Fit(spectrum, chosen.held_out * spread + centre, diagnostics)


def lasso() -> Lasso:
    """The LASSO of the first-order characters, `f(x) ≈ c + sum_i w_i (-1)^{x_i}`.

    The penalty is chosen by 5-fold cross-validation among 50 on a logarithmic grid, from the smallest that removes
    every feature down to a thousandth of it (a hundredth with more features than masks). This is the baseline for
    methods that find interactions.

    Source: Tibshirani (1996); the solver is FISTA with restarts (Beck and Teboulle 2009; O'Donoghue and Candès 2015).

    Returns:
      A proxy. Calling it raises ValueError for fewer than 2 masks.
    """
    return Lasso()


@jax.default_matmul_precision("highest")
def lasso_paths(
    signs: Float[Array, "m n"], y: Float[Array, " m"], train: Bool[Array, "f m"], shares: Float[Array, " p"]
) -> tuple[Float[Array, "f p"], Float[Array, "f p n"]]:
    """Intercepts and weights of LASSO paths on several training sets at once.

    Minimises `|y - c - X w|^2 / 2m + penalty * sum_i s_i |w_i|` over the training masks, where s_i is the standard
    deviation of column i; a constant column has weight 0. The solution for each penalty starts from the previous one.
    A step costs n^2 per training set through its Gram matrix if n <= m, and a product with the shared signs otherwise.

    Args:
      signs: X, `(-1)^x` of all masks.
      y: the values there.
      train: the masks of each of f training sets.
      shares: p decreasing penalties, as shares of each set's smallest penalty that removes every feature.

    Returns:
      Intercepts `[f, p]` and weights `[f, p, n]`.
    """
    m, n = signs.shape

    def one(rows: Bool[Array, " m"]) -> tuple[Float[Array, " p"], Float[Array, "p n"]]:
        share = rows / rows.sum()
        mean, mean_y = share @ signs, share @ y
        deviation = jnp.sqrt(jnp.maximum(share @ signs**2 - mean**2, 0))
        inverse = jnp.where(deviation > 1e-3, 1 / jnp.maximum(deviation, 1e-3), 0)

        def along(w: Float[Array, " n"]) -> Float[Array, " m"]:
            return signs @ (inverse * w) - mean @ (inverse * w)

        def back(r: Float[Array, " m"]) -> Float[Array, " n"]:
            return inverse * (r @ signs - mean * r.sum())

        moment = back(share * (y - mean_y))
        if n <= m:
            x = jnp.sqrt(share)[:, None] * (signs - mean) * inverse
            gram = x.T @ x

        def slope(w: Float[Array, " n"]) -> Float[Array, " n"]:
            return (gram @ w if n <= m else back(share * along(w))) - moment

        largest = jnp.abs(moment).max()
        step = 1 / _curvature(slope, moment)

        def solve(w: Any, penalty: Any) -> tuple[Any, Any]:
            w = _fista(slope, step, w, penalty, _TOLERANCE * largest)
            return w, w

        _, path = jax.lax.scan(solve, jnp.zeros(n), shares * largest)
        weights = path * inverse
        return mean_y - weights @ mean, weights

    return jax.vmap(one)(train)


_lasso_paths = host_program(lasso_paths)


def _curvature(slope, moment: Float[Array, " n"]) -> Float[Array, ""]:
    """An upper bound on the largest eigenvalue of the quadratic: 1.1 times the estimate of the power method."""
    n = len(moment)
    start = jnp.cos(1.0 + jnp.arange(n) ** 2)  # arbitrary; not orthogonal to the eigenvector in practice

    def turn(_, v: Float[Array, " n"]) -> Float[Array, " n"]:
        v = slope(v) + moment
        return v / jnp.maximum(jnp.linalg.norm(v), 1e-30)

    v = jax.lax.fori_loop(0, 50, turn, start / jnp.linalg.norm(start))
    return jnp.maximum(1.1 * jnp.linalg.norm(slope(v) + moment), 1e-6)


def _fista(slope, step, w: Float[Array, " n"], penalty, tolerance) -> Float[Array, " n"]:
    """Accelerated soft-thresholding until a step violates optimality by less than `tolerance`."""

    def move(state):
        w, ahead, t, _, steps = state
        target = ahead - step * slope(ahead)
        new = jnp.sign(target) * jnp.maximum(jnp.abs(target) - step * penalty, 0)
        restart = (ahead - new) @ (new - w) > 0  # the momentum points uphill
        t = jnp.where(restart, 1.0, t)
        t_next = (1 + jnp.sqrt(1 + 4 * t**2)) / 2
        violation = jnp.abs(ahead - new).max() / step
        return new, new + jnp.where(restart, 0, (t - 1) / t_next) * (new - w), t_next, violation, steps + 1

    def unfinished(state):
        return (state[3] > tolerance) & (state[4] < _MAX_STEPS)

    return jax.lax.while_loop(unfinished, move, (w, w, 1.0, jnp.inf, 0))[0]
