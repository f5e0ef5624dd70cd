"""Proxies: models fitted to masks and values from which a spectrum can be read."""

from spexjax.proxies.boosted_trees import BoostedTrees, boosted_trees
from spexjax.proxies.kernel import Kernels, kernels
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
    "boosted_trees",
    "kernels",
    "lasso",
    "refit",
    "select",
]
