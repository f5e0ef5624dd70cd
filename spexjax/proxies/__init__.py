"""Proxies: models fitted to masks and values from which a spectrum can be read."""

from spexjax.proxies._cross_validation import folds
from spexjax.proxies._lasso import Lasso, lasso
from spexjax.proxies._least_squares import LeastSquares, least_squares
from spexjax.proxies._prior_mean import fit_around
from spexjax.proxies._proxy import Fit, Proxy, call_proxy, checked, without_ends
from spexjax.proxies._refit import refit
from spexjax.proxies._screening import Screen, columns, lift, screen
from spexjax.proxies._select import Select, select
from spexjax.proxies.gp import Kernels, Tied, Untied, fit_kernel, kernels, loss, train
from spexjax.proxies.products import Products, SumOfProducts, fit_products, products_spectrum, sum_of_products
from spexjax.proxies.trees import BoostedTrees, boosted_trees

__all__ = [
    "BoostedTrees",
    "Fit",
    "Kernels",
    "Lasso",
    "LeastSquares",
    "Products",
    "Proxy",
    "Screen",
    "Select",
    "SumOfProducts",
    "Tied",
    "Untied",
    "boosted_trees",
    "call_proxy",
    "checked",
    "columns",
    "fit_around",
    "fit_kernel",
    "fit_products",
    "folds",
    "kernels",
    "lasso",
    "least_squares",
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
