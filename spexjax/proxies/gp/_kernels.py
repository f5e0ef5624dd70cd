"""The differentiable proxy: Gaussian processes whose spectrum is exact, trained by gradient."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from spexjax._ends import end_rows, inner_rows
from spexjax._random import permutation, split_key
from spexjax._values import standardise
from spexjax.gp import ProductKernel, Surrogate, strongest_of_all
from spexjax.proxies._cross_validation import complements, folds, leave_fold_selection, surely_better
from spexjax.proxies._proxy import Fit
from spexjax.proxies.gp._covalues import SHARE, Learned, fit_best_mean, functions_of
from spexjax.proxies.gp._distil import distilled
from spexjax.proxies.gp._fitting import (
    Split,
    first_kernel,
    is_joint,
    split_masks,
    starts_of,
    train_members,
    try_neighbours,
    try_strings,
    unpadded,
)
from spexjax.proxies.gp._link import empirical_link, enlarged, helps, log_odds_link
from spexjax.proxies.gp._members import NAMES, Mean, finer
from spexjax.proxies.gp._outliers import without_outliers
from spexjax.proxies.gp._parameters import Parameters
from spexjax.proxies.gp._truncation import held_out_errors
from spexjax.proxies.gp._weight_space import WeightSpace
from spexjax.spectrum import EMPTY_SET, Spectrum, joined_supports
from spexjax.typing import CoValues, Key, Masks, Relevances, Values

_NOISES = (1.0, 0.3, 0.1, 0.03)  # multiples of the trained noise, which includes what few masks leave open
_ENOUGH = 2e-3  # share of the variance: the loss allowed against the best number of terms
_SURE = 2.0  # standard errors by which a link must lower the held-out error


class _Candidate(NamedTuple):
    """A surrogate, and the standardised values at the inner masks that it predicts held out."""

    surrogate: Surrogate
    held_out: Values


@dataclasses.dataclass(frozen=True, eq=False)
class Kernels:
    """The proxy made by `kernels`."""

    like: tuple[Surrogate, ...] = ()
    num_folds: int = 3
    max_candidates: int = 20_000
    max_masks: int = 16_384
    max_terms: int = 4096
    memory: dict | None = None
    uses_covalues = uses_structure = uses_relevances = True  # not fields

    def __call__(
        self,
        masks: Masks,
        values: Values,
        key: Key,
        covalues: CoValues | None = None,
        *,
        structure: str | None = "auto",
        relevances: Relevances | None = None,
    ) -> Fit:
        """Trains and conditions every member; see `kernels`."""
        masks, f, inner = np.asarray(masks), np.asarray(values, np.float64), inner_rows(masks)
        (m, n), (fold_key, subset_key, link_key) = masks.shape, split_key(key, 3)
        fold = folds(fold_key, masks, min(self.num_folds, m))
        _, centre, spread = standardise(f[inner])
        constant = Spectrum.constant(centre, n)
        if not spread:
            return Fit(constant, np.full(m, centre), {"folds": int(fold.max()) + 1, "terms": 0}, held_out_rows=inner)
        order = permutation(subset_key, m)
        known = order[np.isin(order, inner)]
        order = known if len(np.unique(fold[known])) > 1 else order
        split = split_masks(order, masks, fold, complements(masks), inner)
        truth = (f - centre) / spread
        known_of = functions_of(
            None if covalues is None else np.asarray(covalues), inner, SHARE if self.memory is None else 0.0
        )
        learned = self._learned(split, known_of(truth), structure, relevances)
        if m > self.max_masks:
            priors = [first_kernel(start, split, known_of(truth)) for start in learned.starts]
            return self._in_weight_space(priors, masks[inner], f[inner], fold[inner]).spread_over(inner, masks)
        split, trial = learned.split, learned.trial
        y = without_outliers(unpadded(trial.kernel, n), masks, truth, split.tried, end_rows(masks))
        f = centre + spread * y
        tried = [found for found in (log_odds_link(f), empirical_link(f)) if found]
        others = [scores for _, scores in tried]
        mean, mean_of, taught = fit_best_mean(learned, y, others, known_of)
        posterior = mean.used[0][0].posterior
        links = [found for place, found in enumerate(tried) if helps(found[0], found[1], place, f, posterior)]
        mean = finer(mean, y)
        settings, held_out = mean.settings(learned.ordered) | taught, mean.held_out[inner]
        plain = _Candidate(mean.surrogate(truth, constant, spread), held_out)
        for link, scores in links:
            latent = finer(mean_of(scores), scores)
            error = latent.error(scores) ** 0.5

            def predict(score, link=link, error=error):
                return (link.expected(score, error) - centre) / spread

            through = predict(latent.held_out[inner])
            if surely_better(through, held_out, y[inner], _SURE):
                linked = _Candidate(latent.surrogate(scores, constant.scale(0.0), 1.0), through)
                fit = _through_link(plain, linked, predict, y[inner], constant, link_key)
                if fit:
                    fit = fit._replace(diagnostics={**settings, **fit.diagnostics})
                    return fit.spread_over(inner, masks)
        spectrum, terms = self._spectrum(plain.surrogate, mean, y)
        fit = Fit(spectrum, held_out * spread + centre, {**settings, "link": False, **terms}, plain.surrogate)
        return fit.spread_over(inner, masks)

    def _learned(
        self, split: Split, known: Float[np.ndarray, "m *o"], structure: str | None, relevances: Relevances | None
    ) -> Learned:
        """Whether neighbours and strings matter, and a first kernel; what co-values alone teach is remembered."""
        if self.memory is None or not is_joint(known):
            return self._tried(split, known, structure, relevances)
        hint = b"" if relevances is None else relevances.tobytes()
        place = (split.masks.tobytes(), split.tried.tobytes(), split.fold.tobytes(), known.tobytes(), structure, hint)
        if place not in self.memory:
            learned = self._tried(split, known, structure, relevances)
            members = train_members(learned.starts, learned.split, known, learned.trial)
            self.memory[place] = learned._replace(members=members)
        return self.memory[place]

    def _tried(
        self, split: Split, known: Float[np.ndarray, "m *o"], structure: str | None, relevances: Relevances | None
    ) -> Learned:
        m, n = split.masks.shape
        ordered, trial = try_neighbours(split, known, structure, relevances)
        starts = self._starts(n, ordered, relevances)
        if m <= self.max_masks and (structure == "sequence" or (structure == "auto" and ordered)):
            starts, split, trial = try_strings(starts, split, known, trial)
        return Learned(ordered, starts, split, trial)

    def _starts(self, n: int, ordered: bool, relevances: Relevances | None) -> list[Parameters]:
        """The initial parameters of each form, and of each once more if there are kernels they may be like."""
        others = [kernel for surrogate in self.like for process in surrogate.processes for kernel in process.members]
        if any(kernel.rates.shape[1] != n for kernel in others):
            raise ValueError(f"`like` takes surrogates of the same {n} features, in the same order.")
        kinds = ((), others)[: 1 + bool(others)]
        return [start for like in kinds for start in starts_of(n, ordered, like, relevances)]

    def _in_weight_space(
        self, kernels: list[ProductKernel], masks: Masks, f: Values, fold: Int[np.ndarray, " m"]
    ) -> Fit:
        """Fits the likeliest terms of the priors to more masks than a kernel matrix can hold."""
        n, (y, centre, spread) = masks.shape[1], standardise(f)
        space = WeightSpace(strongest_of_all(kernels, self.max_terms), masks, y, fold)
        priors = [(kernel, factor * float(kernel.noise)) for kernel in kernels for factor in _NOISES]
        each = leave_fold_selection(np.stack([space.held_out(*prior) for prior in priors]), y, fold)
        coefficients = space.coefficients(*priors[each.best]) * spread
        spectrum, constant = Spectrum(space.support, coefficients, n), Spectrum.constant(centre, n)
        diagnostics = {
            "folds": int(fold.max()) + 1,
            "shares": {name: float(i == each.best // len(_NOISES)) for i, name in enumerate(NAMES[: len(kernels)])},
            "neighbours": bool(np.any(kernels[0].near)),
            "noise": priors[each.best][1],
            "terms": len(spectrum),
        }
        held_out = each.held_out * spread + centre
        return Fit(constant.merge(spectrum).truncate(len(spectrum) + 1), held_out, diagnostics)

    def _spectrum(self, surrogate: Surrogate, mean: Mean, y: Float[np.ndarray, " m"]) -> tuple[Spectrum, dict]:
        """The truncated spectrum of the surrogate, and how many terms were looked at and kept."""
        rows = mean.split.inner
        support = surrogate.strongest_supports(self.max_candidates)
        everything = surrogate.spectrum(joined_supports([EMPTY_SET, support], surrogate.rest.num_features))
        if mean.split.strings is not None:  # the prior of strings gives no terms independent variances
            terms, counts = _by_energy(everything)
            return everything.truncate(terms), counts
        fits = [
            (p.first, form.posterior, share) for p, (form, share) in zip(surrogate.processes, mean.used, strict=True)
        ]
        sizes, errors = held_out_errors(fits, surrogate.masks, y, np.asarray(everything.support), rows)
        best, variance = errors.min(), np.var(y[rows])
        terms = int(sizes[np.argmax(errors <= best + _ENOUGH * variance)])
        most = int(sizes[np.argmax(variance - errors >= 0.99 * (variance - best))])
        counts = {"candidates": len(support), "terms": terms - 1, "terms_for_99_percent": most - 1}
        return everything.truncate(terms), counts


def _through_link(
    plain: _Candidate,
    linked: _Candidate,
    predict: Callable[[Values], Values],
    y: Values,
    constant: Spectrum,
    key: Key,
) -> Fit | None:
    """The fit whose mean is the spectrum of the function seen through a link; None if that is not surely better.

    Its standard errors come from the plain processes, scaled to the held-out errors of the spectrum.

    Args:
      plain: fitted without a link.
      linked: fitted to the scores.
      predict: gives the expected standardised value for a predicted score.
      y: the standardised values at the inner masks.
      constant: the centre of the values.
      key: for `distilled`.
    """
    kernels = [p.first for p in (*plain.surrogate.processes, *linked.surrogate.processes)]
    spread = float(plain.surrogate.spread)
    rest, loss = distilled(lambda new: predict(linked.surrogate(new)), kernels, constant.num_features, key)
    held_out = enlarged(linked.held_out, y, loss)
    if not surely_better(held_out, plain.held_out, y, _SURE):
        return None
    growth = np.mean((held_out - y) ** 2) / np.mean((plain.held_out - y) ** 2)
    terms, counts = _by_energy(rest)
    rest = constant.merge(rest.scale(spread)).truncate(len(rest))
    surrogate = dataclasses.replace(
        plain.surrogate,
        processes=tuple(dataclasses.replace(p, alphas=np.zeros_like(p.alphas)) for p in plain.surrogate.processes),
        rest=rest,
        deviation=plain.surrogate.deviation * np.sqrt(growth),
    )
    return Fit(rest.truncate(terms), held_out * spread + constant.coefficients[0], {"link": True, **counts}, surrogate)


def _by_energy(spectrum: Spectrum) -> tuple[int, dict]:
    """How many of the strongest terms, the constant first, lose next to no variance; and the counts to report."""
    energy = np.square(np.asarray(spectrum.coefficients, np.float64))[::-1].cumsum()[::-1]  # of a term and all weaker
    terms, most = (int(np.sum(energy > share * energy[1])) for share in (_ENOUGH, 0.01))
    return terms, {"candidates": len(spectrum) - 1, "terms": terms - 1, "terms_for_99_percent": most - 1}


def kernels(like: Surrogate | Iterable[Surrogate] = (), memory: dict | None = None) -> Kernels:
    """The differentiable ProxySPEX: the mean of Gaussian processes on the hypercube, under product kernels.

    1. Kernels of two forms are trained by Adam on the likelihood of at most 1,536 masks (`_training`): one product
       kernel that shares its relevances with a linear kernel, and three that have their own. Each form has four
       members: one trained on all masks, and one without each of 3 folds.
    2. Every member is conditioned on all masks. The surrogate is their mean; the shares of the two forms are chosen by
       held-out error.
    3. The held-out prediction of a mask comes from the member that was trained without its fold, conditioned on all
       masks but this one and its complement. This needs no extra fit. Only four yes-or-no choices see all masks:
       whether to model neighbours (and strings), use a link, use co-values, and take step 5.
    4. The exact Fourier coefficients of the surrogate are read off where the prior allows large ones. The strongest
       are kept, as few as cost at most 0.2 % of the variance in leave-one-out error. They are not refitted, because
       that would undo the shrinkage.
    5. If the held-out error is below 2 % of the variance, there is next to no noise for early stopping to guard
       against. Training then continues in double precision (`_training.polish`), and the result is kept if it lowers
       the error.

    Links: scores that saturate or jump at a decision boundary are often a monotone function of something closer to
    additive (`_link`). Log-odds are tried for values strictly between 0 and 1, and the empirical link for all values.
    A link that lowers the leave-one-out error of the trained kernel gets a fit of its own. If that fit lowers the
    held-out error by more than two standard errors, the surrogate's mean becomes the spectrum of the function seen
    through the link, and its standard errors are those of the plain processes, scaled to the new held-out residuals.
    With more than 14 features that spectrum is a regression on the function at 32,768 masks, and the held-out errors
    are enlarged by the loss measured at 4,096 other masks.

    More than 16,384 masks: kernel matrices would fill the memory. The priors are trained on 1,536 masks as above and
    conditioned on all masks in the space of their 4,096 likeliest terms (`WeightSpace`). The noise and the form are
    chosen by 3-fold cross-validation, and there is no surrogate besides the spectrum.

    Other inputs: how much a feature matters on one input (say, a head of a model on one prompt) often says how much it
    matters on another. Given surrogates of other inputs, both forms are trained a second time, under a prior centred
    on the mean of the others' log rates and half as wide. Held-out error chooses among the four.

    Relevances: how much each feature is expected to matter may be known before any ablation, such as the attention
    that a model pays to it. Their logarithms are then where log rates start, and what their prior is centred on. So
    they count for less with every ablation. Less than 1/400 of the largest counts as that.

    Co-values: an ablation may tell more than its value, such as a hidden state of the model. These are other functions
    of the same masks, which depend on the same features and interactions. So both forms are trained once more, on the
    values and the 32 leading principal components of the co-values together, and conditioned on the values alone. The
    equal mean of the two forms is used unless the kernels trained on the values alone predict better, by more than one
    standard error. All these functions together decide whether neighbours matter.

    Strings: where removed parts of a text are deleted, others meet, and a model reads what stands side by side. So
    kernels may have a part for the features of the string that is left (`gp.Strings`), with a scale for each distance
    that the neighbours had. It is tried if the ablation's `structure` is "sequence", or if it is "auto" and neighbours
    matter, and used if that gains more than one nat of evidence. It is a polynomial, so the surrogate's `rest` holds it
    and all indices are exact. Its standard errors count as those of the noise.

    Source: the prior is that of ProxySPEX's trees made smooth (Butler et al., arXiv 2505.17495); Rasmussen and
    Williams, Gaussian Processes for Machine Learning (2006), chapters 2 and 5.

    Args:
      like: one or several surrogates of other inputs, with the same features in the same order.
      memory: `{}`, for many values at the same masks with the same co-values: one kernel is then trained on the
        co-values alone, for all of them. The second fit takes half as long.

    Returns:
      A proxy. Calling it raises ValueError for fewer than 2 masks, or if a surrogate in `like` has another number of
      features.

    Raises:
      ValueError: if `like` holds anything but surrogates.
    """
    like = (like,) if isinstance(like, Surrogate) else tuple(like)
    if not all(isinstance(surrogate, Surrogate) for surrogate in like):
        raise ValueError("`like` takes the surrogates of other explanations: [e.surrogate for e in explanations].")
    return Kernels(like, memory=memory)
