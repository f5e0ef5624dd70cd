"""The road itself: a method's design, ablations, its fit, an Explanation; for one ablation or several side by side."""

import dataclasses
import warnings
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float
from numpy.typing import ArrayLike

from spexjax import indices, methods
from spexjax._budget import reason_to_stop, rounds
from spexjax._compilation_cache import keep_programs
from spexjax._inputs import check_key, named
from spexjax._priors import check_unseen, gradient_of, known_of, linear_prior, relevances_of
from spexjax._random import split_key
from spexjax._status import Spent, phase
from spexjax.ablation import Ablation, checked_ablation
from spexjax.evaluation import Evaluation, Store, from_first_host, progress_bar, run, run_many
from spexjax.explanation import Explanation, measured
from spexjax.methods import Design, Method, check_keep, checked_design
from spexjax.proxies import Proxy, checked
from spexjax.spectrum import Spectrum
from spexjax.typing import CoValues, Key, Masks, Relevances

Road = Generator[Masks, Evaluation, Explanation]
_LEAST_FOR_AUTO = 128  # ablations, twice as many as `keep="auto"` spends on its choice


class Start(NamedTuple):
    """What is known before a design is drawn."""

    keep: float | None  # the probability of keeping a feature; None if the index decides
    masks: Masks  # those of this probability that have been evaluated, which the design is to begin with
    evaluation: Evaluation  # of them
    left_out: int  # further ablations that were spent on finding it

    def notes(self) -> dict[str, Any]:
        """What was spent on finding the probability, for the provenance."""
        return {"keep_found_with": len(self.masks) + self.left_out} if len(self.masks) else {}


def road(
    ablation: Ablation,
    *,
    key: Key,
    budget: int | None,
    target_faithfulness: float | None,
    max_budget: int | None,
    method: str | Method | Proxy,
    index: str | None,
    keep: float | str | None,
    like: Explanation | Iterable[Explanation],
    prior: Explanation | Spectrum | None,
    gradient: bool | str,
    relevances: bool | str | ArrayLike,
    mesh: Mesh | None,
    store: Store | None,
    progress: bool | None,
) -> Road:
    """One explanation: yields the masks to evaluate, is sent their `Evaluation`, and returns the explanation.

    What is wrong with the arguments, as `explain` takes them, is said before the first masks.
    """
    names = tuple(map(str, checked_ablation(ablation, single=True).feature_names))
    n = len(names)
    check_key(key)
    chosen, others, priors = known_of(method, like, prior, n)
    check_keep(chosen, keep)
    gradient_of(ablation, chosen, gradient, keep if isinstance(keep, float) else None)  # raises now what it would later
    sizes = rounds(n, budget, target_faithfulness, max_budget)
    design_key, fit_key, look_key = split_key(key, 3)
    most, wanted = sizes[-1], None if index is None else indices.get(index)
    with phase("design", progress) as knowing:
        told = relevances_of(ablation, chosen, relevances, sizes[0])
    check = partial(check_unseen, prior, fingerprint=ablation.fingerprint)
    start = yield from _start(look_key, chosen, n, sizes, keep, check)
    with phase("design", progress) as designing:
        design = design_of(chosen, design_key, n, most - start.left_out, wanted, start, in_rounds=len(sizes) > 1)
    check(design.masks)
    look = design.look if target_faithfulness is None else None
    sizes = [look.size, *sizes] if look else sizes
    evaluation = start.evaluation
    history: list[tuple[int, float, float]] = []
    fits: list[Spent] = [knowing]
    slopes = None
    stopped = f"the budget of {most} ablations is spent"
    for size in sizes:
        evaluation = evaluation.then((yield design.masks[len(evaluation.values) : size - start.left_out]))
        with phase("fit", progress) as fitting:
            if not history and not design.complete:
                slopes = _slopes(gradient_of(ablation, chosen, gradient, start.keep), gradient, mesh, store)
                priors += () if slopes is None else (linear_prior(slopes),)
            known = dataclasses.replace(
                evaluation, structure=ablation.structure, priors=priors, relevances=told.at(size)
            )
            explanation = explained(chosen, design.first(size - start.left_out), known, fit_key, names)
        fits.append(fitting)
        score, error = from_first_host(explanation.faithfulness.r2, explanation.faithfulness.error)
        history.append((len(evaluation.values) + start.left_out, score, error))
        if look and size == look.size and (revised := look.revise(score, error)) is not None:
            design = checked_design(revised, chosen.name, n, most, known=design.masks[:size])
        if target_faithfulness is not None and (why := reason_to_stop(history, target_faithfulness, most)):
            stopped = why
            break
    provenance = {
        **recorded(ablation, design, evaluation, budget if target_faithfulness is None else max_budget, others),
        **start.notes(),
        **known_before(slopes, told.at(size), prior),
        "ablations": len(evaluation.values) + start.left_out,
        "seconds": seconds(evaluation, designing, fits),
        **({} if target_faithfulness is None else _rounds_taken(target_faithfulness, history, stopped)),
    }
    return dataclasses.replace(explanation, provenance=provenance)


