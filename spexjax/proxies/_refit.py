"""The last step of a sparse decoder: choose how many terms to keep, and refit them with an intercept."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from spexjax._buckets import bucket, pad
from spexjax._values import standardise
from spexjax.proxies._cross_validation import leave_fold_selection
from spexjax.proxies._proxy import Fit
from spexjax.spectrum import EMPTY_SET, Spectrum, characters, joined_supports
from spexjax.typing import Array, Masks, Values

_OWN_RIDGES = (1e-2, 1e-1, 1.0)  # per mask
_ENERGY_RIDGES = (1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0)  # ratios of noise to signal
_FEW = 128  # terms up to which a smaller program is enough
_FLOOR = 1e-6  # least ridge per mask: a rank-deficient Gram matrix still has a finite Cholesky factor in float32
_NAMES = (
    [{"ordering": o, "prior": "own", "ridge": r} for o in ("magnitude", "first order") for r in _OWN_RIDGES]
    + [{"ordering": "magnitude", "prior": "energy", "ridge": r} for r in _ENERGY_RIDGES]
    + [{"ordering": o, "prior": "own", "ridge": "infinite"} for o in ("magnitude", "first order")]
)


class Penalty(NamedTuple):
    """`ridge * sum_j (b_j / scale_j - centre_j)^2`; terms are kept in the order `rank`, those of scale 0 never."""

    rank: Int[Array, "*p K"]
    scale: Float[Array, "*p K"]
    centre: Float[Array, "*p K"]
    ridge: Float[Array, "*p"]


def refit(
    decoded: Spectrum,
    without_fold: Sequence[Spectrum],
    masks: Masks,
    values: Values,
    fold: Int[np.ndarray, " m"],
    max_terms: int = 1000,
) -> Fit:
    """Keeps the first k terms of a decoded spectrum and refits them; k and the ridge are chosen by held-out error.

    Minimises `||f - c - X b||^2 + penalty(b)` over the intercept c and the coefficients b of the characters
    `X = (-1)^{|S ∩ x|}`. The decoded coefficients F enter the penalty in one of two ways:

    - own: `r m ||b - F||^2`. r = 0 would be the plain refit; infinite r keeps the decoded coefficients.
    - energy: `r sum_j b_j^2 / (F_j^2 / sum_i F_i^2)`, a Gaussian prior whose variances are proportional to F^2.
      It holds weak terms near 0 and leaves strong ones free, so that keeping many terms does no harm.

    Terms are ordered by |F|; the own prior also tries all first-order terms first. Every combination of ordering,
    prior, r and k is scored on each fold by a refit of the spectrum that was decoded without that fold; see
    `leave_fold_selection`. The intercept is not penalised.

    Args:
      decoded: the spectrum decoded from all masks.
      without_fold: the spectra decoded without fold 0, 1, ...; their constants are ignored.
      masks: bool `[m, n]`.
      values: `[m]`.
      fold: the fold of each mask, `0..len(without_fold)-1`.
      max_terms: the largest k. Cost grows with its cube.

    Returns:
      Fit: the constant first, then at most `max_terms` terms in the order of |F|.
    """
    f, centre, spread = standardise(values)  # no leak between folds: every step commutes with an affine map
    (m, n), num_folds = masks.shape, len(without_fold)
    rows, features = bucket(m), bucket(n)
    support, coefficients = _candidates([*without_fold, decoded], max_terms, spread or 1.0, features)
    sizes = _sizes(min(max_terms, 1 << (_most(coefficients) - 1).bit_length()))
    tried = np.pad(sizes, (0, len(_sizes(support.shape[1])) - len(sizes)), mode="edge")  # one shape for any number

    tests = np.full((num_folds, max(-(-rows // num_folds) + 2, *np.bincount(fold[fold >= 0]))), rows)
    for k, row in enumerate(tests):
        row[: (fold == k).sum()] = np.flatnonzero(fold == k)
    x, y = pad(np.asarray(masks), rows, features), pad(f.astype(np.float32), rows)
    train = pad(fold != np.arange(num_folds)[:, None], rows)
    scores = _score(support[:-1], coefficients[:-1], x, y, train, tests, tried)  # [folds, sizes, penalties, tests]
    predictions = np.zeros((len(sizes), len(_NAMES), rows + 1))
    predictions[:, :, tests] = np.moveaxis(np.asarray(scores)[:, : len(sizes)], 0, 2)
    chosen = leave_fold_selection(predictions[:, :, :m].reshape(-1, m), f, fold)

    size, penalty = sizes[chosen.best // len(_NAMES)], chosen.best % len(_NAMES)
    used = (np.arange(rows) < m).astype(np.float32)
    constant, b = _fit(support[-1], coefficients[-1], x, y, used, np.int32(penalty), np.int32(size))
    b = np.asarray(b, np.float64) * spread
    kept = np.flatnonzero(b)
    terms = np.where(support[-1][kept] < n, support[-1][kept], n)
    spectrum = Spectrum(
        joined_supports([EMPTY_SET, terms], n), np.concatenate([[float(constant) * spread + centre], b[kept]]), n
    )
    diagnostics = {"terms": len(kept), **_NAMES[penalty]}
    return Fit(spectrum, chosen.held_out * spread + centre, diagnostics)


def nested_ridge(
    gram: Float[Array, "K K"], moment: Float[Array, " K"], tests: Float[Array, "t K"], penalty: Penalty
) -> Float[Array, "t K"]:
    """Predictions of the ridge fits on the first 1, 2, ..., K terms, by one Cholesky factorisation and one solve.

    With the terms in units of their scales, `G + r I = L L'`. The leading block of L factors the leading block of G.
    So the fit on the first k terms is `b_k = L_k'^-1 (L^-1 (q + r c))_k`, and its predictions are running sums over
    the columns of `(X L'^-1) * (L^-1 (q + r c))`.

    Args:
      gram: G = X'X of the training masks, with centred columns.
      moment: q = X'y.
      tests: the rows of X to predict, centred by the same means.
      penalty: a single one, with centre c and ridge r.

    Returns:
      Predictions `[t, K]`; column k - 1 is the fit on the first k terms.
    """
    rank, scale, centre, ridge = penalty
    s = scale[rank]
    system = gram[rank][:, rank] * s[:, None] * s + ridge * jnp.eye(len(s))
    lower = jnp.linalg.cholesky(system)
    right = jnp.concatenate([(s * moment[rank] + ridge * centre[rank])[None], tests[:, rank] * s])
    z = jax.lax.linalg.triangular_solve(lower, right, lower=True, transpose_a=True)
    return jnp.cumsum(z[1:] * z[0], axis=1)


def _sizes(num_terms: int) -> Int[np.ndarray, " q"]:
    """The numbers of terms that are tried: 0, powers of 1.5, and all."""
    powers = np.round(1.5 ** np.arange(np.log(num_terms) / np.log(1.5)))
    return np.unique([0, num_terms, *powers]).astype(int)


def _most(coefficients: Float[np.ndarray, "s K"]) -> int:
    """The number of terms of the largest spectrum, at least 1; padding comes last and is 0."""
    return max(1, *((coefficients != 0) * np.arange(1, coefficients.shape[1] + 1)).max(1).tolist())


def _candidates(spectra, max_terms: int, spread: float, features: int):
    """The strongest terms of each spectrum without the constant, padded to one shape: `Int[s K d]`, `Float[s K]`.

    K is the bound of terms, or a small number if there are few: two shapes, two programs.
    """
    n, tops = spectra[0].num_features, [s.truncate(max_terms + 1) for s in spectra]
    proper = [np.asarray(t.orders) > 0 for t in tops]
    most = max(1, *(int(p.sum()) for p in proper))
    num_terms = min(max_terms, _FEW) if most <= _FEW else max_terms
    width = bucket(max(t.support.shape[1] for t in tops))
    support = np.full((len(tops), num_terms, width), features, np.int32)
    coefficients = np.zeros((len(tops), num_terms), np.float32)
    for i, (t, p) in enumerate(zip(tops, proper, strict=True)):
        k, sets = min(int(p.sum()), num_terms), np.asarray(t.support)[p]
        support[i, :k, : t.support.shape[1]] = np.where(sets < n, sets, features)[:k]
        coefficients[i, :k] = np.asarray(t.coefficients)[p][:k] / spread
    return support, coefficients


def _penalties(support, coefficients, n: int, num_masks) -> Penalty:
    """All finite penalties in the order of `_NAMES`."""
    order = (support < n).sum(-1)
    magnitude = jnp.arange(len(order))
    first = jnp.argsort(jnp.where(order == 0, len(order), order > 1), stable=True)
    energy = jnp.abs(coefficients) / jnp.maximum(jnp.linalg.norm(coefficients), jnp.finfo(jnp.float32).tiny)
    own = [
        Penalty(rank, jnp.ones_like(energy), coefficients, r * num_masks)
        for rank in (magnitude, first)
        for r in _OWN_RIDGES
    ]
    prior = [
        Penalty(magnitude, energy, jnp.zeros_like(energy), jnp.maximum(r, _FLOOR * num_masks)) for r in _ENERGY_RIDGES
    ]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *own, *prior)


def _moments(support, masks, y, train):
    """Centred characters of all masks, their means, the mean of y, and the training Gram matrix and moments."""
    x, total = characters(support, masks), train.sum()
    mean, mean_y = train @ x / total, train @ y / total
    x = x - mean
    xt = x * train[:, None]
    return x, mean, mean_y, xt.T @ xt, xt.T @ (y - mean_y)


@jax.jit
@jax.default_matmul_precision("highest")
def _score(
    support: Int[Array, "f K d"],
    coefficients: Float[Array, "f K"],
    masks: Bool[Array, "m n"],
    y: Float[Array, " m"],
    train: Bool[Array, "f m"],
    rows: Int[Array, "f t"],
    sizes: Int[Array, " q"],
) -> Float[Array, "f q p t"]:
    """Out-of-fold predictions of every size and penalty, one fold at a time to bound the memory."""

    def one(fold):
        support, coefficients, train, rows = fold
        x, _, mean_y, gram, moment = _moments(support, masks, y, train.astype(y.dtype))
        tests, at = x[rows], jnp.maximum(sizes - 1, 0)
        penalties = _penalties(support, coefficients, masks.shape[1], train.sum())
        fitted = jax.lax.map(lambda p: nested_ridge(gram, moment, tests, p)[:, at], penalties)
        ranks = penalties.rank[jnp.array([0, len(_OWN_RIDGES)])]
        truncated = jnp.stack([jnp.cumsum(tests[:, r] * coefficients[r], axis=1)[:, at] for r in ranks])
        nested = jnp.where(sizes > 0, jnp.concatenate([fitted, truncated]), 0)
        return mean_y + jnp.moveaxis(nested, -1, 0)

    return jax.lax.map(one, (support, coefficients, train, rows))


@jax.jit
@jax.default_matmul_precision("highest")
def _fit(support, coefficients, masks, y, used, penalty, size):
    """The intercept and coefficients of one size and penalty on all masks that are used."""
    _, mean, mean_y, gram, moment = _moments(support, masks, y, used)
    penalties = _penalties(support, coefficients, masks.shape[1], used.sum())
    infinite = penalty - len(penalties.ridge)  # < 0, or which ordering of the truncated proxy
    chosen = jax.tree.map(lambda leaf: leaf[jnp.where(infinite < 0, penalty, infinite * len(_OWN_RIDGES))], penalties)
    keep = jnp.argsort(chosen.rank) < size
    s = chosen.scale * keep
    system = gram * s[:, None] * s + chosen.ridge * jnp.eye(len(s))
    solved = s * jax.scipy.linalg.solve(system, s * moment + chosen.ridge * chosen.centre * keep, assume_a="pos")
    b = jnp.where(infinite < 0, solved, coefficients * keep)
    return mean_y - mean @ b, b
