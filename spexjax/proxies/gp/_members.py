"""The members of a fit and their mean: trained on parts of the masks, conditioned on all, mixed by held-out error."""

from collections.abc import Sequence
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
from spexjax.proxies.gp._training import KernelParameters, polish, train
from spexjax.spectrum import Spectrum
from spexjax.typing import Array, Masks

NAMES = ("tied", "untied", "tied_like", "untied_like")
_SHARES = np.array([[0.5, 0.5], [0.25, 0.75], [0.75, 0.25], [0.0, 1.0], [1.0, 0.0]])  # of two forms
_SMOOTH = 0.02  # share of the variance: below this held-out error, training continues in double precision


class Split(NamedTuple):
    """Masks, and what each of them is used for.

    Every form has one member for each of the `subsets`. The last K subsets leave out fold 0, ..., K-1, and the members
    trained on them predict that fold.
    """

    z: Float[Array, "m n"]  # the signs of the masks
    fold: Int[np.ndarray, " m"]  # 0..K-1
    partner: Int[np.ndarray, " m"]  # the row of each mask's complement, its own row if there is none
    subsets: list[Int[np.ndarray, " _"]]  # rows whose likelihood trains each member
    inner: Int[np.ndarray, " h"]  # rows whose held-out errors count: all but the two ends

    @property
    def num_folds(self) -> int:
        return int(self.fold.max()) + 1


class Form(NamedTuple):
    """All members of one form: kernels of the same shape, each conditioned on all masks."""

    kernels: ProductKernel  # every leaf with a leading axis e
    alphas: Float[Array, "e m"]  # weights of the posterior means
    shares: Float[Array, " e"]  # of each member in the form
    held_out: Float[np.ndarray, " m"]  # each mask predicted by the member trained without its fold
    posterior: Posterior  # of the first member
    parameters: Sequence[KernelParameters]  # of each member


class Mean(NamedTuple):
    """The mixture of forms that predicts best, and its held-out predictions."""

    forms: list[Form]
    shares: Float[np.ndarray, " f"]  # of each form in the mean
    held_out: Float[np.ndarray, " m"]
    split: Split

    @property
    def used(self) -> list[tuple[Form, float]]:
        """The forms whose share is not 0, with their shares."""
        return [(form, share) for form, share in zip(self.forms, self.shares, strict=True) if share]

    def error(self, y: Float[np.ndarray, " m"]) -> float:
        """The mean squared held-out error at the inner masks."""
        return float(np.mean((y - self.held_out)[self.split.inner] ** 2))

    def settings(self, ordered: bool) -> dict:
        """What was chosen, for the diagnostics; `ordered` says whether the kernels have a part for neighbours."""
        return {
            "folds": self.split.num_folds,
            "shares": dict(zip(NAMES, self.shares.tolist(), strict=False)),
            "neighbours": ordered,
            "precision": max(form.posterior.dtype for form, _ in self.used),
        }

    def surrogate(self, masks: Masks, y: Float[np.ndarray, " m"], rest: Spectrum, spread: float) -> Surrogate:
        """The surrogate `rest(x) + spread * mean(x)`, with standard errors scaled to the held-out residuals.

        Args:
          masks: bool `[m, n]`.
          y: the values there, outliers at the ends included: these belong to the errors too.
          rest: what is added to the processes.
          spread: their unit.
        """
        inner, squares = self.split.inner, (y - self.held_out) ** 2
        processes = tuple(Process(form.kernels, form.alphas, share * form.shares) for form, share in self.used)
        variances = np.sum([leave_one_out_variances(form.posterior) * share for form, share in self.used], axis=0)
        unit = self.error(y) / variances[inner].mean()  # squared held-out error per posterior variance
        deviation, factors = np.sqrt(unit) * spread * _tail_factor(squares[inner]), None
        if unit > 0:
            factors = size_factors(squares / (unit * variances), np.asarray(masks).sum(1), masks.shape[1])
        return Surrogate(masks, processes, rest, np.float64(deviation), np.float64(spread), factors)


def _tail_factor(squares: Float[np.ndarray, " h"]) -> float:
    """How much to widen a standard error that is estimated from h squared errors: `t_nu(Phi(2)) / 2`.

    The mean of h squared errors of kurtosis K is as uncertain as a variance estimate with `nu = 2 h / (K - 1)` degrees
    of freedom. The factor makes two standard errors reach as far as Student's t with nu degrees of freedom.
    """
    if not squares.any():
        return 1.0
    kurtosis = np.mean(squares**2) / np.mean(squares) ** 2
    freedom = 2 * len(squares) / max(kurtosis - 1, 1e-9)
    return float(scipy.special.stdtrit(freedom, scipy.special.ndtr(2)) / 2)