def _rounds_taken(target: float, history: Sequence[tuple[int, float, float]], stopped: str) -> dict[str, Any]:
    """What the provenance says of rounds: the target, the R2 and its error after each, and why they ended."""
    scores = [{"ablations": m, "r2": round(r, 4), "error": round(e, 4)} for m, r, e in history]
    return {"target_faithfulness": target, "rounds": scores, "stopped": stopped}


def _slopes(
    ablation: Ablation | None, gradient: bool | str, mesh: Mesh | None, store: Store | None
) -> Float[np.ndarray, " n"] | None:
    """The gradient that an ablation gives, by one backward pass; None if there is none, or the pass does not fit."""
    if ablation is None:
        return None
    try:
        everything = np.ones((1, ablation.num_features), bool)
        return np.asarray(run(ablation, everything, mesh=mesh, store=store, progress=False).values[0])
    except MemoryError:
        if gradient is True:
            raise
        warnings.warn("The device cannot hold a backward pass, so no gradient is used.", stacklevel=2)
        return None


def _start(
    key: Key, method: Method, n: int, sizes: Sequence[int], keep: float | str | None, check: Callable[[Masks], None]
) -> Generator[Masks, Evaluation, Start]:
    """Nothing evaluated yet; or, with "auto", the p that was found and the masks of that p. See `methods.probes`.

    `check` raises for masks that must not be evaluated.
    """
    if keep != "auto" or methods.covers_all(sizes[-1], n):
        given = None if keep is None or isinstance(keep, str) else float(keep)
        return Start(given, np.zeros((0, n), bool), Evaluation.given([]), 0)
    if sizes[0] < _LEAST_FOR_AUTO:
        raise ValueError(
            "keep='auto' spends up to 62 ablations on finding how much may be removed: give a budget of at least "
            f"{_LEAST_FOR_AUTO}, not {sizes[0]}, or a number such as keep=0.9."
        )
    method.design(key, n, sizes[-1], None, **{"keep": 0.5})  # raises now what it would raise later
    masks, keeps = methods.probes(key, n)
    check(masks)
    looked = yield masks
    (found,) = from_first_host(methods.structured_keep(masks, keeps, np.asarray(looked.values)))
    rows = np.flatnonzero(np.isin(keeps, [0, 1, found]))  # the ends, too
    covalues = None if looked.covalues is None else looked.covalues[rows]
    kept = dataclasses.replace(looked, values=looked.values[rows], covalues=covalues)
    return Start(found, masks[rows], kept, len(masks) - len(rows))


def design_of(
    method: Method,
    key: Key,
    n: int,
    budget: int,
    index: indices.Index | None,
    start: Start,
    in_rounds: bool = False,
) -> Design:
    """What the method draws, after the masks that have been evaluated.

    Raises:
      ValueError: if masks are wanted in rounds, and the method draws all at once.
    """
    near = {} if start.keep is None else {"keep": start.keep}
    design = checked_design(method.design(key, n, budget, index, **near), method.name, n, budget)
    if in_rounds and not design.nested:
        raise ValueError(
            f"The method {method.name} draws one design for one budget: give a budget, and no target_faithfulness."
        )
    return design.after(start.masks) if len(start.masks) else design


