"""The members of a fit and their mean: trained on parts of the masks, conditioned on all, mixed by held-out error."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Float, Int

from spexjax.gp import (
    Posterior,
    Process,
    ProductKernel,
    Surrogate,
    leave_one_out,
    leave_one_out_variances,
    robust_condition,
    size_factors,
)
from spexjax.proxies._cross_validation import leave_fold_selection
from spexjax.proxies.gp._training import Parameters, polish, train
from spexjax.spectrum import Spectrum
from spexjax.typing import Array, Masks

NAMES = ("tied", "untied", "tied_like", "untied_like")
_SHARES = np.array([[0.5, 0.5], [0.25, 0.75], [0.75, 0.25], [0.0, 1.0], [1.0, 0.0]])  # of the forms
_SMOOTH = 0.02  # of the variance: the held-out error below which training goes on in double precision


class Form(NamedTuple):
    """All members of one form: kernels and weights stacked, what they predict held out, the first one's posterior."""

    kernels: ProductKernel
    alphas: Float[Array, "e m"]
    left_out: Float[np.ndarray, " m"]
    variances: Float[np.ndarray, " m"]  # of the first one, at each mask left out
    posterior: Posterior
    parameters: list[Parameters]
    num_folds: int

    @property
    def members(self) -> Float[Array, " e"]:
        """Shares: half for the one that was trained on all masks, if there is one; the rest is divided equally."""
        members = len(self.parameters)
        if members == self.num_folds:
            return jnp.full(members, 1 / members)
        return jnp.full(members, 0.5 / self.num_folds).at[0].set(0.5)


class Mean(NamedTuple):
    """The mean of the forms whose shares predict best, and what it predicts held out."""

    forms: list[Form]
    shares: Float[np.ndarray, " f"]
    held_out: Float[np.ndarray, " m"]
    rows: Int[np.ndarray, " h"]  # the inner masks, whose errors count

    @property
    def used(self) -> list[tuple[Form, float]]:
        return [(form, share) for form, share in zip(self.forms, self.shares, strict=True) if share]

    def error(self, y) -> float:
        return float(np.mean((y - self.held_out)[self.rows] ** 2))

    @property
    def variances(self) -> Float[np.ndarray, " m"]:
        return sum(form.variances * share for form, share in self.used)

    def account(self, fold: Int[np.ndarray, " m"], ordered: bool) -> dict:
        return {
            "folds": int(fold.max()) + 1,
            "shares": dict(zip(NAMES, self.shares.tolist(), strict=False)),
            "neighbours": ordered,
            "precision": max(form.posterior.dtype for form, _ in self.used),
        }

    def surrogate(self, masks: Masks, y, rest: Spectrum, spread: float) -> Surrogate:
        """The processes' mean in units of `spread`; y are the values with their outliers, which tell of errors."""
        processes = tuple(Process(form.kernels, form.alphas, share * form.members) for form, share in self.used)
        unit = self.error(y) / self.variances[self.rows].mean()  # squared held-out error per posterior variance
        deviation, factors = np.sqrt(unit) * spread * _tail_factor((y - self.held_out)[self.rows] ** 2), None
        if unit > 0:
            factors = size_factors((y - self.held_out) ** 2 / (unit * self.variances), masks.sum(1), masks.shape[1])
        return Surrogate(masks, processes, rest, np.float64(deviation), np.float64(spread), factors)


def _tail_factor(squares: Float[np.ndarray, " h"]) -> float:
    """How much wider a standard error is because the variance behind it is an estimate: `t_nu(Phi(2)) / 2`.

    The mean of h squared errors of kurtosis `K` is as uncertain as a variance of `nu = 2 h / (K - 1)` degrees of
    freedom, so two standard errors have to reach as far as Student's t does. Heavy tails leave few degrees of freedom.
    """
    if not squares.any():
        return 1.0
    kurtosis = np.mean(squares**2) / np.mean(squares) ** 2
    freedom = 2 * len(squares) / max(kurtosis - 1, 1e-9)
    return float(scipy.special.stdtrit(freedom, scipy.special.ndtr(2)) / 2)


def best_mean(forms: list[Form], y, fold: Int[np.ndarray, " m"], rows: Int[np.ndarray, " h"]) -> Mean:
    """Picks the mixture of forms with the least held-out error on `rows`.

    The candidates mix two forms with the same start, or all forms equally.
    """
    candidates = np.kron(np.eye(len(forms) // 2), _SHARES)
    if len(forms) > 2:
        candidates = np.vstack([candidates, np.full(len(forms), 1 / len(forms))])
    # Share by share: a form whose predictions are not finite must not spoil the means it has no share in.
    means = [
        sum(form.left_out * share for form, share in zip(forms, shares, strict=True) if share) for shares in candidates
    ]
    chosen = leave_fold_selection(np.stack(means)[:, rows], y[rows], fold[rows])
    held_out = np.array(means[chosen.best])
    held_out[rows] = chosen.held_out
    return Mean(forms, candidates[chosen.best], held_out, rows)


def fit_form(start: Parameters, z, y, subsets, fold: Int[np.ndarray, " m"], partner: Int[np.ndarray, " m"]) -> Form:
    """Trains one kernel on each subset and conditions it on all masks.

    The last subsets are those without each fold: their members predict its masks, each from all masks but
    itself and its `partner`, the complement.
    """
    target = jnp.asarray(y, jnp.float32)
    kernels, _, parameters = zip(*(trained(start, z[rows], target[rows]) for rows in subsets), strict=True)
    return _conditioned(kernels, parameters, z, y, fold, partner)


def _conditioned(kernels, parameters, z, y, fold: Int[np.ndarray, " m"], partner: Int[np.ndarray, " m"]) -> Form:
    alphas, left_out, first = [], np.empty(len(y)), None
    for k, kernel in enumerate(kernels, start=fold.max() + 1 - len(kernels)):
        posterior = robust_condition(kernel, z, y, partner)
        first = first or posterior
        left_out[fold == k] = leave_one_out(y, posterior)[fold == k]
        alphas.append(np.asarray(posterior.alpha, np.float32))
    kernels = jax.tree.map(lambda *leaves: jnp.stack(leaves), *kernels)
    variances = leave_one_out_variances(first)
    return Form(kernels, jnp.stack(alphas), left_out, variances, first, list(parameters), int(fold.max()) + 1)


def finer(mean: Mean, z, y, subsets, fold: Int[np.ndarray, " m"], partner: Int[np.ndarray, " m"]) -> Mean:
    """The mean of forms whose training went on in double precision, where there is little noise and that is better.

    Without the members trained on all masks: held-out errors would not tell if the training of one of them failed.
    """
    outside = slice(-int(fold.max()) - 1, None)
    if mean.error(y) > _SMOOTH * np.var(y):
        return mean
    forms = []
    for form in mean.forms:
        kernels = [
            polish(p, z[rows], y[rows]) for p, rows in zip(form.parameters[outside], subsets[outside], strict=True)
        ]
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(kernels)):
            return mean  # of a handful of masks the likelihood may have no maximum
        forms.append(_conditioned(kernels, form.parameters[outside], z, y, fold, partner))
    polished = best_mean(forms, y, fold, mean.rows)
    return polished if polished.error(y) < mean.error(y) else mean


@jax.jit
def trained(
    parameters: Parameters, z: Float[Array, "m n"], y: Float[Array, " m"]
) -> tuple[ProductKernel, Float[Array, ""], Parameters]:
    """The trained kernel, its loss, and its parameters."""
    parameters, losses = train(parameters, z, y)
    return parameters.kernel(), losses[-1], parameters
