"""ProxySPEX: gradient-boosted trees as the proxy; their Fourier spectrum is read off and refitted."""

import dataclasses
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from spexjax._values import standardise
from spexjax.proxies._cross_validation import folds, leave_fold_selection
from spexjax.proxies._proxy import Fit, without_ends
from spexjax.proxies._refit import refit
from spexjax.proxies.trees._fourier import booster_leaves, tree_spectrum
from spexjax.spectrum import Spectrum
from spexjax.typing import Key, Masks, Values


class Boosting(NamedTuple):
    """One boosting run. All numbers of trees in `num_trees` are prefixes of it, so it costs a single fit."""

    max_depth: int
    learning_rate: float
    num_trees: tuple[int, ...]
    options: tuple[tuple[str, float], ...] = ()  # further LightGBM parameters


# The grid in the authors' public code.
PAPER = tuple(Boosting(depth, rate, (500, 1000, 5000)) for depth in (3, 5) for rate in (0.01, 0.1))
# Half of LightGBM's least leaf size, with which 40 masks hardly allow a split.
FAST = (Boosting(5, 0.05, (50, 100, 200, 400, 800), (("min_data_in_leaf", 10),)),)


@dataclasses.dataclass(frozen=True)
class BoostedTrees:
    """The proxy made by `boosted_trees`."""

    grid: tuple[Boosting, ...]
    num_folds: int = 5
    max_terms: int = 1000

    @without_ends
    def __call__(self, masks: Masks, values: Values, key: Key) -> Fit:
        """Fits trees to all masks and without each fold, and refits their strongest terms; see `boosted_trees`."""
        train = _trainer()
        x = np.asarray(masks, np.float32)
        y, _, spread = standardise(values)  # LightGBM's thresholds are absolute
        fold_key, seed_key = jax.random.split(key)
        num_folds = min(self.num_folds, len(y))
        fold = folds(fold_key, masks, num_folds)
        seed = int(jax.random.randint(seed_key, (), 0, 2**31 - 1))

        def predict(run: Boosting, k: int) -> Float[np.ndarray, "t rows"]:
            booster = train(x[fold != k], y[fold != k], run, run.num_trees[-1], seed)
            return np.stack([booster.predict(x[fold == k], num_iteration=t, num_threads=1) for t in run.num_trees])

        def spectrum(setting: int, k: int) -> Spectrum:
            run, num_trees = settings[setting]
            booster = train(x[fold != k], y[fold != k], run, num_trees, seed)
            leaves = booster_leaves(booster.model_to_string(), x.shape[1])
            return tree_spectrum(*leaves, x.shape[1]).truncate(self.max_terms + 1).scale(spread)

        settings = [(run, t) for run in self.grid for t in run.num_trees]
        predictions = np.zeros((len(settings), len(y)))
        with ThreadPoolExecutor(_num_cores()) as pool:
            jobs = [(run, k) for run in self.grid for k in range(num_folds)]
            for (run, k), p in zip(jobs, pool.map(predict, *zip(*jobs, strict=True)), strict=True):
                first = settings.index((run, run.num_trees[0]))
                predictions[first : first + len(p), fold == k] = p
            chosen = leave_fold_selection(predictions, y, fold)
            # No mask has fold -1, so the last trees are fitted to all masks.
            *without_fold, decoded = pool.map(
                spectrum, [*chosen.without_fold.tolist(), chosen.best], [*range(num_folds), -1]
            )
        fit = refit(decoded, without_fold, masks, values, fold, self.max_terms)
        run, num_trees = settings[chosen.best]
        trees = {"max_depth": run.max_depth, "learning_rate": run.learning_rate, "trees": num_trees}
        return fit._replace(diagnostics={"folds": num_folds, **trees, **dict(run.options), **fit.diagnostics})


def boosted_trees(grid: str = "fast") -> BoostedTrees:
    """ProxySPEX with LightGBM: boosted trees, their exact Fourier spectrum, and a refit of its strongest terms.

    1. The tree setting is chosen by 5-fold cross-validation: with `grid="paper"` among the authors' 12 (depth 3 or
       5, rate 0.01 or 0.1, 500, 1000 or 5000 trees), with `grid="fast"` only the number of trees is chosen.
    2. The exact spectrum of the trees is computed (`tree_spectrum`).
    3. `refit` keeps and refits the first k terms. The authors' code keeps terms up to 95 % of the energy and refits
       them by ridge regression without an intercept. Here k and the ridge are chosen by held-out error, shrinkage
       follows the trees' own coefficients, and the intercept is free.

    Source: Butler et al., ProxySPEX, arXiv 2505.17495 (2025), section 4.

    Args:
      grid: "paper" or "fast"; "paper" costs several times more.

    Returns:
      A proxy. Calling it raises ValueError for fewer than 2 masks.

    Raises:
      ImportError: if LightGBM is not installed.
      ValueError: if there is no such grid.
    """
    grids = {"paper": PAPER, "fast": FAST}
    if grid not in grids:
        raise ValueError(f"There is no grid {grid!r}; choose one of {sorted(grids)}.")
    _trainer()
    return BoostedTrees(grids[grid])


def _trainer() -> Callable:
    """Imports LightGBM and returns `train(x, y, run, num_trees, seed) -> Booster`."""
    try:
        import lightgbm
    except ImportError:
        raise ImportError("Boosted trees need LightGBM: pip install 'spexjax[trees]'.") from None

    def train(x, y, run: Boosting, num_trees: int, seed: int):
        # One thread per run: the folds run in parallel, and few masks gain little from more threads.
        parameters = {
            "objective": "regression", "max_depth": run.max_depth, "learning_rate": run.learning_rate,
            "seed": seed, "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbosity": -1,
            **dict(run.options),
        }  # fmt: skip
        return lightgbm.train(parameters, lightgbm.Dataset(x, y, params=parameters), num_trees)

    return train


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
