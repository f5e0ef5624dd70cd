"""The road itself: design, ablations, fit, Explanation."""

import dataclasses
import time
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from spexjax import designs, proxies
from spexjax.evaluation import run
from spexjax.explanation import Explanation, Faithfulness
from spexjax.metrics import r2
from spexjax.proxies import Proxy
from spexjax.spectrum import unique_rows
from spexjax.transforms import exact_spectrum
from spexjax.typing import Ablation, Key

METHODS = {
    "proxyspex-trees": lambda: proxies.boosted_trees(grid="paper"),
    "proxyspex-trees-fast": lambda: proxies.boosted_trees(grid="fast"),
    "lasso": proxies.lasso,
}
_MIN_MASKS = 20  # five folds of four


def min_budget(num_features: int) -> int:
    """The smallest number of ablations an explanation can rest on: 20, or all 2^n if there are fewer.

    >>> min_budget(3), min_budget(100)
    (8, 20)
    """
    return designs.uniform_size(_MIN_MASKS, num_features)


def explain(
    ablation: Ablation, *, budget: int, key: Key, method: str | Proxy = "auto", progress: bool | None = None
) -> Explanation:
    """Finds the interactions that drive a value function from at most `budget` ablations.

    Args:
      ablation: what is explained; see `spexjax.ablations`.
      budget: how many ablations may be spent; where there are no more masks than that, all 2^n are evaluated.
      key: PRNG key, consumed; the same key gives the same explanation.
      method: as in `fit`.
      progress: show a progress bar; None shows it only on a terminal.

    Raises:
      ValueError: if the budget is below `min_budget` or the method is unknown, before anything is spent; or if a
        value is not finite.
      ImportError: if the method needs a package that is not installed, before anything is spent.
    """
    n = ablation.num_features
    if budget < min_budget(n):
        raise ValueError(f"A budget of {budget} is too small: {n} features need at least {min_budget(n)} ablations.")
    name, proxy = _resolve(method, designs.uniform_size(budget, n), n)
    if hasattr(proxy, "check"):
        proxy.check()
    design_key, fit_key = jax.random.split(key)
    evaluation = run(ablation, masks := designs.uniform(design_key, budget, n), progress=progress)
    start = time.perf_counter()
    explanation = _fit(np.asarray(masks), evaluation.values, name, proxy, fit_key, tuple(ablation.feature_names))
    provenance = {
        "fingerprint": ablation.fingerprint,
        "budget": budget,
        "evaluations": evaluation.num_evaluations,
        "programs": evaluation.num_programs,
        "padding": round(evaluation.padding, 4),
        "seconds": {
            "prepare": round(evaluation.plan_seconds, 3),
            "compile": round(evaluation.compile_seconds, 3),
            "ablations": round(evaluation.seconds - evaluation.plan_seconds - evaluation.compile_seconds, 3),
            "fit": round(time.perf_counter() - start, 3),
        },
        **(ablation.describe() if hasattr(ablation, "describe") else {}),
    }
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
      method: "exact" (all 2^n masks are there), "proxyspex-trees" (boosted trees, the paper's grid),
        "proxyspex-trees-fast" (one good setting), "lasso" (order 1 only), or any `Proxy`. "auto" is "exact" where
        possible and else "proxyspex-trees-fast".
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


def _fit(masks, values, name: str, proxy: Proxy | None, key: Key, names: tuple[str, ...]) -> Explanation:
    if proxy is None:
        spectrum, details = exact_spectrum(masks, values), {}
        faithfulness = Faithfulness(1.0, np.zeros(0, np.int64), f"exact: all {len(values)} masks were evaluated")
    else:
        spectrum, held_out, details = proxy(jnp.asarray(masks), jnp.asarray(values), key)
        scheme = f"each of the {len(values)} masks predicted by a fit that never saw it, in 5-fold cross-validation"
        faithfulness = Faithfulness(r2(values, held_out), np.arange(len(values)), scheme)
    return Explanation(spectrum, faithfulness, names, name, masks, values, details)


def _resolve(method: str | Proxy, num_masks: int, num_features: int) -> tuple[str, Proxy | None]:
    """The method's name and its proxy; None for the exact transform."""
    everything = num_masks == designs.uniform_size(num_masks + 1, num_features)
    if method == "auto":
        method = "exact" if everything else "proxyspex-trees-fast"
    if method == "exact":
        if not everything:
            raise ValueError(
                f"The exact method needs all 2^{num_features} masks, but there are {num_masks}; choose another method."
            )
        return method, None
    if not isinstance(method, str):
        return getattr(method, "__name__", type(method).__name__), method
    if method not in METHODS:
        raise ValueError(f"There is no method {method!r}; choose one of auto, exact, {', '.join(METHODS)}.")
    return method, METHODS[method]()


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
