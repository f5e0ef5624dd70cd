"""The road itself: design, ablations, fit, Explanation."""

import dataclasses
import time
from collections.abc import Iterable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from numpy.typing import ArrayLike

from spexjax import designs
from spexjax._budget import hopeless, min_budget, reason_to_stop, rounds
from spexjax._ends import inner_rows
from spexjax._values import narrowed, real_numbers, standardise
from spexjax.ablation import Ablation
from spexjax.evaluation import Evaluation, Store, from_first_host, run
from spexjax.explanation import Explanation, Faithfulness
from spexjax.gp import Surrogate
from spexjax.indices import get
from spexjax.methods import Spex, SpexPlan, resolve, spex
from spexjax.metrics import few_hold_half, r2, r2_error, size_weights
from spexjax.proxies import Proxy, checked
from spexjax.spectrum import Spectrum, checked_masks, unique_rows
from spexjax.transforms import exact_spectrum
from spexjax.typing import Key, Masks

_FOLDS = 3  # of the least that a proxy makes
_LOOK = 512  # masks after which "auto" may turn to SPEX


def explain(
    ablation: Ablation,
    *,
    key: Key,
    budget: int | None = None,
    target_faithfulness: float | None = None,
    max_budget: int | None = None,
    method: str | Proxy | Spex = "auto",
    index: str | None = None,
    like: Explanation | Iterable[Explanation] = (),
    mesh: Mesh | None = None,
    store: Store | None = None,
    progress: bool | None = None,
) -> Explanation:
    """Finds the interactions that drive a value function from few ablations.

    Either with a fixed `budget`, or in rounds, each twice the one before and reusing all its values, until the
    held-out R2 less its standard error reaches `target_faithfulness`, or `max_budget` is spent, or R2 has grown so
    slowly that the target is out of reach; `provenance["stopped"]` says which.

    Args:
      ablation: what is explained; see `spexjax.ablations`.
      key: PRNG key, consumed; the same key gives the same explanation.
      budget: how many ablations may be spent; where there are no more masks than that, all 2^n are evaluated. With a
        target, the size of the first round (128 by default).
      target_faithfulness: the held-out R2 to reach, below 1.
      max_budget: how many ablations may be spent to reach it.
      method: as in `fit`, or "spex" or the settings from `spex`, which draw masks of their own and use the largest
        design that fits the budget. If "auto" learns next to nothing from 512 masks (R2 below 0.1 by two standard
        errors) and the budget allows it, the rest is spent on SPEX's masks, and SPEX competes with the other methods.
        For Shapley-type indices "auto" leaves trees out.
      index: the interaction index that will be asked for. For a Shapley-type index (SV, SII, STII, FSII, k-SII) three
        quarters of the masks are drawn with the sizes it depends on (`designs.sized`), and faithfulness weighs
        masks as if all were uniform.
      like: as in `fit`.
      mesh: the devices to use, as in `evaluate`; all by default.
      store: where values are looked up and kept, as in `evaluate`.
      progress: show a progress bar; None shows it only on a terminal.

    Raises:
      ValueError: if the budget is missing, below `min_budget` or what SPEX needs, or at odds with the target, or the
        method or index is unknown, or the ablation gives several values, before anything is spent; or if a value is
        not finite.
      ImportError: if the method needs a package that is not installed, before anything is spent.
    """
    _check_request(ablation, key)
    n = ablation.num_features
    others = _others(like, method, n)
    surrogates = _surrogates(others)
    sizes = rounds(n, budget, target_faithfulness, max_budget)
    design_key, fit_key = jax.random.split(key)
    design = _design(method, index, sizes, n, design_key, surrogates)
    looks = design.name == "uniform" and method == "auto" and target_faithfulness is None
    if looks := looks and spex().affords(sizes[0], n, known=_LOOK):
        sizes = [_LOOK, *sizes]
    evaluations: list[Evaluation] = []
    fit_seconds, history, stopped = 0.0, [], f"the budget of {sizes[-1]} ablations is spent"
    for size in sizes:
        masks = design.masks[:size]
        new = masks[sum(len(e.values) for e in evaluations) :]
        evaluations.append(run(ablation, new, mesh=mesh, store=store, progress=progress))
        values = np.concatenate([e.values for e in evaluations])
        start = time.perf_counter()
        shapley = design.name == "sized"
        name, proxy = resolve(design.method, len(values), n, shapley=shapley, plan=design.plan, like=surrogates)
        names = tuple(ablation.feature_names)
        explanation = _fit(masks, values, name, proxy, fit_key, names, sized=design.name == "sized")
        fit_seconds += time.perf_counter() - start
        score, error = from_first_host(explanation.faithfulness.r2, explanation.faithfulness.error)
        history.append((len(values), score, error))
        if target_faithfulness is not None:
            if why := reason_to_stop(history, target_faithfulness, sizes[-1]):
                stopped = why
                break
        elif looks and size == _LOOK and hopeless(score, error):
            design = design.turned_to_spex(jax.random.fold_in(design_key, 1), sizes[-1])
    provenance = {
        "fingerprint": ablation.fingerprint,
        "budget": budget if target_faithfulness is None else max_budget,
        "ablations": len(values),
        "design": design.name,
        **({"subsampled": design.plan.describe()} if design.plan else {}),
        **({"like": [e.provenance.get("fingerprint") for e in others]} if others else {}),
        **_costs(evaluations, fit_seconds),
        **(ablation.describe() if hasattr(ablation, "describe") else {}),
    }
    if target_faithfulness is not None:
        scores = [{"ablations": m, "r2": round(r, 4), "error": round(e, 4)} for m, r, e in history]
        provenance |= {"target_faithfulness": target_faithfulness, "rounds": scores, "stopped": stopped}
    return dataclasses.replace(explanation, provenance=provenance)


