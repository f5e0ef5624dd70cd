"""The differentiable proxy: Gaussian processes whose spectrum is exact, trained by gradient."""

import dataclasses
from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from spexjax._ends import end_rows, inner_rows
from spexjax._values import standardise
from spexjax.gp import (
    ProductKernel,
    Surrogate,
    signs,
    strongest_of_all,
)
from spexjax.proxies._cross_validation import complements, folds, leave_fold_selection
from spexjax.proxies._proxy import Fit
from spexjax.proxies.gp._link import distilled, enlarged, helps, link
from spexjax.proxies.gp._log_odds import log_odds
from spexjax.proxies.gp._members import NAMES, best_mean, finer, fit_form, trained
from spexjax.proxies.gp._outliers import without_outliers
from spexjax.proxies.gp._training import Parameters, Tied, Untied
from spexjax.proxies.gp._truncation import held_out_errors
from spexjax.proxies.gp._weight_space import WeightSpace
from spexjax.spectrum import EMPTY_SET, Spectrum, joined_supports
from spexjax.typing import Key, Masks, Values

_FORMS = (Tied, Untied)
_TRIAL = 512  # masks on which it is tried whether neighbours interact
_NOISES = (1.0, 0.3, 0.1, 0.03)  # of the trained one, which describes what few masks leave open
_ENOUGH = 2e-3  # of the variance: what the truncated spectrum may lose against the best number of terms


