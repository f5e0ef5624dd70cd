"""Proxies: models fitted to masks and values from which a spectrum can be read."""

from spexjax.proxies.boosted_trees import BoostedTrees, boosted_trees
from spexjax.proxies.lasso import Lasso, lasso
from spexjax.proxies.proxy import Fit, Proxy
from spexjax.proxies.refit import refit

__all__ = ["BoostedTrees", "Fit", "Lasso", "Proxy", "boosted_trees", "lasso", "refit"]