def fit(
    masks: ArrayLike,
    values: ArrayLike,
    *,
    method: str | Proxy = "auto",
    key: Key,
    feature_names: Sequence[str] | None = None,
    like: Explanation | Iterable[Explanation] = (),
) -> Explanation:
    """Explains a value function from masks and values alone.

    Args:
      masks: bool `[m, n]`, True = kept; of equal masks the mean value counts.
      values: `[m]` finite numbers.
      method: "exact" (all 2^n masks are there), "proxyspex" (the differentiable proxies, or the linear fit where that
        is better), "proxyspex-trees" (boosted trees, the paper's grid), "proxyspex-trees-fast" (one good setting),
        "lasso" (order 1 only), or any `Proxy`. "auto" is "exact" where possible, and else the best by held-out error
        of lasso, the differentiable proxy and, if LightGBM is installed, trees, or a mixture of two of them;
        `explanation.details` says which and why.
      key: PRNG key, consumed.
      feature_names: n names; x0, x1, ... by default.
      like: an explanation, or several, of other inputs of the same model and task with the same features: the heads
        of a model on other prompts, say. Where held-out error says so, each feature is expected to matter here as much
        as there; see `proxies.kernels`. For the methods auto and proxyspex; one without a surrogate tells nothing.

    Raises:
      ValueError: if masks and values do not match, there are fewer than `min_budget` distinct masks, a value is not
        finite, the method is unknown, or `like` does not fit the method or the features.
      ImportError: if the method needs a package that is not installed.
    """
    _check_key(key)
    masks, values, names = _checked(masks, values, feature_names)
    name, proxy = resolve(method, *masks.shape, like=_surrogates(_others(like, method, masks.shape[1])))
    return _fit(masks, values, name, proxy, key, names)


@dataclasses.dataclass(frozen=True)
class _Design:
    """The masks to evaluate in turn, and the method they are for."""

    name: str  # "uniform", "sized" or "subsampled"
    method: str | Proxy | Spex
    masks: Masks
    plan: SpexPlan | None = None  # of SPEX

    def turned_to_spex(self, key: Key, budget: int) -> "_Design":
        """The masks that have been evaluated, then those of SPEX, and of the former's kind where some are left."""
        known, n = self.masks[:_LOOK], self.masks.shape[1]
        spare = budget - len(spex().plan(key, budget, n, known).masks)
        plan = spex().plan(key, budget, n, self.masks[: _LOOK + spare])
        return _Design("subsampled", self.method, plan.masks, plan)


def _design(
    method: str | Proxy | Spex, index: str | None, sizes: list[int], n: int, key: Key, like: Sequence[Surrogate]
) -> _Design:
    """The masks for these rounds; raises what `explain` says of methods and indices."""
    shapley = index is not None and get(index).design == "sized"
    if method == "spex" or isinstance(method, Spex):
        if len(sizes) > 1:
            raise ValueError("SPEX draws one design for one budget: give a budget, and no target_faithfulness.")
        if designs.uniform_size(sizes[0] + 1, n) > sizes[0]:
            plan = (spex() if method == "spex" else method).plan(key, sizes[0], n)
            return _Design("subsampled", method, plan.masks, plan)
        method = "exact"
    _, proxy = resolve(method, designs.uniform_size(sizes[0], n), n, shapley=shapley, like=like)
    if hasattr(proxy, "check"):
        proxy.check()
    draw = designs.sized if shapley else designs.uniform
    return _Design("sized" if shapley else "uniform", method, np.asarray(draw(key, sizes[-1], n)))


def _others(like: Explanation | Iterable[Explanation], method: str | Proxy | Spex, n: int) -> list[Explanation]:
    """The explanations to be like, if they are of n features and the method can be like them."""
    others = list(like) if isinstance(like, Iterable) else [like]
    if not all(isinstance(e, Explanation) for e in others):
        raise ValueError("`like` takes explanations, from explain or fit.")
    if others and method not in ("auto", "proxyspex"):
        raise ValueError(
            "Only the methods auto and proxyspex can be like other explanations; leave `like` out, or give "
            "proxies.kernels(like=[their surrogates]) as the method."
        )
    if sizes := {len(e.feature_names) for e in others} - {n}:
        raise ValueError(f"`like` takes explanations of the same features: there are {n} here, and {min(sizes)} there.")
    return others


def _surrogates(others: list[Explanation]) -> list[Surrogate]:
    return [e.surrogate for e in others if e.surrogate is not None]


