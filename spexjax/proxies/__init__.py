"""Proxies: models fitted to masks and values from which a spectrum can be read."""

from spexjax.proxies.boosted_trees import BoostedTrees, boosted_trees
from spexjax.proxies.cross_validation import folds
from spexjax.proxies.kernel import Kernels, kernels
from spexjax.proxies.kernel_training import Tied, Untied, fit_kernel, loss, train
from spexjax.proxies.lasso import Lasso, lasso
from spexjax.proxies.proxy import Fit, Proxy
from spexjax.proxies.refit import refit
from spexjax.proxies.select import Select, select

__all__ = [
    "BoostedTrees",
    "Fit",
    "Kernels",
    "Lasso",
    "Proxy",
    "Select",
    "Tied",
    "Untied",
    "boosted_trees",
    "fit_kernel",
    "folds",
    "kernels",
    "lasso",
    "loss",
    "refit",
    "select",
    "train",
]
