"""The road itself: design, ablations, fit, Explanation."""

import dataclasses
import time
from collections.abc import Sequence
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from numpy.typing import ArrayLike

from spexjax import designs, proxies
from spexjax.evaluation import Store, run
from spexjax.explanation import Explanation, Faithfulness
from spexjax.indices import check_index
from spexjax.metrics import r2, r2_error
from spexjax.proxies import Proxy
from spexjax.spectrum import unique_rows
from spexjax.spex import Spex, SpexPlan, spex
from spexjax.transforms import exact_spectrum
from spexjax.typing import Ablation, Key, Masks

METHODS = {  # by the numbers of masks and features
    "proxyspex": lambda m, n: proxies.select(_differentiable(m, n)),
    "proxyspex-trees": lambda m, n: proxies.boosted_trees(grid="paper"),
    "proxyspex-trees-fast": lambda m, n: proxies.boosted_trees(grid="fast"),
    "lasso": lambda m, n: proxies.lasso(),
}
SHAPLEY = ("SV", "SII", "STII", "FSII", "k-SII")  # indices that weigh small and large masks as much as all others
_MIN_MASKS = 20  # five folds of four
_FIRST_ROUND = 128
_PRODUCTS = 500  # features up to which sums of products compete, where masks are too many for a kernel matrix


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
        budget as the largest design needs that it covers.
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
    if method == "spex" or isinstance(method, Spex):
        method = _plan(method, design_key, sizes, n)
    if isinstance(method, SpexPlan):
        design, masks, sizes, shapley = "subsampled", method.masks, [len(method.masks)], False
    else:
        name, proxy = _resolve(method, designs.uniform_size(sizes[0], n), n, shapley)
        if hasattr(proxy, "check"):
            proxy.check()
        design = "sized" if shapley else "uniform"
        masks = np.asarray(getattr(designs, design)(design_key, sizes[-1], n))
    seconds = dict.fromkeys(("prepare", "compile", "ablations", "fit"), 0.0)
    counts = dict.fromkeys(("evaluations", "reused", "programs"), 0)
    values, history, stopped = np.zeros(0, np.float32), [], f"the budget of {sizes[-1]} ablations is spent"
    for size in sizes:
        evaluation = run(ablation, masks[len(values) : size], mesh=mesh, store=store, progress=progress)
        values = np.concatenate([values, evaluation.values])
        start = time.perf_counter()
        name, proxy = _resolve(method, len(values), n, shapley)
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
    provenance = {
        "fingerprint": ablation.fingerprint,
        "budget": budget if target_faithfulness is None else max_budget,
        "ablations": len(values),
        "design": design,
        **({"subsampled": method.describe()} if isinstance(method, SpexPlan) else {}),
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
        `explanation.details` says which and why. (`explain` leaves trees out for Shapley-type indices.)
      key: PRNG key, consumed.
      feature_names: n names; x0, x1, ... by default.

    Raises:
      ValueError: if masks and values do not match, there are fewer than `min_budget` distinct masks, a value is not
        finite, or the method is unknown.
      ImportError: if the method needs a package that is not installed.
    """
    masks, values, names = _checked(masks, values, feature_names)
    name, proxy = _resolve(method, *masks.shape)
    return _fit(masks, values, name, proxy, key, names)


def _plan(method: str | Spex, key: Key, sizes: list[int], n: int) -> SpexPlan | str:
    """What SPEX does with a budget; all masks are left to the exact transform."""
    if len(sizes) > 1:
        raise ValueError("SPEX draws one design for one budget: give a budget, and no target_faithfulness.")
    settings = spex() if method == "spex" else method
    return "exact" if designs.uniform_size(sizes[0] + 1, n) <= sizes[0] else settings.plan(key, sizes[0], n)


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


def _resolve(method: str | Proxy, num_masks: int, num_features: int, shapley: bool = False) -> tuple[str, Proxy | None]:
    """The method's name and its proxy; None for the exact transform."""
    everything = num_masks == designs.uniform_size(num_masks + 1, num_features)
    if method == "auto" and not everything:
        return method, METHODS["proxyspex"](num_masks, num_features) if shapley else _auto(num_masks, num_features)
    if method in ("auto", "exact"):
        if not everything:
            raise ValueError(
                f"The exact method needs all 2^{num_features} masks, but there are {num_masks}; choose another method."
            )
        return "exact", None
    if isinstance(method, SpexPlan):
        return "spex", method
    if not isinstance(method, str):
        return getattr(method, "__name__", type(method).__name__), method
    if method == "spex":
        raise ValueError(
            "SPEX decodes masks of its own: use explain(method='spex'), or designs.subsampled and decoder.decode."
        )
    if method not in METHODS:
        raise ValueError(f"There is no method {method!r}; choose one of auto, exact, spex, {', '.join(METHODS)}.")
    return method, METHODS[method](num_masks, num_features)


def _differentiable(num_masks: int, num_features: int) -> dict[str, Proxy]:
    """The proxies without trees, the simplest first."""
    found = {"lasso": proxies.lasso(), "kernels": proxies.kernels()}
    if num_masks > found["kernels"].max_masks and num_features <= _PRODUCTS:
        found["products"] = proxies.sum_of_products()
    return found


def _auto(num_masks: int, num_features: int) -> Proxy:
    """The best proxy for uniform masks. For Shapley-type indices trees are left out: held-out error says how well masks
    are predicted, not derivatives, and so it is no reason to give them a share."""
    trees = {"trees": proxies.boosted_trees("fast")} if find_spec("lightgbm") else {}
    return proxies.select(_differentiable(num_masks, num_features) | trees)


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
