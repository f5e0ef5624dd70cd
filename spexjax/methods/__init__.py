"""The methods of `explain` and `fit`: the contract, the registry, and those that are there.

| name | what it does |
|---|---|
| `auto` | exact where possible; else the best by held-out error, or a mixture of two |
| `exact` | transforms the values at all 2^n masks |
| `proxyspex` | ProxySPEX as published: boosted trees, with the paper's grid of settings |
| `proxyspex-fast` | the same with one good setting |
| `proxyspex-gp` | the differentiable ProxySPEX: Gaussian processes on the hypercube |
| `lasso` | a linear fit |
| `least-squares` | all pairs by least squares: Faith-Banzhaf or Faith-Shapley regression, as masks are drawn |
| `least-squares-3` | the same with all triples |
| `spex` | SPEX: structured masks, decoded |
"""

from spexjax import proxies as _proxies
from spexjax.methods._auto import Auto
from spexjax.methods._exact import Exact
from spexjax.methods._from_proxy import Differentiable, FromProxy, from_proxy
from spexjax.methods._keep import probes, structured_keep
from spexjax.methods._least_squares import LeastSquares
from spexjax.methods._method import Design, Look, Method, check_keep, checked_design, covers_all, draw
from spexjax.methods._registry import Remembering, Resembling, get, is_built_in, names, register
from spexjax.methods._registry import register_built_in as _register_built_in
from spexjax.methods._spex import Spex, SpexPlan, spex

__all__ = [
    "Auto",
    "Design",
    "Differentiable",
    "Exact",
    "FromProxy",
    "LeastSquares",
    "Look",
    "Method",
    "Remembering",
    "Resembling",
    "Spex",
    "SpexPlan",
    "check_keep",
    "checked_design",
    "covers_all",
    "draw",
    "from_proxy",
    "get",
    "is_built_in",
    "names",
    "probes",
    "register",
    "spex",
    "structured_keep",
]

_register_built_in(
    Auto(),
    Exact(),
    FromProxy("proxyspex", lambda m, n: _proxies.boosted_trees("paper")),
    FromProxy("proxyspex-fast", lambda m, n: _proxies.boosted_trees("fast")),
    Differentiable(),
    FromProxy("lasso", lambda m, n: _proxies.lasso()),
    LeastSquares(),
    LeastSquares("least-squares-3", 3),
    spex(),
)
