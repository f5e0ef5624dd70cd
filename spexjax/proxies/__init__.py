"""Proxies: models fitted to masks and values from which a spectrum can be read."""

from spexjax.proxies.boosted_trees import BoostedTrees, boosted_trees
from spexjax.proxies.cross_validation import folds
from spexjax.proxies.kernel import Kernels, kernels
from spexjax.proxies.kernel_training import Tied, Untied, fit_kernel, loss, train
from spexjax.proxies.lasso import Lasso, lasso
from spexjax.proxies.products import Products, fit_products, products_spectrum
from spexjax.proxies.proxy import Fit, Proxy, checked, without_ends
from spexjax.proxies.refit import refit
from spexjax.proxies.screening import Screen, columns, lift, screen
from spexjax.proxies.select import Select, select
from spexjax.proxies.sum_of_products import SumOfProducts, sum_of_products

__all__ = [
    "BoostedTrees",
    "Fit",
    "Kernels",
    "Lasso",
    "Products",
    "Proxy",
    "Screen",
    "Select",
    "SumOfProducts",
    "Tied",
    "Untied",
    "boosted_trees",
    "checked",
    "columns",
    "fit_kernel",
    "fit_products",
    "folds",
    "kernels",
    "lasso",
    "lift",
    "loss",
    "products_spectrum",
    "refit",
    "screen",
    "select",
    "sum_of_products",
    "train",
    "without_ends",
]