def _check_request(ablation: Ablation, key: Key) -> None:
    if not isinstance(ablation, Ablation):
        what = getattr(ablation, "__name__", type(ablation).__name__)
        raise ValueError(f"{what} is no ablation; make one of it, by sx.ablations.function or host_function, say.")
    if (count := getattr(ablation, "num_values", None)) is not None:
        raise ValueError(
            f"This ablation gives {count} values per mask; explain one of them (ablation.only(i)), or evaluate once "
            "and fit each: values = sx.evaluate(ablation, masks), sx.fit(masks, values[:, i], key=key)."
        )
    _check_key(key)


def _check_key(key: Key) -> None:
    def one(key: jax.Array) -> bool:
        if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
            return key.shape == ()
        return key.dtype == jnp.uint32 and key.shape in ((2,), (4,))  # as jax.random.PRNGKey makes them

    if not (isinstance(key, jax.Array) and one(key)):
        raise ValueError(f"The key is one from jax.random.key(0), say; got {key!r}.")


def _costs(evaluations: list[Evaluation], fit_seconds: float) -> dict:
    """What all rounds cost, as plain JSON values."""
    seconds = {
        "prepare": sum(e.plan_seconds for e in evaluations),
        "compile": sum(e.compile_seconds for e in evaluations),
        "ablations": sum(e.seconds - e.plan_seconds - e.compile_seconds for e in evaluations),
        "fit": fit_seconds,
    }
    return {
        "evaluations": sum(e.num_evaluations for e in evaluations),
        "reused": sum(e.num_reused for e in evaluations),
        "programs": max(e.num_programs for e in evaluations),
        "padding": round(evaluations[-1].padding, 4),
        "seconds": {phase: round(s, 3) for phase, s in seconds.items()},
    }


def _fit(
    masks: Masks,
    values,
    name: str,
    proxy: Proxy | None,
    key: Key,
    names: tuple[str, ...],
    *,
    sized: bool = False,
) -> Explanation:
    """`sized` says that masks were drawn by their size, and so must be weighed to stand for uniform ones."""
    inner = inner_rows(masks)
    known = values if proxy is None else values[inner]
    _, centre, spread = standardise(known)
    if not spread:
        which = f"{len(inner)} masks between all and none" if standardise(values).spread else f"{len(values)} masks"
        scheme = f"every one of the {which} gave the same value; nothing to explain"
        if np.ptp(known):
            scheme = f"the values of the {which} differ by no more than the rounding of numbers of their size"
        nothing = Faithfulness(float("nan"), np.zeros(0, np.int64), scheme, float("nan"), proxy is None)
        return Explanation(Spectrum.constant(centre, masks.shape[1]), nothing, names, name, masks, values)
    if proxy is None:
        scheme = f"exact: all {len(values)} masks were evaluated"
        faithfulness = Faithfulness(1.0, np.zeros(0, np.int64), scheme, exact=True)
        return Explanation(exact_spectrum(masks, narrowed(values)), faithfulness, names, name, masks, values)
    fitted = checked(proxy(masks.copy(), values.copy(), key), name, masks)  # a proxy may centre in place
    rows = np.intersect1d(fitted.held_out_rows, inner)
    scheme = f"each of {len(rows)} masks predicted by a fit that never saw it, in cross-validation"
    weights = size_weights(masks[rows]) if sized else None
    scheme += ", weighed as if drawn uniformly" if sized else ""
    measured = values[rows], np.asarray(fitted.held_out)[rows], weights
    if (few := few_hold_half(*measured)) <= max(1, len(rows) // 50):
        scheme += f"; {few} of them make up half of the error, so unseen masks may hold more like them"
    faithfulness = Faithfulness(r2(*measured), rows, scheme, r2_error(*measured, folds=_FOLDS))
    return Explanation(
        fitted.spectrum, faithfulness, names, name, masks, values, fitted.diagnostics, surrogate=fitted.surrogate
    )


def _checked(masks: ArrayLike, values: ArrayLike, names: Sequence[str] | None) -> tuple:
    masks, values = np.asarray(masks), real_numbers(values, "Values")
    if masks.ndim != 2 or values.shape != masks.shape[:1]:
        raise ValueError(f"Masks must be [m, n] and values [m]; got {masks.shape} and {values.shape}.")
    n = masks.shape[1]
    masks = checked_masks(masks, n)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise ValueError(f"{len(bad)} of the {len(values)} values are not finite, first at row {bad[0]}; remove them.")
    _, group = unique_rows(np.packbits(masks, axis=1))
    _, first, counts = np.unique(group, return_index=True, return_counts=True)
    if len(first) < min_budget(n):
        raise ValueError(f"{len(first)} distinct masks are too few: {n} features need at least {min_budget(n)}.")
    if len(first) < len(masks):
        masks, values = masks[first], np.bincount(group, values / counts[group])
    names = tuple(map(str, names)) if names is not None else tuple(f"x{i}" for i in range(n))
    if len(names) != n:
        raise ValueError(f"There are {n} features but {len(names)} feature names.")
    return masks, values, names
