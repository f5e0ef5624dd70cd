"""The methods of `explain` and `fit` by name: which proxies stand behind each, for so many masks and features."""

import inspect
from collections.abc import Sequence
from importlib.util import find_spec

from spexjax import designs, proxies
from spexjax.gp import Surrogate
from spexjax.methods._spex import Spex, SpexPlan, spex
from spexjax.proxies import Proxy

METHODS = {  # by the numbers of masks and features, and surrogates to be like
    "proxyspex": lambda m, n, like: proxies.select(_differentiable(m, n, like)),
    "proxyspex-trees": lambda m, n, like: proxies.boosted_trees(grid="paper"),
    "proxyspex-trees-fast": lambda m, n, like: proxies.boosted_trees(grid="fast"),
    "lasso": lambda m, n, like: proxies.lasso(),
}
_PRODUCTS = 500  # features up to which sums of products compete, where masks are too many for a kernel matrix


def resolve(
    method: str | Proxy | Spex,
    num_masks: int,
    num_features: int,
    *,
    shapley: bool = False,
    plan: SpexPlan | None = None,
    like: Sequence[Surrogate] = (),
) -> tuple[str, Proxy | None]:
    """The method's name and its proxy; None for the exact transform.

    Args:
      method: as in `fit`, or SPEX.
      num_masks: m.
      num_features: n.
      shapley: whether a Shapley-type index is asked for. Trees are left out of "auto" then: held-out error says how
        well masks are predicted, not derivatives, and so it is no reason to give them a share.
      plan: of SPEX, where the masks are such a plan's.
      like: surrogates of other inputs, for the differentiable proxy.

    Raises:
      ValueError: if the method is unknown or needs other masks.
    """
    if plan is not None:
        others = _candidates(num_masks, num_features, like) if method == "auto" else {"lasso": proxies.lasso()}
        return "auto" if method == "auto" else "spex", proxies.select(others | {"spex": plan})
    if method == "spex" or isinstance(method, Spex):
        raise ValueError(
            "SPEX decodes masks of its own: use explain(method='spex'), or designs.subsampled and decoder.decode."
        )
    if not isinstance(method, str):
        _check(method)
        return getattr(method, "__name__", type(method).__name__), method
    check_name(method)
    if method in ("auto", "exact") and num_masks == designs.uniform_size(num_masks + 1, num_features):
        return "exact", None
    if method == "exact":
        raise ValueError(
            f"The exact method needs all 2^{num_features} masks, but there are {num_masks}; choose another method."
        )
    if method == "auto" and not shapley:
        return method, proxies.select(_candidates(num_masks, num_features, like))
    return method, METHODS["proxyspex" if method == "auto" else method](num_masks, num_features, like)


def check_name(method: str) -> None:
    """Raises ValueError, with the names that there are, for another."""
    if method not in ("auto", "exact", "spex", *METHODS):
        raise ValueError(f"There is no method {method!r}; choose one of auto, exact, spex, {', '.join(METHODS)}.")


def _check(method: Proxy) -> None:
    """Raises ValueError for what cannot be called as a proxy is."""
    try:
        inspect.signature(method).bind("masks", "values", "key")
        called = method is not spex  # it has three arguments, too
    except (TypeError, ValueError):
        called = False
    if not called:
        name = getattr(method, "__name__", repr(method))
        made = f"; if {name} makes one, call it: {name}()" if callable(method) else ""
        raise ValueError(
            f"A method is a name, or a proxy that is called with masks, values and a key; {name} is not{made}."
        )


def _differentiable(num_masks: int, num_features: int, like: Sequence[Surrogate]) -> dict[str, Proxy]:
    """The proxies without trees, the simplest first."""
    found = {"lasso": proxies.lasso(), "kernels": proxies.kernels(like)}
    if num_masks > found["kernels"].max_masks and num_features <= _PRODUCTS:
        found["products"] = proxies.sum_of_products()
    return found


def _candidates(num_masks: int, num_features: int, like: Sequence[Surrogate]) -> dict[str, Proxy]:
    """All that "auto" compares."""
    trees = {"trees": proxies.boosted_trees("fast")} if find_spec("lightgbm") else {}
    return _differentiable(num_masks, num_features, like) | trees
