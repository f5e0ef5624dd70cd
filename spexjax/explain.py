"""The road itself: design, ablations, fit, Explanation."""

import dataclasses
import time
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from numpy.typing import ArrayLike

from spexjax import designs
from spexjax.evaluation import Store, run
from spexjax.explanation import Explanation, Faithfulness
from spexjax.indices import check_index
from spexjax.methods import resolve
from spexjax.metrics import r2, r2_error
from spexjax.proxies import Proxy
from spexjax.spectrum import unique_rows
from spexjax.spex import Spex, spex
from spexjax.transforms import exact_spectrum
from spexjax.typing import Ablation, Key, Masks

SHAPLEY = ("SV", "SII", "STII", "FSII", "k-SII")  # indices that weigh small and large masks as much as all others
_MIN_MASKS = 20  # five folds of four
_FIRST_ROUND = 128
_LOOK, _HOPELESS = 512, 0.1  # masks after which "auto" turns to SPEX, if R2 is surely below and the budget covers it


def min_budget(num_features: int) -> int:
    """The smallest number of ablations an explanation can rest on: 20, or all 2^n if there are fewer.

    >>> min_budget(3), min_budget(100)
    (8, 20)
    """
    return designs.uniform_size(_MIN_MASKS, num_features)


def explain(
    ablation: Ablation,
    *,
    key: Key,
    budget: int | None = None,
    target_faithfulness: float | None = None,
    max_budget: int | None = None,
    method: str | Proxy | Spex = "auto",
    index: str | None = None,
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
      method: as in `fit`, or "spex" or the settings from `spex`, which draw masks of their own and use as much of the
        budget as the largest design needs that it covers. Where "auto" learns next to nothing from 512 masks (R2
        surely below 0.1) and the budget covers it, the rest is spent on SPEX's masks, and SPEX competes with the
        others. For Shapley-type indices it leaves trees out.
      index: the interaction index that will be asked for. For a Shapley-type index (SV, SII, STII, FSII, k-SII) three
        quarters of the masks are drawn with the sizes it depends on (`designs.sized`), and faithfulness is measured
        on the others.
      mesh: the devices to use, as in `evaluate`; all by default.
      store: where values are looked up and kept, as in `evaluate`.
      progress: show a progress bar; None shows it only on a terminal.

    Raises:
      ValueError: if the budget is missing, below `min_budget` or what SPEX needs, or at odds with the target, or the
        method or index is unknown, or the ablation gives several values, before anything is spent; or if a value is
        not finite.
      ImportError: if the method needs a package that is not installed, before anything is spent.
    """
    n = ablation.num_features
    if (count := getattr(ablation, "num_values", None)) is not None:
        raise ValueError(
            f"This ablation gives {count} values per mask; explain one of them (ablation.only(i)), or evaluate once "
            "and fit each: values = sx.evaluate(ablation, masks), sx.fit(masks, values[:, i], key=key)."
        )
    sizes = _rounds(n, budget, target_faithfulness, max_budget)
    shapley = index is not None and check_index(index) in SHAPLEY
    design_key, fit_key = jax.random.split(key)
    everything = designs.uniform_size(sizes[0] + 1, n) <= sizes[0]
    design, plan = "sized" if shapley else "uniform", None
    if method == "spex" or isinstance(method, Spex):
        if len(sizes) > 1:
            raise ValueError("SPEX draws one design for one budget: give a budget, and no target_faithfulness.")
        if everything:
            method = "exact"
        else:
            plan = (spex() if method == "spex" else method).plan(design_key, sizes[0], n)
    uniform = target_faithfulness is None and not (shapley or everything)
    looks = method == "auto" and uniform and spex().affords(sizes[0], n, known=_LOOK)
    if looks:
        sizes = [_LOOK, *sizes]
    if plan is None:
        name, proxy = resolve(method, designs.uniform_size(sizes[0], n), n, shapley=shapley)
        if hasattr(proxy, "check"):
            proxy.check()
        masks = np.asarray(getattr(designs, design)(design_key, sizes[-1], n))
    else:
        design, masks, shapley = "subsampled", plan.masks, False
    seconds = dict.fromkeys(("prepare", "compile", "ablations", "fit"), 0.0)
    counts = dict.fromkeys(("evaluations", "reused", "programs"), 0)
    values, history, stopped = np.zeros(0, np.float32), [], f"the budget of {sizes[-1]} ablations is spent"
    for size in sizes:
        evaluation = run(ablation, masks[len(values) : size], mesh=mesh, store=store, progress=progress)
        values = np.concatenate([values, evaluation.values])
        start = time.perf_counter()
        name, proxy = resolve(method, len(values), n, shapley=shapley, plan=plan)
        held_out = designs.uniform_rows(len(values)) if shapley and proxy is not None else None
        explanation = _fit(masks[:size], values, name, proxy, fit_key, tuple(ablation.feature_names), held_out)
        seconds["prepare"] += evaluation.plan_seconds
        seconds["compile"] += evaluation.compile_seconds
        seconds["ablations"] += evaluation.seconds - evaluation.plan_seconds - evaluation.compile_seconds
        seconds["fit"] += time.perf_counter() - start
        counts["evaluations"] += evaluation.num_evaluations
        counts["reused"] += evaluation.num_reused
        counts["programs"] = max(counts["programs"], evaluation.num_programs)
        history.append((len(values), explanation.faithfulness.r2, explanation.faithfulness.error))
        if target_faithfulness is not None and (why := _stop(history, target_faithfulness, sizes[-1])):
            stopped = why
            break
        if looks and plan is None and size == _LOOK and _hopeless(explanation.faithfulness):
            draw = partial(spex().plan, jax.random.fold_in(design_key, 1), sizes[-1], n)
            spare = sizes[-1] - len(draw(masks[:_LOOK]).masks)
            plan = draw(masks[: _LOOK + spare])
            design, masks = "subsampled", plan.masks
    provenance = {
        "fingerprint": ablation.fingerprint,
        "budget": budget if target_faithfulness is None else max_budget,
        "ablations": len(values),
        "design": design,
        **({"subsampled": plan.describe()} if plan else {}),
        **counts,
        "padding": round(evaluation.padding, 4),
        "seconds": {phase: round(s, 3) for phase, s in seconds.items()},
        **(ablation.describe() if hasattr(ablation, "describe") else {}),
    }
    if target_faithfulness is not None:
        rounds = [{"ablations": m, "r2": round(r, 4), "error": round(e, 4)} for m, r, e in history]
        provenance |= {"target_faithfulness": target_faithfulness, "rounds": rounds, "stopped": stopped}
    return dataclasses.replace(explanation, provenance=provenance)


def fit(
    masks: ArrayLike,
    values: ArrayLike,
    *,
    method: str | Proxy = "auto",
    key: Key,
    feature_names: Sequence[str] | None = None,
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

    Raises:
      ValueError: if masks and values do not match, there are fewer than `min_budget` distinct masks, a value is not
        finite, or the method is unknown.
      ImportError: if the method needs a package that is not installed.
    """
    masks, values, names = _checked(masks, values, feature_names)
    name, proxy = resolve(method, *masks.shape)
    return _fit(masks, values, name, proxy, key, names)


def _hopeless(faithfulness: Faithfulness) -> bool:
    """Whether little of the function is of the kind that proxies learn."""
    return faithfulness.r2 + 2 * faithfulness.error < _HOPELESS


def _rounds(n: int, budget: int | None, target: float | None, max_budget: int | None) -> list[int]:
    """How many ablations will have been spent after each round."""
    if target is None:
        if budget is None or max_budget is not None:
            raise ValueError("Give a budget, or target_faithfulness together with max_budget.")
        sizes = [budget]
    else:
        if max_budget is None or not target < 1:
            raise ValueError("target_faithfulness is an R2 below 1 and needs max_budget, the most ablations to spend.")
        most = designs.uniform_size(max_budget, n)
        sizes = [min(budget or max(_FIRST_ROUND, min_budget(n)), most)]
        while sizes[-1] < most:
            sizes.append(min(2 * sizes[-1], most))
    if sizes[0] < min_budget(n):
        raise ValueError(f"A budget of {sizes[0]} is too small: {n} features need at least {min_budget(n)} ablations.")
    return sizes


def _stop(history: list[tuple[int, float, float]], target: float, most: int) -> str | None:
    """Why no further round is worth its ablations; None if one is."""
    spent, score, error = history[-1]
    if score - error >= target:
        return f"R2 = {score:.3f} ± {error:.3f} reached the target of {target:g} with {spent} ablations"
    if len(history) > 2 and spent < most:
        gain = max(score - history[-2][1], history[-2][1] - history[-3][1], 0.0)  # per doubling; it shrinks as R2 grows
        reach = score + 2 * error + gain * np.log2(most / spent)
        if reach < target:
            return (
                f"R2 = {score:.3f} ± {error:.3f} with {spent} ablations grows by {gain:.3f} when they are doubled: "
                f"the target of {target:g} is out of reach of {most}"
            )
    return None


def _fit(
    masks: Masks, values, name: str, proxy: Proxy | None, key: Key, names: tuple[str, ...], uniform=None
) -> Explanation:
    """`uniform` are the rows faithfulness is measured on, all of them by default."""
    if proxy is None:
        scheme = f"exact: all {len(values)} masks were evaluated"
        faithfulness = Faithfulness(1.0, np.zeros(0, np.int64), scheme)
        return Explanation(exact_spectrum(masks, values), faithfulness, names, name, masks, values)
    fitted = proxy(jnp.asarray(masks), jnp.asarray(values), key)
    rows = np.arange(len(values)) if uniform is None else uniform
    rows = rows if fitted.held_out_rows is None else np.intersect1d(rows, fitted.held_out_rows)
    scheme = f"each of {len(rows)} uniform masks predicted by a fit that never saw it, in cross-validation"
    truth, held_out = values[rows], np.asarray(fitted.held_out)[rows]
    faithfulness = Faithfulness(r2(truth, held_out), rows, scheme, r2_error(truth, held_out))
    return Explanation(
        fitted.spectrum, faithfulness, names, name, masks, values, fitted.diagnostics, surrogate=fitted.surrogate
    )


def _checked(masks: ArrayLike, values: ArrayLike, names: Sequence[str] | None) -> tuple:
    masks, values = np.asarray(masks), np.asarray(values, np.float32)
    if masks.ndim != 2 or values.shape != masks.shape[:1]:
        raise ValueError(f"Masks must be [m, n] and values [m]; got {masks.shape} and {values.shape}.")
    if not np.isin(masks, (0, 1)).all():
        raise ValueError("Masks must be True (kept) or False (removed); got other numbers.")
    masks, n = masks.astype(bool), masks.shape[1]
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise ValueError(f"{len(bad)} of the {len(values)} values are not finite, first at row {bad[0]}; remove them.")
    _, group = unique_rows(np.packbits(masks, axis=1))
    _, first, counts = np.unique(group, return_index=True, return_counts=True)
    if len(first) < min_budget(n):
        raise ValueError(f"{len(first)} distinct masks are too few: {n} features need at least {min_budget(n)}.")
    if len(first) < len(masks):
        masks, values = masks[first], (np.bincount(group, values) / counts).astype(np.float32)
    names = tuple(names) if names is not None else tuple(f"x{i}" for i in range(n))
    if len(names) != n:
        raise ValueError(f"There are {n} features but {len(names)} feature names.")
    return masks, values, names
