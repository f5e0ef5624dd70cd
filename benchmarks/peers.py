"""The peers that spexjax is compared with, called as their own documentation says.

    pip install spectralexplain==0.0.4 lightgbm pandas scikit-learn

The command is for `authors_and_lightgbm`; `shapiq_approximators` needs "shapiq[shapleig]==1.8.*", xgboost and
lightgbm, and Python 3.12.
"""

from collections.abc import Callable
from unittest import mock

import numpy as np

ROWS = 4096  # masks predicted at once
SHAPLEIG_BUDGET, SPEX_BUDGET = 128, 1024  # ablations
PEERS = {  # those of shapiq_approximators, and the indices of which each has values
    **dict.fromkeys(("proxyshap", "proxyshap-adjusted", "proxyspex"), ("SV", "SII", "FSII", "FBII")),
    **dict.fromkeys(("kernelshap", "spex"), ("SV", "SII", "FSII", "FBII")),
    **dict.fromkeys(("regressionmsr", "kernelshap-paired", "leverageshap", "oddshap", "polyshap"), ("SV",)),
    **dict.fromkeys(("polyshap-3-paired", "shapleig", "kadd-shap", "unbiased-kernelshap", "owen"), ("SV",)),
    "stratified": ("SV",),
    "permutation": ("SV", "SII"),
    "shapiq": ("SII",),  # as svarmiq's
    "svarmiq": ("SV", "SII"),  # its FSII has values of the highest order only
    **dict.fromkeys(("kernelshapiq-paired", "kernelshapiq-inconsistent-paired"), ("SII",)),
    "regressionfsii-paired": ("FSII",),
    "regressionfbii-paired": ("FBII",),
}


def authors_and_lightgbm(masks: np.ndarray, values: np.ndarray) -> dict[str, tuple[Callable, dict, dict]]:
    """One grid search, read in two ways: `{name: (predict, times, details)}`.

    "authors" is the ProxySPEX of its authors: `proxy_spex` of spectralexplain, which searches its grid by 5-fold
    cross-validation, turns the best trees into Fourier terms, keeps 95 % of their energy and refits them by ridge
    regression. "lightgbm" is the very same best trees, predicting themselves.
    """
    from common import Stopwatch
    from spectralexplain import utils

    searches, times, watch = [], [], Stopwatch()

    class Search(utils.GridSearchCV):
        def fit(self, *args, **options):
            super().fit(*args, **options)
            times.append(watch.read())
            searches.append(self)
            return self

    failure = None
    with mock.patch.object(utils, "GridSearchCV", Search):
        try:
            terms = utils.proxy_spex((masks.astype(int), values.astype(float)))
        except ValueError as error:  # where one coefficient has 95 % of the energy, no term is left to refit
            terms, failure = {}, str(error)[:80]
    times.append(watch.read())
    best = searches[0].best_estimator_
    details = {"terms": len(terms), **searches[0].best_params_} | ({"failure": failure} if failure else {})
    mean = values.mean() if failure else 0.0
    return {
        "authors": (lambda x: mean + _fourier(terms, x), times[1], details),
        "lightgbm": (lambda x: _trees(best, x), times[0], searches[0].best_params_),
    }


def _fourier(terms: dict[tuple[int, ...], float], masks: np.ndarray) -> np.ndarray:
    """The sum of the terms at each mask; what `spectralexplain.utils.estimate_r2` computes, in bounded memory."""
    if not terms:
        return np.zeros(len(masks))
    support, coefficients = np.array(list(terms), np.float32), np.array(list(terms.values()))
    parts = np.split(masks, range(ROWS, len(masks), ROWS))
    return np.concatenate([(1 - 2 * (part.astype(np.float32) @ support.T % 2)) @ coefficients for part in parts])


def _trees(model, masks: np.ndarray) -> np.ndarray:
    import pandas as pd

    return model.predict(pd.DataFrame(masks.astype(int), columns=[f"f{i}" for i in range(masks.shape[1])]))


