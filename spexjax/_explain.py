"""`explain` and `fit`: one explanation, from an ablation or from masks and values."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
from jax.sharding import Mesh
from numpy.typing import ArrayLike

from spexjax._compilation_cache import keep_programs
from spexjax._inputs import check_key, checked_values
from spexjax._priors import check_unseen, known_of, relevances_given
from spexjax._road import explained, known_before, travel
from spexjax._status import phase, seconds_of
from spexjax.ablation import Ablation
from spexjax.evaluation import Store
from spexjax.explanation import Explanation
from spexjax.methods import Design, Method
from spexjax.proxies import Proxy
from spexjax.spectrum import Spectrum
from spexjax.typing import Key


def explain(
    ablation: Ablation,
    *,
    key: Key,
    budget: int | None = None,
    target_faithfulness: float | None = None,
    max_budget: int | None = None,
    method: str | Method | Proxy = "auto",
    index: str | None = None,
    keep: float | str | None = None,
    like: Explanation | Iterable[Explanation] = (),
    prior: Explanation | Spectrum | None = None,
    gradient: bool | str = "auto",
    relevances: bool | str | ArrayLike = "auto",
    mesh: Mesh | None = None,
    store: Store | None = None,
    progress: bool | None = None,
) -> Explanation:
    """Finds the interactions that drive a value function from few ablations.

    Give a `budget` for a single round. Or give `target_faithfulness` and `max_budget`: rounds then double the
    ablations, keeping all earlier values, until R2 minus its standard error reaches the target, the budget is spent, or
    R2 grows too slowly to get there. `provenance["stopped"]` says which.

    Args:
      ablation: the value function to explain; see `spexjax.ablations`.
      key: PRNG key, consumed. The same key gives the same explanation.
      budget: ablations to spend; all 2^n masks are evaluated if the budget covers them. With a target, the size of
        the first round (128 by default).
      target_faithfulness: the held-out R2 to reach, below 1.
      max_budget: the most ablations to spend on reaching it.
      method: a name from `methods.names()`, a `Method`, or a `Proxy`. The default compares methods by held-out error;
        see `methods.Auto`.
      index: the interaction index you will ask for. It decides which masks are drawn: for Shapley-type indices, three
        quarters of them are those that tell most about Shapley values (`designs.informative`). With `keep`, it decides
        nothing.
      keep: draw masks that keep each feature with this probability (`designs.biased`), whatever the index: for models
        that are noise where half of everything is gone. Faithfulness is that of such masks, and WBV and WBII are the
        indices of their neighbourhood. "auto" finds the probability from up to 62 ablations, which count in the
        budget: the largest removal, of a half to a twentieth, under which values still vary with structure. For
        methods that fit any masks, so not for "exact" and "spex".
      like: as in `fit`.
      prior: as in `fit`.
      gradient: whether the gradient of the value with respect to the gates of the features is a prior mean, too. It
        takes one backward pass, and counts as no ablation. True takes it; "auto" does so for masks near the
        full model (`keep` of 0.75 or more), where it says something, if the ablation has one (`Ablation.gradient`).
      relevances: how much each feature is expected to matter before any ablation: n numbers, 0 or more. Their ratios
        count; less than 1/400 of the largest counts as that. Or whether to take those that the ablation knows
        (`Ablation.relevances`): for a text, the attention that its parts get where the answer is read, which takes one
        pass and counts as no ablation. "auto" does so where there are fewer than four ablations for each feature. For
        the methods "auto" and "proxyspex-gp".
      mesh: devices, as in `evaluate`; all of them by default.
      store: where values are looked up and kept, as in `evaluate`.
      progress: say what is being done, with a bar for the ablations; None does so only on a terminal and in a
        notebook.

    Raises:
      ValueError: before anything is spent, if the budget is missing, too small or at odds with the target, the method
        or index is unknown, `keep` is no probability or the method draws masks of its own, a prior, gradient or
        relevances are asked of what has none, or the ablation gives several values. Later, if a value is not finite.
      ImportError: before anything is spent, if the method needs a package that is not installed.
    """
    options = {
        "budget": budget,
        "target_faithfulness": target_faithfulness,
        "max_budget": max_budget,
        "method": method,
        "index": index,
        "keep": keep,
        "like": like,
        "prior": prior,
        "gradient": gradient,
        "relevances": relevances,
    }
    return travel([ablation], [key], mesh=mesh, store=store, progress=progress, **options)[0]


def fit(
    masks: ArrayLike,
    values: ArrayLike,
    *,
    method: str | Method | Proxy = "auto",
    key: Key,
    feature_names: Sequence[str] | None = None,
    covalues: ArrayLike | None = None,
    structure: str | None = "auto",
    like: Explanation | Iterable[Explanation] = (),
    prior: Explanation | Spectrum | None = None,
    relevances: ArrayLike | None = None,
    progress: bool | None = None,
) -> Explanation:
    """Explains a value function from masks and values alone.

    Args:
      masks: `[m, n]`, True or 1 = kept. Equal masks count once, with their mean value; a warning says so where
        their values differ.
      values: `[m]` finite numbers.
      method: as in `explain`, but for "spex", which draws masks of its own. `explanation.diagnostics` says what the
        default chose, and why.
      key: PRNG key, consumed.
      feature_names: n names; x0, x1, ... by default.
      covalues: `[m, c]`, what else the same ablations told, in units that can be compared: a hidden state of the model,
        the scores of all other classes, the losses at other test points. They are not explained, but they say which
        features matter. Used if held-out error agrees, by the methods "auto" and "proxyspex-gp".
      structure: what the order of the features means: "sequence" if removed ones were deleted, so that others met; None
        if it means nothing; "auto" to find out. For the methods "auto" and "proxyspex-gp".
      like: one or more explanations of other inputs with the same features, such as the heads of a model on other
        prompts. If held-out error agrees, features are expected to matter as much here as there (`proxies.kernels`).
        For the methods "auto" and "proxyspex-gp". An explanation without a surrogate adds nothing.
      prior: what the values are expected to resemble up to a factor: the explanation of a cheaper model of the same
        features, say, or a `Spectrum` that owes nothing to these values. The fit is then around it, unless the fit
        without it surely has the lower held-out error; `diagnostics["prior"]` says so. Its relevances count as those of
        `like`. For methods that fit any masks, so not for "exact" and "spex".
      relevances: how much each feature is expected to matter, whatever tells it: n numbers as in `explain`. For the
        methods "auto" and "proxyspex-gp".
      progress: as in `explain`.

    Raises:
      ValueError: if masks, values and co-values do not match, there are fewer than `min_budget` distinct masks, a value
        is not finite, the structure or the method is unknown, `like`, `prior` or `relevances` do not fit the
        method or the features, or the prior was fitted to these values.
      ImportError: if the method needs a package that is not installed.
    """
    keep_programs()
    check_key(key)
    masks, evaluation, names = checked_values(masks, values, feature_names, covalues, structure)
    chosen, _, priors = known_of(method, like, prior, masks.shape[1])
    check_unseen(prior, masks, np.asarray(evaluation.values))
    expected = relevances_given(relevances, chosen, masks.shape[1])
    evaluation = dataclasses.replace(evaluation, priors=priors, relevances=expected)
    design = Design("given", masks, np.arange(len(masks)))
    with phase("fit", progress) as fitting:
        explanation = explained(chosen, design, evaluation, key, names)
    provenance = {**known_before(None, expected, prior), "seconds": seconds_of(fitting)}
    return dataclasses.replace(explanation, provenance=provenance)