def travel(
    ablations: Sequence[Ablation],
    keys: Sequence[Key],
    *,
    mesh: Mesh | None,
    store: Store | None,
    progress: bool | None,
    **options: Any,
) -> list[Explanation]:
    """Goes the road of each ablation. Those of several go on together, round by round, so that they share batches.

    Args:
      ablations: what to explain.
      keys: one for each.
      mesh: as in `explain`.
      store: as in `explain`.
      progress: as in `explain`.
      options: of `road`.
    """
    keep_programs()
    several = len(ablations) > 1
    options["progress"] = False if several else progress  # several have one bar for all fits
    options |= {"mesh": mesh, "store": store}
    roads = [road(ablation, key=key, **options) for ablation, key in zip(ablations, keys, strict=True)]
    wanted: dict[int, Masks] = {}
    found: dict[int, Explanation] = {}
    for i, way in enumerate(roads):
        with named(f"Ablation {i}" if several else ""):
            wanted[i] = next(way)
    while wanted:
        some = [ablations[i] for i in wanted]
        evaluations = run_many(some, list(wanted.values()), mesh=mesh, store=store, progress=progress)
        with progress_bar(progress if several else False, "fits", "fits") as report:
            for i, evaluation in zip(list(wanted), evaluations, strict=True):
                with named(f"Ablation {i}" if several else ""):
                    try:
                        wanted[i] = roads[i].send(evaluation)
                    except StopIteration as end:
                        found[i] = end.value
                        del wanted[i]
                report(1, len(some))
    return [found[i] for i in range(len(roads))]


def recorded(
    ablation: Ablation, design: Design, evaluation: Evaluation, budget: int | None, others: Sequence[Explanation]
) -> dict[str, Any]:
    """What an explanation records of the ablations it rests on.

    Args:
      ablation: what is explained.
      design: its masks.
      evaluation: of them.
      budget: the most ablations that were allowed.
      others: the explanations that it may be like.
    """
    return {
        **ablation.describe(),
        **design.notes,
        "fingerprint": ablation.fingerprint,
        "budget": budget,
        "ablations": len(evaluation.values),
        "design": design.name,
        **({"like": [e.provenance.get("fingerprint") for e in others]} if others else {}),
        **evaluation.describe(),
    }


def known_before(
    slopes: Float[np.ndarray, " n"] | None, expected: Relevances | None, prior: Explanation | Spectrum | None
) -> dict[str, Any]:
    """What the provenance says of what was known besides the ablations.

    Args:
      slopes: the gradient.
      expected: how much each feature was expected to matter.
      prior: what the values were expected to resemble.
    """
    found = {name: a.tolist() for name, a in (("gradient", slopes), ("relevances", expected)) if a is not None}
    of = prior.provenance.get("fingerprint") if isinstance(prior, Explanation) else None
    return found | ({} if prior is None else {"prior": of})


def seconds(evaluation: Evaluation, designing: Spent, fits: Sequence[Spent]) -> dict[str, float]:
    """The seconds of each phase of `explain`; compiling is one of them, wherever it happened."""
    seconds = evaluation.describe()["seconds"] | {"fit": sum(fitting.seconds for fitting in fits)}
    seconds["prepare"] += designing.seconds
    seconds["compile"] += sum(spent.compile_seconds for spent in (designing, *fits))
    return {name: round(s, 3) for name, s in seconds.items()}


def explained(method: Method, design: Design, evaluation: Evaluation, key: Key, names: tuple[str, ...]) -> Explanation:
    """The explanation of a design whose masks have been evaluated. The method gets copies, which it may change."""
    masks, values = np.asarray(design.masks), np.asarray(evaluation.values)
    known = dataclasses.replace(evaluation, values=values.copy(), covalues=_whole_covalues(evaluation))
    lent = dataclasses.replace(design, masks=masks.copy()), known
    fitted = checked(method.fit(*lent, key), method.name, masks, values)
    return Explanation(
        spectrum=fitted.spectrum,
        faithfulness=measured(fitted, masks, values, by_size=design.by_size, keep=design.keep, noise=evaluation.noise),
        feature_names=names,
        method="exact" if fitted.exact else method.name,
        masks=masks,
        values=values,
        diagnostics=fitted.diagnostics,
        surrogate=fitted.surrogate,
    )


def _whole_covalues(evaluation: Evaluation) -> CoValues | None:
    """The co-values if those of all masks are known; else warns, and none are used."""
    covalues = evaluation.covalues
    missing = 0 if covalues is None else int((~np.isfinite(covalues)).any(1).sum())
    if not missing:
        return covalues
    warnings.warn(
        f"The co-values of {missing} of {len(evaluation.values)} masks are not finite, or missing in the store, where "
        "values were saved without co-values or with others. So none are used.",
        stacklevel=2,
    )
    return None