def shapiq_approximators(n: int, index: str, order: int, seed: int, budget: int | None = None) -> dict[str, Callable]:
    """What shapiq has for SV, SII, FSII or FBII: `{name: function that makes the approximator}`.

    Settings are shapiq's defaults, but for these. "kernelshap" is what shapiq chooses by itself: KernelSHAP for SV,
    KernelSHAP-IQ for SII, regressions for FSII and FBII. None of these samples complements together unless it is
    asked to; names that end in "paired" do, and "shapiq" and "svarmiq", which is SVARM for SV. "proxyshap-adjusted"
    adds to ProxySHAP the correction of its trees' residuals, off by default; "regressionmsr" is ProxySHAP with that
    correction and the sampling made for SV. "inconsistent" is the variant of KernelSHAP-IQ that shapiq prefers at low
    budgets.
    "polyshap" has all pairs; with complements it would be paired KernelSHAP, so the paired one has all triples.
    OddSHAP needs 10 ablations. "shapleig" fits a Gaussian process anew after each ablation: it is there for n + 2 to
    `SHAPLEIG_BUDGET` ablations only, and needs "shapiq[shapleig]". SPEX refuses fewer than some 1,000.
    """
    from shapiq import approximator as a
    from shapiq.explainer.configuration import setup_approximator_automatically

    seeded = {"n": n, "random_state": seed}
    options = seeded | {"max_order": order, "index": index}
    pairs = {"pairing_trick": True}
    found = {
        "proxyshap": lambda: a.ProxySHAP(**options),
        "proxyshap-adjusted": lambda: a.ProxySHAP(**options, adjustment=True),
        "proxyspex": lambda: _quiet(a.ProxySPEX(**options)),
        "kernelshap": lambda: setup_approximator_automatically(index, order, n, seed),
    }
    if budget is not None and budget >= SPEX_BUDGET:
        found["spex"] = lambda: a.SPEX(**options)
    if index == "SV":
        found |= {
            "kadd-shap": lambda: a.kADDSHAP(**seeded),
            "owen": lambda: a.OwenSamplingSV(**seeded),
            "permutation": lambda: a.PermutationSamplingSV(**seeded),
            "stratified": lambda: a.StratifiedSamplingSV(**seeded),
            "unbiased-kernelshap": lambda: a.UnbiasedKernelSHAP(**seeded),
            "regressionmsr": lambda: a.RegressionMSR(**seeded, index="SV"),
            "kernelshap-paired": lambda: a.KernelSHAP(**seeded, **pairs),
            "leverageshap": lambda: a.LeverageSHAP(**seeded),
            "oddshap": lambda: a.OddSHAP(**seeded),
            "polyshap": lambda: a.PolySHAP(**seeded),
            "polyshap-3-paired": lambda: a.PolySHAP(**seeded, **pairs, max_order=3),
            "svarmiq": lambda: a.SVARM(**seeded, **pairs, index="SV"),
        }
        if budget is not None and n + 1 < budget <= SHAPLEIG_BUDGET:
            found["shapleig"] = lambda: a.ShaplEIG(**seeded, show_progress=False)
    if index == "SII":
        found |= {
            "kernelshapiq-paired": lambda: a.KernelSHAPIQ(**options, **pairs),
            "kernelshapiq-inconsistent-paired": lambda: a.InconsistentKernelSHAPIQ(**options, **pairs),
            "svarmiq": lambda: a.SVARMIQ(**options, **pairs),
            "permutation": lambda: a.PermutationSamplingSII(**options),
            "shapiq": lambda: a.SHAPIQ(**options, **pairs),
        }
    if index == "FSII":
        found["regressionfsii-paired"] = lambda: a.RegressionFSII(**seeded, **pairs, max_order=order)
    if index == "FBII":
        found["regressionfbii-paired"] = lambda: a.RegressionFBII(**seeded, **pairs, max_order=order)
    return found


def _quiet(proxyspex):
    """Without LightGBM's messages."""
    proxyspex.proxy_model.estimator.set_params(verbosity=-1)
    return proxyspex


class FitOnce:
    """ProxySPEX's grid search, not made anew for coalitions it has seen: they are the same for every index."""

    def __init__(self, search):
        self.search, self.estimator, self.best_estimator_, self.masks = search, search.estimator, None, None

    def fit(self, masks: np.ndarray, values: np.ndarray) -> None:
        if self.masks is None or not np.array_equal(masks, self.masks):
            self.search.fit(masks, values)
            self.masks, self.best_estimator_ = masks.copy(), self.search.best_estimator_

    def predict(self, masks: np.ndarray) -> np.ndarray:
        return self.best_estimator_.predict(masks)
