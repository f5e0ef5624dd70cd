"""ProxySPEX: gradient-boosted trees as the proxy; their Fourier spectrum is read off and refitted."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from spexjax._random import random_seed, split_key
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
        n, (y, _, spread) = x.shape[1], standardise(values)  # LightGBM's thresholds are absolute
        fold_key, seed_key = split_key(key, 2)
        num_folds = min(self.num_folds, len(y))
        fold = folds(fold_key, masks, num_folds)
        seed = random_seed(seed_key)

        settings = [(run, t) for run in self.grid for t in run.num_trees]
        predictions, boosters = np.zeros((len(settings), len(y))), {}
        for run in self.grid:
            first = settings.index((run, run.num_trees[0]))
            for k in range(num_folds):
                inside = fold == k
                booster = boosters[run, k] = train(x[~inside], y[~inside], run, run.num_trees[-1], seed)
                for i, t in enumerate(run.num_trees):
                    predictions[first + i, inside] = booster.predict(x[inside], num_iteration=t, num_threads=1)
        chosen = leave_fold_selection(predictions, y, fold)

        def spectrum(booster: Any, num_trees: int) -> Spectrum:
            leaves = booster_leaves(booster.model_to_string(num_iteration=num_trees), n)
            return tree_spectrum(*leaves, n).truncate(self.max_terms + 1).scale(spread)

        of_fold = [settings[setting] for setting in chosen.without_fold]
        without_fold = [spectrum(boosters[run, k], t) for k, (run, t) in enumerate(of_fold)]
        run, num_trees = settings[chosen.best]
        decoded = spectrum(train(x, y, run, num_trees, seed), num_trees)
        fit = refit(decoded, without_fold, masks, values, fold, self.max_terms)
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
        # Few masks gain nothing from threads, and OpenMP's pool is slow under threads of Python.
        parameters = {
            "objective": "regression", "max_depth": run.max_depth, "learning_rate": run.learning_rate,
            "seed": seed, "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbosity": -1,
            **dict(run.options),
        }  # fmt: skip
        # Kept for prediction as it is; by default it is written to a string and read back.
        data = lightgbm.Dataset(x, y, params=parameters)
        return lightgbm.train(parameters, data, num_trees, keep_training_booster=True)

    return train
