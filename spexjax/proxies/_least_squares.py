"""Least squares over all interactions up to an order: the regression by which faithful indices are defined."""

import dataclasses
import operator
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from spexjax._values import standardise
from spexjax.designs import size_probabilities
from spexjax.proxies._cross_validation import complements, folds, leave_fold_selection
from spexjax.proxies._proxy import Fit, without_ends
from spexjax.spectrum import Spectrum
from spexjax.typing import Key, Masks, Values

_MAX_TERMS = 20_000
_RIDGES = (1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0, 1e2, 1e4)  # per mask
_DECAYS = (1.0, 1 / 4, 1 / 16, 1 / 64, 1 / 256)
_NUM_FOLDS = 5
_ROUNDING = 1e-12  # share of the largest eigenvalue below which one is nothing else
_UNDETERMINED = 1e-9  # least determinant of what two masks leave to each other, over the product of what each leaves
_LEAST_WEIGHT = 1e-9


class _Columns(NamedTuple):
    """The characters, centred, each row times the square root of its weight."""

    values: Float[np.ndarray, "m p"]
    orders: Int[np.ndarray, " p"]
    products: tuple[Float[np.ndarray, "q q"], ...]  # values' values if m > p, else values values' of each order


class _Factors(NamedTuple):
    """Left singular vectors of the scaled columns, the squares of the singular values, and the scales, squared."""

    vectors: Float[np.ndarray, "m r"]
    squares: Float[np.ndarray, " r"]
    variances: Float[np.ndarray, " p"]


@dataclasses.dataclass(frozen=True)
class LeastSquares:
    """The proxy made by `least_squares`."""

    order: int = 2
    by_size: bool = False

    def num_terms(self, num_features: int) -> int:
        """How many sets of 1 to `order` features there are.

        Args:
          num_features: n.

        Raises:
          ValueError: if they are more than 20,000.
        """
        terms = sum(comb(num_features, d) for d in range(1, self.order + 1))
        if terms > _MAX_TERMS:
            raise ValueError(
                f"Least squares of order {self.order} has {terms:,} terms for {num_features} features, and "
                f"{_MAX_TERMS:,} is the most; use a lower order, or method='auto', which does not list all terms."
            )
        return terms

    @without_ends
    def __call__(self, masks: Masks, values: Values, key: Key) -> Fit:
        """Fits every ridge and decay, each mask predicted without it and its complement; see `least_squares`."""
        (y, centre, spread), (m, n) = standardise(values), masks.shape
        self.num_terms(n)
        fold = folds(key, masks, min(_NUM_FOLDS, m))
        weights = _weights(masks) if self.by_size else np.ones(m)
        roots, characters, support = np.sqrt(weights), *_characters(masks, min(self.order, n))
        means, mean = weights @ characters / m, weights @ y / m
        characters -= means
        columns, target = _columns(characters * roots[:, None], (support < n).sum(1)), roots * (y - mean)

        partners, ridges = complements(masks), m * np.array(_RIDGES)
        decays = _DECAYS if columns.orders.max() > 1 else _DECAYS[:1]
        residuals = [_left_out(_factors(columns, d), target, roots, partners, ridges) for d in decays]
        chosen = leave_fold_selection(target - np.concatenate(residuals), target, fold)

        which, at = divmod(chosen.best, len(ridges))
        vectors, squares, variances = _factors(columns, decays[which])
        dual = vectors @ ((vectors.T @ target) / (squares + ridges[at]))
        b = variances * (columns.values.T @ dual)
        held_out = (chosen.held_out / roots + mean) * spread + centre
        kept, empty = np.flatnonzero(b), np.full((1, support.shape[1]), n, np.int32)
        terms = np.concatenate([[(mean - means @ b) * spread + centre], b[kept] * spread])
        diagnostics = {"order": support.shape[1], "terms": len(kept), "ridge": _RIDGES[at], "decay": decays[which]}
        return Fit(Spectrum(np.concatenate([empty, support[kept]]), terms, n), held_out, diagnostics)


