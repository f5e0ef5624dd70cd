"""The members of a fit and their mean: trained on parts of the masks, conditioned on all, mixed by held-out error."""

from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Float, Int

from spexjax._buckets import pad
from spexjax._host_program import host_program
from spexjax.gp import (
    Conditioned,
    Posterior,
    Process,
    ProductKernel,
    Surrogate,
    checked_condition,
    leave_one_out,
    leave_one_out_variances,
    posterior_of,
    size_factors,
)
from spexjax.proxies._cross_validation import leave_fold_selection
from spexjax.proxies.gp._fitting import Split, Trained, is_joint, train_members, unpadded
from spexjax.proxies.gp._parameters import Parameters
from spexjax.proxies.gp._training import polish
from spexjax.spectrum import Spectrum
from spexjax.typing import Array

NAMES = ("tied", "untied", "tied_like", "untied_like")
_SHARES = np.array([[0.5, 0.5], [0.25, 0.75], [0.75, 0.25], [0.0, 1.0], [1.0, 0.0]])  # of two forms
_FIRST = 0.5  # share of the member trained on masks of all folds; 1 if it was trained on co-values too
_TARGETS = 2  # other values whose leave-one-out errors are wanted, at most
_SMOOTH = 0.02  # share of the variance: below this held-out error, training continues in double precision


class Form(NamedTuple):
    """All members of one form: kernels of the same shape, each conditioned on all masks. All on the host."""

    kernels: ProductKernel  # every leaf with a leading axis e
    alphas: Float[np.ndarray, "e m"]  # weights of the posterior means
    shares: Float[np.ndarray, " e"]  # of each member in the form
    held_out: Float[np.ndarray, " m"]  # each mask predicted by the member trained without its fold
    posterior: Posterior  # of the first member
    trained: Trained  # the members as training left them


class Mean(NamedTuple):
    """The mixture of forms that predicts best, and its held-out predictions."""

    forms: list[Form]
    shares: Float[np.ndarray, " f"]  # of each form in the mean
    held_out: Float[np.ndarray, " m"]
    split: Split

    @property
    def strings(self) -> Spectrum | None:
        """The part for strings s_l, less their means: `sum_l v_l (sum_j alpha_j s_l(x_j)) s_l(x)`; None if none."""
        if self.split.strings is None:
            return None
        at = self.split.strings.at(self.split.masks).astype(np.float64)
        means, (_, count) = at.mean(0), at.shape
        each = [
            share * form.shares @ (form.trained.strings[:, :count] * (form.alphas @ (at - means)))
            for form, share in self.used
        ]
        weights = np.sum(each, axis=0)
        constant = Spectrum.constant(-weights @ means, self.split.masks.shape[1])
        return constant.merge(self.split.strings.spectrum(weights))

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
            "shares": self.named(NAMES),
            "neighbours": ordered,
            "strings": self.split.strings is not None,
            "precision": max(form.posterior.dtype for form, _ in self.used),
        }

    def named(self, names: Sequence[str]) -> dict[str, float]:
        """The share of each form, by the first of these names."""
        return dict(zip(names, self.shares.tolist(), strict=False))

    def surrogate(self, y: Float[np.ndarray, " m"], rest: Spectrum, spread: float) -> Surrogate:
        """The surrogate `rest(x) + spread * mean(x)`, with standard errors scaled to the held-out residuals.

        Args:
          y: the values at the masks, outliers at the ends included: these belong to the errors too.
          rest: what is added to the processes.
          spread: their unit.
        """
        strings = self.strings
        rest = rest if strings is None else rest.merge(strings.scale(spread))
        masks, inner, squares = self.split.masks, self.split.inner, (y - self.held_out) ** 2
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


