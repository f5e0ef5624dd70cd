"""The road itself: a method's design, ablations, its fit, an Explanation."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
from jax.sharding import Mesh
from numpy.typing import ArrayLike

from spexjax import indices, methods
from spexjax._budget import reason_to_stop, rounds
from spexjax._compilation_cache import keep_programs
from spexjax._inputs import check_key, checked_values
from spexjax._random import split_key
from spexjax._status import Spent, phase
from spexjax.ablation import Ablation, checked_ablation
from spexjax.evaluation import Evaluation, Store, from_first_host, run
from spexjax.explanation import Explanation, measured
from spexjax.methods import Design, Method, checked_design
from spexjax.proxies import Proxy, checked
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
    like: Explanation | Iterable[Explanation] = (),
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
        quarters of them have the sizes that those indices depend on (`designs.sized`).
      like: as in `fit`.
      mesh: devices, as in `evaluate`; all of them by default.
      store: where values are looked up and kept, as in `evaluate`.
      progress: say what is being done, with a bar for the ablations; None does so only on a terminal and in a
        notebook.

    Raises:
      ValueError: before anything is spent, if the budget is missing, too small or at odds with the target, the method
        or index is unknown, or the ablation gives several values. Later, if a value is not finite.
      ImportError: before anything is spent, if the method needs a package that is not installed.
    """
    keep_programs()
    names = tuple(map(str, checked_ablation(ablation, single=True).feature_names))
    n = len(names)
    check_key(key)
    chosen, others = _resembling(method, like, n)
    sizes = rounds(n, budget, target_faithfulness, max_budget)
    design_key, fit_key = split_key(key, 2)
    most, wanted = sizes[-1], None if index is None else indices.get(index)
    with phase("design", progress) as designing:
        design = checked_design(chosen.design(design_key, n, most, wanted), chosen.name, n, most)
    look = design.look if target_faithfulness is None else None
    if look:
        sizes = [look.size, *sizes]
    if target_faithfulness is not None and len(sizes) > 1 and not design.nested:
        raise ValueError(
            f"The method {chosen.name} draws one design for one budget: give a budget, and no target_faithfulness."
        )
    evaluation, history, fits = Evaluation.given([]), [], []
    stopped = f"the budget of {most} ablations is spent"
    for size in sizes:
        new = design.masks[len(evaluation.values) : size]
        evaluation = evaluation.then(run(ablation, new, mesh=mesh, store=store, progress=progress))
        with phase("fit", progress) as fitting:
            explanation = _explained(chosen, design.first(size), evaluation, fit_key, names)
        fits.append(fitting)
        score, error = from_first_host(explanation.faithfulness.r2, explanation.faithfulness.error)
        history.append((len(evaluation.values), score, error))
        if look and size == look.size and (revised := look.revise(score, error)) is not None:
            design = checked_design(revised, chosen.name, n, most, known=design.masks[:size])
        if target_faithfulness is not None and (why := reason_to_stop(history, target_faithfulness, most)):
            stopped = why
            break
    provenance = {
        **ablation.describe(),
        **design.notes,
        "fingerprint": ablation.fingerprint,
        "budget": budget if target_faithfulness is None else max_budget,
        "ablations": len(evaluation.values),
        "design": design.name,
        **({"like": [e.provenance.get("fingerprint") for e in others]} if others else {}),
        **evaluation.describe(),
        "seconds": _seconds(evaluation, designing, fits),
    }
    if target_faithfulness is not None:
        scores = [{"ablations": m, "r2": round(r, 4), "error": round(e, 4)} for m, r, e in history]
        provenance |= {"target_faithfulness": target_faithfulness, "rounds": scores, "stopped": stopped}
    return dataclasses.replace(explanation, provenance=provenance)


def fit(
    masks: ArrayLike,
    values: ArrayLike,
    *,
    method: str | Method | Proxy = "auto",
    key: Key,
    feature_names: Sequence[str] | None = None,
    like: Explanation | Iterable[Explanation] = (),
    progress: bool | None = None,
) -> Explanation:
    """Explains a value function from masks and values alone.

    Args:
      masks: `[m, n]`, True or 1 = kept. Equal masks count once, with their mean value.
      values: `[m]` finite numbers.
      method: as in `explain`, but for "spex", which draws masks of its own. `explanation.diagnostics` says what the
        default chose, and why.
      key: PRNG key, consumed.
      feature_names: n names; x0, x1, ... by default.
      like: one or more explanations of other inputs with the same features, such as the heads of a model on other
        prompts. If held-out error agrees, features are expected to matter as much here as there (`proxies.kernels`).
        For the methods "auto" and "proxyspex-gp". An explanation without a surrogate adds nothing.
      progress: as in `explain`.

    Raises:
      ValueError: if masks and values do not match, there are fewer than `min_budget` distinct masks, a value is not
        finite, the method is unknown, or `like` does not fit the method or the features.
      ImportError: if the method needs a package that is not installed.
    """
    keep_programs()
    check_key(key)
    masks, values, names = checked_values(masks, values, feature_names)
    chosen, _ = _resembling(method, like, masks.shape[1])
    design, evaluation = Design("given", masks, np.arange(len(masks))), Evaluation.given(values)
    with phase("fit", progress) as fitting:
        explanation = _explained(chosen, design, evaluation, key, names)
    seconds = {"compile": round(fitting.compile_seconds, 3), "fit": round(fitting.seconds, 3)}
    return dataclasses.replace(explanation, provenance={"seconds": seconds})


def _seconds(evaluation: Evaluation, designing: Spent, fits: Sequence[Spent]) -> dict[str, float]:
    """The seconds of each phase of `explain`; compiling is one of them, wherever it happened."""
    seconds = evaluation.describe()["seconds"] | {"fit": sum(fitting.seconds for fitting in fits)}
    seconds["prepare"] += designing.seconds
    seconds["compile"] += sum(spent.compile_seconds for spent in (designing, *fits))
    return {name: round(s, 3) for name, s in seconds.items()}


def _explained(method: Method, design: Design, evaluation: Evaluation, key: Key, names: tuple[str, ...]) -> Explanation:
    """The explanation of a design whose masks have been evaluated. The method gets copies, which it may change."""
    masks, values = np.asarray(design.masks), np.asarray(evaluation.values)
    lent = dataclasses.replace(design, masks=masks.copy()), dataclasses.replace(evaluation, values=values.copy())
    fitted = checked(method.fit(*lent, key), method.name, masks, values)
    return Explanation(
        spectrum=fitted.spectrum,
        faithfulness=measured(fitted, masks, values, by_size=design.by_size),
        feature_names=names,
        method="exact" if fitted.exact else method.name,
        masks=masks,
        values=values,
        diagnostics=fitted.diagnostics,
        surrogate=fitted.surrogate,
    )


def _resembling(
    method: str | Method | Proxy, like: Explanation | Iterable[Explanation], num_features: int
) -> tuple[Method, list[Explanation]]:
    """The method, with the surrogates of these explanations at hand, and the explanations as a list."""
    others = list(like) if isinstance(like, Iterable) else [like]
    if not all(isinstance(e, Explanation) for e in others):
        raise ValueError("`like` takes explanations, from explain or fit.")
    surrogates = [e.surrogate for e in others if e.surrogate is not None]
    chosen = methods.get(method, surrogates if others else None)
    if sizes := {len(e.feature_names) for e in others} - {num_features}:
        raise ValueError(
            f"`like` takes explanations of the same features: there are {num_features} here, and {min(sizes)} there."
        )
    return chosen, others
