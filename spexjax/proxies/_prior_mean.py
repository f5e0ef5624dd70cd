"""A fit around a prior mean: what is expected of the values is subtracted before the fit and added after it."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from spexjax._ends import inner_rows
from spexjax._values import standardise
from spexjax.metrics import r2
from spexjax.proxies._cross_validation import surely_better
from spexjax.proxies._proxy import Fit
from spexjax.spectrum import Spectrum
from spexjax.typing import Masks, Values

_SURE = 2.0  # standard errors by which a fit must predict better without the prior mean
_TINY = 1e-6  # share of the largest singular value below which priors say the same


def fit_around(priors: Sequence[Spectrum], fit: Callable[[Values], Fit], masks: Masks, values: Values) -> Fit:
    """M plus the fit to `f - M`, where M is the regression of f on the priors; or the fit to f if M is of no use.

    M is of no use if, each mask being left out, it predicts no better than the mean of the others; or if the fit to f
    surely has the lower held-out error. Few masks cannot tell, and then priors usually help.

    Args:
      priors: functions that f is expected to resemble, each up to a factor.
      fit: of a proxy, to values at the masks.
      masks: bool `[m, n]`.
      values: `[m]`, f.
    """
    plain = fit(values)
    if not priors:
        return plain
    inner, f = inner_rows(masks), np.asarray(values, np.float64)
    priors = [prior for prior in priors if standardise(prior(masks[inner])).spread]
    if not priors:
        return plain._replace(diagnostics=plain.diagnostics | {"prior": {"used": False}})
    mean, left_out = _regression(priors, masks, f)
    baseline = f.copy()
    baseline[inner] = (f[inner].sum() - f[inner]) / (len(inner) - 1)
    said = {"used": False, "r2_of_prior": round(r2(f[inner], left_out[inner]), 4)}
    if surely_better(left_out[inner], baseline[inner], f[inner], 0.0):
        around = fit(f - np.asarray(mean(masks), np.float64)).plus(mean, left_out)
        rows = inner if plain.held_out_rows is None else plain.held_out_rows
        without, informed = (np.asarray(found.held_out, np.float64)[rows] for found in (plain, around))
        said["used"] = not surely_better(without, informed, f[rows], _SURE)
        said |= {"r2_without": round(r2(f[rows], without), 4), "r2_with": round(r2(f[rows], informed), 4)}
        plain = around if said["used"] else plain
    return plain._replace(diagnostics=plain.diagnostics | {"prior": said})


def _regression(priors: Sequence[Spectrum], masks: Masks, f: Values) -> tuple[Spectrum, Float[np.ndarray, " m"]]:
    """`M = c + sum_j b_j prior_j` by least squares at the inner masks; and at each of these, M without it."""
    rows, n = inner_rows(masks), masks.shape[1]
    columns = [standardise(prior(masks[rows])) for prior in priors]
    x = np.stack([np.ones(len(rows)), *(column.y for column in columns)], axis=1)
    basis, sizes, rest = np.linalg.svd(x, full_matrices=False)
    kept = sizes > _TINY * sizes[0]
    found = rest[kept].T @ (basis[:, kept].T @ f[rows] / sizes[kept])
    parts = [prior.scale(b / c.spread) for prior, b, c in zip(priors, found[1:], columns, strict=True)]
    mean = Spectrum.constant(0.0, n).merge(*parts)
    mean = mean.merge(Spectrum.constant(float(np.mean(f[rows] - mean(masks[rows]))), n))
    left_out = np.array(mean(masks), np.float64)
    left_out[rows] = f[rows] - (f[rows] - x @ found) / np.maximum(1 - (basis[:, kept] ** 2).sum(1), _TINY)
    return mean, left_out