def fit_mean(
    starts: Sequence[Parameters],
    split: Split,
    y: Float[np.ndarray, " m"],
    trial: Trained | None = None,
    others: Sequence[Float[np.ndarray, " m"]] = (),
    targets: Float[np.ndarray, "m *o"] | None = None,
    members: list[Trained] | None = None,
) -> Mean:
    """Trains every form on every subset, conditions it on all masks, and picks the best mixture of forms.

    Args:
      starts: the initial parameters of each form.
      split: the masks.
      y: the values there, of mean 0 and variance 1.
      trial: as in `train_members`.
      others: at most two other targets, for `errors_of_others`.
      targets: what the members are trained on: the values, or several functions as in `loss`.
      members: those of each form, if they have been trained.
    """
    targets = y if targets is None else targets
    members = train_members(starts, split, targets, trial) if members is None else members
    if not is_joint(targets):
        return best_mean(_conditioned(members, split, y, others), split, y)
    # Co-values leave the members so little doubt that averaging them or choosing between forms only adds noise.
    return best_mean(_conditioned(members, split, y, others, first_share=1.0), split, y, _SHARES[:1])


def best_mean(
    forms: list[Form], split: Split, y: Float[np.ndarray, " m"], shares: Float[np.ndarray, "c f"] = _SHARES
) -> Mean:
    """Picks the mixture of forms with the lowest held-out error at the inner masks.

    Candidates are the given shares of all forms; or, of more forms, those shares of two with the same initialisation,
    and equal shares of all.
    """
    candidates = shares if len(forms) == shares.shape[1] else np.ones((1, 1))
    if len(forms) > shares.shape[1]:
        pairs = np.kron(np.eye(len(forms) // 2), shares)
        candidates = np.vstack([pairs, np.full(len(forms), 1 / len(forms))])
    # Forms without a share are skipped, because 0 * NaN would spoil the mean.
    means = [
        sum(form.held_out * share for form, share in zip(forms, shares, strict=True) if share) for shares in candidates
    ]
    inner = split.inner
    chosen = leave_fold_selection(np.stack(means)[:, inner], y[inner], split.fold[inner])
    held_out = np.array(means[chosen.best])
    held_out[inner] = chosen.held_out
    return Mean(forms, candidates[chosen.best], held_out, split)


def mixed(one: Mean, other: Mean) -> Mean:
    """Half of two means of the same masks and values."""
    shares, held_out = np.concatenate([one.shares, other.shares]) / 2, (one.held_out + other.held_out) / 2
    return Mean([*one.forms, *other.forms], shares, held_out, one.split)


def _conditioned(
    members: Sequence[Trained],
    split: Split,
    y: Float[np.ndarray, " m"],
    others: Sequence[Float[np.ndarray, " m"]] = (),
    first_share: float = _FIRST,
) -> list[Form]:
    """Conditions the members of each form on all masks.

    A member predicts the fold it was not trained on, each mask from all others but its complement. The member trained
    on masks of all folds, if there is one, has the first share; the others divide the rest equally.

    Args:
      members: those of each form, with a leading axis.
      split: the masks.
      y: the values there.
      others: as in `fit_mean`.
      first_share: as above.
    """
    (m, n), (rows, _), forms = split.masks.shape, split.size, []
    partner = np.append(split.partner, np.arange(m, rows)).astype(np.int32)
    used = (np.arange(rows) < m).astype(np.float32)
    basis = split.basis
    targets = np.stack([*others, *[np.zeros(m)] * (_TARGETS - len(others))])
    count, most = len(members[0].kernel.noise), split.num_folds + (split.everything is not None)
    for i in range(0, len(members), 2):
        some = members[i : i + 2]
        both = jax.tree.map(
            lambda *leaves: np.stack([np.concatenate([leaf, leaf[: most - count]]) for leaf in leaves]),
            some[0].kernel,
            some[-1].kernel,  # the same again if there is one form only: no program of its own
        )
        variances = [np.concatenate([one.strings, one.strings[: most - count]]) for one in (some[0], some[-1])]
        added = np.sqrt(np.stack(variances)), basis
        found, inverses = _condition_all(
            both, *split.padded(y), partner, pad(targets.astype(np.float32), rows), used, *added
        )
        found = jax.tree.map(np.asarray, found)
        for j, (trained, inverse) in enumerate(zip(some, inverses, strict=False)):
            kernel = unpadded(trained.kernel, n)
            alphas, held_out, first = [], np.empty(m), None
            for k in range(count):
                one = jax.tree.map(itemgetter((j, k)), found)
                prior, more = jax.tree.map(itemgetter(k), kernel), (basis * added[0][j, k])[:m]
                posterior = posterior_of(one, inverse, prior, split.masks, y, split.partner, targets, more)
                fold = split.fold == k - count + split.num_folds
                held_out[fold] = leave_one_out(y, posterior)[fold]
                alphas.append(np.asarray(posterior.alpha, np.float32))
                first = first or posterior  # only this one keeps its inverse, an m x m matrix
            shares = np.full(count, 1 / count, np.float32)
            if count > split.num_folds:
                shares = np.full(count, (1 - first_share) / split.num_folds, np.float32)
                shares[0] = first_share
            assert first is not None  # there is at least one kernel
            forms.append(Form(kernel, np.stack(alphas), shares, held_out, first, trained))
    return forms


@host_program
def _condition_all(
    kernels: ProductKernel,
    z: Float[Array, "M N"],
    y: Float[Array, " M"],
    partner: Int[Array, " M"],
    others: Float[Array, "k M"],
    used: Float[Array, " M"],
    deviations: Float[Array, "f e L"],
    basis: Float[Array, "M L"],
) -> tuple[Conditioned, list[Float[Array, "M M"]]]:
    """Every member of two forms conditioned on all masks, and the inverses of their first members."""

    def of_form(form: tuple[ProductKernel, Float[Array, "e L"]]) -> tuple[Conditioned, Float[Array, "M M"]]:
        kernels, deviations = form

        def one(first: Float[Array, "M M"], member: tuple[Int[Array, ""], ProductKernel, Float[Array, " L"]]):
            place, kernel, each = member
            found, inverse = checked_condition(kernel, z, y, partner, others, used, basis * each)
            return jnp.where(place == 0, inverse, first), found

        places = jnp.arange(len(kernels.noise))
        inverse, found = jax.lax.scan(one, jnp.zeros((len(y), len(y)), y.dtype), (places, kernels, deviations))
        return found, inverse

    found, inverses = jax.lax.map(of_form, (kernels, deviations))
    return found, list(inverses)


def finer(mean: Mean, y: Float[np.ndarray, " m"]) -> Mean:
    """Continues training in double precision where there is next to no noise; keeps the result if it predicts better.

    Not for kernels with strings: training in double precision does not know these. Only for forms that have a share,
    and at first only for the members without fold 0: if these predict no better, the others are left as they are.
    Members trained on masks of all folds are left out: held-out errors would not show that such a training failed.
    """
    split, used = mean.split, np.flatnonzero(mean.shares)
    if mean.error(y) > _SMOOTH * np.var(y) or split.strings is not None:
        return mean
    members = [mean.forms[i].trained.at(slice(-split.num_folds, None)) for i in used]
    shares = _SHARES if len(used) < 3 else mean.shares[used][None]  # a mixture stays what it is
    subsets = [split.chosen(y, rows) for rows in split.subset_outside()]
    for folds in (range(1), range(1, split.num_folds)):
        for place, trained in enumerate(members):
            each = [trained.at(k) for k in range(split.num_folds)]
            kernels = [polish(one.parameters, *subsets[k]) if k in folds else one.kernel for k, one in enumerate(each)]
            members[place] = trained._replace(kernel=jax.tree.map(lambda *leaves: np.stack(leaves), *kernels))
        if not all(np.isfinite(leaf).all() for trained in members for leaf in jax.tree.leaves(trained.kernel)):
            return mean  # on a handful of masks the likelihood may have no maximum
        better = best_mean(_conditioned(members, split, y), split, y, shares)
        if better.error(y) >= mean.error(y):
            return mean
    forms, found = list(mean.forms), np.zeros(len(mean.forms))
    for i, form, share in zip(used, better.forms, better.shares, strict=True):
        forms[i], found[i] = form, share
    return better._replace(forms=forms, shares=found)