def fit_mean(starts: Sequence[KernelParameters], split: Split, y: Float[np.ndarray, " m"]) -> Mean:
    """Trains every form on every subset, conditions it on all masks, and picks the best mixture of forms.

    Args:
      starts: the initial parameters of each form.
      split: the masks.
      y: the values there, of mean 0 and variance 1.
    """
    target = jnp.asarray(y, jnp.float32)
    forms = []
    for start in starts:
        kernels, _, parameters = zip(*(trained(start, split.z[s], target[s]) for s in split.subsets), strict=True)
        forms.append(_conditioned(kernels, parameters, split, y))
    return best_mean(forms, split, y)


def best_mean(forms: list[Form], split: Split, y: Float[np.ndarray, " m"]) -> Mean:
    """Picks the mixture of forms with the lowest held-out error at the inner masks.

    Candidates mix two forms with the same initialisation, or all of them equally.
    """
    candidates = np.kron(np.eye(len(forms) // 2), _SHARES)
    if len(forms) > 2:
        candidates = np.vstack([candidates, np.full(len(forms), 1 / len(forms))])
    # Forms without a share are skipped, because 0 * NaN would spoil the mean.
    means = [
        sum(form.held_out * share for form, share in zip(forms, shares, strict=True) if share) for shares in candidates
    ]
    inner = split.inner
    chosen = leave_fold_selection(np.stack(means)[:, inner], y[inner], split.fold[inner])
    held_out = np.array(means[chosen.best])
    held_out[inner] = chosen.held_out
    return Mean(forms, candidates[chosen.best], held_out, split)


def _conditioned(
    kernels: Sequence[ProductKernel], parameters: Sequence[KernelParameters], split: Split, y: Float[np.ndarray, " m"]
) -> Form:
    """Conditions each member on all masks.

    A member predicts the fold it was not trained on, each mask from all others but its complement. The member trained
    on masks of all folds, if there is one, has a share of one half; the others divide the rest equally.
    """
    alphas, held_out = [], np.empty(len(y))
    first: Posterior | None = None
    for k, kernel in enumerate(kernels, start=split.num_folds - len(kernels)):
        posterior = robust_condition(kernel, split.z, y, split.partner)
        held_out[split.fold == k] = leave_one_out(y, posterior)[split.fold == k]
        alphas.append(np.asarray(posterior.alpha, np.float32))
        first = first or posterior  # only this one keeps its inverse, an m x m matrix
    shares = jnp.full(len(kernels), 1 / len(kernels))
    if len(kernels) > split.num_folds:
        shares = jnp.full(len(kernels), 0.5 / split.num_folds).at[0].set(0.5)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *kernels)
    assert first is not None  # there is at least one kernel
    return Form(stacked, jnp.stack(alphas), shares, held_out, first, parameters)


def finer(mean: Mean, y: Float[np.ndarray, " m"]) -> Mean:
    """Continues training in double precision where there is next to no noise; keeps the result if it predicts better.

    Members trained on masks of all folds are left out: held-out errors would not show that such a training failed.
    """
    split = mean.split
    if mean.error(y) > _SMOOTH * np.var(y):
        return mean
    outside = slice(-split.num_folds, None)
    forms = []
    for form in mean.forms:
        parameters, subsets = form.parameters[outside], split.subsets[outside]
        kernels = [polish(p, split.z[s], y[s]) for p, s in zip(parameters, subsets, strict=True)]
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(kernels)):
            return mean  # on a handful of masks the likelihood may have no maximum
        forms.append(_conditioned(kernels, parameters, split, y))
    polished = best_mean(forms, split, y)
    return polished if polished.error(y) < mean.error(y) else mean


@jax.jit
def trained(
    parameters: KernelParameters, z: Float[Array, "m n"], y: Float[Array, " m"]
) -> tuple[ProductKernel, Float[Array, ""], KernelParameters]:
    """Compiled `train`: the trained kernel, its last loss, and its parameters."""
    parameters, losses = train(parameters, z, y)
    return parameters.kernel(), losses[-1], parameters