@dataclasses.dataclass(frozen=True, eq=False)
class Kernels:
    """The proxy made by `kernels`."""

    like: tuple[Surrogate, ...] = ()
    num_folds: int = 3
    max_likelihood: int = 1536
    max_candidates: int = 20_000
    max_masks: int = 16_384
    max_terms: int = 4096

    def __call__(self, masks: Masks, values: Values, key: Key) -> Fit:
        """Trains and conditions every member; see `kernels`."""
        masks, f, inner = np.asarray(masks), np.asarray(values, np.float64), inner_rows(masks)
        (m, n), (fold_key, subset_key) = masks.shape, jax.random.split(key)
        fold = folds(fold_key, masks, min(self.num_folds, m))
        _, centre, spread = standardise(f[inner])
        constant = Spectrum.constant(centre, n)
        if not spread:
            return Fit(constant, np.full(m, centre), {"folds": int(fold.max()) + 1, "terms": 0}, held_out_rows=inner)
        z, y = signs(masks), (f - centre) / spread
        order = np.asarray(jax.random.permutation(subset_key, m))
        known = order[np.isin(order, inner)]
        subsets = self._subsets(known if len(np.unique(fold[known])) > 1 else order, fold)
        ordered, trial = _neighbours_matter(z, y, subsets[0][:_TRIAL])
        starts, partner = self._starts(n, ordered), complements(masks)
        if m > self.max_masks:
            target = jnp.asarray(y[subsets[0]], jnp.float32)
            priors = [trained(start, z[subsets[0]], target)[0] for start in starts]
            return self._in_weight_space(priors, masks[inner], f[inner], fold[inner]).spread_over(inner, masks)
        truth, y = y, without_outliers(trial, masks, y, subsets[0][:_TRIAL], end_rows(masks))
        f = centre + spread * y
        mean = best_mean([fit_form(start, z, y, subsets, fold, partner) for start in starts], y, fold, inner)
        posterior = mean.used[0][0].posterior
        links = [found for found in (log_odds(f), link(f)) if found and helps(*found, f, posterior)]
        mean = finer(mean, z, y, subsets, fold, partner)
        surrogate, held_out = mean.surrogate(masks, truth, constant, spread), mean.held_out[inner]
        diagnostics = mean.account(fold, ordered)
        for curve, scores in links:
            forms = [fit_form(start, z, scores, subsets, fold, partner) for start in starts]
            latent = best_mean(forms, scores, fold, inner)
            latent = finer(latent, z, scores, subsets, fold, partner)
            error = latent.error(scores) ** 0.5

            def expected(score, curve=curve, error=error):
                return (curve.expected(score, error) - centre) / spread

            through = expected(latent.held_out[inner])
            if _surely_better(through, held_out, y[inner]):
                smooth = latent.surrogate(masks, scores, constant.scale(0.0), 1.0)
                fit = self._through_link(surrogate, smooth, expected, y[inner], held_out, through, diagnostics, key)
                if fit:
                    return fit.spread_over(inner, masks)
        spectrum, terms = self._spectrum(surrogate, mean.used, y, inner)
        fit = Fit(spectrum, held_out * spread + centre, {**diagnostics, "link": False, **terms}, surrogate)
        return fit.spread_over(inner, masks)

    def _through_link(
        self, plain: Surrogate, smooth: Surrogate, expected, y, held_out, through, diagnostics: dict, key: Key
    ) -> Fit | None:
        """The fit whose mean is a spectrum, that of the function, and whose errors are the plain processes'.

        The processes' posterior variances are scaled to the held-out errors of the spectrum. None where that, which
        holds the function's likeliest terms, is not surely better than the plain processes. `expected` maps scores to
        values, which are standardised here, as y and all predictions are.
        """
        kernels = [p.first for p in (*plain.processes, *smooth.processes)]
        rest, lost = distilled(
            lambda new: expected(smooth(new)), kernels, plain.rest.num_features, jax.random.fold_in(key, 2)
        )
        through = enlarged(through, y, lost)
        if not _surely_better(through, held_out, y):
            return None
        growth = np.mean((through - y) ** 2) / np.mean((held_out - y) ** 2)
        processes = tuple(dataclasses.replace(p, alphas=jnp.zeros_like(p.alphas)) for p in plain.processes)
        energy = np.square(np.asarray(rest.coefficients, np.float64))[::-1].cumsum()[::-1]  # of a term and all weaker
        terms, most = (int(np.sum(energy > loss * energy[1])) for loss in (_ENOUGH, 0.01))
        counts = {"candidates": len(rest) - 1, "terms": terms - 1, "terms_for_99_percent": most - 1}
        diagnostics = {**diagnostics, "link": True, **counts}
        constant, spread = plain.rest, float(plain.spread)
        rest = constant.merge(rest.scale(spread)).truncate(len(rest))
        surrogate = dataclasses.replace(
            plain, processes=processes, rest=rest, deviation=plain.deviation * np.sqrt(growth)
        )
        return Fit(rest.truncate(terms), through * spread + constant.coefficients[0], diagnostics, surrogate)

    def _starts(self, n: int, ordered: bool) -> list[Parameters]:
        others = [kernel for surrogate in self.like for process in surrogate.processes for kernel in process.members]
        if any(kernel.rates.shape[1] != n for kernel in others):
            raise ValueError(f"Only explanations of the same {n} features can tell what to expect of them.")
        return [form.init(n, ordered, like) for like in ((), others)[: 1 + bool(others)] for form in _FORMS]

    def _in_weight_space(self, kernels: list[ProductKernel], masks: Masks, f, fold: Int[np.ndarray, " m"]) -> Fit:
        """What the strongest terms of the priors say of more masks than a kernel matrix can hold."""
        n, (y, centre, spread) = masks.shape[1], standardise(f)
        space = WeightSpace(strongest_of_all(kernels, self.max_terms), masks, y, fold)
        priors = [(kernel, factor * float(kernel.noise)) for kernel in kernels for factor in _NOISES]
        each = leave_fold_selection(np.stack([space.held_out(*prior) for prior in priors]), y, fold)
        coefficients = space.coefficients(*priors[each.best]) * spread
        spectrum, constant = Spectrum(space.support, coefficients, n), Spectrum.constant(centre, n)
        diagnostics = {
            "folds": int(fold.max()) + 1,
            "shares": {name: float(i == each.best // len(_NOISES)) for i, name in enumerate(NAMES[: len(kernels)])},
            "neighbours": len(kernels[0].near) > 0,
            "noise": priors[each.best][1],
            "terms": len(spectrum),
        }
        held_out = each.held_out * spread + centre
        return Fit(constant.merge(spectrum).truncate(len(spectrum) + 1), held_out, diagnostics)

    def _subsets(self, order: Int[np.ndarray, " r"], fold: Int[np.ndarray, " m"]) -> list[Int[np.ndarray, " _"]]:
        """The masks whose likelihood trains each member: those outside each fold, and first, if that is more, all."""
        outside = [order[fold[order] != k] for k in range(fold.max() + 1)]
        size = min(self.max_likelihood, *map(len, outside))
        everything = order[: self.max_likelihood]
        return [everything] * (len(everything) > size) + [rows[:size] for rows in outside]

    def _spectrum(self, surrogate: Surrogate, used: list, y, rows: Int[np.ndarray, " h"]) -> tuple[Spectrum, dict]:
        support = surrogate.strongest_supports(self.max_candidates)
        everything = surrogate.spectrum(joined_supports([EMPTY_SET, support], surrogate.rest.num_features))
        fits = [(p.first, form.posterior, share) for p, (form, share) in zip(surrogate.processes, used, strict=True)]
        sizes, errors = held_out_errors(fits, surrogate.masks, y, np.asarray(everything.support), rows)
        best, variance = errors.min(), np.var(y[rows])
        terms = int(sizes[np.argmax(errors <= best + _ENOUGH * variance)])
        most = int(sizes[np.argmax(variance - errors >= 0.99 * (variance - best))])
        return everything.truncate(terms), {
            "candidates": len(support),
            "terms": terms - 1,
            "terms_for_99_percent": most,
        }


def _surely_better(new, old, f) -> bool:
    """Whether predictions have a lower squared error than others, by more than two standard errors."""
    gain = (old - f) ** 2 - (new - f) ** 2
    return bool(gain.mean() > 2 * gain.std() / np.sqrt(len(f)))


def _neighbours_matter(z, y, rows: Int[np.ndarray, " t"]) -> tuple[bool, ProductKernel]:
    """Whether the order of the features explains these masks better: by the evidence of one form with and without.

    Also the kernel, trained on these masks, of the better one.
    """
    n, y = z.shape[1], jnp.asarray(y[rows], jnp.float32)
    (without, loss, _), (with_them, less, _) = (trained(Tied.init(n, ordered), z[rows], y) for ordered in (False, True))
    matter = n > 1 and float(loss - less) * len(rows) > 1  # nats
    return matter, with_them if matter else without


def kernels(like: Surrogate | Iterable[Surrogate] = ()) -> Kernels:
    """ProxySPEX with a differentiable proxy: the mean of Gaussian processes under product kernels.

    1. The kernels' parameters, above all one relevance per feature and scale, are trained on the likelihood of at
       most 1,536 masks by Adam (`_training`), in two forms: one product kernel that shares its relevances with
       a linear one, and three that do not. Each is trained on all masks and without each of 3 folds.
    2. Every member is conditioned on all masks; their mean is the surrogate, with the shares of the two forms chosen
       by held-out error.
    3. Each mask is predicted from all others, its complement left out as well, by the members whose training did not
       see it, which makes the held-out error honest at no extra fit, but for three bits: whether neighbours matter,
       whether a link does, and whether step 5 is taken, is decided once, on masks of all folds.
    4. The exact Fourier coefficients of the surrogate are read off where the prior allows large ones, and the
       strongest are kept: as many as cost less than 0.2 % of the variance in leave-one-out error. They are not
       refitted, which would undo the shrinkage.
    5. Where the held-out error is below 2 % of the variance there is next to no noise, and stopping early only costs:
       the members' training goes on in double precision (`_training.polish`), if that lowers the error.

    Values between 0 and 1 may be probabilities, and those of a classifier often add up only as log-odds (`_log_odds`):
    these are tried first, in the way of the link below.

    Where leave-one-out says so, the same is done through a monotone link (`_link`): scores that saturate or jump
    at a decision boundary are often a monotone function of something simpler. If that lowers the held-out error by
    more than two standard errors, the surrogate's mean is the spectrum of that function; its errors stay the
    processes', scaled to the held-out residuals. Beyond 14 features that spectrum is not complete: it is regressed on
    the function at 32,768 masks, and the held-out errors are enlarged by what it loses at 4,096 others.

    Beyond 16,384 masks, where the kernel matrices would fill the memory, the same priors, trained on 1,536 masks, are
    conditioned on all masks in the space of their 4,096 likeliest terms (`WeightSpace`), with a few matrices of that
    size; the noise and the form are chosen by 3-fold cross-validation, and there is no surrogate besides the spectrum.

    Where the same features have been explained on other inputs (the heads of a model on other prompts), how much each
    matters there is often how much it matters here. Given their surrogates, both forms are trained a second time,
    with a prior that is centred on the mean of the others' log rates and half as wide; which of the four are used is
    again chosen by held-out error.

    Source: the prior is that of ProxySPEX's trees made smooth (Butler et al., arXiv 2505.17495); Rasmussen and
    Williams, Gaussian Processes for Machine Learning (2006), chapters 2 and 5.

    Args:
      like: a surrogate, or several, of other inputs, with the same features in the same order.

    Returns:
      A proxy. Calling it raises ValueError for fewer than 2 masks, or if the others have another number of features.

    Raises:
      ValueError: if `like` holds something else.
    """
    like = (like,) if isinstance(like, Surrogate) else tuple(like)
    if not all(isinstance(surrogate, Surrogate) for surrogate in like):
        raise ValueError("`like` takes surrogates, those of other explanations: [e.surrogate for e in explanations].")
    return Kernels(like)