def least_squares(order: int = 2, *, by_size: bool = False) -> LeastSquares:
    """Least squares of all characters up to an order, `f(x) ≈ c + sum_{1 <= |S| <= order} b_S (-1)^{|S ∩ x|}`.

    Minimises `sum_i w_i (f(x_i) - c - X_i b)^2 + r m sum_S b_S^2 / decay^(|S| - 1)`. The ridge r, from 1e-8 to 1e4, and
    the decay, from 1 to 1/256, are chosen by the error at masks left out: a fit predicts each mask without it and
    without its complement, in closed form. The least of them gives plain least squares where there are enough masks,
    and a game of that order is recovered; with more terms than masks it gives the solution of least norm, in which a
    decay below 1 prefers low orders.

    Unweighted on uniform masks this is the regression that defines Faith-Banzhaf indices. Faith-Shapley indices want
    the weights `w ∝ P(|x|) / #{i: |x_i| = |x|}` with the Shapley kernel P (`by_size`), which correct the sizes of which
    a design has run out of masks. The two ends take no part: an `Explanation` is exact there, and an index of order
    `order` is then that of the regression that meets them.

    Time grows with `min(m, p)^3` for p terms, memory with `m p`; all of it is double precision on the host.

    Source: Tsai, Yeh and Ravikumar (2023), Faith-Shap; leave-one-out of linear smoothers by Allen (1974), PRESS.

    Args:
      order: of the largest sets.
      by_size: weigh the sizes of masks by the Shapley kernel.

    Returns:
      A proxy. Calling it raises ValueError for fewer than 2 masks, or more than 20,000 terms.

    Raises:
      ValueError: if the order is below 1.

    >>> least_squares(2).num_terms(64)
    2080
    """
    if operator.index(order) < 1:
        raise ValueError(f"The order of least squares must be at least 1; got {order}.")
    return LeastSquares(operator.index(order), bool(by_size))


def _weights(masks: Masks) -> Float[np.ndarray, " m"]:
    """The Shapley kernel's probability of each mask's size, over how many masks have it; of mean 1."""
    sizes, n = masks.sum(1), masks.shape[1]
    weights = np.maximum(size_probabilities(n)[sizes] / np.bincount(sizes)[sizes], _LEAST_WEIGHT)
    return weights / weights.mean()


def _characters(masks: Masks, order: int) -> tuple[Float[np.ndarray, "m p"], Int[np.ndarray, "p d"]]:
    """`(-1)^{|S ∩ x|}` of all sets of 1 to `order` features, and the sets, padded with n."""
    (m, n), sizes = masks.shape, range(1, order + 1)
    rows = [s + (n,) * (order - d) for d in sizes for s in combinations(range(n), d)]
    support = np.array(rows, np.int32)
    signs = np.concatenate([1.0 - 2 * masks, np.ones((m, 1))], axis=1)
    found = signs[:, support[:, 0]]
    for members in support.T[1:]:
        found *= signs[:, members]
    return found, support


def _columns(values: Float[np.ndarray, "m p"], orders: Int[np.ndarray, " p"]) -> _Columns:
    if len(values) > len(orders):
        return _Columns(values, orders, (values.T @ values,))
    parts = [values[:, orders == d] for d in range(1, orders.max() + 1)]
    return _Columns(values, orders, tuple(part @ part.T for part in parts))


def _factors(columns: _Columns, decay: float) -> _Factors:
    """Of the columns times the prior standard deviations `decay^((|S| - 1) / 2)`; the smaller side is factored."""
    values, orders, products = columns
    variances = decay ** (orders - 1.0)
    dual = len(values) <= len(orders)
    if dual:
        squares, vectors = np.linalg.eigh(sum(decay**d * product for d, product in enumerate(products)))
    else:
        scales = np.sqrt(variances)
        squares, vectors = np.linalg.eigh(products[0] * scales[:, None] * scales)
    kept = squares > _ROUNDING * max(squares.max(), 1.0)
    squares, vectors = squares[kept], vectors[:, kept]
    if not dual:
        vectors = values @ (scales[:, None] * vectors) / np.sqrt(squares)
    return _Factors(vectors, squares, variances)


def _left_out(
    factors: _Factors,
    target: Float[np.ndarray, " m"],
    roots: Float[np.ndarray, " m"],
    partners: Int[np.ndarray, " m"],
    ridges: Float[np.ndarray, " q"],
) -> Float[np.ndarray, "q m"]:
    """Residuals of each mask by the fit without it and its complement, for every ridge.

    With e = R y and `R = I - H` for the smoother H, those of a pair are `R[pair, pair]^-1 e[pair]`. H has the
    intercept: R leaves nothing of the direction of the roots.

    Args:
      factors: of the columns.
      target: y, centred.
      roots: square roots of the weights, of mean square 1.
      partners: the row of each mask's complement, or its own.
      ridges: r m.
    """
    u, one = factors.vectors, roots / np.sqrt(len(roots))
    left = ridges / (factors.squares[:, None] + ridges)  # the share of each direction that is not fitted
    along, twins = u.T @ target, u * u[partners]
    e = (target - u @ along)[:, None] + u @ (left * along[:, None])
    own = (1 - one**2 - (u**2).sum(1))[:, None] + u**2 @ left
    paired = (partners != np.arange(len(u)))[:, None]
    shared = paired * ((-one * one[partners] - twins.sum(1))[:, None] + twins @ left)
    other = own[partners]
    determinant = np.maximum(own * other - shared**2, _UNDETERMINED * own * other + np.finfo(float).tiny)
    return ((other * e - shared * e[partners]) / determinant).T
